// AF_UNIX: stream, datagram and sequenced-packet sockets between programs of one machine. Mirrors net/unix/af_unix.c.
// Read first: unix(7). Way in: unix_init(); unix_stream_connect(), unix_stream_sendmsg(), unix_dgram_sendmsg().

import type { PollTable } from "../../kernel/fs/file.ts";
import { SockInode, vfs_lookup, vfs_mksock } from "../../kernel/fs/vfs.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { send_sig, type Task } from "../../kernel/sched.ts";
import { proc_dointvec, register_sysctl } from "../../kernel/sysctl.ts";
import { wake_up } from "../../kernel/wait.ts";
import {
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EFAULT,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  EMSGSIZE,
  ENOIOCTLCMD,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  EPROTONOSUPPORT,
  EPROTOTYPE,
  ESOCKTNOSUPPORT,
} from "../../uapi/errno.ts";
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  O_NONBLOCK,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
  SIGPIPE,
} from "../../uapi/fcntl.ts";
import {
  AF_UNIX,
  MSG_NOSIGNAL,
  MSG_OOB,
  MSG_PEEK,
  MSG_TRUNC,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SHUTDOWN_MASK,
  SIOCINQ,
  SIOCOUTQ,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { utf8_decode } from "../../uapi/utf8.ts";
import { memcpy_from_msg, memcpy_to_msg, skb_copy_datagram_msg, skb_recv_datagram } from "../core/datagram.ts";
import { SKB_DROP_REASON_SOCKET_CLOSE } from "../core/dropreason.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { proc_create_net } from "../core/net-procfs.ts";
import {
  __skb_dequeue,
  __skb_queue_tail,
  __skb_unlink,
  consume_skb,
  kfree_skb_reason,
  type SkBuff,
  skb_pull,
  skb_put,
} from "../core/skbuff.ts";
import {
  type Proto,
  type ProtoOps,
  proto_register,
  SOCK_DEAD,
  Sock,
  type Socket,
  SS_CONNECTED,
  SS_UNCONNECTED,
  sk_alloc,
  sock_alloc_send_skb,
  sock_error,
  sock_flag,
  sock_hold,
  sock_init_data,
  sock_orphan,
  sock_put,
  sock_register,
  TCP_CLOSE,
  TCP_ESTABLISHED,
  TCP_LISTEN,
} from "../core/sock.ts";

/** sun_path; an address is at most that long. */
export const UNIX_PATH_MAX = 108;
const SUN_PATH = 2;
/** Bytes of a stream that travel together at most: a head of four pages and a frag of 32 kB, as on Linux. */
const UNIX_STREAM_CHUNK = 36864;
/** What sk_sndbuf must hold beside a datagram. */
const UNIX_DGRAM_ROOM = 32;
/** net.unix.max_dgram_qlen. */
const MAX_DGRAM_QLEN = 10;

export class UnixSock extends Sock {
  /** sun_path as bound: a path without its NUL, or an abstract name with its leading one; null: unnamed. */
  addr: Uint8Array | null = null;
  inode: SockInode | null = null;
  /** The other end, with a reference; of a datagram socket: where connect() leads. */
  peer: UnixSock | null = null;
  /** Connections that wait for accept(). */
  readonly accept_queue: UnixSock[] = [];
  /** The listener that has this one in its queue. */
  listener: UnixSock | null = null;
  /** Sockets that found this one's queue full (of datagrams, of connections): told when there is room. */
  readonly peer_wait: Set<UnixSock> = new Set();
  /** The receiver whose full queue this one waits for. */
  blocked_on: UnixSock | null = null;
}
const unix_sk = (sk: Sock): UnixSock => sk as UnixSock;

declare module "../core/net_namespace.ts" {
  interface Net {
    /** Oldest first. */
    unix_table: Set<UnixSock>;
    /** Abstract names, as text of one character a byte. */
    unix_abstract: Map<string, UnixSock>;
    unix_autobind: number;
    sysctl_max_dgram_qlen: number;
  }
}
declare module "../../kernel/kernel.ts" {
  interface Kernel {
    unix_err: Int32Array;
  }
}

const current = (k: Kernel): Task => k.current ?? k.tasks.get(1)!;
const key_of = (name: Uint8Array): string => String.fromCharCode(...name);
const path_of = (name: Uint8Array): string => utf8_decode(name);
const connection_oriented = (sk: Sock): boolean => sk.sk_type === SOCK_STREAM || sk.sk_type === SOCK_SEQPACKET;

// --- names --------------------------------------------------------------------------------------------------------

/** sun_path of a sockaddr_un: a path up to its NUL, or an abstract name in full length; empty: none. -EINVAL. */
function unix_validate_addr(addr: Uint8Array): Uint8Array | number {
  if (addr.length < SUN_PATH || addr.length > SUN_PATH + UNIX_PATH_MAX) return -EINVAL;
  if ((addr[0]! | (addr[1]! << 8)) !== AF_UNIX) return -EINVAL;
  const path = addr.subarray(SUN_PATH);
  if (path.length === 0 || path[0] === 0) return path;
  const end = path.indexOf(0);
  return end < 0 ? path : path.subarray(0, end);
}

/** The sockaddr_un of a socket into the program's buffer; returns its length. */
function put_name(u: UnixSock | null, out: Uint8Array): number {
  const name = u?.addr ?? null;
  // A path is told with its NUL.
  const n = name === null ? 0 : name.length + (name[0] === 0 ? 0 : 1);
  const sa = new Uint8Array(SUN_PATH + n);
  sa[0] = AF_UNIX;
  if (name !== null) sa.set(name, SUN_PATH);
  out.set(sa.subarray(0, Math.min(sa.length, out.length)));
  return sa.length;
}

/** Who is bound to a name, for a socket of `type`. */
function unix_find_other(sk: UnixSock, name: Uint8Array, type: number): UnixSock | number {
  let other: UnixSock | undefined | null;
  if (name[0] === 0) other = sk.net.unix_abstract.get(key_of(name));
  else {
    const inode = vfs_lookup(current(sk.net.kernel), path_of(name));
    if (typeof inode === "number") return inode;
    if (!(inode instanceof SockInode)) return -ECONNREFUSED;
    other = inode.sk as UnixSock | null;
  }
  if (!other) return -ECONNREFUSED;
  return other.sk_type === type ? other : -EPROTOTYPE;
}

function unix_autobind(u: UnixSock): number {
  const { net } = u;
  for (let i = 0; i <= 0xfffff; i++) {
    const n = (net.unix_autobind + i) & 0xfffff;
    const name = Uint8Array.from(`\0${n.toString(16).padStart(5, "0")}`, (c) => c.charCodeAt(0));
    if (net.unix_abstract.has(key_of(name))) continue;
    net.unix_autobind = (n + 1) & 0xfffff;
    u.addr = name;
    net.unix_abstract.set(key_of(name), u);
    return 0;
  }
  return -28;
}

function unix_bind(sock: Socket, addr: Uint8Array): number {
  const u = unix_sk(sock.sk);
  const name = unix_validate_addr(addr);
  if (typeof name === "number") return name;
  if (name.length === 0) return u.addr !== null ? 0 : unix_autobind(u);
  if (u.addr !== null) return -EINVAL;
  const { net } = u;
  if (name[0] === 0) {
    if (net.unix_abstract.has(key_of(name))) return -EADDRINUSE;
    net.unix_abstract.set(key_of(name), u);
  } else {
    const inode = vfs_mksock(current(net.kernel), path_of(name));
    if (typeof inode === "number") return inode;
    inode.sk = u;
    u.inode = inode;
  }
  u.addr = name.slice();
  return 0;
}

function unix_getname(sock: Socket, addr: Uint8Array, peer: boolean | 2): number {
  const u = unix_sk(sock.sk);
  if (peer === false) return put_name(u, addr);
  if (u.peer === null && peer !== 2) return -ENOTCONN;
  return put_name(u.peer, addr);
}

// --- life ---------------------------------------------------------------------------------------------------------

function unix_create1(net: Net, sock: Socket | null, type: number): UnixSock {
  const u = sk_alloc(net, AF_UNIX, type === SOCK_STREAM ? unix_stream_proto : unix_dgram_proto) as UnixSock;
  sock_init_data(sock, u);
  u.sk_type = type;
  u.sk_max_ack_backlog = net.sysctl_max_dgram_qlen;
  u.sk_write_space = unix_write_space;
  u.sk_state = TCP_CLOSE;
  net.unix_table.add(u);
  return u;
}

function unix_create(net: Net, sock: Socket, protocol: number, _kern: boolean): number {
  if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT;
  let type = sock.type;
  // Who asks for raw gets datagrams.
  if (type === SOCK_RAW) type = SOCK_DGRAM;
  if (type === SOCK_STREAM) sock.ops = unix_stream_ops;
  else if (type === SOCK_DGRAM) sock.ops = unix_dgram_ops;
  else if (type === SOCK_SEQPACKET) sock.ops = unix_seqpacket_ops;
  else return -ESOCKTNOSUPPORT;
  sock.state = SS_UNCONNECTED;
  unix_create1(net, sock, type);
  return 0;
}

/** `embryo`: it was never accepted, which the other end takes for a reset. */
function unix_release_sock(u: UnixSock, embryo: boolean): void {
  const { net } = u;
  net.unix_table.delete(u);
  if (u.addr !== null && u.addr[0] === 0 && net.unix_abstract.get(key_of(u.addr)) === u)
    net.unix_abstract.delete(key_of(u.addr));
  if (u.inode !== null) u.inode.sk = null;
  u.inode = null;
  const listening = u.sk_state === TCP_LISTEN;
  u.sk_state = TCP_CLOSE;
  u.sk_shutdown = SHUTDOWN_MASK;
  const pair = u.peer;
  u.peer = null;
  if (pair !== null) {
    if (connection_oriented(u)) {
      pair.sk_shutdown = SHUTDOWN_MASK;
      if (u.sk_receive_queue.next !== null || embryo) pair.sk_err = ECONNRESET;
      pair.sk_state_change(pair);
    }
    sock_put(pair);
  }
  unblock(u);
  for (let skb = __skb_dequeue(u.sk_receive_queue); skb !== null; skb = __skb_dequeue(u.sk_receive_queue))
    kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_CLOSE);
  if (listening) for (const child of u.accept_queue.splice(0)) unix_release_sock(child, true);
  sock_orphan(u);
  unix_peer_wake(u);
  sock_put(u);
}

