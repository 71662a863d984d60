// Simple commands: assignments, words, redirections; then a function, a builtin, a program or a script file.
// Read first: bash(1), SIMPLE COMMAND EXPANSION. Way in: `runCommand(c, node)`.

import type { Assignment, Command } from "unbash";
import { EISDIR, strerror } from "../../uapi/errno.ts";
import { S_IFDIR, S_IFMT } from "../../uapi/fcntl.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { readFile } from "../lib/io.ts";
import { suggest } from "../lib/suggest.ts";
import { arith, setElement } from "./arith.ts";
import { BUILTINS, DECLARING } from "./builtins.ts";
import { childFds, childOptions, runForeground, runList, runNode, trace, traceQuote } from "./exec.ts";
import type { Context } from "./expand.ts";
import { expandNumber, expandText, expandWord, expandWords } from "./expand.ts";
import { newJob } from "./jobs.ts";
import { keepRedirects, withRedirects } from "./redirect.ts";
import { scriptProgram } from "./script.ts";
import { runSource } from "./source.ts";
import type { Shell, ShellFunction, Variable } from "./state.ts";
import { Jump, MAX_ELEMENTS, ShellError } from "./state.ts";

export interface RunOptions {
  /** This process exists for this command only: an external program may take it over. */
  inPlace?: boolean;
  /** `command NAME`: functions are passed over. */
  noFunctions?: boolean;
}

export function* runCommand(c: Context, node: Command, options: RunOptions = {}): Blocking<void> {
  const { sh } = c;
  if (sh.aliases.size > 0 && node.name !== undefined && (yield* runAlias(sh, node))) return;
  sh.substituted = undefined;
  const words: string[] = [];
  const arrays: [string, string[]][] = [];
  if (node.name !== undefined) yield* expandWord(c, node.name, words);
  for (const arg of node.args) {
    if (arg.type === "Word") {
      yield* expandWord(c, arg, words);
      continue;
    }
    if (arg.value.type === "ArrayValue") {
      arrays.push([arg.name, yield* expandWords(c, arg.value.elements)]);
      words.push(arg.name);
    } else words.push(`${arg.name}${arg.append ? "+=" : "="}${yield* expandText(c, arg.value)}`);
  }
  const assignments = node.prefix.filter((p): p is Assignment => p.type === "Assignment");
  if (words.length === 0) {
    yield* withRedirects(c, node.redirects, function* () {
      for (const a of assignments) yield* assign(c, a);
      sh.status = 0;
    });
    if (sh.substituted !== undefined && sh.status === 0) sh.status = sh.substituted;
    return;
  }
  if (arrays.length > 0 && !DECLARING.has(words[0]))
    throw new ShellError(`${words[0]}: an array cannot be an argument`);
  yield* trace(sh, [...assignments.map((a) => a.text), ...words.map(traceQuote)].join(" "));
  if (words[0] === "exec") return yield* runExec(c, node, assignments, words);
  yield* withRedirects(c, node.redirects, () =>
    withAssignments(c, assignments, words, () => invoke(c, words, nodeText(sh, node), options)),
  );
  for (const [name, values] of arrays) sh.set(name, values);
}

function nodeText(sh: Shell, node: Command): string {
  return sh.unit.source.slice(node.pos, node.end);
}

/** Runs expanded words: what `command`, `builtin` and `exec` end in, too. */
export function* invoke(c: Context, words: string[], text: string, options: RunOptions = {}): Blocking<void> {
  const { sh } = c;
  const name = words[0];
  const fn = options.noFunctions ? undefined : sh.functions.get(name);
  if (fn !== undefined) return yield* callFunction(c, fn, words);
  // "%1" is `fg %1`.
  const builtin = BUILTINS.get(sh.jobControl && name.startsWith("%") ? "fg" : name);
  if (builtin !== undefined) {
    sh.status = yield* builtin(c, name.startsWith("%") ? ["fg", ...words] : words);
    return;
  }
  const found = yield* findProgram(sh, name);
  if ("error" in found) {
    yield* sh.error(found.error + sh.outcome(true));
    sh.status = found.status;
    return;
  }
  if (options.inPlace && !sh.traps.has("EXIT")) {
    yield* becomeProgram(sh, found.program, words);
    return;
  }
  const spawn = childOptions(sh);
  if (sh.jobControl) spawn.pgid = 0;
  const pid = sh.sys.spawn(found.program, words, spawn);
  if (pid < 0) throw new ShellError(`fork: ${strerror(pid)}`, 254, false);
  yield* runForeground(sh, newJob(sh, [pid], [text]));
  if (sh.reportFailures && sh.status !== 0 && sh.guarded === 0) {
    const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
    yield* sh.error(`${short.replace(/\n[\s\S]*/, " ...")}: failed (exit status ${sh.status})`);
  }
}

