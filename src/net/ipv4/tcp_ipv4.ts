// TCP over IPv4: segments come in, connections go out, children are born, ICMP speaks. Mirrors net/ipv4/tcp_ipv4.c.
// Read first: RFC 9293 section 3.10.7. Way in: tcp_v4_rcv() from ip_input.ts; tcp_v4_connect() through tcp_prot; replies
// without a connection are in tcp_reply.ts, errors in tcp_v4_err.ts.

import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F___inet_lookup_skb, F_tcp_filter, F_tcp_v4_do_rcv, F_tcp_v4_rcv } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_tcpudp_nofold } from "../../lib/checksum.ts";
import {
  IPH_DADDR,
  IPH_SADDR,
  IPH_TOS,
  IPH_TTL,
  TCPH_ACK,
  TCPH_DEST,
  TCPH_DOFF,
  TCPH_FLAGS,
  TCPH_LEN,
  TCPH_SEQ,
  TCPH_SOURCE,
} from "../../uapi/ip.ts";
import { IPPROTO_TCP, PACKET_HOST } from "../../uapi/socket.ts";
import {
  SKB_DROP_REASON_NO_SOCKET,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_SOCKET_FILTER,
  SKB_DROP_REASON_TCP_CSUM,
  SKB_DROP_REASON_TCP_MD5UNEXPECTED,
  SKB_DROP_REASON_TCP_MINTTL,
  SKB_NOT_DROPPED_YET,
} from "../core/dropreason.ts";
import { dst_check, dst_release } from "../core/dst.ts";
import type { Net } from "../core/net_namespace.ts";
import { __skb_checksum_validate, skb_checksum_complete } from "../core/skb_checksum.ts";
import { kfree_skb_reason, pskb_may_pull, pskb_trim, type SkBuff, skb_dst_set_noref } from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPMD5UNEXPECTED,
  LINUX_MIB_TCPMINTTLDROP,
  TCP_MIB_INCSUMERRORS,
  TCP_MIB_INERRS,
  TCP_MIB_INSEGS,
} from "../core/snmp.ts";
import {
  type Proto,
  type Sock,
  sk_mark_incoming,
  sock_put,
  TCP_ESTABLISHED,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_TIME_WAIT,
} from "../core/sock.ts";
import { bpf_prog_run_skb } from "../core/sock_filter.ts";
import { inet_csk_get_port, inet_csk_reqsk_queue_drop } from "./inet_connection_sock.ts";
import type { InetEhashEntry } from "./inet_hashtables.ts";
import {
  __inet_lookup_established,
  __inet_lookup_listener,
  __inet_lookup_skb,
  inet_hash,
  inet_reuseport_group,
  inet_unhash,
} from "./inet_hashtables.ts";
import { type InetTimewaitSock, inet_twsk_deschedule_put } from "./inet_timewait_sock.ts";
import type { NetProtocol } from "./protocol.ts";
import type { RequestSock } from "./request_sock.ts";
import { cookie_v4_check } from "./syncookies.ts";
import {
  tcp_close,
  tcp_disconnect,
  tcp_getsockopt,
  tcp_ioctl,
  tcp_recvmsg,
  tcp_sendmsg,
  tcp_set_rcvlowat,
  tcp_setsockopt,
} from "./tcp.ts";
import { tcp_rcv_established, tcp_rcv_state_process } from "./tcp_input.ts";
import {
  TCP_TW_ACK,
  TCP_TW_RST,
  TCP_TW_SYN,
  tcp_check_req,
  tcp_child_process,
  tcp_timewait_state_process,
} from "./tcp_minisocks.ts";
import { tcp_v4_send_reset, tcp_v4_timewait_ack } from "./tcp_reply.ts";
import { TCPHDR_FIN, TCPHDR_SYN, TcpSock, tcp_sk } from "./tcp_sock.ts";
import { tcp_set_keepalive } from "./tcp_timer.ts";
import { tcp_get_timestamping_opt_stats } from "./tcp_tstamp.ts";
import { tcp_v4_connect } from "./tcp_v4_connect.ts";
import { tcp_v4_err } from "./tcp_v4_err.ts";
import { tcp_v4_destroy_sock, tcp_v4_init_sock } from "./tcp_v4_sock.ts";

export { tcp_v4_reqsk_send_ack, tcp_v4_send_reset, tcp_v4_timewait_ack } from "./tcp_reply.ts";
export { tcp_v4_connect } from "./tcp_v4_connect.ts";
export { tcp_v4_err, tcp_v4_mtu_reduced } from "./tcp_v4_err.ts";
export {
  sk_setup_caps,
  tcp_v4_destroy_sock,
  tcp_v4_init,
  tcp_v4_init_sock,
  tcp_v4_send_synack,
  tcp_v4_syn_recv_sock,
} from "./tcp_v4_sock.ts";

