// `skbuff packetdrill`: scripts in virtual time, each against a fresh machine.

import { readFileSync } from "node:fs";
import { runScript } from "../testing/index.ts";

export interface PacketdrillOptions {
  define: string[];
  seed: number;
  verbose?: boolean;
  [name: string]: string | number | boolean | string[] | undefined;
}

/** Options that are this program's own. The others are the scripts': settings_of() knows them, and refuses what it does not. */
const OWN = new Set(["define", "seed", "verbose"]);

/** Those that take no value; of the others it may stand behind "=" or be the next word. */
const WITHOUT_VALUE = new Set([
  "debug",
  "send_omit_free",
  "persistent_tun_dev",
  "tcp_ts_ecr_scaled",
  "strict_segments",
]);

/** `args`: the scripts, and options in packetdrill's spelling that commander does not know. */
export function packetdrillCommand(args: string[], o: PacketdrillOptions): number {
  const defines = new Map<string, string>();
  const options = new Map<string, string>();
  const files: string[] = [];
  const define = [...o.define];
  for (const [name, v] of Object.entries(o))
    if (!OWN.has(name) && v !== undefined && v !== false) options.set(name, v === true ? "" : String(v));
  for (let i = 0; i < args.length; i++) {
    const a = args[i]!;
    const m = /^--?([A-Za-z_]\w*)(?:=(.*))?$/s.exec(a);
    if (m === null) files.push(a);
    else if (/^-D./.test(a)) define.push(a.slice(2));
    else options.set(m[1]!, m[2] ?? (WITHOUT_VALUE.has(m[1]!) ? "" : (args[++i] ?? "")));
  }
  for (const d of define) {
    const m = /^([A-Za-z_]\w*)=(.*)$/s.exec(d);
    if (m === null) {
      process.stderr.write(`skbuff: -D ${d}: SYMBOL=value is wanted\n`);
      return 2;
    }
    defines.set(m[1]!, m[2]!);
  }
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
    for (const line of r.warnings) process.stderr.write(`${line}\n`);
    if (!r.ok) {
      failed++;
      process.stderr.write(`${r.message}\n`);
    } else if (o.verbose === true) process.stdout.write(`${file}: ok\n`);
  }
  return failed > 0 ? 1 : 0;
}
