// printf(1) and the escapes of `echo -e`, for the shell's builtins and the programs of the same name.
// Way in: `formatPrintf(format, args)`, `unescape(text)`.

export interface Formatted {
  text: string;
  /** "abc: invalid number", … without prefix. */
  errors: string[];
}

const MAX_WIDTH = 100_000;

/** The format is used again until all arguments are consumed. */
export function formatPrintf(format: string, args: readonly string[]): Formatted {
  const errors: string[] = [];
  let text = "";
  let at = 0;
  let stop = false;
  const next = (): string | undefined => args[at++];
  do {
    const before = at;
    text += once();
    if (at === before) break;
  } while (at < args.length && !stop && text.length < 1 << 24);
  return { text, errors };

  function once(): string {
    let out = "";
    for (let i = 0; i < format.length && !stop; i++) {
      const c = format[i];
      if (c === "\\") {
        const e = escapeAt(format, i, false);
        if (e.stop) stop = true;
        out += e.text;
        i = e.end - 1;
        continue;
      }
      if (c !== "%") {
        out += c;
        continue;
      }
      const m = /^%([-+ 0#]*)(\*|\d*)(?:\.(\*|\d*))?[hlLqjzt]*(?:\((.*?)\))?(.)?/s.exec(format.slice(i))!;
      // %q has no length modifier before it, yet "q" is listed as one.
      let conversion = m[5] ?? "";
      let length = m[0].length;
      const quoting = /^%[-+ 0#]*(?:\*|\d*)(?:\.(?:\*|\d*))?q/.exec(format.slice(i));
      if (quoting !== null) {
        conversion = "q";
        length = quoting[0].length;
      }
      i += length - 1;
      if (conversion === "%") {
        out += "%";
        continue;
      }
      let flags = m[1];
      const star = (t: string | undefined): number | undefined => {
        if (t === undefined) return undefined;
        return Math.max(-MAX_WIDTH, Math.min(MAX_WIDTH, t === "*" ? Number(integer(next())) : Number(t)));
      };
      let width = star(m[2]) ?? 0;
      let precision = star(m[3]);
      if (width < 0) {
        flags += "-";
        width = -width;
      }
      if (precision !== undefined && precision < 0) precision = undefined;
      out += convert(conversion, flags, width, precision);
    }
    return out;
  }

  function convert(conversion: string, flags: string, width: number, precision: number | undefined): string {
    const left = flags.includes("-");
    const zero = flags.includes("0") && !left;
    const pad = (t: string, withZero = false): string => {
      if (t.length >= width) return t;
      if (left) return t.padEnd(width);
      if (!withZero) return t.padStart(width);
      const sign = /^[-+ ]?(?:0[xX])?/.exec(t)![0];
      return sign + t.slice(sign.length).padStart(width - sign.length, "0");
    };
    const signed = (t: string): string =>
      t.startsWith("-") ? t : flags.includes("+") ? `+${t}` : flags.includes(" ") ? ` ${t}` : t;
    switch (conversion) {
      case "s":
        return pad((next() ?? "").slice(0, precision));
      case "b": {
        const e = unescape(next() ?? "");
        if (e.stop) stop = true;
        return pad(e.text.slice(0, precision));
      }
      case "q":
        return pad(shellQuote(next() ?? ""));
      case "c":
        return pad((next() ?? "").slice(0, 1));
      case "d":
      case "i": {
        const n = integer(next());
        const digits = (n < 0n ? -n : n).toString().padStart(precision ?? 1, "0");
        return pad(signed((n < 0n ? "-" : "") + digits), zero && precision === undefined);
      }
      case "u":
      case "o":
      case "x":
      case "X": {
        const n = BigInt.asUintN(64, integer(next()));
        const base = conversion === "o" ? 8 : conversion === "u" ? 10 : 16;
        let t = n.toString(base).padStart(precision ?? 1, "0");
        if (flags.includes("#") && n !== 0n) t = (base === 16 ? "0x" : base === 8 ? "0" : "") + t;
        return pad(conversion === "X" ? t.toUpperCase() : t, zero && precision === undefined);
      }
      case "e":
      case "E":
      case "f":
      case "F":
      case "g":
      case "G": {
        const t = float(conversion, number(next()), Math.min(precision ?? 6, 100), flags.includes("#"));
        return pad(signed(t), zero);
      }
      case "":
        errors.push("`%': missing format character");
        stop = true;
        return "";
      default:
        errors.push(`\`${conversion}': invalid format character`);
        stop = true;
        return "";
    }
  }

  function integer(text: string | undefined): bigint {
    if (text === undefined || text === "") return 0n;
    // 'A is the code of the character.
    if (text.startsWith("'") || text.startsWith('"')) return BigInt(text.codePointAt(1) ?? 0);
    const m = /^\s*([-+]?)(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9]\d*)/.exec(text.slice(0, 400));
    if (m === null || m[0].length !== text.length) errors.push(`${text}: invalid number`);
    if (m === null) return 0n;
    const n = /^0[0-7]+$/.test(m[2]) ? BigInt(`0o${m[2].slice(1)}`) : BigInt(m[2]);
    return m[1] === "-" ? -n : n;
  }

  function number(text: string | undefined): number {
    if (text === undefined || text === "") return 0;
    if (text.startsWith("'") || text.startsWith('"')) return text.codePointAt(1) ?? 0;
    const n = Number(text);
    if (Number.isNaN(n) || /\s$/.test(text)) {
      errors.push(`${text}: invalid number`);
      return Number.parseFloat(text) || 0;
    }
    return n;
  }
}

/** toFixed rounds a tie up, C to even. The exact decimal value tells whether it is one. */
function fixed(n: number, precision: number): string {
  const t = n.toFixed(precision);
  if (Math.abs(n) >= 1e15 || precision > 60) return t;
  const exact = Math.abs(n).toFixed(precision + 40);
  const rest = exact.slice(exact.length - 40);
  if (!/^50*$/.test(rest)) return t;
  const kept = exact.slice(0, exact.length - 40).replace(/\.$/, "");
  return /[02468]$/.test(kept) ? (n < 0 ? "-" : "") + kept : t;
}

function float(conversion: string, n: number, precision: number, alternate: boolean): string {
  const upper = conversion === conversion.toUpperCase();
  const exponent = (t: string): string => t.replace(/e([-+])(\d)$/, "e$10$2");
  let t: string;
  if (!Number.isFinite(n)) t = Number.isNaN(n) ? "nan" : n < 0 ? "-inf" : "inf";
  else if (conversion === "f" || conversion === "F") t = fixed(n, precision);
  else if (conversion === "e" || conversion === "E") t = exponent(n.toExponential(precision));
  else {
    const p = precision === 0 ? 1 : precision;
    const e = n === 0 ? 0 : Number(n.toExponential(p - 1).split("e")[1]);
    t = e < -4 || e >= p ? exponent(n.toExponential(p - 1)) : n.toFixed(Math.max(0, p - 1 - e));
    if (!alternate && t.includes(".")) t = t.replace(/\.?0+(?=e|$)/, "");
  }
  return upper ? t.toUpperCase() : t;
}

/** The escapes of `echo -e` and %b. `stop` after \c. */
export function unescape(text: string): { text: string; stop: boolean } {
  let out = "";
  for (let i = 0; i < text.length; i++) {
    if (text[i] !== "\\") {
      out += text[i];
      continue;
    }
    const e = escapeAt(text, i, true);
    out += e.text;
    if (e.stop) return { text: out, stop: true };
    i = e.end - 1;
  }
  return { text: out, stop: false };
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  e: "\x1b",
  E: "\x1b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  '"': '"',
  "'": "'",
};

function escapeAt(text: string, at: number, echo: boolean): { text: string; end: number; stop?: boolean } {
  const c = text[at + 1];
  if (c === undefined) return { text: "\\", end: at + 1 };
  if (c === "c") return { text: "", end: at + 2, stop: true };
  // echo keeps \" as it is.
  if (Object.hasOwn(SIMPLE, c) && !(echo && (c === '"' || c === "'"))) return { text: SIMPLE[c], end: at + 2 };
  const rest = text.slice(at + 1, at + 12);
  const octal = (echo ? /^0([0-7]{0,3})/ : /^([0-7]{1,3})/).exec(rest);
  if (octal !== null)
    return { text: String.fromCharCode(Number.parseInt(octal[1] || "0", 8) & 0xff), end: at + 1 + octal[0].length };
  const hex = /^(?:x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{1,4})|U([0-9a-fA-F]{1,8}))/.exec(rest);
  if (hex !== null) {
    const code = Number.parseInt(hex[1] ?? hex[2] ?? hex[3], 16);
    return { text: code <= 0x10ffff ? String.fromCodePoint(code) : "", end: at + 1 + hex[0].length };
  }
  return { text: `\\${c}`, end: at + 2 };
}

/** As bash's %q: a form that the shell reads as this one word. */
export function shellQuote(text: string): string {
  if (text === "") return "''";
  if (/[\n\t\x00-\x1f\x7f]/.test(text)) {
    return `$'${text
      .replace(/[\\']/g, "\\$&")
      .replace(/\n/g, "\\n")
      .replace(/\t/g, "\\t")
      .replace(/[\x00-\x1f\x7f]/g, (ch) => `\\${ch.charCodeAt(0).toString(8).padStart(3, "0")}`)}'`;
  }
  return text.replace(/[^\w@%+=:./-]/gu, "\\$&");
}
