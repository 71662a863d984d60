// struct Qdisc and its running: bypass, quota, requeue. Mirrors include/net/sch_generic.h, net/sched/sch_generic.c.
// Read first: docs/path-of-a-packet.md. Way in: __dev_xmit_skb() in net/core/dev.ts; qdisc_run().

import type { Kernel } from "../../kernel/kernel.ts";
import { KERN_INFO, printk } from "../../kernel/printk.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F___qdisc_run, F_sch_direct_xmit } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { SKB_DROP_REASON_QDISC_DROP } from "../core/dropreason.ts";
import {
  dev_xmit_complete,
  NET_XMIT_CN,
  NET_XMIT_DROP,
  type NetDevice,
  type NetdevQueue,
  netif_xmit_frozen_or_stopped,
} from "../core/netdevice.ts";
import { kfree_skb_list_reason, kfree_skb_reason, type SkBuff } from "../core/skbuff.ts";

export const TCQ_F_BUILTIN = 1;
export const TCQ_F_INGRESS = 2;
export const TCQ_F_CAN_BYPASS = 4;
export const TCQ_F_MQROOT = 8;
export const TCQ_F_ONETXQUEUE = 0x10;
export const TCQ_F_WARN_NONWC = 1 << 16;
export const TCQ_F_NOPARENT = 0x40;
export const TCQ_F_INVISIBLE = 0x80;

/** struct Qdisc_ops: what a discipline does. */
export interface QdiscOps {
  readonly id: string;
  /** Prepares `sch.priv`; `opt` is TCA_OPTIONS (its payload) or null. Returns 0 or -errno. */
  init?(sch: Qdisc, opt: Uint8Array | null, extack: { msg: string }): number;
  change?(sch: Qdisc, opt: Uint8Array | null, extack: { msg: string }): number;
  reset?(sch: Qdisc): void;
  destroy?(sch: Qdisc): void;
  attach?(sch: Qdisc): void;
  /** Takes over the packet. NET_XMIT_SUCCESS, or NET_XMIT_DROP after it was freed through qdisc_drop(). */
  enqueue: (skb: SkBuff, sch: Qdisc) => number;
  dequeue: (sch: Qdisc) => SkBuff | null;
  peek?(sch: Qdisc): SkBuff | null;
  /** TCA_OPTIONS as netlink shows it. */
  dump?(sch: Qdisc): Uint8Array | null;
  /** TCA_STATS_APP. */
  dump_stats?(sch: Qdisc): Uint8Array | null;
  change_tx_queue_len?(sch: Qdisc, len: number): number;
  /** Class operations of a classful discipline (mq: one class per queue). */
  readonly cl_ops?: QdiscClassOps;
}

export interface QdiscClassOps {
  /** The child qdiscs with their class minor numbers. */
  walk(sch: Qdisc): { classid: number; leaf: Qdisc | null }[];
  graft(sch: Qdisc, classid: number, child: Qdisc | null): Qdisc | null | number;
  leaf(sch: Qdisc, classid: number): Qdisc | null;
  /** Is there such a class? Without it: when it has a leaf. */
  find?(sch: Qdisc, classid: number): boolean;
  /** RTM_NEWTCLASS shows the root as the parent (mq), and the leaf's counters. */
  readonly dump_root?: boolean;
  readonly dump_stats?: boolean;
}

export class Qdisc {
  readonly ops: QdiscOps;
  readonly enqueue: ((skb: SkBuff, sch: Qdisc) => number) | null;
  readonly dequeue: (sch: Qdisc) => SkBuff | null;
  flags: number;
  limit = 0;
  handle = 0;
  parent = 0;
  readonly dev_queue: NetdevQueue;
  /** What the discipline keeps. */
  priv: unknown = null;
  /** Queue length in packets, and backlog in bytes, as tc -s shows them. */
  qlen = 0;
  backlog = 0;
  bytes = 0.5;
  packets = 0;
  drops = 0;
  requeues = 0;
  overlimits = 0;
  /** Packets that the driver refused, linked by next: they go first. */
  gso_skb: SkBuff | null = null;
  running = false;
  /** In the output queue of a CPU already (__QDISC_STATE_SCHED). */
  scheduled = false;
  deactivated = false;
  refcnt = 1;

  constructor(ops: QdiscOps, dev_queue: NetdevQueue, flags: number, has_queue: boolean) {
    this.ops = ops;
    this.enqueue = has_queue ? ops.enqueue : null;
    this.dequeue = ops.dequeue;
    this.dev_queue = dev_queue;
    this.flags = flags;
    this.bytes = 0;
  }
}

export const qdisc_dev = (q: Qdisc): NetDevice => q.dev_queue.dev;

export function qdisc_bstats_update(q: Qdisc, skb: SkBuff): void {
  q.bytes += skb.pkt_len;
  q.packets += skb.head.gso_size !== 0 ? skb.head.gso_segs || 1 : 1;
}

/** Counts and frees a packet that the discipline does not take. */
export function qdisc_drop(skb: SkBuff, sch: Qdisc, reason = SKB_DROP_REASON_QDISC_DROP): number {
  sch.drops++;
  kfree_skb_reason(skb, reason);
  return NET_XMIT_DROP;
}

export function qdisc_run_begin(q: Qdisc): boolean {
  if (q.running) return false;
  q.running = true;
  return true;
}
export function qdisc_run_end(q: Qdisc): void {
  q.running = false;
}

