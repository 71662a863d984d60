// BBR version 1: a model of the path (bottleneck bandwidth, round-trip time) paces the sender; losses say little.
// Mirrors net/ipv4/tcp_bbr.c. Read first: draft-cardwell-iccrg-bbr-congestion-control-00; Cardwell et al., "BBR:
// congestion-based congestion control", ACM Queue 14(5). Way in: tcp_bbr(), registered at boot; bbr_main() per ACK.
// Bandwidth counts in packets per us with 24 bits of fraction, whole, as in Linux: on slow paths what is rounded down shows in the rate.

import type { Sock } from "../core/sock.ts";
import { CA_EVENT_TX_START, TCP_CONG_NON_RESTRICTED, type TcpCongestionOps, tcp_ca_key } from "./tcp_cong.ts";
import { RateSample } from "./tcp_rate.ts";
import {
  after,
  before,
  MAX_TCP_HEADER,
  TCP_CA_Loss,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  type TcpSock,
  tcp_jiffies32,
  tcp_min_rtt,
  tcp_packets_in_flight,
  tcp_sk,
} from "./tcp_sock.ts";

// bbr_mode
const BBR_STARTUP = 0;
const BBR_DRAIN = 1;
const BBR_PROBE_BW = 2;
const BBR_PROBE_RTT = 3;

/** Bandwidths are fractions of this. */
const BW_UNIT = 2 ** 24;
/** Gains are fractions of this, as tcp_bbr_info shows them. */
const BBR_UNIT = 256;
/** 2/ln 2: the least gain that doubles the rate per round. */
const bbr_high_gain = Math.floor((BBR_UNIT * 2885) / 1000) + 1;
const bbr_drain_gain = Math.floor((BBR_UNIT * 1000) / 2885);
const bbr_cwnd_gain = BBR_UNIT * 2;
const CYCLE_LEN = 8;
const bbr_pacing_gain: readonly number[] = [
  (BBR_UNIT * 5) / 4,
  (BBR_UNIT * 3) / 4,
  BBR_UNIT,
  BBR_UNIT,
  BBR_UNIT,
  BBR_UNIT,
  BBR_UNIT,
  BBR_UNIT,
];
/** The cycle begins at one of so many phases, never at the one that drains. */
const bbr_cycle_rand = 7;
/** Rounds over which the bandwidth's maximum is taken. */
const bbr_bw_rtts = CYCLE_LEN + 2;
/** ms */
const bbr_min_rtt_win = 10_000;
const bbr_probe_rtt_mode_ms = 200;
const bbr_cwnd_min_target = 4;
/** bits/s below which a burst is a single packet. */
const bbr_min_tso_rate = 1_200_000;
/** The pipe is full when three rounds brought less than a quarter more. */
const bbr_full_bw_thresh = (BBR_UNIT * 5) / 4;
const bbr_full_bw_cnt = 3;
// Policers ("long-term" bandwidth): two intervals of 4 to 16 rounds with 20 % loss at the same rate.
const bbr_lt_intvl_min_rtts = 4;
const bbr_lt_loss_thresh = 50 / 256;
const bbr_lt_bw_ratio = BBR_UNIT / 8;
/** bytes/s */
const bbr_lt_bw_diff = 500;
const bbr_lt_bw_max_rtts = 48;
// ACK aggregation: what arrives beyond the model's rate may be in flight as well.
const bbr_extra_acked_win_rtts = 5;
const bbr_ack_epoch_acked_reset_thresh = 1 << 20;
const bbr_extra_acked_max_us = 100_000;
/** Per cent below the estimate: queues drain that imprecise estimates built. */
const bbr_pacing_margin_percent = 1;
const GSO_LEGACY_MAX_SIZE = 65536;
const SK_PACING_NEEDED = 1;
const INET_DIAG_BBRINFO = 16;
const INET_DIAG_VEGASINFO = 3;

