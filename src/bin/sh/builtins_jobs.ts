// Builtins for processes: jobs, wait, fg, bg, kill, trap. Read first: bash(1), JOB CONTROL.

import { strerror } from "../../uapi/errno.ts";
import { SIGHUP, SIGTERM } from "../../uapi/fcntl.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { getopt } from "../lib/getopt.ts";
import { writeAll } from "../lib/io.ts";
import { killArguments, signalName, signalNames, signalNumber } from "../lib/signals.ts";
import { exitStatus } from "../lib/wait.ts";
import { runForeground } from "./exec.ts";
import type { Context } from "./expand.ts";
import type { Job } from "./jobs.ts";
import {
  AMBIGUOUS,
  continueJob,
  describeJob,
  findJob,
  isDone,
  isStopped,
  jobStatus,
  jobText,
  reapJobs,
  removeJob,
  waitJob,
} from "./jobs.ts";
import type { Shell } from "./state.ts";
import { runTraps } from "./traps.ts";

const KILL_USAGE = "kill: usage: kill [-s sigspec | -n signum | -sigspec] pid | jobspec ... or kill -l [sigspec]\n";

/** The job that `spec` names; else undefined, after the builtin said why not, naming it `as`. */
function* namedJob(sh: Shell, builtin: string, spec: string, as = spec): Blocking<Job | undefined> {
  const job = findJob(sh, spec);
  if (job !== undefined && job !== AMBIGUOUS) return job;
  // bash names an ambiguous one without its "%", and `jobs` goes on to say that there is none.
  if (job === AMBIGUOUS) yield* sh.error(`${builtin}: ${spec.slice(1)}: ambiguous job spec`);
  if (job !== AMBIGUOUS || builtin === "jobs") yield* sh.error(`${builtin}: ${as}: no such job`);
  return undefined;
}

export function* jobs({ sh }: Context, argv: string[]): Blocking<number> {
  yield* reapJobs(sh);
  const o = getopt(argv, "lprs");
  if (o.error !== undefined) {
    yield* sh.error(`jobs: ${o.error.replace(/.*'(.)'$/, "-$1")}: invalid option`);
    yield* writeAll(sh.sys, sh.fds[2] ?? -1, "jobs: usage: jobs [-lprs] [jobspec ...]\n");
    return 2;
  }
  const chosen: Job[] = [];
  let status = 0;
  for (const spec of o.operands) {
    const job = yield* namedJob(sh, "jobs", spec);
    if (job === undefined) status = 1;
    else chosen.push(job);
  }
  for (const job of o.operands.length > 0 ? chosen : [...sh.jobs.list]) {
    if (o.has("r") && (isDone(job) || isStopped(job))) continue;
    if (o.has("s") && !isStopped(job)) continue;
    yield* sh.out(o.has("p") ? `${job.pids[0]}\n` : `${describeJob(sh, job, o.has("l"))}\n`);
    job.told = true;
    if (isDone(job)) removeJob(sh, job);
  }
  return status;
}

export function* wait({ sh }: Context, argv: string[]): Blocking<number> {
  const any = argv[1] === "-n";
  const specs = argv.slice(any ? 2 : 1);
  if (any) return yield* waitAny(sh);
  if (specs.length === 0) {
    for (const job of [...sh.jobs.list]) {
      if (!(yield* waitJob(sh, job, true))) return yield* interrupted(sh);
      if (isStopped(job)) yield* sh.error(`wait: warning: job ${job.id}[${job.pids[0]}] stopped`);
      else removeJob(sh, job);
    }
    return 0;
  }
  let status = 0;
  for (const spec of specs) {
    const job = findJob(sh, spec);
    if (job === undefined || job === AMBIGUOUS) {
      const what = spec.startsWith("%")
        ? `${spec}: no such job`
        : /^\d+$/.test(spec)
          ? `pid ${spec} is not a child of this shell`
          : `\`${spec}': not a pid or valid job spec`;
      yield* sh.error(`wait: ${what}`);
      status = 127;
      continue;
    }
    if (!(yield* waitJob(sh, job, true))) return yield* interrupted(sh);
    const pid = Number(spec);
    status = job.ended.has(pid) ? exitStatus(job.ended.get(pid)!) : jobStatus(job);
    if (isStopped(job)) yield* sh.error(`warning: wait_for_job: job ${job.id} is stopped`);
    else removeJob(sh, job);
  }
  return status;
}

function* waitAny(sh: Shell): Blocking<number> {
  if (sh.jobs.list.length === 0) return 127;
  for (;;) {
    yield* reapJobs(sh);
    const job = sh.jobs.list.find(isDone);
    if (job !== undefined) {
      removeJob(sh, job);
      return jobStatus(job);
    }
    // No wait for one of several that are ours alone: look again soon.
    if ((yield* sh.sys.nanosleep(1_000_000)) < 0) return yield* interrupted(sh);
  }
}

