// Segments go out: what may be sent now, how it is cut, its header. Mirrors net/ipv4/tcp_output.c.
// Read first: RFC 9293 section 3.8.6, RFC 5681, RFC 1122 section 4.2.3.4 (Nagle).
// Way in: tcp_write_xmit() by __tcp_push_pending_frames(); tcp_transmit_skb() for one segment. SYN, FIN, RST and ACK:
// tcp_output_ctl.ts; retransmission: tcp_retrans.ts; MSS: tcp_mss.ts; window: tcp_window.ts.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { open_softirq, raise_softirq, TASKLET_SOFTIRQ } from "../../kernel/softirq.ts";
import {
  type Hrtimer,
  hrtimer_active,
  hrtimer_cancel,
  hrtimer_setup,
  hrtimer_start,
} from "../../kernel/time/hrtimer.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_tcp_transmit_skb, F_tcp_write_xmit } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_tcpudp_magic } from "../../lib/checksum.ts";
import { ENOBUFS, ENOMEM } from "../../uapi/errno.ts";
import { TCPH_CHECK, TCPH_LEN, TCPH_SEQ } from "../../uapi/ip.ts";
import { RTAX_INITCWND } from "../../uapi/rtnetlink.ts";
import { IPPROTO_TCP } from "../../uapi/socket.ts";
import { NET_XMIT_CN } from "../core/netdevice.ts";
import {
  __skb_queue_after,
  __skb_queue_tail,
  __skb_unlink,
  alloc_skb,
  CHECKSUM_PARTIAL,
  head_add_frag,
  head_copy,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCPV4,
  type SkBuff,
  skb_push,
  skb_put,
  skb_reserve,
  trace_clone,
} from "../core/skbuff.ts";
import { LINUX_MIB_TCPACKCOMPRESSED, LINUX_MIB_TCPORIGDATASENT, TCP_MIB_OUTSEGS } from "../core/snmp.ts";
import {
  type Sock,
  sk_free,
  sock_hold,
  sock_put,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_LAST_ACK,
} from "../core/sock.ts";
import { skb_zcopy_set } from "../core/zerocopy.ts";
import {
  ICSK_TIME_DACK,
  inet_csk_clear_xmit_timer,
  inet_csk_inc_pingpong_cnt,
  inet_csk_reset_xmit_timer,
} from "./inet_connection_sock.ts";
import { ip_queue_xmit } from "./ip_output.ts";
import { tcp_skb_grow, tcp_stream_split_skb, tcp_wmem_free_skb } from "./tcp.ts";
import { CA_EVENT_CWND_RESTART, CA_EVENT_TX_START, tcp_ca_event, tcp_ca_needs_ecn } from "./tcp_cong.ts";
import { tcp_enter_cwr } from "./tcp_cwnd.ts";
import { tcp_check_space } from "./tcp_input.ts";
import { SOCK_NOSPACE } from "./tcp_mem.ts";
import { tcp_current_mss } from "./tcp_mss.ts";
import { tcp_mtu_probe } from "./tcp_mtu_probe.ts";
import { tcp_established_options, tcp_options_write, tcp_syn_options } from "./tcp_options.ts";
import { tcp_rate_skb_sent } from "./tcp_rate.ts";
import { TCP_SEND_QUEUE } from "./tcp_repair.ts";
import { tcp_rearm_rto, tcp_schedule_loss_probe, tcp_xmit_retransmit_queue } from "./tcp_retrans.ts";
import {
  after,
  before,
  ICSK_TIME_LOSS_PROBE,
  ICSK_TIME_PROBE0,
  TCP_ATO_MIN,
  TCP_CA_Open,
  TCP_CA_Recovery,
  TCP_ECN_DEMAND_CWR,
  TCP_ECN_OK,
  TCP_ECN_QUEUE_CWR,
  TCP_INIT_CWND,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TCP_RTO_MIN,
  TCPCB_LOST,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TCPHDR_ACK,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  TCPHDR_URG,
  type TcpSock,
  tcp_current_ssthresh,
  tcp_in_cwnd_reduction,
  tcp_in_slow_start,
  tcp_is_reno,
  tcp_mstamp_refresh,
  tcp_packets_in_flight,
  tcp_sk,
  tcp_skb_pcount,
  tcp_wnd_end,
} from "./tcp_sock.ts";
import { tcp_fragment_tstamp, tcp_skb_collapse_tstamp } from "./tcp_tstamp.ts";
import { tcp_select_window } from "./tcp_window.ts";

const TSQ_THROTTLED = 1;
const TSQ_QUEUED = 2;
const SK_PACING_NONE = 0;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Connections whose device queue drained: they go on in TASKLET_SOFTIRQ (tsq_tasklet). The other list is being worked off. */
    tsq_list: TcpSock[];
    tsq_list_run: TcpSock[];
  }
}

export function tcp_tasklet_init(k: Kernel): void {
  k.tsq_list = [];
  k.tsq_list_run = [];
  open_softirq(k, TASKLET_SOFTIRQ, (kernel) => {
    const list = kernel.tsq_list;
    kernel.tsq_list = kernel.tsq_list_run;
    kernel.tsq_list_run = list;
    for (let i = 0; i < list.length; i++) {
      const tp = list[i]!;
      tp.tsq_flags &= ~(TSQ_QUEUED | TSQ_THROTTLED);
      tcp_tsq_write(tp);
      sock_put(tp);
    }
    list.length = 0;
  });
}

/** States in which queued data may still leave. */
const CAN_SEND =
  (1 << TCP_ESTABLISHED) | (1 << TCP_FIN_WAIT1) | (1 << TCP_CLOSING) | (1 << TCP_CLOSE_WAIT) | (1 << TCP_LAST_ACK);
