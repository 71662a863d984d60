// Hostile frames, the short run of each build: what once failed, then fresh cases. The long run is tools/fuzz.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { corpus } from "./corpus.ts";
import { fuzz_frames, replay } from "./frames.ts";

for (const { name, found, steps } of corpus()) {
  test(`corpus ${name} stays mended (${found})`, () => {
    assert.equal(replay(steps), null);
  });
}

for (const seed of [1, 20_261]) {
  test(`25,000 hostile frames, seed ${seed}: no exception, no leak, no queue without a bound`, () => {
    const r = fuzz_frames(25_000, seed);
    assert.equal(r.failure, null);
    // A machine that answers nothing was not reached.
    assert.ok(r.answers > 1000, `${r.answers} answers`);
    assert.ok(r.peaks.frag_queues! > 50, "no fragments were queued");
    assert.ok(r.peaks.neighbours! > 50, "no neighbours were learnt");
  });
}