const TCPOPT_EOL = 0;
const TCPOPT_NOP = 1;
const TCPOPT_MD5SIG = 19;
const TCPOLEN_MD5SIG = 18;

/** Whose a segment is: a connection, a request for one, what is left of one, a listener. */
type Found = InetEhashEntry | null;

/** A connection is found before routing, and its segments go the way that the last one went. */
export function tcp_v4_early_demux(skb: SkBuff): number {
  const net = skb.dev!.net;
  if (net.ipv4.sysctl_tcp_early_demux === 0 || skb.pkt_type !== PACKET_HOST) return 0;
  const th = skb.transport_header;
  if (!pskb_may_pull(skb, th - skb.data + TCPH_LEN)) return 0;
  const dv = skb.head.dv;
  if (dv.getUint8(th + TCPH_DOFF) >> 4 < 5) return 0;
  const iph = skb.network_header;
  const found = __inet_lookup_established(
    net,
    dv.getInt32(iph + IPH_SADDR),
    dv.getUint16(th + TCPH_SOURCE),
    dv.getInt32(iph + IPH_DADDR),
    dv.getUint16(th + TCPH_DEST),
    skb.dev!.ifindex,
  );
  // DIFF: requests and TIME_WAIT are left for tcp_v4_rcv(), as they have no route to lend.
  if (found === null || found.sk_state === TCP_TIME_WAIT || found.sk_state === TCP_NEW_SYN_RECV) return 0;
  const sk = found as TcpSock;
  sk.sk_refcnt++;
  skb.sk = sk;
  skb.destructor = sock_edemux;
  const dst = sk.sk_rx_dst;
  if (dst !== null && sk.rx_dst_ifindex === skb.skb_iif && dst_check(dst, 0) !== null) skb_dst_set_noref(skb, dst);
  return 0;
}

function sock_edemux(skb: SkBuff): void {
  sock_put(skb.sk!);
}

/** The numbers of the segment for everybody behind. SYN and FIN take one each. */
function tcp_v4_fill_cb(skb: SkBuff, dv: DataView, th: number): void {
  const flags = dv.getUint8(th + TCPH_FLAGS);
  const seq = dv.getInt32(th + TCPH_SEQ);
  skb.tcp_seq = seq;
  skb.tcp_end_seq =
    (seq +
      ((flags & TCPHDR_SYN) !== 0 ? 1 : 0) +
      ((flags & TCPHDR_FIN) !== 0 ? 1 : 0) +
      skb.len -
      ((dv.getUint8(th + TCPH_DOFF) >> 4) << 2)) |
    0;
  skb.tcp_ack_seq = dv.getInt32(th + TCPH_ACK);
  skb.tcp_flags = flags;
  skb.tcp_ip_dsfield = dv.getUint8(skb.network_header + IPH_TOS);
  skb.sacked = 0;
  skb.tcp_gso_segs = 0;
  skb.tcp_gso_size = 0;
  skb.tcp_eor = false;
  skb.txstamp_ack = false;
  skb.has_rxtstamp = skb.tstamp !== 0;
}

/** RFC 2385 signatures in a header: 0 none, 1 one, 2 more, which nobody may send. */
export function tcp_md5_options(dv: DataView, th: number): number {
  const end = th + ((dv.getUint8(th + TCPH_DOFF) >> 4) << 2);
  let at = th + TCPH_LEN;
  // Alone and aligned: a timestamp.
  if (at === end || (end - at === 12 && dv.getInt32(at) === 0x0101080a)) return 0;
  let n = 0;
  while (at < end) {
    const kind = dv.getUint8(at);
    if (kind === TCPOPT_EOL) break;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    if (end - at < 2) break;
    const len = dv.getUint8(at + 1);
    if (len < 2 || at + len > end) break;
    if (kind === TCPOPT_MD5SIG && len === TCPOLEN_MD5SIG) n++;
    at += len;
  }
  return n < 2 ? n : 2;
}

/** Signed segments for a socket without a key are dropped, and counted unless they are signed twice. True: dropped. */
function tcp_inbound_md5_refused(net: Net, dv: DataView, th: number): boolean {
  const md5 = tcp_md5_options(dv, th);
  if (md5 === 0) return false;
  if (md5 === 1) net.mib.linux[LINUX_MIB_TCPMD5UNEXPECTED]!++;
  return true;
}

