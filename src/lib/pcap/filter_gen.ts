// From the tree of a filter expression to conditions over packet bytes: what each primitive of pcap-filter(7) means.
// Read first: pcap-filter(7), filter_parse.ts. Way in: gen_expr.

import * as B from "../../uapi/bpf.ts";
import { DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_RAW, dlt_name, LINKTYPE_RAW } from "./dlt.ts";
import { and, type Cond, compare, FALSE, not, or, stmt, TRUE } from "./filter_cond.ts";
import { gen_relation } from "./filter_gen_arith.ts";
import { FilterError, parse_ipv4, parse_ipv6, type Token } from "./filter_lex.ts";
import type { Dir, Expr, Qual } from "./filter_parse.ts";
import { ETHER_PROTOCOLS, IP_PROTOCOLS, service_by_name } from "./names.ts";

const ETHERTYPE_IP = 0x0800;
const ETHERTYPE_ARP = 0x0806;
const ETHERTYPE_RARP = 0x8035;
const ETHERTYPE_IPV6 = 0x86dd;
const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;
const IPPROTO_ICMPV6 = 58;
const IPPROTO_SCTP = 132;
const PACKET_OUTGOING = 4;

export interface GenOptions {
  linktype: number;
  /** The program runs in the kernel, over an skb: VLAN tags and direction come as ancillary data. */
  live: boolean;
  /** live on a cooked (SOCK_DGRAM) socket: byte 0 is the network header. */
  cooked: boolean;
  netmask: number | undefined;
  resolve_host: (name: string) => readonly string[] | undefined;
}

/** Where the headers are, as the terms to the left (vlan, mpls, pppoes) have moved them. */
export interface Gen {
  readonly o: GenOptions;
  /** How the protocol of the payload is told. */
  mode: "ether" | "sll" | "sll2" | "raw" | "ppp" | "mpls" | "cooked";
  off_type: number;
  off_payload: number;
  mpls_depth: number;
  /** Of the two programs that live capture needs with `vlan`: the one for packets whose tag was taken off. */
  tag_stripped: boolean;
  vlan_depth: number;
  uses_vlan: boolean;
}

export const new_gen = (o: GenOptions, tag_stripped: boolean): Gen => {
  const g: Gen = {
    o,
    mode: "ether",
    off_type: 12,
    off_payload: 14,
    mpls_depth: 0,
    tag_stripped,
    vlan_depth: 0,
    uses_vlan: false,
  };
  const set = (mode: Gen["mode"], off_type: number, off_payload: number): void => {
    g.mode = mode;
    g.off_type = off_type;
    g.off_payload = off_payload;
  };
  if (o.linktype === DLT_LINUX_SLL) set("sll", 14, 16);
  else if (o.linktype === DLT_LINUX_SLL2) set("sll2", 0, 20);
  else if (o.linktype === DLT_RAW || o.linktype === LINKTYPE_RAW) set("raw", 0, 0);
  else if (o.linktype !== DLT_EN10MB) throw new FilterError(`unknown data link type ${o.linktype}`, 0);
  if (o.cooked) set("cooked", 0, 0);
  return g;
};

export const load = (size: 1 | 2 | 4, off: number): B.SockFilter =>
  stmt(B.BPF_LD | B.BPF_ABS | (size === 4 ? B.BPF_W : size === 2 ? B.BPF_H : B.BPF_B), off);
const load_ad = (ad: number): B.SockFilter => stmt(B.BPF_LD | B.BPF_W | B.BPF_ABS, B.SKF_AD_OFF + ad);
const mask_k = (k: number): B.SockFilter => stmt(B.BPF_ALU | B.BPF_AND | B.BPF_K, k);

const equal = (size: 1 | 2 | 4, off: number, v: number, mask = 0xffffffff): Cond =>
  compare(mask >>> 0 === 0xffffffff ? [load(size, off)] : [load(size, off), mask_k(mask)], B.BPF_JEQ, v);
const greater = (size: 1 | 2 | 4, off: number, v: number): Cond => compare([load(size, off)], B.BPF_JGT, v);

