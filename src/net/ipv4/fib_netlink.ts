// RTM_*ROUTE for IPv4: requests to the FIB, dumps, `ip route get`, notifications. Mirrors the netlink parts of
// net/ipv4/{fib_frontend,fib_semantics,route}.c. Read first: rtnetlink(7). Way in: fib_netlink_init().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENOBUFS, ENODEV, ENOENT, EOPNOTSUPP } from "../../uapi/errno.ts";
import { ETH_P_IP } from "../../uapi/ip.ts";
import { NLM_F_DUMP_FILTERED, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlAttr,
  type NlAttrs,
  NlMsgWriter,
  nla_get_be16,
  nla_get_in_addr,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_list,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_parse,
  nla_put_in_addr,
  nla_put_u32,
  nla_reserve,
  nlmsg_end,
  nlmsg_put,
  nlmsg_put_raw,
} from "../../uapi/nlattr.ts";
import * as R from "../../uapi/rtnetlink.ts";
import { RTAX_CC_ALGO, RTAX_MAX, RTN_MAX } from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "../../uapi/socket.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import type { NlInfo } from "../core/rtmsg.ts";
import { nl_info, rtnetlink_put_metrics, rtnl_dump_all, rtnl_echo_wanted, rtnl_register } from "../core/rtnetlink.ts";
import { alloc_skb, consume_skb, skb_dst_drop, skb_put, skb_reserve } from "../core/skbuff.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_has_listeners,
  nl_err,
  nlmsg_notify,
  nlmsg_unicast,
} from "../netlink/af_netlink.ts";
import {
  NESTED,
  NLA_MIN_LEN,
  type NlaPolicy,
  nlmsg_parse_deprecated,
  nlmsg_parse_deprecated_strict,
  policy_of,
  U8,
  U16,
  U32,
} from "../netlink/nlattr.ts";
import { fib_get_table, fib_res_table, fib_tables, inet_rtm_delroute, inet_rtm_newroute } from "./fib_frontend.ts";
import { type FibAlias, FibConfig, FibNhConfig } from "./fib_lookup.ts";
import { fib_find_matching_alias, fib_table_dump } from "./fib_trie.ts";
import { type FibInfo, type FibNh, Flowi4 } from "./ip_fib.ts";
import { nexthop_find_by_id, nexthop_is_blackhole } from "./nexthop.ts";
import { flowi4_init_output, ip_route_input_noref, ip_route_output_key, type Rtable } from "./route.ts";
import { tcp_ca_find } from "./tcp_cong.ts";

const INVALID_UID = 0xffffffff;

const rtm_ipv4_policy: NlaPolicy = policy_of(R.RTA_MAX, [
  [R.RTA_DST, U32],
  [R.RTA_SRC, U32],
  [R.RTA_IIF, U32],
  [R.RTA_OIF, U32],
  [R.RTA_GATEWAY, U32],
  [R.RTA_PRIORITY, U32],
  [R.RTA_PREFSRC, U32],
  [R.RTA_METRICS, NESTED],
  [R.RTA_MULTIPATH, { type: NLA_MIN_LEN, len: R.RTNEXTHOP_LEN }],
  [R.RTA_FLOW, U32],
  [R.RTA_ENCAP_TYPE, U16],
  [R.RTA_ENCAP, NESTED],
  [R.RTA_UID, U32],
  [R.RTA_MARK, U32],
  [R.RTA_TABLE, U32],
  [R.RTA_IP_PROTO, U8],
  [R.RTA_SPORT, U16],
  [R.RTA_DPORT, U16],
  [R.RTA_NH_ID, U32],
]);

const INET_ECN_MASK = 3;

// --- RTM_NEWROUTE, RTM_DELROUTE -----------------------------------------------------------------------------------

