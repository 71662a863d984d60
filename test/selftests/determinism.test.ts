// The same seed gives the same trace, byte for byte; another seed another one (docs/architecture.md, "Virtual time").

import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab, traceAll } from "../../src/lab/lab.ts";
import { hashTrace } from "../../src/lab/record.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import { memoryTree } from "../../src/lab/tree.ts";

const FILES = {
  "lab.conf": [
    'pc1[0]="A"',
    'r1[0]="A"',
    'r1[1]="B"',
    'pc2[0]="B"',
    "r1[cpus]=2",
    'r1[sysctl]="net.ipv4.ip_forward=1"',
    'link[B]="rate=10mbit delay=2ms loss=5% duplicate=2% reorder=2%"',
  ].join("\n"),
  "pc1.startup": "ip addr add 10.0.1.2/24 dev eth0\nip link set eth0 up\nip route add default via 10.0.1.1\n",
  "r1.startup":
    "ip addr add 10.0.1.1/24 dev eth0\nip link set eth0 up\nip addr add 10.0.2.1/24 dev eth1\nip link set eth1 up\n",
  "pc2.startup": "ip addr add 10.0.2.2/24 dev eth0\nip link set eth0 up\nip route add default via 10.0.2.1\n",
};

function run(seed: number): { sha256: string; records: number; out: string } {
  const topology = loadTopology(memoryTree(FILES), { folder: "demo" });
  assert.ok(topology.ok);
  const lab = new Lab(topology, { seed });
  traceAll(lab, false);
  assert.deepEqual(lab.boot(), []);
  let out = "";
  for (const command of [
    "ping -c 30 -i 0.05 10.0.2.2",
    "ping -c 5 -s 4000 -i 0.2 10.0.2.2",
    "traceroute -n 10.0.2.2",
    "echo x | nc -u -w 1 10.0.2.2 9999",
  ]) {
    out += lab.exec("pc1", command).stdout;
  }
  const trace = hashTrace(lab);
  lab.stop();
  assert.deepEqual(lab.bugs(), []);
  for (const [name, host] of lab.hosts) {
    const live = host.computer.live();
    assert.deepEqual(live, Object.fromEntries(Object.keys(live).map((k) => [k, 0])), `${name} leaks`);
  }
  assert.equal(lab.world.frames.live, 0);
  return { ...trace, out };
}

test("two runs with one seed: the same output and the same trace; another seed: another trace", () => {
  const a = run(11);
  const b = run(11);
  const c = run(12);
  assert.ok(a.records > 5000, `${a.records}`);
  assert.deepEqual(a, b);
  assert.notEqual(a.sha256, c.sha256);
  assert.notEqual(a.out, c.out);
});
