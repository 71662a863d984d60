// sysctl(8) of procps-ng 4.0.2: reads and writes /proc/sys. Read first: sysctl(8), sysctl.conf(5). Way in: `sysctl`.

import { EACCES, EINVAL, ENOENT, EPERM, strerror } from "../uapi/errno.ts";
import { O_WRONLY, S_IFDIR, S_IFMT } from "../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../uapi/sys.ts";
import { getopt, type Options } from "./lib/getopt.ts";
import { encode, print, printError, readFile, readFileOrInput } from "./lib/io.ts";
import { SYSCTL_USAGE } from "./lib/usage_procps.ts";

const ROOT = "/proc/sys/";
const DEFAULT_FILE = "/etc/sysctl.conf";

/** Superseded by names that end in _ms: left out of listings. */
const DEPRECATED = new Set(["base_reachable_time", "retrans_time"]);

interface Setting {
  key: string;
  value: string;
  /** A "-" before the key: a failure does not count. */
  forgiving: boolean;
}

export const sysctl: Program = function* (sys, argv) {
  const o = getopt(argv, "bneNwfp::qoxaAXr:Vdh", [
    "all=a",
    "deprecated",
    "dry-run",
    "binary=b",
    "ignore=e",
    "names=N",
    "values=n",
    "load::=p",
    "quiet=q",
    "write=w",
    "system",
    "pattern:=r",
    "help=h",
    "version=V",
  ]);
  if (o.error !== undefined) {
    yield* printError(sys, `${o.error}\n`);
    yield* print(sys, SYSCTL_USAGE);
    return 0;
  }
  if (o.has("h") || o.has("d")) {
    yield* print(sys, SYSCTL_USAGE);
    return 0;
  }
  if (o.has("V")) {
    yield* print(sys, "sysctl from procps-ng 4.0.2\n");
    return 0;
  }
  if (o.has("a") || o.has("A") || o.has("X")) return yield* new Sysctl(sys, o).showAll();
  if (o.has("p") || o.has("f") || o.has("system")) return yield* new Sysctl(sys, o).load();
  if (o.operands.length === 0) {
    if (argv.length === 1) {
      yield* printError(sys, SYSCTL_USAGE);
      return 1;
    }
    yield* printError(sys, "sysctl: no variables specified\nTry `sysctl --help' for more information.\n");
    return 1;
  }
  return yield* new Sysctl(sys, o).words();
};

class Sysctl {
  private readonly sys: Sys;
  private readonly o: Options;
  private readonly pattern: RegExp | undefined;

  constructor(sys: Sys, o: Options) {
    this.sys = sys;
    this.o = o;
    const text = o.get("r");
    try {
      this.pattern = text === undefined ? undefined : new RegExp(text);
    } catch {
      this.pattern = /^\b$/;
    }
  }

  *words(): Blocking<number> {
    const write = this.o.has("w");
    const settings: Setting[] = [];
    let failures = 0;
    for (const word of this.o.operands) {
      const eq = word.indexOf("=");
      if (eq >= 0 || write) {
        const setting = parseLine(word);
        if (setting === undefined) {
          yield* printError(this.sys, "sysctl: command line(0): invalid syntax, continuing...\n");
          failures++;
        } else settings.push(setting);
      } else if (!(yield* this.show(toPath(word)))) failures++;
    }
    for (const s of settings) if (!(yield* this.set(s))) failures++;
    return Math.min(failures, 255);
  }

  *load(): Blocking<number> {
    const named = this.o.get("p") ?? this.o.operands[0];
    const files = named === undefined ? [DEFAULT_FILE] : [named, ...this.o.operands.filter((f) => f !== named)];
    let failures = 0;
    for (const file of files) {
      const text = yield* readFileOrInput(this.sys, file);
      if (typeof text === "number") {
        yield* printError(this.sys, `sysctl: cannot open "${file}": ${strerror(text)}\n`);
        return 1;
      }
      const settings: Setting[] = [];
      const lines = text.split("\n");
      for (let i = 0; i < lines.length; i++) {
        const line = lines[i].trim();
        if (line === "" || line.startsWith("#") || line.startsWith(";")) continue;
        const setting = parseLine(line);
        if (setting !== undefined) settings.push(setting);
        else yield* printError(this.sys, `sysctl: ${file}(${i + 1}): invalid syntax, continuing...\n`);
      }
      for (const s of settings) if (!(yield* this.set(s)) && !s.forgiving) failures++;
    }
    return failures > 0 ? 1 : 0;
  }

