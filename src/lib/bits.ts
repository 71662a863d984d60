// Small integer helpers that Linux has as macros.

/** `a` before `b` in sequence space of 32 bits (RFC 9293 section 3.4). */
export const before = (a: number, b: number): boolean => ((a - b) | 0) < 0;
export const after = (a: number, b: number): boolean => ((b - a) | 0) < 0;
export const ALIGN = (x: number, a: number): number => (x + a - 1) & ~(a - 1);
export const DIV_ROUND_UP = (n: number, d: number): number => Math.floor((n + d - 1) / d);
export const roundup_pow_of_two = (n: number): number => (n <= 1 ? 1 : 2 ** (32 - Math.clz32(n - 1)));
/** Index of the highest set bit plus one; 0 for 0. */
export const fls = (x: number): number => 32 - Math.clz32(x);
export const ilog2 = (x: number): number => 31 - Math.clz32(x);
export const hweight32 = (x: number): number => {
  x = x - ((x >>> 1) & 0x55555555);
  x = (x & 0x33333333) + ((x >>> 2) & 0x33333333);
  return Math.imul((x + (x >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
};
/** Maps a 32-bit hash onto 0 … n-1 without a division (reciprocal_scale). */
export const reciprocal_scale = (val: number, n: number): number => Math.floor(((val >>> 0) * n) / 0x1_0000_0000);
