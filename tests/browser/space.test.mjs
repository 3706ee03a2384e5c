// @ts-check
/**
 * An autoencoder in a real browser: its styles, its latent space, and sounds of one's own in it.
 *
 *     make browser && node --test tests/browser/space.test.mjs
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { PHONE, allNamed, crowded, faint, walk } from "./access.mjs";
import { PYTHON, open, serve, visit } from "./launch.mjs";
import { allReady, begun, captured, keyAt, patchOf, plainly, rendered, says, slider, toTheEnd } from "./page.mjs";
import { align, decibel, encodeWav16, rms } from "./signal.mjs";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const MAKE = `
import sys, dataclasses
from tests.bundle.tiny import tiny_autoencoder, tiny_encoded
made = tiny_autoencoder(encoded=True)
dataclasses.replace(made, encoded=tiny_encoded(400)).save_pretrained(sys.argv[1])
`;
const RATE = 8000; // Hz of the sounds that are dropped

/** @type {import("./page.mjs").Stage} */ let stage;
/** @type {import('./launch.mjs').Browser} */ let browser;
/** @type {import('./launch.mjs').Server} */ let server;
/** @type {string} */ let home;
/** @type {any} */ let points;

/** @param {string} path @param {RequestInit} [how] */
const api = async (path, how = {}) => {
  const answer = await fetch(`${server.origin}${path}`, {
    ...how,
    headers: { Authorization: `Bearer ${server.token}`, .../** @type {object} */ (how.headers) },
  });
  assert.equal(answer.status, 200, await answer.clone().text());
  return answer.json();
};

/** @param {number} hz @param {number} peak @returns {Buffer} a wav file of half a second */
const tone = (hz, peak) =>
  encodeWav16(
    Float32Array.from({ length: RATE / 2 }, (_, n) => peak * Math.sin((2 * Math.PI * hz * n) / RATE)),
    RATE,
  );

/** Drops files on the page. @param {{name: string, content: Buffer}[]} files */
const drop = (files) =>
  stage.page.evaluate(
    (dropped) => {
      const carried = new DataTransfer();
      for (const { name, bytes } of dropped) carried.items.add(new File([Uint8Array.from(bytes)], name));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
    },
    files.map(({ name, content }) => ({ name, bytes: [...content] })),
  );

/** As `plainly`, and below the limiter: networks with random weights are loud. @param {import("./page.mjs").Page} page @param {Float32Array} wave */
async function quietly(page, wave) {
  await plainly(page);
  const peak = wave.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  await page.evaluate((volume) => (/** @type {any} */ (window).darktimbre.engine.volume = volume), Math.min(1, 0.5 / peak));
  await page.waitForTimeout(200); // the volume glides there
}

/** The middle of the surface, and where on the screen the cursor is. */
const surface = () =>
  stage.page.evaluate(() => {
    const { place } = /** @type {any} */ (window).darktimbre;
    const { left, top, width, height } = /** @type {Element} */ (document.getElementById("space")).getBoundingClientRect();
    const [x, y] = place.camera.seen(place.view.cursor);
    return { x: left + width / 2, y: top + height / 2, cursor: { x: left + x, y: top + y }, width, height };
  });

/** @param {readonly number[]} a @param {readonly number[]} b @returns {number} */
const apart = (a, b) => Math.hypot(...a.map((value, i) => value - b[i]));

/** @param {Float32Array} one @param {Float32Array} other */
const alike = (one, other) => one.length === other.length && one.every((value, i) => Math.abs(value - other[i]) < 1e-7);

before(async () => {
  home = await mkdtemp(join(tmpdir(), "darktimbre-"));
  execFileSync(PYTHON, ["-c", MAKE, join(home, "strings")], { cwd: ROOT });
  [server, browser] = await Promise.all([serve({ bundle: join(home, "strings"), home }), open()]);
  const seen = await visit(browser, server, {
    before: (page) => page.addInitScript(() => localStorage.setItem("darktimbre.audition", "off")),
  });
  await seen.page.waitForFunction(() => /** @type {any} */ (window).darktimbre?.engine);
  await seen.page.evaluate(() => {
    const { engine } = /** @type {any} */ (window).darktimbre;
    const shown = engine.onnote;
    /** @type {any} */ (window).notesBegun = [];
    engine.onnote = (/** @type {any} */ note) => {
      /** @type {any} */ (window).notesBegun.push({ midi: note.midi, velocity: note.velocity });
      shown(note);
    };
  });
  const rate = await seen.page.evaluate(() => /** @type {any} */ (window).darktimbre.engine.rate);
  const instrument = await api("/api/instrument");
  points = await api("/api/points");
  stage = { ...seen, again: async () => {}, browser, home, server, rate, instrument, say: () => {} };
  await seen.page.waitForFunction((count) => /** @type {any} */ (window).darktimbre.place.cloud.count === count, 400);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  if (home) await rm(home, { recursive: true, force: true });
});

