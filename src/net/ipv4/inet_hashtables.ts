// Who has which port, who listens where, and which connection a segment belongs to. Family-neutral where Linux is.
// Mirrors net/ipv4/inet_hashtables.c and, for groups of listeners, net/core/sock_reuseport.c.
// Read first: RFC 9293 section 3.3.1, RFC 6056. Way in: __inet_lookup_skb(), inet_hash(), inet_hash_connect().

import type { Kernel } from "../../kernel/kernel.ts";
import { reciprocal_scale } from "../../lib/bits.ts";
import { jhash_2words, jhash_3words } from "../../lib/jhash.ts";
import { EADDRNOTAVAIL, ENOENT } from "../../uapi/errno.ts";
import { IPH_DADDR, IPH_SADDR, TCPH_DOFF } from "../../uapi/ip.ts";
import { AF_INET } from "../../uapi/socket.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { secure_ipv4_port_ephemeral } from "../core/secure_seq.ts";
import type { SkBuff } from "../core/skbuff.ts";
import { LINUX_MIB_TWRECYCLED } from "../core/snmp.ts";
import {
  SOCK_DEAD,
  type Sock,
  sock_flag,
  sock_put,
  sock_set_flag,
  TCP_CLOSE,
  TCP_LISTEN,
  TCP_NEW_SYN_RECV,
  TCP_TIME_WAIT,
} from "../core/sock.ts";
import { run_bpf_filter } from "../core/sock_filter.ts";
import { inet_csk_destroy_sock, inet_csk_reqsk_queue_drop } from "./inet_connection_sock.ts";
import { type InetBound, type InetSock, inet_rcv_saddr_same, ipv6_only_sock } from "./inet_sock.ts";
import { InetTimewaitDeathRow, type InetTimewaitSock, inet_twsk_deschedule_put } from "./inet_timewait_sock.ts";
import type { RequestSock } from "./request_sock.ts";
import { tcp_done } from "./tcp.ts";
import { tcp_twsk_unique } from "./tcp_minisocks.ts";
import { type TcpSock, tcp_sk } from "./tcp_sock.ts";

/**
 * What the hash of connections holds: a TcpSock, an InetTimewaitSock (sk_state TCP_TIME_WAIT) or a RequestSock
 * (TCP_NEW_SYN_RECV). The part of struct sock_common that the lookup compares. Ports are host order.
 */
export interface InetEhashEntry {
  readonly net: Net;
  readonly family: number;
  sk_state: number;
  sk_hash: number;
  hash_next: InetEhashEntry | null;
  hash_prev: InetEhashEntry | null;
  hashed: number;
  inet_daddr: number;
  inet_rcv_saddr: number;
  inet_dport: number;
  inet_num: number;
  sk_bound_dev_if: number;
}

/** Values of `hashed`. */
export const HASHED_EHASH = 1;
export const HASHED_LHASH2 = 2;

/** What shares a local port: a TcpSock or an InetTimewaitSock. */
export interface InetBindOwner extends InetBound {
  bind_next: InetBindOwner | null;
  bind_prev: InetBindOwner | null;
  sk_state: number;
  inet_rcv_saddr: number;
  sk_bound_dev_if: number;
  sk_reuse: number;
  sk_reuseport: boolean;
  sk_uid: number;
}

/** A local port in use (struct inet_bind_bucket). */
export class InetBindBucket {
  readonly net: Net;
  readonly port: number;
  /** -1: only connect() chose it; 0, or 1: all owners have SO_REUSEADDR and none listens. */
  fastreuse = 0;
  /** As fastreuse, for SO_REUSEPORT. */
  fastreuseport = 0;
  owners: InetBindOwner | null = null;
  constructor(net: Net, port: number) {
    this.net = net;
    this.port = port;
  }
}

/** The listeners of an address and port, newest first, linked by hash_next. */
export class InetListenHashbucket {
  readonly key: number;
  first: TcpSock | null = null;
  constructor(key: number) {
    this.key = key;
  }
}

/** Listeners with SO_REUSEPORT on the same address and port, in the order of listen(2) (struct sock_reuseport). */
export class SockReuseport {
  readonly socks: TcpSock[] = [];
}

const EHASH_MIN = 256;
const PERTURB_SIZE = 256;

