// What words mean as a mix, and that only the last ones typed are shown.
import assert from "node:assert/strict";
import test from "node:test";

import { listed } from "../../../src/darktimbre/instrument/page/words.js";

test("shares are listed in per cent, never as nothing", () => {
  assert.equal(listed({ Bell: 0.596, "Jingle, tinkle": 0.4, Ping: 0.004 }), "Bell 60 % · Jingle, tinkle 40 % · Ping 1 %");
});
