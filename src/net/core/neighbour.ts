// The neighbour state machine: what a next hop's address is worth, when to ask again, and what waits for the answer.
// Mirrors net/core/neighbour.c. Read first: RFC 4861 section 7.3, RFC 1122 2.3.2; neigh_table.ts (entries and tables).
// Way in: neigh_output() for each packet; neigh_update() for each answer; neigh_timer_handler().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { mod_timer, type TimerList } from "../../kernel/time/timer.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F___neigh_event_send, F_neigh_hh_output, F_neigh_resolve_output } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EINVAL, EPERM } from "../../uapi/errno.ts";
import { IPH_DADDR } from "../../uapi/ip.ts";
import {
  NTF_EXT_LEARNED,
  NTF_ROUTER,
  NUD_DELAY,
  NUD_FAILED,
  NUD_INCOMPLETE,
  NUD_NOARP,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from "../../uapi/neighbour.ts";
import { RTM_GETNEIGH, RTM_NEWNEIGH } from "../../uapi/rtnetlink.ts";
import { dev_queue_xmit } from "./dev.ts";
import { dev_hard_header } from "./dev_header.ts";
import {
  SKB_DROP_REASON_NEIGH_DEAD,
  SKB_DROP_REASON_NEIGH_FAILED,
  SKB_DROP_REASON_NEIGH_HH_FILLFAIL,
  SKB_DROP_REASON_NEIGH_QUEUEFULL,
} from "./dropreason.ts";
import { DST_OBSOLETE_DEAD } from "./dst.ts";
import { neigh_proxy_process } from "./neigh_proxy.ts";
import {
  __neigh_create,
  __neigh_lookup_noref,
  NDST_RES_FAILED,
  NDST_UNRES_DISCARDS,
  NEIGH_VAR,
  NEIGH_VAR_APP_PROBES,
  NEIGH_VAR_BASE_REACHABLE_TIME,
  NEIGH_VAR_DELAY_PROBE_TIME,
  NEIGH_VAR_INTERVAL_PROBE_TIME_MS,
  NEIGH_VAR_MCAST_PROBES,
  NEIGH_VAR_MCAST_REPROBES,
  NEIGH_VAR_QUEUE_LEN_BYTES,
  NEIGH_VAR_RETRANS_TIME,
  NEIGH_VAR_UCAST_PROBES,
  type Neighbour,
  NeighTable,
  type NeighTableOps,
  NTF_MANAGED,
  NUD_CONNECTED,
  NUD_IN_TIMER,
  NUD_VALID,
  neigh_del_timer,
  neigh_lookup,
  neigh_managed_add,
  neigh_managed_del,
  neigh_notify,
  neigh_release,
  neigh_stat_inc,
  neigh_update_gc_list,
} from "./neigh_table.ts";
import type { NetDevice } from "./netdevice.ts";
import {
  __skb_dequeue,
  __skb_queue_tail,
  kfree_skb_reason,
  type SkBuff,
  skb_dst_force,
  skb_queue_purge_reason,
} from "./skbuff.ts";

export * from "./neigh_proxy.ts";
export * from "./neigh_table.ts";

/** An administrator's or a peer's word replaces a valid address. */
export const NEIGH_UPDATE_F_OVERRIDE = 1 << 0;
/** A different address only makes a connected entry doubtful. */
export const NEIGH_UPDATE_F_WEAK_OVERRIDE = 1 << 1;
export const NEIGH_UPDATE_F_OVERRIDE_ISROUTER = 1 << 2;
export const NEIGH_UPDATE_F_USE = 1 << 3;
export const NEIGH_UPDATE_F_MANAGED = 1 << 4;
export const NEIGH_UPDATE_F_EXT_LEARNED = 1 << 5;
export const NEIGH_UPDATE_F_ISROUTER = 1 << 6;
export const NEIGH_UPDATE_F_ADMIN = 1 << 30;

const HZ = 1000;
/** No timer of an entry is armed for sooner (HZ/100). */
const MIN_TIMER = HZ / 100;

/** Makes a table and lists it; entries in it need their device to be up. */
export function neigh_table_init(k: Kernel, ops: NeighTableOps): NeighTable {
  const tbl = new NeighTable(k, ops, neigh_timer_handler, neigh_proxy_process, neigh_managed_work);
  tbl.last_flush = jiffies(k);
  tbl.last_rand = tbl.last_flush;
  k.neigh_tables.push(tbl);
  return tbl;
}

export const neigh_find_table = (k: Kernel, family: number): NeighTable | null =>
  k.neigh_tables.find((t) => t.ops.family === family) ?? null;

const nud_state_names: readonly (readonly [number, string])[] = [
  [NUD_INCOMPLETE, "INCOMPLETE"],
  [NUD_REACHABLE, "REACHABLE"],
  [NUD_STALE, "STALE"],
  [NUD_DELAY, "DELAY"],
  [NUD_PROBE, "PROBE"],
  [NUD_FAILED, "FAILED"],
  [NUD_NOARP, "NOARP"],
  [NUD_PERMANENT, "PERMANENT"],
];
export const nud_state_name = (state: number): string =>
  nud_state_names.find(([bit]) => (state & bit) !== 0)?.[1] ?? "NONE";

// --- timers and probes --------------------------------------------------------------------------------------------

function neigh_add_timer(n: Neighbour, when: number): void {
  n.refcnt++;
  if (mod_timer(n.timer, when)) n.refcnt--;
}

/** The address is in doubt: each packet goes through the state machine. */
const neigh_suspect = (n: Neighbour): void => {
  n.output = n.ops.output;
};
const neigh_connect = (n: Neighbour): void => {
  n.output = n.ops.connected_output;
};

const neigh_max_probes = (n: Neighbour): number => {
  const p = n.parms;
  const reprobe = (n.nud_state & NUD_PROBE) !== 0;
  return (
    NEIGH_VAR(p, NEIGH_VAR_UCAST_PROBES) +
    NEIGH_VAR(p, NEIGH_VAR_APP_PROBES) +
    NEIGH_VAR(p, reprobe ? NEIGH_VAR_MCAST_REPROBES : NEIGH_VAR_MCAST_PROBES)
  );
};

const retrans_delay = (n: Neighbour): number => Math.max(NEIGH_VAR(n.parms, NEIGH_VAR_RETRANS_TIME), MIN_TIMER);

/** Asks once, with the newest waiting packet as the reason. */
function neigh_probe(n: Neighbour): void {
  if (n.ops.solicit !== null) n.ops.solicit(n, n.arp_queue.prev);
  n.probes++;
}

/** Asking was in vain: whoever waits is told. */
function neigh_invalidate(n: Neighbour): void {
  neigh_stat_inc(n.tbl, NDST_RES_FAILED);
  n.updated = jiffies(n.tbl.kernel);
  while (n.nud_state === NUD_FAILED) {
    const skb = __skb_dequeue(n.arp_queue);
    if (skb === null) break;
    if (n.ops.error_report !== null) n.ops.error_report(n, skb);
    else kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
  }
  skb_queue_purge_reason(n.arp_queue, SKB_DROP_REASON_NEIGH_FAILED);
  n.arp_queue_len_bytes = 0;
}

/** RFC 4861 7.3.3: what happens when nothing happens. */
function neigh_timer_handler(timer: TimerList): void {
  const n = timer.owner as Neighbour;
  const now = jiffies(timer.kernel);
  const p = n.parms;
  let next = now + HZ;
  let notify = false;
  const state = n.nud_state;
  if ((state & NUD_IN_TIMER) !== 0 && !n.dead) {
    if ((state & NUD_REACHABLE) !== 0) {
      if (now <= n.confirmed + p.reachable_time) {
        next = n.confirmed + p.reachable_time;
      } else if (now <= n.used + NEIGH_VAR(p, NEIGH_VAR_DELAY_PROBE_TIME)) {
        n.nud_state = NUD_DELAY;
        n.updated = now;
        neigh_suspect(n);
        next = now + NEIGH_VAR(p, NEIGH_VAR_DELAY_PROBE_TIME);
      } else {
        n.nud_state = NUD_STALE;
        n.updated = now;
        neigh_suspect(n);
        notify = true;
      }
    } else if ((state & NUD_DELAY) !== 0) {
      if (now <= n.confirmed + NEIGH_VAR(p, NEIGH_VAR_DELAY_PROBE_TIME)) {
        n.nud_state = NUD_REACHABLE;
        n.updated = now;
        neigh_connect(n);
        notify = true;
        next = n.confirmed + p.reachable_time;
      } else {
        n.nud_state = NUD_PROBE;
        n.updated = now;
        n.probes = 0;
        notify = true;
        next = now + retrans_delay(n);
      }
    } else {
      next = now + retrans_delay(n);
    }
    if ((n.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && n.probes >= neigh_max_probes(n)) {
      n.nud_state = NUD_FAILED;
      notify = true;
      neigh_invalidate(n);
    } else {
      if ((n.nud_state & NUD_IN_TIMER) !== 0) neigh_add_timer(n, Math.max(next, now + MIN_TIMER));
      if ((n.nud_state & (NUD_INCOMPLETE | NUD_PROBE)) !== 0) neigh_probe(n);
    }
  }
  if (notify) neigh_notify(n, RTM_NEWNEIGH, 0);
  neigh_release(n);
}

/** Entries with NTF_EXT_MANAGED are kept fresh without traffic. */
function neigh_managed_work(timer: TimerList): void {
  const tbl = timer.owner as NeighTable;
  for (const n of [...tbl.managed]) neigh_event_send_probe(n, null, false);
  if (tbl.managed.size > 0) {
    mod_timer(timer, jiffies(tbl.kernel) + Math.max(1, NEIGH_VAR(tbl.parms, NEIGH_VAR_INTERVAL_PROBE_TIME_MS)));
  }
}

// --- sending ------------------------------------------------------------------------------------------------------

/**
 * A packet wants to go to an entry that is not connected. Returns 0 when it may be sent now (the address is good enough);
 * 1 when it was queued or dropped, and the address is being asked for.
 */
export function __neigh_event_send(n: Neighbour, skb: SkBuff | null, immediate_ok = true): number {
  if (trace_key.on && skb !== null) trace_fn(F___neigh_event_send, skb);
  if ((n.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) !== 0) return 0;
  if (n.dead) {
    if (skb !== null) kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_DEAD);
    return 1;
  }
  const now = jiffies(n.tbl.kernel);
  const p = n.parms;
  let immediate_probe = false;
  if ((n.nud_state & (NUD_STALE | NUD_INCOMPLETE)) === 0) {
    if (NEIGH_VAR(p, NEIGH_VAR_MCAST_PROBES) + NEIGH_VAR(p, NEIGH_VAR_APP_PROBES) > 0) {
      // Nothing is known that a unicast question could be sent to: those tries count as made.
      n.probes = NEIGH_VAR(p, NEIGH_VAR_UCAST_PROBES);
      neigh_del_timer(n);
      n.nud_state = NUD_INCOMPLETE;
      n.updated = now;
      if (immediate_ok) {
        immediate_probe = true;
        neigh_add_timer(n, now + retrans_delay(n));
      } else {
        neigh_add_timer(n, now + MIN_TIMER);
      }
    } else {
      n.nud_state = NUD_FAILED;
      n.updated = now;
      if (skb !== null) kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
      return 1;
    }
  } else if ((n.nud_state & NUD_STALE) !== 0) {
    neigh_del_timer(n);
    n.nud_state = NUD_DELAY;
    n.updated = now;
    neigh_add_timer(n, now + NEIGH_VAR(p, NEIGH_VAR_DELAY_PROBE_TIME));
  }
  let rc = 0;
  if (n.nud_state === NUD_INCOMPLETE) {
    if (skb !== null) {
      const limit = NEIGH_VAR(p, NEIGH_VAR_QUEUE_LEN_BYTES);
      while (n.arp_queue_len_bytes + skb.truesize > limit) {
        const old = __skb_dequeue(n.arp_queue);
        if (old === null) break;
        n.arp_queue_len_bytes -= old.truesize;
        neigh_stat_inc(n.tbl, NDST_UNRES_DISCARDS);
        kfree_skb_reason(old, SKB_DROP_REASON_NEIGH_QUEUEFULL);
      }
      skb_dst_force(skb);
      __skb_queue_tail(n.arp_queue, skb);
      n.arp_queue_len_bytes += skb.truesize;
    }
    rc = 1;
  }
  if (immediate_probe) neigh_probe(n);
  return rc;
}

export function neigh_event_send_probe(n: Neighbour, skb: SkBuff | null, immediate_ok: boolean): number {
  n.used = jiffies(n.tbl.kernel);
  if ((n.nud_state & (NUD_CONNECTED | NUD_DELAY | NUD_PROBE)) !== 0) return 0;
  return __neigh_event_send(n, skb, immediate_ok);
}

/** Marks the entry as used and, when it is in doubt, starts to ask. 0: send now. 1: the packet is taken care of. */
export const neigh_event_send = (n: Neighbour, skb: SkBuff | null): number => neigh_event_send_probe(n, skb, true);

function neigh_hh_init(n: Neighbour): void {
  const dev = n.dev;
  const cache = dev.header_ops !== null ? dev.header_ops.cache : undefined;
  if (cache === undefined || n.hh_len !== 0) return;
  hh_fill(n, cache(dev, n.ha, n.tbl.ops.protocol, n.hh_data));
}

function hh_fill(n: Neighbour, len: number): void {
  if (len <= 0) return;
  const b = n.hh_data;
  n.hh0 = (b[0]! << 24) | (b[1]! << 16) | (b[2]! << 8) | b[3]!;
  n.hh1 = (b[4]! << 24) | (b[5]! << 16) | (b[6]! << 8) | b[7]!;
  n.hh2 = (b[8]! << 24) | (b[9]! << 16) | (b[10]! << 8) | b[11]!;
  n.hh3 = (b[12]! << 8) | b[13]!;
  n.hh_len = len;
}

/** The address changed: the cached header follows. */
function neigh_update_hhs(n: Neighbour): void {
  const cache = n.dev.header_ops !== null ? n.dev.header_ops.cache : undefined;
  if (n.hh_len === 0 || cache === undefined) return;
  hh_fill(n, cache(n.dev, n.ha, n.tbl.ops.protocol, n.hh_data));
}

function trace_neigh(n: Neighbour, skb: SkBuff): void {
  let lladdr = "";
  for (let i = 0; i < n.ha.length; i++) lladdr += (i > 0 ? ":" : "") + n.ha[i]!.toString(16).padStart(2, "0");
  const k = n.primary_key;
  trace_note(F_neigh_resolve_output, skb, {
    kind: "neigh",
    to: n.tbl.ops.key_len === 4 ? `${k >>> 24}.${(k >> 16) & 255}.${(k >> 8) & 255}.${k & 255}` : "v6",
    dev: n.dev.name,
    state: nud_state_name(n.nud_state),
    lladdr: (n.nud_state & NUD_VALID) !== 0 ? lladdr : "",
    queued: n.arp_queue.qlen,
  });
}

/** The way of a packet while the address is unknown or in doubt, and of the first one when it is known. */
export function neigh_resolve_output(n: Neighbour, skb: SkBuff): number {
  if (trace_key.on) {
    trace_fn(F_neigh_resolve_output, skb);
    if (trace_detail(skb.kernel)) trace_neigh(n, skb);
  }
  if (neigh_event_send(n, skb) !== 0) return 0;
  if (n.hh_len === 0) neigh_hh_init(n);
  return neigh_header_xmit(n, skb);
}

function neigh_header_xmit(n: Neighbour, skb: SkBuff): number {
  // A failed try may have left its own link header: the packet starts at its network header again.
  const off = skb.network_header - skb.data;
  skb.data += off;
  skb.len -= off;
  if (skb.data < n.dev.hard_header_len) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_HH_FILLFAIL);
    return -EINVAL;
  }
  if (dev_hard_header(skb, n.dev, skb.protocol, n.ha, null, skb.len) < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_HH_FILLFAIL);
    return -EINVAL;
  }
  return dev_queue_xmit(skb);
}

