// What ICMP teaches about one destination: a smaller path MTU, a better gateway; and the redirects that we send.
// Mirrors the exception half of net/ipv4/route.c. Read first: RFC 1191, RFC 1122 section 3.2.2.2.
// Way in: ipv4_update_pmtu(), ipv4_redirect() from the protocols' err_handlers.

import { jiffies } from "../../kernel/kernel.ts";
import { ICMP_REDIR_HOST, ICMP_REDIRECT, ICMPH_GATEWAY, IPH_DADDR, IPH_SADDR, IPH_TOS } from "../../uapi/ip.ts";
import { RT_SCOPE_UNIVERSE, RTN_UNICAST } from "../../uapi/rtnetlink.ts";
import { DST_OBSOLETE_DEAD, dst_release } from "../core/dst.ts";
import { NUD_VALID } from "../core/neigh_table.ts";
import { neigh_event_send } from "../core/neighbour.ts";
import type { Net } from "../core/net_namespace.ts";
import type { SkBuff } from "../core/skbuff.ts";
import { type Sock, sk_dst_reset, sk_dst_set } from "../core/sock.ts";
import { ip_neigh_gw4 } from "./arp.ts";
import { fib_lookup, inet_addr_type } from "./fib_frontend.ts";
import { icmp_send } from "./icmp.ts";
import { inet_sk } from "./inet_sock.ts";
import { inet_getpeer_v4 } from "./inetpeer.ts";
import { type FibNh, FibNhException, FibResult, Flowi4 } from "./ip_fib.ts";
import { IN_DEV_RX_REDIRECTS, IN_DEV_SEC_REDIRECTS, IN_DEV_SHARED_MEDIA } from "./netns_ipv4.ts";
import { flowi4_init_output, ip_route_output_key, ip_rt_put, type Rtable, rt_nexthop } from "./route.ts";

/** Exceptions kept per path; beyond it the oldest goes. Linux: 2048 buckets of depth 5. */
const FNHE_MAX = 10240;

/** The exception for `daddr` by this path, or null; one that has expired is forgotten. */
export function find_exception(nh: FibNh, daddr: number): FibNhException | null {
  const fnhe = nh.exceptions?.get(daddr) ?? null;
  if (fnhe === null) return null;
  if (fnhe.expires !== 0 && jiffies(nh.parent.net.kernel) > fnhe.expires) {
    nh.exceptions!.delete(daddr);
    release_routes(fnhe);
    return null;
  }
  return fnhe;
}

function release_routes(fnhe: FibNhException): void {
  for (const rt of [fnhe.rth_input, fnhe.rth_output]) {
    if (rt === null) continue;
    rt.obsolete = DST_OBSOLETE_DEAD;
    dst_release(rt);
  }
  fnhe.rth_input = null;
  fnhe.rth_output = null;
}

function update_or_create_fnhe(
  nh: FibNh,
  daddr: number,
  gw: number,
  pmtu: number,
  lock: boolean,
  expires: number,
): void {
  if (nh.exceptions === null) nh.exceptions = new Map();
  let fnhe = nh.exceptions.get(daddr);
  if (fnhe === undefined) {
    if (nh.exceptions.size >= FNHE_MAX) {
      const oldest = nh.exceptions.entries().next().value!;
      nh.exceptions.delete(oldest[0]);
      release_routes(oldest[1]);
    }
    fnhe = new FibNhException();
    fnhe.daddr = daddr;
    nh.exceptions.set(daddr, fnhe);
  }
  if (gw !== 0) fnhe.gw = gw;
  if (pmtu !== 0) {
    fnhe.pmtu = pmtu;
    fnhe.mtu_locked = lock;
  }
  fnhe.expires = expires;
  release_routes(fnhe);
  // Whoever holds the path's own cached route looks it up again, and finds the exception.
  if (nh.rth_output !== null) {
    nh.rth_output.obsolete = DST_OBSOLETE_DEAD;
    dst_release(nh.rth_output);
    nh.rth_output = null;
  }
}

/** "Fragmentation needed": the path to fl4.daddr carries `mtu` bytes only. */
export function ip_rt_update_pmtu(rt: Rtable, fl4: Flowi4, mtu: number): void {
  const net = rt.net;
  const old_mtu = rt.ops.mtu(rt);
  if (rt.rt_mtu_locked || old_mtu < mtu) return;
  let lock = false;
  if (mtu < net.ipv4.ip_rt_min_pmtu) {
    lock = true;
    mtu = Math.min(old_mtu, net.ipv4.ip_rt_min_pmtu);
  }
  const expires = jiffies(net.kernel) + net.ipv4.ip_rt_mtu_expires * 1000;
  if (rt.rt_pmtu === mtu && !lock && jiffies(net.kernel) < rt.expires - net.ipv4.ip_rt_mtu_expires * 500) return;
  const res = new FibResult();
  if (fib_lookup(net, fl4, res, 0) === 0 && res.nhc !== null) {
    update_or_create_fnhe(res.nhc, fl4.daddr, 0, mtu, lock, expires);
  }
}

/** A flow key from the header of a packet that came back inside an ICMP error (skb.data is at it). */
function flow_from_inner(fl4: Flowi4, net: Net, skb: SkBuff, oif: number, mark: number, protocol: number): void {
  const dv = skb.head.dv;
  const iph = skb.data;
  const tos = dv.getUint8(iph + IPH_TOS) & 0xfc;
  flowi4_init_output(
    fl4,
    oif,
    mark,
    tos,
    RT_SCOPE_UNIVERSE,
    protocol,
    0,
    dv.getInt32(iph + IPH_DADDR),
    dv.getInt32(iph + IPH_SADDR),
    0,
    0,
  );
  void net;
}

