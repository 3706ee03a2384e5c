// @ts-check
/** Sliders, pad, undo, A/B, randomise, search: what hands do, and what the page then holds and says. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { allReady, begun, captured, latency, patchOf, rendered, slider, toTheEnd } from "./page.mjs";
import { align } from "./signal.mjs";

/** @param {string} line @returns {number[]} the times in the status line, ms */
const timesIn = (line) =>
  [...line.matchAll(/after ([\d.]+) (ms|s)/g)].map(([, figure, unit]) => Number(figure) * (unit === "s" ? 1000 : 1));

/** @param {() => import("./page.mjs").Stage} stage */
export function controlTests(stage) {
  test("a slider moved by keyboard: the line tells the truth about when its notes came", async () => {
    const { page, instrument, say } = stage();
    const [{ name }] = instrument.attributes;
    const before = await rendered(stage(), 60);
    await slider(page, name).focus();
    const measured = await latency(page, () => page.keyboard.press("End"));
    assert.equal((await patchOf(page)).attributes[name], 1);
    assert.equal(measured.count, instrument.pitches.length, "every pitch came once");
    assert.ok(measured.stale > 0, "keys that still have the old sound are shown so");
    assert.ok(
      measured.lines.some((line) => /Rendering \d+ of \d+/.test(line)),
      measured.lines.join(" | "),
    );
    const line = await page.locator("#rendering").innerText();
    const [first, all] = timesIn(line);
    say(
      `slider by keyboard: first new note after ${measured.first.toFixed(0)} ms, all ${measured.count} after ${measured.all.toFixed(0)} ms; the page says: ${line}`,
    );
    assert.ok(
      Math.abs(first - measured.first) < 60 + 0.1 * measured.first && Math.abs(all - measured.all) < 60 + 0.1 * measured.all,
      `${line} against ${measured.first}, ${measured.all}`,
    );
    const after = await rendered(stage(), 60);
    assert.ok(align(after, before).correlation < 0.999, "another sound");
    await begun(page);
    const recorded = await captured(page, async () => {
      await page.keyboard.down("KeyM"); // B3; a slider has no use for letters
      await toTheEnd(page, 1);
      await page.keyboard.up("KeyM");
    });
    const [{ midi }] = await begun(page);
    assert.ok(align(recorded, await rendered(stage(), midi)).correlation > 0.999, "the new sound is what is played");
  });

  test("a slider drawn with the mouse is one step to undo", async () => {
    const { page, instrument, say } = stage();
    const { name } = instrument.attributes[1];
    const before = await patchOf(page);
    await slider(page, name).scrollIntoViewIfNeeded();
    const box = await slider(page, name).boundingBox();
    assert.ok(box);
    const measured = await latency(page, async () => {
      await page.mouse.move(box.x + 0.2 * box.width, box.y + box.height / 2);
      await page.mouse.down();
      await page.mouse.move(box.x + 0.6 * box.width, box.y + box.height / 2, { steps: 12 });
      await page.mouse.up();
    });
    say(
      `slider by mouse, from its release: first new note after ${measured.first.toFixed(0)} ms, all ${measured.count} after ${measured.all.toFixed(0)} ms`,
    );
    const after = await patchOf(page);
    assert.ok(
      after.attributes[name] > 0.2 && after.attributes[name] < 0.6,
      `${after.attributes[name]}: the square of the place`,
    );
    await page.getByRole("button", { name: /^Undo/ }).click();
    assert.deepEqual(await patchOf(page), before);
    const memory = await latency(page, () => page.keyboard.press("Control+Shift+KeyZ"));
    assert.deepEqual(await patchOf(page), after);
    assert.match(await page.locator("#rendering").innerText(), /From memory/);
    say(`redo, from memory: first note after ${memory.first.toFixed(0)} ms, all after ${memory.all.toFixed(0)} ms`);
    await page.keyboard.press("Control+KeyZ");
    assert.deepEqual(await patchOf(page), before);
  });

  test("each change is played, where that is wished", async () => {
    const { page, instrument } = stage();
    await page.getByRole("checkbox", { name: "Play each change" }).check();
    await begun(page);
    await slider(page, instrument.attributes[1].name).focus();
    const recorded = await captured(page, async () => {
      await page.keyboard.press("PageUp");
      await page.keyboard.press("Tab"); // the slider is left: its change is made
      await toTheEnd(page, 1);
    });
    const [{ midi, velocity }] = await begun(page);
    const found = align(recorded, await rendered(stage(), midi, velocity), { to: Math.round(0.6 * stage().rate) });
    assert.ok(found.correlation > 0.999, `${found.correlation}: the new sound, not the old one`);
    await page.getByRole("checkbox", { name: "Play each change" }).uncheck();
  });

  test("A and B are two sounds, and switching is audible", async () => {
    const { page, instrument } = stage();
    const a = await patchOf(page);
    await page
      .getByRole("button", { name: "A→B" })
      .click({ timeout: 2000 })
      .catch(() => {}); // disabled where both are alike
    await page.getByRole("button", { name: "B", exact: true }).click();
    await slider(page, instrument.attributes[2].name).focus();
    await page.keyboard.press("End");
    const b = await patchOf(page);
    assert.notDeepEqual(a, b);
    await page.getByRole("button", { name: "A", exact: true }).click();
    assert.deepEqual(await patchOf(page), a);
    await page.getByRole("button", { name: "B", exact: true }).click();
    assert.deepEqual(await patchOf(page), b);
    await page.getByRole("button", { name: "A", exact: true }).click();
    await allReady(page);
    const last = await page.evaluate(() => JSON.parse(/** @type {any} */ (window).darktimbre.connection.last).patch);
    assert.deepEqual(last.attributes, a.attributes, "what is rendered is A");
  });

  test("pad and seed walk through the latent", async () => {
    const { page } = stage();
    const before = await patchOf(page);
    await page.getByRole("slider", { name: "Pad, left to right" }).focus();
    for (let n = 0; n < 4; n++) await page.keyboard.press("ArrowRight");
    await page.keyboard.press("ArrowUp");
    const walked = await patchOf(page);
    assert.deepEqual(walked.pad, [0.2, 0.05]);
    const box = await page.locator("#pad").boundingBox();
    assert.ok(box);
    await page.mouse.click(box.x + 0.25 * box.width, box.y + 0.25 * box.height);
    const [x, y] = (await patchOf(page)).pad;
    assert.ok(Math.abs(x + 0.5) < 0.03 && Math.abs(y - 0.5) < 0.03, `${x}, ${y}`);
    await page.getByRole("button", { name: "Centre" }).click();
    assert.deepEqual((await patchOf(page)).pad, [0, 0]);
    await page.getByRole("textbox", { name: "Seed number" }).fill("12");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    const seeded = await patchOf(page);
    assert.equal(seeded.seed, 12);
    assert.deepEqual(seeded.attributes, before.attributes);
    await allReady(page);
    assert.ok(
      align(await rendered(stage(), 60), await rendered({ ...stage(), patch: before }, 60)).correlation < 0.999,
    );
  });

  test("randomise leaves alone what is locked", async () => {
    const { page, instrument } = stage();
    const { name } = instrument.attributes[0];
    await slider(page, name).focus();
    await page.keyboard.press("End");
    const before = await patchOf(page);
    await page.getByRole("button", { name: `Lock ${name} against Randomise` }).click();
    await page.getByRole("button", { name: "Lock seed and pad against Randomise" }).click();
    await page.getByRole("button", { name: "Randomise", exact: true }).click();
    const after = await patchOf(page);
    assert.equal(after.attributes[name], before.attributes[name]);
    assert.deepEqual([after.seed, after.pad], [before.seed, before.pad]);
    assert.notDeepEqual(after.attributes, before.attributes);
    await page.getByRole("button", { name: "Lock seed and pad against Randomise" }).click();
    await page.getByRole("button", { name: "Randomise", exact: true }).click();
    assert.notEqual((await patchOf(page)).seed, before.seed);
    await page.getByRole("button", { name: `Lock ${name} against Randomise` }).click();
  });

  test("search narrows the list, and values beyond 0…1 are there on demand", async () => {
    const { page, instrument } = stage();
    const rows = page.locator("#attributes li:visible .bar-name");
    assert.equal(await rows.count(), instrument.attributes.length);
    assert.deepEqual(
      await rows.allInnerTexts(),
      instrument.attributes.map((/** @type {any} */ one) => one.name),
      "most responsive first",
    );
    const search = page.getByRole("searchbox", { name: "Search the attributes" });
    await search.fill("guitar");
    const found = await rows.allInnerTexts();
    assert.ok(
      found.length > 0 && found.length < instrument.attributes.length && found.every((name) => /guitar/i.test(name)),
      found.join(),
    );
    await search.press("Escape");
    assert.equal(await rows.count(), instrument.attributes.length);

    // Words become a mix that is shown, and set only on request.
    const before = await patchOf(page);
    await search.fill("guitar strings");
    const set = page.getByRole("button", { name: "Set these" });
    await set.waitFor();
    assert.match(await page.locator("#words-said").innerText(), /guitar.* \d+ %/i);
    assert.deepEqual(await patchOf(page), before, "nothing is set by typing");
    await set.click();
    const levels = (await patchOf(page)).attributes;
    assert.ok(Object.keys(levels).some((one) => /guitar/i.test(one)) && Math.max(...Object.values(levels)) === 1, JSON.stringify(levels));
    assert.equal(await search.inputValue(), "");
    assert.equal(await set.isVisible(), false);
    await page.getByRole("button", { name: "Undo" }).click();
    assert.deepEqual(await patchOf(page), before);
    await search.fill("no drums");
    await page.getByText("is not understood").waitFor();
    assert.equal(await set.isVisible(), false);
    await search.press("Escape");

    const { name } = instrument.attributes[3];
    await page.getByRole("checkbox", { name: "Beyond 0…1" }).check();
    await slider(page, name).focus();
    await page.keyboard.press("End");
    assert.equal((await patchOf(page)).attributes[name], 1.5);
    await allReady(page);
    await page.keyboard.press("Backspace");
    assert.ok(!(name in (await patchOf(page)).attributes), "back to its baseline");
    await page.getByRole("checkbox", { name: "Beyond 0…1" }).uncheck();
  });
}