class Bbr {
  /** us; Infinity: unknown. */
  min_rtt_us = 0.5;
  /** jiffies */
  min_rtt_stamp = 0;
  probe_rtt_done = false;
  probe_rtt_done_stamp = 0;
  probe_rtt_round_done = false;
  /** Maximum filter: best, second and third best, with the rounds they are of. */
  bw0 = 0.5;
  bw1 = 0.5;
  bw2 = 0.5;
  t0 = 0;
  t1 = 0;
  t2 = 0;
  rtt_cnt = 0;
  next_rtt_delivered = 0;
  /** us */
  cycle_mstamp = 0;
  mode = BBR_STARTUP;
  prev_ca_state = 0;
  packet_conservation = false;
  round_start = false;
  idle_restart = false;
  lt_is_sampling = false;
  lt_rtt_cnt = 0;
  lt_use_bw = false;
  lt_bw = 0.5;
  lt_last_delivered = 0;
  lt_last_stamp = 0;
  lt_last_lost = 0;
  pacing_gain = 0;
  cwnd_gain = 0;
  full_bw_reached = false;
  full_bw_cnt = 0;
  cycle_idx = 0;
  has_seen_rtt = false;
  prior_cwnd = 0;
  full_bw = 0.5;
  ack_epoch_mstamp = 0;
  extra_acked0 = 0;
  extra_acked1 = 0;
  ack_epoch_acked = 0;
  extra_acked_win_rtts = 0;
  extra_acked_win_idx = 0;
  readonly loss_sample: RateSample = new RateSample();

  constructor() {
    this.min_rtt_us = 0;
    this.bw0 = 0;
    this.bw1 = 0;
    this.bw2 = 0;
    this.lt_bw = 0;
    this.full_bw = 0;
  }
}

/** The handshake comes before bbr_init(): what happens then meets a state of zeros, as in Linux. */
function bbr_of(tp: TcpSock): Bbr {
  tp.icsk_ca_priv ??= new Bbr();
  return tp.icsk_ca_priv as Bbr;
}
const stamp_us_delta = (a: number, b: number): number => Math.max((a - b) | 0, 0);

// --- the model ------------------------------------------------------------------------------------------------------

/** The greatest of the last `win` rounds (Kathleen Nichols' algorithm, as lib/win_minmax.c). */
function bw_running_max(b: Bbr, win: number, v: number): void {
  const t = b.rtt_cnt;
  if (v >= b.bw0 || t - b.t2 > win) {
    b.bw0 = v;
    b.bw1 = v;
    b.bw2 = v;
    b.t0 = t;
    b.t1 = t;
    b.t2 = t;
    return;
  }
  if (v >= b.bw1) {
    b.bw1 = v;
    b.t1 = t;
    b.bw2 = v;
    b.t2 = t;
  } else if (v >= b.bw2) {
    b.bw2 = v;
    b.t2 = t;
  }
  const age = t - b.t0;
  if (age > win) {
    // The best one is too old: the next best moves up, perhaps twice.
    b.bw0 = b.bw1;
    b.t0 = b.t1;
    b.bw1 = b.bw2;
    b.t1 = b.t2;
    b.bw2 = v;
    b.t2 = t;
    if (t - b.t0 > win) {
      b.bw0 = b.bw1;
      b.t0 = b.t1;
      b.bw1 = b.bw2;
      b.t1 = b.t2;
    }
  } else if (b.t1 === b.t0 && age > win >> 2) {
    // A quarter of the window without a second best: take one from the second quarter on, so there is one to move up.
    b.bw1 = v;
    b.t1 = t;
    b.bw2 = v;
    b.t2 = t;
  } else if (b.t2 === b.t1 && age > win >> 1) {
    b.bw2 = v;
    b.t2 = t;
  }
}

const bbr_max_bw = (b: Bbr): number => b.bw0;
const bbr_bw = (b: Bbr): number => (b.lt_use_bw ? b.lt_bw : b.bw0);

