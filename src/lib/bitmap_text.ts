// Sets of CPUs as text: "ff,00000001" and "0-3,8". Mirrors lib/bitmap-str.c for sets of up to 32.
// Way in: bitmap_print(), bitmap_parse().

import { EINVAL } from "../uapi/errno.ts";

const EOVERFLOW = 75;
const ERANGE = 34;

const valid = (nbits: number): number => (nbits >= 32 ? -1 : (1 << nbits) - 1);

/** "%*pb": hex, as many digits as `nbits` needs. */
export const bitmap_print = (mask: number, nbits: number): string =>
  ((mask & valid(nbits)) >>> 0).toString(16).padStart(Math.ceil(Math.min(nbits, 32) / 4), "0");

/** "%*pbl": ranges. */
export function bitmap_print_list(mask: number, nbits: number): string {
  const out: string[] = [];
  for (let i = 0; i < nbits && i < 32; i++) {
    if ((mask & (1 << i)) === 0) continue;
    let end = i;
    while (end + 1 < nbits && end < 31 && (mask & (1 << (end + 1))) !== 0) end++;
    out.push(end === i ? String(i) : `${i}-${end}`);
    i = end;
  }
  return out.join(",");
}

/** Hex, with commas between groups of 32 bits. Bits that do not exist are -EOVERFLOW. A mask of 31 bits at most, or < 0. */
export function bitmap_parse(text: string, nbits: number): number {
  const t = text.trim();
  if (!/^[0-9a-fA-F]+(,[0-9a-fA-F]{1,8})*$/.test(t)) return -EINVAL;
  const v = Number.parseInt(
    t
      .split(",")
      .map((g, i) => (i === 0 ? g : g.padStart(8, "0")))
      .join(""),
    16,
  );
  const max = nbits >= 31 ? 0x7fffffff : 2 ** nbits - 1;
  return v > max ? -EOVERFLOW : v;
}

/** "0-3,8". */
export function bitmap_parselist(text: string, nbits: number): number {
  let mask = 0;
  const t = text.trim();
  if (t === "") return 0;
  for (const word of t.split(",")) {
    const m = /^(\d+)(?:-(\d+))?$/.exec(word);
    if (!m) return -EINVAL;
    const a = Number(m[1]);
    const b = m[2] !== undefined ? Number(m[2]) : a;
    if (b < a) return -EINVAL;
    if (b >= nbits) return -ERANGE;
    for (let i = a; i <= b && i < 31; i++) mask |= 1 << i;
  }
  return mask;
}
