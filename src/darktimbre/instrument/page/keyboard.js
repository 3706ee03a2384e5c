// @ts-check
/**
 * The piano on the page: draws the keys and keeps who holds which. What presses them is in touching.js and typing.js,
 * what they look like in style.css, what they sound like in engine.js.
 *
 * @typedef {import("./engine.js").Key} Key
 * @typedef {"ready" | "stale" | "waiting"} State
 */

import { codesOf, labelOf } from "./computer_keys.js";
import { layout, noteName } from "./piano.js";
import { Touching } from "./touching.js";
import { Typing } from "./typing.js";

const SAID = { ready: "", stale: "still the sound before the last change", waiting: "not rendered yet" };

/** @param {string} tag  @param {string} name its class  @param {string} [text]  @returns {HTMLElement} */
function made(tag, name, text = "") {
  const element = document.createElement(tag);
  element.className = name;
  element.textContent = text;
  return element;
}

export class Keyboard {
  /** @type {Map<number, HTMLElement>} */
  #elements = new Map();
  /** @type {Map<number, Key>} */
  #keys;
  /** @type {Map<number, Set<string>>} who holds a key: a pointer, a computer key, MIDI */
  #holders = new Map();
  /** @type {{get(code: string): string | undefined} | null} */
  #layoutMap = null;
  #places;
  #width;
  #octave = 4;
  #scroller;
  #board;
  #shown;
  #touching;
  #typing;

