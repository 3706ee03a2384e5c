// @ts-check
// What one takes away as a wav file: what was played, recorded before the loudspeaker, or the last note alone.

import { button, piece } from "./parts.js";
import { toJson } from "./patch.js";
import { noteName } from "./piano.js";
import { fileName } from "./presets.js";
import { recordingName, save } from "./recorder.js";
import { encodeWav } from "./wav.js";

export class Tape {
  #isRecording = false;
  /** @type {{midi: number, velocity: number, patch: import("./patch.js").Patch} | null} */
  #last = null;

  /**
   * @param {object} needs
   * @param {import("./engine.js").Engine} needs.engine
   * @param {import("./connection.js").Connection} needs.connection
   * @param {import("./status.js").Status} needs.status
   * @param {string} needs.instrument its name
   */
  constructor({ engine, connection, status, instrument }) {
    this.engine = engine;
    this.status = status;
    engine.onrecording = (seconds) => {
      if (this.#isRecording) piece("record-word").textContent = `Stop ${clock(seconds)}`;
    };
    button("record").addEventListener("click", () => this.#turn());
    button("download").addEventListener("click", async () => {
      if (!this.#last) return;
      const { midi: pitch, velocity, patch } = this.#last;
      try {
        const wanted = { patch: toJson(patch), pitch, velocity, rate: null, bits: 32, format: "wav" };
        const wav = await connection.post("/api/render", wanted);
        save(wav, `${fileName(patch.name || instrument)} ${noteName(pitch)}.wav`);
      } catch (error) {
        status.fail(error);
      }
    });
  }

  /** A note has begun.  @param {number} midi @param {number} velocity @param {import("./patch.js").Patch} patch it sounds by */
  note(midi, velocity, patch) {
    this.#last = { midi, velocity, patch };
    piece("note-name").textContent = piece("note-name").title = `${noteName(midi)} at velocity ${velocity}`;
    button("download").disabled = false;
  }

  async #turn() {
    try {
      if (!this.#isRecording) {
        await this.engine.start();
        await this.engine.startRecording();
        this.#show(true);
        return;
      }
      this.#show(false);
      const channels = await this.engine.stopRecording();
      if (channels[0].length === 0) {
        this.status.say("Nothing was recorded.");
        return;
      }
      save(encodeWav(channels, this.engine.rate, 16), recordingName());
      this.status.say("The recording is in your downloads.");
    } catch (error) {
      this.#show(false);
      this.status.fail(error);
    }
  }

  /** @param {boolean} isRecording */
  #show(isRecording) {
    this.#isRecording = isRecording;
    button("record").setAttribute("aria-pressed", String(isRecording));
    piece("record-word").textContent = isRecording ? "Stop 0:00" : "Record";
  }
}

/** @param {number} seconds */
function clock(seconds) {
  return `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;
}
