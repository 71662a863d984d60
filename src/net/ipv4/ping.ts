// Ping sockets: echo requests without privilege, SOCK_DGRAM with IPPROTO_ICMP. Mirrors net/ipv4/ping.c.
// Read first: icmp(7). Way in: ping_rcv() and ping_err() from icmp.ts; ping_prot from inet_create().

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_ping_rcv } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_fold, csum_partial_dv } from "../../lib/checksum.ts";
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EHOSTUNREACH,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  EOPNOTSUPP,
  EPROTO,
} from "../../uapi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_EXT_ECHO,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMPH_CHECK,
  ICMPH_CODE,
  ICMPH_ID,
  ICMPH_LEN,
  ICMPH_SEQ,
  ICMPH_TYPE,
  IPH_DADDR,
  NR_ICMP_UNREACH,
} from "../../uapi/ip.ts";
import { RTN_LOCAL } from "../../uapi/rtnetlink.ts";
import {
  AF_INET,
  AF_UNSPEC,
  IP_PMTUDISC_DONT,
  MSG_ERRQUEUE,
  MSG_MORE,
  MSG_OOB,
  SOCKADDR_IN_LEN,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { __skb_recv_datagram, memcpy_from_msg } from "../core/datagram.ts";
import {
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_SOCKET_FILTER,
  SKB_DROP_REASON_SOCKET_RCVBUFF,
  SKB_NOT_DROPPED_YET,
} from "../core/dropreason.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { kfree_skb_reason, type SkBuff, skb_clone, skb_push } from "../core/skbuff.ts";
import { IPSTATS_MIB_OUTNOROUTES } from "../core/snmp.ts";
import {
  __sock_queue_rcv_skb,
  type Proto,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  type Sock,
  sk_common_release,
  sk_dst_reset,
  TCP_ESTABLISHED,
} from "../core/sock.ts";
import { sk_filter } from "../core/sock_filter.ts";
import { __ip_datagram_connect } from "./datagram4.ts";
import { inet_addr_type } from "./fib_frontend.ts";
import { icmp_err_convert } from "./icmp.ts";
import { ip_mc_drop_socket } from "./igmp.ts";
import { InetSock } from "./inet_sock.ts";
import { ip_flush_pending_frames, ip_push_pending_frames } from "./ip_append.ts";
import { ip_getsockopt, ip_icmp_error, ip_recv_error, ip_setsockopt, ipv4_pktinfo_prepare } from "./ip_sockglue.ts";
import {
  inet_append,
  inet_datagram_copy,
  inet_datagram_dest,
  inet_datagram_disconnect,
  inet_datagram_ioctl,
  inet_datagram_route,
} from "./raw.ts";
import { ipv4_sk_redirect, ipv4_sk_update_pmtu } from "./route.ts";
import { ping_seq_text } from "./udp_proc.ts";

const EREMOTEIO = 121;

declare module "../core/net_namespace.ts" {
  interface Net {
    /** Ping sockets by identifier: inet_num is to them what a port is to UDP. */
    ipv4_ping: Map<number, InetSock[]>;
    ping_port_rover: number;
    ipv4_ping_users: number;
  }
}

// --- identifiers --------------------------------------------------------------------------------------------------

/** Takes identifier `ident`, or a free one for 0. 0 or -EADDRINUSE. */
function ping_get_port(sk: Sock, ident: number): number {
  const net = sk.net;
  const isk = sk as InetSock;
  if (ident === 0) {
    let id = net.ping_port_rover;
    for (let i = 0; i < 65536; i++) {
      id = (id + 1) & 0xffff || 1;
      if (!net.ipv4_ping.has(id)) break;
      if (i === 65535) return -EADDRINUSE;
    }
    net.ping_port_rover = id;
    ident = id;
  } else {
    const others = net.ipv4_ping.get(ident);
    if (others?.some((o) => o !== isk && (o.sk_reuse === 0 || isk.sk_reuse === 0))) return -EADDRINUSE;
  }
  isk.inet_num = ident;
  const list = net.ipv4_ping.get(ident);
  if (list === undefined) net.ipv4_ping.set(ident, [isk]);
  else list.unshift(isk);
  net.ipv4_ping_users++;
  return 0;
}

function ping_unhash(sk: Sock): void {
  const net = sk.net;
  const isk = sk as InetSock;
  const list = net.ipv4_ping.get(isk.inet_num);
  if (list === undefined || !list.includes(isk)) return;
  if (list.length === 1) net.ipv4_ping.delete(isk.inet_num);
  else list.splice(list.indexOf(isk), 1);
  net.ipv4_ping_users--;
  isk.inet_num = 0;
  isk.inet_sport = 0;
}

/** The socket for a message with this identifier that came to us, or null. */
function ping_lookup(net: Net, skb: SkBuff, ident: number): InetSock | null {
  const list = net.ipv4_ping.get(ident);
  if (list === undefined) return null;
  const daddr = skb.head.dv.getInt32(skb.network_header + IPH_DADDR);
  const dif = skb.dev!.ifindex;
  for (let i = 0; i < list.length; i++) {
    const isk = list[i]!;
    if (isk.inet_rcv_saddr !== 0 && isk.inet_rcv_saddr !== daddr) continue;
    if (isk.sk_bound_dev_if !== 0 && isk.sk_bound_dev_if !== dif) continue;
    return isk;
  }
  return null;
}

/** Only groups in net.ipv4.ping_group_range may, root's too. Every task here is of group 0. */
function ping_init_sock(sk: Sock): number {
  const [low, high] = sk.net.ipv4.ping_group_range;
  return low <= 0 && high >= 0 ? 0 : -EACCES;
}

function ping_bind(sk: Sock, addr: Uint8Array): number {
  const isk = sk as InetSock;
  if (addr.length < SOCKADDR_IN_LEN) return -EINVAL;
  const family = addr[0]! | (addr[1]! << 8);
  const saddr = (addr[4]! << 24) | (addr[5]! << 16) | (addr[6]! << 8) | addr[7]!;
  if (family !== AF_INET && !(family === AF_UNSPEC && saddr === 0)) return -EAFNOSUPPORT;
  if (saddr !== 0 && inet_addr_type(sk.net, saddr) !== RTN_LOCAL) {
    if (sk.net.ipv4.sysctl_ip_nonlocal_bind === 0 && !isk.freebind && !isk.transparent) return -EADDRNOTAVAIL;
  }
  if (isk.inet_num !== 0) return -EINVAL;
  const snum = (addr[2]! << 8) | addr[3]!;
  isk.inet_rcv_saddr = saddr;
  isk.inet_saddr = saddr;
  const err = ping_get_port(sk, snum);
  if (err < 0) {
    isk.inet_rcv_saddr = 0;
    isk.inet_saddr = 0;
    return err;
  }
  if (saddr !== 0) sk.sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (snum !== 0) sk.sk_userlocks |= SOCK_BINDPORT_LOCK;
  isk.inet_sport = isk.inet_num;
  isk.inet_daddr = 0;
  isk.inet_dport = 0;
  sk_dst_reset(sk);
  return 0;
}

// --- receiving ----------------------------------------------------------------------------------------------------

/** A reply: a clone for the socket of its identifier. `skb.data` is behind the ICMP header. Returns a drop reason, or 0. */
export function ping_rcv(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_ping_rcv, skb);
  const net = skb.dev!.net;
  if (net.ipv4_ping_users === 0) return SKB_DROP_REASON_NO_SOCKET;
  const sk = ping_lookup(net, skb, skb.head.dv.getUint16(skb.transport_header + ICMPH_ID));
  if (sk === null) return SKB_DROP_REASON_NO_SOCKET;
  const n = skb_clone(skb);
  skb_push(n, n.data - n.transport_header);
  if (sk.sk_filter !== null && sk_filter(sk, n) !== 0) {
    sk.sk_drops++;
    kfree_skb_reason(n, SKB_DROP_REASON_SOCKET_FILTER);
    return SKB_NOT_DROPPED_YET;
  }
  ipv4_pktinfo_prepare(sk, n);
  if (__sock_queue_rcv_skb(sk, n) < 0) kfree_skb_reason(n, SKB_DROP_REASON_SOCKET_RCVBUFF);
  return SKB_NOT_DROPPED_YET;
}

