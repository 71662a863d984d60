// What every protocol's printer shares: the packet with its captured end, the text so far, addresses, options, state.
// Read first: tcpdump(8), "OUTPUT FORMAT". Way in: format.ts. Bytes past the captured end read as 0: printers check with
// `has` and say `[|proto]` where the capture ends.

/** The options of tcpdump that change how a packet is printed. Absent means off. */
export interface PrintOptions {
  linktype: number;
  /** -n: no names. Without it `host_name` and `port_name` are asked. */
  n?: boolean;
  /** -e: the link-level header. */
  e?: boolean;
  /** -v, -vv, -vvv. */
  v?: number;
  /** -q */
  q?: boolean;
  /** -S: absolute TCP sequence numbers. */
  S?: boolean;
  /** -K: do not verify checksums. */
  K?: boolean;
  /** -x, -xx, -X, -XX, -A, -AA. */
  hex?: "" | "x" | "xx" | "X" | "XX" | "A" | "AA";
  /** How many -t: 0 time of day, 1 none, 2 epoch seconds, 3 since the previous, 4 date and time, 5 since the first. */
  t?: 0 | 1 | 2 | 3 | 4 | 5;
  /** --nano: nine digits. */
  nano?: boolean;
  /** -#: number the packets. */
  number?: boolean;
  /** Seconds east of UTC. */
  tz_offset?: number;
  /** Names of interfaces, for SLL2. */
  if_name?: (ifindex: number) => string | undefined;
  host_name?: (address: string) => string | undefined;
  port_name?: (port: number, proto: 6 | 17) => string | undefined;
}

/** The two sides' first sequence numbers, from which relative ones count. */
export interface TcpBase {
  seq: number;
  ack: number;
  /** The key of the direction that `seq` belongs to. */
  forward: string;
}

/** What a run of the printer remembers from packet to packet. */
export interface PrintState {
  count: number;
  first_sec: number;
  first_nsec: number;
  prev_sec: number;
  prev_nsec: number;
  tcp: Map<string, TcpBase>;
}

export const new_print_state = (): PrintState => ({
  count: 0,
  first_sec: 0,
  first_nsec: 0,
  prev_sec: 0,
  prev_nsec: 0,
  tcp: new Map(),
});

export class Printer {
  readonly u8: Uint8Array;
  /** Where the captured bytes end, or the bytes of the protocol now printed, if earlier. */
  end: number;
  readonly o: PrintOptions;
  readonly state: PrintState;
  readonly v: number;
  out = "";
  /** How many protocols deep we are: a tunnel in a tunnel ends somewhere. */
  depth = 0;

  constructor(u8: Uint8Array, caplen: number, o: PrintOptions, state: PrintState) {
    this.u8 = u8;
    this.end = Math.min(caplen, u8.length);
    this.o = o;
    this.state = state;
    this.v = o.v ?? 0;
  }
}

export const MAX_DEPTH = 16;

export const has = (p: Printer, at: number, n: number): boolean => at + n <= p.end;
export const g8 = (p: Printer, at: number): number => (at < p.end ? p.u8[at] : 0);
export const g16 = (p: Printer, at: number): number => (g8(p, at) << 8) | g8(p, at + 1);
export const g24 = (p: Printer, at: number): number => (g16(p, at) << 8) | g8(p, at + 2);
export const g32 = (p: Printer, at: number): number => ((g16(p, at) << 16) | g16(p, at + 2)) >>> 0;

/** The capture ends inside this protocol. Printers return undefined, so that `return trunc(…)` is one statement. */
export const trunc = (p: Printer, proto: string): undefined => {
  p.out += ` [|${proto}]`;
};

export const hex = (n: number, width = 0): string => (n >>> 0).toString(16).padStart(width, "0");
export const pad2 = (n: number): string => String(n).padStart(2, "0");

export const mac_text = (p: Printer, at: number, n = 6): string => {
  const out: string[] = [];
  for (let i = 0; i < n; i++) out.push(hex(g8(p, at + i), 2));
  return out.join(":");
};

export const ip4_number = (p: Printer, at: number): string =>
  `${g8(p, at)}.${g8(p, at + 1)}.${g8(p, at + 2)}.${g8(p, at + 3)}`;

export const ip4_text = (p: Printer, at: number): string => {
  const t = ip4_number(p, at);
  return (!p.o.n && p.o.host_name?.(t)) || t;
};

/** Eight groups, the longest run of zeroes as `::` (RFC 5952), IPv4 in the low 32 bits where it is embedded. */
export const ip6_words_text = (w: readonly number[]): string => {
  let best = -1;
  let best_len = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && w[j] === 0) j++;
    if (j - i > best_len) {
      best = i;
      best_len = j - i;
    }
    if (j > i) i = j;
  }
  const dotted = `${w[6] >> 8}.${w[6] & 255}.${w[7] >> 8}.${w[7] & 255}`;
  if (best === 0 && best_len === 6) return `::${dotted}`;
  if (best === 0 && best_len === 5 && w[5] === 0xffff) return `::ffff:${dotted}`;
  const words = w.map((n) => hex(n));
  if (best < 0) return words.join(":");
  return `${words.slice(0, best).join(":")}::${words.slice(best + best_len).join(":")}`;
};

export const ip6_text = (p: Printer, at: number): string => {
  const w: number[] = [];
  for (let i = 0; i < 8; i++) w.push(g16(p, at + i * 2));
  const t = ip6_words_text(w);
  return (!p.o.n && p.o.host_name?.(t)) || t;
};

export const port_text = (p: Printer, port: number, proto: 6 | 17): string =>
  (!p.o.n && p.o.port_name?.(port, proto)) || String(port);

