// A connected socket as two WHATWG streams: bytes in (BYOB readers read without a copy in between), bytes out with backpressure.
// Read first: https://streams.spec.whatwg.org/. Way in: new Duplex(opened, options).

import { ECONNRESET } from "../../uapi/errno.ts";
import { SystemError } from "../errors.ts";
import { type StreamHandle, UV_EOF } from "../stream_handle.ts";

export interface DuplexOptions {
  /** Bytes that are read before they are asked for. */
  readAhead: number;
  /** Bytes that may wait in `writable` before its writer is asked to pause. */
  writeAhead: number;
  /** Strings may be written, as UTF-8. */
  text: boolean;
  /** What the streams fail with. */
  failure(e: SystemError): Error;
  /** The peer ended its stream. */
  ended?(): void;
  /** Nothing more will happen. `error`: what broke it. `cancelled`: the reader did not wait for the end. */
  finished(error: Error | null, cancelled: boolean): void;
}

export type Chunk = ArrayBuffer | ArrayBufferView | SharedArrayBuffer | string;

/** The bytes of a BufferSource, not copied. Throws TypeError. */
export function bytesOf(chunk: unknown, text: boolean): Uint8Array {
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (typeof SharedArrayBuffer !== "undefined" && chunk instanceof SharedArrayBuffer) return new Uint8Array(chunk);
  if (text && typeof chunk === "string") return new TextEncoder().encode(chunk);
  throw new TypeError("a chunk must be an ArrayBuffer or a view of one");
}

export class Duplex {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Chunk>;
  private readonly options: DuplexOptions;
  private handle: StreamHandle | null = null;
  private reader!: ReadableByteStreamController;
  private writer!: WritableStreamDefaultController;
  /** Ends the pull() that waits for bytes. */
  private pulled: (() => void) | null = null;
  private into: Uint8Array | null = null;
  private readDone = false;
  private writeDone = false;
  private cancelled = false;
  private over = false;

  /** `opened`: the streams can be used before; they fail when it does. */
  constructor(opened: Promise<StreamHandle>, options: DuplexOptions) {
    this.options = options;
    const start = opened.then((handle) => this.attach(handle));
    this.readable = new ReadableStream(
      {
        type: "bytes",
        start: (c) => {
          this.reader = c;
          return start;
        },
        pull: () => this.pull(),
        cancel: () => this.cancelRead(),
      },
      { highWaterMark: options.readAhead },
    );
    this.writable = new WritableStream<Chunk>(
      {
        start: (c) => {
          this.writer = c;
          return start;
        },
        write: (chunk) => this.write(chunk),
        close: () => this.closeWrite(),
        abort: () => {
          if (!this.writeDone) this.handle?.shutdown(() => {});
          this.writeEnd();
        },
      },
      options.writeAhead > 0
        ? { highWaterMark: options.writeAhead, size: (c) => bytesOf(c, options.text).byteLength }
        : { highWaterMark: 1 },
    );
  }

  private attach(handle: StreamHandle): void {
    if (this.over) {
      handle.close();
      return;
    }
    this.handle = handle;
    handle.provide = () => {
      const view = this.reader.byobRequest?.view ?? null;
      this.into = view === null ? null : new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
      return this.into;
    };
    handle.onread = (n, buf) => this.onRead(n, buf);
    handle.onlost = () => this.fail(new SystemError(-ECONNRESET, "read"));
  }

  // --- in ---------------------------------------------------------------------------------------------------------

  private pull(): Promise<void> | undefined {
    if (this.readDone || this.handle === null) return undefined;
    const waiting = new Promise<void>((resolve) => {
      this.pulled = resolve;
    });
    const err = this.handle.readStart();
    if (err < 0) this.fail(new SystemError(err, "read"));
    return waiting;
  }

  private onRead(n: number, buf: Uint8Array | null): void {
    this.handle?.readStop();
    if (this.readDone) return;
    const into = this.into;
    this.into = null;
    if (n > 0) {
      if (buf === into) this.reader.byobRequest!.respond(n);
      else this.reader.enqueue(buf as Uint8Array<ArrayBuffer>);
    } else if (n === UV_EOF) {
      this.reader.close();
      this.reader.byobRequest?.respond(0);
      this.readDone = true;
      this.options.ended?.();
    } else {
      this.fail(new SystemError(n, "read"));
      return;
    }
    this.wake();
    this.settle();
  }

  private wake(): void {
    const done = this.pulled;
    this.pulled = null;
    done?.();
  }

  private cancelRead(): void {
    this.handle?.readStop();
    if (!this.readDone) this.cancelled = true;
    this.readDone = true;
    this.wake();
    this.settle();
  }

  // --- out --------------------------------------------------------------------------------------------------------

  private write(chunk: Chunk): Promise<void> {
    return new Promise((done, refuse) => {
      let bytes: Uint8Array;
      try {
        bytes = bytesOf(chunk, this.options.text);
      } catch (e) {
        refuse(e);
        // The writable is broken by it, the connection is not; nobody can write to it any more.
        this.handle?.shutdown(() => {});
        this.writeEnd();
        return;
      }
      const told = (err: number): void => {
        if (err >= 0) done();
        else refuse(this.fail(new SystemError(err, "write")));
      };
      if (this.handle === null) {
        told(-ECONNRESET);
        return;
      }
      const r = this.handle.write([bytes], told, true);
      if (r.err < 0) told(r.err);
      else if (!r.async) done();
    });
  }

  private closeWrite(): Promise<void> {
    return new Promise((done) => {
      const told = (): void => {
        done();
        this.writeEnd();
      };
      if (this.handle === null || this.handle.shutdown(told) < 0) told();
    });
  }

  private writeEnd(): void {
    this.writeDone = true;
    this.settle();
  }

  /** The writable side ends although nobody closed it: what was written goes out, then FIN. */
  endWrite(reason: Error): void {
    if (this.writeDone) return;
    if (!this.writable.locked) {
      this.writable.close().catch(() => {});
      return;
    }
    this.handle?.shutdown(() => {
      if (this.writeDone) return;
      this.writer.error(reason);
      this.writeEnd();
    });
  }

  // --- the end ----------------------------------------------------------------------------------------------------

  private settle(): void {
    if (this.readDone && this.writeDone) this.finish(null);
  }

  private finish(error: Error | null): void {
    if (this.over) return;
    this.over = true;
    this.handle?.close();
    this.handle = null;
    this.options.finished(error, this.cancelled);
  }

  /** Both streams fail; returns what they fail with. */
  fail(e: SystemError): Error {
    const error = this.options.failure(e);
    this.abort(error);
    return error;
  }

  private abort(error: Error): void {
    if (!this.readDone) this.reader.error(error);
    if (!this.writeDone) this.writer.error(error);
    this.readDone = true;
    this.writeDone = true;
    this.wake();
    this.finish(error);
  }

  /**
   * Closes the connection now: readers find the end, writers `reason`. What was taken from a writer already is sent, and an
   * unread rest answered with RST, as close(2) does.
   */
  close(reason: Error, given: unknown): void {
    if (!this.readDone) {
      if (!this.readable.locked) this.readable.cancel(given).catch(() => {});
      else {
        this.reader.close();
        this.reader.byobRequest?.respond(0);
      }
      this.readDone = true;
      this.wake();
    }
    if (!this.writeDone) {
      if (!this.writable.locked) this.writable.abort(given ?? reason).catch(() => {});
      else this.writer.error(given ?? reason);
      this.writeDone = true;
    }
    this.finish(null);
  }
}
