// The timers of a connection: retransmission, zero-window probes, delayed ACKs, keepalive. Mirrors net/ipv4/tcp_timer.c.
// Read first: RFC 6298, RFC 9293 section 3.8, RFC 1122 section 4.2.3.6, RFC 5482.
// Way in: tcp_init_xmit_timers() once, then whatever inet_csk_reset_xmit_timer() armed.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { type Hrtimer, hrtimer_cancel } from "../../kernel/time/hrtimer.ts";
import type { TimerList } from "../../kernel/time/timer.ts";
import { trace_call, trace_fn } from "../../kernel/trace.ts";
import { F_tcp_keepalive_timer, F_tcp_retransmit_timer } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { ETIMEDOUT } from "../../uapi/errno.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  LINUX_MIB_DELAYEDACKS,
  LINUX_MIB_TCPABORTONMEMORY,
  LINUX_MIB_TCPABORTONTIMEOUT,
  LINUX_MIB_TCPACKCOMPRESSED,
  LINUX_MIB_TCPKEEPALIVE,
  LINUX_MIB_TCPLOSSFAILURES,
  LINUX_MIB_TCPRENOFAILURES,
  LINUX_MIB_TCPRENORECOVERYFAIL,
  LINUX_MIB_TCPSACKFAILURES,
  LINUX_MIB_TCPSACKRECOVERYFAIL,
  LINUX_MIB_TCPTIMEOUTREHASH,
  LINUX_MIB_TCPTIMEOUTS,
} from "../core/snmp.ts";
import {
  SOCK_DEAD,
  SOCK_KEEPOPEN,
  type Sock,
  sk_dst_reset,
  sock_flag,
  sock_put,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT2,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from "../core/sock.ts";
import {
  inet_csk_ack_scheduled,
  inet_csk_clear_xmit_timers,
  inet_csk_delete_keepalive_timer,
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
  inet_csk_reset_keepalive_timer,
  inet_csk_reset_xmit_timer,
  type RequestSock,
  sk_reset_timer,
} from "./inet_connection_sock.ts";
import { tcp_check_oom, tcp_done, tcp_done_with_error } from "./tcp.ts";
import { __tcp_set_rto, tcp_rto_min } from "./tcp_ack.ts";
import { tcp_enter_loss } from "./tcp_cwnd.ts";
import { tcp_fastopen_active_detect_blackhole } from "./tcp_fastopen.ts";
import { tcp_time_wait } from "./tcp_minisocks.ts";
import { tcp_mss_to_mtu, tcp_mtu_to_mss, tcp_sync_mss } from "./tcp_mss.ts";
import {
  tcp_rtx_synack,
  tcp_send_ack,
  tcp_send_active_reset,
  tcp_send_probe0,
  tcp_write_wakeup,
} from "./tcp_output_ctl.ts";
import { tcp_rack_reo_timeout } from "./tcp_recovery.ts";
import { tcp_retransmit_skb, tcp_send_loss_probe } from "./tcp_retrans.ts";
import {
  ICSK_ACK_TIMER,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  ICSK_TIME_REO_TIMEOUT,
  ICSK_TIME_RETRANS,
  TCP_ATO_MIN,
  TCP_CA_Disorder,
  TCP_CA_Loss,
  TCP_CA_Recovery,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_RTO_MAX,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEOUT_MIN,
  TCP_TIMEWAIT_LEN,
  type TcpSock,
  tcp_in_initial_slowstart,
  tcp_is_sack,
  tcp_jiffies32,
  tcp_mstamp_refresh,
  tcp_rtx_queue_head,
  tcp_send_head,
  tcp_sk,
  tcp_time_stamp_ts,
} from "./tcp_sock.ts";

/** Thin streams back off only after this many linear timeouts. */
const TCP_THIN_LINEAR_RETRIES = 6;
/** sk_rst_reason: for tracing only. */
const SK_RST_REASON_TCP_STATE = 4;
const SK_RST_REASON_TCP_ABORT_ON_MEMORY = 7;
const SK_RST_REASON_TCP_KEEPALIVE_TIMEOUT = 8;

const mib = (sk: Sock, which: number): void => {
  sk.net.mib.linux[which]!++;
};

// --- how long ---------------------------------------------------------------------------------------------------------

/** All in jiffies. The socket's own value (TCP_KEEPIDLE and so on), else the namespace's. */
export const keepalive_intvl_when = (tp: TcpSock): number =>
  tp.keepalive_intvl !== 0 ? tp.keepalive_intvl : tp.net.ipv4.sysctl_tcp_keepalive_intvl;
export const keepalive_time_when = (tp: TcpSock): number =>
  tp.keepalive_time !== 0 ? tp.keepalive_time : tp.net.ipv4.sysctl_tcp_keepalive_time;
export const keepalive_probes = (tp: TcpSock): number =>
  tp.keepalive_probes !== 0 ? tp.keepalive_probes : tp.net.ipv4.sysctl_tcp_keepalive_probes;

/** Since the last sign of life of the peer, be it data or an ACK. */
export function keepalive_time_elapsed(tp: TcpSock): number {
  const now = tcp_jiffies32(tp.net);
  return Math.min((now - tp.ack_lrcvtime) >>> 0, (now - tp.rcv_tstamp) >>> 0);
}

/** How long FIN_WAIT2 lasts without a program: at least 3.5 RTO, so that a lost FIN has its chance. */
export function tcp_fin_time(sk: Sock): number {
  const tp = tcp_sk(sk);
  const timeout = tp.linger2 !== 0 ? tp.linger2 : sk.net.ipv4.sysctl_tcp_fin_timeout;
  return Math.max(timeout, (tp.icsk_rto << 2) - (tp.icsk_rto >> 1));
}

/** The RTO, but no further than TCP_USER_TIMEOUT allows, so that the connection ends on time. */
function tcp_clamp_rto_to_user_timeout(tp: TcpSock): number {
  if (tp.icsk_user_timeout === 0) return tp.icsk_rto;
  const elapsed = (tcp_time_stamp_ts(tp) - tp.retrans_stamp) | 0;
  const remaining = tp.icsk_user_timeout - elapsed;
  return remaining <= 0 ? 1 : Math.min(tp.icsk_rto, remaining);
}

export function tcp_clamp_probe0_to_user_timeout(sk: Sock, when: number): number {
  const tp = tcp_sk(sk);
  if (tp.icsk_probes_tstamp === 0 || tp.icsk_user_timeout === 0) return when;
  const elapsed = Math.max(0, (tcp_jiffies32(sk.net) - tp.icsk_probes_tstamp) | 0);
  return Math.min(when, Math.max(tp.icsk_user_timeout - elapsed, TCP_TIMEOUT_MIN));
}

/** How long `boundary` timeouts take when they begin at `rto_base` and double up to the limit. */
function tcp_model_timeout(tp: TcpSock, boundary: number, rto_base: number): number {
  const doublings = 31 - Math.clz32(Math.floor(tp.icsk_rto_max / rto_base));
  if (boundary <= doublings) return (2 ** (boundary + 1) - 1) * rto_base;
  return (2 ** (doublings + 1) - 1) * rto_base + (boundary - doublings) * tp.icsk_rto_max;
}

/**
 * Has the connection retransmitted for too long? `timeout` in ms, or 0: as long as `boundary` timeouts would take if the
 * RTO had begun at its least. Counted in time, as RFC 1122 section 4.2.3.5 asks, not in segments.
 */
function retransmits_timed_out(sk: Sock, boundary: number, timeout: number): boolean {
  const tp = tcp_sk(sk);
  if (tp.icsk_retransmits === 0) return false;
  if (timeout === 0) {
    const handshake = sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV;
    timeout = tcp_model_timeout(tp, boundary, handshake ? TCP_TIMEOUT_INIT : TCP_RTO_MIN);
  }
  return ((tcp_time_stamp_ts(tp) - tp.retrans_stamp) | 0) - timeout >= 0;
}

// --- giving up ----------------------------------------------------------------------------------------------------------

/** The connection timed out: ETIMEDOUT, or what ICMP had said was wrong. */
function tcp_write_err(sk: Sock): void {
  tcp_done_with_error(sk, sk.sk_err_soft !== 0 ? sk.sk_err_soft : ETIMEDOUT);
  mib(sk, LINUX_MIB_TCPABORTONTIMEOUT);
}

/** Orphans that nobody waits for are the first to go when memory is short, or there are too many of them. */
function tcp_out_of_resources(sk: Sock, do_reset: boolean): boolean {
  const tp = tcp_sk(sk);
  const idle = (tcp_jiffies32(sk.net) - tp.lsndtime) | 0;
  let shift = 0;
  // A peer that has not opened its window for long, or that ICMP calls unreachable, weighs more.
  if (idle > 2 * TCP_RTO_MAX || !do_reset) shift++;
  if (sk.sk_err_soft !== 0) shift++;
  if (tcp_check_oom(sk, shift)) {
    // With some sign of life the peer deserves to be told.
    if (idle <= TCP_TIMEWAIT_LEN || (tp.snd_wnd === 0 && tp.packets_out === 0)) do_reset = true;
    if (do_reset) tcp_send_active_reset(sk, SK_RST_REASON_TCP_ABORT_ON_MEMORY);
    tcp_done(sk);
    mib(sk, LINUX_MIB_TCPABORTONMEMORY);
    return true;
  }
  // Its namespace is being taken down: nobody will ever answer.
  if (sk.net.dead) {
    tcp_done(sk);
    return true;
  }
  return false;
}

function tcp_orphan_retries(sk: Sock, alive: boolean): number {
  const retries = sk.net.ipv4.sysctl_tcp_orphan_retries;
  // ICMP says that nobody is there: no further tries.
  if (sk.sk_err_soft !== 0 && !alive) return 0;
  // 8 timeouts are about 50 s from the least RTO on, and at least RFC 1122's 100 s with real ones.
  return retries === 0 && alive ? 8 : retries;
}

/** RFC 4821 section 7.7, black hole detection: smaller segments may get through. */
function tcp_mtu_probing(tp: TcpSock): void {
  const v4 = tp.net.ipv4;
  if (v4.sysctl_tcp_mtu_probing === 0) return;
  if (!tp.mtup_enabled) {
    tp.mtup_enabled = true;
    tp.mtup_probe_timestamp = tcp_jiffies32(tp.net);
  } else {
    let mss = Math.min(v4.sysctl_tcp_base_mss, tcp_mtu_to_mss(tp, tp.mtup_search_low) >> 1);
    mss = Math.max(mss, v4.sysctl_tcp_mtu_probe_floor, v4.sysctl_tcp_min_snd_mss);
    tp.mtup_search_low = tcp_mss_to_mtu(tp, mss);
  }
  tcp_sync_mss(tp, tp.icsk_pmtu_cookie);
}

/** The route may be the reason: its protocol may know a better one. */
function dst_negative_advice(sk: Sock): void {
  const dst = sk.sk_dst_cache;
  if (dst !== null) dst.ops.negative_advice(sk, dst);
}

/** A new flow hash, so that another of several equal paths is tried (RFC 6438 and ECMP). False where that is off. */
function sk_rethink_txhash(sk: Sock): boolean {
  if (sk.sk_txhash === 0 || sk.net.sysctl_core.txrehash !== 1) return false;
  const rnd = new Uint8Array(4);
  sk.net.kernel.host.random_bytes(rnd);
  sk.sk_txhash = new DataView(rnd.buffer).getUint32(0, true) || 1;
  return true;
}

/** The retransmission timer fired: is it time to give up? Then the connection is gone and true comes back. */
function tcp_write_timeout(sk: Sock): boolean {
  const tp = tcp_sk(sk);
  const v4 = sk.net.ipv4;
  let expired = false;
  let retry_until: number;
  if (sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV) {
    if (tp.icsk_retransmits !== 0) dst_negative_advice(sk);
    retry_until = tp.icsk_syn_retries !== 0 ? tp.icsk_syn_retries : v4.sysctl_tcp_syn_retries;
    // SYNs first go out at a steady pace, which does not count.
    const max = sk.sk_state === TCP_SYN_SENT ? retry_until + v4.sysctl_tcp_syn_linear_timeouts : retry_until;
    expired = tp.icsk_retransmits >= max;
  } else {
    if (retransmits_timed_out(sk, v4.sysctl_tcp_retries1, 0)) {
      tcp_mtu_probing(tp);
      dst_negative_advice(sk);
    }
    retry_until = v4.sysctl_tcp_retries2;
    if (sock_flag(sk, SOCK_DEAD)) {
      const alive = tp.icsk_rto < tp.icsk_rto_max;
      retry_until = tcp_orphan_retries(sk, alive);
      const do_reset = alive || !retransmits_timed_out(sk, retry_until, 0);
      if (tcp_out_of_resources(sk, do_reset)) return true;
    }
  }
  if (!expired) expired = retransmits_timed_out(sk, retry_until, tp.icsk_user_timeout);
  tcp_fastopen_active_detect_blackhole(sk, expired);
  if (expired) {
    tcp_write_err(sk);
    return true;
  }
  if (sk_rethink_txhash(sk)) {
    tp.timeout_rehash++;
    mib(sk, LINUX_MIB_TCPTIMEOUTREHASH);
  }
  return false;
}

// --- delayed ACK ----------------------------------------------------------------------------------------------------------

function tcp_delack_timer_handler(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_LISTEN) return;
  // ACKs that were compressed have waited long enough too.
  if (tp.compressed_ack !== 0) {
    tcp_mstamp_refresh(tp);
    tcp_sack_compress_send_ack(tp);
    return;
  }
  if ((tp.ack_pending & ICSK_ACK_TIMER) === 0) return;
  if (tp.ack_timeout > jiffies(sk.net.kernel)) {
    sk_reset_timer(sk, tp.icsk_delack_timer!, tp.ack_timeout);
    return;
  }
  tp.ack_pending &= ~ICSK_ACK_TIMER;
  if (!inet_csk_ack_scheduled(sk)) return;
  if (!inet_csk_in_pingpong_mode(sk)) {
    // The delay was for nothing: the next one may be longer.
    tp.ack_ato = Math.min(tp.ack_ato << 1, tp.icsk_rto);
  } else {
    // The program did not answer: this is no conversation any longer.
    inet_csk_exit_pingpong_mode(sk);
    tp.ack_ato = TCP_ATO_MIN;
  }
  tcp_mstamp_refresh(tp);
  tcp_send_ack(sk);
  mib(sk, LINUX_MIB_DELAYEDACKS);
}