const bytes_equal = (off: number, bytes: readonly number[]): Cond => {
  const cs: Cond[] = [];
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    cs.push(equal(4, off + i, (bytes[i] << 24) | (bytes[i + 1] << 16) | (bytes[i + 2] << 8) | bytes[i + 3]));
  }
  for (; i + 2 <= bytes.length; i += 2) cs.push(equal(2, off + i, (bytes[i] << 8) | bytes[i + 1]));
  for (; i < bytes.length; i++) cs.push(equal(1, off + i, bytes[i]));
  return and(...cs);
};

// --- the link layer -------------------------------------------------------------------------------------------------

const link_description = (g: Gen): string => dlt_name(g.o.linktype)?.description ?? `DLT ${g.o.linktype}`;

/** The type field; SLL keeps 4 in it for frames with an LLC header. */
const type_is = (g: Gen, v: number): Cond =>
  g.mode === "cooked" ? compare([load_ad(B.SKF_AD_PROTOCOL)], B.BPF_JEQ, v) : equal(2, g.off_type, v);
const is_llc = (g: Gen): Cond => (g.mode === "ether" ? not(greater(2, g.off_type, 1500)) : type_is(g, 4));

const snap = (g: Gen, oui_and_type: readonly number[]): Cond =>
  and(is_llc(g), bytes_equal(g.off_payload, [0xaa, 0xaa, 0x03, ...oui_and_type]));

const ether_type = (g: Gen, proto: number): Cond => {
  switch (proto) {
    case 0xfe: // ISO: both access points
      return and(is_llc(g), equal(2, g.off_payload, 0xfefe));
    case 0x42: // STP, NetBEUI: the destination access point
      return and(is_llc(g), equal(1, g.off_payload, proto));
    case 0xf0:
      return and(is_llc(g), equal(2, g.off_payload, 0xf0f0));
    case 0xe0: {
      const raw = g.mode === "ether" ? equal(2, g.off_payload, 0xffff) : type_is(g, 1);
      const llc = and(is_llc(g), equal(1, g.off_payload, 0xe0));
      return or(
        type_is(g, 0x8137),
        snap(g, [0, 0, 0, 0x81, 0x37]),
        g.mode === "ether" ? and(is_llc(g), raw) : raw,
        llc,
      );
    }
    case 0x809b:
      return or(type_is(g, proto), snap(g, [0x08, 0x00, 0x07, 0x80, 0x9b]));
    case 0x80f3:
      return or(type_is(g, proto), snap(g, [0, 0, 0, 0x80, 0xf3]));
    default:
      return proto <= 1500 ? and(is_llc(g), equal(1, g.off_payload, proto)) : type_is(g, proto);
  }
};

const PPP_OF_ETHERTYPE: ReadonlyMap<number, number> = new Map([
  [ETHERTYPE_IP, 0x21],
  [ETHERTYPE_IPV6, 0x57],
  [0x6003, 0x27],
  [0x809b, 0x29],
  [0xfe, 0x23],
  [0x42, 0x31],
  [0xe0, 0x2b],
]);

/** The payload is of this ethertype (or LLC access point, up to 1500). */
export const linktype = (g: Gen, proto: number): Cond => {
  switch (g.mode) {
    case "raw":
    case "mpls": {
      const nibble = proto === ETHERTYPE_IP ? 0x40 : proto === ETHERTYPE_IPV6 ? 0x60 : 0;
      if (g.mode === "raw") return nibble ? equal(1, g.off_payload, nibble, 0xf0) : FALSE;
      if (!nibble) throw new FilterError("unsupported protocol over mpls", 0);
      return and(equal(1, g.off_payload - 2, 1, 1), equal(1, g.off_payload, nibble, 0xf0));
    }
    case "ppp":
      return equal(2, g.off_type, PPP_OF_ETHERTYPE.get(proto) ?? proto);
    case "sll2": // the field is taken as it is
      return type_is(g, proto);
    default:
      return ether_type(g, proto);
  }
};

// --- addresses ------------------------------------------------------------------------------------------------------

const directed = (dir: Dir | "", src: Cond, dst: Cond): Cond =>
  dir === "src" ? src : dir === "dst" ? dst : dir === "and" ? and(src, dst) : or(src, dst);

const ether_host = (g: Gen, mac: readonly number[], dir: Dir | "", at: number): Cond => {
  if (g.o.linktype !== DLT_EN10MB || g.o.cooked) {
    throw new FilterError(
      "ethernet addresses supported only on ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel",
      at,
    );
  }
  return directed(dir, bytes_equal(6, mac), bytes_equal(0, mac));
};

