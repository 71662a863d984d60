// ls, mkdir, rm, rmdir, cp, mv, touch, chmod, basename, dirname: files by name. Read first: their man pages.
// DIFF: files have neither owner nor time; ls -l shows root and no date.

import { EEXIST, EISDIR, ENOENT, strerror } from "../../uapi/errno.ts";
import {
  O_CREAT,
  O_RDONLY,
  O_TRUNC,
  O_WRONLY,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFSOCK,
} from "../../uapi/fcntl.ts";
import type { Blocking, Program, Stat, Sys } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { print, printError, writeAll } from "../lib/io.ts";
import { usageError } from "./input.ts";

const isDir = (s: Stat | number): s is Stat => typeof s !== "number" && (s.st_mode & S_IFMT) === S_IFDIR;
const join = (dir: string, name: string): string => (dir.endsWith("/") ? dir + name : `${dir}/${name}`);
const last = (path: string): string => /([^/]*)\/*$/.exec(path)![1] || "/";
const MAX_DEPTH = 64;

function* complain(sys: Sys, text: string, err: number): Blocking<number> {
  yield* printError(sys, `${text}: ${strerror(err)}\n`);
  return 1;
}

export const ls: Program = function* (sys, argv) {
  const o = getopt(argv, "laAdR1FhrtSnGiC", [
    "all=a",
    "almost-all=A",
    "directory=d",
    "recursive=R",
    "color::",
    "human-readable=h",
  ]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error, 2);
  let status = 0;
  const files: string[] = [];
  const dirs: string[] = [];
  for (const name of o.operands.length === 0 ? ["."] : [...o.operands].sort()) {
    // A link named on the command line is followed, unless it is itself what shall be shown.
    const s = o.has("l") || o.has("d") || o.has("F") ? sys.lstat(name) : sys.stat(name);
    if (typeof s === "number") {
      yield* complain(sys, `ls: cannot access '${name}'`, s);
      status = 2;
    } else if (isDir(s) && !o.has("d")) dirs.push(name);
    else files.push(name);
  }
  const show = function* (dir: string | undefined, names: string[]): Blocking<void> {
    const rows = (o.has("r") ? [...names].reverse() : names).map((name) => {
      const path = dir === undefined ? name : join(dir, name);
      const s = sys.lstat(path);
      const to = o.has("l") ? sys.readlink(path) : 0;
      return { name, s: typeof s === "number" ? { st_mode: 0, st_size: 0, st_ino: 0 } : s, to };
    });
    const mark = (r: (typeof rows)[number]): string =>
      typeof r.to === "string" ? `${r.name} -> ${r.to}` : r.name + (o.has("F") ? suffix(r.s) : "");
    if (o.has("l")) {
      const width = Math.max(1, ...rows.map((r) => String(r.s.st_size).length));
      if (dir !== undefined) yield* print(sys, "total 0\n");
      for (const r of rows) {
        const size = String(r.s.st_size).padStart(width);
        yield* print(sys, `${modeText(r.s.st_mode)} 1 root root ${size} ${mark(r)}\n`);
      }
    } else if (o.has("1") || !sys.isatty(1)) for (const r of rows) yield* print(sys, `${mark(r)}\n`);
    else yield* print(sys, columns(rows.map(mark), sys.winsize()[0]));
  };
  if (files.length > 0) yield* show(undefined, files);
  const titled = o.operands.length > 1 || o.has("R");
  const walk = function* (dir: string, first: boolean, depth: number): Blocking<void> {
    const all = sys.readdir(dir);
    if (typeof all === "number") {
      yield* complain(sys, `ls: cannot open directory '${dir}'`, all);
      status = 2;
      return;
    }
    let names = all.filter((n) => n !== "." && n !== ".." && (o.has("a") || o.has("A") || !n.startsWith("."))).sort();
    if (o.has("a")) names = [".", "..", ...names];
    if (titled) yield* print(sys, `${first ? "" : "\n"}${dir}:\n`);
    yield* show(dir, names);
    for (const n of o.has("R") && depth < MAX_DEPTH ? names : []) {
      if (n !== "." && n !== ".." && isDir(sys.lstat(join(dir, n)))) yield* walk(join(dir, n), false, depth + 1);
    }
  };
  for (let i = 0; i < dirs.length; i++) yield* walk(dirs[i], i === 0 && files.length === 0, 0);
  return status;
};

function suffix(s: Stat): string {
  const type = s.st_mode & S_IFMT;
  if (type === S_IFDIR) return "/";
  if (type === S_IFLNK) return "@";
  if (type === S_IFIFO) return "|";
  if (type === S_IFSOCK) return "=";
  return type === S_IFCHR || (s.st_mode & 0o111) === 0 ? "" : "*";
}

function modeText(mode: number): string {
  const type = mode & S_IFMT;
  const first =
    type === S_IFLNK
      ? "l"
      : type === S_IFDIR
        ? "d"
        : type === S_IFCHR
          ? "c"
          : type === S_IFIFO
            ? "p"
            : type === S_IFSOCK
              ? "s"
              : "-";
  const bits = [..."rwxrwxrwx"].map((c, i) => (mode & (0o400 >> i) ? c : "-")).join("");
  return first + bits;
}

/** Down, then across, as ls on a terminal. */
function columns(names: string[], width: number): string {
  if (names.length === 0) return "";
  for (let rows = 1; ; rows++) {
    const cols = Math.ceil(names.length / rows);
    const widths = Array.from({ length: cols }, (_, c) =>
      Math.max(...names.slice(c * rows, (c + 1) * rows).map((n) => n.length)),
    );
    if (rows < names.length && widths.reduce((a, b) => a + b + 2, -2) > width) continue;
    let out = "";
    for (let r = 0; r < rows; r++) {
      const line = widths.map((w, c) => (names[c * rows + r] ?? "").padEnd(w)).join("  ");
      out += `${line.trimEnd()}\n`;
    }
    return out;
  }
}

