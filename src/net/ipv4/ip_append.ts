// From a program's message to packets with IP headers: appending, corking, pushing. Mirrors the ip_append_data family of
// net/ipv4/ip_output.c. Read first: ip_output.ts. Way in: ip_make_skb(), ip_append_data(), ip_push_pending_frames().

import { trace_fn } from "../../kernel/trace.ts";
import { F_ip_append_data, F_ip_make_skb } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_block_add } from "../../lib/checksum.ts";
import { EAGAIN, EMSGSIZE, ENETUNREACH, ENOBUFS, EPIPE } from "../../uapi/errno.ts";
import {
  IP_DF,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_ID,
  IPH_LEN,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOS,
  IPH_TTL,
  IPH_VER_IHL,
} from "../../uapi/ip.ts";
import { RTN_MULTICAST } from "../../uapi/rtnetlink.ts";
import {
  IP_PMTUDISC_DO,
  IP_PMTUDISC_OMIT,
  IP_PMTUDISC_PROBE,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  MSG_MORE,
  MSG_PROBE_BIT,
  SEND_SHUTDOWN,
  SOF_TIMESTAMPING_OPT_ID,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { memcpy_from_msg } from "../core/datagram.ts";
import { dst_release } from "../core/dst.ts";
import type { IpOptions } from "../core/ip_options_type.ts";
import { LL_RESERVED_SPACE, NETIF_F_HW_CSUM, NETIF_F_IP_CSUM, net_xmit_errno } from "../core/netdevice.ts";
import {
  __skb_dequeue,
  __skb_queue_tail,
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  kfree_skb,
  SKB_MAX_ALLOC,
  SKB_TRUESIZE,
  type SkBuff,
  SkBuffHead,
  skb_put,
  skb_reserve,
} from "../core/skbuff.ts";
import { IPSTATS_MIB_OUTDISCARDS } from "../core/snmp.ts";
import { type Sock, skb_set_owner_w, sock_error } from "../core/sock.ts";
import { SockcmCookie, sockcm_init } from "../core/sock_cmsg.ts";
import { sock_tx_timestamp } from "../core/sock_tstamp.ts";
import { ETH_MIN_MTU } from "../ethernet/eth.ts";
import { icmp_out_count } from "./icmp.ts";
import { InetCork, type InetSock, IPCORK_OPT, inet_sk, ip_select_ttl } from "./inet_sock.ts";
import type { Flowi4 } from "./ip_fib.ts";
import { ip_options_build } from "./ip_options.ts";
import { ip_dont_fragment, ip_ident, ip_local_out, ip_select_ident } from "./ip_output.ts";
import { ipv4_mtu, RTCF_MULTICAST, type Rtable } from "./route.ts";

/** What the cmsgs and options of one message ask for (struct ipcm_cookie). */
export class IpcmCookie extends SockcmCookie {
  addr = 0;
  oif = 0;
  opt: IpOptions | null = null;
  protocol = 0;
  ttl = 0;
  tos = -1;
  gso_size = 0;
}

export function ipcm_init_sk(ipc: IpcmCookie, inet: InetSock): void {
  ipc.addr = inet.inet_saddr;
  ipc.oif = inet.sk_bound_dev_if;
  ipc.opt = null;
  ipc.protocol = inet.inet_num;
  ipc.ttl = 0;
  ipc.tos = -1;
  sockcm_init(ipc, inet);
  ipc.gso_size = 0;
}

/** Starts a message: fixes its route, MTU and options. The cork takes over the caller's route reference. */
function ip_setup_cork(sk: Sock, cork: InetCork, ipc: IpcmCookie, rt: Rtable): number {
  cork.opt = ipc.opt;
  cork.flags = ipc.opt !== null ? IPCORK_OPT : 0;
  cork.addr = ipc.addr;
  cork.fragsize = inet_sk(sk).pmtudisc >= IP_PMTUDISC_PROBE ? rt.dev.mtu : ipv4_mtu(rt);
  if (cork.fragsize < ETH_MIN_MTU) return -ENETUNREACH;
  cork.gso_size = ipc.gso_size;
  cork.dst = rt;
  cork.length = 0;
  cork.ttl = ipc.ttl;
  cork.tos = ipc.tos;
  cork.mark = ipc.mark;
  cork.priority = ipc.priority;
  cork.tx_flags = sock_tx_timestamp(ipc.tsflags);
  cork.ts_opt_id = ipc.has_ts_opt_id ? ipc.ts_opt_id : -1;
  return 0;
}

/** A packet that is all of a message: the time stamps that are wanted of it. */
export function skb_setup_tx_timestamp(skb: SkBuff, sk: Sock, c: SockcmCookie): void {
  if (c.tsflags === 0) return;
  skb.tx_flags = sock_tx_timestamp(c.tsflags);
  skb.tskey = ip_tskey(sk, skb.tx_flags, c.has_ts_opt_id ? c.ts_opt_id : -1);
}

/** The number of a datagram's time stamps (SOF_TIMESTAMPING_OPT_ID): its own, or the socket's next one. */
function ip_tskey(sk: Sock, tx_flags: number, ts_opt_id: number): number {
  if (tx_flags === 0 || (sk.sk_tsflags & SOF_TIMESTAMPING_OPT_ID) === 0) return 0;
  return ts_opt_id >= 0 ? ts_opt_id : sk.sk_tskey++;
}

/** Copies into the packet and, when the checksum is ours to make, adds it to skb.csum. */
function getfrag(skb: SkBuff, off: number, msg: MsgHdr, from: number, len: number, odd: number): void {
  memcpy_from_msg(skb.head.u8, off, msg, from, len);
  if (skb.ip_summed !== CHECKSUM_PARTIAL) {
    const sum = skb.head.slab.csum_partial(skb.head.base + off, len, 0);
    skb.csum = csum_block_add(skb.csum, sum, odd);
  }
}

/**
 * Appends `length` bytes of `msg` from byte `from` to the queue, in packets that fit the MTU, each with room for its
 * header. `transhdrlen` bytes at the front of the first are the transport header, left unwritten.
 */
function __ip_append_data(
  sk: Sock,
  fl4: Flowi4,
  queue: SkBuffHead,
  cork: InetCork,
  msg: MsgHdr,
  from: number,
  length: number,
  transhdrlen: number,
  flags: number,
): number {
  const inet = inet_sk(sk);
  const rt = cork.dst as Rtable;
  const dev = rt.dev;
  const opt = cork.opt;
  const mtu = cork.gso_size !== 0 ? 0xffff : cork.fragsize;
  const hh_len = LL_RESERVED_SPACE(dev);
  const fragheaderlen = IPH_LEN + (opt !== null ? opt.optlen : 0);
  const maxfraglen = ((mtu - fragheaderlen) & ~7) + fragheaderlen;
  const maxnonfragsize = ip_sk_ignore_df(inet) ? 0xffff : mtu;
  if (cork.length + length > maxnonfragsize - fragheaderlen) {
    ip_local_error(sk, EMSGSIZE, fl4.daddr, inet.inet_dport, mtu - (opt !== null ? opt.optlen : 0));
    return -EMSGSIZE;
  }
  let csummode = CHECKSUM_NONE;
  if (
    transhdrlen !== 0 &&
    length + fragheaderlen <= mtu &&
    (dev.features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)) !== 0 &&
    ((flags & MSG_MORE) === 0 || cork.gso_size !== 0) &&
    sk.sk_protocol !== IPPROTO_ICMP &&
    (sk.sk_protocol === IPPROTO_UDP || sk.sk_protocol === IPPROTO_TCP)
  ) {
    csummode = CHECKSUM_PARTIAL;
  }
  cork.length += length;
  let skb = queue.prev;
  const tskey = ip_tskey(sk, cork.tx_flags, cork.ts_opt_id);
  const k = sk.net.kernel;
  while (length > 0 || (skb === null && transhdrlen === 0 && length === 0)) {
    let copy = skb === null ? 0 : mtu - skb.len;
    if (skb !== null && copy < length) copy = maxfraglen - skb.len;
    if (copy <= 0) {
      // A new packet; what of the last one overhangs the 8-byte grid moves over.
      const prev: SkBuff | null = skb;
      const fraggap = prev !== null ? prev.len - maxfraglen : 0;
      let datalen = length + fraggap;
      if (datalen > mtu - fragheaderlen) datalen = maxfraglen - fragheaderlen;
      const fraglen = datalen + fragheaderlen;
      let alloclen = (flags & MSG_MORE) !== 0 ? mtu : fraglen;
      if (datalen === length + fraggap) alloclen += rt.trailer_len;
      const e = append_room(sk, queue, transhdrlen, alloclen);
      if (e < 0) return append_error(sk, cork, length, e);
      const n = alloc_skb(k, alloclen + hh_len + 15);
      if (n === null) return append_error(sk, cork, length, -ENOBUFS);
      // DIFF: Linux keeps what is more than one allocation in pages; truesize counts those as they are filled, as there.
      if (alloclen + hh_len + 15 > SKB_MAX_ALLOC) n.truesize = SKB_TRUESIZE(128) + datalen - transhdrlen;
      n.ip_summed = csummode;
      n.csum = 0;
      skb_reserve(n, hh_len);
      skb_put(n, fraglen);
      n.network_header = n.data;
      n.transport_header = n.data + fragheaderlen;
      let data = n.data + fragheaderlen;
      const carried = fraggap > 0 ? fraggap : 0;
      if (carried > 0) {
        const p = prev!;
        n.head.u8.set(p.head.u8.subarray(p.data + maxfraglen, p.data + maxfraglen + carried), data + transhdrlen);
        if (n.ip_summed !== CHECKSUM_PARTIAL) {
          const sum = n.head.slab.csum_partial(n.head.base + data + transhdrlen, carried, 0);
          n.csum = sum;
          p.csum = csum_block_add(p.csum, ~sum & 0xffff, maxfraglen - fragheaderlen);
        }
        p.tail -= carried;
        p.len -= carried;
        data += carried;
      }
      const body = datalen - transhdrlen - carried;
      if (body > 0) getfrag(n, data + transhdrlen, msg, from, body, carried);
      from += body;
      length -= datalen - carried;
      transhdrlen = 0;
      csummode = CHECKSUM_NONE;
      // The first one tells for all.
      n.tx_flags = cork.tx_flags;
      n.tskey = tskey;
      cork.tx_flags = 0;
      skb_set_owner_w(n, sk);
      __skb_queue_tail(queue, n);
      skb = n;
      if (length <= 0) break;
      continue;
    }
    // Room in the last packet.
    if (copy > length) copy = length;
    const room = skb!.end - skb!.tail;
    if (room < copy) {
      const grown = grow_tail(skb!, copy);
      if (grown < 0) return append_error(sk, cork, length, grown);
    }
    const off = skb_put(skb!, copy);
    getfrag(skb!, off, msg, from, copy, off - skb!.data - fragheaderlen);
    from += copy;
    length -= copy;
  }
  return 0;
}

