// What is remembered of peers between connections: RTT, ssthresh, reordering, and the Fast Open cookie.
// Mirrors net/ipv4/tcp_metrics.c. Read first: RFC 9040 (sharing of control blocks), ip-tcp_metrics(8).
// Way in: tcp_init_metrics() when a connection is established, tcp_update_metrics() when it ends.
// DIFF: a bounded table in order of creation, not a hash whose chains forget their oldest. Generic netlink: tcp_metrics_netlink.ts.

import type { Kernel } from "../../kernel/kernel.ts";
import { jiffies } from "../../kernel/kernel.ts";
import {
  TCP_METRIC_CWND,
  TCP_METRIC_REORDERING,
  TCP_METRIC_RTT,
  TCP_METRIC_RTTVAR,
  TCP_METRIC_SSTHRESH,
} from "../../uapi/genetlink.ts";
import { RTAX_CWND, RTAX_LOCK, RTAX_REORDERING, RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH } from "../../uapi/rtnetlink.ts";
import type { DstEntry } from "../core/dst.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { __sk_dst_check, type Sock } from "../core/sock.ts";
import type { RequestSock } from "./inet_connection_sock.ts";
import { tcp_rto_min } from "./tcp_ack.ts";
import type { FastopenCookie } from "./tcp_parse.ts";
import {
  TCP_CA_Open,
  TCP_INFINITE_SSTHRESH,
  TCP_TIMEOUT_FALLBACK,
  type TcpSock,
  tcp_in_initial_slowstart,
  tcp_in_slow_start,
  tcp_sk,
} from "./tcp_sock.ts";

/** Peers remembered per namespace; beyond it the oldest is forgotten. */
const TCP_METRICS_MAX = 8192;
/** What a route says is read again after an hour. */
const TCP_METRICS_TIMEOUT = 60 * 60 * 1000;

// tcpm_vals, and bits of tcpm_lock
const TCP_METRIC_MAX = 5;
const RTAX_OF: readonly number[] = [RTAX_RTT, RTAX_RTTVAR, RTAX_SSTHRESH, RTAX_CWND, RTAX_REORDERING];

/** What Fast Open knows of a peer (tcp_fastopen_metrics). */
class TcpFastopenMetrics {
  mss = 0;
  /** SYNs with data that got lost in a row, and when the last one did (jiffies). */
  syn_loss = 0;
  last_syn_loss = 0;
  /** 1: ask with the experimental option next; 2: it was tried. */
  try_exp = 0;
  cookie: FastopenCookieValue | null = null;
}

interface FastopenCookieValue {
  len: number;
  exp: boolean;
  val: Uint8Array;
}

export class TcpMetricsBlock {
  next: TcpMetricsBlock | null = null;
  readonly tcpm_saddr: number;
  readonly tcpm_daddr: number;
  /** jiffies when the values of the route were taken. */
  tcpm_stamp = 0;
  tcpm_lock = 0;
  /** RTT and its variance in us << 3 and us << 2, as srtt_us and mdev_us. */
  readonly tcpm_vals: Float64Array = new Float64Array(TCP_METRIC_MAX);
  tcpm_fastopen: TcpFastopenMetrics | null = null;
  constructor(saddr: number, daddr: number) {
    this.tcpm_saddr = saddr;
    this.tcpm_daddr = daddr;
  }
}

/** By destination; those of different sources are chained. */
class TcpMetricsTable {
  readonly by_daddr: Map<number, TcpMetricsBlock> = new Map();
  count = 0;
}

declare module "../core/net_namespace.ts" {
  interface Net {
    tcp_metrics: TcpMetricsTable;
  }
}

export function tcp_metrics_init(k: Kernel): void {
  register_pernet_subsys(k, {
    init: (net) => {
      net.tcp_metrics = new TcpMetricsTable();
    },
    exit: (net) => net.tcp_metrics.by_daddr.clear(),
  });
}

