// tc: making, changing, grafting, deleting and listing queueing disciplines. Mirrors net/sched/sch_api.c.
// Read first: tc(8); uapi/pkt_sched.ts. Way in: tc_init() registers RTM_NEWQDISC, DELQDISC, GETQDISC, GETTCLASS.

import type { Kernel } from "../../kernel/kernel.ts";
import { EEXIST, EINVAL, ELOOP, ENODEV, ENOENT, ENOSPC, EOPNOTSUPP } from "../../uapi/errno.ts";
import { NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, NLM_F_MULTI, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import {
  type NlAttrs,
  NlMsgWriter,
  nl_set_u64,
  nla_data,
  nla_get_string,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_put,
  nla_put_string,
  nla_put_u8,
  nla_reserve,
  nlmsg_end,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import {
  GNET_STATS_BASIC_LEN,
  GNET_STATS_QUEUE_LEN,
  TC_H_INGRESS,
  TC_H_ROOT,
  TC_STATS_LEN,
  TCA_DUMP_INVISIBLE,
  TCA_HW_OFFLOAD,
  TCA_KIND,
  TCA_OPTIONS,
  TCA_STATS,
  TCA_STATS_APP,
  TCA_STATS_BASIC,
  TCA_STATS_QUEUE,
  TCA_STATS2,
  TCA_XSTATS,
  TCMSG_HANDLE,
  TCMSG_IFINDEX,
  TCMSG_INFO,
  TCMSG_LEN,
  TCMSG_PARENT,
} from "../../uapi/pkt_sched.ts";
import {
  RTM_DELQDISC,
  RTM_GETQDISC,
  RTM_GETTCLASS,
  RTM_GETTFILTER,
  RTM_NEWQDISC,
  RTM_NEWTCLASS,
  RTNLGRP_TC,
} from "../../uapi/rtnetlink.ts";
import {
  __dev_get_by_index,
  dev_activate,
  dev_deactivate,
  dev_graft_qdisc,
  for_each_netdev,
  IFF_UP,
} from "../core/dev_api.ts";
import type { NetDevice, NetdevQueue } from "../core/netdevice.ts";
import { nl_info, rtnl_notify, rtnl_register } from "../core/rtnetlink.ts";
import { type NetlinkDump, type NlRequest, nl_err, nlmsg_unicast } from "../netlink/af_netlink.ts";
import {
  noop_qdisc_ops,
  Qdisc,
  qdisc_dev,
  qdisc_put,
  TCQ_F_BUILTIN,
  TCQ_F_INVISIBLE,
  TCQ_F_MQROOT,
  TCQ_F_ONETXQUEUE,
} from "./sch_generic.ts";
import { qdisc_descendants, qdisc_lookup, TC_H_MAJ, TC_H_MIN } from "./sch_tree.ts";

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** The last handle that was chosen for somebody who named none. */
    qdisc_autohandle: number;
  }
}

/** struct tcmsg and the attributes of a request. */
interface TcRequest {
  readonly req: NlRequest;
  readonly dev: NetDevice;
  readonly handle: number;
  readonly parent: number;
  readonly tca: NlAttrs;
  readonly kind: string | null;
}

function parse_request(req: NlRequest): TcRequest | number {
  const m = req.msg;
  if (m.len < TCMSG_LEN) return -EINVAL;
  const tca = nlmsg_parse(m, TCMSG_LEN);
  const dev = __dev_get_by_index(req.net, m.dv.getInt32(m.off + TCMSG_IFINDEX, true));
  if (dev === null) return -ENODEV;
  return {
    req,
    dev,
    handle: m.dv.getUint32(m.off + TCMSG_HANDLE, true),
    parent: m.dv.getUint32(m.off + TCMSG_PARENT, true),
    tca,
    kind: tca[TCA_KIND] !== undefined ? nla_get_string(tca[TCA_KIND]) : null,
  };
}

