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

const SEND_CSCOV = 10;
const RECV_CSCOV = 11;
const SOL_UDPLITE = 136;
const int = (v: number): Uint8Array => new Uint8Array(new Int32Array([v]).buffer);

test("UDPLITE_SEND_CSCOV and UDPLITE_RECV_CSCOV: what is summed, and what a receiver insists on", () => {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const from = sb.socket(2, 2, 136);
  const to = sa.socket(2, 2, 136);
  assert.equal(sb.bind(from, sockaddr("0.0.0.0", 5001)), 0);
  assert.equal(sa.bind(to, sockaddr("0.0.0.0", 6000)), 0);
  // The headers as they come, by a raw socket.
  const tap = sa.socket(2, 3, 136);
  const get = (s: typeof sa, fd: number, opt: number): number => {
    const v = int(-1);
    assert.equal(s.getsockopt(fd, SOL_UDPLITE, opt, v), 4);
    return new DataView(v.buffer).getInt32(0, true);
  };
  const data = Uint8Array.from({ length: 20 }, (_, i) => i);
  const go = (): { length: number; ok: boolean; got: number } => {
    assert.equal(now(sb.sendto(from, data, 0, sockaddr("10.0.0.1", 6000))), 20);
    rig.run(1);
    const p = new Uint8Array(100);
    assert.equal(now(sa.recvfrom(tap, p, 0x40, null)), 48);
    const length = (p[24]! << 8) | p[25]!;
    const pseudo = 0x0a00 + 1 + 0x0a00 + 2 + 136 + 28;
    const ok = sum16(p, 20, 20 + (length === 0 ? 28 : length), pseudo) === 0;
    const got = Number(now(sa.recvfrom(to, new Uint8Array(100), 0x40, null)));
    return { length, ok, got };
  };
  assert.deepEqual([get(sb, from, SEND_CSCOV), get(sb, from, RECV_CSCOV)], [0, 0]);
  assert.deepEqual(go(), { length: 28, ok: true, got: 20 });
  for (const [asked, kept, length] of [
    [0, 0, 0],
    [1, 8, 8],
    [12, 12, 12],
    [27, 27, 27],
    [28, 28, 28],
    [40, 40, 28],
    [65536, 65535, 28],
    [-100000, 8, 8],
  ] as const) {
    assert.equal(sb.setsockopt(from, SOL_UDPLITE, SEND_CSCOV, int(asked)), 0);
    assert.equal(get(sb, from, SEND_CSCOV), kept);
    assert.deepEqual(go(), { length, ok: true, got: 20 }, `coverage of ${asked}`);
  }
  assert.equal(sb.setsockopt(from, SOL_UDPLITE, SEND_CSCOV, int(12)), 0);
  for (const [asked, kept, got] of [
    [0, 0, -11],
    [1, 8, 20],
    [12, 12, 20],
    [13, 13, -11],
    [65536, 65535, -11],
    [-1, 8, 20],
  ] as const) {
    assert.equal(sa.setsockopt(to, SOL_UDPLITE, RECV_CSCOV, int(asked)), 0);
    assert.equal(get(sa, to, RECV_CSCOV), kept);
    assert.deepEqual(go(), { length: 12, ok: true, got }, `at least ${asked}`);
  }
  // A datagram that is summed as a whole is good enough, however short.
  assert.equal(sa.setsockopt(to, SOL_UDPLITE, RECV_CSCOV, int(40)), 0);
  assert.equal(sb.setsockopt(from, SOL_UDPLITE, SEND_CSCOV, int(0)), 0);
  assert.deepEqual(go(), { length: 0, ok: true, got: 20 });
  const { UdpLiteInErrors, UdpLiteInCsumErrors } = rig.mib(a);
  assert.deepEqual([UdpLiteInErrors, UdpLiteInCsumErrors], [3, 0]);
  // UDP knows the level and reads the options, but sets none; segmentation and a part of a sum do not go together.
  const udp = sb.socket(2, 2, 0);
  assert.equal(sb.setsockopt(udp, SOL_UDPLITE, SEND_CSCOV, int(1)), -92);
  assert.equal(get(sb, udp, SEND_CSCOV), 0);
  assert.equal(sb.setsockopt(from, 17, SEND_CSCOV, int(9)), 0);
  assert.equal(sb.setsockopt(from, SOL_UDPLITE, SEND_CSCOV, new Uint8Array(2)), -22);
  assert.equal(sb.setsockopt(from, SOL_UDPLITE, 12, int(1)), -92);
  assert.equal(sb.setsockopt(from, SOL_UDPLITE, 103, int(10)), 0);
  assert.equal(now(sb.sendto(from, data, 0, sockaddr("10.0.0.1", 6000))), -5);
  rig.end();
});
