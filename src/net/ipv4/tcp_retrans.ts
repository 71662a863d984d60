// Retransmission: by acknowledgments, by probe (TLP), by timer. Mirrors the retransmission half of net/ipv4/tcp_output.c.
// Read first: RFC 6298, RFC 8985 section 7 (TLP). Way in: tcp_retransmit_skb(), tcp_xmit_retransmit_queue(),
// tcp_schedule_loss_probe(), tcp_rearm_rto().
// DIFF: Linux does not retransmit what still waits in its own queues (skb_still_in_host_queue); here a copy goes.

import { trace_fn } from "../../kernel/trace.ts";
import { F_tcp_retransmit_skb } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EAGAIN, EHOSTUNREACH, EINVAL, ENOMEM } from "../../uapi/errno.ts";
import { head_copy, type SkBuff } from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPFASTRETRANS,
  LINUX_MIB_TCPLOSSPROBES,
  LINUX_MIB_TCPRETRANSFAIL,
  LINUX_MIB_TCPSLOWSTARTRETRANS,
  LINUX_MIB_TCPSYNRETRANS,
  TCP_MIB_RETRANSSEGS,
} from "../core/snmp.ts";
import { __sk_dst_check, type Sock } from "../core/sock.ts";
import {
  inet_csk_clear_xmit_timer,
  inet_csk_rebuild_route,
  inet_csk_reset_xmit_timer,
} from "./inet_connection_sock.ts";
import { tcp_rtx_queue_unlink_and_free, tcp_skb_grow } from "./tcp.ts";
import { tcp_rto_min_us } from "./tcp_ack.ts";
import { tcp_set_ca_state } from "./tcp_cong.ts";
import { tcp_clear_all_retrans_hints, tcp_limit_reno_sacked } from "./tcp_cwnd.ts";
import { tcp_current_mss } from "./tcp_mss.ts";
import {
  TCP_FRAG_IN_RTX_QUEUE,
  tcp_adjust_pcount,
  tcp_fragment,
  tcp_pacing_check,
  tcp_set_skb_tso_segs,
  tcp_small_queue_check,
  tcp_transmit_skb,
  tcp_trim_head,
  tcp_tso_autosize,
  tcp_write_xmit,
} from "./tcp_output.ts";
import { tcp_mark_skb_lost } from "./tcp_recovery.ts";
import {
  after,
  before,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  TCP_CA_CWR,
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_NAGLE_OFF,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN,
  TCPCB_EVER_RETRANS,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPHDR_SYN,
  TCPHDR_SYN_ECN,
  type TcpSock,
  tcp_current_ssthresh,
  tcp_in_cwnd_reduction,
  tcp_is_reno,
  tcp_is_sack,
  tcp_packets_in_flight,
  tcp_sk,
  tcp_skb_pcount,
  tcp_wnd_end,
} from "./tcp_sock.ts";
import { tcp_skb_collapse_tstamp } from "./tcp_tstamp.ts";

const us_to_ms = (us: number): number => Math.ceil(us / 1000);

// --- timers -------------------------------------------------------------------------------------------------------

/** ms until pacing lets the next segment go. */
const tcp_pacing_delay = (tp: TcpSock): number => Math.max(0, Math.floor((tp.tcp_wstamp_ns - tp.net.kernel.now) / 1e6));

/** Arms one of the retransmission timers, `when` ms from now; `pace_delay`: or from when the next segment may leave. */
export function tcp_reset_xmit_timer(sk: Sock, what: number, when: number, pace_delay: boolean): void {
  const tp = tcp_sk(sk);
  if (pace_delay) when += tcp_pacing_delay(tp);
  inet_csk_reset_xmit_timer(sk, what, when, tp.icsk_rto_max);
}

/** us until the oldest segment is an RTO old; negative when it is. */
function tcp_rto_delta_us(tp: TcpSock): number {
  const skb = tp.tcp_rtx_queue.next;
  const rto_us = tp.icsk_rto * 1000;
  return skb !== null ? rto_us - ((tp.tcp_mstamp - skb.skb_mstamp) | 0) : rto_us;
}

