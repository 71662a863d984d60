// TCP Fast Open: data in the SYN, for those who can show the cookie that the server once gave them.
// Mirrors net/ipv4/tcp_fastopen.c and the SYN-with-data part of tcp_output.c. Read first: RFC 7413.
// Way in: tcp_try_fastopen() on the server; tcp_fastopen_defer_connect() and tcp_send_syn_data() on the client.

import { jiffies } from "../../kernel/kernel.ts";
import { SiphashKey, siphash_2u32 } from "../../lib/siphash.ts";
import { TCPH_DOFF, TCPH_WINDOW } from "../../uapi/ip.ts";
import { RTAX_FASTOPEN_NO_COOKIE } from "../../uapi/rtnetlink.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { memcpy_from_msg } from "../core/datagram.ts";
import { type DstEntry, dst_release } from "../core/dst.ts";
import type { Net } from "../core/net_namespace.ts";
import { __skb_pull, __skb_queue_tail, CHECKSUM_PARTIAL, type SkBuff, skb_clone, skb_put } from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPFASTOPENACTIVE,
  LINUX_MIB_TCPFASTOPENACTIVEFAIL,
  LINUX_MIB_TCPFASTOPENBLACKHOLE,
  LINUX_MIB_TCPFASTOPENCOOKIEREQD,
  LINUX_MIB_TCPFASTOPENLISTENOVERFLOW,
  LINUX_MIB_TCPFASTOPENPASSIVE,
  LINUX_MIB_TCPFASTOPENPASSIVEALTKEY,
  LINUX_MIB_TCPFASTOPENPASSIVEFAIL,
  LINUX_MIB_TCPORIGDATASENT,
} from "../core/snmp.ts";
import { type Sock, skb_set_owner_r } from "../core/sock.ts";
import { inet_csk_reset_xmit_timer } from "./inet_connection_sock.ts";
import { type RequestSock, type RequestSockQueue, reqsk_fastopen_remove, reqsk_put } from "./request_sock.ts";
import { tcp_stream_alloc_skb } from "./tcp.ts";
import { tcp_retrans_stamp_cleanup, tcp_try_undo_recovery } from "./tcp_cwnd.ts";
import { tcp_fin, tcp_init_transfer } from "./tcp_input.ts";
import { tcp_v4_syn_recv_sock } from "./tcp_ipv4.ts";
import { tcp_fastopen_cache_get, tcp_fastopen_cache_set } from "./tcp_metrics.ts";
import { tcp_mtu_to_mss, tcp_sync_mss } from "./tcp_mss.ts";
import { TCP_CHRONO_BUSY, tcp_chrono_start, tcp_transmit_skb } from "./tcp_output.ts";
import { FastopenCookie, tcp_parse_options } from "./tcp_parse.ts";
import { tcp_mark_skb_lost } from "./tcp_recovery.ts";
import { tcp_non_congestion_loss_retransmit, tcp_rearm_rto } from "./tcp_retrans.ts";
import {
  ICSK_TIME_RETRANS,
  MAX_TCP_OPTION_SPACE,
  TCP_CA_Loss,
  TCP_TIMEOUT_INIT,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  TCPHDR_SYN,
  TcpOptionsReceived,
  type TcpSock,
  tcp_sk,
} from "./tcp_sock.ts";
import { tcp_update_rto_time } from "./tcp_timer.ts";

export { reqsk_fastopen_remove };

// Bits of net.ipv4.tcp_fastopen.
export const TFO_CLIENT_ENABLE = 1;
export const TFO_SERVER_ENABLE = 2;
/** Data in the SYN without a cookie. */
export const TFO_CLIENT_NO_COOKIE = 4;
export const TFO_SERVER_COOKIE_NOT_REQD = 0x200;
/** All listeners, without TCP_FASTOPEN. */
export const TFO_SERVER_WO_SOCKOPT1 = 0x400;

// tcpi_fastopen_client_fail
export const TFO_STATUS_UNSPEC = 0;
export const TFO_COOKIE_UNAVAILABLE = 1;
export const TFO_DATA_NOT_ACKED = 2;
export const TFO_SYN_RETRANSMITTED = 3;

export const TCP_FASTOPEN_KEY_LENGTH = 16;
/** What our cookies have; peers may use 4 to 16 bytes. */
const TCP_FASTOPEN_COOKIE_SIZE = 8;
/** __ETHERLINK: the loopback flag of a device. */
const IFF_LOOPBACK = 0x8;

