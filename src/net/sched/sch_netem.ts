// netem: delay, loss, duplication, corruption, reordering, rate. Mirrors net/sched/sch_netem.c.
// Read first: tc-netem(8). Way in: sched_init() registers it; chances in netem_model.ts, the queue in tfifo.ts.

import { F_netem_dequeue, F_netem_enqueue } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { Prng, prng_below } from "../../lib/prng.ts";
import { EINVAL } from "../../uapi/errno.ts";
import {
  type NlAttr,
  NlMsgWriter,
  nl_get_u64,
  nl_set_u64,
  nla_get_u32,
  nla_get_u64,
  nla_list,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_parse,
  nla_put_u32,
  nla_put_u64,
  nla_reserve,
  nlmsg_bytes,
  nlmsg_put_raw,
} from "../../uapi/nlattr.ts";
import {
  NETEM_DIST_MAX,
  NETEM_LOSS_GE,
  NETEM_LOSS_GI,
  TC_NETEM_CORR_LEN,
  TC_NETEM_CORRUPT_LEN,
  TC_NETEM_GEMODEL_LEN,
  TC_NETEM_GIMODEL_LEN,
  TC_NETEM_QOPT_LEN,
  TC_NETEM_RATE_LEN,
  TC_NETEM_REORDER_LEN,
  TC_NETEM_SLOT_LEN,
  TCA_NETEM_CORR,
  TCA_NETEM_CORRUPT,
  TCA_NETEM_DELAY_DIST,
  TCA_NETEM_ECN,
  TCA_NETEM_JITTER64,
  TCA_NETEM_LATENCY64,
  TCA_NETEM_LOSS,
  TCA_NETEM_PRNG_SEED,
  TCA_NETEM_RATE,
  TCA_NETEM_RATE64,
  TCA_NETEM_REORDER,
  TCA_NETEM_SLOT,
  TCA_NETEM_SLOT_DIST,
} from "../../uapi/pkt_sched.ts";
import { SKB_DROP_REASON_QDISC_DROP } from "../core/dropreason.ts";
import { NET_XMIT_DROP } from "../core/netdevice.ts";
import { skb_checksum_help } from "../core/skb_checksum.ts";
import {
  CHECKSUM_PARTIAL,
  kfree_skb_list_reason,
  kfree_skb_reason,
  pskb_may_pull,
  type SkBuff,
  skb_clone,
  skb_headlen,
  skb_orphan,
  skb_unshare,
} from "../core/skbuff.ts";
import {
  CLG_4_STATES,
  CLG_GILB_ELL,
  CLG_RANDOM,
  Crndstate,
  get_crandom,
  init_crandom,
  LossModel,
  loss_event,
  tabledist,
} from "./netem_model.ts";
import {
  type Qdisc,
  type QdiscOps,
  qdisc_bstats_update,
  qdisc_dev,
  qdisc_drop,
  qdisc_put,
  qdisc_reset,
  TCQ_F_BUILTIN,
} from "./sch_generic.ts";
import {
  __NET_XMIT_BYPASS,
  PSCHED_NS2TICKS,
  PSCHED_TICKS2NS,
  QdiscWatchdog,
  qdisc_purge_queue,
  qdisc_root,
  qdisc_tree_reduce_backlog,
  qdisc_watchdog_cancel,
  qdisc_watchdog_schedule_ns,
  trace_qdisc,
} from "./sch_tree.ts";
import { QdiscSkbHead, qdisc_purge_list, skb_list_pop } from "./skb_list.ts";
import { Tfifo, tfifo_enqueue, tfifo_erase_head, tfifo_peek } from "./tfifo.ts";

const U32 = 0xffffffff;
const INT_MAX = 0x7fffffff;
const NSEC_PER_SEC = 1_000_000_000;

/** Everything a change may set; a change that fails leaves the old one. */
class NetemConfig {
  latency = 0.5;
  jitter = 0.5;
  limit = 0;
  loss = 0;
  gap = 0;
  duplicate = 0;
  reorder = 0;
  corrupt = 0;
  /** Bytes per second; 0 is no rate. */
  rate = 0.5;
  packet_overhead = 0;
  cell_size = 0;
  cell_overhead = 0;
  ecn = 0;
  loss_model: LossModel = new LossModel();
  delay_dist: Int16Array | null = null;
  slot_dist: Int16Array | null = null;
  slot_min_delay = 0;
  slot_max_delay = 0;
  slot_max_packets = 0;
  slot_max_bytes = 0;
  slot_dist_delay = 0;
  slot_dist_jitter = 0;
  /** The seed as two words, for the dump. */
  seed_lo = 0;
  seed_hi = 0;
}

