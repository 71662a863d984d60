// A stream socket of a machine as JavaScript's loop sees it: what libuv's uv_tcp_t is to Node, over non-blocking system calls.
// The core never waits: the socket's wait queue calls back, and Loop.defer() comes to look with poll(2).
// Way in: new StreamHandle(machine), listen() or connect(), readStart(), write(). Knows nothing of Node: net_handle.ts does.

import { syscall } from "../kernel/cpu.ts";
import { vfs_poll } from "../kernel/fs/eventpoll.ts";
import { type File, fget } from "../kernel/fs/file.ts";
import { add_wait_queue, remove_wait_queue, WaitQueueEntry } from "../kernel/wait.ts";
import type { Socket as KernelSocket } from "../net/core/sock.ts";
import { sys_accept4, sys_connect, sys_recvfrom, sys_sendmsg } from "../net/socket.ts";
import {
  EACCES,
  EADDRINUSE,
  EAGAIN,
  EALREADY,
  EBADF,
  ECANCELED,
  ECONNABORTED,
  ECONNREFUSED,
  EINPROGRESS,
  EINVAL,
  ENOENT,
} from "../uapi/errno.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, POLLRDHUP } from "../uapi/fcntl.ts";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  IPPROTO_IPV6,
  IPPROTO_TCP,
  IPV6_V6ONLY,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  SO_ERROR,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
} from "../uapi/socket.ts";
import type { MsgHdr } from "../uapi/sys.ts";
import { TCP_KEEPCNT, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_NODELAY } from "../uapi/tcp.ts";
import { hidden } from "./hidden.ts";
import type { Machine } from "./machine.ts";
import { readSockaddr, type SocketName, sockaddrOf, sockaddrUn } from "./sockaddr.ts";

/** Buffers that one call takes (sysconf(_SC_IOV_MAX)). */
const IOV_MAX = 1024;
/** End of the stream, as libuv says it. */
export const UV_EOF = -4095;
/** What one read may bring. */
export const READ_SIZE = 65536;

interface WriteReq {
  bufs: Uint8Array[];
  done: (err: number) => void;
}

export class StreamHandle {
  readonly machine!: Machine;
  fd = -1;
  reading = false;
  /** Bytes of the user to read into instead of new ones; asked when there is something to read. */
  provide: (() => Uint8Array | null) | null = null;
  /** nread > 0: bytes; UV_EOF; or -errno. */
  onread: ((nread: number, buf: Uint8Array | null) => void) | null = null;
  onconnection: ((err: number, handle: StreamHandle | null) => void) | null = null;
  /** The machine was switched off. */
  onlost: (() => void) | null = null;
  bytesRead = 0;
  bytesWritten = 0;
  private file: File | null = null;
  private family = AF_INET;
  private listening = false;
  private accepting = true;
  private wait: WaitQueueEntry | null = null;
  private scheduled = false;
  private wasRead = false;
  /** The peer has ended. */
  private ended = false;
  private reffed = true;
  private counted = false;
  private delayed = 0;
  /** What bind() made in the tree of files; libuv removes it with the socket. */
  private path: string | null = null;
  private connecting: ((err: number) => void) | null = null;
  private writes: WriteReq[] = [];
  private ending: ((err: number) => void) | null = null;
  private closed = false;

  constructor(machine: Machine, fd = -1) {
    hidden(this, "machine", machine);
    if (fd >= 0) this.adopt(fd);
  }

  /** Takes a descriptor of the machine's pid 1 over. 0 or -EBADF. */
  private adopt(fd: number): number {
    const file = fget(this.machine.init, fd);
    if (file === null) return -EBADF;
    this.fd = fd;
    this.file = file;
    this.wait = new WaitQueueEntry(() => {
      this.schedule();
      return true;
    }, this);
    add_wait_queue((file.private_data as KernelSocket).wq, this.wait);
    this.machine.loop.handles.add(this);
    this.count();
    return 0;
  }

  /** Makes the socket before bind() or connect() would, to set options of it. */
  open(family: number): number {
    if (this.fd >= 0) return 0;
    if (this.closed) return -EBADF;
    const fd = this.machine.sys.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    this.family = family;
    return this.adopt(fd);
  }

  // --- who keeps Node alive ---------------------------------------------------------------------------------------

  private count(): void {
    const want = this.reffed && this.fd >= 0;
    if (want === this.counted) return;
    this.counted = want;
    if (want) this.machine.loop.ref();
    else this.machine.loop.unref();
  }
  ref(): void {
    this.reffed = true;
    this.count();
  }
  unref(): void {
    this.reffed = false;
    this.count();
  }
  hasRef(): boolean {
    return this.reffed && !this.closed;
  }

