// Segments that no connection sends: RST, the ACKs of TIME_WAIT and of connection requests, and the way of a SYN-ACK through
// IP. Mirrors those parts of net/ipv4/tcp_ipv4.c and ip_output.c. Read first: RFC 9293 section 3.10.7.1, RFC 5961.
// Way in: tcp_v4_send_reset(), tcp_v4_timewait_ack(), tcp_v4_reqsk_send_ack(), ip_build_and_send_pkt().

import { trace_fn } from "../../kernel/trace.ts";
import { F_ip_build_and_send_pkt, F_ip_send_unicast_reply, F_tcp_v4_send_reset } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_fold, csum_partial_dv, csum_tcpudp_nofold } from "../../lib/checksum.ts";
import {
  IP_DF,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_ID,
  IPH_LEN,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOS,
  IPH_TTL,
  IPH_VER_IHL,
  TCPH_ACK,
  TCPH_CHECK,
  TCPH_DEST,
  TCPH_DOFF,
  TCPH_FLAGS,
  TCPH_LEN,
  TCPH_SEQ,
  TCPH_SOURCE,
} from "../../uapi/ip.ts";
import { RT_SCOPE_UNIVERSE, RTN_LOCAL } from "../../uapi/rtnetlink.ts";
import { IPPROTO_TCP } from "../../uapi/socket.ts";
import { IpOptions } from "../core/ip_options_type.ts";
import type { Net } from "../core/net_namespace.ts";
import { LL_RESERVED_SPACE } from "../core/netdevice.ts";
import { alloc_skb, type SkBuff, skb_push, skb_put, skb_reserve } from "../core/skbuff.ts";
import { TCP_MIB_OUTRSTS, TCP_MIB_OUTSEGS } from "../core/snmp.ts";
import { type Sock, TCP_LISTEN, TCP_TIME_WAIT } from "../core/sock.ts";
import { inet_sk, ip_select_ttl, ip4_dst_hoplimit } from "./inet_sock.ts";
import type { InetTimewaitSock } from "./inet_timewait_sock.ts";
import { FLOWI_FLAG_ANYSRC, type Flowi4 } from "./ip_fib.ts";
import { ip_options_build, ip_options_echo } from "./ip_options.ts";
import { ip_dont_fragment, ip_local_out, ip_select_ident } from "./ip_output.ts";
import type { RequestSock } from "./request_sock.ts";
import { flowi4_init_output, ip_route_output_flow, type Rtable } from "./route.ts";
import { TCPHDR_ACK, TCPHDR_FIN, TCPHDR_RST, TCPHDR_SYN, TCPOLEN_TSTAMP_ALIGNED, tcp_sk } from "./tcp_sock.ts";

/** Below it a packet may be fragmented on its way whatever the sender wants (RFC 791). */
const IPV4_MIN_MTU = 68;
const INET_ECN_MASK = 3;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Scratch of one reply at a time. */
    tcp_reply_fl4: Flowi4;
  }
}

const net_of = (skb: SkBuff): Net => (skb.dev !== null ? skb.dev.net : skb.dst!.net);
const reply_mark = (net: Net, skb: SkBuff): number => (net.ipv4.sysctl_fwmark_reflect !== 0 ? skb.mark : 0);

/**
 * Answers the segment in `skb` (transport_header at its TCP header, network_header at IP's) with a bare header: addresses
 * and ports turned round, IP options echoed. Without a route the answer is not sent; nobody hears of it.
 * DIFF: Linux sends through a control socket per CPU; here the packet has no socket.
 */
