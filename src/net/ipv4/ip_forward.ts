// A packet for somebody else: TTL, MTU, redirects, FORWARD, and out again. Mirrors net/ipv4/ip_forward.c.
// Read first: RFC 1812 section 5.2.1. Way in: ip_forward(), dst.input of a forwarded packet.

import { trace_fn } from "../../kernel/trace.ts";
import { F_ip_forward, F_ip_forward_finish } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_replace2 } from "../../lib/checksum.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_EXC_TTL,
  ICMP_FRAG_NEEDED,
  ICMP_SR_FAILED,
  ICMP_TIME_EXCEEDED,
  IP_DF,
  IPH_CHECK,
  IPH_FRAG_OFF,
  IPH_TOS,
  IPH_TTL,
} from "../../uapi/ip.ts";
import { PACKET_HOST } from "../../uapi/socket.ts";
import {
  SKB_DROP_REASON_IP_INHDR,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_BIG,
} from "../core/dropreason.ts";
import { dst_output } from "../core/dst.ts";
import { skb_gso_validate_network_len } from "../core/gso.ts";
import type { Net } from "../core/net_namespace.ts";
import { LL_RESERVED_SPACE } from "../core/netdevice.ts";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  IPSKB_DOREDIRECT,
  IPSKB_FORWARDED,
  kfree_skb_reason,
  type SkBuff,
  skb_cow_head,
  skb_is_gso,
} from "../core/skbuff.ts";
import {
  IPSTATS_MIB_FRAGFAILS,
  IPSTATS_MIB_INHDRERRORS,
  IPSTATS_MIB_OUTDISCARDS,
  IPSTATS_MIB_OUTFORWDATAGRAMS,
} from "../core/snmp.ts";
import type { Sock } from "../core/sock.ts";
import { NF_HOOK, NF_INET_FORWARD, NFPROTO_IPV4 } from "../netfilter/core.ts";
import { icmp_send } from "./icmp.ts";
import { ip_forward_options } from "./ip_options.ts";
import { ip_call_ra_chain } from "./raw.ts";
import { ip_dst_mtu_maybe_forward, ip_rt_send_redirect, type Rtable } from "./route.ts";

/** Too big for the way out and not to be fragmented. */
function ip_exceeds_mtu(skb: SkBuff, mtu: number): boolean {
  if (skb.len <= mtu) return false;
  if ((skb.head.dv.getUint16(skb.network_header + IPH_FRAG_OFF) & IP_DF) === 0) return false;
  // Reassembled on the way (conntrack) from fragments that were themselves small enough.
  if (skb.frag_max_size > mtu) return true;
  if (skb.ignore_df) return false;
  return !skb_is_gso(skb) || !skb_gso_validate_network_len(skb, mtu);
}

export function ip_forward(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_forward, skb);
  // Promiscuous neighbours and multicast of the link are not ours to forward.
  if (skb.pkt_type !== PACKET_HOST || skb.sk !== null) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  const opt = skb.ipcb_opt;
  if (opt !== null && opt.router_alert !== 0 && ip_call_ra_chain(skb)) return 0;
  const rt = skb.dst as Rtable;
  const net = rt.net;
  if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
  let dv = skb.head.dv;
  let iph = skb.network_header;

  if (dv.getUint8(iph + IPH_TTL) <= 1) {
    net.mib.ip[IPSTATS_MIB_INHDRERRORS]!++;
    icmp_send(skb, ICMP_TIME_EXCEEDED, ICMP_EXC_TTL, 0);
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_INHDR);
    return 1;
  }
  if (opt !== null && opt.is_strictroute && rt.rt_uses_gateway) {
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_SR_FAILED, 0);
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  net.mib.ip[IPSTATS_MIB_OUTFORWDATAGRAMS]!++;
  const mtu = ip_dst_mtu_maybe_forward(rt, true);
  if (skb.len > mtu && ip_exceeds_mtu(skb, mtu)) {
    net.mib.ip[IPSTATS_MIB_FRAGFAILS]!++;
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_BIG);
    return 1;
  }
  // The header is about to change, and the next link's has to fit in front.
  if (skb_cow_head(skb, LL_RESERVED_SPACE(rt.dev) + rt.header_len) < 0) {
    net.mib.ip[IPSTATS_MIB_OUTDISCARDS]!++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  dv = skb.head.dv;
  iph = skb.network_header;
  // RFC 1141: one less in the TTL, 0x100 more in the checksum.
  const ttl_proto = dv.getUint16(iph + IPH_TTL);
  dv.setUint16(iph + IPH_CHECK, csum_replace2(dv.getUint16(iph + IPH_CHECK), ttl_proto, ttl_proto - 0x100));
  dv.setUint16(iph + IPH_TTL, ttl_proto - 0x100);

  if ((skb.ipcb_flags & IPSKB_DOREDIRECT) !== 0 && (opt === null || opt.srr === 0)) ip_rt_send_redirect(skb);
  if (net.ipv4.sysctl_ip_fwd_update_priority !== 0) skb.priority = rt_tos2priority(dv.getUint8(iph + IPH_TOS));
  return NF_HOOK(NFPROTO_IPV4, NF_INET_FORWARD, net, null, skb, skb.dev, rt.dev, ip_forward_finish);
}

export function ip_forward_finish(net: Net, sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_forward_finish, skb);
  skb.ipcb_flags |= IPSKB_FORWARDED;
  if (skb.ipcb_opt !== null && skb.ipcb_opt.optlen !== 0) ip_forward_options(skb);
  skb.tstamp = 0;
  return dst_output(net, sk, skb);
}

/** TC_PRIO_* for the TOS field of RFC 1349, as pfifo_fast uses it. */
const ip_tos2prio: readonly number[] = [0, 0, 0, 0, 2, 2, 2, 2, 6, 6, 6, 6, 4, 4, 4, 4];
export const rt_tos2priority = (tos: number): number => ip_tos2prio[(tos & 0x1e) >> 1]!;
