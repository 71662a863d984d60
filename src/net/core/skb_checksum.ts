// Checksums over packets, wherever their bytes lie. Mirrors the checksum part of net/core/skbuff.c, dev.c and skbuff.h.
// Read first: lib/checksum.ts for what a sum is, skbuff.h's comment on ip_summed. Way in: skb_checksum(),
// skb_checksum_init_zero_check() of a protocol's receive path, skb_checksum_help() where a device cannot do it.

import {
  csum_add,
  csum_block_add,
  csum_block_sub,
  csum_fold,
  csum_from32to16,
  csum_partial_dv,
} from "../../lib/checksum.ts";
import { EINVAL } from "../../uapi/errno.ts";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  type HeadBuf,
  pskb_trim,
  type SkBuff,
  skb_ensure_writable,
  skb_is_gso,
  skb_pull,
} from "./skbuff.ts";

/** Below this the call into the slab's kernel costs more than it saves. */
const SHORT = 96;
/** Packets up to this length are summed at once, longer ones when the data is copied to the user. */
const CHECKSUM_BREAK = 76;

function head_csum(head: HeadBuf, off: number, len: number, sum: number): number {
  return len < SHORT
    ? csum_partial_dv(head.dv, off, len, sum)
    : head.slab.csum_partial(head.base + off, len, csum_from32to16(sum));
}

/** Sum of `len` bytes from `offset` of the packet, plus `sum`. The caller made sure that they exist. */
export function skb_checksum(skb: SkBuff, offset: number, len: number, sum: number): number {
  const head = skb.head;
  const linear = skb.len - skb.data_len;
  if (offset + len <= linear) return head_csum(head, skb.data + offset, len, sum);
  let start = linear;
  let pos = 0;
  if (offset < linear) {
    pos = linear - offset;
    sum = head_csum(head, skb.data + offset, pos, sum);
  }
  for (let i = 0; i < head.nr_frags && pos < len; i++) {
    const f = head.frags[i]!;
    const at = offset + pos - start;
    if (at < f.size) {
      const n = Math.min(len - pos, f.size - at);
      sum = csum_block_add(sum, head_csum(f.page, f.offset + at, n, 0), pos);
      pos += n;
    }
    start += f.size;
  }
  for (let s = head.frag_list; s !== null && pos < len; s = s.next) {
    const at = offset + pos - start;
    if (at < s.len) {
      const n = Math.min(len - pos, s.len - at);
      sum = csum_block_add(sum, skb_checksum(s, at, n, 0), pos);
      pos += n;
    }
    start += s.len;
  }
  return sum;
}

/** A device, or the loopback, vouches for the checksum. */
export const skb_csum_unnecessary = (skb: SkBuff): boolean =>
  skb.ip_summed === CHECKSUM_UNNECESSARY ||
  skb.csum_valid ||
  (skb.ip_summed === CHECKSUM_PARTIAL && skb.csum_start >= skb.data);

/**
 * Sums the whole packet on top of the pseudo header in skb.csum. Returns 0 when the checksum is right. The sum of the
 * bytes is kept, as CHECKSUM_COMPLETE, for who looks after us.
 */
export function __skb_checksum_complete(skb: SkBuff): number {
  const csum = skb_checksum(skb, 0, skb.len, 0);
  const check = csum_fold(csum_add(skb.csum, csum));
  if (skb.users === 1) {
    skb.csum = csum;
    skb.ip_summed = CHECKSUM_COMPLETE;
    skb.csum_valid = check === 0;
  }
  return check;
}
export const skb_checksum_complete = (skb: SkBuff): number =>
  skb_csum_unnecessary(skb) ? 0 : __skb_checksum_complete(skb);

/**
 * Looks whether the checksum from `data` on needs work. `pseudo` is the sum of the pseudo header. `check` is the field in
 * the packet: with `zero_okay` a zero means "none was made" (UDP). With `complete` every packet is summed now; else long
 * ones are left, with the seed in skb.csum, to skb_checksum_complete(). Returns 0 unless it is known to be wrong.
 */
