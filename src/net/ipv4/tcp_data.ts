// Payload comes in: in order, out of order, twice; what we report of it; how large the window may grow. Mirrors the data
// half of net/ipv4/tcp_input.c. Read first: RFC 9293 section 3.10.7.4, RFC 2018, RFC 2883, RFC 5681 section 4.2.
// Way in: tcp_data_queue() from tcp_input.ts; tcp_rcv_space_adjust() from recvmsg.

import { jiffies } from "../../kernel/kernel.ts";
import { hrtimer_active, hrtimer_setup, hrtimer_start } from "../../kernel/time/hrtimer.ts";
import { TCPH_DOFF, TCPH_LEN } from "../../uapi/ip.ts";
import { RTAX_QUICKACK } from "../../uapi/rtnetlink.ts";
import {
  SKB_DROP_REASON_PROTO_MEM,
  SKB_DROP_REASON_TCP_OFOMERGE,
  SKB_DROP_REASON_TCP_OLD_DATA,
  SKB_DROP_REASON_TCP_OVERWINDOW,
  SKB_DROP_REASON_TCP_ZEROWINDOW,
} from "../core/dropreason.ts";
import {
  __skb_pull,
  __skb_queue_after,
  __skb_queue_head,
  __skb_queue_tail,
  __skb_unlink,
  consume_skb,
  kfree_skb_reason,
  NO_PACKETS,
  type SkBuff,
  SkBuffHead,
  skb_dst_drop,
} from "../core/skbuff.ts";
import {
  LINUX_MIB_DELAYEDACKLOST,
  LINUX_MIB_TCPDSACKOFOSENT,
  LINUX_MIB_TCPDSACKOLDSENT,
  LINUX_MIB_TCPOFODROP,
  LINUX_MIB_TCPOFOMERGE,
  LINUX_MIB_TCPOFOQUEUE,
  LINUX_MIB_TCPRCVQDROP,
  LINUX_MIB_TCPZEROWINDOWDROP,
} from "../core/snmp.ts";
import { SOCK_DEAD, SOCK_RCVBUF_LOCK, type Sock, skb_set_owner_r, sock_flag, sock_hold } from "../core/sock.ts";
import {
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
  inet_csk_schedule_ack,
} from "./inet_connection_sock.ts";
import { CA_EVENT_ECN_IS_CE, CA_EVENT_ECN_NO_CE, tcp_ca_event } from "./tcp_cong.ts";
import { tcp_data_ready, tcp_fin } from "./tcp_input.ts";
import { tcp_send_ack, tcp_send_delayed_ack } from "./tcp_output_ctl.ts";
import { tcp_try_rmem_schedule } from "./tcp_prune.ts";
import {
  after,
  before,
  ICSK_ACK_NOMEM,
  ICSK_ACK_NOW,
  ICSK_ACK_PUSHED,
  ICSK_ACK_PUSHED2,
  TCP_ATO_MIN,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_OK,
  TCP_ECN_SEEN,
  TCP_MAX_QUICKACKS,
  TCP_MIN_MSS,
  TCP_MSS_DEFAULT,
  TCP_NUM_SACKS,
  TCPHDR_ACK,
  TCPHDR_CWR,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  TCPHDR_URG,
  type TcpSackBlock,
  type TcpSock,
  tcp_full_space,
  tcp_is_sack,
  tcp_receive_window,
  tcp_sk,
  tcp_space,
  tcp_space_from_win,
  tcp_win_from_space,
} from "./tcp_sock.ts";
import { tcp_compressed_ack_kick, tcp_sack_compress_send_ack } from "./tcp_timer.ts";
import { __tcp_select_window, tcp_set_window_clamp } from "./tcp_window.ts";

// --- header prediction --------------------------------------------------------------------------------------------

/** The word that the next segment will have at offset 12 if nothing but its data or ACK is new. */
export function __tcp_fast_path_on(tp: TcpSock, snd_wnd: number): void {
  tp.pred_flags = (tp.tcp_header_len << 26) | (TCPHDR_ACK << 16) | (snd_wnd >>> 0);
}
export const tcp_fast_path_on = (tp: TcpSock): void => __tcp_fast_path_on(tp, tp.snd_wnd >>> tp.rx_opt.snd_wscale);
export function tcp_fast_path_check(tp: TcpSock): void {
  if (tp.out_of_order_queue.next === null && tp.rcv_wnd !== 0 && tp.sk_rmem_alloc < tp.sk_rcvbuf && tp.urg_data === 0)
    tcp_fast_path_on(tp);
}

