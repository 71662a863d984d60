// SOL_IP: options, ancillary data, and the error queue. Mirrors net/ipv4/ip_sockglue.c. Read first: ip(7).
// Way in: ip_setsockopt(), ip_getsockopt(), ip_cmsg_send(), ip_cmsg_recv_offset(), ip_icmp_error(), ip_recv_error().

import type { Kernel } from "../../kernel/kernel.ts";
import { EADDRNOTAVAIL, EAGAIN, EINVAL, ENOPROTOOPT, ENOTCONN, EOPNOTSUPP, EPROTO } from "../../uapi/errno.ts";
import { IPV6_2292PKTINFO, IPV6_PKTINFO, IPV6_RECVPKTINFO } from "../../uapi/in6.ts";
import { IPH_DADDR, IPH_SADDR, IPH_TOS, IPH_TTL } from "../../uapi/ip.ts";
import * as S from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { for_each_cmsg, put_cmsg, skb_copy_datagram_msg } from "../core/datagram.ts";
import type {} from "../core/errqueue.ts";
import { type Ipv6Pinfo, in6_addr, ipv6_addr_v4mapped } from "../core/in6.ts";
import { IpOptions } from "../core/ip_options_type.ts";
import { skb_checksum } from "../core/skb_checksum.ts";
import {
  __skb_dequeue,
  alloc_skb,
  CHECKSUM_COMPLETE,
  consume_skb,
  pskb_may_pull,
  type SkBuff,
  skb_clone,
  skb_dst_drop,
  skb_pull,
  skb_put,
  skb_reserve,
} from "../core/skbuff.ts";
import { type Sock, sk_dst_reset, sock_queue_err_skb, TCP_ESTABLISHED } from "../core/sock.ts";
import { __sock_cmsg_send } from "../core/sock_cmsg.ts";
import { optval_int, put_int } from "../core/sock_opt.ts";
import { sock_recv_timestamp } from "../core/sock_tstamp.ts";
import { __ip_dev_find } from "./devinet.ts";
import { fib_compute_spec_dst } from "./fib_frontend.ts";
import { ip_icmp_error_rfc4884 } from "./icmp.ts";
import {
  ip_mc_join_group,
  ip_mc_leave_group,
  ip_mc_msfget,
  ip_mc_msfilter_option,
  ip_mc_source_option,
} from "./igmp.ts";
import {
  type InetSock,
  IP_CMSG_CHECKSUM,
  IP_CMSG_ORIGDSTADDR,
  IP_CMSG_PASSSEC,
  IP_CMSG_PKTINFO,
  IP_CMSG_RECVFRAGSIZE,
  IP_CMSG_RECVOPTS,
  IP_CMSG_RETOPTS,
  IP_CMSG_TOS,
  IP_CMSG_TTL,
  inet_sk,
} from "./inet_sock.ts";
import type { IpcmCookie } from "./ip_append.ts";
import { rt_tos2priority } from "./ip_forward.ts";
import { __ip_options_echo, ip_options_get, ip_options_undo } from "./ip_options.ts";
import { ip_ra_control } from "./raw.ts";
import type { Rtable } from "./route.ts";

// --- control messages of a send -----------------------------------------------------------------------------------

