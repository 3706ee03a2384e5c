// @ts-check
// The latent space as a place to play in: a panel to drag through, turn and walk by keyboard; one's own sounds lie in it.

import { Camera } from "./camera.js";
import { Cloud, NO_POINTS, along, dimensions, drawn, movedTo, reach } from "./cloud.js";
import { noteName } from "./piano.js";
import { colouring } from "./point_colours.js";
import { SpaceView } from "./space_view.js";

/** @typedef {import("./patch.js").Patch} Patch */
/** @typedef {import("./cloud.js").Points} Points */
/** @typedef {{name: string, latent: readonly number[], level_db: number | null, pitch: number | null}} OwnSound */

const STEP = 0.1; // for an arrow key
const FINE = 0.01; // with Shift
const LEAP = 0.5; // with Ctrl
const TURN = 0.01; // radians for a pixel
const WHEEL = 0.002; // of the reach for a pixel of the wheel
const CATCH = 9; // pixels within which a note is taken
const GRIP = 20; // pixels within which the cursor is
const PAUSE = 350; // ms after which a turn of the wheel is over

export class Space {
  /** @type {Map<number, {x: number, y: number}>} pointers that are down */
  #pointers = new Map();
  /** @type {{kind: "move", depth: number, dx: number, dy: number} | {kind: "turn"} | null} */
  #drag = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #wheelEnd = undefined;
  #moving = false;

  /**
   * @param {object} parts
   * @param {HTMLElement} parts.surface
   * @param {HTMLCanvasElement} parts.canvas
   * @param {HTMLInputElement[]} parts.ranges hidden ranges: the space for keyboard and screen readers
   * @param {HTMLSelectElement} parts.colour
   * @param {HTMLSelectElement} parts.axes which dimensions are seen, where there are more than three
   * @param {HTMLButtonElement} parts.play
   * @param {HTMLButtonElement} parts.turn
   * @param {HTMLButtonElement} parts.front the view as it was in the beginning
   * @param {HTMLButtonElement} parts.dice
   * @param {HTMLButtonElement} parts.lock
   * @param {HTMLButtonElement} parts.nearest goes to the note that it names
   * @param {HTMLElement} parts.hint
   * @param {HTMLElement} parts.legend
   * @param {HTMLElement} parts.sounds
   * @param {number} size values of a latent
   * @param {object} on
   * @param {(latent: readonly number[], event: Event) => void} on.onMove
   * @param {() => void} on.onSeal
   * @param {(note: {latent: readonly number[], styles: string[], name: string, pitch: number | null}, event: Event) => void} on.onNote
   * @param {(sound: OwnSound, event: Event) => void} on.onSound
   * @param {(patch: Patch) => Promise<readonly number[]>} on.latentOf that of a patch that holds none
   * @param {(error: unknown) => void} on.onError
   */
  constructor(parts, size, on) {
    this.parts = parts;
    this.on = on;
    this.size = size;
    this.seen = Math.min(3, size);
    /** @type {readonly (readonly number[])[]} */
    this.axes = dimensions(size, [0, 1, 2].slice(0, this.seen));
    this.cloud = new Cloud(NO_POINTS, size);
    this.camera = new Camera(this.seen);
    this.view = new SpaceView(parts.canvas, this.camera, this.seen);
    /** @type {readonly number[]} */
    this.latent = Array(size).fill(0);
    /** @type {Patch | null} */
    this.patch = null;
    /** @type {OwnSound[]} */
    this.sounds = [];
    for (const element of [parts.play, parts.turn, parts.front]) element.hidden = this.seen < 3;
    for (const [k, range] of parts.ranges.entries()) range.hidden = k >= this.seen;
    this.#axesMenu();
    this.#listen();
    this.#mode("play");
    this.setPoints(NO_POINTS);
  }

  /** @returns {boolean} whether Randomise leaves the place alone */
  get locked() {
    return this.parts.lock.getAttribute("aria-pressed") === "true";
  }

  /** @param {() => number} [random] @returns {number[]} a place between two training notes, or drawn from the prior */
  randomLatent(random = Math.random) {
    const { latent } = this.cloud.points;
    if (latent.length === 0) return drawn(this.size, random);
    const pick = () => latent[Math.min(latent.length - 1, Math.floor(random() * latent.length))];
    const [first, second] = [pick(), pick()];
    return first.map((value, i) => Math.round(1e4 * (0.75 * value + 0.25 * second[i])) / 1e4 + 0);
  }

  /** @param {Points} points */
  setPoints(points) {
    this.cloud = new Cloud(points, this.size);
    const { colour } = this.parts;
    const has = { style: points.styles.some((tags) => tags.length > 0), pitch: points.pitch.some((pitch) => pitch !== null) };
    for (const option of colour.options) option.disabled = !(option.value === "style" ? has.style : has.pitch);
    colour.closest("label")?.toggleAttribute("hidden", !has.style && !has.pitch);
    colour.value = has.style ? "style" : "octave";
    this.#setAxes();
    this.setTheme();
    this.#report();
  }

