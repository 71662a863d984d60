// Classic BPF on sockets: what sk_filter() sees of an skb, attaching and detaching. Mirrors the socket half of
// net/core/filter.c. Way in: sk_filter(), sk_attach_filter().

import * as B from "../../uapi/bpf.ts";
import { EINVAL, ENOENT } from "../../uapi/errno.ts";
import { type BpfPacket, type BpfProg, bpf_prog_create, bpf_run } from "./filter.ts";
import { skb_get_hash } from "./flow_dissector.ts";
import { pskb_trim, type SkBuff, skb_copy_bits } from "./skbuff.ts";
import { SOCK_FILTER_LOCKED, type Sock, sock_flag } from "./sock.ts";

type SockFilter = B.SockFilter;

/** An skb as BPF asks for it: one per machine, pointed at each packet in turn. */
export class BpfSkb implements BpfPacket {
  skb: SkBuff = null as unknown as SkBuff;
  private readonly scratch: Uint8Array = new Uint8Array(4);

  private load_at(off: number, size: 1 | 2 | 4): number {
    // `off` counts from skb.data; headers in front of it are in the linear head.
    const skb = this.skb;
    const s = this.scratch;
    if (off < 0) {
      const at = skb.data + off;
      if (at < 0 || at + size > skb.tail) return -1;
      const dv = skb.head.dv;
      return size === 1 ? dv.getUint8(at) : size === 2 ? dv.getUint16(at) : dv.getUint32(at);
    }
    if (skb_copy_bits(skb, off, s, 0, size) < 0) return -1;
    if (size === 1) return s[0]!;
    if (size === 2) return (s[0]! << 8) | s[1]!;
    return ((s[0]! << 24) | (s[1]! << 16) | (s[2]! << 8) | s[3]!) >>> 0;
  }
  load_nonlinear(off: number, size: 1 | 2 | 4): number {
    return this.load_at(off, size);
  }
  load_net(off: number, size: 1 | 2 | 4): number {
    return this.load_at(this.skb.network_header - this.skb.data + off, size);
  }
  load_mac(off: number, size: 1 | 2 | 4): number {
    return this.load_at(this.skb.mac_header - this.skb.data + off, size);
  }
  load_ancillary(ad: number, _a: number, _x: number): number {
    const skb = this.skb;
    switch (ad) {
      case B.SKF_AD_PROTOCOL:
        return skb.protocol;
      case B.SKF_AD_PKTTYPE:
        return skb.pkt_type;
      case B.SKF_AD_IFINDEX:
        return skb.dev !== null ? skb.dev.ifindex : 0;
      case B.SKF_AD_MARK:
        return skb.mark >>> 0;
      case B.SKF_AD_QUEUE:
        return skb.queue_mapping;
      case B.SKF_AD_HATYPE:
        return skb.dev !== null ? skb.dev.type : 0;
      case B.SKF_AD_RXHASH:
        return skb_get_hash(skb) >>> 0;
      case B.SKF_AD_CPU:
        return skb.kernel.cpu.id;
      case B.SKF_AD_VLAN_TAG:
        return skb.vlan_tci;
      case B.SKF_AD_VLAN_TAG_PRESENT:
        return skb.vlan_present ? 1 : 0;
      case B.SKF_AD_VLAN_TPID:
        return skb.vlan_proto;
      case B.SKF_AD_PAY_OFFSET:
        return skb.transport_header >= 0 ? skb.transport_header - skb.data : 0;
      case B.SKF_AD_RANDOM: {
        skb.kernel.host.random_bytes(this.scratch);
        const s = this.scratch;
        return ((s[0]! << 24) | (s[1]! << 16) | (s[2]! << 8) | s[3]!) >>> 0;
      }
      default:
        return -1;
    }
  }
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    bpf_skb: BpfSkb;
  }
}

/** Runs a program over a packet from skb.data on: how many bytes it keeps, 0 for none. */
export function bpf_prog_run_skb(prog: BpfProg, skb: SkBuff): number {
  const ctx = skb.kernel.bpf_skb;
  ctx.skb = skb;
  const head = skb.head;
  return bpf_run(prog, head.u8, head.dv, skb.data, skb.len - skb.data_len, skb.len, ctx);
}

/** The filter of the receiving socket: 0 when the packet is kept (and cut to what the filter wants), -EPERM when not. */
export function sk_filter(sk: Sock, skb: SkBuff): number {
  const prog = sk.sk_filter;
  if (prog === null) return 0;
  const keep = bpf_prog_run_skb(prog, skb);
  if (keep === 0) return -1;
  const min = skb.transport_header >= 0 && skb.transport_header >= skb.data ? skb.transport_header - skb.data + 8 : 1;
  if (keep < skb.len && keep > 0) pskb_trim(skb, Math.max(min, keep));
  return 0;
}

/** SO_ATTACH_FILTER: verifies and installs. Returns 0, -EINVAL for a bad program, -EPERM when locked. */
export function sk_attach_filter(sk: Sock, insns: readonly SockFilter[]): number {
  if (sock_flag(sk, SOCK_FILTER_LOCKED)) return -1;
  const prog = bpf_prog_create(insns);
  if (typeof prog === "number") return prog;
  sk.sk_filter = prog;
  return 0;
}

/** SO_ATTACH_REUSEPORT_CBPF: for the whole group. A socket that is not bound yet keeps it for the group that it founds. */
export function reuseport_attach_prog(sk: Sock, insns: readonly SockFilter[]): number {
  if (!sk.sk_reuseport) return -EINVAL;
  const prog = bpf_prog_create(insns);
  if (typeof prog === "number") return prog;
  for (const s of sk.prot.reuseport_group?.(sk) ?? [sk]) s.sk_reuseport_prog = prog;
  return 0;
}
export function reuseport_detach_prog(sk: Sock): number {
  if (!sk.sk_reuseport) return -EINVAL;
  if (sk.sk_reuseport_prog === null) return -ENOENT;
  for (const s of sk.prot.reuseport_group?.(sk) ?? [sk]) s.sk_reuseport_prog = null;
  return 0;
}
/** What the program says of a packet whose transport header has `hdr_len` bytes: it sees the payload. -1 for nobody of `n`. */
export function run_bpf_filter(prog: BpfProg, skb: SkBuff, hdr_len: number, n: number): number {
  if (skb.len < hdr_len) return -1;
  skb.data += hdr_len;
  skb.len -= hdr_len;
  const index = bpf_prog_run_skb(prog, skb);
  skb.data -= hdr_len;
  skb.len += hdr_len;
  return index >= 0 && index < n ? index : -1;
}

export function sk_detach_filter(sk: Sock): number {
  if (sock_flag(sk, SOCK_FILTER_LOCKED)) return -1;
  if (sk.sk_filter === null) return -ENOENT;
  sk.sk_filter = null;
  return 0;
}

/** struct sock_fprog of SO_ATTACH_FILTER: here the array of struct sock_filter (8 bytes each) itself. */
export function parse_sock_fprog(optval: Uint8Array): SockFilter[] | number {
  if (optval.length === 0 || optval.length % 8 !== 0 || optval.length > 4096 * 8) return -EINVAL;
  const dv = new DataView(optval.buffer, optval.byteOffset, optval.byteLength);
  const out: SockFilter[] = [];
  for (let i = 0; i < optval.length; i += 8) {
    out.push({
      code: dv.getUint16(i, true),
      jt: dv.getUint8(i + 2),
      jf: dv.getUint8(i + 3),
      k: dv.getUint32(i + 4, true),
    });
  }
  return out;
}
