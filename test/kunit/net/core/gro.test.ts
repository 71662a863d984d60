// GRO and GSO of UDP (udp(7): UDP_GRO, UDP_SEGMENT) between two machines over simulated 82576 cards and over lo.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "../../../../src/api/machine.ts";
import { syscall } from "../../../../src/kernel/cpu.ts";
import { napi_gro_receive } from "../../../../src/net/core/dev.ts";
import { MAX_GRO_SKBS, NAPI_GRO_CB } from "../../../../src/net/core/gro.ts";
import type { NapiStruct, NetDevice } from "../../../../src/net/core/netdevice.ts";
import { CHECKSUM_UNNECESSARY, netdev_alloc_skb, type SkBuff, skb_put } from "../../../../src/net/core/skbuff.ts";
import { eth_type_trans } from "../../../../src/net/ethernet/eth.ts";
import { ip_send_check } from "../../../../src/net/ipv4/ip_output.ts";
import type { Blocking, MsgHdr, Sys } from "../../../../src/uapi/sys.ts";
import { TwoHosts } from "../sched/lab.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;
const UDP_GRO = 104;
const addr = (host: number, port: number): Uint8Array =>
  Uint8Array.of(2, 0, port >> 8, port & 255, 10, 0, 0, host, 0, 0, 0, 0, 0, 0, 0, 0);

interface Got {
  len: number;
  /** The size of the parts, 0 when the kernel said nothing. */
  gso: number;
  sum: number;
}

function* recv(sys: Sys, fd: number): Blocking<Got> {
  const buf = new Uint8Array(65536);
  const msg: MsgHdr = {
    msg_name: null,
    msg_namelen: 0,
    msg_iov: [buf],
    msg_control: new Uint8Array(64),
    msg_controllen: 64,
    msg_flags: 0,
  };
  const len = yield* sys.recvmsg(fd, msg, 0);
  let gso = 0;
  const dv = new DataView(msg.msg_control!.buffer);
  if (msg.msg_controllen >= 20 && dv.getInt32(8, true) === SOL_UDP && dv.getInt32(12, true) === UDP_GRO) {
    gso = dv.getInt32(16, true);
  }
  let sum = 0;
  for (let i = 0; i < len; i++) sum = (sum + buf[i]! * (i + 1)) >>> 0;
  return { len, gso, sum };
}

/** b receives until `bytes` came; a sends what `send` says. */
function exchange(
  h: TwoHosts,
  o: { gro: boolean; bytes: number; to?: Machine; send: (sys: Sys, fd: number) => Blocking<number> },
): Got[] {
  const got: Got[] = [];
  const to = o.to ?? h.b;
  const rx = to.spawn(
    function* (sys) {
      const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
      sys.bind(fd, addr(to === h.b ? 2 : 1, 5000));
      if (o.gro) assert.equal(sys.setsockopt(fd, SOL_UDP, UDP_GRO, 1), 0);
      for (let n = 0; n < o.bytes; ) {
        const g = yield* recv(sys, fd);
        if (g.len < 0) return 1;
        got.push(g);
        n += g.len;
      }
      sys.close(fd);
      return 0;
    },
    ["rx"],
  );
  const tx = h.a.spawn(
    function* (sys) {
      const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
      yield* sys.connect(fd, addr(to === h.b ? 2 : 1, 5000));
      const r = yield* o.send(sys, fd);
      assert.ok(r >= 0, `send: ${r}`);
      sys.close(fd);
      return 0;
    },
    ["tx"],
  );
  h.world.wait(tx, 10e9);
  h.world.wait(rx, 10e9);
  return got;
}

function* send_segmented(sys: Sys, fd: number, total: number, size: number): Blocking<number> {
  assert.equal(sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, size), 0);
  const buf = new Uint8Array(total);
  for (let i = 0; i < total; i++) buf[i] = (i * 7) & 255;
  return yield* sys.sendto(fd, buf, 0, null);
}

test("UDP_SEGMENT is cut into datagrams; UDP_GRO gives them back as one, with their size", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  const plain = exchange(h, { gro: false, bytes: 5000, send: (s, fd) => send_segmented(s, fd, 5000, 1200) });
  assert.deepEqual(
    plain.map((g) => [g.len, g.gso]),
    [
      [1200, 0],
      [1200, 0],
      [1200, 0],
      [1200, 0],
      [200, 0],
    ],
  );
  const merged = exchange(h, { gro: true, bytes: 5000, send: (s, fd) => send_segmented(s, fd, 5000, 1200) });
  assert.equal(
    merged.reduce((n, g) => n + g.len, 0),
    5000,
  );
  assert.ok(merged.length < 5 && merged[0]!.gso === 1200, JSON.stringify(merged));
  assert.equal(h.b.kernel.inet_offloads[17]!.gro_users, 0, "the last UDP_GRO socket is closed");
  assert.equal(h.b.kernel.gro_users, 1, "TCP merges always");
  h.close();
});

