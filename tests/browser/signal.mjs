// @ts-check
/** What the tests know of sound, written apart from the page's own code: wav and zip files, levels, alignment, pitch. */

/** @param {number} ratio @returns {number} dB */
export const decibel = (ratio) => 20 * Math.log10(Math.max(ratio, 1e-12));

/** @param {Float32Array} samples @returns {number} root mean square */
export function rms(samples) {
  let sum = 0;
  for (const value of samples) sum += value * value;
  return Math.sqrt(sum / Math.max(samples.length, 1));
}

/** @param {Float32Array} samples @returns {number} the largest |x[n + 1] − x[n]|: what a click exceeds */
export function largestStep(samples) {
  let largest = 0;
  for (let n = 1; n < samples.length; n++) largest = Math.max(largest, Math.abs(samples[n] - samples[n - 1]));
  return largest;
}

/**
 * Radix-2 Fourier transform in place.
 * @param {Float64Array} real @param {Float64Array} imaginary length a power of two
 */
function transform(real, imaginary) {
  const size = real.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [real[i], real[j]] = [real[j], real[i]];
      [imaginary[i], imaginary[j]] = [imaginary[j], imaginary[i]];
    }
  }
  for (let length = 2; length <= size; length <<= 1) {
    const half = length / 2;
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / length;
      const c = Math.cos(angle);
      const s = Math.sin(angle);
      for (let at = k; at < size; at += length) {
        const re = real[at + half] * c - imaginary[at + half] * s;
        const im = real[at + half] * s + imaginary[at + half] * c;
        real[at + half] = real[at] - re;
        imaginary[at + half] = imaginary[at] - im;
        real[at] += re;
        imaginary[at] += im;
      }
    }
  }
}

/** @param {Float32Array} a @param {Float32Array} b @returns {Float64Array} Σ a[n + lag]·b[n] at [lag mod length] */
function crossCorrelation(a, b) {
  let size = 1;
  while (size < a.length + b.length) size *= 2;
  const [ar, ai, br, bi] = Array.from({ length: 4 }, () => new Float64Array(size));
  ar.set(a);
  br.set(b);
  transform(ar, ai);
  transform(br, bi);
  for (let k = 0; k < size; k++) {
    // A·conj(B), conjugated once more so that the forward transform serves as the inverse.
    const re = ar[k] * br[k] + ai[k] * bi[k];
    const im = ai[k] * br[k] - ar[k] * bi[k];
    ar[k] = re;
    ai[k] = -im;
  }
  transform(ar, ai);
  return ar.map((value) => value / size);
}

/**
 * Finds `wanted` in `recorded`: the lag by cross-correlation, the gain by least squares, and what is left over.
 * @param {Float32Array} recorded @param {Float32Array} wanted
 * @param {{from?: number, to?: number}} part samples of `wanted` that are compared (the edges belong to the envelope)
 * @returns {{lag: number, gain: number, correlation: number, residual: number}} residual in dB below the note
 */
export function align(recorded, wanted, { from = 0, to = wanted.length } = {}) {
  const piece = wanted.subarray(from, to);
  const scores = crossCorrelation(recorded, piece);
  // Per unit of recorded energy, since a note that dies away matches its own loud start a few periods too early.
  let energy = 0;
  for (let n = 0; n < Math.min(piece.length, recorded.length); n++) energy += recorded[n] ** 2;
  let lag = 0;
  let best = -Infinity;
  for (let n = 0; n + piece.length <= recorded.length; n++) {
    const score = energy > 1e-9 ? scores[n] / Math.sqrt(energy) : -Infinity;
    if (score > best) [lag, best] = [n, score];
    energy += (recorded[n + piece.length] ?? 0) ** 2 - recorded[n] ** 2;
  }
  let [cross, own, other] = [0, 0, 0];
  for (let n = 0; n < piece.length; n++) {
    cross += recorded[lag + n] * piece[n];
    own += piece[n] * piece[n];
    other += recorded[lag + n] * recorded[lag + n];
  }
  const gain = cross / own;
  let left = 0;
  for (let n = 0; n < piece.length; n++) left += (recorded[lag + n] - gain * piece[n]) ** 2;
  return {
    lag: lag - from,
    gain,
    correlation: cross / Math.sqrt(own * other),
    residual: 10 * Math.log10(Math.max(left / (gain * gain * own), 1e-20)),
  };
}

/**
 * @param {number} length @param {Float32Array[]} notes @param {number[]} gains @param {number[]} lags
 * @returns {Float32Array}
 */
export function mixed(length, notes, gains, lags) {
  const sum = new Float32Array(length);
  notes.forEach((note, index) => {
    for (let n = 0; n < note.length && n + lags[index] < length; n++) {
      if (n + lags[index] >= 0) sum[n + lags[index]] += gains[index] * note[n];
    }
  });
  return sum;
}

/**
 * When each of several notes of known gain began: each is sought in what the others leave over, until none moves.
 * @param {Float32Array} recorded @param {Float32Array[]} notes @param {number[]} gains
 * @returns {{lags: number[], residual: number}} residual in dB below what was recorded
 */
