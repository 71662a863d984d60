// What a loss does to the congestion window, and how it is taken back. Mirrors the state machine's parts of
// net/ipv4/tcp_input.c. Read first: RFC 5681, RFC 6937 (PRR), RFC 3522 and RFC 4015 (Eifel), RFC 3708 (DSACK), RFC 5682 (F-RTO).
// Way in: tcp_enter_cwr(), tcp_enter_recovery(), tcp_enter_loss(), tcp_cwnd_reduction(), tcp_try_undo_*().

import { jiffies } from "../../kernel/kernel.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPDSACKUNDO,
  LINUX_MIB_TCPFULLUNDO,
  LINUX_MIB_TCPLOSSUNDO,
  LINUX_MIB_TCPPARTIALUNDO,
  LINUX_MIB_TCPRENORECOVERY,
  LINUX_MIB_TCPSACKRECOVERY,
  LINUX_MIB_TCPSACKRENEGING,
  LINUX_MIB_TCPSPURIOUSRTOS,
} from "../core/snmp.ts";
import { type Sock, TCP_SYN_SENT } from "../core/sock.ts";
import { CA_EVENT_COMPLETE_CWR, CA_EVENT_LOSS, tcp_ca_event, tcp_set_ca_state } from "./tcp_cong.ts";
import { tcp_mark_skb_lost, tcp_rack_skb_timeout } from "./tcp_recovery.ts";
import { tcp_check_sack_reordering } from "./tcp_sack.ts";
import {
  after,
  before,
  TCP_CA_CWR,
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_ECN_OK,
  TCP_ECN_QUEUE_CWR,
  TCP_INFINITE_SSTHRESH,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  type TcpSock,
  tcp_current_ssthresh,
  tcp_in_cwnd_reduction,
  tcp_is_reno,
  tcp_is_sack,
  tcp_left_out,
  tcp_packets_in_flight,
  tcp_sk,
} from "./tcp_sock.ts";

const tcp_ecn_queue_cwr = (tp: TcpSock): void => {
  if ((tp.ecn_flags & TCP_ECN_OK) !== 0) tp.ecn_flags |= TCP_ECN_QUEUE_CWR;
};

// --- proportional rate reduction (RFC 6937) -----------------------------------------------------------------------

export function tcp_init_cwnd_reduction(tp: TcpSock): void {
  tp.high_seq = tp.snd_nxt;
  tp.tlp_high_seq = 0;
  tp.snd_cwnd_cnt = 0;
  tp.prior_cwnd = tp.snd_cwnd;
  tp.prr_delivered = 0;
  tp.prr_out = 0;
  tp.snd_ssthresh = tp.icsk_ca_ops.ssthresh(tp);
  tcp_ecn_queue_cwr(tp);
}

export function tcp_cwnd_reduction(
  tp: TcpSock,
  newly_acked_sacked: number,
  newly_lost: number,
  una_advanced: boolean,
): void {
  if (newly_acked_sacked <= 0 || tp.prior_cwnd === 0) return;
  const in_flight = tcp_packets_in_flight(tp);
  const delta = tp.snd_ssthresh - in_flight;
  tp.prr_delivered += newly_acked_sacked;
  let sndcnt: number;
  if (delta < 0) {
    sndcnt = Math.floor((tp.snd_ssthresh * tp.prr_delivered + tp.prior_cwnd - 1) / tp.prior_cwnd) - tp.prr_out;
  } else {
    sndcnt = Math.max(tp.prr_delivered - tp.prr_out, newly_acked_sacked);
    // Slow start reduction bound: while nothing more is lost, one more.
    if (una_advanced && newly_lost === 0) sndcnt++;
    sndcnt = Math.min(delta, sndcnt);
  }
  // The fast retransmission itself always goes.
  sndcnt = Math.max(sndcnt, tp.prr_out !== 0 ? 0 : 1);
  tp.snd_cwnd = in_flight + sndcnt;
}

