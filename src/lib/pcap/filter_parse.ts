// The grammar of filter expressions: text to a tree. Read first: pcap-filter(7), above all its last section: and/or have
// equal precedence, and an identifier without a keyword takes the qualifiers of the term before it. Way in: parse_filter.

import { FilterError, SYNTAX_ERROR, type Token, tokenize } from "./filter_lex.ts";
import { NAMED_CONSTANTS } from "./names.ts";

export type Dir = "or" | "and" | "src" | "dst";

/** The qualifiers in front of an identifier; '' where none was given. */
export interface Qual {
  proto: string;
  dir: Dir | "";
  addr: "" | "host" | "net" | "port" | "portrange" | "proto" | "protochain" | "gateway";
}

export type Arith =
  | { k: "num"; v: number }
  | { k: "len" }
  | { k: "neg"; a: Arith }
  | { k: "bin"; op: string; l: Arith; r: Arith; offset: number }
  | { k: "load"; proto: string; index: Arith; size: 1 | 2 | 4; offset: number };

export type Expr =
  | { k: "and" | "or"; a: Expr; b: Expr }
  | { k: "not"; a: Expr }
  | { k: "rel"; op: string; l: Arith; r: Arith }
  | { k: "abbrev"; proto: string; offset: number }
  | { k: "id"; q: Qual | undefined; value: Token; mask: Token | undefined; prefix: number; offset: number }
  | { k: "cast"; cast: "broadcast" | "multicast"; proto: string; offset: number }
  /** less, greater, inbound, outbound, vlan, mpls, pppoed, pppoes, llc, ifindex, and those only recognised. */
  | { k: "word"; word: string; num: number | undefined; offset: number }
  | { k: "byte"; index: number; op: string; value: number };

const PROTOS: ReadonlySet<string> = new Set(
  (
    "link ether ppp slip fddi tr wlan arp rarp ip sctp tcp udp icmp igmp igrp pim vrrp carp ip6 icmp6 ah esp atalk aarp decnet " +
    "lat sca moprc mopdl iso esis isis clnp stp ipx netbeui radio"
  ).split(" "),
);
const LINK_NAMES: ReadonlySet<string> = new Set(["ether", "ppp", "slip", "fddi", "tr", "wlan"]);
const ADDR_WORDS: ReadonlySet<string> = new Set(["host", "net", "port", "portrange", "proto", "protochain", "gateway"]);
const WORDS_NUM: ReadonlySet<string> = new Set(["less", "greater", "ifindex"]);
const WORDS_OPTNUM: ReadonlySet<string> = new Set(["vlan", "mpls", "pppoes", "geneve"]);
const WORDS: ReadonlySet<string> = new Set(["inbound", "outbound", "pppoed", "llc"]);
const RELOPS: ReadonlySet<string> = new Set([">", "<", ">=", "<=", "=", "!="]);
const BINARY: ReadonlyMap<string, number> = new Map([
  ["|", 1],
  ["&", 2],
  ["<<", 3],
  [">>", 3],
  ["+", 4],
  ["-", 4],
  ["*", 5],
  ["/", 5],
]);

/** What backtracking throws: this reading of the tokens does not hold. */
class NoMatch extends FilterError {}

const MAX_DEPTH = 500;

class Parser {
  readonly toks: Token[];
  pos = 0;
  /** The furthest token that any reading reached: where a syntax error is. */
  far = 0;
  depth = 0;
  /** Readings tried; bounds the backtracking over hostile nests of parentheses. */
  steps = 0;

  constructor(text: string) {
    this.toks = tokenize(text, NAMED_CONSTANTS);
  }
}

const peek = (p: Parser): Token => p.toks[p.pos];

const fail = (p: Parser): never => {
  if (p.pos > p.far) p.far = p.pos;
  throw new NoMatch(SYNTAX_ERROR, p.toks[p.far].offset);
};

const is = (p: Parser, type: "kw" | "op", text: string): boolean => peek(p).type === type && peek(p).text === text;

const accept = (p: Parser, type: "kw" | "op", text: string): boolean => {
  if (!is(p, type, text)) return false;
  p.pos++;
  if (p.pos > p.far) p.far = p.pos;
  return true;
};

const expect = (p: Parser, type: "kw" | "op", text: string): void => {
  if (!accept(p, type, text)) fail(p);
};