/** Takes what the route says, and which of it may not be changed. */
function tcpm_suck_dst(tm: TcpMetricsBlock, dst: DstEntry, fastopen_clear: boolean): void {
  tm.tcpm_stamp = jiffies(dst.net.kernel);
  tm.tcpm_lock = 0;
  const locked = dst.metrics[RTAX_LOCK]!;
  for (let i = 0; i < TCP_METRIC_MAX; i++) {
    if ((locked & (1 << RTAX_OF[i]!)) !== 0) tm.tcpm_lock |= 1 << i;
    const v = dst.metrics[RTAX_OF[i]!]!;
    // Routes count in ms.
    tm.tcpm_vals[i] = i <= TCP_METRIC_RTTVAR ? v * 1000 : v;
  }
  if (fastopen_clear) tm.tcpm_fastopen = null;
}

function lookup(net: Net, saddr: number, daddr: number): TcpMetricsBlock | null {
  let tm = net.tcp_metrics.by_daddr.get(daddr) ?? null;
  while (tm !== null && tm.tcpm_saddr !== saddr) tm = tm.next;
  return tm;
}

function get_metrics(net: Net, saddr: number, daddr: number, dst: DstEntry, create: boolean): TcpMetricsBlock | null {
  let tm = lookup(net, saddr, daddr);
  if (tm !== null) {
    if (jiffies(net.kernel) - tm.tcpm_stamp > TCP_METRICS_TIMEOUT) tcpm_suck_dst(tm, dst, false);
    return tm;
  }
  if (!create) return null;
  const table = net.tcp_metrics;
  if (table.count >= TCP_METRICS_MAX) {
    const oldest = table.by_daddr.keys().next().value!;
    for (let o = table.by_daddr.get(oldest) ?? null; o !== null; o = o.next) table.count--;
    table.by_daddr.delete(oldest);
  }
  tm = new TcpMetricsBlock(saddr, daddr);
  tcpm_suck_dst(tm, dst, true);
  tm.next = table.by_daddr.get(daddr) ?? null;
  table.by_daddr.set(daddr, tm);
  table.count++;
  return tm;
}

/** What is kept of a peer; without a source, of the first that was met. */
export function tcp_metrics_find(net: Net, saddr: number | null, daddr: number): TcpMetricsBlock | null {
  return saddr !== null ? lookup(net, saddr, daddr) : (net.tcp_metrics.by_daddr.get(daddr) ?? null);
}

/** Forgets a peer, from one source or from all. Was there anything? */
export function tcp_metrics_del(net: Net, saddr: number | null, daddr: number): boolean {
  const table = net.tcp_metrics;
  let kept: TcpMetricsBlock | null = null;
  let found = false;
  for (let tm = table.by_daddr.get(daddr) ?? null; tm !== null; ) {
    const next: TcpMetricsBlock | null = tm.next;
    if (saddr === null || tm.tcpm_saddr === saddr) {
      found = true;
      table.count--;
    } else {
      tm.next = kept;
      kept = tm;
    }
    tm = next;
  }
  if (kept !== null) table.by_daddr.set(daddr, kept);
  else table.by_daddr.delete(daddr);
  return found;
}

export function tcp_metrics_flush_all(net: Net): void {
  net.tcp_metrics.by_daddr.clear();
  net.tcp_metrics.count = 0;
}

export function* tcp_metrics_for_each(net: Net): Generator<TcpMetricsBlock> {
  for (const first of net.tcp_metrics.by_daddr.values()) {
    for (let tm: TcpMetricsBlock | null = first; tm !== null; tm = tm.next) yield tm;
  }
}

const tcp_get_metrics = (tp: TcpSock, dst: DstEntry, create: boolean): TcpMetricsBlock | null =>
  get_metrics(tp.net, tp.inet_saddr, tp.inet_daddr, dst, create);

const tcp_metric_locked = (tm: TcpMetricsBlock, i: number): boolean => (tm.tcpm_lock & (1 << i)) !== 0;

