// A SYN for a listener becomes a request and a SYN-ACK, or a cookie, or nothing. Mirrors tcp_conn_request() and what it needs
// of net/ipv4/tcp_input.c. Read first: RFC 9293 section 3.10.7.2, RFC 4987. Way in: tcp_conn_request().

import { KERN_INFO, printk } from "../../kernel/printk.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_tcp_conn_request } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import {
  IPH_DADDR,
  IPH_SADDR,
  IPH_TOS,
  TCPH_DEST,
  TCPH_DOFF,
  TCPH_FLAGS,
  TCPH_SEQ,
  TCPH_SOURCE,
} from "../../uapi/ip.ts";
import { RTAX_FEATURE_ECN, RTAX_FEATURES } from "../../uapi/rtnetlink.ts";
import { type DstEntry, dst_release } from "../core/dst.ts";
import { secure_tcp_seq, secure_tcp_ts_off } from "../core/secure_seq.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  LINUX_MIB_LISTENDROPS,
  LINUX_MIB_LISTENOVERFLOWS,
  LINUX_MIB_TCPREQQFULLDOCOOKIES,
  LINUX_MIB_TCPREQQFULLDROP,
} from "../core/snmp.ts";
import { SOCK_DEAD, type Sock, sock_flag, sock_put } from "../core/sock.ts";
import {
  inet_csk_reqsk_queue_add,
  inet_csk_reqsk_queue_hash_add,
  inet_csk_reqsk_queue_is_full,
  inet_csk_reqsk_queue_len,
  inet_csk_route_req,
  sk_acceptq_is_full,
} from "./inet_connection_sock.ts";
import { inet_sk } from "./inet_sock.ts";
import { __ip_options_echo } from "./ip_options.ts";
import { inet_reqsk_alloc, type RequestSock, reqsk_free, reqsk_put } from "./request_sock.ts";
import { RTCF_BROADCAST, RTCF_MULTICAST, type Rtable } from "./route.ts";
import { cookie_init_timestamp, cookie_v4_init_sequence, tcp_clear_options } from "./syncookies.ts";
import { tcp_ca_needs_ecn } from "./tcp_cong.ts";
import { tcp_try_fastopen } from "./tcp_fastopen.ts";
import { tcp_v4_send_synack } from "./tcp_ipv4.ts";
import { tcp_peer_is_proven } from "./tcp_metrics.ts";
import { tcp_openreq_init_rwin } from "./tcp_minisocks.ts";
import { TCP_SYNACK_COOKIE, TCP_SYNACK_FASTOPEN, TCP_SYNACK_NORMAL } from "./tcp_output_ctl.ts";
import { type FastopenCookie, tcp_parse_options } from "./tcp_parse.ts";
import {
  TCP_MSS_DEFAULT,
  TCP_TIMEOUT_INIT,
  TCPHDR_CWR,
  TCPHDR_ECE,
  type TcpOptionsReceived,
  type TcpSock,
  tcp_clock_us,
  tcp_sk,
} from "./tcp_sock.ts";

export { tcp_get_cookie_sock } from "./syncookies.ts";

const INET_ECN_MASK = 3;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** The sequence number that a connection in TIME_WAIT gives to the one that reuses it; 0: none (tcp_tw_isn). */
    tcp_tw_isn: number;
    /** Scratch: the Fast Open option of the SYN in hand. */
    tcp_foc: FastopenCookie;
  }
}

/** A SYN, or the last ACK of a handshake, finds no room. */
export function tcp_listendrop(sk: Sock): void {
  sk.sk_drops++;
  sk.net.mib.linux[LINUX_MIB_LISTENDROPS]!++;
}

/** A bound listener's device; else, with tcp_l3mdev_accept, the one the SYN came in by. */
export function inet_request_bound_dev_if(sk: Sock, _skb: SkBuff): number {
  return sk.sk_bound_dev_if;
}

