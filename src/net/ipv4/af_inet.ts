// AF_INET: from struct socket to the transport, and what registers at boot. Mirrors net/ipv4/af_inet.c.
// Read first: socket(7), ip(7). Way in: inet_create() through sock_register(); inet_init() in init/main.ts.

import type { PollTable } from "../../kernel/fs/file.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { trace_call } from "../../kernel/trace.ts";
import { F_inet_recvmsg, F_inet_sendmsg } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EALREADY,
  ECONNABORTED,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENOIOCTLCMD,
  ENOTCONN,
  EOPNOTSUPP,
  EPROTONOSUPPORT,
  ESOCKTNOSUPPORT,
} from "../../uapi/errno.ts";
import { O_NONBLOCK } from "../../uapi/fcntl.ts";
import { RT_TABLE_LOCAL, RTN_BROADCAST, RTN_LOCAL, RTN_MULTICAST } from "../../uapi/rtnetlink.ts";
import {
  AF_INET,
  AF_UNSPEC,
  IPPROTO_IP,
  IPPROTO_RAW,
  RCV_SHUTDOWN,
  SHUT_RDWR,
  SHUTDOWN_MASK,
  SOCK_RAW,
  SOCK_STREAM,
  SOCKADDR_IN_LEN,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { TFO_SERVER_ENABLE, TFO_SERVER_WO_SOCKOPT1 } from "../../uapi/tcp.ts";
import type { Net } from "../core/net_namespace.ts";
import {
  datagram_poll,
  type NetProtoFamily,
  type Proto,
  type ProtoOps,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  type Sock,
  type Socket,
  SS_CONNECTED,
  SS_CONNECTING,
  SS_DISCONNECTING,
  SS_UNCONNECTED,
  sk_alloc,
  sk_dst_reset,
  sk_set_peek_off,
  sock_error,
  sock_init_data,
  sock_put,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from "../core/sock.ts";
import { arp_ioctl } from "./arp.ts";
import { devinet_ioctl } from "./devinet.ts";
import { inet_addr_type_table, ip_rt_ioctl } from "./fib_frontend.ts";
import { inet_csk_accept, inet_csk_listen_start } from "./inet_connection_sock.ts";
import { inet_sk } from "./inet_sock.ts";
import { sk_stream_closing, tcp_linger, tcp_poll, tcp_shutdown, tcp_splice_eof, tcp_splice_read } from "./tcp.ts";
import { tcp_fastopen_init_key_once } from "./tcp_fastopen.ts";
import { tcp_sk } from "./tcp_sock.ts";

export const INET_PROTOSW_REUSE = 1;
export const INET_PROTOSW_PERMANENT = 2;
export const INET_PROTOSW_ICSK = 4;

/** struct inet_protosw: type and protocol of socket(2) → the transport. */
export interface InetProtosw {
  readonly type: number;
  readonly protocol: number;
  readonly prot: Proto;
  readonly ops: ProtoOps;
  readonly flags: number;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** inetsw by socket type. */
    inetsw: InetProtosw[][];
  }
}

/** Later registrations of a type come before the wildcard ones, as in Linux. */
export function inet_register_protosw(k: Kernel, p: InetProtosw): void {
  const list = k.inetsw[p.type]!;
  const at = list.findIndex((q) => q.protocol === IPPROTO_IP);
  if (p.protocol === IPPROTO_IP || at < 0) list.push(p);
  else list.splice(at, 0, p);
}

function inet_create(net: Net, sock: Socket, protocol: number, _kern: boolean): number {
  if (protocol < 0 || protocol >= 256 + 7) return -EINVAL;
  sock.state = SS_UNCONNECTED;
  const list = net.kernel.inetsw[sock.type];
  if (list === undefined || list.length === 0) return -ESOCKTNOSUPPORT;
  let found: InetProtosw | null = null;
  for (const p of list) {
    if (protocol === p.protocol) {
      if (protocol !== IPPROTO_IP) {
        found = p;
        break;
      }
    } else if (protocol === IPPROTO_IP) {
      // "Whatever fits the type".
      protocol = p.protocol;
      found = p;
      break;
    } else if (p.protocol === IPPROTO_IP) {
      found = p;
      break;
    }
  }
  if (found === null) return -EPROTONOSUPPORT;
  sock.ops = found.ops;
  const sk = sk_alloc(net, AF_INET, found.prot);
  const inet = inet_sk(sk);
  if ((found.flags & INET_PROTOSW_REUSE) !== 0) sk.sk_reuse = 1;
  inet.is_icsk = (found.flags & INET_PROTOSW_ICSK) !== 0;
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
  if (sk.prot.init) {
    const err = sk.prot.init(sk);
    if (err < 0) {
      sk.prot.close(sk, 0);
      return err;
    }
  }
  return 0;
}

/** The transport closes; the sock may live on for the packets in flight. */
export function inet_release(sock: Socket): void {
  const sk = sock.sk;
  if (sk === null) return;
  sock.sk = null as unknown as Sock;
  sk.prot.close(sk, 0);
}

const family_of = (addr: Uint8Array): number => (addr.length >= 2 ? addr[0]! | (addr[1]! << 8) : -1);

export function inet_bind(sock: Socket, addr: Uint8Array): number {
  const sk = sock.sk;
  if (sk.prot.bind) return sk.prot.bind(sk, addr);
  if (addr.length < SOCKADDR_IN_LEN) return -EINVAL;
  return __inet_bind(sk, addr);
}

function __inet_bind(sk: Sock, addr: Uint8Array): number {
  const inet = inet_sk(sk);
  const net = sk.net;
  const dv = new DataView(addr.buffer, addr.byteOffset, addr.byteLength);
  const saddr = dv.getInt32(4);
  const family = family_of(addr);
  if (family !== AF_INET && !(family === AF_UNSPEC && saddr === 0)) return -EAFNOSUPPORT;
  const type = inet_addr_type_table(net, saddr, RT_TABLE_LOCAL);
  if (
    !(net.ipv4.sysctl_ip_nonlocal_bind !== 0 || inet.freebind || inet.transparent) &&
    saddr !== 0 &&
    type !== RTN_LOCAL &&
    type !== RTN_MULTICAST &&
    type !== RTN_BROADCAST
  ) {
    return -EADDRNOTAVAIL;
  }
  const snum = dv.getUint16(2);
  if (sk.sk_state !== TCP_CLOSE || inet.inet_num !== 0) return -EINVAL;
  inet.inet_rcv_saddr = saddr;
  inet.inet_saddr = saddr;
  // Sending from a multicast or broadcast address makes no sense: the device's own is used.
  if (type === RTN_MULTICAST || type === RTN_BROADCAST) inet.inet_saddr = 0;
  if (snum !== 0 || !inet.bind_address_no_port) {
    const err = sk.prot.get_port ? sk.prot.get_port(sk, snum) : 0;
    if (err < 0) {
      inet.inet_saddr = 0;
      inet.inet_rcv_saddr = 0;
      return err;
    }
  }
  if (inet.inet_rcv_saddr !== 0) sk.sk_userlocks |= SOCK_BINDADDR_LOCK;
  if (snum !== 0) sk.sk_userlocks |= SOCK_BINDPORT_LOCK;
  inet.inet_sport = inet.inet_num;
  inet.inet_daddr = 0;
  inet.inet_dport = 0;
  sk_dst_reset(sk);
  return 0;
}

/** A socket without a port gets one before it sends (inet_autobind). */
export function inet_autobind(sk: Sock): number {
  const inet = inet_sk(sk);
  if (inet.inet_num !== 0) return 0;
  if (!sk.prot.get_port) return -EAGAIN;
  if (sk.prot.get_port(sk, 0) < 0) return -EAGAIN;
  inet.inet_sport = inet.inet_num;
  return 0;
}

export function inet_dgram_connect(sock: Socket, addr: Uint8Array, _flags: number): number {
  const sk = sock.sk;
  if (addr.length < 2) return -EINVAL;
  if (family_of(addr) === AF_UNSPEC) return sk.prot.disconnect ? sk.prot.disconnect(sk, 0) : 0;
  if (inet_sk(sk).inet_num === 0 && inet_autobind(sk) < 0) return -EAGAIN;
  return sk.prot.connect ? sk.prot.connect(sk, addr, addr.length) : -EOPNOTSUPP;
}

const connecting = (sk: Sock): boolean => sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV;

/**
 * connect(2) of a stream. Never waits: -EINPROGRESS when the attempt has begun, -EALREADY while it goes on; a caller that
 * waits comes again, and gets 0 once it is through, or what it failed with.
 */
export function inet_stream_connect(sock: Socket, addr: Uint8Array, flags: number): number {
  return __inet_stream_connect(sock, addr, flags, false);
}

/** `is_sendmsg`: the first write after TCP_FASTOPEN_CONNECT, or sendto(MSG_FASTOPEN), makes the connection. */
export function __inet_stream_connect(sock: Socket, addr: Uint8Array, flags: number, is_sendmsg: boolean): number {
  const sk = sock.sk;
  const inet = inet_sk(sk);
  if (addr.length !== 0 || !is_sendmsg || !inet.defer_connect) {
    if (addr.length < 2) return -EINVAL;
    if (family_of(addr) === AF_UNSPEC) {
      const err = sk.prot.disconnect ? sk.prot.disconnect(sk, flags) : 0;
      sock.state = err !== 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
      return err;
    }
  }
  let err: number;
  switch (sock.state) {
    case SS_CONNECTED:
      return -EISCONN;
    case SS_CONNECTING:
      // Deferred, and connect(2) again: as far as the program knows it is connected.
      if (inet.defer_connect) err = is_sendmsg ? -EINPROGRESS : -EISCONN;
      else err = -EALREADY;
      break;
    case SS_UNCONNECTED: {
      if (sk.sk_state !== TCP_CLOSE) return -EISCONN;
      if (!sk.prot.connect) return -EOPNOTSUPP;
      err = sk.prot.connect(sk, addr, addr.length);
      if (err < 0) return err;
      sock.state = SS_CONNECTING;
      if (err === 0 && inet.defer_connect) return 0;
      err = -EINPROGRESS;
      break;
    }
    default:
      return -EINVAL;
  }
  if (connecting(sk)) return err;
  if (sk.sk_state === TCP_CLOSE) {
    // The attempt failed: why, once; after that the socket may try again.
    const e = sock_error(sk) || -ECONNABORTED;
    sock.state = SS_UNCONNECTED;
    if (sk.prot.disconnect && sk.prot.disconnect(sk, flags) !== 0) sock.state = SS_DISCONNECTING;
    return e;
  }
  sock.state = SS_CONNECTED;
  return 0;
}

export function inet_listen(sock: Socket, backlog: number): number {
  const sk = sock.sk;
  if (sock.state !== SS_UNCONNECTED || sock.type !== SOCK_STREAM) return -EINVAL;
  if (sk.sk_state !== TCP_CLOSE && sk.sk_state !== TCP_LISTEN) return -EINVAL;
  sk.sk_max_ack_backlog = backlog;
  if (sk.sk_state === TCP_LISTEN) return 0;
  // net.ipv4.tcp_fastopen 0x400: every listener takes Fast Open without asking for it.
  const tfo = sk.net.ipv4.sysctl_tcp_fastopen;
  const err = inet_csk_listen_start(sk);
  const q = tcp_sk(sk).icsk_accept_queue;
  if (
    err === 0 &&
    (tfo & (TFO_SERVER_ENABLE | TFO_SERVER_WO_SOCKOPT1)) === (TFO_SERVER_ENABLE | TFO_SERVER_WO_SOCKOPT1) &&
    q !== null &&
    q.fastopenq.max_qlen === 0
  ) {
    q.fastopenq.max_qlen = Math.min(backlog, sk.net.sysctl_somaxconn);
    tcp_fastopen_init_key_once(sk.net);
  }
  return err;
}

/** accept(2): the first connection that is complete goes to `newsock`. -EAGAIN when there is none. */
export function inet_accept(sock: Socket, newsock: Socket, _flags: number): number {
  const sk2 = inet_csk_accept(sock.sk);
  if (typeof sk2 === "number") return sk2;
  // sock_graft()
  sk2.sk_socket = newsock;
  newsock.sk = sk2;
  newsock.state = SS_CONNECTED;
  const current = sk2.net.kernel.current;
  if (current !== null) sk2.sk_owner_pid = current.pid;
  return 0;
}

/** `peer` 2: whoever it was, even if the connection is over (accept(2)). */
export function inet_getname(sock: Socket, addr: Uint8Array, peer: boolean | 2): number {
  const sk = sock.sk;
  const inet = inet_sk(sk);
  const out = new Uint8Array(SOCKADDR_IN_LEN);
  const dv = new DataView(out.buffer);
  dv.setUint16(0, AF_INET, true);
  if (peer !== false) {
    if (inet.inet_dport === 0) return -ENOTCONN;
    if (peer !== 2 && (sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_SYN_SENT)) return -ENOTCONN;
    dv.setUint16(2, inet.inet_dport);
    dv.setInt32(4, inet.inet_daddr);
  } else {
    dv.setUint16(2, inet.inet_sport);
    dv.setInt32(4, inet.inet_rcv_saddr !== 0 ? inet.inet_rcv_saddr : inet.inet_saddr);
  }
  addr.set(out.subarray(0, Math.min(addr.length, SOCKADDR_IN_LEN)));
  return SOCKADDR_IN_LEN;
}

export function inet_sendmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const sk = sock.sk;
  if (trace_key.on) trace_call(F_inet_sendmsg, sk.net.kernel);
  // A stream gets its port when it connects.
  if (inet_sk(sk).inet_num === 0 && !inet_sk(sk).is_icsk && inet_autobind(sk) < 0) return -EAGAIN;
  return sk.prot.sendmsg(sk, msg, len, flags);
}

