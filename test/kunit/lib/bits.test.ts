// Small arithmetic of the kernel: sequence comparison across the wrap, alignment, logarithms, scaling.

import assert from "node:assert/strict";
import { test } from "node:test";
import * as B from "../../../src/lib/bits.ts";

test("before and after compare modulo 2^32", () => {
  assert.deepEqual([B.before(1, 2), B.before(2, 1), B.before(5, 5)], [true, false, false]);
  assert.deepEqual([B.before(-1, 0), B.after(0, -1), B.before(0x7fffffff, -0x80000000)], [true, true, true]);
  assert.equal(B.after(0, 0x7fffffff), false);
});

test("powers and logarithms", () => {
  assert.deepEqual([0, 1, 2, 3, 4, 5, 1000].map(B.roundup_pow_of_two), [1, 1, 2, 4, 4, 8, 1024]);
  assert.deepEqual([0, 1, 2, 3, 0x80000000, -1].map(B.fls), [0, 1, 2, 2, 32, 32]);
  assert.deepEqual([1, 2, 3, 1024].map(B.ilog2), [0, 1, 1, 10]);
  assert.deepEqual([0, 1, 0xff, -1, 0x80000001].map(B.hweight32), [0, 1, 8, 32, 2]);
  assert.deepEqual([B.ALIGN(0, 8), B.ALIGN(1, 8), B.ALIGN(8, 8), B.ALIGN(9, 4)], [0, 8, 8, 12]);
  assert.deepEqual([B.DIV_ROUND_UP(0, 5), B.DIV_ROUND_UP(1, 5), B.DIV_ROUND_UP(10, 5)], [0, 1, 2]);
});

test("reciprocal_scale: within 0 … n-1, in order, evenly, for negative int32 too", () => {
  assert.deepEqual([B.reciprocal_scale(0, 7), B.reciprocal_scale(-1, 7), B.reciprocal_scale(-1, 1)], [0, 6, 0]);
  const count = [0, 0, 0, 0, 0];
  for (let i = 0; i < 5000; i++) count[B.reciprocal_scale(Math.imul(i, 0x9e3779b1), 5)]!++;
  for (const c of count) assert.ok(Math.abs(c - 1000) < 20, String(count));
});
