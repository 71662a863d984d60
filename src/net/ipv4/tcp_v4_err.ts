// What ICMP says about our segments. Mirrors tcp_v4_err() of net/ipv4/tcp_ipv4.c.
// Read first: RFC 5927 section 4 (which ones to believe), RFC 1122 section 4.2.3.9, RFC 1191, RFC 6069. Way in: tcp_v4_err().

import { trace_fn } from "../../kernel/trace.ts";
import { F_tcp_v4_err } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EHOSTUNREACH, EMSGSIZE, ENOENT, EPROTO } from "../../uapi/errno.ts";
import {
  ICMP_DEST_UNREACH,
  ICMP_FRAG_NEEDED,
  ICMP_HOST_UNREACH,
  ICMP_NET_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  ICMPH_CODE,
  ICMPH_TYPE,
  IPH_DADDR,
  IPH_SADDR,
  IPH_TTL,
  NR_ICMP_UNREACH,
  TCPH_DEST,
  TCPH_SEQ,
  TCPH_SOURCE,
} from "../../uapi/ip.ts";
import { IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE } from "../../uapi/socket.ts";
import { dst_mtu } from "../core/dst.ts";
import type { SkBuff } from "../core/skbuff.ts";
import { ICMP_MIB_INERRORS, LINUX_MIB_OUTOFWINDOWICMPS, LINUX_MIB_TCPMINTTLDROP } from "../core/snmp.ts";
import {
  __sk_dst_check,
  type Sock,
  sock_hold,
  sock_put,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from "../core/sock.ts";
import { icmp_err_convert } from "./icmp.ts";
import { inet_csk_reqsk_queue_drop, inet_csk_reset_xmit_timer, inet_csk_update_pmtu } from "./inet_connection_sock.ts";
import { __inet_lookup_established } from "./inet_hashtables.ts";
import { ip_dont_fragment } from "./ip_output.ts";
import { ip_icmp_error } from "./ip_sockglue.ts";
import type { RequestSock } from "./request_sock.ts";
import type { Rtable } from "./route.ts";
import { tcp_done_with_error } from "./tcp.ts";
import { __tcp_set_rto } from "./tcp_ack.ts";
import { tcp_listendrop } from "./tcp_conn_request.ts";
import { tcp_sync_mss } from "./tcp_mss.ts";
import { tcp_simple_retransmit } from "./tcp_retrans.ts";
import {
  between,
  ICSK_TIME_RETRANS,
  TCP_TIMEOUT_INIT,
  type TcpSock,
  tcp_mstamp_refresh,
  tcp_rtx_queue_head,
  tcp_sk,
} from "./tcp_sock.ts";
import { tcp_retransmit_timer } from "./tcp_timer.ts";

/** The path carries tp.mtu_info bytes only: the route learns it, and what is lost for it goes again in smaller segments. */
export function tcp_v4_mtu_reduced(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (sk.sk_state === TCP_LISTEN || sk.sk_state === TCP_CLOSE) return;
  const dst = inet_csk_update_pmtu(sk, tp.mtu_info);
  if (dst === null) return;
  const mtu = dst_mtu(dst);
  // The route did not believe it, yet we may not fragment: the program may know what to do.
  if (tp.mtu_info < mtu && ip_dont_fragment(tp, dst as Rtable)) sk.sk_err_soft = EMSGSIZE;
  if (tp.pmtudisc !== IP_PMTUDISC_DONT && tp.pmtudisc < IP_PMTUDISC_PROBE && tp.icsk_pmtu_cookie > mtu) {
    tcp_sync_mss(sk, mtu);
    // RFC 1191 section 6.4: no congestion, so no new window.
    tcp_simple_retransmit(sk);
  }
}

/**
 * RFC 6069: an unreachable about the segment that timeouts were waiting for says that the way was broken, not full. One
 * backing off is taken back.
 */
function tcp_ld_RTO_revert(tp: TcpSock, seq: number): void {
  if (seq !== tp.snd_una || tp.icsk_retransmits === 0 || tp.icsk_backoff === 0) return;
  const skb = tcp_rtx_queue_head(tp);
  if (skb === null) return;
  tp.icsk_backoff--;
  const rto = tp.srtt_us !== 0 ? __tcp_set_rto(tp) : TCP_TIMEOUT_INIT;
  tp.icsk_rto = Math.min(rto * 2 ** tp.icsk_backoff, tp.icsk_rto_max);
  tcp_mstamp_refresh(tp);
  const elapsed_us = (tp.tcp_mstamp - skb.skb_mstamp) | 0;
  const remaining_us = tp.icsk_rto * 1000 - elapsed_us;
  if (remaining_us > 0)
    inet_csk_reset_xmit_timer(tp, ICSK_TIME_RETRANS, Math.ceil(remaining_us / 1000), tp.icsk_rto_max);
  // Late already.
  else tcp_retransmit_timer(tp);
}

/** About a SYN-ACK: hard errors (of its very sequence number) end the request. */
function tcp_req_err(req: RequestSock, seq: number, abort: boolean): void {
  if (seq !== req.snt_isn) req.net.mib.linux[LINUX_MIB_OUTOFWINDOWICMPS]!++;
  else if (abort) {
    const listener = req.rsk_listener;
    if (listener === null) return;
    inet_csk_reqsk_queue_drop(listener, req);
    tcp_listendrop(listener);
  }
}

const is_unreach = (type: number, code: number): boolean =>
  type === ICMP_DEST_UNREACH && (code === ICMP_NET_UNREACH || code === ICMP_HOST_UNREACH);

/** An ICMP error about a segment of ours: skb.data is at its IP header, 8 bytes of TCP behind it are there. 0 or -ENOENT. */
export function tcp_v4_err(skb: SkBuff, info: number): number {
  if (trace_key.on) trace_fn(F_tcp_v4_err, skb);
  const dv = skb.head.dv;
  const iph = skb.data;
  const th = iph + ((dv.getUint8(iph) & 0xf) << 2);
  const net = skb.dev!.net;
  const type = dv.getUint8(skb.transport_header + ICMPH_TYPE);
  const code = dv.getUint8(skb.transport_header + ICMPH_CODE);
  const found = __inet_lookup_established(
    net,
    dv.getInt32(iph + IPH_DADDR),
    dv.getUint16(th + TCPH_DEST),
    dv.getInt32(iph + IPH_SADDR),
    dv.getUint16(th + TCPH_SOURCE),
    skb.dev!.ifindex,
  );
  if (found === null) {
    net.mib.icmp[ICMP_MIB_INERRORS]!++;
    return -ENOENT;
  }
  if (found.sk_state === TCP_TIME_WAIT) return 0;
  const seq = dv.getInt32(th + TCPH_SEQ);
  if (found.sk_state === TCP_NEW_SYN_RECV) {
    const abort = type === ICMP_PARAMETERPROB || type === ICMP_TIME_EXCEEDED || is_unreach(type, code);
    tcp_req_err(found as RequestSock, seq, abort);
    return 0;
  }
  const tp = found as TcpSock;
  sock_hold(tp);
  tcp_v4_err_sock(tp, skb, type, code, seq, info, iph, th);
  sock_put(tp);
  return 0;
}

function tcp_v4_err_sock(
  tp: TcpSock,
  skb: SkBuff,
  type: number,
  code: number,
  seq: number,
  info: number,
  iph: number,
  th: number,
): void {
  const dv = skb.head.dv;
  const mib = tp.net.mib.linux;
  if (tp.sk_state === TCP_CLOSE) return;
  if (tp.min_ttl !== 0 && dv.getUint8(iph + IPH_TTL) < tp.min_ttl) {
    mib[LINUX_MIB_TCPMINTTLDROP]!++;
    return;
  }
  const fastopen = tp.fastopen_rsk;
  // RFC 5927 section 4.1: only about what is in flight; else anybody could say it.
  const snd_una = fastopen !== null ? fastopen.snt_isn : tp.snd_una;
  if (tp.sk_state !== TCP_LISTEN && !between(seq, snd_una, tp.snd_nxt)) {
    mib[LINUX_MIB_OUTOFWINDOWICMPS]!++;
    return;
  }
  let err: number;
  switch (type) {
    case ICMP_REDIRECT: {
      const dst = __sk_dst_check(tp, 0);
      if (dst !== null) dst.ops.redirect(dst, tp, skb);
      return;
    }
    case ICMP_PARAMETERPROB:
      err = EPROTO;
      break;
    case ICMP_DEST_UNREACH:
      if (code > NR_ICMP_UNREACH) return;
      if (code === ICMP_FRAG_NEEDED) {
        if (tp.sk_state === TCP_LISTEN) return;
        tp.mtu_info = info;
        tcp_v4_mtu_reduced(tp);
        return;
      }
      err = icmp_err_convert[code]!.errno;
      if (fastopen === null && (code === ICMP_NET_UNREACH || code === ICMP_HOST_UNREACH)) tcp_ld_RTO_revert(tp, seq);
      break;
    case ICMP_TIME_EXCEEDED:
      err = EHOSTUNREACH;
      break;
    default:
      return;
  }
  if (tp.sk_state === TCP_SYN_SENT || tp.sk_state === TCP_SYN_RECV) {
    // A Fast Open child is the program's already: only what it did itself may fail.
    if (fastopen !== null && fastopen.sk === null) return;
    if (tp.recverr) ip_icmp_error(tp, skb, err, dv.getUint16(th + TCPH_DEST), info, th);
    tcp_done_with_error(tp, err);
    return;
  }
  // RFC 1122 section 4.2.3.9: an established connection only notes it, as the way may come back; unless the program asked.
  if (tp.recverr) {
    tp.sk_err = err;
    tp.sk_error_report(tp);
  } else tp.sk_err_soft = err;
}
