// IGMP versions 1 to 3 (RFC 1112, 2236, 3376). Way in: print_igmp.

import { fold_sum, g8, g16, g32, has, hex, ip4_text, type Printer, sum_bytes, trunc } from "./printer.ts";

const RECORD_TYPES: ReadonlyMap<number, string> = new Map([
  [1, "is_in"],
  [2, "is_ex"],
  [3, "to_in"],
  [4, "to_ex"],
  [5, "allow"],
  [6, "block"],
]);

export const group_record_type = (type: number): string => RECORD_TYPES.get(type) ?? `[unknown type ${type}]`;

/** A time in tenths of a second, or in the floating code of RFC 3376 section 4.1.1. */
const query_v3 = (p: Printer, at: number, len: number): undefined => {
  p.out += " v3";
  if (len < 12 || (len - 12) & 3) {
    p.out += ` [invalid len ${len}]`;
    return;
  }
  if (!has(p, at, 2)) return trunc(p, "igmp");
  const code = g8(p, at + 1);
  const tenths = code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3);
  if (tenths !== 100) {
    p.out += " [max resp time ";
    if (tenths < 600) p.out += `${Math.floor(tenths / 10)}.${tenths % 10}s`.replace(".0s", "s");
    else p.out += `${Math.floor(tenths / 10)}s`;
    p.out += "]";
  }
  if (!has(p, at, 12)) return trunc(p, "igmp");
  const nsrcs = g16(p, at + 10);
  if (g32(p, at + 4) === 0) return;
  p.out += ` [gaddr ${ip4_text(p, at + 4)}`;
  if (nsrcs > 0) {
    if (len < 12 + nsrcs * 4) p.out += ` [invalid number of sources ${nsrcs}]`;
    else if (p.v > 1) {
      p.out += " {";
      for (let i = 0; i < nsrcs; i++) {
        if (!has(p, at + 12 + i * 4, 4)) return trunc(p, "igmp");
        p.out += ` ${ip4_text(p, at + 12 + i * 4)}`;
      }
      p.out += " }";
    } else p.out += `, ${nsrcs} source(s)`;
  }
  p.out += "]";
};

const report_v3 = (p: Printer, at: number, len: number): undefined => {
  p.out += " v3 report";
  if (len < 16 || len & 3) {
    p.out += ` [invalid len ${len}]`;
    return;
  }
  if (!has(p, at, 8)) return trunc(p, "igmp");
  const n = g16(p, at + 6);
  p.out += `, ${n} group record(s)`;
  if (p.v === 0) return;
  let group = 8;
  for (let i = 0; i < n; i++) {
    if (len < group + 8) {
      p.out += " [invalid number of groups]";
      return;
    }
    if (!has(p, at + group, 8)) return trunc(p, "igmp");
    p.out += ` [gaddr ${ip4_text(p, at + group + 4)} ${group_record_type(g8(p, at + group))}`;
    const nsrcs = g16(p, at + group + 2);
    if (len < group + 8 + nsrcs * 4) {
      p.out += ` [invalid number of sources ${nsrcs}]`;
      return;
    }
    if (p.v > 1) {
      p.out += " {";
      for (let j = 0; j < nsrcs; j++) {
        const s = at + group + 8 + j * 4;
        if (!has(p, s, 4)) return trunc(p, "igmp");
        p.out += ` ${ip4_text(p, s)}`;
      }
      p.out += " }";
    } else p.out += `, ${nsrcs} source(s)`;
    p.out += "]";
    group += 8 + nsrcs * 4;
  }
};

export const print_igmp = (p: Printer, at: number, len: number): undefined => {
  if (p.o.q) {
    p.out += "igmp";
    return;
  }
  if (!has(p, at, 1)) return trunc(p, "igmp");
  switch (g8(p, at)) {
    case 0x11:
      p.out += "igmp query";
      if (len >= 12) query_v3(p, at, len);
      else {
        if (!has(p, at, 2)) return trunc(p, "igmp");
        const code = g8(p, at + 1);
        p.out += code ? " v2" : " v1";
        if (code && code !== 100) p.out += ` [max resp time ${code}]`;
        if (!has(p, at, 8)) return trunc(p, "igmp");
        if (g32(p, at + 4)) p.out += ` [gaddr ${ip4_text(p, at + 4)}]`;
        if (len !== 8) p.out += ` [len ${len}]`;
      }
      break;
    case 0x12:
    case 0x16:
    case 0x17: {
      if (!has(p, at, 8)) return trunc(p, "igmp");
      const what = g8(p, at) === 0x12 ? "v1 report" : g8(p, at) === 0x16 ? "v2 report" : "leave";
      p.out += `igmp ${what} ${ip4_text(p, at + 4)}`;
      if (len !== 8) p.out += ` [len ${len}]`;
      break;
    }
    case 0x22:
      p.out += "igmp";
      report_v3(p, at, len);
      break;
    default:
      p.out += `igmp-${g8(p, at)}`;
  }
  if (p.v > 0 && has(p, at, len) && fold_sum(sum_bytes(p, at, len)) !== 0) {
    p.out += ` bad igmp cksum ${hex(g16(p, at + 2))}!`;
  }
};
