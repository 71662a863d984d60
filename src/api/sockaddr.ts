// Addresses in text and as struct sockaddr (ip(7), ipv6(7)). Way in: sockaddrOf(), readSockaddr().

import { AF_INET, AF_INET6, AF_UNIX } from "../uapi/socket.ts";
import { SystemError } from "./errors.ts";

export interface SocketName {
  address: string;
  family: "IPv4" | "IPv6";
  port: number;
}

/** Four decimal numbers without leading zeros, as inet_pton(3). */
export function isIPv4(text: string): boolean {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256);
}

/** RFC 4291 section 2.2, with a zone (RFC 4007) at most. */
export function isIPv6(text: string): boolean {
  const m = /^([0-9a-fA-F:.]+)(%[^%\s]+)?$/.exec(text);
  if (m === null) return false;
  let s = m[1]!;
  const quad = /(?:^|:)(\d[\d.]*\.\d+)$/.exec(s);
  if (quad !== null) {
    if (!isIPv4(quad[1]!)) return false;
    s = `${s.slice(0, s.length - quad[1]!.length)}0:0`;
  }
  const halves = s.split("::");
  if (halves.length > 2) return false;
  const words = halves.flatMap((h) => (h === "" ? [] : h.split(":")));
  if (!words.every((w) => /^[0-9a-fA-F]{1,4}$/.test(w))) return false;
  return halves.length === 2 ? words.length <= 7 : words.length === 8;
}

export const isIP = (text: string): 0 | 4 | 6 => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);

/** Dotted quad → int32; throws SystemError. */
export function parseAddress(address: string): number {
  if (!isIPv4(address)) throw new SystemError(-22, `address "${address}"`);
  return address.split(".").reduce((n, p) => (n << 8) | Number(p), 0);
}

/** Sixteen bytes for IPv4, 28 for IPv6, null for text that is no address. */
export function sockaddrOf(address: string, port: number): Uint8Array | null {
  const v4 = isIPv4(address);
  if (!v4 && !isIPv6(address)) return null;
  const sa = new Uint8Array(v4 ? 16 : 28);
  const dv = new DataView(sa.buffer);
  dv.setUint16(0, v4 ? AF_INET : AF_INET6, true);
  dv.setUint16(2, port);
  if (v4) dv.setInt32(4, parseAddress(address));
  else sa.set(parseV6(address), 8);
  return sa;
}

function parseV6(text: string): Uint8Array {
  const out = new Uint8Array(16);
  let s = text.replace(/%.*$/, "");
  const quad = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(s);
  if (quad) {
    const hex = (a: string, b: string): string => ((Number(a) << 8) | Number(b)).toString(16);
    s = `${quad[1]}${hex(quad[2]!, quad[3]!)}:${hex(quad[4]!, quad[5]!)}`;
  }
  const [head = "", tail] = s.split("::");
  const words = (t: string): number[] => (t === "" ? [] : t.split(":").map((w) => Number.parseInt(w, 16)));
  const a = words(head);
  const b = tail === undefined ? [] : words(tail);
  const all = tail === undefined ? a : [...a, ...Array<number>(8 - a.length - b.length).fill(0), ...b];
  all.forEach((w, i) => {
    out[2 * i] = w >> 8;
    out[2 * i + 1] = w & 255;
  });
  return out;
}

/** struct sockaddr_un of a path, or of an abstract name ("\0name"); what is too long is cut, as libuv does. */
export function sockaddrUn(path: string): Uint8Array {
  const abstract = path.startsWith("\0");
  const name = new TextEncoder().encode(path).subarray(0, abstract ? 108 : 107);
  const sa = new Uint8Array(2 + name.length + (abstract ? 0 : 1));
  sa[0] = AF_UNIX;
  sa.set(name, 2);
  return sa;
}

export function readSockaddr(sa: Uint8Array): SocketName {
  const port = (sa[2]! << 8) | sa[3]!;
  if ((sa[0]! | (sa[1]! << 8)) === AF_INET6) return { address: formatV6(sa.subarray(8, 24)), family: "IPv6", port };
  return { address: `${sa[4]}.${sa[5]}.${sa[6]}.${sa[7]}`, family: "IPv4", port };
}

/** RFC 5952: the longest run of zeros is "::", and a mapped address ends as the IPv4 one that it is. */
function formatV6(b: Uint8Array): string {
  const w: number[] = [];
  for (let i = 0; i < 16; i += 2) w.push((b[i]! << 8) | b[i + 1]!);
  let best = -1;
  let len = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && w[j] === 0) j++;
    if (j - i > len) {
      best = i;
      len = j - i;
    }
  }
  const hex = (x: number[]): string => x.map((n) => n.toString(16)).join(":");
  if (best === 0 && len === 5 && w[5] === 0xffff) return `::ffff:${b[12]}.${b[13]}.${b[14]}.${b[15]}`;
  return best < 0 ? hex(w) : `${hex(w.slice(0, best))}::${hex(w.slice(best + len))}`;
}
