// RTM_*NEIGH and RTM_*NEIGHTBL: `ip neigh` and `ip ntable`. Mirrors the netlink part of net/core/neighbour.c.
// Read first: rtnetlink(7), neigh_admin.ts. Way in: neigh_netlink_init().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { EAFNOSUPPORT, EINVAL, ENODEV, ENOENT } from "../../uapi/errno.ts";
import * as N from "../../uapi/neighbour.ts";
import { NLM_F_DUMP_FILTERED, NLM_F_MULTI, NLM_F_REQUEST } from "../../uapi/netlink.ts";
import {
  type NlAttr,
  type NlAttrs,
  NlMsgWriter,
  nl_set_u64,
  nla_data,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_get_u64,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_parse_nested,
  nla_put,
  nla_put_string,
  nla_put_u8,
  nla_put_u32,
  nla_put_u64,
  nla_reserve,
  nlmsg_end,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import {
  RTM_DELNEIGH,
  RTM_GETNEIGH,
  RTM_GETNEIGHTBL,
  RTM_NEWNEIGH,
  RTM_NEWNEIGHTBL,
  RTM_SETNEIGHTBL,
  RTN_UNICAST,
  RTNLGRP_NEIGH,
} from "../../uapi/rtnetlink.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_has_listeners,
  nl_err,
  nlmsg_unicast,
} from "../netlink/af_netlink.ts";
import {
  NESTED,
  NLA_BINARY,
  NLA_STRING,
  type NlaPolicy,
  nlmsg_parse_deprecated,
  nlmsg_parse_deprecated_strict,
  policy_of,
  U8,
  U32,
} from "../netlink/nlattr.ts";
import {
  type NeighRequest,
  neigh_add,
  neigh_cacheinfo,
  neigh_delete,
  neigh_dump,
  neigh_get,
  pneigh_entries,
} from "./neigh_admin.ts";
import * as T from "./neigh_table.ts";
import { type Neighbour, type NeighTable, neigh_find_table, type PneighEntry, pneigh_lookup } from "./neighbour.ts";
import type { Net } from "./net_namespace.ts";
import type { NetDevice } from "./netdevice.ts";
import { rtnl_notify, rtnl_register } from "./rtnetlink.ts";

const MAX_ADDR_LEN = 32;

const nda_policy: NlaPolicy = policy_of(N.NDA_MAX, [
  [N.NDA_DST, { type: NLA_BINARY, len: MAX_ADDR_LEN }],
  [N.NDA_LLADDR, { type: NLA_BINARY, len: MAX_ADDR_LEN }],
  [N.NDA_PROBES, U32],
  [N.NDA_IFINDEX, U32],
  [N.NDA_MASTER, U32],
  [N.NDA_PROTOCOL, U8],
  [N.NDA_NH_ID, U32],
  [N.NDA_FLAGS_EXT, U32],
]);

/** An address as the words that neighbour tables have as keys. */
function addr_words(a: NlAttr | undefined): number[] | null {
  if (a === undefined) return null;
  const out: number[] = [];
  for (let i = 0; i + 4 <= a.len && i < 16; i += 4) out.push(a.dv.getInt32(a.off + i));
  return out;
}

// --- RTM_NEWNEIGH, RTM_DELNEIGH -----------------------------------------------------------------------------------

function neigh_request(req: NlRequest): NeighRequest | number {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated(req, N.NDMSG_LEN, tb, nda_policy);
  if (err < 0) return err;
  const ifindex = m.dv.getInt32(m.off + N.NDMSG_IFINDEX, true);
  let dev: NetDevice | null = null;
  if (ifindex !== 0) {
    dev = req.net.dev_by_index.get(ifindex) ?? null;
    if (dev === null) return -ENODEV;
  }
  const lladdr = tb[N.NDA_LLADDR];
  return {
    family: m.buf[m.off]!,
    dev,
    dst: addr_words(tb[N.NDA_DST]),
    lladdr: lladdr !== undefined ? nla_data(lladdr).slice() : null,
    state: m.dv.getUint16(m.off + N.NDMSG_STATE, true),
    flags: m.buf[m.off + N.NDMSG_FLAGS]!,
    ext_flags: nla_get_u32(tb[N.NDA_FLAGS_EXT]),
    protocol: nla_get_u8(tb[N.NDA_PROTOCOL]),
    nlmsg_flags: m.flags,
    pid: req.portid,
  };
}

