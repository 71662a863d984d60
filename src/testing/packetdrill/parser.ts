// From the text of a packetdrill script to its events. Read first: ast.ts. Way in: parse_script().

import type {
  Action,
  CallSpec,
  EventTime,
  Expr,
  Field,
  IcmpSpec,
  IpSpec,
  PacketSpec,
  Script,
  ScriptEvent,
  TcpOption,
  TcpSpec,
} from "./ast.ts";
import { icmp_code_of, icmp_type_of } from "./icmp_names.ts";
import { Scanner } from "./scanner.ts";

const WORD = /[A-Za-z_]\w*/y;
const TIME = /\d+(?:\.\d+)?|\.\d+/y;

export const FIN = 1;
export const SYN = 2;
export const RST = 4;
export const PSH = 8;
export const ACK = 16;
export const URG = 32;
export const ECE = 64;
export const CWR = 128;
export const AE = 256;

const FLAGS: Readonly<Record<string, number>> = {
  F: FIN,
  S: SYN,
  R: RST,
  P: PSH,
  ".": ACK,
  U: URG,
  E: ECE,
  W: CWR,
  A: AE,
};

function usecs(s: Scanner): number {
  const m = s.take(TIME);
  if (m === null) s.fail(`syntax error: a time expected before "${s.rest()}"`);
  return Math.round(Number(m[0]) * 1e6);
}

function event_time(s: Scanner): EventTime {
  if (s.is("*")) return { rel: false, any: true, us: 0, end: null };
  const rel = s.is("+");
  const us = usecs(s);
  let end: number | null = null;
  if (s.is("~")) {
    if (s.is("+") !== rel) s.fail("a range mixes relative and absolute time");
    end = usecs(s);
    if (end < us) s.fail("a time range ends before it starts");
  }
  return { rel, any: false, us, end };
}

// --- packets --------------------------------------------------------------------------------------------------------

const ECN_BITS: Readonly<Record<string, number>> = { noecn: 0, ect1: 1, ect0: 2, ce: 3 };

function ip_spec(s: Scanner): IpSpec {
  const ip: IpSpec = { tos: null, ecn: "any", ttl: null };
  const close = s.is("[") ? "]" : s.is("(") ? ")" : "";
  if (close === "") return ip;
  while (!s.is(close)) {
    const w = s.take(WORD)?.[0] ?? "";
    if (w === "tos") ip.tos = s.number();
    else if (w === "ttl") ip.ttl = s.number();
    else if (w === "ect01") ip.ecn = "ect01";
    else if (w in ECN_BITS) ip.ecn = ECN_BITS[w]!;
    else s.fail(`unknown IP field "${w || s.rest()}"`);
    s.is(",");
  }
  return ip;
}

