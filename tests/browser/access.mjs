// @ts-check
/** The page without a mouse, without eyes, on a phone, in light and in dark. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { visit } from "./launch.mjs";
import { allReady, begun } from "./page.mjs";

/** @typedef {import('./launch.mjs').Page} Page */

const CONTROLS = [
  "button",
  "checkbox",
  "combobox",
  "link",
  "menuitem",
  "radio",
  "searchbox",
  "slider",
  "spinbutton",
  "switch",
  "textbox",
];
export const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const LEAST = 4.5; // contrast of text, WCAG 2.2 AA; 3 for large text

/** @param {Page} page @returns {Promise<{role: string, name: string, element: string}[]>} the controls as the browser tells them to a screen reader */
async function controls(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const found = [];
  for (const { ignored, role, name, backendDOMNodeId } of nodes) {
    if (ignored || !CONTROLS.includes(role?.value)) continue;
    const control = { role: role?.value, name: String(name?.value ?? "").trim(), element: "" };
    if (!control.name) {
      const { node } = await session.send("DOM.describeNode", { backendNodeId: backendDOMNodeId });
      control.element = `${node.localName} ${node.attributes?.join(" ")}`;
    }
    found.push(control);
  }
  await session.detach();
  return found;
}

/** @param {Page} page @param {string} where */
export async function allNamed(page, where) {
  const found = await controls(page);
  assert.ok(found.length > 20, where);
  assert.deepEqual(
    found.filter(({ name }) => !name),
    [],
    `${where}: controls without a name`,
  );
}

/**
 * The contrast of every text that is seen, against what is painted behind it.
 * @param {Page} page @returns {Promise<{text: string, ratio: number, colours: string}[]>} those too faint
 */
export const faint = (page) =>
  page.evaluate((least) => {
    const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (
      new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true })
    );
    /** Any CSS colour as 0…255 and alpha 0…1. @param {string} colour */
    const read = (colour) => {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      return [r, g, b, a / 255];
    };
    /** @param {number[]} over @param {number[]} under */
    const laid = (over, under) => [0, 1, 2].map((c) => over[c] * over[3] + under[c] * (1 - over[3])).concat(1);
    /** @param {number[]} colour relative luminance of WCAG 2 */
    const luminance = (colour) => {
      const [r, g, b] = colour
        .slice(0, 3)
        .map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    /** @param {Element} element */
    const behind = (element) => {
      const layers = [];
      for (let at = /** @type {Element | null} */ (element); at; at = at.parentElement) {
        const layer = read(getComputedStyle(at).backgroundColor);
        if (layer[3] > 0) layers.push(layer);
        if (layer[3] === 1) break;
      }
      return layers.reduceRight((under, over) => laid(over, under), read("canvas"));
    };
    /** @type {Map<Element, string>} */ const texts = new Map();
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      if (node.parentElement && node.textContent?.trim()) texts.set(node.parentElement, node.textContent.trim());
    }
    for (const input of document.querySelectorAll("input:not([type=range], [type=checkbox], [type=radio]), select")) {
      texts.set(input, /** @type {HTMLInputElement} */ (input).value || "placeholder");
    }
    const poor = [];
    for (const [element, text] of texts) {
      const style = getComputedStyle(element);
      const { width, height } = element.getBoundingClientRect();
      if (width < 2 || height < 2 || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true }))
        continue;
      if (element.closest(":disabled, [aria-disabled=true], .unseen, option, [inert]") || style.clipPath !== "none")
        continue;
      const ground = behind(element);
      const shown = text === "placeholder" ? getComputedStyle(element, "::placeholder") : style;
      const colour = laid(read(shown.color), ground);
      const [light, dark] = [luminance(colour), luminance(ground)].sort((a, b) => b - a);
      const ratio = (light + 0.05) / (dark + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : least))
        poor.push({ text: text.slice(0, 40), ratio: Math.round(ratio * 100) / 100, colours: `${colour} on ${ground}` });
    }
    return poor;
  }, LEAST);

/**
 * What can have the focus, in the order of the document; of radio buttons in one group only the first.
 * @param {Page} page @returns {Promise<string[]>}
 */
