// System calls of sockets: descriptor → file → socket → family. Mirrors net/socket.c.
// Read first: socket(2), socket(7). Way in: sys_socket() … sys_sendmsg(), called by init/sys.ts within a system call.

import { syscall_relax } from "../kernel/cpu.ts";
import { close_fd, File, type FileOps, fd_install, fget, get_unused_fd, set_close_on_exec } from "../kernel/fs/file.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { Task } from "../kernel/sched.ts";
import { trace_call } from "../kernel/trace.ts";
import { F___sys_recvfrom, F___sys_sendto, F_sock_recvmsg, F_sock_sendmsg } from "../kernel/trace_fn.ts";
import { trace_key } from "../kernel/trace_key.ts";
import {
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  EMSGSIZE,
  ENOIOCTLCMD,
  ENOTSOCK,
  ENOTTY,
  EOPNOTSUPP,
} from "../uapi/errno.ts";
import { O_NONBLOCK, O_RDWR, S_IFSOCK } from "../uapi/fcntl.ts";
import {
  AF_INET,
  AF_PACKET,
  MSG_DONTWAIT,
  NPROTO,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_PACKET,
  SOCK_TYPE_MASK,
  SOL_SOCKET,
  SOMAXCONN,
} from "../uapi/socket.ts";
import type { MmsgHdr, MsgHdr } from "../uapi/sys.ts";
import { iov_length } from "./core/datagram.ts";
import { dev_ioctl } from "./core/dev_ioctl.ts";
import type { Net } from "./core/net_namespace.ts";
import { Socket } from "./core/sock.ts";
import { sock_getsockopt, sock_setsockopt } from "./core/sock_opt.ts";

/** sockfs: what read(2), write(2), poll(2), ioctl(2) and close(2) do with a socket (socket_file_ops). */
const socket_file_ops: FileOps = {
  read: (file, buf) => sock_read_iter(file, buf),
  write: (file, buf) => sock_write_iter(file, buf),
  poll: (file, wait) => {
    const sock = file.private_data as Socket;
    return sock.ops.poll(sock, wait);
  },
  ioctl: (file, cmd, arg) => sock_ioctl(file.private_data as Socket, cmd, arg),
  release: (file) => {
    const sock = file.private_data as Socket;
    sock.ops.release(sock);
  },
  // The number by which sock_diag and /proc/net know it as well.
  stat: (file) => {
    const sk = (file.private_data as Socket).sk;
    return { mode: S_IFSOCK | 0o777, size: 0, ino: sk !== null ? sk.sk_cookie >>> 0 : 0 };
  },
};

/** The socket of a descriptor; -EBADF without a file, -ENOTSOCK when it is something else. */
export function sockfd_lookup(task: Task, fd: number): Socket | number {
  const file = fget(task, fd);
  if (file === null) return -EBADF;
  return file.f_op === socket_file_ops ? (file.private_data as Socket) : -ENOTSOCK;
}

export const sock_from_file = (file: File): Socket | null =>
  file.f_op === socket_file_ops ? (file.private_data as Socket) : null;

/** Makes a socket in `net`, not yet in any table. */
export function __sock_create(
  net: Net,
  family: number,
  type: number,
  protocol: number,
  kern: boolean,
): Socket | number {
  if (family < 0 || family >= NPROTO) return -EAFNOSUPPORT;
  if (type < 0 || type >= 11) return -EINVAL;
  // What tcpdump of 1995 asked for.
  if (family === AF_INET && type === SOCK_PACKET) family = AF_PACKET;
  const pf = net.kernel.net_families[family];
  if (pf === undefined) return -EAFNOSUPPORT;
  const sock = new Socket(type);
  const err = pf.create(net, sock, protocol, kern);
  return err < 0 ? err : sock;
}
export const sock_create = (net: Net, family: number, type: number, protocol: number): Socket | number =>
  __sock_create(net, family, type, protocol, false);

/** A file over the socket and a descriptor for it. */
function sock_map_fd(task: Task, sock: Socket, flags: number): number {
  const fd = get_unused_fd(task);
  if (fd < 0) {
    sock.ops.release(sock);
    return fd;
  }
  const file = new File(task.kernel, socket_file_ops, O_RDWR | (flags & O_NONBLOCK), sock);
  sock.file = file;
  fd_install(task, fd, file);
  if ((flags & SOCK_CLOEXEC) !== 0) set_close_on_exec(task, fd, true);
  return fd;
}

export function sys_socket(task: Task, family: number, type: number, protocol: number): number {
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const sock = sock_create(task.net_ns, family, type & SOCK_TYPE_MASK, protocol);
  if (typeof sock === "number") return sock;
  return sock_map_fd(task, sock, flags);
}

