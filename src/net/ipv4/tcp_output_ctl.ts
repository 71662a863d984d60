// Segments that carry no payload: SYN, SYN-ACK, FIN, RST, ACK, and probes. Mirrors the rest of net/ipv4/tcp_output.c.
// Read first: RFC 9293 sections 3.5, 3.6, 3.8.6.1. Way in: tcp_connect(), tcp_send_fin(), tcp_send_ack(), tcp_send_probe0().

import { jiffies } from "../../kernel/kernel.ts";
import { EHOSTUNREACH, ENOBUFS } from "../../uapi/errno.ts";
import { TCPH_LEN } from "../../uapi/ip.ts";
import { RTAX_INITRWND, RTAX_WINDOW } from "../../uapi/rtnetlink.ts";
import type { DstEntry } from "../core/dst.ts";
import { __skb_queue_tail, alloc_skb, CHECKSUM_PARTIAL, type SkBuff, skb_push, skb_reserve } from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPABORTFAILED,
  LINUX_MIB_TCPKEEPALIVE,
  LINUX_MIB_TCPSYNRETRANS,
  LINUX_MIB_TCPWINPROBE,
  TCP_MIB_ACTIVEOPENS,
  TCP_MIB_OUTRSTS,
  TCP_MIB_OUTSEGS,
  TCP_MIB_RETRANSSEGS,
} from "../core/snmp.ts";
import { __sk_dst_check, type Sock, TCP_CLOSE, TCP_ESTABLISHED } from "../core/sock.ts";
import {
  ICSK_TIME_DACK,
  inet_csk_delack_timer,
  inet_csk_in_pingpong_mode,
  inet_csk_reset_xmit_timer,
  type RequestSock,
  sk_reset_timer,
} from "./inet_connection_sock.ts";
import { inet_sk_route } from "./ip_output.ts";
import { tcp_stream_alloc_skb, tcp_write_queue_purge } from "./tcp.ts";
import { tcp_ca_dst_init, tcp_ca_needs_ecn } from "./tcp_cong.ts";
import { tcp_clear_retrans } from "./tcp_cwnd.ts";
import { tcp_send_syn_data } from "./tcp_fastopen.ts";
import { tcp_finish_connect } from "./tcp_input.ts";
import { tcp_v4_send_synack } from "./tcp_ipv4.ts";
import {
  dst_metric_advmss,
  dst_mtu,
  tcp_current_mss,
  tcp_mtup_init,
  tcp_select_initial_window,
  tcp_sync_mss,
} from "./tcp_mss.ts";
import {
  OPTION_FAST_OPEN_COOKIE,
  OPTION_SACK_ADVERTISE,
  OPTION_TS,
  OPTION_WSCALE,
  tcp_options_write,
} from "./tcp_options.ts";
import {
  __tcp_push_pending_frames,
  __tcp_transmit_skb,
  __tcp_v4_send_check,
  TCP_FRAG_IN_WRITE_QUEUE,
  tcp_event_new_data_sent,
  tcp_fragment,
  tcp_probe0_when,
  tcp_set_skb_tso_segs,
  tcp_transmit_skb,
} from "./tcp_output.ts";
import type { FastopenCookie } from "./tcp_parse.ts";
import {
  after,
  before,
  ICSK_ACK_PUSHED,
  ICSK_ACK_SCHED,
  ICSK_ACK_TIMER,
  ICSK_TIME_PROBE0,
  ICSK_TIME_RETRANS,
  MAX_TCP_HEADER,
  MAX_TCP_OPTION_SPACE,
  TCP_ATO_MIN,
  TCP_DELACK_MAX,
  TCP_DELACK_MIN,
  TCP_ECN_OK,
  TCP_NAGLE_OFF,
  TCP_RESOURCE_PROBE_INTERVAL,
  TCP_TIMEOUT_INIT,
  TCPHDR_ACK,
  TCPHDR_CWR,
  TCPHDR_ECE,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_RST,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  type TcpSock,
  tcp_full_space,
  tcp_mstamp_refresh,
  tcp_sk,
  tcp_wnd_end,
} from "./tcp_sock.ts";
import { tcp_clamp_probe0_to_user_timeout } from "./tcp_timer.ts";

