// Cutting a packet to the MTU. Mirrors the ip_fragment half of net/ipv4/ip_output.c.
// Read first: RFC 791 sections 2.3 and 3.2, RFC 1191. Way in: ip_fragment() from ip_finish_output().

import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_ip_do_fragment, F_ip_fragment } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { ip_fast_csum } from "../../lib/checksum.ts";
import { EMSGSIZE, ENOMEM } from "../../uapi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  IP_DF,
  IP_MF,
  IP_OFFSET,
  IPH_CHECK,
  IPH_FRAG_OFF,
  IPH_LEN,
  IPH_TOT_LEN,
} from "../../uapi/ip.ts";
import {
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_BIG,
} from "../core/dropreason.ts";
import type { Net } from "../core/net_namespace.ts";
import { LL_RESERVED_SPACE } from "../core/netdevice.ts";
import { skb_checksum_help } from "../core/skb_checksum.ts";
import {
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  consume_skb,
  head_copy,
  IPSKB_FRAG_COMPLETE,
  IPSKB_FRAG_PMTU,
  kfree_skb_list_reason,
  kfree_skb_reason,
  type SkBuff,
  skb_cloned,
  skb_copy_bits_to_head,
  skb_push,
  skb_put,
  skb_reserve,
} from "../core/skbuff.ts";
import { IPSTATS_MIB_FRAGCREATES, IPSTATS_MIB_FRAGFAILS, IPSTATS_MIB_FRAGOKS } from "../core/snmp.ts";
import { type Sock, skb_set_owner_w, sock_wfree } from "../core/sock.ts";
import { icmp_send } from "./icmp.ts";
import { ip_options_fragment } from "./ip_options.ts";
import { ip_skb_dst_mtu } from "./ip_output.ts";

type FragOutput = (net: Net, sk: Sock | null, skb: SkBuff) => number;

/** Fragments `skb` and gives each piece to `output`; a packet that must not be cut is answered and dropped. */
export function ip_fragment(net: Net, sk: Sock | null, skb: SkBuff, mtu: number, output: FragOutput): number {
  if (trace_key.on) trace_fn(F_ip_fragment, skb);
  if ((skb.head.dv.getUint16(skb.network_header + IPH_FRAG_OFF) & IP_DF) === 0) {
    return ip_do_fragment(net, sk, skb, output);
  }
  if (!skb.ignore_df || skb.frag_max_size > mtu) {
    net.mib.ip[IPSTATS_MIB_FRAGFAILS]!++;
    icmp_send(skb, ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED, mtu);
    kfree_skb_reason(skb, SKB_DROP_REASON_PKT_TOO_BIG);
    return -EMSGSIZE;
  }
  return ip_do_fragment(net, sk, skb, output);
}

/** What a fragment inherits from the packet (ip_copy_metadata). */
function copy_metadata(to: SkBuff, from: SkBuff): void {
  to.pkt_type = from.pkt_type;
  to.priority = from.priority;
  to.protocol = from.protocol;
  to.skb_iif = from.skb_iif;
  if (to.dst !== null && !to.dst_noref) to.dst.release(to.dst);
  to.dst = from.dst;
  to.dst_noref = false;
  if (to.dst !== null) to.dst.refcnt++;
  to.dev = from.dev;
  to.mark = from.mark;
  to.hash = from.hash;
  to.nfct = from.nfct;
  to.ipcb_flags = from.ipcb_flags;
  to.ipcb_iif = from.ipcb_iif;
}

/** Length, offset and checksum of one fragment's header. */
function set_header(skb: SkBuff, len: number, frag_off: number): void {
  const dv = skb.head.dv;
  const iph = skb.network_header;
  dv.setUint16(iph + IPH_TOT_LEN, len);
  dv.setUint16(iph + IPH_FRAG_OFF, frag_off);
  dv.setUint16(iph + IPH_CHECK, 0);
  dv.setUint16(iph + IPH_CHECK, ip_fast_csum(dv, iph, dv.getUint8(iph) & 0xf));
}

function trace_cut(skb: SkBuff, piece: SkBuff, offset: number): void {
  trace_note(F_ip_do_fragment, piece, { kind: "fragment", parent: skb.id, offset });
}

function frag_failed(net: Net, skb: SkBuff, reason: number, err: number): number {
  kfree_skb_reason(skb, reason);
  net.mib.ip[IPSTATS_MIB_FRAGFAILS]!++;
  return err;
}

export function ip_do_fragment(net: Net, sk: Sock | null, skb: SkBuff, output: FragOutput): number {
  if (trace_key.on) trace_fn(F_ip_do_fragment, skb);
  if (skb.ip_summed === CHECKSUM_PARTIAL) {
    const err = skb_checksum_help(skb);
    if (err < 0) return frag_failed(net, skb, SKB_DROP_REASON_NOT_SPECIFIED, err);
  }
  let mtu = ip_skb_dst_mtu(sk, skb);
  if (skb.frag_max_size !== 0 && skb.frag_max_size < mtu) mtu = skb.frag_max_size;
  const hlen = (skb.head.dv.getUint8(skb.network_header) & 0xf) << 2;
  mtu -= hlen;
  skb.ipcb_flags |= IPSKB_FRAG_COMPLETE;
  const ll_rs = LL_RESERVED_SPACE(skb.dst!.dev);
  if (skb.head.frag_list !== null && frag_list_fits(skb, mtu, hlen, ll_rs)) {
    return frag_list_output(net, sk, skb, hlen, output);
  }
  return frag_slow_output(net, sk, skb, mtu, hlen, ll_rs, output);
}

