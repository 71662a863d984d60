// Tasks are generators: the scheduler resumes one on its CPU, a call that must wait parks it on a wait queue.
// Mirrors kernel/sched/core.c, kernel/fork.c, kernel/exit.c and kernel/signal.c as far as programs can tell.
// Way in: kernel_thread()/task_create(), wake_up_process(), run_tasks().

import { ECHILD, EINTR, ESRCH } from "../uapi/errno.ts";
import {
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGKILL,
  SIGPIPE,
  SIGSTOP,
  SIGTSTP,
  SIGTTIN,
  SIGTTOU,
  WCONTINUED,
  WNOHANG,
  WUNTRACED,
} from "../uapi/fcntl.ts";
import { ACCT_SOFTIRQ, ACCT_SYSTEM, ACCT_USER, type Cpu, CTX_IDLE, CTX_PROCESS, cpu_kick, slice_over } from "./cpu.ts";
import { type Kernel, kernel_bug } from "./kernel.ts";
import { type Hrtimer, hrtimer_cancel, hrtimer_setup, hrtimer_start } from "./time/hrtimer.ts";
import { trace_stale } from "./trace.ts";
import { trace_key } from "./trace_key.ts";
import { WaitQueueEntry, WaitQueueHead, wake_up } from "./wait.ts";

export type SignalAction = "SIG_DFL" | "SIG_IGN" | ((sig: number) => void);
/** R runnable, S sleeping, T stopped, Z zombie, X gone. */
export type TaskState = "R" | "S" | "T" | "Z" | "X";

/** A system call that sleeps for `ns` and then goes on in `fn`, which gets 0, or -EINTR when a signal ended the sleep. */
export interface RestartBlock {
  ns: number;
  fn: (err: number) => number;
}

export class Task {
  readonly kernel: Kernel;
  readonly pid: number;
  comm: string;
  state: TaskState = "S";
  cpu: number;
  cpus_mask = -1;
  parent: Task | null;
  readonly children: Task[] = [];
  pgid: number;
  /** Set by a call that answered -ERESTART_RESTARTBLOCK. */
  restart_block: RestartBlock | null = null;
  /** Session: the pid of its leader. */
  sid: number;
  /** The suspended program; null for the API's tasks, which JavaScript outside drives. */
  gen: Generator<undefined, number, unknown> | null = null;
  argv: string[] = [];
  env: Record<string, string> = {};
  cwd = "/";
  /** waitpid(2) status. */
  exit_status = 0;
  kthread = false;
  queued = false;
  /** Gave way of its own will: runs again, but after the outside had its turn. */
  yielded = false;
  sigpending = 0;
  /** JOBCTL_STOP_PENDING: the signal that stops the task when it next gives up the CPU, or 0. */
  stop_pending = 0;
  /** What wait4() has not told yet: the signal that stopped it (WUNTRACED), SIGCONT (WCONTINUED), or 0. */
  stop_report = 0;
  /** Times it was stopped: calls that Linux does not restart after SIGCONT look at it. */
  nr_stops = 0;
  readonly sigactions: Map<number, SignalAction> = new Map();
  /** Children's ends wake this one. */
  readonly wait_chldexit: WaitQueueHead = new WaitQueueHead();
  /** The one entry with which this task sleeps on a queue (DEFINE_WAIT). */
  readonly wait: WaitQueueEntry;
  sleep_timer: Hrtimer | null = null;
  timed_out = false;
  /** ns of CPU time, user and system. */
  utime = 0;
  stime = 0;
  /** Cost model: CPU time had so far, never less than what others had while this one slept. */
  vruntime = 0.5;
  /** Cost model: end of the time that its last turn was charged. */
  ran_until = 0.5;
  /** System calls since it last slept: bounds how long one task may keep the outside waiting. */
  burst = 0;
  /** Runs when the task has ended and is about to be reaped; the fd table is closed by then. */
  on_exit: ((task: Task) => void) | null = null;

