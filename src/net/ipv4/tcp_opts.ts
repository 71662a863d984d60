// SOL_TCP options. Mirrors do_tcp_setsockopt() and do_tcp_getsockopt() of net/ipv4/tcp.c. Read first: tcp(7).
// Way in: tcp_setsockopt(), tcp_getsockopt(). What belongs to SOL_IP goes on to ip_setsockopt().

import { EINVAL, ENOENT, ENOPROTOOPT, EOPNOTSUPP, EPERM } from "../../uapi/errno.ts";
import { SOL_TCP } from "../../uapi/socket.ts";
import * as T from "../../uapi/tcp.ts";
import {
  SOCK_KEEPOPEN,
  type Sock,
  sock_flag,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_ESTABLISHED,
  TCP_LISTEN,
} from "../core/sock.ts";
import { optval_int, put_int } from "../core/sock_opt.ts";
import {
  inet_csk_ack_scheduled,
  inet_csk_enter_pingpong_mode,
  inet_csk_exit_pingpong_mode,
  inet_csk_in_pingpong_mode,
  inet_csk_reset_keepalive_timer,
  RequestSockQueue,
} from "./inet_connection_sock.ts";
import { ip_getsockopt, ip_setsockopt } from "./ip_sockglue.ts";
import { tcp_set_congestion_control } from "./tcp_cong.ts";
import { tcp_fastopen_init_key_once, tcp_fastopen_reset_cipher_sk } from "./tcp_fastopen.ts";
import { tcp_get_info } from "./tcp_info.ts";
import { tcp_push_pending_frames } from "./tcp_output.ts";
import { tcp_cleanup_rbuf } from "./tcp_recv.ts";
import {
  TCP_QUEUES_NR,
  TCP_RECV_QUEUE,
  TCP_SEND_QUEUE,
  tcp_repair_get_window,
  tcp_repair_options,
  tcp_repair_queue_seq,
  tcp_repair_set,
  tcp_repair_set_window,
} from "./tcp_repair.ts";
import {
  ICSK_ACK_PUSHED,
  MAX_TCP_WINDOW,
  TCP_DELACK_MAX,
  TCP_HZ,
  TCP_MIN_MSS,
  TCP_NAGLE_CORK,
  TCP_NAGLE_OFF,
  TCP_NAGLE_PUSH,
  TCP_RTO_MAX,
  TCP_RTO_MIN,
  TCP_TIMEOUT_MIN,
  type TcpSock,
  tcp_sk,
  tcp_time_stamp_ts,
} from "./tcp_sock.ts";
import { keepalive_intvl_when, keepalive_probes, keepalive_time_elapsed, keepalive_time_when } from "./tcp_timer.ts";
import { tcp_set_window_clamp } from "./tcp_window.ts";

const MAX_TCP_KEEPIDLE = 32767;
const MAX_TCP_KEEPINTVL = 32767;
const MAX_TCP_KEEPCNT = 127;
const MAX_TCP_SYNCNT = 127;
const TCP_FIN_TIMEOUT_MAX = 120 * TCP_HZ;
/** Seconds → SYN-ACKs that fit into them, and back: TCP_DEFER_ACCEPT counts in retransmissions. */
function secs_to_retrans(seconds: number, timeout: number, rto_max: number): number {
  if (seconds <= 0) return 0;
  let n = 1;
  for (let period = timeout; seconds > period && n < 255; n++) {
    timeout = Math.min(timeout * 2, rto_max);
    period += timeout;
  }
  return n;
}
function retrans_to_secs(retrans: number, timeout: number, rto_max: number): number {
  let period = 0;
  for (; retrans > 0; retrans--) {
    period += timeout;
    timeout = Math.min(timeout * 2, rto_max);
  }
  return period;
}

const bool_of = (val: number): boolean | null => (val === 0 || val === 1 ? val === 1 : null);
const closed = (sk: Sock): boolean => sk.sk_state === TCP_CLOSE;
const closed_or_listening = (sk: Sock): boolean => sk.sk_state === TCP_CLOSE || sk.sk_state === TCP_LISTEN;

