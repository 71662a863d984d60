// IPPROTO_IPV6 options. Mirrors net/ipv6/ipv6_sockglue.c. Read first: ipv6(7), RFC 3493, RFC 3542.
// Way in: ipv6_setsockopt(), ipv6_getsockopt() from the protocols. What belongs to SOL_IP goes on to ip_setsockopt().

import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENODEV, ENOENT, ENOPROTOOPT, ENOTCONN } from "../../uapi/errno.ts";
import * as I from "../../uapi/in6.ts";
import {
  AF_INET,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  IPV6_V6ONLY,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_IP,
  SOL_RAW,
} from "../../uapi/socket.ts";
import {
  type Ipv6McSocklist,
  type Ipv6Pinfo,
  in6_addr,
  ipv6_addr_equal,
  ipv6_addr_is_multicast,
  ipv6_addr_v4mapped,
  sk_v6_daddr,
} from "../core/in6.ts";
import { type Proto, type Sock, sk_dst_reset, TCP_ESTABLISHED } from "../core/sock.ts";
import { optval_int, put_int } from "../core/sock_opt.ts";
import { inet_dgram_ops, inet_stream_ops } from "../ipv4/af_inet.ts";
import { type InetSock, inet_sk } from "../ipv4/inet_sock.ts";
import { ip_getsockopt, ip_setsockopt } from "../ipv4/ip_sockglue.ts";
import { tcp_prot } from "../ipv4/tcp_ipv4.ts";
import { udp_prot, udplite_prot } from "../ipv4/udp.ts";

/** Options that are on or off, with an int. */
const switches: ReadonlySet<number> = new Set([
  I.IPV6_2292PKTINFO,
  I.IPV6_2292HOPOPTS,
  I.IPV6_2292DSTOPTS,
  I.IPV6_2292RTHDR,
  I.IPV6_2292HOPLIMIT,
  I.IPV6_FLOWINFO,
  I.IPV6_MULTICAST_LOOP,
  I.IPV6_RECVERR,
  I.IPV6_MULTICAST_ALL,
  I.IPV6_ROUTER_ALERT_ISOLATE,
  I.IPV6_RECVERR_RFC4884,
  I.IPV6_FLOWINFO_SEND,
  I.IPV6_RECVPKTINFO,
  I.IPV6_RECVHOPLIMIT,
  I.IPV6_RECVHOPOPTS,
  I.IPV6_RECVRTHDR,
  I.IPV6_RECVDSTOPTS,
  I.IPV6_RECVPATHMTU,
  I.IPV6_RECVTCLASS,
  I.IPV6_RECVORIGDSTADDR,
  I.IPV6_TRANSPARENT,
  I.IPV6_FREEBIND,
]);
/** The same, where less than an int is 0. */
const short_switches: ReadonlySet<number> = new Set([I.IPV6_DONTFRAG, I.IPV6_AUTOFLOWLABEL, I.IPV6_RECVFRAGSIZE]);
/** Switches that take 0 and 1 only. */
const strict: ReadonlySet<number> = new Set([
  I.IPV6_MULTICAST_LOOP,
  I.IPV6_MULTICAST_ALL,
  I.IPV6_ROUTER_ALERT_ISOLATE,
  I.IPV6_RECVERR_RFC4884,
]);

/** Options that are kept as a number: which, least and greatest, what -1 stands for. */
type NumberKey = "hop_limit" | "mcast_hops" | "tclass" | "pmtudisc" | "min_hopcount";
const numbers: ReadonlyMap<number, { key: NumberKey; min: number; max: number; none?: number }> = new Map([
  [I.IPV6_UNICAST_HOPS, { key: "hop_limit", min: 0, max: 255, none: -1 }],
  [I.IPV6_MULTICAST_HOPS, { key: "mcast_hops", min: 0, max: 255, none: 1 }],
  [I.IPV6_TCLASS, { key: "tclass", min: 0, max: 255, none: 0 }],
  [I.IPV6_MTU_DISCOVER, { key: "pmtudisc", min: 0, max: I.IPV6_PMTUDISC_OMIT }],
  [I.IPV6_MINHOPCOUNT, { key: "min_hopcount", min: 0, max: 255 }],
]);

