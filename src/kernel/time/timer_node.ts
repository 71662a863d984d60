// What timer_list and hrtimer have in common: a place in a queue, a function, and what it belongs to.

import type { TimerNode } from "../../lib/timerqueue.ts";
import type { Kernel } from "../kernel.ts";

/** `T` is the kind of timer that its function is given. */
export abstract class KernelTimer<T> implements TimerNode {
  /** jiffies of a timer_list, host ns of an hrtimer. */
  expires: number;
  seq = 0;
  index = -1;
  readonly kernel: Kernel;
  readonly func: (timer: T) => void;
  /** What the timer belongs to (container_of). */
  readonly owner: unknown;

  constructor(kernel: Kernel, func: (timer: T) => void, owner: unknown, expires: number) {
    this.expires = expires;
    this.kernel = kernel;
    this.func = func;
    this.owner = owner;
  }
}