test("software segmentation: the same datagrams where the card cannot cut or sum", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2; ethtool -K eth0 tx-udp-segmentation off");
  const soft = exchange(h, { gro: false, bytes: 5000, send: (s, fd) => send_segmented(s, fd, 5000, 1200) });
  assert.deepEqual(
    soft.map((g) => g.len),
    [1200, 1200, 1200, 1200, 200],
  );
  h.sh(h.a, "ethtool -K eth0 tx off");
  const sums = exchange(h, { gro: true, bytes: 2500, send: (s, fd) => send_segmented(s, fd, 2500, 500) });
  assert.equal(
    sums.reduce((n, g) => n + g.len, 0),
    2500,
  );
  assert.match(h.sh(h.b, "cat /proc/net/snmp | grep Udp:"), /Udp: \d+ 0 0 \d+ 0 0 0 0 0/);
  h.close();
});

test("UDP_SEGMENT refuses what Linux refuses", () => {
  const h = new TwoHosts();
  h.sh(h.a, "ping -c 1 10.0.0.2");
  const got: number[] = [];
  h.program(h.a, function* (sys) {
    const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
    yield* sys.connect(fd, addr(2, 9));
    for (const [len, size] of [
      [500, 500],
      [400, 500],
      [501, 500],
      [64000, 500],
      [64500, 500],
      [3000, 1473],
      [3000, 1472],
      [70000, 500],
    ] as const) {
      sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, size);
      const r = yield* sys.sendto(fd, new Uint8Array(len), 0, null);
      // Nobody listens: the next send may hear of it.
      got.push(r === -111 ? yield* sys.sendto(fd, new Uint8Array(len), 0, null) : r);
    }
    sys.setsockopt(fd, 1, 11, 1);
    got.push(yield* sys.sendto(fd, new Uint8Array(2500), 0, null));
    sys.close(fd);
    return 0;
  });
  // EINVAL: more than 128 parts, or no checksums (SO_NO_CHECK). EMSGSIZE: a part larger than the MTU.
  assert.deepEqual(got, [500, 400, 501, 64000, -22, -90, 3000, -90, -22]);
  h.close();
});

test("over lo the packet is never cut on the way: a socket without UDP_GRO gets the datagrams it was made of", () => {
  const h = new TwoHosts();
  const plain = exchange(h, { gro: false, to: h.a, bytes: 3000, send: (s, fd) => send_segmented(s, fd, 3000, 1000) });
  assert.deepEqual(
    plain.map((g) => g.len),
    [1000, 1000, 1000],
  );
  const one = exchange(h, { gro: true, to: h.a, bytes: 3000, send: (s, fd) => send_segmented(s, fd, 3000, 1000) });
  assert.deepEqual(
    one.map((g) => [g.len, g.gso]),
    [[3000, 1000]],
  );
  h.close();
});

/** A datagram as a driver hands it over, its sum verified. */
function frame(
  dev: NetDevice,
  o: { id: number; len: number; sport?: number; ttl?: number; tos?: number; df?: boolean },
): SkBuff {
  const skb = netdev_alloc_skb(dev, 14 + 28 + o.len)!;
  const at = skb_put(skb, 14 + 28 + o.len);
  const dv = skb.head.dv;
  skb.head.u8.fill(0, at, at + 42 + o.len);
  skb.head.u8.set(dev.dev_addr, at);
  skb.head.u8.set([2, 0, 0, 0, 0, 9, 8, 0], at + 6);
  const iph = at + 14;
  dv.setUint16(iph, 0x4500 | (o.tos ?? 0));
  dv.setUint16(iph + 2, 28 + o.len);
  dv.setUint16(iph + 4, o.id);
  dv.setUint16(iph + 6, o.df === true ? 0x4000 : 0);
  dv.setUint8(iph + 8, o.ttl ?? 64);
  dv.setUint8(iph + 9, 17);
  dv.setInt32(iph + 12, 0x0a000009);
  dv.setInt32(iph + 16, 0x0a000001);
  ip_send_check(dv, iph);
  dv.setUint16(iph + 20, o.sport ?? 4000);
  dv.setUint16(iph + 22, 5000);
  dv.setUint16(iph + 24, 8 + o.len);
  dv.setUint16(iph + 26, 1);
  skb.protocol = eth_type_trans(skb, dev);
  skb.ip_summed = CHECKSUM_UNNECESSARY;
  return skb;
}