function has_class(p: Qdisc, classid: number): boolean {
  const cops = p.ops.cl_ops!;
  return cops.find !== undefined ? cops.find(p, classid) : cops.leaf(p, classid) !== null;
}

/** The qdisc in a class of `p`; a number and its reason when there is no such class. */
function qdisc_leaf(p: Qdisc, classid: number, req: NlRequest): Qdisc | null | number {
  const cops = p.ops.cl_ops;
  if (cops === undefined) return nl_err(req.extack, "Parent qdisc is not classful", -EOPNOTSUPP);
  return has_class(p, classid) ? cops.leaf(p, classid) : nl_err(req.extack, "Specified class not found", -ENOENT);
}

/** 8001: and up, the next that is free. 0 when all are taken. */
function qdisc_alloc_handle(dev: NetDevice): number {
  const k = dev.net.kernel;
  for (let i = 0; i < 0x8000; i++) {
    k.qdisc_autohandle = (k.qdisc_autohandle + 0x10000) >>> 0;
    if (k.qdisc_autohandle === 0xffff0000) k.qdisc_autohandle = 0x80000000;
    if (qdisc_lookup(dev, k.qdisc_autohandle) === null) return k.qdisc_autohandle;
  }
  return 0;
}

/** A new qdisc, not yet attached. The Qdisc, or -errno. */
function qdisc_create(tc: TcRequest, queue: NetdevQueue): Qdisc | number {
  const { dev, req } = tc;
  const k = dev.net.kernel;
  const ops = tc.kind !== null ? k.qdisc_base.get(tc.kind) : undefined;
  if (ops === undefined || ops === noop_qdisc_ops)
    return nl_err(req.extack, "Specified qdisc kind is unknown", -ENOENT);
  const sch = new Qdisc(ops, queue, 0, ops.id !== "noqueue");
  sch.parent = tc.parent;
  let handle = tc.handle;
  if (handle === 0) {
    handle = qdisc_alloc_handle(dev);
    if (handle === 0) return nl_err(req.extack, "Maximum number of qdisc handles was exceeded", -ENOSPC);
  }
  if (dev.tx.length === 1) sch.flags |= TCQ_F_ONETXQUEUE;
  sch.handle = handle;
  // A device without a queue gets the length that its new one is to have.
  if (dev.tx_queue_len === 0) dev.tx_queue_len = 1000;
  if (ops.init !== undefined) {
    const err = ops.init(sch, options(tc), req.extack);
    if (err < 0) {
      ops.destroy?.(sch);
      return err;
    }
  }
  return sch;
}

const options = (tc: TcRequest): Uint8Array | null =>
  tc.tca[TCA_OPTIONS] !== undefined ? nla_data(tc.tca[TCA_OPTIONS]).slice() : null;

function qdisc_change(tc: TcRequest, sch: Qdisc): number {
  const opt = options(tc);
  if (opt === null) return 0;
  if (sch.ops.change === undefined) {
    return nl_err(tc.req.extack, "Change operation not supported by specified qdisc", -EINVAL);
  }
  return sch.ops.change(sch, opt, tc.req.extack);
}

/** Puts `fresh` (null: the default) at the root, or into a class of `parent`. */
function qdisc_graft(tc: TcRequest, parent: Qdisc | null, classid: number, fresh: Qdisc | null): number {
  const { dev, req } = tc;
  if (parent === null) {
    graft_root(tc, dev, fresh);
    return 0;
  }
  const cops = parent.ops.cl_ops;
  if (cops === undefined) return -EOPNOTSUPP;
  if (!has_class(parent, classid)) return nl_err(req.extack, "Specified class not found", -ENOENT);
  if (fresh !== null && fresh.ops.id === "noqueue")
    return nl_err(req.extack, "Cannot assign noqueue to a class.", -EINVAL);
  const old = cops.graft(parent, classid, fresh);
  if (typeof old === "number") return old;
  if (fresh !== null) fresh.parent = classid;
  notify_and_destroy(tc, classid, old !== null ? [old] : [], old, fresh);
  return 0;
}

