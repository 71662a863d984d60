// RTM_*ADDR for IPv4, RTM_GETNETCONF, and IPv4's part of IFLA_AF_SPEC. Mirrors the netlink half of net/ipv4/devinet.c.
// Read first: rtnetlink(7). Way in: devinet_netlink_init().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENODEV, EOPNOTSUPP } from "../../uapi/errno.ts";
import { IFNAMSIZ } from "../../uapi/if.ts";
import * as A from "../../uapi/if_addr.ts";
import { IFLA_INET_CONF } from "../../uapi/if_link.ts";
import * as NC from "../../uapi/netconf.ts";
import { NLM_F_DUMP_FILTERED, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlAttrs,
  NlMsgWriter,
  nla_get_in_addr,
  nla_get_s32,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_put_in_addr,
  nla_put_string,
  nla_put_u8,
  nla_put_u32,
  nla_reserve,
  nlmsg_end,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import {
  RTM_DELADDR,
  RTM_DELNETCONF,
  RTM_GETADDR,
  RTM_GETNETCONF,
  RTM_NEWADDR,
  RTM_NEWNETCONF,
  RTNLGRP_IPV4_IFADDR,
  RTNLGRP_IPV4_NETCONF,
} from "../../uapi/rtnetlink.ts";
import { AF_INET } from "../../uapi/socket.ts";
import { for_each_netdev } from "../core/dev_api.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import type { NlInfo } from "../core/rtmsg.ts";
import {
  get_net_ns_by_id,
  header_is_zero,
  nl_info,
  rtnl_dump_all,
  rtnl_notify,
  rtnl_register,
} from "../core/rtnetlink.ts";
import { rtnl_af_register } from "../core/rtnl_fill.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_has_listeners,
  nl_err,
  nlmsg_unicast,
} from "../netlink/af_netlink.ts";
import {
  NLA_MIN_LEN,
  NLA_STRING,
  type NlaPolicy,
  nlmsg_parse_deprecated,
  nlmsg_parse_deprecated_strict,
  policy_of,
  S32,
  U8,
  U32,
} from "../netlink/nlattr.ts";
import { IfaRequest, inet_rtm_deladdr, inet_rtm_newaddr, type NetconfMsg } from "./devinet.ts";
import type { InIfaddr, Ipv4Devconf } from "./netns_ipv4.ts";

// --- IFLA_AF_SPEC -------------------------------------------------------------------------------------------------

/** Values in the order of linux/ip.h, IPV4_DEVCONF_FORWARDING (1) to IPV4_DEVCONF_ARP_EVICT_NOCARRIER (33). */
export const IPV4_DEVCONF: readonly (keyof Ipv4Devconf)[] = [
  "forwarding",
  "mc_forwarding",
  "proxy_arp",
  "accept_redirects",
  "secure_redirects",
  "send_redirects",
  "shared_media",
  "rp_filter",
  "accept_source_route",
  "bootp_relay",
  "log_martians",
  "tag",
  "arp_filter",
  "medium_id",
  "disable_xfrm",
  "disable_policy",
  "force_igmp_version",
  "arp_announce",
  "arp_ignore",
  "promote_secondaries",
  "arp_accept",
  "arp_notify",
  "accept_local",
  "src_valid_mark",
  "proxy_arp_pvlan",
  "route_localnet",
  "igmpv2_unsolicited_report_interval",
  "igmpv3_unsolicited_report_interval",
  "ignore_routes_with_linkdown",
  "drop_unicast_in_l2_multicast",
  "drop_gratuitous_arp",
  "bc_forwarding",
  "arp_evict_nocarrier",
];

function inet_fill_link_af(w: NlMsgWriter, dev: NetDevice): boolean {
  const in_dev = dev.ip_ptr ?? null;
  if (in_dev === null) return false;
  const at = nla_reserve(w, IFLA_INET_CONF, IPV4_DEVCONF.length * 4);
  IPV4_DEVCONF.forEach((name, i) => {
    w.dv.setInt32(at + 4 * i, in_dev.cnf[name], true);
  });
  return true;
}

// --- RTM_*ADDR ----------------------------------------------------------------------------------------------------

const ifa_ipv4_policy: NlaPolicy = policy_of(A.IFA_MAX, [
  [A.IFA_LOCAL, U32],
  [A.IFA_ADDRESS, U32],
  [A.IFA_BROADCAST, U32],
  [A.IFA_LABEL, { type: NLA_STRING, len: IFNAMSIZ - 1 }],
  [A.IFA_CACHEINFO, { type: NLA_MIN_LEN, len: A.IFA_CACHEINFO_LEN }],
  [A.IFA_FLAGS, U32],
  [A.IFA_RT_PRIORITY, U32],
  [A.IFA_TARGET_NETNSID, S32],
  [A.IFA_PROTO, U8],
]);