function rtm_newneigh(req: NlRequest): number {
  const r = neigh_request(req);
  return typeof r === "number" ? r : neigh_add(req.net, r, req.extack);
}

function rtm_delneigh(req: NlRequest): number {
  const r = neigh_request(req);
  return typeof r === "number" ? r : neigh_delete(req.net, r, req.extack);
}

// --- RTM_GETNEIGH -------------------------------------------------------------------------------------------------

function put_key(w: NlMsgWriter, key_len: number, k0: number, k1: number, k2: number, k3: number): void {
  const at = nla_reserve(w, N.NDA_DST, key_len);
  const words = [k0, k1, k2, k3];
  for (let i = 0; i < key_len; i += 4) w.dv.setInt32(at + i, words[i >> 2]!);
}

function neigh_fill_info(w: NlMsgWriter, n: Neighbour, type: number, portid: number, seq: number, flags: number): void {
  const at = nlmsg_put(w, type, flags, seq, portid, N.NDMSG_LEN);
  w.buf[at] = n.tbl.ops.family;
  w.dv.setInt32(at + N.NDMSG_IFINDEX, n.dev.ifindex, true);
  w.dv.setUint16(at + N.NDMSG_STATE, n.nud_state, true);
  w.buf[at + N.NDMSG_FLAGS] = n.flags & 0xff;
  w.buf[at + N.NDMSG_TYPE] = n.type;
  put_key(w, n.tbl.ops.key_len, n.primary_key, n.primary_key1, n.primary_key2, n.primary_key3);
  if ((n.nud_state & T.NUD_VALID) !== 0) nla_put(w, N.NDA_LLADDR, n.ha);
  nla_put_u32(w, N.NDA_PROBES, n.probes);
  const ci = neigh_cacheinfo(n);
  const p = nla_reserve(w, N.NDA_CACHEINFO, N.NDA_CACHEINFO_LEN);
  w.dv.setUint32(p, ci.confirmed, true);
  w.dv.setUint32(p + 4, ci.used, true);
  w.dv.setUint32(p + 8, ci.updated, true);
  w.dv.setUint32(p + 12, Math.max(0, ci.refcnt), true);
  if (n.protocol !== 0) nla_put_u8(w, N.NDA_PROTOCOL, n.protocol);
  const ext = n.flags >> T.NTF_EXT_SHIFT;
  if (ext !== 0) nla_put_u32(w, N.NDA_FLAGS_EXT, ext);
  nlmsg_end(w);
}

function pneigh_fill_info(w: NlMsgWriter, tbl: NeighTable, e: PneighEntry, req: NlRequest, flags: number): void {
  const at = nlmsg_put(w, RTM_NEWNEIGH, flags, req.msg.seq, req.portid, N.NDMSG_LEN);
  w.buf[at] = tbl.ops.family;
  w.dv.setInt32(at + N.NDMSG_IFINDEX, e.dev !== null ? e.dev.ifindex : 0, true);
  w.buf[at + N.NDMSG_FLAGS] = (e.flags & 0xff) | N.NTF_PROXY;
  w.buf[at + N.NDMSG_TYPE] = RTN_UNICAST;
  put_key(w, tbl.ops.key_len, e.key, e.key1, e.key2, e.key3);
  if (e.protocol !== 0) nla_put_u8(w, N.NDA_PROTOCOL, e.protocol);
  const ext = e.flags >> T.NTF_EXT_SHIFT;
  if (ext !== 0) nla_put_u32(w, N.NDA_FLAGS_EXT, ext);
  nlmsg_end(w);
}

interface NeighFilter {
  family: number;
  ifindex: number;
  master: number;
  proxy: boolean;
}