/** The connection ends, or goes to TIME_WAIT: the next one to this peer may begin with what it learned. */
export function tcp_update_metrics(sk: Sock): void {
  const tp = tcp_sk(sk);
  const v4 = sk.net.ipv4;
  const dst = sk.sk_dst_cache;
  // The peer was there: its neighbour entry is good.
  sk.sk_dst_pending_confirm = true;
  if (v4.sysctl_tcp_nometrics_save !== 0 || dst === null) return;
  if (tp.icsk_backoff !== 0 || tp.srtt_us === 0) {
    // It never got through: do not pretend to know the peer.
    const old = tcp_get_metrics(tp, dst, false);
    if (old !== null && !tcp_metric_locked(old, TCP_METRIC_RTT)) old.tcpm_vals[TCP_METRIC_RTT] = 0;
    return;
  }
  const tm = tcp_get_metrics(tp, dst, true)!;
  const vals = tm.tcpm_vals;
  const rtt = vals[TCP_METRIC_RTT]!;
  const m = rtt - tp.srtt_us;
  // A larger RTT is taken at once, a smaller one by an eighth of the difference.
  if (!tcp_metric_locked(tm, TCP_METRIC_RTT)) vals[TCP_METRIC_RTT] = m <= 0 ? tp.srtt_us : rtt - (m >> 3);
  if (!tcp_metric_locked(tm, TCP_METRIC_RTTVAR)) {
    const dev = Math.max(Math.abs(m) >> 1, tp.mdev_us);
    const v = vals[TCP_METRIC_RTTVAR]!;
    vals[TCP_METRIC_RTTVAR] = dev >= v ? dev : v - ((v - dev) >> 2);
  }
  const keep_ssthresh = v4.sysctl_tcp_no_ssthresh_metrics_save === 0 && !tcp_metric_locked(tm, TCP_METRIC_SSTHRESH);
  const keep_cwnd = !tcp_metric_locked(tm, TCP_METRIC_CWND);
  const ssthresh = vals[TCP_METRIC_SSTHRESH]!;
  const cwnd = vals[TCP_METRIC_CWND]!;
  if (tcp_in_initial_slowstart(tp)) {
    // No loss was seen: the stored threshold is no lower than this window.
    if (keep_ssthresh && ssthresh !== 0 && tp.snd_cwnd >> 1 > ssthresh) vals[TCP_METRIC_SSTHRESH] = tp.snd_cwnd >> 1;
    if (keep_cwnd && tp.snd_cwnd > cwnd) vals[TCP_METRIC_CWND] = tp.snd_cwnd;
  } else if (!tcp_in_slow_start(tp) && tp.icsk_ca_state === TCP_CA_Open) {
    if (keep_ssthresh) vals[TCP_METRIC_SSTHRESH] = Math.max(tp.snd_cwnd >> 1, tp.snd_ssthresh);
    if (keep_cwnd) vals[TCP_METRIC_CWND] = (cwnd + tp.snd_cwnd) >>> 1;
  } else {
    if (keep_cwnd) vals[TCP_METRIC_CWND] = (cwnd + tp.snd_ssthresh) >>> 1;
    if (keep_ssthresh && ssthresh !== 0 && tp.snd_ssthresh > ssthresh) vals[TCP_METRIC_SSTHRESH] = tp.snd_ssthresh;
  }
  if (
    !tcp_metric_locked(tm, TCP_METRIC_REORDERING) &&
    vals[TCP_METRIC_REORDERING]! < tp.reordering &&
    tp.reordering !== v4.sysctl_tcp_reordering
  ) {
    vals[TCP_METRIC_REORDERING] = tp.reordering;
  }
}