export const tabbable = (page) =>
  page.evaluate(() => {
    const all = [...document.querySelectorAll("a[href], button, input, select, textarea, [tabindex]")];
    const may = /** @type {HTMLElement[]} */ (all).filter(
      (one) => one.tabIndex >= 0 && !one.matches(":disabled") && one.checkVisibility({ visibilityProperty: true }),
    );
    return may.map(
      (one, index) =>
        (one.dataset.walk = `${index} ${one.tagName.toLowerCase()} ${one.getAttribute("aria-label") ?? (one.id || one.textContent?.trim().slice(0, 30))}`),
    );
  });

/** @param {Page} page @returns {Promise<{at: string | null, seen: boolean}>} what has the focus, and whether it shows */
export const focused = (page) =>
  page.evaluate(() => {
    const at = /** @type {HTMLElement | null} */ (document.activeElement);
    if (!at || at === document.body) return { at: null, seen: true };
    // The ring may be drawn by the control or by what it stands in, such as a slider's bar.
    /** @param {Element} one */
    const looks = (one) => {
      const { outlineStyle, outlineWidth, outlineColor, boxShadow, borderColor, backgroundColor } =
        getComputedStyle(one);
      const ring =
        outlineStyle !== "none" && parseFloat(outlineWidth) >= 1
          ? `${outlineStyle} ${outlineWidth} ${outlineColor}`
          : "";
      return [ring, boxShadow, borderColor, backgroundColor].join("|");
    };
    const near = [at, at.parentElement, at.parentElement?.parentElement, ...(at.parentElement?.children ?? [])].filter(
      (one) => one instanceof Element,
    );
    const lit = near.map(looks);
    at.blur();
    const unlit = near.map(looks);
    at.focus(/** @type {FocusOptions} */ ({ preventScroll: true, focusVisible: true }));
    return { at: at.dataset.walk ?? at.outerHTML.slice(0, 80), seen: lit.some((look, index) => look !== unlit[index]) };
  });

/**
 * What is cut off at the sides, or too small for a finger.
 * @param {Page} page
 */
export const crowded = (page) =>
  page.evaluate(() => {
    const wide = innerWidth;
    const out = [...document.querySelectorAll("button, input, select, p, h1, h2, label, canvas")].filter((one) => {
      if (
        !one.checkVisibility({ visibilityProperty: true }) ||
        one.closest(".keyboard-scroll, .unseen, .skip") ||
        one.matches(".unseen")
      )
        return false;
      const { left, right, width } = one.getBoundingClientRect();
      return width > 0 && (left < -1 || right > wide + 1);
    });
    const small = [...document.querySelectorAll("button, select")].filter((one) => {
      const { width, height } = one.getBoundingClientRect();
      return one.checkVisibility() && width > 0 && (width < 24 || height < 24); // WCAG 2.2, 2.5.8
    });
    const tell = (/** @type {Element} */ one) =>
      `${one.tagName} ${one.id || one.className} ${one.textContent?.slice(0, 20)}`;
    return { page: document.documentElement.scrollWidth - wide, out: out.map(tell), small: small.map(tell) };
  });

/**
 * Tab comes to every control, and the focus shows.
 * @param {Page} page @param {number} least controls there are
 */
export async function walk(page, least) {
  await page.evaluate(() => {
    for (const dialog of document.querySelectorAll("dialog")) dialog.close();
    document.getElementById("said")?.replaceChildren(); // a sentence that would go by itself on the way
    /** @type {HTMLElement} */ (document.activeElement)?.blur();
    window.getSelection()?.removeAllRanges();
  });
  const wanted = await tabbable(page);
  assert.ok(wanted.length > least, `${wanted.length}`);
  await page.locator("a.skip").focus();
  const reached = new Map([[(await focused(page)).at, true]]);
  for (let press = 0; press < 4 * wanted.length; press++) {
    await page.keyboard.press("Tab");
    const { at, seen } = await focused(page);
    if (at === null || at === wanted[0]) break;
    reached.set(at, seen || reached.get(at) === true);
  }
  assert.deepEqual(
    wanted.filter((one) => !reached.has(one)),
    [],
    "not reached",
  );
  assert.deepEqual(
    [...reached].filter(([, seen]) => !seen).map(([at]) => at),
    [],
    "no visible focus",
  );
}

