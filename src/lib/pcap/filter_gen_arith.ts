// Code for `expr relop expr`: arithmetic over packet bytes, in A with M[] as the stack. Way in: gen_relation.
// Read first: pcap-filter(7), "expr1 relop expr2".

import * as B from "../../uapi/bpf.ts";
import { and, type Cond, compare, FALSE, not, stmt, type Test, TRUE } from "./filter_cond.ts";
import { abbrev, type Gen, linktype, transport_guard } from "./filter_gen.ts";
import { FilterError } from "./filter_lex.ts";
import type { Arith } from "./filter_parse.ts";
import { ETHER_PROTOCOLS } from "./names.ts";

const TRANSPORT: ReadonlySet<string> = new Set("tcp udp sctp icmp igmp igrp pim vrrp carp".split(" "));
const LINK: ReadonlySet<string> = new Set("link ether ppp slip fddi tr wlan".split(" "));
/** No packet is this long, so that a load from here ends the program. */
const BEYOND = 0x7fffffff;

const OPS: ReadonlyMap<string, number> = new Map([
  ["+", B.BPF_ADD],
  ["-", B.BPF_SUB],
  ["*", B.BPF_MUL],
  ["/", B.BPF_DIV],
  ["%", B.BPF_MOD],
  ["&", B.BPF_AND],
  ["|", B.BPF_OR],
  ["^", B.BPF_XOR],
  ["<<", B.BPF_LSH],
  [">>", B.BPF_RSH],
]);

const compute = (op: string, a: number, b: number): number => {
  switch (op) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return Math.imul(a, b);
    case "/":
      return Math.floor(a / b);
    case "%":
      return a % b;
    case "&":
      return a & b;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "<<":
      return a << b;
    default:
      return a >>> b;
  }
};

/** Folds constants; refuses what the kernel's verifier would. */
const fold = (e: Arith): Arith => {
  if (e.k === "neg") {
    const a = fold(e.a);
    return a.k === "num" ? { k: "num", v: -a.v >>> 0 } : { k: "neg", a };
  }
  if (e.k !== "bin") return e;
  const l = fold(e.l);
  const r = fold(e.r);
  if (r.k === "num") {
    if (r.v === 0 && e.op === "/") throw new FilterError("division by zero", e.offset);
    if (r.v === 0 && e.op === "%") throw new FilterError("modulus by zero", e.offset);
    if (r.v > 31 && (e.op === "<<" || e.op === ">>")) throw new FilterError("shift by more than 31 bits", e.offset);
    if (l.k === "num") return { k: "num", v: compute(e.op, l.v, r.v) >>> 0 };
  }
  return { ...e, l, r };
};

/** Code that leaves `e` in A; M[depth] and above are free. Appends to `guards` what must hold before it runs. */
export const gen_arith = (g: Gen, e: Arith, depth: number, guards: Cond[]): B.SockFilter[] => {
  switch (e.k) {
    case "num":
      return [stmt(B.BPF_LD | B.BPF_IMM, e.v)];
    case "len":
      return [stmt(B.BPF_LD | B.BPF_W | B.BPF_LEN)];
    case "neg":
      return [...gen_arith(g, e.a, depth, guards), stmt(B.BPF_ALU | B.BPF_NEG)];
    case "bin": {
      const op = B.BPF_ALU | OPS.get(e.op)!;
      if (e.r.k === "num") return [...gen_arith(g, e.l, depth, guards), stmt(op | B.BPF_K, e.r.v)];
      if (depth >= B.BPF_MEMWORDS) throw new FilterError("out of registers needed to evaluate expression", e.offset);
      const l = gen_arith(g, e.l, depth + 1, guards);
      const r = gen_arith(g, e.r, depth, guards);
      return [...r, stmt(B.BPF_ST, depth), ...l, stmt(B.BPF_LDX | B.BPF_MEM, depth), stmt(op | B.BPF_X)];
    }
    default:
      return gen_load(g, e, depth, guards);
  }
};

