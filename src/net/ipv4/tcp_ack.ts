// An acknowledgment came in: RTT, what leaves the retransmit queue, what the congestion control makes of it.
// Mirrors tcp_ack() and what it calls in net/ipv4/tcp_input.c. Read first: RFC 6298, RFC 5681, RFC 5961 section 5.
// Way in: tcp_ack().

import { jiffies } from "../../kernel/kernel.ts";
import { TCPH_FLAGS, TCPH_WINDOW } from "../../uapi/ip.ts";
import { RTAX_LOCK, RTAX_RTO_MIN } from "../../uapi/rtnetlink.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPDELIVERED,
  LINUX_MIB_TCPDELIVEREDCE,
  LINUX_MIB_TCPHPACKS,
  LINUX_MIB_TCPLOSSPROBERECOVERY,
  LINUX_MIB_TCPMTUPFAIL,
  LINUX_MIB_TCPMTUPSUCCESS,
  LINUX_MIB_TCPPUREACKS,
} from "../core/snmp.ts";
import { type Sock, TCP_SYN_SENT } from "../core/sock.ts";
import { inet_csk_clear_xmit_timer, inet_csk_reset_xmit_timer, type RequestSock } from "./inet_connection_sock.ts";
import { tcp_rtx_queue_unlink_and_free, tcp_slow_start_after_idle_check } from "./tcp.ts";
import { CA_ACK_ECE, CA_ACK_SLOWPATH, CA_ACK_WIN_UPDATE, tcp_in_ack_event, tcp_set_ca_state } from "./tcp_cong.ts";
import {
  tcp_cwnd_reduction,
  tcp_end_cwnd_reduction,
  tcp_enter_recovery,
  tcp_init_cwnd_reduction,
  tcp_try_keep_open,
  tcp_try_to_open,
  tcp_try_undo_dsack,
  tcp_try_undo_loss,
  tcp_try_undo_partial,
  tcp_try_undo_recovery,
} from "./tcp_cwnd.ts";
import { tcp_fast_path_check } from "./tcp_data.ts";
import { tcp_replace_ts_recent, tcp_send_challenge_ack } from "./tcp_input.ts";
import { tcp_current_mss, tcp_mss_to_mtu, tcp_sync_mss } from "./tcp_mss.ts";
import {
  __tcp_push_pending_frames,
  TCP_CHRONO_BUSY,
  tcp_chrono_stop,
  tcp_probe0_when,
  tcp_trim_head,
} from "./tcp_output.ts";
import { type RateSample, rate_sample_reset, tcp_rate_gen, tcp_rate_skb_delivered } from "./tcp_rate.ts";
import {
  tcp_newreno_mark_lost,
  tcp_rack_advance,
  tcp_rack_mark_lost,
  tcp_rack_update_reo_wnd,
} from "./tcp_recovery.ts";
import {
  tcp_rearm_rto,
  tcp_reset_xmit_timer,
  tcp_schedule_loss_probe,
  tcp_simple_retransmit,
  tcp_xmit_retransmit_queue,
} from "./tcp_retrans.ts";
import {
  FLAG_ACK_MAYBE_DELAYED,
  FLAG_ACKED,
  FLAG_CA_ALERT,
  FLAG_DATA,
  FLAG_DATA_ACKED,
  FLAG_DATA_SACKED,
  FLAG_DSACK_TLP,
  FLAG_DSACKING_ACK,
  FLAG_ECE,
  FLAG_FORWARD_PROGRESS,
  FLAG_LOST_RETRANS,
  FLAG_NO_CHALLENGE_ACK,
  FLAG_NOT_DUP,
  FLAG_ORIG_SACK_ACKED,
  FLAG_RETRANS_DATA_ACKED,
  FLAG_SACK_RENEGING,
  FLAG_SET_XMIT_TIMER,
  FLAG_SLOWPATH,
  FLAG_SND_UNA_ADVANCED,
  FLAG_SYN_ACKED,
  FLAG_UPDATE_TS_RECENT,
  FLAG_WIN_UPDATE,
  type TcpSacktagState,
  tcp_add_reno_sack,
  tcp_check_sack_reordering,
  tcp_count_delivered,
  tcp_highest_sack_seq,
  tcp_remove_reno_sacks,
  tcp_sacktag_write_queue,
} from "./tcp_sack.ts";
import {
  after,
  before,
  between,
  ICSK_TIME_PROBE0,
  ICSK_TIME_RETRANS,
  type Minmax,
  minmax_reset,
  TCP_CA_CWR,
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_ECN_OK,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPHDR_ECE,
  TCPHDR_SYN,
  type TcpSock,
  tcp_current_ssthresh,
  tcp_is_reno,
  tcp_is_sack,
  tcp_packets_in_flight,
  tcp_sk,
  tcp_skb_pcount,
} from "./tcp_sock.ts";
import { tcp_clamp_probe0_to_user_timeout, tcp_update_rto_time } from "./tcp_timer.ts";
import { tcp_ack_tstamp } from "./tcp_tstamp.ts";

const REXMIT_NONE = 0;
const REXMIT_LOST = 1;
const REXMIT_NEW = 2;

