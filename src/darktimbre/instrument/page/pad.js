// @ts-check
// The latent pad: a walk of two dimensions around the latent that a seed draws, with seed number, dice and lock.

import { newSeed } from "./randomise.js";
import { rings } from "./rings.js";

/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {readonly [number, number]} Place −1…1 each, y upwards */

const STEP = 0.05; // for an arrow key
const FINE = 0.005; // with Shift
const TRAIL = 24; // places remembered for the tail of the light

export class Pad {
  /**
   * @param {object} parts
   * @param {HTMLElement} parts.surface
   * @param {HTMLCanvasElement} parts.canvas
   * @param {HTMLElement} parts.spot
   * @param {HTMLInputElement} parts.x hidden ranges: the pad for keyboard and screen readers
   * @param {HTMLInputElement} parts.y
   * @param {HTMLInputElement} parts.seed
   * @param {HTMLButtonElement} parts.dice
   * @param {HTMLButtonElement} parts.lock
   * @param {HTMLButtonElement} parts.centre
   * @param {HTMLElement} parts.position where it stands, in words
   * @param {object} on
   * @param {(pad: Place, event: Event) => void} on.onMove
   * @param {() => void} on.onSeal
   * @param {(seed: number, event: Event) => void} on.onSeed
   * @param {(sentence: string) => void} on.onError
   */
  constructor(parts, { onMove, onSeal, onSeed, onError }) {
    this.parts = parts;
    this.onMove = (/** @type {Place} */ place, /** @type {Event} */ event) => {
      this.moving = true;
      onMove(place, event);
    };
    this.onSeal = onSeal;
    this.moving = false;
    /** @type {Place} */
    this.place = [0, 0];
    this.seed = 0;
    /** @type {Place[]} */
    this.trail = [];
    const { surface, x, y, seed, dice, lock, centre } = parts;

    surface.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      surface.setPointerCapture(event.pointerId);
      x.focus({ preventScroll: true });
      event.preventDefault();
      this.#point(event);
    });
    surface.addEventListener("pointermove", (event) => {
      if (surface.hasPointerCapture(event.pointerId)) this.#point(event);
    });
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) surface.addEventListener(end, () => this.#rest());
    surface.addEventListener("dblclick", (event) => this.onMove([0, 0], event));
    for (const [axis, range] of [x, y].entries()) {
      range.addEventListener("keydown", (event) => this.#key(event));
      for (const end of /** @type {const} */ (["change", "keyup"])) range.addEventListener(end, () => this.#rest());
      range.addEventListener("input", (event) => {
        const value = Number(range.value);
        this.onMove(axis === 0 ? [value, this.place[1]] : [this.place[0], value], event);
      });
      range.addEventListener("focus", () => surface.classList.toggle("has-focus", range.matches(":focus-visible")));
      range.addEventListener("blur", () => surface.classList.remove("has-focus"));
    }
    seed.addEventListener("change", (event) => {
      const wanted = Number(seed.value);
      if (seed.value.trim() !== "" && Number.isSafeInteger(wanted) && wanted >= 0) {
        onSeed(wanted, event);
      } else {
        onError("A seed is a whole number from 0 up.");
        seed.value = String(this.seed);
      }
    });
    dice.addEventListener("click", (event) => onSeed(newSeed(), event));
    centre.addEventListener("click", (event) => {
      this.onMove([0, 0], event);
      this.#rest();
    });
    lock.addEventListener("click", () => {
      lock.setAttribute("aria-pressed", String(!this.locked));
      lock.querySelector("use")?.setAttribute("href", this.locked ? "#icon-lock" : "#icon-unlock");
    });
    new ResizeObserver(() => this.draw()).observe(surface);
  }

  /** @returns {boolean} whether Randomise leaves seed and place alone */
  get locked() {
    return this.parts.lock.getAttribute("aria-pressed") === "true";
  }

  /** @param {Patch} patch */
  show({ seed, pad: [x, y] }) {
    const { parts } = this;
    if (seed !== this.seed) this.trail = [];
    else if (x !== this.place[0] || y !== this.place[1]) this.trail = [...this.trail, this.place].slice(-TRAIL);
    this.place = [x, y];
    this.seed = seed;
    if (document.activeElement !== parts.seed || Number(parts.seed.value) !== seed) parts.seed.value = String(seed);
    parts.x.value = String(x);
    parts.y.value = String(y);
    const turned = Math.round(Math.hypot(x, y) * 90);
    const rotation = turned === 0 ? "at the seed's latent" : `rotated ${turned}° from the seed's latent`;
    parts.x.setAttribute("aria-valuetext", `${x.toFixed(2)}, ${rotation}`);
    parts.y.setAttribute("aria-valuetext", `${y.toFixed(2)}, ${rotation}`);
    parts.position.textContent = turned === 0 ? "at the centre" : `rotated by ${turned}°`;
    parts.position.title = `On the pad: ${rotation}.`;
    parts.centre.disabled = x === 0 && y === 0;
    parts.spot.style.left = `${(x + 1) * 50}%`;
    parts.spot.style.top = `${(1 - y) * 50}%`;
    this.draw();
  }

  /** The rings in the theme's colours. */
  setTheme() {
    this.draw();
  }

  draw() {
    const { canvas, surface } = this.parts;
    const { width, height } = surface.getBoundingClientRect();
    if (width === 0) return;
    const density = Math.min(window.devicePixelRatio || 1, 2);
    canvas.width = Math.round(width * density);
    canvas.height = Math.round(height * density);
    const pen = canvas.getContext("2d");
    if (!pen) return;
    const colours = getComputedStyle(surface);
    const half = canvas.width / 2;
    pen.translate(canvas.width / 2, canvas.height / 2);
    pen.lineJoin = "round";

    const drawn = rings(this.seed);
    pen.strokeStyle = colours.getPropertyValue("--ring");
    for (const [index, radii] of drawn.entries()) {
      pen.lineWidth = density * (index % 4 === 3 ? 1.6 : 0.8);
      pen.globalAlpha = index % 4 === 3 ? 0.9 : 0.55;
      pen.beginPath();
      for (const [place, radius] of radii.entries()) {
        const angle = (place / radii.length) * 2 * Math.PI;
        pen.lineTo(1.32 * half * radius * Math.cos(angle), 1.32 * half * radius * Math.sin(angle));
      }
      pen.closePath();
      pen.stroke();
    }
    pen.strokeStyle = colours.getPropertyValue("--accent");
    pen.lineCap = "round";
    const way = [...this.trail, this.place];
    for (let step = 1; step < way.length; step += 1) {
      pen.globalAlpha = (0.6 * step) / way.length;
      pen.lineWidth = density * (1 + (2 * step) / way.length);
      pen.beginPath();
      pen.moveTo(way[step - 1][0] * half, -way[step - 1][1] * half);
      pen.lineTo(way[step][0] * half, -way[step][1] * half);
      pen.stroke();
    }
  }

  /** The hand is off. */
  #rest() {
    if (this.moving) this.onSeal();
    this.moving = false;
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = this.parts.surface.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * 2 - 1;
    const y = 1 - ((event.clientY - box.top) / box.height) * 2;
    this.onMove(within(x, y), event);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? FINE : STEP;
    const moves = /** @type {Record<string, [number, number]>} */ ({
      ArrowRight: [step, 0],
      ArrowLeft: [-step, 0],
      ArrowUp: [0, step],
      ArrowDown: [0, -step],
    });
    if (event.key === "Backspace" || event.key === "Delete" || event.key === "Home") this.onMove([0, 0], event);
    else if (Object.hasOwn(moves, event.key)) {
      const [right, up] = moves[event.key];
      this.onMove(within(this.place[0] + right, this.place[1] + up), event);
    } else return;
    event.preventDefault();
  }
}

/** @param {number} x @param {number} y @returns {Place} to a thousandth, within the pad */
function within(x, y) {
  const kept = (/** @type {number} */ value) => Math.round(Math.min(1, Math.max(-1, value)) * 1000) / 1000 + 0;
  return Object.freeze(/** @type {[number, number]} */ ([kept(x), kept(y)]));
}
