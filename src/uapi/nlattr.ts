// Building and reading netlink messages (include/net/netlink.h): shared by the kernel and the programs.
// Read first: netlink(7). Way in: nlmsg_put() and nla_put_*() to write; nlmsg_for_each() and nla_parse() to read.
// Readers are total: whatever the bytes, they end and stay inside the buffer.

import { NLA_F_NESTED, NLA_HDRLEN, NLA_TYPE_MASK, NLMSG_HDRLEN } from "./netlink.ts";
import { utf8_decode, utf8_encode } from "./utf8.ts";

/** A buffer that grows and holds one or more messages; `msg` is where the message being built starts. */
export class NlMsgWriter {
  buf: Uint8Array;
  dv: DataView;
  len = 0;
  msg = 0;
  constructor(size = 1024) {
    this.buf = new Uint8Array(size);
    this.dv = new DataView(this.buf.buffer);
  }
}

/** One attribute: `type` without flags, payload at [off, off + len) of `buf`. */
export class NlAttr {
  readonly buf: Uint8Array;
  readonly dv: DataView;
  readonly type: number;
  readonly nested: boolean;
  readonly off: number;
  readonly len: number;
  constructor(buf: Uint8Array, dv: DataView, type: number, nested: boolean, off: number, len: number) {
    this.buf = buf;
    this.dv = dv;
    this.type = type;
    this.nested = nested;
    this.off = off;
    this.len = len;
  }
}

/** One message: header fields, payload at [off, off + len) of `buf`. */
export class NlMsg {
  readonly buf: Uint8Array;
  readonly dv: DataView;
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  readonly pid: number;
  readonly off: number;
  readonly len: number;
  constructor(buf: Uint8Array, dv: DataView, at: number, len: number) {
    this.buf = buf;
    this.dv = dv;
    this.type = dv.getUint16(at + 4, true);
    this.flags = dv.getUint16(at + 6, true);
    this.seq = dv.getUint32(at + 8, true);
    this.pid = dv.getUint32(at + 12, true);
    this.off = at + NLMSG_HDRLEN;
    this.len = len - NLMSG_HDRLEN;
  }
}

/** Attributes by type: the last one of a type wins, absent ones are undefined. */
export type NlAttrs = (NlAttr | undefined)[];

export const nla_align = (n: number): number => (n + 3) & ~3;

// --- writing ---------------------------------------------------------------------------------------------------

/** Makes room for n bytes at the end (zeroed) and returns their offset. */
function grow(w: NlMsgWriter, n: number): number {
  const at = w.len;
  const need = at + n;
  if (need > w.buf.length) {
    const bigger = new Uint8Array(Math.max(need, w.buf.length * 2));
    bigger.set(w.buf.subarray(0, w.len));
    w.buf = bigger;
    w.dv = new DataView(bigger.buffer);
  }
  w.buf.fill(0, at, need);
  w.len = need;
  return at;
}

/** Starts a message and reserves `payload` bytes for its family header; returns the offset of that header. */
export function nlmsg_put(
  w: NlMsgWriter,
  type: number,
  flags: number,
  seq: number,
  pid: number,
  payload: number,
): number {
  w.msg = grow(w, NLMSG_HDRLEN + nla_align(payload));
  w.dv.setUint32(w.msg, NLMSG_HDRLEN + payload, true);
  w.dv.setUint16(w.msg + 4, type, true);
  w.dv.setUint16(w.msg + 6, flags, true);
  w.dv.setUint32(w.msg + 8, seq, true);
  w.dv.setUint32(w.msg + 12, pid, true);
  return w.msg + NLMSG_HDRLEN;
}

/** Ends the message: writes its length, which it returns. */
export function nlmsg_end(w: NlMsgWriter): number {
  const len = w.len - w.msg;
  w.dv.setUint32(w.msg, len, true);
  return len;
}

/** Takes the message being built back. */
export function nlmsg_cancel(w: NlMsgWriter): void {
  w.len = w.msg;
}

