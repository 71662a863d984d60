// Every script of test/packetdrill against the kernel of this computer: one that Linux fails is wrong. Needs root and TUN.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { prerequisites } from "./rig.ts";

const here = dirname(fileURLToPath(import.meta.url));
const dir = join(here, "../packetdrill");
const folders = readdirSync(dir, { withFileTypes: true })
  .filter((e) => e.isDirectory())
  .map((e) => e.name)
  .sort();

for (const folder of folders)
  test(`packetdrill: ${folder} on Linux`, { skip: prerequisites("tc", "sysctl") }, async () => {
    const files = readdirSync(join(dir, folder))
      .filter((f) => f.endsWith(".pkt"))
      .map((f) => join(dir, folder, f));
    // A process of its own: it moves into namespaces of its own.
    const child = spawn(process.execPath, ["--import", "tsx", join(here, "packetdrill_kernel.ts"), ...files]);
    let out = "";
    child.stdout.on("data", (b) => {
      out += b;
    });
    child.stderr.on("data", (b) => {
      out += b;
    });
    await new Promise((r) => child.on("exit", r));
    const lines = out.split("\n").filter((l) => l !== "");
    assert.deepEqual(
      lines.filter((l) => !l.startsWith("ok ")),
      [],
    );
    assert.equal(lines.length, files.length);
  });
