// Raw sockets: IP packets as programs make them, and a copy of those that arrive. Mirrors net/ipv4/raw.c.
// Read first: raw(7), RFC 2113 (router alert). Way in: raw_local_deliver(), raw_icmp_error(); raw_prot from inet_create().

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_raw_local_deliver, F_raw_rcv, F_raw_send_hdrinc } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EFAULT,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOIOCTLCMD,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
} from "../../uapi/errno.ts";
import {
  ETH_P_IP,
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMPH_LEN,
  IP_MF,
  IP_OFFSET,
  IPH_CHECK,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_ID,
  IPH_LEN,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOT_LEN,
  NR_ICMP_UNREACH,
} from "../../uapi/ip.ts";
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from "../../uapi/rtnetlink.ts";
import {
  AF_INET,
  AF_UNSPEC,
  ICMP_FILTER,
  IP_PMTUDISC_DONT,
  IPPROTO_ICMP,
  IPPROTO_RAW,
  MSG_CONFIRM,
  MSG_DONTROUTE,
  MSG_ERRQUEUE,
  MSG_MORE,
  MSG_OOB,
  MSG_TRUNC,
  SIOCINQ,
  SIOCOUTQ,
  SOCK_RAW,
  SOCKADDR_IN_LEN,
  SOL_RAW,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { __skb_recv_datagram, memcpy_from_msg, skb_copy_datagram_msg } from "../core/datagram.ts";
import {
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_SOCKET_FILTER,
  SKB_DROP_REASON_SOCKET_RCVBUFF,
} from "../core/dropreason.ts";
import { dst_output } from "../core/dst.ts";
import { neigh_release } from "../core/neigh_table.ts";
import { neigh_confirm } from "../core/neighbour.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { LL_RESERVED_SPACE, net_xmit_errno } from "../core/netdevice.ts";
import {
  CHECKSUM_NONE,
  consume_skb,
  kfree_skb_reason,
  type SkBuff,
  skb_clone,
  skb_copy_bits,
  skb_push,
  skb_put,
  skb_reserve,
} from "../core/skbuff.ts";
import { IPSTATS_MIB_OUTDISCARDS } from "../core/snmp.ts";
import {
  __sock_queue_rcv_skb,
  type Proto,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  SOCK_BROADCAST,
  SOCK_LOCALROUTE,
  type Sock,
  sk_common_release,
  sk_dst_reset,
  sock_alloc_send_skb,
  sock_flag,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from "../core/sock.ts";
import { sk_filter } from "../core/sock_filter.ts";
import { sock_recv_cmsgs } from "../core/sock_opt.ts";
import { NF_HOOK, NF_INET_LOCAL_OUT, NFPROTO_IPV4 } from "../netfilter/core.ts";
import { __ip_datagram_connect } from "./datagram4.ts";
import { inet_addr_type } from "./fib_frontend.ts";
import { icmp_err_convert, icmp_out_count } from "./icmp.ts";
import { ip_mc_drop_socket, ip_mc_sf_allow } from "./igmp.ts";
import { InetSock } from "./inet_sock.ts";
import {
  IpcmCookie,
  ip_append_data,
  ip_flush_pending_frames,
  ip_push_pending_frames,
  ipcm_init_sk,
  skb_setup_tx_timestamp,
} from "./ip_append.ts";
import { FLOWI_FLAG_ANYSRC, FLOWI_FLAG_KNOWN_NH } from "./ip_fib.ts";
import { IP_DEFRAG_CALL_RA_CHAIN, ip_defrag } from "./ip_fragment.ts";
import { ip_select_ident, ip_send_check } from "./ip_output.ts";
import {
  ip_cmsg_recv,
  ip_cmsg_send,
  ip_getsockopt,
  ip_icmp_error,
  ip_local_error,
  ip_recv_error,
  ip_setsockopt,
  ipv4_pktinfo_prepare,
} from "./ip_sockglue.ts";
import { ipv4_is_multicast } from "./netns_ipv4.ts";
import {
  flowi4_init_output,
  ip_route_output_flow,
  ip_rt_put,
  ipv4_sk_redirect,
  ipv4_sk_update_pmtu,
  RTCF_BROADCAST,
  type Rtable,
} from "./route.ts";
import { raw_seq_text } from "./udp_proc.ts";

export class RawSock extends InetSock {
  /** ICMP_FILTER: a set bit keeps that type from the program. */
  icmp_filter = 0;
}

const raw_sk = (sk: Sock): RawSock => sk as RawSock;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    raw_inuse: ((net: Net) => number) | null;
    /** Scratch of raw and ping sockets' sendmsg and recvmsg. */
    raw_ipc: IpcmCookie;
    raw_err: Int32Array;
  }
}
declare module "../core/net_namespace.ts" {
  interface Net {
    /** Raw sockets by protocol, the newest first. */
    ipv4_raw: Map<number, RawSock[]>;
    /** Sockets with IP_ROUTER_ALERT. */
    ipv4_ra_chain: RawSock[];
  }
}

