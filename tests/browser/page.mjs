// @ts-check
/** Hands and ears on the page: waiting for its notes, playing, capturing, asking the server for the same note, timing. */

import assert from "node:assert/strict";

import { decodeWav } from "./signal.mjs";

/** @typedef {import("./launch.mjs").Page} Page */
/** @typedef {import("./launch.mjs").Server} Server */
/** @typedef {import("./launch.mjs").Browser} Browser */
/** @typedef {{midi: number, source: number, semitones: number}} Key */
/** @typedef {{sample_rate: number, seconds: number, pitches: number[], keys: Key[], attributes: {name: string}[], exports: string[]}} Instrument */
/**
 * What the tests share: one page, its server, and `say` for figures to print at the end. `again` waits for a page just
 * loaded; `patch` is what `rendered` asks for instead of what is set.
 * @typedef {{page: Page, browser: Browser, server: Server, home: string, rate: number, instrument: Instrument, troubles: string[],
 *   requested: string[], patch?: unknown, again: () => Promise<void>, say: (line: string) => void}} Stage
 */

/** Waits until the page has the notes of the patch that is set, all of them. @param {Page} page */
export async function allReady(page) {
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))); // a change waits for a frame
  await page.waitForFunction(() => {
    const { connection, state } = /** @type {any} */ (window).darktimbre;
    if (!connection.last || !connection.isOpen) return false;
    return state.progress.generation === JSON.parse(connection.last).generation && !state.progress.busy;
  });
}

/**
 * The page's recorder runs while `play` does, and until all has died away.
 * @param {Page} page @param {() => Promise<void>} play
 * @returns {Promise<Float32Array>} one channel at the context's rate
 */
