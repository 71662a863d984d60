// ICMP: queries answered, errors received and errors made. Mirrors net/ipv4/icmp.c.
// Read first: RFC 792, RFC 1122 section 3.2.2, RFC 1812 section 4.3, RFC 8335 (in icmp_probe.ts).
// Way in: icmp_rcv() for what comes in, icmp_send() for the error about a packet; icmp_err() for errors about our own.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { proc_dointvec, register_sysctl } from "../../kernel/sysctl.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import {
  F___icmp_send,
  F_icmp_echo,
  F_icmp_push_reply,
  F_icmp_rcv,
  F_icmp_redirect,
  F_icmp_reply,
  F_icmp_socket_deliver,
  F_icmp_timestamp,
  F_icmp_unreach,
} from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_fold, csum_partial_dv, csum_replace2 } from "../../lib/checksum.ts";
import {
  ECONNREFUSED,
  EHOSTDOWN,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENONET,
  ENOPROTOOPT,
  EOPNOTSUPP,
} from "../../uapi/errno.ts";
import { IFF_LOOPBACK } from "../../uapi/if.ts";
import {
  ICMP_ADDRESS,
  ICMP_ADDRESSREPLY,
  ICMP_DEST_UNREACH,
  ICMP_ECHO,
  ICMP_ECHOREPLY,
  ICMP_EXC_FRAGTIME,
  ICMP_EXT_ECHO,
  ICMP_EXT_ECHOREPLY,
  ICMP_FRAG_NEEDED,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_SOURCE_QUENCH,
  ICMP_TIME_EXCEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMPREPLY,
  ICMPH_CHECK,
  ICMPH_CODE,
  ICMPH_GATEWAY,
  ICMPH_ID,
  ICMPH_LEN,
  ICMPH_MTU,
  ICMPH_TYPE,
  IP_OFFSET,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_LEN,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOS,
  IPH_TTL,
  NR_ICMP_TYPES,
  NR_ICMP_UNREACH,
} from "../../uapi/ip.ts";
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE, RTN_BROADCAST, RTN_MULTICAST } from "../../uapi/rtnetlink.ts";
import { IPPROTO_ICMP, PACKET_HOST } from "../../uapi/socket.ts";
import {
  SKB_DROP_REASON_ICMP_CSUM,
  SKB_DROP_REASON_NOT_SPECIFIED,
  SKB_DROP_REASON_PKT_TOO_SMALL,
  SKB_DROP_REASON_UNHANDLED_ICMP,
  SKB_NOT_DROPPED_YET,
} from "../core/dropreason.ts";
import { dst_mtu } from "../core/dst.ts";
import { IpOptions } from "../core/ip_options_type.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { LL_RESERVED_SPACE } from "../core/netdevice.ts";
import { skb_checksum, skb_checksum_simple_validate } from "../core/skb_checksum.ts";
import {
  __skb_pull,
  alloc_skb,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  pskb_may_pull,
  type SkBuff,
  skb_copy_bits,
  skb_copy_bits_to_head,
  skb_put,
  skb_reserve,
} from "../core/skbuff.ts";
import {
  ICMP_MIB_CSUMERRORS,
  ICMP_MIB_INERRORS,
  ICMP_MIB_INMSGS,
  ICMP_MIB_OUTERRORS,
  ICMP_MIB_OUTMSGS,
  ICMP_MIB_RATELIMITGLOBAL,
  ICMP_MIB_RATELIMITHOST,
} from "../core/snmp.ts";
import { inet_select_addr } from "./devinet.ts";
import { fib_compute_spec_dst, inet_addr_type } from "./fib_frontend.ts";
import { icmp_build_probe } from "./icmp_probe.ts";
import { ip4_dst_hoplimit } from "./inet_sock.ts";
import { inet_getpeer_v4, inet_peer_init, inet_peer_xrlim_allow } from "./inetpeer.ts";
import { Flowi4 } from "./ip_fib.ts";
import { inet_current_timestamp, ip_options_build, ip_options_echo } from "./ip_options.ts";
import { ip_local_out, ip_select_ident } from "./ip_output.ts";
import { ping_err, ping_rcv } from "./ping.ts";
import { raw_icmp_error } from "./raw.ts";
import {
  flowi4_init_output,
  ip_route_output_key,
  ip_rt_put,
  ipv4_redirect,
  ipv4_update_pmtu,
  RTCF_BROADCAST,
  RTCF_LOCAL,
  RTCF_MULTICAST,
  type Rtable,
} from "./route.ts";