/** A byte as tcpdump makes it visible: `^A` for controls, `M-x` for the upper half. */
export const visible = (c: number): string => {
  let s = "";
  if (c > 127) {
    s = "M-";
    c &= 127;
  }
  if (c < 32 || c === 127) return `${s}^${String.fromCharCode(c ^ 64)}`;
  return s + String.fromCharCode(c);
};

/** Names of a set of flags, joined; `none` for none. */
export const bits_text = (names: readonly (readonly [number, string])[], v: number, none = "none"): string =>
  names
    .filter(([bit]) => (v & bit) !== 0)
    .map(([, name]) => name)
    .join(", ") || none;

const is_graph = (c: number): boolean => c > 32 && c < 127;

/** Lines of hexadecimal with the characters beside, as `-X` prints. */
export const hex_and_ascii = (p: Printer, from: number, to: number, indent = "\n\t"): undefined => {
  for (let at = from; at < to; at += 16) {
    let words = "";
    let chars = "";
    for (let i = 0; i < 16 && at + i < to; i++) {
      const c = p.u8[at + i];
      words += hex(c, 2) + (i & 1 ? " " : "");
      chars += is_graph(c) ? String.fromCharCode(c) : ".";
    }
    p.out += `${indent}0x${hex(at - from, 4)}:  ${words.padEnd(40)} ${chars}`;
  }
};

/** Lines of hexadecimal alone, as `-x` prints. */
export const hex_only = (p: Printer, from: number, to: number, indent = "\n\t"): undefined => {
  for (let at = from; at < to; at += 16) {
    const words: string[] = [];
    for (let i = 0; i < 16 && at + i < to; i += 2) {
      words.push(hex(p.u8[at + i], 2) + (at + i + 1 < to ? hex(p.u8[at + i + 1], 2) : ""));
    }
    p.out += `${indent}0x${hex(at - from, 4)}:  ${words.join(" ")}`;
  }
};

/** What is printed of bytes nobody understands. */
export const default_print = (p: Printer, from: number, len: number): undefined => {
  hex_and_ascii(p, from, Math.min(from + len, p.end));
};

/** The same, unless the user asked for less (-q) or will get the bytes anyway (-x). */
export const default_print_unless_suppressed = (p: Printer, from: number, len: number): undefined => {
  if (!p.o.q && !p.o.hex) default_print(p, from, len);
};

/** One's complement sum of bytes, on top of `sum`; not folded. */
export const sum_bytes = (p: Printer, at: number, len: number, sum = 0): number => {
  for (let i = 0; i < len; i += 2) sum += (p.u8[at + i] << 8) | (i + 1 < len ? p.u8[at + i + 1] : 0);
  return sum;
};

/** The checksum that a sum leaves: 0 where the bytes summed include a right checksum. */
export const fold_sum = (sum: number): number => {
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
};

/** The checksum that should stand there, from the one that does and what the sum over all came to. */
export const should_be = (field: number, computed: number): number => {
  let s = field + computed;
  while (s > 0xffff) s = (s & 0xffff) + (s >>> 16);
  return s;
};

/** Sum of the pseudo-header (RFC 9293 section 3.1, RFC 8200 section 8.1). */
export const pseudo_sum = (p: Printer, c: IpContext, proto: number, len: number): number => {
  const n = c.family === 4 ? 4 : 16;
  const rest = proto + (len & 0xffff) + (len >>> 16);
  return sum_bytes(p, c.dst, n, sum_bytes(p, c.ip + (n === 4 ? 12 : 8), n, rest));
};

/** IP protocol names as tcpdump's `proto NAME (n)`. */
const IP_PROTO_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "Options"],
  [1, "ICMP"],
  [2, "IGMP"],
  [4, "IPIP"],
  [6, "TCP"],
  [8, "EGP"],
  [9, "IGRP"],
  [17, "UDP"],
  [33, "DCCP"],
  [41, "IPv6"],
  [43, "Routing"],
  [44, "Fragment"],
  [46, "RSVP"],
  [47, "GRE"],
  [50, "ESP"],
  [51, "AH"],
  [55, "Mobile IP"],
  [58, "ICMPv6"],
  [62, "Mobile IP (old)"],
  [88, "EIGRP"],
  [89, "OSPF"],
  [103, "PIM"],
  [108, "Compressed IP"],
  [112, "VRRP"],
  [113, "PGM"],
  [132, "SCTP"],
  [135, "Mobility"],
  [143, "Ethernet"],
]);

export const ip_proto_name = (proto: number): string => IP_PROTO_NAMES.get(proto) ?? "unknown";

/** What of an IP header the transport printers need. */
export interface IpContext {
  /** Offset of the IP header, for addresses and the pseudo-header. */
  ip: number;
  family: 4 | 6;
  /** Offset of the destination address that checksums cover: a routed packet's last. */
  dst: number;
  /** Part of a datagram: no checksum to verify. */
  fragmented: boolean;
  /** IPv6 with extension headers: the addresses are printed already. */
  addresses_printed: boolean;
}

export const src_text = (p: Printer, c: IpContext): string =>
  c.family === 4 ? ip4_text(p, c.ip + 12) : ip6_text(p, c.ip + 8);
export const dst_text = (p: Printer, c: IpContext): string =>
  c.family === 4 ? ip4_text(p, c.ip + 16) : ip6_text(p, c.ip + 24);

/** `a.1 > b.2: `, or `1 > 2: ` where the addresses were printed before extension headers. */
export const endpoints = (p: Printer, c: IpContext, sport: string, dport: string): undefined => {
  if (c.addresses_printed) p.out += `${sport} > ${dport}: `;
  else p.out += `${src_text(p, c)}.${sport} > ${dst_text(p, c)}.${dport}: `;
};
