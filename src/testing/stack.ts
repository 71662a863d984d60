// A machine for tools that test TCP/IP from outside: POSIX-shaped calls that return at once, a TUN device of raw IP packets in
// both directions, and a clock that only the caller moves. Read first: README.md, "Testing". Way in: new TestStack().

import { Machine } from "../api/machine.ts";
import { SimWorld, sim_host } from "../arch/sim/world.ts";
import { TunFile, tun_create, tun_get_user } from "../drivers/net/tun.ts";
import { spawn_task, type TaskSys } from "../init/sys.ts";
import { syscall } from "../kernel/cpu.ts";
import { schedule, wake_up_process } from "../kernel/sched.ts";
import { add_wait_queue, remove_wait_queue, WaitQueueHead, wake_up } from "../kernel/wait.ts";
import type { NetDevice } from "../net/core/netdevice.ts";
import { ETIMEDOUT } from "../uapi/errno.ts";
import { SIGPIPE } from "../uapi/fcntl.ts";
import type { Blocking, EpollEvent, MsgHdr, PollFd, Sys } from "../uapi/sys.ts";

export interface TestStackOptions {
  /** Seed of all randomness; same seed and calls, same packets. */
  seed?: number;
  /** Wall clock at time zero, ms since 1970. */
  epochMs?: number;
  /** The machine's address on its TUN device, with its prefix length. */
  address?: string;
  /** Where everything else is behind. */
  gateway?: string;
  mtu?: number;
  /** Name of the device. */
  device?: string;
}

/** A packet that the machine sent. */
export interface SentPacket {
  /** ns of the stack's clock. */
  time: number;
  /** IP header first. */
  bytes: Uint8Array;
}

/** A call that may still be waiting. */
export class PendingCall<T> {
  done = false;
  value: T | undefined = undefined;
  /** ns of the stack's clock at which it returned. */
  end = 0;
}

/** How long a call without a timeout of its own may keep the caller waiting, in virtual time. */
const CALL_LIMIT_NS = 3_600e9;

export class TestStack {
  readonly world: SimWorld;
  readonly machine: Machine;
  readonly device: NetDevice;
  /** What the machine sent and nobody took yet. */
  readonly sent: SentPacket[] = [];
  private readonly jobs: (() => Blocking<void>)[] = [];
  private readonly wq = new WaitQueueHead();
  private sys!: Sys;

  constructor(options: TestStackOptions = {}) {
    this.world = new SimWorld({
      seed: options.seed ?? 1,
      ...(options.epochMs !== undefined && { epoch_ms: options.epochMs }),
    });
    const world = this.world;
    this.machine = new Machine({
      host: { host: sim_host(world), clock: world, dma: world.dma, frames: world.frames },
      debug: true,
    });
    const k = this.machine.kernel;
    const file = new TunFile((bytes) => this.sent.push({ time: this.world.now, bytes }));
    const name = options.device ?? "tun0";
    const dev = syscall(k, () => tun_create(k.init_net, name, file));
    if (typeof dev === "number") throw new Error(`${name}: error ${-dev}`);
    this.device = dev;
    // One task makes all calls, so that descriptors are shared and a call waits for the one before.
    syscall(k, () => {
      const task = spawn_task(k, k.tasks.get(1)!, (sys) => this.worker(sys), ["testing"]);
      task.files.next_fd = 3;
      wake_up_process(task);
    });
    const mtu = options.mtu ?? 1500;
    this.must(`ip link set ${name} mtu ${mtu} up; ip link set lo up`);
    this.must(`ip address add ${options.address ?? "192.168.0.1/16"} dev ${name}`);
    this.must(`ip route add default via ${options.gateway ?? "192.168.0.2"} dev ${name}`);
  }

  private *worker(sys: Sys): Blocking<number> {
    this.sys = sys;
    // A tool wants to see EPIPE, not to be ended by it.
    sys.sigaction(SIGPIPE, "SIG_IGN");
    const task = (sys as TaskSys).task;
    for (;;) {
      const job = this.jobs.shift();
      if (job !== undefined) {
        yield* job();
        continue;
      }
      add_wait_queue(this.wq, task.wait);
      yield* schedule(task);
      remove_wait_queue(task.wait);
    }
  }

  // --- clock ------------------------------------------------------------------------------------------------------

  /** ns since the machine was made. */
  get now(): number {
    return this.world.now;
  }
  /** Lets `ns` pass; timers due meanwhile fire. */
  advance(ns: number): void {
    this.world.run(this.world.now + ns);
  }
  /** Lets time pass until `done()` or until the clock stands at `until`. Returns done(). */
  runUntil(done: () => boolean, until: number): boolean {
    if (this.world.run_until(done, until)) return true;
    this.world.run(until);
    return done();
  }

  // --- packets ----------------------------------------------------------------------------------------------------

  /** A packet arrives on the device. Returns its length or -errno. */
  inject(packet: Uint8Array): number {
    return syscall(this.machine.kernel, () => tun_get_user(this.device, packet));
  }
  /** The oldest packet that the machine sent, or null. */
  take(): SentPacket | null {
    return this.sent.shift() ?? null;
  }

