// Reverse path filtering (RFC 3704), address types, source addresses, multipath shares, sysctls and lifetimes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { sysctl_path, sysctl_read, sysctl_write } from "../../../../src/kernel/sysctl.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import { __ip_dev_find, inet_confirm_addr, inet_select_addr } from "../../../../src/net/ipv4/devinet.ts";
import {
  fib_lookup,
  fib_validate_source,
  inet_addr_type,
  inet_dev_addr_type,
} from "../../../../src/net/ipv4/fib_frontend.ts";
import { fib_select_path } from "../../../../src/net/ipv4/fib_semantics.ts";
import { FibResult, Flowi4 } from "../../../../src/net/ipv4/ip_fib.ts";
import { EINVAL, EXDEV } from "../../../../src/uapi/errno.ts";
import { RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST, RTN_UNICAST } from "../../../../src/uapi/rtnetlink.ts";
import { assert_no_leaks, fib_env, pass } from "./fib_env.ts";
import { ip, ip4 } from "./fib_ip.ts";

function setup(net: Net, ...lines: string[]): void {
  for (const line of lines) assert.deepEqual(ip(net, line), [], line);
}

const TWO_PORTS = [
  "link set lo up",
  "link add v0 type veth peer name v1",
  "link add v2 type veth peer name v3",
  "link set v0 up",
  "link set v1 up",
  "link set v2 up",
  "link set v3 up",
  "addr add 10.0.0.1/24 dev v0",
  "addr add 10.0.1.1/24 dev v2",
];

const set = (net: Net, name: string, v: number): void =>
  assert.equal(sysctl_write([net.sysctl_table], sysctl_path(name), String(v)), 0, name);
const get = (net: Net, name: string): string | number => sysctl_read([net.sysctl_table], sysctl_path(name));

test("rp_filter: 0 takes all but our own addresses, 1 only by the best way back, 2 by any", () => {
  const { k, net } = fib_env();
  setup(net, ...TWO_PORTS, "route add 20.0.0.0/8 via 10.0.1.9");
  const v0 = net.dev_by_name.get("v0")!;
  const us = ip4("10.0.0.1");
  const from = (src: string, oif = 0): number => fib_validate_source(null, ip4(src), us, 0, oif, v0, v0.ip_ptr!);
  const table: [string, number, number, number][] = [
    // source, rp_filter 0, 1, 2
    ["10.0.0.9", 0, 1, 1], // on the link: a redirect would reach it
    ["20.0.0.1", 0, -EXDEV, 0], // routed by the other port
    ["10.0.1.9", 0, -EXDEV, 0], // on the other link
    ["30.0.0.1", 0, -EXDEV, -EXDEV], // no way back at all
    ["10.0.0.1", -EINVAL, -EINVAL, -EINVAL], // our own
    ["10.0.1.1", -EINVAL, -EINVAL, -EINVAL],
    ["127.0.0.1", -EINVAL, -EINVAL, -EINVAL],
    ["10.0.0.255", 0, -EINVAL, -EINVAL], // a broadcast address as source; unchecked without a filter
  ];
  for (const [src, off, strict, loose] of table) {
    for (const [mode, want] of [
      [0, off],
      [1, strict],
      [2, loose],
    ] as const) {
      set(net, "net.ipv4.conf.v0.rp_filter", mode);
      assert.equal(from(src), want, `${src} rp_filter=${mode}`);
    }
  }
  // The larger of "all" and the device counts.
  set(net, "net.ipv4.conf.v0.rp_filter", 0);
  set(net, "net.ipv4.conf.all.rp_filter", 1);
  assert.equal(from("20.0.0.1"), -EXDEV);
  set(net, "net.ipv4.conf.v0.rp_filter", 2);
  assert.equal(from("20.0.0.1"), 0);
  set(net, "net.ipv4.conf.all.rp_filter", 0);
  set(net, "net.ipv4.conf.v0.rp_filter", 0);
  // Back out by the port it came from: looked up even without a filter, for the redirect.
  assert.equal(from("10.0.0.9", v0.ifindex), 1);
  assert.equal(from("20.0.0.1", v0.ifindex), 0);
  // accept_local
  set(net, "net.ipv4.conf.v0.accept_local", 1);
  assert.equal(from("10.0.1.1"), 0);
  set(net, "net.ipv4.conf.v0.rp_filter", 1);
  assert.equal(from("10.0.1.1"), -EXDEV);
  assert_no_leaks(k);
});

test("rp_filter on a device without addresses, and on the way back by mark", () => {
  const { k, net } = fib_env();
  setup(net, ...TWO_PORTS, "addr del 10.0.0.1/24 dev v0");
  const v0 = net.dev_by_name.get("v0")!;
  const check = (): number => fib_validate_source(null, ip4("10.0.1.9"), 0, 0, 0, v0, v0.ip_ptr!);
  assert.equal(check(), 0);
  set(net, "net.ipv4.conf.v0.rp_filter", 2);
  assert.equal(check(), -EXDEV);
  assert_no_leaks(k);
});

