// Keeps the numbers in docs honest: runs the commands that a page shows and writes what they print below them.
// `node --import tsx tools/lab-pages.mjs [PAGE...]` rewrites pages; with --check it only says which are not current.
//
// In a page, `<!-- lab: examples/NAME -->` boots a lab; each line `HOST$ COMMAND` of a ```console block runs on it, in the
// order of the page, and `$ ./skbuff …` runs the command line itself. A line `…` in the output stands for lines left out
// (the page keeps it, and what is printed must match around it).
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { openLab } from "../src/lab/fs_node.ts";
import { Lab } from "../src/lab/lab.ts";
import { loadTopology } from "../src/lab/topology.ts";

export const root = join(fileURLToPath(import.meta.url), "../..");
const PROMPT = /^([A-Za-z][\w-]*)?\$ (.+)$/;

/** Boots a lab in virtual time; throws when its files have mistakes, a startup script fails or a machine has a BUG. */
export function bootLab(path, options = {}) {
  const opened = openLab(join(root, path));
  if (typeof opened === "string") throw new Error(opened);
  const topology = loadTopology(opened.tree, { entry: opened.entry, folder: opened.folder });
  if (topology.diagnostics.length > 0) throw new Error(`${path}: ${topology.diagnostics.map((d) => d.text).join("; ")}`);
  const lab = new Lab(topology, options);
  const failed = lab.boot();
  if (failed.length > 0) throw new Error(`${path}: ${failed.map((f) => `${f.script}: exit code ${f.exitCode}`).join("; ")}`);
  return lab;
}

/** What a command prints, both streams. */
function run(lab, host, command) {
  if (host !== undefined) {
    if (lab === null) throw new Error(`${host}$ ${command}: no <!-- lab: … --> above it`);
    // A second between two commands, as when a person types: polls end, counters are read from the chip.
    lab.run(1e9);
    const r = lab.exec(host, command);
    return r.stdout + r.stderr;
  }
  const args = command.match(/'[^']*'|\S+/g).map((a) => a.replace(/^'(.*)'$/, "$1"));
  if (args[0] !== "./skbuff") throw new Error(`$ ${command}: only ./skbuff is run here`);
  const r = spawnSync(process.execPath, ["skbuff", ...args.slice(1)], { cwd: root, encoding: "utf8", env: { ...process.env, NO_COLOR: "1" } });
  return r.stdout;
}

/** Puts "…" back where the page had it: `shown` keeps its cuts when the lines around them are still printed. */
function cut(printed, shown) {
  if (!shown.includes("…")) return printed;
  const out = [];
  let at = 0;
  for (let i = 0; i < shown.length; i++) {
    if (shown[i] !== "…") {
      if (at < printed.length) out.push(printed[at++]);
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
export function renderPage(text) {
  const out = [];
  let lab = null;
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    out.push(lines[i]);
    const boot = /^<!-- lab: (\S+)(?: seed (\d+))? -->$/.exec(lines[i]);
    if (boot) lab = bootLab(boot[1], { seed: Number(boot[2] ?? 1) });
    if (lines[i] !== "```console") continue;
    for (i++; i < lines.length && lines[i] !== "```"; ) {
      const m = PROMPT.exec(lines[i]);
      if (!m) throw new Error(`line ${i + 1}: a console block starts with a prompt, not ${JSON.stringify(lines[i])}`);
      out.push(lines[i++]);
      const shown = [];
      while (i < lines.length && lines[i] !== "```" && !PROMPT.test(lines[i])) shown.push(lines[i++]);
      const printed = run(lab, m[1], m[2]).replace(/\n$/, "").split("\n").map((l) => l.trimEnd());
      if (printed.length === 1 && printed[0] === "") continue;
      out.push(...cut(printed, shown));
    }
    if (i < lines.length) out.push(lines[i]);
  }
  const bugs = lab?.bugs() ?? [];
  if (bugs.length > 0) throw new Error(`BUG on ${bugs[0].host} in ${bugs[0].where}: ${bugs[0].error}`);
  return out.join("\n");
}

/** All pages with a lab in them. */
export function labPages() {
  const dir = join(root, "docs/labs");
  return readdirSync(dir).filter((f) => f.endsWith(".md")).sort().map((f) => join(dir, f));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const args = process.argv.slice(2);
  const named = args.filter((a) => !a.startsWith("--"));
  let stale = 0;
  for (const page of named.length > 0 ? named : labPages()) {
    const before = readFileSync(page, "utf8");
    const after = renderPage(before);
    if (after === before) continue;
    stale++;
    process.stderr.write(`${relative(root, page)}: ${args.includes("--check") ? "not current" : "written"}\n`);
    if (!args.includes("--check")) writeFileSync(page, after);
  }
  if (args.includes("--check") && stale > 0) process.exit(1);
}
