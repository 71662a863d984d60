// Packets as bytes: building those that a script injects, reading those that the stack sends.
// Read first: RFC 791, 9293, 792. Way in: build_tcp(), build_udp(), build_icmp(), decode().

import type { TcpOption } from "./ast.ts";

export interface IpHead {
  src: number;
  dst: number;
  tos: number;
  ttl: number;
}

export interface TcpHead {
  sport: number;
  dport: number;
  seq: number;
  ack: number;
  flags: number;
  win: number;
  urg: number;
  options: Uint8Array;
}

export interface Decoded extends IpHead {
  /** What is wrong with it before anything is compared, or "". */
  broken: string;
  proto: number;
  bytes: Uint8Array;
  tcp: TcpHead | null;
  udp: { sport: number; dport: number; len: number } | null;
  icmp: { type: number; code: number; rest: number } | null;
  payload: Uint8Array;
}

export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** Ones' complement sum of 16-bit words (RFC 1071), on top of `sum`. */
function sum16(b: Uint8Array, from: number, to: number, sum: number): number {
  for (let i = from; i < to; i += 2) sum += (b[i]! << 8) | (i + 1 < to ? b[i + 1]! : 0);
  return sum;
}
function fold(sum: number): number {
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65536);
  return ~sum & 0xffff;
}

function ip_packet(ip: IpHead, proto: number, body: Uint8Array): Uint8Array {
  const out = new Uint8Array(20 + body.length);
  const dv = view(out);
  out[0] = 0x45;
  out[1] = ip.tos;
  dv.setUint16(2, out.length);
  out[8] = ip.ttl;
  out[9] = proto;
  dv.setUint32(12, ip.src);
  dv.setUint32(16, ip.dst);
  out.set(body, 20);
  dv.setUint16(10, fold(sum16(out, 0, 20, 0)));
  return out;
}

/** The sum of TCP or UDP at offset `at` of the body, with the pseudo header. */
function l4_sum(ip: IpHead, proto: number, body: Uint8Array, at: number): void {
  const pseudo = (ip.src >>> 16) + (ip.src & 0xffff) + (ip.dst >>> 16) + (ip.dst & 0xffff) + proto + body.length;
  const sum = fold(sum16(body, 0, body.length, pseudo));
  view(body).setUint16(at, proto === IPPROTO_UDP && sum === 0 ? 0xffff : sum);
}

export function build_tcp(ip: IpHead, tcp: TcpHead, len: number): Uint8Array {
  const hl = 20 + tcp.options.length;
  const body = new Uint8Array(hl + len);
  const dv = view(body);
  dv.setUint16(0, tcp.sport);
  dv.setUint16(2, tcp.dport);
  dv.setUint32(4, tcp.seq >>> 0);
  dv.setUint32(8, tcp.ack >>> 0);
  dv.setUint16(12, ((hl / 4) << 12) | (tcp.flags & 0x1ff));
  dv.setUint16(14, tcp.win);
  dv.setUint16(18, tcp.urg);
  body.set(tcp.options, 20);
  l4_sum(ip, IPPROTO_TCP, body, 16);
  return ip_packet(ip, IPPROTO_TCP, body);
}

export function build_udp(ip: IpHead, sport: number, dport: number, len: number): Uint8Array {
  const body = new Uint8Array(8 + len);
  const dv = view(body);
  dv.setUint16(0, sport);
  dv.setUint16(2, dport);
  dv.setUint16(4, body.length);
  l4_sum(ip, IPPROTO_UDP, body, 6);
  return ip_packet(ip, IPPROTO_UDP, body);
}

/** An ICMP message about `quoted`, the bytes of a packet from its IP header on. */
export function build_icmp(ip: IpHead, type: number, code: number, rest: number, quoted: Uint8Array): Uint8Array {
  const body = new Uint8Array(8 + quoted.length);
  body[0] = type;
  body[1] = code;
  view(body).setUint32(4, rest);
  body.set(quoted, 8);
  view(body).setUint16(2, fold(sum16(body, 0, body.length, 0)));
  return ip_packet(ip, IPPROTO_ICMP, body);
}