const take_num = (p: Parser): number => {
  const t = peek(p);
  if (t.type !== "num") return fail(p);
  p.pos++;
  return t.num;
};

/** Tries a reading; on failure the position is as before and the result undefined. */
const attempt = <T>(p: Parser, reading: () => T): T | undefined => {
  const { pos, depth } = p;
  if (++p.steps > 20000) throw new FilterError("expression is too complex", peek(p).offset);
  try {
    return reading();
  } catch (e) {
    if (!(e instanceof NoMatch)) throw e;
    p.pos = pos;
    p.depth = depth;
    return undefined;
  }
};

const nested = <T>(p: Parser, inner: () => T): T => {
  if (++p.depth > MAX_DEPTH) throw new FilterError("expression is nested too deeply", peek(p).offset);
  const r = inner();
  p.depth--;
  return r;
};

const arith_primary = (p: Parser): Arith => {
  const t = peek(p);
  if (t.type === "num") {
    p.pos++;
    return { k: "num", v: t.num };
  }
  if (accept(p, "op", "-")) return { k: "neg", a: nested(p, () => arith_unary(p)) };
  if (accept(p, "op", "(")) {
    const e = nested(p, () => arith(p, 0));
    expect(p, "op", ")");
    return e;
  }
  if (accept(p, "kw", "len")) return { k: "len" };
  if (t.type !== "kw" || !PROTOS.has(t.text)) return fail(p);
  p.pos++;
  expect(p, "op", "[");
  const index = nested(p, () => arith(p, 0));
  let size = 1;
  if (accept(p, "op", ":")) {
    const at = peek(p).offset;
    size = take_num(p);
    if (size !== 1 && size !== 2 && size !== 4) throw new FilterError("data size must be 1, 2, or 4", at);
  }
  expect(p, "op", "]");
  return { k: "load", proto: t.text, index, size: size as 1 | 2 | 4, offset: t.offset };
};

// `%` and `^` take all that follows as their right operand and bind to what stands just before them, as the real
// compiler does (it gives them no precedence): `len % 3 * 4` is len % 12.
const arith_unary = (p: Parser): Arith => {
  const l = arith_primary(p);
  const t = peek(p);
  if (t.type === "op" && (t.text === "%" || t.text === "^")) {
    p.pos++;
    return { k: "bin", op: t.text, l, r: nested(p, () => arith(p, 0)), offset: t.offset };
  }
  return l;
};

const arith = (p: Parser, min: number): Arith => {
  let l = arith_unary(p);
  for (;;) {
    const t = peek(p);
    const prec = t.type === "op" ? BINARY.get(t.text) : undefined;
    if (prec === undefined || prec <= min) return l;
    p.pos++;
    l = { k: "bin", op: t.text, l, r: arith(p, prec), offset: t.offset };
  }
};

const relation = (p: Parser): Expr => {
  const l = arith(p, 0);
  const t = peek(p);
  if (t.type !== "op" || !RELOPS.has(t.text)) return fail(p);
  p.pos++;
  return { k: "rel", op: t.text, l, r: arith(p, 0) };
};

type Term = { e: Expr; q: Qual | undefined };

const id_node = (p: Parser, q: Qual | undefined): Expr => {
  const t = peek(p);
  if (t.type !== "num" && t.type !== "id" && t.type !== "hid" && t.type !== "hid6" && t.type !== "eid") return fail(p);
  p.pos++;
  let prefix = -1;
  let mask: Token | undefined;
  if ((t.type === "hid" || t.type === "hid6") && accept(p, "op", "/")) prefix = take_num(p);
  else if (t.type === "hid" && accept(p, "kw", "mask")) {
    mask = peek(p);
    if (mask.type !== "hid") fail(p);
    p.pos++;
  }
  return { k: "id", q, value: t, mask, prefix, offset: t.offset };
};

/** An identifier, or identifiers in parentheses, all under the qualifiers `q`. */
const ids = (p: Parser, q: Qual | undefined): Expr => {
  if (accept(p, "kw", "not")) return { k: "not", a: nested(p, () => ids(p, q)) };
  if (!accept(p, "op", "(")) return id_node(p, q);
  let e = nested(p, () => ids(p, q));
  for (;;) {
    if (accept(p, "op", ")")) return e;
    const k = accept(p, "kw", "and") ? "and" : accept(p, "kw", "or") ? "or" : fail(p);
    e = { k, a: e, b: nested(p, () => ids(p, q)) };
  }
};