test("address types", () => {
  const { k, net } = fib_env();
  setup(net, ...TWO_PORTS);
  const type = (a: string): number => inet_addr_type(net, ip4(a));
  assert.equal(type("10.0.0.1"), RTN_LOCAL);
  assert.equal(type("10.0.0.255"), RTN_BROADCAST);
  assert.equal(type("10.0.0.7"), RTN_UNICAST);
  assert.equal(type("127.3.4.5"), RTN_LOCAL);
  assert.equal(type("224.0.0.5"), RTN_MULTICAST);
  assert.equal(type("255.255.255.255"), RTN_BROADCAST);
  assert.equal(type("0.0.0.0"), RTN_BROADCAST);
  assert.equal(type("8.8.8.8"), RTN_UNICAST);
  const [v0, v2] = [net.dev_by_name.get("v0")!, net.dev_by_name.get("v2")!];
  assert.equal(inet_dev_addr_type(net, v0, ip4("10.0.0.1")), RTN_LOCAL);
  assert.equal(inet_dev_addr_type(net, v2, ip4("10.0.0.1")), RTN_UNICAST);
  assert.equal(__ip_dev_find(net, ip4("10.0.1.1")), v2);
  assert.equal(__ip_dev_find(net, ip4("127.9.9.9")), net.loopback_dev);
  assert.equal(__ip_dev_find(net, ip4("10.0.0.2")), null);
  assert_no_leaks(k);
});

test("source addresses: of the subnet first, by scope, from another device last", () => {
  const { k, net } = fib_env();
  setup(
    net,
    ...TWO_PORTS,
    "addr add 10.0.2.1/24 dev v0",
    "addr add 10.0.3.1/24 dev v0 scope link",
    "addr add 10.0.0.2/24 dev v0",
  );
  const [v0, v1, v2] = [net.dev_by_name.get("v0")!, net.dev_by_name.get("v1")!, net.dev_by_name.get("v2")!];
  assert.equal(inet_select_addr(v0, ip4("10.0.2.9"), 0), ip4("10.0.2.1"));
  assert.equal(inet_select_addr(v0, ip4("8.8.8.8"), 0), ip4("10.0.0.1"));
  assert.equal(inet_select_addr(v0, ip4("8.8.8.8"), 253), ip4("10.0.3.1"));
  assert.equal(inet_select_addr(v0, ip4("10.0.3.9"), 0), ip4("10.0.0.1"));
  // A device without an address borrows one; 127.0.0.1 is too narrow.
  assert.equal(inet_select_addr(v1, ip4("8.8.8.8"), 0), ip4("10.0.0.1"));
  assert.equal(inet_confirm_addr(net, v0.ip_ptr, ip4("10.0.2.9"), ip4("10.0.2.1"), 0), ip4("10.0.2.1"));
  assert.equal(inet_confirm_addr(net, v0.ip_ptr, ip4("10.0.0.9"), ip4("10.0.2.1"), 0), 0);
  assert.equal(inet_confirm_addr(net, v0.ip_ptr, ip4("10.0.2.9"), 0, 0), ip4("10.0.2.1"));
  assert.equal(inet_confirm_addr(net, null, 0, ip4("10.0.1.1"), 0), ip4("10.0.1.1"));
  assert.equal(inet_confirm_addr(net, v2.ip_ptr, 0, ip4("10.0.2.1"), 0), 0);
  assert_no_leaks(k);
});

/** Flows by path, of many that differ in one field. */
function shares(net: Net, vary: (fl4: Flowi4, i: number) => void): Map<string, number> {
  const out = new Map<string, number>();
  const fl4 = new Flowi4();
  const res = new FibResult();
  for (let i = 0; i < 4000; i++) {
    fl4.daddr = ip4("8.8.8.8");
    fl4.saddr = ip4("1.2.3.4");
    fl4.flowi4_oif = 0;
    vary(fl4, i);
    assert.equal(fib_lookup(net, fl4, res, 0), 0);
    fib_select_path(net, res, fl4, null);
    const gw = res.nhc!.dev!.name;
    out.set(gw, (out.get(gw) ?? 0) + 1);
  }
  return out;
}

