// UDP (RFC 768), and the printers of what is known by its port. Way in: print_udp.

import { print_domain } from "./print_domain.ts";
import { print_ether } from "./print_link.ts";
import {
  dst_text,
  endpoints,
  fold_sum,
  g8,
  g16,
  g24,
  has,
  hex,
  type IpContext,
  type Printer,
  port_text,
  pseudo_sum,
  should_be,
  src_text,
  sum_bytes,
  trunc,
} from "./printer.ts";

const PORT_DOMAIN = 53;
const PORT_MDNS = 5353;
const PORT_VXLAN = 4789;

const print_vxlan = (p: Printer, at: number, len: number): undefined => {
  if (len < 8 || !has(p, at, 8)) return trunc(p, "vxlan");
  const flags = g8(p, at);
  p.out += `VXLAN, flags [${flags & 8 ? "I" : "."}] (0x${hex(flags, 2)}), vni ${g24(p, at + 4)}\n`;
  print_ether(p, at + 8, len - 8);
};

const checksum = (p: Printer, at: number, length: number, c: IpContext): undefined => {
  const field = g16(p, at + 6);
  if (field === 0 && c.family === 4) {
    p.out += "[no cksum] ";
    return;
  }
  if (!has(p, at, length)) return;
  const computed = fold_sum(sum_bytes(p, at, length, pseudo_sum(p, c, 17, length)));
  if (computed !== 0) p.out += `[bad udp cksum 0x${hex(field, 4)} -> 0x${hex(should_be(field, computed), 4)}!] `;
  else p.out += "[udp sum ok] ";
};

export const print_udp = (p: Printer, at: number, length: number, c: IpContext): undefined => {
  if (!has(p, at, 4)) {
    if (!c.addresses_printed) p.out += `${src_text(p, c)} > ${dst_text(p, c)}: `;
    return trunc(p, "udp");
  }
  const sport = g16(p, at);
  const dport = g16(p, at + 2);
  endpoints(p, c, port_text(p, sport, 17), port_text(p, dport, 17));
  if (length < 8) {
    p.out += `truncated-udp ${length}`;
    return;
  }
  if (!has(p, at, 6)) return trunc(p, "udp");
  const ulen = g16(p, at + 4);
  if (ulen < 8) {
    p.out += `truncated-udplength ${ulen}`;
    return;
  }
  if (ulen < length) length = ulen;
  if (!has(p, at, 8)) return trunc(p, "udp");
  if (p.o.q) {
    plain(p, ulen - 8, length - 8);
    return;
  }
  if (p.v > (c.family === 4 ? 1 : 0) && !p.o.K && !c.fragmented) checksum(p, at, length, c);
  const is_port = (n: number): boolean => sport === n || dport === n;
  const saved_end = p.end;
  p.end = Math.min(p.end, at + length);
  if (is_port(PORT_DOMAIN)) print_domain(p, at + 8, length - 8, false);
  else if (is_port(PORT_MDNS)) print_domain(p, at + 8, length - 8, true);
  else if (is_port(PORT_VXLAN)) print_vxlan(p, at + 8, length - 8);
  else plain(p, ulen - 8, length - 8);
  p.end = saved_end;
};

const plain = (p: Printer, ulen: number, length: number): undefined => {
  p.out += ulen > length ? `UDP, bad length ${ulen} > ${length}` : `UDP, length ${ulen}`;
};