function tcp_tsq_write(tp: TcpSock): void {
  if (((1 << tp.sk_state) & CAN_SEND) === 0) return;
  tcp_mstamp_refresh(tp);
  // What was lost goes before what is new: pacing may have put that off.
  if (tp.lost_out > tp.retrans_out && tp.snd_cwnd > tcp_packets_in_flight(tp)) tcp_xmit_retransmit_queue(tp);
  tcp_write_xmit(tp, tcp_current_mss(tp), tp.nonagle, 0);
}

/** The device is done with a segment: the socket's share of the queues below is smaller (tcp_wfree). */
export function tcp_wfree(skb: SkBuff): void {
  const tp = skb.sk as TcpSock;
  tp.sk_wmem_alloc -= skb.truesize;
  if (tp.sk_refcnt === 0) {
    if (tp.sk_wmem_alloc === 0) sk_free(tp);
    return;
  }
  if ((tp.tsq_flags & (TSQ_THROTTLED | TSQ_QUEUED)) !== TSQ_THROTTLED) return;
  tp.tsq_flags |= TSQ_QUEUED;
  const k = tp.net.kernel;
  sock_hold(tp);
  k.tsq_list.push(tp);
  raise_softirq(k.cpu, TASKLET_SOFTIRQ);
}

// --- pacing -------------------------------------------------------------------------------------------------------

/** us: more than this a late pacing timer does not catch up at once. */
const PACING_LATE_MAX = 5000;

function tcp_pace_timer(t: Hrtimer): void {
  const tp = t.owner as TcpSock;
  const late = tp.net.kernel.now - tp.tcp_wstamp_ns;
  tp.pacing_late_us = late > 0 ? Math.min(Math.floor(late / 1000), PACING_LATE_MAX) : 0;
  tp.tsq_flags |= TSQ_THROTTLED;
  if ((tp.tsq_flags & TSQ_QUEUED) === 0) {
    tp.tsq_flags |= TSQ_QUEUED;
    sock_hold(tp);
    tp.net.kernel.tsq_list.push(tp);
    raise_softirq(tp.net.kernel.cpu, TASKLET_SOFTIRQ);
  }
  sock_put(tp);
}

/** True when the next segment has to wait for its time; the timer then brings us back. */
export function tcp_pacing_check(tp: TcpSock): boolean {
  if (tp.sk_pacing_status === SK_PACING_NONE) return false;
  if (tp.tcp_wstamp_ns <= tp.net.kernel.now) return false;
  if (tp.pacing_timer === null) tp.pacing_timer = hrtimer_setup(tp.net.kernel, tcp_pace_timer, tp);
  if (!hrtimer_active(tp.pacing_timer)) {
    sock_hold(tp);
    hrtimer_start(tp.pacing_timer, tp.tcp_wstamp_ns);
  }
  return true;
}
function tcp_update_skb_after_send(tp: TcpSock, skb: SkBuff, prior_wstamp: number): void {
  if (tp.sk_pacing_status !== SK_PACING_NONE) {
    const rate = tp.sk_pacing_rate;
    // The first ten segments are not paced: short answers shall not wait.
    if (rate !== Number.POSITIVE_INFINITY && rate > 0 && tp.data_segs_out >= TCP_INIT_CWND) {
      let len_ns = (skb.len * 1e9) / rate;
      const credit = tp.tcp_wstamp_ns - prior_wstamp;
      // Half of the time lost to a late timer is made up for.
      const made_up = Math.min(len_ns / 2, credit);
      len_ns -= made_up;
      // DIFF: Linux makes up for no more, its timers are exact. Where the event loop is late by milliseconds, what should have left
      // meanwhile leaves now: else lateness alone would set the rate. Virtual time is never late.
      if (tp.pacing_late_us !== 0) {
        const more = Math.min(len_ns, Math.max(0, tp.pacing_late_us * 1000 - made_up));
        len_ns -= more;
        tp.pacing_late_us = Math.max(0, tp.pacing_late_us - Math.ceil((made_up + more) / 1000));
      }
      tp.tcp_wstamp_ns += Math.floor(len_ns);
    }
  }
}

// --- ECN (RFC 3168) -----------------------------------------------------------------------------------------------

const INET_ECN_ECT_0 = 2;
/** The flags of the segment in `skb`, which begins at `seq`. */
function tcp_ecn_send(tp: TcpSock, skb: SkBuff, seq: number, flags: number, header: number): number {
  if ((tp.ecn_flags & TCP_ECN_OK) === 0) return flags;
  if (skb.len !== header && !before(seq, tp.snd_nxt)) {
    tp.tos |= INET_ECN_ECT_0;
    if ((tp.ecn_flags & TCP_ECN_QUEUE_CWR) !== 0) {
      tp.ecn_flags &= ~TCP_ECN_QUEUE_CWR;
      flags |= TCPHDR_CWR;
      skb.head.gso_type |= SKB_GSO_TCP_ECN;
    }
  } else if (!tcp_ca_needs_ecn(tp)) {
    // Retransmissions and pure ACKs are not ECN-capable (RFC 3168 section 6.1.5).
    tp.tos &= ~3;
  }
  if ((tp.ecn_flags & TCP_ECN_DEMAND_CWR) !== 0) flags |= TCPHDR_ECE;
  return flags;
}

// --- one segment --------------------------------------------------------------------------------------------------