/** RFC 7600: the address of a router that has none. */
const INADDR_DUMMY = 0xc0000008 | 0;
const IPTOS_PREC_INTERNETCONTROL = 0xc0;
const IPTOS_TOS_MASK = 0x1e;
/** RFC 1812 section 4.3.2.3: as much of the packet as makes an error of 576 bytes. */
const ICMP_ERROR_MAX = 576;

/** What an unreachable of each code means for the socket: errno, and whether it is fatal (RFC 1122 section 4.2.3.9). */
export const icmp_err_convert: readonly { readonly errno: number; readonly fatal: boolean }[] = [
  { errno: ENETUNREACH, fatal: false },
  { errno: EHOSTUNREACH, fatal: false },
  { errno: ENOPROTOOPT, fatal: true },
  { errno: ECONNREFUSED, fatal: true },
  { errno: EMSGSIZE, fatal: false },
  { errno: EOPNOTSUPP, fatal: false },
  { errno: ENETUNREACH, fatal: true },
  { errno: EHOSTDOWN, fatal: true },
  { errno: ENONET, fatal: true },
  { errno: ENETUNREACH, fatal: true },
  { errno: EHOSTUNREACH, fatal: true },
  { errno: ENETUNREACH, fatal: false },
  { errno: EHOSTUNREACH, fatal: false },
  { errno: EHOSTUNREACH, fatal: true },
  { errno: EHOSTUNREACH, fatal: true },
  { errno: EHOSTUNREACH, fatal: true },
];

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Scratch of one message at a time; nothing in it lives past the sending. */
    icmp_fl4: Flowi4;
    icmp_opt: IpOptions;
    /** Random bytes, drawn 64 at a time, for the global rate limit. */
    icmp_rnd: Uint8Array;
    icmp_rnd_at: number;
  }
}
declare module "../core/net_namespace.ts" {
  interface Net {
    /** Global rate limit: messages that may still be sent, and when (jiffies) they were last topped up. */
    icmp_global_credit: number;
    icmp_global_stamp: number;
  }
}

/** Errors about which no error is sent (RFC 1122 section 3.2.2). */
const is_error_type = (type: number): boolean =>
  type === ICMP_DEST_UNREACH ||
  type === ICMP_SOURCE_QUENCH ||
  type === ICMP_REDIRECT ||
  type === ICMP_TIME_EXCEEDED ||
  type === ICMP_PARAMETERPROB;

export function icmp_out_count(net: Net, type: number): void {
  net.mib.icmpmsg[256 + (type & 0xff)]!++;
  net.mib.icmp[ICMP_MIB_OUTMSGS]!++;
}

// --- rate limits --------------------------------------------------------------------------------------------------

/** Types that icmp_ratemask does not name, and path MTU discovery, are never limited. */
function icmpv4_mask_allow(net: Net, type: number, code: number): boolean {
  if (type > NR_ICMP_TYPES) return true;
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) return true;
  return ((1 << type) & net.ipv4.sysctl_icmp_ratemask) === 0;
}

/** Is there budget left in the namespace, however many hosts it goes to? */
export function icmp_global_allow(net: Net): boolean {
  if (net.icmp_global_credit > 0) return true;
  const now = jiffies(net.kernel);
  const delta = Math.min(now - net.icmp_global_stamp, 1000);
  if (delta < 20) return false;
  const incr = Math.floor((net.ipv4.sysctl_icmp_msgs_per_sec * delta) / 1000);
  if (incr === 0) return false;
  net.icmp_global_stamp = now;
  net.icmp_global_credit = Math.min(net.icmp_global_credit + incr, net.ipv4.sysctl_icmp_msgs_burst);
  return true;
}

/** Takes 0, 1 or 2 at random, so that nobody can count our messages to others by what is left for him. */
function icmp_global_consume(net: Net): void {
  const k = net.kernel;
  let v: number;
  do {
    if (k.icmp_rnd_at === k.icmp_rnd.length) {
      k.host.random_bytes(k.icmp_rnd);
      k.icmp_rnd_at = 0;
    }
    v = k.icmp_rnd[k.icmp_rnd_at++]!;
  } while (v === 255);
  net.icmp_global_credit = Math.max(0, net.icmp_global_credit - (v % 3));
}