const v4_hosts = (g: Gen, type: number, addr: number, mask: number, dir: Dir | ""): Cond => {
  const [src, dst] = type === ETHERTYPE_IP ? [12, 16] : [14, 24];
  const at = (off: number): Cond => (mask === 0 ? TRUE : equal(4, g.off_payload + off, addr, mask));
  return and(linktype(g, type), directed(dir, at(src), at(dst)));
};

const ipv4_host = (g: Gen, addr: number, mask: number, q: Qual, at: number): Cond => {
  const what = q.addr === "net" ? "net" : "host";
  switch (q.proto) {
    case "":
      // Behind a label there is nothing but IP.
      if (g.mode === "mpls") return v4_hosts(g, ETHERTYPE_IP, addr, mask, q.dir);
      return or(
        v4_hosts(g, ETHERTYPE_IP, addr, mask, q.dir),
        v4_hosts(g, ETHERTYPE_ARP, addr, mask, q.dir),
        v4_hosts(g, ETHERTYPE_RARP, addr, mask, q.dir),
      );
    case "ip":
      return v4_hosts(g, ETHERTYPE_IP, addr, mask, q.dir);
    case "arp":
      return v4_hosts(g, ETHERTYPE_ARP, addr, mask, q.dir);
    case "rarp":
      return v4_hosts(g, ETHERTYPE_RARP, addr, mask, q.dir);
    case "ip6":
      throw new FilterError(`'ip6' modifier applied to ip host`, at);
    case "link":
      throw new FilterError("illegal link layer address", at);
    default:
      throw new FilterError(`'${q.proto}' modifier applied to ${what}`, at);
  }
};

const ipv6_host = (g: Gen, a: readonly number[], prefix: number, q: Qual, at: number): Cond => {
  if (q.proto === "link") throw new FilterError(`link-layer modifier applied to ip6 ${q.addr || "host"}`, at);
  if (q.proto !== "" && q.proto !== "ip6") {
    throw new FilterError(`'${q.proto}' modifier applied to ip6 ${q.addr === "net" ? "net" : "host"}`, at);
  }
  const words = (off: number): Cond => {
    const cs: Cond[] = [];
    for (let i = 0; i < 4; i++) {
      const bits = Math.max(0, Math.min(32, prefix - i * 32));
      if (bits === 0) continue;
      const v = (a[i * 4] << 24) | (a[i * 4 + 1] << 16) | (a[i * 4 + 2] << 8) | a[i * 4 + 3];
      cs.push(equal(4, g.off_payload + off + i * 4, v, bits === 32 ? 0xffffffff : ~(0xffffffff >>> bits)));
    }
    return cs.length === 0 ? TRUE : and(...cs);
  };
  return and(linktype(g, ETHERTYPE_IPV6), directed(q.dir, words(8), words(24)));
};

const prefix_mask = (n: number): number => (n === 0 ? 0 : (0xffffffff << (32 - n)) >>> 0);

/** An address of 1 to 4 bytes as its first 32 bits, with the mask of the bits given. */
const short_v4 = (bytes: readonly number[]): { addr: number; mask: number } => {
  let addr = 0;
  for (let i = 0; i < 4; i++) addr = (addr << 8) | (bytes[i] ?? 0);
  return { addr: addr >>> 0, mask: prefix_mask(8 * bytes.length) };
};

const host_by_name = (g: Gen, name: string, q: Qual, at: number): Cond => {
  if (q.addr === "net") throw new FilterError(`unknown network '${name}'`, at);
  if (q.proto === "link") {
    const no = "only ethernet/FDDI/token ring/802.11/ATM LANE/Fibre Channel supports link-level host name";
    throw new FilterError(g.o.linktype === DLT_EN10MB ? `unknown ether host '${name}'` : no, at);
  }
  const found = g.o.resolve_host(name) ?? [];
  const cs: Cond[] = [];
  for (const text of found) {
    const v4 = parse_ipv4(text);
    const v6 = v4 ? undefined : parse_ipv6(text);
    if (v4 && q.proto !== "ip6") cs.push(ipv4_host(g, short_v4(v4).addr, 0xffffffff, q, at));
    if (v6 && (q.proto === "" || q.proto === "ip6")) cs.push(ipv6_host(g, v6, 128, q, at));
  }
  if (found.length === 0) throw new FilterError(`unknown host '${name}'`, at);
  if (cs.length === 0) throw new FilterError(`unknown host '${name}' for specified address family`, at);
  return or(...cs);
};

