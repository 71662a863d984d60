// Runs a TypeScript program of this project at full speed: one scope-hoisted bundle in a temporary folder, a process of its own.
import "./help.mjs";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { top_level_const } from "./bundle-const.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Returns the exit code. `engine`: another JavaScript engine, as a command; Node's options are for Node alone. */
export async function bundle_and_run(entry, args, node_options = [], engine = null) {
  const dir = mkdtempSync(join(tmpdir(), "skbuff-run-"));
  try {
    const outfile = join(dir, "main.mjs");
    await build({
      absWorkingDir: root,
      entryPoints: [entry],
      outfile,
      bundle: true,
      format: "esm",
      platform: "node",
      target: "node20",
      sourcemap: "inline",
      // Programs of the machine use packages: all of them go in, so that the bundle runs from anywhere.
      banner: { js: 'import { createRequire } from "node:module"; const require = createRequire(import.meta.url);' },
      plugins: [top_level_const],
      logLevel: "error",
    });
    const command = engine ?? [process.execPath, ...node_options, "--enable-source-maps"];
    const r = spawnSync(command[0], [...command.slice(1), outfile, ...args], { stdio: "inherit" });
    if (r.error) console.error(`${command[0]}: ${r.error.message}`);
    return r.status ?? 1;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
