// TCP segments with options, sequence numbers relative to the first seen (RFC 9293). Way in: print_tcp.

import { print_domain } from "./print_domain.ts";
import { print_ssh, print_text_protocol, type TextProtocol } from "./print_text.ts";
import {
  dst_text,
  endpoints,
  fold_sum,
  g8,
  g16,
  g32,
  has,
  hex,
  type IpContext,
  type Printer,
  port_text,
  pseudo_sum,
  should_be,
  src_text,
  sum_bytes,
  type TcpBase,
  trunc,
} from "./printer.ts";

const SYN = 2;
const RST = 4;
const FIN = 1;
const ACK = 16;
const URG = 32;
const FLAG_CHARS = ["F", "S", "R", "P", ".", "U", "E", "W"];
const TEXT_PORTS: ReadonlyMap<number, TextProtocol> = new Map([
  [21, "ftp"],
  [25, "smtp"],
  [80, "http"],
  [3128, "http"],
  [8080, "http"],
]);

const flags_text = (flags: number): string => {
  let s = "";
  for (let i = 0; i < 8; i++) if (flags & (1 << i)) s += FLAG_CHARS[i];
  return s || "none";
};

/** The bases to subtract for a segment; both 0 for the one that starts a conversation. */
const relative_to = (
  p: Printer,
  c: IpContext,
  ports: string,
  back: string,
  flags: number,
  seq: number,
  ack: number,
): TcpBase => {
  const none = { seq: 0, ack: 0, forward: "" };
  if (p.o.S || !(flags & ACK)) return none;
  const src = src_text(p, c);
  const dst = dst_text(p, c);
  const forward = `${src} ${dst} ${ports}`;
  const backward = `${dst} ${src} ${back}`;
  const key = forward < backward ? forward : backward;
  const known = p.state.tcp.get(key);
  if (!known || flags & SYN) {
    p.state.tcp.set(key, { seq, ack: (ack - 1) >>> 0, forward });
    return none;
  }
  return known.forward === forward ? known : { seq: known.ack, ack: known.seq, forward };
};

const OPTION_NAMES: ReadonlyMap<number, string> = new Map([
  [0, "eol"],
  [1, "nop"],
  [2, "mss"],
  [3, "wscale"],
  [4, "sackOK"],
  [5, "sack"],
  [6, "echo"],
  [7, "echoreply"],
  [8, "TS"],
  [11, "cc"],
  [12, "ccnew"],
  [13, ""],
  [19, "md5"],
  [20, "scps"],
  [28, "uto"],
  [29, "tcp-ao"],
  [30, "mptcp"],
  [34, "tfo"],
  [254, "exp"],
]);

const bytes_hex = (p: Printer, at: number, n: number): string => {
  let s = "";
  for (let i = 0; i < n; i++) s += hex(g8(p, at + i), 2);
  return s;
};

const fast_open = (p: Printer, at: number, n: number): undefined => {
  if (n === 0) p.out += " cookiereq";
  else if (n % 2 !== 0 || n < 4 || n > 16) p.out += "invalid";
  else p.out += ` cookie ${bytes_hex(p, at, n)}`;
};

/** The value of one option of `n` bytes at `at`. @returns how many of them belong to it, -1 at the end of the capture */
const option_value = (p: Printer, type: number, at: number, n: number, base: TcpBase): number => {
  switch (type) {
    case 2:
      p.out += ` ${g16(p, at)}`;
      return 2;
    case 3:
      p.out += ` ${g8(p, at)}`;
      return 1;
    case 5: {
      if (n % 8 !== 0) {
        p.out += " malformed sack";
        return n;
      }
      p.out += ` ${n / 8} `;
      for (let i = 0; i < n; i += 8) {
        if (!has(p, at + i, 8)) return -1;
        p.out += `{${(g32(p, at + i) - base.ack) >>> 0}:${(g32(p, at + i + 4) - base.ack) >>> 0}}`;
      }
      return n;
    }
    case 6:
    case 7:
    case 11:
    case 12:
      p.out += ` ${g32(p, at)}`;
      return 4;
    case 8:
      p.out += ` val ${g32(p, at)} ecr ${g32(p, at + 4)}`;
      return 8;
    case 19:
      p.out += ` shared secret not supplied with -M, can't check - ${bytes_hex(p, at, 16)}`;
      return 16;
    case 28: {
      const v = g16(p, at);
      p.out += ` 0x${hex(v)} ${(v >> 1) * (v & 1 ? 60 : 1)}`;
      return 2;
    }
    case 34:
      p.out += " ";
      fast_open(p, at, n);
      return n;
    case 253:
    case 254: {
      const magic = g16(p, at);
      if (n < 2) p.out += "-0x";
      else if (magic === 0xf989) {
        p.out += "-tfo";
        fast_open(p, at + 2, n - 2);
      } else p.out += `-0x${hex(magic, 4)}`;
      return n;
    }
    default:
      return n;
  }
};

const MIN_DATA: ReadonlyMap<number, number> = new Map([
  [2, 2],
  [3, 1],
  [6, 4],
  [7, 4],
  [8, 8],
  [11, 4],
  [12, 4],
  [19, 16],
  [28, 2],
]);