export const readlink: Program = function* (sys, argv) {
  const o = getopt(argv, "femnqsvz", ["canonicalize=f", "no-newline=n", "verbose=v", "quiet=q", "silent=s"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  let status = 0;
  for (const name of o.operands) {
    const to = o.has("f") || o.has("e") || o.has("m") ? canonical(sys, name) : sys.readlink(name);
    if (typeof to === "string") yield* print(sys, o.has("n") ? to : `${to}\n`);
    else {
      if (o.has("v")) yield* complain(sys, `readlink: ${name}`, to);
      status = 1;
    }
  }
  return status;
};

/** The path without links, "." and "..". All but the last part must exist. */
function canonical(sys: Sys, name: string): string | number {
  let left = (name.startsWith("/") ? name : join(sys.getcwd(), name)).split("/");
  const done: string[] = [];
  for (let links = 0; left.length > 0; ) {
    const [part, ...rest] = left;
    left = rest;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const path = `/${[...done, part].join("/")}`;
    const to = sys.readlink(path);
    if (typeof to === "string" && ++links <= MAX_DEPTH) {
      if (to.startsWith("/")) done.length = 0;
      left = [...to.split("/"), ...left];
      continue;
    }
    if (typeof sys.lstat(path) === "number" && left.some((p) => p !== "")) return -ENOENT;
    done.push(part);
  }
  return `/${done.join("/")}`;
}

export const mkdir: Program = function* (sys, argv) {
  const o = getopt(argv, "pvm:", ["parents=p", "verbose=v", "mode:=m"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  let status = 0;
  for (const path of o.operands) {
    let err = 0;
    if (!o.has("p")) err = sys.mkdir(path, 0o755);
    else {
      let at = path.startsWith("/") ? "/" : "";
      for (const part of path.split("/").filter((p) => p !== "")) {
        at = at === "" || at === "/" ? at + part : `${at}/${part}`;
        err = isDir(sys.stat(at)) ? 0 : sys.mkdir(at, 0o755);
        if (err < 0) break;
      }
    }
    if (err < 0) status = yield* complain(sys, `mkdir: cannot create directory '${path}'`, err);
  }
  return status;
};

export const rmdir: Program = function* (sys, argv) {
  const o = getopt(argv, "pv");
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  let status = 0;
  for (const path of o.operands) {
    const err = sys.rmdir(path);
    if (err < 0) status = yield* complain(sys, `rmdir: failed to remove '${path}'`, err);
  }
  return status;
};

export const rm: Program = function* (sys, argv) {
  const o = getopt(argv, "rRfivd", ["recursive=r", "force=f", "verbose=v"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return o.has("f") ? 0 : yield* usageError(sys, argv, "missing operand");
  const recursive = o.has("r") || o.has("R");
  let status = 0;
  const remove = function* (path: string, depth: number): Blocking<void> {
    const s = sys.stat(path);
    let err = typeof s === "number" ? s : 0;
    if (err === 0 && isDir(s)) {
      const names = recursive && depth < MAX_DEPTH ? sys.readdir(path) : -EISDIR;
      if (typeof names === "number") err = names;
      else {
        for (const n of names) if (n !== "." && n !== "..") yield* remove(join(path, n), depth + 1);
        err = sys.rmdir(path);
      }
    } else if (err === 0) err = sys.unlink(path);
    if (err < 0 && !(o.has("f") && err === -2)) status = yield* complain(sys, `rm: cannot remove '${path}'`, err);
  };
  for (const path of o.operands) {
    if (/^(?:.*\/)?\.\.?\/*$/.test(path) && recursive) {
      yield* printError(sys, `rm: refusing to remove '.' or '..' directory: skipping '${path}'\n`);
      status = 1;
    } else yield* remove(path, 0);
  }
  return status;
};

function* copyFile(sys: Sys, from: string, to: string): Blocking<string | undefined> {
  const input = sys.open(from, O_RDONLY);
  if (input < 0) return `cannot open '${from}' for reading: ${strerror(input)}`;
  const output = sys.open(to, O_WRONLY | O_CREAT | O_TRUNC, 0o644);
  if (output < 0) {
    sys.close(input);
    return `cannot create regular file '${to}': ${strerror(output)}`;
  }
  const buf = new Uint8Array(16384);
  let failed: string | undefined;
  for (;;) {
    const n = yield* sys.read(input, buf);
    const err = n > 0 ? yield* writeAll(sys, output, buf.slice(0, n)) : n;
    if (err < 0) failed = `error copying '${from}' to '${to}': ${strerror(err)}`;
    if (n <= 0 || err < 0) break;
  }
  sys.close(input);
  sys.close(output);
  return failed;
}

function* copyTree(
  sys: Sys,
  from: string,
  to: string,
  recursive: boolean,
  depth: number,
): Blocking<string | undefined> {
  const s = sys.stat(from);
  if (typeof s === "number") return `cannot stat '${from}': ${strerror(s)}`;
  if (!isDir(s)) return yield* copyFile(sys, from, to);
  if (!recursive) return `-r not specified; omitting directory '${from}'`;
  if (depth > MAX_DEPTH || `${to}/`.startsWith(`${from}/`))
    return `cannot copy a directory, '${from}', into itself, '${to}'`;
  const err = sys.mkdir(to, 0o755);
  if (err < 0 && err !== -EEXIST) return `cannot create directory '${to}': ${strerror(err)}`;
  const names = sys.readdir(from);
  if (typeof names === "number") return `cannot access '${from}': ${strerror(names)}`;
  for (const n of names) {
    if (n === "." || n === "..") continue;
    const failed = yield* copyTree(sys, join(from, n), join(to, n), true, depth + 1);
    if (failed !== undefined) return failed;
  }
  return undefined;
}

/** cp and mv share their operands: SOURCE DEST, or SOURCE… FOLDER. */
function* copyOrMove(sys: Sys, argv: readonly string[], move: boolean): Blocking<number> {
  const o = getopt(argv, "rRafpivnTu", ["recursive=r", "archive=a", "force=f"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing file operand");
  if (o.operands.length === 1) {
    return yield* usageError(sys, argv, `missing destination file operand after '${o.operands[0]}'`);
  }
  const target = o.operands[o.operands.length - 1];
  const into = isDir(sys.stat(target));
  if (o.operands.length > 2 && !into) {
    yield* printError(sys, `${argv[0]}: target '${target}' is not a directory\n`);
    return 1;
  }
  let status = 0;
  for (const from of o.operands.slice(0, -1)) {
    const to = into ? join(target, last(from)) : target;
    const same = sys.stat(from);
    const there = sys.stat(to);
    if (typeof same !== "number" && typeof there !== "number" && same.st_ino === there.st_ino) {
      yield* printError(sys, `${argv[0]}: '${from}' and '${to}' are the same file\n`);
      status = 1;
      continue;
    }
    const failed = yield* copyTree(sys, from, to, move || o.has("r") || o.has("R") || o.has("a"), 0);
    if (failed !== undefined) {
      yield* printError(sys, `${argv[0]}: ${failed}\n`);
      status = 1;
    } else if (move) yield* rm(sys, ["mv", "-rf", from]);
  }
  return status;
}

export const cp: Program = function* (sys, argv) {
  return yield* copyOrMove(sys, argv, false);
};

export const mv: Program = function* (sys, argv) {
  return yield* copyOrMove(sys, argv, true);
};

export const touch: Program = function* (sys, argv) {
  const o = getopt(argv, "acmd:t:r:", ["no-create=c"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing file operand");
  let status = 0;
  for (const path of o.operands) {
    if (typeof sys.stat(path) !== "number" || o.has("c")) continue;
    const fd = sys.open(path, O_WRONLY | O_CREAT, 0o644);
    if (fd < 0) status = yield* complain(sys, `touch: cannot touch '${path}'`, fd);
    else sys.close(fd);
  }
  return status;
};

/** Permissions are not enforced: everyone is root. The names must exist. */
export const chmod: Program = function* (sys, argv) {
  const operands = argv.slice(1).filter((a) => !/^-[RvfcHLP]+$/.test(a));
  if (operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  if (operands.length === 1) return yield* usageError(sys, argv, `missing operand after '${operands[0]}'`);
  let status = 0;
  for (const path of operands.slice(1)) {
    const s = sys.stat(path);
    if (typeof s === "number") status = yield* complain(sys, `${argv[0]}: cannot access '${path}'`, s);
  }
  return status;
};

export const basename: Program = function* (sys, argv) {
  const o = getopt(argv, "+as:", ["multiple=a", "suffix:=s"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  const many = o.has("a") || o.has("s");
  if (!many && o.operands.length > 2) return yield* usageError(sys, argv, `extra operand '${o.operands[2]}'`);
  const end = o.get("s") ?? (many ? "" : (o.operands[1] ?? ""));
  for (const path of many ? o.operands : o.operands.slice(0, 1)) {
    const name = path === "" ? "" : last(path);
    yield* print(sys, `${end !== "" && name !== end && name.endsWith(end) ? name.slice(0, -end.length) : name}\n`);
  }
  return 0;
};

export const dirname: Program = function* (sys, argv) {
  const o = getopt(argv, "z");
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  for (const path of o.operands) {
    const m = /^(.*?)\/*[^/]+\/*$/.exec(path);
    const dir = m === null ? (path.startsWith("/") ? "/" : ".") : m[1] !== "" ? m[1] : path.startsWith("/") ? "/" : ".";
    yield* print(sys, `${dir}\n`);
  }
  return 0;
};
