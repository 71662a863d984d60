// poll(2) and epoll(7). Mirrors fs/select.c and fs/eventpoll.c. Way in: do_poll_once(), PollWait; epoll files.

import { EBADF, EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from "../../uapi/errno.ts";
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  O_RDWR,
  POLLNVAL,
  POLLRDNORM,
  POLLWRNORM,
} from "../../uapi/fcntl.ts";
import type { EpollEvent, PollFd } from "../../uapi/sys.ts";
import type { Kernel } from "../kernel.ts";
import { type Task, wake_up_process } from "../sched.ts";
import { add_wait_queue, remove_wait_queue, WaitQueueEntry, WaitQueueHead, wake_up } from "../wait.ts";
import { File, type FileOps, fget, type PollTable } from "./file.ts";

/** Readiness of a file; one without poll is always ready. */
export const vfs_poll = (file: File, wait: PollTable | null): number =>
  file.f_op.poll ? file.f_op.poll(file, wait) : EPOLLIN | EPOLLOUT | POLLRDNORM | POLLWRNORM;

/** The queues one poll sleeps on. free() takes the task off all of them. */
export class PollWait implements PollTable {
  private readonly entries: WaitQueueEntry[] = [];
  private readonly func: (entry: WaitQueueEntry, key: number) => boolean;
  private readonly owner: unknown;

  constructor(task: Task) {
    this.owner = task;
    this.func = (entry) => {
      wake_up_process(entry.owner as Task);
      return true;
    };
  }
  poll_wait(wq: WaitQueueHead): void {
    const entry = new WaitQueueEntry(this.func, this.owner);
    add_wait_queue(wq, entry);
    this.entries.push(entry);
  }
  free(): void {
    for (const e of this.entries) remove_wait_queue(e);
    this.entries.length = 0;
  }
}

/** One pass over the descriptors; registers on their queues when `wait` is given. Returns how many are ready. */
export function do_poll_once(task: Task, fds: readonly PollFd[], wait: PollTable | null): number {
  let ready = 0;
  for (const p of fds) {
    p.revents = 0;
    if (p.fd < 0) continue;
    const file = fget(task, p.fd);
    if (file === null) {
      p.revents = POLLNVAL;
      ready++;
      continue;
    }
    p.revents = vfs_poll(file, ready > 0 ? null : wait) & (p.events | EPOLLERR | EPOLLHUP);
    if (p.revents !== 0) ready++;
  }
  return ready;
}

// --- epoll --------------------------------------------------------------------------------------------------------

class Epitem {
  readonly file: File;
  readonly fd: number;
  events: number;
  data: number;
  ready = false;
  readonly entries: WaitQueueEntry[] = [];
  readonly ep: Eventpoll;
  constructor(ep: Eventpoll, file: File, fd: number, ev: EpollEvent) {
    this.ep = ep;
    this.file = file;
    this.fd = fd;
    this.events = ev.events | EPOLLERR | EPOLLHUP;
    this.data = ev.data;
  }
}

class Eventpoll {
  readonly items: Map<number, Epitem> = new Map();
  rdllist: Epitem[] = [];
  readonly wq: WaitQueueHead = new WaitQueueHead();
}

function ep_poll_callback(entry: WaitQueueEntry, key: number): boolean {
  const epi = entry.owner as Epitem;
  if ((epi.events & ~(EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE)) === 0) return false;
  if (key !== 0 && (key & epi.events) === 0) return false;
  if (!epi.ready) {
    epi.ready = true;
    epi.ep.rdllist.push(epi);
  }
  const waited_for = epi.ep.wq.first !== null;
  if (waited_for) wake_up(epi.ep.wq, EPOLLIN);
  // EPOLLEXCLUSIVE: an instance that nobody waits on has the event, but the next one is told as well.
  return waited_for;
}

const eventpoll_fops: FileOps = {
  poll(file, wait) {
    const ep = file.private_data as Eventpoll;
    wait?.poll_wait(ep.wq);
    return ep.rdllist.some((epi) => epi.file.f_count > 0 && (vfs_poll(epi.file, null) & epi.events) !== 0)
      ? EPOLLIN | POLLRDNORM
      : 0;
  },
  release(file) {
    const ep = file.private_data as Eventpoll;
    for (const epi of ep.items.values()) ep_remove(ep, epi);
  },
};

export const epoll_create = (k: Kernel): File => new File(k, eventpoll_fops, O_RDWR, new Eventpoll());

function ep_remove(ep: Eventpoll, epi: Epitem): void {
  for (const e of epi.entries) remove_wait_queue(e);
  ep.items.delete(epi.fd);
  const i = ep.rdllist.indexOf(epi);
  if (i >= 0) ep.rdllist.splice(i, 1);
}

