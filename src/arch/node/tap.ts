// A Linux TAP device as the far end of a cable: frames of the kernel come out of it, ours go in.
// Read first: Linux's Documentation/networking/tuntap.rst. Way in: openTap(platform, { name }). Needs koffi and CAP_NET_ADMIN.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { FRAME_MAX, type Frame, frame_alloc, frame_put } from "../../hw/frame.ts";
import type { WireEnd, WirePort } from "../../hw/port.ts";
import { wire_send } from "../../hw/wire.ts";
import { errno_name, strerror } from "../../uapi/errno.ts";
import type { NodePlatform } from "./platform.ts";

const O_RDWR = 2;
const O_NONBLOCK = 0x800;
const O_CLOEXEC = 0x80000;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const TUNSETIFF = 0x400454ca;
const EAGAIN = 11;
const EIO = 5;
const POLLIN = 1;

/** Frames taken in one go before the machine gets its turn, as a NAPI poll. */
const BATCH = 64;
/** How long after a frame the next one is looked for at every turn of the event loop, before poll(2) waits for it. */
const BUSY_POLL_MS = 0.06;

interface Libc {
  open(path: string, flags: number): number;
  close(fd: number): number;
  ioctl(fd: number, request: number, arg: Uint8Array): number;
  read(fd: number, buf: Uint8Array, len: number): number;
  write(fd: number, buf: Uint8Array, len: number): number;
  poll: { async(fds: Uint8Array, n: number, timeout: number, cb: (err: Error | null, n: number) => void): void };
  errno(): number;
}

function loadLibc(): Libc {
  const require = createRequire(import.meta.url);
  let koffi: typeof import("koffi");
  try {
    koffi = require("koffi") as typeof import("koffi");
  } catch {
    throw new TapError("the optional package koffi is not installed: run `npm install koffi`, which TAP devices need");
  }
  const lib = koffi.load(null as unknown as string);
  return {
    open: lib.func("int open(const char *path, int flags)") as unknown as Libc["open"],
    close: lib.func("int close(int fd)") as unknown as Libc["close"],
    ioctl: lib.func("int ioctl(int fd, ulong request, void *arg)") as unknown as Libc["ioctl"],
    read: lib.func("long read(int fd, void *buf, size_t len)") as unknown as Libc["read"],
    write: lib.func("long write(int fd, const void *buf, size_t len)") as unknown as Libc["write"],
    poll: lib.func("int poll(void *fds, ulong n, int timeout)") as unknown as Libc["poll"],
    errno: () => koffi.errno(),
  };
}

export class TapError extends Error {}

/** "Operation not permitted" and what to do about it. */
function explain(what: string, errno: number, name: string): TapError {
  const hint =
    errno === 1 || errno === 13
      ? "it needs root or CAP_NET_ADMIN: run it with sudo, or make the device first: ip tuntap add dev NAME mode tap user $USER"
      : errno === 2
        ? "there is no /dev/net/tun: modprobe tun"
        : errno === 16
          ? "another process has this device open"
          : errno === 22
            ? `there is a device ${name} that is not a TAP (ip -d link show ${name}): choose another name; a new one is made`
            : `${errno_name(errno)} (${strerror(errno)})`;
  return new TapError(`${what}: ${hint}`);
}

export interface TapOptions {
  /** Name of the device; it is made when there is none. */
  name: string;
  /** Brings the kernel's side up. Default true. */
  up?: boolean;
}

export class TapPort implements WirePort {
  readonly name: string;
  private readonly platform: NodePlatform;
  private readonly libc: Libc;
  private readonly fd: number;
  private end: WireEnd | null = null;
  private closed = false;
  /** performance.now() until which an empty device is read again at the next turn. */
  private busy_until = 0;
  /** A frame buffer and the pollfd: kept reachable, native code has their addresses. */
  private readonly buf: Uint8Array = new Uint8Array(FRAME_MAX + 64);
  private readonly pollfd: Uint8Array = new Uint8Array(8);
  readonly stats: { rx: number; tx: number; rx_dropped: number; tx_dropped: number } = {
    rx: 0,
    tx: 0,
    rx_dropped: 0,
    tx_dropped: 0,
  };
  /** Sees every frame, with the direction as Linux sees it. */
  capture: ((frame: Uint8Array, direction: "in" | "out") => void) | null = null;

