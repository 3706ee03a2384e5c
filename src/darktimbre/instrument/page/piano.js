// @ts-check
/** The geometry of a piano: where each key lies, and which one lies under a point. Pure; keyboard.js draws it. */

const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
const WHITE = [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6]; // the white key a pitch class is on or right of
const BLACK_CENTRE = [0, 0.93, 0, 2.07, 0, 0, 3.9, 0, 5, 0, 6.1, 0]; // in white keys from C: as makers build them
export const BLACK_WIDTH = 0.58; // of a white key's
export const BLACK_LENGTH = 0.63; // of a white key's

/** @param {number} midi  @returns {boolean} */
export const isBlack = (midi) => [1, 3, 6, 8, 10].includes(midi % 12);

/** @param {number} midi  @returns {string} "C4" is 60, middle C */
export const noteName = (midi) => `${NAMES[midi % 12]}${Math.floor(midi / 12) - 1}`;

/**
 * @typedef {{midi: number, left: number, width: number, black: boolean}} Place in widths of a white key
 * @param {readonly number[]} midis ascending
 * @returns {{places: Place[], width: number}}
 */
export function layout(midis) {
  const places = midis.map((midi) => {
    const octave = 7 * Math.floor(midi / 12);
    if (!isBlack(midi)) return { midi, left: octave + WHITE[midi % 12], width: 1, black: false };
    return { midi, left: octave + BLACK_CENTRE[midi % 12] - BLACK_WIDTH / 2, width: BLACK_WIDTH, black: true };
  });
  const origin = Math.min(...places.map(({ left }) => left));
  const end = Math.max(...places.map(({ left, width }) => left + width));
  return { places: places.map((place) => ({ ...place, left: place.left - origin })), width: end - origin };
}

/**
 * The key under a point.
 * @param {readonly Place[]} places
 * @param {number} x in widths of a white key  @param {number} y 0 at the back of the keys, 1 at the front
 * @returns {{midi: number, depth: number} | null} depth: how far down its own length the key is touched, 0 to 1
 */
export function keyAt(places, x, y) {
  if (y < 0 || y > 1) return null;
  const under = places.filter(({ left, width }) => x >= left && x < left + width);
  const black = y < BLACK_LENGTH ? under.find((place) => place.black) : undefined;
  if (black) return { midi: black.midi, depth: y / BLACK_LENGTH };
  const white = under.find((place) => !place.black);
  return white ? { midi: white.midi, depth: y } : null;
}

/** @param {number} depth 0 at the back, 1 at the front edge  @returns {number} velocity, 40 to 127: louder in front */
export const depthVelocity = (depth) => Math.round(40 + 87 * Math.min(1, Math.max(0, depth / 0.9)));
