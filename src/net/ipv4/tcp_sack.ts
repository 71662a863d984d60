// The scoreboard: what selective acknowledgments say of each segment. Mirrors the SACK half of net/ipv4/tcp_input.c.
// Read first: RFC 2018, RFC 2883 (DSACK), RFC 6675. Way in: tcp_sacktag_write_queue().

import type { SkBuff } from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPDSACKIGNOREDNOUNDO,
  LINUX_MIB_TCPDSACKIGNOREDOLD,
  LINUX_MIB_TCPDSACKOFORECV,
  LINUX_MIB_TCPDSACKRECV,
  LINUX_MIB_TCPDSACKRECVSEGS,
  LINUX_MIB_TCPRENOREORDER,
  LINUX_MIB_TCPSACKDISCARD,
  LINUX_MIB_TCPSACKREORDER,
  LINUX_MIB_TCPTSREORDER,
} from "../core/snmp.ts";
import { tcp_limit_reno_sacked } from "./tcp_cwnd.ts";
import { TCP_FRAG_IN_RTX_QUEUE, tcp_fragment } from "./tcp_output.ts";
import { type RateSample, tcp_rate_skb_delivered } from "./tcp_rate.ts";
import { tcp_rack_advance } from "./tcp_recovery.ts";
import {
  after,
  before,
  TCP_CA_Loss,
  TCP_NUM_SACKS,
  TCPCB_LOST,
  TCPCB_RETRANS,
  TCPCB_SACKED_ACKED,
  TCPCB_SACKED_RETRANS,
  TcpSackBlock,
  type TcpSock,
  tcp_skb_pcount,
} from "./tcp_sock.ts";

export const FLAG_DATA = 0x01;
export const FLAG_WIN_UPDATE = 0x02;
export const FLAG_DATA_ACKED = 0x04;
export const FLAG_RETRANS_DATA_ACKED = 0x08;
export const FLAG_SYN_ACKED = 0x10;
export const FLAG_DATA_SACKED = 0x20;
export const FLAG_ECE = 0x40;
export const FLAG_LOST_RETRANS = 0x80;
export const FLAG_SLOWPATH = 0x100;
export const FLAG_ORIG_SACK_ACKED = 0x200;
export const FLAG_SND_UNA_ADVANCED = 0x400;
export const FLAG_DSACKING_ACK = 0x800;
export const FLAG_SET_XMIT_TIMER = 0x1000;
export const FLAG_SACK_RENEGING = 0x2000;
export const FLAG_UPDATE_TS_RECENT = 0x4000;
export const FLAG_NO_CHALLENGE_ACK = 0x8000;
export const FLAG_ACK_MAYBE_DELAYED = 0x10000;
export const FLAG_DSACK_TLP = 0x20000;
export const FLAG_ACKED = FLAG_DATA_ACKED | FLAG_SYN_ACKED;
export const FLAG_NOT_DUP = FLAG_DATA | FLAG_WIN_UPDATE | FLAG_ACKED;
export const FLAG_CA_ALERT = FLAG_DATA_SACKED | FLAG_ECE | FLAG_DSACKING_ACK;
export const FLAG_FORWARD_PROGRESS = FLAG_ACKED | FLAG_DATA_SACKED;

/** What one ACK did to the scoreboard; one per machine (struct tcp_sacktag_state). */
export class TcpSacktagState {
  first_sackt = 0;
  last_sackt = 0;
  has_sackt = false;
  reord = 0;
  sack_delivered = 0;
  flag = 0;
  /** Which of the sorted blocks is the DSACK; -1: none. */
  dup_at = -1;
  /** What tcp_fastretrans_alert() wants sent: nothing, what is lost, or new data. */
  rexmit = 0;
  rate: RateSample = null as unknown as RateSample;
  readonly sp: TcpSackBlock[] = Array.from({ length: TCP_NUM_SACKS }, () => new TcpSackBlock());
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    tcp_sack: TcpSacktagState;
  }
}

export const tcp_highest_sack_seq = (tp: TcpSock): number =>
  tp.sacked_out === 0 ? tp.snd_una : tp.highest_sack === null ? tp.snd_nxt : tp.highest_sack.tcp_seq;

/** RFC 4737: how far out of order; more duplicate ACKs are then waited for. */
export function tcp_check_sack_reordering(tp: TcpSock, low_seq: number, ts: boolean): void {
  const fack = tcp_highest_sack_seq(tp);
  if (!before(low_seq, fack)) return;
  const metric = (fack - low_seq) | 0;
  const mss = tp.mss_cache;
  if (metric > tp.reordering * mss && mss !== 0)
    tp.reordering = Math.min(Math.ceil(metric / mss), tp.net.ipv4.sysctl_tcp_max_reordering);
  tp.reord_seen++;
  tp.net.mib.linux[ts ? LINUX_MIB_TCPTSREORDER : LINUX_MIB_TCPSACKREORDER]!++;
}

