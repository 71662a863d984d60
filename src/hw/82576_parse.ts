// How the 82576 reads a received frame: VLAN tag, IP version, transport, and from these RSS and the checksum verdict.
// Read first: 82576 datasheet sections 7.1.1.7 (RSS) and 7.1.10 (receive checksum). Way in: rx_parse.
import { crc32c } from "../lib/crc32.ts";
import { toeplitz_bytes, toeplitz_table } from "../lib/toeplitz.ts";
import type { I82576 } from "./82576.ts";
import {
  E1000_MRQC_RSS_FIELD_IPV4,
  E1000_MRQC_RSS_FIELD_IPV4_TCP,
  E1000_MRQC_RSS_FIELD_IPV4_UDP,
  E1000_MRQC_RSS_FIELD_IPV6,
  E1000_MRQC_RSS_FIELD_IPV6_TCP,
  E1000_MRQC_RSS_FIELD_IPV6_UDP,
  E1000_RXCSUM_CRCOFL,
  E1000_RXCSUM_IPOFL,
  E1000_RXCSUM_TUOFL,
  E1000_RXD_STAT_IPCS,
  E1000_RXD_STAT_IXSM,
  E1000_RXD_STAT_L4CS,
  E1000_RXD_STAT_UDPCS,
  E1000_RXDADV_PKTTYPE_IPV4,
  E1000_RXDADV_PKTTYPE_IPV4_EX,
  E1000_RXDADV_PKTTYPE_IPV6,
  E1000_RXDADV_PKTTYPE_IPV6_EX,
  E1000_RXDADV_PKTTYPE_SCTP,
  E1000_RXDADV_PKTTYPE_TCP,
  E1000_RXDADV_PKTTYPE_UDP,
  E1000_RXDADV_RSSTYPE_IPV4,
  E1000_RXDADV_RSSTYPE_IPV4_TCP,
  E1000_RXDADV_RSSTYPE_IPV4_UDP,
  E1000_RXDADV_RSSTYPE_IPV6,
  E1000_RXDADV_RSSTYPE_IPV6_TCP,
  E1000_RXDADV_RSSTYPE_IPV6_UDP,
  E1000_RXDADV_RSSTYPE_NONE,
  E1000_RXDEXT_STATERR_IPE,
  E1000_RXDEXT_STATERR_L4E,
} from "./82576_regs.ts";
import { ETH_HLEN, type Frame } from "./frame.ts";

const ETH_P_IP = 0x0800;
const ETH_P_IPV6 = 0x86dd;
const IPPROTO_HOPOPTS = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
const IPPROTO_ROUTING = 43;
const IPPROTO_FRAGMENT = 44;
const IPPROTO_DSTOPTS = 60;
export const IPPROTO_SCTP = 132;

/** What the parser found in the frame at hand. Offsets are into its storage. */
export class RxParse {
  /** 4, 6, or 0 for anything else. */
  ip = 0;
  l3 = 0;
  /** TCP, UDP or SCTP in one piece; 0 otherwise. */
  proto = 0;
  l4 = 0;
  l4_len = 0;
  /** Length of the IPv4 header. */
  ihl = 0;
  tagged = false;
  /** Packet type bits of the descriptor. */
  pkt_info = 0;
}

export const fold16 = (sum: number): number => {
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
};

export function rx_parse(nic: I82576, f: Frame): void {
  const p = nic.parse;
  const dv = f.dv;
  const end = f.off + f.len;
  p.ip = 0;
  p.proto = 0;
  p.pkt_info = 0;
  let type = dv.getUint16(f.off + 12);
  let l3 = f.off + ETH_HLEN;
  p.tagged = type === nic.vet && f.len >= 18;
  if (p.tagged) {
    type = dv.getUint16(f.off + 16);
    l3 += 4;
  }
  p.l3 = l3;
  if (type === ETH_P_IP) {
    if (l3 + 20 > end) return;
    const ihl = (f.u8[l3] & 0xf) << 2;
    const tot_len = dv.getUint16(l3 + 2);
    if (f.u8[l3] >> 4 !== 4 || ihl < 20 || tot_len < ihl || l3 + tot_len > end) return;
    p.ip = 4;
    p.ihl = ihl;
    p.pkt_info = ihl > 20 ? E1000_RXDADV_PKTTYPE_IPV4_EX : E1000_RXDADV_PKTTYPE_IPV4;
    // More fragments, or a fragment offset: no transport header that could be trusted.
    if (dv.getUint16(l3 + 6) & 0x3fff) return;
    rx_parse_l4(p, f.u8[l3 + 9], l3 + ihl, tot_len - ihl);
  } else if (type === ETH_P_IPV6) {
    if (l3 + 40 > end || f.u8[l3] >> 4 !== 6) return;
    const stop = l3 + 40 + dv.getUint16(l3 + 4);
    if (stop > end) return;
    p.ip = 6;
    p.pkt_info = E1000_RXDADV_PKTTYPE_IPV6;
    let next = f.u8[l3 + 6];
    let at = l3 + 40;
    while (next === IPPROTO_HOPOPTS || next === IPPROTO_ROUTING || next === IPPROTO_DSTOPTS) {
      p.pkt_info = E1000_RXDADV_PKTTYPE_IPV6_EX;
      if (at + 8 > stop) return;
      next = f.u8[at];
      at += 8 + f.u8[at + 1] * 8;
    }
    if (next !== IPPROTO_FRAGMENT && at <= stop) rx_parse_l4(p, next, at, stop - at);
  }
}

