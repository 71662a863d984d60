// Builtins for variables and parameters: export, unset, set, shift, read, local, declare, readonly, let, getopts.

import { EAGAIN, EINTR } from "../../uapi/errno.ts";
import { POLLIN } from "../../uapi/fcntl.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { decode } from "../lib/io.ts";
import { arith } from "./arith.ts";
import { assignText } from "./command.ts";
import { traceQuote } from "./exec.ts";
import type { Context } from "./expand.ts";
import type { Options, Shell, Variable } from "./state.ts";
import { isName, ShellError } from "./state.ts";
import { runTraps } from "./traps.ts";

function parseAssignment(arg: string): { name: string; value: string | undefined; append: boolean } {
  const m = /^([^=+]*)(\+?)=([\s\S]*)$/.exec(arg);
  return m === null
    ? { name: arg, value: undefined, append: false }
    : { name: m[1], value: m[3], append: m[2] === "+" };
}

function show(v: Variable): string {
  if (!Array.isArray(v.value)) return v.value === undefined ? "" : `="${v.value.replace(/[\\"$`]/g, "\\$&")}"`;
  return `=(${v.value.map((e, i) => `[${i}]="${(e ?? "").replace(/[\\"$`]/g, "\\$&")}"`).join(" ")})`;
}

function flagsOf(v: Variable): string {
  const f = `${Array.isArray(v.value) ? "a" : ""}${v.integer ? "i" : ""}${v.readonly ? "r" : ""}${v.exported ? "x" : ""}`;
  return f === "" ? "--" : `-${f}`;
}

function* list(sh: Shell, only: (v: Variable) => boolean): Blocking<number> {
  for (const [name, v] of [...sh.vars].sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (only(v)) yield* sh.out(`declare ${flagsOf(v)} ${name}${show(v)}\n`);
  }
  return 0;
}

/** Applies NAME or NAME=value, and what `change` does to the variable. */
function* each(c: Context, argv: string[], args: string[], change: (v: Variable) => void): Blocking<number> {
  const { sh } = c;
  let status = 0;
  for (const arg of args) {
    const { name, value, append } = parseAssignment(arg);
    if (!isName(name)) {
      yield* sh.error(`${argv[0]}: \`${arg}': not a valid identifier`);
      status = 1;
      continue;
    }
    if (!sh.vars.has(name)) sh.vars.set(name, { value: undefined, exported: false, readonly: false, integer: false });
    const v = sh.vars.get(name)!;
    if (v.readonly && value !== undefined) throw new ShellError(`${name}: readonly variable`);
    if (argv[0] === "declare" || argv[0] === "typeset" || argv[0] === "local") change(v);
    if (value !== undefined) assignText(sh, name, value, append);
    change(sh.vars.get(name)!);
  }
  return status;
}

export function* exportBuiltin(c: Context, argv: string[]): Blocking<number> {
  const o = getopt(argv, "+npf");
  if (o.operands.length === 0) return yield* list(c.sh, (v) => v.exported);
  return yield* each(c, argv, o.operands, (v) => {
    v.exported = !o.has("n");
  });
}

export function* readonly(c: Context, argv: string[]): Blocking<number> {
  const o = getopt(argv, "+paAf");
  if (o.operands.length === 0) return yield* list(c.sh, (v) => v.readonly);
  return yield* each(c, argv, o.operands, (v) => {
    v.readonly = true;
  });
}

export function* local(c: Context, argv: string[]): Blocking<number> {
  const scope = c.sh.scopes.at(-1);
  if (scope === undefined || c.sh.calls === 0) {
    yield* c.sh.error("local: can only be used in a function");
    return 1;
  }
  const o = getopt(argv, "+aAirxnp");
  hide(c.sh, scope, o.operands);
  return yield* each(c, argv, o.operands, attributes(o.list.map((e) => e.name)));
}

