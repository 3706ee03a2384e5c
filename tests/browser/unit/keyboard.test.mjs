// @ts-check
/** Computer keys, the geometry of the piano, MIDI messages and the meter: all that needs no page. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { codesOf, isTyping, labelOf, offsetOf, usesSpace } from "../../../src/darktimbre/instrument/page/computer_keys.js";
import { PeakHold, levelText, position } from "../../../src/darktimbre/instrument/page/meter.js";
import { connectMidi, parseMidi } from "../../../src/darktimbre/instrument/page/midi.js";
import { BLACK_LENGTH, depthVelocity, isBlack, keyAt, layout, noteName } from "../../../src/darktimbre/instrument/page/piano.js";

test("two rows by place: white keys on the letters, black ones between them, an octave apart", () => {
  const scale = [0, 2, 4, 5, 7, 9, 11, 12, 14, 16];
  assert.deepEqual(["KeyZ", "KeyX", "KeyC", "KeyV", "KeyB", "KeyN", "KeyM", "Comma", "Period", "Slash"].map(offsetOf), scale);
  assert.deepEqual(["KeyQ", "KeyW", "KeyE", "KeyR", "KeyT", "KeyY", "KeyU", "KeyI", "KeyO", "KeyP"].map(offsetOf), scale.map((s) => s + 12));
  assert.deepEqual(["KeyS", "KeyD", "KeyG", "KeyH", "KeyJ"].map(offsetOf), [1, 3, 6, 8, 10]);
  for (const code of ["Space", "Minus", "Equal", "Enter", "Tab", "ArrowLeft", "KeyA", "KeyF", "ShiftLeft"]) assert.equal(offsetOf(code), null);
});

test("every pitch of two octaves and a fourth has a key", () => {
  for (let offset = 0; offset <= 29; offset++) assert.ok(codesOf(offset).length >= 1, `${offset}`);
  assert.deepEqual(codesOf(12), ["KeyQ", "Comma"]);
  assert.deepEqual(codesOf(30), []);
});

test("keys bear what the user's layout prints on them, else what a US one does", () => {
  const german = new Map([["KeyY", "z"], ["Semicolon", "ö"]]);
  assert.deepEqual(["KeyY", "Semicolon", "Digit2"].map((code) => labelOf(code, german)), ["Z", "Ö", "2"]);
  assert.deepEqual(["KeyY", "Semicolon", "BracketLeft"].map((code) => labelOf(code)), ["Y", ";", "["]);
});

const element = (tagName, type = "", role = null) => /** @type {any} */ ({ tagName, type, getAttribute: () => role });

test("keys write in fields and play everywhere else, on a slider too", () => {
  for (const type of ["text", "search", "number", "url"]) assert.ok(isTyping(element("INPUT", type)), type);
  for (const tag of ["TEXTAREA", "SELECT"]) assert.ok(isTyping(element(tag)));
  assert.ok(isTyping(/** @type {any} */ ({ tagName: "DIV", isContentEditable: true })));
  for (const type of ["range", "checkbox", "file", "button"]) assert.ok(!isTyping(element("INPUT", type)), type);
  assert.ok(!isTyping(null) && !isTyping(element("BUTTON")));
});

test("the space bar is the pedal unless the control in focus has a use for it", () => {
  for (const other of [element("BUTTON"), element("INPUT", "checkbox"), element("SUMMARY"), element("DIV", "", "button"), element("TEXTAREA")]) {
    assert.ok(usesSpace(other));
  }
  for (const other of [null, element("BODY"), element("INPUT", "range"), element("DIV", "", "slider")]) assert.ok(!usesSpace(other));
});

test("white keys lie side by side, black ones over the gap to their right, whatever key comes first", () => {
  const { places, width } = layout(Array.from({ length: 88 }, (_, i) => 21 + i));
  assert.equal(width, 52);
  const whites = places.filter(({ black }) => !black);
  whites.forEach(({ left }, i) => assert.ok(Math.abs(left - i) < 1e-9));
  for (const { midi, left, width: own, black } of places) {
    if (!black) continue;
    const next = places.find((place) => place.midi === midi + 1);
    assert.ok(next && left < next.left && left + own > next.left, noteName(midi));
  }
  const cut = layout([61, 62, 63]);
  assert.ok(cut.places.every(({ left, width: own }) => left >= 0 && left + own <= cut.width + 1e-9));
});

test("a point belongs to the black key over it, to the white one in front and to none outside", () => {
  const { places } = layout([60, 61, 62, 63, 64, 65]);
  assert.equal(keyAt(places, 0.95, 0.2)?.midi, 61);
  assert.equal(keyAt(places, 0.95, BLACK_LENGTH + 0.01)?.midi, 60);
  assert.equal(keyAt(places, 1.05, BLACK_LENGTH + 0.01)?.midi, 62);
  assert.equal(keyAt(places, 0.3, 0.1)?.midi, 60);
  assert.equal(keyAt(places, 0.3, 1.2), null);
  assert.equal(keyAt(places, 9, 0.5), null);
  for (const { midi, left, width, black } of places) assert.equal(keyAt(places, left + width / 2, black ? 0.5 : 0.9)?.midi, midi);
});

