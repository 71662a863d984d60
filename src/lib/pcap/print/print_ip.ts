// IPv4 headers with options, fragments, and what they carry (RFC 791). Way in: print_ip.

import { print_icmp } from "./print_icmp.ts";
import { print_icmp6 } from "./print_icmp6.ts";
import { print_igmp } from "./print_igmp.ts";
import { print_ip6 } from "./print_ip6.ts";
import { print_ethertype } from "./print_link.ts";
import { print_tcp } from "./print_tcp.ts";
import { print_udp } from "./print_udp.ts";
import {
  bits_text,
  dst_text,
  fold_sum,
  g8,
  g16,
  g32,
  has,
  hex,
  type IpContext,
  ip_proto_name,
  ip4_text,
  MAX_DEPTH,
  type Printer,
  should_be,
  src_text,
  sum_bytes,
  trunc,
} from "./printer.ts";

const OPTION_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "EOL"],
  [1, "NOP"],
  [7, "RR"],
  [68, "timestamp"],
  [130, "security"],
  [131, "LSRR"],
  [137, "SSRR"],
  [148, "RA"],
  [205, "FRR"],
]);

const route_option = (p: Printer, at: number, len: number): undefined => {
  if (len < 3) {
    p.out += ` [bad length ${len}]`;
    return;
  }
  if ((len + 1) & 3) p.out += ` [bad length ${len}]`;
  const ptr = g8(p, at + 2) - 1;
  if (ptr < 3 || (ptr + 1) & 3) p.out += ` [bad ptr ${g8(p, at + 2)}]`;
  for (let i = 3; i < len; i += 4) {
    p.out += ` ${ip4_text(p, at + i)}`;
    if (ptr > i) p.out += ",";
  }
};

const timestamp_option = (p: Printer, at: number, len: number): undefined => {
  if (len < 4) {
    p.out += `[bad length ${len}]`;
    return;
  }
  p.out += " TS{";
  const flag = g8(p, at + 3) & 15;
  let size = flag === 0 ? 4 : 8;
  if (flag === 0) p.out += "TSONLY";
  else if (flag === 1) p.out += "TS+ADDR";
  else if (flag === 3) p.out += "PRESPEC";
  else {
    p.out += `[bad ts type ${flag}]`;
    size = 4;
  }
  const ptr = g8(p, at + 2) - 1;
  for (let i = 4; i < len; i += size) {
    if (i + size > len) break;
    if (ptr === i) p.out += " ^ ";
    const address = size === 8 ? ip4_text(p, at + i) : "";
    p.out += `${ptr === i ? "" : " "}${g32(p, at + i + size - 4)}@${address}`;
  }
  if (ptr === len) p.out += " ^ ";
  const overflow = g8(p, at + 3) >> 4;
  p.out += overflow ? ` [${overflow} hops not recorded]} ` : "}";
};

const print_options = (p: Printer, at: number, end: number): undefined => {
  let sep = "";
  while (at < end) {
    p.out += sep;
    sep = ",";
    const type = g8(p, at);
    p.out += OPTION_NAMES.get(type) ?? `unknown ${type}`;
    if (type === 0 || type === 1) {
      at++;
      if (type === 0) return;
      continue;
    }
    const len = at + 1 < end ? g8(p, at + 1) : 0;
    if (len < 2 || at + len > end) {
      p.out += ` [bad length ${len}]`;
      return;
    }
    if (!has(p, at, len)) {
      p.out += " [truncated-option]";
      return;
    }
    if (type === 7 || type === 131 || type === 137) route_option(p, at, len);
    else if (type === 68) timestamp_option(p, at, len);
    else if (type === 148) {
      if (len < 4) p.out += ` [bad length ${len}]`;
      else if (g16(p, at + 2) !== 0) p.out += ` value ${g16(p, at + 2)}`;
    }
    at += len;
  }
};

