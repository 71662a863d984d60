// SYN cookies: a listener that is flooded keeps no request but puts what it must know into the sequence number and the
// timestamp of its SYN-ACK. Mirrors net/ipv4/syncookies.c. Read first: RFC 4987 section 3.6.
// Way in: cookie_v4_init_sequence() for a SYN, cookie_v4_check() for an ACK that no request claims.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { type SiphashKey, siphash_4u32 } from "../../lib/siphash.ts";
import { IPH_DADDR, IPH_SADDR, TCPH_ACK, TCPH_DEST, TCPH_FLAGS, TCPH_SEQ, TCPH_SOURCE } from "../../uapi/ip.ts";
import { RT_SCOPE_UNIVERSE, RTAX_FEATURES, RTAX_INITRWND, RTAX_WINDOW } from "../../uapi/rtnetlink.ts";
import { IPPROTO_TCP } from "../../uapi/socket.ts";
import { SKB_DROP_REASON_IP_OUTNOROUTES, SKB_DROP_REASON_NOT_SPECIFIED } from "../core/dropreason.ts";
import type { DstEntry } from "../core/dst.ts";
import { random_siphash_key, secure_tcp_ts_off } from "../core/secure_seq.ts";
import { kfree_skb_reason, type SkBuff } from "../core/skbuff.ts";
import { LINUX_MIB_SYNCOOKIESFAILED, LINUX_MIB_SYNCOOKIESRECV, LINUX_MIB_SYNCOOKIESSENT } from "../core/snmp.ts";
import { SOCK_RCVBUF_LOCK, type Sock, sock_put } from "../core/sock.ts";
import { inet_csk_reqsk_queue_add } from "./inet_connection_sock.ts";
import { inet_sk } from "./inet_sock.ts";
import { FLOWI_FLAG_ANYSRC } from "./ip_fib.ts";
import { __ip_options_echo } from "./ip_options.ts";
import { inet_reqsk_alloc, type RequestSock, reqsk_free } from "./request_sock.ts";
import { flowi4_init_output, ip_route_output_flow } from "./route.ts";
import { inet_request_bound_dev_if } from "./tcp_conn_request.ts";
import { tcp_v4_syn_recv_sock } from "./tcp_ipv4.ts";
import { dst_metric_advmss, tcp_select_initial_window } from "./tcp_mss.ts";
import { tcp_parse_options } from "./tcp_parse.ts";
import {
  TCP_MSS_DEFAULT,
  TCPHDR_ACK,
  TCPHDR_RST,
  TcpOptionsReceived,
  type TcpSock,
  tcp_full_space,
  tcp_sk,
} from "./tcp_sock.ts";

/** The count of minutes has 8 bits of the cookie, the hashed MSS index 24. */
const COOKIE_BITS = 24;
const COOKIE_MASK = (1 << COOKIE_BITS) - 1;
/** A cookie counts for this many periods of a minute. */
const MAX_SYNCOOKIE_AGE = 2;
const TCP_SYNCOOKIE_PERIOD = 60 * 1000;
const TCP_SYNCOOKIE_VALID = MAX_SYNCOOKIE_AGE * TCP_SYNCOOKIE_PERIOD;

/** The low bits of the timestamp: window scale (15: none), SACK, ECN. */
const TSBITS = 6;
const TSMASK = (1 << TSBITS) - 1;
const TS_OPT_WSCALE_MASK = 0xf;
const TS_OPT_SACK = 1 << 4;
const TS_OPT_ECN = 1 << 5;

/** The sizes that cover nearly all that peers announce; the greatest that is not above the peer's is taken. */
const msstab: readonly number[] = [536, 1300, 1440, 1460];

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    syncookie_secret: SiphashKey[];
    /** Scratch: the options of the segment in hand. */
    tcp_tmp_opt: TcpOptionsReceived;
  }
}

export function syncookies_init(k: Kernel): void {
  k.syncookie_secret = [random_siphash_key(k), random_siphash_key(k)];
  k.tcp_tmp_opt = new TcpOptionsReceived();
}

