// examples/http runs from the built package and ends by itself with status 0.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../../..");

test("examples/http: 200 requests of 1 MB, keep-alive, a lossy cable, a refused connection", () => {
  const r = spawnSync(process.execPath, ["examples/http/http.mjs"], { cwd: root, encoding: "utf8", timeout: 300_000 });
  assert.equal(r.status, 0, r.stdout + r.stderr);
  assert.match(
    r.stdout,
    /^200 of 200 requests arrived intact, [\d.]+ MB\/s of virtual time\nconnect ECONNREFUSED 10\.0\.0\.2:81\n/,
  );
});
