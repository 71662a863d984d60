// From conditions to a program: a tree of and/or/not over tests becomes a graph of tests, jumps whose outcome is already
// known are threaded past, loads that repeat are left out, and what remains is laid out with forward jumps only.
// Read first: McCanne and Jacobson (1993), section 3.3 (the control flow graph). Way in: emit_program.

import {
  BPF_ALU,
  BPF_B,
  BPF_IMM,
  BPF_JA,
  BPF_JEQ,
  BPF_JGE,
  BPF_JGT,
  BPF_JMP,
  BPF_JSET,
  BPF_K,
  BPF_LD,
  BPF_LDX,
  BPF_MEM,
  BPF_MISC,
  BPF_MSH,
  BPF_NEG,
  BPF_RET,
  BPF_ST,
  BPF_STX,
  BPF_TXA,
  BPF_X,
  type SockFilter,
} from "../../uapi/bpf.ts";

/** Straight code that leaves a value in A (and X), then a comparison of A with `k` or X. */
export interface Test {
  t: "test";
  ins: SockFilter[];
  jop: number;
  src: "k" | "x";
  k: number;
}

export type Cond = { t: "const"; v: boolean } | { t: "and" | "or"; a: Cond; b: Cond } | { t: "not"; a: Cond } | Test;

export const TRUE: Cond = { t: "const", v: true };
export const FALSE: Cond = { t: "const", v: false };

export const and = (...cs: Cond[]): Cond =>
  cs.reduce((a, b) => {
    if (a.t === "const") return a.v ? b : a;
    if (b.t === "const" && b.v) return a;
    return { t: "and", a, b };
  });

export const or = (...cs: Cond[]): Cond =>
  cs.reduce((a, b) => {
    if (a.t === "const") return a.v ? a : b;
    if (b.t === "const" && !b.v) return a;
    return { t: "or", a, b };
  });

export const not = (a: Cond): Cond => (a.t === "const" ? (a.v ? FALSE : TRUE) : a.t === "not" ? a.a : { t: "not", a });

export const stmt = (code: number, k = 0): SockFilter => ({ code, jt: 0, jf: 0, k: k >>> 0 });

export const compare = (ins: SockFilter[], jop: number, k: number): Test => ({
  t: "test",
  ins,
  jop,
  src: "k",
  k: k >>> 0,
});

type Exit = boolean | Node;

interface Node {
  test: Test;
  t: Exit;
  f: Exit;
  /** Filled by layout(). */
  at: number;
}

const build = (c: Cond, t: Exit, f: Exit): Exit => {
  switch (c.t) {
    case "const":
      return c.v ? t : f;
    case "and":
      return build(c.a, build(c.b, t, f), f);
    case "or":
      return build(c.a, t, build(c.b, t, f));
    case "not":
      return build(c.a, f, t);
    default:
      return { test: c, t, f, at: 0 };
  }
};

/** Nodes reachable from `root`, each before its successors. */
const topological = (root: Exit): Node[] => {
  const seen = new Set<Node>();
  const out: Node[] = [];
  const walk = (n: Exit): void => {
    if (typeof n === "boolean" || seen.has(n)) return;
    seen.add(n);
    walk(n.f);
    walk(n.t);
    out.push(n);
  };
  walk(root);
  return out.reverse();
};

/** Names for values: two pieces of code with the same name leave the same value in the register. */
class Values {
  readonly ids = new Map<string, number>();
  id(name: string): number {
    let n = this.ids.get(name);
    if (n === undefined) this.ids.set(name, (n = this.ids.size + 1));
    return n;
  }
}

interface Regs {
  a: number;
  x: number;
}

const step = (v: Values, r: Regs, mem: Map<number, number>, i: SockFilter): void => {
  const mode = i.code & 0xe0;
  switch (i.code & 7) {
    case BPF_LD:
      if (mode === BPF_MEM) r.a = mem.get(i.k)!;
      else r.a = v.id(`ld ${i.code} ${i.k}${mode === 0x40 ? ` ${r.x}` : ""}`);
      break;
    case BPF_LDX:
      if (mode === BPF_MEM) r.x = mem.get(i.k)!;
      else r.x = v.id(mode === BPF_IMM ? `ld 0 ${i.k}` : `ldx ${i.code} ${i.k}`);
      break;
    case BPF_ST:
      mem.set(i.k, r.a);
      break;
    case BPF_STX:
      mem.set(i.k, r.x);
      break;
    case BPF_MISC:
      if (i.code & BPF_TXA) r.a = r.x;
      else r.x = r.a;
      break;
    default: {
      const operand = i.code === (BPF_ALU | BPF_NEG) ? "" : i.code & BPF_X ? `x${r.x}` : `k${i.k}`;
      r.a = v.id(`alu ${i.code & 0xf0} ${r.a} ${operand}`);
    }
  }
};

