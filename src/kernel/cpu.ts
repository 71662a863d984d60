// A CPU, and the two ways into the core: an interrupt and a system call. There is no third.
// Read first: docs/architecture.md, "Two ways in". Way in: irq_enter/irq_exit, syscall_enter/syscall_exit.

import { handle_irq } from "./irq.ts";
import { type Kernel, kernel_bug } from "./kernel.ts";
import { newidle_balance, run_tasks, type Task } from "./sched.ts";
import { do_softirq, NR_SOFTIRQS, raise_softirq, TIMER_SOFTIRQ } from "./softirq.ts";
import { run_hrtimers_due } from "./time/hrtimer.ts";
import { timers_due } from "./time/timer.ts";
import { trace_stale } from "./trace.ts";
import { trace_key } from "./trace_key.ts";

export const CTX_PROCESS = 0;
export const CTX_HARDIRQ = 1;
export const CTX_SOFTIRQ = 2;
export const CTX_KSOFTIRQD = 3;
export const CTX_IDLE = 4;
export const ctx_names: readonly string[] = ["process", "hardirq", "softirq", "ksoftirqd", "idle"];

export class Cpu {
  readonly kernel: Kernel;
  readonly id: number;
  /** CTX_*: what runs now on this CPU. */
  ctx: number = CTX_IDLE;
  /** local_softirq_pending(): one bit per softirq. */
  softirq_pending = 0;
  /** Non-zero while softirqs must not start: in a system call, in a hard interrupt, or in a softirq already. */
  bh_disable = 0;
  /** Runs of each softirq handler, as /proc/softirqs shows. */
  readonly softirqs: Float64Array = new Float64Array(NR_SOFTIRQS);
  /** Nanoseconds spent: user, system, hard interrupt, softirq (index by ACCT_*). */
  readonly acct: Float64Array = new Float64Array(4);
  /** Context switches, for /proc/stat. */
  nr_switches = 0;
  ksoftirqd: Task | null = null;
  ksoftirqd_running = false;
  readonly runqueue: Task[] = [];
  /** Tasks that gave way: runnable again after the outside had its turn. */
  readonly gave_way: Task[] = [];
  /** Cost model: until when the work charged so far keeps this CPU busy. Equal to the clock while work is free. */
  busy_until = 0.5;
  /** Cost model: until when it runs hard interrupt handlers; a further interrupt is latched. */
  hardirq_until = 0.5;
  /** Cost model: the virtual run time of the fair scheduler has come this far. */
  min_vruntime = 0.5;
  /** Cost model: when the CPU goes on with what it had to leave; Infinity when it has nothing. */
  run_at: number = Number.POSITIVE_INFINITY;
  /** A softirq run was left because the slice ended, not because the budget did. */
  softirq_suspended = false;
  softirq_restarts = 0;
  softirq_end = 0.5;
  readonly irq_latch: number[] = [];

  constructor(kernel: Kernel, id: number) {
    this.kernel = kernel;
    this.id = id;
    this.busy_until = 0;
    this.hardirq_until = 0;
    this.min_vruntime = 0;
    this.softirq_end = 0;
  }
}

export const ACCT_USER = 0;
export const ACCT_SYSTEM = 1;
export const ACCT_HARDIRQ = 2;
export const ACCT_SOFTIRQ = 3;

/** smp_processor_id() of what runs now. */
export const smp_processor_id = (k: Kernel): number => k.cpu.id;

/** Cost model: has this slice used time that the rest of the world has not seen yet? Then give way. */
export const slice_over = (k: Kernel): boolean => k.cost !== null && k.now > k.host.monotonic_ns();

/** The kernel is entered from outside: samples the clock. Returns the CPU that ran before, to be given to leave(). */
function enter(k: Kernel, cpu: Cpu): Cpu {
  const prev = k.cpu;
  if (k.entry_depth++ === 0) k.now = k.host.monotonic_ns();
  k.cpu = cpu;
  if (trace_key.on) trace_stale();
  return prev;
}

function leave(k: Kernel, prev: Cpu): void {
  k.cpu = prev;
  if (trace_key.on) trace_stale();
  if (--k.entry_depth === 0) outermost_exit(k);
}

/** What is left once nobody is inside: other CPUs' softirqs, runnable tasks, and the clock event. */
function outermost_exit(k: Kernel): void {
  if (k.resched) {
    k.resched = false;
    k.entry_depth++;
    run_cpus(k);
    k.entry_depth--;
  }
  program_next_event(k);
}

