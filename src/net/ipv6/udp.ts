// UDP for AF_INET6 sockets. Mirrors net/ipv6/udp.c. Read first: RFC 3493 section 3.7, ../ipv4/udp.ts. Way in: udpv6_prot.

import { EDESTADDRREQ, EINVAL, ENETUNREACH } from "../../uapi/errno.ts";
import { SIN6_LEN_RFC2133 } from "../../uapi/in6.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, SOL_UDP, SOL_UDPLITE } from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { ipv6_addr_v4mapped } from "../core/in6.ts";
import { type Proto, type Sock, TCP_ESTABLISHED } from "../core/sock.ts";
import { inet_sk } from "../ipv4/inet_sock.ts";
import { udp_connect, udp_prot } from "../ipv4/udp.ts";
import type { UdpSock } from "../ipv4/udp_table.ts";
import { family_of, inet6_sk } from "./af_inet6.ts";
import { ip6_datagram_connect, ip6_no_route, mapped_to_sockaddr_in, v6_destination } from "./datagram.ts";
import { ipv6_getsockopt, ipv6_setsockopt } from "./ipv6_sockglue.ts";

/** By IPv4, to `name`, or where the socket is connected to. The message is as it was when this returns. */
function do_udp_sendmsg(sk: Sock, msg: MsgHdr, name: Uint8Array | null, len: number, flags: number): number {
  if (inet6_sk(sk).ipv6only) return -ENETUNREACH;
  const { msg_name, msg_namelen } = msg;
  msg.msg_name = name;
  msg.msg_namelen = name?.length ?? 0;
  const n = udp_prot.sendmsg(sk, msg, len, flags);
  msg.msg_name = msg_name;
  msg.msg_namelen = msg_namelen;
  return n;
}

function udpv6_sendmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  const inet = inet_sk(sk);
  const room = Math.min(msg.msg_namelen, msg.msg_name?.length ?? 0);
  if (msg.msg_name !== null && room > 0) {
    const name = msg.msg_name.subarray(0, room);
    if (room < 2) return -EINVAL;
    switch (family_of(name)) {
      case AF_INET6: {
        if (room < SIN6_LEN_RFC2133) return -EINVAL;
        const a = v6_destination(inet, name);
        const port = (name[2]! << 8) | name[3]!;
        if (ipv6_addr_v4mapped(a)) return do_udp_sendmsg(sk, msg, mapped_to_sockaddr_in(a, port), len, flags);
        return port === 0 ? -EINVAL : ip6_no_route(inet, a, 0, false);
      }
      case AF_INET:
        return do_udp_sendmsg(sk, msg, name, len, flags);
      case AF_UNSPEC:
        break;
      default:
        return -EINVAL;
    }
  }
  // To the peer, or more of what is corked.
  if (sk.sk_state !== TCP_ESTABLISHED && (sk as UdpSock).pending === 0) return -EDESTADDRREQ;
  return do_udp_sendmsg(sk, msg, null, len, flags);
}

export const udpv6_prot: Proto = {
  ...udp_prot,
  name: "UDPv6",
  obj_size: 1472,
  connect: (sk, addr) => ip6_datagram_connect(sk, addr, udp_connect),
  setsockopt: (sk, level, optname, optval) =>
    level === SOL_UDP || level === SOL_UDPLITE
      ? udp_prot.setsockopt(sk, level, optname, optval)
      : ipv6_setsockopt(sk, level, optname, optval),
  getsockopt: (sk, level, optname, optval) =>
    level === SOL_UDP || level === SOL_UDPLITE
      ? udp_prot.getsockopt(sk, level, optname, optval)
      : ipv6_getsockopt(sk, level, optname, optval),
  sendmsg: udpv6_sendmsg,
};
export const udplitev6_prot: Proto = { ...udpv6_prot, name: "UDPLITEv6" };
