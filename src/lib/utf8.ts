// UTF-8 without TextEncoder, which the core does not have (RFC 3629).

export function utf8_encode(text: string): Uint8Array {
  const out = new Uint8Array(text.length * 3);
  let n = 0;
  for (let i = 0; i < text.length; i++) {
    let c = text.charCodeAt(i);
    if (c < 0x80) {
      out[n++] = c;
      continue;
    }
    if (c >= 0xd800 && c < 0xdc00 && i + 1 < text.length) {
      const d = text.charCodeAt(i + 1);
      if (d >= 0xdc00 && d < 0xe000) {
        c = 0x10000 + ((c - 0xd800) << 10) + (d - 0xdc00);
        i++;
      }
    }
    if (c < 0x800) {
      out[n++] = 0xc0 | (c >> 6);
    } else if (c < 0x10000) {
      out[n++] = 0xe0 | (c >> 12);
      out[n++] = 0x80 | ((c >> 6) & 63);
    } else {
      if (n + 4 > out.length) break;
      out[n++] = 0xf0 | (c >> 18);
      out[n++] = 0x80 | ((c >> 12) & 63);
      out[n++] = 0x80 | ((c >> 6) & 63);
    }
    out[n++] = 0x80 | (c & 63);
  }
  return out.slice(0, n);
}

/** Bytes that are not UTF-8 become U+FFFD. */
export function utf8_decode(buf: Uint8Array): string {
  let s = "";
  for (let i = 0; i < buf.length; ) {
    const b = buf[i++]!;
    if (b < 0x80) {
      s += String.fromCharCode(b);
      continue;
    }
    const n = b >= 0xf0 && b < 0xf5 ? 3 : b >= 0xe0 ? 2 : b >= 0xc2 ? 1 : 0;
    let c = n === 3 ? b & 7 : n === 2 ? b & 15 : b & 31;
    let ok = n > 0 && b < 0xf5;
    for (let j = 0; ok && j < n; j++) {
      const d = buf[i + j];
      if (d === undefined || (d & 0xc0) !== 0x80) ok = false;
      else c = (c << 6) | (d & 63);
    }
    if (!ok) {
      s += "\ufffd";
      continue;
    }
    i += n;
    s += String.fromCodePoint(c > 0x10ffff ? 0xfffd : c);
  }
  return s;
}