// --- the table ----------------------------------------------------------------------------------------------------

function raw_hash_sk(sk: Sock): number {
  const net = sk.net;
  const num = raw_sk(sk).inet_num;
  const list = net.ipv4_raw.get(num);
  if (list === undefined) net.ipv4_raw.set(num, [raw_sk(sk)]);
  else list.unshift(raw_sk(sk));
  net.ipv4_raw_users++;
  return 0;
}

function raw_unhash_sk(sk: Sock): void {
  const net = sk.net;
  const num = raw_sk(sk).inet_num;
  const list = net.ipv4_raw.get(num);
  const at = list === undefined ? -1 : list.indexOf(raw_sk(sk));
  if (at < 0) return;
  // A new list: a delivery that walks the old one goes on undisturbed.
  if (list!.length === 1) net.ipv4_raw.delete(num);
  else
    net.ipv4_raw.set(
      num,
      list!.filter((s) => s !== sk),
    );
  net.ipv4_raw_users--;
}

/** Is a packet of this protocol from `raddr` to `laddr` one that the socket sees? */
const raw_v4_match = (sk: RawSock, raddr: number, laddr: number, dif: number): boolean =>
  (sk.inet_daddr === 0 || sk.inet_daddr === raddr) &&
  (sk.inet_rcv_saddr === 0 || sk.inet_rcv_saddr === laddr) &&
  (sk.sk_bound_dev_if === 0 || sk.sk_bound_dev_if === dif);

// --- receiving ----------------------------------------------------------------------------------------------------

/** True when the program does not want this type of ICMP message. */
function icmp_filter(sk: RawSock, skb: SkBuff): boolean {
  if (sk.icmp_filter === 0) return false;
  const at = skb.transport_header - skb.data;
  let type: number;
  if (at < skb.len - skb.data_len) type = skb.head.u8[skb.transport_header]!;
  else {
    const b = new Uint8Array(1);
    if (skb_copy_bits(skb, at, b, 0, 1) < 0) return true;
    type = b[0]!;
  }
  // The filter has 32 bits; types beyond are not blocked.
  return type < 32 && ((1 << type) & sk.icmp_filter) !== 0;
}

/** Gives each raw socket of the protocol a clone. `skb.data` is behind the IP header. True when one matched. */
export function raw_local_deliver(skb: SkBuff, protocol: number): boolean {
  if (trace_key.on) trace_fn(F_raw_local_deliver, skb);
  const net = skb.dev!.net;
  const list = net.ipv4_raw.get(protocol);
  if (list === undefined) return false;
  const dv = skb.head.dv;
  const saddr = dv.getInt32(skb.network_header + IPH_SADDR);
  const daddr = dv.getInt32(skb.network_header + IPH_DADDR);
  const dif = skb.dev!.ifindex;
  let delivered = false;
  for (let i = 0; i < list.length; i++) {
    const sk = list[i]!;
    if (!raw_v4_match(sk, saddr, daddr, dif)) continue;
    delivered = true;
    if (protocol === IPPROTO_ICMP && icmp_filter(sk, skb)) continue;
    if (ipv4_is_multicast(daddr) && !ip_mc_sf_allow(sk, daddr, saddr, dif)) continue;
    if (sk.sk_rmem_alloc >= sk.sk_rcvbuf) {
      sk.sk_drops++;
      continue;
    }
    raw_rcv(sk, skb_clone(skb));
  }
  return delivered;
}

