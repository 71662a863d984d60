// Datagrams of AF_INET6 sockets: connect(2), who sent one, ancillary data, the error queue. Mirrors net/ipv6/datagram.c.
// Read first: RFC 3542, ipv6(7). Way in: ip6_datagram_connect(); ipv6_recv_error(), ip6_datagram_recv() through kernel.ipv6_stub.

import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENETUNREACH } from "../../uapi/errno.ts";
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
import { AF_INET, AF_INET6, SOCKADDR_IN_LEN } from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { put_cmsg } from "../core/datagram.ts";
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
import type { SkBuff } from "../core/skbuff.ts";
import type { Sock } from "../core/sock.ts";
import { type InetSock, inet_sk } from "../ipv4/inet_sock.ts";
import { type ErrqueueFamily, sock_recv_error } from "../ipv4/ip_sockglue.ts";
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

const ipv6_errors: ErrqueueFamily = {
  level: SOL_IPV6,
  type: IPV6_RECVERR,
  size: 16 + SOCKADDR_IN6_LEN,
  put_name(msg, addr, port) {
    put_sockaddr_in6(msg.msg_name!, ipv6_addr_set_v4mapped(addr), port, 0);
    msg.msg_namelen = SOCKADDR_IN6_LEN;
  },
  put_offender: (b, addr) => put_sockaddr_in6(b, ipv6_addr_set_v4mapped(addr), 0, 0),
  recv_ctl: ip6_datagram_recv_common_ctl,
};

/** recvmsg(MSG_ERRQUEUE): as for IPv4, its addresses mapped. */
export const ipv6_recv_error = (sk: Sock, msg: MsgHdr, len: number): number =>
  sock_recv_error(sk, msg, len, ipv6_errors);
