// [[ … ]]: patterns, regular expressions, file tests, integers. `[` and `test` are in lib/test_expr.ts.
// Way in: `evalTest(c, expression)`.

import type { TestExpression, Word } from "unbash";
import type { Blocking } from "../../uapi/sys.ts";
import { posixRegex } from "../lib/regex.ts";
import { fileTest, isFileTest } from "../lib/test_expr.ts";
import { arith } from "./arith.ts";
import type { Context } from "./expand.ts";
import { expandPart, expandPattern, expandText, Sink } from "./expand.ts";
import { compilePattern, matches } from "./pattern.ts";
import { ShellError } from "./state.ts";

export function* evalTest(c: Context, e: TestExpression): Blocking<boolean> {
  switch (e.type) {
    case "TestGroup":
      return yield* evalTest(c, e.expression);
    case "TestNot":
      return (yield* evalTest(c, e.operand)) === (e.negations.length % 2 === 0);
    case "TestLogical": {
      for (const operand of e.operands) {
        const yes = yield* evalTest(c, operand);
        if (yes !== (e.operator === "&&")) return yes;
      }
      return e.operator === "&&";
    }
    case "TestUnary": {
      const value = yield* expandText(c, e.operand);
      if (e.operator === "-n") return value !== "";
      if (e.operator === "-z") return value === "";
      if (e.operator === "-v") return c.sh.vars.has(value);
      if (!isFileTest(e.operator)) throw new ShellError(`${e.operator}: unary operator expected`, 2);
      return fileTest(c.sh.sys, e.operator, value, c.sh.fds);
    }
    case "TestBinary":
      break;
  }
  const left = yield* expandText(c, e.left);
  switch (e.operator) {
    case "=":
    case "==":
    case "!=": {
      const hit = matches(compilePattern(yield* expandPattern(c, e.right)), left);
      return hit === (e.operator !== "!=");
    }
    case "=~": {
      const source = yield* expandRegex(c, e.right);
      const regex = posixRegex(source, { extended: true });
      if (typeof regex === "string")
        throw new ShellError(`invalid regular expression \`${source}': ${regex}`, 2, false);
      const m = regex.exec(left);
      c.sh.set("BASH_REMATCH", m === null ? [] : Array.from(m, (g) => g ?? ""));
      return m !== null;
    }
    case "<":
      return left < (yield* expandText(c, e.right));
    case ">":
      return left > (yield* expandText(c, e.right));
  }
  const right = yield* expandText(c, e.right);
  const a = arith(c.sh, left);
  const b = arith(c.sh, right);
  switch (e.operator) {
    case "-eq":
      return a === b;
    case "-ne":
      return a !== b;
    case "-lt":
      return a < b;
    case "-le":
      return a <= b;
    case "-gt":
      return a > b;
    case "-ge":
      return a >= b;
    default:
      throw new ShellError(`${e.operator}: conditional binary operator expected`, 2);
  }
}

/** Quoted parts of a regular expression stand for themselves, the rest is taken as it is. */
function* expandRegex(c: Context, word: Word): Blocking<string> {
  if (word.parts === undefined) return word.text;
  let out = "";
  for (const p of word.parts) {
    if (p.type === "Literal" || p.type === "Glob" || p.type === "ExtendedGlob" || p.type === "BraceExpansion") {
      out += p.text;
      continue;
    }
    const sink = new Sink(false, "");
    yield* expandPart(c, p, false, sink);
    const text = sink
      .finish()
      .map((f) => f.text)
      .join(" ");
    const quoted = p.type === "SingleQuoted" || p.type === "DoubleQuoted" || p.type === "AnsiCQuoted";
    out += quoted ? text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&") : text;
  }
  return out;
}
