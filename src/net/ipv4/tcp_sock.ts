// What a TCP connection remembers: tcp_sock and inet_connection_sock, and the arithmetic of sequence numbers.
// Mirrors include/linux/tcp.h, include/net/inet_connection_sock.h, include/net/tcp.h.
// Read first: RFC 9293 section 3.3. Sequence numbers are int32 and wrap; times are int32 microseconds or jiffies that wrap.

import { jiffies } from "../../kernel/kernel.ts";
import type { TimerList } from "../../kernel/time/timer.ts";
import type { DstEntry } from "../core/dst.ts";
import type { Net } from "../core/net_namespace.ts";
import { NO_PACKETS, type SkBuff, SkBuffHead } from "../core/skbuff.ts";
import type { Proto, Sock } from "../core/sock.ts";
import type { InetBindBucket } from "./inet_connection_sock.ts";
import type { InetBindOwner, InetEhashEntry } from "./inet_hashtables.ts";
import type { Flowi4 } from "./ip_fib.ts";
import type { TcpCongestionOps } from "./tcp_cong.ts";
import { TcpSockFields } from "./tcp_sock_rare.ts";

// --- sequence numbers ---------------------------------------------------------------------------------------------

export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const after = (a: number, b: number): boolean => ((b - a) | 0) < 0;
/** low <= seq <= high */
export const between = (seq: number, low: number, high: number): boolean => (high - low) >>> 0 >= (seq - low) >>> 0;

// --- limits (RFC 9293, RFC 6298, and what Linux chose) ------------------------------------------------------------

export const TCP_HZ = 1000;
export const TCP_RTO_MAX = 120 * TCP_HZ;
export const TCP_RTO_MIN = TCP_HZ / 5;
export const TCP_TIMEOUT_INIT = 1 * TCP_HZ;
export const TCP_TIMEOUT_FALLBACK = 3 * TCP_HZ;
export const TCP_TIMEOUT_MIN = 2;
export const TCP_DELACK_MAX = TCP_HZ / 5;
export const TCP_DELACK_MIN = TCP_HZ / 25;
export const TCP_ATO_MIN = TCP_HZ / 25;
export const TCP_TIMEWAIT_LEN = 60 * TCP_HZ;
export const TCP_FIN_TIMEOUT = TCP_TIMEWAIT_LEN;
export const TCP_PAWS_24DAYS = 60 * 60 * 24 * 24;
export const TCP_PAWS_MSL = 60;
export const TCP_PAWS_WINDOW = 1;
export const TCP_RESOURCE_PROBE_INTERVAL = TCP_HZ / 2;
export const TCP_MAX_QUICKACKS = 16;
export const TCP_MAX_WSCALE = 14;
export const TCP_MIN_MSS = 88;
export const TCP_MSS_DEFAULT = 536;
export const TCP_MIN_SND_MSS = 48;
export const TCP_MIN_GSO_SIZE = TCP_MIN_SND_MSS - 40;
export const TCP_INIT_CWND = 10;
export const TCP_INFINITE_SSTHRESH = 0x7fffffff;
export const TCP_FASTRETRANS_THRESH = 3;
export const MAX_TCP_WINDOW = 32767;
export const TCP_NUM_SACKS = 4;
export const MAX_TCP_HEADER = 320;

// Length of options, aligned.
export const TCPOLEN_TSTAMP_ALIGNED = 12;
export const TCPOLEN_SACK_BASE_ALIGNED = 4;
export const TCPOLEN_SACK_PERBLOCK = 8;
export const MAX_TCP_OPTION_SPACE = 40;

// --- flags --------------------------------------------------------------------------------------------------------

export const TCPHDR_FIN = 0x01;
export const TCPHDR_SYN = 0x02;
export const TCPHDR_RST = 0x04;
export const TCPHDR_PSH = 0x08;
export const TCPHDR_ACK = 0x10;
export const TCPHDR_URG = 0x20;
export const TCPHDR_ECE = 0x40;
export const TCPHDR_CWR = 0x80;
export const TCPHDR_SYN_ECN = TCPHDR_SYN | TCPHDR_ECE | TCPHDR_CWR;