/** socketpair(2): two sockets, each the other's peer. 0 and the descriptors in `sv`, or -errno. */
export function sys_socketpair(
  task: Task,
  family: number,
  type: number,
  protocol: number,
  sv: [number, number],
): number {
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const a = sock_create(task.net_ns, family, type & SOCK_TYPE_MASK, protocol);
  if (typeof a === "number") return a;
  const b = sock_create(task.net_ns, family, type & SOCK_TYPE_MASK, protocol);
  if (typeof b === "number") {
    a.ops.release(a);
    return b;
  }
  const err = a.ops.socketpair ? a.ops.socketpair(a, b) : -EOPNOTSUPP;
  if (err < 0) {
    a.ops.release(a);
    b.ops.release(b);
    return err;
  }
  const first = sock_map_fd(task, a, flags);
  if (first < 0) {
    b.ops.release(b);
    return first;
  }
  const second = sock_map_fd(task, b, flags);
  if (second < 0) {
    close_fd(task, first);
    return second;
  }
  sv[0] = first;
  sv[1] = second;
  return 0;
}

/** move_addr_to_kernel: a sockaddr is at most 128 bytes (sockaddr_storage). */
function addr_ok(addr: Uint8Array | null): number {
  if (addr === null) return -EFAULT;
  return addr.length > 128 ? -EINVAL : 0;
}

export function sys_bind(task: Task, fd: number, addr: Uint8Array): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const err = addr_ok(addr);
  return err < 0 ? err : sock.ops.bind(sock, addr);
}

export function sys_listen(task: Task, fd: number, backlog: number): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const somax = task.net_ns.sysctl_somaxconn || SOMAXCONN;
  return sock.ops.listen(sock, backlog >>> 0 > somax ? somax : backlog);
}

/** -EINPROGRESS, or -EAGAIN for "wait until writable", is for the caller to turn into waiting. */
export function sys_connect(task: Task, fd: number, addr: Uint8Array): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const err = addr_ok(addr);
  if (err < 0) return err;
  return sock.ops.connect(sock, addr, (fget(task, fd) as File).f_flags);
}

export function sys_accept4(task: Task, fd: number, addr: Uint8Array | null, flags: number): number {
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  if (!sock.ops.accept) return -EOPNOTSUPP;
  const newsock = new Socket(sock.type);
  newsock.ops = sock.ops;
  const err = sock.ops.accept(sock, newsock, (fget(task, fd) as File).f_flags);
  if (err < 0) return err;
  if (addr !== null) {
    const n = newsock.ops.getname(newsock, addr, 2);
    if (n < 0) {
      newsock.ops.release(newsock);
      return -103;
    }
  }
  return sock_map_fd(task, newsock, flags);
}

export function sys_getsockname(task: Task, fd: number, addr: Uint8Array): number {
  const sock = sockfd_lookup(task, fd);
  return typeof sock === "number" ? sock : sock.ops.getname(sock, addr, false);
}

export function sys_getpeername(task: Task, fd: number, addr: Uint8Array): number {
  const sock = sockfd_lookup(task, fd);
  return typeof sock === "number" ? sock : sock.ops.getname(sock, addr, true);
}

export function sys_shutdown(task: Task, fd: number, how: number): number {
  const sock = sockfd_lookup(task, fd);
  return typeof sock === "number" ? sock : sock.ops.shutdown(sock, how);
}

export function sys_setsockopt(task: Task, fd: number, level: number, optname: number, optval: Uint8Array): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  return level === SOL_SOCKET
    ? sock_setsockopt(sock, optname, optval)
    : sock.ops.setsockopt(sock, level, optname, optval);
}

export function sys_getsockopt(task: Task, fd: number, level: number, optname: number, optval: Uint8Array): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  return level === SOL_SOCKET
    ? sock_getsockopt(sock, optname, optval)
    : sock.ops.getsockopt(sock, level, optname, optval);
}

/** sock_sendmsg: into the family. */
export function sock_sendmsg(sock: Socket, msg: MsgHdr, flags: number): number {
  if (trace_key.on) trace_call(F_sock_sendmsg, sock.sk.net.kernel);
  return sock.ops.sendmsg(sock, msg, iov_length(msg.msg_iov), flags);
}

export function sock_recvmsg(sock: Socket, msg: MsgHdr, flags: number): number {
  if (trace_key.on) trace_call(F_sock_recvmsg, sock.sk.net.kernel);
  return sock.ops.recvmsg(sock, msg, iov_length(msg.msg_iov), flags);
}

/** Parts of a message, and messages of one call. */
const UIO_MAXIOV = 1024;

function check_msg(msg: MsgHdr): number {
  if (msg.msg_iov.length > UIO_MAXIOV) return -EMSGSIZE;
  if (msg.msg_name !== null && msg.msg_name.length > 128) return -EINVAL;
  return 0;
}

export function sys_sendmsg(task: Task, fd: number, msg: MsgHdr, flags: number): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const err = check_msg(msg);
  return err < 0 ? err : sock_sendmsg(sock, msg, flags);
}

export function sys_recvmsg(task: Task, fd: number, msg: MsgHdr, flags: number): number {
  const sock = sockfd_lookup(task, fd);
  return typeof sock === "number" ? sock : recvmsg(sock, msg, flags);
}