describe("styles", () => {
  test("each style has a slider, from 0 to 1, and to 2 where that is wished", async () => {
    const { page, instrument } = stage;
    assert.ok(instrument.styles.length > 1);
    const names = await page.locator("#attributes .bar-name").allInnerTexts();
    assert.deepEqual([...names].sort(), [...instrument.styles].sort());
    const [name] = instrument.styles;
    const before = await rendered(stage, 60);
    await slider(page, name).focus();
    await page.keyboard.press("End");
    assert.equal((await patchOf(page)).attributes[name], 1);
    await allReady(page);
    assert.ok(!alike(await rendered(stage, 60), before), "a style changes the sound");
    await page.getByRole("checkbox", { name: "Beyond 1" }).check();
    assert.equal(await page.locator(".attribute .bar-beyond").count(), instrument.styles.length, "shown as such");
    await slider(page, name).focus();
    await page.keyboard.press("End");
    assert.equal((await patchOf(page)).attributes[name], 2);
    await page.keyboard.press("Backspace");
    await page.getByRole("checkbox", { name: "Beyond 1" }).uncheck();
    assert.deepEqual((await patchOf(page)).attributes, {});
  });

  test("nothing on the page speaks of a teacher", async () => {
    const { page } = stage;
    await page.locator("#help-open").click();
    const words = await page.evaluate(() =>
      [...document.querySelectorAll("body *")]
        .filter((one) => !one.closest("[hidden]"))
        .flatMap((one) => [
          ...[...one.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.textContent ?? ""),
          one.getAttribute("title") ?? "",
          one.getAttribute("aria-label") ?? "",
        ])
        .filter((text) => /teacher|audioset|\bpad\b|predict/i.test(text)),
    );
    assert.deepEqual(words, []);
    await page.keyboard.press("Escape");
  });
});

