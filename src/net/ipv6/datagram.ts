// Datagrams of AF_INET6 sockets: connect(2), who sent one, ancillary data, the error queue. Mirrors net/ipv6/datagram.c.
// Read first: RFC 3542, ipv6(7). Way in: ip6_datagram_connect(); ipv6_recv_error(), ip6_datagram_recv() through kernel.ipv6_stub.

import { EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EINVAL, ENETUNREACH } from "../../uapi/errno.ts";
import {
  IPV6_2292PKTINFO,
  IPV6_PKTINFO,
  IPV6_RECVERR,
  IPV6_RECVPKTINFO,
  SIN6_ADDR,
  SIN6_LEN_RFC2133,
  SOCKADDR_IN6_LEN,
  SOL_IPV6,
} from "../../uapi/in6.ts";
import { IPH_DADDR } from "../../uapi/ip.ts";
import {
  AF_INET,
  AF_INET6,
  MSG_ERRQUEUE,
  MSG_TRUNC,
  SO_EE_ORIGIN_ICMP,
  SO_EE_ORIGIN_NONE,
  SOCKADDR_IN_LEN,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { put_cmsg, skb_copy_datagram_msg } from "../core/datagram.ts";
import {
  type In6Addr,
  in6_addr,
  in6addr_loopback,
  ipv6_addr_any,
  ipv6_addr_linklocal,
  ipv6_addr_set_v4mapped,
  ipv6_addr_v4mapped,
  put_in6_addr,
  sk_v6_rcv_saddr,
} from "../core/in6.ts";
import { __skb_dequeue, consume_skb, type SkBuff } from "../core/skbuff.ts";
import type { Sock } from "../core/sock.ts";
import { sock_recv_cmsgs } from "../core/sock_opt.ts";
import { type InetSock, inet_sk } from "../ipv4/inet_sock.ts";
import { ip_cmsg_recv_offset } from "../ipv4/ip_sockglue.ts";
import { family_of, inet6_sk, put_sockaddr_in6, sockaddr_view } from "./af_inet6.ts";

const INADDR_LOOPBACK = 0x7f000001;

/** struct sockaddr_in for a mapped address. */
export function mapped_to_sockaddr_in(a: In6Addr, port: number): Uint8Array {
  const out = new Uint8Array(SOCKADDR_IN_LEN);
  const dv = new DataView(out.buffer);
  dv.setUint16(0, AF_INET, true);
  dv.setUint16(2, port);
  dv.setInt32(4, a[3]);
  return out;
}

/** "::" as a destination means this machine: by IPv4 for a socket that is bound to an address of it. */
export function v6_destination(sk: InetSock, addr: Uint8Array): In6Addr {
  const a = in6_addr(addr, SIN6_ADDR);
  if (!ipv6_addr_any(a)) return a;
  return ipv6_addr_v4mapped(sk_v6_rcv_saddr(sk)) ? ipv6_addr_set_v4mapped(INADDR_LOOPBACK) : in6addr_loopback;
}

/**
 * Why nothing goes to the IPv6 address `a`: -EINVAL for one of a link when nobody says which, -ENETUNREACH from an address of
 * IPv4, and no source address otherwise. DIFF: there is no other end yet.
 */
export function ip6_no_route(sk: InetSock, a: In6Addr, scope: number, check_scope: boolean): number {
  if (check_scope && ipv6_addr_linklocal(a) && scope === 0 && sk.sk_bound_dev_if === 0) {
    if (!((a[0] >>> 24 === 0xff ? inet6_sk(sk).mcast_oif : 0) !== 0)) return -EINVAL;
  }
  return ipv6_addr_v4mapped(sk_v6_rcv_saddr(sk)) ? -ENETUNREACH : -EADDRNOTAVAIL;
}

/** The socket's addresses are now mapped ones: its transport has set those of IPv4. */
export function inet6_now_mapped(sk: InetSock): void {
  const np = inet6_sk(sk);
  np.sk_v6_daddr = null;
  np.saddr = null;
  np.sk_v6_rcv_saddr = null;
}

/** Fixes the peer; `connect4` is the transport's connect by IPv4. 0 or -errno. */
export function ip6_datagram_connect(
  sk: Sock,
  addr: Uint8Array,
  connect4: (sk: Sock, addr: Uint8Array, len: number) => number,
): number {
  const inet = inet_sk(sk);
  const np = inet6_sk(sk);
  let to = addr;
  if (family_of(addr) === AF_INET) {
    if (np.ipv6only) return -EAFNOSUPPORT;
  } else {
    if (addr.length < SIN6_LEN_RFC2133) return -EINVAL;
    if (family_of(addr) !== AF_INET6) return -EAFNOSUPPORT;
    const a = v6_destination(inet, addr);
    if (!ipv6_addr_v4mapped(a)) {
      const scope = addr.length >= SOCKADDR_IN6_LEN ? sockaddr_view(addr).getUint32(24, true) : 0;
      return ip6_no_route(inet, a, scope, true);
    }
    if (np.ipv6only) return -ENETUNREACH;
    to = mapped_to_sockaddr_in(a, (addr[2]! << 8) | addr[3]!);
  }
  const err = connect4(sk, to, to.length);
  if (err === 0) inet6_now_mapped(inet);
  return err;
}

/** IPV6_RECVPKTINFO of a packet of IPv4: the device it came in by, and whom it was for. The rest is of IPv6 only. */
export function ip6_datagram_recv_common_ctl(sk: Sock, msg: MsgHdr, skb: SkBuff): void {
  const np = inet6_sk(sk);
  const now = np.is_on(IPV6_RECVPKTINFO);
  if (!now && !np.is_on(IPV6_2292PKTINFO)) return;
  const b = new Uint8Array(20);
  const dv = new DataView(b.buffer);
  put_in6_addr(dv, 0, ipv6_addr_set_v4mapped(skb.head.dv.getInt32(skb.network_header + IPH_DADDR)));
  dv.setInt32(16, skb.ipcb_iif, true);
  put_cmsg(msg, SOL_IPV6, now ? IPV6_PKTINFO : IPV6_2292PKTINFO, b);
}

/** For a datagram that came by IPv4. */
export function ip6_datagram_recv(sk: Sock, msg: MsgHdr, skb: SkBuff, saddr: number, sport: number): void {
  if (msg.msg_name !== null) {
    put_sockaddr_in6(msg.msg_name, ipv6_addr_set_v4mapped(saddr), sport, 0);
    msg.msg_namelen = SOCKADDR_IN6_LEN;
  }
  ip6_datagram_recv_common_ctl(sk, msg, skb);
}

/** recvmsg(MSG_ERRQUEUE): the packet, who it was for, and struct sock_extended_err with the offender, mapped. */
export function ipv6_recv_error(sk: Sock, msg: MsgHdr, len: number): number {
  const skb = __skb_dequeue(sk.sk_error_queue);
  if (skb === null) return -EAGAIN;
  let copied = skb.len;
  if (copied > len) {
    msg.msg_flags |= MSG_TRUNC;
    copied = len;
  }
  const e = skb_copy_datagram_msg(skb, 0, msg, copied);
  const ee = skb.exterr;
  if (e < 0 || ee === undefined) {
    consume_skb(skb);
    return e < 0 ? e : -EAGAIN;
  }
  sock_recv_cmsgs(msg, sk, skb);
  if (msg.msg_name !== null && ee.ee_data === undefined) {
    put_sockaddr_in6(msg.msg_name, ipv6_addr_set_v4mapped(ee.addr), ee.port, 0);
    msg.msg_namelen = SOCKADDR_IN6_LEN;
  }
  const b = new Uint8Array(16 + SOCKADDR_IN6_LEN);
  const d = new DataView(b.buffer);
  d.setUint32(0, ee.ee_errno, true);
  b[4] = ee.ee_origin;
  b[5] = ee.ee_type;
  b[6] = ee.ee_code;
  d.setUint32(8, ee.ee_info >>> 0, true);
  d.setUint16(12, Math.abs(ee.rfc4884), true);
  b[14] = ee.rfc4884 < 0 ? 1 : 0;
  if (ee.ee_data !== undefined) d.setUint32(12, ee.ee_data, true);
  if (ee.ee_origin === SO_EE_ORIGIN_ICMP) {
    put_sockaddr_in6(b.subarray(16), ipv6_addr_set_v4mapped(ee.offender), 0, 0);
    ip6_datagram_recv_common_ctl(sk, msg, skb);
    if (inet_sk(sk).cmsg_flags !== 0) ip_cmsg_recv_offset(msg, sk, skb, 0);
  }
  put_cmsg(msg, SOL_IPV6, IPV6_RECVERR, b);
  msg.msg_flags |= MSG_ERRQUEUE;
  consume_skb(skb);
  skb.exterr = undefined;
  // What was no error has left none behind.
  if (ee.ee_data !== undefined) return copied;
  const next = sk.sk_error_queue.next;
  const more = next?.exterr;
  sk.sk_err = more !== undefined && more.ee_origin !== SO_EE_ORIGIN_NONE ? more.ee_errno : 0;
  if (sk.sk_err !== 0) sk.sk_error_report(sk);
  return copied;
}
