// Runs a parsed script: lists, pipelines, loops, conditions, functions. Simple commands are in command.ts.
// Read first: bash(1), SHELL GRAMMAR. Way in: `runScript(sh, script, unit)`; `startSubshell()` makes a child shell.

import type {
  AndOr,
  Case,
  CommandNode,
  CompoundList,
  ParsedScript,
  Pipeline,
  PipelineNode,
  Statement,
  Word,
} from "unbash";
import { SIGINT, SIGQUIT } from "../../uapi/fcntl.ts";
import type { Blocking, SpawnOptions } from "../../uapi/sys.ts";
import { concat, decode } from "../lib/io.ts";
import { signalName } from "../lib/signals.ts";
import { exitStatus } from "../lib/wait.ts";
import { bg } from "./builtins_jobs.ts";
import { runCommand } from "./command.ts";
import { evalTest } from "./conditional.ts";
import type { Context } from "./expand.ts";
import { expandArith, expandPattern, expandText, expandWords } from "./expand.ts";
import type { Job } from "./jobs.ts";
import {
  addJob,
  continueJob,
  describeJob,
  foreground,
  isDone,
  isStopped,
  jobStatus,
  newJob,
  reapJobs,
  removeJob,
  reportSignal,
  waitJob,
} from "./jobs.ts";
import { compilePattern, matches } from "./pattern.ts";
import { withRedirects } from "./redirect.ts";
import { parseShell } from "./source.ts";
import type { Unit } from "./state.ts";
import { isName, Jump, MAX_NESTING, MAX_TEXT, type Shell, ShellError, unsupported } from "./state.ts";
import { runTrap, runTraps } from "./traps.ts";

export function context(sh: Shell): Context {
  return { sh, substitute: commandSubstitution };
}

/**
 * Runs what was parsed without error. Of a source with a syntax error the statements before the one that holds it run,
 * as a shell that reads line by line would, then the error is reported.
 */
export function* runScript(sh: Shell, script: ParsedScript, unit: Unit): Blocking<void> {
  const before = sh.unit;
  sh.unit = unit;
  const error = script.errors?.[0];
  const count = error === undefined ? script.commands.length : soundStatements(script, unit, error.pos);
  for (let i = 0; i < count; i++) yield* runStatement(sh, script.commands[i]);
  if (error !== undefined) {
    sh.pos = Math.min(error.pos, Math.max(0, unit.source.trimEnd().length - 1));
    yield* sh.error(`syntax error: ${error.message}${sh.outcome(false)}`);
    sh.status = 2;
    if (!sh.interactive && sh.sourced === 0) throw new Jump("exit", 2);
  }
  sh.unit = before;
}

/** How many statements are complete on the lines before that of the error. */
function soundStatements(script: ParsedScript, unit: Unit, errorPos: number): number {
  const line = unit.source.lastIndexOf("\n", errorPos - 1) + 1;
  const before = script.commands.filter((st) => st.pos < line);
  const last = before.at(-1);
  if (last === undefined) return 0;
  // The tree of a broken statement says nothing of its end: ask again without the broken line.
  return parseShell(unit.source.slice(last.pos, line)).errors === undefined ? before.length : before.length - 1;
}

export function* runList(sh: Shell, list: CompoundList): Blocking<void> {
  for (const st of list.commands) yield* runStatement(sh, st);
}

function* runStatement(sh: Shell, st: Statement): Blocking<void> {
  sh.pos = st.pos;
  if (sh.options.noexec) return;
  yield* sh.tick();
  if (st.background) yield* runBackground(sh, st);
  else yield* runNode(sh, st.command);
  if (sh.pending.length > 0) {
    if (sh.interrupted()) throw new Jump("interrupt", 130);
    yield* runTraps(sh);
  }
}

export function* runNode(sh: Shell, node: PipelineNode | AndOr): Blocking<void> {
  switch (node.type) {
    case "AndOr":
      yield* runAndOr(sh, node);
      return;
    case "Pipeline":
      yield* runPipeline(sh, node);
      return;
    default:
      yield* runCommandNode(sh, node);
  }
}

