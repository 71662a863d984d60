// The builtins of the shell, and the table of all of them. Read first: bash(1), SHELL BUILTIN COMMANDS.
// Way in: `BUILTINS.get(name)`; variables are in builtins_vars.ts, jobs and signals in builtins_jobs.ts.

import { strerror } from "../../uapi/errno.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { readFile } from "../lib/io.ts";
import { formatPrintf, unescape } from "../lib/printf.ts";
import { evalTestArgs } from "../lib/test_expr.ts";
import { bg, fg, jobs, kill, trap, wait } from "./builtins_jobs.ts";
import {
  declare,
  exportBuiltin,
  getopts,
  letBuiltin,
  local,
  read,
  readonly,
  set,
  shift,
  unset,
} from "./builtins_vars.ts";
import { invoke } from "./command.ts";
import type { Context } from "./expand.ts";
import { history } from "./history.ts";
import { warnStopped } from "./jobs.ts";
import { runSource } from "./source.ts";
import type { Unit } from "./state.ts";
import { Jump } from "./state.ts";

/** argv[0] is the builtin's name; the result is its status. */
export type Builtin = (c: Context, argv: string[]) => Blocking<number>;

/** Builtins whose arguments of the form NAME=value are assignments: not split, and arrays are allowed. */
export const DECLARING: ReadonlySet<string> = new Set(["export", "readonly", "local", "declare", "typeset"]);

function* nothing(): Blocking<number> {
  return 0;
}

function* falseBuiltin(): Blocking<number> {
  return 1;
}

function* echo({ sh }: Context, argv: string[]): Blocking<number> {
  let newline = true;
  let escapes = false;
  let at = 1;
  for (; at < argv.length && /^-[neE]+$/.test(argv[at]); at++) {
    for (const o of argv[at].slice(1)) {
      if (o === "n") newline = false;
      else escapes = o === "e";
    }
  }
  const text = argv.slice(at).join(" ");
  const e = escapes ? unescape(text) : { text, stop: false };
  return yield* written(sh, "echo", e.text + (newline && !e.stop ? "\n" : ""));
}

function* written(sh: Context["sh"], name: string, text: string): Blocking<number> {
  const err = yield* sh.out(text);
  if (err >= 0) return 0;
  yield* sh.error(`${name}: write error: ${strerror(err)}`);
  return 1;
}

function* printf({ sh }: Context, argv: string[]): Blocking<number> {
  let args = argv.slice(1);
  let into: string | undefined;
  if (args[0] === "-v" && args.length > 1) {
    into = args[1];
    args = args.slice(2);
  }
  if (args[0] === "--") args = args.slice(1);
  if (args.length === 0) {
    yield* sh.error("printf: usage: printf [-v var] format [arguments]");
    return 2;
  }
  const { text, errors } = formatPrintf(args[0], args.slice(1));
  let status = 0;
  if (into !== undefined) sh.set(into, text);
  else status = yield* written(sh, "printf", text);
  for (const e of errors) yield* sh.error(`printf: ${e}`);
  return errors.length > 0 ? 1 : status;
}

function* test({ sh }: Context, argv: string[]): Blocking<number> {
  let args = argv.slice(1);
  if (argv[0] === "[") {
    if (args.at(-1) !== "]") {
      yield* sh.error("[: missing `]'");
      return 2;
    }
    args = args.slice(0, -1);
  }
  const r = evalTestArgs(sh.sys, args, { fds: sh.fds, isSet: (name) => sh.vars.has(name) });
  if (typeof r === "boolean") return r ? 0 : 1;
  yield* sh.error(`${argv[0]}: ${r.error}`);
  return 2;
}

function* cd({ sh }: Context, argv: string[]): Blocking<number> {
  const args = argv.slice(1).filter((a) => a !== "-P" && a !== "-L" && a !== "--");
  if (args.length > 1) {
    yield* sh.error("cd: too many arguments");
    return 1;
  }
  let to = args[0];
  if (to === undefined) to = sh.get("HOME") ?? "/";
  else if (to === "-") {
    const old = sh.get("OLDPWD");
    if (old === undefined) {
      yield* sh.error("cd: OLDPWD not set");
      return 1;
    }
    to = old;
  }
  const before = sh.sys.getcwd();
  const err = to === "" ? 0 : sh.sys.chdir(to);
  if (err < 0) {
    yield* sh.error(`cd: ${to}: ${strerror(err)}`);
    return 1;
  }
  sh.set("OLDPWD", before);
  sh.set("PWD", sh.sys.getcwd());
  return args[0] === "-" ? yield* written(sh, "cd", `${sh.sys.getcwd()}\n`) : 0;
}

