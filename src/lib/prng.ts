// Seeded random streams for everything that must repeat: wires, impairments, backoff. Not for secrets (Host.random_bytes).
// sfc32 (Chris Doty-Humphrey's PractRand), seeded through splitmix32. Way in: new Prng(seed, stream), prng_u32.

const mix = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return x ^ (x >>> 15);
};

export class Prng {
  a: number;
  b: number;
  c: number;
  counter = 1;

  /** Streams of one seed are independent of each other. `seed` may be any integer number; its high half counts too. */
  constructor(seed: number, stream = 0) {
    const hi = Math.floor(seed / 0x1_0000_0000) | 0;
    this.a = mix((seed | 0) + 0x9e3779b9) | 0;
    this.b = mix(hi + Math.imul(stream + 1, 0x85ebca6b)) | 0;
    this.c = mix(this.a ^ (stream + 0x6a09e667)) | 0;
    for (let i = 0; i < 15; i++) prng_u32(this);
  }
}

/** Uniform over 0 … 2^32-1. */
export function prng_u32(p: Prng): number {
  const t = (((p.a + p.b) | 0) + p.counter) | 0;
  p.counter = (p.counter + 1) | 0;
  p.a = p.b ^ (p.b >>> 9);
  p.b = (p.c + (p.c << 3)) | 0;
  p.c = (((p.c << 21) | (p.c >>> 11)) + t) | 0;
  return t >>> 0;
}

/** Uniform over 0 … n-1, for n up to 2^32. */
export const prng_below = (p: Prng, n: number): number => Math.floor((prng_u32(p) * n) / 0x1_0000_0000);

/** True with the probability threshold / 2^32 (see prng_threshold). */
export const prng_chance = (p: Prng, threshold: number): boolean => prng_u32(p) < threshold;

/** A probability 0 … 1 as the threshold that prng_chance takes. */
export const prng_threshold = (probability: number): number =>
  Math.round(Math.min(1, Math.max(0, probability)) * 0x1_0000_0000);