function graft_root(tc: TcRequest, dev: NetDevice, fresh: Qdisc | null): void {
  const up = (dev.flags & IFF_UP) !== 0;
  if (up) dev_deactivate(dev);
  const old_root = dev.qdisc;
  const olds = new Set<Qdisc>([old_root]);
  for (const queue of dev.tx) olds.add(queue.qdisc_sleeping);
  if (fresh !== null && fresh.ops.attach !== undefined) {
    for (const queue of dev.tx) dev_graft_qdisc(dev, queue, null);
    dev.qdisc = fresh;
    fresh.ops.attach(fresh);
  } else {
    for (const queue of dev.tx) dev_graft_qdisc(dev, queue, fresh);
    dev.qdisc = fresh ?? dev.tx[0]!.qdisc_sleeping;
  }
  if (fresh !== null) olds.delete(fresh);
  notify_and_destroy(tc, tc.parent, [...olds], old_root, fresh);
  if (up) dev_activate(dev);
}

/** Tells who listens, then gives the old ones back. */
function notify_and_destroy(tc: TcRequest, clid: number, olds: Qdisc[], old: Qdisc | null, fresh: Qdisc | null): void {
  if (fresh !== null || (old !== null && old.handle !== 0)) qdisc_notify(tc, clid, old, fresh);
  for (const q of olds) if ((q.flags & TCQ_F_BUILTIN) === 0) qdisc_put(q);
}

// --- RTM_NEWQDISC, RTM_DELQDISC, RTM_GETQDISC ---------------------------------------------------------------------

/** Is `below` the qdisc itself or one above it? */
const check_loop = (q: Qdisc, below: Qdisc): boolean => q === below || qdisc_descendants(q).includes(below);

/**
 * A qdisc sits in the place and the request names no handle: is it to be changed, or replaced by a new one? "add",
 * "replace" and "change" (for which Linux asks no NLM_F_CREATE) replace it when the kind differs.
 */
function create_or_replace(tc: TcRequest, q: Qdisc): boolean {
  const flags = tc.req.msg.flags;
  if (tc.kind === null || tc.kind === q.ops.id) return false;
  const how = (flags & (NLM_F_EXCL | NLM_F_REPLACE)) !== 0;
  return (flags & NLM_F_CREATE) !== 0 ? how : !how;
}

function tc_modify_qdisc(req: NlRequest): number {
  const tc = parse_request(req);
  if (typeof tc === "number") return tc;
  const { dev } = tc;
  const flags = req.msg.flags;
  const clid = tc.parent;
  let p: Qdisc | null = null;
  let q: Qdisc | null = null;
  if (clid !== 0) {
    if (clid === TC_H_INGRESS) return nl_err(req.extack, "Specified qdisc kind is unknown", -ENOENT);
    if (clid !== TC_H_ROOT) {
      p = qdisc_lookup(dev, TC_H_MAJ(clid));
      if (p === null) return nl_err(req.extack, "Failed to find specified qdisc", -ENOENT);
      const leaf = qdisc_leaf(p, clid, req);
      if (typeof leaf === "number") return leaf;
      q = leaf;
    } else q = dev.qdisc;
    // The one that came with the device, or that drops everything, is not in the way.
    if (q !== null && q.handle === 0) q = null;
    if (q === null || tc.handle === 0 || q.handle !== tc.handle) {
      if (tc.handle !== 0) {
        if (q !== null && (flags & NLM_F_REPLACE) === 0) {
          return nl_err(req.extack, "NLM_F_REPLACE needed to override", -EEXIST);
        }
        if (TC_H_MIN(tc.handle) !== 0) return nl_err(req.extack, "Invalid minor handle", -EINVAL);
        const there = qdisc_lookup(dev, tc.handle);
        if (there === null) return create_n_graft(tc, p, true);
        if ((flags & NLM_F_EXCL) !== 0) return nl_err(req.extack, "Exclusivity flag on, cannot override", -EEXIST);
        if (tc.kind !== null && tc.kind !== there.ops.id)
          return nl_err(req.extack, "Invalid qdisc name: must match existing qdisc", -EINVAL);
        if (p !== null && check_loop(there, p)) return nl_err(req.extack, "Qdisc parent/child loop detected", -ELOOP);
        // One qdisc in two places: it has one more owner.
        there.refcnt++;
        return qdisc_graft(tc, p, clid, there);
      }
      if (q === null) return create_n_graft(tc, p, true);
      if (create_or_replace(tc, q)) return create_n_graft(tc, p, false);
    }
  } else {
    if (tc.handle === 0) return nl_err(req.extack, "Handle cannot be zero", -EINVAL);
    q = qdisc_lookup(dev, tc.handle);
  }
  if (q === null) return nl_err(req.extack, "Specified qdisc not found", -ENOENT);
  if ((flags & NLM_F_EXCL) !== 0) return nl_err(req.extack, "Exclusivity flag on, cannot modify", -EEXIST);
  if (tc.kind !== null && tc.kind !== q.ops.id)
    return nl_err(req.extack, "Invalid qdisc name: must match existing qdisc", -EINVAL);
  const err = qdisc_change(tc, q);
  if (err === 0) qdisc_notify(tc, clid, null, q);
  return err;
}

