// TCP's part of GSO: what came in as one long segment from a virtio card leaves as segments where the device cannot cut.
// Mirrors net/ipv4/tcp_offload.c. Read first: RFC 9293 section 3.1, RFC 3168 section 6.1.2. Way in: tcpv4_offload_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { csum_fold, csum_tcpudp_magic, csum_tcpudp_nofold } from "../../lib/checksum.ts";
import { EINVAL } from "../../uapi/errno.ts";
import { IPH_DADDR, IPH_SADDR, TCPH_DOFF } from "../../uapi/ip.ts";
import { IPPROTO_TCP } from "../../uapi/socket.ts";
import { skb_gso_ok, skb_segment } from "../core/gso.ts";
import { skb_checksum } from "../core/skb_checksum.ts";
import { __skb_pull, CHECKSUM_PARTIAL, pskb_may_pull, type SkBuff } from "../core/skbuff.ts";
import { inet_add_offload } from "./gro.ts";

const TCPH_LEN = 20;
const TCPH_SEQ = 4;
const TCPH_FLAGS = 13;
const TCPH_CHECK = 16;
const FIN = 0x01;
const PSH = 0x08;
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

/** After inet_offload_init(). */
export function tcpv4_offload_init(k: Kernel): void {
  inet_add_offload(k, { gso_segment: tcp_gso_segment }, IPPROTO_TCP);
}