function tcp_event_data_sent(tp: TcpSock): void {
  const now = jiffies(tp.net.kernel);
  if (tcp_packets_in_flight(tp) === 0) tcp_ca_event(tp, CA_EVENT_TX_START);
  tp.lsndtime = now;
  // An answer to what came a moment ago: this is a conversation, and the ACK rode on it.
  if (now - tp.ack_lrcvtime < tp.ack_ato) inet_csk_inc_pingpong_cnt(tp);
}

function tcp_event_ack_sent(tp: TcpSock, rcv_nxt: number): void {
  if (tp.compressed_ack !== 0) {
    tp.net.mib.linux[LINUX_MIB_TCPACKCOMPRESSED]! += tp.compressed_ack;
    tp.compressed_ack = 0;
    if (tp.compressed_ack_timer !== null && hrtimer_cancel(tp.compressed_ack_timer)) sock_put(tp);
  }
  if (rcv_nxt !== tp.rcv_nxt) return;
  if (tp.ack_quick !== 0) {
    if (tp.ack_quick <= 1) {
      tp.ack_quick = 0;
      tp.ack_ato = TCP_ATO_MIN;
    } else tp.ack_quick--;
  }
  inet_csk_clear_xmit_timer(tp, ICSK_TIME_DACK);
}

/** The pseudo-header's sum: whoever sends it sums the rest (CHECKSUM_PARTIAL). skb.data is at the TCP header. */
export function __tcp_v4_send_check(skb: SkBuff, saddr: number, daddr: number): void {
  const th = skb.transport_header;
  skb.head.dv.setUint16(th + TCPH_CHECK, ~csum_tcpudp_magic(saddr, daddr, skb.len, IPPROTO_TCP, 0));
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = th;
  skb.csum_offset = TCPH_CHECK;
}

/** Room in front of the TCP header: IP with options, Ethernet, a tag, a tunnel. */
const XMIT_HEADROOM = 128;
/** Payload up to this is copied behind the header; a page of its own would cost more. */
const XMIT_COPYBREAK = 256;

/**
 * What leaves in place of a queued skb: a head of its own for the headers, and the payload as a frag, shared with the queue.
 * So every transmission has headers that it may write, and those below may too. DIFF: Linux clones the sk_buff, whose
 * header room is the queued one's; the bytes and what is shared are the same.
 */
function tcp_clone_for_xmit(k: Kernel, oskb: SkBuff): SkBuff | null {
  const len = oskb.len;
  const copy = len <= XMIT_COPYBREAK ? len : 0;
  const skb = alloc_skb(k, XMIT_HEADROOM + MAX_TCP_HEADER_LEN + copy);
  if (skb === null) return null;
  skb_reserve(skb, XMIT_HEADROOM + MAX_TCP_HEADER_LEN);
  if (copy !== 0) {
    const at = skb_put(skb, copy);
    head_copy(skb.head, at, oskb.head, oskb.data, copy);
  } else if (len !== 0) {
    oskb.head.dataref++;
    head_add_frag(skb.head, oskb.head, oskb.data, len);
    skb.len = len;
    skb.data_len = len;
  }
  skb.truesize = oskb.truesize;
  if (oskb.tx_flags !== 0) {
    skb.tx_flags = oskb.tx_flags;
    skb.tskey = oskb.tskey;
  }
  if (trace_key.on) trace_clone(oskb, skb);
  return skb;
}
const MAX_TCP_HEADER_LEN = 60;

/**
 * Builds the header and sends. With `clone_it` the skb stays where it is, for retransmission, and a clone leaves. Returns 0
 * or -errno; over a full queue below it is a congestion event, and the retransmit timer brings the segment back.
 */
