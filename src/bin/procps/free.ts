// free: memory of the machine, from /proc/meminfo, in the columns of procps 4.0. Read first: free(1). Way in: `free(sys, argv)`.

import type { Program } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { print, printError, readFile } from "../lib/io.ts";

const HELP = `
Usage:
 free [options]

Options:
 -b, --bytes         show output in bytes
     --kilo          show output in kilobytes
     --mega          show output in megabytes
     --giga          show output in gigabytes
 -k, --kibi          show output in kibibytes
 -m, --mebi          show output in mebibytes
 -g, --gibi          show output in gibibytes
 -h, --human         show human-readable output
     --si            use powers of 1000 not 1024
 -t, --total         show total for RAM + swap
 -s N, --seconds N   repeat printing every N seconds
 -c N, --count N     repeat printing N times, then exit
 -w, --wide          wide output

     --help     display this help and exit

For more details see free(1).
`;

const LONG = [
  ...["bytes=b", "kibi=k", "mebi=m", "gibi=g", "human=h", "total=t", "wide=w", "seconds:=s", "count:=c"],
  ...["kilo", "mega", "giga", "si", "help"],
];
/** Power of 1024, or of 1000 for the names in full. */
const UNITS: Readonly<Record<string, number>> = { b: 0, k: 1, m: 2, g: 3, kilo: 1, mega: 2, giga: 3 };

/** As free -h: the first unit in which it has at most three places. */
function human(bytes: number, base: number): string {
  for (const [i, unit] of ["B", "Ki", "Mi", "Gi", "Ti", "Pi"].entries()) {
    const v = bytes / base ** i;
    const name = base === 1000 ? unit.replace("i", "") : unit;
    if (i === 0 && v < 1000) return `${v}${name}`;
    if (i > 0 && v < 9.95) return `${v.toFixed(1)}${name}`;
    if (i > 0 && v < 1000) return `${Math.floor(v)}${name}`;
  }
  return String(bytes);
}

export const free: Program = function* (sys, argv) {
  const o = getopt(argv, "bkmghtws:c:", LONG);
  if (o.error !== undefined) {
    yield* printError(sys, `${o.error}\n${HELP}`);
    return 1;
  }
  if (o.has("help")) {
    yield* print(sys, HELP);
    return 0;
  }
  const number = (name: string, fallback: number): number => {
    const v = o.get(name);
    return v === undefined ? fallback : /^\d+(\.\d+)?$/.test(v) ? Number(v) : Number.NaN;
  };
  const seconds = number("s", 1);
  const count = number("c", o.has("s") ? Number.POSITIVE_INFINITY : 1);
  for (const [v, what] of [
    [seconds, `seconds argument \`${o.get("s")}' failed`],
    [count, `failed to parse count argument: '${o.get("c")}'`],
  ] as const) {
    if (v > 0) continue;
    yield* printError(sys, `free: ${what}\n`);
    return 1;
  }
  const chosen = o.list.findLast((e) => Object.hasOwn(UNITS, e.name))?.name ?? "k";
  const base = o.has("si") || chosen.length > 1 ? 1000 : 1024;
  const show = (kib: number): string =>
    o.has("h") ? human(kib * 1024, base) : String(Math.floor((kib * 1024) / base ** UNITS[chosen]));
  const row = (label: string, values: readonly string[]): string =>
    `${label.padEnd(9)}${values.map((v) => v.padStart(11)).join(" ")}\n`;
  const heads = o.has("w") ? ["buffers", "cache"] : ["buff/cache"];
  for (let i = 0; ; ) {
    const text = yield* readFile(sys, "/proc/meminfo");
    if (typeof text === "number") {
      yield* printError(sys, "free: Unable to create meminfo structure\n");
      return 1;
    }
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(text)?.[1] ?? 0);
    const [total, unused, buffers] = ["MemTotal", "MemFree", "Buffers"].map(field);
    const cache = field("Cached") + field("SReclaimable");
    const available = /^MemAvailable:/m.test(text) ? field("MemAvailable") : unused;
    const used = total - available;
    const swap = [field("SwapTotal"), field("SwapTotal") - field("SwapFree"), field("SwapFree")];
    const caches = o.has("w") ? [buffers, cache] : [buffers + cache];
    let out = row("", ["total", "used", "free", "shared", ...heads, "available"]);
    out += row("Mem:", [total, used, unused, field("Shmem"), ...caches, available].map(show));
    out += row("Swap:", swap.map(show));
    if (o.has("t")) out += row("Total:", [total + swap[0], used + swap[1], unused + swap[2]].map(show));
    if (++i >= count) {
      yield* print(sys, out);
      return 0;
    }
    yield* print(sys, `${out}\n`);
    if ((yield* sys.nanosleep(seconds * 1e9)) < 0) return 0;
  }
};
