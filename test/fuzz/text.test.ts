// Hostile text, the short run of each build. The long run is tools/fuzz.mjs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { fuzz_shell, fuzz_topology } from "./text.ts";

test("3,000 damaged lab.conf and YAML files: each is accepted or refused with its place", () => {
  const r = fuzz_topology(3000, 1);
  assert.equal(r.failure, null);
  assert.ok(r.good > 100 && r.good < 2900, `${r.good} accepted`);
});

test("1,500 damaged shell scripts: each ends, the shell says what is wrong, nothing is left", () => {
  const r = fuzz_shell(1500, 1);
  assert.equal(r.failure, null);
  assert.ok(r.good > 50 && r.good < 1490, `${r.good} succeeded`);
});
