// struct socket, struct sock, and what differs between protocols. Mirrors include/linux/net.h, include/net/sock.h,
// net/core/sock.c. Read first: docs/architecture.md. Way in: sk_alloc(), sock_init_data(), sock_queue_rcv_skb().

import type { PollTable } from "../../kernel/fs/file.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { KERN_INFO, printk } from "../../kernel/printk.ts";
import type { Task } from "../../kernel/sched.ts";
import { WaitQueueHead, wake_up } from "../../kernel/wait.ts";
import { EAGAIN, ENOTCONN, EPIPE } from "../../uapi/errno.ts";
import {
  EPOLLERR,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from "../../uapi/fcntl.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_PACKET,
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_PEEK,
  RCV_SHUTDOWN,
  SEND_SHUTDOWN,
  SHUTDOWN_MASK,
} from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";
import { SKB_DROP_REASON_QUEUE_PURGE } from "./dropreason.ts";
import { type DstEntry, dst_check, dst_release } from "./dst.ts";
import type { BpfProg } from "./filter.ts";
import type { Net } from "./net_namespace.ts";
import {
  __skb_queue_tail,
  alloc_skb,
  consume_skb,
  NO_PACKETS,
  type SkBuff,
  SkBuffHead,
  skb_queue_purge_reason,
} from "./skbuff.ts";
import { SockFields } from "./sock_rare.ts";

export const SS_FREE = 0;
export const SS_UNCONNECTED = 1;
export const SS_CONNECTING = 2;
export const SS_CONNECTED = 3;
export const SS_DISCONNECTING = 4;

export const TCP_ESTABLISHED = 1;
export const TCP_SYN_SENT = 2;
export const TCP_SYN_RECV = 3;
export const TCP_FIN_WAIT1 = 4;
export const TCP_FIN_WAIT2 = 5;
export const TCP_TIME_WAIT = 6;
export const TCP_CLOSE = 7;
export const TCP_CLOSE_WAIT = 8;
export const TCP_LAST_ACK = 9;
export const TCP_LISTEN = 10;
export const TCP_CLOSING = 11;
export const TCP_NEW_SYN_RECV = 12;

// sk->sk_flags
export const SOCK_DEAD = 1 << 0;
export const SOCK_DONE = 1 << 1;
export const SOCK_URGINLINE = 1 << 2;
export const SOCK_KEEPOPEN = 1 << 3;
export const SOCK_LINGER = 1 << 4;
export const SOCK_BROADCAST = 1 << 6;
export const SOCK_TIMESTAMP = 1 << 7;
export const SOCK_ZAPPED = 1 << 8;
export const SOCK_DBG = 1 << 10;
export const SOCK_RCVTSTAMP = 1 << 11;
export const SOCK_RCVTSTAMPNS = 1 << 12;
export const SOCK_LOCALROUTE = 1 << 13;
export const SOCK_TIMESTAMPING_RX_SOFTWARE = 1 << 15;
export const SOCK_WIFI_STATUS = 1 << 16;
export const SOCK_NOFCS = 1 << 17;
/** POLLPRI says that the error queue has something. */
export const SOCK_SELECT_ERR_QUEUE = 1 << 18;
export const SOCK_TXTIME = 1 << 19;
export const SOCK_RXQ_OVFL = 1 << 20;
export const SOCK_PREFER_BUSY_POLL = 1 << 21;
export const SOCK_FILTER_LOCKED = 1 << 22;
export const SOCK_ZEROCOPY = 1 << 24;
export const SOCK_RCU_FREE = 1 << 25;
/** Time stamps go out in the layout with 64-bit times. */
export const SOCK_TSTAMP_NEW = 1 << 26;
export const SOCK_RCVMARK = 1 << 27;
export const SOCK_RCVPRIORITY = 1 << 28;
/** Whoever has one of these needs arriving packets stamped. */
export const SK_FLAGS_TIMESTAMP = SOCK_RCVTSTAMP | SOCK_TIMESTAMPING_RX_SOFTWARE;
/** Ancillary data of every received packet. */
export const SOCK_RECV_CMSGS = SK_FLAGS_TIMESTAMP | SOCK_RXQ_OVFL | SOCK_RCVMARK | SOCK_RCVPRIORITY;

