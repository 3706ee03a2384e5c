// @ts-check
/**
 * The computer's keys on the piano: letters play wherever the focus is, unless one writes; arrows move the focus along
 * the keys, where Enter and the space bar play the one in focus. Which key is which: computer_keys.js.
 */

import { OCTAVE_DOWN, OCTAVE_UP, SUSTAIN, isTyping, offsetOf, usesSpace } from "./computer_keys.js";

const VELOCITY = 100; // of a computer key, which does not tell how hard it is pressed

/** @param {KeyboardEvent} event */
const isShortcut = (event) => event.ctrlKey || event.altKey || event.metaKey;

export class Typing {
  /** @type {Map<string, number>} the key each pressed computer key has pressed; shifting the octave leaves it so */
  #codes = new Map();
  #pedal = false; // whether the space bar holds it
  #piano;

  /**
   * @param {HTMLElement} board the keys
   * @param {object} piano
   * @param {readonly number[]} piano.midis ascending
   * @param {() => number} piano.first the C the lower row begins with
   * @param {(octaves: number) => void} piano.shift
   * @param {(midi: number, focus?: boolean) => void} piano.rove makes a key the one Tab comes to
   * @param {(midi: number, holder: string, velocity: number) => void} piano.down
   * @param {(midi: number, holder: string) => void} piano.up
   * @param {(on: boolean) => void} piano.sustain
   */
  constructor(board, piano) {
    this.#piano = piano;
    board.addEventListener("keydown", (event) => this.#inFocus(event));
    const focused = (/** @type {Event} */ { target }) => piano.rove(midiOf(target));
    board.addEventListener("focusin", focused);
    window.addEventListener("keydown", (event) => this.#press(event));
    window.addEventListener("keyup", (event) => this.#lift(event));
  }

  /** No computer key is down any more, as far as is known; the space bar's pedal comes up. */
  forget() {
    this.#codes.clear();
    this.#sustain(false);
  }

  /** @param {KeyboardEvent} event on a key of the piano */
  #inFocus(event) {
    const midi = midiOf(event.target);
    if (isShortcut(event) || Number.isNaN(midi)) return;
    const { midis } = this.#piano;
    const to =
      new Map([
        ["ArrowRight", midi + 1],
        ["ArrowLeft", midi - 1],
        ["ArrowUp", midi + 12],
        ["ArrowDown", midi - 12],
        ["Home", midis[0]],
        ["End", midis[midis.length - 1]],
      ]).get(event.code) ?? midi;
    if (event.code === "Enter" || event.code === SUSTAIN) {
      event.preventDefault();
      event.stopPropagation(); // not the pedal
      if (!event.repeat) this.#hold(event.code, midi);
    } else if (to !== midi) {
      event.preventDefault();
      if (midis.includes(to)) this.#piano.rove(to, true);
    }
  }

  /** @param {KeyboardEvent} event anywhere */
  #press(event) {
    if (isShortcut(event) || event.isComposing || isTyping(event.target)) return;
    const { code, repeat } = event;
    const offset = offsetOf(code);
    if (code === SUSTAIN && !usesSpace(event.target)) {
      event.preventDefault(); // the page does not scroll
      this.#sustain(true);
    } else if (code === OCTAVE_DOWN || code === OCTAVE_UP) {
      if (!repeat) this.#piano.shift(code === OCTAVE_UP ? 1 : -1);
    } else if (offset !== null) {
      event.preventDefault(); // "/" and "'" would open the search of some browsers
      const midi = this.#piano.first() + offset;
      if (!repeat && !this.#codes.has(code) && this.#piano.midis.includes(midi)) this.#hold(code, midi);
    }
  }

  /** @param {KeyboardEvent} event anywhere */
  #lift(event) {
    const midi = this.#codes.get(event.code);
    this.#codes.delete(event.code);
    if (midi !== undefined) this.#piano.up(midi, event.code);
    else if (event.code === SUSTAIN) this.#sustain(false);
    // While the Mac's command key is down the release of other keys is never reported.
    if (event.key !== "Meta") return;
    const held = [...this.#codes];
    this.#codes.clear();
    for (const [code, key] of held) this.#piano.up(key, code);
  }

  /** @param {string} code  @param {number} midi */
  #hold(code, midi) {
    this.#codes.set(code, midi);
    this.#piano.down(midi, code, VELOCITY);
  }

  /** @param {boolean} on */
  #sustain(on) {
    if (on === this.#pedal) return;
    this.#pedal = on;
    this.#piano.sustain(on);
  }
}

/** @param {EventTarget | null} target  @returns {number} NaN where it is no key */
const midiOf = (target) => Number(/** @type {HTMLElement} */ (target).dataset.midi);