/** Reads IP_PKTINFO (an AF_INET6 socket's IPV6_PKTINFO, too), IP_TTL, IP_TOS, IP_RETOPTS, UDP_SEGMENT and SO_MARK/SO_PRIORITY into `ipc`. 0 or -errno. */
export function ip_cmsg_send(sk: Sock, msg: MsgHdr, ipc: IpcmCookie): number {
  for (const [level, type, data] of for_each_cmsg(msg)) {
    const dv = new DataView(data.buffer, data.byteOffset, data.byteLength);
    if (level === S.SOL_SOCKET) {
      const err = __sock_cmsg_send(sk, type, data, ipc);
      if (err < 0) return err;
      continue;
    }
    if (level === S.SOL_UDP) {
      if (type !== S.UDP_SEGMENT || data.length !== 2) return -EINVAL;
      ipc.gso_size = dv.getUint16(0, true);
      continue;
    }
    if (level === S.IPPROTO_IPV6 && type === IPV6_PKTINFO && sk.family === S.AF_INET6) {
      if (data.length < 20) return -EINVAL;
      const src = in6_addr(data, 0);
      if (!ipv6_addr_v4mapped(src)) return -EINVAL;
      if (dv.getInt32(16, true) !== 0) ipc.oif = dv.getInt32(16, true);
      ipc.addr = src[3];
      continue;
    }
    if (level !== S.SOL_IP) continue;
    switch (type) {
      case S.IP_RETOPTS: {
        const opt = ip_options_get(sk.net, data.subarray(0, Math.min(40, data.length)));
        if (typeof opt === "number") return opt;
        ipc.opt = opt;
        break;
      }
      case S.IP_PKTINFO:
        if (data.length < 12) return -EINVAL;
        if (dv.getInt32(0, true) !== 0) ipc.oif = dv.getInt32(0, true);
        ipc.addr = dv.getInt32(4);
        break;
      case S.IP_TTL: {
        if (data.length < 4) return -EINVAL;
        const v = dv.getInt32(0, true);
        if (v < 1 || v > 255) return -EINVAL;
        ipc.ttl = v;
        break;
      }
      case S.IP_TOS: {
        const v = data.length >= 4 ? dv.getInt32(0, true) : data.length === 1 ? data[0]! : -1;
        if (v < 0 || v > 255) return -EINVAL;
        ipc.tos = v;
        ipc.priority = rt_tos2priority(v);
        break;
      }
      default:
        return -EINVAL;
    }
  }
  return 0;
}

// --- control messages of a receive --------------------------------------------------------------------------------

const ipv6_sk_rxinfo = (np: Ipv6Pinfo): boolean => np.is_on(IPV6_RECVPKTINFO) || np.is_on(IPV6_2292PKTINFO);

/** Before a packet is queued: what IP_PKTINFO will say, while route and device are known; then the route may go. */
export function ipv4_pktinfo_prepare(sk: InetSock, skb: SkBuff): void {
  const wanted = (sk.cmsg_flags & IP_CMSG_PKTINFO) !== 0 || (sk.pinet6 !== null && ipv6_sk_rxinfo(sk.pinet6));
  if (wanted && skb.dst !== null) {
    skb.ipcb_spec_dst = fib_compute_spec_dst(skb);
    // What a machine sends to itself is shown as come in where the address lives.
    const rt = skb.dst as Rtable;
    if (skb.ipcb_iif === sk.net.loopback_dev.ifindex && rt.rt_iif !== 0) skb.ipcb_iif = rt.rt_iif;
  }
  skb_dst_drop(skb);
}

