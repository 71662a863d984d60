// Socket options of the kernel that runs this, against ours: each option of each level, value and length, of sockets of each
// kind and state (tools/record-sockopt.py).

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { differences, our_sockopts, type SockoptTable } from "../kunit/net/ipv4/sockopt_table.ts";
import { prerequisites } from "./rig.ts";

const skip = prerequisites("python3", "unshare");
const program = fileURLToPath(new URL("../../tools/record-sockopt.py", import.meta.url));

function recorded(level?: number): SockoptTable {
  const args = level === undefined ? [program] : [program, String(level)];
  const r = spawnSync("unshare", ["-n", "python3", ...args], { encoding: "utf8", maxBuffer: 1 << 24 });
  assert.equal(r.status, 0, r.stderr);
  return JSON.parse(r.stdout) as SockoptTable;
}

test("setsockopt and getsockopt of ip(7): the real kernel's answers are ours", { skip }, () => {
  const linux = recorded();
  assert.ok(Object.keys(linux.table.udp!).length > 40);
  assert.deepEqual(differences(linux, our_sockopts(linux)), []);
});

/** Options by level that a kernel with another HZ rounds otherwise: linger, timeouts, TCP's times. Only the result is compared. */
const HZ_ROUNDS: Readonly<Record<number, readonly number[]>> = { 1: [13, 20, 21, 66, 67], 6: [44, 45, 46] };
/** TCP_MD5SIG, TCP_MD5SIG_EXT: a kernel may have them built in. Ours has not. */
const NOT_BUILT_IN: Readonly<Record<number, readonly number[]>> = { 6: [14, 32] };
/** SO_MAX_PACING_RATE above 2^53 bytes per second is rounded to what a number holds. */
const HUGE = / option 47 set \[.{12}(?!0000)/;
/** SO_INCOMING_CPU of a connection: the CPU that its handshake happened on. */
const CPU = /connected option 49 /;
/** IP_PROTOCOL of a TCP socket shows its port. */
const PORT = /^(connected|listen) option 52 /;

for (const [level, what] of [
  [1, "socket(7)"],
  [6, "tcp(7)"],
  [17, "udp(7)"],
  [0, "ip(7), on TCP sockets too"],
  [41, "a level of another family"],
  [255, "a level of raw sockets"],
  [999, "a level that nobody has"],
] as const) {
  test(`setsockopt and getsockopt of ${what}: the real kernel's answers are ours`, { skip }, () => {
    const linux = recorded(level);
    const ours = our_sockopts(linux);
    for (const table of [linux.table, ours.table]) {
      for (const options of Object.values(table)) {
        for (const opt of HZ_ROUNDS[level] ?? []) {
          const cells = options[opt];
          if (cells) cells.set = cells.set.map((r) => r.split(" ")[0]!);
        }
        for (const opt of NOT_BUILT_IN[level] ?? []) delete options[opt];
      }
    }
    assert.deepEqual(
      differences(linux, ours).filter((d) => ![HUGE, CPU, PORT].some((r) => r.test(d))),
      [],
    );
  });
}
