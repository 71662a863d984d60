// Qdiscs inside each other: finding one by its handle, replacing a child, keeping ancestors' counts right, peeking.
// Mirrors the tree half of net/sched/sch_api.c. Way in: qdisc_lookup(), qdisc_replace(), qdisc_peek_dequeued().

import { type Hrtimer, hrtimer_cancel, hrtimer_setup, hrtimer_start } from "../../kernel/time/hrtimer.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { PSCHED_TICK_NS } from "../../uapi/pkt_sched.ts";
import type { NetDevice } from "../core/netdevice.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  __netif_schedule,
  noop_qdisc_ops,
  Qdisc,
  qdisc_dev,
  qdisc_reset,
  TCQ_F_BUILTIN,
  TCQ_F_NOPARENT,
} from "./sch_generic.ts";

export const TC_H_MAJ = (h: number): number => (h & 0xffff0000) >>> 0;
export const TC_H_MIN = (h: number): number => h & 0xffff;
/** A packet enters or leaves a queue: what stands in it then. Call behind `if (trace_key.on)`. */
export function trace_qdisc(fn: number, skb: SkBuff, sch: Qdisc): void {
  trace_fn(fn, skb);
  if (!trace_detail(skb.kernel)) return;
  trace_note(fn, skb, { kind: "qdisc", qdisc: sch.ops.id, handle: sch.handle, qlen: sch.qlen, backlog: sch.backlog });
}

/** What an enqueue answers beside NET_XMIT_*: the packet is gone, and the parent need not count a drop. */
export const __NET_XMIT_BYPASS = 0x00020000;

/** The place of a queue that has none: drops what comes. */
export const noop_qdisc_of = (sch: Qdisc): Qdisc => new Qdisc(noop_qdisc_ops, sch.dev_queue, TCQ_F_BUILTIN, true);

/** All qdiscs below `root`, parents first, the later classes before the earlier. */
export function qdisc_descendants(root: Qdisc): Qdisc[] {
  const out: Qdisc[] = [];
  const classes = root.ops.cl_ops?.walk(root) ?? [];
  for (const { leaf } of [...classes].reverse()) {
    if (leaf === null || (leaf.flags & TCQ_F_BUILTIN) !== 0) continue;
    out.push(leaf, ...qdisc_descendants(leaf));
  }
  return out;
}

/** The qdisc with this handle (major number, low half 0), or null. */
export function qdisc_lookup(dev: NetDevice, handle: number): Qdisc | null {
  if (handle === 0) return null;
  const root = dev.qdisc;
  if ((root.flags & TCQ_F_BUILTIN) === 0 && root.handle === handle) return root;
  for (const q of qdisc_descendants(root)) if (q.handle === handle) return q;
  return null;
}

/** `n` packets of `len` bytes were dropped inside `sch` behind its ancestors' backs. */
export function qdisc_tree_reduce_backlog(sch: Qdisc, n: number, len: number): void {
  if (n === 0 && len === 0) return;
  const drops = Math.max(n, 0);
  const dev = qdisc_dev(sch);
  let q: Qdisc | null = sch;
  while (q !== null && q.parent !== 0 && (q.flags & TCQ_F_NOPARENT) === 0) {
    q = qdisc_lookup(dev, TC_H_MAJ(q.parent));
    if (q === null) return;
    q.qlen -= n;
    q.backlog -= len;
    q.drops += drops;
  }
}

/** Empties a queue and takes its packets out of the ancestors' counts. */
export function qdisc_purge_queue(sch: Qdisc): void {
  const { qlen, backlog } = sch;
  qdisc_reset(sch);
  qdisc_tree_reduce_backlog(sch, qlen, backlog);
}

/** The packet that dequeue would give, kept for it. */
export function qdisc_peek_dequeued(sch: Qdisc): SkBuff | null {
  if (sch.gso_skb !== null) return sch.gso_skb;
  const skb = sch.dequeue(sch);
  if (skb === null) return null;
  sch.gso_skb = skb;
  // It is still part of the queue.
  sch.backlog += skb.pkt_len;
  sch.qlen++;
  return skb;
}

