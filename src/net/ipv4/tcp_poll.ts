// poll(2), epoll(7) and ioctl(2) of TCP sockets. Mirrors tcp_poll() and tcp_ioctl() of net/ipv4/tcp.c.
// Read first: tcp(7), poll(2). Way in: tcp_poll(), tcp_ioctl(), tcp_inq().

import type { PollTable } from "../../kernel/fs/file.ts";
import { EFAULT, EINVAL, ENOIOCTLCMD } from "../../uapi/errno.ts";
import { EPOLLHUP, EPOLLIN, EPOLLOUT, POLLPRI, POLLRDHUP, POLLRDNORM, POLLWRNORM } from "../../uapi/fcntl.ts";
import { RCV_SHUTDOWN, SEND_SHUTDOWN, SHUTDOWN_MASK } from "../../uapi/socket.ts";
import {
  SOCK_DONE,
  SOCK_URGINLINE,
  type Sock,
  type Socket,
  sk_error_mask,
  sock_flag,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from "../core/sock.ts";
import { reqsk_queue_empty } from "./inet_connection_sock.ts";
import { __sk_stream_is_writeable, SOCK_NOSPACE, tcp_under_memory_pressure } from "./tcp_mem.ts";
import { before, TCP_URG_VALID, type TcpSock, tcp_receive_window, tcp_sk } from "./tcp_sock.ts";

/** The buffer is nearly full: whoever waits for SO_RCVLOWAT bytes must read, for no more can come. */
function tcp_rmem_pressure(tp: TcpSock): boolean {
  if (tcp_under_memory_pressure(tp)) return true;
  return tp.sk_rmem_alloc > tp.sk_rcvbuf - (tp.sk_rcvbuf >> 3);
}

/** Enough to read for a program that wants `target` bytes at once. */
export function tcp_epollin_ready(sk: Sock, target: number): boolean {
  const tp = tcp_sk(sk);
  const avail = (tp.rcv_nxt - tp.copied_seq) | 0;
  if (avail <= 0) return false;
  return avail >= target || tcp_rmem_pressure(tp) || tcp_receive_window(tp) <= tp.ack_rcv_mss;
}
export function tcp_stream_is_readable(sk: Sock, target: number): boolean {
  return tcp_epollin_ready(sk, target);
}

export function tcp_poll(sock: Socket, wait: PollTable | null): number {
  const sk = sock.sk;
  const tp = tcp_sk(sk);
  if (wait !== null) wait.poll_wait(sock.wq);
  const state = sk.sk_state;
  if (state === TCP_LISTEN) {
    const queue = tp.icsk_accept_queue;
    return queue !== null && !reqsk_queue_empty(queue) ? EPOLLIN | POLLRDNORM : 0;
  }
  let mask = 0;
  // HUP says that neither direction works any more: only a complete end may set it, for it cannot be masked.
  if (sk.sk_shutdown === SHUTDOWN_MASK || state === TCP_CLOSE) mask |= EPOLLHUP;
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) mask |= EPOLLIN | POLLRDNORM | POLLRDHUP;
  if (state !== TCP_SYN_SENT && (state !== TCP_SYN_RECV || tp.fastopen_rsk !== null)) {
    const urg_data = tp.urg_data;
    let target = sk.sk_rcvlowat || 1;
    if ((urg_data & TCP_URG_VALID) !== 0 && tp.urg_seq === tp.copied_seq && !sock_flag(sk, SOCK_URGINLINE)) target++;
    if (tcp_stream_is_readable(sk, target)) mask |= EPOLLIN | POLLRDNORM;
    if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0 || __sk_stream_is_writeable(sk, 1)) mask |= EPOLLOUT | POLLWRNORM;
    else sock.flags |= SOCK_NOSPACE;
    if ((urg_data & TCP_URG_VALID) !== 0) mask |= POLLPRI;
  } else if (state === TCP_SYN_SENT && tp.defer_connect) {
    // TCP_FASTOPEN_CONNECT: the first write makes the connection.
    mask |= EPOLLOUT | POLLWRNORM;
  }
  if (sk.sk_err !== 0 || sk.sk_error_queue.next !== null) mask |= sk_error_mask(sk);
  return mask;
}

/** SIOCINQ: bytes that can be read, up to the urgent byte. */
export function tcp_inq(sk: Sock): number {
  const tp = tcp_sk(sk);
  if (sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV) return 0;
  if (
    sock_flag(sk, SOCK_URGINLINE) ||
    tp.urg_data === 0 ||
    before(tp.urg_seq, tp.copied_seq) ||
    !before(tp.urg_seq, tp.rcv_nxt)
  ) {
    const answ = (tp.rcv_nxt - tp.copied_seq) >>> 0;
    // The FIN has a number, but is nothing to read.
    return answ > 0 && sock_flag(sk, SOCK_DONE) ? answ - 1 : answ;
  }
  return (tp.urg_seq - tp.copied_seq) >>> 0;
}

const SIOCATMARK = 0x8905;
const SIOCINQ = 0x541b;
const SIOCOUTQ = 0x5411;
const SIOCOUTQNSD = 0x894b;

export function tcp_ioctl(sk: Sock, cmd: number, arg: Uint8Array): number {
  const tp = tcp_sk(sk);
  let answ: number;
  switch (cmd) {
    case SIOCINQ:
      if (sk.sk_state === TCP_LISTEN) return -EINVAL;
      answ = tcp_inq(sk);
      break;
    case SIOCATMARK:
      answ = tp.urg_data !== 0 && tp.urg_seq === tp.copied_seq ? 1 : 0;
      break;
    case SIOCOUTQ:
    case SIOCOUTQNSD: {
      if (sk.sk_state === TCP_LISTEN) return -EINVAL;
      const from = cmd === SIOCOUTQ ? tp.snd_una : tp.snd_nxt;
      answ = sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV ? 0 : (tp.write_seq - from) >>> 0;
      break;
    }
    default:
      return -ENOIOCTLCMD;
  }
  if (arg.length < 4) return -EFAULT;
  new DataView(arg.buffer, arg.byteOffset, arg.byteLength).setInt32(0, answ, true);
  return 0;
}
