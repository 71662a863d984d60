// Interfaces are named as the lab's file says, whatever order the cards are found in, and up, as in a container.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab } from "../../src/lab/lab.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import { memoryTree } from "../../src/lab/tree.ts";

function boot(files: Record<string, string>): Lab {
  const topology = loadTopology(memoryTree(files));
  assert.deepEqual(topology.diagnostics, []);
  const lab = new Lab(topology, { seed: 1 });
  assert.deepEqual(lab.boot(), []);
  return lab;
}

const names = (lab: Lab, host: string): string[] =>
  lab
    .exec(host, "ip -br link")
    .stdout.split("\n")
    .map((l) => l.split(/\s+/)[0])
    .filter((n) => n !== "" && n !== "lo");

test("containerlab: eth1 is eth1, as the management interface of a container is not there", () => {
  const lab = boot({
    "x.clab.yml": `name: x
topology:
  nodes:
    a: {kind: linux, exec: ["ip addr add 10.0.0.1/24 dev eth1"]}
    b: {kind: linux, exec: ["ip addr add 10.0.0.2/24 dev eth2"]}
  links:
    - endpoints: ["b:eth3", "a:ens5"]
    - endpoints: ["a:eth1", "b:eth2"]
    - endpoints: ["a:eth0", "b:eth1"]
`,
  });
  assert.deepEqual(names(lab, "a"), ["eth0", "ens5", "eth1"]);
  assert.deepEqual(names(lab, "b"), ["eth1", "eth2", "eth3"]);
  assert.equal(lab.exec("a", "ping -c 1 10.0.0.2").exitCode, 0);
  // Interrupts carry the name under which the card was opened.
  assert.match(lab.exec("a", "cat /proc/interrupts").stdout, /eth1-TxRx-0/);
  lab.stop();
  assert.deepEqual(lab.bugs(), []);
});

test("Kathará: a machine with a[1] and no a[0] has eth1", () => {
  const lab = boot({
    "lab.conf": "a[1]=A\nb[0]=A\n",
    "a.startup": "ip addr add 10.0.0.1/24 dev eth1\n",
    "b.startup": "ip addr add 10.0.0.2/24 dev eth0\n",
  });
  assert.deepEqual(names(lab, "a"), ["eth1"]);
  assert.equal(lab.exec("b", "ping -c 1 10.0.0.1").exitCode, 0);
  lab.stop();
});