/** More duplicates than packets behind the first hole: packets were reordered. */
function tcp_check_reno_reordering(tp: TcpSock, addend: number): void {
  if (!tcp_limit_reno_sacked(tp)) return;
  tp.reordering = Math.min(tp.packets_out + addend, tp.net.ipv4.sysctl_tcp_max_reordering);
  tp.reord_seen++;
  tp.net.mib.linux[LINUX_MIB_TCPRENOREORDER]!++;
}

/** Is it a range that we sent and that the receiver could report? */
function tcp_is_sackblock_valid(tp: TcpSock, is_dsack: boolean, start: number, end: number): boolean {
  if (after(end, tp.snd_nxt) || !before(start, end)) return false;
  if (!before(start, tp.snd_nxt)) return false;
  if (after(start, tp.snd_una)) return true;
  if (!is_dsack || tp.undo_marker === 0) return false;
  if (after(end, tp.snd_una)) return false;
  if (!before(start, tp.undo_marker)) return true;
  if (!after(end, tp.undo_marker)) return false;
  return !before(start, (end - tp.max_window) | 0);
}

/** Segments of a DSACK, and what it says of our retransmissions. */
function tcp_dsack_seen(tp: TcpSock, start: number, end: number, st: TcpSacktagState): number {
  const mss = tp.mss_cache;
  if (!before(start, end)) return 0;
  const len = (end - start) | 0;
  // A receiver cannot have got twice what we did not send twice.
  if (len > tp.max_window) return 0;
  let segs = 1;
  if (len > mss) segs = Math.ceil(len / mss);
  else if (tp.tlp_high_seq !== 0 && tp.tlp_high_seq === end) st.flag |= FLAG_DSACK_TLP;
  tp.dsack_dups += segs;
  if (tp.dsack_dups > tp.total_retrans) return 0;
  tp.rx_opt.sack_ok |= 4;
  if (tp.reord_seen !== 0 && (st.flag & FLAG_DSACK_TLP) === 0) tp.rack_dsack_seen = true;
  st.flag |= FLAG_DSACKING_ACK;
  st.sack_delivered += segs;
  return segs;
}

function tcp_check_dsack(
  tp: TcpSock,
  dv: DataView,
  at: number,
  n: number,
  ack: number,
  prior_una: number,
  st: TcpSacktagState,
): boolean {
  const start0 = dv.getInt32(at);
  const end0 = dv.getInt32(at + 4);
  const mib = tp.net.mib.linux;
  if (before(start0, ack)) mib[LINUX_MIB_TCPDSACKRECV]!++;
  else if (n > 1) {
    const start1 = dv.getInt32(at + 8);
    const end1 = dv.getInt32(at + 12);
    if (after(end0, end1) || before(start0, start1)) return false;
    mib[LINUX_MIB_TCPDSACKOFORECV]!++;
  } else return false;
  const segs = tcp_dsack_seen(tp, start0, end0, st);
  if (segs === 0) {
    mib[LINUX_MIB_TCPDSACKIGNOREDOLD]!++;
    return false;
  }
  mib[LINUX_MIB_TCPDSACKRECVSEGS]! += segs;
  // A retransmission that was not needed.
  if (tp.undo_marker !== 0 && tp.undo_retrans > 0 && !after(end0, prior_una) && after(end0, tp.undo_marker))
    tp.undo_retrans = Math.max(0, tp.undo_retrans - segs);
  return true;
}

