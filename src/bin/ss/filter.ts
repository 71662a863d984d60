// The filter expressions of ss: `state X`, `dst 10.0.0.0/8 and dport = :53`, with and, or, not and parentheses.
// DIFF: ss also compiles them to inet_diag byte code for the kernel; here sockets are only tested after the dump.

import { AF_INET, AF_INET6, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Prefix } from "../iproute/addr.ts";
import { addressBits, parseInteger, tryPrefix } from "../iproute/addr.ts";
import type { Context } from "../iproute/context.ts";
import { servicePort } from "./services.ts";
import type { Socket } from "./sockets.ts";

export type Predicate = (s: Socket, interfaceName: string) => boolean;

/** TCP states by number, as ss prints them and as filters call them. */
export const STATE_NAMES = [
  "UNKNOWN",
  "ESTAB",
  "SYN-SENT",
  "SYN-RECV",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "TIME-WAIT",
  "UNCONN",
  "CLOSE-WAIT",
  "LAST-ACK",
  "LISTEN",
  "CLOSING",
];
const WORDS = [
  "",
  "established",
  "syn-sent",
  "syn-recv",
  "fin-wait-1",
  "fin-wait-2",
  "time-wait",
  "unconnected",
  "close-wait",
  "last-ack",
  "listening",
  "closing",
];
export const ALL_STATES = 0xfff;
const bit = (name: string): number => 1 << WORDS.indexOf(name);
/** What is shown without -a, -l and `state`. */
export const CONNECTED = ALL_STATES & ~(bit("listening") | bit("unconnected") | bit("time-wait") | bit("syn-recv"));
export const LISTENING = bit("listening") | bit("unconnected");

export function parseState(ctx: Context, word: string): number {
  const w = word.toLowerCase();
  if (w === "close" || w === "closed") return bit("unconnected");
  if (w === "all") return ALL_STATES;
  if (w === "connected") return ALL_STATES & ~(bit("listening") | bit("unconnected"));
  if (w === "synchronized") return ALL_STATES & ~(bit("listening") | bit("unconnected") | bit("syn-sent"));
  if (w === "bucket") return bit("syn-recv") | bit("time-wait");
  if (w === "big") return ALL_STATES & ~(bit("syn-recv") | bit("time-wait"));
  const i = WORDS.indexOf(w);
  if (i <= 0) ctx.fail(`ss: wrong state name: ${word}\n`, 255);
  return 1 << i;
}

type Compare = "=" | "!=" | ">=" | "<=" | ">" | "<";
const OPERATORS: Record<string, Compare> = {
  "=": "=",
  "==": "=",
  eq: "=",
  "!=": "!=",
  ne: "!=",
  neq: "!=",
  ">=": ">=",
  ge: ">=",
  geq: ">=",
  "<=": "<=",
  le: "<=",
  leq: "<=",
  ">": ">",
  gt: ">",
  "<": "<",
  lt: "<",
};

interface Host {
  prefix: Prefix | undefined;
  port: number | undefined;
}