/** Feeds frames to GRO in one poll; what the socket then got, as [length, size of parts]. */
function feed(h: TwoHosts, frames: Parameters<typeof frame>[1][], poll = true): [number, number][] {
  const k = h.a.kernel;
  const dev = k.init_net.dev_by_name.get("eth0")!;
  const napi: NapiStruct = dev.napi_list[0]!;
  const got: [number, number][] = [];
  h.program(h.a, function* (sys) {
    const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
    sys.bind(fd, addr(1, 5000));
    sys.setsockopt(fd, SOL_UDP, UDP_GRO, 1);
    syscall(k, () => {
      for (const f of frames) napi_gro_receive(napi, frame(dev, f));
      for (const list of napi.gro_hash) assert.ok(list.count <= MAX_GRO_SKBS);
      if (poll) k.gro_flush!(napi, false);
    });
    assert.equal(napi.gro_bitmask, 0);
    for (;;) {
      const fds = [{ fd, events: 1, revents: 0 }];
      if ((yield* sys.poll(fds, 0)) === 0) break;
      const g = yield* recv(sys, fd);
      got.push([g.len, g.gso]);
    }
    sys.close(fd);
    return 0;
  });
  return got;
}

test("what merges and what does not (RFC 6864 for the ID)", () => {
  const h = new TwoHosts();
  const same = (n: number, step = 1, df = false): Parameters<typeof frame>[1][] =>
    Array.from({ length: n }, (_, i) => ({ id: 100 + i * step, len: 100, df }));
  assert.deepEqual(feed(h, same(4)), [[400, 100]], "IDs that count");
  assert.deepEqual(feed(h, same(4, 0, true)), [[400, 100]], "a constant ID with DF");
  assert.deepEqual(
    feed(h, same(3, 0)),
    [
      [100, 0],
      [100, 0],
      [100, 0],
    ],
    "a constant ID without DF",
  );
  assert.deepEqual(
    feed(h, same(3, 2)),
    [
      [100, 0],
      [100, 0],
      [100, 0],
    ],
    "gaps in the ID",
  );
  assert.deepEqual(
    feed(h, [...same(2), { id: 102, len: 50 }, { id: 103, len: 100 }]),
    [
      [250, 100],
      [100, 0],
    ],
    "a shorter one ends it",
  );
  assert.deepEqual(
    feed(h, [...same(2), { id: 102, len: 120 }]),
    [
      [200, 100],
      [120, 0],
    ],
    "a longer one begins anew",
  );
  assert.deepEqual(
    feed(h, [...same(2), { id: 102, len: 100, ttl: 63 }]),
    [
      [200, 100],
      [100, 0],
    ],
    "TTL",
  );
  assert.deepEqual(
    feed(h, [...same(2), { id: 102, len: 100, tos: 3 }]),
    [
      [200, 100],
      [100, 0],
    ],
    "TOS",
  );
  const two = feed(h, [
    { id: 1, len: 100 },
    { id: 7, len: 90, sport: 9 },
    { id: 2, len: 100 },
    { id: 8, len: 90, sport: 9 },
  ]);
  assert.deepEqual(
    two,
    [
      [200, 100],
      [180, 90],
    ],
    "two flows side by side",
  );
  assert.deepEqual(
    feed(h, same(70)),
    [
      [6400, 100],
      [600, 100],
    ],
    "64 at most",
  );
  // Ten flows in one bucket: the oldest go up to make room.
  const flows = Array.from({ length: 10 }, (_, i) => ({ id: i, len: 10 + i, sport: 1000 + i }));
  assert.deepEqual(
    feed(h, flows).map((g) => g[0]),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  );
  h.close();
});

test("frames wait for the end of the poll only, and none is lost when the device goes down", () => {
  const h = new TwoHosts();
  const k = h.a.kernel;
  const dev = k.init_net.dev_by_name.get("eth0")!;
  const napi = dev.napi_list[0]!;
  h.program(h.a, function* (sys) {
    const fd = sys.socket(AF_INET, SOCK_DGRAM, 0);
    sys.bind(fd, addr(1, 5000));
    sys.setsockopt(fd, SOL_UDP, UDP_GRO, 1);
    syscall(k, () => {
      const skb = frame(dev, { id: 1, len: 20 });
      napi_gro_receive(napi, skb);
      assert.equal(NAPI_GRO_CB(skb).count, 1);
      assert.notEqual(napi.gro_bitmask, 0);
      k.gro_flush!(napi, true);
      assert.notEqual(napi.gro_bitmask, 0, "of this jiffy");
    });
    sys.close(fd);
    return 0;
    // biome-ignore lint/correctness/noUnreachable: a program is a generator
    yield;
  });
  h.sh(h.a, "ip link set eth0 down");
  assert.equal(napi.gro_bitmask, 0);
  h.close();
});
