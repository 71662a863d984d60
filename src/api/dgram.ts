// UDP sockets in the shape of node:dgram, over the machine's own system calls. Way in: machine.dgram.createSocket("udp4").
// The core never waits: a socket's wait queue calls back, and what arrived is handed out in a microtask of JavaScript.

import { syscall } from "../kernel/cpu.ts";
import { fget } from "../kernel/fs/file.ts";
import { add_wait_queue, remove_wait_queue, WaitQueueEntry } from "../kernel/wait.ts";
import type { Socket as KernelSocket } from "../net/core/sock.ts";
import { sys_recvfrom, sys_sendto } from "../net/socket.ts";
import { errno_name, strerror } from "../uapi/errno.ts";
import { AF_INET, MSG_DONTWAIT, SO_BROADCAST, SOCK_DGRAM, SOCKADDR_IN_LEN, SOL_SOCKET } from "../uapi/socket.ts";
import type { Machine } from "./machine.ts";

export interface RemoteInfo {
  address: string;
  family: "IPv4";
  port: number;
  size: number;
}

export interface SocketEvents {
  message: (msg: Uint8Array, rinfo: RemoteInfo) => void;
  listening: () => void;
  error: (err: Error) => void;
  close: () => void;
}

/** An errno as Node reports it: code "EADDRINUSE", syscall "bind". */
export class SystemError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  constructor(errno: number, call: string) {
    super(`${call} ${errno_name(errno)}: ${strerror(errno)}`);
    this.code = errno_name(errno);
    this.errno = errno;
    this.syscall = call;
  }
}

/** Dotted quad → int32; throws SystemError. */
export function parseAddress(address: string): number {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(address);
  if (!m || m.slice(1).some((p) => Number(p) > 255)) throw new SystemError(-22, `address "${address}"`);
  return (Number(m[1]) << 24) | (Number(m[2]) << 16) | (Number(m[3]) << 8) | Number(m[4]);
}

function sockaddr(address: string, port: number): Uint8Array {
  const sa = new Uint8Array(SOCKADDR_IN_LEN);
  const dv = new DataView(sa.buffer);
  dv.setUint16(0, AF_INET, true);
  dv.setUint16(2, port);
  dv.setInt32(4, parseAddress(address));
  return sa;
}

function describe(sa: Uint8Array): { address: string; port: number } {
  return { address: `${sa[4]}.${sa[5]}.${sa[6]}.${sa[7]}`, port: (sa[2]! << 8) | sa[3]! };
}

export class DgramSocket {
  private readonly machine: Machine;
  private readonly fd: number;
  private readonly listeners: { [E in keyof SocketEvents]: SocketEvents[E][] } = {
    message: [],
    listening: [],
    error: [],
    close: [],
  };
  private readonly wait: WaitQueueEntry;
  private readonly buf: Uint8Array = new Uint8Array(65536);
  private readonly from: Uint8Array = new Uint8Array(SOCKADDR_IN_LEN);
  private closed = false;
  private scheduled = false;

  constructor(machine: Machine) {
    this.machine = machine;
    this.fd = machine.sys.socket(AF_INET, SOCK_DGRAM, 0);
    if (this.fd < 0) throw new SystemError(this.fd, "socket");
    const sock = fget(machine.init, this.fd)!.private_data as KernelSocket;
    this.wait = new WaitQueueEntry(() => {
      this.schedule();
      return true;
    }, this);
    add_wait_queue(sock.wq, this.wait);
  }

  on<E extends keyof SocketEvents>(event: E, fn: SocketEvents[E]): this {
    this.listeners[event].push(fn);
    if (event === "message") this.schedule();
    return this;
  }

  /** Binds to a port (0: any free one); "listening" follows. */
  bind(port = 0, address = "0.0.0.0", callback?: () => void): this {
    const err = this.machine.sys.bind(this.fd, sockaddr(address, port));
    if (callback) this.listeners.listening.push(callback);
    queueMicrotask(() => {
      if (err < 0) this.fail(new SystemError(err, "bind"));
      else for (const fn of this.listeners.listening) fn();
    });
    return this;
  }

  /** Sends one datagram; the bytes are copied before this returns. */
  send(msg: Uint8Array | string, port: number, address: string, callback?: (err: Error | null) => void): void {
    const bytes = typeof msg === "string" ? new TextEncoder().encode(msg) : msg;
    const { kernel, init } = this.machine;
    const n = syscall(kernel, () => sys_sendto(init, this.fd, bytes, MSG_DONTWAIT, sockaddr(address, port)));
    const err = n < 0 ? new SystemError(n, "send") : null;
    if (callback) queueMicrotask(() => callback(err));
    else if (err) queueMicrotask(() => this.fail(err));
  }

  address(): { address: string; family: "IPv4"; port: number } {
    const sa = new Uint8Array(SOCKADDR_IN_LEN);
    const n = this.machine.sys.getsockname(this.fd, sa);
    if (n < 0) throw new SystemError(n, "getsockname");
    return { family: "IPv4", ...describe(sa) };
  }

  setBroadcast(flag: boolean): void {
    this.machine.sys.setsockopt(this.fd, SOL_SOCKET, SO_BROADCAST, flag ? 1 : 0);
  }

  close(callback?: () => void): void {
    if (this.closed) return;
    this.closed = true;
    remove_wait_queue(this.wait);
    this.machine.sys.close(this.fd);
    if (callback) this.listeners.close.push(callback);
    queueMicrotask(() => {
      for (const fn of this.listeners.close) fn();
    });
  }

  private fail(err: Error): void {
    if (this.listeners.error.length === 0) throw err;
    for (const fn of this.listeners.error) fn(err);
  }

  /** Reads once the core has been left: a callback may call into the machine again. */
  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.drain();
    });
  }

  private drain(): void {
    if (this.listeners.message.length === 0) return;
    const { kernel, init } = this.machine;
    for (let i = 0; i < 256 && !this.closed; i++) {
      const n = syscall(kernel, () => sys_recvfrom(init, this.fd, this.buf, MSG_DONTWAIT, this.from));
      if (n < 0) {
        if (n !== -11) this.fail(new SystemError(n, "recvmsg"));
        return;
      }
      const msg = this.buf.slice(0, n);
      const rinfo: RemoteInfo = { family: "IPv4", size: n, ...describe(this.from) };
      for (const fn of this.listeners.message) fn(msg, rinfo);
    }
    this.schedule();
  }
}

export class DgramApi {
  private readonly machine: Machine;
  constructor(machine: Machine) {
    this.machine = machine;
  }
  /** Only "udp4" for now. */
  createSocket(type: "udp4", onMessage?: SocketEvents["message"]): DgramSocket {
    if (type !== "udp4") throw new SystemError(-97, `socket type "${type}"`);
    const s = new DgramSocket(this.machine);
    if (onMessage) s.on("message", onMessage);
    return s;
  }
}
