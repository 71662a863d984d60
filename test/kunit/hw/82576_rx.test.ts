// 82576 datasheet 7.1: filters, rings, buffers, offloads of the receiver.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as R from "../../../src/hw/82576_regs.ts";
import { frame_flip_bit, frame_from_bytes } from "../../../src/hw/frame.ts";
import { wire_send } from "../../../src/hw/wire.ts";
import { crc32 } from "../../../src/lib/crc32.ts";
import { KEY } from "../lib/rss_key.ts";
import { bytes_of, csum, eth, ipv4, MAC, put16, Rig, tcp, udp } from "./rig.ts";

const BCAST = [255, 255, 255, 255, 255, 255];
const A = [10, 0, 0, 1];
const B = [10, 0, 0, 2];

test("a frame goes to memory, the descriptor is written back, the queue's vector speaks", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8);
  m.w(R.E1000_IVAR(0), R.E1000_IVAR_VALID | 3);
  m.w(R.E1000_EIMS, 1 << 3);
  const f = eth(MAC, 0x88b5, bytes_of(100));
  m.inject(f);
  const d = m.rx_take(ring)!;
  assert.deepEqual(d.bytes, f);
  assert.equal(d.status & 0xff, R.E1000_RXD_STAT_DD | R.E1000_RXD_STAT_EOP | R.E1000_RXD_STAT_IXSM);
  assert.deepEqual(m.irqs, [3]);
  assert.equal(m.r(R.E1000_RDH(0)), 1);
  assert.equal(m.r(R.E1000_GPRC), 1);
  assert.equal(m.r(R.E1000_GPRC), 0, "cleared by reading");
  assert.equal(m.r(R.E1000_GORCL), f.length + 4);
  assert.equal(m.r(R.E1000_GORCH), 0);
  assert.equal(m.r(R.E1000_GORCL), 0, "the high half cleared both");
  m.end();
});

test("the ring wraps for ever", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8);
  for (let i = 0; i < 100; i++) {
    m.inject(eth(MAC, 0x88b5, bytes_of(60, i)));
    const d = m.rx_take(ring)!;
    assert.equal(d.bytes[14], i);
    const slot = (ring.next + 7) % 8;
    m.rx_post(ring, slot);
    m.w(R.E1000_RDT(0), slot);
  }
  assert.equal(m.r(R.E1000_MPC), 0);
  m.end();
});

test("no descriptors: frames wait in the packet buffer (RNBC), then are missed (MPC), and come in order once there are", () => {
  const m = new Rig({ queue_limit: 5000 });
  const ring = m.rx_ring(0, 8);
  const big = 1500;
  const fits = Math.floor((64 * 1024) / (big + 14));
  for (let i = 0; i < 7 + fits + 10; i++) m.inject(eth(MAC, 0x88b5, bytes_of(big, i)));
  assert.equal(m.r(R.E1000_MPC), 10);
  assert.equal(m.r(R.E1000_RNBC), fits);
  assert.equal(m.r(R.E1000_ICR) & R.E1000_ICR_RXO, R.E1000_ICR_RXO);
  for (let i = 0; i < 7 + fits; i++) {
    const d = m.rx_take(ring)!;
    assert.equal(d.bytes[14], i & 0xff);
    const slot = (ring.next + 7) % 8;
    m.rx_post(ring, slot);
    m.w(R.E1000_RDT(0), slot);
  }
  assert.equal(m.rx_take(ring), null);
  m.end();
});

test("SRRCTL.DROP_EN: a full queue drops alone and counts in RQDPC", () => {
  const m = new Rig();
  m.rx_ring(0, 8, 2, R.E1000_SRRCTL_DROP_EN);
  for (let i = 0; i < 10; i++) m.inject(eth(MAC, 0x88b5, bytes_of(60)));
  assert.equal(m.r(R.E1000_RQDPC(0)), 3);
  assert.equal(m.r(R.E1000_RQDPC(0)), 0);
  assert.equal(m.r(R.E1000_MPC), 0);
  m.end();
});

