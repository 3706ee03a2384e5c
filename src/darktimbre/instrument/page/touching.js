// @ts-check
/**
 * Mouse, pen and touch on the piano: each pointer holds the key it is on and slides from key to key. A screen reader's
 * button press, which is a click of no pointer, plays a moment.
 */

import { isTyping } from "./computer_keys.js";
import { depthVelocity, keyAt } from "./piano.js";

const MOMENT = 700; // ms
const PLAIN = 100; // velocity of what does not tell how hard it presses

export class Touching {
  /** @type {Map<number, number | null>} the key each pressed pointer is on */
  #pointers = new Map();
  #clicks = 0;
  #board;
  #piano;

  /**
   * @param {HTMLElement} board the keys
   * @param {object} piano
   * @param {readonly import("./piano.js").Place[]} piano.places
   * @param {number} piano.width of all places
   * @param {(midi: number, holder: string, velocity: number) => void} piano.down
   * @param {(midi: number, holder: string) => void} piano.up
   */
  constructor(board, piano) {
    this.#board = board;
    this.#piano = piano;
    board.addEventListener("pointerdown", (event) => this.#press(event));
    board.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      board.addEventListener(end, (event) => this.#lift(event));
    }
    board.addEventListener("click", (event) => this.#click(event));
    board.addEventListener("contextmenu", (event) => event.preventDefault()); // a long touch is a long note
  }

  /** No pointer is down any more, as far as is known. */
  forget() {
    this.#pointers.clear();
  }

  /** @param {PointerEvent} event */
  #under(event) {
    const { places, width: whole } = this.#piano;
    const { left, top, width, height } = this.#board.getBoundingClientRect();
    return keyAt(places, ((event.clientX - left) / width) * whole, (event.clientY - top) / height);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (event.button !== 0) return;
    event.preventDefault(); // no focus, no selection: the focus stays on the slider in use
    const { activeElement } = document;
    if (isTyping(activeElement)) /** @type {HTMLElement} */ (activeElement).blur();
    this.#board.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, null);
    this.#slide(event);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#pointers.has(event.pointerId)) return;
    const between = event.getCoalescedEvents?.() ?? []; // a quick glissando skips no key
    for (const one of between.length ? between : [event]) this.#slide(one, event.pointerId);
  }

  /** @param {PointerEvent} event  @param {number} [pointer] */
  #slide(event, pointer = event.pointerId) {
    const on = this.#under(event);
    const before = this.#pointers.get(pointer) ?? null;
    if ((on?.midi ?? null) === before) return;
    this.#pointers.set(pointer, on?.midi ?? null);
    if (before !== null) this.#piano.up(before, `pointer ${pointer}`);
    if (on) this.#piano.down(on.midi, `pointer ${pointer}`, depthVelocity(on.depth));
  }

  /** @param {PointerEvent} event */
  #lift(event) {
    const midi = this.#pointers.get(event.pointerId) ?? null;
    this.#pointers.delete(event.pointerId);
    if (midi !== null) this.#piano.up(midi, `pointer ${event.pointerId}`);
  }

  /** @param {MouseEvent} event */
  #click({ detail, target }) {
    const key = target instanceof Element ? target.closest("[data-midi]") : null;
    if (detail !== 0 || !(key instanceof HTMLElement)) return; // a pointer's click has been played already
    const midi = Number(key.dataset.midi);
    const holder = `click ${(this.#clicks += 1)}`;
    this.#piano.down(midi, holder, PLAIN);
    setTimeout(() => this.#piano.up(midi, holder), MOMENT);
  }
}