function* pwd({ sh }: Context): Blocking<number> {
  return yield* written(sh, "pwd", `${sh.sys.getcwd()}\n`);
}

function* number({ sh }: Context, argv: string[], fallback: number): Blocking<number | undefined> {
  if (argv.length < 2) return fallback;
  if (/^[-+]?\d{1,18}$/.test(argv[1])) return Number(argv[1]);
  yield* sh.error(`${argv[0]}: ${argv[1]}: numeric argument required`);
  return undefined;
}

function* exit(c: Context, argv: string[]): Blocking<number> {
  if (yield* warnStopped(c.sh)) return 1;
  const n = yield* number(c, argv, c.sh.status);
  throw new Jump("exit", n === undefined ? 2 : ((n % 256) + 256) % 256);
}

function* returnBuiltin(c: Context, argv: string[]): Blocking<number> {
  const n = yield* number(c, argv, c.sh.status);
  if (c.sh.calls === 0 && c.sh.sourced === 0) {
    yield* c.sh.error("return: can only `return' from a function or sourced script");
    return 2;
  }
  throw new Jump("return", n === undefined ? 2 : ((n % 256) + 256) % 256);
}

function* breakLoop(c: Context, argv: string[]): Blocking<number> {
  const n = yield* number(c, argv, 1);
  if (c.sh.loops === 0) {
    yield* c.sh.error(`${argv[0]}: only meaningful in a \`for', \`while', or \`until' loop`);
    return 0;
  }
  if (n === undefined) throw new Jump("exit", 128);
  if (n < 1) {
    yield* c.sh.error(`${argv[0]}: ${n}: loop count out of range`);
    throw new Jump("break", c.sh.loops);
  }
  throw new Jump(argv[0] as "break" | "continue", n);
}

function* evalBuiltin({ sh }: Context, argv: string[]): Blocking<number> {
  const text = argv.slice(1).join(" ");
  sh.status = 0;
  if (text.trim() !== "") yield* runSource(sh, text);
  return sh.status;
}

function* source({ sh }: Context, argv: string[]): Blocking<number> {
  if (argv.length < 2) {
    yield* sh.error(`${argv[0]}: filename argument required`);
    return 2;
  }
  const text = yield* readFile(sh.sys, argv[1]);
  if (typeof text === "number") {
    yield* sh.error(`${argv[1]}: ${strerror(text)}`);
    return 1;
  }
  const unit: Unit = { name: argv[1], source: text, startLine: 1, numbered: true };
  const params = sh.params;
  if (argv.length > 2) sh.params = argv.slice(2);
  sh.sourced++;
  sh.status = 0;
  try {
    yield* runSource(sh, text, unit);
  } catch (e) {
    if (!(e instanceof Jump) || e.kind !== "return") throw e;
    return e.n;
  } finally {
    sh.sourced--;
    sh.params = params;
  }
  return sh.status;
}

function describe({ sh }: Context, name: string): { kind: string; text: string; short: string } | undefined {
  const alias = sh.aliases.get(name);
  if (alias !== undefined)
    return { kind: "alias", text: `${name} is aliased to \`${alias}'`, short: `alias ${name}='${alias}'` };
  if (sh.functions.has(name)) return { kind: "function", text: `${name} is a function`, short: name };
  if (KEYWORDS.has(name)) return { kind: "keyword", text: `${name} is a shell keyword`, short: name };
  if (BUILTINS.has(name)) return { kind: "builtin", text: `${name} is a shell builtin`, short: name };
  if (sh.sys.lookup_program(name) !== null) {
    return { kind: "file", text: `${name} is /usr/bin/${name}`, short: `/usr/bin/${name}` };
  }
  if (name.includes("/") && typeof sh.sys.stat(name) !== "number")
    return { kind: "file", text: `${name} is ${name}`, short: name };
  return undefined;
}

function* type(c: Context, argv: string[]): Blocking<number> {
  let status = 0;
  const kindOnly = argv[1] === "-t";
  for (const name of argv.slice(1).filter((a) => !a.startsWith("-"))) {
    const d = describe(c, name);
    if (d !== undefined) yield* c.sh.out(`${kindOnly ? d.kind : d.text}\n`);
    else {
      if (!kindOnly) yield* c.sh.error(`type: ${name}: not found`);
      status = 1;
    }
  }
  return status;
}

