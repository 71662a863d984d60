// dmesg(1) of util-linux 2.38: the kernel's log. Read first: dmesg(1). Way in: `dmesg`.

import { CLOCK_MONOTONIC, CLOCK_REALTIME } from "../uapi/fcntl.ts";
import type { Program, Sys } from "../uapi/sys.ts";
import { getopt } from "./lib/getopt.ts";
import { print, printError } from "./lib/io.ts";
import { DMESG_USAGE } from "./lib/usage_procps.ts";

const LEVELS = ["emerg", "alert", "crit", "err", "warn", "notice", "info", "debug"];

export const dmesg: Program = function* (sys, argv) {
  const o = getopt(argv, "CcDdEeF:f:HhJkL::l:n:iPprSs:TtuVwWx", [
    "clear=C",
    "read-clear=c",
    "console-off=D",
    "console-on=E",
    "show-delta=d",
    "reltime=e",
    "facility:=f",
    "human=H",
    "help=h",
    "json=J",
    "kernel=k",
    "level:=l",
    "console-level:=n",
    "nopager=P",
    "force-prefix=p",
    "raw=r",
    "noescape",
    "syslog=S",
    "ctime=T",
    "notime=t",
    "time-format:",
    "userspace=u",
    "version=V",
    "follow=w",
    "follow-new=W",
    "decode=x",
    "color::=L",
  ]);
  if (o.error !== undefined) {
    yield* printError(sys, `${o.error}\nTry 'dmesg --help' for more information.\n`);
    return 1;
  }
  if (o.has("h")) {
    yield* print(sys, DMESG_USAGE);
    return 0;
  }
  if (o.has("V")) {
    yield* print(sys, "dmesg from util-linux 2.38.1\n");
    return 0;
  }
  if (o.operands.length > 0) {
    yield* printError(sys, "dmesg: bad usage\nTry 'dmesg --help' for more information.\n");
    return 1;
  }
  const chosen = new Set<number>();
  for (const word of o.get("l")?.split(",") ?? []) {
    const level = LEVELS.indexOf(word);
    if (level < 0) {
      yield* printError(sys, `dmesg: unknown level '${word}'\n`);
      return 1;
    }
    chosen.add(level);
  }
  // DIFF: the log here cannot be cleared, and has no console to turn off.
  if (o.has("C") || o.has("D") || o.has("E") || o.has("n") || o.has("u")) return 0;

  const named = o.get("time-format");
  const format =
    named ??
    (o.has("T") ? "ctime" : o.has("t") ? "notime" : o.has("d") ? "delta" : o.has("e") || o.has("H") ? "reltime" : "");
  if (named !== undefined && !["delta", "reltime", "ctime", "notime", "iso"].includes(named)) {
    yield* printError(sys, `dmesg: unknown time format: ${named}\n`);
    return 1;
  }
  const lines = sys.syslog();
  const json: string[] = [];
  let text = "";
  let previous: number | undefined;
  let minute = "";
  const boot = bootTime(sys);
  for (const line of lines) {
    if (chosen.size > 0 && !chosen.has(line.level)) continue;
    const us = Math.floor(line.ts_ns / 1000);
    const delta = previous === undefined ? 0 : us - previous;
    previous = us;
    if (o.has("J")) {
      const msg = line.text.replace(/["\\]/g, (c) => `\\${c}`);
      json.push(`{\n         "pri": ${line.level},\n         "time": ${stamp(us)},\n         "msg": "${msg}"\n      }`);
      continue;
    }
    if (o.has("r")) {
      text += `<${line.level}>[${stamp(us)}] ${line.text}\n`;
      continue;
    }
    if (o.has("x")) text += `kern  :${LEVELS[line.level & 7].padEnd(6)}: `;
    const date = new Date(boot + us / 1000);
    switch (format) {
      case "notime":
        break;
      case "ctime":
        text += `[${ctime(date)}] `;
        break;
      case "delta":
        text += `[${stamp(us)} <${stamp(delta)}>] `;
        break;
      case "iso":
        text += `${date.toISOString().slice(0, 19)},${String(us % 1e6).padStart(6, "0")}+00:00 `;
        break;
      case "reltime": {
        const now = `${MONTHS[date.getUTCMonth()]}${String(date.getUTCDate()).padStart(2)} ${clock(date).slice(0, 5)}`;
        text += now === minute ? `[${`+${(delta / 1e6).toFixed(6)}`.padStart(11)}] ` : `[${now}] `;
        minute = now;
        break;
      }
      default:
        text += `[${stamp(us)}] `;
    }
    text += `${line.text}\n`;
  }
  if (o.has("J")) text = `{\n   "dmesg": [\n      ${json.join(",")}\n   ]\n}\n`;
  yield* print(sys, text);
  return 0;
};

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** "    0.000000". */
function stamp(us: number): string {
  return `${String(Math.floor(us / 1e6)).padStart(5)}.${String(us % 1e6).padStart(6, "0")}`;
}

/** ms of CLOCK_REALTIME when the machine started. */
function bootTime(sys: Sys): number {
  return (sys.clock_gettime(CLOCK_REALTIME) - sys.clock_gettime(CLOCK_MONOTONIC)) / 1e6;
}

function clock(d: Date): string {
  return d.toISOString().slice(11, 19);
}

function ctime(d: Date): string {
  const day = String(d.getUTCDate()).padStart(2);
  return `${DAYS[d.getUTCDay()]} ${MONTHS[d.getUTCMonth()]} ${day} ${clock(d)} ${d.getUTCFullYear()}`;
}
