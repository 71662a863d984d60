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
