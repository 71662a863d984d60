// GRO and GSO of TCP: which segments merge (Linux 6.18's rules, RFC 3168 and RFC 6864 for ECN and ID), what the merged one looks
// like, and that cutting it gives the segments back, in software and in the 82576.

import assert from "node:assert/strict";
import { test } from "node:test";
import { syscall } from "../../../../src/kernel/cpu.ts";
import { ip_fast_csum } from "../../../../src/lib/checksum.ts";
import { dev_add_pack, dev_remove_pack, napi_gro_receive } from "../../../../src/net/core/dev.ts";
import { skb_gso_segment } from "../../../../src/net/core/gso.ts";
import { NETIF_F_HW_CSUM, NETIF_F_SG, NETIF_F_TSO, type NetDevice } from "../../../../src/net/core/netdevice.ts";
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  netdev_alloc_skb,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_TCPV4,
  type SkBuff,
  skb_copy_bits,
  skb_push,
  skb_put,
} from "../../../../src/net/core/skbuff.ts";
import { IPSTATS_MIB_INPKTS } from "../../../../src/net/core/snmp.ts";
import { eth_type_trans } from "../../../../src/net/ethernet/eth.ts";
import { ip_send_check } from "../../../../src/net/ipv4/ip_output.ts";
import { TwoHosts } from "../sched/lab.ts";

const addr = (host: number, port: number): Uint8Array =>
  Uint8Array.of(2, 0, port >> 8, port & 255, 10, 0, 0, host, 0, 0, 0, 0, 0, 0, 0, 0);

const FIN = 1;
const SYN = 2;
const RST = 4;
const PSH = 8;
const ACK = 16;
const URG = 32;
const ECE = 64;
const CWR = 128;

interface Seg {
  seq: number;
  len?: number;
  flags?: number;
  ack?: number;
  win?: number;
  tos?: number;
  ttl?: number;
  id?: number;
  df?: boolean;
  sport?: number;
  ts?: number;
  bad?: boolean;
  /** The card did not sum it. */
  unsummed?: boolean;
  /** The device merged it already, of parts of this size. */
  gso?: number;
}