// sk->sk_userlocks
export const SOCK_SNDBUF_LOCK = 1;
export const SOCK_RCVBUF_LOCK = 2;
export const SOCK_BINDADDR_LOCK = 4;
export const SOCK_BINDPORT_LOCK = 8;

export const SOCK_MIN_SNDBUF = 4608;
export const SOCK_MIN_RCVBUF = 2304;

/** The end of the system call: what the file descriptor points to. */
export class Socket {
  state = SS_UNCONNECTED;
  readonly type: number;
  flags = 0;
  ops: ProtoOps = null as unknown as ProtoOps;
  sk: Sock = null as unknown as Sock;
  readonly wq: WaitQueueHead = new WaitQueueHead();
  /** O_NONBLOCK lives in the file; kept here for calls that only have the socket. */
  file: unknown = null;
  constructor(type: number) {
    this.type = type;
  }
}

/** struct proto_ops: what a family does for a system call. All return >= 0 or -errno; -EAGAIN means "wait on sk's queue". */
export interface ProtoOps {
  readonly family: number;
  release(sock: Socket): void;
  bind(sock: Socket, addr: Uint8Array): number;
  connect(sock: Socket, addr: Uint8Array, flags: number): number;
  accept?(sock: Socket, newsock: Socket, flags: number): number;
  /** socketpair(2). */
  socketpair?(a: Socket, b: Socket): number;
  /** Fills `addr` and returns its length, or -errno. `peer` 2: as accept(2) asks, of a connection that may be over. */
  getname(sock: Socket, addr: Uint8Array, peer: boolean | 2): number;
  poll(sock: Socket, wait: PollTable | null): number;
  ioctl(sock: Socket, cmd: number, arg: Uint8Array): number;
  listen(sock: Socket, backlog: number): number;
  shutdown(sock: Socket, how: number): number;
  setsockopt(sock: Socket, level: number, optname: number, optval: Uint8Array): number;
  /** Fills `optval`, returns the length or -errno. */
  getsockopt(sock: Socket, level: number, optname: number, optval: Uint8Array): number;
  sendmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number;
  recvmsg(sock: Socket, msg: MsgHdr, len: number, flags: number): number;
  /** close(2) of a socket with SO_LINGER begins. For how many ms the caller should wait before release(), 0 for not at all. */
  linger?(sock: Socket): number;
  /** What it would wait for is still to come. */
  lingering?(sock: Socket): boolean;
  /** splice(2) from a stream: bytes into `buf`, 0 at its end, -EAGAIN when there are none, up to an urgent one. */
  splice_read?(sock: Socket, buf: Uint8Array): number;
  /** sendfile(2) is at the end of the file: what waits for more is to go. */
  splice_eof?(sock: Socket): void;
  /** SO_PEEK_OFF: 0 or -errno. */
  set_peek_off?: ((sk: Sock, val: number) => number) | undefined;
}

/** struct proto: what a transport does for a family. */
export interface Proto {
  readonly name: string;
  /** Makes the protocol's own kind of Sock. */
  alloc(net: Net, family: number, prot: Proto): Sock;
  init?(sk: Sock): number;
  destroy?(sk: Sock): void;
  close(sk: Sock, timeout: number): void;
  connect?(sk: Sock, addr: Uint8Array, len: number): number;
  disconnect?(sk: Sock, flags: number): number;
  ioctl?(sk: Sock, cmd: number, arg: Uint8Array): number;
  setsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number;
  getsockopt(sk: Sock, level: number, optname: number, optval: Uint8Array): number;
  sendmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number;
  recvmsg(sk: Sock, msg: MsgHdr, len: number, flags: number): number;
  bind?(sk: Sock, addr: Uint8Array): number;
  hash?(sk: Sock): number;
  unhash?(sk: Sock): void;
  rehash?(sk: Sock): void;
  /** 0, or -errno when the port is taken. */
  get_port?(sk: Sock, snum: number): number;
  backlog_rcv?(sk: Sock, skb: SkBuff): number;
  /** Where memory is counted: pages that all its sockets hold, and whether they are under pressure. */
  memory?(k: Kernel): readonly [pages: number, pressure: boolean];
  /** SO_KEEPALIVE is switched; the flag follows. */
  keepalive?(sk: Sock, on: boolean): void;
  /** SOF_TIMESTAMPING_OPT_STATS: what a time stamp of `orig` tells of the connection, as netlink attributes. */
  timestamping_opt_stats?(sk: Sock, orig: SkBuff, ack: SkBuff | null): Uint8Array | null;
  /** The sockets that share its address and port by SO_REUSEPORT, itself among them. */
  reuseport_group?(sk: Sock): readonly Sock[];
  /** SO_RCVLOWAT, where it takes more than noting the number. */
  set_rcvlowat?(sk: Sock, val: number): number;
  /** Sockets alive per protocol, for /proc/net/protocols, are counted here by the kernel. */
  readonly obj_size: number;
}

