// `skbuff packetdrill`: scripts in virtual time, each against a fresh machine.

import { readFileSync } from "node:fs";
import { runScript } from "../testing/index.ts";

export interface PacketdrillOptions {
  define: string[];
  seed: number;
  verbose?: boolean;
  tolerance_usecs?: string;
  mtu?: string;
  local_ip?: string;
  remote_ip?: string;
  gateway_ip?: string;
  netmask_ip?: string;
  ip_version?: string;
  strict_segments?: boolean;
}

export function packetdrillCommand(files: string[], o: PacketdrillOptions): number {
  const defines = new Map<string, string>();
  for (const d of o.define) {
    const m = /^([A-Za-z_]\w*)=(.*)$/s.exec(d);
    if (m === null) {
      process.stderr.write(`skbuff: -D ${d}: SYMBOL=value is wanted\n`);
      return 2;
    }
    defines.set(m[1]!, m[2]!);
  }
  const options = new Map<string, string>();
  for (const name of [
    "tolerance_usecs",
    "mtu",
    "local_ip",
    "remote_ip",
    "gateway_ip",
    "netmask_ip",
    "ip_version",
  ] as const)
    if (o[name] !== undefined) options.set(name, o[name]);
  if (o.strict_segments === true) options.set("strict_segments", "");
  let failed = 0;
  for (const file of files) {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch (e) {
      process.stderr.write(`${file}: ${(e as Error).message}\n`);
      failed++;
      continue;
    }
    const r = runScript(file, text, { defines, options, seed: o.seed });
    for (const line of r.printed) process.stdout.write(`${line}\n`);
    if (!r.ok) {
      failed++;
      process.stderr.write(`${r.message}\n`);
    } else if (o.verbose === true) process.stdout.write(`${file}: ok\n`);
  }
  return failed > 0 ? 1 : 0;
}