function hex_bytes(s: Scanner): Uint8Array {
  const text = s.take(/(?:[0-9a-fA-F]{2})*/y)?.[0] ?? "";
  const out = new Uint8Array(text.length / 2);
  for (let i = 0; i < out.length; i++) out[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return out;
}

function tcp_option(s: Scanner): TcpOption {
  const w = s.take(WORD)?.[0] ?? "";
  const opt = (kind: TcpOption["kind"], values: number[] = [], bytes: Uint8Array | null = null): TcpOption => ({
    kind,
    values,
    bytes,
  });
  switch (w) {
    case "mss":
    case "wscale":
      return opt(w, [s.number()]);
    case "nop":
    case "eol":
    case "sackOK":
      return opt(w);
    case "sack": {
      const v: number[] = [];
      while (s.peek(/\d/y)) {
        v.push(s.number());
        s.need(":");
        v.push(s.number());
      }
      if (v.length === 0) s.fail("sack without a block");
      return opt(w, v);
    }
    case "TS": {
      s.need("val");
      const val = s.number();
      s.need("ecr");
      return opt(w, [val, s.number()]);
    }
    case "FO":
    case "FOEXP":
    case "md5":
      return opt(w, [], hex_bytes(s));
    case "ECN": {
      const v = [0, 0, 0];
      let n = 0;
      for (const m of ["e0b", "ceb", "e1b"] as const) {
        if (!s.is(m)) break;
        v[n++] = s.number();
      }
      return opt("ecn", v.slice(0, n));
    }
    default:
      return s.fail(`unknown TCP option "${w || s.rest()}"`);
  }
}

function tcp_spec(s: Scanner, out: boolean): TcpSpec {
  const m = s.take(/[SFRPUEWA.]*[1-7]?[SFRPUEWA.]*(?=\s)|-/y);
  if (m === null || m[0] === "") s.fail(`syntax error: TCP flags expected before "${s.rest()}"`);
  let flags = 0;
  for (const c of m[0]) {
    if (c === "-") continue;
    const ace = Number(c);
    if (ace >= 1) flags |= ((ace & 4) !== 0 ? AE : 0) | ((ace & 2) !== 0 ? CWR : 0) | ((ace & 1) !== 0 ? ECE : 0);
    else flags |= FLAGS[c]!;
  }
  const seq = s.number();
  s.need(":");
  const end = s.number();
  s.need("(");
  const len = s.number();
  s.need(")");
  if (((seq + len) | 0) !== (end | 0)) s.fail(`inconsistent TCP sequence numbers: ${seq} + ${len} is not ${end}`);
  const spec: TcpSpec = { kind: "tcp", flags, seq, len, ack: null, win: null, urg: null, options: [] };
  if (s.take(/ack\b/y)) spec.ack = s.number();
  if (((flags & ACK) !== 0) !== (spec.ack !== null))
    s.fail((flags & ACK) !== 0 ? "ACK flag without an ack number" : "an ack number without the ACK flag");
  if (s.take(/win\b/y)) spec.win = s.number();
  if (s.take(/urg\b/y)) spec.urg = s.number();
  if (!out && spec.win === null) s.fail("inbound packet must say its window");
  if (s.is("<")) {
    if (s.is("...")) spec.options = null;
    else
      while (!s.peek(/>/y)) {
        spec.options!.push(tcp_option(s));
        if (!s.is(",")) break;
      }
    s.need(">");
  }
  return spec;
}

function icmp_spec(s: Scanner): IcmpSpec {
  const name = s.take(WORD)?.[0] ?? "";
  const type = icmp_type_of(name);
  if (type < 0) s.fail(`unknown ICMP type "${name}"`);
  const spec: IcmpSpec = { kind: "icmp", type, code: 0, mtu: null, id: null, quoted: null };
  const word = s.peek(/(?:mtu|id)\b/y) ? null : s.take(WORD);
  if (word !== null) {
    spec.code = icmp_code_of(type, word[0]);
    if (spec.code < 0) s.fail(`unknown ICMP code "${word[0]}"`);
  }
  if (s.take(/mtu\b/y)) spec.mtu = s.number();
  if (s.take(/id\b/y)) spec.id = s.number();
  if (s.is("[")) {
    const w = s.take(/udp|raw/y)?.[0];
    if (w !== undefined) {
      s.need("(");
      spec.quoted = { kind: w as "udp" | "raw", len: s.number() };
      s.need(")");
    } else {
      const seq = s.number();
      s.need(":");
      s.number();
      s.need("(");
      spec.quoted = { kind: "tcp", seq, len: s.number() };
      s.need(")");
    }
    s.need("]");
  }
  return spec;
}

function packet(s: Scanner): PacketSpec {
  const out = s.is(">");
  if (!out) s.need("<");
  const ip = ip_spec(s);
  let ports: [number, number] | null = null;
  const m = s.take(/(\d+)\s*>\s*(\d+)/y);
  if (m !== null) ports = [Number(m[1]), Number(m[2])];
  if (s.take(/udp\b/y)) {
    s.need("(");
    const len = s.number();
    s.need(")");
    return { out, ip, ports, body: { kind: "udp", len } };
  }
  if (s.take(/icmp\b/y)) return { out, ip, ports, body: icmp_spec(s) };
  if (s.peek(/(?:ipv4|ipv6|gre|mpls)\b/y)) s.fail(`encapsulation is not supported: "${s.rest()}"`);
  return { out, ip, ports, body: tcp_spec(s, out) };
}

// --- system calls ---------------------------------------------------------------------------------------------------

function primary(s: Scanner): Expr {
  if (s.is("...")) return { k: "any" };
  if (s.peek(/"/y)) {
    let v = "";
    for (let m = s.take(/"((?:\\.|[^"\\])*)"/y); m !== null; m = s.take(/"((?:\\.|[^"\\])*)"/y)) {
      v += m[1]!.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)/g, (_, e: string) => {
        if (/^x../.test(e)) return String.fromCharCode(Number.parseInt(e.slice(1), 16));
        if (/^[0-7]/.test(e)) return String.fromCharCode(Number.parseInt(e, 8));
        return { n: "\n", t: "\t", r: "\r" }[e] ?? e;
      });
    }
    return { k: "str", v };
  }
  if (s.is("[")) {
    const items: Expr[] = [];
    // [NLA=val,..] is a list of named values.
    const fields: Field[] = [];
    while (!s.is("]")) {
      const f = field(s);
      if (f.name === "") items.push(f.value);
      else fields.push(f);
      if (!s.is(",")) {
        s.need("]");
        break;
      }
    }
    return fields.length > 0 ? { k: "list", items: [{ k: "struct", fields }] } : { k: "list", items };
  }
  if (s.is("{")) {
    const fields: Field[] = [];
    while (!s.is("}")) {
      fields.push(field(s));
      if (!s.is(",")) {
        s.need("}");
        break;
      }
    }
    return { k: "struct", fields };
  }
  if (s.is("(")) {
    const e = expr(s);
    s.need(")");
    return e;
  }
  // inet_pton(AF_INET6, "::1", &sin6_addr): a place, not a value.
  if (s.is("&")) return { k: "sym", name: `&${s.take(WORD)?.[0] ?? ""}` };
  if (s.is("~")) return { k: "fn", name: "~", args: [primary(s)] };
  const w = s.take(WORD);
  if (w !== null) {
    if (!s.peek(/\(/y)) return { k: "sym", name: w[0] };
    s.need("(");
    const args: Expr[] = [];
    while (!s.is(")")) {
      args.push(expr(s));
      s.is(",");
    }
    return { k: "fn", name: w[0], args };
  }
  const f = s.take(/-?\d+\.\d+/y);
  if (f !== null) return { k: "int", v: Number(f[0]) };
  return { k: "int", v: s.number() };
}

function expr(s: Scanner): Expr {
  const first = primary(s);
  if (!s.peek(/\|/y)) return first;
  const items = [first];
  while (s.is("|")) items.push(primary(s));
  return { k: "or", items };
}

/** `name=value`, `name(len)=value` or a value. */
function field(s: Scanner): Field {
  const at = s.at;
  const w = s.take(WORD);
  if (w !== null) {
    let len: Expr | null = null;
    let ok = true;
    if (s.is("(")) {
      try {
        len = expr(s);
      } catch {
        ok = false;
      }
      ok = ok && s.is(")");
    }
    if (ok && s.peek(/=(?!=)/y)) {
      s.need("=");
      return { name: w[0], len, value: expr(s) };
    }
    s.at = at;
  }
  return { name: "", len: null, value: expr(s) };
}

function call(s: Scanner): CallSpec {
  const name = s.take(WORD)?.[0] ?? "";
  s.need("(");
  const args: Expr[] = [];
  while (!s.is(")")) {
    args.push(expr(s));
    if (!s.is(",")) {
      s.need(")");
      break;
    }
  }
  s.need("=");
  const result = expr(s);
  const errno = s.take(/E[A-Z0-9]+\b/y)?.[0] ?? null;
  // strace's note: (Operation not permitted), (flags O_RDWR).
  while (s.take(/\([^)\n]*\)/y) !== null);
  return { name, args, result, errno };
}

