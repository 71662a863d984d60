// Queues of fragments: table, memory, timers, and the order of what arrived. Family-neutral but for the key.
// Mirrors net/ipv4/inet_fragment.c. Read first: RFC 791 section 3.2, RFC 815, RFC 5722. Way in: ip_fragment.ts.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { mod_timer, type TimerList, timer_delete, timer_setup } from "../../kernel/time/timer.ts";
import { jhash_3words } from "../../lib/jhash.ts";
import type { Net } from "../core/net_namespace.ts";
import { consume_skb, kfree_skb_reason, type SkBuff } from "../core/skbuff.ts";
import type { InetPeer } from "./inetpeer.ts";

// q.flags
export const INET_FRAG_FIRST_IN = 1;
export const INET_FRAG_LAST_IN = 2;
/** Taken out of the table: nothing more is added. */
export const INET_FRAG_COMPLETE = 4;

// What inet_frag_queue_insert() returns.
export const IPFRAG_OK = 0;
export const IPFRAG_DUP = 1;
export const IPFRAG_OVERLAP = 2;

/** What a queue itself counts against the memory limits, as Linux counts its slab object. */
const FRAG_QUEUE_SIZE = 200;

/**
 * One datagram in pieces. What arrived is kept as *runs*: stretches without a gap, in order, each a chain of packets
 * linked by next. In-order arrival makes one run; the arrays grow only with gaps.
 */
export class FragQueue {
  readonly fqdir: Fqdir;
  readonly timer: TimerList;
  next: FragQueue | null = null;
  hash = 0;
  // Key.
  saddr = 0;
  daddr = 0;
  id = 0;
  protocol = 0;
  user = 0;
  vif = 0;

  flags = 0;
  /** Where the datagram ends as far as is known, and how many bytes of it are here. */
  len = 0;
  meat = 0;
  /** Largest fragment, and largest with DF set: what the path MTU is at most. */
  max_size = 0;
  max_df_size = 0;
  /** Truesize of all packets here. */
  mem = 0;
  ecn = 0;
  iif = 0;
  rid = 0;
  peer: InetPeer | null = null;
  readonly run_start: number[] = [];
  readonly run_end: number[] = [];
  readonly run_head: SkBuff[] = [];
  readonly run_tail: SkBuff[] = [];

  constructor(fqdir: Fqdir) {
    this.fqdir = fqdir;
    this.timer = timer_setup(fqdir.net.kernel, frag_timer, this);
  }
}

const frag_timer = (timer: TimerList): void => {
  const q = timer.owner as FragQueue;
  q.fqdir.expire(q);
};

/** All queues of a namespace and family, and their limits. */
export class Fqdir {
  readonly net: Net;
  readonly expire: (q: FragQueue) => void;
  /** Above so many bytes no new queue is begun. */
  high_thresh = 4 << 20;
  /** jiffies. */
  timeout = 30000;
  max_dist = 64;
  mem = 0;
  nqueues = 0;
  readonly secret: number;
  readonly buckets: Map<number, FragQueue> = new Map();
  readonly free: FragQueue[] = [];

  constructor(net: Net, expire: (q: FragQueue) => void) {
    this.net = net;
    this.expire = expire;
    const rnd = new Uint8Array(4);
    net.kernel.host.random_bytes(rnd);
    this.secret = (rnd[0]! << 24) | (rnd[1]! << 16) | (rnd[2]! << 8) | rnd[3]!;
  }
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    live_frag_queues: number;
  }
}

export function inet_frags_init(k: Kernel): void {
  k.live_frag_queues = 0;
  k.live.set("frag_queues", () => k.live_frag_queues);
}

/** The queue of this key, begun when there is none; null when memory is short. */
export function inet_frag_find(
  fqdir: Fqdir,
  saddr: number,
  daddr: number,
  id: number,
  protocol: number,
  user: number,
  vif: number,
): FragQueue | null {
  if (fqdir.high_thresh === 0 || fqdir.mem > fqdir.high_thresh) return null;
  const hash = jhash_3words(saddr, daddr, (id << 16) | (protocol << 8) | (user & 0xff), fqdir.secret ^ vif);
  const first = fqdir.buckets.get(hash) ?? null;
  for (let q = first; q !== null; q = q.next) {
    if (
      q.saddr === saddr &&
      q.daddr === daddr &&
      q.id === id &&
      q.protocol === protocol &&
      q.user === user &&
      q.vif === vif
    ) {
      return q;
    }
  }
  const q = fqdir.free.pop() ?? new FragQueue(fqdir);
  q.hash = hash;
  q.saddr = saddr;
  q.daddr = daddr;
  q.id = id;
  q.protocol = protocol;
  q.user = user;
  q.vif = vif;
  q.max_size = 0;
  q.max_df_size = 0;
  inet_frag_reset(q);
  q.next = first;
  fqdir.buckets.set(hash, q);
  fqdir.nqueues++;
  fqdir.mem += FRAG_QUEUE_SIZE;
  const k = fqdir.net.kernel;
  k.live_frag_queues++;
  mod_timer(q.timer, jiffies(k) + fqdir.timeout);
  return q;
}

function inet_frag_reset(q: FragQueue): void {
  q.flags = 0;
  q.len = 0;
  q.meat = 0;
  q.ecn = 0;
  q.iif = 0;
}

