// A machine of ours as a router between two TAPs, for forward.test.ts: `router.ts TAP1 CIDR1 TAP2 CIDR2 [COMMAND…]`.
// The library as a program uses it. Prints "ready"; a line of input is run as a command, its answer is one line of JSON.

import { createInterface } from "node:readline";
import { createMachine } from "../../src/api/index.ts";
import { NodePlatform, openTap } from "../../src/arch/node/index.ts";

const [tap1, ip1, tap2, ip2] = process.argv.slice(2);
const platform = new NodePlatform();
const taps = [tap1, tap2].map((name) => openTap(platform, { name: name!, up: false }));
const machine = createMachine({
  host: platform,
  hostname: "router",
  nics: [
    { mac: "02:00:00:00:00:01", port: taps[0], ip: ip1 },
    { mac: "02:00:00:00:00:02", port: taps[1], ip: ip2 },
  ],
});
machine.kernel.on_bug = (error) => process.stderr.write(`BUG ${(error as Error).stack}\n`);
machine.writeFileOrProc("/proc/sys/net/ipv4/ip_forward", "1");
process.stdout.write("ready\n");

const input = createInterface({ input: process.stdin });
for await (const line of input) process.stdout.write(`${JSON.stringify(await machine.run(line))}\n`);
machine.poweroff();
for (const tap of taps) tap.close();
platform.stop();
const left = Object.entries(machine.live()).filter(([, n]) => n !== 0);
process.stdout.write(`${JSON.stringify({ left, frames: platform.frames.live, bugs: machine.kernel.bugs.length })}\n`);
process.exit(0);