const gen_load = (g: Gen, e: Arith & { k: "load" }, depth: number, guards: Cond[]): B.SockFilter[] => {
  const ld = B.BPF_LD | (e.size === 4 ? B.BPF_W : e.size === 2 ? B.BPF_H : B.BPF_B);
  const index = fold(e.index);
  let base = 0;
  let transport = false;
  if (e.proto === "radio") throw new FilterError("radio information not present in capture", e.offset);
  if (LINK.has(e.proto)) {
    if (g.o.cooked) throw new FilterError("link-layer bytes are not there on a cooked socket", e.offset);
  } else if (TRANSPORT.has(e.proto)) {
    transport = true;
    base = g.off_payload;
    guards.push(transport_guard(g, e.proto));
  } else if (e.proto === "icmp6") {
    base = g.off_payload + 40;
    guards.push(transport_guard(g, "icmp6"));
  } else {
    const type = ETHER_PROTOCOLS.get(e.proto);
    base = g.off_payload;
    if (type === undefined) throw new FilterError("unsupported index operation", e.offset);
    guards.push(e.proto === "ip" || e.proto === "ip6" ? abbrev(g, e.proto, e.offset) : linktype(g, type));
  }
  const msh = stmt(B.BPF_LDX | B.BPF_B | B.BPF_MSH, g.off_payload);
  if (index.k === "num") {
    const at = Math.min((index.v + base) >>> 0, BEYOND);
    return transport && at !== BEYOND ? [msh, stmt(ld | B.BPF_IND, at)] : [stmt(ld | B.BPF_ABS, at)];
  }
  if (depth >= B.BPF_MEMWORDS) throw new FilterError("out of registers needed to evaluate expression", e.offset);
  const ins = gen_arith(g, index, depth, guards);
  if (transport) {
    const add = stmt(B.BPF_ALU | B.BPF_ADD | B.BPF_X);
    ins.push(stmt(B.BPF_ST, depth), msh, stmt(B.BPF_LD | B.BPF_MEM, depth), add);
  }
  ins.push(stmt(B.BPF_MISC | B.BPF_TAX), stmt(ld | B.BPF_IND, base));
  return ins;
};

const FLIPPED: ReadonlyMap<string, string> = new Map([
  ["<", ">"],
  [">", "<"],
  ["<=", ">="],
  [">=", "<="],
]);

/** The jump of a relation, and whether its sense is turned round. */
const jump_of = (op: string): readonly [number, boolean] => {
  switch (op) {
    case "=":
      return [B.BPF_JEQ, false];
    case "!=":
      return [B.BPF_JEQ, true];
    case ">":
      return [B.BPF_JGT, false];
    case ">=":
      return [B.BPF_JGE, false];
    case "<":
      return [B.BPF_JGE, true];
    default:
      return [B.BPF_JGT, true];
  }
};

const relation_of = (op: string, a: number, b: number): boolean => {
  const [jop, turned] = jump_of(op);
  const r = jop === B.BPF_JEQ ? a === b : jop === B.BPF_JGT ? a > b : a >= b;
  return r !== turned;
};

/** The condition of `l op r`: its guards, then the comparison. */
export const gen_relation = (g: Gen, op: string, left: Arith, right: Arith): Cond => {
  let l = fold(left);
  let r = fold(right);
  if (l.k === "num" && r.k === "num") return relation_of(op, l.v, r.v) ? TRUE : FALSE;
  if (l.k === "num") {
    [l, r] = [r, l];
    op = FLIPPED.get(op) ?? op;
  }
  const [jop, turned] = jump_of(op);
  const guards: Cond[] = [];
  let test: Test;
  if (r.k === "num") test = compare(gen_arith(g, l, 0, guards), jop, r.v);
  else {
    const lc = gen_arith(g, l, 1, guards);
    const rc = gen_arith(g, r, 0, guards);
    const ins = [...rc, stmt(B.BPF_ST, 0), ...lc, stmt(B.BPF_LDX | B.BPF_MEM, 0)];
    test = { t: "test", ins, jop, src: "x", k: 0 };
  }
  return and(...guards, turned ? not(test) : test);
};