function ifa_request(req: NlRequest): IfaRequest | number {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated(req, A.IFADDRMSG_LEN, tb, ifa_ipv4_policy);
  if (err < 0) return err;
  const r = new IfaRequest();
  const addr = (type: number): number | null => (tb[type] !== undefined ? nla_get_in_addr(tb[type]) : null);
  r.ifindex = m.dv.getInt32(m.off + A.IFADDRMSG_INDEX, true);
  r.prefixlen = m.buf[m.off + A.IFADDRMSG_PREFIXLEN]!;
  r.scope = m.buf[m.off + A.IFADDRMSG_SCOPE]!;
  r.local = addr(A.IFA_LOCAL);
  r.address = addr(A.IFA_ADDRESS);
  r.broadcast = addr(A.IFA_BROADCAST) ?? 0;
  r.label = tb[A.IFA_LABEL] !== undefined ? nla_get_string(tb[A.IFA_LABEL]) : null;
  r.flags = tb[A.IFA_FLAGS] !== undefined ? nla_get_u32(tb[A.IFA_FLAGS]) : m.buf[m.off + A.IFADDRMSG_FLAGS]!;
  r.rt_priority = nla_get_u32(tb[A.IFA_RT_PRIORITY]);
  r.proto = nla_get_u8(tb[A.IFA_PROTO]);
  const ci = tb[A.IFA_CACHEINFO];
  if (ci !== undefined) {
    r.preferred_lft = ci.dv.getUint32(ci.off, true);
    r.valid_lft = ci.dv.getUint32(ci.off + 4, true);
  }
  r.nlinfo = nl_info(req);
  return r;
}

function rtm_newaddr(req: NlRequest): number {
  const r = ifa_request(req);
  return typeof r === "number" ? r : inet_rtm_newaddr(req.net, r, req.extack);
}

function rtm_deladdr(req: NlRequest): number {
  const r = ifa_request(req);
  return typeof r === "number" ? r : inet_rtm_deladdr(req.net, r, req.extack);
}

/** Seconds left of a lifetime. */
function left(lft: number, tstamp: number, now: number): number {
  return lft === A.INFINITY_LIFE_TIME ? lft : Math.max(0, lft - Math.floor((now - tstamp) / 1000));
}

export function inet_fill_ifaddr(
  w: NlMsgWriter,
  ifa: InIfaddr,
  event: number,
  portid: number,
  seq: number,
  flags: number,
): void {
  const dev = ifa.ifa_dev.dev;
  const at = nlmsg_put(w, event, flags, seq, portid, A.IFADDRMSG_LEN);
  w.buf[at] = AF_INET;
  w.buf[at + A.IFADDRMSG_PREFIXLEN] = ifa.ifa_prefixlen;
  w.buf[at + A.IFADDRMSG_FLAGS] = ifa.ifa_flags & 0xff;
  w.buf[at + A.IFADDRMSG_SCOPE] = ifa.ifa_scope;
  w.dv.setUint32(at + A.IFADDRMSG_INDEX, dev.ifindex, true);
  if (ifa.ifa_address !== 0) nla_put_in_addr(w, A.IFA_ADDRESS, ifa.ifa_address);
  if (ifa.ifa_local !== 0) nla_put_in_addr(w, A.IFA_LOCAL, ifa.ifa_local);
  if (ifa.ifa_broadcast !== 0) nla_put_in_addr(w, A.IFA_BROADCAST, ifa.ifa_broadcast);
  if (ifa.ifa_label !== "") nla_put_string(w, A.IFA_LABEL, ifa.ifa_label);
  if (ifa.ifa_proto !== 0) nla_put_u8(w, A.IFA_PROTO, ifa.ifa_proto);
  nla_put_u32(w, A.IFA_FLAGS, ifa.ifa_flags);
  if (ifa.ifa_rt_priority !== 0) nla_put_u32(w, A.IFA_RT_PRIORITY, ifa.ifa_rt_priority);
  const now = jiffies(dev.net.kernel);
  const permanent = (ifa.ifa_flags & A.IFA_F_PERMANENT) !== 0;
  const ci = nla_reserve(w, A.IFA_CACHEINFO, A.IFA_CACHEINFO_LEN);
  w.dv.setUint32(ci, permanent ? A.INFINITY_LIFE_TIME : left(ifa.ifa_preferred_lft, ifa.ifa_tstamp, now), true);
  w.dv.setUint32(ci + 4, permanent ? A.INFINITY_LIFE_TIME : left(ifa.ifa_valid_lft, ifa.ifa_tstamp, now), true);
  w.dv.setUint32(ci + 8, Math.floor(ifa.ifa_cstamp / 10), true);
  w.dv.setUint32(ci + 12, Math.floor(ifa.ifa_tstamp / 10), true);
  nlmsg_end(w);
}

