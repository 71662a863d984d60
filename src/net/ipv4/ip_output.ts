// A packet goes down: header, LOCAL_OUT, POST_ROUTING, fragmentation, neighbour. Mirrors net/ipv4/ip_output.c.
// Read first: RFC 791, RFC 6864 (the ID field). Way in: ip_local_out(), ip_append_data()/ip_push_pending_frames() in
// ip_append.ts, ip_queue_xmit() for connected protocols.

import { trace_fn } from "../../kernel/trace.ts";
import {
  F___ip_local_out,
  F_ip_finish_output,
  F_ip_finish_output2,
  F_ip_local_out,
  F_ip_mc_output,
  F_ip_output,
  F_ip_queue_xmit,
} from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { ip_fast_csum } from "../../lib/checksum.ts";
import { EHOSTUNREACH, ENOMEM } from "../../uapi/errno.ts";
import {
  ETH_P_IP,
  IP_DF,
  IPH_CHECK,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_ID,
  IPH_LEN,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOS,
  IPH_TOT_LEN,
  IPH_TTL,
  IPH_VER_IHL,
} from "../../uapi/ip.ts";
import { RTN_BROADCAST, RTN_MULTICAST } from "../../uapi/rtnetlink.ts";
import { IP_PMTUDISC_DO, IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT } from "../../uapi/socket.ts";
import {
  SKB_DROP_REASON_IP_OUTNOROUTES,
  SKB_DROP_REASON_NEIGH_CREATEFAIL,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from "../core/dropreason.ts";
import { dst_output } from "../core/dst.ts";
import { skb_gso_segment, skb_gso_validate_network_len } from "../core/gso.ts";
import { type Neighbour, neigh_output, sock_confirm_neigh } from "../core/neighbour.ts";
import type { Net } from "../core/net_namespace.ts";
import { LL_RESERVED_SPACE, NETIF_F_GSO_SOFTWARE } from "../core/netdevice.ts";
import {
  consume_skb,
  IPSKB_REROUTED,
  kfree_skb_reason,
  type SkBuff,
  skb_clone,
  skb_cow_head,
  skb_is_gso,
  skb_push,
} from "../core/skbuff.ts";
import {
  IPSTATS_MIB_OUTBCASTOCTETS,
  IPSTATS_MIB_OUTBCASTPKTS,
  IPSTATS_MIB_OUTMCASTOCTETS,
  IPSTATS_MIB_OUTMCASTPKTS,
  IPSTATS_MIB_OUTNOROUTES,
  IPSTATS_MIB_OUTOCTETS,
  IPSTATS_MIB_OUTPKTS,
  IPSTATS_MIB_OUTREQUESTS,
} from "../core/snmp.ts";
import { __sk_dst_check, type Sock, sk_dst_set } from "../core/sock.ts";
import {
  NF_HOOK,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NFPROTO_IPV4,
  nf_hook,
  nf_hooks_active,
} from "../netfilter/core.ts";
import { __ipv4_neigh_create, __ipv4_neigh_lookup_noref } from "./arp.ts";
import { type InetSock, inet_sk, ip_select_ttl } from "./inet_sock.ts";
import { ip_fragment } from "./ip_frag_output.ts";
import { ip_options_build } from "./ip_options.ts";
import { ip_dst_mtu_maybe_forward, ip_route_output_ports, RTCF_LOCAL, RTCF_MULTICAST, type Rtable } from "./route.ts";

/** Computes the header checksum in place. */
export function ip_send_check(dv: DataView, iph: number): void {
  dv.setUint16(iph + IPH_CHECK, 0);
  dv.setUint16(iph + IPH_CHECK, ip_fast_csum(dv, iph, dv.getUint8(iph) & 0xf));
}

/** 2048 generators: the high 11 bits of a hash. */
export const IP_IDENTS_SZ = 2048;
const IP_IDENTS_SHIFT = 21;

/**
 * The ID field (RFC 6864). A connected socket counts for itself. Else a packet that is never fragmented (`atomic`) needs no
 * ID, and others draw from a generator per addresses and protocol, whose start nobody outside can guess.
 * DIFF: Linux adds a random step for the time since the last draw; here an ID follows the one before.
 */
export function ip_ident(
  net: Net,
  saddr: number,
  daddr: number,
  proto: number,
  atomic: boolean,
  sk: Sock | null,
  segs: number,
): number {
  if (sk !== null && (sk as InetSock).inet_daddr !== 0) {
    const inet = sk as InetSock;
    const id = inet.inet_id & 0xffff;
    inet.inet_id = (id + segs) & 0xffff;
    return id;
  }
  if (atomic) return 0;
  const idents = net.ipv4_idents;
  // Two multiplications: this is paid for each datagram.
  const h = Math.imul((daddr + net.ipv4.ip_id_key) | 0, 0x9e3779b1);
  const at = Math.imul(h ^ (h >>> 15) ^ saddr ^ (proto << 24), 0x85ebca6b) >>> IP_IDENTS_SHIFT;
  const id = idents[at]!;
  idents[at] = id + segs;
  return id;
}

export function ip_select_ident_segs(net: Net, skb: SkBuff, sk: Sock | null, segs: number): void {
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const id = ip_ident(
    net,
    dv.getInt32(iph + IPH_SADDR),
    dv.getInt32(iph + IPH_DADDR),
    dv.getUint8(iph + IPH_PROTOCOL),
    (dv.getUint16(iph + IPH_FRAG_OFF) & IP_DF) !== 0 && !skb.ignore_df,
    sk,
    segs,
  );
  dv.setUint16(iph + IPH_ID, id);
}
export const ip_select_ident = (net: Net, skb: SkBuff, sk: Sock | null): void => ip_select_ident_segs(net, skb, sk, 1);

declare module "../core/net_namespace.ts" {
  interface Net {
    /** ip_idents: generators of the ID field, started from the Host's random source. */
    ipv4_idents: Uint16Array;
  }
}

/** May the packet not be fragmented on its way? */
export function ip_dont_fragment(inet: InetSock, rt: Rtable): boolean {
  return (
    inet.pmtudisc === IP_PMTUDISC_DO ||
    inet.pmtudisc === IP_PMTUDISC_PROBE ||
    (inet.pmtudisc === IP_PMTUDISC_WANT && !rt.rt_mtu_locked)
  );
}

/** Length, checksum, LOCAL_OUT. Returns what the hook says: 1 means "go on". */
export function __ip_local_out(net: Net, sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F___ip_local_out, skb);
  const dv = skb.head.dv;
  const iph = skb.network_header;
  net.mib.ip[IPSTATS_MIB_OUTREQUESTS]!++;
  if (dv.getUint16(iph + IPH_TOT_LEN) !== skb.len) dv.setUint16(iph + IPH_TOT_LEN, skb.len);
  if (dv.getUint8(iph) === 0x45) {
    // The words as they were written a moment ago, and no store in between: a load that spans two fresh stores waits.
    const w0 = dv.getInt32(iph);
    const w1 = dv.getInt32(iph + IPH_ID);
    const s = dv.getInt32(iph + IPH_SADDR);
    const d = dv.getInt32(iph + IPH_DADDR);
    let sum =
      (w0 >>> 16) + (w0 & 0xffff) + (w1 >>> 16) + (w1 & 0xffff) + (s >>> 16) + (s & 0xffff) + (d >>> 16) + (d & 0xffff);
    sum += dv.getUint16(iph + IPH_TTL);
    sum = (sum & 0xffff) + (sum >>> 16);
    dv.setUint16(iph + IPH_CHECK, ~(sum + (sum >>> 16)) & 0xffff);
  } else {
    dv.setUint16(iph + IPH_CHECK, 0);
    dv.setUint16(iph + IPH_CHECK, ip_fast_csum(dv, iph, dv.getUint8(iph) & 0xf));
  }
  skb.protocol = ETH_P_IP;
  if (!nf_hooks_active(net, NFPROTO_IPV4, NF_INET_LOCAL_OUT)) return 1;
  return nf_hook(NFPROTO_IPV4, NF_INET_LOCAL_OUT, net, sk, skb, null, skb.dst!.dev, dst_output);
}