/** May one more packet be charged to the socket? The first of a message waits (-EAGAIN), the others fail. */
function append_room(sk: Sock, queue: SkBuffHead, transhdrlen: number, alloclen: number): number {
  // Linux counts one more than what is in flight: a queue of exactly twice the limit is full.
  if (transhdrlen === 0) return sk.sk_wmem_alloc >= 2 * sk.sk_sndbuf ? -ENOBUFS : 0;
  if (queue.next !== null && sk.sk_wmem_alloc + SKB_TRUESIZE(Math.min(alloclen, SKB_MAX_ALLOC)) > 2 * sk.sk_sndbuf) {
    return -ENOBUFS;
  }
  const e = sock_error(sk);
  if (e !== 0) return e;
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return -EPIPE;
  return sk.sk_wmem_alloc >= sk.sk_sndbuf && queue.next === null ? -EAGAIN : 0;
}

/** What did not find room is discarded and counted; a message that is too long was refused before, uncounted. */
function append_error(sk: Sock, cork: InetCork, rest: number, err: number): number {
  cork.length -= rest;
  sk.net.mib.ip[IPSTATS_MIB_OUTDISCARDS]!++;
  return err;
}

/** More room behind a corked packet, charged to its socket. */
function grow_tail(skb: SkBuff, more: number): number {
  const sk = skb.sk;
  const before = skb.truesize;
  const destructor = skb.destructor;
  skb.destructor = null;
  const err = skb.kernel.pskb_expand_head_hook(skb, 0, more);
  skb.destructor = destructor;
  if (sk !== null) sk.sk_wmem_alloc += skb.truesize - before;
  return err;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    pskb_expand_head_hook: (skb: SkBuff, nhead: number, ntail: number) => number;
  }
}

