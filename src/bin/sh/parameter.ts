// Parameter expansion: $x, "$@", ${x:-y}, ${x%.*}, ${x/a/b}, ${x:1:2}, ${#x}, ${!x}, ${x^^}, ${a[i]}, $RANDOM and the like.
// Read first: bash(1), Parameter Expansion. Way in: `expandParameter()`.

import type { ParameterExpansionPart, ParameterOperation, SimpleExpansionPart, Word } from "unbash";
import type { Blocking } from "../../uapi/sys.ts";
import { arrayIndex, setElement } from "./arith.ts";
import type { Context, Sink } from "./expand.ts";
import { expandNumber, expandPart, expandPattern, expandText } from "./expand.ts";
import type { Pattern } from "./pattern.ts";
import { compilePattern, prefixLengths } from "./pattern.ts";
import type { Shell } from "./state.ts";
import { isName, lineOf, ShellError } from "./state.ts";

/** What a parameter holds: several values for $@, $* and arrays. Undefined where it is not set. */
interface Values {
  list: string[] | undefined;
  many: "" | "@" | "*";
}

export function* expandParameter(
  c: Context,
  p: SimpleExpansionPart | ParameterExpansionPart,
  inDouble: boolean,
  sink: Sink,
): Blocking<void> {
  const { sh } = c;
  if (p.type === "SimpleExpansion") {
    const name = p.text.slice(1);
    emit(sh, sink, require(sh, name, valuesOf(sh, name)), inDouble);
    return;
  }
  let name = p.parameter;
  const op = p.operation;
  if (op?.type === "Unknown") throw new ShellError(`${p.text}: bad substitution`);
  if (op?.type === "Names") {
    const names = [...sh.vars.keys()].filter((n) => n.startsWith(name)).sort();
    emit(sh, sink, { list: names, many: op.operator }, inDouble);
    return;
  }
  if (p.prefix === "!") {
    if (p.index !== undefined && (p.index.text === "@" || p.index.text === "*")) {
      const v = sh.vars.get(name)?.value;
      const keys = Array.isArray(v) ? Object.keys(v) : v === undefined ? [] : ["0"];
      emit(sh, sink, { list: keys, many: p.index.text }, inDouble);
      return;
    }
    const target = scalar(sh, valuesOf(sh, name)) ?? "";
    if (!isName(target) && !/^\d+$/.test(target)) throw new ShellError(`${name}: invalid indirect expansion`);
    name = target;
  }
  const index = p.prefix === "!" ? undefined : p.index;
  const values = index === undefined ? valuesOf(sh, name) : yield* elements(c, name, index);
  if (p.prefix === "#") {
    const v = require(sh, name, values);
    const n = v.many === "" ? [...(v.list?.[0] ?? "")].length : (v.list?.length ?? 0);
    emit(sh, sink, { list: [String(n)], many: "" }, inDouble);
    return;
  }
  if (op === undefined) {
    emit(sh, sink, require(sh, name, values), inDouble);
    return;
  }
  if (op.type === "Default") {
    yield* defaultOperation(c, name, index, values, op.operator, op.operand, inDouble, sink);
    return;
  }
  const v = require(sh, name, values);
  if (v.list === undefined) {
    if (inDouble) sink.quoted("");
    return;
  }
  emit(sh, sink, { list: yield* operate(c, name, v, op), many: v.many }, inDouble);
}

function emit(sh: Shell, sink: Sink, v: Values, inDouble: boolean): void {
  if (v.list === undefined) {
    if (inDouble && v.many !== "@") sink.quoted("");
    return;
  }
  if (v.many === "") {
    if (inDouble) sink.quoted(v.list[0]);
    else sink.expanded(v.list[0]);
    return;
  }
  if (v.many === "*" && (inDouble || !sink.splitting)) {
    const text = v.list.join(sh.ifs().slice(0, 1));
    if (inDouble) sink.quoted(text);
    else sink.expanded(text);
    return;
  }
  for (let i = 0; i < v.list.length; i++) {
    if (i > 0) sink.separate();
    if (inDouble) sink.quoted(v.list[i]);
    else sink.expanded(v.list[i]);
  }
}

/** Under `set -u` an unset parameter is an error; $@ and $* never are. */
function require(sh: Shell, name: string, v: Values): Values {
  if (v.list === undefined && v.many === "" && sh.options.nounset) {
    throw new ShellError(`${name}: unbound variable`, sh.fatalStatus);
  }
  return v;
}

function scalar(sh: Shell, v: Values): string | undefined {
  return v.many === "" ? v.list?.[0] : v.list?.join(sh.ifs().slice(0, 1));
}

