// The shell and the small programs against bash 5.2 and coreutils 9.1: same output, same exit status (recorded by record.ts).

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { coreutils } from "../../../../src/bin/coreutils/index.ts";
import { sh } from "../../../../src/bin/sh/main.ts";
import { FakeMachine } from "../../../lib/fake_sys.ts";

const golden: { script: string; stdout: string; status: number }[] = JSON.parse(
  readFileSync(new URL("./golden/bash.json", import.meta.url), "utf8"),
);

for (const { script, stdout, status } of golden) {
  test(script.slice(0, 100).replace(/\n/g, "\\n"), () => {
    const m = new FakeMachine({ programs: { ...coreutils, sh, bash: sh }, files: { "/w/.keep": "" } });
    const r = m.run(["sh", "-c", script], { cwd: "/w" });
    assert.deepEqual({ stdout: r.stdout, status: r.status }, { stdout, status }, r.stderr);
  });
}