/** Options may come before listen(2): the queue that keeps them is made then. */
function accept_queue(tp: TcpSock): RequestSockQueue {
  tp.icsk_accept_queue ??= new RequestSockQueue();
  return tp.icsk_accept_queue;
}

function text_of(v: Uint8Array, max: number): string {
  let s = "";
  for (let i = 0; i < v.length && i < max && v[i] !== 0; i++) s += String.fromCharCode(v[i]!);
  return s;
}

// --- what is more than a number -----------------------------------------------------------------------------------

export function tcp_sock_set_nodelay(sk: Sock, on: boolean): void {
  const tp = tcp_sk(sk);
  if (on) {
    // What waits for an ACK goes now; even under TCP_CORK, once.
    tp.nonagle |= TCP_NAGLE_OFF | TCP_NAGLE_PUSH;
    tcp_push_pending_frames(sk);
  } else tp.nonagle &= ~TCP_NAGLE_OFF;
}

export function tcp_sock_set_cork(sk: Sock, on: boolean): void {
  const tp = tcp_sk(sk);
  if (on) {
    tp.nonagle |= TCP_NAGLE_CORK;
    return;
  }
  tp.nonagle &= ~TCP_NAGLE_CORK;
  if ((tp.nonagle & TCP_NAGLE_OFF) !== 0) tp.nonagle |= TCP_NAGLE_PUSH;
  tcp_push_pending_frames(sk);
}

export function tcp_sock_set_quickack(sk: Sock, val: number): void {
  if (val === 0) {
    inet_csk_enter_pingpong_mode(sk);
    return;
  }
  inet_csk_exit_pingpong_mode(sk);
  if ((sk.sk_state === TCP_ESTABLISHED || sk.sk_state === TCP_CLOSE_WAIT) && inet_csk_ack_scheduled(sk)) {
    tcp_sk(sk).ack_pending |= ICSK_ACK_PUSHED;
    tcp_cleanup_rbuf(sk, 1);
    if ((val & 1) === 0) inet_csk_enter_pingpong_mode(sk);
  }
}

function tcp_sock_set_keepidle(tp: TcpSock, val: number): number {
  if (val < 1 || val > MAX_TCP_KEEPIDLE) return -EINVAL;
  tp.keepalive_time = val * TCP_HZ;
  if (sock_flag(tp, SOCK_KEEPOPEN) && !closed_or_listening(tp)) {
    const elapsed = keepalive_time_elapsed(tp);
    inet_csk_reset_keepalive_timer(tp, Math.max(0, tp.keepalive_time - elapsed));
  }
  return 0;
}

/** TCP_WINDOW_CLAMP. */
function window_clamp_set(tp: TcpSock, val: number): number {
  if (val === 0) {
    if (!closed(tp)) return -EINVAL;
    tp.window_clamp = 0;
    return 0;
  }
  tcp_set_window_clamp(tp, val);
  return 0;
}

// --- setting ------------------------------------------------------------------------------------------------------

export function tcp_setsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level !== SOL_TCP) return ip_setsockopt(sk, level, optname, optval);
  const tp = tcp_sk(sk);
  switch (optname) {
    case T.TCP_CONGESTION:
      if (optval.length < 1) return -EINVAL;
      return tcp_set_congestion_control(sk, text_of(optval, T.TCP_CA_NAME_MAX - 1), true, true);
    case T.TCP_ULP:
      // No upper layer protocol (tls, espintcp, mptcp) is built in.
      return optval.length < 1 ? -EINVAL : -ENOENT;
    case T.TCP_FASTOPEN_KEY:
      if (optval.length !== 16 && optval.length !== 32) return -EINVAL;
      accept_queue(tp);
      tcp_fastopen_reset_cipher_sk(sk, optval.slice(0, 16), optval.length === 32 ? optval.slice(16, 32) : null);
      return 0;
  }
  if (optval.length < 4) return -EINVAL;
  return set_int(tp, optname, optval_int(optval), optval);
}