/** Is the packet, as ip_append_data() or reassembly left it, already made of pieces that can go as they are? */
function frag_list_fits(skb: SkBuff, mtu: number, hlen: number, ll_rs: number): boolean {
  let first_len = skb.len - skb.data_len;
  for (let i = 0; i < skb.head.nr_frags; i++) first_len += skb.head.frags[i]!.size;
  const body = first_len - hlen;
  if (body > mtu || (body & 7) !== 0 || skb_cloned(skb) || skb.data < ll_rs) return false;
  if ((skb.head.dv.getUint16(skb.network_header + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET)) !== 0) return false;
  for (let s = skb.head.frag_list; s !== null; s = s.next) {
    if (s.len > mtu || ((s.len & 7) !== 0 && s.next !== null)) return false;
    if (s.data < hlen + ll_rs || s.users !== 1 || skb_cloned(s)) return false;
  }
  return true;
}

/** Sends the packet and the packets of its frag_list as the fragments: headers are added, nothing is copied. */
function frag_list_output(net: Net, sk: Sock | null, skb: SkBuff, hlen: number, output: FragOutput): number {
  const mib = net.mib.ip;
  const head = skb.head;
  const optlen = hlen - IPH_LEN;
  let rest = head.frag_list;
  head.frag_list = null;
  let list_len = 0;
  for (let s = rest; s !== null; s = s.next) {
    list_len += s.len;
    skb.truesize -= s.truesize;
    // Each piece now answers for its own share of the socket's send memory.
    if (skb.sk !== null && skb.destructor !== null) {
      s.sk = skb.sk;
      s.destructor = sock_wfree;
    }
  }
  skb.data_len -= list_len;
  skb.len -= list_len;
  set_header(skb, skb.len, IP_MF);

  let cur = skb;
  let offset = 0;
  for (;;) {
    const next: SkBuff | null = rest;
    if (next !== null) {
      // The header is copied while the packet in front is still ours.
      next.ip_summed = CHECKSUM_NONE;
      next.transport_header = next.data;
      const iph = skb_push(next, hlen);
      next.network_header = iph;
      head_copy(next.head, iph, cur.head, cur.network_header, hlen);
      copy_metadata(next, cur);
      if (offset === 0 && optlen > 0) ip_options_fragment(next.head.u8, iph + IPH_LEN, optlen);
      offset += cur.len - hlen;
      set_header(next, next.len, (offset >> 3) | (next.next !== null ? IP_MF : 0));
      if (trace_key.on && trace_detail(skb.kernel)) trace_cut(cur, next, offset);
      rest = next.next;
      next.next = null;
    }
    const err = output(net, sk, cur);
    if (err === 0) mib[IPSTATS_MIB_FRAGCREATES]!++;
    if (err !== 0 || next === null) {
      if (err === 0) {
        mib[IPSTATS_MIB_FRAGOKS]!++;
        return 0;
      }
      if (next !== null) kfree_skb_reason(next, SKB_DROP_REASON_NOT_SPECIFIED);
      kfree_skb_list_reason(rest, SKB_DROP_REASON_NOT_SPECIFIED);
      mib[IPSTATS_MIB_FRAGFAILS]!++;
      return err;
    }
    cur = next;
  }
}

/** Copies the packet piece by piece. */
function frag_slow_output(
  net: Net,
  sk: Sock | null,
  skb: SkBuff,
  mtu: number,
  hlen: number,
  ll_rs: number,
  output: FragOutput,
): number {
  const mib = net.mib.ip;
  const k = skb.kernel;
  const frag_off = skb.head.dv.getUint16(skb.network_header + IPH_FRAG_OFF);
  const more = frag_off & IP_MF;
  const df = (skb.ipcb_flags & IPSKB_FRAG_PMTU) !== 0 ? IP_DF : 0;
  let offset = (frag_off & IP_OFFSET) << 3;
  let left = skb.len - hlen;
  let ptr = hlen;
  if (mtu < 8) return frag_failed(net, skb, SKB_DROP_REASON_PKT_TOO_BIG, -EMSGSIZE);
  while (left > 0) {
    const len = left > mtu ? mtu & ~7 : left;
    const n = alloc_skb(k, ll_rs + hlen + len);
    if (n === null) return frag_failed(net, skb, SKB_DROP_REASON_NOMEM, -ENOMEM);
    copy_metadata(n, skb);
    skb_reserve(n, ll_rs);
    const iph = skb_put(n, hlen + len);
    n.network_header = iph;
    n.transport_header = iph + hlen;
    if (skb.sk !== null && skb.destructor === sock_wfree) skb_set_owner_w(n, skb.sk);
    head_copy(n.head, iph, skb.head, skb.network_header, hlen);
    skb_copy_bits_to_head(skb, ptr, n.head, iph + hlen, len);
    left -= len;
    if (offset !== 0 && hlen > IPH_LEN) ip_options_fragment(n.head.u8, iph + IPH_LEN, hlen - IPH_LEN);
    set_header(n, hlen + len, (offset >> 3) | df | (left > 0 ? IP_MF : more));
    if (trace_key.on && trace_detail(k)) trace_cut(skb, n, offset);
    ptr += len;
    offset += len;
    const err = output(net, sk, n);
    if (err !== 0) return frag_failed(net, skb, SKB_DROP_REASON_NOT_SPECIFIED, err);
    mib[IPSTATS_MIB_FRAGCREATES]!++;
  }
  consume_skb(skb);
  mib[IPSTATS_MIB_FRAGOKS]!++;
  return 0;
}