export function __tcp_transmit_skb(tp: TcpSock, oskb: SkBuff, clone_it: boolean, rcv_nxt: number): number {
  const k = tp.net.kernel;
  const net = tp.net;
  const prior_wstamp = tp.tcp_wstamp_ns;
  if (k.now > prior_wstamp) tp.tcp_wstamp_ns = k.now;
  let skb = oskb;
  oskb.skb_mstamp = Math.floor(tp.tcp_wstamp_ns / 1000) | 0;
  oskb.tx_serial = tp.segs_out;
  if (clone_it) {
    const c = tcp_clone_for_xmit(k, oskb);
    if (c === null) return -ENOBUFS;
    skb = c;
  }
  if (trace_key.on) trace_fn(F_tcp_transmit_skb, skb);
  let flags = oskb.tcp_flags;
  const pcount = tcp_skb_pcount(oskb);
  const o = k.tcp_out;
  const tsval = (Math.floor(tp.tcp_wstamp_ns / 1e6) + tp.tsoffset) | 0;
  let opt_len: number;
  if ((flags & TCPHDR_SYN) !== 0) opt_len = tcp_syn_options(tp, tsval);
  else {
    opt_len = tcp_established_options(tp);
    o.tsval = tsval;
    // A receiver cannot merge what does not end in PSH across our next send: TSO packets carry it.
    if (pcount > 1) flags |= TCPHDR_PSH;
  }
  const header = TCPH_LEN + opt_len;
  const th = skb_push(skb, header);
  skb.transport_header = th;
  skb.sk = tp;
  skb.destructor = tcp_wfree;
  tp.sk_wmem_alloc += skb.truesize;
  skb.hash = tp.sk_txhash;
  skb.l4_hash = tp.sk_txhash !== 0;
  const head = skb.head;
  head.gso_size = pcount > 1 ? oskb.tcp_gso_size : 0;
  head.gso_segs = pcount > 1 ? pcount : 0;
  head.gso_type = pcount > 1 ? SKB_GSO_TCPV4 : 0;
  const dv = head.dv;
  let window: number;
  if ((flags & TCPHDR_SYN) !== 0) {
    // RFC 7323 section 2.2: the window of a SYN is never scaled.
    window = Math.min(tp.rcv_wnd, 65535);
  } else {
    window = tcp_select_window(tp);
    flags = tcp_ecn_send(tp, skb, oskb.tcp_seq, flags, header);
  }
  dv.setInt32(th, (tp.inet_sport << 16) | tp.inet_dport);
  dv.setInt32(th + TCPH_SEQ, oskb.tcp_seq);
  dv.setInt32(th + 8, (flags & TCPHDR_ACK) !== 0 ? rcv_nxt : 0);
  let urg = 0;
  if (tcp_urg_mode(tp) && before(oskb.tcp_seq, tp.snd_up) && !before(tp.snd_up, (oskb.tcp_seq + 1) | 0)) {
    const off = (tp.snd_up - oskb.tcp_seq) | 0;
    if (off < 0x10000) {
      urg = off;
      flags |= TCPHDR_URG;
    } else if (after((oskb.tcp_seq + 0xffff) | 0, tp.snd_nxt)) {
      urg = 0xffff;
      flags |= TCPHDR_URG;
    }
  }
  dv.setInt32(th + 12, (header << 26) | (flags << 16) | window);
  dv.setInt32(th + 16, urg);
  if (opt_len !== 0) tcp_options_write(dv, th + TCPH_LEN, tp, o);
  __tcp_v4_send_check(skb, tp.inet_saddr, tp.inet_daddr);
  if ((flags & TCPHDR_ACK) !== 0) tcp_event_ack_sent(tp, rcv_nxt);
  const payload = skb.len - header;
  if (payload !== 0) {
    tcp_event_data_sent(tp);
    tp.data_segs_out += pcount;
    tp.bytes_sent += payload;
  }
  if (after(oskb.tcp_end_seq, tp.snd_nxt) || oskb.tcp_seq === oskb.tcp_end_seq) net.mib.tcp[TCP_MIB_OUTSEGS]! += pcount;
  tp.segs_out += pcount;
  let err = ip_queue_xmit(tp, skb);
  if (err > 0) {
    // NET_XMIT_CN: it went, but the queue asks for less. NET_XMIT_DROP stays positive: timers then do not back off.
    tcp_enter_cwr(tp);
    if (err === NET_XMIT_CN) err = 0;
  }
  if (err === 0 && clone_it) {
    tcp_update_skb_after_send(tp, oskb, prior_wstamp);
    tcp_rate_skb_sent(tp, oskb);
  }
  return err;
}

export const tcp_transmit_skb = (sk: Sock, skb: SkBuff, clone_it: boolean): number =>
  __tcp_transmit_skb(tcp_sk(sk), skb, clone_it, tcp_sk(sk).rcv_nxt);

// --- how it is cut ------------------------------------------------------------------------------------------------

/** How many segments of `mss` an skb is. */
export function tcp_set_skb_tso_segs(skb: SkBuff, mss: number): number {
  if (skb.len <= mss) {
    skb.tcp_gso_size = 0;
    skb.tcp_gso_segs = 1;
    return 1;
  }
  skb.tcp_gso_size = mss;
  skb.tcp_gso_segs = Math.ceil(skb.len / mss);
  return skb.tcp_gso_segs;
}
export function tcp_init_tso_segs(skb: SkBuff, mss: number): number {
  const segs = skb.tcp_gso_segs;
  if (segs === 0 || (segs > 1 && skb.tcp_gso_size !== mss)) return tcp_set_skb_tso_segs(skb, mss);
  return segs;
}

/** Counts of the scoreboard when an skb lost `decr` of its segments. */
export function tcp_adjust_pcount(tp: TcpSock, skb: SkBuff, decr: number): void {
  tp.packets_out -= decr;
  if ((skb.sacked & TCPCB_SACKED_ACKED) !== 0) tp.sacked_out -= decr;
  if ((skb.sacked & TCPCB_SACKED_RETRANS) !== 0) tp.retrans_out -= decr;
  if ((skb.sacked & TCPCB_LOST) !== 0) tp.lost_out -= decr;
  if (tcp_is_reno(tp) && decr > 0) tp.sacked_out -= Math.min(tp.sacked_out, decr);
}

export const TCP_FRAG_IN_WRITE_QUEUE = 0;
export const TCP_FRAG_IN_RTX_QUEUE = 1;

/** Cuts an skb of a queue in two: `len` bytes stay, the rest follows in a new one that shares the memory. 0 or -ENOMEM. */
export function tcp_fragment(sk: Sock, queue: number, skb: SkBuff, len: number, mss: number): number {
  const tp = tcp_sk(sk);
  const nlen = skb.len - len;
  const buff = tcp_stream_split_skb(sk, skb, len);
  if (buff === null) return -ENOMEM;
  skb.truesize -= nlen;
  buff.truesize += nlen;
  tp.sk_wmem_queued += buff.truesize - nlen;
  buff.tcp_seq = (skb.tcp_seq + len) | 0;
  buff.tcp_end_seq = skb.tcp_end_seq;
  skb.tcp_end_seq = buff.tcp_seq;
  // PSH and FIN belong to the end.
  buff.tcp_flags = skb.tcp_flags;
  skb.tcp_flags &= ~(TCPHDR_FIN | TCPHDR_PSH);
  buff.sacked = skb.sacked;
  buff.tcp_eor = skb.tcp_eor;
  skb.tcp_eor = false;
  buff.skb_mstamp = skb.skb_mstamp;
  buff.tx_delivered = skb.tx_delivered;
  buff.tx_delivered_ce = skb.tx_delivered_ce;
  buff.tx_delivered_mstamp = skb.tx_delivered_mstamp;
  buff.tx_first_mstamp = skb.tx_first_mstamp;
  buff.tx_app_limited = skb.tx_app_limited;
  buff.tx_serial = skb.tx_serial;
  tcp_fragment_tstamp(skb, buff);
  skb_zcopy_set(buff, skb.uarg);
  const old = tcp_skb_pcount(skb);
  tcp_set_skb_tso_segs(skb, mss);
  tcp_set_skb_tso_segs(buff, mss);
  if (!before(tp.snd_nxt, buff.tcp_end_seq)) {
    const diff = old - tcp_skb_pcount(skb) - tcp_skb_pcount(buff);
    if (diff !== 0) tcp_adjust_pcount(tp, skb, diff);
  }
  __skb_queue_after(queue === TCP_FRAG_IN_RTX_QUEUE ? tp.tcp_rtx_queue : tp.sk_write_queue, skb, buff);
  return 0;
}

