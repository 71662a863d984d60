// The timer heap against a sorted array: equal deadlines leave in arming order, moving counts as arming anew.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng, prng_below } from "../../../src/lib/prng.ts";
import { type TimerNode, TimerQueue } from "../../../src/lib/timerqueue.ts";

interface Node extends TimerNode {
  id: number;
}

test("random adds, moves and removals agree with a sorted list", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const p = new Prng(seed);
    const q = new TimerQueue<Node>();
    const nodes: Node[] = Array.from({ length: 40 }, (_, id) => ({ id, expires: 0, seq: 0, index: -1 }));
    let armed: { node: Node; at: number }[] = [];
    for (let i = 0; i < 400; i++) {
      const node = nodes[prng_below(p, nodes.length)]!;
      const what = prng_below(p, 4);
      if (what < 2) {
        const at = prng_below(p, 20);
        armed = armed.filter((a) => a.node !== node);
        armed.push({ node, at });
        q.add(node, at);
      } else if (what === 2) {
        assert.equal(
          q.remove(node),
          armed.some((a) => a.node === node),
        );
        armed = armed.filter((a) => a.node !== node);
      } else {
        const first = armed.reduce<{ node: Node; at: number } | null>(
          (m, a) => (m === null || a.at < m.at ? a : m),
          null,
        );
        const got = q.pop();
        assert.equal(got, first === null ? null : first.node);
        armed = armed.filter((a) => a !== first);
      }
      assert.equal(q.size, armed.length);
      for (const n of nodes)
        assert.equal(
          n.index >= 0,
          armed.some((a) => a.node === n),
        );
    }
  }
});
