// Routing: from a packet or a flow key to a dst entry, cached at the path it takes. Mirrors net/ipv4/route.c.
// Read first: RFC 1812 section 5, RFC 1191 (PMTU), docs/path-of-a-packet.md.
// Way in: ip_route_input_noref(), ip_route_output_flow(); exceptions (PMTU, redirect) are in route_exceptions.ts.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_fib_lookup, F_ip_error, F_ip_route_input_noref, F_ip_route_input_slow } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EACCES, EHOSTUNREACH, EINVAL, ENETUNREACH, ENODEV } from "../../uapi/errno.ts";
import { IFF_LOOPBACK, IFF_UP } from "../../uapi/if.ts";
import {
  ETH_P_IP,
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PKT_FILTERED,
  IPH_DADDR,
  IPH_SADDR,
} from "../../uapi/ip.ts";
import {
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RTAX_LOCK,
  RTAX_MAX,
  RTAX_MTU,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTN_UNREACHABLE,
} from "../../uapi/rtnetlink.ts";
import { AF_INET, IPPROTO_IGMP } from "../../uapi/socket.ts";
import {
  SKB_DROP_REASON_IP_INADDRERRORS,
  SKB_DROP_REASON_IP_INNOROUTES,
  SKB_DROP_REASON_IP_INVALID_DEST,
  SKB_DROP_REASON_IP_INVALID_SOURCE,
  SKB_DROP_REASON_IP_LOCAL_SOURCE,
  SKB_DROP_REASON_IP_LOCALNET,
  SKB_DROP_REASON_IP_OUTNOROUTES,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from "../core/dropreason.ts";
import { DST_OBSOLETE_DEAD, DST_OBSOLETE_FORCE_CHK, DstEntry, type DstOps, dst_release } from "../core/dst.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import {
  IPSKB_DOREDIRECT,
  IPSKB_MULTIPATH,
  kfree_skb_reason,
  type SkBuff,
  skb_dst_set,
  skb_dst_set_noref,
} from "../core/skbuff.ts";
import { IPSTATS_MIB_INADDRERRORS, IPSTATS_MIB_INNOROUTES } from "../core/snmp.ts";
import type { Sock } from "../core/sock.ts";
import { arp_tbl_lookup } from "./arp.ts";
import { __ip_dev_find, inet_select_addr } from "./devinet.ts";
import { fib_lookup, fib_validate_source, fib4_rules_early_flow_dissect } from "./fib_frontend.ts";
import { fib_select_path } from "./fib_semantics.ts";
import { icmp_send } from "./icmp.ts";
import { ip_check_mc_rcu } from "./igmp.ts";
import { inet_getpeer_v4 } from "./inetpeer.ts";
import { type FibInfo, type FibNh, type FibNhException, FibResult, Flowi4 } from "./ip_fib.ts";
import { ip_forward } from "./ip_forward.ts";
import { ip_local_deliver } from "./ip_input.ts";
import { ip_mc_output, ip_output } from "./ip_output.ts";
import {
  IN_DEV_FORWARD,
  IN_DEV_ROUTE_LOCALNET,
  IN_DEV_SHARED_MEDIA,
  IN_DEV_TX_REDIRECTS,
  ipv4_is_lbcast,
  ipv4_is_local_multicast,
  ipv4_is_loopback,
  ipv4_is_multicast,
  ipv4_is_zeronet,
} from "./netns_ipv4.ts";
import { find_exception, ip_do_redirect, ip_rt_update_pmtu } from "./route_exceptions.ts";

export const RTCF_DOREDIRECT = 0x01000000;
export const RTCF_BROADCAST = 0x10000000;
export const RTCF_MULTICAST = 0x20000000;
export const RTCF_LOCAL = -0x80000000;
export const RTCF_NOTIFY = 0x00010000;
export const RTCF_REDIRECTED = 0x00040000;

export const RTN_BROADCAST_TYPE = RTN_BROADCAST;
export const RTN_MULTICAST_TYPE = RTN_MULTICAST;

const IP_MAX_MTU = 0xffff;

/** struct rtable. */
export class Rtable extends DstEntry {
  rt_genid: number;
  rt_flags: number;
  rt_type: number;
  rt_is_input: boolean;
  rt_uses_gateway = false;
  rt_iif = 0;
  /** Next hop, int32; 0 when the destination itself is on the link. */
  rt_gw4 = 0;
  rt_pmtu = 0;
  /** The path's MTU is not discovered: the route says so (`mtu lock`), or it is narrower than min_pmtu. */
  rt_mtu_locked = false;
  rt_is_forward = false;

  constructor(
    net: Net,
    dev: NetDevice,
    flags: number,
    type: number,
    metrics: Int32Array,
    is_input: boolean,
    input: (skb: SkBuff) => number,
    output: (net: Net, sk: Sock | null, skb: SkBuff) => number,
  ) {
    super(ipv4_dst_ops, net, dev, metrics, input, output);
    this.rt_genid = net.ipv4.rt_genid;
    this.rt_flags = flags;
    this.rt_type = type;
    this.rt_is_input = is_input;
  }
}

