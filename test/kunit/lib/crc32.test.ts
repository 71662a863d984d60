import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32, crc32_update, crc32c } from "../../../src/lib/crc32.ts";

const s = new TextEncoder().encode("123456789");

test("check values of the two polynomials", () => {
  assert.equal(crc32(s, 0, 9) >>> 0, 0xcbf43926);
  assert.equal(crc32c(s, 0, 9) >>> 0, 0xe3069283);
});
test("RFC 3720 appendix B.4: 32 zero bytes under CRC-32C", () => {
  assert.equal(crc32c(new Uint8Array(32), 0, 32) >>> 0, 0x8a9136aa);
});
test("pieces give what the whole gives, at any alignment", () => {
  const b = Uint8Array.from({ length: 101 }, (_, i) => i * 31);
  for (let cut = 0; cut <= 101; cut++)
    assert.equal(~crc32_update(b, cut, 101 - cut, crc32_update(b, 0, cut, -1)), crc32(b, 0, 101));
});
