// Segments come in: the eleven states. Mirrors net/ipv4/tcp_input.c. Read first: RFC 9293 section 3.10.7, RFC 5961.
// Way in: tcp_rcv_established() and tcp_rcv_state_process() from tcp_v4_do_rcv(). ACKs: tcp_ack.ts; payload: tcp_data.ts.

import { jiffies } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_tcp_rcv_established, F_tcp_rcv_state_process } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { wake_up } from "../../kernel/wait.ts";
import { ECONNREFUSED, ECONNRESET, EPIPE } from "../../uapi/errno.ts";
import { EPOLLIN, POLLPRI, POLLRDNORM } from "../../uapi/fcntl.ts";
import { TCPH_DOFF, TCPH_FLAGS, TCPH_SEQ, TCPH_URG, TCPH_WINDOW } from "../../uapi/ip.ts";
import { RCV_SHUTDOWN, SEND_SHUTDOWN } from "../../uapi/socket.ts";
import {
  SKB_DROP_REASON_TCP_ABORT_ON_DATA,
  SKB_DROP_REASON_TCP_CLOSE,
  SKB_DROP_REASON_TCP_CSUM,
  SKB_DROP_REASON_TCP_FLAGS,
  SKB_DROP_REASON_TCP_INVALID_ACK_SEQUENCE,
  SKB_DROP_REASON_TCP_INVALID_END_SEQUENCE,
  SKB_DROP_REASON_TCP_INVALID_SEQUENCE,
  SKB_DROP_REASON_TCP_INVALID_SYN,
  SKB_DROP_REASON_TCP_OFO_QUEUE_PRUNE,
  SKB_DROP_REASON_TCP_OLD_ACK,
  SKB_DROP_REASON_TCP_RESET,
  SKB_DROP_REASON_TCP_RFC7323_PAWS,
  SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK,
} from "../core/dropreason.ts";
import type { Net } from "../core/net_namespace.ts";
import { skb_checksum_complete } from "../core/skb_checksum.ts";
import {
  __skb_pull,
  __skb_unlink,
  consume_skb,
  kfree_skb_reason,
  type SkBuff,
  skb_copy_bits,
  skb_dst_drop,
  skb_queue_purge_reason,
} from "../core/skbuff.ts";
import {
  LINUX_MIB_BEYONDWINDOW,
  LINUX_MIB_PAWSACTIVE,
  LINUX_MIB_PAWSESTAB,
  LINUX_MIB_PAWSOLDACK,
  LINUX_MIB_TCPABORTONDATA,
  LINUX_MIB_TCPACKSKIPPEDCHALLENGE,
  LINUX_MIB_TCPACKSKIPPEDPAWS,
  LINUX_MIB_TCPACKSKIPPEDSEQ,
  LINUX_MIB_TCPCHALLENGEACK,
  LINUX_MIB_TCPHPHITS,
  LINUX_MIB_TCPSYNCHALLENGE,
  TCP_MIB_INCSUMERRORS,
  TCP_MIB_INERRS,
} from "../core/snmp.ts";
import {
  SOCK_DEAD,
  SOCK_DONE,
  SOCK_KEEPOPEN,
  SOCK_SNDBUF_LOCK,
  SOCK_URGINLINE,
  type Sock,
  sock_flag,
  sock_set_flag,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
  TCP_TIME_WAIT,
} from "../core/sock.ts";
import {
  ICSK_TIME_DACK,
  inet_csk_ack_scheduled,
  inet_csk_enter_pingpong_mode,
  inet_csk_in_pingpong_mode,
  inet_csk_rebuild_route,
  inet_csk_reset_keepalive_timer,
  inet_csk_reset_xmit_timer,
  inet_csk_schedule_ack,
} from "./inet_connection_sock.ts";
import { tcp_done, tcp_set_state, tcp_shutdown, tcp_write_queue_purge } from "./tcp.ts";
import {
  tcp_ack,
  tcp_may_update_window,
  tcp_snd_una_update,
  tcp_synack_rtt_meas,
  tcp_update_pacing_rate,
} from "./tcp_ack.ts";
import { tcp_init_congestion_control } from "./tcp_cong.ts";
import { tcp_conn_request } from "./tcp_conn_request.ts";
import {
  __tcp_ack_snd_check_fast,
  __tcp_fast_path_on,
  tcp_ack_snd_check,
  tcp_data_queue,
  tcp_ecn_accept_cwr,
  tcp_enter_quickack_mode,
  tcp_event_data_recv,
  tcp_fast_path_on,
  tcp_init_buffer_space,
  tcp_queue_rcv,
  tcp_rcv_rtt_measure_ts,
  tcp_send_dupack,
} from "./tcp_data.ts";
import { tcp_rcv_fastopen_synack, tcp_rcv_synrecv_state_fastopen } from "./tcp_fastopen.ts";
import { SOCK_NOSPACE } from "./tcp_mem.ts";
import { tcp_init_metrics, tcp_update_metrics } from "./tcp_metrics.ts";
import { tcp_check_req, tcp_time_wait } from "./tcp_minisocks.ts";
import { tcp_mtup_init, tcp_sync_mss } from "./tcp_mss.ts";
import { TCP_CHRONO_SNDBUF_LIMITED, tcp_chrono_stop, tcp_init_cwnd_of, tcp_push_pending_frames } from "./tcp_output.ts";
import { tcp_send_ack, tcp_send_synack } from "./tcp_output_ctl.ts";
import { FastopenCookie, tcp_fast_parse_options, tcp_parse_aligned_timestamp, tcp_parse_options } from "./tcp_parse.ts";
import { tcp_epollin_ready } from "./tcp_poll.ts";
import { tcp_rmem_fits } from "./tcp_prune.ts";
import { FLAG_DATA, FLAG_NO_CHALLENGE_ACK, FLAG_SLOWPATH, FLAG_UPDATE_TS_RECENT } from "./tcp_sack.ts";
import {
  after,
  before,
  between,
  ICSK_TIME_RETRANS,
  MAX_TCP_HEADER,
  TCP_DELACK_MAX,
  TCP_ECN_OK,
  TCP_HZ,
  TCP_INIT_CWND,
  TCP_MAX_QUICKACKS,
  TCP_PAWS_24DAYS,
  TCP_PAWS_WINDOW,
  TCP_TIMEOUT_MIN,
  TCP_TIMEWAIT_LEN,
  TCPHDR_ACK,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPHDR_FIN,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPHDR_URG,
  TCPOLEN_TSTAMP_ALIGNED,
  type TcpSock,
  tcp_is_sack,
  tcp_mstamp_refresh,
  tcp_packets_in_flight,
  tcp_receive_window,
  tcp_sk,
} from "./tcp_sock.ts";
import { tcp_fin_time } from "./tcp_timer.ts";

