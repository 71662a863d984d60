// Hostile programs, the short run of each build. The long run is tools/fuzz.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz_calls } from "./calls.ts";

for (const seed of [1, 4711]) {
  test(`20,000 calls with any argument, seed ${seed}: none throws, nothing is left`, () => {
    const r = fuzz_calls(20_000, seed);
    assert.equal(r.failure, null);
    assert.ok(r.ok > 5000, `only ${r.ok} calls succeeded`);
  });
}