/** `set -e` looks at a command here, once it has its status. */
function checkErrexit(sh: Shell): void {
  if (sh.status !== 0 && sh.options.errexit && sh.guarded === 0) throw new Jump("exit", sh.status);
}

function* runAndOr(sh: Shell, node: AndOr): Blocking<void> {
  const last = node.commands.length - 1;
  for (let i = 0; i <= last; i++) {
    const op = node.operators[i - 1];
    if (i > 0 && (op === "&&") !== (sh.status === 0)) continue;
    if (i === last) yield* runNode(sh, node.commands[i]);
    else yield* guard(sh, runNode(sh, node.commands[i]));
  }
}

/** Runs something whose failure is an answer and not an error. */
export function* guard(sh: Shell, body: Blocking<void>): Blocking<void> {
  sh.guarded++;
  try {
    yield* body;
  } finally {
    sh.guarded--;
  }
}

/** Runs a command; an expansion error ends it, and a script with it. */
function* runCommandNode(sh: Shell, node: CommandNode): Blocking<void> {
  try {
    yield* dispatch(sh, node);
  } catch (e) {
    if (!(e instanceof ShellError)) throw e;
    yield* sh.error(e.text + sh.outcome(!e.fatal));
    sh.status = e.status;
    if (e.fatal && !sh.interactive) throw new Jump("exit", e.status);
    // At a prompt the whole line is given up, as bash does.
    if (e.fatal) throw new Jump("interrupt", e.status);
  }
}

function* dispatch(sh: Shell, node: CommandNode): Blocking<void> {
  const c = context(sh);
  if (++sh.nesting > MAX_NESTING) {
    sh.nesting--;
    throw new ShellError("commands nested too deeply");
  }
  try {
    switch (node.type) {
      case "Command":
        sh.pos = node.pos;
        yield* runCommand(c, node);
        sh.pipeStatus = [sh.status];
        checkErrexit(sh);
        return;
      case "Redirected":
        yield* withRedirects(c, node.redirects, () => dispatch(sh, node.command));
        checkErrexit(sh);
        return;
      case "BraceGroup":
        yield* runList(sh, node.body);
        return;
      case "Subshell":
        yield* runSubshell(sh, (child) => runList(child, node.body), sh.unit.source.slice(node.pos, node.end));
        checkErrexit(sh);
        return;
      case "If": {
        yield* guard(sh, runList(sh, node.clause));
        if (sh.status === 0) return yield* runList(sh, node.then);
        for (const branch of node.elif) {
          yield* guard(sh, runList(sh, branch.clause));
          if (sh.status === 0) return yield* runList(sh, branch.then);
        }
        sh.status = 0;
        if (node.else !== undefined) yield* runList(sh, node.else);
        return;
      }
      case "While": {
        let status = 0;
        yield* loop(sh, function* () {
          yield* guard(sh, runList(sh, node.clause));
          if ((sh.status === 0) !== (node.kind === "while")) return false;
          yield* runList(sh, node.body);
          status = sh.status;
          return true;
        });
        sh.status = status;
        return;
      }
      case "For": {
        const words = node.wordlist === undefined ? [...sh.params] : yield* expandWords(c, node.wordlist);
        let at = 0;
        if (!isName(node.name.value)) throw new ShellError(`\`${node.name.text}': not a valid identifier`, 1, false);
        sh.status = 0;
        yield* loop(sh, function* () {
          if (at >= words.length) return false;
          yield* trace(sh, `for ${node.name.value} in ${words.map(traceQuote).join(" ")}`);
          sh.set(node.name.value, words[at++]);
          yield* runList(sh, node.body);
          return true;
        });
        return;
      }
      case "ArithmeticFor": {
        const source = sh.unit.source;
        const part = function* (e: typeof node.test): Blocking<bigint> {
          return e === undefined ? 1n : yield* expandArith(c, e, source.slice(e.pos, e.end), e.pos);
        };
        yield* part(node.initialize);
        let first = true;
        let status = 0;
        yield* loop(sh, function* () {
          if (!first) yield* part(node.update);
          first = false;
          if ((yield* part(node.test)) === 0n) return false;
          yield* runList(sh, node.body);
          status = sh.status;
          return true;
        });
        sh.status = status;
        return;
      }
      case "Case":
        yield* runCase(sh, node);
        return;
      case "ArithmeticCommand": {
        const start = node.expression?.pos ?? node.pos + 2;
        const end = node.expression?.end ?? start;
        yield* trace(sh, `(( ${node.body.trim()} ))`);
        const n = yield* arithStatus(expandArith(c, node.expression, sh.unit.source.slice(start, end), start));
        if (typeof n === "string") yield* sh.error(`((: ${n}`);
        sh.status = typeof n === "bigint" && n !== 0n ? 0 : 1;
        checkErrexit(sh);
        return;
      }
      case "TestCommand": {
        yield* trace(sh, sh.unit.source.slice(node.pos, node.end));
        const yes = yield* evalTest(c, node.expression);
        sh.status = yes ? 0 : 1;
        checkErrexit(sh);
        return;
      }
      case "Function":
        if (node.name.parts !== undefined) throw new ShellError(`\`${node.name.text}': not a valid identifier`);
        sh.functions.set(node.name.value, { body: node.body, unit: sh.unit });
        sh.status = 0;
        return;
      case "Select":
        throw unsupported("select is not supported; use read and case");
      case "Coproc":
        throw unsupported("coproc is not supported; use a background job and a file");
    }
  } finally {
    sh.nesting--;
  }
}

