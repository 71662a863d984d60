// Wait queues: how a task, an epoll instance or a caller from JavaScript learns that something may have changed.
// Mirrors kernel/sched/wait.c. Way in: add_wait_queue(), wake_up().

export class WaitQueueEntry {
  next: WaitQueueEntry | null = null;
  prev: WaitQueueEntry | null = null;
  head: WaitQueueHead | null = null;
  /** WQ_FLAG_EXCLUSIVE: wake_up() stops after the first one that reports true. */
  exclusive = false;
  /** Returns true when somebody was woken. `key` is the poll mask of what happened, 0 for "anything". */
  readonly func: (entry: WaitQueueEntry, key: number) => boolean;
  readonly owner: unknown;

  constructor(func: (entry: WaitQueueEntry, key: number) => boolean, owner: unknown) {
    this.func = func;
    this.owner = owner;
  }
}

export class WaitQueueHead {
  first: WaitQueueEntry | null = null;
  last: WaitQueueEntry | null = null;
}

export const waitqueue_active = (wq: WaitQueueHead): boolean => wq.first !== null;

/** Exclusive waiters go to the end, the others to the front, as in Linux. */
export function add_wait_queue(wq: WaitQueueHead, entry: WaitQueueEntry): void {
  if (entry.head !== null) remove_wait_queue(entry);
  entry.head = wq;
  if (entry.exclusive) {
    entry.prev = wq.last;
    entry.next = null;
    if (wq.last) wq.last.next = entry;
    else wq.first = entry;
    wq.last = entry;
  } else {
    entry.next = wq.first;
    entry.prev = null;
    if (wq.first) wq.first.prev = entry;
    else wq.last = entry;
    wq.first = entry;
  }
}

export function remove_wait_queue(entry: WaitQueueEntry): void {
  const wq = entry.head;
  if (wq === null) return;
  if (entry.prev) entry.prev.next = entry.next;
  else wq.first = entry.next;
  if (entry.next) entry.next.prev = entry.prev;
  else wq.last = entry.prev;
  entry.next = null;
  entry.prev = null;
  entry.head = null;
}

/** Wakes all waiters, and of the exclusive ones the first that can be woken. */
export function wake_up(wq: WaitQueueHead, key = 0): void {
  let entry = wq.first;
  while (entry !== null) {
    const next: WaitQueueEntry | null = entry.next;
    const exclusive = entry.exclusive;
    if (entry.func(entry, key) && exclusive) break;
    entry = next;
  }
}