class NetemSched {
  c: NetemConfig = new NetemConfig();
  prng: Prng = new Prng(0);
  readonly delay_cor: Crndstate = new Crndstate();
  readonly loss_cor: Crndstate = new Crndstate();
  readonly dup_cor: Crndstate = new Crndstate();
  readonly reorder_cor: Crndstate = new Crndstate();
  readonly corrupt_cor: Crndstate = new Crndstate();
  /** Packets since the last one that was put in front. */
  counter = 0;
  /** Those put in front. */
  readonly list: QdiscSkbHead = new QdiscSkbHead();
  readonly t: Tfifo = new Tfifo();
  /** A discipline in which packets whose time has come wait further. */
  qdisc: Qdisc | null = null;
  readonly watchdog: QdiscWatchdog;
  slot_next = 0.5;
  slot_packets_left = 0;
  slot_bytes_left = 0;
  constructor(sch: Qdisc) {
    this.watchdog = new QdiscWatchdog(sch);
    this.slot_next = 0;
  }
}

const priv = (sch: Qdisc): NetemSched => sch.priv as NetemSched;

// --- enqueue ------------------------------------------------------------------------------------------------------

function packet_time_ns(len: number, c: NetemConfig): number {
  len += c.packet_overhead;
  if (c.cell_size !== 0) len = Math.ceil(len / c.cell_size) * (c.cell_size + c.cell_overhead);
  return Math.floor((len * NSEC_PER_SEC) / c.rate);
}

/** One bit of the linear part changes. Null when the packet could not be made ours. */
function corrupt_packet(skb: SkBuff, q: NetemSched): SkBuff | null {
  const own = skb_unshare(skb);
  if (own === null) return null;
  // The checksum is to be that of the packet as it was: a receiver must be able to tell.
  if (own.ip_summed === CHECKSUM_PARTIAL && skb_checksum_help(own) < 0) {
    kfree_skb_reason(own, SKB_DROP_REASON_QDISC_DROP);
    return null;
  }
  const n = skb_headlen(own);
  if (n > 0) own.head.u8[own.data + prng_below(q.prng, n)]! ^= 1 << prng_below(q.prng, 8);
  return own;
}

/** RFC 3168: CE instead of a loss, where the sender said it understands. */
function ecn_set_ce(skb: SkBuff): boolean {
  const iph = skb.network_header;
  if (skb.protocol !== 0x0800 || iph < skb.data || !pskb_may_pull(skb, iph - skb.data + 20)) return false;
  const dv = skb.head.dv;
  const at = skb.network_header;
  const tos = dv.getUint8(at + 1);
  if ((tos & 3) === 0) return false;
  if ((tos & 3) === 3) return true;
  // RFC 1624: the header's checksum follows the one bit that is added, whether ECT(0) or ECT(1) was there.
  const old = dv.getUint16(at);
  dv.setUint8(at + 1, tos | 3);
  let sum = (~dv.getUint16(at + 10) & 0xffff) + (~old & 0xffff) + dv.getUint16(at);
  sum = (sum & 0xffff) + (sum >>> 16);
  dv.setUint16(at + 10, ~((sum & 0xffff) + (sum >>> 16)) & 0xffff);
  return true;
}

/** When the last packet that is here will have left. -1 when none is. */
function last_departure(q: NetemSched): number {
  let t = q.list.last !== null ? q.list.last.time_to_send : -1;
  if (q.t.len > 0 && q.t.last_time > t) t = q.t.last_time;
  return t;
}

