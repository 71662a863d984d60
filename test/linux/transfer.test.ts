// Bulk between ours and the kernel over a bad cable arrives byte for byte, and tshark finds no fault in what ours sent.
// The long run: node --import tsx test/linux/transfer.ts --mb 10000.

import assert from "node:assert/strict";
import { test } from "node:test";
import { prerequisites } from "./rig.ts";
import { transfer } from "./transfer.ts";

const skip = prerequisites("nc", "ss", "tshark");

for (const direction of ["out", "in"] as const) {
  for (const nic of ["igb", "virtio"] as const) {
    test(`20 MB ${direction} over ${nic} with loss, reordering, duplicates and damage: the same SHA-256`, {
      skip,
      timeout: 120_000,
    }, async () => {
      const capture = nic === "igb" ? 20_000 : 0;
      const r = await transfer({ bytes: 20_000_000, direction, nic, fault: 0.002, capture, seed: 3 });
      assert.equal(r.bytes, 20_000_000);
      assert.equal(r.received, r.sent);
      assert.deepEqual(r.expert, []);
      // The faults were there.
      if (direction === "out") assert.ok(r.mib.TcpRetransSegs! > 0);
      if (direction === "in" && nic === "igb") {
        assert.ok(r.mib.TcpInCsumErrors! > 0);
        assert.ok(r.mib.TcpExtTCPOFOQueue! > 0);
      }
    });
  }
}