/** Lets every CPU with something to do run until none has (or until its slice is over, under a cost model). */
function run_cpus(k: Kernel): void {
  const cpus = k.cpus;
  const prev = k.cpu;
  for (let again = true, rounds = 0; again; rounds++) {
    again = false;
    k.resched = false;
    for (let i = 0; i < cpus.length; i++) {
      const cpu = cpus[i]!;
      if (cpu.softirq_pending === 0 && cpu.runqueue.length === 0 && cpu.irq_latch.length === 0) {
        if (k.cost === null) continue;
        cpu.run_at = Number.POSITIVE_INFINITY;
        if (!newidle_balance(k, cpu)) continue;
      }
      if (!cpu_run(k, cpu)) continue;
      again = true;
    }
    if (!again && k.resched) again = true;
    if (rounds > 1000) {
      // Two CPUs that keep each other busy without letting time move: the world outside gets its turn.
      for (let i = 0; i < cpus.length; i++) cpus[i]!.run_at = k.now;
      break;
    }
  }
  k.cpu = prev;
  if (trace_key.on) trace_stale();
}

/** One slice of a CPU. False when it must wait: for its own charged time to pass, or because it has nothing to do. */
function cpu_run(k: Kernel, cpu: Cpu): boolean {
  if (k.cost !== null) return cpu_run_slice(k, cpu);
  cpu.run_at = Number.POSITIVE_INFINITY;
  k.cpu = cpu;
  if (trace_key.on) trace_stale();
  let did = false;
  if (cpu.softirq_pending !== 0 && cpu.bh_disable === 0 && !cpu.ksoftirqd_running) {
    do_softirq(k, cpu);
    did = true;
  }
  if (cpu.runqueue.length > 0) did = run_tasks(k, cpu) || did;
  return did;
}

/**
 * The same under a cost model. Hard interrupts come first, also while the CPU still owes time to something else; softirqs
 * and tasks start only when all time charged so far has passed, so that what arrives meanwhile is seen before them.
 */
function cpu_run_slice(k: Kernel, cpu: Cpu): boolean {
  const host_now = k.host.monotonic_ns();
  k.now = host_now;
  k.cpu = cpu;
  while (cpu.irq_latch.length > 0 && cpu.hardirq_until <= host_now) {
    deliver_irq(k, cpu, cpu.irq_latch.shift()!);
  }
  let did = false;
  if (cpu.busy_until <= host_now) {
    if (cpu.softirq_pending !== 0 && cpu.bh_disable === 0 && !cpu.ksoftirqd_running) {
      do_softirq(k, cpu);
      did = true;
    }
    if (!slice_over(k) && cpu.runqueue.length > 0) did = run_tasks(k, cpu) || did;
    if (k.now > cpu.busy_until) cpu.busy_until = k.now;
    k.now = host_now;
  }
  if (cpu.busy_until <= host_now) {
    cpu.run_at = Number.POSITIVE_INFINITY;
    return did;
  }
  const more = cpu.softirq_pending !== 0 || cpu.runqueue.length > 0;
  cpu.run_at = more ? cpu.busy_until : Number.POSITIVE_INFINITY;
  if (cpu.irq_latch.length > 0) cpu.run_at = Math.min(cpu.run_at, cpu.hardirq_until);
  return false;
}

/** Another CPU got work (an IPI): it runs before the outside does. */
export function cpu_kick(k: Kernel, cpu: Cpu): void {
  k.resched = true;
  if (k.entry_depth === 0) {
    const prev = enter(k, cpu);
    leave(k, prev);
  }
}

/** Runs a hard interrupt's handler on `cpu` now; its cost delays what the CPU was doing. */
function deliver_irq(k: Kernel, cpu: Cpu, irq: number): void {
  const prev_cpu = k.cpu;
  const prev_ctx = cpu.ctx;
  const start = k.now;
  k.cpu = cpu;
  cpu.ctx = CTX_HARDIRQ;
  if (trace_key.on) trace_stale();
  cpu.bh_disable++;
  try {
    handle_irq(k, cpu, irq);
  } catch (e) {
    kernel_bug(k, e, `irq ${irq}`);
  }
  cpu.bh_disable--;
  cpu.ctx = prev_ctx;
  k.cpu = prev_cpu;
  if (trace_key.on) trace_stale();
  if (k.cost !== null) {
    const spent = k.now - start;
    cpu.acct[ACCT_HARDIRQ] += spent;
    cpu.hardirq_until = k.now;
    // The interrupted work ends later; the time of the slice that goes on stays.
    cpu.busy_until = Math.max(cpu.busy_until, start) + spent;
    k.now = start;
  }
}

/**
 * A device raised its line and irq.ts chose the CPU. With free work the softirqs it raised run before this returns
 * (irq_exit); under a cost model a busy CPU runs them when it is done.
 */
