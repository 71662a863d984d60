// DNS messages over UDP and TCP, and mDNS (RFC 1035, 3596, 2782, 6891, 6762). Way in: print_domain.

import { g8, g16, g32, has, hex, ip4_number, ip6_words_text, type Printer, trunc, visible } from "./printer.ts";

const TYPES: ReadonlyMap<number, string> = new Map([
  [1, "A"],
  [2, "NS"],
  [3, "MD"],
  [4, "MF"],
  [5, "CNAME"],
  [6, "SOA"],
  [7, "MB"],
  [8, "MG"],
  [9, "MR"],
  [10, "NULL"],
  [11, "WKS"],
  [12, "PTR"],
  [13, "HINFO"],
  [14, "MINFO"],
  [15, "MX"],
  [16, "TXT"],
  [17, "RP"],
  [18, "AFSDB"],
  [19, "X25"],
  [20, "ISDN"],
  [21, "RT"],
  [22, "NSAP"],
  [23, "NSAP_PTR"],
  [24, "SIG"],
  [25, "KEY"],
  [26, "PX"],
  [27, "GPOS"],
  [28, "AAAA"],
  [29, "LOC"],
  [30, "NXT"],
  [31, "EID"],
  [32, "NIMLOC"],
  [33, "SRV"],
  [34, "ATMA"],
  [35, "NAPTR"],
  [36, "KX"],
  [37, "CERT"],
  [38, "A6"],
  [39, "DNAME"],
  [40, "SINK"],
  [41, "OPT"],
  [42, "APL"],
  [43, "DS"],
  [44, "SSHFP"],
  [45, "IPSECKEY"],
  [46, "RRSIG"],
  [47, "NSEC"],
  [48, "DNSKEY"],
  [99, "SPF"],
  [100, "UINFO"],
  [101, "UID"],
  [102, "GID"],
  [103, "UNSPEC"],
  [104, "UNSPECA"],
  [249, "TKEY"],
  [250, "TSIG"],
  [251, "IXFR"],
  [252, "AXFR"],
  [253, "MAILB"],
  [254, "MAILA"],
  [255, "ANY"],
  [256, "URI"],
]);

const CLASSES: ReadonlyMap<number, string> = new Map([
  [1, "IN"],
  [3, "CHAOS"],
  [4, "HS"],
  [255, "ANY"],
]);

const OPCODES: readonly string[] = [
  "",
  " inv_q",
  " stat",
  " op3",
  " notify",
  " update",
  " op6",
  " op7",
  " op8",
  " updateA",
  " updateD",
  " updateDA",
  " updateM",
  " updateMA",
  " zoneInit",
  " zoneRef",
];
const RCODES: readonly string[] = [
  "",
  " FormErr",
  " ServFail",
  " NXDomain",
  " NotImp",
  " Refused",
  " YXDomain",
  " YXRRSet",
  " NXRRSet",
  " NotAuth",
  " NotZone",
  " Resp11",
  " Resp12",
  " Resp13",
  " Resp14",
  " NoChange",
];

const type_text = (t: number): string => TYPES.get(t) ?? `Type${t}`;
const class_text = (c: number): string => CLASSES.get(c) ?? `(Class ${c})`;

/** A message in print: where it starts, and the offset of what comes next; `at` is -1 once the capture has ended. */
interface Msg {
  start: number;
  end: number;
  at: number;
  mdns: boolean;
}

/** Prints the name at `m.at` and steps over it. @returns false at the end of the capture */
const name = (p: Printer, m: Msg): boolean => {
  let at = m.at;
  let after = -1;
  let lowest = at;
  if (!has(p, at, 1)) return false;
  if (g8(p, at) === 0) {
    m.at = at + 1;
    p.out += ".";
    return true;
  }
  for (;;) {
    if (!has(p, at, 1)) return false;
    const n = g8(p, at);
    if (n === 0) {
      at++;
      break;
    }
    if ((n & 0xc0) === 0xc0) {
      if (!has(p, at, 2)) return false;
      if (after < 0) after = at + 2;
      // A pointer must go back (RFC 1035 section 4.1.4), so that a chain of them ends.
      const to = m.start + (g16(p, at) & 0x3fff);
      if (to >= lowest) {
        p.out += "<BAD PTR>";
        m.at = after;
        return false;
      }
      at = to;
      lowest = to;
      continue;
    }
    if (n & 0xc0) {
      p.out += "<label type>";
      return false;
    }
    for (let i = 0; i < n; i++) {
      if (!has(p, at + 1 + i, 1)) return false;
      p.out += visible(g8(p, at + 1 + i));
    }
    p.out += ".";
    at += 1 + n;
  }
  m.at = after < 0 ? at : after;
  return true;
};

