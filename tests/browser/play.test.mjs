// @ts-check
/**
 * The instrument in a real browser: `darktimbre play starter` on a free port, the page in Chromium, hands on it.
 *
 *     make browser && node --test tests/browser/play.test.mjs
 */

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import assert from "node:assert/strict";

import { accessTests } from "./access.mjs";
import { controlTests } from "./controls.mjs";
import { keepingTests } from "./keeping.mjs";
import { open, pretendMidi, serve, visit } from "./launch.mjs";
import { reconnectTests } from "./reconnect.mjs";
import { soundTests } from "./sound.mjs";

/** @type {import("./page.mjs").Stage} */
let stage;
/** @type {import('./launch.mjs').Browser} */ let browser;
/** @type {import('./launch.mjs').Server} */ let server;
/** @type {string} */ let home;
/** @type {string[]} */ const figures = [];

/** Counts the notes that begin, beside what the page itself does with them. @param {import('./launch.mjs').Page} page */
const countNotes = (page) =>
  page.evaluate(() => {
    const { engine } = /** @type {any} */ (window).darktimbre;
    const shown = engine.onnote;
    /** @type {any} */ (window).notesBegun = [];
    engine.onnote = (/** @type {any} */ note) => {
      /** @type {any} */ (window).notesBegun.push({ midi: note.midi, velocity: note.velocity });
      shown(note);
    };
  });

before(async () => {
  home = await mkdtemp(join(tmpdir(), "darktimbre-"));
  [server, browser] = await Promise.all([serve({ home }), open()]);
  const seen = await visit(browser, server, {
    before: async (page) => {
      await pretendMidi(page);
      // Nothing sounds by itself while what sounds is recorded.
      await page.addInitScript(() =>
        localStorage.setItem("darktimbre.audition", localStorage.getItem("darktimbre.audition") ?? "off"),
      );
    },
  });
  const again = async () => {
    await seen.page.waitForFunction(() => /** @type {any} */ (window).darktimbre?.engine);
    await countNotes(seen.page);
  };
  await again();
  const rate = await seen.page.evaluate(() => /** @type {any} */ (window).darktimbre.engine.rate);
  const response = await fetch(`${server.origin}/api/instrument`, { headers: { Authorization: `Bearer ${server.token}` } });
  assert.equal(response.status, 200);
  const instrument = await response.json();
  stage = {
    ...seen,
    again,
    browser,
    home,
    server,
    rate,
    instrument,

    say: (/** @type {string} */ line) => figures.push(line),
  };
});

after(async () => {
  console.log(figures.join("\n"));
  await browser?.close();
  await server?.stop();
  if (home) await rm(home, { recursive: true, force: true });
});

describe("sound", () => soundTests(() => stage));
describe("controls", () => controlTests(() => stage));
describe("keeping", () => keepingTests(() => stage));
describe("access", () => accessTests(() => stage));
describe("reconnect", () => reconnectTests(() => stage));

test("nothing went wrong on the way, and nothing was requested from elsewhere", () => {
  assert.deepEqual(stage.troubles, []);
  const elsewhere = stage.requested.filter(
    (/** @type {string} */ url) => !/^(blob|data):/.test(url) && new URL(url).host !== new URL(server.origin).host,
  );
  assert.deepEqual(elsewhere, []);
  assert.ok(stage.requested.length > 5);
});
