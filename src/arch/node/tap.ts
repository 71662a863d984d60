// A Linux TAP device as the far end of a cable: frames of the kernel come out of it, ours go in.
// Read first: Linux's Documentation/networking/tuntap.rst. Way in: openTap(platform, { name }). Needs koffi and CAP_NET_ADMIN.

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { FRAME_MAX, type Frame, frame_alloc, frame_put } from "../../hw/frame.ts";
import type { WireEnd, WirePort } from "../../hw/port.ts";
import {
  VIRTIO_BUFFER,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  type VirtioBackend,
  type VirtioNet,
  VNET_CSUM_OFFSET,
  VNET_CSUM_START,
  VNET_HDR_LEN,
} from "../../hw/virtio_net.ts";
import { wire_send } from "../../hw/wire.ts";
import { csum_fold, csum_partial_dv } from "../../lib/checksum.ts";
import { errno_name, strerror } from "../../uapi/errno.ts";
import { type Libc, loadLibc } from "./libc.ts";
import type { NodePlatform } from "./platform.ts";
import { Poller } from "./poller.ts";

const O_RDWR = 2;
const O_NONBLOCK = 0x800;
const O_CLOEXEC = 0x80000;
const IFF_TAP = 0x0002;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const TUNSETIFF = 0x400454ca;
const TUNGETFEATURES = 0x800454cf;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_TSO_ECN = 0x08;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;
const EAGAIN = 11;
const EIO = 5;
/** A batch ended because it was full, or because the card has no buffer. */
const MORE = 0;
const NO_BUFFER = -1;

const VNET_FEATURES =
  VIRTIO_NET_F_CSUM |
  VIRTIO_NET_F_GUEST_CSUM |
  VIRTIO_NET_F_CTRL_GUEST_OFFLOADS |
  VIRTIO_NET_F_GUEST_TSO4 |
  VIRTIO_NET_F_GUEST_TSO6 |
  VIRTIO_NET_F_GUEST_ECN |
  VIRTIO_NET_F_HOST_TSO4 |
  VIRTIO_NET_F_HOST_TSO6 |
  VIRTIO_NET_F_HOST_ECN;
const VNET_USO = VIRTIO_NET_F_GUEST_USO4 | VIRTIO_NET_F_GUEST_USO6 | VIRTIO_NET_F_HOST_USO;

/** Frames taken in one go before the machine gets its turn, as a NAPI poll. */
const BATCH = 64;
/** And bytes: a socket's buffer holds little more, and its reader must have its turn before the next ones come. */
const BATCH_BYTES = 60_000;
/** How long after a frame the next one is looked for at every turn of the event loop, before poll(2) waits for it. */
const BUSY_POLL_MS = 0.06;

export class TapError extends Error {}

/** The frame behind a virtio_net_hdr as it would be on a wire: with the sum that the header leaves to the receiver. */
function with_sum(buf: Uint8Array, len: number): Uint8Array {
  const frame = buf.subarray(VNET_HDR_LEN, len);
  if ((buf[0]! & VIRTIO_NET_HDR_F_NEEDS_CSUM) === 0) return frame;
  const dv = new DataView(buf.buffer, buf.byteOffset, len);
  const start = dv.getUint16(VNET_CSUM_START, true);
  const at = start + dv.getUint16(VNET_CSUM_OFFSET, true);
  if (at + 2 > frame.length) return frame;
  const copy = frame.slice();
  const cv = new DataView(copy.buffer);
  // What is in the field already is the sum of the pseudo header.
  const check = csum_fold(csum_partial_dv(cv, start, copy.length - start, 0));
  cv.setUint16(at, check === 0 ? 0xffff : check);
  return copy;
}

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
  /** False: frames without virtio_net_hdr, so that the device has no offloads. Default: where the kernel can. */
  vnet?: boolean;
}

/**
 * The far end of a cable to an emulated card, or (`vnet`) the other side of a virtio card. In both cases frames carry a
 * virtio_net_hdr where the kernel has them; on a cable it is empty, and the kernel sums and cuts before it sends.
 */
