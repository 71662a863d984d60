// ARP: questions, answers, and what may be learned from either. Mirrors net/ipv4/arp.c.
// Read first: RFC 826 "Packet Reception", RFC 5227 (probes, announcements), RFC 1027 (proxy); core/neighbour.ts.
// Way in: arp_init(), arp_rcv(), arp_solicit(). Ioctls and /proc/net/arp are in arp_proc.ts.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { KERN_INFO, printk } from "../../kernel/printk.ts";
import { trace_call, trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_arp_process, F_arp_rcv, F_arp_solicit, F_arp_xmit } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EINVAL, ENXIO } from "../../uapi/errno.ts";
import {
  ARPHRD_ETHER,
  ARPHRD_IEEE802,
  ARPOP_REPLY,
  ARPOP_REQUEST,
  IFF_LOOPBACK,
  IFF_NOARP,
  IFF_POINTOPOINT,
} from "../../uapi/if.ts";
import {
  ARPH_HLN,
  ARPH_HRD,
  ARPH_OP,
  ARPH_PLN,
  ARPH_PRO,
  ARPH_SHA,
  ETH_P_ARP,
  ETH_P_IP,
  IPH_SADDR,
} from "../../uapi/ip.ts";
import { NUD_FAILED, NUD_NOARP, NUD_REACHABLE, NUD_STALE } from "../../uapi/neighbour.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
} from "../../uapi/rtnetlink.ts";
import { AF_INET, PACKET_HOST, PACKET_LOOPBACK, PACKET_OTHERHOST } from "../../uapi/socket.ts";
import { dev_add_pack, dev_queue_xmit } from "../core/dev.ts";
import { dev_hard_header } from "../core/dev_header.ts";
import { SKB_DROP_REASON_NEIGH_FAILED, SKB_DROP_REASON_NOT_SPECIFIED } from "../core/dropreason.ts";
import { dst_release } from "../core/dst.ts";
import { register_neigh_sysctl_netdev } from "../core/neigh_sysctl.ts";
import {
  __neigh_create,
  __neigh_lookup,
  LOCALLY_ENQUEUED,
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_VAR,
  NEIGH_VAR_APP_PROBES,
  NEIGH_VAR_LOCKTIME,
  NEIGH_VAR_PROXY_DELAY,
  NEIGH_VAR_UCAST_PROBES,
  type Neighbour,
  type NeighOps,
  type NeighTable,
  NUD_VALID,
  neigh_app_ns,
  neigh_carrier_down,
  neigh_changeaddr,
  neigh_connected_output,
  neigh_direct_output,
  neigh_event_ns,
  neigh_ifdown,
  neigh_lookup,
  neigh_lookup_word,
  neigh_parms_lookup,
  neigh_release,
  neigh_remove_one,
  neigh_resolve_output,
  neigh_table_init,
  neigh_update,
  pneigh_enqueue,
  pneigh_lookup,
} from "../core/neighbour.ts";
import type { Net } from "../core/net_namespace.ts";
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  type NetDevice,
  netif_carrier_ok,
} from "../core/netdevice.ts";
import { register_netdevice_notifier } from "../core/notifier.ts";
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  pskb_may_pull,
  type SkBuff,
  skb_dst_drop,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
  skb_share_check,
} from "../core/skbuff.ts";
import { LINUX_MIB_ARPFILTER } from "../core/snmp.ts";
import type { Sock } from "../core/sock.ts";
import { ip_eth_mc_map } from "../ethernet/eth.ts";
import { NF_ARP_IN, NF_ARP_OUT, NF_HOOK, NFPROTO_ARP } from "../netfilter/core.ts";
import { inet_addr_onlink, inet_confirm_addr, inet_select_addr, inetdev_send_gratuitous_arp } from "./devinet.ts";
import { inet_addr_type_dev_table } from "./fib_frontend.ts";
import {
  __in_dev_get,
  IN_DEV_ARP_ACCEPT,
  IN_DEV_ARP_ANNOUNCE,
  IN_DEV_ARP_IGNORE,
  IN_DEV_ARPFILTER,
  IN_DEV_FORWARD,
  IN_DEV_PROXY_ARP,
  IN_DEV_ROUTE_LOCALNET,
  type InDevice,
  ipv4_is_loopback,
  ipv4_is_multicast,
} from "./netns_ipv4.ts";
import { ip_route_input_noref, ip_route_output, type Rtable, rt_cache_flush } from "./route.ts";