/** Appends what inet.cmsg_flags asks for. `tlen`: transport header bytes in front of the payload. */
export function ip_cmsg_recv_offset(msg: MsgHdr, sk: Sock, skb: SkBuff, tlen: number): void {
  const flags = inet_sk(sk).cmsg_flags;
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const int4 = (v: number): Uint8Array => {
    const b = new Uint8Array(4);
    new DataView(b.buffer).setInt32(0, v, true);
    return b;
  };
  if ((flags & IP_CMSG_PKTINFO) !== 0) {
    const b = new Uint8Array(12);
    const d = new DataView(b.buffer);
    // What was queued before the option was set has neither.
    d.setInt32(0, skb.ipcb_spec_dst !== 0 ? skb.ipcb_iif : 0, true);
    d.setInt32(4, skb.ipcb_spec_dst);
    d.setInt32(8, dv.getInt32(iph + IPH_DADDR));
    put_cmsg(msg, S.SOL_IP, S.IP_PKTINFO, b);
  }
  if ((flags & IP_CMSG_TTL) !== 0) put_cmsg(msg, S.SOL_IP, S.IP_TTL, int4(dv.getUint8(iph + IPH_TTL)));
  if ((flags & IP_CMSG_TOS) !== 0) put_cmsg(msg, S.SOL_IP, S.IP_TOS, new Uint8Array([dv.getUint8(iph + IPH_TOS)]));
  if ((flags & (IP_CMSG_RECVOPTS | IP_CMSG_RETOPTS)) !== 0) {
    const opt = skb.ipcb_opt;
    if (opt !== null && opt.optlen > 0) {
      const raw = skb.head.u8.slice(iph + 20, iph + 20 + opt.optlen);
      if ((flags & IP_CMSG_RECVOPTS) !== 0) put_cmsg(msg, S.SOL_IP, S.IP_RECVOPTS, raw);
      if ((flags & IP_CMSG_RETOPTS) !== 0) {
        const echo = __ip_options_echo(sk.net, skb, opt);
        if (typeof echo !== "number" && echo.data !== null) {
          ip_options_undo(echo);
          put_cmsg(msg, S.SOL_IP, S.IP_RETOPTS, echo.data.slice(0, echo.optlen));
        }
      }
    }
  }
  if ((flags & IP_CMSG_ORIGDSTADDR) !== 0) {
    const b = new Uint8Array(16);
    const d = new DataView(b.buffer);
    d.setUint16(0, S.AF_INET, true);
    d.setUint16(2, dv.getUint16(skb.transport_header + 2));
    d.setInt32(4, dv.getInt32(iph + IPH_DADDR));
    put_cmsg(msg, S.SOL_IP, S.IP_ORIGDSTADDR, b);
  }
  // Only what a card summed: nobody sums for this.
  if ((flags & IP_CMSG_CHECKSUM) !== 0 && skb.ip_summed === CHECKSUM_COMPLETE) {
    const th = skb.transport_header - skb.data;
    put_cmsg(msg, S.SOL_IP, S.IP_CHECKSUM, int4(skb_checksum(skb, th + tlen, skb.len - th - tlen, 0)));
  }
  if ((flags & IP_CMSG_RECVFRAGSIZE) !== 0 && skb.frag_max_size !== 0) {
    put_cmsg(msg, S.SOL_IP, S.IP_RECVFRAGSIZE, int4(skb.frag_max_size));
  }
}
export const ip_cmsg_recv = (msg: MsgHdr, sk: Sock, skb: SkBuff): void => ip_cmsg_recv_offset(msg, sk, skb, 0);

// --- the error queue ----------------------------------------------------------------------------------------------

/** An ICMP error for a socket with IP_RECVERR: the packet that caused it is queued from byte `payload` of head on. */
export function ip_icmp_error(sk: Sock, skb: SkBuff, err: number, port: number, info: number, payload: number): void {
  const n = skb_clone(skb);
  const dv = n.head.dv;
  const inner = skb.data;
  const ext = inet_sk(sk).recverr_rfc4884 ? ip_icmp_error_rfc4884(skb) : 0;
  const headers = payload - inner;
  n.exterr = {
    ee_errno: err,
    ee_origin: S.SO_EE_ORIGIN_ICMP,
    ee_type: dv.getUint8(skb.transport_header),
    ee_code: dv.getUint8(skb.transport_header + 1),
    ee_info: info,
    rfc4884: Math.abs(ext) <= headers ? 0 : ext - Math.sign(ext) * headers,
    addr: dv.getInt32(inner + IPH_DADDR),
    port,
    offender: dv.getInt32(skb.network_header + IPH_SADDR),
  };
  const skip = payload - n.data;
  if (skip >= 0 && skip <= n.len && pskb_may_pull(n, skip)) {
    skb_pull(n, skip);
    n.transport_header = n.data;
    if (sock_queue_err_skb(sk, n) === 0) return;
    return;
  }
  consume_skb(n);
}