// --- round trip time (RFC 6298) -----------------------------------------------------------------------------------

/** Least of the last `win` jiffies: three samples, each later and larger than the one before (as lib/win_minmax). */
function minmax_running_min(m: Minmax, win: number, t: number, meas: number): void {
  if (meas <= m.v0 >>> 0 || t - m.t2 > win) {
    minmax_reset(m, t, meas);
    return;
  }
  if (meas <= m.v1) {
    m.v1 = m.v2 = meas;
    m.t1 = m.t2 = t;
  } else if (meas <= m.v2) {
    m.v2 = meas;
    m.t2 = t;
  }
  const dt = t - m.t0;
  if (dt > win) {
    // The best one is too old: the next best takes its place, twice when that is, too.
    minmax_shift(m, t, meas);
    if (t - m.t0 > win) minmax_shift(m, t, meas);
  } else if (m.t1 === m.t0 && dt > win / 4) {
    m.v1 = m.v2 = meas;
    m.t1 = m.t2 = t;
  } else if (m.t2 === m.t1 && dt > win / 2) {
    m.v2 = meas;
    m.t2 = t;
  }
}
function minmax_shift(m: Minmax, t: number, meas: number): void {
  m.v0 = m.v1;
  m.t0 = m.t1;
  m.v1 = m.v2;
  m.t1 = m.t2;
  m.v2 = meas;
  m.t2 = t;
}

function tcp_update_rtt_min(tp: TcpSock, rtt_us: number, flag: number): void {
  // An ACK that may have waited is no measure of the path.
  if ((flag & FLAG_ACK_MAYBE_DELAYED) !== 0 && rtt_us > tp.rtt_min.v0 >>> 0) return;
  minmax_running_min(
    tp.rtt_min,
    tp.net.ipv4.sysctl_tcp_min_rtt_wlen * 1000,
    jiffies(tp.net.kernel),
    rtt_us !== 0 ? rtt_us : 1,
  );
}

/** Jacobson's estimator: srtt is kept times 8, the deviation times 4; the variance falls only once per RTT. */
function tcp_rtt_estimator(tp: TcpSock, mrtt_us: number): void {
  let m = mrtt_us;
  let srtt = tp.srtt_us;
  if (srtt !== 0) {
    m -= srtt >> 3;
    srtt += m;
    if (m < 0) {
      m = -m;
      m -= tp.mdev_us >> 2;
      // A falling RTT must not raise the RTO much.
      if (m > 0) m >>= 3;
    } else m -= tp.mdev_us >> 2;
    tp.mdev_us += m;
    if (tp.mdev_us > tp.mdev_max_us) {
      tp.mdev_max_us = tp.mdev_us;
      if (tp.mdev_max_us > tp.rttvar_us) tp.rttvar_us = tp.mdev_max_us;
    }
    if (after(tp.snd_una, tp.rtt_seq)) {
      if (tp.mdev_max_us < tp.rttvar_us) tp.rttvar_us -= (tp.rttvar_us - tp.mdev_max_us) >> 2;
      tp.rtt_seq = tp.snd_nxt;
      tp.mdev_max_us = tcp_rto_min_us(tp);
    }
  } else {
    srtt = m << 3;
    tp.mdev_us = m << 1;
    tp.rttvar_us = Math.max(tp.mdev_us, tcp_rto_min_us(tp));
    tp.mdev_max_us = tp.rttvar_us;
    tp.rtt_seq = tp.snd_nxt;
  }
  tp.srtt_us = Math.max(1, srtt);
}
/** ms; a route may say (rto_min lock). */
export function tcp_rto_min(tp: TcpSock): number {
  const dst = tp.sk_dst_cache;
  if (dst !== null && dst.metrics[RTAX_RTO_MIN] !== 0 && (dst.metrics[RTAX_LOCK]! & (1 << RTAX_RTO_MIN)) !== 0)
    return dst.metrics[RTAX_RTO_MIN]!;
  return tp.icsk_rto_min;
}
export const tcp_rto_min_us = (tp: TcpSock): number => tcp_rto_min(tp) * 1000;

export const __tcp_set_rto = (tp: TcpSock): number => Math.ceil(((tp.srtt_us >> 3) + tp.rttvar_us) / 1000);
function tcp_bound_rto(tp: TcpSock): void {
  if (tp.icsk_rto > tp.icsk_rto_max) tp.icsk_rto = tp.icsk_rto_max;
}
function tcp_set_rto(tp: TcpSock): void {
  tp.icsk_rto = __tcp_set_rto(tp);
  tcp_bound_rto(tp);
}