/** A signal ended the waiting: its trap runs, and the status tells which it was. */
function* interrupted(sh: Shell): Blocking<number> {
  const sig = sh.pending[0] ?? 2;
  if (!sh.interrupted()) yield* runTraps(sh);
  return 128 + sig;
}

function* jobOf(sh: Shell, builtin: string, spec: string | undefined): Blocking<Job | undefined> {
  if (!sh.jobControl) {
    yield* sh.error(`${builtin}: no job control`);
    return undefined;
  }
  yield* reapJobs(sh);
  return yield* namedJob(sh, builtin, spec?.replace(/^%?/, "%") ?? "%+", spec ?? "current");
}

export function* fg({ sh }: Context, argv: string[]): Blocking<number> {
  const job = yield* jobOf(sh, "fg", argv[1]);
  if (job === undefined) return 1;
  yield* sh.out(`${jobText(job)}\n`);
  yield* runForeground(sh, job);
  return sh.status;
}

export function* bg({ sh }: Context, argv: string[]): Blocking<number> {
  let status = 0;
  for (const spec of argv.length > 1 ? argv.slice(1) : [undefined]) {
    const job = yield* jobOf(sh, "bg", spec);
    if (job === undefined) status = 1;
    else if (!isStopped(job)) yield* sh.error(`bg: job ${job.id} already in background`);
    else {
      const mark = describeJob(sh, job).slice(0, `[${job.id}]+`.length);
      yield* sh.out(`${mark} ${jobText(job)} &\n`);
      continueJob(sh, job);
      sh.lastBackground = job.pids[job.pids.length - 1];
      if (sh.jobs.current === job) sh.jobs.current = undefined;
    }
  }
  return status;
}

export function* kill({ sh }: Context, argv: string[]): Blocking<number> {
  const o = killArguments(argv);
  const { sig } = o;
  if (o.list !== undefined) {
    yield* sh.out(o.list);
    return 0;
  }
  if (sig < 0) {
    yield* sh.error(`kill: ${o.given}: invalid signal specification`);
    return 1;
  }
  if (o.targets.length === 0) {
    yield* writeAll(sh.sys, sh.fds[2] ?? -1, KILL_USAGE);
    return 2;
  }
  let status = 0;
  for (const spec of o.targets) {
    let err = 0;
    if (spec.startsWith("%")) {
      yield* reapJobs(sh);
      const job = yield* namedJob(sh, "kill", spec);
      if (job === undefined) {
        status = 1;
        continue;
      }
      if (job.pgid > 0) {
        err = sh.sys.kill(-job.pgid, sig);
        // A stopped one could not act upon it.
        if (sig === SIGTERM || sig === SIGHUP) continueJob(sh, job);
      } else for (const pid of job.pids) if (!job.ended.has(pid)) err = sh.sys.kill(pid, sig);
    } else if (/^-?\d+$/.test(spec)) err = sh.sys.kill(Number(spec), sig);
    else {
      yield* sh.error(`kill: ${spec}: arguments must be process or job IDs`);
      status = 1;
      continue;
    }
    if (err < 0) {
      yield* sh.error(`kill: (${spec}) - ${strerror(err)}`);
      status = 1;
    }
  }
  // A signal to this shell itself counts before the next command.
  yield* sh.sys.sched_yield();
  return status;
}

export function* trap({ sh }: Context, argv: string[]): Blocking<number> {
  const args = argv[1] === "--" ? argv.slice(2) : argv.slice(1);
  if (args.length === 0 || args[0] === "-p") {
    for (const [name, command] of sh.traps) {
      yield* sh.out(`trap -- '${command.replaceAll("'", "'\\''")}' ${name === "EXIT" ? name : `SIG${name}`}\n`);
    }
    return 0;
  }
  if (args[0] === "-l") {
    yield* sh.out(`${signalNames().slice(1).join(" ")}\n`);
    return 0;
  }
  // One argument alone resets that signal.
  const [command, names] = args.length === 1 ? ["-", args] : [args[0], args.slice(1)];
  let status = 0;
  for (const n of names) {
    const sig = signalNumber(n);
    if (sig < 0) {
      yield* sh.error(`trap: ${n}: invalid signal specification`);
      status = 1;
      continue;
    }
    const name = signalName(sig);
    if (command === "-") sh.traps.delete(name);
    else sh.traps.set(name, command);
    if (sig === 0) continue;
    if (command === "") sh.sys.sigaction(sig, "SIG_IGN");
    else if (command !== "-" || (sh.interactive && sig === 2)) sh.sys.sigaction(sig, (s) => sh.pending.push(s));
    else sh.sys.sigaction(sig, "SIG_DFL");
  }
  return status;
}
