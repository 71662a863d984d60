// What a fresh clone lacks (dependencies, build) is made first, with progress on stderr. Way in: launch(argv).
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");

function fail(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}

/** What of the lockfile is not installed as it says: "" when all is. Contents are compared, not times: git and copies change those. */
export function dependenciesMissing(lockText, installedText) {
  if (installedText === null) return "node_modules";
  const wanted = JSON.parse(lockText).packages ?? {};
  const there = JSON.parse(installedText).packages ?? {};
  for (const [path, w] of Object.entries(wanted)) {
    if (path === "") continue;
    const t = there[path];
    if (t === undefined) {
      // For another platform, or left out on purpose (npm ci --omit).
      if (w.optional || w.devOptional || w.peer) continue;
      return path;
    }
    if (t.version !== w.version || (w.integrity !== undefined && t.integrity !== w.integrity)) return path;
  }
  return "";
}

/** Runs npm ci when what is installed is not what the lockfile says. */
export function ensureDependencies() {
  const [major] = process.versions.node.split(".").map(Number);
  if (major < 20) fail(`skbuff needs Node 20 or later; this is ${process.version}`);
  const read = (file) => (existsSync(join(root, file)) ? readFileSync(join(root, file), "utf8") : null);
  const modules = join(root, "node_modules");
  const aside = join(root, ".node_modules-before");
  // An installation that was interrupted.
  if (!existsSync(modules) && existsSync(aside)) renameSync(aside, modules);
  const lock = read("package-lock.json");
  const installed = read("node_modules/.package-lock.json");
  if (lock === null && installed !== null) return;
  let missing;
  try {
    missing = dependenciesMissing(lock ?? "{}", installed);
  } catch {
    missing = "node_modules/.package-lock.json";
  }
  if (missing === "") return;
  process.stderr.write("installing dependencies (npm ci) …\n");
  // npm ci removes node_modules first: what is there goes aside, so that without a network it can come back.
  const had = existsSync(modules);
  if (had) {
    rmSync(aside, { recursive: true, force: true });
    renameSync(modules, aside);
  }
  // Without a network npm's own patience is more than a minute.
  const patience = ["--fetch-retries=1", "--fetch-retry-mintimeout=500", "--fetch-retry-maxtimeout=2000"];
  const r = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error", ...patience], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (r.status === 0) {
    rmSync(aside, { recursive: true, force: true });
    return;
  }
  if (!had) {
    fail(
      "the dependencies are not installed and npm ci failed (see above): with a network, run `npm ci` in this folder;" +
        " without one, copy node_modules of another clone here",
    );
  }
  rmSync(modules, { recursive: true, force: true });
  renameSync(aside, modules);
  process.stderr.write(
    `warning: npm ci failed; going on with the packages that are there, though ${missing} is not what package-lock.json says` +
      " (with a network, run `npm ci` in this folder)\n",
  );
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
