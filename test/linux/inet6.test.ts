// The calls on AF_INET6 sockets of test/kunit/net/ipv6/calls.ts, made of the kernel that runs this in a namespace without an IPv6
// address, against ours.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { type Answers, scenarios } from "../kunit/net/ipv6/calls.ts";
import { differences, our_answers } from "../kunit/net/ipv6/calls_play.ts";
import { prerequisites } from "./rig.ts";

const program = fileURLToPath(new URL("../../tools/record-calls.py", import.meta.url));

test("AF_INET6 and mapped addresses: the real kernel's answers are ours", {
  skip: prerequisites("python3", "unshare"),
}, () => {
  const asked = scenarios();
  const r = spawnSync("unshare", ["-n", "python3", program], {
    encoding: "utf8",
    input: JSON.stringify(asked),
    maxBuffer: 1 << 24,
  });
  assert.equal(r.status, 0, r.stderr);
  assert.deepEqual(differences(JSON.parse(r.stdout) as Answers, our_answers(asked), asked), []);
});