function netem_enqueue(skb: SkBuff, sch: Qdisc): number {
  if (trace_key.on) trace_qdisc(F_netem_enqueue, skb, sch);
  const q = priv(sch);
  const c = q.c;
  let count = 1;
  if (c.duplicate !== 0 && c.duplicate >= get_crandom(q.dup_cor, q.prng)) count++;
  if (loss_event(c.loss_model, c.loss, q.loss_cor, q.prng)) {
    if (c.ecn !== 0 && ecn_set_ce(skb)) sch.drops++;
    else count--;
  }
  if (count === 0) {
    sch.drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP);
    return __NET_XMIT_BYPASS;
  }
  // A delayed packet must not hold the socket's send buffer: that would be a second, hidden queue.
  if (c.latency !== 0 || c.jitter !== 0 || c.rate !== 0) skb_orphan(skb);
  if (count > 1) duplicate(skb, sch, q);
  if (c.corrupt !== 0 && c.corrupt >= get_crandom(q.corrupt_cor, q.prng)) {
    const own = corrupt_packet(skb, q);
    if (own === null) {
      sch.drops++;
      return NET_XMIT_DROP;
    }
    skb = own;
  }
  if (sch.qlen >= sch.limit) return qdisc_drop(skb, sch);
  sch.qlen++;
  sch.backlog += skb.pkt_len;
  const now = skb.kernel.now;
  if (c.gap === 0 || q.counter < c.gap - 1 || c.reorder < get_crandom(q.reorder_cor, q.prng)) {
    let delay = tabledist(c.latency, c.jitter, q.delay_cor, q.prng, c.delay_dist);
    let from = now;
    if (c.rate !== 0) {
      const last = last_departure(q);
      if (last >= 0) {
        // It is sent after the last one: the time that one still has to wait counts as part of the delay.
        delay = Math.max(0, delay - (last - now));
        from = last;
      }
      delay += packet_time_ns(skb.pkt_len, c);
    }
    skb.time_to_send = from + delay;
    q.counter++;
    tfifo_enqueue(q.t, skb);
  } else {
    // Every gap-th packet goes to the front: it overtakes those that wait.
    skb.time_to_send = now;
    q.counter = 0;
    skb.next = q.list.first;
    q.list.first = skb;
    if (q.list.last === null) q.list.last = skb;
    q.list.qlen++;
    sch.requeues++;
  }
  return 0;
}

/** The copy goes in at the root, as if the sender had sent it twice; it is not duplicated again. */
function duplicate(skb: SkBuff, sch: Qdisc, q: NetemSched): void {
  const copy = skb_clone(skb);
  copy.pkt_len = skb.pkt_len;
  const root = qdisc_root(sch);
  const saved = q.c.duplicate;
  q.c.duplicate = 0;
  if (root.enqueue !== null) root.enqueue(copy, root);
  else kfree_skb_reason(copy, SKB_DROP_REASON_QDISC_DROP);
  q.c.duplicate = saved;
}

// --- dequeue ------------------------------------------------------------------------------------------------------

/** The next slot: packets leave together, so many or so many bytes at a time. */
function get_slot_next(q: NetemSched, now: number): void {
  const c = q.c;
  const delay =
    c.slot_dist === null && c.slot_dist_jitter === 0
      ? c.slot_min_delay + prng_below(q.prng, Math.max(1, c.slot_max_delay - c.slot_min_delay))
      : tabledist(c.slot_dist_delay, c.slot_dist_jitter, null, q.prng, c.slot_dist);
  q.slot_next = now + delay;
  q.slot_packets_left = c.slot_max_packets;
  q.slot_bytes_left = c.slot_max_bytes;
}

function deliver(sch: Qdisc, skb: SkBuff): SkBuff {
  if (trace_key.on) trace_qdisc(F_netem_dequeue, skb, sch);
  sch.backlog -= skb.pkt_len;
  qdisc_bstats_update(sch, skb);
  return skb;
}

function netem_dequeue(sch: Qdisc): SkBuff | null {
  const q = priv(sch);
  const now = qdisc_dev(sch).net.kernel.now;
  for (;;) {
    const front = skb_list_pop(q.list);
    if (front !== null) {
      sch.qlen--;
      return deliver(sch, front);
    }
    const skb = tfifo_peek(q.t);
    if (skb !== null) {
      const time = skb.time_to_send;
      if (q.slot_next !== 0 && q.slot_next < time) get_slot_next(q, now);
      if (time <= now && q.slot_next <= now) {
        tfifo_erase_head(q.t, skb);
        if (q.slot_next !== 0) {
          q.slot_packets_left--;
          q.slot_bytes_left -= skb.pkt_len;
          if (q.slot_packets_left <= 0 || q.slot_bytes_left <= 0) get_slot_next(q, now);
        }
        if (q.qdisc === null) {
          sch.qlen--;
          return deliver(sch, skb);
        }
        const len = skb.pkt_len;
        const err = q.qdisc.enqueue!(skb, q.qdisc);
        if (err !== 0) {
          if ((err & 0xf) === 1) sch.drops++;
          sch.backlog -= len;
          sch.qlen--;
          qdisc_tree_reduce_backlog(sch, 1, len);
        }
        continue;
      }
      const inner = from_inner(sch, q);
      if (inner !== null) return inner;
      qdisc_watchdog_schedule_ns(q.watchdog, Math.max(time, q.slot_next));
    }
    return from_inner(sch, q);
  }
}

