// Opens a lab for a command: reads, validates, reports mistakes with file and line. Way in: openTopology().

import { programs } from "../bin/index.ts";
import { checkScript } from "../bin/sh/check.ts";
import { formatDiagnostic } from "../lab/diagnostics.ts";
import { openLab } from "../lab/fs_node.ts";
import { loadTopology, type Topology } from "../lab/topology.ts";

/**
 * The topology at `path`, or null after the mistakes were printed. Warnings are printed in either case. What was said of
 * scripts is added to `said`: they say it again when they come to that line.
 */
export function openTopology(path: string, said: Set<string> = new Set()): Topology | null {
  const opened = openLab(path);
  if (typeof opened === "string") {
    process.stderr.write(`skbuff: ${opened}\n`);
    return null;
  }
  const topology = loadTopology(opened.tree, { entry: opened.entry, folder: opened.folder });
  for (const d of topology.diagnostics) process.stderr.write(`${formatDiagnostic(d)}\n`);
  if (!topology.ok) return null;
  return checkScripts(topology, said) ? topology : null;
}

/** Startup scripts are looked at before anything boots. False when one cannot be run at all. */
function checkScripts(topology: Topology, said: Set<string>): boolean {
  // "@HOST" runs a command there (remote.ts).
  const known = new Set([...programs().keys(), ...topology.machines.map((m) => `@${m.name}`)]);
  const own = new Set(topology.machines.flatMap((m) => m.files.map((f) => f.path.split("/").pop() ?? "")));
  let ok = true;
  for (const m of topology.machines) {
    for (const script of [...m.startup, ...m.shutdown]) {
      for (const p of checkScript(script, (name) => known.has(name) || name.includes("/") || own.has(name))) {
        const fatal = p.kind === "syntax";
        if (fatal) ok = false;
        const line = `${script.file}:${p.line}: ${p.text}: ${fatal ? "fatal" : "skipped"}\n`;
        process.stderr.write(line);
        said.add(line);
      }
    }
  }
  return ok;
}

/** Red on a terminal, plain elsewhere (NO_COLOR). */
export function paint(code: number, text: string): string {
  return process.stderr.isTTY && !process.env.NO_COLOR ? `\x1b[${code}m${text}\x1b[0m` : text;
}
