// UTF-8 without TextEncoder, which the core does not have (RFC 3629). Malformed bytes become U+FFFD, as everywhere.

export const utf8_encode = (s: string): Uint8Array => {
  const out: number[] = [];
  for (const ch of s) {
    let c = ch.codePointAt(0)!;
    if (c >= 0xd800 && c <= 0xdfff) c = 0xfffd;
    if (c < 0x80) out.push(c);
    else if (c < 0x800) out.push(0xc0 | (c >> 6), 0x80 | (c & 63));
    else if (c < 0x10000) out.push(0xe0 | (c >> 12), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
    else out.push(0xf0 | (c >> 18), 0x80 | ((c >> 12) & 63), 0x80 | ((c >> 6) & 63), 0x80 | (c & 63));
  }
  return Uint8Array.from(out);
};

export const utf8_decode = (u8: Uint8Array, from: number, to: number): string => {
  let s = "";
  for (let i = from; i < to; ) {
    const b = u8[i++];
    const more = b < 0x80 ? 0 : b >= 0xc2 && b < 0xe0 ? 1 : b >= 0xe0 && b < 0xf0 ? 2 : b >= 0xf0 && b < 0xf5 ? 3 : -1;
    let c = more <= 0 ? b : b & (0x3f >> more);
    let n = 0;
    while (n < more && i + n < to && (u8[i + n] & 0xc0) === 0x80) c = (c << 6) | (u8[i + n++] & 63);
    const short = more === 2 ? c < 0x800 : more === 3 ? c < 0x10000 || c > 0x10ffff : false;
    if (more < 0 || n < more || short || (c >= 0xd800 && c <= 0xdfff)) s += "\ufffd";
    else s += String.fromCodePoint(c);
    if (more > 0) i += n;
  }
  return s;
};
