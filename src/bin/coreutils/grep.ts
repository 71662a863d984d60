// grep: lines that match. Read first: grep(1) of GNU grep 3.8. Options: -c -v -i -E -F -G -o -q -n -w -x -l -L -h -H -m -e -s -A -B -C -r.

import { strerror } from "../../uapi/errno.ts";
import { O_RDONLY, S_IFDIR, S_IFMT } from "../../uapi/fcntl.ts";
import type { Blocking, Program, Sys } from "../../uapi/sys.ts";
import type { Options } from "../lib/getopt.ts";
import { getopt } from "../lib/getopt.ts";
import { LineReader, print, printError } from "../lib/io.ts";
import { escapeRegex, posixRegex } from "../lib/regex.ts";

const LONG = [
  "count=c",
  "invert-match=v",
  "ignore-case=i",
  "extended-regexp=E",
  "fixed-strings=F",
  "only-matching=o",
  "quiet=q",
  "silent=q",
  "line-number=n",
  "word-regexp=w",
  "line-regexp=x",
  "files-with-matches=l",
  "files-without-match=L",
  "no-filename=h",
  "with-filename=H",
  "max-count:=m",
  "regexp:=e",
  "no-messages=s",
  "after-context:=A",
  "before-context:=B",
  "context:=C",
  "recursive=r",
  "color::",
];

export const grep: Program = function* (sys, argv) {
  const o = getopt(argv, "cviEFGoqnwxlLhHm:e:sA:B:C:rRay", LONG);
  if (o.error !== undefined) {
    yield* printError(
      sys,
      `${o.error}\nUsage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n`,
    );
    return 2;
  }
  const patterns = o.list.filter((e) => e.name === "e").map((e) => e.value ?? "");
  const files = [...o.operands];
  if (patterns.length === 0) {
    const p = files.shift();
    if (p === undefined) {
      yield* printError(sys, "Usage: grep [OPTION]... PATTERNS [FILE]...\nTry 'grep --help' for more information.\n");
      return 2;
    }
    patterns.push(p);
  }
  const extended = o.has("E") || argv[0] === "egrep";
  const fixed = o.has("F") || argv[0] === "fgrep";
  const regexes: RegExp[] = [];
  for (const p of patterns.flatMap((t) => t.split("\n"))) {
    const regex = posixRegex(fixed ? escapeRegex(p) : p, {
      extended: extended || fixed,
      ignoreCase: o.has("i") || o.has("y"),
      words: o.has("w"),
      line: o.has("x"),
      global: true,
    });
    if (typeof regex === "string") {
      yield* printError(sys, `grep: ${regex}\n`);
      return 2;
    }
    regexes.push(regex);
  }
  const recursive = o.has("r") || o.has("R");
  const list = files.length > 0 ? files : [recursive ? "." : "-"];
  const named = o.has("H") || (!o.has("h") && (list.length > 1 || recursive));
  let failed = false;
  let found = false;
  const visit = function* (name: string, depth: number): Blocking<void> {
    const s = name === "-" ? undefined : sys.stat(name);
    if (s !== undefined && typeof s !== "number" && (s.st_mode & S_IFMT) === S_IFDIR) {
      if (!recursive) {
        yield* printError(sys, `grep: ${name}: Is a directory\n`);
        return;
      }
      const names = sys.readdir(name);
      for (const n of typeof names === "number" || depth > 32 ? [] : [...names].sort()) {
        if (n !== "." && n !== "..") yield* visit(name === "/" ? `/${n}` : `${name}/${n}`, depth + 1);
      }
      return;
    }
    const fd = name === "-" ? 0 : sys.open(name, O_RDONLY);
    if (fd < 0) {
      failed = true;
      if (!o.has("s")) yield* printError(sys, `grep: ${name}: ${strerror(fd)}\n`);
      return;
    }
    if (yield* search(sys, o, regexes, fd, name === "-" ? "(standard input)" : name, named)) found = true;
    if (fd !== 0) sys.close(fd);
  };
  for (const name of list) {
    yield* visit(name, 0);
    if (found && o.has("q")) return 0;
  }
  return failed ? 2 : found ? 0 : 1;
};

function* search(sys: Sys, o: Options, regexes: RegExp[], fd: number, name: string, named: boolean): Blocking<boolean> {
  const reader = new LineReader(sys, fd);
  const max = Number(o.get("m") ?? Number.POSITIVE_INFINITY);
  const after = Number(o.get("A") ?? o.get("C") ?? 0) || 0;
  const before = Number(o.get("B") ?? o.get("C") ?? 0) || 0;
  const silent = o.has("q") || o.has("c") || o.has("l") || o.has("L");
  const held: [number, string][] = [];
  let count = 0;
  let line = 0;
  let printed = 0;
  let trailing = 0;
  const show = function* (n: number, text: string, separator: string): Blocking<number> {
    const prefix = `${named ? name + separator : ""}${o.has("n") ? n + separator : ""}`;
    printed = n;
    return yield* print(sys, `${prefix}${text}\n`);
  };
  for (let text = yield* reader.next(); text !== null && count < max; text = yield* reader.next()) {
    line++;
    const spans = o.has("o") && !o.has("v") ? matchesOf(regexes, text) : [];
    const hit = regexes.some((r) => text.search(r) >= 0) !== o.has("v");
    if (!hit) {
      if (trailing > 0 && !silent) {
        trailing--;
        yield* show(line, text, "-");
      } else if (before > 0) {
        held.push([line, text]);
        if (held.length > before) held.shift();
      }
      continue;
    }
    count++;
    if (o.has("q")) return true;
    if (silent) continue;
    if (o.has("o")) {
      for (const s of spans) if ((yield* show(line, s, ":")) < 0) return true;
      continue;
    }
    const start = held[0]?.[0] ?? line;
    if ((after > 0 || before > 0) && printed > 0 && start > printed + 1) yield* print(sys, "--\n");
    for (const [n, t] of held) yield* show(n, t, "-");
    held.length = 0;
    if ((yield* show(line, text, ":")) < 0) return true;
    trailing = after;
  }
  if (o.has("c")) yield* print(sys, `${named ? `${name}:` : ""}${count}\n`);
  if ((o.has("l") && count > 0) || (o.has("L") && count === 0)) yield* print(sys, `${name}\n`);
  return o.has("L") ? count === 0 : count > 0;
}

/** The matched parts of a line, for -o. */
function matchesOf(regexes: RegExp[], text: string): string[] {
  const out: string[] = [];
  let at = 0;
  while (at <= text.length) {
    let best: RegExpExecArray | null = null;
    for (const r of regexes) {
      r.lastIndex = at;
      const m = r.exec(text);
      if (
        m !== null &&
        (best === null || m.index < best.index || (m.index === best.index && m[0].length > best[0].length))
      )
        best = m;
    }
    if (best === null) break;
    if (best[0] !== "") out.push(best[0]);
    at = best.index + Math.max(1, best[0].length);
  }
  return out;
}
