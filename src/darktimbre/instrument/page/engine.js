// @ts-check
/**
 * Plays the rendered notes: one AudioBufferSourceNode and one gain for each note that sounds.
 *
 *     note → gain (velocity × envelope) ┐
 *     note → gain                       ┴→ volume → limiter, meter, recorder tap (master.worklet.js) → loudspeaker
 *
 * Notes come at the context's rate, so a key that was rendered plays its samples as they are; a re-pitched key plays
 * its source's samples faster or slower. With the envelope `PLAIN`, full velocity and full volume what leaves is
 * the note itself, delayed by `delay` samples, as long as it stays below the limiter's threshold.
 *
 * @typedef {{midi: number, source: number | null, semitones: number}} Key
 * @typedef {{key: Key, node: AudioBufferSourceNode, gain: GainNode, contour: Contour,
 *            state: "held" | "pedal" | "released" | "damped"}} Voice
 */

import { Contour, DAMP, PLAIN, isConstant } from "./envelope.js";
import { Master } from "./master.js";

export const POLYPHONY = 32; // notes at once; the next one takes the place of the oldest
const QUANTUM = 128; // samples the audio thread computes at once
const GLIDE = 0.01; // s, time constant of volume and bend

/** @param {number} velocity 1 to 127  @returns {number} the gain of a note: 127 is 1, 64 is 12 dB less */
export const velocityGain = (velocity) => (Math.min(127, Math.max(1, velocity)) / 127) ** 2;

const nameOf = (/** @type {number | null} */ source) => (source === null || Number.isNaN(source) ? null : source);

export class Engine {
  #context;
  #volume;
  #level = 1;
  #makeup = 1;
  #bend = 0;
  #pedal = false;
  #master;
  /** @type {Promise<void> | null} */
  #prepared = null;
  /** @type {Map<number | null, {buffer: AudioBuffer, samples: Float32Array, generation: number}>} */
  #notes = new Map();
  /** @type {Voice[]} oldest first */
  #voices = [];
  /** @type {Map<number, {key: Key, velocity: number, held: boolean}>} keys whose note is not there yet */
  #waiting = new Map();

  /** @type {import("./envelope.js").Envelope} in effect from the next note on; `release` at once */
  envelope = { ...PLAIN };
  /** @type {(peak: number, rms: number, gain: number) => void} some 30 times a second; gain < 1 while limiting */
  onlevel = () => {};
  /** @type {(note: {midi: number, samples: Float32Array, rate: number, velocity: number, generation: number}) => void}
   *   as it begins */
  onnote = () => {};
  /** @type {(running: boolean) => void} the browser started or stopped the sound */
  onstate = () => {};
  /** @type {(seconds: number) => void} while recording; the last one is the limit, where recording stops */
  onrecording = () => {};

  /** @param {AudioContext} [context] the tests' own */
  constructor(context) {
    this.#context = context ?? new AudioContext({ latencyHint: "interactive" });
    this.#volume = this.#context.createGain();
    this.#master = new Master(this.#context, this.#volume);
    this.#master.onlevel = (peak, rms, gain) => this.onlevel(peak, rms, gain);
    this.#master.onrecording = (seconds) => this.onrecording(seconds);
    this.#context.addEventListener("statechange", () => this.onstate(this.running));
  }

  /** Readies all but the permission to sound; may be called before the first gesture, so `start` is quick. */
  prepare() {
    this.#prepared ??= this.#master.connect();
    return this.#prepared;
  }

  /** Starts the sound; a browser allows it in answer to a click, touch or key only. */
  async start() {
    const resumed = this.#context.resume(); // before any await: still within the gesture
    await this.prepare();
    await resumed;
  }

  /** Samples per second of the context: the rate `setNote` wants. */
  get rate() {
    return this.#context.sampleRate;
  }

  get running() {
    return this.#context.state === "running";
  }

  /** Samples by which everything leaves later than it is played: the limiter's lookahead. */
  get delay() {
    return this.#master.delay;
  }

  /** Seconds between a key and its sound that the browser and the limiter know of. */
  get latency() {
    const { baseLatency = 0, outputLatency = 0 } = this.#context;
    return baseLatency + outputLatency + this.delay / this.rate;
  }

  /** A sentence when the browser withholds something, else "". */
  get notice() {
    return this.#master.notice;
  }

  get recordable() {
    return this.#master.recordable;
  }

  /** How many notes sound now, without those fading to make room. */
  get sounding() {
    return this.#voices.filter((voice) => voice.state !== "damped").length;
  }

