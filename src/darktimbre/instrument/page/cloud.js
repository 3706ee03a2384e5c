// @ts-check
// The latent space as numbers: training notes as points, places along three axes, the note nearest to a place. Pure.

/**
 * @typedef {object} Points as GET /api/points has them
 * @property {string[]} names
 * @property {number[][]} latent
 * @property {number[]} level_db
 * @property {(number | null)[]} pitch
 * @property {number[][]} styles indices in `tags`
 * @property {string[]} tags
 * @property {number[][]} axes
 */
/** @typedef {readonly (readonly number[])[]} Axes up to three unit vectors at right angles */
/** @typedef {readonly number[]} Latent */

export const NO_POINTS = Object.freeze({ names: [], latent: [], level_db: [], pitch: [], styles: [], tags: [], axes: [] });
const LEAST = 3; // standard deviations of the prior to either side that the view holds at least
const MOST = 8; // a stray point further out does not make all others small

export class Cloud {
  /** @param {Points} points @param {number} size values of a latent */
  constructor(points, size) {
    this.points = points;
    this.size = size;
    this.count = points.names.length;
    this.flat = Float32Array.from(points.latent.flat());
  }

  /** @param {Latent} latent @returns {number} index of the nearest note; −1 without notes */
  nearest(latent) {
    const { flat, size, count } = this;
    let [best, least] = [-1, Infinity];
    for (let note = 0; note < count; note += 1) {
      let sum = 0;
      for (let i = 0, at = note * size; i < size && sum < least; i += 1) sum += (flat[at + i] - latent[i]) ** 2;
      if (sum < least) [best, least] = [note, sum];
    }
    return best;
  }

  /** @param {Axes} axes @returns {Float32Array} (note, 3): places along the axes, 0 beyond them */
  places(axes) {
    const { flat, size, count } = this;
    const places = new Float32Array(3 * count);
    for (let note = 0; note < count; note += 1) {
      for (const [k, axis] of axes.entries()) {
        let sum = 0;
        for (let i = 0; i < size; i += 1) sum += axis[i] * flat[note * size + i];
        places[3 * note + k] = sum;
      }
    }
    return places;
  }
}

/** @param {Float32Array} places (note, 3) @returns {number} how far the view reaches to each side of the origin */
export function reach(places) {
  const far = places.map(Math.abs).sort();
  const most = far.length > 0 ? far[Math.floor(0.999 * (far.length - 1))] : 0;
  return Math.min(MOST, Math.max(LEAST, Math.ceil(10 * most) / 10));
}

/** @param {Latent} latent @param {Axes} axes @returns {number[]} three coordinates, 0 beyond the axes */
export function along(latent, axes) {
  return [0, 1, 2].map((k) => (axes[k] ?? []).reduce((sum, part, i) => sum + part * latent[i], 0));
}

/**
 * @param {Latent} latent
 * @param {Axes} axes
 * @param {readonly number[]} place three coordinates; those beyond the axes do not count
 * @returns {number[]} the latent with these coordinates; what lies at right angles to the axes stays
 */
export function movedTo(latent, axes, place) {
  const from = along(latent, axes);
  const moved = latent.map((value, i) => axes.reduce((sum, axis, k) => sum + (place[k] - from[k]) * axis[i], value));
  return moved.map((value) => Math.round(value * 1e4) / 1e4 + 0); // + 0: no −0
}

/** @param {number} size @param {readonly number[]} chosen dimensions from 0 @returns {number[][]} these as axes */
export function dimensions(size, chosen) {
  return chosen.map((one) => Array.from({ length: size }, (_, i) => Number(i === one)));
}

/** @param {number} size @param {() => number} [random] 0…1 @returns {number[]} a latent drawn from the prior (Box–Muller) */
export function drawn(size, random = Math.random) {
  const one = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Array.from({ length: size }, () => Math.round(1e4 * Math.min(4, Math.max(-4, one()))) / 1e4 + 0);
}
