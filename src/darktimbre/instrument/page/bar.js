// @ts-check
// One slider: a name, a bar to draw along, a figure to type. Attributes, envelope and volume are all made of it.

/**
 * @typedef {object} BarPlan
 * @property {string} id of the range input
 * @property {string} name
 * @property {[number, number]} ends values at the left and right end
 * @property {number} rest where double click and Backspace lead
 * @property {(value: number) => number} [toPlace] value → place on the bar; without it the bar is linear
 * @property {(place: number) => number} [toValue] its inverse
 * @property {(value: number) => string} show the figure
 * @property {(text: string) => number | null} read the typed figure
 * @property {(value: number) => string} [write] the figure to type over, as `read` takes it; the plain number by default
 * @property {[number, number]} bounds what may be typed
 * @property {[number, number]} [known] what training knew: the bar is shaded beyond it
 * @property {(value: number) => string} [say] for those who cannot see it; the figure by default
 */

const STEP = 0.01; // of the bar, for an arrow key
const FINE = 0.001; // with Shift
const LEAP = 0.1; // for Page up and down

export class Bar {
  /**
   * @param {BarPlan} plan
   * @param {object} handlers
   * @param {(value: number, event: Event) => void} handlers.onInput
   * @param {() => void} handlers.onSeal the hand is off: what comes next is another step
   * @param {(event: Event) => void} handlers.onRest back to where it was without being set
   */
  constructor(plan, { onInput, onSeal, onRest }) {
    this.plan = plan;
    this.toPlace = plan.toPlace ?? ((value) => value);
    this.toValue = plan.toValue ?? ((place) => place);
    this.onInput = onInput;
    this.onSeal = onSeal;
    this.onRest = onRest;

    this.range = document.createElement("input");
    this.range.type = "range";
    this.range.id = plan.id;
    this.range.step = "any";
    this.range.className = "bar-range";
    this.label = document.createElement("label");
    this.label.htmlFor = plan.id;
    this.label.className = "bar-name";
    this.label.textContent = plan.name;
    this.figure = document.createElement("input");
    this.figure.type = "text";
    this.figure.inputMode = "decimal";
    this.figure.autocomplete = "off";
    this.figure.className = "bar-figure";
    this.figure.tabIndex = -1;
    this.figure.setAttribute("aria-label", `${plan.name}, typed`);
    this.element = document.createElement("div");
    this.element.className = "bar";
    this.element.append(this.range, this.label, this.figure);

    this.value = plan.rest;
    this.isSet = false;
    this.stepping = false; // an arrow key is down
    this.written = ""; // what stood in the figure when the hand came to it
    this.ends = plan.ends;
    this.setEnds(plan.ends);
    this.#listen();
  }

  /** @param {[number, number]} ends */
  setEnds(ends) {
    this.ends = ends;
    this.range.min = String(this.toPlace(ends[0]));
    this.range.max = String(this.toPlace(ends[1]));
    const [low, high] = this.plan.known ?? ends;
    this.element.classList.toggle("bar-beyond", ends[0] < low || ends[1] > high);
    this.element.style.setProperty("--zero", String(this.#share(0)));
    this.element.style.setProperty("--one", String(this.#share(1)));
    this.element.style.setProperty("--rest", String(this.#share(this.plan.rest)));
    this.show(this.value, this.isSet);
  }

  /** @param {number} value @param {boolean} isSet away from where it rests */
  show(value, isSet) {
    this.value = value;
    this.isSet = isSet;
    const place = this.toPlace(value);
    if (Number(this.range.value) !== place) this.range.value = String(place);
    this.range.setAttribute("aria-valuetext", this.plan.say ? this.plan.say(value) : this.plan.show(value));
    if (document.activeElement !== this.figure) this.figure.value = this.plan.show(value);
    this.element.classList.toggle("bar-set", isSet);
    const share = this.#share(value);
    const zero = this.#share(Math.max(0, this.ends[0]));
    this.element.style.setProperty("--at", String(share));
    this.element.style.setProperty("--from", String(Math.min(share, zero)));
    this.element.style.setProperty("--to", String(Math.max(share, zero)));
  }

  /** @param {number} value @returns {number} 0…1 along the bar */
  #share(value) {
    const [low, high] = this.ends.map(this.toPlace);
    return Math.min(1, Math.max(0, (this.toPlace(value) - low) / (high - low)));
  }

  #listen() {
    const { range, figure } = this;
    /** @type {{value: number, isSet: boolean} | null} */
    let before = null;
    range.addEventListener("pointerdown", () => {
      before = { value: this.value, isSet: this.isSet };
    });
    // The browser took the touch for scrolling: what the finger set on its way is taken back.
    range.addEventListener("pointercancel", (event) => {
      if (before?.isSet) this.onInput(before.value, event);
      else if (before) this.onRest(event);
      before = null;
    });
    range.addEventListener("input", (event) => this.onInput(this.toValue(Number(range.value)), event));
    range.addEventListener("change", () => this.onSeal());
    range.addEventListener("dblclick", (event) => this.onRest(event));
    range.addEventListener("keydown", (event) => this.#key(event));
    range.addEventListener("keyup", () => {
      if (this.stepping) this.onSeal();
      this.stepping = false;
    });

    figure.addEventListener("focus", () => {
      this.written = figure.value = this.plan.write ? this.plan.write(this.value) : String(Math.round(this.value * 1e4) / 1e4);
      figure.select();
    });
    figure.addEventListener("blur", () => this.#typed(new Event("input")));
    figure.addEventListener("keydown", (event) => {
      if (event.key === "Escape") figure.value = this.plan.show(this.value);
      if (event.key === "Enter" || event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        range.focus();
      }
    });
  }

  /** @param {Event} event */
  #typed(event) {
    const said = this.plan.read(this.figure.value);
    const [low, high] = this.plan.bounds;
    const same = this.figure.value === this.plan.show(this.value) || this.figure.value === this.written;
    if (said !== null && !same) {
      this.onInput(Math.min(high, Math.max(low, said)), event);
      this.onSeal();
    }
    this.figure.value = this.plan.show(this.value);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? FINE : STEP;
    const [low, high] = this.ends.map(this.toPlace);
    const moves = /** @type {Record<string, number>} */ ({
      ArrowRight: step,
      ArrowUp: step,
      ArrowLeft: -step,
      ArrowDown: -step,
      PageUp: LEAP,
      PageDown: -LEAP,
      Home: -Infinity,
      End: Infinity,
    });
    if (event.key === "Backspace" || event.key === "Delete") {
      this.onRest(event);
    } else if (event.key === "Enter") {
      this.figure.focus();
    } else if (Object.hasOwn(moves, event.key)) {
      this.stepping = true;
      const place = this.toPlace(this.value) + moves[event.key] * (high - low);
      this.onInput(this.toValue(Math.min(high, Math.max(low, place))), event);
    } else {
      return;
    }
    event.preventDefault();
  }
}