/** Queues a packet with its IP header; takes it over. */
function raw_rcv(sk: RawSock, skb: SkBuff): void {
  if (trace_key.on) trace_fn(F_raw_rcv, skb);
  skb.nfct = null;
  skb_push(skb, skb.data - skb.network_header);
  if (sk.sk_filter !== null && sk_filter(sk, skb) !== 0) {
    sk.sk_drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_FILTER);
    return;
  }
  ipv4_pktinfo_prepare(sk, skb);
  if (__sock_queue_rcv_skb(sk, skb) < 0) kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF);
}

/** An ICMP error that quotes a packet of this protocol; `skb.data` is at the quoted header. */
export function raw_icmp_error(skb: SkBuff, protocol: number, info: number): void {
  const dev = skb.dev!;
  const list = dev.net.ipv4_raw.get(protocol);
  if (list === undefined) return;
  const dv = skb.head.dv;
  const daddr = dv.getInt32(skb.data + IPH_DADDR);
  const saddr = dv.getInt32(skb.data + IPH_SADDR);
  for (let i = 0; i < list.length; i++) {
    const sk = list[i]!;
    if (raw_v4_match(sk, daddr, saddr, dev.ifindex)) raw_err(sk, skb, info);
  }
}

function raw_err(sk: RawSock, skb: SkBuff, info: number): void {
  const dv = skb.head.dv;
  const type = dv.getUint8(skb.transport_header);
  const code = dv.getUint8(skb.transport_header + 1);
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) ipv4_sk_update_pmtu(skb, sk, info);
  else if (type === ICMP_REDIRECT) {
    ipv4_sk_redirect(skb, sk);
    return;
  }
  // Without IP_RECVERR only a connected socket can know what the error is about.
  if (!sk.recverr && sk.sk_state !== TCP_ESTABLISHED) return;
  let err: number = EHOSTUNREACH;
  let harderr = false;
  switch (type) {
    case ICMP_SOURCE_QUENCH:
      return;
    case ICMP_PARAMETERPROB:
      err = EPROTO;
      harderr = true;
      break;
    case ICMP_DEST_UNREACH:
      if (code > NR_ICMP_UNREACH) break;
      if (code === ICMP_FRAG_NEEDED) {
        harderr = sk.pmtudisc !== IP_PMTUDISC_DONT;
        err = EMSGSIZE;
      } else {
        err = icmp_err_convert[code]!.errno;
        harderr = icmp_err_convert[code]!.fatal;
      }
      break;
  }
  if (sk.recverr) {
    const payload = sk.hdrincl ? skb.data : skb.data + ((dv.getUint8(skb.data) & 0xf) << 2);
    ip_icmp_error(sk, skb, err, 0, info, payload);
  }
  if (sk.recverr || harderr) {
    sk.sk_err = err;
    sk.sk_error_report(sk);
  }
}

function raw_recvmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if ((flags & MSG_ERRQUEUE) !== 0) return ip_recv_error(sk, msg, len);
  const err = sk.net.kernel.raw_err;
  const skb = __skb_recv_datagram(sk, flags, err);
  if (skb === null) return err[0]!;
  return inet_datagram_copy(sk, skb, msg, len, flags);
}

