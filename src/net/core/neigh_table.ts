// Neighbour tables: entries, parameters, lookup, creation, garbage. Family-neutral; ARP is the first user.
// Mirrors the table half of net/core/neighbour.c. Read first: RFC 4861 section 7.3 (states), neighbour.ts (the machine).
// Way in: neigh_table_init(), neigh_lookup(), __neigh_create(), neigh_ifdown().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { KERN_INFO, printk } from "../../kernel/printk.ts";
import { mod_timer, type TimerList, timer_delete, timer_pending, timer_setup } from "../../kernel/time/timer.ts";
import { EINVAL, ENETDOWN, ENOBUFS } from "../../uapi/errno.ts";
import {
  NTF_EXT_LEARNED,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_NONE,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from "../../uapi/neighbour.ts";
import { RTM_DELNEIGH } from "../../uapi/rtnetlink.ts";
import { SKB_DROP_REASON_NEIGH_DEAD, SKB_DROP_REASON_NEIGH_FAILED } from "./dropreason.ts";
import type { Net } from "./net_namespace.ts";
import type { NetDevice } from "./netdevice.ts";
import { kfree_skb_reason, type SkBuff, SkBuffHead, skb_queue_purge_reason } from "./skbuff.ts";

/** A timer runs in these. */
export const NUD_IN_TIMER = NUD_INCOMPLETE | NUD_REACHABLE | NUD_DELAY | NUD_PROBE;
/** The address in `ha` may be used. */
export const NUD_VALID = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY;
/** …and nothing has to be done about it. */
export const NUD_CONNECTED = NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE;
/** In Neighbour.flags NTF_EXT_* lie above the NTF_* byte. */
export const NTF_EXT_SHIFT = 8;
export const NTF_MANAGED = 1 << NTF_EXT_SHIFT;

const HZ = 1000;
/** How often reachable_time is drawn anew (RFC 4861 6.3.4: at least every few hours; Linux: 5 minutes). */
const RAND_PERIOD = 300 * HZ;

// Columns of /proc/net/stat/arp_cache behind "entries".
export const NDST_ALLOCS = 0;
export const NDST_DESTROYS = 1;
export const NDST_HASH_GROWS = 2;
export const NDST_LOOKUPS = 3;
export const NDST_HITS = 4;
export const NDST_RES_FAILED = 5;
export const NDST_RCV_PROBES_MCAST = 6;
export const NDST_RCV_PROBES_UCAST = 7;
export const NDST_PERIODIC_GC_RUNS = 8;
export const NDST_FORCED_GC_RUNS = 9;
export const NDST_UNRES_DISCARDS = 10;
export const NDST_TABLE_FULLS = 11;
export const NDST_MAX = 12;

// Which parameter: index in NeighParms.data and bit in NeighParms.data_state.
export const NEIGH_VAR_MCAST_PROBES = 0;
export const NEIGH_VAR_UCAST_PROBES = 1;
export const NEIGH_VAR_APP_PROBES = 2;
export const NEIGH_VAR_MCAST_REPROBES = 3;
export const NEIGH_VAR_RETRANS_TIME = 4;
export const NEIGH_VAR_BASE_REACHABLE_TIME = 5;
export const NEIGH_VAR_DELAY_PROBE_TIME = 6;
export const NEIGH_VAR_INTERVAL_PROBE_TIME_MS = 7;
export const NEIGH_VAR_GC_STALETIME = 8;
export const NEIGH_VAR_QUEUE_LEN_BYTES = 9;
export const NEIGH_VAR_PROXY_QLEN = 10;
export const NEIGH_VAR_ANYCAST_DELAY = 11;
export const NEIGH_VAR_PROXY_DELAY = 12;
export const NEIGH_VAR_LOCKTIME = 13;
export const NEIGH_VAR_DATA_MAX = 14;

/** Parameters of one device, or of a table's default. Times are jiffies. */
export class NeighParms {
  readonly tbl: NeighTable;
  readonly net: Net | null;
  dev: NetDevice | null;
  readonly data: Int32Array;
  /** Bit per value that somebody set here: a new default leaves it alone. */
  data_state = 0;
  /** base_reachable_time drawn between 0.5 and 1.5 times itself (RFC 4861 6.3.4). */
  reachable_time = 0;
  /** Packets of this device in the proxy queue. */
  qlen = 0;
  dead = false;

  constructor(tbl: NeighTable, net: Net | null, dev: NetDevice | null, data: Int32Array) {
    this.tbl = tbl;
    this.net = net;
    this.dev = dev;
    this.data = data.slice();
  }
}

/** struct neigh_ops: how a family asks, and how packets leave while the address is in doubt or known. */
export interface NeighOps {
  /** Asks for the address; `skb` is a packet that waits for it. */
  readonly solicit: ((n: Neighbour, skb: SkBuff | null) => void) | null;
  /** Takes over a packet that could not be delivered. */
  readonly error_report: ((n: Neighbour, skb: SkBuff) => void) | null;
  readonly output: (n: Neighbour, skb: SkBuff) => number;
  readonly connected_output: (n: Neighbour, skb: SkBuff) => number;
}

/** A next hop on a link. IPv4 keeps its address in primary_key; IPv6 uses all four words. */
export class Neighbour {
  /** Chain in the hash bucket. */
  next: Neighbour | null = null;
  readonly tbl: NeighTable;
  parms: NeighParms;
  readonly dev: NetDevice;
  primary_key: number;
  primary_key1: number;
  primary_key2: number;
  primary_key3: number;
  /** Hardware address, dev.addr_len bytes. */
  readonly ha: Uint8Array;
  /** NUD_*. */
  nud_state: number = NUD_NONE;
  output: (n: Neighbour, skb: SkBuff) => number = neigh_blackhole;
  ops: NeighOps = blackhole_ops;
  /** The cached link header: its length (0: none), its bytes, and the same as integers for the hot path. */
  hh_len = 0;
  hh0 = 0;
  hh1 = 0;
  hh2 = 0;
  hh3 = 0;
  readonly hh_data: Uint8Array = new Uint8Array(16);
  /** RTN_* of the address. */
  type = 0;
  /** NTF_*, and NTF_EXT_* above them. */
  flags = 0;
  /** Who made it (RTPROT_*). */
  protocol = 0;
  dead = false;
  /** The table's reference, the timer's, and those of lookups. */
  refcnt = 1;
  probes = 0;
  /** jiffies: last proof that it is there, last change, last packet. */
  confirmed = 0;
  updated = 0;
  used = 0;
  readonly timer: TimerList;
  readonly arp_queue: SkBuffHead = new SkBuffHead();
  arp_queue_len_bytes = 0;
  /** All entries of the table in order of creation. */
  all_next: Neighbour | null = null;
  all_prev: Neighbour | null = null;
  /** Entries that a full table may give up, longest unchanged first. */
  gc_next: Neighbour | null = null;
  gc_prev: Neighbour | null = null;
  gc_listed = false;
  gc_counted = false;

  constructor(tbl: NeighTable, parms: NeighParms, dev: NetDevice, k0: number, k1: number, k2: number, k3: number) {
    this.tbl = tbl;
    this.parms = parms;
    this.dev = dev;
    this.primary_key = k0;
    this.primary_key1 = k1;
    this.primary_key2 = k2;
    this.primary_key3 = k3;
    this.ha = new Uint8Array(dev.addr_len);
    this.timer = timer_setup(tbl.kernel, tbl.timer_handler, this);
  }
}

/** An address that we answer for (`ip neigh add proxy`). */
export class PneighEntry {
  readonly net: Net;
  readonly dev: NetDevice | null;
  readonly key: number;
  readonly key1: number;
  readonly key2: number;
  readonly key3: number;
  flags = 0;
  protocol = 0;
  permanent = false;
  constructor(net: Net, dev: NetDevice | null, k0: number, k1: number, k2: number, k3: number) {
    this.net = net;
    this.dev = dev;
    this.key = k0;
    this.key1 = k1;
    this.key2 = k2;
    this.key3 = k3;
  }
}

/** What a family gives its table. */
export interface NeighTableOps {
  readonly family: number;
  /** Bytes: 4 or 16. */
  readonly key_len: number;
  /** Ethertype behind the cached header. */
  readonly protocol: number;
  /** "arp_cache". */
  readonly id: string;
  /** "ipv4": where the sysctls lie. */
  readonly sysctl_family: string;
  /** Fills type, ops, output and, when it is known without asking, state and address. 0 or -errno. */
  construct(n: Neighbour): number;
  pconstruct?(e: PneighEntry): number;
  pdestruct?(e: PneighEntry): void;
  /** A delayed proxy answer is due; takes over the packet. */
  proxy_redo(skb: SkBuff): void;
  is_multicast(k0: number, k1: number, k2: number, k3: number): boolean;
  /** May an administrator add entries on this device? False with a reason. */
  allow_add?(dev: NetDevice, extack: { msg: string }): boolean;
}

export class NeighTable {
  readonly kernel: Kernel;
  readonly ops: NeighTableOps;
  /** The default that devices start from. */
  readonly parms: NeighParms;
  readonly parms_by_dev: Map<NetDevice, NeighParms> = new Map();
  gc_thresh1 = 128;
  gc_thresh2 = 512;
  gc_thresh3 = 1024;
  gc_interval: number = 30 * HZ;
  last_flush = 0;
  last_rand = 0;
  /** Entries not yet freed, and those of them that count against the thresholds. */
  entries = 0;
  gc_entries = 0;
  buckets: (Neighbour | null)[] = new Array<Neighbour | null>(8).fill(null);
  hash_shift = 3;
  hash_rnd = 0;
  all_first: Neighbour | null = null;
  all_last: Neighbour | null = null;
  gc_first: Neighbour | null = null;
  gc_last: Neighbour | null = null;
  readonly managed: Set<Neighbour> = new Set();
  readonly pneigh: PneighEntry[] = [];
  readonly proxy_queue: SkBuffHead = new SkBuffHead();
  readonly proxy_timer: TimerList;
  readonly gc_timer: TimerList;
  readonly managed_timer: TimerList;
  /** Why the last creation failed: -ENOBUFS or -EINVAL (what ERR_PTR carries in Linux). */
  last_error = 0;
  /** One array per CPU, indexed by NDST_*. */
  readonly stats: Float64Array[];
  readonly timer_handler: (timer: TimerList) => void;
  overflow_logged = -1_000_000;
  overflow_burst = 0;

  constructor(
    kernel: Kernel,
    ops: NeighTableOps,
    timer_handler: (timer: TimerList) => void,
    proxy_handler: (timer: TimerList) => void,
    managed_handler: (timer: TimerList) => void,
  ) {
    this.kernel = kernel;
    this.ops = ops;
    this.timer_handler = timer_handler;
    const data = new Int32Array(NEIGH_VAR_DATA_MAX);
    data[NEIGH_VAR_MCAST_PROBES] = 3;
    data[NEIGH_VAR_UCAST_PROBES] = 3;
    data[NEIGH_VAR_RETRANS_TIME] = HZ;
    data[NEIGH_VAR_BASE_REACHABLE_TIME] = 30 * HZ;
    data[NEIGH_VAR_DELAY_PROBE_TIME] = 5 * HZ;
    data[NEIGH_VAR_INTERVAL_PROBE_TIME_MS] = 5 * HZ;
    data[NEIGH_VAR_GC_STALETIME] = 60 * HZ;
    data[NEIGH_VAR_QUEUE_LEN_BYTES] = 212992;
    data[NEIGH_VAR_PROXY_QLEN] = 64;
    data[NEIGH_VAR_ANYCAST_DELAY] = HZ;
    data[NEIGH_VAR_PROXY_DELAY] = 0.8 * HZ;
    data[NEIGH_VAR_LOCKTIME] = HZ;
    this.parms = new NeighParms(this, null, null, data);
    this.stats = kernel.cpus.map(() => new Float64Array(NDST_MAX));
    this.proxy_timer = timer_setup(kernel, proxy_handler, this);
    this.gc_timer = timer_setup(kernel, neigh_periodic_work, this);
    this.managed_timer = timer_setup(kernel, managed_handler, this);
    const seed = new Uint8Array(4);
    kernel.host.random_bytes(seed);
    this.hash_rnd = seed[0]! | (seed[1]! << 8) | (seed[2]! << 16) | (seed[3]! << 24) | 1;
    this.parms.reachable_time = neigh_rand_reach_time(kernel, 30 * HZ);
  }
}

/** Told of each change: (entry, RTM_NEWNEIGH | RTM_DELNEIGH | RTM_GETNEIGH, netlink port of who asked for it). */
export type NeighNotifyHook = (n: Neighbour, type: number, pid: number) => void;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** All tables, for netlink and for devices that go. */
    neigh_tables: NeighTable[];
    /** Entries allocated and not destroyed. */
    live_neighs: number;
    neigh_notify_hooks: NeighNotifyHook[];
  }
}