export function ipv4_update_pmtu(skb: SkBuff, net: Net, mtu: number, oif: number, protocol: number): void {
  const fl4 = new Flowi4();
  flow_from_inner(fl4, net, skb, oif, 0, protocol);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === "number") return;
  ip_rt_update_pmtu(rt, fl4, mtu);
  ip_rt_put(rt);
}

/** The same for a connected socket, whose cached route is replaced when the MTU changed. */
export function ipv4_sk_update_pmtu(skb: SkBuff, sk: Sock, mtu: number): void {
  const inet = inet_sk(sk);
  const fl4 = new Flowi4();
  flow_from_inner(fl4, sk.net, skb, sk.sk_bound_dev_if, sk.sk_mark, sk.sk_protocol);
  const rt = ip_route_output_key(sk.net, fl4);
  if (typeof rt === "number") return;
  ip_rt_update_pmtu(rt, fl4, mtu);
  ip_rt_put(rt);
  if (sk.sk_dst_cache !== null) {
    const again = ip_route_output_key(sk.net, fl4);
    if (typeof again === "number") sk_dst_reset(sk);
    else sk_dst_set(sk, again);
  }
  void inet;
}

export function ipv4_redirect(skb: SkBuff, net: Net, oif: number, protocol: number): void {
  const fl4 = new Flowi4();
  flow_from_inner(fl4, net, skb, oif, 0, protocol);
  const rt = ip_route_output_key(net, fl4);
  if (typeof rt === "number") return;
  ip_do_redirect(rt, skb, fl4, false);
  ip_rt_put(rt);
}

export function ipv4_sk_redirect(skb: SkBuff, sk: Sock): void {
  const fl4 = new Flowi4();
  flow_from_inner(fl4, sk.net, skb, sk.sk_bound_dev_if, sk.sk_mark, sk.sk_protocol);
  const rt = ip_route_output_key(sk.net, fl4);
  if (typeof rt === "number") return;
  ip_do_redirect(rt, skb, fl4, false);
  ip_rt_put(rt);
}

/** RFC 1122 section 3.2.2.2: only from the present first hop, only to a neighbour. */
export function ip_do_redirect(rt: Rtable, skb: SkBuff, fl4: Flowi4, kill_route: boolean): void {
  const dv = skb.head.dv;
  const new_gw = dv.getInt32(skb.transport_header + ICMPH_GATEWAY);
  const old_gw = dv.getInt32(skb.network_header + IPH_SADDR);
  const dev = skb.dev;
  const in_dev = dev !== null ? dev.ip_ptr : null;
  if (in_dev === null || dev === null) return;
  if (rt.rt_gw4 !== old_gw) return;
  const net = rt.net;
  if (
    new_gw === old_gw ||
    !IN_DEV_RX_REDIRECTS(in_dev) ||
    new_gw >>> 28 === 0xe ||
    new_gw === -1 ||
    new_gw >>> 24 === 0
  )
    return;
  if (!IN_DEV_SHARED_MEDIA(in_dev)) {
    const on = in_dev.ifa_list.some(
      (ifa) => ((new_gw ^ ifa.ifa_address) & ifa.ifa_mask) === 0 && ((old_gw ^ ifa.ifa_address) & ifa.ifa_mask) === 0,
    );
    if (!on) return;
    if (IN_DEV_SEC_REDIRECTS(in_dev) && rt.rt_gw4 !== old_gw) return;
  } else if (inet_addr_type(net, new_gw) !== RTN_UNICAST) return;
  // A gateway that ARP does not know is asked for first; the next redirect then counts.
  const n = ip_neigh_gw4(dev, new_gw);
  if (n === null) return;
  if ((n.nud_state & NUD_VALID) === 0) {
    neigh_event_send(n, null);
    return;
  }
  const res = new FibResult();
  if (fib_lookup(net, fl4, res, 0) === 0 && res.nhc !== null) {
    const expires = jiffies(net.kernel) + 300 * 1000;
    update_or_create_fnhe(res.nhc, fl4.daddr, new_gw, 0, false, expires);
  }
  if (kill_route) rt.obsolete = DST_OBSOLETE_DEAD;
}

/** Tells the sender of a packet the better first hop, at most ip_rt_redirect_number times, ever more slowly. */
export function ip_rt_send_redirect(skb: SkBuff): void {
  const rt = skb.dst as Rtable;
  const net = rt.net;
  const v4 = net.ipv4;
  const k = net.kernel;
  const dv = skb.head.dv;
  const saddr = dv.getInt32(skb.network_header + IPH_SADDR);
  const gw = rt_nexthop(rt, dv.getInt32(skb.network_header + IPH_DADDR));
  const peer = inet_getpeer_v4(net, saddr);
  const now = jiffies(k);
  if (now > peer.rate_last + v4.ip_rt_redirect_silence) {
    peer.rate_tokens = 0;
    peer.n_redirects = 0;
  }
  // The sender does not listen: stop telling it.
  if (peer.n_redirects >= v4.ip_rt_redirect_number) {
    peer.rate_last = now;
    return;
  }
  if (peer.n_redirects === 0 || now > peer.rate_last + v4.ip_rt_redirect_load * 2 ** peer.n_redirects) {
    icmp_send(skb, ICMP_REDIRECT, ICMP_REDIR_HOST, gw);
    peer.rate_last = now;
    peer.n_redirects++;
  }
}