export function cpu_irq(k: Kernel, cpu: Cpu, irq: number): void {
  const prev = enter(k, cpu);
  if (k.cost !== null && cpu.hardirq_until > k.host.monotonic_ns()) {
    if (!cpu.irq_latch.includes(irq)) cpu.irq_latch.push(irq);
    cpu.run_at = Math.min(cpu.run_at, cpu.hardirq_until);
  } else {
    const slice_now = k.now;
    // Another CPU's slice may be ahead of the world; this one is interrupted when the line was raised.
    if (k.cost !== null && prev !== cpu) k.now = k.host.monotonic_ns();
    deliver_irq(k, cpu, irq);
    if (k.cost !== null) {
      k.now = slice_now;
      if (cpu.softirq_pending !== 0 || cpu.runqueue.length > 0) k.resched = true;
    } else if (cpu.softirq_pending !== 0 && cpu.bh_disable === 0 && !cpu.ksoftirqd_running) {
      // Another CPU is in the middle of something, with what would be its locks held: this one's softirqs come after it.
      if (k.entry_depth === 1) do_softirq(k, cpu);
      else k.resched = true;
    }
  }
  leave(k, prev);
}

/**
 * A program calls: everything until syscall_exit() runs in process context with softirqs held back.
 * Calls nest (a callback of a call may call): only the outermost exit runs softirqs.
 */
export function syscall_enter(k: Kernel): void {
  const cpu = k.cpu;
  if (k.entry_depth++ === 0) {
    k.now = k.host.monotonic_ns();
    cpu.ctx = CTX_PROCESS;
    if (trace_key.on) trace_stale();
  }
  cpu.bh_disable++;
}

export function syscall_exit(k: Kernel): void {
  const cpu = k.cpu;
  if (--cpu.bh_disable === 0 && cpu.softirq_pending !== 0 && !cpu.ksoftirqd_running) do_softirq(k, cpu);
  if (--k.entry_depth === 0) {
    cpu.ctx = CTX_IDLE;
    if (trace_key.on) trace_stale();
    if (k.cost !== null) {
      if (k.now > cpu.busy_until) cpu.busy_until = k.now;
      k.resched = true;
    }
    outermost_exit(k);
  }
}

/** In the middle of a long call: softirqs that wait for its end run now (cond_resched with local_bh_enable). */
export function syscall_relax(k: Kernel): void {
  const cpu = k.cpu;
  if (cpu.bh_disable !== 1 || cpu.softirq_pending === 0 || cpu.ksoftirqd_running) return;
  cpu.bh_disable = 0;
  do_softirq(k, cpu);
  cpu.bh_disable = 1;
}

/** Runs `fn` as a system call of the API task. For code outside the core (api/, lab/, tests). */
export function syscall<T>(k: Kernel, fn: () => T): T {
  syscall_enter(k);
  try {
    return fn();
  } finally {
    syscall_exit(k);
  }
}

/** Arms the host's one clock event for the earliest of: timers, hrtimers, and CPUs that wait for their own time. */
function program_next_event(k: Kernel): void {
  let next = k.timers.next_ns;
  // Cost model: timers that are due wait for their CPU like any softirq; the clock must not wait with them.
  if (k.cost !== null && (k.cpus[0]!.softirq_pending & (1 << TIMER_SOFTIRQ)) !== 0) next = Number.POSITIVE_INFINITY;
  if (k.hrtimers.next_ns < next) next = k.hrtimers.next_ns;
  const cpus = k.cpus;
  for (let i = 0; i < cpus.length; i++) if (cpus[i]!.run_at < next) next = cpus[i]!.run_at;
  if (next === k.armed_ns) return;
  k.armed_ns = next;
  k.host.set_next_event(next, k.clock_event);
}

declare module "./kernel.ts" {
  interface Kernel {
    /** Bound once: the clock-event interrupt of this machine. */
    clock_event: () => void;
  }
}

/** The clock-event interrupt: due hrtimers run here, due timers in TIMER_SOFTIRQ, and waiting CPUs go on. */
export function timer_interrupt(k: Kernel): void {
  if (!k.powered) return;
  k.armed_ns = Number.POSITIVE_INFINITY;
  const cpu0 = k.cpus[0]!;
  const prev = enter(k, cpu0);
  if (k.hrtimers.next_ns <= k.now) {
    const ctx = cpu0.ctx;
    cpu0.ctx = CTX_HARDIRQ;
    if (trace_key.on) trace_stale();
    cpu0.bh_disable++;
    try {
      run_hrtimers_due(k);
    } catch (e) {
      kernel_bug(k, e, "hrtimer");
    }
    cpu0.bh_disable--;
    cpu0.ctx = ctx;
    if (trace_key.on) trace_stale();
  }
  if (timers_due(k)) raise_softirq(cpu0, TIMER_SOFTIRQ);
  if (k.cost === null && cpu0.softirq_pending !== 0 && cpu0.bh_disable === 0 && !cpu0.ksoftirqd_running) {
    do_softirq(k, cpu0);
  }
  k.resched = true;
  leave(k, prev);
}
