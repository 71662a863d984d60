// UDP's GRO and GSO: datagrams of one flow and one size as one packet, and back (UDP_GRO, UDP_SEGMENT).
// Mirrors net/ipv4/udp_offload.c. Read first: udp(7). Way in: udpv4_offload_init(); udp_rcv_segment() from udp.ts.

import type { Kernel } from "../../kernel/kernel.ts";
import { csum_fold, csum_tcpudp_magic, csum_tcpudp_nofold } from "../../lib/checksum.ts";
import { EINVAL } from "../../uapi/errno.ts";
import { IPH_DADDR, IPH_SADDR, UDP_HLEN, UDPH_CHECK, UDPH_DEST, UDPH_LEN, UDPH_SOURCE } from "../../uapi/ip.ts";
import { IPPROTO_UDP } from "../../uapi/socket.ts";
import { SKB_DROP_REASON_NOT_SPECIFIED } from "../core/dropreason.ts";
import { skb_gro_header, skb_gro_len, skb_gro_pull, skb_gro_receive } from "../core/gro.ts";
import { skb_gso_ok, skb_gso_segment, skb_segment } from "../core/gso.ts";
import {
  type GroList,
  NETDEV_FEAT_CHANGE,
  NETIF_F_GRO_UDP_FWD,
  NETIF_F_HW_CSUM,
  type NetDevice,
} from "../core/netdevice.ts";
import { register_netdevice_notifier } from "../core/notifier.ts";
import { skb_checksum } from "../core/skb_checksum.ts";
import {
  __skb_pull,
  CHECKSUM_PARTIAL,
  consume_skb,
  kfree_skb_reason,
  pskb_may_pull,
  SKB_GSO_UDP_L4,
  type SkBuff,
  skb_push,
} from "../core/skbuff.ts";
import { UDP_MIB_INERRORS } from "../core/snmp.ts";
import type { Sock } from "../core/sock.ts";
import { inet_add_offload, inet_gro_flush, inet_offload_wanted, skb_gro_checksum_ok } from "./gro.ts";
import { __udp4_lib_lookup } from "./udp_table.ts";

/** Datagrams in one packet at most: a flood of small ones must not pin more memory than it is worth. */
const UDP_GRO_CNT_MAX = 64;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Devices that merge for forwarding (rx-udp-gro-forwarding). */
    udp_gro_fwd: boolean;
  }
}

/** A socket turned UDP_GRO on (+1) or off (-1): frames pass GRO while there is one. */
export const udp_gro_enabled_update = (k: Kernel, delta: number): void => inet_offload_wanted(k, IPPROTO_UDP, delta);

function flush(skb: SkBuff): null {
  skb.gro!.flush = 1;
  return null;
}

/** Only what a socket with UDP_GRO will get, or what nobody here gets on a device that merges for forwarding. */
function udp4_gro_receive(head: GroList, skb: SkBuff): SkBuff | null {
  const cb = skb.gro!;
  const uh = skb_gro_header(skb, UDP_HLEN);
  if (uh < 0 || cb.flush !== 0) return flush(skb);
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const dev = skb.dev!;
  const sk = __udp4_lib_lookup(
    dev.net.udp_table,
    dv.getInt32(iph + IPH_SADDR),
    dv.getUint16(uh + UDPH_SOURCE),
    dv.getInt32(iph + IPH_DADDR),
    dv.getUint16(uh + UDPH_DEST),
    dev.ifindex,
    0,
    null,
  );
  const wanted = sk !== null ? sk.gro_enabled : (dev.features & NETIF_F_GRO_UDP_FWD) !== 0;
  // A datagram without a checksum is never merged: the merged one would need one.
  if (!wanted || dv.getUint16(uh + UDPH_CHECK) === 0 || !skb_gro_checksum_ok(skb, uh, IPPROTO_UDP)) return flush(skb);
  return udp_gro_receive_segment(head, skb, uh);
}

function udp_gro_receive_segment(head: GroList, skb: SkBuff, uh: number): SkBuff | null {
  const dv = skb.head.dv;
  const ulen = dv.getUint16(uh + UDPH_LEN);
  if (ulen <= UDP_HLEN || ulen !== skb_gro_len(skb)) return flush(skb);
  const off = skb.gro!.data_offset;
  skb_gro_pull(skb, UDP_HLEN);
  const ports = dv.getInt32(uh + UDPH_SOURCE);
  for (let p = head.first; p !== null; p = p.next) {
    const pcb = p.gro!;
    if (pcb.same_flow === 0) continue;
    const uh2 = p.data + off;
    if (p.head.dv.getInt32(uh2 + UDPH_SOURCE) !== ports) {
      pcb.same_flow = 0;
      continue;
    }
    const ulen2 = p.head.dv.getUint16(uh2 + UDPH_LEN);
    // A longer one begins a new packet; a shorter one may end this.
    if (ulen > ulen2 || inet_gro_flush(skb, p)) return p;
    if (skb_gro_receive(p, skb) !== 0 || ulen !== ulen2 || pcb.count >= UDP_GRO_CNT_MAX) return p;
    return null;
  }
  return null;
}

