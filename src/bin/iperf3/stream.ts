// One stream of a test: its socket, its counts, and what one call of it moves. Read first: RFC 1889 section 6.3.1 (jitter), tcp(7).
// Way in: new Stream(); sendOnce(), receiveOnce(); gather() at the end of an interval.

import { EAGAIN, EINTR, ENOBUFS } from "../../uapi/errno.ts";
import { CLOCK_MONOTONIC } from "../../uapi/fcntl.ts";
import * as S from "../../uapi/socket.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { TCP_INFO } from "../../uapi/tcp.ts";
import { view } from "../lib/inet.ts";

/** What happened between two reports. Times in seconds from the start of the test. */
export interface Interval {
  start: number;
  end: number;
  /** As iperf3 keeps it: a float. */
  seconds: number;
  bytes: number;
  omitted: boolean;
  retransmits: number;
  cwnd: number;
  sndWnd: number;
  rtt: number;
  rttvar: number;
  pmtu: number;
  packets: number;
  lost: number;
  outOfOrder: number;
  /** Seconds. */
  jitter: number;
}

/** What the other end counted. */
export interface PeerResult {
  bytes: number;
  retransmits: number;
  jitter: number;
  errors: number;
  packets: number;
  endTime: number;
}

/** Offsets in struct tcp_info. */
const TCPI_SND_MSS = 16;
const TCPI_PMTU = 60;
const TCPI_RTT = 68;
const TCPI_RTTVAR = 72;
const TCPI_SND_CWND = 80;
const TCPI_TOTAL_RETRANS = 100;
const TCPI_SND_WND = 228;
const TCP_INFO_LEN = 248;

export class Stream {
  readonly id: number;
  readonly fd: number;
  readonly udp: boolean;
  readonly sender: boolean;
  readonly counters64: boolean;
  readonly buf: Uint8Array;
  private readonly dv: DataView;
  /** What is left of a block that did not fit at once; the whole of it otherwise. */
  private rest: Uint8Array;
  local = new Uint8Array(0);
  remote = new Uint8Array(0);

  /** Since the start, or the end of -O. */
  bytes = 0;
  blocks = 0;
  private intervalBytes = 0;
  /** UDP: the number of the last datagram sent, or the highest received. */
  packets = 0;
  errors = 0;
  outOfOrder = 0;
  jitter = 0;
  /** Counts at the last report and when -O ended. */
  private last = { packets: 0, errors: 0, outOfOrder: 0, retransmits: 0 };
  private omitted = { packets: 0, errors: 0, outOfOrder: 0, retransmits: 0 };
  private transit = Number.NaN;
  /** TCP: retransmitted since the connection began. */
  private retransmitted = 0;
  maxCwnd = 0;
  maxSndWnd = 0;
  maxRtt = 0;
  minRtt = 0;
  private rttSum = 0;
  private rttCount = 0;
  /** -Z: a file that holds the block, or -1. */
  file = -1;
  private readonly offset = new Uint8Array(8);
  /** A call is worth trying: the last one moved all it could. */
  ready = true;
  /** The other end will send no more. */
  ended = false;
  /** -b: no more before this time. */
  pausedUntil = 0;
  readonly intervals: Interval[] = [];
  peer: PeerResult | undefined;

  constructor(id: number, fd: number, sender: boolean, udp: boolean, counters64: boolean, buf: Uint8Array) {
    this.id = id;
    this.fd = fd;
    this.sender = sender;
    this.udp = udp;
    this.counters64 = counters64;
    this.buf = buf;
    this.dv = view(buf);
    this.rest = buf;
  }

  /** Writes a block, or what its socket takes. What was taken, or -errno; -EAGAIN: nothing. */
  *send(sys: Sys): Blocking<number> {
    if (this.udp) return yield* this.sendDatagram(sys);
    if (this.file >= 0) return yield* this.sendFile(sys);
    const data = this.rest;
    const n = yield* sys.sendto(this.fd, data, S.MSG_DONTWAIT | S.MSG_NOSIGNAL, null);
    this.ready = n === data.length;
    if (n < 0) return n === -EINTR ? -EAGAIN : n;
    this.count(n);
    if (n < data.length) this.rest = data.subarray(n);
    else {
      this.rest = this.buf;
      this.blocks++;
    }
    return n;
  }

  private *sendFile(sys: Sys): Blocking<number> {
    const at = view(this.offset);
    const left = this.buf.length - at.getUint32(0, true);
    const n = yield* sys.sendfile(this.fd, this.file, this.offset, left);
    this.ready = n === left;
    if (n < 0) return n === -EINTR ? -EAGAIN : n;
    this.count(n);
    if (n === left) {
      at.setUint32(0, 0, true);
      this.blocks++;
    }
    return n;
  }

  private *sendDatagram(sys: Sys): Blocking<number> {
    const now = sys.clock_gettime(CLOCK_MONOTONIC);
    const s = Math.floor(now / 1e9);
    const number = this.packets + 1;
    this.dv.setUint32(0, s);
    this.dv.setUint32(4, Math.floor((now - s * 1e9) / 1000));
    if (this.counters64) {
      this.dv.setUint32(8, Math.floor(number / 2 ** 32));
      this.dv.setUint32(12, number >>> 0);
    } else this.dv.setUint32(8, number >>> 0);
    const n = yield* sys.sendto(this.fd, this.buf, S.MSG_DONTWAIT, null);
    this.ready = n >= 0;
    if (n < 0) return n === -EINTR || n === -ENOBUFS ? -EAGAIN : n;
    this.packets = number;
    this.blocks++;
    this.count(n);
    return n;
  }

