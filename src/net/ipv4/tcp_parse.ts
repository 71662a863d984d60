// TCP options of a received segment. Mirrors the option parsers of net/ipv4/tcp_input.c.
// Read first: RFC 9293 section 3.1, RFC 7323, RFC 2018, RFC 7413. Way in: tcp_parse_options(), tcp_fast_parse_options().

import { TCPH_DOFF, TCPH_FLAGS, TCPH_LEN } from "../../uapi/ip.ts";
import type { Net } from "../core/net_namespace.ts";
import type { SkBuff } from "../core/skbuff.ts";
import {
  TCP_MAX_WSCALE,
  TCPHDR_SYN,
  TCPOLEN_TSTAMP_ALIGNED,
  type TcpOptionsReceived,
  type TcpSock,
} from "./tcp_sock.ts";

export const TCPOPT_EOL = 0;
export const TCPOPT_NOP = 1;
export const TCPOPT_MSS = 2;
export const TCPOPT_WINDOW = 3;
export const TCPOPT_SACK_PERM = 4;
export const TCPOPT_SACK = 5;
export const TCPOPT_TIMESTAMP = 8;
export const TCPOPT_MD5SIG = 19;
export const TCPOPT_FASTOPEN = 34;
export const TCPOPT_EXP = 254;
export const TCPOPT_FASTOPEN_MAGIC = 0xf989;

const COOKIE_MIN = 4;
const COOKIE_MAX = 16;

/** A Fast Open cookie as it was asked for (len 0), or given; len -1: none. */
export class FastopenCookie {
  len = -1;
  /** In the experimental option 254 instead of 34. */
  exp = false;
  readonly val: Uint8Array = new Uint8Array(COOKIE_MAX);
}

function parse_fastopen(dv: DataView, at: number, len: number, syn: boolean, foc: FastopenCookie, exp: boolean): void {
  if (!syn || len < 0 || (len & 1) !== 0) return;
  if (len >= COOKIE_MIN && len <= COOKIE_MAX) {
    for (let i = 0; i < len; i++) foc.val[i] = dv.getUint8(at + i);
  } else if (len !== 0) len = -1;
  foc.len = len;
  foc.exp = exp;
}

/**
 * Reads all options of the header at `th` into `opt`. With `estab`, options count only where they were negotiated. What is
 * malformed ends the parsing; what was read before it stays.
 */
export function tcp_parse_options(
  net: Net,
  skb: SkBuff,
  th: number,
  opt: TcpOptionsReceived,
  estab: boolean,
  foc: FastopenCookie | null,
): void {
  const dv = skb.head.dv;
  const ipv4 = net.ipv4;
  const syn = (dv.getUint8(th + TCPH_FLAGS) & TCPHDR_SYN) !== 0;
  let at = th + TCPH_LEN;
  const end = th + ((dv.getUint8(th + TCPH_DOFF) >> 4) << 2);
  opt.saw_tstamp = false;
  opt.sack_at = -1;
  while (at < end) {
    const kind = dv.getUint8(at);
    if (kind === TCPOPT_EOL) return;
    if (kind === TCPOPT_NOP) {
      at++;
      continue;
    }
    if (end - at < 2) return;
    const len = dv.getUint8(at + 1);
    if (len < 2 || at + len > end) return;
    switch (kind) {
      case TCPOPT_MSS:
        if (len === 4 && syn && !estab) {
          let mss = dv.getUint16(at + 2);
          if (mss !== 0) {
            if (opt.user_mss !== 0 && opt.user_mss < mss) mss = opt.user_mss;
            opt.mss_clamp = mss;
          }
        }
        break;
      case TCPOPT_WINDOW:
        if (len === 3 && syn && !estab && ipv4.sysctl_tcp_window_scaling !== 0) {
          opt.wscale_ok = true;
          // RFC 7323 section 2.3: a larger shift counts as 14.
          opt.snd_wscale = Math.min(dv.getUint8(at + 2), TCP_MAX_WSCALE);
        }
        break;
      case TCPOPT_TIMESTAMP:
        if (len === 10 && (estab ? opt.tstamp_ok : ipv4.sysctl_tcp_timestamps !== 0)) {
          opt.saw_tstamp = true;
          opt.rcv_tsval = dv.getInt32(at + 2);
          opt.rcv_tsecr = dv.getInt32(at + 6);
        }
        break;
      case TCPOPT_SACK_PERM:
        if (len === 2 && syn && !estab && ipv4.sysctl_tcp_sack !== 0) {
          opt.sack_ok = 1;
          opt.num_sacks = 0;
          opt.dsack = false;
        }
        break;
      case TCPOPT_SACK:
        if (len >= 10 && (len - 2) % 8 === 0 && opt.sack_ok !== 0) opt.sack_at = at;
        break;
      case TCPOPT_FASTOPEN:
        if (foc !== null) parse_fastopen(dv, at + 2, len - 2, syn, foc, false);
        break;
      case TCPOPT_EXP:
        if (foc !== null && len >= 4 && dv.getUint16(at + 2) === TCPOPT_FASTOPEN_MAGIC)
          parse_fastopen(dv, at + 4, len - 4, syn, foc, true);
        break;
    }
    at += len;
  }
}

/** NOP NOP timestamp at the front, alone: the form that nearly every segment has (RFC 7323 appendix A). */
export function tcp_parse_aligned_timestamp(tp: TcpSock, dv: DataView, th: number): boolean {
  if (dv.getInt32(th + TCPH_LEN) !== 0x0101080a) return false;
  const opt = tp.rx_opt;
  opt.saw_tstamp = true;
  opt.rcv_tsval = dv.getInt32(th + TCPH_LEN + 4);
  const ecr = dv.getInt32(th + TCPH_LEN + 8);
  opt.rcv_tsecr = ecr !== 0 ? (ecr - tp.tsoffset) | 0 : 0;
  return true;
}

/** Options of a segment of an established connection. False when there are none. */
export function tcp_fast_parse_options(net: Net, skb: SkBuff, th: number, tp: TcpSock): boolean {
  const opt = tp.rx_opt;
  const dv = skb.head.dv;
  const hlen = (dv.getUint8(th + TCPH_DOFF) >> 4) << 2;
  if (hlen === TCPH_LEN) {
    opt.saw_tstamp = false;
    opt.sack_at = -1;
    return false;
  }
  if (opt.tstamp_ok && hlen === TCPH_LEN + TCPOLEN_TSTAMP_ALIGNED && tcp_parse_aligned_timestamp(tp, dv, th)) {
    opt.sack_at = -1;
    return true;
  }
  tcp_parse_options(net, skb, th, opt, true, null);
  if (opt.saw_tstamp && opt.rcv_tsecr !== 0) opt.rcv_tsecr = (opt.rcv_tsecr - tp.tsoffset) | 0;
  return true;
}
