// @ts-check
// From places in space to places on the screen and back: a turntable with a lens. Pure.

const FAR = 3.4; // the viewer's distance, in reaches: how strong the perspective is
const STEEPEST = Math.PI / 2;
const ZOOM = /** @type {const} */ ([0.6, 8]);

export class Camera {
  /** @param {number} dimensions 1 or 2 are seen straight from in front, without perspective */
  constructor(dimensions) {
    this.flat = dimensions < 3;
    this.reach = 3; // half the side of the cube that is seen
    this.width = this.height = 1;
    this.reset();
  }

  reset() {
    this.yaw = this.flat ? 0 : -0.55;
    this.tilt = this.flat ? 0 : 0.38;
    this.zoom = 1;
    this.#turned();
  }

  /** @param {number} yaw @param {number} tilt radians further */
  turn(yaw, tilt) {
    if (this.flat) return;
    this.yaw += yaw;
    this.tilt = Math.min(STEEPEST, Math.max(-STEEPEST, this.tilt + tilt));
    this.#turned();
  }

  /** @param {number} times */
  scale(times) {
    this.zoom = Math.min(ZOOM[1], Math.max(ZOOM[0], this.zoom * times));
  }

  #turned() {
    const [cy, sy, ct, st] = [Math.cos(this.yaw), Math.sin(this.yaw), Math.cos(this.tilt), Math.sin(this.tilt)];
    // Rows of the rotation: to the right, up, towards the viewer.
    this.right = [cy, 0, sy];
    this.up = [sy * st, ct, -cy * st];
    this.out = [-sy * ct, st, cy * ct];
  }

  /** Pixels of one unit at the origin. */
  get unit() {
    const fits = Math.min(this.width, this.height) / (2 * this.reach * (this.flat ? 1.14 : 1.3));
    return this.zoom * fits;
  }

  /** @param {number} depth towards the viewer @returns {number} pixels of one unit there; at most eight times as near */
  unitAt(depth) {
    const viewer = FAR * this.reach;
    return this.flat ? this.unit : (this.unit * viewer) / Math.max(viewer / 8, viewer - depth);
  }

  /** @param {readonly number[]} place @returns {[number, number, number]} x and y in pixels, and how near to the viewer */
  seen(place) {
    const depth = dot(this.out, place);
    const unit = this.unitAt(depth);
    return [this.width / 2 + unit * dot(this.right, place), this.height / 2 - unit * dot(this.up, place), depth];
  }

  /** @param {number} x @param {number} y pixels @param {number} depth towards the viewer @returns {number[]} the place there */
  placeAt(x, y, depth) {
    const unit = this.unitAt(depth);
    const [a, b] = [(x - this.width / 2) / unit, (this.height / 2 - y) / unit];
    return [0, 1, 2].map((i) => a * this.right[i] + b * this.up[i] + depth * this.out[i]);
  }

  /** @param {Float32Array} places (note, 3) @param {Float32Array} into (note, 3): as `seen` */
  project(places, into) {
    const [[r0, r1, r2], [u0, u1, u2], [o0, o1, o2]] = [this.right, this.up, this.out];
    const [x0, y0] = [this.width / 2, this.height / 2];
    for (let at = 0; at < places.length; at += 3) {
      const [x, y, z] = [places[at], places[at + 1], places[at + 2]];
      const depth = o0 * x + o1 * y + o2 * z;
      const unit = this.unitAt(depth);
      into[at] = x0 + unit * (r0 * x + r1 * y + r2 * z);
      into[at + 1] = y0 - unit * (u0 * x + u1 * y + u2 * z);
      into[at + 2] = depth;
    }
  }
}

/** @param {readonly number[]} a @param {readonly number[]} b */
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
