// `ip` on a machine of ours prints, byte for byte, what it printed on Linux 6.18 after the same commands.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { NlRig } from "./nl_rig.ts";
import { normalize, type Run, SCENES } from "./scenes.ts";

const golden: Record<string, Run[]> = JSON.parse(
  readFileSync(new URL("./golden/ip_live.json", import.meta.url), "utf8"),
);

for (const name of Object.keys(SCENES)) {
  test(`ip, scene ${name}`, () => {
    const rig = new NlRig();
    const runs = golden[name]!;
    assert.deepEqual(
      SCENES[name]!.split("\n").filter((l) => l.trim() !== ""),
      runs.map((r) => r.command),
      "the recording is of this scene",
    );
    for (const r of runs) {
      const ours = rig.sh(r.command);
      const where = `$ ${r.command}`;
      assert.equal(normalize(ours.stdout + ours.stderr), normalize(r.stdout + r.stderr), where);
      assert.equal(ours.status, r.status, where);
    }
    rig.done();
  });
}