/** One segment is reported. Counts, reordering, RTT samples. */
function tcp_sacktag_one(tp: TcpSock, st: TcpSacktagState, skb: SkBuff, dup: boolean): void {
  let sacked = skb.sacked;
  const n = tcp_skb_pcount(skb);
  if (dup && (sacked & TCPCB_RETRANS) !== 0) {
    if (tp.undo_marker !== 0 && tp.undo_retrans > 0 && after(skb.tcp_end_seq, tp.undo_marker))
      tp.undo_retrans = Math.max(0, tp.undo_retrans - n);
    if ((sacked & TCPCB_SACKED_ACKED) !== 0 && before(skb.tcp_seq, st.reord)) st.reord = skb.tcp_seq;
  }
  if (!after(skb.tcp_end_seq, tp.snd_una)) return;
  if ((sacked & TCPCB_SACKED_ACKED) === 0) {
    tcp_rack_advance(tp, skb);
    if ((sacked & TCPCB_SACKED_RETRANS) !== 0) {
      // Retransmitted and reported: whichever it was, none is lost now.
      if ((sacked & TCPCB_LOST) !== 0) {
        sacked &= ~(TCPCB_LOST | TCPCB_SACKED_RETRANS);
        tp.lost_out -= n;
        tp.retrans_out -= n;
      }
    } else {
      if ((sacked & TCPCB_RETRANS) === 0) {
        // New, never retransmitted, below the highest: it came out of order.
        if (before(skb.tcp_seq, tcp_highest_sack_seq(tp)) && before(skb.tcp_seq, st.reord)) st.reord = skb.tcp_seq;
        if (!after(skb.tcp_end_seq, tp.high_seq)) st.flag |= FLAG_ORIG_SACK_ACKED;
        if (!st.has_sackt) {
          st.has_sackt = true;
          st.first_sackt = skb.skb_mstamp;
        }
        st.last_sackt = skb.skb_mstamp;
      }
      if ((sacked & TCPCB_LOST) !== 0) {
        sacked &= ~TCPCB_LOST;
        tp.lost_out -= n;
      }
    }
    sacked |= TCPCB_SACKED_ACKED;
    st.flag |= FLAG_DATA_SACKED;
    tp.sacked_out += n;
    st.sack_delivered += n;
  }
  if (dup && (sacked & TCPCB_SACKED_RETRANS) !== 0) {
    sacked &= ~TCPCB_SACKED_RETRANS;
    tp.retrans_out -= n;
  }
  const fresh = (skb.sacked & TCPCB_SACKED_ACKED) === 0 && (sacked & TCPCB_SACKED_ACKED) !== 0;
  skb.sacked = sacked;
  tcp_rate_skb_delivered(tp, skb, st.rate);
  if (fresh && !before(skb.tcp_seq, tcp_highest_sack_seq_raw(tp))) tp.highest_sack = skb.next;
}
const tcp_highest_sack_seq_raw = (tp: TcpSock): number =>
  tp.highest_sack === null ? tp.snd_nxt : tp.highest_sack.tcp_seq;

/** A block ends inside of an skb of several segments: cuts it at the segment's border. True when its front is covered. */
function tcp_match_skb_to_sack(tp: TcpSock, skb: SkBuff, start: number, end: number): boolean {
  if (!after(start, skb.tcp_seq) && !before(end, skb.tcp_end_seq)) return true;
  if (tcp_skb_pcount(skb) <= 1 || !after(skb.tcp_end_seq, start)) return false;
  const mss = Math.max(skb.tcp_gso_size, 1);
  const front = !after(start, skb.tcp_seq);
  let len = front ? (end - skb.tcp_seq) | 0 : (start - skb.tcp_seq) | 0;
  // What is in front of the border is not wholly covered: round so that only whole segments are marked.
  if (len > mss) {
    let cut = len - (len % mss);
    if (cut < len && !front) cut += mss;
    len = cut;
  } else if (!front) len = mss;
  if (len >= skb.len || len <= 0) return false;
  if (front && len < mss) return false;
  if (tcp_fragment(tp, TCP_FRAG_IN_RTX_QUEUE, skb, len, mss) < 0) return false;
  return front;
}

/** Marks what lies in the block, from `skb` on. Returns the first one behind it: where a later block begins to look. */
function tcp_sacktag_walk(
  tp: TcpSock,
  skb: SkBuff | null,
  st: TcpSacktagState,
  start: number,
  end: number,
  dup: boolean,
): SkBuff | null {
  for (; skb !== null; skb = skb.next) {
    if (!before(skb.tcp_seq, end)) break;
    if (!after(skb.tcp_end_seq, start)) continue;
    if (tcp_match_skb_to_sack(tp, skb, start, end)) tcp_sacktag_one(tp, st, skb, dup);
  }
  return skb;
}

/** Takes the block into st.sp, which is kept in order of sequence numbers: the queue is walked once, and forwards. */
function insert_block(st: TcpSacktagState, used: number, start: number, end: number, dup: boolean): void {
  const sp = st.sp;
  const b = sp[used]!;
  let i = used;
  for (; i > 0 && after(sp[i - 1]!.start_seq, start); i--) sp[i] = sp[i - 1]!;
  sp[i] = b;
  b.start_seq = start;
  b.end_seq = end;
  if (dup) st.dup_at = i;
  else if (st.dup_at >= i) st.dup_at++;
}

/**
 * Takes the SACK option at `at` of `ack_skb`'s head. Marks what it reports; returns FLAG_* (also in st.flag).
 * `prior_snd_una`: snd_una before this ACK.
 */
