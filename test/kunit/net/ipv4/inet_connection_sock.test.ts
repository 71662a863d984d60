// Local ports of TCP: who may bind to what another one has (recorded from Linux 6.18), which port connect(2) and bind(2)
// choose, which listener a SYN finds, and that the hash of connections grows.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import {
  __inet_lookup_established,
  __inet_lookup_listener,
  inet_ehash_entries,
  inet_ehash_insert,
  inet_ehash_unlink,
} from "../../../../src/net/ipv4/inet_hashtables.ts";
import { RequestSock } from "../../../../src/net/ipv4/request_sock.ts";
import type { TcpSock } from "../../../../src/net/ipv4/tcp_sock.ts";
import { KernelRig, now, sockaddr, sockaddr_text } from "../../../lib/kernel.ts";

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_REUSEPORT = 15;
const ADDR: Record<string, string> = { any: "0.0.0.0", l1: "127.0.0.1", l2: "127.0.0.2" };
const LO = 0x7f000001;

/**
 * What Linux 6.18 says to a second socket. For each address (any, 127.0.0.1) and SO_REUSEADDR and SO_REUSEPORT (00 01 10 11) of the
 * first one, in this state, a second one with address (any, 127.0.0.1, 127.0.0.2) and the two options: b: bind() says
 * EADDRINUSE; l: listen() does; a dot: both succeed.
 */
const LINUX: Record<string, string> = {
  bound: "bbbbbbbbbbbbb.b.b.b.b.b.bb..bb..bb..b...b...b...bbbbbbbb....b.b.b.b.....bb..bb......b...b.......",
  listen: "bbbbbbbbbbbbb.b.b.b.b.b.bbbbbbbbbbbbb.b.b.b.b.b.bbbbbbbb....b.b.b.b.....bbbbbbbb....b.b.b.b.....",
  connected: "bbbbbbbb....b.b.b.b.....bb..bb......b...b.......bbbbbbbb....b.b.b.b.....bb..bb......b...b.......",
};

function socket(sys: TaskSys, reuse: number, reuseport: number): number {
  const fd = sys.socket(2, 1, 0);
  assert.ok(fd >= 0);
  if (reuse) assert.equal(sys.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1), 0);
  if (reuseport) assert.equal(sys.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, 1), 0);
  return fd;
}

for (const state of Object.keys(LINUX)) {
  test(`bind(2) and listen(2) on a port that another socket has (${state}) answer as Linux does`, () => {
    const rig = new KernelRig();
    rig.up(rig.net.loopback_dev);
    const sys = rig.task();
    const server = socket(sys, 0, 0);
    assert.equal(sys.bind(server, sockaddr("127.0.0.1", 4999)), 0);
    assert.equal(sys.listen(server, 200), 0);
    let got = "";
    let port = 5000;
    const flags = [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ] as const;
    for (const aa of ["any", "l1"]) {
      for (const [ar, ap] of flags) {
        for (const ba of ["any", "l1", "l2"]) {
          for (const [br, bp] of flags) {
            port++;
            const a = socket(sys, ar, ap);
            assert.equal(sys.bind(a, sockaddr(ADDR[aa]!, port)), 0);
            if (state === "listen") assert.equal(sys.listen(a, 5), 0);
            if (state === "connected") {
              now(sys.connect(a, sockaddr("127.0.0.1", 4999)));
              rig.run(1);
            }
            const b = socket(sys, br, bp);
            const bound = sys.bind(b, sockaddr(ADDR[ba]!, port));
            if (bound === 0) got += sys.listen(b, 5) === 0 ? "." : "l";
            else {
              assert.equal(bound, -98);
              got += "b";
            }
            sys.close(b);
            sys.close(a);
          }
        }
      }
    }
    rig.run(1);
    assert.equal(got, LINUX[state]);
    rig.end();
  });
}

test("connect(2) takes ports of the parity of the range's first one, bind(2) the others (RFC 6056 in Linux's form)", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const server = socket(sys, 0, 0);
  sys.bind(server, sockaddr("127.0.0.1", 80));
  sys.listen(server, 100);
  const name = new Uint8Array(16);
  const seen = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const c = socket(sys, 0, 0);
    now(sys.connect(c, sockaddr("127.0.0.1", 80)));
    rig.run(1);
    sys.getsockname(c, name);
    const port = Number(sockaddr_text(name).split(":")[1]);
    assert.ok(port >= 32768 && port <= 60999 && port % 2 === 0, `connect: ${port}`);
    seen.add(`${port}`);
    const b = socket(sys, 0, 0);
    assert.equal(sys.bind(b, sockaddr("0.0.0.0", 0)), 0);
    sys.getsockname(b, name);
    const bport = Number(sockaddr_text(name).split(":")[1]);
    assert.ok(bport >= 32768 && bport <= 60999 && bport % 2 === 1, `bind: ${bport}`);
  }
  assert.equal(seen.size, 20);
  rig.end();
});