// --- ports and protocols --------------------------------------------------------------------------------------------

const first_fragment = (g: Gen): Cond => not(compare([load(2, g.off_payload + 6)], B.BPF_JSET, 0x1fff));

const in_range = (ins: B.SockFilter[], lo: number, hi: number): Cond =>
  lo === hi ? compare(ins, B.BPF_JEQ, lo) : and(compare(ins, B.BPF_JGE, lo), not(compare(ins, B.BPF_JGT, hi)));

/** `proto` 0: TCP, UDP or SCTP. */
const ports = (g: Gen, lo: number, hi: number, proto: number, dir: Dir | ""): Cond => {
  const pl = g.off_payload;
  const transport = (off: number): Cond =>
    proto === 0 ? or(...[IPPROTO_SCTP, IPPROTO_TCP, IPPROTO_UDP].map((p) => equal(1, off, p))) : equal(1, off, proto);
  const at6 = (off: number): Cond => in_range([load(2, pl + 40 + off)], lo, hi);
  const at4 = (off: number): Cond =>
    in_range([stmt(B.BPF_LDX | B.BPF_B | B.BPF_MSH, pl), stmt(B.BPF_LD | B.BPF_H | B.BPF_IND, pl + off)], lo, hi);
  return or(
    and(linktype(g, ETHERTYPE_IPV6), transport(pl + 6), directed(dir, at6(0), at6(2))),
    and(linktype(g, ETHERTYPE_IP), transport(pl + 9), first_fragment(g), directed(dir, at4(0), at4(2))),
  );
};

const port_value = (text: string, at: number, range: string): { port: number; proto: 0 | 6 | 17 } => {
  if (/^\d+$|^0[xX][0-9a-fA-F]+$/.test(text)) {
    const port = /^0[0-7]+$/.test(text) ? parseInt(text, 8) : Number(text);
    if (port > 65535) throw new FilterError(`illegal port number ${port} > 65535`, at);
    return { port, proto: 0 };
  }
  const s = service_by_name(text);
  if (!s) throw new FilterError(range ? `unknown port in range '${range}'` : `unknown port '${text}'`, at);
  return s;
};

const port_primitive = (g: Gen, q: Qual, text: string, at: number): Cond => {
  const own = q.proto === "" ? 0 : q.proto === "tcp" ? 6 : q.proto === "udp" ? 17 : q.proto === "sctp" ? 132 : -1;
  if (own < 0) throw new FilterError(`illegal qualifier of '${q.addr}'`, at);
  let lo: ReturnType<typeof port_value>;
  let hi: ReturnType<typeof port_value>;
  const dash = text.indexOf("-");
  if (q.addr === "portrange" && dash > 0) {
    lo = port_value(text.slice(0, dash), at, text);
    hi = port_value(text.slice(dash + 1), at, text);
  } else lo = hi = port_value(text, at, "");
  // A name that only one protocol registers implies that protocol; with another one before it, it is not a name at all.
  let proto = own;
  if (own === 0) {
    if (lo.proto === hi.proto) proto = lo.proto;
  } else {
    for (const p of [lo, hi]) {
      if (p.proto !== 0 && p.proto !== own)
        throw new FilterError(`port '${text}' is ${p.proto === 6 ? "tcp" : "udp"}`, at);
    }
  }
  return ports(g, Math.min(lo.port, hi.port), Math.max(lo.port, hi.port), proto, q.dir);
};

/** `ip proto`, `ip6 proto` (also behind a fragment header) or either. */
const ip_proto = (g: Gen, v: number, family: "" | "ip" | "ip6"): Cond => {
  const pl = g.off_payload;
  const v4 = and(linktype(g, ETHERTYPE_IP), equal(1, pl + 9, v));
  if (family === "ip") return v4;
  const v6 = and(linktype(g, ETHERTYPE_IPV6), or(equal(1, pl + 6, v), and(equal(1, pl + 6, 44), equal(1, pl + 40, v))));
  return family === "ip6" ? v6 : or(v4, v6);
};

