// A UDP socket of a machine as JavaScript's loop sees it: one datagram for each time that somebody asked for one.
// Way in: new DatagramHandle(machine), open(), receive(), send().

import { syscall } from "../../kernel/cpu.ts";
import { vfs_poll } from "../../kernel/fs/eventpoll.ts";
import { type File, fget } from "../../kernel/fs/file.ts";
import { add_wait_queue, remove_wait_queue, WaitQueueEntry } from "../../kernel/wait.ts";
import type { Socket as KernelSocket } from "../../net/core/sock.ts";
import { sys_connect, sys_recvfrom, sys_sendto } from "../../net/socket.ts";
import { EAGAIN, EINVAL } from "../../uapi/errno.ts";
import { EPOLLOUT } from "../../uapi/fcntl.ts";
import { MSG_DONTWAIT, SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from "../../uapi/socket.ts";
import type { Machine } from "../machine.ts";
import { readSockaddr, type SocketName, sockaddrOf } from "../sockaddr.ts";

export class DatagramHandle {
  readonly machine: Machine;
  fd = -1;
  /** n >= 0: a datagram; or -errno. */
  onmessage: ((n: number, data: Uint8Array | null, from: SocketName | null) => void) | null = null;
  onlost: (() => void) | null = null;
  private file!: File;
  private wait!: WaitQueueEntry;
  private scheduled = false;
  private wanted = false;
  private blocked: (() => void)[] = [];

  constructor(machine: Machine) {
    this.machine = machine;
  }

  open(family: number): number {
    const { machine } = this;
    const fd = machine.sys.socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return fd;
    this.fd = fd;
    this.file = fget(machine.init, fd)!;
    this.wait = new WaitQueueEntry(() => {
      this.schedule();
      return true;
    }, this);
    add_wait_queue((this.file.private_data as KernelSocket).wq, this.wait);
    machine.loop.handles.add(this);
    machine.loop.ref();
    return 0;
  }
  setOption(level: number, name: number, value: number | Uint8Array): number {
    return this.machine.sys.setsockopt(this.fd, level, name, value);
  }
  bind(address: string, port: number): number {
    const sa = sockaddrOf(address, port);
    return sa === null ? -EINVAL : this.machine.sys.bind(this.fd, sa);
  }
  connect(address: string, port: number): number {
    const sa = sockaddrOf(address, port);
    const { kernel, init } = this.machine;
    return sa === null ? -EINVAL : syscall(kernel, () => sys_connect(init, this.fd, sa));
  }
  name(peer: boolean): SocketName | number {
    const sa = new Uint8Array(28);
    const { sys } = this.machine;
    const n = peer ? sys.getpeername(this.fd, sa) : sys.getsockname(this.fd, sa);
    return n < 0 ? n : readSockaddr(sa);
  }
  /** Asks for one datagram. */
  receive(): void {
    this.wanted = true;
    this.schedule();
  }
  /** What sendto(2) says; while the send buffer is full it waits. */
  send(data: Uint8Array, to: Uint8Array | null, done: (err: number) => void): void {
    const { kernel, init } = this.machine;
    if (this.fd < 0) {
      done(-9);
      return;
    }
    const n = syscall(kernel, () => sys_sendto(init, this.fd, data, MSG_DONTWAIT, to));
    if (n !== -EAGAIN) done(n);
    // Looking asks for a wake-up when there is room.
    else if ((vfs_poll(this.file, null) & EPOLLOUT) === 0) this.blocked.push(() => this.send(data, to, done));
    else this.machine.loop.defer(() => this.send(data, to, done));
  }
  close(): void {
    if (this.fd < 0) return;
    const { machine } = this;
    remove_wait_queue(this.wait);
    machine.loop.handles.delete(this);
    machine.sys.close(this.fd);
    this.fd = -1;
    machine.loop.unref();
    for (const again of this.blocked.splice(0)) again();
  }
  lost(): void {
    this.onlost?.();
    this.close();
  }

  private schedule(): void {
    if (this.scheduled || this.fd < 0) return;
    this.scheduled = true;
    this.machine.loop.defer(() => {
      this.scheduled = false;
      if (this.fd < 0) return;
      for (const again of this.blocked.splice(0)) again();
      if (this.wanted) this.read();
    });
  }

  private read(): void {
    const { kernel, init, loop } = this.machine;
    loop.readBuffer ??= new Uint8Array(65536);
    const buf = loop.readBuffer;
    const sa = new Uint8Array(28);
    const n = syscall(kernel, () => sys_recvfrom(init, this.fd, buf, MSG_DONTWAIT, sa));
    if (n === -EAGAIN) return;
    this.wanted = false;
    if (n < 0) this.onmessage?.(n, null, null);
    else this.onmessage?.(n, Uint8Array.prototype.slice.call(buf, 0, n), readSockaddr(sa));
  }
}
