// @ts-check
/** Recordings and the files they are written to. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Recording, recordingName } from "../../../src/darktimbre/instrument/page/recorder.js";
import { encodeWav } from "../../../src/darktimbre/instrument/page/wav.js";

/** Reads a wav by its chunks, as the format says, not as the writer happens to lay it out. */
function decoded(buffer) {
  const view = new DataView(buffer);
  const text = (at) => String.fromCharCode(...new Uint8Array(buffer, at, 4));
  assert.equal(text(0), "RIFF");
  assert.equal(view.getUint32(4, true), buffer.byteLength - 8);
  assert.equal(text(8), "WAVE");
  const chunks = {};
  for (let at = 12; at < buffer.byteLength; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
    chunks[text(at)] = { at: at + 8, size: view.getUint32(at + 4, true) };
  }
  const { at } = chunks["fmt "];
  const [format, channels, rate] = [view.getUint16(at, true), view.getUint16(at + 2, true), view.getUint32(at + 4, true)];
  const [perSecond, frame, bits] = [view.getUint32(at + 8, true), view.getUint16(at + 12, true), view.getUint16(at + 14, true)];
  assert.equal(frame, (channels * bits) / 8);
  assert.equal(perSecond, frame * rate);
  const { at: first, size } = chunks.data;
  assert.equal(first + size, buffer.byteLength);
  const read = (n) => (format === 3 ? view.getFloat32(first + 4 * n, true) : view.getInt16(first + 2 * n, true));
  const samples = Array.from({ length: channels }, (_, c) => Array.from({ length: size / frame }, (_, n) => read(n * channels + c)));
  return { format, channels, rate, bits, samples, chunks, frames: chunks.fact && view.getUint32(chunks.fact.at, true) };
}

const ramp = Float32Array.from({ length: 1001 }, (_, n) => n / 500 - 1);

test("32-bit float keeps every sample to the bit, beyond full scale too", () => {
  const loud = ramp.map((x) => 3 * x);
  const { format, channels, rate, bits, samples, frames } = decoded(encodeWav([ramp, loud], 44100, 32));
  assert.deepEqual([format, channels, rate, bits, frames], [3, 2, 44100, 32, 1001]);
  assert.deepEqual(samples, [[...ramp], [...loud]]);
});

test("16 bits without dither are the nearest step, and full scale does not wrap around", () => {
  const { format, channels, samples } = decoded(encodeWav([ramp.map((x) => 1.5 * x)], 48000, 16, () => 0.5));
  assert.deepEqual([format, channels], [1, 1]);
  const expected = [...ramp].map((x) => Math.max(-32768, Math.min(32767, Math.round(Math.fround(1.5 * x) * 32768))));
  assert.deepEqual(samples[0], expected);
});

test("dither makes the mean of many right, with the variance of triangular dither, and leaves silence silent", () => {
  const level = 0.3 / 32768;
  const count = 200000;
  const [samples] = decoded(encodeWav([new Float32Array(count).fill(level)], 48000, 16)).samples;
  const mean = samples.reduce((sum, x) => sum + x, 0) / count;
  const variance = samples.reduce((sum, x) => sum + (x - mean) ** 2, 0) / count;
  assert.ok(Math.abs(mean - 0.3) < 0.01, `${mean}`);
  assert.ok(Math.abs(variance - 0.25) < 0.01, `${variance}`); // 1/6 of the dither + 1/12 of rounding, whatever the level
  assert.ok(decoded(encodeWav([new Float32Array(1000)], 48000, 16)).samples[0].every((x) => x === 0));
});

test("two equal channels are written as one, two different ones as two", () => {
  assert.equal(decoded(encodeWav([ramp, ramp.slice()], 48000, 32)).channels, 1);
  assert.equal(decoded(encodeWav([ramp, ramp.map((x) => -x)], 48000, 32)).channels, 2);
});

test("other depths are refused", () => {
  assert.throws(() => encodeWav([ramp], 48000, /** @type {any} */ (24)), /16 or 32/);
});

test("a recording keeps one channel until the two differ, and then both from the beginning", () => {
  const recording = new Recording(10);
  recording.add([Float32Array.of(1, 2), Float32Array.of(1, 2)]);
  recording.add([Float32Array.of(3), Float32Array.of(4)]);
  assert.equal(recording.seconds, 0.3);
  assert.deepEqual(recording.finish(), [Float32Array.of(1, 2, 3), Float32Array.of(1, 2, 4)]);
});

test("a recording ends exactly at its limit", () => {
  const recording = new Recording(10, 0.5);
  for (let i = 0; i < 4; i++) recording.add([Float32Array.of(i, i)]);
  assert.ok(recording.full);
  assert.deepEqual(recording.finish(), [Float32Array.of(0, 0, 1, 1, 2)]);
});

test("the file's name sorts by time and suits every system", () => {
  assert.equal(recordingName(new Date(2026, 10, 2, 8, 5, 9)), "darktimbre 2026-11-02 08.05.09.wav");
});
