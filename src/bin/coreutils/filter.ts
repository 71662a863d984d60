// sort, uniq, cut, tr: lines and characters rearranged. Read first: their man pages (GNU coreutils 9).
// DIFF: order is that of the C locale, by character code.

import { strerror } from "../../uapi/errno.ts";
import type { Program } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { decode, LineReader, print, printError, readAll, writeFile } from "../lib/io.ts";
import { eachInput, usageError } from "./input.ts";

interface Key {
  from: number;
  fromChar: number;
  to: number;
  toChar: number;
  flags: string;
}

export const sort: Program = function* (sys, argv) {
  const o = getopt(argv, "rnufbhVk:t:o:sc", [
    "reverse=r",
    "numeric-sort=n",
    "unique=u",
    "key:=k",
    "field-separator:=t",
  ]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error, 2);
  const keys: Key[] = [];
  for (const e of o.list) {
    if (e.name !== "k") continue;
    const m = /^(\d+)(?:\.(\d+))?([bfnrhV]*)(?:,(\d+)(?:\.(\d+))?([bfnrhV]*))?$/.exec(e.value ?? "");
    if (m === null || Number(m[1]) === 0) {
      yield* printError(sys, `sort: invalid number at field start: invalid count at start of '${e.value}'\n`);
      return 2;
    }
    keys.push({
      from: Number(m[1]),
      fromChar: Number(m[2] ?? 1),
      to: Number(m[4] ?? Number.POSITIVE_INFINITY),
      toChar: Number(m[5] ?? 0),
      flags: m[3] + (m[6] ?? ""),
    });
  }
  const lines: string[] = [];
  const status = yield* eachInput(sys, argv, o.operands, function* (fd) {
    const reader = new LineReader(sys, fd);
    for (let text = yield* reader.next(); text !== null; text = yield* reader.next()) lines.push(text);
    return reader.error;
  });
  const global = o.list.map((e) => e.name).join("");
  const separator = o.get("t");
  const compareKeys = (a: string, b: string): number => {
    if (keys.length === 0) {
      const r = compare(a, b, global);
      return global.includes("r") ? -r : r;
    }
    for (const k of keys) {
      const flags = k.flags === "" ? global : k.flags;
      const r = compare(extract(a, k, separator), extract(b, k, separator), flags);
      if (r !== 0) return flags.includes("r") ? -r : r;
    }
    return 0;
  };
  const plain = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0) * (o.has("r") ? -1 : 1);
  lines.sort((a, b) => compareKeys(a, b) || (o.has("s") || o.has("u") ? 0 : plain(a, b)));
  const out = o.has("u") ? lines.filter((l, i) => i === 0 || compareKeys(lines[i - 1], l) !== 0) : lines;
  const text = out.map((l) => `${l}\n`).join("");
  const file = o.get("o");
  if (file === undefined) yield* print(sys, text);
  else {
    const err = yield* writeFile(sys, file, text);
    if (err < 0) {
      yield* printError(sys, `sort: open failed: ${file}: ${strerror(err)}\n`);
      return 2;
    }
  }
  return status === 0 ? 0 : 2;
};

function extract(line: string, k: Key, separator: string | undefined): string {
  // Without -t a field takes the blanks before it along.
  const fields = separator === undefined ? (line.match(/\s*\S+/g) ?? []) : line.split(separator);
  const picked = fields.slice(k.from - 1, k.to);
  if (picked.length === 0) return "";
  if (k.toChar > 0 && fields.length >= k.to) picked[picked.length - 1] = picked[picked.length - 1].slice(0, k.toChar);
  const text = picked.join(separator ?? "");
  return (k.flags.includes("b") ? text.trimStart() : text).slice(k.fromChar - 1);
}

function compare(a: string, b: string, flags: string): number {
  if (flags.includes("n")) return numberOf(a) - numberOf(b);
  if (flags.includes("h")) return human(a) - human(b);
  if (flags.includes("V")) return a.localeCompare(b, "en", { numeric: true });
  const x = flags.includes("f") ? a.toUpperCase() : a;
  const y = flags.includes("f") ? b.toUpperCase() : b;
  return x < y ? -1 : x > y ? 1 : 0;
}

function numberOf(text: string): number {
  return Number(/^\s*-?\d*(?:\.\d*)?/.exec(text)![0]) || 0;
}

function human(text: string): number {
  const m = /^\s*(-?\d+(?:\.\d*)?)([kKMGTP]?)/.exec(text);
  return m === null ? 0 : Number(m[1]) * 1024 ** " KMGTP".indexOf(m[2].toUpperCase() || " ");
}

