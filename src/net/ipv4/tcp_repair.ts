// TCP_REPAIR: a connection is taken out of one socket, and put into another, without its peer hearing of it. Mirrors the repair
// parts of net/ipv4/tcp.c and tcp_input.c. Read first: the section on connection repair in CRIU's documentation, tcp(7).
// Way in: the options TCP_REPAIR, TCP_REPAIR_QUEUE, TCP_QUEUE_SEQ, TCP_REPAIR_OPTIONS, TCP_REPAIR_WINDOW (tcp_opts.ts).

import { EFBIG, EINVAL, ENOMEM, EPERM } from "../../uapi/errno.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { memcpy_from_msg } from "../core/datagram.ts";
import { alloc_skb, SKB_MAX_ALLOC, skb_put } from "../core/skbuff.ts";
import { type Sock, TCP_CLOSE, TCP_ESTABLISHED, TCP_LISTEN } from "../core/sock.ts";
import { tcp_queue_rcv } from "./tcp_data.ts";
import { tcp_mtup_init } from "./tcp_mss.ts";
import { tcp_send_window_probe } from "./tcp_output_ctl.ts";
import { after, TCP_MAX_WSCALE, type TcpSock, tcp_sk } from "./tcp_sock.ts";

/** sk_reuse of a socket under repair: it may bind over its former self. */
const SK_FORCE_REUSE = 2;
// TCP_REPAIR and TCP_REPAIR_QUEUE
const TCP_REPAIR_ON = 1;
const TCP_REPAIR_OFF = 0;
const TCP_REPAIR_OFF_NO_WP = -1;
const TCP_NO_QUEUE = 0;
export const TCP_RECV_QUEUE = 1;
export const TCP_SEND_QUEUE = 2;
export const TCP_QUEUES_NR = 3;

const closed = (sk: Sock): boolean => sk.sk_state === TCP_CLOSE;

export function tcp_repair_set(tp: TcpSock, val: number): number {
  if (tp.sk_state === TCP_LISTEN) return -EPERM;
  switch (val) {
    case TCP_REPAIR_ON:
      tp.repair = true;
      tp.sk_reuse = SK_FORCE_REUSE;
      tp.repair_queue = TCP_NO_QUEUE;
      return 0;
    case TCP_REPAIR_OFF:
      tp.repair = false;
      tp.sk_reuse = 0;
      tcp_send_window_probe(tp);
      return 0;
    case TCP_REPAIR_OFF_NO_WP:
      tp.repair = false;
      tp.sk_reuse = 0;
      return 0;
    default:
      return -EINVAL;
  }
}

export function tcp_repair_queue_seq(tp: TcpSock, val: number): number {
  if (!closed(tp)) return -EPERM;
  if (tp.repair_queue === TCP_SEND_QUEUE) {
    if (tp.tcp_rtx_queue.next !== null) return -EPERM;
    tp.write_seq = val;
    return 0;
  }
  if (tp.repair_queue !== TCP_RECV_QUEUE) return -EINVAL;
  if (tp.rcv_nxt !== tp.copied_seq) return -EPERM;
  tp.rcv_nxt = val;
  tp.copied_seq = val;
  return 0;
}

/** Pairs (option kind, value) of what the handshake had agreed on. */
export function tcp_repair_options(tp: TcpSock, v: Uint8Array): number {
  if (tp.sk_state !== TCP_ESTABLISHED || tp.bytes_sent !== 0) return -EPERM;
  const dv = new DataView(v.buffer, v.byteOffset, v.byteLength);
  for (let at = 0; at + 8 <= v.length; at += 8) {
    const val = dv.getUint32(at + 4, true);
    switch (dv.getUint32(at, true)) {
      case 2: // MSS
        tp.rx_opt.mss_clamp = val;
        tcp_mtup_init(tp);
        break;
      case 3: // window scale
        if ((val & 0xffff) > TCP_MAX_WSCALE || val >>> 16 > TCP_MAX_WSCALE) return -EFBIG;
        tp.rx_opt.snd_wscale = val & 0xffff;
        tp.rx_opt.rcv_wscale = val >>> 16;
        tp.rx_opt.wscale_ok = true;
        break;
      case 4: // SACK permitted
        if (val !== 0) return -EINVAL;
        tp.rx_opt.sack_ok |= 1;
        break;
      case 8: // timestamps
        if (val !== 0) return -EINVAL;
        tp.rx_opt.tstamp_ok = true;
        break;
    }
  }
  return 0;
}

/** struct tcp_repair_window: snd_wl1, snd_wnd, max_window, rcv_wnd, rcv_wup. */
export function tcp_repair_set_window(tp: TcpSock, v: Uint8Array): number {
  if (!tp.repair) return -EPERM;
  if (v.length !== 20) return -EINVAL;
  const dv = new DataView(v.buffer, v.byteOffset, v.byteLength);
  const snd_wl1 = dv.getInt32(0, true);
  const snd_wnd = dv.getUint32(4, true);
  const max_window = dv.getUint32(8, true);
  const rcv_wnd = dv.getUint32(12, true);
  const rcv_wup = dv.getInt32(16, true);
  if (max_window < snd_wnd) return -EINVAL;
  if (after(snd_wl1, (tp.rcv_nxt + rcv_wnd) | 0) || after(rcv_wup, tp.rcv_nxt)) return -EINVAL;
  tp.snd_wl1 = snd_wl1;
  tp.snd_wnd = snd_wnd;
  tp.max_window = max_window;
  tp.rcv_wnd = rcv_wnd;
  tp.rcv_wup = rcv_wup;
  return 0;
}
export function tcp_repair_get_window(tp: TcpSock, optval: Uint8Array): number {
  if (optval.length !== 20) return -EINVAL;
  if (!tp.repair) return -EPERM;
  const dv = new DataView(optval.buffer, optval.byteOffset, optval.byteLength);
  dv.setInt32(0, tp.snd_wl1, true);
  dv.setUint32(4, tp.snd_wnd, true);
  dv.setUint32(8, tp.max_window, true);
  dv.setUint32(12, tp.rcv_wnd, true);
  dv.setInt32(16, tp.rcv_wup, true);
  return 20;
}

/** A write while TCP_REPAIR_QUEUE is the receive queue: what the former socket had received and nobody read. */
export function tcp_send_rcvq(sk: Sock, msg: MsgHdr, size: number): number {
  const tp = tcp_sk(sk);
  for (let from = 0; from < size; ) {
    const n = Math.min(size - from, SKB_MAX_ALLOC);
    const skb = alloc_skb(sk.net.kernel, n);
    if (skb === null) return from || -ENOMEM;
    const at = skb_put(skb, n);
    memcpy_from_msg(skb.head.u8, at, msg, from, n);
    skb.tcp_seq = tp.rcv_nxt;
    skb.tcp_end_seq = (tp.rcv_nxt + n) | 0;
    skb.tcp_ack_seq = (tp.snd_una - 1) | 0;
    skb.tcp_flags = 0;
    skb.has_rxtstamp = false;
    tcp_queue_rcv(tp, skb);
    from += n;
  }
  return size;
}
