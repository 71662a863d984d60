// SipHash-2-4 against the vectors of its authors: key 00 01 … 0f, message 00 01 02 …
import assert from "node:assert/strict";
import { test } from "node:test";
import { SiphashKey, siphash_1u32, siphash_2u32, siphash_3u32, siphash_4u32 } from "../../../src/lib/siphash.ts";

const key = new SiphashKey(Uint8Array.from({ length: 16 }, (_, i) => i));
/** 64 bits as the reference prints them: bytes from the lowest. */
const bytes = (lo: number): string => {
  const dv = new DataView(new ArrayBuffer(8));
  dv.setInt32(0, lo, true);
  dv.setInt32(4, key.hi, true);
  return Buffer.from(dv.buffer).toString("hex");
};
const W = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c] as const;

test("one to four words give the reference vectors of 4, 8, 12 and 16 bytes", () => {
  assert.equal(bytes(siphash_1u32(W[0], key)), "b7877127e09427cf");
  assert.equal(bytes(siphash_2u32(W[0], W[1], key)), "6224939a79f5f593");
  assert.equal(bytes(siphash_3u32(W[0], W[1], W[2], key)), "fbe50e86bc8f1e75");
  assert.equal(bytes(siphash_4u32(W[0], W[1], W[2], W[3], key)), "db9bc2577fcc2a3f");
});