/** The bytes written so far, as a view. */
export const nlmsg_bytes = (w: NlMsgWriter): Uint8Array => w.buf.subarray(0, w.len);

/** Appends raw bytes, padded to 4: for headers inside attributes (struct rtnexthop, the peer of a veth). */
export function nlmsg_put_raw(w: NlMsgWriter, len: number): number {
  return grow(w, nla_align(len));
}

/** Reserves an attribute of `len` bytes and returns the offset of its payload. */
export function nla_reserve(w: NlMsgWriter, type: number, len: number): number {
  const at = grow(w, NLA_HDRLEN + nla_align(len));
  w.dv.setUint16(at, NLA_HDRLEN + len, true);
  w.dv.setUint16(at + 2, type, true);
  return at + NLA_HDRLEN;
}

export function nla_put(w: NlMsgWriter, type: number, bytes: Uint8Array): void {
  const at = nla_reserve(w, type, bytes.length);
  w.buf.set(bytes, at);
}
export function nla_put_flag(w: NlMsgWriter, type: number): void {
  nla_reserve(w, type, 0);
}
export function nla_put_u8(w: NlMsgWriter, type: number, v: number): void {
  const at = nla_reserve(w, type, 1);
  w.buf[at] = v;
}
export function nla_put_u16(w: NlMsgWriter, type: number, v: number): void {
  const at = nla_reserve(w, type, 2);
  w.dv.setUint16(at, v, true);
}
export function nla_put_be16(w: NlMsgWriter, type: number, v: number): void {
  const at = nla_reserve(w, type, 2);
  w.dv.setUint16(at, v);
}
/** u32 or s32, host order. */
export function nla_put_u32(w: NlMsgWriter, type: number, v: number): void {
  const at = nla_reserve(w, type, 4);
  w.dv.setUint32(at, v, true);
}
/** An IPv4 address as the int32 that addresses are here. */
export function nla_put_in_addr(w: NlMsgWriter, type: number, v: number): void {
  const at = nla_reserve(w, type, 4);
  w.dv.setInt32(at, v);
}
/** u64 from an integer number (exact below 2^53). */
export function nla_put_u64(w: NlMsgWriter, type: number, v: number): void {
  const at = nla_reserve(w, type, 8);
  nl_set_u64(w.dv, at, v);
}
/** A string with its NUL. */
export function nla_put_string(w: NlMsgWriter, type: number, s: string): void {
  const b = utf8_encode(s);
  const at = nla_reserve(w, type, b.length + 1);
  w.buf.set(b, at);
}

/** Opens a nested attribute; give the result to nla_nest_end. */
export function nla_nest_start(w: NlMsgWriter, type: number): number {
  return nla_reserve(w, type | NLA_F_NESTED, 0) - NLA_HDRLEN;
}
/** The same without NLA_F_NESTED, as rtnetlink's old attributes are sent. */
export function nla_nest_start_noflag(w: NlMsgWriter, type: number): number {
  return nla_reserve(w, type, 0) - NLA_HDRLEN;
}
export function nla_nest_end(w: NlMsgWriter, start: number): void {
  w.dv.setUint16(start, w.len - start, true);
}
/** Takes a nested attribute back. */
export function nla_nest_cancel(w: NlMsgWriter, start: number): void {
  w.len = start;
}

export function nl_set_u64(dv: DataView, at: number, v: number): void {
  dv.setUint32(at, v >>> 0, true);
  dv.setUint32(at + 4, Math.floor(v / 0x100000000), true);
}
export function nl_get_u64(dv: DataView, at: number): number {
  return dv.getUint32(at, true) + dv.getUint32(at + 4, true) * 0x100000000;
}

// --- reading ---------------------------------------------------------------------------------------------------

