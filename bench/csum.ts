// The checksum by length: JavaScript, WebAssembly with the copy that it needs, and what Slab.csum_partial() chooses. ns per call.
//   node --import tsx bench/csum.ts        (decision 003 has the figures)
import "../tools/help.mjs";
import { csum_partial, js_csum_partial } from "../src/arch/csum.ts";

const u8 = Uint8Array.from({ length: 1 << 21 }, (_, i) => (i * 31 + (i >> 8)) & 255);
const dv = new DataView(u8.buffer);

/** Word by word in two sums of halves, as it was before. */
function before(off: number, len: number, sum: number): number {
  const end = off + len;
  let hi = 0;
  let lo = sum;
  for (const end4 = end - 3; off < end4; off += 4) {
    const w = dv.getUint32(off);
    hi += w >>> 16;
    lo += w & 0xffff;
  }
  if (end - off >= 2) {
    hi += dv.getUint16(off);
    off += 2;
  }
  if (off < end) hi += dv.getUint8(off) << 8;
  let total = hi + lo;
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
  return total;
}

const ways: Record<string, (off: number, len: number, sum: number) => number> = {
  before,
  JavaScript: (off, len, sum) => js_csum_partial(dv, off, len, sum),
  chosen: (off, len, sum) => csum_partial(u8, dv, off, len, sum),
};

/** Median of seven rounds; a different packet each time, out of 64. */
function measure(fn: (off: number, len: number, sum: number) => number, len: number): number {
  const n = Math.max(1000, Math.round(1e8 / (len + 200)));
  const rounds: number[] = [];
  let x = 0;
  for (let r = 0; r < 9; r++) {
    const t = performance.now();
    for (let i = 0; i < n; i++) x ^= fn(64 + ((i & 63) << 14), len, i & 0xffff);
    if (r > 1) rounds.push(((performance.now() - t) * 1e6) / n);
  }
  if (x === 0x12345) console.log("");
  return rounds.sort((a, b) => a - b)[3]!;
}

console.log(["bytes", ...Object.keys(ways)].join("\t"));
for (const len of [20, 64, 256, 576, 1500, 9000, 65535]) {
  console.log([len, ...Object.values(ways).map((fn) => measure(fn, len).toFixed(0))].join("\t"));
}