const direction = (p: Parser): Dir | "" => {
  const t = peek(p);
  if (t.type !== "kw" || (t.text !== "src" && t.text !== "dst")) return "";
  p.pos++;
  const other = t.text === "src" ? "dst" : "src";
  const both = attempt(p, () => {
    const op = accept(p, "kw", "or") ? "or" : accept(p, "kw", "and") ? "and" : fail(p);
    expect(p, "kw", other);
    return op as Dir;
  });
  return both ?? (t.text as Dir);
};

/** A term that starts with qualifiers: `[proto] [direction] [type] id`, or one of them alone. */
const qualified = (p: Parser): Term => {
  const start = peek(p);
  let proto = "";
  if (start.type === "kw" && PROTOS.has(start.text)) {
    proto = LINK_NAMES.has(start.text) ? "link" : start.text;
    p.pos++;
  }
  const t = peek(p);
  if (t.type === "kw" && (t.text === "broadcast" || t.text === "multicast")) {
    p.pos++;
    return { e: { k: "cast", cast: t.text, proto, offset: start.offset }, q: undefined };
  }
  const dir = direction(p);
  let addr: Qual["addr"] = "";
  const w = peek(p);
  if (w.type === "kw" && ADDR_WORDS.has(w.text)) {
    addr = w.text as Qual["addr"];
    p.pos++;
    if (dir !== "" && (addr === "proto" || addr === "protochain" || addr === "gateway")) fail(p);
  }
  if (dir === "" && addr === "") {
    if (proto === "" || proto === "link") return fail(p);
    return { e: { k: "abbrev", proto, offset: start.offset }, q: undefined };
  }
  const q: Qual = { proto, dir, addr };
  return { e: ids(p, q), q };
};

const word_term = (p: Parser): Expr | undefined => {
  const t = peek(p);
  if (t.type !== "kw") return undefined;
  if (t.text === "byte") {
    p.pos++;
    const index = take_num(p);
    const op = peek(p);
    if (op.type !== "op" || !"=<>".includes(op.text)) return fail(p);
    p.pos++;
    return { k: "byte", index, op: op.text, value: take_num(p) };
  }
  let num: number | undefined;
  if (WORDS_NUM.has(t.text)) {
    p.pos++;
    num = take_num(p);
  } else if (WORDS_OPTNUM.has(t.text)) {
    p.pos++;
    if (peek(p).type === "num") num = take_num(p);
  } else if (WORDS.has(t.text)) p.pos++;
  else if (t.text === "ifname" || t.text === "on")
    throw new FilterError("ifname supported only on PF linktype", t.offset);
  else return undefined;
  return { k: "word", word: t.text, num, offset: t.offset };
};

const term = (p: Parser): Term => {
  if (accept(p, "kw", "not")) {
    const { e, q } = nested(p, () => term(p));
    return { e: { k: "not", a: e }, q };
  }
  const rel = attempt(p, () => relation(p));
  if (rel) return { e: rel, q: undefined };
  if (accept(p, "op", "(")) {
    const inner = nested(p, () => expression(p));
    expect(p, "op", ")");
    return inner;
  }
  const word = word_term(p);
  if (word) return { e: word, q: undefined };
  return qualified(p);
};

const expression = (p: Parser): Term => {
  let left = term(p);
  for (;;) {
    const k = accept(p, "kw", "and") ? "and" : accept(p, "kw", "or") ? "or" : undefined;
    if (!k) return left;
    const q = left.q;
    const rel = attempt(p, () => relation(p));
    let right: Term | undefined = rel && { e: rel, q: undefined };
    right ??= attempt(p, () => ({ e: ids(p, q), q }));
    right ??= term(p);
    left = { e: { k, a: left.e, b: right.e }, q: right.q };
  }
};

/** Parses an expression; undefined for an empty one. Throws FilterError. */
export const parse_filter = (text: string): Expr | undefined => {
  const p = new Parser(text);
  if (peek(p).type === "end") return undefined;
  const { e } = expression(p);
  if (peek(p).type !== "end") fail(p);
  return e;
};