/** Packets in flight that fill the pipe at `bw`, times the gain. */
function bbr_bdp(b: Bbr, bw: number, gain: number): number {
  if (b.min_rtt_us === Number.POSITIVE_INFINITY) return TCP_INIT_CWND;
  return Math.ceil(Math.floor((bw * b.min_rtt_us * gain) / BBR_UNIT) / BW_UNIT);
}

function bbr_min_tso_segs(sk: Sock): number {
  return tcp_sk(sk).sk_pacing_rate < bbr_min_tso_rate >> 3 ? 1 : 2;
}

/** Packets per burst at the present rate. */
function bbr_tso_segs_goal(tp: TcpSock): number {
  const per_burst = tp.sk_pacing_rate / 2 ** tp.sk_pacing_shift;
  const bytes = Math.min(per_burst, GSO_LEGACY_MAX_SIZE - 1 - MAX_TCP_HEADER);
  return Math.min(Math.max(Math.floor(bytes / tp.mss_cache), bbr_min_tso_segs(tp)), 0x7f);
}

/** Room for bursts in the making here, in flight, and in GRO there; and an even number, for delayed ACKs. */
function bbr_quantization_budget(tp: TcpSock, b: Bbr, cwnd: number): number {
  cwnd += 3 * bbr_tso_segs_goal(tp);
  cwnd += cwnd & 1;
  if (b.mode === BBR_PROBE_BW && b.cycle_idx === 0) cwnd += 2;
  return cwnd;
}

const bbr_inflight = (tp: TcpSock, b: Bbr, bw: number, gain: number): number =>
  bbr_quantization_budget(tp, b, bbr_bdp(b, bw, gain));

/** Of what is in flight now, how much will still be when the next packet leaves: pacing has put that off. */
function bbr_packets_in_net_at_edt(tp: TcpSock, b: Bbr, inflight_now: number): number {
  const wait_us = Math.max(0, tp.tcp_wstamp_ns - tp.net.kernel.now) / 1000;
  const delivered = Math.floor((bbr_bw(b) * Math.floor(wait_us)) / BW_UNIT);
  let inflight = inflight_now;
  if (b.pacing_gain > BBR_UNIT) inflight += bbr_tso_segs_goal(tp);
  return Math.max(0, inflight - delivered);
}

// --- pacing ---------------------------------------------------------------------------------------------------------

/** bytes/s */
const bbr_rate_bytes_per_sec = (tp: TcpSock, bw: number, gain: number): number =>
  Math.floor((Math.floor((bw * tp.mss_cache * gain) / BBR_UNIT) * 1e4 * (100 - bbr_pacing_margin_percent)) / BW_UNIT);

const bbr_bw_to_pacing_rate = (tp: TcpSock, bw: number, gain: number): number =>
  Math.min(bbr_rate_bytes_per_sec(tp, bw, gain), tp.sk_max_pacing_rate);

/** Before there is a bandwidth: the initial window per RTT, times the gain. */
function bbr_init_pacing_rate_from_rtt(tp: TcpSock, b: Bbr): void {
  let rtt_us = 1000;
  if (tp.srtt_us !== 0) {
    rtt_us = Math.max(tp.srtt_us >> 3, 1);
    b.has_seen_rtt = true;
  }
  tp.sk_pacing_rate = bbr_bw_to_pacing_rate(tp, Math.floor((tp.snd_cwnd * BW_UNIT) / rtt_us), bbr_high_gain);
}

function bbr_set_pacing_rate(tp: TcpSock, b: Bbr, bw: number, gain: number): void {
  const rate = bbr_bw_to_pacing_rate(tp, bw, gain);
  if (!b.has_seen_rtt && tp.srtt_us !== 0) bbr_init_pacing_rate_from_rtt(tp, b);
  // While the pipe is not full, samples only say how fast we sent.
  if (b.full_bw_reached || rate > tp.sk_pacing_rate) tp.sk_pacing_rate = rate;
}