/** Where the destination address for checksums is: the last hop of a source route, else the header's. */
const final_destination = (p: Printer, at: number, hlen: number): number => {
  for (let i = 20; i < hlen; ) {
    const type = g8(p, at + i);
    const len = type < 2 ? 1 : i + 1 < hlen ? g8(p, at + i + 1) : 0;
    if (type === 0 || len === 0 || i + len > hlen) break;
    if ((type === 131 || type === 137) && len >= 7) return at + i + len - 4;
    i += len;
  }
  return at + 16;
};

const IP_FLAGS = [
  [0x2000, "+"],
  [0x4000, "DF"],
  [0x8000, "rsvd"],
] as const;

const print_esp = (p: Printer, at: number, len: number): undefined => {
  if (!has(p, at, 8)) return trunc(p, "esp");
  p.out += `ESP(spi=0x${hex(g32(p, at), 8)},seq=0x${hex(g32(p, at + 4))}), length ${len}`;
};

const print_ah = (p: Printer, at: number, len: number, c: IpContext): undefined => {
  p.out += "AH(";
  if (!has(p, at, 2)) return trunc(p, "ah");
  const sumlen = g8(p, at + 1) * 4;
  if (p.v > 0) p.out += `length=${g8(p, at + 1)}(${sumlen + 8}-bytes),`;
  if (!has(p, at, 8)) return trunc(p, "ah");
  const reserved = g16(p, at + 2);
  if (reserved) p.out += "reserved[not MBZ],";
  p.out += `spi=0x${hex(g32(p, at + 4), 8)},`;
  if (!has(p, at, 12)) return trunc(p, "ah");
  p.out += `seq=0x${hex(g32(p, at + 8))}`;
  if (!has(p, at, sumlen + 8)) return trunc(p, "ah");
  if (sumlen > 4) {
    p.out += ",icv=0x";
    for (let i = 12; i < sumlen + 8; i++) p.out += hex(g8(p, at + i), 2);
  }
  p.out += "): ";
  demux(p, g8(p, at), at + sumlen + 8, len - sumlen - 8, { ...c, addresses_printed: true });
};

const GRE_FLAGS = [
  [0x8000, "checksum present"],
  [0x4000, "routing present"],
  [0x2000, "key present"],
  [0x1000, "sequence# present"],
  [0x0800, "source routing present"],
] as const;

/** GRE version 0 (RFC 2784, RFC 2890). */
const print_gre = (p: Printer, at: number, len: number): undefined => {
  if (!has(p, at, 4)) return trunc(p, "gre");
  const flags = g16(p, at);
  const version = flags & 7;
  p.out += `GREv${version}`;
  if (version !== 0) {
    p.out += ` unknown-vers`;
    return;
  }
  if (p.v > 0) p.out += `, Flags [${bits_text(GRE_FLAGS, flags)}]`;
  const type = g16(p, at + 2);
  let hdr = 4;
  if (flags & 0xc000) {
    if (!has(p, at + hdr, 4)) return trunc(p, "gre");
    if (flags & 0x8000) p.out += `, sum 0x${hex(g16(p, at + hdr))}`;
    hdr += 4;
  }
  if (flags & 0x2000) {
    if (!has(p, at + hdr, 4)) return trunc(p, "gre");
    p.out += `, key=0x${hex(g32(p, at + hdr))}`;
    hdr += 4;
  }
  if (flags & 0x1000) {
    if (!has(p, at + hdr, 4)) return trunc(p, "gre");
    p.out += `, seq ${g32(p, at + hdr)}`;
    hdr += 4;
  }
  if (p.o.e) p.out += `, proto ${type === 0x0800 ? "IPv4" : type === 0x86dd ? "IPv6" : "unknown"} (0x${hex(type, 4)})`;
  p.out += `, length ${len}${p.v > 0 ? "\n\t" : ": "}`;
  if (type === 0x0800 || type === 0x86dd) print_ethertype(p, type, at + hdr, len - hdr);
  else p.out += `gre-proto-0x${hex(type)}`;
};