/** Which source address is preferred: at most one of each pair, or -EINVAL. What is unknown changes nothing. */
function source_preferences(np: Ipv6Pinfo, val: number): number {
  const pairs: readonly (readonly [number, number])[] = [
    [I.IPV6_PREFER_SRC_TMP, I.IPV6_PREFER_SRC_PUBLIC | I.IPV6_PREFER_SRC_PUBTMP_DEFAULT],
    [I.IPV6_PREFER_SRC_PUBLIC, I.IPV6_PREFER_SRC_TMP | I.IPV6_PREFER_SRC_PUBTMP_DEFAULT],
    [I.IPV6_PREFER_SRC_PUBTMP_DEFAULT, I.IPV6_PREFER_SRC_TMP | I.IPV6_PREFER_SRC_PUBLIC],
  ];
  for (const [a, others] of pairs) if ((val & a) !== 0 && (val & others) !== 0) return -EINVAL;
  if ((val & I.IPV6_PREFER_SRC_COA) !== 0 && (val & I.IPV6_PREFER_SRC_HOME) !== 0) return -EINVAL;
  if ((val & I.IPV6_PREFER_SRC_CGA) !== 0 && (val & I.IPV6_PREFER_SRC_NONCGA) !== 0) return -EINVAL;
  const tmp = I.IPV6_PREFER_SRC_TMP | I.IPV6_PREFER_SRC_PUBLIC | I.IPV6_PREFER_SRC_PUBTMP_DEFAULT;
  if ((val & tmp) !== 0) np.srcprefs = (np.srcprefs & ~3) | (val & (I.IPV6_PREFER_SRC_TMP | I.IPV6_PREFER_SRC_PUBLIC));
  if ((val & (I.IPV6_PREFER_SRC_COA | I.IPV6_PREFER_SRC_HOME)) !== 0)
    np.srcprefs = (np.srcprefs & ~I.IPV6_PREFER_SRC_COA) | (val & I.IPV6_PREFER_SRC_COA);
  return 0;
}

function shown_preferences(np: Ipv6Pinfo): number {
  const tmp = np.srcprefs & (I.IPV6_PREFER_SRC_TMP | I.IPV6_PREFER_SRC_PUBLIC);
  return (
    (tmp !== 0 ? tmp : I.IPV6_PREFER_SRC_PUBTMP_DEFAULT) |
    ((np.srcprefs & I.IPV6_PREFER_SRC_COA) !== 0 ? I.IPV6_PREFER_SRC_COA : I.IPV6_PREFER_SRC_HOME)
  );
}

/** IPV6_ADDRFORM: a connection that goes by IPv4 becomes a socket of it. */
function to_ipv4(inet: InetSock): number {
  const sk: Sock = inet;
  if (sk.sk_type === SOCK_RAW) return -ENOPROTOOPT;
  if (sk.sk_state !== TCP_ESTABLISHED) return -ENOTCONN;
  if (inet.pinet6!.ipv6only || !ipv6_addr_v4mapped(sk_v6_daddr(inet))) return -EADDRNOTAVAIL;
  const k = sk.net.kernel;
  const prot: Proto =
    sk.sk_protocol === IPPROTO_UDP ? udp_prot : sk.sk_protocol === IPPROTO_UDPLITE ? udplite_prot : tcp_prot;
  const moved = sk as { -readonly [P in "family" | "prot"]: Sock[P] };
  k.socks_by_proto.set(sk.prot.name, (k.socks_by_proto.get(sk.prot.name) ?? 1) - 1);
  k.socks_by_proto.set(prot.name, (k.socks_by_proto.get(prot.name) ?? 0) + 1);
  if (sk.sk_type === SOCK_STREAM) sk.net.tcp_hashinfo.inuse6--;
  else (sk.sk_protocol === IPPROTO_UDPLITE ? sk.net.udplite_table : sk.net.udp_table).count6--;
  moved.family = AF_INET;
  moved.prot = prot;
  sk.sk_socket!.ops = sk.sk_type === SOCK_STREAM ? inet_stream_ops : inet_dgram_ops;
  inet.pinet6 = null;
  return 0;
}

