// `import "./help.mjs"` before anything else: --help prints what stands at the head of the program, and nothing is done.
import { readFileSync } from "node:fs";

const file = process.argv[1] ?? "";
const args = process.argv.slice(2);
const end = args.indexOf("--");
const asked = (end < 0 ? args : args.slice(0, end)).some((a) => a === "--help" || a === "-h");
if (asked && /[\\/](tools|bench)[\\/][^\\/]+\.m?[jt]s$/.test(file)) {
  const lines = readFileSync(file, "utf8").split("\n");
  const head = lines.slice(
    0,
    lines.findIndex((l) => !l.startsWith("//")),
  );
  process.stdout.write(`${head.map((l) => l.replace(/^\/\/ ?/, "")).join("\n")}\n`);
  process.exit(0);
}