function* arithStatus(body: Blocking<bigint>): Blocking<bigint | string> {
  try {
    return yield* body;
  } catch (e) {
    if (e instanceof ShellError) return e.text;
    throw e;
  }
}

/** Runs `round` until it says false, with break and continue. */
function* loop(sh: Shell, round: () => Blocking<boolean>): Blocking<void> {
  sh.loops++;
  try {
    for (;;) {
      try {
        if (!(yield* round())) return;
      } catch (e) {
        if (!(e instanceof Jump) || (e.kind !== "break" && e.kind !== "continue")) throw e;
        if (e.n > 1 && sh.loops > 1) {
          e.n--;
          throw e;
        }
        if (e.kind === "break") return;
      }
      yield* sh.tick();
      if (sh.interrupted()) throw new Jump("interrupt", 130);
    }
  } finally {
    sh.loops--;
  }
}

function* runCase(sh: Shell, node: Case): Blocking<void> {
  const c = context(sh);
  const word = yield* expandText(c, node.word);
  sh.status = 0;
  let fall = false;
  for (const item of node.items) {
    let hit = fall;
    for (const p of hit ? [] : item.pattern) {
      if (matches(compilePattern(yield* expandPattern(c, p as Word)), word)) {
        hit = true;
        break;
      }
    }
    if (!hit) continue;
    yield* runList(sh, item.body);
    if (item.terminator === ";&") fall = true;
    else if (item.terminator === ";;&") fall = false;
    else return;
  }
}

// --- processes -------------------------------------------------------------------------------------------------

/**
 * Starts a subshell: a process that runs `body` on a copy of this shell's state. Returns its pid, or -errno.
 * @param fds what the child has as 0, 1, 2, …; default: as this shell.
 */
function startSubshell(
  sh: Shell,
  body: (child: Shell) => Blocking<void>,
  options: { fds?: number[]; pgid?: number | undefined; name?: string; background?: boolean } = {},
): number {
  if (sh.nesting >= MAX_NESTING) throw new ShellError("commands nested too deeply");
  const child = sh.fork();
  child.fds = (options.fds ?? sh.fds).map((fd, n) => (fd === undefined || fd < 0 ? -1 : n));
  const spawn = childOptions(sh, options.fds);
  if (options.pgid !== undefined) spawn.pgid = options.pgid;
  return sh.sys.spawn(
    function* (sys) {
      child.sys = sys;
      // Without job control a background command does not hear Ctrl-C.
      if (options.background && !sh.jobControl) for (const s of [SIGINT, SIGQUIT]) sys.sigaction(s, "SIG_IGN");
      return yield* runToExit(child, body(child));
    },
    [options.name ?? "sh"],
    spawn,
  );
}

