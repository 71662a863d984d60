// An HTTP/1 response as a program reads it from its socket. Read first: RFC 9112 sections 4, 6, 7. Way in: new HttpReader().

import { EINTR, ETIMEDOUT } from "../../uapi/errno.ts";
import { POLLIN } from "../../uapi/fcntl.ts";
import type { Blocking, Sys } from "../../uapi/sys.ts";

const MAX_HEAD = 65536;

/** What a server sends: the head, then the body, by length, in chunks or to the end (RFC 9112 section 6.3). */
export class HttpReader {
  error = 0;
  /** The last chunk was seen. */
  complete = false;
  private readonly sys: Sys;
  private readonly fd: number;
  /** ms, -1 none: for each wait. */
  timeout: number;
  /** Bytes of the head that head() returned, with its line ends. */
  headSize = 0;
  private readonly buf = new Uint8Array(65536);
  private from = 0;
  private to = 0;
  private chunk = 0;

  constructor(sys: Sys, fd: number, timeout: number) {
    this.sys = sys;
    this.fd = fd;
    this.timeout = timeout;
  }

  private *fill(): Blocking<boolean> {
    for (;;) {
      const ready = yield* this.sys.poll([{ fd: this.fd, events: POLLIN, revents: 0 }], this.timeout);
      if (ready === -EINTR) continue;
      const n = ready === 0 ? -ETIMEDOUT : yield* this.sys.read(this.fd, this.buf);
      if (n === -EINTR) continue;
      this.from = 0;
      this.to = Math.max(0, n);
      if (n < 0) this.error = n;
      return n > 0;
    }
  }

  private *line(): Blocking<string | null> {
    let out = "";
    for (;;) {
      if (this.from === this.to && !(yield* this.fill())) return out === "" ? null : out;
      const c = this.buf[this.from++];
      if (c === 10) return out.replace(/\r$/, "");
      out += String.fromCharCode(c);
      if (out.length > MAX_HEAD) return null;
    }
  }

  /** The lines of a head, joined by CRLF; null when there was none. The answers before the last one (1xx) go to `interim`. */
  *head(interim?: (lines: string[]) => Blocking<void>): Blocking<string | null> {
    const lines: string[] = [];
    this.complete = false;
    this.chunk = 0;
    this.headSize = 0;
    for (let size = 0; size < MAX_HEAD; ) {
      const line = yield* this.line();
      if (line === null) return lines.length > 0 ? lines.join("\r\n") : null;
      if (line === "") {
        // 100 Continue is not the answer yet.
        this.headSize += 2;
        if (!/^HTTP\/1\.1 1\d\d/.test(lines[0] ?? "")) return lines.join("\r\n");
        if (interim !== undefined) yield* interim(lines.slice());
        lines.length = 0;
        continue;
      }
      lines.push(line);
      size += line.length;
      this.headSize += line.length + 2;
    }
    return null;
  }

  /** The next piece, at most `left` bytes; null at the end. */
  *body(chunked: boolean, left: number): Blocking<Uint8Array | null> {
    if (chunked && this.chunk === 0) {
      const text = yield* this.line();
      const size = text === null ? Number.NaN : Number.parseInt(text, 16);
      if (!(size > 0)) {
        this.complete = size === 0;
        // The trailer, and the empty line behind it.
        while (this.complete && (yield* this.line())) {}
        return null;
      }
      this.chunk = size;
    }
    const most = chunked ? this.chunk : left;
    if (most <= 0 || (this.from === this.to && !(yield* this.fill()))) return null;
    const n = Math.min(most, this.to - this.from);
    const out = this.buf.subarray(this.from, this.from + n);
    this.from += n;
    if (chunked) {
      this.chunk -= n;
      // The line end behind the chunk.
      if (this.chunk === 0) {
        const copy = out.slice();
        yield* this.line();
        return copy;
      }
    }
    return out;
  }
}