function tcp_delack_timer(t: TimerList): void {
  const sk = t.owner as Sock;
  tcp_delack_timer_handler(sk);
  sock_put(sk);
}

/** One ACK for all that were held back (tcp_comp_sack_nr): it is sent after all, so it does not count as compressed. */
export function tcp_sack_compress_send_ack(tp: TcpSock): void {
  if (tp.compressed_ack === 0) return;
  if (tp.compressed_ack_timer !== null && hrtimer_cancel(tp.compressed_ack_timer)) sock_put(tp);
  tp.net.mib.linux[LINUX_MIB_TCPACKCOMPRESSED]! += tp.compressed_ack - 1;
  tp.compressed_ack = 0;
  tcp_send_ack(tp);
}

/** Out of service: no timer may call any more. Those of pacing and of compressed ACKs hold the socket. */
export function tcp_clear_xmit_timers(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.pacing_timer !== null && hrtimer_cancel(tp.pacing_timer)) sock_put(tp);
  if (tp.compressed_ack_timer !== null && hrtimer_cancel(tp.compressed_ack_timer)) sock_put(tp);
  inet_csk_clear_xmit_timers(sk);
}

/** The hrtimer that holds ACKs back (tcp_comp_sack_delay_ns) is over. It held a reference. */
export function tcp_compressed_ack_kick(t: Hrtimer): void {
  const tp = tcp_sk(t.owner as Sock);
  if (tp.compressed_ack !== 0) {
    tcp_mstamp_refresh(tp);
    tcp_sack_compress_send_ack(tp);
  }
  sock_put(tp);
}

