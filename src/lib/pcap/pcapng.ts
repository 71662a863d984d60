// The pcapng capture file: blocks with options, so that a packet can say on which interface it was, in which direction,
// and carry comments. Reader and writer. Read first: draft-ietf-opsawg-pcapng. Way in: pcapng_open and pcapng_next;
// pcapng_shb, pcapng_idb, pcapng_epb; open_capture for either format.

import { utf8_decode, utf8_encode } from "../../uapi/utf8.ts";
import {
  type CapturedPacket,
  type CaptureError,
  is_capture_error,
  is_pcap,
  type PcapReader,
  pcap_next,
  pcap_open,
} from "./pcap.ts";

const BT_SHB = 0x0a0d0d0a;
const BT_IDB = 1;
const BT_PB = 2;
const BT_SPB = 3;
const BT_EPB = 6;
const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

const OPT_ENDOFOPT = 0;
const OPT_COMMENT = 1;
const SHB_HARDWARE = 2;
const SHB_OS = 3;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_DESCRIPTION = 3;
const IF_TSRESOL = 9;
const IF_TSOFFSET = 14;
const EPB_FLAGS = 2;

export interface CaptureInterface {
  linktype: number;
  snaplen: number;
  name: string;
  description: string;
  /** Units of a timestamp per second. */
  ts_units: bigint;
  /** Seconds to add to a timestamp. */
  ts_offset: bigint;
}

export interface PcapngReader {
  readonly kind: "pcapng";
  readonly u8: Uint8Array;
  readonly dv: DataView;
  little_endian: boolean;
  offset: number;
  /** Of every section so far; `first_interface` is where those of the present section start. */
  readonly interfaces: CaptureInterface[];
  first_interface: number;
}

export const is_pcapng = (u8: Uint8Array): boolean =>
  u8.length >= 4 && u8[0] === 0x0a && u8[1] === 0x0d && u8[2] === 0x0d && u8[3] === 0x0a;

/** Opens a whole file in memory. */
export const pcapng_open = (u8: Uint8Array): PcapngReader | CaptureError => {
  if (!is_pcapng(u8)) return { error: "unknown file format", offset: 0 };
  return {
    kind: "pcapng",
    u8,
    dv: new DataView(u8.buffer, u8.byteOffset, u8.length),
    little_endian: true,
    offset: 0,
    interfaces: [],
    first_interface: 0,
  };
};

/** Calls `each` for the options between two offsets. @returns where the options break off, or -1 */
const read_options = (
  r: PcapngReader,
  at: number,
  end: number,
  each: (code: number, at: number, len: number) => void,
): number => {
  while (end - at >= 4) {
    const code = r.dv.getUint16(at, r.little_endian);
    const len = r.dv.getUint16(at + 2, r.little_endian);
    if (code === OPT_ENDOFOPT) return -1;
    if (len > end - at - 4) return at;
    each(code, at + 4, len);
    at += 4 + ((len + 3) & ~3);
  }
  return -1;
};

const text_at = (r: PcapngReader, at: number, len: number): string => utf8_decode(r.u8, at, len);

const section = (r: PcapngReader, at: number): CaptureError | undefined => {
  const left = r.u8.length - at;
  if (left < 28) return { error: "truncated section header block", offset: at };
  if (r.dv.getUint32(at + 8, true) === BYTE_ORDER_MAGIC) r.little_endian = true;
  else if (r.dv.getUint32(at + 8, false) === BYTE_ORDER_MAGIC) r.little_endian = false;
  else return { error: "section header block has a bad byte-order magic", offset: at + 8 };
  const major = r.dv.getUint16(at + 12, r.little_endian);
  if (major !== 1) return { error: `unsupported pcapng savefile version ${major}`, offset: at + 12 };
  r.first_interface = r.interfaces.length;
  return undefined;
};

const interface_description = (r: PcapngReader, at: number, end: number): CaptureError | undefined => {
  if (end - at < 8) return { error: "interface description block is too short", offset: at };
  const le = r.little_endian;
  const i: CaptureInterface = {
    linktype: r.dv.getUint16(at, le),
    snaplen: r.dv.getUint32(at + 4, le),
    name: "",
    description: "",
    ts_units: 1_000_000n,
    ts_offset: 0n,
  };
  const broken = read_options(r, at + 8, end, (code, o, len) => {
    if (code === IF_NAME) i.name = text_at(r, o, len);
    else if (code === IF_DESCRIPTION) i.description = text_at(r, o, len);
    else if (code === IF_TSRESOL && len === 1) {
      const v = r.u8[o] & 0x7f;
      i.ts_units = r.u8[o] & 0x80 ? 1n << BigInt(v) : 10n ** BigInt(v);
    } else if (code === IF_TSOFFSET && len === 8) i.ts_offset = r.dv.getBigInt64(o, le);
  });
  if (broken >= 0) return { error: "option runs past the end of its block", offset: broken };
  r.interfaces.push(i);
  return undefined;
};

