// UDP: sending, receiving, errors. Mirrors net/ipv4/udp.c. Read first: RFC 768, RFC 1122 section 4.1.
// Way in: udp_sendmsg(), udp_recvmsg() from af_inet.ts; udp_rcv() from ip_input.ts; the table is in udp_table.ts.

import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import {
  F___udp_enqueue_schedule_skb,
  F___udp4_lib_lookup_skb,
  F_udp_queue_rcv_skb,
  F_udp_rcv,
  F_udp_send_skb,
} from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_fold, csum_tcpudp_magic, csum_tcpudp_nofold } from "../../lib/checksum.ts";
import {
  EACCES,
  EAFNOSUPPORT,
  EAGAIN,
  EDESTADDRREQ,
  EHOSTUNREACH,
  EINVAL,
  EIO,
  EMSGSIZE,
  ENETUNREACH,
  ENOBUFS,
  ENOENT,
  ENOMEM,
  EOPNOTSUPP,
  EPROTO,
} from "../../uapi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_PORT_UNREACH,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  IPH_DADDR,
  IPH_SADDR,
  NR_ICMP_UNREACH,
  UDP_HLEN,
  UDPH_CHECK,
  UDPH_DEST,
  UDPH_LEN,
  UDPH_SOURCE,
} from "../../uapi/ip.ts";
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from "../../uapi/rtnetlink.ts";
import {
  AF_INET,
  AF_UNSPEC,
  IP_PMTUDISC_DONT,
  IPPROTO_UDP,
  IPPROTO_UDPLITE,
  MSG_CONFIRM,
  MSG_DONTROUTE,
  MSG_ERRQUEUE,
  MSG_MORE,
  MSG_OOB,
  MSG_PEEK,
  MSG_PROBE_BIT,
  MSG_TRUNC,
  MSG_ZEROCOPY,
  PACKET_HOST,
  SOCKADDR_IN_LEN,
  SOL_UDP,
  UDP_GRO,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { __skb_recv_datagram, put_cmsg, skb_copy_datagram_msg } from "../core/datagram.ts";
import {
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_SOCKET_FILTER,
  SKB_DROP_REASON_SOCKET_RCVBUFF,
  SKB_DROP_REASON_UDP_CSUM,
} from "../core/dropreason.ts";
import { dst_release } from "../core/dst.ts";
import { inet6_reset_saddr } from "../core/in6.ts";
import { neigh_release } from "../core/neigh_table.ts";
import { neigh_confirm } from "../core/neighbour.ts";
import type { Net } from "../core/net_namespace.ts";
import { sock_rps_record_flow } from "../core/rps.ts";
import {
  __skb_checksum_complete,
  pskb_trim_rcsum,
  skb_checksum,
  skb_checksum_complete,
  skb_checksum_init_zero_check,
  skb_csum_unnecessary,
} from "../core/skb_checksum.ts";
import {
  __skb_queue_tail,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  pskb_may_pull,
  SKB_GSO_UDP_L4,
  type SkBuff,
  skb_clone,
} from "../core/skbuff.ts";
import {
  ICMP_MIB_INERRORS,
  IPSTATS_MIB_OUTNOROUTES,
  UDP_MIB_CSUMERRORS,
  UDP_MIB_IGNOREDMULTI,
  UDP_MIB_INDATAGRAMS,
  UDP_MIB_INERRORS,
  UDP_MIB_NOPORTS,
  UDP_MIB_OUTDATAGRAMS,
  UDP_MIB_RCVBUFERRORS,
  UDP_MIB_SNDBUFERRORS,
} from "../core/snmp.ts";
import {
  __sk_dst_check,
  type Proto,
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  SOCK_BROADCAST,
  SOCK_DEAD,
  SOCK_LOCALROUTE,
  SOCK_RECV_CMSGS,
  SOCK_ZEROCOPY,
  type Sock,
  sk_common_release,
  sk_dst_reset,
  sk_dst_set,
  sk_mark_incoming,
  sk_peek_offset_bwd,
  sk_peek_offset_fwd,
  skb_set_owner_r,
  sock_flag,
  TCP_CLOSE,
  TCP_ESTABLISHED,
} from "../core/sock.ts";
import { sk_filter } from "../core/sock_filter.ts";
import { sock_recv_cmsgs } from "../core/sock_opt.ts";
import { msg_zerocopy_realloc, net_zcopy_put } from "../core/zerocopy.ts";
import { __ip_datagram_connect } from "./datagram4.ts";
import { icmp_err_convert, icmp_send } from "./icmp.ts";
import { ip_mc_drop_socket, ip_mc_sf_allow } from "./igmp.ts";
import { type InetSock, inet_sk, ipv6_only_sock } from "./inet_sock.ts";
import {
  type IpcmCookie,
  ip_append_data,
  ip_finish_skb,
  ip_flush_pending_frames,
  ip_make_skb,
  ip_send_skb,
  ipcm_init_sk,
} from "./ip_append.ts";
import { FLOWI_FLAG_ANYSRC } from "./ip_fib.ts";
import {
  inet_recv_error,
  ip_cmsg_recv_offset,
  ip_cmsg_send,
  ip_icmp_error,
  ipv4_pktinfo_prepare,
} from "./ip_sockglue.ts";
import { ipv4_is_multicast } from "./netns_ipv4.ts";
import {
  flowi4_init_output,
  ip_route_output_flow,
  ipv4_sk_redirect,
  ipv4_sk_update_pmtu,
  RTCF_BROADCAST,
  RTCF_MULTICAST,
  type Rtable,
} from "./route.ts";
import { udp_gro_enabled_update, udp_rcv_segment } from "./udp_offload.ts";
import { udp_getsockopt, udp_ioctl, udp_setsockopt } from "./udp_opts.ts";
import {
  __udp4_lib_lookup,
  UdpSock,
  type UdpTable,
  udp_lib_get_port,
  udp_lib_unhash,
  udp_port_list,
  udp_reuseport_group,
} from "./udp_table.ts";
import { udplite_checksum_ok, udplite_coverage_ok, udplite_csum } from "./udplite.ts";

/** Datagrams that one send may become. */
const UDP_MAX_SEGMENTS = 128;

const udp_sk = (sk: Sock): UdpSock => sk as UdpSock;
const table_of = (sk: Sock): UdpTable => (sk.sk_protocol === IPPROTO_UDPLITE ? sk.net.udplite_table : sk.net.udp_table);
const mib_of = (sk: Sock): Float64Array => (sk.sk_protocol === IPPROTO_UDPLITE ? sk.net.mib.udplite : sk.net.mib.udp);

// --- sending ------------------------------------------------------------------------------------------------------

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Scratch of udp_sendmsg: one message at a time. */
    udp_ipc: IpcmCookie;
    udp_err: Int32Array;
  }
}

