// @ts-check
// The instrument on the page: ties the sound one edits, the keys, the sliders, the pad, what is drawn and what is kept.

import { SCALES } from "./attributes.js";
import { EnvelopeDials, LevelDial, VolumeDial } from "./dials.js";
import { Editing } from "./editing.js";
import { Engine } from "./engine.js";
import { Exporting } from "./exporting.js";
import { Keyboard } from "./keyboard.js";
import { SoundFiles, likeDescribed, pitchName } from "./sound_files.js";
import { Meter } from "./meter.js";
import { connectMidi } from "./midi.js";
import { Pad } from "./pad.js";
import { button, canvas, dialog, input, part, piece } from "./parts.js";
import { changed, tidyName, toJson, withAttribute, withoutAttribute } from "./patch.js";
import { noteName } from "./piano.js";
import { Playing } from "./playing.js";
import { Presets } from "./presets.js";
import { randomised } from "./randomise.js";
import { Scope } from "./scope.js";
import { FEW, Sliders } from "./sliders.js";
import { Space } from "./space.js";
import { Tape } from "./tape.js";
import { Words } from "./words.js";

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
  const isSpace = instrument.architecture === "autoencoder";
  worded(instrument, isSpace);
  for (const element of document.querySelectorAll("[inert]")) element.removeAttribute("inert");
  for (const id of ["presets-open", "analyse", "midi"]) button(id).disabled = false;

  // --- sound and keys ---
  const engine = new Engine();
  const editing = new Editing({
    onChange: (patch, event, byHand) => {
      sliders.show(patch, byHand);
      place.show(patch);
      dials.show(patch.envelope);
      level?.show(patch.level_db);
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
    instrument.styles.length > 0 || isSpace ? SCALES.style : SCALES.attribute,
    {
      onInput: (name, value, event) => editing.change(withAttribute(patch(), name, value), name, event, `attribute ${name}`),
      onSeal: () => editing.seal(),
      onRest: (name, event) => {
        if (!Object.hasOwn(patch().attributes, name)) return;
        editing.change(withoutAttribute(patch(), name), `${name} to its baseline`, event);
      },
    },
  );
  new Words(
    { search: input("search"), box: piece("words"), said: piece("words-said"), set: button("words-set") },
    {
      ask: async (text) => (await connection.ask("POST", "/api/words", { json: { text } })).json(),
      onSet: (attributes, text, event) => editing.change(changed(patch(), { attributes }), `“${text}”`, event),
    },
  );
  const place = isSpace ? space(instrument, connection, editing, playing, status) : pad(editing, status);
  const dials = new EnvelopeDials(piece("envelope"), {
    onInput: (envelope, name, event) =>
      editing.change(changed(patch(), { envelope }), `Envelope's ${name}`, event, `envelope ${name}`),
    onSeal: () => editing.seal(),
  });
  const level =
    instrument.level_db === null
      ? null
      : new LevelDial(piece("level-dial"), instrument.level_db, {
          onInput: (level_db, event) => editing.change(changed(patch(), { level_db }), "Level", event, "level"),
          onSeal: () => editing.seal(),
        });
  engine.makeup = instrument.gain;
  new VolumeDial(piece("volume-dial"), (volume) => {
    engine.volume = volume;
  });
  button("randomise").addEventListener("click", (event) => {
    const { attributes, examples } = instrument;
    const latent = place instanceof Space ? () => place.randomLatent() : undefined;
    const from = { attributes, examples, locked: sliders.locked, seedLocked: place.locked, latent };
    editing.change(randomised(patch(), from), "Randomise", event);
  });
  const audition = input("audition");
  audition.checked = localStorage.getItem("darktimbre.audition") !== "off";
  audition.addEventListener("input", () => localStorage.setItem("darktimbre.audition", audition.checked ? "on" : "off"));

  // --- what is output, drawn and saved ---
  const scope = new Scope(canvas("wave"), canvas("spectrogram"));
  const meter = new Meter(piece("meter"));
  const tape = new Tape({ engine, connection, status, instrument: instrument.name });
  engine.onlevel = (peak, rms, gain) => meter.level(peak, rms, gain);
  engine.onnote = ({ midi, samples, rate, velocity, generation }) => {
    tape.note(midi, velocity, playing.patchOf(generation));
    scope.show(samples, rate, noteName(midi));
  };

  // --- what is kept, opened and read from files ---
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
  const found = place instanceof Space ? placed(place, editing, playing, status) : tagged(instrument, editing, playing, status);
  new SoundFiles(
    { button: button("analyse"), file: input("sound-file"), veil: piece("veil") },
    { connection, status, ...found, onSound: (file, event) => presets.openFile(file, event) },
  );

  editing.reflect(new Event("load"));
  return { engine, playing, presets, scope, editing, place };
}

/**
 * The words for what the instrument has: attributes or styles, a pad or a space.
 *
 * @param {any} instrument
 * @param {boolean} isSpace
 */
function worded(instrument, isSpace) {
  const styles = instrument.styles.length > 0 || (isSpace && instrument.attributes.length === 0);
  const has = { styles, attributes: !styles, space: isSpace, pad: !isSpace, level: instrument.level_db !== null };
  for (const element of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-only]"))) {
    element.hidden = !has[/** @type {keyof has} */ (element.dataset.only)];
  }
  document.body.classList.toggle("is-space", isSpace);
  document.body.classList.toggle("is-level", has.level);
  piece("finder").hidden = styles && instrument.attributes.length <= FEW;
  if (!isSpace) return;
  const bare = instrument.attributes.length === 0;
  /** @type {HTMLElement} */ (document.querySelector("section.sound")).hidden = bare;
  const [sliders, space] = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("nav.parts button"));
  sliders.hidden = bare;
  if (bare) space.click();
  piece("analyse-word").textContent = "Add a sound";
  button("analyse").setAttribute("aria-label", "Add a sound");
  input("search").placeholder = "Search";
}