/** An skb without payload: sequence number, flags, one count for SYN or FIN. */
export function tcp_init_nondata_skb(skb: SkBuff, seq: number, flags: number): void {
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.tcp_flags = flags;
  skb.tcp_gso_segs = 1;
  skb.tcp_gso_size = 0;
  skb.sacked = 0;
  skb.tcp_seq = seq;
  skb.tcp_end_seq = (flags & (TCPHDR_SYN | TCPHDR_FIN)) !== 0 ? (seq + 1) | 0 : seq;
}

function alloc_ctl(tp: TcpSock): SkBuff | null {
  const skb = alloc_skb(tp.net.kernel, MAX_TCP_HEADER);
  if (skb !== null) skb_reserve(skb, MAX_TCP_HEADER);
  return skb;
}

// --- SYN ----------------------------------------------------------------------------------------------------------

/** The connection's first parameters, once the route is known. */
function tcp_connect_init(tp: TcpSock): void {
  const net = tp.net;
  const ipv4 = net.ipv4;
  const dst = __sk_dst_check(tp, 0);
  // What every segment will carry: the timestamp option.
  tp.tcp_header_len = TCPH_LEN + (ipv4.sysctl_tcp_timestamps !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0);
  if (tp.rx_opt.user_mss !== 0) tp.rx_opt.mss_clamp = tp.rx_opt.user_mss;
  tp.max_window = 0;
  tcp_mtup_init(tp);
  if (dst !== null) {
    tcp_sync_mss(tp, dst_mtu(dst));
    tcp_ca_dst_init(tp, dst);
    if (tp.window_clamp === 0) tp.window_clamp = dst.metrics[RTAX_WINDOW]!;
    tp.advmss = Math.min(dst_metric_advmss(dst), tp.rx_opt.user_mss !== 0 ? tp.rx_opt.user_mss : 65535);
  }
  tp.ack_rcv_mss = Math.max(Math.min(tp.advmss, tp.mss_cache, tp.rcv_wnd >> 1, 536), 88);
  // A buffer that the program fixed is the whole window.
  if ((tp.sk_userlocks & 2) !== 0 && (tp.window_clamp > tcp_full_space(tp) || tp.window_clamp === 0))
    tp.window_clamp = tcp_full_space(tp);
  const opt_room = tp.rx_opt.ts_recent_stamp !== 0 ? tp.tcp_header_len - TCPH_LEN : 0;
  tcp_select_initial_window(
    tp,
    tcp_full_space(tp),
    tp.advmss - opt_room,
    tp.window_clamp,
    ipv4.sysctl_tcp_window_scaling !== 0,
    dst !== null ? dst.metrics[RTAX_INITRWND]! : 0,
  );
  const w = net.kernel.tcp_init_win;
  tp.rcv_wnd = w.rcv_wnd;
  tp.window_clamp = w.window_clamp;
  tp.rx_opt.rcv_wscale = w.rcv_wscale;
  tp.rcv_ssthresh = tp.rcv_wnd;
  tp.sk_err = 0;
  tp.sk_flags &= ~(1 << 1);
  tp.snd_wnd = 0;
  tp.snd_wl1 = 0;
  tcp_write_queue_purge(tp);
  tp.snd_una = tp.write_seq;
  tp.snd_sml = tp.write_seq;
  tp.snd_up = tp.write_seq;
  tp.snd_nxt = tp.write_seq;
  if (!tp.repair) tp.rcv_nxt = 0;
  tp.rcv_tstamp = jiffies(net.kernel);
  tp.rcv_wup = tp.rcv_nxt;
  tp.copied_seq = tp.rcv_nxt;
  tp.icsk_rto = tcp_timeout_init(tp);
  tp.icsk_retransmits = 0;
  tcp_clear_retrans(tp);
}
export const tcp_timeout_init = (_tp: TcpSock): number => TCP_TIMEOUT_INIT;

