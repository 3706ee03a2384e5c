// From a change to its notes: times from the change on, states of keys, and notes of older changes kept apart.
import assert from "node:assert/strict";
import test from "node:test";

import { decodeNote } from "../../../src/darktimbre/instrument/page/connection.js";
import { Progress, duration } from "../../../src/darktimbre/instrument/page/progress.js";

test("times are measured from the change, and the sentence says what is still missing", () => {
  const progress = new Progress();
  assert.equal(progress.sentence(), "");
  progress.changed(1, 1000);
  assert.equal(progress.state(60), "waiting");
  progress.begun(1, 2, 0);
  assert.ok(progress.note(1, 60, 1041));
  assert.equal(progress.sentence(), "Rendering 1 of 2 · keys fill in as they come · first new note after 41 ms");
  progress.note(1, 61, 1400);
  progress.finished(1, 1500);
  assert.equal(progress.sentence(), "First new note after 41 ms, all 2 notes after 400 ms.");
  assert.ok(!progress.busy);

  progress.changed(2, 2000);
  assert.deepEqual([progress.state(60), progress.state(61)], ["stale", "stale"]);
  progress.begun(2, 2, 0);
  progress.note(2, 61, 2050);
  assert.deepEqual([progress.state(60), progress.state(61)], ["stale", "ready"]);
  assert.match(progress.sentence(), /the other keys sound as before/);
});

test("what belongs to an older change counts as nothing new, and never replaces a newer note", () => {
  const progress = new Progress();
  progress.changed(1, 0);
  progress.changed(2, 10);
  progress.begun(1, 26, 26);
  assert.equal(progress.total, 0);
  assert.ok(progress.note(1, 60, 20)); // better than nothing
  assert.equal(progress.state(60), "stale");
  progress.note(2, 60, 30);
  assert.ok(!progress.note(1, 60, 40));
  assert.equal(progress.state(60), "ready");
  progress.finished(1, 50);
  progress.failed(1, "too late");
  assert.ok(progress.busy);
  assert.equal(progress.come, 1);
});

test("a note sent again after the line was cut is counted once", () => {
  const progress = new Progress();
  progress.changed(1, 0);
  progress.begun(1, 2, 0);
  progress.note(1, null, 5);
  assert.ok(!progress.note(1, null, 6));
  assert.equal(progress.come, 1);
});

test("what was in memory is said to be", () => {
  const progress = new Progress();
  progress.changed(1, 0);
  progress.begun(1, 1, 1);
  progress.note(1, null, 4);
  assert.equal(progress.sentence(), "From memory: the note after 4 ms.");
  progress.changed(2, 10);
  progress.failed(2, "No.");
  assert.ok(!progress.busy);
});

test("durations in figures that were measured", () => {
  assert.deepEqual([0.2, 41.4, 994, 1234, 12345].map(duration), ["1 ms", "41 ms", "994 ms", "1.2 s", "12 s"]);
});

test("the binary note: header, samples, NaN for no pitch; a torn message is refused", () => {
  const message = new ArrayBuffer(16 + 8);
  const view = new DataView(message);
  view.setUint32(0, 4294967295, true);
  view.setFloat32(4, 60.5, true);
  view.setUint32(8, 48000, true);
  view.setUint32(12, 2, true);
  view.setFloat32(16, 0.5, true);
  view.setFloat32(20, -1, true);
  const note = decodeNote(message);
  assert.deepEqual({ ...note, samples: [...note.samples] }, { generation: 4294967295, source: 60.5, rate: 48000, samples: [0.5, -1] });
  view.setFloat32(4, Number.NaN, true);
  assert.equal(decodeNote(message).source, null);
  assert.throws(() => decodeNote(message.slice(0, 20)), RangeError);
  assert.throws(() => decodeNote(new ArrayBuffer(3)), RangeError);
});
