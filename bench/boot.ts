// 1,000 machines in one lab, from the topology's text to the end of the last startup script. Prints seconds of CPU.

import "../tools/help.mjs";
import { Lab } from "../src/lab/lab.ts";
import { loadTopology } from "../src/lab/topology.ts";
import { memoryTree } from "../src/lab/tree.ts";

const HOSTS = Number(process.argv[2] ?? 1000);
/** Hosts on one hub, the first of them a router between its hub and the backbone. */
const PER_SEGMENT = 20;

const files: Record<string, string> = {};
const conf: string[] = [];
for (let i = 0; i < HOSTS; i++) {
  const seg = Math.floor(i / PER_SEGMENT);
  const at = i % PER_SEGMENT;
  conf.push(`h${i}[0]=lan${seg}`);
  const startup = [`ip addr add 10.${seg >> 8}.${seg & 255}.${at + 1}/24 dev eth0`, "ip link set eth0 up"];
  if (at === 0) {
    conf.push(`h${i}[1]=backbone`);
    startup.push(`ip addr add 172.16.${seg >> 8}.${(seg & 255) + 1}/16 dev eth1`, "ip link set eth1 up");
    startup.push("echo 1 > /proc/sys/net/ipv4/ip_forward");
  } else startup.push(`ip route add default via 10.${seg >> 8}.${seg & 255}.1`);
  files[`h${i}.startup`] = `${startup.join("\n")}\n`;
}
files["lab.conf"] = `${conf.join("\n")}\n`;

const used = (): number => {
  const u = process.cpuUsage();
  return (u.user + u.system) / 1e6;
};
const c0 = used();
const t0 = process.hrtime.bigint();
const topology = loadTopology(memoryTree(files));
if (!topology.ok) throw new Error(topology.diagnostics.map((d) => JSON.stringify(d)).join("\n"));
const out: string[] = [];
const lab = new Lab(topology, { onOutput: (host, _stream, text) => out.push(`${host}: ${text}`) });
const failed = lab.boot();
const value = used() - c0;
const wall_s = Number(process.hrtime.bigint() - t0) / 1e9;
if (failed.length > 0 || out.length > 0)
  throw new Error(`${failed.length} startup scripts failed: ${out.slice(0, 5).join("")}`);
if (lab.bugs().length > 0) throw new Error(`${lab.bugs().length} bugs`);
const memory_mb = process.memoryUsage().rss / 1e6;
// One across the routers, where routing exists: the neighbour on the same hub.
const ping = lab.exec("h1", "ping -c 1 -W 1 10.0.0.3");
if (ping.exitCode !== 0) throw new Error(`no answer: ${ping.stdout}${ping.stderr}`);
process.stdout.write(`${JSON.stringify({ value, unit: "s", wall_s, extra: { hosts: HOSTS, memory_mb } })}\n`);