/** Sends a packet that has its header and its route. */
export function ip_local_out(net: Net, sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_local_out, skb);
  const err = __ip_local_out(net, sk, skb);
  return err === 1 ? skb.dst!.output(net, sk, skb) : err;
}

/** dst.output of unicast routes: to the device, through POST_ROUTING. */
export function ip_output(net: Net, sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_output, skb);
  const in_dev = skb.dev;
  const dev = skb.dst!.dev;
  skb.dev = dev;
  skb.protocol = ETH_P_IP;
  if ((skb.ipcb_flags & IPSKB_REROUTED) !== 0) return ip_finish_output(net, sk, skb);
  return NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, net, sk, skb, in_dev, dev, ip_finish_output);
}

/** dst.output of multicast and broadcast that we ourselves want as well: one copy comes back. */
export function ip_mc_output(net: Net, sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_mc_output, skb);
  const rt = skb.dst as Rtable;
  const dev = rt.dev;
  skb.dev = dev;
  skb.protocol = ETH_P_IP;
  if ((rt.rt_flags & RTCF_MULTICAST) !== 0) {
    const loop = sk === null || (sk as InetSock).mc_loop !== false;
    if (loop && (rt.rt_flags & RTCF_LOCAL) !== 0) {
      NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, net, sk, skb_clone(skb), null, dev, ip_mc_finish_output);
    }
    if (skb.head.dv.getUint8(skb.network_header + IPH_TTL) === 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
      return 0;
    }
  } else if (rt.rt_type === RTN_BROADCAST && (rt.rt_flags & RTCF_LOCAL) !== 0) {
    NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, net, sk, skb_clone(skb), null, dev, ip_mc_finish_output);
  }
  return NF_HOOK(NFPROTO_IPV4, NF_INET_POST_ROUTING, net, sk, skb, null, dev, ip_finish_output);
}