/** struct inet_hashinfo; one for each namespace. */
export class InetHashinfo {
  readonly net: Net;
  ehash: (InetEhashEntry | null)[] = new Array(EHASH_MIN).fill(null);
  ehash_mask = EHASH_MIN - 1;
  ehash_count = 0;
  /** Connections and listeners, without requests and TIME_WAIT (sock_prot_inuse). */
  inuse = 0;
  /** How many of them are of AF_INET6. */
  inuse6 = 0;
  /** By hash of address and port; chains of different keys never mix, and equal keys are compared in full. */
  readonly lhash2: Map<number, InetListenHashbucket> = new Map();
  /** By port: 256 pages of 256, made when needed. */
  readonly bhash: ((InetBindBucket | null)[] | null)[] = new Array(256).fill(null);
  /** RFC 6056 section 3.3.5: how far each class of destinations has moved on. Filled at the first connect(). */
  table_perturb: Uint32Array | null = null;
  /** The one that __inet_check_established() found to be replaceable. */
  tw_recycled: InetTimewaitSock | null = null;
  readonly rnd: Uint8Array = new Uint8Array(4);

  constructor(net: Net) {
    this.net = net;
  }
}

declare module "../core/net_namespace.ts" {
  interface Net {
    tcp_hashinfo: InetHashinfo;
  }
}

/** The tables of each namespace. What lives in them when a namespace goes has no program and no wire left. */
export function inet_hashinfo_init(k: Kernel): void {
  register_pernet_subsys(k, {
    init: (net) => {
      net.tcp_hashinfo = new InetHashinfo(net);
      net.tcp_death_row = new InetTimewaitDeathRow();
    },
    exit: inet_twsk_purge,
  });
}

/**
 * TIME_WAIT and requests end with their namespace. DIFF: so do connections that no program has open; Linux lets their timers
 * find out.
 */
export function inet_twsk_purge(net: Net): void {
  for (const e of [...inet_ehash_entries(net)]) {
    if (e.hashed === 0) continue;
    if (e.sk_state === TCP_TIME_WAIT) inet_twsk_deschedule_put(e as InetTimewaitSock);
    else if (e.sk_state === TCP_NEW_SYN_RECV)
      inet_csk_reqsk_queue_drop((e as RequestSock).rsk_listener, e as RequestSock);
    else if (sock_flag(e as TcpSock, SOCK_DEAD)) tcp_done(e as TcpSock);
  }
}

/** 0 … n-1. */
export function inet_random_below(h: InetHashinfo, n: number): number {
  const r = h.rnd;
  h.net.kernel.host.random_bytes(r);
  return reciprocal_scale(r[0]! | (r[1]! << 8) | (r[2]! << 16) | (r[3]! << 24), n);
}

// --- connections --------------------------------------------------------------------------------------------------

export const inet_ehashfn = (net: Net, laddr: number, lport: number, faddr: number, fport: number): number =>
  jhash_3words(laddr, faddr, (lport << 16) | fport, net.ipv4.hash_secret);

const sk_ehashfn = (e: InetEhashEntry): number =>
  inet_ehashfn(e.net, e.inet_rcv_saddr, e.inet_num, e.inet_daddr, e.inet_dport);

function ehash_add(h: InetHashinfo, e: InetEhashEntry): void {
  if (h.ehash_count > h.ehash_mask) ehash_grow(h);
  const at = e.sk_hash & h.ehash_mask;
  const first = h.ehash[at]!;
  e.hash_prev = null;
  e.hash_next = first;
  if (first !== null) first.hash_prev = e;
  h.ehash[at] = e;
  e.hashed = HASHED_EHASH;
  h.ehash_count++;
}

/** Twice the buckets. DIFF: Linux has a fixed number, chosen at boot by the size of memory. */
function ehash_grow(h: InetHashinfo): void {
  const old = h.ehash;
  const n = old.length * 2;
  const heads: (InetEhashEntry | null)[] = new Array(n).fill(null);
  const mask = n - 1;
  for (let i = 0; i < old.length; i++) {
    let e: InetEhashEntry | null = old[i] ?? null;
    // The order within a chain stays: the last one is put in front first.
    for (let n = e !== null ? e.hash_next : null; n !== null; n = n.hash_next) e = n;
    while (e !== null) {
      const prev: InetEhashEntry | null = e.hash_prev;
      const at = e.sk_hash & mask;
      const first = heads[at]!;
      e.hash_prev = null;
      e.hash_next = first;
      if (first !== null) first.hash_prev = e;
      heads[at] = e;
      e = prev;
    }
  }
  h.ehash = heads;
  h.ehash_mask = mask;
}

