// Plays a packetdrill script against the kernel of this computer: a TUN device in a network namespace of its own, real time.
// Needs root and koffi. Way in: run_on_kernel(); as a program: node --import tsx test/linux/packetdrill_kernel.ts FILE...

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { ScriptError } from "../../src/testing/packetdrill/ast.ts";
import { CallError, type Request } from "../../src/testing/packetdrill/calls.ts";
import { defines_of, parse_script } from "../../src/testing/packetdrill/parser.ts";
import { type Backend, type LiveCall, RunError, Runner, settings_of } from "../../src/testing/packetdrill/runner.ts";
import type { EpollEvent, MsgHdr, PollFd } from "../../src/uapi/sys.ts";

type Fn = ((...a: unknown[]) => number) & { async(...a: unknown[]): void };

interface Libc {
  fn(name: string): Fn;
  errno(): number;
}

const SIGNATURES: Readonly<Record<string, string>> = {
  open: "int open(const char *path, int flags, int mode)",
  pipe: "int pipe(void *fds)",
  sendfile: "long sendfile(int out, int in, void *off, size_t n)",
  splice: "long splice(int in, void *off_in, int out, void *off_out, size_t len, uint flags)",
  close: "int close(int fd)",
  ioctl: "int ioctl(int fd, ulong request, void *arg)",
  read: "long read(int fd, void *buf, size_t len)",
  write: "long write(int fd, const void *buf, size_t len)",
  unshare: "int unshare(int flags)",
  socket: "int socket(int d, int t, int p)",
  bind: "int bind(int fd, const void *a, int len)",
  connect: "int connect(int fd, const void *a, int len)",
  listen: "int listen(int fd, int n)",
  accept4: "int accept4(int fd, void *a, void *len, int flags)",
  getsockname: "int getsockname(int fd, void *a, void *len)",
  getpeername: "int getpeername(int fd, void *a, void *len)",
  recvfrom: "long recvfrom(int fd, void *buf, size_t len, int flags, void *a, void *alen)",
  sendto: "long sendto(int fd, const void *buf, size_t len, int flags, const void *a, int alen)",
  sendmsg: "long sendmsg(int fd, const void *msg, int flags)",
  recvmsg: "long recvmsg(int fd, void *msg, int flags)",
  readv: "long readv(int fd, void *iov, int n)",
  writev: "long writev(int fd, void *iov, int n)",
  shutdown: "int shutdown(int fd, int how)",
  fcntl: "int fcntl(int fd, int cmd, long arg)",
  setsockopt: "int setsockopt(int fd, int l, int o, const void *v, int len)",
  getsockopt: "int getsockopt(int fd, int l, int o, void *v, void *len)",
  poll: "int poll(void *fds, ulong n, int timeout)",
  epoll_create1: "int epoll_create1(int flags)",
  epoll_ctl: "int epoll_ctl(int ep, int op, int fd, void *ev)",
  epoll_wait: "int epoll_wait(int ep, void *ev, int n, int timeout)",
};

let cached: { libc: Libc; address: (b: Uint8Array) => bigint } | null = null;
function libc(): { libc: Libc; address: (b: Uint8Array) => bigint } {
  if (cached !== null) return cached;
  const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
  const lib = koffi.load(null as unknown as string);
  const fns = new Map<string, Fn>();
  cached = {
    libc: {
      fn(name) {
        let f = fns.get(name);
        if (f === undefined) {
          f = lib.func(SIGNATURES[name]!) as unknown as Fn;
          fns.set(name, f);
        }
        return f;
      },
      errno: () => koffi.errno(),
    },
    // memmove(3) returns its first argument: the address of a buffer.
    address: (() => {
      const f = lib.func("uintptr_t memmove(void *a, const void *b, size_t n)") as unknown as (
        a: Uint8Array,
        b: Uint8Array,
        n: number,
      ) => number | bigint;
      return (b: Uint8Array) => (b.length === 0 ? 0n : BigInt(f(b, b, 0)));
    })(),
  };
  return cached;
}

const CLONE_NEWNET = 0x40000000;
const TUNSETIFF = 0x400454ca;

export class KernelBackend implements Backend {
  private readonly tun: number;
  private readonly queue: { time: number; bytes: Uint8Array }[] = [];
  private readonly buf = new Uint8Array(70000);
  private readonly c = libc();
  private congestion = "";
  /** Buffers of calls that are under way must not move nor be freed. */
  readonly alive: unknown[] = [];

  constructor(local: string, mtu: number, gateway: string) {
    const { fn } = this.c.libc;
    if (fn("unshare")(CLONE_NEWNET) < 0) throw new RunError("unshare(CLONE_NEWNET) failed: root is needed");
    this.tun = fn("open")("/dev/net/tun", 2 | 0x800, 0);
    const ifr = new Uint8Array(40);
    ifr.set(new TextEncoder().encode("tun0"));
    ifr[16] = 1;
    ifr[17] = 0x10;
    if (this.tun < 0 || fn("ioctl")(this.tun, TUNSETIFF, ifr) < 0) throw new RunError("no TUN device");
    const r = this.shell(
      `for i in all default; do echo 1 > /proc/sys/net/ipv6/conf/$i/disable_ipv6; done; ip link set lo up; ` +
        `ip link set tun0 mtu ${mtu} up && ip addr add ${local} dev tun0 && ip route add default via ${gateway} dev tun0`,
    );
    if (r.code !== 0) throw new RunError(r.out);
  }

