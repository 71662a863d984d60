// lookup3 (Bob Jenkins): three words against the definition, written out with exact integers; spread of the byte form.

import assert from "node:assert/strict";
import { test } from "node:test";
import { jhash, jhash_1word, jhash_2words, jhash_3words } from "../../../src/lib/jhash.ts";

const M = 0xffffffffn;
const rot = (x: bigint, k: bigint): bigint => ((x << k) | (x >> (32n - k))) & M;

function reference(w: number[], initval: number): number {
  const init = (0xdeadbeefn + 12n + BigInt(initval >>> 0)) & M;
  let [a, b, c] = w.map((v) => (BigInt(v >>> 0) + init) & M) as [bigint, bigint, bigint];
  const mix = (x: bigint, y: bigint, k: bigint): bigint => ((x ^ y) - rot(y, k)) & M;
  c = mix(c, b, 14n);
  a = mix(a, c, 11n);
  b = mix(b, a, 25n);
  c = mix(c, b, 16n);
  a = mix(a, c, 4n);
  b = mix(b, a, 14n);
  c = mix(c, b, 24n);
  return Number(c) | 0;
}

test("jhash_3words is lookup3's final mix; the shorter ones pad with zero", () => {
  let s = 1;
  const next = (): number => (s = (Math.imul(s, 1664525) + 1013904223) | 0);
  for (let i = 0; i < 500; i++) {
    const w = [next(), next(), next()];
    const init = next();
    assert.equal(jhash_3words(w[0]!, w[1]!, w[2]!, init), reference(w, init));
    assert.equal(jhash_2words(w[0]!, w[1]!, init), reference([w[0]!, w[1]!, 0], init));
    assert.equal(jhash_1word(w[0]!, init), reference([w[0]!, 0, 0], init));
  }
});

test("jhash: length, position and every byte count; the result is an int32", () => {
  const seen = new Set<number>();
  for (let len = 0; len < 20; len++) seen.add(jhash(new Uint8Array(len), 0));
  assert.equal(seen.size, 20);
  const base = Uint8Array.from({ length: 13 }, (_, i) => i);
  const h = jhash(base, 7);
  assert.equal(h, h | 0);
  assert.equal(jhash(base.slice(), 7), h);
  for (let i = 0; i < 13; i++) {
    const other = base.slice();
    other[i]! ^= 0x80;
    assert.notEqual(jhash(other, 7), h, `byte ${i}`);
  }
  assert.notEqual(jhash(base, 8), h);
});
