// The small sockets at both ends of a connection's life: TIME_WAIT, and the request that becomes a connection.
// Mirrors net/ipv4/tcp_minisocks.c. Read first: RFC 9293 sections 3.6.1, 3.10.7.4; RFC 6191, RFC 7323 section 5, RFC 1337.
// Way in: tcp_time_wait(), tcp_timewait_state_process(); tcp_check_req(), tcp_create_openreq_child(), tcp_child_process().

import { jiffies } from "../../kernel/kernel.ts";
import { mod_timer } from "../../kernel/time/timer.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_tcp_check_req, F_tcp_child_process, F_tcp_timewait_state_process } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { TCPH_DOFF, TCPH_WINDOW } from "../../uapi/ip.ts";
import { RTAX_INITRWND, RTAX_WINDOW } from "../../uapi/rtnetlink.ts";
import type { DstEntry } from "../core/dst.ts";
import type { Net } from "../core/net_namespace.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  LINUX_MIB_EMBRYONICRSTS,
  LINUX_MIB_PAWSESTAB,
  LINUX_MIB_PAWSTIMEWAIT,
  LINUX_MIB_TCPACKSKIPPEDFINWAIT2,
  LINUX_MIB_TCPACKSKIPPEDSYNRECV,
  LINUX_MIB_TCPACKSKIPPEDTIMEWAIT,
  LINUX_MIB_TCPDEFERACCEPTDROP,
  LINUX_MIB_TCPTIMEWAITOVERFLOW,
  LINUX_MIB_TSECRREJECTED,
  TCP_MIB_ATTEMPTFAILS,
  TCP_MIB_PASSIVEOPENS,
} from "../core/snmp.ts";
import {
  SOCK_KEEPOPEN,
  SOCK_RCVBUF_LOCK,
  type Sock,
  sk_mark_incoming,
  sock_flag,
  sock_hold,
  sock_put,
  TCP_FIN_WAIT2,
  TCP_SYN_RECV,
  TCP_TIME_WAIT,
} from "../core/sock.ts";
import {
  inet_csk_clone_lock,
  inet_csk_complete_hashdance,
  inet_csk_reqsk_queue_drop,
  inet_csk_reset_keepalive_timer,
  tcp_reqsk_timeout,
} from "./inet_connection_sock.ts";
import {
  type InetTimewaitSock,
  inet_twsk_alloc,
  inet_twsk_deschedule_put,
  inet_twsk_hashdance_schedule,
  inet_twsk_reschedule,
} from "./inet_timewait_sock.ts";
import { type RequestSock, reqsk_fastopen_remove } from "./request_sock.ts";
import { tcp_done } from "./tcp.ts";
import { tcp_synack_rtt_meas } from "./tcp_ack.ts";
import { tcp_assign_congestion_control, tcp_ca_dst_init, tcp_set_ca_state } from "./tcp_cong.ts";
import { tcp_rcv_state_process, tcp_reset } from "./tcp_input.ts";
import { tcp_segs_in, tcp_v4_syn_recv_sock } from "./tcp_ipv4.ts";
import { tcp_update_metrics } from "./tcp_metrics.ts";
import { dst_metric_advmss, tcp_select_initial_window } from "./tcp_mss.ts";
import { tcp_rtx_synack } from "./tcp_output_ctl.ts";
import { tcp_parse_options } from "./tcp_parse.ts";
import { tcp_v4_reqsk_send_ack, tcp_v4_send_reset } from "./tcp_reply.ts";
import {
  after,
  before,
  between,
  minmax_reset,
  TCP_CA_Open,
  TCP_ECN_OK,
  TCP_INIT_CWND,
  TCP_MSS_DEFAULT,
  TCP_PAWS_24DAYS,
  TCP_PAWS_MSL,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  type TcpOptionsReceived,
  type TcpSock,
  tcp_full_space,
  tcp_jiffies32,
  tcp_mstamp_refresh,
  tcp_receive_window,
  tcp_sk,
} from "./tcp_sock.ts";
import { keepalive_time_when } from "./tcp_timer.ts";