export function parseFilter(ctx: Context, words: string[]): Predicate {
  const tokens = words.join(" ").match(/[()]|&&?|\|\|?|[!=<>]=|[!=<>]|[^\s()&|!=<>]+/g) ?? [];
  let i = 0;
  const peek = (): string => tokens[i] ?? "";
  const bad = (): never =>
    ctx.fail(
      'ss: bison bellows (while parsing filter): "syntax error!" Sorry.\n' +
        `Usage: ss [ OPTIONS ]\n       ss [ OPTIONS ] [ FILTER ]\n`,
      255,
    );

  function or(): Predicate {
    let left = and();
    while (["or", "|", "||"].includes(peek())) {
      i++;
      const a = left;
      const b = and();
      left = (s, n) => a(s, n) || b(s, n);
    }
    return left;
  }
  function and(): Predicate {
    let left = unary();
    while (i < tokens.length && ![")", "or", "|", "||"].includes(peek())) {
      if (["and", "&", "&&"].includes(peek())) i++;
      const a = left;
      const b = unary();
      left = (s, n) => a(s, n) && b(s, n);
    }
    return left;
  }
  function unary(): Predicate {
    if (peek() === "not" || peek() === "!") {
      i++;
      const a = unary();
      return (s, n) => !a(s, n);
    }
    if (peek() === "(") {
      i++;
      const a = or();
      if (peek() !== ")") bad();
      i++;
      return a;
    }
    return test();
  }
  function operator(): Compare {
    const op = OPERATORS[peek()];
    if (op === undefined) return "=";
    i++;
    return op;
  }
  function value(): string {
    if (i >= tokens.length) bad();
    return tokens[i++];
  }
  function test(): Predicate {
    const word = value();
    if (word === "sport" || word === "dport") {
      const op = operator();
      const host = parseHost(ctx, value(), true);
      const port = host.port ?? 0;
      return (s) => compare(op, word === "sport" ? s.lport : s.rport, port);
    }
    if (word === "src" || word === "dst") {
      const op = operator();
      const host = parseHost(ctx, value(), false);
      return (s) => hostMatches(s, host, word === "src") === (op !== "!=");
    }
    if (word === "dev") {
      const op = operator();
      const name = value();
      return (s, n) => (n === name || String(s.iface) === name) === (op !== "!=");
    }
    if (word === "autobound") return (s) => s.lport >= 32768 && s.lport <= 60999;
    if (word === "state" || word === "exclude" || OPERATORS[word] !== undefined) bad();
    const host = parseHost(ctx, word, false);
    return (s) => hostMatches(s, host, false);
  }

  if (tokens.length === 0) return () => true;
  const p = or();
  if (i < tokens.length) bad();
  return p;
}

function compare(op: Compare, a: number, b: number): boolean {
  switch (op) {
    case "=":
      return a === b;
    case "!=":
      return a !== b;
    case ">=":
      return a >= b;
    case "<=":
      return a <= b;
    case ">":
      return a > b;
    case "<":
      return a < b;
  }
}

function parseHost(ctx: Context, text: string, portOnly: boolean): Host {
  let t = text;
  let family = AF_UNSPEC;
  const named = /^(inet6?):/.exec(t);
  if (named !== null) {
    family = named[1] === "inet" ? AF_INET : AF_INET6;
    t = t.slice(named[0].length);
  }
  let host = t;
  let port: string | undefined;
  const bracket = /^\[([^\]]*)\](\/[0-9]+)?(?::(.*))?$/.exec(t);
  if (bracket !== null) {
    host = bracket[1] + (bracket[2] ?? "");
    port = bracket[3];
    family = AF_INET6;
  } else if (portOnly && !t.includes(":")) {
    host = "";
    port = t;
  } else if (t.includes(":")) {
    const at = t.lastIndexOf(":");
    host = t.slice(0, at);
    port = t.slice(at + 1);
  }
  const out: Host = { prefix: undefined, port: undefined };
  if (port !== undefined && port !== "" && port !== "*") {
    out.port = parseInteger(port) ?? servicePort(port);
    if (out.port === undefined)
      ctx.fail(`Error: "${port}" does not look like a port.\nCannot parse dst/src address.\n`, 1);
  }
  if (host !== "" && host !== "*") {
    const prefix = tryPrefix(host, family);
    if (prefix === undefined)
      ctx.fail(`Error: an inet prefix is expected rather than "${host}".\nCannot parse dst/src address.\n`, 1);
    out.prefix = prefix;
  }
  return out;
}

function hostMatches(s: Socket, h: Host, source: boolean): boolean {
  if (h.port !== undefined && (source ? s.lport : s.rport) !== h.port) return false;
  const p = h.prefix;
  if (p === undefined || p.bytes.length === 0) return true;
  let address = source ? s.local : s.remote;
  if (s.family === AF_INET6 && p.family === AF_INET && isMapped(address)) address = address.subarray(12);
  else if (s.family !== p.family) return false;
  const bits = p.bits < 0 ? addressBits(p.family) : p.bits;
  for (let b = 0; b < bits; b++) if (((address[b >> 3] ^ p.bytes[b >> 3]) & (0x80 >> (b & 7))) !== 0) return false;
  return true;
}
function isMapped(a: Uint8Array): boolean {
  return a.length === 16 && a[10] === 0xff && a[11] === 0xff && a.subarray(0, 10).every((x) => x === 0);
}