/** RTT of the segments this ACK covered; by timestamps where the segments themselves cannot say. */
function tcp_ack_update_rtt(
  tp: TcpSock,
  flag: number,
  seq_rtt_us: number,
  sack_rtt_us: number,
  ca_rtt_us: number,
  rs: RateSample,
): boolean {
  if (seq_rtt_us < 0) seq_rtt_us = sack_rtt_us;
  // RFC 7323 section 4: the echo, where the ACK acknowledged something new.
  const opt = tp.rx_opt;
  if (seq_rtt_us < 0 && opt.saw_tstamp && opt.rcv_tsecr !== 0 && (flag & FLAG_ACKED) !== 0) {
    const delta = ((Math.floor(tp.net.kernel.now / 1e6) | 0) - opt.rcv_tsecr) | 0;
    if (delta >= 0 && delta < 0x7fffffff / 1000) {
      seq_rtt_us = Math.max(delta, 1) * 1000;
      ca_rtt_us = seq_rtt_us;
    }
  }
  rs.rtt_us = ca_rtt_us;
  if (seq_rtt_us < 0) return false;
  tcp_update_rtt_min(tp, ca_rtt_us, flag);
  tcp_rtt_estimator(tp, seq_rtt_us);
  tcp_set_rto(tp);
  // RFC 6298 section 5.7: a valid sample ends the back-off.
  tp.icsk_backoff = 0;
  return true;
}

/** The SYN-ACK was answered: the first sample of a passive open. */
export function tcp_synack_rtt_meas(sk: Sock, req: RequestSock | null): void {
  const tp = tcp_sk(sk);
  let rtt = -1;
  if (req !== null && req.num_retrans === 0 && req.snt_synack !== 0) rtt = (tp.tcp_mstamp - req.snt_synack) | 0;
  const rs = sk.net.kernel.tcp_rs;
  tcp_ack_update_rtt(tp, FLAG_SYN_ACKED, rtt, -1, rtt, rs);
}

// --- pacing -------------------------------------------------------------------------------------------------------

/** sk_pacing_rate: twice the rate in slow start, 1.2 times after it (Linux's ratios). */
export function tcp_update_pacing_rate(sk: Sock): void {
  const tp = tcp_sk(sk);
  const ipv4 = sk.net.ipv4;
  let rate = tp.mss_cache * 1e6 * 8;
  const ratio = tp.snd_cwnd < tp.snd_ssthresh / 2 ? ipv4.sysctl_tcp_pacing_ss_ratio : ipv4.sysctl_tcp_pacing_ca_ratio;
  rate = (rate * ratio * Math.max(tp.snd_cwnd, tp.packets_out)) / 100;
  if (tp.srtt_us !== 0) rate /= tp.srtt_us;
  tp.sk_pacing_rate = Math.min(rate, tp.sk_max_pacing_rate);
}

// --- the retransmit queue -----------------------------------------------------------------------------------------

/** Part of an skb of several segments is acknowledged. Returns how many segments. */
function tcp_tso_acked(tp: TcpSock, skb: SkBuff): number {
  const old = tcp_skb_pcount(skb);
  tcp_trim_head(tp, skb, (tp.snd_una - skb.tcp_seq) | 0);
  return old - tcp_skb_pcount(skb);
}

