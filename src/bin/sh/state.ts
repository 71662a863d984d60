// The state of one shell process: variables, functions, options, file descriptors, and where in which script it is.
// Way in: `new Shell(sys, …)`; `fork()` is what a subshell starts from. exec.ts runs commands on it.

import type { CompoundList, Function as FunctionNode, ParsedScript } from "unbash";
import { SIGINT } from "../../uapi/fcntl.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";
import { writeAll } from "../lib/io.ts";
import type { JobTable } from "./jobs.ts";
import { newJobTable } from "./jobs.ts";

/** A piece of shell source with its name and place, so that every message can say where it comes from. */
export interface Unit {
  name: string;
  source: string;
  /** Line of the named file on which the source starts. */
  startLine: number;
  /** False where a line says nothing: a prompt, or `-c` with a single line. */
  numbered: boolean;
  /** Offsets of the line starts, computed when first needed. */
  lines?: number[];
}

export function lineOf(unit: Unit, pos: number): number {
  if (unit.lines === undefined) {
    unit.lines = [0];
    for (let i = unit.source.indexOf("\n"); i >= 0; i = unit.source.indexOf("\n", i + 1)) unit.lines.push(i + 1);
  }
  let low = 0;
  let high = unit.lines.length - 1;
  while (low < high) {
    const mid = (low + high + 1) >> 1;
    if (unit.lines[mid] <= pos) low = mid;
    else high = mid - 1;
  }
  return unit.startLine + low;
}

export interface Variable {
  /** An indexed array may have holes. */
  value: string | (string | undefined)[] | undefined;
  exported: boolean;
  readonly: boolean;
  integer: boolean;
}

export interface ShellFunction {
  body: FunctionNode["body"] | CompoundList;
  unit: Unit;
}

/** Leaves the normal flow; caught by the construct that it is for. */
export class Jump {
  kind: "break" | "continue" | "return" | "exit" | "interrupt";
  /** Loops to leave for break and continue, else the status. */
  n: number;
  constructor(kind: Jump["kind"], n: number) {
    this.kind = kind;
    this.n = n;
  }
}

/** An error of expansion or assignment: ends the command, and a script as a whole. `text` is without place and newline. */
export class ShellError {
  text: string;
  status: number;
  /** Ends a non-interactive shell, as POSIX has it for expansion errors. */
  fatal: boolean;
  constructor(text: string, status = 1, fatal = true) {
    this.text = text;
    this.status = status;
    this.fatal = fatal;
  }
}

export interface Options {
  errexit: boolean;
  nounset: boolean;
  xtrace: boolean;
  noglob: boolean;
  pipefail: boolean;
  noexec: boolean;
}

/** Commands inside each other (functions, eval, substitutions): about half of what Node's stack takes in generators. */
export const MAX_NESTING = 250;
/** Elements of an array, results of a brace expansion. */
export const MAX_ELEMENTS = 100_000;
/** Characters of one variable or command substitution. */
export const MAX_TEXT = 16 << 20;

export class Shell {
  sys: Sys;
  vars = new Map<string, Variable>();
  functions = new Map<string, ShellFunction>();
  aliases = new Map<string, string>();
  options: Options = { errexit: false, nounset: false, xtrace: false, noglob: false, pipefail: false, noexec: false };
  arg0 = "sh";
  params: string[] = [];
  /** Shell's descriptor number → descriptor of this process; undefined or negative where closed. */
  fds: number[] = [0, 1, 2];
  status = 0;
  pipeStatus: number[] = [0];
  /** $$: the pid of the main shell, also in its subshells. */
  pid: number;
  lastBackground = 0;
  jobs: JobTable;
  /** Commands typed at the prompt; the first one has the number dropped + 1. */
  history: { list: string[]; dropped: number } = { list: [], dropped: 0 };
  /** The user was told of stopped jobs when this shell was to end: the next try counts. */
  exitWarned = false;
  /** Commands by signal name ("EXIT", "INT"). */
  traps = new Map<string, string>();
  /** Signals that a prompt ignores for itself, and not for what it starts. */
  ignored: readonly number[] = [];
  /** Signals that arrived and were not yet acted upon. */
  pending: number[] = [];
  unit: Unit;
  /** Place of the current command in `unit`. */
  pos = 0;
  /** Prompts, notifies of jobs, survives errors. */
  interactive = false;
  /** Own process groups for jobs, and the terminal handed to the foreground one. */
  jobControl = false;
  /** Status with which an expansion error ends the shell: 127 under -c, else 1, as bash. */
  fatalStatus = 1;
  loops = 0;
  calls = 0;
  sourced = 0;
  nesting = 0;
  /** > 0 where `set -e` does not apply: conditions, left sides of && and ||, after "!". */
  guarded = 0;
  /** One per function call: what its locals hide. */
  scopes: Map<string, Variable | undefined>[] = [];
  inTrap = false;
  startedNs: number;
  commands = 0;
  /** getopts: place inside the current word, and the OPTIND that it belongs to. */
  optPos = 1;
  optIndex = 1;
  /** A startup script of a lab: says which line ran a program that failed, and what becomes of a mistake. */
  reportFailures = false;
  /** Status of the last command substitution since the command began. */
  substituted: number | undefined;
  expandingAliases = new Set<string>();