// --- timestamps (RFC 7323) ----------------------------------------------------------------------------------------

const seconds = (tp: TcpSock): number => Math.floor(tp.net.kernel.now / 1e9);
function tcp_store_ts_recent(tp: TcpSock): void {
  tp.rx_opt.ts_recent = tp.rx_opt.rcv_tsval;
  tp.rx_opt.ts_recent_stamp = Math.max(seconds(tp), 1);
}
function tcp_paws_check(tp: TcpSock, win: number): boolean {
  const o = tp.rx_opt;
  if (((o.ts_recent - o.rcv_tsval) | 0) <= win) return true;
  // After 24 days the clock of the peer may have wrapped.
  if (seconds(tp) >= o.ts_recent_stamp + TCP_PAWS_24DAYS) return true;
  return o.ts_recent === 0;
}
export function tcp_replace_ts_recent(tp: TcpSock, seq: number): void {
  if (tp.rx_opt.saw_tstamp && !after(seq, tp.rcv_wup) && tcp_paws_check(tp, 0)) tcp_store_ts_recent(tp);
}
/** Ticks of the fastest timestamp clock that is known (1200 Hz) in an RTO: an ACK may have been overtaken by as much. */
const tcp_tsval_replay = (tp: TcpSock): number => Math.floor((tp.icsk_rto * 1200) / TCP_HZ);

/** The timestamp is an old one. 0: a pure ACK that was overtaken and is harmless; otherwise the reason to drop it. */
function tcp_disordered_ack_check(tp: TcpSock, skb: SkBuff, flags: number): number {
  const th = skb.transport_header;
  const seq = skb.tcp_seq;
  if ((flags & TCPHDR_ACK) === 0 || seq !== skb.tcp_end_seq) return SKB_DROP_REASON_TCP_RFC7323_PAWS;
  if (before(seq, tp.rcv_nxt)) return SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK;
  // It would say something: a number of ours, a window.
  const win = (skb.head.dv.getUint16(th + TCPH_WINDOW) << tp.rx_opt.snd_wscale) >>> 0;
  const news =
    seq !== tp.rcv_nxt ||
    skb.tcp_ack_seq !== tp.snd_una ||
    tcp_may_update_window(tp, skb.tcp_ack_seq, seq, win) ||
    ((tp.rx_opt.ts_recent - tp.rx_opt.rcv_tsval) | 0) > tcp_tsval_replay(tp);
  return news ? SKB_DROP_REASON_TCP_RFC7323_PAWS : 0;
}

// --- answers to what does not belong ------------------------------------------------------------------------------

/** At most one ACK per half a second for what is out of the window: two peers shall not keep each other busy. */
export function tcp_oow_rate_limited(tp: TcpSock, skb: SkBuff, mib: number): boolean {
  const dv = skb.head.dv;
  const th = skb.transport_header;
  if (skb.tcp_seq !== skb.tcp_end_seq && (dv.getUint8(th + TCPH_FLAGS) & TCPHDR_SYN) === 0) return false;
  return __tcp_oow_rate_limited(tp, mib);
}
function __tcp_oow_rate_limited(tp: TcpSock, mib: number): boolean {
  const now = jiffies(tp.net.kernel);
  if (tp.last_oow_ack_time !== 0) {
    const elapsed = now - tp.last_oow_ack_time;
    if (elapsed >= 0 && elapsed < tp.net.ipv4.sysctl_tcp_invalid_ratelimit) {
      tp.net.mib.linux[mib]!++;
      return true;
    }
  }
  tp.last_oow_ack_time = now || 1;
  return false;
}
/**
 * RFC 5961 section 7: so many challenge ACKs of the whole namespace per second, tcp_challenge_ack_limit give or take a half: who
 * counts them learns nothing of other connections. True when there have been enough.
 */
function tcp_challenge_limited(net: Net): boolean {
  const v4 = net.ipv4;
  const limit = v4.sysctl_tcp_challenge_ack_limit;
  if (limit === 0x7fffffff) return false;
  const now = Math.floor(jiffies(net.kernel) / TCP_HZ);
  if (now !== v4.tcp_challenge_timestamp) {
    v4.tcp_challenge_timestamp = now;
    const half = (limit + 1) >> 1;
    const rnd = new Uint8Array(4);
    net.kernel.host.random_bytes(rnd);
    // The span is 0 for a limit of 0, and all 32 bits are random then.
    const random = new DataView(rnd.buffer).getUint32(0);
    v4.tcp_challenge_count = limit > 0 ? half + (random % limit) : random;
  }
  if (v4.tcp_challenge_count === 0) return true;
  v4.tcp_challenge_count--;
  return false;
}

