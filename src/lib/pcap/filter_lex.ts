// Tokens of a filter expression. Read first: pcap-filter(7). Way in: tokenize. The longest token wins, as in any lexer
// of this kind: `80-90` and `len-1` are one word.

/** Thrown while compiling an expression, and caught by pcap_compile; `offset` is where in the text. */
export class FilterError extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

export const SYNTAX_ERROR = "can't parse filter expression: syntax error";

export type TokenType = "num" | "id" | "hid" | "hid6" | "eid" | "kw" | "op" | "end";

export interface Token {
  type: TokenType;
  text: string;
  offset: number;
  /** Numbers: the value. */
  num: number;
  /** Addresses: the bytes (4, 16, 6); an IPv4 address may be short. */
  bytes: number[];
}

const KEYWORDS: ReadonlySet<string> = new Set(
  (
    "dst src link ether ppp slip fddi tr wlan arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp radio ip6 icmp6 ah esp " +
    "atalk aarp decnet lat sca moprc mopdl iso esis es-is isis is-is clnp stp ipx netbeui host net mask port portrange proto " +
    "protochain gateway type subtype direction dir addr1 addr2 addr3 addr4 ra ta less greater byte broadcast multicast " +
    "and or not len length inbound outbound vlan mpls pppoed pppoes geneve llc ifname on rset ruleset rnr srnr subrulenum " +
    "rulenum reason action ifindex vpi vci lane metac bcc oam oamf4 oamf4ec oamf4sc sc ilmic connectmsg metaconnect"
  ).split(" "),
);

const ALIASES: ReadonlyMap<string, string> = new Map([
  ["length", "len"],
  ["&&", "and"],
  ["||", "or"],
  ["!", "not"],
  ["==", "="],
]);

const OPERATORS = ["&&", "||", ">=", "<=", "!=", "==", "<<", ">>"];
const HEX_PAIR = "[0-9A-Fa-f]{1,2}";
const MAC = new RegExp(
  `^(?:${HEX_PAIR}(?::${HEX_PAIR}){5}|${HEX_PAIR}(?:\\.${HEX_PAIR}){5}|${HEX_PAIR}(?:-${HEX_PAIR}){5}` +
    "|[0-9A-Fa-f]{4}\\.[0-9A-Fa-f]{4}\\.[0-9A-Fa-f]{4}|[0-9A-Fa-f]{12})$",
);
const WORD = /[A-Za-z0-9](?:[-_.A-Za-z0-9]*[.A-Za-z0-9])?/y;
const ADDR = /[0-9A-Fa-f.:]*[0-9A-Fa-f:]/y;
const ADDR_OR_MAC = /[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5}/y;

/** The 16 bytes of an IPv6 address (RFC 4291 section 2.2), or undefined. */
export const parse_ipv6 = (text: string): number[] | undefined => {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const bytes_of = (part: string): number[] | undefined => {
    const out: number[] = [];
    if (part === "") return out;
    const words = part.split(":");
    for (let i = 0; i < words.length; i++) {
      const w = words[i];
      if (i === words.length - 1 && w.includes(".")) {
        const v4 = parse_ipv4(w);
        if (!v4 || v4.length !== 4) return undefined;
        out.push(...v4);
      } else if (/^[0-9A-Fa-f]{1,4}$/.test(w)) {
        const n = parseInt(w, 16);
        out.push(n >> 8, n & 255);
      } else return undefined;
    }
    return out;
  };
  const a = bytes_of(halves[0]);
  const b = halves.length === 2 ? bytes_of(halves[1]) : [];
  if (!a || !b) return undefined;
  const n = a.length + b.length;
  if (halves.length === 1) return n === 16 ? a : undefined;
  return n > 14 ? undefined : [...a, ...Array<number>(16 - n).fill(0), ...b];
};

/** The bytes of a dotted IPv4 address of two to four parts, or undefined. */
export const parse_ipv4 = (text: string): number[] | undefined => {
  if (!/^\d+(?:\.\d+){1,3}$/.test(text)) return undefined;
  const parts = text.split(".").map(Number);
  return parts.every((p) => p <= 255) ? parts : undefined;
};