function create_n_graft(tc: TcRequest, p: Qdisc | null, ask: boolean): number {
  if (ask && (tc.req.msg.flags & NLM_F_CREATE) === 0) {
    return nl_err(tc.req.extack, "Qdisc not found. To create specify NLM_F_CREATE flag", -ENOENT);
  }
  let queue = tc.dev.tx[0]!;
  if (p !== null) {
    queue = (p.flags & TCQ_F_MQROOT) !== 0 ? (tc.dev.tx[TC_H_MIN(tc.parent) - 1] ?? queue) : p.dev_queue;
  }
  const fresh = qdisc_create(tc, queue);
  if (typeof fresh === "number") return fresh;
  const err = qdisc_graft(tc, p, tc.parent, fresh);
  if (err < 0) qdisc_put(fresh);
  return err;
}

/** RTM_DELQDISC and RTM_GETQDISC name a qdisc by its place, its handle, or both. */
function tc_get_qdisc(req: NlRequest): number {
  const tc = parse_request(req);
  if (typeof tc === "number") return tc;
  const { dev } = tc;
  const clid = tc.parent;
  let p: Qdisc | null = null;
  let q: Qdisc | null;
  if (clid !== 0) {
    if (clid === TC_H_ROOT) q = dev.qdisc;
    else if (TC_H_MAJ(clid) === TC_H_MAJ(TC_H_INGRESS)) q = null;
    else {
      p = qdisc_lookup(dev, TC_H_MAJ(clid));
      if (p === null) return nl_err(req.extack, "Failed to find qdisc with specified classid", -ENOENT);
      const leaf = qdisc_leaf(p, clid, req);
      if (typeof leaf === "number") return leaf;
      q = leaf;
    }
    if (q === null) return nl_err(req.extack, "Cannot find specified qdisc on specified device", -ENOENT);
    if (tc.handle !== 0 && q.handle !== tc.handle) return nl_err(req.extack, "Invalid handle", -EINVAL);
  } else {
    q = qdisc_lookup(dev, tc.handle);
    if (q === null) return nl_err(req.extack, "Failed to find qdisc with specified handle", -ENOENT);
  }
  if (tc.kind !== null && tc.kind !== q.ops.id)
    return nl_err(req.extack, "Invalid qdisc name: must match existing qdisc", -EINVAL);
  if (req.msg.type === RTM_DELQDISC) {
    if (clid === 0) return nl_err(req.extack, "Classid cannot be zero", -EINVAL);
    if (q.handle === 0) return nl_err(req.extack, "Cannot delete qdisc with handle of zero", -ENOENT);
    return qdisc_graft(tc, p, clid, null);
  }
  const w = new NlMsgWriter();
  tc_fill_qdisc(w, q, q.parent, req.portid, req.msg.seq, 0, RTM_NEWQDISC);
  return nlmsg_unicast(req, w);
}

