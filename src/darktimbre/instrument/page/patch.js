// @ts-check
// A patch: the sound one has set, as a value. Pure functions: change it, check it, write and read it as JSON and as a link.

/** @typedef {{attack: number, decay: number, sustain: number, release: number}} Envelope seconds; sustain 0…1 */
/**
 * @typedef {object} Patch
 * @property {Readonly<Record<string, number>>} attributes only what was set; all others stay at the baseline
 * @property {number} seed what the latent is drawn from
 * @property {readonly [number, number]} pad where on the latent pad, −1…1 each
 * @property {readonly number[] | null} latent the latent itself, in place of seed and pad; null: theirs
 * @property {number | null} level_db peak in dB of full scale; null: as the instrument makes it
 * @property {string} name
 * @property {Readonly<Envelope>} envelope
 */

export const PLAIN_ENVELOPE = Object.freeze({ attack: 0, decay: 0, sustain: 1, release: 0.2 });
export const LOWEST = -2;
export const HIGHEST = 3;
const MOST_ATTRIBUTES = 600;
const LONGEST_NAME = 80;
const LONGEST = 10; // s, of the envelope's times
const FARTHEST = 100; // of a latent's values
const MOST_VALUES = 4096; // of a latent
const LEVELS = /** @type {const} */ ([-120, 24]); // dB
const MEMBERS = ["darktimbre", "version", "bundle", "name", "attributes", "seed", "pad", "latent", "level_db", "envelope"];

/** A sentence for the user about something that cannot be read. */
export class PatchError extends Error {}

/** @returns {Patch} the instrument's own sound: nothing set */
export function plainPatch() {
  return Object.freeze({
    attributes: Object.freeze({}),
    seed: 0,
    pad: Object.freeze(/** @type {[number, number]} */ ([0, 0])),
    latent: null,
    level_db: null,
    name: "",
    envelope: PLAIN_ENVELOPE,
  });
}

/**
 * @param {Patch} patch
 * @param {Partial<Patch>} changes
 * @returns {Patch} a changed copy
 */
export function changed(patch, changes) {
  return Object.freeze({ ...patch, ...changes });
}

/** @param {Patch} patch @param {string} name @param {number} value @returns {Patch} */
export function withAttribute(patch, name, value) {
  const kept = Math.min(HIGHEST, Math.max(LOWEST, round(value)));
  return changed(patch, {
    attributes: Object.freeze(Object.fromEntries([...Object.entries(patch.attributes), [name, kept]])),
  });
}

/** @param {Patch} patch @param {string} name @returns {Patch} the attribute back at its baseline */
export function withoutAttribute(patch, name) {
  return changed(patch, {
    attributes: Object.freeze(Object.fromEntries(Object.entries(patch.attributes).filter(([one]) => one !== name))),
  });
}

/** @param {number} value @returns {number} to a ten-thousandth, as fine as a slider or a teacher's answer means anything */
export function round(value) {
  return Math.round(value * 1e4) / 1e4 + 0; // + 0: no −0
}

/** @param {string} name @returns {string} as the server takes it: printable, single plain spaces, at most 80 characters */
export function tidyName(name) {
  const plain = name.replace(/\s+/gu, " ").replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "").trim();
  return [...plain].slice(0, LONGEST_NAME).join("").trim();
}

/** @param {Patch} one @param {Patch} other @returns {boolean} whether both sound the same (names do not sound) */
export function soundsAs(one, other) {
  const said = (/** @type {Patch} */ patch) =>
    JSON.stringify([
      Object.entries(patch.attributes).sort(([a], [b]) => (a < b ? -1 : 1)),
      patch.latent ?? [patch.seed, patch.pad],
      patch.level_db,
      patch.envelope.attack,
      patch.envelope.decay,
      patch.envelope.sustain,
      patch.envelope.release,
    ]);
  return said(one) === said(other);
}

// ---------------------------------------------------------------------------------------------------------------------
// As JSON
// ---------------------------------------------------------------------------------------------------------------------
/** @param {Patch} patch @param {string} [bundle] the instrument's digest @returns {Record<string, unknown>} */
export function toJson(patch, bundle = "") {
  return {
    darktimbre: "patch",
    version: 1,
    bundle,
    name: patch.name,
    attributes: { ...patch.attributes },
    seed: patch.seed,
    pad: [...patch.pad],
    ...(patch.latent === null ? {} : { latent: [...patch.latent] }),
    ...(patch.level_db === null ? {} : { level_db: patch.level_db }),
    envelope: { ...patch.envelope },
  };
}

/**
 * @param {unknown} data parsed JSON, from anyone
 * @returns {{patch: Patch, bundle: string}} checked
 * @throws {PatchError}
 */