/** A built-in program, or a script file; a path into a bin folder that does not exist means the built-in program. */
function* findProgram(sh: Shell, name: string): Blocking<{ program: Program } | { error: string; status: number }> {
  const { sys } = sh;
  if (!name.includes("/")) {
    const program = sys.lookup_program(name);
    if (program !== null) return { program };
    const near = suggest(name, [...sys.programs(), ...BUILTINS.keys(), ...sh.functions.keys()]);
    return { error: `${name}: command not found${near}`, status: 127 };
  }
  const stat = sys.stat(name);
  if (typeof stat === "number") {
    const m = /^\/(?:usr\/)?(?:local\/)?s?bin\/([^/]+)$/.exec(name);
    const program = m === null ? null : sys.lookup_program(m[1]);
    if (program !== null) return { program };
    return { error: `${name}: ${strerror(stat)}`, status: 127 };
  }
  if ((stat.st_mode & S_IFMT) === S_IFDIR) return { error: `${name}: ${strerror(EISDIR)}`, status: 126 };
  const text = yield* readFile(sys, name);
  if (typeof text === "number") return { error: `${name}: ${strerror(text)}`, status: 126 };
  if (text.includes("\0")) return { error: `${name}: cannot execute binary file: Exec format error`, status: 126 };
  return { program: scriptProgram({ file: name, text, startLine: 1 }) };
}

/** exec: this process goes on as the program, in place of the shell. */
function* becomeProgram(sh: Shell, program: Program, words: string[]): Blocking<void> {
  const { sys } = sh;
  const wanted = childFds(sh);
  const copies = wanted.map((real, n) => (real >= 0 && real !== n ? sys.dup(real) : -1));
  for (let n = 0; n < wanted.length; n++) {
    if (copies[n] >= 0) {
      sys.dup2(copies[n], n);
      sys.close(copies[n]);
    } else if (wanted[n] < 0) sys.close(n);
  }
  sh.fds = wanted.map((real, n) => (real < 0 ? -1 : n));
  sh.status = (yield* sys.execve(program, words, sh.environment())) & 0xff;
}

function* runExec(c: Context, node: Command, assignments: Assignment[], words: string[]): Blocking<void> {
  const { sh } = c;
  let args = words.slice(1);
  if (args[0] === "--") args = args.slice(1);
  yield* keepRedirects(c, node.redirects);
  sh.status = 0;
  if (args.length === 0) return;
  const found = yield* findProgram(sh, args[0]);
  if ("error" in found) {
    yield* sh.error(`exec: ${found.error}`);
    throw new Jump("exit", found.status);
  }
  for (const a of assignments) {
    yield* assign(c, a);
    sh.vars.get(a.name)!.exported = true;
  }
  sh.traps.delete("EXIT");
  yield* becomeProgram(sh, found.program, args);
  throw new Jump("exit", sh.status);
}

function* callFunction(c: Context, fn: ShellFunction, words: string[]): Blocking<void> {
  const { sh } = c;
  const { unit, pos, params, loops } = sh;
  const scope = new Map<string, Variable | undefined>();
  sh.scopes.push(scope);
  sh.unit = fn.unit;
  sh.params = words.slice(1);
  sh.calls++;
  sh.loops = 0;
  try {
    if (fn.body.type === "CompoundList") yield* runList(sh, fn.body);
    else yield* runNode(sh, fn.body);
  } catch (e) {
    if (!(e instanceof Jump) || e.kind !== "return") throw e;
    sh.status = e.n;
  } finally {
    sh.calls--;
    sh.loops = loops;
    sh.params = params;
    sh.unit = unit;
    sh.pos = pos;
    sh.scopes.pop();
    for (const [name, old] of scope) {
      if (old === undefined) sh.vars.delete(name);
      else sh.vars.set(name, old);
    }
  }
}