function icmpv4_xrlim_allow(net: Net, rt: Rtable, daddr: number): boolean {
  if ((rt.dev.flags & IFF_LOOPBACK) !== 0) return true;
  if (inet_peer_xrlim_allow(net, inet_getpeer_v4(net, daddr), net.ipv4.sysctl_icmp_ratelimit)) {
    icmp_global_consume(net);
    return true;
  }
  net.mib.icmp[ICMP_MIB_RATELIMITHOST]!++;
  return false;
}

// --- sending ------------------------------------------------------------------------------------------------------

/** An empty packet with an IP header for `len` bytes of ICMP, at whose first byte skb.transport_header points; or null. */
function icmp_alloc(
  net: Net,
  rt: Rtable,
  saddr: number,
  daddr: number,
  tos: number,
  opt: IpOptions,
  len: number,
): SkBuff | null {
  const hlen = IPH_LEN + opt.optlen;
  const hh_len = LL_RESERVED_SPACE(rt.dev);
  const skb = hlen + len > 0xffff ? null : alloc_skb(net.kernel, hh_len + hlen + len);
  if (skb === null) {
    net.mib.icmp[ICMP_MIB_OUTERRORS]!++;
    ip_rt_put(rt);
    return null;
  }
  skb_reserve(skb, hh_len);
  const iph = skb_put(skb, hlen + len);
  skb.network_header = iph;
  skb.transport_header = iph + hlen;
  skb.dst = rt;
  const dv = skb.head.dv;
  const ttl = rt.rt_type === RTN_MULTICAST ? 1 : ip4_dst_hoplimit(rt);
  dv.setUint16(iph, ((0x40 | (hlen >> 2)) << 8) | tos);
  dv.setUint16(iph + IPH_FRAG_OFF, 0);
  dv.setUint16(iph + IPH_TTL, (ttl << 8) | IPPROTO_ICMP);
  dv.setInt32(iph + IPH_SADDR, saddr);
  dv.setInt32(iph + IPH_DADDR, daddr);
  return skb;
}

/** Options last, as the address they record is the header's; then the packet goes. */
function icmp_push(net: Net, skb: SkBuff, rt: Rtable, opt: IpOptions, daddr: number): void {
  if (trace_key.on) trace_fn(F_icmp_push_reply, skb);
  if (opt.optlen !== 0) {
    const own = new IpOptions();
    Object.assign(own, opt);
    own.data = opt.data!.slice(0, opt.optlen);
    ip_options_build(skb, own, daddr, rt);
  }
  ip_select_ident(net, skb, null);
  ip_local_out(net, null, skb);
}

/** The checksum over the ICMP message of a packet just built. */
function icmp_checksum(skb: SkBuff): void {
  const th = skb.transport_header;
  const len = skb.tail - th;
  const head = skb.head;
  head.dv.setUint16(th + ICMPH_CHECK, 0);
  const sum = len < 96 ? csum_partial_dv(head.dv, th, len, 0) : head.slab.csum_partial(head.base + th, len, 0);
  head.dv.setUint16(th + ICMPH_CHECK, csum_fold(sum));
}

function reset_options(k: Kernel): IpOptions {
  const opt = k.icmp_opt;
  if (opt.optlen !== 0 || opt.srr !== 0) {
    const data = opt.data;
    Object.assign(opt, new IpOptions());
    opt.data = data;
  }
  return opt;
}

/**
 * Answers the query in `skb` (data behind its ICMP header): type and code new, rest of the header `un`, then `data_len`
 * bytes of the query's, or the timestamps in `times`.
 */
