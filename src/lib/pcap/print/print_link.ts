// Link-layer headers: Ethernet with VLAN tags, Linux cooked (SLL, SLL2), raw IP. Way in: print_link.

import { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, LINKTYPE_RAW } from "../dlt.ts";
import { print_arp } from "./print_arp.ts";
import { print_ip } from "./print_ip.ts";
import { print_ip6 } from "./print_ip6.ts";
import {
  default_print_unless_suppressed,
  g8,
  g16,
  g32,
  has,
  hex,
  MAX_DEPTH,
  mac_text,
  type Printer,
  trunc,
} from "./printer.ts";

const ETHERTYPES: ReadonlyMap<number, string> = new Map([
  [0x0800, "IPv4"],
  [0x0806, "ARP"],
  [0x8035, "Reverse ARP"],
  [0x86dd, "IPv6"],
  [0x1000, "Trail"],
  [0x6002, "MOP RC"],
  [0x6003, "DN"],
  [0x6004, "LAT"],
  [0x8100, "802.1Q"],
  [0x88a8, "802.1Q-QinQ"],
  [0x9100, "802.1Q-9100"],
  [0x9200, "802.1Q-9200"],
  [0x809b, "Appletalk"],
  [0x80f3, "Appletalk ARP"],
  [0x8137, "IPX"],
  [0x880b, "PPP"],
  [0x8847, "MPLS unicast"],
  [0x8848, "MPLS multicast"],
  [0x8863, "PPPoE D"],
  [0x8864, "PPPoE S"],
  [0x888e, "EAPOL"],
  [0x88a2, "AoE"],
  [0x88e5, "802.1AE MACsec"],
  [0x8808, "MPCP"],
  [0x8809, "Slow Protocols"],
  [0x9000, "Loopback"],
  [0x88cc, "LLDP"],
  [0x88f7, "PTP"],
]);

export const ethertype_name = (type: number): string | undefined => ETHERTYPES.get(type);

const is_vlan = (type: number): boolean => type === 0x8100 || type === 0x88a8 || type === 0x9100 || type === 0x9200;

/** Prints a payload by its ethertype. @returns false for one that nobody here knows */
export const print_ethertype = (p: Printer, type: number, at: number, len: number): boolean => {
  switch (type) {
    case 0x0800:
      print_ip(p, at, len);
      return true;
    case 0x86dd:
      print_ip6(p, at, len);
      return true;
    case 0x0806:
    case 0x8035:
      print_arp(p, at, len);
      return true;
    default:
      return false;
  }
};

const ether_addresses = (p: Printer, at: number): string => `${mac_text(p, at + 6)} > ${mac_text(p, at)}, `;

const type_text = (p: Printer, type: number): string => {
  const name = ETHERTYPES.get(type);
  if (p.o.q) return name ?? `Unknown Ethertype (0x${hex(type, 4)})`;
  return `ethertype ${name ?? "Unknown"} (0x${hex(type, 4)})`;
};

const type_and_length = (p: Printer, type: number, len: number): string => {
  if (type <= 1500) return `802.3, length ${len}: `;
  return `${type_text(p, type)}, length ${len}: `;
};

const vlan_text = (tci: number): string => `vlan ${tci & 0xfff}, p ${tci >> 13}${tci & 0x1000 ? ", DEI" : ""}`;

/** An Ethernet frame of `len` bytes on the wire. @returns the length of its header */
export const print_ether = (p: Printer, at: number, len: number): number => {
  if (len < 14 || !has(p, at, 14)) {
    trunc(p, "ether");
    return Math.max(0, p.end - at);
  }
  if (++p.depth > MAX_DEPTH) {
    p.out += "[too many layers]";
    return 14;
  }
  let type = g16(p, at + 12);
  let hdr = 14;
  let shown = false;
  const header = (t: number): undefined => {
    p.out += ether_addresses(p, at) + type_and_length(p, t, len);
    shown = true;
  };
  if (p.o.e) {
    p.out += ether_addresses(p, at);
    shown = true;
    if (!is_vlan(type)) p.out += type_and_length(p, type, len);
  }
  let outer = true;
  while (is_vlan(type)) {
    if (!has(p, at + hdr, 4) || len < hdr + 4) {
      trunc(p, "vlan");
      return hdr;
    }
    const tci = g16(p, at + hdr);
    const inner = g16(p, at + hdr + 2);
    if (p.o.e) {
      if (outer) p.out += type_and_length(p, type, len);
      p.out += `${vlan_text(tci)}, `;
      // A length instead of a type starts an LLC header; it prints itself.
      if (inner > 1500) p.out += `${type_text(p, inner)}, `;
    }
    outer = false;
    type = inner;
    hdr += 4;
  }
  if (type <= 1500 || !print_ethertype(p, type, at + hdr, len - hdr)) {
    if (!shown) header(type);
    default_print_unless_suppressed(p, at + hdr, len - hdr);
  }
  return hdr;
};