function ip_send_unicast_reply(
  skb: SkBuff,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  tsval: number,
  tsecr: number,
  oif: number,
  tos: number,
  mark: number,
  priority: number,
  anysrc: boolean,
): boolean {
  if (trace_key.on) trace_fn(F_ip_send_unicast_reply, skb);
  const net = net_of(skb);
  const k = skb.kernel;
  const qv = skb.head.dv;
  const q_iph = skb.network_header;
  const q_th = skb.transport_header;
  const saddr = qv.getInt32(q_iph + IPH_DADDR);
  const peer = qv.getInt32(q_iph + IPH_SADDR);
  const sport = qv.getUint16(q_th + TCPH_DEST);
  const dport = qv.getUint16(q_th + TCPH_SOURCE);
  let daddr = peer;
  let opt: IpOptions | null = null;
  if (skb.ipcb_opt !== null && skb.ipcb_opt.optlen !== 0) {
    opt = new IpOptions();
    opt.data = new Uint8Array(44);
    if (ip_options_echo(net, opt, skb) < 0) return false;
    if (opt.srr !== 0) daddr = opt.faddr;
  }
  const fl4 = k.tcp_reply_fl4;
  const flow_flags = anysrc ? FLOWI_FLAG_ANYSRC : 0;
  flowi4_init_output(fl4, oif, mark, tos, RT_SCOPE_UNIVERSE, IPPROTO_TCP, flow_flags, daddr, saddr, dport, sport);
  const rt = ip_route_output_flow(net, fl4, null);
  if (typeof rt === "number") return false;

  const hlen = IPH_LEN + (opt !== null ? opt.optlen : 0);
  const thlen = TCPH_LEN + (tsecr !== 0 ? TCPOLEN_TSTAMP_ALIGNED : 0);
  const hh_len = LL_RESERVED_SPACE(rt.dev);
  const n = alloc_skb(k, hh_len + hlen + thlen)!;
  skb_reserve(n, hh_len);
  const iph = skb_put(n, hlen + thlen);
  const th = iph + hlen;
  n.network_header = iph;
  n.transport_header = th;
  n.dst = rt;
  n.mark = mark;
  n.priority = priority;
  const dv = n.head.dv;
  dv.setUint16(iph + IPH_VER_IHL, ((0x40 | (hlen >> 2)) << 8) | (tos & 0xff));
  dv.setUint16(iph + IPH_FRAG_OFF, IP_DF);
  dv.setUint8(iph + IPH_TTL, ip4_dst_hoplimit(rt));
  dv.setUint8(iph + IPH_PROTOCOL, IPPROTO_TCP);
  dv.setInt32(iph + IPH_SADDR, saddr);
  dv.setInt32(iph + IPH_DADDR, fl4.daddr);
  dv.setInt32(th + TCPH_SOURCE, (sport << 16) | dport);
  dv.setInt32(th + TCPH_SEQ, seq);
  dv.setInt32(th + TCPH_ACK, ack);
  dv.setInt32(th + TCPH_DOFF, (thlen << 26) | (flags << 16) | (window & 0xffff));
  dv.setInt32(th + TCPH_CHECK, 0);
  if (tsecr !== 0) {
    dv.setInt32(th + TCPH_LEN, 0x0101080a);
    dv.setInt32(th + TCPH_LEN + 4, tsval);
    dv.setInt32(th + TCPH_LEN + 8, tsecr);
  }
  const sum = csum_partial_dv(dv, th, thlen, 0);
  dv.setUint16(th + TCPH_CHECK, csum_fold(csum_tcpudp_nofold(saddr, peer, thlen, IPPROTO_TCP, sum)));
  if (opt !== null && opt.optlen !== 0) ip_options_build(n, opt, peer, rt);
  ip_select_ident(net, n, null);
  ip_local_out(net, null, n);
  return true;
}

/**
 * RFC 9293 section 3.10.7.1: a RST that the sender of `skb` accepts. `sk`: whose the segment was, also one in TIME_WAIT.
 * Never in answer to a RST, nor for what came to a broadcast address.
 */
export function tcp_v4_send_reset(sk: Sock | InetTimewaitSock | null, skb: SkBuff, _reason: number): void {
  if (trace_key.on) trace_fn(F_tcp_v4_send_reset, skb);
  const dv = skb.head.dv;
  const th = skb.transport_header;
  const flags = dv.getUint8(th + TCPH_FLAGS);
  if ((flags & TCPHDR_RST) !== 0) return;
  if (sk === null && (skb.dst as Rtable | null)?.rt_type !== RTN_LOCAL) return;
  const net = net_of(skb);
  let seq = 0;
  let ack = 0;
  let rst = TCPHDR_RST;
  if ((flags & TCPHDR_ACK) !== 0) seq = dv.getInt32(th + TCPH_ACK);
  else {
    rst = TCPHDR_RST | TCPHDR_ACK;
    const payload = skb.len - (th - skb.data) - ((dv.getUint8(th + TCPH_DOFF) >> 4) << 2);
    ack = dv.getInt32(th + TCPH_SEQ) + payload;
    if ((flags & TCPHDR_SYN) !== 0) ack++;
    if ((flags & TCPHDR_FIN) !== 0) ack++;
  }
  let oif = 0;
  let mark = 0;
  let priority = 0;
  let anysrc = false;
  if (sk !== null) {
    if (sk.sk_state === TCP_TIME_WAIT) {
      const tw = sk as InetTimewaitSock;
      oif = tw.sk_bound_dev_if;
      mark = tw.tw_mark;
      priority = tw.tw_priority;
      anysrc = tw.tw_transparent;
    } else {
      const inet = inet_sk(sk as Sock);
      oif = inet.sk_bound_dev_if;
      mark = inet.sk_mark;
      priority = inet.sk_priority;
      anysrc = inet.transparent;
    }
  }
  const tos = dv.getUint8(skb.network_header + IPH_TOS) & ~INET_ECN_MASK;
  mark = reply_mark(net, skb) || mark;
  ip_send_unicast_reply(skb, seq, ack, rst, 0, 0, 0, oif, tos, mark, priority, anysrc);
  net.mib.tcp[TCP_MIB_OUTSEGS]!++;
  net.mib.tcp[TCP_MIB_OUTRSTS]!++;
}

