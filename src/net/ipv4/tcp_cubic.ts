// CUBIC: the window as a cubic function of the time since the last loss; slow start ends by HyStart before it loses.
// Mirrors net/ipv4/tcp_cubic.c. Read first: RFC 9438; S. Ha, I. Rhee, "Taming the elephants: new TCP slow start" (HyStart).
// Way in: tcp_cubic(), registered at boot; cubictcp_cong_avoid() per ACK, cubictcp_acked() for the RTT.
// Time on the curve counts in 1/1024 s and packets are whole, as in Linux: what is rounded down decides when the window grows.

import { fls } from "../../lib/bits.ts";
import {
  LINUX_MIB_TCPHYSTARTDELAYCWND,
  LINUX_MIB_TCPHYSTARTDELAYDETECT,
  LINUX_MIB_TCPHYSTARTTRAINCWND,
  LINUX_MIB_TCPHYSTARTTRAINDETECT,
} from "../core/snmp.ts";
import type { Sock } from "../core/sock.ts";
import {
  type AckSample,
  CA_EVENT_TX_START,
  type TcpCongestionOps,
  tcp_ca_key,
  tcp_cong_avoid_ai,
  tcp_is_cwnd_limited,
  tcp_reno_undo_cwnd,
  tcp_slow_start,
} from "./tcp_cong.ts";
import { after, TCP_CA_Loss, type TcpSock, tcp_in_slow_start, tcp_jiffies32, tcp_sk } from "./tcp_sock.ts";

/** beta_cubic: 0.7, as a fraction of 1024. */
const BETA = 717;
const BETA_SCALE = 1024;
/** C in packets per s^3: 0.4, as a fraction of 1024; and of 2^40 for times in 1/1024 s. */
const C_SCALED = 410;
const C_UNIT = 2 ** 40;
/** (1/1024 s)^3 per packet. */
const CUBE_FACTOR = Math.floor(C_UNIT / C_SCALED);
/** Acknowledged packets per packet of W_est, over cwnd: 1 / alpha_cubic of RFC 9438 section 4.3, in eighths: 15/8. */
const RENO_EIGHTHS = Math.floor((8 * (BETA_SCALE + BETA)) / 3 / (BETA_SCALE - BETA));
/** No more than 50 % growth per RTT. */
const MIN_CNT = 2;
/** Before the first loss: at least 5 % per RTT. */
const INITIAL_CNT = 20;
/** The curve is evaluated 32 times a second while the window stands still. */
const UPDATE_MS = 1000 >> 5;

// HyStart
const HYSTART_LOW_WINDOW = 16;
const HYSTART_MIN_SAMPLES = 8;
const HYSTART_DELAY_MIN = 4000;
const HYSTART_DELAY_MAX = 16000;
/** us: ACKs closer than this belong to one train. */
const HYSTART_ACK_DELTA = 2000;

class Bictcp {
  /** Acknowledged packets per packet that the window grows. */
  cnt = 0;
  /** W_max: the window before the last reduction (lowered by fast convergence). */
  last_max_cwnd = 0;
  last_cwnd = 0;
  /** jiffies of the last evaluation. */
  last_time = 0;
  /** The plateau of the curve, and when (1/1024 s after the epoch began) it is reached. */
  bic_origin_point = 0;
  bic_K = 0;
  /** us: least RTT; 0: unknown. */
  delay_min = 0;
  /** jiffies; `epoch` says whether one has begun. */
  epoch_start = 0;
  epoch = false;
  /** Packets acknowledged since W_est was last raised. */
  ack_cnt = 0;
  /** W_est: what Reno would have. */
  tcp_cwnd = 0;
  // HyStart, per round
  sample_cnt = 0;
  found = false;
  /** us */
  round_start = 0;
  last_ack = 0;
  end_seq = 0;
  curr_rtt = 0.5;

  constructor() {
    this.curr_rtt = Number.POSITIVE_INFINITY;
  }
}

/** Made when the first data is acknowledged, which begins a round anyway: a connection that only exists has none. */
function bictcp(tp: TcpSock): Bictcp {
  if (tp.icsk_ca_priv === null) {
    const ca = new Bictcp();
    tp.icsk_ca_priv = ca;
    bictcp_hystart_reset(tp, ca);
  }
  return tp.icsk_ca_priv as Bictcp;
}

function bictcp_reset(ca: Bictcp): void {
  ca.cnt = 0;
  ca.last_max_cwnd = 0;
  ca.last_cwnd = 0;
  ca.last_time = 0;
  ca.bic_origin_point = 0;
  ca.bic_K = 0;
  ca.delay_min = 0;
  ca.epoch = false;
  ca.ack_cnt = 0;
  ca.tcp_cwnd = 0;
  ca.found = false;
}

