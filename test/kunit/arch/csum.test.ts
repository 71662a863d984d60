// RFC 1071 by both engines: the same for every length, offset and start; the generated module is current.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { CSUM_WASM_MAX, CSUM_WASM_MIN, csum_partial, js_csum_partial } from "../../../src/arch/csum.ts";

/** Word by word, as the RFC says it. */
function plain(u8: Uint8Array, off: number, len: number, sum: number): number {
  let s = sum;
  for (let i = 0; i < len; i += 2) s += (u8[off + i]! << 8) | (i + 1 < len ? u8[off + i + 1]! : 0);
  while (s > 0xffff) s = (s & 0xffff) + Math.floor(s / 0x10000);
  return s;
}

test("JavaScript and WebAssembly sum as RFC 1071 says", () => {
  const buf = new ArrayBuffer(CSUM_WASM_MAX + 4096);
  const u8 = new Uint8Array(buf);
  const dv = new DataView(buf);
  for (let i = 0; i < u8.length; i++) u8[i] = (i * 167 + (i >> 7)) & 255;
  const lengths = [0, 1, 2, 3, 15, 16, 17, 31, 33, 64, 576, 1447, 1460, 1500, 8999, 65535, 131071, CSUM_WASM_MAX];
  for (let d = -3; d <= 33; d++) lengths.push(CSUM_WASM_MIN + d);
  for (const len of lengths) {
    for (const off of [0, 1, 2, 3, 14, 34, 101]) {
      for (const sum of [0, 1, 0xffff, 0x1fffe]) {
        const want = plain(u8, off, len, sum);
        assert.equal(js_csum_partial(dv, off, len, sum), want, `js ${len} ${off}`);
        assert.equal(csum_partial(u8, dv, off, len, sum), want, `wasm ${len} ${off}`);
      }
    }
  }
});

test("all ones, the largest sums; all zeros stay zero", () => {
  const u8 = new Uint8Array(CSUM_WASM_MAX + 4).fill(0xff);
  const dv = new DataView(u8.buffer);
  for (const len of [16, 256, 65536, CSUM_WASM_MAX, CSUM_WASM_MAX + 4]) {
    assert.equal(js_csum_partial(dv, 0, len, 0), 0xffff);
    assert.equal(csum_partial(u8, dv, 0, len, 0), 0xffff);
  }
  u8.fill(0);
  for (const len of [16, 256, 65536]) assert.equal(csum_partial(u8, dv, 0, len, 0), 0);
});

test("src/arch/csum_wasm.ts is what csum.wat makes", () => {
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const r = spawnSync(process.execPath, ["tools/gen-csum-wasm.mjs", "--check"], { cwd: root, encoding: "utf8" });
  assert.equal(r.status, 0, r.stderr);
});
