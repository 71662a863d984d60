// Hostile frames that know what a frame looks like: valid flows first, then damage where parsers look. Repeats by (seed, index).
// Way in: frames_of_case(seed, index): one or several frames (fragments of a datagram) that belong together.

import { Prng, prng_below, prng_u32 } from "../../src/lib/prng.ts";
import { TCP_PEER, tcp_error, tcp_flow } from "./tcp_gen.ts";

/** The machine under test, as frame_rig.ts sets it up. */
export const OUR_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
export const OUR_IP = 0x0a000001;
export const NET = 0x0a000000;
export const FAR_NET = 0x0a010000;
export const OPEN_PORTS: readonly number[] = [7, 53, 4789, 6000, 6001];
/** Open on the host behind the machine only: what comes for it may be merged on the way (rx-udp-gro-forwarding). */
export const FAR_PORT = 9;
export const GROUP = 0xe0010101;

export class Source {
  readonly p: Prng;
  constructor(seed: number, stream: number) {
    this.p = new Prng(seed, stream);
  }
  below(n: number): number {
    return prng_below(this.p, n);
  }
  u32(): number {
    return prng_u32(this.p);
  }
  /** True once in `n`. */
  one_in(n: number): boolean {
    return this.below(n) === 0;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
  bytes(n: number): Uint8Array {
    const b = new Uint8Array(n);
    for (let i = 0; i < n; i++) b[i] = this.u32();
    return b;
  }
  /** Sizes that sit where bounds are. */
  size(max: number): number {
    switch (this.below(6)) {
      case 0:
        return 0;
      case 1:
        return this.below(9);
      case 2:
        return Math.min(max, this.pick([8, 16, 20, 28, 40, 46, 60, 64, 68, 576, 1472, 1480]));
      case 3:
        return max;
      default:
        return this.below(Math.min(max, 200) + 1);
    }
  }
}

const put16 = (b: Uint8Array, at: number, v: number): void => {
  b[at] = v >> 8;
  b[at + 1] = v;
};
const put32 = (b: Uint8Array, at: number, v: number): void => {
  put16(b, at, v >>> 16);
  put16(b, at + 2, v & 0xffff);
};

export function sum16(b: Uint8Array, from: number, to: number, start = 0): number {
  let s = start;
  for (let i = from; i < to; i += 2) s += (b[i]! << 8) | (i + 1 < to ? b[i + 1]! : 0);
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return ~s & 0xffff;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

const SPECIAL: readonly number[] = [
  0,
  0xffffffff,
  0x7f000001,
  0x7fffffff,
  OUR_IP,
  NET,
  NET | 0xff,
  NET | 0xfe,
  FAR_NET | 5,
  0xe0000001,
  0xe0000002,
  GROUP,
  0xefffffff,
  0xf0000001,
  0xa9fe0001,
  0x00000001,
  0x0a020001,
  0x08080808,
  0x80000000,
  0x0a01ffff,
];

function ip_address(s: Source, usual: number): number {
  if (!s.one_in(5)) return usual;
  return s.one_in(3) ? s.u32() : s.pick(SPECIAL);
}

// --- IPv4 ---------------------------------------------------------------------------------------------------------

/** Options as hosts, attackers and fools write them; padded to a multiple of four unless that is what is wrong. */
function ip_options(s: Source): Uint8Array {
  const out: number[] = [];
  while (out.length < 36 && !s.one_in(4)) {
    switch (s.below(10)) {
      case 0:
        out.push(1);
        break;
      case 1:
        out.push(0);
        break;
      case 2: {
        // Record route, timestamps with all flags, source routes; pointer and length right or wrong.
        const type = s.pick([7, 68, 131, 137]);
        const slots = s.below(5);
        const len = s.one_in(4) ? s.below(44) : 3 + 4 * slots + (type === 68 ? 1 : 0);
        const ptr = s.one_in(4) ? s.below(256) : (type === 68 ? 5 : 4) + 4 * s.below(slots + 1);
        out.push(type, len, ptr);
        if (type === 68) out.push(s.one_in(2) ? s.pick([0, 1, 3, 0xf0, 0xf1, 0xf3]) : s.below(256));
        for (let i = 0; i < slots; i++) {
          const a = s.one_in(2) ? s.pick(SPECIAL) : s.u32();
          out.push(a >>> 24, (a >>> 16) & 255, (a >>> 8) & 255, a & 255);
        }
        break;
      }
      case 3:
        out.push(148, 4, 0, s.one_in(3) ? s.below(256) : 0);
        break;
      case 4:
        out.push(134, s.pick([6, 10, 40, 2, 0]), 0, 0, 0, s.below(256));
        break;
      case 5:
        out.push(s.below(256), s.below(256));
        break;
      case 6:
        out.push(s.pick([7, 68, 131, 137, 130, 136, 148]));
        break;
      default:
        out.push(s.below(256), s.pick([0, 1, 2, 3, 4, 8, 40]), s.below(256), s.below(256));
    }
  }
  const b = Uint8Array.from(out.slice(0, 40));
  const padded = new Uint8Array((b.length + 3) & ~3);
  padded.set(b);
  return padded;
}

interface Ip {
  src: number;
  dst: number;
  proto: number;
  payload: Uint8Array;
  id?: number;
  frag?: number;
  options?: Uint8Array;
  ttl?: number;
}

function ipv4(s: Source, o: Ip): Uint8Array {
  const options = o.options ?? (s.one_in(8) ? ip_options(s) : new Uint8Array(0));
  const hlen = 20 + options.length;
  const b = new Uint8Array(hlen + o.payload.length);
  b[0] = 0x40 | (hlen >> 2);
  b[1] = s.one_in(4) ? s.below(256) : 0;
  put16(b, 2, b.length);
  put16(b, 4, o.id ?? s.below(65536));
  put16(b, 6, o.frag ?? (s.one_in(3) ? 0x4000 : 0));
  b[8] = o.ttl ?? (s.one_in(8) ? s.below(3) : 64);
  b[9] = o.proto;
  put32(b, 12, o.src);
  put32(b, 16, o.dst);
  b.set(options, 20);
  b.set(o.payload, hlen);
  // What a parser must not believe.
  if (s.one_in(12)) {
    switch (s.below(7)) {
      case 0:
        b[0] = (s.below(16) << 4) | (b[0]! & 15);
        break;
      case 1:
        b[0] = (b[0]! & 0xf0) | s.below(16);
        break;
      case 2:
        put16(b, 2, s.one_in(2) ? s.below(65536) : s.size(b.length));
        break;
      case 3:
        put16(b, 6, s.below(65536));
        break;
      case 4:
        b[9] = s.below(256);
        break;
      case 5:
        put16(b, 2, b.length - s.below(Math.min(b.length, 32)));
        break;
      default:
        put16(b, 2, b.length + s.below(64));
    }
  }
  put16(b, 10, s.one_in(40) ? s.below(65536) : sum16(b, 0, Math.min(b.length, (b[0]! & 15) << 2)));
  return b;
}

// --- what IPv4 carries --------------------------------------------------------------------------------------------

function pseudo(src: number, dst: number, proto: number, len: number): number {
  return (src >>> 16) + (src & 0xffff) + (dst >>> 16) + (dst & 0xffff) + proto + len;
}

function udp(s: Source, src: number, dst: number, proto = 17): Uint8Array {
  const b = concat([new Uint8Array(8), s.bytes(s.size(s.one_in(30) ? 8000 : 1472))]);
  put16(b, 0, s.one_in(3) ? s.pick(OPEN_PORTS) : s.below(65536));
  put16(b, 2, s.one_in(4) ? s.below(65536) : s.pick(OPEN_PORTS));
  put16(b, 4, s.one_in(10) ? s.pick([0, 7, 8, 9, b.length - 1, b.length + 1, 65535]) : proto === 136 ? 0 : b.length);
  switch (s.below(10)) {
    case 0:
      break;
    case 1:
      put16(b, 6, s.below(65536));
      break;
    default:
      put16(b, 6, sum16(b, 0, b.length, pseudo(src, dst, proto, b.length)) || 0xffff);
  }
  return b;
}

/** A packet that we could have sent: what an error message quotes. */
function quoted(s: Source): Uint8Array {
  if (s.one_in(4)) {
    // The flow of the socket that is connected, or one of another that wants to hear of errors (frame_rig.ts).
    const own = s.one_in(2);
    const b = concat([new Uint8Array(8), s.bytes(s.size(64))]);
    put16(b, 0, own ? 6001 : 53);
    put16(b, 2, own ? 7 : s.below(65536));
    put16(b, 4, b.length);
    return ipv4(s, { src: OUR_IP, dst: own ? NET | 3 : NET | s.below(256), proto: 17, payload: b });
  }
  const inner = new Uint8Array(8 + s.size(128));
  const proto = s.pick([17, 17, 17, 1, 6, 2, 136, s.below(256)]);
  if (proto === 1) inner[0] = s.pick([8, 0, 13, 3, s.below(256)]);
  else {
    put16(inner, 0, s.pick(OPEN_PORTS));
    put16(inner, 2, s.one_in(2) ? s.pick(OPEN_PORTS) : s.below(65536));
    put16(inner, 4, inner.length);
  }
  const o: Ip = { src: ip_address(s, OUR_IP), dst: ip_address(s, NET | (2 + s.below(8))), proto, payload: inner };
  if (s.one_in(6)) o.frag = s.below(65536);
  const p = ipv4(s, o);
  return s.one_in(5) ? p.subarray(0, s.below(p.length + 1)) : p;
}

function icmp(s: Source): Uint8Array {
  const type = s.one_in(4) ? s.below(256) : s.pick([0, 3, 4, 5, 8, 8, 11, 12, 13, 15, 17, 18, 42, 43, 9, 10]);
  const b = new Uint8Array(8);
  b[0] = type;
  b[1] = s.one_in(4) ? s.below(256) : s.below(16);
  put32(b, 4, s.u32());
  let body: Uint8Array;
  switch (type) {
    case 3:
      // "Fragmentation needed" with an MTU: 0, tiny, usual, huge.
      put16(b, 6, s.pick([0, 1, 67, 68, 552, 576, 1280, 1499, 1500, 65535]));
      if (s.one_in(2)) b[1] = 4;
      body = quoted(s);
      break;
    case 5:
      put32(b, 4, ip_address(s, NET | (2 + s.below(8))));
      b[1] = s.below(5);
      body = quoted(s);
      break;
    case 4:
    case 11:
    case 12:
      if (type === 12) b[4] = s.below(64);
      body = quoted(s);
      break;
    case 42: {
      // RFC 8335: an interface by name, index or address.
      const ext = s.bytes(s.pick([0, 4, 8, 12, 16, 20, 24]));
      if (ext.length >= 8) {
        ext[0] = 0x20;
        put16(ext, 4, s.one_in(3) ? s.below(65536) : ext.length - 4);
        ext[6] = 3;
        ext[7] = s.pick([1, 2, 3, s.below(256)]);
        put16(ext, 2, 0);
        put16(ext, 2, sum16(ext, 0, ext.length));
      }
      b[6] = s.below(256);
      body = ext;
      break;
    }
    default:
      body = s.bytes(s.size(1472));
  }
  // RFC 4884: a length in words, extensions after 128 bytes.
  if (s.one_in(6) && (type === 3 || type === 11 || type === 12)) {
    b[5] = s.one_in(2) ? 32 : s.below(256);
    body = concat([body, new Uint8Array(Math.max(0, 128 - body.length)), s.bytes(s.size(24))]);
  }
  const out = concat([b, body]);
  put16(out, 2, s.one_in(20) ? s.below(65536) : sum16(out, 0, out.length));
  return out;
}

function igmp(s: Source): Uint8Array {
  const type = s.one_in(5) ? s.below(256) : s.pick([0x11, 0x11, 0x12, 0x16, 0x17, 0x22]);
  let b: Uint8Array = new Uint8Array(8);
  b[0] = type;
  b[1] = s.one_in(2) ? s.below(256) : s.pick([0, 1, 100]);
  put32(b, 4, s.pick([0, GROUP, 0xe0000001, s.u32()]));
  if (type === 0x11 && s.one_in(2)) {
    const n = s.below(6);
    b = concat([b, s.bytes(4 + 4 * n)]);
    put16(b, 10, s.one_in(4) ? s.below(65536) : n);
  }
  if (type === 0x22) {
    b = concat([b, s.bytes(s.size(120))]);
    put16(b, 6, s.below(4));
  }
  put16(b, 2, s.one_in(20) ? s.below(65536) : sum16(b, 0, b.length));
  return b;
}

function tcp(s: Source, src: number, dst: number): Uint8Array {
  const b = concat([s.bytes(20), s.bytes(s.size(40))]);
  b[12] = s.one_in(3) ? s.below(256) : 0x50;
  b[13] = s.pick([2, 16, 18, 4, 1, s.below(256)]);
  put16(b, 16, 0);
  put16(b, 16, sum16(b, 0, b.length, pseudo(src, dst, 6, b.length)));
  return b;
}

// --- link layer ---------------------------------------------------------------------------------------------------

function eth_dst(s: Source, dst: number): Uint8Array {
  if (s.one_in(12)) return s.bytes(6);
  if (s.one_in(12)) return new Uint8Array(6).fill(255);
  if (dst === 0xffffffff || dst === (NET | 0xff)) return new Uint8Array(6).fill(255);
  if (dst >>> 28 === 14) return Uint8Array.of(1, 0, 0x5e, (dst >>> 16) & 0x7f, (dst >>> 8) & 255, dst & 255);
  return OUR_MAC;
}

function ethernet(s: Source, dst: Uint8Array, type: number, payload: Uint8Array): Uint8Array {
  const src = Uint8Array.of(2, 0, 0, 0, 9, s.below(8));
  if (s.one_in(50)) src[0] = 255;
  const h = new Uint8Array(14);
  h.set(dst, 0);
  h.set(src, 6);
  put16(h, 12, type);
  if (!s.one_in(15)) return concat([h, payload]);
  // One or two tags, priority-tagged or with an unknown VLAN.
  const tag = new Uint8Array(4 * (1 + s.below(2)));
  for (let i = 0; i < tag.length; i += 4) {
    put16(tag, i, s.pick([0x8100, 0x88a8, 0x8100]));
    put16(tag, i + 2, s.one_in(3) ? 0 : s.below(65536));
  }
  return concat([h.subarray(0, 12), tag, h.subarray(12), payload]);
}

function arp(s: Source): Uint8Array {
  const b = new Uint8Array(28);
  put16(b, 0, s.one_in(10) ? s.below(65536) : s.pick([1, 1, 1, 6]));
  put16(b, 2, s.one_in(10) ? s.below(65536) : 0x0800);
  b[4] = s.one_in(10) ? s.below(256) : 6;
  b[5] = s.one_in(10) ? s.below(256) : 4;
  put16(b, 6, s.one_in(10) ? s.below(65536) : s.pick([1, 1, 2, 2, 3, 4, 8, 9]));
  b.set(s.one_in(6) ? s.bytes(6) : Uint8Array.of(2, 0, 0, 0, 9, s.below(8)), 8);
  put32(b, 14, s.one_in(3) ? s.u32() : ip_address(s, NET | s.below(256)));
  b.set(s.one_in(2) ? OUR_MAC : s.bytes(6), 18);
  put32(b, 24, ip_address(s, OUR_IP));
  const dst = s.one_in(2) ? OUR_MAC : new Uint8Array(6).fill(255);
  return ethernet(s, dst, s.one_in(20) ? 0x8035 : 0x0806, concat([b, new Uint8Array(s.one_in(3) ? 18 : 0)]));
}

function l4(s: Source, proto: number, src: number, dst: number): Uint8Array {
  switch (proto) {
    case 1:
      return icmp(s);
    case 2:
      return igmp(s);
    case 6:
      return tcp(s, src, dst);
    case 17:
    case 136:
      return udp(s, src, dst, proto);
    case 4:
      return ipv4(s, { src, dst, proto: 17, payload: udp(s, src, dst) });
    default:
      return s.bytes(s.size(1480));
  }
}

function destination(s: Source): number {
  switch (s.below(10)) {
    case 0:
      return s.pick(SPECIAL);
    case 1:
      return GROUP;
    case 2:
      return NET | 0xff;
    case 3:
    case 4:
      // To be forwarded.
      return FAR_NET | (s.one_in(4) ? s.below(65536) : 2 + s.below(4));
    case 5:
      if (s.one_in(2)) return NET | s.below(256);
      // Several paths; prohibited (frame_rig.ts).
      return s.one_in(4) ? 0x0a030001 : 0xc0a80000 | s.below(65536);
    default:
      return OUR_IP;
  }
}

/** A datagram cut in pieces that overlap, repeat, miss, lie about the end, or come out of order. */
function fragments(s: Source): Uint8Array[] {
  const src = NET | (2 + s.below(16));
  const dst = s.one_in(4) ? destination(s) : OUR_IP;
  const proto = s.pick([17, 17, 1, 255, 2]);
  const data = l4(s, proto, src, dst);
  const id = s.one_in(3) ? s.below(4) : s.below(65536);
  const out: Uint8Array[] = [];
  const piece = 8 * (1 + s.below(s.one_in(4) ? 185 : 12));
  for (let at = 0; at < data.length && out.length < 40; at += piece) {
    if (s.one_in(15)) continue;
    let from = at;
    let to = Math.min(at + piece, data.length);
    if (s.one_in(12)) from = Math.max(0, from - 8 * s.below(3));
    if (s.one_in(12)) to = Math.min(data.length, to + 8 * s.below(3));
    let frag = from >> 3;
    if (to < data.length || s.one_in(30)) frag |= 0x2000;
    if (s.one_in(40)) frag |= 0x4000;
    if (s.one_in(40)) frag = (frag & 0xe000) | s.pick([0x1fff, 0x1ffe, 0x1f00, 0]);
    const payload = data.subarray(from, to);
    const options = s.one_in(10) ? ip_options(s) : new Uint8Array(0);
    out.push(ethernet(s, eth_dst(s, dst), 0x0800, ipv4(s, { src, dst, proto, payload, id, frag, options })));
    if (s.one_in(15)) out.push(out[out.length - 1]!);
  }
  for (let i = out.length - 1; i > 0; i--) {
    if (!s.one_in(3)) continue;
    const j = s.below(i + 1);
    [out[i], out[j]] = [out[j]!, out[i]!];
  }
  return out;
}

/** Datagrams of one flow, all right, of one size but for the last: what GRO merges. Some flows are broken in the middle. */
function train(s: Source, jumbo: boolean): Uint8Array[] {
  const src = NET | (2 + s.below(16));
  const dst = s.one_in(2) ? FAR_NET | 2 : OUR_IP;
  const df = s.one_in(3) ? 0 : 0x4000;
  const size = 1 + s.below(s.one_in(3) ? (jumbo ? 8900 : 1472) : 100);
  const sport = 1024 + s.below(4);
  const dport = s.one_in(3) ? s.pick(OPEN_PORTS) : dst === OUR_IP ? 6000 : FAR_PORT;
  const out: Uint8Array[] = [];
  let id = s.below(65536);
  for (let n = 2 + s.below(14); n > 0; n--) {
    const len = n === 1 && s.one_in(2) ? 1 + s.below(size) : s.one_in(20) ? 1 + s.below(1400) : size;
    const b = concat([new Uint8Array(8), s.bytes(len)]);
    put16(b, 0, sport);
    put16(b, 2, dport);
    put16(b, 4, s.one_in(40) ? s.below(65536) : b.length);
    if (!s.one_in(10)) put16(b, 6, sum16(b, 0, b.length, pseudo(src, dst, 17, b.length)) || 0xffff);
    const ip = ipv4(s, {
      src,
      dst,
      proto: 17,
      payload: b,
      id: id++ & 0xffff,
      frag: df,
      options: new Uint8Array(0),
      ttl: 64,
    });
    out.push(ethernet(s, OUR_MAC, 0x0800, ip));
  }
  return out;
}

/** 802.3x: the card is told to be silent for a while, or something like it. */
function pause(s: Source): Uint8Array {
  const b = s.bytes(46);
  put16(b, 0, s.one_in(4) ? s.below(65536) : 1);
  put16(b, 2, s.one_in(2) ? 0 : s.size(2000));
  return ethernet(s, s.one_in(5) ? OUR_MAC : Uint8Array.of(1, 0x80, 0xc2, 0, 0, 1), 0x8808, b);
}

/** Damage that knows nothing of structure. */
function damage(s: Source, f: Uint8Array): Uint8Array {
  if (s.one_in(12)) f = f.slice(0, s.below(f.length + 1));
  if (s.one_in(20)) f = concat([f, s.bytes(s.size(64))]);
  if (s.one_in(12) && f.length > 0) {
    f = f.slice();
    for (let n = 1 + s.below(6); n > 0; n--) {
      const at = s.one_in(2) ? s.below(Math.min(f.length, 64)) : s.below(f.length);
      f[at] = s.one_in(2) ? s.below(256) : f[at]! ^ (1 << s.below(8));
    }
  }
  return f;
}

/** Longest frame the card takes (a standard frame with two tags), and with a long MTU (frame_rig.ts). */
const MAX_FRAME = 1522;
export const JUMBO_MTU = 9000;

export function frames_of_case(seed: number, index: number): Uint8Array[] {
  const s = new Source(seed, index);
  let out: Uint8Array[];
  if (s.one_in(3)) {
    // Connections have to get somewhere: little damage.
    let id = s.below(65_536);
    const next = s.one_in(5) ? 0 : 1;
    if (s.one_in(12)) {
      const b = tcp_error(s);
      put16(b, 2, sum16(b, 0, b.length));
      return [
        ethernet(
          s,
          OUR_MAC,
          0x0800,
          ipv4(s, { src: TCP_PEER, dst: OUR_IP, proto: 1, payload: b, options: new Uint8Array(0), ttl: 64 }),
        ),
      ];
    }
    out = tcp_flow(s, (segment) => {
      put16(segment, 16, 0);
      put16(segment, 16, sum16(segment, 0, segment.length, pseudo(TCP_PEER, OUR_IP, 6, segment.length)));
      const ip = ipv4(s, {
        src: TCP_PEER,
        dst: OUR_IP,
        proto: 6,
        payload: segment,
        id: id & 0xffff,
        frag: 0x4000,
        options: new Uint8Array(0),
        ttl: 64,
      });
      id += next;
      return ethernet(s, OUR_MAC, 0x0800, ip);
    });
    return s.one_in(10) ? out.map((f) => damage(s, f)) : out;
  }
  const kind = s.below(20);
  if (kind < 3) out = fragments(s);
  else if (kind === 3) return train(s, (seed & 8) === 8);
  else if (kind < 6) out = [arp(s)];
  else if (kind === 6) {
    const type = s.one_in(2)
      ? s.pick([0x86dd, 0x8847, 0x88cc, 0x8863, 0x8864, 5, 64, 1500, 1535, 1536])
      : s.below(65536);
    out = [s.one_in(4) ? pause(s) : ethernet(s, s.one_in(2) ? OUR_MAC : s.bytes(6), type, s.bytes(s.size(1500)))];
  } else {
    const src = ip_address(s, NET | (2 + s.below(16)));
    const dst = destination(s);
    const proto = kind < 10 ? 1 : kind === 10 ? 2 : kind < 17 ? 17 : s.pick([136, 6, 4, 47, 50, 255, s.below(256)]);
    out = [ethernet(s, eth_dst(s, dst), 0x0800, ipv4(s, { src, dst, proto, payload: l4(s, proto, src, dst) }))];
  }
  const max = (seed & 8) === 8 ? JUMBO_MTU + 22 : MAX_FRAME;
  return out.map((f) => damage(s, f)).map((f) => (f.length > max ? f.subarray(0, max) : f));
}