/** The program's filter; it may cut the payload, never the header. True: the segment is not wanted. */
function tcp_filter(sk: Sock, skb: SkBuff): boolean {
  const prog = sk.sk_filter;
  if (prog === null) return false;
  if (trace_key.on) trace_fn(F_tcp_filter, skb);
  const keep = bpf_prog_run_skb(prog, skb);
  if (keep === 0) return true;
  if (keep < skb.len) {
    const header = (skb.head.dv.getUint8(skb.transport_header + TCPH_DOFF) >> 4) << 2;
    if (pskb_trim(skb, Math.max(header, keep)) < 0) return true;
  }
  return false;
}

function tcp_drop(skb: SkBuff, reason: number): number {
  kfree_skb_reason(skb, reason);
  return 0;
}
function tcp_csum_error(net: Net, skb: SkBuff): number {
  net.mib.tcp[TCP_MIB_INCSUMERRORS]!++;
  return tcp_bad_packet(net, skb, SKB_DROP_REASON_TCP_CSUM);
}
function tcp_bad_packet(net: Net, skb: SkBuff, reason: number): number {
  net.mib.tcp[TCP_MIB_INERRS]!++;
  return tcp_drop(skb, reason);
}

/** Which connection, request or listener the segment is for, or that there is none. */
function trace_lookup(skb: SkBuff, found: Found, dport: number): void {
  trace_fn(F___inet_lookup_skb, skb);
  if (!trace_detail(skb.kernel)) return;
  if (found === null) {
    trace_note(F___inet_lookup_skb, skb, { kind: "sock", found: "none", dport });
    return;
  }
  // A request has no process yet: it is its listener's. TIME_WAIT has none any more.
  const state = found.sk_state;
  const owner =
    state === TCP_NEW_SYN_RECV ? (found as RequestSock).rsk_listener : state === TCP_TIME_WAIT ? null : found;
  const pid = owner === null ? 0 : (owner as TcpSock).sk_owner_pid;
  trace_note(F___inet_lookup_skb, skb, { kind: "sock", found: `tcp port ${found.inet_num}`, pid, state, dport });
}

/** inet_protos[IPPROTO_TCP]: the packet ends here in every case. skb.data is at the TCP header. */
export function tcp_v4_rcv(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_tcp_v4_rcv, skb);
  const net = skb.dev!.net;
  if (skb.pkt_type !== PACKET_HOST) return tcp_drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  net.mib.tcp[TCP_MIB_INSEGS]!++;
  if (!pskb_may_pull(skb, TCPH_LEN)) return tcp_drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  let th = skb.data;
  const hlen = (skb.head.dv.getUint8(th + TCPH_DOFF) >> 4) << 2;
  if (hlen < TCPH_LEN) return tcp_bad_packet(net, skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  if (!pskb_may_pull(skb, hlen)) return tcp_drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  th = skb.data;
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const saddr = dv.getInt32(iph + IPH_SADDR);
  const daddr = dv.getInt32(iph + IPH_DADDR);
  // Short segments are summed now, long ones with their copy to the program or before they are queued.
  const pseudo = csum_tcpudp_nofold(saddr, daddr, skb.len, IPPROTO_TCP, 0);
  if (__skb_checksum_validate(skb, false, false, 0, pseudo) !== 0) return tcp_csum_error(net, skb);

  const sport = dv.getUint16(th + TCPH_SOURCE);
  const dport = dv.getUint16(th + TCPH_DEST);
  let found: Found;
  if (skb.sk !== null) {
    // Early demux found it; the reference that it took is given back below.
    found = skb.sk as TcpSock;
    skb.sk = null;
    skb.destructor = null;
  } else {
    found = __inet_lookup_skb(skb, sport, dport);
    if (found !== null && found.sk_state !== TCP_TIME_WAIT && found.sk_state !== TCP_NEW_SYN_RECV)
      (found as TcpSock).sk_refcnt++;
  }
  if (trace_key.on) trace_lookup(skb, found, dport);
  for (;;) {
    if (found === null) return tcp_v4_no_socket(net, skb, dv, th);
    if (found.sk_state === TCP_TIME_WAIT) {
      const next = tcp_v4_do_time_wait(net, found as InetTimewaitSock, skb, saddr, sport, daddr, dport);
      if (next === null) return 0;
      found = next;
    }
    if (found.sk_state !== TCP_NEW_SYN_RECV) return tcp_v4_rcv_sock(net, found as TcpSock, skb, dv, th);
    if (tcp_v4_new_syn_recv(net, found as RequestSock, skb, dv, th)) return 0;
    // The request is gone: its listener closed, or it became a connection meanwhile.
    found = __inet_lookup_skb(skb, sport, dport);
    if (found !== null && found.sk_state !== TCP_TIME_WAIT && found.sk_state !== TCP_NEW_SYN_RECV)
      (found as TcpSock).sk_refcnt++;
  }
}