function unix_release(sock: Socket): void {
  const sk = sock.sk;
  if (sk === null) return;
  sock.sk = null as unknown as Sock;
  unix_release_sock(unix_sk(sk), false);
}

function unix_listen(sock: Socket, backlog: number): number {
  const u = unix_sk(sock.sk);
  if (u.addr === null) return -EINVAL;
  if (u.sk_state !== TCP_CLOSE && u.sk_state !== TCP_LISTEN) return -EINVAL;
  u.sk_max_ack_backlog = backlog;
  u.sk_state = TCP_LISTEN;
  u.sk_peer_pid = current(u.net.kernel).pid;
  return 0;
}

/** A connection stands at once. -EINPROGRESS: the listener's queue is full, and a blocking call waits (poll says for what). */
function unix_stream_connect(sock: Socket, addr: Uint8Array, flags: number): number {
  const u = unix_sk(sock.sk);
  const name = unix_validate_addr(addr);
  if (typeof name === "number") return name;
  if (name.length === 0) return -EINVAL;
  const other = unix_find_other(u, name, u.sk_type);
  if (typeof other === "number") return other;
  if (other.sk_state !== TCP_LISTEN || (other.sk_shutdown & RCV_SHUTDOWN) !== 0) return -ECONNREFUSED;
  unblock(u);
  if (other.accept_queue.length > other.sk_max_ack_backlog) {
    if ((flags & O_NONBLOCK) !== 0) return -EAGAIN;
    wait_for(u, other);
    return -EINPROGRESS;
  }
  if (u.sk_state === TCP_ESTABLISHED) return -EISCONN;
  if (u.sk_state !== TCP_CLOSE) return -EINVAL;
  const child = unix_create1(u.net, null, u.sk_type);
  child.addr = other.addr;
  child.listener = other;
  unix_pair(u, child);
  u.sk_peer_pid = other.sk_peer_pid;
  child.sk_peer_pid = current(u.net.kernel).pid;
  sock.state = SS_CONNECTED;
  other.accept_queue.push(child);
  other.sk_data_ready(other);
  return 0;
}