// --- modes ----------------------------------------------------------------------------------------------------------

function bbr_advance_cycle_phase(tp: TcpSock, b: Bbr): void {
  b.cycle_idx = (b.cycle_idx + 1) & (CYCLE_LEN - 1);
  b.cycle_mstamp = tp.delivered_mstamp;
}

function bbr_reset_probe_bw_mode(tp: TcpSock, b: Bbr): void {
  const rnd = new Uint8Array(4);
  tp.net.kernel.host.random_bytes(rnd);
  const r = ((rnd[0]! | (rnd[1]! << 8) | (rnd[2]! << 16)) * bbr_cycle_rand) >>> 24;
  b.mode = BBR_PROBE_BW;
  b.cycle_idx = CYCLE_LEN - 1 - r;
  bbr_advance_cycle_phase(tp, b);
}

function bbr_reset_mode(tp: TcpSock, b: Bbr): void {
  if (b.full_bw_reached) bbr_reset_probe_bw_mode(tp, b);
  else b.mode = BBR_STARTUP;
}

/** Is it time for the next gain? */
function bbr_is_next_cycle_phase(tp: TcpSock, b: Bbr, rs: RateSample): boolean {
  const full_length = stamp_us_delta(tp.delivered_mstamp, b.cycle_mstamp) > b.min_rtt_us;
  if (b.pacing_gain === BBR_UNIT) return full_length;
  const inflight = bbr_packets_in_net_at_edt(tp, b, rs.prior_in_flight);
  const bw = bbr_max_bw(b);
  // Probing up lasts until as much is in flight as was meant to be, or packets get lost.
  if (b.pacing_gain > BBR_UNIT) {
    return full_length && (rs.losses !== 0 || inflight >= bbr_inflight(tp, b, bw, b.pacing_gain));
  }
  // Draining ends as soon as the queue is gone.
  return full_length || inflight <= bbr_inflight(tp, b, bw, BBR_UNIT);
}

function bbr_save_cwnd(tp: TcpSock, b: Bbr): void {
  // In recovery or PROBE_RTT the present window is not one to come back to.
  if (b.prev_ca_state < TCP_CA_Recovery && b.mode !== BBR_PROBE_RTT) b.prior_cwnd = tp.snd_cwnd;
  else b.prior_cwnd = Math.max(b.prior_cwnd, tp.snd_cwnd);
}

// --- policers -------------------------------------------------------------------------------------------------------

/** ms, from the clock of deliveries. */
const delivered_ms = (tp: TcpSock): number => Math.floor((tp.delivered_mstamp >>> 0) / 1000);

function bbr_reset_lt_bw_sampling_interval(tp: TcpSock, b: Bbr): void {
  b.lt_last_stamp = delivered_ms(tp);
  b.lt_last_delivered = tp.delivered;
  b.lt_last_lost = tp.lost;
  b.lt_rtt_cnt = 0;
}

function bbr_reset_lt_bw_sampling(tp: TcpSock, b: Bbr): void {
  b.lt_bw = 0;
  b.lt_use_bw = false;
  b.lt_is_sampling = false;
  bbr_reset_lt_bw_sampling_interval(tp, b);
}

function bbr_lt_bw_interval_done(tp: TcpSock, b: Bbr, bw: number): void {
  if (b.lt_bw !== 0) {
    const diff = Math.abs(bw - b.lt_bw);
    if (diff * BBR_UNIT <= bbr_lt_bw_ratio * b.lt_bw || bbr_rate_bytes_per_sec(tp, diff, BBR_UNIT) <= bbr_lt_bw_diff) {
      // The same rate twice: that is a policer. Send at it, and no faster.
      b.lt_bw = Math.floor((bw + b.lt_bw) / 2);
      b.lt_use_bw = true;
      b.pacing_gain = BBR_UNIT;
      b.lt_rtt_cnt = 0;
      return;
    }
  }
  b.lt_bw = bw;
  bbr_reset_lt_bw_sampling_interval(tp, b);
}