/** From here to the end of the function these names are new variables. */
function hide(sh: Shell, scope: Map<string, Variable | undefined>, args: string[]): void {
  for (const arg of args) {
    const { name } = parseAssignment(arg);
    if (!isName(name) || scope.has(name)) continue;
    scope.set(name, sh.vars.get(name));
    sh.vars.set(name, { value: undefined, exported: false, readonly: false, integer: false });
  }
}

function attributes(flags: string[]): (v: Variable) => void {
  return (v) => {
    if (flags.includes("x")) v.exported = true;
    if (flags.includes("i")) v.integer = true;
    if (flags.includes("r")) v.readonly = true;
    if (flags.includes("a") && !Array.isArray(v.value)) v.value = v.value === undefined ? [] : [v.value];
  };
}

export function* declare(c: Context, argv: string[]): Blocking<number> {
  const { sh } = c;
  const o = getopt(argv, "+aAfFgilnprtux");
  if (o.has("A")) {
    yield* sh.error(`${argv[0]}: -A: associative arrays are not supported`);
    return 1;
  }
  if (o.has("f") || o.has("F")) {
    const names = o.operands.length > 0 ? o.operands : [...sh.functions.keys()].sort();
    let status = 0;
    for (const n of names) {
      if (sh.functions.has(n)) yield* sh.out(o.operands.length > 0 ? `${n}\n` : `declare -f ${n}\n`);
      else status = 1;
    }
    return status;
  }
  if (o.operands.length === 0) return yield* list(sh, () => true);
  if (o.has("p")) {
    let status = 0;
    for (const n of o.operands) {
      const v = sh.vars.get(n);
      if (v !== undefined) yield* sh.out(`declare ${flagsOf(v)} ${n}${show(v)}\n`);
      else {
        yield* sh.error(`${argv[0]}: ${n}: not found`);
        status = 1;
      }
    }
    return status;
  }
  const scope = sh.scopes.at(-1);
  if (scope !== undefined && sh.calls > 0 && !o.has("g")) hide(sh, scope, o.operands);
  return yield* each(c, argv, o.operands, attributes(o.list.map((e) => e.name)));
}

export function* unset({ sh }: Context, argv: string[]): Blocking<number> {
  const o = getopt(argv, "+fvn");
  let status = 0;
  for (const name of o.operands) {
    const element = /^([A-Za-z_]\w*)\[(.*)\]$/.exec(name);
    if (element !== null) {
      const v = sh.vars.get(element[1])?.value;
      if (Array.isArray(v)) delete v[Number(arith(sh, element[2]))];
      continue;
    }
    if (o.has("f")) sh.functions.delete(name);
    else if (sh.vars.has(name)) {
      if (!sh.unset(name)) {
        yield* sh.error(`unset: ${name}: cannot unset: readonly variable`);
        status = 1;
      }
    } else if (!o.has("v")) sh.functions.delete(name);
  }
  return status;
}

const SET_FLAGS: Readonly<Record<string, keyof Options>> = {
  e: "errexit",
  u: "nounset",
  x: "xtrace",
  f: "noglob",
  n: "noexec",
};
const SET_NAMES: readonly (keyof Options)[] = ["errexit", "nounset", "xtrace", "noglob", "pipefail", "noexec"];
/** Accepted, of no effect: what they change does not exist here or is always so. */
const SET_IGNORED = ["a", "b", "h", "k", "m", "p", "t", "v", "B", "C", "E", "H", "P", "T"];