const cookie_hash = (k: Kernel, saddr: number, daddr: number, ports: number, count: number, which: number): number =>
  siphash_4u32(saddr, daddr, ports, count, k.syncookie_secret[which]!);

const tcp_cookie_time = (k: Kernel): number => Math.floor(jiffies(k) / TCP_SYNCOOKIE_PERIOD);

/** RFC 4987: both hashes, the peer's sequence number, the minute on top, and the data under the second hash. */
function secure_tcp_syn_cookie(
  k: Kernel,
  saddr: number,
  daddr: number,
  ports: number,
  sseq: number,
  data: number,
): number {
  const count = tcp_cookie_time(k);
  const hidden = (cookie_hash(k, saddr, daddr, ports, count, 1) + data) & COOKIE_MASK;
  return (cookie_hash(k, saddr, daddr, ports, 0, 0) + sseq + (count << COOKIE_BITS) + hidden) | 0;
}

/** The data in a cookie; -1 when it is too old. A forged one gives any number. */
function check_tcp_syn_cookie(
  k: Kernel,
  cookie: number,
  saddr: number,
  daddr: number,
  ports: number,
  sseq: number,
): number {
  const count = tcp_cookie_time(k);
  cookie = (cookie - cookie_hash(k, saddr, daddr, ports, 0, 0) - sseq) | 0;
  const age = (count - (cookie >>> COOKIE_BITS)) & 0xff;
  if (age >= MAX_SYNCOOKIE_AGE) return -1;
  return (cookie - cookie_hash(k, saddr, daddr, ports, count - age, 1)) & COOKIE_MASK;
}

// --- the answer to a SYN ------------------------------------------------------------------------------------------

/** The listener was flooded just now: ACKs may carry cookies (tcp_synq_overflow). */
function tcp_synq_overflow(sk: Sock): void {
  tcp_sk(sk).rx_opt.ts_recent_stamp = jiffies(sk.net.kernel) + 1;
}

/** No cookie was sent within their validity: then an ACK cannot hold one. */
function tcp_synq_no_recent_overflow(sk: Sock): boolean {
  const last = tcp_sk(sk).rx_opt.ts_recent_stamp;
  return last === 0 || jiffies(sk.net.kernel) + 1 - last > TCP_SYNCOOKIE_VALID;
}

/** The sequence number of the SYN-ACK; req.mss becomes the one that the cookie can tell. */
export function cookie_v4_init_sequence(sk: Sock, skb: SkBuff, req: RequestSock): number {
  tcp_synq_overflow(sk);
  sk.net.mib.linux[LINUX_MIB_SYNCOOKIESSENT]!++;
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const th = skb.transport_header;
  let i = msstab.length - 1;
  while (i > 0 && req.mss < msstab[i]!) i--;
  req.mss = msstab[i]!;
  return secure_tcp_syn_cookie(
    skb.kernel,
    dv.getInt32(iph + IPH_SADDR),
    dv.getInt32(iph + IPH_DADDR),
    dv.getInt32(th + TCPH_SOURCE),
    dv.getInt32(th + TCPH_SEQ),
    i,
  );
}

/** The timestamp (without its offset) of a SYN-ACK with a cookie: never ahead of the clock `now`, options in its low bits. */
export function cookie_init_timestamp(req: RequestSock, now: number): number {
  const options =
    (req.wscale_ok ? req.snd_wscale & TS_OPT_WSCALE_MASK : TS_OPT_WSCALE_MASK) |
    (req.sack_ok ? TS_OPT_SACK : 0) |
    (req.ecn_ok ? TS_OPT_ECN : 0);
  let ts = (now & ~TSMASK) | options;
  if (((now - ts) | 0) < 0) ts = (ts - (1 << TSBITS)) | 0;
  return ts;
}

// --- the ACK ------------------------------------------------------------------------------------------------------

/** The MSS that the acknowledged cookie holds, or 0 when it is none of ours. */
function __cookie_v4_check(skb: SkBuff): number {
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const th = skb.transport_header;
  const index = check_tcp_syn_cookie(
    skb.kernel,
    (dv.getInt32(th + TCPH_ACK) - 1) | 0,
    dv.getInt32(iph + IPH_SADDR),
    dv.getInt32(iph + IPH_DADDR),
    dv.getInt32(th + TCPH_SOURCE),
    (dv.getInt32(th + TCPH_SEQ) - 1) | 0,
  );
  return index >= 0 && index < msstab.length ? msstab[index]! : 0;
}

