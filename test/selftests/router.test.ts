// Two hosts and a router: what packets meet on their way, end to end, in virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EHOSTUNREACH, EMSGSIZE } from "../../src/uapi/errno.ts";
import * as S from "../../src/uapi/socket.ts";
import { line, MS, pair, SEC, TestNet } from "./net.ts";
import { sockaddr, udpSocket } from "./socket.ts";

test("ping across a router: replies, TTL, exit code, counters on the way", () => {
  const { net, pc1, r, pc2 } = line();
  const out = net.ok(pc1, "ping -c 3 10.0.2.2");
  assert.match(out, /^PING 10\.0\.2\.2 \(10\.0\.2\.2\) 56\(84\) bytes of data\.\n/);
  assert.equal(out.match(/64 bytes from 10\.0\.2\.2: icmp_seq=\d ttl=63 time=[\d.]+ ms\n/g)?.length, 3);
  assert.match(out, /3 packets transmitted, 3 received, 0% packet loss, time 2\d\d\dms/);
  assert.equal(net.mib(r).IpForwDatagrams, 6);
  assert.equal(net.mib(pc2).IcmpInEchos, 3);
  assert.equal(net.mib(pc1).IcmpInEchoReps, 3);
  net.end();
});

test("TTL runs out at the router; a net that it does not know; a host that does not answer", () => {
  const { net, pc1, r } = line();
  const ttl = net.sh(pc1, "ping -c 1 -t 1 10.0.2.2");
  assert.equal(ttl.code, 1);
  assert.match(ttl.out, /From 10\.0\.1\.1 icmp_seq=1 Time to live exceeded\n/);
  const no_net = net.sh(pc1, "ping -c 1 10.9.9.9");
  assert.equal(no_net.code, 1);
  assert.match(no_net.out, /From 10\.0\.1\.1 icmp_seq=1 Destination Net Unreachable\n/);
  const no_host = net.sh(pc1, "ping -c 1 -W 5 10.0.2.77");
  assert.equal(no_host.code, 1);
  assert.match(no_host.out, /From 10\.0\.1\.1 icmp_seq=1 Destination Host Unreachable\n/);
  const mib = net.mib(r);
  assert.deepEqual([mib.IcmpOutTimeExcds, mib.IcmpOutDestUnreachs, mib.IpInHdrErrors], [1, 2, 1]);
  // The route that is missing: Linux counts it as an address error when forwarding (IpInNoRoutes, ip_route_input).
  assert.equal(mib.IpExtInNoRoutes, 1);
  net.end();
});

test("traceroute shows the router and the end, by UDP and by ICMP", () => {
  const { net, pc1 } = line();
  for (const command of ["traceroute -n -q 1 10.0.2.2", "traceroute -I -n -q 1 10.0.2.2"]) {
    const out = net.ok(pc1, command);
    assert.match(out, /\n 1 {2}10\.0\.1\.1 {2}[\d.]+ ms\n 2 {2}10\.0\.2\.2 {2}[\d.]+ ms\n$/);
  }
  net.end();
});

test("UDP echo by nc across the router, and a closed port is refused", () => {
  const { net, pc1, pc2 } = line();
  const echo = net.task(pc2, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 7);
    const buf = new Uint8Array(2000);
    const from = new Uint8Array(16);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buf, 0, from);
      if (n < 0) return;
      yield* sys.sendto(fd, buf.subarray(0, n), 0, from);
    }
  });
  assert.equal(net.ok(pc1, "echo hello | nc -u -w 1 10.0.2.2 7"), "hello\n");
  const refused = net.call(pc1, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 0);
    yield* sys.connect(fd, sockaddr("10.0.2.2", 5555));
    yield* sys.sendto(fd, Uint8Array.of(1), 0, null);
    const n = yield* sys.recvfrom(fd, new Uint8Array(10), 0, null);
    sys.close(fd);
    return n;
  });
  assert.equal(refused, -111);
  assert.equal(net.mib(pc2).UdpNoPorts, 1);
  echo.kill();
  net.end();
});

test("large datagrams are cut at the sender, and again at a router with a smaller MTU (RFC 791)", () => {
  const { net, pc1, r, pc2 } = line();
  net.ok(r, "ip link set eth1 mtu 600");
  const out = net.ok(pc1, "ping -c 2 -M dont -s 4000 10.0.2.2");
  assert.match(out, /2 packets transmitted, 2 received/);
  // 4008 bytes: 1480 + 1480 + 1048 at pc1; at r 576-byte pieces (3 + 3 + 2) each way out, whole on the way back.
  const at_pc1 = net.mib(pc1);
  assert.deepEqual([at_pc1.IpFragOKs, at_pc1.IpFragCreates], [2, 6]);
  const at_r = net.mib(r);
  assert.deepEqual([at_r.IpFragOKs, at_r.IpFragCreates], [6, 16]);
  const at_pc2 = net.mib(pc2);
  assert.deepEqual([at_pc2.IpReasmReqds, at_pc2.IpReasmOKs, at_pc2.IpReasmFails], [16, 2, 0]);
  net.end();
});