/** Queues an skb that takes a sequence number of its own as sent. */
function tcp_connect_queue_skb(tp: TcpSock, skb: SkBuff): void {
  tp.write_seq = skb.tcp_end_seq;
  tp.sk_wmem_queued += skb.truesize;
  tp.packets_out += skb.tcp_gso_segs;
}

/** Sends the SYN. 0 or -errno; without a route the caller hears of it, a full queue is the timer's business. */
export function tcp_connect(sk: Sock): number {
  const tp = tcp_sk(sk);
  const net = sk.net;
  // An option between connect(2) and the first write (Fast Open) may have taken the route.
  if (inet_sk_route(sk) === null) return -EHOSTUNREACH;
  tcp_connect_init(tp);
  if (tp.repair) {
    // The connection is there already: nobody is asked.
    tcp_finish_connect(sk, null);
    return 0;
  }
  const skb = tcp_stream_alloc_skb(sk, 0);
  if (skb === null) return -ENOBUFS;
  // SYN-ECE-CWR asks for ECN (RFC 3168 section 6.1.1).
  let flags = TCPHDR_SYN;
  if (net.ipv4.sysctl_tcp_ecn === 1 || tcp_ca_needs_ecn(tp)) {
    flags |= TCPHDR_ECE | TCPHDR_CWR;
    tp.ecn_flags = TCP_ECN_OK;
  } else tp.ecn_flags = 0;
  tcp_init_nondata_skb(skb, tp.write_seq, flags);
  tcp_mstamp_refresh(tp);
  tp.retrans_stamp = Math.floor(net.kernel.now / 1e6) | 0;
  tcp_connect_queue_skb(tp, skb);
  __skb_queue_tail(tp.tcp_rtx_queue, skb);
  const err = tp.fastopen_req !== null ? tcp_send_syn_data(sk, skb) : tcp_transmit_skb(sk, skb, true);
  // ECONNREFUSED can already be here: loopback answers at once.
  if (err === -111) return err;
  tp.snd_nxt = tp.write_seq;
  tp.pushed_seq = tp.write_seq;
  const first = tp.sk_write_queue.next;
  if (first !== null) {
    tp.snd_nxt = first.tcp_seq;
    tp.pushed_seq = first.tcp_seq;
  }
  net.mib.tcp[TCP_MIB_ACTIVEOPENS]!++;
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_RETRANS, tp.icsk_rto, tp.icsk_rto_max);
  return 0;
}

/** Simultaneous open: our SYN becomes a SYN-ACK (RFC 9293 section 3.5, figure 7). */
export function tcp_send_synack(sk: Sock): number {
  const tp = tcp_sk(sk);
  const skb = tp.tcp_rtx_queue.next;
  if (skb === null || (skb.tcp_flags & TCPHDR_SYN) === 0) return -14;
  if ((skb.tcp_flags & TCPHDR_ACK) === 0) {
    skb.tcp_flags |= TCPHDR_ACK;
    if ((tp.ecn_flags & TCP_ECN_OK) !== 0) skb.tcp_flags = (skb.tcp_flags & ~TCPHDR_CWR) | TCPHDR_ECE;
  }
  return tcp_transmit_skb(sk, skb, true);
}

export const TCP_SYNACK_NORMAL = 0;
export const TCP_SYNACK_FASTOPEN = 1;
export const TCP_SYNACK_COOKIE = 2;