function icmp_reply(skb: SkBuff, type: number, code: number, un: number, data_len: number, times: number): void {
  if (trace_key.on) trace_fn(F_icmp_reply, skb);
  const in_rt = skb.dst as Rtable;
  const net = in_rt.net;
  const k = skb.kernel;
  const opt = reset_options(k);
  if (skb.ipcb_opt !== null && ip_options_echo(net, opt, skb) < 0) return;
  const limit = !icmpv4_mask_allow(net, type, code);
  if (limit && !icmp_global_allow(net)) {
    net.mib.icmp[ICMP_MIB_RATELIMITGLOBAL]!++;
    return;
  }
  const qv = skb.head.dv;
  const q_iph = skb.network_header;
  const q_th = skb.transport_header;
  const tos = qv.getUint8(q_iph + IPH_TOS);
  const peer = qv.getInt32(q_iph + IPH_SADDR);
  const daddr = opt.srr !== 0 ? opt.faddr : peer;
  const saddr = fib_compute_spec_dst(skb);
  const mark = net.ipv4.sysctl_fwmark_reflect !== 0 ? skb.mark : 0;
  const fl4 = k.icmp_fl4;
  flowi4_init_output(fl4, 0, mark, tos, RT_SCOPE_UNIVERSE, IPPROTO_ICMP, 0, daddr, saddr, 0, 0);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === "number") return;
  if (limit && !icmpv4_xrlim_allow(net, rt, daddr)) {
    ip_rt_put(rt);
    return;
  }
  const n = icmp_alloc(net, rt, saddr, fl4.daddr, tos, opt, ICMPH_LEN + (times !== 0 ? 12 : data_len));
  if (n === null) return;
  n.mark = mark;
  const dv = n.head.dv;
  const th = n.transport_header;
  dv.setUint16(th + ICMPH_TYPE, (type << 8) | code);
  dv.setInt32(th + ICMPH_ID, un);
  if (times !== 0) {
    skb_copy_bits_to_head(skb, 0, n.head, th + ICMPH_LEN, 4);
    dv.setInt32(th + ICMPH_LEN + 4, times);
    dv.setInt32(th + ICMPH_LEN + 8, times);
    icmp_checksum(n);
  } else {
    skb_copy_bits_to_head(skb, 0, n.head, th + ICMPH_LEN, data_len);
    // The query's checksum was right: only its type changed (RFC 1624). Zero stands for two sums: then count anew.
    let check = 0;
    if (type === ICMP_ECHOREPLY && skb.ip_summed !== CHECKSUM_UNNECESSARY) {
      check = csum_replace2(qv.getUint16(q_th + ICMPH_CHECK), qv.getUint16(q_th + ICMPH_TYPE), (type << 8) | code);
    }
    if (check !== 0) dv.setUint16(th + ICMPH_CHECK, check);
    else icmp_checksum(n);
  }
  // Linux counts every answer as an echo reply, timestamps and extended echo too.
  icmp_out_count(net, ICMP_ECHOREPLY);
  icmp_push(net, n, rt, opt, peer);
}

/**
 * Sends an ICMP error about `skb`, whose IP header is at network_header and whose dst is set. `info` is the rest of the
 * ICMP header: MTU, gateway, or a pointer in the top byte. Does nothing where the RFCs forbid an error.
 */
export function icmp_send(skb: SkBuff, type: number, code: number, info: number): void {
  if (trace_key.on) trace_fn(F___icmp_send, skb);
  const in_rt = skb.dst as Rtable | null;
  if (in_rt === null) return;
  const net = in_rt.net;
  const qv = skb.head.dv;
  const iph = skb.network_header;
  if (iph < 0 || iph + IPH_LEN > skb.tail) return;
  // RFC 1122 section 3.2.2: not about broadcasts and multicasts, of the link or of IP, nor about later fragments.
  if (skb.pkt_type !== PACKET_HOST) return;
  if ((in_rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0) return;
  if ((qv.getUint16(iph + IPH_FRAG_OFF) & IP_OFFSET) !== 0) return;
  const error = is_error_type(type);
  if (error && qv.getUint8(iph + IPH_PROTOCOL) === IPPROTO_ICMP) {
    // Nor about an ICMP error, nor about what may be one for all we know.
    const at = iph - skb.data + ((qv.getUint8(iph) & 0xf) << 2);
    const inner = icmp_type_at(skb, at);
    if (inner < 0 || inner > NR_ICMP_TYPES || is_error_type(inner)) return;
  }
  const in_dev = skb.dev;
  const loopback = in_dev !== null && (in_dev.flags & IFF_LOOPBACK) !== 0;
  let limit = false;
  if (!loopback && !icmpv4_mask_allow(net, type, code)) {
    if (!icmp_global_allow(net)) {
      net.mib.icmp[ICMP_MIB_RATELIMITGLOBAL]!++;
      return;
    }
    limit = true;
  }
  const peer = qv.getInt32(iph + IPH_SADDR);
  let saddr = qv.getInt32(iph + IPH_DADDR);
  if ((in_rt.rt_flags & RTCF_LOCAL) === 0) {
    // Not ours: the address of the way back, or of the interface it came in by.
    saddr = 0;
    if (in_rt.rt_is_input && net.ipv4.sysctl_icmp_errors_use_inbound_ifaddr !== 0) {
      const dev = net.dev_by_index.get(skb.skb_iif);
      if (dev !== undefined) saddr = inet_select_addr(dev, peer, RT_SCOPE_LINK);
    }
  }
  let tos = qv.getUint8(iph + IPH_TOS);
  if (error) tos = (tos & IPTOS_TOS_MASK) | IPTOS_PREC_INTERNETCONTROL;
  const k = skb.kernel;
  const opt = reset_options(k);
  if (skb.ipcb_opt !== null && ip_options_echo(net, opt, skb) < 0) return;
  const daddr = opt.srr !== 0 ? opt.faddr : peer;
  const mark = net.ipv4.sysctl_fwmark_reflect !== 0 ? skb.mark : 0;
  const fl4 = k.icmp_fl4;
  flowi4_init_output(fl4, 0, mark, tos, RT_SCOPE_UNIVERSE, IPPROTO_ICMP, 0, daddr, saddr, 0, 0);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === "number") return;
  if (limit && !icmpv4_xrlim_allow(net, rt, daddr)) {
    ip_rt_put(rt);
    return;
  }
  const room = Math.min(dst_mtu(rt), ICMP_ERROR_MAX) - IPH_LEN - opt.optlen - ICMPH_LEN;
  if (room <= IPH_LEN) {
    ip_rt_put(rt);
    return;
  }
  const offset = iph - skb.data;
  const data_len = Math.min(skb.len - offset, room);
  icmp_send_finish(
    skb,
    net,
    rt,
    fl4.saddr !== 0 ? fl4.saddr : INADDR_DUMMY,
    fl4.daddr,
    peer,
    tos,
    mark,
    opt,
    type,
    code,
    info,
    offset,
    data_len,
  );
}
export const __icmp_send = icmp_send;