// --- quick ACKs ---------------------------------------------------------------------------------------------------

function tcp_incr_quickack(tp: TcpSock, max: number): void {
  const n = Math.min(Math.max(Math.floor(tp.rcv_wnd / (2 * tp.ack_rcv_mss || 1)), 2), max);
  if (n > tp.ack_quick) tp.ack_quick = n;
}
/** ACK the next segments at once: the peer is in slow start, or lost something. */
export function tcp_enter_quickack_mode(sk: Sock, max: number): void {
  const tp = tcp_sk(sk);
  tcp_incr_quickack(tp, max);
  inet_csk_exit_pingpong_mode(sk);
  tp.ack_ato = TCP_ATO_MIN;
}
const tcp_in_quickack_mode = (tp: TcpSock): boolean =>
  (tp.sk_dst_cache !== null && tp.sk_dst_cache.metrics[RTAX_QUICKACK] !== 0) ||
  (tp.ack_quick !== 0 && !inet_csk_in_pingpong_mode(tp));

/** Flags of a segment that may be a rest. */
const TCP_REMNANT = TCPHDR_FIN | TCPHDR_URG | TCPHDR_SYN | TCPHDR_PSH;

/** What the sender's segments are: the basis of delayed ACKs and of the window's steps. */
function tcp_measure_rcv_mss(tp: TcpSock, skb: SkBuff): void {
  const last = tp.ack_last_seg_size;
  tp.ack_last_seg_size = 0;
  const len = skb.head.gso_size !== 0 ? skb.head.gso_size : skb.len;
  if (len >= tp.ack_rcv_mss) {
    if (len !== tp.ack_rcv_mss) tcp_scaling_ratio(tp, skb);
    tp.ack_rcv_mss = Math.min(len, tp.advmss);
    // PSH at the end of a full segment ends what a program wrote: nothing may follow for a while.
    if ((skb.tcp_flags & TCPHDR_PSH) !== 0) tp.ack_pending |= ICSK_ACK_PUSHED;
    return;
  }
  // With its header, as options that come and go change the payload.
  const whole = len + skb.data - skb.transport_header;
  if (whole >= TCP_MSS_DEFAULT + TCPH_LEN || (whole >= TCP_MIN_MSS + TCPH_LEN && (skb.tcp_flags & TCP_REMNANT) === 0)) {
    // Two of the same size: that is its MSS.
    const sz = whole - tp.tcp_header_len;
    tp.ack_last_seg_size = sz;
    if (sz === last) {
      tp.ack_rcv_mss = sz;
      return;
    }
  }
  if ((tp.ack_pending & ICSK_ACK_PUSHED) !== 0) tp.ack_pending |= ICSK_ACK_PUSHED2;
  tp.ack_pending |= ICSK_ACK_PUSHED;
}
/** How much of the memory of a packet is payload: what the window can promise of the buffer. */
function tcp_scaling_ratio(tp: TcpSock, skb: SkBuff): void {
  const ratio = Math.min(Math.max(Math.floor((skb.len * 256) / skb.truesize), 1), 255);
  if (ratio === tp.scaling_ratio) return;
  tp.scaling_ratio = ratio;
  tcp_set_window_clamp(tp, tcp_full_space(tp));
  if (tp.window_clamp < tp.rcvq_space) tp.rcvq_space = tp.window_clamp;
}

/** Data came: when is its ACK due, is the peer still sending, does ECN say something (RFC 1122 section 4.2.3.2). */
export function tcp_event_data_recv(tp: TcpSock, skb: SkBuff): void {
  const now = jiffies(tp.net.kernel);
  inet_csk_schedule_ack(tp);
  tcp_measure_rcv_mss(tp, skb);
  tcp_rcv_rtt_measure(tp);
  if (tp.ack_ato === 0) {
    // The first data: ACK quickly, the sender is in slow start.
    tcp_incr_quickack(tp, TCP_MAX_QUICKACKS);
    tp.ack_ato = TCP_ATO_MIN;
  } else {
    const m = now - tp.ack_lrcvtime;
    if (m <= TCP_ATO_MIN / 2) tp.ack_ato = (tp.ack_ato >> 1) + TCP_ATO_MIN / 2;
    else if (m < tp.ack_ato) {
      tp.ack_ato = (tp.ack_ato >> 1) + m;
      if (tp.ack_ato > tp.icsk_rto) tp.ack_ato = tp.icsk_rto;
    } else if (m > tp.icsk_rto) tcp_incr_quickack(tp, TCP_MAX_QUICKACKS);
  }
  tp.ack_lrcvtime = now;
  tcp_ecn_check_ce(tp, skb);
  if (skb.len >= 128) tcp_grow_window(tp, skb);
}

