// How traceroute sends a probe and hears of it: UDP with a socket for each probe, or ICMP echo over one socket.
// Read first: ip(7) on IP_RECVERR, RFC 792. Way in: makeMethod().

import { EAGAIN, EINTR, EMSGSIZE, ENOBUFS, strerror } from "../../uapi/errno.ts";
import { CLOCK_REALTIME } from "../../uapi/fcntl.ts";
import { ICMP_ECHO } from "../../uapi/ip.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import {
  cmsgs,
  getUint64,
  inetChecksum,
  msghdr,
  resetMsghdr,
  type SockExtendedErr,
  sockaddrAddr,
  sockaddrIn,
  sockExtendedErr,
  view,
} from "../lib/inet.ts";
import type { TracerouteOptions } from "./options.ts";

export interface Probe {
  index: number;
  ttl: number;
  /** -1: no socket (any more). */
  fd: number;
  seq: number;
  /** µs of CLOCK_REALTIME; 0: not yet. */
  sent: number;
  received: number;
  done: boolean;
  /** The destination answered, or nothing beyond it can. */
  final: boolean;
  from: number | undefined;
  note: string;
  /** --mtu: what was learned at this probe. */
  mtu: number;
  replyTtl: number;
}

/** A mistake that ends the program: what failed, and -errno. */
export class Fatal {
  readonly what: string;
  readonly err: number;

  constructor(what: string, err: number) {
    this.what = what;
    this.err = err;
  }

  get text(): string {
    return `${this.what}: ${strerror(this.err)}`;
  }
}

const IP_HLEN = 20;
const DATA_DEFAULT = 40;
const FIRST_PORT = 33434;
const UDP_PORT = 53;

export class Method {
  /** Bytes of a probe behind the IP header. */
  length: number;
  private readonly sys: Sys;
  private readonly o: TracerouteOptions;
  private readonly dest: number;
  private readonly source: number;
  /** The one socket of the ICMP method. */
  private icmpFd = -1;
  private raw = false;
  private ident = 0;
  private data = new Uint8Array(0);
  private readonly buf = msghdr(new Uint8Array(1280), new Uint8Array(S.SOCKADDR_IN_LEN), 512);

  constructor(sys: Sys, o: TracerouteOptions, dest: number, source: number) {
    this.sys = sys;
    this.o = o;
    this.dest = dest;
    this.source = source;
    this.length = Math.max(8, (o.packetLen ?? IP_HLEN + DATA_DEFAULT) - IP_HLEN);
  }

  get packetLen(): number {
    return this.length + IP_HLEN;
  }

  /** Opens what all probes share. */
  *open(): Blocking<Fatal | undefined> {
    if (!this.o.icmp) return undefined;
    let fd = this.sys.socket(S.AF_INET, S.SOCK_DGRAM, S.IPPROTO_ICMP);
    if (fd < 0) {
      this.raw = true;
      fd = this.sys.socket(S.AF_INET, S.SOCK_RAW, S.IPPROTO_ICMP);
    }
    if (fd < 0) return new Fatal("socket", fd);
    this.icmpFd = fd;
    this.ident = this.sys.getpid() & 0xffff;
    const err = this.bindAndTune(fd) ?? (yield* this.connect(fd, 0));
    if (err === undefined && !this.raw) {
      const name = new Uint8Array(S.SOCKADDR_IN_LEN);
      this.sys.getsockname(fd, name);
      this.ident = view(name).getUint16(2);
    }
    return err;
  }