function* command(c: Context, argv: string[]): Blocking<number> {
  let at = 1;
  let how = "";
  for (; at < argv.length && /^-[pvV]+$/.test(argv[at]); at++) how += argv[at].slice(1);
  if (argv[at] === "--") at++;
  if (how.includes("v") || how.includes("V")) {
    let status = argv.length > at ? 1 : 0;
    for (const name of argv.slice(at)) {
      const d = describe(c, name);
      if (d !== undefined) {
        yield* c.sh.out(`${how.includes("V") ? d.text : d.short}\n`);
        status = 0;
      } else if (how.includes("V")) yield* c.sh.error(`command: ${name}: not found`);
    }
    return status;
  }
  if (at >= argv.length) return 0;
  yield* invoke(c, argv.slice(at), argv.slice(at).join(" "), { noFunctions: true });
  return c.sh.status;
}

function* builtin(c: Context, argv: string[]): Blocking<number> {
  if (argv.length < 2) return 0;
  const b = BUILTINS.get(argv[1]);
  if (b !== undefined) return yield* b(c, argv.slice(1));
  yield* c.sh.error(`builtin: ${argv[1]}: not a shell builtin`);
  return 1;
}

function* alias({ sh }: Context, argv: string[]): Blocking<number> {
  let status = 0;
  const show = (name: string, value: string): string => `alias ${name}='${value.replaceAll("'", "'\\''")}'\n`;
  if (argv.length === 1) for (const [name, value] of [...sh.aliases].sort()) yield* sh.out(show(name, value));
  for (const a of argv.slice(1)) {
    const eq = a.indexOf("=");
    const value = sh.aliases.get(a);
    if (eq > 0) sh.aliases.set(a.slice(0, eq), a.slice(eq + 1));
    else if (value !== undefined) yield* sh.out(show(a, value));
    else {
      yield* sh.error(`alias: ${a}: not found`);
      status = 1;
    }
  }
  return status;
}

function* unalias({ sh }: Context, argv: string[]): Blocking<number> {
  let status = 0;
  for (const a of argv.slice(1)) {
    if (a === "-a") sh.aliases.clear();
    else if (!sh.aliases.delete(a)) {
      yield* sh.error(`unalias: ${a}: not found`);
      status = 1;
    }
  }
  return status;
}

function* help({ sh }: Context): Blocking<number> {
  const names = [...BUILTINS.keys()].sort();
  return yield* written(
    sh,
    "help",
    `Commands of the shell:\n${columns(names)}\nPrograms of this machine:\n${columns(sh.sys.programs())}\n`,
  );
}

function columns(names: readonly string[]): string {
  let out = "";
  let line = " ";
  for (const n of names) {
    if (line.length + n.length > 78) {
      out += `${line}\n`;
      line = " ";
    }
    line += ` ${n}`;
  }
  return `${out}${line}\n`;
}

function* umask({ sh }: Context, argv: string[]): Blocking<number> {
  return argv.length > 1 ? 0 : yield* written(sh, "umask", "0022\n");
}

function* times({ sh }: Context): Blocking<number> {
  return yield* written(sh, "times", "0m0.000s 0m0.000s\n0m0.000s 0m0.000s\n");
}

const KEYWORDS: ReadonlySet<string> = new Set(
  "if then elif else fi for while until do done case esac in function { } ! [[ ]] time select coproc".split(" "),
);

export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  [":", nothing],
  ["true", nothing],
  ["false", falseBuiltin],
  ["echo", echo],
  ["printf", printf],
  ["test", test],
  ["[", test],
  ["cd", cd],
  ["pwd", pwd],
  ["exit", exit],
  ["return", returnBuiltin],
  ["break", breakLoop],
  ["continue", breakLoop],
  ["eval", evalBuiltin],
  [".", source],
  ["source", source],
  ["type", type],
  ["command", command],
  ["builtin", builtin],
  ["alias", alias],
  ["unalias", unalias],
  ["help", help],
  ["umask", umask],
  ["ulimit", nothing],
  ["hash", nothing],
  ["shopt", nothing],
  ["times", times],
  // `exec` is part of command.ts: its redirections stay.
  ["exec", nothing],
  ["export", exportBuiltin],
  ["unset", unset],
  ["set", set],
  ["shift", shift],
  ["read", read],
  ["local", local],
  ["declare", declare],
  ["typeset", declare],
  ["readonly", readonly],
  ["let", letBuiltin],
  ["getopts", getopts],
  ["history", history],
  ["jobs", jobs],
  ["wait", wait],
  ["fg", fg],
  ["bg", bg],
  ["kill", kill],
  ["trap", trap],
]);