export function udp_sendmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  const inet = sk as InetSock;
  const up = sk as UdpSock;
  if (len > 0xffff) return -EMSGSIZE;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const corkreq = up.corkflag || (flags & MSG_MORE) !== 0;
  const fl4 = inet.fl4;
  const net = sk.net;
  const k = net.kernel;
  if (up.pending !== 0) {
    if (up.pending !== AF_INET) return -EINVAL;
    return udp_append_corked(up, msg, len, flags, corkreq);
  }
  const ulen = len + UDP_HLEN;

  // The destination: from the call, or from connect().
  let daddr: number;
  let dport: number;
  let connected = false;
  const name = msg.msg_name;
  if (name !== null) {
    if (msg.msg_namelen < SOCKADDR_IN_LEN || name.length < SOCKADDR_IN_LEN) return -EINVAL;
    const family = name[0]! | (name[1]! << 8);
    if (family !== AF_INET && family !== AF_UNSPEC) return -EAFNOSUPPORT;
    dport = (name[2]! << 8) | name[3]!;
    daddr = (name[4]! << 24) | (name[5]! << 16) | (name[6]! << 8) | name[7]!;
    if (dport === 0) return -EINVAL;
  } else {
    if (sk.sk_state !== TCP_ESTABLISHED) return -EDESTADDRREQ;
    daddr = inet.inet_daddr;
    dport = inet.inet_dport;
    connected = true;
  }
  const ipc = k.udp_ipc;
  ipcm_init_sk(ipc, inet);
  ipc.gso_size = up.gso_size;
  if (msg.msg_control !== null && msg.msg_controllen > 0) {
    const err = ip_cmsg_send(sk, msg, ipc);
    if (err < 0) return err;
    connected = false;
  }
  if (ipc.opt === null && inet.inet_opt !== null) ipc.opt = inet.inet_opt;
  let saddr = ipc.addr;
  ipc.addr = daddr;
  let faddr = daddr;
  if (ipc.opt !== null && ipc.opt.srr !== 0) {
    if (daddr === 0) return -EINVAL;
    faddr = ipc.opt.faddr;
    connected = false;
  }
  const tos = ipc.tos !== -1 ? ipc.tos : inet.tos;
  const scope =
    sock_flag(sk, SOCK_LOCALROUTE) || (flags & MSG_DONTROUTE) !== 0 || (ipc.opt !== null && ipc.opt.is_strictroute)
      ? RT_SCOPE_LINK
      : RT_SCOPE_UNIVERSE;
  if (scope === RT_SCOPE_LINK) connected = false;
  if (ipv4_is_multicast(daddr)) {
    if (ipc.oif === 0) ipc.oif = inet.mc_index;
    if (saddr === 0) saddr = inet.mc_addr;
    connected = false;
  } else if (ipc.oif === 0 && inet.uc_index !== 0) ipc.oif = inet.uc_index;

  let rt: Rtable | null = null;
  if (connected) {
    rt = __sk_dst_check(sk, 0) as Rtable | null;
    if (rt !== null) {
      rt.refcnt++;
      fl4.saddr = inet.inet_saddr;
      fl4.daddr = daddr;
    }
  }
  if (rt === null) {
    flowi4_init_output(
      fl4,
      ipc.oif,
      ipc.mark,
      tos,
      scope,
      sk.sk_protocol,
      inet.freebind || inet.transparent ? FLOWI_FLAG_ANYSRC : 0,
      faddr,
      saddr,
      dport,
      inet.inet_sport,
    );
    rt = up.last_route(faddr, saddr, ipc.oif, tos, ipc.mark, scope);
    if (rt !== null) {
      fl4.saddr = up.last_fl_saddr;
      fl4.daddr = faddr;
    } else {
      const r = ip_route_output_flow(net, fl4, sk);
      if (typeof r === "number") {
        if (r === -ENETUNREACH) net.mib.ip[IPSTATS_MIB_OUTNOROUTES]!++;
        return r;
      }
      rt = r;
      const fi = k.route_res.fi;
      if (fi !== null && fi.nhs.length === 1 && faddr !== 0)
        up.keep_route(rt, faddr, saddr, ipc.oif, tos, ipc.mark, scope, fl4.saddr);
    }
    if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sock_flag(sk, SOCK_BROADCAST)) {
      dst_release(rt);
      return -EACCES;
    }
    if (rt.error !== 0) {
      const e = rt.error;
      dst_release(rt);
      return e;
    }
    if (connected) {
      rt.refcnt++;
      sk_dst_set(sk, rt);
    }
  }
  if ((flags & MSG_CONFIRM) !== 0) {
    const n = rt.ops.neigh_lookup(rt, daddr);
    if (n !== null) {
      neigh_confirm(n);
      neigh_release(n);
    }
  }
  saddr = fl4.saddr;
  if (ipc.addr === 0) {
    // An unspecified destination became a local one.
    daddr = fl4.daddr;
    ipc.addr = daddr;
  }
  // MSG_PROBE only asks for the path: nothing is sent, and no message begun.
  if ((flags & MSG_PROBE_BIT) !== 0) {
    dst_release(rt);
    return len;
  }
  if (!corkreq) {
    const err = k.udp_err;
    const skb = ip_make_skb(sk, fl4, msg, ulen, UDP_HLEN, ipc, rt, flags, err);
    if (skb === null) return udp_send_error(sk, err[0]!);
    const e = udp_send_skb(skb, up, inet.inet_sport, dport, saddr, fl4.daddr, ipc.gso_size);
    if (e !== 0) return udp_send_error(sk, e);
    if ((flags & MSG_ZEROCOPY) !== 0 && sock_flag(sk, SOCK_ZEROCOPY))
      net_zcopy_put(msg_zerocopy_realloc(sk, len, null));
    return len;
  }
  up.pending = AF_INET;
  fl4.daddr = daddr;
  fl4.saddr = saddr;
  fl4.fl4_dport = dport;
  fl4.fl4_sport = inet.inet_sport;
  up.cork_len = UDP_HLEN;
  const err = ip_append_data(sk, fl4, msg, 0, ulen, UDP_HLEN, ipc, rt, flags | MSG_MORE);
  if (err < 0) {
    // A path too narrow for any fragment: the cork did not take the route.
    if (inet.cork.dst !== rt) dst_release(rt);
    udp_flush_pending_frames(up);
    return udp_send_error(sk, err);
  }
  up.cork_len += len;
  if ((flags & MSG_ZEROCOPY) !== 0 && sock_flag(sk, SOCK_ZEROCOPY)) up.cork_zc++;
  return len;
}