/** The capture ends in the data of an option; tcpdump closes what it opened, unless it is the first. */
const cut_short = (p: Printer, first: boolean): false => {
  trunc(p, "tcp");
  if (!first) p.out += ">";
  return false;
};

/** @returns false where printing of the segment ends with the options */
const print_options = (p: Printer, at: number, end: number, base: TcpBase): boolean => {
  p.out += ", options [";
  const start = at;
  while (at < end) {
    const first = at === start;
    if (!first) p.out += ",";
    if (!has(p, at, 1)) {
      trunc(p, "tcp");
      return false;
    }
    const type = g8(p, at++);
    if (type === 0 || type === 1) {
      p.out += OPTION_NAMES.get(type)!;
      if (type === 0) break;
      continue;
    }
    if (at >= end) {
      p.out += "[bad opt]";
      return false;
    }
    if (!has(p, at, 1)) {
      trunc(p, "tcp");
      return false;
    }
    const len = g8(p, at++);
    if (len < 2) {
      p.out += "[bad opt]";
      return false;
    }
    const n = len - 2;
    const needed = MIN_DATA.get(type);
    if (n > end - at) {
      p.out += "[bad opt]]";
      return false;
    }
    const name = OPTION_NAMES.get(type);
    p.out += name ?? `unknown-${type}`;
    if (type !== 5 && !has(p, at, needed ?? n)) return cut_short(p, first);
    let used: number;
    if ((needed ?? n) > end - at) {
      p.out += "[bad opt]]";
      return false;
    }
    if (name === undefined) {
      if (n > 0) p.out += ` 0x${bytes_hex(p, at, n)}`;
      used = n;
    } else used = option_value(p, type, at, n, base);
    if (used < 0) return cut_short(p, first);
    if (used !== n) p.out += `[len ${len}]`;
    at += used;
  }
  p.out += "]";
  return true;
};

export const print_tcp = (p: Printer, at: number, length: number, c: IpContext): undefined => {
  if (!has(p, at, 4)) {
    if (!c.addresses_printed) p.out += `${src_text(p, c)} > ${dst_text(p, c)}: `;
    return trunc(p, "tcp");
  }
  const sport = g16(p, at);
  const dport = g16(p, at + 2);
  endpoints(p, c, port_text(p, sport, 6), port_text(p, dport, 6));
  if (!has(p, at, 20)) return trunc(p, "tcp");
  const hlen = (g8(p, at + 12) >> 4) * 4;
  if (hlen < 20) {
    p.out += ` tcp ${(length - hlen) >>> 0} [bad hdr length ${hlen} - too short, < 20]`;
    return;
  }
  const data_len = length - hlen;
  const too_long = ` [bad hdr length ${hlen} - too long, > ${length}]`;
  if (p.o.q) {
    p.out += `tcp ${data_len >>> 0}`;
    if (hlen > length) p.out += too_long;
    return;
  }
  const flags = g8(p, at + 13);
  const seq = g32(p, at + 4);
  const ack = g32(p, at + 8);
  const base = relative_to(p, c, `${sport} ${dport}`, `${dport} ${sport}`, flags, seq, ack);
  p.out += `Flags [${flags_text(flags)}]`;
  if (hlen > length) {
    p.out += too_long;
    return;
  }
  if (p.v > 0 && !p.o.K && !c.fragmented && has(p, at, length)) {
    const field = g16(p, at + 16);
    const computed = fold_sum(sum_bytes(p, at, length, pseudo_sum(p, c, 6, length)));
    p.out += `, cksum 0x${hex(field, 4)} `;
    p.out += computed === 0 ? "(correct)" : `(incorrect -> 0x${hex(should_be(field, computed), 4)})`;
  }
  if (data_len > 0 || flags & (SYN | FIN | RST) || p.v > 1) {
    const rel = (seq - base.seq) >>> 0;
    p.out += `, seq ${rel}`;
    if (data_len > 0) p.out += `:${(rel + data_len) >>> 0}`;
  }
  if (flags & ACK) p.out += `, ack ${(ack - base.ack) >>> 0}`;
  p.out += `, win ${g16(p, at + 14)}`;
  if (flags & URG) p.out += `, urg ${g16(p, at + 18)}`;
  if (hlen > 20 && !print_options(p, at + 20, at + hlen, base)) return;
  p.out += `, length ${data_len}`;
  if (data_len > 0 && !(flags & RST)) print_data(p, at + hlen, data_len, sport, dport);
};

const print_data = (p: Printer, at: number, len: number, sport: number, dport: number): undefined => {
  const text = TEXT_PORTS.get(sport) ?? TEXT_PORTS.get(dport);
  if (text) {
    p.out += ":";
    print_text_protocol(p, at, len, text);
  } else if (sport === 22 || dport === 22) print_ssh(p, at, len);
  else if ((sport === 53 || dport === 53) && len > 2) {
    // A message is preceded by its length (RFC 1035 section 4.2.2).
    p.out += " ";
    print_domain(p, at + 2, len - 2, false);
  }
};
