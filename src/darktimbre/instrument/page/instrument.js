// @ts-check
// The instrument on the page: ties the sound one edits, the keys, the sliders, the pad, what is drawn and what is kept.

import { EnvelopeDials, VolumeDial } from "./dials.js";
import { Editing } from "./editing.js";
import { Engine } from "./engine.js";
import { Exporting } from "./exporting.js";
import { Keyboard } from "./keyboard.js";
import { Listen, likeHeard, pitchName } from "./listen.js";
import { Meter } from "./meter.js";
import { connectMidi } from "./midi.js";
import { Pad } from "./pad.js";
import { button, canvas, dialog, input, part, piece } from "./parts.js";
import { changed, tidyName, withAttribute, withoutAttribute } from "./patch.js";
import { noteName } from "./piano.js";
import { Playing } from "./playing.js";
import { Presets } from "./presets.js";
import { randomised } from "./randomise.js";
import { Scope } from "./scope.js";
import { Sliders } from "./sliders.js";
import { Tape } from "./tape.js";

/**
 * @param {any} instrument as GET /api/instrument has it
 * @param {import("./connection.js").Connection} connection
 * @param {import("./status.js").Status} status
 */
export function build(instrument, connection, status) {
  document.title = `${instrument.name} · darktimbre`;
  piece("instrument").textContent = instrument.name;
  piece("instrument").title = `${instrument.sample_rate / 1000} kHz, ${instrument.runtime}`;
  document.body.classList.remove("is-waiting");
  for (const element of document.querySelectorAll("[inert]")) element.removeAttribute("inert");
  for (const id of ["presets-open", "listen", "midi"]) button(id).disabled = false;

  // --- sound and keys ---
  const engine = new Engine();
  const editing = new Editing({
    onChange: (patch, event, byHand) => {
      sliders.show(patch, byHand);
      pad.show(patch);
      dials.show(patch.envelope);
      presets.mark();
      engine.envelope = { ...patch.envelope };
      playing.changed(event);
    },
    onDone: () => playing.audition(),
    say: (sentence) => status.say(sentence),
  });
  const patch = () => editing.patch;
  const playing = new Playing({
    engine,
    connection,
    status,
    keys: instrument.keys,
    patch,
    auditions: () => input("audition").checked,
  });
  const keyboard = new Keyboard(piece("keyboard"), instrument.keys, {
    onPress: (midi, velocity) => playing.press(midi, velocity),
    onRelease: (midi) => playing.release(midi),
    onSustain: (on) => engine.sustain(on),
  });
  playing.keyboard = keyboard;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented) engine.allOff();
  });
  midiButton(keyboard, playing, status);

  // --- what changes the sound ---
  const sliders = new Sliders(
    {
      list: piece("attributes"),
      search: input("search"),
      order: part("order", HTMLSelectElement),
      onlySet: input("only-set"),
      beyond: input("beyond"),
      count: piece("attribute-count"),
    },
    instrument.attributes,
    {
      onInput: (name, value, event) => editing.change(withAttribute(patch(), name, value), name, event, `attribute ${name}`),
      onSeal: () => editing.seal(),
      onRest: (name, event) => {
        if (!Object.hasOwn(patch().attributes, name)) return;
        editing.change(withoutAttribute(patch(), name), `${name} to its baseline`, event);
      },
    },
  );
  const pad = new Pad(
    {
      surface: piece("pad"),
      canvas: canvas("rings"),
      spot: piece("spot"),
      x: input("pad-x"),
      y: input("pad-y"),
      seed: input("seed"),
      dice: button("dice"),
      lock: button("seed-lock"),
      centre: button("centre"),
      told: piece("pad-told"),
    },
    {
      onMove: (place, event) => editing.change(changed(patch(), { pad: place }), "Pad", event, "pad"),
      onSeal: () => editing.seal(),
      onSeed: (seed, event) => {
        const pad = Object.freeze(/** @type {[number, number]} */ ([0, 0]));
        editing.change(changed(patch(), { seed, pad }), "Seed", event);
      },
      onError: (sentence) => status.say(sentence, { wrong: true }),
    },
  );
  const dials = new EnvelopeDials(piece("envelope"), {
    onInput: (envelope, name, event) =>
      editing.change(changed(patch(), { envelope }), `Envelope's ${name}`, event, `envelope ${name}`),
    onSeal: () => editing.seal(),
  });
  engine.makeup = instrument.gain;
  new VolumeDial(piece("volume-dial"), (volume) => {
    engine.volume = volume;
  });
  button("randomise").addEventListener("click", (event) => {
    const { attributes, examples } = instrument;
    const from = { attributes, examples, locked: sliders.locked, seedLocked: pad.locked };
    editing.change(randomised(patch(), from), "Randomise", event);
  });
  const audition = input("audition");
  audition.checked = localStorage.getItem("darktimbre.audition") !== "off";
  audition.addEventListener("input", () => localStorage.setItem("darktimbre.audition", audition.checked ? "on" : "off"));

  // --- what is heard, drawn and taken away ---
  const scope = new Scope(canvas("wave"), canvas("spectrogram"));
  const meter = new Meter(piece("meter"));
  const tape = new Tape({ engine, connection, status, instrument: instrument.name });
  engine.onlevel = (peak, rms, gain) => meter.level(peak, rms, gain);
  engine.onnote = ({ midi, samples, rate, velocity, generation }) => {
    tape.note(midi, velocity, playing.patchOf(generation));
    scope.show(samples, rate, noteName(midi));
  };

  // --- what is kept, opened and heard from files ---
  const presets = new Presets(
    {
      drawer: dialog("presets"),
      opener: button("presets-open"),
      form: part("presets-form", HTMLFormElement),
      name: input("preset-name"),
      list: piece("presets-list"),
      empty: piece("presets-empty"),
      download: button("preset-download"),
      file: input("preset-file"),
      link: button("preset-link"),
    },
    {
      connection,
      status,
      instrument,
      current: patch,
      onLoad: (next, label, event) => editing.change(next, label, event),
      onNamed: (name) => editing.rename(name, new Event("save")),
    },
  );
  new Exporting(
    {
      dialog: dialog("export"),
      opener: button("export-open"),
      form: part("export-form", HTMLFormElement),
      formats: piece("export-formats"),
      sounds: piece("export-sounds"),
      several: piece("export-several"),
      hardware: piece("export-hardware"),
      said: piece("export-said"),
    },
    { connection, status, instrument, current: patch },
  );
  new Listen(
    { button: button("listen"), file: input("listen-file"), veil: piece("veil") },
    {
      connection,
      status,
      teacher: instrument.teacher,
      onHeard: ({ attributes, pitch }, name, event) => {
        const key = pitch === null ? undefined : playing.byMidi.get(Math.round(pitch));
        if (key) playing.near = key.midi;
        const next = likeHeard(patch(), attributes, instrument.attributes, tidyName(`like ${name}`));
        editing.change(next, "Listen to a file", event);
        const count = Object.keys(next.attributes).length;
        const heard = pitch === null ? "No clear pitch found" : `Pitch ${pitchName(pitch)}`;
        status.say(`${heard}; ${count} attribute${count === 1 ? "" : "s"} set from ${name}.`, {
          action: { name: "Undo", run: () => editing.step("undo") },
        });
      },
      onSound: (file, event) => presets.openFile(file, event),
    },
  );

  editing.reflect(new Event("load"));
  return { engine, playing, presets, scope, editing };
}

/**
 * @param {Keyboard} keyboard
 * @param {Playing} playing
 * @param {import("./status.js").Status} status
 */
function midiButton(keyboard, playing, status) {
  /** @type {{stop: () => void} | null} */
  let midi = null;
  button("midi").addEventListener("click", () => {
    if (midi) {
      midi.stop();
      midi = null;
    } else {
      midi = connectMidi({
        onPress: (key, velocity) => {
          keyboard.press(key);
          playing.press(key, velocity);
        },
        onRelease: (key) => {
          keyboard.release(key);
          playing.release(key);
        },
        onSustain: (on) => playing.engine.sustain(on),
        onBend: (semitones) => playing.engine.bend(semitones),
        onStatus: (sentence, isConnected) => {
          status.say(sentence);
          button("midi").classList.toggle("is-live", isConnected);
        },
      });
    }
    button("midi").setAttribute("aria-pressed", String(midi !== null));
  });
}