function udp_append_corked(up: UdpSock, msg: MsgHdr, len: number, flags: number, corkreq: boolean): number {
  const ipc = up.net.kernel.udp_ipc;
  const err = ip_append_data(up, up.fl4, msg, 0, len, 0, ipc, null, corkreq ? flags | MSG_MORE : flags);
  if (err < 0) {
    udp_flush_pending_frames(up);
    return udp_send_error(up, err);
  }
  if ((flags & MSG_PROBE_BIT) === 0) up.cork_len += len;
  if ((flags & MSG_ZEROCOPY) !== 0 && sock_flag(up, SOCK_ZEROCOPY)) up.cork_zc++;
  if (!corkreq) {
    const e = udp_push_pending_frames(up);
    if (e < 0) return udp_send_error(up, e);
  }
  return len;
}

/** A send buffer that is full shows in the MIB; waiting is the caller's business. */
function udp_send_error(sk: Sock, err: number): number {
  if (err === -ENOBUFS || err === -EAGAIN) mib_of(sk)[UDP_MIB_SNDBUFERRORS]!++;
  return err;
}

export function udp_flush_pending_frames(up: UdpSock): void {
  if (up.pending === 0) return;
  up.pending = 0;
  up.cork_len = 0;
  up.cork_zc = 0;
  ip_flush_pending_frames(up);
}

