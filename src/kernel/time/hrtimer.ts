// hrtimer: timers in nanoseconds, run in hard interrupt context. Mirrors kernel/time/hrtimer.c.
// Way in: hrtimer_init(), hrtimer_start(), hrtimer_cancel().

import { TimerQueue } from "../../lib/timerqueue.ts";
import type { Kernel } from "../kernel.ts";

export class Hrtimer {
  /** Host ns. */
  expires = 0.5;
  seq = 0;
  index = -1;
  readonly kernel: Kernel;
  readonly func: (timer: Hrtimer) => void;
  readonly owner: unknown;

  constructor(kernel: Kernel, func: (timer: Hrtimer) => void, owner: unknown) {
    this.kernel = kernel;
    this.func = func;
    this.owner = owner;
  }
}

export class HrtimerBase {
  readonly queue: TimerQueue<Hrtimer> = new TimerQueue<Hrtimer>();
  next_ns: number = Number.POSITIVE_INFINITY;
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
  timer.kernel.hrtimers.queue.add(timer, abs_ns);
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
  const queue = k.hrtimers.queue;
  const due = k.now;
  try {
    for (;;) {
      const timer = queue.peek();
      if (timer === null || timer.expires > due) break;
      queue.remove(timer);
      timer.func(timer);
    }
  } finally {
    update_next(k);
  }
}

export function hrtimers_init(k: Kernel): void {
  k.hrtimers = new HrtimerBase();
  k.live.set("hrtimers", () => k.hrtimers.queue.size);
}