/** True when it was there. */
export function inet_ehash_unlink(e: InetEhashEntry): boolean {
  if (e.hashed !== HASHED_EHASH) return false;
  const h = e.net.tcp_hashinfo;
  const next = e.hash_next;
  const prev = e.hash_prev;
  if (prev !== null) prev.hash_next = next;
  else h.ehash[e.sk_hash & h.ehash_mask] = next;
  if (next !== null) next.hash_prev = prev;
  e.hash_next = null;
  e.hash_prev = null;
  e.hashed = 0;
  h.ehash_count--;
  return true;
}

function sock_prot_inuse_add(h: InetHashinfo, tp: TcpSock, n: number): void {
  h.inuse += n;
  if (tp.family !== AF_INET) h.inuse6 += n;
}

/** TIME_WAIT takes the place of the connection. */
export function inet_ehash_replace(tp: TcpSock, by: InetEhashEntry): void {
  const h = tp.net.tcp_hashinfo;
  if (inet_ehash_unlink(tp)) sock_prot_inuse_add(h, tp, -1);
  ehash_add(h, by);
}

/**
 * The entry for a segment from saddr:sport to daddr:dport, without a reference. `dif`: the device it came in on, or 0.
 */
export function __inet_lookup_established(
  net: Net,
  saddr: number,
  sport: number,
  daddr: number,
  dport: number,
  dif: number,
): TcpSock | InetTimewaitSock | RequestSock | null {
  const h = net.tcp_hashinfo;
  const hash = jhash_3words(daddr, saddr, (dport << 16) | sport, net.ipv4.hash_secret);
  for (let e = h.ehash[hash & h.ehash_mask] ?? null; e !== null; e = e.hash_next) {
    if (
      e.sk_hash === hash &&
      e.inet_dport === sport &&
      e.inet_num === dport &&
      e.inet_daddr === saddr &&
      e.inet_rcv_saddr === daddr &&
      (e.sk_bound_dev_if === 0 || e.sk_bound_dev_if === dif)
    ) {
      return e as TcpSock | InetTimewaitSock | RequestSock;
    }
  }
  return null;
}

/** Puts `e` into the hash; `osk`, the request that it comes from, leaves it: false when that was gone already. */
export function inet_ehash_insert(e: InetEhashEntry, osk: RequestSock | null): boolean {
  const h = e.net.tcp_hashinfo;
  e.sk_hash = sk_ehashfn(e);
  if (osk !== null && !inet_ehash_unlink(osk)) return false;
  ehash_add(h, e);
  return true;
}

/** The same for a connection; one that lost against another is destroyed. */
export function inet_ehash_nolisten(sk: Sock, osk: RequestSock | null): boolean {
  const tp = tcp_sk(sk);
  if (inet_ehash_insert(tp, osk)) {
    sock_prot_inuse_add(tp.net.tcp_hashinfo, tp, 1);
    return true;
  }
  tp.net.kernel.tcp_orphan_count++;
  tp.sk_state = TCP_CLOSE;
  sock_set_flag(tp, SOCK_DEAD);
  inet_csk_destroy_sock(tp);
  return false;
}

/** All of a namespace, by bucket. */
export function* inet_ehash_entries(net: Net): Generator<TcpSock | InetTimewaitSock | RequestSock, void> {
  const h = net.tcp_hashinfo;
  for (const first of h.ehash) {
    for (let e = first; e !== null; e = e.hash_next) yield e as TcpSock | InetTimewaitSock | RequestSock;
  }
}

// --- listeners ----------------------------------------------------------------------------------------------------

const lhash2_key = (net: Net, addr: number, port: number): number => jhash_2words(addr, port, net.ipv4.hash_secret);

/** Listeners of a namespace, in the order of their buckets. */
export function* inet_listeners(net: Net): Generator<TcpSock, void> {
  for (const b of net.tcp_hashinfo.lhash2.values()) {
    for (let sk = b.first; sk !== null; sk = sk.hash_next as TcpSock | null) yield sk;
  }
}

