// @ts-check
// Envelope and volume: the sliders that take effect at once, without rendering anything.

import { typed } from "./attributes.js";
import { Bar } from "./bar.js";
import { PLAIN_ENVELOPE } from "./patch.js";

/** @typedef {import("./patch.js").Envelope} Envelope */

// Durations are perceived by their ratios: the bars go with the cube root of the time.
const LONGEST = { attack: 2, decay: 4, release: 4 }; // s
const PARTS = /** @type {const} */ (["attack", "decay", "sustain", "release"]);

/** @param {number} value @returns {string} */
export function seconds(value) {
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  return `${value.toFixed(value < 10 ? 2 : 1)} s`;
}

/** @param {string} text "120 ms", "1.5 s", or a bare number of seconds @returns {number | null} */
export function readSeconds(text) {
  const found = /^(.*?)\s*(ms|s)?$/i.exec(text.trim());
  const value = typed(found?.[1] ?? "");
  if (value === null) return null;
  return found?.[2]?.toLowerCase() === "ms" ? value / 1000 : value;
}

export class EnvelopeDials {
  /**
   * @param {HTMLElement} element
   * @param {{onInput: (envelope: Envelope, part: string, event: Event) => void, onSeal: () => void}} handlers
   */
  constructor(element, { onInput, onSeal }) {
    /** @type {Envelope} */
    this.envelope = PLAIN_ENVELOPE;
    /** @type {Map<keyof Envelope, Bar>} */
    this.bars = new Map();
    for (const part of PARTS) {
      const set = (/** @type {number} */ value, /** @type {Event} */ event) =>
        onInput(Object.freeze({ ...this.envelope, [part]: Math.round(value * 1e4) / 1e4 }), part, event);
      const timed = part !== "sustain";
      const longest = timed ? LONGEST[part] : 1;
      const bar = new Bar(
        {
          id: `envelope-${part}`,
          name: part[0].toUpperCase() + part.slice(1),
          ends: [0, longest],
          rest: PLAIN_ENVELOPE[part],
          ...(timed ? { toPlace: Math.cbrt, toValue: (place) => place ** 3 } : { write: (value) => String(Math.round(100 * value)) }),
          show: timed ? seconds : percent,
          read: timed ? readSeconds : readPercent,
          bounds: [0, timed ? 10 : 1],
        },
        { onInput: set, onSeal, onRest: (event) => set(PLAIN_ENVELOPE[part], event) },
      );
      this.bars.set(part, bar);
      element.append(bar.element);
    }
    this.show(PLAIN_ENVELOPE);
  }

  /** @param {Envelope} envelope */
  show(envelope) {
    this.envelope = envelope;
    for (const [part, bar] of this.bars) bar.show(envelope[part], envelope[part] !== PLAIN_ENVELOPE[part]);
  }
}

export class VolumeDial {
  /** @param {HTMLElement} element @param {(volume: number) => void} onInput 0…1 */
  constructor(element, onInput) {
    const rest = 1;
    const kept = Number(localStorage.getItem("darktimbre.volume") ?? rest);
    const set = (/** @type {number} */ volume) => {
      bar.show(volume, volume !== rest);
      localStorage.setItem("darktimbre.volume", String(volume));
      onInput(volume);
    };
    const bar = new Bar(
      {
        id: "volume",
        name: "Volume",
        ends: [0, 1],
        rest,
        show: percent,
        read: readPercent,
        write: (volume) => String(Math.round(100 * volume)),
        bounds: [0, 1],
      },
      { onInput: set, onSeal: () => {}, onRest: () => set(rest) },
    );
    element.append(bar.element);
    set(kept >= 0 && kept <= 1 ? kept : rest);
  }
}

const QUIETEST = -60; // dB at the left end of the level's bar

export class LevelDial {
  /**
   * @param {HTMLElement} element
   * @param {number} rest dB, as the instrument's notes are
   * @param {{onInput: (level_db: number | null, event: Event) => void, onSeal: () => void}} handlers null: as they are
   */
  constructor(element, rest, { onInput, onSeal }) {
    this.rest = rest;
    const decibel = (/** @type {number} */ amplitude) => Math.max(QUIETEST, 20 * Math.log10(Math.max(amplitude, 1e-6)));
    this.bar = new Bar(
      {
        id: "level",
        name: "Level",
        ends: [0, 1],
        rest: 10 ** (rest / 20),
        toPlace: Math.cbrt,
        toValue: (place) => place ** 3,
        show: (amplitude) => `${decibel(amplitude).toFixed(1).replace("-", "−")} dB`,
        read: (text) => {
          const value = typed(text.replace(/\s*dB\s*$/i, ""));
          return value === null ? null : 10 ** (value / 20);
        },
        write: (amplitude) => decibel(amplitude).toFixed(1),
        bounds: [10 ** (QUIETEST / 20), 10 ** (24 / 20)],
      },
      {
        onInput: (amplitude, event) => onInput(Math.round(10 * decibel(amplitude)) / 10, event),
        onSeal,
        onRest: (event) => onInput(null, event),
      },
    );
    this.bar.label.title = "Peak of a sound of yours, as it was before it was encoded. Double click: as the instrument's notes are.";
    element.append(this.bar.element);
  }

  /** @param {number | null} level_db */
  show(level_db) {
    this.bar.show(10 ** ((level_db ?? this.rest) / 20), level_db !== null);
  }
}

/** @param {number} value */
function percent(value) {
  return `${Math.round(value * 100)} %`;
}

/** @param {string} text "80 %" or "80" @returns {number | null} */
function readPercent(text) {
  const value = typed(text.replace("%", ""));
  return value === null ? null : value / 100;
}
