// The route of an unconnected UDP socket (last_route) and of a connected one stay right when routes, addresses, links, path
// MTUs and gateways change. Changes of the tables are in golden/udp.txt; here is what time and ICMP change.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";
import { routers } from "./routers.ts";

const send = (sys: TaskSys, fd: number, n: number, to: string | null): unknown =>
  now(sys.sendto(fd, new Uint8Array(n), 0x40, to === null ? null : sockaddr(to, 9)));

test("PMTU (RFC 1191): learned by the unconnected and the connected socket, and forgotten after mtu_expires", () => {
  const rig = new KernelRig();
  const { a, b, r } = routers(rig);
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const u = sa.socket(2, 2, 0);
  const c = sa.socket(2, 2, 0);
  for (const fd of [u, c]) sa.setsockopt(fd, 0, 10, 2);
  now(sa.connect(c, sockaddr("10.0.2.2", 9)));
  assert.deepEqual([send(sa, u, 1400, "10.0.2.2"), send(sa, c, 1400, null)], [1400, 1400]);
  rig.dev("e1", r).mtu = 1000;
  rig.run(1);
  assert.equal(send(sa, u, 1400, "10.0.2.2"), 1400, "the one that finds it out");
  rig.run(5);
  assert.equal(send(sa, u, 1400, "10.0.2.2"), -90);
  assert.equal(send(sa, u, 972, "10.0.2.2"), 972);
  assert.equal(send(sa, c, 1400, null), -90, "its route is looked up again: the path's one is stale");
  const v = new Uint8Array(4);
  sa.getsockopt(c, 0, 14, v);
  assert.equal(v[0]! | (v[1]! << 8), 1000, "IP_MTU of the connected one");
  rig.dev("e1", r).mtu = 1500;
  rig.run(599_000);
  assert.equal(send(sa, u, 1400, "10.0.2.2"), -90, "not yet");
  rig.run(3_000);
  assert.equal(send(sa, u, 1400, "10.0.2.2"), 1400);
  assert.equal(send(sa, c, 1400, null), 1400);
  rig.run(5);
  rig.end();
});

test("IP_MTU_DISCOVER DONT and OMIT fragment instead; PROBE ignores what was learned", () => {
  const rig = new KernelRig();
  const { a, r } = routers(rig);
  const sa = rig.task(a);
  const u = sa.socket(2, 2, 0);
  rig.dev("e1", r).mtu = 1000;
  sa.setsockopt(u, 0, 10, 2);
  send(sa, u, 1400, "10.0.2.2");
  rig.run(5);
  const got = [0, 1, 2, 3, 4, 5].map((mode) => {
    sa.setsockopt(u, 0, 10, mode);
    return send(sa, u, 1400, "10.0.2.2");
  });
  assert.deepEqual(got, [1400, 1400, -90, 1400, 1400, 1400]);
  rig.run(5);
  rig.end();
});

