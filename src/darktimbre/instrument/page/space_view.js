// @ts-check
// Draws the latent space: the training notes as points, the sounds of one's own, and where one plays.

import { dot, rgb } from "./dots.js";

/** @typedef {import("./camera.js").Camera} Camera */
/** @typedef {import("./point_colours.js").Colouring} Colouring */
/** @typedef {{name: string, place: readonly number[]}} Mark */

const LAYERS = 32; // of depth, drawn from far to near
const SIZES = 8; // of dots, small and faint to large and clear
const TRAIL = 24; // places remembered for the cursor's tail

export class SpaceView {
  /** @type {[number, number, number][]} red, green, blue of each group */
  #colours = [];
  #order = new Uint16Array(0);
  #waits = false;

  /** @param {HTMLCanvasElement} canvas @param {Camera} camera @param {number} axes that are seen */
  constructor(canvas, camera, axes) {
    this.canvas = canvas;
    this.camera = camera;
    this.axes = axes;
    this.places = new Float32Array(0); // (note, 3)
    this.seen = new Float32Array(0); // (note, 3) x, y in pixels, depth
    /** @type {Colouring} */
    this.colouring = { groups: [], of: new Uint16Array(0) };
    /** @type {readonly number[]} */
    this.cursor = [0, 0, 0];
    /** @type {(readonly number[])[]} */
    this.trail = [];
    /** @type {Mark[]} */
    this.marks = [];
    this.lit = -1; // a note that is ringed: the nearest
    this.group = -1; // the one colour that is shown clearly; −1: all
    /** @type {{note: number, name: string} | null} */
    this.label = null;
  }

  /** @param {Float32Array} places (note, 3) */
  setPlaces(places) {
    this.places = places;
    this.seen = new Float32Array(places.length);
    this.#order = new Uint16Array(places.length / 3);
    this.trail = [];
    this.draw();
  }

  /** @param {Colouring} colouring */
  setColours(colouring) {
    this.colouring = colouring;
    this.#colours = colouring.groups.map(({ colour }) => rgb(colour));
    this.draw();
  }

  /** @param {readonly number[]} place */
  setCursor(place) {
    if (place.some((value, i) => value !== this.cursor[i])) this.trail = [...this.trail, this.cursor].slice(-TRAIL);
    this.cursor = place;
    this.draw();
  }

  /** Draws with the next frame, once, however much changes before. */
  draw() {
    if (this.#waits) return;
    this.#waits = true;
    requestAnimationFrame(() => {
      this.#waits = false;
      this.drawNow();
    });
  }

  /** @param {number} x @param {number} y pixels @param {number} within pixels @returns {number} the note there, the nearest to the viewer; −1 */
  noteAt(x, y, within) {
    let [best, nearest] = [-1, -Infinity];
    for (let at = 0; at < this.seen.length; at += 3) {
      const away = Math.hypot(this.seen[at] - x, this.seen[at + 1] - y);
      if (this.group >= 0 && this.colouring.of[at / 3] !== this.group) continue;
      if (away <= within && this.seen[at + 2] - away / 10 > nearest) [best, nearest] = [at / 3, this.seen[at + 2] - away / 10];
    }
    return best;
  }

  drawNow() {
    const { canvas, camera } = this;
    const { width, height } = canvas.getBoundingClientRect();
    if (width === 0) return;
    const density = Math.min(window.devicePixelRatio || 1, 2);
    const [wide, high] = [Math.round(width * density), Math.round(height * density)];
    if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    if (!pen) return;
    Object.assign(camera, { width, height });
    const style = getComputedStyle(canvas);
    const ink = (/** @type {string} */ name) => style.getPropertyValue(name);
    pen.setTransform(density, 0, 0, density, 0, 0);
    pen.fillStyle = ink("--scope-paper");
    pen.fillRect(0, 0, width, height);
    this.#grid(pen, ink);
    this.#points(pen, density);
    this.#cursor(pen, ink);
    this.#names(pen, ink);
  }

  /** @param {CanvasRenderingContext2D} pen @param {(name: string) => string} ink */
  #grid(pen, ink) {
    const { camera, axes } = this;
    const r = camera.reach;
    pen.strokeStyle = ink("--ring");
    pen.lineWidth = 1;
    pen.globalAlpha = 0.3;
    pen.beginPath();
    for (let n = -2; n <= 2 && axes > 1; n += 1) {
      const at = (n / 2) * r; // the floor, or in two dimensions the sheet
      const [level, flat] = [axes > 2 ? -r : 0, axes < 3];
      const on = (/** @type {number} */ a, /** @type {number} */ b) => (flat ? [a, b, 0] : [a, level, b]);
      this.#line(pen, on(at, -r), on(at, r));
      this.#line(pen, on(-r, at), on(r, at));
    }
    pen.stroke();
    pen.globalAlpha = 0.8;
    pen.beginPath();
    const axis = (/** @type {number} */ k, /** @type {number} */ to) => [0, 1, 2].map((i) => (i === k ? to : 0));
    for (let k = 0; k < axes; k += 1) this.#line(pen, axis(k, -r), axis(k, r));
    pen.stroke();
    pen.globalAlpha = 1;
  }