const packet = (
  r: PcapngReader,
  at: number,
  id: number,
  hi: number,
  lo: number,
  caplen: number,
  len: number,
  data: number,
): CapturedPacket | CaptureError => {
  const i = id < r.interfaces.length - r.first_interface ? r.interfaces[r.first_interface + id] : undefined;
  if (!i) return { error: `packet of interface ${id}, which was not described`, offset: at };
  const t = (BigInt(hi) << 32n) | BigInt(lo);
  const sec = t / i.ts_units;
  return {
    ts_sec: Number(sec + i.ts_offset),
    ts_nsec: Number(((t - sec * i.ts_units) * 1_000_000_000n) / i.ts_units),
    data: r.u8.subarray(data, data + caplen),
    len,
    linktype: i.linktype,
    interface_id: r.first_interface + id,
    direction: 0,
    comments: [],
  };
};

const packet_block = (r: PcapngReader, type: number, at: number, end: number): CapturedPacket | CaptureError => {
  const le = r.little_endian;
  if (type === BT_SPB) {
    if (end - at < 4) return { error: "simple packet block is too short", offset: at };
    const len = r.dv.getUint32(at, le);
    const snaplen = r.interfaces[r.first_interface]?.snaplen ?? 0;
    const caplen = Math.min(len, snaplen === 0 ? len : snaplen);
    if (caplen > end - at - 4)
      return { error: `simple packet block of ${end - at - 4} bytes holds no ${caplen}`, offset: at };
    return packet(r, at, 0, 0, 0, caplen, len, at + 4);
  }
  if (end - at < 20) return { error: "packet block is too short", offset: at };
  const id = type === BT_EPB ? r.dv.getUint32(at, le) : r.dv.getUint16(at, le);
  const caplen = r.dv.getUint32(at + 12, le);
  if (caplen > end - at - 20)
    return { error: `captured length ${caplen} is more than the block holds`, offset: at + 12 };
  const p = packet(
    r,
    at,
    id,
    r.dv.getUint32(at + 4, le),
    r.dv.getUint32(at + 8, le),
    caplen,
    r.dv.getUint32(at + 16, le),
    at + 20,
  );
  if (is_capture_error(p)) return p;
  const broken = read_options(r, at + 20 + ((caplen + 3) & ~3), end, (code, o, len) => {
    if (code === OPT_COMMENT) p.comments.push(text_at(r, o, len));
    else if (code === EPB_FLAGS && len === 4) {
      const direction = r.dv.getUint32(o, le) & 3;
      p.direction = direction === 3 ? 0 : (direction as 0 | 1 | 2);
    }
  });
  return broken >= 0 ? { error: "option runs past the end of its block", offset: broken } : p;
};

/** The next packet; undefined at the end of the file. After an error the reader stays where it is. */
export const pcapng_next = (r: PcapngReader): CapturedPacket | CaptureError | undefined => {
  for (;;) {
    const at = r.offset;
    const left = r.u8.length - at;
    if (left === 0) return undefined;
    if (left < 12)
      return { error: `truncated dump file; tried to read 12 block header bytes, only got ${left}`, offset: at };
    // The type of a section header reads the same in both byte orders.
    if (r.dv.getUint32(at) === BT_SHB) {
      const bad = section(r, at);
      if (bad) return bad;
    } else if (at === 0) return { error: "no section header block", offset: 0 };
    const type = r.dv.getUint32(at, r.little_endian);
    const total = r.dv.getUint32(at + 4, r.little_endian);
    if (total < 12 || total & 3) return { error: `block of impossible length ${total}`, offset: at + 4 };
    if (total > left)
      return { error: `truncated dump file; tried to read ${total} bytes, only got ${left}`, offset: at };
    if (r.dv.getUint32(at + total - 4, r.little_endian) !== total) {
      return { error: "block has two different lengths", offset: at + total - 4 };
    }
    const body = at + 8;
    const end = at + total - 4;
    if (type === BT_IDB) {
      const bad = interface_description(r, body, end);
      if (bad) return bad;
    } else if (type === BT_EPB || type === BT_PB || type === BT_SPB) {
      const p = packet_block(r, type, body, end);
      if (!is_capture_error(p)) r.offset = at + total;
      return p;
    }
    r.offset = at + total;
  }
};