export function fromJson(data) {
  if (!isRecord(data) || (data.darktimbre ?? "patch") !== "patch" || !MEMBERS.some((member) => member in data)) {
    throw new PatchError("This is not a darktimbre sound; open a .json file that was saved from this page.");
  }
  if ((data.version ?? 1) !== 1) {
    throw new PatchError("This sound was saved by another version of darktimbre; update darktimbre to open it.");
  }
  const odd = Object.keys(data).find((member) => !MEMBERS.includes(member));
  if (odd !== undefined) throw new PatchError(`This sound has an unknown field, ${quoted(odd)}.`);
  const { bundle = "", name = "", attributes = {}, seed = 0, pad = [0, 0], latent = null, level_db = null, envelope = {} } = data;
  if (typeof bundle !== "string" || !/^([0-9a-f]{64})?$/.test(bundle)) {
    throw new PatchError("The sound's bundle must be a digest of 64 hexadecimal digits.");
  }
  if (typeof name !== "string" || name !== name.trim() || tidyName(name) !== name) {
    throw new PatchError("A sound's name is at most 80 printable characters.");
  }
  if (!isRecord(attributes)) throw new PatchError("The sound's attributes must be names with numbers.");
  const entries = Object.entries(attributes);
  if (new Set(entries.map(([label]) => label.toLowerCase())).size < entries.length) {
    throw new PatchError("The sound names an attribute twice, in different letter case.");
  }
  if (entries.length > MOST_ATTRIBUTES) throw new PatchError(`A sound has at most ${MOST_ATTRIBUTES} attributes.`);
  for (const [label, value] of entries) {
    if (!isBetween(value, LOWEST, HIGHEST)) {
      throw new PatchError(`${quoted(label)} must be a number from ${LOWEST} to ${HIGHEST}.`);
    }
  }
  if (!Number.isSafeInteger(seed) || Number(seed) < 0) throw new PatchError("A sound's seed is a whole number from 0 up.");
  if (!Array.isArray(pad) || pad.length !== 2 || !pad.every((one) => isBetween(one, -1, 1))) {
    throw new PatchError("The sound's position on the pad is two numbers from -1 to 1.");
  }
  const isLatent = (/** @type {unknown} */ one) =>
    Array.isArray(one) && one.length > 0 && one.length <= MOST_VALUES && one.every((value) => isBetween(value, -FARTHEST, FARTHEST));
  if (latent !== null && !isLatent(latent)) {
    throw new PatchError(`The sound's latent is a list of numbers from -${FARTHEST} to ${FARTHEST}.`);
  }
  if (level_db !== null && !isBetween(level_db, ...LEVELS)) {
    throw new PatchError(`The sound's level is a number from ${LEVELS[0]} to ${LEVELS[1]} dB.`);
  }
  if (!isRecord(envelope)) throw new PatchError("The sound's envelope must be attack, decay, sustain and release.");
  const shape = /** @type {{attack: number, decay: number, sustain: number, release: number}} */ ({ ...PLAIN_ENVELOPE });
  for (const [part, value] of Object.entries(envelope)) {
    if (!Object.hasOwn(shape, part)) throw new PatchError(`An envelope has no ${quoted(part)}.`);
    if (!isBetween(value, 0, part === "sustain" ? 1 : LONGEST)) {
      throw new PatchError(`The envelope's ${part} must be a number from 0 to ${part === "sustain" ? "1" : `${LONGEST} seconds`}.`);
    }
    shape[/** @type {keyof Envelope} */ (part)] = /** @type {number} */ (value);
  }
  const patch = Object.freeze({
    attributes: Object.freeze(/** @type {Record<string, number>} */ (Object.fromEntries(entries))),
    seed: Number(seed),
    pad: Object.freeze(/** @type {[number, number]} */ ([pad[0], pad[1]])),
    latent: latent === null ? null : Object.freeze([.../** @type {number[]} */ (latent)]),
    level_db: /** @type {number | null} */ (level_db),
    name,
    envelope: Object.freeze(shape),
  });
  return { patch, bundle };
}

/**
 * A sound of another instrument, for this one.
 *
 * @param {Patch} patch
 * @param {readonly string[]} names the instrument's attributes
 * @param {{size?: number, levelled?: boolean}} [latent] values of its latents, and whether its notes have a level that can be set
 * @returns {{patch: Patch, missing: string[]}} with the attributes it has, in its own spelling; and the names that it lacks.
 *   A latent of another size and a level where none can be set are left out.
 */
export function fitted(patch, names, { size, levelled = false } = {}) {
  const known = new Map(names.map((name) => [name.toLowerCase(), name]));
  const kept = /** @type {[string, number][]} */ ([]);
  const missing = [];
  for (const [name, value] of Object.entries(patch.attributes)) {
    const here = known.get(name.toLowerCase());
    if (here === undefined) missing.push(name);
    else kept.push([here, value]);
  }
  const attributes = Object.freeze(Object.fromEntries(kept));
  const latent = patch.latent?.length === size ? patch.latent : null;
  return { patch: changed(patch, { attributes, latent, level_db: levelled ? patch.level_db : null }), missing };
}

// ---------------------------------------------------------------------------------------------------------------------
// As a link: #sound=<base64url of the JSON>; a fragment is never sent to a server
// ---------------------------------------------------------------------------------------------------------------------
/** @param {Patch} patch @param {string} [bundle] @returns {string} base64url, no padding */
export function toCode(patch, bundle = "") {
  const bytes = new TextEncoder().encode(JSON.stringify(toJson(patch, bundle)));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** @param {string} code @returns {{patch: Patch, bundle: string}} @throws {PatchError} */
export function fromCode(code) {
  let data;
  try {
    const text = atob(code.replaceAll("-", "+").replaceAll("_", "/"));
    data = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.from(text, (c) => c.charCodeAt(0))));
  } catch {
    throw new PatchError("The sound in the link is damaged; copy the whole link again.");
  }
  return fromJson(data);
}

/** @param {string} fragment a location's hash @returns {{token: string | null, sound: string | null}} */
export function readFragment(fragment) {
  const parts = new URLSearchParams(fragment.replace(/^#/, ""));
  return { token: parts.get("token"), sound: parts.get("sound") };
}

/** @param {unknown} value @returns {value is Record<string, unknown>} */
function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {unknown} value @param {number} low @param {number} high */
function isBetween(value, low, high) {
  return typeof value === "number" && Number.isFinite(value) && value >= low && value <= high;
}

/** @param {string} text */
function quoted(text) {
  return `“${text.length > 40 ? `${text.slice(0, 40)}…` : text}”`;
}