/** A packet longer than this does not grow by copying. */
const GROW_COPY_MAX = 2048;

/** Up to `amount` bytes of the next packet of the write queue join this one, where there is room: it was small for its time. */
function tcp_grow_skb(tp: TcpSock, skb: SkBuff, amount: number, mss: number): void {
  const next = skb.next!;
  if (skb.tcp_eor || (skb.tcp_flags & TCPHDR_FIN) !== 0 || next.len === 0 || skb.uarg !== next.uarg) return;
  const n = Math.min(next.len, amount);
  // What was cut from it lies behind it already.
  if (next.head !== skb.head || next.data !== skb.tail) {
    // The rest is copied: worth it for a small packet, and where else a segment in the midst of the stream would be short.
    if (skb.len > GROW_COPY_MAX && skb.len % mss === 0) return;
    if (n > skb.end - skb.tail && !tcp_skb_grow(skb, n)) return;
    head_copy(skb.head, skb.tail, next.head, next.data, n);
  }
  skb.tail += n;
  if (skb.end < skb.tail) skb.end = skb.tail;
  skb.len += n;
  skb.tcp_end_seq = (skb.tcp_end_seq + n) | 0;
  skb.truesize += n;
  skb.tcp_gso_segs = 0;
  next.data += n;
  next.len -= n;
  next.tcp_seq = (next.tcp_seq + n) | 0;
  next.truesize -= n;
  next.tcp_gso_segs = 0;
  if (next.len !== 0) return;
  skb.tcp_flags |= next.tcp_flags;
  skb.tcp_end_seq = next.tcp_end_seq;
  skb.tcp_eor = next.tcp_eor;
  tcp_skb_collapse_tstamp(skb, next);
  // The last one may go on growing in the room behind it.
  if (next.head === skb.head) skb.end = next.end;
  __skb_unlink(next, tp.sk_write_queue);
  tcp_wmem_free_skb(tp, next);
}

/** Takes `len` bytes that were acknowledged from the front of an skb. */
export function tcp_trim_head(sk: Sock, skb: SkBuff, len: number): void {
  const tp = tcp_sk(sk);
  skb.data += len;
  skb.len -= len;
  skb.tcp_seq = (skb.tcp_seq + len) | 0;
  if (tcp_skb_pcount(skb) > 1) tcp_set_skb_tso_segs(skb, skb.tcp_gso_size || tp.mss_cache);
}

/** Urgent data is not acknowledged yet. */
const tcp_urg_mode = (tp: TcpSock): boolean => tp.snd_una !== tp.snd_up;

// --- what may be sent ---------------------------------------------------------------------------------------------

/** Segments of a TSO packet: what the path takes in about a millisecond, two at least (tcp_tso_autosize). */
function tcp_tso_segs(tp: TcpSock, mss: number): number {
  const ca = tp.icsk_ca_ops;
  const min_segs = ca.min_tso_segs ? ca.min_tso_segs(tp) : tp.net.ipv4.sysctl_tcp_min_tso_segs;
  const rate = tp.sk_pacing_rate;
  let bytes = rate === Number.POSITIVE_INFINITY ? tp.sk_gso_max_size : rate / (1 << tp.sk_pacing_shift);
  // Near peers take larger bursts: 64 KiB, halved for each 512 us of RTT.
  const log = tp.net.ipv4.sysctl_tcp_tso_rtt_log;
  const r = tp.rtt_min.v0 >>> log;
  if (log !== 0 && r < 32) bytes += tp.sk_gso_max_size >> r;
  bytes = Math.min(bytes, tp.sk_gso_max_size);
  return Math.min(Math.max(Math.floor(bytes / mss), min_segs), tp.sk_gso_max_segs);
}
export const tcp_tso_autosize = tcp_tso_segs;

/** Segments that the congestion window lets out now. */
function tcp_cwnd_test(tp: TcpSock): number {
  const in_flight = tcp_packets_in_flight(tp);
  const cwnd = tp.snd_cwnd;
  if (in_flight >= cwnd) return 0;
  // Not all at once: half of a window leaves room for what comes between.
  return Math.min(Math.max(cwnd >> 1, 1), cwnd - in_flight);
}

/** RFC 1122 section 4.2.3.4 with Minshall's change: a small segment waits only for an earlier small one. */
function tcp_nagle_test(tp: TcpSock, skb: SkBuff, mss: number, nonagle: number): boolean {
  if ((nonagle & TCP_NAGLE_PUSH) !== 0) return true;
  if (tcp_urg_mode(tp) || (skb.tcp_flags & TCPHDR_FIN) !== 0) return true;
  if (skb.len >= mss) return true;
  if ((nonagle & TCP_NAGLE_CORK) !== 0) return false;
  if ((nonagle & TCP_NAGLE_OFF) !== 0) return true;
  return !(tp.packets_out !== 0 && after(tp.snd_sml, tp.snd_una) && !after(tp.snd_sml, tp.snd_nxt));
}

