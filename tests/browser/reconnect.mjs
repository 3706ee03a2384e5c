// @ts-check
/** The server goes away and comes back: the page says what is wrong and what to do, and plays on. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { serve, visit } from "./launch.mjs";
import { allReady } from "./page.mjs";

/** @param {() => import("./page.mjs").Stage} stage */
export function reconnectTests(stage) {
  test("without its key the page says where to find it", async () => {
    const { browser, server } = stage();
    const { page, context } = await visit(browser, server, { url: `${server.origin}/` });
    await page.locator("#connection:visible", { hasText: /open the link/i }).waitFor();
    await context.close();
    const wrong = await visit(browser, server, { url: `${server.origin}/#token=${"x".repeat(43)}` });
    await wrong.page.locator("#connection:visible", { hasText: /link/i }).waitFor();
    await wrong.context.close();
  });

  test("a server that ends and comes back with another key", async () => {
    const { browser, home } = stage();
    let server = await serve({ home });
    try {
      const { page, context } = await visit(browser, server);
      await allReady(page);
      const note = await page.evaluate(() => /** @type {any} */ (window).darktimbre.engine.note(60)?.samples.length);
      assert.ok(note > 0);
      await server.stop();
      await page.locator("#connection:visible", { hasText: /darktimbre play/ }).waitFor();
      // What was rendered still sounds.
      await page.locator("#connection").click();
      await page.keyboard.down("KeyZ");
      await page.waitForFunction(() => /** @type {any} */ (window).darktimbre.engine.sounding > 0);
      await page.keyboard.up("KeyZ");

      server = await serve({ home, port: server.port });
      await page.locator("#connection:visible", { hasText: /link/ }).waitFor();
      await page.goto(server.url);
      await page.waitForFunction(
        () => /** @type {any} */ (window).darktimbre?.state && /** @type {any} */ (window).darktimbre.connection.isOpen,
      );
      await allReady(page);
      assert.equal(await page.locator("#connection").isVisible(), false);
      await context.close();
    } finally {
      await server.stop();
    }
  });
}
