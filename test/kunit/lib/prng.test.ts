import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng, prng_below, prng_chance, prng_threshold, prng_u32 } from "../../../src/lib/prng.ts";

const draw = (seed: number, stream: number, n = 8): number[] => {
  const p = new Prng(seed, stream);
  return Array.from({ length: n }, () => prng_u32(p));
};

test("a seed repeats; seeds and streams differ", () => {
  assert.deepEqual(draw(7, 0), draw(7, 0));
  assert.notDeepEqual(draw(7, 0), draw(8, 0));
  assert.notDeepEqual(draw(7, 0), draw(7, 1));
  assert.notDeepEqual(draw(7, 0), draw(7 + 2 ** 32, 0));
  assert.notDeepEqual(draw(0, 0), draw(0, 1));
});
test("chances come out as asked, and the ends are exact", () => {
  const p = new Prng(1);
  let n = 0;
  for (let i = 0; i < 100000; i++) if (prng_chance(p, prng_threshold(0.25))) n++;
  assert.ok(Math.abs(n - 25000) < 700, `${n}`);
  for (let i = 0; i < 1000; i++) {
    assert.equal(prng_chance(p, prng_threshold(0)), false);
    assert.equal(prng_chance(p, prng_threshold(1)), true);
  }
});
test("prng_below covers its range evenly", () => {
  const p = new Prng(3);
  const seen = new Array(10).fill(0);
  for (let i = 0; i < 10000; i++) seen[prng_below(p, 10)]++;
  for (const c of seen) assert.ok(c > 850 && c < 1150, seen.join());
});