/** Everything below snd_una leaves the queue. Returns FLAG_*. */
function tcp_clean_rtx_queue(
  tp: TcpSock,
  prior_fack: number,
  prior_snd_una: number,
  st: TcpSacktagState,
  ece_ack: boolean,
  ack_skb: SkBuff,
): number {
  const prior_sacked = tp.sacked_out;
  let reord = tp.snd_nxt;
  let fully_acked = true;
  let first_ackt = 0;
  let last_ackt = 0;
  let have_ackt = false;
  let pkts_acked = 0;
  let rtt_update = false;
  let flag = 0;
  let seq_rtt_us = -1;
  let sack_rtt_us = -1;
  let ca_rtt_us = -1;
  for (let skb = tp.tcp_rtx_queue.next; skb !== null; ) {
    const start = skb.tcp_seq;
    const sacked = skb.sacked;
    let acked: number;
    if (after(skb.tcp_end_seq, tp.snd_una)) {
      if (tcp_skb_pcount(skb) === 1 || !after(tp.snd_una, skb.tcp_seq)) break;
      acked = tcp_tso_acked(tp, skb);
      if (acked === 0) break;
      fully_acked = false;
    } else acked = tcp_skb_pcount(skb);
    if ((sacked & TCPCB_RETRANS) !== 0) {
      if ((sacked & TCPCB_SACKED_RETRANS) !== 0) tp.retrans_out -= acked;
      flag |= FLAG_RETRANS_DATA_ACKED;
    } else if ((sacked & TCPCB_SACKED_ACKED) === 0) {
      last_ackt = skb.skb_mstamp;
      if (!have_ackt) {
        have_ackt = true;
        first_ackt = last_ackt;
      }
      if (before(start, reord)) reord = start;
      if (!after(skb.tcp_end_seq, tp.high_seq)) flag |= FLAG_ORIG_SACK_ACKED;
    }
    if ((sacked & TCPCB_SACKED_ACKED) !== 0) tp.sacked_out -= acked;
    else if (tcp_is_sack(tp)) {
      tcp_count_delivered(tp, acked, ece_ack);
      tcp_rack_advance(tp, skb);
    }
    if ((sacked & TCPCB_LOST) !== 0) tp.lost_out -= acked;
    tp.packets_out -= acked;
    pkts_acked += acked;
    tcp_rate_skb_delivered(tp, skb, st.rate);
    // The SYN is no data: its RTT counts, the congestion window does not grow for it.
    if ((skb.tcp_flags & TCPHDR_SYN) === 0) flag |= FLAG_DATA_ACKED;
    else {
      flag |= FLAG_SYN_ACKED;
      tp.retrans_stamp = 0;
    }
    if (!fully_acked) break;
    const next: SkBuff | null = skb.next;
    if (skb === tp.retransmit_skb_hint) tp.retransmit_skb_hint = null;
    if (skb === tp.highest_sack) tp.highest_sack = next;
    if (skb.txstamp_ack) tcp_ack_tstamp(tp, skb, ack_skb, prior_snd_una);
    tcp_rtx_queue_unlink_and_free(skb, tp);
    skb = next;
  }
  const first = tp.tcp_rtx_queue.next;
  if (first === null) tcp_chrono_stop(tp, TCP_CHRONO_BUSY);
  if (first !== null && first.txstamp_ack) tcp_ack_tstamp(tp, first, ack_skb, prior_snd_una);
  // The receiver threw away what it had reported: the first segment is marked but not acknowledged.
  if (first !== null && (first.sacked & TCPCB_SACKED_ACKED) !== 0) flag |= FLAG_SACK_RENEGING;
  if (have_ackt && (flag & FLAG_RETRANS_DATA_ACKED) === 0) {
    seq_rtt_us = (tp.tcp_mstamp - first_ackt) | 0;
    ca_rtt_us = (tp.tcp_mstamp - last_ackt) | 0;
    // One small segment alone, and nothing else delivered since it was sent: its ACK may have been delayed.
    if (
      pkts_acked === 1 &&
      fully_acked &&
      prior_sacked === 0 &&
      ((tp.snd_una - prior_snd_una) | 0) < tp.mss_cache &&
      st.rate.prior_delivered + 1 === tp.delivered &&
      (flag & (FLAG_CA_ALERT | FLAG_SYN_ACKED)) === 0
    )
      flag |= FLAG_ACK_MAYBE_DELAYED;
  }
  if (st.has_sackt) {
    sack_rtt_us = (tp.tcp_mstamp - st.first_sackt) | 0;
    ca_rtt_us = (tp.tcp_mstamp - st.last_sackt) | 0;
  }
  rtt_update = tcp_ack_update_rtt(tp, flag, seq_rtt_us, sack_rtt_us, ca_rtt_us, st.rate);
  if ((flag & FLAG_ACKED) !== 0) {
    flag |= FLAG_SET_XMIT_TIMER;
    if (tp.mtup_probe_size !== 0 && !after(tp.mtu_probe_end, tp.snd_una)) tcp_mtup_probe_success(tp);
    if (tcp_is_reno(tp)) {
      tcp_remove_reno_sacks(tp, pkts_acked, ece_ack);
      // Sacks counted by duplicates stand for data that was never retransmitted.
      if ((flag & FLAG_RETRANS_DATA_ACKED) !== 0) flag &= ~FLAG_ORIG_SACK_ACKED;
    } else if (before(reord, prior_fack)) tcp_check_sack_reordering(tp, reord, false);
  } else if (
    rtt_update &&
    sack_rtt_us >= 0 &&
    first !== null &&
    sack_rtt_us > ((tp.tcp_mstamp - first.skb_mstamp) | 0)
  ) {
    flag |= FLAG_SET_XMIT_TIMER;
  }
  // An undo leaves the count of retransmissions as it was: with the last packet it ends (Linux does the same).
  if (tp.packets_out === 0 && tcp_is_sack(tp)) {
    tp.lost_out = 0;
    tp.sacked_out = 0;
    tp.retrans_out = 0;
  }
  const ca = tp.icsk_ca_ops;
  if (ca.pkts_acked !== undefined) {
    const s = tp.net.kernel.tcp_ack_sample;
    s.pkts_acked = pkts_acked;
    s.rtt_us = st.rate.rtt_us;
    s.in_flight = tcp_packets_in_flight(tp) + pkts_acked;
    ca.pkts_acked(tp, s);
  }
  return flag;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    tcp_rs: RateSample;
    tcp_ack_sample: { pkts_acked: number; rtt_us: number; in_flight: number };
  }
}

function tcp_mtup_probe_success(tp: TcpSock): void {
  // The larger segments mean fewer of them: the same bytes in flight.
  tp.prior_ssthresh = tcp_current_ssthresh(tp);
  tp.snd_cwnd = Math.max(1, Math.floor((tp.snd_cwnd * tcp_mss_to_mtu(tp, tp.mss_cache)) / tp.mtup_probe_size));
  tp.snd_cwnd_cnt = 0;
  tp.snd_cwnd_stamp = jiffies(tp.net.kernel);
  tp.snd_ssthresh = tcp_current_ssthresh(tp);
  tp.mtup_search_low = tp.mtup_probe_size;
  tp.mtup_probe_size = 0;
  tcp_sync_mss(tp, tp.icsk_pmtu_cookie);
  tp.net.mib.linux[LINUX_MIB_TCPMTUPSUCCESS]!++;
}
function tcp_mtup_probe_failed(tp: TcpSock): void {
  tp.mtup_search_high = tp.mtup_probe_size - 1;
  tp.mtup_probe_size = 0;
  tp.net.mib.linux[LINUX_MIB_TCPMTUPFAIL]!++;
}