function action(s: Scanner, time: EventTime): Action {
  const code = s.take(/%\{([\s\S]*?)\}%/y);
  if (code !== null) return { k: "code", text: code[1]! };
  const shell = s.take(/`([^`]*)`/y);
  if (shell !== null) return { k: "shell", command: shell[1]! };
  if (s.peek(/[<>]/y)) {
    const p = packet(s);
    if (!p.out && (time.any || time.end !== null)) s.fail("inbound packets must have one exact time");
    return { k: "packet", packet: p };
  }
  if (time.any || time.end !== null) s.fail("only outbound packets may have a time of * or a range");
  let end: number | null = null;
  if (s.is("...")) {
    s.is("+");
    end = usecs(s);
  }
  if (!s.peek(WORD)) s.fail(`syntax error at "${s.rest()}"`);
  return { k: "call", call: call(s), end };
}

/**
 * The words that stand for others: those of -D, and the names under which suites have the error queue's level and type, which
 * are the family's own.
 */
export function defines_of(
  text: string,
  options: ReadonlyMap<string, string> = new Map(),
  given: ReadonlyMap<string, string> = new Map(),
): Map<string, string> {
  const version = options.get("ip_version") ?? /^\s*--ip_version=(\S+)/m.exec(text)?.[1] ?? "ipv4";
  const v4 = version === "ipv4";
  return new Map([
    ["CMSG_LEVEL_IP", v4 ? "SOL_IP" : "SOL_IPV6"],
    ["CMSG_TYPE_RECVERR", v4 ? "IP_RECVERR" : "IPV6_RECVERR"],
    ...given,
  ]);
}

/** Parses a whole script; throws ScriptError. */
export function parse_script(file: string, text: string, defines: ReadonlyMap<string, string> = new Map()): Script {
  const s = new Scanner(file, text, defines);
  const script: Script = { file, options: new Map(), init: [], events: [], cleanup: null };
  for (let m = s.take(/--([A-Za-z_]\w*)(?:[ \t]*=[ \t]*([^\s]+))?/y); m !== null; ) {
    script.options.set(m[1]!, (m[2] ?? "").replace(/^"(.*)"$/, "$1"));
    m = s.take(/--([A-Za-z_]\w*)(?:[ \t]*=[ \t]*([^\s]+))?/y);
  }
  while (s.peek(/`/y)) {
    const line = s.line_of(s.at);
    const m = s.take(/`([^`]*)`/y);
    if (m === null) return s.fail("command without an end");
    script.init.push({ line, command: m[1]! });
  }
  while (!s.end) {
    const at = s.at;
    const line = s.line_of(at);
    if (s.peek(/`/y)) {
      const m = s.take(/`([^`]*)`/y);
      if (m === null || !s.end)
        return s.fail("a command without a time stands before the first or after the last event");
      script.cleanup = { line, command: m[1]! };
      break;
    }
    const time = event_time(s);
    const act = action(s, time);
    const event: ScriptEvent = { line, time, text: s.text.slice(at, s.at).replace(/\s+/g, " ").trim(), action: act };
    script.events.push(event);
  }
  const first = script.events[0];
  if (first === undefined) s.fail("a script without events");
  return script;
}