/** DIFF: a group is noted, so that joining and leaving answer as Linux does; nothing of IPv6 comes in for it yet. */
function membership(sk: Sock, optname: number, optval: Uint8Array): number {
  if (optval.length < 20) return -EINVAL;
  const group = in6_addr(optval, 0);
  const ifindex = new DataView(optval.buffer, optval.byteOffset).getInt32(16, true);
  const np = inet_sk(sk).pinet6!;
  const same = (m: Ipv6McSocklist): boolean =>
    ipv6_addr_equal(m.addr, group) && (ifindex === 0 || m.ifindex === ifindex);
  if (!ipv6_addr_is_multicast(group)) return -EINVAL;
  if (optname === I.IPV6_DROP_MEMBERSHIP) {
    const at = np.ipv6_mc_list.findIndex(same);
    if (at < 0) return -EADDRNOTAVAIL;
    np.ipv6_mc_list = np.ipv6_mc_list.filter((_, i) => i !== at);
    return 0;
  }
  if (np.ipv6_mc_list.some(same)) return -EADDRINUSE;
  // No route says which device.
  if (!sk.net.dev_by_index.has(ifindex)) return -ENODEV;
  np.ipv6_mc_list = [...np.ipv6_mc_list, { addr: group, ifindex }];
  return 0;
}

function set_int(inet: InetSock, np: Ipv6Pinfo, optname: number, val: number): number {
  const sk: Sock = inet;
  const number = numbers.get(optname);
  if (number !== undefined) {
    if (optname === I.IPV6_MULTICAST_HOPS && sk.sk_type === SOCK_STREAM) return -ENOPROTOOPT;
    if (val === -1 && number.none !== undefined) val = number.none;
    else if (val < number.min || val > number.max) return -EINVAL;
    if (optname === I.IPV6_TCLASS && sk.sk_type === SOCK_STREAM) val = (val & 0xfc) | (np.tclass & 3);
    if (optname === I.IPV6_TCLASS && np.tclass !== val) sk_dst_reset(sk);
    np[number.key] = val;
    return 0;
  }
  switch (optname) {
    case IPV6_V6ONLY:
      if (inet.inet_num !== 0) return -EINVAL;
      np.ipv6only = val !== 0;
      return 0;
    case I.IPV6_ADDRFORM:
      return val !== AF_INET ? -EINVAL : to_ipv4(inet);
    case I.IPV6_MTU:
      if (val !== 0 && val < I.IPV6_MIN_MTU) return -EINVAL;
      np.frag_size = val;
      return 0;
    case I.IPV6_MULTICAST_IF:
      if (val !== 0 && !sk.net.dev_by_index.has(val)) return -ENODEV;
      np.mcast_oif = val;
      return 0;
    case I.IPV6_ADDR_PREFERENCES:
      return source_preferences(np, val);
    default:
      return -ENOPROTOOPT;
  }
}

function do_ipv6_setsockopt(sk: Sock, optname: number, optval: Uint8Array): number {
  const inet = inet_sk(sk);
  const np = inet.pinet6!;
  const val = optval.length >= 4 ? optval_int(optval) : 0;
  if (short_switches.has(optname)) {
    np.switch(optname, val !== 0);
    if (optname === I.IPV6_AUTOFLOWLABEL) np.autoflowlabel_set = true;
    return 0;
  }
  switch (optname) {
    case I.IPV6_2292PKTOPTIONS:
      return 0;
    case I.IPV6_ADD_MEMBERSHIP:
    case I.IPV6_DROP_MEMBERSHIP:
      return membership(sk, optname, optval);
    case I.IPV6_PKTINFO:
    case I.IPV6_HDR_VERSION:
    case 65: // IPV6_XFRM_POLICY's older sibling: policies are IPsec's.
      return -EINVAL;
    case I.IPV6_UNICAST_IF: {
      if (optval.length !== 4) return -EINVAL;
      const ifindex = new DataView(optval.buffer, optval.byteOffset).getInt32(0);
      if (ifindex !== 0 && !sk.net.dev_by_index.has(ifindex)) return -EADDRNOTAVAIL;
      np.ucast_oif = ifindex;
      return 0;
    }
    case I.IPV6_MULTICAST_IF:
    case I.IPV6_MULTICAST_HOPS:
      if (sk.sk_type === SOCK_STREAM) return -ENOPROTOOPT;
      break;
    case I.IPV6_HDRINCL:
    case I.IPV6_CHECKSUM:
      return sk.sk_type === SOCK_RAW ? set_raw(inet, np, optname, optval) : -ENOPROTOOPT;
  }
  if (switches.has(optname)) {
    if (optval.length < 4 || (strict.has(optname) && val !== 0 && val !== 1)) return -EINVAL;
    np.switch(optname, val !== 0);
    return 0;
  }
  const known = numbers.has(optname) || int_options.has(optname);
  if (!known) return -ENOPROTOOPT;
  return optval.length < 4 ? -EINVAL : set_int(inet, np, optname, val);
}
const int_options: ReadonlySet<number> = new Set([
  IPV6_V6ONLY,
  I.IPV6_ADDRFORM,
  I.IPV6_MTU,
  I.IPV6_MULTICAST_IF,
  I.IPV6_ADDR_PREFERENCES,
]);