function recvmsg(sock: Socket, msg: MsgHdr, flags: number): number {
  const err = check_msg(msg);
  if (err < 0) return err;
  msg.msg_flags = 0;
  const ctl_room = msg.msg_controllen;
  msg.msg_controllen = 0;
  // Who has no sender to name says so by its length.
  msg.msg_namelen = 0;
  const n = sock_recvmsg(sock, msg, flags);
  // A call that has to wait is made again: it must find the room that the program gave.
  if (n < 0) msg.msg_controllen = ctl_room;
  return n;
}

/** Messages after which softirqs get their turn. DIFF: Linux lets them run after each; together they cost less. */
const MMSG_BATCH = 32;

/** Sends `vlen` messages, each as sendmsg does. Returns how many went (their msg_len is set), or the first one's error. */
export function sys_sendmmsg(task: Task, fd: number, msgvec: MmsgHdr[], vlen: number, flags: number): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const n = Math.min(vlen, msgvec.length, UIO_MAXIOV);
  for (let i = 0; i < n; i++) {
    const m = msgvec[i]!;
    let r = check_msg(m.msg_hdr);
    if (r === 0) r = sock_sendmsg(sock, m.msg_hdr, flags);
    if (r < 0) return i > 0 ? i : r;
    m.msg_len = r;
    if ((i + 1) % MMSG_BATCH === 0) syscall_relax(task.kernel);
  }
  return n;
}

/**
 * Receives up to `vlen` messages that are there. Returns how many, or the first one's error; -EAGAIN when there is none. An
 * error after the first message is kept for the next call. Waiting for more (no MSG_WAITFORONE) is the caller's.
 */
export function sys_recvmmsg(task: Task, fd: number, msgvec: MmsgHdr[], vlen: number, flags: number): number {
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const n = Math.min(vlen, msgvec.length, UIO_MAXIOV);
  for (let i = 0; i < n; i++) {
    const m = msgvec[i]!;
    const r = recvmsg(sock, m.msg_hdr, flags);
    if (r < 0) {
      if (i > 0 && r !== -EAGAIN) sock.sk.sk_err = -r;
      return i > 0 ? i : r;
    }
    m.msg_len = r;
  }
  return n;
}

declare module "../kernel/kernel.ts" {
  interface Kernel {
    /** Scratch of sendto/recvfrom: one call at a time, no object per call. */
    io_msg: MsgHdr;
  }
}

export function sys_sendto(task: Task, fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): number {
  const k = task.kernel;
  if (trace_key.on) trace_call(F___sys_sendto, k);
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const msg = k.io_msg;
  msg.msg_name = addr;
  msg.msg_namelen = addr !== null ? addr.length : 0;
  msg.msg_iov[0] = buf;
  if (trace_key.on) trace_call(F_sock_sendmsg, k);
  return sock.ops.sendmsg(sock, msg, buf.length, flags);
}

export function sys_recvfrom(task: Task, fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): number {
  const k = task.kernel;
  if (trace_key.on) trace_call(F___sys_recvfrom, k);
  const sock = sockfd_lookup(task, fd);
  if (typeof sock === "number") return sock;
  const msg = k.io_msg;
  msg.msg_name = addr;
  msg.msg_namelen = 0;
  msg.msg_iov[0] = buf;
  msg.msg_flags = 0;
  if (trace_key.on) trace_call(F_sock_recvmsg, k);
  return sock.ops.recvmsg(sock, msg, buf.length, flags);
}

function sock_read_iter(file: File, buf: Uint8Array): number {
  const sock = file.private_data as Socket;
  const msg: MsgHdr = {
    msg_name: null,
    msg_namelen: 0,
    msg_iov: [buf],
    msg_control: null,
    msg_controllen: 0,
    msg_flags: 0,
  };
  return sock_recvmsg(sock, msg, (file.f_flags & O_NONBLOCK) !== 0 ? MSG_DONTWAIT : 0);
}

function sock_write_iter(file: File, buf: Uint8Array): number {
  const sock = file.private_data as Socket;
  const msg: MsgHdr = {
    msg_name: null,
    msg_namelen: 0,
    msg_iov: [buf],
    msg_control: null,
    msg_controllen: 0,
    msg_flags: 0,
  };
  return sock_sendmsg(sock, msg, (file.f_flags & O_NONBLOCK) !== 0 ? MSG_DONTWAIT : 0);
}

/** ioctl(2) on a socket: the family's first, then the devices'. */
export function sock_ioctl(sock: Socket, cmd: number, arg: Uint8Array): number {
  const err = sock.ops.ioctl(sock, cmd, arg);
  if (err !== -ENOIOCTLCMD) return err;
  const e = dev_ioctl(sock.sk.net, cmd, arg);
  return e === -ENOIOCTLCMD ? -ENOTTY : e;
}

export function sock_init(k: Kernel): void {
  k.io_msg = {
    msg_name: null,
    msg_namelen: 0,
    msg_iov: [new Uint8Array(0)],
    msg_control: null,
    msg_controllen: 0,
    msg_flags: 0,
  };
}