/** @param {() => import("./page.mjs").Stage} stage */
export function accessTests(stage) {
  test("Tab reaches every control, and the focus shows", async () => {
    const { page } = stage();
    await walk(page, 64);
  });

  test("an octave is played, and a key held, by keyboard alone", async () => {
    const { page } = stage();
    const before = await page.evaluate(() => /** @type {any} */ (window).notesBegun.length);
    await page.locator('.key[tabindex="0"]').focus();
    const first = await page.evaluate(() => Number(/** @type {HTMLElement} */ (document.activeElement).dataset.midi));
    await page.keyboard.press("ArrowUp");
    await page.keyboard.down("Enter");
    await page.waitForFunction((count) => /** @type {any} */ (window).notesBegun.length > count, before);
    await page.keyboard.up("Enter");
    const { midi } = await page.evaluate(() => /** @type {any} */ (window).notesBegun.at(-1));
    assert.equal(midi, first + 12);
  });

  test("a screen reader's press of a key, a click of no pointer, plays a moment", async () => {
    const { page } = stage();
    await begun(page);
    const isPressed = await page.locator('.key[data-midi="57"]').evaluate((key) => {
      /** @type {HTMLElement} */ (key).click();
      return key.classList.contains("pressed");
    });
    assert.ok(isPressed);
    assert.deepEqual(await begun(page), [{ midi: 57, velocity: 100 }]);
    await page.waitForFunction(() => document.querySelector(".key.pressed") === null);
  });

  test("every control has a name, on the page, in its dialogs and on a phone", async () => {
    const { page, browser, server } = stage();
    await allNamed(page, "page");
    for (const opener of ["presets", "export", "help"]) {
      await page.locator(`#${opener}-open`).click();
      await page.locator("dialog[open]").waitFor();
      const found = await controls(page);
      assert.deepEqual(
        found.filter(({ name }) => !name),
        [],
        `${opener}: controls without a name`,
      );
      await page.keyboard.press("Escape");
      await page.locator("dialog[open]").waitFor({ state: "detached" });
    }
    const phone = await visit(browser, server, PHONE);
    await allReady(phone.page);
    await allNamed(phone.page, "phone");
    await phone.context.close();
  });

  test("on a phone nothing is cut off or too small, and touch plays", async () => {
    const { browser, server } = stage();
    const { page, context, troubles } = await visit(browser, server, PHONE);
    await allReady(page);
    for (const part of ["Sliders", "Pad", "Scope", "Envelope"]) {
      await page.getByRole("button", { name: part, exact: true }).tap();
      const odd = await crowded(page);
      assert.deepEqual(odd, { page: 0, out: [], small: [] }, part);
    }
    await page.evaluate(() => {
      const { engine } = /** @type {any} */ (window).darktimbre;
      const shown = engine.onnote;
      engine.onnote = (/** @type {any} */ note) => {
        Object.assign(window, { touched: note.midi });
        shown(note);
      };
    });
    const { x, y, midi } = await page.locator(".key").evaluateAll((keys) => {
      const seen = keys.filter(
        (key) =>
          !key.classList.contains("black") &&
          key.getBoundingClientRect().left > 100 &&
          key.getBoundingClientRect().right < innerWidth,
      );
      const { left, bottom, width } = seen[0].getBoundingClientRect();
      return { x: left + width / 2, y: bottom - 20, midi: Number(/** @type {HTMLElement} */ (seen[0]).dataset.midi) };
    });
    await page.touchscreen.tap(x, y);
    await page.waitForFunction((key) => /** @type {any} */ (window).touched === key, midi);
    assert.deepEqual(troubles, []);
    await context.close();
  });

  for (const colorScheme of /** @type {const} */ (["light", "dark"])) {
    test(`text has contrast in ${colorScheme}`, async () => {
      const { browser, server } = stage();
      const { page, context } = await visit(browser, server, { colorScheme, reducedMotion: "reduce" });
      await allReady(page);
      assert.deepEqual(await faint(page), []);
      for (const opener of ["presets", "export", "help"]) {
        await page.locator(`#${opener}-open`).click();
        assert.deepEqual(await faint(page), [], opener);
        await page.keyboard.press("Escape");
      }
      const [r, g, b] = await page.evaluate(() =>
        (getComputedStyle(document.body).backgroundColor.match(/[\d.]+/g) ?? []).map(Number),
      );
      assert.equal(r + g + b < 384, colorScheme === "dark", `the background is ${[r, g, b]}`);
      await context.close();
    });
  }
}