const INET_ECN_NOT_ECT = 0;
const INET_ECN_CE = 3;
/** The network marked it: say so until the peer answers with CWR (RFC 3168 section 6.1.3). */
function tcp_ecn_check_ce(tp: TcpSock, skb: SkBuff): void {
  if ((tp.ecn_flags & TCP_ECN_OK) === 0) return;
  switch (skb.tcp_ip_dsfield & 3) {
    case INET_ECN_NOT_ECT:
      // Funny: it went without a mark after marked ones (a retransmission).
      if ((tp.ecn_flags & TCP_ECN_SEEN) !== 0) tcp_enter_quickack_mode(tp, 2);
      break;
    case INET_ECN_CE:
      tcp_ca_event(tp, CA_EVENT_ECN_IS_CE);
      if ((tp.ecn_flags & TCP_ECN_DEMAND_CWR) === 0) {
        tcp_enter_quickack_mode(tp, 2);
        tp.ecn_flags |= TCP_ECN_DEMAND_CWR;
      }
      tp.ecn_flags |= TCP_ECN_SEEN;
      break;
    default:
      tcp_ca_event(tp, CA_EVENT_ECN_NO_CE);
      tp.ecn_flags |= TCP_ECN_SEEN;
  }
}
export function tcp_ecn_accept_cwr(tp: TcpSock, skb: SkBuff): void {
  if ((skb.tcp_flags & TCPHDR_CWR) === 0) return;
  tp.ecn_flags &= ~TCP_ECN_DEMAND_CWR;
  // The peer slowed down: let it hear soon.
  if (skb.tcp_seq !== skb.tcp_end_seq) tp.ack_pending |= ICSK_ACK_NOW;
}

// --- the receive window (autotuning) ------------------------------------------------------------------------------

function __tcp_grow_window(tp: TcpSock, skb: SkBuff): number {
  let truesize = tcp_win_from_space(tp, skb.truesize) >> 1;
  let window = tcp_win_from_space(tp, tp.net.ipv4.sysctl_tcp_rmem[2]!) >> 1;
  while (tp.rcv_ssthresh <= window) {
    if (truesize <= skb.len) return 2 * tp.ack_rcv_mss;
    truesize >>= 1;
    window >>= 1;
  }
  return 0;
}
/** The window opens as data comes whose packets do not waste the buffer. */
function tcp_grow_window(tp: TcpSock, skb: SkBuff): void {
  const room = Math.min(tp.window_clamp, tcp_space(tp)) - tp.rcv_ssthresh;
  if (room <= 0) return;
  let incr: number;
  if (tcp_win_from_space(tp, skb.truesize) <= skb.len) incr = 2 * tp.advmss;
  else incr = __tcp_grow_window(tp, skb);
  if (incr !== 0) {
    incr = Math.max(incr, 2 * skb.len);
    tp.rcv_ssthresh += Math.min(room, incr);
    tp.ack_quick |= 1;
  }
}

