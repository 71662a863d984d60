// test(1) and `[`: POSIX's rules by number of arguments, then -a, -o, ! and parentheses.
// Way in: `evalTestArgs(sys, args, fds)`.

import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } from "../../uapi/fcntl.ts";
import type { Sys } from "../../uapi/sys.ts";

/** The answer, or bash's words for what is wrong (status 2). */
export type TestResult = boolean | { error: string };

const BINARY = ["=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"];

export function isFileTest(op: string): boolean {
  return /^-[abcdefghkprstuwxGLNOS]$/.test(op);
}

export function fileTest(sys: Sys, op: string, value: string, fds: readonly number[] = [0, 1, 2]): boolean {
  if (op === "-t") return /^\d+$/.test(value) && sys.isatty(fds[Number(value)] ?? -1);
  const link = op === "-h" || op === "-L";
  const s = value === "" ? -2 : link ? sys.lstat(value) : sys.stat(value);
  if (typeof s === "number") return false;
  const type = s.st_mode & S_IFMT;
  switch (op) {
    case "-d":
      return type === S_IFDIR;
    case "-f":
      return type === S_IFREG;
    case "-c":
      return type === S_IFCHR;
    case "-p":
      return type === S_IFIFO;
    case "-S":
      return type === S_IFSOCK;
    case "-h":
    case "-L":
      return type === S_IFLNK;
    case "-s":
      return s.st_size > 0;
    case "-b":
    case "-g":
    case "-k":
    case "-u":
      return false;
    case "-r":
      return (s.st_mode & 0o444) !== 0 || type === S_IFDIR;
    case "-w": {
      // root may write everything but what has no writer, as most of /proc.
      if (type === S_IFDIR || (s.st_mode & 0o222) !== 0) return true;
      return false;
    }
    case "-x":
      return type === S_IFDIR || (s.st_mode & 0o111) !== 0;
    default:
      return true;
  }
}

export function evalTestArgs(
  sys: Sys,
  args: readonly string[],
  options: { fds?: readonly number[]; isSet?: (name: string) => boolean } = {},
): TestResult {
  const fds = options.fds ?? [0, 1, 2];
  let at = 0;

  const unary = (op: string, value: string): TestResult => {
    if (op === "-n") return value !== "";
    if (op === "-z") return value === "";
    if (op === "-v" || op === "-o") return options.isSet?.(value) ?? false;
    if (isFileTest(op)) return fileTest(sys, op, value, fds);
    return { error: `${op}: unary operator expected` };
  };
  const binary = (left: string, op: string, right: string): TestResult => {
    switch (op) {
      case "=":
      case "==":
        return left === right;
      case "!=":
        return left !== right;
      case "<":
        return left < right;
      case ">":
        return left > right;
      case "-nt":
      case "-ot":
        return { error: `${op}: files here have no times to compare` };
      case "-ef": {
        const a = sys.stat(left);
        const b = sys.stat(right);
        return typeof a !== "number" && typeof b !== "number" && a.st_ino === b.st_ino;
      }
    }
    for (const v of [left, right])
      if (!/^\s*[-+]?\d+\s*$/.test(v)) return { error: `${v}: integer expression expected` };
    const a = BigInt(left.trim().replace(/^\+/, ""));
    const b = BigInt(right.trim().replace(/^\+/, ""));
    switch (op) {
      case "-eq":
        return a === b;
      case "-ne":
        return a !== b;
      case "-lt":
        return a < b;
      case "-le":
        return a <= b;
      case "-gt":
        return a > b;
      default:
        return a >= b;
    }
  };
  const isUnary = (op: string): boolean => op === "-n" || op === "-z" || op === "-v" || isFileTest(op);
  const not = (r: TestResult): TestResult => (typeof r === "boolean" ? !r : r);

  /** POSIX: up to four arguments have one reading each. */
  const few = (a: readonly string[]): TestResult | undefined => {
    switch (a.length) {
      case 0:
        return false;
      case 1:
        return a[0] !== "";
      case 2:
        if (a[0] === "!") return a[1] === "";
        if (isUnary(a[0])) return unary(a[0], a[1]);
        return { error: `${a[0]}: unary operator expected` };
      case 3:
        if (BINARY.includes(a[1])) return binary(a[0], a[1], a[2]);
        if (a[1] === "-a") return a[0] !== "" && a[2] !== "";
        if (a[1] === "-o") return a[0] !== "" || a[2] !== "";
        if (a[0] === "!") return not(few(a.slice(1))!);
        if (a[0] === "(" && a[2] === ")") return a[1] !== "";
        return { error: `${a[1]}: binary operator expected` };
      case 4:
        if (a[0] === "!") return not(few(a.slice(1))!);
        if (a[0] === "(" && a[3] === ")") return few(a.slice(1, 3));
        return undefined;
      default:
        return undefined;
    }
  };

  const or = (depth: number): TestResult => {
    let left = and(depth);
    while (args[at] === "-o") {
      at++;
      const right = and(depth);
      if (typeof left !== "boolean") return left;
      if (typeof right !== "boolean") return right;
      left = left || right;
    }
    return left;
  };
  const and = (depth: number): TestResult => {
    let left = primary(depth);
    while (args[at] === "-a") {
      at++;
      const right = primary(depth);
      if (typeof left !== "boolean") return left;
      if (typeof right !== "boolean") return right;
      left = left && right;
    }
    return left;
  };
  const primary = (depth: number): TestResult => {
    if (at >= args.length) return { error: "argument expected" };
    if (depth > 100) return { error: "nested too deeply" };
    if (args[at + 1] !== undefined && BINARY.includes(args[at + 1]) && args[at + 2] !== undefined) {
      at += 3;
      return binary(args[at - 3], args[at - 2], args[at - 1]);
    }
    if (args[at] === "!") {
      at++;
      return not(primary(depth + 1));
    }
    if (args[at] === "(") {
      at++;
      const inner = or(depth + 1);
      if (args[at] !== ")") return { error: "`)' expected" };
      at++;
      return inner;
    }
    if (isUnary(args[at]) && args[at + 1] !== undefined) {
      at += 2;
      return unary(args[at - 2], args[at - 1]);
    }
    return args[at++] !== "";
  };

  const result = few(args);
  if (result !== undefined) return result;
  const r = or(0);
  if (typeof r === "boolean" && at < args.length) return { error: "too many arguments" };
  return r;
}
