// @ts-check
/** What goes in and out: presets, links, sounds that are listened to, recordings, archives for a sampler. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { allReady, begun, keyAt, patchOf, plainly, rendered, says, toTheEnd } from "./page.mjs";
import { align, decibel, decodeWav, encodeWav16, rms, zipNames } from "./signal.mjs";

/** @param {() => import("./page.mjs").Stage} stage */
export function keepingTests(stage) {
  test("a sound is kept over a reload: as a preset, and as a link", async () => {
    const { page, server } = stage();
    await page.getByRole("button", { name: "Randomise", exact: true }).click();
    const kept = await patchOf(page);
    await page.locator("#presets-open").click();
    await page.getByRole("textbox", { name: "Name of the preset" }).fill("glass & ‘smoke’");
    await page.getByRole("button", { name: "Save", exact: true }).click();
    await says(page, /Saved/);
    await page.getByRole("button", { name: "Copy link" }).click();
    await says(page, /link/);
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(
      link.startsWith(`${server.origin}/#sound=`) && !link.includes(server.token),
      "a link holds a sound, not the key to the server",
    );

    await page.reload();
    await stage().again();
    assert.notDeepEqual((await patchOf(page)).attributes, kept.attributes);
    await page.locator("#presets-open").click();
    await page.getByRole("button", { name: "glass & ‘smoke’", exact: true }).click();
    assert.deepEqual(await patchOf(page), { ...kept, name: "glass & ‘smoke’" });
    await page.getByRole("button", { name: "Delete glass & ‘smoke’" }).click();
    await says(page, /Deleted/);
    await page.keyboard.press("Escape");

    await page.getByRole("button", { name: "Randomise", exact: true }).click();
    await page.goto(link); // a fragment alone: the page stays
    await page.waitForFunction((seed) => {
      const { session } = /** @type {any} */ (window).darktimbre.state;
      return session[session.active].seed === seed;
    }, kept.seed);
    assert.deepEqual((await patchOf(page)).attributes, kept.attributes);
    assert.equal(new URL(page.url()).hash, "", "the address bar shows no key");
  });

  test("a dropped sound sets the sliders; a dropped JSON is the sound", async () => {
    const { page, instrument, say } = stage();
    await allReady(page);
    const wave = await rendered(stage(), 62);
    const buffer = encodeWav16(
      wave.map((x) => 0.9 * x),
      stage().rate,
    );
    await page.locator("#sound-file").setInputFiles({ name: "a note.wav", mimeType: "audio/wav", buffer });
    await says(page, /set from a note/);
    const summary = await page.locator("#said").innerText();
    const patch = await patchOf(page);
    say(`listened: ${summary.split("\n")[0]}`);
    assert.ok(Object.keys(patch.attributes).length > 0);
    assert.ok(
      Object.keys(patch.attributes).every((name) =>
        instrument.attributes.some((/** @type {any} */ one) => one.name === name),
      ),
    );
    await page.locator("#said").getByRole("button", { name: "Undo" }).click();
    assert.notDeepEqual((await patchOf(page)).attributes, patch.attributes);
    await page.evaluate(() => {
      const sound = {
        darktimbre: "patch",
        version: 1,
        bundle: "",
        name: "dropped",
        attributes: {},
        seed: 77,
        pad: [0.5, 0],
      };
      const carried = new DataTransfer();
      carried.items.add(new File([JSON.stringify(sound)], "dropped.json"));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
    });
    await page.waitForFunction(() => {
      const { session } = /** @type {any} */ (window).darktimbre.state;
      return session[session.active].name === "dropped";
    });
    assert.deepEqual((({ seed, pad }) => [seed, pad])(await patchOf(page)), [77, [0.5, 0]]);
    // What is no sound is refused with a sentence, and changes nothing.
    await page
      .locator("#sound-file")
      .setInputFiles({ name: "no sound.wav", mimeType: "audio/wav", buffer: Buffer.from("RIFFnothing") });
    await page.locator("#said.is-wrong").waitFor();
    assert.equal((await patchOf(page)).name, "dropped");
    stage().troubles.splice(
      0,
      Infinity,
      ...stage().troubles.filter((/** @type {string} */ one) => !/status of 4\d\d/.test(one)),
    );
  });

  test("what is played is recorded to a wav file, and any note downloads", async () => {
    const { page, rate } = stage();
    await allReady(page);
    await plainly(page);
    await page.getByRole("button", { name: "Record", exact: true }).click();
    await page.getByRole("button", { name: /^Stop/ }).waitFor();
    const at = await keyAt(page, 55);
    await begun(page);
    await page.mouse.move(at.x, at.y);
    await page.mouse.down();
    await toTheEnd(page, 1);
    await page.mouse.up();
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: /^Stop/ }).click(),
    ]);
    assert.match(file.suggestedFilename(), /^darktimbre .*\.wav$/);
    const sound = decodeWav(await readFile(/** @type {string} */ (await file.path())));
    assert.equal(sound.rate, rate);
    const found = align(sound.channels[0], await rendered(stage(), 55));
    assert.ok(found.correlation > 0.999 && decibel(rms(sound.channels[0])) > -60, `${found.correlation}`);

    const [note] = await Promise.all([page.waitForEvent("download"), page.locator("#download").click()]);
    const single = decodeWav(await readFile(/** @type {string} */ (await note.path())));
    assert.equal(single.rate, stage().instrument.sample_rate);
    assert.equal(single.channels[0].length, Math.round(single.rate * stage().instrument.seconds));
  });

  test("the export dialog hands out an archive for a sampler", async () => {
    const { page, instrument } = stage();
    assert.ok(instrument.exports.includes("sfz"), instrument.exports.join());
    await page.locator("#export-open").click();
    const dialog = page.getByRole("dialog", { name: "Export to a sampler" });
    await dialog.getByRole("radio", { name: /^SFZ/ }).check();
    const download = page
      .waitForEvent("download")
      .catch(async () => assert.fail(await page.locator("#export-said").innerText()));
    await dialog.getByRole("button", { name: "Export", exact: true }).click();
    const file = await download;
    const names = zipNames(await readFile(/** @type {string} */ (await file.path())));
    assert.equal(names.filter((name) => name.endsWith(".sfz")).length, 1, names.slice(0, 5).join());
    assert.ok(
      names.filter((name) => name.endsWith(".wav")).length >= instrument.pitches.length,
      `${names.length} files`,
    );
  });
}