/** What raw sockets have beside: the header is the program's, where the checksum is (even, or none when negative). */
function set_raw(inet: InetSock, np: Ipv6Pinfo, optname: number, optval: Uint8Array): number {
  if (optval.length < 4) return -EINVAL;
  const val = optval_int(optval);
  if (optname === I.IPV6_HDRINCL) {
    inet.hdrincl = val !== 0;
    return 0;
  }
  if (inet.inet_num === I.IPPROTO_ICMPV6 || (val > 0 && (val & 1) !== 0)) return -EINVAL;
  np.rawv6_csum = val < 0 ? -1 : val;
  return 0;
}

/** 0 or -errno. */
export function ipv6_setsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level === SOL_IP && sk.sk_type !== SOCK_RAW) return ip_setsockopt(sk, level, optname, optval);
  if (level === SOL_RAW && sk.sk_type === SOCK_RAW && optname === I.IPV6_CHECKSUM)
    return do_ipv6_setsockopt(sk, optname, optval);
  return level === I.SOL_IPV6 ? do_ipv6_setsockopt(sk, optname, optval) : -ENOPROTOOPT;
}

/** The number that an option shows; null when it shows none. */
function shown(inet: InetSock, np: Ipv6Pinfo, optname: number): number | null {
  if (optname === I.IPV6_AUTOFLOWLABEL && !np.autoflowlabel_set) return inet.net.ipv6.sysctl_auto_flowlabels & 1;
  if (switches.has(optname) || short_switches.has(optname)) return np.is_on(optname) ? 1 : 0;
  switch (optname) {
    case IPV6_V6ONLY:
      return np.ipv6only ? 1 : 0;
    // As RFC 3493 counts them: the default is a number, too. DIFF: no route of IPv6 says another one.
    case I.IPV6_UNICAST_HOPS:
      return np.hop_limit < 0 ? 64 : np.hop_limit;
    case I.IPV6_MULTICAST_IF:
      return np.mcast_oif;
    case I.IPV6_UNICAST_IF: {
      const i = np.ucast_oif;
      return ((i & 0xff) << 24) | ((i & 0xff00) << 8) | ((i >> 8) & 0xff00) | (i >>> 24);
    }
    case I.IPV6_ADDR_PREFERENCES:
      return shown_preferences(np);
    case I.IPV6_HDRINCL:
      return inet.sk_type === SOCK_RAW ? (inet.hdrincl ? 1 : 0) : null;
    case I.IPV6_CHECKSUM:
      return inet.sk_type === SOCK_RAW ? np.rawv6_csum : null;
    default: {
      const number = numbers.get(optname);
      return number === undefined ? null : np[number.key];
    }
  }
}

/** Fills `optval` and returns the length, or -errno. */
export function ipv6_getsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level === SOL_IP && sk.sk_type !== SOCK_RAW) return ip_getsockopt(sk, level, optname, optval);
  if (level !== I.SOL_IPV6) return -ENOPROTOOPT;
  const inet = inet_sk(sk);
  switch (optname) {
    case I.IPV6_ADDRFORM:
      if (sk.sk_type === SOCK_RAW) return -ENOPROTOOPT;
      return sk.sk_state !== TCP_ESTABLISHED ? -ENOTCONN : put_int(optval, sk.family);
    case I.IPV6_2292PKTOPTIONS:
      return sk.sk_type === SOCK_STREAM ? 0 : -ENOPROTOOPT;
    case I.IPV6_MTU: {
      const dst = sk.sk_dst_cache;
      return dst === null ? -ENOTCONN : put_int(optval, dst.ops.mtu(dst));
    }
    // struct ip6_mtuinfo is of a path of IPv6.
    case I.IPV6_PATHMTU:
      return optval.length < 32 ? -EINVAL : -ENOTCONN;
    case I.IPV6_HDR_VERSION:
    case 68:
    case 69:
      return -EINVAL;
    case 65:
      return optval.length < 16 ? -EINVAL : -ENOENT;
  }
  const v = shown(inet, inet.pinet6!, optname);
  return v === null ? -ENOPROTOOPT : put_int(optval, v);
}
