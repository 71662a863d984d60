// ifconfig(8) and route(8) by their ioctls; expectations are what Debian's programs got from Linux 6.18.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import { devinet_ioctl } from "../../../../src/net/ipv4/devinet.ts";
import { ip_rt_ioctl } from "../../../../src/net/ipv4/fib_frontend.ts";
import { fib_route_seq_show } from "../../../../src/net/ipv4/fib_proc.ts";
import { EADDRNOTAVAIL, EINVAL, ENETUNREACH, ENODEV, ESRCH } from "../../../../src/uapi/errno.ts";
import {
  SIOCADDRT,
  SIOCDELRT,
  SIOCGIFADDR,
  SIOCGIFBRDADDR,
  SIOCGIFCONF,
  SIOCGIFNETMASK,
  SIOCSIFADDR,
  SIOCSIFBRDADDR,
  SIOCSIFFLAGS,
  SIOCSIFNETMASK,
} from "../../../../src/uapi/if.ts";
import { assert_no_leaks, fib_env } from "./fib_env.ts";
import { ip, ip4, ntoa } from "./fib_ip.ts";

function ifreq(name: string, addr = "0.0.0.0"): { b: Uint8Array; dv: DataView } {
  const b = new Uint8Array(40);
  const dv = new DataView(b.buffer);
  for (let i = 0; i < name.length; i++) b[i] = name.charCodeAt(i);
  dv.setUint16(16, 2, true);
  dv.setInt32(20, ip4(addr));
  return { b, dv };
}
const set = (net: Net, cmd: number, name: string, addr: string): number => devinet_ioctl(net, cmd, ifreq(name, addr).b);
function get(net: Net, cmd: number, name: string): string | number {
  const { b, dv } = ifreq(name);
  const err = devinet_ioctl(net, cmd, b);
  return err < 0 ? err : ntoa(dv.getInt32(20));
}

function two(net: Net): void {
  for (const line of ["link set lo up", "link add v0 type veth peer name v1", "link set v0 up", "link set v1 up"]) {
    ip(net, line);
  }
}

test("ifconfig: class masks, netmask moves the broadcast, aliases, and what is refused", () => {
  const { k, net } = fib_env();
  two(net);
  assert.equal(set(net, SIOCSIFADDR, "v0", "10.0.0.1"), 0);
  assert.equal(get(net, SIOCGIFNETMASK, "v0"), "255.0.0.0");
  assert.equal(get(net, SIOCGIFBRDADDR, "v0"), "10.255.255.255");
  assert.equal(set(net, SIOCSIFNETMASK, "v0", "255.255.255.0"), 0);
  assert.equal(get(net, SIOCGIFBRDADDR, "v0"), "10.0.0.255");
  assert.equal(set(net, SIOCSIFADDR, "v0:1", "192.168.5.5"), 0);
  assert.equal(set(net, SIOCSIFBRDADDR, "v0:1", "192.168.5.77"), 0);
  assert.equal(get(net, SIOCGIFADDR, "v0:1"), "192.168.5.5");
  assert.deepEqual(
    ip(net, "route show table all").map((l) => l.trim()),
    [
      "10.0.0.0/24 dev v0 proto kernel scope link src 10.0.0.1",
      "192.168.5.0/24 dev v0 proto kernel scope link src 192.168.5.5",
      "local 10.0.0.1 dev v0 table local proto kernel scope host src 10.0.0.1",
      "broadcast 10.0.0.255 dev v0 table local proto kernel scope link src 10.0.0.1",
      "local 127.0.0.0/8 dev lo table local proto kernel scope host src 127.0.0.1",
      "local 127.0.0.1 dev lo table local proto kernel scope host src 127.0.0.1",
      "broadcast 127.255.255.255 dev lo table local proto kernel scope link src 127.0.0.1",
      "local 192.168.5.5 dev v0 table local proto kernel scope host src 192.168.5.5",
      "broadcast 192.168.5.77 dev v0 table local proto kernel scope link src 192.168.5.5",
      "broadcast 192.168.5.255 dev v0 table local proto kernel scope link src 192.168.5.5",
    ],
  );
  assert.equal(set(net, SIOCSIFADDR, "v0", "10.0.0.2"), 0);
  assert.deepEqual(
    ip(net, "addr show v0")
      .filter((l) => l.includes("inet"))
      .map((l) => l.trim()),
    ["inet 192.168.5.5/24 brd 192.168.5.77 scope global v0:1", "inet 10.0.0.2/8 brd 10.255.255.255 scope global v0"],
  );
  assert.equal(set(net, SIOCSIFNETMASK, "v0", "255.0.255.0"), -EINVAL);
  assert.equal(set(net, SIOCSIFADDR, "v0", "224.1.1.1"), -EINVAL);
  assert.equal(set(net, SIOCSIFADDR, "nope", "10.1.1.1"), -ENODEV);
  assert.equal(set(net, SIOCSIFNETMASK, "v0:3", "255.255.255.0"), -EADDRNOTAVAIL);
  const conf = new Uint8Array(16 + 40 * 4);
  const dv = new DataView(conf.buffer);
  dv.setInt32(0, 40 * 4, true);
  assert.equal(devinet_ioctl(net, SIOCGIFCONF, conf), 0);
  assert.equal(dv.getInt32(0, true), 120);
  assert.equal(ntoa(dv.getInt32(16 + 20)), "127.0.0.1");
  assert.equal(String.fromCharCode(...conf.subarray(56, 60)), "v0:1");
  // Down takes an alias away, and nothing else.
  const down = ifreq("v0:1");
  down.dv.setUint16(16, 0x1002, true);
  assert.equal(devinet_ioctl(net, SIOCSIFFLAGS, down.b), 0);
  assert.equal(get(net, SIOCGIFADDR, "v0:1"), -EADDRNOTAVAIL);
  assert.equal(get(net, SIOCGIFADDR, "v0"), "10.0.0.2");
  assert_no_leaks(k);
});