function bbr_lt_bw_sampling(tp: TcpSock, b: Bbr, rs: RateSample): void {
  if (b.lt_use_bw) {
    // After 48 rounds it is time to see whether the policer is still there.
    if (b.mode === BBR_PROBE_BW && b.round_start && ++b.lt_rtt_cnt >= bbr_lt_bw_max_rtts) {
      bbr_reset_lt_bw_sampling(tp, b);
      bbr_reset_probe_bw_mode(tp, b);
    }
    return;
  }
  // It begins with a loss: the policer's tokens have run out.
  if (!b.lt_is_sampling) {
    if (rs.losses === 0) return;
    bbr_reset_lt_bw_sampling_interval(tp, b);
    b.lt_is_sampling = true;
  }
  if (rs.is_app_limited) {
    bbr_reset_lt_bw_sampling(tp, b);
    return;
  }
  if (b.round_start) b.lt_rtt_cnt++;
  if (b.lt_rtt_cnt < bbr_lt_intvl_min_rtts) return;
  if (b.lt_rtt_cnt > 4 * bbr_lt_intvl_min_rtts) {
    bbr_reset_lt_bw_sampling(tp, b);
    return;
  }
  // And it ends with one.
  if (rs.losses === 0) return;
  const lost = (tp.lost - b.lt_last_lost) | 0;
  const delivered = (tp.delivered - b.lt_last_delivered) | 0;
  if (delivered === 0 || lost < bbr_lt_loss_thresh * delivered) return;
  const ms = delivered_ms(tp) - b.lt_last_stamp;
  if (ms < 1) return;
  bbr_lt_bw_interval_done(tp, b, Math.floor((delivered * BW_UNIT) / (ms * 1000)));
}

// --- per ACK --------------------------------------------------------------------------------------------------------

function bbr_update_bw(tp: TcpSock, b: Bbr, rs: RateSample): void {
  b.round_start = false;
  if (rs.delivered < 0 || rs.interval_us <= 0) return;
  // A round is over when a packet is acknowledged that was sent after it had begun.
  if (!before(rs.prior_delivered, b.next_rtt_delivered)) {
    b.next_rtt_delivered = tp.delivered;
    b.rtt_cnt++;
    b.round_start = true;
    b.packet_conservation = false;
  }
  bbr_lt_bw_sampling(tp, b, rs);
  const bw = Math.floor((rs.delivered * BW_UNIT) / rs.interval_us);
  // What the program limited counts only when it is more than was known.
  if (!rs.is_app_limited || bw >= bbr_max_bw(b)) bw_running_max(b, bbr_bw_rtts, bw);
}

function bbr_update_ack_aggregation(tp: TcpSock, b: Bbr, rs: RateSample): void {
  if (rs.acked_sacked <= 0 || rs.delivered < 0 || rs.interval_us <= 0) return;
  if (b.round_start && ++b.extra_acked_win_rtts >= bbr_extra_acked_win_rtts) {
    b.extra_acked_win_rtts = 0;
    b.extra_acked_win_idx ^= 1;
    if (b.extra_acked_win_idx === 0) b.extra_acked0 = 0;
    else b.extra_acked1 = 0;
  }
  let expected = Math.floor((bbr_bw(b) * stamp_us_delta(tp.delivered_mstamp, b.ack_epoch_mstamp)) / BW_UNIT);
  // ACKs come no faster than the model says: a new epoch.
  if (b.ack_epoch_acked <= expected || b.ack_epoch_acked + rs.acked_sacked >= bbr_ack_epoch_acked_reset_thresh) {
    b.ack_epoch_acked = 0;
    b.ack_epoch_mstamp = tp.delivered_mstamp;
    expected = 0;
  }
  b.ack_epoch_acked = Math.min(0xfffff, b.ack_epoch_acked + rs.acked_sacked);
  const extra = Math.min(b.ack_epoch_acked - expected, tp.snd_cwnd);
  if (b.extra_acked_win_idx === 0) b.extra_acked0 = Math.max(b.extra_acked0, extra);
  else b.extra_acked1 = Math.max(b.extra_acked1, extra);
}