/** The SYN queue is full: a cookie, or nothing; said once per listener. */
function tcp_syn_flood_action(tp: TcpSock): boolean {
  const net = tp.net;
  const syncookies = net.ipv4.sysctl_tcp_syncookies;
  const want_cookie = syncookies !== 0;
  net.mib.linux[want_cookie ? LINUX_MIB_TCPREQQFULLDOCOOKIES : LINUX_MIB_TCPREQQFULLDROP]!++;
  const queue = tp.icsk_accept_queue;
  if (queue !== null && !queue.synflood_warned && syncookies !== 2) {
    queue.synflood_warned = true;
    const a = tp.inet_rcv_saddr;
    const addr = `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;
    const what = want_cookie ? "Sending cookies" : "Dropping request";
    printk(
      net.kernel,
      KERN_INFO,
      `TCP: request_sock_TCP: Possible SYN flooding on port ${addr}:${tp.inet_num}. ${what}.`,
    );
  }
  return want_cookie;
}

/** What the SYN says, and what both can do. */
function tcp_openreq_init(req: RequestSock, opt: TcpOptionsReceived, skb: SkBuff, sk: Sock): void {
  const net = sk.net;
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const th = skb.transport_header;
  const seq = dv.getInt32(th + TCPH_SEQ);
  req.rsk_rcv_wnd = 0;
  req.rcv_isn = seq;
  req.rcv_nxt = (seq + 1) | 0;
  req.snt_synack = 0;
  req.last_oow_ack_time = 0;
  req.mss = opt.mss_clamp;
  req.ts_recent = opt.saw_tstamp ? opt.rcv_tsval : 0;
  req.tstamp_ok = opt.tstamp_ok;
  req.sack_ok = opt.sack_ok !== 0;
  req.snd_wscale = opt.snd_wscale;
  req.wscale_ok = opt.wscale_ok;
  req.acked = false;
  req.ecn_ok = false;
  req.ts_off = 0;
  req.ir_rmt_port = dv.getUint16(th + TCPH_SOURCE);
  req.ir_num = dv.getUint16(th + TCPH_DEST);
  req.ir_loc_addr = dv.getInt32(iph + IPH_DADDR);
  req.ir_rmt_addr = dv.getInt32(iph + IPH_SADDR);
  req.ir_mark = net.ipv4.sysctl_tcp_fwmark_accept !== 0 && sk.sk_mark === 0 ? skb.mark : sk.sk_mark;
  req.ir_iif = inet_request_bound_dev_if(sk, skb);
  req.tos = inet_sk(sk).tos;
  req.syn_tos = dv.getUint8(iph + IPH_TOS);
  const ipopt = skb.ipcb_opt;
  req.ireq_opt = null;
  if (ipopt !== null && ipopt.optlen !== 0) {
    const echo = __ip_options_echo(net, skb, ipopt);
    if (typeof echo !== "number" && echo.optlen !== 0) req.ireq_opt = echo;
  }
}

/**
 * RFC 3168 section 6.1.1: the SYN asks for ECN by ECE and CWR. Where its IP header has an ECT mark as well, only a congestion
 * control that needs ECN says yes, as the mark must not be on a SYN.
 */
function tcp_ecn_create_request(req: RequestSock, skb: SkBuff, sk: Sock, dst: DstEntry): void {
  const dv = skb.head.dv;
  const flags = dv.getUint8(skb.transport_header + TCPH_FLAGS);
  const accurate = (dv.getUint8(skb.transport_header + TCPH_DOFF) & 1) !== 0;
  if ((flags & (TCPHDR_ECE | TCPHDR_CWR)) !== (TCPHDR_ECE | TCPHDR_CWR)) return;
  const ect = (req.syn_tos & INET_ECN_MASK) !== 0;
  // The route says that ECN works on it.
  const dst_ok = (dst.metrics[RTAX_FEATURES]! & RTAX_FEATURE_ECN) !== 0;
  const sysctl_ok = sk.net.ipv4.sysctl_tcp_ecn !== 0;
  if (((!ect || accurate) && (sysctl_ok || dst_ok)) || tcp_ca_needs_ecn(sk)) req.ecn_ok = true;
}

/** TCP_SAVE_SYN: 1 keeps the IP and TCP header, 2 the link's too. */
export function tcp_reqsk_record_syn(sk: Sock, req: RequestSock, skb: SkBuff): void {
  const tp = tcp_sk(sk);
  if (tp.save_syn === 0) return;
  const th = skb.transport_header;
  const end = th + ((skb.head.dv.getUint8(th + TCPH_DOFF) >> 4) << 2);
  const start = tp.save_syn === 2 && skb.mac_header >= 0 ? skb.mac_header : skb.network_header;
  req.saved_syn = skb.head.u8.slice(start, end);
}

/**
 * The listener `sk` got the SYN `skb`, which stays the caller's. `isn` is the sequence number to answer with where a
 * connection in TIME_WAIT demands one, else 0. Returns 0: whatever happens, the SYN gets no RST.
 */
export function tcp_conn_request(sk: Sock, skb: SkBuff, isn = 0): number {
  if (trace_key.on) trace_fn(F_tcp_conn_request, skb);
  const tp = tcp_sk(sk);
  const net = sk.net;
  const k = net.kernel;
  if (isn === 0) isn = k.tcp_tw_isn;
  k.tcp_tw_isn = 0;
  // RFC 1122 section 4.2.3.10: a connection is between two hosts.
  const in_rt = skb.dst as Rtable | null;
  if (in_rt !== null && (in_rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) return refused(sk);

  const syncookies = net.ipv4.sysctl_tcp_syncookies;
  let want_cookie = false;
  if (isn === 0 && (syncookies === 2 || inet_csk_reqsk_queue_is_full(sk))) {
    want_cookie = tcp_syn_flood_action(tp);
    if (!want_cookie) return refused(sk);
  }
  if (sk_acceptq_is_full(sk)) {
    net.mib.linux[LINUX_MIB_LISTENOVERFLOWS]!++;
    return refused(sk);
  }
  const req = inet_reqsk_alloc(tp, !want_cookie);
  req.syncookie = want_cookie;

  const opt = k.tcp_tmp_opt;
  tcp_clear_options(opt);
  opt.mss_clamp = TCP_MSS_DEFAULT;
  opt.user_mss = tp.rx_opt.user_mss;
  const foc = k.tcp_foc;
  foc.len = -1;
  tcp_parse_options(net, skb, skb.transport_header, opt, false, want_cookie ? null : foc);
  // Without timestamps a cookie has no room for options.
  if (want_cookie && !opt.saw_tstamp) tcp_clear_options(opt);
  opt.tstamp_ok = opt.saw_tstamp;
  tcp_openreq_init(req, opt, skb, sk);

  const inet = inet_sk(sk);
  const dst = inet_csk_route_req(sk, inet.fl4, req);
  if (dst === null) {
    reqsk_free(req);
    return refused(sk);
  }
  if (opt.tstamp_ok) req.ts_off = secure_tcp_ts_off(net, req.ir_loc_addr, req.ir_rmt_addr, req.ir_num, req.ir_rmt_port);
  if (!want_cookie && isn === 0) {
    // Without cookies the last quarter of the queue is for those who are known to be there.
    const backlog = net.ipv4.sysctl_max_syn_backlog;
    if (syncookies === 0 && backlog - inet_csk_reqsk_queue_len(sk) < backlog >> 2 && !tcp_peer_is_proven(req, dst)) {
      dst_release(dst);
      reqsk_free(req);
      return refused(sk);
    }
    isn = secure_tcp_seq(net, req.ir_loc_addr, req.ir_rmt_addr, req.ir_num, req.ir_rmt_port);
  }
  tcp_ecn_create_request(req, skb, sk, dst);
  if (want_cookie) {
    isn = cookie_v4_init_sequence(sk, skb, req);
    if (!opt.tstamp_ok) req.ecn_ok = false;
    else {
      req.cookie_ts = true;
      req.cookie_tsval = (cookie_init_timestamp(req, Math.floor(k.now / 1e6) | 0) + req.ts_off) | 0;
    }
  }
  req.snt_isn = isn;
  req.txhash = net_tx_rndhash(isn);
  tcp_openreq_init_rwin(req, sk, dst);

  if (!want_cookie) {
    tcp_reqsk_record_syn(sk, req, skb);
    const child = tcp_try_fastopen(sk, skb, req, foc, dst);
    if (child !== null) return fastopen_child(sk, child, req, dst, foc, skb);
    req.tfo_listener = false;
    req.timeout = TCP_TIMEOUT_INIT;
    inet_csk_reqsk_queue_hash_add(sk, req, req.timeout);
    req.snt_synack = tcp_clock_us(net);
    tcp_v4_send_synack(sk, dst, req, foc, TCP_SYNACK_NORMAL, skb);
    reqsk_put(req);
    return 0;
  }
  req.tfo_listener = false;
  tcp_v4_send_synack(sk, dst, req, foc, TCP_SYNACK_COOKIE, skb);
  reqsk_free(req);
  return 0;
}

function refused(sk: Sock): number {
  tcp_listendrop(sk);
  return 0;
}

/** RFC 7413: the child exists before the handshake is over; it goes to accept() at once. */
function fastopen_child(
  sk: Sock,
  child: TcpSock,
  req: RequestSock,
  dst: DstEntry,
  foc: FastopenCookie,
  skb: SkBuff,
): number {
  tcp_v4_send_synack(child, dst, req, foc, TCP_SYNACK_FASTOPEN, skb);
  if (inet_csk_reqsk_queue_add(sk, req, child) === null) {
    sock_put(child);
    reqsk_free(req);
    return refused(sk);
  }
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_data_ready(sk);
  sock_put(child);
  // One reference stays: accept(2) and reqsk_fastopen_remove() agree on who is the second and gives it back.
  reqsk_put(req);
  return 0;
}

/** A hash for the flow's packets; never 0. */
const net_tx_rndhash = (seed: number): number => Math.imul(seed, 0x9e3779b1) | 1;
