// The Internet checksum of long runs: plain JavaScript, and where the engine has it 128 bits at a time in WebAssembly.
// Read first: docs/decisions/003-checksum-wasm.md, RFC 1071. Way in: csum_partial(), behind Slab.csum_partial().

import { csum_wasm } from "./csum_wasm.ts";

interface Exports {
  csum(p: number, n: number): number;
  memory: { buffer: ArrayBuffer };
}
/** Node and browsers have it; declared here because the core is checked without either's types. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  Module: { new (bytes: Uint8Array): object };
  Instance: { new (module: object): { exports: unknown } };
};

/** From here on the copy into WebAssembly's memory and the call cost less than they save. */
export const CSUM_WASM_MIN = 512;
/** What the module's memory holds: more than a head has. */
export const CSUM_WASM_MAX = 3 * 65536;

class CsumKernel {
  readonly mem: Uint8Array;
  readonly csum: (p: number, n: number) => number;
  constructor(e: Exports) {
    this.mem = new Uint8Array(e.memory.buffer);
    this.csum = e.csum;
  }
}

/** One for the process, made at first use: it is a function with scratch memory, and keeps nothing between calls. */
const kernel: { made: boolean; k: CsumKernel | null } = { made: false, k: null };

function csum_kernel(): CsumKernel | null {
  if (kernel.made) return kernel.k;
  kernel.made = true;
  try {
    const bytes = Uint8Array.from(csum_wasm);
    if (typeof WebAssembly === "object" && WebAssembly.validate(bytes)) {
      kernel.k = new CsumKernel(new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports as Exports);
    }
  } catch {
    // No memory for it, or compiling at run time is forbidden: JavaScript does it.
  }
  return kernel.k;
}

/** RFC 1071 sum of dv[off, off+len) plus `sum`, folded to 16 bits, not inverted. */
export function js_csum_partial(dv: DataView, off: number, len: number, sum: number): number {
  const end = off + len;
  let total = sum;
  while (off < end - 15) {
    // Sums of 16-bit halves stay below 2^32 for 256 KiB.
    const run = Math.min(end, off + 0x40000) - 15;
    let a = 0;
    let b = 0;
    for (; off < run; off += 16) {
      const w = dv.getInt32(off);
      const x = dv.getInt32(off + 4);
      const y = dv.getInt32(off + 8);
      const z = dv.getInt32(off + 12);
      a = (a + (w >>> 16) + (x >>> 16) + (y >>> 16) + (z >>> 16)) | 0;
      b = (b + (w & 0xffff) + (x & 0xffff) + (y & 0xffff) + (z & 0xffff)) | 0;
    }
    total += (a >>> 0) + (b >>> 0);
  }
  for (; off < end - 1; off += 2) total += dv.getUint16(off);
  if (off < end) total += dv.getUint8(off) << 8;
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
  return total;
}

/** The same by whatever is fastest for this length. `u8` and `dv` look at the same bytes. */
export function csum_partial(u8: Uint8Array, dv: DataView, off: number, len: number, sum: number): number {
  if (len < CSUM_WASM_MIN || len > CSUM_WASM_MAX) return js_csum_partial(dv, off, len, sum);
  const k = csum_kernel();
  if (k === null) return js_csum_partial(dv, off, len, sum);
  k.mem.set(u8.subarray(off, off + len));
  const s = k.csum(0, len);
  // Summed as little-endian words: the bytes of the sum change places (RFC 1071 section 2, "byte order independence").
  let total = (((s & 0xff) << 8) | (s >>> 8)) + sum;
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
  return total;
}