/** Before the first table. */
export function neigh_init(k: Kernel): void {
  k.neigh_tables = [];
  k.live_neighs = 0;
  k.neigh_notify_hooks = [];
  k.live.set("neighbours", () => neigh_live_refs(k));
}

/** References that neither a table nor a timer owns: what somebody forgot to release. */
function neigh_live_refs(k: Kernel): number {
  let owned = 0;
  let extra = 0;
  for (const tbl of k.neigh_tables) {
    for (let n = tbl.all_first; n !== null; n = n.all_next) {
      owned++;
      extra += n.refcnt - 1 - (timer_pending(n.timer) ? 1 : 0);
    }
  }
  return k.live_neighs - owned + extra;
}

export const NEIGH_VAR = (p: NeighParms, which: number): number => p.data[which]!;

export const neigh_stat_inc = (tbl: NeighTable, which: number): void => {
  tbl.stats[tbl.kernel.cpu.id]![which]!++;
};

export function neigh_notify(n: Neighbour, type: number, pid: number): void {
  const hooks = n.tbl.kernel.neigh_notify_hooks;
  for (let i = 0; i < hooks.length; i++) hooks[i]!(n, type, pid);
}

/** Uniform in [0, ceil). */
export function get_random_u32_below(k: Kernel, ceil: number): number {
  if (ceil <= 1) return 0;
  const b = new Uint8Array(4);
  k.host.random_bytes(b);
  const r = (b[0]! | (b[1]! << 8) | (b[2]! << 16) | (b[3]! << 24)) >>> 0;
  return Math.floor((r / 0x1_0000_0000) * ceil);
}

