// UDP sockets in the shape of node:dgram, over the machine's own system calls. Way in: machine.dgram.createSocket("udp4").
// The core never waits: a socket's wait queue calls back, and Loop.defer() hands out what arrived.
// Read first: https://nodejs.org/api/dgram.html.

import { EventEmitter } from "node:events";
import { isIP } from "node:net";
import { syscall } from "../kernel/cpu.ts";
import { type File, fget } from "../kernel/fs/file.ts";
import { add_wait_queue, remove_wait_queue, WaitQueueEntry } from "../kernel/wait.ts";
import type { Socket as KernelSocket } from "../net/core/sock.ts";
import { sockfd_lookup, sys_connect, sys_recvfrom, sys_sendmsg } from "../net/socket.ts";
import { EAGAIN, EBADF, EINVAL, ENOPROTOOPT } from "../uapi/errno.ts";
import {
  AF_INET,
  AF_INET6,
  IP_ADD_MEMBERSHIP,
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_DROP_SOURCE_MEMBERSHIP,
  IP_MULTICAST_IF,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IP_TTL,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  MSG_DONTWAIT,
  SO_BROADCAST,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOL_IP,
  SOL_SOCKET,
} from "../uapi/socket.ts";
import { hidden } from "./hidden.ts";
import type { LookupFunction } from "./net_connect.ts";
import type { NodeMachine as Machine } from "./node.ts";
import {
  errnoException,
  exceptionWithHostPort,
  invalidArgType,
  nodeError,
  uvName,
  validateAbortSignal,
  validateFunction,
  validateNumber,
  validatePort,
  validateString,
} from "./node_errors.ts";
import { bound, onto } from "./old_style.ts";
import { readSockaddr, type SocketName, sockaddrOf } from "./sockaddr.ts";

export { SystemError } from "./node_errors.ts";
export { parseAddress } from "./sockaddr.ts";

export interface RemoteInfo {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
  size: number;
}

export interface DgramOptions {
  type: "udp4" | "udp6";
  reuseAddr?: boolean;
  reusePort?: boolean;
  ipv6Only?: boolean;
  recvBufferSize?: number;
  sendBufferSize?: number;
  lookup?: LookupFunction;
  signal?: AbortSignal;
}

export interface BindOptions {
  port?: number;
  address?: string;
  exclusive?: boolean;
  fd?: number;
}

type SendCallback = (error: Error | null, bytes?: number) => void;
type Bytes = Uint8Array | string;

/** Datagrams that libuv hands out before the rest of the program gets its turn. */
const READ_BATCH = 32;

const UNBOUND = 0;
const BINDING = 1;
const BOUND = 2;
const DISCONNECTED = 0;
const CONNECTING = 1;
const CONNECTED = 2;

const Root = onto(EventEmitter) as unknown as new (options?: object, target?: object) => EventEmitter;

export class DgramSocket extends Root {
  readonly type: "udp4" | "udp6";
  readonly machine!: Machine;
  private readonly options: DgramOptions;
  private readonly family: number;
  private fd = -1;
  private file: File | null = null;
  private wait: WaitQueueEntry | null = null;
  private closed = false;
  private scheduled = false;
  private reffed = true;
  private counted = false;
  private bindState: number = UNBOUND;
  private connectState: number = DISCONNECTED;
  private queue: (() => void)[] = [];
  private readonly buf: Uint8Array = new Uint8Array(65536);
  private readonly from: Uint8Array = new Uint8Array(28);

  constructor(
    machine: Machine,
    options: DgramOptions | "udp4" | "udp6",
    listener?: (msg: Buffer, rinfo: RemoteInfo) => void,
    target?: object,
  ) {
    super(undefined, target);
    const o: DgramOptions = typeof options === "string" ? { type: options } : { ...options };
    if (o.type !== "udp4" && o.type !== "udp6")
      throw nodeError("ERR_SOCKET_BAD_TYPE", "Bad socket type specified. Valid types are: udp4, udp6", TypeError);
    if (o.lookup !== undefined) validateFunction(o.lookup, "lookup");
    if (o.recvBufferSize !== undefined) validateNumber(o.recvBufferSize, "options.recvBufferSize");
    if (o.sendBufferSize !== undefined) validateNumber(o.sendBufferSize, "options.sendBufferSize");
    validateAbortSignal(o.signal, "options.signal");
    hidden(this, "machine", machine);
    this.options = o;
    this.type = o.type;
    this.family = o.type === "udp4" ? AF_INET : AF_INET6;
    if (listener !== undefined) this.on("message", listener);
    const { signal } = o;
    if (signal !== undefined) {
      const onAborted = (): void => {
        if (!this.closed) this.close();
      };
      if (signal.aborted) onAborted();
      else {
        signal.addEventListener("abort", onAborted, { once: true });
        this.once("close", () => signal.removeEventListener("abort", onAborted));
      }
    }
  }

