// @ts-check
/** The short-time Fourier transform the page draws: what the spectrogram of a note is computed with. */

/** A complex transform of one size, in place (Cooley & Tukey 1965, radix 2). */
export class Fourier {
  /** @param {number} size a power of two */
  constructor(size) {
    if (size < 2 || size & (size - 1)) throw new RangeError(`The size of a transform is a power of two, not ${size}.`);
    this.size = size;
    this.cos = Float64Array.from({ length: size / 2 }, (_, k) => Math.cos((2 * Math.PI * k) / size));
    this.sin = Float64Array.from({ length: size / 2 }, (_, k) => -Math.sin((2 * Math.PI * k) / size));
    this.reversed = new Uint32Array(size);
    for (let i = 1; i < size; i++) this.reversed[i] = (this.reversed[i >> 1] >> 1) | (i & 1 ? size >> 1 : 0);
  }

  /** @param {Float64Array} re  @param {Float64Array} im  X[k] = Σ x[n] exp(-2πi kn / size), overwriting x */
  transform(re, im) {
    const { size, cos, sin, reversed } = this;
    for (let i = 0; i < size; i++) {
      const j = reversed[i];
      if (j <= i) continue;
      [re[i], re[j]] = [re[j], re[i]];
      [im[i], im[j]] = [im[j], im[i]];
    }
    for (let half = 1; half < size; half *= 2) {
      const step = size / (2 * half);
      for (let start = 0; start < size; start += 2 * half) {
        for (let k = 0, turn = 0; k < half; k++, turn += step) {
          const a = start + k;
          const b = a + half;
          const x = re[b] * cos[turn] - im[b] * sin[turn];
          const y = re[b] * sin[turn] + im[b] * cos[turn];
          re[b] = re[a] - x;
          im[b] = im[a] - y;
          re[a] += x;
          im[a] += y;
        }
      }
    }
  }
}

/** @type {Map<number, Fourier>} */
const transforms = new Map();

/** @param {number} size  @returns {Fourier} one transform for each size is enough */
export function fourier(size) {
  const known = transforms.get(size) ?? new Fourier(size);
  transforms.set(size, known);
  return known;
}

/**
 * @typedef {{values: Float32Array, frequencies: Float32Array, times: Float32Array}} Spectrogram levels in dB, one frame
 *     after the other, each from 0 Hz to half the rate; in Hz; in seconds, the middle of each frame
 * @typedef {{size?: number, hop?: number, floor?: number}} Options window and step in samples; lowest level in dB
 */

/**
 * The level of each frequency over time, through a Hann window; a sine of amplitude 1 reads 0 dB.
 *
 * @param {Float32Array} samples
 * @param {number} rate samples per second
 * @param {Options} [options]
 * @returns {Spectrogram} frames are centred on multiples of the hop, with silence around the sound
 */
export function spectrogram(samples, rate, options) {
  const frames = spectrogramByFrames(samples, rate, options);
  for (let next = frames.next(); ; next = frames.next()) if (next.done) return next.value;
}

/**
 * The same, two frames at a time, for a page with other things to do in between.
 * @param {Float32Array} samples  @param {number} rate  @param {Options} [options]
 * @returns {Generator<void, Spectrogram>}
 */
export function* spectrogramByFrames(samples, rate, { size = 1024, hop = 256, floor = -100 } = {}) {
  const frames = Math.max(1, Math.ceil(samples.length / hop));
  const bins = size / 2 + 1;
  const values = new Float32Array(frames * bins);
  const hann = (/** @type {unknown} */ _, /** @type {number} */ n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / size);
  const window = Float64Array.from({ length: size }, hann).map((w) => (4 / size) * w);
  const transform = fourier(size);
  const re = new Float64Array(size);
  const im = new Float64Array(size);
  const lowest = 10 ** (floor / 10);
  const fill = (/** @type {Float64Array} */ into, /** @type {number} */ frame) => {
    const start = frame * hop - size / 2;
    const first = Math.min(size, Math.max(0, -start));
    const last = Math.max(first, Math.min(size, samples.length - start));
    into.fill(0, 0, first).fill(0, last);
    for (let n = first; n < last; n++) into[n] = samples[start + n] * window[n];
  };
  // Two real frames go through one complex transform: the even part of the result is the first, the odd the second.
  for (let frame = 0; frame < frames; frame += 2) {
    yield;
    fill(re, frame);
    fill(im, frame + 1);
    transform.transform(re, im);
    for (let k = 0; k < bins; k++) {
      const m = (size - k) % size;
      const first = ((re[k] + re[m]) / 2) ** 2 + ((im[k] - im[m]) / 2) ** 2;
      values[frame * bins + k] = 10 * Math.log10(Math.max(lowest, first));
      if (frame + 1 >= frames) continue;
      const second = ((im[k] + im[m]) / 2) ** 2 + ((re[m] - re[k]) / 2) ** 2;
      values[(frame + 1) * bins + k] = 10 * Math.log10(Math.max(lowest, second));
    }
  }
  return {
    values,
    frequencies: Float32Array.from({ length: bins }, (_, k) => (k * rate) / size),
    times: Float32Array.from({ length: frames }, (_, frame) => (frame * hop) / rate),
  };
}