// --- retransmission and probes ----------------------------------------------------------------------------------------

/** The peer's window is shut and there is data for it. */
export function tcp_probe_timer(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.packets_out !== 0 || tcp_send_head(tp) === null) {
    tp.icsk_probes_out = 0;
    tp.icsk_probes_tstamp = 0;
    return;
  }
  // RFC 9293 section 3.8.6.1: probe for as long as the peer answers; what is limited is how long it does not.
  if (tp.icsk_probes_tstamp === 0) {
    tp.icsk_probes_tstamp = tcp_jiffies32(sk.net);
  } else if (tp.icsk_user_timeout !== 0) {
    const elapsed = (tcp_jiffies32(sk.net) - tp.icsk_probes_tstamp) | 0;
    if (elapsed >= tp.icsk_user_timeout) {
      tcp_write_err(sk);
      return;
    }
  }
  let max_probes = sk.net.ipv4.sysctl_tcp_retries2;
  if (sock_flag(sk, SOCK_DEAD)) {
    const alive = tp.icsk_rto * 2 ** tp.icsk_backoff < tp.icsk_rto_max;
    max_probes = tcp_orphan_retries(sk, alive);
    if (!alive && tp.icsk_backoff >= max_probes) {
      tcp_write_err(sk);
      return;
    }
    if (tcp_out_of_resources(sk, true)) return;
  }
  if (tp.icsk_probes_out >= max_probes) tcp_write_err(sk);
  else tcp_send_probe0(sk);
}