/** All whole messages in the first `len` bytes; stops at the first that is cut or malformed. */
export function nlmsg_for_each(buf: Uint8Array, len: number = buf.length): NlMsg[] {
  const dv = new DataView(buf.buffer, buf.byteOffset, buf.byteLength);
  const end = Math.min(len, buf.length);
  const out: NlMsg[] = [];
  let at = 0;
  while (end - at >= NLMSG_HDRLEN) {
    const n = dv.getUint32(at, true);
    if (n < NLMSG_HDRLEN || n > end - at) break;
    out.push(new NlMsg(buf, dv, at, n));
    at += nla_align(n);
  }
  return out;
}

/** All whole attributes in [off, off + len); stops at the first that is cut or malformed. */
export function nla_for_each(buf: Uint8Array, dv: DataView, off: number, len: number): NlAttr[] {
  const end = Math.min(off + len, buf.length);
  const out: NlAttr[] = [];
  let at = off;
  while (end - at >= NLA_HDRLEN) {
    const n = dv.getUint16(at, true);
    if (n < NLA_HDRLEN || n > end - at) break;
    const type = dv.getUint16(at + 2, true);
    const nested = (type & NLA_F_NESTED) !== 0;
    out.push(new NlAttr(buf, dv, type & NLA_TYPE_MASK, nested, at + NLA_HDRLEN, n - NLA_HDRLEN));
    at += nla_align(n);
  }
  return out;
}

/** Attributes of a message behind a family header of `hdrlen` bytes, by type. */
export function nlmsg_parse(m: NlMsg, hdrlen: number): NlAttrs {
  const skip = nla_align(hdrlen);
  return nla_by_type(skip > m.len ? [] : nla_for_each(m.buf, m.dv, m.off + skip, m.len - skip));
}
/** Attributes in [off, off + len), by type. */
export function nla_parse(buf: Uint8Array, dv: DataView, off: number, len: number): NlAttrs {
  return nla_by_type(nla_for_each(buf, dv, off, len));
}
/** Attributes nested in one, by type; none when it is absent. */
export function nla_parse_nested(a: NlAttr | undefined): NlAttrs {
  return a === undefined ? [] : nla_by_type(nla_list(a));
}
/** Attributes nested in one, in order. */
export function nla_list(a: NlAttr | undefined): NlAttr[] {
  return a === undefined ? [] : nla_for_each(a.buf, a.dv, a.off, a.len);
}
function nla_by_type(list: NlAttr[]): NlAttrs {
  const tb: NlAttrs = [];
  for (const a of list) tb[a.type] = a;
  return tb;
}

/** The getters return 0 or "" when the attribute is absent or too short: check `len` where that matters. */
export function nla_get_u8(a: NlAttr | undefined): number {
  return a !== undefined && a.len >= 1 ? a.buf[a.off] : 0;
}
export function nla_get_u16(a: NlAttr | undefined): number {
  return a !== undefined && a.len >= 2 ? a.dv.getUint16(a.off, true) : 0;
}
export function nla_get_be16(a: NlAttr | undefined): number {
  return a !== undefined && a.len >= 2 ? a.dv.getUint16(a.off) : 0;
}
export function nla_get_u32(a: NlAttr | undefined): number {
  return a !== undefined && a.len >= 4 ? a.dv.getUint32(a.off, true) : 0;
}
export function nla_get_s32(a: NlAttr | undefined): number {
  return a !== undefined && a.len >= 4 ? a.dv.getInt32(a.off, true) : 0;
}
/** An IPv4 address as int32. */
export function nla_get_in_addr(a: NlAttr | undefined): number {
  return a !== undefined && a.len >= 4 ? a.dv.getInt32(a.off) : 0;
}
export function nla_get_u64(a: NlAttr | undefined): number {
  return a !== undefined && a.len >= 8 ? nl_get_u64(a.dv, a.off) : 0;
}
/** The string up to its NUL or the end of the attribute. */
export function nla_get_string(a: NlAttr | undefined): string {
  if (a === undefined) return "";
  let n = 0;
  while (n < a.len && a.buf[a.off + n] !== 0) n++;
  return utf8_decode(a.buf, a.off, n);
}
/** The payload as a view. */
export function nla_data(a: NlAttr): Uint8Array {
  return a.buf.subarray(a.off, a.off + a.len);
}