export function inet_recvmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const sk = sock.sk;
  if (trace_key.on) trace_call(F_inet_recvmsg, sk.net.kernel);
  return sk.prot.recvmsg(sk, msg, len, flags);
}

export function inet_shutdown(sock: Socket, how: number): number {
  const sk = sock.sk;
  if (how < 0 || how > SHUT_RDWR) return -EINVAL;
  const mask = (how + 1) & SHUTDOWN_MASK;
  if (sock.state === SS_CONNECTING) {
    sock.state = connecting(sk) || sk.sk_state === TCP_CLOSE ? SS_DISCONNECTING : SS_CONNECTED;
  }
  let err = 0;
  const state = sk.sk_state;
  if (state === TCP_SYN_SENT || (state === TCP_LISTEN && (mask & RCV_SHUTDOWN) !== 0)) {
    err = sk.prot.disconnect ? sk.prot.disconnect(sk, O_NONBLOCK) : 0;
    sock.state = err !== 0 ? SS_DISCONNECTING : SS_UNCONNECTED;
  } else if (state !== TCP_LISTEN) {
    // Even who is not connected is woken, and will not be written to. A listener has nothing that SHUT_WR could end.
    if (state === TCP_CLOSE) err = -ENOTCONN;
    sk.sk_shutdown |= mask;
    if (inet_sk(sk).is_icsk) tcp_shutdown(sk, mask);
  }
  sk.sk_state_change(sk);
  return err;
}