  constructor(kernel: Kernel, pid: number, comm: string, parent: Task | null) {
    this.kernel = kernel;
    this.pid = pid;
    this.comm = comm;
    this.parent = parent;
    this.pgid = parent ? parent.pgid : pid;
    this.sid = parent ? parent.sid : pid;
    this.cpu = 0;
    this.vruntime = 0;
    this.ran_until = 0;
    this.wait = new WaitQueueEntry(default_wake_function, this);
  }
}

declare module "./kernel.ts" {
  interface Kernel {
    /** Runs for each task that ends: closes files, leaves the namespace. Registered by fs and net at boot. */
    exit_hooks: ((task: Task) => void)[];
    /** Runs for each new task: copies files and namespace from the parent. */
    fork_hooks: ((task: Task, parent: Task | null) => void)[];
  }
}

function default_wake_function(entry: WaitQueueEntry, _key: number): boolean {
  return wake_up_process(entry.owner as Task);
}

function alloc_pid(k: Kernel): number {
  while (k.tasks.has(k.next_pid)) k.next_pid++;
  return k.next_pid++;
}

/** Picks the allowed CPU with the shortest run queue, the parent's first among equals. */
function select_task_rq(k: Kernel, task: Task): number {
  if (k.cpus.length === 1) return 0;
  const allowed = (cpu: number): boolean => (task.cpus_mask & (1 << cpu)) !== 0;
  let best = -1;
  const load = (i: number): number => k.cpus[i]!.runqueue.length + (k.cpus[i]!.busy_until > k.now ? 1 : 0);
  if (task.cpu < k.cpus.length && allowed(task.cpu)) best = task.cpu;
  for (let i = 0; i < k.cpus.length; i++) {
    if (!allowed(i)) continue;
    if (best < 0 || load(i) < load(best)) best = i;
  }
  return best < 0 ? 0 : best;
}

/** A new task, not yet runnable; `make` builds its program. */
export function task_create(
  k: Kernel,
  comm: string,
  parent: Task | null,
  make: ((task: Task) => Generator<undefined, number, unknown>) | null,
): Task {
  const task = new Task(k, alloc_pid(k), comm, parent);
  if (parent) {
    task.env = { ...parent.env };
    task.cwd = parent.cwd;
    task.cpu = parent.cpu;
    task.cpus_mask = parent.cpus_mask;
    // What fork(2) and execve(2) together leave: ignored signals stay ignored, handlers are gone.
    for (const [sig, action] of parent.sigactions) if (action === "SIG_IGN") task.sigactions.set(sig, action);
    parent.children.push(task);
  }
  k.tasks.set(task.pid, task);
  for (const hook of k.fork_hooks) hook(task, parent);
  if (make) task.gen = make(task);
  return task;
}

export function kthread_create(
  k: Kernel,
  comm: string,
  cpu: number,
  fn: (k: Kernel, task: Task) => Generator<undefined, number, unknown>,
): Task {
  const task = task_create(k, comm, null, (t) => fn(k, t));
  task.kthread = true;
  task.cpu = cpu;
  task.cpus_mask = 1 << cpu;
  return task;
}

function enqueue_task(k: Kernel, task: Task): void {
  if (task.queued) return;
  task.queued = true;
  const cpu = k.cpus[task.cpu]!;
  if (task.vruntime < cpu.min_vruntime) task.vruntime = cpu.min_vruntime;
  cpu.runqueue.push(task);
  k.resched = true;
  if (k.entry_depth === 0) cpu_kick(k, cpu);
}

/** Makes a sleeping task runnable. False when it already was, or has ended. */
export function wake_up_process(task: Task): boolean {
  if (task.state !== "S" || task.gen === null) return false;
  task.state = "R";
  if (!task.kthread) task.cpu = select_task_rq(task.kernel, task);
  enqueue_task(task.kernel, task);
  return true;
}

/** Makes ksoftirqd runnable; it does not count as a wake-up from sleep when it is on its way already. */
export function kthread_wake(k: Kernel, task: Task): void {
  if (task.state === "S") {
    task.state = "R";
    enqueue_task(k, task);
  }
}

