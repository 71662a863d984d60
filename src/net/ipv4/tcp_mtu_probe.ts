// Packetization layer path MTU discovery: now and then a segment that is longer than the path is known to take.
// Mirrors tcp_mtu_probe() of net/ipv4/tcp_output.c. Read first: RFC 4821. Way in: tcp_mtu_probe() from tcp_write_xmit().

import { jiffies } from "../../kernel/kernel.ts";
import { __skb_queue_head, __skb_unlink, skb_put } from "../core/skbuff.ts";
import { tcp_stream_alloc_skb, tcp_wmem_free_skb } from "./tcp.ts";
import { tcp_mss_to_mtu, tcp_mtu_to_mss, tcp_mtup_init } from "./tcp_mss.ts";
import { tcp_event_new_data_sent, tcp_init_tso_segs, tcp_transmit_skb } from "./tcp_output.ts";
import {
  after,
  TCP_CA_Open,
  TCPHDR_ACK,
  TCPHDR_FIN,
  TCPHDR_PSH,
  type TcpSock,
  tcp_packets_in_flight,
  tcp_wnd_end,
} from "./tcp_sock.ts";
import { tcp_has_tx_tstamp } from "./tcp_tstamp.ts";

/** Are there `len` bytes in a row that may be one segment? MSG_EOR keeps records apart. */
function tcp_can_coalesce_send_queue_head(tp: TcpSock, len: number): boolean {
  for (let skb = tp.sk_write_queue.next; skb !== null; skb = skb.next) {
    if (len <= skb.len) break;
    if (skb.tcp_eor) return false;
    len -= skb.len;
  }
  return true;
}

/** 1: a probe was sent; 0: wait, the data for one is gathering; -1: no probe now. */
export function tcp_mtu_probe(tp: TcpSock): number {
  if (
    !tp.mtup_enabled ||
    tp.mtup_probe_size !== 0 ||
    tp.icsk_ca_state !== TCP_CA_Open ||
    tp.snd_cwnd < 11 ||
    tp.rx_opt.num_sacks !== 0 ||
    tp.rx_opt.dsack
  ) {
    return -1;
  }
  const mss = tp.mss_cache;
  const probe_size = tcp_mtu_to_mss(tp, (tp.mtup_search_high + tp.mtup_search_low) >> 1);
  const size_needed = probe_size + (tp.reordering + 1) * mss;
  const interval = tp.mtup_search_high - tp.mtup_search_low;
  if (probe_size > tcp_mtu_to_mss(tp, tp.mtup_search_high) || interval < tp.net.ipv4.sysctl_tcp_probe_threshold) {
    // All is known; after a while the path may be another.
    if (jiffies(tp.net.kernel) - tp.mtup_probe_timestamp >= tp.net.ipv4.sysctl_tcp_probe_interval * 1000) {
      tcp_mtup_init(tp);
      tp.mtup_search_low = tcp_mss_to_mtu(tp, tp.mss_cache);
    }
    return -1;
  }
  // Enough data behind it that its loss would show by duplicate ACKs.
  if (((tp.write_seq - tp.snd_nxt) | 0) < size_needed) return -1;
  if (tp.snd_wnd < size_needed) return -1;
  if (after((tp.snd_nxt + size_needed) | 0, tcp_wnd_end(tp))) return 0;
  if (tcp_packets_in_flight(tp) + 2 > tp.snd_cwnd) return tcp_packets_in_flight(tp) === 0 ? -1 : 0;
  // What a program wants to know of its data is told of packets as they were written.
  let len = 0;
  for (let skb = tp.sk_write_queue.next; skb !== null && len < probe_size; skb = skb.next) {
    if (skb.uarg !== null || skb.tcp_eor || tcp_has_tx_tstamp(skb)) return -1;
    len += skb.len;
  }
  if (!tcp_can_coalesce_send_queue_head(tp, probe_size)) return -1;
  const n = tcp_stream_alloc_skb(tp, probe_size);
  if (n === null) return -1;
  const first = tp.sk_write_queue.next!;
  n.tcp_seq = first.tcp_seq;
  n.tcp_end_seq = (first.tcp_seq + probe_size) | 0;
  n.tcp_flags = TCPHDR_ACK;
  const at = skb_put(n, probe_size);
  len = 0;
  for (let skb = tp.sk_write_queue.next; skb !== null && len < probe_size; skb = tp.sk_write_queue.next) {
    const copy = Math.min(skb.len, probe_size - len);
    n.head.u8.set(skb.head.u8.subarray(skb.data, skb.data + copy), at + len);
    len += copy;
    if (skb.len <= copy) {
      n.tcp_flags |= skb.tcp_flags;
      n.tcp_eor = skb.tcp_eor;
      __skb_unlink(skb, tp.sk_write_queue);
      tcp_wmem_free_skb(tp, skb);
    } else {
      n.tcp_flags |= skb.tcp_flags & ~(TCPHDR_FIN | TCPHDR_PSH);
      skb.data += copy;
      skb.len -= copy;
      skb.tcp_seq = (skb.tcp_seq + copy) | 0;
      skb.tcp_gso_segs = 0;
    }
  }
  __skb_queue_head(tp.sk_write_queue, n);
  tp.sk_wmem_queued += n.truesize;
  tcp_init_tso_segs(n, n.len);
  if (tcp_transmit_skb(tp, n, true) !== 0) return -1;
  // It counts as one segment more than the window would allow.
  tp.snd_cwnd--;
  tcp_event_new_data_sent(tp, n);
  tp.mtup_probe_size = tcp_mss_to_mtu(tp, n.len);
  tp.mtu_probe_start = n.tcp_seq;
  tp.mtu_probe_end = n.tcp_end_seq;
  return 1;
}