export function qdisc_dequeue_peeked(sch: Qdisc): SkBuff | null {
  const skb = sch.gso_skb;
  if (skb === null) return sch.dequeue(sch);
  sch.gso_skb = null;
  sch.backlog -= skb.pkt_len;
  sch.qlen--;
  return skb;
}

/** Whatever the discipline has for peeking. */
export const qdisc_peek = (sch: Qdisc): SkBuff | null =>
  sch.gso_skb !== null || sch.ops.peek === undefined ? qdisc_peek_dequeued(sch) : sch.ops.peek(sch);

/** The qdisc that __qdisc_run() runs for this one. */
export const qdisc_root = (sch: Qdisc): Qdisc => sch.dev_queue.qdisc;

// --- watchdog -----------------------------------------------------------------------------------------------------

/** Makes a throttled qdisc run again at a time. */
export class QdiscWatchdog {
  readonly qdisc: Qdisc;
  readonly timer: Hrtimer;
  last_expires = -1;
  constructor(sch: Qdisc) {
    this.qdisc = sch;
    this.timer = hrtimer_setup(qdisc_dev(sch).net.kernel, qdisc_watchdog, this);
  }
}

function qdisc_watchdog(timer: Hrtimer): void {
  const wd = timer.owner as QdiscWatchdog;
  wd.last_expires = -1;
  __netif_schedule(qdisc_root(wd.qdisc));
}

/** `expires`: host ns. */
export function qdisc_watchdog_schedule_ns(wd: QdiscWatchdog, expires: number): void {
  if (wd.last_expires === expires) return;
  wd.last_expires = expires;
  hrtimer_start(wd.timer, expires);
}

export function qdisc_watchdog_cancel(wd: QdiscWatchdog): void {
  wd.last_expires = -1;
  hrtimer_cancel(wd.timer);
}

// --- rates and the scheduler's clock ------------------------------------------------------------------------------

export const PSCHED_TICKS2NS = (ticks: number): number => ticks * PSCHED_TICK_NS;
export const PSCHED_NS2TICKS = (ns: number): number => Math.floor(ns / PSCHED_TICK_NS);

const TC_LINKLAYER_ATM = 2;

/** struct psched_ratecfg: bytes per second, and what the link adds to each packet. */
export class PschedRatecfg {
  rate_bytes_ps = 0;
  overhead = 0;
  mpu = 0;
  linklayer = 1;

  /** From struct tc_ratespec at `off`; `rate64` when the 32 bits are not enough. */
  precompute(dv: DataView, off: number, rate64: number): void {
    this.linklayer = dv.getUint8(off + 1) & 15;
    this.overhead = dv.getUint16(off + 2, true);
    this.mpu = dv.getUint16(off + 6, true);
    this.rate_bytes_ps = Math.max(dv.getUint32(off + 8, true), rate64);
  }
  /** Writes struct tc_ratespec. */
  get_rate(dv: DataView, off: number): void {
    dv.setUint8(off + 1, this.linklayer);
    dv.setUint16(off + 2, this.overhead, true);
    dv.setUint16(off + 6, this.mpu, true);
    dv.setUint32(off + 8, Math.min(this.rate_bytes_ps, 0xffffffff), true);
  }
}

/** Time on the wire of `len` bytes. */
export function psched_l2t_ns(r: PschedRatecfg, len: number): number {
  len += r.overhead;
  if (len < r.mpu) len = r.mpu;
  if (r.linklayer === TC_LINKLAYER_ATM) len = Math.ceil(len / 48) * 53;
  return Math.floor((len * 1_000_000_000) / r.rate_bytes_ps);
}

/** Bytes that fit into a time. */
export function psched_ns_t2l(r: PschedRatecfg, ns: number): number {
  let len = Math.floor((ns * r.rate_bytes_ps) / 1_000_000_000);
  if (r.linklayer === TC_LINKLAYER_ATM) len = Math.floor(len / 53) * 48;
  return len > r.overhead ? len - r.overhead : 0;
}
