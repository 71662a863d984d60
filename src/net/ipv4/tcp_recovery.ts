// RACK: loss by time. Mirrors net/ipv4/tcp_recovery.c. Read first: RFC 8985.
// Way in: tcp_rack_advance() for each delivered segment, tcp_rack_mark_lost() after each ACK, tcp_rack_reo_timeout() by timer.
// DIFF: Linux keeps a second list in order of sending time; here the retransmit queue is walked.

import type { SkBuff } from "../core/skbuff.ts";
import { LINUX_MIB_TCPLOSTRETRANSMIT } from "../core/snmp.ts";
import type { Sock } from "../core/sock.ts";
import { inet_csk_reset_xmit_timer } from "./inet_connection_sock.ts";
import { tcp_cwnd_reduction, tcp_enter_recovery } from "./tcp_cwnd.ts";
import { TCP_FRAG_IN_RTX_QUEUE, tcp_fragment } from "./tcp_output.ts";
import { tcp_rearm_rto, tcp_xmit_retransmit_queue } from "./tcp_retrans.ts";
import {
  after,
  before,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  TCP_CA_Recovery,
  TCP_TIMEOUT_MIN,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  type TcpSock,
  tcp_min_rtt,
  tcp_packets_in_flight,
  tcp_sk,
  tcp_skb_mss,
  tcp_skb_pcount,
} from "./tcp_sock.ts";

// Bits of net.ipv4.tcp_recovery.
const TCP_RACK_STATIC_REO_WND = 2;
const TCP_RACK_NO_DUPTHRESH = 4;
/** Recoveries for which a wider reordering window lasts. */
const TCP_RACK_RECOVERY_THRESH = 16;

/** RFC 8985 section 6.2 step 4: a quarter of the least RTT for each step of reordering that DSACKs taught us. */
function tcp_rack_reo_wnd(tp: TcpSock): number {
  if (tp.reord_seen === 0) {
    if (tp.icsk_ca_state >= TCP_CA_Recovery) return 0;
    if (tp.sacked_out >= tp.reordering && (tp.net.ipv4.sysctl_tcp_recovery & TCP_RACK_NO_DUPTHRESH) === 0) return 0;
  }
  return Math.min((tcp_min_rtt(tp) >>> 2) * tp.rack_reo_wnd_steps, tp.srtt_us >>> 3);
}

/** us until the segment counts as lost; 0 or less: it does. */
export const tcp_rack_skb_timeout = (tp: TcpSock, skb: SkBuff, reo_wnd: number): number =>
  tp.rack_rtt_us + reo_wnd - ((tp.tcp_mstamp - skb.skb_mstamp) | 0);

/**
 * Sent after the other: by time; in the same microsecond by the order of sending, and two halves of one packet by number. Real
 * computers need longer than that between two packets, virtual time does not.
 */
const tcp_rack_sent_after = (tp: TcpSock, skb: SkBuff): boolean => {
  const dt = (tp.rack_mstamp - skb.skb_mstamp) | 0;
  if (dt !== 0) return dt > 0;
  const order = (tp.rack_serial - skb.tx_serial) | 0;
  return order !== 0 ? order > 0 : after(tp.rack_end_seq, skb.tcp_end_seq);
};

/** Marks a segment as lost, once; one that was retransmitted is lost again. */
export function tcp_mark_skb_lost(tp: TcpSock, skb: SkBuff): void {
  const sacked = skb.sacked;
  if ((sacked & TCPCB_SACKED_ACKED) !== 0) return;
  const hint = tp.retransmit_skb_hint;
  if (hint === null || before(skb.tcp_seq, hint.tcp_seq)) tp.retransmit_skb_hint = hint === null ? null : skb;
  const n = tcp_skb_pcount(skb);
  if ((sacked & TCPCB_LOST) !== 0) {
    if ((sacked & TCPCB_SACKED_RETRANS) !== 0) {
      // The retransmission itself was lost.
      skb.sacked &= ~TCPCB_SACKED_RETRANS;
      tp.retrans_out -= n;
      tp.net.mib.linux[LINUX_MIB_TCPLOSTRETRANSMIT]! += n;
      tp.lost += n;
    }
    return;
  }
  skb.sacked |= TCPCB_LOST;
  tp.lost_out += n;
  tp.lost += n;
}

