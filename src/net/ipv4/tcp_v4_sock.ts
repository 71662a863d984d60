// TCP sockets over IPv4: made, born of a request, destroyed; their SYN-ACKs and the routes they hold. Mirrors those parts of
// net/ipv4/tcp_ipv4.c. Way in: tcp_v4_init_sock() through tcp_prot, tcp_v4_syn_recv_sock() from tcp_minisocks.ts.

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_tcp_v4_send_synack, F_tcp_v4_syn_recv_sock } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { IPH_TOS, IPH_TTL } from "../../uapi/ip.ts";
import { SKB_DROP_REASON_QUEUE_PURGE } from "../core/dropreason.ts";
import { type DstEntry, dst_mtu, dst_release } from "../core/dst.ts";
import { NET_XMIT_CN, NETIF_F_GSO, NETIF_F_GSO_SOFTWARE, NETIF_F_HW_CSUM, NETIF_F_SG } from "../core/netdevice.ts";
import { secure_seq_init } from "../core/secure_seq.ts";
import { type SkBuff, skb_dst_set, skb_queue_purge_reason } from "../core/skbuff.ts";
import { LINUX_MIB_LISTENOVERFLOWS } from "../core/snmp.ts";
import { type Sock, sk_dst_set } from "../core/sock.ts";
import {
  inet_csk_prepare_forced_close,
  inet_csk_route_child_sock,
  inet_csk_route_req,
  sk_acceptq_is_full,
} from "./inet_connection_sock.ts";
import { __inet_inherit_port, inet_ehash_nolisten, inet_put_port } from "./inet_hashtables.ts";
import { inet_sk } from "./inet_sock.ts";
import { Flowi4 } from "./ip_fib.ts";
import type { RequestSock } from "./request_sock.ts";
import { syncookies_init } from "./syncookies.ts";
import {
  sk_sockets_allocated_dec,
  tcp_done,
  tcp_free_fastopen_req,
  tcp_init_sock,
  tcp_write_queue_purge,
} from "./tcp.ts";
import { tcp_ca_needs_ecn, tcp_cleanup_congestion_control } from "./tcp_cong.ts";
import { tcp_listendrop } from "./tcp_conn_request.ts";
import { tcp_fastopen_active_disable_ofo_check } from "./tcp_fastopen.ts";
import { tcp_initialize_rcv_mss } from "./tcp_input.ts";
import { tcp_ca_openreq_child, tcp_create_openreq_child } from "./tcp_minisocks.ts";
import { dst_metric_advmss, tcp_sync_mss } from "./tcp_mss.ts";
import { tcp_make_synack } from "./tcp_output_ctl.ts";
import { FastopenCookie } from "./tcp_parse.ts";
import { ip_build_and_send_pkt } from "./tcp_reply.ts";
import { MAX_TCP_HEADER, type TcpSock, tcp_sk } from "./tcp_sock.ts";
import { tcp_clear_xmit_timers } from "./tcp_timer.ts";

const INET_ECN_MASK = 3;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Second result of tcp_v4_syn_recv_sock(): the child took the request's place, nobody else's child did (own_req). */
    tcp_own_req: boolean;
    /** Second result of tcp_check_req(): the request became a connection meanwhile (req_stolen). */
    tcp_req_stolen: boolean;
  }
}

/** The machine's part: keys and scratch. In inet_init(), before any socket. */
export function tcp_v4_init(k: Kernel): void {
  secure_seq_init(k);
  syncookies_init(k);
  k.tcp_reply_fl4 = new Flowi4();
  k.tcp_fl4 = new Flowi4();
  k.tcp_foc = new FastopenCookie();
  k.tcp_tw_isn = 0;
  k.tcp_own_req = false;
  k.tcp_req_stolen = false;
}

export function tcp_v4_init_sock(sk: Sock): number {
  return tcp_init_sock(sk);
}

/** A new hash for the flow's packets: another path where there are several. Never 0. */
export function sk_set_txhash(tp: TcpSock): void {
  tp.sk_txhash = (Math.imul(tp.sk_cookie ^ Math.floor(tp.net.kernel.now / 64), 0x9e3779b1) ^ tp.inet_sport) | 1;
}

/** The route of the socket, whose reference is taken over, and what its device spares us: segmentation, checksums. */
export function sk_setup_caps(tp: TcpSock, dst: DstEntry): void {
  sk_dst_set(tp, dst);
  const dev = dst.dev;
  tp.sk_route_caps = dev.features | NETIF_F_GSO | NETIF_F_GSO_SOFTWARE | NETIF_F_SG | NETIF_F_HW_CSUM;
  // What a device takes at once counts its headers as well.
  tp.sk_gso_max_size = Math.min(dev.gso_max_size, 65536) - (MAX_TCP_HEADER + 1);
  tp.sk_gso_max_segs = Math.max(dev.gso_max_segs, 1);
}

// --- passive open -------------------------------------------------------------------------------------------------

/**
 * Sends the SYN-ACK of `req`. Takes over the reference on `dst`; null: the route is looked up. Returns 0 or -errno; a queue
 * that asks for less (NET_XMIT_CN) has taken it.
 */