// --- messages -----------------------------------------------------------------------------------------------------

/** Who holds it: its queues, and the device when it is the root; what `tc qdisc` prints as refcnt. */
function refcount(q: Qdisc): number {
  const dev = qdisc_dev(q);
  let n = dev.qdisc === q ? 1 : 0;
  for (const queue of dev.tx) if (queue.qdisc_sleeping === q) n++;
  return Math.max(n, 1);
}

/** TCA_STATS2, and TCA_STATS and TCA_XSTATS for old programs. */
function put_stats(w: NlMsgWriter, q: Qdisc | null, app: Uint8Array | null): void {
  const nest = nla_nest_start_noflag(w, TCA_STATS2);
  if (q !== null) {
    const basic = nla_reserve(w, TCA_STATS_BASIC, GNET_STATS_BASIC_LEN);
    nl_set_u64(w.dv, basic, q.bytes);
    w.dv.setUint32(basic + 8, q.packets, true);
    const queue = nla_reserve(w, TCA_STATS_QUEUE, GNET_STATS_QUEUE_LEN);
    const values = [q.qlen, q.backlog, q.drops, q.requeues, q.overlimits];
    for (let i = 0; i < values.length; i++) w.dv.setUint32(queue + 4 * i, values[i]!, true);
    if (app !== null) nla_put(w, TCA_STATS_APP, app);
  }
  nla_nest_end(w, nest);
  const at = nla_reserve(w, TCA_STATS, TC_STATS_LEN);
  if (q !== null) {
    nl_set_u64(w.dv, at, q.bytes);
    const values = [q.packets, q.drops, q.overlimits, 0, 0, q.qlen, q.backlog];
    for (let i = 0; i < values.length; i++) w.dv.setUint32(at + 8 + 4 * i, values[i]!, true);
    if (app !== null) nla_put(w, TCA_XSTATS, app);
  }
}

function tc_fill_qdisc(
  w: NlMsgWriter,
  q: Qdisc,
  clid: number,
  pid: number,
  seq: number,
  flags: number,
  event: number,
): void {
  const at = nlmsg_put(w, event, flags, seq, pid, TCMSG_LEN);
  w.dv.setInt32(at + TCMSG_IFINDEX, qdisc_dev(q).ifindex, true);
  w.dv.setUint32(at + TCMSG_PARENT, clid, true);
  w.dv.setUint32(at + TCMSG_HANDLE, q.handle, true);
  w.dv.setUint32(at + TCMSG_INFO, refcount(q), true);
  nla_put_string(w, TCA_KIND, q.ops.id);
  const opt = q.ops.dump?.(q) ?? null;
  if (opt !== null) nla_put(w, TCA_OPTIONS, opt);
  nla_put_u8(w, TCA_HW_OFFLOAD, 0);
  put_stats(w, q, q.ops.dump_stats?.(q) ?? null);
  nlmsg_end(w);
}

function qdisc_notify(tc: TcRequest, clid: number, old: Qdisc | null, fresh: Qdisc | null): void {
  const { req } = tc;
  const w = new NlMsgWriter();
  const shown = (q: Qdisc): boolean => (q.flags & (TCQ_F_BUILTIN | TCQ_F_INVISIBLE)) === 0;
  if (old !== null && shown(old)) tc_fill_qdisc(w, old, clid, req.portid, req.msg.seq, 0, RTM_DELQDISC);
  if (fresh !== null && shown(fresh)) {
    tc_fill_qdisc(w, fresh, clid, req.portid, req.msg.seq, old !== null ? NLM_F_REPLACE : 0, RTM_NEWQDISC);
  }
  if (w.len === 0) return;
  const info = nl_info(req);
  rtnl_notify(req.net, w, RTNLGRP_TC, { ...info, nlflags: info.nlflags & NLM_F_ECHO });
}