/** Hands a datagram to the program with the sender's address (port 0) and its control messages, and frees it. */
export function inet_datagram_copy(sk: Sock, skb: SkBuff, msg: MsgHdr, len: number, flags: number): number {
  let copied = skb.len;
  if (len < copied) {
    msg.msg_flags |= MSG_TRUNC;
    copied = len;
  }
  const err = skb_copy_datagram_msg(skb, 0, msg, copied);
  if (err < 0) {
    consume_skb(skb);
    return err;
  }
  sock_recv_cmsgs(msg, sk, skb);
  const name = msg.msg_name;
  if (name !== null) {
    if (name.length >= SOCKADDR_IN_LEN) {
      const saddr = skb.head.dv.getInt32(skb.network_header + IPH_SADDR);
      name.fill(0, 0, SOCKADDR_IN_LEN);
      name[0] = AF_INET;
      name[4] = saddr >>> 24;
      name[5] = (saddr >>> 16) & 0xff;
      name[6] = (saddr >>> 8) & 0xff;
      name[7] = saddr & 0xff;
    }
    msg.msg_namelen = SOCKADDR_IN_LEN;
  }
  if ((sk as InetSock).cmsg_flags !== 0) ip_cmsg_recv(msg, sk, skb);
  if ((flags & MSG_TRUNC) !== 0) copied = skb.len;
  consume_skb(skb);
  return copied;
}

// --- sending ------------------------------------------------------------------------------------------------------

/** The packet is the program's from its IP header on; only what it left zero is filled in. Takes over `rt`. */
function raw_send_hdrinc(sk: RawSock, msg: MsgHdr, length: number, rt: Rtable): number {
  const net = sk.net;
  const dev = rt.dev;
  const fl4 = sk.fl4;
  if (length > dev.mtu) {
    ip_local_error(sk, EMSGSIZE, fl4.daddr, sk.inet_dport, dev.mtu);
    ip_rt_put(rt);
    return -EMSGSIZE;
  }
  if (length < IPH_LEN) {
    ip_rt_put(rt);
    return -EINVAL;
  }
  const err = net.kernel.raw_err;
  const hlen = LL_RESERVED_SPACE(dev);
  const skb = sock_alloc_send_skb(sk, length + hlen + dev.needed_tailroom + 15, err);
  if (skb === null) {
    ip_rt_put(rt);
    return err[0]!;
  }
  skb_reserve(skb, hlen);
  skb.protocol = ETH_P_IP;
  skb.priority = net.kernel.raw_ipc.priority;
  skb.mark = net.kernel.raw_ipc.mark;
  skb.dst = rt;
  const iph = skb_put(skb, length);
  skb.network_header = iph;
  skb.transport_header = iph;
  skb.ip_summed = CHECKSUM_NONE;
  skb_setup_tx_timestamp(skb, sk, net.kernel.raw_ipc);
  memcpy_from_msg(skb.head.u8, iph, msg, 0, length);
  const dv = skb.head.dv;
  const ihl = (dv.getUint8(iph) & 0xf) << 2;
  // What follows reads the header: it must be one.
  if (ihl < IPH_LEN || ihl > length) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return -EINVAL;
  }
  if (dv.getInt32(iph + IPH_SADDR) === 0) dv.setInt32(iph + IPH_SADDR, fl4.saddr);
  dv.setUint16(iph + IPH_TOT_LEN, length);
  if (dv.getUint16(iph + IPH_ID) === 0) ip_select_ident(net, skb, null);
  dv.setUint16(iph + IPH_CHECK, 0);
  ip_send_check(dv, iph);
  skb.transport_header = iph + ihl;
  if (dv.getUint8(iph + IPH_PROTOCOL) === IPPROTO_ICMP && length >= ihl + ICMPH_LEN) {
    icmp_out_count(net, dv.getUint8(iph + ihl));
  }
  if (trace_key.on) trace_fn(F_raw_send_hdrinc, skb);
  let ret = NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_OUT, net, sk, skb, null, dev, dst_output);
  if (ret > 0) ret = net_xmit_errno(ret);
  if (ret === 0) return 0;
  net.mib.ip[IPSTATS_MIB_OUTDISCARDS]!++;
  return ret === -ENOBUFS && !sk.recverr ? 0 : ret;
}

/**
 * The destination of a datagram from msg_name or connect(): returns 0 with sk.fl4.daddr set, or -errno. Ports are ignored.
 */
