// MSG_CONFIRM (send(2)): "the last answer shows that the neighbour is there". The call only borrows the neighbour's entry.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

const MSG_CONFIRM = 0x800;

for (const [name, type, protocol] of [
  ["udp", 2, 0],
  ["raw", 3, 253],
] as const) {
  test(`sendto(…, MSG_CONFIRM) on a ${name} socket keeps no reference to the neighbour`, () => {
    const rig = new KernelRig();
    const { a } = rig.pair();
    const sys = rig.task(a);
    const fd = sys.socket(2, type, protocol);
    assert.ok(fd >= 0);
    for (let i = 0; i < 3; i++) {
      assert.equal(now(sys.sendto(fd, new Uint8Array(8), MSG_CONFIRM, sockaddr("10.0.0.2", 9))), 8);
      // One that never answers.
      assert.equal(now(sys.sendto(fd, new Uint8Array(8), MSG_CONFIRM, sockaddr("10.0.0.77", 9))), 8);
      rig.run(5000);
    }
    rig.end();
  });
}

/** What Linux 6.18 answered to these sequences of sendto(): flags, bytes; then what arrived. */
const PROBES: readonly [sends: [number, string][], got: string[]][] = [
  [[[0x10, "probe"]], []],
  [
    [
      [0x8010, "probemore"],
      [0, "after"],
    ],
    ["after"],
  ],
  [
    [
      [0x8000, "x"],
      [0x10, "yy"],
      [0, "z"],
    ],
    ["x", "z"],
  ],
  [
    [
      [0x8000, "q"],
      [0x8010, "r"],
      [0, "s"],
    ],
    ["qs"],
  ],
  [[[0x810, "confirmprobe"]], []],
  [[[0x810, ""]], []],
];

test("MSG_PROBE on a UDP socket sends nothing, alone or within a corked message", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const [tx, rx] = [sys.socket(2, 2, 0), sys.socket(2, 2, 0)];
  const to = sockaddr("127.0.0.1", 7);
  assert.equal(sys.bind(rx, to), 0);
  for (const [sends, want] of PROBES) {
    for (const [flags, text] of sends)
      assert.equal(now(sys.sendto(tx, new TextEncoder().encode(text), flags, to)), text.length);
    const got: string[] = [];
    const buf = new Uint8Array(100);
    for (;;) {
      const n = now(sys.recvfrom(rx, buf, 0x40, null));
      if (typeof n !== "number" || n < 0) break;
      got.push(new TextDecoder().decode(buf.subarray(0, n)));
    }
    assert.deepEqual(got, want, JSON.stringify(sends));
  }
  rig.end();
});
