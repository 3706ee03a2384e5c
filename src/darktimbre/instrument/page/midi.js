// @ts-check
/** Web MIDI: notes with velocity, the sustain pedal and pitch bend of every device, on every channel; no sysex. */

export const BEND_RANGE = 2; // semitones either way: what keyboards assume unless set otherwise

/**
 * @typedef {{kind: "on", midi: number, velocity: number} | {kind: "off", midi: number} | {kind: "sustain", on: boolean}
 *   | {kind: "bend", semitones: number} | {kind: "silence"} | null} Message
 * @param {ArrayLike<number>} bytes one MIDI message
 * @returns {Message} null for what the instrument has no use for
 */
export function parseMidi(bytes) {
  const [status, one = 0, two = 0] = Array.from(bytes);
  switch (status & 0xf0) {
    case 0x90:
      return two > 0 ? { kind: "on", midi: one, velocity: two } : { kind: "off", midi: one }; // velocity 0 is off
    case 0x80:
      return { kind: "off", midi: one };
    case 0xe0: {
      const bend = (two << 7) + one - 8192;
      return { kind: "bend", semitones: (BEND_RANGE * bend) / (bend < 0 ? 8192 : 8191) };
    }
    case 0xb0:
      if (one === 64) return { kind: "sustain", on: two >= 64 };
      if (one === 120 || one === 123) return { kind: "silence" }; // all sound off, all notes off
      return null;
    default:
      return null;
  }
}

/**
 * @typedef {object} Handlers
 * @property {(midi: number, velocity: number) => void} onPress
 * @property {(midi: number) => void} onRelease
 * @property {(on: boolean) => void} onSustain
 * @property {(semitones: number) => void} [onBend]
 * @property {(sentence: string, connected: boolean) => void} onStatus what to tell the player
 */

/** @param {unknown} reason  @returns {string} */
function refusal(reason) {
  const name = reason instanceof Error ? reason.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") {
    return "The browser was not allowed to use MIDI. Allow MIDI for this page in its site settings and connect again.";
  }
  return `MIDI could not be started (${reason instanceof Error ? reason.message : reason}). Everything else works without it.`;
}

/**
 * Asks for MIDI and plays what comes, from devices plugged in now or later.
 * @param {Handlers} handlers
 * @param {{requestMIDIAccess?: Navigator["requestMIDIAccess"]}} [browser] where MIDI is requested
 * @returns {{stop: () => void}} stop lets go of all keys held
 */
export function connectMidi(handlers, browser = navigator) {
  /** @type {Map<string, Set<number>>} keys held on each device and channel */
  const held = new Map();
  /** @type {MIDIAccess | null} */
  let access = null;
  let stopped = false;

  const letGo = (/** @type {string} */ prefix) => {
    for (const [place, keys] of held) {
      if (!place.startsWith(prefix)) continue;
      held.delete(place);
      for (const midi of keys) handlers.onRelease(midi);
    }
  };

  const receive = (/** @type {string} */ device, /** @type {ArrayLike<number>} */ bytes) => {
    const message = parseMidi(bytes);
    const place = `${device}\n${bytes[0] & 0x0f}`;
    const keys = held.get(place) ?? new Set();
    held.set(place, keys);
    if (message?.kind === "on") {
      keys.add(message.midi);
      handlers.onPress(message.midi, message.velocity);
    } else if (message?.kind === "off") {
      keys.delete(message.midi);
      handlers.onRelease(message.midi);
    } else if (message?.kind === "sustain") handlers.onSustain(message.on);
    else if (message?.kind === "bend") handlers.onBend?.(message.semitones);
    else if (message?.kind === "silence") {
      handlers.onSustain(false);
      letGo(place);
    }
  };

  const connect = () => {
    if (!access || stopped) return;
    const inputs = [...access.inputs.values()].filter((input) => input.state === "connected");
    for (const input of access.inputs.values()) {
      input.onmidimessage = (event) => event.data && receive(input.id, event.data);
    }
    const present = new Set(inputs.map((input) => input.id));
    const gone = [...held.keys()].filter((place) => !present.has(place.split("\n")[0]));
    for (const place of gone) letGo(place);
    if (gone.length > 0) {
      handlers.onSustain(false); // its pedal and its wheel send nothing any more
      handlers.onBend?.(0);
    }
    const names = inputs.map((input) => input.name ?? "a device without a name").join(", ");
    handlers.onStatus(names ? `MIDI from ${names}.` : "MIDI is on; no device is plugged in yet.", inputs.length > 0);
  };

  if (!browser.requestMIDIAccess) {
    handlers.onStatus("This browser has no MIDI here. Mouse, touch and computer keys still work.", false);
  } else {
    browser.requestMIDIAccess({ sysex: false }).then(
      (granted) => {
        access = granted;
        access.onstatechange = connect;
        connect();
      },
      (reason) => !stopped && handlers.onStatus(refusal(reason), false),
    );
  }

  return {
    stop() {
      stopped = true;
      if (access) {
        access.onstatechange = null;
        for (const input of access.inputs.values()) input.onmidimessage = null;
      }
      letGo("");
      handlers.onSustain(false);
      handlers.onBend?.(0);
      handlers.onStatus("MIDI is off.", false);
    },
  };
}