/** The address is good; the device has no header that could be cached. */
export const neigh_connected_output = (n: Neighbour, skb: SkBuff): number => neigh_header_xmit(n, skb);

/** The device needs no address. */
export const neigh_direct_output = (_n: Neighbour, skb: SkBuff): number => dev_queue_xmit(skb);

/** Puts the cached header in front and sends. */
export const neigh_hh_output = (n: Neighbour, skb: SkBuff): number => {
  if (trace_key.on) trace_fn(F_neigh_hh_output, skb);
  const len = n.hh_len;
  const at = skb.data - len;
  if (at < 0) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_HH_FILLFAIL);
    return 1;
  }
  skb.data = at;
  skb.len += len;
  const head = skb.head;
  if (len === 14) {
    const dv = head.dv;
    dv.setInt32(at, n.hh0);
    dv.setInt32(at + 4, n.hh1);
    dv.setInt32(at + 8, n.hh2);
    dv.setUint16(at + 12, n.hh3);
  } else {
    for (let i = 0; i < len; i++) head.u8[at + i] = n.hh_data[i]!;
  }
  return dev_queue_xmit(skb);
};

/** Sends a packet to its next hop. `skip_cache`: the packet is not of the protocol that the cached header names. */
export const neigh_output = (n: Neighbour, skb: SkBuff, skip_cache: boolean): number => {
  if ((n.nud_state & NUD_CONNECTED) !== 0 && n.hh_len !== 0 && !skip_cache) return neigh_hh_output(n, skb);
  return n.output(n, skb);
};