/** Nobody wants it: RST, unless the checksum is bad (then the ports may be, too). */
function tcp_v4_no_socket(net: Net, skb: SkBuff, dv: DataView, th: number): number {
  if (skb_checksum_complete(skb) !== 0) return tcp_csum_error(net, skb);
  // A signature that we cannot check: whoever asks gets no answer that he could not check either.
  if (tcp_md5_options(dv, th) === 0) tcp_v4_send_reset(null, skb, SKB_DROP_REASON_NO_SOCKET);
  return tcp_drop(skb, SKB_DROP_REASON_NO_SOCKET);
}

/** For a connection or a listener, on which the caller holds a reference that ends here. */
function tcp_v4_rcv_sock(net: Net, sk: TcpSock, skb: SkBuff, dv: DataView, th: number): number {
  let reason: number = SKB_NOT_DROPPED_YET;
  if (sk.min_ttl !== 0 && dv.getUint8(skb.network_header + IPH_TTL) < sk.min_ttl) {
    net.mib.linux[LINUX_MIB_TCPMINTTLDROP]!++;
    reason = SKB_DROP_REASON_TCP_MINTTL;
  } else if (tcp_inbound_md5_refused(net, dv, th)) {
    sk.sk_drops++;
    reason = SKB_DROP_REASON_TCP_MD5UNEXPECTED;
  } else if (sk.sk_filter !== null && tcp_filter(sk, skb)) {
    sk.sk_drops++;
    reason = SKB_DROP_REASON_SOCKET_FILTER;
  } else {
    tcp_v4_fill_cb(skb, skb.head.dv, skb.transport_header);
    if (sk.sk_state !== TCP_LISTEN) {
      sk_mark_incoming(sk, skb);
      tcp_segs_in(sk, skb);
    }
    tcp_v4_do_rcv(sk, skb);
  }
  if (reason !== SKB_NOT_DROPPED_YET) {
    // A sequence number that TIME_WAIT gave was for this SYN only.
    skb.kernel.tcp_tw_isn = 0;
    kfree_skb_reason(skb, reason);
  }
  sock_put(sk);
  return 0;
}

/** Segments as the sender counted them: GRO may have merged some (tcpi_segs_in, tcpi_data_segs_in). */
export function tcp_segs_in(tp: TcpSock, skb: SkBuff): void {
  const segs = skb.head.gso_segs || 1;
  tp.segs_in += segs;
  if (skb.len > (skb.head.dv.getUint8(skb.transport_header + TCPH_DOFF) >> 4) << 2) tp.data_segs_in += segs;
}

/** A segment for a request. True: it is done with; false: the request is gone and the lookup begins anew. */
function tcp_v4_new_syn_recv(net: Net, req: RequestSock, skb: SkBuff, dv: DataView, th: number): boolean {
  const sk = req.rsk_listener!;
  if (sk.sk_state !== TCP_LISTEN) {
    inet_csk_reqsk_queue_drop(sk, req);
    return false;
  }
  // The first data may come with the ACK that ends the handshake.
  if (skb_checksum_complete(skb) !== 0) {
    tcp_csum_error(net, skb);
    return true;
  }
  if (tcp_inbound_md5_refused(net, dv, th)) {
    sk.sk_drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON_TCP_MD5UNEXPECTED);
    return true;
  }
  if (tcp_filter(sk, skb)) {
    sk.sk_drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_FILTER);
    return true;
  }
  tcp_v4_fill_cb(skb, skb.head.dv, skb.transport_header);
  sk.sk_refcnt++;
  const k = skb.kernel;
  k.tcp_req_stolen = false;
  const nsk = tcp_check_req(sk, skb, req, false);
  if (nsk === null) {
    sock_put(sk);
    // Another ACK of the same handshake was faster.
    if (k.tcp_req_stolen) return false;
    sk.sk_drops++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return true;
  }
  if (nsk === sk) tcp_v4_do_rcv(sk, skb);
  else {
    const reason = tcp_child_process(sk, nsk, skb);
    if (reason !== 0) {
      tcp_v4_send_reset(nsk, skb, reason);
      kfree_skb_reason(skb, reason);
    }
  }
  sock_put(sk);
  return true;
}

