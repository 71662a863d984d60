// TCP for AF_INET6 sockets. Mirrors net/ipv6/tcp_ipv6.c. Read first: RFC 4291 section 2.5.5.2, ../ipv4/tcp_ipv4.ts. Way in: tcpv6_prot.
// DIFF: a peer is one of IPv4; connections of IPv4 to a listener here are made by tcp_v4_syn_recv_sock(), whose child inherits ipv6_pinfo.

import { EAFNOSUPPORT, EINVAL, ENETUNREACH } from "../../uapi/errno.ts";
import { SIN6_LEN_RFC2133, SOCKADDR_IN6_LEN } from "../../uapi/in6.ts";
import { AF_INET6, SOL_TCP } from "../../uapi/socket.ts";
import { ipv6_addr_is_multicast, ipv6_addr_v4mapped } from "../core/in6.ts";
import type { Proto, Sock } from "../core/sock.ts";
import { inet_sk } from "../ipv4/inet_sock.ts";
import { tcp_prot } from "../ipv4/tcp_ipv4.ts";
import { family_of, inet6_sk, sockaddr_view } from "./af_inet6.ts";
import { inet6_now_mapped, ip6_no_route, mapped_to_sockaddr_in, v6_destination } from "./datagram.ts";
import { ipv6_getsockopt, ipv6_setsockopt } from "./ipv6_sockglue.ts";

/** Begins the handshake with the struct sockaddr_in6 at `addr`: a mapped address goes by IPv4. Returns 0 or -errno. */
function tcp_v6_connect(sk: Sock, addr: Uint8Array, len: number): number {
  const inet = inet_sk(sk);
  if (len < SIN6_LEN_RFC2133 || addr.length < SIN6_LEN_RFC2133) return -EINVAL;
  if (family_of(addr) !== AF_INET6) return -EAFNOSUPPORT;
  const a = v6_destination(inet, addr);
  if (ipv6_addr_is_multicast(a)) return -ENETUNREACH;
  if (!ipv6_addr_v4mapped(a)) {
    const scope = addr.length >= SOCKADDR_IN6_LEN ? sockaddr_view(addr).getUint32(24, true) : 0;
    return ip6_no_route(inet, a, scope, true);
  }
  if (inet6_sk(sk).ipv6only) return -ENETUNREACH;
  const to = mapped_to_sockaddr_in(a, (addr[2]! << 8) | addr[3]!);
  const err = tcp_prot.connect!(sk, to, to.length);
  if (err === 0) inet6_now_mapped(inet);
  return err;
}

export const tcpv6_prot: Proto = {
  ...tcp_prot,
  name: "TCPv6",
  obj_size: 2432,
  connect: tcp_v6_connect,
  setsockopt: (sk, level, optname, optval) =>
    level === SOL_TCP ? tcp_prot.setsockopt(sk, level, optname, optval) : ipv6_setsockopt(sk, level, optname, optval),
  getsockopt: (sk, level, optname, optval) =>
    level === SOL_TCP ? tcp_prot.getsockopt(sk, level, optname, optval) : ipv6_getsockopt(sk, level, optname, optval),
};