export const neigh_rand_reach_time = (k: Kernel, base: number): number =>
  base > 0 ? get_random_u32_below(k, base) + (base >> 1) : 0;

// --- parameters ---------------------------------------------------------------------------------------------------

/** Parameters of a device, from the default; the same again when it has some. */
export function neigh_parms_alloc(dev: NetDevice, tbl: NeighTable): NeighParms {
  const old = tbl.parms_by_dev.get(dev);
  if (old !== undefined && old.net === dev.net) return old;
  const p = new NeighParms(tbl, dev.net, dev, tbl.parms.data);
  p.reachable_time = neigh_rand_reach_time(tbl.kernel, NEIGH_VAR(p, NEIGH_VAR_BASE_REACHABLE_TIME));
  tbl.parms_by_dev.set(dev, p);
  return p;
}

/** The device goes: entries still in somebody's hands keep the object, nobody else finds it. */
export function neigh_parms_release(tbl: NeighTable, parms: NeighParms): void {
  if (parms === tbl.parms || parms.dead) return;
  parms.dead = true;
  if (parms.dev !== null && tbl.parms_by_dev.get(parms.dev) === parms) tbl.parms_by_dev.delete(parms.dev);
}

export const neigh_parms_lookup = (tbl: NeighTable, dev: NetDevice): NeighParms =>
  tbl.parms_by_dev.get(dev) ?? tbl.parms;

