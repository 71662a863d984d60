// How long a segment may be: MSS, path MTU, and its probing (RFC 4821). Mirrors the MSS half of net/ipv4/tcp_output.c.
// Way in: tcp_current_mss(), tcp_sync_mss(), tcp_select_initial_window().

import type { Kernel } from "../../kernel/kernel.ts";
import { jiffies } from "../../kernel/kernel.ts";
import { TCPH_LEN } from "../../uapi/ip.ts";
import { RTAX_ADVMSS } from "../../uapi/rtnetlink.ts";
import type { DstEntry } from "../core/dst.ts";
import { __sk_dst_check, type Sock } from "../core/sock.ts";
import { tcp_established_options } from "./tcp_options.ts";
import { TCP_MAX_WSCALE, type TcpSock, tcp_sk } from "./tcp_sock.ts";

const IPHDR_LEN = 20;

/** What dst says: its MTU (RTAX_MTU, learnt path MTU, or the device's). */
export const dst_mtu = (dst: DstEntry): number => dst.ops.mtu(dst);

function __tcp_mtu_to_mss(tp: TcpSock, pmtu: number): number {
  let mss = pmtu - IPHDR_LEN - TCPH_LEN;
  if (mss > tp.rx_opt.mss_clamp) mss = tp.rx_opt.mss_clamp;
  mss -= tp.icsk_ext_hdr_len;
  return Math.max(mss, tp.net.ipv4.sysctl_tcp_min_snd_mss);
}
/** The payload that fits into `pmtu` with the options of every segment. */
export const tcp_mtu_to_mss = (sk: Sock, pmtu: number): number =>
  __tcp_mtu_to_mss(tcp_sk(sk), pmtu) - (tcp_sk(sk).tcp_header_len - TCPH_LEN);
export const tcp_mss_to_mtu = (sk: Sock, mss: number): number =>
  mss + tcp_sk(sk).tcp_header_len + tcp_sk(sk).icsk_ext_hdr_len + IPHDR_LEN;

export function tcp_mtup_init(sk: Sock): void {
  const tp = tcp_sk(sk);
  const ipv4 = sk.net.ipv4;
  tp.mtup_enabled = ipv4.sysctl_tcp_mtu_probing > 1;
  tp.mtup_search_high = tp.rx_opt.mss_clamp + TCPH_LEN + IPHDR_LEN;
  tp.mtup_search_low = tcp_mss_to_mtu(sk, ipv4.sysctl_tcp_base_mss);
  tp.mtup_probe_size = 0;
  if (tp.mtup_enabled) tp.mtup_probe_timestamp = jiffies(sk.net.kernel);
}

/** A segment takes at most half of the largest window seen: small devices never advertise two full segments. */
function tcp_bound_to_half_wnd(tp: TcpSock, pktsize: number): number {
  const cutoff = tp.max_window > 536 ? tp.max_window >> 1 : tp.max_window;
  return cutoff !== 0 && pktsize > cutoff ? Math.max(cutoff, 68 - tp.tcp_header_len) : pktsize;
}

export function tcp_sync_mss(sk: Sock, pmtu: number): number {
  const tp = tcp_sk(sk);
  if (tp.mtup_search_high > pmtu) tp.mtup_search_high = pmtu;
  let mss = tcp_bound_to_half_wnd(tp, tcp_mtu_to_mss(sk, pmtu));
  tp.icsk_pmtu_cookie = pmtu;
  if (tp.mtup_enabled) mss = Math.min(mss, tcp_mtu_to_mss(sk, tp.mtup_search_low));
  tp.mss_cache = mss;
  return mss;
}

/** What a segment that is built now may carry: the path may have changed, and SACK blocks take room. */
export function tcp_current_mss(sk: Sock): number {
  const tp = tcp_sk(sk);
  let mss = tp.mss_cache;
  const dst = __sk_dst_check(sk, 0);
  if (dst !== null) {
    const mtu = dst_mtu(dst);
    if (mtu !== tp.icsk_pmtu_cookie) mss = tcp_sync_mss(sk, mtu);
  }
  const header = TCPH_LEN + tcp_established_options(tp);
  if (header !== tp.tcp_header_len) mss -= header - tp.tcp_header_len;
  return mss;
}

/** The MSS to advertise: what comes in must fit through our own device. */
export function tcp_advertise_mss(sk: Sock): number {
  const tp = tcp_sk(sk);
  const dst = __sk_dst_check(sk, 0);
  if (dst !== null) {
    const mss = dst_metric_advmss(dst);
    if (mss < tp.advmss) tp.advmss = mss;
  }
  return tp.advmss;
}
export const dst_metric_advmss = (dst: DstEntry): number =>
  dst.metrics[RTAX_ADVMSS] !== 0 ? dst.metrics[RTAX_ADVMSS]! : dst.ops.default_advmss(dst);

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Result of tcp_select_initial_window(). */
    tcp_init_win: { rcv_wnd: number; window_clamp: number; rcv_wscale: number };
  }
}

/** The first window and the scale of all later ones (RFC 7323 section 2). */
export function tcp_select_initial_window(
  sk: Sock,
  space: number,
  mss: number,
  clamp: number,
  wscale_ok: boolean,
  init_rcv_wnd: number,
): void {
  const k: Kernel = sk.net.kernel;
  const ipv4 = sk.net.ipv4;
  const out = k.tcp_init_win;
  if (space < 0) space = 0;
  let limit = clamp === 0 ? 65535 << TCP_MAX_WSCALE : clamp;
  space = Math.min(limit, space);
  if (space > mss) space -= space % mss;
  // A SYN cannot say more than 65535, but all of it stands behind: the first ACK opens the rest (Linux 6.18).
  out.rcv_wnd = ipv4.sysctl_tcp_workaround_signed_windows !== 0 ? Math.min(space, 32767) : space;
  if (init_rcv_wnd > 0) out.rcv_wnd = Math.min(out.rcv_wnd, init_rcv_wnd * mss);
  out.rcv_wscale = 0;
  if (wscale_ok) {
    const most = Math.min(Math.max(space, ipv4.sysctl_tcp_rmem[2]!, sk.net.sysctl_rmem_max), limit);
    out.rcv_wscale = Math.min(Math.max(31 - Math.clz32(most) - 15, 0), TCP_MAX_WSCALE);
  }
  const scale = out.rcv_wscale;
  limit = Math.min(65535 << scale, limit);
  out.window_clamp = limit;
}