test("a frame longer than a buffer takes several descriptors; EOP and status only in the last", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8, 1);
  m.w(R.E1000_RCTL, R.E1000_RCTL_EN | R.E1000_RCTL_SECRC | R.E1000_RCTL_LPE);
  m.w(R.E1000_RLPML, 9000);
  const f = eth(MAC, 0x0800, ipv4(A, B, 17, udp(A, B, 1, 2, bytes_of(2400))));
  m.inject(f);
  const parts = [m.rx_take(ring)!, m.rx_take(ring)!, m.rx_take(ring)!];
  assert.deepEqual(
    parts.map((p) => p.len),
    [1024, 1024, f.length - 2048],
  );
  assert.deepEqual(
    parts.map((p) => p.status & R.E1000_RXD_STAT_EOP),
    [0, 0, R.E1000_RXD_STAT_EOP],
  );
  assert.deepEqual(Uint8Array.from(parts.flatMap((p) => [...p.bytes])), f);
  assert.ok(parts[2].status & R.E1000_RXD_STAT_UDPCS);
  assert.equal(parts[2].status & R.E1000_RXDEXT_STATERR_L4E, 0);
  m.end();
});

test("size limits: oversize without LPE and over RLPML counts ROC; a tag is allowed for", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8);
  m.inject(eth(MAC, 0x88b5, bytes_of(1500)));
  assert.ok(m.rx_take(ring));
  m.inject(eth(MAC, 0x88b5, bytes_of(1501)));
  assert.equal(m.rx_take(ring), null);
  m.inject(eth(MAC, 0x8100, bytes_of(1504)));
  assert.ok(m.rx_take(ring));
  assert.equal(m.r(R.E1000_ROC), 1);
  assert.equal(m.r(R.E1000_RLEC), 1);
  m.end();
});

test("a damaged frame: CRCERRS and gone, unless SBP stores it with the error bit", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8);
  const bad = (bit: number): void => {
    const f = frame_from_bytes(m.pool, eth(MAC, 0x88b5, bytes_of(80)))!;
    frame_flip_bit(f, bit);
    wire_send(m.far.end!, f);
    m.clock.run(m.clock.now);
  };
  bad(14 * 8);
  bad(94 * 8 + 31); // in the FCS itself
  assert.equal(m.rx_take(ring), null);
  assert.equal(m.r(R.E1000_CRCERRS), 2);
  assert.equal(m.r(R.E1000_GPRC), 0);
  m.w(R.E1000_RCTL, R.E1000_RCTL_EN | R.E1000_RCTL_SBP | R.E1000_RCTL_SECRC);
  bad(14 * 8);
  const d = m.rx_take(ring)!;
  assert.ok(d.status & R.E1000_RXDEXT_STATERR_CE);
  assert.equal(d.bytes[14], 1);
  assert.equal(m.r(R.E1000_GPRC), 0);
  m.end();
});

test("without SECRC the FCS is in memory", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8);
  m.w(R.E1000_RCTL, R.E1000_RCTL_EN);
  const f = eth(MAC, 0x88b5, bytes_of(80));
  m.inject(f);
  const d = m.rx_take(ring)!;
  assert.equal(d.len, f.length + 4);
  assert.equal(new DataView(d.bytes.buffer).getInt32(f.length, true), crc32(f, 0, f.length));
  m.end();
});

test("filters: own address, RAR table, broadcast, multicast hash, UPE, MPE; inexact matches say so (PIF)", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 64);
  const other = [2, 0, 0, 0, 0, 9];
  const mc = [1, 0, 0x5e, 0, 0, 0xfb];
  const seen = (dst: ArrayLike<number>): number => {
    m.inject(eth(dst, 0x88b5, []));
    return m.rx_take(ring)?.status ?? 0;
  };
  const on = R.E1000_RCTL_EN | R.E1000_RCTL_SECRC;
  m.w(R.E1000_RCTL, on);
  assert.ok(seen(MAC));
  assert.ok(!seen(BCAST));
  assert.ok(!seen(other));
  assert.ok(!seen(mc));
  m.w(R.E1000_RCTL, on | R.E1000_RCTL_BAM);
  assert.ok(seen(BCAST));
  assert.equal(m.r(R.E1000_BPRC), 1);
  // An entry of the upper bank.
  m.w(R.E1000_RAL(20), 0x00000002);
  m.w(R.E1000_RAH(20), 0x0900 | R.E1000_RAH_AV);
  assert.ok(seen(other) && !(seen(other) & R.E1000_RXD_STAT_PIF));
  m.w(R.E1000_RAH(20), 0x0900);
  assert.ok(!seen(other));
  // The hash of MO = 0 is bits 47:36: (mac[4] >> 4) | (mac[5] << 4).
  const hash = ((mc[4] >> 4) | (mc[5] << 4)) & 0xfff;
  m.w(R.E1000_MTA(hash >> 5), 1 << (hash & 31));
  assert.ok(seen(mc) & R.E1000_RXD_STAT_PIF);
  assert.equal(m.r(R.E1000_MPRC), 1);
  m.w(R.E1000_MTA(hash >> 5), 0);
  assert.ok(!seen(mc));
  m.w(R.E1000_RCTL, on | R.E1000_RCTL_MPE);
  assert.ok(seen(mc));
  assert.ok(!seen(other));
  m.w(R.E1000_RCTL, on | R.E1000_RCTL_UPE);
  assert.ok(seen(other) & R.E1000_RXD_STAT_PIF);
  m.end();
});

