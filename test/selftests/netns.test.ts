// Namespaces inside one machine, joined by veth; packet sockets with filters. Virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "../../src/api/index.ts";
import * as S from "../../src/uapi/socket.ts";
import { MS, pair, SEC, TestNet } from "./net.ts";
import { sockaddr, udpSocket } from "./socket.ts";

/** n1 – nr – n2 inside one machine. */
function inside(): { net: TestNet; m: Machine } {
  const net = new TestNet();
  const m = net.machine("m", { nics: 0 });
  net.ok(
    m,
    `for n in n1 nr n2; do ip netns add $n; ip -n $n link set lo up; done
     ip link add va netns n1 type veth peer name vb netns nr
     ip link add vc netns nr type veth peer name vd netns n2
     ip -n n1 addr add 10.1.0.2/24 dev va; ip -n n1 link set va up
     ip -n nr addr add 10.1.0.1/24 dev vb; ip -n nr link set vb up
     ip -n nr addr add 10.2.0.1/24 dev vc; ip -n nr link set vc up
     ip -n n2 addr add 10.2.0.2/24 dev vd; ip -n n2 link set vd up
     ip -n n1 route add default via 10.1.0.1
     ip -n n2 route add default via 10.2.0.1
     ip netns exec nr sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'`,
  );
  return { net, m };
}

test("two namespaces and a router namespace: ping, traceroute, counters of their own", () => {
  const { net, m } = inside();
  assert.deepEqual(
    net
      .ok(m, "ip netns list")
      .trim()
      .split("\n")
      .map((l) => l.split(" ")[0])
      .sort(),
    ["n1", "n2", "nr"],
  );
  const out = net.ok(m, "ip netns exec n1 ping -c 3 -i 0.2 10.2.0.2");
  assert.equal(out.match(/ttl=63/g)?.length, 3);
  assert.match(net.ok(m, "ip netns exec n1 traceroute -n -q 1 10.2.0.2"), / 1 {2}10\.1\.0\.1 .*\n 2 {2}10\.2\.0\.2 /);
  // Echo requests and replies; traceroute's 16 probes at a time but one, and what n2 may answer (its ICMP rate limit).
  assert.equal(net.mib(m, "nr").IpForwDatagrams, 6 + 15 + 6);
  assert.equal(net.mib(m).IpForwDatagrams, 0);
  assert.equal(net.mib(m).IpInReceives, 0);
  assert.equal(net.mib(m, "n2").IcmpInEchos, 3);
  net.end();
});

test("the namespace goes, its veth and the peer go with it; a device moves between namespaces", () => {
  const { net, m } = inside();
  net.ok(m, "ip netns exec n1 ping -c 1 10.2.0.2");
  net.ok(m, "ip netns del n2");
  net.run(SEC);
  assert.notEqual(net.sh(m, "ip -n nr link show vc").code, 0);
  assert.equal(net.sh(m, "ip netns exec n1 ping -c 1 -W 1 10.2.0.2").code, 1);
  // A name that goes while a process is inside: the namespace stays until that ends.
  net.ok(m, "ip netns add n3; ip link add ve netns nr type veth peer name vf netns n3");
  const inn3 = net.start(m, "sleep 5", "n3");
  net.ok(m, "ip netns del n3");
  assert.equal(net.ok(m, "ip netns list | grep -c n3 || true").trim(), "0");
  net.run(SEC);
  net.ok(m, "ip -n nr link show ve");
  inn3.stop();
  net.run(SEC);
  assert.notEqual(net.sh(m, "ip -n nr link show ve").code, 0);
  // va comes to the initial namespace: its addresses and routes stay behind.
  net.ok(m, "ip -n n1 link set va netns 1");
  assert.match(net.ok(m, "ip -d addr show va"), /state DOWN/);
  assert.equal(net.ok(m, "ip -n n1 route"), "");
  net.ok(m, "ip addr add 10.1.0.3/24 dev va; ip link set va up; ping -c 1 10.1.0.1");
  net.end();
});

test("UDP over veth: 1,000 datagrams arrive in order, big ones in fragments, sums are right without being computed", () => {
  const { net, m } = inside();
  const sizes: number[] = [];
  const job = net.task(
    m,
    function* (sys) {
      const fd = udpSocket(sys, "0.0.0.0", 9);
      sys.setsockopt(fd, S.SOL_SOCKET, S.SO_RCVBUF, 200000);
      const buf = new Uint8Array(65536);
      for (;;) {
        const n = yield* sys.recvfrom(fd, buf, 0, null);
        if (n < 0) return;
        sizes.push(n);
      }
    },
    "n2",
  );
  net.run(MS);
  net.call(
    m,
    function* (sys) {
      const fd = udpSocket(sys, "0.0.0.0", 0);
      for (let i = 0; i < 1000; i++) {
        yield* sys.sendto(fd, new Uint8Array(i % 100 === 99 ? 5000 + i : i), 0, sockaddr("10.2.0.2", 9));
        yield* sys.nanosleep(10000);
      }
      sys.close(fd);
    },
    "n1",
  );
  net.run(SEC);
  assert.deepEqual(
    sizes,
    Array.from({ length: 1000 }, (_, i) => (i % 100 === 99 ? 5000 + i : i)),
  );
  const at = net.mib(m, "n2");
  assert.deepEqual([at.UdpInErrors, at.UdpInCsumErrors, at.IpReasmOKs], [0, 0, 10]);
  job.kill();
  net.end();
});