/** Ones' complement sum of bytes, the slow way. */
function sum_of(b: Uint8Array, from: number, to: number, start = 0): number {
  let s = start;
  for (let i = from; i < to; i += 2) s += (b[i]! << 8) | (i + 1 < to ? b[i + 1]! : 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return s;
}
/** Of the segment at `iph`, with its pseudo header: 0xffff when it is right. */
function tcp_sum(b: Uint8Array, iph: number, len: number): number {
  return sum_of(b, iph + 20, iph + len, sum_of(b, iph + 12, iph + 20, 6 + len - 20));
}

function frame(dev: NetDevice, o: Seg, index: number): SkBuff {
  const opts = o.ts !== undefined ? 12 : 0;
  const len = o.len ?? 100;
  const whole = 40 + opts + len;
  const skb = netdev_alloc_skb(dev, 14 + whole)!;
  const at = skb_put(skb, 14 + whole);
  const dv = skb.head.dv;
  const u8 = skb.head.u8;
  u8.fill(0, at, at + 14 + whole);
  u8.set(dev.dev_addr, at);
  u8.set([2, 0, 0, 0, 0, 9, 8, 0], at + 6);
  const iph = at + 14;
  dv.setUint16(iph, 0x4500 | (o.tos ?? 0));
  dv.setUint16(iph + 2, whole);
  dv.setUint16(iph + 4, o.id ?? 100 + index);
  dv.setUint16(iph + 6, o.df === false ? 0 : 0x4000);
  dv.setUint8(iph + 8, o.ttl ?? 64);
  dv.setUint8(iph + 9, 6);
  dv.setInt32(iph + 12, 0x0a000009);
  dv.setInt32(iph + 16, 0x0a000001);
  ip_send_check(dv, iph);
  const th = iph + 20;
  dv.setUint16(th, o.sport ?? 4000);
  dv.setUint16(th + 2, 5000);
  dv.setUint32(th + 4, o.seq >>> 0);
  dv.setUint32(th + 8, o.ack ?? 1);
  dv.setUint8(th + 12, ((20 + opts) >> 2) << 4);
  dv.setUint8(th + 13, o.flags ?? ACK);
  dv.setUint16(th + 14, o.win ?? 500);
  if (o.ts !== undefined) {
    dv.setUint32(th + 20, 0x0101080a);
    dv.setUint32(th + 24, o.ts);
    dv.setUint32(th + 28, 7);
  }
  for (let i = 0; i < len; i++) u8[th + 20 + opts + i] = (o.seq + i) * 7;
  const check = ~tcp_sum(u8, iph, whole) & 0xffff;
  dv.setUint16(th + 16, o.bad === true ? check ^ 0x5555 : check);
  skb.protocol = eth_type_trans(skb, dev);
  skb.ip_summed = o.bad === true || o.unsummed === true ? CHECKSUM_NONE : CHECKSUM_UNNECESSARY;
  if (o.gso !== undefined) {
    dv.setUint16(th + 16, sum_of(u8, iph + 12, iph + 20, 6 + whole - 20));
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = th;
    skb.csum_offset = 16;
    skb.head.gso_size = o.gso;
    skb.head.gso_type = SKB_GSO_TCPV4;
    skb.head.gso_segs = Math.ceil(len / o.gso);
  }
  return skb;
}

interface Up {
  seq: number;
  len: number;
  size: number;
  segs: number;
  type: number;
  flags: number;
  bytes: Uint8Array;
}

/** Feeds frames to GRO in one poll; what went up the stack, in order. */
function feed(h: TwoHosts, segs: Seg[], look?: (skb: SkBuff) => void): Up[] {
  const k = h.a.kernel;
  const dev = k.init_net.dev_by_name.get("eth0")!;
  const napi = dev.napi_list[0]!;
  const got: Up[] = [];
  const pt = {
    type: 0x0800,
    dev,
    net: null,
    name: "test",
    af_packet_priv: null,
    func: (skb: SkBuff): number => {
      const whole = new Uint8Array(skb.len);
      skb_copy_bits(skb, 0, whole, 0, skb.len);
      const dv = new DataView(whole.buffer);
      const thlen = (whole[32]! >> 4) << 2;
      assert.equal(dv.getUint16(2), skb.len, "tot_len");
      assert.equal(ip_fast_csum(dv, 0, 5), 0, "the IP header's sum");
      if (skb.head.gso_size !== 0) {
        assert.equal(skb.ip_summed, CHECKSUM_PARTIAL);
        assert.equal(skb.csum_offset, 16);
        // The pseudo header's sum is in place, as TSO wants it.
        assert.equal(dv.getUint16(36), sum_of(whole, 12, 20, 6 + skb.len - 20));
      }
      got.push({
        seq: dv.getUint32(24),
        len: skb.len - 20 - thlen,
        size: skb.head.gso_size,
        segs: skb.head.gso_size !== 0 ? skb.head.gso_segs : 1,
        type: skb.head.gso_type,
        flags: whole[33]!,
        bytes: whole.slice(20 + thlen),
      });
      if (skb.head.gso_size !== 0) look?.(skb);
      consume_skb(skb);
      return 0;
    },
  };
  syscall(k, () => {
    dev_add_pack(k, pt);
    segs.forEach((s, i) => {
      napi_gro_receive(napi, frame(dev, s, i));
    });
    k.gro_flush!(napi, false);
    dev_remove_pack(k, pt);
  });
  assert.equal(napi.gro_bitmask, 0);
  return got;
}

const brief = (up: Up[]): [number, number][] => up.map((u) => [u.seq, u.len]);
const run = (n: number, more: Partial<Seg> = {}): Seg[] =>
  Array.from({ length: n }, (_, i) => ({ seq: 1000 + 100 * i, ...more }));

/** Frames come from nobody; without an address here nobody answers them. */
function rig(): TwoHosts {
  const h = new TwoHosts();
  h.sh(h.a, "ip addr flush dev eth0");
  return h;
}

test("what the device merged joins nobody and overtakes nobody", () => {
  const h = rig();
  const segs = [...run(2), { seq: 1200, len: 900, gso: 100 }, { seq: 2100 }, { seq: 2200, len: 900, gso: 100 }];
  assert.deepEqual(brief(feed(h, segs)), [
    [1000, 200],
    [1200, 900],
    [2100, 100],
    [2200, 900],
  ]);
  h.close();
});

test("segments in sequence are one; what ends it, and what does not join", () => {
  const h = rig();
  const [one] = feed(h, run(5));
  assert.equal(one!.len, 500);
  assert.deepEqual([one!.size, one!.segs, one!.type, one!.flags], [100, 5, SKB_GSO_TCPV4, ACK]);
  for (let i = 0; i < 500; i++) assert.equal(one!.bytes[i], ((1000 + i) * 7) & 255);

  const apart = (segs: Seg[], want: [number, number][], what: string): void =>
    assert.deepEqual(brief(feed(h, segs)), want, what);
  apart(
    [...run(2), { seq: 1200, len: 40 }, { seq: 1240 }],
    [
      [1000, 240],
      [1240, 100],
    ],
    "a short one is the last",
  );
  apart(
    [...run(2), { seq: 1200, len: 101 }],
    [
      [1000, 200],
      [1200, 101],
    ],
    "a long one begins anew",
  );
  apart(
    [...run(2), { seq: 1200, len: 0 }, { seq: 1200 }],
    [
      [1000, 200],
      [1200, 0],
      [1200, 100],
    ],
    "a pure ACK",
  );
  apart(
    [...run(2), { seq: 1300 }],
    [
      [1000, 200],
      [1300, 100],
    ],
    "a hole",
  );
  apart(
    [...run(2), { seq: 1100 }],
    [
      [1000, 200],
      [1100, 100],
    ],
    "a duplicate",
  );
  apart(
    [...run(2), { seq: 1200, ack: 2 }],
    [
      [1000, 200],
      [1200, 100],
    ],
    "another acknowledgment",
  );
  apart([...run(2), { seq: 1200, win: 7 }], [[1000, 300]], "another window joins: the first one's counts");
  apart(
    [...run(2), { seq: 1200, ts: 5 }],
    [
      [1000, 200],
      [1200, 100],
    ],
    "options",
  );
  apart(
    [
      { seq: 1000, ts: 5 },
      { seq: 1100, ts: 5 },
      { seq: 1200, ts: 6 },
    ],
    [
      [1000, 200],
      [1200, 100],
    ],
    "timestamps",
  );
  apart(
    [...run(2), { seq: 1200, tos: 3 }],
    [
      [1000, 200],
      [1200, 100],
    ],
    "CE (RFC 3168)",
  );
  apart(
    [...run(2), { seq: 1200, ttl: 63 }],
    [
      [1000, 200],
      [1200, 100],
    ],
    "TTL",
  );
  apart(
    [...run(2), { seq: 1200, df: false }],
    [
      [1000, 200],
      [1200, 100],
    ],
    "DF",
  );
  apart(
    [...run(2), { seq: 1200, id: 9 }],
    [
      [1000, 200],
      [1200, 100],
    ],
    "ID",
  );
  for (const flag of [SYN, RST, URG, ECE, CWR]) {
    apart(
      [...run(2), { seq: 1200, flags: ACK | flag }],
      [
        [1000, 200],
        [1200, 100],
      ],
      `flag ${flag}`,
    );
  }
  apart(
    [{ seq: 1000, flags: ACK | PSH }, { seq: 1100 }],
    [
      [1000, 100],
      [1100, 100],
    ],
    "PSH at the front waits for nobody",
  );
  apart(
    [...run(2), { seq: 1200, bad: true }, { seq: 1200, id: 102 }],
    [
      [1200, 100],
      [1000, 300],
    ],
    "a bad sum",
  );
  apart(run(4, { unsummed: true }), [[1000, 400]], "summed here where the card did not");
  apart(
    run(3, { seq: 0x100000000 - 100 }).map((s, i) => ({ ...s, seq: s.seq + 100 * i })),
    [[0xffffff9c, 300]],
    "over 2^32",
  );
  h.close();
});

test("PSH and FIN of the last are those of the whole, and send it up", () => {
  const h = rig();
  for (const flag of [PSH, FIN]) {
    const up = feed(h, [...run(2), { seq: 1200, flags: ACK | flag }, { seq: 1300 }]);
    assert.deepEqual(brief(up), [
      [1000, 300],
      [1300, 100],
    ]);
    assert.equal(up[0]!.flags, ACK | flag);
  }
  h.close();
});

test("flows side by side, and 64 kB at most", () => {
  const h = rig();
  const two = feed(h, [
    { seq: 1, id: 1 },
    { seq: 500, sport: 9, id: 1 },
    { seq: 101, id: 2 },
    { seq: 600, sport: 9, id: 2 },
  ]);
  assert.deepEqual(brief(two), [
    [1, 200],
    [500, 200],
  ]);
  const many = feed(
    h,
    Array.from({ length: 60 }, (_, i) => ({ seq: 1 + i * 1400, len: 1400 })),
  );
  assert.ok(many.length === 2 && many[0]!.len + 40 < 65536 && many[0]!.len % 1400 === 0, JSON.stringify(brief(many)));
  h.close();
});

/** The packet that went up, cut again by a device of these features: each segment must be what came. */
function cut_again(h: TwoHosts, segs: Seg[], features: number): void {
  let seen = 0;
  feed(h, segs, (skb) => {
    skb_push(skb, 14);
    const list = skb_gso_segment(skb, features);
    assert.ok(typeof list === "object" && list !== null);
    for (let s: SkBuff | null = list; s !== null; ) {
      const b: Uint8Array = new Uint8Array(s.len);
      skb_copy_bits(s, 0, b, 0, s.len);
      const want = frame(skb.dev!, segs[seen]!, seen);
      skb_push(want, 14);
      const w = new Uint8Array(want.len);
      skb_copy_bits(want, 0, w, 0, want.len);
      if (s.ip_summed === CHECKSUM_PARTIAL) b.set(w.subarray(50, 52), 50);
      assert.deepEqual(b, w, `segment ${seen}`);
      consume_skb(want);
      const next: SkBuff | null = s.next;
      s.next = null;
      consume_skb(s);
      s = next;
      seen++;
    }
  });
  assert.equal(seen, segs.length);
}

test("cutting gives the segments back: numbers, flags, ID, sums; CWR is the first's, PSH and FIN the last's", () => {
  const h = rig();
  const tail = (n: number, more: Partial<Seg> = {}): Seg[] => [
    ...run(n, more),
    { ...more, seq: 1000 + 100 * n, len: 33, flags: ACK | PSH | FIN },
  ];
  cut_again(h, tail(4), NETIF_F_SG);
  cut_again(h, tail(4), NETIF_F_SG | NETIF_F_HW_CSUM);
  cut_again(h, tail(3, { ts: 77 }), 0);
  // RFC 6864: a constant ID comes back as a constant one; a device that counts IDs cannot do that.
  const fixed = tail(3, { id: 0 });
  const [up] = feed(h, fixed);
  assert.equal(up!.type, SKB_GSO_TCPV4 | SKB_GSO_TCP_FIXEDID);
  cut_again(h, fixed, NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO);
  // RFC 3168 section 6.1.2: the first may say CWR, the segments behind it must not repeat it.
  const cwr: Seg[] = [{ seq: 1000, flags: ACK | CWR }, { seq: 1100 }, { seq: 1200 }];
  const [first] = feed(h, cwr);
  assert.deepEqual([first!.len, first!.flags, first!.type], [300, ACK | CWR, SKB_GSO_TCPV4 | SKB_GSO_TCP_ECN]);
  cut_again(h, cwr, NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_TSO);
  h.close();
});

/** a sends 1 MB to b; frames that b's card got, packets that its IP got, and whether all bytes were right. */
function bulk(h: TwoHosts): { frames: number; packets: number; right: boolean } {
  const size = 1 << 20;
  const count = (): { frames: number; packets: number } => ({
    frames: Number(h.sh(h.b, "cat /sys/class/net/eth0/statistics/rx_packets")),
    packets: h.b.kernel.init_net.mib.ip[IPSTATS_MIB_INPKTS]!,
  });
  const before = count();
  let right = true;
  let got = 0;
  const rx = h.b.spawn(
    function* (sys) {
      const l = sys.socket(2, 1, 0);
      sys.setsockopt(l, 1, 2, 1);
      sys.bind(l, addr(2, 5000));
      sys.listen(l, 1);
      const fd = yield* sys.accept4(l, null, 0);
      const buf = new Uint8Array(60_000);
      for (let n = yield* sys.read(fd, buf); n > 0; n = yield* sys.read(fd, buf))
        for (let i = 0; i < n; i++, got++) if (buf[i] !== ((got * 13) & 255)) right = false;
      sys.close(fd);
      sys.close(l);
      return 0;
    },
    ["rx"],
  );
  h.world.run(1e6);
  const data = Uint8Array.from({ length: size }, (_, i) => i * 13);
  h.program(h.a, function* (sys) {
    const fd = sys.socket(2, 1, 0);
    assert.equal(yield* sys.connect(fd, addr(2, 5000)), 0);
    assert.equal(yield* sys.write(fd, data), size);
    sys.close(fd);
    return 0;
  });
  h.world.wait(rx, 60e9);
  const after = count();
  return {
    frames: after.frames - before.frames,
    packets: after.packets - before.packets,
    right: right && got === size,
  };
}

test("a stream over 82576 cards with and without offloads: the same bytes; ethtool -K gro says if frames are merged", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  const on = bulk(h);
  assert.ok(on.right && on.frames > 700 && on.packets < on.frames / 2, JSON.stringify(on));
  h.sh(h.b, "ethtool -K eth0 gro off");
  const off = bulk(h);
  assert.ok(off.right && off.packets === off.frames, JSON.stringify(off));
  h.sh(h.a, "ethtool -K eth0 tso off");
  h.sh(h.b, "ethtool -K eth0 gro on rx off");
  const soft = bulk(h);
  assert.ok(soft.right && soft.packets < soft.frames / 2, JSON.stringify(soft));
  h.sh(h.a, "ethtool -K eth0 tx off sg off");
  const none = bulk(h);
  assert.ok(none.right, JSON.stringify(none));
  h.world.run(70e9);
  h.close();
});
