// Addresses and socket bytes for programs: inet_aton(3), struct sockaddr_in, struct cmsghdr, struct ifreq, the RFC 1071 sum.
// Read first: inet(3), cmsg(3), netdevice(7). Way in: `sockaddrIn(addr, port)`, `inetAton(text)`, `cmsgs(msg)`.

import { IFNAMSIZ, IFREQ_LEN } from "../../uapi/if.ts";
import { AF_INET, SOCKADDR_IN_LEN } from "../../uapi/socket.ts";
import type { MsgHdr } from "../../uapi/sys.ts";

/** A DataView over exactly these bytes. */
export function view(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** "10.0.0.1" of an int32. */
export function inetNtoa(addr: number): string {
  return `${addr >>> 24}.${(addr >>> 16) & 255}.${(addr >>> 8) & 255}.${addr & 255}`;
}

/** inet_aton(3): "a.b.c.d", "a.b.c", "a.b", "a"; each part decimal, 0x hex or 0 octal. undefined when it is not one. */
export function inetAton(text: string): number | undefined {
  const parts = text.split(".");
  if (parts.length > 4) return undefined;
  let addr = 0;
  for (let i = 0; i < parts.length; i++) {
    const p = parts[i];
    if (!/^(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)$/.test(p)) return undefined;
    const value = p.length > 1 && p[0] === "0" && !/^0[xX]/.test(p) ? Number.parseInt(p, 8) : Number(p);
    const last = i === parts.length - 1;
    const limit = last ? 2 ** (8 * (4 - i)) : 256;
    if (value >= limit) return undefined;
    addr += last ? value : value * 2 ** (24 - 8 * i);
  }
  return addr | 0;
}

/** inet_pton(AF_INET): four decimal parts only. */
export function inetPton(text: string): number | undefined {
  const m = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (m === null) return undefined;
  let addr = 0;
  for (let i = 1; i <= 4; i++) {
    if (Number(m[i]) > 255 || (m[i].length > 1 && m[i][0] === "0")) return undefined;
    addr = (addr << 8) | Number(m[i]);
  }
  return addr | 0;
}

export function isMulticast(addr: number): boolean {
  return addr >>> 28 === 0xe;
}

/** struct sockaddr_in. */
export function sockaddrIn(addr: number, port: number): Uint8Array {
  const sa = new Uint8Array(SOCKADDR_IN_LEN);
  const dv = view(sa);
  dv.setUint16(0, AF_INET, true);
  dv.setUint16(2, port, false);
  dv.setInt32(4, addr, false);
  return sa;
}

export function sockaddrFamily(sa: Uint8Array): number {
  return sa[0] | (sa[1] << 8);
}

export function sockaddrPort(sa: Uint8Array): number {
  return (sa[2] << 8) | sa[3];
}

/** The int32 address of a struct sockaddr_in. */
export function sockaddrAddr(sa: Uint8Array): number {
  return (sa[4] << 24) | (sa[5] << 16) | (sa[6] << 8) | sa[7];
}

/** A struct msghdr with one buffer, a name of `name` bytes and `control` bytes of ancillary data (0: none). */
export function msghdr(iov: Uint8Array, name: Uint8Array | null, control = 0): MsgHdr {
  return {
    msg_name: name,
    msg_namelen: name === null ? 0 : name.length,
    msg_iov: [iov],
    msg_control: control === 0 ? null : new Uint8Array(control),
    msg_controllen: control,
    msg_flags: 0,
  };
}

/** Makes a struct msghdr of msghdr() ready for the next receive. */
export function resetMsghdr(msg: MsgHdr): void {
  msg.msg_namelen = msg.msg_name === null ? 0 : msg.msg_name.length;
  msg.msg_controllen = msg.msg_control === null ? 0 : msg.msg_control.length;
  msg.msg_flags = 0;
}

export interface Cmsg {
  level: number;
  type: number;
  data: Uint8Array;
}

/** The ancillary messages that a receive left in msg_control: 16-byte header (u64 length, level, type), 8-byte alignment. */
export function cmsgs(msg: MsgHdr): Cmsg[] {
  const out: Cmsg[] = [];
  if (msg.msg_control === null) return out;
  const dv = view(msg.msg_control);
  const end = Math.min(msg.msg_controllen, msg.msg_control.length);
  for (let at = 0; at + 16 <= end; ) {
    const len = dv.getUint32(at, true);
    if (len < 16 || at + len > end) break;
    out.push({
      level: dv.getInt32(at + 8, true),
      type: dv.getInt32(at + 12, true),
      data: msg.msg_control.subarray(at + 16, at + len),
    });
    at += (len + 7) & ~7;
  }
  return out;
}

/** struct sock_extended_err with its offender, as IP_RECVERR delivers it. */
export interface SockExtendedErr {
  ee_errno: number;
  ee_origin: number;
  ee_type: number;
  ee_code: number;
  ee_info: number;
  ee_data: number;
  /** int32, or undefined for an error without one (local origin). */
  offender: number | undefined;
}

export function sockExtendedErr(data: Uint8Array): SockExtendedErr {
  const dv = view(data);
  const hasOffender = data.length >= 24 && dv.getUint16(16, true) === AF_INET;
  return {
    ee_errno: dv.getUint32(0, true),
    ee_origin: data[4],
    ee_type: data[5],
    ee_code: data[6],
    ee_info: dv.getUint32(8, true),
    ee_data: dv.getUint32(12, true),
    offender: hasOffender ? dv.getInt32(20, false) : undefined,
  };
}

/** The 16 bytes of struct timeval. */
export function timeval(ns: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const dv = view(bytes);
  const us = Math.floor(ns / 1000);
  setUint64(dv, 0, Math.floor(us / 1e6));
  setUint64(dv, 8, us % 1e6);
  return bytes;
}

/** A u64 in host order as a number; exact below 2^53. */
export function getUint64(dv: DataView, at: number): number {
  return dv.getUint32(at + 4, true) * 2 ** 32 + dv.getUint32(at, true);
}

export function setUint64(dv: DataView, at: number, value: number): void {
  dv.setUint32(at, value % 2 ** 32, true);
  dv.setUint32(at + 4, Math.floor(value / 2 ** 32), true);
}

/** Four bytes of an int, for options that take their value as bytes. */
export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  view(bytes).setInt32(0, value, true);
  return bytes;
}

