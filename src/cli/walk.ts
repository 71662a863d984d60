// `skbuff walk`: boots a lab, runs a command in it, and shows what happened to every packet that the command caused.

import { writeFileSync } from "node:fs";
import { Lab } from "../lab/lab.ts";
import {
  compileFilter,
  hostsOf,
  walk,
  walkJson,
  walkLayers,
  walkPaths,
  walkPcap,
  walkPerfetto,
  walkText,
} from "../lab/walk/index.ts";
import { cannotWrite } from "./files.ts";
import { openTopology, paint } from "./open.ts";
import { syscallTrace } from "./trace.ts";

export interface WalkCliOptions {
  paths?: boolean;
  layers?: boolean;
  filter?: string;
  host: string[];
  seed: number;
  json?: boolean;
  perfetto?: string;
  pcap?: string;
  trace?: string;
}

export async function walkCommand(path: string, host: string, command: string[], o: WalkCliOptions): Promise<number> {
  const matches = o.filter !== undefined ? compileFilter(o.filter) : () => true;
  if (typeof matches !== "function") {
    return complain(`--filter: ${matches.error}\n  ${o.filter}\n  ${" ".repeat(matches.offset)}^`);
  }
  const trace = o.trace !== undefined ? syscallTrace(o.trace) : null;
  if (typeof trace === "string") return complain(trace);
  const said = new Set<string>();
  const topology = openTopology(path, said);
  if (topology === null) return 1;
  const names = topology.machines.map((m) => m.name);
  for (const name of [host, ...o.host]) {
    if (!names.includes(name)) return complain(`no machine "${name}" in this lab (there are: ${names.join(", ")})`);
  }
  for (const file of [o.perfetto, o.pcap]) {
    const refused = file !== undefined ? cannotWrite(file) : null;
    if (refused !== null) return complain(refused);
  }
  let bug = false;
  const lab = new Lab(topology, {
    seed: o.seed,
    onOutput: (h, stream, text) => {
      if (stream === "stderr" && !said.has(text)) process.stderr.write(`${h}: ${text}`);
    },
    onBug: (h, error, where) => {
      bug = true;
      process.stderr.write(`${h}: BUG in ${where}: ${(error as Error)?.stack ?? error}\n`);
    },
  });
  for (const f of lab.boot().filter((f) => f.silent)) {
    process.stderr.write(paint(31, `${f.host}: ${f.script} failed with exit code ${f.exitCode}\n`));
  }
  lab.wrapProgram = trace;
  const out = o.json ? process.stderr : process.stdout;
  const w = walk(lab, host, command.map(quote).join(" "), {
    stdout: (b) => out.write(b.slice()),
    stderr: (b) => process.stderr.write(b.slice()),
  });
  const packets = w.packets.filter(
    (p) => matches(p) && (o.host.length === 0 || hostsOf(p).some((h) => o.host.includes(h))),
  );
  const failed = writeFiles(
    o,
    () => walkPerfetto(w, packets, o.host),
    () => Buffer.concat(walkPcap(w, packets, o.host)),
  );
  if (failed !== null) return complain(failed);
  if (o.json) for (const line of walkJson(w, packets, o.host)) process.stdout.write(`${line}\n`);
  else {
    const text = { color: process.stdout.isTTY && !process.env.NO_COLOR, hosts: o.host };
    process.stdout.write(
      `\n${o.layers ? walkLayers(w, packets, text) : o.paths ? walkPaths(w, packets, text) : walkText(w, packets, text)}`,
    );
  }
  lab.stop();
  return bug ? 70 : w.exitCode;
}

function writeFiles(o: WalkCliOptions, perfetto: () => string, pcap: () => Uint8Array): string | null {
  for (const [file, make] of [
    [o.perfetto, perfetto],
    [o.pcap, pcap],
  ] as const) {
    if (file === undefined) continue;
    try {
      writeFileSync(file, make());
    } catch (e) {
      return `cannot write ${file}: ${(e as Error).message}`;
    }
  }
  return null;
}

/** One argument may be a whole command line; several are words, as a shell gave them to us. */
export function quote(word: string, _i: number, all: string[]): string {
  if (all.length === 1 || /^[\w@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

function complain(text: string): number {
  process.stderr.write(`skbuff walk: ${text}\n`);
  return 1;
}