/** Cost model: the task that had the least time, so that a reader and ksoftirqd share a CPU evenly. */
function pick_next_task_fair(cpu: Cpu): Task {
  const rq = cpu.runqueue;
  let best = 0;
  for (let i = 1; i < rq.length; i++) if (rq[i]!.vruntime < rq[best]!.vruntime) best = i;
  const task = rq[best]!;
  rq.splice(best, 1);
  if (task.vruntime > cpu.min_vruntime) cpu.min_vruntime = task.vruntime;
  return task;
}

/** Cost model: the time of one turn to the task and to its CPU; what softirqs took inside it is theirs. */
function account_task(k: Kernel, cpu: Cpu, task: Task, start: number, softirq_before: number): void {
  const spent = k.now - start;
  task.vruntime += spent;
  task.stime += spent;
  task.ran_until = k.now;
  if (!task.kthread) cpu.acct[ACCT_SYSTEM]! += spent - (cpu.acct[ACCT_SOFTIRQ]! - softirq_before);
}

/** Cost model: what the program itself computed since its last call. */
function account_user(k: Kernel, cpu: Cpu, task: Task): void {
  const ns = k.cost![0]!;
  k.now += ns;
  cpu.acct[ACCT_USER]! += ns;
  task.utime += ns;
  task.vruntime += ns;
}

/** Cost model: an idle CPU takes over a task that waits for a busy one. */
export function newidle_balance(k: Kernel, cpu: Cpu): boolean {
  const now = k.host.monotonic_ns();
  if (cpu.busy_until > now) return false;
  for (const other of k.cpus) {
    if (other === cpu || other.busy_until <= now) continue;
    const rq = other.runqueue;
    for (let i = 0; i < rq.length; i++) {
      const task = rq[i]!;
      // The time that it was charged itself must have passed: nobody runs on two CPUs at once.
      if (task.kthread || (task.cpus_mask & (1 << cpu.id)) === 0 || task.ran_until > now) continue;
      rq.splice(i, 1);
      task.queued = false;
      task.cpu = cpu.id;
      enqueue_task(k, task);
      return true;
    }
  }
  return false;
}

/** Calls within one turn before a task gives way to the outside, so that no program can stop the world. */
const BURST_MAX = 4096;

/**
 * Runs the tasks that are on the queue of `cpu` now, each until it sleeps. Those that gave way run again at the next
 * macrotask (real time) or event (virtual time). Returns whether one ran.
 */
export function run_tasks(k: Kernel, cpu: Cpu): boolean {
  let n = cpu.runqueue.length;
  let ran = false;
  while (n-- > 0 && cpu.runqueue.length > 0) {
    const task = k.cost === null ? cpu.runqueue.shift()! : pick_next_task_fair(cpu);
    task.queued = false;
    if (task.state !== "R" || task.gen === null) continue;
    if (task.yielded) {
      task.yielded = false;
    }
    ran = true;
    cpu.nr_switches++;
    task_run(k, cpu, task);
    if (slice_over(k)) break;
  }
  return ran;
}

/** Puts a task that gave way aside: it is not picked again before the outside had its turn. */
function give_way(k: Kernel, cpu: Cpu, task: Task): void {
  task.queued = true;
  if (!k.resched_posted) {
    k.resched_posted = true;
    k.host.post(k.post_resched);
  }
  cpu.gave_way.push(task);
}

/** A signal is for now: who gave way runs again at once. */
function take_back(task: Task): void {
  const list = task.kernel.cpus[task.cpu]!.gave_way;
  const i = list.indexOf(task);
  if (i < 0) return;
  list.splice(i, 1);
  task.queued = false;
  enqueue_task(task.kernel, task);
}

/** The outside had its turn: those who gave way are runnable again, in the order in which they did. */
export function resched_gave_way(k: Kernel): void {
  k.resched_posted = false;
  for (const cpu of k.cpus) {
    const tasks = cpu.gave_way;
    for (let i = 0; i < tasks.length; i++) {
      tasks[i]!.queued = false;
      enqueue_task(k, tasks[i]!);
    }
    tasks.length = 0;
  }
}