function set_int(tp: TcpSock, optname: number, val: number, optval: Uint8Array): number {
  const ipv4 = tp.net.ipv4;
  const flag = bool_of(val);
  switch (optname) {
    case T.TCP_NODELAY:
      tcp_sock_set_nodelay(tp, val !== 0);
      return 0;
    case T.TCP_CORK:
      tcp_sock_set_cork(tp, val !== 0);
      return 0;
    case T.TCP_QUICKACK:
      tcp_sock_set_quickack(tp, val);
      return 0;
    case T.TCP_MAXSEG:
      // 0 takes a limit back. More than the device can is not refused: the path decides later.
      if (val !== 0 && (val < TCP_MIN_MSS || val > MAX_TCP_WINDOW)) return -EINVAL;
      tp.rx_opt.user_mss = val;
      return 0;
    case T.TCP_KEEPIDLE:
      return tcp_sock_set_keepidle(tp, val);
    case T.TCP_KEEPINTVL:
      if (val < 1 || val > MAX_TCP_KEEPINTVL) return -EINVAL;
      tp.keepalive_intvl = val * TCP_HZ;
      return 0;
    case T.TCP_KEEPCNT:
      if (val < 1 || val > MAX_TCP_KEEPCNT) return -EINVAL;
      tp.keepalive_probes = val;
      return 0;
    case T.TCP_SYNCNT:
      if (val < 1 || val > MAX_TCP_SYNCNT) return -EINVAL;
      tp.icsk_syn_retries = val;
      return 0;
    case T.TCP_USER_TIMEOUT:
      if (val < 0) return -EINVAL;
      tp.icsk_user_timeout = val;
      return 0;
    case T.TCP_LINGER2:
      tp.linger2 = val < 0 ? -1 : Math.min(val * TCP_HZ, TCP_FIN_TIMEOUT_MAX);
      return 0;
    case T.TCP_DEFER_ACCEPT:
      accept_queue(tp).rskq_defer_accept = secs_to_retrans(val, 1, TCP_RTO_MAX / TCP_HZ);
      return 0;
    case T.TCP_WINDOW_CLAMP:
      return window_clamp_set(tp, val);
    case T.TCP_THIN_LINEAR_TIMEOUTS:
      if (flag === null) return -EINVAL;
      tp.thin_lto = flag;
      return 0;
    case T.TCP_THIN_DUPACK:
      // Without effect since RACK.
      return flag === null ? -EINVAL : 0;
    case T.TCP_SAVE_SYN:
      if (val < 0 || val > 2) return -EINVAL;
      tp.save_syn = val;
      return 0;
    case T.TCP_FASTOPEN:
      if (val < 0 || !closed_or_listening(tp)) return -EINVAL;
      tcp_fastopen_init_key_once(tp.net);
      accept_queue(tp).fastopenq.max_qlen = Math.min(val, tp.net.sysctl_somaxconn);
      return 0;
    case T.TCP_FASTOPEN_CONNECT:
      if (flag === null) return -EINVAL;
      if ((ipv4.sysctl_tcp_fastopen & T.TFO_CLIENT_ENABLE) === 0) return -EOPNOTSUPP;
      if (!closed(tp)) return -EINVAL;
      tp.fastopen_connect = flag;
      return 0;
    case T.TCP_FASTOPEN_NO_COOKIE:
      if (flag === null || !closed_or_listening(tp)) return -EINVAL;
      tp.fastopen_no_cookie = flag;
      return 0;
    case T.TCP_NOTSENT_LOWAT:
      tp.notsent_lowat = val;
      tp.sk_write_space(tp);
      return 0;
    case T.TCP_INQ:
      if (flag === null) return -EINVAL;
      tp.recvmsg_inq = flag;
      return 0;
    case T.TCP_TX_DELAY:
      // Microseconds; srtt, which it is part of, keeps three more bits.
      if (val < 0 || val >= 1 << 28) return -EINVAL;
      tp.tcp_tx_delay = val;
      return 0;
    case T.TCP_RTO_MAX_MS:
      if (val < TCP_HZ || val > TCP_RTO_MAX) return -EINVAL;
      tp.icsk_rto_max = val;
      return 0;
    case T.TCP_RTO_MIN_US: {
      const rto_min = Math.ceil(val / 1000);
      if (rto_min > TCP_RTO_MIN || rto_min < TCP_TIMEOUT_MIN) return -EINVAL;
      tp.icsk_rto_min = rto_min;
      return 0;
    }
    case T.TCP_DELACK_MAX_US: {
      const delack_max = Math.ceil(val / 1000);
      if (delack_max > TCP_DELACK_MAX || delack_max < TCP_TIMEOUT_MIN) return -EINVAL;
      tp.icsk_delack_max = delack_max;
      return 0;
    }
    case T.TCP_REPAIR:
      return tcp_repair_set(tp, val);
    case T.TCP_REPAIR_QUEUE:
      if (!tp.repair) return -EPERM;
      if (val < 0 || val >= TCP_QUEUES_NR) return -EINVAL;
      tp.repair_queue = val;
      return 0;
    case T.TCP_QUEUE_SEQ:
      return tcp_repair_queue_seq(tp, val);
    case T.TCP_REPAIR_OPTIONS:
      return tp.repair ? tcp_repair_options(tp, optval) : -EINVAL;
    case T.TCP_REPAIR_WINDOW:
      return tcp_repair_set_window(tp, optval);
    case T.TCP_TIMESTAMP:
      if (!tp.repair) return -EPERM;
      tp.tsoffset = (val - tcp_time_stamp_ts(tp)) | 0;
      return 0;
    case T.TCP_AO_REPAIR:
      return tp.sk_state === TCP_LISTEN ? -EPERM : -ENOPROTOOPT;
    // TCP_MD5SIG (RFC 2385) and the TCP_AO ones (RFC 5925) are as in a kernel that has neither built in.
    default:
      return -ENOPROTOOPT;
  }
}

