// Token bucket: a rate, a burst, a limit; optionally a peak rate. Mirrors net/sched/sch_tbf.c.
// Read first: tc-tbf(8); RFC 2475 section 2.3.3. Way in: sched_init() registers it.

import { KERN_WARNING, printk } from "../../kernel/printk.ts";
import { F_tbf_dequeue, F_tbf_enqueue } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EINVAL } from "../../uapi/errno.ts";
import {
  NlMsgWriter,
  nla_get_u32,
  nla_get_u64,
  nla_parse,
  nla_put_u64,
  nla_reserve,
  nlmsg_bytes,
} from "../../uapi/nlattr.ts";
import {
  TC_TBF_QOPT_BUFFER,
  TC_TBF_QOPT_LEN,
  TC_TBF_QOPT_LIMIT,
  TC_TBF_QOPT_MTU,
  TC_TBF_QOPT_PEAKRATE,
  TC_TBF_QOPT_RATE,
  TCA_TBF_BURST,
  TCA_TBF_PARMS,
  TCA_TBF_PBURST,
  TCA_TBF_PRATE64,
  TCA_TBF_RATE64,
} from "../../uapi/pkt_sched.ts";
import { skb_gso_segment, skb_gso_validate_mac_len } from "../core/gso.ts";
import { NETIF_F_GSO_SOFTWARE } from "../core/netdevice.ts";
import { consume_skb, type SkBuff, skb_is_gso } from "../core/skbuff.ts";
import { bfifo_qdisc_ops, fifo_create_dflt, fifo_set_limit } from "./sch_fifo.ts";
import {
  type Qdisc,
  type QdiscOps,
  qdisc_bstats_update,
  qdisc_dev,
  qdisc_drop,
  qdisc_put,
  qdisc_reset,
  TCQ_F_BUILTIN,
  TCQ_F_INVISIBLE,
} from "./sch_generic.ts";
import {
  noop_qdisc_of,
  PSCHED_NS2TICKS,
  PSCHED_TICKS2NS,
  PschedRatecfg,
  psched_l2t_ns,
  psched_ns_t2l,
  QdiscWatchdog,
  qdisc_dequeue_peeked,
  qdisc_peek,
  qdisc_purge_queue,
  qdisc_tree_reduce_backlog,
  qdisc_watchdog_cancel,
  qdisc_watchdog_schedule_ns,
  trace_qdisc,
} from "./sch_tree.ts";

class TbfSched {
  limit = 0;
  /** Largest packet that may pass, bytes. */
  max_size = 0;
  /** Depth of the bucket and of the peak's bucket, ns at the rate. */
  buffer = 0.5;
  mtu = 0.5;
  rate: PschedRatecfg = new PschedRatecfg();
  peak: PschedRatecfg = new PschedRatecfg();
  peak_present = false;
  tokens = 0.5;
  ptokens = 0.5;
  /** Time checkpoint. */
  t_c = 0.5;
  qdisc: Qdisc;
  readonly watchdog: QdiscWatchdog;
  constructor(sch: Qdisc) {
    this.qdisc = noop_qdisc_of(sch);
    this.watchdog = new QdiscWatchdog(sch);
  }
}

const priv = (sch: Qdisc): TbfSched => sch.priv as TbfSched;
const U32 = 0xffffffff;