/** Does the (first segment of the) skb fit into the peer's window? */
function tcp_snd_wnd_test(tp: TcpSock, skb: SkBuff, mss: number): boolean {
  const end = skb.len > mss ? (skb.tcp_seq + mss) | 0 : skb.tcp_end_seq;
  return !after(end, tcp_wnd_end(tp));
}

/** Bytes of the skb that go now: window and quota, in whole segments unless it is the last piece and Nagle agrees. */
function tcp_mss_split_point(tp: TcpSock, skb: SkBuff, mss: number, max_segs: number, nonagle: number): number {
  const window = (tcp_wnd_end(tp) - skb.tcp_seq) | 0;
  const max_len = mss * max_segs;
  if (max_len <= window && skb !== tp.sk_write_queue.prev) return max_len;
  const needed = Math.min(skb.len, window);
  if (max_len <= needed) return max_len;
  const partial = needed % mss;
  // The rest is a small segment: it goes along only when it would be allowed to go alone.
  if (partial !== 0 && tcp_nagle_hold(tp, partial < mss, nonagle)) return needed - partial;
  return needed;
}
const tcp_nagle_hold = (tp: TcpSock, partial: boolean, nonagle: number): boolean =>
  partial &&
  ((nonagle & TCP_NAGLE_CORK) !== 0 ||
    (nonagle === 0 && tp.packets_out !== 0 && after(tp.snd_sml, tp.snd_una) && !after(tp.snd_sml, tp.snd_nxt)));

// What tcp_tso_should_defer() says.
const DEFER_NO = 0;
/** The program may write more. */
const DEFER_APP = 1;
/** The congestion window, or the peer's, is what stops us. */
const DEFER_CWND = 2;
const DEFER_RWND = 3;
const DEFER_MAX_NS = 1e6;

/** Would waiting a moment make a longer TSO packet? Not when the ACK that opens the window is far off. */
function tcp_tso_should_defer(tp: TcpSock, skb: SkBuff, max_segs: number): number {
  if (tp.icsk_ca_state >= TCP_CA_Recovery) return DEFER_NO;
  // Nothing left for a millisecond: no burst comes of it.
  if (tp.net.kernel.now - tp.tcp_wstamp_ns > DEFER_MAX_NS) return DEFER_NO;
  const in_flight = tcp_packets_in_flight(tp);
  const send_win = (tcp_wnd_end(tp) - skb.tcp_seq) | 0;
  const cong_win = (tp.snd_cwnd - in_flight) * tp.mss_cache;
  const limit = Math.min(send_win, cong_win);
  if (limit >= max_segs * tp.mss_cache) return DEFER_NO;
  // All of a middle skb fits: it goes.
  if (skb !== tp.sk_write_queue.prev && limit >= skb.len) return DEFER_NO;
  const divisor = tp.net.ipv4.sysctl_tcp_tso_win_divisor;
  if (divisor > 0) {
    const chunk = Math.floor(Math.min(tp.snd_wnd, tp.snd_cwnd * tp.mss_cache) / divisor);
    if (limit >= chunk) return DEFER_NO;
  } else if (limit > 3 * tp.mss_cache) return DEFER_NO;
  const head = tp.tcp_rtx_queue.next;
  if (head === null) return DEFER_NO;
  // Until the next ACK is due: more than half of the RTT, or than a millisecond, is too long to wait.
  const srtt = tp.srtt_us >> 3;
  const due = srtt - ((tp.tcp_mstamp - head.skb_mstamp) | 0);
  if (due > Math.min(srtt / 2, DEFER_MAX_NS / 1000)) return DEFER_NO;
  if (cong_win < send_win) {
    if (cong_win <= skb.len) return DEFER_CWND;
  } else if (send_win <= skb.len) return DEFER_RWND;
  // Nothing will be added to it.
  return (skb.tcp_flags & TCPHDR_FIN) !== 0 || skb.tcp_eor ? DEFER_NO : DEFER_APP;
}

/** Too much of this connection waits below already: let the device say when there is room (TSQ). */
function tcp_small_queue_check(tp: TcpSock, skb: SkBuff, factor: number): boolean {
  let limit = Math.max(2 * skb.truesize, tp.sk_pacing_rate / (1 << tp.sk_pacing_shift));
  if (tp.sk_pacing_status === SK_PACING_NONE) limit = Math.min(limit, tp.net.ipv4.sysctl_tcp_limit_output_bytes);
  limit *= 1 << factor;
  if (tp.sk_wmem_alloc <= limit) return false;
  // With nothing or one in flight there may be no completion to wait for.
  const first = tp.tcp_rtx_queue.next;
  if (first === null || first.next === null) return false;
  tp.tsq_flags |= TSQ_THROTTLED;
  return true;
}

export { tcp_small_queue_check };

/** The skb is on its way: from the write queue to the retransmit queue. */
export function tcp_event_new_data_sent(tp: TcpSock, skb: SkBuff): void {
  const prior = tp.packets_out;
  tp.snd_nxt = skb.tcp_end_seq;
  __skb_unlink(skb, tp.sk_write_queue);
  __skb_queue_tail(tp.tcp_rtx_queue, skb);
  if (tp.highest_sack === null) tp.highest_sack = skb;
  const n = tcp_skb_pcount(skb);
  tp.packets_out += n;
  if (prior === 0 || tp.icsk_pending === ICSK_TIME_LOSS_PROBE) tcp_rearm_rto(tp);
  tp.net.mib.linux[LINUX_MIB_TCPORIGDATASENT]! += n;
  tcp_check_space(tp);
}

