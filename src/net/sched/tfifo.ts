// Packets by the time they may leave: netem's queue. Those that come in order stand in a list, the others in a heap.
// Way in: tfifo_enqueue(), tfifo_peek(), tfifo_erase_head(). Linux: tfifo of net/sched/sch_netem.c (a list and an rbtree).

import type { SkBuff } from "../core/skbuff.ts";

export class Tfifo {
  head: SkBuff | null = null;
  tail: SkBuff | null = null;
  /** Binary heap by time_to_send, equal times in order of arrival. */
  readonly heap: SkBuff[] = [];
  readonly seq: number[] = [];
  next_seq = 0;
  /** The latest time in the heap: where a rate goes on from. */
  last_time = 0.5;
  len = 0;
  constructor() {
    this.last_time = 0;
  }
}

const before = (q: Tfifo, a: number, b: number): boolean => {
  const x = q.heap[a]!.time_to_send;
  const y = q.heap[b]!.time_to_send;
  return x < y || (x === y && q.seq[a]! < q.seq[b]!);
};

function swap(q: Tfifo, a: number, b: number): void {
  const s = q.heap[a]!;
  const n = q.seq[a]!;
  q.heap[a] = q.heap[b]!;
  q.seq[a] = q.seq[b]!;
  q.heap[b] = s;
  q.seq[b] = n;
}

export function tfifo_enqueue(q: Tfifo, skb: SkBuff): void {
  q.len++;
  if (skb.time_to_send > q.last_time || q.len === 1) q.last_time = skb.time_to_send;
  if (q.tail === null || skb.time_to_send >= q.tail.time_to_send) {
    skb.next = null;
    if (q.tail !== null) q.tail.next = skb;
    else q.head = skb;
    q.tail = skb;
    return;
  }
  let i = q.heap.length;
  q.heap.push(skb);
  q.seq.push(q.next_seq++);
  while (i > 0) {
    const up = (i - 1) >> 1;
    if (!before(q, i, up)) break;
    swap(q, i, up);
    i = up;
  }
}

/** The packet whose time comes first. */
export function tfifo_peek(q: Tfifo): SkBuff | null {
  const first = q.heap.length > 0 ? q.heap[0]! : null;
  if (q.head === null) return first;
  return first === null || q.head.time_to_send <= first.time_to_send ? q.head : first;
}

/** Takes out what tfifo_peek() gave. */
export function tfifo_erase_head(q: Tfifo, skb: SkBuff): void {
  q.len--;
  if (skb === q.head) {
    q.head = skb.next;
    if (q.head === null) q.tail = null;
    skb.next = null;
    return;
  }
  const last = q.heap.length - 1;
  swap(q, 0, last);
  q.heap.pop();
  q.seq.pop();
  for (let i = 0; ; ) {
    let m = i;
    const l = 2 * i + 1;
    if (l < last && before(q, l, m)) m = l;
    if (l + 1 < last && before(q, l + 1, m)) m = l + 1;
    if (m === i) break;
    swap(q, i, m);
    i = m;
  }
}
