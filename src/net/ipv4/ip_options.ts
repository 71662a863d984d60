// Options of the IPv4 header: parsed, acted on, answered, built. Mirrors net/ipv4/ip_options.c.
// Read first: RFC 791 section 3.1, RFC 1122 section 3.2.1.8, RFC 1812 section 5.3.13, RFC 2113 (router alert).
// Way in: ip_options_compile() for a received header, ip_options_get() for setsockopt(IP_OPTIONS).

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_ip_forward_options, F_ip_options_compile, F_ip_options_rcv_srr } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { ip_fast_csum } from "../../lib/checksum.ts";
import { EINVAL, ENOMEM } from "../../uapi/errno.ts";
import {
  ICMP_PARAMETERPROB,
  IPH_CHECK,
  IPH_DADDR,
  IPH_LEN,
  IPH_SADDR,
  IPH_TOS,
  IPOPT_CIPSO,
  IPOPT_END,
  IPOPT_LSRR,
  IPOPT_NOOP,
  IPOPT_RA,
  IPOPT_RR,
  IPOPT_SSRR,
  IPOPT_TIMESTAMP,
  MAX_IPOPTLEN,
} from "../../uapi/ip.ts";
import { RT_SCOPE_UNIVERSE, RTN_LOCAL, RTN_UNICAST } from "../../uapi/rtnetlink.ts";
import { PACKET_HOST } from "../../uapi/socket.ts";
import { type DstEntry, dst_release } from "../core/dst.ts";
import { IpOptions } from "../core/ip_options_type.ts";
import type { Net } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import { type SkBuff, skb_cow_head } from "../core/skbuff.ts";
import { inet_select_addr } from "./devinet.ts";
import { fib_compute_spec_dst, fib_lookup, inet_addr_type } from "./fib_frontend.ts";
import { fib_result_prefsrc } from "./fib_semantics.ts";
import { icmp_send } from "./icmp.ts";
import { FibResult, Flowi4 } from "./ip_fib.ts";
import { flowi4_init_output, ip_route_input, type Rtable, rt_nexthop } from "./route.ts";

const IPOPT_COPY = 0x80;
const IPOPT_TS_TSONLY = 0;
const IPOPT_TS_TSANDADDR = 1;
const IPOPT_TS_PRESPEC = 3;
/** The smallest pointers: behind type, length and pointer (and flags). */
const IPOPT_MINOFF = 4;
const IPOPT_TS_MINOFF = 5;

/** Milliseconds since midnight UTC (RFC 791, 792). */
export const inet_current_timestamp = (k: Kernel): number => Math.floor(k.host.realtime_ms() % 86400000);

const get32 = (u8: Uint8Array, at: number): number =>
  (u8[at]! << 24) | (u8[at + 1]! << 16) | (u8[at + 2]! << 8) | u8[at + 3]!;

function put32(u8: Uint8Array, at: number, v: number): void {
  u8[at] = v >>> 24;
  u8[at + 1] = v >>> 16;
  u8[at + 2] = v >>> 8;
  u8[at + 3] = v;
}

/** The address by which the packet leaves: its own source when we made it, else the one of the way out. */
function ip_rt_get_source(skb: SkBuff, rt: Rtable): number {
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const saddr = dv.getInt32(iph + IPH_SADDR);
  if (!rt.rt_is_input) return saddr;
  const daddr = dv.getInt32(iph + IPH_DADDR);
  const fl4 = new Flowi4();
  flowi4_init_output(fl4, rt.dev.ifindex, skb.mark, dv.getUint8(iph + IPH_TOS), 0, 0, 0, daddr, saddr, 0, 0);
  fl4.flowi4_iif = skb.dev !== null ? skb.dev.ifindex : 0;
  const res = new FibResult();
  if (fib_lookup(rt.net, fl4, res, 0) === 0) return fib_result_prefsrc(rt.net, res);
  return inet_select_addr(rt.dev, rt_nexthop(rt, daddr), RT_SCOPE_UNIVERSE);
}

