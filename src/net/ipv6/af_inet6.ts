// AF_INET6: from struct socket to the transport. Mirrors net/ipv6/af_inet6.c. Read first: ipv6(7), RFC 3493.
// Way in: inet6_create() through sock_register(). DIFF: no packet of IPv6 comes or goes yet: a machine is one without an IPv6 address,
// whose sockets of this family serve IPv4 by mapped addresses (RFC 4291 section 2.5.5.2).

import type { Kernel } from "../../kernel/kernel.ts";
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EINVAL,
  ENODEV,
  ENOIOCTLCMD,
  ENOTCONN,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from "../../uapi/errno.ts";
import { IPV6_FREEBIND, IPV6_TRANSPARENT, SIN6_ADDR, SIN6_LEN_RFC2133, SOCKADDR_IN6_LEN } from "../../uapi/in6.ts";
import { RT_TABLE_LOCAL, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from "../../uapi/rtnetlink.ts";
import { AF_INET6, IPPROTO_IP, IPPROTO_RAW, SOCK_RAW, SOCK_STREAM } from "../../uapi/socket.ts";
import {
  type In6Addr,
  Ipv6Pinfo,
  in6_addr,
  inet6_reset_saddr,
  ipv6_addr_any,
  ipv6_addr_is_multicast,
  ipv6_addr_linklocal,
  ipv6_addr_v4mapped,
  put_in6_addr,
  sk_v6_daddr,
  sk_v6_rcv_saddr,
} from "../core/in6.ts";
import type { Net } from "../core/net_namespace.ts";
import {
  type NetProtoFamily,
  type ProtoOps,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  type Sock,
  type Socket,
  SS_UNCONNECTED,
  sk_alloc,
  sk_dst_reset,
  sock_init_data,
  sock_put,
  TCP_CLOSE,
  TCP_SYN_SENT,
} from "../core/sock.ts";
import {
  INET_PROTOSW_ICSK,
  INET_PROTOSW_REUSE,
  type InetProtosw,
  inet_dgram_ops,
  inet_stream_ops,
} from "../ipv4/af_inet.ts";
import { inet_addr_type_table } from "../ipv4/fib_frontend.ts";
import { type InetSock, inet_sk } from "../ipv4/inet_sock.ts";

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** inetsw6 by socket type. */
    inetsw6: InetProtosw[][];
  }
}
declare module "../core/net_namespace.ts" {
  interface Net {
    ipv6: NetnsIpv6;
  }
}

/** What a namespace has of IPv6: its sysctls. */
export class NetnsIpv6 {
  sysctl_bindv6only = 0;
  sysctl_ip_nonlocal_bind = 0;
  sysctl_auto_flowlabels = 1;
  sysctl_flowlabel_reflect = 0;
}

export const inet6_sk = (sk: Sock): Ipv6Pinfo => (sk as InetSock).pinet6!;

/** Types with a protocol of their own come before those that take any (IPPROTO_IP). */
export function inet6_register_protosw(k: Kernel, p: InetProtosw): void {
  const list = k.inetsw6[p.type]!;
  const any = list.findIndex((q) => q.protocol === IPPROTO_IP);
  if (p.protocol === IPPROTO_IP || any < 0) list.push(p);
  else list.splice(any, 0, p);
}

