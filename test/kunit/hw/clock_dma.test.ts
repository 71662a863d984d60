// The event order, the memory bus, the frame pool.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  HwEventQueue,
  HwTimer,
  hw_event_arm,
  hw_event_cancel,
  hw_event_next,
  hw_event_pop,
} from "../../../src/hw/clock.ts";
import { DmaSpace, DmaWindow, dma_copy, dma_find } from "../../../src/hw/dma.ts";
import { FRAME_MAX, frame_alloc, frame_fcs_ok, frame_flip_bit, frame_put } from "../../../src/hw/frame.ts";
import { crc32 } from "../../../src/lib/crc32.ts";
import { Prng, prng_below } from "../../../src/lib/prng.ts";
import { test_pool, test_slab } from "./rig.ts";

test("events run by time, equal times by order of arming, through any mix of moves and cancels", () => {
  const q = new HwEventQueue();
  const p = new Prng(1);
  const ts = Array.from({ length: 50 }, () => new HwTimer(() => {}));
  const model = new Map<HwTimer, [number, number]>();
  let seq = 0;
  for (let i = 0; i < 5000; i++) {
    const t = ts[prng_below(p, 50)];
    const op = prng_below(p, 4);
    if (op < 2) {
      const at = prng_below(p, 20);
      t.when = at;
      hw_event_arm(q, t);
      model.set(t, [at, seq++]);
    } else if (op === 2) {
      hw_event_cancel(q, t);
      model.delete(t);
    } else {
      const first = [...model].sort((a, b) => a[1][0] - b[1][0] || a[1][1] - b[1][1])[0];
      assert.equal(hw_event_next(q), first ? first[1][0] : Infinity);
      const got = hw_event_pop(q);
      assert.equal(got, first ? first[0] : null);
      if (got) {
        assert.equal(got.index, -1);
        model.delete(got);
      }
    }
  }
});

test("addresses resolve within one window only; the rest is a fault", () => {
  const d = new DmaSpace();
  const a = test_slab(4096);
  const b = test_slab(8192);
  d.add_slab(b);
  d.add_slab(a);
  d.add_slab(a);
  assert.equal(d.windows.length, 2);
  assert.equal(dma_find(d, a.dma, 4096)!.slab, a);
  assert.equal(dma_find(d, b.dma + 8191, 1)!.slab, b);
  assert.equal(dma_find(d, a.dma + 10, 20)!.slab, a);
  for (const [addr, len] of [
    [a.dma + 4095, 2],
    [a.dma - 1, 1],
    [b.dma + 8192, 1],
    [0, 1],
    [2 ** 63, 16],
    [Number.NaN, 1],
  ])
    assert.equal(dma_find(d, addr, len), null);
  assert.equal(d.faults, 6);
});

test("copies of every alignment and length touch exactly their bytes", () => {
  const src = new DmaWindow(test_slab(2048));
  const dst = new DmaWindow(test_slab(2048));
  for (let i = 0; i < 2048; i++) src.u8[i] = i * 7 + 1;
  for (const so of [0, 1, 2, 3, 4])
    for (const d of [64, 65, 66, 67])
      for (const n of [0, 1, 3, 4, 5, 60, 63, 255, 256, 257, 1514]) {
        dst.u8.fill(0xee);
        dma_copy(dst, d, src, so, n);
        assert.deepEqual(dst.u8.subarray(d, d + n), src.u8.subarray(so, so + n));
        assert.ok(dst.u8[d - 1] === 0xee && dst.u8[d + n] === 0xee);
      }
});

test("frames come back to their pool; a limit makes alloc fail, not throw", () => {
  const pool = test_pool(300);
  const fs = Array.from({ length: 301 }, () => frame_alloc(pool, 100));
  assert.equal(fs.filter((f) => f === null).length, 1);
  assert.equal(pool.live, 300);
  for (const f of fs) if (f) frame_put(f);
  assert.equal(pool.live, 0);
  assert.equal(frame_alloc(pool, FRAME_MAX + 1), null);
  const big = test_pool();
  const f = frame_alloc(big, 9000)!;
  assert.ok(f.cap >= 9000);
  frame_put(f);
  assert.equal(frame_alloc(big, 60)!.cap, 2048);
});

test("any single flipped bit is caught by the FCS", () => {
  const pool = test_pool();
  for (let bit = 0; bit < 64 * 8; bit++) {
    const f = frame_alloc(pool, 60)!;
    f.u8.fill(bit, f.off, f.off + 60);
    assert.ok(frame_fcs_ok(f));
    frame_flip_bit(f, bit);
    assert.ok(!frame_fcs_ok(f));
    frame_flip_bit(f, bit);
    assert.ok(frame_fcs_ok(f) && f.fcs === crc32(f.u8, f.off, 60));
    frame_put(f);
  }
});
