// A packet comes up from the device layer: header checks, PRE_ROUTING, routing, local delivery. Mirrors net/ipv4/ip_input.c.
// Read first: RFC 791, RFC 1122 section 3.2. Way in: ip_rcv() (dev_add_pack), then ip_local_deliver() or ip_forward().

import { trace_fn } from "../../kernel/trace.ts";
import {
  F_ip_local_deliver,
  F_ip_local_deliver_finish,
  F_ip_rcv,
  F_ip_rcv_core,
  F_ip_rcv_finish,
} from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { ip_fast_csum } from "../../lib/checksum.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_PROT_UNREACH,
  IP_MF,
  IP_OFFSET,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_LEN,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOS,
  IPH_TOT_LEN,
} from "../../uapi/ip.ts";
import { PACKET_BROADCAST, PACKET_MULTICAST, PACKET_OTHERHOST } from "../../uapi/socket.ts";
import {
  SKB_DROP_REASON_IP_CSUM,
  SKB_DROP_REASON_IP_INADDRERRORS,
  SKB_DROP_REASON_IP_INHDR,
  SKB_DROP_REASON_IP_INNOROUTES,
  SKB_DROP_REASON_IP_NOPROTO,
  SKB_DROP_REASON_IP_RPFILTER,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_OTHERHOST,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST,
} from "../core/dropreason.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice, PacketType } from "../core/netdevice.ts";
import {
  __skb_pull,
  __skb_trim,
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  consume_skb,
  kfree_skb_reason,
  pskb_may_pull,
  pskb_trim,
  type SkBuff,
  skb_orphan,
  skb_share_check,
} from "../core/skbuff.ts";
import {
  IPSTATS_MIB_CEPKTS,
  IPSTATS_MIB_CSUMERRORS,
  IPSTATS_MIB_ECT0PKTS,
  IPSTATS_MIB_ECT1PKTS,
  IPSTATS_MIB_INADDRERRORS,
  IPSTATS_MIB_INBCASTOCTETS,
  IPSTATS_MIB_INBCASTPKTS,
  IPSTATS_MIB_INDELIVERS,
  IPSTATS_MIB_INDISCARDS,
  IPSTATS_MIB_INHDRERRORS,
  IPSTATS_MIB_INMCASTOCTETS,
  IPSTATS_MIB_INMCASTPKTS,
  IPSTATS_MIB_INNOROUTES,
  IPSTATS_MIB_INOCTETS,
  IPSTATS_MIB_INPKTS,
  IPSTATS_MIB_INTRUNCATEDPKTS,
  IPSTATS_MIB_INUNKNOWNPROTOS,
  IPSTATS_MIB_NOECTPKTS,
  LINUX_MIB_IPREVERSEPATHFILTER,
} from "../core/snmp.ts";
import type { Sock } from "../core/sock.ts";
import { NF_HOOK, NF_INET_LOCAL_IN, NF_INET_PRE_ROUTING, NFPROTO_IPV4 } from "../netfilter/core.ts";
import { icmp_send } from "./icmp.ts";
import { IP_DEFRAG_LOCAL_DELIVER, ip_defrag } from "./ip_fragment.ts";
import { ip_options_compile, ip_options_rcv_srr } from "./ip_options.ts";
import { IN_DEV_SOURCE_ROUTE } from "./netns_ipv4.ts";
import { raw_local_deliver } from "./raw.ts";
import { ip_route_input_noref, RTN_BROADCAST_TYPE, RTN_MULTICAST_TYPE, type Rtable } from "./route.ts";

const EHOSTUNREACH = 113;
const ENETUNREACH = 101;
const EXDEV = 18;

/** The four ECN codepoints of the TOS byte, in its order: Not-ECT, ECT(1), ECT(0), CE (RFC 3168). */
const ecn_mib: readonly number[] = [
  IPSTATS_MIB_NOECTPKTS,
  IPSTATS_MIB_ECT1PKTS,
  IPSTATS_MIB_ECT0PKTS,
  IPSTATS_MIB_CEPKTS,
];

/** The handler of ETH_P_IP. */
export function ip_rcv(skb: SkBuff, dev: NetDevice, _pt: PacketType, _orig_dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_ip_rcv, skb);
  const net = dev.net;
  const s = ip_rcv_core(skb, net);
  if (s === null) return 1;
  return NF_HOOK(NFPROTO_IPV4, NF_INET_PRE_ROUTING, net, null, s, dev, null, ip_rcv_finish);
}

