// dd: copies in blocks. Read first: dd(1). Way in: `dd`.

import { strerror } from "../../uapi/errno.ts";
import { O_APPEND, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from "../../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { printError, writeAll } from "../lib/io.ts";

const SUFFIXES: Readonly<Record<string, number>> = {
  "": 1,
  c: 1,
  w: 2,
  b: 512,
  kB: 1000,
  k: 1024,
  K: 1024,
  KiB: 1024,
  MB: 1e6,
  M: 2 ** 20,
  MiB: 2 ** 20,
  GB: 1e9,
  G: 2 ** 30,
  GiB: 2 ** 30,
};
const MAX_BLOCK = 1 << 28;
const SEEK_CUR = 1;

/** "1k", "2x512": a number with its unit, or a product of such. */
function parseNumber(text: string): number | undefined {
  let product = 1;
  for (const part of text.split("x")) {
    const m = /^(\d+)([a-zA-Z]*)$/.exec(part);
    const unit = m === null ? undefined : SUFFIXES[m[2]];
    if (m === null || unit === undefined) return undefined;
    product *= Number(m[1]) * unit;
  }
  return product;
}

/** As GNU prints sizes: one digit behind the point below ten. */
function human(n: number, base: 1000 | 1024): string {
  const units = base === 1000 ? ["B", "kB", "MB", "GB", "TB"] : ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= base && i < units.length - 1) {
    n /= base;
    i++;
  }
  return i === 0 ? `${Math.round(n)} B` : `${n < 100 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

function summary(bytes: number, ns: number): string {
  const sizes = bytes >= 1000 ? ` (${human(bytes, 1000)}, ${human(bytes, 1024)})` : "";
  const rate = ns > 0 ? human((bytes * 1e9) / ns, 1000) : "Infinity B";
  return `${bytes} bytes${sizes} copied, ${Number((ns / 1e9).toPrecision(6))} s, ${rate}/s\n`;
}

interface Job {
  input: string | undefined;
  output: string | undefined;
  ibs: number;
  obs: number;
  count: number;
  skip: number;
  seek: number;
  trunc: boolean;
  append: boolean;
  status: string;
}

/** The job, or what is wrong with an operand. */
function parseOperands(args: readonly string[]): Job | { wrong: string; help: boolean } {
  const job: Job = {
    input: undefined,
    output: undefined,
    ibs: 512,
    obs: 512,
    count: Number.POSITIVE_INFINITY,
    skip: 0,
    seek: 0,
    trunc: true,
    append: false,
    status: "",
  };
  for (const arg of args) {
    const m = /^([a-z]+)=(.*)$/s.exec(arg);
    const [name, v] = m === null ? ["", ""] : [m[1], m[2]];
    if (name === "if") job.input = v;
    else if (name === "of") job.output = v;
    else if (name === "status") {
      if (!["none", "noxfer", "progress"].includes(v)) return { wrong: `invalid status level: '${v}'`, help: true };
      job.status = v;
    } else if (name === "conv" || name === "oflag" || name === "iflag") {
      for (const word of v.split(",")) {
        if (word === "notrunc") job.trunc = false;
        else if (name === "oflag" && word === "append") job.append = true;
        // What a file of memory cannot tell apart. DIFF: no other conversion.
        else if (!(name === "conv" ? ["fsync", "fdatasync"] : ["sync", "dsync", "direct", "fullblock"]).includes(word))
          return { wrong: `invalid ${name === "conv" ? "conversion" : `${name[0]}put flag`}: '${word}'`, help: true };
      }
    } else if (["bs", "ibs", "obs", "count", "skip", "seek"].includes(name)) {
      const n = parseNumber(v);
      const block = name.endsWith("bs");
      if (n === undefined || (block && (n === 0 || n > MAX_BLOCK)))
        return { wrong: `invalid number: '${v}'`, help: false };
      if (name === "bs" || name === "ibs") job.ibs = n;
      if (name === "bs" || name === "obs") job.obs = n;
      if (name === "count") job.count = n;
      if (name === "skip") job.skip = n;
      if (name === "seek") job.seek = n;
    } else return { wrong: `unrecognized operand '${arg}'`, help: true };
  }
  return job;
}

/** Moves `bytes` on: by seeking, or by reading where that cannot be. */
function* skipInput(sys: Sys, fd: number, bytes: number, block: number): Blocking<void> {
  if (bytes === 0 || sys.lseek(fd, bytes, SEEK_CUR) >= 0) return;
  const buf = new Uint8Array(block);
  for (let left = bytes; left > 0; ) {
    const n = yield* sys.read(fd, buf.subarray(0, Math.min(block, left)));
    if (n <= 0) return;
    left -= n;
  }
}

export const dd: Program = function* (sys, argv) {
  const job = parseOperands(argv.slice(1));
  if ("wrong" in job) {
    const help = job.help ? "Try 'dd --help' for more information.\n" : "";
    yield* printError(sys, `dd: ${job.wrong}\n${help}`);
    return 1;
  }
  const opened: number[] = [];
  const open = function* (path: string, flags: number): Blocking<number> {
    const fd = sys.open(path, flags, 0o644);
    if (fd < 0) yield* printError(sys, `dd: failed to open '${path}': ${strerror(fd)}\n`);
    else opened.push(fd);
    return fd;
  };
  const input = job.input === undefined ? 0 : yield* open(job.input, O_RDONLY);
  // With seek= what is in front of it stays.
  const keep = job.trunc && job.seek === 0 && !job.append ? O_TRUNC : 0;
  const flags = O_WRONLY | O_CREAT | keep | (job.append ? O_APPEND : 0);
  const output = input < 0 ? input : job.output === undefined ? 1 : yield* open(job.output, flags);
  let status = output < 0 ? 1 : 0;
  if (status === 0) {
    const start = sys.clock_gettime(1);
    yield* skipInput(sys, input, job.skip * job.ibs, job.ibs);
    if (job.seek > 0) sys.lseek(output, job.seek * job.obs, SEEK_CUR);
    const buf = new Uint8Array(job.ibs);
    let [full, partial, bytes] = [0, 0, 0];
    while (full + partial < job.count) {
      const n = yield* sys.read(input, buf);
      if (n < 0) {
        yield* printError(sys, `dd: error reading '${job.input ?? "standard input"}': ${strerror(n)}\n`);
        status = 1;
      }
      if (n <= 0) break;
      const err = yield* writeAll(sys, output, buf.subarray(0, n));
      if (err < 0) {
        yield* printError(sys, `dd: error writing '${job.output ?? "standard output"}': ${strerror(err)}\n`);
        status = 1;
        break;
      }
      bytes += n;
      if (n === job.ibs) full++;
      else partial++;
    }
    const whole = Math.floor(bytes / job.obs);
    const same = job.ibs === job.obs;
    const out = same ? `${full}+${partial}` : `${whole}+${bytes % job.obs === 0 ? 0 : 1}`;
    if (job.status !== "none") yield* printError(sys, `${full}+${partial} records in\n${out} records out\n`);
    if (job.status !== "none" && job.status !== "noxfer")
      yield* printError(sys, summary(bytes, sys.clock_gettime(1) - start));
  }
  for (const fd of opened) sys.close(fd);
  return status;
};