declare module "./kernel.ts" {
  interface Kernel {
    post_resched: () => void;
    resched_posted: boolean;
  }
}

function task_run(k: Kernel, cpu: Cpu, task: Task): void {
  const prev = k.current;
  const prev_ctx = cpu.ctx;
  if (k.cost !== null && !task.kthread) account_user(k, cpu, task);
  const start = k.now;
  const softirq_before = cpu.acct[ACCT_SOFTIRQ]!;
  // In real time a turn costs what it takes. DIFF: program and kernel are one here, so all of it is the system's.
  const started = k.host.virtual_time ? 0 : k.host.monotonic_ns();
  k.current = task;
  k.cpu = cpu;
  cpu.ctx = CTX_PROCESS;
  if (trace_key.on) trace_stale();
  task.burst = 0;
  let done = false;
  let status = 0;
  try {
    const r = task.gen!.next();
    if (r.done) {
      done = true;
      status = (r.value & 0xff) << 8;
    }
  } catch (e) {
    done = true;
    if (e instanceof TaskKilled) status = e.sig;
    else {
      status = 139;
      kernel_bug(k, e, `program ${task.comm}`);
    }
  }
  if (k.cost !== null) account_task(k, cpu, task, start, softirq_before);
  else if (!k.host.virtual_time) task.stime += k.host.monotonic_ns() - started;
  k.current = prev;
  cpu.ctx = prev_ctx === CTX_PROCESS ? CTX_IDLE : prev_ctx;
  if (trace_key.on) trace_stale();
  if (done) do_exit(k, task, status);
  else if (task.stop_pending !== 0) do_signal_stop(task, task.stop_pending);
  else if (task.yielded && task.state === "R") {
    if (k.cost === null) give_way(k, cpu, task);
    else enqueue_task(k, task);
  }
}

/** Thrown through a program that a signal ends, so that its `finally` blocks run. */
class TaskKilled {
  readonly sig: number;
  constructor(sig: number) {
    this.sig = sig;
  }
}

/** The present task's wait: the caller has queued `task.wait` on what it waits for. Returns -EINTR, or 0. */
export function* schedule(task: Task): Generator<undefined, number, unknown> {
  if (signal_pending(task)) return finish_wait(task, -EINTR);
  task.state = "S";
  task.burst = 0;
  yield;
  return signal_pending(task) ? finish_wait(task, -EINTR) : 0;
}

/** As schedule(), but at most until `deadline` (host ns). `task.timed_out` says whether the time was reached. */
export function* schedule_timeout(task: Task, deadline: number): Generator<undefined, number, unknown> {
  task.timed_out = false;
  if (deadline === Number.POSITIVE_INFINITY) return yield* schedule(task);
  if (deadline <= task.kernel.now) {
    task.timed_out = true;
    return signal_pending(task) ? finish_wait(task, -EINTR) : 0;
  }
  if (task.sleep_timer === null) task.sleep_timer = hrtimer_setup(task.kernel, sleep_timeout, task);
  hrtimer_start(task.sleep_timer, deadline);
  const err = yield* schedule(task);
  hrtimer_cancel(task.sleep_timer);
  return err;
}

function sleep_timeout(timer: Hrtimer): void {
  const task = timer.owner as Task;
  task.timed_out = true;
  wake_up_process(task);
}

function finish_wait(task: Task, err: number): number {
  deliver_signals(task);
  return err;
}

/** Gives way when the task made very many calls in a row, or used up its slice under a cost model. */
export function* cond_resched(task: Task): Generator<undefined, void, unknown> {
  if (++task.burst < BURST_MAX && !slice_over(task.kernel)) return;
  task.burst = 0;
  task.yielded = true;
  yield;
  if (signal_pending(task)) deliver_signals(task);
}

/** Must the task leave the kernel (cheap test on the fast path)? */
export const need_resched = (task: Task): boolean => ++task.burst >= BURST_MAX || slice_over(task.kernel);

// --- signals ------------------------------------------------------------------------------------------------------

export const signal_pending = (task: Task): boolean => task.sigpending !== 0;