/** A socket family: socket(2) finds it by number (sock_register). */
export interface NetProtoFamily {
  readonly family: number;
  create(net: Net, sock: Socket, protocol: number, kern: boolean): number;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    net_families: (NetProtoFamily | undefined)[];
    /** proto_list of proto_register(), for /proc/net/protocols. */
    proto_list: Proto[];
    live_socks: number;
    socks_by_proto: Map<string, number>;
    sock_cookie: number;
  }
}
declare module "./net_namespace.ts" {
  interface Net {
    sysctl_wmem_max: number;
    sysctl_rmem_max: number;
    sysctl_wmem_default: number;
    sysctl_rmem_default: number;
    sysctl_optmem_max: number;
    sysctl_somaxconn: number;
  }
}

/** struct sock. Protocols extend it (InetSock, PacketSock, NetlinkSock …). Its rare fields: sock_fields.ts. */
export class Sock extends SockFields {
  next: Sock | null = null;
  readonly net: Net;
  readonly family: number;
  readonly prot: Proto;
  sk_type = 0;
  sk_protocol = 0;
  sk_state: number = TCP_CLOSE;
  sk_reuse = 0;
  sk_reuseport = false;
  sk_bound_dev_if = 0;
  sk_flags = 0;
  sk_userlocks = 0;
  sk_shutdown = 0;
  sk_no_check_tx = false;
  sk_rcvbuf = 0;
  sk_sndbuf = 0;
  sk_rcvlowat = 1;
  /** Bytes (truesize) in the receive queue, and in flight from the send side. */
  sk_rmem_alloc = 0;
  sk_wmem_alloc = 0;
  sk_drops = 0;
  readonly sk_receive_queue: SkBuffHead = new SkBuffHead();
  readonly sk_write_queue: SkBuffHead = new SkBuffHead();
  /** NO_PACKETS until one comes. */
  sk_error_queue: SkBuffHead = NO_PACKETS;
  sk_err = 0;
  sk_err_soft = 0;
  sk_priority = 0;
  sk_mark = 0;
  sk_filter: BpfProg | null = null;
  sk_dst_cache: DstEntry | null = null;
  sk_dst_pending_confirm = false;
  sk_tx_queue_mapping = -1;
  sk_incoming_cpu = -1;
  sk_napi_id = 0;
  sk_rxhash = 0;
  sk_txhash = 0;
  sk_cookie = 0;
  sk_refcnt = 1;
  sk_socket: Socket | null = null;
  /** SO_TIMESTAMPING: SOF_TIMESTAMPING_*. */
  sk_tsflags = 0;
  /** Peak of allocated options etc.; the task that made it, for ss -p. */
  sk_owner_pid = 0;
  /** SO_PEERCRED, where the other end is a program of the same machine (AF_UNIX): its pid; 0: nobody known. */
  sk_peer_pid = 0;
  sk_data_ready: (sk: Sock) => void = sock_def_readable;
  sk_write_space: (sk: Sock) => void = sock_def_write_space;
  sk_state_change: (sk: Sock) => void = sock_def_wakeup;
  sk_error_report: (sk: Sock) => void = sock_def_error_report;
  sk_destruct: (sk: Sock) => void = sock_def_destruct;

  constructor(net: Net, family: number, prot: Proto) {
    super();
    this.net = net;
    this.family = family;
    this.prot = prot;
  }
}