/** Takes the queue out of the table and stops its timer; its packets stay until inet_frag_destroy(). */
export function inet_frag_kill(q: FragQueue): void {
  timer_delete(q.timer);
  if ((q.flags & INET_FRAG_COMPLETE) !== 0) return;
  q.flags |= INET_FRAG_COMPLETE;
  const fqdir = q.fqdir;
  const first = fqdir.buckets.get(q.hash)!;
  if (first === q) {
    if (q.next === null) fqdir.buckets.delete(q.hash);
    else fqdir.buckets.set(q.hash, q.next);
  } else {
    let p = first;
    while (p.next !== q) p = p.next!;
    p.next = q.next;
  }
  q.next = null;
  fqdir.nqueues--;
}

/** The end of a killed queue. What is still in it is dropped for `reason`. */
export function inet_frag_destroy(q: FragQueue, reason: number): void {
  inet_frag_purge(q, reason);
  const fqdir = q.fqdir;
  fqdir.mem -= FRAG_QUEUE_SIZE;
  fqdir.net.kernel.live_frag_queues--;
  q.peer = null;
  if (fqdir.free.length < 64) fqdir.free.push(q);
}

/** Drops the packets of the queue; `reason` 0 when they did their work. */
export function inet_frag_purge(q: FragQueue, reason: number): void {
  for (let i = 0; i < q.run_head.length; i++) {
    let skb: SkBuff | null = q.run_head[i]!;
    while (skb !== null) {
      const next: SkBuff | null = skb.next;
      skb.next = null;
      if (reason === 0) consume_skb(skb);
      else kfree_skb_reason(skb, reason);
      skb = next;
    }
  }
  forget_runs(q);
}

function forget_runs(q: FragQueue): void {
  q.run_start.length = 0;
  q.run_end.length = 0;
  q.run_head.length = 0;
  q.run_tail.length = 0;
  q.fqdir.mem -= q.mem;
  q.mem = 0;
}

/** Begins again with an empty queue and a new timeout. */
export function inet_frag_reinit(q: FragQueue, reason: number): void {
  inet_frag_purge(q, reason);
  inet_frag_reset(q);
  mod_timer(q.timer, jiffies(q.fqdir.net.kernel) + q.fqdir.timeout);
}

/**
 * Puts bytes [offset, end) where they belong. IPFRAG_DUP: they are all here already. IPFRAG_OVERLAP: some are, and such a
 * datagram is not to be trusted (RFC 5722 section 4 and RFC 1858 section 4 say why).
 */
export function inet_frag_queue_insert(q: FragQueue, skb: SkBuff, offset: number, end: number): number {
  const runs = q.run_start.length;
  let at = runs;
  if (runs > 0) {
    const last_end = q.run_end[runs - 1]!;
    if (last_end < end) {
      // Behind everything: the usual case.
      if (offset < last_end) return IPFRAG_OVERLAP;
      if (offset === last_end) {
        q.run_tail[runs - 1]!.next = skb;
        q.run_tail[runs - 1] = skb;
        q.run_end[runs - 1] = end;
        return account(q, skb);
      }
    } else {
      let lo = 0;
      let hi = runs;
      while (lo < hi) {
        const mid = (lo + hi) >> 1;
        if (end <= q.run_start[mid]!) hi = mid;
        else if (offset >= q.run_end[mid]!) lo = mid + 1;
        else return offset >= q.run_start[mid]! && end <= q.run_end[mid]! ? IPFRAG_DUP : IPFRAG_OVERLAP;
      }
      at = lo;
    }
  }
  q.run_start.splice(at, 0, offset);
  q.run_end.splice(at, 0, end);
  q.run_head.splice(at, 0, skb);
  q.run_tail.splice(at, 0, skb);
  return account(q, skb);
}

function account(q: FragQueue, skb: SkBuff): number {
  skb.next = null;
  q.mem += skb.truesize;
  q.fqdir.mem += skb.truesize;
  return IPFRAG_OK;
}

/** Takes the first packet of the first run out of the queue, or null when the queue is empty. */
export function inet_frag_pull_head(q: FragQueue): SkBuff | null {
  if (q.run_head.length === 0) return null;
  const head = q.run_head[0]!;
  if (head.next !== null) {
    q.run_head[0] = head.next;
  } else {
    q.run_start.shift();
    q.run_end.shift();
    q.run_head.shift();
    q.run_tail.shift();
  }
  head.next = null;
  q.mem -= head.truesize;
  q.fqdir.mem -= head.truesize;
  return head;
}

/** All packets of a complete queue as one chain in order; the queue is empty after it. */
export function inet_frag_take_all(q: FragQueue): SkBuff {
  const head = q.run_head[0]!;
  for (let i = 1; i < q.run_head.length; i++) q.run_tail[i - 1]!.next = q.run_head[i]!;
  forget_runs(q);
  return head;
}

/** The namespace goes: so do its queues, without a word. */
export function fqdir_exit(fqdir: Fqdir, reason: number): void {
  for (const first of [...fqdir.buckets.values()]) {
    let q: FragQueue | null = first;
    while (q !== null) {
      const next: FragQueue | null = q.next;
      inet_frag_kill(q);
      inet_frag_destroy(q, reason);
      q = next;
    }
  }
}