// --- dumps --------------------------------------------------------------------------------------------------------

/** The bucket of the handle's hash: which of several non-root qdiscs is listed first. */
const hash_bucket = (handle: number): number => Math.imul(handle, 0x61c88647) >>> 28;

/** Root first, then the others as their hash orders them. */
function listed_qdiscs(dev: NetDevice, invisible: boolean): Qdisc[] {
  const shown = (q: Qdisc): boolean =>
    (q.flags & TCQ_F_BUILTIN) === 0 && (invisible || (q.flags & TCQ_F_INVISIBLE) === 0);
  const root = dev.qdisc;
  const below = qdisc_descendants(root).filter(shown);
  below.sort((a, b) => hash_bucket(a.handle) - hash_bucket(b.handle));
  return shown(root) ? [root, ...below] : below;
}

function* tc_dump_qdisc(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const m = req.msg;
  const tca = m.len >= TCMSG_LEN ? nlmsg_parse(m, TCMSG_LEN) : [];
  for (const dev of for_each_netdev(req.net)) {
    for (const q of listed_qdiscs(dev, tca[TCA_DUMP_INVISIBLE] !== undefined)) {
      const parent = q === dev.qdisc ? TC_H_ROOT : q.parent;
      tc_fill_qdisc(w, q, parent, req.portid, m.seq, NLM_F_MULTI, RTM_NEWQDISC);
      yield;
    }
  }
  return 0;
}

function fill_tclass(w: NlMsgWriter, req: NlRequest, q: Qdisc, classid: number, leaf: Qdisc | null): void {
  const cops = q.ops.cl_ops!;
  const at = nlmsg_put(w, RTM_NEWTCLASS, NLM_F_MULTI, req.msg.seq, req.portid, TCMSG_LEN);
  w.dv.setInt32(at + TCMSG_IFINDEX, qdisc_dev(q).ifindex, true);
  w.dv.setUint32(at + TCMSG_PARENT, cops.dump_root === true ? TC_H_ROOT : q.handle, true);
  w.dv.setUint32(at + TCMSG_HANDLE, classid, true);
  const visible = leaf !== null && (leaf.flags & TCQ_F_BUILTIN) === 0;
  w.dv.setUint32(at + TCMSG_INFO, visible ? leaf.handle : 0, true);
  nla_put_string(w, TCA_KIND, q.ops.id);
  put_stats(w, cops.dump_stats === true ? leaf : null, null);
  nlmsg_end(w);
}

function* tc_dump_tclass(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const m = req.msg;
  if (m.len < TCMSG_LEN) return 0;
  const dev = __dev_get_by_index(req.net, m.dv.getInt32(m.off + TCMSG_IFINDEX, true));
  if (dev === null) return 0;
  const parent = m.dv.getUint32(m.off + TCMSG_PARENT, true);
  for (const q of listed_qdiscs(dev, true)) {
    if (q.ops.cl_ops === undefined || (parent !== 0 && TC_H_MAJ(parent) !== q.handle)) continue;
    for (const { classid, leaf } of q.ops.cl_ops.walk(q)) {
      fill_tclass(w, req, q, classid, leaf);
      yield;
    }
  }
  return 0;
}

/** There are no classifiers: every list of filters is empty. */
function* tc_dump_tfilter(): NetlinkDump {
  return 0;
}

/** After rtnetlink_init(). */
export function tc_init(k: Kernel): void {
  k.qdisc_autohandle = 0x80000000;
  rtnl_register(k, 0, RTM_NEWQDISC, tc_modify_qdisc, null);
  rtnl_register(k, 0, RTM_DELQDISC, tc_get_qdisc, null);
  rtnl_register(k, 0, RTM_GETQDISC, tc_get_qdisc, tc_dump_qdisc);
  rtnl_register(k, 0, RTM_GETTCLASS, null, tc_dump_tclass);
  rtnl_register(k, 0, RTM_GETTFILTER, null, tc_dump_tfilter);
}
