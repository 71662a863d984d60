// Timers in whole ticks, in the exact order of a heap: (expires, order of arming). Many of them lie in a ring with a slot per tick of
// the near future, where arming and stopping touch no other timer but the neighbours; the rest, and all while there are few, in a heap.
// Way in: add(), remove(), peek().

import { type TimerNode, TimerQueue } from "./timerqueue.ts";

export interface RingNode<T> extends TimerNode {
  /** Neighbours in the slot's circle. Owned by the ring. */
  ring_next: T | null;
  ring_prev: T | null;
}

/** Ticks that the ring looks ahead: longer than what connections wait for in their usual run. */
const SLOTS = 1024;
const MASK = SLOTS - 1;
const WORDS = SLOTS / 32;
/** Timers that a heap holds as well. */
const FEW = 128;
/** index of a node in the ring: not a place in the heap. */
const IN_RING = 0x4000_0000;

export class TimerRing<T extends RingNode<T>> {
  private readonly heap = new TimerQueue<T>();
  /** The first of each slot's circle; empty until there are many timers. */
  private slots: (T | null)[] = [];
  /** A bit for each slot that holds something. */
  private bits: Int32Array = new Int32Array(0);
  private count = 0;
  /** Every node in the ring: base <= expires < base + SLOTS. */
  private base = 0;
  /** The least `expires` in the ring; Infinity when it is empty. */
  private first: number = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.heap.size + this.count;
  }

  /** The next one. Of two with the same tick the one in the heap was armed earlier: that tick was far away then. */
  peek(): T | null {
    const h = this.heap.peek();
    if (this.count === 0 || (h !== null && h.expires <= this.first)) return h;
    return this.slots[this.first & MASK]!;
  }

  /** Queues the node, or moves it when it is queued already. `now`: the tick that the clock shows. */
  add(node: T, expires: number, now: number): void {
    if (node.index >= 0) this.remove(node);
    if (this.slots.length === 0) {
      if (this.heap.size < FEW) {
        this.heap.add(node, expires);
        return;
      }
      this.slots = new Array<T | null>(SLOTS).fill(null);
      this.bits = new Int32Array(WORDS);
      this.base = now;
    }
    if (expires - this.base >= SLOTS) this.base = Math.max(this.base, Math.min(this.first, now));
    if (expires < this.base || expires - this.base >= SLOTS || expires !== Math.floor(expires)) {
      this.heap.add(node, expires);
      return;
    }
    const slot = expires & MASK;
    node.expires = expires;
    node.index = IN_RING;
    const head = this.slots[slot]!;
    if (head === null) {
      node.ring_next = node;
      node.ring_prev = node;
      this.slots[slot] = node;
      this.bits[slot >> 5]! |= 1 << (slot & 31);
      if (expires < this.first) this.first = expires;
    } else {
      const tail = head.ring_prev!;
      node.ring_next = head;
      node.ring_prev = tail;
      tail.ring_next = node;
      head.ring_prev = node;
    }
    this.count++;
  }

  /** True when it was queued. */
  remove(node: T): boolean {
    if (node.index !== IN_RING) return this.heap.remove(node);
    node.index = -1;
    this.count--;
    const slot = node.expires & MASK;
    const next = node.ring_next!;
    if (next === node) {
      this.slots[slot] = null;
      this.bits[slot >> 5]! &= ~(1 << (slot & 31));
      if (node.expires === this.first) this.first = this.next_after(node.expires);
    } else {
      const prev = node.ring_prev!;
      next.ring_prev = prev;
      prev.ring_next = next;
      if (this.slots[slot] === node) this.slots[slot] = next;
    }
    node.ring_next = null;
    node.ring_prev = null;
    return true;
  }

  /** The first tick after `tick` whose slot holds something. */
  private next_after(tick: number): number {
    if (this.count === 0) return Number.POSITIVE_INFINITY;
    const from = (tick + 1) & MASK;
    let word = from >> 5;
    let set = this.bits[word]! & (-1 << (from & 31));
    // Once around, and the word in which it began again, for the bits before `from`.
    for (let i = 0; i <= WORDS; i++) {
      if (set !== 0) {
        const slot = (word << 5) | (31 - Math.clz32(set & -set));
        return tick + 1 + ((slot - from) & MASK);
      }
      word = (word + 1) & (WORDS - 1);
      set = this.bits[word]!;
    }
    return Number.POSITIVE_INFINITY;
  }
}