function neigh_valid_dump_req(req: NlRequest, f: NeighFilter): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  if (req.strict) {
    if (m.len < N.NDMSG_LEN) return nl_err(req.extack, "Invalid header for neighbor dump request", -EINVAL);
    const zero =
      m.dv.getUint16(m.off + 2, true) === 0 &&
      m.buf[m.off + 1] === 0 &&
      m.dv.getUint32(m.off + N.NDMSG_IFINDEX, true) === 0 &&
      m.dv.getUint16(m.off + N.NDMSG_STATE, true) === 0 &&
      m.buf[m.off + N.NDMSG_TYPE] === 0;
    if (!zero) return nl_err(req.extack, "Invalid values in header for neighbor dump request", -EINVAL);
    if ((m.buf[m.off + N.NDMSG_FLAGS]! & ~N.NTF_PROXY) !== 0) {
      return nl_err(req.extack, "Invalid flags in header for neighbor dump request", -EINVAL);
    }
    const err = nlmsg_parse_deprecated_strict(req, N.NDMSG_LEN, tb, nda_policy);
    if (err < 0) return err;
  } else if (m.len >= N.NDMSG_LEN) {
    const err = nlmsg_parse_deprecated(req, N.NDMSG_LEN, tb, nda_policy);
    if (err < 0) return err;
  }
  // A header of struct ndmsg says what is wanted; older programs sent a family alone.
  f.proxy = m.len >= N.NDMSG_LEN && m.buf[m.off + N.NDMSG_FLAGS] === N.NTF_PROXY;
  for (let i = 0; i < tb.length; i++) {
    if (tb[i] === undefined) continue;
    if (i === N.NDA_IFINDEX) f.ifindex = nla_get_u32(tb[i]) | 0;
    else if (i === N.NDA_MASTER) f.master = nla_get_u32(tb[i]) | 0;
    else if (req.strict) return nl_err(req.extack, "Unsupported attribute in neighbor dump request", -EINVAL);
  }
  return 0;
}

function dev_passes(dev: NetDevice | null, f: NeighFilter): boolean {
  if (f.ifindex !== 0 && dev?.ifindex !== f.ifindex) return false;
  return f.master === 0 || (dev !== null && dev.master !== null && dev.master.ifindex === f.master);
}

function* neigh_dump_info(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const f: NeighFilter = { family: req.msg.buf[req.msg.off]!, ifindex: 0, master: 0, proxy: false };
  const err = neigh_valid_dump_req(req, f);
  if (err < 0) return err;
  const flags = NLM_F_MULTI | (f.ifindex !== 0 || f.master !== 0 ? NLM_F_DUMP_FILTERED : 0);
  if (f.proxy) {
    for (const tbl of req.net.kernel.neigh_tables) {
      if (f.family !== 0 && tbl.ops.family !== f.family) continue;
      for (const e of pneigh_entries(tbl, req.net)) {
        if (!dev_passes(e.dev, f)) continue;
        pneigh_fill_info(w, tbl, e, req, flags);
        yield;
      }
    }
    return 0;
  }
  for (const n of neigh_dump(req.net, f.family)) {
    // The reader may have taken its time.
    if (n.dead || !dev_passes(n.dev, f)) continue;
    neigh_fill_info(w, n, RTM_NEWNEIGH, req.portid, req.msg.seq, flags);
    yield;
  }
  return 0;
}

function neigh_valid_get_req(req: NlRequest, tb: NlAttrs): number {
  const m = req.msg;
  if (m.len < N.NDMSG_LEN) return nl_err(req.extack, "Invalid header for neighbor get request", -EINVAL);
  const zero =
    m.buf[m.off + 1] === 0 &&
    m.dv.getUint16(m.off + 2, true) === 0 &&
    m.dv.getUint16(m.off + N.NDMSG_STATE, true) === 0 &&
    m.buf[m.off + N.NDMSG_TYPE] === 0;
  if (!zero) return nl_err(req.extack, "Invalid values in header for neighbor get request", -EINVAL);
  const flags = m.buf[m.off + N.NDMSG_FLAGS]!;
  if ((flags & ~N.NTF_PROXY) !== 0) {
    return nl_err(req.extack, "Invalid flags in header for neighbor get request", -EINVAL);
  }
  const ifindex = m.dv.getInt32(m.off + N.NDMSG_IFINDEX, true);
  if ((flags & N.NTF_PROXY) === 0 && ifindex === 0) return nl_err(req.extack, "No device specified", -EINVAL);
  const err = nlmsg_parse_deprecated_strict(req, N.NDMSG_LEN, tb, nda_policy);
  if (err < 0) return err;
  for (let i = 0; i < tb.length; i++) {
    if (tb[i] === undefined || i === N.NDA_DST) continue;
    return nl_err(req.extack, "Unsupported attribute in neighbor get request", -EINVAL);
  }
  return 0;
}

