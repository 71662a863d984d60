// cat, head, tail, wc, tee, seq, yes: text that flows through. Read first: their man pages (GNU coreutils 9).

import { strerror } from "../../uapi/errno.ts";
import { O_APPEND, O_CREAT, O_TRUNC, O_WRONLY, S_IFMT, S_IFREG } from "../../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { decode, LineReader, print, printError, readAll, writeAll } from "../lib/io.ts";
import { eachInput, parseCount, usageError } from "./input.ts";

export const cat: Program = function* (sys, argv) {
  const o = getopt(argv, "nbsuvAET", ["number=n"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  let line = 0;
  let same = 0;
  const output = sys.fstat(1);
  const status = yield* eachInput(sys, argv, o.operands, function* (fd, name) {
    const input = sys.fstat(fd);
    if (typeof input !== "number" && typeof output !== "number" && input.st_ino === output.st_ino) {
      if ((input.st_mode & S_IFMT) === S_IFREG && input.st_size > 0 && input.st_ino !== 0) {
        yield* printError(sys, `cat: ${name}: input file is output file\n`);
        same = 1;
        return 0;
      }
    }
    if (o.list.length === 0) return yield* copy(sys, fd);
    const reader = new LineReader(sys, fd);
    for (let text = yield* reader.next(); text !== null; text = yield* reader.next()) {
      const number = o.has("n") || (o.has("b") && text !== "") ? `${String(++line).padStart(6)}\t` : "";
      const end = o.has("E") || o.has("A") ? "$" : "";
      yield* print(sys, `${number}${text}${end}${reader.terminated ? "\n" : ""}`);
    }
    return reader.error;
  });
  return status || same;
};

/** To standard output as it comes. 0 or -errno. */
function* copy(sys: Sys, fd: number): Blocking<number> {
  const buf = new Uint8Array(16384);
  for (;;) {
    const n = yield* sys.read(fd, buf);
    if (n <= 0) return n;
    const err = yield* writeAll(sys, 1, buf.subarray(0, n));
    if (err < 0) return err;
  }
}

export const head: Program = function* (sys, argv) {
  const o = getopt(numeric(argv), "n:c:qv", ["lines:=n", "bytes:=c", "quiet=q", "verbose=v"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const what = o.get("c") ?? o.get("n") ?? "10";
  const count = parseCount(what);
  if (count === null) {
    yield* printError(sys, `head: invalid number of ${o.has("c") ? "bytes" : "lines"}: '${what}'\n`);
    return 1;
  }
  let first = true;
  return yield* eachInput(sys, argv, o.operands, function* (fd, name) {
    if ((o.operands.length > 1 && !o.has("q")) || o.has("v")) {
      yield* print(sys, `${first ? "" : "\n"}==> ${name === "-" ? "standard input" : name} <==\n`);
    }
    first = false;
    if (o.has("c")) return yield* headBytes(sys, fd, count.n);
    const reader = new LineReader(sys, fd);
    const held: string[] = [];
    for (let i = 0; count.sign === "-" || i < count.n; i++) {
      const text = yield* reader.next();
      if (text === null) break;
      held.push(text + (reader.terminated ? "\n" : ""));
      if (held.length > (count.sign === "-" ? count.n : 0)) yield* print(sys, held.shift()!);
    }
    return reader.error;
  });
};

function* headBytes(sys: Sys, fd: number, bytes: number): Blocking<number> {
  let left = bytes;
  while (left > 0) {
    const buf = new Uint8Array(Math.min(left, 16384));
    const n = yield* sys.read(fd, buf);
    if (n <= 0) return n;
    yield* writeAll(sys, 1, buf.subarray(0, n));
    left -= n;
  }
  return 0;
}

/** head -5 is head -n 5. */
function numeric(argv: readonly string[]): string[] {
  return argv.map((a, i) => (i === 1 && /^-\d+$/.test(a) ? `-n${a.slice(1)}` : a));
}

export const tail: Program = function* (sys, argv) {
  const o = getopt(numeric(argv), "n:c:fqv", ["lines:=n", "bytes:=c", "follow=f", "quiet=q"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const what = o.get("c") ?? o.get("n") ?? "10";
  const count = parseCount(what);
  if (count === null) {
    yield* printError(sys, `tail: invalid number of ${o.has("c") ? "bytes" : "lines"}: '${what}'\n`);
    return 1;
  }
  let first = true;
  return yield* eachInput(sys, argv, o.operands, function* (fd, name) {
    if (o.operands.length > 1 && !o.has("q")) yield* print(sys, `${first ? "" : "\n"}==> ${name} <==\n`);
    first = false;
    const bytes = yield* readAll(sys, fd);
    if (typeof bytes === "number") return bytes;
    yield* writeAll(sys, 1, bytes.subarray(tailStart(bytes, count, o.has("c"))));
    while (o.has("f")) {
      const err = yield* copy(sys, fd);
      if (err < 0) return err;
      if ((yield* sys.nanosleep(200_000_000)) < 0) return 0;
    }
    return 0;
  });
};

function tailStart(bytes: Uint8Array, count: { n: number; sign: string }, inBytes: boolean): number {
  if (inBytes) return count.sign === "+" ? Math.max(0, count.n - 1) : Math.max(0, bytes.length - count.n);
  if (count.sign === "+") {
    let at = 0;
    for (let i = 1; i < count.n && at < bytes.length; i++) {
      const nl = bytes.indexOf(10, at);
      at = nl < 0 ? bytes.length : nl + 1;
    }
    return at;
  }
  let at = bytes.length;
  if (at > 0 && bytes[at - 1] === 10) at--;
  for (let i = 0; i < count.n; i++) {
    if (at <= 0) return 0;
    const nl = bytes.lastIndexOf(10, at - 1);
    if (nl < 0) return 0;
    at = nl;
  }
  return count.n === 0 ? bytes.length : at + 1;
}

export const wc: Program = function* (sys, argv) {
  const o = getopt(argv, "lwcm", ["lines=l", "words=w", "bytes=c", "chars=m"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const want = o.list.length > 0 ? ["l", "w", "m", "c"].filter((f) => o.has(f)) : ["l", "w", "c"];
  const rows: [number[], string][] = [];
  const status = yield* eachInput(sys, argv, o.operands, function* (fd, name) {
    const bytes = yield* readAll(sys, fd);
    if (typeof bytes === "number") return bytes;
    const text = decode(bytes);
    const counts: Record<string, number> = {
      l: bytes.reduce((n, b) => n + (b === 10 ? 1 : 0), 0),
      w: text.split(/\s+/).filter((w) => w !== "").length,
      m: [...text].length,
      c: bytes.length,
    };
    rows.push([want.map((f) => counts[f]), o.operands.length === 0 ? "" : name]);
    return 0;
  });
  if (o.operands.length > 1) rows.push([want.map((_, i) => rows.reduce((n, r) => n + r[0][i], 0)), "total"]);
  // GNU sizes its columns by the file sizes; a pipe of unknown size counts as 7 digits.
  const input = o.operands.length === 0 ? sys.fstat(0) : -1;
  const piped = typeof input === "number" || (input.st_mode & S_IFMT) !== S_IFREG;
  const widest = Math.max(1, ...rows.flatMap((r) => r[0].map((n) => String(n).length)));
  const width = want.length === 1 && rows.length === 1 ? 1 : o.operands.length === 0 && piped ? 7 : widest;
  for (const [counts, name] of rows) {
    yield* print(sys, `${counts.map((n) => String(n).padStart(width)).join(" ")}${name === "" ? "" : ` ${name}`}\n`);
  }
  return status;
};

export const tee: Program = function* (sys, argv) {
  const o = getopt(argv, "ai", ["append=a"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  let status = 0;
  const fds = [1];
  for (const name of o.operands) {
    const fd = sys.open(name, O_WRONLY | O_CREAT | (o.has("a") ? O_APPEND : O_TRUNC), 0o644);
    if (fd >= 0) fds.push(fd);
    else {
      yield* printError(sys, `tee: ${name}: ${strerror(fd)}\n`);
      status = 1;
    }
  }
  const buf = new Uint8Array(16384);
  for (let n = yield* sys.read(0, buf); n > 0; n = yield* sys.read(0, buf)) {
    for (const fd of fds) yield* writeAll(sys, fd, buf.slice(0, n));
  }
  return status;
};

export const seq: Program = function* (sys, argv) {
  let separator = "\n";
  let equal = false;
  let at = 1;
  for (; at < argv.length && /^-[^\d.]/.test(argv[at]); at++) {
    if (argv[at] === "-w") equal = true;
    else if (argv[at] === "-s") separator = argv[++at] ?? "\n";
    else if (argv[at].startsWith("-s")) separator = argv[at].slice(2);
    else return yield* usageError(sys, argv, `invalid option -- '${argv[at].slice(1, 2)}'`);
  }
  const words = argv.slice(at);
  if (words.length === 0) return yield* usageError(sys, argv, "missing operand");
  if (words.length > 3) return yield* usageError(sys, argv, `extra operand '${words[3]}'`);
  for (const w of words) {
    if (w === "" || Number.isNaN(Number(w)))
      return yield* usageError(sys, argv, `invalid floating point argument: '${w}'`);
  }
  const [first, step, last] =
    words.length === 1
      ? [1, 1, Number(words[0])]
      : words.length === 2
        ? [Number(words[0]), 1, Number(words[1])]
        : words.map(Number);
  if (step === 0) return yield* usageError(sys, argv, `invalid Zero increment value: '${words[1]}'`);
  const places = Math.min(
    20,
    Math.max(...words.slice(0, words.length === 1 ? 1 : -1).map((w) => /\.(\d*)$/.exec(w)?.[1].length ?? 0)),
  );
  const format = (n: number): string => n.toFixed(words.length === 1 ? 0 : places);
  const width = equal ? Math.max(format(first).length, format(last).length) : 0;
  let out = "";
  const count = Math.floor((last - first) / step + 1e-10);
  for (let i = 0; i <= count; i++) {
    const t = format(first + i * step);
    out +=
      (i > 0 ? separator : "") +
      (t.startsWith("-") ? `-${t.slice(1).padStart(width - 1, "0")}` : t.padStart(width, "0"));
    if (out.length > 8192) {
      if ((yield* print(sys, out)) < 0) return 1;
      out = "";
    }
  }
  if (count >= 0) yield* print(sys, `${out}\n`);
  return 0;
};

export const yes: Program = function* (sys, argv) {
  const line = `${argv.slice(1).join(" ") || "y"}\n`;
  const block = line.repeat(Math.max(1, Math.floor(4096 / line.length)));
  for (;;) if ((yield* print(sys, block)) < 0) return 1;
};
