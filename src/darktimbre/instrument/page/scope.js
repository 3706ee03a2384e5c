// @ts-check
/**
 * Draws the wave and the spectrogram of the last note, with axes.
 *
 * The wave is drawn in the next frame; the spectrogram is computed in slices of a few milliseconds, so that no key
 * waits for it. Colours come from the page's CSS: `--scope-ink`, `--scope-wave`, `--scope-grid`, `--scope-paper`,
 * and `--scope-dark`: 1 where silence is dark, 0 where it is light.
 */

import { colours } from "./colours.js";
import { spectrogramByFrames } from "./fourier.js";

/**
 * @typedef {import("./fourier.js").Spectrogram} Spectrogram
 * @typedef {{context: CanvasRenderingContext2D, ratio: number,
 *            left: number, top: number, width: number, height: number}} Sheet
 */

const FLOOR = -80; // dB below the loudest, the quietest that is drawn
const LOWEST = 40; // Hz
const HIGHEST = 20000; // Hz
const WINDOW = 0.04; // s of the spectrogram's window: separates the partials of a bass note
const SLICE = 4; // ms of computing at once
const LEFT = 44; // CSS pixels for the labels of an axis
const BOTTOM = 16;
const TOP = 4;
const RIGHT = 8;
const FONT = "11px system-ui, sans-serif";

/** @param {number} seconds the length of an axis  @param {number} [most] labels  @returns {number} a round step */
export function tickStep(seconds, most = 6) {
  const rough = seconds / most;
  const ten = 10 ** Math.floor(Math.log10(rough));
  return ten * ([1, 2, 5].find((step) => step * ten >= rough) ?? 10);
}

/**
 * The smallest and largest sample of each column of a drawing.
 * @param {Float32Array} samples  @param {number} columns
 * @returns {{low: Float32Array, high: Float32Array}} each column reaches to its neighbour's first sample: no gaps
 */
export function extremes(samples, columns) {
  const low = new Float32Array(columns);
  const high = new Float32Array(columns);
  for (let column = 0; column < columns; column++) {
    const first = Math.floor((column * samples.length) / columns);
    const last = Math.min(samples.length - 1, Math.floor(((column + 1) * samples.length) / columns));
    let least = Infinity;
    let most = -Infinity;
    for (let n = first; n <= last; n++) {
      if (samples[n] < least) least = samples[n];
      if (samples[n] > most) most = samples[n];
    }
    low[column] = least === Infinity ? 0 : least;
    high[column] = most === -Infinity ? 0 : most;
  }
  return { low, high };
}

/** @param {number} amplitude  @returns {number} dBFS */
export const decibels = (amplitude) => 20 * Math.log10(Math.max(amplitude, 1e-10));

export class Scope {
  /** @type {{samples: Float32Array, rate: number} | null} */
  #note = null;
  #frame = 0;
  /** @type {{samples: Float32Array, rate: number, columns: number, result: Spectrogram} | null} */
  #analysed = null;
  #turn = 0; // counts the drawings: a newer one ends an older one's computing