/** The SYN-ACK of a request: there is no socket yet, so all comes from the request and the listener. */
export function tcp_make_synack(
  sk: Sock,
  dst: DstEntry,
  req: RequestSock,
  foc: FastopenCookie | null,
  _type: number,
): SkBuff | null {
  const tp = tcp_sk(sk);
  const k = sk.net.kernel;
  const skb = alloc_skb(k, MAX_TCP_HEADER);
  if (skb === null) return null;
  skb_reserve(skb, MAX_TCP_HEADER);
  const mss = Math.min(dst_metric_advmss(dst), tp.rx_opt.user_mss !== 0 ? tp.rx_opt.user_mss : 65535);
  const now_us = Math.floor(k.now / 1000) | 0;
  if (req.snt_synack === 0) req.snt_synack = now_us | 1;
  const o = k.tcp_out;
  o.options = 0;
  o.num_sack_blocks = 0;
  o.fastopen_cookie = null;
  o.mss = mss;
  let len = 4;
  if (req.wscale_ok) {
    o.options |= OPTION_WSCALE;
    o.ws = req.rcv_wscale;
    len += 4;
  }
  if (req.tstamp_ok) {
    o.options |= OPTION_TS;
    o.tsval = req.cookie_ts ? req.cookie_tsval : (Math.floor(k.now / 1e6) + req.ts_off) | 0;
    o.tsecr = req.ts_recent;
    if (req.snt_tsval_first === 0) req.snt_tsval_first = o.tsval;
    req.snt_tsval_last = o.tsval;
    len += TCPOLEN_TSTAMP_ALIGNED;
  }
  if (req.sack_ok) {
    o.options |= OPTION_SACK_ADVERTISE;
    if (!req.tstamp_ok) len += 4;
  }
  if (foc !== null && foc.len >= 0) {
    const need = (foc.len + (foc.exp ? 4 : 2) + 3) & ~3;
    if (MAX_TCP_OPTION_SPACE - len >= need) {
      o.options |= OPTION_FAST_OPEN_COOKIE;
      o.fastopen_cookie = foc;
      len += need;
    }
  }
  const header = TCPH_LEN + len;
  const th = skb_push(skb, header);
  skb.transport_header = th;
  const dv = skb.head.dv;
  let flags = TCPHDR_SYN | TCPHDR_ACK;
  if (req.ecn_ok) flags |= TCPHDR_ECE;
  dv.setInt32(th, (req.ir_num << 16) | req.ir_rmt_port);
  dv.setInt32(th + 4, req.snt_isn);
  dv.setInt32(th + 8, req.rcv_nxt);
  dv.setInt32(th + 12, (header << 26) | (flags << 16) | Math.min(req.rsk_rcv_wnd, 65535));
  dv.setInt32(th + 16, 0);
  tcp_options_write(dv, th + TCPH_LEN, null, o);
  __tcp_v4_send_check(skb, req.ir_loc_addr, req.ir_rmt_addr);
  skb.mark = req.ir_mark;
  sk.net.mib.tcp[TCP_MIB_OUTSEGS]!++;
  return skb;
}

/** The SYN-ACK again, by the timer of the request. */
export function tcp_rtx_synack(sk: Sock, req: RequestSock): number {
  const net = sk.net;
  const err = tcp_v4_send_synack(sk, null, req, null, TCP_SYNACK_NORMAL, null);
  if (err === 0) {
    net.mib.tcp[TCP_MIB_RETRANSSEGS]!++;
    net.mib.linux[LINUX_MIB_TCPSYNRETRANS]!++;
    req.num_retrans++;
  }
  return err;
}

// --- FIN and RST --------------------------------------------------------------------------------------------------

/** FIN goes with the last segment that is still queued, or in one of its own. */
export function tcp_send_fin(sk: Sock): void {
  const tp = tcp_sk(sk);
  let tail = tp.sk_write_queue.prev;
  if (tail !== null) {
    tail.tcp_flags |= TCPHDR_FIN;
    tail.tcp_end_seq = (tail.tcp_end_seq + 1) | 0;
    tp.write_seq = (tp.write_seq + 1) | 0;
  } else {
    const skb = alloc_ctl(tp);
    if (skb === null) return;
    tail = skb;
    tcp_init_nondata_skb(skb, tp.write_seq, TCPHDR_ACK | TCPHDR_FIN);
    tp.write_seq = (tp.write_seq + 1) | 0;
    tp.sk_wmem_queued += skb.truesize;
    __skb_queue_tail(tp.sk_write_queue, skb);
  }
  __tcp_push_pending_frames(sk, tcp_current_mss(sk), TCP_NAGLE_OFF);
}