function from_inner(sch: Qdisc, q: NetemSched): SkBuff | null {
  if (q.qdisc === null) return null;
  const skb = q.qdisc.dequeue(q.qdisc);
  if (skb === null) return null;
  sch.qlen--;
  return deliver(sch, skb);
}

// --- configuration ------------------------------------------------------------------------------------------------

/** struct of u32 values inside an attribute; -EINVAL shows as null. */
function u32s(a: NlAttr | undefined, bytes: number): number[] | null {
  if (a === undefined || a.len < bytes) return null;
  const out: number[] = [];
  for (let i = 0; i < bytes; i += 4) out.push(a.dv.getUint32(a.off + i, true));
  return out;
}

function get_dist_table(a: NlAttr): Int16Array | null {
  const n = a.len >> 1;
  if (n === 0 || n > NETEM_DIST_MAX) return null;
  const t = new Int16Array(n);
  for (let i = 0; i < n; i++) t[i] = a.dv.getInt16(a.off + 2 * i, true);
  return t;
}

function get_loss_clg(a: NlAttr, m: LossModel): number {
  for (const x of nla_list(a)) {
    if (x.type === NETEM_LOSS_GI) {
      const v = u32s(x, TC_NETEM_GIMODEL_LEN);
      if (v === null) return -EINVAL;
      m.kind = CLG_4_STATES;
      m.state = 1;
      [m.a1, m.a2, m.a3, m.a4, m.a5] = v as [number, number, number, number, number];
    } else if (x.type === NETEM_LOSS_GE) {
      const v = u32s(x, TC_NETEM_GEMODEL_LEN);
      if (v === null) return -EINVAL;
      m.kind = CLG_GILB_ELL;
      m.state = 1;
      [m.a1, m.a2, m.a3, m.a4] = v as [number, number, number, number];
    } else return -EINVAL;
  }
  return 0;
}

function set_seed(q: NetemSched, c: NetemConfig, lo: number, hi: number): void {
  c.seed_lo = lo;
  c.seed_hi = hi;
  q.prng = new Prng(lo + (hi & 0xfffff) * 0x1_0000_0000, hi >>> 20);
}