function rtm_getneigh(req: NlRequest): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = neigh_valid_get_req(req, tb);
  if (err < 0) return err;
  const ifindex = m.dv.getInt32(m.off + N.NDMSG_IFINDEX, true);
  const family = m.buf[m.off]!;
  const tbl = neigh_find_table(req.net.kernel, family);
  if (tbl === null) {
    return nl_err(req.extack, "Unsupported family in header for neighbor get request", -EAFNOSUPPORT);
  }
  const dst = tb[N.NDA_DST];
  if (dst === undefined) return nl_err(req.extack, "Network address not specified", -EINVAL);
  if (dst.len !== tbl.ops.key_len) {
    return nl_err(req.extack, "Invalid network address in neighbor get request", -EINVAL);
  }
  const dev = ifindex !== 0 ? (req.net.dev_by_index.get(ifindex) ?? null) : null;
  if (ifindex !== 0 && dev === null) return nl_err(req.extack, "Unknown device ifindex", -ENODEV);
  const words = addr_words(dst)!;
  const w = new NlMsgWriter(128);
  if ((m.buf[m.off + N.NDMSG_FLAGS]! & N.NTF_PROXY) !== 0) {
    const e = pneigh_lookup(tbl, req.net, dev, false, words[0] ?? 0, words[1], words[2], words[3]);
    if (e === null) return nl_err(req.extack, "Proxy neighbour entry not found", -ENOENT);
    pneigh_fill_info(w, tbl, e, req, 0);
  } else {
    const n = neigh_get(req.net, family, dev!, words);
    if (typeof n === "number") return nl_err(req.extack, "Neighbour entry not found", n);
    neigh_fill_info(w, n, RTM_NEWNEIGH, req.portid, m.seq, 0);
  }
  return nlmsg_unicast(req, w);
}

function neigh_notify_hook(n: Neighbour, type: number, pid: number): void {
  const net = n.dev.net;
  if (!netlink_has_listeners(net, 0, RTNLGRP_NEIGH)) return;
  const w = new NlMsgWriter(128);
  neigh_fill_info(w, n, type, pid, 0, type === RTM_GETNEIGH ? NLM_F_REQUEST : 0);
  rtnl_notify(net, w, RTNLGRP_NEIGH, null);
}

// --- RTM_*NEIGHTBL ------------------------------------------------------------------------------------------------

/** sizeof(struct neighbour) with the key, and what QUEUE_LEN counts in (a packet of an Ethernet's length). */
const NEIGH_ENTRY_SIZE = 332;
const UNRES_PACKET = 2090;
/** Parameters in the order in which they are sent: attribute, variable, u64 of ms or u32. */
const NDTPA: readonly (readonly [number, number, boolean])[] = [
  [N.NDTPA_PROXY_QLEN, T.NEIGH_VAR_PROXY_QLEN, false],
  [N.NDTPA_APP_PROBES, T.NEIGH_VAR_APP_PROBES, false],
  [N.NDTPA_UCAST_PROBES, T.NEIGH_VAR_UCAST_PROBES, false],
  [N.NDTPA_MCAST_PROBES, T.NEIGH_VAR_MCAST_PROBES, false],
  [N.NDTPA_MCAST_REPROBES, T.NEIGH_VAR_MCAST_REPROBES, false],
  [N.NDTPA_REACHABLE_TIME, -1, true],
  [N.NDTPA_BASE_REACHABLE_TIME, T.NEIGH_VAR_BASE_REACHABLE_TIME, true],
  [N.NDTPA_GC_STALETIME, T.NEIGH_VAR_GC_STALETIME, true],
  [N.NDTPA_DELAY_PROBE_TIME, T.NEIGH_VAR_DELAY_PROBE_TIME, true],
  [N.NDTPA_RETRANS_TIME, T.NEIGH_VAR_RETRANS_TIME, true],
  [N.NDTPA_ANYCAST_DELAY, T.NEIGH_VAR_ANYCAST_DELAY, true],
  [N.NDTPA_PROXY_DELAY, T.NEIGH_VAR_PROXY_DELAY, true],
  [N.NDTPA_LOCKTIME, T.NEIGH_VAR_LOCKTIME, true],
  [N.NDTPA_INTERVAL_PROBE_TIME_MS, T.NEIGH_VAR_INTERVAL_PROBE_TIME_MS, true],
];