/** Of routes without a fib_info: nothing is set, and nobody writes it (dst_metrics_write copies first). */
const no_metrics: Int32Array = new Int32Array(RTAX_MAX + 1);

export const ip_rt_put = (rt: Rtable): void => dst_release(rt);
/** The next hop's address: the gateway, or the destination itself. */
export const rt_nexthop = (rt: Rtable, daddr: number): number => (rt.rt_gw4 !== 0 ? rt.rt_gw4 : daddr);
export const rt_is_expired = (rt: Rtable): boolean => rt.rt_genid !== rt.net.ipv4.rt_genid;

// --- dst operations -----------------------------------------------------------------------------------------------

function ipv4_dst_check(dst: DstEntry, _cookie: number): DstEntry | null {
  if (dst.obsolete !== DST_OBSOLETE_FORCE_CHK || rt_is_expired(dst as Rtable)) return null;
  return dst;
}

export function ipv4_mtu(dst: DstEntry): number {
  const rt = dst as Rtable;
  let mtu = rt.rt_pmtu;
  if (mtu !== 0 && (rt.expires === 0 || jiffies(rt.net.kernel) < rt.expires)) return mtu;
  mtu = rt.metrics[RTAX_MTU]!;
  if (mtu === 0) {
    mtu = rt.dev.mtu;
    if (rt.rt_mtu_locked && rt.rt_uses_gateway && mtu > 576) mtu = 576;
  }
  return mtu < IP_MAX_MTU ? mtu : IP_MAX_MTU;
}

/** The MTU for a packet that is only passing: PMTU that we learnt counts only when the administrator says so. */
export function ip_dst_mtu_maybe_forward(rt: Rtable, forwarding: boolean): number {
  if (!forwarding || rt.net.ipv4.sysctl_ip_fwd_use_pmtu !== 0) return ipv4_mtu(rt);
  const mtu = rt.metrics[RTAX_MTU]!;
  if (mtu !== 0) return mtu;
  return rt.dev.mtu < IP_MAX_MTU ? rt.dev.mtu : IP_MAX_MTU;
}

export const ipv4_dst_ops: DstOps = {
  family: AF_INET,
  check: ipv4_dst_check,
  mtu: ipv4_mtu,
  default_advmss: (dst) => {
    const mtu = Math.max(ipv4_mtu(dst) - 40, dst.net.ipv4.ip_rt_min_advmss);
    return Math.min(mtu, 65535 - 40);
  },
  update_pmtu: (dst, _sk, skb, mtu) => {
    const fl4 = flow_of_skb(skb);
    ip_rt_update_pmtu(dst as Rtable, fl4, mtu);
  },
  redirect: (dst, _sk, skb) => ip_do_redirect(dst as Rtable, skb, flow_of_skb(skb), true),
  negative_advice: (sk, dst) => {
    const rt = dst as Rtable;
    if (dst.obsolete > 0 || (rt.rt_flags & RTCF_REDIRECTED) !== 0 || rt.expires !== 0) {
      dst_release(sk.sk_dst_cache);
      sk.sk_dst_cache = null;
    }
  },
  link_failure: (skb) => {
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH, 0);
    const rt = skb.dst as Rtable | null;
    if (rt !== null) rt.expires = jiffies(rt.net.kernel);
  },
  neigh_lookup: (dst, daddr) => arp_tbl_lookup(dst.dev, rt_nexthop(dst as Rtable, daddr)),
};

const scratch_flow = (k: Kernel): Flowi4 => k.route_fl4;

/** The flow of a packet we sent, for exceptions: its header is at network_header. */
function flow_of_skb(skb: SkBuff | null): Flowi4 {
  const fl4 = skb !== null ? scratch_flow(skb.kernel) : new Flowi4();
  if (skb !== null) {
    const dv = skb.head.dv;
    fl4.daddr = dv.getInt32(skb.network_header + IPH_DADDR);
    fl4.saddr = dv.getInt32(skb.network_header + IPH_SADDR);
  }
  return fl4;
}

/** struct rt_cache_stat: what /proc/net/stat/rt_cache counts. Routes made, that is; those found at the path are not. */
export class RtCacheStat {
  in_slow_tot = 0;
  in_slow_mc = 0;
  in_no_route = 0;
  in_brd = 0;
  in_martian_dst = 0;
  in_martian_src = 0;
  out_slow_tot = 0;
  out_slow_mc = 0;
}

const rt_stat = (k: Kernel): RtCacheStat => k.rt_cache_stat[k.cpu.id]!;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Scratch of the input path: one lookup at a time, nothing kept. */
    route_fl4: Flowi4;
    route_res: FibResult;
    /** By CPU. */
    rt_cache_stat: RtCacheStat[];
  }
}

