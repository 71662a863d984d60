// Details that Linux 6.18 was seen to do with a frame or a datagram, by its counters: no protocol, taps, VLAN tags, GSO packets, headers cut
// short, checksums of small datagrams. Frames go in by a packet socket at the other end of a veth.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SKB_DROP_REASON_IP_INHDR } from "../../../../src/net/core/dropreason.ts";
import { qdisc_create_dflt } from "../../../../src/net/sched/sch_generic.ts";
import { sum16 } from "../../../fuzz/frame_gen.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

function hosts() {
  const rig = new KernelRig();
  const { a, b, va, vb } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const raw = sb.socket(17, 3, 0);
  const sll = new Uint8Array(20);
  new DataView(sll.buffer).setUint16(0, 17, true);
  new DataView(sll.buffer).setInt32(4, vb.ifindex, true);
  assert.equal(sb.bind(raw, sll), 0);
  const macs = [...va.dev_addr, ...vb.dev_addr];
  /** Sends a frame of `type` and returns what changed: counters of the device and of the protocols. */
  const inject = (type: number[], payload: Uint8Array): Record<string, number> => {
    const stats = { ...va.stats };
    const mib = rig.mib(a);
    const frame = Uint8Array.from([...macs, ...type, ...payload]);
    assert.equal(now(sb.sendto(raw, frame, 0, null)), frame.length);
    rig.run(1);
    const out: Record<string, number> = {};
    for (const name of ["rx_packets", "rx_dropped", "rx_nohandler"] as const)
      if (va.stats[name] !== stats[name]) out[name] = va.stats[name] - stats[name];
    for (const [name, n] of Object.entries(rig.mib(a)))
      if (n !== mib[name] && !/Octets$/.test(name)) out[name] = n - mib[name]!;
    return out;
  };
  return { rig, a, b, va, vb, sa, sb, inject };
}

/** A datagram to 10.0.0.1 with `size` bytes; `check` 0: none. */
function udp(dport: number, size: number, check = 0): Uint8Array {
  const b = new Uint8Array(28 + size);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, 0x4500);
  dv.setUint16(2, b.length);
  dv.setUint8(8, 64);
  dv.setUint8(9, 17);
  dv.setUint32(12, 0x0a000002);
  dv.setUint32(16, 0x0a000001);
  dv.setUint16(10, sum16(b, 0, 20));
  dv.setUint16(20, 1);
  dv.setUint16(22, dport);
  dv.setUint16(24, 8 + size);
  dv.setUint16(26, check);
  return b;
}

const IP = [8, 0];

test("a type that no protocol takes is dropped and counted by the device", () => {
  const { rig, inject } = hosts();
  assert.deepEqual(inject([0x12, 0x34], new Uint8Array(50)), { rx_packets: 1, rx_dropped: 1 });
  rig.end();
});

test("… but not while a tap is open: the tap took it", () => {
  const { rig, sa, inject } = hosts();
  sa.socket(17, 3, 0x0300);
  assert.deepEqual(inject([0x12, 0x34], new Uint8Array(50)), { rx_packets: 1 });
  rig.end();
});

test("a header that is cut short is IP_INHDR", () => {
  const { rig, inject } = hosts();
  for (const payload of [Uint8Array.of(0x45, 0, 0), Uint8Array.from([0x4f, ...udp(9, 4).subarray(1)])]) {
    const before = rig.k.drops[SKB_DROP_REASON_IP_INHDR]!;
    assert.equal(inject(IP, payload).IpInHdrErrors, 1);
    assert.equal(rig.k.drops[SKB_DROP_REASON_IP_INHDR]! - before, 1);
  }
  rig.end();
});

test("a bad checksum: up to 76 bytes found when it comes, longer ones when they are read", () => {
  const { rig, sa, inject } = hosts();
  const fd = sa.socket(2, 2, 0);
  assert.equal(sa.bind(fd, sockaddr("0.0.0.0", 6000)), 0);
  const bad = { UdpInErrors: 1, UdpInCsumErrors: 1 };
  const came = { rx_packets: 1, IpInReceives: 1, IpInDelivers: 1, IpExtInNoECTPkts: 1 };
  for (const size of [10, 68]) assert.deepEqual(inject(IP, udp(6000, size, 0xdead)), { ...came, ...bad }, `${size}`);
  for (const size of [69, 500]) {
    assert.deepEqual(inject(IP, udp(6000, size, 0xdead)), came, `${size}`);
    const before = rig.mib(rig.k.nets.find((n) => n.dev_by_name.has("va"))!).UdpInCsumErrors!;
    assert.equal(now(sa.recvfrom(fd, new Uint8Array(600), 0x40, null)), -11);
    assert.equal(rig.mib(rig.k.nets.find((n) => n.dev_by_name.has("va"))!).UdpInCsumErrors! - before, 1);
  }
  rig.end();
});