/** Called after a default changed: devices where nobody set the value follow. */
export function neigh_copy_dflt_parms(tbl: NeighTable, which: number): void {
  for (const p of tbl.parms_by_dev.values()) {
    if ((p.data_state & (1 << which)) === 0) p.data[which] = tbl.parms.data[which]!;
  }
}

// --- hash and lists -----------------------------------------------------------------------------------------------

const bucket_of = (tbl: NeighTable, k0: number, k1: number, k2: number, k3: number, ifindex: number): number => {
  let h = k0 ^ Math.imul(ifindex, 0x9e3779b1);
  if ((k1 | k2 | k3) !== 0) {
    h = Math.imul(h ^ (h >>> 15) ^ k1, 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13) ^ k2, 0xc2b2ae35);
    h ^= (h >>> 16) ^ k3;
  }
  h = Math.imul(h ^ (h >>> 16), tbl.hash_rnd);
  return h >>> (32 - tbl.hash_shift);
};

function hash_grow(tbl: NeighTable): void {
  const old = tbl.buckets;
  tbl.hash_shift++;
  tbl.buckets = new Array<Neighbour | null>(1 << tbl.hash_shift).fill(null);
  neigh_stat_inc(tbl, NDST_HASH_GROWS);
  for (let first of old) {
    while (first !== null) {
      const n: Neighbour = first;
      first = n.next;
      const b = bucket_of(tbl, n.primary_key, n.primary_key1, n.primary_key2, n.primary_key3, n.dev.ifindex);
      n.next = tbl.buckets[b]!;
      tbl.buckets[b] = n;
    }
  }
}