/** What a connect() with data wants to send in its SYN (struct tcp_fastopen_request). */
export class TcpFastopenRequest {
  /** len 0: ask for one. */
  readonly cookie: FastopenCookie = new FastopenCookie();
  data: MsgHdr | null;
  size: number;
  /** Bytes that the SYN took. */
  copied = 0;
  constructor(data: MsgHdr | null, size: number) {
    this.data = data;
    this.size = size;
    this.cookie.len = 0;
  }
}

// --- keys ---------------------------------------------------------------------------------------------------------------

/** A namespace gets its key when the first cookie is needed. */
export function tcp_fastopen_init_key_once(net: Net): void {
  if (net.ipv4.tcp_fastopen_key !== null) return;
  const key = new Uint8Array(TCP_FASTOPEN_KEY_LENGTH);
  net.kernel.host.random_bytes(key);
  net.ipv4.tcp_fastopen_key = key;
}

const join = (primary: Uint8Array, backup: Uint8Array | null): Uint8Array => {
  const key = new Uint8Array(backup === null ? TCP_FASTOPEN_KEY_LENGTH : 2 * TCP_FASTOPEN_KEY_LENGTH);
  key.set(primary);
  if (backup !== null) key.set(backup, TCP_FASTOPEN_KEY_LENGTH);
  return key;
};

export function tcp_fastopen_reset_cipher(net: Net, primary: Uint8Array, backup: Uint8Array | null): void {
  net.ipv4.tcp_fastopen_key = join(primary, backup);
}

/** TCP_FASTOPEN_KEY on a listener: cookies of its own. */
export function tcp_fastopen_reset_cipher_sk(sk: Sock, primary: Uint8Array, backup: Uint8Array | null): void {
  const queue = tcp_sk(sk).icsk_accept_queue;
  if (queue !== null) queue.fastopenq.ctx = join(primary, backup);
}

/** 16 or 32 bytes (with a backup key), or none yet: what TCP_FASTOPEN_KEY shows. */
export function tcp_fastopen_get_cipher(net: Net, sk: Sock | null): Uint8Array | null {
  const queue = sk !== null ? tcp_sk(sk).icsk_accept_queue : null;
  const own = queue !== null ? (queue.fastopenq.ctx as Uint8Array | null) : null;
  return own ?? net.ipv4.tcp_fastopen_key;
}

// --- the server ---------------------------------------------------------------------------------------------------------

const bswap = (v: number): number => (v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);

/** The cookie of a pair of addresses: SipHash over both, as they stand in the IP header. */
function cookie_gen_cipher(req: RequestSock, key: Uint8Array, foc: FastopenCookie): void {
  const sip = new SiphashKey(key);
  const lo = siphash_2u32(bswap(req.ir_rmt_addr), bswap(req.ir_loc_addr), sip);
  const dv = new DataView(foc.val.buffer, foc.val.byteOffset, TCP_FASTOPEN_COOKIE_SIZE);
  dv.setInt32(0, lo, true);
  dv.setInt32(4, sip.hi, true);
  foc.len = TCP_FASTOPEN_COOKIE_SIZE;
}

/** 1: made with the key in use; 2: with the one before, `valid` is what it should be now; 0: neither. */
function cookie_gen_check(req: RequestSock, keys: Uint8Array, orig: FastopenCookie, valid: FastopenCookie): number {
  const mine = new FastopenCookie();
  for (let i = 0; i * TCP_FASTOPEN_KEY_LENGTH < keys.length; i++) {
    const at = i * TCP_FASTOPEN_KEY_LENGTH;
    cookie_gen_cipher(req, keys.subarray(at, at + TCP_FASTOPEN_KEY_LENGTH), mine);
    if (i === 0) {
      valid.len = mine.len;
      valid.val.set(mine.val);
    }
    if (mine.len !== orig.len) continue;
    let diff = 0;
    for (let b = 0; b < mine.len; b++) diff |= mine.val[b]! ^ orig.val[b]!;
    if (diff === 0) return i + 1;
  }
  return 0;
}

