// A heap of timers ordered by (expires, seq): equal deadlines leave in arming order. Each node knows its place, so a
// timer can be moved or removed in O(log n) without a search.

export interface TimerNode {
  /** Any monotonic unit; the queue only compares. */
  expires: number;
  /** Arming order, set by the queue. */
  seq: number;
  /** Place in the heap, -1 when not queued. Owned by the queue. */
  index: number;
}

export class TimerQueue<T extends TimerNode> {
  private readonly heap: T[] = [];
  private seq = 0;

  get size(): number {
    return this.heap.length;
  }

  peek(): T | null {
    return this.heap.length > 0 ? this.heap[0]! : null;
  }

  /** Queues the node, or moves it when it is queued already. */
  add(node: T, expires: number): void {
    if (node.index >= 0) this.remove(node);
    node.expires = expires;
    node.seq = this.seq++;
    node.index = this.heap.length;
    this.heap.push(node);
    this.up(node.index);
  }

  /** True when it was queued. */
  remove(node: T): boolean {
    const i = node.index;
    if (i < 0) return false;
    const last = this.heap.pop()!;
    node.index = -1;
    if (last !== node) {
      this.heap[i] = last;
      last.index = i;
      this.up(i);
      this.down(last.index);
    }
    return true;
  }

  pop(): T | null {
    const node = this.peek();
    if (node !== null) this.remove(node);
    return node;
  }

  private less(a: T, b: T): boolean {
    return a.expires < b.expires || (a.expires === b.expires && a.seq < b.seq);
  }

  private up(i: number): void {
    const heap = this.heap;
    const node = heap[i]!;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const p = heap[parent]!;
      if (!this.less(node, p)) break;
      heap[i] = p;
      p.index = i;
      i = parent;
    }
    heap[i] = node;
    node.index = i;
  }

  private down(i: number): void {
    const heap = this.heap;
    const n = heap.length;
    const node = heap[i]!;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= n) break;
      if (child + 1 < n && this.less(heap[child + 1]!, heap[child]!)) child++;
      const c = heap[child]!;
      if (!this.less(c, node)) break;
      heap[i] = c;
      c.index = i;
      i = child;
    }
    heap[i] = node;
    node.index = i;
  }
}
