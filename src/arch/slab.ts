// Packet memory for hosts that have no WebAssembly SIMD, and the oracle for those that have: plain JavaScript.
// Way in: js_slab_source() in the hosts of arch/sim and arch/node.

import type { Slab } from "./host.ts";

/** Folds a sum of 16-bit words to 16 bits. */
export function csum_fold16(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}

/** RFC 1071 sum of dv[off, off+len) plus `sum`, folded to 16 bits, not inverted. */
export function js_csum_partial(dv: DataView, off: number, len: number, sum: number): number {
  const end = off + len;
  let hi = 0;
  let lo = sum;
  // 32-bit words summed as two 16-bit halves: no carry is lost below 2^53.
  const end4 = end - 3;
  for (; off < end4; off += 4) {
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

export class JsSlab implements Slab {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  readonly dma: number;

  constructor(bytes: number, dma: number) {
    const buf = new ArrayBuffer(bytes);
    this.u8 = new Uint8Array(buf);
    this.dv = new DataView(buf);
    this.dma = dma;
  }

  csum_partial(off: number, len: number, sum: number): number {
    return js_csum_partial(this.dv, off, len, sum);
  }

  copy(dst: number, src: number, len: number): void {
    this.u8.copyWithin(dst, src, src + len);
  }

  csum_and_copy(dst: number, src: number, len: number, sum: number): number {
    this.u8.copyWithin(dst, src, src + len);
    return js_csum_partial(this.dv, dst, len, sum);
  }
}

export type SlabSource = (bytes: number) => Slab;

/** DMA addresses start above zero, so that a forgotten address is a fault and not somebody's memory. */
const DMA_BASE = 0x1_0000_0000;
/** One large window serves many small slabs: address lookups of devices cache one window. */
const ARENA_BYTES = 4 << 20;

/** A part of an arena as a Slab of its own. */
class SubSlab implements Slab {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  readonly dma: number;
  private readonly arena: Slab;
  private readonly base: number;
  constructor(arena: Slab, base: number, bytes: number) {
    this.arena = arena;
    this.base = base;
    this.dma = arena.dma + base;
    this.u8 = arena.u8.subarray(base, base + bytes);
    this.dv = new DataView(arena.u8.buffer, arena.u8.byteOffset + base, bytes);
  }
  csum_partial(off: number, len: number, sum: number): number {
    return this.arena.csum_partial(this.base + off, len, sum);
  }
  copy(dst: number, src: number, len: number): void {
    this.arena.copy(this.base + dst, this.base + src, len);
  }
  csum_and_copy(dst: number, src: number, len: number, sum: number): number {
    return this.arena.csum_and_copy(this.base + dst, this.base + src, len, sum);
  }
}

/** Hands out slabs cut from arenas of 4 MiB, with addresses unique within the source. */
export function slab_source(
  make: (bytes: number, dma: number) => Slab = (bytes, dma) => new JsSlab(bytes, dma),
): SlabSource {
  let next_dma = DMA_BASE;
  let arena: Slab | null = null;
  let used = 0;
  return (bytes) => {
    const need = (bytes + 127) & ~127;
    if (need > ARENA_BYTES / 2) {
      const big = make(need, next_dma);
      next_dma += need + 4096;
      return big;
    }
    if (arena === null || used + need > ARENA_BYTES) {
      arena = make(ARENA_BYTES, next_dma);
      next_dma += ARENA_BYTES + 4096;
      used = 0;
    }
    const slab = new SubSlab(arena, used, need);
    used += need;
    return slab;
  };
}