/** Options from the echoed timestamp. False when they ask for what is not (or no longer) switched on. */
function cookie_timestamp_decode(sk: Sock, opt: TcpOptionsReceived): boolean {
  const ipv4 = sk.net.ipv4;
  if (!opt.saw_tstamp) {
    tcp_clear_options(opt);
    return true;
  }
  if (ipv4.sysctl_tcp_timestamps === 0) return false;
  const options = opt.rcv_tsecr;
  opt.sack_ok = (options & TS_OPT_SACK) !== 0 ? 1 : 0;
  if (opt.sack_ok !== 0 && ipv4.sysctl_tcp_sack === 0) return false;
  if ((options & TS_OPT_WSCALE_MASK) === TS_OPT_WSCALE_MASK) return true;
  opt.wscale_ok = true;
  opt.snd_wscale = options & TS_OPT_WSCALE_MASK;
  return ipv4.sysctl_tcp_window_scaling !== 0;
}

export function tcp_clear_options(opt: TcpOptionsReceived): void {
  opt.tstamp_ok = false;
  opt.saw_tstamp = false;
  opt.sack_ok = 0;
  opt.wscale_ok = false;
  opt.snd_wscale = 0;
}

/** What the last ACK of the handshake proves; the request of it, or null (then `opt` is of no use). */
function cookie_tcp_check(sk: Sock, skb: SkBuff): RequestSock | null | undefined {
  const net = sk.net;
  const mib = net.mib.linux;
  const mss = tcp_synq_no_recent_overflow(sk) ? 0 : __cookie_v4_check(skb);
  if (mss === 0) {
    mib[LINUX_MIB_SYNCOOKIESFAILED]!++;
    return undefined;
  }
  mib[LINUX_MIB_SYNCOOKIESRECV]!++;
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const th = skb.transport_header;
  const opt = skb.kernel.tcp_tmp_opt;
  opt.user_mss = 0;
  tcp_clear_options(opt);
  tcp_parse_options(net, skb, th, opt, false, null);
  const saddr = dv.getInt32(iph + IPH_SADDR);
  const daddr = dv.getInt32(iph + IPH_DADDR);
  let tsoff = 0;
  if (opt.saw_tstamp && opt.rcv_tsecr !== 0) {
    tsoff = secure_tcp_ts_off(net, daddr, saddr, dv.getUint16(th + TCPH_DEST), dv.getUint16(th + TCPH_SOURCE));
    opt.rcv_tsecr = (opt.rcv_tsecr - tsoff) | 0;
  }
  if (!cookie_timestamp_decode(sk, opt)) return null;
  const req = inet_reqsk_alloc(tcp_sk(sk), false);
  req.ir_loc_addr = daddr;
  req.ir_rmt_addr = saddr;
  req.ir_num = dv.getUint16(th + TCPH_DEST);
  req.ir_rmt_port = dv.getUint16(th + TCPH_SOURCE);
  req.ir_mark = net.ipv4.sysctl_tcp_fwmark_accept !== 0 && sk.sk_mark === 0 ? skb.mark : sk.sk_mark;
  req.ir_iif = inet_request_bound_dev_if(sk, skb);
  req.rcv_isn = (dv.getInt32(th + TCPH_SEQ) - 1) | 0;
  req.snt_isn = (dv.getInt32(th + TCPH_ACK) - 1) | 0;
  req.rcv_nxt = (req.rcv_isn + 1) | 0;
  req.syncookie = true;
  req.mss = mss;
  req.ts_off = tsoff;
  req.ts_recent = opt.saw_tstamp ? opt.rcv_tsval : 0;
  req.tstamp_ok = opt.saw_tstamp;
  req.sack_ok = opt.sack_ok !== 0;
  req.wscale_ok = opt.wscale_ok;
  req.snd_wscale = opt.snd_wscale;
  req.ecn_ok = opt.saw_tstamp && (opt.rcv_tsecr & TS_OPT_ECN) !== 0;
  // When the SYN-ACK was sent nobody knows: no RTT sample.
  req.snt_synack = 0;
  req.tfo_listener = false;
  return req;
}

