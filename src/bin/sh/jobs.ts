// Jobs: pipelines in the background or stopped, their process groups, and the terminal's foreground group.
// Read first: wait(2), tcsetpgrp(3). Way in: `addJob()`, `waitJob()`, `reapJobs()`, `findJob()`.

import { ECHILD, EINTR } from "../../uapi/errno.ts";
import { SIGCONT, SIGINT, SIGPIPE, WCONTINUED, WNOHANG, WUNTRACED } from "../../uapi/fcntl.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { writeAll } from "../lib/io.ts";
import { signalText } from "../lib/signals.ts";
import { exitStatus } from "../lib/wait.ts";
import type { Shell } from "./state.ts";

const TIOCSPGRP = 0x5410;

export interface Job {
  /** N of "%N"; 0 for one that is not in the table. */
  id: number;
  /** Process group under job control, else 0. */
  pgid: number;
  pids: number[];
  /** waitpid(2) status by pid, once it ended. */
  ended: Map<number, number>;
  /** Signal that stopped it, by pid. */
  stopped: Map<number, number>;
  /** Which of all stops in this shell was the last of this job. */
  stopNumber: number;
  /** The user knows that it is stopped. */
  told: boolean;
  /** One text per process. */
  texts: string[];
}

export interface JobTable {
  /** By id. */
  list: Job[];
  /** "%+": the last one that stopped, or was started in the background while none was stopped. */
  current: Job | undefined;
  stops: number;
}

export function newJobTable(): JobTable {
  return { list: [], current: undefined, stops: 0 };
}

export function newJob(sh: Shell, pids: number[], texts: string[]): Job {
  const pgid = sh.jobControl ? pids[0] : 0;
  return { id: 0, pgid, pids, ended: new Map(), stopped: new Map(), stopNumber: 0, told: true, texts };
}

export function addJob(sh: Shell, job: Job): void {
  if (job.id > 0) return;
  job.id = (sh.jobs.list.at(-1)?.id ?? 0) + 1;
  sh.jobs.list.push(job);
  const { current } = sh.jobs;
  if (current === undefined || !isStopped(current)) sh.jobs.current = job;
}

export function jobText(job: Job): string {
  return job.texts.join(" | ");
}

export function isDone(job: Job): boolean {
  return job.ended.size === job.pids.length;
}

/** At least one process is stopped, and none runs. */
export function isStopped(job: Job): boolean {
  return job.stopped.size > 0 && job.stopped.size + job.ended.size === job.pids.length;
}

/** Exit status of the last process of the job: 128 + signal when one killed or stopped it. */
export function jobStatus(job: Job): number {
  const last = job.pids[job.pids.length - 1];
  return job.stopped.has(last) ? 128 + job.stopped.get(last)! : exitStatus(job.ended.get(last) ?? 0);
}

/** What wait4() said of one process of the job. */
function noteStatus(sh: Shell, job: Job, pid: number, status: number): void {
  job.stopped.delete(pid);
  if (status === 0xffff) return;
  if ((status & 0xff) !== 0x7f) {
    job.ended.set(pid, status);
    return;
  }
  job.stopped.set(pid, status >> 8);
  job.stopNumber = ++sh.jobs.stops;
  job.told = false;
  sh.jobs.current = job;
}

/** "%+" and "%-": stopped jobs before running ones, the latest first. */
function currentJobs(sh: Shell): [Job | undefined, Job | undefined] {
  const { list } = sh.jobs;
  const rank = [...list].sort((a, b) => {
    const [x, y] = [a, b].map((j) => (isStopped(j) ? j.stopNumber : 0));
    return y - x || b.id - a.id;
  });
  const current = list.find((j) => j === sh.jobs.current) ?? rank[0];
  return [current, rank.find((j) => j !== current)];
}

/** Several jobs fit a "%NAME". */
export const AMBIGUOUS = Symbol();

/** "%1", "%%", "%+", "%-", "%ping", or a pid. */
export function findJob(sh: Shell, spec: string): Job | undefined | typeof AMBIGUOUS {
  const list = sh.jobs.list;
  if (!spec.startsWith("%")) return list.find((j) => j.pids.includes(Number(spec)));
  const what = spec.slice(1);
  const [current, previous] = currentJobs(sh);
  if (what === "" || what === "%" || what === "+") return current;
  if (what === "-") return previous ?? current;
  if (/^\d+$/.test(what)) return list.find((j) => j.id === Number(what));
  const fit = list.filter((j) => (what[0] === "?" ? jobText(j).includes(what.slice(1)) : jobText(j).startsWith(what)));
  return fit.length > 1 ? AMBIGUOUS : fit[0];
}

