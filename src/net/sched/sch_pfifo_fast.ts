// pfifo_fast: three bands by priority, the first served first. The default of most devices. Mirrors it in sch_generic.c.
// Read first: tc-pfifo_fast(8). Way in: sched_init() registers it.

import { F_pfifo_fast_dequeue, F_pfifo_fast_enqueue } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { TC_PRIO_MAX, TC_PRIO_QOPT_LEN } from "../../uapi/pkt_sched.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  type Qdisc,
  type QdiscOps,
  qdisc_bstats_update,
  qdisc_dev,
  qdisc_drop,
  TCQ_F_CAN_BYPASS,
} from "./sch_generic.ts";
import { trace_qdisc } from "./sch_tree.ts";
import { QdiscSkbHead, qdisc_dequeue_head_list, qdisc_enqueue_tail_list, qdisc_purge_list } from "./skb_list.ts";

export const PFIFO_FAST_BANDS = 3;

/** Band by priority (TC_PRIO_*): interactive and control traffic first, bulk last. */
export const prio2band: readonly number[] = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];

class PfifoFastPriv {
  readonly bands: QdiscSkbHead[] = [new QdiscSkbHead(), new QdiscSkbHead(), new QdiscSkbHead()];
}

const priv = (sch: Qdisc): PfifoFastPriv => sch.priv as PfifoFastPriv;

function pfifo_fast_enqueue(skb: SkBuff, sch: Qdisc): number {
  if (trace_key.on) trace_qdisc(F_pfifo_fast_enqueue, skb, sch);
  const band = priv(sch).bands[prio2band[skb.priority & TC_PRIO_MAX]!]!;
  // Each band holds what txqueuelen says.
  if (band.qlen >= sch.limit) return qdisc_drop(skb, sch);
  return qdisc_enqueue_tail_list(skb, sch, band);
}

function pfifo_fast_dequeue(sch: Qdisc): SkBuff | null {
  const bands = priv(sch).bands;
  for (let i = 0; i < PFIFO_FAST_BANDS; i++) {
    if (bands[i]!.first === null) continue;
    const skb = qdisc_dequeue_head_list(sch, bands[i]!)!;
    if (trace_key.on) trace_qdisc(F_pfifo_fast_dequeue, skb, sch);
    qdisc_bstats_update(sch, skb);
    return skb;
  }
  return null;
}

function pfifo_fast_peek(sch: Qdisc): SkBuff | null {
  for (const band of priv(sch).bands) if (band.first !== null) return band.first;
  return null;
}

export const pfifo_fast_ops: QdiscOps = {
  id: "pfifo_fast",
  init: (sch) => {
    sch.priv = new PfifoFastPriv();
    sch.limit = Math.max(1, qdisc_dev(sch).tx_queue_len);
    sch.flags |= TCQ_F_CAN_BYPASS;
    return 0;
  },
  reset: (sch) => {
    for (const band of priv(sch).bands) qdisc_purge_list(sch, band);
  },
  enqueue: pfifo_fast_enqueue,
  dequeue: pfifo_fast_dequeue,
  peek: pfifo_fast_peek,
  dump: () => {
    const opt = new Uint8Array(TC_PRIO_QOPT_LEN);
    new DataView(opt.buffer).setInt32(0, PFIFO_FAST_BANDS, true);
    opt.set(prio2band, 4);
    return opt;
  },
  change_tx_queue_len: (sch, len) => {
    sch.limit = Math.max(1, len);
    return 0;
  },
};