// skb.sacked
export const TCPCB_SACKED_ACKED = 0x01;
export const TCPCB_SACKED_RETRANS = 0x02;
export const TCPCB_LOST = 0x04;
export const TCPCB_TAGBITS = 0x07;
export const TCPCB_REPAIRED = 0x10;
export const TCPCB_EVER_RETRANS = 0x80;
export const TCPCB_RETRANS = TCPCB_SACKED_RETRANS | TCPCB_EVER_RETRANS | TCPCB_REPAIRED;

// tp.nonagle
export const TCP_NAGLE_OFF = 1;
export const TCP_NAGLE_CORK = 2;
export const TCP_NAGLE_PUSH = 4;

// tp.urg_data: the urgent byte itself is in the low 8 bits
export const TCP_URG_VALID = 0x0100;
export const TCP_URG_NOTYET = 0x0200;
export const TCP_URG_READ = 0x0400;

// tp.ecn_flags
export const TCP_ECN_OK = 1;
export const TCP_ECN_QUEUE_CWR = 2;
export const TCP_ECN_DEMAND_CWR = 4;
export const TCP_ECN_SEEN = 8;

// icsk_ca_state
export const TCP_CA_Open = 0;
export const TCP_CA_Disorder = 1;
export const TCP_CA_CWR = 2;
export const TCP_CA_Recovery = 3;
export const TCP_CA_Loss = 4;

// icsk_ack.pending
export const ICSK_ACK_SCHED = 1;
export const ICSK_ACK_TIMER = 2;
export const ICSK_ACK_PUSHED = 4;
export const ICSK_ACK_PUSHED2 = 8;
export const ICSK_ACK_NOW = 16;
export const ICSK_ACK_NOMEM = 32;

// icsk_pending: what the retransmit timer is armed for
export const ICSK_TIME_RETRANS = 1;
export const ICSK_TIME_PROBE0 = 3;
export const ICSK_TIME_LOSS_PROBE = 5;
export const ICSK_TIME_REO_TIMEOUT = 6;

/** Options of a received segment, and what was negotiated (struct tcp_options_received). */
export class TcpOptionsReceived {
  /** Seconds (host) when ts_recent was stored. */
  ts_recent_stamp = 0;
  ts_recent = 0;
  rcv_tsval = 0;
  rcv_tsecr = 0;
  saw_tstamp = false;
  tstamp_ok = false;
  dsack = false;
  wscale_ok = false;
  /** Bit 0: SACK permitted by both; bit 1: seen from the peer as in struct tcp_options_received. */
  sack_ok = 0;
  snd_wscale = 0;
  rcv_wscale = 0;
  user_mss = 0;
  mss_clamp = 0;
  num_sacks = 0;
  /** Where the SACK option of the segment at hand begins in its head; -1: it has none. */
  sack_at = -1;
}

/** A range of sequence numbers (struct tcp_sack_block). */
export class TcpSackBlock {
  start_seq = 0;
  end_seq = 0;
}

/** What we report, and what was reported to us. */
class TcpSacks {
  readonly duplicate_sack: TcpSackBlock[] = sack_blocks(1);
  readonly selective_acks: TcpSackBlock[] = sack_blocks(TCP_NUM_SACKS);
  readonly recv_sack_cache: TcpSackBlock[] = sack_blocks(TCP_NUM_SACKS);
}
const sack_blocks = (n: number): TcpSackBlock[] => Array.from({ length: n }, () => new TcpSackBlock());

/** Windowed minimum of the RTT over sysctl_tcp_min_rtt_wlen seconds: three samples, times in jiffies, values in us. */
export class Minmax {
  t0 = 0;
  t1 = 0;
  t2 = 0;
  v0 = -1;
  v1 = -1;
  v2 = -1;
}
/** All three samples are this one. -1: no value yet, larger than any. */
export function minmax_reset(m: Minmax, t: number, v: number): void {
  m.t0 = m.t1 = m.t2 = t;
  m.v0 = m.v1 = m.v2 = v;
}