export function inet_datagram_dest(sk: InetSock, msg: MsgHdr): number {
  const name = msg.msg_name;
  if (name === null) {
    if (sk.sk_state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    sk.fl4.daddr = sk.inet_daddr;
    return 0;
  }
  if (msg.msg_namelen < SOCKADDR_IN_LEN || name.length < SOCKADDR_IN_LEN) return -EINVAL;
  const family = name[0]! | (name[1]! << 8);
  if (family !== AF_INET && (family !== AF_UNSPEC || sk.sk_type !== SOCK_RAW)) return -EAFNOSUPPORT;
  sk.fl4.daddr = (name[4]! << 24) | (name[5]! << 16) | (name[6]! << 8) | name[7]!;
  return 0;
}

/**
 * Ancillary data, options and route of a raw or ping datagram to `daddr`. Returns the route, with a reference for the
 * caller, or -errno. The kernel's raw_ipc holds the rest.
 */
export function inet_datagram_route(
  sk: InetSock,
  msg: MsgHdr,
  daddr: number,
  flags: number,
  hdrincl: boolean,
): Rtable | number {
  const net = sk.net;
  const ipc = net.kernel.raw_ipc;
  ipcm_init_sk(ipc, sk);
  if (hdrincl) ipc.protocol = IPPROTO_RAW;
  if (msg.msg_control !== null && msg.msg_controllen > 0) {
    const err = ip_cmsg_send(sk, msg, ipc);
    if (err < 0) return err;
  }
  if (ipc.opt === null) ipc.opt = sk.inet_opt;
  let saddr = ipc.addr;
  let faddr = daddr;
  ipc.addr = daddr;
  const opt = ipc.opt;
  if (opt !== null) {
    // The header is the program's: options have no place in it.
    if (hdrincl) return -EINVAL;
    if (opt.srr !== 0) {
      if (daddr === 0) return -EINVAL;
      faddr = opt.faddr;
    }
  }
  const tos = ipc.tos !== -1 ? ipc.tos : sk.tos;
  const link = sock_flag(sk, SOCK_LOCALROUTE) || (flags & MSG_DONTROUTE) !== 0 || (opt !== null && opt.is_strictroute);
  if (ipv4_is_multicast(daddr)) {
    if (ipc.oif === 0) ipc.oif = sk.mc_index;
    if (saddr === 0) saddr = sk.mc_addr;
  } else if (ipc.oif === 0) ipc.oif = sk.uc_index;
  const any = sk.freebind || sk.transparent || hdrincl ? FLOWI_FLAG_ANYSRC : 0;
  const fl4 = sk.fl4;
  flowi4_init_output(
    fl4,
    ipc.oif,
    ipc.mark,
    tos,
    link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    hdrincl ? IPPROTO_RAW : sk.sk_protocol,
    any | (hdrincl ? FLOWI_FLAG_KNOWN_NH : 0),
    faddr,
    saddr,
    0,
    0,
  );
  const rt = ip_route_output_flow(net, fl4, sk);
  if (typeof rt === "number") return rt;
  if (rt.error !== 0) {
    const err = rt.error;
    ip_rt_put(rt);
    return err;
  }
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    ip_rt_put(rt);
    return -EACCES;
  }
  if ((flags & MSG_CONFIRM) !== 0) {
    const n = rt.ops.neigh_lookup(rt, fl4.daddr);
    if (n !== null) {
      neigh_confirm(n);
      neigh_release(n);
    }
  }
  return rt;
}

function raw_sendmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  const inet = raw_sk(sk);
  if (len > 0xffff) return -EMSGSIZE;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const hdrincl = inet.hdrincl;
  let err = inet_datagram_dest(inet, msg);
  if (err < 0) return err;
  const rt = inet_datagram_route(inet, msg, inet.fl4.daddr, flags, hdrincl);
  if (typeof rt === "number") return rt;
  if (hdrincl) {
    err = raw_send_hdrinc(inet, msg, len, rt);
    return err < 0 ? err : len;
  }
  // The type and code of an ICMP message are part of its flow.
  if (inet.inet_num === IPPROTO_ICMP && len < 2) {
    ip_rt_put(rt);
    return -EFAULT;
  }
  const ipc = sk.net.kernel.raw_ipc;
  if (ipc.addr === 0) ipc.addr = inet.fl4.daddr;
  err = inet_append(inet, msg, 0, len, 0, ipc, rt, flags);
  if (err < 0) return err;
  if ((flags & MSG_MORE) === 0) {
    err = ip_push_pending_frames(sk, inet.fl4);
    if (err < 0 && (err !== -ENOBUFS || inet.recverr)) return err;
  }
  return len;
}