/** dev_loopback_xmit: the copy of our own multicast comes in as if it had been received. */
function ip_mc_finish_output(_net: Net, _sk: Sock | null, skb: SkBuff): number {
  return skb.kernel.dev_loopback_xmit(skb);
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** From dev_loopback.ts, as registration: back up the stack of the same device. */
    dev_loopback_xmit: (skb: SkBuff) => number;
  }
}

/** The MTU that counts for this packet: the socket may say that the route's is to be ignored. */
export function ip_skb_dst_mtu(sk: Sock | null, skb: SkBuff): number {
  const rt = skb.dst as Rtable;
  if (sk === null || (sk as InetSock).pmtudisc === undefined)
    return ip_dst_mtu_maybe_forward(rt, (skb.ipcb_flags & 1) !== 0);
  const forwarding = (skb.ipcb_flags & 1) !== 0;
  const pmtudisc = (sk as InetSock).pmtudisc;
  if (pmtudisc >= IP_PMTUDISC_PROBE) return Math.min(rt.dev.mtu, 0xffff);
  return ip_dst_mtu_maybe_forward(rt, forwarding);
}

export function ip_finish_output(net: Net, sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_finish_output, skb);
  const mtu = ip_skb_dst_mtu(sk, skb);
  if (skb.len > mtu || skb.frag_max_size !== 0) {
    if (skb.head.gso_size !== 0) return ip_finish_output_gso(net, sk, skb, mtu);
    return ip_fragment(net, sk, skb, mtu, ip_finish_output2);
  }
  return ip_finish_output2(net, sk, skb);
}

/** A GSO packet passes when its segments fit; else it is segmented here and each segment goes its way. */
function ip_finish_output_gso(net: Net, sk: Sock | null, skb: SkBuff, mtu: number): number {
  if (skb_gso_validate_network_len(skb, mtu)) return ip_finish_output2(net, sk, skb);
  // What the device can sum it sums: only the cutting is done here.
  const dev = skb.dst!.dev;
  const segs = skb_gso_segment(skb, dev.features & ~NETIF_F_GSO_SOFTWARE);
  if (typeof segs === "number" || segs === null) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return -ENOMEM;
  }
  let ret = 0;
  let s: SkBuff | null = segs;
  consume_skb(skb);
  while (s !== null) {
    const next: SkBuff | null = s.next;
    s.next = null;
    const err = ip_fragment(net, sk, s, mtu, ip_finish_output2);
    if (err !== 0 && ret === 0) ret = err;
    s = next;
  }
  return ret;
}

