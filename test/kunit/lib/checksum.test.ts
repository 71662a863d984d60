// lib/checksum.ts against the definition of RFC 1071, and the incremental forms against a full sum.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  csum_add,
  csum_block_add,
  csum_block_sub,
  csum_fold,
  csum_partial_dv,
  csum_replace_by_diff,
  csum_replace2,
  csum_replace4,
  csum_sub,
  csum_tcpudp_magic,
  ip_fast_csum,
} from "../../../src/lib/checksum.ts";

/** RFC 1071 section 1, step by step. */
function naive(bytes: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return ~sum & 0xffff;
}
const dv_of = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);
const bytes = (max: number) => fc.uint8Array({ minLength: 0, maxLength: max });

test("RFC 1071 section 3: the numerical example", () => {
  const b = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
  assert.equal(csum_partial_dv(dv_of(b), 0, 8, 0), 0xddf2);
  assert.equal(csum_fold(csum_partial_dv(dv_of(b), 0, 8, 0)), ~0xddf2 & 0xffff);
});

test("csum_partial_dv equals the definition at every length and offset", () => {
  fc.assert(
    fc.property(bytes(200), fc.nat(7), (b, skip) => {
      const off = Math.min(skip, b.length);
      const sum = csum_partial_dv(dv_of(b), off, b.length - off, 0);
      assert.ok(sum >= 0 && sum <= 0xffff);
      assert.equal(csum_fold(sum), naive(b.subarray(off)));
    }),
  );
});

test("64 KiB and more of ones does not lose a carry", () => {
  for (const n of [32767, 32768, 65535, 131073]) {
    const b = new Uint8Array(n).fill(0xff);
    assert.equal(csum_fold(csum_partial_dv(dv_of(b), 0, n, 0xffff)), naive(b));
  }
});

test("blocks add up wherever they are cut, and come off again", () => {
  fc.assert(
    fc.property(bytes(64), bytes(64), (a, b) => {
      const whole = new Uint8Array([...a, ...b]);
      const sa = csum_partial_dv(dv_of(a), 0, a.length, 0);
      const sb = csum_partial_dv(dv_of(b), 0, b.length, 0);
      const all = csum_block_add(sa, sb, a.length);
      assert.equal(csum_fold(all), naive(whole));
      // 0 and 0xffff both stand for zero: compare modulo 0xffff.
      assert.equal(csum_fold(csum_block_sub(all, sb, a.length)) % 0xffff, naive(a) % 0xffff);
      assert.equal(csum_fold(csum_sub(csum_add(sa, sb), sb)) % 0xffff, csum_fold(sa) % 0xffff);
    }),
  );
});

test("ip_fast_csum: 5 to 15 words; 0 over a header that carries its own check", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 62, maxLength: 62 }), fc.integer({ min: 5, max: 15 }), (b, ihl) => {
      const dv = dv_of(b);
      dv.setUint16(2 + 10, 0);
      const check = ip_fast_csum(dv, 2, ihl);
      assert.equal(check, naive(b.subarray(2, 2 + ihl * 4)));
      dv.setUint16(2 + 10, check);
      assert.equal(ip_fast_csum(dv, 2, ihl), 0);
    }),
  );
});

test("RFC 1624: incremental update equals a new sum, also at the corner where RFC 1141 is wrong", () => {
  // RFC 1624 section 4: HC = 0xdd2f, m = 0x5555, m' = 0x3285 → 0x0000.
  assert.equal(csum_replace2(0xdd2f, 0x5555, 0x3285), 0x0000);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), fc.nat(0xffff), fc.integer(), (b, v16, v32) => {
      const dv = dv_of(b);
      b[0] |= 1;
      const check = naive(b);
      const old16 = dv.getUint16(6);
      dv.setUint16(6, v16);
      const c2 = csum_replace2(check, old16, v16);
      assert.equal(c2, naive(b));
      const old32 = dv.getInt32(12);
      dv.setInt32(12, v32);
      const c4 = csum_replace4(c2, old32, v32);
      assert.equal(c4, naive(b));
      assert.equal(csum_replace_by_diff(c2, csum_sub(csum_from(v32), csum_from(old32))), naive(b));
    }),
  );
});
const csum_from = (w: number): number => (w >>> 16) + (w & 0xffff);

test("csum_tcpudp_magic: a UDP datagram with its pseudo header sums to zero (RFC 768)", () => {
  fc.assert(
    fc.property(fc.integer(), fc.integer(), bytes(99), (saddr, daddr, payload) => {
      const b = new Uint8Array(12 + 8 + payload.length);
      const dv = dv_of(b);
      dv.setInt32(0, saddr);
      dv.setInt32(4, daddr);
      b[9] = 17;
      dv.setUint16(10, 8 + payload.length);
      dv.setUint16(12, 1234);
      dv.setUint16(14, 53);
      dv.setUint16(16, 8 + payload.length);
      b.set(payload, 20);
      const len = 8 + payload.length;
      const check = csum_tcpudp_magic(saddr, daddr, len, 17, csum_partial_dv(dv, 12, len, 0));
      assert.equal(check, naive(b));
    }),
  );
});
