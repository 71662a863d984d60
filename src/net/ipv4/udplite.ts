// UDP-Lite: a checksum over a part of the datagram. Mirrors include/net/udplite.h and net/ipv4/udplite.c.
// Read first: RFC 3828; udplite(7). Way in: udplite_csum() when a datagram is sent, udplite_checksum_ok() and
// udplite_coverage_ok() when one comes; the rest is UDP's.

import { csum_fold, csum_tcpudp_nofold } from "../../lib/checksum.ts";
import { IPPROTO_UDPLITE } from "../../uapi/socket.ts";
import { skb_checksum, skb_csum_unnecessary } from "../core/skb_checksum.ts";
import { CHECKSUM_NONE, type SkBuff } from "../core/skbuff.ts";
import type { UdpSock } from "./udp_table.ts";

const UDP_HLEN = 8;
const UDPH_LEN = 4;
const UDPH_CHECK = 6;

// up.pcflag: which of the two the program has set.
const UDPLITE_SEND_CC = 1;
const UDPLITE_RECV_CC = 2;

/** UDPLITE_SEND_CSCOV and UDPLITE_RECV_CSCOV: 0 is everything; less than the header is the header. */
export function udplite_set_cscov(up: UdpSock, send: boolean, val: number): void {
  const cscov = val === 0 ? 0 : Math.min(Math.max(val, UDP_HLEN), 0xffff);
  if (send) up.pcslen = cscov;
  else up.pcrlen = cscov;
  up.pcflag |= send ? UDPLITE_SEND_CC : UDPLITE_RECV_CC;
}

/** Fills length and checksum of a datagram of `len` bytes, header included. There is always one, whatever SO_NO_CHECK says. */
export function udplite_csum(up: UdpSock, skb: SkBuff, len: number, saddr: number, daddr: number): void {
  const dv = skb.head.dv;
  const uh = skb.transport_header;
  let cscov = len;
  if ((up.pcflag & UDPLITE_SEND_CC) !== 0 && up.pcslen < len) {
    if (up.pcslen !== 0) cscov = up.pcslen;
    dv.setUint16(uh + UDPH_LEN, up.pcslen);
  }
  skb.ip_summed = CHECKSUM_NONE;
  const sum = skb_checksum(skb, uh - skb.data, cscov, 0);
  const check = csum_fold(csum_tcpudp_nofold(saddr, daddr, len, IPPROTO_UDPLITE, sum));
  dv.setUint16(uh + UDPH_CHECK, check === 0 ? 0xffff : check);
}

/**
 * RFC 3828: the length field says how many bytes, header included, are summed; 0 is all of them, and there is always a
 * checksum. DIFF: summed when it comes, where Linux leaves long ones to who reads them.
 */
export function udplite_checksum_ok(skb: SkBuff, saddr: number, daddr: number, cscov: number): boolean {
  if (cscov === 0) cscov = skb.len;
  if (cscov < UDP_HLEN || skb.head.dv.getUint16(skb.data + UDPH_CHECK) === 0) return false;
  if (skb_csum_unnecessary(skb)) return true;
  const sum = csum_tcpudp_nofold(saddr, daddr, skb.len, IPPROTO_UDPLITE, skb_checksum(skb, 0, cscov, 0));
  skb.csum_valid = csum_fold(sum) === 0;
  return skb.csum_valid;
}

/** Does a receiver that has an opinion take a datagram of which a part only was summed? It names the least; 0: all of it. */
export function udplite_coverage_ok(up: UdpSock, skb: SkBuff): boolean {
  if ((up.pcflag & UDPLITE_RECV_CC) === 0) return true;
  const cscov = skb.head.dv.getUint16(skb.transport_header + UDPH_LEN);
  const len = skb.len - (skb.transport_header - skb.data);
  if (cscov === 0 || cscov >= len) return true;
  return up.pcrlen !== 0 && cscov >= up.pcrlen;
}