// --- parsing ------------------------------------------------------------------------------------------------------

/** One pass over the options. All positions count from the start of the header; u8[base] is its first byte. */
class OptionParser {
  readonly net: Net;
  readonly opt: IpOptions;
  readonly u8: Uint8Array;
  readonly base: number;
  /** The packet they came in, null for those a program gives. */
  readonly skb: SkBuff | null;

  constructor(net: Net, opt: IpOptions, u8: Uint8Array, base: number, skb: SkBuff | null) {
    this.net = net;
    this.opt = opt;
    this.u8 = u8;
    this.base = base;
    this.skb = skb;
  }
}

/** Returns 0, or the position of the byte that is wrong. Fills in our address and the time where a packet asks for it. */
function parse_options(p: OptionParser): number {
  const { opt, u8, base } = p;
  const end = IPH_LEN + opt.optlen;
  let at = IPH_LEN;
  while (at < end) {
    const type = u8[base + at]!;
    if (type === IPOPT_END) {
      for (at++; at < end; at++) {
        if (u8[base + at] === IPOPT_END) continue;
        u8[base + at] = IPOPT_END;
        opt.is_changed = true;
      }
      return 0;
    }
    if (type === IPOPT_NOOP) {
      at++;
      continue;
    }
    if (end - at < 2) return at;
    const len = u8[base + at + 1]!;
    if (len < 2 || len > end - at) return at;
    const bad = parse_option(p, type, at, len);
    if (bad !== 0) return bad;
    at += len;
  }
  return 0;
}

function parse_option(p: OptionParser, type: number, at: number, len: number): number {
  const { opt, u8, base } = p;
  switch (type) {
    case IPOPT_SSRR:
    case IPOPT_LSRR:
      return parse_srr(p, type === IPOPT_SSRR, at, len);
    case IPOPT_RR:
      return parse_rr(p, at, len);
    case IPOPT_TIMESTAMP:
      return parse_timestamp(p, at, len);
    case IPOPT_RA:
      if (len < 4) return at + 1;
      if (u8[base + at + 2] === 0 && u8[base + at + 3] === 0) opt.router_alert = at;
      return 0;
    case IPOPT_CIPSO:
      if (opt.cipso !== 0) return at;
      opt.cipso = at;
      // No domain of interpretation is configured, so none matches (draft-ietf-cipso-ipsecurity-01).
      return len < 8 ? at + 1 : at + 2;
    default:
      return 0;
  }
}

function parse_srr(p: OptionParser, strict: boolean, at: number, len: number): number {
  const { opt, u8, base } = p;
  if (len < 3) return at + 1;
  const ptr = u8[base + at + 2]!;
  if (ptr < IPOPT_MINOFF) return at + 2;
  // RFC 1122 section 3.2.1.8 (c): one source route at most.
  if (opt.srr !== 0) return at;
  if (p.skb === null) {
    // A program names the whole way: the first hop becomes the destination, the others move up.
    if (ptr !== IPOPT_MINOFF || len < 7 || ((len - 3) & 3) !== 0) return at + 1;
    opt.faddr = get32(u8, base + at + 3);
    if (len > 7) u8.copyWithin(base + at + 3, base + at + 7, base + at + len);
  }
  opt.is_strictroute = strict;
  opt.srr = at;
  return 0;
}

/** Where the packet's own address goes in a record; only packets that are routed already have one. */
function fill_address(p: OptionParser, at: number): boolean {
  const skb = p.skb;
  if (skb === null || skb.dst === null) return false;
  put32(p.u8, p.base + at, fib_compute_spec_dst(skb));
  p.opt.is_changed = true;
  return true;
}