  now(): number {
    return Number(process.hrtime.bigint());
  }
  wall_s(): number {
    return (performance.timeOrigin + performance.now()) / 1000;
  }
  inject(packet: Uint8Array): void {
    this.drain();
    this.c.libc.fn("write")(this.tun, packet, packet.length);
    this.drain();
  }
  drain(): void {
    const read = this.c.libc.fn("read");
    for (;;) {
      const n = Number(read(this.tun, this.buf, this.buf.length));
      if (n <= 0) return;
      this.queue.push({ time: this.now(), bytes: this.buf.slice(0, n) });
    }
  }
  take(): { time: number; bytes: Uint8Array } | null {
    if (this.queue.length === 0) this.drain();
    return this.queue.shift() ?? null;
  }
  shell(command: string): { code: number; out: string } {
    this.drain();
    // A namespace's default may only be what its parent allows; a socket of root's may have any.
    const cc = /tcp_congestion_control=(\w+)/.exec(command);
    if (cc !== null) {
      this.congestion = cc[1]!;
      return { code: 0, out: "" };
    }
    const r = spawnSync("sh", ["-c", command], { encoding: "utf8" });
    return { code: r.status ?? 255, out: `${r.stdout}${r.stderr}` };
  }
  close(): void {
    this.c.libc.fn("close")(this.tun);
  }

  call(req: Request, blocking: boolean): LiveCall {
    const live: LiveCall = { done: false, value: undefined, end: 0 };
    const { name, args, after } = this.arguments_of(req);
    const f = this.c.libc.fn(name);
    const finish = (r: number, errno: number): void => {
      live.value = r < 0 ? -errno : after(r);
      live.end = this.now();
      live.done = true;
    };
    if (!blocking) {
      const r = Number(f(...args));
      finish(r, this.c.libc.errno());
      if (req.op === "socket" && r >= 0 && (Number(req.a[1]) & 15) === 1 && this.congestion !== "")
        this.c.libc.fn("setsockopt")(r, 6, 13, new TextEncoder().encode(this.congestion), this.congestion.length);
      this.drain();
      return live;
    }
    this.alive.push(req, args);
    f.async(...args, (_err: unknown, r: number | bigint) => finish(Number(r), this.c.libc.errno()));
    return live;
  }