/** An error found here, before anything was sent: EMSGSIZE with the MTU. */
export function ip_local_error(sk: Sock, err: number, daddr: number, port: number, info: number): void {
  const inet = inet_sk(sk);
  if (!inet.recverr) return;
  const skb = alloc_skb(sk.net.kernel, 28);
  if (skb === null) return;
  skb_reserve(skb, 0);
  skb_put(skb, 20);
  skb.network_header = skb.data;
  skb.head.dv.setInt32(skb.network_header + IPH_DADDR, daddr);
  skb.exterr = {
    ee_errno: err,
    ee_origin: S.SO_EE_ORIGIN_LOCAL,
    ee_type: 0,
    ee_code: 0,
    ee_info: info,
    rfc4884: 0,
    addr: daddr,
    port,
    offender: 0,
  };
  skb_pull(skb, 20);
  skb.transport_header = skb.data;
  sock_queue_err_skb(sk, skb);
}

/** As ip_recv_error(), whatever the family of the socket. */
export const inet_recv_error = (sk: Sock, msg: MsgHdr, len: number): number =>
  sk.family === S.AF_INET ? ip_recv_error(sk, msg, len) : sk.net.kernel.ipv6_stub.recv_error(sk, msg, len);

/** How a family writes the addresses of an error, all of them IPv4's, and what else it tells of the packet. */
export interface ErrqueueFamily {
  readonly level: number;
  readonly type: number;
  /** Of struct sock_extended_err with the offender's sockaddr behind it. */
  readonly size: number;
  put_name(msg: MsgHdr, addr: number, port: number): void;
  put_offender(b: Uint8Array, addr: number): void;
  recv_ctl(sk: Sock, msg: MsgHdr, skb: SkBuff): void;
}

function put_name_in(name: Uint8Array, addr: number, port: number): void {
  const d = new DataView(name.buffer, name.byteOffset, name.byteLength);
  name.fill(0, 0, S.SOCKADDR_IN_LEN);
  d.setUint16(0, S.AF_INET, true);
  d.setUint16(2, port);
  d.setInt32(4, addr);
}
const ipv4_errors: ErrqueueFamily = {
  level: S.SOL_IP,
  type: S.IP_RECVERR,
  size: 16 + S.SOCKADDR_IN_LEN,
  put_name(msg, addr, port) {
    if (msg.msg_name!.length < S.SOCKADDR_IN_LEN) return;
    put_name_in(msg.msg_name!, addr, port);
    msg.msg_namelen = S.SOCKADDR_IN_LEN;
  },
  put_offender: (b, addr) => put_name_in(b, addr, 0),
  recv_ctl: () => {},
};

export const ip_recv_error = (sk: Sock, msg: MsgHdr, len: number): number => sock_recv_error(sk, msg, len, ipv4_errors);