test("VLAN: filter table, stripping into the descriptor, untouched without VME", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 16);
  const tagged = eth(MAC, 0x8100, [0x60 | 0x0, 42, 0x88, 0xb5, ...bytes_of(60)]);
  m.inject(tagged);
  assert.deepEqual(m.rx_take(ring)!.bytes, tagged);
  m.w(R.E1000_CTRL, R.E1000_CTRL_SLU | R.E1000_CTRL_VME);
  m.inject(tagged);
  const d = m.rx_take(ring)!;
  assert.ok(d.status & R.E1000_RXD_STAT_VP);
  assert.equal(d.vlan, 0x602a);
  assert.deepEqual([...d.bytes], [...tagged.slice(0, 12), ...tagged.slice(16)]);
  m.w(R.E1000_RCTL, m.r(R.E1000_RCTL) | R.E1000_RCTL_VFE);
  m.inject(tagged);
  assert.equal(m.rx_take(ring), null);
  m.inject(eth(MAC, 0x88b5, []));
  assert.ok(m.rx_take(ring), "untagged frames pass the VLAN filter");
  m.w(R.E1000_VFTA(42 >> 5), 1 << (42 & 31));
  m.inject(tagged);
  assert.ok(m.rx_take(ring));
  m.end();
});

test("checksums: verdicts for IP, TCP, UDP, odd lengths, padding, fragments, zero UDP checksum", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 64);
  const status = (ip: Uint8Array): number => {
    m.inject(eth(MAC, 0x0800, ip));
    return m.rx_take(ring)!.status;
  };
  const { E1000_RXD_STAT_IPCS: IPCS, E1000_RXD_STAT_L4CS: L4CS, E1000_RXD_STAT_UDPCS: UDPCS } = R;
  const ERR = R.E1000_RXDEXT_STATERR_IPE | R.E1000_RXDEXT_STATERR_L4E;
  for (const n of [0, 1, 7, 100, 1001]) {
    const s = status(ipv4(A, B, 6, tcp(A, B, 1, 2, bytes_of(n))));
    assert.equal(s & (IPCS | L4CS | UDPCS | ERR), IPCS | L4CS);
    const u = status(ipv4(A, B, 17, udp(A, B, 1, 2, bytes_of(n))));
    assert.equal(u & (IPCS | L4CS | UDPCS | ERR), IPCS | L4CS | UDPCS);
  }
  const bad_tcp = ipv4(A, B, 6, tcp(A, B, 1, 2, bytes_of(9)));
  bad_tcp[45] ^= 1;
  assert.equal(status(bad_tcp) & ERR, R.E1000_RXDEXT_STATERR_L4E);
  const bad_ip = ipv4(A, B, 6, tcp(A, B, 1, 2, bytes_of(9)));
  bad_ip[8]--;
  assert.equal(status(bad_ip) & ERR, R.E1000_RXDEXT_STATERR_IPE);
  const no_sum = udp(A, B, 1, 2, bytes_of(9));
  put16(no_sum, 6, 0);
  assert.equal(status(ipv4(A, B, 17, no_sum)) & (IPCS | L4CS | UDPCS | ERR), IPCS);
  assert.equal(status(ipv4(A, B, 6, bytes_of(64), 0x2000)) & (IPCS | L4CS | ERR), IPCS);
  m.w(R.E1000_RXCSUM, 0);
  assert.ok(status(bad_ip) & R.E1000_RXD_STAT_IXSM);
  assert.equal(status(bad_ip) & ERR, 0);
  m.end();
});

