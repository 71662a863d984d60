// The other end of a TUN device as bytes: segments of any kind by hand, and what the machine answers. For hostile peers.
// Way in: new RawPeer(); listen(), open(), seg(), take(); end() checks that nothing is left.

import assert from "node:assert/strict";
import { TestStack, type TestStackOptions } from "../../src/testing/stack.ts";
import * as S from "../../src/uapi/socket.ts";
import { parse_snmp } from "../lib/kernel.ts";
import { sockaddr } from "./socket.ts";

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;
export const MS = 1e6;
export const SEC = 1e9;

/** The machine, and who attacks it. */
export const US = 0xc0a80001;
export const PEER = 0xc0000201;

export interface Segment {
  src?: number;
  dst?: number;
  sport: number;
  dport: number;
  seq?: number;
  ack?: number;
  flags: number;
  window?: number;
  urg?: number;
  options?: readonly number[];
  data?: Uint8Array | number;
}

/** What came out, decoded. */
export interface Answer {
  time: number;
  src: number;
  dst: number;
  /** 6: TCP; 1: ICMP. */
  protocol: number;
  sport: number;
  dport: number;
  seq: number;
  ack: number;
  flags: number;
  window: number;
  options: Uint8Array;
  data: Uint8Array;
}

const sum = (b: Uint8Array, from: number, to: number, start: number): number => {
  let s = start;
  for (let i = from; i < to; i += 2) s += (b[i]! << 8) | (i + 1 < to ? b[i + 1]! : 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return s;
};

/** An IPv4 packet of these bytes. */
export function ip_packet(src: number, dst: number, protocol: number, payload: Uint8Array): Uint8Array {
  const b = new Uint8Array(20 + payload.length);
  const dv = new DataView(b.buffer);
  b[0] = 0x45;
  dv.setUint16(2, b.length);
  dv.setUint16(6, 0x4000);
  b[8] = 64;
  b[9] = protocol;
  dv.setUint32(12, src);
  dv.setUint32(16, dst);
  dv.setUint16(10, ~sum(b, 0, 20, 0) & 0xffff);
  b.set(payload, 20);
  return b;
}

export function tcp_packet(s: Segment): Uint8Array {
  const opts = [...(s.options ?? [])];
  while (opts.length % 4 !== 0) opts.push(1);
  const data = typeof s.data === "number" ? new Uint8Array(s.data) : (s.data ?? new Uint8Array(0));
  const b = new Uint8Array(20 + opts.length + data.length);
  const dv = new DataView(b.buffer);
  dv.setUint16(0, s.sport);
  dv.setUint16(2, s.dport);
  dv.setInt32(4, s.seq ?? 0);
  dv.setInt32(8, s.ack ?? 0);
  b[12] = ((20 + opts.length) >> 2) << 4;
  b[13] = s.flags;
  dv.setUint16(14, s.window ?? 65535);
  dv.setUint16(18, s.urg ?? 0);
  b.set(opts, 20);
  b.set(data, 20 + opts.length);
  const src = s.src ?? PEER;
  const dst = s.dst ?? US;
  const pseudo = (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + 6 + b.length;
  dv.setUint16(16, ~sum(b, 0, b.length, pseudo) & 0xffff);
  return ip_packet(src, dst, 6, b);
}

/** An ICMP error about a segment that the machine sent: its IP header and 8 bytes. */
export function icmp_error(type: number, code: number, rest: number, about: Segment, from: number = PEER): Uint8Array {
  const inner = tcp_packet({ ...about, src: US, dst: about.dst ?? PEER }).subarray(0, 28);
  const b = new Uint8Array(8 + inner.length);
  b[0] = type;
  b[1] = code;
  new DataView(b.buffer).setUint32(4, rest);
  b.set(inner, 8);
  new DataView(b.buffer).setUint16(2, ~sum(b, 0, b.length, 0) & 0xffff);
  return ip_packet(from, US, 1, b);
}

export function decode(time: number, b: Uint8Array): Answer {
  const dv = new DataView(b.buffer, b.byteOffset, b.length);
  const th = (b[0]! & 15) * 4;
  const a: Answer = {
    time,
    src: dv.getUint32(12),
    dst: dv.getUint32(16),
    protocol: b[9]!,
    sport: 0,
    dport: 0,
    seq: 0,
    ack: 0,
    flags: 0,
    window: 0,
    options: b.subarray(0, 0),
    data: b.subarray(th),
  };
  if (a.protocol !== 6) return a;
  const hlen = (b[th + 12]! >> 4) * 4;
  a.sport = dv.getUint16(th);
  a.dport = dv.getUint16(th + 2);
  a.seq = dv.getInt32(th + 4);
  a.ack = dv.getInt32(th + 8);
  a.flags = b[th + 13]!;
  a.window = dv.getUint16(th + 14);
  a.options = b.subarray(th + 20, th + hlen);
  a.data = b.subarray(th + hlen);
  return a;
}

/** SACK blocks of an answer, as start and end. */
export function sack_blocks(a: Answer): [number, number][] {
  const out: [number, number][] = [];
  const o = a.options;
  const dv = new DataView(o.buffer, o.byteOffset, o.length);
  for (let i = 0; i < o.length; ) {
    if (o[i] === 0) break;
    if (o[i] === 1) {
      i++;
      continue;
    }
    if (o[i] === 5) for (let j = i + 2; j + 8 <= i + o[i + 1]!; j += 8) out.push([dv.getInt32(j), dv.getInt32(j + 4)]);
    i += Math.max(2, o[i + 1]!);
  }
  return out;
}

/** What `ss -tm` says of a socket's memory. */
export interface SkMem {
  rmem: number;
  rcvbuf: number;
  forward: number;
  wmem: number;
  backlog: number;
  drops: number;
}

/** A connection of the peer with the machine. Numbers are absolute. */
export class RawConn {
  readonly peer: RawPeer;
  readonly sport: number;
  readonly dport: number;
  readonly src: number;
  /** What the peer sends next, what it expects next. */
  seq = 0;
  ack = 0;
  /** The machine's descriptor. */
  fd = -1;
  synack!: Answer;

  constructor(peer: RawPeer, sport: number, dport: number, src: number) {
    this.peer = peer;
    this.sport = sport;
    this.dport = dport;
    this.src = src;
  }
  /** A segment in the connection: seq and ack are what both sides expect, moved by `at` and `acked`. */
  seg(s: Partial<Segment> & { at?: number; acked?: number } = {}): void {
    const { at = 0, acked = 0, ...rest } = s;
    this.peer.send({
      src: this.src,
      sport: this.sport,
      dport: this.dport,
      seq: (this.seq + at) | 0,
      ack: (this.ack + acked) | 0,
      flags: ACK,
      ...rest,
    });
  }
  /** Data in order. */
  data(data: Uint8Array | number, s: Partial<Segment> = {}): void {
    this.seg({ flags: ACK | PSH, ...s, data });
    this.seq = (this.seq + (typeof data === "number" ? data : data.length)) | 0;
  }
  /** Everything that the machine said in this connection; what is new counts as received. */
  take(): Answer[] {
    return this.peer.take((a) => a.dport === this.sport && a.dst === this.src && a.sport === this.dport);
  }
  /** Acknowledges all that came. */
  follow(answers: Answer[] = this.take()): Answer[] {
    for (const a of answers) {
      const end = (a.seq + a.data.length + (a.flags & FIN) + ((a.flags >> 1) & 1)) | 0;
      if (((end - this.ack) | 0) > 0) this.ack = end;
    }
    return answers;
  }
}

export class RawPeer {
  readonly stack: TestStack;
  private readonly waiting: Answer[] = [];
  private next_port = 40_000;

  constructor(sysctls: Record<string, string | number> = {}, options: TestStackOptions = {}) {
    this.stack = new TestStack(options);
    this.sysctl({ tcp_timestamps: 0, tcp_congestion_control: "reno", tcp_ecn: 0, ...sysctls });
    // Rate limits compare with the moment of boot otherwise.
    this.run(SEC);
  }

  sysctl(list: Record<string, string | number>): void {
    for (const [name, value] of Object.entries(list)) {
      const path = name.includes("/") ? name : `net/ipv4/${name}`;
      const r = this.stack.shell(`echo '${value}' > /proc/sys/${path}`);
      assert.equal(r.code, 0, `${name} ${r.out}`);
    }
  }
  ok(command: string): string {
    const r = this.stack.shell(command);
    assert.equal(r.code, 0, `${command}: ${r.out}`);
    return r.out;
  }

  /** A listener of the machine. */
  listen(port: number, backlog = 128, before?: (fd: number) => void): number {
    const fd = this.stack.socket(S.AF_INET, S.SOCK_STREAM | S.SOCK_NONBLOCK, 0);
    assert.equal(this.stack.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, 1), 0);
    before?.(fd);
    assert.equal(this.stack.bind(fd, sockaddr("0.0.0.0", port)), 0);
    assert.equal(this.stack.listen(fd, backlog), 0);
    return fd;
  }
  accept(listener: number): number {
    return this.stack.accept4(listener, null, S.SOCK_NONBLOCK);
  }

  send(s: Segment): void {
    this.stack.inject(tcp_packet(s));
  }
  /** What came out since, or what of it `which` says; the rest stays. */
  take(which: (a: Answer) => boolean = () => true): Answer[] {
    for (let p = this.stack.take(); p !== null; p = this.stack.take())
      if (p.bytes[0]! >> 4 === 4) this.waiting.push(decode(p.time, p.bytes));
    const out = this.waiting.filter(which);
    const rest = this.waiting.filter((a) => !which(a));
    this.waiting.length = 0;
    this.waiting.push(...rest);
    return out;
  }

  /** The handshake from outside; the connection waits in the accept queue of `listener`, or is accepted. */
  open(
    listener: number,
    port: number,
    options: { opts?: readonly number[]; window?: number; sport?: number; src?: number; isn?: number } = {},
  ): RawConn {
    const c = new RawConn(this, options.sport ?? this.next_port++, port, options.src ?? PEER);
    c.seq = options.isn ?? 0;
    c.seg({ flags: SYN, options: options.opts ?? [2, 4, 5, 180], window: options.window ?? 65535 });
    c.seq = (c.seq + 1) | 0;
    const r = c.take().filter((a) => (a.flags & SYN) !== 0);
    assert.equal(r.length, 1, "a SYN-ACK");
    c.synack = r[0]!;
    c.ack = (r[0]!.seq + 1) | 0;
    c.seg({ window: options.window ?? 65535 });
    c.fd = this.accept(listener);
    return c;
  }

  /** `ss -tm` of the connection with that port of the peer. */
  mem(c: RawConn): SkMem {
    const out = this.ok(`ss -tmnaH dport = :${c.sport}`);
    const m = /skmem:\(r(\d+),rb(\d+),t\d+,tb\d+,f(-?\d+),w(\d+),o\d+,bl(\d+),d(\d+)\)/.exec(out);
    assert.ok(m !== null, out);
    const [rmem, rcvbuf, forward, wmem, backlog, drops] = m.slice(1).map(Number) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    return { rmem, rcvbuf, forward, wmem, backlog, drops };
  }
  /** Counters of /proc/net/snmp and netstat. */
  mib(): Record<string, number> {
    return parse_snmp(this.ok("cat /proc/net/snmp /proc/net/netstat"));
  }
  /** The line "TCP:" of /proc/net/sockstat. */
  sockstat(): Record<string, number> {
    const words = /^TCP: (.*)$/m.exec(this.ok("cat /proc/net/sockstat"))![1]!.split(" ");
    const out: Record<string, number> = {};
    for (let i = 0; i < words.length; i += 2) out[words[i]!] = Number(words[i + 1]);
    return out;
  }
  live(): Record<string, number> {
    return this.stack.live();
  }
  run(ns: number): void {
    this.stack.advance(ns);
  }
  read(fd: number, n: number): number {
    return this.stack.recvfrom(fd, new Uint8Array(n), S.MSG_DONTWAIT, null);
  }
  write(fd: number, n: number): number {
    return this.stack.sendto(fd, new Uint8Array(n), S.MSG_DONTWAIT | S.MSG_NOSIGNAL, null);
  }

  /** Power off: no exception was caught, and nothing is left. */
  end(): void {
    assert.deepEqual(this.stack.bugs, []);
    this.stack.close_all();
    this.stack.advance(2 * SEC);
    assert.deepEqual(this.stack.bugs, []);
    const live = this.stack.live();
    assert.deepEqual(live, Object.fromEntries(Object.keys(live).map((k) => [k, 0])), "leaks");
  }
}
