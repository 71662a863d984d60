// struct tcp_info: what getsockopt(TCP_INFO) and `ss -i` tell of a connection. Mirrors tcp_get_info() of net/ipv4/tcp.c.
// Read first: linux/tcp.h, struct tcp_info. Way in: tcp_get_info().

import { jiffies } from "../../kernel/kernel.ts";
import {
  TCPI_OPT_ECN,
  TCPI_OPT_ECN_SEEN,
  TCPI_OPT_SACK,
  TCPI_OPT_SYN_DATA,
  TCPI_OPT_TIMESTAMPS,
  TCPI_OPT_WSCALE,
} from "../../uapi/tcp.ts";
import { type Sock, TCP_LISTEN } from "../core/sock.ts";
import { TCP_CHRONO_BUSY, TCP_CHRONO_RWND_LIMITED, TCP_CHRONO_SNDBUF_LIMITED } from "./tcp_output.ts";
import { TCP_ECN_OK, TCP_ECN_SEEN, type TcpSock, tcp_is_sack, tcp_jiffies32, tcp_min_rtt, tcp_sk } from "./tcp_sock.ts";

/** sizeof(struct tcp_info) of Linux 6.18. */
export const TCP_INFO_LEN = 280;

const buf = (): DataView => new DataView(new ArrayBuffer(TCP_INFO_LEN));

function put_u64(dv: DataView, at: number, v: number): void {
  if (v === Number.POSITIVE_INFINITY) {
    dv.setUint32(at, 0xffffffff, true);
    dv.setUint32(at + 4, 0xffffffff, true);
    return;
  }
  const n = Math.floor(v);
  dv.setUint32(at, n % 2 ** 32, true);
  dv.setUint32(at + 4, Math.floor(n / 2 ** 32), true);
}

/** Microseconds spent in each kind of waiting; the kind that goes on now up to now. */
function chrono_us(tp: TcpSock, type: number): number {
  let ms = 0;
  if (type === TCP_CHRONO_BUSY) ms = tp.chrono_busy;
  else if (type === TCP_CHRONO_RWND_LIMITED) ms = tp.chrono_rwnd_limited;
  else if (type === TCP_CHRONO_SNDBUF_LIMITED) ms = tp.chrono_sndbuf_limited;
  if (tp.chrono_type === type) ms += (jiffies(tp.net.kernel) - tp.chrono_start) | 0;
  return ms * 1000;
}

/** bytes/s of the best recent sample. */
export function tcp_compute_delivery_rate(tp: TcpSock): number {
  return tp.rate_delivered !== 0 && tp.rate_interval_us !== 0
    ? (tp.rate_delivered * tp.mss_cache * 1e6) / tp.rate_interval_us
    : 0;
}

