// @ts-check
/** The engine's bookkeeping of voices, and that no gain it schedules ever steps, on a Web Audio that only writes down. */

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { FakeContext } from "./fake_audio.mjs";
import { Engine, POLYPHONY, velocityGain } from "../../../src/darktimbre/instrument/page/engine.js";
import { LONGEST } from "../../../src/darktimbre/instrument/page/recorder.js";

const LONG = new Float32Array(48000 * 20).fill(0.1);
const keyOf = (midi, source = midi, semitones = 0) => ({ midi, source, semitones });

function playing(options) {
  const context = new FakeContext(options);
  const engine = new Engine(/** @type {any} */ (context));
  for (let pitch = 20; pitch < 100; pitch++) engine.setNote(pitch, LONG, 1);
  return { context, engine };
}

const gainOf = (source) => source.outputs[0].gain;

/** The largest change of a gain within a tenth of a millisecond. */
function steepest(gain, from, until) {
  let most = 0;
  for (let time = from, before = gain.at(from); time < until; time += 1e-4) {
    const value = gain.at(time);
    most = Math.max(most, Math.abs(value - before));
    before = value;
  }
  return most;
}

test("a key sounds its own note at once, unchanged, at the square of its velocity", () => {
  const { context, engine } = playing();
  engine.noteOn(keyOf(60), 64);
  const [source] = context.sources;
  assert.equal(source.started, context.currentTime);
  assert.equal(source.playbackRate.initial, 1);
  assert.equal(gainOf(source).initial, (64 / 127) ** 2);
  assert.deepEqual(gainOf(source).calls, [], "a plain envelope leaves the samples alone");
  assert.equal(velocityGain(127), 1);
});

test("a re-pitched key plays its source faster, and reports the rate it is played at", () => {
  const { context, engine } = playing();
  const recorded = [];
  engine.onnote = (note) => recorded.push(note);
  engine.noteOn(keyOf(72, 60, 12), 100);
  assert.equal(context.sources[0].playbackRate.initial, 2);
  assert.deepEqual([recorded[0].midi, recorded[0].rate, recorded[0].velocity], [72, 96000, 100]);
  assert.equal(recorded[0].samples, LONG);
});

test("a held key whose note is missing sounds when it comes; one let go before does not", () => {
  const { context, engine } = playing();
  engine.noteOn(keyOf(110), 100);
  engine.noteOn(keyOf(111), 100);
  engine.noteOff(111);
  assert.equal(context.sources.length, 0);
  engine.setNote(110, LONG, 1);
  engine.setNote(111, LONG, 1);
  assert.equal(context.sources.length, 1);
  engine.noteOff(110);
  assert.ok(context.sources[0].ends < Infinity);
});

test("an instrument without pitch has one note, whether its source is given as null or NaN", () => {
  const { context, engine } = playing();
  engine.setNote(NaN, LONG, 1);
  engine.noteOn({ midi: 48, source: null, semitones: -12 }, 127);
  assert.equal(context.sources[0].playbackRate.initial, 0.5);
});

test("a stale note sounds until the new one comes; an older one never replaces a newer", () => {
  const { engine } = playing();
  const [newer, older] = [LONG.slice(0, 10), LONG.slice(0, 20)];
  engine.setNote(60, newer, 5);
  engine.setNote(60, older, 4);
  assert.equal(engine.note(60)?.samples, newer);
  assert.equal(engine.note(60)?.generation, 5);
});

test("the pedal holds what is let go, and its coming up releases that but not the keys still down", () => {
  const { context, engine } = playing();
  engine.noteOn(keyOf(60), 127);
  engine.noteOn(keyOf(64), 127);
  engine.sustain(true);
  engine.noteOff(60);
  assert.equal(gainOf(context.sources[0]).at(5), 1);
  engine.sustain(false);
  assert.ok(gainOf(context.sources[0]).at(5) < 1e-3);
  assert.equal(gainOf(context.sources[1]).at(5), 1);
});