test("a range without a free port: EADDRNOTAVAIL to the same peer, not to another (RFC 6056 section 3.3)", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  rig.net.ipv4.ip_local_ports = [40000, 40003];
  const sys = rig.task();
  for (const port of [80, 81]) {
    const server = socket(sys, 0, 0);
    sys.bind(server, sockaddr("127.0.0.1", port));
    sys.listen(server, 100);
  }
  const connect = (port: number): unknown => {
    const r = now(sys.connect(socket(sys, 0, 0), sockaddr("127.0.0.1", port)));
    rig.run(1);
    return r;
  };
  for (let i = 0; i < 4; i++) assert.notEqual(connect(80), -99);
  assert.equal(connect(80), -99);
  for (let i = 0; i < 4; i++) assert.notEqual(connect(81), -99);
  assert.equal(connect(81), -99);
  assert.equal(sys.bind(socket(sys, 0, 0), sockaddr("0.0.0.0", 0)), -98);
  rig.end();
});

test("a SYN finds the listener of its address before that of any address; one bound to the device scores higher", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const listener = (addr: string, dev: boolean): TcpSock => {
    const fd = socket(sys, 1, 1);
    if (dev) assert.equal(sys.setsockopt(fd, SOL_SOCKET, 25, new TextEncoder().encode("lo\0")), 0);
    assert.equal(sys.bind(fd, sockaddr(addr, 80)), 0);
    assert.equal(sys.listen(fd, 5), 0);
    const last = [...rig.net.tcp_hashinfo.lhash2.values()].flatMap((b) => (b.first !== null ? [b.first] : []));
    return last.find((sk) => sk.inet_rcv_saddr === (addr === "0.0.0.0" ? 0 : LO))!;
  };
  const lookup = (dport = 80, daddr = LO): TcpSock | null =>
    __inet_lookup_listener(rig.net, null, LO, 1234, daddr, dport, rig.net.loopback_dev.ifindex);
  assert.equal(lookup(), null);
  const any = listener("0.0.0.0", false);
  assert.equal(lookup(), any);
  assert.equal(lookup(81), null);
  const here = listener("127.0.0.1", false);
  assert.equal(lookup(), here);
  assert.equal(lookup(80, LO + 1), any);
  const dev = listener("127.0.0.1", true);
  assert.equal(lookup(), dev);
  rig.end();
});

test("SO_REUSEPORT: a flow always finds the same one of the group, and all get some", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const fds = Array.from({ length: 4 }, () => {
    const fd = socket(sys, 0, 1);
    assert.equal(sys.bind(fd, sockaddr("127.0.0.1", 80)), 0);
    assert.equal(sys.listen(fd, 5), 0);
    return fd;
  });
  const lookup = (port: number): TcpSock | null =>
    __inet_lookup_listener(rig.net, null, LO, port, LO, 80, rig.net.loopback_dev.ifindex);
  const count = new Map<TcpSock, number>();
  for (let port = 1000; port < 2000; port++) {
    const sk = lookup(port)!;
    assert.equal(lookup(port), sk);
    count.set(sk, (count.get(sk) ?? 0) + 1);
  }
  assert.equal(count.size, 4);
  for (const n of count.values()) assert.ok(n > 150, `${n} of 1000`);
  sys.close(fds[0]!);
  const left = new Set(Array.from({ length: 1000 }, (_, i) => lookup(1000 + i)));
  assert.equal(left.size, 3);
  rig.end();
});

test("the hash of connections grows: 100,000 entries are all found, and all can leave", () => {
  const rig = new KernelRig();
  const { net } = rig;
  const fd = rig.task().socket(2, 1, 0);
  assert.ok(fd >= 0);
  const listener = { net, family: 2 } as TcpSock;
  const all: RequestSock[] = [];
  for (let i = 0; i < 100_000; i++) {
    const e = new RequestSock(listener, false);
    e.inet_daddr = 0x0a000000 + (i >> 4);
    e.inet_rcv_saddr = LO;
    e.inet_dport = 1024 + (i & 15);
    e.inet_num = 80;
    inet_ehash_insert(e, null);
    all.push(e);
  }
  const h = net.tcp_hashinfo;
  assert.ok(h.ehash.length >= 100_000);
  assert.equal([...inet_ehash_entries(net)].length, 100_000);
  for (const e of all) {
    assert.equal(__inet_lookup_established(net, e.inet_daddr, e.inet_dport, LO, 80, 0), e);
  }
  assert.equal(__inet_lookup_established(net, LO, 1, LO, 80, 0), null);
  for (const e of all) assert.ok(inet_ehash_unlink(e));
  assert.equal(h.ehash_count, 0);
  assert.ok(h.ehash.every((e) => e === null));
  rig.end();
});
