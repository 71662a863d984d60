// ./skbuff in a clone: when it installs, and that it starts without a network from what is there.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL("../../..", import.meta.url));
const lock = (version: string): string =>
  JSON.stringify({
    packages: {
      "": { name: "x" },
      "node_modules/a": { version, integrity: `sha512-${version}` },
      "node_modules/other-platform": { version: "1.0.0", optional: true },
    },
  });

/** A clone whose `npm` writes that it ran, and ends with `status`. */
function clone(
  status: number,
  installed: string | null,
): { run: () => { status: number | null; err: string }; dir: string; ran: () => boolean } {
  const dir = mkdtempSync(join(tmpdir(), "skbuff-launch-"));
  mkdirSync(join(dir, "tools"));
  mkdirSync(join(dir, "bin"));
  cpSync(join(here, "tools/launch.mjs"), join(dir, "tools/launch.mjs"));
  writeFileSync(join(dir, "package-lock.json"), lock("2.0.0"));
  if (installed !== null) {
    mkdirSync(join(dir, "node_modules/a"), { recursive: true });
    writeFileSync(join(dir, "node_modules/.package-lock.json"), lock(installed));
    utimesSync(join(dir, "node_modules/.package-lock.json"), 1, 1);
  }
  writeFileSync(
    join(dir, "bin/npm"),
    `#!/bin/sh\ntouch ran\nrm -rf node_modules\n[ ${status} = 0 ] && mkdir node_modules\nexit ${status}\n`,
  );
  chmodSync(join(dir, "bin/npm"), 0o755);
  const run = (): { status: number | null; err: string } => {
    const r = spawnSync(process.execPath, ["-e", 'import("./tools/launch.mjs").then((m) => m.ensureDependencies())'], {
      cwd: dir,
      encoding: "utf8",
      env: { ...process.env, PATH: `${join(dir, "bin")}:${process.env.PATH}` },
    });
    return { status: r.status, err: r.stderr };
  };
  return { run, dir, ran: () => existsSync(join(dir, "ran")) };
}

test("what is installed as the lockfile says needs no npm, whatever the times of the files", () => {
  const c = clone(1, "2.0.0");
  assert.deepEqual(c.run(), { status: 0, err: "" });
  assert.equal(c.ran(), false);
  rmSync(c.dir, { recursive: true });
});

test("another lockfile: npm ci; when that fails, a warning, and the packages that were there stay", () => {
  const c = clone(1, "1.0.0");
  const r = c.run();
  assert.equal(r.status, 0);
  assert.equal(c.ran(), true);
  assert.match(
    r.err,
    /warning: npm ci failed; going on with the packages that are there, though node_modules\/a is not/,
  );
  assert.deepEqual(readdirSync(join(c.dir, "node_modules")).sort(), [".package-lock.json", "a"]);
  assert.equal(existsSync(join(c.dir, ".node_modules-before")), false);
  rmSync(c.dir, { recursive: true });
  const ok = clone(0, "1.0.0");
  assert.equal(ok.run().status, 0);
  assert.deepEqual(readdirSync(join(ok.dir, "node_modules")), []);
  assert.equal(existsSync(join(ok.dir, ".node_modules-before")), false);
  rmSync(ok.dir, { recursive: true });
});

test("no node_modules and no npm: an end, with what to do", () => {
  const c = clone(1, null);
  const r = c.run();
  assert.equal(r.status, 1);
  assert.match(r.err, /the dependencies are not installed and npm ci failed .*run `npm ci` in this folder/);
  rmSync(c.dir, { recursive: true });
});
