// Proxy neighbours: addresses that we answer for, and answers that wait a random while (RFC 4861 7.2.8).
// Mirrors the pneigh half of net/core/neighbour.c. Way in: pneigh_lookup(), pneigh_enqueue().

import { jiffies } from "../../kernel/kernel.ts";
import { mod_timer, type TimerList } from "../../kernel/time/timer.ts";
import { EINVAL, ENOENT } from "../../uapi/errno.ts";
import { SKB_DROP_REASON_NEIGH_QUEUEFULL, SKB_DROP_REASON_NOT_SPECIFIED } from "./dropreason.ts";
import {
  get_random_u32_below,
  NEIGH_VAR,
  NEIGH_VAR_PROXY_DELAY,
  NEIGH_VAR_PROXY_QLEN,
  type NeighParms,
  type NeighTable,
  neigh_parms_lookup,
  PneighEntry,
} from "./neigh_table.ts";
import type { Net } from "./net_namespace.ts";
import type { NetDevice } from "./netdevice.ts";
import { __skb_queue_tail, __skb_unlink, kfree_skb_reason, type SkBuff, skb_dst_drop } from "./skbuff.ts";

/** In skb.ipcb_flags while the packet is in neighbour hands (NEIGH_CB): it comes from the proxy queue. */
export const LOCALLY_ENQUEUED = 1;

/** The entry for an address, of this device or of all; made when `creat`. Null when there is none, or it is refused. */
export function pneigh_lookup(
  tbl: NeighTable,
  net: Net,
  dev: NetDevice | null,
  creat: boolean,
  k0: number,
  k1 = 0,
  k2 = 0,
  k3 = 0,
): PneighEntry | null {
  for (const e of tbl.pneigh) {
    if (e.key !== k0 || e.key1 !== k1 || e.key2 !== k2 || e.key3 !== k3 || e.net !== net) continue;
    if (e.dev === dev || e.dev === null) return e;
  }
  if (!creat) return null;
  const e = new PneighEntry(net, dev, k0, k1, k2, k3);
  if (tbl.ops.pconstruct !== undefined && tbl.ops.pconstruct(e) < 0) return null;
  tbl.pneigh.push(e);
  return e;
}

/** pneigh_create(): -EINVAL when the family refuses. */
export function pneigh_add(
  tbl: NeighTable,
  net: Net,
  dev: NetDevice | null,
  flags: number,
  protocol: number,
  permanent: boolean,
  k0: number,
  k1 = 0,
  k2 = 0,
  k3 = 0,
): number {
  const e = pneigh_lookup(tbl, net, dev, true, k0, k1, k2, k3);
  if (e === null) return -EINVAL;
  e.flags = flags;
  e.permanent = permanent;
  if (protocol !== 0) e.protocol = protocol;
  return 0;
}

/** 0, or -ENOENT. An entry for all devices is not the one for `dev`. */
export function pneigh_delete(
  tbl: NeighTable,
  net: Net,
  dev: NetDevice | null,
  k0: number,
  k1 = 0,
  k2 = 0,
  k3 = 0,
): number {
  const i = tbl.pneigh.findIndex(
    (e) => e.key === k0 && e.key1 === k1 && e.key2 === k2 && e.key3 === k3 && e.net === net && e.dev === dev,
  );
  if (i < 0) return -ENOENT;
  const e = tbl.pneigh[i]!;
  tbl.pneigh.splice(i, 1);
  tbl.ops.pdestruct?.(e);
  return 0;
}

/** A question that we answer for another: it comes back through proxy_redo() within proxy_delay. Takes it over. */
export function pneigh_enqueue(tbl: NeighTable, p: NeighParms, skb: SkBuff): void {
  const dev = skb.dev;
  if (dev === null || p.qlen > NEIGH_VAR(p, NEIGH_VAR_PROXY_QLEN)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_QUEUEFULL);
    return;
  }
  const k = tbl.kernel;
  const sched_next = jiffies(k) + get_random_u32_below(k, NEIGH_VAR(p, NEIGH_VAR_PROXY_DELAY));
  skb.time_to_send = sched_next;
  skb.ipcb_flags |= LOCALLY_ENQUEUED;
  skb_dst_drop(skb);
  dev.refcnt++;
  __skb_queue_tail(tbl.proxy_queue, skb);
  p.qlen++;
  if (tbl.proxy_timer.index < 0 || sched_next < tbl.proxy_timer.expires) mod_timer(tbl.proxy_timer, sched_next);
}

/** proxy_timer: what is due is answered now. */
export function neigh_proxy_process(timer: TimerList): void {
  const tbl = timer.owner as NeighTable;
  const now = jiffies(tbl.kernel);
  let next = Number.POSITIVE_INFINITY;
  for (let skb = tbl.proxy_queue.next; skb !== null; ) {
    const following: SkBuff | null = skb.next;
    if (skb.time_to_send <= now) {
      const dev = skb.dev!;
      __skb_unlink(skb, tbl.proxy_queue);
      neigh_parms_lookup(tbl, dev).qlen--;
      skb.time_to_send = 0;
      if ((dev.flags & 1) !== 0) tbl.ops.proxy_redo(skb);
      else kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
      dev.refcnt--;
    } else if (skb.time_to_send < next) {
      next = skb.time_to_send;
    }
    skb = following;
  }
  if (next !== Number.POSITIVE_INFINITY) mod_timer(tbl.proxy_timer, next);
}
