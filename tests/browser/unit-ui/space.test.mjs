// The latent space as numbers: places along axes, the nearest note, the camera and its way back, colours by what is known.
import assert from "node:assert/strict";
import test from "node:test";

import { Camera } from "../../../src/darktimbre/instrument/page/camera.js";
import { Cloud, along, dimensions, drawn, movedTo, reach } from "../../../src/darktimbre/instrument/page/cloud.js";
import { dot } from "../../../src/darktimbre/instrument/page/dots.js";
import { colouring } from "../../../src/darktimbre/instrument/page/point_colours.js";
import { numbers } from "../../../src/darktimbre/instrument/page/rings.js";

const random = numbers(5);
const gauss = (/** @type {number} */ size) => drawn(size, random);
const S = Math.SQRT1_2;
const TILTED = [[S, S, 0, 0], [S, -S, 0, 0], [0, 0, 1, 0]]; // of four dimensions
const POINTS = {
  names: ["a", "b", "c", "d"],
  latent: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 9]],
  level_db: [-1, -1, -1, -1],
  pitch: [60, 61, 48, null],
  styles: [[0], [0, 1], [1], []],
  tags: ["bowed", "violin"],
  axes: TILTED,
};
/** @param {readonly number[]} found @param {readonly number[]} wanted */
const near = (found, wanted, within = 1e-3) =>
  assert.ok(wanted.length === found.length && wanted.every((value, i) => Math.abs(value - found[i]) < within), `${found}`);

test("moving along axes gives these coordinates and leaves what lies at right angles to them", () => {
  for (let run = 0; run < 50; run += 1) {
    const [latent, place] = [gauss(4), gauss(3)];
    const moved = movedTo(latent, TILTED, place);
    near(along(moved, TILTED), place);
    assert.equal(moved[3], latent[3]);
    near(movedTo(moved, TILTED, along(latent, TILTED)), latent);
  }
  near(movedTo([1, 2], dimensions(2, [0, 1]), [5, 6, 7]), [5, 6]);
  near(along([1, 2], dimensions(2, [0, 1])), [1, 2, 0]);
  near(movedTo([1], dimensions(1, [0]), [3, 9, 9]), [3]);
});

test("the nearest note is the one that a plain search finds", () => {
  const latent = Array.from({ length: 300 }, () => gauss(5));
  const cloud = new Cloud({ ...POINTS, names: latent.map(String), latent }, 5);
  for (let run = 0; run < 50; run += 1) {
    const at = gauss(5);
    const away = latent.map((one) => one.reduce((sum, value, i) => sum + (Math.fround(value) - at[i]) ** 2, 0));
    assert.equal(cloud.nearest(at), away.indexOf(Math.min(...away)));
  }
  assert.equal(new Cloud({ ...POINTS, names: [], latent: [] }, 5).nearest(gauss(5)), -1);
});

test("points are seen along the axes, and the view reaches at least three deviations", () => {
  const places = new Cloud(POINTS, 4).places(TILTED);
  near([...places.subarray(0, 6)], [S, S, 0, S, -S, 0]);
  assert.equal(reach(places), 3);
  assert.equal(reach(Float32Array.from({ length: 3000 }, () => 5.01)), 5.1);
  assert.equal(reach(new Float32Array(0)), 3);
});

test("what is drawn from the prior is standard normal, and bounded", () => {
  const values = Array.from({ length: 4000 }, () => gauss(3)).flat();
  const mean = values.reduce((sum, one) => sum + one, 0) / values.length;
  const spread = values.reduce((sum, one) => sum + (one - mean) ** 2, 0) / values.length;
  assert.ok(Math.abs(mean) < 0.03 && Math.abs(spread - 1) < 0.04, `${mean} ${spread}`);
  assert.ok(values.every((value) => Math.abs(value) <= 4));
});

for (const dimensions of [2, 3]) {
  test(`a place seen in ${dimensions} dimensions leads back to itself, however the view is turned`, () => {
    const camera = new Camera(dimensions);
    Object.assign(camera, { width: 640, height: 300 });
    for (let run = 0; run < 60; run += 1) {
      const place = dimensions === 3 ? gauss(3) : [...gauss(2), 0];
      const [x, y, depth] = camera.seen(place);
      near(camera.placeAt(x, y, depth), place, 1e-9);
      const many = new Float32Array(3);
      camera.project(Float32Array.from(place), many);
      near([...many], [x, y, depth], 1e-2);
      camera.turn(random() - 0.5, random() - 0.5);
      camera.scale(0.7 + 0.6 * random());
    }
  });
}

test("what is nearer to the eye is larger; the first view looks down a little; zoom and tilt have bounds", () => {
  const camera = new Camera(3);
  assert.ok(camera.unitAt(1) > camera.unitAt(0) && camera.unitAt(-1) < camera.unitAt(0));
  assert.ok(Number.isFinite(camera.unitAt(1e9)) && camera.unitAt(1e9) > 0);
  assert.ok(camera.seen([0, 1, 0])[2] > 0);
  camera.turn(0, 100);
  assert.equal(camera.tilt, Math.PI / 2);
  camera.scale(1e9);
  assert.equal(camera.zoom, 8);
  camera.reset();
  assert.equal(camera.zoom, 1);
});

test("colours go by style, octave or semitone; what has none is grey and last; no two of a kind are alike", () => {
  for (const dark of [true, false]) {
    const style = colouring(POINTS, "style", dark);
    assert.deepEqual(style.groups.map(({ name }) => name), ["bowed", "bowed + violin", "violin", "none"]);
    assert.deepEqual([...style.of], [0, 1, 2, 3]);
    const octave = colouring(POINTS, "octave", dark);
    assert.deepEqual(octave.groups.map(({ name }) => name), ["octave 3", "octave 4", "none"]);
    assert.deepEqual([...octave.of], [1, 1, 0, 2]);
    const semitone = colouring(POINTS, "semitone", dark);
    assert.deepEqual(semitone.groups.map(({ name }) => name), ["C", "C♯", "none"]);
    assert.deepEqual([...semitone.of], [0, 1, 0, 2]);
    for (const { groups } of [style, octave, semitone]) {
      assert.equal(new Set(groups.map(({ colour }) => colour)).size, groups.length);
    }
  }
});

test("a dot covers its area and its centre, within the image and at its edges", () => {
  const image = { width: 40, height: 30, data: new Uint8ClampedArray(4 * 40 * 30) };
  dot(/** @type {ImageData} */ (image), 20.5, 15.5, 5, [255, 100, 0], 1);
  const red = image.data.filter((_, i) => i % 4 === 0);
  const area = red.reduce((sum, value) => sum + value / 255, 0);
  assert.ok(Math.abs(area - Math.PI * 25) < 2, `${area}`);
  assert.deepEqual([...image.data.subarray(4 * (15 * 40 + 20), 4 * (15 * 40 + 20) + 3)], [255, 100, 0]);
  for (const [x, y] of [[0, 0], [39.9, 29.9], [-3, 10], [500, -500], [-1e9, 3]]) {
    dot(/** @type {ImageData} */ (image), x, y, 5, [255, 255, 255], 0.5);
  }
  assert.ok(image.data[0] > 100);
});
