// @ts-check
// The way to the server: HTTP for single requests, a WebSocket for the notes of the sound one has set; it comes back by itself.

/** @typedef {{generation: number, source: number | null, rate: number, samples: Float32Array}} LiveNote */

const HEADER = 16; // bytes: generation, source pitch, rate, count
const FIRST_WAIT = 500; // ms before the first try to come back; doubles up to the longest
const LONGEST_WAIT = 4000;
export const NO_TOKEN = "This page has no access token: open the link that darktimbre play printed in the terminal.";
const OLD_TOKEN =
  "The instrument was restarted and this page's token is no longer valid: open the link printed in the terminal.";
const GONE = "The instrument does not answer. Is darktimbre play still running? The page retries automatically.";

/** An answer of the server that is not what was requested; the message is its sentence. */
export class ServerError extends Error {
  /** @param {string} sentence @param {number} status 0: no answer at all */
  constructor(sentence, status) {
    super(sentence);
    this.status = status;
  }
}

/**
 * @param {ArrayBuffer} message little-endian: uint32 generation, float32 pitch (NaN: none), uint32 rate, uint32 count, samples
 * @returns {LiveNote}
 */
export function decodeNote(message) {
  const view = new DataView(message);
  const count = message.byteLength >= HEADER ? view.getUint32(12, true) : -1;
  if (message.byteLength !== HEADER + 4 * count) throw new RangeError("a note of the wrong length");
  const samples = new Float32Array(message, HEADER, count); // every browser's machine is little-endian
  const pitch = view.getFloat32(4, true);
  return {
    generation: view.getUint32(0, true),
    source: Number.isNaN(pitch) ? null : pitch,
    rate: view.getUint32(8, true),
    samples,
  };
}

/**
 * Takes the token out of the address bar, where it could be copied or seen, into this tab's memory.
 *
 * @param {string | null} token of the address' fragment
 * @returns {string | null}
 */
export function keepToken(token) {
  if (token) sessionStorage.setItem("darktimbre.token", token);
  return token || sessionStorage.getItem("darktimbre.token");
}

export class Connection {
  /**
   * @param {string | null} token
   * @param {object} handlers
   * @param {(note: LiveNote) => void} handlers.onNote
   * @param {(message: any) => void} handlers.onMessage begun, finished, failed
   * @param {(sentence: string | null) => void} handlers.onState what is wrong, or null: all is well
   */
  constructor(token, { onNote, onMessage, onState }) {
    this.token = token;
    this.onNote = onNote;
    this.onMessage = onMessage;
    this.onState = onState;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.wait = FIRST_WAIT;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
    /** @type {string | null} */
    this.last = null; // the last patch sent: sent again when the way is open again
    this.stopped = false;
    window.addEventListener("online", () => this.#again());
    document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && this.#again());
  }

  get isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  // -------------------------------------------------------------------------------------------------------------------
  // HTTP
  // -------------------------------------------------------------------------------------------------------------------
  /**
   * @param {string} method
   * @param {string} path
   * @param {{json?: unknown, bytes?: Blob, signal?: AbortSignal}} [content]
   * @returns {Promise<Response>} an answer that is well
   * @throws {ServerError}
   */
  async ask(method, path, { json, bytes, signal } = {}) {
    if (!this.token) throw new ServerError(NO_TOKEN, 401);
    /** @type {Record<string, string>} */
    const headers = { Authorization: `Bearer ${this.token}` };
    if (json !== undefined) headers["Content-Type"] = "application/json";
    if (bytes !== undefined) headers["Content-Type"] = "application/octet-stream";
    let answer;
    try {
      answer = await fetch(path, {
        method,
        headers,
        body: json === undefined ? bytes : JSON.stringify(json),
        cache: "no-store",
        signal,
      });
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") throw error;
      throw new ServerError(GONE, 0);
    }
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => null);
    const sentence = typeof said?.error === "string" ? said.error : `The instrument answered ${answer.status}.`;
    throw new ServerError(answer.status === 401 ? OLD_TOKEN : sentence, answer.status);
  }

  /** @param {string} path @returns {Promise<any>} */
  async get(path) {
    return (await this.ask("GET", path)).json();
  }

  /** @param {string} path @param {unknown} json @returns {Promise<Blob>} a file */
  async post(path, json) {
    return (await this.ask("POST", path, { json })).blob();
  }

  // -------------------------------------------------------------------------------------------------------------------
  // Live
  // -------------------------------------------------------------------------------------------------------------------
  open() {
    if (this.stopped || !this.token || this.socket) return;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/api/live`, ["darktimbre.1", `token.${this.token}`]);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.wait = FIRST_WAIT;
      this.onState(null);
      if (this.last) socket.send(this.last);
    });
    socket.addEventListener("message", ({ data }) => {
      if (data instanceof ArrayBuffer) this.onNote(decodeNote(data));
      else this.onMessage(JSON.parse(data));
    });
    socket.addEventListener("close", () => {
      this.socket = null;
      this.#lost();
    });
  }

  /** @param {number} generation @param {Record<string, unknown>} patch @param {number} rate @param {number} near */
  play(generation, patch, rate, near) {
    this.last = JSON.stringify({ type: "patch", generation, patch, rate, near });
    if (this.isOpen) this.socket?.send(this.last);
  }

  /** @param {number} pitch playing goes on here: its notes first */
  near(pitch) {
    if (this.isOpen) this.socket?.send(JSON.stringify({ type: "near", pitch }));
  }

  /** The socket says nothing of why it closed; a plain question does. */
  async #lost() {
    if (this.stopped) return;
    try {
      await this.ask("GET", "/api/status");
      if (this.socket) return; // opened again meanwhile; that one reports its own state
      this.onState("The connection to the instrument was lost; reconnecting.");
    } catch (error) {
      if (this.socket) return;
      this.stopped = error instanceof ServerError && error.status === 401;
      if (error instanceof ServerError) this.onState(error.message);
    }
    if (this.stopped) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), this.wait * (0.8 + 0.4 * Math.random()));
    this.wait = Math.min(LONGEST_WAIT, this.wait * 2);
  }

  #again() {
    if (this.socket || this.stopped) return;
    clearTimeout(this.timer);
    this.open();
  }
}