// What tcp_timewait_state_process() wants to be done. With SYN, kernel.tcp_tw_isn is the sequence number to begin with.
export const TCP_TW_SUCCESS = 0;
export const TCP_TW_RST = 1;
export const TCP_TW_ACK = 2;
export const TCP_TW_SYN = 3;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Of tcp_v4_syn_recv_sock(): the request left the hash for the new connection. */
    tcp_own_req: boolean;
    /** Of tcp_check_req(): the request was not there any more; look up again. */
    tcp_req_stolen: boolean;
  }
}

/** Seconds, as ts_recent_stamp counts them. */
const ktime_get_seconds = (net: Net): number => Math.floor(net.kernel.now / 1e9);
/** The clock of RFC 7323 timestamps, ms. */
const tcp_clock_ms = (net: Net): number => Math.floor(net.kernel.now / 1e6) | 0;

const tcp_in_window = (seq: number, end_seq: number, s_win: number, e_win: number): boolean =>
  seq === s_win || (after(end_seq, s_win) && before(seq, e_win)) || (seq === e_win && seq === end_seq);

/**
 * PAWS (RFC 7323 section 5.3): a timestamp before the last one means an old duplicate; unless that is as old as 24 days, or it is a
 * RST a minute later, whose sender may have been reborn.
 */
function tcp_paws_reject(net: Net, opt: TcpOptionsReceived, rst: boolean): boolean {
  if (((opt.ts_recent - opt.rcv_tsval) | 0) <= 0 || opt.ts_recent === 0) return false;
  const age = ktime_get_seconds(net) - opt.ts_recent_stamp;
  if (age >= TCP_PAWS_24DAYS) return false;
  return !(rst && age >= TCP_PAWS_MSL);
}

/**
 * Answers to what is out of window are limited to one in tcp_invalid_ratelimit ms, so that two ends do not answer each other for
 * ever. Segments with data are not part of such a loop.
 */
function tcp_oow_rate_limited(net: Net, skb: SkBuff, mib: number, who: { last_oow_ack_time: number }): boolean {
  if (skb.tcp_seq !== skb.tcp_end_seq && (skb.tcp_flags & TCPHDR_SYN) === 0) return false;
  const now = tcp_jiffies32(net);
  if (who.last_oow_ack_time !== 0) {
    const elapsed = (now - who.last_oow_ack_time) | 0;
    if (elapsed >= 0 && elapsed < net.ipv4.sysctl_tcp_invalid_ratelimit) {
      net.mib.linux[mib]!++;
      return true;
    }
  }
  who.last_oow_ack_time = now !== 0 ? now : 1;
  return false;
}

const has_options = (skb: SkBuff, th: number): boolean => skb.head.dv.getUint8(th + TCPH_DOFF) >> 4 > 5;

// --- TIME_WAIT ----------------------------------------------------------------------------------------------------

/** A TIME_WAIT may be left early by an ACK, or not at all. */
function timewait_oow(tw: InetTimewaitSock, skb: SkBuff, mib: number): number {
  return tcp_oow_rate_limited(tw.net, skb, mib, tw) ? TCP_TW_SUCCESS : TCP_TW_ACK;
}

function timewait_timestamp(tw: InetTimewaitSock, opt: TcpOptionsReceived): void {
  tw.tw_ts_recent_stamp = ktime_get_seconds(tw.net);
  tw.tw_ts_recent = opt.rcv_tsval;
}

