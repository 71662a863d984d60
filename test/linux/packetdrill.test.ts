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

/** Played with AF_INET6 sockets and mapped addresses, too: Linux passes all folders so, but each takes its real time. */
const MAPPED = ["handshake", "icmp", "udp"];
const runs = [
  ...folders.map((folder) => ({ folder, name: folder, options: [] as string[] })),
  ...MAPPED.map((folder) => ({ folder, name: `${folder}, mapped,`, options: ["--ip_version=ipv4-mapped-ipv6"] })),
];

for (const { folder, name, options } of runs)
  test(`packetdrill: ${name} on Linux`, { skip: prerequisites("tc", "sysctl") }, async () => {
    const files = readdirSync(join(dir, folder))
      .filter((f) => f.endsWith(".pkt"))
      .map((f) => join(dir, folder, f));
    // A process of its own: it moves into namespaces of its own.
    const program = join(here, "packetdrill_kernel.ts");
    const child = spawn(process.execPath, ["--import", "tsx", program, ...options, ...files]);
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