// --- caching at the path ------------------------------------------------------------------------------------------

function rt_cache_valid(rt: Rtable | null): rt is Rtable {
  return rt !== null && rt.obsolete === DST_OBSOLETE_FORCE_CHK && !rt_is_expired(rt);
}

/** Keeps `rt` at its path; what was there before is released. The cache owns one reference. */
function rt_cache_route(nh: FibNh, rt: Rtable, input: boolean): void {
  const old = input ? nh.rth_input : nh.rth_output;
  rt.refcnt++;
  if (input) nh.rth_input = rt;
  else nh.rth_output = rt;
  if (old !== null) {
    old.obsolete = DST_OBSOLETE_DEAD;
    dst_release(old);
  }
}

/** A path goes away: its cached routes die with it (free_fib_info calls it through the hook). */
export function fib_nh_release_routes(nh: FibNh): void {
  for (const rt of [nh.rth_input, nh.rth_output]) release_cached(rt);
  nh.rth_input = null;
  nh.rth_output = null;
  if (nh.exceptions !== null) {
    for (const fnhe of nh.exceptions.values()) {
      release_cached(fnhe.rth_input);
      release_cached(fnhe.rth_output);
    }
    nh.exceptions = null;
  }
}

function release_cached(rt: Rtable | null): void {
  if (rt === null) return;
  rt.obsolete = DST_OBSOLETE_DEAD;
  dst_release(rt);
}

/** Fills gateway and metrics from the lookup, and keeps the route where the next packet finds it. True when kept. */
function rt_set_nexthop(
  rt: Rtable,
  daddr: number,
  fi: FibInfo | null,
  nh: FibNh | null,
  fnhe: FibNhException | null,
  do_cache: boolean,
): boolean {
  if (fi === null || nh === null) return false;
  if (nh.gw !== 0) {
    rt.rt_uses_gateway = true;
    rt.rt_gw4 = nh.gw;
  }
  rt.metrics = fi.metrics;
  rt.rt_mtu_locked = (fi.metrics[RTAX_LOCK]! & (1 << RTAX_MTU)) !== 0;
  if (fnhe !== null) return rt_bind_exception(rt, fnhe, daddr, do_cache);
  if (do_cache) {
    rt_cache_route(nh, rt, rt.rt_is_input);
    return true;
  }
  return false;
}

function rt_bind_exception(rt: Rtable, fnhe: FibNhException, daddr: number, do_cache: boolean): boolean {
  if (fnhe.daddr !== daddr) return false;
  if (fnhe.gw !== 0) {
    rt.rt_flags |= RTCF_REDIRECTED;
    rt.rt_uses_gateway = true;
    rt.rt_gw4 = fnhe.gw;
  }
  if (fnhe.pmtu !== 0) {
    rt.rt_pmtu = fnhe.pmtu;
    if (fnhe.mtu_locked) rt.rt_mtu_locked = true;
  }
  rt.expires = fnhe.expires;
  fnhe.stamp = jiffies(rt.net.kernel);
  if (!do_cache) return false;
  const old = rt.rt_is_input ? fnhe.rth_input : fnhe.rth_output;
  rt.refcnt++;
  if (rt.rt_is_input) fnhe.rth_input = rt;
  else fnhe.rth_output = rt;
  release_cached(old);
  return true;
}

// --- input --------------------------------------------------------------------------------------------------------

/** No output function: a route for packets to us was used to send. */
function ip_rt_bug(_net: Net, _sk: Sock | null, skb: SkBuff): number {
  kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
  return 0;
}

/** dst.input of a route that says no: unreachable, prohibit, or no route at all. Answers by ICMP, with a rate limit. */
export function ip_error(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_error, skb);
  const rt = skb.dst as Rtable;
  const dev = skb.dev!;
  const net = rt.net;
  const in_dev = dev.ip_ptr;
  let reason: number = SKB_DROP_REASON_NOT_SPECIFIED;
  if (in_dev === null) {
    kfree_skb_reason(skb, reason);
    return 0;
  }
  if (!IN_DEV_FORWARD(in_dev)) {
    // A host: a packet that is not for us and that we do not forward is dropped in silence (RFC 1122 section 3.2.1.3).
    if (rt.error === -EHOSTUNREACH) {
      net.mib.ip[IPSTATS_MIB_INADDRERRORS]!++;
      reason = SKB_DROP_REASON_IP_INADDRERRORS;
    } else if (rt.error === -ENETUNREACH) {
      net.mib.ip[IPSTATS_MIB_INNOROUTES]!++;
      reason = SKB_DROP_REASON_IP_INNOROUTES;
    }
    kfree_skb_reason(skb, reason);
    return 0;
  }
  let code: number;
  switch (rt.error) {
    case -EHOSTUNREACH:
      code = ICMP_HOST_UNREACH;
      break;
    case -ENETUNREACH:
      code = ICMP_NET_UNREACH;
      net.mib.ip[IPSTATS_MIB_INNOROUTES]!++;
      reason = SKB_DROP_REASON_IP_INNOROUTES;
      break;
    case -EACCES:
      code = ICMP_PKT_FILTERED;
      break;
    default:
      kfree_skb_reason(skb, reason);
      return 0;
  }
  // One bucket per host that is told: ip_rt_error_burst ms worth of errors, one more each ip_rt_error_cost ms.
  const peer = inet_getpeer_v4(net, skb.head.dv.getInt32(skb.network_header + IPH_SADDR));
  const now = jiffies(net.kernel);
  peer.rate_tokens = Math.min(peer.rate_tokens + now - peer.rate_last, net.ipv4.ip_rt_error_burst);
  peer.rate_last = now;
  if (peer.rate_tokens >= net.ipv4.ip_rt_error_cost) {
    peer.rate_tokens -= net.ipv4.ip_rt_error_cost;
    icmp_send(skb, ICMP_DEST_UNREACH, code, 0);
  }
  kfree_skb_reason(skb, reason);
  return 0;
}

