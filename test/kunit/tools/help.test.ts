// Every program of tools/ and bench/ answers --help with its own words and does nothing else.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
/** What only other programs load: nothing to say. */
const PARTS = ["tools/launch.mjs"];

for (const file of [
  ...readdirSync(`${root}/tools`)
    .filter((f) => f.endsWith(".mjs"))
    .map((f) => `tools/${f}`),
  "bench/boot.ts",
]) {
  if (PARTS.includes(file)) continue;
  test(`${file} --help`, () => {
    const r = spawnSync(process.execPath, ["--import", "tsx", file, "--help"], {
      cwd: root,
      encoding: "utf8",
      timeout: 20_000,
    });
    assert.equal(r.status, 0, r.stderr);
    assert.equal(r.stderr, "");
    assert.ok(r.stdout.length > 40, r.stdout);
  });
}

test("npm run bench -- --help names the options", () => {
  const r = spawnSync(process.execPath, ["tools/bench.mjs", "--help"], { cwd: root, encoding: "utf8" });
  for (const o of ["--only", "--quick", "--json", "--profile", "--no-peers"]) assert.match(r.stdout, new RegExp(o));
});
