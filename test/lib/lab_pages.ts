// Pages of docs that show commands and their output: the output is made by running them, never written by hand.
// Way in: renderPage(text); tools/lab-pages.mjs writes pages, test/selftests/lab_pages.test.ts compares them.
//
// In a page, `<!-- lab: examples/NAME -->` boots a lab; each line `HOST$ COMMAND` of a ```console block runs on it, in the
// order of the page, and `$ ./skbuff …` runs the command line itself. A line `…` in the output stands for lines left out
// (the page keeps it, and what is printed must match around it).
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openLab } from "../../src/lab/fs_node.ts";
import { Lab, type LabOptions } from "../../src/lab/lab.ts";
import { loadTopology } from "../../src/lab/topology.ts";

export const root: string = join(fileURLToPath(import.meta.url), "../../..");
const PROMPT = /^([A-Za-z][\w-]*)?\$ (.+)$/;

/** Boots a lab in virtual time; throws when its files have mistakes, a startup script fails or a machine has a BUG. */
export function bootLab(path: string, options: LabOptions = {}): Lab {
  const opened = openLab(join(root, path));
  if (typeof opened === "string") throw new Error(opened);
  const topology = loadTopology(opened.tree, { entry: opened.entry, folder: opened.folder });
  if (topology.diagnostics.length > 0)
    throw new Error(`${path}: ${topology.diagnostics.map((d) => d.text).join("; ")}`);
  const lab = new Lab(topology, options);
  const failed = lab.boot();
  if (failed.length > 0)
    throw new Error(`${path}: ${failed.map((f) => `${f.script}: exit code ${f.exitCode}`).join("; ")}`);
  return lab;
}

/** What a command prints, both streams. */
function run(lab: Lab | null, host: string | undefined, command: string): string {
  if (host !== undefined) {
    if (lab === null) throw new Error(`${host}$ ${command}: no <!-- lab: … --> above it`);
    // A second between two commands, as when a person types: polls end, counters are read from the chip.
    lab.run(1e9);
    const r = lab.exec(host, command);
    return r.stdout + r.stderr;
  }
  const args = (command.match(/'[^']*'|\S+/g) ?? []).map((a) => a.replace(/^'(.*)'$/, "$1"));
  if (args[0] !== "./skbuff") throw new Error(`$ ${command}: only ./skbuff is run here`);
  const r = spawnSync(process.execPath, ["skbuff", ...args.slice(1)], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  return r.stdout;
}

/** Puts "…" back where the page had it: `shown` keeps its cuts when the lines around them are still printed. */
function cut(printed: string[], shown: string[]): string[] {
  if (!shown.includes("…")) return printed;
  const out: string[] = [];
  let at = 0;
  for (let i = 0; i < shown.length; i++) {
    if (shown[i] !== "…") {
      if (at < printed.length) out.push(printed[at++]!);
      continue;
    }
    out.push("…");
    const rest = shown.length - shown.lastIndexOf("…") - 1;
    const next = shown[i + 1];
    const last = !shown.slice(i + 1).includes("…");
    // After the last cut, as many lines as the page shows; else up to the line that the page continues with.
    const found = last ? printed.length - rest : printed.findIndex((l, n) => n >= at && l === next);
    at = found < 0 ? printed.length : Math.max(at, found);
  }
  return out;
}

/** The page with all outputs as they are now. */
export function renderPage(text: string): string {
  const out: string[] = [];
  let lab: Lab | null = null;
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    out.push(lines[i]!);
    const boot = /^<!-- lab: (\S+)(?: seed (\d+))? -->$/.exec(lines[i]!);
    if (boot) lab = bootLab(boot[1]!, { seed: Number(boot[2] ?? 1) });
    if (lines[i] !== "```console") continue;
    for (i++; i < lines.length && lines[i] !== "```"; ) {
      const m = PROMPT.exec(lines[i]!);
      if (!m) throw new Error(`line ${i + 1}: a console block starts with a prompt, not ${JSON.stringify(lines[i])}`);
      out.push(lines[i++]!);
      const shown: string[] = [];
      while (i < lines.length && lines[i] !== "```" && !PROMPT.test(lines[i]!)) shown.push(lines[i++]!);
      const printed = run(lab, m[1], m[2]!)
        .replace(/\n$/, "")
        .split("\n")
        .map((l) => l.trimEnd());
      if (printed.length === 1 && printed[0] === "") continue;
      out.push(...cut(printed, shown));
    }
    if (i < lines.length) out.push(lines[i]!);
  }
  const bugs = lab?.bugs() ?? [];
  if (bugs.length > 0) throw new Error(`BUG on ${bugs[0]!.host} in ${bugs[0]!.where}: ${bugs[0]!.error}`);
  return out.join("\n");
}

/** All pages with a lab in them. */
export function labPages(): string[] {
  const dir = join(root, "docs/labs");
  return readdirSync(dir)
    .filter((f) => f.endsWith(".md"))
    .sort()
    .map((f) => join(dir, f));
}