/** The registers after a test's code, from unknown registers (the code of a test reads only what it loaded). */
const final_regs = (v: Values, t: Test): Regs => {
  const r = { a: 0, x: 0 };
  const mem = new Map<number, number>();
  for (const i of t.ins) step(v, r, mem, i);
  return r;
};

const holds = (jop: number, a: number, k: number): boolean => {
  if (jop === BPF_JEQ) return a === k;
  if (jop === BPF_JGT) return a > k;
  if (jop === BPF_JGE) return a >= k;
  return (a & k) !== 0;
};

/** What is known on the way into a node: outcomes of tests, and values proved equal to a constant. */
interface Facts {
  outcome: Map<string, boolean>;
  equal: Map<number, number>;
}

const meet = (a: Facts | undefined, b: Facts): Facts => {
  if (!a) return b;
  const r: Facts = { outcome: new Map(), equal: new Map() };
  for (const [k, v] of a.outcome) if (b.outcome.get(k) === v) r.outcome.set(k, v);
  for (const [k, v] of a.equal) if (b.equal.get(k) === v) r.equal.set(k, v);
  return r;
};

const MAX_ROUNDS = 8;
/** Beyond this many tests the graph is emitted as it is: correct, only longer. */
const MAX_NODES = 600;

const thread_jumps = (root: Exit): Exit => {
  const v = new Values();
  const keys = new Map<Test, { value: number; key: string }>();
  const key_of = (t: Test): { value: number; key: string } => {
    let k = keys.get(t);
    if (!k) {
      const r = final_regs(v, t);
      k = { value: r.a, key: `${r.a} ${t.jop} ${t.src === "x" ? `x${r.x}` : t.k}` };
      keys.set(t, k);
    }
    return k;
  };
  const outcome_of = (f: Facts, t: Test): boolean | undefined => {
    const { value, key } = key_of(t);
    const known = f.outcome.get(key);
    if (known !== undefined || t.src === "x") return known;
    const eq = f.equal.get(value);
    return eq === undefined ? undefined : holds(t.jop, eq, t.k);
  };
  const add = (f: Facts, t: Test, taken: boolean): Facts => {
    const { value, key } = key_of(t);
    const r: Facts = { outcome: new Map(f.outcome).set(key, taken), equal: f.equal };
    if (taken && t.jop === BPF_JEQ && t.src === "k") r.equal = new Map(f.equal).set(value, t.k);
    return r;
  };
  // A test with one outcome is skipped, and with it the end that its loads might have brought a short packet: as libpcap.
  // A test with one outcome is skipped, and with it the end that its loads might have brought a short packet: as libpcap.
  const past = (f: Facts, to: Exit): Exit => {
    while (typeof to !== "boolean") {
      if (to.t === to.f) {
        to = to.t;
        continue;
      }
      const o = outcome_of(f, to.test);
      if (o === undefined) break;
      to = o ? to.t : to.f;
    }
    return to;
  };
  for (let round = 0; round < MAX_ROUNDS; round++) {
    let changed = false;
    root = past({ outcome: new Map(), equal: new Map() }, root);
    const order = topological(root);
    if (order.length > MAX_NODES) return root;
    const facts = new Map<Node, Facts>();
    if (typeof root !== "boolean") facts.set(root, { outcome: new Map(), equal: new Map() });
    for (const n of order) {
      const f = facts.get(n);
      if (!f) continue; // threaded past in this round
      for (const side of [true, false]) {
        const out = add(f, n.test, side);
        const old = side ? n.t : n.f;
        const to = past(out, old);
        if (to !== old) {
          changed = true;
          if (side) n.t = to;
          else n.f = to;
        }
        if (typeof to !== "boolean") facts.set(to, meet(facts.get(to), out));
      }
    }
    if (!changed) break;
  }
  return root;
};