// --- getting ------------------------------------------------------------------------------------------------------

function put_bytes(optval: Uint8Array, src: Uint8Array): number {
  const n = Math.min(optval.length, src.length);
  optval.set(src.subarray(0, n));
  return n;
}

export function tcp_getsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number {
  if (level !== SOL_TCP) return ip_getsockopt(sk, level, optname, optval);
  const tp = tcp_sk(sk);
  switch (optname) {
    case T.TCP_INFO:
      return tcp_get_info(sk, new DataView(optval.buffer, optval.byteOffset, optval.byteLength));
    case T.TCP_CC_INFO: {
      const out = new Uint8Array(20);
      const n = tp.icsk_ca_ops.get_info?.(sk, -1, new DataView(out.buffer)) ?? 0;
      return put_bytes(optval, out.subarray(0, n));
    }
    case T.TCP_CONGESTION: {
      const name = new Uint8Array(T.TCP_CA_NAME_MAX);
      const text = tp.icsk_ca_ops.name;
      for (let i = 0; i < text.length; i++) name[i] = text.charCodeAt(i);
      return put_bytes(optval, name);
    }
    case T.TCP_ULP:
      return 0;
    case T.TCP_FASTOPEN_KEY: {
      // The socket's own; that of all is in net.ipv4.tcp_fastopen_key.
      const key = tp.icsk_accept_queue?.fastopenq.ctx as Uint8Array | null | undefined;
      return key ? put_bytes(optval, key) : 0;
    }
    case T.TCP_REPAIR_WINDOW:
      return tcp_repair_get_window(tp, optval);
    case T.TCP_SAVED_SYN: {
      const saved = tp.saved_syn;
      if (tp.save_syn === 0 || saved === null) return 0;
      if (optval.length < saved.length) return -EINVAL;
      optval.set(saved);
      // It is told once.
      tp.saved_syn = null;
      return saved.length;
    }
    case T.TCP_ZEROCOPY_RECEIVE:
      // There is no memory of ours to map packets into.
      return -EINVAL;
  }
  if (optname === T.TCP_AO_REPAIR && tp.sk_state === TCP_LISTEN) return -EPERM;
  const val = get_int(tp, optname);
  return val === null ? -ENOPROTOOPT : val === "EINVAL" ? -EINVAL : put_int(optval, val);
}