const parse_mac = (text: string): number[] => {
  const parts = text.split(/[:.-]/);
  if (parts.length === 6) return parts.map((p) => parseInt(p, 16));
  return parts
    .join("")
    .match(/../g)!
    .map((p) => parseInt(p, 16));
};

const match_at = (re: RegExp, text: string, at: number): string => {
  re.lastIndex = at;
  return re.exec(text)?.[0] ?? "";
};

const number_of = (word: string, offset: number): number | undefined => {
  let v: number;
  if (/^0[xX][0-9A-Fa-f]+$/.test(word)) v = Number(word);
  else if (/^0[0-7]+$/.test(word)) v = parseInt(word, 8);
  else if (/^\d+$/.test(word)) v = Number(word);
  else return undefined;
  if (v > 0xffffffff) throw new FilterError(`number ${word} overflows 32 bits`, offset);
  return v;
};

const word_token = (word: string, offset: number, constants: ReadonlyMap<string, number>): Token => {
  const t: Token = { type: "id", text: word, offset, num: 0, bytes: [] };
  const n = MAC.test(word) ? undefined : number_of(word, offset);
  const named = constants.get(word);
  if (n !== undefined) {
    t.type = "num";
    t.num = n;
  } else if (MAC.test(word)) {
    t.type = "eid";
    t.bytes = parse_mac(word);
  } else if (/^\d+(?:\.\d+){1,3}$/.test(word)) {
    t.type = "hid";
    const v4 = parse_ipv4(word);
    if (!v4) throw new FilterError(`invalid IPv4 address '${word}'`, offset);
    t.bytes = v4;
  } else if (KEYWORDS.has(word)) {
    t.type = "kw";
    t.text = ALIASES.get(word) ?? word;
  } else if (named !== undefined) {
    t.type = "num";
    t.num = named;
  }
  return t;
};

/** Splits an expression into tokens; the last has type `end`. Throws FilterError. */
export const tokenize = (text: string, constants: ReadonlyMap<string, number>): Token[] => {
  const tokens: Token[] = [];
  let i = 0;
  while (i < text.length) {
    const c = text[i];
    if (/\s/.test(c)) {
      i++;
      continue;
    }
    const word = match_at(WORD, text, i);
    const addr = match_at(ADDR, text, i);
    if (addr.length > word.length && addr.includes(":")) {
      const bytes = parse_ipv6(addr);
      const mac = match_at(ADDR_OR_MAC, text, i);
      if (bytes) {
        tokens.push({ type: "hid6", text: addr, offset: i, num: 0, bytes });
        i += addr.length;
        continue;
      }
      if (mac.length === addr.length) {
        tokens.push({ type: "eid", text: mac, offset: i, num: 0, bytes: parse_mac(mac) });
        i += mac.length;
        continue;
      }
    }
    if (word) {
      tokens.push(word_token(word, i, constants));
      i += word.length;
    } else if (c === "\\") {
      const escaped = match_at(/[^ !()\n\t]+/y, text, i + 1);
      if (!escaped) throw new FilterError(SYNTAX_ERROR, i);
      tokens.push({ type: "id", text: escaped, offset: i, num: 0, bytes: [] });
      i += 1 + escaped.length;
    } else {
      const two = text.slice(i, i + 2);
      const op = OPERATORS.includes(two) ? two : c;
      if (op.length === 1 && !"()[]!<>=+-*/%&|^:".includes(c)) throw new FilterError(SYNTAX_ERROR, i);
      const name = ALIASES.get(op) ?? op;
      tokens.push({ type: /[a-z]/.test(name) ? "kw" : "op", text: name, offset: i, num: 0, bytes: [] });
      i += op.length;
    }
  }
  tokens.push({ type: "end", text: "", offset: text.length, num: 0, bytes: [] });
  return tokens;
};