export function decode(bytes: Uint8Array): Decoded {
  const d: Decoded = {
    broken: "",
    src: 0,
    dst: 0,
    tos: 0,
    ttl: 0,
    proto: 0,
    bytes,
    tcp: null,
    udp: null,
    icmp: null,
    payload: new Uint8Array(0),
  };
  if (bytes.length < 20 || bytes[0]! >> 4 !== 4) return { ...d, broken: "no IPv4 header" };
  const dv = view(bytes);
  const ihl = (bytes[0]! & 15) * 4;
  d.tos = bytes[1]!;
  d.ttl = bytes[8]!;
  d.proto = bytes[9]!;
  d.src = dv.getUint32(12);
  d.dst = dv.getUint32(16);
  if (ihl < 20 || ihl > bytes.length) return { ...d, broken: `IP header length ${ihl}` };
  if (dv.getUint16(2) !== bytes.length)
    d.broken = `IP total length ${dv.getUint16(2)} of a packet of ${bytes.length} bytes`;
  else if (fold(sum16(bytes, 0, ihl, 0)) !== 0) d.broken = "bad IPv4 header checksum";
  const l4 = ihl;
  if (d.proto === IPPROTO_TCP && bytes.length >= l4 + 20) {
    const doff = (bytes[l4 + 12]! >> 4) * 4;
    if (doff < 20 || l4 + doff > bytes.length) return { ...d, broken: `TCP data offset ${doff}` };
    if ((bytes[l4 + 12]! & 0x0e) !== 0) d.broken = "TCP reserved bits are set";
    d.tcp = {
      sport: dv.getUint16(l4),
      dport: dv.getUint16(l4 + 2),
      seq: dv.getUint32(l4 + 4),
      ack: dv.getUint32(l4 + 8),
      flags: dv.getUint16(l4 + 12) & 0x1ff,
      win: dv.getUint16(l4 + 14),
      urg: dv.getUint16(l4 + 18),
      options: bytes.slice(l4 + 20, l4 + doff),
    };
    d.payload = bytes.subarray(l4 + doff);
  } else if (d.proto === IPPROTO_UDP && bytes.length >= l4 + 8) {
    d.udp = { sport: dv.getUint16(l4), dport: dv.getUint16(l4 + 2), len: dv.getUint16(l4 + 4) - 8 };
    d.payload = bytes.subarray(l4 + 8);
  } else if (d.proto === IPPROTO_ICMP && bytes.length >= l4 + 8) {
    d.icmp = { type: bytes[l4]!, code: bytes[l4 + 1]!, rest: dv.getUint32(l4 + 4) };
    d.payload = bytes.subarray(l4 + 8);
  }
  return d;
}

// --- TCP options ----------------------------------------------------------------------------------------------------

const FASTOPEN_MAGIC = 0xf989;

/** One option on the wire. */
function option_bytes(o: TcpOption): number[] {
  const u16 = (v: number): number[] => [(v >>> 8) & 255, v & 255];
  const u32 = (v: number): number[] => [...u16(v >>> 16), ...u16(v & 0xffff)];
  switch (o.kind) {
    case "eol":
      return [0];
    case "nop":
      return [1];
    case "mss":
      return [2, 4, ...u16(o.values[0]!)];
    case "wscale":
      return [3, 3, o.values[0]!];
    case "sackOK":
      return [4, 2];
    case "sack":
      return [5, 2 + 4 * o.values.length, ...o.values.flatMap(u32)];
    case "TS":
      return [8, 10, ...u32(o.values[0]!), ...u32(o.values[1]!)];
    case "md5":
      return [19, 2 + o.bytes!.length, ...o.bytes!];
    case "FO":
      return [34, 2 + o.bytes!.length, ...o.bytes!];
    case "FOEXP":
      return [254, 4 + o.bytes!.length, ...u16(FASTOPEN_MAGIC), ...o.bytes!];
    case "ecn":
      return [172, 2 + 3 * o.values.length, ...o.values.flatMap((v) => [(v >>> 16) & 255, (v >>> 8) & 255, v & 255])];
  }
}