describe("the latent space", () => {
  test("it begins at the latent of the seed", async () => {
    const { latent } = await api("/api/latent", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: "{}",
    });
    const shown = await stage.page.evaluate(() => /** @type {any} */ (window).darktimbre.place.latent);
    assert.deepEqual(shown, latent);
  });

  test("dragging through it changes the sound, as one step; the wheel goes deeper", async () => {
    const { page } = stage;
    const before = await patchOf(page);
    const old = await rendered(stage, 60);
    const { cursor } = await surface();
    await page.mouse.move(cursor.x, cursor.y);
    await page.mouse.down();
    await page.mouse.move(cursor.x + 50, cursor.y - 30, { steps: 8 });
    await page.mouse.up();
    await allReady(page);
    const after = await patchOf(page);
    assert.equal(after.latent.length, 3);
    const { cursor: now } = await surface();
    assert.ok(Math.hypot(now.x - cursor.x - 50, now.y - cursor.y + 30) < 2, "the cursor follows the pointer");
    const fresh = await rendered(stage, 60);
    assert.ok(!alike(fresh, old), "the sound is another");
    await quietly(page, fresh);
    const at = await keyAt(page, 60);
    await begun(page);
    const recorded = await captured(page, async () => {
      await page.mouse.move(at.x, at.y);
      await page.mouse.down();
      await toTheEnd(page, 1);
      await page.mouse.up();
    });
    const found = align(recorded, fresh);
    assert.ok(found.correlation > 0.999, `${found.correlation}: what is played is what is rendered`);

    await page.mouse.move(now.x + 40, now.y + 10);
    await page.mouse.wheel(0, 100);
    await page.waitForTimeout(500);
    const deeper = await patchOf(page);
    assert.ok(apart(deeper.latent, after.latent) > 0.1);
    const out = await page.evaluate(() => /** @type {any} */ (window).darktimbre.place.camera.out);
    const way = deeper.latent.map((/** @type {number} */ value, /** @type {number} */ i) => value - after.latent[i]);
    const along = way.reduce((/** @type {number} */ sum, /** @type {number} */ value, /** @type {number} */ i) => sum + value * out[i], 0);
    assert.ok(Math.abs(Math.abs(along) - Math.hypot(...way)) < 1e-3, "straight away from the viewer");
    await page.locator("#undo").click();
    assert.deepEqual(await patchOf(page), after);
    await page.locator("#undo").click();
    assert.deepEqual(await patchOf(page), before);
  });

  test("turning moves the view and not the sound", async () => {
    const { page } = stage;
    const before = await patchOf(page);
    const { x, y } = await surface();
    const yaw = () => page.evaluate(() => /** @type {any} */ (window).darktimbre.place.camera.yaw);
    const first = await yaw();
    await page.getByRole("button", { name: "Turn", exact: true }).click();
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.mouse.move(x + 60, y + 10, { steps: 4 });
    await page.mouse.up();
    assert.ok(Math.abs((await yaw()) - first - 0.6) < 0.05);
    await page.getByRole("button", { name: "Move", exact: true }).click();
    await page.mouse.move(x + 60, y + 10);
    await page.mouse.down({ button: "right" });
    await page.mouse.move(x, y, { steps: 4 });
    await page.mouse.up({ button: "right" });
    assert.ok(Math.abs((await yaw()) - first) < 0.05, "the right button turns at any time");
    await page.getByRole("button", { name: "View as at first" }).click();
    assert.deepEqual(await patchOf(page), before);
  });

  test("a note is pressed to go there; the nearest is named, and gives its styles", async () => {
    const { page, instrument } = stage;
    const spot = await page.evaluate(() => {
      const { view, camera, cloud } = /** @type {any} */ (window).darktimbre.place;
      const { left, top } = /** @type {Element} */ (document.getElementById("space")).getBoundingClientRect();
      const [cx, cy] = camera.seen(view.cursor);
      // One that nothing lies before, and not under the cursor.
      for (let note = 0; note < cloud.count; note += 1) {
        const [x, y] = [view.seen[3 * note], view.seen[3 * note + 1]];
        if (Math.hypot(x - cx, y - cy) > 40 && view.noteAt(x, y, 9) === note) return { note, x: left + x, y: top + y };
      }
      return null;
    });
    assert.ok(spot);
    await page.mouse.click(spot.x, spot.y);
    assert.deepEqual((await patchOf(page)).latent, points.latent[spot.note]);
    const named = page.locator("#space-nearest");
    assert.ok((await named.innerText()).startsWith(`Nearest: ${points.names[spot.note]}`));
    await named.click();
    const { attributes } = await patchOf(page);
    const styles = points.styles[spot.note].map((/** @type {number} */ tag) => instrument.styles[tag]);
    assert.deepEqual(attributes, Object.fromEntries(styles.map((/** @type {string} */ style) => [style, 1])));
    await page.locator("#undo").click();
  });

  test("the keyboard walks along the axes, to the nearest note and back to the origin", async () => {
    const { page } = stage;
    const axis = page.getByRole("slider", { name: "Latent space, axis 1" });
    await axis.focus();
    const from = (await patchOf(page)).latent;
    const after = async (/** @type {string} */ key) => {
      await page.keyboard.press(key);
      return (await patchOf(page)).latent;
    };
    const near = (/** @type {number[]} */ found, /** @type {number[]} */ way) =>
      assert.ok(apart(found, from.map((/** @type {number} */ value, /** @type {number} */ i) => value + way[i])) < 1e-3, `${found}`);
    near(await after("ArrowRight"), [0.1, 0, 0]);
    near(await after("Shift+ArrowUp"), [0.1, 0.01, 0]);
    near(await after("Control+PageUp"), [0.1, 0.01, 0.5]);
    near(await after("PageDown"), [0.1, 0.01, 0.4]);
    assert.match((await axis.getAttribute("aria-valuetext")) ?? "", /^-?\d\.\d\d, nearest ./);
    const note = await page.evaluate(() => /** @type {any} */ (window).darktimbre.place.view.lit);
    assert.deepEqual(await after("Enter"), points.latent[note]);
    assert.deepEqual(await after("Home"), [0, 0, 0]);
    await page.locator("#undo").click();
    assert.deepEqual((await patchOf(page)).latent, points.latent[note]);
  });

  test("points are coloured by style, octave or semitone, and one colour is singled out", async () => {
    const { page } = stage;
    for (const [by, most] of /** @type {[string, number][]} */ ([["octave", 9], ["semitone", 13], ["style", 20]])) {
      await page.getByRole("combobox", { name: "Colour" }).selectOption(by);
      const chips = page.locator("#space-legend button");
      const count = await chips.count();
      assert.ok(count > 0 && count <= most, `${by}: ${count}`);
      const colours = await chips.locator(".chip-mark").evaluateAll((marks) => marks.map((one) => getComputedStyle(one).backgroundColor));
      assert.equal(new Set(colours).size, count);
    }
    const chip = page.locator("#space-legend button").first();
    await chip.click();
    assert.equal(await chip.getAttribute("aria-pressed"), "true");
    await chip.click();
    assert.equal(await chip.getAttribute("aria-pressed"), "false");
  });

  test("five thousand points are drawn in less than a frame", async () => {
    const spent = await stage.page.evaluate(async () => {
      const { place } = /** @type {any} */ (window).darktimbre;
      const held = place.cloud.points;
      const many = (/** @type {any[]} */ list) => Array.from({ length: 5000 }, (_, n) => list[n % list.length]);
      place.setPoints({
        ...held,
        ...Object.fromEntries(["names", "level_db", "pitch", "styles"].map((part) => [part, many(held[part])])),
        latent: Array.from({ length: 5000 }, (_, n) => [0, 1, 2].map((k) => 2 * Math.sin(n * (k + 1.3)))),
      });
      const times = [];
      for (let turn = 0; turn < 60; turn += 1) {
        place.camera.turn(0.05, 0);
        const before = performance.now();
        place.view.drawNow();
        times.push(performance.now() - before);
      }
      place.camera.reset();
      place.setPoints(held);
      return times.sort((a, b) => a - b)[15]; // other work on the machine is not what is measured
    });
    assert.ok(spent < 16, `${spent} ms`);
  });
});