  // --- what Node has otherwise ------------------------------------------------------------------------------------

  /** Runs a callback of the user's. */
  protected enter(fn: () => void): void {
    fn();
  }
  /** A handle of the same kind, for a connection that was accepted. */
  protected accepted(fd: number): StreamHandle {
    return new StreamHandle(this.machine, fd);
  }
  /** Room for a read of READ_SIZE bytes: one for all sockets of the machine, until somebody keeps it. */
  protected buffer(): Uint8Array {
    const { loop } = this.machine;
    loop.readBuffer ??= new Uint8Array(READ_SIZE);
    return loop.readBuffer;
  }
  /** The first `n` bytes of that room, for the user to keep. */
  protected keep(buf: Uint8Array, n: number): Uint8Array {
    // A short piece is copied out, and the buffer used again; a long one goes with its buffer.
    if (n * 2 < buf.length) return buf.slice(0, n);
    this.machine.loop.readBuffer = null;
    return buf.subarray(0, n);
  }

  // --- names and options ------------------------------------------------------------------------------------------

  /** As libuv: a name in use, or one that is not ours, is told by listen() or connect(). */
  bind(address: string, port: number, options: { ipv6Only?: boolean; reusePort?: boolean } = {}): number {
    const sa = sockaddrOf(address, port);
    if (sa === null) return -EINVAL;
    const err = this.open(sa.length > 16 ? AF_INET6 : AF_INET);
    if (err < 0) return err;
    const { sys } = this.machine;
    sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reusePort) {
      const e = sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEPORT, 1);
      if (e < 0) return e;
    }
    if (sa.length > 16 && options.ipv6Only) sys.setsockopt(this.fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    const e = sys.bind(this.fd, sa);
    if (e === -EADDRINUSE) {
      this.delayed = e;
      return 0;
    }
    return e;
  }
  /** A socket of the machine's own tree of files (unix(7)); "\0name": an abstract one. As libuv: a directory that is missing is EACCES. */
  bindPath(path: string): number {
    const err = this.open(AF_UNIX);
    if (err < 0) return err;
    const sa = sockaddrUn(path);
    const e = this.machine.sys.bind(this.fd, sa);
    if (e === 0 && sa[2] !== 0) this.path = new TextDecoder().decode(sa.subarray(2, -1));
    return e === -ENOENT ? -EACCES : e;
  }
  get isPipe(): boolean {
    return this.file !== null && (this.file.private_data as KernelSocket).ops.family === AF_UNIX;
  }
  listen(backlog: number): number {
    const opened = this.open(AF_INET);
    if (opened < 0) return opened;
    if (this.delayed < 0) return this.delayed;
    const err = this.machine.sys.listen(this.fd, backlog);
    if (err < 0) return err;
    this.listening = true;
    this.schedule();
    return 0;
  }
  /** Connections wait in the kernel's queue meanwhile. */
  pauseAccept(on: boolean): void {
    this.accepting = !on;
    if (!on) this.schedule();
  }
  getsockname(): SocketName | number {
    return this.name((sa) => this.machine.sys.getsockname(this.fd, sa));
  }
  getpeername(): SocketName | number {
    return this.name((sa) => this.machine.sys.getpeername(this.fd, sa));
  }
  private name(call: (sa: Uint8Array) => number): SocketName | number {
    if (this.fd < 0) return -EBADF;
    const sa = new Uint8Array(128);
    const n = call(sa);
    // Paths are no names of that kind.
    if (n >= 0 && sa[0] === AF_UNIX) return -EINVAL;
    return n < 0 ? n : readSockaddr(sa);
  }
  setNoDelay(on: boolean): number {
    if (this.fd < 0) return -EBADF;
    return this.machine.sys.setsockopt(this.fd, IPPROTO_TCP, TCP_NODELAY, on ? 1 : 0);
  }
  /** `delay`: seconds of silence before the first probe; then libuv asks ten times, a second apart. */
  setKeepAlive(on: boolean, delay: number): number {
    if (this.fd < 0) return -EBADF;
    const { sys } = this.machine;
    const err = sys.setsockopt(this.fd, SOL_SOCKET, SO_KEEPALIVE, on ? 1 : 0);
    if (err < 0 || !on || delay === 0) return err;
    sys.setsockopt(this.fd, IPPROTO_TCP, TCP_KEEPIDLE, delay);
    sys.setsockopt(this.fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    return sys.setsockopt(this.fd, IPPROTO_TCP, TCP_KEEPCNT, 10);
  }
  /** Seconds of silence before the first keepalive probe and between the next ones. */
  keepAliveEvery(seconds: number): number {
    const err = this.setOption(SOL_SOCKET, SO_KEEPALIVE, 1);
    if (err < 0) return err;
    this.setOption(IPPROTO_TCP, TCP_KEEPIDLE, seconds);
    return this.setOption(IPPROTO_TCP, TCP_KEEPINTVL, seconds);
  }
  setOption(level: number, name: number, value: number): number {
    return this.fd < 0 ? -EBADF : this.machine.sys.setsockopt(this.fd, level, name, value);
  }
  get writeQueueSize(): number {
    return this.writes.reduce((n, w) => n + w.bufs.reduce((m, b) => m + b.length, 0), 0);
  }

  // --- work -------------------------------------------------------------------------------------------------------

  /** 0 when it is under way: `done` follows. */
  connect(address: string, port: number, done: (err: number) => void): number {
    const sa = sockaddrOf(address, port);
    if (sa === null) return -EINVAL;
    // libuv's, whatever the socket has come to meanwhile.
    if (this.connecting !== null) return -EALREADY;
    const opened = this.open(sa.length > 16 ? AF_INET6 : AF_INET);
    if (opened < 0) return opened;
    if (this.delayed < 0) return this.delayed;
    if (this.family === AF_INET && sa.length > 16) return -EINVAL;
    const { kernel, init } = this.machine;
    const err = syscall(kernel, () => sys_connect(init, this.fd, sa));
    if (err === 0 || err === -EINPROGRESS) {
      this.connecting = done;
      this.schedule();
      return 0;
    }
    // A refusal is told later, as everything else that the peer says.
    if (err === -ECONNREFUSED) {
      this.machine.loop.defer(() => done(this.closed ? -ECANCELED : err));
      return 0;
    }
    return err;
  }
  /** 0 when it is under way: `done` follows, with what is wrong if something is. */
  connectPath(path: string, done: (err: number) => void): number {
    const opened = this.open(AF_UNIX);
    if (opened < 0) return opened;
    const sa = sockaddrUn(path);
    const { kernel, init } = this.machine;
    const err = syscall(kernel, () => sys_connect(init, this.fd, sa));
    if (err === 0) {
      this.connecting = done;
      this.schedule();
    } else this.machine.loop.defer(() => this.enter(() => done(this.closed ? -ECANCELED : err)));
    return 0;
  }
  readStart(): number {
    if (this.fd < 0) return -EBADF;
    this.reading = true;
    this.schedule();
    return 0;
  }
  readStop(): number {
    this.reading = false;
    return 0;
  }
  /**
   * `async`: the socket did not take all of it at once; what is left goes when it can, then `done`. The bytes must stay as they
   * are until then, unless a `copy` is made of what is left.
   */
  write(bufs: Uint8Array[], done: (err: number) => void, copy = false): { err: number; async: boolean } {
    if (this.fd < 0) return { err: -EBADF, async: false };
    for (const b of bufs) this.bytesWritten += b.length;
    let rest = bufs;
    if (this.writes.length === 0 && this.connecting === null) {
      const r = this.send(bufs);
      if (typeof r === "number") return { err: r, async: false };
      if (r === null) return { err: 0, async: false };
      rest = r;
    }
    this.writes.push({ bufs: copy ? rest.map((b) => b.slice()) : rest, done });
    return { err: 0, async: true };
  }
  /** What is left, null for nothing, or -errno. */
  private send(bufs: Uint8Array[]): Uint8Array[] | null | number {
    const { kernel, init } = this.machine;
    let rest = bufs;
    for (;;) {
      const msg: MsgHdr = {
        msg_name: null,
        msg_namelen: 0,
        msg_iov: rest.length > IOV_MAX ? rest.slice(0, IOV_MAX) : rest,
        msg_control: null,
        msg_controllen: 0,
        msg_flags: 0,
      };
      let n = syscall(kernel, () => sys_sendmsg(init, this.fd, msg, MSG_DONTWAIT | MSG_NOSIGNAL));
      if (n === -EAGAIN) {
        // Looking asks for a wake-up when there is room.
        if ((vfs_poll(this.file!, null) & EPOLLOUT) === 0) return rest;
        this.schedule();
        return rest;
      }
      if (n < 0) return n;
      const left: Uint8Array[] = [];
      for (const b of rest) {
        if (n >= b.length) n -= b.length;
        else {
          left.push(n > 0 ? b.subarray(n) : b);
          n = 0;
        }
      }
      if (left.length === 0) return null;
      rest = left;
    }
  }
  /** Sends FIN after what is queued. 0 when it is under way. */
  shutdown(done: (err: number) => void): number {
    if (this.fd < 0) return -EBADF;
    this.ending = done;
    if (this.writes.length === 0) this.schedule();
    return 0;
  }
  close(done?: () => void): void {
    if (this.closed) return;
    const opened = this.fd >= 0;
    this.release();
    if (opened) this.machine.sys.close(this.fd);
    if (this.path !== null) this.machine.sys.unlink(this.path);
    this.fd = -1;
    this.count();
    const { loop } = this.machine;
    const cancelled = [...this.writes.map((w) => w.done), ...(this.ending ? [this.ending] : [])];
    if (this.connecting) cancelled.push(this.connecting);
    this.writes = [];
    this.ending = null;
    this.connecting = null;
    loop.ref();
    loop.defer(() => {
      loop.unref();
      this.enter(() => {
        for (const fn of cancelled) fn(-ECANCELED);
        done?.();
      });
    });
  }
  /** Closes with RST instead of FIN. */
  reset(done?: () => void): number {
    if (this.fd < 0) return -EBADF;
    const linger = new Uint8Array(8);
    linger[0] = 1;
    this.machine.sys.setsockopt(this.fd, SOL_SOCKET, SO_LINGER, linger);
    this.close(done);
    return 0;
  }
  lost(): void {
    if (this.onlost) this.onlost();
    else this.close();
  }

  private release(): void {
    this.closed = true;
    this.reading = false;
    if (this.wait !== null) remove_wait_queue(this.wait);
    this.machine.loop.handles.delete(this);
  }

  private schedule(): void {
    if (this.scheduled || this.closed) return;
    this.scheduled = true;
    this.machine.loop.defer(() => {
      this.scheduled = false;
      if (!this.closed) this.enter(() => this.poll());
    });
  }

  /** One thing at a time: what JavaScript does in the callback may change all the rest. */
  private poll(): void {
    const mask = vfs_poll(this.file!, null);
    if (this.listening) {
      if (this.accepting && (mask & EPOLLIN) !== 0) this.accept();
      return;
    }
    if (this.connecting !== null) {
      if ((mask & (EPOLLOUT | EPOLLERR | EPOLLHUP)) === 0) return;
      const done = this.connecting;
      this.connecting = null;
      const buf = new Uint8Array(4);
      this.machine.sys.getsockopt(this.fd, SOL_SOCKET, SO_ERROR, buf);
      const err = -(buf[0]! | (buf[1]! << 8));
      this.schedule();
      done(err);
      return;
    }
    const readable = this.reading && !this.ended && (mask & (EPOLLIN | EPOLLERR | EPOLLHUP | POLLRDHUP)) !== 0;
    const writable = this.writes.length > 0 && (mask & (EPOLLOUT | EPOLLERR | EPOLLHUP)) !== 0;
    // As libuv: FIN as soon as nothing is left to write; then reading comes first (a reset is told by read), the writers next.
    if (this.ending !== null && this.writes.length === 0) {
      const done = this.ending;
      this.ending = null;
      const err = this.machine.sys.shutdown(this.fd, 1);
      this.schedule();
      done(err);
      return;
    }
    if (readable && !(writable && this.wasRead)) {
      this.wasRead = true;
      if (this.read()) return;
    }
    this.wasRead = false;
    if (writable && this.flush()) return;
    if (readable && !this.closed) this.read();
  }

  /** True when a callback ran. */
  private flush(): boolean {
    const w = this.writes[0]!;
    const r = this.send(w.bufs);
    if (r !== null && typeof r !== "number") {
      w.bufs = r;
      return false;
    }
    this.writes.shift();
    this.schedule();
    w.done(r ?? 0);
    return true;
  }

  /** True when a callback ran. */
  private read(): boolean {
    const { kernel, init } = this.machine;
    const own = this.provide?.() ?? null;
    const buf = own ?? this.buffer();
    const n = syscall(kernel, () => sys_recvfrom(init, this.fd, buf, MSG_DONTWAIT, null));
    if (n === -EAGAIN) return false;
    // There may be more, or something to write.
    this.schedule();
    if (n > 0) {
      this.bytesRead += n;
      this.onread?.(n, own ?? this.keep(buf, n));
      return true;
    }
    this.reading = false;
    this.ended = n === 0;
    this.onread?.(n === 0 ? UV_EOF : n, null);
    return true;
  }

  private accept(): void {
    const { kernel, init } = this.machine;
    const fd = syscall(kernel, () => sys_accept4(init, this.fd, null, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd === -EAGAIN || fd === -ECONNABORTED) return;
    this.schedule();
    if (fd < 0) this.onconnection?.(fd, null);
    else this.onconnection?.(0, this.accepted(fd));
  }
}