/** Everything about the header that can be wrong; counts and drops. */
function ip_rcv_core(skb: SkBuff, net: Net): SkBuff | null {
  if (trace_key.on) trace_fn(F_ip_rcv_core, skb);
  const mib = net.mib.ip;
  if (skb.pkt_type === PACKET_OTHERHOST) {
    // Seen only because the interface is promiscuous.
    kfree_skb_reason(skb, SKB_DROP_REASON_OTHERHOST);
    return null;
  }
  mib[IPSTATS_MIB_INPKTS]!++;
  mib[IPSTATS_MIB_INOCTETS]! += skb.len;
  if (skb.users !== 1) skb = skb_share_check(skb);
  if (!pskb_may_pull(skb, IPH_LEN)) return ip_inhdr_error(skb, net, SKB_DROP_REASON_IP_INHDR);

  const dv = skb.head.dv;
  const iph = skb.data;
  skb.network_header = iph;
  const vihl = dv.getUint8(iph);
  if (vihl < 0x45 || vihl > 0x4f) return ip_inhdr_error(skb, net, SKB_DROP_REASON_IP_INHDR);
  mib[ecn_mib[dv.getUint8(iph + IPH_TOS) & 3]!]! += skb.head.gso_segs || 1;
  const ihl = (vihl & 0xf) << 2;
  if (ihl !== IPH_LEN && !pskb_may_pull(skb, ihl)) return ip_inhdr_error(skb, net, SKB_DROP_REASON_IP_INHDR);
  return ip_rcv_core_finish(skb, net, ihl);
}

function ip_rcv_core_finish(skb: SkBuff, net: Net, ihl: number): SkBuff | null {
  const mib = net.mib.ip;
  // pskb_may_pull may have moved the head.
  const dv = skb.head.dv;
  const iph = skb.network_header;
  if (ip_fast_csum(dv, iph, ihl >> 2) !== 0) {
    mib[IPSTATS_MIB_CSUMERRORS]!++;
    return ip_inhdr_error(skb, net, SKB_DROP_REASON_IP_CSUM);
  }
  const len = dv.getUint16(iph + IPH_TOT_LEN);
  if (skb.len < len) {
    mib[IPSTATS_MIB_INTRUNCATEDPKTS]!++;
    kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_SMALL);
    return null;
  }
  if (len < ihl) return ip_inhdr_error(skb, net, SKB_DROP_REASON_IP_INHDR);
  // What the link padded goes (RFC 894: Ethernet pads to 46 bytes).
  if (skb.len > len) {
    if (skb.data_len === 0) {
      __skb_trim(skb, len);
      if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
    } else if (pskb_trim(skb, len) < 0) {
      mib[IPSTATS_MIB_INDISCARDS]!++;
      kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
      return null;
    }
  }
  skb.transport_header = iph + ihl;
  skb.ipcb_iif = skb.skb_iif;
  skb.ipcb_flags = 0;
  skb.ipcb_opt = null;
  skb.frag_max_size = 0;
  // A packet of the wire has no sender here.
  if (skb.destructor !== null) skb_orphan(skb);
  return skb;
}

function ip_inhdr_error(skb: SkBuff, net: Net, reason: number): null {
  net.mib.ip[IPSTATS_MIB_INHDRERRORS]!++;
  kfree_skb_reason(skb, reason);
  return null;
}

/** PRE_ROUTING let it pass: where does it go? */
export function ip_rcv_finish(net: Net, _sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_rcv_finish, skb);
  const dev = skb.dev!;
  if (ip_rcv_finish_core(net, skb, dev) !== 0) return 1;
  return skb.dst!.input(skb);
}

function ip_rcv_finish_core(net: Net, skb: SkBuff, dev: NetDevice): number {
  const head = skb.head;
  const iph = skb.network_header;
  const dv = head.dv;
  if (net.ipv4.sysctl_ip_early_demux !== 0 && skb.dst === null && skb.sk === null) {
    if ((dv.getUint16(iph + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET)) === 0) {
      const prot = skb.kernel.inet_protos[dv.getUint8(iph + IPH_PROTOCOL)]!;
      if (prot !== null && prot.early_demux !== undefined) {
        const reason = prot.early_demux(skb);
        if (reason !== 0) return drop(net, skb, reason);
      }
    }
  }
  const daddr = dv.getInt32(iph + IPH_DADDR);
  const saddr = dv.getInt32(iph + IPH_SADDR);
  if (skb.dst === null) {
    const err = ip_route_input_noref(skb, daddr, saddr, dv.getUint8(iph + IPH_TOS) & 0xfc, dev);
    if (err !== 0) return drop_route_error(net, skb, err);
  }
  if (dv.getUint8(iph) > 0x45 && ip_rcv_options(skb, dev)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_INHDR);
    return 1;
  }
  const rt = skb.dst as Rtable;
  if (rt.rt_type === RTN_MULTICAST_TYPE) {
    net.mib.ip[IPSTATS_MIB_INMCASTPKTS]!++;
    net.mib.ip[IPSTATS_MIB_INMCASTOCTETS]! += skb.len;
  } else if (rt.rt_type === RTN_BROADCAST_TYPE) {
    net.mib.ip[IPSTATS_MIB_INBCASTPKTS]!++;
    net.mib.ip[IPSTATS_MIB_INBCASTOCTETS]! += skb.len;
  } else if (skb.pkt_type === PACKET_BROADCAST || skb.pkt_type === PACKET_MULTICAST) {
    // RFC 1122 section 3.3.6: a unicast address in a link-layer broadcast may be dropped; Linux does so when told.
    const in_dev = dev.ip_ptr;
    if (
      in_dev !== null &&
      (in_dev.cnf.drop_unicast_in_l2_multicast !== 0 || net.ipv4.devconf_all.drop_unicast_in_l2_multicast !== 0)
    ) {
      kfree_skb_reason(skb, SKB_DROP_REASON_UNICAST_IN_L2_MULTICAST);
      return 1;
    }
  }
  return 0;
}