/** RST of a connection that ends by our will (RFC 2525 section 2.17: data unread, or SO_LINGER 0). */
export function tcp_send_active_reset(sk: Sock, _reason: number): void {
  const tp = tcp_sk(sk);
  const net = sk.net;
  net.mib.tcp[TCP_MIB_OUTRSTS]!++;
  const skb = alloc_ctl(tp);
  if (skb === null) {
    net.mib.linux[LINUX_MIB_TCPABORTFAILED]!++;
    return;
  }
  tcp_init_nondata_skb(skb, tcp_acceptable_seq(tp), TCPHDR_ACK | TCPHDR_RST);
  tcp_mstamp_refresh(tp);
  if (tcp_transmit_skb(sk, skb, false) !== 0) net.mib.linux[LINUX_MIB_TCPABORTFAILED]!++;
}

/** A sequence number that the peer takes: snd_nxt, unless the peer shrank its window. */
function tcp_acceptable_seq(tp: TcpSock): number {
  const end = tcp_wnd_end(tp);
  if (!before(end, tp.snd_nxt) || (tp.rx_opt.wscale_ok && ((tp.snd_nxt - end) | 0) < 1 << tp.rx_opt.rcv_wscale))
    return tp.snd_nxt;
  return end;
}

// --- ACK ----------------------------------------------------------------------------------------------------------

export function __tcp_send_ack(sk: Sock, rcv_nxt: number): void {
  const tp = tcp_sk(sk);
  if (tp.sk_state === TCP_CLOSE) return;
  const skb = alloc_ctl(tp);
  if (skb === null) {
    // Out of memory: the delayed ACK's timer tries again.
    tp.ack_pending |= ICSK_ACK_SCHED;
    tp.ack_ato = TCP_ATO_MIN;
    inet_csk_reset_xmit_timer(sk, ICSK_TIME_DACK, TCP_DELACK_MAX, tp.icsk_rto_max);
    return;
  }
  tcp_init_nondata_skb(skb, tcp_acceptable_seq(tp), TCPHDR_ACK);
  __tcp_transmit_skb(tp, skb, false, rcv_nxt);
}
export const tcp_send_ack = (sk: Sock): void => __tcp_send_ack(sk, tcp_sk(sk).rcv_nxt);

/** RFC 1122 section 4.2.3.2: an ACK may wait for data to ride on, at most 200 ms, and less where the peer is quick. */
export function tcp_send_delayed_ack(sk: Sock): void {
  const tp = tcp_sk(sk);
  let ato = tp.ack_ato;
  if (ato > TCP_DELACK_MIN) {
    let max = 500;
    if (inet_csk_in_pingpong_mode(sk) || (tp.ack_pending & ICSK_ACK_PUSHED) !== 0) max = TCP_DELACK_MAX;
    // Not longer than the peer's RTT, where it is known.
    if (tp.srtt_us !== 0) {
      const rtt = Math.max(Math.floor((tp.srtt_us >> 3) / 1000), TCP_DELACK_MIN);
      if (rtt < max) max = rtt;
    }
    ato = Math.min(ato, max);
  }
  ato = Math.min(ato, tp.icsk_delack_max);
  const now = jiffies(sk.net.kernel);
  let timeout = now + ato;
  if ((tp.ack_pending & ICSK_ACK_TIMER) !== 0) {
    // It waited a while already.
    if (tp.ack_timeout <= now + (ato >> 2)) {
      tcp_send_ack(sk);
      return;
    }
    if (timeout > tp.ack_timeout) timeout = tp.ack_timeout;
  }
  tp.ack_pending |= ICSK_ACK_SCHED | ICSK_ACK_TIMER;
  tp.ack_timeout = timeout;
  sk_reset_timer(sk, inet_csk_delack_timer(tp), timeout);
}