  constructor(platform: NodePlatform, options: TapOptions) {
    if (!/^[^\s/:]{1,15}$/.test(options.name))
      throw new TapError(`"${options.name}" is not a device name (1–15 characters)`);
    this.platform = platform;
    this.name = options.name;
    this.libc = loadLibc();
    this.fd = this.libc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (this.fd < 0) throw explain("cannot open /dev/net/tun", this.libc.errno(), options.name);
    const ifr = new Uint8Array(40);
    new TextEncoder().encodeInto(options.name, ifr);
    new DataView(ifr.buffer).setUint16(16, IFF_TAP | IFF_NO_PI, true);
    if (this.libc.ioctl(this.fd, TUNSETIFF, ifr) < 0) {
      const err = this.libc.errno();
      this.libc.close(this.fd);
      throw explain(`cannot attach to ${options.name}`, err, options.name);
    }
    if (options.up !== false) {
      try {
        execFileSync("ip", ["link", "set", options.name, "up"], { stdio: ["ignore", "ignore", "pipe"] });
      } catch {
        // Without iproute2 or the right to use it the administrator brings it up.
      }
    }
    const dv = new DataView(this.pollfd.buffer);
    dv.setInt32(0, this.fd, true);
    dv.setInt16(4, POLLIN, true);
    this.wait();
  }

  /**
   * Resolves once the kernel's side can send. A device that was up before it was opened gets its queue only when the kernel
   * has noticed the carrier, up to a second later; what it sends until then is lost.
   */
  async ready(limit_ms = 1500): Promise<void> {
    const started = performance.now();
    while (performance.now() - started < limit_ms) {
      try {
        if (readFileSync(`/sys/class/net/${this.name}/operstate`, "utf8") !== "down\n") return;
      } catch {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  private wait(): void {
    if (this.closed) return;
    // A finite timeout, so that close() is noticed.
    this.libc.poll.async(this.pollfd, 1, 500, (_err, n) => {
      if (this.closed) {
        this.libc.close(this.fd);
        return;
      }
      if (n > 0) this.drain();
      else this.wait();
    });
  }

  /** Takes frames while there are some; between batches the machine and the event loop run. */
  private drain(): void {
    if (this.closed) return;
    for (let i = 0; i < BATCH; i++) {
      const n = this.libc.read(this.fd, this.buf, this.buf.length);
      if (n <= 0) {
        const err = n < 0 ? this.libc.errno() : EAGAIN;
        this.platform.pump();
        if (i > 0) this.busy_until = performance.now() + BUSY_POLL_MS;
        if (err === EAGAIN) {
          // A thread that sleeps in poll() takes longer to wake up than most peers take to answer.
          if (performance.now() < this.busy_until) setImmediate(() => this.drain());
          else this.wait();
        }
        // EIO: the kernel's side is down; look again later.
        else if (err === EIO) setTimeout(() => this.wait(), 50);
        return;
      }
      this.input(n);
    }
    this.platform.pump();
    setImmediate(() => this.drain());
  }

  private input(len: number): void {
    const end = this.end;
    if (this.capture !== null) this.capture(this.buf.subarray(0, len), "in");
    const f = end !== null && len <= FRAME_MAX ? frame_alloc(this.platform.frames, Math.max(len, 60)) : null;
    if (f === null || end === null) {
      this.stats.rx_dropped++;
      if (f !== null) frame_put(f);
      return;
    }
    f.u8.set(this.buf.subarray(0, len), f.off);
    if (len < 60) f.u8.fill(0, f.off + len, f.off + 60);
    if (wire_send(end, f)) this.stats.rx++;
    else this.stats.rx_dropped++;
  }

  wire_plug(end: WireEnd | null): void {
    this.end = end;
  }
  wire_link(_end: WireEnd): void {}
  wire_rx(f: Frame, _more: boolean): void {
    const bytes = f.u8.subarray(f.off, f.off + f.len);
    if (this.capture !== null) this.capture(bytes, "out");
    if (!this.closed && this.libc.write(this.fd, bytes, f.len) === f.len) this.stats.tx++;
    else this.stats.tx_dropped++;
    frame_put(f);
  }
  wire_tx_wake(): void {}
  wire_tx_event(_ev: number): void {}
  wire_abilities(): number {
    return 0;
  }

  close(): void {
    this.closed = true;
  }
}

/** Opens, or makes, a TAP device. Throws TapError with what to do. */
export function openTap(platform: NodePlatform, options: TapOptions): TapPort {
  return new TapPort(platform, options);
}