test("IPv6: TCP checksum behind extension headers", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 16);
  const t = tcp([], [], 1, 2, bytes_of(33));
  const p = new Uint8Array(40 + 8 + t.length);
  p[0] = 0x60;
  put16(p, 4, 8 + t.length);
  p[6] = 60; // destination options
  p.set(bytes_of(32, 7), 8);
  p[40] = 6;
  p.set(t, 48);
  put16(p, 48 + 16, 0);
  put16(p, 48 + 16, ~csum(p, 48, t.length, csum(p, 8, 32, 6 + t.length)));
  m.inject(eth(MAC, 0x86dd, p));
  const d = m.rx_take(ring)!;
  assert.equal(d.info & 0x7f0, R.E1000_RXDADV_PKTTYPE_IPV6_EX | R.E1000_RXDADV_PKTTYPE_TCP);
  assert.ok(d.status & R.E1000_RXD_STAT_L4CS);
  assert.equal(d.status & R.E1000_RXDEXT_STATERR_L4E, 0);
  m.end();
});

test("RSS: Microsoft's vector in the descriptor, the indirection table chooses the queue", () => {
  const m = new Rig();
  const rings = [0, 1, 2, 3].map((q) => m.rx_ring(q, 16));
  m.w(R.E1000_MRQC, R.E1000_MRQC_ENABLE_RSS_MQ | R.E1000_MRQC_RSS_FIELD_IPV4 | R.E1000_MRQC_RSS_FIELD_IPV4_TCP);
  for (let i = 0; i < 10; i++)
    m.w(R.E1000_RSSRK(i), KEY[4 * i] | (KEY[4 * i + 1] << 8) | (KEY[4 * i + 2] << 16) | (KEY[4 * i + 3] << 24));
  for (let i = 0; i < 32; i++) m.w(R.E1000_RETA(i), 0x03020100);
  const s = [66, 9, 149, 187];
  const d = [161, 142, 100, 80];
  m.inject(eth(MAC, 0x0800, ipv4(s, d, 6, tcp(s, d, 2794, 1766, bytes_of(10)))));
  const t = m.rx_take(rings[0x51ccc178 & 3])!;
  assert.equal(t.hash >>> 0, 0x51ccc178);
  assert.equal(t.info & 0xf, R.E1000_RXDADV_RSSTYPE_IPV4_TCP);
  // UDP is not enabled: the addresses alone.
  m.inject(eth(MAC, 0x0800, ipv4(s, d, 17, udp(s, d, 2794, 1766, bytes_of(10)))));
  const u = m.rx_take(rings[0x323e8fc2 & 3])!;
  assert.equal(u.hash >>> 0, 0x323e8fc2);
  assert.equal(u.info & 0xf, R.E1000_RXDADV_RSSTYPE_IPV4);
  // A fragment has no ports, whatever its bytes say.
  m.inject(eth(MAC, 0x0800, ipv4(s, d, 6, tcp(s, d, 2794, 1766, bytes_of(10)), 0x2000)));
  assert.equal(m.rx_take(rings[0x323e8fc2 & 3])!.hash >>> 0, 0x323e8fc2);
  // Not IP: no hash, queue 0.
  m.inject(eth(MAC, 0x0806, bytes_of(28)));
  assert.equal(m.rx_take(rings[0])!.info & 0xf, 0);
  m.end();
});

test("ETQF and SYNQF: an Ethertype, or a SYN, goes to its queue before RSS is asked; a reset forgets", () => {
  const m = new Rig();
  const rings = [0, 1, 2, 3].map((q) => m.rx_ring(q, 16));
  const queueOf = (f: Uint8Array): number => {
    m.inject(f);
    return rings.findIndex((r) => m.rx_take(r) !== null);
  };
  const syn = eth(MAC, 0x0800, ipv4(A, B, 6, tcp(A, B, 1, 2, bytes_of(0), 0x02)));
  const synack = eth(MAC, 0x0800, ipv4(A, B, 6, tcp(A, B, 1, 2, bytes_of(0), 0x12)));
  const arp = eth(MAC, 0x0806, bytes_of(28));
  assert.deepEqual([queueOf(arp), queueOf(syn)], [0, 0]);
  m.w(
    R.E1000_ETQF(3),
    0x0806 | (2 << R.E1000_ETQF_QUEUE_SHIFT) | R.E1000_ETQF_FILTER_ENABLE | R.E1000_ETQF_QUEUE_ENABLE,
  );
  m.w(R.E1000_SYNQF, R.E1000_SYNQF_QUEUE_ENABLE | (3 << R.E1000_SYNQF_QUEUE_SHIFT));
  assert.deepEqual([queueOf(arp), queueOf(syn), queueOf(synack)], [2, 3, 0]);
  // Behind a VLAN tag, too; another type is nobody's.
  const tagged = Uint8Array.from([...arp.slice(0, 12), 0x81, 0, 0, 5, ...arp.slice(12)]);
  assert.equal(queueOf(tagged), 2);
  assert.equal(queueOf(eth(MAC, 0x88b5, bytes_of(60))), 0);
  // A lower filter of the same type that chooses no queue wins.
  m.w(R.E1000_ETQF(0), 0x0806 | R.E1000_ETQF_FILTER_ENABLE);
  assert.equal(queueOf(arp), 0);
  m.w(R.E1000_ETQF(0), 0);
  m.w(R.E1000_ETQF(3), 0);
  m.w(R.E1000_SYNQF, 0);
  assert.deepEqual([queueOf(arp), queueOf(syn), m.nic.steers], [0, 0, false]);
  m.w(R.E1000_SYNQF, R.E1000_SYNQF_QUEUE_ENABLE);
  m.w(R.E1000_CTRL, R.E1000_CTRL_RST);
  assert.equal(m.nic.steers, false);
  m.end();
});