/** An error about an echo request of ours, whose ICMP header is `offset` bytes from skb.data. */
export function ping_err(skb: SkBuff, offset: number, info: number): void {
  const dv = skb.head.dv;
  const inner = skb.data + offset;
  const request = dv.getUint8(inner + ICMPH_TYPE);
  if ((request !== ICMP_ECHO && request !== ICMP_EXT_ECHO) || dv.getUint8(inner + ICMPH_CODE) !== 0) return;
  const sk = ping_lookup(skb.dev!.net, skb, dv.getUint16(inner + ICMPH_ID));
  if (sk === null) return;
  const type = dv.getUint8(skb.transport_header + ICMPH_TYPE);
  const code = dv.getUint8(skb.transport_header + ICMPH_CODE);
  let err: number = EHOSTUNREACH;
  let harderr = false;
  switch (type) {
    case ICMP_SOURCE_QUENCH:
      // No error, but ping wants to see it.
      err = EREMOTEIO;
      break;
    case ICMP_PARAMETERPROB:
      err = EPROTO;
      harderr = true;
      break;
    case ICMP_DEST_UNREACH:
      if (code === ICMP_FRAG_NEEDED) {
        ipv4_sk_update_pmtu(skb, sk, info);
        if (sk.pmtudisc === IP_PMTUDISC_DONT) return;
        err = EMSGSIZE;
        harderr = true;
      } else if (code <= NR_ICMP_UNREACH) {
        err = icmp_err_convert[code]!.errno;
        harderr = icmp_err_convert[code]!.fatal;
      }
      break;
    case ICMP_REDIRECT:
      ipv4_sk_redirect(skb, sk);
      err = EREMOTEIO;
      break;
  }
  if (!sk.recverr) {
    if (!harderr || sk.sk_state !== TCP_ESTABLISHED) return;
  } else {
    ip_icmp_error(sk, skb, err, 0, info, inner);
  }
  sk.sk_err = err;
  sk.sk_error_report(sk);
}