/** Something beyond the link layer proves that the neighbour answers (RFC 4861 7.3.1): TCP's progress, MSG_CONFIRM. */
export const neigh_confirm = (n: Neighbour): void => {
  n.confirmed = jiffies(n.tbl.kernel);
};

/** What ip_finish_output2() does with a packet whose sender confirmed its next hop. */
export function sock_confirm_neigh(skb: SkBuff, n: Neighbour): void {
  if (!skb.dst_pending_confirm) return;
  skb.dst_pending_confirm = false;
  const sk = skb.sk;
  if (sk !== null && sk.sk_dst_pending_confirm) sk.sk_dst_pending_confirm = false;
  neigh_confirm(n);
}

/** Asks a daemon (app_solicit): RTM_GETNEIGH to whoever listens. */
export const neigh_app_ns = (n: Neighbour): void => neigh_notify(n, RTM_GETNEIGH, 0);

// --- news ---------------------------------------------------------------------------------------------------------

function lladdr_equal(a: Uint8Array, b: Uint8Array, len: number): boolean {
  for (let i = 0; i < len; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** NTF_EXT_LEARNED and NTF_MANAGED as the administrator said. Returns whether something changed. */
function neigh_update_flags(n: Neighbour, flags: number): boolean {
  if ((flags & NEIGH_UPDATE_F_ADMIN) === 0) return false;
  let changed = false;
  const learned = (flags & NEIGH_UPDATE_F_EXT_LEARNED) !== 0;
  if (learned !== ((n.flags & NTF_EXT_LEARNED) !== 0)) {
    n.flags ^= NTF_EXT_LEARNED;
    changed = true;
  }
  const managed = (flags & NEIGH_UPDATE_F_MANAGED) !== 0;
  if (managed !== ((n.flags & NTF_MANAGED) !== 0)) {
    n.flags ^= NTF_MANAGED;
    if (managed) neigh_managed_add(n);
    else neigh_managed_del(n);
    changed = true;
  }
  return changed;
}

// What apply_news() reports.
const CHANGED_NOTIFY = 1;
const CHANGED_GC = 2;
const CHANGED_ROUTER = 4;

/**
 * News about an entry: its address (null: none) and the state that follows from it. Returns 0; -EPERM when only an
 * administrator may change it; -EINVAL for a dead entry or a valid state without address. `extack` gets the reason.
 */
export function neigh_update(
  n: Neighbour,
  lladdr: Uint8Array | null,
  new_state: number,
  flags: number,
  pid = 0,
  extack: { msg: string } | null = null,
): number {
  const old = n.nud_state;
  if (n.dead) {
    if (extack !== null) extack.msg = "Neighbor entry is now dead";
    return -EINVAL;
  }
  if ((flags & NEIGH_UPDATE_F_ADMIN) === 0 && (old & (NUD_NOARP | NUD_PERMANENT)) !== 0) return -EPERM;
  const done = neigh_update_flags(n, flags) ? CHANGED_NOTIFY | CHANGED_GC : 0;
  let ret: number;
  if ((flags & (NEIGH_UPDATE_F_USE | NEIGH_UPDATE_F_MANAGED)) !== 0) {
    n.nud_state = old & ~NUD_PERMANENT;
    ret = CHANGED_GC;
  } else if ((new_state & NUD_VALID) === 0) {
    ret = lose_address(n, new_state);
  } else {
    ret = apply_news(n, lladdr, new_state, flags, extack);
  }
  const err = Math.min(ret, 0);
  let changed = done | Math.max(ret, 0);
  if ((changed & CHANGED_ROUTER) !== 0) {
    const router = (flags & NEIGH_UPDATE_F_ISROUTER) !== 0;
    if (router !== ((n.flags & NTF_ROUTER) !== 0)) {
      n.flags ^= NTF_ROUTER;
      changed |= CHANGED_NOTIFY;
    }
  }
  if ((changed & CHANGED_GC) !== 0) neigh_update_gc_list(n);
  if ((changed & CHANGED_NOTIFY) !== 0) neigh_notify(n, RTM_NEWNEIGH, pid);
  return err;
}

/** The new state has no usable address. */
function lose_address(n: Neighbour, new_state: number): number {
  const old = n.nud_state;
  let ret = CHANGED_GC;
  neigh_del_timer(n);
  if ((old & NUD_CONNECTED) !== 0) neigh_suspect(n);
  n.nud_state = new_state;
  if ((old & NUD_VALID) !== 0) ret |= CHANGED_NOTIFY;
  if ((old & (NUD_INCOMPLETE | NUD_PROBE)) !== 0 && (new_state & NUD_FAILED) !== 0) {
    neigh_invalidate(n);
    ret |= CHANGED_NOTIFY;
  }
  return ret;
}

/** The new state has an address: the one given, or the one known. */
function apply_news(
  n: Neighbour,
  lladdr: Uint8Array | null,
  new_state: number,
  flags: number,
  extack: { msg: string } | null,
): number {
  const dev = n.dev;
  const old = n.nud_state;
  const now = jiffies(n.tbl.kernel);
  let same = true;
  if (dev.addr_len !== 0) {
    if (lladdr !== null) same = (old & NUD_VALID) !== 0 && lladdr_equal(lladdr, n.ha, dev.addr_len);
    else if ((old & NUD_VALID) === 0) {
      if (extack !== null) extack.msg = "No link layer address given";
      return -EINVAL;
    }
  }
  if ((new_state & NUD_CONNECTED) !== 0) n.confirmed = now;
  let ret = (flags & NEIGH_UPDATE_F_OVERRIDE_ISROUTER) !== 0 ? CHANGED_ROUTER : 0;
  if ((old & NUD_VALID) !== 0) {
    if (!same && (flags & NEIGH_UPDATE_F_OVERRIDE) === 0) {
      if ((flags & NEIGH_UPDATE_F_WEAK_OVERRIDE) === 0 || (old & NUD_CONNECTED) === 0) return 0;
      ret = 0;
      same = true;
      new_state = NUD_STALE;
    } else if (same && new_state === NUD_STALE && (flags & NEIGH_UPDATE_F_ADMIN) === 0) {
      new_state = old;
    }
  }
  if (new_state !== old || !same) n.updated = now;
  if (new_state !== old) {
    neigh_del_timer(n);
    if ((new_state & NUD_PROBE) !== 0) n.probes = 0;
    if ((new_state & NUD_IN_TIMER) !== 0) {
      neigh_add_timer(n, now + ((new_state & NUD_REACHABLE) !== 0 ? n.parms.reachable_time : 0));
    }
    n.nud_state = new_state;
    ret |= CHANGED_NOTIFY | CHANGED_GC;
  }
  if (!same) {
    for (let i = 0; i < dev.addr_len; i++) n.ha[i] = lladdr![i]!;
    neigh_update_hhs(n);
    if ((new_state & NUD_CONNECTED) === 0) {
      n.confirmed = now - 2 * NEIGH_VAR(n.parms, NEIGH_VAR_BASE_REACHABLE_TIME);
    }
    ret |= CHANGED_NOTIFY;
  }
  if (new_state === old) return ret;
  if ((new_state & NUD_CONNECTED) !== 0) neigh_connect(n);
  else neigh_suspect(n);
  if ((old & NUD_VALID) === 0) neigh_drain_queue(n);
  return ret;
}

/** What waited for the address goes out, by the next hop that its own route has by now. */
function neigh_drain_queue(n: Neighbour): void {
  while ((n.nud_state & NUD_VALID) !== 0) {
    const skb = __skb_dequeue(n.arp_queue);
    if (skb === null) break;
    let to: Neighbour | null = null;
    const dst = skb.dst;
    if (dst !== null && dst.obsolete !== DST_OBSOLETE_DEAD && n.tbl.ops.key_len === 4) {
      to = dst.ops.neigh_lookup(dst, skb.head.dv.getInt32(skb.network_header + IPH_DADDR));
    }
    const via = to ?? n;
    via.output(via, skb);
    if (to !== null) neigh_release(to);
  }
  skb_queue_purge_reason(n.arp_queue, SKB_DROP_REASON_NEIGH_FAILED);
  n.arp_queue_len_bytes = 0;
}

/** A question from `key` told its address: the entry is made or refreshed. The caller gets a reference, or null. */
export function neigh_event_ns(
  tbl: NeighTable,
  lladdr: Uint8Array | null,
  dev: NetDevice,
  k0: number,
  k1 = 0,
  k2 = 0,
  k3 = 0,
): Neighbour | null {
  const n = __neigh_lookup(tbl, dev, lladdr !== null || dev.addr_len === 0, k0, k1, k2, k3);
  if (n !== null) neigh_update(n, lladdr, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  return n;
}

/** The entry with a reference; made when `creat`. */
export function __neigh_lookup(
  tbl: NeighTable,
  dev: NetDevice,
  creat: boolean,
  k0: number,
  k1 = 0,
  k2 = 0,
  k3 = 0,
): Neighbour | null {
  const n = neigh_lookup(tbl, dev, k0, k1, k2, k3);
  if (n !== null || !creat) return n;
  return __neigh_create(tbl, dev, true, k0, k1, k2, k3);
}

/** Makes an entry probe again now (an unreachable report of ours is doubted). */
export function __neigh_set_probe_once(n: Neighbour): void {
  if (n.dead) return;
  const now = jiffies(n.tbl.kernel);
  n.updated = now;
  if ((n.nud_state & NUD_FAILED) === 0) return;
  n.nud_state = NUD_INCOMPLETE;
  n.probes = neigh_max_probes(n);
  neigh_add_timer(n, now + retrans_delay(n));
}

export { __neigh_lookup_noref };
