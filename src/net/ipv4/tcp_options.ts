// TCP options that we send, in Linux's order and padding. Mirrors the option half of net/ipv4/tcp_output.c.
// Read first: RFC 7323, RFC 2018, RFC 7413. Way in: tcp_syn_options(), tcp_established_options(), tcp_options_write().

import type { Sock } from "../core/sock.ts";
import { tcp_advertise_mss } from "./tcp_mss.ts";
import type { FastopenCookie } from "./tcp_parse.ts";
import {
  MAX_TCP_OPTION_SPACE,
  TCPOLEN_SACK_BASE_ALIGNED,
  TCPOLEN_SACK_PERBLOCK,
  TCPOLEN_TSTAMP_ALIGNED,
  type TcpSock,
  tcp_sk,
} from "./tcp_sock.ts";

export const OPTION_SACK_ADVERTISE = 1 << 0;
export const OPTION_TS = 1 << 1;
export const OPTION_WSCALE = 1 << 3;
export const OPTION_FAST_OPEN_COOKIE = 1 << 8;

/** What a header will carry (struct tcp_out_options); one per machine, filled for one segment at a time. */
export class TcpOutOptions {
  options = 0;
  mss = 0;
  ws = 0;
  num_sack_blocks = 0;
  tsval = 0;
  tsecr = 0;
  fastopen_cookie: FastopenCookie | null = null;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    tcp_out: TcpOutOptions;
  }
}

/** Length of the options of a SYN, which also says what we can do. */
export function tcp_syn_options(sk: Sock, tsval: number): number {
  const tp = tcp_sk(sk);
  const o = sk.net.kernel.tcp_out;
  const ipv4 = sk.net.ipv4;
  let len = 4;
  o.options = 0;
  o.num_sack_blocks = 0;
  o.fastopen_cookie = null;
  o.mss = tcp_advertise_mss(sk);
  if (ipv4.sysctl_tcp_timestamps !== 0) {
    o.options |= OPTION_TS;
    o.tsval = tsval;
    o.tsecr = tp.rx_opt.ts_recent;
    len += TCPOLEN_TSTAMP_ALIGNED;
  }
  if (ipv4.sysctl_tcp_window_scaling !== 0) {
    o.options |= OPTION_WSCALE;
    o.ws = tp.rx_opt.rcv_wscale;
    len += 4;
  }
  if (ipv4.sysctl_tcp_sack !== 0) {
    o.options |= OPTION_SACK_ADVERTISE;
    if ((o.options & OPTION_TS) === 0) len += 4;
  }
  const fo = tp.fastopen_req;
  if (fo !== null && fo.cookie.len >= 0) {
    const need = (fo.cookie.len + (fo.cookie.exp ? 4 : 2) + 3) & ~3;
    if (MAX_TCP_OPTION_SPACE - len >= need) {
      o.options |= OPTION_FAST_OPEN_COOKIE;
      o.fastopen_cookie = fo.cookie;
      len += need;
      tp.syn_fastopen = true;
      tp.syn_fastopen_exp = fo.cookie.exp;
    }
  }
  return len;
}

/** Length of the options of any other segment; how many SACK blocks fit is left in tcp_out. */
export function tcp_established_options(tp: TcpSock): number {
  const o = tp.net.kernel.tcp_out;
  let len = 0;
  o.options = 0;
  o.mss = 0;
  o.num_sack_blocks = 0;
  o.fastopen_cookie = null;
  if (tp.rx_opt.tstamp_ok) {
    o.options = OPTION_TS;
    o.tsecr = tp.rx_opt.ts_recent;
    len = TCPOLEN_TSTAMP_ALIGNED;
  }
  const sacks = tp.rx_opt.num_sacks + (tp.rx_opt.dsack ? 1 : 0);
  if (sacks > 0) {
    const room = MAX_TCP_OPTION_SPACE - len;
    o.num_sack_blocks = Math.min(sacks, Math.floor((room - TCPOLEN_SACK_BASE_ALIGNED) / TCPOLEN_SACK_PERBLOCK));
    if (o.num_sack_blocks > 0) len += TCPOLEN_SACK_BASE_ALIGNED + o.num_sack_blocks * TCPOLEN_SACK_PERBLOCK;
  }
  return len;
}

/** Writes what tcp_out says at `at`; `tp` for its SACK blocks. */
export function tcp_options_write(dv: DataView, at: number, tp: TcpSock | null, o: TcpOutOptions): void {
  const opts = o.options;
  if (o.mss !== 0) {
    dv.setInt32(at, (2 << 24) | (4 << 16) | o.mss);
    at += 4;
  }
  if ((opts & OPTION_TS) !== 0) {
    // SACK permitted takes the place of the two NOPs in front of a timestamp.
    dv.setInt32(at, (opts & OPTION_SACK_ADVERTISE) !== 0 ? 0x0402080a : 0x0101080a);
    dv.setInt32(at + 4, o.tsval);
    dv.setInt32(at + 8, o.tsecr);
    at += 12;
  } else if ((opts & OPTION_SACK_ADVERTISE) !== 0) {
    dv.setInt32(at, 0x01010402);
    at += 4;
  }
  if ((opts & OPTION_WSCALE) !== 0) {
    dv.setInt32(at, 0x01030300 | o.ws);
    at += 4;
  }
  if (o.num_sack_blocks > 0 && tp !== null) {
    dv.setInt32(at, 0x01010500 | (2 + o.num_sack_blocks * TCPOLEN_SACK_PERBLOCK));
    at += 4;
    let n = 0;
    if (tp.rx_opt.dsack) {
      const d = tp.duplicate_sack[0]!;
      dv.setInt32(at, d.start_seq);
      dv.setInt32(at + 4, d.end_seq);
      at += 8;
      n = 1;
    }
    for (let i = 0; n < o.num_sack_blocks; i++, n++) {
      const b = tp.selective_acks[i]!;
      dv.setInt32(at, b.start_seq);
      dv.setInt32(at + 4, b.end_seq);
      at += 8;
    }
    tp.rx_opt.dsack = false;
  }
  const foc = o.fastopen_cookie;
  if ((opts & OPTION_FAST_OPEN_COOKIE) !== 0 && foc !== null) {
    let len: number;
    if (foc.exp) {
      len = 4 + foc.len;
      dv.setInt32(at, (254 << 24) | (len << 16) | 0xf989);
      at += 4;
    } else {
      len = 2 + foc.len;
      dv.setUint8(at++, 34);
      dv.setUint8(at++, len);
    }
    for (let i = 0; i < foc.len; i++) dv.setUint8(at++, foc.val[i]!);
    for (; (len & 3) !== 0; len++) dv.setUint8(at++, 1);
  }
}