/** The peer has not closed yet, and no program is left to read: only its FIN is welcome. */
function fin_wait2(
  tw: InetTimewaitSock,
  skb: SkBuff,
  flags: number,
  opt: TcpOptionsReceived,
  tstamp: boolean,
  paws: boolean,
): number {
  const rcv_nxt = tw.tw_rcv_nxt;
  const seq = skb.tcp_seq;
  const end_seq = skb.tcp_end_seq;
  if (paws || !tcp_in_window(seq, end_seq, rcv_nxt, (rcv_nxt + tw.tw_rcv_wnd) | 0))
    return timewait_oow(tw, skb, LINUX_MIB_TCPACKSKIPPEDFINWAIT2);
  if ((flags & TCPHDR_RST) !== 0) {
    inet_twsk_deschedule_put(tw);
    return TCP_TW_SUCCESS;
  }
  if ((flags & TCPHDR_SYN) !== 0 && !before(seq, rcv_nxt)) return TCP_TW_RST;
  if ((flags & TCPHDR_ACK) === 0 || !after(end_seq, rcv_nxt) || end_seq === seq) return TCP_TW_SUCCESS;
  // Data that nobody will read (RFC 2525 section 2.17), or a hole before the FIN.
  if ((flags & TCPHDR_FIN) === 0 || end_seq !== ((rcv_nxt + 1) | 0)) return TCP_TW_RST;
  tw.tw_substate = TCP_TIME_WAIT;
  tw.tw_rcv_nxt = end_seq;
  tw.tw_entry_stamp = tcp_clock_ms(tw.net);
  if (tstamp) timewait_timestamp(tw, opt);
  inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN);
  return TCP_TW_ACK;
}

/**
 * A segment for what is left of a connection; `th` is the offset of its header. What comes back says what to answer: TCP_TW_*.
 *
 * RFC 9293 section 3.10.7.4, TIME-WAIT. A new SYN may reuse the connection where it is certainly newer: a higher sequence
 * number, or (RFC 6191) a later timestamp. A RST does not end TIME_WAIT under tcp_rfc1337.
 */
export function tcp_timewait_state_process(tw: InetTimewaitSock, skb: SkBuff, th: number): number {
  if (trace_key.on) trace_fn(F_tcp_timewait_state_process, skb);
  const net = tw.net;
  const k = net.kernel;
  const opt = k.tcp_tmp_opt;
  const flags = skb.tcp_flags;
  const rst = (flags & TCPHDR_RST) !== 0;
  let tstamp = false;
  let paws = false;
  k.tcp_tw_isn = 0;
  if (tw.tw_ts_recent_stamp !== 0 && has_options(skb, th)) {
    tcp_parse_options(net, skb, th, opt, false, null);
    tstamp = opt.saw_tstamp;
    if (tstamp) {
      opt.ts_recent = tw.tw_ts_recent;
      opt.ts_recent_stamp = tw.tw_ts_recent_stamp;
      paws = tcp_paws_reject(net, opt, rst);
    }
  }
  if (tw.tw_substate === TCP_FIN_WAIT2) return fin_wait2(tw, skb, flags, opt, tstamp, paws);

  const seq = skb.tcp_seq;
  const rcv_nxt = tw.tw_rcv_nxt;
  if (!paws && seq === rcv_nxt && (seq === skb.tcp_end_seq || rst)) {
    if (rst) {
      // RFC 1337: such a RST may be an old duplicate.
      if (net.ipv4.sysctl_tcp_rfc1337 === 0) {
        inet_twsk_deschedule_put(tw);
        return TCP_TW_SUCCESS;
      }
    } else inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN);
    if (tstamp) timewait_timestamp(tw, opt);
    return TCP_TW_SUCCESS;
  }
  if (
    (flags & (TCPHDR_SYN | TCPHDR_RST | TCPHDR_ACK)) === TCPHDR_SYN &&
    !paws &&
    (after(seq, rcv_nxt) || (tstamp && ((tw.tw_ts_recent - opt.rcv_tsval) | 0) < 0))
  ) {
    const isn = (tw.tw_snd_nxt + 65535 + 2) | 0;
    k.tcp_tw_isn = isn !== 0 ? isn : 1;
    return TCP_TW_SYN;
  }
  if (paws) net.mib.linux[LINUX_MIB_PAWSTIMEWAIT]!++;
  if (rst) return TCP_TW_SUCCESS;
  // Our last ACK may have been lost: once more, and its time begins anew (RFC 9293 section 3.10.7.4, eighth check).
  if (paws || (flags & TCPHDR_ACK) !== 0) inet_twsk_reschedule(tw, TCP_TIMEWAIT_LEN);
  return timewait_oow(tw, skb, LINUX_MIB_TCPACKSKIPPEDTIMEWAIT);
}