/** Prints what an IP header of either family carries. */
export const demux = (p: Printer, proto: number, at: number, len: number, c: IpContext): undefined => {
  switch (proto) {
    case 1:
      if (c.family === 4) return print_icmp(p, at, len, c);
      break;
    case 2:
      if (c.family === 4) return print_igmp(p, at, len);
      break;
    case 4:
      return print_ip(p, at, len);
    case 6:
      return print_tcp(p, at, len, c);
    case 17:
      return print_udp(p, at, len, c);
    case 41:
      return print_ip6(p, at, len);
    case 47:
      return print_gre(p, at, len);
    case 50:
      return print_esp(p, at, len);
    case 51:
      return print_ah(p, at, len, c);
    case 58:
      if (c.family === 6) return print_icmp6(p, at, len, c);
      break;
    case 59:
      if (c.family === 6) {
        p.out += "no next header";
        return;
      }
      break;
    case 143:
      if (c.family === 4) {
        p.out += "[Ethernet requires IPv6] (invalid)";
        return;
      }
      break;
  }
  p.out += ` ip-proto-${proto} ${len}`;
};

/** `embedded`: quoted in an ICMP error, where a datagram is cut on purpose. */
export const print_ip = (p: Printer, at: number, length: number, embedded = false): undefined => {
  if (!has(p, at, 1)) return trunc(p, "ip");
  const version = g8(p, at) >> 4;
  if (version !== 4) {
    p.out += version === 6 ? "IP6, wrong link-layer encapsulation (invalid)" : `IP${version} (invalid)`;
    return;
  }
  if (++p.depth > MAX_DEPTH) {
    p.out += "[too many layers]";
    return;
  }
  if (!p.o.e) p.out += "IP ";
  if (!has(p, at, 20)) return trunc(p, "ip");
  const hlen = (g8(p, at) & 15) * 4;
  if (hlen < 20) {
    p.out += `bad-hlen ${hlen}`;
    return;
  }
  const len = g16(p, at + 2);
  if (length < len && !embedded) p.out += `truncated-ip - ${len - length} bytes missing! `;
  if (len < hlen) {
    p.out += `bad-len ${len}`;
    return;
  }
  const whole = has(p, at, hlen);
  if (!whole && p.v === 0) {
    p.out += ` [remaining caplen(${p.end - at}) < header length(${hlen})]`;
    return trunc(p, "ip");
  }
  const saved_end = p.end;
  p.end = Math.min(p.end, at + len);
  const off = g16(p, at + 6);
  const proto = g8(p, at + 9);
  if (p.v > 0) {
    const tos = g8(p, at + 1);
    const ttl = g8(p, at + 8);
    p.out += `(tos 0x${hex(tos)}${["", ",ECT(1)", ",ECT(0)", ",CE"][tos & 3]}`;
    if (ttl >= 1) p.out += `, ttl ${ttl}`;
    p.out += `, id ${g16(p, at + 4)}, offset ${(off & 0x1fff) * 8}, flags [${bits_text(IP_FLAGS, off).replaceAll(", ", ", ")}]`;
    p.out += `, proto ${ip_proto_name(proto)} (${proto})`;
    p.out += `, length ${len}`;
    if (hlen > 20) {
      p.out += ", options (";
      print_options(p, at + 20, at + hlen);
      p.out += ")";
    }
    if (!p.o.K && whole) {
      const computed = fold_sum(sum_bytes(p, at, hlen));
      if (computed !== 0) {
        const field = g16(p, at + 10);
        p.out += `, bad cksum ${hex(field)} (->${hex(should_be(field, computed))})!`;
      }
    }
    p.out += ")\n    ";
  }
  const dst = final_destination(p, at, hlen);
  const c: IpContext = { ip: at, family: 4, dst, fragmented: (off & 0x3fff) !== 0, addresses_printed: false };
  if (!whole) {
    p.out += `${src_text(p, c)} > ${dst_text(p, c)}: `;
    trunc(p, "ip");
  } else if ((off & 0x1fff) !== 0) {
    p.out += `${src_text(p, c)} > ${dst_text(p, c)}: ip-proto-${proto}`;
  } else {
    if (proto !== 6 && proto !== 17) p.out += `${src_text(p, c)} > ${dst_text(p, c)}: `;
    demux(p, proto, at + hlen, len - hlen, c);
  }
  p.end = saved_end;
};
