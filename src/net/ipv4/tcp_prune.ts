// Room in a TCP socket's receive buffer: what gives way when there is none. Mirrors the pruning part of net/ipv4/tcp_input.c.
// Read first: RFC 2018 section 8, ip-sysctl "tcp_rmem". Way in: tcp_try_rmem_schedule().

import { SKB_DROP_REASON_TCP_OFOMERGE } from "../core/dropreason.ts";
import { skb_copy_bits_to_head } from "../core/skb_data.ts";
import {
  __skb_queue_before,
  __skb_unlink,
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  type SkBuff,
  type SkBuffHead,
  skb_put,
} from "../core/skbuff.ts";
import {
  LINUX_MIB_OFOPRUNED,
  LINUX_MIB_PRUNECALLED,
  LINUX_MIB_RCVPRUNED,
  LINUX_MIB_TCPRCVCOLLAPSED,
} from "../core/snmp.ts";
import { SOCK_RCVBUF_LOCK, skb_set_owner_r } from "../core/sock.ts";
import { sk_mem_reclaim, sk_rmem_schedule, tcp_under_memory_pressure } from "./tcp_mem.ts";
import { after, TCPHDR_FIN, TCPHDR_SYN, type TcpSock, tcp_is_sack, tcp_win_from_space } from "./tcp_sock.ts";

/**
 * Bytes that one packet gets when others are gathered into it: a page without its overhead, as Linux takes. Memory comes back only
 * when a packet was read to its end: larger ones would keep a slow reader's buffer full for minutes.
 */
const COLLAPSED = 3776;

/** A buffer that is not over its limit takes one packet more, whatever its size (Linux 6.18). */
const can_ingest = (tp: TcpSock): boolean => tp.sk_rmem_alloc <= tp.sk_rcvbuf;

/** Room for `skb` in the buffer and in tcp_mem. */
export const tcp_rmem_fits = (tp: TcpSock, skb: SkBuff): boolean =>
  can_ingest(tp) && sk_rmem_schedule(tp, skb, skb.truesize);

/** Is there room? Else old and out-of-order data gives way; 0, or -1 when there is none. */
export function tcp_try_rmem_schedule(tp: TcpSock, skb: SkBuff): number {
  if (tcp_rmem_fits(tp, skb)) return 0;
  if (tcp_prune_queue(tp, skb) < 0) return -1;
  while (!sk_rmem_schedule(tp, skb, skb.truesize)) if (!tcp_prune_ofo_queue(tp, skb)) return -1;
  return 0;
}

/** Drops out-of-order data from the end, as far as it lies behind `in_skb`. False when there is none. */
function tcp_prune_ofo_queue(tp: TcpSock, in_skb: SkBuff): boolean {
  const q = tp.out_of_order_queue;
  let pruned = false;
  let goal = tp.sk_rcvbuf >> 3;
  for (let skb = q.prev; skb !== null; ) {
    // Never in favour of what lies further away.
    if (after(in_skb.tcp_seq, skb.tcp_seq)) break;
    const prev: SkBuff | null = skb.prev;
    __skb_unlink(skb, q);
    goal -= skb.truesize;
    kfree_skb_reason(skb, SKB_DROP_REASON_TCP_OFOMERGE);
    pruned = true;
    if (goal <= 0) {
      if (can_ingest(tp) && !tcp_under_memory_pressure(tp)) break;
      goal = tp.sk_rcvbuf >> 3;
    }
    skb = prev;
  }
  if (!pruned) return false;
  tp.net.mib.linux[LINUX_MIB_OFOPRUNED]!++;
  // What was reported may be gone (RFC 2018 section 8): report nothing.
  if (tcp_is_sack(tp)) tp.rx_opt.num_sacks = 0;
  return true;
}