/** struct sock_filter words: [code, jt, jf, k]. */
type Insn = [number, number, number, number];
function sockFprog(insns: Insn[]): Uint8Array {
  // struct sock_fprog carries a pointer; a machine of ours takes the program itself, length first, as 8-byte words.
  const out = new Uint8Array(8 * insns.length);
  const dv = new DataView(out.buffer);
  insns.forEach(([code, jt, jf, k], i) => {
    dv.setUint16(i * 8, code, true);
    out[i * 8 + 2] = jt;
    out[i * 8 + 3] = jf;
    dv.setUint32(i * 8 + 4, k, true);
  });
  return out;
}

function sockaddrLl(protocol: number, ifindex: number): Uint8Array {
  const sa = new Uint8Array(20);
  const dv = new DataView(sa.buffer);
  dv.setUint16(0, S.AF_PACKET, true);
  dv.setUint16(2, protocol);
  dv.setInt32(4, ifindex, true);
  return sa;
}

test("packet sockets see both directions with their type; a BPF filter keeps what it accepts", () => {
  const { net, a, b } = pair();
  net.ok(a, "ping -c 1 10.0.0.2");
  const seen: { type: number; proto: number; len: number }[] = [];
  const filtered: number[] = [];
  const all = net.task(a, function* (sys) {
    const fd = sys.socket(S.AF_PACKET, S.SOCK_RAW, 0x0300);
    assert.equal(sys.bind(fd, sockaddrLl(3, 2)), 0);
    const buf = new Uint8Array(2000);
    const from = new Uint8Array(20);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buf, 0, from);
      if (n < 0) return;
      seen.push({ type: from[10]!, proto: (from[2]! << 8) | from[3]!, len: n });
    }
  });
  const some = net.task(a, function* (sys) {
    const fd = sys.socket(S.AF_PACKET, S.SOCK_RAW, 0x0300);
    // ip[9] == 17 (UDP): keep 50 bytes; otherwise nothing.
    const program = sockFprog([
      [0x28, 0, 0, 12],
      [0x15, 0, 3, 0x0800],
      [0x30, 0, 0, 23],
      [0x15, 0, 1, 17],
      [0x06, 0, 0, 50],
      [0x06, 0, 0, 0],
    ]);
    assert.equal(sys.setsockopt(fd, S.SOL_SOCKET, S.SO_ATTACH_FILTER, program), 0);
    const buf = new Uint8Array(2000);
    for (;;) {
      const n = yield* sys.recvfrom(fd, buf, S.MSG_TRUNC, null);
      if (n < 0) return;
      filtered.push(n);
    }
  });
  net.run(MS);
  net.ok(a, "ping -c 2 -i 0.2 10.0.0.2");
  net.call(a, function* (sys) {
    const fd = udpSocket(sys, "0.0.0.0", 0);
    yield* sys.sendto(fd, new Uint8Array(100), 0, sockaddr("10.0.0.2", 9));
    sys.close(fd);
  });
  net.run(10 * MS);
  const ip = seen.filter((x) => x.proto === 0x0800);
  // Echo out (4: PACKET_OUTGOING) and in (0: PACKET_HOST), twice; the datagram and the ICMP error for its closed port.
  assert.deepEqual(
    ip.map((x) => [x.type, x.len]),
    [
      [4, 98],
      [0, 98],
      [4, 98],
      [0, 98],
      [4, 142],
      [0, 170],
    ],
  );
  // SOCK_RAW counts the link header; the filter cut the datagram to 50 bytes.
  assert.deepEqual(filtered, [50]);
  // A frame of our own making.
  const got = net.task(b, function* (sys) {
    const fd = sys.socket(S.AF_PACKET, S.SOCK_DGRAM, 0xb588);
    const buf = new Uint8Array(2000);
    const n = yield* sys.recvfrom(fd, buf, 0, null);
    sys.close(fd);
    return new TextDecoder().decode(buf.subarray(0, Math.min(n, 5)));
  });
  net.run(MS);
  net.call(a, function* (sys) {
    const fd = sys.socket(S.AF_PACKET, S.SOCK_RAW, 0);
    const frame = new Uint8Array(60);
    frame.set([255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 1, 0, 0x88, 0xb5]);
    frame.set(new TextEncoder().encode("hello"), 14);
    assert.equal(yield* sys.sendto(fd, frame, 0, sockaddrLl(0x88b5, 2)), 60);
    sys.close(fd);
  });
  net.run(MS);
  assert.equal(got.value, "hello");
  all.kill();
  some.kill();
  net.end();
});

test("a veth takes no more than its MTU; lo counts without link headers; tc add does not change a qdisc of its kind", () => {
  const { net, m } = inside();
  net.ok(m, "ip -n nr link set vc mtu 1000");
  // The reply, 1,228 bytes from an end whose MTU is 1500, meets an end that takes 1,000.
  assert.equal(net.sh(m, "ip netns exec n1 ping -c 1 -W 1 -M dont -s 1200 10.2.0.2").code, 1);
  assert.match(net.ok(m, "ip -n nr -s link show vc"), /RX:.*\n\s+\d+\s+\d+\s+0\s+1 /);
  net.ok(m, "ip netns exec n1 ping -c 2 -i 0.2 127.0.0.1");
  assert.match(net.ok(m, "ip -n n1 -s link show lo"), /RX:.*\n\s+336\s+4 /);
  net.ok(m, "ip netns exec n1 tc qdisc add dev va root pfifo limit 5");
  const twice = net.sh(m, "ip netns exec n1 tc qdisc add dev va root pfifo limit 6");
  assert.deepEqual([twice.code, twice.err], [2, "Error: Exclusivity flag on, cannot modify.\n"]);
  net.ok(m, "ip netns exec n1 tc qdisc add dev va root bfifo limit 6000");
  net.end();
});
