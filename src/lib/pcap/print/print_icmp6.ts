// ICMPv6: errors, echo, neighbour discovery, multicast listeners (RFC 4443, 4861, 2710, 3810). Way in: print_icmp6.

import { group_record_type } from "./print_igmp.ts";
import {
  bits_text,
  fold_sum,
  g8,
  g16,
  g32,
  has,
  hex,
  hex_only,
  type IpContext,
  ip6_text,
  mac_text,
  type Printer,
  port_text,
  pseudo_sum,
  should_be,
  sum_bytes,
  trunc,
} from "./printer.ts";

const TYPES: ReadonlyMap<number, string> = new Map([
  [1, "destination unreachable"],
  [2, "packet too big"],
  [3, "time exceeded"],
  [4, "parameter problem"],
  [128, "echo request"],
  [129, "echo reply"],
  [130, "multicast listener query"],
  [131, "multicast listener report"],
  [132, "multicast listener done"],
  [133, "router solicitation"],
  [134, "router advertisement"],
  [135, "neighbor solicitation"],
  [136, "neighbor advertisement"],
  [137, "redirect"],
  [138, "router renumbering"],
  [139, "node information query"],
  [140, "node information reply"],
  [141, "inverse neighbor solicitation"],
  [142, "inverse neighbor advertisement"],
  [143, "multicast listener report v2"],
  [144, "dad request"],
  [145, "dad reply"],
  [146, "mobile router solicitation"],
  [147, "mobile router advertisement"],
  [200, "mtrace response"],
  [201, "mtrace message"],
]);

const OPTIONS: ReadonlyMap<number, string> = new Map([
  [1, "source link-address"],
  [2, "destination link-address"],
  [3, "prefix info"],
  [4, "redirected header"],
  [5, "mtu"],
  [7, "advertisement interval"],
  [8, "homeagent information"],
  [24, "route info"],
  [25, "rdnss"],
  [31, "dnssl"],
]);

const PREFIX_FLAGS = [
  [0x80, "onlink"],
  [0x40, "auto"],
  [0x20, "router"],
] as const;
const RA_FLAGS = [
  [0x80, "managed"],
  [0x40, "other stateful"],
  [0x20, "home agent"],
] as const;
const NA_FLAGS = [
  [0x80, "router"],
  [0x40, "solicited"],
  [0x20, "override"],
] as const;
const PREFERENCES = ["medium", "high", "*reserved*", "low"];

const lifetime = (v: number): string => (v === 0xffffffff ? "infinity" : `${v}s`);

const option = (p: Printer, type: number, at: number, len: number): undefined => {
  p.out += `\n\t  ${OPTIONS.get(type) ?? "unknown"} option (${type}), length ${len} (${len / 8}): `;
  switch (type) {
    case 1:
    case 2:
      p.out += mac_text(p, at + 2, len - 2);
      break;
    case 3:
      p.out += `${ip6_text(p, at + 16)}/${g8(p, at + 2)}${len !== 32 ? "(bad)" : ""}`;
      p.out += `, Flags [${bits_text(PREFIX_FLAGS, g8(p, at + 3))}]`;
      p.out += `, valid time ${lifetime(g32(p, at + 4))}, pref. time ${lifetime(g32(p, at + 8))}`;
      break;
    case 5:
      p.out += ` ${g32(p, at + 4)}${len !== 8 ? ", bad option length" : ""}`;
      break;
    case 25:
      p.out += ` lifetime ${lifetime(g32(p, at + 4))},`;
      for (let i = 8; i + 16 <= len; i += 16) p.out += ` addr: ${ip6_text(p, at + i)}`;
      break;
  }
  if (p.v > 1) hex_only(p, at + 2, Math.min(at + len, p.end), "\n\t    ");
};

/** The options of a neighbour discovery message. @returns false at the end of the capture */
const options = (p: Printer, at: number, end: number): boolean => {
  while (at < end && at < p.end) {
    if (!has(p, at, 2)) return false;
    const len = g8(p, at + 1) * 8;
    if (len === 0 || !has(p, at, len) || at + len > end) return false;
    option(p, g8(p, at), at, len);
    at += len;
  }
  return true;
};

/** @returns 0, 1 for what ends without a length, -1 at the end of the capture */
const unreach = (p: Printer, at: number, len: number): 0 | 1 | -1 => {
  const quoted = (n: number): boolean => has(p, at, n);
  switch (g8(p, at + 1)) {
    case 0:
      p.out += ", unreachable route";
      break;
    case 1:
      p.out += ",  unreachable prohibited";
      break;
    case 2:
      p.out += ", beyond scope";
      if (!quoted(48)) return -1;
      p.out += ` ${ip6_text(p, at + 32)}, source address ${ip6_text(p, at + 16)}`;
      return 0;
    case 3:
      p.out += ", unreachable address";
      break;
    case 4: {
      p.out += ", unreachable port";
      if (!quoted(52)) return -1;
      const proto = g8(p, at + 14);
      const port = g16(p, at + 50);
      p.out += `, ${ip6_text(p, at + 32)}`;
      if (proto === 6) p.out += ` tcp port ${port_text(p, port, 6)}`;
      else if (proto === 17) p.out += ` udp port ${port_text(p, port, 17)}`;
      else p.out += ` protocol ${proto} port ${port} unreachable`;
      return 0;
    }
    default:
      p.out += `, unknown unreach code (${g8(p, at + 1)})`;
      if (p.v < 2) hex_only(p, at, Math.min(at + len, p.end));
      return 1;
  }
  if (!quoted(48)) return -1;
  p.out += ` ${ip6_text(p, at + 32)}`;
  return 0;
};