/** Sockets that have a port but neither listen nor are connected (ss -a of BOUND_INACTIVE). */
export function* inet_bound_sockets(net: Net): Generator<TcpSock, void> {
  for (const page of net.tcp_hashinfo.bhash) {
    if (page === null) continue;
    for (const tb of page) {
      for (let o = tb !== null ? tb.owners : null; o !== null; o = o.bind_next) {
        if (o.sk_state === TCP_CLOSE) yield o as TcpSock;
      }
    }
  }
}

/** How well a listener fits; -1: not at all. */
function compute_score(sk: TcpSock, daddr: number, dport: number, dif: number): number {
  if (sk.inet_num !== dport || sk.inet_rcv_saddr !== daddr || ipv6_only_sock(sk)) return -1;
  let score = 1;
  if (sk.sk_bound_dev_if !== 0) {
    if (sk.sk_bound_dev_if !== dif) return -1;
    score = 2;
  }
  if (sk.family === AF_INET) score++;
  if (sk.sk_incoming_cpu >= 0 && sk.sk_incoming_cpu === sk.net.kernel.cpu.id) score++;
  return score;
}

function inet_lhash2_lookup(
  net: Net,
  skb: SkBuff | null,
  saddr: number,
  sport: number,
  daddr: number,
  dport: number,
  addr: number,
  dif: number,
): TcpSock | null {
  const b = net.tcp_hashinfo.lhash2.get(lhash2_key(net, addr, dport));
  if (b === undefined) return null;
  let best: TcpSock | null = null;
  let bestscore = 0;
  for (let sk = b.first; sk !== null; sk = sk.hash_next as TcpSock | null) {
    const score = compute_score(sk, addr, dport, dif);
    if (score <= bestscore) continue;
    if (sk.sk_reuseport && sk.sk_reuseport_cb !== null) {
      const hash = inet_ehashfn(net, daddr, dport, saddr, sport);
      const chosen = reuseport_select_sock(sk, hash, skb);
      if (chosen !== null) return chosen;
    }
    best = sk;
    bestscore = score;
  }
  return best;
}

/** The listener for a segment: one of exactly this address before one of any. */
export function __inet_lookup_listener(
  net: Net,
  skb: SkBuff | null,
  saddr: number,
  sport: number,
  daddr: number,
  dport: number,
  dif: number,
): TcpSock | null {
  if (net.tcp_hashinfo.lhash2.size === 0) return null;
  return (
    inet_lhash2_lookup(net, skb, saddr, sport, daddr, dport, daddr, dif) ??
    inet_lhash2_lookup(net, skb, saddr, sport, daddr, dport, 0, dif)
  );
}

/**
 * Whose segment this is; the network header is set. What early demux found is taken from the packet, with its reference:
 * nothing interleaves, so none is needed. (Traced by tcp_v4_rcv(), which knows of early demux.)
 */
export function __inet_lookup_skb(
  skb: SkBuff,
  sport: number,
  dport: number,
): TcpSock | InetTimewaitSock | RequestSock | null {
  const early = skb.sk;
  if (early !== null) {
    skb.sk = null;
    if (skb.destructor !== null) {
      skb.destructor = null;
      sock_put(early);
    }
    return early as TcpSock;
  }
  const dev = skb.dev!;
  const net = dev.net;
  const dv = skb.head.dv;
  const saddr = dv.getInt32(skb.network_header + IPH_SADDR);
  const daddr = dv.getInt32(skb.network_header + IPH_DADDR);
  return (
    __inet_lookup_established(net, saddr, sport, daddr, dport, dev.ifindex) ??
    __inet_lookup_listener(net, skb, saddr, sport, daddr, dport, dev.ifindex)
  );
}

// --- groups of listeners (SO_REUSEPORT) ---------------------------------------------------------------------------

/** Joins the group of an equal listener, or founds one. */
function inet_reuseport_add_sock(sk: TcpSock, b: InetListenHashbucket): void {
  for (let o = b.first; o !== null; o = o.hash_next as TcpSock | null) {
    if (
      o !== sk &&
      o.sk_reuseport_cb !== null &&
      o.family === sk.family &&
      o.inet_num === sk.inet_num &&
      o.sk_bound_dev_if === sk.sk_bound_dev_if &&
      o.sk_reuseport &&
      o.sk_uid === sk.sk_uid &&
      inet_rcv_saddr_same(o, sk)
    ) {
      sk.sk_reuseport_cb = o.sk_reuseport_cb;
      sk.sk_reuseport_cb.socks.push(sk);
      sk.sk_reuseport_prog = o.sk_reuseport_prog;
      return;
    }
  }
  sk.sk_reuseport_cb = new SockReuseport();
  sk.sk_reuseport_cb.socks.push(sk);
}

