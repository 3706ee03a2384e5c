// @ts-check
// Presets: sounds kept by the server under a name, as a file, or as a link.

import { PatchError, fitted, fromCode, fromJson, tidyName, toCode, toJson } from "./patch.js";
import { save } from "./recorder.js";
import { icon } from "./sliders.js";

/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {import("./connection.js").Connection} Connection */
/** @typedef {import("./status.js").Status} Status */
/** @typedef {{digest: string, attributes: import("./attributes.js").Attribute[], latent_size: number, level_db: number | null}} Instrument */

const LARGEST = 1 << 20; // bytes of a sound's file

export class Presets {
  /**
   * @param {object} parts
   * @param {HTMLDialogElement} parts.drawer
   * @param {HTMLButtonElement} parts.opener
   * @param {HTMLFormElement} parts.form
   * @param {HTMLInputElement} parts.name
   * @param {HTMLElement} parts.list
   * @param {HTMLElement} parts.empty
   * @param {HTMLButtonElement} parts.download
   * @param {HTMLInputElement} parts.file
   * @param {HTMLButtonElement} parts.link
   * @param {object} needs
   * @param {Connection} needs.connection
   * @param {Status} needs.status
   * @param {Instrument} needs.instrument
   * @param {() => Patch} needs.current
   * @param {(patch: Patch, label: string, event: Event) => void} needs.onLoad
   * @param {(name: string) => void} needs.onNamed
   */
  constructor(parts, needs) {
    this.parts = parts;
    this.needs = needs;
    /** @type {Map<string, unknown>} name → JSON as the server has it */
    this.kept = new Map();
    const { drawer, opener, form, name, download, file, link } = parts;

    opener.addEventListener("click", () => (drawer.open ? this.close() : this.open()));
    drawer.querySelector("[data-close]")?.addEventListener("click", () => this.close());
    drawer.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#keep(tidyName(name.value));
    });
    download.addEventListener("click", () => {
      const patch = needs.current();
      const text = JSON.stringify(toJson(patch, needs.instrument.digest), null, 2);
      save(`${text}\n`, `${fileName(patch.name || "sound")}.json`, "application/json");
    });
    file.addEventListener("change", async (event) => {
      const [chosen] = file.files ?? [];
      if (chosen) await this.openFile(chosen, event);
      file.value = "";
    });
    link.addEventListener("click", () => this.#copyLink());
  }

  open() {
    const { drawer, opener, name } = this.parts;
    drawer.show();
    opener.setAttribute("aria-expanded", "true");
    name.value = this.needs.current().name;
    this.refresh();
  }

  close() {
    this.parts.drawer.close();
    this.parts.opener.setAttribute("aria-expanded", "false");
    this.parts.opener.focus();
  }

  /** @param {Blob} file JSON of a sound @param {Event} event */
  async openFile(file, event) {
    try {
      if (file.size > LARGEST) throw new PatchError("This file is larger than a sound can be.");
      let data;
      try {
        data = JSON.parse(await file.text());
      } catch {
        throw new PatchError("This file is not JSON; open a .json file that was saved from this page.");
      }
      this.load(fromJson(data), "Open a file", event);
    } catch (error) {
      this.needs.status.fail(error);
    }
  }

  /** @param {string} code of a link @param {Event} event */
  openCode(code, event) {
    try {
      this.load(fromCode(code), "Open a link", event);
    } catch (error) {
      this.needs.status.fail(error);
    }
  }

  /** @param {{patch: Patch, bundle: string}} read @param {string} label @param {Event} event */
  load({ patch, bundle }, label, event) {
    const { instrument, status, onLoad } = this.needs;
    const names = instrument.attributes.map(({ name }) => name);
    const { patch: mine, missing } = fitted(patch, names, {
      size: instrument.latent_size,
      levelled: instrument.level_db !== null,
    });
    onLoad(mine, label, event);
    const remarks = [];
    if (bundle && bundle !== instrument.digest) remarks.push("This sound was made on another instrument and will differ here.");
    if (mine.latent === null && patch.latent !== null) remarks.push("Its place in the other instrument's latent space is left out.");
    if (mine.level_db === null && patch.level_db !== null) remarks.push("Its level is left out, since none can be set here.");
    if (missing.length > 0) {
      const some = missing.slice(0, 3).join(", ");
      remarks.push(
        `${missing.length === 1 ? "One attribute is" : `${missing.length} attributes are`} unknown here and left out: ` +
          `${some}${missing.length > 3 ? " …" : ""}.`,
      );
    }
    if (remarks.length > 0) status.say(remarks.join(" "));
  }

  async refresh() {
    try {
      const { presets, skipped = 0 } = await this.needs.connection.get("/api/presets");
      this.kept = new Map(Object.entries(presets));
      this.#draw();
      if (skipped > 0) this.needs.status.say(`${skipped} of the saved presets cannot be read and are left out.`);
    } catch (error) {
      this.needs.status.fail(error);
    }
  }

  /** @param {string} name */
  async #keep(name) {
    const { connection, status, instrument, current, onNamed } = this.needs;
    if (!name) {
      status.say("Give the sound a name first.", { wrong: true });
      this.parts.name.focus();
      return;
    }
    if (/^\.{1,2}$/.test(name)) {
      status.say("A name cannot consist of dots alone; choose another.", { wrong: true });
      return;
    }
    const before = this.kept.get(name);
    try {
      await this.#put(name, { ...toJson(current(), instrument.digest), name });
      onNamed(name);
      await this.refresh();
      const action =
        before === undefined
          ? undefined
          : { name: "Restore", run: () => this.#putBack(name, before) };
      status.say(before === undefined ? `Saved “${name}”.` : `“${name}” was replaced.`, { action });
    } catch (error) {
      status.fail(error);
    }
  }

  /** @param {string} name @param {unknown} json */
  #put(name, json) {
    return this.needs.connection.ask("PUT", `/api/presets/${encodeURIComponent(name)}`, { json });
  }

  /** @param {string} name @param {unknown} before what it was */
  async #putBack(name, before) {
    try {
      await this.#put(name, before);
      await this.refresh();
    } catch (error) {
      this.needs.status.fail(error);
    }
  }

  /** @param {string} name */
  async #remove(name) {
    const { connection, status } = this.needs;
    const before = this.kept.get(name);
    try {
      await connection.ask("DELETE", `/api/presets/${encodeURIComponent(name)}`);
      await this.refresh();
      this.parts.name.focus();
      status.say(`Deleted “${name}”.`, {
        action: { name: "Restore", run: () => this.#putBack(name, before) },
      });
    } catch (error) {
      status.fail(error);
    }
  }

  async #copyLink() {
    const { current, instrument, status } = this.needs;
    const fragment = `#sound=${toCode(current(), instrument.digest)}`;
    try {
      await navigator.clipboard.writeText(`${location.origin}/${fragment}`);
      status.say("The link to this sound is copied. It opens in the tab where this instrument plays.");
    } catch {
      // Without permission, or on a page from another machine, there is no clipboard: the address bar has it then.
      history.replaceState(null, "", fragment);
      status.say("This browser does not let the page copy; the link is now in the address bar.");
    }
  }

  #draw() {
    const { list, empty } = this.parts;
    const names = [...this.kept.keys()].sort((a, b) => a.localeCompare(b));
    empty.hidden = names.length > 0;
    list.replaceChildren(
      ...names.map((name) => {
        const load = document.createElement("button");
        load.type = "button";
        load.className = "preset-load";
        load.textContent = name;
        load.addEventListener("click", (event) => {
          try {
            this.load(fromJson(this.kept.get(name)), `Load “${name}”`, event);
          } catch (error) {
            this.needs.status.fail(error);
          }
        });
        const remove = document.createElement("button");
        remove.type = "button";
        remove.className = "quiet square";
        remove.setAttribute("aria-label", `Delete ${name}`);
        remove.title = "Delete";
        remove.append(icon("bin"));
        remove.addEventListener("click", () => this.#remove(name));
        const item = document.createElement("li");
        item.append(load, remove);
        return item;
      }),
    );
    this.mark();
  }

  /** Shows which preset one plays. */
  mark() {
    const { name } = this.needs.current();
    for (const button of this.parts.list.querySelectorAll(".preset-load")) {
      button.setAttribute("aria-current", String(button.textContent === name && name !== ""));
    }
  }
}

/** @param {string} name @returns {string} what every file system takes */
export function fileName(name) {
  return name.replace(/[^\p{L}\p{N} ._+-]+/gu, "_").replace(/^[. ]+|[. ]+$/g, "").slice(0, 60) || "sound";
}