function parse_rr(p: OptionParser, at: number, len: number): number {
  const { opt, u8, base } = p;
  if (opt.rr !== 0) return at;
  if (len < 3) return at + 1;
  const ptr = u8[base + at + 2]!;
  if (ptr < IPOPT_MINOFF) return at + 2;
  if (ptr <= len) {
    if (ptr + 3 > len) return at + 2;
    fill_address(p, at + ptr - 1);
    u8[base + at + 2] = ptr + 4;
    opt.rr_needaddr = true;
  }
  opt.rr = at;
  return 0;
}

function parse_timestamp(p: OptionParser, at: number, len: number): number {
  const { opt, u8, base, skb } = p;
  if (opt.ts !== 0) return at;
  if (len < 4) return at + 1;
  const ptr = u8[base + at + 2]!;
  if (ptr < IPOPT_TS_MINOFF) return at + 2;
  const flags = u8[base + at + 3]!;
  const kind = flags & 0xf;
  if (ptr <= len) {
    if (ptr + 3 > len) return at + 2;
    let time_at = 0;
    switch (kind) {
      case IPOPT_TS_TSONLY:
        if (skb !== null) time_at = at + ptr - 1;
        opt.ts_needtime = true;
        u8[base + at + 2] = ptr + 4;
        break;
      case IPOPT_TS_TSANDADDR:
        if (ptr + 7 > len) return at + 2;
        if (fill_address(p, at + ptr - 1)) time_at = at + ptr + 3;
        opt.ts_needaddr = true;
        opt.ts_needtime = true;
        u8[base + at + 2] = ptr + 8;
        break;
      case IPOPT_TS_PRESPEC:
        if (ptr + 7 > len) return at + 2;
        // Only the host that is named stamps.
        if (inet_addr_type(p.net, get32(u8, base + at + ptr - 1)) === RTN_UNICAST) break;
        if (skb !== null) time_at = at + ptr + 3;
        opt.ts_needtime = true;
        u8[base + at + 2] = ptr + 8;
        break;
    }
    if (time_at !== 0) {
      put32(u8, base + time_at, inet_current_timestamp(p.net.kernel));
      opt.is_changed = true;
    }
  } else if (kind !== IPOPT_TS_PRESPEC) {
    // Full: count the hosts that could not stamp, as far as four bits go.
    if (flags >> 4 === 15) return at + 3;
    if (skb !== null) {
      u8[base + at + 3] = flags + 0x10;
      opt.is_changed = true;
    }
  }
  opt.ts = at;
  return 0;
}

/**
 * Parses the options of a received header into skb.ipcb_opt, or (skb null) those in opt.data for sending. Returns 0 or
 * -EINVAL; the sender of a bad packet is told by ICMP where it is bad.
 */
export function ip_options_compile(net: Net, opt: IpOptions | null, skb: SkBuff | null): number {
  if (skb === null) {
    const o = opt!;
    return parse_options(new OptionParser(net, o, o.data!, -IPH_LEN, null)) === 0 ? 0 : -EINVAL;
  }
  if (trace_key.on) trace_fn(F_ip_options_compile, skb);
  // The bytes are written to: they must not be a tap's as well.
  if (skb_cow_head(skb, 0) < 0) return -ENOMEM;
  if (opt === null) opt = new IpOptions();
  opt.optlen = ((skb.head.u8[skb.network_header]! & 0xf) << 2) - IPH_LEN;
  skb.ipcb_opt = opt;
  const bad = parse_options(new OptionParser(net, opt, skb.head.u8, skb.network_header, skb));
  if (bad === 0) return 0;
  icmp_send(skb, ICMP_PARAMETERPROB, 0, bad << 24);
  return -EINVAL;
}

/** Options as setsockopt(IP_OPTIONS) or a cmsg gives them, padded and checked. -errno when they are not right. */
export function ip_options_get(net: Net, data: Uint8Array): IpOptions | number {
  if (data.length > MAX_IPOPTLEN) return -EINVAL;
  const opt = new IpOptions();
  opt.optlen = (data.length + 3) & ~3;
  opt.data = new Uint8Array(opt.optlen);
  opt.data.set(data);
  if (opt.optlen !== 0 && ip_options_compile(net, opt, null) < 0) return -EINVAL;
  return opt;
}

