// What a sender learns of a packet that the device layer dropped: errno and counters, as Linux 6.18 gave them for the same calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SOL_UDP } from "../../../../src/uapi/socket.ts";
import type { Blocking, Sys } from "../../../../src/uapi/sys.ts";
import { mib_of, sockaddr } from "../../../lib/kernel.ts";
import { TwoHosts } from "../sched/lab.ts";

const ENOBUFS = -105;
const MSG_MORE = 0x8000;
const TO = sockaddr("10.9.0.2", 5000);

/** A veth pair whose far end has no address: what goes in is counted, and nobody answers. */
function veth(): TwoHosts {
  const h = new TwoHosts();
  h.sh(
    h.a,
    "ip link add v0 type veth peer name v1; ip addr add 10.9.0.1/24 dev v0; ip link set v0 up; ip link set v1 up",
  );
  h.sh(h.a, "sysctl -w net.ipv4.ping_group_range='0 0'; ip neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev v0");
  h.world.run(1e9);
  return h;
}

const ip_header = (len: number): Uint8Array => {
  const b = new Uint8Array(len);
  b.set([0x45, 0, len >> 8, len & 255, 0, 0, 0, 0, 64, 200, 0, 0, 0, 0, 0, 0, 10, 9, 0, 2]);
  return b;
};
const echo = new Uint8Array(908);
echo[0] = 8;

interface Outcome {
  ret: number[];
  /** OutDiscards, UdpOutDatagrams, UdpSndbufErrors, FragFails. */
  mib: number[];
}

/** What `send` returned, and what it counted. */
function counted(h: TwoHosts, send: (sys: Sys) => Blocking<[number, number[]]>): Outcome {
  const read = (): number[] => {
    const m = mib_of(h.a.kernel.init_net);
    return ["IpOutDiscards", "UdpOutDatagrams", "UdpSndbufErrors", "IpFragFails"].map((n) => m[n]!);
  };
  const before = read();
  let ret: number[] = [];
  h.program(h.a, function* (sys) {
    const [fd, r] = yield* send(sys);
    ret = r;
    sys.close(fd);
    return 0;
  });
  return { ret, mib: read().map((v, i) => v - before[i]!) };
}

function socket(sys: Sys, type: number, proto: number, recverr: number): number {
  const fd = sys.socket(2, type, proto);
  assert.ok(fd >= 0);
  assert.equal(sys.setsockopt(fd, 0, 11, recverr), 0);
  return fd;
}

/** Three sends of one datagram. */
function three(h: TwoHosts, type: number, proto: number, data: Uint8Array, recverr: number): Outcome {
  return counted(h, function* (sys) {
    const fd = socket(sys, type, proto, recverr);
    const ret: number[] = [];
    for (let i = 0; i < 3; i++) ret.push(yield* sys.sendto(fd, data, 0, TO));
    return [fd, ret];
  });
}

/** One datagram in two parts, ended by a send without MSG_MORE. */
function corked(h: TwoHosts, recverr: number): Outcome {
  return counted(h, function* (sys) {
    const fd = socket(sys, 2, 0, recverr);
    yield* sys.connect(fd, TO);
    const ret = [yield* sys.sendto(fd, new Uint8Array(400), MSG_MORE, null)];
    ret.push(yield* sys.sendto(fd, new Uint8Array(400), 0, null));
    return [fd, ret];
  });
}

/** One datagram that ends when UDP_CORK is taken away. */
function uncorked(h: TwoHosts, recverr: number): Outcome {
  return counted(h, function* (sys) {
    const fd = socket(sys, 2, 0, recverr);
    yield* sys.connect(fd, TO);
    sys.setsockopt(fd, SOL_UDP, 1, 1);
    const ret = [yield* sys.sendto(fd, new Uint8Array(800), 0, null)];
    ret.push(sys.setsockopt(fd, SOL_UDP, 1, 0));
    return [fd, ret];
  });
}

function all(h: TwoHosts): Record<string, Outcome[]> {
  const both = (fn: (recverr: number) => Outcome): Outcome[] => [fn(0), fn(1)];
  return {
    udp: both((r) => three(h, 2, 0, new Uint8Array(900), r)),
    raw: both((r) => three(h, 3, 200, new Uint8Array(900), r)),
    hdrincl: both((r) => three(h, 3, 255, ip_header(920), r)),
    ping: both((r) => three(h, 2, 1, echo, r)),
    corked: both((r) => corked(h, r)),
    uncorked: both((r) => uncorked(h, r)),
  };
}