function tcp_update_rto_stats(tp: TcpSock): void {
  if (tp.icsk_retransmits === 0) {
    tp.total_rto_recoveries++;
    tp.rto_stamp = tcp_jiffies32(tp.net) || 1;
  }
  tp.icsk_retransmits++;
  tp.total_rto++;
}

/** The timeouts are over: the time they took counts (tcpi_total_rto_time). */
export function tcp_update_rto_time(tp: TcpSock): void {
  if (tp.rto_stamp === 0) return;
  tp.total_rto_time += (tcp_jiffies32(tp.net) - tp.rto_stamp) >>> 0;
  tp.rto_stamp = 0;
}

export function tcp_syn_ack_timeout(req: RequestSock): void {
  const listener = req.listener as Sock | null;
  const net = listener !== null ? listener.net : (req.sk as Sock).net;
  net.mib.linux[LINUX_MIB_TCPTIMEOUTS]!++;
}

/** A child made by Fast Open sends its SYN-ACK again itself (RFC 7413 section 4.2.2). */
function tcp_fastopen_synack_timer(tp: TcpSock, req: RequestSock): void {
  tp.net.mib.linux[LINUX_MIB_TCPTIMEOUTS]!++;
  const max = tp.icsk_syn_retries !== 0 ? tp.icsk_syn_retries : tp.net.ipv4.sysctl_tcp_synack_retries + 1;
  if (req.num_timeout >= max) {
    tcp_write_err(tp);
    return;
  }
  if (tp.icsk_retransmits === 1) tcp_enter_loss(tp);
  tcp_rtx_synack(tp, req);
  req.num_timeout++;
  tcp_update_rto_stats(tp);
  if (tp.retrans_stamp === 0) tp.retrans_stamp = tcp_time_stamp_ts(tp);
  inet_csk_reset_xmit_timer(tp, ICSK_TIME_RETRANS, TCP_TIMEOUT_INIT * 2 ** req.num_timeout, tp.icsk_rto_max);
}