/** EPOLLEXCLUSIVE_OK_BITS. */
const EXCLUSIVE_OK =
  EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | POLLRDNORM | POLLWRNORM | (1 << 29) | EPOLLET | EPOLLEXCLUSIVE;
/** EP_MAX_NESTS. */
const MAX_NESTS = 4;

/** -ELOOP when `ep` would watch itself through `inner`, or the nesting gets too deep. */
function ep_loop_check(ep: Eventpoll, inner: Eventpoll, depth: number): number {
  if (inner === ep || depth > MAX_NESTS) return -ELOOP;
  for (const epi of inner.items.values()) {
    if (epi.file.f_op !== eventpoll_fops || epi.file.f_count <= 0) continue;
    const err = ep_loop_check(ep, epi.file.private_data as Eventpoll, depth + 1);
    if (err < 0) return err;
  }
  return 0;
}

export function do_epoll_ctl(task: Task, epfd: number, op: number, fd: number, ev: EpollEvent | null): number {
  const epf = fget(task, epfd);
  const file = fget(task, fd);
  if (epf === null || file === null) return -EBADF;
  if (!file.f_op.poll) return -EPERM;
  if (epf.f_op !== eventpoll_fops || epf === file) return -EINVAL;
  if (ev !== null && op !== EPOLL_CTL_DEL && (ev.events & EPOLLEXCLUSIVE) !== 0) {
    // epoll_ctl(2): only when it is added, with few other flags, and not for another epoll.
    if (op === EPOLL_CTL_MOD || file.f_op === eventpoll_fops || (ev.events & ~EXCLUSIVE_OK) !== 0) return -EINVAL;
  }
  if (op === EPOLL_CTL_ADD && file.f_op === eventpoll_fops) {
    const err = ep_loop_check(epf.private_data as Eventpoll, file.private_data as Eventpoll, 0);
    if (err < 0) return err;
  }
  const ep = epf.private_data as Eventpoll;
  let epi = ep.items.get(fd);
  if (epi !== undefined && epi.file !== file) {
    // The descriptor was closed and its number reused: what was watched is gone.
    ep_remove(ep, epi);
    epi = undefined;
  }
  switch (op) {
    case EPOLL_CTL_ADD: {
      if (epi !== undefined) return -EEXIST;
      if (ev === null) return -14;
      const item = new Epitem(ep, file, fd, ev);
      ep.items.set(fd, item);
      const mask = vfs_poll(file, {
        poll_wait: (wq) => {
          const entry = new WaitQueueEntry(ep_poll_callback, item);
          entry.exclusive = (ev.events & EPOLLEXCLUSIVE) !== 0;
          add_wait_queue(wq, entry);
          item.entries.push(entry);
        },
      });
      if ((mask & item.events) !== 0) {
        item.ready = true;
        ep.rdllist.push(item);
        wake_up(ep.wq, EPOLLIN);
      }
      return 0;
    }
    case EPOLL_CTL_DEL:
      if (epi === undefined) return -ENOENT;
      ep_remove(ep, epi);
      return 0;
    case EPOLL_CTL_MOD:
      if (epi === undefined) return -ENOENT;
      if (ev === null) return -14;
      if ((epi.events & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
      epi.events = ev.events | EPOLLERR | EPOLLHUP;
      epi.data = ev.data;
      if ((vfs_poll(epi.file, null) & epi.events) !== 0 && !epi.ready) {
        epi.ready = true;
        ep.rdllist.push(epi);
        wake_up(ep.wq, EPOLLIN);
      }
      return 0;
    default:
      return -EINVAL;
  }
}

/** Collects up to `max` events that still hold. Level-triggered ones stay on the ready list, behind those that wait. */
export function ep_send_events(ep: Eventpoll, out: EpollEvent[], max: number): number {
  let n = 0;
  const rest: Epitem[] = [];
  const again: Epitem[] = [];
  const list = ep.rdllist;
  ep.rdllist = [];
  for (let i = 0; i < list.length; i++) {
    const epi = list[i]!;
    if (n >= max) {
      rest.push(epi);
      continue;
    }
    epi.ready = false;
    if (!ep.items.has(epi.fd) || epi.file.f_count <= 0) continue;
    const revents = vfs_poll(epi.file, null) & epi.events;
    if (revents === 0) continue;
    out[n++] = { events: revents, data: epi.data };
    if ((epi.events & EPOLLONESHOT) !== 0) epi.events &= EPOLLET | EPOLLONESHOT;
    else if ((epi.events & EPOLLET) === 0) {
      epi.ready = true;
      again.push(epi);
    }
  }
  ep.rdllist = rest.concat(again, ep.rdllist);
  return n;
}

export function ep_of(task: Task, epfd: number): Eventpoll | number {
  const file = fget(task, epfd);
  if (file === null) return -EBADF;
  return file.f_op === eventpoll_fops ? (file.private_data as Eventpoll) : -EINVAL;
}