/** The corked message goes out as one datagram. */
export function udp_push_pending_frames(up: UdpSock): number {
  const fl4 = up.fl4;
  const skb = ip_finish_skb(up, fl4);
  for (; up.cork_zc > 0; up.cork_zc--) net_zcopy_put(msg_zerocopy_realloc(up, 0, null));
  up.pending = 0;
  up.cork_len = 0;
  if (skb === null) return 0;
  return udp_send_skb(skb, up, fl4.fl4_sport, fl4.fl4_dport, fl4.saddr, fl4.daddr, 0);
}

/** Fills the UDP header and its checksum, and sends. */
function udp_send_skb(
  skb: SkBuff,
  up: UdpSock,
  sport: number,
  dport: number,
  saddr: number,
  daddr: number,
  gso_size: number,
): number {
  if (trace_key.on) trace_fn(F_udp_send_skb, skb);
  const head = skb.head;
  const dv = head.dv;
  const uh = skb.transport_header;
  const len = skb.len - (uh - skb.data);
  const proto = up.sk_protocol;
  dv.setInt32(uh + UDPH_SOURCE, (sport << 16) | dport);
  dv.setInt32(uh + UDPH_LEN, len << 16);
  if (gso_size !== 0 && len - UDP_HLEN > gso_size) {
    const err =
      proto !== IPPROTO_UDP
        ? -EIO
        : gso_size + UDP_HLEN + 20 > skb.dst!.ops.mtu(skb.dst!)
          ? -EMSGSIZE
          : up.sk_no_check_tx || len - UDP_HLEN > gso_size * UDP_MAX_SEGMENTS
            ? -EINVAL
            : 0;
    if (err !== 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
      return err;
    }
    head.gso_size = gso_size;
    head.gso_type = SKB_GSO_UDP_L4;
    head.gso_segs = Math.ceil((len - UDP_HLEN) / gso_size);
    // It will be cut, and each part summed then, by the card or by __udp_gso_segment().
    skb.ip_summed = CHECKSUM_PARTIAL;
  }
  if (proto !== IPPROTO_UDP) {
    udplite_csum(up, skb, len, saddr, daddr);
  } else if (up.sk_no_check_tx) {
    skb.ip_summed = CHECKSUM_NONE;
  } else if (skb.ip_summed === CHECKSUM_PARTIAL && (head.frag_list === null || head.gso_size !== 0)) {
    // The device does it; the field holds the sum of the pseudo header.
    skb.csum_start = uh;
    skb.csum_offset = UDPH_CHECK;
    dv.setInt32(uh + UDPH_LEN, (len << 16) | (~csum_tcpudp_magic(saddr, daddr, len, proto, 0) & 0xffff));
  } else {
    skb.ip_summed = CHECKSUM_NONE;
    const sum = skb_checksum(skb, uh - skb.data, len, 0);
    const check = csum_fold(csum_tcpudp_nofold(saddr, daddr, len, proto, sum));
    dv.setUint16(uh + UDPH_CHECK, check === 0 ? 0xffff : check);
  }
  const mib = mib_of(up);
  const err = ip_send_skb(up, skb);
  if (err === 0) {
    mib[UDP_MIB_OUTDATAGRAMS]!++;
    return 0;
  }
  // A queue that is full is no error to the program unless it asked for errors; who asked counts it in udp_sendmsg().
  if (err === -ENOBUFS && !up.recverr) {
    mib[UDP_MIB_SNDBUFERRORS]!++;
    return 0;
  }
  return err;
}

// --- receiving ----------------------------------------------------------------------------------------------------

/** A connected socket is found before routing: its cached route serves, and PRE_ROUTING may see the socket. */
export function udp_v4_early_demux(skb: SkBuff): number {
  const net = skb.dev!.net;
  if (net.udp_table.connected === 0 || net.ipv4.sysctl_udp_early_demux === 0) return 0;
  if (skb.pkt_type !== PACKET_HOST || !pskb_may_pull(skb, skb.transport_header - skb.data + UDP_HLEN)) return 0;
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const uh = skb.transport_header;
  const sk = __udp4_lib_lookup(
    net.udp_table,
    dv.getInt32(iph + IPH_SADDR),
    dv.getUint16(uh + UDPH_SOURCE),
    dv.getInt32(iph + IPH_DADDR),
    dv.getUint16(uh + UDPH_DEST),
    skb.dev!.ifindex,
    0,
    null,
  );
  if (sk === null || sk.sk_state !== TCP_ESTABLISHED || sk.sk_refcnt === 0) return 0;
  sk.sk_refcnt++;
  skb.sk = sk;
  skb.destructor = sock_efree;
  return 0;
}

