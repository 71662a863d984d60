// TCP as the system calls see it: a socket's life from tcp_init_sock() to tcp_close(), and writing into it.
// Mirrors net/ipv4/tcp.c. Read first: tcp(7), RFC 9293 sections 3.6 (closing) and 3.9 (calls).
// Way in: tcp_sendmsg(), tcp_close(), tcp_shutdown(), tcp_disconnect(), tcp_done(). Reading: tcp_recv.ts; poll(2) and
// ioctl(2): tcp_poll.ts; options: tcp_opts.ts; struct tcp_info: tcp_info.ts; memory: tcp_mem.ts.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { trace_call } from "../../kernel/trace.ts";
import { F_tcp_close, F_tcp_push, F_tcp_sendmsg } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import {
  EAGAIN,
  EALREADY,
  ECONNABORTED,
  ECONNRESET,
  EINPROGRESS,
  EINVAL,
  EOPNOTSUPP,
  EPIPE,
  ETIMEDOUT,
} from "../../uapi/errno.ts";
import { O_NONBLOCK } from "../../uapi/fcntl.ts";
import {
  AF_UNSPEC,
  MSG_CONTINUED,
  MSG_DONTWAIT,
  MSG_EOR,
  MSG_FASTOPEN,
  MSG_MORE,
  MSG_OOB,
  MSG_ZEROCOPY,
  SEND_SHUTDOWN,
  SHUTDOWN_MASK,
  SOL_SOCKET,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { TFO_CLIENT_ENABLE } from "../../uapi/tcp.ts";
import { for_each_cmsg, memcpy_from_msg, sock_nonblock } from "../core/datagram.ts";
import { dst_release } from "../core/dst.ts";
import { inet6_reset_saddr } from "../core/in6.ts";
import {
  __skb_dequeue,
  __skb_queue_tail,
  __skb_unlink,
  build_skb,
  CHECKSUM_PARTIAL,
  consume_skb,
  head_alloc,
  head_copy,
  head_put,
  SKB_TRUESIZE,
  type SkBuff,
  skb_reserve,
} from "../core/skbuff.ts";
import {
  LINUX_MIB_TCPABORTONCLOSE,
  LINUX_MIB_TCPABORTONDATA,
  LINUX_MIB_TCPABORTONLINGER,
  LINUX_MIB_TCPABORTONMEMORY,
  LINUX_MIB_TCPAUTOCORKING,
  TCP_MIB_ATTEMPTFAILS,
  TCP_MIB_CURRESTAB,
  TCP_MIB_ESTABRESETS,
} from "../core/snmp.ts";
import {
  SOCK_BINDADDR_LOCK,
  SOCK_BINDPORT_LOCK,
  SOCK_DEAD,
  SOCK_DONE,
  SOCK_LINGER,
  SOCK_ZEROCOPY,
  type Sock,
  sk_dst_reset,
  sock_error,
  sock_flag,
  sock_hold,
  sock_orphan,
  sock_put,
  sock_reset_flag,
  TCP_CLOSE,
  TCP_CLOSE_WAIT,
  TCP_CLOSING,
  TCP_ESTABLISHED,
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_LAST_ACK,
  TCP_LISTEN,
  TCP_SYN_RECV,
  TCP_SYN_SENT,
} from "../core/sock.ts";
import { __sock_cmsg_send, type SockcmCookie, sockcm_init } from "../core/sock_cmsg.ts";
import {
  msg_zerocopy_realloc,
  net_zcopy_put,
  net_zcopy_put_abort,
  skb_zcopy_set,
  type UbufInfo,
} from "../core/zerocopy.ts";
import { __inet_stream_connect } from "./af_inet.ts";
import {
  inet_csk_delack_init,
  inet_csk_destroy_sock,
  inet_csk_listen_stop,
  inet_csk_reset_keepalive_timer,
} from "./inet_connection_sock.ts";
import { inet_put_port } from "./inet_hashtables.ts";
import { tcp_assign_congestion_control, tcp_cleanup_congestion_control, tcp_set_ca_state } from "./tcp_cong.ts";
import { tcp_clear_retrans } from "./tcp_cwnd.ts";
import { reqsk_fastopen_remove, TcpFastopenRequest } from "./tcp_fastopen.ts";
import {
  SOCK_NOSPACE,
  sk_forced_mem_schedule,
  sk_mem_reclaim,
  sk_sockets_allocated_inc,
  sk_stream_error,
  sk_stream_kill_queues,
  sk_stream_memory_free,
  sk_stream_moderate_sndbuf,
  sk_stream_write_space,
  sk_wmem_schedule,
  tcp_check_oom,
  tcp_enter_memory_pressure,
  tcp_mem_init,
  tcp_wmem_free_skb,
  tcp_wmem_schedule,
} from "./tcp_mem.ts";
import { tcp_time_wait } from "./tcp_minisocks.ts";
import { tcp_current_mss } from "./tcp_mss.ts";
import {
  __tcp_push_pending_frames,
  TCP_CHRONO_BUSY,
  tcp_chrono_start,
  tcp_chrono_stop,
  tcp_cwnd_restart,
  tcp_push_one,
} from "./tcp_output.ts";
import { tcp_connect, tcp_send_active_reset, tcp_send_fin } from "./tcp_output_ctl.ts";
import { tcp_rate_check_app_limited } from "./tcp_rate.ts";
import { TCP_RECV_QUEUE, TCP_SEND_QUEUE, tcp_send_rcvq } from "./tcp_repair.ts";
import {
  after,
  MAX_TCP_HEADER,
  minmax_reset,
  TCP_CA_Open,
  TCP_DELACK_MAX,
  TCP_INFINITE_SSTHRESH,
  TCP_INIT_CWND,
  TCP_MSS_DEFAULT,
  TCP_NAGLE_CORK,
  TCP_NAGLE_PUSH,
  TCP_RTO_MIN,
  TCP_TIMEOUT_INIT,
  TCP_TIMEWAIT_LEN,
  TCPHDR_ACK,
  TCPHDR_PSH,
  type TcpSock,
  tcp_rtx_and_write_queues_empty,
  tcp_send_head,
  tcp_sk,
  tcp_write_queue_tail,
} from "./tcp_sock.ts";
import { tcp_clear_xmit_timers, tcp_fin_time, tcp_init_xmit_timers } from "./tcp_timer.ts";
import { tcp_tx_timestamp } from "./tcp_tstamp.ts";

export { tcp_get_info } from "./tcp_info.ts";
export * from "./tcp_mem.ts";
export { tcp_getsockopt, tcp_setsockopt } from "./tcp_opts.ts";
export { tcp_epollin_ready, tcp_inq, tcp_ioctl, tcp_poll, tcp_stream_is_readable } from "./tcp_poll.ts";
export {
  __tcp_cleanup_rbuf,
  tcp_cleanup_rbuf,
  tcp_peek_len,
  tcp_recvmsg,
  tcp_set_rcvlowat,
  tcp_splice_read,
} from "./tcp_recv.ts";

/** tcp_init(): the machine's part of TCP that no other file has. */
export function tcp_init(k: Kernel): void {
  tcp_mem_init(k);
  tcp_init_xmit_timers(k);
}

// --- a new socket -------------------------------------------------------------------------------------------------

export function tcp_init_sock(sk: Sock): number {
  const tp = tcp_sk(sk);
  const ipv4 = sk.net.ipv4;
  tp.icsk_rto = TCP_TIMEOUT_INIT;
  tp.icsk_rto_min = Math.ceil(ipv4.sysctl_tcp_rto_min_us / 1000) || TCP_RTO_MIN;
  tp.icsk_rto_max = ipv4.sysctl_tcp_rto_max_ms;
  tp.icsk_delack_max = TCP_DELACK_MAX;
  tp.mdev_us = TCP_TIMEOUT_INIT * 1000;
  const now = jiffies(sk.net.kernel);
  minmax_reset(tp.rtt_min, now, -1);
  tp.snd_cwnd = TCP_INIT_CWND;
  // Until the first full flight the application is what limits (tcp_rate.c of Linux).
  tp.app_limited = -1;
  tp.rate_app_limited = true;
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  tp.snd_cwnd_clamp = 0x7fffffff;
  tp.mss_cache = TCP_MSS_DEFAULT;
  tp.reordering = ipv4.sysctl_tcp_reordering;
  tcp_assign_congestion_control(sk);
  tp.tsoffset = 0;
  tp.rack_reo_wnd_steps = 1;
  sk.sk_state = TCP_CLOSE;
  sk.sk_write_space = sk_stream_write_space;
  sk.sk_destruct = tcp_sock_destruct;
  sk.sk_sndbuf = ipv4.sysctl_tcp_wmem[1]!;
  sk.sk_rcvbuf = ipv4.sysctl_tcp_rmem[1]!;
  sk_sockets_allocated_inc(sk);
  return 0;
}

/** The last reference is gone: whatever is still queued goes with it. */
export function tcp_sock_destruct(sk: Sock): void {
  sk_stream_kill_queues(sk);
}

// --- states -------------------------------------------------------------------------------------------------------

const counts_as_estab = (state: number): boolean => state === TCP_ESTABLISHED || state === TCP_CLOSE_WAIT;

/** A change of state with its counters; in TCP_CLOSE the socket is out of the tables, and its port free unless bound. */
export function tcp_set_state(sk: Sock, state: number): void {
  const old = sk.sk_state;
  const mib = sk.net.mib.tcp;
  const was = counts_as_estab(old);
  const is = counts_as_estab(state);
  if (is && !was) mib[TCP_MIB_CURRESTAB]!++;
  else if (was && !is) mib[TCP_MIB_CURRESTAB]!--;
  if (state === TCP_CLOSE) {
    if (was) mib[TCP_MIB_ESTABRESETS]!++;
    sk.prot.unhash?.(sk);
    if (tcp_sk(sk).icsk_bind_hash !== null && (sk.sk_userlocks & SOCK_BINDPORT_LOCK) === 0) inet_put_port(sk);
  }
  // After it left the tables: nobody finds a closed socket there.
  sk.sk_state = state;
}

const FIN = 1 << 8;
/** What close(2) or shutdown(2) makes of a state (RFC 9293 section 3.3.2), and whether a FIN goes out. */
const new_state: readonly number[] = [
  0,
  TCP_FIN_WAIT1 | FIN, // ESTABLISHED
  TCP_CLOSE, // SYN_SENT
  TCP_FIN_WAIT1 | FIN, // SYN_RECV
  TCP_FIN_WAIT1,
  TCP_FIN_WAIT2,
  TCP_CLOSE, // TIME_WAIT
  TCP_CLOSE,
  TCP_LAST_ACK | FIN, // CLOSE_WAIT
  TCP_LAST_ACK,
  TCP_CLOSE, // LISTEN
  TCP_CLOSING,
  TCP_CLOSE, // NEW_SYN_RECV
];
function tcp_close_state(sk: Sock): boolean {
  const next = new_state[sk.sk_state]!;
  tcp_set_state(sk, next & ~FIN);
  return (next & FIN) !== 0;
}

/** shutdown(2) for sending: the FIN follows what is queued. */
export function tcp_shutdown(sk: Sock, how: number): void {
  if ((how & SEND_SHUTDOWN) === 0) return;
  const state = sk.sk_state;
  if (state !== TCP_ESTABLISHED && state !== TCP_SYN_SENT && state !== TCP_CLOSE_WAIT) return;
  if (tcp_close_state(sk)) tcp_send_fin(sk);
}

/** The connection is over: timers off, tables left, whoever waits is woken; an orphan is destroyed. */
export function tcp_done(sk: Sock): void {
  const tp = tcp_sk(sk);
  const req = tp.fastopen_rsk;
  if (sk.sk_state === TCP_SYN_SENT || sk.sk_state === TCP_SYN_RECV) sk.net.mib.tcp[TCP_MIB_ATTEMPTFAILS]!++;
  tcp_set_state(sk, TCP_CLOSE);
  tcp_clear_xmit_timers(sk);
  if (req !== null) reqsk_fastopen_remove(tp, req, false);
  sk.sk_shutdown = SHUTDOWN_MASK;
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_state_change(sk);
  else inet_csk_destroy_sock(sk);
}

export function tcp_done_with_error(sk: Sock, err: number): void {
  sk.sk_err = err;
  tcp_write_queue_purge(sk);
  tcp_done(sk);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_error_report(sk);
}

/** tcp_abort(): `ss -K` and the like end a connection with a RST and `err`. */
export function tcp_abort(sk: Sock, err: number): number {
  const state = sk.sk_state;
  if (state === TCP_LISTEN) {
    tcp_set_state(sk, TCP_CLOSE);
    inet_csk_listen_stop(sk);
  }
  if (!sock_flag(sk, SOCK_DEAD)) {
    if (tcp_need_reset(state)) tcp_send_active_reset(sk, 0);
    tcp_done_with_error(sk, err);
  }
  return 0;
}

// --- closing ------------------------------------------------------------------------------------------------------

export function tcp_close(sk: Sock, timeout: number): void {
  if (trace_key.on) trace_call(F_tcp_close, sk.net.kernel);
  sock_hold(sk);
  __tcp_close(sk, timeout);
  sock_put(sk);
}

/** sk_stream_closing(): our FIN, and what is in front of it, is not acknowledged yet. */
export const sk_stream_closing = (sk: Sock): boolean =>
  sk.sk_state === TCP_FIN_WAIT1 || sk.sk_state === TCP_CLOSING || sk.sk_state === TCP_LAST_ACK;

/**
 * SO_LINGER with a time, and somebody who can wait: the first half of the close. ms to wait while sk_stream_closing(), then
 * tcp_close() does the rest. O_NONBLOCK makes no difference, as in Linux.
 */
export function tcp_linger(sk: Sock): number {
  if (!sock_flag(sk, SOCK_LINGER) || sk.sk_lingertime === 0 || sk.sk_state === TCP_LISTEN) return 0;
  tcp_close_begin(sk);
  sk.sk_socket!.flags |= SOCK_LINGERING;
  return sk_stream_closing(sk) ? sk.sk_lingertime * 1000 : 0;
}

/**
 * The program lets go. Unread data makes it a RST (RFC 2525 section 2.17), SO_LINGER with 0 as well; else a FIN ends what is
 * queued, and the socket lives on as an orphan until the peer has agreed or a limit is reached.
 * Who closes with SO_LINGER and waits for it has begun with tcp_linger().
 */
export function __tcp_close(sk: Sock, _timeout: number): void {
  const sock = sk.sk_socket;
  if (sock !== null && (sock.flags & SOCK_LINGERING) !== 0) sock.flags &= ~SOCK_LINGERING;
  else tcp_close_begin(sk);
  tcp_close_end(sk);
}

/** Bit of struct socket's flags: tcp_close_begin() is done, and its caller waits. */
const SOCK_LINGERING = 1 << 16;

/** Reading ends here; a FIN or a RST goes out. */
function tcp_close_begin(sk: Sock): void {
  const tp = tcp_sk(sk);
  const mib = sk.net.mib.linux;
  sk.sk_shutdown = SHUTDOWN_MASK;
  if (sk.sk_state === TCP_LISTEN) {
    tcp_set_state(sk, TCP_CLOSE);
    inet_csk_listen_stop(sk);
  } else {
    let unread = false;
    for (let skb = __skb_dequeue(sk.sk_receive_queue); skb !== null; skb = __skb_dequeue(sk.sk_receive_queue)) {
      if (after((skb.tcp_end_seq - (skb.tcp_flags & 1)) | 0, tp.copied_seq)) unread = true;
      consume_skb(skb);
    }
    if (sk.sk_state !== TCP_CLOSE) {
      if (tp.repair) sk.prot.disconnect?.(sk, 0);
      else if (unread) {
        mib[LINUX_MIB_TCPABORTONCLOSE]!++;
        tcp_set_state(sk, TCP_CLOSE);
        tcp_send_active_reset(sk, 0);
      } else if (sock_flag(sk, SOCK_LINGER) && sk.sk_lingertime === 0) {
        sk.prot.disconnect?.(sk, 0);
        mib[LINUX_MIB_TCPABORTONDATA]!++;
      } else if (tcp_close_state(sk)) tcp_send_fin(sk);
    }
  }
  sk_mem_reclaim(sk);
}

/** Nobody has the socket any more: it lives on as long as its connection. */
function tcp_close_end(sk: Sock): void {
  const tp = tcp_sk(sk);
  const mib = sk.net.mib.linux;
  const state = sk.sk_state;
  sock_orphan(sk);
  sk.net.kernel.tcp_orphan_count++;
  if (state === TCP_FIN_WAIT2) {
    // RFC 9293 allows to stay here for ever; nobody is left to read, so a time limits it (tcp_fin_timeout).
    if (tp.linger2 < 0) {
      tcp_set_state(sk, TCP_CLOSE);
      tcp_send_active_reset(sk, 0);
      mib[LINUX_MIB_TCPABORTONLINGER]!++;
    } else {
      const tmo = tcp_fin_time(sk);
      if (tmo > TCP_TIMEWAIT_LEN) inet_csk_reset_keepalive_timer(sk, tmo - TCP_TIMEWAIT_LEN);
      else {
        tcp_time_wait(sk, TCP_FIN_WAIT2, tmo);
        return;
      }
    }
  }
  if (sk.sk_state !== TCP_CLOSE && tcp_check_oom(sk, 0)) {
    tcp_set_state(sk, TCP_CLOSE);
    tcp_send_active_reset(sk, 0);
    mib[LINUX_MIB_TCPABORTONMEMORY]!++;
  }
  if (sk.sk_state === TCP_CLOSE) {
    if (tp.fastopen_rsk !== null) reqsk_fastopen_remove(tp, tp.fastopen_rsk, false);
    inet_csk_destroy_sock(sk);
  }
}

/** States whose peer has to be told. */
function tcp_need_reset(state: number): boolean {
  return (
    state === TCP_ESTABLISHED ||
    state === TCP_CLOSE_WAIT ||
    state === TCP_FIN_WAIT1 ||
    state === TCP_FIN_WAIT2 ||
    state === TCP_SYN_RECV
  );
}

/** Everything queued for sending is forgotten. */
export function tcp_write_queue_purge(sk: Sock): void {
  const tp = tcp_sk(sk);
  tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  for (let skb = __skb_dequeue(sk.sk_write_queue); skb !== null; skb = __skb_dequeue(sk.sk_write_queue)) {
    tcp_wmem_free_skb(sk, skb);
  }
  for (let skb = __skb_dequeue(tp.tcp_rtx_queue); skb !== null; skb = __skb_dequeue(tp.tcp_rtx_queue)) {
    tcp_wmem_free_skb(sk, skb);
  }
  tp.highest_sack = null;
  tp.retransmit_skb_hint = null;
  tp.packets_out = 0;
  tp.icsk_backoff = 0;
  sk_mem_reclaim(sk);
}

/** connect(AF_UNSPEC), SO_LINGER 0 and a failed connect: back to a socket that can connect anew. */
export function tcp_disconnect(sk: Sock, _flags: number): number {
  const tp = tcp_sk(sk);
  const old = sk.sk_state;
  if (old !== TCP_CLOSE) tcp_set_state(sk, TCP_CLOSE);
  if (old === TCP_LISTEN) inet_csk_listen_stop(sk);
  else if (tp.repair) sk.sk_err = ECONNABORTED;
  else if (tcp_need_reset(old)) {
    tcp_send_active_reset(sk, 0);
    sk.sk_err = ECONNRESET;
  } else if (tp.snd_nxt !== tp.write_seq && (old === TCP_CLOSING || old === TCP_LAST_ACK)) {
    // The FIN has not left: the peer would not learn it otherwise.
    tcp_send_active_reset(sk, 0);
    sk.sk_err = ECONNRESET;
  } else if (old === TCP_SYN_SENT) sk.sk_err = ECONNRESET;

  tcp_clear_xmit_timers(sk);
  for (let skb = __skb_dequeue(sk.sk_receive_queue); skb !== null; skb = __skb_dequeue(sk.sk_receive_queue)) {
    consume_skb(skb);
  }
  tp.copied_seq = tp.rcv_nxt;
  tp.urg_data = 0;
  tcp_write_queue_purge(sk);
  tcp_free_fastopen_req(tp);
  for (let skb = __skb_dequeue(tp.out_of_order_queue); skb !== null; skb = __skb_dequeue(tp.out_of_order_queue)) {
    consume_skb(skb);
  }
  tp.inet_dport = 0;
  tp.inet_daddr = 0;
  if ((sk.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) {
    tp.inet_saddr = 0;
    tp.inet_rcv_saddr = 0;
    inet6_reset_saddr(tp.pinet6);
  }
  sk.sk_shutdown = 0;
  sock_reset_flag(sk, SOCK_DONE);
  tcp_reset_connection(tp);
  if (tp.saved_syn !== null) tp.saved_syn = null;
  sk_dst_reset(sk);
  const rx = tp.sk_rx_dst;
  tp.sk_rx_dst = null;
  dst_release(rx);
  sk_mem_reclaim(sk);
  sk.sk_error_report(sk);
  return 0;
}

/** What the last connection learnt, back to what tcp_init_sock() gives. */
function tcp_reset_connection(tp: TcpSock): void {
  tp.srtt_us = 0;
  tp.mdev_us = TCP_TIMEOUT_INIT * 1000;
  tp.rcv_rtt_last_tsecr = 0;
  tp.rcv_rtt_us = 0;
  // A new connection must not be mistaken for the old one.
  tp.write_seq = (tp.write_seq + tp.max_window + 2) | 0 || 1;
  tp.icsk_backoff = 0;
  tp.icsk_probes_out = 0;
  tp.icsk_probes_tstamp = 0;
  tp.icsk_rto = TCP_TIMEOUT_INIT;
  tp.icsk_rto_min = TCP_RTO_MIN;
  tp.icsk_delack_max = TCP_DELACK_MAX;
  tp.snd_ssthresh = TCP_INFINITE_SSTHRESH;
  tp.snd_cwnd = TCP_INIT_CWND;
  tp.snd_cwnd_cnt = 0;
  tp.is_cwnd_limited = false;
  tp.max_packets_out = 0;
  tp.window_clamp = 0;
  tp.delivered = 0;
  tp.delivered_ce = 0;
  tcp_cleanup_congestion_control(tp);
  tp.icsk_ca_initialized = false;
  tcp_set_ca_state(tp, TCP_CA_Open);
  tp.is_sack_reneg = false;
  tcp_clear_retrans(tp);
  tp.total_retrans = 0;
  inet_csk_delack_init(tp);
  // It would be 0 else, and a division by it.
  tp.ack_rcv_mss = TCP_MSS_DEFAULT;
  tp.rx_opt.saw_tstamp = false;
  tp.rx_opt.ts_recent = 0;
  tp.rx_opt.ts_recent_stamp = 0;
  tp.rx_opt.dsack = false;
  tp.rx_opt.num_sacks = 0;
  tp.rcv_ooopack = 0;
  tp.compressed_ack = 0;
  tp.segs_in = 0;
  tp.segs_out = 0;
  tp.bytes_sent = 0;
  tp.bytes_acked = 0;
  tp.bytes_received = 0;
  tp.bytes_retrans = 0;
  tp.data_segs_in = 0;
  tp.data_segs_out = 0;
  tp.duplicate_sack[0]!.start_seq = 0;
  tp.duplicate_sack[0]!.end_seq = 0;
  tp.dsack_dups = 0;
  tp.reord_seen = 0;
  tp.retrans_out = 0;
  tp.sacked_out = 0;
  tp.lost_out = 0;
  tp.tlp_high_seq = 0;
  tp.last_oow_ack_time = 0;
  tp.app_limited = -1;
  tp.rate_app_limited = true;
  tp.rack_mstamp = 0;
  tp.rack_serial = 0;
  tp.rack_advanced = false;
  tp.rack_reo_wnd_steps = 1;
  tp.rack_last_delivered = 0;
  tp.rack_reo_wnd_persist = 0;
  tp.rack_dsack_seen = false;
  tp.syn_data_acked = false;
  tp.syn_fastopen = false;
  tp.syn_data = false;
  tp.syn_fastopen_exp = false;
  tp.fastopen_client_fail = 0;
  tp.ecn_flags = 0;
  tp.tcp_header_len = 20;
  tp.snd_wnd = 0;
  tp.rcv_wnd = 0;
  tp.total_rto = 0;
  tp.total_rto_recoveries = 0;
  tp.total_rto_time = 0;
  tp.chrono_type = 0;
  tp.chrono_busy = 0;
  tp.chrono_rwnd_limited = 0;
  tp.chrono_sndbuf_limited = 0;
}

export function tcp_free_fastopen_req(tp: TcpSock): void {
  tp.fastopen_req = null;
}

/** A connection attempt, or the wait of one, is over with ETIMEDOUT or what an ICMP error said before. */
export const tcp_timeout_error = (sk: Sock): number => sk.sk_err_soft || ETIMEDOUT;

// --- the write queue ----------------------------------------------------------------------------------------------

/** MAX_TCP_HEADER of Linux 6.18 (maxhdr in /proc/net/protocols): what sizes there are counted with. */
const LINUX_MAX_TCP_HEADER = 192;
/** What Linux counts for the head of a packet whose payload lies in page frags (832); the payload is added by bytes. */
const TCP_SKB_TRUESIZE = SKB_TRUESIZE(LINUX_MAX_TCP_HEADER);

/** An empty packet for the send queues, with linear room for `size` bytes of payload behind the room for headers. */
export function tcp_stream_alloc_skb(sk: Sock, size: number): SkBuff | null {
  if (!sk_wmem_schedule(sk, TCP_SKB_TRUESIZE)) {
    tcp_enter_memory_pressure(sk);
    sk_stream_moderate_sndbuf(sk);
    return null;
  }
  const head = head_alloc(sk.net.kernel, MAX_TCP_HEADER + size);
  if (head === null) return null;
  const skb = build_skb(head, 0);
  skb_reserve(skb, MAX_TCP_HEADER);
  return tcp_init_send_skb(skb);
}

/** The end of `skb` from `len` on as an skb of its own, over the same memory. The caller moves truesize and numbers. */
export function tcp_stream_split_skb(sk: Sock, skb: SkBuff, len: number): SkBuff | null {
  if (!sk_wmem_schedule(sk, TCP_SKB_TRUESIZE)) sk_forced_mem_schedule(sk, TCP_SKB_TRUESIZE);
  skb.head.dataref++;
  const n = build_skb(skb.head, 0);
  n.data = skb.data + len;
  n.tail = skb.tail;
  n.len = skb.len - len;
  skb.tail = skb.data + len;
  skb.len = len;
  // What lies behind is not its own any more.
  skb.end = skb.tail;
  return tcp_init_send_skb(n);
}

function tcp_init_send_skb(skb: SkBuff): SkBuff {
  skb.truesize = TCP_SKB_TRUESIZE;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.tcp_seq = 0;
  skb.tcp_end_seq = 0;
  skb.tcp_ack_seq = 0;
  skb.tcp_flags = 0;
  skb.sacked = 0;
  skb.tcp_gso_segs = 0;
  skb.tcp_gso_size = 0;
  skb.tcp_eor = false;
  skb.txstamp_ack = false;
  skb.tx_flags = 0;
  skb.uarg = null;
  skb.has_rxtstamp = false;
  skb.skb_mstamp = 0;
  skb.tx_serial = 0;
  skb.tx_delivered = 0;
  skb.tx_delivered_ce = 0;
  skb.tx_delivered_mstamp = 0;
  skb.tx_first_mstamp = 0;
  skb.tx_app_limited = false;
  return skb;
}

/** A head with room for `need` bytes more. What was split off behind others moves to its front: else the room would end. */
export function tcp_skb_grow(skb: SkBuff, need: number): boolean {
  const old = skb.head;
  const len = skb.tail - skb.data;
  const head = head_alloc(skb.kernel, MAX_TCP_HEADER + len + need);
  if (head === null) return false;
  head_copy(head, MAX_TCP_HEADER, old, skb.data, len);
  head_put(old);
  skb.head = head;
  skb.data = MAX_TCP_HEADER;
  skb.tail = MAX_TCP_HEADER + len;
  skb.end = head.size;
  skb.cloned = false;
  return true;
}

/** Appends a new, empty packet to the write queue. */
export function tcp_skb_entail(sk: Sock, skb: SkBuff): void {
  const tp = tcp_sk(sk);
  skb.tcp_seq = tp.write_seq;
  skb.tcp_end_seq = tp.write_seq;
  skb.tcp_flags = TCPHDR_ACK;
  if (sk.sk_write_queue.next === null) tcp_chrono_start(sk, TCP_CHRONO_BUSY);
  __skb_queue_tail(sk.sk_write_queue, skb);
  tp.sk_wmem_queued += skb.truesize;
  if ((tp.nonagle & TCP_NAGLE_PUSH) !== 0) tp.nonagle &= ~TCP_NAGLE_PUSH;
  tcp_slow_start_after_idle_check(tp);
}

/** RFC 5681 section 4.1: a window that was not used for an RTO says nothing about the path any more. */
export function tcp_slow_start_after_idle_check(tp: TcpSock): void {
  if (tp.packets_out !== 0 || tp.net.ipv4.sysctl_tcp_slow_start_after_idle === 0) return;
  if (tp.icsk_ca_ops.cong_control !== undefined) return;
  const delta = (jiffies(tp.net.kernel) - tp.lsndtime) | 0;
  if (delta > tp.icsk_rto) tcp_cwnd_restart(tp, delta);
}

/** A packet that stayed empty because memory ran out between making and filling it. */
export function tcp_remove_empty_skb(sk: Sock): void {
  const skb = tcp_write_queue_tail(tcp_sk(sk));
  if (skb === null || skb.tcp_seq !== skb.tcp_end_seq) return;
  __skb_unlink(skb, sk.sk_write_queue);
  if (sk.sk_write_queue.next === null) tcp_chrono_stop(sk, TCP_CHRONO_BUSY);
  tcp_wmem_free_skb(sk, skb);
}

export function tcp_rtx_queue_unlink_and_free(skb: SkBuff, sk: Sock): void {
  __skb_unlink(skb, tcp_sk(sk).tcp_rtx_queue);
  tcp_wmem_free_skb(sk, skb);
}

export function tcp_mark_push(tp: TcpSock, skb: SkBuff): void {
  skb.tcp_flags |= TCPHDR_PSH;
  tp.pushed_seq = tp.write_seq;
}

/** More than half of the peer's largest window was written since the last push: it should not wait for the rest. */
export function forced_push(tp: TcpSock): boolean {
  return after(tp.write_seq, (tp.pushed_seq + (tp.max_window >>> 1)) | 0);
}

/** At most half of the largest window seen goes into one packet: the receiver could not take a larger one at once. */
function tcp_bound_to_half_wnd(tp: TcpSock, size: number): number {
  const cutoff = tp.max_window > TCP_MSS_DEFAULT ? tp.max_window >>> 1 : tp.max_window;
  return cutoff !== 0 && size > cutoff ? Math.max(cutoff, 68 - tp.tcp_header_len) : size;
}

/** Bytes for one packet: as many whole segments as a device may cut (TSO); urgent data goes one segment at a time. */
function tcp_xmit_size_goal(tp: TcpSock, mss_now: number, large_allowed: boolean): number {
  if (!large_allowed) return mss_now;
  const most = tcp_bound_to_half_wnd(tp, Math.min(tp.sk_gso_max_size, 65536 - 1 - LINUX_MAX_TCP_HEADER));
  let goal = tp.gso_segs * mss_now;
  if (most < goal || most >= goal + mss_now) {
    tp.gso_segs = Math.min(Math.floor(most / mss_now), tp.sk_gso_max_segs);
    goal = tp.gso_segs * mss_now;
  }
  return Math.max(goal, mss_now);
}

/** The segment size now; in kernel.tcp_size_goal what a packet of the write queue should grow to. */
export function tcp_send_mss(sk: Sock, flags: number): number {
  const mss_now = tcp_current_mss(sk);
  sk.net.kernel.tcp_size_goal = tcp_xmit_size_goal(tcp_sk(sk), mss_now, (flags & MSG_OOB) === 0);
  return mss_now;
}

const TSQ_THROTTLED = 1;

/** A packet that is not full may wait for more data while others of the connection are still below (tcp_autocorking). */
function tcp_should_autocork(tp: TcpSock, skb: SkBuff, size_goal: number): boolean {
  return (
    skb.len < size_goal &&
    tp.net.ipv4.sysctl_tcp_autocorking !== 0 &&
    tp.tcp_rtx_queue.next !== null &&
    tp.sk_wmem_alloc > skb.truesize &&
    !skb.tcp_eor
  );
}

/** A write ends: mark what the peer should deliver at once, and send what may be sent. */
export function tcp_push(sk: Sock, flags: number, mss_now: number, nonagle: number, size_goal: number): void {
  if (trace_key.on) trace_call(F_tcp_push, sk.net.kernel);
  const tp = tcp_sk(sk);
  const skb = tcp_write_queue_tail(tp);
  if (skb === null) return;
  if ((flags & MSG_MORE) === 0 || forced_push(tp)) tcp_mark_push(tp, skb);
  if ((flags & MSG_OOB) !== 0) tp.snd_up = tp.write_seq;
  if (tcp_should_autocork(tp, skb, size_goal)) {
    if ((tp.tsq_flags & TSQ_THROTTLED) === 0) {
      sk.net.mib.linux[LINUX_MIB_TCPAUTOCORKING]!++;
      tp.tsq_flags |= TSQ_THROTTLED;
    }
    return;
  }
  __tcp_push_pending_frames(sk, mss_now, (flags & MSG_MORE) !== 0 ? TCP_NAGLE_CORK : nonagle);
}

// --- sendmsg ------------------------------------------------------------------------------------------------------

/** SOL_SOCKET's ancillary data of a write: what TCP has a use for is its time stamps. */
function tcp_cmsg_send(sk: Sock, msg: MsgHdr, sockc: SockcmCookie): number {
  if (msg.msg_control === null || msg.msg_controllen === 0) return 0;
  for (const [level, type, data] of for_each_cmsg(msg)) {
    if (level !== SOL_SOCKET) continue;
    const err = __sock_cmsg_send(sk, type, data, sockc);
    if (err < 0) return err;
  }
  return 0;
}

/**
 * MSG_FASTOPEN, or the first write after TCP_FASTOPEN_CONNECT: the SYN goes out with as much of the data as it can carry.
 * Returns 0 or -errno; the bytes that the SYN took are left in fastopen_copied.
 */
function tcp_sendmsg_fastopen(tp: TcpSock, msg: MsgHdr, size: number, flags: number): number {
  const k = tp.net.kernel;
  k.tcp_fastopen_copied = 0;
  const addr = msg.msg_name;
  const family = addr !== null && addr.length >= 2 ? addr[0]! | (addr[1]! << 8) : -1;
  if ((tp.net.ipv4.sysctl_tcp_fastopen & TFO_CLIENT_ENABLE) === 0 || family === AF_UNSPEC) return -EOPNOTSUPP;
  if (tp.fastopen_req !== null) return -EALREADY;
  const req = new TcpFastopenRequest(msg, size);
  tp.fastopen_req = req;
  let err: number;
  if (tp.defer_connect) {
    err = tcp_connect(tp);
    if (err !== 0) {
      tcp_set_state(tp, TCP_CLOSE);
      tp.inet_dport = 0;
      tp.sk_route_caps = 0;
    }
  }
  // Its caller waits, when it may: a call of ours never does.
  err = __inet_stream_connect(
    tp.sk_socket!,
    addr ?? new Uint8Array(0),
    (flags & MSG_DONTWAIT) !== 0 ? O_NONBLOCK : 0,
    true,
  );
  // A failure has disconnected, and the request is gone with that.
  if (tp.fastopen_req !== null) {
    k.tcp_fastopen_copied = req.copied;
    tcp_free_fastopen_req(tp);
    tp.defer_connect = false;
  }
  return err;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** What the control messages of a write ask for: one write at a time. */
    tcp_sockc: SockcmCookie;
    /** Second result of tcp_sendmsg_fastopen(). */
    tcp_fastopen_copied: number;
  }
}

/**
 * Copies into the write queue as much as the send buffer takes, and sends what may be sent. Returns the bytes taken (a
 * blocking caller comes again with the rest and MSG_CONTINUED), or -errno when that is none: -EAGAIN to wait.
 */
export function tcp_sendmsg(sk: Sock, msg: MsgHdr, size: number, flags: number): number {
  const tp = tcp_sk(sk);
  const k = sk.net.kernel;
  if (trace_key.on) trace_call(F_tcp_sendmsg, k);
  let copied_syn = 0;
  let from = 0;
  if ((flags & MSG_FASTOPEN) !== 0 || (tp.defer_connect && !tp.repair)) {
    const err = tcp_sendmsg_fastopen(tp, msg, size, flags);
    copied_syn = k.tcp_fastopen_copied;
    if (err === -EINPROGRESS && copied_syn > 0) return copied_syn;
    if (err !== 0) return tcp_send_error(sk, flags, err);
    from = copied_syn;
  }
  tcp_rate_check_app_limited(sk);
  const state = sk.sk_state;
  // Data of a Fast Open server's child may go out before the handshake is complete.
  if (state !== TCP_ESTABLISHED && state !== TCP_CLOSE_WAIT && tp.fastopen_rsk === null) {
    const err =
      sk.sk_err !== 0
        ? (flags & MSG_CONTINUED) !== 0
          ? -sk.sk_err
          : sock_error(sk)
        : state === TCP_SYN_SENT || state === TCP_SYN_RECV
          ? -EAGAIN
          : -EPIPE;
    return copied_syn || tcp_send_error(sk, flags, err);
  }
  if (tp.repair) {
    if (tp.repair_queue === TCP_RECV_QUEUE) return tcp_send_rcvq(sk, msg, size);
    if (tp.repair_queue !== TCP_SEND_QUEUE) return -EINVAL;
  }
  const sockc = k.tcp_sockc;
  sockcm_init(sockc, sk);
  const cmsg = tcp_cmsg_send(sk, msg, sockc);
  if (cmsg < 0) return copied_syn || cmsg;

  let copied = 0;
  const mss_now = tcp_send_mss(sk, flags);
  const size_goal = k.tcp_size_goal;
  if (sk.sk_err !== 0 || (sk.sk_shutdown & SEND_SHUTDOWN) !== 0) return copied_syn || tcp_send_error(sk, flags, -EPIPE);
  const queue = sk.sk_write_queue;
  const zc =
    (flags & MSG_ZEROCOPY) !== 0 && size > 0 && sock_flag(sk, SOCK_ZEROCOPY)
      ? tcp_zerocopy_begin(tp, size, flags)
      : null;
  while (from < size) {
    let skb = queue.prev;
    let copy = skb !== null ? size_goal - skb.len : 0;
    // A packet belongs to the sends of one notification.
    const other = zc !== null && skb !== null && skb.uarg !== null && skb.uarg !== zc;
    if (other) tcp_mark_push(tp, skb!);
    if (copy <= 0 || skb!.tcp_eor || other) {
      const left = size - from;
      if (!sk_stream_memory_free(sk)) return tcp_wait_for_sndbuf(sk, flags, copied, copied_syn, mss_now, size_goal, zc);
      // A stream that filled the packet before will fill this one as well.
      const room = left < size_goal && (skb === null || skb.tcp_eor) ? left : size_goal;
      skb = tcp_stream_alloc_skb(sk, room);
      if (skb === null) return tcp_wait_for_sndbuf(sk, flags, copied, copied_syn, mss_now, size_goal, zc);
      tcp_skb_entail(sk, skb);
      copy = size_goal;
    }
    if (copy > size - from) copy = size - from;
    copy = tcp_wmem_schedule(sk, copy);
    if (copy <= 0 || (skb!.end - skb!.tail < copy && !tcp_skb_grow(skb!, copy))) {
      return tcp_wait_for_sndbuf(sk, flags, copied, copied_syn, mss_now, size_goal, zc);
    }
    const s = skb!;
    if (zc !== null) skb_zcopy_set(s, zc);
    memcpy_from_msg(s.head.u8, s.tail, msg, from, copy);
    s.tail += copy;
    s.len += copy;
    s.truesize += copy;
    tp.sk_wmem_queued += copy;
    if (copied === 0) s.tcp_flags &= ~TCPHDR_PSH;
    tp.write_seq = (tp.write_seq + copy) | 0;
    s.tcp_end_seq = (s.tcp_end_seq + copy) | 0;
    s.tcp_gso_segs = 0;
    from += copy;
    copied += copy;
    if (from === size) {
      if ((flags & MSG_EOR) !== 0) s.tcp_eor = true;
      break;
    }
    if (s.len < size_goal || (flags & MSG_OOB) !== 0) continue;
    if (forced_push(tp)) {
      tcp_mark_push(tp, s);
      __tcp_push_pending_frames(sk, mss_now, TCP_NAGLE_PUSH);
    } else if (s === tcp_send_head(tp)) tcp_push_one(sk, mss_now);
  }
  if (copied > 0) {
    tcp_tx_timestamp(tp, sockc.tsflags);
    tcp_push(sk, flags, mss_now, tp.nonagle, size_goal);
  }
  if (zc !== null) net_zcopy_put(zc);
  return copied + copied_syn;
}

/** The numbers of a MSG_ZEROCOPY send; a call that had to wait goes on with those it has. */
function tcp_zerocopy_begin(tp: TcpSock, size: number, flags: number): UbufInfo {
  const held = tp.sk_zc_waits;
  if (held !== null) {
    tp.sk_zc_waits = null;
    if ((flags & MSG_CONTINUED) !== 0) return held;
    // Its caller was interrupted.
    net_zcopy_put(held);
  }
  return msg_zerocopy_realloc(tp, size, tcp_write_queue_tail(tp)?.uarg ?? null);
}

/** sendfile(2) has come to the end of a file that is shorter than was asked for. */
export function tcp_splice_eof(sk: Sock): void {
  const tp = tcp_sk(sk);
  if (tcp_write_queue_tail(tp) === null) return;
  const mss_now = tcp_send_mss(sk, 0);
  tcp_push(sk, 0, mss_now, tp.nonagle, sk.net.kernel.tcp_size_goal);
}

/** No room: what is there is pushed, so that the acknowledgments come which make room. */
function tcp_wait_for_sndbuf(
  sk: Sock,
  flags: number,
  copied: number,
  copied_syn: number,
  mss_now: number,
  size_goal: number,
  zc: UbufInfo | null,
): number {
  const tp = tcp_sk(sk);
  if (zc !== null) {
    if (copied === 0 && (flags & MSG_CONTINUED) === 0) net_zcopy_put_abort(zc);
    else if (sock_nonblock(sk, flags)) net_zcopy_put(zc);
    else tp.sk_zc_waits = zc;
  }
  if (sk.sk_socket !== null) sk.sk_socket.flags |= SOCK_NOSPACE;
  tcp_remove_empty_skb(sk);
  // Who waits has not written its last byte yet.
  if (copied > 0 && sock_nonblock(sk, flags)) tcp_tx_timestamp(tp, sk.net.kernel.tcp_sockc.tsflags);
  if (copied > 0) tcp_push(sk, flags & ~MSG_MORE, mss_now, TCP_NAGLE_PUSH, size_goal);
  // Sending may have ended in the device already: then there is room again, and nobody who would wake us.
  if (copied > 0 || copied_syn > 0) return copied + copied_syn;
  return tcp_send_error(sk, flags, -EAGAIN);
}

/** How a write ends that took nothing. */
function tcp_send_error(sk: Sock, flags: number, err: number): number {
  // Of a write that has taken something before: the error waits for the next call.
  if ((flags & MSG_CONTINUED) !== 0) return err;
  err = sk_stream_error(sk, flags, err);
  // An edge-triggered poller missed the edge when memory, not the buffer, was short.
  if (err === -EAGAIN && tcp_rtx_and_write_queues_empty(tcp_sk(sk))) sk.sk_write_space(sk);
  return err;
}