function single(value: string | undefined): Values {
  return { list: value === undefined ? undefined : [value], many: "" };
}

function valuesOf(sh: Shell, name: string): Values {
  if (name === "@" || name === "*") return { list: sh.params, many: name };
  if (/^\d+$/.test(name)) return single(Number(name) === 0 ? sh.arg0 : sh.params[Number(name) - 1]);
  return single(special(sh, name) ?? sh.get(name) ?? computed(sh, name));
}

function special(sh: Shell, name: string): string | undefined {
  switch (name) {
    case "?":
      return String(sh.status);
    case "#":
      return String(sh.params.length);
    case "$":
      return String(sh.pid);
    case "!":
      return sh.lastBackground === 0 ? undefined : String(sh.lastBackground);
    case "-": {
      const o = sh.options;
      return `${o.errexit ? "e" : ""}${o.noglob ? "f" : ""}h${sh.interactive ? "i" : ""}${o.nounset ? "u" : ""}${o.xtrace ? "x" : ""}B`;
    }
    default:
      return undefined;
  }
}

/** Variables that have a value of their own until they are assigned. */
function computed(sh: Shell, name: string): string | undefined {
  switch (name) {
    case "RANDOM": {
      const two = new Uint8Array(2);
      sh.sys.getrandom(two);
      return String(((two[0] << 8) | two[1]) & 0x7fff);
    }
    case "SECONDS":
      return String(Math.floor((sh.sys.clock_gettime(1) - sh.startedNs) / 1e9));
    case "EPOCHSECONDS":
      return String(Math.floor(sh.sys.clock_gettime(0) / 1e9));
    case "LINENO":
      return String(lineOf(sh.unit, sh.pos));
    case "PPID":
      return String(sh.sys.getppid());
    case "BASHPID":
      return String(sh.sys.getpid());
    case "HOSTNAME":
      return sh.sys.uname().nodename;
    case "UID":
    case "EUID":
      return "0";
    case "PIPESTATUS":
      return String(sh.pipeStatus[0]);
    case "PWD":
      return sh.sys.getcwd();
    case "IFS":
      return " \t\n";
    case "OPTIND":
      return "1";
    default:
      return undefined;
  }
}

function* elements(c: Context, name: string, index: Word): Blocking<Values> {
  const v = name === "PIPESTATUS" ? c.sh.pipeStatus.map(String) : c.sh.vars.get(name)?.value;
  const list = Array.isArray(v) ? v : v === undefined ? [] : [v];
  if (index.text === "@" || index.text === "*") {
    return { list: list.filter((e) => e !== undefined), many: index.text };
  }
  const at = yield* expandNumber(c, index);
  return single(list[arrayIndex(at, list.length)]);
}

function* defaultOperation(
  c: Context,
  name: string,
  index: Word | undefined,
  v: Values,
  operator: string,
  operand: Word,
  inDouble: boolean,
  sink: Sink,
): Blocking<void> {
  const { sh } = c;
  const colon = operator.startsWith(":");
  const empty = v.many === "" ? v.list?.[0] === "" : v.list?.every((e) => e === "");
  const unset = v.list === undefined || (v.many !== "" && v.list.length === 0);
  const missing = unset || (colon && empty === true);
  const kind = operator.at(-1);
  if (kind === "+") {
    if (!missing) yield* operandInto(c, operand, inDouble, sink);
    else if (inDouble) sink.quoted("");
    return;
  }
  if (!missing) {
    emit(sh, sink, v, inDouble);
    return;
  }
  switch (kind) {
    case "-":
      yield* operandInto(c, operand, inDouble, sink);
      return;
    case "=": {
      const text = yield* expandText(c, operand);
      if (!isName(name)) throw new ShellError(`$${name}: cannot assign in this way`);
      if (index === undefined) sh.set(name, text);
      else setElement(sh, name, yield* expandNumber(c, index), text);
      emit(sh, sink, single(text), inDouble);
      return;
    }
    default: {
      const text = yield* expandText(c, operand);
      const reason = text === "" ? (colon ? "parameter null or not set" : "parameter not set") : text;
      throw new ShellError(`${name}: ${reason}`, sh.fatalStatus);
    }
  }
}

/** The word behind ":-": in double quotes it is quoted, outside its unquoted parts are split. */
function* operandInto(c: Context, word: Word, inDouble: boolean, sink: Sink): Blocking<void> {
  if (inDouble) sink.quoted("");
  if (word.parts === undefined) {
    const home = word.text === "~" || word.text.startsWith("~/") ? (c.sh.get("HOME") ?? "/root") : undefined;
    if (inDouble) sink.quoted(word.value);
    else if (home !== undefined) sink.quoted(home + word.value.slice(1));
    else sink.expanded(word.value);
    return;
  }
  for (const p of word.parts) {
    if (p.type === "Literal" && !inDouble) sink.expanded(p.value);
    else if (p.type === "DoubleQuoted" && inDouble)
      for (const child of p.parts) yield* expandPart(c, child, true, sink);
    else yield* expandPart(c, p, inDouble, sink);
  }
}

