// @ts-check
/**
 * Keeps what leaves for the loudspeaker until it is written to a file (wav.js).
 *
 * Nothing is copied while it grows. Two equal channels are kept as one: a note is mono unless something makes it
 * stereo, and from that moment on both are kept.
 */

export const LONGEST = 30 * 60; // s; 330 MB of one channel at 48 kHz in the memory of the page

const equal = (/** @type {Float32Array} */ a, /** @type {Float32Array} */ b) => a.every((x, i) => x === b[i]);

export class Recording {
  /** @param {number} rate samples per second  @param {number} [longest] seconds kept at most */
  constructor(rate, longest = LONGEST) {
    this.rate = rate;
    this.limit = Math.round(longest * rate);
    this.length = 0;
    /** @type {Float32Array[][]} blocks of one channel, or of two that differ */
    this.blocks = [];
  }

  get seconds() {
    return this.length / this.rate;
  }

  get full() {
    return this.length >= this.limit;
  }

  /** @param {Float32Array[]} channels what follows; past the limit it is cut */
  add(channels) {
    const count = Math.min(channels[0].length, this.limit - this.length);
    if (count <= 0) return;
    const block = count < channels[0].length ? channels.map((channel) => channel.subarray(0, count)) : channels;
    this.blocks.push(block.length > 1 && equal(block[0], block[1]) ? [block[0]] : block);
    this.length += count;
  }

  /** @returns {Float32Array[]} one channel, or two; the blocks are let go as they are copied */
  finish() {
    const count = this.blocks.some((block) => block.length > 1) ? 2 : 1;
    const channels = Array.from({ length: count }, () => new Float32Array(this.length));
    let at = 0;
    for (let block = this.blocks.shift(); block; block = this.blocks.shift()) {
      channels.forEach((channel, c) => channel.set(block[c] ?? block[0], at));
      at += block[0].length;
    }
    return channels;
  }
}

/**
 * Offers bytes as a file to save.
 * @param {BlobPart} bytes  @param {string} name of the file  @param {string} [type]
 */
export function save(bytes, name, type = "audio/wav") {
  const url = URL.createObjectURL(new Blob([bytes], { type }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // some browsers read it only after the question where to
}

/** @param {Date} [now]  @returns {string} "darktimbre 2026-11-21 18.05.09.wav", in local time; no colon: Windows */
export function recordingName(now = new Date()) {
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  return `darktimbre ${day} ${two(now.getHours())}.${two(now.getMinutes())}.${two(now.getSeconds())}.wav`;
}
