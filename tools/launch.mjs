// What a fresh clone lacks (dependencies, build) is made first, with progress on stderr. Way in: launch(argv).
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** Runs npm ci when node_modules is missing or older than the lockfile. */
export function ensureDependencies() {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 20) fail(`skbuff needs Node 20 or later; this is ${process.version}`);
  const marker = join(root, "node_modules/.package-lock.json");
  const lock = join(root, "package-lock.json");
  if (existsSync(marker) && (!existsSync(lock) || statSync(marker).mtimeMs >= statSync(lock).mtimeMs)) return;
  process.stderr.write("installing dependencies (npm ci) …\n");
  const r = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (r.status !== 0) fail("npm ci failed: see above; with network trouble, run it again");
}

export function ensureBuild() {
  // An installed package brings dist/ and has no sources to build from.
  if (!existsSync(join(root, "src"))) return;
  const r = spawnSync(process.execPath, [join(root, "tools/build.mjs"), "--if-needed"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (r.status !== 0) fail("the build failed: see above");
}

export async function launch(argv) {
  if (existsSync(join(root, "src"))) ensureDependencies();
  ensureBuild();
  const { main } = await import(pathToFileURL(join(root, "dist/cli/main.js")).href);
  process.exitCode = await main(argv);
}