/** Leaves out code whose result the registers already hold on every way in. Returns each node's code. */
const drop_loads = (order: Node[]): Map<Node, SockFilter[]> => {
  const v = new Values();
  const entry = new Map<Node, Regs>();
  const code = new Map<Node, SockFilter[]>();
  for (const n of order) {
    const at = entry.get(n) ?? { a: 0, x: 0 };
    const want = final_regs(v, n.test);
    let ins = n.test.ins;
    const after = { a: at.a, x: at.x };
    if (at.a !== 0 && at.a === want.a && (n.test.src === "k" || at.x === want.x)) ins = [];
    else {
      const first = ins[0];
      const r = { a: 0, x: 0 };
      step(v, r, new Map(), first);
      const is_msh = first.code === (BPF_LDX | BPF_B | BPF_MSH);
      if ((is_msh && at.x !== 0 && r.x === at.x) || ((first.code & 7) === BPF_LD && at.a !== 0 && r.a === at.a)) {
        ins = ins.slice(1);
      }
    }
    const mem = new Map<number, number>();
    for (const i of ins) step(v, after, mem, i);
    code.set(n, ins);
    for (const to of [n.t, n.f]) {
      if (typeof to === "boolean") continue;
      const e = entry.get(to);
      if (!e) entry.set(to, { a: after.a, x: after.x });
      else {
        if (e.a !== after.a) e.a = 0;
        if (e.x !== after.x) e.x = 0;
      }
    }
  }
  return code;
};

const layout = (order: Node[], code: Map<Node, SockFilter[]>, snaplen: number): SockFilter[] => {
  // A conditional jump reaches 255 instructions; one that must go further goes to a JA right behind it.
  const far_t = new Set<Node>();
  const far_f = new Set<Node>();
  let end = 0;
  const target = (e: Exit): number => (e === true ? end : e === false ? end + 1 : e.at);
  for (;;) {
    let at = 0;
    for (const n of order) {
      n.at = at;
      at += code.get(n)!.length + 1 + (far_t.has(n) ? 1 : 0) + (far_f.has(n) ? 1 : 0);
    }
    end = at;
    let grew = false;
    for (const n of order) {
      const next = n.at + code.get(n)!.length + 1;
      if (target(n.t) - next > 255 && !far_t.has(n)) grew = !!far_t.add(n);
      if (target(n.f) - next > 255 && !far_f.has(n)) grew = !!far_f.add(n);
    }
    if (!grew) break;
  }
  const out: SockFilter[] = [];
  for (const n of order) {
    out.push(...code.get(n)!);
    const next = out.length + 1;
    const code_ = BPF_JMP | n.test.jop | (n.test.src === "x" ? BPF_X : BPF_K);
    const jump = { code: code_, jt: target(n.t) - next, jf: target(n.f) - next, k: n.test.src === "x" ? 0 : n.test.k };
    out.push(jump);
    if (far_t.has(n)) {
      jump.jt = out.length - next;
      out.push(stmt(BPF_JMP | BPF_JA, target(n.t) - out.length - 1));
    }
    if (far_f.has(n)) {
      jump.jf = out.length - next;
      out.push(stmt(BPF_JMP | BPF_JA, target(n.f) - out.length - 1));
    }
  }
  out.push(stmt(BPF_RET | BPF_K, snaplen), stmt(BPF_RET | BPF_K, 0));
  return out;
};

/** `A & k` compared with zero is what JSET tests. */
const use_jset = (c: Cond): Cond => {
  if (c.t === "and" || c.t === "or") return { t: c.t, a: use_jset(c.a), b: use_jset(c.b) };
  if (c.t === "not") return not(use_jset(c.a));
  if (c.t !== "test" || c.jop !== BPF_JEQ || c.src !== "k" || c.k !== 0 || c.ins.length < 2) return c;
  const last = c.ins[c.ins.length - 1];
  if (last.code !== (BPF_ALU | 0x50 | BPF_K)) return c;
  return not(compare(c.ins.slice(0, -1), BPF_JSET, last.k));
};

/** The program for a condition, or undefined when no packet can match. */
export const emit_program = (cond: Cond, snaplen: number): SockFilter[] | undefined => {
  const root = thread_jumps(build(use_jset(cond), true, false));
  if (root === false) return undefined;
  if (root === true) return [stmt(BPF_RET | BPF_K, snaplen)];
  const order = topological(root);
  if (!order.some((n) => n.t === true || n.f === true)) return undefined;
  return layout(order, drop_loads(order), snaplen);
};
