// @ts-check
// Where the page begins: takes the token, asks for the instrument until it is there, and keeps the way to it open.

import { moreButton, openDialogs, partButtons, themeButton } from "./chrome.js";
import { Connection, NO_TOKEN, ServerError, keepToken } from "./connection.js";
import { build } from "./instrument.js";
import { button, dialog, part, piece } from "./parts.js";
import { readFragment } from "./patch.js";
import { Status } from "./status.js";

const LONGEST_WAIT = 8000; // ms

/** @type {ReturnType<typeof build> | null} */
let page = null;
const status = new Status({
  rendering: piece("rendering"),
  bar: part("progress", HTMLProgressElement),
  said: piece("said"),
  connection: piece("connection"),
});
const fragment = readFragment(location.hash);
if (location.hash) history.replaceState(null, "", location.pathname);
const connection = new Connection(keepToken(fragment.token), {
  onNote: (note) => page?.playing.onNote(note),
  onMessage: (message) => page?.playing.onMessage(message),
  onState: (sentence) => {
    status.connection(sentence);
    if (page) status.render(page.playing.progress);
  },
});

themeButton(button("theme"), () => {
  page?.scope.setTheme();
  page?.place.setTheme();
});
partButtons(document.querySelectorAll("nav.parts button"));
moreButton(button("more"), piece("more-tools"));
openDialogs(button("help-open"), dialog("help"));

// A link opened in this tab: another key to the instrument, or a sound.
window.addEventListener("hashchange", (event) => {
  const { token, sound } = readFragment(location.hash);
  if (!token && !sound) return;
  if (token && token !== connection.token) {
    keepToken(token);
    location.reload(); // the fragment is read and removed anew, with the sound in it
    return;
  }
  history.replaceState(null, "", location.pathname);
  if (sound) page?.presets.openCode(sound, event);
});

/** @param {number} [wait] ms until the next try */
async function begin(wait = 500) {
  if (!connection.token) {
    status.connection(NO_TOKEN);
    return;
  }
  try {
    const instrument = await connection.get("/api/instrument");
    status.connection(null);
    page = build(instrument, connection, status);
    connection.open();
    if (fragment.sound) page.presets.openCode(fragment.sound, new Event("load"));
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    status.connection(error.message);
    if (error.status !== 401) setTimeout(() => begin(Math.min(LONGEST_WAIT, wait * 2)), wait);
  }
}
begin();

// For the browser test and for the curious: the engine, the pad or space, the connection and what the page holds.
Object.defineProperty(window, "darktimbre", {
  value: {
    get engine() {
      return page?.engine;
    },
    get place() {
      return page?.place;
    },
    connection,
    get state() {
      return page && { progress: page.playing.progress, session: page.editing.steps.value };
    },
  },
});
