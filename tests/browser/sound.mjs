// @ts-check
/** What reaches the loudspeaker: captured by the page's own recorder and compared with the server's rendered notes. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { allReady, begun, captured, keyAt, plainly, pressed, rendered, toTheEnd } from "./page.mjs";
import { align, decibel, largestStep, mixed, pitch, rms, unmixed } from "./signal.mjs";

/** @typedef {import("./page.mjs").Stage} Stage */

/** @param {number} velocity @returns {number} the gain that the API documents */
const gainOf = (velocity) => (velocity / 127) ** 2;

/** @param {() => Stage} stage */
export function soundTests(stage) {
  test("one note, by mouse: what leaves is the rendered note, of the right pitch", async () => {
    const { page, rate, say } = stage();
    await allReady(page);
    await plainly(page);
    const midi = 60;
    const at = await keyAt(page, midi);
    await begun(page);
    const recorded = await captured(page, async () => {
      await page.mouse.move(at.x, at.y);
      await page.mouse.down();
      await toTheEnd(page, 1);
      assert.deepEqual(await pressed(page), [midi]);
      await page.mouse.up();
    });
    const [{ midi: played, velocity }] = await begun(page);
    assert.equal(played, midi);
    const note = await rendered(stage(), midi);
    const found = align(recorded, note);
    const off = decibel(found.gain / gainOf(velocity));
    const tuned = pitch(recorded.subarray(found.lag + Math.round(0.1 * rate)), rate);
    say(
      `mouse, key ${midi}, velocity ${velocity}: correlation ${found.correlation.toFixed(7)}, gain off by ${off.toFixed(4)} dB, residual ${found.residual.toFixed(1)} dB, rms ${decibel(rms(recorded)).toFixed(1)} dBFS, pitch ${tuned.toFixed(3)}`,
    );
    assert.ok(decibel(rms(recorded)) > -60, "not silent");
    assert.ok(found.correlation > 0.999, `correlation ${found.correlation}`);
    assert.ok(Math.abs(off) < 0.1, `gain ${off} dB off`);
    assert.ok(found.residual < -60, `residual ${found.residual} dB`);
    assert.ok(Math.abs(tuned - midi) < 0.3, `pitch ${tuned}`);
    const whole = found.gain * Math.max(largestStep(note), Math.abs(note[0]));
    assert.ok(largestStep(recorded) <= 1.02 * whole + 1e-4, `step ${largestStep(recorded)} against the note's own ${whole}`);
    assert.ok(
      recorded.subarray(0, Math.max(0, found.lag)).every((x) => x === 0),
      "silent before it is played",
    );
  });

  test("a chord by computer keys is the sum of its three notes", async () => {
    const { page, say } = stage();
    await allReady(page);
    await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement)?.blur());
    const volume = 0.5; // three notes at once stay below the limiter's threshold
    await plainly(page);
    await page.evaluate((level) => {
      /** @type {any} */ (window).darktimbre.engine.volume = level;
    }, volume);
    await page.waitForTimeout(200);
    await begun(page);
    const codes = ["KeyZ", "KeyC", "KeyB"]; // a major triad on the lower row
    const recorded = await captured(page, async () => {
      for (const code of codes) await page.keyboard.down(code);
      await toTheEnd(page, 3);
      for (const code of codes) await page.keyboard.up(code);
    });
    const played = await begun(page);
    assert.deepEqual(
      played.map(({ midi }) => midi - played[0].midi),
      [0, 4, 7],
    );
    const notes = await Promise.all(played.map(async ({ midi }) => rendered(stage(), midi)));
    const gains = played.map(({ velocity }) => gainOf(velocity) * volume ** 2);
    const { lags, residual } = unmixed(recorded, notes, gains);
    const sum = mixed(recorded.length, notes, gains, lags);
    const found = align(recorded, sum);
    say(
      `chord ${played.map(({ midi }) => midi)}: correlation with the sum ${found.correlation.toFixed(7)}, gain off by ${decibel(found.gain).toFixed(4)} dB, residual ${residual.toFixed(1)} dB`,
    );
    assert.ok(found.correlation > 0.999 && Math.abs(decibel(found.gain)) < 0.1);
    assert.ok(residual < -60, `residual ${residual} dB`);
    await plainly(page);
  });

  test("a note by MIDI sounds with its velocity; release makes silence, without a click", async () => {
    const { page, rate, say } = stage();
    await allReady(page);
    await page.getByRole("button", { name: /midi/i }).first().click();
    await page.waitForFunction(() => /** @type {any} */ (window).midiAsked.length > 0);
    const requested = await page.evaluate(() => /** @type {any} */ (window).midiAsked);
    assert.ok(
      requested.every((/** @type {any} */ one) => !one.sysex),
      "no sysex",
    );
    const [midi, velocity] = [64, 80];
    const send = (/** @type {number[]} */ ...bytes) =>
      page.evaluate((message) => /** @type {any} */ (window).midiSend(message), bytes);
    await begun(page);
    const recorded = await captured(page, async () => {
      await send(0x90, midi, velocity);
      await page.waitForFunction(() => /** @type {any} */ (window).notesBegun.length > 0);
      assert.deepEqual(await pressed(page), [midi]);
      await page.waitForTimeout(300); // held so long
      await send(0x80, midi, 0);
      assert.deepEqual(await pressed(page), []);
    });
    const note = await rendered(stage(), midi, velocity);
    const found = align(recorded, note, { to: Math.round(0.25 * rate) });
    say(
      `MIDI, key ${midi}, velocity ${velocity}: correlation ${found.correlation.toFixed(7)}, gain off by ${decibel(found.gain).toFixed(4)} dB, residual ${found.residual.toFixed(1)} dB`,
    );
    assert.ok(found.correlation > 0.999 && Math.abs(decibel(found.gain)) < 0.1);
    const own = Math.max(largestStep(note), Math.abs(note[0]));
    assert.ok(largestStep(recorded) <= 1.02 * own + 1e-4, `a click: step ${largestStep(recorded)} against ${own}`);
    const last = recorded.findLastIndex((x) => x !== 0);
    assert.ok(last - found.lag < (0.3 + 0.2 + 1) * rate && last < recorded.length - 1, "silent when released");
  });

  test("the pedal holds a note that is let go", async () => {
    const { page, rate } = stage();
    await allReady(page);
    const send = (/** @type {number[]} */ ...bytes) =>
      page.evaluate((message) => /** @type {any} */ (window).midiSend(message), bytes);
    const midi = 57;
    await begun(page);
    const recorded = await captured(page, async () => {
      await send(0xb0, 64, 127);
      await send(0x90, midi, 100);
      await page.waitForFunction(() => /** @type {any} */ (window).notesBegun.length > 0);
      await send(0x80, midi, 0);
      await toTheEnd(page, 1);
      await send(0xb0, 64, 0);
    });
    const note = await rendered(stage(), midi, 100);
    const found = align(recorded, note);
    assert.ok(found.correlation > 0.999 && found.residual < -60, `${found.correlation}, ${found.residual} dB`);
    assert.ok(rms(recorded.subarray(found.lag + Math.round(0.5 * rate))) > 0);
  });

  test("a key outside the trained range is marked, and sounds at its own pitch", async () => {
    const { page, rate, instrument, say } = stage();
    const { keys } = instrument;
    await allReady(page);
    for (const midi of [keys[0].midi + 6, keys[keys.length - 1].midi - 6]) {
      const key = keys.find((one) => one.midi === midi);
      assert.ok(key && key.semitones !== 0);
      const drawn = page.locator(`.key[data-midi="${midi}"]`);
      assert.match((await drawn.getAttribute("class")) ?? "", /repitched/);
      assert.match((await drawn.getAttribute("aria-description")) ?? "", /re-pitched/);
      const at = await keyAt(page, midi);
      const recorded = await captured(page, async () => {
        await begun(page);
        await page.mouse.move(at.x, at.y);
        await page.mouse.down();
        await toTheEnd(page, 1);
        await page.mouse.up();
      });
      const note = await rendered(stage(), midi);
      const found = align(recorded, note, { to: Math.min(note.length, Math.round(0.9 * rate)) });
      const tuned = pitch(recorded.subarray(found.lag + Math.round(0.08 * rate)), rate);
      const source = await rendered(stage(), key.source);
      const own = pitch(source.subarray(Math.round(0.1 * rate)), rate) - key.source; // the network's own mistuning
      say(
        `re-pitched key ${midi} (${key.semitones} from ${key.source}): pitch ${tuned.toFixed(3)}, correlation with the server's re-pitching ${found.correlation.toFixed(6)}`,
      );
      assert.ok(Math.abs(tuned - midi) < 0.3, `pitch ${tuned} of key ${midi}; the source itself is ${own} off`);
      assert.ok(found.correlation > 0.99, `${found.correlation}`);
    }
  });
}