  /** Reads what is there, at most a block: what came, 0 at the end of a TCP stream, or -errno. */
  *receive(sys: Sys, counting: boolean): Blocking<number> {
    const n = yield* sys.recvfrom(this.fd, this.buf, S.MSG_DONTWAIT, null);
    // A stream that gave less than there was room for has no more.
    this.ready = this.udp ? n >= 0 : n === this.buf.length;
    if (n === -EINTR) return -EAGAIN;
    if (n < 0 || !counting) return n;
    if (this.udp) this.datagram(sys.clock_gettime(CLOCK_MONOTONIC), n);
    if (n === 0 && !this.udp) this.ended = true;
    this.blocks++;
    this.count(n);
    return n;
  }

  private count(n: number): void {
    this.bytes += n;
    this.intervalBytes += n;
  }

  /** The datagram in the buffer: lost ones before it, order, jitter. */
  private datagram(now: number, n: number): void {
    if (n < (this.counters64 ? 16 : 12)) return;
    const dv = this.dv;
    const sent = dv.getUint32(0) * 1e9 + dv.getUint32(4) * 1000;
    const number = this.counters64 ? dv.getUint32(8) * 2 ** 32 + dv.getUint32(12) : dv.getUint32(8);
    if (number > this.packets) {
      this.errors += number - 1 - this.packets;
      this.packets = number;
    } else {
      this.outOfOrder++;
      // It was taken for lost when the later one came.
      if (this.errors > 0) this.errors--;
    }
    // RFC 1889 section 6.3.1: only how the transit time changes counts, so the clocks need not agree.
    const transit = (now - sent) / 1e9;
    if (!Number.isNaN(this.transit)) this.jitter += (Math.abs(transit - this.transit) - this.jitter) / 16;
    this.transit = transit;
  }

  private tcpInfo(sys: Sys): DataView {
    const info = new Uint8Array(TCP_INFO_LEN);
    sys.getsockopt(this.fd, S.IPPROTO_TCP, TCP_INFO, info);
    return view(info);
  }

  /** What happened since the last report; times as of the test. */
  gather(sys: Sys, start: number, end: number, omitted: boolean): void {
    const i: Interval = {
      start,
      end,
      seconds: Math.fround(end - start),
      bytes: this.intervalBytes,
      omitted,
      retransmits: -1,
      cwnd: 0,
      sndWnd: 0,
      rtt: 0,
      rttvar: 0,
      pmtu: 0,
      packets: this.packets - this.last.packets,
      lost: this.errors - this.last.errors,
      outOfOrder: this.outOfOrder - this.last.outOfOrder,
      jitter: this.jitter,
    };
    if (!this.udp) {
      const info = this.tcpInfo(sys);
      const u32 = (at: number): number => info.getUint32(at, true);
      if (this.sender) {
        this.retransmitted = u32(TCPI_TOTAL_RETRANS);
        i.retransmits = this.retransmitted - this.last.retransmits;
        this.last.retransmits = this.retransmitted;
      }
      i.cwnd = u32(TCPI_SND_CWND) * u32(TCPI_SND_MSS);
      i.sndWnd = u32(TCPI_SND_WND);
      i.rtt = u32(TCPI_RTT);
      i.rttvar = u32(TCPI_RTTVAR);
      i.pmtu = u32(TCPI_PMTU);
      this.maxCwnd = Math.max(this.maxCwnd, i.cwnd);
      this.maxSndWnd = Math.max(this.maxSndWnd, i.sndWnd);
      this.maxRtt = Math.max(this.maxRtt, i.rtt);
      this.minRtt = this.rttCount === 0 ? i.rtt : Math.min(this.minRtt, i.rtt);
      this.rttSum += i.rtt;
      this.rttCount++;
    }
    this.last.packets = this.packets;
    this.last.errors = this.errors;
    this.last.outOfOrder = this.outOfOrder;
    this.intervalBytes = 0;
    this.intervals.push(i);
  }

  get meanRtt(): number {
    return this.rttCount === 0 ? 0 : Math.trunc(this.rttSum / this.rttCount);
  }

  /** -1 where nobody counts them. */
  get retransmits(): number {
    return this.udp || !this.sender ? -1 : this.retransmitted - this.omitted.retransmits;
  }
  get testPackets(): number {
    return this.packets - this.omitted.packets;
  }
  get testErrors(): number {
    return this.errors - this.omitted.errors;
  }
  get testOutOfOrder(): number {
    return this.outOfOrder - this.omitted.outOfOrder;
  }

  /** What the other end counted, less what came before -O ended: it sends its counts of the whole time. */
  takePeer(p: PeerResult): void {
    this.peer = { ...p, packets: p.packets - this.omitted.packets, errors: p.errors - this.omitted.errors };
  }

  /** -O is over: the test begins. */
  reset(sys: Sys): void {
    if (!this.udp && this.sender) this.retransmitted = this.tcpInfo(sys).getUint32(TCPI_TOTAL_RETRANS, true);
    this.bytes = 0;
    this.blocks = 0;
    this.intervalBytes = 0;
    this.jitter = 0;
    this.omitted = {
      packets: this.packets,
      errors: this.errors,
      outOfOrder: this.outOfOrder,
      retransmits: this.retransmitted,
    };
    this.last = { ...this.omitted };
  }
}

/** What is sent: random bytes, or digits where they shall repeat. */
export function fillPayload(sys: Sys, buf: Uint8Array, repeating: boolean): void {
  if (repeating) for (let i = 0; i < buf.length; i++) buf[i] = 0x30 + (i % 10);
  else sys.getrandom(buf);
}

/** Soft: the call is made again later. */
export function isSoft(n: number): boolean {
  return n === -EAGAIN || n === -EINTR || n === -ENOBUFS;
}
