// What needs a machine with state and no real kernel: dumps of ip saved and put back, batches from a pipe, who has a socket, the
// configuration of devices, objects whose part of the kernel is not there. The words are Debian's: test/linux/scenarios_network.ts.

import assert from "node:assert/strict";
import { test } from "node:test";
import { TestNet } from "../net.ts";

test("ip route, address and rule: saved, lost, restored", () => {
  const net = new TestNet();
  const m = net.machine("m");
  net.ok(
    m,
    "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; ip addr add 10.0.0.1/24 dev v0",
  );
  net.ok(
    m,
    "ip route add 192.0.2.0/24 via 10.0.0.2; ip route add throw 198.51.100.0/24; ip rule add from 192.0.2.1 lookup 7",
  );
  const state = "ip addr show dev v0; ip route; ip rule";
  const before = net.ok(m, state);
  net.ok(m, "ip addr save dev v0 >/tmp/a; ip route save >/tmp/r; ip rule save >/tmp/u");
  assert.equal(net.ok(m, "ip route showdump </tmp/r"), net.ok(m, "ip route"));
  assert.match(net.ok(m, "ip addr showdump </tmp/a"), /^if\d+:\n {4}inet 10\.0\.0\.1\/24 scope global v0\n/);
  net.ok(m, "ip addr flush dev v0; ip route flush type throw; ip rule del from 192.0.2.1");
  assert.notEqual(net.ok(m, state), before);
  net.ok(m, "ip addr restore </tmp/a; ip rule flush; ip rule del pref 0; ip rule restore </tmp/u");
  // The kernel made the route of the address again: that it is there is said, and no error.
  assert.equal(net.sh(m, "ip route restore </tmp/r").code, 0);
  assert.equal(net.ok(m, state), before);
  const bad = net.sh(m, "echo nonsense | ip route restore");
  assert.deepEqual([bad.code, bad.err], [1, "Magic mismatch (1 elems, 736e6f6e magic)\n"]);
  const cut = net.sh(m, "head -c 30 /tmp/r | ip route showdump");
  assert.deepEqual([cut.code, cut.err], [2, "rtnl-from_file: truncated message\n"]);
  net.end();
});

test("ip -batch - and sysctl -p -: commands from a pipe", () => {
  const net = new TestNet();
  const m = net.machine("m");
  assert.equal(
    net.ok(m, "printf 'route add 192.0.2.0/24 dev lo\\nroute\\n' | ip -b -"),
    "192.0.2.0/24 dev lo scope link \n",
  );
  const bad = net.sh(m, "printf 'route del 192.0.2.0/24\\nnonsense\\n' | ip -b -");
  assert.deepEqual([bad.code, bad.err], [1, 'Object "nonsense" is unknown, try "ip help".\nCommand failed -:2\n']);
  assert.equal(net.ok(m, "echo net.ipv4.ip_forward=1 | sysctl -p -"), "net.ipv4.ip_forward = 1\n");
  net.end();
});

test("netstat -p: of several that have a socket, the first process", () => {
  const net = new TestNet();
  const m = net.machine("m");
  const p = m.exec("nc -u -l -p 5000 & nc -u -l -p 5001");
  net.world.run(1e8);
  const rows = net.ok(m, "netstat -uanp").split("\n").slice(2, -1);
  assert.equal(rows.length, 2);
  for (const row of rows) assert.match(row, / \d+\/nc +$/);
  assert.match(net.ok(m, "netstat -uan"), /^Active Internet/);
  p.kill(9);
  net.end();
});

test("ip netconf and its monitor", () => {
  const net = new TestNet();
  const m = net.machine("m");
  const line = (dev: string, forwarding: string): string =>
    `inet ${dev} forwarding ${forwarding} rp_filter off mc_forwarding off proxy_neigh off ignore_routes_with_linkdown off \n`;
  assert.equal(net.ok(m, "ip netconf show dev lo"), line("lo", "off"));
  assert.equal(
    net.sh(m, "(sleep 0.1; sysctl -qw net.ipv4.conf.lo.forwarding=1) & timeout 1 ip monitor netconf").out,
    "inet lo forwarding on \n",
  );
  assert.equal(net.ok(m, "ip -4 netconf show dev lo"), line("lo", "on"));
  net.end();
});

test("tunnels, multicast routes, TCP's metrics: empty, or refused as by a kernel without them", () => {
  const net = new TestNet();
  const m = net.machine("m");
  for (const [command, code, err] of [
    ["ip tunnel", 0, ""],
    ["ip tunnel add t0 mode gre remote 192.0.2.1", 1, 'add tunnel "gre0" failed: No such device\n'],
    ["ip tunnel del lo", 1, 'delete tunnel "lo" failed: Operation not supported\n'],
    ["ip link add t0 type ipip remote 192.0.2.1", 2, "Error: Unknown device type.\n"],
    ["ip tuntap", 0, ""],
    ["ip mroute", 0, ""],
    ["ip tcp_metrics", 0, ""],
    ["ip tcp_metrics show 192.0.2.1", 2, "RTNETLINK answers: No such process\n"],
    ["ip l2tp show tunnel", 1, "RTNETLINK answers: No such file or directory\nError talking to the kernel\n"],
    ["ip xfrm state", 1, "Cannot open netlink socket: Protocol not supported\n"],
  ] as const) {
    const r = net.sh(m, command);
    assert.deepEqual([r.code, r.out, r.err], [code, "", err], command);
  }
  net.end();
});
