// Keeps the numbers in docs honest: runs the commands that the pages show and writes what they print below them.
// `node --import tsx tools/lab-pages.mjs [PAGE...]` rewrites pages; with --check it only says which are not current.
// The format of a page is told in test/lib/lab_pages.ts.
import "./help.mjs";
import { readFileSync, writeFileSync } from "node:fs";
import { relative } from "node:path";
import { labPages, renderPage, root } from "../test/lib/lab_pages.ts";

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
