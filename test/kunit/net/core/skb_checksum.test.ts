// net/core/skb_checksum.ts: sums over packets in pieces equal those over the bytes; RFC 1071.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SimWorld, sim_host } from "../../../../src/arch/sim/world.ts";
import { Kernel } from "../../../../src/kernel/kernel.ts";
import { csum_fold, csum_partial_dv } from "../../../../src/lib/checksum.ts";
import {
  __skb_checksum_validate,
  pskb_trim_rcsum,
  skb_checksum,
  skb_checksum_help,
  skb_checksum_simple_validate,
  skb_pull_rcsum,
} from "../../../../src/net/core/skb_checksum.ts";
import {
  alloc_skb,
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  head_alloc,
  type SkBuff,
  skb_add_rx_frag,
  skb_clone,
  skb_copy_bits,
  skb_init,
  skb_put,
  skb_reserve,
} from "../../../../src/net/core/skbuff.ts";

const k = new Kernel(sim_host(new SimWorld()), { debug: true });
skb_init(k);

const sum_of = (b: Uint8Array): number =>
  csum_fold(csum_partial_dv(new DataView(b.buffer, b.byteOffset, b.length), 0, b.length, 0));

/** A packet whose bytes lie linear, in page frags, and in a frag_list, as the lengths say. */
function build(parts: { kind: number; bytes: Uint8Array }[]): { skb: SkBuff; all: Uint8Array } {
  const skb = alloc_skb(k, 512)!;
  skb_reserve(skb, 66);
  const all: number[] = [];
  let tail: SkBuff | null = null;
  for (const kind of [0, 1, 2]) {
    for (const p of parts) {
      if (p.kind !== kind) continue;
      all.push(...p.bytes);
      if (kind === 0) {
        skb.head.u8.set(p.bytes, skb_put(skb, p.bytes.length));
      } else if (kind === 1) {
        const page = head_alloc(k, 2048)!;
        page.u8.set(p.bytes, 33);
        skb_add_rx_frag(skb, page, 33, p.bytes.length, 2048);
      } else {
        const s = alloc_skb(k, 300)!;
        s.head.u8.set(p.bytes, skb_put(s, p.bytes.length));
        if (tail === null) skb.head.frag_list = s;
        else tail.next = s;
        tail = s;
        skb.len += s.len;
        skb.data_len += s.len;
      }
    }
  }
  return { skb, all: Uint8Array.from(all) };
}

const parts = fc.array(
  fc.record({ kind: fc.constantFrom(0, 1, 2), bytes: fc.uint8Array({ minLength: 1, maxLength: 120 }) }),
  { minLength: 1, maxLength: 3 },
);

test("skb_checksum of any range of any layout equals that of the bytes, and they can be copied", () => {
  fc.assert(
    fc.property(parts, fc.nat(), fc.nat(), (p, a, b) => {
      const { skb, all } = build(p);
      const off = a % (all.length + 1);
      const len = b % (all.length - off + 1);
      const want = sum_of(all.slice(off, off + len));
      assert.equal(csum_fold(skb_checksum(skb, off, len, 0)), want);
      const to = new Uint8Array(len + 2);
      assert.equal(skb_copy_bits(skb, off, to, 1, len), 0);
      assert.deepEqual(to.slice(1, len + 1), all.slice(off, off + len));
      consume_skb(skb);
    }),
  );
});

test("CHECKSUM_COMPLETE stays right when bytes go from the front or the end", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 300 }), fc.nat(), fc.nat(), (bytes, a, b) => {
      const { skb } = build([{ kind: 0, bytes }]);
      skb.ip_summed = CHECKSUM_COMPLETE;
      skb.csum = skb_checksum(skb, 0, skb.len, 0);
      const cut = a % bytes.length;
      skb_pull_rcsum(skb, cut);
      const keep = b % (skb.len + 1);
      pskb_trim_rcsum(skb, keep);
      assert.equal(csum_fold(skb.csum) % 0xffff, sum_of(bytes.slice(cut, cut + keep)) % 0xffff);
      consume_skb(skb);
    }),
  );
});

test("validate: right and wrong sums, vouched for, and zero where zero means none", () => {
  const bytes = Uint8Array.from({ length: 200 }, (_, i) => i);
  bytes[2] = bytes[3] = 0;
  const check = sum_of(bytes);
  bytes[2] = check >> 8;
  bytes[3] = check & 0xff;
  let { skb } = build([{ kind: 0, bytes }]);
  assert.equal(skb_checksum_simple_validate(skb), 0);
  assert.equal(skb.csum_valid, true);
  skb.head.u8[skb.data + 9] ^= 1;
  skb.ip_summed = CHECKSUM_NONE;
  skb.csum_valid = false;
  assert.notEqual(skb_checksum_simple_validate(skb), 0);
  skb.ip_summed = CHECKSUM_UNNECESSARY;
  assert.equal(skb_checksum_simple_validate(skb), 0);
  skb.ip_summed = CHECKSUM_NONE;
  skb.csum_valid = false;
  assert.equal(__skb_checksum_validate(skb, true, true, 0, 1234), 0);
  consume_skb(skb);
  // A long packet may wait for the copy; a device's wrong COMPLETE is not believed.
  ({ skb } = build([{ kind: 0, bytes }]));
  skb.ip_summed = CHECKSUM_COMPLETE;
  skb.csum = 4711;
  assert.equal(skb_checksum_simple_validate(skb), 0);
  consume_skb(skb);
});

test("skb_checksum_help finishes CHECKSUM_PARTIAL, on a copy when others look", () => {
  const bytes = Uint8Array.from({ length: 60 }, (_, i) => i + 1);
  const { skb } = build([{ kind: 0, bytes }]);
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = skb.data + 20;
  skb.csum_offset = 6;
  skb.head.dv.setUint16(skb.data + 26, 0x1234);
  const other = skb_clone(skb);
  assert.equal(skb_checksum_help(skb), 0);
  assert.notEqual(skb.head, other.head);
  const want = bytes.slice(20);
  want[6] = 0x12;
  want[7] = 0x34;
  assert.equal(skb.head.dv.getUint16(skb.data + 26), sum_of(want));
  assert.equal(skb.ip_summed, CHECKSUM_NONE);
  consume_skb(skb);
  consume_skb(other);
});

test("no packet is left", () => {
  assert.equal(k.skb_pool.live_skbs, 0);
  assert.equal(k.skb_pool.live_heads, 0);
  assert.deepEqual(k.bugs, []);
});
