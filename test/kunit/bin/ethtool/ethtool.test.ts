// ethtool over recorded ioctls of Linux 6.18 (veth, tap, lo): output, errors and exit codes are those of Debian's ethtool 6.1.
// Recorder: tools/record-net-tools.mjs ioctls.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ethtool } from "../../../../src/bin/ethtool/ethtool.ts";
import { NETDEV_FEATURE_STRINGS } from "../../../../src/uapi/netdev_features.ts";
import { type RecordedIoctl, runScripted } from "../../../lib/scripted_sys.ts";

interface Case {
  command: string;
  status: number;
  stdout: string;
  stderr: string;
  calls: RecordedIoctl[];
}
const url = new URL("../golden/net/ioctls.json", import.meta.url);
const cases: Case[] = JSON.parse(readFileSync(url, "utf8")).cases;

for (const c of cases) {
  test(c.command, () => {
    const got = runScripted(ethtool, c.command.split(" "), { ioctls: c.calls });
    assert.deepEqual(got, { status: c.status, stdout: c.stdout, stderr: c.stderr, unexpected: [] });
  });
}

test("the feature names are those that the kernel gave", () => {
  const shown = cases.find((c) => c.command === "ethtool -k v0")!;
  const strings = shown.calls.find((c) => c.args[1].slice(80, 88) === "1b000000")!;
  const bytes = Buffer.from(strings.out!.arg!, "base64").subarray(52);
  const names = Array.from({ length: bytes.length / 32 }, (_, i) =>
    bytes
      .subarray(i * 32, i * 32 + 32)
      .toString()
      .replace(/\0.*/s, ""),
  );
  assert.deepEqual(names, NETDEV_FEATURE_STRINGS);
});