const ABBREV_IP: ReadonlyMap<string, readonly [number, "" | "ip" | "ip6"]> = new Map([
  ["tcp", [IPPROTO_TCP, ""]],
  ["udp", [IPPROTO_UDP, ""]],
  ["sctp", [IPPROTO_SCTP, ""]],
  ["icmp", [1, "ip"]],
  ["igmp", [2, "ip"]],
  ["igrp", [9, "ip"]],
  ["pim", [103, ""]],
  ["vrrp", [112, "ip"]],
  ["carp", [112, "ip"]],
  ["icmp6", [IPPROTO_ICMPV6, "ip6"]],
  ["ah", [51, ""]],
  ["esp", [50, ""]],
]);

const ISO_PROTOCOLS: ReadonlyMap<string, number> = new Map([
  ["clnp", 0x81],
  ["esis", 0x82],
  ["isis", 0x83],
]);

const iso_proto = (g: Gen, v: number): Cond =>
  and(linktype(g, 0xfe), equal(1, g.off_payload + (g.mode === "ether" ? 3 : 0), v));

/** A protocol keyword standing alone. */
export const abbrev = (g: Gen, proto: string, at: number): Cond => {
  const ip = ABBREV_IP.get(proto);
  if (ip) return ip_proto(g, ip[0], ip[1]);
  const iso = ISO_PROTOCOLS.get(proto);
  if (iso !== undefined) return iso_proto(g, iso);
  const type = ETHER_PROTOCOLS.get(proto);
  if (type !== undefined) return linktype(g, type);
  throw new FilterError(`'${proto}' is not supported`, at);
};

/** What guards an access to the header of a transport protocol: IPv4, the protocol, and the first fragment. */
export const transport_guard = (g: Gen, proto: string): Cond => {
  const [v, family] = ABBREV_IP.get(proto)!;
  if (family === "ip6") return and(linktype(g, ETHERTYPE_IPV6), equal(1, g.off_payload + 6, v));
  return and(ip_proto(g, v, "ip"), first_fragment(g));
};

const proto_primitive = (g: Gen, q: Qual, t: Token): Cond => {
  const lookup = (names: ReadonlyMap<string, number>, kind: string): number => {
    if (t.type === "num") return t.num;
    const v = t.type === "id" ? names.get(t.text) : undefined;
    if (v === undefined) throw new FilterError(`unknown ${kind} '${t.text}'`, t.offset);
    return v;
  };
  switch (q.proto) {
    case "":
    case "ip":
    case "ip6": {
      const v = lookup(IP_PROTOCOLS, "ip proto");
      return ip_proto(g, v, q.proto);
    }
    case "link":
      return linktype(g, lookup(ETHER_PROTOCOLS, "ether proto"));
    case "iso":
      return iso_proto(g, lookup(ISO_PROTOCOLS, "osi proto"));
    case "arp":
    case "rarp":
      throw new FilterError(`${q.proto} does not encapsulate another protocol`, t.offset);
    default:
      throw new FilterError(`'${q.proto} proto' is bogus`, t.offset);
  }
};

// --- identifiers ----------------------------------------------------------------------------------------------------

