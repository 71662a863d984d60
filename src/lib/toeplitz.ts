// The Toeplitz hash of receive side scaling, as the hardware computes it: one table look-up per input byte.
// Microsoft's "Verifying the RSS hash calculation" has the test vectors. Way in: toeplitz_table(key), toeplitz_bytes.

/** The longest input: two IPv6 addresses and two ports. */
export const TOEPLITZ_INPUT_MAX = 36;
export const RSS_KEY_SIZE = 40;

/** Expands a key into `table[position * 256 + byte]`. Reuses `into` when given. */
export function toeplitz_table(key: Uint8Array, into?: Int32Array): Int32Array {
  const t = into ?? new Int32Array(TOEPLITZ_INPUT_MAX * 256);
  for (let pos = 0; pos < TOEPLITZ_INPUT_MAX; pos++) {
    const base = pos * 256;
    for (let byte = 0; byte < 256; byte++) {
      let h = 0;
      for (let bit = 0; bit < 8; bit++) {
        if (!(byte & (0x80 >> bit))) continue;
        // The 32 key bits that start at input bit pos * 8 + bit. A key shorter than the input reads as zeroes.
        const w =
          ((key[pos] ?? 0) << 24) | ((key[pos + 1] ?? 0) << 16) | ((key[pos + 2] ?? 0) << 8) | (key[pos + 3] ?? 0);
        h ^= bit ? (w << bit) | ((key[pos + 4] ?? 0) >>> (8 - bit)) : w;
      }
      t[base + byte] = h;
    }
  }
  return t;
}

/** Continues `hash` with `len` bytes, the first of which is input byte `pos`. */
export function toeplitz_bytes(
  t: Int32Array,
  hash: number,
  pos: number,
  u8: Uint8Array,
  off: number,
  len: number,
): number {
  for (let i = 0, base = pos << 8; i < len; i++, base += 256) hash ^= t[base + u8[off + i]];
  return hash;
}

/** Hash of one whole input (int32). */
export const toeplitz_hash = (t: Int32Array, u8: Uint8Array, off: number, len: number): number =>
  toeplitz_bytes(t, 0, 0, u8, off, len);
