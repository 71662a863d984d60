// prio: bands that are qdiscs of their own, the first served first. Mirrors net/sched/sch_prio.c.
// Read first: tc-prio(8). Way in: sched_init() registers it.

import { F_prio_enqueue } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EINVAL } from "../../uapi/errno.ts";
import { TC_PRIO_MAX, TC_PRIO_QOPT_LEN, TCQ_PRIO_BANDS } from "../../uapi/pkt_sched.ts";
import type { SkBuff } from "../core/skbuff.ts";
import { pfifo_qdisc_ops } from "./sch_fifo.ts";
import {
  type Qdisc,
  type QdiscOps,
  qdisc_bstats_update,
  qdisc_create_dflt,
  qdisc_put,
  qdisc_reset,
  TCQ_F_BUILTIN,
  TCQ_F_INVISIBLE,
} from "./sch_generic.ts";
import {
  noop_qdisc_of,
  qdisc_dequeue_peeked,
  qdisc_peek,
  qdisc_purge_queue,
  TC_H_MAJ,
  TC_H_MIN,
  trace_qdisc,
} from "./sch_tree.ts";

class PrioSched {
  bands = 0;
  readonly prio2band: Uint8Array = new Uint8Array(TC_PRIO_MAX + 1);
  queues: Qdisc[] = [];
}

const priv = (sch: Qdisc): PrioSched => sch.priv as PrioSched;

/** By the class that skb->priority names, else by the map. */
function prio_classify(skb: SkBuff, sch: Qdisc): Qdisc {
  const q = priv(sch);
  let band = skb.priority;
  if (TC_H_MAJ(band) !== sch.handle || sch.handle === 0) {
    return q.queues[q.prio2band[TC_H_MAJ(band) !== 0 ? 0 : band & TC_PRIO_MAX]!]!;
  }
  band = TC_H_MIN(band) - 1;
  return q.queues[band < q.bands && band >= 0 ? band : q.prio2band[0]!]!;
}

function prio_enqueue(skb: SkBuff, sch: Qdisc): number {
  if (trace_key.on) trace_qdisc(F_prio_enqueue, skb, sch);
  const child = prio_classify(skb, sch);
  const len = skb.pkt_len;
  const ret = child.enqueue!(skb, child);
  if (ret === 0) {
    sch.backlog += len;
    sch.qlen++;
    return 0;
  }
  if ((ret & 0xf) === 1) sch.drops++;
  return ret;
}

function prio_dequeue(sch: Qdisc): SkBuff | null {
  const q = priv(sch);
  for (let band = 0; band < q.bands; band++) {
    const child = q.queues[band]!;
    const skb = qdisc_dequeue_peeked(child);
    if (skb === null) continue;
    qdisc_bstats_update(sch, skb);
    sch.backlog -= skb.pkt_len;
    sch.qlen--;
    return skb;
  }
  return null;
}

function prio_tune(sch: Qdisc, opt: Uint8Array | null, extack: { msg: string }): number {
  if (opt === null || opt.length < TC_PRIO_QOPT_LEN) return -EINVAL;
  const q = priv(sch);
  const bands = new DataView(opt.buffer, opt.byteOffset, opt.length).getInt32(0, true);
  if (bands > TCQ_PRIO_BANDS || bands < 1) return -EINVAL;
  for (let i = 0; i <= TC_PRIO_MAX; i++) if (opt[4 + i]! >= bands) return -EINVAL;
  const fresh: Qdisc[] = [];
  for (let i = q.bands; i < bands; i++) {
    const child = qdisc_create_dflt(sch.dev_queue, pfifo_qdisc_ops, ((sch.handle | (i + 1)) >>> 0) as number);
    if (child === null) {
      extack.msg = "";
      for (const c of fresh) qdisc_put(c);
      return -12;
    }
    child.flags |= TCQ_F_INVISIBLE;
    fresh.push(child);
  }
  for (let i = bands; i < q.bands; i++) {
    qdisc_purge_queue(q.queues[i]!);
    qdisc_put(q.queues[i]!);
  }
  q.queues = [...q.queues.slice(0, bands), ...fresh];
  q.bands = bands;
  q.prio2band.set(opt.subarray(4, 5 + TC_PRIO_MAX));
  return 0;
}

export const prio_qdisc_ops: QdiscOps = {
  id: "prio",
  init: (sch, opt, extack) => {
    sch.priv = new PrioSched();
    return prio_tune(sch, opt, extack);
  },
  change: prio_tune,
  reset: (sch) => {
    for (const c of priv(sch).queues) qdisc_reset(c);
  },
  destroy: (sch) => {
    for (const c of (sch.priv as PrioSched | null)?.queues ?? []) qdisc_put(c);
  },
  enqueue: prio_enqueue,
  dequeue: prio_dequeue,
  peek: (sch) => {
    const q = priv(sch);
    for (let band = 0; band < q.bands; band++) {
      const skb = qdisc_peek(q.queues[band]!);
      if (skb !== null) return skb;
    }
    return null;
  },
  dump: (sch) => {
    const q = priv(sch);
    const opt = new Uint8Array(TC_PRIO_QOPT_LEN);
    new DataView(opt.buffer).setInt32(0, q.bands, true);
    opt.set(q.prio2band, 4);
    return opt;
  },
  cl_ops: {
    dump_stats: true,
    walk: (sch) => priv(sch).queues.map((leaf, i) => ({ classid: (sch.handle | (i + 1)) >>> 0, leaf })),
    graft: (sch, classid, child) => {
      const q = priv(sch);
      const i = TC_H_MIN(classid) - 1;
      const old = q.queues[i];
      if (old === undefined) return -2;
      if ((old.flags & TCQ_F_BUILTIN) === 0) qdisc_purge_queue(old);
      const fresh = child ?? qdisc_create_dflt(sch.dev_queue, pfifo_qdisc_ops, classid) ?? noop_qdisc_of(sch);
      if (child === null) fresh.flags |= TCQ_F_INVISIBLE;
      q.queues[i] = fresh;
      return old;
    },
    leaf: (sch, classid) => priv(sch).queues[TC_H_MIN(classid) - 1] ?? null,
  },
};
