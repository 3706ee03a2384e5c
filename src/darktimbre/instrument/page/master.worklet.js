// @ts-check
/**
 * The last thing before the loudspeaker: limits the sum of all notes, measures its level and copies what leaves
 * for the recorder. Runs on the browser's audio thread; `Limiter` and `Level` are plain classes that run anywhere.
 *
 * The limiter looks ahead by `LOOKAHEAD`: everything leaves that much later (44 samples at 44.1 kHz, 48 at 48 kHz).
 * As long as no sample passes `THRESHOLD` the output is the input, bit for bit, only later.
 */

export const THRESHOLD = Math.fround(10 ** (-1 / 20)); // -1 dBFS: room for the peaks between samples
export const LOOKAHEAD = 0.001; // s
const RECOVERY = 0.08; // s, time constant: slow enough not to follow the wave of a bass note
const UNITY = 1 - 1e-6; // from here on a recovering gain is 1: the step lies 120 dB below the sound
const METER_RATE = 30; // Hz
const CHUNK = 8192; // samples the recorder collects before it posts them

/**
 * The constant delay of the limiter.
 * @param {number} rate samples per second
 * @returns {number} samples
 */
export const lookaheadSamples = (rate) => Math.max(1, Math.floor(LOOKAHEAD * rate));

/**
 * A peak limiter whose output never passes the threshold.
 *
 * With delay L: each sample needs the gain min(1, T/|x|). The smallest gain needed in the last L + 1 samples
 * recovers exponentially, and is averaged over L + 1 samples: a gain that is down before the peak arrives, without
 * a corner. Every value in that average is at most what the sample leaving now needs, so the output is at most T.
 */
export class Limiter {
  /** @param {number} rate samples per second  @param {number} [threshold] largest amplitude that leaves */
  constructor(rate, threshold = THRESHOLD) {
    this.threshold = Math.fround(threshold);
    this.delay = lookaheadSamples(rate);
    this.recovery = 1 - Math.exp(-1 / (RECOVERY * rate));
    const window = this.delay + 1;
    this.window = window;
    this.waiting = [new Float32Array(window), new Float32Array(window)]; // the delay line of each channel
    this.gains = new Float64Array(window).fill(1); // the last smoothed-to-be gains, and their sum
    this.sum = window;
    this.unity = window; // how many gains in a row were exactly 1
    this.at = 0;
    // Smallest value of a sliding window: a queue of ever larger values, in a ring.
    this.needed = new Float64Array(window);
    this.when = new Float64Array(window);
    this.first = 0;
    this.queued = 0;
    this.clock = 0;
    this.held = 1;
    this.lowest = 1; // the smallest gain applied since someone last set this to 1
  }

  /**
   * Limits one block; both channels get the same gain, so the stereo image stays.
   * @param {Float32Array[]} input one or two channels, or none for silence
   * @param {Float32Array[]} output one or two channels of equal length
   */
  process(input, output) {
    const { window, threshold, gains, waiting } = this;
    const count = output[0].length;
    for (let n = 0; n < count; n++) {
      let peak = 0;
      for (let c = 0; c < output.length; c++) {
        const channel = input.length ? input[Math.min(c, input.length - 1)] : undefined;
        let x = channel ? channel[n] : 0;
        if (!Number.isFinite(x)) x = 0; // a broken sample must not silence all that follow
        waiting[c][this.at] = x;
        peak = Math.max(peak, Math.abs(x));
      }
      const gain = this.#smoothed(peak > threshold ? threshold / peak : 1);
      const oldest = this.at + 1 === window ? 0 : this.at + 1;
      for (let c = 0; c < output.length; c++) {
        const y = waiting[c][oldest] * gain;
        output[c][n] = y > threshold ? threshold : y < -threshold ? -threshold : y; // rounding only
      }
      this.at = oldest;
      if (gain < this.lowest) this.lowest = gain;
    }
  }