function sock_efree(skb: SkBuff): void {
  const sk = skb.sk!;
  if (--sk.sk_refcnt === 0) sk.net.kernel.sk_free_hook(sk);
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    sk_free_hook: (sk: Sock) => void;
  }
}

export const udp_rcv = (skb: SkBuff): number => __udp4_lib_rcv(skb, skb.dev!.net.udp_table, IPPROTO_UDP);
export const udplite_rcv = (skb: SkBuff): number => __udp4_lib_rcv(skb, skb.dev!.net.udplite_table, IPPROTO_UDPLITE);

function __udp4_lib_rcv(skb: SkBuff, table: UdpTable, proto: number): number {
  if (trace_key.on) trace_fn(F_udp_rcv, skb);
  const net = skb.dev!.net;
  const mib = proto === IPPROTO_UDP ? net.mib.udp : net.mib.udplite;
  if (!pskb_may_pull(skb, UDP_HLEN)) return udp_drop(mib, skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const uh = skb.data;
  const saddr = dv.getInt32(iph + IPH_SADDR);
  const daddr = dv.getInt32(iph + IPH_DADDR);
  const ulen = dv.getUint16(uh + UDPH_LEN);
  if (ulen > skb.len) return udp_drop(mib, skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  if (proto !== IPPROTO_UDP) {
    if (!udplite_checksum_ok(skb, saddr, daddr, ulen)) return udp_csum_error(mib, skb);
  } else if (ulen < UDP_HLEN) return udp_drop(mib, skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  else if (ulen < skb.len) pskb_trim_rcsum(skb, ulen);
  // udp4_csum_init: none is fine (RFC 768); short datagrams are summed now, long ones where the data is copied.
  if (skb.ip_summed !== CHECKSUM_UNNECESSARY && skb.ip_summed !== CHECKSUM_PARTIAL && proto === IPPROTO_UDP) {
    const pseudo = csum_tcpudp_nofold(saddr, daddr, ulen, proto, 0);
    if (skb_checksum_init_zero_check(skb, skb.head.dv.getUint16(skb.data + UDPH_CHECK), pseudo) !== 0) {
      return udp_csum_error(mib, skb);
    }
  }

  let sk = skb.sk as UdpSock | null;
  if (sk !== null) {
    // Early demux found it; its reference is given back here.
    skb.sk = null;
    skb.destructor = null;
    const rt = skb.dst;
    if (rt !== null && sk.sk_dst_cache !== rt) sk.rx_dst_ifindex = skb.skb_iif;
    udp_unicast_rcv_skb(sk, skb);
    if (--sk.sk_refcnt === 0) sk.net.kernel.sk_free_hook(sk);
    return 0;
  }
  const rt = skb.dst as Rtable;
  if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0)
    return udp_mcast_deliver(net, skb, table, mib, saddr, daddr);
  sk = __udp4_lib_lookup_skb(skb, table, dv.getUint16(uh + UDPH_SOURCE), dv.getUint16(uh + UDPH_DEST), saddr, daddr);
  if (sk !== null) return udp_unicast_rcv_skb(sk, skb);

  // Nobody listens. A bad checksum stays unanswered.
  if (skb_checksum_complete(skb) !== 0) return udp_csum_error(mib, skb);
  mib[UDP_MIB_NOPORTS]!++;
  icmp_send(skb, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH, 0);
  kfree_skb_reason(skb, SKB_DROP_REASON_NO_SOCKET);
  return 0;
}

function __udp4_lib_lookup_skb(
  skb: SkBuff,
  table: UdpTable,
  sport: number,
  dport: number,
  saddr: number,
  daddr: number,
): UdpSock | null {
  if (trace_key.on) trace_fn(F___udp4_lib_lookup_skb, skb);
  const sk = __udp4_lib_lookup(table, saddr, sport, daddr, dport, skb.dev!.ifindex, 0, skb);
  if (trace_key.on && trace_detail(skb.kernel)) {
    trace_note(
      F___udp4_lib_lookup_skb,
      skb,
      sk === null
        ? { kind: "sock", found: "none", dport }
        : { kind: "sock", found: `udp port ${sk.inet_num}`, pid: sk.sk_owner_pid, dport },
    );
  }
  return sk;
}

function udp_drop(mib: Float64Array, skb: SkBuff, reason: number): number {
  mib[UDP_MIB_INERRORS]!++;
  kfree_skb_reason(skb, reason);
  return 0;
}

function udp_csum_error(mib: Float64Array, skb: SkBuff): number {
  mib[UDP_MIB_CSUMERRORS]!++;
  return udp_drop(mib, skb, SKB_DROP_REASON_UDP_CSUM);
}

function udp_unicast_rcv_skb(sk: UdpSock, skb: SkBuff): number {
  udp_queue_rcv_skb(sk, skb);
  return 0;
}

/** A merged packet reaches a socket that did not ask for such as the datagrams it was made of. */
export function udp_queue_rcv_skb(sk: UdpSock, skb: SkBuff): number {
  if (skb.head.gso_size === 0 || sk.gro_enabled) return udp_queue_rcv_one_skb(sk, skb);
  for (let s = udp_rcv_segment(sk, skb, mib_of(sk)); s !== null; ) {
    const next: SkBuff | null = s.next;
    s.next = null;
    udp_queue_rcv_one_skb(sk, s);
    s = next;
  }
  return 0;
}

/** Filter, buffer, queue, wake. */
function udp_queue_rcv_one_skb(sk: UdpSock, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_udp_queue_rcv_skb, skb);
  const mib = mib_of(sk);
  if (sk.pcflag !== 0 && !udplite_coverage_ok(sk, skb)) {
    mib[UDP_MIB_INERRORS]!++;
    sk.sk_drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return -1;
  }
  if (sk.sk_filter !== null) {
    // A filter sees the whole datagram with its header, and only a correct one.
    if (skb_checksum_complete(skb) !== 0) {
      sk.sk_drops++;
      udp_csum_error(mib, skb);
      return -1;
    }
    if (sk_filter(sk, skb) !== 0) {
      mib[UDP_MIB_INERRORS]!++;
      sk.sk_drops++;
      kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_FILTER);
      return -1;
    }
  }
  if (__udp_enqueue_schedule_skb(sk, skb) < 0) {
    mib[UDP_MIB_RCVBUFERRORS]!++;
    mib[UDP_MIB_INERRORS]!++;
    sk.sk_drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF);
    return -1;
  }
  return 0;
}