/**
 * Where a received packet goes. On 0 skb.dst is set (borrowed from the cache where possible). A negative errno says why
 * not: -EXDEV reverse path, -EHOSTUNREACH not forwarding, -ENETUNREACH no route, -EINVAL martian.
 */
export function ip_route_input_noref(skb: SkBuff, daddr: number, saddr: number, tos: number, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_ip_route_input_noref, skb);
  if (ipv4_is_multicast(daddr)) return ip_route_input_multicast(skb, daddr, saddr, tos, dev);
  return ip_route_input_slow(skb, daddr, saddr, tos, dev);
}

export const ip_route_input = (skb: SkBuff, daddr: number, saddr: number, tos: number, dev: NetDevice): number =>
  ip_route_input_noref(skb, daddr, saddr, tos, dev);

function ip_route_input_multicast(skb: SkBuff, daddr: number, saddr: number, tos: number, dev: NetDevice): number {
  const in_dev = dev.ip_ptr;
  if (in_dev === null) return -EINVAL;
  const k = skb.kernel;
  k.route_drop_reason = 0;
  const our = ip_check_mc_rcu(in_dev, daddr, saddr, skb.head.dv.getUint8(skb.network_header + 9));
  if (!our) {
    k.route_drop_reason = SKB_DROP_REASON_IP_INVALID_DEST;
    return -EINVAL;
  }
  // ip_mc_validate_source
  if (skb.protocol !== ETH_P_IP || ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) return martian_source(skb);
  if (ipv4_is_loopback(saddr) && !IN_DEV_ROUTE_LOCALNET(in_dev)) return martian_source(skb);
  if (ipv4_is_zeronet(saddr)) {
    if (!ipv4_is_local_multicast(daddr)) return martian_source(skb);
  } else {
    const err = fib_validate_source(skb, saddr, 0, tos, 0, dev, in_dev);
    if (err < 0) return err;
  }
  const rt = new Rtable(
    dev.net,
    dev.net.loopback_dev,
    RTCF_MULTICAST | RTCF_LOCAL,
    RTN_MULTICAST,
    no_metrics,
    true,
    ip_local_deliver,
    ip_rt_bug,
  );
  rt.rt_iif = dev.ifindex;
  rt_stat(k).in_slow_mc++;
  skb_dst_set(skb, rt);
  return 0;
}

function martian_source(skb: SkBuff): number {
  rt_stat(skb.kernel).in_martian_src++;
  skb.kernel.route_drop_reason = SKB_DROP_REASON_IP_INVALID_SOURCE;
  return -EINVAL;
}