export function unmixed(recorded, notes, gains) {
  const lags = notes.map((note) => align(recorded, note).lag);
  const without = (/** @type {number} */ left) => {
    const others = mixed(
      recorded.length,
      notes,
      gains.map((gain, index) => (index === left ? 0 : gain)),
      lags,
    );
    return recorded.map((x, n) => x - others[n]);
  };
  for (let round = 0; round < 8; round++) {
    const before = lags.join();
    notes.forEach((note, index) => (lags[index] = align(without(index), note).lag));
    if (lags.join() === before) break;
  }
  return { lags, residual: decibel(rms(without(-1)) / rms(recorded)) };
}

/**
 * Fundamental by McLeod's normalised square difference: the first peak within 0.85 of the highest one.
 * @param {Float32Array} samples @param {number} rate @returns {number} MIDI number, fractional
 */
export function pitch(samples, rate) {
  const window = Math.min(samples.length >> 1, Math.round(0.12 * rate));
  const longest = Math.min(window, Math.round(rate / 50));
  const shortest = Math.round(rate / 2500);
  const score = new Float64Array(longest + 1);
  for (let lag = shortest; lag <= longest; lag++) {
    let cross = 0;
    let power = 0;
    for (let n = 0; n < window; n++) {
      cross += samples[n] * samples[n + lag];
      power += samples[n] ** 2 + samples[n + lag] ** 2;
    }
    score[lag] = (2 * cross) / Math.max(power, 1e-20);
  }
  /** @type {number[]} */ const peaks = [];
  for (let lag = shortest + 1; lag < longest; lag++) {
    if (score[lag] > 0 && score[lag] > score[lag - 1] && score[lag] >= score[lag + 1]) peaks.push(lag);
  }
  if (peaks.length === 0) return NaN;
  const highest = Math.max(...peaks.map((lag) => score[lag]));
  const lag = peaks.find((one) => score[one] >= 0.85 * highest) ?? peaks[0];
  const bend = score[lag - 1] - 2 * score[lag] + score[lag + 1];
  const exact = lag + (0.5 * (score[lag - 1] - score[lag + 1])) / bend;
  return 69 + 12 * Math.log2(rate / exact / 440);
}

/**
 * @param {Uint8Array} bytes RIFF WAVE of 16 or 24-bit whole numbers or 32-bit floats
 * @returns {{rate: number, bits: number, channels: Float32Array[]}}
 */
export function decodeWav(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const name = (/** @type {number} */ at) => String.fromCharCode(...bytes.subarray(at, at + 4));
  if (name(0) !== "RIFF" || name(8) !== "WAVE") throw new Error(`no wav file: starts with ${name(0)}`);
  let [kind, count, rate, bits] = [0, 0, 0, 0];
  for (let at = 12; at + 8 <= bytes.length;) {
    const size = view.getUint32(at + 4, true);
    const start = at + 8;
    if (name(at) === "fmt ") {
      kind = view.getUint16(start, true);
      count = view.getUint16(start + 2, true);
      rate = view.getUint32(start + 4, true);
      bits = view.getUint16(start + 14, true);
      if (kind === 0xfffe) kind = view.getUint16(start + 24, true); // WAVE_FORMAT_EXTENSIBLE: the sub-format's first two bytes
    } else if (name(at) === "data") {
      const width = bits / 8;
      const frames = Math.floor(Math.min(size, bytes.length - start) / (width * count));
      const read = (/** @type {number} */ where) => {
        if (kind === 3) return view.getFloat32(where, true);
        if (bits === 16) return view.getInt16(where, true) / 32768;
        return (view.getUint8(where) | (view.getUint8(where + 1) << 8) | (view.getInt8(where + 2) << 16)) / 8388608;
      };
      const channels = Array.from({ length: count }, (_, channel) =>
        Float32Array.from({ length: frames }, (_, frame) => read(start + (frame * count + channel) * width)),
      );
      return { rate, bits, channels };
    }
    at = start + size + (size % 2);
  }
  throw new Error("no data in the wav file");
}

/**
 * @param {Float32Array} samples @param {number} rate
 * @returns {Buffer} 16-bit mono wav
 */
export function encodeWav16(samples, rate) {
  const out = Buffer.alloc(44 + 2 * samples.length);
  out.write("RIFF", 0, "latin1");
  out.writeUInt32LE(36 + 2 * samples.length, 4);
  out.write("WAVEfmt ", 8, "latin1");
  out.writeUInt32LE(16, 16);
  out.writeUInt16LE(1, 20);
  out.writeUInt16LE(1, 22);
  out.writeUInt32LE(rate, 24);
  out.writeUInt32LE(2 * rate, 28);
  out.writeUInt16LE(2, 32);
  out.writeUInt16LE(16, 34);
  out.write("data", 36, "latin1");
  out.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((value, n) => out.writeInt16LE(Math.round(32767 * Math.max(-1, Math.min(1, value))), 44 + 2 * n));
  return out;
}

/** @param {Buffer} bytes @returns {string[]} the names in a zip file's central directory */
export function zipNames(bytes) {
  const end = bytes.lastIndexOf(Buffer.from("PK\x05\x06", "latin1"));
  if (end < 0) throw new Error("no zip file");
  const names = [];
  let at = bytes.readUInt32LE(end + 16);
  for (let left = bytes.readUInt16LE(end + 10); left > 0; left--) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => bytes.readUInt16LE(at + offset));
    names.push(bytes.toString("utf8", at + 46, at + 46 + name));
    at += 46 + name + extra + comment;
  }
  return names;
}
