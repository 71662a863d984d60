// What was typed at the prompt: the list of `history`, and !!, !N, !-N, !TEXT, !$ in a new line.
// Read first: bash(1), HISTORY EXPANSION. Way in: `remember(sh, text)`, `expandHistory(sh, line)`, the builtin `history`.

import type { Blocking } from "../../uapi/sys.ts";
import type { Context } from "./expand.ts";
import { hasOpenQuote, parseShell } from "./source.ts";
import type { Shell } from "./state.ts";

/** HISTSIZE. */
const MAX_HISTORY = 500;

/** Adds a command, on one line if that means the same (bash's cmdhist). */
export function remember(sh: Shell, text: string): void {
  const lines = text.trimEnd().split("\n");
  let joined = lines[0];
  for (const line of lines.slice(1)) {
    if (hasOpenQuote(joined) || joined.includes("<<")) joined += `\n${line}`;
    else if (/\\$/.test(joined)) joined = joined.slice(0, -1) + line;
    else joined += `${/(?:^|\s)(?:do|then|else|in|\{|\()$|[;&|({]\s*$/.test(joined) ? " " : "; "}${line.trimStart()}`;
  }
  const { list } = sh.history;
  list.push(joined);
  if (list.length > MAX_HISTORY) {
    list.shift();
    sh.history.dropped++;
  }
}

/** The event that "!…" names, or undefined. */
function findEvent(sh: Shell, event: string): string | undefined {
  const { list, dropped } = sh.history;
  if (event === "!") return list.at(-1);
  if (/^-?\d+$/.test(event)) {
    const n = Number(event);
    return n < 0 ? list.at(n) : list[n - 1 - dropped];
  }
  if (event.startsWith("?")) return list.findLast((l) => l.includes(event.slice(1).replace(/\?$/, "")));
  return list.findLast((l) => l.startsWith(event));
}

function lastWord(text: string): string {
  const last = parseShell(text).commands.at(-1)?.command;
  if (last?.type !== "Command") return text.trim().split(/\s+/).at(-1) ?? "";
  const word = last.args.at(-1) ?? last.name;
  return word === undefined ? "" : text.slice(word.pos, word.end);
}

/** The line as it is to be run; undefined where it stays as typed; an error without the shell's name. */
export function expandHistory(sh: Shell, line: string): string | { error: string } | undefined {
  let out = "";
  let doubleQuoted = false;
  let changed = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (c === "\\") {
      out += line.slice(i, i + 2);
      i++;
      continue;
    }
    if (c === '"') doubleQuoted = !doubleQuoted;
    if (c === "'" && !doubleQuoted) {
      const end = line.indexOf("'", i + 1);
      const stop = end < 0 ? line.length : end + 1;
      out += line.slice(i, stop);
      i = stop - 1;
      continue;
    }
    // $! and ${! and [! are the shell's own.
    const m =
      c === "!" && !/[$[{]$/.test(out) ? /^!(\$|!|-?\d+|\?[^?\n]+\??|[^\s=("'!;&|)]+)/.exec(line.slice(i)) : null;
    if (m === null) {
      out += c;
      continue;
    }
    const event = m[1] === "$" ? sh.history.list.at(-1) : findEvent(sh, m[1]);
    if (event === undefined) return { error: `${m[0]}: event not found` };
    out += m[1] === "$" ? lastWord(event) : event;
    changed = true;
    i += m[0].length - 1;
  }
  return changed ? out : undefined;
}

export function* history({ sh }: Context, argv: string[]): Blocking<number> {
  const { list } = sh.history;
  const fail = function* (text: string): Blocking<number> {
    yield* sh.error(`history: ${text}`);
    return 1;
  };
  let count = list.length;
  if (argv[1] === "-c") {
    list.length = 0;
    sh.history.dropped = 0;
    return 0;
  }
  if (argv[1] === "-d") {
    const at = Number(argv[2]) - 1 - sh.history.dropped;
    if (list[at] === undefined) return yield* fail(`${argv[2] ?? ""}: history position out of range`);
    list.splice(at, 1);
    return 0;
  }
  if (argv[1] !== undefined) {
    if (!/^\d+$/.test(argv[1])) return yield* fail(`${argv[1]}: numeric argument required`);
    if (argv.length > 2) return yield* fail("too many arguments");
    count = Number(argv[1]);
  }
  const first = Math.max(0, list.length - count);
  const lines = list.slice(first).map((l, i) => `${String(first + i + 1 + sh.history.dropped).padStart(5)}  ${l}\n`);
  yield* sh.out(lines.join(""));
  return 0;
}
