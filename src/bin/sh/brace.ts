// Brace expansion on source text: a{b,c}d, {1..5}, {01..10..3}, {a..e}; quotes and expansions inside are kept as they are.
// Way in: `braceExpand(text)`.

import { MAX_ELEMENTS, ShellError } from "./state.ts";

export function braceExpand(text: string): string[] {
  const budget = { left: MAX_ELEMENTS };
  return expand(text, budget, 0);
}

function expand(text: string, budget: { left: number }, depth: number): string[] {
  if (depth > 64) return [text];
  for (let i = 0; i < text.length; i++) {
    const skip = skipQuoted(text, i);
    if (skip > i) {
      i = skip - 1;
      continue;
    }
    if (text[i] !== "{") continue;
    const group = braceGroup(text, i);
    if (group === undefined) continue;
    const rest = expand(text.slice(group.end), budget, depth + 1);
    const out: string[] = [];
    const middles = group.sequence ?? group.alternatives.flatMap((a) => expand(a, budget, depth + 1));
    for (const middle of middles) {
      for (const r of rest) {
        if (--budget.left < 0) throw new ShellError(`brace expansion makes more than ${MAX_ELEMENTS} words`);
        out.push(text.slice(0, i) + middle + r);
      }
    }
    return out;
  }
  return [text];
}

/** The end of a quoted stretch or an expansion that starts at `i`; `i` when none does. */
function skipQuoted(text: string, i: number): number {
  const c = text[i];
  if (c === "\\") return i + 2;
  if (c === "'") return closing(text, i + 1, "'");
  if (c === '"' || c === "`") {
    let k = i + 1;
    while (k < text.length && text[k] !== c) {
      if (text[k] === "$" && c === '"') k = Math.max(k + 1, skipQuoted(text, k));
      else k += text[k] === "\\" ? 2 : 1;
    }
    return k + 1;
  }
  if (c === "$" && (text[i + 1] === "{" || text[i + 1] === "(")) {
    const open = text[i + 1];
    const close = open === "{" ? "}" : ")";
    let level = 1;
    let k = i + 2;
    while (k < text.length && level > 0) {
      const q = text[k] === "$" ? k : skipQuoted(text, k);
      if (q > k) {
        k = q;
        continue;
      }
      if (text[k] === open) level++;
      else if (text[k] === close) level--;
      k++;
    }
    return k;
  }
  return i;
}

function closing(text: string, from: number, quote: string): number {
  const at = text.indexOf(quote, from);
  return at < 0 ? text.length : at + 1;
}

function braceGroup(
  text: string,
  open: number,
): { alternatives: string[]; sequence?: string[]; end: number } | undefined {
  const alternatives: string[] = [];
  let level = 0;
  let from = open + 1;
  for (let i = open + 1; i < text.length; i++) {
    const skip = skipQuoted(text, i);
    if (skip > i) {
      i = skip - 1;
      continue;
    }
    const c = text[i];
    if (c === "{") level++;
    else if (c === "}" && level > 0) level--;
    else if ((c === "," || c === "}") && level === 0) {
      alternatives.push(text.slice(from, i));
      from = i + 1;
      if (c === ",") continue;
      if (alternatives.length > 1) return { alternatives, end: i + 1 };
      const sequence = range(alternatives[0]);
      return sequence === undefined ? undefined : { alternatives, sequence, end: i + 1 };
    }
  }
  return undefined;
}

function range(text: string): string[] | undefined {
  const m = /^(-?\d{1,15}|[A-Za-z])\.\.(-?\d{1,15}|[A-Za-z])(?:\.\.(-?\d{1,15}))?$/.exec(text);
  if (m === null) return undefined;
  const letters = /[A-Za-z]/.test(m[1]);
  if (letters !== /[A-Za-z]/.test(m[2])) return undefined;
  const from = letters ? m[1].charCodeAt(0) : Number(m[1]);
  const to = letters ? m[2].charCodeAt(0) : Number(m[2]);
  const step = Math.abs(Number(m[3] ?? 1)) || 1;
  if (Math.abs(to - from) / step > MAX_ELEMENTS)
    throw new ShellError(`brace expansion makes more than ${MAX_ELEMENTS} words`);
  const padded = !letters && [m[1], m[2]].some((t) => /^-?0\d/.test(t));
  const width = padded ? Math.max(m[1].length, m[2].length) : 0;
  const out: string[] = [];
  for (let n = from; from <= to ? n <= to : n >= to; n += from <= to ? step : -step) {
    if (letters) out.push(String.fromCharCode(n));
    else out.push(n < 0 ? `-${String(-n).padStart(width - 1, "0")}` : String(n).padStart(width, "0"));
  }
  return out;
}
