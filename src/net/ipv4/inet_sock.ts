// inet_sock: what every IPv4 (and IPv6) socket has. Mirrors include/net/inet_sock.h.
// Ports are host order numbers, addresses int32.

import { IPDEFTTL } from "../../uapi/ip.ts";
import { RTAX_HOPLIMIT } from "../../uapi/rtnetlink.ts";
import { AF_INET6 } from "../../uapi/socket.ts";
import type { DstEntry } from "../core/dst.ts";
import { type In6Addr, type Ipv6Pinfo, ipv6_addr_any, ipv6_addr_equal, ipv6_addr_v4mapped } from "../core/in6.ts";
import type { IpOptions } from "../core/ip_options_type.ts";
import type { Net } from "../core/net_namespace.ts";
import type { Proto, Sock } from "../core/sock.ts";
import { InetSockFields } from "./inet_sock_rare.ts";
import { Flowi4 } from "./ip_fib.ts";

// inet->cmsg_flags: which ancillary data the program asked for.
export const IP_CMSG_PKTINFO = 1;
export const IP_CMSG_TTL = 2;
export const IP_CMSG_TOS = 4;
export const IP_CMSG_RECVOPTS = 8;
export const IP_CMSG_RETOPTS = 16;
export const IP_CMSG_PASSSEC = 32;
export const IP_CMSG_ORIGDSTADDR = 64;
export const IP_CMSG_CHECKSUM = 128;
export const IP_CMSG_RECVFRAGSIZE = 256;

/** A multicast group the socket joined (struct ip_mc_socklist). */
export interface IpMcSocklist {
  multiaddr: number;
  address: number;
  ifindex: number;
  sfmode: number;
  sources: number[];
}

/** What a corked message has fixed: route, options, TTL (struct inet_cork_full). */
export class InetCork {
  flags = 0;
  addr = 0;
  opt: IpOptions | null = null;
  fragsize = 0;
  length = 0;
  dst: DstEntry | null = null;
  tx_flags = 0;
  ts_opt_id = -1;
  ttl = 0;
  tos = -1;
  priority = 0;
  gso_size = 0;
  mark = 0;
  transmit_time = 0;
  get fl4(): Flowi4 {
    if (this.flow === null) this.flow = new Flowi4();
    return this.flow;
  }
  private flow: Flowi4 | null = null;
}

/** Set in InetCork.flags: a route is held. */
export const IPCORK_OPT = 1;

/** Its rare fields: inet_sock_fields.ts. */
export class InetSock extends InetSockFields {
  /** Of AF_INET6 sockets. */
  pinet6: Ipv6Pinfo | null = null;
  inet_daddr = 0;
  inet_rcv_saddr = 0;
  inet_saddr = 0;
  /** Local port, or the protocol of a raw socket. */
  inet_num = 0;
  inet_sport = 0;
  inet_dport = 0;
  inet_id = 0;
  uc_ttl = -1;
  mc_ttl = 1;
  tos = 0;
  pmtudisc = 1;
  is_icsk = false;
  mc_index = 0;
  private mc_joined: IpMcSocklist[] | null = null;
  get mc_list(): IpMcSocklist[] {
    if (this.mc_joined === null) this.mc_joined = [];
    return this.mc_joined;
  }
  private corked: InetCork | null = null;
  /** Made with the first corked message: a stream never has one. */
  get cork(): InetCork {
    if (this.corked === null) this.corked = new InetCork();
    return this.corked;
  }
  /** Flow key of this socket's own packets; one per socket, so that sending allocates nothing. */
  get fl4(): Flowi4 {
    if (this.flow === null) this.flow = new Flowi4();
    return this.flow;
  }
  private flow: Flowi4 | null = null;
  rx_dst_ifindex = 0;

  constructor(net: Net, family: number, prot: Proto) {
    super(net, family, prot);
    this.pmtudisc = net.ipv4.sysctl_ip_no_pmtu_disc !== 0 ? 0 : 1;
  }
}

export const inet_sk = (sk: Sock): InetSock => sk as InetSock;

/** IPV6_V6ONLY: what comes by IPv4 is not for this socket. */
export const ipv6_only_sock = (sk: InetSock): boolean => sk.pinet6?.ipv6only ?? false;

/** What a local address is compared by: sockets, and what is left of them in TIME_WAIT. */
export interface InetBound {
  readonly family: number;
  readonly inet_rcv_saddr: number;
  readonly pinet6?: Ipv6Pinfo | null;
}
/** The IPv6 address that `o` is bound to; null when that is one of IPv4, mapped or not. */
function v6_bound(o: InetBound): In6Addr | null {
  if (o.family !== AF_INET6 || o.pinet6 === null || o.pinet6 === undefined) return null;
  const a = o.pinet6.sk_v6_rcv_saddr;
  return a !== null && ipv6_addr_v4mapped(a) ? null : a;
}
/** Do the two want packets of one address? "::" takes those of IPv4 as well, unless it is v6only. */
export function inet_rcv_saddr_equal(a: InetBound, b: InetBound): boolean {
  const a6 = v6_bound(a);
  const b6 = v6_bound(b);
  if (a6 !== null && b6 !== null) return ipv6_addr_any(a6) || ipv6_addr_any(b6) || ipv6_addr_equal(a6, b6);
  if (a6 !== null) return ipv6_addr_any(a6) && !a.pinet6!.ipv6only;
  if (b6 !== null) return ipv6_addr_any(b6) && !b.pinet6!.ipv6only;
  return a.inet_rcv_saddr === 0 || b.inet_rcv_saddr === 0 || a.inet_rcv_saddr === b.inet_rcv_saddr;
}
/** Bound to the very same, as members of a group are. */
export function inet_rcv_saddr_same(a: InetBound, b: InetBound): boolean {
  const a6 = v6_bound(a);
  const b6 = v6_bound(b);
  if (a6 === null || b6 === null) return a6 === b6 && a.inet_rcv_saddr === b.inet_rcv_saddr;
  return ipv6_addr_equal(a6, b6) && a.pinet6!.ipv6only === b.pinet6!.ipv6only;
}

/** The TTL of a packet: the socket's, else the route's metric, else the namespace's default. */
export function ip_select_ttl(inet: InetSock, dst: DstEntry): number {
  const ttl = inet.uc_ttl;
  return ttl < 0 ? ip4_dst_hoplimit(dst) : ttl;
}

export const ip4_dst_hoplimit = (dst: DstEntry): number =>
  dst.metrics[RTAX_HOPLIMIT] !== 0 ? dst.metrics[RTAX_HOPLIMIT]! : dst.net.ipv4.sysctl_ip_default_ttl;

export { IPDEFTTL };