function tbf_change(sch: Qdisc, opt: Uint8Array | null, _extack: { msg: string }): number {
  if (opt === null) return -EINVAL;
  const q = priv(sch);
  const dv = new DataView(opt.buffer, opt.byteOffset, opt.length);
  const tb = nla_parse(opt, dv, 0, opt.length);
  const parms = tb[TCA_TBF_PARMS];
  if (parms === undefined || parms.len < TC_TBF_QOPT_LEN) return -EINVAL;
  const at = parms.off;
  const limit = dv.getUint32(at + TC_TBF_QOPT_LIMIT, true);
  let buffer = Math.min(PSCHED_TICKS2NS(dv.getUint32(at + TC_TBF_QOPT_BUFFER, true)), U32);
  let mtu = Math.min(PSCHED_TICKS2NS(dv.getUint32(at + TC_TBF_QOPT_MTU, true)), U32);
  const rate = new PschedRatecfg();
  const peak = new PschedRatecfg();
  rate.precompute(dv, at + TC_TBF_QOPT_RATE, nla_get_u64(tb[TCA_TBF_RATE64]));
  if (rate.rate_bytes_ps === 0) return -EINVAL;
  let max_size: number;
  if (tb[TCA_TBF_BURST] !== undefined) {
    max_size = nla_get_u32(tb[TCA_TBF_BURST]);
    buffer = psched_l2t_ns(rate, max_size);
  } else max_size = Math.min(psched_ns_t2l(rate, buffer), U32);
  const peak_present = dv.getUint32(at + TC_TBF_QOPT_PEAKRATE + 8, true) !== 0;
  if (peak_present) {
    peak.precompute(dv, at + TC_TBF_QOPT_PEAKRATE, nla_get_u64(tb[TCA_TBF_PRATE64]));
    if (peak.rate_bytes_ps <= rate.rate_bytes_ps) return -EINVAL;
    if (tb[TCA_TBF_PBURST] !== undefined) {
      const pburst = nla_get_u32(tb[TCA_TBF_PBURST]);
      max_size = Math.min(max_size, pburst);
      mtu = psched_l2t_ns(peak, pburst);
    } else max_size = Math.min(max_size, psched_ns_t2l(peak, mtu));
  }
  const dev = qdisc_dev(sch);
  if (max_size < dev.mtu + dev.hard_header_len) {
    const k = dev.net.kernel;
    printk(
      k,
      KERN_WARNING,
      `sch_tbf: burst ${max_size} is lower than device ${dev.name} mtu (${dev.mtu + dev.hard_header_len}) !`,
    );
  }
  if (max_size === 0) return -EINVAL;
  if ((q.qdisc.flags & TCQ_F_BUILTIN) === 0) fifo_set_limit(q.qdisc, limit);
  else if (limit > 0) {
    const child = fifo_create_dflt(sch, bfifo_qdisc_ops, limit);
    if (child === null) return -12;
    child.flags |= TCQ_F_INVISIBLE;
    q.qdisc = child;
  }
  q.limit = limit;
  q.mtu = mtu;
  q.max_size = max_size;
  q.buffer = buffer;
  q.tokens = buffer;
  q.ptokens = mtu;
  q.rate = rate;
  q.peak = peak;
  q.peak_present = peak_present;
  return 0;
}

function tbf_init(sch: Qdisc, opt: Uint8Array | null, extack: { msg: string }): number {
  if (opt === null) return -EINVAL;
  const q = new TbfSched(sch);
  sch.priv = q;
  q.t_c = qdisc_dev(sch).net.kernel.now;
  return tbf_change(sch, opt, extack);
}

/** A GSO packet that is larger than the bucket goes in as its segments. */
function tbf_segment(skb: SkBuff, sch: Qdisc): number {
  const q = priv(sch);
  const segs = skb_gso_segment(skb, qdisc_dev(sch).features & ~NETIF_F_GSO_SOFTWARE);
  if (segs === null || typeof segs === "number") return qdisc_drop(skb, sch);
  const prev_len = skb.pkt_len;
  let nb = 0;
  let len = 0;
  let s: SkBuff | null = segs;
  while (s !== null) {
    const next: SkBuff | null = s.next;
    s.next = null;
    s.pkt_len = s.len;
    const seg_len = s.len;
    const ret = q.qdisc.enqueue!(s, q.qdisc);
    if (ret !== 0) {
      if ((ret & 0xf) === 1) sch.drops++;
    } else {
      nb++;
      len += seg_len;
    }
    s = next;
  }
  sch.qlen += nb;
  sch.backlog += len;
  if (nb > 0) {
    // The ancestors count one packet for this call.
    qdisc_tree_reduce_backlog(sch, 1 - nb, prev_len - len);
    consume_skb(skb);
    return 0;
  }
  consume_skb(skb);
  return 1;
}

