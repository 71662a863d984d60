// What ping says of ICMP errors, IP options and quoted headers. Read first: RFC 792, RFC 791 §3.1, ping(8). Way in: icmpText.

import { inetNtoa, view } from "../lib/inet.ts";

const UNREACH: readonly string[] = [
  "Destination Net Unreachable",
  "Destination Host Unreachable",
  "Destination Protocol Unreachable",
  "Destination Port Unreachable",
  "Frag needed and DF set (mtu = %)",
  "Source Route Failed",
  "Destination Net Unknown",
  "Destination Host Unknown",
  "Source Host Isolated",
  "Destination Net Prohibited",
  "Destination Host Prohibited",
  "Destination Net Unreachable for Type of Service",
  "Destination Host Unreachable for Type of Service",
  "Packet filtered",
  "Precedence Violation",
  "Precedence Cutoff",
];
const REDIRECT: readonly string[] = [
  "Redirect Network",
  "Redirect Host",
  "Redirect Type of Service and Network",
  "Redirect Type of Service and Host",
];
const EXCEEDED: readonly string[] = ["Time to live exceeded", "Frag reassembly time exceeded"];

/** `info`: the MTU, the pointer or the gateway of the message, as the second word of its header holds it. */
export function icmpText(type: number, code: number, info: number): string {
  switch (type) {
    case 3:
      return (UNREACH[code] ?? `Dest Unreachable, Bad Code: ${code}`).replace("%", String(info >>> 0));
    case 4:
      return "Source Quench";
    case 5:
      return `${REDIRECT[code] ?? `Redirect, Bad Code: ${code}`}(New nexthop: ${inetNtoa(info)})`;
    case 11:
      return EXCEEDED[code] ?? `Time exceeded, Bad Code: ${code}`;
    case 12:
      return `Parameter problem: pointer = ${info >>> 24}`;
    default:
      return `Bad ICMP type: ${type}`;
  }
}

/** The quoted IP header that -v shows below an ICMP error. Its words are printed as the host reads them. */
export function quotedHeader(bytes: Uint8Array, at: number): string {
  const dv = view(bytes);
  const hex = (n: number, width: number): string => n.toString(16).padStart(width, "0");
  const hlen = bytes[at] & 15;
  const frag = dv.getUint16(at + 6, true);
  let text = "Vr HL TOS  Len   ID Flg  off TTL Pro  cks      Src      Dst Data\n";
  text += ` ${(bytes[at] >> 4).toString(16)}  ${hlen.toString(16)}  ${hex(bytes[at + 1], 2)}`;
  text += ` ${hex(dv.getUint16(at + 2, true), 4)} ${hex(dv.getUint16(at + 4, true), 4)}`;
  text += `   ${(frag >> 13) & 7} ${hex(frag & 0x1fff, 4)}`;
  text += `  ${hex(bytes[at + 8], 2)}  ${hex(bytes[at + 9], 2)} ${hex(dv.getUint16(at + 10, true), 4)}`;
  text += ` ${inetNtoa(dv.getInt32(at + 12))}  ${inetNtoa(dv.getInt32(at + 16))} `;
  for (let i = at + 20; i < at + hlen * 4 && i < bytes.length; i++) text += hex(bytes[i], 2);
  return `${text}\n`;
}

export const IPOPT_RR = 7;
export const IPOPT_TS = 68;

/** The 40 bytes of IP options for -R, or for -T with its prespecified hops. */
export function requestOptions(mode: "rr" | "tsonly" | "tsandaddr" | "tsprespec", hops: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(40);
  if (mode === "rr") {
    bytes.set([1, IPOPT_RR, 39, 4]);
    return bytes;
  }
  const length = mode === "tsonly" ? 40 : mode === "tsandaddr" ? 36 : 4 + hops.length * 8;
  bytes.set([IPOPT_TS, length, 5, mode === "tsonly" ? 0 : mode === "tsandaddr" ? 1 : 3]);
  const dv = view(bytes);
  for (let i = 0; i < hops.length; i++) dv.setInt32(4 + i * 8, hops[i]);
  return bytes;
}

/** What a reply's IP options say; `name` prints an address. `last` is the previous route, to say "(same route)". */
export function replyOptions(opts: Uint8Array, last: { route: string }, name: (addr: number) => string): string {
  let text = "";
  const dv = view(opts);
  for (let at = 0; at < opts.length; ) {
    const kind = opts[at];
    if (kind === 0) break;
    if (kind === 1) {
      at++;
      continue;
    }
    const len = opts[at + 1];
    if (len < 3 || at + len > opts.length) break;
    if (kind === IPOPT_RR) text += recordRoute(dv, at, len, last, name);
    else if (kind === IPOPT_TS) text += timestamps(dv, at, len, name);
    else text += `\nunknown option ${kind.toString(16)}`;
    at += len;
  }
  return text;
}

function recordRoute(
  dv: DataView,
  at: number,
  len: number,
  last: { route: string },
  name: (addr: number) => string,
): string {
  const end = at + Math.min(len, dv.getUint8(at + 2) - 1);
  const hops: number[] = [];
  for (let p = at + 3; p + 4 <= end; p += 4) hops.push(dv.getInt32(p));
  if (hops.length === 0) return "";
  const route = hops.join(" ");
  if (route === last.route) return "\t(same route)";
  last.route = route;
  return `\nRR: ${hops.map((h) => `\t${name(h)}\n`).join("")}`;
}

function timestamps(dv: DataView, at: number, len: number, name: (addr: number) => string): string {
  const end = at + Math.min(len, dv.getUint8(at + 2) - 1);
  const flags = dv.getUint8(at + 3) & 15;
  const over = dv.getUint8(at + 3) >> 4;
  let text = "";
  let previous: number | undefined;
  for (let p = at + 4; p + 4 <= end; p += 4) {
    let line = "\t";
    if (flags !== 0) {
      line += `${name(dv.getInt32(p))}\t`;
      p += 4;
      if (p + 4 > end) break;
    }
    const stamp = dv.getUint32(p);
    const standard = stamp < 0x80000000;
    if (previous === undefined) line += `${stamp & 0x7fffffff} absolute${standard ? "" : " not-standard"}`;
    else line += `${(stamp & 0x7fffffff) - previous}${standard ? "" : " not-standard"}`;
    previous = stamp & 0x7fffffff;
    text += `${line}\n`;
  }
  if (text === "") return "";
  return `\nTS: ${text}${over > 0 ? `Unrecorded hops: ${over}\n` : ""}`;
}