  // --- names ------------------------------------------------------------------------------------------------------

  /** bind(), bind(port, address, callback), bind(options, callback), bind(callback). "listening" follows. */
  bind(port?: unknown, address?: unknown, ...rest: unknown[]): this {
    this.running();
    if (this.bindState !== UNBOUND) throw nodeError("ERR_SOCKET_ALREADY_BOUND", "Socket is already bound");
    const cb = rest.at(-1) ?? address ?? port;
    if (typeof port === "object" && port !== null) {
      const o = port as BindOptions;
      if (typeof o.fd === "number" && o.fd > 0) {
        this.adopt(o.fd);
        if (typeof cb === "function") this.once("listening", cb as () => void);
        return this;
      }
      port = o.port;
      address = o.address;
    }
    if (typeof port === "function") port = 0;
    if (typeof address === "function" || !address) address = this.any();
    this.bindState = BINDING;
    if (typeof cb === "function") {
      const removed = (): void => {
        this.removeListener("error", removed);
        this.removeListener("listening", heard);
      };
      const heard = (): void => {
        removed();
        (cb as () => void).call(this);
      };
      this.on("error", removed);
      this.on("listening", heard);
    }
    const n = Number(port ?? 0) || 0;
    const bindTo = (ip: string): void => {
      const err = this.bindNow(ip, n);
      process.nextTick(() => {
        if (this.closed) return;
        if (err < 0) {
          this.bindState = UNBOUND;
          const ex = exceptionWithHostPort(err, "bind", ip, n);
          this.queue = [];
          this.emit("error", ex);
        } else this.bound();
      });
    };
    if (isIP(address as string) !== 0 && this.options.lookup === undefined) bindTo(address as string);
    else {
      this.lookup(address as string, (err, ip) => {
        if (this.closed) return;
        if (err !== null) {
          this.bindState = UNBOUND;
          this.queue = [];
          this.emit("error", err);
        } else bindTo(ip);
      });
    }
    return this;
  }

  private any(): string {
    return this.type === "udp4" ? "0.0.0.0" : "::";
  }

  private bindNow(address: string, port: number): number {
    const opened = this.open();
    if (opened < 0) return opened;
    const { sys } = this.machine;
    if (this.options.reuseAddr) sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (this.options.reusePort) sys.setsockopt(this.fd, SOL_SOCKET, SO_REUSEPORT, 1);
    const sa = sockaddrOf(address, port & 0xffff);
    if (sa === null || sa.length > 16 !== (this.family === AF_INET6)) return -EINVAL;
    return sys.bind(this.fd, sa);
  }

  /** A UDP descriptor of the machine's pid 1, bound already. */
  private adopt(fd: number): void {
    const sock = sockfd_lookup(this.machine.init, fd);
    if (typeof sock === "number" || sock.type !== SOCK_DGRAM || sock.ops.family !== this.family)
      throw nodeError("ERR_INVALID_FD_TYPE", "Unsupported fd type: UNKNOWN", TypeError);
    this.bindState = BINDING;
    this.own(fd);
    process.nextTick(() => {
      if (!this.closed) this.bound();
    });
  }