/** recvmsg(MSG_ERRQUEUE): the packet, who it was for, and struct sock_extended_err with the offender. */
export function sock_recv_error(sk: Sock, msg: MsgHdr, len: number, f: ErrqueueFamily): number {
  const skb = __skb_dequeue(sk.sk_error_queue);
  if (skb === null) return -EAGAIN;
  let copied = skb.len;
  if (copied > len) {
    msg.msg_flags |= S.MSG_TRUNC;
    copied = len;
  }
  const e = skb_copy_datagram_msg(skb, 0, msg, copied);
  const ee = skb.exterr;
  if (e < 0 || ee === undefined) {
    consume_skb(skb);
    return e < 0 ? e : -EAGAIN;
  }
  sock_recv_timestamp(msg, sk, skb, true);
  if (msg.msg_name !== null && ee.ee_data === undefined) f.put_name(msg, ee.addr, ee.port);
  const b = new Uint8Array(f.size);
  const d = new DataView(b.buffer);
  d.setUint32(0, ee.ee_errno, true);
  b[4] = ee.ee_origin;
  b[5] = ee.ee_type;
  b[6] = ee.ee_code;
  d.setUint32(8, ee.ee_info >>> 0, true);
  d.setUint16(12, Math.abs(ee.rfc4884), true);
  b[14] = ee.rfc4884 < 0 ? S.SO_EE_RFC4884_FLAG_INVALID : 0;
  if (ee.ee_data !== undefined) d.setUint32(12, ee.ee_data, true);
  if (ee.ee_origin === S.SO_EE_ORIGIN_ICMP) {
    f.put_offender(b.subarray(16), ee.offender);
    f.recv_ctl(sk, msg, skb);
    if (inet_sk(sk).cmsg_flags !== 0) ip_cmsg_recv(msg, sk, skb);
  } else if (
    ee.ee_origin === S.SO_EE_ORIGIN_TIMESTAMPING &&
    (sk.sk_tsflags & S.SOF_TIMESTAMPING_OPT_CMSG) !== 0 &&
    skb.len > 0 &&
    ee.iif
  ) {
    // Of a packet of ours: the device it left by, in the place of the one it came by.
    const saddr = skb.head.dv.getInt32(skb.network_header + IPH_SADDR);
    f.put_offender(b.subarray(16), saddr);
    skb.ipcb_iif = ee.iif;
    skb.ipcb_spec_dst = saddr;
    f.recv_ctl(sk, msg, skb);
    if (inet_sk(sk).cmsg_flags !== 0) ip_cmsg_recv(msg, sk, skb);
  }
  put_cmsg(msg, f.level, f.type, b);
  msg.msg_flags |= S.MSG_ERRQUEUE;
  consume_skb(skb);
  skb.exterr = undefined;
  // What was no error has left none behind.
  if (ee.ee_data !== undefined) return copied;
  // The next error of the queue is the socket's pending one.
  const next = sk.sk_error_queue.next;
  sk.sk_err =
    next !== null && next.exterr !== undefined && next.exterr.ee_origin !== S.SO_EE_ORIGIN_NONE
      ? next.exterr.ee_errno
      : 0;
  if (sk.sk_err !== 0) sk.sk_error_report(sk);
  return copied;
}

// --- options ------------------------------------------------------------------------------------------------------

const cmsg_option: readonly (readonly [number, number])[] = [
  [S.IP_PKTINFO, IP_CMSG_PKTINFO],
  [S.IP_RECVTTL, IP_CMSG_TTL],
  [S.IP_RECVTOS, IP_CMSG_TOS],
  [S.IP_RECVOPTS, IP_CMSG_RECVOPTS],
  [S.IP_RETOPTS, IP_CMSG_RETOPTS],
  // Of packets that carry a security label; none does.
  [S.IP_PASSSEC, IP_CMSG_PASSSEC],
  [S.IP_ORIGDSTADDR, IP_CMSG_ORIGDSTADDR],
  [S.IP_CHECKSUM, IP_CMSG_CHECKSUM],
  [S.IP_RECVFRAGSIZE, IP_CMSG_RECVFRAGSIZE],
];

function set_tos(sk: Sock, inet: InetSock, val: number): void {
  // The ECN bits of a stream are TCP's own.
  const tos = sk.sk_type === S.SOCK_STREAM ? (val & 0xfc) | (inet.tos & 3) : val & 0xff;
  inet.tos = tos;
  sk.sk_priority = rt_tos2priority(tos);
  sk_dst_reset(sk);
}

/** Options that say nothing without a value. For the others an empty one is 0. */
const needs_value: readonly number[] = [
  S.IP_TTL,
  S.IP_MULTICAST_TTL,
  S.IP_MULTICAST_LOOP,
  S.IP_MULTICAST_ALL,
  S.IP_MINTTL,
  S.IP_FREEBIND,
  S.IP_TRANSPARENT,
];

const not_for_streams: readonly number[] = [S.IP_RECVFRAGSIZE, S.IP_MULTICAST_IF, S.IP_MULTICAST_TTL];