/** proto->reuseport_group. */
export function inet_reuseport_group(sk: Sock): readonly Sock[] {
  const socks = tcp_sk(sk).sk_reuseport_cb?.socks ?? [];
  return socks.includes(sk as TcpSock) ? socks : [sk];
}

/** The last one of the group takes the place of the one that leaves. */
function reuseport_detach_sock(sk: TcpSock): void {
  const group = sk.sk_reuseport_cb;
  // The socket remembers its group: its requests may go over to the others (tcp_migrate_req).
  if (group === null) return;
  const at = group.socks.indexOf(sk);
  if (at < 0) return;
  const last = group.socks.pop()!;
  if (last !== sk) group.socks[at] = last;
}

/** The member for a flow: a program's choice, else by the flow's hash; a member on this CPU is preferred where CPUs were named. */
function reuseport_select_sock(sk: TcpSock, hash: number, skb: SkBuff | null): TcpSock | null {
  const socks = sk.sk_reuseport_cb!.socks;
  const n = socks.length;
  if (n === 0) return null;
  const k = sk.net.kernel;
  const prog = sk.sk_reuseport_prog;
  if (prog !== null && skb !== null) {
    const p = run_bpf_filter(prog, skb, (skb.head.dv.getUint8(skb.data + TCPH_DOFF) >> 4) << 2, n);
    if (p >= 0) return socks[p]!;
  }
  const start = reciprocal_scale(hash, n);
  const cpu = k.cpu.id;
  for (let i = 0; i < n; i++) {
    const s = socks[(start + i) % n]!;
    if (s.sk_incoming_cpu === cpu) return s;
  }
  return socks[start]!;
}

/** A listener was closed (or lost a race): another one of its group that may take over its requests (tcp_migrate_req). */
export function reuseport_migrate_sock(sk: TcpSock, group: SockReuseport | null, hash: number): TcpSock | null {
  if (group === null || sk.net.ipv4.sysctl_tcp_migrate_req === 0) return null;
  const n = group.socks.length;
  return n === 0 ? null : group.socks[reciprocal_scale(hash, n)]!;
}

// --- in and out of the hashes (proto->hash, unhash) ---------------------------------------------------------------

/** proto->hash: a listener, or a connection, can be found from now on. Returns 0. */
export function inet_hash(sk: Sock): number {
  const tp = tcp_sk(sk);
  if (tp.sk_state === TCP_CLOSE) return 0;
  if (tp.sk_state !== TCP_LISTEN) {
    inet_ehash_nolisten(tp, null);
    return 0;
  }
  const h = tp.net.tcp_hashinfo;
  const key = lhash2_key(tp.net, tp.inet_rcv_saddr, tp.inet_num);
  let b = h.lhash2.get(key);
  if (b === undefined) {
    b = new InetListenHashbucket(key);
    h.lhash2.set(key, b);
  }
  if (tp.sk_reuseport) inet_reuseport_add_sock(tp, b);
  tp.hash_prev = null;
  tp.hash_next = b.first;
  if (b.first !== null) b.first.hash_prev = tp;
  b.first = tp;
  tp.icsk_listen_hash = b;
  tp.hashed = HASHED_LHASH2;
  sock_prot_inuse_add(h, tp, 1);
  return 0;
}

export function inet_unhash(sk: Sock): void {
  const tp = tcp_sk(sk);
  const h = tp.net.tcp_hashinfo;
  if (tp.hashed === HASHED_EHASH) {
    inet_ehash_unlink(tp);
    sock_prot_inuse_add(h, tp, -1);
  } else if (tp.hashed === HASHED_LHASH2) {
    const b = tp.icsk_listen_hash!;
    const next = tp.hash_next as TcpSock | null;
    if (tp.hash_prev !== null) tp.hash_prev.hash_next = next;
    else b.first = next;
    if (next !== null) next.hash_prev = tp.hash_prev;
    if (b.first === null) h.lhash2.delete(b.key);
    tp.hash_next = null;
    tp.hash_prev = null;
    tp.hashed = 0;
    tp.icsk_listen_hash = null;
    reuseport_detach_sock(tp);
    sock_prot_inuse_add(h, tp, -1);
  }
}

// --- local ports --------------------------------------------------------------------------------------------------

