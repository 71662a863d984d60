// inet_sock: what every IPv4 (and IPv6) socket has. Mirrors include/net/inet_sock.h.
// Ports are host order numbers, addresses int32.

import { IPDEFTTL } from "../../uapi/ip.ts";
import type { DstEntry } from "../core/dst.ts";
import type { IpOptions } from "../core/ip_options_type.ts";
import type { Net } from "../core/net_namespace.ts";
import { type Proto, Sock } from "../core/sock.ts";
import { Flowi4 } from "./ip_fib.ts";

// inet->cmsg_flags: which ancillary data the program asked for.
export const IP_CMSG_PKTINFO = 1;
export const IP_CMSG_TTL = 2;
export const IP_CMSG_TOS = 4;
export const IP_CMSG_RECVOPTS = 8;
export const IP_CMSG_RETOPTS = 16;
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
  ttl = 0;
  tos = -1;
  priority = 0;
  gso_size = 0;
  mark = 0;
  transmit_time = 0;
  readonly fl4: Flowi4 = new Flowi4();
}

/** Set in InetCork.flags: a route is held. */
export const IPCORK_OPT = 1;
export const IPCORK_ALLFRAG = 2;

const NO_RANGE: readonly [number, number] = [0, 0];

export class InetSock extends Sock {
  inet_daddr = 0;
  inet_rcv_saddr = 0;
  inet_saddr = 0;
  /** Local port, or the protocol of a raw socket. */
  inet_num = 0;
  inet_sport = 0;
  inet_dport = 0;
  inet_id = 0;
  inet_opt: IpOptions | null = null;
  uc_ttl = -1;
  mc_ttl = 1;
  tos = 0;
  /** TOS of the SYN that made a stream's connection. */
  rcv_tos = 0;
  min_ttl = 0;
  pmtudisc = 1;
  recverr = false;
  recverr_rfc4884 = false;
  is_icsk = false;
  freebind = false;
  hdrincl = false;
  mc_loop = true;
  transparent = false;
  mc_all = true;
  nodefrag = false;
  bind_address_no_port = false;
  defer_connect = false;
  uc_index = 0;
  mc_index = 0;
  mc_addr = 0;
  cmsg_flags = 0;
  local_port_range: readonly [number, number] = NO_RANGE;
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
  readonly fl4: Flowi4 = new Flowi4();
  rx_dst_ifindex = 0;

  constructor(net: Net, family: number, prot: Proto) {
    super(net, family, prot);
    this.pmtudisc = net.ipv4.sysctl_ip_no_pmtu_disc !== 0 ? 0 : 1;
  }
}

export const inet_sk = (sk: Sock): InetSock => sk as InetSock;

/** The TTL of a packet: the socket's, else the route's metric, else the namespace's default. */
export function ip_select_ttl(inet: InetSock, dst: DstEntry): number {
  const ttl = inet.uc_ttl;
  return ttl < 0 ? ip4_dst_hoplimit(dst) : ttl;
}

const RTAX_HOPLIMIT = 10;
export const ip4_dst_hoplimit = (dst: DstEntry): number =>
  dst.metrics[RTAX_HOPLIMIT] !== 0 ? dst.metrics[RTAX_HOPLIMIT]! : dst.net.ipv4.sysctl_ip_default_ttl;

export { IPDEFTTL };