/** Takes back, in opt.data, what compiling moved and reserved: getsockopt(IP_OPTIONS) and IP_RETOPTS show the rest. */
export function ip_options_undo(opt: IpOptions): void {
  const u8 = opt.data!;
  if (opt.srr !== 0) {
    const at = opt.srr - IPH_LEN;
    u8.copyWithin(at + 7, at + 3, at + u8[at + 1]! - 4);
    put32(u8, at + 3, opt.faddr);
  }
  if (opt.rr_needaddr) {
    const at = opt.rr - IPH_LEN;
    u8[at + 2]! -= 4;
    u8.fill(0, at + u8[at + 2]! - 1, at + u8[at + 2]! + 3);
  }
  if (opt.ts !== 0) {
    const at = opt.ts - IPH_LEN;
    if (opt.ts_needtime) {
      u8[at + 2]! -= 4;
      u8.fill(0, at + u8[at + 2]! - 1, at + u8[at + 2]! + 3);
      if ((u8[at + 3]! & 0xf) === IPOPT_TS_PRESPEC) u8[at + 2]! -= 4;
    }
    if (opt.ts_needaddr) {
      u8[at + 2]! -= 4;
      u8.fill(0, at + u8[at + 2]! - 1, at + u8[at + 2]! + 3);
    }
  }
}

// --- sending ------------------------------------------------------------------------------------------------------

/** Writes the options behind the header of a packet to send, which has room for them. `daddr` ends a source route. */
export function ip_options_build(skb: SkBuff, opt: IpOptions, daddr: number, rt: Rtable): void {
  const iph = skb.network_header;
  const u8 = skb.head.u8;
  const data = opt.data!;
  for (let i = 0; i < opt.optlen; i++) u8[iph + IPH_LEN + i] = data[i]!;
  skb.ipcb_opt = opt;
  if (opt.srr !== 0) put32(u8, iph + opt.srr + u8[iph + opt.srr + 1]! - 4, daddr);
  if (opt.rr_needaddr) put32(u8, iph + opt.rr + u8[iph + opt.rr + 2]! - 5, ip_rt_get_source(skb, rt));
  if (opt.ts_needaddr) put32(u8, iph + opt.ts + u8[iph + opt.ts + 2]! - 9, ip_rt_get_source(skb, rt));
  if (opt.ts_needtime) put32(u8, iph + opt.ts + u8[iph + opt.ts + 2]! - 5, inet_current_timestamp(skb.kernel));
}

/**
 * The options of an answer to `skb`: records go on, a source route turns round (RFC 1122 section 3.2.1.8). Returns 0 or
 * -EINVAL. dopt.data must hold 40 bytes.
 */
