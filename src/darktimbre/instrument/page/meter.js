// @ts-check
/** The live level: a bar, the highest peak of the last moment, a figure in dBFS, and whether the limiter works. */

const LOWEST = -60; // dBFS, the left end of the bar
const HOLD = 1.5; // s the peak stands
const FALL = 20; // dB a second it falls from then on
const SAID = 500; // ms between changes of the figure: it must be read
const LIMITS = 0.999; // a gain below this is worth showing

/** @param {number} amplitude  @returns {number} */
const decibels = (amplitude) => 20 * Math.log10(Math.max(amplitude, 1e-10));

/** @param {number} level dBFS  @returns {number} where on the bar, 0 to 1 */
export const position = (level) => Math.min(1, Math.max(0, 1 - level / LOWEST));

/** The peak that stands for a moment and then sinks. */
export class PeakHold {
  #level = -Infinity;
  #since = 0;

  /** @param {number} level dBFS  @param {number} now s  @returns {number} dBFS */
  next(level, now) {
    const sunk = this.#level - FALL * Math.max(0, now - this.#since - HOLD);
    if (level >= sunk) {
      this.#level = level;
      this.#since = now;
      return level;
    }
    return sunk;
  }
}

/** @param {number} level dBFS  @returns {string} */
export const levelText = (level) => (level < LOWEST ? "silent" : `${level.toFixed(1).replace("-", "−")} dBFS`);

export class Meter {
  #held = new PeakHold();
  #loudest = -Infinity;
  #said = -Infinity;

  /** @param {HTMLElement} element what the meter is built in */
  constructor(element) {
    this.element = element;
    element.classList.add("meter");
    element.setAttribute("role", "meter");
    if (!element.hasAttribute("aria-label")) element.setAttribute("aria-label", "Output level");
    element.setAttribute("aria-valuemin", String(LOWEST));
    element.setAttribute("aria-valuemax", "0");
    const part = (/** @type {string} */ name) => {
      const made = document.createElement("span");
      made.className = name;
      made.setAttribute("aria-hidden", "true");
      return made;
    };
    const bar = part("meter-bar");
    bar.append(part("meter-rms"), part("meter-peak"), part("meter-hold"));
    this.figure = part("meter-figure");
    element.replaceChildren(bar, this.figure);
    this.level(0, 0);
  }

  /** @param {number} peak  @param {number} rms amplitudes  @param {number} [gain] what the limiter leaves of it */
  level(peak, rms, gain = 1) {
    const now = performance.now();
    const level = decibels(peak);
    const { style } = this.element;
    style.setProperty("--rms", position(decibels(rms)).toFixed(4));
    style.setProperty("--peak", position(level).toFixed(4));
    style.setProperty("--hold", position(this.#held.next(level, now / 1000)).toFixed(4));
    this.element.classList.toggle("limiting", gain < LIMITS);
    this.#loudest = Math.max(this.#loudest, level);
    if (now - this.#said < SAID) return;
    this.#said = now;
    const text = levelText(this.#loudest) + (gain < LIMITS ? ", limited" : "");
    this.#loudest = -Infinity;
    if (this.figure.textContent === text) return;
    this.figure.textContent = text;
    this.element.setAttribute("aria-valuenow", String(Math.round(Math.min(0, Math.max(LOWEST, level)))));
    this.element.setAttribute("aria-valuetext", text);
  }
}