const id_expr = (g: Gen, e: Expr & { k: "id" }): Cond => {
  const { q, value: t, offset: at } = e;
  // The term before had no qualifiers to inherit, as in `broadcast and 5`.
  if (!q) throw new FilterError("syntax error in filter expression", at);
  if (q.addr === "protochain") throw new FilterError("protochain needs loops, which the kernel does not run", at);
  if (q.addr === "gateway") throw new FilterError(`'gateway' requires a name`, at);
  if (q.addr === "proto") return proto_primitive(g, q, t);
  if (q.addr === "port" || q.addr === "portrange") return port_primitive(g, q, t.text, at);
  if (t.type === "eid") {
    if (q.proto === "link" && (q.addr === "host" || q.addr === "")) return ether_host(g, t.bytes, q.dir, at);
    throw new FilterError("ethernet address used in non-ether expression", at);
  }
  if (t.type === "hid6") {
    if (e.prefix > 128) throw new FilterError("mask length must be <= 128", at);
    const prefix = e.prefix < 0 ? 128 : e.prefix;
    for (let bit = prefix; bit < 128; bit++) {
      if (t.bytes[bit >> 3] & (0x80 >> (bit & 7))) {
        throw new FilterError(`non-network bits set in "${t.text}/${e.prefix}"`, at);
      }
    }
    return ipv6_host(g, t.bytes, prefix, q, at);
  }
  if (t.type === "hid") {
    let { addr, mask } = short_v4(t.bytes);
    if (e.mask || e.prefix >= 0) {
      const text = e.mask ? `${t.text} mask ${e.mask.text}` : `${t.text}/${e.prefix}`;
      if (e.prefix > 32) throw new FilterError("mask length must be <= 32", at);
      mask = e.mask ? short_v4(e.mask.bytes).addr >>> 0 : prefix_mask(e.prefix);
      if ((addr & ~mask) !== 0) throw new FilterError(`non-network bits set in "${text}"`, at);
      if (q.addr !== "net" && q.addr !== "" && q.addr !== "host")
        throw new FilterError("Mask syntax for networks only", at);
    }
    return ipv4_host(g, addr, mask, q, at);
  }
  if (t.type === "num") {
    let v = t.num;
    let mask = 0xffffffff;
    if (q.addr === "net") {
      // A net number is written from the left: 10 is 10.0.0.0/8.
      while (v !== 0 && v < 0x1000000) {
        v = v * 256;
        mask = (mask << 8) >>> 0;
      }
    }
    return ipv4_host(g, v, mask, q, at);
  }
  return host_by_name(g, t.text, q, at);
};

// --- the rest -------------------------------------------------------------------------------------------------------

const cast = (g: Gen, e: Expr & { k: "cast" }): Cond => {
  const broadcast = e.cast === "broadcast";
  const link = e.proto === "" || e.proto === "link";
  const ethernet = g.o.linktype === DLT_EN10MB && !g.o.cooked;
  if (link && ethernet)
    return broadcast ? bytes_equal(0, Array<number>(6).fill(255)) : compare([load(1, 0)], B.BPF_JSET, 1);
  if (link && broadcast) throw new FilterError("not a broadcast link", e.offset);
  if (e.proto === "ip" && broadcast) {
    if (g.o.netmask === undefined) {
      throw new FilterError(`netmask not known, so 'ip broadcast' not supported`, e.offset);
    }
    const host = ~g.o.netmask >>> 0;
    const dst = [load(4, g.off_payload + 16), mask_k(host)];
    return and(linktype(g, ETHERTYPE_IP), or(compare(dst, B.BPF_JEQ, 0), compare(dst, B.BPF_JEQ, host)));
  }
  if (broadcast) throw new FilterError("only link-layer/IP broadcast filters supported", e.offset);
  if (e.proto === "ip") return and(linktype(g, ETHERTYPE_IP), compare([load(1, g.off_payload + 16)], B.BPF_JGE, 224));
  if (e.proto === "ip6") return and(linktype(g, ETHERTYPE_IPV6), equal(1, g.off_payload + 24, 255));
  throw new FilterError(
    "link-layer multicast filters supported only on ethernet/FDDI/token ring/ARCNET/802.11/ATM LANE/Fibre Channel",
    e.offset,
  );
};

const vlan = (g: Gen, id: number | undefined, at: number): Cond => {
  if (g.mpls_depth > 0) throw new FilterError("no VLAN match after MPLS", at);
  if (g.mode !== "ether") throw new FilterError(`no VLAN support for ${link_description(g)}`, at);
  if (id !== undefined && id > 4095) throw new FilterError(`VLAN tag ${id} greater than maximum 4095`, at);
  g.uses_vlan = true;
  if (g.vlan_depth++ === 0 && g.tag_stripped) {
    // The tag is in the skb, and the bytes look as if there were none: nothing moves.
    return id === undefined ? TRUE : compare([load_ad(B.SKF_AD_VLAN_TAG), mask_k(0xfff)], B.BPF_JEQ, id);
  }
  const tagged = or(...[0x8100, 0x88a8, 0x9100].map((v) => equal(2, g.off_type, v)));
  const c = id === undefined ? tagged : and(tagged, equal(2, g.off_payload, id, 0xfff));
  g.off_type += 4;
  g.off_payload += 4;
  return c;
};

