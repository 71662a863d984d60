// Writes src/kernel/trace_fn.ts: one number per function name that the sources trace (every F_name they use).
// `--check` only says whether the file is current.
import "./help.mjs";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const root = join(import.meta.dirname ?? new URL(".", import.meta.url).pathname, "..");
const out = join(root, "src/kernel/trace_fn.ts");
const names = new Set();
function walk(dir) {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const p = join(dir, e.name);
    if (e.isDirectory()) walk(p);
    else if (e.name.endsWith(".ts") && p !== out) {
      for (const m of readFileSync(p, "utf8").matchAll(/\bF_([a-z_][A-Za-z0-9_]*)\b/g)) names.add(m[1]);
    }
  }
}
walk(join(root, "src"));
const sorted = [...names].sort((a, b) => (a < b ? -1 : 1));
const text = `// Written by tools/gen-trace-fns.mjs from the F_ names that the sources trace. Do not edit.

export const fn_names: readonly string[] = [
  "?",
${sorted.map((n) => `  "${n}",`).join("\n")}
];
${sorted.map((n, i) => `export const F_${n} = ${i + 1};`).join("\n")}
`;
let old = "";
try {
  old = readFileSync(out, "utf8");
} catch {}
if (process.argv.includes("--check")) {
  if (old !== text) {
    console.error(`${relative(root, out)} is not current: run node tools/gen-trace-fns.mjs`);
    process.exit(1);
  }
} else if (old !== text) {
  writeFileSync(out, text);
  console.log(`${relative(root, out)}: ${sorted.length} functions`);
}
