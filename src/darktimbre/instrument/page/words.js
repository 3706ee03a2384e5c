// @ts-check
// What words in the search field mean as a mix of attributes: shown first, set on request.

const PAUSE = 350; // ms after the last letter
const FEWEST = 3; // letters

/** @typedef {{text: string, levels: Record<string, number>, shares: Record<string, number>}} Mix as POST /api/words has it */

/** @param {Readonly<Record<string, number>>} shares @returns {string} "Bell 60 %, Glockenspiel 40 %" */
export function listed(shares) {
  return Object.entries(shares)
    .map(([name, share]) => `${name} ${Math.max(1, Math.round(share * 100))} %`)
    .join(" · ");
}

export class Words {
  /**
   * @param {{search: HTMLInputElement, box: HTMLElement, said: HTMLElement, set: HTMLButtonElement}} parts
   * @param {object} handlers
   * @param {(text: string) => Promise<Mix>} handlers.ask
   * @param {(levels: Readonly<Record<string, number>>, text: string, event: Event) => void} handlers.onSet
   */
  constructor(parts, { ask, onSet }) {
    this.parts = parts;
    this.ask = ask;
    /** @type {Mix | null} */
    this.mix = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    const { search, set } = parts;
    search.addEventListener("input", () => this.#later());
    search.addEventListener("keydown", ({ key }) => {
      if (key === "Escape") this.#show(null, "");
    });
    set.addEventListener("click", (event) => {
      if (!this.mix) return;
      const { levels, text } = this.mix;
      search.value = "";
      search.dispatchEvent(new Event("input"));
      onSet(Object.freeze({ ...levels }), text, event);
    });
  }

  #later() {
    clearTimeout(this.timer);
    this.#show(null, "");
    const text = this.parts.search.value.trim();
    if (text.length >= FEWEST) this.timer = setTimeout(() => this.#find(text), PAUSE);
  }

  /** @param {string} text */
  async #find(text) {
    /** @type {Mix | null} */
    let mix = null;
    let sentence;
    try {
      mix = await this.ask(text);
      sentence = listed(mix.shares);
    } catch (error) {
      sentence = error instanceof Error ? error.message : String(error);
    }
    if (this.parts.search.value.trim() === text) this.#show(mix, sentence);
  }

  /** @param {Mix | null} mix @param {string} sentence */
  #show(mix, sentence) {
    this.mix = mix;
    const { box, said, set } = this.parts;
    box.hidden = sentence === "";
    said.textContent = sentence;
    set.hidden = mix === null;
  }
}