/** Peers should learn anew where we are: a link came back, a bond switched over. */
export const NETDEV_NOTIFY_PEERS = 20;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    arp_tbl: NeighTable;
    /** The sender's and target's hardware address of the packet being processed: copied before the packet goes. */
    arp_sha: Uint8Array;
    arp_tha: Uint8Array;
  }
}

/** Bytes of an ARP packet on `dev`: 8, and two pairs of a hardware address and an IPv4 address. */
export const arp_hdr_len = (dev: NetDevice): number => 8 + 2 * (dev.addr_len + 4);

// --- the family's part of the neighbour table ---------------------------------------------------------------------

function arp_error_report(n: Neighbour, skb: SkBuff): void {
  if (skb.dst !== null) skb.dst.ops.link_failure(skb);
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
}

/** A device with a link header that may be cached. */
const arp_hh_ops: NeighOps = {
  solicit: arp_solicit,
  error_report: arp_error_report,
  output: neigh_resolve_output,
  connected_output: neigh_resolve_output,
};
/** …that may not. */
const arp_generic_ops: NeighOps = {
  solicit: arp_solicit,
  error_report: arp_error_report,
  output: neigh_resolve_output,
  connected_output: neigh_connected_output,
};
/** …without one. */
const arp_direct_ops: NeighOps = {
  solicit: null,
  error_report: null,
  output: neigh_direct_output,
  connected_output: neigh_direct_output,
};

/** The hardware address of a multicast group: 0, or -EINVAL where the device knows none and `dir` asks for one. */
export function arp_mc_map(addr: number, haddr: Uint8Array, dev: NetDevice, dir: boolean): number {
  if (dev.type === ARPHRD_ETHER) {
    ip_eth_mc_map(addr, haddr);
    return 0;
  }
  if (!dir) return -EINVAL;
  haddr.set(dev.broadcast.subarray(0, dev.addr_len));
  return 0;
}

function arp_constructor(n: Neighbour): number {
  const dev = n.dev;
  const in_dev = __in_dev_get(dev);
  if (in_dev === null) return -EINVAL;
  // All addresses behind a link without stations have one neighbour.
  if ((dev.flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) !== 0) n.primary_key = 0;
  const addr = n.primary_key;
  n.type = inet_addr_type_dev_table(dev.net, dev, addr);
  if (dev.header_ops === null) {
    n.nud_state = NUD_NOARP;
    n.ops = arp_direct_ops;
    n.output = neigh_direct_output;
    return 0;
  }
  if (n.type === RTN_MULTICAST) {
    n.nud_state = NUD_NOARP;
    arp_mc_map(addr, n.ha, dev, true);
  } else if ((dev.flags & (IFF_NOARP | IFF_LOOPBACK)) !== 0) {
    n.nud_state = NUD_NOARP;
    for (let i = 0; i < dev.addr_len; i++) n.ha[i] = dev.dev_addr[i]!;
  } else if (n.type === RTN_BROADCAST || (dev.flags & IFF_POINTOPOINT) !== 0) {
    n.nud_state = NUD_NOARP;
    for (let i = 0; i < dev.addr_len; i++) n.ha[i] = dev.broadcast[i]!;
  }
  n.ops = dev.header_ops.cache !== undefined ? arp_hh_ops : arp_generic_ops;
  n.output = (n.nud_state & NUD_VALID) !== 0 ? n.ops.connected_output : n.ops.output;
  return 0;
}

/** The entry of a next hop without a reference, or null. */
export const __ipv4_neigh_lookup_noref = (dev: NetDevice, key: number): Neighbour | null =>
  neigh_lookup_word(dev.net.kernel.arp_tbl, dev, (dev.flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) !== 0 ? 0 : key);