// --- window and probes --------------------------------------------------------------------------------------------

export function tcp_snd_una_update(tp: TcpSock, ack: number): void {
  tp.bytes_acked += (ack - tp.snd_una) >>> 0;
  // Without urgent data snd_up goes along: it says "none" by not being ahead.
  if (between(tp.snd_up, tp.snd_una, ack)) tp.snd_up = ack;
  tp.snd_una = ack;
}

/** RFC 9293 section 3.10.7.4: a window counts when the segment is newer than the one that set it. */
export function tcp_may_update_window(tp: TcpSock, ack: number, ack_seq: number, nwin: number): boolean {
  return (
    after(ack, tp.snd_una) ||
    after(ack_seq, tp.snd_wl1) ||
    (ack_seq === tp.snd_wl1 && (nwin > tp.snd_wnd || nwin === 0))
  );
}

function tcp_ack_update_window(tp: TcpSock, skb: SkBuff, ack: number, ack_seq: number): number {
  const dv = skb.head.dv;
  const th = skb.transport_header;
  let nwin = dv.getUint16(th + TCPH_WINDOW);
  let flag = 0;
  if ((dv.getUint8(th + TCPH_FLAGS) & TCPHDR_SYN) === 0) nwin = (nwin << tp.rx_opt.snd_wscale) >>> 0;
  if (tcp_may_update_window(tp, ack, ack_seq, nwin)) {
    flag |= FLAG_WIN_UPDATE;
    tp.snd_wl1 = ack_seq;
    if (tp.snd_wnd !== nwin) {
      tp.snd_wnd = nwin;
      // The header that is predicted contains the window.
      tp.pred_flags = 0;
      tcp_fast_path_check(tp);
      if (tp.sk_write_queue.next !== null) tcp_slow_start_after_idle_check(tp);
      if (nwin > tp.max_window) {
        tp.max_window = nwin;
        tcp_sync_mss(tp, tp.icsk_pmtu_cookie);
      }
    }
  }
  tcp_snd_una_update(tp, ack);
  return flag;
}
/** An ACK while nothing was in flight: the probe timer ends, or waits again. */
function tcp_ack_probe(tp: TcpSock): void {
  const head = tp.sk_write_queue.next;
  if (head === null) return;
  if (!after(head.tcp_end_seq, (tp.snd_una + tp.snd_wnd) | 0)) {
    tp.icsk_backoff = 0;
    tp.icsk_probes_tstamp = 0;
    inet_csk_clear_xmit_timer(tp, ICSK_TIME_PROBE0);
  } else {
    const when = tcp_clamp_probe0_to_user_timeout(tp, tcp_probe0_when(tp, tp.icsk_rto_max));
    tcp_reset_xmit_timer(tp, ICSK_TIME_PROBE0, when, true);
  }
}

/** Did the loss probe repair a loss, or was it one too many (RFC 8985 section 7.4)? */
function tcp_process_tlp_ack(tp: TcpSock, ack: number, flag: number): void {
  if (before(ack, tp.tlp_high_seq)) return;
  if (!tp.tlp_retrans) tp.tlp_high_seq = 0;
  else if ((flag & FLAG_DSACK_TLP) !== 0) tp.tlp_high_seq = 0;
  else if (after(ack, tp.tlp_high_seq)) {
    // The original and the probe cannot both have been lost: one was, and the window pays for it once.
    tcp_init_cwnd_reduction(tp);
    tcp_set_ca_state(tp, TCP_CA_CWR);
    tcp_end_cwnd_reduction(tp);
    tcp_try_keep_open(tp);
    tp.net.mib.linux[LINUX_MIB_TCPLOSSPROBERECOVERY]!++;
  } else if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DATA_SACKED)) === 0) tp.tlp_high_seq = 0;
}

// --- the state machine --------------------------------------------------------------------------------------------

function tcp_process_loss(tp: TcpSock, flag: number, num_dupack: number): number {
  const recovered = !before(tp.snd_una, tp.high_seq);
  // The SYN-ACK of a Fast Open child is not in the queue: its ACK need not advance snd_una.
  const progress = (flag & FLAG_SND_UNA_ADVANCED) !== 0 || tp.fastopen_rsk !== null;
  if (progress && tcp_try_undo_loss(tp, false)) return REXMIT_NONE;
  if (tp.frto) {
    // F-RTO (RFC 5682): data that was never retransmitted arrived: the timeout was spurious.
    if ((flag & FLAG_ORIG_SACK_ACKED) !== 0 && tcp_try_undo_loss(tp, true)) return REXMIT_NONE;
    if (after(tp.snd_nxt, tp.high_seq)) {
      if ((flag & FLAG_DATA_SACKED) !== 0 || num_dupack !== 0) tp.frto = false;
    } else if ((flag & FLAG_SND_UNA_ADVANCED) !== 0 && !recovered) {
      tp.high_seq = tp.snd_nxt;
      // Step 2b: send new data and see.
      if (tp.sk_write_queue.next !== null && after((tp.snd_una + tp.snd_wnd) | 0, tp.snd_nxt)) return REXMIT_NEW;
      tp.frto = false;
    }
  }
  if (recovered) {
    tcp_try_undo_recovery(tp);
    return REXMIT_NONE;
  }
  if (tcp_is_reno(tp)) {
    if (after(tp.snd_nxt, tp.high_seq) && num_dupack !== 0) tcp_add_reno_sack(tp, num_dupack, (flag & FLAG_ECE) !== 0);
    else if ((flag & FLAG_SND_UNA_ADVANCED) !== 0) tp.sacked_out = 0;
  }
  return REXMIT_LOST;
}

