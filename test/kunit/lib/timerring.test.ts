// The ring of near timers against a sorted list: exactly the order of the heap, (expires, order of arming), near, far and overdue.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng, prng_below } from "../../../src/lib/prng.ts";
import { type RingNode, TimerRing } from "../../../src/lib/timerring.ts";

interface Node extends RingNode<Node> {
  id: number;
}
const make = (id: number): Node => ({ id, expires: 0, seq: 0, index: -1, ring_next: null, ring_prev: null });

test("random adds, moves, removals and a clock that goes on agree with a sorted list", () => {
  for (let seed = 1; seed <= 12; seed++) {
    const p = new Prng(seed);
    const q = new TimerRing<Node>();
    const nodes = Array.from({ length: 600 }, (_, id) => make(id));
    const armed = new Map<Node, { at: number; seq: number }>();
    let seq = 0;
    let now = prng_below(p, 5000);
    const first = (): Node | null => {
      let best: Node | null = null;
      for (const [n, a] of armed) {
        const b = best === null ? null : armed.get(best)!;
        if (b === null || a.at < b.at || (a.at === b.at && a.seq < b.seq)) best = n;
      }
      return best;
    };
    for (let i = 0; i < 6000; i++) {
      const node = nodes[prng_below(p, nodes.length)]!;
      const what = prng_below(p, 8);
      if (what < 5) {
        // Mostly near; some far, some overdue, some between two ticks.
        const kind = prng_below(p, 20);
        let at = now + prng_below(p, 300);
        if (kind === 0) at = now + 1000 + prng_below(p, 3000);
        else if (kind === 1) at = now - prng_below(p, 50);
        else if (kind === 2) at += 0.5;
        armed.set(node, { at, seq: seq++ });
        q.add(node, at, now);
      } else if (what === 5) {
        assert.equal(q.remove(node), armed.delete(node));
      } else {
        // Whatever is due runs.
        now += prng_below(p, what === 6 ? 3 : 700);
        for (let n = q.peek(); n !== null && n.expires <= now; n = q.peek()) {
          assert.equal(n, first());
          assert.equal(n.expires, armed.get(n)!.at);
          q.remove(n);
          armed.delete(n);
        }
        const next = first();
        assert.ok(next === null || armed.get(next)!.at > now);
      }
      assert.equal(q.size, armed.size);
      assert.equal(node.index >= 0, armed.has(node));
    }
    while (armed.size > 0) {
      const n = q.peek()!;
      assert.equal(n, first());
      q.remove(n);
      armed.delete(n);
    }
    assert.equal(q.peek(), null);
  }
});