export const sock_net = (sk: Sock): Net => sk.net;
export const sock_flag = (sk: Sock, flag: number): boolean => (sk.sk_flags & flag) !== 0;
export const sock_set_flag = (sk: Sock, flag: number): void => {
  sk.sk_flags |= flag;
};
export const sock_reset_flag = (sk: Sock, flag: number): void => {
  sk.sk_flags &= ~flag;
};
export const sock_valbool_flag = (sk: Sock, flag: number, on: boolean): void => {
  if (on) sk.sk_flags |= flag;
  else sk.sk_flags &= ~flag;
};

export function sock_core_init(k: Kernel): void {
  k.net_families = [];
  k.proto_list = [];
  k.live_socks = 0;
  k.socks_by_proto = new Map();
  k.sock_cookie = 1;
  k.live.set("socks", () => k.live_socks);
}

const FAMILY_NAMES: Record<number, string> = {
  [AF_INET]: "PF_INET",
  [AF_INET6]: "PF_INET6",
  [AF_NETLINK]: "PF_NETLINK/PF_ROUTE",
  [AF_PACKET]: "PF_PACKET",
  [AF_UNIX]: "PF_UNIX/PF_LOCAL",
};

export function sock_register(k: Kernel, family: NetProtoFamily): void {
  k.net_families[family.family] = family;
  const name = FAMILY_NAMES[family.family] ?? `PF_${family.family}`;
  printk(k, KERN_INFO, `NET: Registered ${name} protocol family`);
}
export function proto_register(k: Kernel, prot: Proto): void {
  k.proto_list.push(prot);
}

/** A sock with one reference, counted until sk_free(). */
export function sk_alloc(net: Net, family: number, prot: Proto): Sock {
  const sk = prot.alloc(net, family, prot);
  const k = net.kernel;
  k.live_socks++;
  k.socks_by_proto.set(prot.name, (k.socks_by_proto.get(prot.name) ?? 0) + 1);
  sk.sk_cookie = k.sock_cookie++;
  return sk;
}

export function sock_init_data(sock: Socket | null, sk: Sock): void {
  sk.sk_rcvbuf = sk.net.sysctl_rmem_default;
  sk.sk_sndbuf = sk.net.sysctl_wmem_default;
  sk.sk_socket = sock;
  sock_set_flag(sk, SOCK_ZAPPED);
  const current: Task | null = sk.net.kernel.current;
  sk.sk_owner_pid = current !== null ? current.pid : 1;
  if (sock !== null) {
    sk.sk_type = sock.type;
    sock.sk = sk;
  }
}

export const sock_hold = (sk: Sock): void => {
  sk.sk_refcnt++;
};
export function sock_put(sk: Sock): void {
  if (--sk.sk_refcnt === 0) sk_free(sk);
}

/** The user's reference and the send memory keep a sock alive: the last skb in flight may be what frees it. */
export function sk_free(sk: Sock): void {
  if (sk.sk_wmem_alloc > 0) return;
  sk_destruct(sk);
}

function sk_destruct(sk: Sock): void {
  const k = sk.net.kernel;
  sk.sk_destruct(sk);
  sk_dst_reset(sk);
  sk.sk_filter = null;
  if ((sk.sk_flags & SK_FLAGS_TIMESTAMP) !== 0) k.rx_timestamps--;
  k.live_socks--;
  k.socks_by_proto.set(sk.prot.name, (k.socks_by_proto.get(sk.prot.name) ?? 1) - 1);
}

function sock_def_destruct(sk: Sock): void {
  skb_queue_purge_reason(sk.sk_receive_queue, SKB_DROP_REASON_QUEUE_PURGE);
  skb_queue_purge_reason(sk.sk_error_queue, SKB_DROP_REASON_QUEUE_PURGE);
}

/** sk_common_release(): out of the hash, the program's end is gone, the rest lives as long as packets need it. */
export function sk_common_release(sk: Sock): void {
  sk.prot.destroy?.(sk);
  sk.prot.unhash?.(sk);
  sock_orphan(sk);
  sock_put(sk);
}

export function sock_orphan(sk: Sock): void {
  sock_set_flag(sk, SOCK_DEAD);
  sk.sk_socket = null;
}

// --- memory -------------------------------------------------------------------------------------------------------

export function sock_rfree(skb: SkBuff): void {
  const sk = skb.sk!;
  sk.sk_rmem_alloc -= skb.truesize;
}
export function sock_wfree(skb: SkBuff): void {
  const sk = skb.sk!;
  sk.sk_wmem_alloc -= skb.truesize;
  if (sk.sk_refcnt === 0) {
    if (sk.sk_wmem_alloc === 0) sk_destruct(sk);
    return;
  }
  sk.sk_write_space(sk);
}

