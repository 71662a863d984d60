// The list inside a queueing discipline: qdisc_skb_head. Mirrors that part of include/net/sch_generic.h.
// Way in: qdisc_enqueue_tail_list(), qdisc_dequeue_head_list(); lengths are counted in the Qdisc that owns the list.

import { SKB_DROP_REASON_QDISC_DROP } from "../core/dropreason.ts";
import { kfree_skb_reason, type SkBuff } from "../core/skbuff.ts";
import type { Qdisc } from "./sch_generic.ts";

export class QdiscSkbHead {
  first: SkBuff | null = null;
  last: SkBuff | null = null;
  qlen = 0;
}

/** Appends without counting in a qdisc. */
export function skb_list_add_tail(list: QdiscSkbHead, skb: SkBuff): void {
  skb.next = null;
  if (list.last !== null) list.last.next = skb;
  else list.first = skb;
  list.last = skb;
  list.qlen++;
}

/** Takes the first, or null. */
export function skb_list_pop(list: QdiscSkbHead): SkBuff | null {
  const skb = list.first;
  if (skb === null) return null;
  list.first = skb.next;
  if (list.first === null) list.last = null;
  skb.next = null;
  list.qlen--;
  return skb;
}

export function qdisc_enqueue_tail_list(skb: SkBuff, sch: Qdisc, list: QdiscSkbHead): number {
  skb_list_add_tail(list, skb);
  sch.qlen++;
  sch.backlog += skb.pkt_len;
  return 0;
}

export function qdisc_dequeue_head_list(sch: Qdisc, list: QdiscSkbHead): SkBuff | null {
  const skb = skb_list_pop(list);
  if (skb === null) return null;
  sch.qlen--;
  sch.backlog -= skb.pkt_len;
  return skb;
}

/** Drops all: the qdisc goes, or the device went down. Counts nothing, as in Linux. */
export function qdisc_purge_list(_sch: Qdisc, list: QdiscSkbHead): void {
  for (let skb = skb_list_pop(list); skb !== null; skb = skb_list_pop(list)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP);
  }
}
