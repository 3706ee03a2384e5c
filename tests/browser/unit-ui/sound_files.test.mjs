// Sounds of one's own: what is predicted sets the sliders, and the pitch is named as a musician would.
import assert from "node:assert/strict";
import test from "node:test";

import { likeDescribed, pitchName } from "../../../src/darktimbre/instrument/page/sound_files.js";
import { changed, plainPatch } from "../../../src/darktimbre/instrument/page/patch.js";
import { fileName } from "../../../src/darktimbre/instrument/page/presets.js";

test("what is predicted takes the place of all that was set; what is at the baseline is not set", () => {
  const attributes = ["Bell", "Drum", "Flute"].map((name) => ({ name, baseline: 0.1, response: null }));
  const before = changed(plainPatch(), { attributes: { Flute: 1 }, seed: 3 });
  const after = likeDescribed(before, { Bell: 0.91234, Drum: 0.1001, Unknown: 1 }, attributes, "like a bell");
  assert.deepEqual(after.attributes, { Bell: 0.9123 });
  assert.deepEqual([after.seed, after.name], [3, "like a bell"]);
});

test("pitches are named with cents where they are off", () => {
  assert.deepEqual([60, 69.01, 57.2, 56.8, 0, 127].map(pitchName), [
    "C4",
    "A4",
    "A3, 20 cents sharp",
    "A3, 20 cents flat",
    "C-1",
    "G9",
  ]);
});

test("a file's name is one that every system takes, whatever the sound is called", () => {
  assert.deepEqual(["Night brass", "a/b\\c:d", "../../etc", "…", "ünï ♯"].map(fileName), [
    "Night brass",
    "a_b_c_d",
    "_.._etc",
    "_",
    "ünï _",
  ]);
});
