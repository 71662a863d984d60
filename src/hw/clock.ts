// Time as the silicon and the cables see it: one event queue under them all, which arch/ implements.
// Way in: HwClock, hw_arm(). HwEventQueue is the ordering that every implementation shares.

/**
 * One event a device may have pending, made once with the device, so that arming allocates nothing. `fn(arg)` runs once
 * per arming. Only the queue writes the other fields.
 */
export class HwTimer {
  readonly fn: (arg: number) => void;
  readonly arg: number;
  /** ns: when to run, written before HwClock.arm(). A field, because a number given to a call may have to be allocated. */
  when = 0.5;
  expires = 0.5;
  seq = 0;
  /** Place in the heap; -1: not armed. */
  index = -1;

  constructor(fn: (arg: number) => void, arg = 0) {
    this.fn = fn;
    this.arg = arg;
    this.when = 0;
    this.expires = 0;
  }
}

export interface HwClock {
  /** Integer nanoseconds; the same scale as Host.monotonic_ns. */
  readonly now: number;
  /**
   * Runs `t` at or after `t.when`, never from inside this call: an instant that has passed means as soon as the present
   * event is over. Arming an armed timer moves it. Events of equal time run in the order of their arming.
   */
  arm(t: HwTimer): void;
  cancel(t: HwTimer): void;
}

/** A binary heap of timers ordered by (expires, order of arming). */
export class HwEventQueue {
  readonly heap: HwTimer[] = [];
  next_seq = 0;
}

const earlier = (a: HwTimer, b: HwTimer): boolean =>
  a.expires < b.expires || (a.expires === b.expires && a.seq < b.seq);

function sift_up(heap: HwTimer[], i: number, t: HwTimer): void {
  while (i > 0) {
    const parent = (i - 1) >> 1;
    const p = heap[parent];
    if (!earlier(t, p)) break;
    heap[i] = p;
    p.index = i;
    i = parent;
  }
  heap[i] = t;
  t.index = i;
}

function sift_down(heap: HwTimer[], i: number, t: HwTimer): void {
  const n = heap.length;
  for (;;) {
    let child = 2 * i + 1;
    if (child >= n) break;
    if (child + 1 < n && earlier(heap[child + 1], heap[child])) child++;
    const c = heap[child];
    if (!earlier(c, t)) break;
    heap[i] = c;
    c.index = i;
    i = child;
  }
  heap[i] = t;
  t.index = i;
}

/** HwClock.arm() for those who do not count bytes. */
export function hw_arm(clock: HwClock, t: HwTimer, abs_ns: number): void {
  t.when = abs_ns;
  clock.arm(t);
}

export function hw_event_arm(q: HwEventQueue, t: HwTimer): void {
  if (t.index >= 0) hw_event_cancel(q, t);
  t.expires = t.when;
  t.seq = q.next_seq++;
  q.heap.push(t);
  sift_up(q.heap, q.heap.length - 1, t);
}

export function hw_event_cancel(q: HwEventQueue, t: HwTimer): void {
  const i = t.index;
  if (i < 0) return;
  t.index = -1;
  const last = q.heap.pop()!;
  if (last === t) return;
  if (i > 0 && earlier(last, q.heap[(i - 1) >> 1])) sift_up(q.heap, i, last);
  else sift_down(q.heap, i, last);
}

/** When the next event is due; Infinity when there is none. */
export const hw_event_next = (q: HwEventQueue): number => (q.heap.length === 0 ? Infinity : q.heap[0].expires);

/** Takes the first event off the queue; null when there is none. */
export function hw_event_pop(q: HwEventQueue): HwTimer | null {
  if (q.heap.length === 0) return null;
  const t = q.heap[0];
  hw_event_cancel(q, t);
  return t;
}
