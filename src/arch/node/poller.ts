// poll(2) for all devices of a platform in one thread of Node's pool: it has four, which files and names use as well, and a thread
// for each device would let all of those wait. Way in: add(), then wait(fd, ready) as often as need be, remove(fd, then).

import type { Libc } from "./libc.ts";

const EFD_CLOEXEC = 0x80000;
const EFD_NONBLOCK = 0x800;
const POLLIN = 1;
/** So that a process that exits need not wait long for its thread. */
const TIMEOUT_MS = 500;

export class Poller {
  private readonly libc: Libc;
  /** Ends a poll() that is under way: what it waits for has changed. -1: not made yet. */
  private eventfd = -1;
  private devices = 0;
  private readonly waiting: Map<number, () => void> = new Map();
  /** The set that the thread has; kept reachable, native code has its address. */
  private fds: Uint8Array | null = null;
  private kicked = false;
  private removed: (() => void)[] = [];

  constructor(libc: Libc) {
    this.libc = libc;
  }

  /** A device more, until remove(). */
  add(): void {
    this.devices++;
  }

  /** `ready` runs once when there is something to read, or an error. */
  wait(fd: number, ready: () => void): void {
    this.waiting.set(fd, ready);
    if (this.fds === null) this.start();
    else this.kick();
  }

  /** `then` runs when no thread looks at `fd` any more. */
  remove(fd: number, then: () => void): void {
    this.devices--;
    this.waiting.delete(fd);
    if (this.fds === null) {
      then();
      this.rest();
      return;
    }
    this.removed.push(then);
    this.kick();
  }

  private kick(): void {
    if (this.kicked) return;
    this.kicked = true;
    this.libc.write(this.eventfd, Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0), 8);
  }

  private start(): void {
    if (this.eventfd < 0) this.eventfd = this.libc.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const order = [this.eventfd, ...this.waiting.keys()];
    const fds = new Uint8Array(8 * order.length);
    const dv = new DataView(fds.buffer);
    for (const [i, fd] of order.entries()) {
      dv.setInt32(8 * i, fd, true);
      dv.setInt16(8 * i + 4, POLLIN, true);
    }
    this.fds = fds;
    this.libc.poll.async(fds, order.length, TIMEOUT_MS, () => {
      this.fds = null;
      if (this.kicked) {
        this.kicked = false;
        this.libc.read(this.eventfd, new Uint8Array(8), 8);
      }
      const then = this.removed;
      this.removed = [];
      for (const fn of then) fn();
      const ready: (() => void)[] = [];
      for (let i = 1; i < order.length; i++) {
        const fn = this.waiting.get(order[i]!);
        if (fn === undefined || dv.getInt16(8 * i + 6, true) === 0) continue;
        this.waiting.delete(order[i]!);
        ready.push(fn);
      }
      // Those may wait again at once.
      for (const fn of ready) fn();
      if (this.fds === null) this.rest();
    });
  }

  private rest(): void {
    if (this.waiting.size > 0) this.start();
    else if (this.devices === 0 && this.eventfd >= 0) {
      this.libc.close(this.eventfd);
      this.eventfd = -1;
    }
  }
}