test("a link that loses its carrier, its peer, or the machine: sockets with cached routes hold nothing back", () => {
  const rig = new KernelRig();
  const { a, b, va, vb } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const [u, c] = [sa.socket(2, 2, 0), sa.socket(2, 2, 0)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  now(sa.connect(c, sockaddr("10.0.0.2", 9)));
  assert.deepEqual([send(sa, u, 1, "10.0.0.2"), send(sa, c, 1, null)], [1, 1]);
  rig.down(vb);
  assert.equal(send(sa, u, 1, "10.0.0.2"), 1, "no carrier: still routed, lost on the way");
  rig.call(() => rig.k.rtnl_link_ops.get("veth")!.dellink(va));
  assert.deepEqual([send(sa, u, 1, "10.0.0.2"), send(sa, c, 1, null)], [-101, -101]);
  assert.equal(va.refcnt, 0, "no route holds the device");
  rig.end();
});

test("one socket, many destinations, sources and marks: each datagram takes its own route", () => {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  rig.ip("addr add 10.0.0.3/24 dev vb", b);
  rig.ip("addr add 10.0.0.11/24 dev va", a);
  rig.ip("route add 10.0.0.3/32 dev va src 10.0.0.11", a);
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const u = sa.socket(2, 2, 0);
  const from: string[] = [];
  for (const to of ["10.0.0.2", "10.0.0.3", "10.0.0.2", "10.0.0.2", "10.0.0.3"]) {
    assert.equal(send(sa, u, 1, to), 1);
    rig.run(1);
    const name = new Uint8Array(16);
    assert.equal(now(sb.recvfrom(d, new Uint8Array(9), 0x40, name)), 1);
    from.push(name.subarray(4, 8).join("."));
  }
  assert.deepEqual(from, ["10.0.0.1", "10.0.0.11", "10.0.0.1", "10.0.0.1", "10.0.0.11"]);
  rig.end();
});

test("the input route of the packet before is not used when an address, a rule, a TOS or a filter says otherwise", () => {
  const rig = new KernelRig();
  const { a, b } = routers(rig);
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const u = sa.socket(2, 2, 0);
  const arrives = (to: string): boolean => {
    send(sa, u, 10, to);
    rig.run(5);
    return now(sb.recvfrom(d, new Uint8Array(64), 0x40, null)) === 10;
  };
  const tos = (v: number): unknown => sa.setsockopt(u, 0, 1, v);
  assert.deepEqual([arrives("10.0.2.2"), arrives("10.0.2.2"), arrives("10.0.2.2")], [true, true, true]);
  rig.ip("route add blackhole 10.0.2.2/32 table local tos 0x10", b);
  tos(0x10);
  assert.equal(arrives("10.0.2.2"), false, "another TOS has another route");
  tos(0);
  assert.equal(arrives("10.0.2.2"), true);
  rig.ip("rule add from 10.0.1.2 blackhole pref 0", b);
  assert.equal(arrives("10.0.2.2"), true, "the rule for `local`, of the same preference, stands before it");
  rig.ip("rule del pref 0 from 10.0.1.2 blackhole", b);
  b.dev_by_name.get("e0")!.ip_ptr!.cnf.rp_filter = 1;
  rig.ip("route del default", b);
  assert.equal(arrives("10.0.2.2"), false, "rp_filter: no way back");
  rig.ip("route add default via 10.0.2.1", b);
  assert.equal(arrives("10.0.2.2"), true);
  rig.ip("addr add 10.0.2.3/24 dev e0", b);
  assert.deepEqual([arrives("10.0.2.3"), arrives("10.0.2.2"), arrives("10.0.2.3")], [true, true, true]);
  rig.ip("addr del 10.0.2.3/24 dev e0", b);
  assert.deepEqual([arrives("10.0.2.3"), arrives("10.0.2.2")], [false, true], "the address is gone");
  rig.ip("addr del 10.0.2.2/24 dev e0", b);
  assert.equal(arrives("10.0.2.2"), false);
  sa.close(u);
  sb.close(d);
  rig.end();
});

test("broadcasts that the table knows take one cached route; to 255.255.255.255 each is looked up", () => {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const u = sa.socket(2, 2, 0);
  sa.setsockopt(u, 1, 6, 1);
  rig.ip("route add 255.255.255.255/32 dev va", a);
  const slow = (): number => rig.k.rt_cache_stat.reduce((n, c) => n + c.in_slow_tot, 0);
  const looked_up = (to: string): number => {
    const before = slow();
    for (let i = 0; i < 3; i++) assert.equal(send(sa, u, 10, to), 10);
    rig.run(1);
    for (let i = 0; i < 3; i++) assert.equal(now(sb.recvfrom(d, new Uint8Array(20), 0x40, null)), 10);
    return slow() - before;
  };
  assert.deepEqual([looked_up("10.0.0.255"), looked_up("10.0.0.255")], [1, 0]);
  assert.equal(looked_up("255.255.255.255"), 3);
  rig.end();
});
