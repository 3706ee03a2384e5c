// @ts-check
/**
 * The page's side of what stands between the volume and the loudspeaker: the audio worklet in master.worklet.js, or,
 * where the browser has none (a page from another machine over plain http), a wave shaper that keeps the level down.
 */

import { THRESHOLD, lookaheadSamples } from "./master.worklet.js";
import { Recording } from "./recorder.js";

const KNEE = 0.7; // the shaper bends from here on
const SPAN = 4; // the shaper's curve reaches from -SPAN to SPAN: +12 dBFS
const METER_INTERVAL = 33; // ms, without the worklet

/**
 * What the wave shaper makes of an amplitude: itself up to `KNEE`, then ever less, towards the limiter's threshold.
 * @param {number} x
 */
export function shaped(x) {
  const size = Math.abs(x);
  if (size <= KNEE) return x;
  const room = THRESHOLD - KNEE;
  return Math.sign(x) * (KNEE + room * Math.tanh((size - KNEE) / room));
}

export class Master {
  #context;
  #input;
  /** @type {AudioWorkletNode | null} */
  #worklet = null;
  /** @type {Recording | null} */
  #recording = null;
  /** @type {((channels: Float32Array[]) => void) | null} */
  #finish = null;

  notice = "";
  delay = 0;
  recordedFrom = NaN; // when the last recording's first sample left, on the context's clock
  /** @type {(peak: number, rms: number, gain: number) => void} */
  onlevel = () => {};
  /** @type {(seconds: number) => void} */
  onrecording = () => {};

  /** @param {AudioContext} context  @param {AudioNode} input what is limited and output */
  constructor(context, input) {
    this.#context = context;
    this.#input = input;
  }

  get recordable() {
    return this.#worklet !== null;
  }

  /** Builds the way to the loudspeaker. */
  async connect() {
    const context = this.#context;
    try {
      if (!context.audioWorklet) throw new Error("no audio worklet");
      await context.audioWorklet.addModule(new URL("./master.worklet.js", import.meta.url).href);
      const node = new AudioWorkletNode(context, "darktimbre-master", {
        numberOfInputs: 1,
        numberOfOutputs: 1,
        outputChannelCount: [2],
        channelCount: 2,
        channelCountMode: "explicit",
      });
      node.port.onmessage = (event) => this.#received(event.data);
      this.#input.connect(node).connect(context.destination);
      this.#worklet = node;
      this.delay = lookaheadSamples(context.sampleRate);
    } catch (reason) {
      this.notice =
        "This browser offers no audio worklet here, so recording is off and loud chords are shaped, not limited. " +
        "Open the page on the machine itself (127.0.0.1) or over https for both.";
      console.info(reason);
      this.#shape();
    }
  }

  /**
   * @param {{level?: {peak: number, rms: number, gain: number}, chunk?: Float32Array[], end?: number,
   *          stopped?: boolean}} data of the worklet
   */
  #received({ level, chunk, end, stopped }) {
    if (level) this.onlevel(level.peak, level.rms, level.gain);
    if (chunk && this.#recording) {
      const before = this.#recording.seconds + chunk[0].length / this.#context.sampleRate;
      if (!this.#recording.full) this.recordedFrom = (end ?? NaN) - before;
      this.#recording.add(chunk);
      this.onrecording(this.#recording.seconds);
      if (this.#recording.full) this.#worklet?.port.postMessage("stop");
    }
    if (stopped && this.#finish && this.#recording) {
      this.#finish(this.#recording.finish());
      this.#finish = null;
      this.#recording = null;
    }
  }

  startRecording() {
    if (!this.#worklet) throw new Error(this.notice || "The sound has not started yet: play a note first.");
    if (this.#recording) throw new Error("A recording is running already; stop it first.");
    this.#recording = new Recording(this.#context.sampleRate);
    this.#worklet.port.postMessage("record");
  }

  /** @returns {Promise<Float32Array[]>} */
  stopRecording() {
    if (!this.#worklet || !this.#recording) return Promise.reject(new Error("Nothing is being recorded."));
    return new Promise((resolve) => {
      this.#finish = resolve;
      this.#worklet?.port.postMessage("stop");
    });
  }

  #shape() {
    const context = this.#context;
    const down = new GainNode(context, { gain: 1 / SPAN });
    const size = 2 * 4096 * SPAN + 1; // odd: one point lies at 0
    const curve = Float32Array.from({ length: size }, (_, i) => shaped(SPAN * ((2 * i) / (size - 1) - 1)));
    const shaper = new WaveShaperNode(context, { curve });
    const analyser = new AnalyserNode(context, { fftSize: 2048 });
    this.#input.connect(down).connect(shaper).connect(analyser).connect(context.destination);
    const block = new Float32Array(analyser.fftSize);
    setInterval(() => {
      analyser.getFloatTimeDomainData(block);
      let peak = 0;
      let energy = 0;
      for (const x of block) {
        peak = Math.max(peak, Math.abs(x));
        energy += x * x;
      }
      this.onlevel(peak, Math.sqrt(energy / block.length), 1);
    }, METER_INTERVAL);
  }
}

