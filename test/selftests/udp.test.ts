// UDP sockets between machines: broadcast, multicast, reuseport, buffers, errors. Virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine, Sys } from "../../src/api/index.ts";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import { type Job, pair, SEC, TestNet } from "./net.ts";
import { nameOf, sockaddr, udpSocket } from "./socket.ts";

/** Three machines on a hub: 10.0.0.1, .2 and .3. */
function three(): { net: TestNet; m: Machine[] } {
  const net = new TestNet();
  const m = [1, 2, 3].map((i) => net.machine(`h${i}`));
  net.hub(m.map((x) => x.nics[0]!));
  m.forEach((x, i) => {
    net.ok(x, `ip a add 10.0.0.${i + 1}/24 brd + dev eth0; ip link set eth0 up; ip route add 224.0.0.0/4 dev eth0`);
  });
  net.run(3 * SEC);
  return { net, m };
}

/** Collects what arrives at a socket: "from text". */
function collect(net: TestNet, m: Machine, open: (sys: Sys) => number): { job: Job<void>; got: string[] } {
  const got: string[] = [];
  const job = net.task(m, function* (sys): Blocking<void> {
    const fd = open(sys);
    const buf = new Uint8Array(2000);
    const from = new Uint8Array(16);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buf, 0, from);
      if (n < 0) return;
      got.push(`${nameOf(from)} ${new TextDecoder().decode(buf.subarray(0, n))}`);
    }
  });
  net.run(1000);
  return { job, got };
}

const text = (s: string): Uint8Array => new TextEncoder().encode(s);

test("broadcast: EACCES without SO_BROADCAST; all hosts of the subnet get it, nobody answers with an error", () => {
  const { net, m } = three();
  const at2 = collect(net, m[1]!, (sys) => udpSocket(sys, "0.0.0.0", 5000));
  const bound = collect(net, m[2]!, (sys) => udpSocket(sys, "10.0.0.3", 5000));
  const bcast = collect(net, m[2]!, (sys) =>
    udpSocket(sys, "10.0.0.255", 5000, (fd) => sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, 1)),
  );
  const r = net.call(m[0]!, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 4000);
    const denied = yield* sys.sendto(fd, text("x"), 0, sockaddr("10.0.0.255", 5000));
    sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BROADCAST, 1);
    const subnet = yield* sys.sendto(fd, text("subnet"), 0, sockaddr("10.0.0.255", 5000));
    const all = yield* sys.sendto(fd, text("closed"), 0, sockaddr("10.0.0.255", 5001));
    sys.close(fd);
    return [denied, subnet, all];
  });
  net.run(SEC);
  assert.deepEqual(r, [-13, 6, 6]);
  assert.deepEqual(at2.got, ["10.0.0.1:4000 subnet"]);
  // A socket bound to a unicast address does not get broadcasts; one bound to the broadcast address does.
  assert.deepEqual(bound.got, []);
  assert.deepEqual(bcast.got, ["10.0.0.1:4000 subnet"]);
  assert.equal(net.mib(m[1]!).UdpNoPorts, 0);
  assert.equal(net.mib(m[1]!).IcmpOutMsgs, 0);
  for (const x of [at2, bound, bcast]) x.job.kill();
  net.end();
});

/** struct ip_mreq with the interface's address. */
function mreq(group: string, itf: string): Uint8Array {
  return Uint8Array.from([...group.split("."), ...itf.split(".")].map(Number));
}

test("multicast: members get it, others do not; IP_MULTICAST_LOOP, _TTL; IGMP reports are sent (RFC 3376)", () => {
  const { net, m } = three();
  const member =
    (itf: string) =>
    (sys: Sys): number => {
      const fd = udpSocket(sys, "0.0.0.0", 5000);
      assert.equal(sys.setsockopt(fd, S.SOL_IP, S.IP_ADD_MEMBERSHIP, mreq("239.1.2.3", itf)), 0);
      return fd;
    };
  const at1 = collect(net, m[0]!, member("10.0.0.1"));
  const at2 = collect(net, m[1]!, member("10.0.0.2"));
  const other = collect(net, m[2]!, (sys) => udpSocket(sys, "0.0.0.0", 5000));
  assert.match(net.ok(m[1]!, "ip maddr show dev eth0"), /inet {2}239\.1\.2\.3/);
  net.call(m[0]!, function* (sys) {
    const fd = udpSocket(sys, "10.0.0.1", 4000);
    yield* sys.sendto(fd, text("looped"), 0, sockaddr("239.1.2.3", 5000));
    sys.setsockopt(fd, S.SOL_IP, S.IP_MULTICAST_LOOP, 0);
    yield* sys.sendto(fd, text("away"), 0, sockaddr("239.1.2.3", 5000));
    sys.close(fd);
  });
  net.run(SEC);
  assert.deepEqual(at1.got, ["10.0.0.1:4000 looped"]);
  assert.deepEqual(at2.got, ["10.0.0.1:4000 looped", "10.0.0.1:4000 away"]);
  assert.deepEqual(other.got, []);
  at2.job.kill();
  net.run(SEC);
  assert.doesNotMatch(net.ok(m[1]!, "ip maddr show dev eth0"), /239\.1\.2\.3/);
  at1.job.kill();
  other.job.kill();
  net.end();
});

