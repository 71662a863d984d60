// A frag_list that two packets share (a clone that was made writable): what one does to its view never shows in the other's, and
// whoever goes first leaves the list whole.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  alloc_skb,
  consume_skb,
  pskb_expand_head,
  pskb_may_pull,
  pskb_trim,
  type SkBuff,
  skb_clone,
  skb_copy_bits,
  skb_linearize,
  skb_put,
  skb_reserve,
} from "../../../../src/net/core/skbuff.ts";
import { KernelRig } from "../../../lib/kernel.ts";

const HEAD = 16;
const PIECE = 6;
const PIECES = 3;
const LEN = HEAD + PIECE * PIECES;

/** Bytes 0, 1, 2 …: 16 in the head, then three packets of 6 in the list. */
function packet(rig: KernelRig): SkBuff {
  let value = 0;
  const make = (n: number): SkBuff => {
    const skb = alloc_skb(rig.k, 64 + n)!;
    skb_reserve(skb, 32);
    const at = skb_put(skb, n);
    for (let i = 0; i < n; i++) skb.head.u8[at + i] = value++;
    return skb;
  };
  const skb = make(HEAD);
  let last: SkBuff | null = null;
  for (let i = 0; i < PIECES; i++) {
    const s = make(PIECE);
    if (last === null) skb.head.frag_list = s;
    else last.next = s;
    last = s;
    skb.len += PIECE;
    skb.data_len += PIECE;
    skb.truesize += s.truesize;
  }
  return skb;
}

function holds(skb: SkBuff, n: number): void {
  assert.equal(skb.len, n);
  const b = new Uint8Array(n);
  assert.equal(skb_copy_bits(skb, 0, b, 0, n), 0);
  assert.deepEqual(
    [...b],
    Array.from({ length: n }, (_, i) => i),
  );
}

/** Two packets with heads of their own and one list between them. */
function sharing(rig: KernelRig): [SkBuff, SkBuff] {
  const a = packet(rig);
  const b = skb_clone(a);
  assert.equal(pskb_expand_head(b, 0, 0), 0);
  assert.notEqual(a.head, b.head);
  assert.equal(a.head.frag_list, b.head.frag_list);
  return [a, b];
}

for (const first of [0, 1]) {
  test(`the list outlives the packet that goes first (${first})`, () => {
    const rig = new KernelRig();
    const both = sharing(rig);
    consume_skb(both[first]!);
    holds(both[1 - first]!, LEN);
    consume_skb(both[1 - first]!);
    rig.end();
  });

  test(`pulling from a shared list, any number of bytes (${first})`, () => {
    for (let n = HEAD; n <= LEN; n++) {
      const rig = new KernelRig();
      const both = sharing(rig);
      assert.ok(pskb_may_pull(both[0], n));
      holds(both[0], LEN);
      holds(both[1], LEN);
      consume_skb(both[first]!);
      holds(both[1 - first]!, LEN);
      consume_skb(both[1 - first]!);
      rig.end();
    }
  });

  test(`cutting a shared list anywhere (${first})`, () => {
    for (let n = 0; n <= LEN; n++) {
      const rig = new KernelRig();
      const both = sharing(rig);
      assert.equal(pskb_trim(both[0], n), 0);
      holds(both[0], n);
      holds(both[1], LEN);
      consume_skb(both[first]!);
      holds(both[1 - first]!, first === 0 ? LEN : n);
      assert.equal(skb_linearize(both[1 - first]!), 0);
      consume_skb(both[1 - first]!);
      rig.end();
    }
  });
}
