// 82576 datasheet 7.2: gathering, offloads and segmentation of the transmitter.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as R from "../../../src/hw/82576_regs.ts";
import { bytes_of, csum, eth, get16, ipv4, l4_ok, PEER, put16, Rig, tcp, udp } from "./rig.ts";

const A = [10, 0, 0, 1];
const B = [10, 0, 0, 2];
const { E1000_TXD_POPTS_IXSM: IXSM, E1000_TXD_POPTS_TXSM: TXSM, E1000_ADVTXD_DCMD_TSE: TSE } = R;
const V4_TCP = R.E1000_ADVTXD_TUCMD_IPV4 | R.E1000_ADVTXD_TUCMD_L4T_TCP;
const V4_UDP = R.E1000_ADVTXD_TUCMD_IPV4 | R.E1000_ADVTXD_TUCMD_L4T_UDP;
const sum_addrs = (proto: number, len: number): number => csum(Uint8Array.from([...A, ...B]), 0, 8, proto + len);

test("pieces are gathered, short frames padded, DD written back where RS was set, the vector speaks", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 16);
  m.w(R.E1000_IVAR(0), (R.E1000_IVAR_VALID | 2) << 8);
  m.w(R.E1000_EIMS, 1 << 2);
  const f = eth(PEER, 0x88b5, bytes_of(200));
  const i = m.tx_data(ring, [f.slice(0, 14), f.slice(14, 15), f.slice(15, 100), f.slice(100)]);
  m.tx_tail(0, ring);
  assert.deepEqual(m.far.got[0].bytes, f);
  assert.ok(m.tx_done(ring, i));
  assert.ok(!m.tx_done(ring, 0));
  assert.deepEqual(m.irqs, [2]);
  assert.equal(m.r(R.E1000_TDH(0)), 4);
  m.tx_data(ring, [f.slice(0, 20)]);
  m.tx_tail(0, ring);
  assert.equal(m.far.got[1].bytes.length, 60);
  assert.deepEqual(m.far.got[1].bytes.slice(20), new Uint8Array(40));
  assert.equal(m.r(R.E1000_GPTC), 2);
  assert.equal(m.r(R.E1000_GOTCL), f.length + 4 + 64);
  m.end();
});

test("a packet that is not wholly posted waits for its end", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 8);
  const f = eth(PEER, 0x88b5, bytes_of(200));
  m.tx_data(ring, [f.slice(0, 50), f.slice(50)]);
  m.w(R.E1000_TDT(0), 1);
  m.clock.run(0);
  assert.equal(m.far.got.length, 0);
  m.tx_tail(0, ring);
  assert.deepEqual(m.far.got[0].bytes, f);
  m.end();
});

test("checksum insertion: IPv4 header, TCP, UDP with its special zero", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 64);
  for (const n of [0, 1, 2, 99, 1400]) {
    const t = tcp(A, B, 5, 6, bytes_of(n));
    put16(t, 16, sum_addrs(6, t.length));
    const ip = ipv4(A, B, 6, t);
    put16(ip, 10, 0xdead);
    m.tx_ctx(ring, 0, 14, 20, V4_TCP);
    m.tx_data(ring, [eth(PEER, 0x0800, ip, 0)], 0, IXSM | TXSM);
    m.tx_tail(0, ring);
    const got = m.far.got.pop()!.bytes.slice(14);
    assert.equal(csum(got, 0, 20), 0xffff);
    assert.ok(l4_ok(got), `tcp ${n}`);
  }
  // Data chosen so that the sum is 0xffff: the field must become 0xffff, not 0.
  const u = udp(A, B, 5, 6, bytes_of(2));
  put16(u, 6, 0);
  put16(u, 8, 0xffff - csum(u, 0, 8, sum_addrs(17, u.length)));
  put16(u, 6, sum_addrs(17, u.length));
  m.tx_ctx(ring, 0, 14, 20, V4_UDP);
  m.tx_data(ring, [eth(PEER, 0x0800, ipv4(A, B, 17, u), 0)], 0, TXSM);
  m.tx_tail(0, ring);
  assert.equal(get16(m.far.got[0].bytes, 14 + 20 + 6), 0xffff);
  m.end();
});