/** RTA_VIA: family u16 and the address of the gateway. */
function gw_from_via(req: NlRequest, a: NlAttr, cfg: FibConfig | FibNhConfig): number {
  if (a.len < 2) return req.bad(a, "Invalid attribute length for RTA_VIA", -EINVAL);
  const family = a.dv.getUint16(a.off, true);
  if (family === AF_INET) {
    if (a.len !== 6) return nl_err(req.extack, "Invalid IPv4 address in RTA_VIA", -EINVAL);
    const gw = a.dv.getInt32(a.off + 2);
    if (cfg instanceof FibConfig) {
      cfg.fc_gw = gw;
      cfg.fc_has_gw = true;
    } else {
      cfg.gw = gw;
      cfg.has_gw = true;
    }
    return 0;
  }
  if (family === AF_INET6) {
    if (a.len !== 18) return nl_err(req.extack, "Invalid IPv6 address in RTA_VIA", -EINVAL);
    return nl_err(req.extack, "IPv6 support not enabled in kernel", -EINVAL);
  }
  return nl_err(req.extack, "Unsupported address family in RTA_VIA", -EINVAL);
}

function parse_metrics(req: NlRequest, a: NlAttr, cfg: FibConfig): number {
  const mx = new Int32Array(RTAX_MAX + 1);
  for (const x of nla_list(a)) {
    if (x.type === 0) continue;
    if (x.type > RTAX_MAX) return nl_err(req.extack, "Invalid metric type", -EINVAL);
    if (x.type === RTAX_CC_ALGO) {
      cfg.fc_cc_algo = nla_get_string(x);
      if (tcp_ca_find(req.net.kernel, cfg.fc_cc_algo) === null) {
        return nl_err(req.extack, "Unknown tcp congestion algorithm", -EINVAL);
      }
    } else if (x.len !== 4) return req.bad(x, "Invalid attribute in metrics", -EINVAL);
    else mx[x.type] = nla_get_u32(x) | 0;
  }
  cfg.fc_mx = mx;
  return 0;
}

/** RTA_MULTIPATH: struct rtnexthop with attributes, one behind the other. */
function parse_multipath(req: NlRequest, a: NlAttr, cfg: FibConfig): number {
  const mp: FibNhConfig[] = [];
  let at = a.off;
  const end = a.off + a.len;
  while (end - at >= R.RTNEXTHOP_LEN) {
    const len = a.dv.getUint16(at, true);
    if (len < R.RTNEXTHOP_LEN || len > end - at) break;
    const nh = new FibNhConfig();
    nh.flags = a.buf[at + 2]!;
    nh.weight = a.buf[at + 3]! + 1;
    nh.oif = a.dv.getInt32(at + 4, true);
    const tb = nla_parse(a.buf, a.dv, at + R.RTNEXTHOP_LEN, len - R.RTNEXTHOP_LEN);
    const gw = tb[R.RTA_GATEWAY];
    const via = tb[R.RTA_VIA];
    if (gw !== undefined && via !== undefined) {
      return nl_err(req.extack, "Nexthop configuration can not contain both GATEWAY and VIA", -EINVAL);
    }
    if (gw !== undefined) {
      if (gw.len < 4) return req.bad(gw, "Invalid IPv4 address in RTA_GATEWAY", -EINVAL);
      nh.gw = nla_get_in_addr(gw);
      nh.has_gw = nh.gw !== 0;
    } else if (via !== undefined) {
      const err = gw_from_via(req, via, nh);
      if (err < 0) return err;
    }
    mp.push(nh);
    at += (len + 3) & ~3;
  }
  if (at < end) return nl_err(req.extack, "Invalid nexthop configuration - extra data after nexthop", -EINVAL);
  if (mp.length === 0) return -EINVAL;
  cfg.fc_mp = mp;
  return 0;
}

