// Records golden/bash.json: each case through /bin/bash, in an empty folder of its own.

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cases } from "./golden/cases.ts";

const out: { script: string; stdout: string; status: number }[] = [];
for (const script of cases) {
  const dir = mkdtempSync(join(tmpdir(), "sh-"));
  mkdirSync(join(dir, "w"));
  const r = spawnSync("/bin/bash", ["-c", script], {
    cwd: join(dir, "w"),
    env: { HOME: "/root", PATH: "/usr/bin:/bin", LC_ALL: "C.UTF-8" },
    input: "",
    encoding: "utf8",
    timeout: 20_000,
  });
  rmSync(dir, { recursive: true });
  const status = r.status ?? 128 + ({ SIGTERM: 15, SIGINT: 2, SIGKILL: 9 }[r.signal as string] ?? 0);
  out.push({ script, stdout: r.stdout, status });
}
const file = new URL("./golden/bash.json", import.meta.url);
writeFileSync(file, `${JSON.stringify(out, null, 1)}\n`);
console.log(`${out.length} cases recorded`);
