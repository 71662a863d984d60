// A machine as a program makes it: what is chosen when nothing is said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { createWorld } from "../../../src/api/index.ts";
import { createWorld as createNodeWorld } from "../../../src/api/node.ts";
import { frame_put } from "../../../src/hw/frame.ts";
import type { WirePort } from "../../../src/hw/port.ts";

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

test("ready() waits for the carrier: the first packet is then not lost; before, it waits for ARP's retry, as on Linux", async () => {
  const ping = async (wait: boolean): Promise<number> => {
    const world = createWorld({ seed: 1 });
    const a = world.createMachine({ hostname: "a", nics: [{ ip: "10.0.0.1/24" }] });
    const b = world.createMachine({ hostname: "b", nics: [{ ip: "10.0.0.2/24" }, { ip: "10.0.9.2/24" }] });
    world.connect(a.nics[0]!, b.nics[0]!);
    assert.equal(b.linksUp, false);
    if (wait) {
      const both = Promise.all([a.ready(), b.ready()]);
      world.run(100e6);
      // b's second card has no cable, and is not waited for.
      assert.deepEqual(await both, [true, true]);
      assert.equal(a.linksUp && b.linksUp, true);
    }
    const start = world.now;
    assert.equal(world.wait(a.exec("ping -c 1 10.0.0.2")), 0);
    const took = world.now - start;
    for (const m of [a, b]) m.poweroff();
    return took;
  };
  assert.ok((await ping(true)) < 10e6);
  assert.ok((await ping(false)) > 900e6);
  const world = createWorld({ seed: 1 });
  const alone = world.createMachine({ nics: [{ ip: "10.0.0.1/24" }] });
  const other = world.createMachine({ nics: [{}] });
  world.connect(alone.nics[0]!, other.nics[0]!);
  const late = alone.ready(50);
  world.run(100e6);
  assert.equal(await late, false);
});

test("a card with a port has its carrier when createMachine() returns: the first packet leaves at once", () => {
  const world = createWorld({ seed: 1 });
  const frames: { at: number; type: number }[] = [];
  const port: WirePort = {
    wire_plug() {},
    wire_link() {},
    wire_rx(f) {
      frames.push({ at: world.now, type: f.dv.getUint16(f.off + 12) });
      frame_put(f);
    },
    wire_tx_wake() {},
    wire_tx_event() {},
    wire_abilities: () => 0,
  };
  const m = world.createMachine({ hostname: "a", nics: [{ port, ip: "10.0.0.1/24" }] });
  assert.equal(m.linksUp, true);
  const ping = m.exec("ping -c 1 -W 1 10.0.0.2");
  world.run(500e6);
  assert.deepEqual(
    frames.map((f) => f.type),
    [0x0806],
  );
  assert.ok(frames[0]!.at < 1e6);
  assert.equal(world.wait(ping), 1);
  // Where the cable negotiates, it takes that long.
  const slow = world.createMachine({
    hostname: "b",
    nics: [{ port: { ...port }, ip: "10.0.0.1/24", cable: { autoneg_ns: 1e9 } }],
  });
  assert.equal(slow.linksUp, false);
  world.run(1.1e9);
  assert.equal(slow.linksUp, true);
  for (const x of [m, slow]) x.poweroff();
});

test("a program for a namespace that is not there is refused, and leaves no task behind", () => {
  const world = createWorld();
  const m = world.createMachine({ hostname: "a" });
  const before = m.kernel.tasks.size;
  assert.throws(() => m.exec("true", { netns: "nowhere" }), /no network namespace "nowhere"/);
  assert.equal(m.kernel.tasks.size, before);
  m.poweroff();
});

test("readFile: text of ordinary and generated files, -errno of what is none", () => {
  const world = createWorld();
  const m = world.createMachine({ hostname: "a" });
  assert.equal(m.readFile("/etc/hostname"), "a\n");
  assert.match(String(m.readFile("/proc/net/dev")), /^Inter-\|/);
  assert.equal(m.readFile("/etc/nothing"), -2);
  assert.equal(m.readFile("/etc"), -21);
  // Each look was a system call of its own, with a clock of its own.
  assert.equal(m.kernel.entry_depth, 0);
  m.poweroff();
});

test("console.log of a socket does not print the machine", () => {
  const m = createNodeWorld({ seed: 1 }).createMachine({});
  for (const s of [new m.net.Socket(), m.net.createServer(), m.dgram.createSocket("udp4")]) {
    assert(!Object.keys(s).includes("machine"));
    assert(inspect(s, { depth: 6 }).length < 20_000);
  }
  m.poweroff();
});