export class TapPort implements WirePort, VirtioBackend {
  readonly name: string;
  private readonly platform: NodePlatform;
  private readonly libc: Libc;
  private readonly fd: number;
  private end: WireEnd | null = null;
  private card: VirtioNet | null = null;
  private closed = false;
  /** Bytes of virtio_net_hdr before each frame; 0 without. */
  private readonly hdr: number;
  /** VIRTIO_NET_F_*; 0: this can only be the end of a cable. */
  readonly vnet_features: number;
  /** Does this kernel cut UDP (Linux 6.2)? */
  private uso = false;
  /** The card has no buffer: reading stopped. */
  private stalled = false;
  /** Why the last batch ended: an errno, MORE or NO_BUFFER. */
  private why = 0;
  private readonly detach: () => void;
  private readonly poller: Poller;
  /** performance.now() until which an empty device is read again at the next turn. */
  private busy_until = 0;
  /** Kept reachable: native code has their addresses. */
  private readonly buf: Uint8Array = new Uint8Array(VIRTIO_BUFFER);
  private readonly out: Uint8Array = new Uint8Array(FRAME_MAX + VNET_HDR_LEN);
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
    const libc = loadLibc();
    if (libc === null)
      throw new TapError(
        "the optional package koffi is not installed: run `npm install koffi`, which TAP devices need",
      );
    this.libc = libc;
    this.fd = this.libc.open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (this.fd < 0) throw explain("cannot open /dev/net/tun", this.libc.errno(), options.name);
    const word = new Uint8Array(4);
    const features =
      this.libc.ioctl(this.fd, TUNGETFEATURES, word) < 0 ? 0 : new DataView(word.buffer).getUint32(0, true);
    const vnet = options.vnet !== false && (features & IFF_VNET_HDR) !== 0;
    const ifr = new Uint8Array(40);
    new TextEncoder().encodeInto(options.name, ifr);
    new DataView(ifr.buffer).setUint16(16, IFF_TAP | IFF_NO_PI | (vnet ? IFF_VNET_HDR : 0), true);
    if (this.libc.ioctl(this.fd, TUNSETIFF, ifr) < 0) {
      const err = this.libc.errno();
      this.libc.close(this.fd);
      throw explain(`cannot attach to ${options.name}`, err, options.name);
    }
    this.hdr = 0;
    this.vnet_features = 0;
    if (vnet) {
      new DataView(word.buffer).setInt32(0, VNET_HDR_LEN, true);
      if (this.libc.ioctl(this.fd, TUNSETVNETHDRSZ, word) < 0)
        throw explain("TUNSETVNETHDRSZ", this.libc.errno(), options.name);
      this.hdr = VNET_HDR_LEN;
      this.uso = this.libc.ioctl_num(this.fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_USO4 | TUN_F_USO6) >= 0;
      // Until a card says otherwise the kernel hands over whole frames only.
      this.libc.ioctl_num(this.fd, TUNSETOFFLOAD, 0);
      this.vnet_features = VNET_FEATURES | (this.uso ? VNET_USO : 0);
    }
    if (options.up !== false) {
      try {
        execFileSync("ip", ["link", "set", options.name, "up"], { stdio: ["ignore", "ignore", "pipe"] });
      } catch {
        // Without iproute2 or the right to use it the administrator brings it up.
      }
    }
    platform.poller ??= new Poller(libc);
    this.poller = platform.poller;
    this.poller.add();
    this.detach = platform.attach(() => this.take(false) > 0);
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
    if (!this.closed) this.poller.wait(this.fd, this.readable);
  }
  private readonly readable = (): void => this.drain();

  /** Takes frames while there are some; between batches the machine and the event loop run. */
  private drain(): void {
    if (this.closed) return;
    const taken = this.take(true);
    const why = this.why;
    this.platform.pump();
    if (this.closed) return;
    if (why === MORE) setImmediate(() => this.drain());
    else if (why === EAGAIN) {
      if (taken > 0) this.busy_until = performance.now() + BUSY_POLL_MS;
      // A thread that sleeps in poll() takes longer to wake up than most peers take to answer.
      if (performance.now() < this.busy_until) setImmediate(() => this.drain());
      else this.wait();
    }
    // The kernel's side is down; look again later.
    else if (why === EIO) setTimeout(() => this.wait(), 50);
  }

  /** Reads a batch and tells the machine. Returns the number of frames; `why` says why not more. */
  private take(drain: boolean): number {
    const card = this.card;
    let bytes = 0;
    let n = 0;
    this.why = MORE;
    for (; n < BATCH && bytes < BATCH_BYTES; n++) {
      const buf = card !== null ? card.rx_buffer() : this.buf;
      if (buf === null) {
        // vnet_wake() goes on; what the kernel sends meanwhile waits in its queue.
        this.why = NO_BUFFER;
        if (drain) this.stalled = true;
        break;
      }
      const len = this.libc.read(this.fd, buf, buf.length);
      if (len <= 0) {
        this.why = len < 0 ? this.libc.errno() : EAGAIN;
        break;
      }
      bytes += len;
      if (card === null) this.input(len - this.hdr);
      else if (len > VNET_HDR_LEN) {
        if (this.capture !== null) this.capture(with_sum(buf, len), "in");
        card.rx_done(len);
        this.stats.rx++;
      }
    }
    card?.rx_notify();
    return n;
  }

  /** A frame in `buf`, behind the header, goes on the cable. */
  private input(len: number): void {
    const end = this.end;
    const at = this.hdr;
    if (this.capture !== null) this.capture(this.buf.subarray(at, at + len), "in");
    const f = end !== null && len <= FRAME_MAX ? frame_alloc(this.platform.frames, Math.max(len, 60)) : null;
    if (f === null || end === null) {
      this.stats.rx_dropped++;
      if (f !== null) frame_put(f);
      return;
    }
    f.u8.set(this.buf.subarray(at, at + len), f.off);
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
    let from = bytes;
    if (this.hdr > 0) {
      // The header stays zero: nothing is left to be done.
      this.out.set(bytes, this.hdr);
      from = this.out;
    }
    const len = this.hdr + f.len;
    if (!this.closed && this.libc.write(this.fd, from, len) === len) this.stats.tx++;
    else this.stats.tx_dropped++;
    frame_put(f);
  }

  // --- as the other side of a virtio card ---------------------------------------------------------------------------

  /** Called with the card whose backend this is. */
  vnet_attach(card: VirtioNet): void {
    this.card = card;
  }
  vnet_detach(): void {
    this.card = null;
  }
  vnet_send(buf: Uint8Array, len: number): boolean {
    if (this.capture !== null) this.capture(with_sum(buf, len), "out");
    if (!this.closed && this.libc.write(this.fd, buf, len) === len) {
      this.stats.tx++;
      return true;
    }
    this.stats.tx_dropped++;
    return false;
  }
  vnet_offloads(features: number): boolean {
    let flags = 0;
    if ((features & VIRTIO_NET_F_GUEST_CSUM) !== 0) {
      flags = TUN_F_CSUM;
      if ((features & VIRTIO_NET_F_GUEST_TSO4) !== 0) flags |= TUN_F_TSO4;
      if ((features & VIRTIO_NET_F_GUEST_TSO6) !== 0) flags |= TUN_F_TSO6;
      if ((features & VIRTIO_NET_F_GUEST_ECN) !== 0) flags |= TUN_F_TSO_ECN;
      if ((features & VIRTIO_NET_F_GUEST_USO4) !== 0 && this.uso) flags |= TUN_F_USO4 | TUN_F_USO6;
    }
    return !this.closed && this.libc.ioctl_num(this.fd, TUNSETOFFLOAD, flags) >= 0;
  }
  vnet_wake(): void {
    if (!this.stalled) return;
    this.stalled = false;
    setImmediate(() => this.drain());
  }
  wire_tx_wake(): void {}
  wire_tx_event(_ev: number): void {}
  wire_abilities(): number {
    return 0;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.detach();
    this.poller.remove(this.fd, () => this.libc.close(this.fd));
  }
}

/** Opens, or makes, a TAP device. Throws TapError with what to do. */
export function openTap(platform: NodePlatform, options: TapOptions): TapPort {
  return new TapPort(platform, options);
}