function rtm_to_fib_config(req: NlRequest): FibConfig | number {
  const m = req.msg;
  const tb: NlAttrs = [];
  let err = nlmsg_parse_deprecated(req, R.RTMSG_LEN, tb, rtm_ipv4_policy);
  if (err < 0) return err;
  const cfg = new FibConfig();
  const h = (off: number): number => m.buf[m.off + off]!;
  if ((h(R.RTMSG_TOS) & INET_ECN_MASK) !== 0) {
    return nl_err(req.extack, "Invalid dsfield (tos): ECN bits must be 0", -EINVAL);
  }
  cfg.fc_dscp = h(R.RTMSG_TOS);
  cfg.fc_dst_len = h(R.RTMSG_DST_LEN);
  cfg.fc_table = h(R.RTMSG_TABLE);
  cfg.fc_protocol = h(R.RTMSG_PROTOCOL);
  cfg.fc_scope = h(R.RTMSG_SCOPE);
  cfg.fc_type = h(R.RTMSG_TYPE);
  cfg.fc_flags = m.dv.getUint32(m.off + R.RTMSG_FLAGS, true) | 0;
  cfg.fc_nlflags = m.flags;
  cfg.fc_nlinfo = nl_info(req);
  if (cfg.fc_type > RTN_MAX) return nl_err(req.extack, "Invalid route type", -EINVAL);
  if (tb[R.RTA_ENCAP] !== undefined || tb[R.RTA_ENCAP_TYPE] !== undefined) {
    return req.bad(tb[R.RTA_ENCAP_TYPE], "Unknown lwt encapsulation type", -EOPNOTSUPP);
  }
  if (tb[R.RTA_GATEWAY] !== undefined && tb[R.RTA_VIA] !== undefined) {
    return nl_err(req.extack, "Nexthop configuration can not contain both GATEWAY and VIA", -EINVAL);
  }
  cfg.fc_dst = nla_get_in_addr(tb[R.RTA_DST]);
  cfg.fc_oif = nla_get_u32(tb[R.RTA_OIF]) | 0;
  if (tb[R.RTA_GATEWAY] !== undefined) {
    cfg.fc_gw = nla_get_in_addr(tb[R.RTA_GATEWAY]);
    cfg.fc_has_gw = cfg.fc_gw !== 0;
  }
  if (tb[R.RTA_VIA] !== undefined) err = gw_from_via(req, tb[R.RTA_VIA], cfg);
  cfg.fc_priority = nla_get_u32(tb[R.RTA_PRIORITY]) | 0;
  cfg.fc_prefsrc = nla_get_in_addr(tb[R.RTA_PREFSRC]);
  if (err === 0 && tb[R.RTA_METRICS] !== undefined) err = parse_metrics(req, tb[R.RTA_METRICS], cfg);
  if (err === 0 && tb[R.RTA_MULTIPATH] !== undefined) err = parse_multipath(req, tb[R.RTA_MULTIPATH], cfg);
  if (err < 0) return err;
  if (tb[R.RTA_TABLE] !== undefined) cfg.fc_table = nla_get_u32(tb[R.RTA_TABLE]) | 0;
  cfg.fc_nh_id = nla_get_u32(tb[R.RTA_NH_ID]) | 0;
  if (cfg.fc_nh_id !== 0 && (cfg.fc_oif !== 0 || cfg.fc_has_gw || cfg.fc_mp !== null)) {
    return nl_err(req.extack, "Nexthop specification and nexthop id are mutually exclusive", -EINVAL);
  }
  if (cfg.fc_table === 0) cfg.fc_table = R.RT_TABLE_MAIN;
  return cfg;
}

function rtm_newroute(req: NlRequest): number {
  const cfg = rtm_to_fib_config(req);
  return typeof cfg === "number" ? cfg : inet_rtm_newroute(req.net, cfg, req.extack);
}

function rtm_delroute(req: NlRequest): number {
  const cfg = rtm_to_fib_config(req);
  if (typeof cfg === "number") return cfg;
  if (cfg.fc_nh_id !== 0 && nexthop_find_by_id(req.net, cfg.fc_nh_id) === null) {
    return nl_err(req.extack, "Nexthop id does not exist", -EINVAL);
  }
  return inet_rtm_delroute(req.net, cfg, req.extack);
}

// --- one route ----------------------------------------------------------------------------------------------------

/** Flags of a path as programs see them. */
function nh_flags(nh: FibNh): number {
  let flags = nh.flags & (R.RTNH_F_DEAD | R.RTNH_F_LINKDOWN | R.RTNH_F_ONLINK);
  const in_dev = nh.dev !== null ? nh.dev.ip_ptr : null;
  if ((flags & R.RTNH_F_LINKDOWN) !== 0 && in_dev !== null && in_dev.cnf.ignore_routes_with_linkdown !== 0) {
    flags |= R.RTNH_F_DEAD;
  }
  return flags;
}

