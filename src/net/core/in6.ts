// IPv6 addresses, what a socket of IPv6 has beside inet_sock, and what IPv4's code asks of IPv6 when that is there.
// Mirrors include/net/ipv6.h, include/linux/ipv6.h. Read first: RFC 4291 section 2.5.5. Way in: in6_addr(), Ipv6Pinfo, kernel.ipv6_stub.

import type { MsgHdr } from "../../uapi/sys.ts";
import type { SkBuff } from "./skbuff.ts";
import type { Sock } from "./sock.ts";

/** Four words (int32) in network order; never changed once made. */
export type In6Addr = readonly [number, number, number, number];

export const in6addr_any: In6Addr = [0, 0, 0, 0];
export const in6addr_loopback: In6Addr = [0, 0, 0, 1];

/** The address at byte `at` of `b`. */
export function in6_addr(b: Uint8Array, at: number): In6Addr {
  const dv = new DataView(b.buffer, b.byteOffset + at, 16);
  return [dv.getInt32(0), dv.getInt32(4), dv.getInt32(8), dv.getInt32(12)];
}
export function put_in6_addr(dv: DataView, at: number, a: In6Addr): void {
  for (let i = 0; i < 4; i++) dv.setInt32(at + 4 * i, a[i]!);
}
export const ipv6_addr_any = (a: In6Addr): boolean => (a[0] | a[1] | a[2] | a[3]) === 0;
export const ipv6_addr_equal = (a: In6Addr, b: In6Addr): boolean =>
  a[0] === b[0] && a[1] === b[1] && a[2] === b[2] && a[3] === b[3];
export const ipv6_addr_v4mapped = (a: In6Addr): boolean => (a[0] | a[1]) === 0 && a[2] === 0xffff;
export const ipv6_addr_set_v4mapped = (v4: number): In6Addr => [0, 0, 0xffff, v4];
export const ipv6_addr_is_multicast = (a: In6Addr): boolean => a[0] >>> 24 === 0xff;
/** Of a link only, so that the device has to be said: fe80::/10, ff01::/16 and ff02::/16. */
export const ipv6_addr_linklocal = (a: In6Addr): boolean =>
  ((a[0] & 0xffc00000) | 0) === (0xfe800000 | 0) || (ipv6_addr_is_multicast(a) && ((a[0] >>> 16) & 0xf) <= 2);

/** A group that a socket joined (struct ipv6_mc_socklist). */
export interface Ipv6McSocklist {
  readonly addr: In6Addr;
  readonly ifindex: number;
}
const NONE: readonly Ipv6McSocklist[] = [];

/** struct ipv6_pinfo, and the addresses of struct sock_common. */
export class Ipv6Pinfo {
  /** What the socket is bound to, sends from, and its peer. null: the IPv4 address of the socket, mapped. */
  sk_v6_rcv_saddr: In6Addr | null = in6addr_any;
  saddr: In6Addr | null = in6addr_any;
  sk_v6_daddr: In6Addr | null = in6addr_any;
  ipv6only = false;
  hop_limit = -1;
  mcast_hops = 1;
  mcast_oif = 0;
  ucast_oif = 0;
  tclass = 0;
  pmtudisc = 1;
  frag_size = 0;
  min_hopcount = 0;
  srcprefs = 0;
  /** IPV6_AUTOFLOWLABEL was said; else the sysctl decides. */
  autoflowlabel_set = false;
  /** Checksum offset of a raw socket; -1: none. */
  rawv6_csum = -1;
  ipv6_mc_list: readonly Ipv6McSocklist[] = NONE;
  /** Options that are on: bit n of on0 is option n, of on1 option n + 32, of on2 option n + 64. IPV6_MULTICAST_LOOP is at first. */
  on0 = 1 << 19;
  on1 = 0;
  on2 = 0;

  is_on(option: number): boolean {
    const word = option < 32 ? this.on0 : option < 64 ? this.on1 : this.on2;
    return (word & (1 << (option & 31))) !== 0;
  }
  switch(option: number, on: boolean): void {
    const bit = 1 << (option & 31);
    if (option < 32) this.on0 = on ? this.on0 | bit : this.on0 & ~bit;
    else if (option < 64) this.on1 = on ? this.on1 | bit : this.on1 & ~bit;
    else this.on2 = on ? this.on2 | bit : this.on2 & ~bit;
  }

  /** For a connection that came to this socket by IPv4. */
  clone_mapped(): Ipv6Pinfo {
    const n = new Ipv6Pinfo();
    n.sk_v6_rcv_saddr = null;
    n.saddr = null;
    n.sk_v6_daddr = null;
    n.ipv6only = this.ipv6only;
    n.hop_limit = this.hop_limit;
    n.mcast_hops = this.mcast_hops;
    n.mcast_oif = this.mcast_oif;
    n.ucast_oif = this.ucast_oif;
    n.tclass = this.tclass;
    n.pmtudisc = this.pmtudisc;
    n.frag_size = this.frag_size;
    n.min_hopcount = this.min_hopcount;
    n.srcprefs = this.srcprefs;
    n.autoflowlabel_set = this.autoflowlabel_set;
    n.on0 = this.on0;
    n.on1 = this.on1;
    n.on2 = this.on2;
    return n;
  }
}

/** Sockets, requests and TIME_WAIT of either family, as far as their addresses go. */
interface V6Addressed {
  readonly family: number;
  readonly inet_rcv_saddr: number;
  readonly inet_daddr: number;
  readonly pinet6?: Ipv6Pinfo | null;
}
/** The local address of an AF_INET6 socket. What has no ipv6_pinfo (requests, TIME_WAIT) has come by IPv4. */
export const sk_v6_rcv_saddr = (sk: V6Addressed): In6Addr =>
  sk.pinet6?.sk_v6_rcv_saddr ?? ipv6_addr_set_v4mapped(sk.inet_rcv_saddr);
export const sk_v6_daddr = (sk: V6Addressed): In6Addr =>
  sk.pinet6?.sk_v6_daddr ?? ipv6_addr_set_v4mapped(sk.inet_daddr);

/** inet_reset_saddr(): the socket is bound to no address any more. */
export function inet6_reset_saddr(np: Ipv6Pinfo | null): void {
  if (np === null) return;
  np.sk_v6_rcv_saddr = in6addr_any;
  np.saddr = in6addr_any;
}

/** What IPv6 does for code that serves both families (struct ipv6_stub, pingv6_ops). */
export interface Ipv6Stub {
  /** recvmsg(MSG_ERRQUEUE). */
  recv_error(sk: Sock, msg: MsgHdr, len: number): number;
  /** The sender of an IPv4 datagram, and the ancillary data that IPV6_RECV* asks for. */
  datagram_recv(sk: Sock, msg: MsgHdr, skb: SkBuff, saddr: number, sport: number): void;
}
declare module "../../kernel/kernel.ts" {
  interface Kernel {
    ipv6_stub: Ipv6Stub;
  }
}
