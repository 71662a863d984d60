// The fields of an IPv4 socket that most sockets never change: they share one set of them until one is written
// (inet_sock_rare.ts, which tools/gen-rare.mjs writes, has the accessors). Mirrors include/net/inet_sock.h. Way in: class InetSock.

import type { IpOptions } from "../core/ip_options_type.ts";

const NO_RANGE: readonly [number, number] = [0, 0];

export class InetSockRare {
  inet_opt: IpOptions | null = null;
  recverr = false;
  recverr_rfc4884 = false;
  freebind = false;
  hdrincl = false;
  mc_loop = true;
  transparent = false;
  mc_all = true;
  nodefrag = false;
  bind_address_no_port = false;
  defer_connect = false;
  uc_index = 0;
  mc_addr = 0;
  min_ttl = 0;
  /** TOS of the SYN that made a stream's connection. */
  rcv_tos = 0;
  cmsg_flags = 0;
  local_port_range: readonly [number, number] = NO_RANGE;
}

/** What the rare fields are before anybody writes them. Never written. */
export const INET_SOCK_RARE: InetSockRare = new InetSockRare();