/** Sending more than the path carries is the socket's own wish (IP_PMTUDISC_DONT, WANT: fragment locally). */
const ip_sk_ignore_df = (inet: InetSock): boolean =>
  inet.pmtudisc < IP_PMTUDISC_DO || inet.pmtudisc === IP_PMTUDISC_OMIT;

/** Reports EMSGSIZE with the MTU on the error queue, for sockets that asked (IP_RECVERR). */
function ip_local_error(sk: Sock, err: number, daddr: number, port: number, info: number): void {
  sk.net.kernel.ip_local_error?.(sk, err, daddr, port, info);
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    ip_local_error: ((sk: Sock, err: number, daddr: number, port: number, info: number) => void) | null;
  }
}

/** Joins the queue to one packet with a frag_list and writes the IP header. The cork's route goes to the packet. */
function __ip_make_skb(sk: Sock, fl4: Flowi4, queue: SkBuffHead, cork: InetCork): SkBuff | null {
  const skb = __skb_dequeue(queue);
  if (skb === null) return null;
  const inet = inet_sk(sk);
  const net = sk.net;
  const rt = cork.dst as Rtable;
  let tail: SkBuff | null = null;
  for (let s = __skb_dequeue(queue); s !== null; s = __skb_dequeue(queue)) {
    const hlen = s.transport_header - s.data;
    s.data += hlen;
    s.len -= hlen;
    if (tail === null) skb.head.frag_list = s;
    else tail.next = s;
    tail = s;
    skb.len += s.len;
    skb.data_len += s.len;
    skb.truesize += s.truesize;
    s.destructor = null;
    s.sk = null;
  }
  // IP_PMTUDISC_DO and PROBE forbid fragments; a message longer than the MTU went through with WANT only.
  skb.ignore_df = ip_sk_ignore_df(inet);
  let df = 0;
  if (
    inet.pmtudisc === IP_PMTUDISC_DO ||
    inet.pmtudisc === IP_PMTUDISC_PROBE ||
    (skb.len <= ipv4_mtu(rt) && ip_dont_fragment(inet, rt))
  )
    df = IP_DF;
  const opt = cork.opt;
  const iph = skb.network_header;
  const dv = skb.head.dv;
  let ttl: number;
  if (cork.ttl !== 0) ttl = cork.ttl;
  else if (rt.rt_type === RTN_MULTICAST) ttl = inet.mc_ttl;
  else ttl = ip_select_ttl(inet, rt);
  dv.setUint8(iph + IPH_VER_IHL, 0x45 + (opt !== null ? opt.optlen >> 2 : 0));
  dv.setUint8(iph + IPH_TOS, cork.tos !== -1 ? cork.tos : inet.tos);
  dv.setUint16(iph + IPH_FRAG_OFF, df);
  dv.setUint8(iph + IPH_TTL, ttl);
  dv.setUint8(iph + IPH_PROTOCOL, sk.sk_protocol);
  dv.setInt32(iph + IPH_SADDR, fl4.saddr);
  dv.setInt32(iph + IPH_DADDR, fl4.daddr);
  if (opt !== null) ip_options_build(skb, opt, cork.addr, rt);
  ip_select_ident(net, skb, sk);
  skb.priority = cork.tos !== -1 ? cork.priority : sk.sk_priority;
  skb.mark = cork.mark;
  skb.dst = rt;
  skb.dst_noref = false;
  cork.dst = null;
  if (sk.sk_protocol === IPPROTO_ICMP) {
    // icmp_out_count: the type lies in the first byte of the transport header.
    icmp_out_count(net, dv.getUint8(skb.transport_header));
  }
  return skb;
}