function tcp_v4_send_ack(
  skb: SkBuff,
  seq: number,
  ack: number,
  win: number,
  tsval: number,
  tsecr: number,
  oif: number,
  tos: number,
  mark: number,
  priority: number,
  anysrc: boolean,
): void {
  const net = net_of(skb);
  const m = reply_mark(net, skb) || mark;
  ip_send_unicast_reply(skb, seq, ack, TCPHDR_ACK, win, tsval, tsecr, oif, tos, m, priority, anysrc);
  net.mib.tcp[TCP_MIB_OUTSEGS]!++;
}

/** TIME_WAIT answers what it does not accept with the last ACK it sent. */
export function tcp_v4_timewait_ack(tw: InetTimewaitSock, skb: SkBuff): void {
  tcp_v4_send_ack(
    skb,
    tw.tw_snd_nxt,
    tw.tw_rcv_nxt,
    tw.tw_rcv_wnd >> tw.tw_rcv_wscale,
    (tcp_time_stamp_ts_of(net_of(skb)) + tw.tw_ts_offset) | 0,
    tw.tw_ts_recent,
    tw.sk_bound_dev_if,
    tw.tw_tos,
    tw.tw_mark,
    tw.tw_priority,
    tw.tw_transparent,
  );
}

/** The clock of timestamps without a connection. */
const tcp_time_stamp_ts_of = (net: Net): number => Math.floor(net.kernel.now / 1e6) | 0;

/** A request answers a segment outside of its window (RFC 9293 section 3.10.7.4, first check). `sk` listens, or is its Fast Open child. */
export function tcp_v4_reqsk_send_ack(sk: Sock, skb: SkBuff, req: RequestSock): void {
  const seq = sk.sk_state === TCP_LISTEN ? (req.snt_isn + 1) | 0 : tcp_sk(sk).snd_nxt;
  const inet = inet_sk(sk);
  tcp_v4_send_ack(
    skb,
    seq,
    req.rcv_nxt,
    req.rsk_rcv_wnd >> req.rcv_wscale,
    (tcp_time_stamp_ts_of(sk.net) + req.ts_off) | 0,
    req.ts_recent,
    0,
    skb.head.dv.getUint8(skb.network_header + IPH_TOS),
    sk.sk_mark,
    sk.sk_priority,
    inet.transparent,
  );
}

/** A header for a packet whose route is set and whose addresses the socket does not know: SYN-ACKs. 0 or -errno. */
export function ip_build_and_send_pkt(
  skb: SkBuff,
  sk: Sock,
  saddr: number,
  daddr: number,
  opt: IpOptions | null,
  tos: number,
): number {
  if (trace_key.on) trace_fn(F_ip_build_and_send_pkt, skb);
  const inet = inet_sk(sk);
  const rt = skb.dst as Rtable;
  const net = sk.net;
  const optlen = opt !== null ? opt.optlen : 0;
  const iph = skb_push(skb, IPH_LEN + optlen);
  skb.network_header = iph;
  const dv = skb.head.dv;
  const df = skb.len <= IPV4_MIN_MTU || ip_dont_fragment(inet, rt);
  dv.setUint16(iph + IPH_VER_IHL, ((0x45 + (optlen >> 2)) << 8) | (tos & 0xff));
  dv.setUint16(iph + IPH_ID, 0);
  dv.setUint16(iph + IPH_FRAG_OFF, df ? IP_DF : 0);
  dv.setUint8(iph + IPH_TTL, ip_select_ttl(inet, rt));
  dv.setUint8(iph + IPH_PROTOCOL, sk.sk_protocol);
  dv.setInt32(iph + IPH_SADDR, saddr);
  dv.setInt32(iph + IPH_DADDR, opt !== null && opt.srr !== 0 ? opt.faddr : daddr);
  if (!df) ip_select_ident(net, skb, null);
  if (optlen !== 0) ip_options_build(skb, opt!, daddr, rt);
  skb.priority = sk.sk_priority;
  if (skb.mark === 0) skb.mark = sk.sk_mark;
  return ip_local_out(net, sk, skb);
}