test("VLE: the context's tag goes in behind the addresses", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 16);
  const f = eth(PEER, 0x88b5, bytes_of(100));
  m.tx_ctx(ring, 0x6005, 14, 0, 0);
  m.tx_data(ring, [f.slice(0, 10), f.slice(10)], R.E1000_ADVTXD_DCMD_VLE);
  m.tx_tail(0, ring);
  assert.deepEqual([...m.far.got[0].bytes], [...f.slice(0, 12), 0x81, 0, 0x60, 5, ...f.slice(12)]);
  m.end();
});

function tso_packet(payload: Uint8Array, flags: number): Uint8Array {
  const t = tcp(A, B, 5, 6, payload, flags);
  put16(t, 16, sum_addrs(6, 0)); // without the length: the hardware adds each segment's
  const ip = ipv4(A, B, 6, t);
  put16(ip, 10, 0);
  return eth(PEER, 0x0800, ip, 0);
}

test("TSO: every byte of every segment", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 16);
  const payload = bytes_of(3000);
  const f = tso_packet(payload, 0x80 | 0x10 | 0x08 | 0x01); // CWR ACK PSH FIN
  m.tx_ctx(ring, 0, 14, 20, V4_TCP, 20, 1448);
  // Headers apart, payload cut at an odd place: segment borders fall inside pieces.
  const last = m.tx_data(ring, [f.slice(0, 54), f.slice(54, 1055), f.slice(1055)], TSE, IXSM | TXSM);
  m.tx_tail(0, ring);
  assert.ok(m.tx_done(ring, last));
  const got = m.far.got.map((g) => g.bytes);
  assert.equal(got.length, 3);
  let at = 0;
  got.forEach((g, k) => {
    const n = Math.min(1448, 3000 - at);
    const want = f.slice(0, 54 + n);
    want.set(payload.slice(at, at + n), 54);
    put16(want, 16, 40 + n);
    put16(want, 18, 0x1234 + k);
    put16(want, 24, 0);
    put16(want, 24, ~csum(want, 14, 20));
    new DataView(want.buffer).setUint32(38, (0x11000000 + at) >>> 0);
    want[47] = [0x90, 0x10, 0x19][k];
    put16(want, 50, 0);
    put16(want, 50, ~csum(want, 34, 20 + n, sum_addrs(6, 20 + n)));
    assert.deepEqual(g.slice(0, 54 + n), want, `segment ${k}`);
    at += n;
  });
  assert.equal(m.r(R.E1000_TSCTC), 1);
  assert.equal(m.r(R.E1000_GPTC), 3);
  m.end();
});

test("TSO with a VLAN tag, and of UDP (USO)", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 16);
  m.tx_ctx(ring, 7, 14, 20, V4_TCP, 20, 100);
  m.tx_data(ring, [tso_packet(bytes_of(250), 0x18)], TSE | R.E1000_ADVTXD_DCMD_VLE, IXSM | TXSM);
  const u = udp(A, B, 5, 6, bytes_of(250));
  put16(u, 6, sum_addrs(17, 0));
  m.tx_ctx(ring, 0, 14, 20, V4_UDP, 8, 100);
  m.tx_data(ring, [eth(PEER, 0x0800, ipv4(A, B, 17, u), 0)], TSE, IXSM | TXSM);
  m.tx_tail(0, ring);
  assert.equal(m.far.got.length, 6);
  m.far.got.forEach((g, k) => {
    const tag = k < 3 ? 4 : 0;
    const ip = g.bytes.slice(14 + tag);
    const n = k % 3 === 2 ? 50 : 100;
    assert.equal(get16(g.bytes, 12), tag ? 0x8100 : 0x0800);
    assert.equal(get16(ip, 2), 20 + (tag ? 20 : 8) + n);
    assert.equal(csum(ip, 0, 20), 0xffff);
    assert.ok(l4_ok(ip));
    if (!tag) assert.equal(get16(ip, 24), 8 + n);
  });
  m.end();
});