test("a packet of ten segments is one packet received, and ten for the ECN counters", () => {
  const { rig, a, sa, sb } = hosts();
  const fd = sa.socket(2, 2, 0);
  assert.equal(sa.bind(fd, sockaddr("0.0.0.0", 6000)), 0);
  const u = sb.socket(2, 2, 0);
  assert.equal(sb.setsockopt(u, 17, 103, Uint8Array.of(100, 0, 0, 0)), 0);
  now(sb.sendto(u, new Uint8Array(100), 0, sockaddr("10.0.0.1", 6000)));
  rig.run(1);
  const before = rig.mib(a);
  assert.equal(now(sb.sendto(u, new Uint8Array(1000), 0, sockaddr("10.0.0.1", 6000))), 1000);
  rig.run(1);
  const after = rig.mib(a);
  assert.deepEqual(
    ["IpInReceives", "IpExtInNoECTPkts"].map((n) => after[n]! - before[n]!),
    [1, 10],
  );
  rig.end();
});

test("a priority tag (VID 0) changes nothing; a VLAN that nobody has is for another host", () => {
  const { rig, sa, inject } = hosts();
  const fd = sa.socket(2, 2, 0);
  assert.equal(sa.bind(fd, sockaddr("0.0.0.0", 6001)), 0);
  inject([0x81, 0, 0, 0, ...IP], udp(6001, 4));
  assert.equal(now(sa.recvfrom(fd, new Uint8Array(9), 0x40, null)), 4);
  // A priority tag in front of another, of either kind.
  inject([0x81, 0, 0, 0, 0x81, 0, 0xe0, 0, ...IP], udp(6001, 4));
  assert.equal(now(sa.recvfrom(fd, new Uint8Array(9), 0x40, null)), 4);
  assert.deepEqual(inject([0x81, 0, 0, 0, 0x81, 0, 0, 5, ...IP], udp(6001, 4)), { rx_packets: 1 });
  // A frame that ends in its tag.
  assert.deepEqual(inject([0x81, 0, 0], new Uint8Array(0)), { rx_packets: 1 });
  assert.deepEqual(inject([0x81, 0, 0, 5, ...IP], udp(6001, 4)), { rx_packets: 1 });
  assert.equal(now(sa.recvfrom(fd, new Uint8Array(9), 0x40, null)), -11);
  rig.end();
});

test("connect(AF_UNSPEC) forgets the device as well (SO_BINDTODEVICE)", () => {
  const { rig, sa } = hosts();
  const fd = sa.socket(2, 2, 0);
  assert.equal(
    sa.setsockopt(
      fd,
      1,
      25,
      Uint8Array.from("va\0", (c) => c.charCodeAt(0)),
    ),
    0,
  );
  assert.equal(now(sa.connect(fd, sockaddr("10.0.0.2", 9))), 0);
  const name = new Uint8Array(16);
  assert.equal(sa.getsockopt(fd, 1, 25, name), 3);
  assert.equal(now(sa.connect(fd, new Uint8Array(16))), 0);
  assert.equal(sa.getsockopt(fd, 1, 25, name), 0);
  rig.end();
});

test("a qdisc counts the bytes of each segment with its headers: 8 for UDP", () => {
  const { rig, sb, vb } = hosts();
  const u = sb.socket(2, 2, 0);
  assert.equal(sb.setsockopt(u, 17, 103, Uint8Array.of(100, 0, 0, 0)), 0);
  const sent: number[] = [];
  const xmit = vb.ops.ndo_start_xmit;
  (vb as { ops: object }).ops = {
    ...vb.ops,
    ndo_start_xmit: (skb: { pkt_len: number }, dev: never) => {
      sent.push(skb.pkt_len);
      return xmit(skb as never, dev);
    },
  };
  // veth has no queue of its own.
  const q = vb.tx[0]!;
  const fifo = rig.k.qdisc_base.get("pfifo_fast")!;
  rig.call(() => {
    q.qdisc = qdisc_create_dflt(q, fifo, 0)!;
  });
  now(sb.sendto(u, new Uint8Array(1000), 0, sockaddr("10.0.0.1", 6000)));
  assert.deepEqual(sent.slice(-1), [1420]);
  rig.end();
});