/** Is there room for one more connection whose peer may be forged? (RFC 7413 section 5.1, PendingFastOpenRequests) */
function tcp_fastopen_queue_check(sk: Sock, queue: RequestSockQueue): boolean {
  const q = queue.fastopenq;
  if (q.max_qlen === 0) return false;
  if (q.qlen < q.max_qlen) return true;
  // One that was reset has done its time.
  const req = q.rskq_rst_head;
  if (req === null || req.timeout > jiffies(sk.net.kernel)) {
    sk.net.mib.linux[LINUX_MIB_TCPFASTOPENLISTENOVERFLOW]!++;
    return false;
  }
  q.rskq_rst_head = req.dl_next;
  if (q.rskq_rst_head === null) q.rskq_rst_tail = null;
  q.qlen--;
  reqsk_put(req);
  return true;
}

function tcp_fastopen_no_cookie(tp: TcpSock, dst: DstEntry | null, flag: number): boolean {
  return (
    (tp.net.ipv4.sysctl_tcp_fastopen & flag) !== 0 ||
    tp.fastopen_no_cookie ||
    (dst !== null && dst.metrics[RTAX_FASTOPEN_NO_COOKIE]! !== 0)
  );
}

/** The payload of the SYN is the first in the child's receive queue. */
export function tcp_fastopen_add_skb(sk: Sock, syn: SkBuff): void {
  const tp = tcp_sk(sk);
  if (syn.tcp_end_seq === tp.rcv_nxt) return;
  const skb = skb_clone(syn);
  if (skb.dst !== null) {
    dst_release(skb.dst);
    skb.dst = null;
  }
  skb.dev = null;
  skb.tcp_seq = (syn.tcp_seq + 1) | 0;
  skb.tcp_end_seq = syn.tcp_end_seq;
  skb.tcp_flags = syn.tcp_flags & ~TCPHDR_SYN;
  skb.tcp_ack_seq = syn.tcp_ack_seq;
  skb.tcp_gso_segs = syn.tcp_gso_segs;
  skb.tcp_gso_size = syn.tcp_gso_size;
  skb.has_rxtstamp = syn.has_rxtstamp;
  __skb_pull(skb, (skb.head.dv.getUint8(skb.data + TCPH_DOFF) >> 4) << 2);
  tp.segs_in = 1;
  tp.data_segs_in = 1;
  skb_set_owner_r(skb, sk);
  tp.rcv_nxt = skb.tcp_end_seq;
  tp.bytes_received = (skb.tcp_end_seq - skb.tcp_seq) | 0;
  __skb_queue_tail(sk.sk_receive_queue, skb);
  tp.syn_data_acked = true;
  if ((skb.tcp_flags & TCPHDR_FIN) !== 0) tcp_fin(sk);
}

/** The connection is made before its ACK has come. Its SYN-ACK is sent, and it is queued for accept(), by the caller. */
function tcp_fastopen_create_child(sk: Sock, skb: SkBuff, req: RequestSock, queue: RequestSockQueue): TcpSock | null {
  const child = tcp_v4_syn_recv_sock(sk, skb, req, null, null);
  if (child === null) return null;
  queue.fastopenq.qlen++;
  child.fastopen_rsk = req;
  req.tfo_listener = true;
  // RFC 7323 section 2.2: the window of a SYN is never scaled.
  child.snd_wnd = skb.head.dv.getUint16(skb.data + TCPH_WINDOW);
  child.max_window = child.snd_wnd;
  // It resends the SYN-ACK itself: the request is in the accept queue, not in the hash.
  req.timeout = TCP_TIMEOUT_INIT;
  inet_csk_reset_xmit_timer(child, ICSK_TIME_RETRANS, req.timeout, child.icsk_rto_max);
  // The child's reference; the caller's goes on to the accept queue.
  req.rsk_refcnt++;
  tcp_init_transfer(child, 0, skb);
  child.rcv_nxt = (skb.tcp_seq + 1) | 0;
  tcp_fastopen_add_skb(child, skb);
  req.rcv_nxt = child.rcv_nxt;
  child.rcv_wup = child.rcv_nxt;
  return child;
}

/**
 * A SYN to a listener: with a valid cookie the connection is there at once. `foc` is what the SYN had and becomes what the
 * SYN-ACK is to carry (len -1: nothing).
 */
