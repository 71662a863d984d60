// The Internet checksum of long runs: plain JavaScript, and where the engine has it 128 bits at a time in WebAssembly.
// Read first: docs/decisions/003-checksum-wasm.md, RFC 1071. Way in: csum_partial(), behind Slab.csum_partial().

import { csum_wasm } from "./csum_wasm.ts";

interface Exports {
  csum(p: number, n: number): number;
  copy(to: number, from: number, n: number): void;
}
interface Memory {
  buffer: ArrayBuffer;
}
/** Node and browsers have it; declared here because the core is checked without either's types. */
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  Module: { new (bytes: Uint8Array): object };
  Instance: { new (module: object, imports: object): { exports: unknown } };
  Memory: { new (limits: { initial: number; maximum: number }): Memory };
};
const PAGE = 65536;

/** From here on the copy into WebAssembly's memory and the call cost less than they save. */
export const CSUM_WASM_MIN = 512;
/** What the module's memory holds: more than a head has. */
export const CSUM_WASM_MAX = 3 * 65536;

/** The module over a memory of its own. */
export class CsumKernel {
  readonly mem: Uint8Array;
  readonly csum: (p: number, n: number) => number;
  readonly copy: (to: number, from: number, n: number) => void;
  constructor(module: object, pages: number) {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.mem = new Uint8Array(memory.buffer);
    const instance = new WebAssembly.Instance(module, { host: { memory } });
    const e = instance.exports as Exports;
    this.csum = e.csum;
    this.copy = e.copy;
  }
}

/**
 * Of the process, made at first use. The module and its scratch memory keep nothing between calls. V8 reserves 8 GiB of addresses
 * and more for each memory: so only the first slabs of a process are such memories.
 */
const process_wide: { made: boolean; module: object | null; scratch: CsumKernel | null; memories: number } = {
  made: false,
  module: null,
  scratch: null,
  memories: 8,
};

function csum_kernel(): CsumKernel | null {
  const w = process_wide;
  if (w.made) return w.scratch;
  w.made = true;
  try {
    const bytes = Uint8Array.from(csum_wasm);
    if (typeof WebAssembly === "object" && WebAssembly.validate(bytes)) {
      w.module = new WebAssembly.Module(bytes);
      w.scratch = new CsumKernel(w.module, CSUM_WASM_MAX / PAGE);
    }
  } catch {
    // No memory for it, or compiling at run time is forbidden: JavaScript does it.
    w.module = null;
  }
  return w.scratch;
}

/** Memory of `bytes`, a multiple of 64 KiB, that the module can sum where it lies; null when there shall be no more of it. */
export function csum_memory(bytes: number): CsumKernel | null {
  const w = process_wide;
  csum_kernel();
  if (w.module === null || w.memories === 0) return null;
  w.memories--;
  try {
    return new CsumKernel(w.module, bytes / PAGE);
  } catch {
    w.memories = 0;
    return null;
  }
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
  return swapped(k.csum(0, len), sum);
}

/** Summed as little-endian words: the bytes of the sum change places (RFC 1071 section 2, "byte order independence"). */
function swapped(s: number, sum: number): number {
  let total = (((s & 0xff) << 8) | (s >>> 8)) + sum;
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
  return total;
}

/** From here on a call costs less than a loop. */
const CSUM_IN_PLACE_MIN = 128;
/** The sum of a run of the module's own memory. */
export function csum_in_place(k: CsumKernel, dv: DataView, off: number, len: number, sum: number): number {
  if (len < CSUM_IN_PLACE_MIN || len > CSUM_WASM_MAX) return js_csum_partial(dv, off, len, sum);
  return swapped(k.csum(off, len), sum);
}
