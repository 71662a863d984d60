// The bytes of an sk_buff wherever they lie: linear part, page frags, frag_list. Mirrors the data half of net/core/skbuff.c.
// Read first: skbuff.ts. Way in: skb_copy_bits(), skb_store_bits(), __pskb_pull_tail(), pskb_trim().

import {
  __skb_trim,
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  consume_skb,
  type HeadBuf,
  head_add_frag,
  head_put,
  pskb_expand_head,
  type SkBuff,
  skb_clone,
  skb_cloned,
  skb_pull,
} from "./skbuff.ts";

/** Bytes [off, off + len) of a head as an array: valid until the next call for this head. */
export function head_window(head: HeadBuf, off: number, len: number): Uint8Array {
  const v = head.view;
  if (v !== null && head.view_off === off && v.length === len) return v;
  head.view_off = off;
  return (head.view = head.u8.subarray(off, off + len));
}

/** Copies bytes between arrays. Short runs go by a loop: a view costs more than 64 bytes do. */
export function copy_bytes(dst: Uint8Array, dst_off: number, src: Uint8Array, src_off: number, len: number): void {
  if (len === src.length && len >= 24) {
    // No view is needed for the whole array: the built-in copy takes 10 ns for 64 bytes.
    dst.set(src, dst_off);
  } else if (len <= 48) {
    for (let i = 0; i < len; i++) dst[dst_off + i] = src[src_off + i]!;
  } else if (dst === src) {
    dst.copyWithin(dst_off, src_off, src_off + len);
  } else {
    dst.set(src.subarray(src_off, src_off + len), dst_off);
  }
}

/** Bytes from one head to another. In one memory no view is needed: at 66 bytes that is a fifth of the time. */
export function head_copy(dst: HeadBuf, dst_off: number, src: HeadBuf, src_off: number, len: number): void {
  const memory = dst.memory;
  // An array of its own would have said so: what lies behind a head is somebody else's.
  if (dst_off < 0 || src_off < 0 || dst_off + len > dst.size || src_off + len > src.size)
    throw new RangeError(`head_copy: ${src_off}+${len} of ${src.size} to ${dst_off} of ${dst.size}`);
  if (memory === src.memory) memory.copy(dst.at + dst_off, src.at + src_off, len);
  else copy_bytes(dst.u8, dst_off, src.u8, src_off, len);
}

/** Copies `len` bytes from `offset` of the packet, wherever they lie. Returns 0, or -EFAULT past the end. */
export function skb_copy_bits(skb: SkBuff, offset: number, to: Uint8Array, to_off: number, len: number): number {
  return copy_bits(skb, offset, to, null, to_off, len);
}
/** The same into a head. */
export function skb_copy_bits_to_head(skb: SkBuff, offset: number, to: HeadBuf, to_off: number, len: number): number {
  return copy_bits(skb, offset, to.u8, to, to_off, len);
}

function copy_bits(
  skb: SkBuff,
  offset: number,
  to: Uint8Array,
  to_head: HeadBuf | null,
  to_off: number,
  len: number,
): number {
  if (offset < 0 || len < 0 || offset + len > skb.len) return -14;
  const head = skb.head;
  let start = skb.len - skb.data_len;
  if (offset < start) {
    const n = Math.min(len, start - offset);
    if (to_head !== null) head_copy(to_head, to_off, head, skb.data + offset, n);
    else if (n >= 32) to.set(head_window(head, skb.data + offset, n), to_off);
    else copy_bytes(to, to_off, head.u8, skb.data + offset, n);
    len -= n;
    offset += n;
    to_off += n;
  }
  for (let i = 0; i < head.nr_frags && len > 0; i++) {
    const f = head.frags[i]!;
    if (offset < start + f.size) {
      const n = Math.min(len, start + f.size - offset);
      if (to_head !== null) head_copy(to_head, to_off, f.page, f.offset + offset - start, n);
      else copy_bytes(to, to_off, f.page.u8, f.offset + offset - start, n);
      len -= n;
      offset += n;
      to_off += n;
    }
    start += f.size;
  }
  for (let s = head.frag_list; s !== null && len > 0; s = s.next) {
    if (offset < start + s.len) {
      const n = Math.min(len, start + s.len - offset);
      copy_bits(s, offset - start, to, to_head, to_off, n);
      len -= n;
      offset += n;
      to_off += n;
    }
    start += s.len;
  }
  return len === 0 ? 0 : -14;
}

/** Writes into the packet, wherever the bytes lie; the caller made it writable. Returns 0 or -EFAULT. */
export function skb_store_bits(skb: SkBuff, offset: number, from: Uint8Array, from_off: number, len: number): number {
  if (offset < 0 || len < 0 || offset + len > skb.len) return -14;
  const head = skb.head;
  let start = skb.len - skb.data_len;
  if (offset < start) {
    const n = Math.min(len, start - offset);
    copy_bytes(head.u8, skb.data + offset, from, from_off, n);
    len -= n;
    offset += n;
    from_off += n;
  }
  for (let i = 0; i < head.nr_frags && len > 0; i++) {
    const f = head.frags[i]!;
    if (offset < start + f.size) {
      const n = Math.min(len, start + f.size - offset);
      copy_bytes(f.page.u8, f.offset + offset - start, from, from_off, n);
      len -= n;
      offset += n;
      from_off += n;
    }
    start += f.size;
  }
  for (let s = head.frag_list; s !== null && len > 0; s = s.next) {
    if (offset < start + s.len) {
      const n = Math.min(len, start + s.len - offset);
      skb_store_bits(s, offset - start, from, from_off, n);
      len -= n;
      offset += n;
      from_off += n;
    }
    start += s.len;
  }
  return len === 0 ? 0 : -14;
}

