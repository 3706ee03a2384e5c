// @ts-check
/** The transform against its definition, and the spectrogram against tones whose level and place are known. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { colours } from "../../../src/darktimbre/instrument/page/colours.js";
import { Fourier, spectrogram } from "../../../src/darktimbre/instrument/page/fourier.js";
import { decibels, extremes, tickStep } from "../../../src/darktimbre/instrument/page/scope.js";

test("the fast transform is the discrete Fourier transform", () => {
  for (const size of [2, 4, 8, 64, 256]) {
    const re = Float64Array.from({ length: size }, (_, n) => Math.sin(n * n + 1));
    const im = Float64Array.from({ length: size }, (_, n) => Math.cos(3 * n * n));
    const [gotRe, gotIm] = [re.slice(), im.slice()];
    new Fourier(size).transform(gotRe, gotIm);
    for (let k = 0; k < size; k++) {
      let [sumRe, sumIm] = [0, 0];
      for (let n = 0; n < size; n++) {
        const angle = (-2 * Math.PI * k * n) / size;
        sumRe += re[n] * Math.cos(angle) - im[n] * Math.sin(angle);
        sumIm += re[n] * Math.sin(angle) + im[n] * Math.cos(angle);
      }
      assert.ok(Math.hypot(sumRe - gotRe[k], sumIm - gotIm[k]) < 1e-10 * size);
    }
  }
});

test("a size that is no power of two is refused", () => {
  for (const size of [0, 1, 3, 1000]) assert.throws(() => new Fourier(size), RangeError);
});

test("a full-scale sine reads 0 dB in its own bin, in odd and even frames alike", () => {
  const rate = 48000;
  const bin = 40;
  const sine = Float32Array.from({ length: 8192 }, (_, n) => Math.sin((2 * Math.PI * bin * n) / 1024));
  const { values, frequencies, times } = spectrogram(sine, rate, { size: 1024, hop: 256 });
  const bins = frequencies.length;
  assert.equal(bins, 513);
  assert.equal(times.length, 32);
  assert.equal(frequencies[bin], (bin * rate) / 1024);
  assert.equal(Math.fround(256 / rate), times[1]);
  for (let frame = 2; frame < 30; frame++) {
    const levels = values.subarray(frame * bins, (frame + 1) * bins);
    assert.ok(Math.abs(levels[bin]) < 0.01, `${levels[bin]} dB in frame ${frame}`);
    assert.ok(Math.abs(levels[bin + 1] + 6.02) < 0.05, "Hann: half as much next to it");
    assert.ok(levels[bin + 3] < -90);
  }
});

test("a click is seen in the frame it lies in and not elsewhere; silence reads the floor", () => {
  const click = new Float32Array(8192);
  click[2048] = 1;
  const { values, frequencies } = spectrogram(click, 48000, { size: 1024, hop: 512, floor: -90 });
  const at = (frame) => values[frame * frequencies.length + 100];
  assert.ok(at(4) > -60);
  assert.equal(at(2), -90);
  assert.equal(at(6), -90);
});

test("the columns of a drawing reach every sample and each other", () => {
  const samples = Float32Array.from({ length: 1000 }, (_, n) => Math.sin(n));
  samples[777] = -5;
  const { low, high } = extremes(samples, 33);
  assert.equal(Math.min(...low), -5);
  for (let i = 1; i < 33; i++) assert.ok(low[i] <= high[i - 1] && high[i] >= low[i - 1], "no gap");
  const few = extremes(Float32Array.of(1, -1), 10);
  assert.ok(few.low.every(Number.isFinite) && few.high.every(Number.isFinite));
});

test("axes get round steps, no more than requested", () => {
  assert.deepEqual([0.4, 1, 1.3, 4, 17, 60].map((seconds) => tickStep(seconds)), [0.1, 0.2, 0.5, 1, 5, 10]);
  assert.equal(decibels(1), 0);
});

test("louder is brighter on a dark page and darker on a light one, step by step", () => {
  const luminance = (pixel) => 0.2126 * (pixel & 255) + 0.7152 * ((pixel >> 8) & 255) + 0.0722 * ((pixel >> 16) & 255);
  const dark = [...colours(true)].map(luminance);
  assert.ok(dark.every((value, i) => i === 0 || value >= dark[i - 1] - 0.8));
  assert.ok(dark[0] < 5 && dark[255] > 240);
  assert.deepEqual([...colours(false)], [...colours(true)].reverse());
});
