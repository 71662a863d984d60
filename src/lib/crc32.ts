// CRC-32 of Ethernet's FCS (IEEE 802.3 section 3.2.9, reflected 0xEDB88320) and CRC-32C of SCTP and iSCSI (0x82F63B78).
// Four bytes per step over four tables. Values are int32; print with `>>> 0`.

const SLICES = 4;

function make_tables(poly: number): Int32Array {
  const t = new Int32Array(256 * SLICES);
  for (let n = 0; n < 256; n++) {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ poly : c >>> 1;
    t[n] = c;
  }
  for (let n = 0; n < 256; n++) {
    let c = t[n];
    for (let s = 1; s < SLICES; s++) t[s * 256 + n] = c = t[c & 0xff] ^ (c >>> 8);
  }
  return t;
}

const IEEE = /* @__PURE__ */ make_tables(0xedb88320);
const CASTAGNOLI = /* @__PURE__ */ make_tables(0x82f63b78);

function update(t: Int32Array, u8: Uint8Array, off: number, len: number, crc: number): number {
  const end = off + len;
  for (; off + 4 <= end; off += 4) {
    const x = crc ^ (u8[off] | (u8[off + 1] << 8) | (u8[off + 2] << 16) | (u8[off + 3] << 24));
    crc = t[768 + (x & 0xff)] ^ t[512 + ((x >>> 8) & 0xff)] ^ t[256 + ((x >>> 16) & 0xff)] ^ t[x >>> 24];
  }
  for (; off < end; off++) crc = t[(crc ^ u8[off]) & 0xff] ^ (crc >>> 8);
  return crc;
}

/** The running form: start with -1, invert at the end. */
export const crc32_update = (u8: Uint8Array, off: number, len: number, crc: number): number =>
  update(IEEE, u8, off, len, crc);

/** The FCS of a frame, as the little-endian word that follows it on the wire. */
export const crc32 = (u8: Uint8Array, off: number, len: number): number => ~update(IEEE, u8, off, len, -1);
export const crc32c = (u8: Uint8Array, off: number, len: number): number => ~update(CASTAGNOLI, u8, off, len, -1);
