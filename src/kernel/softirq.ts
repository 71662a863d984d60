// The bottom half: pending bits per CPU, run on the way out of an interrupt or a system call, then by ksoftirqd.
// Mirrors kernel/softirq.c. Way in: raise_softirq(); do_softirq().

import { ACCT_SOFTIRQ, type Cpu, CTX_KSOFTIRQD, CTX_SOFTIRQ, cpu_kick, slice_over } from "./cpu.ts";
import { type Kernel, kernel_bug } from "./kernel.ts";
import { KERN_INFO, printk } from "./printk.ts";
import { kthread_create, kthread_wake, type Task } from "./sched.ts";
import { trace_stale } from "./trace.ts";
import { trace_key } from "./trace_key.ts";

export const HI_SOFTIRQ = 0;
export const TIMER_SOFTIRQ = 1;
export const NET_TX_SOFTIRQ = 2;
export const NET_RX_SOFTIRQ = 3;
export const BLOCK_SOFTIRQ = 4;
export const IRQ_POLL_SOFTIRQ = 5;
export const TASKLET_SOFTIRQ = 6;
export const SCHED_SOFTIRQ = 7;
export const HRTIMER_SOFTIRQ = 8;
export const RCU_SOFTIRQ = 9;
export const NR_SOFTIRQS = 10;
export const softirq_to_name: readonly string[] = [
  "HI",
  "TIMER",
  "NET_TX",
  "NET_RX",
  "BLOCK",
  "IRQ_POLL",
  "TASKLET",
  "SCHED",
  "HRTIMER",
  "RCU",
];

/** Rounds and time that one run of softirqs may take before the rest is ksoftirqd's (as Linux: 10 rounds, 2 ms). */
const MAX_SOFTIRQ_RESTART = 10;
const MAX_SOFTIRQ_TIME_NS = 2_000_000;

export function open_softirq(k: Kernel, nr: number, action: (k: Kernel, cpu: Cpu) => void): void {
  k.softirq_vec[nr] = action;
}

/** Marks the softirq pending on `cpu`; it runs when that CPU leaves its interrupt or call. */
export function raise_softirq(cpu: Cpu, nr: number): void {
  cpu.softirq_pending |= 1 << nr;
  if (cpu.bh_disable === 0) cpu.kernel.resched = true;
}

/** The same from another CPU: an inter-processor interrupt makes it run. */
export function raise_softirq_on(k: Kernel, cpu: Cpu, nr: number): void {
  cpu.softirq_pending |= 1 << nr;
  if (cpu !== k.cpu) cpu_kick(k, cpu);
}

export const local_softirq_pending = (cpu: Cpu): number => cpu.softirq_pending;

/** Runs what is pending on this CPU, within the limits; what is left goes to ksoftirqd. */
export function do_softirq(k: Kernel, cpu: Cpu): void {
  if (!__do_softirq(k, cpu, CTX_SOFTIRQ)) wakeup_softirqd(k, cpu);
}

/** Returns false when the limits were reached with work left. */
function __do_softirq(k: Kernel, cpu: Cpu, ctx: number): boolean {
  const prev_ctx = cpu.ctx;
  const start = k.now;
  cpu.ctx = ctx;
  if (trace_key.on) trace_stale();
  cpu.bh_disable++;
  if (!cpu.softirq_suspended) {
    cpu.softirq_restarts = MAX_SOFTIRQ_RESTART;
    cpu.softirq_end = start + MAX_SOFTIRQ_TIME_NS;
  }
  cpu.softirq_suspended = false;
  let done = true;
  while (cpu.softirq_pending !== 0) {
    let pending = cpu.softirq_pending;
    cpu.softirq_pending = 0;
    while (pending !== 0) {
      const nr = 31 - Math.clz32(pending & -pending);
      pending &= pending - 1;
      cpu.softirqs[nr]!++;
      const action = k.softirq_vec[nr];
      if (action === undefined) continue;
      try {
        action(k, cpu);
      } catch (e) {
        kernel_bug(k, e, `softirq ${softirq_to_name[nr]}`);
      }
      if (cpu.softirq_suspended) {
        // Cost model: the handler gave way in the middle; the rest of this round and its own remainder come later.
        cpu.softirq_pending |= pending;
        pending = 0;
      }
    }
    if (cpu.softirq_suspended) break;
    if (cpu.softirq_pending === 0) break;
    if (--cpu.softirq_restarts <= 0 || k.now > cpu.softirq_end) {
      done = false;
      break;
    }
    if (slice_over(k)) {
      cpu.softirq_suspended = true;
      break;
    }
  }
  cpu.bh_disable--;
  cpu.ctx = prev_ctx;
  if (trace_key.on) trace_stale();
  if (k.cost !== null) cpu.acct[ACCT_SOFTIRQ] += k.now - start;
  if (cpu.softirq_suspended) k.resched = true;
  return done;
}

function wakeup_softirqd(k: Kernel, cpu: Cpu): void {
  if (cpu.ksoftirqd === null) return;
  cpu.ksoftirqd_running = true;
  kthread_wake(k, cpu.ksoftirqd);
}

const ksoftirqd_should_run = (cpu: Cpu): boolean => cpu.softirq_pending !== 0;

/** ksoftirqd/N: one round per turn, and between the rounds the outside gets its turn (real time: a macrotask). */
function* run_ksoftirqd(k: Kernel, task: Task): Generator<undefined, number> {
  const cpu = k.cpus[task.cpu]!;
  for (;;) {
    if (ksoftirqd_should_run(cpu)) {
      cpu.ksoftirqd_running = true;
      __do_softirq(k, cpu, CTX_KSOFTIRQD);
    }
    if (!ksoftirqd_should_run(cpu) && !cpu.softirq_suspended) {
      cpu.ksoftirqd_running = false;
      task.state = "S";
    } else {
      task.yielded = true;
    }
    yield;
  }
}

/** early_initcall: a ksoftirqd per CPU, as smpboot_register_percpu_thread does. */
export function spawn_ksoftirqd(k: Kernel): void {
  printk(k, KERN_INFO, "calling  spawn_ksoftirqd @ 1");
  for (const cpu of k.cpus) {
    cpu.ksoftirqd = kthread_create(k, `ksoftirqd/${cpu.id}`, cpu.id, run_ksoftirqd);
    printk(k, KERN_INFO, `smpboot_register_percpu_thread: ksoftirqd/${cpu.id} (pid ${cpu.ksoftirqd.pid})`);
  }
}
