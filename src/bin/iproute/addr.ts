// Protocol and link-layer addresses as iproute2 reads and prints them.
// Way in: parseAddress("10.0.0.1", AF_INET), parsePrefix("10/8", AF_UNSPEC), formatAddress(bytes).

import { ARPHRD_IPGRE, ARPHRD_SIT, ARPHRD_TUNNEL, ARPHRD_TUNNEL6 } from "../../uapi/if.ts";
import type { NlAttr } from "../../uapi/nlattr.ts";
import { nla_data } from "../../uapi/nlattr.ts";
import { AF_INET, AF_INET6, AF_PACKET, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Context } from "./context.ts";

export const AF_BRIDGE = 7;
export const AF_MPLS = 28;

export interface Prefix {
  family: number;
  /** Network order; empty for "default". */
  bytes: Uint8Array;
  bits: number;
  /** Whether a length was given. */
  explicit: boolean;
}

export const FAMILY_NAMES: readonly (readonly [number, string])[] = [
  [AF_INET, "inet"],
  [AF_INET6, "inet6"],
  [AF_PACKET, "link"],
  [AF_MPLS, "mpls"],
  [AF_BRIDGE, "bridge"],
];

export function familyName(family: number): string {
  return FAMILY_NAMES.find((f) => f[0] === family)?.[1] ?? "???";
}
function anyName(family: number): string {
  return family === AF_UNSPEC ? "any valid" : familyName(family);
}

export const addressBits = (family: number): number => (family === AF_INET ? 32 : family === AF_INET6 ? 128 : 0);

/** "10.0.0.1" and the short forms "10", "10.1" that fill with zeros. */
function parseInet4(text: string): Uint8Array | undefined {
  const parts = text.split(".");
  if (parts.length > 4) return undefined;
  const out = new Uint8Array(4);
  for (let i = 0; i < parts.length; i++) {
    if (!/^([0-9]+|0x[0-9a-f]+)$/i.test(parts[i])) return undefined;
    const v = parseInteger(parts[i]);
    if (v === undefined || v > 255) return undefined;
    out[i] = v;
  }
  return out;
}