test("SO_REUSEPORT: flows spread over the group's sockets, one flow stays with one", () => {
  const { net, a, b } = pair();
  // While ARP asks, only net.ipv4.neigh.eth0.unres_qlen_bytes may wait.
  net.ok(a, "ping -c 1 10.0.0.2");
  const open = (sys: Sys): number =>
    udpSocket(sys, "0.0.0.0", 53, (fd) => sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEPORT, 1));
  const workers = [0, 1, 2, 3].map(() => collect(net, b, open));
  net.call(a, function* (sys) {
    for (let flow = 0; flow < 100; flow++) {
      const fd = udpSocket(sys, "0.0.0.0", 10000 + flow);
      for (let i = 0; i < 3; i++) yield* sys.sendto(fd, text(`${flow}`), 0, sockaddr("10.0.0.2", 53));
      sys.close(fd);
    }
  });
  net.run(SEC);
  const share = workers.map((w) => w.got.length);
  assert.equal(
    share.reduce((x, y) => x + y),
    300,
  );
  for (const s of share) assert.ok(s > 25, `${share}`);
  for (const w of workers) {
    const flows = new Map<string, number>();
    for (const g of w.got) flows.set(g, (flows.get(g) ?? 0) + 1);
    for (const [flow, n] of flows) assert.equal(n, 3, `${flow} was torn apart`);
  }
  for (const w of workers) w.job.kill();
  net.end();
});

test("a receiver that does not read: SO_RCVBUF bounds what waits, the rest is dropped and counted", () => {
  const { net, a, b } = pair();
  const gate = { open: false, read: 0 };
  const job = net.task(b, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 9);
    sys.setsockopt(fd, S.SOL_SOCKET, S.SO_RCVBUF, 10000);
    while (!gate.open) yield* sys.nanosleep(1e6);
    const buf = new Uint8Array(2000);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buf, S.MSG_DONTWAIT, null);
      if (n < 0) break;
      gate.read++;
    }
    sys.close(fd);
  });
  net.run(1e6);
  net.call(a, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 0);
    for (let i = 0; i < 100; i++) {
      yield* sys.sendto(fd, new Uint8Array(1000), 0, sockaddr("10.0.0.2", 9));
      yield* sys.nanosleep(1e5);
    }
    sys.close(fd);
  });
  net.run(SEC);
  const before = net.mib(b);
  const line = net
    .ok(b, "cat /proc/net/udp")
    .split("\n")
    .find((l) => l.includes(":0009"))!;
  const drops = Number(line.trim().split(/\s+/).at(-1));
  assert.equal(drops, before.UdpRcvbufErrors);
  assert.equal(before.UdpInErrors, before.UdpRcvbufErrors);
  gate.open = true;
  net.run(SEC);
  assert.ok(job.done);
  assert.ok(gate.read >= 5 && gate.read <= 20, `${gate.read} of 100 fitted into 20000 bytes`);
  assert.equal(gate.read + drops, 100);
  assert.equal(net.mib(b).UdpInDatagrams, gate.read);
  net.end();
});

test("a connected socket hears only its peer; a second bind of the port is refused", () => {
  const { net, a, b } = pair();
  net.ok(a, "ip a add 10.0.0.11/24 dev eth0");
  const got = collect(net, b, (sys) => {
    const fd = udpSocket(sys, "0.0.0.0", 5000);
    const connect = sys.connect(fd, sockaddr("10.0.0.1", 4000));
    assert.equal(connect.next().value, 0);
    return fd;
  });
  const r = net.call(a, function* (sys) {
    const fd = udpSocket(sys, "10.0.0.1", 4000);
    const other = udpSocket(sys, "10.0.0.11", 4000);
    const twice = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
    const inUse = sys.bind(twice, sockaddr("10.0.0.1", 4000));
    yield* sys.sendto(fd, text("peer"), 0, sockaddr("10.0.0.2", 5000));
    yield* sys.sendto(other, text("stranger"), 0, sockaddr("10.0.0.2", 5000));
    for (const x of [fd, other, twice]) sys.close(x);
    return inUse;
  });
  net.run(SEC);
  assert.equal(r, -98);
  assert.deepEqual(got.got, ["10.0.0.1:4000 peer"]);
  assert.equal(net.mib(b).UdpNoPorts, 1);
  got.job.kill();
  net.end();
});

test("MSG_MORE and UDP_CORK make one datagram; a zero-length datagram is one", () => {
  const { net, a, b } = pair();
  const got = collect(net, b, (sys) => udpSocket(sys, "0.0.0.0", 5000));
  net.call(a, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 4000);
    const to = sockaddr("10.0.0.2", 5000);
    yield* sys.sendto(fd, text("one "), S.MSG_MORE, to);
    yield* sys.sendto(fd, text("datagram"), 0, to);
    yield* sys.sendto(fd, new Uint8Array(0), 0, to);
    sys.close(fd);
  });
  net.run(SEC);
  assert.deepEqual(got.got, ["10.0.0.1:4000 one datagram", "10.0.0.1:4000 "]);
  assert.equal(net.mib(a).UdpOutDatagrams, 2);
  got.job.kill();
  net.end();
});
