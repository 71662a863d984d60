// SOL_IP options of the kernel that runs this, against ours: each option, value and length (tools/record-sockopt.py).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { differences, our_sockopts, type SockoptTable } from "../kunit/net/ipv4/sockopt_table.ts";
import { prerequisites } from "./rig.ts";

const skip = prerequisites("python3", "unshare");
const program = fileURLToPath(new URL("../../tools/record-sockopt.py", import.meta.url));

test("setsockopt and getsockopt of ip(7): the real kernel's answers are ours", { skip }, () => {
  const r = spawnSync("unshare", ["-n", "python3", program], { encoding: "utf8", maxBuffer: 1 << 24 });
  assert.equal(r.status, 0, r.stderr);
  const linux = JSON.parse(r.stdout) as SockoptTable;
  assert.ok(Object.keys(linux.table.udp!).length > 40);
  assert.deepEqual(differences(linux, our_sockopts(linux)), []);
});