describe("a sound of one's own", () => {
  test("dropped on the page it is a point, keeps its level, and plays as the API renders it", async () => {
    const { page } = stage;
    const content = tone(262, 0.25);
    await drop([{ name: "my fork.wav", content }]);
    await says(page, /my fork: .*C4/);
    await allReady(page);
    const told = await api("/api/encode", { method: "PUT", body: content });
    const patch = await patchOf(page);
    assert.deepEqual([patch.latent, patch.level_db, patch.name], [told.latent, told.level_db, "my fork"]);
    assert.ok(Math.abs(told.level_db - decibel(0.25)) < 0.1);
    const own = await page.evaluate(() => /** @type {any} */ (window).darktimbre.place.view.marks);
    assert.deepEqual(own, [{ name: "my fork", place: told.latent }]);
    const wanted = await rendered({ ...stage, patch: { latent: told.latent, level_db: told.level_db, attributes: patch.attributes } }, 61);
    assert.ok(alike(await rendered(stage, 61), wanted));
    const louder = await rendered({ ...stage, patch: { latent: told.latent, attributes: patch.attributes } }, 61);
    assert.ok(Math.abs(decibel(rms(wanted) / rms(louder)) - (told.level_db + 1)) < 0.01, "its level is put back");
    await quietly(page, wanted);
    await begun(page);
    const at = await keyAt(page, 61);
    const recorded = await captured(page, async () => {
      await page.mouse.move(at.x, at.y);
      await page.mouse.down();
      await toTheEnd(page, 1);
      await page.mouse.up();
    });
    const found = align(recorded, wanted);
    assert.ok(found.correlation > 0.999, `${found.correlation}`);
  });

  test("several stay, moved by styles, A and B, undo, presets and links; each can be gone back to", async () => {
    const { page, instrument } = stage;
    const first = await patchOf(page);
    await drop([
      { name: "low.wav", content: tone(131, 0.5) },
      { name: "high.wav", content: tone(523, 0.1) },
    ]);
    await says(page, /high: /);
    assert.deepEqual(await page.locator("#space-sounds .chip-sound").allInnerTexts(), ["my fork", "low", "high"]);
    const high = await patchOf(page);
    await page.getByRole("button", { name: "my fork", exact: true }).click();
    assert.deepEqual((await patchOf(page)).latent, first.latent);
    await page.locator("#undo").click();
    assert.deepEqual(await patchOf(page), high);
    const [style] = instrument.styles;
    await slider(page, style).focus();
    await page.keyboard.press("End");
    const styled = await patchOf(page);
    assert.deepEqual([styled.latent, styled.level_db, styled.attributes[style]], [high.latent, high.level_db, 1]);

    await page.getByRole("button", { name: "B", exact: true }).click();
    await page.getByRole("button", { name: "low", exact: true }).click();
    await page.getByRole("button", { name: "A", exact: true }).click();
    assert.deepEqual(await patchOf(page), styled);

    await page.locator("#presets-open").click();
    await page.getByRole("textbox", { name: "Name of the preset" }).fill("placed");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await says(page, /Saved/);
    await page.getByRole("button", { name: "Copy link" }).click();
    await says(page, /link/);
    const link = await page.evaluate(() => navigator.clipboard.readText());
    await page.locator("#space-dice").click();
    assert.notDeepEqual((await patchOf(page)).latent, styled.latent);
    await page.getByRole("button", { name: "placed", exact: true }).click();
    assert.deepEqual(await patchOf(page), { ...styled, name: "placed" });
    await page.keyboard.press("Escape");
    await page.locator("#randomise").click();
    assert.notDeepEqual((await patchOf(page)).latent, styled.latent);
    await page.goto(link);
    await page.waitForFunction((latent) => {
      const { session } = /** @type {any} */ (window).darktimbre.state;
      return String(session[session.active].latent) === latent;
    }, String(styled.latent));
    await page.getByRole("button", { name: "Remove low" }).click();
    assert.deepEqual(await page.locator("#space-sounds .chip-sound").allInnerTexts(), ["my fork", "high"]);
  });

  test("its level can be set, and put back", async () => {
    const { page } = stage;
    const { level_db: before } = await patchOf(page);
    assert.ok(before < -15);
    await slider(page, "Level").focus();
    await page.keyboard.press("End");
    assert.equal((await patchOf(page)).level_db, 0);
    await page.keyboard.press("Backspace");
    assert.equal((await patchOf(page)).level_db, null);
  });

  test("what is no sound is refused with a sentence, and changes nothing", async () => {
    const { page, troubles } = stage;
    const before = await patchOf(page);
    for (const [name, content, wanted] of /** @type {[string, Buffer, RegExp][]} */ ([
      ["silent.wav", tone(200, 0), /silent/],
      ["torn.wav", Buffer.from("RIFFnothing"), /cannot be read/],
    ])) {
      await drop([{ name, content }]);
      await page.locator("#said.is-wrong", { hasText: wanted }).waitFor();
      assert.deepEqual(await patchOf(page), before);
    }
    const left = troubles.filter((/** @type {string} */ one) => !/status of 422/.test(one));
    troubles.splice(0, Infinity, ...left);
  });
});