function icmp_send_finish(
  skb: SkBuff,
  net: Net,
  rt: Rtable,
  saddr: number,
  daddr: number,
  peer: number,
  tos: number,
  mark: number,
  opt: IpOptions,
  type: number,
  code: number,
  info: number,
  offset: number,
  data_len: number,
): void {
  const n = icmp_alloc(net, rt, saddr, daddr, tos, opt, ICMPH_LEN + data_len);
  if (n === null) return;
  n.mark = mark;
  const th = n.transport_header;
  n.head.dv.setUint16(th + ICMPH_TYPE, (type << 8) | code);
  n.head.dv.setInt32(th + ICMPH_GATEWAY, info);
  if (offset >= 0) {
    skb_copy_bits_to_head(skb, offset, n.head, th + ICMPH_LEN, data_len);
  } else {
    // The header was pulled already: it lies in front of data.
    const front = Math.min(-offset, data_len);
    for (let i = 0; i < front; i++) n.head.u8[th + ICMPH_LEN + i] = skb.head.u8[skb.network_header + i]!;
    skb_copy_bits_to_head(skb, 0, n.head, th + ICMPH_LEN + front, data_len - front);
  }
  icmp_checksum(n);
  icmp_out_count(net, type);
  if (trace_key.on && trace_detail(skb.kernel)) {
    trace_note(F___icmp_send, n, { kind: "icmp", type, code, about: skb.id });
  }
  icmp_push(net, n, rt, opt, peer);
}

/** The type byte of an ICMP message at `offset` from data, or -1 when the packet ends before it. */
function icmp_type_at(skb: SkBuff, offset: number): number {
  if (offset >= skb.len) return -1;
  if (offset < skb.len - skb.data_len) return skb.head.u8[skb.data + offset]!;
  const b = new Uint8Array(1);
  return skb_copy_bits(skb, offset, b, 0, 1) < 0 ? -1 : b[0]!;
}

// --- errors received ----------------------------------------------------------------------------------------------

/** Hands an error to raw sockets and to the protocol of the packet that it quotes; `skb.data` is at that header. */
function icmp_socket_deliver(skb: SkBuff, info: number): void {
  if (trace_key.on) trace_fn(F_icmp_socket_deliver, skb);
  const ihl = (skb.head.dv.getUint8(skb.data) & 0xf) << 2;
  // RFC 792: the quoted header and 8 bytes more.
  if (!pskb_may_pull(skb, ihl + 8)) {
    (skb.dst as Rtable).net.mib.icmp[ICMP_MIB_INERRORS]!++;
    return;
  }
  const protocol = skb.head.dv.getUint8(skb.data + IPH_PROTOCOL);
  raw_icmp_error(skb, protocol, info);
  const prot = skb.kernel.inet_protos[protocol]!;
  if (prot !== null && prot.err_handler !== undefined) prot.err_handler(skb, info);
}

