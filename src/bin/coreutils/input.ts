// What the filters share: files named on the command line or standard input, usage errors in GNU's words.
// Way in: `eachInput()`, `usageError()`, `parseOptions()`.

import { strerror } from "../../uapi/errno.ts";
import { O_RDONLY } from "../../uapi/fcntl.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { printError } from "../lib/io.ts";

/** Opens each named file ("-" and none: standard input), runs `body`, closes it. Status 1 when one was missing. */
export function* eachInput(
  sys: Sys,
  argv: readonly string[],
  files: readonly string[],
  body: (fd: number, name: string) => Blocking<number>,
): Blocking<number> {
  let status = 0;
  for (const name of files.length === 0 ? ["-"] : files) {
    const fd = name === "-" ? 0 : sys.open(name, O_RDONLY);
    if (fd < 0) {
      yield* printError(sys, `${argv[0]}: ${name}: ${strerror(fd)}\n`);
      status = 1;
      continue;
    }
    const err = yield* body(fd, name);
    if (err < 0) {
      yield* printError(sys, `${argv[0]}: ${name}: ${strerror(err)}\n`);
      status = 1;
    }
    if (fd !== 0) sys.close(fd);
  }
  return status;
}

/** "head: …" and where help would be; the status. */
export function* usageError(sys: Sys, argv: readonly string[], text: string | undefined, status = 1): Blocking<number> {
  const line = text === undefined ? "" : text.startsWith(`${argv[0]}: `) ? `${text}\n` : `${argv[0]}: ${text}\n`;
  yield* printError(sys, `${line}Try '${argv[0]} --help' for more information.\n`);
  return status;
}

/** "10", "1K", "+3": a count with its sign, or null. */
export function parseCount(text: string): { n: number; sign: "" | "+" | "-" } | null {
  const m = /^([-+]?)(\d{1,15})([bkKMG]?)B?$/.exec(text);
  if (m === null) return null;
  const scale = { "": 1, b: 512, k: 1024, K: 1024, M: 1 << 20, G: 1 << 30 }[m[3]] ?? 1;
  return { n: Number(m[2]) * scale, sign: m[1] as "" | "+" | "-" };
}

/** A duration of sleep, timeout or watch: "1.5", "2m", "0.1s", "1h", "1d"; ns, or null. */
export function parseDuration(text: string): number | null {
  const m = /^(\d+(?:\.\d*)?|\.\d+)([smhd]?)$/.exec(text);
  if (m === null) return text === "infinity" ? Number.MAX_SAFE_INTEGER : null;
  const scale = { "": 1, s: 1, m: 60, h: 3600, d: 86400 }[m[2]] ?? 1;
  return Math.min(Math.round(Number(m[1]) * scale * 1e9), Number.MAX_SAFE_INTEGER);
}