export function tcp_sacktag_write_queue(
  tp: TcpSock,
  ack_skb: SkBuff,
  at: number,
  prior_snd_una: number,
  st: TcpSacktagState,
): number {
  const dv = ack_skb.head.dv;
  const num = Math.min(TCP_NUM_SACKS, (dv.getUint8(at + 1) - 2) >> 3);
  at += 2;
  st.reord = tp.snd_nxt;
  if (tp.sacked_out === 0) tp.highest_sack = tp.tcp_rtx_queue.next;
  const found_dup = tcp_check_dsack(tp, dv, at, num, ack_skb.tcp_ack_seq, prior_snd_una, st);
  // An ACK from long ago says nothing of now.
  if (before(ack_skb.tcp_ack_seq, (prior_snd_una - tp.max_window) | 0)) return st.flag;
  if (tp.packets_out === 0) return st.flag;
  let used = 0;
  st.dup_at = -1;
  for (let i = 0; i < num; i++) {
    const start = dv.getInt32(at + 8 * i);
    const end = dv.getInt32(at + 8 * i + 4);
    const dup = found_dup && i === 0;
    if (!tcp_is_sackblock_valid(tp, dup, start, end)) {
      let mib: number;
      if (dup) mib = tp.undo_marker === 0 ? LINUX_MIB_TCPDSACKIGNOREDNOUNDO : LINUX_MIB_TCPDSACKIGNOREDOLD;
      else {
        // Reports that crossed this ACK on the way are no fault.
        if (ack_skb.tcp_ack_seq !== tp.snd_una && !after(end, tp.snd_una)) continue;
        mib = LINUX_MIB_TCPSACKDISCARD;
      }
      tp.net.mib.linux[mib]!++;
      continue;
    }
    if (!after(end, prior_snd_una)) continue;
    insert_block(st, used++, start, end, dup);
  }
  const high = tp.highest_sack;
  // Where all marks were forgotten, what was known counts as new.
  const any_marked = tp.sacked_out !== 0;
  let skb = tp.tcp_rtx_queue.next;
  for (let i = 0; i < used; i++) {
    const { start_seq: start, end_seq: end } = st.sp[i]!;
    const dup = i === st.dup_at;
    // The same block as last time, all marked: nothing new in it.
    if (!dup && any_marked && known(tp, start, end)) continue;
    // Blocks may overlap (a DSACK lies in what is reported as well): then the walk goes back.
    if (skb === null || after(skb.tcp_seq, start)) skb = tp.tcp_rtx_queue.next;
    if (!dup && any_marked && high !== null && skb !== null && before(skb.tcp_seq, high.tcp_seq)) {
      if (!before(start, high.tcp_seq)) skb = high;
    }
    skb = tcp_sacktag_walk(tp, skb, st, start, end, dup);
  }
  for (let i = 0; i < TCP_NUM_SACKS; i++) {
    const c = tp.recv_sack_cache[i]!;
    c.start_seq = i < used ? st.sp[i]!.start_seq : 0;
    c.end_seq = i < used ? st.sp[i]!.end_seq : 0;
  }
  if (tp.icsk_ca_state !== TCP_CA_Loss || tp.undo_marker !== 0) tcp_check_sack_reordering(tp, st.reord, false);
  return st.flag;
}

function known(tp: TcpSock, start: number, end: number): boolean {
  for (let i = 0; i < TCP_NUM_SACKS; i++) {
    const c = tp.recv_sack_cache[i]!;
    if (c.start_seq === start && c.end_seq === end) return end !== start;
  }
  return false;
}

// --- without SACK: duplicate ACKs are counted (RFC 5681 section 3.2) ----------------------------------------------

export function tcp_add_reno_sack(tp: TcpSock, num: number, ece_ack: boolean): void {
  if (num <= 0) return;
  const prior = tp.sacked_out;
  tp.sacked_out += num;
  tcp_check_reno_reordering(tp, 0);
  const delivered = tp.sacked_out - prior;
  if (delivered > 0) tcp_count_delivered(tp, delivered, ece_ack);
}

export function tcp_remove_reno_sacks(tp: TcpSock, acked: number, ece_ack: boolean): void {
  if (acked > 0) {
    // One acknowledged the hole, the others what duplicates had counted.
    tcp_count_delivered(tp, Math.max(acked - tp.sacked_out, 1), ece_ack);
    if (acked - 1 >= tp.sacked_out) tp.sacked_out = 0;
    else tp.sacked_out -= acked - 1;
  }
  tcp_check_reno_reordering(tp, acked);
}

/** Packets that arrived; `ece`: the ACK said that the network marks. */
export function tcp_count_delivered(tp: TcpSock, n: number, ece: boolean): void {
  tp.delivered += n;
  if (ece) tp.delivered_ce += n;
}