export function inet_ioctl(sock: Socket, cmd: number, arg: Uint8Array): number {
  const sk = sock.sk;
  const net = sk.net;
  switch (cmd) {
    case 0x890b: // SIOCADDRT
    case 0x890c: // SIOCDELRT
      return ip_rt_ioctl(net, cmd, arg);
    case 0x8953: // SIOCDARP
    case 0x8954: // SIOCGARP
    case 0x8955: // SIOCSARP
      return arp_ioctl(net, cmd, arg);
    case 0x8912: // SIOCGIFCONF
    case 0x8914: // SIOCSIFFLAGS
    case 0x8915: // SIOCGIFADDR
    case 0x8916:
    case 0x8917: // DSTADDR
    case 0x8918:
    case 0x8919: // BRDADDR
    case 0x891a:
    case 0x891b: // NETMASK
    case 0x891c:
    case 0x8935: // GIFPFLAGS
    case 0x8934:
      return devinet_ioctl(net, cmd, arg);
    default:
      return sk.prot.ioctl ? sk.prot.ioctl(sk, cmd, arg) : -ENOIOCTLCMD;
  }
}

export const inet_no_listen = (): number => -EOPNOTSUPP;

const set = (sock: Socket, level: number, name: number, v: Uint8Array): number =>
  sock.sk.prot.setsockopt(sock.sk, level, name, v);
