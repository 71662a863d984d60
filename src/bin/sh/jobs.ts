// Jobs: pipelines in the background or stopped, their process groups, and the terminal's foreground group.
// Read first: wait(2), tcsetpgrp(3). Way in: `addJob()`, `waitJob()`, `reapJobs()`, `findJob()`.

import { ECHILD, EINTR } from "../../uapi/errno.ts";
import { SIGINT, SIGPIPE, WNOHANG } from "../../uapi/fcntl.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { signalText } from "../lib/signals.ts";
import type { Shell } from "./state.ts";

const WUNTRACED = 2;
const TIOCSPGRP = 0x5410;

export interface Job {
  id: number;
  /** Process group under job control, else 0. */
  pgid: number;
  pids: number[];
  /** waitpid(2) status by pid, once it ended. */
  ended: Map<number, number>;
  stopped: boolean;
  text: string;
  /** The user was told of its end. */
  notified: boolean;
}

export interface JobTable {
  list: Job[];
}

export function newJobTable(): JobTable {
  return { list: [] };
}

export function addJob(sh: Shell, pgid: number, pids: number[], text: string): Job {
  const id = sh.jobs.list.reduce((max, j) => Math.max(max, j.id), 0) + 1;
  const job: Job = { id, pgid, pids, ended: new Map(), stopped: false, text, notified: false };
  sh.jobs.list.push(job);
  return job;
}

export function isDone(job: Job): boolean {
  return job.ended.size === job.pids.length;
}

/** Exit status of the last process of the job: 128 + signal when one killed it. */
export function jobStatus(job: Job): number {
  return exitStatus(job.ended.get(job.pids[job.pids.length - 1]) ?? 0);
}

export function exitStatus(wait: number): number {
  return (wait & 0x7f) === 0 ? (wait >> 8) & 0xff : 128 + (wait & 0x7f);
}

/** "%1", "%%", "%+", "%-", "%ping", or a pid. */
export function findJob(sh: Shell, spec: string): Job | undefined {
  const list = sh.jobs.list;
  if (!spec.startsWith("%")) return list.find((j) => j.pids.includes(Number(spec)));
  const what = spec.slice(1);
  if (what === "" || what === "%" || what === "+") return list.at(-1);
  if (what === "-") return list.at(-2) ?? list.at(-1);
  if (/^\d+$/.test(what)) return list.find((j) => j.id === Number(what));
  return list.findLast((j) => (what.startsWith("?") ? j.text.includes(what.slice(1)) : j.text.startsWith(what)));
}

/** Waits for one process: its wait status, or -1 when a signal to this shell came first. A vanished child counts as 127. */
export function* waitPid(sh: Shell, pid: number): Blocking<number> {
  const [got, status] = yield* sh.sys.wait4(pid, sh.jobControl ? WUNTRACED : 0);
  if (got === pid) return status;
  return got === -EINTR ? -1 : 127 << 8;
}

export function isStopped(wait: number): boolean {
  return (wait & 0xff) === 0x7f;
}

/** Waits until the job ended or stopped. With `interruptible`, a signal ends the waiting: false. */
export function* waitJob(sh: Shell, job: Job, interruptible = false): Blocking<boolean> {
  for (const pid of job.pids) {
    while (!job.ended.has(pid)) {
      const status = yield* waitPid(sh, pid);
      if (status === -1) {
        if (interruptible) return false;
        continue;
      }
      if (isStopped(status)) {
        job.stopped = true;
        return true;
      }
      job.ended.set(pid, status);
    }
  }
  return true;
}

/** Takes note of what ended meanwhile, without waiting. */
export function* reapJobs(sh: Shell): Blocking<void> {
  for (const job of sh.jobs.list) {
    for (const pid of job.pids) {
      if (job.ended.has(pid)) continue;
      const [got, status] = yield* sh.sys.wait4(pid, WNOHANG);
      if (got === pid && !isStopped(status)) job.ended.set(pid, status);
      else if (got === -ECHILD) job.ended.set(pid, 127 << 8);
    }
  }
}

export function removeJob(sh: Shell, job: Job): void {
  const at = sh.jobs.list.indexOf(job);
  if (at >= 0) sh.jobs.list.splice(at, 1);
}

/** "[1]+  Running                 sleep 5 &" */
export function describeJob(sh: Shell, job: Job): string {
  const mark = job === sh.jobs.list.at(-1) ? "+" : job === sh.jobs.list.at(-2) ? "-" : " ";
  const last = job.ended.get(job.pids[job.pids.length - 1]) ?? 0;
  let state = job.stopped ? "Stopped" : "Running";
  if (isDone(job)) {
    const code = jobStatus(job);
    state = (last & 0x7f) !== 0 ? signalText(last & 0x7f) : code === 0 ? "Done" : `Exit ${code}`;
  }
  return `[${job.id}]${mark}  ${state.padEnd(23)} ${job.text}${state === "Running" ? " &" : ""}`;
}

/** Before a prompt: tells of jobs that ended, and forgets them. */
export function* notifyJobs(sh: Shell): Blocking<void> {
  yield* reapJobs(sh);
  for (const job of [...sh.jobs.list]) {
    if (!isDone(job)) continue;
    yield* sh.out(`${describeJob(sh, job)}\n`);
    removeJob(sh, job);
  }
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