/** ip_append_data() that settles who owns `rt`, and drops the message on an error. */
export function inet_append(
  sk: InetSock,
  msg: MsgHdr,
  from: number,
  len: number,
  transhdrlen: number,
  ipc: IpcmCookie,
  rt: Rtable,
  flags: number,
): number {
  const starts = sk.sk_write_queue.next === null;
  const err = ip_append_data(sk, sk.fl4, msg, from, len, transhdrlen, ipc, rt, flags);
  if (!starts || sk.cork.dst !== rt) ip_rt_put(rt);
  if (err < 0) ip_flush_pending_frames(sk);
  return err;
}

// --- router alert -------------------------------------------------------------------------------------------------

/** IP_ROUTER_ALERT: packets to forward that carry the option go to this socket instead. */
export function ip_ra_control(sk: Sock, on: boolean): number {
  const raw = raw_sk(sk);
  if (sk.sk_type !== SOCK_RAW || raw.inet_num === IPPROTO_RAW) return -EINVAL;
  const chain = sk.net.ipv4_ra_chain;
  const at = chain.indexOf(raw);
  if (on) {
    if (at >= 0) return -EADDRINUSE;
    chain.push(raw);
    return 0;
  }
  if (at < 0) return -ENOBUFS;
  chain.splice(at, 1);
  return 0;
}

/** A packet with a router alert is about to be forwarded. True when sockets took it. */
export function ip_call_ra_chain(skb: SkBuff): boolean {
  const net = skb.dev!.net;
  const chain = net.ipv4_ra_chain;
  if (chain.length === 0) return false;
  const protocol = skb.head.dv.getUint8(skb.network_header + IPH_PROTOCOL);
  let last: RawSock | null = null;
  for (const sk of [...chain]) {
    if (sk.inet_num !== protocol) continue;
    if (sk.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== skb.dev!.ifindex) continue;
    if ((skb.head.dv.getUint16(skb.network_header + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET)) !== 0) {
      if (ip_defrag(net, skb, IP_DEFRAG_CALL_RA_CHAIN) !== 0) return true;
    }
    if (last !== null) raw_rcv(last, skb_clone(skb));
    last = sk;
  }
  if (last === null) return false;
  raw_rcv(last, skb);
  return true;
}

// --- calls --------------------------------------------------------------------------------------------------------

function raw_bind(sk: Sock, addr: Uint8Array): number {
  const inet = raw_sk(sk);
  if (sk.sk_state !== TCP_CLOSE || addr.length < SOCKADDR_IN_LEN) return -EINVAL;
  const saddr = (addr[4]! << 24) | (addr[5]! << 16) | (addr[6]! << 8) | addr[7]!;
  const type = inet_addr_type(sk.net, saddr);
  const nonlocal = sk.net.ipv4.sysctl_ip_nonlocal_bind !== 0 || inet.freebind || inet.transparent;
  if (!nonlocal && saddr !== 0 && type !== RTN_LOCAL && type !== RTN_MULTICAST && type !== RTN_BROADCAST) {
    return -EADDRNOTAVAIL;
  }
  inet.inet_rcv_saddr = saddr;
  inet.inet_saddr = type === RTN_MULTICAST || type === RTN_BROADCAST ? 0 : saddr;
  sk_dst_reset(sk);
  return 0;
}

/**
 * __udp_disconnect() for sockets without ports. What was not bound to one leaves its table: a ping socket gets a new identifier
 * with its next message, but a raw socket is deaf from then on, as Linux's is.
 */