/** Marks what was sent a reordering window before the newest delivered segment. Returns us to wait for the rest, or 0. */
function tcp_rack_detect_loss(tp: TcpSock): number {
  const reo_wnd = tcp_rack_reo_wnd(tp);
  let wait = 0;
  for (let skb = tp.tcp_rtx_queue.next; skb !== null; skb = skb.next) {
    const sacked = skb.sacked;
    if ((sacked & TCPCB_SACKED_ACKED) !== 0) continue;
    if ((sacked & TCPCB_LOST) !== 0 && (sacked & TCPCB_SACKED_RETRANS) === 0) continue;
    if (!tcp_rack_sent_after(tp, skb)) {
      // Never retransmitted: all behind it were sent later still.
      if ((sacked & TCPCB_RETRANS) === 0) break;
      continue;
    }
    const remaining = tcp_rack_skb_timeout(tp, skb, reo_wnd);
    if (remaining <= 0) tcp_mark_skb_lost(tp, skb);
    else if (remaining > wait) wait = remaining;
  }
  return wait;
}

/** After an ACK that delivered something. True when the reordering timer was armed. */
export function tcp_rack_mark_lost(sk: Sock): boolean {
  const tp = tcp_sk(sk);
  if (!tp.rack_advanced) return false;
  tp.rack_advanced = false;
  const wait = tcp_rack_detect_loss(tp);
  if (wait === 0) return false;
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_REO_TIMEOUT, Math.ceil(wait / 1000) + TCP_TIMEOUT_MIN, tp.icsk_rto);
  return true;
}

/** A segment was delivered: the newest one is the measure for the others (RFC 8985 section 6.2 step 2). */
export function tcp_rack_advance(tp: TcpSock, skb: SkBuff): void {
  const rtt = (tp.tcp_mstamp - skb.skb_mstamp) | 0;
  // An ACK sooner than any RTT ever seen is one for the original, not for its retransmission.
  if (rtt < tcp_min_rtt(tp) && (skb.sacked & TCPCB_RETRANS) !== 0) return;
  tp.rack_advanced = true;
  tp.rack_rtt_us = rtt;
  const dt = (skb.skb_mstamp - tp.rack_mstamp) | 0;
  const order = (skb.tx_serial - tp.rack_serial) | 0;
  if (dt < 0 || (dt === 0 && (order < 0 || (order === 0 && !after(skb.tcp_end_seq, tp.rack_end_seq))))) return;
  tp.rack_mstamp = skb.skb_mstamp;
  tp.rack_serial = skb.tx_serial;
  tp.rack_end_seq = skb.tcp_end_seq;
}

export function tcp_rack_reo_timeout(sk: Sock): void {
  const tp = tcp_sk(sk);
  const lost = tp.lost;
  const prior_inflight = tcp_packets_in_flight(tp);
  tcp_rack_detect_loss(tp);
  if (prior_inflight !== tcp_packets_in_flight(tp)) {
    if (tp.icsk_ca_state !== TCP_CA_Recovery) {
      tcp_enter_recovery(tp, false);
      if (tp.icsk_ca_ops.cong_control === undefined) tcp_cwnd_reduction(tp, 1, tp.lost - lost, false);
    }
    tcp_xmit_retransmit_queue(sk);
  }
  if (tp.icsk_pending !== ICSK_TIME_RETRANS) tcp_rearm_rto(sk);
}

/** RFC 8985 section 6.2 step 4: a round with DSACKs widens the window, 16 recoveries without narrow it again. */
export function tcp_rack_update_reo_wnd(tp: TcpSock, prior_delivered: number): void {
  // An ACK that delivered nothing says nothing of when.
  if ((tp.net.ipv4.sysctl_tcp_recovery & TCP_RACK_STATIC_REO_WND) !== 0 || prior_delivered === 0) return;
  if (prior_delivered - tp.rack_last_delivered < 0) tp.rack_dsack_seen = false;
  if (tp.rack_dsack_seen) {
    tp.rack_reo_wnd_steps = Math.min(0xff, tp.rack_reo_wnd_steps + 1);
    tp.rack_dsack_seen = false;
    tp.rack_last_delivered = tp.delivered;
    tp.rack_reo_wnd_persist = TCP_RACK_RECOVERY_THRESH;
  } else if (tp.rack_reo_wnd_persist === 0) tp.rack_reo_wnd_steps = 1;
}

/** Without SACK: a partial ACK, or three duplicates, mean that the first segment is lost (RFC 6582). */
export function tcp_newreno_mark_lost(sk: Sock, una_advanced: boolean): void {
  const tp = tcp_sk(sk);
  if (
    (tp.icsk_ca_state < TCP_CA_Recovery && tp.sacked_out >= tp.reordering) ||
    (tp.icsk_ca_state === TCP_CA_Recovery && una_advanced)
  ) {
    const skb = tp.tcp_rtx_queue.next;
    if (skb === null || (skb.sacked & TCPCB_LOST) !== 0) return;
    const mss = tcp_skb_mss(skb);
    if (tcp_skb_pcount(skb) > 1 && skb.len > mss) tcp_fragment(tp, TCP_FRAG_IN_RTX_QUEUE, skb, mss, mss);
    tcp_mark_skb_lost(tp, skb);
  }
}