// --- congestion window validation (RFC 2861) ----------------------------------------------------------------------

/** After an idle time the window is what a new connection would dare, step by step. */
export function tcp_cwnd_restart(sk: Sock, delta: number): void {
  const tp = tcp_sk(sk);
  let restart = tcp_init_cwnd_of(tp);
  let cwnd = tp.snd_cwnd;
  tcp_ca_event(sk, CA_EVENT_CWND_RESTART);
  tp.snd_ssthresh = tcp_current_ssthresh(tp);
  restart = Math.min(restart, cwnd);
  while ((delta -= tp.icsk_rto) > 0 && cwnd > restart) cwnd >>= 1;
  tp.snd_cwnd = Math.max(cwnd, restart);
  tp.snd_cwnd_stamp = jiffies(sk.net.kernel);
  tp.snd_cwnd_used = 0;
}
export function tcp_init_cwnd_of(tp: TcpSock): number {
  const dst = tp.sk_dst_cache;
  const cwnd = dst !== null ? dst.metrics[RTAX_INITCWND]! : 0;
  return Math.min(cwnd !== 0 ? cwnd : TCP_INIT_CWND, tp.snd_cwnd_clamp);
}

/** The program did not use the window for an RTO: it shrinks half way to what was used. */
function tcp_cwnd_application_limited(tp: TcpSock): void {
  const now = jiffies(tp.net.kernel);
  // A program that waits for buffer space would use more.
  const waits = tp.sk_socket === null || (tp.sk_socket.flags & SOCK_NOSPACE) !== 0;
  if (tp.icsk_ca_state === TCP_CA_Open && !waits) {
    const init_win = tcp_init_cwnd_of(tp);
    const win_used = Math.max(tp.snd_cwnd_used, init_win);
    if (win_used < tp.snd_cwnd) {
      tp.snd_ssthresh = tcp_current_ssthresh(tp);
      tp.snd_cwnd = (tp.snd_cwnd + win_used) >> 1;
    }
    tp.snd_cwnd_used = 0;
  }
  tp.snd_cwnd_stamp = now;
}

function tcp_cwnd_validate(tp: TcpSock, is_cwnd_limited: boolean): void {
  const now = jiffies(tp.net.kernel);
  // The most packets that were in flight in this window, and whether the window was what stopped us.
  if (
    !before(tp.snd_una, tp.cwnd_usage_seq) ||
    is_cwnd_limited ||
    (!tp.is_cwnd_limited && tp.packets_out > tp.max_packets_out)
  ) {
    tp.is_cwnd_limited = is_cwnd_limited;
    tp.max_packets_out = tp.packets_out;
    tp.cwnd_usage_seq = tp.snd_nxt;
  }
  const limited = tp.is_cwnd_limited || (tcp_in_slow_start(tp) && tp.snd_cwnd < 2 * tp.max_packets_out);
  if (limited) {
    tp.snd_cwnd_used = 0;
    tp.snd_cwnd_stamp = now;
    return;
  }
  if (tp.packets_out > tp.snd_cwnd_used) tp.snd_cwnd_used = tp.packets_out;
  if (
    tp.net.ipv4.sysctl_tcp_slow_start_after_idle !== 0 &&
    ((now - tp.snd_cwnd_stamp) | 0) >= tp.icsk_rto &&
    tp.icsk_ca_ops.cong_control === undefined
  ) {
    tcp_cwnd_application_limited(tp);
  }
  // Neither window is what stops us, all is out, and the program waits for buffer space: that is what is too small.
  const sock = tp.sk_socket;
  const open = tp.sk_state === TCP_ESTABLISHED || tp.sk_state === TCP_CLOSE_WAIT;
  if (tp.sk_write_queue.next === null && sock !== null && (sock.flags & SOCK_NOSPACE) !== 0 && open)
    tcp_chrono_start(tp, TCP_CHRONO_SNDBUF_LIMITED);
}

// --- the loop -----------------------------------------------------------------------------------------------------

export const TCP_CHRONO_UNSPEC = 0;
export const TCP_CHRONO_BUSY = 1;
export const TCP_CHRONO_RWND_LIMITED = 2;
export const TCP_CHRONO_SNDBUF_LIMITED = 3;

function tcp_chrono_set(tp: TcpSock, type: number): void {
  const now = jiffies(tp.net.kernel);
  const span = (now - tp.chrono_start) | 0;
  if (tp.chrono_type === TCP_CHRONO_BUSY) tp.chrono_busy += span;
  else if (tp.chrono_type === TCP_CHRONO_RWND_LIMITED) tp.chrono_rwnd_limited += span;
  else if (tp.chrono_type === TCP_CHRONO_SNDBUF_LIMITED) tp.chrono_sndbuf_limited += span;
  tp.chrono_start = now;
  tp.chrono_type = type;
}
export function tcp_chrono_start(sk: Sock, type: number): void {
  const tp = tcp_sk(sk);
  if (type > tp.chrono_type) tcp_chrono_set(tp, type);
}
export function tcp_chrono_stop(sk: Sock, type: number): void {
  const tp = tcp_sk(sk);
  if (tp.tcp_rtx_queue.next === null && tp.sk_write_queue.next === null) tcp_chrono_set(tp, TCP_CHRONO_UNSPEC);
  else if (type === tp.chrono_type) tcp_chrono_set(tp, TCP_CHRONO_BUSY);
}

