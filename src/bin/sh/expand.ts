// Word expansion: braces, tilde, parameters, commands, arithmetic, splitting, globs, quote removal, in bash's order.
// Read first: bash(1), EXPANSION. Way in: `expandWords()` to fields, `expandText()` to one string, `expandPattern()`.
// A sink keeps each field twice: its text, and the same as a pattern in which quoted characters are escaped.

import type { ArithmeticExpression, Word, WordPart } from "unbash";
import { parse } from "unbash";
import type { Blocking } from "../../uapi/sys.ts";
import { arith, arithNumber } from "./arith.ts";
import { braceExpand } from "./brace.ts";
import { globFiles } from "./glob.ts";
import { expandParameter } from "./parameter.ts";
import { escapePattern } from "./pattern.ts";
import type { Shell, Substitute } from "./state.ts";
import { MAX_TEXT, ShellError, unsupported } from "./state.ts";

export interface Field {
  text: string;
  pattern: string;
  /** Holds an active * ? or [. */
  glob: boolean;
}

/** Collects what a word expands to, field by field. */
export class Sink {
  readonly fields: Field[] = [];
  /** Whether the value behind an unquoted "$" is split; not in assignments, case and [[. */
  readonly splitting: boolean;
  private readonly ifs: string;
  private text = "";
  private pattern = "";
  private glob = false;
  /** The current field exists, even if it is empty. */
  private has = false;
  private afterSpace = false;
  private total = 0;

  /** Unquoted literals are pattern text: the parser does not mark every operator in ${x#…} and the like. */
  readonly patterns: boolean;

  constructor(splitting: boolean, ifs: string, patterns = false) {
    this.patterns = patterns;
    this.splitting = splitting;
    this.ifs = ifs;
  }

  /** Characters that stand for themselves. */
  quoted(text: string): void {
    this.grow(text);
    this.text += text;
    this.pattern += escapePattern(text);
    this.has = true;
    this.afterSpace = false;
  }

  /** A pattern character that was written as such. */
  active(text: string): void {
    this.grow(text);
    this.text += text;
    this.pattern += text;
    this.glob = true;
    this.has = true;
    this.afterSpace = false;
  }

  /** The result of an unquoted expansion: is split, and its * ? [ are active. */
  expanded(text: string): void {
    if (!this.splitting || this.ifs === "") {
      if (text !== "") this.raw(text);
      return;
    }
    let from = 0;
    for (let i = 0; i < text.length; i++) {
      if (!this.ifs.includes(text[i])) continue;
      if (i > from) this.raw(text.slice(from, i));
      from = i + 1;
      if (/\s/.test(text[i])) {
        if (this.has) {
          this.flush();
          this.afterSpace = true;
        }
      } else if (this.has || !this.afterSpace) {
        this.has = true;
        this.flush();
      } else this.afterSpace = false;
    }
    if (from < text.length) this.raw(text.slice(from));
  }

  /** The end of one element of "$@". */
  separate(): void {
    this.flush();
  }

  finish(): Field[] {
    this.flush();
    return this.fields;
  }