function neigh_link(tbl: NeighTable, n: Neighbour): void {
  if (tbl.entries > 1 << tbl.hash_shift) hash_grow(tbl);
  const b = bucket_of(tbl, n.primary_key, n.primary_key1, n.primary_key2, n.primary_key3, n.dev.ifindex);
  n.next = tbl.buckets[b]!;
  tbl.buckets[b] = n;
  n.all_prev = tbl.all_last;
  if (tbl.all_last !== null) tbl.all_last.all_next = n;
  else tbl.all_first = n;
  tbl.all_last = n;
}

function neigh_unlink(n: Neighbour): void {
  const tbl = n.tbl;
  const b = bucket_of(tbl, n.primary_key, n.primary_key1, n.primary_key2, n.primary_key3, n.dev.ifindex);
  let found = false;
  let prev: Neighbour | null = null;
  for (let e: Neighbour | null = tbl.buckets[b]!; e !== null; prev = e, e = e.next) {
    if (e !== n) continue;
    if (prev !== null) prev.next = n.next;
    else tbl.buckets[b] = n.next;
    found = true;
    break;
  }
  // A device that changed its index while it had entries: the slow way finds them.
  if (!found) {
    for (let i = 0; i < tbl.buckets.length; i++) {
      prev = null;
      for (let e: Neighbour | null = tbl.buckets[i]!; e !== null; prev = e, e = e.next) {
        if (e !== n) continue;
        if (prev !== null) prev.next = n.next;
        else tbl.buckets[i] = n.next;
        break;
      }
    }
  }
  n.next = null;
  if (n.all_prev !== null) n.all_prev.all_next = n.all_next;
  else tbl.all_first = n.all_next;
  if (n.all_next !== null) n.all_next.all_prev = n.all_prev;
  else tbl.all_last = n.all_prev;
  n.all_next = null;
  n.all_prev = null;
}

function gc_list_del(n: Neighbour): void {
  if (!n.gc_listed) return;
  const tbl = n.tbl;
  if (n.gc_prev !== null) n.gc_prev.gc_next = n.gc_next;
  else tbl.gc_first = n.gc_next;
  if (n.gc_next !== null) n.gc_next.gc_prev = n.gc_prev;
  else tbl.gc_last = n.gc_prev;
  n.gc_next = null;
  n.gc_prev = null;
  n.gc_listed = false;
}

function gc_list_add_tail(n: Neighbour): void {
  const tbl = n.tbl;
  n.gc_prev = tbl.gc_last;
  if (tbl.gc_last !== null) tbl.gc_last.gc_next = n;
  else tbl.gc_first = n;
  tbl.gc_last = n;
  n.gc_listed = true;
}

/** Puts an entry on, or takes it off, the list that a full table gives up from: permanent and learned ones stay. */
export function neigh_update_gc_list(n: Neighbour): void {
  if (n.dead) return;
  const exempt = (n.nud_state & NUD_PERMANENT) !== 0 || (n.flags & NTF_EXT_LEARNED) !== 0;
  if (exempt && n.gc_listed) {
    gc_list_del(n);
    n.tbl.gc_entries--;
    n.gc_counted = false;
  } else if (!exempt && !n.gc_listed) {
    gc_list_add_tail(n);
    n.tbl.gc_entries++;
    n.gc_counted = true;
  }
}

/** The same for a table with keys of one word: what IPv4 does for each packet. */
export const neigh_lookup_word = (tbl: NeighTable, dev: NetDevice, key: number): Neighbour | null => {
  let h = key ^ Math.imul(dev.ifindex, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), tbl.hash_rnd);
  let n = tbl.buckets[h >>> (32 - tbl.hash_shift)]!;
  while (n !== null && (n.primary_key !== key || n.dev !== dev)) n = n.next!;
  return n;
};

/** The entry, or null; without a reference. */
export const __neigh_lookup_noref = (
  tbl: NeighTable,
  dev: NetDevice,
  k0: number,
  k1 = 0,
  k2 = 0,
  k3 = 0,
): Neighbour | null => {
  let n = tbl.buckets[bucket_of(tbl, k0, k1, k2, k3, dev.ifindex)]!;
  while (n !== null) {
    if (
      n.primary_key === k0 &&
      n.dev === dev &&
      n.primary_key1 === k1 &&
      n.primary_key2 === k2 &&
      n.primary_key3 === k3
    )
      return n;
    n = n.next!;
  }
  return null;
};

