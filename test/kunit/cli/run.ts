// Runs the command line as a shell does, from the sources. Way in: skbuff(["lab", …]).
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../..", import.meta.url));
const script = `import("${root}src/cli/main.ts").then((m) => m.main(process.argv.slice(1))).then((c) => { process.exitCode = c; })`;

export function skbuff(args: string[]): { code: number | null; out: string; err: string } {
  const r = spawnSync(process.execPath, ["--import", "tsx", "-e", script, "--", ...args], {
    cwd: root,
    encoding: "utf8",
  });
  return { code: r.status, out: r.stdout, err: r.stderr };
}