const mld_report_v2 = (p: Printer, at: number, len: number): boolean => {
  if (!has(p, at, 8)) return false;
  const n = g16(p, at + 6);
  p.out += `, ${n} group record(s)`;
  if (p.v === 0) return true;
  let group = 8;
  for (let i = 0; i < n; i++) {
    if (len < group + 20) {
      p.out += ` [invalid number of groups]`;
      return true;
    }
    if (!has(p, at + group, 20)) return false;
    p.out += ` [gaddr ${ip6_text(p, at + group + 4)} ${group_record_type(g8(p, at + group))}`;
    const nsrcs = g16(p, at + group + 2);
    if (len < group + 20 + nsrcs * 16) {
      p.out += ` [invalid number of sources ${nsrcs}]`;
      return true;
    }
    if (p.v > 1) {
      p.out += " {";
      for (let j = 0; j < nsrcs; j++) {
        const s = at + group + 20 + j * 16;
        if (!has(p, s, 16)) return false;
        p.out += ` ${ip6_text(p, s)}`;
      }
      p.out += " }";
    } else p.out += `, ${nsrcs} source(s)`;
    p.out += "]";
    group += 20 + nsrcs * 16;
  }
  return true;
};

/** The rest of a message after its name. @returns 0 done, 1 done without `, length`, -1 the capture ended */
const body = (p: Printer, type: number, at: number, len: number): 0 | 1 | -1 => {
  const end = at + len;
  const length = (): string => (p.v > 0 ? `, length ${len}` : "");
  const done = (ok: boolean, more: 0 | 1 = 0): 0 | 1 | -1 => (ok ? more : -1);
  switch (type) {
    case 1:
      return unreach(p, at, len);
    case 2:
      if (!has(p, at, 8)) return -1;
      p.out += `, mtu ${g32(p, at + 4)}`;
      return 0;
    case 3:
      if (g8(p, at + 1) === 0) {
        p.out += " in-transit";
        if (!has(p, at, 48)) return -1;
        p.out += ` for ${ip6_text(p, at + 32)}`;
      } else if (g8(p, at + 1) === 1) p.out += " in-transit (reassembly)";
      else p.out += `, unknown code (${g8(p, at + 1)})`;
      return 0;
    case 4:
      if (!has(p, at, 48)) return -1;
      p.out += [", erroneous", ", next header", ", option"][g8(p, at + 1)] ?? `, code-#${g8(p, at + 1)}`;
      p.out += ` - octet ${g32(p, at + 4)}`;
      return 0;
    case 128:
    case 129:
      if (!has(p, at, 8)) return -1;
      p.out += `, id ${g16(p, at + 4)}, seq ${g16(p, at + 6)}`;
      return 0;
    case 130:
    case 131:
    case 132:
      if (!has(p, at, 24)) return 0;
      p.out += `max resp delay: ${g16(p, at + 4)} addr: ${ip6_text(p, at + 8)}`;
      return 0;
    case 133:
      p.out += length();
      return p.v > 0 ? done(options(p, at + 8, end), 1) : 0;
    case 134: {
      p.out += length();
      if (p.v === 0) return 0;
      if (!has(p, at, 16)) return -1;
      const flags = g8(p, at + 5);
      p.out += `\n\thop limit ${g8(p, at + 4)}, Flags [${bits_text(RA_FLAGS, flags)}]`;
      p.out += `, pref ${PREFERENCES[(flags >> 3) & 3]}, router lifetime ${g16(p, at + 6)}s`;
      p.out += `, reachable time ${g32(p, at + 8)}ms, retrans timer ${g32(p, at + 12)}ms`;
      return done(options(p, at + 16, end), 1);
    }
    case 135:
      p.out += length();
      if (!has(p, at, 24)) return -1;
      p.out += `, who has ${ip6_text(p, at + 8)}`;
      return p.v > 0 ? done(options(p, at + 24, end), 1) : 0;
    case 136:
      p.out += length();
      if (!has(p, at, 24)) return -1;
      p.out += `, tgt is ${ip6_text(p, at + 8)}`;
      if (p.v === 0) return 0;
      p.out += `, Flags [${bits_text(NA_FLAGS, g8(p, at + 4))}]`;
      return done(options(p, at + 24, end), 1);
    case 137:
      p.out += length();
      if (!has(p, at, 40)) return -1;
      p.out += `, ${ip6_text(p, at + 24)} to ${ip6_text(p, at + 8)}`;
      return p.v > 0 ? done(options(p, at + 40, end), 1) : 0;
    case 143:
      return done(mld_report_v2(p, at, len));
    default:
      p.out += `, length ${len}`;
      if (p.v < 2) hex_only(p, at, Math.min(end, p.end));
      return 1;
  }
};

export const print_icmp6 = (p: Printer, at: number, len: number, c: IpContext): undefined => {
  if (!has(p, at, 4)) return trunc(p, "icmp6");
  if (p.v > 0 && !p.o.K && !c.fragmented && has(p, at, len)) {
    const computed = fold_sum(sum_bytes(p, at, len, pseudo_sum(p, c, 58, len)));
    const field = g16(p, at + 2);
    p.out +=
      computed === 0
        ? "[icmp6 sum ok] "
        : `[bad icmp6 cksum 0x${hex(field, 4)} -> 0x${hex(should_be(field, computed), 4)}!] `;
  }
  const type = g8(p, at);
  p.out += `ICMP6, ${TYPES.get(type) ?? `unknown icmp6 type (${type})`}`;
  const r = body(p, type, at, len);
  if (r < 0) return trunc(p, "icmp6");
  if (r === 0 && p.v === 0) p.out += `, length ${len}`;
};