/** All options; null when they are not a whole number of words, or too many. */
export function options_bytes(opts: readonly TcpOption[]): Uint8Array | null {
  const out = opts.flatMap(option_bytes);
  return out.length % 4 !== 0 || out.length > 40 ? null : new Uint8Array(out);
}

/** The options of a packet; null when they cannot be read. */
export function parse_options(b: Uint8Array): TcpOption[] | null {
  const out: TcpOption[] = [];
  const dv = view(b);
  for (let i = 0; i < b.length; ) {
    const kind = b[i]!;
    if (kind <= 1) {
      out.push({ kind: kind === 0 ? "eol" : "nop", values: [], bytes: null });
      i++;
      continue;
    }
    const len = b[i + 1] ?? 0;
    if (len < 2 || i + len > b.length) return null;
    const body = b.slice(i + 2, i + len);
    const words: number[] = [];
    for (let j = i + 2; j + 4 <= i + len; j += 4) words.push(dv.getUint32(j));
    if (kind === 2 && len === 4) out.push({ kind: "mss", values: [dv.getUint16(i + 2)], bytes: null });
    else if (kind === 3 && len === 3) out.push({ kind: "wscale", values: [b[i + 2]!], bytes: null });
    else if (kind === 4 && len === 2) out.push({ kind: "sackOK", values: [], bytes: null });
    else if (kind === 5 && len % 8 === 2) out.push({ kind: "sack", values: words, bytes: null });
    else if (kind === 8 && len === 10) out.push({ kind: "TS", values: words, bytes: null });
    else if (kind === 19) out.push({ kind: "md5", values: [], bytes: body });
    else if (kind === 34) out.push({ kind: "FO", values: [], bytes: body });
    else if (kind === 254 && len >= 4 && dv.getUint16(i + 2) === FASTOPEN_MAGIC)
      out.push({ kind: "FOEXP", values: [], bytes: body.slice(2) });
    else if (kind === 172 || kind === 174) {
      const v: number[] = [];
      for (let j = i + 2; j + 3 <= i + len; j += 3) v.push((b[j]! << 16) | (b[j + 1]! << 8) | b[j + 2]!);
      out.push({ kind: "ecn", values: v, bytes: null });
    } else return null;
    i += len;
  }
  return out;
}

// --- as text --------------------------------------------------------------------------------------------------------

const hex = (b: Uint8Array): string => [...b].map((x) => x.toString(16).padStart(2, "0")).join("");

export function option_text(o: TcpOption): string {
  const v = o.values;
  switch (o.kind) {
    case "mss":
    case "wscale":
      return `${o.kind} ${v[0]}`;
    case "sack": {
      const blocks: string[] = [];
      for (let i = 0; i + 1 < v.length; i += 2) blocks.push(`${v[i]}:${v[i + 1]}`);
      return `sack ${blocks.join(" ")}`;
    }
    case "TS":
      return `TS val ${v[0]} ecr ${v[1]}`;
    case "FO":
    case "FOEXP":
    case "md5":
      return `${o.kind} ${hex(o.bytes!)}`.trim();
    case "ecn":
      return `ECN ${v.map((x, i) => `${["e0b", "ceb", "e1b"][i]} ${x}`).join(" ")}`.trim();
    default:
      return o.kind;
  }
}

/** Flags, sequence numbers and options as a script writes them. */
export function tcp_text(
  flags: number,
  seq: number,
  len: number,
  ack: number | null,
  win: number | null,
  urg: number | null,
  options: readonly TcpOption[] | null,
): string {
  let f = "";
  for (const [bit, c] of [
    [2, "S"],
    [1, "F"],
    [4, "R"],
    [8, "P"],
    [64, "E"],
    [128, "W"],
    [256, "A"],
    [32, "U"],
    [16, "."],
  ] as const)
    if ((flags & bit) !== 0) f += c;
  let t = `${f || "-"} ${seq}:${seq + len}(${len})`;
  if (ack !== null && (flags & 16) !== 0) t += ` ack ${ack}`;
  if (win !== null) t += ` win ${win}`;
  if (urg !== null && (flags & 32) !== 0) t += ` urg ${urg}`;
  if (options === null) t += " <...>";
  else if (options.length > 0) t += ` <${options.map(option_text).join(",")}>`;
  return t;
}
