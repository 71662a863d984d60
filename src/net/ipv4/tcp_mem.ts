// What a stream's buffers may hold: the send buffer, and the memory of all TCP sockets against tcp_mem.
// Mirrors net/core/stream.c and the sk_mem_* functions of net/core/sock.c. Read first: tcp(7), "tcp_mem"; socket(7).
// Way in: sk_stream_memory_free(), sk_wmem_schedule(), sk_rmem_schedule(), sk_mem_reclaim(), sk_stream_kill_queues().
//
// Linux counts down sk_forward_alloc, the part of what a socket took from tcp_mem that no packet uses, at each packet. Here
// it is derived: sk_mem_allocated, less both send queues and the receive queue; so packets freed by anybody are right.

import type { Kernel } from "../../kernel/kernel.ts";
import { jiffies } from "../../kernel/kernel.ts";
import { send_sig } from "../../kernel/sched.ts";
import { wake_up } from "../../kernel/wait.ts";
import { EPIPE } from "../../uapi/errno.ts";
import { EPOLLOUT, POLLWRBAND, POLLWRNORM, SIGPIPE } from "../../uapi/fcntl.ts";
import { MSG_NOSIGNAL } from "../../uapi/socket.ts";
import { SKB_DROP_REASON_QUEUE_PURGE } from "../core/dropreason.ts";
import type { Net } from "../core/net_namespace.ts";
import { consume_skb, type SkBuff, skb_queue_purge_reason } from "../core/skbuff.ts";
import { LINUX_MIB_TCPMEMORYPRESSURES, LINUX_MIB_TCPMEMORYPRESSURESCHRONO } from "../core/snmp.ts";
import { SOCK_MIN_SNDBUF, SOCK_SNDBUF_LOCK, type Sock, sock_error } from "../core/sock.ts";
import { skb_zcopy_clear } from "../core/zerocopy.ts";
import type {} from "./sysctl_tcp.ts";
import { type TcpSock, tcp_sk } from "./tcp_sock.ts";

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Pages that all TCP sockets hold, and since when (jiffies) that is above the pressure mark; 0: it is not. */
    tcp_memory_allocated: number;
    tcp_memory_pressure: number;
    tcp_sockets_allocated: number;
    /** Closed by their program, not yet by the peer. */
    tcp_orphan_count: number;
    /** Second result of tcp_send_mss(): the bytes a packet of the write queue should grow to. */
    tcp_size_goal: number;
  }
}

const PAGE_SHIFT = 12;
const PAGE_SIZE = 1 << PAGE_SHIFT;

/** sock->flags: a writer waits, or polled in vain: who frees memory has to wake it. */
export const SOCK_NOSPACE = 1 << 2;

export function tcp_mem_init(k: Kernel): void {
  k.tcp_memory_allocated = 0;
  k.tcp_memory_pressure = 0;
  k.tcp_sockets_allocated = 0;
  k.tcp_orphan_count = 0;
  k.tcp_size_goal = 0;
  k.live.set("tcp_mem", () => k.tcp_memory_allocated);
  k.live.set("tcp_orphans", () => k.tcp_orphan_count);
}

// --- the send buffer ----------------------------------------------------------------------------------------------

/** TCP_NOTSENT_LOWAT, of the socket or of the namespace, in bytes. */
export function tcp_notsent_lowat(tp: TcpSock): number {
  return (tp.notsent_lowat || tp.net.ipv4.sysctl_tcp_notsent_lowat) >>> 0;
}

/** `wake` 1: with half of the limit to spare, so that a writer does not wake for one segment. */
export function __sk_stream_memory_free(sk: Sock, wake: number): boolean {
  const tp = tcp_sk(sk);
  if (tp.sk_wmem_queued >= tp.sk_sndbuf) return false;
  return ((tp.write_seq - tp.snd_nxt) >>> 0) * (wake + 1) < tcp_notsent_lowat(tp);
}
export function sk_stream_memory_free(sk: Sock): boolean {
  return __sk_stream_memory_free(sk, 0);
}

/** A third of the buffer is free: below that nobody is woken. */
export function __sk_stream_is_writeable(sk: Sock, wake: number): boolean {
  const tp = tcp_sk(sk);
  return tp.sk_sndbuf - tp.sk_wmem_queued >= tp.sk_wmem_queued >> 1 && __sk_stream_memory_free(sk, wake);
}

