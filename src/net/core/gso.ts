// GSO: a packet larger than the wire takes is cut into segments at the last moment. Mirrors net/core/gso.c and skb_segment().
// Read first: docs/path-of-a-packet.md. Way in: skb_gso_segment() from validate_xmit_skb() and ip_finish_output_gso().

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_skb_segment } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EINVAL, ENOMEM, EPROTONOSUPPORT } from "../../uapi/errno.ts";
import { TCPH_DOFF, UDP_HLEN } from "../../uapi/ip.ts";
import {
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_IP_CSUM,
  NETIF_F_TSO,
  NETIF_F_TSO_ECN,
  NETIF_F_TSO6,
  type PacketOffload,
} from "./netdevice.ts";
import {
  __skb_pull,
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  consume_skb,
  head_copy,
  pskb_may_pull,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_TCPV4,
  SKB_GSO_TCPV6,
  SKB_GSO_UDP_L4,
  type SkBuff,
  skb_copy_bits_to_head,
  skb_copy_header,
  skb_cow_head,
  skb_push,
  skb_put,
  skb_reserve,
} from "./skbuff.ts";
import { skb_set_owner_w } from "./sock.ts";

/** Can a device of these features take the packet as it is? */
export function skb_gso_ok(skb: SkBuff, features: number): boolean {
  const type = skb.head.gso_type;
  if (skb.head.frag_list !== null && (features & NETIF_F_FRAGLIST) === 0) return false;
  let need = 0;
  if ((type & SKB_GSO_TCPV4) !== 0) need |= NETIF_F_TSO;
  if ((type & SKB_GSO_TCP_ECN) !== 0) need |= NETIF_F_TSO_ECN;
  // A device of NETIF_F_TSO_MANGLEID may keep the ID; there is none here.
  if ((type & SKB_GSO_TCP_FIXEDID) !== 0) return false;
  if ((type & SKB_GSO_TCPV6) !== 0) need |= NETIF_F_TSO6;
  if ((type & SKB_GSO_UDP_L4) !== 0) need |= NETIF_F_GSO_UDP_L4;
  return (features & need) === need;
}

/** Bytes of transport header that each segment of a GSO packet has. */
export function skb_gso_transport_hdrlen(skb: SkBuff): number {
  const head = skb.head;
  if ((head.gso_type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) !== 0) {
    return (head.dv.getUint8(skb.transport_header + TCPH_DOFF) >> 4) << 2;
  }
  return (head.gso_type & SKB_GSO_UDP_L4) !== 0 ? UDP_HLEN : 0;
}

/** Do the segments fit `mtu`, each with its network header? */
export const skb_gso_validate_network_len = (skb: SkBuff, mtu: number): boolean =>
  skb.transport_header - skb.network_header + skb_gso_transport_hdrlen(skb) + skb.head.gso_size <= mtu;

/** The same of frames: each with its link header, too. */
export const skb_gso_validate_mac_len = (skb: SkBuff, len: number): boolean =>
  skb.transport_header - skb.mac_header + skb_gso_transport_hdrlen(skb) + skb.head.gso_size <= len;

/** Will the device sum what segmentation makes? */
const can_checksum_protocol = (features: number): boolean => (features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)) !== 0;

function gso_offload(k: Kernel, type: number): PacketOffload | null {
  for (const po of k.offload_base) if (po.type === type && po.gso_segment !== undefined) return po;
  return null;
}

/**
 * The segments of a packet, linked by next, each with its own headers; null when `features` take it as it is; -errno.
 * `skb.data` is at the link header, or at the network header where there is none yet. The packet itself stays the caller's.
 */
export function skb_gso_segment(skb: SkBuff, features: number): SkBuff | number | null {
  const po = gso_offload(skb.kernel, skb.protocol);
  if (po === null) return -EPROTONOSUPPORT;
  if (skb.ip_summed !== CHECKSUM_PARTIAL && skb_cow_head(skb, 0) < 0) return -ENOMEM;
  const mac = skb.data;
  skb.mac_header = mac;
  const mac_len = skb.network_header - mac;
  skb.mac_len = mac_len;
  if (mac_len < 0 || !pskb_may_pull(skb, mac_len)) return -EINVAL;
  __skb_pull(skb, skb.network_header - skb.data);
  const segs = po.gso_segment!(skb, features);
  skb_push(skb, skb.data - skb.mac_header);
  return segs;
}

/** Room in front of each segment, so that headers of tunnels still fit. */
const GSO_HEADROOM = 64;

/**
 * Cuts `skb` into pieces of gso_size. `skb.data` is at the payload; what lies between mac_header and it is copied in
 * front of each piece. Sums stay as they are: CHECKSUM_PARTIAL where `features` can sum, CHECKSUM_NONE where the caller
 * must. The list, or -errno. DIFF: payload is copied into linear packets, where Linux shares pages on scatter-gather devices.
 */
export function skb_segment(skb: SkBuff, features: number): SkBuff | number {
  if (trace_key.on) trace_fn(F_skb_segment, skb);
  const k = skb.kernel;
  const mss = skb.head.gso_size;
  if (mss <= 0) return -EINVAL;
  const doffset = skb.data - skb.mac_header;
  const csum = can_checksum_protocol(features) && skb.ip_summed === CHECKSUM_PARTIAL;
  let first: SkBuff | null = null;
  let last: SkBuff | null = null;
  for (let offset = 0; offset < skb.len; offset += mss) {
    const len = Math.min(mss, skb.len - offset);
    const seg = alloc_skb(k, GSO_HEADROOM + doffset + len);
    if (seg === null) {
      for (let s = first; s !== null; ) {
        const next: SkBuff | null = s.next;
        consume_skb(s);
        s = next;
      }
      return -ENOMEM;
    }
    skb_copy_header(seg, skb);
    skb_reserve(seg, GSO_HEADROOM);
    const delta = GSO_HEADROOM - skb.mac_header;
    const at = skb_put(seg, doffset + len);
    head_copy(seg.head, at, skb.head, skb.mac_header, doffset);
    skb_copy_bits_to_head(skb, offset, seg.head, at + doffset, len);
    seg.mac_header = at;
    seg.network_header = skb.network_header + delta;
    seg.transport_header = skb.transport_header + delta;
    seg.ip_summed = csum ? CHECKSUM_PARTIAL : CHECKSUM_NONE;
    seg.csum_start = skb.csum_start + delta;
    seg.csum_offset = skb.csum_offset;
    if (skb.sk !== null && skb.destructor !== null) skb_set_owner_w(seg, skb.sk);
    if (trace_key.on && trace_detail(k)) trace_note(F_skb_segment, seg, { kind: "segment", parent: skb.id, offset });
    if (last !== null) last.next = seg;
    else first = seg;
    last = seg;
  }
  return first !== null ? first : -EINVAL;
}