export function tcp_end_cwnd_reduction(tp: TcpSock): void {
  if (tp.icsk_ca_ops.cong_control !== undefined) return;
  if (tp.snd_ssthresh < TCP_INFINITE_SSTHRESH && (tp.icsk_ca_state === TCP_CA_CWR || tp.undo_marker !== 0)) {
    tp.snd_cwnd = tp.snd_ssthresh;
    tp.snd_cwnd_stamp = jiffies(tp.net.kernel);
  }
  tcp_ca_event(tp, CA_EVENT_COMPLETE_CWR);
}

/** The window halves (or what the congestion control says) without a loss: ECN, or a full queue of our own. */
export function tcp_enter_cwr(sk: Sock): void {
  const tp = tcp_sk(sk);
  tp.prior_ssthresh = 0;
  if (tp.icsk_ca_state < TCP_CA_CWR) {
    tp.undo_marker = 0;
    tcp_init_cwnd_reduction(tp);
    tcp_set_ca_state(sk, TCP_CA_CWR);
  }
}

/** From here on an undo may find that nothing was lost. */
function tcp_init_undo(tp: TcpSock): void {
  tp.undo_marker = tp.snd_una;
  // A loss probe that retransmitted counts as well.
  let n = tp.retrans_out;
  if (tp.tlp_high_seq !== 0 && tp.tlp_retrans) n++;
  tp.undo_retrans = n !== 0 ? n : -1;
}

export function tcp_enter_recovery(tp: TcpSock, ece_ack: boolean): void {
  tcp_retrans_stamp_cleanup(tp);
  tp.net.mib.linux[tcp_is_reno(tp) ? LINUX_MIB_TCPRENORECOVERY : LINUX_MIB_TCPSACKRECOVERY]!++;
  tp.prior_ssthresh = 0;
  tcp_init_undo(tp);
  if (!tcp_in_cwnd_reduction(tp)) {
    if (!ece_ack) tp.prior_ssthresh = tcp_current_ssthresh(tp);
    tcp_init_cwnd_reduction(tp);
  }
  tcp_set_ca_state(tp, TCP_CA_Recovery);
}

export function tcp_clear_retrans(tp: TcpSock): void {
  tp.retrans_out = 0;
  tp.lost_out = 0;
  tp.undo_marker = 0;
  tp.undo_retrans = -1;
  tp.sacked_out = 0;
  tp.rto_stamp = 0;
  tp.total_rto = 0;
  tp.total_rto_recoveries = 0;
  tp.total_rto_time = 0;
}

export function tcp_clear_all_retrans_hints(tp: TcpSock): void {
  tp.retransmit_skb_hint = null;
}

// --- timeout ------------------------------------------------------------------------------------------------------

function tcp_timeout_mark_lost(tp: TcpSock): void {
  const head = tp.tcp_rtx_queue.next;
  const is_reneg = head !== null && (head.sacked & TCPCB_SACKED_ACKED) !== 0;
  if (is_reneg) {
    // The receiver threw away what it had reported (RFC 2018 section 8): forget all reports.
    tp.net.mib.linux[LINUX_MIB_TCPSACKRENEGING]!++;
    tp.is_sack_reneg = true;
    tp.sacked_out = 0;
  } else if (tcp_is_reno(tp)) tp.sacked_out = 0;
  for (let skb: SkBuff | null = head; skb !== null; skb = skb.next) {
    if (is_reneg) skb.sacked &= ~TCPCB_SACKED_ACKED;
    else if (skb !== head && tcp_rack_skb_timeout(tp, skb, 0) > 0) continue;
    tcp_mark_skb_lost(tp, skb);
  }
  tcp_clear_all_retrans_hints(tp);
}