/** Packets one run may send before the rest is left to NET_TX_SOFTIRQ (net.core.dev_weight). */
const dev_tx_weight = 64;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Registered disciplines by name. */
    qdisc_base: Map<string, QdiscOps>;
    /** net.core.default_qdisc. */
    default_qdisc: string;
    /** Set by dev.ts: what sch_direct_xmit() and __netif_schedule() need from below, as registration. */
    dev_hard_start_xmit: (skb: SkBuff, dev: NetDevice, txq: NetdevQueue) => number;
    validate_xmit_skb_list: (skb: SkBuff, dev: NetDevice) => SkBuff | null;
    netif_schedule: (q: Qdisc) => void;
  }
}

export function register_qdisc(k: Kernel, ops: QdiscOps): void {
  k.qdisc_base.set(ops.id, ops);
  printk(k, KERN_INFO, `register_qdisc: ${ops.id}`);
}

/** Marks the qdisc for NET_TX_SOFTIRQ. */
export function __netif_schedule(q: Qdisc): void {
  if (q.scheduled) return;
  q.scheduled = true;
  q.dev_queue.dev.net.kernel.netif_schedule(q);
}

/** The driver has no room: the packet, or what is left of its segments, waits behind what waits already, and counts again. */
function dev_requeue_skb(skb: SkBuff, q: Qdisc): void {
  if (q.gso_skb === null) q.gso_skb = skb;
  else {
    let last = q.gso_skb;
    while (last.next !== null) last = last.next;
    last.next = skb;
  }
  for (let s: SkBuff | null = skb; s !== null; s = s.next) {
    q.requeues++;
    q.backlog += s.pkt_len;
    q.qlen++;
  }
  __netif_schedule(q);
}

function dequeue_skb(q: Qdisc): SkBuff | null {
  const skb = q.gso_skb;
  if (skb === null) {
    if (netif_xmit_frozen_or_stopped(q.dev_queue) && (q.flags & TCQ_F_ONETXQUEUE) !== 0) return null;
    return q.dequeue(q);
  }
  if (netif_xmit_frozen_or_stopped(skb.dev!.tx[skb.queue_mapping]!)) return null;
  q.gso_skb = skb.next;
  skb.next = null;
  q.backlog -= skb.pkt_len;
  q.qlen--;
  return skb;
}

/**
 * Gives a packet to the driver; what it refuses is requeued. Returns whether the queue may go on.
 * `validate`: checksum and segmentation are still to be done.
 */
export function sch_direct_xmit(
  skb: SkBuff | null,
  q: Qdisc,
  dev: NetDevice,
  txq: NetdevQueue,
  validate: boolean,
): boolean {
  const k = dev.net.kernel;
  if (skb !== null && trace_key.on) trace_fn(F_sch_direct_xmit, skb);
  if (validate && skb !== null) skb = k.validate_xmit_skb_list(skb, dev);
  while (skb !== null) {
    if (txq.state !== 0) {
      dev_requeue_skb(skb, q);
      return false;
    }
    const next: SkBuff | null = skb.next;
    skb.next = null;
    const ret = k.dev_hard_start_xmit(skb, dev, txq);
    if (!dev_xmit_complete(ret)) {
      skb.next = next;
      dev_requeue_skb(skb, q);
      return false;
    }
    skb = next;
  }
  return true;
}

/** Takes one packet from the queue and sends it. False when there is nothing left to do now. */
function qdisc_restart(q: Qdisc): boolean {
  // What was requeued was summed and cut before.
  const validate = q.gso_skb === null;
  const skb = dequeue_skb(q);
  if (skb === null) return false;
  const dev = q.dev_queue.dev;
  return sch_direct_xmit(skb, q, dev, dev.tx[skb.queue_mapping]!, validate);
}

/** Sends until the queue is empty, the driver full, or the quota used: then NET_TX_SOFTIRQ goes on. */
export function __qdisc_run(q: Qdisc): void {
  let quota = dev_tx_weight;
  if (trace_key.on && q.qlen > 0) {
    const first = q.gso_skb;
    if (first !== null) trace_fn(F___qdisc_run, first);
  }
  while (qdisc_restart(q)) {
    if (--quota <= 0) {
      __netif_schedule(q);
      break;
    }
  }
}

export function qdisc_run(q: Qdisc): void {
  if (!qdisc_run_begin(q)) return;
  if (!q.deactivated) __qdisc_run(q);
  qdisc_run_end(q);
}

// --- making, resetting and ending --------------------------------------------------------------------------------

export function qdisc_create_dflt(dev_queue: NetdevQueue, ops: QdiscOps, parent: number): Qdisc | null {
  const sch = new Qdisc(ops, dev_queue, 0, ops.id !== "noqueue");
  sch.parent = parent;
  if (ops.init && ops.init(sch, null, { msg: "" }) < 0) return null;
  return sch;
}

export function qdisc_reset(q: Qdisc): void {
  q.ops.reset?.(q);
  kfree_skb_list_reason(q.gso_skb, SKB_DROP_REASON_QDISC_DROP);
  q.gso_skb = null;
  q.qlen = 0;
  q.backlog = 0;
}

export function qdisc_put(q: Qdisc): void {
  if ((q.flags & TCQ_F_BUILTIN) !== 0 || --q.refcnt > 0) return;
  qdisc_reset(q);
  q.ops.destroy?.(q);
}

// --- noop and noqueue ---------------------------------------------------------------------------------------------

/** Before a device is up, and after: everything is dropped. */
export const noop_qdisc_ops: QdiscOps = {
  id: "noop",
  enqueue: (skb) => {
    kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP);
    return NET_XMIT_CN;
  },
  dequeue: () => null,
};

/** Devices without a queue: dev_queue_xmit() calls the driver at once. */
export const noqueue_qdisc_ops: QdiscOps = {
  id: "noqueue",
  enqueue: (skb) => {
    kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP);
    return NET_XMIT_DROP;
  },
  dequeue: () => null,
};
