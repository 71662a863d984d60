// connect() of datagram sockets. Mirrors net/ipv4/datagram.c.

import { EACCES, EAFNOSUPPORT, EINVAL, ENETUNREACH } from "../../uapi/errno.ts";
import { AF_INET, SOCKADDR_IN_LEN } from "../../uapi/socket.ts";
import { get_random_u32_below } from "../core/neigh_table.ts";
import { IPSTATS_MIB_OUTNOROUTES } from "../core/snmp.ts";
import { SOCK_BROADCAST, type Sock, sk_dst_reset, sk_dst_set, sock_flag, TCP_ESTABLISHED } from "../core/sock.ts";
import { inet_sk } from "./inet_sock.ts";
import { ipv4_is_multicast } from "./netns_ipv4.ts";
import { ip_route_output_ports, ip_rt_put, RTCF_BROADCAST } from "./route.ts";

/** Fixes the peer and caches the route. 0 or -errno. */
export function __ip_datagram_connect(sk: Sock, addr: Uint8Array, len: number): number {
  const inet = inet_sk(sk);
  if (len < SOCKADDR_IN_LEN) return -EINVAL;
  const dv = new DataView(addr.buffer, addr.byteOffset, addr.byteLength);
  if (dv.getUint16(0, true) !== AF_INET) return -EAFNOSUPPORT;
  sk_dst_reset(sk);
  const daddr = dv.getInt32(4);
  const dport = dv.getUint16(2);
  let oif = sk.sk_bound_dev_if;
  let saddr = inet.inet_saddr;
  if (ipv4_is_multicast(daddr)) {
    if (oif === 0) oif = inet.mc_index;
    if (saddr === 0) saddr = inet.mc_addr;
  } else if (oif === 0) oif = inet.uc_index;
  const fl4 = inet.fl4;
  const rt = ip_route_output_ports(
    sk.net,
    fl4,
    sk,
    daddr,
    saddr,
    dport,
    inet.inet_sport,
    sk.sk_protocol,
    inet.tos,
    oif,
  );
  if (typeof rt === "number") {
    if (rt === -ENETUNREACH) sk.net.mib.ip[IPSTATS_MIB_OUTNOROUTES]!++;
    return rt;
  }
  if (rt.error !== 0) {
    const e = rt.error;
    ip_rt_put(rt);
    return e;
  }
  if ((rt.rt_flags & RTCF_BROADCAST) !== 0 && !sock_flag(sk, SOCK_BROADCAST)) {
    ip_rt_put(rt);
    return -EACCES;
  }
  if (inet.inet_saddr === 0) inet.inet_saddr = fl4.saddr;
  if (inet.inet_rcv_saddr === 0) {
    inet.inet_rcv_saddr = fl4.saddr;
    sk.prot.rehash?.(sk);
  }
  inet.inet_daddr = fl4.daddr;
  inet.inet_dport = dport;
  sk.sk_state = TCP_ESTABLISHED;
  inet.inet_id = get_random_u32_below(sk.net.kernel, 0x10000);
  sk_dst_set(sk, rt);
  return 0;
}
