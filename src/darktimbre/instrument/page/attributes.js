// @ts-check
// The instrument's attributes as the page shows them: order, search, how a value lies on a slider, how well it is followed. Pure.

/**
 * `also` and `about` are of edits of the network's activations: what else one changes, and a sentence on it.
 *
 * @typedef {{name: string, baseline: number, response: number | null, also?: string[] | null, about?: string | null}} Attribute
 */
/** @typedef {"response" | "value" | "name"} Order */

// ---------------------------------------------------------------------------------------------------------------------
// Position on a slider ⇄ value: x = sign(α) √|α|. Most soft labels lie near 0, and the network is given their root too
// (models/whitening.py): the lower half of a slider holds 0 to 0.25.
// ---------------------------------------------------------------------------------------------------------------------
/** @param {number} value @returns {number} */
export function position(value) {
  return Math.sign(value) * Math.sqrt(Math.abs(value));
}

/** @param {number} place @returns {number} */
export function valueAt(place) {
  return Math.sign(place) * place * place;
}

/**
 * How values lie on sliders: by their roots for soft labels, evenly for the weights of styles.
 *
 * @typedef {object} Scale
 * @property {string} noun what one of them is called
 * @property {(value: number) => number} toPlace
 * @property {(place: number) => number} toValue
 * @property {[number, number]} beyond the values a slider spans when it goes beyond the range of training, 0 to 1
 */
/** @type {Readonly<Record<"attribute" | "edit" | "style", Scale>>} */
export const SCALES = Object.freeze({
  attribute: { noun: "attribute", toPlace: position, toValue: valueAt, beyond: [-0.5, 1.5] },
  edit: { noun: "edit", toPlace: (value) => value, toValue: (place) => place, beyond: [-1, 1] },
  style: { noun: "style", toPlace: (value) => value, toValue: (place) => place, beyond: [0, 2] },
});
/** @type {[number, number]} */
export const KNOWN = [0, 1];

/** @param {number} value @returns {string} two or three figures that mean something; never "0" for what is not 0 */
export function shown(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.001) return value < 0 ? ">−.001" : "<.001";
  const text = size >= 0.0995 ? size.toFixed(2) : size.toFixed(3);
  return value < 0 ? `−${text}` : text;
}

/** @param {string} text as typed; a comma will do @returns {number | null} */
export function typed(text) {
  const plain = text.trim().replace(",", ".").replace("−", "-");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
  return Number(plain);
}

/**
 * @param {number | null} response correlation of what is set and what is recognised
 * @returns {string} in words; the bounds are only for the words, the number stands beside them
 */
export function replies(response) {
  if (response === null) return "How well it is followed was not measured.";
  const number = response.toFixed(2).replace("-", "−");
  if (response >= 0.6) return `Followed closely (correlation ${number}).`;
  if (response >= 0.3) return `Followed (correlation ${number}).`;
  if (response >= 0.1) return `Followed weakly (correlation ${number}).`;
  return `Hardly followed (correlation ${number}).`;
}

/**
 * @param {readonly Attribute[]} attributes in the instrument's order, the most responsive first
 * @param {object} how
 * @param {string} [how.query] every word must occur in the name; names with a word that begins so come first
 * @param {Order} [how.order] equal ones stay in the instrument's order
 * @param {boolean} [how.onlySet] only those in `levels`
 * @param {Readonly<Record<string, number>>} [how.levels] what was set
 * @returns {Attribute[]}
 */
export function arrange(attributes, { query = "", order = "response", onlySet = false, levels = {} } = {}) {
  const words = plain(query).split(" ").filter(Boolean);
  const found = attributes
    .filter((one) => !onlySet || Object.hasOwn(levels, one.name))
    .map((one) => ({ one, name: plain(one.name) }))
    .filter(({ name }) => words.every((word) => name.includes(word)));
  const level = (/** @type {Attribute} */ one) => (Object.hasOwn(levels, one.name) ? levels[one.name] : one.baseline);
  if (order === "name") found.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  if (order === "value") found.sort((a, b) => level(b.one) - level(a.one));
  if (words.length > 0) {
    const begins = (/** @type {string} */ name) => name.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(words[0]));
    found.sort((a, b) => Number(begins(b.name)) - Number(begins(a.name)));
  }
  return found.map(({ one }) => one);
}

/** @param {string} text @returns {string} lower case, no accents, single spaces */
function plain(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replace(/\s+/g, " ").trim();
}