export function ip_options_echo(net: Net, dopt: IpOptions, skb: SkBuff): number {
  const sopt = skb.ipcb_opt;
  dopt.optlen = 0;
  if (sopt === null || sopt.optlen === 0) return 0;
  const s = skb.head.u8;
  const iph = skb.network_header;
  const d = dopt.data!;
  let n = 0;
  const copy = (from: number): number => {
    const len = s[iph + from + 1]!;
    for (let i = 0; i < len; i++) d[n + i] = s[iph + from + i]!;
    return len;
  };
  if (sopt.rr !== 0) {
    const len = copy(sopt.rr);
    const ptr = s[iph + sopt.rr + 2]!;
    dopt.rr = n + IPH_LEN;
    if (sopt.rr_needaddr && ptr <= len) {
      if (ptr + 3 > len) return -EINVAL;
      d[n + 2] = ptr + 4;
      dopt.rr_needaddr = true;
    }
    n += len;
  }
  if (sopt.ts !== 0) {
    const len = copy(sopt.ts);
    let ptr = s[iph + sopt.ts + 2]!;
    dopt.ts = n + IPH_LEN;
    if (ptr <= len) {
      if (sopt.ts_needaddr) {
        if (ptr + 3 > len) return -EINVAL;
        dopt.ts_needaddr = true;
        ptr += 4;
      }
      if (sopt.ts_needtime) {
        if (ptr + 3 > len) return -EINVAL;
        if ((d[n + 3]! & 0xf) !== IPOPT_TS_PRESPEC) {
          dopt.ts_needtime = true;
          ptr += 4;
        } else if (ptr + 7 <= len && inet_addr_type(net, get32(d, n + ptr - 1)) !== RTN_UNICAST) {
          dopt.ts_needtime = true;
          ptr += 8;
        }
      }
      d[n + 2] = ptr;
    }
    n += len;
  }
  if (sopt.srr !== 0) n = echo_srr(dopt, skb, sopt, n);
  if (sopt.cipso !== 0) {
    dopt.cipso = n + IPH_LEN;
    n += copy(sopt.cipso);
  }
  while ((n & 3) !== 0) d[n++] = IPOPT_END;
  dopt.optlen = n;
  return 0;
}

/** The same as options of their own, for a program that wants to answer (IP_RETOPTS). -errno when they are not right. */
export function __ip_options_echo(net: Net, skb: SkBuff, sopt: IpOptions): IpOptions | number {
  const dopt = new IpOptions();
  dopt.data = new Uint8Array(MAX_IPOPTLEN + 4);
  const own = skb.ipcb_opt;
  skb.ipcb_opt = sopt;
  const err = ip_options_echo(net, dopt, skb);
  skb.ipcb_opt = own;
  return err < 0 ? err : dopt;
}

/** The recorded hops in reverse order; the last of them is where the answer goes first. */
function echo_srr(dopt: IpOptions, skb: SkBuff, sopt: IpOptions, n: number): number {
  const s = skb.head.u8;
  const d = dopt.data!;
  const at = skb.network_header + sopt.srr;
  const len = s[at + 1]!;
  let from = s[at + 2]!;
  if (from > len) from = len + 1;
  from -= 4;
  if (from <= 3) return n;
  const faddr = get32(s, at + from - 1);
  let to = 4;
  for (from -= 4; from > 3; from -= 4) {
    put32(d, n + to - 1, get32(s, at + from - 1));
    to += 4;
  }
  // RFC 1812 section 5.2.4.3: a route that names its sender as first hop is repaired.
  if (get32(s, skb.network_header + IPH_SADDR) === get32(s, at + from + 3)) to -= 4;
  if (to <= 3) return n;
  dopt.faddr = faddr;
  d[n] = s[at]!;
  d[n + 1] = to + 3;
  d[n + 2] = 4;
  dopt.srr = n + IPH_LEN;
  dopt.is_strictroute = sopt.is_strictroute;
  return n + to + 3;
}

/** In fragments behind the first only options with the copy bit stay (RFC 791 section 3.1); the others become no-ops. */
export function ip_options_fragment(u8: Uint8Array, off: number, optlen: number): void {
  const end = off + optlen;
  while (off < end) {
    const type = u8[off]!;
    if (type === IPOPT_END) return;
    if (type === IPOPT_NOOP) {
      off++;
      continue;
    }
    const len = off + 1 < end ? u8[off + 1]! : 0;
    if (len < 2 || off + len > end) return;
    if ((type & IPOPT_COPY) === 0) u8.fill(IPOPT_NOOP, off, off + len);
    off += len;
  }
}

// --- passing on ---------------------------------------------------------------------------------------------------