export function* set({ sh }: Context, argv: string[]): Blocking<number> {
  if (argv.length === 1) {
    for (const [name, v] of [...sh.vars].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (typeof v.value === "string") yield* sh.out(`${name}=${traceQuote(v.value)}\n`);
      else if (Array.isArray(v.value)) yield* sh.out(`${name}${show(v)}\n`);
    }
    return 0;
  }
  for (let at = 1; at < argv.length; at++) {
    const arg = argv[at];
    if (arg === "--" || arg === "-") {
      sh.params = argv.slice(at + 1);
      return 0;
    }
    if (!/^[-+]./.test(arg)) {
      sh.params = argv.slice(at);
      return 0;
    }
    const on = arg[0] === "-";
    for (const f of arg.slice(1)) {
      if (f === "o") {
        const name = argv[++at];
        if (name === undefined) {
          for (const n of SET_NAMES) yield* sh.out(`${n.padEnd(15)}\t${sh.options[n] ? "on" : "off"}\n`);
        } else if ((SET_NAMES as readonly string[]).includes(name)) sh.options[name as keyof Options] = on;
        else {
          yield* sh.error(`set: ${name}: invalid option name`);
          return 2;
        }
      } else if (Object.hasOwn(SET_FLAGS, f)) sh.options[SET_FLAGS[f]] = on;
      else if (!SET_IGNORED.includes(f)) {
        yield* sh.error(`set: ${arg[0]}${f}: invalid option`);
        return 2;
      }
    }
  }
  return 0;
}

export function* shift({ sh }: Context, argv: string[]): Blocking<number> {
  const n = argv[1] === undefined ? 1 : Number(argv[1]);
  if (!Number.isInteger(n)) {
    yield* sh.error(`shift: ${argv[1]}: numeric argument required`);
    return 1;
  }
  if (n < 0 || n > sh.params.length) return 1;
  sh.params = sh.params.slice(n);
  return 0;
}

export function* read({ sh }: Context, argv: string[]): Blocking<number> {
  const o = getopt(argv, "+rsea:d:n:N:p:t:u:i:");
  if (o.error !== undefined) {
    yield* sh.error(o.error);
    return 2;
  }
  const fd = sh.fds[Number(o.get("u") ?? 0)] ?? -1;
  if (o.has("p") && sh.sys.isatty(fd)) {
    const saved = sh.fds[1];
    sh.fds[1] = sh.fds[2];
    yield* sh.out(o.get("p")!);
    sh.fds[1] = saved;
  }
  const limit = Number(o.get("n") ?? o.get("N") ?? 1 << 24);
  const delimiter = o.get("d");
  const end = delimiter === undefined ? 10 : delimiter === "" ? 0 : delimiter.charCodeAt(0) & 0xff;
  const timeout = o.has("t") ? Number(o.get("t")) : -1;
  if (!(limit >= 0) || Number.isNaN(timeout)) {
    yield* sh.error("read: invalid number");
    return 1;
  }
  const deadline = sh.sys.clock_gettime(1) + timeout * 1e9;
  const bytes: number[] = [];
  const escaped: boolean[] = [];
  const one = new Uint8Array(1);
  let status = 0;
  let backslash = false;
  while (bytes.length < limit) {
    if (timeout >= 0) {
      const left = Math.max(0, Math.ceil((deadline - sh.sys.clock_gettime(1)) / 1e6));
      if ((yield* sh.sys.poll([{ fd, events: POLLIN, revents: 0 }], left)) === 0) {
        status = 128 + 14;
        break;
      }
    }
    const n = yield* sh.sys.read(fd, one);
    if (n === -EINTR) {
      if (sh.interrupted()) return 130;
      yield* runTraps(sh);
      continue;
    }
    if (n === -EAGAIN) {
      yield* sh.sys.poll([{ fd, events: POLLIN, revents: 0 }], -1);
      continue;
    }
    if (n <= 0) {
      status = 1;
      break;
    }
    if (!o.has("r")) {
      if (backslash) {
        backslash = false;
        if (one[0] === 10) continue;
        bytes.push(one[0]);
        escaped.push(true);
        continue;
      }
      if (one[0] === 0x5c) {
        backslash = true;
        continue;
      }
    }
    if (one[0] === end && !o.has("N")) break;
    bytes.push(one[0]);
    escaped.push(false);
  }
  store(sh, Uint8Array.from(bytes), escaped, o.operands, o.get("a"));
  return status;
}