function icmp_tag_validation(k: Kernel, protocol: number): boolean {
  const prot = k.inet_protos[protocol];
  return prot !== null && prot !== undefined && prot.icmp_strict_tag_validation === true;
}

/** Destination unreachable, source quench, time exceeded, parameter problem. */
function icmp_unreach(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_icmp_unreach, skb);
  const net = (skb.dst as Rtable).net;
  if (!pskb_may_pull(skb, IPH_LEN)) {
    net.mib.icmp[ICMP_MIB_INERRORS]!++;
    return SKB_DROP_REASON_PKT_TOO_SMALL;
  }
  const dv = skb.head.dv;
  const icmph = skb.transport_header;
  const inner = skb.data;
  if ((dv.getUint8(inner) & 0xf) < 5) {
    net.mib.icmp[ICMP_MIB_INERRORS]!++;
    return SKB_DROP_REASON_NOT_SPECIFIED;
  }
  const type = dv.getUint8(icmph + ICMPH_TYPE);
  const code = dv.getUint8(icmph + ICMPH_CODE);
  let info = 0;
  switch (type) {
    case ICMP_DEST_UNREACH:
      if ((code & 15) === ICMP_FRAG_NEEDED) {
        // ip_no_pmtu_disc: 1 takes the MTU as unknown, 2 ignores the message, 3 wants a protocol that checks its tag.
        const mode = net.ipv4.sysctl_ip_no_pmtu_disc;
        if (mode === 2) return SKB_NOT_DROPPED_YET;
        if (mode === 3 && !icmp_tag_validation(skb.kernel, dv.getUint8(inner + IPH_PROTOCOL)))
          return SKB_NOT_DROPPED_YET;
        if (mode === 0 || mode === 3) info = dv.getUint16(icmph + ICMPH_MTU);
      }
      if (code > NR_ICMP_UNREACH) return SKB_NOT_DROPPED_YET;
      break;
    case ICMP_PARAMETERPROB:
      info = dv.getUint8(icmph + ICMPH_GATEWAY);
      break;
    case ICMP_TIME_EXCEEDED:
      // A reassembly that failed at the other end says nothing about the path.
      if (code === ICMP_EXC_FRAGTIME) return SKB_NOT_DROPPED_YET;
      break;
  }
  // RFC 1812 section 4.3.2.7: nobody answers a broadcast, so who quotes one is broken.
  if (
    net.ipv4.sysctl_icmp_ignore_bogus_error_responses === 0 &&
    inet_addr_type(net, dv.getInt32(inner + IPH_DADDR)) === RTN_BROADCAST
  ) {
    return SKB_NOT_DROPPED_YET;
  }
  icmp_socket_deliver(skb, info);
  return SKB_NOT_DROPPED_YET;
}

function icmp_redirect(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_icmp_redirect, skb);
  if (!pskb_may_pull(skb, IPH_LEN)) {
    (skb.dst as Rtable).net.mib.icmp[ICMP_MIB_INERRORS]!++;
    return SKB_DROP_REASON_PKT_TOO_SMALL;
  }
  icmp_socket_deliver(skb, skb.head.dv.getInt32(skb.transport_header + ICMPH_GATEWAY));
  return SKB_NOT_DROPPED_YET;
}

// --- queries received ---------------------------------------------------------------------------------------------

function icmp_echo(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_icmp_echo, skb);
  const net = (skb.dst as Rtable).net;
  if (net.ipv4.sysctl_icmp_echo_ignore_all !== 0) return SKB_NOT_DROPPED_YET;
  const dv = skb.head.dv;
  const th = skb.transport_header;
  const code = dv.getUint8(th + ICMPH_CODE);
  const un = dv.getInt32(th + ICMPH_ID);
  if (dv.getUint8(th + ICMPH_TYPE) === ICMP_ECHO) {
    icmp_reply(skb, ICMP_ECHOREPLY, code, un, skb.len, 0);
  } else {
    const answer = icmp_build_probe(net, skb, code, un);
    if (answer !== -1)
      icmp_reply(skb, ICMP_EXT_ECHOREPLY, answer >> 8, (un & 0xffffff00) | (answer & 0xff), skb.len, 0);
  }
  return SKB_NOT_DROPPED_YET;
}

