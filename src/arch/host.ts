// The outside as the core sees it: time, one clock event, randomness and packet memory. Nothing else crosses.
// Read first: docs/architecture.md. Way in: start_kernel(host, config) in init/main.ts.

/**
 * Packet memory of fixed size. The views never detach. Heads and descriptor rings are carved from it, so a DMA address
 * is a number: `dma` + byte offset.
 */
export interface Slab {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  /** DMA address of byte 0. Unique per slab within a process; the sum of address and length stays below 2^53. */
  readonly dma: number;
  /** The piece of memory that this slab is a part of (itself, where it is all of it), and where in it byte 0 lies. */
  readonly memory: Slab;
  readonly at: number;
  /** Ones' complement sum of `len` bytes at byte offset `off`, folded to 16 bits and not inverted (RFC 1071). */
  csum_partial(off: number, len: number, sum: number): number;
  /** Copies inside this slab. */
  copy(dst: number, src: number, len: number): void;
  /** Copies inside this slab and returns the folded, uninverted sum of the bytes copied, plus `sum`. */
  csum_and_copy(dst: number, src: number, len: number, sum: number): number;
}

export interface Host {
  /** Integer nanoseconds since an arbitrary start; never goes back; exact in a double for 104 days. */
  monotonic_ns(): number;
  /** Wall clock, milliseconds since 1970-01-01 UTC; may have a fraction. */
  realtime_ms(): number;
  /** The one clock-event device: `fire` runs once at or after `abs_ns`. Arming again replaces; Infinity disarms. */
  set_next_event(abs_ns: number, fire: () => void): void;
  /** Runs `fn` as the next macrotask (next event at the same instant under virtual time). */
  post(fn: () => void): void;
  random_bytes(into: Uint8Array): void;
  alloc_slab(bytes: number): Slab;
  /** True where the clock only moves between events: work may then cost time (kernel/cost.ts). */
  readonly virtual_time: boolean;
}