test("TSO over IPv6: payload length, no identification", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 16);
  const t = tcp([], [], 5, 6, bytes_of(250), 0x18);
  const p = new Uint8Array(40 + t.length);
  p[0] = 0x60;
  p[6] = 6;
  p.set(bytes_of(32, 3), 8);
  const addrs = csum(p, 8, 32, 6);
  p.set(t, 40);
  put16(p, 56, addrs);
  m.tx_ctx(ring, 0, 14, 40, R.E1000_ADVTXD_TUCMD_L4T_TCP, 20, 100);
  m.tx_data(ring, [eth(PEER, 0x86dd, p, 0)], TSE, TXSM);
  m.tx_tail(0, ring);
  assert.deepEqual(
    m.far.got.map((g) => get16(g.bytes, 18)),
    [120, 120, 70],
  );
  for (const g of m.far.got) {
    const len = get16(g.bytes, 18);
    assert.equal(csum(g.bytes, 54, len, csum(Uint8Array.of(len >> 8, len), 0, 2, addrs)), 0xffff);
  }
  m.end();
});

test("the transmit buffer bounds what leaves memory: the rest goes as the wire takes it", () => {
  const m = new Rig({ rate: 1e9 });
  const ring = m.tx_ring(0, 128);
  const idx = Array.from({ length: 100 }, () => m.tx_data(ring, [[m.addr(0), 1514]]));
  m.w(R.E1000_TDT(0), ring.next);
  const done = (): number => idx.filter((i) => m.tx_done(ring, i)).length;
  const at_once = done();
  assert.ok(at_once >= 26 && at_once <= 28, `${at_once} frames in 40 KB`);
  m.clock.settle();
  assert.equal(done(), 100);
  assert.equal(m.far.got.length, 100);
  // 1538 bytes of wire time each, back to back.
  assert.equal(m.far.got[99].at, 100 * 1538 * 8);
  m.end();
});

test("a TSO packet larger than the transmit buffer is cut as room comes", () => {
  const m = new Rig({ rate: 1e9 });
  const ring = m.tx_ring(0, 128);
  const f = tso_packet(bytes_of(60000), 0x18);
  m.tx_ctx(ring, 0, 14, 20, V4_TCP, 20, 1000);
  const last = m.tx_data(ring, [f.slice(0, 54), f.slice(54, 30000), f.slice(30000)], TSE, IXSM | TXSM);
  m.w(R.E1000_TDT(0), ring.next);
  assert.ok(!m.tx_done(ring, last), "not done while payload is still to be fetched");
  m.clock.settle();
  assert.ok(m.tx_done(ring, last));
  assert.equal(m.far.got.length, 60);
  for (const g of m.far.got) assert.ok(l4_ok(g.bytes.slice(14)));
  m.end();
});

test("queues take turns", () => {
  const m = new Rig({ rate: 1e9 });
  const rings = [m.tx_ring(0, 64), m.tx_ring(1, 64)];
  rings.forEach((ring, q) => {
    for (let i = 0; i < 40; i++) m.tx_data(ring, [eth(PEER, 0x88b5 + q, bytes_of(1500))]);
  });
  m.w(R.E1000_TCTL, 0);
  m.w(R.E1000_TDT(0), rings[0].next);
  m.w(R.E1000_TDT(1), rings[1].next);
  m.w(R.E1000_TCTL, R.E1000_TCTL_EN);
  m.clock.settle();
  const first = m.far.got.slice(0, 40).filter((g) => get16(g.bytes, 12) === 0x88b5).length;
  assert.equal(first, 20);
  m.end();
});

test("without a link descriptors wait; the link brings them out", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 16);
  m.far.able = -1;
  m.w(R.E1000_MDIC, 0); // nothing
  m.nic.end!.link_timer!.fn(0);
  assert.equal(m.r(R.E1000_STATUS) & R.E1000_STATUS_LU, 0);
  const i = m.tx_data(ring, [eth(PEER, 0x88b5, [])]);
  m.tx_tail(0, ring);
  assert.ok(!m.tx_done(ring, i));
  m.far.able = 0;
  m.nic.end!.link_timer!.fn(0);
  m.clock.settle();
  assert.ok(m.tx_done(ring, i));
  assert.equal(m.far.got.length, 1);
  m.end();
});