/** ms since the packet was last sent. */
const skb_age = (tp: TcpSock, skb: SkBuff): number => Math.floor(((tp.tcp_mstamp - skb.skb_mstamp) | 0) / 1000);

/** The window is shut on data that is out already: has the peer been silent for too long? */
function tcp_rtx_probe0_timed_out(tp: TcpSock, rtx_delta: number): boolean {
  let timeout = tp.icsk_rto_max * 2;
  if (tp.icsk_user_timeout !== 0) {
    if (rtx_delta > tp.icsk_user_timeout) return true;
    timeout = Math.min(timeout, tp.icsk_user_timeout);
  }
  const silent = ((tp.icsk_timeout | 0) - tp.rcv_tstamp) | 0;
  return silent > timeout && rtx_delta > timeout;
}

/** Too little in flight for fast retransmit to work (RFC 5827's problem). */
const tcp_stream_is_thin = (tp: TcpSock): boolean => tp.packets_out < 4 && !tcp_in_initial_slowstart(tp);

function out_reset_timer(tp: TcpSock): void {
  const v4 = tp.net.ipv4;
  if (
    tp.sk_state === TCP_ESTABLISHED &&
    (tp.thin_lto || v4.sysctl_tcp_thin_linear_timeouts !== 0) &&
    tcp_stream_is_thin(tp) &&
    tp.icsk_retransmits <= TCP_THIN_LINEAR_RETRIES
  ) {
    tp.icsk_backoff = 0;
    tp.icsk_rto = Math.min(Math.max(__tcp_set_rto(tp), tcp_rto_min(tp)), tp.icsk_rto_max);
  } else if (tp.sk_state !== TCP_SYN_SENT || tp.total_rto > v4.sysctl_tcp_syn_linear_timeouts) {
    // RFC 6298 (5.5): back off the timer.
    tp.icsk_backoff++;
    tp.icsk_rto = Math.min(tp.icsk_rto * 2, tp.icsk_rto_max);
  }
  inet_csk_reset_xmit_timer(tp, ICSK_TIME_RETRANS, tcp_clamp_rto_to_user_timeout(tp), tp.icsk_rto_max);
  // The route is looked up afresh when it has not worked for long.
  if (retransmits_timed_out(tp, v4.sysctl_tcp_retries1 + 1, 0)) sk_dst_reset(tp);
}

