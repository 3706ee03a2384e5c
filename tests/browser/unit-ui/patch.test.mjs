// The patch as a value: what goes out as JSON or as a link comes back the same, and nothing else comes in.
import assert from "node:assert/strict";
import test from "node:test";

import {
  PatchError,
  changed,
  fitted,
  fromCode,
  fromJson,
  plainPatch,
  readFragment,
  round,
  soundsAs,
  tidyName,
  toCode,
  toJson,
  withAttribute,
  withoutAttribute,
} from "../../../src/darktimbre/instrument/page/patch.js";

const DIGEST = "0123456789abcdef".repeat(4);
const SOUND = changed(plainPatch(), {
  attributes: { "Singing bowl": 0.8123, "Violin, fiddle": -0.5, "__proto__x": 1.5 },
  seed: 2 ** 53 - 1,
  pad: [-1, 0.125],
  name: "Kupfer – grün ♯ 音",
  envelope: { attack: 0.01, decay: 1.5, sustain: 0.25, release: 10 },
});

const PLACED = changed(plainPatch(), { latent: [0.5, -1.25, 3], level_db: -17.5 });

test("JSON and link give the same patch back, with the instrument it was made on", () => {
  for (const patch of [SOUND, PLACED, plainPatch()]) {
    const read = fromJson(JSON.parse(JSON.stringify(toJson(patch, DIGEST))));
    assert.deepEqual(read.patch, patch);
    assert.equal(read.bundle, DIGEST);
    assert.deepEqual(fromCode(toCode(patch, DIGEST)), read);
  }
});

test("a link's code needs no escaping in an address, and survives an address bar", () => {
  const code = toCode(SOUND, DIGEST);
  assert.match(code, /^[A-Za-z0-9_-]+$/);
  const { sound, token } = readFragment(new URL(`http://127.0.0.1:1234/#token=abc&sound=${code}`).hash);
  assert.equal(token, "abc");
  assert.deepEqual(fromCode(sound).patch, SOUND);
  assert.deepEqual(readFragment(""), { token: null, sound: null });
});

test("parts may be left out and take what the server takes for them", () => {
  assert.deepEqual(fromJson({ darktimbre: "patch" }).patch, plainPatch());
  assert.deepEqual(fromJson({ seed: 3 }).patch, changed(plainPatch(), { seed: 3 }));
});

test("what is no patch is refused with a sentence", () => {
  const good = toJson(SOUND, DIGEST);
  const bad = [
    null,
    [],
    "patch",
    {},
    { anything: 1 },
    { ...good, darktimbre: "preset" },
    { ...good, version: 2 },
    { ...good, extra: 1 },
    { ...good, bundle: "../../etc" },
    { ...good, name: "a\u0000b" },
    { ...good, name: "a\u202eb" },
    { ...good, name: "x".repeat(81) },
    { ...good, attributes: [0.5] },
    { ...good, attributes: { Bell: "0.5" } },
    { ...good, attributes: { Bell: 3.01 } },
    { ...good, attributes: { Bell: Number.NaN } },
    { ...good, attributes: { Bell: 0.5, bell: 0.5 } },
    { ...good, attributes: Object.fromEntries(Array.from({ length: 601 }, (_, n) => [`a${n}`, 0])) },
    { ...good, seed: -1 },
    { ...good, seed: 0.5 },
    { ...good, seed: 2 ** 53 },
    { ...good, pad: [0, 1.001] },
    { ...good, pad: [0] },
    { ...good, pad: null },
    { ...good, latent: [] },
    { ...good, latent: [100.5] },
    { ...good, latent: "0 0 0" },
    { ...good, level_db: -121 },
    { ...good, level_db: "loud" },
    { ...good, envelope: { attack: -1 } },
    { ...good, envelope: { sustain: 1.5 } },
    { ...good, envelope: { hold: 1 } },
    { ...good, envelope: { toString: 1 } },
  ];
  for (const data of bad) {
    assert.throws(
      () => fromJson(data),
      (error) => error instanceof PatchError && /^[^a-z].*\.$/.test(error.message),
      JSON.stringify(data)?.slice(0, 80),
    );
  }
  for (const code of ["", "?", "AAAA", toCode(SOUND).slice(0, -7), btoa("\xff\xfe")]) {
    assert.throws(() => fromCode(code), PatchError);
  }
});

