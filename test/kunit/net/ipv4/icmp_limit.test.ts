// RFC 1812 section 4.3.2.8, as Linux limits ICMP errors: the bucket is full when a machine boots (jiffies begin at INITIAL_JIFFIES).

import assert from "node:assert/strict";
import { test } from "node:test";
import { jiffies } from "../../../../src/kernel/kernel.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

test("an ICMP error may go out in the first milliseconds after boot", () => {
  const rig = new KernelRig();
  const a = rig.netns("a");
  const b = rig.netns("b");
  const va = rig.link("veth", "va", { ifname: "vb", net: b }, a);
  const vb = rig.dev("vb", b);
  rig.up(va, vb);
  rig.ip("addr add 10.0.0.1/24 dev va", a);
  rig.ip("addr add 10.0.0.2/24 dev vb", b);
  const t = rig.task(a);
  const fd = t.socket(2, 2, 0);
  assert.equal(now(t.connect(fd, sockaddr("10.0.0.2", 9))), 0);
  assert.equal(now(t.sendto(fd, Uint8Array.of(1), 0, null)), 1);
  rig.run(1);
  assert.ok(jiffies(rig.k) < 20);
  assert.equal(rig.mib(b).IcmpOutDestUnreachs, 1);
  assert.equal(rig.mib(b).IcmpOutRateLimitGlobal, 0);
  assert.equal(now(t.recvfrom(fd, new Uint8Array(9), 0x40, null)), -111);
  t.close(fd);
  rig.end();
});
