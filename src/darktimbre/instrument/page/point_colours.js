// @ts-check
// What colours the points: style, octave or semitone. Pure; lightness by theme, so that all stand out from the ground.

import { noteName } from "./piano.js";

/** @typedef {"style" | "octave" | "semitone"} By */
/** @typedef {{name: string, colour: string}} Group */
/** @typedef {{groups: Group[], of: Uint16Array}} Colouring `of`: each note's group */

const NONE = "none";

/**
 * @param {import("./cloud.js").Points} points
 * @param {By} by
 * @param {boolean} dark whether the ground is
 * @returns {Colouring} groups in their order; those without style or pitch are grey and last
 */
export function colouring(points, by, dark) {
  const names = points.names.map((_, note) => {
    const pitch = points.pitch[note];
    if (by === "style") return points.styles[note].map((tag) => points.tags[tag]).join(" + ") || NONE;
    if (pitch === null) return NONE;
    return by === "octave" ? `octave ${Math.floor(pitch / 12) - 1}` : noteName(pitch).replace(/-?\d+$/, "");
  });
  const found = [...new Set(names)].filter((name) => name !== NONE);
  const order = new Map(Array.from({ length: 12 }, (_, n) => [noteName(n).replace(/-?\d+$/, ""), n]));
  if (by === "octave") found.sort((a, b) => Number(a.slice(7)) - Number(b.slice(7)));
  else if (by === "semitone") found.sort((a, b) => Number(order.get(a)) - Number(order.get(b)));
  else found.sort((a, b) => (a < b ? -1 : 1));
  const groups = found.map((name, n) => ({
    name,
    colour:
      by === "semitone"
        ? hue((360 * Number(order.get(name))) / 12 + 30, dark, false)
        : by === "octave"
          ? sequence(found.length > 1 ? n / (found.length - 1) : 0.5, dark)
          : hue((360 * n) / found.length + 70, dark, n % 2 === 1),
  }));
  if (names.includes(NONE)) groups.push({ name: NONE, colour: dark ? "oklch(0.6 0 0)" : "oklch(0.6 0 0)" });
  const index = new Map(groups.map(({ name }, n) => [name, n]));
  return { groups, of: Uint16Array.from(names, (name) => /** @type {number} */ (index.get(name))) };
}

/** @param {number} degrees @param {boolean} dark @param {boolean} other neighbours differ in lightness, too */
function hue(degrees, dark, other) {
  const lightness = dark ? (other ? 0.66 : 0.82) : other ? 0.44 : 0.6;
  return `oklch(${lightness} ${dark ? 0.13 : 0.15} ${Math.round(degrees % 360)})`;
}

/** @param {number} share 0 low … 1 high @param {boolean} dark */
function sequence(share, dark) {
  const lightness = dark ? 0.58 + 0.33 * share : 0.36 + 0.34 * share;
  return `oklch(${lightness.toFixed(3)} 0.14 ${Math.round(290 + 160 * share) % 360})`;
}