/** Runs the body of a shell process to its exit status, EXIT trap included. */
export function* runToExit(sh: Shell, body: Blocking<void>): Blocking<number> {
  try {
    yield* body;
  } catch (e) {
    yield* caught(sh, e);
  }
  try {
    yield* runTrap(sh, "EXIT");
  } catch (e) {
    yield* caught(sh, e);
  }
  return sh.status & 0xff;
}

function* caught(sh: Shell, e: unknown): Blocking<void> {
  if (e instanceof Jump) {
    sh.status = e.kind === "break" || e.kind === "continue" ? sh.status : e.n;
  } else if (e instanceof ShellError) {
    yield* sh.error(e.text);
    sh.status = e.status;
  } else if (e instanceof RangeError) {
    yield* sh.error("commands nested too deeply");
    sh.status = 2;
  } else throw e;
}

/** What every child of this shell starts with. */
export function childOptions(sh: Shell, fds = childFds(sh)): SpawnOptions {
  return { fds, env: sh.environment(), sigdefault: sh.ignored.filter((sig) => sh.traps.get(signalName(sig)) !== "") };
}

export function childFds(sh: Shell): number[] {
  return Array.from(sh.fds, (fd) => fd ?? -1);
}

/** Runs a subshell in the foreground and takes over its status. */
function* runSubshell(sh: Shell, body: (child: Shell) => Blocking<void>, text: string): Blocking<void> {
  const pid = startSubshell(sh, body, { pgid: sh.jobControl ? 0 : undefined });
  if (pid < 0) throw new ShellError("fork: Resource temporarily unavailable", 254);
  yield* runForeground(sh, newJob(sh, [pid], [text]));
}

/** Waits for a job in the foreground, continuing it if need be; one that stops goes to the table. */
export function* runForeground(sh: Shell, job: Job): Blocking<void> {
  foreground(sh, job.pgid);
  continueJob(sh, job);
  yield* waitJob(sh, job);
  if (sh.jobControl) foreground(sh, sh.sys.getpid());
  sh.status = jobStatus(job);
  if (isStopped(job)) {
    addJob(sh, job);
    job.told = true;
    yield* sh.out(`\n${describeJob(sh, job)}\n`);
    // As bash: the loops around it end, the line goes on.
    if (sh.loops > 0) throw new Jump("break", sh.loops);
    return;
  }
  removeJob(sh, job);
  yield* reportSignal(sh, job.ended.get(job.pids[job.pids.length - 1]) ?? 0);
  // Ctrl-C at a foreground command ends the line or loop that it was part of.
  if (sh.interactive && sh.status === 128 + SIGINT) throw new Jump("interrupt", sh.status);
}

function* runPipeline(sh: Shell, node: Pipeline): Blocking<void> {
  const negated = node.prefixes.filter((p) => p.type === "Negation").length % 2 === 1;
  const timed = node.prefixes.some((p) => p.type === "Time");
  const started = sh.sys.clock_gettime(1);
  const body = node.commands.length === 1 ? runCommandNode(sh, node.commands[0]) : runPipes(sh, node);
  if (negated) {
    yield* guard(sh, body);
    sh.status = sh.status === 0 ? 1 : 0;
  } else {
    yield* body;
    if (node.commands.length > 1) checkErrexit(sh);
  }
  if (timed) {
    const seconds = (sh.sys.clock_gettime(1) - started) / 1e9;
    const show = (s: number): string => `${Math.floor(s / 60)}m${(s % 60).toFixed(3)}s`;
    const saved = sh.fds[1];
    sh.fds[1] = sh.fds[2];
    yield* sh.out(`\nreal\t${show(seconds)}\nuser\t${show(0)}\nsys\t${show(0)}\n`);
    sh.fds[1] = saved;
  }
}

