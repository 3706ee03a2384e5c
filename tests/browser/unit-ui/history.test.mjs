// Undo, redo and A/B: every change can be taken back, a gesture is one step, and the other sound is left alone.
import assert from "node:assert/strict";
import test from "node:test";

import { History, copied, current, other, session, switched, withCurrent } from "../../../src/darktimbre/instrument/page/history.js";

test("undo and redo walk through all values in order, with their labels", () => {
  const history = new History(0);
  for (const value of [1, 2, 3]) history.commit(value, `to ${value}`);
  assert.equal(history.undo(), "to 3");
  assert.equal(history.undo(), "to 2");
  assert.equal(history.value, 1);
  assert.equal(history.redoLabel, "to 2");
  assert.equal(history.redo(), "to 2");
  assert.equal(history.value, 2);
  while (history.undo() !== null);
  assert.equal(history.value, 0);
  while (history.redo() !== null);
  assert.equal(history.value, 3);
});

test("a new change drops what was undone", () => {
  const history = new History("a");
  history.commit("b", "b");
  history.undo();
  history.commit("c", "c");
  assert.equal(history.redo(), null);
  assert.equal(history.undo(), "c");
  assert.equal(history.value, "a");
});

test("a gesture is one step; a pause, another tag, a seal or an undo ends it", () => {
  const steps = (commits) => {
    const history = new History(0);
    commits(history);
    return history.steps.map(({ value }) => value);
  };
  const drag = (history, value, now, tag = "bell") => history.commit(value, tag, { tag, now });
  assert.deepEqual(steps((h) => [1, 2, 3].forEach((v) => drag(h, v, 100 * v))), [0, 3]);
  assert.deepEqual(steps((h) => [1, 2].forEach((v) => drag(h, v, 1001 * v))), [0, 1, 2]);
  assert.deepEqual(steps((h) => (drag(h, 1, 0), drag(h, 2, 1, "drum"), drag(h, 3, 2))), [0, 1, 2, 3]);
  assert.deepEqual(steps((h) => (drag(h, 1, 0), h.seal(), drag(h, 2, 1))), [0, 1, 2]);
  assert.deepEqual(steps((h) => (drag(h, 1, 0), h.undo(), drag(h, 2, 1))), [0, 2]);
});

test("the line does not grow without end, and the oldest are the ones forgotten", () => {
  const history = new History(0, { limit: 10 });
  for (let value = 1; value <= 100; value += 1) history.commit(value, "on");
  assert.equal(history.steps.length, 10);
  while (history.undo() !== null);
  assert.equal(history.value, 91);
});

test("A and B: changes reach the active sound only, and all of it is undone like the rest", () => {
  const history = new History(session("plain"));
  history.commit(withCurrent(history.value, "bright"), "brighter");
  history.commit(switched(history.value, "B"), "to B");
  assert.equal(current(history.value), "plain");
  history.commit(withCurrent(history.value, "dull"), "duller");
  assert.deepEqual(history.value, { active: "B", A: "bright", B: "dull" });
  history.commit(copied(history.value), "copy");
  assert.deepEqual(history.value, { active: "B", A: "dull", B: "dull" });
  history.undo();
  assert.equal(history.value[other("B")], "bright");
  history.undo();
  history.undo();
  assert.deepEqual(history.value, { active: "A", A: "bright", B: "plain" });
});
