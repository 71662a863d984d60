// From text to a run: parsing by unbash, kept total. Used by eval, source, traps, aliases, scripts and prompts.
// Way in: `parseShell(text)`, `runSource(sh, text)`, `isIncomplete(text)`.

import type { ParsedScript, SyntaxNode } from "unbash";
import { forEachChild, parse } from "unbash";
import type { Blocking } from "../../uapi/sys.ts";
import { runScript } from "./exec.ts";
import { derivedUnit } from "./expand.ts";
import type { Shell, Unit } from "./state.ts";
import { MAX_NESTING, ShellError } from "./state.ts";

/** Longer scripts are refused. */
const MAX_SOURCE = 4 << 20;

/** Never throws: what the parser cannot take becomes a script that holds one error. */
export function parseShell(text: string): ParsedScript {
  const failed = (message: string): ParsedScript => ({
    type: "Script",
    pos: 0,
    end: text.length,
    shebang: undefined,
    commands: [],
    errors: [{ message, pos: 0 }],
  });
  if (text.length > MAX_SOURCE) return failed("script too long");
  try {
    return parse(text);
  } catch (e) {
    return failed(e instanceof RangeError ? "nested too deeply" : "not understood");
  }
}

/** Runs text within this shell, as eval does. Its lines count as the current one, unless a unit is given. */
export function* runSource(sh: Shell, text: string, unit?: Unit): Blocking<void> {
  if (++sh.nesting > MAX_NESTING) {
    sh.nesting--;
    throw new ShellError("commands nested too deeply");
  }
  const before = sh.unit;
  const pos = sh.pos;
  try {
    yield* runScript(sh, parseShell(text), unit ?? derivedUnit(sh, text));
  } finally {
    sh.nesting--;
    sh.unit = before;
    sh.pos = pos;
  }
}

/** Whether a prompt should ask for more lines: an open quote, block, here-document, "&&" or "\" at the end. */
export function isIncomplete(text: string): boolean {
  const trimmed = text.replace(/[ \t\n]+$/, "");
  if (/(?:^|[^\\])(?:\\\\)*\\\n?$/.test(text)) return true;
  const script = parseShell(text);
  const errors = script.errors ?? [];
  for (const e of errors) {
    if (e.message.startsWith("unterminated")) return true;
    if (e.pos >= trimmed.length && e.message.startsWith("expected")) return !/expected redirect target/.test(e.message);
    // An error before the end is one that no further line can mend.
    if (e.pos < trimmed.length && !e.message.startsWith("expected command in")) return false;
  }
  return openHereDoc(script, text.length) !== null;
}

/** Whether the text ends inside of quotes. */
export function hasOpenQuote(text: string): boolean {
  return (parseShell(text).errors ?? []).some((e) => /^unterminated .*quote$/.test(e.message));
}

/** The word that would end the here-document in which the text ends. */
function openHereDoc(script: ParsedScript, end: number): string | null {
  let open: string | null = null;
  let budget = 20_000;
  const visit = (node: SyntaxNode): void => {
    if (open !== null || --budget < 0) return;
    if (node.type === "HereDoc" && node.closing === undefined && node.body.end >= end - 1) {
      open = node.delimiter?.value ?? "";
    } else forEachChild(node, visit);
  };
  try {
    visit(script);
  } catch {
    return null;
  }
  return open;
}

/** Lines that become one command. */
export class CommandLines {
  text = "";
  /** Inside of a here-document nothing is parsed before the line that ends it. */
  private until: string | null = null;

  /** Takes a line with its newline: true when the command is complete. */
  push(line: string): boolean {
    this.text += line;
    if (this.until !== null && line.trim() !== this.until) return false;
    this.until = null;
    if (!isIncomplete(this.text)) return true;
    if (this.text.includes("<<")) this.until = openHereDoc(parseShell(this.text), this.text.length);
    return false;
  }
}