function put_parms(w: NlMsgWriter, p: T.NeighParms): void {
  const nest = nla_nest_start_noflag(w, N.NDTA_PARMS);
  if (p.dev !== null) nla_put_u32(w, N.NDTPA_IFINDEX, p.dev.ifindex);
  nla_put_u32(w, N.NDTPA_REFCNT, 1);
  const bytes = T.NEIGH_VAR(p, T.NEIGH_VAR_QUEUE_LEN_BYTES);
  nla_put_u32(w, N.NDTPA_QUEUE_LENBYTES, bytes);
  nla_put_u32(w, N.NDTPA_QUEUE_LEN, Math.floor(bytes / UNRES_PACKET));
  for (const [attr, which, wide] of NDTPA) {
    const v = which < 0 ? p.reachable_time : T.NEIGH_VAR(p, which);
    if (wide) nla_put_u64(w, attr, v);
    else nla_put_u32(w, attr, v);
  }
  nla_nest_end(w, nest);
}

function ndt_header(w: NlMsgWriter, tbl: NeighTable, req: NlRequest): void {
  const at = nlmsg_put(w, RTM_NEWNEIGHTBL, NLM_F_MULTI, req.msg.seq, req.portid, N.NDTMSG_LEN);
  w.buf[at] = tbl.ops.family;
  nla_put_string(w, N.NDTA_NAME, tbl.ops.id);
}

/** struct ndt_stats, from the columns of /proc/net/stat. */
const NDT_STATS: readonly number[] = [
  T.NDST_ALLOCS,
  T.NDST_DESTROYS,
  T.NDST_HASH_GROWS,
  T.NDST_RES_FAILED,
  T.NDST_LOOKUPS,
  T.NDST_HITS,
  T.NDST_RCV_PROBES_MCAST,
  T.NDST_RCV_PROBES_UCAST,
  T.NDST_PERIODIC_GC_RUNS,
  T.NDST_FORCED_GC_RUNS,
  T.NDST_TABLE_FULLS,
];

function neightbl_fill_info(w: NlMsgWriter, tbl: NeighTable, req: NlRequest): void {
  const now = jiffies(tbl.kernel);
  ndt_header(w, tbl, req);
  nla_put_u64(w, N.NDTA_GC_INTERVAL, tbl.gc_interval);
  nla_put_u32(w, N.NDTA_THRESH1, tbl.gc_thresh1);
  nla_put_u32(w, N.NDTA_THRESH2, tbl.gc_thresh2);
  nla_put_u32(w, N.NDTA_THRESH3, tbl.gc_thresh3);
  const c = nla_reserve(w, N.NDTA_CONFIG, N.NDT_CONFIG_LEN);
  w.dv.setUint16(c, tbl.ops.key_len, true);
  w.dv.setUint16(c + 2, NEIGH_ENTRY_SIZE + tbl.ops.key_len, true);
  w.dv.setUint32(c + 4, tbl.entries, true);
  w.dv.setUint32(c + 8, now - tbl.last_flush, true);
  w.dv.setUint32(c + 12, now - tbl.last_rand, true);
  w.dv.setInt32(c + 16, tbl.hash_rnd, true);
  w.dv.setUint32(c + 20, (1 << tbl.hash_shift) - 1, true);
  w.dv.setUint32(c + 28, tbl.proxy_queue.qlen, true);
  const s = nla_reserve(w, N.NDTA_STATS, N.NDT_STATS_LEN);
  NDT_STATS.forEach((which, i) => {
    let sum = 0;
    for (const cpu of tbl.stats) sum += cpu[which]!;
    nl_set_u64(w.dv, s + 8 * i, sum);
  });
  put_parms(w, tbl.parms);
  nlmsg_end(w);
}

function* neightbl_dump_info(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const m = req.msg;
  const family = m.buf[m.off]!;
  if (req.strict) {
    if (m.len < N.NDTMSG_LEN) return nl_err(req.extack, "Invalid header for neighbor table dump request", -EINVAL);
    if (m.buf[m.off + 1] !== 0 || m.dv.getUint16(m.off + 2, true) !== 0) {
      return nl_err(req.extack, "Invalid values in header for neighbor table dump request", -EINVAL);
    }
    if (m.len > N.NDTMSG_LEN) {
      return nl_err(req.extack, "Invalid data after header in neighbor table dump request", -EINVAL);
    }
  }
  for (const tbl of req.net.kernel.neigh_tables) {
    if (family !== 0 && tbl.ops.family !== family) continue;
    neightbl_fill_info(w, tbl, req);
    yield;
    // The youngest device first.
    for (const p of [...tbl.parms_by_dev.values()].reverse()) {
      if (p.net !== req.net || p.dead || p.dev === null) continue;
      ndt_header(w, tbl, req);
      put_parms(w, p);
      nlmsg_end(w);
      yield;
    }
  }
  return 0;
}