/** A packet is forwarded: its records show the address by which it leaves, its source route moves on by one. */
export function ip_forward_options(skb: SkBuff): void {
  if (trace_key.on) trace_fn(F_ip_forward_options, skb);
  const opt = skb.ipcb_opt!;
  const rt = skb.dst as Rtable;
  const { u8, dv } = skb.head;
  const iph = skb.network_header;
  if (opt.rr_needaddr) {
    put32(u8, iph + opt.rr + u8[iph + opt.rr + 2]! - 5, ip_rt_get_source(skb, rt));
    opt.is_changed = true;
  }
  if (opt.srr_is_hit) {
    const at = iph + opt.srr;
    const len = u8[at + 1]!;
    let ptr = u8[at + 2]!;
    while (ptr + 3 <= len && get32(u8, at + ptr - 1) !== opt.nexthop) ptr += 4;
    if (ptr + 3 <= len) {
      dv.setInt32(iph + IPH_DADDR, opt.nexthop);
      put32(u8, at + ptr - 1, ip_rt_get_source(skb, rt));
      u8[at + 2] = ptr + 4;
      opt.is_changed = true;
    }
    // As Linux does it: only a source-routed packet gets the address of the way out beside its timestamp.
    if (opt.ts_needaddr) {
      put32(u8, iph + opt.ts + u8[iph + opt.ts + 2]! - 9, ip_rt_get_source(skb, rt));
      opt.is_changed = true;
    }
  }
  if (opt.is_changed) {
    opt.is_changed = false;
    dv.setUint16(iph + IPH_CHECK, 0);
    dv.setUint16(iph + IPH_CHECK, ip_fast_csum(dv, iph, u8[iph]! & 0xf));
  }
}

function restore_dst(skb: SkBuff, dst: DstEntry | null, noref: boolean): void {
  const now = skb.dst;
  if (now !== null && !skb.dst_noref) dst_release(now);
  skb.dst = dst;
  skb.dst_noref = noref;
}

/** A source-routed packet reached a host it names: where does it go on? Returns 0 or -EINVAL. */
export function ip_options_rcv_srr(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_ip_options_rcv_srr, skb);
  const opt = skb.ipcb_opt!;
  let rt = skb.dst as Rtable | null;
  if (rt === null) return 0;
  if (skb.pkt_type !== PACKET_HOST) return -EINVAL;
  if (rt.rt_type === RTN_UNICAST) {
    if (!opt.is_strictroute) return 0;
    // Strict, and we are not on the list: the destination field is wrong.
    icmp_send(skb, ICMP_PARAMETERPROB, 0, IPH_DADDR << 24);
    return -EINVAL;
  }
  if (rt.rt_type !== RTN_LOCAL) return -EINVAL;
  const { u8, dv } = skb.head;
  const iph = skb.network_header;
  const at = iph + opt.srr;
  const len = u8[at + 1]!;
  let ptr = u8[at + 2]!;
  for (; ptr <= len; ptr += 4) {
    if (ptr + 3 > len) {
      icmp_send(skb, ICMP_PARAMETERPROB, 0, (opt.srr + 2) << 24);
      return -EINVAL;
    }
    const nexthop = get32(u8, at + ptr - 1);
    const old = skb.dst;
    const old_noref = skb.dst_noref;
    skb.dst = null;
    skb.dst_noref = false;
    const err = ip_route_input(skb, nexthop, dv.getInt32(iph + IPH_SADDR), dv.getUint8(iph + IPH_TOS) & 0xfc, dev);
    rt = skb.dst as Rtable | null;
    if (err !== 0 || rt === null || (rt.rt_type !== RTN_UNICAST && rt.rt_type !== RTN_LOCAL)) {
      restore_dst(skb, old, old_noref);
      return -EINVAL;
    }
    if (old !== null && !old_noref) dst_release(old);
    opt.nexthop = nexthop;
    if (rt.rt_type !== RTN_LOCAL) break;
    // The next hop is us as well: one step further without leaving.
    dv.setInt32(iph + IPH_DADDR, nexthop);
    opt.is_changed = true;
  }
  if (ptr <= len) {
    opt.srr_is_hit = true;
    opt.is_changed = true;
  }
  return 0;
}
