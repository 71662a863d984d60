// struct sk_buff_head: packets in a line, linked by next and prev. Mirrors the queue functions of include/linux/skbuff.h.
// Way in: __skb_queue_tail(), __skb_dequeue().

import { kfree_skb_reason, type SkBuff } from "./skbuff.ts";

/** struct sk_buff_head. */
export class SkBuffHead {
  next: SkBuff | null = null;
  prev: SkBuff | null = null;
  qlen = 0;
}

/** What a queue that was never used points to. Never written. */
export const NO_PACKETS: SkBuffHead = new SkBuffHead();

export function __skb_queue_tail(list: SkBuffHead, skb: SkBuff): void {
  skb.next = null;
  skb.prev = list.prev;
  if (list.prev !== null) list.prev.next = skb;
  else list.next = skb;
  list.prev = skb;
  list.qlen++;
}

export function __skb_queue_head(list: SkBuffHead, skb: SkBuff): void {
  skb.prev = null;
  skb.next = list.next;
  if (list.next !== null) list.next.prev = skb;
  else list.prev = skb;
  list.next = skb;
  list.qlen++;
}

export function __skb_dequeue(list: SkBuffHead): SkBuff | null {
  const skb = list.next;
  if (skb === null) return null;
  list.next = skb.next;
  if (list.next !== null) list.next.prev = null;
  else list.prev = null;
  skb.next = null;
  list.qlen--;
  return skb;
}

export function __skb_unlink(skb: SkBuff, list: SkBuffHead): void {
  if (skb.prev !== null) skb.prev.next = skb.next;
  else list.next = skb.next;
  if (skb.next !== null) skb.next.prev = skb.prev;
  else list.prev = skb.prev;
  skb.next = null;
  skb.prev = null;
  list.qlen--;
}

export const skb_peek = (list: SkBuffHead): SkBuff | null => list.next;
export const skb_peek_tail = (list: SkBuffHead): SkBuff | null => list.prev;
export const skb_queue_empty = (list: SkBuffHead): boolean => list.next === null;
export const skb_queue_len = (list: SkBuffHead): number => list.qlen;

export function skb_queue_purge_reason(list: SkBuffHead, reason: number): void {
  for (let skb = __skb_dequeue(list); skb !== null; skb = __skb_dequeue(list)) kfree_skb_reason(skb, reason);
}

/** Moves everything from `list` to the end of `head`. */
export function skb_queue_splice_tail_init(list: SkBuffHead, head: SkBuffHead): void {
  if (list.next === null) return;
  if (head.prev !== null) {
    head.prev.next = list.next;
    list.next.prev = head.prev;
  } else {
    head.next = list.next;
  }
  head.prev = list.prev;
  head.qlen += list.qlen;
  list.next = null;
  list.prev = null;
  list.qlen = 0;
}

/** Puts `skb` behind `prev`, which is in the list. */
export function __skb_queue_after(list: SkBuffHead, prev: SkBuff, skb: SkBuff): void {
  const next = prev.next;
  skb.prev = prev;
  skb.next = next;
  prev.next = skb;
  if (next !== null) next.prev = skb;
  else list.prev = skb;
  list.qlen++;
}

/** Puts `skb` in front of `next`, which is in the list. */
export function __skb_queue_before(list: SkBuffHead, next: SkBuff, skb: SkBuff): void {
  const prev = next.prev;
  skb.prev = prev;
  skb.next = next;
  next.prev = skb;
  if (prev !== null) prev.next = skb;
  else list.next = skb;
  list.qlen++;
}