test("a name that JavaScript knows otherwise is an attribute like any other", () => {
  const { patch } = fromJson(JSON.parse('{"attributes": {"__proto__": 0.5, "constructor": 0.25}}'));
  assert.deepEqual(Object.entries(patch.attributes), [["__proto__", 0.5], ["constructor", 0.25]]);
  assert.deepEqual(fitted(patch, ["Bell"]).missing, ["__proto__", "constructor"]);
  assert.equal({}.polluted, undefined);
});

test("setting and unsetting an attribute touches nothing else, nor the patch before", () => {
  const before = withAttribute(plainPatch(), "Bell", 0.5);
  const after = withAttribute(before, "Bell", 0.70004);
  assert.deepEqual([before.attributes, after.attributes], [{ Bell: 0.5 }, { Bell: 0.7 }]);
  assert.equal(withAttribute(before, "Bell", 99).attributes.Bell, 3);
  assert.deepEqual(withoutAttribute(after, "Bell"), plainPatch());
  assert.throws(() => {
    "use strict";
    after.attributes.Bell = 1;
  }, TypeError);
  assert.ok(Object.is(round(-0.00001), 0));
});

test("a sound of another instrument keeps what this one has, in this one's spelling", () => {
  const { patch, missing } = fitted(withAttribute(withAttribute(SOUND, "BELL", 0.25), "Theremin", 1), ["Bell", "Singing bowl"]);
  assert.deepEqual(patch.attributes, { "Singing bowl": 0.8123, Bell: 0.25 });
  assert.deepEqual(missing, ["Violin, fiddle", "__proto__x", "Theremin"]);
  assert.equal(patch.seed, SOUND.seed);
  const here = fitted(PLACED, [], { size: 3, levelled: true }).patch;
  assert.deepEqual([here.latent, here.level_db], [PLACED.latent, PLACED.level_db]);
  const elsewhere = fitted(PLACED, [], { size: 16 }).patch;
  assert.deepEqual([elsewhere.latent, elsewhere.level_db], [null, null]);
});

test("a latent stands in place of seed and pad; an old sound has none", () => {
  assert.ok(soundsAs(PLACED, changed(PLACED, { seed: 9, pad: [1, 1] })));
  assert.ok(!soundsAs(PLACED, changed(PLACED, { latent: [0.5, -1.25, 2] })));
  assert.ok(!soundsAs(PLACED, changed(PLACED, { level_db: -17 })));
  assert.deepEqual(Object.keys(toJson(SOUND)).filter((member) => ["latent", "level_db"].includes(member)), []);
  const old = fromJson({ darktimbre: "patch", version: 1, seed: 3, pad: [0, 1] }).patch;
  assert.deepEqual([old.latent, old.level_db], [null, null]);
});

test("names and the order of attributes do not sound; everything else does", () => {
  const reordered = changed(SOUND, { name: "", attributes: Object.fromEntries(Object.entries(SOUND.attributes).reverse()) });
  assert.ok(soundsAs(SOUND, reordered));
  for (const other of [
    { seed: 1 },
    { pad: [0, 0] },
    { attributes: {} },
    { envelope: { ...SOUND.envelope, release: 1 } },
  ]) {
    assert.ok(!soundsAs(SOUND, changed(SOUND, other)));
  }
});

test("a typed name becomes one the server takes", () => {
  assert.equal(tidyName("  two \n words\u0007 "), "two words");
  assert.equal([...tidyName("♯".repeat(200))].length, 80);
  for (const name of ["a\u00a0b", "\u2028", "a\u202eb", "🎹".repeat(90)]) {
    assert.doesNotThrow(() => fromJson({ name: tidyName(name) }));
  }
});