interface AddrFilter {
  net: Net;
  ifindex: number;
  filtered: boolean;
}

/** What a strictly checked dump request asks for; or -errno. */
function inet_valid_dump_ifaddr_req(req: NlRequest): AddrFilter | number {
  const f: AddrFilter = { net: req.net, ifindex: 0, filtered: false };
  if (!req.strict) return f;
  const m = req.msg;
  if (m.len < A.IFADDRMSG_LEN) return nl_err(req.extack, "ipv4: Invalid header for address dump request", -EINVAL);
  if (!header_is_zero(req, A.IFADDRMSG_PREFIXLEN, A.IFADDRMSG_INDEX)) {
    return nl_err(req.extack, "ipv4: Invalid values in header for address dump request", -EINVAL);
  }
  f.ifindex = m.dv.getInt32(m.off + A.IFADDRMSG_INDEX, true);
  f.filtered = f.ifindex !== 0;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated_strict(req, A.IFADDRMSG_LEN, tb, ifa_ipv4_policy);
  if (err < 0) return err;
  for (let i = 0; i < tb.length; i++) {
    if (tb[i] === undefined) continue;
    if (i !== A.IFA_TARGET_NETNSID) return nl_err(req.extack, "ipv4: Unsupported attribute in dump request", -EINVAL);
    const net = get_net_ns_by_id(req.net, nla_get_s32(tb[i]));
    if (net === null) return nl_err(req.extack, "ipv4: Invalid target network namespace id", -EINVAL);
    f.net = net;
  }
  return f;
}

function* inet_dump_addr(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const f = inet_valid_dump_ifaddr_req(req);
  if (typeof f === "number") return f;
  const flags = NLM_F_MULTI | (f.filtered ? NLM_F_DUMP_FILTERED : 0);
  let devs: NetDevice[];
  if (f.ifindex !== 0) {
    const dev = f.net.dev_by_index.get(f.ifindex);
    if (dev === undefined) return -ENODEV;
    devs = [dev];
  } else devs = for_each_netdev(f.net);
  for (const dev of devs) {
    const in_dev = dev.ip_ptr ?? null;
    if (in_dev === null) continue;
    for (const ifa of [...in_dev.ifa_list]) {
      if (!in_dev.ifa_list.includes(ifa)) continue;
      inet_fill_ifaddr(w, ifa, RTM_NEWADDR, req.portid, req.msg.seq, flags);
      yield;
    }
  }
  return 0;
}

function rtmsg_ifa(net: Net, event: number, ifa: InIfaddr, info: NlInfo | null): void {
  if (info === null && !netlink_has_listeners(net, 0, RTNLGRP_IPV4_IFADDR)) return;
  const w = new NlMsgWriter(128);
  inet_fill_ifaddr(w, ifa, event, info?.portid ?? 0, info?.seq ?? 0, 0);
  rtnl_notify(net, w, RTNLGRP_IPV4_IFADDR, info);
}

// --- RTM_GETNETCONF -----------------------------------------------------------------------------------------------

/** struct netconfmsg: family u8. */
const NETCONFMSG_LEN = 1;
/** Attributes in the order in which they are sent, with the value each shows. */
const NETCONFA: readonly (readonly [number, keyof Ipv4Devconf])[] = [
  [NC.NETCONFA_FORWARDING, "forwarding"],
  [NC.NETCONFA_RP_FILTER, "rp_filter"],
  [NC.NETCONFA_MC_FORWARDING, "mc_forwarding"],
  [NC.NETCONFA_BC_FORWARDING, "bc_forwarding"],
  [NC.NETCONFA_PROXY_NEIGH, "proxy_arp"],
  [NC.NETCONFA_IGNORE_ROUTES_WITH_LINKDOWN, "ignore_routes_with_linkdown"],
];
const netconf_policy: NlaPolicy = policy_of(NC.NETCONFA_MAX, [
  [NC.NETCONFA_IFINDEX, S32],
  [NC.NETCONFA_FORWARDING, S32],
  [NC.NETCONFA_RP_FILTER, S32],
  [NC.NETCONFA_PROXY_NEIGH, S32],
  [6, S32],
]);