function* runPipes(sh: Shell, node: Pipeline): Blocking<void> {
  const pids = yield* startPipes(sh, node, sh.jobControl ? 0 : undefined, false);
  const job = newJob(sh, pids, pipeTexts(sh, node));
  yield* runForeground(sh, job);
  if (isStopped(job)) return;
  sh.pipeStatus = pids.map((pid) => exitStatus(job.ended.get(pid)!));
  if (sh.options.pipefail) sh.status = sh.pipeStatus.findLast((s) => s !== 0) ?? 0;
}

function pipeTexts(sh: Shell, node: Pipeline): string[] {
  return node.commands.map((c) => sh.unit.source.slice(c.pos, c.end));
}

function* startPipes(sh: Shell, node: Pipeline, pgid: number | undefined, background: boolean): Blocking<number[]> {
  const pids: number[] = [];
  let input = background && !sh.jobControl ? sh.sys.open("/dev/null", 0) : sh.fds[0];
  let ownInput = input !== sh.fds[0];
  const last = node.commands.length - 1;
  for (let i = 0; i <= last; i++) {
    const [readEnd, writeEnd] = i < last ? sh.sys.pipe() : [-1, sh.fds[1]];
    if (i < last && readEnd < 0) throw new ShellError("pipe: too many open files");
    const fds = childFds(sh);
    fds[0] = input;
    fds[1] = writeEnd;
    if (node.operators[i] === "|&") fds[2] = writeEnd;
    const command = node.commands[i];
    const name = command.type === "Command" ? (command.name?.value ?? "sh") : "sh";
    const pid = startSubshell(sh, (child) => runLast(child, command), {
      fds,
      pgid: pgid === 0 && pids.length > 0 ? pids[0] : pgid,
      name,
      background,
    });
    if (ownInput) sh.sys.close(input);
    if (i < last) sh.sys.close(writeEnd);
    input = readEnd;
    ownInput = true;
    if (pid < 0) {
      if (i < last) sh.sys.close(readEnd);
      throw new ShellError("fork: Resource temporarily unavailable", 254);
    }
    pids.push(pid);
  }
  return pids;
}

/** The only command of a subshell: an external program may take the process over. */
function* runLast(sh: Shell, node: CommandNode): Blocking<void> {
  if (node.type !== "Command") return yield* runCommandNode(sh, node);
  try {
    sh.pos = node.pos;
    yield* runCommand(context(sh), node, { inPlace: true });
  } catch (e) {
    if (!(e instanceof ShellError)) throw e;
    yield* sh.error(e.text);
    sh.status = e.status;
  }
}

function* runBackground(sh: Shell, st: Statement): Blocking<void> {
  yield* reapJobs(sh);
  // At a prompt ended jobs are told of first; in a script they only must not pile up.
  if (!sh.interactive) {
    for (const job of sh.jobs.list.length > 1000 ? [...sh.jobs.list] : []) if (isDone(job)) removeJob(sh, job);
  }
  const pgid = sh.jobControl ? 0 : undefined;
  const node = st.command;
  // "%1 &" is `bg %1`.
  if (sh.jobControl && node.type === "Command" && node.name?.value.startsWith("%")) {
    sh.status = yield* bg(context(sh), ["bg", node.name.value]);
    return;
  }
  let texts = [sh.unit.source.slice(node.pos, node.end)];
  let pids: number[];
  if (node.type === "Pipeline" && node.commands.length > 1 && node.prefixes.length === 0) {
    pids = yield* startPipes(sh, node, pgid, true);
    texts = pipeTexts(sh, node);
  } else {
    const fds = childFds(sh);
    const devnull = sh.jobControl ? -1 : sh.sys.open("/dev/null", 0);
    if (devnull >= 0) fds[0] = devnull;
    const name = node.type === "Command" ? (node.name?.value ?? "sh") : "sh";
    const body = (child: Shell): Blocking<void> => {
      if (node.type === "AndOr" || node.type === "Pipeline") return runNode(child, node);
      return runLast(child, node);
    };
    const pid = startSubshell(sh, body, { fds, pgid, name, background: true });
    if (devnull >= 0) sh.sys.close(devnull);
    if (pid < 0) throw new ShellError("fork: Resource temporarily unavailable", 254);
    pids = [pid];
  }
  const job = newJob(sh, pids, texts);
  addJob(sh, job);
  sh.lastBackground = pids[pids.length - 1];
  if (sh.interactive) yield* sh.out(`[${job.id}] ${sh.lastBackground}\n`);
  sh.status = 0;
}