/** The receiver's own RTT, in eighths: the least that was seen. A sender that paused makes samples too long, never too short. */
function tcp_rcv_rtt_update(tp: TcpSock, sample: number): void {
  const m = Math.max(sample, 1) << 3;
  if (tp.rcv_rtt_us === 0 || m < tp.rcv_rtt_us) tp.rcv_rtt_us = m;
}
export function tcp_rcv_rtt_measure(tp: TcpSock): void {
  if (tp.rcv_rtt_time !== 0) {
    if (before(tp.rcv_nxt, tp.rcv_rtt_seq)) return;
    tcp_rcv_rtt_update(tp, (tp.tcp_mstamp - tp.rcv_rtt_time) | 0 || 1);
  }
  tp.rcv_rtt_seq = (tp.rcv_nxt + tp.rcv_wnd) | 0;
  tp.rcv_rtt_time = tp.tcp_mstamp | 0 || 1;
}
export function tcp_rcv_rtt_measure_ts(tp: TcpSock, skb: SkBuff): void {
  const opt = tp.rx_opt;
  if (opt.rcv_tsecr === tp.rcv_rtt_last_tsecr) return;
  tp.rcv_rtt_last_tsecr = opt.rcv_tsecr;
  if (((skb.tcp_end_seq - skb.tcp_seq) | 0) < tp.ack_rcv_mss) return;
  const delta = ((Math.floor(tp.net.kernel.now / 1e6) | 0) - opt.rcv_tsecr) | 0;
  if (delta >= 0 && delta < 0x7fffffff / 1000) tcp_rcv_rtt_update(tp, Math.max(delta, 1) * 1000);
}