/** RFC 5961: an ACK that says where we are; a blind attacker learns nothing, a real peer answers with an exact RST. */
export function tcp_send_challenge_ack(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (__tcp_oow_rate_limited(tp, LINUX_MIB_TCPACKSKIPPEDCHALLENGE) || tcp_challenge_limited(sk.net)) return;
  sk.net.mib.linux[LINUX_MIB_TCPCHALLENGEACK]!++;
  tcp_send_ack(sk);
}

/** The peer ended the connection by force. */
export function tcp_reset(sk: Sock, _skb: SkBuff | null): void {
  const tp = tcp_sk(sk);
  switch (sk.sk_state) {
    case TCP_SYN_SENT:
      sk.sk_err = ECONNREFUSED;
      break;
    case TCP_CLOSE_WAIT:
      sk.sk_err = EPIPE;
      break;
    case TCP_CLOSE:
      return;
    default:
      sk.sk_err = ECONNRESET;
  }
  tcp_write_queue_purge(tp);
  tcp_done(sk);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_error_report(sk);
}

/** The peer will send no more. */
export function tcp_fin(sk: Sock): void {
  const tp = tcp_sk(sk);
  inet_csk_schedule_ack(sk);
  sk.sk_shutdown |= RCV_SHUTDOWN;
  sock_set_flag(sk, SOCK_DONE);
  switch (sk.sk_state) {
    case TCP_SYN_RECV:
    case TCP_ESTABLISHED:
      tcp_set_state(sk, TCP_CLOSE_WAIT);
      inet_csk_enter_pingpong_mode(sk);
      break;
    case TCP_FIN_WAIT1:
      // Both closed at once.
      tcp_send_ack(sk);
      tcp_set_state(sk, TCP_CLOSING);
      break;
    case TCP_FIN_WAIT2:
      tcp_send_ack(sk);
      tcp_time_wait(sk, TCP_TIME_WAIT, 0);
      break;
  }
  // Nothing can lie behind it.
  skb_queue_purge_reason(tp.out_of_order_queue, SKB_DROP_REASON_TCP_OFO_QUEUE_PRUNE);
  if (tcp_is_sack(tp)) {
    tp.rx_opt.dsack = false;
    tp.rx_opt.num_sacks = 0;
  }
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_state_change(sk);
}

const discard = (skb: SkBuff, reason: number): number => {
  kfree_skb_reason(skb, reason);
  return 0;
};

/**
 * RFC 9293 section 3.4: does it lie in the window? 0, or why not. What reaches beyond its end is taken only while nothing waits to
 * be read (Linux 6.18): else a peer that does not care for windows would fill the buffer. A FIN is no data.
 */
function tcp_sequence(tp: TcpSock, skb: SkBuff, fin: number): number {
  if (before(skb.tcp_end_seq, tp.rcv_wup)) return SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
  const edge = (tp.rcv_nxt + tcp_receive_window(tp)) | 0;
  if (!after((skb.tcp_end_seq - fin) | 0, edge)) return 0;
  if (after(skb.tcp_seq, edge)) {
    tp.net.mib.linux[LINUX_MIB_BEYONDWINDOW]!++;
    return SKB_DROP_REASON_TCP_INVALID_SEQUENCE;
  }
  if (tp.sk_receive_queue.next === null) return 0;
  tp.net.mib.linux[LINUX_MIB_BEYONDWINDOW]!++;
  return SKB_DROP_REASON_TCP_INVALID_END_SEQUENCE;
}

/** A RST one beyond a FIN that we took already is exact enough. */
const tcp_reset_check = (tp: TcpSock, seq: number): boolean =>
  seq === ((tp.rcv_nxt - 1) | 0) &&
  (tp.sk_state === TCP_CLOSE_WAIT || tp.sk_state === TCP_LAST_ACK || tp.sk_state === TCP_CLOSING);