test("further to the front is louder, between 40 and 127", () => {
  const velocities = [0, 0.25, 0.5, 0.75, 1].map(depthVelocity);
  assert.equal(velocities[0], 40);
  assert.equal(velocities[4], 127);
  assert.ok(velocities.every((v, i) => i === 0 || v > velocities[i - 1]));
});

test("middle C is C4", () => {
  assert.deepEqual([21, 60, 61, 108].map(noteName), ["A0", "C4", "C♯4", "C8"]);
  assert.deepEqual([60, 61, 62, 63, 64, 65].map(isBlack), [false, true, false, true, false, false]);
});

test("MIDI messages are understood on every channel, and the rest is left alone", () => {
  for (const channel of [0, 7, 15]) {
    assert.deepEqual(parseMidi([0x90 | channel, 60, 100]), { kind: "on", midi: 60, velocity: 100 });
    assert.deepEqual(parseMidi([0x90 | channel, 60, 0]), { kind: "off", midi: 60 });
    assert.deepEqual(parseMidi([0x80 | channel, 60, 64]), { kind: "off", midi: 60 });
  }
  assert.deepEqual(parseMidi([0xb0, 64, 127]), { kind: "sustain", on: true });
  assert.deepEqual(parseMidi([0xb0, 64, 63]), { kind: "sustain", on: false });
  assert.deepEqual(parseMidi([0xe0, 0, 64]), { kind: "bend", semitones: 0 });
  assert.deepEqual(parseMidi([0xe0, 0, 0]), { kind: "bend", semitones: -2 });
  assert.deepEqual(parseMidi([0xe0, 127, 127]), { kind: "bend", semitones: 2 });
  assert.deepEqual(parseMidi([0xb0, 123, 0]), { kind: "silence" });
  for (const other of [[0xb0, 7, 100], [0xc0, 5], [0xf8], [0xfe], []]) assert.equal(parseMidi(other), null);
});

/** A browser with MIDI devices that can be plugged in and pulled out. */
function browser() {
  const access = { inputs: new Map(), onstatechange: () => {} };
  const plug = (id) => {
    access.inputs.set(id, { id, name: `Keys ${id}`, state: "connected", onmidimessage: null });
    access.onstatechange?.();
  };
  return { access, plug, requestMIDIAccess: async (options) => (assert.deepEqual(options, { sysex: false }), access) };
}

function recorder() {
  const events = [];
  const say = (name) => (...args) => events.push([name, ...args]);
  return { events, onPress: say("on"), onRelease: say("off"), onSustain: say("pedal"), onBend: say("bend"), onStatus: say("status") };
}

test("a device plugged in later plays; pulled out, its keys are let go", async () => {
  const midi = browser();
  const recorded = recorder();
  const connection = connectMidi(recorded, /** @type {any} */ (midi));
  await Promise.resolve();
  assert.match(recorded.events.pop()[1], /no device/);
  midi.plug("a");
  assert.deepEqual(recorded.events.pop(), ["status", "MIDI from Keys a.", true]);
  const input = midi.access.inputs.get("a");
  input.onmidimessage({ data: [0x90, 60, 99] });
  assert.deepEqual(recorded.events.splice(0), [["on", 60, 99]]);
  input.state = "disconnected";
  midi.access.onstatechange();
  assert.deepEqual(recorded.events.splice(0, 3), [["off", 60], ["pedal", false], ["bend", 0]]);
  input.state = "connected";
  midi.access.onstatechange();
  input.onmidimessage({ data: [0x91, 72, 1] });
  recorded.events.length = 0;
  connection.stop();
  assert.deepEqual(recorded.events.slice(0, 3), [["off", 72], ["pedal", false], ["bend", 0]]);
  assert.equal(input.onmidimessage, null);
});

test("a refused permission and a browser without MIDI are sentences, not errors", async () => {
  const recorded = recorder();
  const refused = Object.assign(new Error("no"), { name: "NotAllowedError" });
  connectMidi(recorded, /** @type {any} */ ({ requestMIDIAccess: () => Promise.reject(refused) }));
  await new Promise(setImmediate);
  assert.match(recorded.events[0][1], /site settings/);
  connectMidi(recorded, {}).stop();
  assert.match(recorded.events[1][1], /no MIDI here/);
});

test("the peak is held, then sinks by 20 dB a second", () => {
  const hold = new PeakHold();
  assert.equal(hold.next(-6, 0), -6);
  assert.equal(hold.next(-40, 1.4), -6);
  assert.ok(Math.abs(hold.next(-40, 2) + 16) < 1e-9);
  assert.equal(hold.next(-10, 2.1), -10);
  assert.equal(hold.next(-40, 60), -40);
});

test("the meter's scale ends at 0 dBFS and at -60", () => {
  assert.deepEqual([0, -30, -60, -90, 3].map(position), [1, 0.5, 0, 0, 1]);
  assert.equal(levelText(-12.34), "−12.3 dBFS");
  assert.equal(levelText(-100), "silent");
});