/** RFC 1122 section 3.2.2.8: the time it was received and the time it was sent are one here. */
function icmp_timestamp(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_icmp_timestamp, skb);
  if (skb.len < 4) {
    (skb.dst as Rtable).net.mib.icmp[ICMP_MIB_INERRORS]!++;
    return SKB_DROP_REASON_PKT_TOO_SMALL;
  }
  const un = skb.head.dv.getInt32(skb.transport_header + ICMPH_ID);
  icmp_reply(skb, ICMP_TIMESTAMPREPLY, 0, un, 0, inet_current_timestamp(skb.kernel) || 1);
  return SKB_NOT_DROPPED_YET;
}

/** inet_protos[IPPROTO_ICMP]: the packet ends here in every case. */
export function icmp_rcv(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_icmp_rcv, skb);
  const rt = skb.dst as Rtable;
  const net = rt.net;
  const mib = net.mib.icmp;
  mib[ICMP_MIB_INMSGS]!++;
  if (skb_checksum_simple_validate(skb) !== 0) {
    mib[ICMP_MIB_CSUMERRORS]!++;
    return icmp_rcv_error(net, skb, SKB_DROP_REASON_ICMP_CSUM);
  }
  if (!pskb_may_pull(skb, ICMPH_LEN)) return icmp_rcv_error(net, skb, SKB_DROP_REASON_PKT_TOO_SMALL);
  __skb_pull(skb, ICMPH_LEN);
  const type = skb.head.dv.getUint8(skb.transport_header + ICMPH_TYPE);
  net.mib.icmpmsg[type]!++;
  let reason: number = SKB_NOT_DROPPED_YET;
  if (type === ICMP_EXT_ECHO) reason = icmp_echo(skb);
  else if (type === ICMP_EXT_ECHOREPLY) reason = ping_rcv(skb);
  // RFC 1122 section 3.2.2: an unknown type is discarded in silence.
  else if (type > NR_ICMP_TYPES) return icmp_rcv_error(net, skb, SKB_DROP_REASON_UNHANDLED_ICMP);
  else {
    if ((rt.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST)) !== 0 && !icmp_broadcast_ok(net, type)) {
      return icmp_rcv_error(net, skb, SKB_DROP_REASON_NOT_SPECIFIED);
    }
    switch (type) {
      case ICMP_ECHO:
        reason = icmp_echo(skb);
        break;
      case ICMP_ECHOREPLY:
        reason = ping_rcv(skb);
        break;
      case ICMP_DEST_UNREACH:
      case ICMP_SOURCE_QUENCH:
      case ICMP_TIME_EXCEEDED:
      case ICMP_PARAMETERPROB:
        reason = icmp_unreach(skb);
        break;
      case ICMP_REDIRECT:
        reason = icmp_redirect(skb);
        break;
      case ICMP_TIMESTAMP:
        reason = icmp_timestamp(skb);
        break;
    }
  }
  if (reason === SKB_NOT_DROPPED_YET) consume_skb(skb);
  else kfree_skb_reason(skb, reason);
  return 0;
}

/** RFC 1122 sections 3.2.2.6 and 3.2.2.8: queries to many may be ignored; nothing but queries is sent to many. */
function icmp_broadcast_ok(net: Net, type: number): boolean {
  if (type === ICMP_ECHO || type === ICMP_TIMESTAMP) return net.ipv4.sysctl_icmp_echo_ignore_broadcasts === 0;
  return type === ICMP_ADDRESS || type === ICMP_ADDRESSREPLY;
}

function icmp_rcv_error(net: Net, skb: SkBuff, reason: number): number {
  net.mib.icmp[ICMP_MIB_INERRORS]!++;
  kfree_skb_reason(skb, reason);
  return 0;
}

/** An error about an ICMP message of ours; `skb.data` is at the quoted IP header. */
export function icmp_err(skb: SkBuff, info: number): number {
  const dv = skb.head.dv;
  const offset = (dv.getUint8(skb.data) & 0xf) << 2;
  const net = (skb.dst as Rtable).net;
  const type = dv.getUint8(skb.transport_header + ICMPH_TYPE);
  const code = dv.getUint8(skb.transport_header + ICMPH_CODE);
  // Echo replies are the kernel's own, the rest is a program's.
  if (dv.getUint8(skb.data + offset + ICMPH_TYPE) !== ICMP_ECHOREPLY) {
    ping_err(skb, offset, info);
    return 0;
  }
  if (type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED) ipv4_update_pmtu(skb, net, info, 0, IPPROTO_ICMP);
  else if (type === ICMP_REDIRECT) ipv4_redirect(skb, net, 0, IPPROTO_ICMP);
  return 0;
}