/** Makes the entry, without a reference. Null: k.arp_tbl.last_error says why (-ENOBUFS: table full, -EINVAL). */
export const __ipv4_neigh_create = (dev: NetDevice, daddr: number): Neighbour | null =>
  __neigh_create(dev.net.kernel.arp_tbl, dev, false, daddr);

/** The entry of a next hop, made when needed, without a reference. */
export const ip_neigh_gw4 = (dev: NetDevice, daddr: number): Neighbour | null => {
  const n = __ipv4_neigh_lookup_noref(dev, daddr);
  return n !== null ? n : __ipv4_neigh_create(dev, daddr);
};

/** The same with a reference (dst_ops.neigh_lookup). */
export function arp_tbl_lookup(dev: NetDevice, key: number): Neighbour | null {
  const n = ip_neigh_gw4(dev, key);
  if (n !== null) n.refcnt++;
  return n;
}

// --- sending ------------------------------------------------------------------------------------------------------

/**
 * An ARP packet with its link header. Null addresses: `dest_hw` broadcast, `src_hw` the device's own, `target_hw` zeros.
 * Null result: no memory, or the device cannot make the header.
 */
export function arp_create(
  type: number,
  ptype: number,
  dest_ip: number,
  dev: NetDevice,
  src_ip: number,
  dest_hw: Uint8Array | null,
  src_hw: Uint8Array | null,
  target_hw: Uint8Array | null,
): SkBuff | null {
  const hlen = (dev.hard_header_len + dev.needed_headroom + 16) & ~15;
  const len = arp_hdr_len(dev);
  const skb = alloc_skb(dev.net.kernel, len + hlen + dev.needed_tailroom);
  if (skb === null) return null;
  skb_reserve(skb, hlen);
  skb_reset_network_header(skb);
  let at = skb_put(skb, len);
  skb.dev = dev;
  skb.protocol = ETH_P_ARP;
  if (src_hw === null) src_hw = dev.dev_addr;
  if (dest_hw === null) dest_hw = dev.broadcast;
  if (dev_hard_header(skb, dev, ptype, dest_hw, src_hw, len) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return null;
  }
  const { dv, u8 } = skb.head;
  const alen = dev.addr_len;
  dv.setUint16(at + ARPH_HRD, dev.type);
  dv.setUint16(at + ARPH_PRO, ETH_P_IP);
  u8[at + ARPH_HLN] = alen;
  u8[at + ARPH_PLN] = 4;
  dv.setUint16(at + ARPH_OP, type);
  at += ARPH_SHA;
  for (let i = 0; i < alen; i++) u8[at + i] = src_hw[i]!;
  at += alen;
  dv.setInt32(at, src_ip);
  at += 4;
  for (let i = 0; i < alen; i++) u8[at + i] = target_hw !== null ? target_hw[i]! : 0;
  at += alen;
  dv.setInt32(at, dest_ip);
  return skb;
}

const arp_xmit_finish = (_net: Net, _sk: Sock | null, skb: SkBuff): number => dev_queue_xmit(skb);

/** Sends a finished packet, if NF_ARP_OUT lets it. */
export function arp_xmit(skb: SkBuff): void {
  if (trace_key.on) trace_fn(F_arp_xmit, skb);
  const dev = skb.dev!;
  NF_HOOK(NFPROTO_ARP, NF_ARP_OUT, dev.net, null, skb, null, dev, arp_xmit_finish);
}

/** Makes and sends one. Silent on devices without ARP. */
export function arp_send(
  type: number,
  ptype: number,
  dest_ip: number,
  dev: NetDevice,
  src_ip: number,
  dest_hw: Uint8Array | null,
  src_hw: Uint8Array | null,
  target_hw: Uint8Array | null,
): void {
  if ((dev.flags & IFF_NOARP) !== 0) return;
  const skb = arp_create(type, ptype, dest_ip, dev, src_ip, dest_hw, src_hw, target_hw);
  if (skb !== null) arp_xmit(skb);
}

/**
 * Asks for the address of `n`. The source is by arp_announce: 0 that of the waiting packet when it is ours, 1 only if the
 * target is in its subnet, 2 always the best for the target. A known address is asked by unicast first (RFC 1122 2.3.2.1).
 */
