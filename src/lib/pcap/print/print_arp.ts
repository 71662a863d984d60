// ARP, RARP and InARP (RFC 826, RFC 903, RFC 2390). Way in: print_arp.

import { ethertype_name } from "./print_link.ts";
import { default_print, g8, g16, has, hex, ip4_text, mac_text, type Printer, trunc } from "./printer.ts";

const HARDWARE: ReadonlyMap<number, string> = new Map([
  [1, "Ethernet"],
  [6, "TokenRing"],
  [7, "ArcNet"],
  [15, "FrameRelay"],
  [23, "Strip"],
  [24, "IEEE 1394"],
  [32, "InfiniBand"],
]);

const ETHERTYPE_IP = 0x0800;
const ETHERTYPE_TRAIL = 0x1000;

const REQUEST = 1;
const REPLY = 2;
const REVREQUEST = 3;
const REVREPLY = 4;
const INVREQUEST = 8;
const INVREPLY = 9;
const NAK = 10;

const OP_NAMES: ReadonlyMap<number, string> = new Map([
  [REQUEST, "Request"],
  [REPLY, "Reply"],
  [REVREQUEST, "Reverse Request"],
  [REVREPLY, "Reverse Reply"],
  [INVREQUEST, "Inverse Request"],
  [INVREPLY, "Inverse Reply"],
  [NAK, "NACK Reply"],
]);

/** `len`: of the payload on the wire, padding included. */
export const print_arp = (p: Printer, at: number, len: number): undefined => {
  if (!has(p, at, 8)) return trunc(p, "arp");
  const hrd = g16(p, at);
  const pro = g16(p, at + 2);
  const hln = g8(p, at + 4);
  const pln = g8(p, at + 5);
  const op = g16(p, at + 6);
  if (!has(p, at, 8 + 2 * (hln + pln))) return trunc(p, "arp");
  const sha = at + 8;
  const spa = sha + hln;
  const tha = spa + pln;
  const tpa = tha + hln;
  const proto_text = (a: number): string => {
    if (pro !== ETHERTYPE_IP && pro !== ETHERTYPE_TRAIL) return "<wrong proto type>";
    return pln === 4 ? ip4_text(p, a) : "<wrong len>";
  };
  const hw_text = (a: number): string => (hln === 0 ? "<No address>" : mac_text(p, a, hln));
  if (!p.o.e) p.out += "ARP, ";
  if ((pro !== ETHERTYPE_IP && pro !== ETHERTYPE_TRAIL) || pln !== 4 || hln === 0 || p.v > 0) {
    const hardware = HARDWARE.get(hrd) ?? `Unknown Hardware (${hrd})`;
    const protocol = ethertype_name(pro) ?? `Unknown Protocol (0x${hex(pro, 4)})`;
    p.out += `${hardware} (len ${hln}), ${protocol} (len ${pln})`;
    if (p.v === 0) {
      p.out += `, length ${len}`;
      return;
    }
    p.out += ", ";
  }
  p.out += `${OP_NAMES.get(op) ?? `Unknown (${op})`} `;
  switch (op) {
    case REQUEST: {
      p.out += `who-has ${proto_text(tpa)}`;
      let target = false;
      for (let i = 0; i < hln; i++) target ||= g8(p, tha + i) !== 0;
      if (target) p.out += ` (${hw_text(tha)})`;
      p.out += ` tell ${proto_text(spa)}`;
      break;
    }
    case REPLY:
      p.out += `${proto_text(spa)} is-at ${hw_text(sha)}`;
      break;
    case REVREQUEST:
    case INVREQUEST:
      p.out += `who-is ${hw_text(tha)} tell ${hw_text(sha)}`;
      break;
    case REVREPLY:
      p.out += `${hw_text(tha)} at ${proto_text(tpa)}`;
      break;
    case INVREPLY:
      p.out += `${hw_text(sha)} at ${proto_text(spa)}`;
      break;
    default:
      default_print(p, at, len);
      return;
  }
  p.out += `, length ${len}`;
};