const mpls = (g: Gen, label: number | undefined, at: number): Cond => {
  let c: Cond;
  if (g.mpls_depth > 0) c = equal(1, g.off_payload - 2, 0, 1);
  else if (g.mode === "ether") c = type_is(g, 0x8847);
  else throw new FilterError(`no MPLS support for ${link_description(g)}`, at);
  if (label !== undefined && label > 0xfffff)
    throw new FilterError(`MPLS label ${label} greater than maximum 1048575`, at);
  if (label !== undefined) c = and(c, equal(4, g.off_payload, label * 4096, 0xfffff000));
  g.mode = "mpls";
  g.mpls_depth++;
  g.off_payload += 4;
  return c;
};

const pppoes = (g: Gen, id: number | undefined, at: number): Cond => {
  if (id !== undefined && id > 0xffff)
    throw new FilterError(`PPPoE session number ${id} greater than maximum 65535`, at);
  let c = linktype(g, 0x8864);
  if (id !== undefined) c = and(c, equal(2, g.off_payload + 2, id));
  g.mode = "ppp";
  g.off_type = g.off_payload + 6;
  g.off_payload += 8;
  return c;
};

const word = (g: Gen, e: Expr & { k: "word" }): Cond => {
  const len = [stmt(B.BPF_LD | B.BPF_W | B.BPF_LEN)];
  const unsupported = (what: string): never => {
    throw new FilterError(`${what} not supported on ${link_description(g)} when reading savefiles`, e.offset);
  };
  switch (e.word) {
    case "less":
      return not(compare(len, B.BPF_JGT, e.num!));
    case "greater":
      return compare(len, B.BPF_JGE, e.num!);
    case "inbound":
    case "outbound": {
      let out: Cond;
      if (g.o.live) out = compare([load_ad(B.SKF_AD_PKTTYPE)], B.BPF_JEQ, PACKET_OUTGOING);
      else if (g.o.linktype === DLT_LINUX_SLL) out = equal(2, 0, PACKET_OUTGOING);
      else if (g.o.linktype === DLT_LINUX_SLL2) out = equal(1, 10, PACKET_OUTGOING);
      else return unsupported("inbound/outbound");
      return e.word === "outbound" ? out : not(out);
    }
    case "ifindex":
      if (g.o.live) return compare([load_ad(B.SKF_AD_IFINDEX)], B.BPF_JEQ, e.num!);
      return g.o.linktype === DLT_LINUX_SLL2 ? equal(4, 4, e.num!) : unsupported("ifindex");
    case "vlan":
      return vlan(g, e.num, e.offset);
    case "mpls":
      return mpls(g, e.num, e.offset);
    case "pppoed":
      return linktype(g, 0x8863);
    case "pppoes":
      return pppoes(g, e.num, e.offset);
    case "llc":
      if (g.mode === "ether") return and(is_llc(g), not(equal(2, g.off_payload, 0xffff)));
      throw new FilterError(`'llc' not supported for ${link_description(g)}`, e.offset);
    default:
      throw new FilterError(`'${e.word}' is not supported`, e.offset);
  }
};

const byte_op = (e: Expr & { k: "byte" }): Cond => {
  const ins = [load(1, e.index)];
  switch (e.op) {
    case "=":
      return compare(ins, B.BPF_JEQ, e.value);
    case "<":
      return not(compare(ins, B.BPF_JGE, e.value));
    default:
      return compare(ins, B.BPF_JGT, e.value);
  }
};

/** The condition of a tree. Terms are taken from left to right, because vlan, mpls and pppoes move what follows. */
export const gen_expr = (g: Gen, e: Expr): Cond => {
  switch (e.k) {
    case "and":
    case "or": {
      const a = gen_expr(g, e.a);
      const b = gen_expr(g, e.b);
      return e.k === "and" ? and(a, b) : or(a, b);
    }
    case "not":
      return not(gen_expr(g, e.a));
    case "rel":
      return gen_relation(g, e.op, e.l, e.r);
    case "abbrev":
      return abbrev(g, e.proto, e.offset);
    case "id":
      return id_expr(g, e);
    case "cast":
      return cast(g, e);
    case "word":
      return word(g, e);
    default:
      return byte_op(e);
  }
};