/** The connection is established. */
export function tcp_init_metrics(sk: Sock): void {
  const tp = tcp_sk(sk);
  const dst = __sk_dst_check(sk, 0);
  let crtt = 0;
  sk.sk_dst_pending_confirm = true;
  // A lost SYN may have lowered it: that says nothing of the path for data.
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  const tm = dst !== null ? tcp_get_metrics(tp, dst, false) : null;
  if (tm !== null) {
    if (tcp_metric_locked(tm, TCP_METRIC_CWND)) tp.snd_cwnd_clamp = tm.tcpm_vals[TCP_METRIC_CWND]!;
    const ssthresh = sk.net.ipv4.sysctl_tcp_no_ssthresh_metrics_save !== 0 ? 0 : tm.tcpm_vals[TCP_METRIC_SSTHRESH]!;
    if (ssthresh !== 0) tp.snd_ssthresh = Math.min(ssthresh, tp.snd_cwnd_clamp);
    const reordering = tm.tcpm_vals[TCP_METRIC_REORDERING]!;
    if (reordering !== 0) tp.reordering = reordering;
    crtt = tm.tcpm_vals[TCP_METRIC_RTT]!;
  }
  if (crtt > tp.srtt_us) {
    // The handshake was of small packets: with what the path is known to take, the first RTO is not too short.
    const rtt = Math.floor(crtt / 8000);
    tp.icsk_rto = rtt + Math.max(2 * rtt, tcp_rto_min(tp));
  } else if (tp.srtt_us === 0) {
    // RFC 6298 (5.7): the SYN was retransmitted and there is no timestamp to tell how long it took.
    tp.rttvar_us = TCP_TIMEOUT_FALLBACK * 1000;
    tp.mdev_us = tp.rttvar_us;
    tp.mdev_max_us = tp.rttvar_us;
    tp.icsk_rto = TCP_TIMEOUT_FALLBACK;
  }
}

/** Have we talked to this peer before? Then it is no spoofed address, and its request may take one of the last places. */
export function tcp_peer_is_proven(req: RequestSock, dst: DstEntry | null): boolean {
  if (dst === null) return false;
  const tm = get_metrics(dst.net, req.ir_loc_addr, req.ir_rmt_addr, dst, false);
  return tm !== null && tm.tcpm_vals[TCP_METRIC_RTT] !== 0;
}

// --- Fast Open --------------------------------------------------------------------------------------------------------

/** What is known of the peer into `cookie`; returns the MSS it announced, 0 when nothing is known. */
export function tcp_fastopen_cache_get(sk: Sock, cookie: FastopenCookie): number {
  const tp = tcp_sk(sk);
  const dst = sk.sk_dst_cache;
  const tm = dst !== null ? tcp_get_metrics(tp, dst, false) : null;
  const tfom = tm !== null ? tm.tcpm_fastopen : null;
  if (tfom === null) return 0;
  if (tfom.cookie !== null) {
    cookie.len = tfom.cookie.len;
    cookie.exp = tfom.cookie.exp;
    cookie.val.set(tfom.cookie.val);
  }
  if (cookie.len <= 0 && tfom.try_exp === 1) cookie.exp = true;
  return tfom.mss;
}

/** `syn_lost`: the SYN with data, or with the option, had to be sent again; `try_exp`: see TcpFastopenMetrics. */
export function tcp_fastopen_cache_set(
  sk: Sock,
  mss: number,
  cookie: FastopenCookie | null,
  syn_lost: boolean,
  try_exp: number,
): void {
  const tp = tcp_sk(sk);
  const dst = __sk_dst_check(sk, 0);
  if (dst === null) return;
  const tm = tcp_get_metrics(tp, dst, true)!;
  tm.tcpm_fastopen ??= new TcpFastopenMetrics();
  const tfom = tm.tcpm_fastopen;
  if (mss !== 0) tfom.mss = mss;
  if (cookie !== null && cookie.len > 0) {
    tfom.cookie = { len: cookie.len, exp: cookie.exp, val: cookie.val.slice(0, cookie.len) };
  } else if (try_exp > tfom.try_exp && (tfom.cookie === null || (tfom.cookie.len <= 0 && !tfom.cookie.exp))) {
    tfom.try_exp = try_exp;
  }
  if (syn_lost) {
    tfom.syn_loss++;
    tfom.last_syn_loss = jiffies(sk.net.kernel);
  } else {
    tfom.syn_loss = 0;
  }
}