/** Splits the line on IFS: one word per name, the rest to the last. */
function store(sh: Shell, bytes: Uint8Array, escaped: boolean[], names: string[], array: string | undefined): void {
  const ifs = sh.ifs();
  const isSep = (i: number): boolean => !escaped[i] && bytes[i] < 0x80 && ifs.includes(String.fromCharCode(bytes[i]));
  const isSpace = (i: number): boolean => isSep(i) && (bytes[i] === 32 || bytes[i] === 9 || bytes[i] === 10);
  const text = (from: number, to: number): string => decode(bytes.subarray(from, to));
  if (names.length === 0 && array === undefined) {
    sh.set("REPLY", text(0, bytes.length));
    return;
  }
  for (const n of names) if (!isName(n)) throw new ShellError(`read: \`${n}': not a valid identifier`, 1, false);
  let end = bytes.length;
  while (end > 0 && isSpace(end - 1)) end--;
  let at = 0;
  while (at < end && isSpace(at)) at++;
  const words: string[] = [];
  const max = array === undefined ? names.length : Number.POSITIVE_INFINITY;
  while (at < end) {
    const from = at;
    if (words.length === max - 1) {
      // The last name takes the rest; a lone delimiter at its end goes when it is the only one.
      let stop = end;
      let k = from;
      while (k < end && !isSep(k)) k++;
      if (k === end - 1 && isSep(k)) stop = k;
      words.push(text(from, stop));
      break;
    }
    while (at < end && !isSep(at)) at++;
    words.push(text(from, at));
    while (at < end && isSpace(at)) at++;
    if (at < end && isSep(at) && !isSpace(at)) {
      at++;
      while (at < end && isSpace(at)) at++;
    }
  }
  if (array !== undefined) sh.set(array, words);
  else for (let i = 0; i < names.length; i++) sh.set(names[i], words[i] ?? "");
}

export function* letBuiltin({ sh }: Context, argv: string[]): Blocking<number> {
  if (argv.length < 2) {
    yield* sh.error("let: expression expected");
    return 1;
  }
  let last = 0n;
  for (const e of argv.slice(1)) last = arith(sh, e);
  return last === 0n ? 1 : 0;
}

export function* getopts({ sh }: Context, argv: string[]): Blocking<number> {
  if (argv.length < 3) {
    yield* sh.error("getopts: usage: getopts optstring name [arg ...]");
    return 2;
  }
  const [, spec, name] = argv;
  const args = argv.length > 3 ? argv.slice(3) : sh.params;
  let index = Number(sh.get("OPTIND") ?? 1);
  if (!(index >= 1)) index = 1;
  if (index === 1 && sh.optIndex !== 1) sh.optPos = 1;
  const done = (): number => {
    sh.set("OPTIND", String(index));
    sh.optIndex = index;
    sh.set(name, "?");
    return 1;
  };
  const arg = args[index - 1];
  if (arg === undefined || !/^-./.test(arg)) return done();
  if (arg === "--") {
    index++;
    return done();
  }
  const letter = arg[sh.optPos] ?? "";
  const silent = spec.startsWith(":");
  const at = letter === ":" ? -1 : spec.indexOf(letter, silent ? 1 : 0);
  const advance = (): void => {
    if (++sh.optPos >= arg.length) {
      index++;
      sh.optPos = 1;
    }
  };
  let result = letter;
  sh.vars.delete("OPTARG");
  if (at < 0) {
    advance();
    result = "?";
    if (silent) sh.set("OPTARG", letter);
    else yield* sh.error(`illegal option -- ${letter}`);
  } else if (spec[at + 1] !== ":") advance();
  else {
    const rest = arg.slice(sh.optPos + 1);
    const value = rest !== "" ? rest : args[index];
    index += rest !== "" ? 1 : 2;
    sh.optPos = 1;
    if (value !== undefined) sh.set("OPTARG", value);
    else {
      result = silent ? ":" : "?";
      if (silent) sh.set("OPTARG", letter);
      else yield* sh.error(`option requires an argument -- ${letter}`);
    }
  }
  sh.set("OPTIND", String(index));
  sh.optIndex = index;
  sh.set(name, result);
  return 0;
}