function tcp_identify_packet_loss(tp: TcpSock, flag: number): number {
  if (tp.tcp_rtx_queue.next === null) return flag;
  if (tcp_is_reno(tp)) {
    tcp_newreno_mark_lost(tp, (flag & FLAG_SND_UNA_ADVANCED) !== 0);
    return flag;
  }
  const prior_retrans = tp.retrans_out;
  if (tcp_rack_mark_lost(tp)) flag &= ~FLAG_SET_XMIT_TIMER;
  if (prior_retrans > tp.retrans_out) flag |= FLAG_LOST_RETRANS;
  return flag;
}

/** Open, Disorder, CWR, Recovery, Loss: what this ACK changes. Returns the flags; what to retransmit in tcp_sack.rexmit. */
function tcp_fastretrans_alert(tp: TcpSock, prior_snd_una: number, num_dupack: number, flag: number): number {
  const ece_ack = (flag & FLAG_ECE) !== 0;
  const st = tp.net.kernel.tcp_sack;
  st.rexmit = REXMIT_NONE;
  if (tp.packets_out === 0 && tp.sacked_out !== 0) tp.sacked_out = 0;
  if (ece_ack) tp.prior_ssthresh = 0;
  // The receiver reneged: half an RTT without more of the hole acknowledged, and the timer acts as it does on a timeout.
  if ((flag & FLAG_SACK_RENEGING) !== 0 && (flag & FLAG_SND_UNA_ADVANCED) !== 0) {
    const delay = Math.max((tp.srtt_us >> 4) / 1000, 10);
    inet_csk_reset_xmit_timer(tp, ICSK_TIME_RETRANS, Math.ceil(delay), tp.icsk_rto_max);
    return flag & ~FLAG_SET_XMIT_TIMER;
  }
  if (tp.icsk_ca_state === TCP_CA_Open) {
    tp.retrans_stamp = 0;
  } else if (!before(tp.snd_una, tp.high_seq)) {
    if (tp.icsk_ca_state === TCP_CA_CWR) {
      if (tp.snd_una !== tp.high_seq) {
        tcp_end_cwnd_reduction(tp);
        tcp_set_ca_state(tp, TCP_CA_Open);
      }
    } else if (tp.icsk_ca_state === TCP_CA_Recovery) {
      if (tcp_is_reno(tp)) tp.sacked_out = 0;
      if (tcp_try_undo_recovery(tp)) return flag;
      tcp_end_cwnd_reduction(tp);
    }
  }
  if (tp.icsk_ca_state === TCP_CA_Recovery) {
    if ((flag & FLAG_SND_UNA_ADVANCED) === 0) {
      if (tcp_is_reno(tp)) tcp_add_reno_sack(tp, num_dupack, ece_ack);
    } else if (tcp_try_undo_partial(tp, prior_snd_una)) return flag;
    if (tcp_try_undo_dsack(tp)) tcp_try_to_open(tp, ece_ack);
    flag = tcp_identify_packet_loss(tp, flag);
    if (ca_state(tp) !== TCP_CA_Recovery) {
      if (!time_to_recover(tp)) return flag;
      tcp_enter_recovery(tp, ece_ack);
    }
    st.rexmit = REXMIT_LOST;
    return flag;
  }
  if (tp.icsk_ca_state === TCP_CA_Loss) {
    st.rexmit = tcp_process_loss(tp, flag, num_dupack);
    if (ca_state(tp) !== TCP_CA_Loss) tcp_update_rto_time(tp);
    flag = tcp_identify_packet_loss(tp, flag);
    // On only when all was undone, or when a retransmission was lost again.
    if (ca_state(tp) !== TCP_CA_Open && (flag & FLAG_LOST_RETRANS) === 0) return flag;
  }
  if (tcp_is_reno(tp)) {
    if ((flag & FLAG_SND_UNA_ADVANCED) !== 0) tp.sacked_out = 0;
    tcp_add_reno_sack(tp, num_dupack, ece_ack);
  }
  if (ca_state(tp) <= TCP_CA_Disorder) tcp_try_undo_dsack(tp);
  flag = tcp_identify_packet_loss(tp, flag);
  if (!time_to_recover(tp)) {
    tcp_try_to_open(tp, ece_ack);
    return flag;
  }
  // The MTU probe is what got lost: that is no congestion.
  if (ca_state(tp) < TCP_CA_CWR && tp.mtup_probe_size !== 0 && tp.snd_una === tp.mtu_probe_start) {
    tcp_mtup_probe_failed(tp);
    tp.snd_cwnd++;
    tcp_simple_retransmit(tp);
    return flag;
  }
  tcp_enter_recovery(tp, ece_ack);
  st.rexmit = REXMIT_LOST;
  return flag;
}