test("path MTU discovery: the first packet is too big, the next one fits (RFC 1191)", () => {
  const { net, pc1, r } = line();
  net.ok(r, "ip link set eth1 mtu 1000");
  const r1 = net.sh(pc1, "ping -c 1 -M do -s 1200 10.0.2.2");
  assert.equal(r1.code, 1);
  assert.match(r1.out, /From 10\.0\.1\.1 icmp_seq=1 Frag needed and DF set \(mtu = 1000\)\n/);
  assert.match(net.ok(pc1, "ip route get 10.0.2.2"), /cache expires \d+sec mtu 1000/);
  // The kernel knows now: a local error at once.
  const r2 = net.sh(pc1, "ping -c 1 -M do -s 1200 10.0.2.2");
  assert.match(r2.err + r2.out, /local error: message too long, mtu=1000/);
  // A UDP socket that wants discovery gets EMSGSIZE, and IP_MTU tells.
  const [n, mtu] = net.call(pc1, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 0);
    sys.setsockopt(fd, S.SOL_IP, S.IP_MTU_DISCOVER, 2);
    yield* sys.connect(fd, sockaddr("10.0.2.2", 9));
    const sent = yield* sys.sendto(fd, new Uint8Array(1200), 0, null);
    const opt = new Uint8Array(4);
    sys.getsockopt(fd, S.SOL_IP, S.IP_MTU, opt);
    sys.close(fd);
    return [sent, new DataView(opt.buffer).getInt32(0, true)] as const;
  });
  assert.equal(n, -EMSGSIZE);
  assert.equal(mtu, 1000);
  // Ten minutes later the exception has expired, and the error comes from the router again.
  net.run(610 * SEC);
  assert.match(net.sh(pc1, "ping -c 1 -M do -s 1200 10.0.2.2").out, /From 10\.0\.1\.1 icmp_seq=1 Frag needed/);
  net.end();
});

test("ARP fails: three probes a second apart, then EHOSTUNREACH for who waits and for who asks again", () => {
  const { net, a, wire } = pair();
  const asked: number[] = [];
  wire.tap = (f, side, at) => {
    if (side === 0 && f.dv.getUint16(f.off + 12) === 0x0806) asked.push(at);
  };
  const [first, second] = net.call(a, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 0);
    sys.setsockopt(fd, S.SOL_IP, S.IP_RECVERR, 1);
    yield* sys.connect(fd, sockaddr("10.0.0.99", 9));
    const before = sys.clock_gettime(1);
    yield* sys.sendto(fd, Uint8Array.of(1), 0, null);
    const n = yield* sys.recvfrom(fd, new Uint8Array(10), 0, null);
    const took = sys.clock_gettime(1) - before;
    sys.close(fd);
    return [n, took] as const;
  });
  assert.equal(first, -EHOSTUNREACH);
  assert.ok(second > 2.9 * SEC && second < 3.5 * SEC, `${second}`);
  assert.equal(asked.length, 3);
  assert.ok(Math.abs(asked[1]! - asked[0]! - SEC) < 50 * MS);
  assert.match(net.sh(a, "ping -c 1 -W 4 10.0.0.99").out, /From 10\.0\.0\.1 icmp_seq=1 Destination Host Unreachable/);
  net.end();
});

test("a redirect: the first packet goes round, the host learns the shorter way (RFC 792, RFC 1122 section 3.2.2.2)", () => {
  const net = new TestNet();
  const pc1 = net.machine("pc1");
  const r1 = net.machine("r1");
  const r2 = net.machine("r2", { nics: 2 });
  const pc2 = net.machine("pc2");
  net.hub([pc1.nics[0]!, r1.nics[0]!, r2.nics[0]!]);
  net.cable(r2.nics[1]!, pc2.nics[0]!);
  net.ok(pc1, "ip a add 10.0.0.1/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.0.254");
  net.ok(r1, "ip a add 10.0.0.254/24 dev eth0; ip link set eth0 up; ip route add 10.0.2.0/24 via 10.0.0.253");
  net.ok(
    r2,
    "ip a add 10.0.0.253/24 dev eth0; ip a add 10.0.2.1/24 dev eth1; ip link set eth0 up; ip link set eth1 up",
  );
  net.ok(pc2, "ip a add 10.0.2.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.1");
  for (const r of [r1, r2]) net.ok(r, "echo 1 > /proc/sys/net/ipv4/ip_forward");
  net.run(3 * SEC);
  // The first redirect names a gateway that ARP does not know yet: only the second one counts.
  const out = net.ok(pc1, "ping -c 5 10.0.2.2");
  assert.equal(out.match(/From 10\.0\.0\.254 icmp_seq=[12] Redirect Host\(New nexthop: 10\.0\.0\.253\)\n/g)?.length, 2);
  assert.equal(out.match(/ttl=63/g)?.length, 3);
  const at_r1 = net.mib(r1);
  assert.equal(at_r1.IcmpOutRedirects, 2);
  assert.equal(at_r1.IpForwDatagrams, 2);
  assert.equal(net.mib(pc1).IcmpInRedirects, 2);
  assert.match(
    net.ok(pc1, "ip route get 10.0.2.2"),
    /^10\.0\.2\.2 via 10\.0\.0\.253 dev eth0 .*\n\s+cache <redirected> expires 29\dsec/,
  );
  net.end();
});