function* operate(c: Context, name: string, v: Values, op: ParameterOperation): Blocking<string[]> {
  const list = v.list!;
  switch (op.type) {
    case "Remove": {
      const text = yield* expandPattern(c, op.operand);
      const pattern = compilePattern(text);
      return list.map((s) => remove(s, op.operator, pattern));
    }
    case "Replace": {
      const pattern = yield* expandPattern(c, op.pattern);
      const replacement = yield* expandText(c, op.replacement);
      return list.map((s) => replace(s, op.operator, pattern, replacement));
    }
    case "Slice": {
      const offset = yield* expandNumber(c, op.offset);
      const length = op.length === undefined ? undefined : yield* expandNumber(c, op.length);
      if (v.many === "") return [slice([...list[0]], offset, length, true).join("")];
      // ${@:0} starts with $0.
      if (name === "@" || name === "*") return slice([c.sh.arg0, ...list], offset, length, false);
      return slice(list, offset, length, false);
    }
    case "CaseModification": {
      const pattern = op.operand === undefined ? undefined : compilePattern(yield* expandPattern(c, op.operand));
      return list.map((s) => changeCase(s, op.operator, pattern));
    }
    case "Transform": {
      const what = yield* expandText(c, op.operand);
      return list.map((s) => transform(s, what));
    }
    default:
      throw new ShellError("bad substitution");
  }
}

function remove(text: string, operator: string, pattern: Pattern): string {
  const chars = [...text];
  if (operator.startsWith("#")) {
    const ends = prefixLengths(pattern, chars);
    if (ends.length === 0) return text;
    return chars.slice(operator === "##" ? ends.at(-1) : ends[0]).join("");
  }
  const backwards = prefixLengths(reverse(pattern), [...chars].reverse());
  if (backwards.length === 0) return text;
  const cut = operator === "%%" ? backwards.at(-1)! : backwards[0];
  return chars.slice(0, chars.length - cut).join("");
}

function reverse(pattern: Pattern): Pattern {
  return [...pattern]
    .reverse()
    .map((p) => (p.kind === "ext" ? { ...p, alternatives: p.alternatives.map((a) => reverse(a)) } : p));
}

function replace(text: string, operator: string, patternText: string, replacement: string): string {
  if (patternText === "") return text;
  const pattern = compilePattern(patternText);
  const chars = [...text];
  if (operator === "/%") {
    const backwards = prefixLengths(reverse(pattern), [...chars].reverse());
    return backwards.length === 0 ? text : chars.slice(0, chars.length - backwards.at(-1)!).join("") + replacement;
  }
  let out = "";
  let at = 0;
  while (at < chars.length) {
    const end = prefixLengths(pattern, chars, at).at(-1);
    if (end !== undefined && end > at) {
      out += replacement;
      at = end;
      if (operator !== "//") break;
    } else {
      if (operator === "/#") break;
      out += chars[at++];
    }
  }
  return out + chars.slice(at).join("");
}

function slice<T>(list: T[], offset: number, length: number | undefined, text: boolean): T[] {
  const from = offset < 0 ? list.length + offset : offset;
  if (from < 0 || from > list.length) return [];
  if (length === undefined) return list.slice(from);
  if (length >= 0) return list.slice(from, from + length);
  const to = list.length + length;
  if (!text || to < from) throw new ShellError(`${length}: substring expression < 0`);
  return list.slice(from, to);
}

function changeCase(text: string, operator: string, pattern: Pattern | undefined): string {
  const all = operator.length === 2;
  const up = operator.startsWith("^");
  let first = true;
  return [...text]
    .map((ch) => {
      const apply = (all || first) && (pattern === undefined || prefixLengths(pattern, [ch]).includes(1));
      first = false;
      return apply ? (up ? ch.toUpperCase() : ch.toLowerCase()) : ch;
    })
    .join("");
}

function transform(text: string, what: string): string {
  switch (what) {
    case "Q":
      return `'${text.replaceAll("'", "'\\''")}'`;
    case "U":
      return text.toUpperCase();
    case "L":
      return text.toLowerCase();
    case "u":
      return text.slice(0, 1).toUpperCase() + text.slice(1);
    default:
      throw new ShellError(`\${...@${what}}: bad substitution`);
  }
}
