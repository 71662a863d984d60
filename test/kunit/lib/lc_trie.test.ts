// The level-compressed trie: every key has its leaf, in order, and no node but the root is sparser than the trie allows.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type LcNode, LcTrie, lc_trie_flush, lc_trie_insert, lc_trie_remove } from "../../../src/lib/lc_trie.ts";

/** Keys in order; checks each node on the way. */
function leaves(n: LcNode | null, parent: LcNode | null, out: number[]): number[] {
  if (n === null) return out;
  assert.equal(n.parent, parent);
  if (n.bits === 0) {
    out.push(n.key >>> 0);
    return out;
  }
  const used = n.child.filter((c) => c !== null);
  assert.ok(used.length >= 2, "a node divides");
  assert.equal(n.child.length, 2 ** n.bits);
  assert.equal(n.empty, n.child.length - used.length);
  assert.equal(n.full, used.filter((c) => c!.bits > 0 && c!.pos + c!.bits === n.pos).length);
  n.child.forEach((c, i) => {
    if (c === null) return;
    assert.equal((c.key ^ n.key) >>> n.pos, i, "a child stands where its key says");
    leaves(c, n, out);
  });
  return out;
}

const key = fc.oneof(
  fc.integer(),
  fc.integer({ min: 0, max: 64 }),
  fc.integer({ min: 0, max: 64 }).map((v) => v << 24),
  fc.constantFrom(0, -1, 1 << 31),
);

test("keys in any order, twice too", () => {
  fc.assert(
    fc.property(fc.array(key, { maxLength: 300 }), (keys) => {
      const t = new LcTrie();
      for (const k of keys) lc_trie_insert(t, k);
      const want = [...new Set(keys.map((k) => k >>> 0))].sort((a, b) => a - b);
      assert.deepEqual(leaves(t.root, null, []), want);
    }),
  );
});

test("keys that go, one by one or in a flush", () => {
  fc.assert(
    fc.property(
      fc.array(key, { maxLength: 200 }),
      fc.array(key, { maxLength: 200 }),
      fc.boolean(),
      (keys, gone, flush) => {
        const t = new LcTrie();
        for (const k of keys) lc_trie_insert(t, k);
        const doomed = new Set([...gone, ...keys.filter((_, i) => i % 3 === 0)]);
        if (flush) lc_trie_flush(t, doomed);
        else for (const k of doomed) lc_trie_remove(t, k);
        const want = [...new Set(keys)].filter((k) => !doomed.has(k)).map((k) => k >>> 0);
        assert.deepEqual(
          leaves(t.root, null, []),
          want.sort((a, b) => a - b),
        );
      },
    ),
  );
});

test("a dense range is one node, whatever the order", () => {
  for (const step of [1, 255, 77]) {
    const t = new LcTrie();
    for (let i = 0; i < 256; i++) lc_trie_insert(t, 0x0a000000 + ((i * step) & 255));
    assert.equal(t.root!.child.length, 256);
    assert.equal(t.root!.empty, 0);
  }
});
