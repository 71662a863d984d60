// `ip route get` names the table that a rule led to, as Linux 6.18 with iproute2 6.1 was seen to.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Lab } from "../../src/lab/lab.ts";
import { loadTopology } from "../../src/lab/topology.ts";
import { memoryTree } from "../../src/lab/tree.ts";

test("ip route get: table of a rule's route; local only where local and main are apart", () => {
  const lab = new Lab(
    loadTopology(memoryTree({ "lab.conf": "a[0]=A\n", "a.startup": "ip addr add 10.0.1.2/24 dev eth0\n" })),
    { seed: 1 },
  );
  lab.boot();
  const run = (command: string): string => lab.exec("a", command).stdout;
  assert.equal(run("ip route get 10.0.1.2"), "local 10.0.1.2 dev lo src 10.0.1.2 uid 0 \n    cache <local> \n");
  lab.exec("a", "ip route add 10.70.0.0/16 via 10.0.1.1 table 100; ip rule add to 10.70.0.0/16 table 100 priority 500");
  assert.equal(
    run("ip route get 10.70.1.1"),
    "10.70.1.1 via 10.0.1.1 dev eth0 table 100 src 10.0.1.2 uid 0 \n    cache \n",
  );
  assert.equal(
    run("ip route get 10.0.1.2"),
    "local 10.0.1.2 dev lo table local src 10.0.1.2 uid 0 \n    cache <local> \n",
  );
  lab.stop();
  assert.deepEqual(lab.bugs(), []);
});
