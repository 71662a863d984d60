// The memory bus: which slab a DMA address lies in. A device sees no memory but the slabs added here.
// Read first: arch/host.ts (Slab). Way in: dma_find, dma_copy.
import type { Slab } from "../arch/host.ts";

/** One slab as a device addresses it. The byte offset of a DMA address is `addr - base`. */
export class DmaWindow {
  readonly slab: Slab;
  readonly memory: Slab;
  readonly at: number;
  readonly u8: Uint8Array;
  readonly dv: DataView;
  /** The same bytes as words, for copies; null where the slab starts off a word boundary. */
  readonly i32: Int32Array | null;
  readonly base: number;
  readonly size: number;

  constructor(slab: Slab) {
    this.slab = slab;
    this.memory = slab.memory;
    this.at = slab.at;
    this.u8 = slab.u8;
    this.dv = slab.dv;
    this.i32 =
      (slab.u8.byteOffset & 3) === 0
        ? new Int32Array(slab.u8.buffer, slab.u8.byteOffset, slab.u8.byteLength >> 2)
        : null;
    this.base = slab.dma;
    this.size = slab.u8.byteLength;
  }
}

export class DmaSpace {
  /** Ascending by base. */
  readonly windows: DmaWindow[] = [];
  /** The window of the last hit: rings and buffers of a device mostly share one slab. */
  last: DmaWindow | null = null;
  faults = 0;

  add_slab(slab: Slab): void {
    if (this.windows.some((w) => w.slab === slab)) return;
    this.windows.push(new DmaWindow(slab));
    this.windows.sort((a, b) => a.base - b.base);
  }
}

/** The window that holds all of [addr, addr + len); null (and a fault counted) when there is none. */
export function dma_find(space: DmaSpace, addr: number, len: number): DmaWindow | null {
  const c = space.last;
  if (c !== null && addr >= c.base && addr + len <= c.base + c.size) return c;
  return dma_find_slow(space, addr, len);
}

function dma_find_slow(space: DmaSpace, addr: number, len: number): DmaWindow | null {
  const ws = space.windows;
  let lo = 0;
  let hi = ws.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (ws[mid].base <= addr) lo = mid + 1;
    else hi = mid;
  }
  if (lo > 0) {
    const w = ws[lo - 1];
    if (addr >= w.base && addr + len <= w.base + w.size) return (space.last = w);
  }
  space.faults++;
  return null;
}

/** Copies between windows (or inside one, where the ranges must not overlap). */
export function dma_copy(dst: DmaWindow, d: number, src: DmaWindow, s: number, len: number): void {
  // In one memory it needs neither a view nor a loop.
  if (len >= 32 && dst.memory === src.memory) {
    dst.memory.copy(dst.at + d, src.at + s, len);
    return;
  }
  const d32 = dst.i32;
  const s32 = src.i32;
  // Measured on V8: below about 256 bytes a loop over words beats the fixed price of a view and a call.
  if (len <= 256 && ((d | s) & 3) === 0 && d32 !== null && s32 !== null) {
    let di = d >> 2;
    let si = s >> 2;
    for (const end = si + (len >> 2); si < end; ) d32[di++] = s32[si++];
    const u = dst.u8;
    const v = src.u8;
    for (let i = len & ~3; i < len; i++) u[d + i] = v[s + i];
    return;
  }
  dst.u8.set(src.u8.subarray(s, s + len), d);
}