/** TIME_WAIT answers, or a new SYN ends it: then the listener, with a reference, for which the packet is. Null: done with. */
function tcp_v4_do_time_wait(
  net: Net,
  tw: InetTimewaitSock,
  skb: SkBuff,
  saddr: number,
  sport: number,
  daddr: number,
  dport: number,
): TcpSock | null {
  if (skb_checksum_complete(skb) !== 0) {
    tcp_csum_error(net, skb);
    return null;
  }
  const th = skb.transport_header;
  tcp_v4_fill_cb(skb, skb.head.dv, th);
  switch (tcp_timewait_state_process(tw, skb, th)) {
    case TCP_TW_SYN: {
      const sk = __inet_lookup_listener(net, skb, saddr, sport, daddr, dport, skb.dev!.ifindex);
      if (sk !== null) {
        inet_twsk_deschedule_put(tw);
        sk.sk_refcnt++;
        return sk;
      }
      skb.kernel.tcp_tw_isn = 0;
      tcp_v4_timewait_ack(tw, skb);
      break;
    }
    case TCP_TW_ACK:
      tcp_v4_timewait_ack(tw, skb);
      break;
    case TCP_TW_RST:
      tcp_v4_send_reset(tw, skb, SKB_DROP_REASON_NOT_SPECIFIED);
      inet_twsk_deschedule_put(tw);
      break;
  }
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return null;
}

/** The segment meets its socket; the numbers of its header are in the skb. It ends here in every case. */
export function tcp_v4_do_rcv(sk: Sock, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_tcp_v4_do_rcv, skb);
  const tp = tcp_sk(sk);
  if (sk.sk_state === TCP_ESTABLISHED) {
    const rx = tp.sk_rx_dst;
    if (rx === null || rx !== skb.dst || tp.rx_dst_ifindex !== skb.skb_iif) inet_sk_rx_dst_set(tp, skb);
    sk.sk_rxhash = skb.hash;
    tcp_rcv_established(sk, skb);
    return 0;
  }
  if (skb_checksum_complete(skb) !== 0) {
    tcp_csum_error(sk.net, skb);
    return 0;
  }
  let rsk: Sock = sk;
  let reason: number;
  if (sk.sk_state === TCP_LISTEN) {
    const nsk = cookie_v4_check(sk, skb);
    if (nsk === null) return 0;
    if (nsk !== sk) {
      rsk = nsk;
      reason = tcp_child_process(tp, tcp_sk(nsk), skb);
    } else reason = tcp_rcv_state_process(sk, skb);
  } else {
    sk.sk_rxhash = skb.hash;
    reason = tcp_rcv_state_process(sk, skb);
  }
  if (reason !== 0) {
    tcp_v4_send_reset(rsk, skb, reason);
    kfree_skb_reason(skb, reason);
  }
  return 0;
}

/** The next segments of the connection need no routing while they come in by the same device. */
export function inet_sk_rx_dst_set(tp: TcpSock, skb: SkBuff): void {
  const old = tp.sk_rx_dst;
  const dst = skb.dst;
  if (dst !== null) {
    dst.refcnt++;
    tp.rx_dst_ifindex = skb.skb_iif;
  }
  tp.sk_rx_dst = dst;
  if (old !== null) dst_release(old);
}

export const tcp_protocol: NetProtocol = {
  name: "TCP",
  early_demux: tcp_v4_early_demux,
  handler: tcp_v4_rcv,
  err_handler: tcp_v4_err,
  no_policy: true,
  icmp_strict_tag_validation: true,
};

export const tcp_prot: Proto = {
  name: "TCP",
  obj_size: 2304,
  alloc: (net, family, prot) => new TcpSock(net, family, prot),
  init: tcp_v4_init_sock,
  destroy: tcp_v4_destroy_sock,
  close: tcp_close,
  connect: tcp_v4_connect,
  disconnect: tcp_disconnect,
  ioctl: tcp_ioctl,
  setsockopt: tcp_setsockopt,
  getsockopt: tcp_getsockopt,
  sendmsg: tcp_sendmsg,
  recvmsg: tcp_recvmsg,
  backlog_rcv: tcp_v4_do_rcv,
  hash: inet_hash,
  unhash: inet_unhash,
  get_port: inet_csk_get_port,
  memory: (k) => [k.tcp_memory_allocated, k.tcp_memory_pressure !== 0],
  keepalive: tcp_set_keepalive,
  set_rcvlowat: tcp_set_rcvlowat,
  reuseport_group: inet_reuseport_group,
  timestamping_opt_stats: tcp_get_timestamping_opt_stats,
};
