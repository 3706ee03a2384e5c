// @ts-check
/**
 * The computer's keyboard as a piano: two rows of keys by where they lie (`event.code`), whatever letters the layout
 * puts there. Pure functions; keyboard.js listens.
 *
 *      S D   G H J   L ;            2 3   5 6 7   9 0
 *     Z X C V B N M , . /          Q W E R T Y U I O P [
 *     C D E F G A B C D E          C D E F G A B C D E F     one octave higher
 *
 * `-` and `=` (right of the digits) shift by an octave; the space bar is the sustain pedal.
 */

const LOWER = ["KeyZ", "KeyS", "KeyX", "KeyD", "KeyC", "KeyV", "KeyG", "KeyB", "KeyH", "KeyN", "KeyJ", "KeyM"];
const LOWER_ON = ["Comma", "KeyL", "Period", "Semicolon", "Slash"]; // the same pitches as the upper row's first
const UPPER = ["KeyQ", "Digit2", "KeyW", "Digit3", "KeyE", "KeyR", "Digit5", "KeyT", "Digit6", "KeyY", "Digit7", "KeyU"];
const UPPER_ON = ["KeyI", "Digit9", "KeyO", "Digit0", "KeyP", "BracketLeft"];

/** @type {ReadonlyMap<string, number>} semitones above the lower row's first key */
const OFFSETS = new Map([...LOWER, ...LOWER_ON].map((code, i) => /** @type {[string, number]} */ ([code, i])));
[...UPPER, ...UPPER_ON].forEach((code, i) => /** @type {Map<string, number>} */ (OFFSETS).set(code, 12 + i));

export const OCTAVE_DOWN = "Minus";
export const OCTAVE_UP = "Equal";
export const SUSTAIN = "Space";

/**
 * @param {string} code of a keyboard event
 * @returns {number | null} semitones above the C the lower row begins with; null for a key that plays nothing
 */
export const offsetOf = (code) => OFFSETS.get(code) ?? null;

/** @param {number} offset  @returns {string[]} the codes that play it, the one to print on the key first */
export function codesOf(offset) {
  return [...OFFSETS].filter(([, known]) => known === offset).map(([code]) => code).reverse();
}

/** @type {Readonly<Record<string, string>>} */
const SIGNS = { Comma: ",", Period: ".", Slash: "/", Semicolon: ";", BracketLeft: "[", Minus: "-", Equal: "=" };

/**
 * What is printed on a key.
 * @param {string} code
 * @param {{get(code: string): string | undefined} | null} [layout] the user's, where the browser tells
 */
export function labelOf(code, layout = null) {
  return (layout?.get(code) ?? SIGNS[code] ?? code.replace(/^Key|^Digit/, "")).toUpperCase();
}

const TYPED = new Set(["text", "search", "url", "email", "password", "tel", "number", "date", "time", "month", "week"]);
const SPACED_TAGS = new Set(["BUTTON", "SUMMARY", "AUDIO", "VIDEO", "OPTION"]);
const SPACED_ROLES = new Set(["button", "checkbox", "switch", "tab", "option", "menuitem"]);

/**
 * Whether a key pressed on this element is writing, not playing. A slider has no use for letters, so one plays on
 * with the focus on the slider just moved.
 * @param {EventTarget | null} target
 */
export function isTyping(target) {
  const { tagName = "", type = "", isContentEditable = false } = /** @type {HTMLInputElement} */ (target ?? {});
  if (isContentEditable || tagName === "TEXTAREA" || tagName === "SELECT") return true;
  return tagName === "INPUT" && TYPED.has(type);
}

/** Whether the element itself does something when the space bar is pressed.  @param {EventTarget | null} target */
export function usesSpace(target) {
  if (isTyping(target)) return true;
  const element = /** @type {HTMLInputElement} */ (target ?? {});
  const { tagName = "", type = "" } = element;
  if (tagName === "INPUT") return type !== "range";
  const role = element.getAttribute?.("role") ?? "";
  return SPACED_TAGS.has(tagName) || SPACED_ROLES.has(role);
}