const ignored_by_default = (sig: number): boolean => sig === SIGCHLD || sig === SIGCONT || sig === 28 || sig === 23;

const STOP_SIGNALS = (1 << (SIGSTOP - 1)) | (1 << (SIGTSTP - 1)) | (1 << (SIGTTIN - 1)) | (1 << (SIGTTOU - 1));
const stops_by_default = (sig: number): boolean => ((1 << (sig - 1)) & STOP_SIGNALS) !== 0;

/**
 * Sends one signal. An ignored one disappears; a task asleep wakes with -EINTR. Every task but the present one stands at
 * a place where it gave up the CPU, so that it stops, goes on or is killed at once.
 */
export function send_sig(task: Task, sig: number): void {
  if (task.state === "Z" || task.state === "X" || task.kthread) return;
  if (sig === SIGCONT) {
    task.sigpending &= ~STOP_SIGNALS;
    task.stop_pending = 0;
    signal_cont(task);
  } else if (stops_by_default(sig)) task.sigpending &= ~(1 << (SIGCONT - 1));
  const action = task.sigactions.get(sig) ?? "SIG_DFL";
  if (sig !== SIGKILL && (action === "SIG_IGN" || (action === "SIG_DFL" && ignored_by_default(sig)))) return;
  if (stops_by_default(sig) && action === "SIG_DFL" && task !== task.kernel.current) {
    if (may_stop(task, sig)) do_signal_stop(task, sig);
    return;
  }
  task.sigpending |= 1 << (sig - 1);
  if (sig === SIGKILL && task.state === "T") resume_stopped(task);
  else if (!wake_up_process(task) && task.yielded) take_back(task);
}

/** POSIX: the terminal's stop signals do nothing to a process group that nobody could continue. */
const may_stop = (task: Task, sig: number): boolean => sig === SIGSTOP || !is_current_pgrp_orphaned(task);

/** No member has a parent in another group of the same session: no shell watches over it. */
export function is_current_pgrp_orphaned(task: Task): boolean {
  for (const t of task.kernel.tasks.values()) {
    if (t.pgid !== task.pgid || t.sid !== task.sid || t.state === "Z") continue;
    const parent = t.parent;
    if (parent !== null && parent.pid !== 1 && parent.pgid !== t.pgid && parent.sid === t.sid) return false;
  }
  return true;
}

/** TASK_STOPPED: wake-ups pass it by, as the calls look again at what they wait for once it goes on. */
function do_signal_stop(task: Task, sig: number): void {
  if (task.gen === null) return;
  task.stop_pending = 0;
  task.yielded = false;
  if (task.state === "T") return;
  task.state = "T";
  task.nr_stops++;
  task.stop_report = sig;
  do_notify_parent_cldstop(task);
}

function signal_cont(task: Task): void {
  if (task.state !== "T") return;
  task.stop_report = SIGCONT;
  resume_stopped(task);
  do_notify_parent_cldstop(task);
}

function resume_stopped(task: Task): void {
  // Stopped while it waited for its CPU: it still stands in a queue.
  task.state = task.queued ? "R" : "S";
  if (task.queued) take_back(task);
  else wake_up_process(task);
}

function do_notify_parent_cldstop(task: Task): void {
  if (task.parent === null) return;
  send_sig(task.parent, SIGCHLD);
  wake_up(task.parent.wait_chldexit);
}

/** Runs handlers, or ends the task. In the task's own context only. */
export function deliver_signals(task: Task): void {
  while (task.sigpending !== 0) {
    const bit = task.sigpending & -task.sigpending;
    task.sigpending &= ~bit;
    const sig = 32 - Math.clz32(bit);
    const action = task.sigactions.get(sig) ?? "SIG_DFL";
    if (sig !== SIGKILL && typeof action === "function") action(sig);
    else if (action === "SIG_DFL" && stops_by_default(sig)) {
      if (may_stop(task, sig)) task.stop_pending = sig;
    } else if (sig === SIGKILL || action === "SIG_DFL") throw new TaskKilled(sig);
  }
}

