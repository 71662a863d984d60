// RTM_*NEXTHOP. Mirrors the netlink part of net/ipv4/nexthop.c. Read first: nexthop.ts. Way in: nexthop_netlink_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENOENT, EOPNOTSUPP } from "../../uapi/errno.ts";
import { NLM_F_DUMP_FILTERED, NLM_F_MULTI } from "../../uapi/netlink.ts";
import * as H from "../../uapi/nexthop.ts";
import {
  type NlAttrs,
  NlMsgWriter,
  nla_get_in_addr,
  nla_get_u16,
  nla_get_u32,
  nla_put_flag,
  nla_put_in_addr,
  nla_put_u16,
  nla_put_u32,
  nla_reserve,
  nlmsg_end,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import { RTM_DELNEXTHOP, RTM_GETNEXTHOP, RTM_NEWNEXTHOP, RTNLGRP_NEXTHOP } from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NlInfo } from "../core/rtmsg.ts";
import { nl_info, rtnl_notify, rtnl_register } from "../core/rtnetlink.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_has_listeners,
  nl_err,
  nlmsg_unicast,
} from "../netlink/af_netlink.ts";
import {
  FLAG,
  NESTED,
  NLA_BINARY,
  type NlaPolicy,
  nlmsg_parse_deprecated_strict,
  policy_of,
  U16,
  U32,
} from "../netlink/nlattr.ts";
import {
  type Nexthop,
  NhConfig,
  nexthop_dump,
  nexthop_find_by_id,
  rtm_del_nexthop,
  rtm_new_nexthop,
} from "./nexthop.ts";

const NHA_OP_FLAGS = 14;
/** The answer's weights are 16 bits wide: the reserved byte is meant (NHA_OP_FLAG_RESP_GRP_RESVD_0). */
const NHA_OP_FLAG_RESP_GRP_RESVD_0 = 0x80000000;

const nh_policy: NlaPolicy = policy_of(NHA_OP_FLAGS, [
  [H.NHA_ID, U32],
  [H.NHA_GROUP, { type: NLA_BINARY }],
  [H.NHA_GROUP_TYPE, U16],
  [H.NHA_BLACKHOLE, FLAG],
  [H.NHA_OIF, U32],
  [H.NHA_GATEWAY, { type: NLA_BINARY }],
  [H.NHA_ENCAP_TYPE, U16],
  [H.NHA_ENCAP, NESTED],
  [H.NHA_GROUPS, FLAG],
  [H.NHA_MASTER, U32],
  [H.NHA_FDB, FLAG],
  [H.NHA_RES_GROUP, NESTED],
  [H.NHA_RES_BUCKET, NESTED],
  [NHA_OP_FLAGS, U32],
]);

function nh_fill_node(w: NlMsgWriter, nh: Nexthop, event: number, portid: number, seq: number, flags: number): void {
  const at = nlmsg_put(w, event, flags, seq, portid, H.NHMSG_LEN);
  w.buf[at + H.NHMSG_FAMILY] = nh.group !== null ? AF_UNSPEC : nh.family;
  w.buf[at + H.NHMSG_PROTOCOL] = nh.protocol;
  w.dv.setUint32(at + H.NHMSG_FLAGS, nh.flags >>> 0, true);
  nla_put_u32(w, H.NHA_ID, nh.id);
  if (nh.group !== null) {
    nla_put_u16(w, H.NHA_GROUP_TYPE, H.NEXTHOP_GRP_TYPE_MPATH);
    const p = nla_reserve(w, H.NHA_GROUP, nh.group.length * H.NEXTHOP_GRP_LEN);
    nh.group.forEach((e, i) => {
      w.dv.setUint32(p + i * H.NEXTHOP_GRP_LEN, e.nh.id, true);
      w.buf[p + i * H.NEXTHOP_GRP_LEN + 4] = (e.weight - 1) & 0xff;
      w.buf[p + i * H.NEXTHOP_GRP_LEN + 5] = (e.weight - 1) >> 8;
    });
    nla_put_u32(w, NHA_OP_FLAGS, NHA_OP_FLAG_RESP_GRP_RESVD_0);
  } else if (nh.blackhole) nla_put_flag(w, H.NHA_BLACKHOLE);
  else {
    const path = nh.path!;
    w.buf[at + H.NHMSG_SCOPE] = path.scope;
    w.dv.setUint32(at + H.NHMSG_FLAGS, (nh.flags | (path.flags & 0x1f)) >>> 0, true);
    if (path.dev !== null) nla_put_u32(w, H.NHA_OIF, path.dev.ifindex);
    if (path.gw !== 0) nla_put_in_addr(w, H.NHA_GATEWAY, path.gw);
  }
  nlmsg_end(w);
}