/** Each the other's peer, each with a reference. */
function unix_pair(a: UnixSock, b: UnixSock): void {
  sock_hold(a);
  sock_hold(b);
  a.peer = b;
  b.peer = a;
  if (!connection_oriented(a)) return;
  a.sk_state = TCP_ESTABLISHED;
  b.sk_state = TCP_ESTABLISHED;
}

/** socketpair(2): both ends are connected and unnamed. */
function unix_socketpair(a: Socket, b: Socket): number {
  const x = unix_sk(a.sk);
  const y = unix_sk(b.sk);
  unix_pair(x, y);
  const { pid } = current(x.net.kernel);
  x.sk_peer_pid = pid;
  y.sk_peer_pid = pid;
  a.state = SS_CONNECTED;
  b.state = SS_CONNECTED;
  return 0;
}

function unix_accept(sock: Socket, newsock: Socket, _flags: number): number {
  const u = unix_sk(sock.sk);
  if (u.sk_state !== TCP_LISTEN) return -EINVAL;
  const child = u.accept_queue.shift();
  if (child === undefined) return (u.sk_shutdown & RCV_SHUTDOWN) !== 0 ? -EINVAL : -EAGAIN;
  child.listener = null;
  unix_peer_wake(u);
  newsock.sk = child;
  newsock.state = SS_CONNECTED;
  child.sk_socket = newsock;
  return 0;
}