  private bindAndTune(fd: number): Fatal | undefined {
    const { sys, o } = this;
    if (o.device !== undefined) {
      const name = Uint8Array.from([...`${o.device}\0`], (c) => c.charCodeAt(0));
      const err = sys.setsockopt(fd, S.SOL_SOCKET, S.SO_BINDTODEVICE, name);
      if (err < 0) return new Fatal("setsockopt SO_BINDTODEVICE", err);
    }
    const err = sys.bind(fd, sockaddrIn(this.source, o.icmp ? 0 : o.sourcePort));
    if (err < 0) return new Fatal("bind", err);
    const probe = o.dontFragment ? S.IP_PMTUDISC_PROBE : S.IP_PMTUDISC_DONT;
    sys.setsockopt(fd, S.SOL_IP, S.IP_MTU_DISCOVER, probe);
    if (o.tos !== undefined) sys.setsockopt(fd, S.SOL_IP, S.IP_TOS, o.tos);
    if (o.mark !== undefined) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_MARK, o.mark);
    if (o.dontroute) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_DONTROUTE, 1);
    sys.setsockopt(fd, S.SOL_SOCKET, S.SO_TIMESTAMP, 1);
    sys.setsockopt(fd, S.SOL_IP, S.IP_RECVTTL, 1);
    return undefined;
  }

  private *connect(fd: number, port: number): Blocking<Fatal | undefined> {
    const err = yield* this.sys.connect(fd, sockaddrIn(this.dest, port));
    if (err < 0) return new Fatal("connect", err);
    this.sys.setsockopt(fd, S.SOL_IP, S.IP_RECVERR, 1);
    return undefined;
  }

  /** Sends the probe. False: not now, try again. */
  *send(p: Probe): Blocking<boolean | Fatal> {
    const { sys, o } = this;
    if (this.data.length !== this.length) {
      this.data = Uint8Array.from({ length: this.length }, (_, i) => 0x40 + (i & 0x3f));
    }
    let packet: Uint8Array;
    if (o.icmp) {
      p.fd = this.icmpFd;
      p.seq = ((o.port ?? 1) + p.index) & 0xffff;
      sys.setsockopt(p.fd, S.SOL_IP, S.IP_TTL, p.ttl);
      packet = this.data.slice();
      packet.fill(0, 0, 8);
      packet[0] = ICMP_ECHO;
      view(packet).setUint16(4, this.ident);
      view(packet).setUint16(6, p.seq);
      view(packet).setUint16(2, inetChecksum(packet));
    } else {
      const err = yield* this.openUdp(p);
      if (err !== undefined) return err;
      packet = this.data.subarray(8);
    }
    p.sent = Math.floor(sys.clock_gettime(CLOCK_REALTIME) / 1000);
    const n = yield* sys.sendto(p.fd, packet, 0, null);
    if (n >= 0) return true;
    if (n === -EMSGSIZE) {
      // Too big for the first link: the error queue has its MTU.
      yield* this.receive(p.fd, [p]);
      if (!p.done) p.done = p.final = true;
      return true;
    }
    this.close(p);
    p.sent = 0;
    if (n === -EAGAIN || n === -ENOBUFS || n === -EINTR) return false;
    // What an earlier probe brought about: this one goes again.
    return n === -113 || n === -111 ? false : new Fatal("send", n);
  }

  private *openUdp(p: Probe): Blocking<Fatal | undefined> {
    const fd = this.sys.socket(S.AF_INET, S.SOCK_DGRAM, S.IPPROTO_UDP);
    if (fd < 0) return new Fatal("socket", fd);
    p.fd = fd;
    const failed = this.bindAndTune(fd);
    if (failed !== undefined) return failed;
    this.sys.setsockopt(fd, S.SOL_IP, S.IP_TTL, p.ttl);
    const port = this.o.constantPort ? (this.o.port ?? UDP_PORT) : ((this.o.port ?? FIRST_PORT) + p.index) & 0xffff;
    return yield* this.connect(fd, port);
  }

  close(p: Probe): void {
    if (!this.o.icmp && p.fd >= 0) this.sys.close(p.fd);
    p.fd = -1;
  }

  end(): void {
    if (this.icmpFd >= 0) this.sys.close(this.icmpFd);
  }

  /** Takes one error and one packet from a socket; marks the probe they belong to. */
  *receive(fd: number, probes: readonly Probe[]): Blocking<void> {
    const { sys, buf } = this;
    for (const flags of [S.MSG_ERRQUEUE | S.MSG_DONTWAIT, S.MSG_DONTWAIT]) {
      for (;;) {
        resetMsghdr(buf);
        const n = yield* sys.recvmsg(fd, buf, flags);
        if (n < 0) break;
        this.match(fd, n, (flags & S.MSG_ERRQUEUE) !== 0, probes);
        if (!this.o.icmp) break;
      }
    }
  }

  private match(fd: number, n: number, isError: boolean, probes: readonly Probe[]): void {
    const { buf, o } = this;
    const bytes = buf.msg_iov[0];
    let at = 0;
    let ee: SockExtendedErr | undefined;
    let stamp = Math.floor(this.sys.clock_gettime(CLOCK_REALTIME) / 1000);
    let ttl = 0;
    for (const c of cmsgs(buf)) {
      if (c.level === S.SOL_SOCKET && c.type === S.SO_TIMESTAMP) {
        stamp = getUint64(view(c.data), 0) * 1e6 + getUint64(view(c.data), 8);
      } else if (c.level === S.SOL_IP && c.type === S.IP_TTL) ttl = view(c.data).getInt32(0, true);
      else if (c.level === S.SOL_IP && c.type === S.IP_RECVERR) ee = sockExtendedErr(c.data);
    }
    if (isError && ee === undefined) return;
    let probe: Probe | undefined;
    if (o.icmp) {
      if (!isError && this.raw) at = (bytes[0] & 15) * 4;
      if (n < at + 8) return;
      const dv = view(bytes);
      if (bytes[at] !== (isError ? ICMP_ECHO : 0)) return;
      if (this.raw && dv.getUint16(at + 4) !== this.ident) return;
      const seq = dv.getUint16(at + 6);
      probe = probes.find((p) => p.seq === seq && p.sent !== 0 && !p.done);
    } else probe = probes.find((p) => p.fd === fd && !p.done);
    if (probe === undefined) return;
    probe.done = true;
    probe.received = stamp;
    probe.replyTtl = ttl;
    if (ee === undefined) {
      probe.from = sockaddrAddr(buf.msg_name!);
      probe.final = true;
    } else this.explain(probe, ee);
  }

  private explain(p: Probe, ee: SockExtendedErr): void {
    if (ee.ee_origin === S.SO_EE_ORIGIN_LOCAL) {
      p.final = true;
      if (ee.ee_errno === EMSGSIZE) {
        p.note = `!F-${ee.ee_info}`;
        p.mtu = ee.ee_info;
      }
      return;
    }
    p.from = ee.offender;
    if (ee.ee_type === 11) return;
    p.final = true;
    if (ee.ee_type !== 3) {
      p.note = `!<${ee.ee_type}-${ee.ee_code}>`;
      return;
    }
    if (ee.ee_code === 3 && !this.o.icmp) return;
    if (ee.ee_code === 4) p.mtu = ee.ee_info;
    p.note = ee.ee_code === 4 ? `!F-${ee.ee_info}` : (UNREACHABLE[ee.ee_code] ?? `!<${ee.ee_code}>`);
  }
}

const UNREACHABLE: Readonly<Record<number, string>> = {
  0: "!N",
  1: "!H",
  2: "!P",
  5: "!S",
  6: "!U",
  8: "!I",
  9: "!X",
  10: "!X",
  13: "!X",
  14: "!V",
  15: "!C",
};