test("the next note past the polyphony takes the place of a released one first, then of the oldest", () => {
  const { context, engine } = playing();
  for (let i = 0; i < POLYPHONY; i++) engine.noteOn(keyOf(20 + i), 127);
  assert.equal(engine.sounding, POLYPHONY);
  engine.envelope.release = 3;
  engine.noteOff(30);
  context.to(1.5);
  engine.noteOn(keyOf(90), 127);
  engine.noteOn(keyOf(91), 127);
  assert.equal(engine.sounding, POLYPHONY);
  context.to(1.6);
  const silent = context.sources.map((source, i) => (source.ended ? i : -1)).filter((i) => i >= 0);
  assert.deepEqual(silent, [0, 10]);
  assert.equal(engine.sounding, POLYPHONY);
});

test("the release begins where the curve is, at any moment of it, and ends in silence", () => {
  for (const attack of [0, 0.05, 1]) {
    for (const [decay, sustain] of [[0, 1], [0.1, 0.5], [0, 0], [0.3, 0]]) {
      for (const release of [0, 0.02, 0.2, 2]) {
        for (const held of [0.001, 0.03, 0.4, 2]) {
          const { context, engine } = playing();
          engine.envelope = { attack, decay, sustain, release };
          engine.noteOn(keyOf(60), 127);
          const [source] = context.sources;
          const gain = gainOf(source);
          context.to(1 + held);
          const before = Array.from({ length: 100 }, (_, i) => gain.at(context.currentTime + i * 1e-4));
          engine.noteOff(60);
          const name = JSON.stringify({ attack, decay, sustain, release, held });
          const after = Array.from({ length: 100 }, (_, i) => gain.at(context.currentTime + i * 1e-4));
          after.forEach((value, i) => assert.ok(Math.abs(value - before[i]) < 1e-9, `the next 10 ms stay: ${name}`));
          assert.ok(steepest(gain, context.currentTime, source.ends) < 0.07, name);
          assert.ok(gain.at(source.ends) < 1e-9, `silent at its end: ${name}`);
          const expected = 1 + held + Math.max(release, 0.01) + 0.03;
          assert.ok(source.ends <= expected, `${source.ends} after ${expected}: ${name}`);
        }
      }
    }
  }
});

test("a key struck again fades its old note without a step, also in the middle of its release", () => {
  for (const wait of [0.001, 0.1, 0.5]) {
    const { context, engine } = playing();
    engine.envelope.release = 1;
    engine.noteOn(keyOf(60), 127);
    context.to(2);
    engine.noteOff(60);
    context.to(2 + wait);
    engine.noteOn(keyOf(60), 127);
    const [old, next] = context.sources;
    assert.ok(steepest(gainOf(old), 2, old.ends) < 0.01);
    assert.ok(gainOf(old).at(old.ends) < 1e-9);
    assert.ok(old.ends < 2 + wait + 0.05);
    assert.equal(next.ends, 2 + wait + 20);
  }
});

test("at no point between two calls does the curve of the near future change", () => {
  const { context, engine } = playing();
  engine.envelope = { attack: 0.5, decay: 0.2, sustain: 0.5, release: 0.3 };
  engine.noteOn(keyOf(60), 127);
  context.to(1.1);
  const gain = /** @type {any} */ (gainOf(context.sources[0]));
  const near = () => Array.from({ length: 10 }, (_, i) => gain.at(1.1 + i * 1e-3));
  const expected = near();
  for (const name of ["setValueAtTime", "linearRampToValueAtTime", "setTargetAtTime", "cancelScheduledValues"]) {
    const call = gain[name].bind(gain);
    gain[name] = (...args) => {
      call(...args);
      near().forEach((value, i) => assert.ok(Math.abs(value - expected[i]) < 1e-9, `after ${name}(${args})`));
    };
  }
  engine.noteOff(60);
  engine.allOff();
});

test("all off silences everything soon, the waiting keys and the pedal too", () => {
  const { context, engine } = playing();
  engine.sustain(true);
  engine.noteOn(keyOf(60), 127);
  engine.noteOn(keyOf(120), 127);
  engine.noteOff(60);
  engine.allOff();
  engine.setNote(120, LONG, 1);
  context.to(1.1);
  assert.equal(engine.sounding, 0);
  assert.equal(context.sources.length, 1);
});