/** Waits for one process: its wait status, or -1 when a signal to this shell came first. A vanished child counts as 127. */
function* waitPid(sh: Shell, pid: number): Blocking<number> {
  const [got, status] = yield* sh.sys.wait4(pid, sh.jobControl ? WUNTRACED : 0);
  if (got === pid) return status;
  return got === -EINTR ? -1 : 127 << 8;
}

/** Waits until no process of the job runs any more. With `interruptible`, a signal ends the waiting: false. */
export function* waitJob(sh: Shell, job: Job, interruptible = false): Blocking<boolean> {
  for (const pid of job.pids) {
    while (!job.ended.has(pid) && !job.stopped.has(pid)) {
      const status = yield* waitPid(sh, pid);
      if (status !== -1) noteStatus(sh, job, pid, status);
      else if (interruptible) return false;
    }
  }
  return true;
}

/** Takes note of what ended, stopped or went on meanwhile, without waiting. */
export function* reapJobs(sh: Shell): Blocking<void> {
  const options = sh.jobControl ? WNOHANG | WUNTRACED | WCONTINUED : WNOHANG;
  for (const job of sh.jobs.list) {
    for (const pid of job.pids) {
      while (!job.ended.has(pid)) {
        const [got, status] = yield* sh.sys.wait4(pid, options);
        if (got === -EINTR) continue;
        if (got === 0) break;
        noteStatus(sh, job, pid, got === -ECHILD ? 127 << 8 : status);
      }
    }
  }
}

/** SIGCONT to a stopped job. */
export function continueJob(sh: Shell, job: Job): void {
  if (job.stopped.size === 0) return;
  job.stopped.clear();
  sh.sys.kill(-job.pgid, SIGCONT);
}

export function removeJob(sh: Shell, job: Job): void {
  const at = sh.jobs.list.indexOf(job);
  if (at >= 0) sh.jobs.list.splice(at, 1);
}

/** "[1]+  Running                 sleep 5 &"; with `long` as `jobs -l`, a line for each process. */
export function describeJob(sh: Shell, job: Job, long = false): string {
  const [current, previous] = currentJobs(sh);
  const head = `[${job.id}]${job === current ? "+" : job === previous ? "-" : " "}`;
  const last = job.ended.get(job.pids[job.pids.length - 1]) ?? 0;
  let state = "Running";
  if (isDone(job)) {
    const code = jobStatus(job);
    state = (last & 0x7f) !== 0 ? signalText(last & 0x7f) : code === 0 ? "Done" : `Exit ${code}`;
  } else if (isStopped(job)) state = long ? signalText(job.stopped.values().next().value!) : "Stopped";
  const end = state === "Running" ? " &" : "";
  if (!long) return `${head}  ${state.padEnd(23)} ${jobText(job)}${end}`;
  return job.pids
    .map((pid, i) => {
      const text = `${job.texts[i] ?? ""}${i === job.pids.length - 1 ? end : ""}`;
      const number = String(pid).padStart(5);
      return i === 0 ? `${head} ${number} ${state.padEnd(23)} ${text}` : `     ${number} ${" ".repeat(22)}| ${text}`;
    })
    .join("\n");
}

/** Before a prompt: tells of jobs that stopped, or that ended, and forgets these. */
export function* notifyJobs(sh: Shell): Blocking<void> {
  yield* reapJobs(sh);
  for (const job of [...sh.jobs.list]) {
    if (!isDone(job) && (!isStopped(job) || job.told)) continue;
    job.told = true;
    // bash puts a line between the prompt and what was stopped behind its back.
    yield* sh.out(`${isDone(job) ? "" : "\n"}${describeJob(sh, job)}\n`);
    if (isDone(job)) removeJob(sh, job);
  }
}

/** A prompt does not end while jobs are stopped, unless it was just asked to. Whether it has to stay. */
export function* warnStopped(sh: Shell): Blocking<boolean> {
  if (!sh.interactive || sh.exitWarned) return false;
  yield* reapJobs(sh);
  sh.exitWarned = sh.jobs.list.some(isStopped);
  if (sh.exitWarned) yield* writeAll(sh.sys, sh.fds[2], "There are stopped jobs.\n");
  return sh.exitWarned;
}

/** Hands the terminal to a process group, so that Ctrl-C reaches it. Without a terminal nothing happens. */
export function foreground(sh: Shell, pgid: number): void {
  if (!sh.jobControl || pgid <= 0) return;
  const arg = new Uint8Array(4);
  new DataView(arg.buffer).setInt32(0, pgid, true);
  sh.sys.ioctl(sh.fds[0], TIOCSPGRP, arg);
}

/** What bash says of a foreground process that a signal ended; nothing for the usual two. */
export function* reportSignal(sh: Shell, wait: number): Blocking<void> {
  const sig = wait & 0x7f;
  if (sig === 0 || sig === SIGPIPE || sig === SIGINT) return;
  if (sh.interactive) yield* sh.out(`${signalText(sig)}\n`);
  else yield* sh.error(signalText(sig));
}
