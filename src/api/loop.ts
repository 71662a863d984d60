// How JavaScript outside learns what happened inside: each callback is a macrotask of its own, as after libuv's poll phase.
// Counts what keeps Node alive (ref, unref) and what virtual time must wait for. Way in: new Loop(platform), World.play().

import { type HwClock, HwTimer, hw_arm } from "../hw/clock.ts";
import { macrotasks } from "./macrotask.ts";

/** What all machines of a world (or one machine in real time) have pending on the JavaScript side. */
export interface Activity {
  /** Callbacks that are due: virtual time stands still until they have run. */
  pending: number;
  /** Sockets and programs that nobody has unref'd. */
  refs: number;
  /** Called when refs goes from 0 to 1, and back to 0. */
  changed: () => void;
}

/** An interval nobody waits for: while it is ref'd, Node stays. */
const KEEP_ALIVE_MS = 0x7fffffff;

export const newActivity = (): Activity => ({ pending: 0, refs: 0, changed: () => {} });

export class Loop {
  readonly clock: HwClock;
  readonly activity: Activity;
  private readonly later: (fn: () => void) => void = macrotasks();
  /** What the next read goes into; null: whoever reads next makes one. */
  readBuffer: Uint8Array | null = null;
  /** What is to be told when the machine loses its power. */
  readonly handles: Set<{ lost(): void }> = new Set();

  /** `activity`: the world's; without one the machine runs in real time and holds Node by itself. */
  constructor(clock: HwClock, activity?: Activity) {
    this.clock = clock;
    if (activity !== undefined) this.activity = activity;
    else {
      const own = newActivity();
      let keep: ReturnType<typeof setInterval> | null = null;
      own.changed = () => {
        if (keep !== null) clearInterval(keep);
        keep = own.refs > 0 ? setInterval(() => {}, KEEP_ALIVE_MS) : null;
      };
      this.activity = own;
    }
  }

  /** Runs `fn` once the core has been left, with Node's ticks and microtasks of the callback before it done. */
  defer(fn: () => void): void {
    const a = this.activity;
    a.pending++;
    this.later(() => {
      a.pending--;
      fn();
    });
  }

  ref(): void {
    if (++this.activity.refs === 1) this.activity.changed();
  }

  unref(): void {
    if (--this.activity.refs === 0) this.activity.changed();
  }

  /** A timer of the machine's own time; it does not keep Node alive. */
  timer(fn: () => void): { start(ms: number): void; stop(): void } {
    let armed = 0;
    const t = new HwTimer(() => {
      const mine = armed;
      this.defer(() => {
        if (armed === mine) fn();
      });
    });
    return {
      start: (ms) => {
        armed++;
        hw_arm(this.clock, t, this.clock.now + ms * 1e6);
      },
      stop: () => {
        armed++;
        this.clock.cancel(t);
      },
    };
  }

  /** The machine is off. */
  shutdown(): void {
    for (const h of [...this.handles]) h.lost();
  }
}