/** `A=1 command`: the assignments are in the command's environment only. */
function* withAssignments(
  c: Context,
  assignments: Assignment[],
  _words: string[],
  body: () => Blocking<void>,
): Blocking<void> {
  const { sh } = c;
  if (assignments.length === 0) return yield* body();
  const saved = new Map<string, Variable | undefined>();
  try {
    for (const a of assignments) {
      const old = sh.vars.get(a.name);
      if (!saved.has(a.name)) saved.set(a.name, old);
      if (old?.readonly) throw new ShellError(`${a.name}: readonly variable`);
      const copy: Variable = { value: old?.value, readonly: false, exported: true, integer: old?.integer ?? false };
      sh.vars.set(a.name, copy);
      yield* assign(c, a);
    }
    yield* body();
  } finally {
    for (const [name, old] of saved) {
      if (old === undefined) sh.vars.delete(name);
      else sh.vars.set(name, old);
    }
  }
}

export function* assign(c: Context, a: Assignment): Blocking<void> {
  const { sh } = c;
  const v = sh.vars.get(a.name);
  if (a.value.type === "ArrayValue") {
    const values = yield* arrayValues(c, a.value.elements);
    const old = a.append ? (Array.isArray(v?.value) ? v.value : v?.value === undefined ? [] : [v.value]) : [];
    const list = [...old];
    for (const [index, text] of values) {
      if (index === undefined) list.push(text);
      else if (index >= 0 && index < MAX_ELEMENTS) list[index] = text;
      else throw new ShellError(`[${index}]: bad array subscript`);
    }
    if (v?.readonly) throw new ShellError(`${a.name}: readonly variable`);
    if (v === undefined) sh.set(a.name, list);
    else v.value = list;
    return;
  }
  let text = yield* expandText(c, a.value);
  if (a.index !== undefined) {
    const index = yield* expandNumber(c, a.index);
    if (a.append) text = (Array.isArray(v?.value) ? (v.value.at(index) ?? "") : "") + text;
    setElement(sh, a.name, index, text);
  } else assignText(sh, a.name, text, a.append === true);
  yield* trace(sh, `${a.name}=${traceQuote(text)}`);
}

export function assignText(sh: Shell, name: string, text: string, append: boolean): void {
  const v = sh.vars.get(name);
  if (v?.integer) text = String(arith(sh, append ? `(${sh.get(name) || 0})+(${text})` : text));
  else if (append) text = (sh.get(name) ?? "") + text;
  sh.set(name, text);
}

function* arrayValues(
  c: Context,
  elements: readonly Command["args"][number][],
): Blocking<[number | undefined, string][]> {
  const out: [number | undefined, string][] = [];
  for (const e of elements) {
    if (e.type !== "Word") continue;
    // [3]=x
    const m = /^\[(\d{1,6})\]=/.exec(e.text);
    const words: string[] = [];
    yield* expandWord(c, e, words);
    if (m !== null) out.push([Number(m[1]), words.join(" ").slice(m[0].length)]);
    else for (const w of words) out.push([undefined, w]);
  }
  return out;
}

/** Runs the command with its alias in place of the name; false when it is none. */
function* runAlias(sh: Shell, node: Command): Blocking<boolean> {
  const word = node.name!;
  if (word.parts !== undefined || word.text !== word.value || sh.expandingAliases.has(word.value)) return false;
  const value = sh.aliases.get(word.value);
  if (value === undefined || node.redirects.some((r) => r.type === "HereDoc")) return false;
  const source = sh.unit.source;
  const text = `${source.slice(node.pos, word.pos)}${value}${source.slice(word.end, node.end)}`;
  // An alias is not expanded inside itself: alias ls='ls -l'.
  sh.expandingAliases.add(word.value);
  try {
    yield* runSource(sh, text);
  } finally {
    sh.expandingAliases.delete(word.value);
  }
  return true;
}