/**
 * RFC 4884 section 5: where in an error the extension structure begins, in bytes after the quoted IP header, which is at
 * skb.data. 0 when there is none; negative when there is one that is broken (section 7).
 */
export function ip_icmp_error_rfc4884(skb: SkBuff): number {
  const dv = skb.head.dv;
  const type = dv.getUint8(skb.transport_header + ICMPH_TYPE);
  if (type !== ICMP_DEST_UNREACH && type !== ICMP_TIME_EXCEEDED && type !== ICMP_PARAMETERPROB) return 0;
  const at = dv.getUint8(skb.transport_header + 5) * 4;
  // RFC 4884 section 4.1: the original datagram is padded to at least 128 bytes.
  if (at < 128 || at + EXT_HLEN > skb.len) return 0;
  const b = new Uint8Array(EXT_HLEN);
  skb_copy_bits(skb, at, b, 0, EXT_HLEN);
  if (b[0]! >> 4 !== 2) return -at;
  if ((b[2]! | b[3]!) !== 0 && csum_fold(skb_checksum(skb, at, skb.len - at, 0)) !== 0) return -at;
  // Objects, each with its length (section 7.1), up to the end.
  for (let o = at + EXT_HLEN; o < skb.len; ) {
    if (o + EXT_HLEN > skb.len) return -at;
    skb_copy_bits(skb, o, b, 0, EXT_HLEN);
    const len = (b[0]! << 8) | b[1]!;
    if (len < EXT_HLEN || o + len > skb.len) return -at;
    o += len;
  }
  return at;
}

/** The extension header, and that of each object. */
const EXT_HLEN = 4;

// --- registration -------------------------------------------------------------------------------------------------

function icmp_net_init(net: Net): void {
  const v4 = net.ipv4;
  net.icmp_global_credit = 0;
  // Long ago, as 0 is for Linux, whose jiffies start at INITIAL_JIFFIES: the first error of a machine may go out at once.
  net.icmp_global_stamp = jiffies(net.kernel) - 1000;
  const t = net.sysctl_table;
  const p = "net/ipv4/icmp_";
  const bool = { min: 0, max: 1 };
  register_sysctl(t, proc_dointvec(`${p}echo_ignore_all`, v4, "sysctl_icmp_echo_ignore_all", bool));
  register_sysctl(t, proc_dointvec(`${p}echo_enable_probe`, v4, "sysctl_icmp_echo_enable_probe", bool));
  register_sysctl(t, proc_dointvec(`${p}echo_ignore_broadcasts`, v4, "sysctl_icmp_echo_ignore_broadcasts", bool));
  register_sysctl(
    t,
    proc_dointvec(`${p}ignore_bogus_error_responses`, v4, "sysctl_icmp_ignore_bogus_error_responses", bool),
  );
  register_sysctl(t, proc_dointvec(`${p}errors_use_inbound_ifaddr`, v4, "sysctl_icmp_errors_use_inbound_ifaddr", bool));
  register_sysctl(t, proc_dointvec(`${p}ratelimit`, v4, "sysctl_icmp_ratelimit"));
  register_sysctl(t, proc_dointvec(`${p}ratemask`, v4, "sysctl_icmp_ratemask"));
  register_sysctl(t, proc_dointvec(`${p}msgs_per_sec`, v4, "sysctl_icmp_msgs_per_sec", { min: 0 }));
  register_sysctl(t, proc_dointvec(`${p}msgs_burst`, v4, "sysctl_icmp_msgs_burst", { min: 0 }));
}

/** After NetnsIpv4 is registered. inet_init() gives icmp_rcv() and icmp_err() the protocol number. */
export function icmp_init(k: Kernel): void {
  k.icmp_fl4 = new Flowi4();
  k.icmp_opt = new IpOptions();
  k.icmp_opt.data = new Uint8Array(44);
  k.icmp_rnd = new Uint8Array(64);
  k.icmp_rnd_at = k.icmp_rnd.length;
  inet_peer_init(k);
  register_pernet_subsys(k, { init: icmp_net_init });
}
