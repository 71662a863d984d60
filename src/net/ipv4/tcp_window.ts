// The window we advertise. Mirrors __tcp_select_window() and tcp_select_window() of net/ipv4/tcp_output.c.
// Read first: RFC 9293 section 3.8.6.2 (silly window syndrome), RFC 7323 section 2. Way in: tcp_select_window().

import {
  LINUX_MIB_TCPFROMZEROWINDOWADV,
  LINUX_MIB_TCPTOZEROWINDOWADV,
  LINUX_MIB_TCPWANTZEROWINDOWADV,
} from "../core/snmp.ts";
import { SOCK_MIN_RCVBUF } from "../core/sock.ts";
import { ICSK_ACK_NOMEM, type TcpSock, tcp_full_space, tcp_receive_window, tcp_space } from "./tcp_sock.ts";

/** The most that may ever be advertised. What was advertised does not shrink; what may still be, follows. */
export function tcp_set_window_clamp(tp: TcpSock, val: number): void {
  const old = tp.window_clamp;
  const clamp = Math.max(val, SOCK_MIN_RCVBUF / 2);
  if (clamp === old) return;
  tp.window_clamp = clamp;
  if (clamp < old) tp.rcv_ssthresh = Math.min(tp.rcv_ssthresh, clamp);
  else tp.rcv_ssthresh = Math.max(Math.min(tp.rcv_wnd, clamp), tp.rcv_ssthresh);
}

const align_up = (n: number, shift: number): number => ((n + (1 << shift) - 1) >> shift) << shift;

/** What the buffer would allow: never a window that grows by less than a segment. */
export function __tcp_select_window(tp: TcpSock): number {
  let mss = tp.ack_rcv_mss;
  let free = tcp_space(tp);
  const allowed = tcp_full_space(tp);
  const full = Math.min(tp.window_clamp, allowed);
  if (mss > full) {
    mss = full;
    if (mss <= 0) return 0;
  }
  const wscale = tp.rx_opt.rcv_wscale;
  if (free < full >> 1) {
    tp.ack_quick = 0;
    // As the scale will round it, so that the window does not look open when it is not.
    free = (free >> wscale) << wscale;
    if (free < allowed >> 4 || free < mss) return 0;
  }
  if (free > tp.rcv_ssthresh) free = tp.rcv_ssthresh;
  if (wscale !== 0) return align_up(free, wscale);
  let window = tp.rcv_wnd;
  if (window <= free - mss || window > free) window = free - (free % mss);
  else if (mss === full && free > window + (full >> 1)) window = free;
  return window;
}

/** The window field of the segment that leaves now. What was offered is taken back only when there was no memory for it. */
export function tcp_select_window(tp: TcpSock): number {
  if ((tp.ack_pending & ICSK_ACK_NOMEM) !== 0) {
    // Else the peer would send it again and again, and give up.
    tp.pred_flags = 0;
    tp.rcv_wnd = 0;
    tp.rcv_wup = tp.rcv_nxt;
    return 0;
  }
  const mib = tp.net.mib.linux;
  const old = tp.rcv_wnd;
  const cur = tcp_receive_window(tp);
  const wscale = tp.rx_opt.rcv_wscale;
  let win = __tcp_select_window(tp);
  if (win < cur) {
    if (win === 0) mib[LINUX_MIB_TCPWANTZEROWINDOWADV]!++;
    win = align_up(cur, wscale);
  }
  tp.rcv_wnd = win;
  tp.rcv_wup = tp.rcv_nxt;
  const max = wscale === 0 && tp.net.ipv4.sysctl_tcp_workaround_signed_windows !== 0 ? 32767 : 65535 << wscale;
  win = Math.min(win, max) >> wscale;
  if (win === 0) {
    tp.pred_flags = 0;
    if (old !== 0) mib[LINUX_MIB_TCPTOZEROWINDOWADV]!++;
  } else if (old === 0) mib[LINUX_MIB_TCPFROMZEROWINDOWADV]!++;
  return win;
}