/** $(…): what the script writes, without the newlines at its end. */
function* commandSubstitution(sh: Shell, script: ParsedScript, unit: Unit): Blocking<string> {
  if (script.errors !== undefined && script.errors.length > 0) {
    throw new ShellError(`syntax error in command substitution: ${script.errors[0].message}`, 2);
  }
  const [readEnd, writeEnd] = sh.sys.pipe();
  if (readEnd < 0) throw new ShellError("cannot make a pipe for a command substitution");
  const fds = childFds(sh);
  fds[1] = writeEnd;
  let pid: number;
  try {
    pid = startSubshell(
      sh,
      (child) => {
        child.unit = unit;
        // Like bash, a substitution does not inherit `set -e`.
        child.options.errexit = false;
        return substitutionBody(child, script);
      },
      { fds },
    );
  } finally {
    sh.sys.close(writeEnd);
  }
  if (pid < 0) {
    sh.sys.close(readEnd);
    throw new ShellError("fork: Resource temporarily unavailable", 254);
  }
  const chunks: Uint8Array[] = [];
  const buf = new Uint8Array(8192);
  let total = 0;
  while (total < MAX_TEXT) {
    const n = yield* sh.sys.read(readEnd, buf);
    if (n === -4) {
      if (sh.interrupted()) break;
      continue;
    }
    if (n <= 0) break;
    chunks.push(buf.slice(0, n));
    total += n;
  }
  sh.sys.close(readEnd);
  const job = newJob(sh, [pid], [""]);
  yield* waitJob(sh, job);
  if (sh.interrupted()) throw new Jump("interrupt", 128 + SIGINT);
  sh.status = jobStatus(job);
  sh.substituted = sh.status;
  return decode(concat(chunks, total)).replaceAll("\0", "").replace(/\n+$/, "");
}

function* substitutionBody(sh: Shell, script: ParsedScript): Blocking<void> {
  const only = script.commands.length === 1 ? script.commands[0] : undefined;
  const command = only?.command;
  if (command?.type === "Command" && !only?.background) {
    const r = command.redirects;
    if (
      command.name === undefined &&
      command.prefix.length === 1 &&
      r.length === 1 &&
      r[0].type === "Redirect" &&
      r[0].operator === "<"
    ) {
      // $(<file)
      yield* withRedirects(context(sh), r, function* () {
        const buf = new Uint8Array(8192);
        for (;;) {
          const n = yield* sh.sys.read(sh.fds[0], buf);
          if (n <= 0 || (yield* sh.sys.write(sh.fds[1], buf.subarray(0, n))) < 0) return;
        }
      });
      return;
    }
    yield* runLast(sh, command);
    return;
  }
  for (const st of script.commands) yield* runStatement(sh, st);
}

// --- set -x ------------------------------------------------------------------------------------------------------

export function* trace(sh: Shell, text: string): Blocking<void> {
  if (!sh.options.xtrace) return;
  const fd = sh.fds[1];
  sh.fds[1] = sh.fds[2];
  yield* sh.out(`+ ${text}\n`);
  sh.fds[1] = fd;
}

/** A word as `set -x` shows it. */
export function traceQuote(word: string): string {
  return word !== "" &&
    /^[\w@%+=:,./\\^~#?*[\]{}!-]+$/.test(word) &&
    !/^[~#]/.test(word) &&
    !/[*?[\]{}!\\#~^]/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}
