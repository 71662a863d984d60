// Packet memory, handed out in pieces of a few large ones: WebAssembly memories while there are some, then ArrayBuffers; long
// checksums by arch/csum.ts.
// Way in: slab_source() in the hosts of arch/sim and arch/node.

import { type CsumKernel, csum_in_place, csum_memory, csum_partial } from "./csum.ts";
import type { Slab } from "./host.ts";

export class JsSlab implements Slab {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  readonly dma: number;
  readonly at: number = 0;
  get memory(): Slab {
    return this;
  }

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

/** Packet memory that WebAssembly sums where it lies. */
class WasmSlab implements Slab {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  readonly dma: number;
  readonly at: number = 0;
  get memory(): Slab {
    return this;
  }
  private readonly kernel: CsumKernel;

  constructor(kernel: CsumKernel, dma: number) {
    this.kernel = kernel;
    this.u8 = kernel.mem;
    this.dv = new DataView(kernel.mem.buffer);
    this.dma = dma;
  }
  csum_partial(off: number, len: number, sum: number): number {
    return csum_in_place(this.kernel, this.dv, off, len, sum);
  }
  copy(dst: number, src: number, len: number): void {
    this.kernel.copy(dst, src, len);
  }
  csum_and_copy(dst: number, src: number, len: number, sum: number): number {
    this.kernel.copy(dst, src, len);
    return this.csum_partial(dst, len, sum);
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
  readonly memory: Slab;
  readonly at: number;
  constructor(memory: Slab, at: number, bytes: number) {
    this.memory = memory;
    this.at = at;
    this.dma = memory.dma + at;
    this.u8 = memory.u8.subarray(at, at + bytes);
    this.dv = new DataView(memory.u8.buffer, memory.u8.byteOffset + at, bytes);
  }
  csum_partial(off: number, len: number, sum: number): number {
    return this.memory.csum_partial(this.at + off, len, sum);
  }
  copy(dst: number, src: number, len: number): void {
    this.memory.copy(this.at + dst, this.at + src, len);
  }
  csum_and_copy(dst: number, src: number, len: number, sum: number): number {
    return this.memory.csum_and_copy(this.at + dst, this.at + src, len, sum);
  }
}

/** Hands out slabs cut from arenas of 4 MiB, with addresses unique within the source. `added` hears of each new piece of memory. */
export function slab_source(added: (memory: Slab) => void = () => {}): SlabSource {
  let next_dma = DMA_BASE;
  let arena: Slab | null = null;
  let used = 0;
  return (bytes) => {
    const need = (bytes + 127) & ~127;
    if (need > ARENA_BYTES / 2) {
      const big = new JsSlab(need, next_dma);
      added(big);
      next_dma += need + 4096;
      return big;
    }
    if (arena === null || used + need > ARENA_BYTES) {
      const wasm = csum_memory(ARENA_BYTES);
      arena = wasm !== null ? new WasmSlab(wasm, next_dma) : new JsSlab(ARENA_BYTES, next_dma);
      added(arena);
      next_dma += ARENA_BYTES + 4096;
      used = 0;
    }
    const slab = new SubSlab(arena, used, need);
    used += need;
    return slab;
  };
}
