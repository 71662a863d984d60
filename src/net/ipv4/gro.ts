// IPv4's part of GRO and GSO: headers compared, lengths and IDs made to fit. Mirrors the offload half of net/ipv4/af_inet.c.
// Read first: RFC 791, RFC 6864. Way in: ipv4_offload_init(); transports register with inet_add_offload().

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_inet_gro_receive, F_inet_gso_segment } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_fold, csum_tcpudp_nofold, ip_fast_csum } from "../../lib/checksum.ts";
import { EBUSY, EINVAL, EPROTONOSUPPORT } from "../../uapi/errno.ts";
import {
  ETH_P_IP,
  IP_DF,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_ID,
  IPH_LEN,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOS,
  IPH_TOT_LEN,
  IPH_TTL,
} from "../../uapi/ip.ts";
import { dev_add_offload, gro_arm, skb_gro_header, skb_gro_len, skb_gro_pull } from "../core/gro.ts";
import type { GroList } from "../core/netdevice.ts";
import { skb_checksum } from "../core/skb_checksum.ts";
import {
  __skb_pull,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  pskb_may_pull,
  SKB_GSO_TCP_FIXEDID,
  type SkBuff,
  skb_headlen,
} from "../core/skbuff.ts";
import { ip_send_check } from "./ip_output.ts";

/** struct net_offload: what a transport does for GRO and GSO. */
export interface NetOffload {
  /** The header is at data_offset. Returns a held packet that must go up now. */
  gro_receive?(head: GroList, skb: SkBuff): SkBuff | null;
  /** `nhoff`: the transport header, from skb.data. 0 or -errno. */
  gro_complete?(skb: SkBuff, nhoff: number): number;
  /** skb.data is at the transport header. */
  gso_segment?(skb: SkBuff, features: number): SkBuff | number | null;
  /** Who wants merging now; absent: it is always wanted. A static branch of the protocol (udp_encap_needed_key). */
  gro_users?: number;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** By IP protocol. */
    inet_offloads: (NetOffload | null)[];
  }
}

/** Returns 0, or -EBUSY when the protocol has one. */
export function inet_add_offload(k: Kernel, prot: NetOffload, protocol: number): number {
  if (k.inet_offloads[protocol] !== null) return -EBUSY;
  k.inet_offloads[protocol] = prot;
  if (prot.gro_receive !== undefined && prot.gro_users === undefined) gro_arm(k, 1);
  return 0;
}

/** A socket or device wants the protocol's merging (+1), or does not any longer (-1). */
export function inet_offload_wanted(k: Kernel, protocol: number, delta: number): void {
  const ops = k.inet_offloads[protocol]!;
  ops.gro_users! += delta;
  gro_arm(k, delta);
}

/** Before any other work: is there somebody who merges this protocol? */
function inet_gro_wanted(skb: SkBuff): boolean {
  if (skb_headlen(skb) < IPH_LEN) return false;
  const ops = skb.kernel.inet_offloads[skb.head.dv.getUint8(skb.data + IPH_PROTOCOL)]!;
  return ops !== null && ops.gro_receive !== undefined && ops.gro_users !== 0;
}

/** Is the transport's sum right, or was it verified already? What is summed here is not summed again. `th`: its header. */
export function skb_gro_checksum_ok(skb: SkBuff, th: number, protocol: number): boolean {
  if (skb.ip_summed === CHECKSUM_UNNECESSARY || skb.ip_summed === CHECKSUM_PARTIAL) return true;
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const off = th - skb.data;
  const len = skb.len - off;
  const sum = skb_checksum(skb, off, len, 0);
  const pseudo = csum_tcpudp_nofold(dv.getInt32(iph + IPH_SADDR), dv.getInt32(iph + IPH_DADDR), len, protocol, sum);
  if (csum_fold(pseudo) !== 0) return false;
  skb.ip_summed = CHECKSUM_UNNECESSARY;
  return true;
}

/** Same flow so far? Options, fragments, bad sums and padding are not merged. */
export function inet_gro_receive(head: GroList, skb: SkBuff): SkBuff | null {
  const cb = skb.gro!;
  const iph = skb_gro_header(skb, IPH_LEN);
  if (iph < 0) return flush(skb);
  const dv = skb.head.dv;
  const proto = dv.getUint8(iph + IPH_PROTOCOL);
  const ops = skb.kernel.inet_offloads[proto]!;
  if (ops === null || ops.gro_receive === undefined) return flush(skb);
  if (trace_key.on) trace_fn(F_inet_gro_receive, skb);
  if (dv.getUint8(iph) !== 0x45) return flush(skb);
  if (ip_fast_csum(dv, iph, 5) !== 0) return flush(skb);
  cb.proto = proto;
  if (dv.getUint16(iph + IPH_TOT_LEN) !== skb_gro_len(skb) || (dv.getUint16(iph + IPH_FRAG_OFF) & ~IP_DF) !== 0)
    cb.flush = 1;
  const saddr = dv.getInt32(iph + IPH_SADDR);
  const daddr = dv.getInt32(iph + IPH_DADDR);
  for (let p = head.first; p !== null; p = p.next) {
    const pcb = p.gro!;
    if (pcb.same_flow === 0) continue;
    const b = p.head.dv;
    const iph2 = p.network_header;
    if (
      b.getUint8(iph2 + IPH_PROTOCOL) !== proto ||
      b.getInt32(iph2 + IPH_SADDR) !== saddr ||
      b.getInt32(iph2 + IPH_DADDR) !== daddr
    ) {
      pcb.same_flow = 0;
    }
  }
  skb.network_header = iph;
  skb_gro_pull(skb, IPH_LEN);
  skb.transport_header = iph + IPH_LEN;
  return ops.gro_receive(head, skb);
}