export function parseInet6(text: string): Uint8Array | undefined {
  let t = text;
  const v4 = /^(.*:)([0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)$/.exec(t);
  if (v4 !== null) {
    const b = parseInet4(v4[2]);
    if (b === undefined) return undefined;
    t = `${v4[1]}${((b[0] << 8) | b[1]).toString(16)}:${((b[2] << 8) | b[3]).toString(16)}`;
  }
  const halves = t.split("::");
  if (halves.length > 2) return undefined;
  const words = (s: string): string[] => (s === "" ? [] : s.split(":"));
  const head = words(halves[0]);
  const tail = halves.length === 2 ? words(halves[1]) : [];
  const gap = 8 - head.length - tail.length;
  if (halves.length === 2 ? gap < 1 : gap !== 0) return undefined;
  const all = [...head, ...Array<string>(gap).fill("0"), ...tail];
  const out = new Uint8Array(16);
  for (let i = 0; i < 8; i++) {
    if (!/^[0-9a-f]{1,4}$/i.test(all[i])) return undefined;
    const v = Number.parseInt(all[i], 16);
    out[2 * i] = v >> 8;
    out[2 * i + 1] = v & 255;
  }
  return out;
}

/** An address, "default", "any" or "all"; undefined when it is none of the family's. */
function tryAddress(text: string, family: number): Prefix | undefined {
  if (text === "default" || text === "all" || text === "any") {
    if (family !== AF_INET && family !== AF_INET6 && family !== AF_UNSPEC) return undefined;
    const bytes = new Uint8Array(family === AF_INET ? 4 : family === AF_INET6 ? 16 : 0);
    return { family, bytes, bits: -1, explicit: false };
  }
  if (text.includes(":")) {
    if (family !== AF_UNSPEC && family !== AF_INET6) return undefined;
    const bytes = parseInet6(text);
    return bytes && { family: AF_INET6, bytes, bits: 128, explicit: false };
  }
  if (family !== AF_UNSPEC && family !== AF_INET) return undefined;
  const bytes = parseInet4(text);
  return bytes && { family: AF_INET, bytes, bits: 32, explicit: false };
}

function parseLength(text: string, family: number): number | undefined {
  if (/^[0-9]+$/.test(text)) {
    const n = Number(text);
    return n <= (addressBits(family) || 128) ? n : undefined;
  }
  const mask = family === AF_INET ? parseInet4(text) : undefined;
  if (mask === undefined) return undefined;
  const v = ((mask[0] << 24) | (mask[1] << 16) | (mask[2] << 8) | mask[3]) >>> 0;
  const bits = Math.clz32(~v);
  return v === (bits === 0 ? 0 : (-1 << (32 - bits)) >>> 0) ? bits : undefined;
}

export function tryPrefix(text: string, family: number): Prefix | undefined {
  if (text === "default" || text === "all" || text === "any")
    return { family, bytes: new Uint8Array(0), bits: 0, explicit: false };
  const slash = text.indexOf("/");
  const p = tryAddress(slash < 0 ? text : text.slice(0, slash), family);
  if (p === undefined) return undefined;
  if (slash >= 0) {
    const bits = parseLength(text.slice(slash + 1), p.family);
    if (bits === undefined) return undefined;
    p.bits = bits;
    p.explicit = true;
  }
  return p;
}

export function parseAddress(ctx: Context, text: string, family: number): Prefix {
  const p = tryAddress(text, family);
  if (p === undefined) ctx.fail(`Error: ${anyName(family)} address is expected rather than "${text}".\n`, 1);
  return p;
}
export function parsePrefix(ctx: Context, text: string, family: number): Prefix {
  const p = tryPrefix(text, family);
  if (p === undefined) ctx.fail(`Error: ${anyName(family)} prefix is expected rather than "${text}".\n`, 1);
  return p;
}

/** C's strtoul with base 0 over a whole word; undefined when it is none. */
export function parseInteger(text: string, base = 0): number | undefined {
  let t = text;
  const negative = t.startsWith("-");
  if (negative) t = t.slice(1);
  let v: number;
  if (base === 16 && /^(0x)?[0-9a-f]+$/i.test(t)) v = Number.parseInt(t.replace(/^0x/i, ""), 16);
  else if (base === 0 && /^0x[0-9a-f]+$/i.test(t)) v = Number.parseInt(t, 16);
  else if (base === 0 && /^0[0-7]*$/.test(t)) v = Number.parseInt(t, 8);
  else if (base !== 16 && /^[0-9]+$/.test(t) && !(base === 0 && t.startsWith("0"))) v = Number(t);
  else if (base === 10 && /^[0-9]+$/.test(t)) v = Number(t);
  else return undefined;
  return negative ? -v : v;
}

export function formatInet4(b: Uint8Array, at = 0): string {
  return `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;
}

/** As inet_ntop(3): RFC 5952, with dotted quads for mapped and compatible addresses. */
export function formatInet6(b: Uint8Array, at = 0): string {
  const w: number[] = [];
  for (let i = 0; i < 8; i++) w.push((b[at + 2 * i] << 8) | b[at + 2 * i + 1]);
  let best = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && w[i + n] === 0) n++;
    if (n > length) {
      best = i;
      length = n;
    }
    if (n > 0) i += n - 1;
  }
  const compatible = best === 0 && (length === 6 || (length === 5 && w[5] === 0xffff));
  const last = compatible ? 6 : 8;
  let out = "";
  for (let i = 0; i < last; i++) {
    if (i === best) {
      out += "::";
      i += length - 1;
      continue;
    }
    if (out !== "" && !out.endsWith(":")) out += ":";
    out += w[i].toString(16);
  }
  if (compatible) out += `${out.endsWith(":") ? "" : ":"}${formatInet4(b, at + 12)}`;
  return out;
}

export function formatAddress(family: number, b: Uint8Array): string {
  if (family === AF_INET && b.length >= 4) return formatInet4(b);
  if (family === AF_INET6 && b.length >= 16) return formatInet6(b);
  return "???";
}
export function formatAttr(family: number, a: NlAttr): string {
  return formatAddress(family, nla_data(a));
}

// --- link layer ------------------------------------------------------------------------------------------------

/** "02:00:00:00:00:01" (an IPv4 or IPv6 address on tunnels). */
export function formatLinkAddress(b: Uint8Array, type: number): string {
  if (b.length === 4 && (type === ARPHRD_TUNNEL || type === ARPHRD_SIT || type === ARPHRD_IPGRE)) return formatInet4(b);
  if (b.length === 16 && type === ARPHRD_TUNNEL6) return formatInet6(b);
  return Array.from(b, (x) => x.toString(16).padStart(2, "0")).join(":");
}

/** Bytes of "2:0:0:0:0:1" or of an IPv4 address. */
export function parseLinkAddress(ctx: Context, text: string): Uint8Array {
  const bad = (): never => ctx.fail(`"${text}" is invalid lladdr.\n`, 1);
  if (text.includes(".")) {
    const b = parseInet4(text);
    if (b === undefined) ctx.fail(`"${text}" is invalid lladdr.\n`, 1);
    return b;
  }
  const out: number[] = [];
  for (const part of text.split(":")) {
    if (!/^[0-9a-f]+$/i.test(part)) bad();
    const v = Number.parseInt(part, 16);
    if (v > 255) bad();
    out.push(v);
  }
  if (out.length > 20) bad();
  return Uint8Array.from(out);
}