  /**
   * Takes a rendered note; keys held that wait for it sound now.
   * @param {number | null} source the pitch it was rendered at; null or NaN for an instrument without pitch
   * @param {Float32Array} samples at `rate`
   * @param {number} generation the state of the sliders it was rendered for; one older than what is there is ignored
   */
  setNote(source, samples, generation) {
    const name = nameOf(source);
    if ((this.#notes.get(name)?.generation ?? -Infinity) > generation) return;
    const buffer = this.#context.createBuffer(1, Math.max(1, samples.length), this.rate);
    buffer.copyToChannel(/** @type {Float32Array<ArrayBuffer>} */ (samples), 0);
    this.#notes.set(name, { buffer, samples, generation });
    for (const [midi, { key, velocity, held }] of [...this.#waiting]) {
      if (nameOf(key.source) !== name) continue;
      this.#waiting.delete(midi);
      this.#sound(key, velocity, held ? "held" : "pedal");
    }
  }

  /** @param {number | null} source  @returns {{samples: Float32Array, generation: number} | undefined} */
  note(source) {
    return this.#notes.get(nameOf(source));
  }

  /** Forgets all notes: another instrument. */
  clear() {
    this.#notes.clear();
    this.#waiting.clear();
  }

  /** Seconds on the context's clock: that of `recordedFrom`. */
  get now() {
    return this.#context.currentTime;
  }

  /** When the first sample of the last recording left, in seconds; NaN before that. */
  get recordedFrom() {
    return this.#master.recordedFrom;
  }

  /** @param {Key} key  @param {number} velocity 1 to 127 */
  noteOn(key, velocity) {
    for (const voice of this.#voices) if (voice.key.midi === key.midi) this.#damp(voice);
    this.#waiting.delete(key.midi);
    if (this.#notes.has(nameOf(key.source))) this.#sound(key, velocity, "held");
    else this.#waiting.set(key.midi, { key, velocity, held: true });
  }

  /** @param {number} midi */
  noteOff(midi) {
    const waiting = this.#waiting.get(midi);
    if (waiting && this.#pedal) waiting.held = false;
    else if (waiting) this.#waiting.delete(midi);
    for (const voice of this.#voices) {
      if (voice.key.midi !== midi || voice.state !== "held") continue;
      if (this.#pedal) voice.state = "pedal";
      else this.#release(voice);
    }
  }

  /** @param {boolean} on whether the pedal is down: keys let go sound on until it comes up */
  sustain(on) {
    this.#pedal = on;
    if (on) return;
    for (const [midi, { held }] of [...this.#waiting]) if (!held) this.#waiting.delete(midi);
    for (const voice of this.#voices) if (voice.state === "pedal") this.#release(voice);
  }

  /** Silence, quickly but without a click; the pedal is up. */
  allOff() {
    this.#pedal = false;
    this.#waiting.clear();
    for (const voice of this.#voices) this.#damp(voice);
  }

  /** @param {number} semitones pitch bend of all that sounds and will sound */
  bend(semitones) {
    this.#bend = semitones;
    const now = this.#context.currentTime;
    for (const { node } of this.#voices) node.detune.setTargetAtTime(100 * semitones, now, GLIDE);
  }

  /** 0 to 1; the gain is its square, so that the middle is 12 dB down. */
  get volume() {
    return this.#level;
  }

  set volume(level) {
    this.#level = Math.min(1, Math.max(0, level));
    this.#glide();
  }

  /** How many times louder than the notes themselves full volume plays: instruments are as quiet as what they were trained on. */
  get makeup() {
    return this.#makeup;
  }

  set makeup(gain) {
    this.#makeup = gain;
    this.#glide();
  }

  #glide() {
    const { gain } = this.#volume;
    const now = this.#context.currentTime;
    const level = this.#makeup * this.#level ** 2;
    gain.cancelScheduledValues(now);
    gain.setTargetAtTime(level, now, GLIDE);
    gain.setValueAtTime(level, now + 12 * GLIDE); // there exactly; 6e-6 of the way is left
  }

  /** Begins to copy what leaves for the loudspeaker; an Error says why it cannot. */
  async startRecording() {
    await this.prepare();
    this.#master.startRecording();
  }

  /** @returns {Promise<Float32Array[]>} one channel, or two where they differ, at `rate` */
  stopRecording() {
    return this.#master.stopRecording();
  }

  /**
   * The time from which on changes take effect whole: the audio thread computes one hardware buffer in one go,
   * so what is scheduled nearer than that may find its beginning already past.
   */
  #ahead() {
    const { currentTime, sampleRate, baseLatency = 0 } = this.#context;
    return currentTime + Math.min(0.1, baseLatency + (2 * QUANTUM) / sampleRate);
  }

  /** @param {Key} key  @param {number} velocity  @param {"held" | "pedal"} state */
  #sound(key, velocity, state) {
    const note = /** @type {{buffer: AudioBuffer, samples: Float32Array, generation: number}} */ (
      this.#notes.get(nameOf(key.source))
    );
    this.#makeRoom();
    const context = this.#context;
    const level = velocityGain(velocity);
    const envelope = { ...this.envelope };
    const constant = isConstant(envelope);
    const start = constant ? context.currentTime : this.#ahead();
    const speed = 2 ** (key.semitones / 12);
    const node = new AudioBufferSourceNode(context, {
      buffer: note.buffer,
      playbackRate: speed,
      detune: 100 * this.#bend,
    });
    const gain = new GainNode(context, { gain: constant || envelope.attack <= 0 ? level : 0 });
    const contour = new Contour(gain.gain, envelope, level, start);
    node.connect(gain).connect(this.#volume);
    node.start(constant ? 0 : start); // 0: with the very next block
    const voice = /** @type {Voice} */ ({ key, node, gain, contour, state });
    this.#voices.push(voice);
    node.onended = () => {
      gain.disconnect();
      this.#voices = this.#voices.filter((other) => other !== voice);
    };
    const { samples, generation } = note;
    this.onnote({ midi: key.midi, samples, rate: this.rate * speed, velocity, generation });
  }

  /** Lets a released note go first, then one only the pedal holds, then the oldest. */
  #makeRoom() {
    for (const state of ["released", "pedal", "held"]) {
      if (this.sounding < POLYPHONY) return;
      const voice = this.#voices.find((candidate) => candidate.state === state);
      if (voice) this.#damp(voice);
    }
  }

  /** @param {Voice} voice */
  #release(voice) {
    voice.state = "released";
    voice.node.stop(voice.contour.release(this.#ahead(), this.envelope.release));
  }

  /** @param {Voice} voice */
  #damp(voice) {
    if (voice.state === "damped") return;
    voice.state = "damped";
    voice.node.stop(voice.contour.release(this.#ahead(), DAMP));
  }
}
