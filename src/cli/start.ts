// `skbuff start` (npm start): the first lab. On a terminal a prompt; without one a tour that ends by itself.

import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { labCommand } from "./lab.ts";
import { walkCommand } from "./walk.ts";

/** examples/first-lab, seen from dist/ as from src/. */
function firstLab(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  for (let i = 0; i < 5; i++, dir = dirname(dir)) {
    const lab = join(dir, "examples/first-lab");
    if (existsSync(lab)) return lab;
  }
  throw new Error("examples/first-lab is missing from this installation");
}

const HINT = `pc1 (10.0.1.2) and pc2 (10.0.2.2), with the router r1 between them. Try:
  ping -c 3 10.0.2.2        traceroute 10.0.2.2        ip route        @r1 tcpdump -c 4 -i eth0 &
  @pc2 or connect pc2: another machine        hosts: who there is        exit: leave`;

export async function startCommand(): Promise<number> {
  const path = firstLab();
  if (process.stdin.isTTY && process.stdout.isTTY) {
    return labCommand(path, { exec: [], seed: 1, cost: "lab", napi: true, hint: HINT, firstHost: "pc1" });
  }
  process.stdout.write(
    "A tour of examples/first-lab: pc1 pings pc2 across the router r1.\n\npc1$ ping -c 2 10.0.2.2\n",
  );
  const code = await labCommand(path, { exec: ["pc1: ping -c 2 10.0.2.2"], seed: 1, cost: "lab", napi: true });
  if (code !== 0) return code;
  process.stdout.write(
    "\nAnd the walk of its packets, function by function (skbuff walk examples/first-lab pc1 -- ping -c 1 10.0.2.2):\n\n",
  );
  return walkCommand(path, "pc1", ["ping", "-c", "1", "10.0.2.2"], { host: [], seed: 1 });
}