  // --- calls ------------------------------------------------------------------------------------------------------

  /** Starts a call; it may be done when this returns, or wait. Calls run one after the other. */
  start<T>(fn: (sys: Sys) => Blocking<T>): PendingCall<T> {
    const pending = new PendingCall<T>();
    const self = this;
    this.jobs.push(function* () {
      pending.value = yield* fn(self.sys);
      pending.end = self.world.now;
      pending.done = true;
    });
    syscall(this.machine.kernel, () => wake_up(this.wq));
    return pending;
  }
  /** Makes a call; what it waits for passes in virtual time. Throws when it never returns. */
  call<T>(fn: (sys: Sys) => Blocking<T>): T {
    const p = this.start(fn);
    if (!p.done && !this.runUntil(() => p.done, this.world.now + CALL_LIMIT_NS))
      throw new Error(`a call did not return within an hour of virtual time (errno ${ETIMEDOUT})`);
    return p.value!;
  }
  private at_once<T>(fn: (sys: Sys) => T): T {
    return this.call(function* (sys) {
      return fn(sys);
    });
  }

  socket(domain: number, type: number, protocol: number): number {
    return this.at_once((s) => s.socket(domain, type, protocol));
  }
  bind(fd: number, addr: Uint8Array): number {
    return this.at_once((s) => s.bind(fd, addr));
  }
  listen(fd: number, backlog: number): number {
    return this.at_once((s) => s.listen(fd, backlog));
  }
  connect(fd: number, addr: Uint8Array): number {
    return this.call((s) => s.connect(fd, addr));
  }
  accept4(fd: number, addr: Uint8Array | null, flags: number): number {
    return this.call((s) => s.accept4(fd, addr, flags));
  }
  read(fd: number, buf: Uint8Array): number {
    return this.call((s) => s.read(fd, buf));
  }
  write(fd: number, buf: Uint8Array): number {
    return this.call((s) => s.write(fd, buf));
  }
  sendto(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): number {
    return this.call((s) => s.sendto(fd, buf, flags, addr));
  }
  recvfrom(fd: number, buf: Uint8Array, flags: number, addr: Uint8Array | null): number {
    return this.call((s) => s.recvfrom(fd, buf, flags, addr));
  }
  sendmsg(fd: number, msg: MsgHdr, flags: number): number {
    return this.call((s) => s.sendmsg(fd, msg, flags));
  }
  recvmsg(fd: number, msg: MsgHdr, flags: number): number {
    return this.call((s) => s.recvmsg(fd, msg, flags));
  }
  close(fd: number): number {
    return this.call((s) => s.close_linger(fd));
  }
  shutdown(fd: number, how: number): number {
    return this.at_once((s) => s.shutdown(fd, how));
  }
  getsockname(fd: number, addr: Uint8Array): number {
    return this.at_once((s) => s.getsockname(fd, addr));
  }
  getpeername(fd: number, addr: Uint8Array): number {
    return this.at_once((s) => s.getpeername(fd, addr));
  }
  setsockopt(fd: number, level: number, name: number, value: Uint8Array | number): number {
    return this.at_once((s) => s.setsockopt(fd, level, name, value));
  }
  getsockopt(fd: number, level: number, name: number, value: Uint8Array): number {
    return this.at_once((s) => s.getsockopt(fd, level, name, value));
  }
  fcntl(fd: number, cmd: number, arg: number): number {
    return this.at_once((s) => s.fcntl(fd, cmd, arg));
  }
  ioctl(fd: number, request: number, arg: Uint8Array): number {
    return this.at_once((s) => s.ioctl(fd, request, arg));
  }
  poll(fds: PollFd[], timeout: number): number {
    return this.call((s) => s.poll(fds, timeout));
  }
  epoll_create1(flags: number): number {
    return this.at_once((s) => s.epoll_create1(flags));
  }
  epoll_ctl(epfd: number, op: number, fd: number, event: EpollEvent | null): number {
    return this.at_once((s) => s.epoll_ctl(epfd, op, fd, event));
  }
  epoll_wait(epfd: number, events: EpollEvent[], maxevents: number, timeout: number): number {
    return this.call((s) => s.epoll_wait(epfd, events, maxevents, timeout));
  }

  /** Runs a command line in the machine's shell. */
  shell(command: string): { code: number; out: string } {
    let out = "";
    const dec = new TextDecoder();
    const p = this.machine.exec(command, {
      stdout: (b) => {
        out += dec.decode(b, { stream: true });
      },
    });
    this.runUntil(() => !p.running, this.world.now + 60e9);
    return { code: p.running ? 124 : p.exitCode, out };
  }
  private must(command: string): void {
    const r = this.shell(command);
    if (r.code !== 0) throw new Error(`${command}: ${r.out}`);
  }

  /** Exceptions that the kernel caught; a sound run has none. */
  get bugs(): string[] {
    return this.machine.kernel.bugs.map((b) => `${b.where}: ${(b.error as Error)?.stack ?? b.error}`);
  }
  /** Objects of the machine that are alive, by kind. */
  live(): Record<string, number> {
    return this.machine.live();
  }
  close_all(): void {
    this.machine.poweroff();
  }
}