/** `A? example.com.` */
const question = (p: Printer, m: Msg): boolean => {
  // The type comes first in print, last in the message.
  const named = p.out;
  p.out = "";
  const ok = name(p, m);
  const text = p.out;
  p.out = named;
  if (!ok || !has(p, m.at, 4)) return false;
  const type = g16(p, m.at);
  let cls = g16(p, m.at + 2);
  m.at += 4;
  p.out += ` ${type_text(type)}`;
  let unicast = "";
  if (m.mdns) {
    unicast = cls & 0x8000 ? " (QU)" : " (QM)";
    cls &= 0x7fff;
  }
  if (cls !== 1) p.out += ` ${class_text(cls)}`;
  p.out += `${unicast}? ${text}`;
  return true;
};

const ttl_text = (ttl: number): string => {
  if (ttl === 0) return "0s";
  let s = "";
  for (const [unit, secs] of [
    ["w", 604800],
    ["d", 86400],
    ["h", 3600],
    ["m", 60],
    ["s", 1],
  ] as const) {
    if (ttl >= secs) s += `${Math.floor(ttl / secs)}${unit}`;
    ttl %= secs;
  }
  return s;
};

/** A character string (RFC 1035 section 3.3), with what cannot be printed made visible. */
const string_at = (p: Printer, at: number): { text: string; next: number } | undefined => {
  if (!has(p, at, 1)) return undefined;
  const n = g8(p, at);
  let text = "";
  for (let i = 0; i < n; i++) {
    if (!has(p, at + 1 + i, 1)) return undefined;
    text += visible(g8(p, at + 1 + i));
  }
  return { text, next: at + 1 + n };
};

const record_data = (p: Printer, m: Msg, type: number, at: number, len: number): boolean => {
  const named = (offset: number): boolean => {
    m.at = at + offset;
    if (!has(p, m.at, 1) || (g8(p, m.at) !== 0 && !has(p, m.at, 2))) return false;
    p.out += " ";
    return name(p, m);
  };
  switch (type) {
    case 1:
      if (!has(p, at, 4)) return false;
      p.out += ` ${ip4_number(p, at)}`;
      return true;
    case 2:
    case 5:
    case 12:
    case 39:
      return named(0);
    case 6: {
      if (p.v === 0) return true;
      if (!named(0)) return false;
      p.out += " ";
      if (!name(p, m)) return false;
      for (let i = 0; i < 5; i++) {
        if (!has(p, m.at, 4)) return false;
        p.out += ` ${g32(p, m.at)}`;
        m.at += 4;
      }
      return true;
    }
    case 15:
      if (!has(p, at, 2) || !named(2)) return false;
      p.out += ` ${g16(p, at)}`;
      return true;
    case 16: {
      let i = at;
      do {
        const s = string_at(p, i);
        if (!s) return false;
        p.out += ` "${s.text}"`;
        i = s.next;
      } while (i < at + len);
      return true;
    }
    case 28: {
      if (!has(p, at, 16)) return false;
      const w: number[] = [];
      for (let i = 0; i < 8; i++) w.push(g16(p, at + i * 2));
      p.out += ` ${ip6_words_text(w)}`;
      return true;
    }
    case 33:
      if (!has(p, at, 6) || !named(6)) return false;
      p.out += `:${g16(p, at + 4)} ${g16(p, at)} ${g16(p, at + 2)}`;
      return true;
    default:
      return true;
  }
};