/** Without and with IP_RECVERR. Only ping sockets do not look at it. */
const DROPPED = {
  udp: [
    { ret: [900, 900, 900], mib: [3, 0, 3, 0] },
    { ret: [ENOBUFS, ENOBUFS, ENOBUFS], mib: [3, 0, 3, 0] },
  ],
  raw: [
    { ret: [900, 900, 900], mib: [3, 0, 0, 0] },
    { ret: [ENOBUFS, ENOBUFS, ENOBUFS], mib: [3, 0, 0, 0] },
  ],
  hdrincl: [
    { ret: [920, 920, 920], mib: [3, 0, 0, 0] },
    { ret: [ENOBUFS, ENOBUFS, ENOBUFS], mib: [3, 0, 0, 0] },
  ],
  ping: [
    { ret: [ENOBUFS, ENOBUFS, ENOBUFS], mib: [3, 0, 0, 0] },
    { ret: [ENOBUFS, ENOBUFS, ENOBUFS], mib: [3, 0, 0, 0] },
  ],
  corked: [
    { ret: [400, 400], mib: [1, 0, 1, 0] },
    { ret: [400, ENOBUFS], mib: [1, 0, 1, 0] },
  ],
  uncorked: [
    { ret: [800, 0], mib: [1, 0, 1, 0] },
    { ret: [800, 0], mib: [1, 0, 0, 0] },
  ],
};
const SENT = Object.fromEntries(
  Object.entries({ udp: [900, 3], raw: [900, 0], hdrincl: [920, 0], ping: [908, 0] }).map(([name, [n, udp]]) => {
    const one = { ret: [n, n, n], mib: [0, udp, 0, 0] };
    return [name, [one, one]];
  }),
);
const SENT_ALL = {
  ...SENT,
  corked: [0, 1].map(() => ({ ret: [400, 400], mib: [0, 1, 0, 0] })),
  uncorked: [0, 1].map(() => ({ ret: [800, 0], mib: [0, 1, 0, 0] })),
};

test("a full queue (NET_XMIT_DROP): OutDiscards, and for UDP SndbufErrors; ENOBUFS for who set IP_RECVERR", () => {
  const h = veth();
  h.sh(h.a, "tc qdisc add dev v0 root bfifo limit 100");
  assert.deepEqual(all(h), DROPPED);
  h.close();
});

test("a queue that dropped another packet (NET_XMIT_CN), or a device without carrier: the sender learns nothing", () => {
  const h = veth();
  h.sh(h.a, "tc qdisc add dev v0 root handle 1: tbf rate 8bit burst 1600 limit 30000");
  h.sh(h.a, "tc qdisc add dev v0 parent 1: pfifo_head_drop limit 1");
  assert.deepEqual(all(h), SENT_ALL);
  h.sh(h.a, "tc qdisc del dev v0 root; ip link set v1 down");
  assert.deepEqual(all(h), SENT_ALL);
  h.close();
});

test("veth refuses what its peer is too narrow for with NET_XMIT_DROP; behind a queue nobody learns of it", () => {
  const h = veth();
  const dev = (name: string) => h.a.kernel.init_net.dev_by_name.get(name)!;
  h.sh(h.a, "ip link set v1 mtu 500");
  assert.deepEqual(all(h), DROPPED);
  assert.deepEqual([dev("v0").stats.tx_dropped, dev("v1").stats.rx_dropped, dev("v0").stats.tx_packets], [28, 28, 0]);
  h.sh(h.a, "tc qdisc add dev v0 root pfifo limit 100");
  assert.deepEqual(all(h), SENT_ALL);
  assert.match(h.sh(h.a, "tc -s qdisc show dev v0"), /Sent \d+ bytes 28 pkt \(dropped 0, overlimits 0 requeues 0\)/);
  h.close();
});

test("of fragments the first refused one ends the rest (FragFails); of GSO segments the last one decides", () => {
  const h = veth();
  h.sh(h.a, "ip link set v1 mtu 700");
  const cut = (recverr: number): Outcome =>
    counted(h, function* (sys) {
      const fd = socket(sys, 2, 0, recverr);
      sys.setsockopt(fd, 0, 10, 0);
      return [fd, [yield* sys.sendto(fd, new Uint8Array(4000), 0, TO)]];
    });
  assert.deepEqual(
    [cut(0), cut(1)],
    [
      { ret: [4000], mib: [1, 0, 1, 1] },
      { ret: [ENOBUFS], mib: [1, 0, 1, 1] },
    ],
  );
  h.sh(h.a, "ip link set v1 mtu 500; ethtool -K v0 tx-udp-segmentation off");
  const segmented = (total: number): Outcome =>
    counted(h, function* (sys) {
      const fd = socket(sys, 2, 0, 1);
      sys.setsockopt(fd, SOL_UDP, 103, 900);
      return [fd, [yield* sys.sendto(fd, new Uint8Array(total), 0, TO)]];
    });
  assert.deepEqual(segmented(1900), { ret: [1900], mib: [0, 1, 0, 0] });
  assert.deepEqual(segmented(1800), { ret: [ENOBUFS], mib: [1, 0, 1, 0] });
  h.close();
});

test("AF_PACKET: ENOBUFS, with and without PACKET_QDISC_BYPASS", () => {
  const h = veth();
  h.sh(h.a, "ip link set v1 mtu 500");
  const ret: number[] = [];
  for (const bypass of [0, 1]) {
    counted(h, function* (sys) {
      const fd = sys.socket(17, 3, 0);
      assert.equal(sys.setsockopt(fd, 263, 20, bypass), 0);
      const ll = new Uint8Array(20);
      ll.set([17, 0, 8, 0, h.a.kernel.init_net.dev_by_name.get("v0")!.ifindex]);
      assert.equal(sys.bind(fd, ll), 0);
      for (const n of [100, 900]) ret.push(yield* sys.sendto(fd, new Uint8Array(n), 0, null));
      return [fd, []];
    });
  }
  assert.deepEqual(ret, [100, ENOBUFS, 100, ENOBUFS]);
  h.close();
});
