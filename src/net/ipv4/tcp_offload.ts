// TCP's part of GRO and GSO: segments of one flow become one long one, and a long one segments where the device cannot cut.
// Mirrors net/ipv4/tcp_offload.c. Read first: RFC 9293 section 3.1, RFC 3168 section 6.1.2. Way in: tcpv4_offload_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { csum_fold, csum_tcpudp_magic, csum_tcpudp_nofold } from "../../lib/checksum.ts";
import { EINVAL } from "../../uapi/errno.ts";
import { IPH_DADDR, IPH_SADDR, TCPH_DOFF } from "../../uapi/ip.ts";
import { IPPROTO_TCP } from "../../uapi/socket.ts";
import { skb_gro_header, skb_gro_len, skb_gro_pull, skb_gro_receive } from "../core/gro.ts";
import { skb_gso_ok, skb_segment } from "../core/gso.ts";
import type { GroList } from "../core/netdevice.ts";
import { skb_checksum } from "../core/skb_checksum.ts";
import {
  __skb_pull,
  CHECKSUM_PARTIAL,
  pskb_may_pull,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCP_FIXEDID,
  SKB_GSO_TCPV4,
  type SkBuff,
} from "../core/skbuff.ts";
import { inet_add_offload, inet_gro_flush, skb_gro_checksum_ok } from "./gro.ts";
import { tcp_wfree } from "./tcp_output.ts";

const TCPH_LEN = 20;
const TCPH_SEQ = 4;
const TCPH_ACK_SEQ = 8;
const TCPH_FLAGS = 13;
const TCPH_CHECK = 16;
const FIN = 0x01;
const SYN = 0x02;
const RST = 0x04;
const PSH = 0x08;
const URG = 0x20;
const CWR = 0x80;

/** skb.data is at the TCP header. Sequence numbers, flags and checksum of each segment. */
export function tcp_gso_segment(skb: SkBuff, features: number): SkBuff | number | null {
  const mss = skb.head.gso_size;
  if (!pskb_may_pull(skb, TCPH_LEN) || mss <= 0) return -EINVAL;
  const thlen = (skb.head.dv.getUint8(skb.data + TCPH_DOFF) >> 4) << 2;
  if (thlen < TCPH_LEN || !pskb_may_pull(skb, thlen) || skb.len <= thlen + mss) return -EINVAL;
  if (skb_gso_ok(skb, features)) {
    skb.head.gso_segs = Math.ceil((skb.len - thlen) / mss);
    return null;
  }
  const net_len = skb.transport_header - skb.network_header;
  __skb_pull(skb, thlen);
  const segs = skb_segment(skb, features);
  if (typeof segs === "number") return segs;
  let seq = segs.head.dv.getUint32(segs.transport_header + TCPH_SEQ);
  const flags = segs.head.dv.getUint8(segs.transport_header + TCPH_FLAGS);
  for (let s: SkBuff | null = segs; s !== null; s = s.next) {
    // The pieces are uncharged as the whole would be: no program is woken for each.
    if (skb.destructor === tcp_wfree) s.destructor = tcp_wfree;
    // A time stamp is taken of the one that has its byte.
    const stamped = (skb.tskey - seq) >>> 0 < s.len - (s.transport_header - s.data) - thlen;
    if (s.tx_flags !== 0 && !stamped) s.tx_flags = 0;
    const dv = s.head.dv;
    const th = s.transport_header;
    const iph = th - net_len;
    const len = s.len - (th - s.data);
    const saddr = dv.getInt32(iph + IPH_SADDR);
    const daddr = dv.getInt32(iph + IPH_DADDR);
    dv.setUint32(th + TCPH_SEQ, seq);
    seq = (seq + len - thlen) >>> 0;
    // The end is the last one's, "congestion window reduced" the first one's to say.
    const not = (s.next !== null ? FIN | PSH : 0) | (s !== segs ? CWR : 0);
    dv.setUint8(th + TCPH_FLAGS, flags & ~not);
    dv.setUint16(th + TCPH_CHECK, 0);
    if (s.ip_summed === CHECKSUM_PARTIAL) {
      dv.setUint16(th + TCPH_CHECK, ~csum_tcpudp_magic(saddr, daddr, len, IPPROTO_TCP, 0) & 0xffff);
      s.csum_start = th;
      s.csum_offset = TCPH_CHECK;
    } else {
      const sum = skb_checksum(s, th - s.data, len, 0);
      dv.setUint16(th + TCPH_CHECK, csum_fold(csum_tcpudp_nofold(saddr, daddr, len, IPPROTO_TCP, sum)));
    }
  }
  return segs;
}

function flush(skb: SkBuff): null {
  skb.gro!.flush = 1;
  return null;
}