/** The entry with a reference for the caller, or null. */
export function neigh_lookup(tbl: NeighTable, dev: NetDevice, k0: number, k1 = 0, k2 = 0, k3 = 0): Neighbour | null {
  neigh_stat_inc(tbl, NDST_LOOKUPS);
  const n = __neigh_lookup_noref(tbl, dev, k0, k1, k2, k3);
  if (n !== null) {
    n.refcnt++;
    neigh_stat_inc(tbl, NDST_HITS);
  }
  return n;
}

// --- creation and end ---------------------------------------------------------------------------------------------

/** net_info_ratelimited: ten lines in five seconds. */
function overflow_message(tbl: NeighTable): void {
  const now = jiffies(tbl.kernel);
  if (now - tbl.overflow_logged > 5 * HZ) {
    tbl.overflow_logged = now;
    tbl.overflow_burst = 0;
  }
  if (tbl.overflow_burst++ < 10) {
    printk(tbl.kernel, KERN_INFO, `neighbour: ${tbl.ops.id}: neighbor table overflow!`);
  }
}

function neigh_alloc(
  tbl: NeighTable,
  dev: NetDevice,
  exempt_from_gc: boolean,
  k0: number,
  k1: number,
  k2: number,
  k3: number,
): Neighbour | null {
  const k = tbl.kernel;
  const now = jiffies(k);
  if (!exempt_from_gc) {
    const entries = tbl.gc_entries;
    if (entries >= tbl.gc_thresh3 || (entries >= tbl.gc_thresh2 && now > tbl.last_flush + 5 * HZ)) {
      if (neigh_forced_gc(tbl) === 0 && entries >= tbl.gc_thresh3) {
        overflow_message(tbl);
        neigh_stat_inc(tbl, NDST_TABLE_FULLS);
        tbl.last_error = -ENOBUFS;
        return null;
      }
    }
    tbl.gc_entries++;
  }
  const n = new Neighbour(tbl, neigh_parms_lookup(tbl, dev), dev, k0, k1, k2, k3);
  n.gc_counted = !exempt_from_gc;
  n.updated = now;
  n.used = now;
  tbl.entries++;
  k.live_neighs++;
  dev.refcnt++;
  neigh_stat_inc(tbl, NDST_ALLOCS);
  return n;
}

/**
 * Makes an entry. The caller gets a reference when `want_ref`. Null when the table is full or the family refuses:
 * tbl.last_error says which. `exempt_from_gc` and `flags` are for entries that an administrator makes.
 */
export function __neigh_create(
  tbl: NeighTable,
  dev: NetDevice,
  want_ref: boolean,
  k0: number,
  k1 = 0,
  k2 = 0,
  k3 = 0,
  flags = 0,
  exempt_from_gc = false,
): Neighbour | null {
  const n = neigh_alloc(tbl, dev, exempt_from_gc, k0, k1, k2, k3);
  if (n === null) return null;
  n.flags = flags;
  const err = tbl.ops.construct(n);
  if (err < 0 || n.parms.dead) {
    n.dead = true;
    neigh_release(n);
    tbl.last_error = err < 0 ? err : -EINVAL;
    return null;
  }
  n.confirmed = n.updated - 2 * NEIGH_VAR(n.parms, NEIGH_VAR_BASE_REACHABLE_TIME);
  // The family may have replaced the key (a point-to-point link has one neighbour for every address).
  const twin = __neigh_lookup_noref(tbl, dev, n.primary_key, n.primary_key1, n.primary_key2, n.primary_key3);
  if (twin !== null) {
    if (want_ref) twin.refcnt++;
    n.dead = true;
    neigh_release(n);
    return twin;
  }
  if (want_ref) n.refcnt++;
  neigh_link(tbl, n);
  if (!exempt_from_gc) gc_list_add_tail(n);
  if ((n.flags & NTF_MANAGED) !== 0) neigh_managed_add(n);
  neigh_gc_arm(tbl);
  return n;
}

export const neigh_create = (tbl: NeighTable, dev: NetDevice, k0: number, k1 = 0, k2 = 0, k3 = 0): Neighbour | null =>
  __neigh_create(tbl, dev, true, k0, k1, k2, k3);

/** Entries that are refreshed for ever (`managed`) have a timer of their own. */
export function neigh_managed_add(n: Neighbour): void {
  n.tbl.managed.add(n);
  if (!timer_pending(n.tbl.managed_timer)) mod_timer(n.tbl.managed_timer, jiffies(n.tbl.kernel) + 1);
}
export function neigh_managed_del(n: Neighbour): void {
  n.tbl.managed.delete(n);
  if (n.tbl.managed.size === 0) timer_delete(n.tbl.managed_timer);
}

