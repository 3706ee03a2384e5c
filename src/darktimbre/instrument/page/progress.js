// @ts-check
// From a change of the sound to its notes: what has come, how long it took, which keys have it. Pure; the clock is handed in.

/** @typedef {"ready" | "stale" | "waiting"} KeyState */

export class Progress {
  /** @type {Map<number | null, number>} source → generation of the newest note that is there */
  #there = new Map();

  constructor() {
    this.generation = 0;
    this.since = 0; // ms, when the change was made
    this.total = 0; // notes of this generation; 0: not yet known
    this.come = 0;
    this.cached = 0;
    /** @type {number | null} */
    this.first = null; // ms from the change to the first new note
    /** @type {number | null} */
    this.all = null; // ms to the last
    /** @type {string | null} */
    this.failure = null;
  }

  /** @param {number} generation @param {number} since ms */
  changed(generation, since) {
    this.generation = generation;
    this.since = since;
    this.total = this.come = this.cached = 0;
    this.first = this.all = this.failure = null;
  }

  /** @param {number} generation @param {number} total @param {number} cached */
  begun(generation, total, cached) {
    if (generation !== this.generation) return;
    this.total = total;
    this.cached = cached;
  }

  /**
   * @param {number} generation
   * @param {number | null} source
   * @param {number} now ms
   * @returns {boolean} whether it is newer than what was there
   */
  note(generation, source, now) {
    const before = this.#there.get(source) ?? -1;
    if (generation < before) return false;
    this.#there.set(source, generation);
    if (generation === this.generation && generation !== before) {
      this.come += 1;
      this.first ??= now - this.since;
      if (this.come === this.total) this.all = now - this.since;
    }
    return generation !== before;
  }

  /** @param {number} generation @param {number} now ms */
  finished(generation, now) {
    if (generation === this.generation) this.all ??= now - this.since;
  }

  /** @param {number} generation @param {string} reason */
  failed(generation, reason) {
    if (generation === this.generation) this.failure = reason;
  }

  /** @param {number | null} source @returns {KeyState} of the keys that sound from it */
  state(source) {
    const generation = this.#there.get(source);
    if (generation === undefined) return "waiting";
    return generation === this.generation ? "ready" : "stale";
  }

  get busy() {
    return this.all === null && this.failure === null && this.generation > 0;
  }

  /** @param {boolean} [short] for a narrow screen @returns {string} one line for the user */
  sentence(short = false) {
    if (this.generation === 0) return "";
    if (this.failure !== null) return "Not rendered.";
    const notes = this.total === 1 ? "the note" : `all ${this.total} notes`;
    if (this.all !== null) {
      const all = duration(this.all);
      if (this.total > 0 && this.cached === this.total) return `From memory: ${notes} after ${all}.`;
      return short
        ? `First after ${duration(this.first ?? this.all)}, ${notes} after ${all}.`
        : `First new note after ${duration(this.first ?? this.all)}, ${notes} after ${all}.`;
    }
    if (this.total === 0) return "Waiting for the instrument.";
    const hasOld = [...this.#there.values()].some((generation) => generation !== this.generation);
    const others = hasOld ? "the other keys sound as before" : "keys fill in as they come";
    const first = this.first === null || short ? "" : ` · first new note after ${duration(this.first)}`;
    return `Rendering ${this.come} of ${this.total} · ${others}${first}`;
  }
}

/** @param {number} ms @returns {string} */
export function duration(ms) {
  if (ms < 995) return `${Math.max(1, Math.round(ms))} ms`;
  return `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;
}