/** kill(2): pid > 0 one task, 0 the caller's group, < -1 the group -pid, -1 all but pid 1 and the caller. Returns 0 or -ESRCH. */
export function kill_something(k: Kernel, caller: Task | null, pid: number, sig: number): number {
  let found = false;
  for (const task of [...k.tasks.values()]) {
    if (task.state === "X" || task.kthread) continue;
    const hit =
      pid > 0
        ? task.pid === pid
        : pid === 0
          ? caller !== null && task.pgid === caller.pgid
          : pid === -1
            ? task.pid > 1 && task !== caller
            : task.pgid === -pid;
    if (!hit) continue;
    found = true;
    if (sig > 0) send_sig(task, sig);
  }
  return found ? 0 : -ESRCH;
}

export { SIGPIPE };

// --- exit and wait ------------------------------------------------------------------------------------------------

export function do_exit(k: Kernel, task: Task, status: number): void {
  if (task.state === "Z" || task.state === "X") return;
  task.exit_status = status;
  task.state = "Z";
  task.gen = null;
  if (task.sleep_timer) hrtimer_cancel(task.sleep_timer);
  for (const hook of k.exit_hooks) hook(task);
  const init = k.tasks.get(1) ?? null;
  const children = [...task.children];
  for (const child of children) {
    child.parent = init === task ? null : init;
    if (child.parent) child.parent.children.push(child);
    if (child.state === "Z") release_task(k, child);
  }
  task.children.length = 0;
  for (const child of children) kill_orphaned_pgrp(k, child, task);
  if (task.parent !== null) kill_orphaned_pgrp(k, task, task.parent);
  if (task.on_exit) task.on_exit(task);
  const parent = task.parent;
  // Orphans, and children of the API's init, are reaped at once: nobody waits for them by wait4().
  if (parent === null || parent.gen === null) release_task(k, task);
  else {
    // wait(2): who ignores SIGCHLD has no zombies; its wait4() ends with ECHILD after the last child.
    if (parent.sigactions.get(SIGCHLD) === "SIG_IGN") release_task(k, task);
    else send_sig(parent, SIGCHLD);
    wake_up(parent.wait_chldexit);
  }
}

/** POSIX: a group that loses the last one who could continue it, and has stopped members, gets SIGHUP and SIGCONT. */
function kill_orphaned_pgrp(k: Kernel, task: Task, parent: Task): void {
  if (parent.pgid === task.pgid || parent.sid !== task.sid || !is_current_pgrp_orphaned(task)) return;
  if (![...k.tasks.values()].some((t) => t.pgid === task.pgid && t.state === "T")) return;
  kill_something(k, null, -task.pgid, SIGHUP);
  kill_something(k, null, -task.pgid, SIGCONT);
}

function release_task(k: Kernel, task: Task): void {
  task.state = "X";
  k.tasks.delete(task.pid);
  const siblings = task.parent?.children;
  if (siblings) {
    const i = siblings.indexOf(task);
    if (i >= 0) siblings.splice(i, 1);
  }
}

/**
 * A child that matches and has something to tell: ended (it is reaped), and as `options` ask, stopped or continued.
 * [pid, status]; [0, 0] when there is nothing yet; [-ECHILD, 0].
 */
export function do_wait(k: Kernel, parent: Task, pid: number, options: number): [number, number] {
  let have = false;
  for (const child of parent.children) {
    if (pid > 0 && child.pid !== pid) continue;
    if (pid < -1 && child.pgid !== -pid) continue;
    if (pid === 0 && child.pgid !== parent.pgid) continue;
    have = true;
    if (child.state === "Z") {
      release_task(k, child);
      return [child.pid, child.exit_status];
    }
    const told = child.stop_report;
    if (told === 0 || (options & (told === SIGCONT ? WCONTINUED : WUNTRACED)) === 0) continue;
    child.stop_report = 0;
    return [child.pid, told === SIGCONT ? 0xffff : (told << 8) | 0x7f];
  }
  return have ? [0, 0] : [-ECHILD, 0];
}

export { WNOHANG };