/** The fields stand in the order of their use, so that a packet touches few lines of cache. Rare ones: tcp_sock_fields.ts. */
export class TcpSock extends TcpSockFields {
  // --- inet_connection_sock ---
  icsk_bind_hash: InetBindBucket | null = null;
  /** Established and listening sockets in their hash chain (ehash, lhash). */
  hash_next: InetEhashEntry | null = null;
  hash_prev: InetEhashEntry | null = null;
  /** 0, HASHED_EHASH or HASHED_LHASH2. */
  hashed = 0;
  sk_hash = 0;
  /** bind hash: sockets that share a local port. */
  bind_next: InetBindOwner | null = null;
  bind_prev: InetBindOwner | null = null;
  /** The listener, while not yet accepted. */
  parent: TcpSock | null = null;
  icsk_retransmit_timer: TimerList | null = null;
  icsk_delack_timer: TimerList | null = null;
  /** Keepalive, FIN_WAIT2 and the SYN-ACKs of a listener (sk_timer). */
  sk_timer: TimerList | null = null;
  icsk_ca_ops: TcpCongestionOps = null as unknown as TcpCongestionOps;
  /** Private state of the congestion control (icsk_ca_priv). */
  icsk_ca_priv: unknown = null;

  // --- tcp_sock ---
  bytes_received = 0;
  bytes_sent = 0;
  bytes_acked = 0;
  /** bytes/s; Infinity: not known, or not limited. */
  sk_pacing_rate = 0.5;
  /** ns: the earliest departure of the next packet (EDT pacing). */
  tcp_wstamp_ns = 0.5;
  ack_timeout = 0;
  /** ms (jiffies): when icsk_pending is due. */
  icsk_timeout = 0;
  /** Header prediction word (host order): header length, ACK, window. */
  pred_flags = 0;
  tcp_header_len = 20;
  rcv_nxt = 0;
  rcv_wup = 0;
  copied_seq = 0;
  rcv_wnd = 0;
  snd_una = 0;
  snd_nxt = 0;
  snd_wnd = 0;
  snd_wl1 = 0;
  max_window = 0;
  window_clamp = 0;
  /** us, the clock of the connection: sampled when a packet comes in or a call begins (tcp_mstamp_refresh). */
  tcp_mstamp = 0;
  /** jiffies */
  rcv_tstamp = 0;
  segs_in = 0;
  data_segs_in = 0;
  ack_pending = 0;
  ack_quick = 0;
  ack_pingpong = 0;
  ack_retry = 0;
  ack_ato = 0;
  ack_lrcvtime = 0;
  ack_last_seg_size = 0;
  ack_rcv_mss = 0;
  rcv_ssthresh = 0;
  /** Payload per memory of received packets, in 256ths. */
  scaling_ratio = 128;
  advmss = TCP_MSS_DEFAULT;
  icsk_ca_state = 0;
  urg_data = 0;
  rcv_rtt_last_tsecr = 0;
  compressed_ack = 0;
  packets_out = 0;
  sacked_out = 0;
  lost_out = 0;
  retrans_out = 0;
  delivered = 0;
  delivered_mstamp = 0;
  first_tx_mstamp = 0;
  rate_delivered = 0;
  rate_interval_us = 0;
  app_limited = 0;
  lost = 0;
  high_seq = 0;
  undo_marker = 0;
  tlp_high_seq = 0;
  snd_up = 0;
  /** us << 3 */
  srtt_us = 0;
  mdev_us = 0;
  mdev_max_us = 0;
  rttvar_us = 0;
  /** The RTT round of mdev_max_us ends when this is acknowledged. */
  rtt_seq = 0;
  rack_mstamp = 0;
  rack_rtt_us = 0;
  rack_end_seq = 0;
  rack_serial = 0;
  icsk_rto = TCP_TIMEOUT_INIT;
  icsk_pending = 0;
  icsk_backoff = 0;
  icsk_retransmits = 0;
  icsk_probes_out = 0;
  snd_cwnd = TCP_INIT_CWND;
  snd_ssthresh = TCP_INFINITE_SSTHRESH;
  /** The end of the window that was advertised: it may not shrink (RFC 9293 section 3.8.6.2.1). */
  write_seq = 0;
  pushed_seq = 0;
  snd_sml = 0;
  /** TCP_NAGLE_* bits. */
  nonagle = 0;
  mss_cache = TCP_MSS_DEFAULT;
  gso_segs = 65535;
  max_packets_out = 0;
  cwnd_usage_seq = 0;
  snd_cwnd_cnt = 0;
  snd_cwnd_used = 0;
  snd_cwnd_stamp = 0;
  lsndtime = 0;
  segs_out = 0;
  data_segs_out = 0;
  sk_wmem_queued = 0;
  /** Bytes (whole pages) taken from net.ipv4.tcp_mem. */
  sk_mem_allocated = 0;
  ecn_flags = 0;
  tsoffset = 0;
  tsq_flags = 0;
  sk_pacing_status = 0;
  sk_route_caps = 0;
  sk_gso_max_size = 65536;
  chrono_type = 0;
  icsk_rto_min = TCP_RTO_MIN;
  rcvq_space = 0;
  rcvq_seq = 0;
  rcvq_time = 0;
  icsk_pmtu_cookie = 1500;
  rcv_rtt_us = 0;
  rcv_rtt_seq = 0;
  rcv_rtt_time = 0;
  reordering = 3;
  rack_last_delivered = 0;
  rack_reo_wnd_steps = 1;
  dup_ack_counter = 0;
  retrans_stamp = 0;
  undo_retrans = -1;
  total_retrans = 0;
  prior_cwnd = 0;
  chrono_start = 0;
  /** jiffies spent in each of the spans (chrono_stat). */
  chrono_busy = 0;
  chrono_rwnd_limited = 0;
  chrono_sndbuf_limited = 0;
  snd_cwnd_clamp = 0x7fffffff;
  mtup_search_low = 0;
  mtup_search_high = 0;
  is_cwnd_limited = false;
  rate_app_limited = false;
  rack_advanced = false;
  icsk_ca_initialized = false;
  readonly rtt_min: Minmax = new Minmax();
  /** The route its segments come in by, for early demux; holds a reference. */
  sk_rx_dst: DstEntry | null = null;