export function tcp_try_fastopen(
  sk: Sock,
  skb: SkBuff,
  req: RequestSock,
  foc: FastopenCookie,
  dst: DstEntry | null,
): TcpSock | null {
  const tp = tcp_sk(sk);
  const net = sk.net;
  const mib = net.mib.linux;
  const queue = tp.icsk_accept_queue;
  const syn_data = skb.tcp_end_seq !== ((skb.tcp_seq + 1) | 0);
  if (foc.len === 0) mib[LINUX_MIB_TCPFASTOPENCOOKIEREQD]!++;
  if (
    (net.ipv4.sysctl_tcp_fastopen & TFO_SERVER_ENABLE) === 0 ||
    (!syn_data && foc.len < 0) ||
    queue === null ||
    !tcp_fastopen_queue_check(sk, queue)
  ) {
    foc.len = -1;
    return null;
  }
  const valid = new FastopenCookie();
  let how = 1;
  if (!tcp_fastopen_no_cookie(tp, dst, TFO_SERVER_COOKIE_NOT_REQD)) {
    how = 0;
    if (foc.len >= 0) {
      tcp_fastopen_init_key_once(net);
      const keys = tcp_fastopen_get_cipher(net, sk)!;
      if (foc.len === 0) cookie_gen_cipher(req, keys.subarray(0, TCP_FASTOPEN_KEY_LENGTH), valid);
      else {
        how = cookie_gen_check(req, keys, foc, valid);
        if (how === 0) mib[LINUX_MIB_TCPFASTOPENPASSIVEFAIL]!++;
      }
    }
  }
  if (how !== 0) {
    const child = tcp_fastopen_create_child(sk, skb, req, queue);
    if (child !== null) {
      if (how === 2) {
        foc.len = valid.len;
        foc.val.set(valid.val);
        mib[LINUX_MIB_TCPFASTOPENPASSIVEALTKEY]!++;
      } else {
        foc.len = -1;
      }
      mib[LINUX_MIB_TCPFASTOPENPASSIVE]!++;
      return child;
    }
    mib[LINUX_MIB_TCPFASTOPENPASSIVEFAIL]!++;
  }
  // The cookie for next time.
  foc.len = valid.len;
  foc.val.set(valid.val);
  return null;
}

// --- the client ---------------------------------------------------------------------------------------------------------

/** Fills `cookie` with what is to go into the SYN; true when data may go with it. */
function cookie_check(tp: TcpSock, cookie: FastopenCookie): boolean {
  tcp_fastopen_cache_get(tp, cookie);
  // Middleboxes that swallowed such SYNs: not for a while.
  if (tcp_fastopen_active_should_disable(tp)) {
    cookie.len = -1;
    return false;
  }
  if (tcp_fastopen_no_cookie(tp, tp.sk_dst_cache, TFO_CLIENT_NO_COOKIE)) {
    cookie.len = -1;
    return true;
  }
  if (cookie.len > 0) return true;
  tp.fastopen_client_fail = TFO_COOKIE_UNAVAILABLE;
  return false;
}

/** The same for the request that the socket has. */
export function tcp_fastopen_cookie_check(sk: Sock): boolean {
  const tp = tcp_sk(sk);
  return tp.fastopen_req !== null && cookie_check(tp, tp.fastopen_req.cookie);
}

/**
 * connect() after TCP_FASTOPEN_CONNECT: true when nothing is to be sent before the first write. Without a cookie the
 * handshake is as always, and asks for one.
 */
export function tcp_fastopen_defer_connect(sk: Sock): boolean {
  const tp = tcp_sk(sk);
  if (!tp.fastopen_connect || tp.fastopen_req !== null) return false;
  const req = new TcpFastopenRequest(null, 0);
  if (cookie_check(tp, req.cookie)) {
    tp.defer_connect = true;
    return true;
  }
  tp.fastopen_req = req;
  return false;
}

/** The SYN with data, when `syn` (queued already) may carry some; else the SYN alone, which may ask for a cookie. */
export function tcp_send_syn_data(sk: Sock, syn: SkBuff): number {
  const tp = tcp_sk(sk);
  const fo = tp.fastopen_req!;
  tp.rx_opt.mss_clamp = tp.advmss;
  if (cookie_check(tp, fo.cookie)) {
    // What the peer announced last time is what it will take; room is left for options that middleboxes add.
    const cached = tcp_fastopen_cache_get(sk, new FastopenCookie());
    const user = tp.rx_opt.user_mss;
    if (cached !== 0) tp.rx_opt.mss_clamp = user !== 0 && user < cached ? user : cached;
    tcp_sync_mss(sk, tp.icsk_pmtu_cookie);
    const room = tcp_mtu_to_mss(sk, tp.icsk_pmtu_cookie) + (tp.tcp_header_len - 20) - MAX_TCP_OPTION_SPACE;
    const space = Math.max(0, Math.min(room, fo.size));
    const skb = tcp_stream_alloc_skb(sk, space);
    if (skb !== null) return send_syn_with(tp, fo, syn, skb, space);
  }
  return tcp_send_plain_syn(tp, fo, syn);
}