// --- requests -----------------------------------------------------------------------------------------------------

function parse_group(req: NlRequest, tb: NlAttrs, cfg: NhConfig): number {
  const a = tb[H.NHA_GROUP]!;
  if (a.len === 0 || a.len % H.NEXTHOP_GRP_LEN !== 0) {
    return nl_err(req.extack, "Invalid length for nexthop group attribute", -EINVAL);
  }
  cfg.nh_grp = [];
  for (let at = a.off; at < a.off + a.len; at += H.NEXTHOP_GRP_LEN) {
    if (a.dv.getUint16(at + 6, true) !== 0) {
      return nl_err(req.extack, "Reserved field in nexthop_grp must be 0", -EINVAL);
    }
    const weight = a.buf[at + 4]! + (a.buf[at + 5]! << 8) + 1;
    if (weight > 65535) return nl_err(req.extack, "Invalid value for weight", -EINVAL);
    cfg.nh_grp.push({ id: a.dv.getUint32(at, true) | 0, weight });
  }
  for (const type of [H.NHA_BLACKHOLE, H.NHA_OIF, H.NHA_GATEWAY, H.NHA_ENCAP_TYPE, H.NHA_ENCAP]) {
    if (tb[type] !== undefined) {
      return req.bad(tb[type], "No other attributes can be set in nexthop groups", -EINVAL);
    }
  }
  return 0;
}

function rtm_to_nh_config(req: NlRequest): NhConfig | number {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated_strict(req, H.NHMSG_LEN, tb, nh_policy);
  if (err < 0) return err;
  const cfg = new NhConfig();
  const family = m.buf[m.off]!;
  if (m.buf[m.off + 3] !== 0 || m.buf[m.off + H.NHMSG_SCOPE] !== 0) {
    return nl_err(req.extack, "Invalid values in ancillary header", -EINVAL);
  }
  if (family !== AF_INET && family !== AF_INET6 && !(family === AF_UNSPEC && tb[H.NHA_GROUP] !== undefined)) {
    return nl_err(req.extack, "Invalid address family", -EINVAL);
  }
  if (tb[H.NHA_GROUPS] !== undefined || tb[H.NHA_MASTER] !== undefined) {
    return nl_err(req.extack, "Invalid attributes in request", -EINVAL);
  }
  cfg.nh_family = family;
  cfg.nh_protocol = m.buf[m.off + H.NHMSG_PROTOCOL]!;
  cfg.nh_flags = m.dv.getUint32(m.off + H.NHMSG_FLAGS, true) | 0;
  cfg.nlflags = m.flags;
  cfg.nlinfo = nl_info(req);
  cfg.nh_id = nla_get_u32(tb[H.NHA_ID]) | 0;
  cfg.nh_grp_type = nla_get_u16(tb[H.NHA_GROUP_TYPE]);
  if (tb[H.NHA_FDB] !== undefined || tb[H.NHA_RES_GROUP] !== undefined) return -EOPNOTSUPP;
  if (tb[H.NHA_GROUP] !== undefined) {
    if (family !== AF_UNSPEC) return nl_err(req.extack, "Invalid family for group", -EINVAL);
    const bad = parse_group(req, tb, cfg);
    return bad < 0 ? bad : cfg;
  }
  if (tb[H.NHA_BLACKHOLE] !== undefined) {
    if (tb[H.NHA_GATEWAY] !== undefined || tb[H.NHA_OIF] !== undefined || tb[H.NHA_ENCAP] !== undefined) {
      return nl_err(req.extack, "Blackhole attribute can not be used with gateway, oif, encap or fdb", -EINVAL);
    }
    cfg.nh_blackhole = true;
    return cfg;
  }
  if (tb[H.NHA_ENCAP] !== undefined || tb[H.NHA_ENCAP_TYPE] !== undefined) return -EOPNOTSUPP;
  cfg.nh_ifindex = nla_get_u32(tb[H.NHA_OIF]) | 0;
  const gw = tb[H.NHA_GATEWAY];
  if (gw !== undefined) {
    if (family === AF_INET6) return nl_err(req.extack, "IPv6 support not enabled in kernel", -EOPNOTSUPP);
    if (gw.len !== 4) return req.bad(gw, "Invalid gateway", -EINVAL);
    cfg.gw = nla_get_in_addr(gw);
    cfg.has_gw = true;
  } else if (cfg.nh_flags !== 0) {
    return nl_err(req.extack, "Flags can not be set on a nexthop without a gateway", -EINVAL);
  }
  return cfg;
}

