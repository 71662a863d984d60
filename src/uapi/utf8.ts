// UTF-8 without TextEncoder, which the core may not name. Invalid bytes become U+FFFD, as TextDecoder does.

export function utf8_encode(s: string): Uint8Array {
  const out: number[] = [];
  for (const ch of s) {
    const c = ch.codePointAt(0) as number;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
}

/** Decodes bytes [off, off + len) of `b`, cut at the end of the array. */
export function utf8_decode(b: Uint8Array, off = 0, len: number = b.length - off): string {
  const end = Math.min(off + len, b.length);
  let s = "";
  let i = off;
  while (i < end) {
    const c = b[i++];
    if (c < 0x80) {
      s += String.fromCharCode(c);
      continue;
    }
    const more = c >= 0xf0 && c < 0xf8 ? 3 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xc2 && c < 0xe0 ? 1 : 0;
    let cp = more === 0 ? -1 : c & (0x3f >> more);
    for (let k = 0; k < more && cp >= 0; k++) {
      if (i < end && (b[i] & 0xc0) === 0x80) cp = (cp << 6) | (b[i++] & 63);
      else cp = -1;
    }
    s += cp < 0 || cp > 0x10ffff ? "\ufffd" : String.fromCodePoint(cp);
  }
  return s;
}