function unix_shutdown(sock: Socket, how: number): number {
  if (how < 0 || how > 2) return -EINVAL;
  const u = unix_sk(sock.sk);
  const mode = how + 1;
  u.sk_shutdown |= mode;
  const other = u.peer;
  if (other !== null && connection_oriented(u)) {
    if ((mode & RCV_SHUTDOWN) !== 0) other.sk_shutdown |= SEND_SHUTDOWN;
    if ((mode & SEND_SHUTDOWN) !== 0) other.sk_shutdown |= RCV_SHUTDOWN;
    other.sk_state_change(other);
  }
  u.sk_state_change(u);
  return 0;
}

// --- streams ------------------------------------------------------------------------------------------------------

function broken_pipe(sk: Sock, flags: number): number {
  const task = sk.net.kernel.current;
  if ((flags & MSG_NOSIGNAL) === 0 && task !== null) send_sig(task, SIGPIPE);
  return -EPIPE;
}

/** A packet of the sender's, with `len` bytes from `at` of the message. Its memory counts against the sender until it is read. */
function unix_skb(u: UnixSock, msg: MsgHdr, at: number, len: number): SkBuff | number {
  const err = u.net.kernel.unix_err;
  const skb = sock_alloc_send_skb(u, Math.max(len, 1), err);
  if (skb === null) return err[0]!;
  const off = skb_put(skb, len);
  if (len > 0) memcpy_from_msg(skb.head.u8, off, msg, at, len);
  return skb;
}

function unix_stream_sendmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const u = unix_sk(sock.sk);
  // DIFF: no urgent data, no descriptors (SCM_RIGHTS) nor credentials go along.
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  if (msg.msg_name !== null && msg.msg_name.length > 0) return u.sk_state === TCP_ESTABLISHED ? -EISCONN : -EOPNOTSUPP;
  const other = u.peer;
  if (other === null) return (u.sk_shutdown & SEND_SHUTDOWN) !== 0 ? broken_pipe(u, flags) : -ENOTCONN;
  if ((u.sk_shutdown & SEND_SHUTDOWN) !== 0) return broken_pipe(u, flags);
  let sent = 0;
  while (sent < len) {
    const size = Math.min(len - sent, (u.sk_sndbuf >> 1) - 64, UNIX_STREAM_CHUNK);
    const skb = unix_skb(u, msg, sent, size);
    if (typeof skb === "number") return sent > 0 ? sent : skb === -EPIPE ? broken_pipe(u, flags) : skb;
    if (sock_flag(other, SOCK_DEAD) || (other.sk_shutdown & RCV_SHUTDOWN) !== 0) {
      consume_skb(skb);
      return sent > 0 ? sent : broken_pipe(u, flags);
    }
    __skb_queue_tail(other.sk_receive_queue, skb);
    other.sk_data_ready(other);
    sent += size;
  }
  return sent;
}