function bbr_ack_aggregation_cwnd(b: Bbr): number {
  if (!b.full_bw_reached) return 0;
  return Math.min(Math.max(b.extra_acked0, b.extra_acked1), Math.floor((bbr_bw(b) * bbr_extra_acked_max_us) / BW_UNIT));
}

function bbr_check_full_bw_reached(b: Bbr, rs: RateSample): void {
  if (b.full_bw_reached || !b.round_start || rs.is_app_limited) return;
  if (bbr_max_bw(b) >= Math.floor((b.full_bw * bbr_full_bw_thresh) / BBR_UNIT)) {
    b.full_bw = bbr_max_bw(b);
    b.full_bw_cnt = 0;
    return;
  }
  b.full_bw_reached = ++b.full_bw_cnt >= bbr_full_bw_cnt;
}

function bbr_check_drain(tp: TcpSock, b: Bbr): void {
  if (b.mode === BBR_STARTUP && b.full_bw_reached) {
    b.mode = BBR_DRAIN;
    tp.snd_ssthresh = bbr_inflight(tp, b, bbr_max_bw(b), BBR_UNIT);
  }
  if (
    b.mode === BBR_DRAIN &&
    bbr_packets_in_net_at_edt(tp, b, tcp_packets_in_flight(tp)) <= bbr_inflight(tp, b, bbr_max_bw(b), BBR_UNIT)
  ) {
    bbr_reset_probe_bw_mode(tp, b);
  }
}

function bbr_check_probe_rtt_done(tp: TcpSock, b: Bbr): void {
  const now = tcp_jiffies32(tp.net);
  if (!b.probe_rtt_done || !after(now, b.probe_rtt_done_stamp)) return;
  b.min_rtt_stamp = now;
  tp.snd_cwnd = Math.max(tp.snd_cwnd, b.prior_cwnd);
  bbr_reset_mode(tp, b);
}

/** The least RTT of ten seconds; when it was not seen again for so long, the queue is emptied to see it. */
function bbr_update_min_rtt(tp: TcpSock, b: Bbr, rs: RateSample): void {
  const now = tcp_jiffies32(tp.net);
  const expired = after(now, (b.min_rtt_stamp + bbr_min_rtt_win) | 0);
  if (rs.rtt_us >= 0 && (rs.rtt_us < b.min_rtt_us || (expired && !rs.is_ack_delayed))) {
    b.min_rtt_us = rs.rtt_us;
    b.min_rtt_stamp = now;
  }
  if (expired && !b.idle_restart && b.mode !== BBR_PROBE_RTT) {
    b.mode = BBR_PROBE_RTT;
    bbr_save_cwnd(tp, b);
    b.probe_rtt_done = false;
  }
  if (b.mode === BBR_PROBE_RTT) {
    const in_flight = tcp_packets_in_flight(tp);
    // Samples of this time say nothing of the bandwidth.
    tp.app_limited = (tp.delivered + in_flight) | 0 || 1;
    if (!b.probe_rtt_done && in_flight <= bbr_cwnd_min_target) {
      b.probe_rtt_done = true;
      b.probe_rtt_done_stamp = (now + bbr_probe_rtt_mode_ms) | 0;
      b.probe_rtt_round_done = false;
      b.next_rtt_delivered = tp.delivered;
    } else if (b.probe_rtt_done) {
      if (b.round_start) b.probe_rtt_round_done = true;
      if (b.probe_rtt_round_done) bbr_check_probe_rtt_done(tp, b);
    }
  }
  if (rs.delivered > 0) b.idle_restart = false;
}

