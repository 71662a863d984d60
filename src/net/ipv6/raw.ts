// Raw and ping sockets of AF_INET6. Mirrors net/ipv6/raw.c and ping.c. Read first: RFC 3542, ipv6(7). Way in: rawv6_prot, pingv6_prot.
// DIFF: they are made, bound, asked and listed; nothing of IPv6 comes in, and what is sent has no source address.

import { EACCES, EADDRNOTAVAIL, EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EINVAL, ENOTCONN } from "../../uapi/errno.ts";
import { SIN6_ADDR, SIN6_LEN_RFC2133 } from "../../uapi/in6.ts";
import { AF_INET6, MSG_ERRQUEUE } from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { skb_recv_datagram } from "../core/datagram.ts";
import { in6_addr, ipv6_addr_any, ipv6_addr_is_multicast, ipv6_addr_v4mapped } from "../core/in6.ts";
import type { Net } from "../core/net_namespace.ts";
import { consume_skb } from "../core/skbuff.ts";
import { type Proto, type Sock, sk_common_release, TCP_CLOSE, TCP_ESTABLISHED } from "../core/sock.ts";
import { InetSock, inet_sk } from "../ipv4/inet_sock.ts";
import { inet_datagram_disconnect, inet_datagram_ioctl } from "../ipv4/raw.ts";
import { family_of, inet6_check_bind, inet6_sk } from "./af_inet6.ts";
import { ip6_no_route, ipv6_recv_error, v6_destination } from "./datagram.ts";
import { ipv6_getsockopt, ipv6_setsockopt } from "./ipv6_sockglue.ts";

declare module "../core/net_namespace.ts" {
  interface Net {
    /** All raw sockets of AF_INET6. */
    ipv6_raw: Set<InetSock>;
  }
}

export const raw6_sockets = (net: Net): InetSock[] => [...net.ipv6_raw].sort((a, b) => a.inet_num - b.inet_num);

function rawv6_bind(sk: Sock, addr: Uint8Array): number {
  const inet = inet_sk(sk);
  const np = inet6_sk(sk);
  if (addr.length < SIN6_LEN_RFC2133 || family_of(addr) !== AF_INET6) return -EINVAL;
  const a = in6_addr(addr, SIN6_ADDR);
  // Raw sockets do not mix families.
  if (ipv6_addr_v4mapped(a)) return -EADDRNOTAVAIL;
  if (sk.sk_state !== TCP_CLOSE) return -EINVAL;
  if (!ipv6_addr_any(a)) {
    const err = inet6_check_bind(inet, a, addr);
    if (err < 0) return err;
  }
  np.sk_v6_rcv_saddr = a;
  if (!ipv6_addr_is_multicast(a)) np.saddr = a;
  return 0;
}

function rawv6_connect(sk: Sock, addr: Uint8Array): number {
  if (addr.length < SIN6_LEN_RFC2133) return -EINVAL;
  if (family_of(addr) !== AF_INET6) return -EAFNOSUPPORT;
  const a = v6_destination(inet_sk(sk), addr);
  return ip6_no_route(inet_sk(sk), a, addr.length >= 28 ? addr[24]! : 0, true);
}

function rawv6_sendmsg(sk: Sock, msg: MsgHdr): number {
  const room = Math.min(msg.msg_namelen, msg.msg_name?.length ?? 0);
  if (msg.msg_name === null || room === 0) return sk.sk_state === TCP_ESTABLISHED ? -ENOTCONN : -EDESTADDRREQ;
  if (room < SIN6_LEN_RFC2133) return -EINVAL;
  if (family_of(msg.msg_name) !== AF_INET6) return -EAFNOSUPPORT;
  const port = (msg.msg_name[2]! << 8) | msg.msg_name[3]!;
  if (port !== 0 && port !== inet_sk(sk).inet_num) return -EINVAL;
  return ip6_no_route(inet_sk(sk), v6_destination(inet_sk(sk), msg.msg_name), 0, false);
}

function rawv6_recvmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  if ((flags & MSG_ERRQUEUE) !== 0) return ipv6_recv_error(sk, msg, len);
  const err = new Int32Array(1);
  const skb = skb_recv_datagram(sk, flags, err);
  if (skb !== null) consume_skb(skb);
  return skb === null ? err[0]! : -EAGAIN;
}

export const rawv6_prot: Proto = {
  name: "RAWv6",
  obj_size: 1344,
  alloc: (net, family, prot) => new InetSock(net, family, prot),
  close: (sk) => sk_common_release(sk),
  connect: rawv6_connect,
  disconnect: inet_datagram_disconnect,
  ioctl: inet_datagram_ioctl,
  setsockopt: ipv6_setsockopt,
  getsockopt: ipv6_getsockopt,
  sendmsg: rawv6_sendmsg,
  recvmsg: rawv6_recvmsg,
  bind: rawv6_bind,
  hash: (sk) => {
    sk.net.ipv6_raw.add(sk as InetSock);
    return 0;
  },
  unhash: (sk) => {
    sk.net.ipv6_raw.delete(sk as InetSock);
  },
};

/** Only groups in net.ipv4.ping_group_range may; every task here is of group 0. */
function ping_init_sock(sk: Sock): number {
  const [low, high] = sk.net.ipv4.ping_group_range;
  return low <= 0 && high >= 0 ? 0 : -EACCES;
}
export const pingv6_prot: Proto = { ...rawv6_prot, name: "PINGv6", init: ping_init_sock };