function unix_stream_recvmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const u = unix_sk(sock.sk);
  if (u.sk_state !== TCP_ESTABLISHED) return -EINVAL;
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  msg.msg_namelen = 0;
  const peek = (flags & MSG_PEEK) !== 0;
  let copied = 0;
  let skb = u.sk_receive_queue.next;
  while (skb !== null && copied < len) {
    const next: SkBuff | null = skb.next;
    const n = Math.min(skb.len, len - copied);
    memcpy_to_msg(msg, copied, skb.head.u8, skb.data, n);
    copied += n;
    if (!peek) {
      skb_pull(skb, n);
      if (skb.len === 0) {
        __skb_unlink(skb, u.sk_receive_queue);
        consume_skb(skb);
      }
    }
    skb = next;
  }
  if (copied > 0 || len === 0) return copied;
  const err = sock_error(u);
  if (err !== 0) return err;
  return (u.sk_shutdown & RCV_SHUTDOWN) !== 0 ? 0 : -EAGAIN;
}

// --- datagrams ----------------------------------------------------------------------------------------------------

const recvq_full = (u: UnixSock): boolean => u.sk_receive_queue.qlen > u.sk_max_ack_backlog;

function wait_for(u: UnixSock, other: UnixSock): void {
  unblock(u);
  u.blocked_on = other;
  other.peer_wait.add(u);
}
function unblock(u: UnixSock): void {
  u.blocked_on?.peer_wait.delete(u);
  u.blocked_on = null;
}

/** There is room in the queue, or nobody reads it any more. */
function unix_peer_wake(u: UnixSock): void {
  for (const sender of [...u.peer_wait]) {
    unblock(sender);
    sender.sk_write_space(sender);
  }
}

function unix_dgram_connect(sock: Socket, addr: Uint8Array, _flags: number): number {
  const u = unix_sk(sock.sk);
  if (addr.length < SUN_PATH) return -EINVAL;
  let other: UnixSock | number | null = null;
  if ((addr[0]! | (addr[1]! << 8)) !== 0) {
    const name = unix_validate_addr(addr);
    if (typeof name === "number") return name;
    if (name.length === 0) return -EINVAL;
    other = unix_find_other(u, name, u.sk_type);
    if (typeof other === "number") return other;
    if (sock_flag(other, SOCK_DEAD)) return -ECONNREFUSED;
    if (other.peer !== null && other.peer !== u) return -EPERM;
    sock_hold(other);
  }
  const old = u.peer;
  u.peer = other;
  u.sk_state = other === null ? TCP_CLOSE : TCP_ESTABLISHED;
  sock.state = other === null ? SS_UNCONNECTED : SS_CONNECTED;
  unblock(u);
  if (old !== null) sock_put(old);
  return 0;
}

function unix_dgram_sendmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const u = unix_sk(sock.sk);
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  let other: UnixSock | number | null = u.peer;
  if (msg.msg_name !== null && msg.msg_name.length > 0) {
    const name = unix_validate_addr(msg.msg_name);
    if (typeof name === "number") return name;
    if (name.length === 0) return -EINVAL;
    other = unix_find_other(u, name, u.sk_type);
    if (typeof other === "number") return other;
  } else if (other === null) return -ENOTCONN;
  if (len > u.sk_sndbuf - UNIX_DGRAM_ROOM) return -EMSGSIZE;
  const to = other as UnixSock;
  if (to.peer !== null && to.peer !== u) return -EPERM;
  if (sock_flag(to, SOCK_DEAD)) {
    if (u.peer === to) {
      u.peer = null;
      u.sk_state = TCP_CLOSE;
      sock_put(to);
    }
    return -ECONNREFUSED;
  }
  if ((to.sk_shutdown & RCV_SHUTDOWN) !== 0) return broken_pipe(u, flags);
  if (to !== u && recvq_full(to)) {
    wait_for(u, to);
    return -EAGAIN;
  }
  const skb = unix_skb(u, msg, 0, len);
  if (typeof skb === "number") return skb === -EPIPE ? broken_pipe(u, flags) : skb;
  __skb_queue_tail(to.sk_receive_queue, skb);
  to.sk_data_ready(to);
  return len;
}

