// Bob Jenkins' lookup3 hash (public domain algorithm), over 32-bit words; results are int32.

const JHASH_INITVAL = 0xdeadbeef | 0;

const rol = (x: number, n: number): number => (x << n) | (x >>> (32 - n));

export function jhash_3words(a: number, b: number, c: number, initval: number): number {
  const init = (JHASH_INITVAL + (3 << 2) + initval) | 0;
  a = (a + init) | 0;
  b = (b + init) | 0;
  c = (c + init) | 0;
  c = ((c ^ b) - rol(b, 14)) | 0;
  a = ((a ^ c) - rol(c, 11)) | 0;
  b = ((b ^ a) - rol(a, 25)) | 0;
  c = ((c ^ b) - rol(b, 16)) | 0;
  a = ((a ^ c) - rol(c, 4)) | 0;
  b = ((b ^ a) - rol(a, 14)) | 0;
  return ((c ^ b) - rol(b, 24)) | 0;
}

export const jhash_2words = (a: number, b: number, initval: number): number => jhash_3words(a, b, 0, initval);
export const jhash_1word = (a: number, initval: number): number => jhash_3words(a, 0, 0, initval);

/** Over bytes, little-endian words as on x86. */
export function jhash(key: Uint8Array, initval: number): number {
  let h = (JHASH_INITVAL + key.length + initval) | 0;
  for (let i = 0; i < key.length; i += 4) {
    let w = 0;
    for (let j = 0; j < 4 && i + j < key.length; j++) w |= key[i + j]! << (8 * j);
    h = jhash_3words(h, w, i, initval);
  }
  return h;
}