const get = (sock: Socket, level: number, name: number, v: Uint8Array): number =>
  sock.sk.prot.getsockopt(sock.sk, level, name, v);

export const inet_dgram_ops: ProtoOps = {
  family: AF_INET,
  release: inet_release,
  bind: inet_bind,
  connect: inet_dgram_connect,
  getname: inet_getname,
  poll: (sock: Socket, wait: PollTable | null) => datagram_poll(sock, wait),
  ioctl: inet_ioctl,
  listen: inet_no_listen,
  shutdown: inet_shutdown,
  setsockopt: set,
  getsockopt: get,
  sendmsg: inet_sendmsg,
  recvmsg: inet_recvmsg,
  set_peek_off: sk_set_peek_off,
};
export const inet_stream_ops: ProtoOps = {
  family: AF_INET,
  release: inet_release,
  bind: inet_bind,
  connect: inet_stream_connect,
  accept: inet_accept,
  getname: inet_getname,
  poll: (sock: Socket, wait: PollTable | null) => tcp_poll(sock, wait),
  ioctl: inet_ioctl,
  listen: inet_listen,
  shutdown: inet_shutdown,
  setsockopt: set,
  getsockopt: get,
  sendmsg: inet_sendmsg,
  recvmsg: inet_recvmsg,
  splice_read: (sock: Socket, buf: Uint8Array) => tcp_splice_read(sock.sk, buf),
  splice_eof: (sock: Socket) => tcp_splice_eof(sock.sk),
  linger: (sock: Socket) => tcp_linger(sock.sk),
  lingering: (sock: Socket) => sk_stream_closing(sock.sk),
  set_peek_off: sk_set_peek_off,
};
/** The same calls for raw sockets: Linux has a table of its own, which differs in nothing that programs see. */
export const inet_sockraw_ops: ProtoOps = { ...inet_dgram_ops, set_peek_off: undefined };

export const inet_family_ops: NetProtoFamily = { family: AF_INET, create: inet_create };

export function inet_proto_init(k: Kernel): void {
  k.inetsw = Array.from({ length: 11 }, () => []);
}