function put_multipath(w: NlMsgWriter, fi: FibInfo): void {
  const nest = nla_nest_start_noflag(w, R.RTA_MULTIPATH);
  for (const nh of fi.nhs) {
    const at = nlmsg_put_raw(w, R.RTNEXTHOP_LEN);
    w.buf[at + 2] = nh_flags(nh) & 0xff;
    w.buf[at + 3] = nh.weight - 1;
    w.dv.setInt32(at + 4, nh.dev !== null ? nh.dev.ifindex : nh.oif, true);
    if (nh.gw !== 0) nla_put_in_addr(w, R.RTA_GATEWAY, nh.gw);
    w.dv.setUint16(at, w.len - at, true);
  }
  nla_nest_end(w, nest);
}

export function fib_dump_info(
  w: NlMsgWriter,
  fa: FibAlias,
  event: number,
  portid: number,
  seq: number,
  flags: number,
): void {
  const fi = fa.fa_info;
  const at = nlmsg_put(w, event, flags, seq, portid, R.RTMSG_LEN);
  const tb_id = fa.tb_id >>> 0;
  const blackhole = fi.nh !== null && nexthop_is_blackhole(fi.nh);
  w.buf[at] = AF_INET;
  w.buf[at + R.RTMSG_DST_LEN] = fa.leaf.plen;
  w.buf[at + R.RTMSG_TOS] = fa.fa_dscp;
  w.buf[at + R.RTMSG_TABLE] = tb_id < 256 ? tb_id : R.RT_TABLE_COMPAT;
  w.buf[at + R.RTMSG_PROTOCOL] = fi.protocol;
  w.buf[at + R.RTMSG_SCOPE] = fi.scope;
  w.buf[at + R.RTMSG_TYPE] = blackhole ? R.RTN_BLACKHOLE : fa.fa_type;
  let rtm_flags = fi.flags;
  nla_put_u32(w, R.RTA_TABLE, tb_id);
  if (fa.leaf.plen > 0) nla_put_in_addr(w, R.RTA_DST, fa.leaf.key);
  if (fi.priority !== 0) nla_put_u32(w, R.RTA_PRIORITY, fi.priority);
  rtnetlink_put_metrics(w, R.RTA_METRICS, fi.metrics, fi.cc_algo);
  if (fi.prefsrc !== 0) nla_put_in_addr(w, R.RTA_PREFSRC, fi.prefsrc);
  const own_paths = fi.nh === null || (!blackhole && fi.net.ipv4.sysctl_nexthop_compat_mode !== 0);
  if (fi.nh !== null) nla_put_u32(w, R.RTA_NH_ID, fi.nh_id);
  if (own_paths) {
    if (fi.nhs.length === 1) {
      const nh = fi.nhs[0]!;
      if (nh.gw !== 0) nla_put_in_addr(w, R.RTA_GATEWAY, nh.gw);
      if (nh.dev !== null) nla_put_u32(w, R.RTA_OIF, nh.dev.ifindex);
      rtm_flags |= nh_flags(nh);
    } else put_multipath(w, fi);
  }
  w.dv.setUint32(at + R.RTMSG_FLAGS, rtm_flags >>> 0, true);
  nlmsg_end(w);
}

function rtmsg_fib(net: Net, event: number, fa: FibAlias, info: NlInfo | null): void {
  const echo = info !== null && rtnl_echo_wanted(net.kernel, info);
  if (!echo && !netlink_has_listeners(net, 0, R.RTNLGRP_IPV4_ROUTE)) return;
  const w = new NlMsgWriter(256);
  fib_dump_info(w, fa, event, info?.portid ?? 0, info?.seq ?? 0, info?.nlflags ?? 0);
  nlmsg_notify(net, 0, w, info?.portid ?? 0, R.RTNLGRP_IPV4_ROUTE, echo);
}

// --- dumps --------------------------------------------------------------------------------------------------------

interface FibDumpFilter {
  table: number;
  protocol: number;
  type: number;
  dev: NetDevice | null;
  filtered: boolean;
  routes: boolean;
  exceptions: boolean;
}