  private arguments_of(req: Request): { name: string; args: unknown[]; after: (r: number) => number } {
    const a = req.a;
    const same = (r: number): number => r;
    const len4 = (n: number): Uint8Array => new Uint8Array([n & 255, (n >> 8) & 255, n >> 16, 0]);
    const b1 = a[1] as Uint8Array;
    const plain = (...args: unknown[]) => ({ name: req.op, args, after: same });
    switch (req.op) {
      case "open":
      case "pipe":
      case "sendfile":
      case "splice":
      case "socket":
      case "listen":
      case "shutdown":
      case "fcntl":
      case "close":
      case "epoll_create1":
        return plain(...a);
      case "bind":
      case "connect":
      case "read":
      case "write":
        return plain(a[0], b1, b1.length);
      case "accept4":
        return plain(a[0], null, null, a[1]);
      case "getsockname":
      case "getpeername":
        return plain(a[0], b1, len4(b1.length));
      case "recvfrom":
        return plain(a[0], b1, b1.length, a[2], null, null);
      case "sendto":
        return plain(a[0], b1, b1.length, a[2], a[3], a[3] === null ? 0 : (a[3] as Uint8Array).length);
      case "ioctl":
        return plain(a[0], a[1], a[2]);
      case "setsockopt":
        return plain(a[0], a[1], a[2], a[3], (a[3] as Uint8Array).length);
      case "getsockopt":
        return plain(a[0], a[1], a[2], a[3], len4((a[3] as Uint8Array).length));
      case "readv":
      case "writev": {
        const iov = a[1] as Uint8Array[];
        return plain(a[0], this.iovec(iov), iov.length);
      }
      case "sendmsg":
      case "recvmsg": {
        const m = a[1] as MsgHdr;
        const h = new Uint8Array(56);
        const dv = new DataView(h.buffer);
        const iov = this.iovec(m.msg_iov);
        if (m.msg_name !== null) {
          dv.setBigUint64(0, this.address(m.msg_name), true);
          dv.setUint32(8, m.msg_name.length, true);
        }
        dv.setBigUint64(16, this.address(iov), true);
        dv.setBigUint64(24, BigInt(m.msg_iov.length), true);
        if (m.msg_control !== null) {
          dv.setBigUint64(32, this.address(m.msg_control), true);
          dv.setBigUint64(40, BigInt(m.msg_control.length), true);
        }
        return {
          name: req.op,
          args: [a[0], h, a[2]],
          after: (r) => {
            m.msg_controllen = Number(dv.getBigUint64(40, true));
            m.msg_flags = dv.getInt32(48, true);
            return r;
          },
        };
      }
      case "poll": {
        const fds = a[0] as PollFd[];
        const b = new Uint8Array(8 * fds.length);
        const dv = new DataView(b.buffer);
        for (const [i, f] of fds.entries()) {
          dv.setInt32(8 * i, f.fd, true);
          dv.setInt16(8 * i + 4, f.events, true);
        }
        return {
          name: "poll",
          args: [b, fds.length, a[1]],
          after: (r) => {
            for (const [i, f] of fds.entries()) f.revents = dv.getUint16(8 * i + 6, true);
            return r;
          },
        };
      }
      case "epoll_ctl": {
        const ev = a[3] as EpollEvent | null;
        const b = new Uint8Array(12);
        if (ev !== null) {
          new DataView(b.buffer).setUint32(0, ev.events >>> 0, true);
          new DataView(b.buffer).setUint32(4, ev.data >>> 0, true);
        }
        return plain(a[0], a[1], a[2], b);
      }
      case "epoll_wait": {
        const events = a[1] as EpollEvent[];
        const n = a[2] as number;
        const b = new Uint8Array(12 * Math.max(1, n));
        return {
          name: "epoll_wait",
          args: [a[0], b, n, a[3]],
          after: (r) => {
            const dv = new DataView(b.buffer);
            for (let i = 0; i < r; i++)
              events.push({ events: dv.getUint32(12 * i, true), data: dv.getUint32(12 * i + 4, true) });
            return r;
          },
        };
      }
      default:
        throw new CallError(`unknown system call: ${req.op}()`);
    }
  }
  private address(b: Uint8Array): bigint {
    this.alive.push(b);
    return this.c.address(b);
  }
  private iovec(bufs: Uint8Array[]): Uint8Array {
    const b = new Uint8Array(16 * Math.max(1, bufs.length));
    const dv = new DataView(b.buffer);
    for (const [i, x] of bufs.entries()) {
      dv.setBigUint64(16 * i, this.address(x), true);
      dv.setBigUint64(16 * i + 8, BigInt(x.length), true);
    }
    return b;
  }
}

const ip_text = (ip: number): string => [24, 16, 8, 0].map((s) => (ip >>> s) & 255).join(".");

/** Plays the script; null, or what was wrong with it. */
export async function run_on_kernel(
  file: string,
  text: string,
  defines = new Map<string, string>(),
  options = new Map<string, string>(),
): Promise<string | null> {
  let backend: KernelBackend | null = null;
  try {
    const script = parse_script(file, text, defines_of(text, options, defines));
    const s = settings_of(new Map([...script.options, ...options]));
    // Virtual time is what judges times exactly; a busy computer is late.
    s.tolerance_us = Math.max(s.tolerance_us, 25_000);
    backend = new KernelBackend(`${ip_text(s.local_ip)}/16`, s.mtu, script.options.get("gateway_ip") ?? "192.168.0.2");
    const runner = new Runner(script, backend, s);
    const steps = runner.run();
    for (let step = steps.next(); !step.done; step = steps.next()) {
      const { until, done } = step.value;
      for (let n = 0; ; n++) {
        backend.drain();
        if (done?.() === true || backend.now() >= until) break;
        // Calls that wait in a thread report through the event loop.
        if (n % 8 === 0) await new Promise<void>((r) => setImmediate(r));
      }
    }
    runner.end();
    for (const line of runner.printed) console.log(line);
    return null;
  } catch (e) {
    if (e instanceof ScriptError || e instanceof RunError || e instanceof CallError) return e.message;
    throw e;
  } finally {
    backend?.close();
  }
}

if (process.argv[1]?.endsWith("packetdrill_kernel.ts")) {
  let bad = 0;
  // --name=value: options as on the command line of skbuff packetdrill.
  const args = process.argv.slice(2);
  const options = new Map(
    args
      .filter((a) => a.startsWith("--"))
      .map((a): [string, string] => [a.slice(2).split("=")[0]!, a.replace(/^[^=]*=?/, "")]),
  );
  for (const file of args.filter((a) => !a.startsWith("--"))) {
    const text = readFileSync(file, "utf8");
    const once = (): Promise<string | null> => run_on_kernel(file, text, new Map(), options);
    let r = await once();
    // Real time on a busy computer: who was late once may see other packets. What Linux does not do, it never does.
    for (let again = 0; again < 5 && r !== null; again++) r = await once();
    if (r !== null) bad++;
    console.log(r === null ? `ok ${file}` : `FAIL ${r}`);
  }
  process.exit(bad > 0 ? 1 : 0);
}