export function tcp_v4_send_synack(
  sk: Sock,
  dst: DstEntry | null,
  req: RequestSock,
  foc: FastopenCookie | null,
  type: number,
  _syn_skb: SkBuff | null,
): number {
  const inet = inet_sk(sk);
  if (dst === null) {
    dst = inet_csk_route_req(sk, inet.fl4, req);
    if (dst === null) return -1;
  }
  const skb = tcp_make_synack(sk, dst, req, foc, type);
  if (skb === null) {
    dst_release(dst);
    return -1;
  }
  if (trace_key.on) trace_fn(F_tcp_v4_send_synack, skb);
  skb_dst_set(skb, dst);
  skb.hash = req.txhash;
  skb.l4_hash = true;
  let tos = inet.tos;
  if (sk.net.ipv4.sysctl_tcp_reflect_tos !== 0) tos = (req.syn_tos & ~INET_ECN_MASK) | (tos & INET_ECN_MASK);
  // A congestion control that needs it marks even the SYN-ACK (RFC 8257 section 3.1).
  if ((tos & INET_ECN_MASK) === 0 && tcp_ca_needs_ecn(sk)) tos |= 2;
  const err = ip_build_and_send_pkt(skb, sk, req.ir_loc_addr, req.ir_rmt_addr, req.ireq_opt, tos);
  return err === NET_XMIT_CN ? 0 : err;
}

/**
 * The ACK of the handshake is here: a connection out of the request `req`, hashed, with the port of its listener. `dst`: its
 * route, whose reference is taken over, or null. `req_unhash`: the request that leaves the hash for it; null where there is
 * none (cookies, Fast Open). kernel.tcp_own_req says whether it did. Null when there is no room; counted.
 */
export function tcp_v4_syn_recv_sock(
  sk: Sock,
  skb: SkBuff,
  req: RequestSock,
  dst: DstEntry | null,
  req_unhash: RequestSock | null,
): TcpSock | null {
  if (trace_key.on) trace_fn(F_tcp_v4_syn_recv_sock, skb);
  const net = sk.net;
  const k = net.kernel;
  const tp = tcp_sk(sk);
  k.tcp_own_req = false;
  if (sk_acceptq_is_full(sk)) {
    net.mib.linux[LINUX_MIB_LISTENOVERFLOWS]!++;
    return no_child(sk, dst);
  }
  const newtp = tcp_create_openreq_child(sk, req, skb);
  if (newtp === null) return no_child(sk, dst);

  const dv = skb.head.dv;
  const iph = skb.network_header;
  newtp.inet_daddr = req.ir_rmt_addr;
  newtp.inet_rcv_saddr = req.ir_loc_addr;
  newtp.inet_saddr = req.ir_loc_addr;
  newtp.sk_bound_dev_if = req.ir_iif;
  newtp.inet_opt = req.ireq_opt;
  newtp.mc_index = skb.skb_iif;
  newtp.mc_ttl = dv.getUint8(iph + IPH_TTL);
  newtp.rcv_tos = dv.getUint8(iph + IPH_TOS);
  newtp.icsk_ext_hdr_len = req.ireq_opt !== null ? req.ireq_opt.optlen : 0;
  newtp.inet_id = (Math.imul(req.snt_isn, 0x85ebca6b) >>> 16) & 0xffff;
  newtp.sk_rx_dst = null;
  if (net.ipv4.sysctl_tcp_reflect_tos !== 0) newtp.tos = req.syn_tos & ~INET_ECN_MASK;
  if (dst === null) {
    dst = inet_csk_route_child_sock(sk, newtp, req);
    if (dst === null) return destroy_child(sk, newtp);
  }
  sk_set_txhash(newtp);
  sk_setup_caps(newtp, dst);
  tcp_ca_openreq_child(newtp, dst);
  tcp_sync_mss(newtp, dst_mtu(dst));
  const user_mss = tp.rx_opt.user_mss;
  const advmss = dst_metric_advmss(dst);
  newtp.advmss = user_mss !== 0 && user_mss < advmss ? user_mss : advmss;
  tcp_initialize_rcv_mss(newtp);
  if (__inet_inherit_port(sk, newtp) < 0) return destroy_child(sk, newtp);
  const own = inet_ehash_nolisten(newtp, req_unhash);
  k.tcp_own_req = own;
  if (own) {
    newtp.saved_syn = req.saved_syn;
    req.saved_syn = null;
    req.ireq_opt = null;
    return newtp;
  }
  newtp.inet_opt = null;
  return newtp;
}

/** No socket for it: the SYN-ACK will be sent again, and its ACK tried again. */
function no_child(sk: Sock, dst: DstEntry | null): null {
  if (dst !== null) dst_release(dst);
  tcp_listendrop(sk);
  return null;
}

function destroy_child(sk: Sock, child: TcpSock): null {
  child.inet_opt = null;
  inet_csk_prepare_forced_close(child);
  tcp_done(child);
  tcp_listendrop(sk);
  return null;
}

// --- the end ------------------------------------------------------------------------------------------------------

/** Gives back all that the socket holds beside its receive queue, which goes with the last reference. */
export function tcp_v4_destroy_sock(sk: Sock): void {
  const tp = tcp_sk(sk);
  tcp_clear_xmit_timers(sk);
  tcp_cleanup_congestion_control(sk);
  tcp_write_queue_purge(sk);
  tcp_fastopen_active_disable_ofo_check(sk);
  skb_queue_purge_reason(tp.out_of_order_queue, SKB_DROP_REASON_QUEUE_PURGE);
  if (tp.icsk_bind_hash !== null) inet_put_port(sk);
  tcp_free_fastopen_req(tp);
  tp.saved_syn = null;
  const rx = tp.sk_rx_dst;
  tp.sk_rx_dst = null;
  if (rx !== null) dst_release(rx);
  sk_sockets_allocated_dec(sk);
}