function unix_dgram_recvmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const u = unix_sk(sock.sk);
  if ((flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
  const err = u.net.kernel.unix_err;
  const skb = skb_recv_datagram(u, flags, err);
  if (skb === null) {
    if (err[0] === -EAGAIN && u.sk_type === SOCK_SEQPACKET && (u.sk_shutdown & RCV_SHUTDOWN) !== 0) return 0;
    return err[0]!;
  }
  if ((flags & MSG_PEEK) === 0) unix_peer_wake(u);
  msg.msg_namelen = 0;
  const from = skb.sk as UnixSock | null;
  if (msg.msg_name !== null && from !== null && from.addr !== null) msg.msg_namelen = put_name(from, msg.msg_name);
  const n = Math.min(skb.len, len);
  if (n < skb.len) msg.msg_flags |= MSG_TRUNC;
  const copied = n > 0 ? skb_copy_datagram_msg(skb, 0, msg, n) : 0;
  const whole = skb.len;
  consume_skb(skb);
  if (copied < 0) return copied;
  return (flags & MSG_TRUNC) !== 0 ? whole : n;
}

function unix_seqpacket_sendmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  const u = unix_sk(sock.sk);
  const err = sock_error(u);
  if (err !== 0) return err;
  if (u.sk_state !== TCP_ESTABLISHED) return -ENOTCONN;
  if (u.peer === null || sock_flag(u.peer, SOCK_DEAD) || (u.sk_shutdown & SEND_SHUTDOWN) !== 0)
    return broken_pipe(u, flags);
  return unix_dgram_sendmsg(sock, { ...msg, msg_name: null, msg_namelen: 0 }, len, flags);
}
function unix_seqpacket_recvmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number {
  return sock.sk.sk_state !== TCP_ESTABLISHED ? -ENOTCONN : unix_dgram_recvmsg(sock, msg, len, flags);
}

// --- poll, ioctl, options -----------------------------------------------------------------------------------------

const unix_writable = (sk: Sock): boolean => sk.sk_state !== TCP_LISTEN && sk.sk_wmem_alloc * 4 <= sk.sk_sndbuf;

function unix_write_space(sk: Sock): void {
  if (sk.sk_socket !== null && unix_writable(sk)) wake_up(sk.sk_socket.wq, EPOLLOUT | POLLWRNORM | POLLWRBAND);
}

