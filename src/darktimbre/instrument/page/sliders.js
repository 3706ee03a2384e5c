// @ts-check
// The attributes' sliders: a list to search and order, each with how well it is followed, its lock and its figure.

import { KNOWN, SCALES, arrange, replies, shown, typed } from "./attributes.js";
import { Bar } from "./bar.js";
import { HIGHEST, LOWEST } from "./patch.js";

/** @typedef {import("./attributes.js").Attribute} Attribute */
/** @typedef {import("./patch.js").Patch} Patch */
export const FEW = 12; // that need no search and few words

/** @typedef {{attribute: Attribute, row: HTMLElement, bar: Bar, lock: HTMLButtonElement}} Row */

export class Sliders {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.list
   * @param {HTMLInputElement} parts.search
   * @param {HTMLSelectElement} parts.order
   * @param {HTMLInputElement} parts.onlySet checkbox
   * @param {HTMLInputElement} parts.beyond checkbox
   * @param {HTMLElement} parts.count sentence about what is listed
   * @param {readonly Attribute[]} attributes
   * @param {import("./attributes.js").Scale} scale
   * @param {object} handlers
   * @param {(name: string, value: number, event: Event) => void} handlers.onInput
   * @param {() => void} handlers.onSeal
   * @param {(name: string, event: Event) => void} handlers.onRest
   */
  constructor(parts, attributes, scale, { onInput, onSeal, onRest }) {
    this.parts = parts;
    this.attributes = attributes;
    this.scale = scale;
    this.measured = attributes.some(({ response }) => response !== null);
    /** @type {Set<string>} */
    this.locked = new Set();
    /** @type {Readonly<Record<string, number>>} */
    this.levels = {};
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    for (const [index, attribute] of attributes.entries()) {
      this.rows.set(attribute.name, this.#row(attribute, index, { onInput, onSeal, onRest }));
    }
    parts.list.append(...[...this.rows.values()].map(({ row }) => row));
    for (const control of [parts.search, parts.order, parts.onlySet]) {
      control.addEventListener("input", () => this.arrange());
    }
    parts.search.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && parts.search.value) {
        parts.search.value = "";
        this.arrange();
        event.stopPropagation();
      } else if (event.key === "Enter" || event.key === "ArrowDown") {
        /** @type {HTMLElement | null} */ (parts.list.querySelector("li:not([hidden]) .bar-range"))?.focus();
        event.preventDefault();
      }
    });
    parts.beyond.addEventListener("input", () => this.#setEnds());
    this.arrange();
  }

  /**
   * @param {Patch} patch
   * @param {boolean} byHand whether a slider is being moved: the order then stays as it is under the hand
   */
  show(patch, byHand) {
    this.levels = patch.attributes;
    for (const { attribute, bar } of this.rows.values()) {
      const isSet = Object.hasOwn(this.levels, attribute.name);
      const value = isSet ? this.levels[attribute.name] : attribute.baseline;
      if (value !== bar.value || isSet !== bar.isSet) bar.show(value, isSet);
    }
    const outside = Object.values(this.levels).some((value) => value < 0 || value > 1);
    if (outside && !this.parts.beyond.checked) {
      this.parts.beyond.checked = true;
      this.#setEnds();
    }
    if (byHand) this.#count();
    else this.arrange();
  }

  arrange() {
    const { search, order, onlySet, list } = this.parts;
    const listed = arrange(this.attributes, {
      query: search.value,
      order: /** @type {import("./attributes.js").Order} */ (order.value),
      onlySet: onlySet.checked,
      levels: this.levels,
    });
    const kept = new Set(listed.map(({ name }) => name));
    const rows = listed.map(({ name }) => /** @type {Row} */ (this.rows.get(name)).row);
    const focused = document.activeElement;
    if (rows.some((row, place) => list.children[place] !== row)) list.prepend(...rows);
    if (focused instanceof HTMLElement && list.contains(focused)) focused.focus({ preventScroll: true });
    for (const [name, { row }] of this.rows) row.hidden = !kept.has(name);
    this.#count(listed.length);
  }

  /** @param {number} [listed] */
  #count(listed) {
    const shownRows = listed ?? [...this.rows.values()].filter(({ row }) => !row.hidden).length;
    const set = Object.keys(this.levels).length;
    const { count, search, onlySet } = this.parts;
    if (this.attributes.length === 0) {
      count.textContent = `no ${this.scale.noun}s`;
    } else if (shownRows === 0) {
      count.textContent = search.value
        ? `No ${this.scale.noun}'s name contains this.`
        : `Nothing is set: every ${this.scale.noun} is at its baseline.`;
    } else {
      const all = this.attributes.length;
      count.textContent =
        shownRows === all && all <= FEW
          ? `${set || "none"} set`
          : `${shownRows === all ? all : `${shownRows} of ${all}`} ${this.scale.noun}s, ${set} set`;
    }
    count.classList.toggle("is-empty", shownRows === 0);
    onlySet.closest("label")?.classList.toggle("is-idle", set === 0);
  }

  #setEnds() {
    const beyond = this.parts.beyond.checked;
    for (const { attribute, bar } of this.rows.values()) bar.setEnds(beyond ? this.#scale(attribute).beyond : KNOWN);
  }

  /** @param {Attribute} attribute @returns {import("./attributes.js").Scale} */
  #scale({ about }) {
    return about ? SCALES.edit : this.scale;
  }

  /**
   * @param {Attribute} attribute
   * @param {number} index
   * @param {{onInput: (name: string, value: number, event: Event) => void, onSeal: () => void, onRest: (name: string, event: Event) => void}} handlers
   * @returns {Row}
   */
  #row(attribute, index, { onInput, onSeal, onRest }) {
    const { name, baseline, response, also, about } = attribute;
    const reply = about ?? replies(response);
    const scale = this.#scale(attribute);
    const bar = new Bar(
      {
        id: `attribute-${index}`,
        name,
        ends: KNOWN,
        known: KNOWN,
        rest: baseline,
        toPlace: scale.toPlace,
        toValue: scale.toValue,
        show: shown,
        read: typed,
        bounds: about ? scale.beyond : [LOWEST, HIGHEST],
        say: (value) => `${shown(value)}${Object.hasOwn(this.levels, name) ? "" : ", baseline"}`,
      },
      {
        onInput: (value, event) => onInput(name, value, event),
        onSeal,
        onRest: (event) => onRest(name, event),
      },
    );
    const answer = document.createElement("span");
    answer.id = `reply-${index}`;
    answer.className = "unseen";
    answer.textContent = reply;
    const explained = this.measured || Boolean(about);
    if (explained) bar.range.setAttribute("aria-describedby", answer.id);
    if (also?.length) {
      const beside = document.createElement("small");
      beside.textContent = ` also ${also.join(", ")}`;
      beside.setAttribute("aria-hidden", "true"); // no part of the slider's name; its description says it
      bar.label.append(beside);
    }
    bar.label.title = `${name}\n${explained ? `${reply}\n` : ""}Baseline ${shown(baseline)}. Double click resets it.`;
    bar.range.title = bar.label.title;

    const mark = document.createElement("span");
    mark.className = response === null ? "reply reply-unknown" : "reply";
    mark.style.setProperty("--reply", String(Math.max(0, response ?? 0)));
    mark.title = reply;
    mark.setAttribute("aria-hidden", "true");

    const lock = document.createElement("button");
    lock.type = "button";
    lock.className = "lock";
    lock.tabIndex = -1;
    lock.setAttribute("aria-pressed", "false");
    lock.setAttribute("aria-label", `Lock ${name} against Randomise`);
    lock.title = "Lock against Randomise";
    lock.append(icon("unlock"));

    const row = document.createElement("li");
    row.className = "attribute";
    row.append(...(this.measured ? [mark] : []), bar.element, lock, ...(explained ? [answer] : []));
    lock.addEventListener("click", () => {
      const isLocked = !this.locked.has(name);
      if (isLocked) this.locked.add(name);
      else this.locked.delete(name);
      lock.setAttribute("aria-pressed", String(isLocked));
      lock.querySelector("use")?.setAttribute("href", isLocked ? "#icon-lock" : "#icon-unlock");
      row.classList.toggle("is-locked", isLocked);
    });
    // One stop per slider on the way through the list; its figure and lock join while the row has the focus.
    row.addEventListener("focusin", () => {
      bar.figure.tabIndex = lock.tabIndex = 0;
    });
    row.addEventListener("focusout", () => {
      bar.figure.tabIndex = lock.tabIndex = -1;
    });
    return { attribute, row, bar, lock };
  }
}

/** @param {string} name a symbol of index.html @returns {SVGSVGElement} */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(space, "use");
  use.setAttribute("href", `#icon-${name}`);
  drawing.append(use);
  return drawing;
}
