// What a topology file did wrong, said once and in one form: `lab.conf:7: unknown option "foo" of pc1: skipped`.
// Way in: `new Diagnostics()`, `fatal()` and `warn()`; `formatDiagnostic()` prints, `suggest()` finds what was meant.

export { suggest } from "../bin/lib/suggest.ts";

/** fatal: the lab cannot run. warning: the line was skipped. note: accepted, but it has no effect here. */
export type Severity = "fatal" | "warning" | "note";

export interface Diagnostic {
  severity: Severity;
  /** Path inside the lab folder. */
  file: string;
  /** 1-based; 0 when the file as a whole is meant. */
  line: number;
  /** 1-based; 0 where only the line is known. */
  column: number;
  text: string;
}

export interface Where {
  file: string;
  line: number;
  column: number;
}

const OUTCOME: Readonly<Record<Severity, string>> = { fatal: "fatal", warning: "skipped", note: "no effect here" };

export function formatDiagnostic(d: Diagnostic): string {
  const at = d.line > 0 ? (d.column > 0 ? `:${d.line}:${d.column}` : `:${d.line}`) : "";
  return `${d.file}${at}: ${d.text}: ${OUTCOME[d.severity]}`;
}

/** A hostile file must not make a report longer than itself. */
const MAX_DIAGNOSTICS = 1000;

export class Diagnostics {
  readonly list: Diagnostic[] = [];
  private fatals = 0;

  get hasFatal(): boolean {
    return this.fatals > 0;
  }

  add(severity: Severity, where: Where, text: string): void {
    if (severity === "fatal") this.fatals++;
    if (this.list.length < MAX_DIAGNOSTICS) this.list.push({ severity, ...where, text });
    else if (this.list.length === MAX_DIAGNOSTICS) {
      this.list.push({ severity: "warning", ...where, text: "too many problems, the rest is not shown" });
    }
  }

  fatal(where: Where, text: string): void {
    this.add("fatal", where, text);
  }

  warn(where: Where, text: string): void {
    this.add("warning", where, text);
  }

  note(where: Where, text: string): void {
    this.add("note", where, text);
  }
}

/** A quoted, printable and bounded form of untrusted text. */
export function quote(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}...` : text;
  return JSON.stringify(short);
}