describe("access", () => {
  test("every control has a name, and Tab reaches it, on the page and on a phone", async () => {
    const { page } = stage;
    await allNamed(page, "page");
    await walk(page, 40);
    const phone = await visit(browser, server, PHONE);
    await allReady(phone.page);
    for (const part of ["Sliders", "Space", "Scope", "Envelope"]) {
      await phone.page.getByRole("button", { name: part, exact: true }).tap();
      assert.deepEqual(await crowded(phone.page), { page: 0, out: [], small: [] }, part);
    }
    await phone.page.getByRole("button", { name: "Space", exact: true }).tap();
    await allNamed(phone.page, "phone");
    const box = await phone.page.locator("#space").boundingBox();
    assert.ok(box && box.height > 150, `${box?.height}`);
    await phone.page.touchscreen.tap(box.x + 0.3 * box.width, box.y + 0.3 * box.height);
    await phone.page.waitForFunction(() => {
      const { session } = /** @type {any} */ (window).darktimbre.state;
      return session[session.active].latent !== null;
    });
    assert.deepEqual(phone.troubles, []);
    await phone.context.close();
  });

  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    test(`text has contrast in ${colorScheme}`, async () => {
      const { page, context } = await visit(browser, server, { colorScheme, reducedMotion: "reduce" });
      await allReady(page);
      assert.deepEqual(await faint(page), []);
      await context.close();
    });
  }
});

test("nothing went wrong on the way, and nothing was requested from elsewhere", () => {
  assert.deepEqual(stage.troubles, []);
  const elsewhere = stage.requested.filter(
    (/** @type {string} */ url) => !/^(blob|data):/.test(url) && new URL(url).host !== new URL(server.origin).host,
  );
  assert.deepEqual(elsewhere, []);
});