  private open(): number {
    if (this.fd >= 0) return 0;
    const fd = this.machine.sys.socket(this.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    if (this.options.ipv6Only && this.family === AF_INET6)
      this.machine.sys.setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    this.own(fd);
    return 0;
  }

  private own(fd: number): void {
    this.fd = fd;
    this.file = fget(this.machine.init, fd);
    this.wait = new WaitQueueEntry(() => {
      this.schedule();
      return true;
    }, this);
    add_wait_queue((this.file!.private_data as KernelSocket).wq, this.wait);
  }

  private bound(): void {
    this.bindState = BOUND;
    this.machine.loop.handles.add(this);
    this.count();
    const { recvBufferSize, sendBufferSize } = this.options;
    if (recvBufferSize) this.setRecvBufferSize(recvBufferSize);
    if (sendBufferSize) this.setSendBufferSize(sendBufferSize);
    this.schedule();
    this.emit("listening");
    for (const fn of this.queue.splice(0)) fn();
  }

  /** Runs `fn` when there is a local address; an unbound socket gets one. */
  private whenBound(fn: () => void): void {
    if (this.bindState === UNBOUND) this.bind({ port: 0 });
    if (this.bindState === BOUND) fn();
    else this.queue.push(fn);
  }

  private lookup(host: string, done: (err: Error | null, ip: string) => void): void {
    const find = this.options.lookup ?? (this.machine.dns.lookup as unknown as LookupFunction);
    find(host, (this.type === "udp4" ? 4 : 6) as never, (err, ip) => done(err, ip as string));
  }

  connect(port: number, address?: string | (() => void), callback?: (err?: Error) => void): void {
    const n = validatePort(port, "Port", false);
    if (typeof address === "function") {
      callback = address;
      address = undefined;
    }
    this.running();
    if (this.connectState !== DISCONNECTED) throw nodeError("ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");
    this.connectState = CONNECTING;
    const fail = (err: Error): void => {
      this.connectState = DISCONNECTED;
      process.nextTick(() => (callback ? callback(err) : this.emit("error", err)));
    };
    this.whenBound(() => {
      if (callback) this.once("connect", callback);
      const to = (ip: string): void => {
        if (this.closed) return;
        const sa = sockaddrOf(ip, n);
        const { kernel, init } = this.machine;
        const err = sa === null ? -EINVAL : syscall(kernel, () => sys_connect(init, this.fd, sa));
        if (err < 0) {
          if (callback) this.removeListener("connect", callback);
          fail(exceptionWithHostPort(err, "connect", ip, n));
          return;
        }
        this.connectState = CONNECTED;
        process.nextTick(() => this.emit("connect"));
      };
      this.resolved((address as string) || (this.type === "udp4" ? "127.0.0.1" : "::1"), to, (err) => {
        if (callback) this.removeListener("connect", callback);
        fail(err);
      });
    });
  }

  private resolved(address: string, to: (ip: string) => void, fail: (err: Error) => void): void {
    // An address is an answer, but never one at once.
    if (isIP(address) !== 0 && this.options.lookup === undefined) {
      process.nextTick(to, address);
      return;
    }
    this.lookup(address, (err, ip) => (err !== null ? fail(err) : to(ip)));
  }

  disconnect(): void {
    this.running();
    if (this.connectState !== CONNECTED) throw nodeError("ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected");
    const { kernel, init } = this.machine;
    // AF_UNSPEC: connect(2).
    const err = syscall(kernel, () => sys_connect(init, this.fd, new Uint8Array(16)));
    if (err < 0) throw errnoException(err, "connect");
    this.connectState = DISCONNECTED;
  }

  address(): SocketName {
    this.running();
    return this.named((sa) => (this.fd < 0 ? -EBADF : this.machine.sys.getsockname(this.fd, sa)), "getsockname");
  }
  remoteAddress(): SocketName {
    this.running();
    if (this.connectState !== CONNECTED) throw nodeError("ERR_SOCKET_DGRAM_NOT_CONNECTED", "Not connected");
    return this.named((sa) => this.machine.sys.getpeername(this.fd, sa), "getpeername");
  }
  private named(call: (sa: Uint8Array) => number, syscallName: string): SocketName {
    const sa = new Uint8Array(28);
    const n = call(sa);
    if (n < 0) throw errnoException(n, syscallName);
    const { address, family, port } = readSockaddr(sa);
    return { address, family, port };
  }

  // --- sending ----------------------------------------------------------------------------------------------------

  /** send(msg[, offset, length][, port][, address][, callback]), as node:dgram. The bytes are copied when they are sent. */
  send(msg: Bytes | readonly Bytes[] | ArrayBufferView, ...args: unknown[]): void {
    const connected = this.connectState !== DISCONNECTED;
    let data: unknown = msg;
    const [a, b] = args;
    let rest = args;
    // With an offset and a length there are two more numbers in front.
    const sliced = connected ? typeof b === "number" : !!args[3] || (!!args[2] && typeof args[2] !== "function");
    if (sliced) {
      if (typeof data === "string") data = Buffer.from(data);
      else if (!ArrayBuffer.isView(data)) throw badBuffer("buffer", data);
      const view = Buffer.from(
        (data as Uint8Array).buffer,
        (data as Uint8Array).byteOffset,
        (data as Uint8Array).byteLength,
      );
      const offset = Number(a) >>> 0;
      const length = Number(b) >>> 0;
      if (offset > view.length) throw outside("offset");
      if (offset + length > view.length) throw outside("length");
      data = view.subarray(offset, offset + length);
      rest = args.slice(2);
    }
    let [port, address, callback] = rest as [unknown, unknown, unknown];
    if (connected) {
      if (!sliced) callback = port;
      else if (typeof port === "function") callback = port;
      else if (port || (address && typeof address !== "function"))
        throw nodeError("ERR_SOCKET_DGRAM_IS_CONNECTED", "Already connected");
      else callback ??= address;
      port = null;
      address = null;
    }
    const list = bufferList(data);
    if (!connected) port = validatePort(port, "Port", false);
    const cb = (typeof callback === "function" ? callback : undefined) as SendCallback | undefined;
    let to = address;
    let done = cb;
    if (typeof to === "function") {
      done = to as SendCallback;
      to = undefined;
    } else if (to !== undefined && to !== null && to !== "" && typeof to !== "string") {
      throw invalidArgType("address", "of type string", to);
    }
    this.running();
    const sendTo = (): void => {
      if (connected) {
        this.sendNow(list, null, undefined, done);
        return;
      }
      this.resolved(
        (to as string) || (this.type === "udp4" ? "127.0.0.1" : "::1"),
        (ip) => this.sendNow(list, ip, port as number, done, to as string | undefined),
        (err) => {
          if (done) process.nextTick(done, err);
          else process.nextTick(() => this.emit("error", err));
        },
      );
    };
    if (this.bindState === UNBOUND) this.bind({ port: 0 });
    // Connected to while it was not bound, or the port is being asked for: in turn.
    if (this.bindState === BOUND && this.connectState !== CONNECTING) sendTo();
    else if (this.connectState === CONNECTING) this.once("connect", sendTo);
    else this.queue.push(sendTo);
  }

  private sendNow(
    list: Uint8Array[],
    address: string | null,
    port: number | undefined,
    cb: SendCallback | undefined,
    named?: string,
  ): void {
    if (this.closed) return;
    const { kernel, init } = this.machine;
    const sa = address === null ? null : sockaddrOf(address, port!);
    const msg = {
      msg_name: sa,
      msg_namelen: sa?.length ?? 0,
      msg_iov: list,
      msg_control: null,
      msg_controllen: 0,
      msg_flags: 0,
    };
    const n =
      address !== null && sa === null ? -EINVAL : syscall(kernel, () => sys_sendmsg(init, this.fd, msg, MSG_DONTWAIT));
    if (n < 0) {
      // As on UDP everywhere: what does not fit into the send buffer now is the sender's to repeat.
      const ex = exceptionWithHostPort(n, "send", address === null ? undefined : named, port);
      if (cb) process.nextTick(cb, ex);
      else process.nextTick(() => this.emit("error", ex));
      return;
    }
    if (cb) process.nextTick(cb, null, n);
  }
  sendto(
    buffer: Uint8Array,
    offset: number,
    length: number,
    port: number,
    address: string,
    callback?: SendCallback,
  ): void {
    validateNumber(offset, "offset");
    validateNumber(length, "length");
    validateNumber(port, "port");
    validateString(address, "address");
    this.send(buffer, offset, length, port, address, callback);
  }
  getSendQueueSize(): number {
    return 0;
  }
  getSendQueueCount(): number {
    return this.queue.length;
  }

  // --- receiving --------------------------------------------------------------------------------------------------

  private schedule(): void {
    if (this.scheduled || this.closed || this.bindState !== BOUND) return;
    this.scheduled = true;
    this.machine.loop.defer(() => {
      this.scheduled = false;
      this.drain();
    });
  }

  private drain(): void {
    const { kernel, init } = this.machine;
    for (let i = 0; i < READ_BATCH && !this.closed; i++) {
      const n = syscall(kernel, () => sys_recvfrom(init, this.fd, this.buf, MSG_DONTWAIT, this.from));
      if (n === -EAGAIN) return;
      if (n < 0) {
        this.schedule();
        this.emit("error", errnoException(n, "recvmsg"));
        return;
      }
      const { address, family, port } = readSockaddr(this.from);
      this.emit("message", Buffer.from(this.buf.subarray(0, n)), { address, family, port, size: n });
    }
    this.schedule();
  }

  // --- options ----------------------------------------------------------------------------------------------------

  private setOption(call: string, level: number, name: number, value: number | Uint8Array): void {
    this.running();
    const err = this.fd < 0 ? -EBADF : this.machine.sys.setsockopt(this.fd, level, name, value);
    if (err < 0) throw errnoException(err, call);
  }
  setBroadcast(flag: boolean): void {
    this.setOption("setBroadcast", SOL_SOCKET, SO_BROADCAST, flag ? 1 : 0);
  }
  setTTL(ttl: number): number {
    validateNumber(ttl, "ttl");
    if (ttl < 1 || ttl > 255) throw errnoException(-EINVAL, "setTTL");
    this.setOption("setTTL", SOL_IP, IP_TTL, ttl);
    return ttl;
  }
  setMulticastTTL(ttl: number): number {
    validateNumber(ttl, "ttl");
    if (ttl < 0 || ttl > 255) throw errnoException(-EINVAL, "setMulticastTTL");
    this.setOption("setMulticastTTL", SOL_IP, IP_MULTICAST_TTL, ttl);
    return ttl;
  }
  setMulticastLoopback(flag: boolean): boolean {
    this.setOption("setMulticastLoopback", SOL_IP, IP_MULTICAST_LOOP, flag ? 1 : 0);
    return flag;
  }
  setMulticastInterface(address: string): void {
    this.running();
    validateString(address, "interfaceAddress");
    // libuv takes an IPv6 address for one of the other family's.
    if (isIP(address) === 6 && this.family === AF_INET) throw errnoException(-ENOPROTOOPT, "setMulticastInterface");
    this.setOption("setMulticastInterface", SOL_IP, IP_MULTICAST_IF, quad(address, "setMulticastInterface"));
  }
  addMembership(group: string, iface?: string): void {
    this.membership("addMembership", IP_ADD_MEMBERSHIP, group, iface);
  }
  dropMembership(group: string, iface?: string): void {
    this.membership("dropMembership", IP_DROP_MEMBERSHIP, group, iface);
  }
  private membership(call: string, option: number, group: string, iface = "0.0.0.0"): void {
    this.running();
    if (!group) throw nodeError("ERR_MISSING_ARGS", 'The "multicastAddress" argument must be specified', TypeError);
    if (call === "addMembership" && this.bindState === UNBOUND) this.bind({ port: 0 });
    this.setOption(call, SOL_IP, option, Uint8Array.of(...quad(group, call), ...quad(iface, call)));
  }
  addSourceSpecificMembership(source: string, group: string, iface?: string): void {
    this.sourceMembership("addSourceSpecificMembership", IP_ADD_SOURCE_MEMBERSHIP, source, group, iface);
  }
  dropSourceSpecificMembership(source: string, group: string, iface?: string): void {
    this.sourceMembership("dropSourceSpecificMembership", IP_DROP_SOURCE_MEMBERSHIP, source, group, iface);
  }
  private sourceMembership(call: string, option: number, source: string, group: string, iface = "0.0.0.0"): void {
    this.running();
    validateString(source, "sourceAddress");
    validateString(group, "groupAddress");
    if (this.bindState === UNBOUND) this.bind({ port: 0 });
    // struct ip_mreq_source: group, interface, source.
    this.setOption(
      call,
      SOL_IP,
      option,
      Uint8Array.of(...quad(group, call), ...quad(iface, call), ...quad(source, call)),
    );
  }
  setRecvBufferSize(size: number): void {
    this.bufferSize("uv_recv_buffer_size", SO_RCVBUF, size);
  }
  setSendBufferSize(size: number): void {
    this.bufferSize("uv_send_buffer_size", SO_SNDBUF, size);
  }
  getRecvBufferSize(): number {
    return this.bufferSize("uv_recv_buffer_size", SO_RCVBUF, 0);
  }
  getSendBufferSize(): number {
    return this.bufferSize("uv_send_buffer_size", SO_SNDBUF, 0);
  }
  private bufferSize(call: string, option: number, size: number): number {
    if (size >>> 0 !== size)
      throw nodeError("ERR_SOCKET_BAD_BUFFER_SIZE", "Buffer size must be a positive integer", TypeError);
    const { sys } = this.machine;
    const value = new Uint8Array(4);
    let err = this.closed || this.fd < 0 ? -EBADF : 0;
    if (err === 0 && size > 0) err = sys.setsockopt(this.fd, SOL_SOCKET, option, size);
    if (err === 0 && size === 0) err = sys.getsockopt(this.fd, SOL_SOCKET, option, value);
    if (err < 0) {
      const code = uvName(err);
      const text = code === "EBADF" ? "bad file descriptor" : "invalid argument";
      const e = nodeError(
        "ERR_SOCKET_BUFFER_SIZE",
        `Could not get or set buffer size: ${call} returned ${code} (${text})`,
        NodeSystemError,
      );
      throw Object.assign(e, { info: { errno: err, code, message: text, syscall: call }, errno: err, syscall: call });
    }
    return new DataView(value.buffer).getInt32(0, true);
  }

  // --- end --------------------------------------------------------------------------------------------------------

  private count(): void {
    const want = this.reffed && !this.closed && this.bindState === BOUND;
    if (want === this.counted) return;
    this.counted = want;
    if (want) this.machine.loop.ref();
    else this.machine.loop.unref();
  }
  ref(): this {
    this.reffed = true;
    this.count();
    return this;
  }
  unref(): this {
    this.reffed = false;
    this.count();
    return this;
  }
  private running(): void {
    if (this.closed) throw nodeError("ERR_SOCKET_DGRAM_NOT_RUNNING", "Not running");
  }
  close(callback?: () => void): this {
    if (typeof callback === "function") this.on("close", callback);
    // What waits for an address or a connection is sent before.
    if (!this.closed && this.queue.length > 0) {
      this.queue.push(() => {
        if (!this.closed) this.close();
      });
      return this;
    }
    this.running();
    this.closed = true;
    if (this.wait !== null) remove_wait_queue(this.wait);
    this.machine.loop.handles.delete(this);
    if (this.fd >= 0) this.machine.sys.close(this.fd);
    this.fd = -1;
    this.count();
    process.nextTick(() => this.emit("close"));
    return this;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.closed) await new Promise<void>((resolve) => this.close(resolve));
  }
  /** The machine was switched off. */
  lost(): void {
    this.queue = [];
    if (!this.closed) this.close();
  }
}

