// A packet of the write queue that was cut shares its memory: its rest still grows with what the program writes, for ever.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

const NONBLOCK = 0x800;

test("bulk through a narrow device: what is cut off goes on growing, and every byte arrives once", () => {
  const rig = new KernelRig({ debug: false });
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const l = sb.socket(2, 1 | NONBLOCK, 0);
  assert.equal(sb.bind(l, sockaddr("0.0.0.0", 80)), 0);
  assert.equal(sb.listen(l, 1), 0);
  const c = sa.socket(2, 1 | NONBLOCK, 0);
  assert.equal(now(sa.connect(c, sockaddr("10.0.0.2", 80))), -115);
  rig.run(10);
  const s = now(sb.accept4(l, null, NONBLOCK)) as number;
  const total = 24 << 20;
  const out = new Uint8Array(65_537).map((_, i) => i % 251);
  const buf = new Uint8Array(40_000);
  let sent = 0;
  let got = 0;
  // Odd sizes, so that packets are cut inside of a write, and a reader that is sometimes away.
  for (let turn = 0; got < total && turn < 100_000; turn++) {
    while (sent < total) {
      const at = sent % 251;
      const n = now(
        sa.sendto(c, out.subarray(at, at + Math.min(30_011 + (turn % 7) * 4_999, total - sent)), 0x40, null),
      ) as number;
      if (n <= 0) {
        assert.equal(n, -11);
        break;
      }
      sent += n;
    }
    rig.run(1);
    if (turn % 3 === 0) continue;
    for (;;) {
      const n = now(sb.recvfrom(s, buf, 0x40, null)) as number;
      if (n <= 0) break;
      for (let i = 0; i < n; i += 997) assert.equal(buf[i], (got + i) % 251);
      got += n;
    }
  }
  assert.deepEqual([sent, got], [total, total]);
  for (const [sys, fd] of [
    [sa, c],
    [sb, s],
    [sb, l],
  ] as const)
    sys.close(fd);
  rig.run(130_000);
  rig.end();
});