  /** The colours by what the menu says, in the theme's lightness. */
  setTheme() {
    const dark = getComputedStyle(this.parts.canvas).getPropertyValue("--scope-dark").trim() === "1";
    const by = /** @type {import("./point_colours.js").By} */ (this.parts.colour.value);
    const coloured = colouring(this.cloud.points, by, dark);
    this.view.group = -1;
    this.view.setColours(coloured);
    this.parts.legend.replaceChildren(
      ...coloured.groups.map(({ name, colour }, group) => {
        const chip = document.createElement("button");
        chip.type = "button";
        chip.className = "chip";
        chip.setAttribute("aria-pressed", "false");
        chip.title = "Shows these notes alone; again shows all";
        const mark = document.createElement("span");
        mark.className = "chip-mark";
        mark.style.background = colour;
        chip.append(mark, name);
        chip.addEventListener("click", () => this.#single(this.view.group === group ? -1 : group));
        const item = document.createElement("li");
        item.append(chip);
        return item;
      }),
    );
    this.parts.legend.hidden = coloured.groups.length === 0;
  }

  /** @param {number} group the one that is shown clearly; −1: all */
  #single(group) {
    this.view.group = group;
    for (const [n, chip] of this.parts.legend.querySelectorAll("button").entries()) {
      chip.setAttribute("aria-pressed", String(n === group));
    }
    this.view.draw();
  }

  /** @param {Patch} patch */
  async show(patch) {
    this.patch = patch;
    if (patch.latent !== null) {
      this.#place(patch.latent);
      return;
    }
    try {
      const latent = await this.on.latentOf(patch);
      if (this.patch === patch) this.#place(latent); // else another came meanwhile
    } catch (error) {
      this.on.onError(error);
    }
  }

  /** @param {OwnSound} sound stays as a point; one of the same name makes room for it */
  add(sound) {
    this.sounds = [...this.sounds.filter(({ name }) => name !== sound.name), sound];
    this.#listSounds();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // What is shown
  // -------------------------------------------------------------------------------------------------------------------
  /** @param {readonly number[]} latent */
  #place(latent) {
    this.latent = latent;
    this.view.setCursor(along(latent, this.axes));
    this.#report();
  }

  #report() {
    const { nearest, ranges } = this.parts;
    const note = this.cloud.nearest(this.latent);
    this.view.lit = note;
    nearest.hidden = note < 0;
    if (note >= 0) {
      nearest.textContent = `Nearest: ${this.#named(note)}`;
      nearest.title = `The training note nearest to this place: ${this.#named(note)}. Click goes to it and takes its styles.`;
    }
    const place = along(this.latent, this.axes);
    for (const [k, range] of ranges.slice(0, this.seen).entries()) {
      range.min = String(-this.camera.reach);
      range.max = String(this.camera.reach);
      range.value = String(place[k]);
      range.setAttribute("aria-valuetext", `${place[k].toFixed(2)}${note < 0 ? "" : `, nearest ${this.#named(note)}`}`);
    }
  }

  /** @param {number} note @returns {string} its name, with its pitch where the name does not hold it */
  #named(note) {
    const { names, pitch } = this.cloud.points;
    const midi = pitch[note];
    return midi === null ? names[note] : `${names[note]} · ${noteName(midi)}`;
  }

