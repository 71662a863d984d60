// sleep, kill, timeout, time, nohup, env, xargs, watch: processes. Read first: their man pages.

import { EINTR, strerror } from "../../uapi/errno.ts";
import { SIGHUP, SIGINT, SIGKILL } from "../../uapi/fcntl.ts";
import type { Blocking, Program, SpawnOptions, Sys } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { decode, print, printError, readAll } from "../lib/io.ts";
import { killArguments, signalNumber } from "../lib/signals.ts";
import { exitStatus, waitFor } from "../lib/wait.ts";
import { parseDuration, usageError } from "./input.ts";

export const sleep: Program = function* (sys, argv) {
  if (argv.length < 2) return yield* usageError(sys, argv, "missing operand");
  let total = 0;
  for (const a of argv.slice(1)) {
    const ns = parseDuration(a);
    if (ns === null) return yield* usageError(sys, argv, `invalid time interval '${a}'`);
    total += ns;
  }
  const until = sys.clock_gettime(1) + total;
  for (let left = total; left > 0; left = until - sys.clock_gettime(1)) {
    if ((yield* sys.nanosleep(left)) === 0) break;
  }
  return 0;
};

/** Runs a command as a child: its pid; 127 was reported when there is no such program. */
function* start(sys: Sys, argv0: string, words: string[], options: SpawnOptions = {}): Blocking<number> {
  const program = sys.lookup_program(words[0].replace(/^\/(?:usr\/)?s?bin\//, ""));
  if (program === null) {
    yield* printError(
      sys,
      `${argv0}: ${argv0 === "time" ? "cannot run" : "failed to run command"} '${words[0]}': No such file or directory\n`,
    );
    return -1;
  }
  const pid = sys.spawn(program, words, options);
  if (pid < 0) yield* printError(sys, `${argv0}: fork: ${strerror(pid)}\n`);
  return pid;
}

export const timeout: Program = function* (sys, argv) {
  const o = getopt(argv, "+s:k:v", ["signal:=s", "kill-after:=k", "preserve-status=p", "foreground", "verbose=v"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error, 125);
  const [duration, ...command] = o.operands;
  if (command.length === 0) return yield* usageError(sys, argv, "missing operand", 125);
  const ns = parseDuration(duration);
  if (ns === null) return yield* usageError(sys, argv, `invalid time interval '${duration}'`, 125);
  const sig = signalNumber(o.get("s") ?? "TERM");
  if (sig < 0) return yield* usageError(sys, argv, `'${o.get("s")}': invalid signal`, 125);
  const killAfter = o.has("k") ? parseDuration(o.get("k")!) : null;
  const pid = yield* start(sys, "timeout", command);
  if (pid < 0) return 127;
  // The alarm is a child of its own: there is no alarm(2) here, and one wait serves both.
  const alarm = (delay: number): number =>
    sys.spawn(
      function* (own) {
        yield* own.nanosleep(delay);
        return 0;
      },
      ["timeout"],
      { fds: [] },
    );
  let clock = ns > 0 ? alarm(ns) : -1;
  let expired = false;
  for (;;) {
    const [got, status] = yield* sys.wait4(-1, 0);
    if (got === pid) {
      if (clock > 0) {
        sys.kill(clock, SIGKILL);
        yield* sys.wait4(clock, 0);
      }
      if (!expired || o.has("p")) return exitStatus(status);
      return (status & 0x7f) === SIGKILL ? 128 + SIGKILL : 124;
    }
    if (got === clock && clock > 0) {
      if (expired) sys.kill(pid, SIGKILL);
      else sys.kill(pid, sig);
      clock = !expired && killAfter !== null && killAfter > 0 ? alarm(killAfter) : -1;
      expired = true;
    } else if (got < 0 && got !== -EINTR) return 125;
  }
};

export const time: Program = function* (sys, argv) {
  const o = getopt(argv, "+p");
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand", 125);
  const before = sys.clock_gettime(1);
  const pid = yield* start(sys, "time", o.operands);
  if (pid < 0) return 127;
  const status = yield* waitFor(sys, pid);
  const s = (sys.clock_gettime(1) - before) / 1e9;
  if (o.has("p")) yield* printError(sys, `real ${s.toFixed(2)}\nuser 0.00\nsys 0.00\n`);
  else yield* printError(sys, `\nreal\t${Math.floor(s / 60)}m${(s % 60).toFixed(3)}s\nuser\t0m0.000s\nsys\t0m0.000s\n`);
  return status;
};

export const nohup: Program = function* (sys, argv) {
  const words = argv.slice(argv[1] === "--" ? 2 : 1);
  if (words.length === 0) return yield* usageError(sys, argv, "missing operand", 125);
  const program = sys.lookup_program(words[0]);
  if (program === null) {
    yield* printError(sys, `nohup: failed to run command '${words[0]}': No such file or directory\n`);
    return 127;
  }
  sys.sigaction(SIGHUP, "SIG_IGN");
  return yield* sys.execve(program, words, sys.env);
};

export const env: Program = function* (sys, argv) {
  const o = getopt(argv, "+iu:C:0", ["ignore-environment=i", "unset:=u", "chdir:=C"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error, 125);
  const vars = new Map(o.has("i") ? [] : Object.entries(sys.env));
  for (const e of o.list) if (e.name === "u") vars.delete(e.value ?? "");
  let at = 0;
  for (; at < o.operands.length && o.operands[at].indexOf("=") > 0; at++) {
    const eq = o.operands[at].indexOf("=");
    vars.set(o.operands[at].slice(0, eq), o.operands[at].slice(eq + 1));
  }
  const words = o.operands.slice(at);
  if (words.length === 0) {
    yield* print(sys, [...vars].map(([name, value]) => `${name}=${value}\n`).join(""));
    return 0;
  }
  const program = sys.lookup_program(words[0].replace(/^\/(?:usr\/)?s?bin\//, ""));
  if (program === null) {
    yield* printError(sys, `env: '${words[0]}': No such file or directory\n`);
    return 127;
  }
  const folder = o.get("C");
  const err = folder === undefined ? 0 : sys.chdir(folder);
  if (err < 0) {
    yield* printError(sys, `env: cannot change directory to '${folder}': ${strerror(err)}\n`);
    return 125;
  }
  return yield* sys.execve(program, words, Object.fromEntries(vars));
};

export const xargs: Program = function* (sys, argv) {
  const o = getopt(argv, "+n:L:I:r0td:P:", [
    "max-args:=n",
    "replace::=I",
    "no-run-if-empty=r",
    "null=0",
    "verbose=t",
    "delimiter:=d",
  ]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const bytes = yield* readAll(sys, 0);
  if (typeof bytes === "number") return 1;
  const text = decode(bytes);
  const replace = o.has("I") ? (o.get("I") ?? "{}") : undefined;
  let items: string[];
  if (o.has("0")) items = text.split("\0").filter((t, i, all) => t !== "" || i < all.length - 1);
  else if (o.has("d")) items = text.replace(/\n$/, "").split(o.get("d") === "\\n" ? "\n" : o.get("d")!);
  else if (replace !== undefined || o.has("L"))
    items = text
      .split("\n")
      .map((l) => l.trim())
      .filter((l) => l !== "");
  else {
    const words = splitWords(text);
    if (words === null) {
      yield* printError(
        sys,
        "xargs: unmatched single quote; by default quotes are special to xargs unless you use the -0 option\n",
      );
      return 1;
    }
    items = words;
  }
  const command = o.operands.length > 0 ? o.operands : ["echo"];
  const batches: string[][] = [];
  if (replace !== undefined) for (const item of items) batches.push(command.map((w) => w.replaceAll(replace, item)));
  else {
    const size = Math.max(1, Number(o.get("n") ?? (o.has("L") ? o.get("L") : 5000)) || 1);
    for (let i = 0; i < items.length; i += size) batches.push([...command, ...items.slice(i, i + size)]);
    if (items.length === 0 && !o.has("r")) batches.push([...command]);
  }
  let status = 0;
  for (const words of batches) {
    if (o.has("t")) yield* printError(sys, `${words.join(" ")}\n`);
    const program = sys.lookup_program(words[0]);
    if (program === null) {
      yield* printError(sys, `xargs: ${words[0]}: No such file or directory\n`);
      return 127;
    }
    const pid = sys.spawn(program, words);
    const code = pid < 0 ? 126 : yield* waitFor(sys, pid);
    if (code === 255) {
      yield* printError(sys, `xargs: ${words[0]}: exited with status 255; aborting\n`);
      return 124;
    }
    if (code > 128) {
      yield* printError(sys, `xargs: ${words[0]}: terminated by signal ${code - 128}\n`);
      return 125;
    }
    if (code !== 0) status = 123;
  }
  return status;
};

/** Words by blanks, with quotes and backslashes; null when a quote is open. */
function splitWords(text: string): string[] | null {
  const out: string[] = [];
  let word: string | undefined;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === '"' || c === "'") {
      const end = text.indexOf(c, i + 1);
      if (end < 0) return null;
      word = (word ?? "") + text.slice(i + 1, end);
      i = end;
    } else if (c === "\\" && i + 1 < text.length) word = (word ?? "") + text[++i];
    else if (/\s/.test(c)) {
      if (word !== undefined) out.push(word);
      word = undefined;
    } else word = (word ?? "") + c;
  }
  if (word !== undefined) out.push(word);
  return out;
}

export const watch: Program = function* (sys, argv) {
  const o = getopt(argv, "+n:tde", ["interval:=n", "no-title=t"]);
  if (o.error !== undefined) return yield* usageError(sys, argv, o.error);
  const interval = parseDuration(o.get("n") ?? "2");
  if (o.operands.length === 0) return yield* usageError(sys, argv, "missing operand");
  if (interval === null) return yield* usageError(sys, argv, `failed to parse argument: '${o.get("n")}'`);
  const shell = sys.lookup_program("sh");
  if (shell === null) return 127;
  let stop = false;
  sys.sigaction(SIGINT, () => {
    stop = true;
  });
  while (!stop) {
    const clear = sys.isatty(1) ? "\x1b[H\x1b[2J" : "";
    const title = o.has("t") ? "" : `Every ${(interval / 1e9).toFixed(1)}s: ${o.operands.join(" ")}\n\n`;
    yield* print(sys, clear + title);
    yield* waitFor(sys, sys.spawn(shell, ["sh", "-c", o.operands.join(" ")]));
    if (!stop && (yield* sys.nanosleep(Math.max(interval, 100_000_000))) < 0) break;
  }
  return 0;
};

export const kill: Program = function* (sys, argv) {
  const o = killArguments(argv);
  if (o.list !== undefined) {
    yield* print(sys, o.list);
    return 0;
  }
  if (o.sig < 0) return yield* usageError(sys, argv, `${o.given}: unknown signal`);
  if (o.targets.length === 0) return yield* usageError(sys, argv, "not enough arguments");
  let status = 0;
  for (const a of o.targets) {
    const err = /^-?\d+$/.test(a) ? sys.kill(Number(a), o.sig) : undefined;
    if (err === 0) continue;
    yield* printError(
      sys,
      err === undefined ? `kill: failed to parse argument: '${a}'\n` : `kill: (${a}): ${strerror(err)}\n`,
    );
    status = 1;
  }
  return status;
};