/** `only` is the value that changed, "" for all; null conf (it is gone) leaves the index alone. */
function inet_netconf_fill(
  w: NlMsgWriter,
  ifindex: number,
  cnf: Ipv4Devconf | null,
  only: string,
  event: number,
  portid: number,
  seq: number,
  flags: number,
): void {
  const at = nlmsg_put(w, event, flags, seq, portid, NETCONFMSG_LEN);
  w.buf[at] = AF_INET;
  nla_put_u32(w, NC.NETCONFA_IFINDEX, ifindex);
  if (cnf !== null) {
    for (const [type, name] of NETCONFA) if (only === "" || only === name) nla_put_u32(w, type, cnf[name]);
  }
  nlmsg_end(w);
}

function inet_netconf_get(req: NlRequest): number {
  const tb: NlAttrs = [];
  if (req.msg.len < NETCONFMSG_LEN) {
    return nl_err(req.extack, "ipv4: Invalid header for netconf get request", -EINVAL);
  }
  const parse = req.strict ? nlmsg_parse_deprecated_strict : nlmsg_parse_deprecated;
  const err = parse(req, NETCONFMSG_LEN, tb, netconf_policy);
  if (err < 0) return err;
  if (tb[NC.NETCONFA_IFINDEX] === undefined) return -EINVAL;
  const ifindex = nla_get_s32(tb[NC.NETCONFA_IFINDEX]);
  const ipv4 = req.net.ipv4;
  const dev = req.net.dev_by_index.get(ifindex);
  const cnf =
    ifindex === NC.NETCONFA_IFINDEX_ALL
      ? ipv4.devconf_all
      : ifindex === NC.NETCONFA_IFINDEX_DEFAULT
        ? ipv4.devconf_dflt
        : (dev?.ip_ptr?.cnf ?? null);
  if (cnf === null) return -EINVAL;
  const w = new NlMsgWriter(128);
  inet_netconf_fill(w, ifindex, cnf, "", RTM_NEWNETCONF, req.portid, req.msg.seq, 0);
  return nlmsg_unicast(req, w);
}

function* inet_netconf_dump(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  if (req.strict) {
    if (req.msg.len < NETCONFMSG_LEN) {
      return nl_err(req.extack, "ipv4: Invalid header for netconf dump request", -EINVAL);
    }
    if (req.msg.len > 4) return nl_err(req.extack, "ipv4: Invalid data after header in netconf dump request", -EINVAL);
  }
  const put = (ifindex: number, cnf: Ipv4Devconf): void =>
    inet_netconf_fill(w, ifindex, cnf, "", RTM_NEWNETCONF, req.portid, req.msg.seq, NLM_F_MULTI);
  for (const dev of for_each_netdev(req.net)) {
    const in_dev = dev.ip_ptr ?? null;
    if (in_dev === null) continue;
    put(dev.ifindex, in_dev.cnf);
    yield;
  }
  put(NC.NETCONFA_IFINDEX_ALL, req.net.ipv4.devconf_all);
  yield;
  put(NC.NETCONFA_IFINDEX_DEFAULT, req.net.ipv4.devconf_dflt);
  yield;
  return 0;
}

function netconf_notify(net: Net, event: number, msg: NetconfMsg): void {
  if (!netlink_has_listeners(net, 0, RTNLGRP_IPV4_NETCONF)) return;
  const w = new NlMsgWriter(128);
  inet_netconf_fill(w, msg.ifindex, event === RTM_DELNETCONF ? null : msg.cnf, msg.type, event, 0, 0, 0);
  rtnl_notify(net, w, RTNLGRP_IPV4_NETCONF, null);
}

/** After devinet_init(). */
export function devinet_netlink_init(k: Kernel): void {
  rtnl_af_register(k, { family: AF_INET, fill_link_af: inet_fill_link_af });
  rtnl_register(k, AF_INET, RTM_NEWADDR, rtm_newaddr, null);
  rtnl_register(k, AF_INET, RTM_DELADDR, rtm_deladdr, null);
  rtnl_register(k, AF_INET, RTM_GETADDR, null, inet_dump_addr);
  rtnl_register(k, AF_INET, RTM_GETNETCONF, inet_netconf_get, inet_netconf_dump);
  rtnl_register(k, 0, RTM_GETADDR, null, rtnl_dump_all);
  rtnl_register(k, 0, RTM_GETNETCONF, () => -EOPNOTSUPP, rtnl_dump_all);
  k.rtmsg_hooks.push((net, event, obj, info) => {
    if (event === RTM_NEWADDR || event === RTM_DELADDR) rtmsg_ifa(net, event, obj as InIfaddr, info);
    else if (event === RTM_NEWNETCONF || event === RTM_DELNETCONF) netconf_notify(net, event, obj as NetconfMsg);
  });
}