/** The Internet checksum (RFC 1071) over bytes [from, to), big-endian words. 0 over data that carries a right one. */
export function inetChecksum(bytes: Uint8Array, from = 0, to = bytes.length): number {
  let sum = 0;
  let i = from;
  for (; i + 1 < to; i += 2) sum += (bytes[i] << 8) | bytes[i + 1];
  if (i < to) sum += bytes[i] << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** A struct ifreq for the named interface (at most 15 bytes are kept), with `extra` bytes behind it. */
export function ifreq(name: string, extra = 0): Uint8Array {
  const ifr = new Uint8Array(IFREQ_LEN + extra);
  for (let i = 0; i < name.length && i < IFNAMSIZ - 1; i++) ifr[i] = name.charCodeAt(i);
  return ifr;
}

/** A C string in a fixed field. */
export function cstring(bytes: Uint8Array, at: number, max: number): string {
  let text = "";
  for (let i = at; i < at + max && i < bytes.length && bytes[i] !== 0; i++) text += String.fromCharCode(bytes[i]);
  return text;
}

/** "02:00:00:00:00:01". */
export function macNtoa(bytes: Uint8Array, at = 0, len = 6): string {
  let text = "";
  for (let i = 0; i < len; i++) text += `${i === 0 ? "" : ":"}${bytes[at + i].toString(16).padStart(2, "0")}`;
  return text;
}

/** Six bytes of "2:0:0:0:0:1" (each part one or two hex digits), or undefined. */
export function macAton(text: string): Uint8Array | undefined {
  const parts = text.split(":");
  if (parts.length !== 6 || !parts.every((p) => /^[0-9a-fA-F]{1,2}$/.test(p))) return undefined;
  return Uint8Array.from(parts, (p) => Number.parseInt(p, 16));
}
