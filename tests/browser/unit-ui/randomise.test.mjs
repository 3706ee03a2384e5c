// Randomise: between two training notes, and what is locked stays.
import assert from "node:assert/strict";
import test from "node:test";

import { changed, plainPatch } from "../../../src/darktimbre/instrument/page/patch.js";
import { newSeed, randomised } from "../../../src/darktimbre/instrument/page/randomise.js";
import { numbers, rings } from "../../../src/darktimbre/instrument/page/rings.js";

const ATTRIBUTES = ["Bell", "Drum", "Flute"].map((name) => ({ name, baseline: 0.01, response: null }));
const EXAMPLES = [
  { Bell: 0.8, Drum: 0.0101, Flute: 0 },
  { Bell: 0.4, Drum: 0.0101, Flute: 0.2 },
];
const FROM = { attributes: ATTRIBUTES, examples: EXAMPLES, locked: new Set(), seedLocked: false };
const SET = changed(plainPatch(), { attributes: { Drum: 0.9 }, seed: 7, pad: [0.5, 0.5], name: "mine" });

test("every value lies between those of two examples; what is at the baseline is not set", () => {
  for (let seed = 0; seed < 200; seed += 1) {
    const { attributes } = randomised(plainPatch(), { ...FROM, random: numbers(seed) });
    assert.ok(attributes.Bell >= 0.4 && attributes.Bell <= 0.8);
    assert.ok((attributes.Flute ?? 0.01) <= 0.2);
    assert.ok(!("Drum" in attributes));
  }
});

test("locked attributes, seed and pad stay; the envelope always does; the name goes", () => {
  const made = randomised(SET, { ...FROM, locked: new Set(["Drum", "Flute"]), seedLocked: true, random: numbers(1) });
  assert.equal(made.attributes.Drum, 0.9);
  assert.ok(!("Flute" in made.attributes));
  assert.deepEqual([made.seed, made.pad, made.name, made.envelope], [7, [0.5, 0.5], "", SET.envelope]);
  const free = randomised(SET, { ...FROM, random: numbers(1) });
  assert.deepEqual(free.pad, [0, 0]);
  assert.notEqual(free.seed, 7);
});

test("in a latent space a place is drawn in place of a seed, unless it is locked", () => {
  const latent = () => [1, 2, 3];
  assert.deepEqual(randomised(SET, { ...FROM, latent }).latent, [1, 2, 3]);
  assert.equal(randomised(SET, { ...FROM, latent }).seed, SET.seed);
  assert.equal(randomised(SET, { ...FROM, latent, seedLocked: true }).latent, null);
});

test("an instrument without examples is randomised, too", () => {
  const values = Array.from({ length: 50 }, (_, seed) =>
    Object.values(randomised(plainPatch(), { ...FROM, examples: [], random: numbers(seed) }).attributes),
  ).flat();
  assert.ok(values.length > 0 && values.every((value) => value >= 0 && value <= 1));
});

test("seeds are whole numbers that the server takes, and a seed's rings are its own and never cross", () => {
  for (let run = 0; run < 100; run += 1) assert.ok(Number.isSafeInteger(newSeed()) && newSeed() >= 0);
  assert.deepEqual(rings(5), rings(5));
  assert.notDeepEqual(rings(5), rings(6));
  assert.notDeepEqual(rings(2 ** 33), rings(0));
  for (let seed = 0; seed < 300; seed += 1) {
    const drawn = rings(seed);
    for (let ring = 1; ring < drawn.length; ring += 1) {
      assert.ok(drawn[ring].every((radius, angle) => radius > drawn[ring - 1][angle]), `seed ${seed}, ring ${ring}`);
    }
  }
});
