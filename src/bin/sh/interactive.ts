// Commands from standard input, one after the other. At a prompt: asks for more while a command is incomplete, survives
// errors and Ctrl-C; line editing is the front end's (lab/terminal.ts): here come whole lines. Way in: `interactive(sh)`,
// and `runInput(sh)` without a terminal.

import { EINTR, strerror } from "../../uapi/errno.ts";
import { SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU } from "../../uapi/fcntl.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { concat, decode, writeAll } from "../lib/io.ts";
import { runToExit } from "./exec.ts";
import { expandHistory, remember } from "./history.ts";
import { foreground, notifyJobs, warnStopped } from "./jobs.ts";
import { CommandLines, runSource } from "./source.ts";
import type { Shell } from "./state.ts";
import { Jump, ShellError } from "./state.ts";

export function* interactive(sh: Shell): Blocking<number> {
  sh.interactive = true;
  sh.jobControl = true;
  sh.sys.sigaction(SIGINT, (sig) => sh.pending.push(sig));
  sh.ignored = [SIGQUIT, SIGTERM, SIGTSTP, SIGTTIN, SIGTTOU];
  for (const sig of sh.ignored) sh.sys.sigaction(sig, "SIG_IGN");
  // A group of its own, so that the terminal can be handed to a job and taken back.
  sh.sys.setpgid(0, 0);
  foreground(sh, sh.sys.getpid());
  return yield* runToExit(sh, session(sh));
}

/** What follows a command in the input is its own, as `read` and `cat` expect. */
export function* runInput(sh: Shell): Blocking<void> {
  let startLine = 1;
  for (;;) {
    const command = new CommandLines();
    for (;;) {
      const line = yield* readLine(sh);
      if (typeof line === "number") throw new ShellError(`standard input: ${strerror(line)}`);
      if (line === null || (line !== "interrupted" && command.push(line))) break;
    }
    const source = command.text;
    if (source === "") return;
    yield* runSource(sh, source, { name: sh.unit.name, source, startLine, numbered: true });
    startLine += source.split("\n").length - 1;
  }
}

function* session(sh: Shell): Blocking<void> {
  for (;;) {
    yield* notifyJobs(sh);
    const text = yield* readCommand(sh);
    if (text === null) {
      yield* writeAll(sh.sys, sh.fds[2], "exit\n");
      if (yield* warnStopped(sh)) continue;
      throw new Jump("exit", sh.status);
    }
    if (text === "") continue;
    remember(sh, text);
    if (!/^\s*(?:exit|jobs)\b/.test(text)) sh.exitWarned = false;
    try {
      yield* runSource(sh, text, { name: sh.unit.name, source: text, startLine: 1, numbered: false });
    } catch (e) {
      if (e instanceof ShellError) {
        yield* sh.error(e.text);
        sh.status = e.status;
      } else if (e instanceof Jump && e.kind !== "exit") {
        sh.status = e.kind === "interrupt" ? e.n : sh.status;
        // The terminal shows ^C; what comes next starts a line of its own.
        if (e.kind === "interrupt" && e.n === 128 + SIGINT) yield* writeAll(sh.sys, sh.fds[2], "\n");
      } else if (e instanceof RangeError) {
        yield* sh.error("commands nested too deeply");
        sh.status = 2;
      } else throw e;
    }
    sh.nesting = 0;
    sh.guarded = 0;
    sh.loops = 0;
    sh.expandingAliases.clear();
    if (!sh.traps.has("INT")) sh.pending = sh.pending.filter((sig) => sig !== SIGINT);
  }
}

/** One complete command, which may span lines. "" after Ctrl-C, null at the end of input. */
function* readCommand(sh: Shell): Blocking<string | null> {
  const command = new CommandLines();
  for (;;) {
    yield* writeAll(
      sh.sys,
      sh.fds[2],
      prompt(sh, command.text === "" ? (sh.get("PS1") ?? "\\h\\$ ") : (sh.get("PS2") ?? "> ")),
    );
    let line = yield* readLine(sh);
    if (line === "interrupted") {
      sh.status = 130;
      yield* writeAll(sh.sys, sh.fds[2], "\n");
      return "";
    }
    if (line === null || typeof line === "number") return command.text === "" ? null : command.text;
    const expanded = expandHistory(sh, line);
    if (typeof expanded === "object") {
      yield* sh.error(expanded.error);
      return "";
    }
    if (expanded !== undefined) {
      yield* writeAll(sh.sys, sh.fds[2], expanded);
      line = expanded;
    }
    if (command.push(line)) return command.text.trim() === "" ? "" : command.text;
  }
}

/** Byte by byte, as what follows belongs to the command that is started. With its newline; null at the end, or -errno. */
function* readLine(sh: Shell): Blocking<string | null | number> {
  const one = new Uint8Array(1);
  const bytes: number[] = [];
  for (;;) {
    const n = yield* sh.sys.read(sh.fds[0], one);
    if (n === -EINTR) {
      const interrupted = sh.interrupted();
      sh.pending = [];
      if (interrupted) return "interrupted";
      continue;
    }
    if (n < 0 && bytes.length === 0) return n;
    if (n <= 0) return bytes.length === 0 ? null : line(bytes);
    bytes.push(one[0]);
    if (one[0] === 10) return line(bytes);
  }
}

function line(bytes: number[]): string {
  return decode(concat([Uint8Array.from(bytes)]));
}

/** PS1's escapes: \h \H \u \w \W \$ \n \! \# \\ */
export function prompt(sh: Shell, text: string): string {
  return text.replace(/\\([hHuwWn$!#\\[\]])/g, (_, c: string) => {
    const cwd = sh.sys.getcwd();
    const home = sh.get("HOME") ?? "/root";
    const tilde = cwd === home ? "~" : cwd.startsWith(`${home}/`) ? `~${cwd.slice(home.length)}` : cwd;
    switch (c) {
      case "h":
        return sh.sys.uname().nodename.replace(/\..*/, "");
      case "H":
        return sh.sys.uname().nodename;
      case "u":
        return "root";
      case "w":
        return tilde;
      case "W":
        return tilde === "~" || tilde === "/" ? tilde : tilde.slice(tilde.lastIndexOf("/") + 1);
      case "n":
        return "\n";
      case "$":
        return "$";
      case "\\":
        return "\\";
      default:
        return "";
    }
  });
}