export function arp_solicit(n: Neighbour, skb: SkBuff | null): void {
  const dev = n.dev;
  const net = dev.net;
  if (trace_key.on) {
    if (skb !== null) trace_fn(F_arp_solicit, skb);
    else trace_call(F_arp_solicit, net.kernel);
  }
  const target = n.primary_key;
  const in_dev = __in_dev_get(dev);
  if (in_dev === null) return;
  let saddr = 0;
  const announce = IN_DEV_ARP_ANNOUNCE(in_dev);
  if (announce <= 1 && skb !== null && skb.protocol === ETH_P_IP) {
    const from = skb.head.dv.getInt32(skb.network_header + IPH_SADDR);
    if (inet_addr_type_dev_table(net, dev, from) === RTN_LOCAL) {
      if (announce === 0 || inet_addr_onlink(in_dev, target, from)) saddr = from;
    }
  }
  if (saddr === 0) saddr = inet_select_addr(dev, target, RT_SCOPE_LINK);
  let probes = n.probes - NEIGH_VAR(n.parms, NEIGH_VAR_UCAST_PROBES);
  let dst_hw: Uint8Array | null = null;
  if (probes < 0) {
    dst_hw = n.ha;
  } else {
    probes -= NEIGH_VAR(n.parms, NEIGH_VAR_APP_PROBES);
    if (probes < 0) {
      neigh_app_ns(n);
      return;
    }
  }
  if (skb !== null && trace_key.on && trace_detail(skb.kernel)) {
    trace_note(F_arp_solicit, skb, { kind: "neigh", probe: n.probes, how: dst_hw !== null ? "unicast" : "broadcast" });
  }
  arp_send(ARPOP_REQUEST, ETH_P_ARP, target, dev, saddr, dst_hw, dev.dev_addr, null);
}

// --- receiving ----------------------------------------------------------------------------------------------------

/** arp_ignore: must a question for our address `tip` stay unanswered? */
function arp_ignore(in_dev: InDevice, sip: number, tip: number): boolean {
  const net = in_dev.dev.net;
  let on: InDevice | null = in_dev;
  let scope = RT_SCOPE_HOST;
  switch (IN_DEV_ARP_IGNORE(in_dev)) {
    case 1: // only addresses of the device asked
      sip = 0;
      break;
    case 2: // …and only when the asker is in the same subnet
      break;
    case 3: // no addresses of scope host
      sip = 0;
      scope = RT_SCOPE_LINK;
      on = null;
      break;
    case 8: // never
      return true;
    default: // 0 answers for every local address; 4 to 7 are reserved
      return false;
  }
  return inet_confirm_addr(net, on, sip, tip, scope) === 0;
}

/** arp_filter: would an answer to `sip` leave by another device? */
function arp_filter(sip: number, tip: number, dev: NetDevice): boolean {
  const net = dev.net;
  const rt = ip_route_output(net, sip, tip, 0, 0, RT_SCOPE_LINK);
  if (rt === null) return true;
  const other = rt.dev !== dev;
  if (other) net.mib.linux[LINUX_MIB_ARPFILTER]!++;
  dst_release(rt);
  return other;
}

/** proxy_arp: do we answer for what lies behind another device (RFC 1027), by medium_id? */
function arp_fwd_proxy(in_dev: InDevice, dev: NetDevice, rt: Rtable): boolean {
  if (rt.dev === dev || !IN_DEV_PROXY_ARP(in_dev)) return false;
  const imi = in_dev.cnf.medium_id;
  if (imi === 0) return true;
  if (imi === -1) return false;
  const out_dev = __in_dev_get(rt.dev);
  const omi = out_dev !== null ? out_dev.cnf.medium_id : -1;
  return omi !== imi && omi !== -1;
}

/** proxy_arp_pvlan: do we answer for another station on the same device (RFC 3069)? */
const arp_fwd_pvlan = (in_dev: InDevice, dev: NetDevice, rt: Rtable): boolean =>
  rt.dev === dev && in_dev.cnf.proxy_arp_pvlan !== 0;