/** The packet counts against the receiver until it is read or dropped. */
export function skb_set_owner_r(skb: SkBuff, sk: Sock): void {
  if (skb.destructor !== null) {
    const d = skb.destructor;
    skb.destructor = null;
    d(skb);
  }
  skb.sk = sk;
  skb.destructor = sock_rfree;
  sk.sk_rmem_alloc += skb.truesize;
}

/** The packet counts against the sender until the device has sent it. */
export function skb_set_owner_w(skb: SkBuff, sk: Sock): void {
  if (skb.destructor !== null) {
    const d = skb.destructor;
    skb.destructor = null;
    d(skb);
  }
  skb.sk = sk;
  skb.destructor = sock_wfree;
  sk.sk_wmem_alloc += skb.truesize;
}

export const sock_writeable = (sk: Sock): boolean => sk.sk_wmem_alloc < sk.sk_sndbuf >> 1;
export const sk_stream_wspace = (sk: Sock): number => sk.sk_sndbuf - sk.sk_wmem_alloc;

/** A packet for sending, charged to the socket. Sets `err[0]` to -EAGAIN when the send buffer is full. */
export function sock_alloc_send_skb(sk: Sock, size: number, err: Int32Array): SkBuff | null {
  if (sk.sk_err !== 0) {
    err[0] = sock_error(sk);
    return null;
  }
  if ((sk.sk_shutdown & SEND_SHUTDOWN) !== 0) {
    err[0] = -EPIPE;
    return null;
  }
  if (sk.sk_wmem_alloc >= sk.sk_sndbuf) {
    err[0] = -EAGAIN;
    return null;
  }
  const skb = alloc_skb(sk.net.kernel, size);
  if (skb === null) {
    err[0] = -105;
    return null;
  }
  skb_set_owner_w(skb, sk);
  return skb;
}

/** The pending error, once, negated; 0 when there is none. */
export function sock_error(sk: Sock): number {
  const err = sk.sk_err;
  if (err === 0) return 0;
  sk.sk_err = 0;
  return -err;
}

// --- receive ------------------------------------------------------------------------------------------------------

