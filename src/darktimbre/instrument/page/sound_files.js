// @ts-check
// A sound of one's own: its tags set the sliders, or an encoder gives it a place. A button, or a file dropped on the page.

import { changed, round } from "./patch.js";
import { noteName } from "./piano.js";

/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {import("./attributes.js").Attribute} Attribute */

const LARGEST = 32 * 1024 * 1024; // bytes, as the server's
const MOST = 12; // files placed at once
const NEAR = 0.002; // what differs less from the baseline is left there

/** @param {number} midi with fraction @returns {string} e.g. "A3, 20 cents sharp" */
export function pitchName(midi) {
  const nearest = Math.round(midi);
  const cents = Math.round((midi - nearest) * 100);
  const name = noteName(nearest);
  if (Math.abs(cents) < 3) return name;
  return `${name}, ${Math.abs(cents)} cents ${cents > 0 ? "sharp" : "flat"}`;
}

/**
 * @param {Patch} patch
 * @param {Readonly<Record<string, number>>} predicted name → value, all attributes
 * @param {readonly Attribute[]} attributes
 * @param {string} name
 * @returns {Patch} the sound with what was predicted in place of what was set
 */
export function likeDescribed(patch, predicted, attributes, name) {
  const levels = attributes
    .filter((one) => Object.hasOwn(predicted, one.name) && Math.abs(predicted[one.name] - one.baseline) >= NEAR)
    .map((one) => [one.name, round(predicted[one.name])]);
  return changed(patch, { attributes: Object.freeze(Object.fromEntries(levels)), name });
}

export class SoundFiles {
  /**
   * @param {object} parts
   * @param {HTMLButtonElement} parts.button
   * @param {HTMLInputElement} parts.file
   * @param {HTMLElement} parts.veil shown while a file is dragged over the page
   * @param {object} needs
   * @param {import("./connection.js").Connection} needs.connection
   * @param {import("./status.js").Status} needs.status
   * @param {"describe" | "encode"} needs.route what becomes of it: labels, or a place in the latent space
   * @param {string} [needs.title] of the button
   * @param {(found: any, name: string, event: Event) => void} needs.onFound the answer of the route
   * @param {(file: File, event: Event) => void} needs.onSound a sound's JSON was dropped
   */
  constructor({ button, file, veil }, needs) {
    this.button = button;
    this.needs = needs;
    /** @type {AbortController | null} */
    this.running = null;
    if (needs.title) button.title = needs.title;
    button.addEventListener("click", () => file.click());
    file.multiple = needs.route === "encode";
    file.addEventListener("change", async (event) => {
      const [chosen] = file.files ?? [];
      if (chosen) await this.readAll([...(file.files ?? [])], event);
      file.value = "";
    });

    let over = 0; // enter and leave come for every element on the way
    const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
    document.addEventListener("dragenter", (event) => {
      if (holdsFiles(event)) veil.hidden = (over += 1) <= 0;
    });
    document.addEventListener("dragleave", (event) => {
      if (holdsFiles(event)) veil.hidden = (over = Math.max(0, over - 1)) === 0;
    });
    document.addEventListener("dragover", (event) => {
      if (holdsFiles(event)) event.preventDefault();
    });
    document.addEventListener("drop", (event) => {
      over = 0;
      veil.hidden = true;
      const [dropped] = event.dataTransfer?.files ?? [];
      if (!dropped) return;
      event.preventDefault();
      if (/\.json$/i.test(dropped.name)) needs.onSound(dropped, event);
      else this.readAll([...(event.dataTransfer?.files ?? [])], event);
    });
  }

  /** @param {File[]} files one, or several that are placed one after the other @param {Event} event */
  async readAll(files, event) {
    const most = this.needs.route === "encode" ? MOST : 1;
    const failed = [];
    for (const file of files.slice(0, most)) if (!(await this.read(file, event))) failed.push(file.name);
    const remarks = [];
    if (files.length > most) remarks.push(`${most} of ${files.length} files were read: more at once are not.`);
    if (failed.length > 0 && files.length > 1) remarks.push(`Could not be used: ${failed.join(", ")}.`);
    if (remarks.length > 0) this.needs.status.say(remarks.join(" "), { wrong: failed.length > 0 });
  }

  /** @param {File} file @param {Event} event @returns {Promise<boolean>} whether it could be used */
  async read(file, event) {
    const { connection, status, route, onFound } = this.needs;
    if (file.size > LARGEST) {
      status.say("This file is larger than 32 MiB; cut out a second or two of it.", { wrong: true });
      return false;
    }
    this.running?.abort();
    const running = (this.running = new AbortController());
    this.button.classList.add("is-busy");
    status.say(`Analysing ${file.name} …`);
    let isUsed = false;
    try {
      const answer = await connection.ask("PUT", `/api/${route}`, { bytes: file, signal: running.signal });
      onFound(await answer.json(), file.name.replace(/\.[^.]*$/, ""), event);
      isUsed = true;
    } catch (error) {
      status.fail(error);
    }
    if (this.running === running) this.button.classList.remove("is-busy"); // else the next file is being read
    return isUsed;
  }
}