/** Timestamps, sequence, RST, SYN: steps one to four. False: it was answered as it deserves and is gone. */
function tcp_validate_incoming(tp: TcpSock, skb: SkBuff): boolean {
  const net = tp.net;
  const mib = net.mib.linux;
  const th = skb.transport_header;
  const flags = skb.head.dv.getUint8(th + TCPH_FLAGS);
  const rst = (flags & TCPHDR_RST) !== 0;
  if (tcp_fast_parse_options(net, skb, th, tp) && tp.rx_opt.saw_tstamp && !tcp_paws_check(tp, TCP_PAWS_WINDOW)) {
    const reason = tcp_disordered_ack_check(tp, skb, flags);
    if (reason !== 0 && !rst) {
      if ((flags & TCPHDR_SYN) !== 0) return syn_challenge(tp, skb);
      // Old ACKs are common where several paths are: they are not worth an answer.
      if (reason === SKB_DROP_REASON_TCP_RFC7323_PAWS_ACK) mib[LINUX_MIB_PAWSOLDACK]!++;
      else {
        mib[LINUX_MIB_PAWSESTAB]!++;
        if (!tcp_oow_rate_limited(tp, skb, LINUX_MIB_TCPACKSKIPPEDPAWS)) tcp_send_dupack(tp, skb);
      }
      kfree_skb_reason(skb, reason);
      return false;
    }
  }
  const reason = tcp_sequence(tp, skb, flags & TCPHDR_FIN);
  if (reason !== 0) {
    if (!rst) {
      if ((flags & TCPHDR_SYN) !== 0) return syn_challenge(tp, skb);
      if (!tcp_oow_rate_limited(tp, skb, LINUX_MIB_TCPACKSKIPPEDSEQ)) tcp_send_dupack(tp, skb);
    } else if (tcp_reset_check(tp, skb.tcp_seq)) {
      tcp_reset(tp, skb);
      kfree_skb_reason(skb, SKB_DROP_REASON_TCP_RESET);
      return false;
    }
    kfree_skb_reason(skb, reason);
    return false;
  }
  if (rst) {
    // RFC 5961 section 3.2: only the exact number resets; others are challenged.
    let exact = skb.tcp_seq === tp.rcv_nxt || tcp_reset_check(tp, skb.tcp_seq);
    if (!exact && tcp_is_sack(tp) && tp.rx_opt.num_sacks > 0) {
      let max = tp.selective_acks[0]!.end_seq;
      for (let i = 1; i < tp.rx_opt.num_sacks; i++)
        if (after(tp.selective_acks[i]!.end_seq, max)) max = tp.selective_acks[i]!.end_seq;
      exact = skb.tcp_seq === max;
    }
    if (exact) tcp_reset(tp, skb);
    else tcp_send_challenge_ack(tp);
    kfree_skb_reason(skb, SKB_DROP_REASON_TCP_RESET);
    return false;
  }
  if ((flags & TCPHDR_SYN) !== 0) {
    // The last step of a simultaneous open carries SYN and ACK.
    if (
      tp.sk_state === TCP_SYN_RECV &&
      tp.sk_socket !== null &&
      (flags & TCPHDR_ACK) !== 0 &&
      ((skb.tcp_seq + 1) | 0) === skb.tcp_end_seq &&
      ((skb.tcp_seq + 1) | 0) === tp.rcv_nxt &&
      skb.tcp_ack_seq === tp.snd_nxt
    ) {
      return true;
    }
    return syn_challenge(tp, skb);
  }
  return true;
}
/** RFC 5961 section 4.2: a SYN in a connection is answered by an ACK, whatever its number. */
function syn_challenge(tp: TcpSock, skb: SkBuff): boolean {
  tp.net.mib.tcp[TCP_MIB_INERRS]!++;
  tp.net.mib.linux[LINUX_MIB_TCPSYNCHALLENGE]!++;
  tcp_send_challenge_ack(tp);
  kfree_skb_reason(skb, SKB_DROP_REASON_TCP_INVALID_SYN);
  return false;
}

// --- wake-ups and space -------------------------------------------------------------------------------------------

/** Tells the reader, when there is as much as it asked for, or as the window lets come. */
export function tcp_data_ready(sk: Sock): void {
  if (tcp_epollin_ready(sk, sk.sk_rcvlowat) || sock_flag(sk, SOCK_DONE)) sk.sk_data_ready(sk);
}

function tcp_sndbuf_expand(tp: TcpSock): void {
  const ca = tp.icsk_ca_ops;
  const need = Math.max(tp.rx_opt.mss_clamp, tp.mss_cache) + MAX_TCP_HEADER + 320;
  const per_mss = (1 << (32 - Math.clz32(need - 1))) + 256;
  const nr_segs = Math.max(TCP_INIT_CWND, tp.snd_cwnd, tp.reordering + 1);
  // Fast recovery needs twice the window.
  const sndmem = (ca.sndbuf_expand !== undefined ? ca.sndbuf_expand(tp) : 2) * nr_segs * per_mss;
  if (tp.sk_sndbuf < sndmem) tp.sk_sndbuf = Math.min(sndmem, tp.net.ipv4.sysctl_tcp_wmem[2]!);
}

/** Memory came back: whoever found none may go on, and the buffer follows the congestion window. */
export function tcp_check_space(sk: Sock): void {
  const tp = tcp_sk(sk);
  const sock = sk.sk_socket;
  if (sock === null || (sock.flags & SOCK_NOSPACE) === 0) return;
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) === 0 && tcp_packets_in_flight(tp) < tp.snd_cwnd) {
    tcp_sndbuf_expand(tp);
    tp.snd_cwnd_stamp = jiffies(sk.net.kernel);
  }
  sk.sk_write_space(sk);
  if ((sock.flags & SOCK_NOSPACE) === 0) tcp_chrono_stop(sk, TCP_CHRONO_SNDBUF_LIMITED);
}
function tcp_data_snd_check(tp: TcpSock): void {
  tcp_push_pending_frames(tp);
  tcp_check_space(tp);
}

// --- urgent data (RFC 6093) ---------------------------------------------------------------------------------------

