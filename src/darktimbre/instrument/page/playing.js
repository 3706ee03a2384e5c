// @ts-check
// From the sound one has set to the keys: asks for its notes, hands them to the engine, shows which keys have theirs, plays.

import { plainPatch, changed, soundsAs, toJson } from "./patch.js";
import { Progress } from "./progress.js";

/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {import("./engine.js").Key} Key */

const HINT = "Sound starts with your first key or click.";
const AUDITION = 90; // velocity of the key that plays a change
const AUDITION_LENGTH = 700; // ms

export class Playing {
  /** @type {Map<number | null, Key[]>} */
  #bySource = new Map();
  /** @type {Set<number>} keys that are down */
  #held = new Set();
  #hasPlayed = false; // nothing sounds by itself before something was played
  #generation = 0;
  #rate = 0;
  /** @type {Patch | null} */
  #sent = null;
  /** @type {number | null} ms; a change waits for the next frame */
  #changedAt = null;
  #wantsAudition = false; // the change that waits is to be played
  #auditionOf = -1; // generation that is played when its note is there
  /** @type {{midi: number, timer: ReturnType<typeof setTimeout>} | null} the key that sounds by itself */
  #own = null;
  /** @type {Map<number, Patch>} generation → what was requested, as long as keys sound by it */
  #requested = new Map();
  #starting = false;

  /**
   * @param {object} needs
   * @param {import("./engine.js").Engine} needs.engine
   * @param {import("./connection.js").Connection} needs.connection
   * @param {import("./status.js").Status} needs.status
   * @param {readonly Key[]} needs.keys
   * @param {() => Patch} needs.patch
   * @param {() => boolean} needs.auditions whether each change is to be played
   */
  constructor({ engine, connection, status, keys, patch, auditions }) {
    this.engine = engine;
    this.connection = connection;
    this.status = status;
    this.keys = keys;
    this.patch = patch;
    this.auditions = auditions;
    this.progress = new Progress();
    /** @type {import("./keyboard.js").Keyboard | null} */
    this.keyboard = null;
    this.byMidi = new Map(keys.map((key) => [key.midi, key]));
    for (const key of keys) this.#bySource.set(key.source, [...(this.#bySource.get(key.source) ?? []), key]);
    this.near = (this.byMidi.get(60) ?? keys[Math.floor(keys.length / 2)]).midi;
    for (const gesture of ["pointerdown", "keydown", "touchend"]) {
      document.addEventListener(gesture, () => this.start(), { capture: true });
    }
    engine.onstate = (running) => {
      status.hint = running ? "" : HINT;
      status.render(this.progress);
    };
    engine.onstate(engine.running);
    engine.prepare();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Notes
  // -------------------------------------------------------------------------------------------------------------------
  /** The sound was changed; it is sent with the next frame, once, however often it changes before. @param {Event} event */
  changed(event) {
    if (this.#changedAt === null) requestAnimationFrame(() => this.#flush());
    this.#changedAt = event.timeStamp > 0 ? event.timeStamp : performance.now();
  }

  #flush() {
    const since = this.#changedAt ?? performance.now();
    this.#changedAt = null;
    const rendered = (/** @type {Patch} */ patch) => changed(patch, { envelope: plainPatch().envelope });
    if (!this.#sent || !soundsAs(rendered(this.#sent), rendered(this.patch()))) this.send(since);
    if (this.#wantsAudition) this.audition();
  }

  /** @param {number} since ms, when the change was made */
  send(since) {
    this.#generation += 1;
    this.#sent = this.patch();
    this.#requested.set(this.#generation, this.#sent);
    this.#rate = this.engine.rate;
    this.progress.changed(this.#generation, since);
    this.connection.play(this.#generation, toJson(this.#sent), this.#rate, this.near);
    for (const key of this.keys) this.keyboard?.setState(key.midi, this.progress.state(key.source));
    this.status.render(this.progress);
  }

  /** @param {import("./connection.js").LiveNote} note */
  onNote(note) {
    if (note.rate !== this.engine.rate) return; // requested before the sound card's rate was known
    const isNew = this.progress.note(note.generation, note.source, performance.now());
    this.engine.setNote(note.source, note.samples, note.generation);
    for (const key of isNew ? (this.#bySource.get(note.source) ?? []) : []) {
      this.keyboard?.setState(key.midi, this.progress.state(key.source));
    }
    this.status.render(this.progress);
    const near = /** @type {Key} */ (this.byMidi.get(this.near));
    if (this.#auditionOf === note.generation && near.source === note.source) this.#soundOnce(near);
  }

  /** @param {number} generation @returns {Patch} what its notes are the sound of */
  patchOf(generation) {
    return this.#requested.get(generation) ?? this.patch();
  }

  /** @param {any} message begun, finished or failed */
  onMessage(message) {
    const { type, generation } = message;
    if (type === "begun") this.progress.begun(generation, message.pitches.length, message.cached);
    if (type === "finished") {
      this.progress.finished(generation, performance.now());
      for (const older of this.#requested.keys()) if (older < generation) this.#requested.delete(older);
    }
    if (type === "failed") {
      this.progress.failed(generation, message.reason);
      this.status.say(message.reason, { wrong: true });
    }
    this.status.render(this.progress);
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Keys
  // -------------------------------------------------------------------------------------------------------------------
  /** @param {number} midi @param {number} velocity */
  press(midi, velocity) {
    const key = this.byMidi.get(midi);
    if (!key) return;
    this.start();
    this.#held.add(midi);
    this.#hasPlayed = true;
    this.engine.noteOn(key, velocity);
    if (this.near !== midi && this.progress.busy) this.connection.near(midi);
    this.near = midi;
  }

  /** @param {number} midi */
  release(midi) {
    this.#held.delete(midi);
    this.engine.noteOff(midi);
  }

  /** Sounds the last key with what one has just set, when its note is there. */
  audition() {
    this.#wantsAudition = this.#changedAt !== null;
    if (this.#wantsAudition || !this.#hasPlayed || !this.engine.running || !this.auditions()) return;
    const key = /** @type {Key} */ (this.byMidi.get(this.near));
    this.#auditionOf = this.#generation;
    if (this.progress.state(key.source) === "ready") this.#soundOnce(key);
  }

  /** @param {Key} key */
  #soundOnce(key) {
    this.#auditionOf = -1;
    if (this.#held.size > 0) return; // keys that are held play the change themselves
    this.#endOwn();
    this.engine.noteOn(key, AUDITION);
    this.#own = { midi: key.midi, timer: setTimeout(() => this.#endOwn(), AUDITION_LENGTH) };
  }

  #endOwn() {
    if (!this.#own) return;
    const { midi, timer } = this.#own;
    this.#own = null;
    clearTimeout(timer);
    if (!this.#held.has(midi)) this.engine.noteOff(midi);
  }

  /** Starts the sound, which a browser allows in answer to a gesture only. */
  async start() {
    if (this.engine.running || this.#starting) return;
    this.#starting = true;
    try {
      await this.engine.start();
      if (this.engine.rate !== this.#rate) this.send(performance.now());
      if (this.engine.notice) this.status.say(this.engine.notice);
    } catch (error) {
      this.status.fail(error);
    }
    this.#starting = false;
  }
}
