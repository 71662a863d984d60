// UDP-Lite (RFC 3828): the length field says how much the checksum covers; 0 is all of it. As Linux 6.18 was seen to do it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sum16 } from "../../../fuzz/frame_gen.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

/** A datagram of 20 bytes to 10.0.0.1:6000 of which `coverage` bytes, header included, are summed. */
function lite(coverage: number, bad: boolean): Uint8Array {
  const b = Uint8Array.from({ length: 48 }, (_, i) => (i < 28 ? 0 : i - 28));
  const dv = new DataView(b.buffer);
  dv.setUint16(0, 0x4500);
  dv.setUint16(2, 48);
  dv.setUint8(8, 64);
  dv.setUint8(9, 136);
  dv.setUint32(12, 0x0a000002);
  dv.setUint32(16, 0x0a000001);
  dv.setUint16(10, sum16(b, 0, 20));
  dv.setUint16(20, 1);
  dv.setUint16(22, 6000);
  dv.setUint16(24, coverage);
  const end = coverage === 0 ? 48 : Math.min(48, 20 + coverage);
  const pseudo = 0x0a00 + 2 + 0x0a00 + 1 + 136 + 28;
  dv.setUint16(26, (sum16(b, 20, end, pseudo) || 0xffff) ^ (bad ? 0x1111 : 0));
  return b;
}

test("coverage of all, of the header, of a part; of less than the header or more than there is: an error", () => {
  const rig = new KernelRig();
  const { a, b, va, vb } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const fd = sa.socket(2, 2, 136);
  assert.equal(sa.bind(fd, sockaddr("0.0.0.0", 6000)), 0);
  const raw = sb.socket(17, 3, 0);
  const sll = new Uint8Array(20);
  new DataView(sll.buffer).setUint16(0, 17, true);
  new DataView(sll.buffer).setInt32(4, vb.ifindex, true);
  assert.equal(sb.bind(raw, sll), 0);
  const cases: [number, boolean, number][] = [
    [0, false, 20],
    [8, false, 20],
    [12, false, 20],
    [28, false, 20],
    [7, false, -11],
    [29, false, -11],
    [0, true, -11],
    [8, true, -11],
  ];
  const seen = cases.map(([coverage, bad]) => {
    now(sb.sendto(raw, Uint8Array.from([...va.dev_addr, ...vb.dev_addr, 8, 0, ...lite(coverage, bad)]), 0, null));
    rig.run(1);
    return [coverage, bad, now(sa.recvfrom(fd, new Uint8Array(100), 0x40, null))];
  });
  assert.deepEqual(seen, cases);
  const { UdpLiteInDatagrams, UdpLiteInErrors, UdpLiteInCsumErrors } = rig.mib(a);
  assert.deepEqual([UdpLiteInDatagrams, UdpLiteInErrors, UdpLiteInCsumErrors], [4, 4, 3]);
  rig.end();
});