/** sk->sk_write_space of a stream. */
export function sk_stream_write_space(sk: Sock): void {
  const sock = sk.sk_socket;
  if (sock === null || !__sk_stream_is_writeable(sk, 0)) return;
  sock.flags &= ~SOCK_NOSPACE;
  if (sock.wq.first !== null) wake_up(sock.wq, EPOLLOUT | POLLWRNORM | POLLWRBAND);
}

/** Memory is short: the buffer shrinks to half of what is in use, unless the program has set it. */
export function sk_stream_moderate_sndbuf(sk: Sock): void {
  if ((sk.sk_userlocks & SOCK_SNDBUF_LOCK) !== 0) return;
  sk.sk_sndbuf = Math.max(Math.min(sk.sk_sndbuf, tcp_sk(sk).sk_wmem_queued >> 1), SOCK_MIN_SNDBUF);
}

/** A broken pipe says why if there is a pending error, else it is EPIPE with SIGPIPE. */
export function sk_stream_error(sk: Sock, flags: number, err: number): number {
  if (err !== -EPIPE) return err;
  err = sock_error(sk) || -EPIPE;
  const current = sk.net.kernel.current;
  if (err === -EPIPE && (flags & MSG_NOSIGNAL) === 0 && current !== null) send_sig(current, SIGPIPE);
  return err;
}

// --- the memory of all sockets ------------------------------------------------------------------------------------

const forward_alloc = (tp: TcpSock): number => tp.sk_mem_allocated - tp.sk_wmem_queued - tp.sk_rmem_alloc;

export function tcp_under_memory_pressure(sk: Sock): boolean {
  return sk.net.kernel.tcp_memory_pressure !== 0;
}
export function tcp_enter_memory_pressure(sk: Sock): void {
  const k = sk.net.kernel;
  if (k.tcp_memory_pressure !== 0) return;
  k.tcp_memory_pressure = jiffies(k) || 1;
  sk.net.mib.linux[LINUX_MIB_TCPMEMORYPRESSURES]!++;
}
function tcp_leave_memory_pressure(net: Net): void {
  const k = net.kernel;
  if (k.tcp_memory_pressure === 0) return;
  net.mib.linux[LINUX_MIB_TCPMEMORYPRESSURESCHRONO]! += jiffies(k) - k.tcp_memory_pressure;
  k.tcp_memory_pressure = 0;
}

/**
 * Takes pages for `size` bytes more. Above the high mark, and above the pressure mark for those who hold more than their share,
 * only the minimum of each buffer (tcp_rmem[0], tcp_wmem[0]) is granted.
 */
function __sk_mem_schedule(tp: TcpSock, size: number, recv: boolean): boolean {
  const k = tp.net.kernel;
  const mem = k.tcp_sysctls.sysctl_tcp_mem;
  const pages = (size - forward_alloc(tp) + PAGE_SIZE - 1) >> PAGE_SHIFT;
  const allocated = k.tcp_memory_allocated + pages;
  let ok = true;
  if (allocated <= mem[0]!) tcp_leave_memory_pressure(tp.net);
  else {
    if (allocated > mem[1]!) tcp_enter_memory_pressure(tp);
    if (allocated > mem[2]! || k.tcp_memory_pressure !== 0) {
      const used = tp.sk_wmem_queued + tp.sk_rmem_alloc;
      const ipv4 = tp.net.ipv4;
      ok =
        allocated <= mem[2]! &&
        ((recv ? tp.sk_rmem_alloc < ipv4.sysctl_tcp_rmem[0]! : tp.sk_wmem_queued < ipv4.sysctl_tcp_wmem[0]!) ||
          mem[2]! > k.tcp_sockets_allocated * ((used + size + PAGE_SIZE - 1) >> PAGE_SHIFT));
      if (!ok && !recv) {
        sk_stream_moderate_sndbuf(tp);
        // A send buffer that is not yet full is filled even so: else a stream could stop with nothing in flight.
        ok = tp.sk_wmem_queued + size >= tp.sk_sndbuf;
      }
    }
  }
  if (!ok) return false;
  k.tcp_memory_allocated = allocated;
  tp.sk_mem_allocated += pages << PAGE_SHIFT;
  return true;
}