const TCP_URG_VALID = 0x0100;
const TCP_URG_NOTYET = 0x0200;
function tcp_check_urg(tp: TcpSock, skb: SkBuff, th: number): void {
  let ptr = skb.head.dv.getUint16(th + TCPH_URG);
  if (ptr !== 0 && tp.net.ipv4.sysctl_tcp_stdurg === 0) ptr--;
  ptr = (ptr + skb.head.dv.getInt32(th + TCPH_SEQ)) | 0;
  // Already read, or already received.
  if (after(tp.copied_seq, ptr) || before(ptr, tp.rcv_nxt)) return;
  if (tp.urg_data !== 0 && !after(ptr, tp.urg_seq)) return;
  // The byte before is lost to those who do not read it in line.
  if (
    tp.urg_seq === tp.copied_seq &&
    tp.urg_data !== 0 &&
    !sock_flag(tp, SOCK_URGINLINE) &&
    tp.copied_seq !== tp.rcv_nxt
  ) {
    tp.copied_seq = (tp.copied_seq + 1) | 0;
    // It may have been the last of its packet, which nobody would come to read then: its memory would keep the window shut.
    const first = tp.sk_receive_queue.next;
    if (first !== null && !before(tp.copied_seq, first.tcp_end_seq)) {
      __skb_unlink(first, tp.sk_receive_queue);
      consume_skb(first);
    }
  }
  tp.urg_data = TCP_URG_NOTYET;
  tp.urg_seq = ptr;
  tp.pred_flags = 0;
}
function tcp_urg(tp: TcpSock, skb: SkBuff): void {
  const th = skb.transport_header;
  if ((skb.head.dv.getUint8(th + TCPH_FLAGS) & TCPHDR_URG) !== 0) tcp_check_urg(tp, skb, th);
  if (tp.urg_data !== TCP_URG_NOTYET) return;
  const hlen = (skb.head.dv.getUint8(th + TCPH_DOFF) >> 4) << 2;
  const at = (tp.urg_seq - skb.head.dv.getInt32(th + TCPH_SEQ)) | 0;
  if (at < 0 || at >= skb.len - hlen) return;
  const byte = new Uint8Array(1);
  skb_copy_bits(skb, hlen + at, byte, 0, 1);
  tp.urg_data = TCP_URG_VALID | byte[0]!;
  if (!sock_flag(tp, SOCK_DEAD) && tp.sk_socket !== null) wake_up(tp.sk_socket.wq, POLLPRI | EPOLLIN | POLLRDNORM);
}

// --- established --------------------------------------------------------------------------------------------------

/** Bits of the header's fourth word that header prediction compares: not PSH, not the reserved ones. */
const TCP_HP_BITS = ~0x0f080000;

/** A long segment that no card had summed turns out to be damaged. */
function tcp_rcv_csum_error(sk: Sock, skb: SkBuff): void {
  sk.net.mib.tcp[TCP_MIB_INCSUMERRORS]!++;
  sk.net.mib.tcp[TCP_MIB_INERRS]!++;
  kfree_skb_reason(skb, SKB_DROP_REASON_TCP_CSUM);
}

/**
 * A segment of an established connection. What is expected (the next data, or a pure ACK) takes the short way: Van
 * Jacobson's header prediction.
 */
export function tcp_rcv_established(sk: Sock, skb: SkBuff): void {
  const tp = tcp_sk(sk);
  if (trace_key.on) trace_fn(F_tcp_rcv_established, skb);
  const dv = skb.head.dv;
  const th = skb.transport_header;
  tcp_mstamp_refresh(tp);
  tp.rx_opt.saw_tstamp = false;
  tp.rx_opt.sack_at = -1;
  if (
    (dv.getInt32(th + 12) & TCP_HP_BITS) === tp.pred_flags &&
    skb.tcp_seq === tp.rcv_nxt &&
    !after(skb.tcp_ack_seq, tp.snd_nxt) &&
    // An ACK from before has to be looked at before the data is taken (RFC 5961 section 5).
    !before(skb.tcp_ack_seq, tp.snd_una)
  ) {
    const hlen = tp.tcp_header_len;
    let fast = true;
    if (hlen === 20 + TCPOLEN_TSTAMP_ALIGNED) {
      fast = tcp_parse_aligned_timestamp(tp, dv, th) && ((tp.rx_opt.rcv_tsval - tp.rx_opt.ts_recent) | 0) >= 0;
    }
    if (fast) {
      if (skb.len <= hlen) {
        if (skb.len < hlen) {
          sk.net.mib.tcp[TCP_MIB_INERRS]!++;
          kfree_skb_reason(skb, SKB_DROP_REASON_TCP_FLAGS);
          return;
        }
        if (hlen !== 20 && tp.rcv_nxt === tp.rcv_wup) tcp_store_ts_recent(tp);
        tcp_ack(sk, skb, 0);
        consume_skb(skb);
        tcp_data_snd_check(tp);
        tp.rcv_rtt_last_tsecr = tp.rx_opt.rcv_tsecr;
        return;
      }
      if (skb_checksum_complete(skb) !== 0) {
        tcp_rcv_csum_error(sk, skb);
        return;
      }
      if (!after(skb.tcp_end_seq, (tp.rcv_nxt + tcp_receive_window(tp)) | 0) && tcp_rmem_fits(tp, skb)) {
        if (hlen !== 20 && tp.rcv_nxt === tp.rcv_wup) tcp_store_ts_recent(tp);
        tcp_rcv_rtt_measure_ts(tp, skb);
        sk.net.mib.linux[LINUX_MIB_TCPHPHITS]!++;
        if (skb.dst !== null) skb_dst_drop(skb);
        __skb_pull(skb, hlen);
        tcp_queue_rcv(tp, skb);
        tcp_event_data_recv(tp, skb);
        if (skb.tcp_ack_seq !== tp.snd_una) {
          tcp_ack(sk, skb, FLAG_DATA);
          tcp_data_snd_check(tp);
          if (!inet_csk_ack_scheduled(sk)) {
            tcp_data_ready(sk);
            return;
          }
        } else tp.snd_wl1 = skb.tcp_seq;
        __tcp_ack_snd_check_fast(tp);
        tcp_data_ready(sk);
        return;
      }
    }
  }
  // The slow way.
  if (skb_checksum_complete(skb) !== 0) {
    tcp_rcv_csum_error(sk, skb);
    return;
  }
  const flags = dv.getUint8(th + TCPH_FLAGS);
  if ((flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN)) === 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_TCP_FLAGS);
    return;
  }
  if (!tcp_validate_incoming(tp, skb)) return;
  if (tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_TCP_OLD_ACK);
    return;
  }
  tcp_rcv_rtt_measure_ts(tp, skb);
  tcp_ecn_accept_cwr(tp, skb);
  tcp_urg(tp, skb);
  tcp_data_queue(sk, skb);
  tcp_data_snd_check(tp);
  tcp_ack_snd_check(tp);
}