function ip_route_input_slow(skb: SkBuff, daddr: number, saddr: number, tos: number, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_ip_route_input_slow, skb);
  const k = skb.kernel;
  const net = dev.net;
  const in_dev = dev.ip_ptr;
  k.route_drop_reason = 0;
  if (in_dev === null) return -EINVAL;

  // Martians: sources and destinations that cannot be on a wire (RFC 1812 section 5.3.7).
  if (ipv4_is_multicast(saddr) || ipv4_is_lbcast(saddr)) return martian_source(skb);
  const res = k.route_res;
  res.fi = null;
  if (ipv4_is_lbcast(daddr) || (saddr === 0 && daddr === 0)) return brd_input(skb, saddr, tos, dev);
  if (ipv4_is_zeronet(saddr)) return martian_source(skb);
  if (ipv4_is_zeronet(daddr)) return martian_destination(skb, SKB_DROP_REASON_IP_INVALID_DEST);
  if (ipv4_is_loopback(daddr) && dev !== net.loopback_dev && !IN_DEV_ROUTE_LOCALNET(in_dev)) {
    return martian_destination(skb, SKB_DROP_REASON_IP_LOCALNET);
  }
  if (ipv4_is_loopback(saddr) && dev !== net.loopback_dev && !IN_DEV_ROUTE_LOCALNET(in_dev)) {
    rt_stat(k).in_martian_src++;
    k.route_drop_reason = SKB_DROP_REASON_IP_LOCALNET;
    return -EINVAL;
  }

  // The same address again: the answer is the same. DIFF: Linux does this for packets that arrive in one list
  // (ip_route_use_hint); here every change of the tables ends a hint (rt_genid), so it may be a packet of before.
  if (
    daddr === in_dev.hint_daddr &&
    tos === in_dev.hint_tos &&
    !net.ipv4.fib.fib_has_custom_rules &&
    rt_cache_valid(in_dev.hint_rt) &&
    !(trace_key.on && trace_detail(k))
  ) {
    const v = fib_validate_source(skb, saddr, daddr, tos, 0, dev, in_dev);
    if (v < 0) return source_refused(skb, v);
    skb_dst_set_noref(skb, in_dev.hint_rt);
    return 0;
  }

  const fl4 = k.route_fl4;
  fl4.flowi4_oif = 0;
  fl4.flowi4_iif = dev.ifindex;
  fl4.flowi4_mark = skb.mark;
  fl4.flowi4_tos = tos;
  fl4.flowi4_scope = RT_SCOPE_UNIVERSE;
  fl4.flowi4_flags = 0;
  fl4.flowi4_proto = 0;
  fl4.daddr = daddr;
  fl4.saddr = saddr;
  fl4.fl4_sport = 0;
  fl4.fl4_dport = 0;
  fl4.flowi4_multipath_hash = 0;
  if (net.ipv4.fib.fib_rules_require_fldissect > 0) fib4_rules_early_flow_dissect(skb, fl4);
  const err = fib_lookup(net, fl4, res, 0);
  if (trace_key.on && trace_detail(k)) trace_fib(skb, res, err, daddr);
  if (err !== 0) {
    if (!IN_DEV_FORWARD(in_dev)) return no_route(skb, dev, -EHOSTUNREACH);
    return no_route(skb, dev, err);
  }
  if (res.type === RTN_BROADCAST) {
    if (in_dev.cnf.bc_forwarding !== 0 || net.ipv4.devconf_all.bc_forwarding !== 0) return make_input(skb, dev, tos);
    return brd_input(skb, saddr, tos, dev);
  }
  if (res.type === RTN_LOCAL) {
    const nh = res.nhc!;
    const v = fib_validate_source(skb, saddr, daddr, tos, 0, dev, in_dev);
    if (v < 0) return source_refused(skb, v);
    local_input(skb, dev, nh, RTCF_LOCAL, RTN_LOCAL);
    in_dev.hint_rt = nh.rth_input;
    in_dev.hint_daddr = daddr;
    in_dev.hint_tos = tos;
    return 0;
  }
  if (!IN_DEV_FORWARD(in_dev)) return no_route(skb, dev, -EHOSTUNREACH);
  if (res.type !== RTN_UNICAST) return martian_destination(skb, SKB_DROP_REASON_IP_INVALID_DEST);
  return make_input(skb, dev, tos);
}

function trace_fib(skb: SkBuff, res: FibResult, err: number, daddr: number): void {
  const a = (x: number): string => `${(x >>> 24) & 255}.${(x >>> 16) & 255}.${(x >>> 8) & 255}.${x & 255}`;
  if (err !== 0) {
    trace_note(F_fib_lookup, skb, { kind: "fib", daddr: a(daddr), error: err });
    return;
  }
  const nh = res.nhc;
  trace_note(F_fib_lookup, skb, {
    kind: "fib",
    daddr: a(daddr),
    prefix: `${a(res.prefix)}/${res.prefixlen}`,
    table: res.tb_id,
    type: res.type,
    via: nh !== null && nh.gw !== 0 ? a(nh.gw) : "",
    dev: nh !== null && nh.dev !== null ? nh.dev.name : "",
  });
}

function source_refused(skb: SkBuff, err: number): number {
  if (err === -EINVAL) {
    rt_stat(skb.kernel).in_martian_src++;
    if (skb.kernel.route_drop_reason === 0) skb.kernel.route_drop_reason = SKB_DROP_REASON_IP_LOCAL_SOURCE;
  }
  return err;
}

function martian_destination(skb: SkBuff, reason: number): number {
  rt_stat(skb.kernel).in_martian_dst++;
  skb.kernel.route_drop_reason = reason;
  return -EINVAL;
}

function brd_input(skb: SkBuff, saddr: number, tos: number, dev: NetDevice): number {
  if (skb.protocol !== ETH_P_IP) return -EINVAL;
  const in_dev = dev.ip_ptr!;
  const res = skb.kernel.route_res;
  const nh = res.fi !== null ? res.nhc : null;
  if (!ipv4_is_zeronet(saddr)) {
    const v = fib_validate_source(skb, saddr, 0, tos, 0, dev, in_dev);
    if (v < 0) return source_refused(skb, v);
  }
  rt_stat(skb.kernel).in_brd++;
  return local_input(skb, dev, nh, RTCF_BROADCAST, RTN_BROADCAST);
}