/** RFC 6298 section 5: new data was acknowledged: the timer starts again; or it is not needed any more. */
export function tcp_rearm_rto(sk: Sock): void {
  const tp = tcp_sk(sk);
  // The timer of a Fast Open child is its SYN-ACK's.
  if (tp.fastopen_rsk !== null) return;
  if (tp.packets_out === 0) {
    inet_csk_clear_xmit_timer(sk, ICSK_TIME_RETRANS);
    return;
  }
  let rto = tp.icsk_rto;
  // A probe or reordering timer ran instead: what is left of the RTO.
  if (tp.icsk_pending === ICSK_TIME_REO_TIMEOUT || tp.icsk_pending === ICSK_TIME_LOSS_PROBE)
    rto = Math.max(us_to_ms(tcp_rto_delta_us(tp)), 1);
  tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, rto, true);
}

/** A probe in place of the RTO when the tail of a flight may be lost: after two RTT. True when it was armed. */
export function tcp_schedule_loss_probe(sk: Sock, advancing_rto: boolean): boolean {
  const tp = tcp_sk(sk);
  if (tp.fastopen_rsk !== null) return false;
  const er = sk.net.ipv4.sysctl_tcp_early_retrans;
  if (
    (er !== 3 && er !== 4) ||
    tp.packets_out === 0 ||
    !tcp_is_sack(tp) ||
    (tp.icsk_ca_state !== TCP_CA_Open && tp.icsk_ca_state !== TCP_CA_CWR)
  ) {
    return false;
  }
  let timeout: number;
  if (tp.srtt_us !== 0) {
    const us = (tp.srtt_us >> 2) + (tp.packets_out === 1 ? tcp_rto_min_us(tp) : TCP_TIMEOUT_MIN * 1000);
    timeout = us_to_ms(us);
  } else timeout = TCP_TIMEOUT_INIT;
  const rto = advancing_rto ? tp.icsk_rto : us_to_ms(tcp_rto_delta_us(tp));
  if (rto > 0) timeout = Math.min(timeout, rto);
  tcp_reset_xmit_timer(sk, ICSK_TIME_LOSS_PROBE, timeout, true);
  return true;
}

/** New data if the window has room for it, else the last segment again (RFC 8985 section 7.3). */
export function tcp_send_loss_probe(sk: Sock): void {
  const tp = tcp_sk(sk);
  const mss = tcp_current_mss(sk);
  if (tp.tlp_high_seq === 0 && probe(tp, mss)) {
    // One at a time; which one it was is seen from the ACK.
    tp.tlp_high_seq = tp.snd_nxt;
    sk.net.mib.linux[LINUX_MIB_TCPLOSSPROBES]!++;
    tp.icsk_pending = 0;
  }
  tcp_rearm_rto(sk);
}

function probe(tp: TcpSock, mss: number): boolean {
  tp.tlp_retrans = false;
  const next = tp.sk_write_queue.next;
  if (next !== null && !after((next.tcp_seq + Math.min(next.len, mss)) | 0, tcp_wnd_end(tp))) {
    const before_it = tp.packets_out;
    tcp_write_xmit(tp, mss, TCP_NAGLE_OFF, 2);
    return tp.packets_out > before_it;
  }
  let skb = tp.tcp_rtx_queue.prev;
  if (skb === null) return false;
  const pcount = tcp_skb_pcount(skb);
  if (pcount > 1 && skb.len > (pcount - 1) * mss) {
    if (tcp_fragment(tp, TCP_FRAG_IN_RTX_QUEUE, skb, (pcount - 1) * mss, mss) < 0) return false;
    skb = skb.next!;
  }
  if (__tcp_retransmit_skb(tp, skb, 1) !== 0) return false;
  tp.tlp_retrans = true;
  return true;
}

// --- small segments -----------------------------------------------------------------------------------------------

/** One segment of data that was not reported, so that it may join the one before. */
const tcp_can_collapse = (skb: SkBuff): boolean => tcp_skb_pcount(skb) <= 1 && (skb.sacked & TCPCB_SACKED_ACKED) === 0;