export async function captured(page, play) {
  await page.evaluate(() => /** @type {any} */ (window).darktimbre.engine.startRecording());
  try {
    await play();
    await page.waitForFunction(() => /** @type {any} */ (window).darktimbre.engine.sounding === 0);
  } catch (trouble) {
    await page.evaluate(() => void (/** @type {any} */ (window).darktimbre.engine.stopRecording()));
    throw trouble;
  }
  const { text, count, equal } = await page.evaluate(async () => {
    const { engine } = /** @type {any} */ (window).darktimbre;
    /** @type {Float32Array[]} */ const channels = await engine.stopRecording();
    const bytes = new Uint8Array(channels[0].buffer, channels[0].byteOffset, channels[0].byteLength);
    let text = "";
    for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
    return {
      text: btoa(text),
      count: channels.length,
      equal: channels.every((one) => one.every((x, n) => x === channels[0][n])),
    };
  });
  assert.ok(count === 1 || equal, "a mono instrument leaves on both channels alike");
  const bytes = Buffer.from(text, "base64");
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

/**
 * The same note by the HTTP API, at the context's rate.
 * @param {Stage} stage @param {number} midi @param {number} velocity
 * @returns {Promise<Float32Array>}
 */
export async function rendered({ page, server, rate, patch: other }, midi, velocity = 127) {
  const patch =
    other ?? (await page.evaluate(() => JSON.parse(/** @type {any} */ (window).darktimbre.connection.last).patch));
  const answer = await fetch(`${server.origin}/api/render`, {
    method: "POST",
    headers: { Authorization: `Bearer ${server.token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ patch, pitch: midi, velocity, rate, format: "wav", bits: 32 }),
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  const sound = decodeWav(new Uint8Array(await answer.arrayBuffer()));
  assert.equal(sound.rate, rate);
  assert.equal(sound.channels.length, 1);
  return sound.channels[0];
}

/** @param {Page} page @param {number} midi @returns {Promise<{x: number, y: number}>} where the key takes the mouse */
export function keyAt(page, midi) {
  return page.locator(`.key[data-midi="${midi}"]`).evaluate((key) => {
    key.scrollIntoView({ block: "nearest", inline: "center", behavior: "instant" });
    const { x, y, width, height } = key.getBoundingClientRect();
    return { x: x + width / 2, y: y + height * (key.classList.contains("black") ? 0.6 : 0.85) };
  });
}

/** @param {Page} page @returns {Promise<number[]>} the keys drawn as pressed */
export const pressed = (page) =>
  page
    .locator(".key.pressed")
    .evaluateAll((keys) => keys.map((key) => Number(/** @type {HTMLElement} */ (key).dataset.midi)));

/** @param {Page} page @returns {Promise<{midi: number, velocity: number}[]>} the notes begun since the last call */
export const begun = (page) => page.evaluate(() => /** @type {any} */ (window).notesBegun.splice(0));

/** Plays on until every note that sounds has reached its end by itself. @param {Page} page @param {number} count */
export async function toTheEnd(page, count) {
  await page.waitForFunction((wanted) => /** @type {any} */ (window).notesBegun.length >= wanted, count);
  await page.waitForFunction(() => /** @type {any} */ (window).darktimbre.engine.sounding === 0);
}

/** Volume full, nothing made up for and envelope plain, so that what leaves is the note. @param {Page} page */
export async function plainly(page) {
  await page.evaluate(() => {
    const { engine } = /** @type {any} */ (window).darktimbre;
    engine.makeup = 1;
    engine.volume = 1;
  });
  await page.waitForTimeout(200); // the volume glides there in 120 ms
}

/** @param {Page} page @returns {Promise<any>} the patch that is set, as the page holds it */
export const patchOf = (page) =>
  page.evaluate(() => {
    const { session } = /** @type {any} */ (window).darktimbre.state;
    return JSON.parse(JSON.stringify(session[session.active]));
  });

/** @param {Page} page @param {string} name @returns the slider of an attribute */
export const slider = (page, name) => page.getByRole("slider", { name, exact: true });

/** @param {Page} page @param {RegExp} wanted what the page says to the player */
export const says = (page, wanted) => page.locator("#said", { hasText: wanted }).waitFor();

/**
 * Notes by name what happens to the sound: the last hand's event, each new note, the lines and the keys' states shown.
 * @param {Page} page
 */
async function watch(page) {
  await page.evaluate(() => {
    const it = /** @type {any} */ (window);
    if (it.watched) return;
    it.watched = { hand: 0, notes: [], lines: [], stale: 0 };
    for (const kind of ["keydown", "input", "pointerup"]) {
      document.addEventListener(kind, (event) => (it.watched.hand = event.timeStamp), { capture: true });
    }
    const { engine } = it.darktimbre;
    const set = engine.setNote;
    engine.setNote = (/** @type {any[]} */ ...note) => {
      set.apply(engine, note);
      it.watched.notes.push({ source: note[0], generation: note[2], at: performance.now() });
    };
    new MutationObserver(() => {
      it.watched.lines.push(document.getElementById("rendering")?.textContent);
      it.watched.stale = Math.max(it.watched.stale, document.querySelectorAll(".key[data-state=stale]").length);
    }).observe(/** @type {Node} */ (document.getElementById("rendering")), {
      childList: true,
      characterData: true,
      subtree: true,
    });
  });
}

/**
 * @param {Page} page @param {() => Promise<void>} hand
 * @returns {Promise<{first: number, all: number, count: number, lines: string[], stale: number}>} ms from the hand's last event
 */
export async function latency(page, hand) {
  await watch(page);
  await allReady(page);
  await page.evaluate(() => Object.assign(/** @type {any} */ (window).watched, { notes: [], lines: [], stale: 0 }));
  await hand();
  await allReady(page);
  return page.evaluate(() => {
    const { darktimbre, watched } = /** @type {any} */ (window);
    const { generation } = JSON.parse(darktimbre.connection.last);
    const times = watched.notes
      .filter((/** @type {any} */ note) => note.generation === generation)
      .map((/** @type {any} */ note) => note.at - watched.hand);
    return {
      first: Math.min(...times),
      all: Math.max(...times),
      count: times.length,
      lines: watched.lines,
      stale: watched.stale,
    };
  });
}