  *showAll(): Blocking<number> {
    yield* this.walk(ROOT);
    return 0;
  }

  private *walk(dir: string): Blocking<void> {
    const names = this.sys.readdir(dir);
    if (typeof names === "number") return;
    for (const name of [...names].sort()) {
      if (name === "." || name === ".." || (DEPRECATED.has(name) && !this.o.has("deprecated"))) continue;
      yield* this.show(`${dir}${dir.endsWith("/") ? "" : "/"}${name}`, true);
    }
  }

  /** A value, or all values below a directory. False when it is not there. */
  private *show(path: string, quiet = false): Blocking<boolean> {
    const stat = this.sys.stat(path);
    if (typeof stat === "number") {
      if (!this.o.has("e")) yield* printError(this.sys, `sysctl: cannot stat ${path}: ${strerror(stat)}\n`);
      return this.o.has("e");
    }
    if ((stat.st_mode & S_IFMT) === S_IFDIR) {
      yield* this.walk(path);
      return true;
    }
    const key = toKey(path);
    if (this.pattern !== undefined && !this.pattern.test(key)) return true;
    // Some are there only to be written.
    if ((stat.st_mode & 0o444) === 0) return true;
    if (this.o.has("N")) {
      yield* print(this.sys, `${key}\n`);
      return true;
    }
    const text = yield* readFile(this.sys, path);
    if (typeof text === "number") {
      if (!quiet) yield* printError(this.sys, `sysctl: reading key "${key}": ${strerror(text)}\n`);
      return false;
    }
    yield* this.printValue(key, text.replace(/\n$/, ""));
    return true;
  }

  private *printValue(key: string, value: string): Blocking<void> {
    let text = "";
    for (const line of value.split("\n")) {
      if (this.o.has("N")) text += `${key}\n`;
      else if (this.o.has("b")) text += line;
      else if (this.o.has("n")) text += `${line}\n`;
      else text += `${key} = ${line}\n`;
    }
    yield* print(this.sys, text);
  }

  private *set(s: Setting): Blocking<boolean> {
    if (s.key === "") return false;
    const path = toPath(s.key);
    const key = toKey(path);
    if (this.pattern !== undefined && !this.pattern.test(key)) return true;
    const stat = this.sys.stat(path);
    if (typeof stat === "number") {
      if (stat === -ENOENT && this.o.has("e")) return true;
      yield* printError(this.sys, `sysctl: cannot stat ${path}: ${strerror(stat)}\n`);
      return false;
    }
    if ((stat.st_mode & S_IFMT) === S_IFDIR) {
      yield* printError(this.sys, `sysctl: setting key "${key}": ${strerror(EINVAL)}\n`);
      return false;
    }
    const err = this.o.has("dry-run") ? 0 : yield* this.write(path, s.value);
    if (err < 0) {
      const denied = err === -EACCES || err === -EPERM;
      const text = denied ? `permission denied on key "${key}"` : `setting key "${key}": ${strerror(err)}`;
      yield* printError(this.sys, `sysctl: ${text}\n`);
      return false;
    }
    if (!this.o.has("q")) yield* this.printValue(key, s.value);
    return true;
  }

  private *write(path: string, value: string): Blocking<number> {
    const fd = this.sys.open(path, O_WRONLY);
    if (fd < 0) return fd;
    const n = yield* this.sys.write(fd, encode(`${value}\n`));
    this.sys.close(fd);
    return Math.min(n, 0);
  }
}

function parseLine(line: string): Setting | undefined {
  const forgiving = line.startsWith("-");
  const body = forgiving ? line.slice(1) : line;
  const eq = body.indexOf("=");
  if (eq < 0) return undefined;
  return { key: body.slice(0, eq).trim(), value: body.slice(eq + 1).trim(), forgiving };
}

/** The first separator decides which of "." and "/" separates; the other belongs to a name, as in "eth0/100". */
function toPath(key: string): string {
  if (key.startsWith("/")) return key.startsWith(ROOT) ? key : `${ROOT}${key.slice(1)}`;
  const first = /[./]/.exec(key)?.[0];
  if (first !== ".") return ROOT + key;
  return ROOT + [...key].map((c) => (c === "." ? "/" : c === "/" ? "." : c)).join("");
}

function toKey(path: string): string {
  return [...path.slice(ROOT.length)].map((c) => (c === "/" ? "." : c === "." ? "/" : c)).join("");
}
