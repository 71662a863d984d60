// Redirections: a changed table of descriptors for the time of one command. Read first: bash(1), REDIRECTION.
// Way in: `withRedirects(c, redirects, body)`; the shell's own descriptors never move, only `sh.fds` does.

import type { Redirection, WordPart } from "unbash";
import { strerror } from "../../uapi/errno.ts";
import { O_APPEND, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from "../../uapi/fcntl.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { encode, writeAll } from "../lib/io.ts";
import type { Context } from "./expand.ts";
import { expandParts, expandText, expandWord } from "./expand.ts";
import { ShellError, unsupported } from "./state.ts";

/** Small enough that a pipe takes it without a reader (PIPE_BUF). */
const SMALL = 4096;
const MAX_FD = 255;

/** Opens the redirections, runs the body, closes them. A redirection that fails gives status 1, without the body. */
export function* withRedirects(
  c: Context,
  redirects: readonly Redirection[],
  body: () => Blocking<void>,
): Blocking<void> {
  if (redirects.length === 0) return yield* body();
  const { sh } = c;
  const before = sh.fds;
  const opened: number[] = [];
  sh.fds = [...before];
  try {
    try {
      for (const r of redirects) yield* open(c, r, opened);
    } catch (e) {
      if (!(e instanceof ShellError)) throw e;
      sh.fds = before;
      yield* sh.error(e.text);
      sh.status = 1;
      return;
    }
    yield* body();
  } finally {
    sh.fds = before;
    for (const fd of opened) sh.sys.close(fd);
  }
}

/** For `exec >file`: the redirections stay. Throws ShellError. */
export function* keepRedirects(c: Context, redirects: readonly Redirection[]): Blocking<void> {
  for (const r of redirects) yield* open(c, r, []);
}

function* open(c: Context, r: Redirection, opened: number[]): Blocking<void> {
  const { sh } = c;
  if (r.descriptor?.type === "FileDescriptorVariable") {
    throw unsupported(`{${r.descriptor.name}}: descriptors in variables are not supported; use a number`);
  }
  const given = r.descriptor?.value;
  if (given !== undefined && given > MAX_FD) throw new ShellError(`${given}: Bad file descriptor`);
  if (r.type === "HereDoc") {
    const parts =
      r.body.parts === undefined ? undefined : r.operator === "<<-" ? withoutTabs(r.body.parts) : r.body.parts;
    const plain = r.operator === "<<-" ? r.body.text.replace(/^\t+/gm, "") : r.body.text;
    const text = parts === undefined ? plain : yield* expandParts(c, parts);
    sh.fds[given ?? 0] = yield* fromText(c, text, opened);
    return;
  }
  if (r.target === undefined) throw new ShellError("redirection without a target", 2);
  if (r.type === "HereString") {
    sh.fds[given ?? 0] = yield* fromText(c, `${yield* expandText(c, r.target)}\n`, opened);
    return;
  }
  const words: string[] = [];
  yield* expandWord(c, r.target, words);
  if (words.length !== 1) throw new ShellError(`${r.target.text}: ambiguous redirect`);
  const target = words[0];
  const input = r.operator.startsWith("<");
  const fd = given ?? (input ? 0 : 1);
  if (r.operator === "<&" || r.operator === ">&") {
    if (/^\d+-?$/.test(target)) {
      const from = Number.parseInt(target, 10);
      if ((sh.fds[from] ?? -1) < 0) throw new ShellError(`${from}: Bad file descriptor`);
      sh.fds[fd] = sh.fds[from];
      if (target.endsWith("-") && from !== fd) sh.fds[from] = -1;
      return;
    }
    if (target === "-") {
      sh.fds[fd] = -1;
      return;
    }
    if (r.operator === "<&" || given !== undefined) throw new ShellError(`${target}: ambiguous redirect`);
  }
  const both = r.operator === "&>" || r.operator === "&>>" || r.operator === ">&";
  const real = openFile(c, target, r.operator);
  opened.push(real);
  sh.fds[fd] = real;
  if (both) sh.fds[2] = real;
}

/** <<- takes the tabs away with which lines start, but not those that an expansion brings. */
function withoutTabs(parts: readonly WordPart[]): WordPart[] {
  let lineStart = true;
  return parts.map((p) => {
    if (p.type !== "Literal") {
      lineStart = false;
      return p;
    }
    const value = (lineStart ? p.value.replace(/^\t+/, "") : p.value).replace(/\n\t+/g, "\n");
    lineStart = p.value.endsWith("\n");
    return { ...p, value };
  });
}

function openFile(c: Context, path: string, operator: string): number {
  const flags =
    operator === "<"
      ? O_RDONLY
      : operator === "<>"
        ? O_RDWR | O_CREAT
        : O_WRONLY | O_CREAT | (operator.endsWith(">>") ? O_APPEND : O_TRUNC);
  const fd = path === "" ? -2 : c.sh.sys.open(path, flags, 0o644);
  if (fd < 0) throw new ShellError(`${path}: ${strerror(fd)}`);
  return fd;
}

/** A descriptor from which the text can be read. */
function* fromText(c: Context, text: string, opened: number[]): Blocking<number> {
  const { sys } = c.sh;
  const [readEnd, writeEnd] = sys.pipe();
  if (readEnd < 0) throw new ShellError(`cannot make a pipe for a here-document: ${strerror(readEnd)}`);
  opened.push(readEnd);
  const bytes = encode(text);
  if (bytes.length <= SMALL) yield* sys.write(writeEnd, bytes);
  else {
    // Nobody reads yet: a process of its own fills the pipe.
    sys.spawn(
      function* (own) {
        yield* writeAll(own, 3, bytes);
        return 0;
      },
      ["sh"],
      { fds: [-1, -1, -1, writeEnd] },
    );
  }
  sys.close(writeEnd);
  return readEnd;
}
