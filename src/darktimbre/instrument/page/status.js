// @ts-check
// What the page says: the rendering's line, what is wrong with the connection, and sentences that come and go.

/** @typedef {import("./progress.js").Progress} Progress */

const STAYS = 9000; // ms

export class Status {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.rendering the line; changes all the time, so it is not read aloud
   * @param {HTMLProgressElement} parts.bar
   * @param {HTMLElement} parts.said polite live region
   * @param {HTMLElement} parts.connection what is wrong with the connection
   */
  constructor(parts) {
    this.parts = parts;
    this.hint = "";
    this.narrow = matchMedia("(max-width: 760px)");
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {Progress} progress */
  render(progress) {
    const { rendering, bar } = this.parts;
    const isStuck = progress.busy && !this.parts.connection.hidden;
    const state = isStuck ? "The keys play the notes received so far." : progress.sentence(this.narrow.matches);
    const sentence = [state, this.hint].filter(Boolean).join(" ");
    if (rendering.textContent !== sentence) rendering.textContent = sentence;
    bar.max = Math.max(1, progress.total);
    bar.value = progress.come;
    bar.classList.toggle("is-done", !progress.busy);
  }

  /**
   * @param {string} sentence
   * @param {{wrong?: boolean, action?: {name: string, run: () => void}}} [more]
   */
  say(sentence, { wrong = false, action } = {}) {
    const { said } = this.parts;
    clearTimeout(this.timer);
    const text = document.createElement("span");
    text.textContent = sentence;
    said.replaceChildren(text);
    said.classList.toggle("is-wrong", wrong);
    if (action) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = action.name;
      button.addEventListener("click", () => {
        this.hush();
        action.run();
      });
      said.append(button);
    }
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.setAttribute("aria-label", "Dismiss");
    close.textContent = "×";
    close.addEventListener("click", () => this.hush());
    said.append(close);
    this.timer = setTimeout(() => this.hush(), wrong ? 2 * STAYS : STAYS);
  }

  hush() {
    clearTimeout(this.timer);
    this.parts.said.replaceChildren();
  }

  /** @param {unknown} error anything thrown; its sentence is shown */
  fail(error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    this.say(error instanceof Error && error.message ? error.message : "This did not work.", { wrong: true });
  }

  /** @param {string | null} sentence null: all is well */
  connection(sentence) {
    const { connection } = this.parts;
    if (connection.textContent !== (sentence ?? "")) connection.textContent = sentence ?? "";
    connection.hidden = sentence === null;
  }
}