// --- probes -------------------------------------------------------------------------------------------------------

/** A segment with an old sequence number: whoever gets it must answer with an ACK. */
function tcp_xmit_probe_skb(tp: TcpSock, urgent: boolean, mib: number): number {
  const skb = alloc_ctl(tp);
  if (skb === null) return -1;
  tcp_init_nondata_skb(skb, (tp.snd_una - (urgent ? 0 : 1)) | 0, TCPHDR_ACK);
  tp.net.mib.linux[mib]!++;
  return tcp_transmit_skb(tp, skb, false);
}

export function tcp_send_window_probe(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tp.sk_state !== TCP_ESTABLISHED) return;
  tp.snd_wl1 = (tp.rcv_nxt - 1) | 0;
  tcp_mstamp_refresh(tp);
  tcp_xmit_probe_skb(tp, false, LINUX_MIB_TCPWINPROBE);
}

/** Keepalive, or a zero window probe: with data where the window lets some out. 0 sent, 1 not (queue below), -1 error. */
export function tcp_write_wakeup(sk: Sock, mib: number): number {
  const tp = tcp_sk(sk);
  if (tp.sk_state === TCP_CLOSE) return -1;
  const skb = tp.sk_write_queue.next;
  if (skb !== null && before(skb.tcp_seq, tcp_wnd_end(tp))) {
    const mss = tcp_current_mss(sk);
    let seg = (tcp_wnd_end(tp) - skb.tcp_seq) | 0;
    if (before(tp.pushed_seq, skb.tcp_end_seq)) tp.pushed_seq = skb.tcp_end_seq;
    if (seg < ((skb.tcp_end_seq - skb.tcp_seq) | 0) || skb.len > mss) {
      seg = Math.min(seg, mss);
      skb.tcp_flags |= TCPHDR_PSH;
      if (tcp_fragment(sk, TCP_FRAG_IN_WRITE_QUEUE, skb, seg, mss) < 0) return -1;
    } else if (skb.tcp_gso_segs === 0) tcp_set_skb_tso_segs(skb, mss);
    skb.tcp_flags |= TCPHDR_PSH;
    const err = tcp_transmit_skb(sk, skb, true);
    if (err === 0) tcp_event_new_data_sent(tp, skb);
    return err;
  }
  if (after(tp.snd_up, tp.snd_una) && ((tp.snd_up - tp.snd_una) | 0) <= 0xffff) tcp_xmit_probe_skb(tp, true, mib);
  return tcp_xmit_probe_skb(tp, false, mib);
}
export const tcp_send_keepalive_probe = (sk: Sock): number => tcp_write_wakeup(sk, LINUX_MIB_TCPKEEPALIVE);

/** The zero window probe, and when the next one is due (RFC 9293 section 3.8.6.1: intervals grow). */
export function tcp_send_probe0(sk: Sock): void {
  const tp = tcp_sk(sk);
  const err = tcp_write_wakeup(sk, LINUX_MIB_TCPWINPROBE);
  if (tp.packets_out !== 0 || tp.sk_write_queue.next === null) {
    // It opened while we probed.
    tp.icsk_probes_out = 0;
    tp.icsk_backoff = 0;
    tp.icsk_probes_tstamp = 0;
    return;
  }
  tp.icsk_probes_out++;
  let timeout: number;
  if (err <= 0) {
    if (tp.icsk_backoff < sk.net.ipv4.sysctl_tcp_retries2) tp.icsk_backoff++;
    timeout = tcp_probe0_when(tp, tp.icsk_rto_max);
  } else timeout = TCP_RESOURCE_PROBE_INTERVAL;
  inet_csk_reset_xmit_timer(sk, ICSK_TIME_PROBE0, tcp_clamp_probe0_to_user_timeout(sk, timeout), tp.icsk_rto_max);
}