// --- becoming established -----------------------------------------------------------------------------------------

/** A first guess of the peer's segment size (RFC 9293 section 3.7.1). */
export function tcp_initialize_rcv_mss(sk: Sock): void {
  const tp = tcp_sk(sk);
  let hint = Math.min(tp.advmss, tp.mss_cache);
  hint = Math.min(hint, tp.rcv_wnd >> 1, 536);
  tp.ack_rcv_mss = Math.max(hint, 88);
}

export function tcp_init_transfer(sk: Sock, _bpf_op: number, _skb: SkBuff | null): void {
  const tp = tcp_sk(sk);
  tcp_mtup_init(sk);
  inet_csk_rebuild_route(sk);
  tcp_init_metrics(sk);
  // RFC 5681 section 3.1: a SYN that was retransmitted leaves one segment; once may have been chance (RFC 6298 section 5.7).
  if (tp.total_retrans > 1 && tp.undo_marker !== 0) tp.snd_cwnd = 1;
  else tp.snd_cwnd = tcp_init_cwnd_of(tp);
  tp.snd_cwnd_stamp = jiffies(sk.net.kernel);
  if (!tp.icsk_ca_initialized) tcp_init_congestion_control(sk);
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) === 0) tcp_sndbuf_expand(tp);
  tcp_init_buffer_space(tp);
}

export function tcp_finish_connect(sk: Sock, skb: SkBuff | null): void {
  const tp = tcp_sk(sk);
  tcp_set_state(sk, TCP_ESTABLISHED);
  tp.ack_lrcvtime = jiffies(sk.net.kernel);
  tcp_init_transfer(sk, 0, skb);
  // Else the first data would look like data after an idle time.
  tp.lsndtime = jiffies(sk.net.kernel);
  if (sock_flag(sk, SOCK_KEEPOPEN))
    inet_csk_reset_keepalive_timer(
      sk,
      tp.keepalive_time !== 0 ? tp.keepalive_time : sk.net.ipv4.sysctl_tcp_keepalive_time * 1000,
    );
  if (tp.rx_opt.snd_wscale === 0) __tcp_fast_path_on(tp, tp.snd_wnd);
  else tp.pred_flags = 0;
}

/** The retransmission of our SYN was not needed: the window is what it would have been. */
function tcp_try_undo_spurious_syn(tp: TcpSock): void {
  const stamp = tp.retrans_stamp;
  if (tp.undo_marker !== 0 && stamp !== 0 && tp.rx_opt.saw_tstamp && stamp === tp.rx_opt.rcv_tsecr) tp.undo_marker = 0;
}