/** SOL_IP options; 0 or -errno. */
export function ip_setsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level !== S.SOL_IP) return -ENOPROTOOPT;
  const inet = inet_sk(sk);
  const val = optval_int(optval);
  const on = val !== 0;
  if (sk.sk_type === S.SOCK_STREAM) {
    // A stream neither joins groups nor is fragmented.
    if (optname === S.IP_ADD_MEMBERSHIP || optname === S.IP_DROP_MEMBERSHIP) return -EPROTO;
    if (not_for_streams.includes(optname)) return -EINVAL;
  }
  if (optval.length < 1 && needs_value.includes(optname)) return -EINVAL;
  for (const [name, flag] of cmsg_option) {
    if (name !== optname) continue;
    if (on) inet.cmsg_flags |= flag;
    else inet.cmsg_flags &= ~flag;
    return 0;
  }
  switch (optname) {
    case S.IP_OPTIONS: {
      if (optval.length === 0) {
        inet.inet_opt = null;
        return 0;
      }
      if (optval.length > 40) return -EINVAL;
      const opt = ip_options_get(sk.net, optval);
      if (typeof opt === "number") return opt;
      inet.inet_opt = opt.optlen > 0 ? opt : null;
      return 0;
    }
    case S.IP_TOS:
      set_tos(sk, inet, val);
      return 0;
    case S.IP_TTL:
      if (optval.length < 1 || (val !== -1 && (val < 1 || val > 255))) return -EINVAL;
      inet.uc_ttl = val;
      return 0;
    case S.IP_HDRINCL:
      if (sk.sk_type !== S.SOCK_RAW) return -ENOPROTOOPT;
      inet.hdrincl = on;
      return 0;
    case S.IP_NODEFRAG:
      if (sk.sk_type !== S.SOCK_RAW) return -ENOPROTOOPT;
      inet.nodefrag = on;
      return 0;
    case S.IP_BIND_ADDRESS_NO_PORT:
      inet.bind_address_no_port = on;
      return 0;
    case S.IP_MTU_DISCOVER:
      if (val < S.IP_PMTUDISC_DONT || val > S.IP_PMTUDISC_OMIT) return -EINVAL;
      inet.pmtudisc = val;
      return 0;
    case S.IP_RECVERR:
      inet.recverr = on;
      if (!on)
        for (let s = __skb_dequeue(sk.sk_error_queue); s !== null; s = __skb_dequeue(sk.sk_error_queue)) consume_skb(s);
      return 0;
    case S.IP_RECVERR_RFC4884:
      if (val !== 0 && val !== 1) return -EINVAL;
      inet.recverr_rfc4884 = on;
      return 0;
    case S.IP_MINTTL:
      if (val < 0 || val > 255) return -EINVAL;
      inet.min_ttl = val;
      return 0;
    case S.IP_FREEBIND:
      inet.freebind = on;
      return 0;
    case S.IP_TRANSPARENT:
      inet.transparent = on;
      return 0;
    case S.IP_ROUTER_ALERT:
      return ip_ra_control(sk, on);
    case S.IP_MULTICAST_TTL: {
      if (optval.length < 1) return -EINVAL;
      const v = optval.length >= 4 ? val : optval[0]!;
      if (v !== -1 && (v < 0 || v > 255)) return -EINVAL;
      inet.mc_ttl = v === -1 ? 1 : v;
      return 0;
    }
    case S.IP_MULTICAST_LOOP:
      inet.mc_loop = on;
      return 0;
    case S.IP_MULTICAST_ALL:
      if (val !== 0 && val !== 1) return -EINVAL;
      inet.mc_all = on;
      return 0;
    case S.IP_UNICAST_IF: {
      if (optval.length !== 4) return -EINVAL;
      const ifindex = new DataView(optval.buffer, optval.byteOffset, optval.byteLength).getInt32(0);
      if (ifindex !== 0 && !sk.net.dev_by_index.has(ifindex)) return -EADDRNOTAVAIL;
      inet.uc_index = ifindex;
      return 0;
    }
    case S.IP_MULTICAST_IF: {
      // An address, struct ip_mreq or struct ip_mreqn.
      const dv = new DataView(optval.buffer, optval.byteOffset, optval.byteLength);
      let addr = 0;
      let ifindex = 0;
      if (optval.length >= 12) {
        addr = dv.getInt32(4);
        ifindex = dv.getInt32(8, true);
      } else if (optval.length >= 8) addr = dv.getInt32(4);
      else if (optval.length >= 4) addr = dv.getInt32(0);
      else return -EINVAL;
      if (ifindex === 0) {
        if (addr === 0) {
          inet.mc_index = 0;
          inet.mc_addr = 0;
          return 0;
        }
        const dev = __ip_dev_find(sk.net, addr);
        if (dev === null) return -EADDRNOTAVAIL;
        ifindex = dev.ifindex;
      } else if (!sk.net.dev_by_index.has(ifindex)) return -EADDRNOTAVAIL;
      inet.mc_index = ifindex;
      inet.mc_addr = addr;
      return 0;
    }
    case S.IP_ADD_MEMBERSHIP:
    case S.IP_DROP_MEMBERSHIP: {
      if (optval.length < 8) return -EINVAL;
      const dv = new DataView(optval.buffer, optval.byteOffset, optval.byteLength);
      const group = dv.getInt32(0);
      const addr = dv.getInt32(4);
      const ifindex = optval.length >= 12 ? dv.getInt32(8, true) : 0;
      return optname === S.IP_ADD_MEMBERSHIP
        ? ip_mc_join_group(sk, group, addr, ifindex)
        : ip_mc_leave_group(sk, group, addr, ifindex);
    }
    case S.IP_ADD_SOURCE_MEMBERSHIP:
    case S.IP_DROP_SOURCE_MEMBERSHIP:
    case S.IP_BLOCK_SOURCE:
    case S.IP_UNBLOCK_SOURCE:
      return ip_mc_source_option(sk, optname, optval);
    case S.IP_MSFILTER:
      return ip_mc_msfilter_option(sk, optval);
    case S.IP_LOCAL_PORT_RANGE: {
      if (optval.length !== 4) return -EINVAL;
      const lo = val & 0xffff;
      const hi = val >>> 16;
      if (lo !== 0 && hi !== 0 && lo > hi) return -EINVAL;
      inet.local_port_range = [lo, hi];
      return 0;
    }
    default:
      return -ENOPROTOOPT;
  }
}