/**
 * The connection becomes TIME_WAIT (or, for `timeo` ms, FIN_WAIT2 without a program): it is replaced by an InetTimewaitSock, and done.
 * Where there are too many of these it just ends.
 */
export function tcp_time_wait(sk: Sock, state: number, timeo: number): void {
  const tp = tcp_sk(sk);
  const net = sk.net;
  const tw = inet_twsk_alloc(tp, state);
  if (tw !== null) {
    // Long enough for our ACK to be lost and the FIN to come again.
    const rto = (tp.icsk_rto << 2) - (tp.icsk_rto >> 1);
    tw.tw_mark = sk.sk_mark;
    tw.tw_rcv_wscale = tp.rx_opt.rcv_wscale;
    tw.tw_rcv_nxt = tp.rcv_nxt;
    tw.tw_snd_nxt = tp.snd_nxt;
    tw.tw_rcv_wnd = tcp_receive_window(tp);
    tw.tw_ts_recent = tp.rx_opt.ts_recent;
    tw.tw_ts_recent_stamp = tp.rx_opt.ts_recent_stamp;
    tw.tw_ts_offset = tp.tsoffset;
    tw.tw_tx_delay = tp.tcp_tx_delay;
    tw.tw_txhash = sk.sk_txhash;
    tw.tw_entry_stamp = tcp_clock_ms(net);
    if (timeo < rto) timeo = rto;
    if (state === TCP_TIME_WAIT) timeo = TCP_TIMEWAIT_LEN;
    inet_twsk_hashdance_schedule(tw, tp, timeo);
  } else {
    net.mib.linux[LINUX_MIB_TCPTIMEWAITOVERFLOW]!++;
  }
  tcp_update_metrics(sk);
  tcp_done(sk);
}

/** 127.0.0.0/8 */
const LOOPBACK_NET = 0x7f;

/**
 * May connect() take the four numbers of this TIME_WAIT? Timestamps must have been in use, so that old segments are told from new
 * ones (RFC 6191). Where we chose the port (not `bound`), tcp_tw_reuse must allow it, 2: on loopback only, and
 * tcp_tw_reuse_delay ms must have passed. The new connection goes on behind the old one's sequence numbers.
 */
export function tcp_twsk_unique(sk: Sock, tw: InetTimewaitSock, bound = false): boolean {
  const tp = tcp_sk(sk);
  const net = sk.net;
  let reuse = net.ipv4.sysctl_tcp_tw_reuse;
  if (tw.tw_substate === TCP_FIN_WAIT2) reuse = 0;
  if (reuse === 2) {
    const loopback =
      tw.sk_bound_dev_if === net.loopback_dev.ifindex ||
      tw.inet_daddr >>> 24 === LOOPBACK_NET ||
      tw.inet_rcv_saddr >>> 24 === LOOPBACK_NET;
    if (!loopback) reuse = 0;
  }
  if (tw.tw_ts_recent_stamp === 0) return false;
  if (!bound) {
    if (reuse === 0) return false;
    if (((tcp_clock_ms(net) - tw.tw_entry_stamp) | 0) <= net.ipv4.sysctl_tcp_tw_reuse_delay) return false;
  }
  if (!tp.repair) {
    const seq = (tw.tw_snd_nxt + 65535 + 2) | 0;
    tp.write_seq = seq !== 0 ? seq : 1;
    tp.rx_opt.ts_recent = tw.tw_ts_recent;
    tp.rx_opt.ts_recent_stamp = tw.tw_ts_recent_stamp;
  }
  return true;
}

// --- from the request to the connection ---------------------------------------------------------------------------

