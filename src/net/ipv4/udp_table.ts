// The UDP port table: binding, conflicts, lookup by score, reuseport. Mirrors the table half of net/ipv4/udp.c and
// net/core/sock_reuseport.c. Family-neutral: an IPv6 socket hashes by its port alike.
// Way in: udp_lib_get_port(), __udp4_lib_lookup().

import { reciprocal_scale } from "../../lib/bits.ts";
import { jhash_3words } from "../../lib/jhash.ts";
import { EADDRINUSE } from "../../uapi/errno.ts";
import { AF_INET } from "../../uapi/socket.ts";
import { DST_OBSOLETE_FORCE_CHK, dst_release } from "../core/dst.ts";
import type { Net } from "../core/net_namespace.ts";
import type { SkBuff } from "../core/skbuff.ts";
import { type Proto, TCP_ESTABLISHED } from "../core/sock.ts";
import { run_bpf_filter } from "../core/sock_filter.ts";
import { InetSock, inet_rcv_saddr_equal, inet_rcv_saddr_same, ipv6_only_sock } from "./inet_sock.ts";
import type { Rtable } from "./route.ts";

/** Bytes of its header. */
const UDP_HLEN = 8;

export class UdpSock extends InetSock {
  /** Corked: UDP_CORK, or MSG_MORE of the last send. */
  pending = 0;
  corkflag = false;
  gso_size = 0;
  gro_enabled = false;
  encap_type = 0;
  /** UDP-Lite: bytes that are summed of what is sent, that must be of what comes, and which of these was set (UDPLITE_*_CC). */
  pcslen = 0;
  pcrlen = 0;
  pcflag = 0;
  /** Bytes of payload appended to the corked message, with the header. */
  cork_len = 0;
  /** MSG_ZEROCOPY sends that it is made of. */
  cork_zc = 0;
  no_check6_tx = false;
  no_check6_rx = false;
  reuseport_key = 0;
  hashed = false;
  /** The route of the last datagram that named its destination, while what was asked for stays the same. */
  private last_rt: Rtable | null = null;
  private last_daddr = 0;
  private last_saddr = 0;
  private last_oif = 0;
  private last_tos = 0;
  private last_mark = 0;
  private last_scope = 0;
  /** The source address that the route chose. */
  last_fl_saddr = 0;

  /**
   * The route for the same question as the last one, with a reference for the caller; null when it has to be looked up.
   * DIFF: Linux looks up each datagram of an unconnected socket. Every change of the tables ends this one (rt_genid), so
   * that the answer is the same.
   */
  last_route(daddr: number, saddr: number, oif: number, tos: number, mark: number, scope: number): Rtable | null {
    const rt = this.last_rt;
    if (
      rt === null ||
      daddr !== this.last_daddr ||
      saddr !== this.last_saddr ||
      oif !== this.last_oif ||
      tos !== this.last_tos ||
      mark !== this.last_mark ||
      scope !== this.last_scope
    ) {
      return null;
    }
    if (rt.obsolete !== DST_OBSOLETE_FORCE_CHK || rt.rt_genid !== this.net.ipv4.rt_genid) {
      this.drop_route();
      return null;
    }
    rt.refcnt++;
    return rt;
  }

  keep_route(
    rt: Rtable,
    daddr: number,
    saddr: number,
    oif: number,
    tos: number,
    mark: number,
    scope: number,
    fl_saddr: number,
  ): void {
    this.drop_route();
    rt.refcnt++;
    this.last_rt = rt;
    this.last_daddr = daddr;
    this.last_saddr = saddr;
    this.last_oif = oif;
    this.last_tos = tos;
    this.last_mark = mark;
    this.last_scope = scope;
    this.last_fl_saddr = fl_saddr;
  }

  drop_route(): void {
    const rt = this.last_rt;
    this.last_rt = null;
    if (rt !== null) dst_release(rt);
  }

  constructor(net: Net, family: number, prot: Proto) {
    super(net, family, prot);
  }
}

const HASH_SIZE = 256;