export function neigh_hold(n: Neighbour): Neighbour {
  n.refcnt++;
  return n;
}

export function neigh_release(n: Neighbour): void {
  if (--n.refcnt === 0) neigh_destroy(n);
}

/** The last reference is gone. */
export function neigh_destroy(n: Neighbour): void {
  if (!n.dead) throw new Error("Destroying alive neighbour");
  const tbl = n.tbl;
  neigh_stat_inc(tbl, NDST_DESTROYS);
  timer_delete(n.timer);
  skb_queue_purge_reason(n.arp_queue, SKB_DROP_REASON_NEIGH_DEAD);
  n.arp_queue_len_bytes = 0;
  n.dev.refcnt--;
  if (n.gc_counted) tbl.gc_entries--;
  n.gc_counted = false;
  tbl.entries--;
  tbl.kernel.live_neighs--;
}

/** Output of an entry that is no longer any good. */
export function neigh_blackhole(_n: Neighbour, skb: SkBuff): number {
  kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD);
  return -ENETDOWN;
}
const blackhole_ops: NeighOps = {
  solicit: null,
  error_report: null,
  output: neigh_blackhole,
  connected_output: neigh_blackhole,
};

/** Drops the timer and its reference. */
export function neigh_del_timer(n: Neighbour): void {
  if ((n.nud_state & NUD_IN_TIMER) !== 0 && timer_delete(n.timer)) neigh_release(n);
}

/** Out of every list; the table's count of what garbage collection may take goes down. */
function neigh_mark_dead(n: Neighbour): void {
  n.dead = true;
  gc_list_del(n);
  if (n.gc_counted) {
    n.gc_counted = false;
    n.tbl.gc_entries--;
  }
  if (n.tbl.managed.has(n)) neigh_managed_del(n);
}

function neigh_cleanup_and_release(n: Neighbour): void {
  const tbl = n.tbl;
  neigh_notify(n, RTM_DELNEIGH, 0);
  neigh_release(n);
  if (tbl.all_first === null) timer_delete(tbl.gc_timer);
}

/** Takes the entry out of its table; the table's reference goes. False when it was out already. */
export function neigh_remove_one(n: Neighbour): boolean {
  if (n.dead) return false;
  neigh_unlink(n);
  neigh_mark_dead(n);
  neigh_cleanup_and_release(n);
  return true;
}

/** Removes what lies on `dev` (null: everything). Who still holds an entry finds it useless. */
function neigh_flush_dev(tbl: NeighTable, dev: NetDevice | null, skip_perm: boolean): void {
  for (let n = tbl.all_first; n !== null; ) {
    const next: Neighbour | null = n.all_next;
    const skip = skip_perm && ((n.nud_state & NUD_PERMANENT) !== 0 || (n.flags & NTF_EXT_LEARNED) !== 0);
    if ((dev === null || n.dev === dev) && !skip) {
      neigh_unlink(n);
      neigh_del_timer(n);
      neigh_mark_dead(n);
      if (n.refcnt !== 1) {
        skb_queue_purge_reason(n.arp_queue, SKB_DROP_REASON_NEIGH_FAILED);
        n.arp_queue_len_bytes = 0;
        n.output = neigh_blackhole;
        n.nud_state = (n.nud_state & NUD_VALID) !== 0 ? NUD_NOARP : NUD_NONE;
      }
      neigh_cleanup_and_release(n);
    }
    n = next;
  }
}

/** The device has another address: nothing cached for it is right. */
export const neigh_changeaddr = (tbl: NeighTable, dev: NetDevice): void => neigh_flush_dev(tbl, dev, false);

function pneigh_ifdown_and_purge(tbl: NeighTable, dev: NetDevice | null, skip_perm: boolean): void {
  for (let i = tbl.pneigh.length - 1; i >= 0; i--) {
    const e = tbl.pneigh[i]!;
    if (skip_perm && e.permanent) continue;
    if (dev !== null && e.dev !== dev) continue;
    tbl.pneigh.splice(i, 1);
    tbl.ops.pdestruct?.(e);
  }
}