export const uniq: Program = function* (sys, argv) {
  const o = getopt(argv, "cdui", ["count=c", "repeated=d", "unique=u", "ignore-case=i"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  let previous: string | undefined;
  let count = 0;
  const flush = (): string => {
    if (previous === undefined || (o.has("d") && count < 2) || (o.has("u") && count > 1)) return "";
    return `${o.has("c") ? `${String(count).padStart(7)} ` : ""}${previous}\n`;
  };
  const fold = (t: string): string => (o.has("i") ? t.toLowerCase() : t);
  const status = yield* eachInput(sys, argv, o.operands.slice(0, 1), function* (fd) {
    const reader = new LineReader(sys, fd);
    for (let text = yield* reader.next(); text !== null; text = yield* reader.next()) {
      if (previous !== undefined && fold(previous) === fold(text)) count++;
      else {
        const out = flush();
        previous = text;
        count = 1;
        if (out !== "") yield* print(sys, out);
      }
    }
    return reader.error;
  });
  yield* print(sys, flush());
  return status;
};

/** "1,3-5,7-": tells whether a position (from 1) is in it. */
function parseList(text: string): ((n: number) => boolean) | null {
  const ranges: [number, number][] = [];
  for (const part of text.split(",")) {
    const m = /^(\d*)(-?)(\d*)$/.exec(part);
    if (m === null || (m[1] === "" && m[3] === "") || m[1] === "0") return null;
    const from = m[1] === "" ? 1 : Number(m[1]);
    const to = m[2] === "" ? from : m[3] === "" ? Number.POSITIVE_INFINITY : Number(m[3]);
    if (to < from) return null;
    ranges.push([from, to]);
  }
  return (n) => ranges.some(([a, b]) => n >= a && n <= b);
}

export const cut: Program = function* (sys, argv) {
  const o = getopt(argv, "f:c:b:d:s", [
    "fields:=f",
    "characters:=c",
    "bytes:=b",
    "delimiter:=d",
    "only-delimited=s",
    "output-delimiter:",
  ]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const spec = o.get("f") ?? o.get("c") ?? o.get("b");
  if (spec === undefined)
    return yield* usageError(sys, argv, "you must specify a list of bytes, characters, or fields");
  const delimiter = o.get("d") ?? "\t";
  if ([...delimiter].length !== 1) return yield* usageError(sys, argv, "the delimiter must be a single character");
  const wanted = parseList(spec);
  if (wanted === null) return yield* usageError(sys, argv, `invalid field value '${spec}'`);
  const join = o.get("output-delimiter") ?? delimiter;
  return yield* eachInput(sys, argv, o.operands, function* (fd) {
    const reader = new LineReader(sys, fd);
    for (let text = yield* reader.next(); text !== null; text = yield* reader.next()) {
      if (!o.has("f")) yield* print(sys, `${[...text].filter((_, i) => wanted(i + 1)).join("")}\n`);
      else if (text.includes(delimiter)) {
        const fields = text.split(delimiter).filter((_, i) => wanted(i + 1));
        yield* print(sys, `${fields.join(join)}\n`);
      } else if (!o.has("s")) yield* print(sys, `${text}\n`);
    }
    return reader.error;
  });
};

const TR_CLASSES: Readonly<Record<string, string>> = {
  upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
  lower: "abcdefghijklmnopqrstuvwxyz",
  digit: "0123456789",
  alpha: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
  alnum: "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
  space: "\t\n\v\f\r ",
  blank: "\t ",
  punct: "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
  xdigit: "0123456789ABCDEFabcdef",
};

function trSet(text: string): string[] {
  const out: string[] = [];
  const chars = [...text];
  const one = (i: number): [string, number] => {
    if (chars[i] !== "\\" || i + 1 >= chars.length) return [chars[i], i + 1];
    const octal = /^[0-7]{1,3}/.exec(chars.slice(i + 1, i + 4).join(""));
    if (octal !== null) return [String.fromCharCode(Number.parseInt(octal[0], 8)), i + 1 + octal[0].length];
    const named: Record<string, string> = { n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v" };
    return [named[chars[i + 1]] ?? chars[i + 1], i + 2];
  };
  for (let i = 0; i < chars.length; ) {
    const cls = /^\[:(\w+):\]/.exec(chars.slice(i, i + 12).join(""));
    if (cls !== null && Object.hasOwn(TR_CLASSES, cls[1])) {
      out.push(...TR_CLASSES[cls[1]]);
      i += cls[0].length;
      continue;
    }
    const [c, next] = one(i);
    if (chars[next] === "-" && next + 1 < chars.length) {
      const [high, after] = one(next + 1);
      for (let code = c.codePointAt(0)!; code <= Math.min(high.codePointAt(0)!, 0xffff); code++)
        out.push(String.fromCharCode(code));
      i = after;
    } else {
      out.push(c);
      i = next;
    }
  }
  return out;
}

export const tr: Program = function* (sys, argv) {
  const o = getopt(argv, "+dscCt", ["delete=d", "squeeze-repeats=s", "complement=c"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  if (o.operands.length === 1 && !o.has("d") && !o.has("s")) {
    return yield* usageError(
      sys,
      argv,
      `missing operand after '${o.operands[0]}'\nTwo strings must be given when translating.`,
    );
  }
  const from = trSet(o.operands[0]);
  const to = trSet(o.operands[1] ?? "");
  const set = new Set(from);
  const complement = o.has("c") || o.has("C");
  const member = (c: string): boolean => set.has(c) !== complement;
  const map = new Map<string, string>();
  if (!o.has("d") && to.length > 0)
    for (let i = from.length - 1; i >= 0; i--) map.set(from[i], to[Math.min(i, to.length - 1)]);
  const squeeze = o.has("s") ? (o.operands.length > 1 ? new Set(to) : undefined) : new Set<string>();
  const bytes = yield* readAll(sys, 0);
  if (typeof bytes === "number") return 1;
  let out = "";
  let last = "";
  for (const c of decode(bytes)) {
    if (o.has("d") && member(c)) continue;
    const t = o.has("d") || to.length === 0 ? c : complement ? (member(c) ? to[to.length - 1] : c) : (map.get(c) ?? c);
    if (t === last && (squeeze === undefined ? member(t) : squeeze.has(t))) continue;
    last = t;
    out += t;
  }
  yield* print(sys, out);
  return 0;
};
