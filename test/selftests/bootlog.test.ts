// dmesg names each initcall and each registration.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createWorld } from "../../src/api/world.ts";

test("the boot log: families, protocols, packet types, qdiscs, each under its initcall", () => {
  const world = createWorld();
  const m = world.createMachine({ debug: true });
  const log = m.kernel.log.map((r) => r.text);
  for (const line of [
    "NET: Registered PF_NETLINK/PF_ROUTE protocol family",
    "NET: Registered PF_INET protocol family",
    "NET: Registered PF_PACKET protocol family",
    "inet_add_protocol: UDP (17) → inet_protos",
    "dev_add_pack: ETH_P_IP → ip_rcv (ptype_base)",
    "dev_add_pack: ETH_P_ARP → arp_rcv (ptype_base)",
    "register_qdisc: pfifo_fast",
    "register_qdisc: netem",
  ]) {
    assert.equal(log.filter((t) => t === line).length, 1, line);
  }
  const calling = log.filter((t) => t.startsWith("calling ")).map((t) => t.split(/\s+/)[1]);
  assert.ok(calling.length > 20);
  assert.equal(new Set(calling).size, calling.length);
  m.poweroff();
});
