// taskset(1) of util-linux 2.38: runs a command on chosen CPUs, or moves a task. Read first: taskset(1). Way in: `taskset`.

import { strerror } from "../uapi/errno.ts";
import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import { getopt } from "./lib/getopt.ts";
import { print, printError, readFile } from "./lib/io.ts";
import { TASKSET_USAGE } from "./lib/usage_procps.ts";

export const taskset: Program = function* (sys, argv) {
  const o = getopt(argv, "+apchV", ["all-tasks=a", "pid=p", "cpu-list=c", "help=h", "version=V"]);
  const bad = function* (text: string, status = 1): Blocking<number> {
    yield* printError(sys, `taskset: ${text}\n`);
    return status;
  };
  const usage = function* (text: string): Blocking<number> {
    yield* printError(sys, `${text}\nTry 'taskset --help' for more information.\n`);
    return 1;
  };
  if (o.error !== undefined) return yield* usage(o.error);
  if (o.has("h")) {
    yield* print(sys, TASKSET_USAGE);
    return 0;
  }
  if (o.has("V")) {
    yield* print(sys, "taskset from util-linux 2.38.1\n");
    return 0;
  }
  const list = o.has("c");
  const words = o.operands;
  if (words.length === 0 || (!o.has("p") && words.length < 2)) return yield* usage("taskset: bad usage");
  const what = list ? "list" : "mask";
  const show = (mask: number): string => (list ? cpuList(mask) : mask.toString(16));

  if (o.has("p")) {
    const pidText = words[words.length - 1];
    if (!/^\d+$/.test(pidText)) return yield* bad(`invalid PID argument: '${pidText}'`);
    const pid = Number(pidText);
    const before = yield* affinity(sys, pid);
    if (before < 0) return yield* bad(`failed to get pid ${pid}'s affinity: ${strerror(before)}`);
    yield* print(sys, `pid ${pid}'s current affinity ${what}: ${show(before)}\n`);
    if (words.length === 1) return 0;
    const mask = list ? parseList(words[0]) : parseMask(words[0]);
    if (mask === undefined) return yield* bad(`failed to parse CPU ${what}: ${words[0]}`);
    const err = sys.sched_setaffinity(pid, mask);
    if (err < 0) return yield* bad(`failed to set pid ${pid}'s affinity: ${strerror(err)}`);
    yield* print(sys, `pid ${pid}'s new affinity ${what}: ${show(mask)}\n`);
    return 0;
  }

  const mask = list ? parseList(words[0]) : parseMask(words[0]);
  if (mask === undefined) return yield* bad(`failed to parse CPU ${what}: ${words[0]}`);
  const pid = sys.getpid();
  const err = sys.sched_setaffinity(pid, mask);
  if (err < 0) return yield* bad(`failed to set pid ${pid}'s affinity: ${strerror(err)}`);
  const program = sys.lookup_program(words[1]);
  if (program === null) return yield* bad(`failed to execute ${words[1]}: No such file or directory`, 127);
  return yield* sys.execve(program, words.slice(1), sys.env);
};

/** The mask that /proc shows, all CPUs where it shows none, or -ESRCH. */
function* affinity(sys: Sys, pid: number): Blocking<number> {
  const text = yield* readFile(sys, `/proc/${pid}/status`);
  if (typeof text === "string") {
    const m = /^Cpus_allowed:\s*([0-9a-f,]+)/m.exec(text);
    if (m !== null) return Number.parseInt(m[1].replaceAll(",", ""), 16);
  } else if (sys.kill(pid, 0) < 0) return -3;
  const stat = yield* readFile(sys, "/proc/stat");
  const cpus = typeof stat === "string" ? (stat.match(/^cpu\d+/gm)?.length ?? 1) : 1;
  return 2 ** cpus - 1;
}

function parseMask(text: string): number | undefined {
  const hex = text.replace(/^0x/, "").replaceAll(",", "");
  return /^[0-9a-fA-F]+$/.test(hex) && hex.length <= 13 ? Number.parseInt(hex, 16) : undefined;
}

/** "0,3,7-11" and strides "0-7:2". */
function parseList(text: string): number | undefined {
  let mask = 0;
  for (const part of text.split(",")) {
    const m = /^(\d+)(?:-(\d+)(?::(\d+))?)?$/.exec(part);
    if (m === null) return undefined;
    const from = Number(m[1]);
    const to = Number(m[2] ?? m[1]);
    const step = Number(m[3] ?? 1);
    if (to < from || step === 0 || to > 51) return undefined;
    for (let cpu = from; cpu <= to; cpu += step) if (Math.floor(mask / 2 ** cpu) % 2 === 0) mask += 2 ** cpu;
  }
  return mask;
}

/** Runs of three and more become ranges; two stay apart. */
function cpuList(mask: number): string {
  const cpus: number[] = [];
  for (let cpu = 0; 2 ** cpu <= mask; cpu++) if (Math.floor(mask / 2 ** cpu) % 2 === 1) cpus.push(cpu);
  const parts: string[] = [];
  for (let i = 0; i < cpus.length; ) {
    let end = i;
    while (cpus[end + 1] === cpus[end] + 1) end++;
    if (end - i >= 2) parts.push(`${cpus[i]}-${cpus[end]}`);
    else for (let k = i; k <= end; k++) parts.push(String(cpus[k]));
    i = end + 1;
  }
  return parts.join(",");
}