test("voices that ended leave nothing connected", () => {
  const { context, engine } = playing();
  engine.noteOn(keyOf(60), 127);
  engine.noteOff(60);
  context.to(3);
  assert.equal(context.sources[0].outputs[0].outputs.length, 0);
  assert.equal(engine.sounding, 0);
});

test("pitch bend reaches what sounds and what will", () => {
  const { context, engine } = playing();
  engine.noteOn(keyOf(60), 127);
  engine.bend(-2);
  engine.noteOn(keyOf(62), 127);
  assert.ok(Math.abs(context.sources[0].detune.at(3) + 200) < 1e-6);
  assert.equal(context.sources[1].detune.initial, -200);
});

test("the volume glides to the square of the slider and arrives exactly", () => {
  const { context, engine } = playing();
  engine.volume = 0.5;
  const volume = context.nodes.find((node) => "gain" in node).gain;
  assert.ok(steepest(volume, 1, 2) < 0.01);
  assert.equal(volume.at(2), 0.25);
  assert.equal(engine.volume, 0.5);
  engine.volume = 7;
  assert.equal(engine.volume, 1);
});

test("recording resolves with what the worklet posted, as one channel while both are equal", async () => {
  const { context, engine } = playing();
  await engine.start();
  assert.ok(engine.running && engine.recordable);
  assert.equal(engine.delay, 48);
  await engine.startRecording();
  await assert.rejects(engine.startRecording(), /already/);
  const { port } = context.worklet;
  port.onmessage({ data: { chunk: [Float32Array.of(1, 2), Float32Array.of(1, 2)] } });
  port.onmessage({ data: { level: { peak: 1, rms: 1, gain: 1 } } });
  const stopped = engine.stopRecording();
  port.onmessage({ data: { chunk: [Float32Array.of(3), Float32Array.of(3)] } });
  port.onmessage({ data: { stopped: true } });
  assert.deepEqual(await stopped, [Float32Array.of(1, 2, 3)]);
  assert.deepEqual(port.posted, ["record", "stop"]);
  await assert.rejects(engine.stopRecording(), /Nothing/);
});

test("a recording stops by itself at its limit, and is still there to be fetched", async () => {
  const { context, engine } = playing({ sampleRate: 8000 });
  await engine.start();
  let reported = 0;
  engine.onrecording = (seconds) => (reported = seconds);
  await engine.startRecording();
  const { port } = context.worklet;
  const minute = [new Float32Array(8000 * 60)];
  for (let i = 0; i < 31; i++) port.onmessage({ data: { chunk: minute } });
  assert.equal(reported, LONGEST);
  assert.equal(port.posted[1], "stop");
  port.onmessage({ data: { stopped: true } });
  const fetched = engine.stopRecording();
  port.onmessage({ data: { stopped: true } });
  assert.equal((await fetched)[0].length, 8000 * LONGEST);
});

test("without an audio worklet the page plays through a shaper, and says that it cannot record", async (context) => {
  const tick = mock.fn();
  context.mock.method(globalThis, "setInterval", tick);
  context.mock.method(console, "info", () => {});
  const { context: audio, engine } = playing({ worklet: false });
  const levels = [];
  engine.onlevel = (...level) => levels.push(level);
  await engine.start();
  assert.match(engine.notice, /recording is off/);
  await assert.rejects(engine.startRecording(), /recording is off/);
  assert.equal(engine.delay, 0);
  const curve = audio.nodes.find((node) => "curve" in node).curve;
  const middle = (curve.length - 1) / 2;
  assert.equal(curve[middle], 0);
  assert.ok(Math.max(...curve) <= 10 ** (-1 / 20) + 1e-6);
  assert.ok(curve.every((y, i) => i === 0 || y >= curve[i - 1]));
  assert.equal(curve[middle + 2048], 0.25 * 2, "half of full scale passes as it is");
  tick.mock.calls[0].arguments[0]();
  assert.deepEqual(levels, [[0.5, 0.5, 1]]);
});