/** Read anew: what was called since may have changed it. */
const ca_state = (tp: TcpSock): number => tp.icsk_ca_state;

/** Is it time for the fast retransmission? RACK or three duplicates marked something as lost. */
const time_to_recover = (tp: TcpSock): boolean => tp.lost_out !== 0;

function tcp_cong_control(tp: TcpSock, ack: number, acked_sacked: number, flag: number, rs: RateSample): void {
  const ca = tp.icsk_ca_ops;
  if (ca.cong_control !== undefined) {
    ca.cong_control(tp, ack, flag, rs);
    return;
  }
  if (tp.icsk_ca_state === TCP_CA_CWR || tp.icsk_ca_state === TCP_CA_Recovery) {
    tcp_cwnd_reduction(tp, acked_sacked, rs.losses, (flag & FLAG_SND_UNA_ADVANCED) !== 0);
  } else if (tcp_may_raise_cwnd(tp, flag)) {
    ca.cong_avoid!(tp, ack, acked_sacked);
    tp.snd_cwnd_stamp = jiffies(tp.net.kernel);
  }
  tcp_update_pacing_rate(tp);
}
function tcp_may_raise_cwnd(tp: TcpSock, flag: number): boolean {
  if (tp.reordering > tp.net.ipv4.sysctl_tcp_reordering) return (flag & FLAG_FORWARD_PROGRESS) !== 0;
  return (flag & FLAG_DATA_ACKED) !== 0;
}

function tcp_xmit_recovery(tp: TcpSock, rexmit: number): void {
  if (rexmit === REXMIT_NONE || tp.sk_state === TCP_SYN_SENT) return;
  if (rexmit === REXMIT_NEW) {
    __tcp_push_pending_frames(tp, tcp_current_mss(tp), 1);
    if (after(tp.snd_nxt, tp.high_seq)) return;
    tp.frto = false;
  }
  tcp_xmit_retransmit_queue(tp);
}

/**
 * The acknowledgment of a segment. 1: fine; 0: nothing new, or of no use; -reason: for data never sent (RFC 5961 section
 * 5: an ACK answers), or too old.
 */
export function tcp_ack(sk: Sock, skb: SkBuff, flag: number): number {
  const tp = tcp_sk(sk);
  const net = sk.net;
  const k = net.kernel;
  const prior_snd_una = tp.snd_una;
  const ack_seq = skb.tcp_seq;
  const ack = skb.tcp_ack_seq;
  const st = k.tcp_sack;
  const rs = k.tcp_rs;
  const is_sack_reneg = tp.is_sack_reneg;
  st.has_sackt = false;
  st.sack_delivered = 0;
  st.flag = 0;
  st.rate = rs;
  rate_sample_reset(rs);
  if (before(ack, prior_snd_una)) {
    const max_window = Math.min(tp.max_window, tp.bytes_acked);
    if (before(ack, (prior_snd_una - max_window) | 0)) {
      if ((flag & FLAG_NO_CHALLENGE_ACK) === 0) tcp_send_challenge_ack(tp);
      return -1;
    }
    return old_ack(tp, skb, prior_snd_una, st, flag);
  }
  if (after(ack, tp.snd_nxt)) {
    // RFC 9293 section 3.10.7.4: an ACK answers, within the limit of challenge ACKs.
    if ((flag & FLAG_NO_CHALLENGE_ACK) === 0) tcp_send_challenge_ack(tp);
    return -2;
  }
  if (after(ack, prior_snd_una)) {
    flag |= FLAG_SND_UNA_ADVANCED;
    tp.icsk_retransmits = 0;
  }
  const prior_fack = tcp_is_sack(tp) ? tcp_highest_sack_seq(tp) : tp.snd_una;
  rs.prior_in_flight = tcp_packets_in_flight(tp);
  const prior_packets = tp.packets_out;
  const delivered = tp.delivered;
  const lost = tp.lost;
  // The timestamp is remembered only from a segment in sequence (RFC 7323 section 4.3).
  if ((flag & FLAG_UPDATE_TS_RECENT) !== 0) tcp_replace_ts_recent(tp, ack_seq);
  if ((flag & (FLAG_SLOWPATH | FLAG_SND_UNA_ADVANCED)) === FLAG_SND_UNA_ADVANCED) {
    // Header prediction said: only the ACK is new.
    tp.snd_wl1 = ack_seq;
    tcp_snd_una_update(tp, ack);
    flag |= FLAG_WIN_UPDATE;
    net.mib.linux[LINUX_MIB_TCPHPACKS]!++;
  } else {
    if (ack_seq !== skb.tcp_end_seq) flag |= FLAG_DATA;
    else net.mib.linux[LINUX_MIB_TCPPUREACKS]!++;
    flag |= tcp_ack_update_window(tp, skb, ack, ack_seq);
    if (tp.rx_opt.sack_at >= 0) flag |= tcp_sacktag_write_queue(tp, skb, tp.rx_opt.sack_at, prior_snd_una, st);
    if (tcp_ecn_rcv_ecn_echo(tp, skb)) flag |= FLAG_ECE;
    if (st.sack_delivered !== 0) tcp_count_delivered(tp, st.sack_delivered, (flag & FLAG_ECE) !== 0);
  }
  tp.sk_err_soft = 0;
  tp.icsk_probes_out = 0;
  tp.rcv_tstamp = jiffies(k);
  if (prior_packets === 0) {
    in_ack_event(tp, flag);
    // A DSACK may come when all is acknowledged already: it still undoes what was reduced for nothing.
    if ((flag & FLAG_DSACKING_ACK) !== 0) {
      flag = tcp_fastretrans_alert(tp, prior_snd_una, 0, flag);
      newly_delivered(tp, delivered, (flag & FLAG_ECE) !== 0);
    }
    tcp_ack_probe(tp);
    if (tp.tlp_high_seq !== 0) tcp_process_tlp_ack(tp, ack, flag);
    return 1;
  }
  flag |= tcp_clean_rtx_queue(tp, prior_fack, prior_snd_una, st, (flag & FLAG_ECE) !== 0, skb);
  tcp_rack_update_reo_wnd(tp, rs.prior_delivered);
  in_ack_event(tp, flag);
  if (tp.tlp_high_seq !== 0) tcp_process_tlp_ack(tp, ack, flag);
  let rexmit = REXMIT_NONE;
  if (tcp_ack_is_dubious(tp, flag)) {
    let num_dupack = 0;
    if ((flag & (FLAG_SND_UNA_ADVANCED | FLAG_NOT_DUP | FLAG_DSACKING_ACK)) === 0) {
      num_dupack = 1;
      if ((flag & FLAG_DATA) === 0) num_dupack = Math.max(1, skb.head.gso_segs);
    }
    flag = tcp_fastretrans_alert(tp, prior_snd_una, num_dupack, flag);
    rexmit = st.rexmit;
  }
  // The timer starts anew when something was acknowledged: a probe comes before it where it may.
  if ((flag & FLAG_SET_XMIT_TIMER) !== 0) tcp_set_xmit_timer(tp);
  if ((flag & FLAG_FORWARD_PROGRESS) !== 0 || (flag & FLAG_NOT_DUP) === 0) tp.sk_dst_pending_confirm = true;
  const newly = newly_delivered(tp, delivered, (flag & FLAG_ECE) !== 0);
  const newly_lost = tp.lost - lost;
  rs.is_ack_delayed = (flag & FLAG_ACK_MAYBE_DELAYED) !== 0;
  tcp_rate_gen(tp, newly, newly_lost, is_sack_reneg, rs);
  tcp_cong_control(tp, ack, newly, flag, rs);
  tcp_xmit_recovery(tp, rexmit);
  return 1;
}

