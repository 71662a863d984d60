// Shell patterns: * ? [set] \x and, inside, the extended ?() *() +() @() !(). Way in: `compilePattern(text)`, `matches()`.
// Works on sets of positions, so that no pattern takes more than (pattern length × text length²) steps.

type Piece =
  | { kind: "char"; char: string }
  | { kind: "any" }
  | { kind: "star" }
  | { kind: "set"; negated: boolean; ranges: [string, string][]; classes: string[] }
  | { kind: "ext"; op: string; alternatives: Pattern[] };

export type Pattern = readonly Piece[];

const MAX_DEPTH = 20;

/** In the text a backslash makes the next character literal. */
export function compilePattern(text: string, depth = 0): Pattern {
  const out: Piece[] = [];
  const chars = [...text];
  for (let i = 0; i < chars.length; i++) {
    const c = chars[i];
    if (chars[i + 1] === "(" && "?*+@!".includes(c) && depth < MAX_DEPTH) {
      const ext = extended(chars, i + 2, depth);
      if (ext !== undefined) {
        out.push({ kind: "ext", op: c, alternatives: ext.alternatives });
        i = ext.end;
        continue;
      }
    }
    if (c === "\\" && i + 1 < chars.length) out.push({ kind: "char", char: chars[++i] });
    else if (c === "*") {
      if (out.at(-1)?.kind !== "star") out.push({ kind: "star" });
    } else if (c === "?") out.push({ kind: "any" });
    else if (c === "[") {
      const set = bracket(chars, i + 1);
      if (set === undefined) out.push({ kind: "char", char: c });
      else {
        out.push(set.piece);
        i = set.end;
      }
    } else out.push({ kind: "char", char: c });
  }
  return out;
}

/** Makes every character of a text stand for itself. */
export function escapePattern(text: string): string {
  return text.replace(/[\\*?[\]()!+@|-]/g, "\\$&");
}

/** The text without its backslashes: what is left of a pattern that matches no file. */
export function unescapePattern(text: string): string {
  return text.replace(/\\([\s\S])/g, "$1");
}

export function matches(pattern: Pattern, text: string): boolean {
  const chars = [...text];
  return run(pattern, chars, new Set([0])).has(chars.length);
}

/** All lengths (in characters) at which the pattern matches a prefix of the text, ascending. */
export function prefixLengths(pattern: Pattern, chars: readonly string[], from = 0): number[] {
  return [...run(pattern, chars, new Set([from]))].sort((a, b) => a - b);
}

function run(pattern: Pattern, chars: readonly string[], start: Set<number>): Set<number> {
  let at = start;
  for (const p of pattern) {
    if (at.size === 0) return at;
    at = step(p, chars, at);
  }
  return at;
}

function step(p: Piece, chars: readonly string[], at: Set<number>): Set<number> {
  const next = new Set<number>();
  switch (p.kind) {
    case "star": {
      let low = chars.length;
      for (const i of at) low = Math.min(low, i);
      for (let i = low; i <= chars.length; i++) next.add(i);
      return next;
    }
    case "ext":
      return extStep(p.op, p.alternatives, chars, at);
    default:
      for (const i of at) if (i < chars.length && matchesOne(p, chars[i])) next.add(i + 1);
      return next;
  }
}

function extStep(op: string, alternatives: Pattern[], chars: readonly string[], at: Set<number>): Set<number> {
  const once = (from: Set<number>): Set<number> => {
    const out = new Set<number>();
    for (const a of alternatives) for (const i of run(a, chars, new Set(from))) out.add(i);
    return out;
  };
  if (op === "!") {
    const out = new Set<number>();
    for (const i of at) {
      const hit = once(new Set([i]));
      for (let k = i; k <= chars.length; k++) if (!hit.has(k)) out.add(k);
    }
    return out;
  }
  const out = op === "?" || op === "*" ? new Set(at) : new Set<number>();
  let frontier = once(at);
  while (frontier.size > 0) {
    const fresh = new Set<number>();
    for (const i of frontier) {
      if (out.has(i)) continue;
      out.add(i);
      fresh.add(i);
    }
    if (op !== "*" && op !== "+") break;
    frontier = once(fresh);
  }
  return out;
}

function matchesOne(p: Exclude<Piece, { kind: "star" | "ext" }>, c: string): boolean {
  if (p.kind === "any") return true;
  if (p.kind === "char") return p.char === c;
  const hit = p.ranges.some(([low, high]) => c >= low && c <= high) || p.classes.some((name) => CLASSES[name]?.test(c));
  return hit !== p.negated;
}

const CLASSES: Readonly<Record<string, RegExp>> = {
  alpha: /\p{L}/u,
  digit: /[0-9]/,
  alnum: /[\p{L}0-9]/u,
  upper: /\p{Lu}/u,
  lower: /\p{Ll}/u,
  space: /\s/,
  blank: /[ \t]/,
  punct: /[!-/:-@[-`{-~]/,
  xdigit: /[0-9A-Fa-f]/,
  print: /[^\x00-\x1f\x7f]/,
  graph: /[^\x00-\x20\x7f]/,
  cntrl: /[\x00-\x1f\x7f]/,
};

function bracket(chars: readonly string[], start: number): { piece: Piece; end: number } | undefined {
  let i = start;
  const negated = chars[i] === "!" || chars[i] === "^";
  if (negated) i++;
  const ranges: [string, string][] = [];
  const classes: string[] = [];
  for (let first = true; i < chars.length; first = false) {
    let c = chars[i];
    if (c === "]" && !first) return { piece: { kind: "set", negated, ranges, classes }, end: i };
    if (c === "[" && chars[i + 1] === ":") {
      const close = chars.indexOf(":", i + 2);
      if (close > 0 && chars[close + 1] === "]") {
        classes.push(chars.slice(i + 2, close).join(""));
        i = close + 2;
        continue;
      }
    }
    if (c === "\\" && i + 1 < chars.length) c = chars[++i];
    i++;
    if (chars[i] === "-" && chars[i + 1] !== undefined && chars[i + 1] !== "]") {
      let high = chars[i + 1];
      i += 2;
      if (high === "\\" && i < chars.length) high = chars[i++];
      ranges.push([c, high]);
    } else ranges.push([c, c]);
  }
  return undefined;
}

function extended(
  chars: readonly string[],
  start: number,
  depth: number,
): { alternatives: Pattern[]; end: number } | undefined {
  const alternatives: Pattern[] = [];
  let open = 0;
  let from = start;
  for (let i = start; i < chars.length; i++) {
    const c = chars[i];
    if (c === "\\") i++;
    else if (c === "(") open++;
    else if ((c === "|" || c === ")") && open === 0) {
      alternatives.push(compilePattern(chars.slice(from, i).join(""), depth + 1));
      from = i + 1;
      if (c === ")") return { alternatives, end: i };
    } else if (c === ")") open--;
  }
  return undefined;
}
