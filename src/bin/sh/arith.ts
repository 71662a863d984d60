// Arithmetic of the shell: 64-bit integers, C's operators and precedence, assignments, names without "$".
// Read first: bash(1), ARITHMETIC EVALUATION. Way in: `arith(sh, text)`; "$" expansions were made before.

import type { Shell } from "./state.ts";
import { isName, MAX_ELEMENTS, ShellError } from "./state.ts";

/** Values of names that are expressions themselves, as in `a=b; b=c+1; echo $((a))`. */
const MAX_DEPTH = 32;

export function arith(sh: Shell, text: string, depth = 0): bigint {
  if (depth > MAX_DEPTH) throw new ShellError(`${text}: expression recursion level exceeded`);
  return new Evaluator(sh, text, depth).run();
}

/** For places that index: a number, clamped to what JavaScript counts exactly. */
export function arithNumber(sh: Shell, text: string): number {
  return Number(arith(sh, text));
}

const TOKEN =
  /\s*(?:(0[xX][0-9a-fA-F]*|\d+#[0-9a-zA-Z@_]*|\d[0-9a-zA-Z_]*)|([A-Za-z_]\w*)|(\*\*|<<=|>>=|<<|>>|<=|>=|==|!=|&&|\|\||\+\+|--|[-+*/%&^|]=|[-+*/%<>=!~&^|?:,()[\]]))/y;

/** Binary operators by precedence, loosest first; assignment, "?:" and "," are handled apart. */
const LEVELS: readonly (readonly string[])[] = [
  ["||"],
  ["&&"],
  ["|"],
  ["^"],
  ["&"],
  ["==", "!="],
  ["<=", ">=", "<", ">"],
  ["<<", ">>"],
  ["+", "-"],
  ["*", "/", "%"],
];
const ASSIGN = ["=", "+=", "-=", "*=", "/=", "%=", "<<=", ">>=", "&=", "^=", "|="];

interface Value {
  n: bigint;
  /** What an assignment would change. */
  name?: string;
  index?: number;
}

class Evaluator {
  private readonly sh: Shell;
  private readonly text: string;
  private readonly depth: number;
  private at = 0;
  private tokenStart = 0;
  private nested = 0;
  private kind: "number" | "name" | "op" | "end" = "end";
  private token = "";
  /** > 0 in the branch not taken of &&, || and ?: nothing is assigned or divided there. */
  private skip = 0;

  constructor(sh: Shell, text: string, depth: number) {
    this.sh = sh;
    this.text = text;
    this.depth = depth;
  }

  run(): bigint {
    this.advance();
    if (this.kind === "end") return 0n;
    const v = this.comma();
    if ((this.kind as string) !== "end") this.fail("syntax error in expression");
    return v.n;
  }

  private fail(why: string): never {
    throw new ShellError(`${this.text.trim()}: ${why} (error token is "${this.text.slice(this.tokenStart).trim()}")`);
  }

  private advance(): void {
    TOKEN.lastIndex = this.at;
    const m = TOKEN.exec(this.text);
    if (m === null) {
      this.tokenStart = this.at;
      if (this.text.slice(this.at).trim() !== "") this.fail("syntax error: operand expected");
      this.kind = "end";
      this.token = "";
      return;
    }
    this.at = TOKEN.lastIndex;
    this.kind = m[1] !== undefined ? "number" : m[2] !== undefined ? "name" : "op";
    this.token = m[1] ?? m[2] ?? m[3];
    this.tokenStart = this.at - this.token.length;
  }

  private is(op: string): boolean {
    return this.kind === "op" && this.token === op;
  }

  private accept(op: string): boolean {
    if (!this.is(op)) return false;
    this.advance();
    return true;
  }

  private comma(): Value {
    let v = this.assignment();
    while (this.accept(",")) v = this.assignment();
    return { n: v.n };
  }

  private assignment(): Value {
    if (++this.nested > 200) this.fail("expression nested too deeply");
    const left = this.conditional();
    this.nested--;
    if (this.kind !== "op" || !ASSIGN.includes(this.token)) return left;
    if (left.name === undefined) this.fail("attempted assignment to non-variable");
    const op = this.token.slice(0, -1);
    this.advance();
    if (++this.nested > 200) this.fail("expression nested too deeply");
    const right = this.assignment();
    this.nested--;
    const n = op === "" ? right.n : this.binary(op, left.n, right.n);
    this.store(left, n);
    return { n };
  }

  private conditional(): Value {
    const test = this.level(0);
    if (!this.accept("?")) return test;
    if (test.n === 0n) this.skip++;
    const yes = this.assignment();
    if (test.n === 0n) this.skip--;
    if (!this.accept(":")) this.fail("`:' expected for conditional expression");
    if (test.n !== 0n) this.skip++;
    const no = this.assignment();
    if (test.n !== 0n) this.skip--;
    return { n: test.n !== 0n ? yes.n : no.n };
  }

  private level(k: number): Value {
    if (k === LEVELS.length) return this.power();
    let left = this.level(k + 1);
    while (this.kind === "op" && LEVELS[k].includes(this.token)) {
      const op = this.token;
      this.advance();
      const short = (op === "&&" && left.n === 0n) || (op === "||" && left.n !== 0n);
      if (short) this.skip++;
      const right = this.level(k + 1);
      if (short) this.skip--;
      left = { n: short ? (op === "||" ? 1n : 0n) : this.binary(op, left.n, right.n) };
    }
    return left;
  }

  private power(): Value {
    const base = this.unary();
    if (!this.accept("**")) return base;
    if (++this.nested > 200) this.fail("expression nested too deeply");
    const exponent = this.power().n;
    this.nested--;
    if (this.skip > 0) return { n: 0n };
    if (exponent < 0n) this.fail("exponent less than 0");
    let n = 1n;
    let b = base.n;
    for (let e = exponent; e > 0n; e >>= 1n) {
      if (e & 1n) n = BigInt.asIntN(64, n * b);
      b = BigInt.asIntN(64, b * b);
    }
    return { n };
  }

  private unary(): Value {
    if (++this.nested > 400) this.fail("expression nested too deeply");
    try {
      for (const op of ["++", "--"]) {
        if (!this.is(op)) continue;
        this.advance();
        const v = this.unary();
        // "++5" is +(+5).
        if (v.name === undefined) return { n: v.n };
        const n = BigInt.asIntN(64, op === "++" ? v.n + 1n : v.n - 1n);
        this.store(v, n);
        return { n };
      }
      if (this.accept("-")) return { n: BigInt.asIntN(64, -this.unary().n) };
      if (this.accept("+")) return { n: this.unary().n };
      if (this.accept("!")) return { n: this.unary().n === 0n ? 1n : 0n };
      if (this.accept("~")) return { n: ~this.unary().n };
      return this.postfix();
    } finally {
      this.nested--;
    }
  }

  private postfix(): Value {
    const v = this.primary();
    if (v.name === undefined || (!this.is("++") && !this.is("--"))) return v;
    this.store(v, BigInt.asIntN(64, this.is("++") ? v.n + 1n : v.n - 1n));
    this.advance();
    return { n: v.n };
  }

  private primary(): Value {
    if (this.kind === "number") {
      const n = this.number(this.token);
      this.advance();
      return { n };
    }
    if (this.kind === "name") {
      const name = this.token;
      this.advance();
      let index: number | undefined;
      if (this.accept("[")) {
        index = Number(this.comma().n);
        if (!this.accept("]")) this.fail("syntax error in expression");
      }
      return { n: this.skip > 0 ? 0n : this.load(name, index), name, index };
    }
    if (this.accept("(")) {
      const v = this.comma();
      if (!this.accept(")")) this.fail("missing `)'");
      return { n: v.n };
    }
    this.fail("syntax error: operand expected");
  }

  private number(text: string): bigint {
    const hash = text.indexOf("#");
    if (hash < 0) {
      if (/^0[xX][0-9a-fA-F]+$/.test(text)) return BigInt.asIntN(64, BigInt(text));
      if (/^0[0-7]*$/.test(text)) return BigInt.asIntN(64, text === "0" ? 0n : BigInt(`0o${text.slice(1)}`));
      if (/^[1-9]\d*$/.test(text)) return BigInt.asIntN(64, BigInt(text.slice(0, 400)));
      this.fail("value too great for base");
    }
    const base = Number(text.slice(0, hash));
    if (base < 2 || base > 64) this.fail("invalid arithmetic base");
    const digits = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ@_";
    let n = 0n;
    for (const c of text.slice(hash + 1)) {
      const d = digits.indexOf(base <= 36 ? c.toLowerCase() : c);
      if (d < 0 || d >= base) this.fail("value too great for base");
      n = BigInt.asIntN(64, n * BigInt(base) + BigInt(d));
    }
    return n;
  }

  private load(name: string, index: number | undefined): bigint {
    const v = this.sh.vars.get(name)?.value;
    let text: string | undefined;
    if (Array.isArray(v)) text = v[arrayIndex(index ?? 0, v.length)];
    else text = index === undefined || index === 0 ? v : undefined;
    if (text === undefined && this.sh.options.nounset) throw new ShellError(`${name}: unbound variable`);
    if (text === undefined || text === "") return 0n;
    return /^[1-9]\d{0,17}$/.test(text) ? BigInt(text) : arith(this.sh, text, this.depth + 1);
  }

  private store(to: Value, n: bigint): void {
    if (this.skip > 0) return;
    if (to.index === undefined) this.sh.set(to.name!, String(n));
    else setElement(this.sh, to.name!, to.index, String(n));
  }

  private binary(op: string, a: bigint, b: bigint): bigint {
    if (this.skip > 0) return 0n;
    switch (op) {
      case "+":
        return BigInt.asIntN(64, a + b);
      case "-":
        return BigInt.asIntN(64, a - b);
      case "*":
        return BigInt.asIntN(64, a * b);
      case "/":
      case "%":
        if (b === 0n) throw new ShellError(`${this.text.trim()}: division by 0 (error token is "${b}")`);
        return BigInt.asIntN(64, op === "/" ? a / b : a % b);
      case "<<":
        return BigInt.asIntN(64, a << (b & 63n));
      case ">>":
        return BigInt.asIntN(64, a >> (b & 63n));
      case "&":
        return a & b;
      case "|":
        return a | b;
      case "^":
        return a ^ b;
      case "==":
        return a === b ? 1n : 0n;
      case "!=":
        return a !== b ? 1n : 0n;
      case "<":
        return a < b ? 1n : 0n;
      case ">":
        return a > b ? 1n : 0n;
      case "<=":
        return a <= b ? 1n : 0n;
      case ">=":
        return a >= b ? 1n : 0n;
      case "&&":
        return a !== 0n && b !== 0n ? 1n : 0n;
      default:
        return a !== 0n || b !== 0n ? 1n : 0n;
    }
  }
}

/** A negative index counts from the end. */
export function arrayIndex(index: number, length: number): number {
  return index < 0 ? index + length : index;
}

export function setElement(sh: Shell, name: string, index: number, value: string): void {
  if (!isName(name)) throw new ShellError(`\`${name}': not a valid identifier`);
  const v = sh.vars.get(name);
  if (v?.readonly) throw new ShellError(`${name}: readonly variable`);
  const list = Array.isArray(v?.value) ? v.value : v?.value === undefined ? [] : [v.value];
  const at = arrayIndex(index, list.length);
  if (!(at >= 0 && at < MAX_ELEMENTS)) throw new ShellError(`${name}[${index}]: bad array subscript`);
  list[at] = value;
  if (v === undefined) sh.set(name, list);
  else v.value = list;
}
