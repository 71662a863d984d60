// The simplest queues: so many packets (pfifo), so many bytes (bfifo), and pfifo that drops its oldest. Mirrors sch_fifo.c.
// Read first: tc-pfifo(8). Way in: sched_init() registers them; fifo_create_dflt() for inner queues.

import { F_bfifo_enqueue, F_pfifo_enqueue, F_pfifo_tail_enqueue } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EINVAL } from "../../uapi/errno.ts";
import { TC_FIFO_QOPT_LEN } from "../../uapi/pkt_sched.ts";
import { SKB_DROP_REASON_QDISC_DROP } from "../core/dropreason.ts";
import { NET_XMIT_CN } from "../core/netdevice.ts";
import { kfree_skb_reason, type SkBuff } from "../core/skbuff.ts";
import {
  type Qdisc,
  type QdiscOps,
  qdisc_bstats_update,
  qdisc_create_dflt,
  qdisc_dev,
  qdisc_drop,
  TCQ_F_CAN_BYPASS,
} from "./sch_generic.ts";
import { trace_qdisc } from "./sch_tree.ts";
import { QdiscSkbHead, qdisc_dequeue_head_list, qdisc_enqueue_tail_list, qdisc_purge_list } from "./skb_list.ts";

const list_of = (sch: Qdisc): QdiscSkbHead => sch.priv as QdiscSkbHead;

/** "limit" of struct tc_fifo_qopt; without one, tx_queue_len packets, or as many full frames. */
function fifo_init(sch: Qdisc, opt: Uint8Array | null): number {
  const is_bfifo = sch.ops.id === "bfifo";
  if (sch.priv === null) sch.priv = new QdiscSkbHead();
  const dev = qdisc_dev(sch);
  if (opt === null) {
    sch.limit = Math.max(1, dev.tx_queue_len) * (is_bfifo ? dev.mtu + dev.hard_header_len : 1);
  } else {
    if (opt.length < TC_FIFO_QOPT_LEN) return -EINVAL;
    sch.limit = new DataView(opt.buffer, opt.byteOffset, opt.length).getUint32(0, true);
  }
  const bypass = is_bfifo ? sch.limit >= dev.mtu : sch.limit >= 1;
  if (bypass) sch.flags |= TCQ_F_CAN_BYPASS;
  else sch.flags &= ~TCQ_F_CAN_BYPASS;
  return 0;
}

function pfifo_enqueue(skb: SkBuff, sch: Qdisc): number {
  if (trace_key.on) trace_qdisc(F_pfifo_enqueue, skb, sch);
  if (sch.qlen < sch.limit) return qdisc_enqueue_tail_list(skb, sch, list_of(sch));
  return qdisc_drop(skb, sch);
}

function bfifo_enqueue(skb: SkBuff, sch: Qdisc): number {
  if (trace_key.on) trace_qdisc(F_bfifo_enqueue, skb, sch);
  if (sch.backlog + skb.pkt_len <= sch.limit) return qdisc_enqueue_tail_list(skb, sch, list_of(sch));
  return qdisc_drop(skb, sch);
}

/** A full queue loses its oldest packet; the sender is told of congestion (NET_XMIT_CN). */
function pfifo_tail_enqueue(skb: SkBuff, sch: Qdisc): number {
  if (trace_key.on) trace_qdisc(F_pfifo_tail_enqueue, skb, sch);
  if (sch.limit === 0) return qdisc_drop(skb, sch);
  if (sch.qlen < sch.limit) return qdisc_enqueue_tail_list(skb, sch, list_of(sch));
  const old = qdisc_dequeue_head_list(sch, list_of(sch));
  if (old !== null) {
    sch.drops++;
    kfree_skb_reason(old, SKB_DROP_REASON_QDISC_DROP);
  }
  qdisc_enqueue_tail_list(skb, sch, list_of(sch));
  return NET_XMIT_CN;
}

function fifo_dequeue(sch: Qdisc): SkBuff | null {
  const skb = qdisc_dequeue_head_list(sch, list_of(sch));
  if (skb !== null) qdisc_bstats_update(sch, skb);
  return skb;
}

function fifo_dump(sch: Qdisc): Uint8Array {
  const opt = new Uint8Array(TC_FIFO_QOPT_LEN);
  new DataView(opt.buffer).setUint32(0, sch.limit, true);
  return opt;
}

const fifo_ops = (id: string, enqueue: (skb: SkBuff, sch: Qdisc) => number): QdiscOps => ({
  id,
  init: fifo_init,
  change: fifo_init,
  reset: (sch) => qdisc_purge_list(sch, list_of(sch)),
  enqueue,
  dequeue: fifo_dequeue,
  peek: (sch) => list_of(sch).first,
  dump: fifo_dump,
});

export const pfifo_qdisc_ops: QdiscOps = fifo_ops("pfifo", pfifo_enqueue);
export const bfifo_qdisc_ops: QdiscOps = fifo_ops("bfifo", bfifo_enqueue);
export const pfifo_head_drop_qdisc_ops: QdiscOps = fifo_ops("pfifo_head_drop", pfifo_tail_enqueue);

/** The inner queue of a discipline, with `limit`. */
export function fifo_create_dflt(sch: Qdisc, ops: QdiscOps, limit: number): Qdisc | null {
  const q = qdisc_create_dflt(sch.dev_queue, ops, ((sch.handle & 0xffff0000) | 1) >>> 0);
  if (q !== null) q.limit = limit;
  return q;
}

/** Changes the limit of an inner fifo; other disciplines keep their own. */
export function fifo_set_limit(q: Qdisc, limit: number): number {
  if (!q.ops.id.endsWith("fifo")) return 0;
  q.limit = limit;
  return 0;
}