function quad(address: string, call: string): Uint8Array {
  const sa = isIP(address) === 4 ? sockaddrOf(address, 0) : null;
  if (sa === null) throw errnoException(-EINVAL, call);
  return sa.subarray(4, 8);
}

class NodeSystemError extends Error {}
Object.defineProperty(NodeSystemError.prototype, "name", { value: "SystemError", configurable: true, writable: true });

const BUFFERS = "of type string or an instance of Buffer, TypedArray, or DataView";
const badBuffer = (name: string, v: unknown): Error => invalidArgType(name, BUFFERS, v);
const outside = (name: string): Error =>
  nodeError("ERR_BUFFER_OUT_OF_BOUNDS", `"${name}" is outside of buffer bounds`, RangeError);

function bufferList(data: unknown): Uint8Array[] {
  const one = (v: unknown): Uint8Array | null => {
    if (typeof v === "string") return Buffer.from(v);
    return ArrayBuffer.isView(v) ? new Uint8Array(v.buffer, v.byteOffset, v.byteLength) : null;
  };
  if (Array.isArray(data)) {
    return data.map((v) => {
      const b = one(v);
      if (b === null) throw badBuffer("buffer list arguments", data);
      return b;
    });
  }
  const b = one(data);
  if (b === null) throw badBuffer("buffer", data);
  return [b];
}

export class DgramApi {
  /** A constructor, as node:dgram's. */
  readonly Socket: new (
    options: DgramOptions | "udp4" | "udp6",
    listener?: (msg: Buffer, rinfo: RemoteInfo) => void,
  ) => DgramSocket;
  constructor(machine: Machine) {
    this.Socket = bound(machine, DgramSocket as never, "Socket", 2);
    this.createSocket = this.createSocket.bind(this);
  }
  createSocket(
    options: DgramOptions | "udp4" | "udp6",
    listener?: (msg: Buffer, rinfo: RemoteInfo) => void,
  ): DgramSocket {
    return new this.Socket(options, listener);
  }
}