/** For us, one of all or alone. The route is kept at the path that was found, and serves all packets of it. */
function local_input(skb: SkBuff, dev: NetDevice, nh: FibNh | null, flags: number, type: number): number {
  const local_flags = type === RTN_LOCAL ? flags : flags | RTCF_LOCAL;
  if (nh !== null) {
    const cached = nh.rth_input;
    if (rt_cache_valid(cached)) {
      skb_dst_set_noref(skb, cached);
      return 0;
    }
  }
  const net = dev.net;
  rt_stat(net.kernel).in_slow_tot++;
  const rt = new Rtable(net, net.loopback_dev, local_flags, type, no_metrics, true, ip_local_deliver, ip_rt_bug);
  if (nh !== null) rt_cache_route(nh, rt, true);
  else rt.rt_iif = dev.ifindex;
  skb_dst_set(skb, rt);
  return 0;
}

/** A route whose input answers with an ICMP error (or drops in silence, on a host). */
function no_route(skb: SkBuff, dev: NetDevice, err: number): number {
  const net = dev.net;
  const stat = rt_stat(net.kernel);
  stat.in_no_route++;
  stat.in_slow_tot++;
  const rt = new Rtable(net, net.loopback_dev, 0, RTN_UNREACHABLE, no_metrics, true, ip_error, ip_rt_bug);
  rt.error = err === -ENETUNREACH || err === -EACCES || err === -EHOSTUNREACH ? err : -ENETUNREACH;
  if (err === -EINVAL) rt.error = err;
  rt.rt_iif = dev.ifindex;
  skb_dst_set(skb, rt);
  return 0;
}

/** ip_mkroute_input: to be forwarded. */
function make_input(skb: SkBuff, dev: NetDevice, tos: number): number {
  const k = skb.kernel;
  const res = k.route_res;
  const net = dev.net;
  const fl4 = k.route_fl4;
  const fi = res.fi!;
  if (fi.nhs.length > 1) {
    fib_select_path(net, res, fl4, skb);
    skb.ipcb_flags |= IPSKB_MULTIPATH;
  }
  const nh = res.nhc!;
  const out_dev = nh.dev;
  if (out_dev === null || out_dev.ip_ptr === null) return -EINVAL;
  const in_dev = dev.ip_ptr!;
  const daddr = fl4.daddr;
  const saddr = fl4.saddr;
  const err = fib_validate_source(skb, saddr, daddr, tos, out_dev.ifindex, dev, in_dev);
  if (err < 0) return source_refused(skb, err);
  let do_cache = true;
  if (err > 0 && out_dev === dev && IN_DEV_TX_REDIRECTS(in_dev)) {
    // The sender is on this link and could have sent there itself (RFC 1812 section 5.2.7.2).
    if (
      skb.protocol === ETH_P_IP &&
      (IN_DEV_SHARED_MEDIA(in_dev) || inet_addr_onlink(in_dev, saddr, nh.gw !== 0 ? nh.gw : daddr))
    ) {
      skb.ipcb_flags |= IPSKB_DOREDIRECT;
    }
  }
  const fnhe = nh.exceptions !== null ? find_exception(nh, daddr) : null;
  const cached = fnhe !== null ? fnhe.rth_input : nh.rth_input;
  if (rt_cache_valid(cached)) {
    skb_dst_set_noref(skb, cached);
    return 0;
  }
  rt_stat(k).in_slow_tot++;
  const rt = new Rtable(net, out_dev, 0, res.type, no_metrics, true, ip_forward, ip_output);
  rt.rt_is_forward = true;
  if (!rt_set_nexthop(rt, daddr, fi, nh, fnhe, do_cache)) do_cache = false;
  skb_dst_set(skb, rt);
  return 0;
}

/** Are both on one subnet of the device? */
function inet_addr_onlink(in_dev: NonNullable<NetDevice["ip_ptr"]>, a: number, b: number): boolean {
  for (const ifa of in_dev.ifa_list) {
    if (((a ^ ifa.ifa_address) & ifa.ifa_mask) === 0 && (b === 0 || ((b ^ ifa.ifa_address) & ifa.ifa_mask) === 0))
      return true;
  }
  return false;
}

// --- output -------------------------------------------------------------------------------------------------------

/** Fills every field of a flow key. */
export function flowi4_init_output(
  fl4: Flowi4,
  oif: number,
  mark: number,
  tos: number,
  scope: number,
  proto: number,
  flags: number,
  daddr: number,
  saddr: number,
  dport: number,
  sport: number,
): void {
  fl4.flowi4_oif = oif;
  fl4.flowi4_iif = 1;
  fl4.flowi4_l3mdev = 0;
  fl4.flowi4_mark = mark;
  fl4.flowi4_tos = tos & 0xfc;
  fl4.flowi4_scope = scope;
  fl4.flowi4_proto = proto;
  fl4.flowi4_flags = flags;
  fl4.flowi4_uid = 0;
  fl4.daddr = daddr;
  fl4.saddr = saddr;
  fl4.fl4_dport = dport;
  fl4.fl4_sport = sport;
  fl4.fl4_icmp_type = 0;
  fl4.fl4_icmp_code = 0;
  fl4.flowi4_multipath_hash = 0;
}