export function inet_bind_bucket_find(net: Net, port: number): InetBindBucket | null {
  const page = net.tcp_hashinfo.bhash[port >> 8]!;
  return page !== null ? page[port & 255]! : null;
}

export function inet_bind_bucket_create(net: Net, port: number): InetBindBucket {
  const h = net.tcp_hashinfo;
  const page = (h.bhash[port >> 8] ??= new Array(256).fill(null));
  const tb = new InetBindBucket(net, port);
  page[port & 255] = tb;
  return tb;
}

/** A port nobody has is forgotten. */
export function inet_bind_bucket_destroy(tb: InetBindBucket): void {
  if (tb.owners !== null) return;
  const page = tb.net.tcp_hashinfo.bhash[tb.port >> 8]!;
  if (page !== null && page[tb.port & 255] === tb) page[tb.port & 255] = null;
}

export function inet_bind_bucket_add(tb: InetBindBucket, o: InetBindOwner): void {
  o.bind_prev = null;
  o.bind_next = tb.owners;
  if (tb.owners !== null) tb.owners.bind_prev = o;
  tb.owners = o;
}

export function inet_bind_bucket_remove(tb: InetBindBucket, o: InetBindOwner): void {
  if (o.bind_prev !== null) o.bind_prev.bind_next = o.bind_next;
  else tb.owners = o.bind_next;
  if (o.bind_next !== null) o.bind_next.bind_prev = o.bind_prev;
  o.bind_next = null;
  o.bind_prev = null;
  if (tb.owners === null) inet_bind_bucket_destroy(tb);
}

/** The socket has this port. */
export function inet_bind_hash(tp: TcpSock, tb: InetBindBucket, port: number): void {
  tp.inet_num = port;
  inet_bind_bucket_add(tb, tp);
  tp.icsk_bind_hash = tb;
}

/** Gives the local port back. */
export function inet_put_port(sk: Sock): void {
  const tp = tcp_sk(sk);
  const tb = tp.icsk_bind_hash;
  if (tb === null) return;
  tp.icsk_bind_hash = null;
  tp.inet_num = 0;
  inet_bind_bucket_remove(tb, tp);
}

/** An accepted connection shares the port of its listener. 0 or -errno. */
export function __inet_inherit_port(sk: Sock, child: Sock): number {
  const ctp = tcp_sk(child);
  const port = ctp.inet_num;
  let tb = tcp_sk(sk).icsk_bind_hash;
  if (tb === null) return -ENOENT;
  if (tb.port !== port) {
    // A transparent proxy: the connection was to another port than the listener's.
    tb = inet_bind_bucket_find(sk.net, port);
    if (tb === null) tb = inet_bind_bucket_create(sk.net, port);
  }
  inet_bind_hash(ctp, tb, port);
  return 0;
}

/** The sysctl's range, narrowed by IP_LOCAL_PORT_RANGE where that lies inside. */
export function inet_sk_get_local_port_range(sk: InetSock): readonly [number, number] {
  const [lo, hi] = sk.net.ipv4.ip_local_ports;
  const [sk_lo, sk_hi] = sk.local_port_range;
  if (sk_lo === 0 && sk_hi === 0) return sk.net.ipv4.ip_local_ports;
  const low = lo < sk_lo && sk_lo <= hi ? sk_lo : lo;
  return [low, hi > sk_hi && sk_hi >= low && sk_hi !== 0 ? sk_hi : hi];
}

export function inet_is_local_reserved_port(net: Net, port: number): boolean {
  const ranges = net.ipv4.sysctl_local_reserved_ports;
  for (let i = 0; i < ranges.length; i++) if (port >= ranges[i]![0] && port <= ranges[i]![1]) return true;
  return false;
}

// --- connect(2) ---------------------------------------------------------------------------------------------------

/**
 * Is the connection from local port `lport` to the socket's peer free? Then the socket is hashed with it, and 0 returned. One in
 * TIME_WAIT gives way where it may; it is then in `tw_recycled`, out of the hash. Else -EADDRNOTAVAIL.
 */
