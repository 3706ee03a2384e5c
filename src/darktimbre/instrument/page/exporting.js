// @ts-check
// Export: this sound and presets, as an archive for a sampler.

import { tidyName, toJson } from "./patch.js";
import { fileName } from "./presets.js";
import { save } from "./recorder.js";

const MOST = 12; // sounds in one archive
const FORMATS = /** @type {Record<string, [string, string]>} */ ({
  sfz: ["SFZ", "sforzando, sfizz, LinuxSampler, TX16Wx, Falcon …"],
  decentsampler: ["DecentSampler", "the free player, on desktop and tablet"],
  wavs: ["Plain wav files", "hardware and Eurorack samplers; 16 bit, with loop points"],
});

export class Exporting {
  /**
   * @param {object} parts
   * @param {HTMLDialogElement} parts.dialog
   * @param {HTMLButtonElement} parts.opener
   * @param {HTMLFormElement} parts.form
   * @param {HTMLElement} parts.formats
   * @param {HTMLElement} parts.sounds
   * @param {HTMLElement} parts.several what concerns several sounds
   * @param {HTMLElement} parts.hardware what concerns plain wav files
   * @param {HTMLElement} parts.said
   * @param {object} needs
   * @param {import("./connection.js").Connection} needs.connection
   * @param {import("./status.js").Status} needs.status
   * @param {{name: string, digest: string, exports: string[]}} needs.instrument
   * @param {() => import("./patch.js").Patch} needs.current
   */
  constructor(parts, needs) {
    this.parts = parts;
    this.needs = needs;
    /** @type {Map<string, unknown>} value of a checkbox → patch as JSON */
    this.choices = new Map();
    const { dialog, opener, form, formats } = parts;
    for (const [index, format] of needs.instrument.exports.entries()) {
      const [name, meant] = FORMATS[format] ?? [format, ""];
      formats.append(choice("radio", "format", format, name, meant, index === 0));
    }
    opener.disabled = needs.instrument.exports.length === 0;
    opener.addEventListener("click", () => this.open());
    dialog.querySelector("[data-close]")?.addEventListener("click", () => dialog.close());
    form.addEventListener("input", () => this.#weigh());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
  }

  async open() {
    const { dialog, sounds } = this.parts;
    this.parts.said.textContent = "";
    const { current, instrument, connection, status } = this.needs;
    this.choices = new Map([["this", toJson(current(), instrument.digest)]]);
    sounds.replaceChildren(choice("checkbox", "sound", "this", current().name || "This sound", "as it plays now", true));
    this.#weigh();
    dialog.showModal();
    try {
      const { presets } = await connection.get("/api/presets");
      for (const name of Object.keys(presets).sort((a, b) => a.localeCompare(b))) {
        this.choices.set(`preset ${name}`, { ...presets[name], name });
        sounds.append(choice("checkbox", "sound", `preset ${name}`, name, "", false));
      }
    } catch (error) {
      status.fail(error);
    }
  }

  /** Shows what goes together. */
  #weigh() {
    const { form, several, hardware, said } = this.parts;
    const data = new FormData(form);
    const count = data.getAll("sound").length;
    several.hidden = count < 2;
    hardware.hidden = data.get("format") !== "wavs";
    const layers = /** @type {HTMLInputElement} */ (form.elements.namedItem("velocity_layers"));
    const byVelocity = count > 1 && data.get("arrangement") === "velocity";
    layers.disabled = byVelocity;
    said.textContent =
      count === 0
        ? "Choose a sound."
        : count > MOST
          ? `An archive holds at most ${MOST} sounds; ${count} are chosen.`
          : byVelocity
            ? "The sounds share the velocities: the first is the softest."
            : "";
    const submit = /** @type {HTMLButtonElement} */ (form.querySelector("[type=submit]"));
    submit.disabled = count === 0 || count > MOST || form.classList.contains("is-busy");
  }

  async #send() {
    const { form, said, dialog } = this.parts;
    const { connection, instrument, status } = this.needs;
    const data = new FormData(form);
    const patches = data.getAll("sound").map((value) => this.choices.get(String(value)));
    const title = tidyName(String(data.get("title") ?? "").replace(/[/\\]/g, " "));
    const format = String(data.get("format"));
    form.classList.add("is-busy");
    this.#weigh();
    said.textContent = "Rendering every key and packing …";
    let wrong = "";
    try {
      const archive = await connection.post("/api/export", {
        format,
        patches,
        arrangement: patches.length > 1 ? data.get("arrangement") : "keyswitch",
        velocity_layers: patches.length > 1 && data.get("arrangement") === "velocity" ? 1 : Number(data.get("velocity_layers") ?? 1),
        title,
        hardware: format === "wavs" ? data.get("hardware") : "generic",
        rate: data.get("rate") ? Number(data.get("rate")) : null,
      });
      const kind = format === "decentsampler" ? "dslibrary" : "zip"; // the player opens it as a library by its name
      save(archive, `${fileName(title || instrument.name)} ${format}.${kind}`, "application/zip");
      dialog.close();
      status.say("The archive is in your downloads.");
    } catch (error) {
      wrong = error instanceof Error ? error.message : "The export did not work.";
    }
    form.classList.remove("is-busy");
    this.#weigh();
    if (wrong) said.textContent = wrong;
  }
}

/**
 * @param {"radio" | "checkbox"} type
 * @param {string} group
 * @param {string} value
 * @param {string} name
 * @param {string} meant
 * @param {boolean} checked
 */
function choice(type, group, value, name, meant, checked) {
  const input = document.createElement("input");
  Object.assign(input, { type, name: group, value, checked });
  const title = document.createElement("span");
  title.textContent = name;
  const label = document.createElement("label");
  label.className = "choice";
  label.append(input, title);
  if (meant) {
    const more = document.createElement("small");
    more.textContent = meant;
    label.append(more);
  }
  return label;
}
