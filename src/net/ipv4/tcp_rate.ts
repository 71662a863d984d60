// How fast data is delivered: a sample per ACK, from what each packet remembers of the moment it was sent.
// Mirrors net/ipv4/tcp_rate.c. Read first: draft-cheng-iccrg-delivery-rate-estimation.
// Way in: tcp_rate_skb_sent(), tcp_rate_skb_delivered() for each packet, tcp_rate_gen() at the end of an ACK.

import { SKB_TRUESIZE, type SkBuff } from "../core/skbuff.ts";
import type { Sock } from "../core/sock.ts";
import { after, TCPCB_RETRANS, TCPCB_SACKED_ACKED, tcp_min_rtt, tcp_packets_in_flight, tcp_sk } from "./tcp_sock.ts";

/** One per machine is enough: an ACK is worked through before the next begins. Reset with rate_sample_reset(). */
export class RateSample {
  /** us: tp.delivered_mstamp when the packet was sent; 0: no packet was delivered. */
  prior_mstamp = 0;
  prior_delivered = 0;
  prior_delivered_ce = 0;
  /** Packets delivered over interval_us, or -1 for no sample. */
  delivered = 0;
  delivered_ce = 0;
  interval_us = 0;
  snd_interval_us = 0;
  rcv_interval_us = 0;
  /** RTT of the last packet that this ACK acknowledged for the first time, or -1. */
  rtt_us = 0;
  /** Packets marked lost on this ACK, and newly delivered. */
  losses = 0;
  acked_sacked = 0;
  prior_in_flight = 0;
  last_end_seq = 0;
  last_serial = 0;
  is_app_limited = false;
  is_retrans = false;
  /** The receiver probably delayed this ACK: one packet acknowledged, alone. */
  is_ack_delayed = false;
}

export function rate_sample_reset(rs: RateSample): RateSample {
  rs.prior_mstamp = 0;
  rs.prior_delivered = 0;
  rs.prior_delivered_ce = 0;
  rs.delivered = 0;
  rs.delivered_ce = 0;
  rs.interval_us = 0;
  rs.snd_interval_us = 0;
  rs.rcv_interval_us = 0;
  rs.rtt_us = -1;
  rs.losses = 0;
  rs.acked_sacked = 0;
  rs.prior_in_flight = 0;
  rs.last_end_seq = 0;
  rs.last_serial = 0;
  rs.is_app_limited = false;
  rs.is_retrans = false;
  rs.is_ack_delayed = false;
  return rs;
}

/** (a - b) us, never negative: the clock of packets sent with a delay may be ahead. */
const stamp_us_delta = (a: number, b: number): number => Math.max((a - b) | 0, 0);

/** The packet goes out (skb.skb_mstamp is set): it remembers how much had been delivered by now. */
export function tcp_rate_skb_sent(sk: Sock, skb: SkBuff): void {
  const tp = tcp_sk(sk);
  // Nothing is in flight: time without packets is no time in which to measure a rate.
  if (tp.packets_out === 0) {
    tp.first_tx_mstamp = skb.skb_mstamp;
    tp.delivered_mstamp = skb.skb_mstamp;
  }
  skb.tx_first_mstamp = tp.first_tx_mstamp;
  // 0 says "counted already": a microsecond is nothing.
  skb.tx_delivered_mstamp = tp.delivered_mstamp || 1;
  skb.tx_delivered = tp.delivered;
  skb.tx_delivered_ce = tp.delivered_ce;
  skb.tx_app_limited = tp.app_limited !== 0;
}

/** In the same microsecond the order of sending decides. */
function sent_later(skb: SkBuff, rs: RateSample): boolean {
  const order = (skb.tx_serial - rs.last_serial) | 0;
  return order !== 0 ? order > 0 : after(skb.tcp_end_seq, rs.last_end_seq);
}

/** The packet was acknowledged, or SACKed: the one sent last of those in this ACK makes the sample. */
export function tcp_rate_skb_delivered(sk: Sock, skb: SkBuff, rs: RateSample): void {
  // SACKed before: it had its turn then.
  if (skb.tx_delivered_mstamp === 0) return;
  const tp = tcp_sk(sk);
  const age = (skb.skb_mstamp - tp.first_tx_mstamp) | 0;
  if (rs.prior_mstamp === 0 || age > 0 || (age === 0 && sent_later(skb, rs))) {
    rs.prior_delivered = skb.tx_delivered;
    rs.prior_delivered_ce = skb.tx_delivered_ce;
    rs.prior_mstamp = skb.tx_delivered_mstamp;
    rs.is_app_limited = skb.tx_app_limited;
    rs.is_retrans = (skb.sacked & TCPCB_RETRANS) !== 0;
    rs.last_end_seq = skb.tcp_end_seq;
    rs.last_serial = skb.tx_serial;
    // The next sample's sending phase begins where this packet was sent.
    tp.first_tx_mstamp = skb.skb_mstamp;
    rs.interval_us = stamp_us_delta(tp.first_tx_mstamp, skb.tx_first_mstamp);
  }
  if ((skb.sacked & TCPCB_SACKED_ACKED) !== 0) skb.tx_delivered_mstamp = 0;
}

/** The ACK is worked through: `delivered` and `lost` packets by it. */
export function tcp_rate_gen(sk: Sock, delivered: number, lost: number, is_sack_reneg: boolean, rs: RateSample): void {
  const tp = tcp_sk(sk);
  if (tp.app_limited !== 0 && after(tp.delivered, tp.app_limited)) tp.app_limited = 0;
  if (delivered !== 0) tp.delivered_mstamp = tp.tcp_mstamp;
  rs.acked_sacked = delivered;
  rs.losses = lost;
  // A receiver that forgot what it had SACKed would make us count its data twice.
  if (rs.prior_mstamp === 0 || is_sack_reneg) {
    rs.delivered = -1;
    rs.interval_us = -1;
    return;
  }
  rs.delivered = (tp.delivered - rs.prior_delivered) | 0;
  rs.delivered_ce = (tp.delivered_ce - rs.prior_delivered_ce) | 0;
  // The longer of the two phases: ACKs may come compressed, sends may come in bursts.
  const snd_us = rs.interval_us;
  const ack_us = stamp_us_delta(tp.tcp_mstamp, rs.prior_mstamp);
  rs.snd_interval_us = snd_us;
  rs.rcv_interval_us = ack_us;
  rs.interval_us = Math.max(snd_us, ack_us);
  // Shorter than any round trip: the sample is of a packet that was wrongly retransmitted.
  if (rs.interval_us < tcp_min_rtt(tp)) {
    rs.interval_us = -1;
    return;
  }
  // What tcp_info shows: the last sample that was not limited by the program, or one that was and is larger.
  if (!rs.is_app_limited || rs.delivered * tp.rate_interval_us >= tp.rate_delivered * rs.interval_us) {
    tp.rate_delivered = rs.delivered;
    tp.rate_interval_us = rs.interval_us;
    tp.rate_app_limited = rs.is_app_limited;
  }
}

/** Nothing to send though there would be room: samples of packets sent from now on say little about the path. */
export function tcp_rate_check_app_limited(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (
    ((tp.write_seq - tp.snd_nxt) | 0) < tp.mss_cache &&
    sk.sk_wmem_alloc < SKB_TRUESIZE(1) &&
    tcp_packets_in_flight(tp) < tp.snd_cwnd &&
    tp.lost_out <= tp.retrans_out
  ) {
    tp.app_limited = (tp.delivered + tcp_packets_in_flight(tp)) | 0 || 1;
  }
}