/** Charges the receive buffer; over its limit the datagram is refused. The wake-up comes last. */
function __udp_enqueue_schedule_skb(sk: UdpSock, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F___udp_enqueue_schedule_skb, skb);
  // An empty queue takes a datagram of any size.
  const rmem = sk.sk_rmem_alloc;
  if (rmem !== 0 && rmem + skb.truesize > sk.sk_rcvbuf) return -ENOMEM;
  if (skb.dst !== null) ipv4_pktinfo_prepare(sk, skb);
  skb.dev = null;
  // RFS: the flow of a connected socket is steered to where it is read.
  if (sk.inet_daddr !== 0) {
    sk.sk_rxhash = skb.hash;
    sk_mark_incoming(sk, skb);
  } else if (sk.sk_napi_id === 0) sk.sk_napi_id = skb.napi_id;
  skb.dropcount = sk.sk_drops;
  skb_set_owner_r(skb, sk);
  __skb_queue_tail(sk.sk_receive_queue, skb);
  if ((sk.sk_flags & SOCK_DEAD) === 0) sk.sk_data_ready(sk);
  return 0;
}

/** Every socket that may have it gets a copy. */
function udp_mcast_deliver(
  net: Net,
  skb: SkBuff,
  table: UdpTable,
  mib: Float64Array,
  saddr: number,
  daddr: number,
): number {
  const dv = skb.head.dv;
  const uh = skb.data;
  const sport = dv.getUint16(uh + UDPH_SOURCE);
  const dport = dv.getUint16(uh + UDPH_DEST);
  const dif = skb.dev!.ifindex;
  const list = udp_port_list(table, dport);
  let first: UdpSock | null = null;
  for (let i = 0; i < list.length; i++) {
    const sk = list[i]!;
    if (
      sk.inet_num !== dport ||
      sk.net !== net ||
      (sk.inet_daddr !== 0 && sk.inet_daddr !== saddr) ||
      (sk.inet_dport !== 0 && sk.inet_dport !== sport) ||
      (sk.inet_rcv_saddr !== 0 && sk.inet_rcv_saddr !== daddr) ||
      (sk.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== dif) ||
      ipv6_only_sock(sk) ||
      (ipv4_is_multicast(daddr) && !ip_mc_sf_allow(sk, daddr, saddr, dif))
    ) {
      continue;
    }
    if (first === null) first = sk;
    else udp_queue_rcv_skb(sk, skb_clone(skb));
  }
  if (first !== null) udp_queue_rcv_skb(first, skb);
  else {
    mib[UDP_MIB_IGNOREDMULTI]!++;
    consume_skb(skb);
  }
  return 0;
}

/** UDP_GRO: the size of the datagrams in a merged packet. */
function udp_cmsg_recv(msg: MsgHdr, skb: SkBuff): void {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, skb.head.gso_size, true);
  put_cmsg(msg, SOL_UDP, UDP_GRO, data);
}

/**
 * Sums a datagram that a program is about to have: 0 when it is right. In parts, or without taking it, the sum stays with the
 * packet (and IP_CHECKSUM tells it); as a whole it is needed once.
 */