function inet6_create(net: Net, sock: Socket, protocol: number, _kern: boolean): number {
  if (protocol < 0 || protocol >= 256 + 7) return -EINVAL;
  sock.state = SS_UNCONNECTED;
  const list = net.kernel.inetsw6[sock.type];
  if (list === undefined || list.length === 0) return -ESOCKTNOSUPPORT;
  // A protocol that is asked for, the type's own for 0, or one that takes any.
  const found = list.find((p) =>
    protocol === IPPROTO_IP ? p.protocol !== IPPROTO_IP : p.protocol === protocol || p.protocol === IPPROTO_IP,
  );
  if (found === undefined) return -EPROTONOSUPPORT;
  if (protocol === IPPROTO_IP) protocol = found.protocol;
  sock.ops = found.ops;
  const sk = sk_alloc(net, AF_INET6, found.prot);
  const inet = inet_sk(sk);
  if ((found.flags & INET_PROTOSW_REUSE) !== 0) sk.sk_reuse = 1;
  inet.is_icsk = (found.flags & INET_PROTOSW_ICSK) !== 0;
  const np = new Ipv6Pinfo();
  np.ipv6only = net.ipv6.sysctl_bindv6only !== 0;
  inet.pinet6 = np;
  inet.mc_all = false;
  if (sock.type === SOCK_RAW) {
    inet.inet_num = protocol;
    if (protocol === IPPROTO_RAW) inet.hdrincl = true;
  }
  sock_init_data(sock, sk);
  sk.sk_protocol = protocol;
  if (inet.inet_num !== 0) {
    inet.inet_sport = inet.inet_num;
    const err = sk.prot.hash?.(sk) ?? 0;
    if (err < 0) {
      sock_put(sk);
      return err;
    }
  }
  const err = sk.prot.init?.(sk) ?? 0;
  if (err < 0) sk.prot.close(sk, 0);
  return err;
}

export const sockaddr_view = (addr: Uint8Array): DataView =>
  new DataView(addr.buffer, addr.byteOffset, addr.byteLength);
export const family_of = (addr: Uint8Array): number => (addr.length >= 2 ? addr[0]! | (addr[1]! << 8) : -1);
const scope_of = (addr: Uint8Array): number =>
  addr.length >= SOCKADDR_IN6_LEN ? sockaddr_view(addr).getUint32(24, true) : 0;

const may_bind_nonlocal = (sk: InetSock): boolean =>
  sk.net.ipv6.sysctl_ip_nonlocal_bind !== 0 ||
  sk.freebind ||
  sk.transparent ||
  sk.pinet6!.is_on(IPV6_FREEBIND) ||
  sk.pinet6!.is_on(IPV6_TRANSPARENT);

/**
 * May a socket be bound to `a`, which is neither mapped nor "::"? Link-local addresses need a device, which sin6_scope_id may
 * name. DIFF: no address of IPv6 is ours yet, so unicast ones are only for who may bind to what is not.
 */
export function inet6_check_bind(sk: InetSock, a: In6Addr, addr: Uint8Array): number {
  if (ipv6_addr_linklocal(a)) {
    const scope = scope_of(addr);
    if (scope !== 0) sk.sk_bound_dev_if = scope;
    if (sk.sk_bound_dev_if === 0) return -EINVAL;
  }
  if (sk.sk_bound_dev_if !== 0 && !sk.net.dev_by_index.has(sk.sk_bound_dev_if)) return -ENODEV;
  return ipv6_addr_is_multicast(a) || may_bind_nonlocal(sk) ? 0 : -EADDRNOTAVAIL;
}

function v4_may_bind(sk: InetSock, v4: number): boolean {
  if (v4 === 0 || sk.net.ipv4.sysctl_ip_nonlocal_bind !== 0 || sk.freebind || sk.transparent) return true;
  const type = inet_addr_type_table(sk.net, v4, RT_TABLE_LOCAL);
  return type === RTN_LOCAL || type === RTN_MULTICAST || type === RTN_BROADCAST;
}

export function inet6_bind(sock: Socket, addr: Uint8Array): number {
  const sk = sock.sk;
  if (sk.prot.bind) return sk.prot.bind(sk, addr);
  if (addr.length < SIN6_LEN_RFC2133) return -EINVAL;
  return __inet6_bind(sk, addr);
}