function bbr_update_gains(b: Bbr): void {
  if (b.mode === BBR_STARTUP) {
    b.pacing_gain = bbr_high_gain;
    b.cwnd_gain = bbr_high_gain;
  } else if (b.mode === BBR_DRAIN) {
    b.pacing_gain = bbr_drain_gain;
    b.cwnd_gain = bbr_high_gain;
  } else if (b.mode === BBR_PROBE_BW) {
    b.pacing_gain = b.lt_use_bw ? BBR_UNIT : bbr_pacing_gain[b.cycle_idx]!;
    b.cwnd_gain = bbr_cwnd_gain;
  } else {
    b.pacing_gain = BBR_UNIT;
    b.cwnd_gain = BBR_UNIT;
  }
}

function bbr_set_cwnd(tp: TcpSock, b: Bbr, rs: RateSample, acked: number, bw: number): void {
  let cwnd = tp.snd_cwnd;
  if (acked !== 0) {
    const state = tp.icsk_ca_state;
    const prev = b.prev_ca_state;
    if (rs.losses > 0) cwnd = Math.max(cwnd - rs.losses, 1);
    if (state === TCP_CA_Recovery && prev !== TCP_CA_Recovery) {
      // The first round of a recovery: one packet out per packet that left.
      b.packet_conservation = true;
      b.next_rtt_delivered = tp.delivered;
      cwnd = tcp_packets_in_flight(tp) + acked;
    } else if (prev >= TCP_CA_Recovery && state < TCP_CA_Recovery) {
      cwnd = Math.max(cwnd, b.prior_cwnd);
      b.packet_conservation = false;
    }
    b.prev_ca_state = state;
    if (b.packet_conservation) {
      cwnd = Math.max(cwnd, tcp_packets_in_flight(tp) + acked);
    } else {
      const raw = bbr_bdp(b, bw, b.cwnd_gain) + bbr_ack_aggregation_cwnd(b);
      const target = bbr_quantization_budget(tp, b, raw);
      if (b.full_bw_reached) cwnd = Math.min(cwnd + acked, target);
      else if (cwnd < target || tp.delivered < TCP_INIT_CWND) cwnd += acked;
      cwnd = Math.max(cwnd, bbr_cwnd_min_target);
    }
  }
  tp.snd_cwnd = Math.min(cwnd, tp.snd_cwnd_clamp);
  if (b.mode === BBR_PROBE_RTT) tp.snd_cwnd = Math.min(tp.snd_cwnd, bbr_cwnd_min_target);
}

function bbr_main(sk: Sock, _ack: number, _flag: number, rs: RateSample): void {
  const tp = tcp_sk(sk);
  const b = bbr_of(tp);
  bbr_update_bw(tp, b, rs);
  bbr_update_ack_aggregation(tp, b, rs);
  if (b.mode === BBR_PROBE_BW && bbr_is_next_cycle_phase(tp, b, rs)) bbr_advance_cycle_phase(tp, b);
  bbr_check_full_bw_reached(b, rs);
  bbr_check_drain(tp, b);
  bbr_update_min_rtt(tp, b, rs);
  bbr_update_gains(b);
  const bw = bbr_bw(b);
  bbr_set_pacing_rate(tp, b, bw, b.pacing_gain);
  bbr_set_cwnd(tp, b, rs, rs.acked_sacked, bw);
}

// --- the rest -------------------------------------------------------------------------------------------------------

