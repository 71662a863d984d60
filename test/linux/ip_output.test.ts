// What the kernel that runs this puts on the wire for a datagram, against ours (tools/record-ip-output.py).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type OutputTable, our_ip_output, output_differences } from "../kunit/net/ipv4/ip_output_table.ts";
import { prerequisites } from "./rig.ts";

const skip = prerequisites("python3", "unshare");
const program = fileURLToPath(new URL("../../tools/record-ip-output.py", import.meta.url));

test("headers, fragments, counters and errors of a send: the real kernel's are ours", { skip }, () => {
  const r = spawnSync("unshare", ["-n", "python3", program], { encoding: "utf8", maxBuffer: 1 << 24 });
  assert.equal(r.status, 0, r.stderr);
  const linux = JSON.parse(r.stdout) as OutputTable;
  assert.deepEqual(output_differences(linux, our_ip_output(linux), "rest"), []);
});