test("PAUSE received stops the transmitter for its quanta", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 16);
  m.w(R.E1000_CTRL, R.E1000_CTRL_SLU | R.E1000_CTRL_RFCE);
  m.inject(eth([1, 0x80, 0xc2, 0, 0, 1], 0x8808, [0, 1, 0, 100]));
  assert.equal(m.r(R.E1000_XOFFRXC), 1);
  m.tx_data(ring, [eth(PEER, 0x88b5, [])]);
  m.tx_tail(0, ring);
  assert.equal(m.far.got.length, 0);
  m.clock.settle();
  assert.equal(m.far.got[0].at, 100 * 512); // at 1 Gbit/s
  m.end();
});

test("a filling receive buffer sends XOFF, then XON", () => {
  const m = new Rig();
  m.w(R.E1000_CTRL, R.E1000_CTRL_SLU | R.E1000_CTRL_TFCE);
  m.w(R.E1000_FCRTH, 16384);
  m.w(R.E1000_FCRTL, 8192 | R.E1000_FCRTL_XONE);
  m.w(R.E1000_FCTTV, 0xffff);
  const ring = m.rx_ring(0, 64);
  m.w(R.E1000_RXDCTL(0), 0);
  m.w(R.E1000_RXDCTL(0), R.E1000_RXDCTL_QUEUE_ENABLE);
  for (let i = 0; i < 12; i++) m.inject(eth([2, 0, 0, 0, 0, 1], 0x88b5, bytes_of(1500)));
  assert.equal(m.r(R.E1000_XOFFTXC), 1);
  assert.equal(get16(m.far.got[0].bytes, 12), 0x8808);
  assert.equal(get16(m.far.got[0].bytes, 16), 0xffff);
  m.w(R.E1000_RDT(0), ring.count - 1);
  m.clock.run(m.clock.now);
  assert.equal(m.r(R.E1000_XONTXC), 1);
  assert.equal(get16(m.far.got[1].bytes, 16), 0);
  m.end();
});

test("hostile descriptors: bad address, no end, nonsense types, absurd TSO; the ring goes on", () => {
  const m = new Rig();
  const ring = m.tx_ring(0, 8);
  const bad = m.tx_data(ring, [[2 ** 55, 100]]);
  m.tx_tail(0, ring);
  assert.ok(m.tx_done(ring, bad), "handed back");
  assert.equal(m.nic.dma_errors, 1);
  // Type 0 and legacy.
  const dv = m.slab.dv;
  for (const w of [0x20000000, 0x0b000000, -1]) {
    dv.setInt32(ring.off + ring.next * 16 + 8, w, true);
    ring.next = (ring.next + 1) % 8;
  }
  m.tx_tail(0, ring);
  assert.equal(m.nic.tx_bad_desc, 3);
  // A whole ring without EOP.
  for (let i = 0; i < 7; i++) {
    m.tx_data(ring, [[m.addr(0), 64]]);
    const d = ring.off + ((ring.next + 7) % 8) * 16 + 8;
    dv.setInt32(d, dv.getInt32(d, true) & ~R.E1000_ADVTXD_DCMD_EOP, true);
  }
  m.tx_tail(0, ring);
  assert.equal(m.nic.tx_bad_packets, 2);
  // MSS 0; header longer than the packet; zero length.
  m.tx_ctx(ring, 0, 14, 20, V4_TCP, 20, 0);
  m.tx_data(ring, [[m.addr(0), 200]], TSE);
  m.tx_tail(0, ring);
  m.tx_ctx(ring, 0, 127, 511, V4_TCP, 255, 1448);
  m.tx_data(ring, [[m.addr(0), 200]], TSE);
  m.tx_tail(0, ring);
  m.tx_data(ring, [[m.addr(0), 0]]);
  m.tx_tail(0, ring);
  // Checksum offsets outside the frame do nothing.
  m.tx_ctx(ring, 0, 127, 511, V4_TCP);
  m.tx_data(ring, [[m.addr(0), 60]], 0, IXSM | TXSM);
  m.tx_tail(0, ring);
  assert.equal(m.nic.tx_bad_packets, 5);
  assert.equal(m.r(R.E1000_TSCTFC), 2);
  m.w(R.E1000_TDT(0), 99999);
  m.far.got.length = 0;
  m.tx_data(ring, [eth(PEER, 0x88b5, [])]);
  m.tx_tail(0, ring);
  assert.equal(m.far.got.length, 1);
  m.end();
});