function ip_valid_fib_dump_req(req: NlRequest, f: FibDumpFilter): number {
  const m = req.msg;
  if (m.len < R.RTMSG_LEN) return nl_err(req.extack, "Invalid header for FIB dump request", -EINVAL);
  const h = (off: number): number => m.buf[m.off + off]!;
  if (h(R.RTMSG_DST_LEN) !== 0 || h(R.RTMSG_SRC_LEN) !== 0 || h(R.RTMSG_TOS) !== 0 || h(R.RTMSG_SCOPE) !== 0) {
    return nl_err(req.extack, "Invalid values in header for FIB dump request", -EINVAL);
  }
  const flags = m.dv.getUint32(m.off + R.RTMSG_FLAGS, true);
  if ((flags & ~(R.RTM_F_CLONED | R.RTM_F_PREFIX)) !== 0) {
    return nl_err(req.extack, "Invalid flags for FIB dump request", -EINVAL);
  }
  if ((flags & R.RTM_F_CLONED) !== 0) f.routes = false;
  else f.exceptions = false;
  f.protocol = h(R.RTMSG_PROTOCOL);
  f.type = h(R.RTMSG_TYPE);
  f.table = h(R.RTMSG_TABLE);
  f.filtered = f.protocol !== 0 || f.type !== 0 || f.table !== 0;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated_strict(req, R.RTMSG_LEN, tb, rtm_ipv4_policy);
  if (err < 0) return err;
  for (let i = 0; i < tb.length; i++) {
    if (tb[i] === undefined) continue;
    if (i === R.RTA_TABLE) {
      f.table = nla_get_u32(tb[i]) | 0;
      f.filtered = true;
    } else if (i === R.RTA_OIF) {
      const dev = req.net.dev_by_index.get(nla_get_u32(tb[i]) | 0);
      if (dev === undefined) return -ENODEV;
      f.dev = dev;
      f.filtered = true;
    } else return nl_err(req.extack, "Unsupported attribute in dump request", -EINVAL);
  }
  return 0;
}

function passes(fa: FibAlias, f: FibDumpFilter): boolean {
  const fi = fa.fa_info;
  if (f.protocol !== 0 && fi.protocol !== f.protocol) return false;
  if (f.type !== 0 && fa.fa_type !== f.type) return false;
  return f.dev === null || fi.nhs.some((nh) => nh.dev === f.dev);
}

function* dump_exceptions(req: NlRequest, w: NlMsgWriter, fa: FibAlias, f: FibDumpFilter): NetlinkDump {
  const now = jiffies(req.net.kernel);
  for (const nh of fa.fa_info.nhs) {
    if (nh.exceptions === null || (f.dev !== null && nh.dev !== f.dev)) continue;
    for (const e of [...nh.exceptions.values()]) {
      if (e.expires !== 0 && e.expires <= now) continue;
      const rt = e.rth_input ?? e.rth_output;
      if (rt === null) continue;
      const info: RtFill = {
        dscp: fa.fa_dscp,
        dst: e.daddr,
        src: 0,
        table: fa.tb_id,
        fl4: null,
        iif: 0,
        flags: NLM_F_MULTI | R_FILTERED(f),
      };
      rt_fill_info(w, req, rt, info);
      yield;
    }
  }
  return 0;
}

const R_FILTERED = (f: FibDumpFilter): number => (f.filtered ? NLM_F_DUMP_FILTERED : 0);

function* inet_dump_fib(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const m = req.msg;
  const net = req.net;
  const f: FibDumpFilter = {
    table: 0,
    protocol: 0,
    type: 0,
    dev: null,
    filtered: false,
    routes: true,
    exceptions: true,
  };
  if (req.strict) {
    const err = ip_valid_fib_dump_req(req, f);
    if (err < 0) return err;
  } else {
    const flags = m.len >= R.RTMSG_LEN ? m.dv.getUint32(m.off + R.RTMSG_FLAGS, true) : 0;
    if ((flags & R.RTM_F_PREFIX) !== 0) return 0;
    if ((flags & R.RTM_F_CLONED) !== 0) f.routes = false;
    else f.exceptions = false;
  }
  // A prefix flag is for IPv6's router advertisements.
  if (req.strict && (m.dv.getUint32(m.off + R.RTMSG_FLAGS, true) & R.RTM_F_PREFIX) !== 0) return 0;
  let tables = fib_tables(net);
  if (f.table !== 0) {
    const tb = fib_get_table(net, f.table);
    if (tb === null) {
      return m.buf[m.off] !== AF_INET ? 0 : nl_err(req.extack, "ipv4: FIB table does not exist", -ENOENT);
    }
    tables = [tb];
  }
  const flags = NLM_F_MULTI | R_FILTERED(f);
  for (const tb of tables) {
    for (const fa of fib_table_dump(tb)) {
      if (fa.fa_info.dead || !passes(fa, f)) continue;
      if (f.routes) {
        fib_dump_info(w, fa, R.RTM_NEWROUTE, req.portid, m.seq, flags);
        yield;
      }
      if (f.exceptions) yield* dump_exceptions(req, w, fa, f);
    }
  }
  return 0;
}

