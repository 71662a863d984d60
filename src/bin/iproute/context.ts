// What one run of ip, tc or ss carries: options, buffered output, JSON writer, arguments and iproute2's error texts.
// Read first: ip(8). Way in: `new Context(sys, "ip")`, `Args` for parsing, `throw new Exit(n)` to end.

import type { Blocking, Sys } from "../../uapi/sys.ts";
import { writeAll } from "../lib/io.ts";
import { JsonWriter } from "./json.ts";

/** Ends the program (or the line of a batch) with an exit status. */
export class Exit {
  readonly status: number;
  constructor(status: number) {
    this.status = status;
  }
}

export type Color = "ifname" | "mac" | "inet" | "inet6" | "up" | "down";
const COLORS: Record<Color, number> = { ifname: 36, mac: 33, inet: 35, inet6: 34, up: 32, down: 31 };

export class Options {
  family = 0;
  statistics = 0;
  details = 0;
  json = false;
  pretty = false;
  oneline = false;
  brief = false;
  numeric = false;
  human = false;
  iec = false;
  resolve = false;
  timestamp = 0;
  force = false;
  batch: string | undefined;
  all = false;
  color = false;
  maxFlushLoops = 10;
}

export class Context {
  readonly sys: Sys;
  readonly name: string;
  readonly opt = new Options();
  /** Present while JSON is being written. */
  json: JsonWriter | undefined;
  private chunks: { fd: number; text: string }[] = [];
  private stdout = "";
  private readonly lineBuffered: boolean;

  constructor(sys: Sys, name: string) {
    this.sys = sys;
    this.name = name;
    this.lineBuffered = sys.isatty(1);
  }

  /** Text for standard output, whatever the mode. */
  raw(text: string): void {
    if (this.lineBuffered) this.chunks.push({ fd: 1, text });
    else this.stdout += text;
  }

  /** Text that only the plain form shows. */
  text(text: string): void {
    if (this.json === undefined) this.raw(text);
  }

  /** As stdio does: standard error is written at once, standard output (unless a terminal) when the program ends. */
  error(text: string): void {
    this.chunks.push({ fd: 2, text });
  }

  /** A value in both forms: `key: value` in JSON, `text` otherwise. */
  put(key: string, value: string | number | boolean | null, text: string): void {
    if (this.json !== undefined) this.json.member(key, value);
    else this.raw(text);
  }

  /** A value that only the JSON form shows. */
  member(key: string, value: string | number | boolean | null): void {
    this.json?.member(key, value);
  }

  paint(color: Color | undefined, text: string): string {
    return this.opt.color && color !== undefined && this.json === undefined
      ? `\x1b[${COLORS[color]}m${text}\x1b[0m`
      : text;
  }

  /** End of a line inside one object: a backslash with -oneline. */
  get nl(): string {
    return this.opt.oneline ? "\\" : "\n";
  }

  openArray(key?: string): void {
    this.json?.startArray(key);
  }
  closeArray(): void {
    this.json?.endArray();
  }
  openObject(key?: string): void {
    this.json?.startObject(key);
  }
  closeObject(): void {
    this.json?.endObject();
  }

  startJson(): void {
    if (!this.opt.json) return;
    this.json = new JsonWriter(this.opt.pretty, (s) => this.raw(s));
    this.json.startArray();
  }
  endJson(): void {
    if (this.json === undefined) return;
    this.json.endArray();
    this.json = undefined;
    this.raw("\n");
  }

  *flush(all = true): Blocking<void> {
    if (all && this.stdout !== "") {
      this.chunks.push({ fd: 1, text: this.stdout });
      this.stdout = "";
    }
    const chunks = this.chunks;
    this.chunks = [];
    for (const c of chunks) yield* writeAll(this.sys, c.fd, c.text);
  }

  // --- iproute2's errors ---------------------------------------------------------------------------------------

  fail(text: string, status: number): never {
    this.error(text);
    throw new Exit(status);
  }
  incomplete(): never {
    this.fail('Command line is not complete. Try option "help"\n', 255);
  }
  invalidArgument(message: string, arg: string): never {
    this.fail(`Error: argument "${arg}" is wrong: ${message}\n`, 255);
  }
  missingArgument(key: string): never {
    this.fail(`Error: argument "${key}" is required\n`, 255);
  }
  duplicate(key: string, arg: string): never {
    this.fail(`Error: duplicate "${key}": "${arg}" is the second value.\n`, 255);
  }
  garbage(key: string, arg: string): never {
    this.fail(`Error: either "${key}" is duplicate, or "${arg}" is a garbage.\n`, 255);
  }
  noDevice(name: string, status = 1): never {
    this.fail(`Cannot find device "${name}"\n`, status);
  }
}

/** Whether `word` abbreviates `full`. */
export function matches(word: string, full: string): boolean {
  return word !== "" && full.startsWith(word);
}

/** The words of one command, read from left to right. */
export class Args {
  readonly words: string[];
  private readonly ctx: Context;
  private i = 0;
  constructor(ctx: Context, words: string[]) {
    this.ctx = ctx;
    this.words = words;
  }
  get more(): boolean {
    return this.i < this.words.length;
  }
  /** The current word; "" at the end. */
  get word(): string {
    return this.words[this.i] ?? "";
  }
  get left(): number {
    return this.words.length - this.i;
  }
  /** To the next word, which must exist. */
  next(): string {
    this.i++;
    if (!this.more) this.ctx.incomplete();
    return this.word;
  }
  /** Whether a word follows the current one. */
  get hasNext(): boolean {
    return this.i + 1 < this.words.length;
  }
  get following(): string {
    return this.words[this.i + 1] ?? "";
  }
  skip(): void {
    this.i++;
  }
  back(): void {
    this.i--;
  }
  rest(): string[] {
    return this.words.slice(this.i);
  }
  /** The words behind the current one. */
  tail(): Args {
    return new Args(this.ctx, this.words.slice(this.i + 1));
  }
  is(...names: string[]): boolean {
    return names.includes(this.word);
  }
  matches(...names: string[]): boolean {
    return names.some((n) => matches(this.word, n));
  }
}