  private raw(text: string): void {
    this.grow(text);
    this.text += text;
    this.pattern += text;
    if (/[*?[]|[+@!]\(/.test(text)) this.glob = true;
    this.has = true;
    this.afterSpace = false;
  }

  private flush(): void {
    this.afterSpace = false;
    if (!this.has) return;
    this.fields.push({ text: this.text, pattern: this.pattern, glob: this.glob });
    this.text = "";
    this.pattern = "";
    this.glob = false;
    this.has = false;
  }

  private grow(text: string): void {
    this.total += text.length;
    if (this.total > MAX_TEXT) throw new ShellError("expansion too long");
  }
}

/** What the parts need to be expanded: the shell, and how to run a command substitution. */
export interface Context {
  sh: Shell;
  substitute: Substitute;
}

/** Words of a command: all expansions, to any number of fields. */
export function* expandWords(c: Context, words: readonly Word[]): Blocking<string[]> {
  const out: string[] = [];
  for (const word of words) yield* expandWord(c, word, out);
  return out;
}

export function* expandWord(c: Context, word: Word, out: string[]): Blocking<void> {
  if (word.parts === undefined && !word.text.startsWith("~")) {
    out.push(word.value);
    return;
  }
  for (const w of braces(word)) {
    const sink = new Sink(true, c.sh.ifs());
    yield* expandInto(c, w, sink);
    for (const field of sink.finish()) {
      if (!field.glob || c.sh.options.noglob) out.push(field.text);
      else {
        const found = globFiles(c.sh.sys, field.pattern);
        if (found.length === 0) out.push(field.text);
        else for (const name of found) out.push(name);
      }
    }
  }
}

/** One string: no splitting, no globs (assignments, here-strings, case words, redirection targets). */
export function* expandText(c: Context, word: Word): Blocking<string> {
  if (word.parts === undefined && !word.text.startsWith("~")) return word.value;
  return joinFields(yield* expandFields(c, word));
}

/** The text of `case` patterns, `[[ == ]]` and `${x#…}`, quoted parts escaped. */
export function* expandPattern(c: Context, word: Word): Blocking<string> {
  const fields = yield* expandFields(c, word, true);
  return fields.map((f) => f.pattern).join(" ");
}

function* expandFields(c: Context, word: Word, patterns = false): Blocking<Field[]> {
  const sink = new Sink(false, c.sh.ifs(), patterns);
  yield* expandInto(c, word, sink);
  return sink.finish();
}

function joinFields(fields: Field[]): string {
  return fields.length === 1 ? fields[0].text : fields.map((f) => f.text).join(" ");
}

/** Bodies of here-documents: parts without quotes of their own. */
export function* expandParts(c: Context, parts: readonly WordPart[]): Blocking<string> {
  const sink = new Sink(false, c.sh.ifs());
  for (const p of parts) yield* expandPart(c, p, true, sink);
  return joinFields(sink.finish());
}

function* expandInto(c: Context, word: Word, sink: Sink): Blocking<void> {
  if (word.parts === undefined) {
    const tilde = tildePrefix(c.sh, word.text);
    if (tilde === undefined) {
      if (sink.patterns) sink.active(word.text);
      else sink.quoted(word.value);
    } else {
      sink.quoted(tilde.home);
      sink.quoted(word.value.slice(tilde.length));
    }
    return;
  }
  for (let i = 0; i < word.parts.length; i++) {
    const p = word.parts[i];
    if (i === 0 && p.type === "Literal" && p.text.startsWith("~")) {
      const tilde = tildePrefix(c.sh, p.text);
      // "~$x" and ~"x" are no tilde prefixes.
      if (tilde !== undefined && p.text.length > tilde.length) {
        sink.quoted(tilde.home);
        sink.quoted(p.value.slice(tilde.length));
        continue;
      }
    }
    yield* expandPart(c, p, false, sink);
  }
}

function tildePrefix(sh: Shell, text: string): { home: string; length: number } | undefined {
  const m = /^~(?:[+-]|root)?(?=\/|$)/.exec(text);
  if (m === null) return undefined;
  if (m[0] === "~+") return { home: sh.sys.getcwd(), length: 2 };
  if (m[0] === "~-") return { home: sh.get("OLDPWD") ?? "~-", length: 2 };
  return { home: m[0] === "~" ? (sh.get("HOME") ?? "/root") : "/root", length: m[0].length };
}

export function* expandPart(c: Context, p: WordPart, inDouble: boolean, sink: Sink): Blocking<void> {
  switch (p.type) {
    case "Literal":
      if (sink.patterns && !inDouble) sink.active(p.text);
      else sink.quoted(p.value);
      return;
    case "Glob":
      if (inDouble) sink.quoted(p.text);
      else if (p.kind !== "bracket") sink.active(p.text);
      else yield* bracket(c, p.text, p.parts, sink);
      return;
    case "SingleQuoted":
    case "AnsiCQuoted":
      // Inside "${x:-'a'}" single quotes are ordinary characters.
      sink.quoted(inDouble && p.type === "SingleQuoted" ? p.text : p.value);
      return;
    case "DoubleQuoted":
    case "LocaleString": {
      // "$@" without parameters is no field at all, "" is an empty one.
      const only = p.parts.length === 1 ? p.parts[0].type : "";
      if (only !== "SimpleExpansion" && only !== "ParameterExpansion") sink.quoted("");
      for (const child of p.parts) yield* expandPart(c, child, true, sink);
      return;
    }
    case "SimpleExpansion":
    case "ParameterExpansion":
      yield* expandParameter(c, p, inDouble, sink);
      return;
    case "CommandExpansion": {
      if (p.script === undefined) throw new ShellError("empty command substitution");
      const unit = p.script.source === undefined ? c.sh.unit : derivedUnit(c.sh, p.script.source);
      const text = yield* c.substitute(c.sh, p.script, unit);
      if (inDouble) sink.quoted(text);
      else sink.expanded(text);
      return;
    }
    case "ArithmeticExpansion": {
      const n = yield* expandArith(
        c,
        p.expression,
        p.text.startsWith("$[") ? p.text.slice(2, -1) : p.text.slice(3, -2),
        p.pos + (p.text.startsWith("$[") ? 2 : 3),
      );
      if (inDouble) sink.quoted(n.toString());
      else sink.expanded(n.toString());
      return;
    }
    case "ExtendedGlob":
      if (inDouble) sink.quoted(p.text);
      else if (p.parts === undefined) sink.active(p.text);
      else {
        sink.active(`${p.operator}(`);
        for (const child of p.parts) {
          // The "|" between alternatives is part of a literal.
          if (child.type === "Literal") sink.active(child.text);
          else yield* expandPart(c, child, false, sink);
        }
        sink.active(")");
      }
      return;
    case "BraceExpansion":
      sink.quoted(p.text);
      return;
    case "ProcessSubstitution":
      throw unsupported(`${p.text.slice(0, 2)}...): process substitution is not supported; use a pipe or a file`);
  }
}

function* bracket(c: Context, text: string, parts: readonly WordPart[], sink: Sink): Blocking<void> {
  if (parts.every((p) => p.type === "Literal")) {
    sink.active(text);
    return;
  }
  sink.active("[");
  for (const p of parts) {
    if (p.type === "Literal") sink.active(p.text);
    else yield* expandPart(c, p, false, sink);
  }
  sink.active("]");
}

/**
 * Evaluates arithmetic as bash does: "$" expansions are replaced in the text first, then the text is parsed.
 * @param start offset of `text` in the unit that the expression's places count in.
 */
export function* expandArith(
  c: Context,
  e: ArithmeticExpression | undefined,
  text: string,
  start: number,
): Blocking<bigint> {
  if (!/[$`"'\\]/.test(text)) return arith(c.sh, text);
  const found: { pos: number; end: number; text: string }[] = [];
  if (e !== undefined) yield* arithWords(c, e, found);
  found.sort((a, b) => a.pos - b.pos);
  let out = "";
  let at = 0;
  for (const f of found) {
    if (f.pos - start < at) continue;
    out += text.slice(at, f.pos - start) + f.text;
    at = f.end - start;
  }
  return arith(c.sh, (out + text.slice(at)).replace(/\\\n/g, "").replaceAll('"', ""));
}

function* arithWords(
  c: Context,
  e: ArithmeticExpression,
  out: { pos: number; end: number; text: string }[],
): Blocking<void> {
  switch (e.type) {
    case "ArithmeticWord":
      if (e.parts !== undefined) out.push({ pos: e.pos, end: e.end, text: yield* expandParts(c, e.parts) });
      else if (e.value.startsWith("$")) {
        const part: WordPart = { type: "SimpleExpansion", pos: e.pos, end: e.end, text: e.value };
        out.push({ pos: e.pos, end: e.end, text: yield* expandParts(c, [part]) });
      }
      return;
    case "ArithmeticCommandExpansion": {
      const text = e.script === undefined ? "" : yield* c.substitute(c.sh, e.script, c.sh.unit);
      out.push({ pos: e.pos, end: e.end, text });
      return;
    }
    case "ArithmeticBinary":
      yield* arithWords(c, e.left, out);
      yield* arithWords(c, e.right, out);
      return;
    case "ArithmeticUnary":
      yield* arithWords(c, e.operand, out);
      return;
    case "ArithmeticTernary":
      yield* arithWords(c, e.test, out);
      yield* arithWords(c, e.consequent, out);
      yield* arithWords(c, e.alternate, out);
      return;
    case "ArithmeticGroup":
      yield* arithWords(c, e.expression, out);
  }
}

/** An arithmetic word inside ${x:…} or a[…]: its own expansions, then a number. */
export function* expandNumber(c: Context, word: Word): Blocking<number> {
  return arithNumber(c.sh, yield* expandText(c, word));
}

/** A unit for source made at run time (eval, braces, backticks): its lines are all the current one. */
export function derivedUnit(sh: Shell, source: string): Shell["unit"] {
  return { ...sh.unit, source, startLine: currentLine(sh), lines: [0] };
}

function currentLine(sh: Shell): number {
  const unit = sh.unit;
  let line = unit.startLine;
  if (unit.lines?.length === 1) return line;
  for (let i = unit.source.indexOf("\n"); i >= 0 && i < sh.pos; i = unit.source.indexOf("\n", i + 1)) line++;
  return line;
}

const bracesOf = new WeakMap<Word, Word[]>();

function braces(word: Word): Word[] {
  if (!word.parts?.some((p) => p.type === "BraceExpansion")) return [word];
  let out = bracesOf.get(word);
  if (out === undefined) {
    out = [];
    for (const text of braceExpand(word.text))
      out.push(text === "" ? { ...word, text: "", value: "", parts: [] } : reparse(text, word));
    bracesOf.set(word, out);
  }
  return out;
}

/** Parses one word again, at the place that it has in the script. */
function reparse(text: string, original: Word): Word {
  const command = parse(`: ${text}`).commands[0]?.command;
  const word = command?.type === "Command" ? command.suffix[0] : undefined;
  return word?.type === "Word" && word.text === text ? word : { ...original, text, value: text, parts: undefined };
}