  readonly rx_opt: TcpOptionsReceived = new TcpOptionsReceived();
  /** Sent and not acknowledged, in sequence order (tcp_rtx_queue). Not yet sent: sk_write_queue. */
  readonly tcp_rtx_queue: SkBuffHead = new SkBuffHead();
  /** Received out of order, in sequence order; NO_PACKETS until there is something. */
  out_of_order_queue: SkBuffHead = NO_PACKETS;
  /** Made with the first hole: most connections never have one. */
  private sacks: TcpSacks | null = null;
  get duplicate_sack(): TcpSackBlock[] {
    return this.sack_state().duplicate_sack;
  }
  get selective_acks(): TcpSackBlock[] {
    return this.sack_state().selective_acks;
  }
  get recv_sack_cache(): TcpSackBlock[] {
    return this.sack_state().recv_sack_cache;
  }
  private sack_state(): TcpSacks {
    if (this.sacks === null) this.sacks = new TcpSacks();
    return this.sacks;
  }
  /** The connection begins anew. */
  sacks_forget(): void {
    this.sacks = null;
  }
  /** The flow key in which a route is asked for: one for all, as none is kept. */
  override get fl4(): Flowi4 {
    return this.net.kernel.tcp_fl4;
  }
  highest_sack: SkBuff | null = null;
  retransmit_skb_hint: SkBuff | null = null;

  constructor(net: Net, family: number, prot: Proto) {
    super(net, family, prot);
    this.is_icsk = true;
    this.sk_pacing_rate = Number.POSITIVE_INFINITY;
    this.tcp_wstamp_ns = 0;
  }
}

