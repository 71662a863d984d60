// netstat -s and nstat over made-up /proc/net/{snmp,netstat} where each counter has a number of its own, and where all are 0:
// what Debian's printed of the same files. Recorder: tools/record-net-tools.mjs counters.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { netstat } from "../../../../src/bin/net-tools/netstat.ts";
import { nstat } from "../../../../src/bin/nstat.ts";
import { runScripted } from "../../../lib/scripted_sys.ts";

interface Case {
  files: string;
  command?: string;
  status: number;
  stdout: string;
  stderr: string;
  content?: Record<string, string>;
}
const cases: Case[] = JSON.parse(readFileSync(new URL("../golden/net/counters.json", import.meta.url), "utf8")).cases;

for (const c of cases) {
  if (c.command === undefined) continue;
  test(`${c.command}: ${c.files}`, () => {
    const files = cases.find((x) => x.content !== undefined && x.files === c.files)!.content!;
    const argv = c.command!.split(" ");
    const got = runScripted(argv[0] === "nstat" ? nstat : netstat, argv, { files });
    assert.deepEqual(got, { status: c.status, stdout: c.stdout, stderr: c.stderr, unexpected: [] });
  });
}