export function __skb_checksum_validate(
  skb: SkBuff,
  complete: boolean,
  zero_okay: boolean,
  check: number,
  pseudo: number,
): number {
  skb.csum_valid = false;
  if (skb_csum_unnecessary(skb) || (zero_okay && check === 0)) {
    skb.csum_valid = true;
    return 0;
  }
  if (skb.ip_summed === CHECKSUM_COMPLETE && csum_fold(csum_add(pseudo, skb.csum)) === 0) {
    skb.csum_valid = true;
    return 0;
  }
  skb.csum = csum_from32to16(pseudo);
  if (!complete && skb.len > CHECKSUM_BREAK) {
    skb.ip_summed = CHECKSUM_NONE;
    return 0;
  }
  const sum = __skb_checksum_complete(skb);
  skb.csum_valid = sum === 0;
  return sum;
}

export const skb_checksum_init_zero_check = (skb: SkBuff, check: number, pseudo: number): number =>
  __skb_checksum_validate(skb, false, true, check, pseudo);
/** For protocols without a pseudo header: ICMP, IGMP. */
export const skb_checksum_simple_validate = (skb: SkBuff): number => __skb_checksum_validate(skb, true, false, 0, 0);

/** Finishes in software what CHECKSUM_PARTIAL left to the device. Returns 0 or -errno. */
export function skb_checksum_help(skb: SkBuff): number {
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    skb.ip_summed = CHECKSUM_NONE;
    return 0;
  }
  if (skb.ip_summed !== CHECKSUM_PARTIAL) return 0;
  if (skb_is_gso(skb)) return -EINVAL;
  const start = skb.csum_start - skb.data;
  if (start < 0 || start + skb.csum_offset + 2 > skb.len) return -EINVAL;
  const csum = skb_checksum(skb, start, skb.len - start, 0);
  const err = skb_ensure_writable(skb, start + skb.csum_offset + 2);
  if (err < 0) return err;
  skb.head.dv.setUint16(skb.data + start + skb.csum_offset, csum_fold(csum) || 0xffff);
  skb.ip_summed = CHECKSUM_NONE;
  return 0;
}

/** Keeps a COMPLETE sum right after `len` bytes at head offset `off` were taken from the front. */
function skb_postpull_rcsum(skb: SkBuff, off: number, len: number): void {
  if (skb.ip_summed === CHECKSUM_COMPLETE) {
    skb.csum = csum_block_sub(skb.csum, csum_partial_dv(skb.head.dv, off, len, 0), 0);
    // What follows an odd number of bytes changes places.
    if ((len & 1) !== 0) skb.csum = csum_block_add(0, skb.csum, 1);
  } else if (skb.ip_summed === CHECKSUM_PARTIAL && skb.csum_start < skb.data) {
    skb.ip_summed = CHECKSUM_NONE;
  }
}

export function skb_pull_rcsum(skb: SkBuff, len: number): number {
  const off = skb.data;
  if (skb_pull(skb, len) < 0) return -1;
  skb_postpull_rcsum(skb, off, len);
  return skb.data;
}

/** pskb_trim() that keeps a COMPLETE sum right. Returns 0 or -errno. */
export function pskb_trim_rcsum(skb: SkBuff, len: number): number {
  if (len >= skb.len) return 0;
  if (skb.ip_summed !== CHECKSUM_COMPLETE) {
    if (skb.ip_summed === CHECKSUM_PARTIAL && skb.csum_start + skb.csum_offset + 2 > skb.data + len) return -EINVAL;
    return pskb_trim(skb, len);
  }
  const csum = csum_block_sub(skb.csum, skb_checksum(skb, len, skb.len - len, 0), len);
  const err = pskb_trim(skb, len);
  skb.csum = csum;
  skb.ip_summed = CHECKSUM_COMPLETE;
  return err;
}