function count_first_timeout(tp: TcpSock): void {
  const state = tp.icsk_ca_state;
  let which = 0;
  if (state === TCP_CA_Recovery)
    which = tcp_is_sack(tp) ? LINUX_MIB_TCPSACKRECOVERYFAIL : LINUX_MIB_TCPRENORECOVERYFAIL;
  else if (state === TCP_CA_Loss) which = LINUX_MIB_TCPLOSSFAILURES;
  else if (state === TCP_CA_Disorder || tp.sacked_out !== 0) {
    which = tcp_is_sack(tp) ? LINUX_MIB_TCPSACKFAILURES : LINUX_MIB_TCPRENOFAILURES;
  }
  if (which !== 0) mib(tp, which);
}

/** RFC 6298 section 5: the oldest segment was not acknowledged in time. */
export function tcp_retransmit_timer(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.fastopen_rsk !== null) {
    // Nothing else is sent again before the SYN-ACK is acknowledged.
    tcp_fastopen_synack_timer(tp, tp.fastopen_rsk);
    return;
  }
  if (tp.packets_out === 0) return;
  let skb = tcp_rtx_queue_head(tp);
  if (skb === null) return;
  if (trace_key.on) trace_fn(F_tcp_retransmit_timer, skb);
  const handshake = sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV;
  if (tp.snd_wnd === 0 && !sock_flag(sk, SOCK_DEAD) && !handshake) {
    // The receiver shrank its window to nothing (RFC 9293 section 3.8.6.2.1): these retransmissions are probes. The
    // connection lasts as long as the peer acknowledges them.
    const delta = tp.retrans_stamp !== 0 ? (tcp_time_stamp_ts(tp) - tp.retrans_stamp) | 0 : skb_age(tp, skb);
    if (tcp_rtx_probe0_timed_out(tp, delta)) {
      tcp_write_err(sk);
      return;
    }
    tcp_enter_loss(sk);
    tcp_retransmit_skb(sk, skb, 1);
    sk_dst_reset(sk);
    out_reset_timer(tp);
    return;
  }
  mib(sk, LINUX_MIB_TCPTIMEOUTS);
  if (tcp_write_timeout(sk)) return;
  if (tp.icsk_retransmits === 0) count_first_timeout(tp);
  tcp_enter_loss(sk);
  tcp_update_rto_stats(tp);
  skb = tcp_rtx_queue_head(tp);
  if (skb !== null && tcp_retransmit_skb(sk, skb, 1) > 0) {
    // Our own queues were full: that is not the network's fault, so no backing off.
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, TCP_RESOURCE_PROBE_INTERVAL, tp.icsk_rto_max);
    return;
  }
  out_reset_timer(tp);
}

