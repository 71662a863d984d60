// docs/coverage.md: every "seen by" command works on the lab that it names.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { bootLab, root } from "../lib/lab_pages.ts";

test("the commands of docs/coverage.md show something", () => {
  let commands = 0;
  for (const line of readFileSync(join(root, "docs/coverage.md"), "utf8").split("\n")) {
    for (const [, name, host, escaped] of line.matchAll(/`([a-z-]+) (\w+): ((?:\\\||[^`])+)`/g)) {
      const command = escaped!.replaceAll("\\|", "|");
      if (line.startsWith("`")) continue;
      commands++;
      const lab = bootLab(`examples/${name}`);
      const r = lab.exec(host!, command);
      const what = `${name} ${host}: ${command}\n${r.stdout}${r.stderr}`;
      assert.equal(r.exitCode, 0, what);
      assert.ok(r.stdout.length > 0, what);
      if (!/tcpdump|local error/.test(r.stderr)) assert.equal(r.stderr, "", what);
      assert.deepEqual(lab.bugs(), []);
    }
  }
  assert.ok(commands > 20, `${commands} commands`);
});
