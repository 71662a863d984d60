// A machine of ours on a TAP, driven by lines of JSON, for vnet.test.ts: `vnet_peer.ts TAP CIDR MODEL`.
// {"run": COMMAND} runs a shell command; {"gso": [ADDR, PORT, SIZE, COUNT]} sends COUNT datagrams of SIZE bytes by UDP_SEGMENT.

import { createInterface } from "node:readline";
import { createMachine } from "../../src/api/node.ts";
import { NodePlatform, openTap } from "../../src/arch/node/index.ts";
import { SOL_UDP, UDP_SEGMENT } from "../../src/uapi/socket.ts";
import type { Program } from "../../src/uapi/sys.ts";
import { sockaddr } from "../lib/kernel.ts";

const [name, cidr, model] = process.argv.slice(2);
const platform = new NodePlatform();
const tap = openTap(platform, { name: name! });
const machine = createMachine({
  host: platform,
  hostname: "peer",
  nics: [{ mac: "02:00:00:00:00:02", port: tap, ip: cidr!, model: model as "virtio" | "igb" }],
});
machine.kernel.on_bug = (error) => process.stderr.write(`BUG ${(error as Error).stack}\n`);
await tap.ready();
await machine.ready();
const echo = machine.dgram.createSocket("udp4").bind(7);
echo.on("message", (msg, from) => echo.send(msg, from.port, from.address, () => {}));
process.stdout.write("ready\n");

const gso = (addr: string, port: number, size: number, count: number): Program =>
  function* (sys) {
    const fd = sys.socket(2, 2, 0);
    const r = sys.setsockopt(fd, SOL_UDP, UDP_SEGMENT, size);
    if (r < 0) return 1;
    const payload = Uint8Array.from({ length: size * count }, (_, i) => (i >> 8) ^ i);
    const n = yield* sys.sendto(fd, payload, 0, sockaddr(addr, port));
    sys.close(fd);
    return n === payload.length ? 0 : 2;
  };

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line) as { run?: string; gso?: [string, number, number, number] };
  if (request.run !== undefined) process.stdout.write(`${JSON.stringify(await machine.run(request.run))}\n`);
  else {
    const p = machine.spawn(gso(...request.gso!), ["gso"]);
    process.stdout.write(`${JSON.stringify({ exitCode: await p.exited, stdout: "", stderr: "" })}\n`);
  }
}
echo.close();
machine.poweroff();
tap.close();
platform.stop();
const left = Object.entries(machine.live()).filter(([, n]) => n !== 0);
process.stdout.write(`${JSON.stringify({ left, bugs: machine.kernel.bugs.length })}\n`);
process.exit(0);