function tcp_send_plain_syn(tp: TcpSock, fo: TcpFastopenRequest, syn: SkBuff): number {
  if (fo.cookie.len > 0) fo.cookie.len = 0;
  const err = tcp_transmit_skb(tp, syn, true);
  if (err !== 0) tp.syn_fastopen = false;
  // SYNs that are sent again go without the option: it may be why the first one was lost.
  fo.cookie.len = -1;
  return err;
}

function send_syn_with(tp: TcpSock, fo: TcpFastopenRequest, syn: SkBuff, skb: SkBuff, space: number): number {
  if (space > 0) {
    const at = skb.tail;
    skb_put(skb, space);
    memcpy_from_msg(skb.head.u8, at, fo.data!, 0, space);
    if (space === fo.size) fo.data = null;
  }
  fo.copied = space;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.tcp_flags = syn.tcp_flags;
  skb.tcp_gso_segs = 1;
  skb.tcp_gso_size = 0;
  skb.sacked = 0;
  skb.tcp_seq = syn.tcp_seq;
  skb.tcp_end_seq = (syn.tcp_end_seq + space) | 0;
  tp.write_seq = skb.tcp_end_seq;
  tp.sk_wmem_queued += skb.truesize;
  tp.packets_out += skb.tcp_gso_segs;
  if (space > 0) tcp_chrono_start(tp, TCP_CHRONO_BUSY);
  const err = tcp_transmit_skb(tp, skb, true);
  syn.skb_mstamp = skb.skb_mstamp;
  // Sent as one segment, kept as two: should it be lost, the SYN goes again alone.
  skb.tcp_seq = (skb.tcp_seq + 1) | 0;
  skb.tcp_flags = TCPHDR_ACK | TCPHDR_PSH;
  if (err === 0) {
    tp.syn_data = space > 0;
    __skb_queue_tail(tp.tcp_rtx_queue, skb);
    tp.net.mib.linux[LINUX_MIB_TCPORIGDATASENT]!++;
    fo.cookie.len = -1;
    return 0;
  }
  // Not sent: it waits for the handshake like other data.
  __skb_queue_tail(tp.sk_write_queue, skb);
  tp.packets_out -= skb.tcp_gso_segs;
  return tcp_send_plain_syn(tp, fo, syn);
}

/**
 * The SYN-ACK has come: `foc` is its cookie. True when data of the SYN was not acknowledged and has been sent again; else
 * data that came with the SYN-ACK is in the receive queue.
 */
export function tcp_rcv_fastopen_synack(sk: Sock, synack: SkBuff, foc: FastopenCookie): boolean {
  const tp = tcp_sk(sk);
  const data = tp.syn_data ? tp.tcp_rtx_queue.next : null;
  let mss = tp.rx_opt.mss_clamp;
  let try_exp = 0;
  let syn_drop = false;
  // TCP_MAXSEG made it smaller than what the peer said: that is what is to be remembered.
  if (mss === tp.rx_opt.user_mss) {
    const opt = new TcpOptionsReceived();
    tcp_parse_options(sk.net, synack, synack.transport_header, opt, false, null);
    mss = opt.mss_clamp;
  }
  if (!tp.syn_fastopen) {
    // A cookie that nobody asked for.
    foc.len = -1;
  } else if (tp.total_retrans !== 0) {
    // A plain SYN made it, the one with data or its answer was lost.
    syn_drop = foc.len < 0 && data !== null;
  } else if (foc.len < 0 && !tp.syn_data) {
    // Asked for a cookie and got none: next time with the other form of the option.
    try_exp = tp.syn_fastopen_exp ? 2 : 1;
  }
  tcp_fastopen_cache_set(sk, mss, foc, syn_drop, try_exp);
  if (data !== null) {
    tp.fastopen_client_fail = tp.total_retrans !== 0 ? TFO_SYN_RETRANSMITTED : TFO_DATA_NOT_ACKED;
    for (let skb: SkBuff | null = data; skb !== null; skb = skb.next) tcp_mark_skb_lost(tp, skb);
    tcp_non_congestion_loss_retransmit(sk);
    sk.net.mib.linux[LINUX_MIB_TCPFASTOPENACTIVEFAIL]!++;
    return true;
  }
  tp.syn_data_acked = tp.syn_data;
  if (tp.syn_data_acked) {
    sk.net.mib.linux[LINUX_MIB_TCPFASTOPENACTIVE]!++;
    // SYN and data were one packet, and were counted as two.
    if (tp.delivered > 1) tp.delivered--;
  }
  tcp_fastopen_add_skb(sk, synack);
  return false;
}

