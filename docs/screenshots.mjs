// @ts-check
/**
 * Takes the documents' screenshots of the page: docs/play-desktop.png, play-dark.png and play-phone.png of the starter,
 * play-strings.png of the autoencoder `strings` with a sound of one's own in its latent space.
 *
 *     make shots
 */

import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { PYTHON, open, serve, visit } from "../tests/browser/launch.mjs";
import { allReady, keyAt, says, slider } from "../tests/browser/page.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const SOUND = {
  attributes: { "Singing bowl": 0.62, Trumpet: 0.2, "Bowed string instrument": 0.35, Chant: 0.12 },
  seed: 11,
  pad: [0.38, 0.27],
};
const NAME = "brass bowl";
const PALETTE =
  "import sys; from PIL import Image; Image.open(sys.argv[1]).convert('RGB').quantize(256).save(sys.argv[1], optimize=True)";
const CHORD = [53, 57, 60, 64];

/** @type {[string, import('../tests/browser/launch.mjs').Options][]} */
const VIEWS = [
  ["desktop", { viewport: { width: 1360, height: 900 }, colorScheme: "light" }],
  ["dark", { viewport: { width: 1360, height: 900 }, colorScheme: "dark" }],
  [
    "phone",
    {
      viewport: { width: 390, height: 844 },
      deviceScaleFactor: 2,
      isMobile: true,
      hasTouch: true,
      colorScheme: "light",
    },
  ],
];

const home = await mkdtemp(join(tmpdir(), "darktimbre-"));
const [server, browser] = await Promise.all([serve({ home }), open()]);
try {
  for (const [name, options] of VIEWS) {
    const { page, context } = await visit(browser, server, options);
    await allReady(page);
    const sound = { darktimbre: "patch", version: 1, name: NAME, ...SOUND };
    await page.evaluate(
      (code) => (location.hash = `#sound=${code}`),
      Buffer.from(JSON.stringify(sound)).toString("base64url"),
    );
    await page.waitForFunction((seed) => {
      const { session } = /** @type {any} */ (window).darktimbre.state;
      return session[session.active].seed === seed;
    }, SOUND.seed);
    await allReady(page);
    // A chord is held during the screenshot; its last note is drawn.
    for (const midi of CHORD) {
      await page.evaluate((key) => {
        const { engine } = /** @type {any} */ (window).darktimbre;
        engine.noteOn({ midi: key, source: key, semitones: 0 }, 100);
        document.querySelector(`.key[data-midi="${key}"]`)?.classList.add("pressed");
      }, midi);
    }
    await keyAt(page, CHORD[1]);
    await take(page, name);
    await context.close();
  }
  await autoencoder();
} finally {
  await browser.close();
  await server.stop();
  await rm(home, { recursive: true, force: true });
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name
 */
async function take(page, name) {
  // Without sentences: how long rendering took depends on what else the machine does.
  await page.evaluate(() => ["said", "rendering"].forEach((id) => document.getElementById(id)?.replaceChildren("\u00a0")));
  await page.waitForTimeout(150); // the meter rises
  const file = join(HERE, `play-${name}.png`);
  await writeFile(file, await page.screenshot({ animations: "disabled" }));
  execFileSync(PYTHON, ["-c", PALETTE, file]);
  console.log(`${file}: ${Math.round((await stat(file)).size / 1000)} kB`);
}

async function autoencoder() {
  const strings = await serve({ bundle: "strings", home });
  try {
    const options = /** @type {const} */ ({ viewport: { width: 1366, height: 768 }, colorScheme: "light" });
    const { page, context } = await visit(browser, strings, options);
    const folder = join(home, "own");
    const notes = ["synth", "random", "starter", folder, "--count", "1", "--set", "Singing bowl=0.9"];
    execFileSync(join(dirname(PYTHON), "darktimbre"), notes);
    const [own] = (await readdir(folder)).filter((file) => file.endsWith(".wav"));
    const buffer = await readFile(join(folder, own));
    await page.locator("#sound-file").setInputFiles({ name: "my bowl.wav", mimeType: "audio/wav", buffer });
    await says(page, /my bowl/);
    for (const [style, tenths] of Object.entries({ celli: 6, tremolo: 8 })) {
      await slider(page, style).focus();
      for (let press = 0; press < tenths; press += 1) await page.keyboard.press("PageUp");
    }
    await allReady(page);
    const { x, y } = await keyAt(page, 57);
    await page.mouse.move(x, y);
    await page.mouse.down();
    await page.waitForTimeout(500);
    await take(page, "strings");
    await context.close();
  } finally {
    await strings.stop();
  }
}