/** The route for a packet that we send, with a reference for the caller; fl4.saddr and oif are filled in. -errno else. */
export function ip_route_output_key(net: Net, fl4: Flowi4): Rtable | number {
  const res = net.kernel.route_res;
  res.fi = null;
  res.nhc = null;
  res.type = 0;
  res.tb_id = 0;
  fl4.flowi4_iif = 1;
  const orig_oif = fl4.flowi4_oif;
  let dev_out: NetDevice | null = null;
  let flags = 0;

  if (fl4.saddr !== 0) {
    if (ipv4_is_multicast(fl4.saddr) || ipv4_is_lbcast(fl4.saddr)) return -EINVAL;
    if (fl4.flowi4_oif === 0 && (ipv4_is_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr))) {
      // Multicast and broadcast without a device go out where the source address lives.
      dev_out = __ip_dev_find(net, fl4.saddr);
      if (dev_out === null) return -ENETUNREACH;
      fl4.flowi4_oif = dev_out.ifindex;
      return mkroute_output(net, fl4, res, orig_oif, dev_out, flags);
    }
    if ((fl4.flowi4_flags & 1) === 0 && __ip_dev_find(net, fl4.saddr) === null) return -ENETUNREACH;
  }
  if (fl4.flowi4_oif !== 0) {
    dev_out = net.dev_by_index.get(fl4.flowi4_oif) ?? null;
    if (dev_out === null) return -ENODEV;
    if ((dev_out.flags & IFF_UP) === 0 || dev_out.ip_ptr === null) return -ENETUNREACH;
    if (ipv4_is_local_multicast(fl4.daddr) || ipv4_is_lbcast(fl4.daddr) || fl4.flowi4_proto === IPPROTO_IGMP) {
      if (fl4.saddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK);
      return mkroute_output(net, fl4, res, orig_oif, dev_out, flags);
    }
    if (fl4.saddr === 0) {
      if (ipv4_is_multicast(fl4.daddr)) fl4.saddr = inet_select_addr(dev_out, 0, fl4.flowi4_scope);
      else if (fl4.daddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, 254);
    }
  }
  if (fl4.daddr === 0) {
    fl4.daddr = fl4.saddr;
    if (fl4.daddr === 0) {
      fl4.daddr = 0x7f000001;
      fl4.saddr = 0x7f000001;
    }
    dev_out = net.loopback_dev;
    fl4.flowi4_oif = dev_out.ifindex;
    res.type = RTN_LOCAL;
    flags |= RTCF_LOCAL;
    return mkroute_output(net, fl4, res, orig_oif, dev_out, flags);
  }
  const err = fib_lookup(net, fl4, res, 0);
  if (err !== 0) {
    res.fi = null;
    res.nhc = null;
    if (fl4.flowi4_oif !== 0 && dev_out !== null && (ipv4_is_multicast(fl4.daddr) || fl4.flowi4_l3mdev === 0)) {
      // No route, but the device was named: then the destination is taken to be on its link.
      if (fl4.saddr === 0) fl4.saddr = inet_select_addr(dev_out, 0, RT_SCOPE_LINK);
      res.type = RTN_UNICAST;
      return mkroute_output(net, fl4, res, orig_oif, dev_out, flags);
    }
    return err;
  }
  if (res.type === RTN_LOCAL) {
    if (fl4.saddr === 0) fl4.saddr = local_prefsrc(res, fl4.daddr);
    dev_out = net.loopback_dev;
    fl4.flowi4_oif = dev_out.ifindex;
    flags |= RTCF_LOCAL;
    return mkroute_output(net, fl4, res, orig_oif, dev_out, flags);
  }
  fib_select_path(net, res, fl4, null);
  dev_out = res.nhc!.dev;
  if (dev_out === null) return -ENETUNREACH;
  return mkroute_output(net, fl4, res, orig_oif, dev_out, flags);
}

/** A local destination is its own best source, unless its route names another. */
function local_prefsrc(res: FibResult, daddr: number): number {
  const fi = res.fi;
  return fi !== null && fi.prefsrc !== 0 ? fi.prefsrc : daddr;
}