export class UdpTable {
  /** By local port. */
  readonly hash: UdpSock[][] = Array.from({ length: HASH_SIZE }, () => []);
  /** Sockets with a peer: early demux looks only while there are some. */
  connected = 0;
  count = 0;
  /** How many of them are of AF_INET6. */
  count6 = 0;
  /** Sockets that joined multicast or broadcast are found by walking the port's bucket. */
}

declare module "../core/net_namespace.ts" {
  interface Net {
    udp_table: UdpTable;
    udplite_table: UdpTable;
  }
}

const bucket = (t: UdpTable, port: number): UdpSock[] => t.hash[port & (HASH_SIZE - 1)]!;

/** May both be bound to the same port? (inet_rcv_saddr_equal and the reuse rules.) */
function conflicts(sk: UdpSock, other: UdpSock): boolean {
  if (sk.inet_num !== 0 && other.inet_num !== sk.inet_num) return false;
  if (sk.sk_bound_dev_if !== 0 && other.sk_bound_dev_if !== 0 && sk.sk_bound_dev_if !== other.sk_bound_dev_if)
    return false;
  if (!inet_rcv_saddr_equal(sk, other)) return false;
  if (sk.sk_reuse !== 0 && other.sk_reuse !== 0) return false;
  if (sk.sk_reuseport && other.sk_reuseport && sk.sk_uid === other.sk_uid) return false;
  return true;
}

function port_in_use(table: UdpTable, sk: UdpSock, port: number): boolean {
  const list = bucket(table, port);
  for (let i = 0; i < list.length; i++) {
    const other = list[i]!;
    if (other === sk || other.inet_num !== port) continue;
    if (conflicts(sk, other)) return true;
  }
  return false;
}

/** The sysctl's range, narrowed by IP_LOCAL_PORT_RANGE where that lies inside. */
function inet_sk_get_local_port_range(sk: UdpSock): readonly [number, number] {
  const [lo, hi] = sk.net.ipv4.ip_local_ports;
  const [sk_lo, sk_hi] = sk.local_port_range;
  if (sk_lo === 0 && sk_hi === 0) return [lo, hi];
  const low = lo < sk_lo && sk_lo <= hi ? sk_lo : lo;
  return [low, hi > sk_hi && sk_hi >= low ? sk_hi : hi];
}

/** Binds to `snum`, or to a free port of ip_local_port_range when it is 0. Returns 0 or -EADDRINUSE. */
export function udp_lib_get_port(table: UdpTable, sk: UdpSock, snum: number): number {
  const net = sk.net;
  let port = snum;
  if (port === 0) {
    const [low, high] = inet_sk_get_local_port_range(sk);
    const n = high - low + 1;
    const rnd = new Uint8Array(4);
    net.kernel.host.random_bytes(rnd);
    const first = (rnd[0]! | (rnd[1]! << 8) | (rnd[2]! << 16)) % n;
    port = -1;
    for (let i = 0; i < n; i++) {
      const p = low + ((first + i) % n);
      if (is_reserved(net, p) || port_in_use(table, sk, p)) continue;
      port = p;
      break;
    }
    if (port < 0) return -EADDRINUSE;
  } else if (port_in_use(table, sk, port)) return -EADDRINUSE;
  sk.inet_num = port;
  if (!sk.hashed) {
    sk.hashed = true;
    bucket(table, port).unshift(sk);
    const group = sk.sk_reuseport ? udp_reuseport_group(table, sk) : [];
    if (group.length > 1) sk.sk_reuseport_prog = group.find((o) => o !== sk)!.sk_reuseport_prog;
    table.count++;
    if (sk.family !== AF_INET) table.count6++;
  }
  return 0;
}

/** Those that are bound to the very same, by SO_REUSEPORT. */
export function udp_reuseport_group(table: UdpTable, sk: UdpSock): UdpSock[] {
  if (!sk.hashed) return [sk];
  return bucket(table, sk.inet_num).filter(
    (o) =>
      o.sk_reuseport &&
      o.net === sk.net &&
      o.family === sk.family &&
      o.inet_num === sk.inet_num &&
      o.sk_bound_dev_if === sk.sk_bound_dev_if &&
      o.sk_uid === sk.sk_uid &&
      inet_rcv_saddr_same(o, sk),
  );
}

