// @ts-check
/**
 * The piano on the page: draws the keys, and turns mouse, touch, computer keys and the screen reader's button presses
 * into `onPress` and `onRelease`. What the keys look like is in style.css; what they sound like in engine.js.
 *
 * @typedef {import("./engine.js").Key} Key
 * @typedef {"ready" | "stale" | "waiting"} State
 */

import { OCTAVE_DOWN, OCTAVE_UP, SUSTAIN, codesOf, isTyping, labelOf, offsetOf, usesSpace } from "./computer_keys.js";
import { depthVelocity, isBlack, keyAt, layout, noteName } from "./piano.js";

const VELOCITY = 100; // of a computer key, which does not tell how hard it is pressed
const SAID = { ready: "", stale: "still the sound before the last change", waiting: "waits for its sound" };

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
  /** @type {Map<number, number | null>} the key each pressed pointer is on */
  #pointers = new Map();
  /** @type {Map<string, number>} the key each pressed computer key has pressed; shifting the octave leaves it so */
  #codes = new Map();
  /** @type {{get(code: string): string | undefined} | null} */
  #layoutMap = null;
  #places;
  #width;
  #octave = 4;
  #pedal = false; // whether the space bar holds it
  #scroller;
  #board;
  #shown;
  #stop = new AbortController();

  /**
   * @param {HTMLElement} element what the keyboard is built in
   * @param {readonly Key[]} keys ascending
   * @param {{onPress: (midi: number, velocity: number) => void, onRelease: (midi: number) => void,
   *          onSustain?: (on: boolean) => void, onOctave?: (octave: number) => void}} heard
   */
  constructor(element, keys, heard) {
    this.heard = heard;
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
    this.#listen();
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
    this.#shown.textContent = `${noteName(12 * (this.#octave + 1))}`;
    this.heard.onOctave?.(this.#octave);
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

  /** Draws a key as pressed: for MIDI, which is heard elsewhere.  @param {number} midi */
  press(midi) {
    this.#hold(midi, "midi");
  }

  /** @param {number} midi */
  release(midi) {
    this.#let(midi, "midi");
  }

  /** Lets go of every key the page holds: the window lost the focus, so their release will not be heard of. */
  releaseAll() {
    this.#pointers.clear();
    this.#codes.clear();
    for (const [midi, holders] of this.#holders) {
      for (const holder of [...holders]) if (holder !== "midi") this.#up(midi, holder);
    }
    this.#sustain(false);
  }

  /** Brings a key to the middle, where the keyboard is wider than the window.  @param {number} midi */
  scrollTo(midi, smooth = false) {
    const place = this.#places.find((candidate) => candidate.midi === midi);
    if (!place) return;
    const middle = ((place.left + place.width / 2) / this.#width) * this.#board.clientWidth;
    this.#scroller.scrollTo({ left: middle - this.#scroller.clientWidth / 2, behavior: smooth ? "smooth" : "instant" });
  }

  /** Takes the listeners off the window: another keyboard takes this one's place. */
  stop() {
    this.releaseAll();
    this.#stop.abort();
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
    this.#shown.setAttribute("aria-label", "Computer keys begin at");
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

  #listen() {
    const { signal } = this.#stop;
    const board = this.#board;
    board.addEventListener("pointerdown", (event) => this.#pointerDown(event), { signal });
    board.addEventListener("pointermove", (event) => this.#pointerMove(event), { signal });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel", "lostpointercapture"])) {
      board.addEventListener(end, (event) => this.#pointerUp(event), { signal });
    }
    board.addEventListener("contextmenu", (event) => event.preventDefault(), { signal }); // a long touch is a long note
    board.addEventListener("keydown", (event) => this.#keyDown(event), { signal });
    const focused = (/** @type {Event} */ { target }) =>
      this.#rove(Number(/** @type {HTMLElement} */ (target).dataset.midi));
    board.addEventListener("focusin", focused, { signal });
    window.addEventListener("keydown", (event) => this.#codeDown(event), { signal });
    window.addEventListener("keyup", (event) => this.#codeUp(event), { signal });
    window.addEventListener("blur", () => this.releaseAll(), { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.releaseAll(), { signal });
  }

  /** @param {PointerEvent} event */
  #under(event) {
    const { left, top, width, height } = this.#board.getBoundingClientRect();
    return keyAt(this.#places, ((event.clientX - left) / width) * this.#width, (event.clientY - top) / height);
  }

  /** @param {PointerEvent} event */
  #pointerDown(event) {
    if (event.button !== 0) return;
    event.preventDefault(); // no focus, no selection: the focus stays on the slider in use
    if (isTyping(document.activeElement)) /** @type {HTMLElement} */ (document.activeElement).blur();
    this.#board.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, null);
    this.#slide(event);
  }

  /** @param {PointerEvent} event */
  #pointerMove(event) {
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
    if (before !== null) this.#up(before, `pointer ${pointer}`);
    if (on) this.#down(on.midi, `pointer ${pointer}`, depthVelocity(on.depth));
  }

  /** @param {PointerEvent} event */
  #pointerUp(event) {
    const midi = this.#pointers.get(event.pointerId) ?? null;
    this.#pointers.delete(event.pointerId);
    if (midi !== null) this.#up(midi, `pointer ${event.pointerId}`);
  }

  /** Moves the focus along the keys; Enter and the space bar play the one in focus.  @param {KeyboardEvent} event */
  #keyDown(event) {
    const midi = Number(/** @type {HTMLElement} */ (event.target).dataset.midi);
    if (event.ctrlKey || event.altKey || event.metaKey || Number.isNaN(midi)) return;
    const midis = [...this.#keys.keys()];
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
      if (event.repeat) return;
      this.#codes.set(event.code, midi);
      this.#down(midi, event.code, VELOCITY);
    } else if (to !== midi) {
      event.preventDefault();
      if (this.#elements.has(to)) this.#rove(to, true);
    }
  }

  /** @param {KeyboardEvent} event */
  #codeDown(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || isTyping(event.target)) return;
    const { code, repeat } = event;
    const offset = offsetOf(code);
    if (code === SUSTAIN && !usesSpace(event.target)) {
      event.preventDefault(); // the page does not scroll
      this.#sustain(true);
    } else if (code === OCTAVE_DOWN || code === OCTAVE_UP) {
      if (!repeat) this.#shift(code === OCTAVE_UP ? 1 : -1);
    } else if (offset !== null) {
      event.preventDefault(); // "/" and "'" would open the search of some browsers
      const midi = 12 * (this.#octave + 1) + offset;
      if (repeat || this.#codes.has(code) || !this.#keys.has(midi)) return;
      this.#codes.set(code, midi);
      this.#down(midi, code, VELOCITY);
    }
  }

  /** @param {KeyboardEvent} event */
  #codeUp(event) {
    const midi = this.#codes.get(event.code);
    this.#codes.delete(event.code);
    if (midi !== undefined) this.#up(midi, event.code);
    else if (event.code === SUSTAIN) this.#sustain(false);
    // While the Mac's command key is down the release of other keys is never told.
    if (event.key !== "Meta") return;
    const held = [...this.#codes];
    this.#codes.clear();
    for (const [code, key] of held) this.#up(key, code);
  }

  /** @param {boolean} on */
  #sustain(on) {
    if (on === this.#pedal) return;
    this.#pedal = on;
    this.heard.onSustain?.(on);
  }

  /** @param {number} midi  @param {string} holder  @param {number} velocity */
  #down(midi, holder, velocity) {
    this.#hold(midi, holder);
    this.heard.onPress(midi, velocity);
  }

  /** @param {number} midi  @param {string} holder */
  #up(midi, holder) {
    this.#let(midi, holder);
    if (![...(this.#holders.get(midi) ?? [])].some((other) => other !== "midi")) this.heard.onRelease(midi);
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

export { isBlack, noteName };