/** The buffer follows what the peer was allowed to send, up to tcp_rmem[2]; beyond that the window must not grow. */
function tcp_clamp_window(tp: TcpSock): void {
  const max = tp.net.ipv4.sysctl_tcp_rmem[2]!;
  tp.ack_quick = 0;
  if (tp.sk_rcvbuf < max && (tp.sk_userlocks & SOCK_RCVBUF_LOCK) === 0 && !tcp_under_memory_pressure(tp)) {
    const k = tp.net.kernel;
    if (k.tcp_memory_allocated < k.tcp_sysctls.sysctl_tcp_mem[0]!)
      tp.sk_rcvbuf = Math.max(tp.sk_rcvbuf, Math.min(tp.sk_rmem_alloc, max));
  }
  if (tp.sk_rmem_alloc > tp.sk_rcvbuf) tp.rcv_ssthresh = Math.min(tp.window_clamp, 2 * tp.advmss);
}

const plain = (skb: SkBuff): boolean => (skb.tcp_flags & (TCPHDR_SYN | TCPHDR_FIN)) === 0;

/** Gathers neighbours that take more memory than their data is worth into packets that are full (tcp_collapse). */
function tcp_collapse(tp: TcpSock, list: SkBuffHead): void {
  for (let first = list.next; first !== null; ) {
    // A run: data without a gap, and what it costs. It begins where memory is wasted.
    let bytes = first.len;
    let cost = first.truesize;
    let end = first.next;
    if (!plain(first) || tcp_win_from_space(tp, cost) <= bytes) {
      first = end;
      continue;
    }
    let prev = first;
    while (end !== null && plain(end) && end.tcp_seq === prev.tcp_end_seq && bytes + end.len <= COLLAPSED) {
      bytes += end.len;
      cost += end.truesize;
      prev = end;
      end = end.next;
    }
    if (prev !== first) {
      const skb = alloc_skb(tp.net.kernel, bytes);
      if (skb === null) return;
      if (skb.truesize < cost) gather(tp, list, first, prev, skb);
      else consume_skb(skb);
    }
    first = end;
  }
}

function gather(tp: TcpSock, list: SkBuffHead, first: SkBuff, last: SkBuff, into: SkBuff): void {
  into.dev = first.dev;
  into.protocol = first.protocol;
  into.ip_summed = first.ip_summed;
  into.network_header = into.transport_header = into.mac_header = 0;
  into.tstamp = last.tstamp;
  into.tcp_seq = first.tcp_seq;
  into.tcp_end_seq = last.tcp_end_seq;
  into.tcp_flags = first.tcp_flags;
  into.tcp_ip_dsfield = first.tcp_ip_dsfield;
  __skb_queue_before(list, first, into);
  for (let skb: SkBuff | null = first; skb !== null; ) {
    const next: SkBuff | null = skb === last ? null : skb.next;
    skb_copy_bits_to_head(skb, 0, into.head, skb_put(into, skb.len), skb.len);
    into.tcp_flags |= skb.tcp_flags;
    __skb_unlink(skb, list);
    tp.net.mib.linux[LINUX_MIB_TCPRCVCOLLAPSED]!++;
    consume_skb(skb);
    skb = next;
  }
  skb_set_owner_r(into, tp);
}

/** In the order of what it costs the peer: a larger buffer, packed data, out-of-order data that has to come again. */
function tcp_prune_queue(tp: TcpSock, in_skb: SkBuff): number {
  const mib = tp.net.mib.linux;
  mib[LINUX_MIB_PRUNECALLED]!++;
  if (tp.sk_rmem_alloc >= tp.sk_rcvbuf) tcp_clamp_window(tp);
  else if (tcp_under_memory_pressure(tp)) tp.rcv_ssthresh = Math.min(tp.rcv_ssthresh, 4 * tp.advmss);
  if (can_ingest(tp)) return 0;
  tcp_collapse(tp, tp.out_of_order_queue);
  tcp_collapse(tp, tp.sk_receive_queue);
  sk_mem_reclaim(tp);
  if (can_ingest(tp)) return 0;
  tcp_prune_ofo_queue(tp, in_skb);
  if (can_ingest(tp)) return 0;
  mib[LINUX_MIB_RCVPRUNED]!++;
  tp.pred_flags = 0;
  return -1;
}