function is_reserved(net: Net, port: number): boolean {
  for (const [lo, hi] of net.ipv4.sysctl_local_reserved_ports) if (port >= lo && port <= hi) return true;
  return false;
}

export function udp_lib_unhash(table: UdpTable, sk: UdpSock): void {
  if (!sk.hashed) return;
  const list = bucket(table, sk.inet_num);
  const i = list.indexOf(sk);
  if (i >= 0) list.splice(i, 1);
  sk.hashed = false;
  sk.inet_num = 0;
  table.count--;
  if (sk.family !== AF_INET) table.count6--;
}

/** How well a socket fits; -1 when it does not. A connected, more specific one wins. */
function compute_score(
  sk: UdpSock,
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
  sdif: number,
): number {
  if (sk.inet_num !== hnum || ipv6_only_sock(sk)) return -1;
  let score = sk.family === AF_INET ? 2 : 1;
  const rcv = sk.inet_rcv_saddr;
  if (rcv !== 0) {
    if (rcv !== daddr) return -1;
    score += 4;
  }
  if (sk.inet_daddr !== 0) {
    if (sk.inet_daddr !== saddr) return -1;
    score += 4;
  }
  if (sk.inet_dport !== 0) {
    if (sk.inet_dport !== sport) return -1;
    score += 4;
  }
  if (sk.sk_bound_dev_if !== 0) {
    if (sk.sk_bound_dev_if !== dif && sk.sk_bound_dev_if !== sdif) return -1;
    score += 4;
  }
  if (sk.sk_incoming_cpu >= 0 && sk.sk_incoming_cpu === sk.net.kernel.cpu.id) score++;
  return score;
}

/** The socket for a datagram, or null. */
export function __udp4_lib_lookup(
  table: UdpTable,
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
  sdif: number,
  skb: SkBuff | null,
): UdpSock | null {
  const list = table.hash[hnum & (HASH_SIZE - 1)]!;
  let best: UdpSock | null = null;
  let bestscore = -1;
  for (let i = 0; i < list.length; i++) {
    const sk = list[i]!;
    const score = compute_score(sk, saddr, sport, daddr, hnum, dif, sdif);
    if (score > bestscore) {
      best = sk;
      bestscore = score;
    }
  }
  if (best !== null && best.sk_reuseport && best.sk_state !== TCP_ESTABLISHED) {
    return reuseport_select(list, best, saddr, sport, daddr, hnum, dif, sdif, bestscore, skb);
  }
  return best;
}

/** Among the equals of a reuseport group the flow's hash decides, so that one flow stays with one socket. */
function reuseport_select(
  list: UdpSock[],
  best: UdpSock,
  saddr: number,
  sport: number,
  daddr: number,
  hnum: number,
  dif: number,
  sdif: number,
  score: number,
  skb: SkBuff | null,
): UdpSock {
  let n = 0;
  for (let i = 0; i < list.length; i++) {
    const sk = list[i]!;
    if (sk.sk_reuseport && compute_score(sk, saddr, sport, daddr, hnum, dif, sdif) === score) n++;
  }
  if (n <= 1) return best;
  let pick = reciprocal_scale(jhash_3words(saddr, daddr, (sport << 16) | hnum, best.net.ipv4.hash_secret), n);
  const prog = best.sk_reuseport_prog;
  if (prog !== null && skb !== null) {
    const p = run_bpf_filter(prog, skb, UDP_HLEN, n);
    if (p >= 0) pick = p;
  }
  // The group counts in the order of binding; the bucket has the newest first.
  for (let i = list.length - 1; i >= 0; i--) {
    const sk = list[i]!;
    if (!sk.sk_reuseport || compute_score(sk, saddr, sport, daddr, hnum, dif, sdif) !== score) continue;
    if (pick-- === 0) return sk;
  }
  return best;
}

/** All sockets of a namespace, for /proc/net/udp and sock_diag, by bucket as Linux lists them. */
export function* udp_sockets(table: UdpTable): Generator<UdpSock, void> {
  for (const list of table.hash) yield* list;
}

/** The bucket a socket is shown in ("sl" of /proc/net/udp). */
export const udp_bucket_of = (port: number): number => port & (HASH_SIZE - 1);

export const udp_port_list = bucket;