export function inet_datagram_disconnect(sk: Sock, _flags: number): number {
  const inet = sk as InetSock;
  sk.sk_state = TCP_CLOSE;
  inet.inet_daddr = 0;
  inet.inet_dport = 0;
  sk.sk_bound_dev_if = 0;
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) {
    inet.inet_rcv_saddr = 0;
    inet.inet_saddr = 0;
  }
  if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) {
    sk.prot.unhash?.(sk);
    inet.inet_sport = 0;
  }
  sk_dst_reset(sk);
  return 0;
}

function raw_close(sk: Sock, _timeout: number): void {
  ip_ra_control(sk, false);
  sk_common_release(sk);
}

function raw_destroy(sk: Sock): void {
  ip_flush_pending_frames(sk);
  ip_mc_drop_socket(sk);
}

function raw_setsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level !== SOL_RAW) return ip_setsockopt(sk, level, optname, optval);
  if (optname !== ICMP_FILTER) return -ENOPROTOOPT;
  const raw = raw_sk(sk);
  if (raw.inet_num !== IPPROTO_ICMP) return -EOPNOTSUPP;
  const b = new Uint8Array(4);
  const dv = new DataView(b.buffer);
  dv.setInt32(0, raw.icmp_filter, true);
  b.set(optval.subarray(0, 4));
  raw.icmp_filter = dv.getInt32(0, true);
  return 0;
}

function raw_getsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level !== SOL_RAW) return ip_getsockopt(sk, level, optname, optval);
  if (optname !== ICMP_FILTER) return -ENOPROTOOPT;
  const raw = raw_sk(sk);
  if (raw.inet_num !== IPPROTO_ICMP) return -EOPNOTSUPP;
  const n = Math.min(4, optval.length);
  for (let i = 0; i < n; i++) optval[i] = (raw.icmp_filter >> (8 * i)) & 0xff;
  return n;
}

/** SIOCOUTQ and SIOCINQ. */
export function inet_datagram_ioctl(sk: Sock, cmd: number, arg: Uint8Array): number {
  let v: number;
  if (cmd === SIOCOUTQ) v = sk.sk_wmem_alloc;
  else if (cmd === SIOCINQ) v = sk.sk_receive_queue.next !== null ? sk.sk_receive_queue.next.len : 0;
  else return -ENOIOCTLCMD;
  if (arg.length < 4) return -EFAULT;
  new DataView(arg.buffer, arg.byteOffset).setInt32(0, v, true);
  return 0;
}

export const raw_prot: Proto = {
  name: "RAW",
  obj_size: 1152,
  alloc: (net, family, prot) => new RawSock(net, family, prot),
  destroy: raw_destroy,
  close: raw_close,
  connect: __ip_datagram_connect,
  disconnect: inet_datagram_disconnect,
  ioctl: inet_datagram_ioctl,
  setsockopt: raw_setsockopt,
  getsockopt: raw_getsockopt,
  sendmsg: raw_sendmsg,
  recvmsg: raw_recvmsg,
  bind: raw_bind,
  hash: raw_hash_sk,
  unhash: raw_unhash_sk,
};

// --- /proc/net/raw ------------------------------------------------------------------------------------------------

/** The raw sockets of a namespace, by protocol. */
export function raw_sockets(net: Net): RawSock[] {
  return [...net.ipv4_raw].sort((a, b) => a[0] - b[0]).flatMap(([, list]) => list);
}

/** Text of /proc/net/raw. DIFF: the slot is the protocol's number, where Linux shows a bucket of a keyed hash. */
export const raw_seq_show = (net: Net): string => raw_seq_text(raw_sockets(net), (sk) => sk.inet_num);

/** After NetnsIpv4 is registered. The families' table gets raw_prot from inet_init(). */
export function raw_init(k: Kernel): void {
  k.raw_ipc = new IpcmCookie();
  k.raw_err = new Int32Array(1);
  k.raw_inuse = (net) => net.ipv4_raw_users;
  register_pernet_subsys(k, {
    init: (net) => {
      net.ipv4_raw = new Map();
      net.ipv4_ra_chain = [];
      net.ipv4_raw_users = 0;
    },
  });
}