test("multipath: shares follow weights; the policy says what makes a flow; carrier moves the shares", () => {
  const { k, net } = fib_env();
  setup(net, ...TWO_PORTS, "route add 8.0.0.0/8 nexthop via 10.0.0.2 weight 3 nexthop via 10.0.1.2 weight 1");
  const by_saddr = (fl4: Flowi4, i: number): void => {
    fl4.saddr = Math.imul(i, 0x9e3779b1);
  };
  const by_port = (fl4: Flowi4, i: number): void => {
    fl4.flowi4_proto = 6;
    fl4.fl4_sport = 1024 + i;
    fl4.fl4_dport = 80;
  };
  const three_to_one = (m: Map<string, number>): void => {
    assert.ok(Math.abs(m.get("v0")! - 3000) < 200, JSON.stringify([...m]));
  };
  three_to_one(shares(net, by_saddr));
  assert.equal(shares(net, by_port).size, 1);
  net.ipv4.sysctl_fib_multipath_hash_policy = 1;
  three_to_one(shares(net, by_port));
  // Without carrier a path stays in use, unless the device says otherwise.
  net.ipv4.sysctl_fib_multipath_hash_policy = 0;
  setup(net, "link set v1 down");
  three_to_one(shares(net, by_saddr));
  set(net, "net.ipv4.conf.v0.ignore_routes_with_linkdown", 1);
  setup(net, "link set v1 up", "link set v1 down");
  assert.deepEqual([...shares(net, by_saddr).keys()], ["v2"]);
  setup(net, "link set v1 up");
  three_to_one(shares(net, by_saddr));
  // A sender bound to an address goes by the path of that address.
  const bound = shares(net, (fl4, i) => {
    fl4.saddr = ip4("10.0.1.1");
    fl4.daddr = ip4("8.0.0.0") + i;
  });
  assert.deepEqual([...bound.keys()], ["v2"]);
  assert_no_leaks(k);
});

test("forwarding: all speaks for every device and for default; redirects follow; ip_forward is its other name", () => {
  const { k, net } = fib_env();
  setup(net, ...TWO_PORTS);
  const genid = net.ipv4.rt_genid;
  set(net, "net.ipv4.conf.v0.forwarding", 1);
  assert.equal(get(net, "net.ipv4.ip_forward"), "0");
  set(net, "net.ipv4.ip_forward", 1);
  for (const who of ["all", "default", "v0", "v2", "lo"])
    assert.equal(get(net, `net.ipv4.conf.${who}.forwarding`), "1");
  assert.equal(get(net, "net.ipv4.conf.all.accept_redirects"), "0");
  assert.notEqual(net.ipv4.rt_genid, genid);
  set(net, "net.ipv4.conf.default.forwarding", 0);
  assert.equal(get(net, "net.ipv4.conf.v2.forwarding"), "1");
  set(net, "net.ipv4.ip_forward", 0);
  assert.equal(get(net, "net.ipv4.conf.v2.forwarding"), "0");
  assert.equal(get(net, "net.ipv4.conf.all.accept_redirects"), "1");
  // "default" reaches devices that never had an address and where nobody set the value.
  set(net, "net.ipv4.conf.v1.arp_ignore", 1);
  set(net, "net.ipv4.conf.default.rp_filter", 2);
  set(net, "net.ipv4.conf.default.arp_ignore", 2);
  assert.equal(get(net, "net.ipv4.conf.v0.rp_filter"), "0");
  assert.equal(get(net, "net.ipv4.conf.v1.rp_filter"), "2");
  assert.equal(get(net, "net.ipv4.conf.lo.rp_filter"), "0");
  assert.equal(get(net, "net.ipv4.conf.v1.arp_ignore"), "1");
  assert.ok(Number(sysctl_write([net.sysctl_table], "net/ipv4/conf/v0/mc_forwarding", "1")) < 0);
  assert_no_leaks(k);
});

test("an address ages, is deprecated, and goes with its routes; a timer runs only for that", () => {
  const env = fib_env();
  const { k, net } = env;
  setup(net, ...TWO_PORTS);
  setup(net, "addr add 10.5.0.1/24 dev v0 valid_lft 100 preferred_lft 40");
  pass(env, 39_000);
  assert.match(ip(net, "addr show v0").join("\n"), /10\.5\.0\.1\/24 scope global dynamic v0/);
  pass(env, 2_000);
  assert.match(ip(net, "addr show v0").join("\n"), /10\.5\.0\.1\/24 scope global deprecated dynamic v0/);
  // Prolonged: preferred again.
  setup(net, "addr change 10.5.0.1/24 dev v0 valid_lft 200 preferred_lft 100");
  assert.match(ip(net, "addr show v0").join("\n"), /10\.5\.0\.1\/24 scope global dynamic v0/);
  pass(env, 150_000);
  assert.match(ip(net, "addr show v0").join("\n"), /deprecated/);
  pass(env, 51_000);
  assert.doesNotMatch(ip(net, "addr show v0").join("\n"), /10\.5\.0\.1/);
  assert.equal(ip(net, "route show 10.5.0.0/24").length, 0);
  assert.equal(net.ipv4.addr_chk_work.index, -1);
  assert_no_leaks(k);
});