function mkroute_output(
  net: Net,
  fl4: Flowi4,
  res: FibResult,
  orig_oif: number,
  dev_out: NetDevice,
  flags: number,
): Rtable | number {
  const in_dev = dev_out.ip_ptr;
  if (in_dev === null) return -EINVAL;
  if (ipv4_is_loopback(fl4.saddr) && dev_out !== net.loopback_dev && !IN_DEV_ROUTE_LOCALNET(in_dev)) return -EINVAL;
  let type = res.type;
  let do_cache = true;
  let fi = res.fi;
  if (ipv4_is_lbcast(fl4.daddr)) type = RTN_BROADCAST;
  else if (ipv4_is_multicast(fl4.daddr)) type = RTN_MULTICAST;
  else if (ipv4_is_zeronet(fl4.daddr)) return -EINVAL;
  if (dev_out === net.loopback_dev) flags |= RTCF_LOCAL;
  if (type === RTN_BROADCAST) {
    flags |= RTCF_BROADCAST | RTCF_LOCAL;
    fi = null;
  } else if (type === RTN_MULTICAST) {
    flags |= RTCF_MULTICAST | RTCF_LOCAL;
    if (!ip_check_mc_rcu(in_dev, fl4.daddr, fl4.saddr, fl4.flowi4_proto)) flags &= ~RTCF_LOCAL;
    else do_cache = false;
    if (fi !== null && res.prefixlen < 4) fi = null;
  } else if (type === RTN_LOCAL && orig_oif !== 0 && orig_oif !== dev_out.ifindex) {
    // Asked for a device, delivered locally: not the same route as without.
    do_cache = false;
  }
  const nh = fi !== null ? res.nhc : null;
  let fnhe: FibNhException | null = null;
  do_cache = do_cache && fi !== null && nh !== null;
  if (nh !== null) {
    if (nh.exceptions !== null) fnhe = find_exception(nh, fl4.daddr);
    if (do_cache) {
      const cached = fnhe !== null ? fnhe.rth_output : nh.rth_output;
      if (rt_cache_valid(cached) && cached.rt_flags === flags) {
        cached.refcnt++;
        return cached;
      }
    }
  }
  rt_stat(net.kernel).out_slow_tot++;
  const rt = new Rtable(net, dev_out, flags, type, no_metrics, false, ip_local_deliver, ip_output);
  // To an address of our own: IP_PKTINFO names the device that has it.
  rt.rt_iif = type === RTN_LOCAL && nh !== null && nh.dev !== null ? nh.dev.ifindex : orig_oif;
  if ((flags & RTCF_LOCAL) === 0) rt.input = discard_in;
  if (
    (flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0 &&
    (flags & RTCF_LOCAL) !== 0 &&
    (dev_out.flags & IFF_LOOPBACK) === 0
  ) {
    rt.output = ip_mc_output;
    rt_stat(net.kernel).out_slow_mc++;
  }
  rt_set_nexthop(rt, fl4.daddr, fi, nh, fnhe, do_cache);
  return rt;
}

function discard_in(skb: SkBuff): number {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return 0;
}

/** As ip_route_output_key(); the place where IPsec will look for a policy of the socket. */
export function ip_route_output_flow(net: Net, fl4: Flowi4, _sk: Sock | null): Rtable | number {
  return ip_route_output_key(net, fl4);
}

/** A route by addresses and device only. Null when there is none. */
export function ip_route_output(
  net: Net,
  daddr: number,
  saddr: number,
  tos: number,
  oif: number,
  scope = RT_SCOPE_UNIVERSE,
): Rtable | null {
  const fl4 = new Flowi4();
  flowi4_init_output(fl4, oif, 0, tos, scope, 0, 0, daddr, saddr, 0, 0);
  const rt = ip_route_output_key(net, fl4);
  return typeof rt === "number" ? null : rt;
}

/** The route of a protocol's own answer, e.g. by ports (ip_route_output_ports). */
export function ip_route_output_ports(
  net: Net,
  fl4: Flowi4,
  sk: Sock | null,
  daddr: number,
  saddr: number,
  dport: number,
  sport: number,
  proto: number,
  tos: number,
  oif: number,
): Rtable | number {
  flowi4_init_output(
    fl4,
    oif,
    sk !== null ? sk.sk_mark : 0,
    tos,
    RT_SCOPE_UNIVERSE,
    proto,
    0,
    daddr,
    saddr,
    dport,
    sport,
  );
  return ip_route_output_flow(net, fl4, sk);
}

// --- redirects that we send ---------------------------------------------------------------------------------------

export {
  ip_rt_send_redirect,
  ipv4_redirect,
  ipv4_sk_redirect,
  ipv4_sk_update_pmtu,
  ipv4_update_pmtu,
} from "./route_exceptions.ts";

/** Everything cached is to be looked up anew (rt_cache_flush). */
export function rt_cache_flush(net: Net): void {
  net.ipv4.rt_genid = (net.ipv4.rt_genid + 1) | 0;
}

export function ip_rt_init(k: Kernel): void {
  k.route_fl4 = new Flowi4();
  k.route_res = new FibResult();
  k.route_drop_reason = 0;
  k.rt_cache_stat = k.cpus.map(() => new RtCacheStat());
  k.fib_nh_release_routes = fib_nh_release_routes;
}
