// @ts-check
// The elements of index.html by their ids, with the type they must have.

/** @template {Element} T @param {string} id @param {new () => T} kind @returns {T} */
export function part(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${id}`);
  return element;
}

export const button = (/** @type {string} */ id) => part(id, HTMLButtonElement);
export const input = (/** @type {string} */ id) => part(id, HTMLInputElement);
export const dialog = (/** @type {string} */ id) => part(id, HTMLDialogElement);
export const canvas = (/** @type {string} */ id) => part(id, HTMLCanvasElement);
export const piece = (/** @type {string} */ id) => part(id, HTMLElement);