/**
 * Sends what windows, Nagle, pacing and the queues below allow. `push_one`: 1 one packet only (tcp_push_one), 2 a loss probe.
 * True when there is something to send, nothing is in flight and nothing could be sent: a zero window probe is due.
 */
export function tcp_write_xmit(tp: TcpSock, mss: number, nonagle: number, push_one: number): boolean {
  let sent_pkts = 0;
  let is_cwnd_limited = false;
  let is_rwnd_limited = false;
  tcp_mstamp_refresh(tp);
  if (push_one === 0) {
    const r = tcp_mtu_probe(tp);
    if (r === 0) return false;
    if (r > 0) sent_pkts = 1;
  }
  const max_segs = tcp_tso_segs(tp, mss);
  for (let skb = tp.sk_write_queue.next; skb !== null; skb = tp.sk_write_queue.next) {
    if (trace_key.on) trace_fn(F_tcp_write_xmit, skb);
    if (tcp_pacing_check(tp)) break;
    let quota = tcp_cwnd_test(tp);
    if (quota === 0) {
      // A loss probe may exceed the window by one segment (RFC 8985 section 7.3).
      if (push_one !== 2) {
        is_cwnd_limited = true;
        break;
      }
      quota = 1;
    }
    quota = Math.min(quota, max_segs);
    const missing = quota * mss - skb.len;
    if (missing > 0 && skb.next !== null) tcp_grow_skb(tp, skb, missing, mss);
    const tso_segs = tcp_init_tso_segs(skb, mss);
    if (tp.repair && tp.repair_queue === TCP_SEND_QUEUE) {
      // It was sent by who had the connection before: the timer sends it again, should that be due.
      skb.skb_mstamp = Math.floor(tp.net.kernel.now / 1000) | 0;
      tcp_event_new_data_sent(tp, skb);
      sent_pkts += tcp_skb_pcount(skb);
      continue;
    }
    if (!tcp_snd_wnd_test(tp, skb, mss)) {
      is_rwnd_limited = true;
      break;
    }
    if (tso_segs === 1) {
      if (!tcp_nagle_test(tp, skb, mss, skb === tp.sk_write_queue.prev ? nonagle : TCP_NAGLE_PUSH)) break;
    } else if (push_one === 0) {
      const defer = tcp_tso_should_defer(tp, skb, max_segs);
      if (defer === DEFER_CWND) is_cwnd_limited = true;
      else if (defer === DEFER_RWND) is_rwnd_limited = true;
      if (defer !== DEFER_NO) break;
    }
    let limit = mss;
    if (tso_segs > 1 && !tcp_urg_mode(tp)) limit = tcp_mss_split_point(tp, skb, mss, quota, nonagle);
    if (skb.len > limit && limit > 0 && tcp_fragment(tp, TCP_FRAG_IN_WRITE_QUEUE, skb, limit, mss) < 0) break;
    if (tcp_small_queue_check(tp, skb, 0)) break;
    if (skb.tcp_end_seq === skb.tcp_seq) break;
    if (tcp_transmit_skb(tp, skb, true) !== 0) break;
    tcp_event_new_data_sent(tp, skb);
    // tcp_minshall_update: the end of the last small segment.
    if (skb.len < tcp_skb_pcount(skb) * mss) tp.snd_sml = skb.tcp_end_seq;
    sent_pkts += tcp_skb_pcount(skb);
    if (push_one !== 0) break;
  }
  if (is_rwnd_limited) tcp_chrono_start(tp, TCP_CHRONO_RWND_LIMITED);
  else tcp_chrono_stop(tp, TCP_CHRONO_RWND_LIMITED);
  if (tcp_packets_in_flight(tp) >= tp.snd_cwnd) is_cwnd_limited = true;
  if (sent_pkts !== 0 || is_cwnd_limited) tcp_cwnd_validate(tp, is_cwnd_limited);
  if (sent_pkts !== 0) {
    if (tcp_in_cwnd_reduction(tp)) tp.prr_out += sent_pkts;
    if (push_one !== 2) tcp_schedule_loss_probe(tp, false);
    return false;
  }
  return tp.packets_out === 0 && tp.sk_write_queue.next !== null;
}

/** Sends what can go; with nothing in flight and a closed window, the probe timer is started. */
export function __tcp_push_pending_frames(sk: Sock, mss: number, nonagle: number): void {
  const tp = tcp_sk(sk);
  // Nothing can be sent from a closed socket.
  if (tp.sk_state === TCP_CLOSE) return;
  if (tcp_write_xmit(tp, mss, nonagle, 0)) tcp_check_probe_timer(tp);
}
/** The window is closed and nothing is in flight: only a probe finds out when it opens (RFC 9293 section 3.8.6.1). */
export function tcp_check_probe_timer(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.packets_out === 0 && tp.icsk_pending === 0)
    inet_csk_reset_xmit_timer(tp, ICSK_TIME_PROBE0, tcp_probe0_base(tp), tp.icsk_rto_max);
}
export const tcp_probe0_base = (tp: TcpSock): number => Math.max(tp.icsk_rto, TCP_RTO_MIN);
export const tcp_probe0_when = (tp: TcpSock, max_when: number): number =>
  Math.min(tcp_probe0_base(tp) * 2 ** Math.min(tp.icsk_backoff, 24), max_when);
export function tcp_push_pending_frames(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.sk_write_queue.next !== null) __tcp_push_pending_frames(sk, tcp_current_mss(sk), tp.nonagle);
}
/** One full segment is there while the program still writes: it goes at once. */
export function tcp_push_one(sk: Sock, mss: number): void {
  tcp_write_xmit(tcp_sk(sk), mss, TCP_NAGLE_PUSH, 1);
}
