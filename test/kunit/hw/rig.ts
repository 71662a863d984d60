// A machine of plain arrays around the silicon: memory, a clock that only moves when told, interrupts that are recorded.
import assert from "node:assert/strict";
import { JsSlab } from "../../../src/arch/slab.ts";
import { I82576 } from "../../../src/hw/82576.ts";
import * as R from "../../../src/hw/82576_regs.ts";
import {
  type HwClock,
  HwEventQueue,
  type HwTimer,
  hw_event_arm,
  hw_event_cancel,
  hw_event_next,
  hw_event_pop,
} from "../../../src/hw/clock.ts";
import { DmaSpace } from "../../../src/hw/dma.ts";
import { type Frame, FramePool, frame_from_bytes, frame_put } from "../../../src/hw/frame.ts";
import { pci_msix_enable } from "../../../src/hw/pci.ts";
import type { WireEnd, WirePort } from "../../../src/hw/port.ts";
import { Wire, type WireOptions, wire_attach, wire_send } from "../../../src/hw/wire.ts";

export class TestClock implements HwClock {
  readonly q = new HwEventQueue();
  now = 0;
  arm(t: HwTimer): void {
    t.when = Math.max(t.when, this.now);
    hw_event_arm(this.q, t);
  }
  cancel(t: HwTimer): void {
    hw_event_cancel(this.q, t);
  }
  /** Runs everything due up to and including `ns`. */
  run(ns: number): void {
    while (hw_event_next(this.q) <= ns) {
      const t = hw_event_pop(this.q)!;
      this.now = Math.max(this.now, t.expires);
      t.fn(t.arg);
    }
    this.now = ns;
  }
  /** Runs until nothing is armed. */
  settle(): void {
    for (let n = 0; hw_event_next(this.q) < Infinity; n++) {
      assert.ok(n < 1e6, "the clock never comes to rest");
      const t = hw_event_pop(this.q)!;
      this.now = Math.max(this.now, t.expires);
      t.fn(t.arg);
    }
  }
}

let next_dma = 0x1_0000_0000;
export function test_slab(bytes: number): JsSlab {
  const s = new JsSlab(bytes, next_dma);
  next_dma += bytes + 4096;
  return s;
}
export const test_pool = (limit?: number): FramePool => new FramePool(test_slab, limit);

export interface Received {
  bytes: Uint8Array;
  at: number;
  fcs_ok: boolean;
  more: boolean;
}

/** A port that keeps what it gets. */
export class TestPort implements WirePort {
  readonly clock: TestClock;
  readonly got: Received[] = [];
  end: WireEnd | null = null;
  up = false;
  links = 0;
  wakes = 0;
  events: number[] = [];
  able = 0;
  on_rx: ((f: Frame) => void) | null = null;
  constructor(clock: TestClock) {
    this.clock = clock;
  }
  wire_plug(end: WireEnd | null): void {
    this.end = end;
    if (end === null) this.up = false;
  }
  wire_link(end: WireEnd): void {
    this.up = end.up;
    this.links++;
  }
  wire_rx(f: Frame, more: boolean): void {
    this.got.push({ bytes: f.u8.slice(f.off, f.off + f.len), at: this.clock.now, fcs_ok: !f.fcs_set, more });
    if (this.on_rx !== null) this.on_rx(f);
    frame_put(f);
  }
  wire_tx_wake(): void {
    this.wakes++;
  }
  wire_tx_event(ev: number): void {
    this.events.push(ev);
  }
  wire_abilities(): number {
    return this.able;
  }
}

export const MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 1);
export const PEER = Uint8Array.of(0x02, 0, 0, 0, 0, 2);

/** An Ethernet frame: destination, source, type, payload. */
export function eth(dst: ArrayLike<number>, type: number, payload: ArrayLike<number>, pad = 60): Uint8Array {
  const f = new Uint8Array(Math.max(pad, 14 + payload.length));
  f.set(dst, 0);
  f.set(PEER, 6);
  f[12] = type >> 8;
  f[13] = type;
  f.set(payload, 14);
  return f;
}