function ping_recvmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if ((flags & MSG_ERRQUEUE) !== 0) return ip_recv_error(sk, msg, len);
  const err = sk.net.kernel.raw_err;
  const skb = __skb_recv_datagram(sk, flags, err);
  if (skb === null) return err[0]!;
  return inet_datagram_copy(sk, skb, msg, len, flags);
}

// --- sending ------------------------------------------------------------------------------------------------------

/** The program gives an echo request with its header; identifier and checksum are ours. */
function ping_v4_sendmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  const isk = sk as InetSock;
  if (len > 0xffff) return -EMSGSIZE;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (len < ICMPH_LEN) return -EINVAL;
  const hdr = sk.net.kernel.ping_hdr;
  memcpy_from_msg(hdr, 0, msg, 0, ICMPH_LEN);
  const type = hdr[ICMPH_TYPE]!;
  if ((type !== ICMP_ECHO && type !== ICMP_EXT_ECHO) || hdr[ICMPH_CODE] !== 0) return -EINVAL;
  let err = inet_datagram_dest(isk, msg);
  if (err < 0) return err;
  const rt = inet_datagram_route(isk, msg, isk.fl4.daddr, flags, false);
  if (typeof rt === "number") {
    if (rt === -ENETUNREACH) sk.net.mib.ip[IPSTATS_MIB_OUTNOROUTES]!++;
    return rt;
  }
  const ipc = sk.net.kernel.raw_ipc;
  if (ipc.addr === 0) ipc.addr = isk.fl4.daddr;
  err = inet_append(isk, msg, ICMPH_LEN, len, ICMPH_LEN, ipc, rt, flags);
  if (err < 0) return err;
  if ((flags & MSG_MORE) === 0) {
    err = ping_push_pending_frames(isk, hdr);
    if (err < 0) return err;
  }
  return len;
}

/** Header and checksum, then out. The appended packets carry the sums of their payload. */
function ping_push_pending_frames(isk: InetSock, hdr: Uint8Array): number {
  const first = isk.sk_write_queue.next;
  if (first === null) return 0;
  const dv = first.head.dv;
  const th = first.transport_header;
  dv.setUint16(th + ICMPH_TYPE, hdr[ICMPH_TYPE]! << 8);
  dv.setUint16(th + ICMPH_CHECK, 0);
  dv.setUint16(th + ICMPH_ID, isk.inet_sport);
  dv.setUint16(th + ICMPH_SEQ, (hdr[ICMPH_SEQ]! << 8) | hdr[ICMPH_SEQ + 1]!);
  // All packets but the last end on an even byte: their sums just add up.
  let sum = csum_partial_dv(dv, th, ICMPH_LEN, 0);
  for (let s: SkBuff | null = first; s !== null; s = s.next) sum += s.csum;
  dv.setUint16(th + ICMPH_CHECK, csum_fold(sum));
  return ip_push_pending_frames(isk, isk.fl4);
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Scratch: the header of the message being sent. */
    ping_hdr: Uint8Array;
  }
}

export const ping_prot: Proto = {
  name: "PING",
  obj_size: 1016,
  alloc: (net, family, prot) => new InetSock(net, family, prot),
  init: ping_init_sock,
  destroy: (sk) => {
    ip_flush_pending_frames(sk);
    ip_mc_drop_socket(sk);
  },
  close: (sk) => sk_common_release(sk),
  connect: __ip_datagram_connect,
  disconnect: inet_datagram_disconnect,
  ioctl: inet_datagram_ioctl,
  setsockopt: ip_setsockopt,
  getsockopt: ip_getsockopt,
  sendmsg: ping_v4_sendmsg,
  recvmsg: ping_recvmsg,
  bind: ping_bind,
  unhash: ping_unhash,
  get_port: ping_get_port,
};

/** The ping sockets of a namespace, by identifier. */
export function ping_sockets(net: Net): InetSock[] {
  return [...net.ipv4_ping].sort((a, b) => a[0] - b[0]).flatMap(([, list]) => list);
}

/** Text of /proc/net/icmp. */
export const ping_seq_show = (net: Net): string => ping_seq_text(ping_sockets(net), (sk) => sk.inet_num & 63);

function ping_net_init(net: Net): void {
  net.ipv4_ping = new Map();
  net.ipv4_ping_users = 0;
  const rnd = new Uint8Array(2);
  net.kernel.host.random_bytes(rnd);
  net.ping_port_rover = (rnd[0]! << 8) | rnd[1]!;
  // What systemd's sysctl.d sets at boot; other namespaces begin with "1 0", nobody.
  net.ipv4.ping_group_range = net.id === 0 ? [0, 2147483647] : [1, 0];
}

/** After raw_init(). The families' table gets ping_prot from inet_init(). */
export function ping_init(k: Kernel): void {
  k.ping_hdr = new Uint8Array(ICMPH_LEN);
  register_pernet_subsys(k, { init: ping_net_init });
}