test("two next hops: flows spread over both, one flow stays on one (fib_multipath_hash_policy 1)", () => {
  const net = new TestNet();
  const pc = net.machine("pc", { nics: 2 });
  const r = net.machine("r", { nics: 2 });
  const w = [0, 1].map((i) => net.cable(pc.nics[i]!, r.nics[i]!));
  net.ok(pc, "ip a add 10.0.0.1/24 dev eth0; ip a add 10.0.1.1/24 dev eth1; ip link set eth0 up; ip link set eth1 up");
  net.ok(r, "ip a add 10.0.0.2/24 dev eth0; ip a add 10.0.1.2/24 dev eth1; ip link set eth0 up; ip link set eth1 up");
  net.ok(r, "ip a add 10.5.5.5/32 dev lo");
  net.ok(r, "for i in all default eth0 eth1; do echo 0 > /proc/sys/net/ipv4/conf/$i/rp_filter; done");
  net.ok(pc, "echo 1 > /proc/sys/net/ipv4/fib_multipath_hash_policy");
  net.ok(pc, "ip route add 10.5.5.0/24 nexthop via 10.0.0.2 weight 1 nexthop via 10.0.1.2 weight 1");
  net.run(3 * SEC);
  const before = w.map((x) => x.ends[0].stats.frames);
  const send = (sport: number, count: number): void =>
    net.call(pc, function* (sys) {
      const fd = udpSocket(sys, "0.0.0.0", sport);
      for (let i = 0; i < count; i++) yield* sys.sendto(fd, new Uint8Array(100), 0, sockaddr("10.5.5.5", 9));
      sys.close(fd);
    });
  for (let p = 0; p < 200; p++) send(20000 + p, 1);
  net.run(SEC);
  const spread = w.map((x, i) => x.ends[0].stats.frames - before[i]!);
  assert.ok(spread[0]! > 60 && spread[1]! > 60 && spread[0]! + spread[1]! >= 200, `${spread}`);
  const mark = w.map((x) => x.ends[0].stats.frames);
  send(30000, 50);
  net.run(SEC);
  const one = w.map((x, i) => x.ends[0].stats.frames - mark[i]!).sort((x, y) => x - y);
  assert.ok(one[0]! <= 2 && one[1]! >= 50, `one flow took both ways: ${one}`);
  net.end();
});

test("rp_filter: a source that would be answered elsewhere is dropped when strict, let through when loose", () => {
  const { net, pc1, r, pc2 } = line();
  // pc1 sends with an address of pc2's net, from the wrong side.
  net.ok(pc1, "ip a add 10.0.2.99/32 dev eth0");
  const drops = (): number => net.mib(r).TcpExtIPReversePathFilter!;
  // ARP is subject to the filter as well: resolve the gateway with an address that is in order.
  net.ok(pc1, "ping -c 1 10.0.2.2");
  const ping = "ping -c 1 -W 1 -I 10.0.2.99 10.0.2.2";
  net.ok(r, "echo 1 > /proc/sys/net/ipv4/conf/eth0/rp_filter");
  const before = net.mib(pc2).IcmpInEchos!;
  net.sh(pc1, ping);
  assert.equal(drops(), 1);
  assert.equal(net.mib(pc2).IcmpInEchos, before);
  for (const loose of [2, 0]) {
    net.ok(r, `echo ${loose} > /proc/sys/net/ipv4/conf/eth0/rp_filter`);
    const had = net.mib(pc2).IcmpInEchos!;
    net.sh(pc1, ping);
    assert.equal(net.mib(pc2).IcmpInEchos, had + 1, `rp_filter=${loose}`);
  }
  assert.equal(drops(), 1);
  // Strict and no way back at all.
  net.ok(r, "echo 2 > /proc/sys/net/ipv4/conf/eth0/rp_filter");
  net.ok(pc1, "ip a add 77.7.7.7/32 dev eth0");
  net.sh(pc1, "ping -c 1 -W 1 -I 77.7.7.7 10.0.2.2");
  assert.equal(drops(), 2);
  net.end();
});