/** In SYN_SENT. -1: the skb is still ours to free; 0 or a reason: done. */
function tcp_rcv_synsent_state_process(tp: TcpSock, skb: SkBuff): number {
  const net = tp.net;
  const dv = skb.head.dv;
  const th = skb.transport_header;
  const flags = dv.getUint8(th + TCPH_FLAGS);
  const clamp = tp.rx_opt.mss_clamp;
  const foc = new FastopenCookie();
  tcp_parse_options(net, skb, th, tp.rx_opt, false, foc);
  const o = tp.rx_opt;
  if (o.saw_tstamp && o.rcv_tsecr !== 0) o.rcv_tsecr = (o.rcv_tsecr - tp.tsoffset) | 0;
  const undo = (): void => {
    o.saw_tstamp = false;
    o.mss_clamp = clamp;
  };
  if ((flags & TCPHDR_ACK) !== 0) {
    if (!after(skb.tcp_ack_seq, tp.snd_una) || after(skb.tcp_ack_seq, tp.snd_nxt)) {
      // A half-open connection of before: the RST clears it, and the SYN is tried again soon.
      if (tp.icsk_retransmits === 0) inet_csk_reset_xmit_timer(tp, ICSK_TIME_RETRANS, TCP_TIMEOUT_MIN, tp.icsk_rto_max);
      undo();
      return SKB_DROP_REASON_TCP_INVALID_ACK_SEQUENCE;
    }
    if (
      o.saw_tstamp &&
      o.rcv_tsecr !== 0 &&
      !between(o.rcv_tsecr, tp.retrans_stamp, Math.floor(net.kernel.now / 1e6) | 0)
    ) {
      net.mib.linux[LINUX_MIB_PAWSACTIVE]!++;
      undo();
      return SKB_DROP_REASON_TCP_RFC7323_PAWS;
    }
    if ((flags & TCPHDR_RST) !== 0) {
      tcp_reset(tp, skb);
      consume_skb(skb);
      return 0;
    }
    if ((flags & TCPHDR_SYN) === 0) {
      undo();
      return discard(skb, SKB_DROP_REASON_TCP_FLAGS);
    }
    // RFC 3168 section 6.1.1: only SYN-ACK with ECE and without CWR agrees.
    if ((tp.ecn_flags & TCP_ECN_OK) !== 0 && ((flags & TCPHDR_ECE) === 0 || (flags & TCPHDR_CWR) !== 0))
      tp.ecn_flags = 0;
    tp.snd_wl1 = skb.tcp_seq;
    tcp_try_undo_spurious_syn(tp);
    tcp_ack(tp, skb, FLAG_SLOWPATH);
    tp.rcv_nxt = (skb.tcp_seq + 1) | 0;
    tp.rcv_wup = tp.rcv_nxt;
    // RFC 7323: the window of a SYN is never scaled.
    tp.snd_wnd = dv.getUint16(th + TCPH_WINDOW);
    if (!o.wscale_ok) {
      o.snd_wscale = 0;
      o.rcv_wscale = 0;
      tp.window_clamp = Math.min(tp.window_clamp, 65535);
    }
    if (o.saw_tstamp) {
      o.tstamp_ok = true;
      tp.tcp_header_len = 20 + TCPOLEN_TSTAMP_ALIGNED;
      tp.advmss -= TCPOLEN_TSTAMP_ALIGNED;
      tcp_store_ts_recent(tp);
    } else tp.tcp_header_len = 20;
    tcp_sync_mss(tp, tp.icsk_pmtu_cookie);
    tcp_initialize_rcv_mss(tp);
    tp.copied_seq = tp.rcv_nxt;
    tcp_finish_connect(tp, skb);
    const fastopen_fail = (tp.syn_fastopen || tp.syn_data) && tcp_rcv_fastopen_synack(tp, skb, foc);
    if (!sock_flag(tp, SOCK_DEAD)) tp.sk_state_change(tp);
    if (fastopen_fail) return -1;
    if (
      tp.sk_write_pending ||
      (tp.icsk_accept_queue !== null && tp.icsk_accept_queue.rskq_defer_accept !== 0) ||
      inet_csk_in_pingpong_mode(tp)
    ) {
      // Data, or its ACK, follows at once: the ACK can ride on it.
      inet_csk_schedule_ack(tp);
      tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
      inet_csk_reset_xmit_timer(tp, ICSK_TIME_DACK, TCP_DELACK_MAX, tp.icsk_rto_max);
      consume_skb(skb);
      return 0;
    }
    tcp_send_ack(tp);
    return -1;
  }
  if ((flags & TCPHDR_RST) !== 0) {
    undo();
    return discard(skb, SKB_DROP_REASON_TCP_RESET);
  }
  if (o.ts_recent_stamp !== 0 && o.saw_tstamp && !tcp_paws_check(tp, 0)) {
    undo();
    return discard(skb, SKB_DROP_REASON_TCP_RFC7323_PAWS);
  }
  if ((flags & TCPHDR_SYN) === 0) {
    undo();
    return discard(skb, SKB_DROP_REASON_TCP_FLAGS);
  }
  // Both call at once (RFC 9293 section 3.5).
  tcp_set_state(tp, TCP_SYN_RECV);
  if (o.saw_tstamp) {
    o.tstamp_ok = true;
    tcp_store_ts_recent(tp);
    tp.tcp_header_len = 20 + TCPOLEN_TSTAMP_ALIGNED;
  } else tp.tcp_header_len = 20;
  tp.rcv_nxt = (skb.tcp_seq + 1) | 0;
  tp.copied_seq = tp.rcv_nxt;
  tp.rcv_wup = tp.rcv_nxt;
  tp.snd_wnd = dv.getUint16(th + TCPH_WINDOW);
  tp.snd_wl1 = skb.tcp_seq;
  tp.max_window = tp.snd_wnd;
  if ((tp.ecn_flags & TCP_ECN_OK) !== 0 && (flags & (TCPHDR_ECE | TCPHDR_CWR)) !== (TCPHDR_ECE | TCPHDR_CWR))
    tp.ecn_flags = 0;
  tcp_mtup_init(tp);
  tcp_sync_mss(tp, tp.icsk_pmtu_cookie);
  tcp_initialize_rcv_mss(tp);
  tcp_send_synack(tp);
  consume_skb(skb);
  return 0;
}

// --- every other state --------------------------------------------------------------------------------------------