const udp_recv_checksum = (skb: SkBuff, part: boolean): number =>
  part ? __skb_checksum_complete(skb) : csum_fold(skb_checksum(skb, 0, skb.len, skb.csum));

/** An AF_INET6 socket has the sender as a mapped address, and ancillary data of its own. */
function recv_v6(sk: Sock, msg: MsgHdr, skb: SkBuff): void {
  const dv = skb.head.dv;
  const saddr = dv.getInt32(skb.network_header + IPH_SADDR);
  sk.net.kernel.ipv6_stub.datagram_recv(sk, msg, skb, saddr, dv.getUint16(skb.transport_header + UDPH_SOURCE));
}

export function udp_recvmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  if ((flags & MSG_ERRQUEUE) !== 0) return inet_recv_error(sk, msg, len);
  const k = sk.net.kernel;
  if (k.rps_sock_flow_table !== null) sock_rps_record_flow(sk);
  const err = k.udp_err;
  for (;;) {
    const skb = __skb_recv_datagram(sk, flags, err, UDP_HLEN);
    if (skb === null) return err[0]!;
    const peek_off = err[0]!;
    const off = UDP_HLEN;
    const th = skb.transport_header - skb.data;
    const ulen = skb.len - th - off;
    let copied = len;
    if (copied > ulen - peek_off) copied = ulen - peek_off;
    else if (copied < ulen) msg.msg_flags |= MSG_TRUNC;
    const mib = mib_of(sk);
    if (!skb_csum_unnecessary(skb) && udp_recv_checksum(skb, copied < ulen || (flags & MSG_PEEK) !== 0) !== 0) {
      // The datagram is gone, and the next one is tried, as if it had never been there.
      if ((flags & MSG_PEEK) !== 0 && sk.sk_receive_queue.next === skb) __skb_recv_datagram(sk, flags & ~MSG_PEEK, err);
      sk.sk_drops++;
      udp_csum_error(mib, skb);
      if ((flags & MSG_PEEK) !== 0) consume_skb(skb);
      msg.msg_flags &= ~MSG_TRUNC;
      continue;
    }
    const e = skb_copy_datagram_msg(skb, th + off + peek_off, msg, copied);
    if (e < 0) {
      consume_skb(skb);
      return e;
    }
    if (!skb.peeked || (flags & MSG_PEEK) === 0) mib[UDP_MIB_INDATAGRAMS]!++;
    if (sk.sk_tsflags !== 0 || (sk.sk_flags & SOCK_RECV_CMSGS) !== 0) sock_recv_cmsgs(msg, sk, skb);
    const name = msg.msg_name;
    const dv = skb.head.dv;
    if (name !== null && sk.family === AF_INET) {
      if (name.length >= SOCKADDR_IN_LEN) {
        const iph = skb.network_header;
        const sport = dv.getUint16(skb.transport_header + UDPH_SOURCE);
        const saddr = dv.getInt32(iph + IPH_SADDR);
        name[0] = AF_INET;
        name[1] = 0;
        name[2] = sport >> 8;
        name[3] = sport & 0xff;
        name[4] = saddr >>> 24;
        name[5] = (saddr >>> 16) & 0xff;
        name[6] = (saddr >>> 8) & 0xff;
        name[7] = saddr & 0xff;
        for (let i = 8; i < 16; i++) name[i] = 0;
      }
      msg.msg_namelen = SOCKADDR_IN_LEN;
    }
    const inet = sk as InetSock;
    if (inet.pinet6 !== null) recv_v6(sk, msg, skb);
    if ((sk as UdpSock).gro_enabled && skb.head.gso_size !== 0) udp_cmsg_recv(msg, skb);
    if (inet.cmsg_flags !== 0) ip_cmsg_recv_offset(msg, sk, skb, UDP_HLEN);
    const ret = (flags & MSG_TRUNC) !== 0 ? ulen : copied;
    if (sk.sk_peek_off >= 0) (flags & MSG_PEEK) !== 0 ? sk_peek_offset_fwd(sk, ret) : sk_peek_offset_bwd(sk, ret);
    consume_skb(skb);
    return ret;
  }
}

// --- errors -------------------------------------------------------------------------------------------------------

/** An ICMP error about a datagram of ours: skb.data is at its IP header. */
export function udp_err(skb: SkBuff, info: number): number {
  return __udp4_lib_err(skb, info, skb.dev!.net.udp_table);
}
export function udplite_err(skb: SkBuff, info: number): number {
  return __udp4_lib_err(skb, info, skb.dev!.net.udplite_table);
}