/** A resource record; its owner's name only with -v: a name cut off then ends the message quietly. */
const record = (p: Printer, m: Msg): boolean => {
  const saved = p.out;
  if (p.v > 0) p.out += " ";
  if (!name(p, m)) {
    if (p.v > 0) return false;
    p.out = saved;
    m.at = m.end;
    return true;
  }
  if (p.v === 0) p.out = saved;
  if (!has(p, m.at, 2)) {
    m.at = m.end;
    return true;
  }
  if (!has(p, m.at, 10)) return false;
  const type = g16(p, m.at);
  let cls = g16(p, m.at + 2);
  const ttl = g32(p, m.at + 4);
  const len = g16(p, m.at + 8);
  const at = m.at + 10;
  if (m.mdns) {
    if (cls & 0x8000) p.out += " (Cache flush)";
    cls &= 0x7fff;
  }
  if (cls !== 1 && type !== 41) p.out += ` ${class_text(cls)}`;
  if (p.v > 2 && type !== 41) p.out += ` [${ttl_text(ttl)}]`;
  p.out += ` ${type_text(type)}`;
  if (type === 41) {
    p.out += ` UDPsize=${cls}`;
    if (ttl & 0x8000) p.out += " DO";
  } else if (!has(p, at, len) || at + len > m.end) {
    record_data(p, m, type, at, len);
    return false;
  } else if (!record_data(p, m, type, at, len)) return false;
  m.at = at + len;
  return true;
};

const records = (p: Printer, m: Msg, n: number, title: string): boolean => {
  p.out += title;
  for (let i = 0; i < n && m.at < m.end; i++) {
    if (i > 0) p.out += ",";
    if (!record(p, m)) return false;
  }
  return true;
};

export const print_domain = (p: Printer, at: number, len: number, mdns: boolean): undefined => {
  if (len < 12) {
    p.out += `domain [length ${len} < 12] (invalid)`;
    return;
  }
  if (!has(p, at, 12)) return trunc(p, "domain");
  const flags = g16(p, at + 2);
  const qd = g16(p, at + 4);
  const an = g16(p, at + 6);
  const ns = g16(p, at + 8);
  const ar = g16(p, at + 10);
  const opcode = OPCODES[(flags >> 11) & 15];
  const m: Msg = { start: at, end: Math.min(at + len, p.end), at: at + 12, mdns };
  const ok = flags & 0x8000 ? response() : query();
  if (!ok) return trunc(p, "domain");
  p.out += ` (${len})`;

  function questions(separator: string): boolean {
    for (let i = 0; i < qd; i++) {
      if (i > 0) p.out += separator;
      if (m.at >= m.end || !question(p, m)) return false;
    }
    return true;
  }

  function response(): boolean {
    p.out += `${g16(p, at)}${opcode}${RCODES[flags & 15]}`;
    if (flags & 0x0400) p.out += "*";
    if (!(flags & 0x0080)) p.out += "-";
    if (flags & 0x0200) p.out += "|";
    if (flags & 0x0020) p.out += "$";
    if (qd !== 1) p.out += ` [${qd}q]`;
    if (p.v > 1) {
      p.out += qd > 0 ? " q:" : "";
      if (!questions(",")) return false;
    } else {
      for (let i = 0; i < qd; i++) {
        const saved = p.out;
        const fine = m.at < m.end && question(p, m);
        p.out = saved;
        if (!fine) return false;
      }
    }
    p.out += ` ${an}/${ns}/${ar}`;
    if (!records(p, m, an, "")) return false;
    if (p.v < 2) return true;
    if (ns > 0 && m.at < m.end && !records(p, m, ns, " ns:")) return false;
    return !(ar > 0 && m.at < m.end && !records(p, m, ar, " ar:"));
  }

  function query(): boolean {
    p.out += `${g16(p, at)}${opcode}${flags & 0x0100 ? "+" : ""}${flags & 0x0010 ? "%" : ""}`;
    const odd = flags & 0x06cf;
    if (odd) p.out += ` [b2&3=0x${hex(flags)}]`;
    if (((flags >> 11) & 15) === 1) {
      if (qd) p.out += ` [${qd}q]`;
      if (an !== 1) p.out += ` [${an}a]`;
    } else {
      if (an) p.out += ` [${an}a]`;
      if (qd !== 1) p.out += ` [${qd}q]`;
    }
    if (ns) p.out += ` [${ns}n]`;
    if (ar) p.out += ` [${ar}au]`;
    if (!questions("")) return false;
    if (p.v < 2) return true;
    if (an > 0 && m.at < m.end && !records(p, m, an, " an:")) return false;
    if (ns > 0 && m.at < m.end && !records(p, m, ns, " ns:")) return false;
    return !(ar > 0 && m.at < m.end && !records(p, m, ar, " ar:"));
  }
};
