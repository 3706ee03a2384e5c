// @ts-check
/** What every look at the page needs: a real `darktimbre play` on a free port, and the system's Chromium in front of it. */

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { chromium } from "playwright-core";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const PYTHON = process.env.DARKTIMBRE_PYTHON ?? `${ROOT}.venv/bin/python`;
const BROWSERS = [
  process.env.CHROMIUM ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
];

/** What takes longer has failed, even on a busy machine; shorter while a test is being written. */
export const PATIENCE = Number(process.env.PATIENCE ?? 30_000); // ms

/**
 * @typedef {{url: string, origin: string, port: number, token: string, home: string, stop: () => Promise<void>}} Server
 * @typedef {import('playwright-core').Browser} Browser
 * @typedef {import('playwright-core').BrowserContext} Context
 * @typedef {import('playwright-core').Page} Page
 * @typedef {import('playwright-core').BrowserContextOptions} Options
 */

/**
 * Starts `darktimbre play` and waits for the address that it prints.
 * @param {{bundle?: string, port?: number, home: string, extra?: string[]}} options `home`: where presets are kept
 * @returns {Promise<Server>}
 */
export async function serve({ bundle = "starter", port = 0, home, extra = [] }) {
  const program = join(dirname(PYTHON), "darktimbre");
  const child = spawn(program, ["play", bundle, "--no-open", "--port", String(port), "--runtime", "torch", ...extra], {
    cwd: ROOT,
    // The presets of the test stay away from those of whoever runs it.
    env: { ...process.env, DARKTIMBRE_HOME: home, PYTHONUNBUFFERED: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const url = await new Promise((resolve, reject) => {
    const listen = (/** @type {Buffer} */ part) => {
      said += part.toString();
      const found = /http:\/\/127\.0\.0\.1:\d+\/\S*#token=[\w.~-]+/.exec(said);
      if (found) resolve(found[0]);
    };
    child.stdout.on("data", listen);
    child.stderr.on("data", listen);
    child.once("exit", (code) => reject(new Error(`darktimbre play ended with ${code} before it served:\n${said}`)));
    setTimeout(() => reject(new Error(`darktimbre play printed no address:\n${said}`)), 3 * PATIENCE).unref();
  }).catch((trouble) => {
    child.kill("SIGKILL");
    throw trouble;
  });
  const { origin, port: chosen, hash } = new URL(url);
  return {
    url,
    origin,
    port: Number(chosen),
    token: hash.slice("#token=".length),
    home,
    stop: async () => {
      child.kill("SIGINT");
      const late = setTimeout(() => child.kill("SIGKILL"), 10_000);
      await ended;
      clearTimeout(late);
    },
  };
}

/** @returns {Promise<Browser>} the system's Chromium, without a window */
export async function open() {
  const executablePath = BROWSERS.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error("No Chromium is found: apt install chromium, or name it in CHROMIUM.");
  const args = [
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
  ];
  // Chromium refuses its sandbox to root, and to nobody else.
  if (process.getuid?.() === 0) args.push("--no-sandbox");
  return chromium.launch({ executablePath, args });
}

/**
 * A page of the instrument, and everything that went wrong or went out while it was open.
 * @param {Browser} browser
 * @param {Server} server
 * @param {Options & {url?: string, before?: (page: Page) => Promise<void>}} options
 */
export async function visit(browser, server, { url = server.url, before, ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 900 },
    acceptDownloads: true,
    ...options,
  });
  await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin: server.origin });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  /** @type {string[]} */ const troubles = [];
  /** @type {string[]} */ const requested = [];
  page.on("console", (message) => {
    if (message.type() === "error") troubles.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => troubles.push(`uncaught: ${error.stack ?? error}`));
  page.on("request", (request) => requested.push(request.url()));
  page.on("websocket", (socket) => requested.push(socket.url()));
  await page.addInitScript(() => {
    // The browser tells violations of the Content-Security-Policy to the console too; here with the directive's name.
    document.addEventListener("securitypolicyviolation", (event) =>
      console.error(`CSP ${event.violatedDirective}: ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`),
    );
  });
  await before?.(page);
  await page.goto(url);
  return { context, page, troubles, requested };
}

/**
 * A MIDI keyboard that is not there: `window.midiSend([0x90, 60, 100])` plays on it.
 * @param {Page} page
 */
export async function pretendMidi(page) {
  await page.addInitScript(() => {
    class Input extends EventTarget {
      id = "pretended";
      name = "Pretended keyboard";
      type = "input";
      state = "connected";
      connection = "open";
      /** @type {((event: Event) => void) | null} */ onmidimessage = null;
      async open() { return this; } // prettier-ignore
      async close() { return this; } // prettier-ignore
    }
    const input = new Input();
    const access = Object.assign(new EventTarget(), {
      inputs: new Map([[input.id, input]]),
      outputs: new Map(),
      sysexEnabled: false,
      onstatechange: null,
    });
    Object.assign(window, {
      midiAsked: /** @type {unknown[]} */ ([]),
      midiSend(/** @type {number[]} */ bytes) {
        const event = Object.assign(new Event("midimessage"), { data: new Uint8Array(bytes) });
        input.dispatchEvent(event);
        input.onmidimessage?.(event);
      },
    });
    Object.defineProperty(navigator, "requestMIDIAccess", {
      configurable: true,
      value: async (/** @type {unknown} */ options) => {
        /** @type {any} */ (window).midiAsked.push(options ?? {});
        return access;
      },
    });
  });
}
