// The few header fields a walk needs from a captured packet. Total over any bytes.

import type { Capture } from "./model.ts";

export interface Tuple {
  readonly ethertype: number;
  readonly saddr: string;
  readonly daddr: string;
  readonly proto: number;
  readonly sport: number;
  readonly dport: number;
  readonly ttl: number;
  readonly df: boolean;
  /** Total length of the IP packet. */
  readonly tot_len: number;
  /** Bytes of offset of a fragment; 0 for the first or only one. */
  readonly frag_off: number;
  readonly icmp_type: number;
  readonly icmp_code: number;
}

const NONE: Tuple = {
  ethertype: 0,
  saddr: "",
  daddr: "",
  proto: 0,
  sport: 0,
  dport: 0,
  ttl: 0,
  df: false,
  tot_len: 0,
  frag_off: 0,
  icmp_type: -1,
  icmp_code: 0,
};

const quad = (b: Uint8Array, at: number): string => `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;

export function tupleOf(c: Capture | null): Tuple {
  if (c === null || c.bytes.length < 34) return NONE;
  const b = c.bytes;
  const ethertype = (b[12]! << 8) | b[13]!;
  // ARP: who asks, and for whom.
  if (ethertype === 0x0806 && b.length >= 42) return { ...NONE, ethertype, saddr: quad(b, 28), daddr: quad(b, 38) };
  if (ethertype !== 0x0800) return { ...NONE, ethertype };
  return { ...NONE, ...ipTuple(b, 14), ethertype };
}

function ipTuple(b: Uint8Array, at: number): Omit<Tuple, "ethertype"> {
  const ihl = (b[at]! & 15) * 4;
  const off = (b[at + 6]! << 8) | b[at + 7]!;
  const proto = b[at + 9]!;
  const l4 = at + ihl;
  const frag_off = (off & 0x1fff) * 8;
  const ports = frag_off === 0 && (proto === 17 || proto === 6) && b.length >= l4 + 4;
  const icmp = frag_off === 0 && proto === 1 && b.length >= l4 + 2;
  return {
    saddr: quad(b, at + 12),
    daddr: quad(b, at + 16),
    proto,
    sport: ports ? (b[l4]! << 8) | b[l4 + 1]! : 0,
    dport: ports ? (b[l4 + 2]! << 8) | b[l4 + 3]! : 0,
    ttl: b[at + 8]!,
    df: (off & 0x4000) !== 0,
    tot_len: (b[at + 2]! << 8) | b[at + 3]!,
    frag_off,
    icmp_type: icmp ? b[l4]! : -1,
    icmp_code: icmp ? b[l4 + 1]! : 0,
  };
}

/** The packet that an ICMP error is about. */
export function innerTuple(c: Capture | null): Tuple {
  if (c === null) return NONE;
  const l4 = 14 + (c.bytes[14]! & 15) * 4;
  if (c.bytes.length < l4 + 28) return NONE;
  return { ...NONE, ethertype: 0x0800, ...ipTuple(c.bytes, l4 + 8) };
}

export const isIcmpError = (t: Tuple): boolean =>
  t.icmp_type === 3 || t.icmp_type === 11 || t.icmp_type === 12 || t.icmp_type === 4;
