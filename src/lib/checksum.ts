// The Internet checksum. Mirrors include/net/checksum.h and lib/checksum.c. Read first: RFC 1071, RFC 1624.
// One representation: a *sum* is an uninverted ones' complement sum of big-endian 16-bit words, any integer below 2^32
// (int32 addresses may be added as they are); a *check* is the 16 bits of a header field. csum_fold() makes one of the other.

/** Folds a sum to 16 bits without inverting it. What was not zero stays so. */
export function csum_from32to16(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16);
  return (sum & 0xffff) + (sum >>> 16);
}

/** The header field for a sum; 0 when the sum covers a header with a right checksum. */
export function csum_fold(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
}

export const csum_add = (a: number, b: number): number => csum_from32to16(a) + csum_from32to16(b);
export const csum_sub = (a: number, b: number): number => csum_from32to16(a) + (~csum_from32to16(b) & 0xffff);

/** Adds the sum of a block that lies at byte `offset` of the whole: at an odd offset its bytes change places. */
export function csum_block_add(sum: number, block: number, offset: number): number {
  block = csum_from32to16(block);
  if ((offset & 1) !== 0) block = ((block & 0xff) << 8) | (block >> 8);
  return csum_from32to16(sum) + block;
}
export const csum_block_sub = (sum: number, block: number, offset: number): number =>
  csum_block_add(sum, ~csum_from32to16(block) & 0xffff, offset);

/** Sum of dv[off, off+len) plus `sum`, folded to 16 bits. For short runs; a slab's csum_partial() is for long ones. */
export function csum_partial_dv(dv: DataView, off: number, len: number, sum: number): number {
  let s = csum_from32to16(sum);
  while (len > 0) {
    // 32 KiB at a time: the accumulator stays a small integer.
    const run = Math.min(len, 32768);
    const end = off + run;
    for (const end4 = end - 3; off < end4; off += 4) {
      const w = dv.getInt32(off);
      s += (w >>> 16) + (w & 0xffff);
    }
    if (end - off >= 2) {
      s += dv.getUint16(off);
      off += 2;
    }
    if (off < end) s += dv.getUint8(off++) << 8;
    s = csum_from32to16(s);
    len -= run;
  }
  return s;
}

/** Check of an IPv4 header of `ihl` 32-bit words: 0 when the one in it is right. */
export function ip_fast_csum(dv: DataView, off: number, ihl: number): number {
  const a = dv.getInt32(off);
  const b = dv.getInt32(off + 4);
  const c = dv.getInt32(off + 8);
  const d = dv.getInt32(off + 12);
  const e = dv.getInt32(off + 16);
  let s = (a >>> 16) + (a & 0xffff) + (b >>> 16) + (b & 0xffff) + (c >>> 16) + (c & 0xffff) + (d >>> 16) + (d & 0xffff);
  s += (e >>> 16) + (e & 0xffff);
  for (let i = 5; i < ihl; i++) {
    const w = dv.getInt32(off + (i << 2));
    s += (w >>> 16) + (w & 0xffff);
  }
  s = (s & 0xffff) + (s >>> 16);
  return ~((s & 0xffff) + (s >>> 16)) & 0xffff;
}

/** Sum of the pseudo header of UDP and TCP (RFC 768, 9293) plus `sum`. */
export const csum_tcpudp_nofold = (saddr: number, daddr: number, len: number, proto: number, sum: number): number =>
  (saddr >>> 16) +
  (saddr & 0xffff) +
  (daddr >>> 16) +
  (daddr & 0xffff) +
  (len >>> 16) +
  (len & 0xffff) +
  proto +
  csum_from32to16(sum);

export const csum_tcpudp_magic = (saddr: number, daddr: number, len: number, proto: number, sum: number): number =>
  csum_fold(csum_tcpudp_nofold(saddr, daddr, len, proto, sum));

/** The check after a 16-bit word changed from `from` to `to`: RFC 1624 section 3, equation 3. */
export function csum_replace2(check: number, from: number, to: number): number {
  let s = (~check & 0xffff) + (~from & 0xffff) + to;
  s = (s & 0xffff) + (s >>> 16);
  return ~((s & 0xffff) + (s >>> 16)) & 0xffff;
}

/** The same for a 32-bit word. */
export function csum_replace4(check: number, from: number, to: number): number {
  from = ~from;
  let s = (~check & 0xffff) + (from >>> 16) + (from & 0xffff) + (to >>> 16) + (to & 0xffff);
  s = (s & 0xffff) + (s >>> 16);
  return ~((s & 0xffff) + (s >>> 16)) & 0xffff;
}

/** The check after the words under it changed by `diff` = csum_sub(new, old). */
export const csum_replace_by_diff = (check: number, diff: number): number => csum_fold(csum_add(~check & 0xffff, diff));