function rx_parse_l4(p: RxParse, proto: number, l4: number, len: number): void {
  if (proto === IPPROTO_TCP && len >= 20) p.pkt_info |= E1000_RXDADV_PKTTYPE_TCP;
  else if (proto === IPPROTO_UDP && len >= 8) p.pkt_info |= E1000_RXDADV_PKTTYPE_UDP;
  else if (proto === IPPROTO_SCTP && len >= 12) p.pkt_info |= E1000_RXDADV_PKTTYPE_SCTP;
  else return;
  p.proto = proto;
  p.l4 = l4;
  p.l4_len = len;
}

/** The RSS type of the parsed frame, given the fields that MRQC enables; the hash goes to nic.rss_hash. */
export function rx_rss(nic: I82576, f: Frame): number {
  const p = nic.parse;
  const m = nic.mrqc;
  nic.rss_hash = 0;
  let type = E1000_RXDADV_RSSTYPE_NONE;
  if (p.ip === 4) {
    if (p.proto === IPPROTO_TCP && m & E1000_MRQC_RSS_FIELD_IPV4_TCP) type = E1000_RXDADV_RSSTYPE_IPV4_TCP;
    else if (p.proto === IPPROTO_UDP && m & E1000_MRQC_RSS_FIELD_IPV4_UDP) type = E1000_RXDADV_RSSTYPE_IPV4_UDP;
    else if (m & E1000_MRQC_RSS_FIELD_IPV4) type = E1000_RXDADV_RSSTYPE_IPV4;
    else return type;
    if (nic.rss_stale) rss_refresh(nic);
    const h = toeplitz_bytes(nic.rss_table, 0, 0, f.u8, p.l3 + 12, 8);
    nic.rss_hash = type === E1000_RXDADV_RSSTYPE_IPV4 ? h : toeplitz_bytes(nic.rss_table, h, 8, f.u8, p.l4, 4);
  } else if (p.ip === 6) {
    if (p.proto === IPPROTO_TCP && m & E1000_MRQC_RSS_FIELD_IPV6_TCP) type = E1000_RXDADV_RSSTYPE_IPV6_TCP;
    else if (p.proto === IPPROTO_UDP && m & E1000_MRQC_RSS_FIELD_IPV6_UDP) type = E1000_RXDADV_RSSTYPE_IPV6_UDP;
    else if (m & E1000_MRQC_RSS_FIELD_IPV6) type = E1000_RXDADV_RSSTYPE_IPV6;
    else return type;
    if (nic.rss_stale) rss_refresh(nic);
    const h = toeplitz_bytes(nic.rss_table, 0, 0, f.u8, p.l3 + 8, 32);
    nic.rss_hash = type === E1000_RXDADV_RSSTYPE_IPV6 ? h : toeplitz_bytes(nic.rss_table, h, 32, f.u8, p.l4, 4);
  }
  return type;
}

/** Folded sum of the pseudo-header of the parsed frame. */
function pseudo_sum(p: RxParse, dv: DataView): number {
  let sum = p.proto + p.l4_len;
  const from = p.ip === 4 ? p.l3 + 12 : p.l3 + 8;
  const to = p.ip === 4 ? p.l3 + 20 : p.l3 + 40;
  for (let o = from; o < to; o += 2) sum += dv.getUint16(o);
  return fold16(sum);
}

/** Status and error bits for the checksums of the parsed frame. */
export function rx_checksum(nic: I82576, f: Frame): number {
  const p = nic.parse;
  const on = nic.rxcsum;
  if (p.ip === 0 || !(on & (E1000_RXCSUM_IPOFL | E1000_RXCSUM_TUOFL))) return E1000_RXD_STAT_IXSM;
  let st = 0;
  if (p.ip === 4 && on & E1000_RXCSUM_IPOFL) {
    st |= E1000_RXD_STAT_IPCS;
    let sum = 0;
    for (let o = p.l3; o < p.l3 + p.ihl; o += 2) sum += f.dv.getUint16(o);
    if (fold16(sum) !== 0xffff) st |= E1000_RXDEXT_STATERR_IPE;
  }
  if (!(on & E1000_RXCSUM_TUOFL)) return st;
  if (p.proto === IPPROTO_TCP) {
    st |= E1000_RXD_STAT_L4CS;
    if (f.win.slab.csum_partial(p.l4, p.l4_len, pseudo_sum(p, f.dv)) !== 0xffff) st |= E1000_RXDEXT_STATERR_L4E;
  } else if (p.proto === IPPROTO_UDP) {
    // A zero field means that the sender computed none (RFC 768). The length inside is IP's to judge, not ours.
    if (f.dv.getUint16(p.l4 + 6) === 0) return st;
    st |= E1000_RXD_STAT_L4CS | E1000_RXD_STAT_UDPCS;
    if (f.win.slab.csum_partial(p.l4, p.l4_len, pseudo_sum(p, f.dv)) !== 0xffff) st |= E1000_RXDEXT_STATERR_L4E;
  } else if (p.proto === IPPROTO_SCTP && on & E1000_RXCSUM_CRCOFL) {
    st |= E1000_RXD_STAT_L4CS;
    if (!sctp_crc_ok(f, p)) st |= E1000_RXDEXT_STATERR_L4E;
  }
  return st;
}

/** RFC 9260 section 6.8: CRC-32C over the packet with the field taken as zero. */
function sctp_crc_ok(f: Frame, p: RxParse): boolean {
  const o = p.l4 + 8;
  const want = f.dv.getInt32(o, true);
  f.dv.setInt32(o, 0);
  const got = crc32c(f.u8, p.l4, p.l4_len);
  f.dv.setInt32(o, want, true);
  return got === want;
}

/** The key changed since the last packet was hashed. */
function rss_refresh(nic: I82576): void {
  nic.rss_stale = false;
  nic.rss_table = toeplitz_table(nic.rss_key, nic.rss_table.length > 0 ? nic.rss_table : undefined);
}
