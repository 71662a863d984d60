// sed in small: s/// with flags, p, d, q, addresses by number, "$" and /regex/, ranges, -n -e -E -i. No branches, no hold space.

import { strerror } from "../../uapi/errno.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { LineReader, print, printError, readFile, writeFile } from "../lib/io.ts";
import { posixRegex } from "../lib/regex.ts";
import { eachInput, usageError } from "./input.ts";

type Address = { line: number } | { last: true } | { regex: RegExp };

interface Command {
  from?: Address;
  to?: Address;
  inverted: boolean;
  name: string;
  regex?: RegExp;
  replacement?: string;
  flags?: string;
  /** Inside its range. */
  active: boolean;
}

export const sed: Program = function* (sys, argv) {
  const o = getopt(argv, "ne:Ersi::", ["quiet=n", "silent=n", "expression:=e", "regexp-extended=E", "in-place::=i"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const files = [...o.operands];
  const scripts = o.list.filter((e) => e.name === "e").map((e) => e.value ?? "");
  if (scripts.length === 0) {
    const s = files.shift();
    if (s === undefined) return yield* usageError(sys, argv, "no script");
    scripts.push(s);
  }
  const commands = compile(scripts.join("\n"), o.has("E") || o.has("r"));
  if (typeof commands === "string") {
    yield* printError(sys, `sed: -e expression #1: ${commands}\n`);
    return 1;
  }
  let number = 0;
  let quit = false;
  if (!o.has("i")) {
    const lines: { text: string; end: string }[] = [];
    const status = yield* eachInput(sys, argv, files, function* (fd) {
      // Line by line as they come, one held back to know the last.
      const reader = new LineReader(sys, fd);
      for (let t = yield* reader.next(); t !== null; t = yield* reader.next()) {
        lines.push({ text: t, end: reader.terminated ? "\n" : "" });
        if (lines.length > 1) {
          const stop = yield* one(lines.shift()!, false);
          if (stop) return 0;
        }
      }
      return reader.error;
    });
    if (lines.length > 0 && !quit) yield* one(lines[0], true);
    return status;
  }
  for (const name of files) {
    const text = yield* readFile(sys, name);
    if (typeof text === "number") {
      yield* printError(sys, `sed: can't read ${name}: ${strerror(text)}\n`);
      return 2;
    }
    number = 0;
    quit = false;
    const lines = text.split("\n");
    const unfinished = lines.at(-1) !== "";
    if (!unfinished) lines.pop();
    let out = "";
    for (let i = 0; i < lines.length && !quit; i++)
      out += apply(lines[i], i === lines.length - 1, i < lines.length - 1 || !unfinished ? "\n" : "");
    yield* writeFile(sys, name, out);
  }
  return 0;

  function* one(line: { text: string; end: string }, last: boolean): Blocking<boolean> {
    yield* print(sys, apply(line.text, last, line.end));
    return quit;
  }

  function apply(input: string, last: boolean, end: string): string {
    number++;
    let text = input;
    let out = "";
    for (const c of commands as Command[]) {
      if (selected(c, text, number, last) === c.inverted) continue;
      if (c.name === "d") return out;
      if (c.name === "p") out += text + end;
      else if (c.name === "=") out += `${number}\n`;
      else if (c.name === "q") {
        quit = true;
        break;
      } else if (c.name === "s") {
        const changed = substitute(c, text);
        if (changed !== undefined) {
          text = changed;
          if (c.flags!.includes("p")) out += text + end;
        }
      }
    }
    return o.has("n") ? out : out + text + end;
  }
};

function selected(c: Command, text: string, line: number, last: boolean): boolean {
  const hits = (a: Address): boolean => ("line" in a ? a.line === line : "last" in a ? last : a.regex.test(text));
  if (c.from === undefined) return true;
  if (c.to === undefined) return hits(c.from);
  if (c.active) {
    if (hits(c.to) || ("line" in c.to && line > c.to.line)) c.active = false;
    return !("line" in c.to && line > c.to.line);
  }
  if (!hits(c.from)) return false;
  c.active = !("line" in c.to && c.to.line <= line);
  return true;
}

function substitute(c: Command, text: string): string | undefined {
  const nth = Number(/\d+/.exec(c.flags!)?.[0] ?? 1);
  const all = c.flags!.includes("g");
  let seen = 0;
  let changed = false;
  const out = text.replace(c.regex!, (...m) => {
    seen++;
    if (seen < nth || (seen > nth && !all)) return m[0];
    changed = true;
    return c.replacement!.replace(/\\([\s\S])|&/g, (t, e: string | undefined) => {
      if (t === "&") return m[0];
      if (e === "n") return "\n";
      if (e === "t") return "\t";
      return /[0-9]/.test(e!) ? (e === "0" ? m[0] : typeof m[Number(e)] === "string" ? m[Number(e)] : "") : e!;
    });
  });
  return changed ? out : undefined;
}

function compile(script: string, extended: boolean): Command[] | string {
  const out: Command[] = [];
  let i = 0;
  const fail = (why: string): string => `char ${i + 1}: ${why}`;
  const until = (d: string): string | undefined => {
    let t = "";
    let set = false;
    for (; i < script.length; i++) {
      const c = script[i];
      if (c === "\\" && i + 1 < script.length) {
        t += script[i + 1] === d && d !== "\\" ? d : c + script[i + 1];
        i++;
      } else if (c === d && !set) {
        i++;
        return t;
      } else {
        if (c === "[") set = true;
        else if (c === "]") set = false;
        t += c;
      }
    }
    return undefined;
  };
  const regex = (text: string, ignoreCase: boolean): RegExp | string =>
    posixRegex(text, { extended, ignoreCase, global: false });
  const address = (): Address | string | undefined => {
    const m = /^\d+/.exec(script.slice(i));
    if (m !== null) {
      i += m[0].length;
      return { line: Number(m[0]) };
    }
    if (script[i] === "$") {
      i++;
      return { last: true };
    }
    if (script[i] !== "/") return undefined;
    i++;
    const t = until("/");
    if (t === undefined) return "unterminated address regex";
    const r = regex(t, false);
    return typeof r === "string" ? r : { regex: r };
  };
  for (;;) {
    while (i < script.length && /[\s;]/.test(script[i])) i++;
    if (i >= script.length) return out;
    if (script[i] === "#") {
      while (i < script.length && script[i] !== "\n") i++;
      continue;
    }
    const from = address();
    if (typeof from === "string") return fail(from);
    const c: Command = { inverted: false, name: "", active: false };
    if (from !== undefined) c.from = from;
    if (from !== undefined && script[i] === ",") {
      i++;
      const to = address();
      if (typeof to === "string") return fail(to);
      if (to === undefined) return fail("unexpected `,'");
      c.to = to;
    }
    while (script[i] === " ") i++;
    if (script[i] === "!") {
      c.inverted = true;
      i++;
    }
    c.name = script[i++] ?? "";
    if (c.name === "") return fail("missing command");
    if (!"pdq=s".includes(c.name)) return fail(`\`${c.name}' is not supported by this sed`);
    if (c.name === "s") {
      const d = script[i++];
      const pattern = d === undefined ? undefined : until(d);
      const replacement = pattern === undefined ? undefined : until(d);
      if (pattern === undefined || replacement === undefined) return fail("unterminated `s' command");
      c.flags = /^[gpiI0-9]*/.exec(script.slice(i))![0];
      i += c.flags.length;
      const r = regex(pattern, /i/i.test(c.flags));
      if (typeof r === "string") return fail(r);
      c.regex = new RegExp(r.source, `${r.flags}g`);
      c.replacement = replacement;
    }
    while (script[i] === " ") i++;
    if (i < script.length && !/[;\n}]/.test(script[i])) return fail("unknown option to command");
    out.push(c);
  }
}