test("hostile memory: a buffer address that is nowhere, a ring that is nowhere, a tail out of range", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8);
  m.put_addr(ring.off, 2 ** 60);
  m.put_addr(ring.off + 16, m.addr(m.slab.u8.length - 32)); // runs over the end of memory
  m.inject(eth(MAC, 0x88b5, bytes_of(100)), eth(MAC, 0x88b5, bytes_of(100)), eth(MAC, 0x88b5, bytes_of(100)));
  assert.equal(m.nic.dma_errors, 2);
  for (let i = 0; i < 2; i++) {
    const dv = m.slab.dv;
    assert.ok(dv.getInt32(ring.off + i * 16 + 8, true) & R.E1000_RXDEXT_STATERR_RXE);
    assert.equal(dv.getUint16(ring.off + i * 16 + 12, true), 0);
  }
  ring.next = 2;
  assert.equal(m.rx_take(ring)!.len, 114);
  m.w(R.E1000_RDT(0), 4711);
  m.w(R.E1000_RDT(0), -1);
  assert.equal(m.r(R.E1000_RDT(0)), 7);
  m.w(R.E1000_RDBAH(1), 0x7fffffff);
  m.w(R.E1000_RDLEN(1), 4096);
  m.w(R.E1000_RXDCTL(1), R.E1000_RXDCTL_QUEUE_ENABLE);
  assert.equal(m.r(R.E1000_RXDCTL(1)) & R.E1000_RXDCTL_QUEUE_ENABLE, 0);
  for (let reg = -8; reg < 0x20010; reg += 4) m.r(reg);
  m.end();
});

test("wire bytes of every kind and length never throw", () => {
  const m = new Rig();
  const ring = m.rx_ring(0, 8, 2, R.E1000_SRRCTL_DROP_EN);
  m.w(R.E1000_RCTL, R.E1000_RCTL_EN | R.E1000_RCTL_UPE | R.E1000_RCTL_MPE | R.E1000_RCTL_SBP | R.E1000_RCTL_VFE);
  m.w(R.E1000_MRQC, R.E1000_MRQC_ENABLE_RSS_MQ | 0xf70000);
  m.w(R.E1000_CTRL, R.E1000_CTRL_SLU | R.E1000_CTRL_VME | R.E1000_CTRL_RFCE);
  let x = 1;
  const rnd = (): number => (x = (Math.imul(x, 1103515245) + 12345) >>> 0) >>> 16;
  const types = [0x0800, 0x86dd, 0x8100, 0x8808, 0x0806, 5];
  for (let i = 0; i < 3000; i++) {
    const f = Uint8Array.from({ length: rnd() % 200 }, rnd);
    if (f.length > 14) put16(f, 12, types[i % 6]);
    if (f.length > 34 && i % 3) {
      f[14] = i % 2 ? 0x45 : 0x60;
      f[23] = f[20] = [6, 17, 132, 0, 43, 44, 60][i % 7];
      put16(f, 16, f.length - 14);
    }
    // Past the wire's padding, as a broken transmitter would.
    m.nic.wire_rx(frame_from_bytes(m.pool, f)!, false);
    for (let d = m.rx_take(ring); d !== null; d = m.rx_take(ring)) {
      const slot = (ring.next + 7) % 8;
      m.rx_post(ring, slot);
      m.w(R.E1000_RDT(0), slot);
    }
  }
  m.end();
});