function flush(skb: SkBuff): null {
  skb.gro!.flush = 1;
  return null;
}

/** Must the held packet `p` go up, because the header of `skb` would be lost in it? TTL, TOS, DF, and IDs out of order. */
export function inet_gro_flush(skb: SkBuff, p: SkBuff): boolean {
  const a = skb.head.dv;
  const b = p.head.dv;
  const x = skb.network_header;
  const y = p.network_header;
  if (a.getUint8(x + IPH_TTL) !== b.getUint8(y + IPH_TTL) || a.getUint8(x + IPH_TOS) !== b.getUint8(y + IPH_TOS))
    return true;
  const df = a.getUint16(x + IPH_FRAG_OFF) & IP_DF;
  if (df !== (b.getUint16(y + IPH_FRAG_OFF) & IP_DF)) return true;
  const step = (a.getUint16(x + IPH_ID) - b.getUint16(y + IPH_ID)) & 0xffff;
  const pcb = p.gro!;
  if (step === pcb.count && (pcb.count === 1 || pcb.flush_id === 0)) return false;
  // RFC 6864: an atomic datagram's ID means nothing; a flow that sends a constant one may be merged as well.
  if (df !== 0 && step === 0 && (pcb.count === 1 || pcb.flush_id === 1)) {
    pcb.flush_id = 1;
    return false;
  }
  return true;
}

/** Length and checksum of the merged packet. */
export function inet_gro_complete(skb: SkBuff, nhoff: number): number {
  const dv = skb.head.dv;
  const iph = skb.data + nhoff;
  dv.setUint16(iph + IPH_TOT_LEN, skb.len - nhoff);
  ip_send_check(dv, iph);
  const ops = skb.kernel.inet_offloads[dv.getUint8(iph + IPH_PROTOCOL)]!;
  if (ops === null || ops.gro_complete === undefined) return -EINVAL;
  return ops.gro_complete(skb, nhoff + IPH_LEN);
}

/** skb.data is at the IP header. Each segment gets its length, the next ID and its checksum. */
export function inet_gso_segment(skb: SkBuff, features: number): SkBuff | number | null {
  if (trace_key.on) trace_fn(F_inet_gso_segment, skb);
  if (!pskb_may_pull(skb, IPH_LEN)) return -EINVAL;
  const iph = skb.data;
  const dv = skb.head.dv;
  const ihl = (dv.getUint8(iph) & 0xf) << 2;
  if (ihl < IPH_LEN || !pskb_may_pull(skb, ihl)) return -EINVAL;
  const ops = skb.kernel.inet_offloads[dv.getUint8(iph + IPH_PROTOCOL)]!;
  if (ops === null || ops.gso_segment === undefined) return -EPROTONOSUPPORT;
  let id = skb.head.dv.getUint16(skb.data + IPH_ID);
  // A flow with a constant ID that was merged gets it back (RFC 6864).
  const step = (skb.head.gso_type & SKB_GSO_TCP_FIXEDID) !== 0 ? 0 : 1;
  skb.network_header = skb.data;
  __skb_pull(skb, ihl);
  skb.transport_header = skb.data;
  const segs = ops.gso_segment(skb, features);
  if (typeof segs === "number" || segs === null) return segs;
  for (let s: SkBuff | null = segs; s !== null; s = s.next) {
    const h = s.head.dv;
    const at = s.network_header;
    h.setUint16(at + IPH_ID, id);
    id = (id + step) & 0xffff;
    h.setUint16(at + IPH_TOT_LEN, s.len - (at - s.data));
    ip_send_check(h, at);
  }
  return segs;
}

/** fs_initcall, after gro_init(). */
export function inet_offload_init(k: Kernel): void {
  k.inet_offloads = new Array<NetOffload | null>(256).fill(null);
  dev_add_offload(k, {
    type: ETH_P_IP,
    priority: 0,
    gro_wanted: inet_gro_wanted,
    gro_receive: inet_gro_receive,
    gro_complete: inet_gro_complete,
    gso_segment: inet_gso_segment as (skb: SkBuff, features: number) => SkBuff | number,
  });
}