/** Ends a message that is not sent. */
export function ip_cork_release(cork: InetCork): void {
  cork.opt = null;
  cork.flags = 0;
  cork.length = 0;
  if (cork.dst !== null) {
    dst_release(cork.dst);
    cork.dst = null;
  }
}

function flush_pending(queue: SkBuffHead, cork: InetCork): void {
  for (let skb = queue.prev; skb !== null; skb = queue.prev) {
    const s = __skb_dequeue(queue)!;
    kfree_skb(s);
  }
  ip_cork_release(cork);
}
export const ip_flush_pending_frames = (sk: Sock): void => flush_pending(sk.sk_write_queue, inet_sk(sk).cork);

/** Appends to the socket's corked message, starting one when there is none. Takes over `rt` only when it starts one. */
export function ip_append_data(
  sk: Sock,
  fl4: Flowi4,
  msg: MsgHdr,
  from: number,
  length: number,
  transhdrlen: number,
  ipc: IpcmCookie,
  rt: Rtable | null,
  flags: number,
): number {
  const inet = inet_sk(sk);
  if ((flags & MSG_PROBE_BIT) !== 0) return 0;
  if (sk.sk_write_queue.next === null) {
    const err = ip_setup_cork(sk, inet.cork, ipc, rt!);
    if (err < 0) return err;
  } else transhdrlen = 0;
  return __ip_append_data(sk, fl4, sk.sk_write_queue, inet.cork, msg, from, length, transhdrlen, flags);
}

/** The corked message as one packet, or null when there is none. */
export function ip_finish_skb(sk: Sock, fl4: Flowi4): SkBuff | null {
  const inet = inet_sk(sk);
  const skb = __ip_make_skb(sk, fl4, sk.sk_write_queue, inet.cork);
  ip_cork_release(inet.cork);
  return skb;
}