function __udp4_lib_err(skb: SkBuff, info: number, table: UdpTable): number {
  const dv = skb.head.dv;
  const iph = skb.data;
  const ihl = (dv.getUint8(iph) & 0xf) << 2;
  const uh = iph + ihl;
  const net = skb.dev!.net;
  const type = dv.getUint8(skb.transport_header);
  const code = dv.getUint8(skb.transport_header + 1);
  const sk = __udp4_lib_lookup(
    table,
    dv.getInt32(iph + IPH_DADDR),
    dv.getUint16(uh + UDPH_DEST),
    dv.getInt32(iph + IPH_SADDR),
    dv.getUint16(uh + UDPH_SOURCE),
    skb.dev!.ifindex,
    0,
    null,
  );
  if (sk === null) {
    net.mib.icmp[ICMP_MIB_INERRORS]!++;
    return -ENOENT;
  }
  const inet = inet_sk(sk);
  let err = 0;
  let harderr = false;
  switch (type) {
    case ICMP_TIME_EXCEEDED:
      err = EHOSTUNREACH;
      break;
    case ICMP_SOURCE_QUENCH:
      return 0;
    case ICMP_PARAMETERPROB:
      err = EPROTO;
      harderr = true;
      break;
    case ICMP_DEST_UNREACH:
      if (code === ICMP_FRAG_NEEDED) {
        ipv4_sk_update_pmtu(skb, sk, info);
        if (inet.pmtudisc !== IP_PMTUDISC_DONT) {
          err = EMSGSIZE;
          harderr = true;
          break;
        }
        return 0;
      }
      err = EHOSTUNREACH;
      if (code <= NR_ICMP_UNREACH) {
        harderr = icmp_err_convert[code]!.fatal;
        err = icmp_err_convert[code]!.errno;
      }
      break;
    case ICMP_REDIRECT:
      ipv4_sk_redirect(skb, sk);
      return 0;
    default:
      return 0;
  }
  // RFC 1122 section 4.1.3.3: pass the error up. Without IP_RECVERR only a connected socket learns of hard ones.
  if (!inet.recverr) {
    if (!harderr || sk.sk_state !== TCP_ESTABLISHED) return 0;
  } else ip_icmp_error(sk, skb, err, dv.getUint16(uh + UDPH_DEST), info, uh + UDP_HLEN);
  sk.sk_err = err;
  sk.sk_error_report(sk);
  return 0;
}

// --- the protocol -------------------------------------------------------------------------------------------------

export function udp_connect(sk: Sock, addr: Uint8Array, len: number): number {
  const was = sk.sk_state === TCP_ESTABLISHED;
  const err = __ip_datagram_connect(sk, addr, len);
  if (err === 0 && !was) table_of(sk).connected++;
  return err;
}

/** Forgets the peer, the device, and the address and port that were not bound explicitly. */
export function udp_disconnect(sk: Sock, _flags: number): number {
  const inet = inet_sk(sk);
  if (sk.sk_state === TCP_ESTABLISHED) table_of(sk).connected--;
  sk.sk_state = TCP_CLOSE;
  inet.inet_daddr = 0;
  inet.inet_dport = 0;
  sk.sk_bound_dev_if = 0;
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) {
    inet.inet_rcv_saddr = 0;
    inet.inet_saddr = 0;
    inet6_reset_saddr(inet.pinet6);
  }
  if ((sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) {
    udp_lib_unhash(table_of(sk), udp_sk(sk));
    inet.inet_sport = 0;
  }
  sk_dst_reset(sk);
  return 0;
}

export function udp_set_gro(up: UdpSock, on: boolean): void {
  if (up.gro_enabled === on) return;
  up.gro_enabled = on;
  udp_gro_enabled_update(up.net.kernel, on ? 1 : -1);
}

function udp_destroy_sock(sk: Sock): void {
  udp_sk(sk).drop_route();
  udp_set_gro(udp_sk(sk), false);
  udp_flush_pending_frames(udp_sk(sk));
  ip_mc_drop_socket(sk);
}

function udp_unhash(sk: Sock): void {
  if (sk.sk_state === TCP_ESTABLISHED) table_of(sk).connected--;
  sk.sk_state = TCP_CLOSE;
  udp_lib_unhash(table_of(sk), udp_sk(sk));
}

export const udp_prot: Proto = {
  name: "UDP",
  obj_size: 1344,
  alloc: (net, family, prot) => new UdpSock(net, family, prot),
  destroy: udp_destroy_sock,
  close: (sk) => sk_common_release(sk),
  connect: udp_connect,
  disconnect: udp_disconnect,
  ioctl: udp_ioctl,
  setsockopt: udp_setsockopt,
  getsockopt: udp_getsockopt,
  sendmsg: udp_sendmsg,
  recvmsg: udp_recvmsg,
  unhash: udp_unhash,
  reuseport_group: (sk) => udp_reuseport_group(table_of(sk), udp_sk(sk)),
  get_port: (sk, snum) => udp_lib_get_port(table_of(sk), udp_sk(sk), snum),
};
export const udplite_prot: Proto = { ...udp_prot, name: "UDP-Lite" };