/** Are the options of both headers the same? Timestamps that differ end the merging: each echo is a sample. */
function tcp_same_options(a: DataView, x: number, b: DataView, y: number, thlen: number): boolean {
  for (let i = TCPH_LEN; i < thlen; i += 4) if (a.getInt32(x + i) !== b.getInt32(y + i)) return false;
  return true;
}

function tcp4_gro_receive(head: GroList, skb: SkBuff): SkBuff | null {
  const th = skb_gro_header(skb, TCPH_LEN);
  if (th < 0) return flush(skb);
  // What is not merged anyway is left to tcp_v4_rcv() to sum.
  if (skb.gro!.flush === 0 && !skb_gro_checksum_ok(skb, th, IPPROTO_TCP)) return flush(skb);
  return tcp_gro_receive(head, skb, th);
}

/** The header is at `th` of skb's head. Returns a held packet that this one cannot join, or that it ends. */
export function tcp_gro_receive(head: GroList, skb: SkBuff, th: number): SkBuff | null {
  const cb = skb.gro!;
  const dv = skb.head.dv;
  const thlen = (dv.getUint8(th + TCPH_DOFF) >> 4) << 2;
  if (thlen < TCPH_LEN || skb_gro_header(skb, thlen) < 0) return flush(skb);
  const off = cb.data_offset;
  skb_gro_pull(skb, thlen);
  const len = skb_gro_len(skb);
  const flags = dv.getUint8(th + TCPH_FLAGS);
  const ports = dv.getInt32(th);
  let p = head.first;
  for (; p !== null; p = p.next) {
    const pcb = p.gro!;
    if (pcb.same_flow === 0) continue;
    if (p.head.dv.getInt32(p.data + off) === ports) break;
    pcb.same_flow = 0;
  }
  // Of its own flow the first: anything with payload may wait.
  let mss = 1;
  if (p !== null) {
    const pdv = p.head.dv;
    const th2 = p.data + off;
    const doff_flags = dv.getUint16(th + TCPH_DOFF) ^ pdv.getUint16(th2 + TCPH_DOFF);
    mss = p.head.gso_size;
    if (
      (flags & CWR) !== 0 ||
      (doff_flags & ~(CWR | FIN | PSH)) !== 0 ||
      dv.getInt32(th + TCPH_ACK_SEQ) !== pdv.getInt32(th2 + TCPH_ACK_SEQ) ||
      !tcp_same_options(dv, th, pdv, th2, thlen) ||
      inet_gro_flush(skb, p) ||
      len === 0 ||
      len > mss ||
      ((pdv.getInt32(th2 + TCPH_SEQ) + skb_gro_len(p)) | 0) !== dv.getInt32(th + TCPH_SEQ) ||
      skb_gro_receive(p, skb) !== 0
    ) {
      mss = 1;
    } else {
      // "Push" and "no more data" are for the whole.
      pdv.setUint8(th2 + TCPH_FLAGS, pdv.getUint8(th2 + TCPH_FLAGS) | (flags & (FIN | PSH)));
    }
  }
  const ends = len < mss || (flags & (URG | PSH | RST | SYN | FIN)) !== 0;
  if (ends) cb.flush = 1;
  return p !== null && (cb.same_flow === 0 || ends) ? p : null;
}

/** The merged segment is what TSO would be given: sum to be made, size of its parts, ECN. `th`: its header. */
export function tcp_gro_complete(skb: SkBuff, th: number): void {
  const head = skb.head;
  skb.csum_start = th;
  skb.csum_offset = TCPH_CHECK;
  skb.ip_summed = CHECKSUM_PARTIAL;
  head.gso_segs = skb.gro!.count;
  if ((head.dv.getUint8(th + TCPH_FLAGS) & CWR) !== 0) head.gso_type |= SKB_GSO_TCP_ECN;
}

function tcp4_gro_complete(skb: SkBuff, nhoff: number): number {
  const dv = skb.head.dv;
  const th = skb.data + nhoff;
  const iph = skb.network_header;
  const saddr = dv.getInt32(iph + IPH_SADDR);
  const daddr = dv.getInt32(iph + IPH_DADDR);
  dv.setUint16(th + TCPH_CHECK, ~csum_tcpudp_magic(saddr, daddr, skb.len - nhoff, IPPROTO_TCP, 0) & 0xffff);
  skb.head.gso_type |= SKB_GSO_TCPV4 | (skb.gro!.flush_id === 1 ? SKB_GSO_TCP_FIXEDID : 0);
  tcp_gro_complete(skb, th);
  return 0;
}

/** After inet_offload_init(). */
export function tcpv4_offload_init(k: Kernel): void {
  inet_add_offload(
    k,
    { gro_receive: tcp4_gro_receive, gro_complete: tcp4_gro_complete, gso_segment: tcp_gso_segment },
    IPPROTO_TCP,
  );
}