  /** @param {CanvasRenderingContext2D} pen @param {readonly number[]} from @param {readonly number[]} to */
  #line(pen, from, to) {
    const [[x0, y0], [x1, y1]] = [this.camera.seen(from), this.camera.seen(to)];
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }

  /** @param {CanvasRenderingContext2D} pen @param {number} density pixels of the canvas for one of the page */
  #points(pen, density) {
    const { camera, seen, places, colouring } = this;
    if (places.length === 0) return;
    camera.project(places, seen);
    const image = pen.getImageData(0, 0, pen.canvas.width, pen.canvas.height);
    const far = 1.5 * camera.reach;
    const size = Math.min(4.2, Math.max(1.6, camera.unit * 0.055)) * density;
    for (const note of this.#sorted()) {
      const near = Math.floor(SIZES * Math.min(0.999, Math.max(0, (seen[3 * note + 2] / far + 1) / 2))) / (SIZES - 1);
      const group = colouring.of[note];
      const alpha = this.group < 0 || group === this.group ? 0.5 + 0.45 * near : 0.08 + 0.08 * near;
      const radius = Math.round(4 * size * (0.7 + 0.7 * near)) / 4;
      dot(image, density * seen[3 * note], density * seen[3 * note + 1], radius, this.#colours[group], alpha);
    }
    pen.putImageData(image, 0, 0);
  }

  /** Notes from far to near, by layers. */
  #sorted() {
    const { seen } = this;
    const order = this.#order;
    const far = 1.75 * this.camera.reach;
    const layer = (/** @type {number} */ note) =>
      Math.min(LAYERS - 1, Math.max(0, Math.floor(((seen[3 * note + 2] / far + 1) / 2) * LAYERS)));
    const starts = new Uint32Array(LAYERS + 1);
    for (let note = 0; note < order.length; note += 1) starts[layer(note) + 1] += 1;
    for (let n = 0; n < LAYERS; n += 1) starts[n + 1] += starts[n];
    for (let note = 0; note < order.length; note += 1) order[starts[layer(note)]++] = note;
    return order;
  }

  /** The cursor, its tail, and lines along the axes to the walls, which show how deep it lies. */
  #cursor(/** @type {CanvasRenderingContext2D} */ pen, /** @type {(name: string) => string} */ ink) {
    const { camera, cursor, axes } = this;
    const r = camera.reach;
    pen.strokeStyle = ink("--accent");
    pen.lineCap = "round";
    const way = [...this.trail, cursor];
    for (let step = 1; step < way.length; step += 1) {
      pen.globalAlpha = (0.6 * step) / way.length;
      pen.lineWidth = 1 + (2 * step) / way.length;
      pen.beginPath();
      this.#line(pen, way[step - 1], way[step]);
      pen.stroke();
    }
    pen.globalAlpha = 0.7;
    pen.lineWidth = 1;
    pen.beginPath();
    for (let k = 0; k < axes && axes > 1; k += 1) {
      this.#line(pen, cursor.map((value, i) => (i === k ? -r : value)), cursor.map((value, i) => (i === k ? r : value)));
    }
    pen.stroke();
    if (axes > 2) {
      pen.beginPath();
      const foot = Array.from({ length: 33 }, (_, n) => (n / 16) * Math.PI).map((angle) => [
        cursor[0] + 0.06 * r * Math.cos(angle),
        -r,
        cursor[2] + 0.06 * r * Math.sin(angle),
      ]);
      for (const [x, y] of foot.map((place) => camera.seen(place))) pen.lineTo(x, y);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    if (this.lit >= 0) {
      const [x, y] = camera.seen([...this.places.subarray(3 * this.lit, 3 * this.lit + 3)]);
      const [a, b] = camera.seen(cursor);
      pen.strokeStyle = ink("--ink");
      pen.beginPath();
      if (Math.hypot(x - a, y - b) > 8) {
        pen.arc(x, y, 7, 0, 2 * Math.PI);
        pen.stroke();
      }
    }
    for (const { place } of this.marks) {
      const [x, y] = camera.seen(place);
      pen.beginPath();
      for (const [dx, dy] of [[0, -8], [8, 0], [0, 8], [-8, 0]]) pen.lineTo(x + dx, y + dy);
      pen.closePath();
      pen.fillStyle = ink("--ink");
      pen.strokeStyle = ink("--scope-paper");
      pen.lineWidth = 2;
      pen.fill();
      pen.stroke();
    }
    const [x, y] = camera.seen(cursor);
    const glow = pen.createRadialGradient(x, y, 6, x, y, 26);
    glow.addColorStop(0, ink("--glow"));
    glow.addColorStop(1, ink("--glow").replace(/[\d.]+%\)$/, "0%)")); // of one hue all the way: "transparent" is black
    pen.fillStyle = glow;
    pen.beginPath();
    pen.arc(x, y, 26, 0, 2 * Math.PI);
    pen.fill();
    for (const [radius, colour] of /** @type {[number, string][]} */ ([[10, "--accent"], [9, "--scope-paper"], [7, "--accent"]])) {
      pen.fillStyle = ink(colour);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fill();
    }
  }

  /** The axes' numbers, and the names of one's own sounds and of the note under the pointer, where there is room. */
  #names(/** @type {CanvasRenderingContext2D} */ pen, /** @type {(name: string) => string} */ ink) {
    pen.font = "12px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.fillStyle = ink("--soft");
    for (let k = 0; k < this.axes; k += 1) {
      const [x, y] = this.camera.seen([0, 1, 2].map((i) => (i === k ? 1.08 * this.camera.reach : 0)));
      pen.fillText(String(k + 1), x, y);
    }
    /** @type {number[][]} */
    const taken = [];
    const note = this.label?.note ?? -1;
    if (this.label) this.#text(pen, ink, this.label.name, this.seen[3 * note], this.seen[3 * note + 1], taken);
    for (const { name, place } of this.marks) {
      const [x, y] = this.camera.seen(place);
      this.#text(pen, ink, name, x, y, taken);
    }
  }

  /**
   * @param {CanvasRenderingContext2D} pen @param {(name: string) => string} ink
   * @param {string} text stands above the place, or else below it, or where both are taken nowhere
   * @param {number} x of the place @param {number} y
   * @param {number[][]} taken middle, line and half width of what stands already; grows
   */
  #text(pen, ink, text, x, y, taken) {
    const shown = text.length > 40 ? `${text.slice(0, 39)}…` : text;
    pen.font = "12.5px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const half = pen.measureText(shown).width / 2 + 7;
    const middle = Math.min(this.camera.width - half - 2, Math.max(half + 2, x));
    const isFree = (/** @type {number} */ at) =>
      at > 12 && taken.every(([mid, there, side]) => Math.abs(there - at) > 23 || Math.abs(mid - middle) > side + half);
    const line = [y - 18, y + 18].find(isFree);
    if (line === undefined) return;
    taken.push([middle, line, half]);
    pen.fillStyle = ink("--panel");
    pen.strokeStyle = ink("--line");
    pen.lineWidth = 1;
    pen.beginPath();
    pen.roundRect(middle - half, line - 11, 2 * half, 22, 6);
    pen.fill();
    pen.stroke();
    pen.fillStyle = ink("--ink");
    pen.fillText(shown, middle, line);
  }
}