  /** @param {HTMLCanvasElement} wave  @param {HTMLCanvasElement} spectrogram */
  constructor(wave, spectrogram) {
    this.wave = wave;
    this.spectrogram = spectrogram;
    for (const canvas of [wave, spectrogram]) canvas.setAttribute("role", "img");
    this.#describe("Waveform: no note yet", "Spectrogram: no note yet");
    const resized = new ResizeObserver(() => this.#soon());
    resized.observe(wave);
    resized.observe(spectrogram);
    this.setTheme();
  }

  /** Takes up the page's colours anew: light has become dark, or the reverse. */
  setTheme() {
    const style = getComputedStyle(this.wave);
    const colour = (/** @type {string} */ name, /** @type {string} */ otherwise) =>
      style.getPropertyValue(name).trim() || otherwise;
    this.ink = colour("--scope-ink", style.color || "#444");
    this.line = colour("--scope-wave", "#8a3ffc");
    this.grid = colour("--scope-grid", "rgba(128, 128, 128, 0.35)");
    this.paper = colour("--scope-paper", "transparent");
    this.dark = colour("--scope-dark", "1") !== "0";
    this.colours = colours(this.dark);
    this.#soon();
  }

  /**
   * @param {Float32Array} samples of a note  @param {number} rate as it sounds (higher than rendered if re-pitched)
   * @param {string} [name] of the note, for the description
   */
  show(samples, rate, name = "last note") {
    if (this.#note?.samples === samples && this.#note.rate === rate) return;
    this.#note = { samples, rate };
    let peak = 0;
    for (const x of samples) peak = Math.max(peak, Math.abs(x));
    const facts = `${name}, ${(samples.length / rate).toFixed(2)} s, peak ${decibels(peak).toFixed(1)} dBFS`;
    this.#describe(`Waveform of ${facts}`, `Spectrogram of ${facts}`);
    this.#soon();
  }

  /** @param {string} wave  @param {string} spectrogram */
  #describe(wave, spectrogram) {
    this.wave.setAttribute("aria-label", wave);
    this.spectrogram.setAttribute("aria-label", spectrogram);
  }

  #soon() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawWave();
      this.#drawPicture(++this.#turn);
    });
  }

  /**
   * @param {HTMLCanvasElement} canvas
   * @returns {Sheet | null} a clean sheet measured in CSS pixels, sharp on any screen; null while hidden
   */
  #sheet(canvas) {
    const { clientWidth, clientHeight } = canvas;
    const context = canvas.getContext("2d");
    if (!context || clientWidth < LEFT + 20 || clientHeight < 20) return null;
    const ratio = globalThis.devicePixelRatio || 1;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.font = FONT;
    context.lineWidth = 1;
    context.fillStyle = this.paper ?? "transparent";
    context.fillRect(0, 0, clientWidth, clientHeight);
    const [width, height] = [clientWidth - LEFT - RIGHT, clientHeight - TOP - BOTTOM];
    return { context, ratio, left: LEFT, top: TOP, width, height };
  }

  #drawWave() {
    const sheet = this.#sheet(this.wave);
    if (!sheet) return;
    const { context, ratio, left, top, width, height } = sheet;
    const middle = top + height / 2;
    const { samples, rate } = this.#note ?? { samples: new Float32Array(1), rate: 1 };
    const columns = Math.round(width * ratio);
    const { low, high } = extremes(samples, columns);
    const loudest = Math.max(...high, ...low.map((x) => -x));
    const full = [0.05, 0.1, 0.25, 0.5, 1].find((size) => size >= loudest) ?? Math.ceil(loudest);
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of [full, full / 2, 0, -full / 2, -full]) {
      const y = middle - (value / full) * (height / 2);
      this.#rule(context, left, y, left + width, y);
      if (height < 60 && value !== 0 && Math.abs(value) !== full) continue;
      context.fillStyle = this.ink ?? "";
      const inside = Math.min(top + height - 5, Math.max(top + 5, y));
      context.fillText(`${value < 0 ? "−" : ""}${Math.abs(value)}`, left - 6, inside);
    }
    if (this.#note) this.#timeAxis(sheet, samples.length / rate);
    context.fillStyle = this.line ?? "";
    const pixel = 1 / ratio;
    for (let column = 0; column < columns; column++) {
      const y = middle - (high[column] / full) * (height / 2);
      const tall = ((high[column] - low[column]) / full) * (height / 2);
      context.fillRect(left + column * pixel, y - pixel / 2, pixel, tall + pixel);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} x @param {number} y where the line begins @param {number} x2 @param {number} y2 and ends
   */
  #rule(context, x, y, x2, y2) {
    context.strokeStyle = this.grid ?? "";
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(x2, y2);
    context.stroke();
  }

  /** @param {Sheet} sheet  @param {number} seconds */
  #timeAxis({ context, left, top, width, height }, seconds) {
    const step = tickStep(seconds, Math.max(2, Math.min(8, width / 60)));
    context.textBaseline = "top";
    for (let i = 0; i * step <= seconds * 1.0001; i++) {
      const x = left + (i * step * width) / seconds;
      this.#rule(context, x, top, x, top + height);
      context.fillStyle = this.ink ?? "";
      context.textAlign = x > left + width - 16 ? "right" : i ? "center" : "left";
      const text = Number((i * step).toPrecision(6)).toString();
      context.fillText(i ? text : "0 s", Math.min(x, left + width + RIGHT), top + height + 3);
    }
  }

  /** @param {number} turn */
  async #drawPicture(turn) {
    const ratio = globalThis.devicePixelRatio || 1;
    const columns = Math.max(1, Math.round((this.spectrogram.clientWidth - LEFT - RIGHT) * ratio));
    const levels = this.#note && (await this.#analysis(columns, turn));
    const sheet = turn === this.#turn ? this.#sheet(this.spectrogram) : null;
    if (!sheet) return;
    const { context, left, top, height } = sheet;
    if (this.#note && levels) {
      const highest = Math.min(HIGHEST, this.#note.rate / 2);
      const image = this.#image(levels, columns, Math.round(height * ratio), highest);
      context.putImageData(image, Math.round(left * ratio), Math.round(top * ratio));
      this.#timeAxis(sheet, this.#note.samples.length / this.#note.rate);
      this.#frequencyAxis(sheet, highest);
    } else {
      this.#frequencyAxis(sheet, HIGHEST);
    }
  }

  /** @param {Sheet} sheet  @param {number} highest Hz */
  #frequencyAxis({ context, left, top, width, height }, highest) {
    context.textAlign = "right";
    context.textBaseline = "middle";
    let free = Infinity;
    for (const hertz of [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000]) {
      const y = top + height * (1 - Math.log(hertz / LOWEST) / Math.log(highest / LOWEST));
      const inside = Math.max(top + 5, y);
      if (y < top - 1 || inside > free) continue;
      this.#rule(context, left, y, left + width, y);
      context.fillStyle = this.ink ?? "";
      const text = hertz < 1000 ? `${hertz}` : `${hertz / 1000}k`;
      context.fillText(free === Infinity ? `${text} Hz` : text, left - 6, inside);
      free = inside - 13;
    }
  }

  /** @param {Spectrogram} levels @param {number} columns @param {number} rows @param {number} highest Hz */
  #image({ values, frequencies, times }, columns, rows, highest) {
    const bins = frequencies.length;
    const frames = times.length;
    let loudest = FLOOR;
    for (const level of values) if (level > loudest) loudest = level;
    const image = new ImageData(columns, rows);
    const pixels = new Uint32Array(image.data.buffer);
    const palette = /** @type {Uint32Array} */ (this.colours);
    const span = bins - 1;
    const top = frequencies[span];
    for (let row = 0; row < rows; row++) {
      const hertz = LOWEST * (highest / LOWEST) ** (1 - (row + 0.5) / rows);
      const at = Math.min(span, (hertz / top) * span);
      const low = Math.min(span - 1, Math.floor(at));
      for (let column = 0; column < columns; column++) {
        const frame = bins * Math.min(frames - 1, Math.floor(((column + 0.5) * frames) / columns));
        const level = values[frame + low] + (at - low) * (values[frame + low + 1] - values[frame + low]);
        const shade = 255 * (1 - (loudest - level) / -FLOOR);
        pixels[row * columns + column] = palette[shade > 0 ? Math.round(shade) : 0];
      }
    }
    return image;
  }

  /** @param {number} columns  @param {number} turn  @returns {Promise<Spectrogram | null>} null: a newer note came */
  async #analysis(columns, turn) {
    const { samples, rate } = /** @type {{samples: Float32Array, rate: number}} */ (this.#note);
    const known = this.#analysed;
    if (known && known.samples === samples && known.rate === rate && known.columns === columns) return known.result;
    const size = 2 ** Math.round(Math.log2(WINDOW * rate));
    const hop = Math.max(64, Math.ceil(samples.length / Math.min(columns, 500))); // no more frames than columns
    const frames = spectrogramByFrames(samples, rate, { size, hop, floor: -140 });
    for (let until = performance.now() + SLICE; turn === this.#turn; ) {
      const { done, value } = frames.next();
      if (done) {
        this.#analysed = { samples, rate, columns, result: value };
        return value;
      }
      if (performance.now() < until) continue;
      await new Promise((resolve) => setTimeout(resolve));
      until = performance.now() + SLICE;
    }
    return null;
  }
}