  /** @param {number} gain what the newest sample asks for  @returns {number} what the oldest one gets */
  #smoothed(gain) {
    const { window, needed, when, gains } = this;
    while (this.queued && needed[(this.first + this.queued - 1) % window] >= gain) this.queued--;
    if (this.queued && when[this.first] <= this.clock - window) {
      this.first = (this.first + 1) % window;
      this.queued--;
    }
    const end = (this.first + this.queued) % window;
    needed[end] = gain;
    when[end] = this.clock++;
    this.queued++;
    const recovered = this.held + (1 - this.held) * this.recovery;
    this.held = Math.min(needed[this.first], recovered > UNITY ? 1 : recovered);
    this.sum += this.held - gains[this.at];
    gains[this.at] = this.held;
    this.unity = this.held === 1 ? Math.min(this.unity + 1, window) : 0;
    if (this.unity === window) this.sum = window; // sheds what rounding has gathered in the sum
    return Math.min(1, this.sum / window);
  }
}

/** Peak and root mean square of what passes, over one interval of the meter. */
export class Level {
  /** @param {number} rate samples per second */
  constructor(rate) {
    this.interval = Math.round(rate / METER_RATE);
    this.count = 0;
    this.peak = 0;
    this.energy = 0;
  }

  /**
   * @param {Float32Array[]} channels one block
   * @returns {{peak: number, rms: number} | null} a reading whenever an interval is full; the louder channel counts
   */
  add(channels) {
    let loudest = 0;
    for (const channel of channels) {
      let energy = 0;
      for (const x of channel) {
        energy += x * x;
        if (x > this.peak) this.peak = x;
        else if (-x > this.peak) this.peak = -x;
      }
      loudest = Math.max(loudest, energy);
    }
    this.energy += loudest;
    this.count += channels[0].length;
    if (this.count < this.interval) return null;
    const reading = { peak: this.peak, rms: Math.sqrt(this.energy / this.count) };
    this.count = this.peak = this.energy = 0;
    return reading;
  }
}

/** Gathers blocks into chunks worth a message to the page. */
export class Tap {
  /** @param {(channels: Float32Array[]) => void} post  @param {number} [chunk] samples of a chunk */
  constructor(post, chunk = CHUNK) {
    this.post = post;
    this.chunk = chunk;
    this.filled = 0;
    this.channels = /** @type {Float32Array[]} */ ([]);
  }

  /** @param {Float32Array[]} channels one block, no longer than a chunk */
  add(channels) {
    if (this.filled === 0) this.channels = channels.map(() => new Float32Array(this.chunk));
    channels.forEach((channel, c) => this.channels[c].set(channel, this.filled));
    this.filled += channels[0].length;
    if (this.filled + channels[0].length > this.chunk) this.flush();
  }

  flush() {
    if (this.filled) this.post(this.channels.map((channel) => channel.subarray(0, this.filled)));
    this.filled = 0;
  }
}

// Node, which tests the classes above, has no audio thread.
if ("AudioWorkletProcessor" in globalThis) {
  // The names of AudioWorkletGlobalScope are not in the DOM's types.
  const { AudioWorkletProcessor, registerProcessor, sampleRate } = /** @type {any} */ (globalThis);

  /** Messages in: "record", "stop". Out: {level}, {chunk, end}, {stopped}; end: the clock after the chunk. */
  class Master extends AudioWorkletProcessor {
    constructor() {
      super();
      this.limiter = new Limiter(sampleRate);
      this.meter = new Level(sampleRate);
      this.tap = /** @type {Tap | null} */ (null);
      this.end = 0; // s, the context's clock after the last block
      this.port.onmessage = (/** @type {MessageEvent} */ event) => this.#receive(event.data);
    }

    /** @param {string} what */
    #receive(what) {
      if (what === "record") {
        this.tap = new Tap((chunk) => {
          const whole = chunk.map((channel) => (channel.length < CHUNK ? channel.slice() : channel));
          this.port.postMessage({ chunk: whole, end: this.end }, whole.map((channel) => channel.buffer));
        });
      } else if (what === "stop") {
        this.tap?.flush();
        this.tap = null;
        this.port.postMessage({ stopped: true });
      }
    }

    /** @param {Float32Array[][]} inputs  @param {Float32Array[][]} outputs */
    process(inputs, outputs) {
      const output = outputs[0];
      this.limiter.process(inputs[0], output);
      // @ts-ignore: of AudioWorkletGlobalScope
      this.end = globalThis.currentTime + output[0].length / sampleRate;
      this.tap?.add(output);
      const level = this.meter.add(output);
      if (level) {
        this.port.postMessage({ level: { ...level, gain: this.limiter.lowest } });
        this.limiter.lowest = 1;
      }
      return true; // silence too is measured and recorded
    }
  }
  registerProcessor("darktimbre-master", Master);
}