function unix_poll(sock: Socket, wait: PollTable | null): number {
  const u = unix_sk(sock.sk);
  if (wait !== null) wait.poll_wait(sock.wq);
  let mask = 0;
  if (u.sk_err !== 0) mask |= EPOLLERR;
  if (u.sk_shutdown === SHUTDOWN_MASK) mask |= EPOLLHUP;
  if ((u.sk_shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | EPOLLIN | POLLRDNORM;
  if (u.sk_receive_queue.next !== null || u.accept_queue.length > 0) mask |= EPOLLIN | POLLRDNORM;
  if (connection_oriented(u)) {
    if (u.sk_state === TCP_CLOSE && u.blocked_on === null) mask |= EPOLLHUP;
  } else if (u.blocked_on === null && u.peer !== null && u.peer.peer !== u && recvq_full(u.peer)) {
    // A send would find no room: who looks wants to hear of it.
    wait_for(u, u.peer);
  }
  if (unix_writable(u) && u.blocked_on === null) mask |= EPOLLOUT | POLLWRNORM | POLLWRBAND;
  return mask;
}

/** Bytes that can be read: of a stream all, else of the next message. */
export function unix_inq_len(u: UnixSock): number {
  if (u.sk_state === TCP_LISTEN) return -EINVAL;
  let n = 0;
  for (let skb = u.sk_receive_queue.next; skb !== null; skb = skb.next) {
    n += skb.len;
    if (!connection_oriented(u)) break;
  }
  return n;
}

function unix_ioctl(sock: Socket, cmd: number, arg: Uint8Array): number {
  const u = unix_sk(sock.sk);
  let n: number;
  if (cmd === SIOCOUTQ) n = u.sk_wmem_alloc;
  else if (cmd === SIOCINQ) n = unix_inq_len(u);
  else return -ENOIOCTLCMD;
  if (n < 0) return n;
  if (arg.length < 4) return -EFAULT;
  new DataView(arg.buffer, arg.byteOffset, arg.byteLength).setInt32(0, n, true);
  return 0;
}

const no = (): number => -EOPNOTSUPP;

const unix_common: Omit<ProtoOps, "connect" | "sendmsg" | "recvmsg" | "listen"> = {
  family: AF_UNIX,
  release: unix_release,
  bind: unix_bind,
  getname: unix_getname,
  poll: unix_poll,
  ioctl: unix_ioctl,
  shutdown: unix_shutdown,
  socketpair: unix_socketpair,
  setsockopt: no,
  getsockopt: no,
};

const unix_stream_ops: ProtoOps = {
  ...unix_common,
  connect: unix_stream_connect,
  accept: unix_accept,
  listen: unix_listen,
  sendmsg: unix_stream_sendmsg,
  recvmsg: unix_stream_recvmsg,
};
const unix_dgram_ops: ProtoOps = {
  ...unix_common,
  connect: unix_dgram_connect,
  listen: no,
  sendmsg: unix_dgram_sendmsg,
  recvmsg: unix_dgram_recvmsg,
};
const unix_seqpacket_ops: ProtoOps = {
  ...unix_common,
  connect: unix_stream_connect,
  accept: unix_accept,
  listen: unix_listen,
  sendmsg: unix_seqpacket_sendmsg,
  recvmsg: unix_seqpacket_recvmsg,
};

const unix_proto_of = (name: string): Proto => ({
  name,
  alloc: (net, family, prot) => new UnixSock(net, family, prot),
  close: () => {},
  setsockopt: no,
  getsockopt: no,
  sendmsg: no,
  recvmsg: no,
  obj_size: 1152,
});
const unix_dgram_proto: Proto = unix_proto_of("UNIX");
const unix_stream_proto: Proto = unix_proto_of("UNIX-STREAM");

// --- /proc/net/unix -----------------------------------------------------------------------------------------------

const SO_ACCEPTCON_FLAG = 0x10000;

/** sun_path as text; an abstract name's NULs are "@". */
export const unix_name_text = (name: Uint8Array): string =>
  name[0] === 0 ? `@${path_of(name.subarray(1)).replaceAll("\0", "@")}` : path_of(name);

function unix_seq_show(net: Net): string {
  const hex = (n: number, width: number): string => n.toString(16).toUpperCase().padStart(width, "0");
  let s = "Num       RefCount Protocol Flags    Type St Inode Path\n";
  for (const u of net.unix_table) {
    // The table counts as one who refers to it. SS_*: who has no program yet is about to get or to lose one.
    const open = u.sk_socket !== null;
    const up = u.sk_state === TCP_ESTABLISHED;
    const state = open ? (up ? 3 : 1) : up ? 2 : 4;
    s +=
      `${u.sk_cookie.toString(16).padStart(16, "0")}: ${hex(u.sk_refcnt + 1, 8)} ${hex(0, 8)} ` +
      `${hex(u.sk_state === TCP_LISTEN ? SO_ACCEPTCON_FLAG : 0, 8)} ${hex(u.sk_type, 4)} ${hex(state, 2)} ` +
      `${String(open ? u.sk_cookie : 0).padStart(5)}${u.addr === null ? "" : ` ${unix_name_text(u.addr)}`}\n`;
  }
  return s;
}

/** fs_initcall(af_unix_init). */
export function unix_init(k: Kernel): void {
  k.unix_err = new Int32Array(1);
  proc_create_net(k, "unix", unix_seq_show);
  proto_register(k, unix_dgram_proto);
  proto_register(k, unix_stream_proto);
  sock_register(k, { family: AF_UNIX, create: unix_create });
  register_pernet_subsys(k, {
    init: (net) => {
      net.unix_table = new Set();
      net.unix_abstract = new Map();
      net.unix_autobind = 0;
      net.sysctl_max_dgram_qlen = MAX_DGRAM_QLEN;
      register_sysctl(net.sysctl_table, proc_dointvec("net/unix/max_dgram_qlen", net, "sysctl_max_dgram_qlen"));
    },
  });
}