/** The retransmission timer expired: slow start from one segment (RFC 5681 section 3.1), F-RTO watches if it was right. */
export function tcp_enter_loss(sk: Sock): void {
  const tp = tcp_sk(sk);
  const new_recovery = tp.icsk_ca_state < TCP_CA_Recovery;
  const reordering = tp.net.ipv4.sysctl_tcp_reordering;
  tcp_timeout_mark_lost(tp);
  if (
    tp.icsk_ca_state <= TCP_CA_Disorder ||
    !after(tp.high_seq, tp.snd_una) ||
    (tp.icsk_ca_state === TCP_CA_Loss && tp.icsk_retransmits === 0)
  ) {
    tp.prior_ssthresh = tcp_current_ssthresh(tp);
    tp.prior_cwnd = tp.snd_cwnd;
    tp.snd_ssthresh = tp.icsk_ca_ops.ssthresh(tp);
    tcp_ca_event(tp, CA_EVENT_LOSS);
    tcp_init_undo(tp);
  }
  tp.snd_cwnd = tcp_packets_in_flight(tp) + 1;
  tp.snd_cwnd_cnt = 0;
  tp.snd_cwnd_stamp = jiffies(tp.net.kernel);
  // What was taken for reordering was not.
  if (tp.icsk_ca_state <= TCP_CA_Disorder && tp.sacked_out >= reordering)
    tp.reordering = Math.min(tp.reordering, reordering);
  tcp_set_ca_state(tp, TCP_CA_Loss);
  tp.high_seq = tp.snd_nxt;
  tp.tlp_high_seq = 0;
  tcp_ecn_queue_cwr(tp);
  tp.frto =
    tp.net.ipv4.sysctl_tcp_frto !== 0 && (new_recovery || tp.icsk_retransmits !== 0) && tp.mtup_probe_size === 0;
}

// --- undo ---------------------------------------------------------------------------------------------------------

/** The ACK answers what was sent before the first retransmission: it was on its way (Eifel, RFC 3522). */
function tcp_packet_delayed(tp: TcpSock): boolean {
  const opt = tp.rx_opt;
  if (tp.retrans_stamp !== 0) return opt.saw_tstamp && opt.rcv_tsecr !== 0 && before(opt.rcv_tsecr, tp.retrans_stamp);
  // Nothing was retransmitted yet (pacing or full queues put it off), and still there is progress. Two places forget the
  // stamp though something was: without SACK at the end of a window, and the SYN.
  if (!tcp_is_sack(tp) && !before(tp.snd_una, tp.high_seq)) return false;
  return tp.sk_state !== TCP_SYN_SENT;
}
const tcp_may_undo = (tp: TcpSock): boolean =>
  tp.undo_marker !== 0 && (tp.undo_retrans === 0 || tcp_packet_delayed(tp));

function tcp_any_retrans_done(tp: TcpSock): boolean {
  if (tp.retrans_out !== 0) return true;
  const skb = tp.tcp_rtx_queue.next;
  return skb !== null && (skb.sacked & TCPCB_RETRANS) !== 0;
}

/** The time of the first retransmission counts for as long as one is out. */
export function tcp_retrans_stamp_cleanup(tp: TcpSock): void {
  if (!tcp_any_retrans_done(tp)) tp.retrans_stamp = 0;
}

/** Without SACK a window that was just passed could start a false recovery (RFC 6582 section 5): stay one ACK longer. */
function tcp_is_non_sack_preventing_reopen(tp: TcpSock): boolean {
  if (tp.snd_una === tp.high_seq && tcp_is_reno(tp)) {
    tcp_retrans_stamp_cleanup(tp);
    return true;
  }
  return false;
}

function tcp_undo_cwnd_reduction(tp: TcpSock, unmark_loss: boolean): void {
  if (unmark_loss) {
    for (let skb = tp.tcp_rtx_queue.next; skb !== null; skb = skb.next) skb.sacked &= ~TCPCB_LOST;
    tp.lost_out = 0;
    tcp_clear_all_retrans_hints(tp);
  }
  if (tp.prior_ssthresh !== 0) {
    tp.snd_cwnd = tp.icsk_ca_ops.undo_cwnd(tp);
    if (tp.prior_ssthresh > tp.snd_ssthresh) {
      tp.snd_ssthresh = tp.prior_ssthresh;
      tp.ecn_flags &= ~TCP_ECN_QUEUE_CWR;
    }
  }
  tp.snd_cwnd_stamp = jiffies(tp.net.kernel);
  tp.undo_marker = 0;
  tp.rack_advanced = true;
}

