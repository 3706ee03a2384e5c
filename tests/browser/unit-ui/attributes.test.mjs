// The list of sliders: its order, its search, and how a value lies on a slider.
import assert from "node:assert/strict";
import test from "node:test";

import { SCALES, arrange, position, replies, shown, typed, valueAt } from "../../../src/darktimbre/instrument/page/attributes.js";
import { readSeconds, seconds } from "../../../src/darktimbre/instrument/page/dials.js";

const LIST = [
  ["Trumpet", 0.001, 0.8],
  ["Bass drum", 0.01, 0.7],
  ["Drum", 0.02, 0.6],
  ["Café organ", 0.3, 0.1],
  ["Violin, fiddle", 0, null],
].map(([name, baseline, response]) => ({ name, baseline, response }));
const names = (how) => arrange(LIST, how).map(({ name }) => name);

test("the order is the instrument's, by value or by name", () => {
  assert.deepEqual(names(), LIST.map(({ name }) => name));
  assert.deepEqual(names({ order: "name" }), ["Bass drum", "Café organ", "Drum", "Trumpet", "Violin, fiddle"]);
  assert.deepEqual(names({ order: "value", levels: { "Violin, fiddle": 0.9, Trumpet: 0 } }), [
    "Violin, fiddle",
    "Café organ",
    "Drum",
    "Bass drum",
    "Trumpet",
  ]);
});

test("search takes every word, any case, no accents; names with a word that begins so come first", () => {
  assert.deepEqual(names({ query: "DRUM" }), ["Bass drum", "Drum"]);
  assert.deepEqual(names({ query: "rum" }), ["Trumpet", "Bass drum", "Drum"]);
  assert.deepEqual(names({ query: "  cafe " }), ["Café organ"]);
  assert.deepEqual(names({ query: "fiddle vio" }), ["Violin, fiddle"]);
  assert.deepEqual(names({ query: "o" }), ["Café organ", "Violin, fiddle"]);
  assert.deepEqual(names({ query: "theremin" }), []);
});

test("only what was set, also where it is set to its baseline or called like a method", () => {
  assert.deepEqual(names({ onlySet: true, levels: { Drum: 0.02 } }), ["Drum"]);
  assert.deepEqual(arrange([{ name: "constructor", baseline: 0, response: null }], { onlySet: true }), []);
});

test("position and value are inverse, rising, and agree at 0 and 1; beyond is beyond", () => {
  let before = -Infinity;
  for (let value = -2; value <= 3; value += 0.01) {
    assert.ok(Math.abs(valueAt(position(value)) - value) < 1e-12);
    assert.ok(position(value) > before);
    before = position(value);
  }
  assert.deepEqual([position(0), position(1), position(0.25)], [0, 1, 0.5]);
  assert.deepEqual([SCALES.attribute.beyond, SCALES.style.beyond], [[-0.5, 1.5], [0, 2]]);
});

test("figures say what is not nothing, and can be typed back", () => {
  assert.deepEqual([0, 1e-5, -1e-5, 0.0123, 0.0996, 0.25, -0.5, 1.5].map(shown), [
    "0",
    "<.001",
    ">−.001",
    "0.012",
    "0.10",
    "0.25",
    "−0.50",
    "1.50",
  ]);
  for (const value of [0.012, 0.25, -0.5, 1.5]) assert.equal(typed(shown(value)), value);
  assert.deepEqual(["0,5", " 1 ", ".25", "1e-3", "", "x", "1 2", "0x10", "Infinity"].map(typed), [
    0.5, 1, 0.25, 0.001, null, null, null, null, null,
  ]);
});

test("how well it is followed is shown with the figure, and not made up where there is none", () => {
  assert.match(replies(0.84), /closely.*0\.84/);
  assert.match(replies(-0.05), /Hardly.*−0\.05/);
  assert.match(replies(null), /not measured/);
});

test("times read as they are shown", () => {
  for (const value of [0, 0.003, 0.2, 1, 2.5]) assert.equal(readSeconds(seconds(value)), value);
  assert.deepEqual(["250 ms", "0.25", "1,5 s", "2S", "soon"].map(readSeconds), [0.25, 0.25, 1.5, 2, null]);
});
