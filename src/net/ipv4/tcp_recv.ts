// Reading from a TCP connection. Mirrors the receive half of net/ipv4/tcp.c.
// Read first: recv(2), tcp(7) on urgent data, RFC 9293 section 3.9.1.4 (RECEIVE). Way in: tcp_recvmsg(), tcp_cleanup_rbuf().

import { trace_call } from "../../kernel/trace.ts";
import { F_tcp_cleanup_rbuf, F_tcp_recvmsg } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EAGAIN, EFAULT, EINVAL, ENOTCONN, EPERM } from "../../uapi/errno.ts";
import {
  MSG_CONTINUED,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  RCV_SHUTDOWN,
  SOL_TCP,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { TCP_CM_INQ } from "../../uapi/tcp.ts";
import { put_cmsg, skb_copy_datagram_msg } from "../core/datagram.ts";
import { __skb_unlink, consume_skb, type SkBuff, skb_copy_bits } from "../core/skbuff.ts";
import {
  SK_FLAGS_TIMESTAMP,
  SOCK_DONE,
  SOCK_RCVBUF_LOCK,
  SOCK_URGINLINE,
  type Sock,
  sk_peek_offset,
  sk_peek_offset_bwd,
  sk_peek_offset_fwd,
  sock_error,
  sock_flag,
  TCP_CLOSE,
  TCP_LISTEN,
} from "../core/sock.ts";
import { sock_recv_timestamp } from "../core/sock_tstamp.ts";
import { inet_csk_ack_scheduled, inet_csk_in_pingpong_mode } from "./inet_connection_sock.ts";
import { inet_recv_error } from "./ip_sockglue.ts";
import { tcp_fast_path_check, tcp_rcv_space_adjust } from "./tcp_data.ts";
import { tcp_data_ready } from "./tcp_input.ts";
import { sk_mem_reclaim } from "./tcp_mem.ts";
import { tcp_send_ack } from "./tcp_output_ctl.ts";
import { tcp_inq } from "./tcp_poll.ts";
import {
  after,
  ICSK_ACK_PUSHED,
  ICSK_ACK_PUSHED2,
  TCP_URG_READ,
  TCP_URG_VALID,
  TCPHDR_FIN,
  TCPHDR_SYN,
  type TcpSock,
  tcp_mstamp_refresh,
  tcp_receive_window,
  tcp_sk,
  tcp_space_from_win,
} from "./tcp_sock.ts";
import { __tcp_select_window } from "./tcp_window.ts";

/** Copies `len` bytes of the packet from `offset` to byte `at` of the program's buffers. 0 or -EFAULT. */
function copy_to_msg(skb: SkBuff, offset: number, msg: MsgHdr, at: number, len: number): number {
  const iov = msg.msg_iov;
  if (at === 0) return skb_copy_datagram_msg(skb, offset, msg, len);
  if (iov.length === 1) return skb_copy_bits(skb, offset, iov[0]!, at, len);
  for (let i = 0; i < iov.length && len > 0; i++) {
    const buf = iov[i]!;
    if (at >= buf.length) {
      at -= buf.length;
      continue;
    }
    const n = Math.min(len, buf.length - at);
    const err = skb_copy_bits(skb, offset, buf, at, n);
    if (err < 0) return err;
    offset += n;
    len -= n;
    at = 0;
  }
  return len === 0 ? 0 : -EFAULT;
}

function tcp_eat_recv_skb(sk: Sock, skb: SkBuff): void {
  __skb_unlink(skb, sk.sk_receive_queue);
  consume_skb(skb);
}

/** The urgent byte, out of line (MSG_OOB). */
function tcp_recv_urg(tp: TcpSock, msg: MsgHdr, len: number, flags: number): number {
  // Nothing urgent, inline, or read before: SIOCATMARK alone tells.
  if (sock_flag(tp, SOCK_URGINLINE) || tp.urg_data === 0 || tp.urg_data === TCP_URG_READ) return -EINVAL;
  if (tp.sk_state === TCP_CLOSE && !sock_flag(tp, SOCK_DONE)) return -ENOTCONN;
  if ((tp.urg_data & TCP_URG_VALID) !== 0) {
    const c = tp.urg_data & 0xff;
    if ((flags & MSG_PEEK) === 0) tp.urg_data = TCP_URG_READ;
    msg.msg_flags |= MSG_OOB;
    if (len > 0) {
      if ((flags & MSG_TRUNC) === 0) {
        const buf = msg.msg_iov.find((b) => b.length > 0);
        if (buf !== undefined) buf[0] = c;
      }
      return 1;
    }
    msg.msg_flags |= MSG_TRUNC;
    return 0;
  }
  if (tp.sk_state === TCP_CLOSE || (tp.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
  // Announced, not here yet. Never waited for, whatever the socket's mode (Linux and BSD).
  return -EAGAIN;
}

/**
 * Copies what is there, up to `len` bytes. 0 at the end of the stream; -EAGAIN when there is nothing yet. Fewer than
 * SO_RCVLOWAT or MSG_WAITALL want: a blocking caller waits and comes again with the rest and MSG_CONTINUED.
 */
export function tcp_recvmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number {
  const tp = tcp_sk(sk);
  if (trace_key.on) trace_call(F_tcp_recvmsg, sk.net.kernel);
  if ((flags & MSG_ERRQUEUE) !== 0) return inet_recv_error(sk, msg, len);
  if (sk.sk_state === TCP_LISTEN) return -ENOTCONN;
  if ((flags & MSG_OOB) !== 0) return tcp_recv_urg(tp, msg, len, flags);
  if (tp.repair) {
    if ((flags & MSG_PEEK) === 0) return -EPERM;
    if (tp.repair_queue === 2) return tcp_peek_sndq(tp, msg, len);
    if (tp.repair_queue === 0) return -EINVAL;
  }
  const peek = (flags & MSG_PEEK) !== 0;
  const resumed = (flags & MSG_CONTINUED) !== 0;
  const queue = sk.sk_receive_queue;
  let seq = (tp.copied_seq + sk_peek_offset(sk, flags)) | 0;
  let copied = 0;
  let stamped: SkBuff | null = null;
  let skb = queue.next;
  do {
    // Reading stops in front of the urgent byte, so that SIOCATMARK can tell.
    if (tp.urg_data !== 0 && tp.urg_seq === seq && (copied > 0 || resumed)) break;
    let offset = 0;
    let fin = false;
    for (; skb !== null; skb = skb.next) {
      offset = (seq - skb.tcp_seq) | 0;
      if ((skb.tcp_flags & TCPHDR_SYN) !== 0) offset--;
      if (offset < skb.len) break;
      if ((skb.tcp_flags & TCPHDR_FIN) !== 0) {
        fin = true;
        break;
      }
    }
    if (skb === null) {
      if (copied > 0) break;
      const err = tcp_recv_nothing(sk, resumed);
      if (err === 0 && tp.recvmsg_inq) tcp_put_inq(tp, msg);
      return err;
    }
    if (!fin) {
      let used = Math.min(skb.len - offset, len - copied);
      let skip = false;
      if (tp.urg_data !== 0) {
        const urg_offset = (tp.urg_seq - seq) >>> 0;
        if (urg_offset < used) {
          if (urg_offset !== 0) used = urg_offset;
          else if (!sock_flag(sk, SOCK_URGINLINE)) {
            // Out of line: its byte is a hole in the stream.
            seq = (seq + 1) | 0;
            if (!peek) tp.copied_seq = seq;
            offset++;
            used--;
            skip = used === 0;
          }
        }
      }
      if (!skip) {
        if ((flags & MSG_TRUNC) === 0) {
          const err = copy_to_msg(skb, offset, msg, copied, used);
          if (err < 0) {
            if (copied === 0) copied = -EFAULT;
            break;
          }
        }
        seq = (seq + used) | 0;
        copied += used;
        if (peek) sk_peek_offset_fwd(sk, used);
        else {
          sk_peek_offset_bwd(sk, used);
          tp.copied_seq = seq;
          tcp_rcv_space_adjust(sk);
        }
      }
      if (tp.urg_data !== 0 && !peek && after(tp.copied_seq, tp.urg_seq)) {
        tp.urg_data = 0;
        tcp_fast_path_check(tp);
      }
      if (skb.has_rxtstamp) stamped = skb;
      if (used + offset < skb.len) continue;
      if ((skb.tcp_flags & TCPHDR_FIN) === 0) {
        const next: SkBuff | null = skb.next;
        if (!peek) {
          if (skb === stamped) tcp_recv_timestamp(msg, sk, stamped);
          if (skb === stamped) stamped = null;
          tcp_eat_recv_skb(sk, skb);
        }
        skb = next;
        continue;
      }
    }
    // The FIN has a sequence number as well, and it is read now.
    seq = (seq + 1) | 0;
    if (!peek) {
      tp.copied_seq = seq;
      if (skb === stamped) {
        tcp_recv_timestamp(msg, sk, skb);
        stamped = null;
      }
      tcp_eat_recv_skb(sk, skb);
    }
    break;
  } while (copied < len);
  if (stamped !== null) tcp_recv_timestamp(msg, sk, stamped);
  tcp_cleanup_rbuf(sk, copied);
  if (tp.recvmsg_inq && copied >= 0) tcp_put_inq(tp, msg);
  return copied;
}

/** The queue is empty: the end, an error, or wait. */
function tcp_recv_nothing(sk: Sock, resumed: boolean): number {
  if (resumed) {
    return sk.sk_err !== 0 || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0 || sk.sk_state === TCP_CLOSE ? 0 : -EAGAIN;
  }
  if (sock_flag(sk, SOCK_DONE)) return 0;
  if (sk.sk_err !== 0) return sock_error(sk);
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
  // Never connected, or closed by a RST that was read before.
  if (sk.sk_state === TCP_CLOSE) return -ENOTCONN;
  // Who waits opens the window first, should that be due.
  tcp_cleanup_rbuf(sk, 0);
  return -EAGAIN;
}

function tcp_recv_timestamp(msg: MsgHdr, sk: Sock, skb: SkBuff): void {
  if ((sk.sk_flags & SK_FLAGS_TIMESTAMP) !== 0 || sk.sk_tsflags !== 0) sock_recv_timestamp(msg, sk, skb, false);
}

/** TCP_INQ: what is left, a FIN among it; 1 when it was all read, so that a reader comes and gets the end. */
function tcp_put_inq(tp: TcpSock, msg: MsgHdr): void {
  const inq = Math.max(0, (tp.rcv_nxt - tp.copied_seq) | 0);
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, inq === 0 && sock_flag(tp, SOCK_DONE) ? 1 : inq, true);
  put_cmsg(msg, SOL_TCP, TCP_CM_INQ, data);
}

/** splice(2): bytes up to the urgent one, which is left for recv(2). */
export function tcp_splice_read(sk: Sock, buf: Uint8Array): number {
  const tp = tcp_sk(sk);
  let len = buf.length;
  if (tp.urg_data !== 0) len = Math.min(len, (tp.urg_seq - tp.copied_seq) >>> 0);
  if (len === 0) return sock_flag(sk, SOCK_DONE) || (sk.sk_shutdown & RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN;
  const msg: MsgHdr = {
    msg_name: null,
    msg_namelen: 0,
    msg_iov: [buf.subarray(0, len)],
    msg_control: null,
    msg_controllen: 0,
    msg_flags: 0,
  };
  return tcp_recvmsg(sk, msg, len, MSG_DONTWAIT);
}

/** Bytes at the front of the queue, without urgent ones (splice, BPF): what one packet holds. */
export function tcp_peek_len(sk: Sock): number {
  return tcp_inq(sk);
}

/** TCP_REPAIR: what was written and not yet acknowledged, for a dump of the connection. */
function tcp_peek_sndq(tp: TcpSock, msg: MsgHdr, len: number): number {
  let copied = 0;
  for (const q of [tp.tcp_rtx_queue, tp.sk_write_queue]) {
    for (let skb = q.next; skb !== null && copied < len; skb = skb.next) {
      const n = Math.min(skb.len, len - copied);
      const err = copy_to_msg(skb, 0, msg, copied, n);
      if (err < 0) return copied || err;
      copied += n;
    }
  }
  return copied;
}

/** After reading: is an ACK due that carries a window worth telling (RFC 9293 section 3.8.6.2.2, SWS avoidance)? */
export function __tcp_cleanup_rbuf(sk: Sock, copied: number): void {
  const tp = tcp_sk(sk);
  let time_to_ack = false;
  if (inet_csk_ack_scheduled(sk)) {
    if (
      // More than one full segment is unacknowledged ...
      (tp.rcv_nxt - tp.rcv_wup) >>> 0 > tp.ack_rcv_mss ||
      // ... or the sender pushed, the queue was emptied, and we have nothing to say that would carry the ACK.
      (copied > 0 &&
        ((tp.ack_pending & ICSK_ACK_PUSHED2) !== 0 ||
          ((tp.ack_pending & ICSK_ACK_PUSHED) !== 0 && !inet_csk_in_pingpong_mode(sk))) &&
        sk.sk_rmem_alloc === 0)
    ) {
      time_to_ack = true;
    }
  }
  if (copied > 0 && !time_to_ack && (sk.sk_shutdown & RCV_SHUTDOWN) === 0) {
    const now = tcp_receive_window(tp);
    // The window at least doubles: a sender that waits for it should learn.
    if (2 * now <= tp.window_clamp) {
      const win = __tcp_select_window(tp);
      if (win !== 0 && win >= 2 * now) time_to_ack = true;
    }
  }
  if (time_to_ack) {
    tcp_mstamp_refresh(tp);
    tcp_send_ack(sk);
  }
}

export function tcp_cleanup_rbuf(sk: Sock, copied: number): void {
  if (trace_key.on) trace_call(F_tcp_cleanup_rbuf, sk.net.kernel);
  __tcp_cleanup_rbuf(sk, copied);
  sk_mem_reclaim(sk);
}

/** SO_RCVLOWAT: the buffer has to hold that much, or the reader would sleep for ever. */
export function tcp_set_rcvlowat(sk: Sock, val: number): number {
  const tp = tcp_sk(sk);
  const cap = (sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0 ? sk.sk_rcvbuf >> 1 : sk.net.ipv4.sysctl_tcp_rmem[2]! >> 1;
  sk.sk_rcvlowat = Math.min(val, cap) || 1;
  // It may have become readable.
  tcp_data_ready(sk);
  if ((sk.sk_userlocks & SOCK_RCVBUF_LOCK) !== 0) return 0;
  const space = tcp_space_from_win(tp, sk.sk_rcvlowat);
  if (space > sk.sk_rcvbuf) {
    sk.sk_rcvbuf = space;
    tp.window_clamp = Math.max(tp.window_clamp, sk.sk_rcvlowat);
  }
  return 0;
}
