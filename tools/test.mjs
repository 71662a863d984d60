// npm test: builds, typechecks, and runs every test. `npm test -- --fast` leaves out types, layers and the real kernel.
// `npm test -- test/kunit/net` runs what lies under the given paths only.
import "./help.mjs";
import { spawnSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuild, ensureDependencies } from "./launch.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const args = process.argv.slice(2);
const fast = args.includes("--fast");
const only = args.filter((a) => !a.startsWith("--"));

ensureDependencies();

function run(name, command, argv, env = {}) {
  const started = Date.now();
  process.stdout.write(`== ${name}\n`);
  const r = spawnSync(command, argv, { cwd: root, stdio: "inherit", env: { ...process.env, ...env } });
  const ok = r.status === 0;
  process.stdout.write(
    `== ${name}: ${ok ? "ok" : `failed (${r.status ?? r.signal})`}, ${((Date.now() - started) / 1000).toFixed(1)} s\n`,
  );
  return ok;
}

function find(dir, out = []) {
  for (const e of readdirSync(dir, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const p = join(dir, e.name);
    if (e.isDirectory()) find(p, out);
    else if (e.name.endsWith(".test.ts")) out.push(relative(root, p));
  }
  return out;
}

function tests(name, paths, env) {
  const files = paths.flatMap((p) => {
    const abs = join(root, p);
    try {
      return statSync(abs).isDirectory() ? find(abs) : [relative(root, abs)];
    } catch {
      return [];
    }
  });
  if (files.length === 0) return true;
  return run(
    `${name} (${files.length} files)`,
    process.execPath,
    ["--import", "tsx", "--test", "--test-reporter=spec", ...files],
    env,
  );
}

const results = [];
ensureBuild();
if (only.length > 0) {
  results.push(tests("tests", only));
} else {
  if (!fast) {
    results.push(run("types", process.execPath, ["tools/typecheck.mjs"]));
    results.push(run("layers", process.execPath, ["tools/check-layers.mjs"]));
    results.push(run("trace functions", process.execPath, ["tools/gen-trace-fns.mjs", "--check"]));
    results.push(run("rare fields", process.execPath, ["tools/gen-rare.mjs", "--check"]));
  }
  results.push(tests("unit tests", ["test/kunit"]));
  results.push(tests("machine to machine", ["test/selftests"]));
  results.push(tests("fuzz", ["test/fuzz"]));
  if (!fast) results.push(tests("against the real kernel", ["test/linux"]));
}
process.exit(results.every(Boolean) ? 0 : 1);