// --- ip route get -------------------------------------------------------------------------------------------------

interface RtFill {
  /** Of the route that was found, not of the question. */
  dscp: number;
  dst: number;
  src: number;
  table: number;
  fl4: Flowi4 | null;
  iif: number;
  flags: number;
}

function rt_fill_info(w: NlMsgWriter, req: NlRequest, rt: Rtable, i: RtFill): void {
  const now = jiffies(req.net.kernel);
  const at = nlmsg_put(w, R.RTM_NEWROUTE, i.flags, req.msg.seq, req.portid, R.RTMSG_LEN);
  const table = i.table >>> 0;
  w.buf[at] = AF_INET;
  w.buf[at + R.RTMSG_DST_LEN] = 32;
  w.buf[at + R.RTMSG_TOS] = i.dscp;
  w.buf[at + R.RTMSG_TABLE] = table < 256 ? table : R.RT_TABLE_COMPAT;
  w.buf[at + R.RTMSG_TYPE] = rt.rt_type;
  const notify = (req.msg.dv.getUint32(req.msg.off + R.RTMSG_FLAGS, true) & R.RTM_F_NOTIFY) !== 0;
  const rtm_flags = (rt.rt_flags & ~0xffff) | R.RTM_F_CLONED | (notify ? R.RTM_F_NOTIFY : 0);
  w.dv.setUint32(at + R.RTMSG_FLAGS, rtm_flags >>> 0, true);
  nla_put_u32(w, R.RTA_TABLE, table);
  nla_put_in_addr(w, R.RTA_DST, i.dst);
  if (i.src !== 0) {
    w.buf[at + R.RTMSG_SRC_LEN] = 32;
    nla_put_in_addr(w, R.RTA_SRC, i.src);
  }
  nla_put_u32(w, R.RTA_OIF, rt.dev.ifindex);
  if (!rt.rt_is_input && i.fl4 !== null && i.fl4.saddr !== i.src) nla_put_in_addr(w, R.RTA_PREFSRC, i.fl4.saddr);
  if (rt.rt_uses_gateway && rt.rt_gw4 !== 0) nla_put_in_addr(w, R.RTA_GATEWAY, rt.rt_gw4);
  let expires = rt.expires;
  if (expires !== 0) expires = Math.max(0, expires - now);
  const metrics = Int32Array.from(rt.metrics);
  if (rt.rt_pmtu !== 0 && rt.expires !== 0) metrics[R.RTAX_MTU] = rt.rt_pmtu;
  if (rt.rt_mtu_locked && metrics[R.RTAX_MTU] !== 0) metrics[R.RTAX_LOCK] = metrics[R.RTAX_LOCK]! | (1 << R.RTAX_MTU);
  rtnetlink_put_metrics(w, R.RTA_METRICS, metrics, "");
  if (i.fl4 !== null) {
    if (i.fl4.flowi4_mark !== 0) nla_put_u32(w, R.RTA_MARK, i.fl4.flowi4_mark);
    if (i.fl4.flowi4_uid !== INVALID_UID) nla_put_u32(w, R.RTA_UID, i.fl4.flowi4_uid);
    if (rt.rt_is_input) nla_put_u32(w, R.RTA_IIF, i.iif);
  }
  // struct rta_cacheinfo; the route itself counts as one user, the answer as another.
  const ci = nla_reserve(w, R.RTA_CACHEINFO, R.RTA_CACHEINFO_LEN);
  w.dv.setUint32(ci, rt.refcnt, true);
  w.dv.setUint32(ci + 4, Math.floor((now - rt.lastuse) / 10), true);
  w.dv.setUint32(ci + 8, Math.ceil(expires / 10), true);
  w.dv.setInt32(ci + 12, -rt.error, true);
  nlmsg_end(w);
}