/** One timer for four purposes, of which one is pending at a time. */
function tcp_write_timer_handler(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_LISTEN || tp.icsk_pending === 0) return;
  if (tp.icsk_timeout > jiffies(sk.net.kernel)) {
    sk_reset_timer(sk, tp.icsk_retransmit_timer!, tp.icsk_timeout);
    return;
  }
  tcp_mstamp_refresh(tp);
  const event = tp.icsk_pending;
  if (event === ICSK_TIME_REO_TIMEOUT) {
    tcp_rack_reo_timeout(sk);
  } else if (event === ICSK_TIME_LOSS_PROBE) {
    tcp_send_loss_probe(sk);
  } else if (event === ICSK_TIME_RETRANS) {
    tp.icsk_pending = 0;
    tcp_retransmit_timer(sk);
  } else if (event === ICSK_TIME_PROBE0) {
    tp.icsk_pending = 0;
    tcp_probe_timer(sk);
  }
}

function tcp_write_timer(t: TimerList): void {
  const sk = t.owner as Sock;
  tcp_write_timer_handler(sk);
  sock_put(sk);
}

// --- keepalive ------------------------------------------------------------------------------------------------------------

/** SO_KEEPALIVE. */
export function tcp_set_keepalive(sk: Sock, on: boolean): void {
  if (sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_LISTEN) return;
  if (on && !sock_flag(sk, SOCK_KEEPOPEN)) inet_csk_reset_keepalive_timer(sk, keepalive_time_when(tcp_sk(sk)));
  else if (!on) inet_csk_delete_keepalive_timer(sk);
}

function keepalive(tp: TcpSock): void {
  const sk: Sock = tp;
  if (sk.sk_state === TCP_LISTEN) return;
  tcp_mstamp_refresh(tp);
  if (sk.sk_state === TCP_FIN_WAIT2 && sock_flag(sk, SOCK_DEAD)) {
    // The peer does not close, and no program waits for it: what is left fits into a TIME_WAIT.
    if (tp.linger2 >= 0) {
      const left = tcp_fin_time(sk) - TCP_TIMEWAIT_LEN;
      if (left > 0) {
        tcp_time_wait(sk, TCP_FIN_WAIT2, left);
        return;
      }
    }
    tcp_send_active_reset(sk, SK_RST_REASON_TCP_STATE);
    tcp_done(sk);
    return;
  }
  if (!sock_flag(sk, SOCK_KEEPOPEN) || sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_SYN_SENT) return;
  const idle = keepalive_time_when(tp);
  let next = idle;
  // With data on its way the retransmission timer is the judge.
  if (tp.packets_out === 0 && tcp_send_head(tp) === null) {
    const elapsed = keepalive_time_elapsed(tp);
    if (elapsed >= idle) {
      const user = tp.icsk_user_timeout;
      const dead = user !== 0 ? elapsed >= user && tp.icsk_probes_out > 0 : tp.icsk_probes_out >= keepalive_probes(tp);
      if (dead) {
        tcp_send_active_reset(sk, SK_RST_REASON_TCP_KEEPALIVE_TIMEOUT);
        tcp_write_err(sk);
        return;
      }
      if (tcp_write_wakeup(sk, LINUX_MIB_TCPKEEPALIVE) <= 0) {
        tp.icsk_probes_out++;
        next = keepalive_intvl_when(tp);
      } else {
        next = TCP_RESOURCE_PROBE_INTERVAL;
      }
    } else {
      next = idle - elapsed;
    }
  }
  inet_csk_reset_keepalive_timer(sk, next);
}

export function tcp_keepalive_timer(t: TimerList): void {
  const sk = t.owner as Sock;
  if (trace_key.on) trace_call(F_tcp_keepalive_timer, sk.net.kernel);
  keepalive(tcp_sk(sk));
  sock_put(sk);
}

/** What the timers of connections do. Pacing and ACK compression have timers of their own. */
export function tcp_init_xmit_timers(k: Kernel): void {
  k.tcp_xmit_timers = { retransmit: tcp_write_timer, delack: tcp_delack_timer, keepalive: tcp_keepalive_timer };
}