/** In an RTT the program took `newval` bytes, more than ever: the buffer shall not be what limits the next one. */
function tcp_rcvbuf_grow(tp: TcpSock, newval: number): void {
  const oldval = tp.rcvq_space;
  const ipv4 = tp.net.ipv4;
  tp.rcvq_space = newval;
  if (ipv4.sysctl_tcp_moderate_rcvbuf === 0 || (tp.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0) return;
  // What is measured is an RTT old, and slow start doubles: room for the next round, and what lies behind holes.
  let rcvwin = 2 * newval;
  rcvwin += 2 * Math.floor((rcvwin * (newval - oldval)) / (oldval || 1));
  const last = tp.out_of_order_queue.prev;
  if (last !== null) rcvwin += (last.tcp_end_seq - tp.rcv_nxt) | 0;
  const rcvbuf = Math.min(tcp_space_from_win(tp, rcvwin), ipv4.sysctl_tcp_rmem[2]!);
  if (rcvbuf <= tp.sk_rcvbuf) return;
  tp.sk_rcvbuf = rcvbuf;
  tp.window_clamp = tcp_win_from_space(tp, rcvbuf);
}

/** After the program read: once per RTT the buffer grows to twice what was read in it (dynamic right-sizing). */
export function tcp_rcv_space_adjust(sk: Sock): void {
  const tp = tcp_sk(sk);
  const now = Math.floor(sk.net.kernel.now / 1000) | 0;
  tp.tcp_mstamp = now;
  const time = (now - tp.rcvq_time) | 0;
  if (time < tp.rcv_rtt_us >> 3 || tp.rcv_rtt_us === 0) return;
  // What came while the program read is not yet its pace.
  const copied = (tp.copied_seq - tp.rcvq_seq - (tp.rcv_nxt - tp.copied_seq)) | 0;
  if (copied > tp.rcvq_space) tcp_rcvbuf_grow(tp, copied);
  tp.rcvq_seq = tp.copied_seq;
  tp.rcvq_time = now;
}

/** Buffers of a connection that is established (tcp_init_buffer_space). */
export function tcp_init_buffer_space(tp: TcpSock): void {
  tp.rcvq_space = Math.min(tp.rcv_wnd, 10 * tp.advmss);
  tp.rcvq_time = tp.tcp_mstamp;
  tp.rcvq_seq = tp.copied_seq;
  const maxwin = tcp_full_space(tp);
  if (tp.window_clamp >= maxwin) tp.window_clamp = maxwin;
  if (tp.window_clamp > 2 * tp.advmss && tp.window_clamp + tp.advmss > maxwin)
    tp.window_clamp = Math.max(2 * tp.advmss, maxwin - tp.advmss);
  tp.rcv_ssthresh = Math.min(tp.rcv_ssthresh, tp.window_clamp);
  tp.snd_cwnd_stamp = jiffies(tp.net.kernel);
}

// --- SACK blocks to send ------------------------------------------------------------------------------------------

export function tcp_dsack_set(tp: TcpSock, seq: number, end_seq: number): void {
  if (!tcp_is_sack(tp) || tp.net.ipv4.sysctl_tcp_dsack === 0) return;
  tp.net.mib.linux[before(seq, tp.rcv_nxt) ? LINUX_MIB_TCPDSACKOLDSENT : LINUX_MIB_TCPDSACKOFOSENT]!++;
  tp.rx_opt.dsack = true;
  const d = tp.duplicate_sack[0]!;
  d.start_seq = seq;
  d.end_seq = end_seq;
}
function tcp_dsack_extend(tp: TcpSock, seq: number, end_seq: number): void {
  if (!tp.rx_opt.dsack) tcp_dsack_set(tp, seq, end_seq);
  else tcp_sack_extend(tp.duplicate_sack[0]!, seq, end_seq);
}
function tcp_sack_extend(b: TcpSackBlock, seq: number, end_seq: number): boolean {
  if (after(seq, b.end_seq) || after(b.start_seq, end_seq)) return false;
  if (before(seq, b.start_seq)) b.start_seq = seq;
  if (after(end_seq, b.end_seq)) b.end_seq = end_seq;
  return true;
}
/** A duplicate below the window: a DSACK says so (RFC 2883). */
export function tcp_send_dupack(sk: Sock, skb: SkBuff): void {
  const tp = tcp_sk(sk);
  if (skb.tcp_end_seq !== skb.tcp_seq && before(skb.tcp_seq, tp.rcv_nxt)) {
    sk.net.mib.linux[LINUX_MIB_DELAYEDACKLOST]!++;
    tcp_enter_quickack_mode(sk, TCP_MAX_QUICKACKS);
    if (tcp_is_sack(tp) && sk.net.ipv4.sysctl_tcp_dsack !== 0) {
      const end = after(skb.tcp_end_seq, tp.rcv_nxt) ? tp.rcv_nxt : skb.tcp_end_seq;
      tcp_dsack_set(tp, skb.tcp_seq, end);
    }
  }
  tcp_send_ack(sk);
}

/** Blocks that an ACK surely has room for beside timestamps and a DSACK. */
const TCP_SACK_BLOCKS_EXPECTED = 2;

/** A new block, or one that grew, goes to the front (RFC 2018 section 4). */
function tcp_sack_new_ofo_skb(tp: TcpSock, seq: number, end_seq: number): void {
  const sp = tp.selective_acks;
  let n = tp.rx_opt.num_sacks;
  for (let i = 0; i < n; i++) {
    if (!tcp_sack_extend(sp[i]!, seq, end_seq)) continue;
    if (i >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(tp);
    // To the front, the others behind it.
    const b = sp[i]!;
    for (let j = i; j > 0; j--) sp[j] = sp[j - 1]!;
    sp[0] = b;
    if (n > 1) tcp_sack_maybe_coalesce(tp);
    return;
  }
  // More blocks than senders look at: what is held back is said while they are all in one ACK.
  if (n >= TCP_SACK_BLOCKS_EXPECTED) tcp_sack_compress_send_ack(tp);
  if (n >= TCP_NUM_SACKS) n--;
  const b = sp[n]!;
  for (let j = n; j > 0; j--) sp[j] = sp[j - 1]!;
  sp[0] = b;
  b.start_seq = seq;
  b.end_seq = end_seq;
  tp.rx_opt.num_sacks = n + 1;
}
function tcp_sack_maybe_coalesce(tp: TcpSock): void {
  const sp = tp.selective_acks;
  for (let i = 1; i < tp.rx_opt.num_sacks; ) {
    if (tcp_sack_extend(sp[0]!, sp[i]!.start_seq, sp[i]!.end_seq)) {
      const gone = sp[i]!;
      tp.rx_opt.num_sacks--;
      for (let j = i; j < tp.rx_opt.num_sacks; j++) sp[j] = sp[j + 1]!;
      sp[tp.rx_opt.num_sacks] = gone;
      continue;
    }
    i++;
  }
}
/** rcv_nxt moved: blocks below it are acknowledged the ordinary way. */
function tcp_sack_remove(tp: TcpSock): void {
  if (tp.out_of_order_queue.next === null) {
    tp.rx_opt.num_sacks = 0;
    return;
  }
  const sp = tp.selective_acks;
  for (let i = 0; i < tp.rx_opt.num_sacks; ) {
    if (!before(tp.rcv_nxt, sp[i]!.start_seq)) {
      const gone = sp[i]!;
      tp.rx_opt.num_sacks--;
      for (let j = i; j < tp.rx_opt.num_sacks; j++) sp[j] = sp[j + 1]!;
      sp[tp.rx_opt.num_sacks] = gone;
      continue;
    }
    i++;
  }
}

// --- queues -------------------------------------------------------------------------------------------------------

export function tcp_rcv_nxt_update(tp: TcpSock, seq: number): void {
  tp.bytes_received += (seq - tp.rcv_nxt) >>> 0;
  tp.rcv_nxt = seq;
}

export function tcp_queue_rcv(tp: TcpSock, skb: SkBuff): void {
  tcp_rcv_nxt_update(tp, skb.tcp_end_seq);
  __skb_queue_tail(tp.sk_receive_queue, skb);
  skb_set_owner_r(skb, tp);
}

/** Out of order: into its place in the queue; what is there twice goes (RFC 2883 tells the sender). */
function tcp_data_queue_ofo(tp: TcpSock, skb: SkBuff): void {
  const mib = tp.net.mib.linux;
  tcp_ecn_check_ce(tp, skb);
  if (tcp_try_rmem_schedule(tp, skb) < 0) {
    mib[LINUX_MIB_TCPOFODROP]!++;
    tcp_data_ready(tp);
    kfree_skb_reason(skb, SKB_DROP_REASON_PROTO_MEM);
    return;
  }
  tcp_measure_rcv_mss(tp, skb);
  tp.pred_flags = 0;
  inet_csk_schedule_ack(tp);
  tp.rcv_ooopack += Math.max(1, skb.head.gso_segs);
  mib[LINUX_MIB_TCPOFOQUEUE]!++;
  const seq = skb.tcp_seq;
  let end_seq = skb.tcp_end_seq;
  if (tp.out_of_order_queue === NO_PACKETS) tp.out_of_order_queue = new SkBuffHead();
  const q = tp.out_of_order_queue;
  if (q.next === null) {
    if (tcp_is_sack(tp)) {
      tp.rx_opt.num_sacks = 1;
      tp.selective_acks[0]!.start_seq = seq;
      tp.selective_acks[0]!.end_seq = end_seq;
    }
    __skb_queue_tail(q, skb);
    tcp_ofo_queued(tp, skb);
    return;
  }
  // Mostly it goes to the end; else from there backwards.
  let p: SkBuff | null = q.prev;
  while (p !== null && before(seq, p.tcp_seq)) p = p.prev;
  if (p !== null && before(seq, p.tcp_end_seq)) {
    if (!after(end_seq, p.tcp_end_seq)) {
      // All of it is there already.
      mib[LINUX_MIB_TCPOFOMERGE]!++;
      kfree_skb_reason(skb, SKB_DROP_REASON_TCP_OFOMERGE);
      tcp_dsack_set(tp, seq, end_seq);
      if (tcp_is_sack(tp)) tcp_sack_new_ofo_skb(tp, seq, end_seq);
      return;
    }
    if (after(seq, p.tcp_seq)) tcp_dsack_set(tp, seq, p.tcp_end_seq);
    else {
      // The new one covers it wholly.
      const old: SkBuff = p;
      p = old.prev;
      __skb_unlink(old, q);
      tcp_dsack_extend(tp, old.tcp_seq, old.tcp_end_seq);
      mib[LINUX_MIB_TCPOFOMERGE]!++;
      kfree_skb_reason(old, SKB_DROP_REASON_TCP_OFOMERGE);
    }
  }
  if (p === null) __skb_queue_head(q, skb);
  else __skb_queue_after(q, p, skb);
  for (let n = skb.next; n !== null; n = skb.next) {
    if (!after(end_seq, n.tcp_seq)) break;
    if (before(end_seq, n.tcp_end_seq)) {
      tcp_dsack_extend(tp, n.tcp_seq, end_seq);
      break;
    }
    __skb_unlink(n, q);
    tcp_dsack_extend(tp, n.tcp_seq, n.tcp_end_seq);
    mib[LINUX_MIB_TCPOFOMERGE]!++;
    kfree_skb_reason(n, SKB_DROP_REASON_TCP_OFOMERGE);
  }
  if (tcp_is_sack(tp)) {
    end_seq = skb.tcp_end_seq;
    tcp_sack_new_ofo_skb(tp, seq, end_seq);
    // Neighbours that touch are one block.
    if (skb.next !== null && skb.next.tcp_seq === end_seq) tcp_sack_maybe_coalesce(tp);
  }
  tcp_ofo_queued(tp, skb);
}

/** Without SACK the window stays as it is: the peer counts duplicate ACKs, and one with another window is none. */
function tcp_ofo_queued(tp: TcpSock, skb: SkBuff): void {
  if (tcp_is_sack(tp)) tcp_grow_window(tp, skb);
  skb_set_owner_r(skb, tp);
}

/** The hole is filled: what lay behind it follows. */
function tcp_ofo_queue(tp: TcpSock): void {
  const q = tp.out_of_order_queue;
  for (let skb = q.next; skb !== null; skb = q.next) {
    if (after(skb.tcp_seq, tp.rcv_nxt)) break;
    __skb_unlink(skb, q);
    if (!after(skb.tcp_end_seq, tp.rcv_nxt)) {
      tcp_dsack_extend(tp, skb.tcp_seq, skb.tcp_end_seq);
      kfree_skb_reason(skb, SKB_DROP_REASON_TCP_OFOMERGE);
      continue;
    }
    if (before(skb.tcp_seq, tp.rcv_nxt)) tcp_dsack_extend(tp, skb.tcp_seq, tp.rcv_nxt);
    const fin = (skb.tcp_flags & TCPHDR_FIN) !== 0;
    tcp_rcv_nxt_update(tp, skb.tcp_end_seq);
    __skb_queue_tail(tp.sk_receive_queue, skb);
    if (fin) {
      tcp_fin(tp);
      // Nothing can lie behind a FIN.
      break;
    }
  }
}

/** Memory for data in order. Without it the segment ends here, and the peer hears at once of a window of 0. */
function tcp_rcvq_room(tp: TcpSock, skb: SkBuff): boolean {
  if (tcp_try_rmem_schedule(tp, skb) === 0) return true;
  inet_csk_schedule_ack(tp);
  tp.ack_pending |= ICSK_ACK_NOMEM | ICSK_ACK_NOW;
  tp.net.mib.linux[LINUX_MIB_TCPRCVQDROP]!++;
  tcp_data_ready(tp);
  kfree_skb_reason(skb, SKB_DROP_REASON_PROTO_MEM);
  return false;
}

/** A segment with data, or a FIN, inside the window. Takes over the skb; skb.data is at the TCP header. */
export function tcp_data_queue(sk: Sock, skb: SkBuff): void {
  const tp = tcp_sk(sk);
  const mib = sk.net.mib.linux;
  if (skb.tcp_seq === skb.tcp_end_seq) {
    consume_skb(skb);
    return;
  }
  skb_dst_drop(skb);
  __skb_pull(skb, (skb.head.dv.getUint8(skb.transport_header + TCPH_DOFF) >> 4) << 2);
  tp.rx_opt.dsack = false;
  if (skb.tcp_seq === tp.rcv_nxt) {
    // A FIN alone comes through a closed window: many senders do not wait with it.
    if (tcp_receive_window(tp) === 0 && (skb.len !== 0 || (skb.tcp_flags & TCPHDR_FIN) === 0)) {
      mib[LINUX_MIB_TCPZEROWINDOWDROP]!++;
      tcp_out_of_window(tp, skb, SKB_DROP_REASON_TCP_ZEROWINDOW);
      return;
    }
    tcp_data_queue_in_order(tp, skb);
    return;
  }
  if (!after(skb.tcp_end_seq, tp.rcv_nxt)) {
    // Retransmitted, and already here: its ACK was lost.
    mib[LINUX_MIB_DELAYEDACKLOST]!++;
    tcp_dsack_set(tp, skb.tcp_seq, skb.tcp_end_seq);
    tcp_out_of_window(tp, skb, SKB_DROP_REASON_TCP_OLD_DATA);
    return;
  }
  if (!before(skb.tcp_seq, (tp.rcv_nxt + tcp_receive_window(tp)) | 0)) {
    tcp_out_of_window(tp, skb, SKB_DROP_REASON_TCP_OVERWINDOW);
    return;
  }
  if (before(skb.tcp_seq, tp.rcv_nxt)) {
    // Its front is old, its end is new.
    tcp_dsack_set(tp, skb.tcp_seq, tp.rcv_nxt);
    if (tcp_receive_window(tp) === 0) {
      mib[LINUX_MIB_TCPZEROWINDOWDROP]!++;
      tcp_out_of_window(tp, skb, SKB_DROP_REASON_TCP_ZEROWINDOW);
      return;
    }
    tcp_data_queue_in_order(tp, skb);
    return;
  }
  tcp_data_queue_ofo(tp, skb);
}

/** Not taken: the peer shall hear soon where we stand. */
function tcp_out_of_window(tp: TcpSock, skb: SkBuff, reason: number): void {
  tcp_enter_quickack_mode(tp, TCP_MAX_QUICKACKS);
  inet_csk_schedule_ack(tp);
  kfree_skb_reason(skb, reason);
}

/** What comes next, into the receive queue; and what waited for it behind it. */
function tcp_data_queue_in_order(tp: TcpSock, skb: SkBuff): void {
  if (!tcp_rcvq_room(tp, skb)) return;
  const fin = (skb.tcp_flags & TCPHDR_FIN) !== 0;
  const len = skb.len;
  tcp_queue_rcv(tp, skb);
  if (len !== 0) tcp_event_data_recv(tp, skb);
  if (fin) tcp_fin(tp);
  if (tp.out_of_order_queue.next !== null) {
    tcp_ofo_queue(tp);
    // RFC 5681 section 4.2: the hole is filled: say so at once.
    if (tp.out_of_order_queue.next === null) tp.ack_pending |= ICSK_ACK_NOW;
  }
  if (tp.rx_opt.num_sacks !== 0) tcp_sack_remove(tp);
  tcp_fast_path_check(tp);
  if (!sock_flag(tp, SOCK_DEAD)) tcp_data_ready(tp);
}

// --- when to acknowledge ------------------------------------------------------------------------------------------

/** RFC 5681 section 4.2: at least every second full segment, at once for a hole; else it waits. */
function __tcp_ack_snd_check(tp: TcpSock, ofo_possible: boolean): void {
  const more_than_one = ((tp.rcv_nxt - tp.rcv_wup) | 0) > tp.ack_rcv_mss;
  if (
    (more_than_one &&
      // The program reads on and the window moves: or the ACK would say nothing new.
      (__tcp_select_window(tp) >= tp.rcv_wnd || ((tp.rcv_nxt - tp.copied_seq) | 0) < tp.sk_rcvlowat)) ||
    tcp_in_quickack_mode(tp) ||
    (tp.ack_pending & ICSK_ACK_NOW) !== 0
  ) {
    tcp_send_ack(tp);
    return;
  }
  if (!ofo_possible || tp.out_of_order_queue.next === null) {
    tcp_send_delayed_ack(tp);
    return;
  }
  if (!tcp_is_sack(tp) || tp.compressed_ack >= tp.net.ipv4.sysctl_tcp_comp_sack_nr) {
    tcp_send_ack(tp);
    return;
  }
  if (tp.compressed_ack_rcv_nxt !== tp.rcv_nxt) {
    tp.compressed_ack_rcv_nxt = tp.rcv_nxt;
    tp.dup_ack_counter = 0;
  }
  // The first three are what makes the sender recover: they go at once.
  if (tp.dup_ack_counter < 3) {
    tp.dup_ack_counter++;
    tcp_send_ack(tp);
    return;
  }
  tp.compressed_ack++;
  if (tp.compressed_ack_timer !== null && hrtimer_active(tp.compressed_ack_timer)) return;
  // A twentieth of the RTT at most (both are kept times 8): many reports in one ACK, and the sender hardly waits.
  let rtt = tp.rcv_rtt_us;
  if (tp.srtt_us !== 0 && tp.srtt_us < rtt) rtt = tp.srtt_us;
  const delay = Math.min(tp.net.ipv4.sysctl_tcp_comp_sack_delay_ns, (rtt * (1000 >> 3)) / 20);
  tp.compressed_ack_timer ??= hrtimer_setup(tp.net.kernel, tcp_compressed_ack_kick, tp);
  sock_hold(tp);
  hrtimer_start(tp.compressed_ack_timer, tp.net.kernel.now + Math.max(1, Math.floor(delay)));
}
export function tcp_ack_snd_check(tp: TcpSock): void {
  if ((tp.ack_pending & 1) === 0) return;
  __tcp_ack_snd_check(tp, true);
}
export function __tcp_ack_snd_check_fast(tp: TcpSock): void {
  __tcp_ack_snd_check(tp, false);
}