function __inet6_bind(sk: Sock, addr: Uint8Array): number {
  const inet = inet_sk(sk);
  const np = inet6_sk(sk);
  if (family_of(addr) !== AF_INET6) return -EAFNOSUPPORT;
  const a = in6_addr(addr, SIN6_ADDR);
  if (ipv6_addr_is_multicast(a) && sk.sk_type === SOCK_STREAM) return -EINVAL;
  if (sk.sk_state !== TCP_CLOSE || inet.inet_num !== 0) return -EINVAL;
  const mapped = ipv6_addr_v4mapped(a);
  if (mapped) {
    if (np.ipv6only) return -EINVAL;
    if (!v4_may_bind(inet, a[3])) return -EADDRNOTAVAIL;
  } else if (!ipv6_addr_any(a)) {
    const err = inet6_check_bind(inet, a, addr);
    if (err < 0) return err;
  }
  inet.inet_rcv_saddr = mapped ? a[3] : 0;
  inet.inet_saddr = inet.inet_rcv_saddr;
  np.sk_v6_rcv_saddr = a;
  np.saddr = ipv6_addr_is_multicast(a) ? np.saddr : a;
  // An address of IPv6 is for IPv6 alone; "::" for both, while nobody has to share it.
  const only = np.ipv6only;
  if (!mapped && !ipv6_addr_any(a)) np.ipv6only = true;
  const snum = (addr[2]! << 8) | addr[3]!;
  if (snum !== 0 || !inet.bind_address_no_port) {
    const err = sk.prot.get_port ? sk.prot.get_port(sk, snum) : 0;
    if (err < 0) {
      np.ipv6only = only;
      inet.inet_rcv_saddr = 0;
      inet.inet_saddr = 0;
      inet6_reset_saddr(np);
      return err;
    }
  }
  if (!ipv6_addr_any(a)) sk.sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (snum !== 0) sk.sk_userlocks |= SOCK_BINDPORT_LOCK;
  inet.inet_sport = inet.inet_num;
  inet.inet_daddr = 0;
  inet.inet_dport = 0;
  sk_dst_reset(sk);
  return 0;
}

/** struct sockaddr_in6 into `out`, as far as that goes. */
export function put_sockaddr_in6(out: Uint8Array, a: In6Addr, port: number, scope: number): void {
  const b = new Uint8Array(SOCKADDR_IN6_LEN);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, AF_INET6, true);
  dv.setUint16(2, port);
  put_in6_addr(dv, SIN6_ADDR, a);
  dv.setUint32(24, scope, true);
  out.set(b.subarray(0, Math.min(out.length, b.length)));
}

/** The scope of an address: its device, when it is of a link only. */
export const ipv6_iface_scope_id = (a: In6Addr, ifindex: number): number => (ipv6_addr_linklocal(a) ? ifindex : 0);

export function inet6_getname(sock: Socket, addr: Uint8Array, peer: boolean | 2): number {
  const sk = sock.sk;
  const inet = inet_sk(sk);
  let a: In6Addr;
  if (peer !== false) {
    if (inet.inet_dport === 0) return -ENOTCONN;
    if (peer !== 2 && (sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_SYN_SENT)) return -ENOTCONN;
    a = sk_v6_daddr(inet);
  } else {
    a = sk_v6_rcv_saddr(inet);
    const saddr = inet6_sk(sk).saddr;
    if (ipv6_addr_any(a) && saddr !== null) a = saddr;
  }
  const port = peer !== false ? inet.inet_dport : inet.inet_sport;
  put_sockaddr_in6(addr, a, port, ipv6_iface_scope_id(a, sk.sk_bound_dev_if));
  return SOCKADDR_IN6_LEN;
}

/** Routes and addresses of IPv6 are refused: there is no device to have them. */
export function inet6_ioctl(sock: Socket, cmd: number, arg: Uint8Array): number {
  const sk = sock.sk;
  switch (cmd) {
    case 0x890b: // SIOCADDRT
    case 0x890c: // SIOCDELRT
      return -EINVAL;
    case 0x8916: // SIOCSIFADDR
    case 0x8936: // SIOCDIFADDR
    case 0x8918: // SIOCSIFDSTADDR
      return -ENODEV;
    default:
      return sk.prot.ioctl ? sk.prot.ioctl(sk, cmd, arg) : -ENOIOCTLCMD;
  }
}

// What a socket does does not depend on how its addresses are written.
const own = { family: AF_INET6, bind: inet6_bind, getname: inet6_getname, ioctl: inet6_ioctl };
export const inet6_stream_ops: ProtoOps = { ...inet_stream_ops, ...own };
export const inet6_dgram_ops: ProtoOps = { ...inet_dgram_ops, ...own };
export const inet6_sockraw_ops: ProtoOps = { ...inet6_dgram_ops };

export const inet6_family_ops: NetProtoFamily = { family: AF_INET6, create: inet6_create };