function __inet_check_established(h: InetHashinfo, tp: TcpSock, lport: number, bound: boolean): number {
  const net = tp.net;
  const laddr = tp.inet_rcv_saddr;
  const daddr = tp.inet_daddr;
  const dport = tp.inet_dport;
  const hash = inet_ehashfn(net, laddr, lport, daddr, dport);
  h.tw_recycled = null;
  for (let e = h.ehash[hash & h.ehash_mask] ?? null; e !== null; e = e.hash_next) {
    if (
      e.sk_hash !== hash ||
      e.inet_dport !== dport ||
      e.inet_num !== lport ||
      e.inet_daddr !== daddr ||
      e.inet_rcv_saddr !== laddr ||
      (e.sk_bound_dev_if !== 0 && e.sk_bound_dev_if !== tp.sk_bound_dev_if)
    ) {
      continue;
    }
    if (e.sk_state === TCP_TIME_WAIT) {
      const tw = e as InetTimewaitSock;
      if (tw.sk_bound_dev_if === tp.sk_bound_dev_if && tcp_twsk_unique(tp, tw, bound)) {
        h.tw_recycled = tw;
        break;
      }
    }
    return -EADDRNOTAVAIL;
  }
  if (h.tw_recycled !== null) {
    inet_ehash_unlink(h.tw_recycled);
    net.mib.linux[LINUX_MIB_TWRECYCLED]!++;
  }
  tp.inet_num = lport;
  tp.inet_sport = lport;
  tp.sk_hash = hash;
  ehash_add(h, tp);
  sock_prot_inuse_add(h, tp, 1);
  return 0;
}

function recycle(h: InetHashinfo): void {
  const tw = h.tw_recycled;
  if (tw === null) return;
  h.tw_recycled = null;
  inet_twsk_deschedule_put(tw);
}

function perturb(h: InetHashinfo): Uint32Array {
  if (h.table_perturb === null) {
    h.table_perturb = new Uint32Array(PERTURB_SIZE);
    h.net.kernel.host.random_bytes(new Uint8Array(h.table_perturb.buffer));
  }
  return h.table_perturb;
}

/**
 * Chooses a local port for a connection whose addresses are set, and hashes it (RFC 6056 section 3.3.5, algorithm 5 in Linux's
 * form: an offset by destination, plus what connections of its class have moved on). connect() prefers ports of the parity
 * of the first one of the range, bind(2) the others. Returns 0 or -EADDRNOTAVAIL.
 */
export function inet_hash_connect(sk: Sock): number {
  const tp = tcp_sk(sk);
  const net = tp.net;
  const h = net.tcp_hashinfo;
  if (tp.inet_num !== 0) {
    const err = __inet_check_established(h, tp, tp.inet_num, true);
    recycle(h);
    return err;
  }
  const [low, top] = inet_sk_get_local_port_range(tp);
  const high = top + 1;
  let remaining = high - low;
  const own_range = tp.local_port_range[0] !== 0 || tp.local_port_range[1] !== 0;
  const step = own_range ? 1 : 2;
  if (!own_range && remaining > 1) remaining &= ~1;
  const port_offset = secure_ipv4_port_ephemeral(net, tp.inet_rcv_saddr, tp.inet_daddr, tp.inet_dport);
  const table = perturb(h);
  const index = port_offset % PERTURB_SIZE;
  let offset = (table[index]! + Math.floor(port_offset / PERTURB_SIZE)) % remaining;
  if (!own_range) offset &= ~1;
  for (let pass = 0; pass < (own_range ? 1 : 2); pass++, offset++) {
    let port = low + offset;
    for (let i = 0; i < remaining; i += step, port += step) {
      if (port >= high) port -= remaining;
      if (inet_is_local_reserved_port(net, port)) continue;
      let tb = inet_bind_bucket_find(net, port);
      if (tb !== null) {
        // Somebody chose this port by bind(2): it is his. One that connect() chose serves other destinations as well.
        if (tb.fastreuse >= 0 || tb.fastreuseport >= 0) continue;
        if (__inet_check_established(h, tp, port, false) !== 0) continue;
      } else {
        tb = inet_bind_bucket_create(net, port);
        tb.fastreuse = -1;
        tb.fastreuseport = -1;
        tp.inet_sport = port;
        tp.inet_num = port;
        inet_ehash_nolisten(tp, null);
      }
      inet_bind_hash(tp, tb, port);
      recycle(h);
      // A little randomness in how far the next one goes (RFC 6056 section 3.3.5).
      table[index]! += Math.max(i & ~(step - 1), inet_random_below(h, 8) * step) + step;
      return 0;
    }
    if (remaining <= 1) break;
  }
  return -EADDRNOTAVAIL;
}