/** May `size` bytes more be queued for sending? */
export function sk_wmem_schedule(sk: Sock, size: number): boolean {
  const tp = tcp_sk(sk);
  return size <= forward_alloc(tp) || __sk_mem_schedule(tp, size, false);
}
/** The bytes of `copy` that may be written: under pressure at least those that tcp_wmem[0] grants, so that streams go on. */
export function tcp_wmem_schedule(sk: Sock, copy: number): number {
  if (sk_wmem_schedule(sk, copy)) return copy;
  const tp = tcp_sk(sk);
  const left = sk.net.ipv4.sysctl_tcp_wmem[0]! - tp.sk_wmem_queued;
  if (left > 0) sk_forced_mem_schedule(sk, Math.min(left, copy));
  return Math.min(copy, forward_alloc(tp));
}
/** May `skb`, which counts `size` bytes, be queued for reading? */
export function sk_rmem_schedule(sk: Sock, _skb: SkBuff | null, size: number): boolean {
  const tp = tcp_sk(sk);
  return size <= forward_alloc(tp) || __sk_mem_schedule(tp, size, true);
}
/** Memory that is granted in any case: a FIN has to go out (sk_forced_mem_schedule). */
export function sk_forced_mem_schedule(sk: Sock, size: number): void {
  const tp = tcp_sk(sk);
  const need = size - forward_alloc(tp);
  if (need <= 0) return;
  const pages = (need + PAGE_SIZE - 1) >> PAGE_SHIFT;
  tp.net.kernel.tcp_memory_allocated += pages;
  tp.sk_mem_allocated += pages << PAGE_SHIFT;
}

/** Gives whole unused pages back. */
export function sk_mem_reclaim(sk: Sock): void {
  const tp = tcp_sk(sk);
  const free = forward_alloc(tp);
  if (free >= PAGE_SIZE) mem_release(tp, free >> PAGE_SHIFT);
}
function mem_release(tp: TcpSock, pages: number): void {
  const k = tp.net.kernel;
  tp.sk_mem_allocated -= pages << PAGE_SHIFT;
  k.tcp_memory_allocated -= pages;
  if (k.tcp_memory_pressure !== 0 && k.tcp_memory_allocated < k.tcp_sysctls.sysctl_tcp_mem[0]!)
    tcp_leave_memory_pressure(tp.net);
}

/** A packet of a send queue ends. */
export function tcp_wmem_free_skb(sk: Sock, skb: SkBuff): void {
  tcp_sk(sk).sk_wmem_queued -= skb.truesize;
  if (skb.uarg !== null) skb_zcopy_clear(skb);
  consume_skb(skb);
  sk_mem_reclaim(sk);
}

/** Out of service: what was not read is gone, and all memory is given back (inet_csk_destroy_sock()). */
export function sk_stream_kill_queues(sk: Sock): void {
  const tp = tcp_sk(sk);
  skb_queue_purge_reason(sk.sk_receive_queue, SKB_DROP_REASON_QUEUE_PURGE);
  skb_queue_purge_reason(sk.sk_error_queue, SKB_DROP_REASON_QUEUE_PURGE);
  if (tp.sk_mem_allocated !== 0) mem_release(tp, tp.sk_mem_allocated >> PAGE_SHIFT);
}

/** Sockets are counted for the share that each may hold under pressure. */
export function sk_sockets_allocated_inc(sk: Sock): void {
  sk.net.kernel.tcp_sockets_allocated++;
}
export function sk_sockets_allocated_dec(sk: Sock): void {
  sk.net.kernel.tcp_sockets_allocated--;
}

// --- orphans ------------------------------------------------------------------------------------------------------

export function tcp_orphan_count_sum(k: Kernel): number {
  return k.tcp_orphan_count;
}

/** Too many orphans (`shift`: this one counts 2^shift fold), or no memory for this one: it is better reset. */
export function tcp_check_oom(sk: Sock, shift: number): boolean {
  const k = sk.net.kernel;
  const too_many = k.tcp_orphan_count * 2 ** shift > k.tcp_sysctls.sysctl_tcp_max_orphans;
  return (
    too_many ||
    (tcp_sk(sk).sk_wmem_queued > SOCK_MIN_SNDBUF && k.tcp_memory_allocated > k.tcp_sysctls.sysctl_tcp_mem[2]!)
  );
}