const num = (b: boolean): number => (b ? 1 : 0);

function get_int(tp: TcpSock, optname: number): number | null | "EINVAL" {
  const ipv4 = tp.net.ipv4;
  switch (optname) {
    case T.TCP_MAXSEG:
      if (tp.repair) return tp.rx_opt.mss_clamp;
      return tp.rx_opt.user_mss !== 0 && closed_or_listening(tp) ? tp.rx_opt.user_mss : tp.mss_cache;
    case T.TCP_NODELAY:
      return num((tp.nonagle & TCP_NAGLE_OFF) !== 0);
    case T.TCP_CORK:
      return num((tp.nonagle & TCP_NAGLE_CORK) !== 0);
    case T.TCP_KEEPIDLE:
      return Math.floor(keepalive_time_when(tp) / TCP_HZ);
    case T.TCP_KEEPINTVL:
      return Math.floor(keepalive_intvl_when(tp) / TCP_HZ);
    case T.TCP_KEEPCNT:
      return keepalive_probes(tp);
    case T.TCP_SYNCNT:
      return tp.icsk_syn_retries || ipv4.sysctl_tcp_syn_retries;
    case T.TCP_LINGER2:
      return tp.linger2 < 0 ? -1 : Math.floor((tp.linger2 || ipv4.sysctl_tcp_fin_timeout) / TCP_HZ);
    case T.TCP_DEFER_ACCEPT:
      return retrans_to_secs(tp.icsk_accept_queue?.rskq_defer_accept ?? 0, 1, TCP_RTO_MAX / TCP_HZ);
    case T.TCP_WINDOW_CLAMP:
      return tp.window_clamp;
    case T.TCP_QUICKACK:
      return num(!inet_csk_in_pingpong_mode(tp));
    case T.TCP_THIN_LINEAR_TIMEOUTS:
      return num(tp.thin_lto);
    case T.TCP_THIN_DUPACK:
      return 0;
    case T.TCP_USER_TIMEOUT:
      return tp.icsk_user_timeout;
    case T.TCP_FASTOPEN:
      return tp.icsk_accept_queue?.fastopenq.max_qlen ?? 0;
    case T.TCP_FASTOPEN_CONNECT:
      return num(tp.fastopen_connect);
    case T.TCP_FASTOPEN_NO_COOKIE:
      return num(tp.fastopen_no_cookie);
    case T.TCP_TX_DELAY:
      return tp.tcp_tx_delay;
    case T.TCP_TIMESTAMP:
      return (tcp_time_stamp_ts(tp) + tp.tsoffset) | 0;
    case T.TCP_NOTSENT_LOWAT:
      return tp.notsent_lowat;
    case T.TCP_INQ:
      return num(tp.recvmsg_inq);
    case T.TCP_SAVE_SYN:
      return tp.save_syn;
    case T.TCP_IS_MPTCP:
      return 0;
    case T.TCP_RTO_MAX_MS:
      return tp.icsk_rto_max;
    case T.TCP_RTO_MIN_US:
      return tp.icsk_rto_min * 1000;
    case T.TCP_DELACK_MAX_US:
      return tp.icsk_delack_max * 1000;
    case T.TCP_REPAIR:
      return num(tp.repair);
    case T.TCP_REPAIR_QUEUE:
      return tp.repair ? tp.repair_queue : "EINVAL";
    case T.TCP_QUEUE_SEQ:
      if (tp.repair_queue === TCP_SEND_QUEUE) return tp.write_seq;
      return tp.repair_queue === TCP_RECV_QUEUE ? tp.rcv_nxt : "EINVAL";
    default:
      return null;
  }
}