/** arp_accept: may an entry be made from news nobody asked for? 1: yes; 2: only for the subnets of this device. */
function arp_accept(in_dev: InDevice, sip: number): boolean {
  switch (IN_DEV_ARP_ACCEPT(in_dev)) {
    case 1:
      return true;
    case 2:
      return inet_confirm_addr(in_dev.dev.net, in_dev, sip, 0, RT_SCOPE_LINK) !== 0;
    default:
      return false;
  }
}

/** Every ARP frame. */
export function arp_rcv(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_arp_rcv, skb);
  if ((dev.flags & IFF_NOARP) !== 0 || skb.pkt_type === PACKET_OTHERHOST || skb.pkt_type === PACKET_LOOPBACK) {
    consume_skb(skb);
    return 0;
  }
  skb = skb_share_check(skb);
  if (!pskb_may_pull(skb, arp_hdr_len(dev))) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  const { u8 } = skb.head;
  const at = skb.network_header;
  if (u8[at + ARPH_HLN] !== dev.addr_len || u8[at + ARPH_PLN] !== 4) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  skb.ipcb_flags = 0;
  return NF_HOOK(NFPROTO_ARP, NF_ARP_IN, dev.net, null, skb, dev, null, arp_process);
}

/** The hardware type a device's ARP packets must name: Ethernet and IEEE 802 understand each other. */
function hrd_ok(dev: NetDevice, hrd: number): boolean {
  if (dev.type === ARPHRD_ETHER) return hrd === ARPHRD_ETHER || hrd === ARPHRD_IEEE802;
  return hrd === dev.type;
}

