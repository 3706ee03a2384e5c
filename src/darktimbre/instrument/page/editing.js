// @ts-check
// The sound one edits: every change goes through here and can be taken back; undo, redo, A/B and the sound's name.

import { History, copied, current, other, session, switched, withCurrent } from "./history.js";
import { button, input } from "./parts.js";
import { changed, plainPatch, tidyName } from "./patch.js";

/** @typedef {import("./patch.js").Patch} Patch */

export class Editing {
  /**
   * @param {object} handlers
   * @param {(patch: Patch, event: Event, byHand: boolean) => void} handlers.onChange byHand: in the middle of a gesture
   * @param {() => void} handlers.onDone a change is whole: it may be played
   * @param {(sentence: string) => void} handlers.say
   */
  constructor({ onChange, onDone, say }) {
    this.onChange = onChange;
    this.onDone = onDone;
    this.say = say;
    this.steps = new History(session(plainPatch()));
    this.#listen();
  }

  /** @returns {Patch} what is played */
  get patch() {
    return current(this.steps.value);
  }

  /**
   * @param {Patch} next
   * @param {string} label what is done
   * @param {Event} event what it began with
   * @param {string | null} [tag] of a gesture that goes on until `seal`
   */
  change(next, label, event, tag = null) {
    this.steps.commit(withCurrent(this.steps.value, next), label, { tag });
    this.reflect(event, tag !== null);
    if (tag === null) this.onDone();
  }

  /** The hand is off. */
  seal() {
    this.steps.seal();
    this.onDone();
  }

  /** @param {string} name what the sound is called; it sounds the same @param {Event} event */
  rename(name, event) {
    if (name === this.patch.name) return;
    this.steps.commit(withCurrent(this.steps.value, changed(this.patch, { name })), "Name");
    this.reflect(event);
  }

  /** @param {"undo" | "redo"} way */
  step(way) {
    const label = this.steps[way]();
    if (label === null) return;
    this.reflect(new Event(way));
    this.say(`${way === "undo" ? "Undone" : "Redone"}: ${label}.`);
    this.onDone();
  }

  /** @param {Event} event @param {boolean} [byHand] */
  reflect(event, byHand = false) {
    const { active, A, B } = this.steps.value;
    const name = input("sound-name");
    if (name.value !== this.patch.name) name.value = this.patch.name;
    button("slot-a").setAttribute("aria-pressed", String(active === "A"));
    button("slot-b").setAttribute("aria-pressed", String(active === "B"));
    button("copy-slot").textContent = active === "A" ? "A→B" : "B→A";
    button("copy-slot").title = `Copy this sound to ${other(active)}`;
    button("copy-slot").disabled = A === B;
    labelStep(button("undo"), "Undo", this.steps.undoLabel, "Ctrl Z");
    labelStep(button("redo"), "Redo", this.steps.redoLabel, "Ctrl ⇧ Z");
    this.onChange(this.patch, event, byHand);
  }

  #listen() {
    button("undo").addEventListener("click", () => this.step("undo"));
    button("redo").addEventListener("click", () => this.step("redo"));
    document.addEventListener("keydown", (event) => {
      const writes = event.target instanceof HTMLInputElement && ["text", "search"].includes(event.target.type);
      if (!(event.ctrlKey || event.metaKey) || event.altKey || writes) return;
      const key = event.key.toLowerCase();
      if (key === "z") this.step(event.shiftKey ? "redo" : "undo");
      else if (key === "y") this.step("redo");
      else return;
      event.preventDefault();
    });
    for (const slot of /** @type {const} */ (["A", "B"])) {
      button(`slot-${slot.toLowerCase()}`).addEventListener("click", (event) => {
        if (this.steps.value.active === slot) return;
        this.steps.commit(switched(this.steps.value, slot), `To sound ${slot}`);
        this.reflect(event);
        this.onDone();
      });
    }
    button("copy-slot").addEventListener("click", (event) => {
      const { active } = this.steps.value;
      this.steps.commit(copied(this.steps.value), `Copy ${active} to ${other(active)}`);
      this.reflect(event);
      this.say(`Sound ${other(active)} is now the same as ${active}.`);
    });
    const name = input("sound-name");
    name.addEventListener("change", (event) => {
      name.value = tidyName(name.value);
      this.rename(name.value, event);
    });
    name.addEventListener("keydown", ({ key }) => {
      if (key === "Enter") name.blur();
    });
  }
}

/** @param {HTMLButtonElement} element @param {string} name @param {string | null} label @param {string} keys */
function labelStep(element, name, label, keys) {
  element.disabled = label === null;
  element.setAttribute("aria-label", label === null ? name : `${name}: ${label}`);
  element.title = label === null ? `${name} (${keys})` : `${name}: ${label} (${keys})`;
}