const ndta_policy: NlaPolicy = policy_of(N.NDTA_MAX, [
  [N.NDTA_NAME, { type: NLA_STRING }],
  [N.NDTA_THRESH1, U32],
  [N.NDTA_THRESH2, U32],
  [N.NDTA_THRESH3, U32],
  [N.NDTA_PARMS, NESTED],
]);

function set_parms(p: T.NeighParms, tb: NlAttrs): void {
  const set = (which: number, v: number): void => {
    p.data[which] = Math.max(0, Math.min(0x7fffffff, v));
    p.data_state |= 1 << which;
    if (p === p.tbl.parms) T.neigh_copy_dflt_parms(p.tbl, which);
  };
  const len = tb[N.NDTPA_QUEUE_LEN];
  if (len !== undefined) set(T.NEIGH_VAR_QUEUE_LEN_BYTES, nla_get_u32(len) * UNRES_PACKET);
  const bytes = tb[N.NDTPA_QUEUE_LENBYTES];
  if (bytes !== undefined) set(T.NEIGH_VAR_QUEUE_LEN_BYTES, nla_get_u32(bytes));
  for (const [attr, which, wide] of NDTPA) {
    const a = tb[attr];
    if (a === undefined || which < 0) continue;
    set(which, wide ? nla_get_u64(a) : nla_get_u32(a));
    if (which === T.NEIGH_VAR_BASE_REACHABLE_TIME) {
      p.reachable_time = T.neigh_rand_reach_time(p.tbl.kernel, p.data[which]!);
    }
  }
}

function neightbl_set(req: NlRequest): number {
  const m = req.msg;
  const net: Net = req.net;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated(req, N.NDTMSG_LEN, tb, ndta_policy);
  if (err < 0) return err;
  if (tb[N.NDTA_NAME] === undefined) return -EINVAL;
  const name = nla_get_string(tb[N.NDTA_NAME]);
  const family = m.buf[m.off]!;
  const tbl = net.kernel.neigh_tables.find((t) => t.ops.id === name && (family === 0 || t.ops.family === family));
  if (tbl === undefined) return -ENOENT;
  if (tb[N.NDTA_PARMS] !== undefined) {
    const parms = nla_parse_nested(tb[N.NDTA_PARMS]);
    const ifindex = nla_get_u32(parms[N.NDTPA_IFINDEX]);
    const dev = ifindex !== 0 ? net.dev_by_index.get(ifindex) : undefined;
    const p = ifindex === 0 ? tbl.parms : dev !== undefined ? tbl.parms_by_dev.get(dev) : undefined;
    if (p === undefined) return -ENOENT;
    set_parms(p, parms);
  }
  const shared = [N.NDTA_THRESH1, N.NDTA_THRESH2, N.NDTA_THRESH3, N.NDTA_GC_INTERVAL].some((t) => tb[t] !== undefined);
  // Thresholds belong to all namespaces: only the first may set them.
  if (shared && net !== net.kernel.init_net) return -ENOENT;
  if (tb[N.NDTA_THRESH1] !== undefined) tbl.gc_thresh1 = nla_get_u32(tb[N.NDTA_THRESH1]);
  if (tb[N.NDTA_THRESH2] !== undefined) tbl.gc_thresh2 = nla_get_u32(tb[N.NDTA_THRESH2]);
  if (tb[N.NDTA_THRESH3] !== undefined) tbl.gc_thresh3 = nla_get_u32(tb[N.NDTA_THRESH3]);
  if (tb[N.NDTA_GC_INTERVAL] !== undefined) tbl.gc_interval = nla_get_u64(tb[N.NDTA_GC_INTERVAL]);
  return 0;
}

/** After neigh_init() and rtnetlink_init(). */
export function neigh_netlink_init(k: Kernel): void {
  rtnl_register(k, 0, RTM_NEWNEIGH, rtm_newneigh, null);
  rtnl_register(k, 0, RTM_DELNEIGH, rtm_delneigh, null);
  rtnl_register(k, 0, RTM_GETNEIGH, rtm_getneigh, neigh_dump_info);
  rtnl_register(k, 0, RTM_GETNEIGHTBL, null, neightbl_dump_info);
  rtnl_register(k, 0, RTM_SETNEIGHTBL, neightbl_set, null);
  k.neigh_notify_hooks.push(neigh_notify_hook);
}
