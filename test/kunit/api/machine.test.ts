// A machine as a program makes it: what is chosen when nothing is said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createWorld } from "../../../src/api/index.ts";

const addresses = (seed: number): string[] => {
  const world = createWorld({ seed });
  const machines = ["a", "b"].map((hostname) => world.createMachine({ hostname, nics: [{}, {}] }));
  const macs = machines.flatMap((m) => {
    let text = "";
    const ps = m.exec("ip -br link", { stdout: (b) => (text += Buffer.from(b).toString()) });
    assert.equal(world.wait(ps), 0);
    return [...text.matchAll(/eth\d\s+\S+\s+(\S+)/g)].map((x) => x[1]!);
  });
  for (const m of machines) m.poweroff();
  return macs;
};

test("cards without an address get their own: unicast, locally administered, repeatable from the seed", () => {
  const macs = addresses(7);
  assert.equal(new Set(macs).size, 4);
  for (const mac of macs) assert.equal(Number.parseInt(mac.slice(0, 2), 16) & 3, 2, mac);
  assert.deepEqual(addresses(7), macs);
  assert.notDeepEqual(addresses(8), macs);
});