/**
 * An ACK reached the listener `sk` and no request claims it. Returns the new connection where it holds a cookie of ours, `sk`
 * where it holds none (the caller goes on with it), and null when the packet was dropped here.
 */
export function cookie_v4_check(sk: Sock, skb: SkBuff): Sock | null {
  const net = sk.net;
  const flags = skb.head.dv.getUint8(skb.transport_header + TCPH_FLAGS);
  if (net.ipv4.sysctl_tcp_syncookies === 0 || (flags & (TCPHDR_ACK | TCPHDR_RST)) !== TCPHDR_ACK) return sk;
  const req = cookie_tcp_check(sk, skb);
  if (req === undefined) return sk;
  if (req === null) return cookie_drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  const opt = skb.ipcb_opt;
  if (opt !== null && opt.optlen !== 0) {
    const echo = __ip_options_echo(net, skb, opt);
    req.ireq_opt = typeof echo === "number" || echo.optlen === 0 ? null : echo;
  }
  const inet = inet_sk(sk);
  const fl4 = inet.fl4;
  const srr = req.ireq_opt !== null && req.ireq_opt.srr !== 0;
  flowi4_init_output(
    fl4,
    req.ir_iif,
    req.ir_mark,
    inet.tos,
    RT_SCOPE_UNIVERSE,
    IPPROTO_TCP,
    inet.transparent ? FLOWI_FLAG_ANYSRC : 0,
    srr ? req.ireq_opt!.faddr : req.ir_rmt_addr,
    req.ir_loc_addr,
    req.ir_rmt_port,
    req.ir_num,
  );
  const rt = ip_route_output_flow(net, fl4, sk);
  if (typeof rt === "number") {
    reqsk_free(req);
    return cookie_drop(skb, SKB_DROP_REASON_IP_OUTNOROUTES);
  }
  cookie_init_window(tcp_sk(sk), req, rt);
  const child = tcp_get_cookie_sock(sk, skb, req, rt);
  if (child === null) return cookie_drop(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return child;
}

function cookie_drop(skb: SkBuff, reason: number): null {
  kfree_skb_reason(skb, reason);
  return null;
}

/** The same window and scale as the SYN-ACK had; the route may have changed in between, and then not. */
function cookie_init_window(tp: TcpSock, req: RequestSock, dst: DstEntry): void {
  const k = tp.net.kernel;
  let clamp = tp.window_clamp !== 0 ? tp.window_clamp : dst.metrics[RTAX_WINDOW]!;
  const space = tcp_full_space(tp);
  // SO_RCVBUF bounds the window that the SYN-ACK announced.
  if ((tp.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 && (clamp > space || clamp === 0)) clamp = space;
  const mss = dst_metric_advmss(dst) || TCP_MSS_DEFAULT;
  tcp_select_initial_window(tp, space, mss, clamp, req.wscale_ok, dst.metrics[RTAX_INITRWND]!);
  req.rsk_rcv_wnd = k.tcp_init_win.rcv_wnd;
  req.rsk_window_clamp = k.tcp_init_win.window_clamp;
  req.rcv_wscale = k.tcp_init_win.rcv_wscale;
  if (tp.net.ipv4.sysctl_tcp_ecn === 0 && (dst.metrics[RTAX_FEATURES]! & 1) === 0) req.ecn_ok = false;
}

/** The child of a request that a cookie proved, in the accept queue. Takes over the references on `req` and `dst`. */
export function tcp_get_cookie_sock(sk: Sock, skb: SkBuff, req: RequestSock, dst: DstEntry): TcpSock | null {
  const child = tcp_v4_syn_recv_sock(sk, skb, req, dst, null);
  if (child !== null) {
    child.sk_rxhash = skb.hash;
    if (inet_csk_reqsk_queue_add(sk, req, child) !== null) return child;
    sock_put(child);
  }
  reqsk_free(req);
  return null;
}