function bbr_init(sk: Sock): void {
  const tp = tcp_sk(sk);
  const b = new Bbr();
  tp.icsk_ca_priv = b;
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  b.next_rtt_delivered = tp.delivered;
  b.prev_ca_state = TCP_CA_Open;
  const rtt = tcp_min_rtt(tp);
  b.min_rtt_us = rtt === 0xffffffff ? Number.POSITIVE_INFINITY : rtt;
  b.min_rtt_stamp = tcp_jiffies32(sk.net);
  bbr_init_pacing_rate_from_rtt(tp, b);
  bbr_reset_lt_bw_sampling(tp, b);
  b.mode = BBR_STARTUP;
  bbr_update_gains(b);
  b.ack_epoch_mstamp = tp.tcp_mstamp;
  if (tp.sk_pacing_status === 0) tp.sk_pacing_status = SK_PACING_NEEDED;
}

function bbr_cwnd_event(sk: Sock, event: number): void {
  const tp = tcp_sk(sk);
  if (event !== CA_EVENT_TX_START || tp.app_limited === 0) return;
  const b = bbr_of(tp);
  // Idle before: no need to leave PROBE_BW's cycle or to look for the RTT by force, the queue has drained by itself.
  b.idle_restart = true;
  b.ack_epoch_mstamp = tp.tcp_mstamp;
  b.ack_epoch_acked = 0;
  if (b.mode === BBR_PROBE_BW) bbr_set_pacing_rate(tp, b, bbr_bw(b), BBR_UNIT);
  else if (b.mode === BBR_PROBE_RTT) bbr_check_probe_rtt_done(tp, b);
}

/** A recovery begins: the window before it is kept, the threshold means nothing here. */
function bbr_ssthresh(sk: Sock): number {
  const tp = tcp_sk(sk);
  bbr_save_cwnd(tp, bbr_of(tp));
  return tp.snd_ssthresh;
}

function bbr_undo_cwnd(sk: Sock): number {
  const tp = tcp_sk(sk);
  const b = bbr_of(tp);
  // The losses were none: neither was the plateau that they made.
  b.full_bw = 0;
  b.full_bw_cnt = 0;
  bbr_reset_lt_bw_sampling(tp, b);
  return tp.snd_cwnd;
}

function bbr_set_state(sk: Sock, new_state: number): void {
  if (new_state !== TCP_CA_Loss) return;
  const tp = tcp_sk(sk);
  const b = bbr_of(tp);
  b.prev_ca_state = TCP_CA_Loss;
  b.full_bw = 0;
  // A timeout is the end of a round.
  b.round_start = true;
  b.loss_sample.losses = 1;
  bbr_lt_bw_sampling(tp, b, b.loss_sample);
}

/** struct tcp_bbr_info: bw (bytes/s, low and high half), min_rtt (us), pacing_gain, cwnd_gain. */
function bbr_get_info(sk: Sock, ext: number, out: DataView): number {
  if ((ext & ((1 << (INET_DIAG_BBRINFO - 1)) | (1 << (INET_DIAG_VEGASINFO - 1)))) === 0) return 0;
  const tp = tcp_sk(sk);
  const b = bbr_of(tp);
  const bw = Math.floor((bbr_bw(b) * tp.mss_cache * 1e6) / BW_UNIT);
  out.setUint32(0, bw >>> 0, true);
  out.setUint32(4, Math.floor(bw / 2 ** 32), true);
  out.setUint32(8, b.min_rtt_us === Number.POSITIVE_INFINITY ? 0xffffffff : b.min_rtt_us, true);
  out.setUint32(12, b.pacing_gain, true);
  out.setUint32(16, b.cwnd_gain, true);
  return 20;
}

export const tcp_bbr = (): TcpCongestionOps => ({
  name: "bbr",
  flags: TCP_CONG_NON_RESTRICTED,
  key: tcp_ca_key("bbr"),
  init: bbr_init,
  cong_control: bbr_main,
  sndbuf_expand: () => 3,
  undo_cwnd: bbr_undo_cwnd,
  cwnd_event: bbr_cwnd_event,
  ssthresh: bbr_ssthresh,
  min_tso_segs: bbr_min_tso_segs,
  get_info: bbr_get_info,
  info_attr: INET_DIAG_BBRINFO,
  set_state: bbr_set_state,
});
