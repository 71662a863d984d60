// An Ethernet frame on its way outside of any machine: in a NIC's FIFO or on a cable. Pooled, counted, never copied per hop.
// Read first: IEEE 802.3 section 3. Way in: frame_alloc, frame_put.
import type { Slab } from "../arch/host.ts";
import { crc32 } from "../lib/crc32.ts";
import { DmaWindow } from "./dma.ts";

/** Destination, source, type; without FCS. */
export const ETH_HLEN = 14;
/** The shortest frame without FCS; a transmitter pads up to it. */
export const ETH_ZLEN = 60;
export const ETH_FCS_LEN = 4;
/** Preamble with start delimiter (8) and the gap after a frame (12): bytes of time that carry nothing. */
export const ETH_OVERHEAD = 20;

const SMALL_SLOT = 2048;
const LARGE_SLOT = 16384;
const SMALL_PER_CHUNK = 256;
const LARGE_PER_CHUNK = 16;
/** The longest frame a pool can hold, FCS excluded. */
export const FRAME_MAX = LARGE_SLOT;

export class Frame {
  readonly pool: FramePool;
  readonly win: DmaWindow;
  readonly u8: Uint8Array;
  readonly dv: DataView;
  /** Byte 0 of the frame is u8[off]. */
  readonly off: number;
  readonly cap: number;
  /** Length without FCS. */
  len = 0;
  /** Who shares it (hub, duplication, tap). With more than one, nobody writes. */
  refs = 0;
  /**
   * The FCS field, once somebody had a reason to write it. Until then the FCS is right by construction, and computing it
   * would only confirm that; corruption on the wire materialises it first (frame_flip_bit).
   */
  fcs = 0;
  fcs_set = false;
  /** A walk's name for it and its copies; 0: none. */
  tag = 0;

  constructor(pool: FramePool, win: DmaWindow, off: number, cap: number) {
    this.pool = pool;
    this.win = win;
    this.u8 = win.u8;
    this.dv = win.dv;
    this.off = off;
    this.cap = cap;
  }
}

/** Where frames live. All cables and NICs that can reach each other share one. */
export class FramePool {
  readonly alloc_slab: (bytes: number) => Slab;
  readonly limit: number;
  readonly small: Frame[] = [];
  readonly large: Frame[] = [];
  /** Slots made so far, and slots in use: a test that ends with a live frame has a leak. */
  slots = 0;
  live = 0;
  failed = 0;

  /** `limit` bounds the number of slots ever made. */
  constructor(alloc_slab: (bytes: number) => Slab, limit = 1 << 20) {
    this.alloc_slab = alloc_slab;
    this.limit = limit;
  }
}

function frame_pool_grow(pool: FramePool, list: Frame[], slot: number, count: number): void {
  count = Math.min(count, pool.limit - pool.slots);
  if (count <= 0) return;
  const win = new DmaWindow(pool.alloc_slab(slot * count));
  // Last slot first, so that they are handed out in ascending order.
  for (let i = count - 1; i >= 0; i--) list.push(new Frame(pool, win, i * slot, slot));
  pool.slots += count;
}

/** A frame of `len` bytes with undefined content and one reference; null when the pool is exhausted or `len` too long. */
export function frame_alloc(pool: FramePool, len: number): Frame | null {
  const small = len <= SMALL_SLOT;
  const list = small ? pool.small : pool.large;
  if (list.length === 0 && len <= LARGE_SLOT)
    frame_pool_grow(pool, list, small ? SMALL_SLOT : LARGE_SLOT, small ? SMALL_PER_CHUNK : LARGE_PER_CHUNK);
  if (list.length === 0 || len > LARGE_SLOT) {
    pool.failed++;
    return null;
  }
  const f = list.pop()!;
  f.len = len;
  f.refs = 1;
  f.fcs_set = false;
  f.tag = 0;
  pool.live++;
  return f;
}

export function frame_get(f: Frame): Frame {
  f.refs++;
  return f;
}

export function frame_put(f: Frame): void {
  if (--f.refs !== 0) return;
  const pool = f.pool;
  pool.live--;
  if (f.cap === SMALL_SLOT) pool.small.push(f);
  else pool.large.push(f);
}

/** A frame with a copy of these bytes; null as frame_alloc. For the edges (TAP, pcap, tests), not for the NIC. */
export function frame_from_bytes(pool: FramePool, bytes: Uint8Array): Frame | null {
  const f = frame_alloc(pool, bytes.length);
  if (f !== null) f.u8.set(bytes, f.off);
  return f;
}

/** A private copy; null when the pool is exhausted. */
export function frame_copy(f: Frame): Frame | null {
  const c = frame_alloc(f.pool, f.len);
  if (c === null) return null;
  c.u8.set(f.u8.subarray(f.off, f.off + f.len), c.off);
  c.fcs = f.fcs;
  c.fcs_set = f.fcs_set;
  c.tag = f.tag;
  return c;
}

/** Zero bytes up to the shortest legal frame. The caller must be the only holder. */
export function frame_pad(f: Frame): void {
  if (f.len >= ETH_ZLEN) return;
  f.u8.fill(0, f.off + f.len, f.off + ETH_ZLEN);
  f.len = ETH_ZLEN;
}

/** The four bytes behind the frame, as a little-endian word. */
export const frame_fcs = (f: Frame): number => (f.fcs_set ? f.fcs : crc32(f.u8, f.off, f.len));

export const frame_fcs_ok = (f: Frame): boolean => !f.fcs_set || f.fcs === crc32(f.u8, f.off, f.len);

/** Damages one bit, counted from the first bit of the frame to the last of its FCS. The caller must be the only holder. */
export function frame_flip_bit(f: Frame, bit: number): void {
  if (!f.fcs_set) {
    f.fcs = crc32(f.u8, f.off, f.len);
    f.fcs_set = true;
  }
  const byte = bit >>> 3;
  if (byte < f.len) f.u8[f.off + byte] ^= 1 << (bit & 7);
  else f.fcs ^= 1 << (bit - f.len * 8);
}

/** Bytes of wire time: padded frame, FCS, preamble, gap. */
export const frame_wire_bytes = (f: Frame): number => Math.max(f.len, ETH_ZLEN) + ETH_FCS_LEN + ETH_OVERHEAD;
