// SO_TIMESTAMPING of TCP: a stamp belongs to the last byte of a write, and moves with it as packets are cut and joined.
// Mirrors the tx_tstamp parts of net/ipv4/tcp.c, tcp_output.c and tcp_input.c. Read first: timestamping.rst of Linux, 1.3.2 and 1.4.
// Way in: tcp_tx_timestamp() after a write; tcp_ack_tstamp() when its last byte is acknowledged.

import { IPH_TTL } from "../../uapi/ip.ts";
import { SCM_TSTAMP_ACK, SOF_TIMESTAMPING_TX_ACK, SOF_TIMESTAMPING_TX_RECORD_MASK } from "../../uapi/socket.ts";
import type { SkBuff } from "../core/skbuff.ts";
import type { Sock } from "../core/sock.ts";
import { __skb_tstamp_tx, SKBTX_ANY_TSTAMP, sock_tx_timestamp } from "../core/sock_tstamp.ts";
import { tcp_compute_delivery_rate, tcp_get_info } from "./tcp_info.ts";
import { before, type TcpSock, tcp_min_rtt, tcp_sk, tcp_write_queue_tail } from "./tcp_sock.ts";

/** Does a stamp wait for this packet? */
export const tcp_has_tx_tstamp = (skb: SkBuff): boolean => skb.txstamp_ack || (skb.tx_flags & SKBTX_ANY_TSTAMP) !== 0;

/** A write is in the queue: its last packet carries what `tsflags` ask for. */
export function tcp_tx_timestamp(tp: TcpSock, tsflags: number): void {
  if (tsflags === 0) return;
  // All of it may have left already.
  const skb = tcp_write_queue_tail(tp) ?? tp.tcp_rtx_queue.prev;
  if (skb === null) return;
  skb.tx_flags |= sock_tx_timestamp(tsflags);
  if ((tsflags & SOF_TIMESTAMPING_TX_ACK) !== 0) skb.txstamp_ack = true;
  if ((tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK) !== 0) skb.tskey = (skb.tcp_seq + skb.len - 1) | 0;
}

/** `buff` was cut from the end of `skb`: the stamp goes with its byte. */
export function tcp_fragment_tstamp(skb: SkBuff, buff: SkBuff): void {
  buff.txstamp_ack = false;
  buff.tx_flags = 0;
  if (!tcp_has_tx_tstamp(skb) || before(skb.tskey, buff.tcp_seq)) return;
  buff.tx_flags = skb.tx_flags;
  buff.tskey = skb.tskey;
  buff.txstamp_ack = skb.txstamp_ack;
  skb.tx_flags = 0;
  skb.txstamp_ack = false;
}

/** `next` has joined `skb`. */
export function tcp_skb_collapse_tstamp(skb: SkBuff, next: SkBuff): void {
  if (!tcp_has_tx_tstamp(next)) return;
  skb.tx_flags |= next.tx_flags & SKBTX_ANY_TSTAMP;
  skb.tskey = next.tskey;
  skb.txstamp_ack = skb.txstamp_ack || next.txstamp_ack;
}

/** The peer has everything up to snd_una. `ack`: the packet that said so. */
export function tcp_ack_tstamp(tp: TcpSock, skb: SkBuff, ack: SkBuff | null, prior_snd_una: number): void {
  if (!skb.txstamp_ack || before(skb.tskey, prior_snd_una) || !before(skb.tskey, tp.snd_una)) return;
  __skb_tstamp_tx(skb, tp, SCM_TSTAMP_ACK, ack);
}

// Attributes of SCM_TIMESTAMPING_OPT_STATS (TCP_NLA_* of linux/tcp.h), in the order of Linux 6.18: number and bytes.
const STATS: readonly (readonly [number, 1 | 2 | 4 | 8])[] = [
  [1, 8], // busy
  [2, 8], // limited by the receive window
  [3, 8], // limited by the send buffer
  [4, 8], // data segments out
  [5, 8], // retransmissions
  [6, 8], // pacing rate
  [7, 8], // delivery rate
  [8, 4], // congestion window
  [9, 4], // reordering
  [10, 4], // minimal RTT
  [11, 1], // timeouts in a row
  [12, 1], // delivery rate limited by the application
  [15, 4], // slow start threshold
  [16, 4], // delivered
  [17, 4], // delivered with CE
  [13, 4], // bytes in the send queue
  [14, 1], // congestion state
  [18, 8], // bytes sent
  [19, 8], // bytes retransmitted
  [20, 4], // DSACK
  [21, 4], // reordering seen
  [22, 4], // smoothed RTT
  [23, 2], // rehash by timeout
  [24, 4], // bytes not sent
  [25, 8], // earliest departure
  [26, 1], // TTL of the ACK
  [27, 4], // rehash
];

/** What SOF_TIMESTAMPING_OPT_STATS tells with the stamp of `orig`. */
export function tcp_get_timestamping_opt_stats(sk: Sock, orig: SkBuff, ack: SkBuff | null): Uint8Array {
  const tp = tcp_sk(sk);
  const info = new DataView(new ArrayBuffer(280));
  tcp_get_info(sk, info);
  const u64 = (at: number): number => info.getUint32(at, true) + info.getUint32(at + 4, true) * 2 ** 32;
  const values: Readonly<Record<number, number>> = {
    1: u64(168),
    2: u64(176),
    3: u64(184),
    4: tp.data_segs_out,
    5: tp.total_retrans,
    6: tp.sk_pacing_rate,
    7: tcp_compute_delivery_rate(tp),
    8: tp.snd_cwnd,
    9: tp.reordering,
    10: tcp_min_rtt(tp),
    11: tp.icsk_retransmits,
    12: tp.rate_app_limited ? 1 : 0,
    13: Math.max(0, (tp.write_seq - tp.snd_una) | 0),
    14: tp.icsk_ca_state,
    15: tp.snd_ssthresh,
    16: tp.delivered,
    17: tp.delivered_ce,
    18: tp.bytes_sent,
    19: tp.bytes_retrans,
    20: tp.dsack_dups,
    21: tp.reord_seen,
    22: tp.srtt_us >>> 3,
    24: Math.max(0, (tp.write_seq - tp.snd_nxt) | 0),
    25: (orig.skb_mstamp >>> 0) * 1000,
    26: ack !== null && ack.network_header >= 0 ? ack.head.dv.getUint8(ack.network_header + IPH_TTL) : 0,
  };
  const out = new Uint8Array(STATS.length * 12);
  const dv = new DataView(out.buffer);
  let at = 0;
  for (const [type, size] of STATS) {
    if (type === 26 && ack === null) continue;
    dv.setUint16(at, 4 + size, true);
    dv.setUint16(at + 2, type, true);
    const v = Math.min(Math.floor(values[type] ?? 0), Number.MAX_SAFE_INTEGER);
    if (size === 1) dv.setUint8(at + 4, v);
    else if (size === 2) dv.setUint16(at + 4, v, true);
    else dv.setUint32(at + 4, v % 2 ** 32, true);
    if (size === 8) dv.setUint32(at + 8, Math.floor(v / 2 ** 32), true);
    at += (4 + size + 3) & ~3;
  }
  return out.subarray(0, at);
}