/** `next` becomes part of `skb`. False: no memory. */
function tcp_collapse_retrans(tp: TcpSock, skb: SkBuff, next: SkBuff): boolean {
  if (skb.uarg !== next.uarg) return false;
  const n = next.len;
  if (n !== 0) {
    // What was cut from it lies behind it already.
    if (next.head !== skb.head || next.data !== skb.tail) {
      if (skb.end - skb.tail < n && !tcp_skb_grow(skb, n)) return false;
      head_copy(skb.head, skb.tail, next.head, next.data, n);
    }
    skb.tail += n;
    if (skb.end < skb.tail) skb.end = skb.tail;
    skb.len += n;
    skb.truesize += n;
    next.truesize -= n;
  }
  skb.tcp_end_seq = next.tcp_end_seq;
  skb.tcp_flags |= next.tcp_flags;
  skb.sacked |= next.sacked & TCPCB_EVER_RETRANS;
  skb.tcp_eor = next.tcp_eor;
  tcp_skb_collapse_tstamp(skb, next);
  if (tp.highest_sack === next) tp.highest_sack = skb;
  if (tp.retransmit_skb_hint === next) tp.retransmit_skb_hint = skb;
  tcp_adjust_pcount(tp, next, tcp_skb_pcount(next));
  tcp_rtx_queue_unlink_and_free(next, tp);
  return true;
}

/** RFC 9293 section 3.8.6.2.1 asks for full segments: small ones that follow go along, as far as `space` allows. */
function tcp_retrans_try_collapse(tp: TcpSock, to: SkBuff, space: number): void {
  if (tp.net.ipv4.sysctl_tcp_retrans_collapse === 0 || (to.tcp_flags & TCPHDR_SYN) !== 0) return;
  if (!tcp_can_collapse(to)) return;
  space -= to.len;
  for (let skb = to.next; skb !== null && !to.tcp_eor && tcp_can_collapse(skb); skb = to.next) {
    space -= skb.len;
    if (space < 0 || after(skb.tcp_end_seq, tcp_wnd_end(tp))) break;
    if (!tcp_collapse_retrans(tp, to, skb)) break;
  }
}

// --- one segment again --------------------------------------------------------------------------------------------

/** Sends up to `segs` segments of an skb of the retransmit queue again. 0 or -errno. */
function __tcp_retransmit_skb(sk: Sock, skb: SkBuff, segs: number): number {
  const tp = tcp_sk(sk);
  if (trace_key.on) trace_fn(F_tcp_retransmit_skb, skb);
  if (tp.mtup_probe_size !== 0) tp.mtup_probe_size = 0;
  if (before(skb.tcp_seq, tp.snd_una)) {
    if ((skb.tcp_flags & TCPHDR_SYN) !== 0) {
      skb.tcp_flags &= ~TCPHDR_SYN;
      skb.tcp_seq = (skb.tcp_seq + 1) | 0;
    }
    if (before(skb.tcp_end_seq, tp.snd_una)) return -EINVAL;
    const acked = (tp.snd_una - skb.tcp_seq) | 0;
    if (acked > 0) tcp_trim_head(sk, skb, Math.min(acked, skb.len));
  }
  if (__sk_dst_check(sk, 0) === null && !inet_csk_rebuild_route(sk)) return -EHOSTUNREACH;
  const mss = tcp_current_mss(sk);
  let room = (tcp_wnd_end(tp) - skb.tcp_seq) | 0;
  if (room <= 0) {
    // A window that shrank: only the first segment goes, as a probe.
    if (skb.tcp_seq !== tp.snd_una) return -EAGAIN;
    room = mss;
  }
  let len = mss * segs;
  if (len > room) {
    len = room - (room % mss);
    if (len === 0) len = room;
  }
  if (skb.len > len) {
    if (tcp_fragment(sk, TCP_FRAG_IN_RTX_QUEUE, skb, len, mss) < 0) return -ENOMEM;
  } else {
    const diff = tcp_skb_pcount(skb) - tcp_set_skb_tso_segs(skb, mss);
    if (diff !== 0) tcp_adjust_pcount(tp, skb, diff);
    room = Math.min(room, mss);
    if (skb.len < room) tcp_retrans_try_collapse(tp, skb, room);
  }
  // RFC 3168 section 6.1.1.1: a SYN that may have been dropped for its ECN bits goes without them.
  if ((skb.tcp_flags & TCPHDR_SYN_ECN) === TCPHDR_SYN_ECN && sk.net.ipv4.sysctl_tcp_ecn_fallback !== 0) {
    skb.tcp_flags &= ~(TCPHDR_ECE | TCPHDR_CWR);
  }
  const n = tcp_skb_pcount(skb);
  sk.net.mib.tcp[TCP_MIB_RETRANSSEGS]! += n;
  if ((skb.tcp_flags & TCPHDR_SYN) !== 0) sk.net.mib.linux[LINUX_MIB_TCPSYNRETRANS]!++;
  tp.total_retrans += n;
  tp.bytes_retrans += skb.len;
  skb.sacked |= TCPCB_EVER_RETRANS;
  const err = tcp_transmit_skb(sk, skb, true);
  if (err !== 0) sk.net.mib.linux[LINUX_MIB_TCPRETRANSFAIL]! += n;
  return err;
}