interface Rt {
  dst: string;
  mask?: string;
  gw?: string;
  dev?: string;
  flags?: number;
  metric?: number;
  mtu?: number;
  window?: number;
  irtt?: number;
}

function rtentry(r: Rt): Uint8Array {
  const b = new Uint8Array(136);
  const dv = new DataView(b.buffer);
  const sin = (off: number, addr: string | undefined): void => {
    if (addr === undefined) return;
    dv.setUint16(off, 2, true);
    dv.setInt32(off + 4, ip4(addr));
  };
  sin(8, r.dst);
  sin(24, r.gw);
  sin(40, r.mask);
  dv.setUint16(56, (r.flags ?? 0) | 1 | (r.gw !== undefined ? 2 : 0), true);
  dv.setInt16(80, r.metric ?? 0, true);
  dv.setUint32(96, r.mtu ?? 0, true);
  dv.setUint32(104, r.window ?? 0, true);
  dv.setUint16(112, r.irtt ?? 0, true);
  for (let i = 0; i < (r.dev ?? "").length; i++) b[120 + i] = r.dev!.charCodeAt(i);
  return b;
}

test("route(8): SIOCADDRT, SIOCDELRT and what /proc/net/route shows of it", () => {
  const { k, net } = fib_env();
  two(net);
  set(net, SIOCSIFADDR, "v0", "10.0.0.2");
  const add = (r: Rt): number => ip_rt_ioctl(net, SIOCADDRT, rtentry(r));
  const m8 = "255.0.0.0";
  assert.equal(add({ dst: "11.0.0.0", mask: m8, gw: "10.0.0.9" }), 0);
  assert.equal(add({ dst: "0.0.0.0", mask: "0.0.0.0", gw: "10.0.0.9", metric: 6 }), 0);
  assert.equal(add({ dst: "12.0.0.1", dev: "v0", flags: 4 }), 0);
  assert.equal(add({ dst: "13.0.0.0", mask: m8, flags: 0x200 }), 0);
  assert.equal(add({ dst: "14.0.0.0", mask: m8, gw: "10.0.0.9", flags: 0x1c0, mtu: 1400, window: 5000, irtt: 100 }), 0);
  assert.equal(add({ dst: "15.0.0.0", mask: m8, gw: "99.0.0.9" }), -ENETUNREACH);
  assert.equal(add({ dst: "15.0.0.0", mask: m8, dev: "nope" }), -ENODEV);
  assert.equal(add({ dst: "15.0.0.1", mask: m8, dev: "v0" }), -EINVAL);
  assert.equal(ip_rt_ioctl(net, SIOCDELRT, rtentry({ dst: "11.0.0.0", mask: m8 })), 0);
  assert.equal(ip_rt_ioctl(net, SIOCDELRT, rtentry({ dst: "11.0.0.0", mask: m8 })), -ESRCH);
  assert.deepEqual(
    ip(net, "route show").map((l) => l.trim()),
    [
      "default via 10.0.0.9 dev v0 metric 5",
      "10.0.0.0/8 dev v0 proto kernel scope link src 10.0.0.2",
      "12.0.0.1 dev v0 scope link",
      "unreachable 13.0.0.0/8 scope host",
      "14.0.0.0/8 via 10.0.0.9 dev v0 window 5000 rtt 100ms advmss 1360",
    ],
  );
  const lines = fib_route_seq_show(net).split("\n");
  assert.ok(lines.slice(0, -1).every((l) => l.length === 127));
  assert.deepEqual(
    lines.map((l) => l.trimEnd()),
    [
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
      "v0\t00000000\t0900000A\t0003\t0\t0\t5\t00000000\t0\t0\t0",
      "v0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0",
      "v0\t0100000C\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0",
      "*\t0000000D\t00000000\t0201\t0\t0\t0\t000000FF\t0\t0\t0",
      "v0\t0000000E\t0900000A\t0003\t0\t0\t0\t000000FF\t1400\t5000\t100",
      "",
    ],
  );
  assert_no_leaks(k);
});
