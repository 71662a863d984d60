// connect(2) of TCP over IPv4: route, local address, local port, sequence number, SYN. Mirrors tcp_v4_connect() of
// net/ipv4/tcp_ipv4.c and ip_route_connect(). Read first: RFC 9293 section 3.10.1. Way in: tcp_v4_connect().

import { EAFNOSUPPORT, EINVAL, ENETUNREACH } from "../../uapi/errno.ts";
import { RT_SCOPE_LINK, RT_SCOPE_UNIVERSE } from "../../uapi/rtnetlink.ts";
import { AF_INET, IPPROTO_TCP, SOCKADDR_IN_LEN } from "../../uapi/socket.ts";
import { secure_tcp_seq, secure_tcp_ts_off } from "../core/secure_seq.ts";
import { IPSTATS_MIB_OUTNOROUTES } from "../core/snmp.ts";
import { SOCK_BINDADDR_LOCK, SOCK_LOCALROUTE, type Sock, sock_flag, TCP_CLOSE, TCP_SYN_SENT } from "../core/sock.ts";
import { inet_hash_connect } from "./inet_hashtables.ts";
import { FLOWI_FLAG_ANYSRC } from "./ip_fib.ts";
import {
  flowi4_init_output,
  ip_route_output_flow,
  ip_rt_put,
  RTCF_BROADCAST,
  RTCF_MULTICAST,
  type Rtable,
} from "./route.ts";
import { tcp_set_state } from "./tcp.ts";
import { tcp_fastopen_defer_connect } from "./tcp_fastopen.ts";
import { tcp_connect } from "./tcp_output_ctl.ts";
import { TCP_MSS_DEFAULT, type TcpSock, tcp_sk } from "./tcp_sock.ts";
import { sk_set_txhash, sk_setup_caps } from "./tcp_v4_sock.ts";

/** A route for the socket's flow key as it stands; fl4.saddr and fl4.daddr are filled in. -errno else. */
function ip_route_connect(tp: TcpSock, daddr: number, saddr: number, dport: number, sport: number): Rtable | number {
  const local = sock_flag(tp, SOCK_LOCALROUTE) || (tp.inet_opt !== null && tp.inet_opt.is_strictroute);
  flowi4_init_output(
    tp.fl4,
    tp.sk_bound_dev_if,
    tp.sk_mark,
    tp.tos,
    local ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
    IPPROTO_TCP,
    tp.transparent ? FLOWI_FLAG_ANYSRC : 0,
    daddr,
    saddr,
    dport,
    sport,
  );
  return ip_route_output_flow(tp.net, tp.fl4, tp);
}

/** Begins the handshake with the struct sockaddr_in at `addr`. Returns 0 (nothing is known yet) or -errno. */
export function tcp_v4_connect(sk: Sock, addr: Uint8Array, len: number): number {
  const tp = tcp_sk(sk);
  const net = sk.net;
  if (len < SOCKADDR_IN_LEN || addr.length < SOCKADDR_IN_LEN) return -EINVAL;
  if ((addr[0]! | (addr[1]! << 8)) !== AF_INET) return -EAFNOSUPPORT;
  const dport = (addr[2]! << 8) | addr[3]!;
  let daddr = (addr[4]! << 24) | (addr[5]! << 16) | (addr[6]! << 8) | addr[7]!;
  const opt = tp.inet_opt;
  const srr = opt !== null && opt.srr !== 0;
  if (srr && daddr === 0) return -EINVAL;
  const rt = ip_route_connect(tp, srr ? opt.faddr : daddr, tp.inet_saddr, dport, tp.inet_sport);
  if (typeof rt === "number") {
    if (rt === -ENETUNREACH) net.mib.ip[IPSTATS_MIB_OUTNOROUTES]!++;
    return rt;
  }
  // RFC 1122 section 4.2.3.10: a connection is between two hosts.
  if ((rt.rt_flags & (RTCF_MULTICAST | RTCF_BROADCAST)) !== 0) {
    ip_rt_put(rt);
    return -ENETUNREACH;
  }
  if (rt.error !== 0) {
    const err = rt.error;
    ip_rt_put(rt);
    return err;
  }
  if (!srr) daddr = tp.fl4.daddr;
  if (tp.inet_saddr === 0) {
    tp.inet_saddr = tp.fl4.saddr;
    tp.inet_rcv_saddr = tp.fl4.saddr;
  }
  const saddr = tp.inet_saddr;
  if (tp.rx_opt.ts_recent_stamp !== 0 && tp.inet_daddr !== daddr) {
    // What a former connection of this socket left does not count for another peer.
    tp.rx_opt.ts_recent = 0;
    tp.rx_opt.ts_recent_stamp = 0;
    if (!tp.repair) tp.write_seq = 0;
  }
  tp.inet_dport = dport;
  tp.inet_daddr = daddr;
  tp.icsk_ext_hdr_len = opt !== null ? opt.optlen : 0;
  tp.rx_opt.mss_clamp = TCP_MSS_DEFAULT;

  // In SYN_SENT the socket is looked for among the connections: the port that is found belongs to this pair of addresses.
  tcp_set_state(sk, TCP_SYN_SENT);
  let err = inet_hash_connect(sk);
  if (err !== 0) return failed(tp, rt, err);
  sk_set_txhash(tp);
  let route = rt;
  if (net.ipv4.fib.fib_has_custom_rules || net.ipv4.sysctl_fib_multipath_hash_policy !== 0) {
    // The port may matter to routing (ip_route_newports).
    ip_rt_put(rt);
    const again = ip_route_connect(tp, srr ? opt.faddr : daddr, saddr, dport, tp.inet_sport);
    if (typeof again === "number") return failed(tp, null, again);
    route = again;
  } else tp.fl4.fl4_sport = tp.inet_sport;
  sk_setup_caps(tp, route);
  if (!tp.repair) {
    if (tp.write_seq === 0) tp.write_seq = secure_tcp_seq(net, saddr, daddr, tp.inet_sport, dport);
    tp.tsoffset = secure_tcp_ts_off(net, saddr, daddr, tp.inet_sport, dport);
  }
  tp.inet_id = (tp.write_seq ^ Math.floor(net.kernel.now / 1000)) & 0xffff;
  // TCP_FASTOPEN_CONNECT with a cookie: the SYN waits for the first write.
  if (tcp_fastopen_defer_connect(sk)) return 0;
  err = tcp_connect(sk);
  return err !== 0 ? failed(tp, null, err) : 0;
}

/** The socket is as it was before the call. */
function failed(tp: TcpSock, rt: Rtable | null, err: number): number {
  tcp_set_state(tp, TCP_CLOSE);
  if ((tp.sk_userlocks & SOCK_BINDADDR_LOCK) === 0) {
    tp.inet_saddr = 0;
    tp.inet_rcv_saddr = 0;
  }
  if (rt !== null) ip_rt_put(rt);
  tp.sk_route_caps = 0;
  tp.inet_dport = 0;
  return err;
}