/**
 * @param {Editing} editing
 * @param {import("./status.js").Status} status
 */
function pad(editing, status) {
  return new Pad(
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
      position: piece("pad-position"),
    },
    {
      onMove: (place, event) => editing.change(changed(editing.patch, { pad: place, latent: null }), "Pad", event, "pad"),
      onSeal: () => editing.seal(),
      onSeed: (seed, event) => {
        const pad = Object.freeze(/** @type {[number, number]} */ ([0, 0]));
        editing.change(changed(editing.patch, { seed, pad, latent: null }), "Seed", event);
      },
      onError: (sentence) => status.say(sentence, { wrong: true }),
    },
  );
}

/**
 * The latent space of an autoencoder, with its training notes as soon as they are there.
 *
 * @param {any} instrument
 * @param {import("./connection.js").Connection} connection
 * @param {Editing} editing
 * @param {Playing} playing
 * @param {import("./status.js").Status} status
 */
function space(instrument, connection, editing, playing, status) {
  const frozen = (/** @type {readonly number[]} */ latent) => Object.freeze([...latent]);
  const near = (/** @type {number | null} */ pitch) => {
    const key = pitch === null ? undefined : playing.byMidi.get(Math.round(pitch));
    if (key) playing.near = key.midi;
  };
  const made = new Space(
    {
      surface: piece("space"),
      canvas: canvas("space-canvas"),
      ranges: [input("space-1"), input("space-2"), input("space-3")],
      colour: part("space-colour", HTMLSelectElement),
      axes: part("space-axes", HTMLSelectElement),
      play: button("space-play"),
      turn: button("space-turn"),
      front: button("space-front"),
      dice: button("space-dice"),
      lock: button("space-lock"),
      nearest: button("space-nearest"),
      hint: piece("space-hint"),
      legend: piece("space-legend"),
      sounds: piece("space-sounds"),
    },
    instrument.latent_size,
    {
      onMove: (latent, event) =>
        editing.change(changed(editing.patch, { latent: frozen(latent) }), "Latent space", event, "latent"),
      onSeal: () => editing.seal(),
      onNote: ({ latent, styles, name, pitch }, event) => {
        near(pitch);
        const attributes = Object.freeze(Object.fromEntries(styles.map((style) => [style, 1])));
        editing.change(changed(editing.patch, { latent: frozen(latent), attributes }), `To ${name}`, event);
      },
      onSound: ({ name, latent, level_db, pitch }, event) => {
        near(pitch);
        editing.change(changed(editing.patch, { latent: frozen(latent), level_db, name }), `To “${name}”`, event);
      },
      latentOf: async (patch) => {
        const answer = await connection.ask("POST", "/api/latent", { json: { patch: toJson(patch) } });
        return (await answer.json()).latent;
      },
      onError: (error) => status.fail(error),
    },
  );
  if (instrument.points > 0) {
    connection.get("/api/points").then(
      (points) => made.setPoints(points),
      (error) => status.fail(error),
    );
  }
  return made;
}

/**
 * A sound of one's own becomes a place in the space.
 *
 * @param {Space} space
 * @param {Editing} editing
 * @param {Playing} playing
 * @param {import("./status.js").Status} status
 */
function placed(space, editing, playing, status) {
  return {
    route: /** @type {const} */ ("encode"),
    title: "Encode a sound of your own: it becomes a point in the latent space. Files may also be dropped anywhere on the page.",
    onFound: (/** @type {any} */ { latent, level_db, cut, pitch, nearest }, /** @type {string} */ file, /** @type {Event} */ event) => {
      const name = tidyName(file) || "sound";
      space.add({ name, latent, level_db, pitch });
      const key = pitch === null ? undefined : playing.byMidi.get(Math.round(pitch));
      if (key) playing.near = key.midi;
      const next = changed(editing.patch, { latent: Object.freeze([...latent]), level_db, name });
      editing.change(next, `Add “${name}”`, event);
      const facts = [pitch === null ? "no clear pitch" : pitchName(pitch)];
      if (level_db !== null) facts.push(`${level_db.toFixed(1).replace("-", "−")} dB`);
      if (nearest) facts.push(`nearest to ${nearest.name}`);
      if (cut) facts.push("longer than a note: its beginning is used");
      status.say(`${name}: ${facts.join(", ")}.`, { action: { name: "Undo", run: () => editing.step("undo") } });
    },
  };
}

/**
 * A sound's labels set the sliders.
 *
 * @param {any} instrument
 * @param {Editing} editing
 * @param {Playing} playing
 * @param {import("./status.js").Status} status
 */
function tagged(instrument, editing, playing, status) {
  return {
    route: /** @type {const} */ ("describe"),
    title:
      instrument.teacher === null ? "This instrument was started without a teacher, which would predict a file's labels." : "",
    onFound: (/** @type {any} */ { attributes, pitch }, /** @type {string} */ name, /** @type {Event} */ event) => {
      const key = pitch === null ? undefined : playing.byMidi.get(Math.round(pitch));
      if (key) playing.near = key.midi;
      const next = likeDescribed(editing.patch, attributes, instrument.attributes, tidyName(`like ${name}`));
      editing.change(next, "Analyse a sound", event);
      const count = Object.keys(next.attributes).length;
      const measured = pitch === null ? "No clear pitch found" : `Pitch ${pitchName(pitch)}`;
      status.say(`${measured}; ${count} attribute${count === 1 ? "" : "s"} set from ${name}.`, {
        action: { name: "Undo", run: () => editing.step("undo") },
      });
    },
  };
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