/** Sends a finished packet. 0 or -errno: -ENOBUFS when the device's queue is full, which the protocol may keep to itself. */
export function ip_send_skb(sk: Sock, skb: SkBuff): number {
  const net = sk.net;
  let err = ip_local_out(net, skb.sk, skb);
  if (err > 0) err = net_xmit_errno(err);
  if (err !== 0) net.mib.ip[IPSTATS_MIB_OUTDISCARDS]!++;
  return err;
}

export function ip_push_pending_frames(sk: Sock, fl4: Flowi4): number {
  const skb = ip_finish_skb(sk, fl4);
  return skb === null ? 0 : ip_send_skb(sk, skb);
}

/**
 * One message, not corked, as one packet: the usual case of UDP. `rt` is taken over in every case.
 * Null with the errno in `err_out` when it cannot be built.
 */
export function ip_make_skb(
  sk: Sock,
  fl4: Flowi4,
  msg: MsgHdr,
  length: number,
  transhdrlen: number,
  ipc: IpcmCookie,
  rt: Rtable,
  flags: number,
  err_out: Int32Array,
): SkBuff | null {
  const inet = inet_sk(sk);
  // The usual datagram: fits the MTU, no options: one allocation, one copy, no queue.
  const dev = rt.dev;
  if (ipc.opt === null && ipc.gso_size === 0 && inet.pmtudisc < IP_PMTUDISC_PROBE) {
    const mtu = ipv4_mtu(rt);
    const len = length + IPH_LEN;
    const hh_len = LL_RESERVED_SPACE(dev);
    if (
      len <= mtu &&
      len + hh_len + 15 <= SKB_MAX_ALLOC &&
      sk.sk_wmem_alloc < sk.sk_sndbuf &&
      sk.sk_err === 0 &&
      (sk.sk_shutdown & SEND_SHUTDOWN) === 0
    ) {
      const skb = alloc_skb(sk.net.kernel, len + hh_len + 15)!;
      skb_reserve(skb, hh_len);
      skb_put(skb, len);
      const iph = skb.data;
      const th = iph + IPH_LEN;
      skb.network_header = iph;
      skb.transport_header = th;
      skb.ip_summed =
        (dev.features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)) !== 0 && transhdrlen !== 0
          ? CHECKSUM_PARTIAL
          : CHECKSUM_NONE;
      getfrag(skb, th + transhdrlen, msg, 0, length - transhdrlen, 0);
      skb_set_owner_w(skb, sk);
      skb.ignore_df = inet.pmtudisc < IP_PMTUDISC_DO;
      const dv = skb.head.dv;
      const df = ip_dont_fragment(inet, rt);
      // Whole words: what reads the header next reads words.
      dv.setInt32(iph, 0x45000000 | ((ipc.tos !== -1 ? ipc.tos : inet.tos) << 16) | len);
      dv.setInt32(
        iph + IPH_ID,
        (ip_ident(sk.net, fl4.saddr, fl4.daddr, sk.sk_protocol, df && !skb.ignore_df, sk, 1) << 16) | (df ? IP_DF : 0),
      );
      const ttl =
        ipc.ttl !== 0 ? ipc.ttl : (rt.rt_flags & RTCF_MULTICAST) !== 0 ? inet.mc_ttl : ip_select_ttl(inet, rt);
      dv.setInt32(iph + IPH_TTL, (ttl << 24) | (sk.sk_protocol << 16));
      dv.setInt32(iph + IPH_SADDR, fl4.saddr);
      dv.setInt32(iph + IPH_DADDR, fl4.daddr);
      skb.priority = ipc.tos !== -1 ? ipc.priority : sk.sk_priority;
      skb.mark = ipc.mark;
      skb.dst = rt;
      skb_setup_tx_timestamp(skb, sk, ipc);
      if (trace_key.on) trace_fn(F_ip_make_skb, skb);
      return skb;
    }
  }
  const queue = new SkBuffHead();
  const cork = new InetCork();
  let err = ip_setup_cork(sk, cork, ipc, rt);
  if (err === 0) err = __ip_append_data(sk, fl4, queue, cork, msg, 0, length, transhdrlen, flags);
  else dst_release(rt);
  if (err < 0) {
    err_out[0] = err;
    flush_pending(queue, cork);
    return null;
  }
  const skb = __ip_make_skb(sk, fl4, queue, cork);
  ip_cork_release(cork);
  if (skb !== null && trace_key.on) trace_fn(F_ip_append_data, skb);
  return skb;
}