/** 0: the skb was taken. Otherwise a drop reason: the skb is the caller's, who answers with RST. */
export function tcp_rcv_state_process(sk: Sock, skb: SkBuff): number {
  const tp = tcp_sk(sk);
  if (trace_key.on) trace_fn(F_tcp_rcv_state_process, skb);
  const net = sk.net;
  const dv = skb.head.dv;
  const th = skb.transport_header;
  const flags = dv.getUint8(th + TCPH_FLAGS);
  const fin = (flags & TCPHDR_FIN) !== 0 ? 1 : 0;
  switch (sk.sk_state) {
    case TCP_CLOSE:
      return discard(skb, SKB_DROP_REASON_TCP_CLOSE);
    case TCP_LISTEN:
      if ((flags & TCPHDR_ACK) !== 0) return SKB_DROP_REASON_TCP_FLAGS;
      if ((flags & TCPHDR_RST) !== 0) return discard(skb, SKB_DROP_REASON_TCP_RESET);
      if ((flags & TCPHDR_SYN) !== 0) {
        if (fin !== 0) return discard(skb, SKB_DROP_REASON_TCP_FLAGS);
        tcp_conn_request(sk, skb);
        consume_skb(skb);
        return 0;
      }
      return discard(skb, SKB_DROP_REASON_TCP_FLAGS);
    case TCP_SYN_SENT: {
      tp.rx_opt.saw_tstamp = false;
      tcp_mstamp_refresh(tp);
      const r = tcp_rcv_synsent_state_process(tp, skb);
      if (r >= 0) return r;
      tcp_urg(tp, skb);
      consume_skb(skb);
      tcp_data_snd_check(tp);
      return 0;
    }
  }
  tcp_mstamp_refresh(tp);
  tp.rx_opt.saw_tstamp = false;
  tp.rx_opt.sack_at = -1;
  const req = tp.fastopen_rsk;
  if (req !== null && tcp_check_req(sk, skb, req, true) === null) return discard(skb, SKB_DROP_REASON_TCP_FLAGS);
  if ((flags & (TCPHDR_ACK | TCPHDR_RST | TCPHDR_SYN)) === 0) return discard(skb, SKB_DROP_REASON_TCP_FLAGS);
  if (!tcp_validate_incoming(tp, skb)) return 0;
  const acceptable = tcp_ack(sk, skb, FLAG_SLOWPATH | FLAG_UPDATE_TS_RECENT | FLAG_NO_CHALLENGE_ACK);
  if (acceptable <= 0) {
    // An ACK for nothing we sent: in SYN_RECV a RST answers, later it is told where we are.
    if (sk.sk_state === TCP_SYN_RECV) return SKB_DROP_REASON_TCP_INVALID_ACK_SEQUENCE;
    if (acceptable < 0) tcp_send_challenge_ack(sk);
    return discard(skb, SKB_DROP_REASON_TCP_OLD_ACK);
  }
  switch (sk.sk_state) {
    case TCP_SYN_RECV:
      tp.delivered++;
      if (tp.srtt_us === 0) tcp_synack_rtt_meas(sk, req);
      if (tp.rx_opt.tstamp_ok) tp.advmss -= TCPOLEN_TSTAMP_ALIGNED;
      if (req !== null) tcp_rcv_synrecv_state_fastopen(sk);
      else {
        tcp_try_undo_spurious_syn(tp);
        tp.retrans_stamp = 0;
        tcp_init_transfer(sk, 0, skb);
        tp.copied_seq = tp.rcv_nxt;
      }
      tcp_set_state(sk, TCP_ESTABLISHED);
      sk.sk_state_change(sk);
      tcp_snd_una_update(tp, skb.tcp_ack_seq);
      tp.snd_wnd = (dv.getUint16(th + TCPH_WINDOW) << tp.rx_opt.snd_wscale) >>> 0;
      tp.snd_wl1 = skb.tcp_seq;
      if (tp.icsk_ca_ops.cong_control === undefined) tcp_update_pacing_rate(sk);
      tp.lsndtime = jiffies(net.kernel);
      tcp_initialize_rcv_mss(sk);
      tcp_fast_path_on(tp);
      if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) tcp_shutdown(sk, SEND_SHUTDOWN);
      break;
    case TCP_FIN_WAIT1: {
      if (req !== null) tcp_rcv_synrecv_state_fastopen(sk);
      if (tp.snd_una !== tp.write_seq) break;
      tcp_set_state(sk, TCP_FIN_WAIT2);
      sk.sk_shutdown |= SEND_SHUTDOWN;
      if (!sock_flag(sk, SOCK_DEAD)) {
        sk.sk_state_change(sk);
        break;
      }
      if (tp.linger2 < 0) {
        tcp_done(sk);
        net.mib.linux[LINUX_MIB_TCPABORTONDATA]!++;
        return SKB_DROP_REASON_TCP_ABORT_ON_DATA;
      }
      // Data for a program that is gone.
      if (skb.tcp_end_seq !== skb.tcp_seq && after((skb.tcp_end_seq - fin) | 0, tp.rcv_nxt)) {
        tcp_done(sk);
        net.mib.linux[LINUX_MIB_TCPABORTONDATA]!++;
        return SKB_DROP_REASON_TCP_ABORT_ON_DATA;
      }
      const tmo = tcp_fin_time(sk);
      if (tmo > TCP_TIMEWAIT_LEN) inet_csk_reset_keepalive_timer(sk, tmo - TCP_TIMEWAIT_LEN);
      else if (fin !== 0) inet_csk_reset_keepalive_timer(sk, tmo);
      else {
        tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
        consume_skb(skb);
        return 0;
      }
      break;
    }
    case TCP_CLOSING:
      if (tp.snd_una === tp.write_seq) {
        tcp_time_wait(sk, TCP_TIME_WAIT, 0);
        consume_skb(skb);
        return 0;
      }
      break;
    case TCP_LAST_ACK:
      if (tp.snd_una === tp.write_seq) {
        tcp_update_metrics(sk);
        tcp_done(sk);
        consume_skb(skb);
        return 0;
      }
      break;
  }
  tcp_urg(tp, skb);
  let queued = false;
  switch (sk.sk_state) {
    case TCP_CLOSE_WAIT:
    case TCP_CLOSING:
    case TCP_LAST_ACK:
      if (!before(skb.tcp_seq, tp.rcv_nxt)) break;
      queued = true;
      break;
    case TCP_FIN_WAIT1:
    case TCP_FIN_WAIT2:
    case TCP_ESTABLISHED:
      queued = true;
      break;
  }
  if (queued) {
    if (
      sk.sk_state !== TCP_ESTABLISHED &&
      (sk.sk_shutdown & RCV_SHUTDOWN) !== 0 &&
      skb.tcp_end_seq !== skb.tcp_seq &&
      after((skb.tcp_end_seq - fin) | 0, tp.rcv_nxt)
    ) {
      // RFC 2525 section 2.17: nobody will read it, and the sender must know.
      net.mib.linux[LINUX_MIB_TCPABORTONDATA]!++;
      tcp_reset(sk, skb);
      return SKB_DROP_REASON_TCP_ABORT_ON_DATA;
    }
    tcp_data_queue(sk, skb);
  }
  if (sk.sk_state !== TCP_CLOSE) {
    tcp_data_snd_check(tp);
    tcp_ack_snd_check(tp);
  }
  if (!queued) return discard(skb, SKB_DROP_REASON_TCP_CLOSE);
  return 0;
}