/** The next hop's neighbour entry takes it from here. */
export function ip_finish_output2(net: Net, _sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_finish_output2, skb);
  const rt = skb.dst as Rtable;
  const dev = rt.dev;
  const mib = net.mib.ip;
  if (rt.rt_type === RTN_MULTICAST) {
    mib[IPSTATS_MIB_OUTMCASTPKTS]!++;
    mib[IPSTATS_MIB_OUTMCASTOCTETS]! += skb.len;
  } else if (rt.rt_type === RTN_BROADCAST) {
    mib[IPSTATS_MIB_OUTBCASTPKTS]!++;
    mib[IPSTATS_MIB_OUTBCASTOCTETS]! += skb.len;
  }
  mib[IPSTATS_MIB_OUTPKTS]!++;
  mib[IPSTATS_MIB_OUTOCTETS]! += skb.len;
  if (skb.data < dev.hard_header_len && skb_cow_head(skb, LL_RESERVED_SPACE(dev)) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return -ENOMEM;
  }
  const gw = rt.rt_gw4 !== 0 ? rt.rt_gw4 : skb.head.dv.getInt32(skb.network_header + IPH_DADDR);
  let neigh: Neighbour | null = __ipv4_neigh_lookup_noref(dev, gw);
  if (neigh === null) neigh = __ipv4_neigh_create(dev, gw);
  if (neigh === null) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_CREATEFAIL);
    return skb.kernel.arp_tbl.last_error;
  }
  if (skb.dst_pending_confirm) sock_confirm_neigh(skb, neigh);
  return neigh_output(neigh, skb, false);
}

/** The route of a connected socket, looked up again when an option or a change of routes took it; null: there is none. */
export function inet_sk_route(sk: Sock): Rtable | null {
  const known = __sk_dst_check(sk, 0) as Rtable | null;
  if (known !== null) return known;
  const inet = inet_sk(sk);
  const opt = inet.inet_opt;
  const rt = ip_route_output_ports(
    sk.net,
    inet.fl4,
    sk,
    opt !== null && opt.srr !== 0 ? opt.faddr : inet.inet_daddr,
    inet.inet_saddr,
    inet.inet_dport,
    inet.inet_sport,
    sk.sk_protocol,
    inet.tos,
    sk.sk_bound_dev_if,
  );
  if (typeof rt === "number") return null;
  sk_dst_set(sk, rt);
  return rt;
}

/** For connected protocols: the socket's cached route, a new header, out. The transport header is at skb.data. */
export function ip_queue_xmit(sk: Sock, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_queue_xmit, skb);
  const inet = inet_sk(sk);
  const net = sk.net;
  let rt = skb.dst as Rtable | null;
  if (rt === null) {
    rt = inet_sk_route(sk);
    if (rt === null) {
      net.mib.ip[IPSTATS_MIB_OUTNOROUTES]!++;
      kfree_skb_reason(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
      return -EHOSTUNREACH;
    }
    skb.dst = rt;
    skb.dst_noref = true;
  }
  const opt = inet.inet_opt;
  const hlen = IPH_LEN + (opt !== null ? opt.optlen : 0);
  const iph = skb_push(skb, hlen);
  skb.network_header = iph;
  const dv = skb.head.dv;
  dv.setUint8(iph + IPH_VER_IHL, 0x40 | (hlen >> 2));
  dv.setUint8(iph + IPH_TOS, inet.tos & 0xff);
  dv.setUint16(iph + IPH_FRAG_OFF, ip_dont_fragment(inet, rt) && !skb.ignore_df ? IP_DF : 0);
  dv.setUint8(iph + IPH_TTL, ip_select_ttl(inet, rt));
  dv.setUint8(iph + IPH_PROTOCOL, sk.sk_protocol);
  dv.setInt32(iph + IPH_SADDR, inet.inet_saddr);
  dv.setInt32(iph + IPH_DADDR, inet.inet_daddr);
  if (opt !== null && opt.optlen > 0) ip_options_build(skb, opt, inet.inet_daddr, rt);
  ip_select_ident_segs(net, skb, sk, skb_is_gso(skb) ? skb.head.gso_segs || 1 : 1);
  skb.priority = sk.sk_priority;
  skb.mark = sk.sk_mark;
  return ip_local_out(net, sk, skb);
}