const GET_ALLOWED: readonly number[] = [
  R.RTA_IIF,
  R.RTA_OIF,
  R.RTA_SRC,
  R.RTA_DST,
  R.RTA_IP_PROTO,
  R.RTA_SPORT,
  R.RTA_DPORT,
  R.RTA_MARK,
  R.RTA_UID,
];

function inet_rtm_valid_getroute_req(req: NlRequest, tb: NlAttrs): number {
  const m = req.msg;
  if (m.len < R.RTMSG_LEN) return nl_err(req.extack, "ipv4: Invalid header for route get request", -EINVAL);
  if (!req.strict) return nlmsg_parse_deprecated(req, R.RTMSG_LEN, tb, rtm_ipv4_policy);
  const h = (off: number): number => m.buf[m.off + off]!;
  const bad_len = (n: number): boolean => n !== 0 && n !== 32;
  if (
    bad_len(h(R.RTMSG_SRC_LEN)) ||
    bad_len(h(R.RTMSG_DST_LEN)) ||
    h(R.RTMSG_TABLE) !== 0 ||
    h(R.RTMSG_PROTOCOL) !== 0 ||
    h(R.RTMSG_SCOPE) !== 0 ||
    h(R.RTMSG_TYPE) !== 0
  ) {
    return nl_err(req.extack, "ipv4: Invalid values in header for route get request", -EINVAL);
  }
  const flags = m.dv.getUint32(m.off + R.RTMSG_FLAGS, true);
  if ((flags & ~(R.RTM_F_NOTIFY | R.RTM_F_LOOKUP_TABLE | R.RTM_F_FIB_MATCH)) !== 0) {
    return nl_err(req.extack, "ipv4: Unsupported rtm_flags for route get request", -EINVAL);
  }
  const err = nlmsg_parse_deprecated_strict(req, R.RTMSG_LEN, tb, rtm_ipv4_policy);
  if (err < 0) return err;
  if (
    (tb[R.RTA_SRC] !== undefined && h(R.RTMSG_SRC_LEN) === 0) ||
    (tb[R.RTA_DST] !== undefined && h(R.RTMSG_DST_LEN) === 0)
  ) {
    return nl_err(req.extack, "ipv4: rtm_src_len and rtm_dst_len must be 32 for IPv4", -EINVAL);
  }
  for (let i = 0; i < tb.length; i++) {
    if (tb[i] !== undefined && !GET_ALLOWED.includes(i)) {
      return nl_err(req.extack, "ipv4: Unsupported attribute in route get request", -EINVAL);
    }
  }
  return 0;
}

/** The question as a packet that came in by `dev`. The route, with a reference for the caller, or -errno. */
function input_route(req: NlRequest, fl4: Flowi4, dev: NetDevice): Rtable | number {
  const skb = alloc_skb(req.net.kernel, 256);
  if (skb === null) return -ENOBUFS;
  skb_reserve(skb, 64);
  const at = skb_put(skb, 28);
  const { dv, u8 } = skb.head;
  u8.fill(0, at, at + 28);
  skb.network_header = at;
  skb.mac_header = at;
  skb.transport_header = at + 20;
  dv.setUint8(at, 0x45);
  dv.setUint8(at + 1, fl4.flowi4_tos);
  dv.setUint16(at + 2, 28);
  dv.setUint8(at + 8, 64);
  dv.setUint8(at + 9, fl4.flowi4_proto !== 0 ? fl4.flowi4_proto : 17);
  dv.setInt32(at + 12, fl4.saddr);
  dv.setInt32(at + 16, fl4.daddr);
  dv.setUint16(at + 20, fl4.fl4_sport);
  dv.setUint16(at + 22, fl4.fl4_dport);
  skb.protocol = ETH_P_IP;
  skb.dev = dev;
  skb.mark = fl4.flowi4_mark;
  const err = ip_route_input_noref(skb, fl4.daddr, fl4.saddr, fl4.flowi4_tos, dev);
  if (err !== 0) {
    consume_skb(skb);
    return err;
  }
  const rt = skb.dst as Rtable;
  rt.refcnt++;
  skb_dst_drop(skb);
  consume_skb(skb);
  if (rt.error !== 0) {
    const e = rt.error < 0 ? rt.error : -rt.error;
    rt.release(rt);
    return e;
  }
  return rt;
}