function netem_change(sch: Qdisc, opt: Uint8Array | null, _extack: { msg: string }): number {
  if (opt === null || opt.length < TC_NETEM_QOPT_LEN) return -EINVAL;
  const q = priv(sch);
  const dv = new DataView(opt.buffer, opt.byteOffset, opt.length);
  const tb = nla_parse(opt, dv, TC_NETEM_QOPT_LEN, opt.length - TC_NETEM_QOPT_LEN);
  const c = new NetemConfig();
  // What this change does not name stays as it was, but for the plain options, which are always there.
  Object.assign(c, q.c);
  c.loss_model = new LossModel();
  c.latency = PSCHED_TICKS2NS(dv.getUint32(0, true));
  c.limit = dv.getUint32(4, true);
  c.loss = dv.getUint32(8, true);
  c.gap = dv.getUint32(12, true);
  c.duplicate = dv.getUint32(16, true);
  c.jitter = PSCHED_TICKS2NS(dv.getUint32(20, true));
  // A gap alone means "always", as before there was a chance of reordering.
  if (c.gap !== 0) c.reorder = U32;
  if (tb[TCA_NETEM_LOSS] !== undefined) {
    const err = get_loss_clg(tb[TCA_NETEM_LOSS], c.loss_model);
    if (err < 0) return err;
  } else c.loss_model.kind = CLG_RANDOM;
  for (const [type, key] of [
    [TCA_NETEM_DELAY_DIST, "delay_dist"],
    [TCA_NETEM_SLOT_DIST, "slot_dist"],
  ] as const) {
    const a = tb[type];
    if (a === undefined) continue;
    const table = get_dist_table(a);
    if (table === null) return -EINVAL;
    c[key] = table;
  }
  if (tb[TCA_NETEM_LATENCY64] !== undefined) c.latency = Math.max(0, nla_get_u64(tb[TCA_NETEM_LATENCY64]));
  if (tb[TCA_NETEM_JITTER64] !== undefined) c.jitter = Math.max(0, nla_get_u64(tb[TCA_NETEM_JITTER64]));
  const seed = tb[TCA_NETEM_PRNG_SEED];
  if (seed !== undefined && seed.len >= 8) {
    set_seed(q, c, seed.dv.getUint32(seed.off, true), seed.dv.getUint32(seed.off + 4, true));
  } else {
    const rnd = new Uint8Array(8);
    qdisc_dev(sch).net.kernel.host.random_bytes(rnd);
    const r = new DataView(rnd.buffer);
    set_seed(q, c, r.getUint32(0, true), r.getUint32(4, true));
  }
  const corr = u32s(tb[TCA_NETEM_CORR], TC_NETEM_CORR_LEN);
  if (corr !== null) {
    init_crandom(q.delay_cor, corr[0]!, q.prng);
    init_crandom(q.loss_cor, corr[1]!, q.prng);
    init_crandom(q.dup_cor, corr[2]!, q.prng);
  }
  const reorder = u32s(tb[TCA_NETEM_REORDER], TC_NETEM_REORDER_LEN);
  if (reorder !== null) {
    c.reorder = reorder[0]!;
    init_crandom(q.reorder_cor, reorder[1]!, q.prng);
  }
  const corrupt = u32s(tb[TCA_NETEM_CORRUPT], TC_NETEM_CORRUPT_LEN);
  if (corrupt !== null) {
    c.corrupt = corrupt[0]!;
    init_crandom(q.corrupt_cor, corrupt[1]!, q.prng);
  }
  const rate = u32s(tb[TCA_NETEM_RATE], TC_NETEM_RATE_LEN);
  if (rate !== null) {
    c.rate = rate[0]!;
    c.packet_overhead = rate[1]! | 0;
    c.cell_size = rate[2]!;
    c.cell_overhead = rate[3]! | 0;
  }
  if (tb[TCA_NETEM_RATE64] !== undefined) c.rate = Math.max(c.rate, nla_get_u64(tb[TCA_NETEM_RATE64]));
  if (tb[TCA_NETEM_ECN] !== undefined) c.ecn = nla_get_u32(tb[TCA_NETEM_ECN]);
  const slot = tb[TCA_NETEM_SLOT];
  if (slot !== undefined && slot.len >= TC_NETEM_SLOT_LEN) get_slot(q, c, slot, qdisc_dev(sch).net.kernel.now);
  sch.limit = c.limit;
  q.counter = 0;
  q.c = c;
  return 0;
}

function get_slot(q: NetemSched, c: NetemConfig, a: NlAttr, now: number): void {
  c.slot_min_delay = nl_get_u64(a.dv, a.off);
  c.slot_max_delay = nl_get_u64(a.dv, a.off + 8);
  c.slot_max_packets = a.dv.getInt32(a.off + 16, true) || INT_MAX;
  c.slot_max_bytes = a.dv.getInt32(a.off + 20, true) || INT_MAX;
  c.slot_dist_delay = nl_get_u64(a.dv, a.off + 24);
  // Twice the deviation is what is drawn from: more than INT_MAX ns makes no sense.
  c.slot_dist_jitter = Math.min(nl_get_u64(a.dv, a.off + 32), INT_MAX);
  q.slot_packets_left = c.slot_max_packets;
  q.slot_bytes_left = c.slot_max_bytes;
  q.slot_next = (c.slot_min_delay | c.slot_max_delay | c.slot_dist_jitter) !== 0 ? now : 0;
}

function put_u32s(w: NlMsgWriter, type: number, values: readonly number[]): void {
  const at = nla_reserve(w, type, 4 * values.length);
  for (let i = 0; i < values.length; i++) w.dv.setUint32(at + 4 * i, values[i]! >>> 0, true);
}