/** Forgets what waits in the proxy queue of `net` (null: everything). */
function pneigh_queue_purge(tbl: NeighTable, dev: NetDevice | null): void {
  const list = tbl.proxy_queue;
  for (let skb = list.next; skb !== null; ) {
    const next: SkBuff | null = skb.next;
    if (dev === null || (skb.dev !== null && skb.dev.net === dev.net)) {
      if (skb.prev !== null) skb.prev.next = skb.next;
      else list.next = skb.next;
      if (skb.next !== null) skb.next.prev = skb.prev;
      else list.prev = skb.prev;
      skb.next = null;
      skb.prev = null;
      list.qlen--;
      const d = skb.dev;
      if (d !== null) {
        neigh_parms_lookup(tbl, d).qlen--;
        d.refcnt--;
      }
      kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD);
    }
    skb = next;
  }
  if (list.next === null) timer_delete(tbl.proxy_timer);
}

/** The device goes down: entries, proxies and delayed answers of it are forgotten. */
export function neigh_ifdown(tbl: NeighTable, dev: NetDevice | null): void {
  neigh_flush_dev(tbl, dev, false);
  pneigh_ifdown_and_purge(tbl, dev, false);
  pneigh_queue_purge(tbl, dev);
}

/** The cable is out: what an administrator entered stays. */
export function neigh_carrier_down(tbl: NeighTable, dev: NetDevice): void {
  neigh_flush_dev(tbl, dev, true);
  pneigh_ifdown_and_purge(tbl, dev, true);
  pneigh_queue_purge(tbl, dev);
}

// --- garbage ------------------------------------------------------------------------------------------------------

/** Frees what nobody uses and what was not touched in the last 5 s, until gc_thresh2 is reached. Returns how many. */
export function neigh_forced_gc(tbl: NeighTable): number {
  const now = jiffies(tbl.kernel);
  const max_clean = tbl.gc_entries - tbl.gc_thresh2;
  let shrunk = 0;
  neigh_stat_inc(tbl, NDST_FORCED_GC_RUNS);
  for (let n = tbl.gc_first; n !== null; ) {
    const next: Neighbour | null = n.gc_next;
    if (n.refcnt === 1) {
      const old = n.updated < now - 5 * HZ || n.updated > now;
      if (
        n.nud_state === NUD_FAILED ||
        n.nud_state === NUD_NOARP ||
        tbl.ops.is_multicast(n.primary_key, n.primary_key1, n.primary_key2, n.primary_key3) ||
        old
      ) {
        if (neigh_remove_one(n)) shrunk++;
        if (shrunk >= max_clean) break;
      }
    }
    n = next;
  }
  tbl.last_flush = now;
  return shrunk;
}

/** DIFF: the periodic work is only armed while there are entries, so that an idle machine has no timer. */
function neigh_gc_arm(tbl: NeighTable): void {
  if (timer_pending(tbl.gc_timer)) return;
  mod_timer(tbl.gc_timer, jiffies(tbl.kernel) + (NEIGH_VAR(tbl.parms, NEIGH_VAR_BASE_REACHABLE_TIME) >> 1 || 1));
}

/** Every half base_reachable_time: above gc_thresh1, entries unused for gc_stale_time and failed ones go. */
function neigh_periodic_work(timer: TimerList): void {
  const tbl = timer.owner as NeighTable;
  const k = tbl.kernel;
  const now = jiffies(k);
  neigh_stat_inc(tbl, NDST_PERIODIC_GC_RUNS);
  if (now > tbl.last_rand + RAND_PERIOD) {
    tbl.last_rand = now;
    tbl.parms.reachable_time = neigh_rand_reach_time(k, NEIGH_VAR(tbl.parms, NEIGH_VAR_BASE_REACHABLE_TIME));
    for (const p of tbl.parms_by_dev.values()) {
      p.reachable_time = neigh_rand_reach_time(k, NEIGH_VAR(p, NEIGH_VAR_BASE_REACHABLE_TIME));
    }
  }
  if (tbl.entries >= tbl.gc_thresh1) {
    for (let n = tbl.all_first; n !== null; ) {
      const next: Neighbour | null = n.all_next;
      const state = n.nud_state;
      if ((state & (NUD_PERMANENT | NUD_IN_TIMER)) === 0 && (n.flags & (NTF_EXT_LEARNED | NTF_MANAGED)) === 0) {
        if (n.used < n.confirmed && n.confirmed <= now) n.used = n.confirmed;
        if (n.refcnt === 1 && (state === NUD_FAILED || now > n.used + NEIGH_VAR(n.parms, NEIGH_VAR_GC_STALETIME))) {
          neigh_remove_one(n);
        }
      }
      n = next;
    }
  }
  if (tbl.all_first !== null) neigh_gc_arm(tbl);
}
