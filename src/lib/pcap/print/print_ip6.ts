// IPv6 headers and extension headers (RFC 8200). Way in: print_ip6.

import { demux } from "./print_ip.ts";
import {
  g8,
  g16,
  g32,
  has,
  hex,
  type IpContext,
  ip_proto_name,
  ip6_text,
  MAX_DEPTH,
  type Printer,
  trunc,
} from "./printer.ts";

const HOPOPTS = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DSTOPTS = 60;

/** Options of the hop-by-hop and destination headers, with -v. @returns false at the end of the capture */
const options = (p: Printer, at: number, len: number): boolean => {
  for (let i = 0; i < len; ) {
    if (!has(p, at + i, 1)) return false;
    const type = g8(p, at + i);
    if (type === 0) {
      // A run of Pad1 counts as one.
      p.out += "(pad1)";
      i++;
      continue;
    }
    if (i + 2 > len || !has(p, at + i, 2)) return false;
    const n = g8(p, at + i + 1);
    if (i + 2 + n > len) return false;
    if (type === 1) p.out += "(padn)";
    else if (type === 5)
      p.out += n === 2 ? `(rtalert: 0x${hex(g16(p, at + i + 2), 4)})` : `(rtalert: invalid len ${n})`;
    else p.out += `(opt_type 0x${hex(type, 2)}: len=${n})`;
    i += 2 + n;
    if (i < len) p.out += " ";
  }
  p.out += " ";
  return true;
};

const ROUTING_TYPES: ReadonlyMap<number, string> = new Map([
  [0, " [Deprecated]"],
  [2, ""],
  [3, ""],
  [4, ""],
]);

const routing = (p: Printer, at: number): number => {
  if (!has(p, at, 4)) return -1;
  const len = g8(p, at + 1);
  const type = g8(p, at + 2);
  p.out += `RT6 (len=${len}, type=${type}${ROUTING_TYPES.get(type) ?? ""}, segleft=${g8(p, at + 3)}`;
  if (type === 0 || type === 2) {
    if (!has(p, at, 8)) return -1;
    const reserved = g32(p, at + 4);
    if (reserved !== 0 || p.v > 0) p.out += `, rsv=0x${hex(reserved)}`;
    if (len % 2 === 1) return -1;
    for (let i = 0; i < len / 2; i++) {
      if (!has(p, at + 8 + i * 16, 16)) return -1;
      p.out += `, [${i}]${ip6_text(p, at + 8 + i * 16)}`;
    }
  }
  p.out += ") ";
  return (len + 1) * 8;
};

/** @returns the header's length, -1 at the end of the capture, -2 for a fragment that is not the first */
const fragment = (p: Printer, at: number, len: number): number => {
  if (!has(p, at, p.v > 0 ? 8 : 4)) return -1;
  const off = g16(p, at + 2) & 0xfff8;
  p.out += p.v > 0 ? `frag (0x${hex(g32(p, at + 4), 8)}:${off}|${len - 8})` : `frag (${off}|${len - 8})`;
  if (off !== 0) return -2;
  p.out += " ";
  return 8;
};

export const print_ip6 = (p: Printer, at: number, length: number): undefined => {
  if (!has(p, at, 40) || length < 40) return trunc(p, "ip6");
  if (++p.depth > MAX_DEPTH) {
    p.out += "[too many layers]";
    return;
  }
  if (!p.o.e) p.out += "IP6 ";
  const first = g32(p, at);
  if (first >>> 28 !== 6) {
    p.out += `version error: ${first >>> 28} != 6`;
    return;
  }
  const len = g16(p, at + 4) + 40;
  if (length < len) {
    p.out += `truncated-ip6 - ${len - length} bytes missing!`;
  }
  const payload_len = g16(p, at + 4);
  let next = g8(p, at + 6);
  if (p.v > 0) {
    const cls = (first >>> 20) & 255;
    const flow = first & 0xfffff;
    p.out += "(";
    if (cls) p.out += `class 0x${hex(cls, 2)}, `;
    if (flow) p.out += `flowlabel 0x${hex(flow, 5)}, `;
    p.out += `hlim ${g8(p, at + 7)}, next-header ${ip_proto_name(next)} (${next}) payload length: ${payload_len}) `;
  }
  const saved_end = p.end;
  p.end = Math.min(p.end, at + len);
  const c: IpContext = { ip: at, family: 6, dst: at + 24, fragmented: false, addresses_printed: false };
  let i = 40;
  const end = (cut_in: string): undefined => {
    if (cut_in) trunc(p, cut_in);
    p.end = saved_end;
  };
  while (i < len && at + i < p.end) {
    if (next !== 6 && next !== 17 && !c.addresses_printed) {
      p.out += `${ip6_text(p, at + 8)} > ${ip6_text(p, at + 24)}: `;
      c.addresses_printed = true;
    }
    let hdr: number;
    if (next === HOPOPTS || next === DSTOPTS) {
      const name = next === HOPOPTS ? "hbhopt" : "dstopt";
      hdr = (g8(p, at + i + 1) + 1) * 8;
      if (!has(p, at + i, hdr)) return end(name);
      p.out += next === HOPOPTS ? "HBH " : "DSTOPT ";
      if (p.v > 0 && !options(p, at + i + 2, hdr - 2)) return end(name);
    } else if (next === ROUTING) {
      hdr = routing(p, at + i);
      const type = g8(p, at + i + 2);
      if (hdr > 8 && (type === 0 || type === 2)) c.dst = at + i + hdr - 16;
    } else if (next === FRAGMENT) {
      hdr = fragment(p, at + i, len - i);
      c.fragmented = true;
    } else {
      demux(p, next, at + i, len - i, c);
      return end("");
    }
    if (hdr < 0) return end(hdr === -1 ? (next === ROUTING ? "rt6" : "frag6") : "");
    next = g8(p, at + i);
    i += hdr;
  }
  if (!c.addresses_printed) p.out += `${ip6_text(p, at + 8)} > ${ip6_text(p, at + 24)}: `;
  if (next === 59) p.out += "no next header";
  end("");
};