/** Opens a file of either format. */
export const open_capture = (u8: Uint8Array): PcapReader | PcapngReader | CaptureError =>
  is_pcapng(u8)
    ? pcapng_open(u8)
    : is_pcap(u8) || u8.length < 4
      ? pcap_open(u8)
      : { error: "unknown file format", offset: 0 };

export const next_packet = (r: PcapReader | PcapngReader): CapturedPacket | CaptureError | undefined =>
  r.kind === "pcap" ? pcap_next(r) : pcapng_next(r);

// --- writing --------------------------------------------------------------------------------------------------------

type Option = readonly [code: number, value: Uint8Array];

const MAX_OPTION = 0xffff;

const text_option = (code: number, s: string | undefined): Option[] =>
  s === undefined || s === "" ? [] : [[code, utf8_encode(s).subarray(0, MAX_OPTION)]];

const block = (
  type: number,
  body_len: number,
  options: readonly Option[],
  fill: (dv: DataView, u8: Uint8Array) => void,
): Uint8Array => {
  const padded = (n: number): number => (n + 3) & ~3;
  const body = padded(body_len);
  const opt_len = options.length === 0 ? 0 : options.reduce((n, [, v]) => n + 4 + padded(v.length), 4);
  const total = 12 + body + opt_len;
  const u8 = new Uint8Array(total);
  const dv = new DataView(u8.buffer);
  dv.setUint32(0, type, true);
  dv.setUint32(4, total, true);
  fill(dv, u8);
  let at = 8 + body;
  for (const [code, value] of options) {
    dv.setUint16(at, code, true);
    dv.setUint16(at + 2, value.length, true);
    u8.set(value, at + 4);
    at += 4 + padded(value.length);
  }
  dv.setUint32(total - 4, total, true);
  return u8;
};

/** The section header, which starts a file. */
export const pcapng_shb = (
  o: { hardware?: string; os?: string; application?: string; comment?: string } = {},
): Uint8Array =>
  block(
    BT_SHB,
    16,
    [
      ...text_option(OPT_COMMENT, o.comment),
      ...text_option(SHB_HARDWARE, o.hardware),
      ...text_option(SHB_OS, o.os),
      ...text_option(SHB_USERAPPL, o.application),
    ],
    (dv) => {
      dv.setUint32(8, BYTE_ORDER_MAGIC, true);
      dv.setUint16(12, 1, true);
      dv.setBigInt64(16, -1n, true);
    },
  );

/** Describes an interface; packets refer to it by its place among these blocks. Timestamps are in nanoseconds. */
export const pcapng_idb = (o: {
  linktype: number;
  snaplen?: number;
  name?: string;
  description?: string;
}): Uint8Array =>
  block(
    BT_IDB,
    8,
    [...text_option(IF_NAME, o.name), ...text_option(IF_DESCRIPTION, o.description), [IF_TSRESOL, Uint8Array.of(9)]],
    (dv) => {
      dv.setUint16(8, o.linktype, true);
      dv.setUint32(12, o.snaplen ?? 262144, true);
    },
  );

export interface EpbOptions {
  interface_id?: number;
  /** Length on the wire, if more than was captured. */
  len?: number;
  direction?: 0 | 1 | 2;
  comments?: readonly string[];
}

/** A packet. */
export const pcapng_epb = (ts_sec: number, ts_nsec: number, data: Uint8Array, o: EpbOptions = {}): Uint8Array => {
  const options: Option[] = [];
  for (const c of o.comments ?? []) options.push(...text_option(OPT_COMMENT, c));
  if (o.direction) options.push([EPB_FLAGS, Uint8Array.of(o.direction, 0, 0, 0)]);
  return block(BT_EPB, 20 + data.length, options, (dv, u8) => {
    const t = BigInt(ts_sec) * 1_000_000_000n + BigInt(ts_nsec);
    dv.setUint32(8, o.interface_id ?? 0, true);
    dv.setUint32(12, Number((t >> 32n) & 0xffffffffn), true);
    dv.setUint32(16, Number(t & 0xffffffffn), true);
    dv.setUint32(20, data.length, true);
    dv.setUint32(24, o.len ?? data.length, true);
    u8.set(data, 28);
  });
};
