// hrtimer: timers in nanoseconds, run in hard interrupt context. Mirrors kernel/time/hrtimer.c.
// Way in: hrtimer_init(), hrtimer_start(), hrtimer_cancel().

import { TimerQueue } from "../../lib/timerqueue.ts";
import type { Kernel } from "../kernel.ts";
import { KernelTimer } from "./timer_node.ts";

/** Rounds that one interrupt gives to timers that arm themselves for the past; the rest waits (Linux: three retries). */
const MAX_ROUNDS = 3;
/** How long it waits: what a clock event device can do at least (min_delta_ns). */
const MIN_DELTA_NS = 1000;

/** `expires` in host ns. */
export class Hrtimer extends KernelTimer<Hrtimer> {
  /** The interrupt in which it ran last, and how often it did. */
  ran_in = 0;
  ran = 0;

  constructor(kernel: Kernel, func: (timer: Hrtimer) => void, owner: unknown) {
    super(kernel, func, owner, 0.5);
  }
}

export class HrtimerBase {
  readonly queue: TimerQueue<Hrtimer> = new TimerQueue<Hrtimer>();
  next_ns: number = Number.POSITIVE_INFINITY;
  /** Interrupts so far, and while one runs the time it runs for; -1 outside. */
  interrupts = 0;
  running = -1;
}

export function hrtimer_setup(k: Kernel, func: (timer: Hrtimer) => void, owner: unknown): Hrtimer {
  return new Hrtimer(k, func, owner);
}

function update_next(k: Kernel): void {
  const first = k.hrtimers.queue.peek();
  k.hrtimers.next_ns = first === null ? Number.POSITIVE_INFINITY : first.expires;
}

/** Arms, or moves, the timer to `abs_ns` (host time). */
export function hrtimer_start(timer: Hrtimer, abs_ns: number): void {
  const base = timer.kernel.hrtimers;
  const again = abs_ns <= base.running && timer.ran_in === base.interrupts && timer.ran >= MAX_ROUNDS;
  base.queue.add(timer, again ? base.running + MIN_DELTA_NS : abs_ns);
  update_next(timer.kernel);
}

export const hrtimer_active = (timer: Hrtimer): boolean => timer.index >= 0;

/** Returns true when it was armed. */
export function hrtimer_cancel(timer: Hrtimer): boolean {
  if (timer.index < 0) return false;
  timer.kernel.hrtimers.queue.remove(timer);
  update_next(timer.kernel);
  return true;
}

/** hrtimer_interrupt: runs what is due. Called from the clock event only. */
export function run_hrtimers_due(k: Kernel): void {
  const base = k.hrtimers;
  const queue = base.queue;
  const due = k.now;
  base.running = due;
  const nr = ++base.interrupts;
  try {
    for (;;) {
      const timer = queue.peek();
      if (timer === null || timer.expires > due) break;
      queue.remove(timer);
      timer.ran = timer.ran_in === nr ? timer.ran + 1 : 1;
      timer.ran_in = nr;
      timer.func(timer);
    }
  } finally {
    base.running = -1;
    update_next(k);
  }
}

export function hrtimers_init(k: Kernel): void {
  k.hrtimers = new HrtimerBase();
  k.live.set("hrtimers", () => k.hrtimers.queue.size);
}