function bictcp_hystart_reset(tp: TcpSock, ca: Bictcp): void {
  ca.round_start = tp.tcp_mstamp;
  ca.last_ack = tp.tcp_mstamp;
  ca.end_seq = tp.snd_nxt;
  ca.curr_rtt = Number.POSITIVE_INFINITY;
  ca.sample_cnt = 0;
}

function cubictcp_init(sk: Sock): void {
  tcp_sk(sk).icsk_ca_priv = null;
}

/** RFC 9438 section 5.8: time in which the program sent nothing is no time in which the window should have grown. */
function cubictcp_cwnd_event(sk: Sock, event: number): void {
  const tp = tcp_sk(sk);
  if (event !== CA_EVENT_TX_START || tp.icsk_ca_priv === null) return;
  const ca = bictcp(tp);
  const now = tcp_jiffies32(sk.net);
  const idle = (now - tp.lsndtime) | 0;
  if (!ca.epoch || idle <= 0) return;
  ca.epoch_start = (ca.epoch_start + idle) | 0;
  if (after(ca.epoch_start, now)) ca.epoch_start = now;
}

/**
 * The cube root of `a`, 1 to 2^63, by Newton's method from above: IEEE 754 fixes each step to the last bit. Math.cbrt is only as
 * exact as the engine makes it (V8 and JavaScriptCore differ), and the same seed must give the same trace in all of them.
 */
export function cubic_root(a: number): number {
  const high = Math.floor(a / 2 ** 32);
  let x = 2 ** Math.ceil((high > 0 ? 32 + fls(high) : fls(a)) / 3);
  for (;;) {
    const next = (2 * x + a / (x * x)) / 3;
    if (next >= x) return x;
    x = next;
  }
}

/** RFC 9438 sections 4.2 and 4.3: sets ca.cnt from the curve and from what Reno would do. */
function bictcp_update(tp: TcpSock, ca: Bictcp, cwnd: number, acked: number): void {
  const now = tcp_jiffies32(tp.net);
  ca.ack_cnt += acked;
  if (ca.last_cwnd === cwnd && ((now - ca.last_time) | 0) <= UPDATE_MS) return;
  if (!ca.epoch || now !== ca.last_time) {
    ca.last_cwnd = cwnd;
    ca.last_time = now;
    if (!ca.epoch) {
      ca.epoch = true;
      ca.epoch_start = now;
      ca.ack_cnt = acked;
      ca.tcp_cwnd = cwnd;
      const below = ca.last_max_cwnd - cwnd;
      ca.bic_K = below > 0 ? Math.floor(cubic_root(CUBE_FACTOR * below)) : 0;
      ca.bic_origin_point = below > 0 ? ca.last_max_cwnd : cwnd;
    }
    // One RTT ahead: that is when the packets sent now take effect.
    const ms = ((now - ca.epoch_start) | 0) + Math.ceil(ca.delay_min / 1000);
    const t = Math.floor((ms * 1024) / 1000) - ca.bic_K;
    const delta = Math.floor((C_SCALED * Math.abs(t * t * t)) / C_UNIT);
    const target = ca.bic_origin_point + (t < 0 ? -delta : delta);
    // Below the curve: reach it within one RTT. On or above it: stay, all but.
    ca.cnt = target > cwnd ? Math.floor(cwnd / (target - cwnd)) : 100 * cwnd;
    if (ca.last_max_cwnd === 0 && ca.cnt > INITIAL_CNT) ca.cnt = INITIAL_CNT;
  }
  // The Reno-friendly region: never slower than Reno would be.
  const per_packet = (cwnd * RENO_EIGHTHS) >> 3;
  if (per_packet > 0 && ca.ack_cnt > per_packet) {
    const more = Math.ceil(ca.ack_cnt / per_packet) - 1;
    ca.ack_cnt -= more * per_packet;
    ca.tcp_cwnd += more;
  }
  if (ca.tcp_cwnd > cwnd) {
    const reno_cnt = Math.floor(cwnd / (ca.tcp_cwnd - cwnd));
    if (ca.cnt > reno_cnt) ca.cnt = reno_cnt;
  }
  if (ca.cnt < MIN_CNT) ca.cnt = MIN_CNT;
}

function cubictcp_cong_avoid(sk: Sock, _ack: number, acked: number): void {
  if (!tcp_is_cwnd_limited(sk)) return;
  const tp = tcp_sk(sk);
  const ca = bictcp(tp);
  if (tcp_in_slow_start(tp)) {
    acked = tcp_slow_start(tp, acked);
    if (acked === 0) return;
  }
  bictcp_update(tp, ca, tp.snd_cwnd, acked);
  tcp_cong_avoid_ai(tp, ca.cnt, acked);
}

