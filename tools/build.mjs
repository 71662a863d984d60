// Builds dist/: one ES module per entry point with shared chunks, scope-hoisted, so that V8 sees constants as constants.
// `--types` adds the declarations (dist/types), as in what is published. `--if-needed` does nothing when dist/ is newer than the sources. `--watch` rebuilds on change.
import "./help.mjs";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const stamp = join(root, "dist/.built");

function newest(dir) {
  let t = 0;
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const p = join(dir, e.name);
    t = Math.max(t, e.isDirectory() ? newest(p) : statSync(p).mtimeMs);
  }
  return t;
}

if (process.argv.includes("--if-needed") && existsSync(stamp)) {
  const built = statSync(stamp).mtimeMs;
  if (newest(join(root, "src")) < built && statSync(join(root, "package-lock.json")).mtimeMs < built) process.exit(0);
}
const { build } = await import("esbuild");
const { top_level_const } = await import("./bundle-const.mjs");
const started = Date.now();
process.stderr.write("building dist/ … ");
rmSync(join(root, "dist"), { recursive: true, force: true });
await build({
  absWorkingDir: root,
  entryPoints: {
    "cli/main": "src/cli/main.ts",
    "api/index": "src/api/index.ts",
    "api/node": "src/api/node.ts",
    "api/web": "src/api/web/index.ts",
    "api/net": "src/api/net.ts",
    "api/dgram": "src/api/dgram.ts",
    "api/dns": "src/api/dns.ts",
    "arch/node/index": "src/arch/node/index.ts",
    "lab/index": "src/lab/index.ts",
    "testing/index": "src/testing/index.ts",
  },
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: true,
  external: ["koffi"],
  packages: "external",
  // esbuild writes top-level constants as `var`, which V8 must take for mutable: about a fifth of the speed.
  plugins: [top_level_const],
  logLevel: "warning",
});
if (process.argv.includes("--types")) {
  const r = spawnSync("npx", ["--no-install", "tsc", "-p", "tsconfig.types.json"], { cwd: root, stdio: "inherit" });
  if (r.status !== 0) process.exit(1);
}
mkdirSync(join(root, "dist"), { recursive: true });
writeFileSync(stamp, "");
process.stderr.write(`done in ${((Date.now() - started) / 1000).toFixed(1)} s\n`);
