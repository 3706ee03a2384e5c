// @ts-check
/** The limiter, the meter and the recorder's tap, in the classes the audio thread runs. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Level, Limiter, THRESHOLD, Tap, lookaheadSamples } from "../../../src/darktimbre/instrument/page/master.worklet.js";

const RATE = 48000;
const BLOCK = 128;

/** Reproducible noise in (-1, 1). */
function noise(count, seed = 1) {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

function limited(channels, limiter = new Limiter(RATE)) {
  const count = Math.ceil(channels[0].length / BLOCK) * BLOCK;
  const out = channels.map(() => new Float32Array(count));
  for (let at = 0; at < count; at += BLOCK) {
    const input = channels.map((channel) => {
      const block = new Float32Array(BLOCK);
      block.set(channel.subarray(at, at + BLOCK));
      return block;
    });
    limiter.process(input, out.map((channel) => channel.subarray(at, at + BLOCK)));
  }
  return out;
}

const peakOf = (samples) => samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);

test("the lookahead is at most 1.5 ms and at least a sample, at any rate", () => {
  for (const rate of [8000, 44100, 48000, 96000, 192000]) {
    assert.ok(lookaheadSamples(rate) >= 1 && lookaheadSamples(rate) / rate <= 0.0015);
  }
  assert.equal(lookaheadSamples(44100), 44);
});

test("up to the threshold the output is the input to the bit, later by the lookahead", () => {
  const sound = noise(20000).map((x) => x * THRESHOLD);
  sound[5000] = THRESHOLD;
  sound[5001] = -THRESHOLD;
  const [out] = limited([sound]);
  const { delay } = new Limiter(RATE);
  assert.deepEqual(out.subarray(0, delay), new Float32Array(delay));
  assert.deepEqual(out.subarray(delay, 20000), sound.subarray(0, 20000 - delay));
});

test("nothing passes the threshold: a step, one sample, noise 20 dB too loud, a burst, infinity", () => {
  const step = new Float32Array(4000).fill(10, 1000);
  const single = new Float32Array(4000);
  single[777] = -50;
  const loud = noise(50000).map((x) => 10 * x);
  const burst = noise(50000, 7).map((x, n) => (n % 5000 < 300 ? 30 : 0.8) * x);
  const broken = noise(4000, 3);
  broken[1000] = Infinity;
  broken[1100] = NaN;
  for (const sound of [step, single, loud, burst, broken]) {
    const [out] = limited([sound]);
    assert.ok(out.every(Number.isFinite));
    assert.ok(peakOf(out) <= THRESHOLD, `${peakOf(out)}`);
  }
});

test("a steady tone 20 dB too loud comes out at the threshold, not far below it", () => {
  const sine = Float32Array.from({ length: RATE }, (_, n) => 10 * Math.sin((2 * Math.PI * 1000 * n) / RATE));
  const [out] = limited([sine]);
  assert.ok(peakOf(out.subarray(RATE / 2)) > 0.99 * THRESHOLD);
});

test("the gain falls within the lookahead and moves without a step", () => {
  const quiet = 0.1; // a steady voltage shows the gain itself
  const sound = new Float32Array(RATE).fill(quiet);
  sound[1000] = 4;
  const limiter = new Limiter(RATE);
  const [out] = limited([sound], limiter);
  const peakLeaves = 1000 + limiter.delay;
  const gain = out.map((y, n) => (n === peakLeaves ? out[n - 1] : y) / quiet).subarray(limiter.delay);
  assert.ok(Math.abs(gain[1000 - limiter.delay - 2] - 1) < 1e-6, "nothing moves before the lookahead");
  const steepest = gain.reduce((most, g, n) => (n ? Math.max(most, Math.abs(g - gain[n - 1])) : most), 0);
  assert.ok(steepest <= 1.001 / (limiter.delay + 1), `${steepest}`);
});

test("after a peak it recovers to the very bits of its input", () => {
  const sound = noise(3 * RATE).map((x) => 0.5 * x);
  sound[100] = 20;
  const limiter = new Limiter(RATE);
  const [out] = limited([sound], limiter);
  const from = 2 * RATE;
  assert.deepEqual(out.subarray(from, from + 1000), sound.subarray(from - limiter.delay, from - limiter.delay + 1000));
  assert.ok(limiter.lowest < 0.1);
});

test("both channels get the same gain", () => {
  const [left, right] = limited([noise(9000).map((x) => 8 * x), noise(9000).map((x) => 4 * x)]);
  assert.ok(left.every((x, n) => Math.abs(x - 2 * right[n]) < 1e-6));
});

test("without any input there is silence, after what is still in the delay line", () => {
  const limiter = new Limiter(RATE);
  limited([new Float32Array(BLOCK).fill(0.5)], limiter);
  const out = [new Float32Array(BLOCK), new Float32Array(BLOCK)];
  limiter.process([], out);
  assert.equal(out[0][limiter.delay - 1], 0.5);
  assert.equal(out[0][limiter.delay], 0);
});

test("the meter reads peak and RMS of the louder channel 30 times a second", () => {
  const meter = new Level(RATE);
  const sine = (gain, at) => Float32Array.from({ length: BLOCK }, (_, n) => gain * Math.sin((2 * Math.PI * 3000 * (at + n)) / RATE));
  const readings = [];
  for (let at = 0; at < RATE; at += BLOCK) {
    const reading = meter.add([sine(0.5, at), sine(-0.25, at)]);
    if (reading) readings.push(reading);
  }
  assert.ok(readings.length >= 28 && readings.length <= 30);
  for (const { peak, rms } of readings) {
    assert.ok(Math.abs(peak - 0.5) < 1e-6);
    assert.ok(Math.abs(rms - 0.5 / Math.SQRT2) < 1e-4);
  }
});

test("the tap posts every sample once, in order, and the rest when flushed", () => {
  const chunks = [];
  const tap = new Tap((channels) => chunks.push(channels.map((channel) => channel.slice())), 4 * BLOCK);
  const sound = noise(10 * BLOCK);
  for (let at = 0; at < sound.length; at += BLOCK) tap.add([sound.subarray(at, at + BLOCK)]);
  assert.deepEqual(chunks.map(([channel]) => channel.length), [4 * BLOCK, 4 * BLOCK]);
  tap.flush();
  tap.flush();
  assert.deepEqual(Float32Array.from(chunks.flatMap(([channel]) => [...channel])), sound);
});
