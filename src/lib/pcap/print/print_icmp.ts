// ICMP messages with the datagram they quote (RFC 792, 950, 1256, 1812). Way in: print_icmp.

import { print_ip } from "./print_ip.ts";
import {
  fold_sum,
  g8,
  g16,
  g32,
  has,
  hex,
  type IpContext,
  ip4_text,
  type Printer,
  pad2,
  port_text,
  should_be,
  sum_bytes,
  trunc,
} from "./printer.ts";

const UNREACH = 3;
const SOURCEQUENCH = 4;
const REDIRECT = 5;
const TIMXCEED = 11;
const PARAMPROB = 12;

/** Texts of the unreachable codes; %s stands for the quoted destination. */
const UNREACH_TEXT: readonly string[] = [
  "net %s unreachable",
  "host %s unreachable",
  "",
  "",
  "",
  "%s unreachable - source route failed",
  "net %s unreachable - unknown",
  "host %s unreachable - unknown",
  "%s unreachable - source host isolated",
  "net %s unreachable - admin prohibited",
  "host %s unreachable - admin prohibited",
  "net %s unreachable - tos prohibited",
  "host %s unreachable - tos prohibited",
  "host %s unreachable - admin prohibited filter",
  "host %s unreachable - host precedence violation",
  "host %s unreachable - precedence cutoff",
];

const REDIRECT_TEXT: readonly string[] = [
  "redirect %s to net %g",
  "redirect %s to host %g",
  "redirect-tos %s to net %g",
  "redirect-tos %s to host %g",
];

const unreach = (p: Printer, at: number, code: number): string | undefined => {
  if (!has(p, at, 28)) return undefined;
  const dst = ip4_text(p, at + 24);
  if (code === 2) return `${dst} protocol ${g8(p, at + 17)} unreachable`;
  if (code === 3) {
    const transport = at + 8 + (g8(p, at + 8) & 15) * 4;
    if (!has(p, transport, 4)) return undefined;
    const port = g16(p, transport + 2);
    const proto = g8(p, at + 17);
    if (proto === 6) return `${dst} tcp port ${port_text(p, port, 6)} unreachable`;
    if (proto === 17) return `${dst} udp port ${port_text(p, port, 17)} unreachable`;
    return `${dst} protocol ${proto} port ${port} unreachable`;
  }
  if (code === 4) {
    const mtu = g16(p, at + 6);
    return `${dst} unreachable - need to frag${mtu ? ` (mtu ${mtu})` : ""}`;
  }
  return UNREACH_TEXT[code]?.replace("%s", dst) ?? `${dst} unreachable - #${code}`;
};

const redirect = (p: Printer, at: number, code: number): string | undefined => {
  if (!has(p, at, 28)) return undefined;
  const text = REDIRECT_TEXT[code] ?? `redirect-#${code} %s to %g`;
  return text.replace("%s", ip4_text(p, at + 24)).replace("%g", ip4_text(p, at + 4));
};

const router_advertisement = (p: Printer, at: number): string | undefined => {
  if (!has(p, at, 8)) return undefined;
  const s = g16(p, at + 6);
  let text = "router advertisement lifetime ";
  if (s < 60) text += s;
  else if (s < 3600) text += `${Math.floor(s / 60)}:${pad2(s % 60)}`;
  else text += `${Math.floor(s / 3600)}:${pad2(Math.floor((s % 3600) / 60))}:${pad2(s % 60)}`;
  const num = g8(p, at + 4);
  text += ` ${num}:`;
  const size = g8(p, at + 5);
  if (size !== 2) return `${text} [size ${size}]`;
  for (let i = 0; i < num; i++) {
    const e = at + 8 + i * 8;
    if (!has(p, e, 8)) return undefined;
    text += ` {${ip4_text(p, e)} ${g32(p, e + 4)}}`;
  }
  return text;
};

/** Milliseconds since midnight UT (RFC 792). */
const clock = (ms: number): string => {
  const s = Math.floor(ms / 1000);
  return `${pad2(Math.floor(s / 3600))}:${pad2(Math.floor(s / 60) % 60)}:${pad2(s % 60)}.${String(ms % 1000).padStart(3, "0")}`;
};

/** The text of a message; undefined where the capture ends inside it. */
const message = (p: Printer, at: number): string | undefined => {
  const type = g8(p, at);
  const code = g8(p, at + 1);
  switch (type) {
    case 0:
    case 8:
      if (!has(p, at, 8)) return undefined;
      return `echo ${type === 8 ? "request" : "reply"}, id ${g16(p, at + 4)}, seq ${g16(p, at + 6)}`;
    case UNREACH:
      return unreach(p, at, code);
    case SOURCEQUENCH:
      return "source quench";
    case REDIRECT:
      return redirect(p, at, code);
    case 9:
      return router_advertisement(p, at);
    case 10:
      return "router solicitation";
    case TIMXCEED:
      if (!has(p, at, 28)) return undefined;
      if (code === 0) return "time exceeded in-transit";
      return code === 1 ? "ip reassembly time exceeded" : `time exceeded-#${code}`;
    case PARAMPROB:
      if (code !== 0) return `parameter problem - code ${code}`;
      return has(p, at, 5) ? `parameter problem - octet ${g8(p, at + 4)}` : undefined;
    case 13:
      return has(p, at, 8) ? `time stamp query id ${g16(p, at + 4)} seq ${g16(p, at + 6)}` : undefined;
    case 14:
      if (!has(p, at, 20)) return undefined;
      return (
        `time stamp reply id ${g16(p, at + 4)} seq ${g16(p, at + 6)}: ` +
        `org ${clock(g32(p, at + 8))}, recv ${clock(g32(p, at + 12))}, xmit ${clock(g32(p, at + 16))}`
      );
    case 15:
      return "information request";
    case 16:
      return "information reply";
    case 17:
      return "address mask request";
    case 18:
      return has(p, at, 12) ? `address mask is 0x${hex(g32(p, at + 8), 8)}` : undefined;
    default:
      return `type-#${type}`;
  }
};

const quotes = (type: number): boolean =>
  type === UNREACH || type === SOURCEQUENCH || type === REDIRECT || type === TIMXCEED || type === PARAMPROB;

export const print_icmp = (p: Printer, at: number, len: number, c: IpContext): undefined => {
  const text = has(p, at, 4) ? message(p, at) : undefined;
  if (text === undefined) return trunc(p, "icmp");
  p.out += `ICMP ${text}, length ${len}`;
  if (p.v === 0) return;
  if (!c.fragmented && !p.o.K && has(p, at, len)) {
    const computed = fold_sum(sum_bytes(p, at, len));
    const field = g16(p, at + 2);
    if (computed !== 0) p.out += ` (wrong icmp cksum ${hex(field)} (->${hex(should_be(field, computed))})!)`;
  }
  if (!quotes(g8(p, at)) || p.o.q) return;
  p.out += "\n\t";
  if (!has(p, at, 12)) return trunc(p, "icmp");
  print_ip(p, at + 8, g16(p, at + 10), true);
};