  /**
   * @param {HTMLElement} element what the keyboard is built in
   * @param {readonly Key[]} keys ascending
   * @param {{onPress: (midi: number, velocity: number) => void, onRelease: (midi: number) => void,
   *          onSustain: (on: boolean) => void}} handlers
   */
  constructor(element, keys, handlers) {
    this.handlers = handlers;
    this.#keys = new Map(keys.map((key) => [key.midi, key]));
    const midis = keys.map(({ midi }) => midi);
    ({ places: this.#places, width: this.#width } = layout(midis));
    this.#scroller = made("div", "keyboard-scroll");
    const inner = made("div", "keyboard-inner");
    const rail = made("div", "keyboard-rail");
    rail.setAttribute("aria-hidden", "true");
    this.#board = made("div", "keyboard-keys");
    this.#board.setAttribute("role", "group");
    this.#board.setAttribute("aria-label", "Piano keyboard");
    inner.style.setProperty("--whites", String(this.#width));
    for (const place of this.#places) this.#draw(place, rail);
    inner.append(rail, this.#board);
    this.#scroller.append(inner);
    this.#shown = made("output", "keyboard-octave-shown");
    element.replaceChildren(this.#octaveButtons(), this.#scroller);
    element.classList.add("keyboard");
    const own = keys.filter(({ semitones }) => semitones === 0);
    const middle = (own.length ? own : keys)[Math.floor((own.length || keys.length) / 2)].midi;
    this.octave = Math.floor((middle - 6) / 12) - 1;
    this.#rove(this.#elements.has(middle) ? middle : midis[0]);
    const down = (/** @type {number} */ midi, /** @type {string} */ holder, /** @type {number} */ velocity) =>
      this.#down(midi, holder, velocity);
    const up = (/** @type {number} */ midi, /** @type {string} */ holder) => this.#up(midi, holder);
    this.#touching = new Touching(this.#board, { places: this.#places, width: this.#width, down, up });
    this.#typing = new Typing(this.#board, {
      midis,
      down,
      up,
      first: () => 12 * (this.#octave + 1),
      shift: (octaves) => this.#shift(octaves),
      rove: (midi, focus) => this.#rove(midi, focus),
      sustain: handlers.onSustain,
    });
    window.addEventListener("blur", () => this.releaseAll());
    document.addEventListener("visibilitychange", () => document.hidden && this.releaseAll());
    requestAnimationFrame(() => this.scrollTo(middle));
    this.#readLayout();
  }

  /** The octave the lower row of computer keys begins in: 4 begins with middle C. */
  get octave() {
    return this.#octave;
  }

  set octave(octave) {
    const midis = [...this.#keys.keys()];
    const lowest = Math.floor(Math.min(...midis) / 12) - 1;
    const highest = Math.floor(Math.max(...midis) / 12) - 1;
    this.#octave = Math.min(highest, Math.max(lowest, Math.round(octave)));
    this.#label();
    this.#shown.textContent = noteName(12 * (this.#octave + 1));
  }

  /** @param {number} midi  @param {State} state whether the key has its sound; drawn, and said to a screen reader */
  setState(midi, state) {
    const element = this.#elements.get(midi);
    if (!element) return;
    element.dataset.state = state;
    const pitched = element.dataset.repitched ?? "";
    const said = [SAID[state], pitched].filter(Boolean).join("; ");
    if (said) element.setAttribute("aria-description", said);
    else element.removeAttribute("aria-description");
  }

  /** Draws a key as pressed: for MIDI, which midi.js receives.  @param {number} midi */
  press(midi) {
    this.#hold(midi, "midi");
  }

  /** @param {number} midi */
  release(midi) {
    this.#let(midi, "midi");
  }

  /** Lets go of every key the page holds: the window lost the focus, so their release will not reach it. */
  releaseAll() {
    this.#touching.forget();
    for (const [midi, holders] of this.#holders) {
      for (const holder of [...holders]) if (holder !== "midi") this.#up(midi, holder);
    }
    this.#typing.forget();
  }

  /** Brings a key to the middle, where the keyboard is wider than the window.  @param {number} midi */
  scrollTo(midi, smooth = false) {
    const place = this.#places.find((candidate) => candidate.midi === midi);
    if (!place) return;
    const middle = ((place.left + place.width / 2) / this.#width) * this.#board.clientWidth;
    this.#scroller.scrollTo({ left: middle - this.#scroller.clientWidth / 2, behavior: smooth ? "smooth" : "instant" });
  }

  /** @param {import("./piano.js").Place} place  @param {HTMLElement} rail */
  #draw({ midi, left, width, black }, rail) {
    const key = /** @type {Key} */ (this.#keys.get(midi));
    const name = noteName(midi);
    const element = made("div", black ? "key black" : "key");
    element.setAttribute("role", "button");
    element.setAttribute("aria-label", name);
    element.dataset.midi = String(midi);
    element.tabIndex = -1;
    element.style.left = `${(100 * left) / this.#width}%`;
    element.style.width = `${(100 * width) / this.#width}%`;
    if (key.semitones !== 0) {
      element.classList.add("repitched");
      const by = Math.abs(key.semitones);
      const amount = `${Number(by.toFixed(2))} semitone${by === 1 ? "" : "s"} ${key.semitones > 0 ? "up" : "down"}`;
      const from = key.source === null ? "" : ` from ${noteName(Math.round(key.source))}`;
      element.dataset.repitched = `re-pitched ${amount}${from}`;
      element.title = `${name}: ${element.dataset.repitched}`;
    }
    const mark = made("span", "key-mark");
    const letter = made("span", "key-letter");
    for (const part of [mark, letter]) part.setAttribute("aria-hidden", "true");
    element.append(letter, mark);
    if (midi % 12 === 0) {
      const text = made("span", "key-name", name);
      text.setAttribute("aria-hidden", "true");
      element.append(text);
      const sign = made("span", "keyboard-rail-name", name);
      sign.style.left = element.style.left;
      rail.append(sign);
    }
    this.#board.append(element);
    this.#elements.set(midi, element);
    this.setState(midi, "waiting");
  }

  #octaveButtons() {
    const bar = made("div", "keyboard-octaves");
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Octave");
    const shift = (/** @type {number} */ by, /** @type {string} */ sign, /** @type {string} */ label) => {
      const button = /** @type {HTMLButtonElement} */ (made("button", "keyboard-octave", sign));
      button.type = "button";
      button.setAttribute("aria-label", label);
      button.addEventListener("click", () => this.#shift(by));
      return button;
    };
    this.#shown.setAttribute("aria-label", "Computer keys start at");
    bar.append(shift(-1, "−", "Octave down"), this.#shown, shift(1, "+", "Octave up"));
    return bar;
  }

  /** @param {number} by octaves */
  #shift(by) {
    this.octave += by;
    this.scrollTo(12 * (this.octave + 1) + 11, true);
  }

  #label() {
    const first = 12 * (this.#octave + 1);
    for (const [midi, element] of this.#elements) {
      const [code] = codesOf(midi - first);
      const letter = /** @type {HTMLElement} */ (element.querySelector(".key-letter"));
      letter.textContent = code ? labelOf(code, this.#layoutMap) : "";
    }
  }

  async #readLayout() {
    const { keyboard } = /** @type {any} */ (navigator);
    try {
      this.#layoutMap = (await keyboard?.getLayoutMap()) ?? null;
    } catch {
      return; // a frame may be denied it; the keys then bear the letters of a US layout
    }
    this.#label();
  }

  /** @param {number} midi  @param {string} holder  @param {number} velocity */
  #down(midi, holder, velocity) {
    this.#hold(midi, holder);
    this.handlers.onPress(midi, velocity);
  }

  /** @param {number} midi  @param {string} holder */
  #up(midi, holder) {
    this.#let(midi, holder);
    if (![...(this.#holders.get(midi) ?? [])].some((other) => other !== "midi")) this.handlers.onRelease(midi);
  }

  /** @param {number} midi  @param {string} holder */
  #hold(midi, holder) {
    const holders = this.#holders.get(midi) ?? new Set();
    this.#holders.set(midi, holders.add(holder));
    this.#elements.get(midi)?.classList.add("pressed");
  }

  /** @param {number} midi  @param {string} holder */
  #let(midi, holder) {
    const holders = this.#holders.get(midi);
    holders?.delete(holder);
    if (!holders?.size) this.#elements.get(midi)?.classList.remove("pressed");
  }

  /** Makes a key the one Tab comes to.  @param {number} midi  @param {boolean} [focus] */
  #rove(midi, focus = false) {
    if (Number.isNaN(midi)) return;
    for (const element of this.#elements.values()) element.tabIndex = -1;
    const element = this.#elements.get(midi);
    if (!element) return;
    element.tabIndex = 0;
    if (focus) element.focus();
  }
}