/** An int, or one byte of it for a program whose buffer has no room for more. */
function put_ip_int(optval: Uint8Array, val: number): number {
  if (optval.length === 0 || optval.length >= 4 || val < 0 || val > 255) return put_int(optval, val);
  optval[0] = val;
  return 1;
}

/** IP_PKTOPTIONS of a stream: what it would tell of a packet, as control messages. */
function get_pktoptions(inet: InetSock, optval: Uint8Array): number {
  const msg: MsgHdr = {
    msg_name: null,
    msg_namelen: 0,
    msg_iov: [],
    msg_control: optval,
    msg_controllen: 0,
    msg_flags: 0,
  };
  const put = (type: number, size: number, fill: (dv: DataView) => void): void => {
    const b = new Uint8Array(size);
    fill(new DataView(b.buffer));
    put_cmsg(msg, S.SOL_IP, type, b);
  };
  const flags = inet.cmsg_flags;
  if ((flags & IP_CMSG_PKTINFO) !== 0) {
    put(S.IP_PKTINFO, 12, (dv) => {
      dv.setInt32(0, inet.mc_index, true);
      dv.setInt32(4, inet.inet_rcv_saddr);
      dv.setInt32(8, inet.inet_rcv_saddr);
    });
  }
  if ((flags & IP_CMSG_TTL) !== 0) put(S.IP_TTL, 4, (dv) => dv.setInt32(0, inet.mc_ttl, true));
  if ((flags & IP_CMSG_TOS) !== 0) put(S.IP_TOS, 4, (dv) => dv.setInt32(0, inet.rcv_tos, true));
  return msg.msg_controllen;
}