/** Pulls `delta` bytes from frags or frag_list to the end of the linear part. Returns the new tail, or -1. */
export function __pskb_pull_tail(skb: SkBuff, delta: number): number {
  const eat = skb.tail + delta - skb.end;
  if (eat > 0 || skb_cloned(skb)) {
    if (pskb_expand_head(skb, 0, eat > 0 ? eat + 128 : 0) < 0) return -1;
  }
  if (skb_copy_bits_to_head(skb, skb.len - skb.data_len, skb.head, skb.tail, delta) < 0) return -1;
  skb_eat_frags(skb, delta);
  skb.tail += delta;
  skb.data_len -= delta;
  return skb.tail;
}

/** A packet of a frag_list that another list shares may not change: a clone takes its place in this one. */
function frag_unshare(s: SkBuff): SkBuff {
  if (s.users === 1) return s;
  const n = skb_clone(s);
  n.next = s.next;
  consume_skb(s);
  return n;
}

/** Drops the first `delta` bytes of the non-linear part. */
function skb_eat_frags(skb: SkBuff, delta: number): void {
  const head = skb.head;
  let k = 0;
  for (let i = 0; i < head.nr_frags; i++) {
    const f = head.frags[i]!;
    if (delta >= f.size) {
      delta -= f.size;
      head_put(f.page);
    } else {
      f.offset += delta;
      f.size -= delta;
      delta = 0;
      head.frags[k++] = f;
    }
  }
  for (let i = k; i < head.nr_frags; i++) head.frags[i] = null;
  head.nr_frags = k;
  while (delta > 0 && head.frag_list !== null) {
    const s: SkBuff = head.frag_list;
    if (delta >= s.len) {
      delta -= s.len;
      head.frag_list = s.next;
      consume_skb(s);
    } else {
      skb_pull((head.frag_list = frag_unshare(s)), delta);
      delta = 0;
    }
  }
}

/** Makes everything linear. Returns 0 or -ENOMEM. */
export function skb_linearize(skb: SkBuff): number {
  if (skb.data_len === 0) return 0;
  return __pskb_pull_tail(skb, skb.data_len) >= 0 ? 0 : -12;
}

/** Cuts the packet to `len` bytes, wherever the end lies. Returns 0 or -ENOMEM. */
export function pskb_trim(skb: SkBuff, len: number): number {
  if (len >= skb.len) return 0;
  if (skb.ip_summed === CHECKSUM_COMPLETE) skb.ip_summed = CHECKSUM_NONE;
  const linear = skb.len - skb.data_len;
  if (skb.data_len === 0) {
    __skb_trim(skb, len);
    return 0;
  }
  if (skb_cloned(skb) && pskb_expand_head(skb, 0, 0) < 0) return -12;
  const head = skb.head;
  let start = linear;
  let keep = 0;
  for (let i = 0; i < head.nr_frags; i++) {
    const f = head.frags[i]!;
    const size = f.size;
    if (start >= len) {
      head_put(f.page);
      head.frags[i] = null;
    } else {
      if (start + size > len) f.size = len - start;
      keep++;
    }
    start += size;
  }
  head.nr_frags = keep;
  let prev: SkBuff | null = null;
  for (let s = head.frag_list; s !== null; ) {
    const next: SkBuff | null = s.next;
    const size = s.len;
    if (start >= len) {
      if (prev !== null) prev.next = null;
      else head.frag_list = null;
      consume_skb(s);
    } else {
      const own = frag_unshare(s);
      if (prev !== null) prev.next = own;
      else head.frag_list = own;
      if (start + size > len) pskb_trim(own, len - start);
      prev = own;
    }
    start += size;
    s = next;
  }
  if (len < linear) {
    skb.tail = skb.data + len;
    skb.data_len = 0;
  } else {
    skb.data_len = len - linear;
  }
  skb.len = len;
  return 0;
}

/** Adds a page to the packet; takes over the caller's reference on it. */
export function skb_add_rx_frag(skb: SkBuff, page: HeadBuf, offset: number, size: number, truesize: number): void {
  skb_fill_page_desc(skb, page, offset, size);
  skb.len += size;
  skb.data_len += size;
  skb.truesize += truesize;
}

export function skb_fill_page_desc(skb: SkBuff, page: HeadBuf, offset: number, size: number): void {
  head_add_frag(skb.head, page, offset, size);
}

/** How full a packet is, as the qdiscs and drivers count frames. */
export const skb_gso_segs = (skb: SkBuff): number => (skb.head.gso_size !== 0 ? skb.head.gso_segs || 1 : 1);
