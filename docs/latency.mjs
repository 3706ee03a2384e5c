// @ts-check
/**
 * Latency, measured in Chromium: from a slider to the first new note and to the whole keyboard.
 *
 *     make latency ARGS="starter runs/paper/bundle"        (default: starter)
 *
 * Every figure is the median of nine moves to a state that was never rendered before, with the range.
 */

import { mkdtemp, rm } from "node:fs/promises";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";

import { open, serve, visit } from "../tests/browser/launch.mjs";
import { allReady, latency } from "../tests/browser/page.mjs";

const MOVES = 9;
const bundles = process.argv.slice(2);

/** @param {number[]} times ms @returns {string} median (lowest … highest) */
function summary(times) {
  const sorted = [...times].sort((a, b) => a - b);
  return `${Math.round(sorted[sorted.length >> 1])} ms (${Math.round(sorted[0])}–${Math.round(sorted[sorted.length - 1])})`;
}

const home = await mkdtemp(join(tmpdir(), "darktimbre-"));
const browser = await open();
console.log(`${cpus().length} cores, ${cpus()[0].model}; load before: ${loadavg()[0].toFixed(1)}\n`);
console.log(
  "| bundle | notes | first new note | whole keyboard | dragged, from release | whole keyboard | cached: first | all |",
);
console.log("|---|---|---|---|---|---|---|---|");
try {
  for (const bundle of bundles.length ? bundles : ["starter"]) {
    const server = await serve({ bundle, home });
    try {
      const { page, context } = await visit(browser, server);
      await page.waitForFunction(() => /** @type {any} */ (window).darktimbre?.engine);
      await page.evaluate(() => localStorage.setItem("darktimbre.audition", "off"));
      await page.keyboard.press("Shift"); // a user gesture starts the audio
      await allReady(page);
      const range = page.locator("#attribute-0");
      /** @type {Record<string, number[]>} */ const times = {
        first: [],
        all: [],
        dragged: [],
        released: [],
        memory: [],
        remembered: [],
      };
      let count = 0;
      for (let move = 0; move < MOVES; move++) {
        await range.focus();
        const pressed = await latency(page, () => page.keyboard.press("ArrowRight"));
        times.first.push(pressed.first);
        times.all.push(pressed.all);
        count = pressed.count;
        const box = await range.boundingBox();
        if (!box) throw new Error("the slider is not on the page");
        const at = (/** @type {number} */ share) =>
          page.mouse.move(box.x + share * box.width, box.y + box.height / 2, { steps: 8 });
        const drawn = await latency(page, async () => {
          await at(0.3);
          await page.mouse.down();
          await at(0.5 + 0.04 * move);
          await page.mouse.up();
        });
        times.dragged.push(drawn.first);
        times.released.push(drawn.all);
        await page.keyboard.press("Control+KeyZ");
        const memory = await latency(page, () => page.keyboard.press("Control+Shift+KeyZ"));
        times.memory.push(memory.first);
        times.remembered.push(memory.all);
        await page.keyboard.press("Control+KeyZ");
        await allReady(page);
      }
      const { first, all, dragged, released, memory, remembered } = times;
      console.log(
        `| ${[bundle, count, ...[first, all, dragged, released, memory, remembered].map(summary)].join(" | ")} |`,
      );
      const sound = await page.evaluate(() => /** @type {any} */ (window).darktimbre.engine.latency);
      console.log(
        `\nOutput latency reported by the browser for a key whose note is ready: ${(1000 * sound).toFixed(0)} ms.\n`,
      );
      await context.close();
    } finally {
      await server.stop();
    }
  }
} finally {
  await browser.close();
  await rm(home, { recursive: true, force: true });
}
