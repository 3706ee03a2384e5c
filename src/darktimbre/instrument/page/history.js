// @ts-check
// Undo, redo and A/B: a line of values with labels, and the pair of sounds that is kept in it. Pure.

/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {"A" | "B"} Slot */
/** @typedef {{active: Slot, A: Patch, B: Patch}} Session what is played, and what it is compared with */

/** @param {Patch} patch @returns {Session} */
export function session(patch) {
  return Object.freeze({ active: "A", A: patch, B: patch });
}

/** @param {Session} both @returns {Patch} the sound that is played */
export function current(both) {
  return both[both.active];
}

/** @param {Session} both @param {Patch} patch @returns {Session} */
export function withCurrent(both, patch) {
  return Object.freeze({ ...both, [both.active]: patch });
}

/** @param {Slot} slot @returns {Slot} */
export function other(slot) {
  return slot === "A" ? "B" : "A";
}

/** @param {Session} both @param {Slot} slot @returns {Session} */
export function switched(both, slot) {
  return Object.freeze({ ...both, active: slot });
}

/** @param {Session} both @returns {Session} the other place holds what is played, too */
export function copied(both) {
  return Object.freeze({ ...both, [other(both.active)]: current(both) });
}

/**
 * A line of values to walk back and forth. A slider's drag is one step: commits with one tag, less than `pause`
 * milliseconds apart and not sealed, replace each other.
 *
 * @template T
 */
export class History {
  /** @param {T} first @param {{limit?: number, pause?: number}} [options] */
  constructor(first, { limit = 300, pause = 1000 } = {}) {
    this.limit = limit;
    this.pause = pause;
    /** @type {{value: T, label: string}[]} */
    this.steps = [{ value: first, label: "" }];
    this.at = 0;
  }

  /** @type {string | null} */
  #tag = null;
  /** @type {number} */
  #when = -Infinity;

  get value() {
    return this.steps[this.at].value;
  }

  /** @returns {string | null} what undo would take back */
  get undoLabel() {
    return this.at > 0 ? this.steps[this.at].label : null;
  }

  /** @returns {string | null} what redo would do again */
  get redoLabel() {
    return this.at + 1 < this.steps.length ? this.steps[this.at + 1].label : null;
  }

  /**
   * @param {T} value
   * @param {string} label what was done, e.g. "Randomise"
   * @param {{tag?: string | null, now?: number}} [options] tag: what a run of commits has in common; now: milliseconds
   */
  commit(value, label, { tag = null, now = performance.now() } = {}) {
    const goesOn = tag !== null && tag === this.#tag && now - this.#when < this.pause && this.at > 0;
    this.steps.length = this.at + 1;
    if (goesOn) this.steps[this.at] = { value, label };
    else this.steps.push({ value, label });
    if (this.steps.length > this.limit) this.steps.shift();
    this.at = this.steps.length - 1;
    this.#tag = tag;
    this.#when = now;
  }

  /** The next commit is a step of its own, whatever its tag. */
  seal() {
    this.#tag = null;
  }

  /** @returns {string | null} what was taken back */
  undo() {
    const label = this.undoLabel;
    if (label !== null) this.at -= 1;
    this.seal();
    return label;
  }

  /** @returns {string | null} what was done again */
  redo() {
    const label = this.redoLabel;
    if (label !== null) this.at += 1;
    this.seal();
    return label;
  }
}