/** RFC 9438 sections 4.6 and 4.7: multiplicative decrease, and fast convergence to let newcomers in. */
function cubictcp_recalc_ssthresh(sk: Sock): number {
  const tp = tcp_sk(sk);
  const ca = bictcp(tp);
  const cwnd = tp.snd_cwnd;
  ca.epoch = false;
  ca.last_max_cwnd = cwnd < ca.last_max_cwnd ? Math.floor((cwnd * (BETA_SCALE + BETA)) / (2 * BETA_SCALE)) : cwnd;
  return Math.max(Math.floor((cwnd * BETA) / BETA_SCALE), 2);
}

/** After a timeout everything that was known is in doubt. */
function cubictcp_state(sk: Sock, new_state: number): void {
  if (new_state !== TCP_CA_Loss) return;
  const tp = tcp_sk(sk);
  const ca = bictcp(tp);
  bictcp_reset(ca);
  bictcp_hystart_reset(tp, ca);
}

/** us: what TSO bursts and GRO add to the length of a train: four of the largest packets at the pacing rate, at most 1 ms. */
function hystart_ack_delay(tp: TcpSock): number {
  const rate = tp.sk_pacing_rate;
  if (rate === 0) return 0;
  return Math.min(1000, Math.floor((tp.sk_gso_max_size * 4 * 1e6) / rate));
}

function hystart_found(tp: TcpSock, ca: Bictcp, detect: number, cwnd: number): void {
  const mib = tp.net.mib.linux;
  ca.found = true;
  mib[detect]!++;
  mib[cwnd]! += tp.snd_cwnd;
  tp.snd_ssthresh = tp.snd_cwnd;
}

/** Slow start has filled the pipe: the ACKs of one round are as long as an RTT, or the RTT itself has grown. */
function hystart_update(tp: TcpSock, ca: Bictcp, delay: number): void {
  if (after(tp.snd_una, ca.end_seq)) bictcp_hystart_reset(tp, ca);
  if (tp.snd_cwnd < HYSTART_LOW_WINDOW) return;
  const now = tp.tcp_mstamp;
  if (((now - ca.last_ack) | 0) <= HYSTART_ACK_DELTA) {
    ca.last_ack = now;
    let threshold = ca.delay_min + hystart_ack_delay(tp);
    // Without pacing the packets go out in bursts, and half an RTT (one way) is where the train touches itself.
    if (tp.sk_pacing_status === 0) threshold >>= 1;
    if (((now - ca.round_start) | 0) > threshold) {
      hystart_found(tp, ca, LINUX_MIB_TCPHYSTARTTRAINDETECT, LINUX_MIB_TCPHYSTARTTRAINCWND);
    }
  }
  // The least of the first RTTs of a round, against the least ever.
  if (ca.curr_rtt > delay) ca.curr_rtt = delay;
  if (ca.sample_cnt < HYSTART_MIN_SAMPLES) {
    ca.sample_cnt++;
  } else {
    const eta = Math.min(Math.max(ca.delay_min >> 3, HYSTART_DELAY_MIN), HYSTART_DELAY_MAX);
    if (ca.curr_rtt > ca.delay_min + eta) {
      hystart_found(tp, ca, LINUX_MIB_TCPHYSTARTDELAYDETECT, LINUX_MIB_TCPHYSTARTDELAYCWND);
    }
  }
}

function cubictcp_acked(sk: Sock, sample: AckSample): void {
  const tp = tcp_sk(sk);
  // The handshake comes before cubictcp_init(), which forgets what it told.
  if (sample.rtt_us < 0 || !tp.icsk_ca_initialized) return;
  const ca = bictcp(tp);
  // Right after a recovery RTTs are of retransmissions and of queues that others left.
  if (ca.epoch && ((tcp_jiffies32(sk.net) - ca.epoch_start) | 0) < 1000) return;
  const delay = Math.max(sample.rtt_us, 1);
  if (ca.delay_min === 0 || ca.delay_min > delay) ca.delay_min = delay;
  if (!ca.found && tcp_in_slow_start(tp)) hystart_update(tp, ca, delay);
}

export const tcp_cubic = (): TcpCongestionOps => ({
  name: "cubic",
  flags: 0,
  key: tcp_ca_key("cubic"),
  init: cubictcp_init,
  ssthresh: cubictcp_recalc_ssthresh,
  cong_avoid: cubictcp_cong_avoid,
  set_state: cubictcp_state,
  undo_cwnd: tcp_reno_undo_cwnd,
  cwnd_event: cubictcp_cwnd_event,
  pkts_acked: cubictcp_acked,
});