export function csum(b: Uint8Array, off: number, len: number, sum = 0): number {
  for (let i = 0; i < len; i += 2) sum += (b[off + i] << 8) | (i + 1 < len ? b[off + i + 1] : 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return sum;
}

export const put16 = (b: Uint8Array, o: number, v: number): void => {
  b[o] = v >> 8;
  b[o + 1] = v;
};
export const get16 = (b: Uint8Array, o: number): number => (b[o] << 8) | b[o + 1];

/** An IPv4 packet with a right header checksum. */
export function ipv4(src: number[], dst: number[], proto: number, l4: Uint8Array, frag = 0): Uint8Array {
  const p = new Uint8Array(20 + l4.length);
  p[0] = 0x45;
  put16(p, 2, p.length);
  put16(p, 4, 0x1234);
  put16(p, 6, frag);
  p[8] = 64;
  p[9] = proto;
  p.set(src, 12);
  p.set(dst, 16);
  put16(p, 10, ~csum(p, 0, 20));
  p.set(l4, 20);
  return p;
}

const pseudo = (src: number[], dst: number[], proto: number, len: number): number =>
  csum(Uint8Array.from([...src, ...dst, 0, proto, len >> 8, len & 0xff]), 0, 12);

export function udp(src: number[], dst: number[], sport: number, dport: number, data: Uint8Array): Uint8Array {
  const u = new Uint8Array(8 + data.length);
  put16(u, 0, sport);
  put16(u, 2, dport);
  put16(u, 4, u.length);
  u.set(data, 8);
  put16(u, 6, ~csum(u, 0, u.length, pseudo(src, dst, 17, u.length)) & 0xffff || 0xffff);
  return u;
}

export function tcp(
  src: number[],
  dst: number[],
  sport: number,
  dport: number,
  data: Uint8Array,
  flags = 0x10,
): Uint8Array {
  const t = new Uint8Array(20 + data.length);
  put16(t, 0, sport);
  put16(t, 2, dport);
  t[4] = 0x11;
  t[12] = 0x50;
  t[13] = flags;
  put16(t, 14, 0xffff);
  t.set(data, 20);
  put16(t, 16, ~csum(t, 0, t.length, pseudo(src, dst, 6, t.length)));
  return t;
}

/** Is the checksum of this TCP or UDP segment right? */
export const l4_ok = (ip: Uint8Array): boolean =>
  csum(ip, 20, get16(ip, 2) - 20, pseudo([...ip.slice(12, 16)], [...ip.slice(16, 20)], ip[9], get16(ip, 2) - 20)) ===
  0xffff;

export const bytes_of = (n: number, start = 0): Uint8Array =>
  Uint8Array.from({ length: n }, (_, i) => (i + start) & 0xff);

export interface RingAt {
  off: number;
  count: number;
  bufs: number;
  buf_size: number;
  next: number;
}

/** One NIC on one cable to a TestPort, driven by hand. */
export class Rig {
  readonly clock = new TestClock();
  readonly pool = test_pool();
  readonly slab = test_slab(1 << 22);
  readonly dma = new DmaSpace();
  readonly nic: I82576;
  readonly wire: Wire;
  readonly far: TestPort;
  readonly irqs: number[] = [];
  brk = 0;

  constructor(wire: WireOptions = {}) {
    this.dma.add_slab(this.slab);
    this.nic = new I82576({ clock: this.clock, dma: this.dma, pool: this.pool, mac: MAC, slot: "0000:01:00.0" });
    this.nic.pf.raise_irq = (v) => this.irqs.push(v);
    pci_msix_enable(this.nic.pf, true);
    this.wire = new Wire(this.clock, wire);
    this.far = new TestPort(this.clock);
    wire_attach(this.wire, 0, this.nic);
    wire_attach(this.wire, 1, this.far);
    this.clock.run(this.clock.now);
    this.w(R.E1000_CTRL, R.E1000_CTRL_SLU);
    this.w(R.E1000_RCTL, R.E1000_RCTL_EN | R.E1000_RCTL_BAM | R.E1000_RCTL_SECRC);
    this.w(R.E1000_TCTL, R.E1000_TCTL_EN | R.E1000_TCTL_PSP);
    this.w(R.E1000_GPIE, R.E1000_GPIE_MSIX_MODE | R.E1000_GPIE_EIAME | R.E1000_GPIE_PBA | R.E1000_GPIE_NSICR);
    this.w(R.E1000_RXCSUM, R.E1000_RXCSUM_IPOFL | R.E1000_RXCSUM_TUOFL | R.E1000_RXCSUM_CRCOFL | R.E1000_RXCSUM_PCSD);
  }
  w(reg: number, val: number): void {
    this.nic.write32(reg, val);
  }
  r(reg: number): number {
    return this.nic.read32(reg);
  }
  alloc(n: number): number {
    const at = this.brk;
    this.brk += (n + 127) & ~127;
    return at;
  }
  addr(off: number): number {
    return this.slab.dma + off;
  }
  put_addr(at: number, addr: number): void {
    this.slab.dv.setUint32(at, addr % 2 ** 32, true);
    this.slab.dv.setUint32(at + 4, Math.floor(addr / 2 ** 32), true);
  }
  /** A receive ring with all but one descriptor handed to the device. */
  rx_ring(q: number, count: number, kb = 2, srrctl = 0): RingAt {
    const ring = {
      off: this.alloc(count * 16),
      count,
      bufs: this.alloc(count * kb * 1024),
      buf_size: kb * 1024,
      next: 0,
    };
    this.w(R.E1000_RDBAL(q), (this.addr(ring.off) % 2 ** 32) | 0);
    this.w(R.E1000_RDBAH(q), Math.floor(this.addr(ring.off) / 2 ** 32));
    this.w(R.E1000_RDLEN(q), count * 16);
    this.w(R.E1000_SRRCTL(q), R.E1000_SRRCTL_DESCTYPE_ADV_ONEBUF | kb | srrctl);
    this.w(R.E1000_RXDCTL(q), R.E1000_RXDCTL_QUEUE_ENABLE);
    for (let i = 0; i < count; i++) this.rx_post(ring, i);
    this.w(R.E1000_RDT(q), count - 1);
    return ring;
  }
  rx_post(ring: RingAt, i: number): void {
    this.put_addr(ring.off + i * 16, this.addr(ring.bufs + i * ring.buf_size));
    this.put_addr(ring.off + i * 16 + 8, 0);
  }
  /** The next written-back descriptor, or null. The slot stays the driver's until given back through RDT. */
  rx_take(
    ring: RingAt,
  ): { status: number; len: number; vlan: number; hash: number; info: number; bytes: Uint8Array } | null {
    const d = ring.off + ring.next * 16;
    const dv = this.slab.dv;
    const status = dv.getInt32(d + 8, true);
    if (!(status & R.E1000_RXD_STAT_DD)) return null;
    const len = dv.getUint16(d + 12, true);
    const at = ring.bufs + ring.next * ring.buf_size;
    ring.next = (ring.next + 1) % ring.count;
    return {
      status,
      len,
      vlan: dv.getUint16(d + 14, true),
      hash: dv.getInt32(d + 4, true),
      info: dv.getInt32(d, true),
      bytes: this.slab.u8.slice(at, at + len),
    };
  }
  tx_ring(q: number, count: number): RingAt {
    const ring = { off: this.alloc(count * 16), count, bufs: this.alloc(65536), buf_size: 65536, next: 0 };
    this.w(R.E1000_TDBAL(q), (this.addr(ring.off) % 2 ** 32) | 0);
    this.w(R.E1000_TDBAH(q), Math.floor(this.addr(ring.off) / 2 ** 32));
    this.w(R.E1000_TDLEN(q), count * 16);
    this.w(R.E1000_TXDCTL(q), R.E1000_TXDCTL_QUEUE_ENABLE);
    return ring;
  }
  tx_ctx(ring: RingAt, vlan: number, maclen: number, iplen: number, tucmd: number, l4len = 0, mss = 0): void {
    const d = ring.off + ring.next * 16;
    const dv = this.slab.dv;
    dv.setInt32(d, (vlan << 16) | (maclen << 9) | iplen, true);
    dv.setInt32(d + 4, 0, true);
    dv.setInt32(d + 8, R.E1000_ADVTXD_DTYP_CTXT | R.E1000_ADVTXD_DCMD_DEXT | tucmd, true);
    dv.setInt32(d + 12, (mss << 16) | (l4len << 8), true);
    ring.next = (ring.next + 1) % ring.count;
  }
  /** Data descriptors for `pieces` (copied to memory, or an address and length); the last has EOP and RS. Returns its index. */
  tx_data(ring: RingAt, pieces: (Uint8Array | [number, number])[], cmd = 0, popts = 0): number {
    const dv = this.slab.dv;
    const total = pieces.reduce((n, p) => n + (p instanceof Uint8Array ? p.length : p[1]), 0);
    let last = 0;
    pieces.forEach((p, k) => {
      const d = ring.off + (last = ring.next) * 16;
      let len: number;
      if (p instanceof Uint8Array) {
        const at = this.alloc(p.length);
        this.slab.u8.set(p, at);
        this.put_addr(d, this.addr(at));
        len = p.length;
      } else {
        this.put_addr(d, p[0]);
        len = p[1];
      }
      const eop = k === pieces.length - 1 ? R.E1000_ADVTXD_DCMD_EOP | R.E1000_ADVTXD_DCMD_RS : 0;
      dv.setInt32(
        d + 8,
        R.E1000_ADVTXD_DTYP_DATA | R.E1000_ADVTXD_DCMD_DEXT | R.E1000_ADVTXD_DCMD_IFCS | cmd | eop | len,
        true,
      );
      dv.setInt32(d + 12, (total << R.E1000_ADVTXD_PAYLEN_SHIFT) | popts, true);
      ring.next = (ring.next + 1) % ring.count;
    });
    return last;
  }
  tx_tail(q: number, ring: RingAt): void {
    this.w(R.E1000_TDT(q), ring.next);
    this.clock.run(this.clock.now);
  }
  tx_done(ring: RingAt, i: number): boolean {
    return (this.slab.dv.getInt32(ring.off + i * 16 + 12, true) & 1) !== 0;
  }
  /** From the far end to the NIC. */
  send(bytes: Uint8Array): void {
    const f = frame_from_bytes(this.pool, bytes)!;
    // The far end's own transmitter.
    wire_send(this.far.end!, f);
  }
  /** Sends and lets the instant pass. */
  inject(...frames: Uint8Array[]): void {
    for (const f of frames) this.send(f);
    this.clock.run(this.clock.now);
  }
  end(): void {
    this.nic.reset();
    this.clock.settle();
    assert.equal(this.pool.live, 0, "live frames");
  }
}
