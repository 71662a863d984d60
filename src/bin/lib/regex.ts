// POSIX regular expressions (basic and extended) on JavaScript's engine. DIFF: of alternatives the first match counts,
// not the longest. Way in: `posixRegex(text, { extended: true })`.

export interface RegexOptions {
  extended: boolean;
  ignoreCase?: boolean;
  /** -w */
  words?: boolean;
  /** -x */
  line?: boolean;
  global?: boolean;
}

const CLASSES: Readonly<Record<string, string>> = {
  alpha: "a-zA-Z",
  digit: "0-9",
  alnum: "a-zA-Z0-9",
  upper: "A-Z",
  lower: "a-z",
  space: " \\t\\n\\r\\f\\v",
  blank: " \\t",
  punct: "!-\\/:-@\\[-`{-~",
  xdigit: "0-9A-Fa-f",
  print: "\\x20-\\x7e",
  graph: "\\x21-\\x7e",
  cntrl: "\\x00-\\x1f\\x7f",
};

/** The compiled expression, or why it is none (grep's words). */
export function posixRegex(text: string, options: RegexOptions): RegExp | string {
  const source = translate(text, options.extended);
  if (typeof source !== "string") return source.error;
  let body = options.words ? `(?<![\\w])(?:${source})(?![\\w])` : source;
  if (options.line) body = `^(?:${body})$`;
  const flags = `u${options.ignoreCase ? "i" : ""}${options.global ? "g" : ""}`;
  try {
    return new RegExp(body, flags);
  } catch {
    try {
      return new RegExp(body, flags.replace("u", ""));
    } catch {
      return "Invalid regular expression";
    }
  }
}

/** A text that matches itself only (grep -F). */
export function literalRegex(text: string, options: Omit<RegexOptions, "extended">): RegExp {
  return posixRegex(escapeRegex(text), { ...options, extended: true }) as RegExp;
}

export function escapeRegex(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}

function translate(text: string, extended: boolean): string | { error: string } {
  let out = "";
  /** Whether something precedes that a repetition can repeat. */
  let atom = false;
  let open = 0;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (c === "[") {
      const set = bracket(text, i);
      if (typeof set !== "object") return { error: "Unmatched [, [^, [:, [., or [=" };
      out += set.source;
      i = set.end;
      atom = true;
      continue;
    }
    let token = c;
    let special = extended;
    if (c === "\\") {
      if (i + 1 >= text.length) return { error: "Trailing backslash" };
      token = text[++i];
      if ("wWsSbB".includes(token)) {
        out += `\\${token}`;
        atom = true;
        continue;
      }
      if (token === "<" || token === ">") {
        out += token === "<" ? "\\b(?=\\w)" : "\\b(?<=\\w)";
        continue;
      }
      if (/[1-9]/.test(token)) {
        out += `(?:\\${token})`;
        atom = true;
        continue;
      }
      special = !extended;
      if (extended || !"(){}|+?".includes(token)) {
        out += escape(token);
        atom = true;
        continue;
      }
    } else if (!extended && "(){}|+?".includes(c)) {
      out += escape(c);
      atom = true;
      continue;
    }
    switch (token) {
      case "(":
        open++;
        out += "(";
        atom = false;
        break;
      case ")":
        if (open === 0) {
          if (special && !extended) return { error: "Unmatched ) or \\)" };
          out += "\\)";
          atom = true;
          break;
        }
        open--;
        out += ")";
        atom = true;
        break;
      case "|":
        out += "|";
        atom = false;
        break;
      case "*":
      case "+":
      case "?":
        // A repetition of nothing is the character itself.
        if (!atom) out += `\\${token}`;
        else if (!/[*+?}]$/.test(out) || /\\[*+?}]$/.test(out)) out += token;
        atom = true;
        break;
      case "{": {
        const m = (extended ? /^\{(\d*)(,?)(\d*)\}/ : /^\{(\d*)(,?)(\d*)\\\}/).exec(text.slice(i));
        if (m === null || (m[1] === "" && m[3] === "") || !atom) {
          out += "\\{";
          atom = true;
          break;
        }
        if (Number(m[1]) > 32767 || Number(m[3]) > 32767) return { error: "Regular expression too big" };
        if (m[3] !== "" && Number(m[1] || 0) > Number(m[3])) return { error: "Invalid content of \\{\\}" };
        out += m[2] === "" ? `{${m[1]}}` : `{${m[1] || 0},${m[3]}}`;
        i += m[0].length - 1;
        break;
      }
      case "^":
      case "$":
        if (
          extended ||
          (c === "^"
            ? i === 0 || /\\[(|]$/.test(text.slice(0, i))
            : i === text.length - 1 || /^\\[)|]/.test(text.slice(i + 1)))
        ) {
          out += c;
          atom = false;
        } else {
          out += `\\${c}`;
          atom = true;
        }
        break;
      case ".":
        out += ".";
        atom = true;
        break;
      default:
        out += escape(token);
        atom = true;
    }
  }
  if (open > 0) return { error: "Unmatched ( or \\(" };
  return out;
}

function escape(c: string): string {
  return /[\\^$.*+?()[\]{}|/]/.test(c) ? `\\${c}` : c;
}

function bracket(text: string, start: number): { source: string; end: number } | undefined {
  let i = start + 1;
  let out = "[";
  if (text[i] === "^") {
    out += "^";
    i++;
  }
  for (let first = true; i < text.length; first = false, i++) {
    const c = text[i];
    if (c === "]" && !first) return { source: `${out}]`, end: i };
    if (c === "[" && text[i + 1] === ":") {
      const close = text.indexOf(":]", i + 2);
      const name = close < 0 ? "" : text.slice(i + 2, close);
      if (!Object.hasOwn(CLASSES, name)) return undefined;
      out += CLASSES[name];
      i = close + 1;
      continue;
    }
    // A backslash is an ordinary character here.
    if (c === "-") out += first || text[i + 1] === "]" ? "\\-" : "-";
    else out += /[\\^[\]]/.test(c) ? `\\${c}` : c;
  }
  return undefined;
}