const PACKET_TYPES = ["In", "B", "M", "P", "Out"];

/** Payload of a cooked header; `unknown` prints the header for a protocol that nobody knows. */
const cooked_payload = (p: Printer, type: number, at: number, len: number, unknown: (len: number) => void): number => {
  let hdr = 0;
  while (type === 0x8100) {
    if (!has(p, at + hdr, 4)) {
      trunc(p, "vlan");
      return hdr;
    }
    const tci = g16(p, at + hdr);
    type = g16(p, at + hdr + 2);
    if (p.o.e) p.out += `${vlan_text(tci)}, `;
    p.out += `ethertype ${ETHERTYPES.get(type) ?? "Unknown"}, `;
    hdr += 4;
  }
  if (!print_ethertype(p, type, at + hdr, len - hdr)) {
    if (!p.o.e) unknown(at + len - hdr);
    default_print_unless_suppressed(p, at + hdr, len - hdr);
  }
  return hdr;
};

const cooked_type = (p: Printer, type: number, len: number): string => {
  if (p.o.q) return `${ETHERTYPES.get(type) ?? "Unknown"}, length ${len}: `;
  const text =
    type <= 1500
      ? `802.3, length ${len}`
      : `ethertype ${ETHERTYPES.get(type) ?? "Unknown"} (0x${hex(type, 4)}), length ${len}`;
  return `${text}: `;
};

const sll_address = (p: Printer, n: number, at: number): string => (n === 6 ? `${mac_text(p, at)} ` : "");

const print_sll = (p: Printer, len: number): number => {
  if (!has(p, 0, 16)) {
    trunc(p, "sll");
    return p.end;
  }
  const type = g16(p, 14);
  const header = (length: number): undefined => {
    const dir = (PACKET_TYPES[g16(p, 0)] ?? "?").padStart(3);
    p.out += `${dir} ${sll_address(p, g16(p, 4), 6)}${cooked_type(p, type, length)}`;
  };
  if (p.o.e) header(len);
  return 16 + cooked_payload(p, type, 16, len - 16, header);
};

const print_sll2 = (p: Printer, len: number): number => {
  if (!has(p, 0, 20)) {
    trunc(p, "sll2");
    return p.end;
  }
  const type = g16(p, 0);
  const ifindex = g32(p, 4);
  p.out += `${(p.o.if_name?.(ifindex) ?? "?").padEnd(5)} ${(PACKET_TYPES[g8(p, 10)] ?? "?").padEnd(3)} `;
  const header = (length: number): undefined => {
    p.out += `ifindex ${ifindex} ${sll_address(p, g8(p, 11), 12)}${cooked_type(p, type, length)}`;
  };
  if (p.o.e) header(len);
  return 20 + cooked_payload(p, type, 20, len - 20, header);
};

const print_raw = (p: Printer, len: number): number => {
  if (!has(p, 0, 1)) {
    trunc(p, "raw");
    return 0;
  }
  if (p.o.e) p.out += "ip: ";
  const version = g8(p, 0) >> 4;
  if (version === 6) print_ip6(p, 0, len);
  else if (version === 4) print_ip(p, 0, len);
  else p.out += `unknown ip ${version}`;
  return 0;
};

/** Prints a packet of `len` bytes on the wire by its link type. @returns the length of the link-layer header */
export const print_link = (p: Printer, len: number): number => {
  switch (p.o.linktype) {
    case DLT_EN10MB:
      return print_ether(p, 0, len);
    case DLT_LINUX_SLL:
      return print_sll(p, len);
    case DLT_LINUX_SLL2:
      return print_sll2(p, len);
    case DLT_RAW:
    case LINKTYPE_RAW:
      return print_raw(p, len);
    default:
      default_print_unless_suppressed(p, 0, len);
      return 0;
  }
};
