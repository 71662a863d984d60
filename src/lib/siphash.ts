// SipHash-2-4, the keyed hash behind initial sequence numbers, SYN cookies, ports and Fast Open cookies. Mirrors lib/siphash.c.
// Read first: Aumasson and Bernstein, "SipHash: a fast short-input PRF". 64-bit words are pairs of int32; a message is a row
// of little-endian 32-bit words. Way in: siphash_2u32() … siphash_4u32(): the low half returned, the high half in key.hi.

export class SiphashKey {
  readonly k0l: number;
  readonly k0h: number;
  readonly k1l: number;
  readonly k1h: number;
  /** High 32 bits (int32) of the last result. */
  hi = 0;

  /** 16 bytes. */
  constructor(key: Uint8Array) {
    const dv = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.k0l = dv.getInt32(0, true);
    this.k0h = dv.getInt32(4, true);
    this.k1l = dv.getInt32(8, true);
    this.k1h = dv.getInt32(12, true);
  }
}

/** Over n (at most 4) words; what is behind the n-th is ignored. Nothing is allocated: the state lives in locals. */
function siphash_words(key: SiphashKey, n: number, w0: number, w1: number, w2: number, w3: number): number {
  let v0l = key.k0l ^ 0x70736575;
  let v0h = key.k0h ^ 0x736f6d65;
  let v1l = key.k1l ^ 0x6e646f6d;
  let v1h = key.k1h ^ 0x646f7261;
  let v2l = key.k0l ^ 0x6e657261;
  let v2h = key.k0h ^ 0x6c796765;
  let v3l = key.k1l ^ 0x79746573;
  let v3h = key.k1h ^ 0x74656462;
  // Full blocks, the block with the length on top, and four rounds to finish.
  const full = n >> 1;
  for (let block = 0; block <= full + 1; block++) {
    let ml = 0;
    let mh = 0;
    if (block < full) {
      ml = block === 0 ? w0 : w2;
      mh = block === 0 ? w1 : w3;
    } else if (block === full) {
      ml = (n & 1) === 0 ? 0 : full === 0 ? w0 : w2;
      mh = (n << 2) << 24;
    } else v2l ^= 0xff;
    v3l ^= ml;
    v3h ^= mh;
    for (let round = block > full ? 4 : 2; round > 0; round--) {
      // v0 += v1, v1 <<<= 13, v1 ^= v0, v0 <<<= 32
      let lo = (v0l >>> 0) + (v1l >>> 0);
      let hi = (v0h + v1h + (lo > 0xffffffff ? 1 : 0)) | 0;
      lo |= 0;
      let t = (v1l << 13) | (v1h >>> 19);
      v1h = ((v1h << 13) | (v1l >>> 19)) ^ hi;
      v1l = t ^ lo;
      v0l = hi;
      v0h = lo;
      // v2 += v3, v3 <<<= 16, v3 ^= v2
      lo = (v2l >>> 0) + (v3l >>> 0);
      v2h = (v2h + v3h + (lo > 0xffffffff ? 1 : 0)) | 0;
      v2l = lo | 0;
      t = (v3l << 16) | (v3h >>> 16);
      v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h;
      v3l = t ^ v2l;
      // v0 += v3, v3 <<<= 21, v3 ^= v0
      lo = (v0l >>> 0) + (v3l >>> 0);
      v0h = (v0h + v3h + (lo > 0xffffffff ? 1 : 0)) | 0;
      v0l = lo | 0;
      t = (v3l << 21) | (v3h >>> 11);
      v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h;
      v3l = t ^ v0l;
      // v2 += v1, v1 <<<= 17, v1 ^= v2, v2 <<<= 32
      lo = (v2l >>> 0) + (v1l >>> 0);
      hi = (v2h + v1h + (lo > 0xffffffff ? 1 : 0)) | 0;
      lo |= 0;
      t = (v1l << 17) | (v1h >>> 15);
      v1h = ((v1h << 17) | (v1l >>> 15)) ^ hi;
      v1l = t ^ lo;
      v2l = hi;
      v2h = lo;
    }
    v0l ^= ml;
    v0h ^= mh;
  }
  key.hi = v0h ^ v1h ^ v2h ^ v3h;
  return v0l ^ v1l ^ v2l ^ v3l;
}

export const siphash_1u32 = (a: number, key: SiphashKey): number => siphash_words(key, 1, a, 0, 0, 0);
export const siphash_2u32 = (a: number, b: number, key: SiphashKey): number => siphash_words(key, 2, a, b, 0, 0);
export const siphash_3u32 = (a: number, b: number, c: number, key: SiphashKey): number =>
  siphash_words(key, 3, a, b, c, 0);
export const siphash_4u32 = (a: number, b: number, c: number, d: number, key: SiphashKey): number =>
  siphash_words(key, 4, a, b, c, d);