export function tcp_retransmit_skb(sk: Sock, skb: SkBuff, segs: number): number {
  const tp = tcp_sk(sk);
  const err = __tcp_retransmit_skb(sk, skb, segs);
  if (err === 0) {
    skb.sacked |= TCPCB_SACKED_RETRANS;
    tp.retrans_out += tcp_skb_pcount(skb);
  }
  // The time of the first one (ms): an ACK with an older echo proves that it was not needed.
  if (tp.retrans_stamp === 0) tp.retrans_stamp = Math.floor(sk.net.kernel.now / 1e6) | 0 || 1;
  if (tp.undo_retrans < 0) tp.undo_retrans = 0;
  tp.undo_retrans += tcp_skb_pcount(skb);
  return err;
}

/** Sends again what is marked as lost, as far as the window allows. */
export function tcp_xmit_retransmit_queue(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.packets_out === 0) return;
  const head = tp.tcp_rtx_queue.next;
  const mss = tcp_current_mss(sk);
  const max_segs = tcp_tso_autosize(tp, mss);
  let hole: SkBuff | null = null;
  let rearm = false;
  for (let skb = tp.retransmit_skb_hint ?? head; skb !== null; skb = skb.next) {
    if (tcp_pacing_check(tp)) break;
    if (hole === null) tp.retransmit_skb_hint = skb;
    let segs = tp.snd_cwnd - tcp_packets_in_flight(tp);
    if (segs <= 0) break;
    segs = Math.min(segs, max_segs);
    if (tp.retrans_out >= tp.lost_out) break;
    const sacked = skb.sacked;
    if ((sacked & TCPCB_LOST) === 0) {
      if (hole === null && (sacked & (TCPCB_SACKED_RETRANS | TCPCB_SACKED_ACKED)) === 0) hole = skb;
      continue;
    }
    if ((sacked & (TCPCB_SACKED_ACKED | TCPCB_SACKED_RETRANS)) !== 0) continue;
    const mib = tp.icsk_ca_state !== TCP_CA_Loss ? LINUX_MIB_TCPFASTRETRANS : LINUX_MIB_TCPSLOWSTARTRETRANS;
    if (tcp_small_queue_check(tp, skb, 1)) break;
    if (tcp_retransmit_skb(sk, skb, segs) !== 0) break;
    const n = tcp_skb_pcount(skb);
    sk.net.mib.linux[mib]! += n;
    if (tcp_in_cwnd_reduction(tp)) tp.prr_out += n;
    if (skb === head && tp.icsk_pending !== ICSK_TIME_REO_TIMEOUT) rearm = true;
  }
  if (rearm) tcp_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tp.icsk_rto, true);
}

/** The path became narrower: what no longer fits is lost for sure, without a sign of congestion. */
export function tcp_simple_retransmit(sk: Sock): void {
  const tp = tcp_sk(sk);
  const mss = tcp_current_mss(sk);
  for (let skb = tp.tcp_rtx_queue.next; skb !== null; skb = skb.next)
    if (Math.min(skb.len, skb.tcp_gso_size || skb.len) > mss) tcp_mark_skb_lost(tp, skb);
  tcp_clear_all_retrans_hints(tp);
  if (tp.lost_out === 0) return;
  if (tcp_is_reno(tp)) tcp_limit_reno_sacked(tp);
  tcp_non_congestion_loss_retransmit(sk);
}

/** What is marked lost goes again, without a smaller window: no queue overflowed. */
export function tcp_non_congestion_loss_retransmit(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.icsk_ca_state !== TCP_CA_Loss) {
    tp.high_seq = tp.snd_nxt;
    tp.snd_ssthresh = tcp_current_ssthresh(tp);
    tp.prior_ssthresh = 0;
    tp.undo_marker = 0;
    tcp_set_ca_state(sk, TCP_CA_Loss);
  }
  tcp_xmit_retransmit_queue(sk);
}
