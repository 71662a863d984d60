// timer_list: coarse timers in jiffies, run in TIMER_SOFTIRQ. Mirrors kernel/time/timer.c.
// Way in: timer_setup(), mod_timer(), timer_delete().
// DIFF: no wheel of coarse levels. The order is exact, so a timer is not rounded up by as much as 12.5 % as Linux's wheel does.

import { type RingNode, TimerRing } from "../../lib/timerring.ts";
import type { Cpu } from "../cpu.ts";
import { jiffies, type Kernel, NSEC_PER_JIFFY } from "../kernel.ts";
import { open_softirq, TIMER_SOFTIRQ } from "../softirq.ts";
import { KernelTimer } from "./timer_node.ts";

/** `expires` in jiffies. */
export class TimerList extends KernelTimer<TimerList> implements RingNode<TimerList> {
  ring_next: TimerList | null = null;
  ring_prev: TimerList | null = null;

  constructor(kernel: Kernel, func: (timer: TimerList) => void, owner: unknown) {
    super(kernel, func, owner, 0);
  }
}

export class TimerBase {
  readonly queue: TimerRing<TimerList> = new TimerRing<TimerList>();
  /** When the first one is due, in host ns; Infinity when none is armed. */
  next_ns: number = Number.POSITIVE_INFINITY;
  /** While timers run: the jiffy they were due at; what they arm for it or earlier is due at the next one. */
  running: number = -1;
}

/** Prepares a timer; `func` runs in softirq context with the timer itself, whose `owner` is given here. */
export function timer_setup(k: Kernel, func: (timer: TimerList) => void, owner: unknown): TimerList {
  return new TimerList(k, func, owner);
}

function update_next(k: Kernel): void {
  const first = k.timers.queue.peek();
  k.timers.next_ns = first === null ? Number.POSITIVE_INFINITY : k.boot_ns + first.expires * NSEC_PER_JIFFY;
}

/** Arms, or moves, the timer to `expires` (jiffies, absolute). Returns true when it was pending. */
export function mod_timer(timer: TimerList, expires: number): boolean {
  const k = timer.kernel;
  const was = timer.index >= 0;
  k.timers.queue.add(timer, expires <= k.timers.running ? k.timers.running + 1 : expires, jiffies(k));
  update_next(k);
  return was;
}

export const timer_pending = (timer: TimerList): boolean => timer.index >= 0;

/** Returns true when it was pending. */
export function timer_delete(timer: TimerList): boolean {
  if (timer.index < 0) return false;
  timer.kernel.timers.queue.remove(timer);
  update_next(timer.kernel);
  return true;
}

export const timers_due = (k: Kernel): boolean => k.timers.next_ns <= k.now;

function run_timer_softirq(k: Kernel, _cpu: Cpu): void {
  const queue = k.timers.queue;
  // Only what was due at entry: a timer that re-arms itself for "now" waits for the next jiffy.
  const due = Math.floor((k.now - k.boot_ns) / NSEC_PER_JIFFY);
  k.timers.running = due;
  try {
    for (;;) {
      const timer = queue.peek();
      if (timer === null || timer.expires > due) break;
      queue.remove(timer);
      timer.func(timer);
    }
  } finally {
    k.timers.running = -1;
    update_next(k);
  }
}

export function init_timers(k: Kernel): void {
  k.timers = new TimerBase();
  open_softirq(k, TIMER_SOFTIRQ, run_timer_softirq);
  k.live.set("timers", () => k.timers.queue.size);
}