export function ip_getsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level !== S.SOL_IP) return -EOPNOTSUPP;
  const inet = inet_sk(sk);
  for (const [name, flag] of cmsg_option) {
    if (name === optname) return put_ip_int(optval, (inet.cmsg_flags & flag) !== 0 ? 1 : 0);
  }
  switch (optname) {
    case S.IP_OPTIONS: {
      const opt = inet.inet_opt;
      if (opt === null || opt.data === null) return 0;
      // As the program gave them, before room was made for what is filled in on the way.
      const given = Object.assign(new IpOptions(), opt, { data: opt.data.slice() });
      ip_options_undo(given);
      const n = Math.min(opt.optlen, optval.length);
      optval.set(given.data.subarray(0, n));
      return n;
    }
    case S.IP_TOS:
      return put_ip_int(optval, inet.tos);
    case S.IP_TTL:
      return put_ip_int(optval, inet.uc_ttl === -1 ? sk.net.ipv4.sysctl_ip_default_ttl : inet.uc_ttl);
    case S.IP_HDRINCL:
      return put_ip_int(optval, inet.hdrincl ? 1 : 0);
    case S.IP_NODEFRAG:
      return put_ip_int(optval, inet.nodefrag ? 1 : 0);
    case S.IP_BIND_ADDRESS_NO_PORT:
      return put_ip_int(optval, inet.bind_address_no_port ? 1 : 0);
    case S.IP_MTU_DISCOVER:
      return put_ip_int(optval, inet.pmtudisc);
    case S.IP_MTU: {
      const dst = sk.sk_dst_cache;
      if (sk.sk_state !== TCP_ESTABLISHED || dst === null) return -ENOTCONN;
      return put_ip_int(optval, dst.ops.mtu(dst));
    }
    case S.IP_RECVERR:
      return put_ip_int(optval, inet.recverr ? 1 : 0);
    case S.IP_RECVERR_RFC4884:
      return put_ip_int(optval, inet.recverr_rfc4884 ? 1 : 0);
    case S.IP_MINTTL:
      return put_ip_int(optval, inet.min_ttl);
    case S.IP_FREEBIND:
      return put_ip_int(optval, inet.freebind ? 1 : 0);
    case S.IP_TRANSPARENT:
      return put_ip_int(optval, inet.transparent ? 1 : 0);
    case S.IP_MULTICAST_TTL:
      return put_ip_int(optval, inet.mc_ttl);
    case S.IP_MULTICAST_LOOP:
      return put_ip_int(optval, inet.mc_loop ? 1 : 0);
    case S.IP_MULTICAST_ALL:
      return put_ip_int(optval, inet.mc_all ? 1 : 0);
    case S.IP_MULTICAST_IF: {
      const b = new Uint8Array(4);
      new DataView(b.buffer).setInt32(0, inet.mc_addr);
      const n = Math.min(4, optval.length);
      optval.set(b.subarray(0, n));
      return n;
    }
    case S.IP_UNICAST_IF: {
      const i = inet.uc_index;
      return put_ip_int(optval, ((i & 0xff) << 24) | ((i & 0xff00) << 8) | ((i >> 8) & 0xff00) | (i >>> 24));
    }
    case S.IP_MSFILTER:
      return ip_mc_msfget(sk, optval);
    case S.IP_PKTOPTIONS:
      return sk.sk_type === S.SOCK_STREAM ? get_pktoptions(inet, optval) : -ENOPROTOOPT;
    case S.IP_ROUTER_ALERT:
      return put_ip_int(optval, sk.net.ipv4_ra_chain.some((raw) => raw === sk) ? 1 : 0);
    case S.IP_PROTOCOL:
      return put_ip_int(optval, inet.inet_num);
    case S.IP_LOCAL_PORT_RANGE:
      return put_ip_int(optval, (inet.local_port_range[1] << 16) | inet.local_port_range[0]);
    default:
      return -ENOPROTOOPT;
  }
}

export function ip_sockglue_init(k: Kernel): void {
  k.ip_local_error = ip_local_error;
}