  constructor(sys: Sys, unit: Unit) {
    this.sys = sys;
    this.unit = unit;
    this.pid = sys.getpid();
    this.jobs = newJobTable();
    this.startedNs = sys.clock_gettime(1);
    for (const [name, value] of Object.entries(sys.env)) this.vars.set(name, exportedVariable(value));
  }

  /** The state of a subshell, before its process exists (`sys` is set when it starts). */
  fork(): Shell {
    const child = Object.create(Shell.prototype) as Shell;
    Object.assign(child, this);
    child.vars = new Map();
    for (const [name, v] of this.vars) {
      child.vars.set(name, { ...v, value: Array.isArray(v.value) ? [...v.value] : v.value });
    }
    child.functions = new Map(this.functions);
    child.aliases = new Map(this.aliases);
    child.expandingAliases = new Set(this.expandingAliases);
    child.options = { ...this.options };
    child.params = [...this.params];
    child.fds = this.fds.map((fd, n) => (fd === undefined || fd < 0 ? -1 : n));
    child.jobs = newJobTable();
    // Ignored signals stay ignored, commands of traps are the parent's.
    child.traps = new Map([...this.traps].filter(([, command]) => command === ""));
    child.ignored = [];
    child.pending = [];
    child.scopes = this.scopes.map((s) => new Map(s));
    child.interactive = false;
    child.jobControl = false;
    child.inTrap = false;
    child.fatalStatus = 1;
    child.nesting = this.nesting + 1;
    return child;
  }

  // --- variables -----------------------------------------------------------------------------------------------

  get(name: string): string | undefined {
    const v = this.vars.get(name);
    if (v === undefined) return undefined;
    return Array.isArray(v.value) ? v.value[0] : v.value;
  }

  /** Throws ShellError for a readonly variable. */
  set(name: string, value: string | (string | undefined)[]): void {
    const v = this.vars.get(name);
    if (v === undefined) {
      this.vars.set(name, { value, exported: false, readonly: false, integer: false });
      return;
    }
    if (v.readonly) throw new ShellError(`${name}: readonly variable`);
    if (typeof value === "string" && Array.isArray(v.value)) v.value[0] = value;
    else v.value = value;
  }

  unset(name: string): boolean {
    const v = this.vars.get(name);
    if (v?.readonly) return false;
    this.vars.delete(name);
    return true;
  }

  /** The environment of a child: the exported variables. */
  environment(): Record<string, string> {
    const out: [string, string][] = [];
    for (const [name, v] of this.vars) if (v.exported && typeof v.value === "string") out.push([name, v.value]);
    return Object.fromEntries(out);
  }

  ifs(): string {
    return this.get("IFS") ?? " \t\n";
  }

  // --- messages ------------------------------------------------------------------------------------------------

  /** "pc1.startup:4: ", or "sh: " where there is no line. */
  place(): string {
    return this.unit.numbered ? `${this.unit.name}:${lineOf(this.unit, this.pos)}: ` : `${this.unit.name}: `;
  }

  *error(text: string): Blocking<void> {
    yield* writeAll(this.sys, this.fds[2] ?? -1, `${this.place()}${text}\n`);
  }

  /** For a lab's reader: whether the script goes on after this mistake. */
  outcome(goesOn: boolean): string {
    return this.reportFailures ? (goesOn ? ": skipped" : ": fatal") : "";
  }

  *out(text: string): Blocking<number> {
    return yield* writeAll(this.sys, this.fds[1] ?? -1, text);
  }

  // --- signals -------------------------------------------------------------------------------------------------

  /** Between commands: lets other tasks run now and then, and ends a command line that Ctrl-C interrupted. */
  *tick(): Blocking<void> {
    if ((++this.commands & 31) === 0) yield* this.sys.sched_yield();
  }

  /** An interactive shell abandons the line; a signal with a trap is left for the caller to run. */
  interrupted(): boolean {
    return this.interactive && this.pending.includes(SIGINT) && !this.traps.has("INT");
  }
}

function exportedVariable(value: string): Variable {
  return { value, exported: true, readonly: false, integer: false };
}

/** Something of bash that is not here: the command is skipped, the script goes on. */
export function unsupported(text: string): ShellError {
  return new ShellError(text, 2, false);
}

export function isName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(text);
}

/** What a command substitution needs of the executor, without importing it. */
export type Substitute = (sh: Shell, script: ParsedScript, unit: Unit) => Blocking<string>;
