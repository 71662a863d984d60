// What the programs share for bytes and text: UTF-8, full writes, whole files, lines.
// Read first: uapi/sys.ts. Way in: `yield* print(sys, text)`, `yield* readFile(sys, path)`, `new LineReader(sys, fd)`.

import { EINTR, strerror } from "../../uapi/errno.ts";
import { O_APPEND, O_CREAT, O_RDONLY, O_TRUNC, O_WRONLY } from "../../uapi/fcntl.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";

// Both exist in Node and in browsers; declared here so that programs typecheck without either's types.
declare const TextEncoder: { new (): { encode(text: string): Uint8Array } };
declare const TextDecoder: { new (): { decode(bytes: Uint8Array, options?: { stream?: boolean }): string } };

const BUFFER = 4096;

export function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Invalid UTF-8 becomes U+FFFD. */
export function decode(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Writes everything, whatever write(2) takes at once. 0, or -errno. */
export function* writeAll(sys: Sys, fd: number, data: string | Uint8Array): Blocking<number> {
  const bytes = typeof data === "string" ? encode(data) : data;
  let done = 0;
  while (done < bytes.length) {
    const n = yield* sys.write(fd, done === 0 ? bytes : bytes.subarray(done));
    if (n === -EINTR) continue;
    if (n < 0) return n;
    done += n;
  }
  return 0;
}

/** To standard output; no newline is added. 0, or -errno (-EPIPE when nobody reads any more). */
export function* print(sys: Sys, text: string): Blocking<number> {
  return yield* writeAll(sys, 1, text);
}

/** To standard error; no newline is added. */
export function* printError(sys: Sys, text: string): Blocking<number> {
  return yield* writeAll(sys, 2, text);
}

/** "cat: x: No such file or directory\n" on standard error, for an errno of either sign. Returns `status`. */
export function* perror(sys: Sys, prefix: string, err: number, status = 1): Blocking<number> {
  yield* printError(sys, `${prefix}: ${strerror(err)}\n`);
  return status;
}

/** Reads to the end of file. The bytes, or -errno. At most `limit` bytes are kept. */
export function* readAll(sys: Sys, fd: number, limit = 64 << 20): Blocking<Uint8Array | number> {
  const chunks: Uint8Array[] = [];
  const buf = new Uint8Array(BUFFER * 4);
  let total = 0;
  while (total < limit) {
    const n = yield* sys.read(fd, buf);
    if (n < 0) return n;
    if (n === 0) break;
    chunks.push(buf.slice(0, n));
    total += n;
  }
  return concat(chunks, total);
}

/** The file as text, or -errno. */
export function* readFile(sys: Sys, path: string): Blocking<string | number> {
  const fd = sys.open(path, O_RDONLY);
  return fd < 0 ? fd : yield* readText(sys, fd);
}

/** The same, where "-" is standard input. */
export function* readFileOrInput(sys: Sys, path: string): Blocking<string | number> {
  return yield* path === "-" ? readText(sys, 0) : readFile(sys, path);
}

/** Everything from an open file as text, which is then closed; or -errno. */
function* readText(sys: Sys, fd: number): Blocking<string | number> {
  const bytes = yield* readAll(sys, fd);
  if (fd > 2) sys.close(fd);
  return typeof bytes === "number" ? bytes : decode(bytes);
}

/** Replaces (or, with `append`, extends) the file. 0, or -errno. */
export function* writeFile(sys: Sys, path: string, data: string | Uint8Array, append = false): Blocking<number> {
  const fd = sys.open(path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), 0o644);
  if (fd < 0) return fd;
  const err = yield* writeAll(sys, fd, data);
  sys.close(fd);
  return err;
}

/** Lines of an open fd, as they arrive; reads ahead. */
export class LineReader {
  /** -errno of the read that ended it, or 0 at end of file. */
  error = 0;
  /** Whether the line last returned ended in a newline (the last one of a file may not). */
  terminated = true;
  private readonly sys: Sys;
  private readonly fd: number;
  private readonly buf = new Uint8Array(BUFFER);
  private readonly decoder = new TextDecoder();
  private text = "";
  private start = 0;
  private eof = false;

  constructor(sys: Sys, fd: number) {
    this.sys = sys;
    this.fd = fd;
  }

  /** The next line without its newline, or null at the end or on an error (see `error`; -EINTR may be retried). */
  *next(): Blocking<string | null> {
    this.error = 0;
    let from = this.start;
    for (;;) {
      const nl = this.text.indexOf("\n", from);
      if (nl >= 0) {
        const line = this.text.slice(this.start, nl);
        this.start = nl + 1;
        this.terminated = true;
        return line;
      }
      if (this.eof) return this.last();
      this.text = this.text.slice(this.start);
      this.start = 0;
      from = this.text.length;
      const n = yield* this.sys.read(this.fd, this.buf);
      if (n < 0) {
        this.error = n;
        return null;
      }
      if (n === 0) this.eof = true;
      this.text += this.decoder.decode(this.buf.subarray(0, n), { stream: n > 0 });
    }
  }

  private last(): string | null {
    if (this.start >= this.text.length) return null;
    const line = this.text.slice(this.start);
    this.text = "";
    this.start = 0;
    this.terminated = false;
    return line;
  }
}

export function concat(chunks: readonly Uint8Array[], total?: number): Uint8Array {
  if (chunks.length === 1) return chunks[0];
  const out = new Uint8Array(total ?? chunks.reduce((sum, c) => sum + c.length, 0));
  let at = 0;
  for (const c of chunks) {
    out.set(c, at);
    at += c.length;
  }
  return out;
}