/** The window that the SYN-ACK offers, and its scale: from the listener's buffer, the route, and SO_RCVBUF. */
export function tcp_openreq_init_rwin(req: RequestSock, sk: Sock, dst: DstEntry): void {
  const tp = tcp_sk(sk);
  let full_space = tcp_full_space(tp);
  const advmss = dst_metric_advmss(dst);
  const user = tp.rx_opt.user_mss;
  const mss = user !== 0 && user < advmss ? user : advmss;
  let clamp = tp.window_clamp !== 0 ? tp.window_clamp : dst.metrics[RTAX_WINDOW]!;
  if ((sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (clamp > full_space || clamp === 0)) clamp = full_space;
  const init_rcv_wnd = dst.metrics[RTAX_INITRWND]!;
  if (init_rcv_wnd !== 0 && full_space < init_rcv_wnd * mss) full_space = init_rcv_wnd * mss;
  tcp_select_initial_window(
    sk,
    full_space,
    mss - (req.tstamp_ok ? TCPOLEN_TSTAMP_ALIGNED : 0),
    clamp,
    req.wscale_ok,
    init_rcv_wnd,
  );
  const win = sk.net.kernel.tcp_init_win;
  req.rsk_rcv_wnd = win.rcv_wnd;
  req.rsk_window_clamp = win.window_clamp;
  req.rcv_wscale = win.rcv_wscale;
}

/** The congestion control of a new connection: the route's, else the listener's if a program chose it, else the default. */
export function tcp_ca_openreq_child(sk: Sock, dst: DstEntry): void {
  const tp = tcp_sk(sk);
  if (!tcp_ca_dst_init(sk, dst) && (!tp.icsk_ca_setsockopt || tp.icsk_ca_ops === null))
    tcp_assign_congestion_control(sk);
  tcp_set_ca_state(sk, TCP_CA_Open);
}

/** A connection out of a request and its ACK `skb`, in SYN_RECV, with the caller's reference beside that of the accept queue. */
export function tcp_create_openreq_child(sk: Sock, req: RequestSock, skb: SkBuff): TcpSock | null {
  const net = sk.net;
  const tp = inet_csk_clone_lock(sk, req);
  const now = tcp_jiffies32(net);
  tcp_mstamp_refresh(tp);
  let seq = (req.rcv_isn + 1) | 0;
  tp.rcv_wup = seq;
  tp.copied_seq = seq;
  tp.rcv_nxt = seq;
  tp.segs_in = 1;
  tp.snd_wl1 = req.rcv_isn;
  seq = (req.snt_isn + 1) | 0;
  tp.snd_sml = seq;
  tp.snd_una = seq;
  tp.snd_nxt = seq;
  tp.snd_up = seq;
  tp.write_seq = seq;
  tp.pushed_seq = seq;
  tp.mdev_us = TCP_TIMEOUT_INIT * 1000;
  tp.icsk_rto = TCP_TIMEOUT_INIT;
  minmax_reset(tp.rtt_min, now, -1);
  tp.ack_lrcvtime = now;
  tp.lsndtime = now;
  tp.snd_cwnd = TCP_INIT_CWND;
  tp.total_retrans = req.num_retrans;
  if (sock_flag(tp, SOCK_KEEPOPEN)) inet_csk_reset_keepalive_timer(tp, keepalive_time_when(tp));

  const opt = tp.rx_opt;
  opt.tstamp_ok = req.tstamp_ok;
  opt.sack_ok = req.sack_ok ? 1 : 0;
  tp.window_clamp = req.rsk_window_clamp;
  tp.rcv_ssthresh = req.rsk_rcv_wnd;
  tp.rcv_wnd = req.rsk_rcv_wnd;
  opt.wscale_ok = req.wscale_ok;
  if (req.wscale_ok) {
    opt.snd_wscale = req.snd_wscale;
    opt.rcv_wscale = req.rcv_wscale;
  } else {
    opt.snd_wscale = 0;
    opt.rcv_wscale = 0;
    tp.window_clamp = Math.min(tp.window_clamp, 65535);
  }
  const th = skb.transport_header;
  tp.snd_wnd = skb.head.dv.getUint16(th + TCPH_WINDOW) << opt.snd_wscale;
  tp.max_window = tp.snd_wnd;
  if (req.tstamp_ok) {
    opt.ts_recent = req.ts_recent;
    opt.ts_recent_stamp = ktime_get_seconds(net);
    tp.tcp_header_len = 20 + TCPOLEN_TSTAMP_ALIGNED;
  } else {
    opt.ts_recent_stamp = 0;
    tp.tcp_header_len = 20;
  }
  if (req.num_timeout !== 0) {
    // The SYN-ACK was sent more than once: if the ACK proves to be for the first, that was for nothing (Eifel).
    tp.total_rto = req.num_timeout;
    tp.undo_marker = req.snt_isn;
    // In the unit of the timestamps, ms.
    tp.retrans_stamp =
      (tcp_clock_ms(net) - Math.floor(((Math.floor(net.kernel.now / 1000) - req.snt_synack) >>> 0) / 1000)) | 0;
    tp.total_rto_time = (tcp_clock_ms(net) - tp.retrans_stamp) | 0;
    tp.total_rto_recoveries = 1;
  }
  tp.tsoffset = req.ts_off;
  if (skb.len >= TCP_MSS_DEFAULT + tp.tcp_header_len) tp.ack_last_seg_size = skb.len - tp.tcp_header_len;
  opt.mss_clamp = req.mss;
  tp.ecn_flags = req.ecn_ok ? TCP_ECN_OK : 0;
  net.mib.tcp[TCP_MIB_PASSIVEOPENS]!++;
  return tp;
}

/**
 * A segment for a request (RFC 9293 section 3.10.7.4, SYN-RECEIVED; its fields are in the skb). Returns the new connection, which is
 * hashed and in the accept queue; `sk` itself when the listener (or, with `fastopen`, the connection that exists already) is to
 * look at the segment; null when it was answered, or ignored. The skb stays the caller's.
 */
export function tcp_check_req(sk: Sock, skb: SkBuff, req: RequestSock, fastopen: boolean): TcpSock | null {
  if (trace_key.on) trace_fn(F_tcp_check_req, skb);
  const net = sk.net;
  const k = net.kernel;
  const mib = net.mib.linux;
  const th = skb.transport_header;
  const opt = k.tcp_tmp_opt;
  let flg = skb.tcp_flags & (TCPHDR_RST | TCPHDR_SYN | TCPHDR_ACK);
  let tstamp = false;
  let paws = false;
  let tsecr = false;
  k.tcp_req_stolen = false;
  opt.saw_tstamp = false;
  if (has_options(skb, th)) {
    tcp_parse_options(net, skb, th, opt, false, null);
    tstamp = opt.saw_tstamp;
    if (tstamp) {
      opt.ts_recent = req.ts_recent;
      // When the SYN came is not recorded: its age is what the timeouts took.
      opt.ts_recent_stamp = ktime_get_seconds(net) - Math.floor(tcp_reqsk_timeout(req) / 1000);
      paws = tcp_paws_reject(net, opt, (flg & TCPHDR_RST) !== 0);
      // The ACK echoes a timestamp of one of our SYN-ACKs, nothing else (RFC 7323 section 3.2).
      if (
        req.tstamp_ok &&
        !fastopen &&
        opt.rcv_tsecr !== 0 &&
        (req.snt_tsval_first !== 0 || req.snt_tsval_last !== 0)
      ) {
        tsecr = !between(opt.rcv_tsecr, req.snt_tsval_first, req.snt_tsval_last);
      }
    }
  }
  // The same SYN again: our SYN-ACK was lost. Another one, and a timeout of full length.
  if (skb.tcp_seq === req.rcv_isn && flg === TCPHDR_SYN && !paws) {
    if (
      !tcp_oow_rate_limited(net, skb, LINUX_MIB_TCPACKSKIPPEDSYNRECV, req) &&
      tcp_rtx_synack(sk, req) === 0 &&
      !fastopen &&
      req.timer !== null &&
      req.timer.index >= 0
    ) {
      mod_timer(req.timer, jiffies(k) + tcp_reqsk_timeout(req));
    }
    return null;
  }
  // An ACK of something else: the listener answers it with a RST (section 3.10.7.2).
  if ((flg & TCPHDR_ACK) !== 0 && !fastopen && skb.tcp_ack_seq !== ((req.snt_isn + 1) | 0)) return tcp_sk(sk);

  const window = Math.min(req.rsk_rcv_wnd, 65535);
  if (paws || tsecr || !tcp_in_window(skb.tcp_seq, skb.tcp_end_seq, req.rcv_nxt, (req.rcv_nxt + window) | 0)) {
    if ((flg & TCPHDR_RST) === 0 && !tcp_oow_rate_limited(net, skb, LINUX_MIB_TCPACKSKIPPEDSYNRECV, req))
      tcp_v4_reqsk_send_ack(sk, skb, req);
    if (paws) mib[LINUX_MIB_PAWSESTAB]!++;
    else if (tsecr) mib[LINUX_MIB_TSECRREJECTED]!++;
    return null;
  }
  if (tstamp && !after(skb.tcp_seq, req.rcv_nxt)) req.ts_recent = opt.rcv_tsval;
  // A SYN at the left edge lies before the window: it is cut off.
  if (skb.tcp_seq === req.rcv_isn) flg &= ~TCPHDR_SYN;
  if ((flg & (TCPHDR_RST | TCPHDR_SYN)) !== 0) {
    net.mib.tcp[TCP_MIB_ATTEMPTFAILS]!++;
    return embryonic_reset(sk, skb, req, flg, fastopen);
  }
  if ((flg & TCPHDR_ACK) === 0) return null;
  if (fastopen) return tcp_sk(sk);

  // TCP_DEFER_ACCEPT: the connection is made when data comes, not by the bare ACK.
  const queue = tcp_sk(sk).icsk_accept_queue!;
  if (req.num_timeout < queue.rskq_defer_accept && skb.tcp_end_seq === ((req.rcv_isn + 1) | 0)) {
    req.acked = true;
    mib[LINUX_MIB_TCPDEFERACCEPTDROP]!++;
    return null;
  }

  const child = tcp_v4_syn_recv_sock(sk, skb, req, null, req);
  if (child === null) {
    // No room. The client believes that it is connected: the SYN-ACK will come again and find it there, unless it is told.
    if (net.ipv4.sysctl_tcp_abort_on_overflow !== 0) return embryonic_reset(sk, skb, req, flg, fastopen);
    req.acked = true;
    return null;
  }
  child.sk_rxhash = skb.hash;
  sk_mark_incoming(child, skb);
  tcp_synack_rtt_meas(child, req);
  const own = k.tcp_own_req;
  k.tcp_req_stolen = !own;
  return inet_csk_complete_hashdance(sk, child, req, own);
}

/** The handshake failed: whose fault it was not is told, and the request ends. */
function embryonic_reset(sk: Sock, skb: SkBuff, req: RequestSock, flg: number, fastopen: boolean): null {
  if ((flg & TCPHDR_RST) === 0) {
    tcp_v4_send_reset(sk, skb, 0);
  } else if (fastopen) {
    reqsk_fastopen_remove(tcp_sk(sk), req, true);
    tcp_reset(sk, skb);
  }
  if (!fastopen) {
    const unlinked = inet_csk_reqsk_queue_drop(sk, req);
    if (unlinked) sk.net.mib.linux[LINUX_MIB_EMBRYONICRSTS]!++;
    sk.net.kernel.tcp_req_stolen = !unlinked;
  }
  return null;
}

/**
 * The segment that made the connection is its first. Ends the caller's reference on `child`. Returns 0, and the skb is gone, or
 * the reason why it was refused, and the caller answers with a RST.
 */
export function tcp_child_process(parent: Sock, child: TcpSock, skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_tcp_child_process, skb);
  const state = child.sk_state;
  tcp_segs_in(child, skb);
  sock_hold(child);
  const reason = tcp_rcv_state_process(child, skb);
  // Somebody can be accepted.
  if (state === TCP_SYN_RECV && child.sk_state !== state) parent.sk_data_ready(parent);
  sock_put(child);
  sock_put(child);
  return reason;
}
