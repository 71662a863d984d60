// Characters of a script: comments taken out, -D symbols put in, tokens by sticky expressions. Way in: new Scanner().

import { ScriptError } from "./ast.ts";

// What is never looked into: strings, commands and code keep their text. Comments: //, /* */ and #.
const OPAQUE = /%\{[\s\S]*?\}%|`[^`]*`|"(?:\\.|[^"\\])*"|\/\/[^\n]*|#[^\n]*|\/\*[\s\S]*?\*\/|[A-Za-z_]\w*/g;

/** Comments become blanks (line numbers stay), words that -D defined become their values. */
function preprocess(text: string, defines: ReadonlyMap<string, string>): string {
  return text.replace(OPAQUE, (m) => {
    if (m.startsWith("//") || m.startsWith("#") || m.startsWith("/*")) return m.replace(/[^\n]/g, " ");
    return defines.get(m) ?? m;
  });
}

export class Scanner {
  readonly text: string;
  readonly file: string;
  at = 0;

  constructor(file: string, text: string, defines: ReadonlyMap<string, string>) {
    this.file = file;
    this.text = preprocess(text, defines);
  }

  /** Line of a position, from 1. */
  line_of(at: number): number {
    let n = 1;
    for (let i = this.text.indexOf("\n"); i >= 0 && i < at; i = this.text.indexOf("\n", i + 1)) n++;
    return n;
  }
  fail(message: string): never {
    this.skip();
    throw new ScriptError(this.file, this.line_of(this.at), message);
  }
  skip(): void {
    while (this.at < this.text.length && /\s/.test(this.text[this.at]!)) this.at++;
  }
  get end(): boolean {
    this.skip();
    return this.at >= this.text.length;
  }
  /** The next token when it is `re` (sticky), else null. */
  take(re: RegExp): RegExpExecArray | null {
    this.skip();
    re.lastIndex = this.at;
    const m = re.exec(this.text);
    if (m !== null) this.at = re.lastIndex;
    return m;
  }
  peek(re: RegExp): boolean {
    this.skip();
    re.lastIndex = this.at;
    return re.test(this.text);
  }
  is(s: string): boolean {
    this.skip();
    if (!this.text.startsWith(s, this.at)) return false;
    this.at += s.length;
    return true;
  }
  need(s: string): void {
    if (!this.is(s)) this.fail(`syntax error: "${s}" expected before "${this.rest()}"`);
  }
  rest(): string {
    this.skip();
    return this.text.slice(this.at, this.at + 20).replace(/\n[\s\S]*/, "");
  }
  /** A whole number, also in hex. */
  number(): number {
    const m = this.take(/-?(?:0x[0-9a-fA-F]+|\d+)/y);
    if (m === null) this.fail(`syntax error: a number expected before "${this.rest()}"`);
    return Number(m[0].startsWith("-") ? -Number(m[0].slice(1)) : m[0]);
  }
}
