// Forwarding of what no wire carries as it is: packets that stand for many.

import assert from "node:assert/strict";
import { test } from "node:test";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";
import { routers } from "./routers.ts";

const SOL_UDP = 17;
const UDP_SEGMENT = 103;

test("a GSO packet with DF is forwarded when its datagrams fit the MTU (up to 1472 bytes of 1500), else answered", () => {
  const rig = new KernelRig();
  const { a, b, r } = routers(rig);
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const buf = new Uint8Array(2000);
  const received = (size: number): number => {
    const u = sa.socket(2, 2, 0);
    assert.equal(sa.setsockopt(u, 0, 10, 2), 0);
    assert.equal(sa.setsockopt(u, SOL_UDP, UDP_SEGMENT, size), 0);
    assert.equal(now(sa.sendto(u, new Uint8Array(3 * size), 0, sockaddr("10.0.2.2", 9))), 3 * size);
    rig.run(1);
    let n = 0;
    while (now(sb.recvfrom(d, buf, 0x40, null)) === size) n++;
    sa.close(u);
    return n;
  };
  received(10);
  assert.deepEqual([1400, 1460, 1461, 1472].map(received), [3, 3, 3, 3]);
  assert.equal(rig.mib(r).IpFragFails, 0);
  rig.dev("e1", r).mtu = 1499;
  assert.deepEqual([received(1472), rig.mib(r).IpFragFails], [0, 1]);
  rig.end();
});