/** The ACK of the SYN-ACK has come to a child of Fast Open: its request has done its work. */
export function tcp_rcv_synrecv_state_fastopen(sk: Sock): void {
  const tp = tcp_sk(sk);
  // The timeout was of the SYN-ACK: perhaps there was no need for it.
  if (tp.icsk_ca_state === TCP_CA_Loss && tp.packets_out === 0) tcp_try_undo_recovery(tp);
  tcp_update_rto_time(tp);
  tp.icsk_retransmits = 0;
  // The first timeout of a SYN-ACK set it, without a recovery that would end it.
  tcp_retrans_stamp_cleanup(tp);
  reqsk_fastopen_remove(tp, tp.fastopen_rsk!, false);
  // The timer was the SYN-ACK's; data may be on its way.
  tcp_rearm_rto(sk);
}

// --- black holes --------------------------------------------------------------------------------------------------------

/** tcp_fastopen_blackhole_timeout_sec was written: all begins anew. */
export function tfo_active_disable_reset(net: Net): void {
  net.ipv4.tfo_active_disable_times = 0;
}

/** Something between here and the peer does not like Fast Open: the namespace does without it, longer each time. */
export function tcp_fastopen_active_disable(sk: Sock): void {
  const net = sk.net;
  if (net.ipv4.sysctl_tcp_fastopen_blackhole_timeout === 0) return;
  net.ipv4.tfo_active_disable_stamp = jiffies(net.kernel);
  net.ipv4.tfo_active_disable_times++;
  net.mib.linux[LINUX_MIB_TCPFASTOPENBLACKHOLE]!++;
}

export function tcp_fastopen_active_should_disable(sk: Sock): boolean {
  const v4 = sk.net.ipv4;
  const timeout = v4.sysctl_tcp_fastopen_blackhole_timeout;
  const times = v4.tfo_active_disable_times;
  if (timeout === 0 || times === 0) return false;
  // Doubled each time, up to 64 times the configured one.
  const until = v4.tfo_active_disable_stamp + 2 ** Math.min(times - 1, 6) * timeout * 1000;
  if (jiffies(sk.net.kernel) < until) return true;
  // It may be tried again; success ends the count.
  tcp_sk(sk).syn_fastopen_ch = true;
  return false;
}

/** The connection ends: a lone FIN out of order is what a firewall that dropped the data leaves. */
export function tcp_fastopen_active_disable_ofo_check(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (!tp.syn_fastopen) return;
  if (tp.data_segs_in === 0) {
    const skb = tp.out_of_order_queue.next;
    if (skb !== null && skb.next === null && (skb.tcp_flags & TCPHDR_FIN) !== 0) tcp_fastopen_active_disable(sk);
  } else if (tp.syn_fastopen_ch && sk.net.ipv4.tfo_active_disable_times !== 0) {
    const dst = sk.sk_dst_cache;
    if (dst === null || (dst.dev.flags & IFF_LOOPBACK) === 0) sk.net.ipv4.tfo_active_disable_times = 0;
  }
}

/** The third timeout in a row, or the last one allowed, of a connection that used Fast Open. */
export function tcp_fastopen_active_detect_blackhole(sk: Sock, expired: boolean): void {
  const tp = tcp_sk(sk);
  if (!tp.syn_fastopen && !tp.syn_data && !tp.syn_data_acked) return;
  const timeouts = tp.icsk_retransmits;
  if (timeouts !== 2 && !(timeouts < 2 && expired)) return;
  tcp_fastopen_active_disable(sk);
  sk.net.mib.linux[LINUX_MIB_TCPFASTOPENACTIVEFAIL]!++;
}