/** Puts a packet into the receive queue if the buffer has room; else the caller keeps it and -ENOMEM is returned. */
export function __sock_queue_rcv_skb(sk: Sock, skb: SkBuff): number {
  if (sk.sk_rmem_alloc >= sk.sk_rcvbuf) {
    sk.sk_drops++;
    return -12;
  }
  skb.dev = null;
  skb_set_owner_r(skb, sk);
  skb.dropcount = sk.sk_drops;
  __skb_queue_tail(sk.sk_receive_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_data_ready(sk);
  return 0;
}

/** Adds a packet to the error queue and wakes those who poll for it. Takes over the packet. */
export function sock_queue_err_skb(sk: Sock, skb: SkBuff): number {
  if (sk.sk_rmem_alloc + skb.truesize >= sk.sk_rcvbuf) {
    consume_skb(skb);
    return -12;
  }
  skb_set_owner_r(skb, sk);
  if (sk.sk_error_queue === NO_PACKETS) sk.sk_error_queue = new SkBuffHead();
  __skb_queue_tail(sk.sk_error_queue, skb);
  if (!sock_flag(sk, SOCK_DEAD)) sk.sk_error_report(sk);
  return 0;
}

/** SK_MEMINFO_*: receive memory and its limit, send memory and its, reserved, queued to send, options, backlog, drops. */
export function sk_get_meminfo(sk: Sock): number[] {
  // Only streams queue what is not sent yet.
  const queued = (sk as Sock & { sk_wmem_queued?: number }).sk_wmem_queued ?? 0;
  const wmem = sk.sk_wmem_alloc;
  const v = [sk.sk_rmem_alloc, sk.sk_rcvbuf, wmem, sk.sk_sndbuf, sk.sk_forward_alloc, queued, sk.sk_omem_alloc, 0];
  return [...v, sk.sk_drops].map((n) => Math.max(0, n));
}

/** Where and through which NAPI the socket's packets come in (SO_INCOMING_CPU, SO_INCOMING_NAPI_ID). */
export function sk_mark_incoming(sk: Sock, skb: SkBuff): void {
  if (skb.napi_id !== 0) sk.sk_napi_id = skb.napi_id;
  const cpu = skb.kernel.cpu.id;
  if (sk.sk_incoming_cpu !== cpu) sk.sk_incoming_cpu = cpu;
}

/** The byte from which MSG_PEEK reads (SO_PEEK_OFF), and how it moves: on with what was peeked, back with what was read. */
export const sk_peek_offset = (sk: Sock, flags: number): number =>
  (flags & MSG_PEEK) !== 0 && sk.sk_peek_off > 0 ? sk.sk_peek_off : 0;
export function sk_peek_offset_fwd(sk: Sock, n: number): void {
  if (sk.sk_peek_off >= 0) sk.sk_peek_off = (sk.sk_peek_off + n) | 0;
}
export function sk_peek_offset_bwd(sk: Sock, n: number): void {
  if (sk.sk_peek_off >= 0) sk.sk_peek_off = Math.max(0, sk.sk_peek_off - n);
}
export function sk_set_peek_off(sk: Sock, val: number): number {
  sk.sk_peek_off = val;
  return 0;
}

// --- wake-ups -----------------------------------------------------------------------------------------------------

function sock_def_readable(sk: Sock): void {
  const sock = sk.sk_socket;
  if (sock !== null && sock.wq.first !== null) wake_up(sock.wq, EPOLLIN | POLLRDNORM);
}
function sock_def_write_space(sk: Sock): void {
  const sock = sk.sk_socket;
  if (sock !== null && sock.wq.first !== null && sock_writeable(sk)) {
    wake_up(sock.wq, EPOLLOUT | POLLWRNORM | POLLWRBAND);
  }
}
function sock_def_wakeup(sk: Sock): void {
  if (sk.sk_socket !== null) wake_up(sk.sk_socket.wq, 0);
}
function sock_def_error_report(sk: Sock): void {
  if (sk.sk_socket !== null) wake_up(sk.sk_socket.wq, EPOLLERR);
}

/** What poll says of an error, or of something on the error queue. */
export const sk_error_mask = (sk: Sock): number =>
  sock_flag(sk, SOCK_SELECT_ERR_QUEUE) ? EPOLLERR | POLLPRI : EPOLLERR;

/** poll(2) of datagram sockets. */
export function datagram_poll(sock: Socket, wait: PollTable | null): number {
  const sk = sock.sk;
  if (wait !== null) wait.poll_wait(sock.wq);
  let mask = 0;
  if (sk.sk_err !== 0 || sk.sk_error_queue.next !== null) mask |= sk_error_mask(sk);
  if ((sk.sk_shutdown & RCV_SHUTDOWN) !== 0) mask |= POLLRDHUP | EPOLLIN | POLLRDNORM;
  if (sk.sk_shutdown === SHUTDOWN_MASK) mask |= EPOLLHUP;
  if (sk.sk_receive_queue.next !== null) mask |= EPOLLIN | POLLRDNORM;
  if (sock_writeable(sk)) mask |= EPOLLOUT | POLLWRNORM | POLLWRBAND;
  return mask;
}

export const sock_rcvtimeo = (sk: Sock, flags: number): number => ((flags & MSG_DONTWAIT) !== 0 ? 0 : sk.sk_rcvtimeo);

// --- the cached route ---------------------------------------------------------------------------------------------

/** Takes over the caller's reference on `dst`. */
export function sk_dst_set(sk: Sock, dst: DstEntry | null): void {
  const old = sk.sk_dst_cache;
  sk.sk_tx_queue_mapping = -1;
  sk.sk_dst_pending_confirm = false;
  sk.sk_dst_cache = dst;
  if (old !== null) dst_release(old);
}
export const sk_dst_reset = (sk: Sock): void => sk_dst_set(sk, null);

/** The cached route while it is valid, without a reference of its own. */
export function __sk_dst_check(sk: Sock, cookie: number): DstEntry | null {
  const dst = sk.sk_dst_cache;
  if (dst !== null && dst.obsolete !== 0 && dst_check(dst, cookie) === null) {
    sk_dst_reset(sk);
    return null;
  }
  return dst;
}

export { ENOTCONN };