function fill(tp: TcpSock, dv: DataView): void {
  const k = tp.net.kernel;
  const now = jiffies(k);
  const since = (then: number): number => (now - then) >>> 0;
  const u32 = (at: number, v: number): void => dv.setUint32(at, v >>> 0, true);
  dv.setUint8(0, tp.sk_state);
  put_u64(dv, 104, tp.sk_pacing_rate);
  put_u64(dv, 112, tp.sk_max_pacing_rate);
  u32(88, tp.reordering);
  u32(80, tp.snd_cwnd);
  if (tp.sk_state === TCP_LISTEN) {
    // A listener has the accept queue in the place of the flight: how long it is, how long it may be.
    u32(24, tp.sk_ack_backlog);
    u32(28, tp.sk_max_ack_backlog);
    return;
  }
  const rx = tp.rx_opt;
  dv.setUint8(1, tp.icsk_ca_state);
  dv.setUint8(2, tp.icsk_retransmits);
  dv.setUint8(3, tp.icsk_probes_out);
  dv.setUint8(4, tp.icsk_backoff);
  let options = 0;
  if (rx.tstamp_ok) options |= TCPI_OPT_TIMESTAMPS;
  if (tcp_is_sack(tp)) options |= TCPI_OPT_SACK;
  if (rx.wscale_ok) {
    options |= TCPI_OPT_WSCALE;
    dv.setUint8(6, (rx.snd_wscale & 15) | (rx.rcv_wscale << 4));
  }
  if ((tp.ecn_flags & TCP_ECN_OK) !== 0) options |= TCPI_OPT_ECN;
  if ((tp.ecn_flags & TCP_ECN_SEEN) !== 0) options |= TCPI_OPT_ECN_SEEN;
  if (tp.syn_data_acked) options |= TCPI_OPT_SYN_DATA;
  dv.setUint8(5, options);
  dv.setUint8(7, (tp.rate_app_limited ? 1 : 0) | ((tp.fastopen_client_fail & 3) << 1));
  u32(8, tp.icsk_rto * 1000);
  u32(12, tp.ack_ato * 1000);
  u32(16, tp.mss_cache);
  u32(20, tp.ack_rcv_mss);
  u32(24, tp.packets_out);
  u32(28, tp.sacked_out);
  u32(32, tp.lost_out);
  u32(36, tp.retrans_out);
  // 40 tcpi_fackets: FACK is gone.
  u32(44, since(tp.lsndtime));
  // 48 tcpi_last_ack_sent: never kept.
  u32(52, since(tp.ack_lrcvtime));
  u32(56, since(tp.rcv_tstamp));
  u32(60, tp.icsk_pmtu_cookie);
  u32(64, tp.rcv_ssthresh);
  u32(68, tp.srtt_us >>> 3);
  u32(72, tp.mdev_us >>> 2);
  u32(76, tp.snd_ssthresh);
  u32(84, tp.advmss);
  u32(92, tp.rcv_rtt_us >>> 3);
  u32(96, tp.rcvq_space);
  u32(100, tp.total_retrans);
  put_u64(dv, 120, tp.bytes_acked);
  put_u64(dv, 128, tp.bytes_received);
  u32(136, tp.segs_out);
  u32(140, tp.segs_in);
  u32(144, Math.max(0, (tp.write_seq - tp.snd_nxt) | 0));
  u32(148, tcp_min_rtt(tp));
  u32(152, tp.data_segs_in);
  u32(156, tp.data_segs_out);
  put_u64(dv, 160, tcp_compute_delivery_rate(tp));
  const rwnd = chrono_us(tp, TCP_CHRONO_RWND_LIMITED);
  const sndbuf = chrono_us(tp, TCP_CHRONO_SNDBUF_LIMITED);
  put_u64(dv, 168, chrono_us(tp, TCP_CHRONO_BUSY) + rwnd + sndbuf);
  put_u64(dv, 176, rwnd);
  put_u64(dv, 184, sndbuf);
  u32(192, tp.delivered);
  u32(196, tp.delivered_ce);
  put_u64(dv, 200, tp.bytes_sent);
  put_u64(dv, 208, tp.bytes_retrans);
  u32(216, tp.dsack_dups);
  u32(220, tp.reord_seen);
  u32(224, tp.rcv_ooopack);
  u32(228, tp.snd_wnd);
  u32(232, tp.rcv_wnd);
  // 236 tcpi_rehash: no path is chosen by a hash that a timeout could change.
  dv.setUint16(240, tp.total_rto, true);
  dv.setUint16(242, tp.total_rto_recoveries, true);
  u32(244, tp.total_rto_time + (tp.rto_stamp !== 0 ? (tcp_jiffies32(tp.net) - tp.rto_stamp) >>> 0 : 0));
  // 248 to 279 belong to Accurate ECN (RFC 9768): never negotiated here.
}

/** Fills as much of struct tcp_info as `out` holds; returns that length. */
export function tcp_get_info(sk: Sock, out: DataView): number {
  const n = Math.min(out.byteLength, TCP_INFO_LEN);
  const whole = n === TCP_INFO_LEN ? out : buf();
  new Uint8Array(whole.buffer, whole.byteOffset, TCP_INFO_LEN).fill(0);
  fill(tcp_sk(sk), whole);
  if (whole !== out) {
    new Uint8Array(out.buffer, out.byteOffset, n).set(new Uint8Array(whole.buffer, whole.byteOffset, n));
  }
  return n;
}