function bytes_equal(a: Uint8Array, b: Uint8Array, len: number): boolean {
  for (let i = 0; i < len; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** RFC 826 "Packet Reception", on a frame whose lengths are right. The packet is gone when it returns. */
function arp_process(net: Net, _sk: Sock | null, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_arp_process, skb);
  const dev = skb.dev!;
  const in_dev = __in_dev_get(dev);
  const { dv, u8 } = skb.head;
  let at = skb.network_header;
  const op = dv.getUint16(at + ARPH_OP);
  if (
    in_dev === null ||
    !hrd_ok(dev, dv.getUint16(at + ARPH_HRD)) ||
    dv.getUint16(at + ARPH_PRO) !== ETH_P_IP ||
    (op !== ARPOP_REPLY && op !== ARPOP_REQUEST)
  ) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  const k = net.kernel;
  const alen = dev.addr_len;
  const sha = k.arp_sha;
  const tha = k.arp_tha;
  at += ARPH_SHA;
  for (let i = 0; i < alen; i++) {
    sha[i] = u8[at + i]!;
    tha[i] = u8[at + alen + 4 + i]!;
  }
  const sip = dv.getInt32(at + alen);
  const tip = dv.getInt32(at + 2 * alen + 4);

  // Nobody on a wire is a group, or the loopback.
  if (ipv4_is_multicast(tip) || (!IN_DEV_ROUTE_LOCALNET(in_dev) && ipv4_is_loopback(tip))) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  if (sip === tip && (net.ipv4.devconf_all.drop_gratuitous_arp !== 0 || in_dev.cnf.drop_gratuitous_arp !== 0)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return 1;
  }
  // A probe (RFC 5227 section 2.1.1): somebody wants to use an address of ours. The answer goes to it alone.
  if (sip === 0) {
    if (
      op === ARPOP_REQUEST &&
      inet_addr_type_dev_table(net, dev, tip) === RTN_LOCAL &&
      !arp_ignore(in_dev, sip, tip)
    ) {
      arp_send(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha);
    }
    consume_skb(skb);
    return 0;
  }
  if (op === ARPOP_REQUEST && ip_route_input_noref(skb, tip, sip, 0, dev) === 0) {
    const taken = arp_answer(skb, dev, in_dev, sip, tip, sha);
    if (taken !== 0) return 0;
  }
  arp_learn(skb, net, dev, in_dev, op, sip, tip, sha, tha);
  consume_skb(skb);
  return 0;
}

/** A question with a route to what it asks for. Non-zero when the packet is gone. */
function arp_answer(skb: SkBuff, dev: NetDevice, in_dev: InDevice, sip: number, tip: number, sha: Uint8Array): number {
  const k = dev.net.kernel;
  const rt = skb.dst as Rtable;
  if (rt.rt_type === RTN_LOCAL) {
    let dont_send = arp_ignore(in_dev, sip, tip);
    if (!dont_send && IN_DEV_ARPFILTER(in_dev)) dont_send = arp_filter(sip, tip, dev);
    if (trace_key.on && trace_detail(k)) {
      trace_note(F_arp_process, skb, { kind: "arp", verdict: dont_send ? "ignored" : "reply" });
    }
    if (!dont_send) {
      const n = neigh_event_ns(k.arp_tbl, sha, dev, sip);
      if (n !== null) {
        arp_send(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha);
        neigh_release(n);
      }
    }
    consume_skb(skb);
    return 1;
  }
  if (!IN_DEV_FORWARD(in_dev) || rt.rt_type !== RTN_UNICAST) return 0;
  const proxied =
    arp_fwd_proxy(in_dev, dev, rt) ||
    arp_fwd_pvlan(in_dev, dev, rt) ||
    (rt.dev !== dev && pneigh_lookup(k.arp_tbl, dev.net, dev, false, tip) !== null);
  if (!proxied) return 0;
  const n = neigh_event_ns(k.arp_tbl, sha, dev, sip);
  if (n !== null) neigh_release(n);
  const parms = neigh_parms_lookup(k.arp_tbl, dev);
  const now =
    (skb.ipcb_flags & LOCALLY_ENQUEUED) !== 0 ||
    skb.pkt_type === PACKET_HOST ||
    NEIGH_VAR(parms, NEIGH_VAR_PROXY_DELAY) === 0;
  if (trace_key.on && trace_detail(k)) {
    trace_note(F_arp_process, skb, { kind: "arp", verdict: now ? "proxy reply" : "proxy, delayed" });
  }
  if (!now) {
    // Whoever really has the address may be faster.
    pneigh_enqueue(k.arp_tbl, parms, skb);
    return 1;
  }
  arp_send(ARPOP_REPLY, ETH_P_ARP, sip, dev, tip, sha, dev.dev_addr, sha);
  consume_skb(skb);
  return 1;
}

/** What the packet says about its sender. An unknown sender is only entered when arp_accept says so. */
function arp_learn(
  skb: SkBuff,
  net: Net,
  dev: NetDevice,
  in_dev: InDevice,
  op: number,
  sip: number,
  tip: number,
  sha: Uint8Array,
  tha: Uint8Array,
): void {
  const tbl = net.kernel.arp_tbl;
  let n = neigh_lookup(tbl, dev, sip);
  const accept = arp_accept(in_dev, sip);
  let is_garp = false;
  let addr_type = -1;
  if (n !== null || accept) {
    is_garp = sip === tip;
    // Some answer with a gratuitous reply whose target address is not their own: no announcement, that.
    if (is_garp && op === ARPOP_REPLY) is_garp = bytes_equal(tha, sha, dev.addr_len);
    if (is_garp) {
      addr_type = inet_addr_type_dev_table(net, dev, sip);
      if (addr_type !== RTN_UNICAST) is_garp = false;
    }
  }
  if (n === null && accept) {
    if (!is_garp && op === ARPOP_REPLY && addr_type < 0) addr_type = inet_addr_type_dev_table(net, dev, sip);
    if (is_garp || (op === ARPOP_REPLY && addr_type === RTN_UNICAST)) n = __neigh_lookup(tbl, dev, true, sip);
  }
  if (n === null) return;
  // The first answer counts, unless its time is over: a second one, of another station, must not flip the entry.
  const override = jiffies(net.kernel) > n.updated + NEIGH_VAR(n.parms, NEIGH_VAR_LOCKTIME) || is_garp;
  const state = op !== ARPOP_REPLY || skb.pkt_type !== PACKET_HOST ? NUD_STALE : NUD_REACHABLE;
  neigh_update(n, sha, state, override ? NEIGH_UPDATE_F_OVERRIDE : 0);
  neigh_release(n);
}

/** A delayed proxy answer is due. */
const parp_redo = (skb: SkBuff): void => {
  skb_dst_drop(skb);
  arp_process(skb.dev!.net, null, skb);
};

// --- administration -----------------------------------------------------------------------------------------------

/** Forgets one address. 0, or -ENXIO when it is not known; a valid entry only goes by `force`. */
export function arp_invalidate(dev: NetDevice, ip: number, force: boolean): number {
  const n = neigh_lookup(dev.net.kernel.arp_tbl, dev, ip);
  if (n === null) return -ENXIO;
  let err = -ENXIO;
  if ((n.nud_state & NUD_VALID) !== 0 && !force) {
    neigh_release(n);
    return 0;
  }
  if ((n.nud_state & ~NUD_NOARP) !== 0) {
    err = neigh_update(n, null, NUD_FAILED, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN);
  }
  neigh_remove_one(n);
  neigh_release(n);
  return err;
}

/** The device no longer has IPv4. */
export const arp_ifdown = (dev: NetDevice): void => neigh_ifdown(dev.net.kernel.arp_tbl, dev);

function arp_netdev_event(event: number, dev: NetDevice, info?: unknown): void {
  const k = dev.net.kernel;
  const tbl = k.arp_tbl;
  switch (event) {
    case NETDEV_CHANGEADDR:
      neigh_changeaddr(tbl, dev);
      rt_cache_flush(dev.net);
      break;
    case NETDEV_NOTIFY_PEERS: {
      const in_dev = __in_dev_get(dev);
      if (in_dev !== null) inetdev_send_gratuitous_arp(dev, in_dev);
      break;
    }
    case NETDEV_CHANGE: {
      if (typeof info === "number" && (info & IFF_NOARP) !== 0) neigh_changeaddr(tbl, dev);
      const in_dev = __in_dev_get(dev);
      const evict =
        in_dev === null || (dev.net.ipv4.devconf_all.arp_evict_nocarrier !== 0 && in_dev.cnf.arp_evict_nocarrier !== 0);
      if (evict && !netif_carrier_ok(dev)) neigh_carrier_down(tbl, dev);
      break;
    }
    case NETDEV_DOWN:
    case NETDEV_UNREGISTER:
      arp_ifdown(dev);
      break;
  }
}

/** Boot: the table, the protocol, and what devices do to it. */
export function arp_init(k: Kernel): void {
  k.arp_sha = new Uint8Array(32);
  k.arp_tha = new Uint8Array(32);
  k.arp_tbl = neigh_table_init(k, {
    family: AF_INET,
    key_len: 4,
    protocol: ETH_P_IP,
    id: "arp_cache",
    sysctl_family: "ipv4",
    construct: arp_constructor,
    proxy_redo: parp_redo,
    is_multicast: (k0) => ipv4_is_multicast(k0),
  });
  dev_add_pack(k, { type: ETH_P_ARP, dev: null, net: null, func: arp_rcv, name: "arp_rcv", af_packet_priv: null });
  printk(k, KERN_INFO, "dev_add_pack: ETH_P_ARP → arp_rcv (ptype_base)");
  register_netdevice_notifier(k, arp_netdev_event);
  register_neigh_sysctl_netdev(k, k.arp_tbl);
  k.arp_ifdown = arp_ifdown;
  k.arp_invalidate = (dev, ip) => {
    arp_invalidate(dev, ip, false);
  };
  // An announcement in Linux's form (RFC 5227 section 2.3): a request for the address itself.
  k.arp_send_gratuitous = (dev, addr) => {
    arp_send(ARPOP_REQUEST, ETH_P_ARP, addr, dev, addr, null, dev.dev_addr, null);
  };
  k.fib_neigh_state = (dev, gw) => __ipv4_neigh_lookup_noref(dev, gw)?.nud_state ?? 0;
}

export { arp_ioctl, arp_seq_show } from "./arp_proc.ts";