function drop(_net: Net, skb: SkBuff, reason: number): number {
  kfree_skb_reason(skb, reason);
  return 1;
}

function drop_route_error(net: Net, skb: SkBuff, err: number): number {
  const reason = skb.kernel.route_drop_reason;
  if (err === -EXDEV) {
    net.mib.linux[LINUX_MIB_IPREVERSEPATHFILTER]!++;
    kfree_skb_reason(skb, SKB_DROP_REASON_IP_RPFILTER);
  } else if (err === -EHOSTUNREACH) {
    net.mib.ip[IPSTATS_MIB_INADDRERRORS]!++;
    kfree_skb_reason(skb, reason !== 0 ? reason : SKB_DROP_REASON_IP_INADDRERRORS);
  } else if (err === -ENETUNREACH) {
    net.mib.ip[IPSTATS_MIB_INNOROUTES]!++;
    kfree_skb_reason(skb, reason !== 0 ? reason : SKB_DROP_REASON_IP_INNOROUTES);
  } else kfree_skb_reason(skb, reason !== 0 ? reason : SKB_DROP_REASON_NOT_SPECIFIED);
  return 1;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Why ip_route_input refused the last packet, when it knows better than its errno says; 0 otherwise. */
    route_drop_reason: number;
  }
}

/** Compiles the options of a received header. True when the packet is bad. */
function ip_rcv_options(skb: SkBuff, dev: NetDevice): boolean {
  if (ip_options_compile(dev.net, null, skb) < 0) {
    dev.net.mib.ip[IPSTATS_MIB_INHDRERRORS]!++;
    return true;
  }
  const opt = skb.ipcb_opt;
  if (opt !== null && opt.srr !== 0) {
    const in_dev = dev.ip_ptr;
    if (in_dev !== null && !IN_DEV_SOURCE_ROUTE(in_dev)) return true;
    if (ip_options_rcv_srr(skb, dev) !== 0) return true;
  }
  return false;
}

/** dst.input of a packet for us: reassembled, then LOCAL_IN. */
export function ip_local_deliver(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_local_deliver, skb);
  const net = skb.dev!.net;
  if ((skb.head.dv.getUint16(skb.network_header + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET)) !== 0) {
    if (ip_defrag(net, skb, IP_DEFRAG_LOCAL_DELIVER) !== 0) return 0;
  }
  return NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_IN, net, null, skb, skb.dev, null, ip_local_deliver_finish);
}

/** LOCAL_IN let it pass: to the protocol, and to raw sockets before. */
export function ip_local_deliver_finish(net: Net, _sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ip_local_deliver_finish, skb);
  const head = skb.head;
  const protocol = head.dv.getUint8(skb.network_header + IPH_PROTOCOL);
  __skb_pull(skb, skb.transport_header - skb.data);
  ip_protocol_deliver_rcu(net, skb, protocol);
  return 0;
}

function ip_protocol_deliver_rcu(net: Net, skb: SkBuff, protocol: number): void {
  const k = skb.kernel;
  for (;;) {
    const raw = net.ipv4_raw_users !== 0 ? raw_local_deliver(skb, protocol) : false;
    const prot = k.inet_protos[protocol]!;
    if (prot !== null) {
      const ret = prot.handler(skb);
      if (ret < 0) {
        protocol = -ret;
        continue;
      }
      net.mib.ip[IPSTATS_MIB_INDELIVERS]!++;
      return;
    }
    if (!raw) {
      net.mib.ip[IPSTATS_MIB_INUNKNOWNPROTOS]!++;
      icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH, 0);
      kfree_skb_reason(skb, SKB_DROP_REASON_IP_NOPROTO);
    } else {
      net.mib.ip[IPSTATS_MIB_INDELIVERS]!++;
      consume_skb(skb);
    }
    return;
  }
}

declare module "../core/net_namespace.ts" {
  interface Net {
    /** Raw sockets open in this namespace; while 0 nobody looks for one per packet. */
    ipv4_raw_users: number;
  }
}