function inet_rtm_getroute(req: NlRequest): number {
  const m = req.msg;
  const net = req.net;
  const tb: NlAttrs = [];
  const err = inet_rtm_valid_getroute_req(req, tb);
  if (err < 0) return err;
  const dst = nla_get_in_addr(tb[R.RTA_DST]);
  const src = nla_get_in_addr(tb[R.RTA_SRC]);
  const iif = nla_get_u32(tb[R.RTA_IIF]) | 0;
  const oif = nla_get_u32(tb[R.RTA_OIF]) | 0;
  const proto = tb[R.RTA_IP_PROTO] !== undefined ? nla_get_u8(tb[R.RTA_IP_PROTO]) : 17;
  if (tb[R.RTA_IP_PROTO] !== undefined && ![1, 6, 17, 58].includes(proto)) {
    return req.bad(tb[R.RTA_IP_PROTO], "Unsupported ip proto", -EOPNOTSUPP);
  }
  const rtm_flags = m.dv.getUint32(m.off + R.RTMSG_FLAGS, true);
  const tos = m.buf[m.off + R.RTMSG_TOS]! & 0xfc;
  const fl4 = new Flowi4();
  const sport = nla_get_be16(tb[R.RTA_SPORT]);
  const dport = nla_get_be16(tb[R.RTA_DPORT]);
  flowi4_init_output(fl4, oif, nla_get_u32(tb[R.RTA_MARK]) | 0, tos, 0, proto, 0, dst, src, dport, sport);
  // A packet that came in is nobody's.
  fl4.flowi4_uid = tb[R.RTA_UID] === undefined && iif !== 0 ? INVALID_UID : nla_get_u32(tb[R.RTA_UID]);
  let rt: Rtable | number;
  if (iif !== 0) {
    const dev = net.dev_by_index.get(iif);
    if (dev === undefined) return -ENODEV;
    fl4.flowi4_iif = iif;
    rt = input_route(req, fl4, dev);
  } else rt = ip_route_output_key(net, fl4);
  if (typeof rt === "number") return rt;
  const w = new NlMsgWriter(256);
  const res = net.kernel.route_res;
  const table =
    (rtm_flags & R.RTM_F_LOOKUP_TABLE) !== 0 && res.fi !== null
      ? fib_res_table(net, res) || R.RT_TABLE_MAIN
      : R.RT_TABLE_MAIN;
  let answer = 0;
  if ((rtm_flags & R.RTM_F_FIB_MATCH) !== 0) {
    const tbl = res.fi !== null ? fib_get_table(net, res.tb_id) : null;
    const fa =
      tbl !== null ? fib_find_matching_alias(tbl, res.prefix, res.prefixlen, res.dscp, res.fi!, res.type) : null;
    if (fa !== null) fib_dump_info(w, fa, R.RTM_NEWROUTE, req.portid, m.seq, 0);
    else answer = nl_err(req.extack, "ipv4: No route to destination", -113);
  } else rt_fill_info(w, req, rt, { dscp: res.fi !== null ? res.dscp : 0, dst, src, table, fl4, iif, flags: 0 });
  rt.release(rt);
  return answer < 0 ? answer : nlmsg_unicast(req, w);
}

/** After ip_fib_init(). */
export function fib_netlink_init(k: Kernel): void {
  rtnl_register(k, AF_INET, R.RTM_NEWROUTE, rtm_newroute, null);
  rtnl_register(k, AF_INET, R.RTM_DELROUTE, rtm_delroute, null);
  rtnl_register(k, AF_INET, R.RTM_GETROUTE, inet_rtm_getroute, inet_dump_fib);
  rtnl_register(k, 0, R.RTM_GETROUTE, null, rtnl_dump_all);
  k.rtmsg_hooks.push((net, event, obj, info) => {
    if (event === R.RTM_NEWROUTE || event === R.RTM_DELROUTE) rtmsg_fib(net, event, obj as FibAlias, info);
  });
}
