// Typechecks the core without any platform (types: []), then everything.
import "./help.mjs";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
let failed = false;
for (const project of ["tsconfig.core.json", "tsconfig.json"]) {
  const r = spawnSync("npx", ["--no-install", "tsc", "-p", project], { cwd: root, stdio: "inherit" });
  if (r.status !== 0) failed = true;
}
process.exit(failed ? 1 : 0);