/** The merged packet is what UDP_SEGMENT would have sent: one long datagram with the size of its parts. */
function udp4_gro_complete(skb: SkBuff, nhoff: number): number {
  const dv = skb.head.dv;
  const uh = skb.data + nhoff;
  const iph = skb.network_header;
  const len = skb.len - nhoff;
  dv.setUint16(uh + UDPH_LEN, len);
  dv.setUint16(
    uh + UDPH_CHECK,
    ~csum_tcpudp_magic(dv.getInt32(iph + IPH_SADDR), dv.getInt32(iph + IPH_DADDR), len, IPPROTO_UDP, 0) & 0xffff,
  );
  skb.csum_start = uh;
  skb.csum_offset = UDPH_CHECK;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.head.gso_segs = skb.gro!.count;
  skb.head.gso_type |= SKB_GSO_UDP_L4;
  return 0;
}

/** skb.data is at the UDP header. Lengths and checksums of each datagram. */
export function __udp_gso_segment(skb: SkBuff, features: number): SkBuff | number | null {
  const mss = skb.head.gso_size;
  if (!pskb_may_pull(skb, UDP_HLEN) || mss <= 0 || skb.len <= UDP_HLEN + mss) return -EINVAL;
  if (skb_gso_ok(skb, features)) {
    skb.head.gso_segs = Math.ceil((skb.len - UDP_HLEN) / mss);
    return null;
  }
  const net_len = skb.transport_header - skb.network_header;
  __skb_pull(skb, UDP_HLEN);
  const segs = skb_segment(skb, features);
  if (typeof segs === "number") return segs;
  for (let s: SkBuff | null = segs; s !== null; s = s.next) {
    const dv = s.head.dv;
    const uh = s.transport_header;
    const iph = uh - net_len;
    const len = s.len - (uh - s.data);
    const saddr = dv.getInt32(iph + IPH_SADDR);
    const daddr = dv.getInt32(iph + IPH_DADDR);
    // The first one is the one that time stamps are taken of.
    if (s !== segs) s.tx_flags = 0;
    dv.setUint16(uh + UDPH_LEN, len);
    dv.setUint16(uh + UDPH_CHECK, 0);
    if (s.ip_summed === CHECKSUM_PARTIAL) {
      dv.setUint16(uh + UDPH_CHECK, ~csum_tcpudp_magic(saddr, daddr, len, IPPROTO_UDP, 0) & 0xffff);
      s.csum_start = uh;
      s.csum_offset = UDPH_CHECK;
    } else {
      const sum = skb_checksum(s, uh - s.data, len, 0);
      const check = csum_fold(csum_tcpudp_nofold(saddr, daddr, len, IPPROTO_UDP, sum));
      // RFC 768: zero would say "no checksum".
      dv.setUint16(uh + UDPH_CHECK, check === 0 ? 0xffff : check);
    }
  }
  return segs;
}

/**
 * A merged packet for a socket that does not know UDP_GRO: its datagrams, linked by next, each with data at its UDP
 * header. Takes the packet over. Null when it could not be cut: it is dropped, and counted for each of them.
 */
export function udp_rcv_segment(sk: Sock, skb: SkBuff, mib: Float64Array): SkBuff | null {
  skb_push(skb, skb.data - skb.network_header);
  const segs = skb_gso_segment(skb, NETIF_F_HW_CSUM);
  if (typeof segs === "number" || segs === null) {
    sk.sk_drops += skb.head.gso_segs;
    mib[UDP_MIB_INERRORS]! += skb.head.gso_segs;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return null;
  }
  consume_skb(skb);
  for (let s: SkBuff | null = segs; s !== null; s = s.next) {
    __skb_pull(s, s.transport_header - s.data);
    // Whoever merged it had verified the sums, or they are made here.
    s.csum_valid = true;
  }
  return segs;
}

function udp_gro_netdev_event(event: number, dev: NetDevice): void {
  const k = dev.net.kernel;
  if (event !== NETDEV_FEAT_CHANGE || k.udp_gro_fwd || (dev.features & NETIF_F_GRO_UDP_FWD) === 0) return;
  // Once a device has asked for it GRO stays on: which device it is, each packet tells.
  k.udp_gro_fwd = true;
  inet_offload_wanted(k, IPPROTO_UDP, 1);
}

/** After inet_offload_init(). */
export function udpv4_offload_init(k: Kernel): void {
  k.udp_gro_fwd = false;
  register_netdevice_notifier(k, udp_gro_netdev_event);
  inet_add_offload(
    k,
    {
      gro_receive: udp4_gro_receive,
      gro_complete: udp4_gro_complete,
      gso_segment: __udp_gso_segment,
      gro_users: 0,
    },
    IPPROTO_UDP,
  );
}