function rtm_newnexthop(req: NlRequest): number {
  const cfg = rtm_to_nh_config(req);
  if (typeof cfg === "number") return cfg;
  return Math.min(0, rtm_new_nexthop(req.net, cfg, req.extack));
}

/** The id of a request that names one object. */
function nh_valid_get_del_req(req: NlRequest): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated_strict(req, H.NHMSG_LEN, tb, nh_policy);
  if (err < 0) return err;
  if (m.buf[m.off + H.NHMSG_PROTOCOL] !== 0 || m.buf[m.off + 3] !== 0 || m.buf[m.off + 1] !== 0) {
    return nl_err(req.extack, "Invalid values in header", -EINVAL);
  }
  if (m.dv.getUint32(m.off + H.NHMSG_FLAGS, true) !== 0) return nl_err(req.extack, "Invalid values in header", -EINVAL);
  if (tb[H.NHA_ID] === undefined) return nl_err(req.extack, "Nexthop id is missing", -EINVAL);
  const id = nla_get_u32(tb[H.NHA_ID]) | 0;
  return id === 0 ? nl_err(req.extack, "Invalid nexthop id", -EINVAL) : id;
}

function rtm_delnexthop(req: NlRequest): number {
  const id = nh_valid_get_del_req(req);
  if (id < 0 && req.extack.msg !== "") return id;
  return rtm_del_nexthop(req.net, id, nl_info(req), req.extack);
}

function rtm_getnexthop(req: NlRequest): number {
  const id = nh_valid_get_del_req(req);
  if (id < 0 && req.extack.msg !== "") return id;
  const nh = nexthop_find_by_id(req.net, id);
  if (nh === null) return -ENOENT;
  const w = new NlMsgWriter(128);
  nh_fill_node(w, nh, RTM_NEWNEXTHOP, req.portid, req.msg.seq, 0);
  return nlmsg_unicast(req, w);
}

function* rtm_dump_nexthop(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated_strict(req, H.NHMSG_LEN, tb, nh_policy);
  if (err < 0) return err;
  if (m.buf[m.off + H.NHMSG_PROTOCOL] !== 0 || m.buf[m.off + 3] !== 0 || m.buf[m.off + 1] !== 0) {
    return nl_err(req.extack, "Invalid values in header for nexthop dump request", -EINVAL);
  }
  const family = m.buf[m.off]!;
  const oif = nla_get_u32(tb[H.NHA_OIF]) | 0;
  const master = nla_get_u32(tb[H.NHA_MASTER]) | 0;
  const groups = tb[H.NHA_GROUPS] !== undefined;
  const filtered = oif !== 0 || master !== 0 || groups;
  // What a filter leaves out is not marked as such, as in Linux: NLM_F_DUMP_FILTERED is for a master or groups alone.
  const flags = NLM_F_MULTI | (filtered && master !== 0 ? NLM_F_DUMP_FILTERED : 0);
  for (const nh of nexthop_dump(req.net)) {
    if (nexthop_find_by_id(req.net, nh.id) !== nh) continue;
    if (groups && nh.group === null) continue;
    if (!groups && family !== AF_UNSPEC && nh.family !== family) continue;
    if (oif !== 0 && (nh.group !== null || nh.path?.dev?.ifindex !== oif)) continue;
    if (master !== 0 && (nh.group !== null || nh.path?.dev?.master?.ifindex !== master)) continue;
    nh_fill_node(w, nh, RTM_NEWNEXTHOP, req.portid, m.seq, flags);
    yield;
  }
  return 0;
}

function nexthop_notify(net: Net, event: number, nh: Nexthop, info: NlInfo | null): void {
  if (info === null && !netlink_has_listeners(net, 0, RTNLGRP_NEXTHOP)) return;
  const w = new NlMsgWriter(128);
  const replaced = event === RTM_NEWNEXTHOP && info !== null ? info.nlflags & 0x100 : 0;
  nh_fill_node(w, nh, event, info?.portid ?? 0, info?.seq ?? 0, replaced);
  rtnl_notify(net, w, RTNLGRP_NEXTHOP, info);
}

/** After nexthop_init(). */
export function nexthop_netlink_init(k: Kernel): void {
  rtnl_register(k, 0, RTM_NEWNEXTHOP, rtm_newnexthop, null);
  rtnl_register(k, 0, RTM_DELNEXTHOP, rtm_delnexthop, null);
  rtnl_register(k, 0, RTM_GETNEXTHOP, rtm_getnexthop, rtm_dump_nexthop);
  k.rtmsg_hooks.push((net, event, obj, info) => {
    if (event === RTM_NEWNEXTHOP || event === RTM_DELNEXTHOP) nexthop_notify(net, event, obj as Nexthop, info);
  });
}
