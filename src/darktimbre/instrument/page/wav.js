// @ts-check
/** Writes samples as a wav file: 16-bit with dither which every program reads, or 32-bit float, which loses nothing. */

const FULL_SCALE = 32768; // as everywhere in darktimbre

/**
 * One sample in 16 bits, with triangular dither of ±1 step: the error is noise, not distortion. Silence stays silence.
 * @param {number} x  @param {() => number} random uniform in [0, 1)
 */
function sixteen(x, random) {
  if (x === 0) return 0;
  return Math.max(-32768, Math.min(32767, Math.round(x * FULL_SCALE + random() - random())));
}

/**
 * @param {Float32Array[]} channels one or two of equal length; two that are equal are written as one
 * @param {number} rate samples per second
 * @param {16 | 32} [bits] 16: integers with dither; 32: the samples themselves
 * @param {() => number} [random] of the dither
 * @returns {ArrayBuffer} the file
 */
export function encodeWav(channels, rate, bits = 16, random = Math.random) {
  if (bits !== 16 && bits !== 32) throw new RangeError(`A wav is written with 16 or 32 bits, not ${bits}.`);
  const same = channels.length === 2 && channels[0].every((x, i) => x === channels[1][i]);
  const written = same ? channels.slice(0, 1) : channels;
  const count = written[0].length;
  const bytes = bits / 8;
  const float = bits === 32;
  const frame = bytes * written.length;
  const header = float ? 58 : 44; // a float file says how long it is twice, and how long its description
  const buffer = new ArrayBuffer(header + count * frame);
  const view = new DataView(buffer);
  let at = 0;
  const text = (/** @type {string} */ letters) => {
    for (const letter of letters) view.setUint8(at++, letter.charCodeAt(0));
  };
  const four = (/** @type {number} */ value) => (view.setUint32(at, value, true), (at += 4));
  const two = (/** @type {number} */ value) => (view.setUint16(at, value, true), (at += 2));
  text("RIFF");
  four(buffer.byteLength - 8);
  text("WAVEfmt ");
  four(float ? 18 : 16);
  two(float ? 3 : 1);
  two(written.length);
  four(rate);
  four(rate * frame);
  two(frame);
  two(bits);
  if (float) {
    two(0);
    text("fact");
    four(4);
    four(count);
  }
  text("data");
  four(count * frame);
  for (let n = 0; n < count; n++) {
    for (const channel of written) {
      if (float) view.setFloat32(at, channel[n], true);
      else view.setInt16(at, sixteen(channel[n], random), true);
      at += bytes;
    }
  }
  return buffer;
}