function netem_dump(sch: Qdisc): Uint8Array {
  const q = priv(sch);
  const c = q.c;
  const w = new NlMsgWriter(256);
  const at = nlmsg_put_raw(w, TC_NETEM_QOPT_LEN);
  const ticks = (ns: number): number => Math.min(PSCHED_NS2TICKS(ns), U32);
  const qopt = [ticks(c.latency), c.limit, c.loss, c.gap, c.duplicate, ticks(c.jitter)];
  for (let i = 0; i < qopt.length; i++) w.dv.setUint32(at + 4 * i, qopt[i]!, true);
  nla_put_u64(w, TCA_NETEM_LATENCY64, c.latency);
  nla_put_u64(w, TCA_NETEM_JITTER64, c.jitter);
  put_u32s(w, TCA_NETEM_CORR, [q.delay_cor.rho, q.loss_cor.rho, q.dup_cor.rho]);
  put_u32s(w, TCA_NETEM_REORDER, [c.reorder, q.reorder_cor.rho]);
  put_u32s(w, TCA_NETEM_CORRUPT, [c.corrupt, q.corrupt_cor.rho]);
  if (c.rate > U32) nla_put_u64(w, TCA_NETEM_RATE64, c.rate);
  put_u32s(w, TCA_NETEM_RATE, [Math.min(c.rate, U32), c.packet_overhead, c.cell_size, c.cell_overhead]);
  if (c.ecn !== 0) nla_put_u32(w, TCA_NETEM_ECN, c.ecn);
  const m = c.loss_model;
  if (m.kind !== CLG_RANDOM) {
    const nest = nla_nest_start_noflag(w, TCA_NETEM_LOSS);
    if (m.kind === CLG_4_STATES) put_u32s(w, NETEM_LOSS_GI, [m.a1, m.a2, m.a3, m.a4, m.a5]);
    else put_u32s(w, NETEM_LOSS_GE, [m.a1, m.a2, m.a3, m.a4]);
    nla_nest_end(w, nest);
  }
  if ((c.slot_min_delay | c.slot_max_delay | c.slot_dist_jitter) !== 0) put_slot(w, c);
  put_u32s(w, TCA_NETEM_PRNG_SEED, [c.seed_lo, c.seed_hi]);
  return nlmsg_bytes(w).slice();
}

function put_slot(w: NlMsgWriter, c: NetemConfig): void {
  const at = nla_reserve(w, TCA_NETEM_SLOT, TC_NETEM_SLOT_LEN);
  nl_set_u64(w.dv, at, c.slot_min_delay);
  nl_set_u64(w.dv, at + 8, c.slot_max_delay);
  w.dv.setInt32(at + 16, c.slot_max_packets === INT_MAX ? 0 : c.slot_max_packets, true);
  w.dv.setInt32(at + 20, c.slot_max_bytes === INT_MAX ? 0 : c.slot_max_bytes, true);
  nl_set_u64(w.dv, at + 24, c.slot_dist_delay);
  nl_set_u64(w.dv, at + 32, c.slot_dist_jitter);
}

function netem_reset(sch: Qdisc): void {
  const q = priv(sch);
  qdisc_purge_list(sch, q.list);
  kfree_skb_list_reason(q.t.head, SKB_DROP_REASON_QDISC_DROP);
  q.t.head = null;
  q.t.tail = null;
  for (const skb of q.t.heap) kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP);
  q.t.heap.length = 0;
  q.t.seq.length = 0;
  q.t.len = 0;
  if (q.qdisc !== null) qdisc_reset(q.qdisc);
  qdisc_watchdog_cancel(q.watchdog);
}

export const netem_qdisc_ops: QdiscOps = {
  id: "netem",
  init: (sch, opt, extack) => {
    if (opt === null) return -EINVAL;
    sch.priv = new NetemSched(sch);
    const q = priv(sch);
    q.c.latency = 0;
    q.c.jitter = 0;
    q.c.rate = 0;
    return netem_change(sch, opt, extack);
  },
  change: netem_change,
  reset: netem_reset,
  destroy: (sch) => {
    const q = sch.priv as NetemSched | null;
    if (q === null) return;
    qdisc_watchdog_cancel(q.watchdog);
    if (q.qdisc !== null) qdisc_put(q.qdisc);
  },
  enqueue: netem_enqueue,
  dequeue: netem_dequeue,
  dump: netem_dump,
  cl_ops: {
    walk: (sch) => [{ classid: (sch.handle | 1) >>> 0, leaf: priv(sch).qdisc }],
    graft: (sch, _classid, child) => {
      const q = priv(sch);
      const old = q.qdisc;
      if (old !== null && (old.flags & TCQ_F_BUILTIN) === 0) qdisc_purge_queue(old);
      q.qdisc = child;
      return old;
    },
    find: () => true,
    leaf: (sch) => priv(sch).qdisc,
  },
};
