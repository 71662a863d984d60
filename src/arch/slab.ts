// Packet memory in ArrayBuffers, handed out in pieces of a few large ones; long checksums by arch/csum.ts.
// Way in: slab_source() in the hosts of arch/sim and arch/node.

import { csum_partial } from "./csum.ts";
import type { Slab } from "./host.ts";

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
    return csum_partial(this.u8, this.dv, off, len, sum);
  }

  copy(dst: number, src: number, len: number): void {
    this.u8.copyWithin(dst, src, src + len);
  }

  csum_and_copy(dst: number, src: number, len: number, sum: number): number {
    this.u8.copyWithin(dst, src, src + len);
    return csum_partial(this.u8, this.dv, dst, len, sum);
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