function tbf_enqueue(skb: SkBuff, sch: Qdisc): number {
  if (trace_key.on) trace_qdisc(F_tbf_enqueue, skb, sch);
  const q = priv(sch);
  const len = skb.pkt_len;
  if (len > q.max_size) {
    if (skb_is_gso(skb) && skb_gso_validate_mac_len(skb, q.max_size)) return tbf_segment(skb, sch);
    return qdisc_drop(skb, sch);
  }
  const ret = q.qdisc.enqueue!(skb, q.qdisc);
  if (ret !== 0) {
    if ((ret & 0xf) === 1) sch.drops++;
    return ret;
  }
  sch.backlog += len;
  sch.qlen++;
  return 0;
}

function tbf_dequeue(sch: Qdisc): SkBuff | null {
  const q = priv(sch);
  const child = q.qdisc;
  const next = qdisc_peek(child);
  if (next === null) return null;
  const len = next.pkt_len;
  const now = next.kernel.now;
  let toks = Math.min(now - q.t_c, q.buffer);
  let ptoks = 0;
  if (q.peak_present) {
    ptoks = Math.min(toks + q.ptokens, q.mtu) - psched_l2t_ns(q.peak, len);
  }
  toks = Math.min(toks + q.tokens, q.buffer) - psched_l2t_ns(q.rate, len);
  if (toks >= 0 && ptoks >= 0) {
    const skb = qdisc_dequeue_peeked(child);
    if (skb === null) return null;
    q.t_c = now;
    q.tokens = toks;
    q.ptokens = ptoks;
    sch.backlog -= len;
    sch.qlen--;
    if (trace_key.on) trace_qdisc(F_tbf_dequeue, skb, sch);
    qdisc_bstats_update(sch, skb);
    return skb;
  }
  qdisc_watchdog_schedule_ns(q.watchdog, now + Math.max(-toks, -ptoks));
  // The packet may wait; another that would fit must not pass it: tbf keeps order.
  sch.overlimits++;
  return null;
}

function tbf_dump(sch: Qdisc): Uint8Array {
  const q = priv(sch);
  const w = new NlMsgWriter(128);
  const at = nla_reserve(w, TCA_TBF_PARMS, TC_TBF_QOPT_LEN);
  q.rate.get_rate(w.dv, at + TC_TBF_QOPT_RATE);
  if (q.peak_present) q.peak.get_rate(w.dv, at + TC_TBF_QOPT_PEAKRATE);
  w.dv.setUint32(at + TC_TBF_QOPT_LIMIT, q.limit, true);
  w.dv.setUint32(at + TC_TBF_QOPT_BUFFER, PSCHED_NS2TICKS(q.buffer), true);
  w.dv.setUint32(at + TC_TBF_QOPT_MTU, PSCHED_NS2TICKS(q.mtu), true);
  if (q.rate.rate_bytes_ps > U32) nla_put_u64(w, TCA_TBF_RATE64, q.rate.rate_bytes_ps);
  if (q.peak_present && q.peak.rate_bytes_ps > U32) nla_put_u64(w, TCA_TBF_PRATE64, q.peak.rate_bytes_ps);
  return nlmsg_bytes(w).slice();
}

export const tbf_qdisc_ops: QdiscOps = {
  id: "tbf",
  init: tbf_init,
  change: tbf_change,
  reset: (sch) => {
    const q = priv(sch);
    qdisc_reset(q.qdisc);
    q.t_c = qdisc_dev(sch).net.kernel.now;
    q.tokens = q.buffer;
    q.ptokens = q.mtu;
    qdisc_watchdog_cancel(q.watchdog);
  },
  destroy: (sch) => {
    const q = sch.priv as TbfSched | null;
    if (q === null) return;
    qdisc_watchdog_cancel(q.watchdog);
    qdisc_put(q.qdisc);
  },
  enqueue: tbf_enqueue,
  dequeue: tbf_dequeue,
  dump: tbf_dump,
  cl_ops: {
    walk: (sch) => [{ classid: (sch.handle | 1) >>> 0, leaf: priv(sch).qdisc }],
    graft: (sch, _classid, child) => {
      const q = priv(sch);
      const old = q.qdisc;
      if ((old.flags & TCQ_F_BUILTIN) === 0) qdisc_purge_queue(old);
      q.qdisc = child ?? noop_qdisc_of(sch);
      return old;
    },
    // One class, whatever number is asked for.
    find: () => true,
    leaf: (sch) => priv(sch).qdisc,
  },
};