export const tcp_sk = (sk: Sock): TcpSock => sk as TcpSock;

/** The receive window that is left of what was advertised. */
export function tcp_receive_window(tp: TcpSock): number {
  const win = (tp.rcv_wup + tp.rcv_wnd - tp.rcv_nxt) | 0;
  return win < 0 ? 0 : win;
}
export const tcp_wnd_end = (tp: TcpSock): number => (tp.snd_una + tp.snd_wnd) | 0;
export const tcp_left_out = (tp: TcpSock): number => tp.sacked_out + tp.lost_out;
export const tcp_packets_in_flight = (tp: TcpSock): number =>
  tp.packets_out - (tp.sacked_out + tp.lost_out) + tp.retrans_out;
export const tcp_in_slow_start = (tp: TcpSock): boolean => tp.snd_cwnd < tp.snd_ssthresh;
export const tcp_in_initial_slowstart = (tp: TcpSock): boolean => tp.snd_ssthresh >= TCP_INFINITE_SSTHRESH;
export const tcp_is_sack = (tp: TcpSock): boolean => (tp.rx_opt.sack_ok & 1) !== 0;
export const tcp_is_reno = (tp: TcpSock): boolean => (tp.rx_opt.sack_ok & 1) === 0;
export const tcp_in_cwnd_reduction = (tp: TcpSock): boolean =>
  tp.icsk_ca_state === TCP_CA_CWR || tp.icsk_ca_state === TCP_CA_Recovery;
export const tcp_current_ssthresh = (tp: TcpSock): number =>
  tcp_in_cwnd_reduction(tp) ? tp.snd_ssthresh : Math.max(tp.snd_ssthresh, (tp.snd_cwnd >> 1) + (tp.snd_cwnd >> 2));
export const tcp_min_rtt = (tp: TcpSock): number => tp.rtt_min.v0 >>> 0;
export const tcp_skb_pcount = (skb: SkBuff): number => skb.tcp_gso_segs;
export const tcp_skb_mss = (skb: SkBuff): number => skb.tcp_gso_size;
export const tcp_send_head = (tp: TcpSock): SkBuff | null => tp.sk_write_queue.next;
export const tcp_rtx_queue_head = (tp: TcpSock): SkBuff | null => tp.tcp_rtx_queue.next;
export const tcp_write_queue_tail = (tp: TcpSock): SkBuff | null => tp.sk_write_queue.prev;
export const tcp_rtx_and_write_queues_empty = (tp: TcpSock): boolean =>
  tp.tcp_rtx_queue.next === null && tp.sk_write_queue.next === null;
/** Bytes of the buffer that payload may take: the rest is what packets cost beside it (tcp_win_from_space). */
export const tcp_win_from_space = (tp: TcpSock, space: number): number => Math.floor((space * tp.scaling_ratio) / 256);
export const tcp_space_from_win = (tp: TcpSock, win: number): number => Math.floor((win * 256) / tp.scaling_ratio);
export const tcp_space = (tp: TcpSock): number => tcp_win_from_space(tp, tp.sk_rcvbuf - tp.sk_rmem_alloc);
export const tcp_full_space = (tp: TcpSock): number => tcp_win_from_space(tp, tp.sk_rcvbuf);

/** Microseconds of the machine's clock, int32. */
export const tcp_clock_us = (net: Net): number => (net.kernel.now / 1000) | 0;
/** Samples the clock (tcp_mstamp_refresh). */
export function tcp_mstamp_refresh(tp: TcpSock): void {
  const now = tp.net.kernel.now;
  tp.tcp_mstamp = Math.floor(now / 1000) | 0;
}
/** The timestamp clock of RFC 7323: milliseconds. */
export const tcp_time_stamp_ts = (tp: TcpSock): number => Math.floor(tp.net.kernel.now / 1e6) | 0;
/** jiffies() as int32: the same clock that timers have. */
export const tcp_jiffies32 = (net: Net): number => jiffies(net.kernel) | 0;
