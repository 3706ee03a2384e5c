// @ts-check
// Randomise: a sound between two of the instrument's own training notes, so that attributes go together as they do there. Pure.

import { changed, round } from "./patch.js";

/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {import("./attributes.js").Attribute} Attribute */

const SHARE = 0.75; // of the first note; the rest is the second's
const NEAR = 0.002; // what differs less from the baseline is left there: it is inaudible, and the list stays readable

/**
 * @param {Patch} patch
 * @param {object} from
 * @param {readonly Attribute[]} from.attributes
 * @param {readonly Readonly<Record<string, number>>[]} from.examples attributes of training notes
 * @param {ReadonlySet<string>} from.locked attributes that stay
 * @param {boolean} from.seedLocked whether seed and pad, or the latent, stay
 * @param {() => readonly number[]} [from.latent] draws one, in place of a seed
 * @param {() => number} [from.random] 0…1
 * @returns {Patch}
 */
export function randomised(patch, { attributes, examples, locked, seedLocked, latent, random = Math.random }) {
  const pick = () => (examples.length > 0 ? examples[Math.min(examples.length - 1, Math.floor(random() * examples.length))] : null);
  const [first, second] = [pick(), pick()];
  const levels = /** @type {[string, number][]} */ ([]);
  for (const { name, baseline } of attributes) {
    if (locked.has(name)) {
      if (Object.hasOwn(patch.attributes, name)) levels.push([name, patch.attributes[name]]);
      continue;
    }
    // No example notes in the bundle: now and then a raised attribute.
    const mixed =
      first && second
        ? SHARE * (first[name] ?? baseline) + (1 - SHARE) * (second[name] ?? baseline)
        : random() < 4 / attributes.length
          ? random()
          : baseline;
    if (Math.abs(mixed - baseline) >= NEAR) levels.push([name, round(mixed)]);
  }
  const moved = latent
    ? { latent: Object.freeze([...latent()]) }
    : { seed: newSeed(random), pad: Object.freeze(/** @type {[number, number]} */ ([0, 0])), latent: null };
  return changed(patch, {
    attributes: Object.freeze(Object.fromEntries(levels)),
    name: "",
    ...(seedLocked ? {} : moved),
  });
}

/** @param {() => number} [random] @returns {number} short enough to be read aloud */
export function newSeed(random = Math.random) {
  return Math.floor(random() * 1e6);
}