/** The congestion control hears of an ACK after what it acknowledged was counted. */
function in_ack_event(tp: TcpSock, flag: number): void {
  let ev = (flag & FLAG_WIN_UPDATE) !== 0 ? CA_ACK_WIN_UPDATE : 0;
  if ((flag & FLAG_SLOWPATH) !== 0) ev |= (flag & FLAG_ECE) !== 0 ? CA_ACK_SLOWPATH | CA_ACK_ECE : CA_ACK_SLOWPATH;
  tcp_in_ack_event(tp, ev);
}

function newly_delivered(tp: TcpSock, before_it: number, ece: boolean): number {
  const n = tp.delivered - before_it;
  tp.net.mib.linux[LINUX_MIB_TCPDELIVERED]! += n;
  if (ece) tp.net.mib.linux[LINUX_MIB_TCPDELIVEREDCE]! += n;
  return n;
}

/** An ACK from before: its SACK blocks may still say something new. */
function old_ack(tp: TcpSock, skb: SkBuff, prior_snd_una: number, st: TcpSacktagState, flag: number): number {
  if (tp.rx_opt.sack_at < 0) return 0;
  const delivered = tp.delivered;
  flag |= tcp_sacktag_write_queue(tp, skb, tp.rx_opt.sack_at, prior_snd_una, st);
  // Linux does not count what such an ACK delivers (tcpi_delivered).
  flag = tcp_fastretrans_alert(tp, prior_snd_una, 0, flag);
  const rexmit = st.rexmit;
  newly_delivered(tp, delivered, false);
  tcp_xmit_recovery(tp, rexmit);
  return 0;
}

const tcp_ack_is_dubious = (tp: TcpSock, flag: number): boolean =>
  (flag & FLAG_NOT_DUP) === 0 || (flag & FLAG_CA_ALERT) !== 0 || tp.icsk_ca_state !== TCP_CA_Open;

function tcp_set_xmit_timer(tp: TcpSock): void {
  if (!tcp_schedule_loss_probe(tp, true)) tcp_rearm_rto(tp);
}

function tcp_ecn_rcv_ecn_echo(tp: TcpSock, skb: SkBuff): boolean {
  if ((tp.ecn_flags & TCP_ECN_OK) === 0) return false;
  const f = skb.head.dv.getUint8(skb.transport_header + TCPH_FLAGS);
  return (f & TCPHDR_ECE) !== 0 && (f & TCPHDR_SYN) === 0;
}