/** All that was out when recovery began is acknowledged. True: the state stays (no SACK). */
export function tcp_try_undo_recovery(tp: TcpSock): boolean {
  if (tcp_may_undo(tp)) {
    const loss = tp.icsk_ca_state === TCP_CA_Loss;
    tcp_undo_cwnd_reduction(tp, false);
    tp.net.mib.linux[loss ? LINUX_MIB_TCPLOSSUNDO : LINUX_MIB_TCPFULLUNDO]!++;
  } else if (tp.rack_reo_wnd_persist > 0) tp.rack_reo_wnd_persist--;
  if (tcp_is_non_sack_preventing_reopen(tp)) return true;
  tcp_set_ca_state(tp, TCP_CA_Open);
  tp.is_sack_reneg = false;
  return false;
}

/** Every retransmission was reported as a duplicate (RFC 3708). */
export function tcp_try_undo_dsack(tp: TcpSock): boolean {
  if (tp.undo_marker === 0 || tp.undo_retrans !== 0) return false;
  tp.rack_reo_wnd_persist = Math.min(16, tp.rack_reo_wnd_persist + 1);
  tcp_undo_cwnd_reduction(tp, false);
  tp.net.mib.linux[LINUX_MIB_TCPDSACKUNDO]!++;
  return true;
}

export function tcp_try_undo_loss(tp: TcpSock, frto_undo: boolean): boolean {
  if (!frto_undo && !tcp_may_undo(tp)) return false;
  tcp_undo_cwnd_reduction(tp, true);
  tp.net.mib.linux[LINUX_MIB_TCPLOSSUNDO]!++;
  if (frto_undo) tp.net.mib.linux[LINUX_MIB_TCPSPURIOUSRTOS]!++;
  tp.icsk_retransmits = 0;
  if (tcp_is_non_sack_preventing_reopen(tp)) return true;
  if (frto_undo || tcp_is_sack(tp)) {
    tcp_set_ca_state(tp, TCP_CA_Open);
    tp.is_sack_reneg = false;
  }
  return true;
}

/** A part was acknowledged, and its ACK says that it was not lost. True: nothing more is to be done with this ACK. */
export function tcp_try_undo_partial(tp: TcpSock, prior_snd_una: number): boolean {
  if (tp.undo_marker === 0 || !tcp_packet_delayed(tp)) return false;
  tcp_check_sack_reordering(tp, prior_snd_una, true);
  // Retransmissions still out would only confuse what follows.
  if (tp.retrans_out !== 0) return true;
  tcp_retrans_stamp_cleanup(tp);
  tcp_undo_cwnd_reduction(tp, true);
  tp.net.mib.linux[LINUX_MIB_TCPPARTIALUNDO]!++;
  tcp_try_keep_open(tp);
  // Something may have been lost as well: RACK looks at what is out.
  return false;
}

export function tcp_try_keep_open(tp: TcpSock): void {
  const state = tcp_left_out(tp) !== 0 || tcp_any_retrans_done(tp) ? TCP_CA_Disorder : TCP_CA_Open;
  if (tp.icsk_ca_state !== state) {
    tcp_set_ca_state(tp, state);
    tp.high_seq = tp.snd_nxt;
  }
}

export function tcp_try_to_open(tp: TcpSock, ece: boolean): void {
  tcp_retrans_stamp_cleanup(tp);
  if (ece) tcp_enter_cwr(tp);
  if (tp.icsk_ca_state !== TCP_CA_CWR) tcp_try_keep_open(tp);
}

// --- duplicate ACKs without SACK ----------------------------------------------------------------------------------

/** At most as many as were sent after the first hole. True when there were more: packets were reordered. */
export function tcp_limit_reno_sacked(tp: TcpSock): boolean {
  const holes = Math.min(Math.max(tp.lost_out, 1), tp.packets_out);
  if (tp.sacked_out + holes > tp.packets_out) {
    tp.sacked_out = tp.packets_out - holes;
    return true;
  }
  return false;
}
