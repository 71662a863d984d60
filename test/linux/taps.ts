// One machine of ours on several TAPs, for taps.test.ts: `taps.ts COUNT`, device tapN with the address 10.9.N.2/24 each. Prints
// "ready"; a line of input is the name of a file to read, its answer the length; the end of input ends it.

import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { createMachine } from "../../src/api/node.ts";
import { NodePlatform, openTap } from "../../src/arch/node/index.ts";

const platform = new NodePlatform();
const taps = Array.from({ length: Number(process.argv[2]) }, (_, i) => openTap(platform, { name: `tap${i}` }));
const machine = createMachine({
  host: platform,
  nics: taps.map((port, i) => ({
    mac: `02:00:00:00:00:0${i + 1}`,
    port,
    ip: `10.9.${i}.2/24`,
    model: i % 2 === 0 ? ("virtio" as const) : ("igb" as const),
  })),
});
await Promise.all(taps.map((tap) => tap.ready()));
await machine.ready();
process.stdout.write("ready\n");
for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${(await readFile(line)).length}\n`);
}
machine.poweroff();
for (const tap of taps) tap.close();
platform.stop();
process.stdout.write(`${JSON.stringify({ frames: platform.frames.live, bugs: machine.kernel.bugs.length })}\n`);