  #axesMenu() {
    const { axes } = this.parts;
    axes.closest("label")?.toggleAttribute("hidden", this.size <= 3);
    if (this.size <= 3) return;
    const options = [["main", "main axes"]];
    for (let first = 0; first + 3 <= this.size; first += 3) options.push([`${first} ${first + 1} ${first + 2}`, `${first + 1} ${first + 2} ${first + 3}`]);
    if (this.size % 3 !== 0) options.push([`${this.size - 3} ${this.size - 2} ${this.size - 1}`, `${this.size - 2} ${this.size - 1} ${this.size}`]);
    axes.replaceChildren(...options.map(([value, name]) => new Option(name, value)));
    axes.addEventListener("input", () => {
      this.#setAxes();
      this.#place(this.latent);
    });
  }

  #setAxes() {
    const { axes } = this.parts;
    const main = this.cloud.points.axes;
    if (this.size <= 3) this.axes = dimensions(this.size, [0, 1, 2].slice(0, this.seen));
    else if (axes.value === "main" && main.length === 3) this.axes = main;
    else this.axes = dimensions(this.size, axes.value === "main" ? [0, 1, 2] : axes.value.split(" ").map(Number));
    const places = this.cloud.places(this.axes);
    this.camera.reach = reach(places);
    this.view.setPlaces(places);
    this.view.cursor = along(this.latent, this.axes);
    this.#listSounds();
  }

  #listSounds() {
    const { sounds } = this.parts;
    this.view.marks = this.sounds.map(({ name, latent }) => ({ name, place: along(latent, this.axes) }));
    sounds.hidden = this.sounds.length === 0;
    sounds.replaceChildren(
      ...this.sounds.map((sound) => {
        const go = document.createElement("button");
        go.type = "button";
        go.className = "chip chip-sound";
        go.textContent = sound.name;
        go.title = "Plays this sound of yours: its place and its level";
        go.addEventListener("click", (event) => this.on.onSound(sound, event));
        const remove = document.createElement("button");
        remove.type = "button";
        remove.className = "chip chip-close";
        remove.textContent = "×";
        remove.setAttribute("aria-label", `Remove ${sound.name}`);
        remove.addEventListener("click", () => {
          this.sounds = this.sounds.filter((one) => one !== sound);
          this.#listSounds();
          this.parts.ranges[0].focus({ preventScroll: true });
        });
        const item = document.createElement("li");
        item.append(go, remove);
        return item;
      }),
    );
    this.view.draw();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Hands on it
  // -------------------------------------------------------------------------------------------------------------------
  #listen() {
    const { surface, ranges, play, turn, front, dice, lock, nearest, colour } = this.parts;
    surface.addEventListener("pointerdown", (event) => this.#down(event));
    surface.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) surface.addEventListener(end, (event) => this.#lift(event));
    surface.addEventListener("pointerleave", () => this.#hover(-1));
    surface.addEventListener("contextmenu", (event) => event.preventDefault());
    surface.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    for (const range of ranges) {
      range.addEventListener("keydown", (event) => this.#key(event));
      for (const end of ["keyup", "change"]) range.addEventListener(end, () => this.#rest());
      range.addEventListener("input", (event) => {
        this.#to(ranges.map((one) => (one.hidden ? 0 : Number(one.value))), event);
      });
      range.addEventListener("focus", () => surface.classList.toggle("has-focus", range.matches(":focus-visible")));
      range.addEventListener("blur", () => surface.classList.remove("has-focus"));
    }
    play.addEventListener("click", () => this.#mode("play"));
    turn.addEventListener("click", () => this.#mode("turn"));
    front.addEventListener("click", () => {
      this.camera.reset();
      this.view.draw();
    });
    dice.addEventListener("click", (event) => {
      this.on.onMove(drawn(this.size), event);
      this.on.onSeal();
    });
    lock.addEventListener("click", () => {
      lock.setAttribute("aria-pressed", String(!this.locked));
      lock.querySelector("use")?.setAttribute("href", this.locked ? "#icon-lock" : "#icon-unlock");
    });
    nearest.addEventListener("click", (event) => this.#take(this.cloud.nearest(this.latent), event));
    colour.addEventListener("input", () => this.setTheme());
    new ResizeObserver(() => this.view.draw()).observe(surface);
  }

  /** @param {"play" | "turn"} mode what dragging does */
  #mode(mode) {
    const { play, turn, surface, hint } = this.parts;
    this.turns = mode === "turn";
    play.setAttribute("aria-pressed", String(!this.turns));
    turn.setAttribute("aria-pressed", String(this.turns));
    surface.classList.toggle("turns", this.turns);
    hint.textContent =
      this.seen < 3 ? "" : this.turns ? "Drag turns, wheel zooms" : "Drag moves, wheel or ⇧ drag goes deeper";
  }

  /** @param {number} note @param {Event} event */
  #take(note, event) {
    const { latent, styles, tags, names, pitch } = this.cloud.points;
    const named = styles[note].map((tag) => tags[tag]);
    this.on.onNote({ latent: latent[note], styles: named, name: names[note], pitch: pitch[note] }, event);
  }

  /** @param {readonly number[]} place @param {Event} event */
  #to(place, event) {
    const { reach } = this.camera;
    const kept = place.map((value) => Math.min(reach, Math.max(-reach, value)));
    this.#moving = true;
    this.on.onMove(movedTo(this.latent, this.axes, kept), event);
  }

  /** The gesture is over. */
  #rest() {
    if (this.#moving) this.on.onSeal();
    this.#moving = false;
  }

  /** @param {MouseEvent} event @returns {{x: number, y: number}} */
  #at(event) {
    const { left, top } = this.parts.surface.getBoundingClientRect();
    return { x: event.clientX - left, y: event.clientY - top };
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (event.button > 2) return;
    const { surface, ranges } = this.parts;
    surface.setPointerCapture(event.pointerId);
    ranges[0].focus({ preventScroll: true });
    event.preventDefault();
    const { x, y } = this.#at(event);
    this.#pointers.set(event.pointerId, { x, y });
    this.#hover(-1);
    if (this.#pointers.size > 1 || this.turns || event.button !== 0) {
      this.#drag = { kind: "turn" };
      return;
    }
    const [cx, cy, depth] = this.camera.seen(this.view.cursor);
    if (Math.hypot(x - cx, y - cy) <= GRIP) {
      this.#drag = { kind: "move", depth, dx: cx - x, dy: cy - y };
      return;
    }
    const sound = this.view.marks.findIndex(({ place }) => {
      const [sx, sy] = this.camera.seen(place);
      return Math.hypot(x - sx, y - sy) <= GRIP / 2;
    });
    const note = this.view.noteAt(x, y, CATCH);
    if (sound >= 0) {
      this.on.onSound(this.sounds[sound], event);
    } else if (note >= 0) {
      this.#moving = true;
      this.on.onMove(this.cloud.points.latent[note], event);
    } else {
      this.#to(this.camera.placeAt(x, y, depth), event);
    }
    const [nx, ny, there] = this.camera.seen(this.view.cursor);
    this.#drag = { kind: "move", depth: there, dx: nx - x, dy: ny - y };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { x, y } = this.#at(event);
    const before = this.#pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType === "mouse") this.#hover(this.view.noteAt(x, y, CATCH));
      return;
    }
    const others = [...this.#pointers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
    this.#pointers.set(event.pointerId, { x, y });
    if (this.#drag?.kind === "turn") {
      const share = 1 / (1 + others.length); // two fingers turn by their middle and zoom by their distance
      this.camera.turn(share * TURN * (x - before.x), share * TURN * (y - before.y));
      if (others.length > 0) {
        const span = (/** @type {{x: number, y: number}} */ one) => Math.hypot(one.x - others[0].x, one.y - others[0].y);
        this.camera.scale(span({ x, y }) / Math.max(1, span(before)));
      }
      this.view.draw();
    } else if (this.#drag && event.shiftKey && this.seen > 2) {
      this.#deeper((before.y - y) / this.camera.unit, event);
      const [cx, cy, depth] = this.camera.seen(this.view.cursor);
      this.#drag = { kind: "move", depth, dx: cx - x, dy: cy - y };
    } else if (this.#drag) {
      const { dx, dy, depth } = this.#drag;
      this.#to(this.camera.placeAt(x + dx, y + dy, depth), event);
    }
  }

  /** @param {PointerEvent} event */
  #lift(event) {
    this.#pointers.delete(event.pointerId);
    if (this.#pointers.size > 0) return;
    this.#drag = null;
    this.#rest();
  }

  /** @param {number} note whose name is shown; −1: none */
  #hover(note) {
    if (note === (this.view.label?.note ?? -1)) return;
    this.view.label = note < 0 ? null : { note, name: this.#named(note) };
    this.view.draw();
  }

  /** @param {number} by units away from the viewer @param {Event} event */
  #deeper(by, event) {
    const { out } = this.camera;
    this.#to(this.view.cursor.map((value, i) => value - by * out[i]), event);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    event.preventDefault();
    const pixels = event.deltaMode === 1 ? 16 * event.deltaY : event.deltaY;
    if (this.turns || event.ctrlKey || this.seen < 3) {
      this.camera.scale(Math.exp(-WHEEL * pixels));
      this.view.draw();
      return;
    }
    this.#deeper(-WHEEL * this.camera.reach * pixels, event);
    clearTimeout(this.#wheelEnd);
    this.#wheelEnd = setTimeout(() => this.#rest(), PAUSE);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.metaKey || ((event.altKey || event.ctrlKey) && !/^(Arrow|Page)/.test(event.key))) return;
    const step = event.shiftKey ? FINE : event.ctrlKey ? LEAP : STEP;
    const moves = /** @type {Record<string, [number, number, number]>} */ ({
      ArrowRight: [1, 0, 0],
      ArrowLeft: [-1, 0, 0],
      ArrowUp: [0, 1, 0],
      ArrowDown: [0, -1, 0],
      PageUp: [0, 0, 1],
      PageDown: [0, 0, -1],
    });
    const way = moves[event.key];
    if (event.key === "Backspace" || event.key === "Delete" || event.key === "Home") this.#to([0, 0, 0], event);
    else if (event.key === "Enter" && this.cloud.count > 0) this.#take(this.cloud.nearest(this.latent), event);
    else if (way && (this.turns || event.altKey)) {
      this.camera.turn(0.1 * way[0], -0.1 * way[1]);
      this.camera.scale(1.2 ** way[2]);
      this.view.draw();
    } else if (way) this.#to(along(this.latent, this.axes).map((value, k) => value + step * way[k]), event);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
