// net.Socket of a machine: a Duplex over a TcpHandle, with the events, errors and corners of Node's.
// Read first: https://nodejs.org/api/net.html#class-netsocket. Way in: machine.net.Socket, machine.net.connect().

import { isIP } from "node:net";
import { addAbortSignal, Duplex, type DuplexOptions } from "node:stream";
import { inspect } from "node:util";
import { ENOTCONN } from "../uapi/errno.ts";
import { hidden } from "./hidden.ts";
import { type ConnectOptions, connectByName } from "./net_connect.ts";
import { handleOf, type NodeHandle, PipeHandle, TcpHandle, UV_EOF } from "./net_handle.ts";
import type { NetServer } from "./net_server.ts";
import type { NodeMachine as Machine } from "./node.ts";
import {
  errnoException,
  exceptionWithHostPort,
  invalidArgType,
  invalidArgValue,
  nodeError,
  outOfRange,
  validateFunction,
  validateInt32,
  validateNumber,
  validatePort,
} from "./node_errors.ts";
import { onto } from "./old_style.ts";
import type { SocketName } from "./sockaddr.ts";

const TIMEOUT_MAX = 2 ** 31 - 1;

export interface OnReadOptions {
  buffer: Uint8Array | (() => Uint8Array);
  /** false: no more until resume(). */
  callback: (bytesRead: number, buffer: Uint8Array) => boolean | undefined;
}

export interface SocketOptions extends DuplexOptions {
  /** A descriptor of the machine's pid 1. */
  fd?: number;
  handle?: NodeHandle;
  readable?: boolean;
  writable?: boolean;
  signal?: AbortSignal;
  onread?: OnReadOptions | null;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  pauseOnCreate?: boolean;
  manualStart?: boolean;
  blockList?: { check(address: string, family?: "ipv4" | "ipv6"): boolean };
}

type Callback = (error?: Error | null) => void;

const Root = onto(Duplex) as unknown as new (options: DuplexOptions, target?: object) => Duplex;

export class NetSocket extends Root {
  connecting = false;
  _hadError = false;
  _parent: unknown = null;
  _host: string | null = null;
  _handle: NodeHandle | null = null;
  server: NetServer | null = null;
  _server: NetServer | null = null;
  timeout?: number;
  autoSelectFamilyAttemptedAddresses?: string[];
  /** Set by connect() and what looks the name up. */
  _pendingData: Uint8Array | string | { chunk: Uint8Array | string; encoding: BufferEncoding }[] | null = null;
  _pendingEncoding = "";
  readonly _closeAfterHandlingError: boolean = false;
  readonly machine!: Machine;
  _sockname: SocketName | null = null;
  _peername: SocketName | null = null;
  private onread: OnReadOptions | null = null;
  private noDelay: boolean;
  private keepAlive: boolean;
  private keepAliveDelay: number;
  private resetting = false;
  private bytesReadBefore = 0;
  private bytesWrittenBefore = 0;
  private idle: { start(ms: number): void; stop(): void } | null = null;
  private lastQueue = 0;
  readonly blockList: SocketOptions["blockList"];

  /** `target`: what an old-style subclass has made already. */
  constructor(machine: Machine, options?: SocketOptions | number, target?: object) {
    const o: SocketOptions = typeof options === "number" ? { fd: options } : { ...options };
    for (const k of ["objectMode", "readableObjectMode", "writableObjectMode"] as const)
      if (o[k]) throw invalidArgValue(`options.${k}`, o[k], "is not supported");
    if (o.keepAliveInitialDelay !== undefined) {
      validateNumber(o.keepAliveInitialDelay, "options.keepAliveInitialDelay");
      if (o.keepAliveInitialDelay < 0) o.keepAliveInitialDelay = 0;
    }
    if (o.fd !== undefined) validateInt32(o.fd, "fd", 0);
    const { signal, handle, fd, ...rest } = o;
    super(
      {
        ...rest,
        allowHalfOpen: Boolean(o.allowHalfOpen),
        // "close" has an argument here.
        emitClose: false,
        autoDestroy: true,
        decodeStrings: false,
      },
      target,
    );
    hidden(this, "machine", machine);
    this.noDelay = Boolean(o.noDelay);
    this.keepAlive = Boolean(o.keepAlive);
    this.keepAliveDelay = ~~((o.keepAliveInitialDelay ?? 0) / 1000);
    this.blockList = o.blockList;
    if (handle) this._handle = handle;
    else if (fd !== undefined) {
      const h = handleOf(machine, fd);
      if (h.fd < 0) throw nodeError("ERR_INVALID_FD_TYPE", "Unsupported fd type: UNKNOWN", TypeError);
      this._handle = h;
    }
    if (o.onread !== null && typeof o.onread === "object") this.onread = o.onread;
    this.on("end", () => {
      if (!this.allowHalfOpen) this.write = writeAfterFin as typeof this.write;
    });
    this.initHandle();
    if (this._handle && o.readable !== false && !o.manualStart) {
      if (o.pauseOnCreate) {
        this._handle.readStop();
        super.pause();
      } else this.read(0);
    }
    // Not by the options of Duplex: it would destroy what is not made yet.
    if (signal) addAbortSignal(signal, this);
  }

  /** Of a new handle: who hears from it. */
  private initHandle(): void {
    const handle = this._handle;
    if (handle === null) return;
    handle.onread = (n, buf) => this.onStreamRead(n, buf);
    handle.onlost = () => this.destroy();
    if (this.onread !== null) {
      const { buffer } = this.onread;
      const bytes = typeof buffer === "function" ? buffer() : buffer;
      handle.provide = () => bytes;
    }
  }

  // --- opening ----------------------------------------------------------------------------------------------------

  connect(...args: unknown[]): this {
    const [options, callback] = normalizeArgs(args);
    if (options.port === undefined && (options.path === undefined || options.path === null))
      throw nodeError("ERR_MISSING_ARGS", 'The "options" or "port" or "path" argument must be specified', TypeError);
    if (Object.hasOwn(this, "write")) Reflect.deleteProperty(this, "write");
    if (this.destroyed) {
      this._handle = null;
      this._peername = null;
      this._sockname = null;
      (this as unknown as { _undestroy(): void })._undestroy();
    }
    const pipe = Boolean(options.path);
    if (pipe) {
      if (typeof options.path !== "string") throw invalidArgType("options.path", "of type string", options.path);
    } else checkConnectOptions(options);
    if (!this._handle) {
      this._handle = pipe ? new PipeHandle(this.machine) : new TcpHandle(this.machine);
      this.initHandle();
    }
    if (callback !== null) this.once("connect", callback as () => void);
    this._unrefTimer();
    this.connecting = true;
    if (options.keepAlive) this.keepAlive = true;
    if (options.noDelay) this.noDelay = true;
    if (options.keepAliveInitialDelay) this.keepAliveDelay = ~~(options.keepAliveInitialDelay / 1000);
    if (pipe) {
      this.connectPath(options.path!);
    } else connectByName(this, options);
    return this;
  }

  /** One attempt at one address. `done`: what to do instead of giving up. */
  _attempt(
    address: string,
    port: number,
    family: 4 | 6,
    options: Pick<ConnectOptions, "localAddress" | "localPort">,
    failed?: (err: Error) => void,
  ): void {
    const fail = failed ?? ((err: Error) => this.destroy(err));
    const handle = this._handle;
    if (!this.connecting || handle === null) return;
    const { localPort } = options;
    let { localAddress } = options;
    if (localAddress || localPort) {
      localAddress ||= family === 6 ? "::" : "0.0.0.0";
      const err = handle.bind(localAddress, (localPort ?? 0) & 0xffff);
      if (err < 0) {
        fail(exceptionWithHostPort(err, "bind", localAddress, localPort));
        return;
      }
    }
    if (typeof this.blockList?.check === "function" && this.blockList.check(address, `ipv${family}`)) {
      fail(nodeError("ERR_IP_BLOCKED", `IP(${address}) is blocked by net.BlockList`));
      return;
    }
    this.emit("connectionAttempt", address, port, family);
    const err = handle.connect(address, port, (status) => {
      if (this.destroyed || this._handle !== handle) return;
      if (status < 0) {
        const details = localAddress && localPort ? `${localAddress}:${localPort}` : undefined;
        const ex = exceptionWithHostPort(status, "connect", address, port, details);
        if (details) Object.assign(ex, { localAddress, localPort });
        this.emit("connectionAttemptFailed", address, port, family, ex);
        return fail(ex);
      }
      this.afterConnect();
    });
    if (err < 0) {
      const name = handle.getsockname();
      const local = typeof name === "number" ? undefined : `${name.address}:${name.port}`;
      const ex = exceptionWithHostPort(err, "connect", address, port, local);
      this.emit("connectionAttemptFailed", address, port, family, ex);
      fail(ex);
    }
  }

  private connectPath(path: string): void {
    const handle = this._handle!;
    const fail = (err: number): void => {
      this.destroy(exceptionWithHostPort(err, "connect", path));
    };
    const err = handle.connectPath(path, (status) => {
      if (this.destroyed || this._handle !== handle) return;
      if (status < 0) fail(status);
      else this.afterConnect();
    });
    if (err < 0) fail(err);
  }

  /** The next address wants a socket of its own. */
  _renewHandle(): void {
    const old = this._handle;
    this._handle = new TcpHandle(this.machine);
    if (old !== null) {
      if (!old.hasRef() && old.fd >= 0) this._handle.unref();
      old.onread = null;
      old.close();
    }
    this.initHandle();
  }

  private afterConnect(): void {
    this.connecting = false;
    this._sockname = null;
    this._unrefTimer();
    const handle = this._handle!;
    if (this.noDelay) handle.setNoDelay(true);
    if (this.keepAlive) handle.setKeepAlive(true, this.keepAliveDelay);
    this.emit("connect");
    this.emit("ready");
    // Nothing may be wanted yet, but the end must be noticed.
    if (this._handle !== null && this.readable && !this.isPaused()) this.read(0);
  }

  // --- reading ----------------------------------------------------------------------------------------------------

  private onStreamRead(nread: number, buf: Uint8Array | null): void {
    this._unrefTimer();
    if (nread > 0) {
      let more: boolean;
      if (this.onread !== null) {
        more = this.onread.callback.call(this as never, nread, buf!) !== false;
        if (this._handle !== null && typeof this.onread.buffer === "function") {
          const bytes = this.onread.buffer();
          this._handle.provide = () => bytes;
        }
      } else more = this.push(buf);
      if (!more && this._handle !== null) this._handle.readStop();
      return;
    }
    if (nread !== UV_EOF) {
      this.destroy(errnoException(nread, "read"));
      return;
    }
    if (this.readableEnded) return;
    this.push(null);
    this.read(0);
  }

  private tryReadStart(): void {
    const err = this._handle!.readStart();
    if (err < 0) this.destroy(errnoException(err, "read"));
  }
  override _read(n: number): void {
    if (this.connecting || this._handle === null) this.once("connect", () => this._read(n));
    else if (!this._handle.reading) this.tryReadStart();
  }
  override pause(): this {
    if (this.onread !== null && !this.connecting && this._handle?.reading) this._handle.readStop();
    return super.pause();
  }
  private restart(): void {
    if (this.onread !== null && !this.connecting && this._handle !== null && !this._handle.reading) this.tryReadStart();
  }
  override resume(): this {
    this.restart();
    return super.resume();
  }
  override read(n?: number): unknown {
    this.restart();
    return super.read(n);
  }

  // --- writing ----------------------------------------------------------------------------------------------------

  override _writev(chunks: { chunk: Uint8Array | string; encoding: BufferEncoding }[], cb: Callback): void {
    this._writeGeneric(true, chunks, "", cb);
  }
  override _write(chunk: Uint8Array | string, encoding: BufferEncoding, cb: Callback): void {
    this._writeGeneric(false, chunk, encoding, cb);
  }
  _writeGeneric(writev: boolean, data: NonNullable<NetSocket["_pendingData"]>, encoding: string, cb: Callback): void {
    if (this.connecting) {
      this._pendingData = data;
      this._pendingEncoding = encoding;
      const onClose = (): void =>
        cb(nodeError("ERR_SOCKET_CLOSED_BEFORE_CONNECTION", "Socket closed before the connection was established"));
      this.once("connect", () => {
        this.off("close", onClose);
        this._writeGeneric(writev, data, encoding, cb);
      });
      this.once("close", onClose);
      return;
    }
    this._pendingData = null;
    this._pendingEncoding = "";
    const handle = this._handle;
    if (handle === null) {
      cb(nodeError("ERR_SOCKET_CLOSED", "Socket is closed"));
      return;
    }
    this._unrefTimer();
    const bufs = Array.isArray(data)
      ? data.map((d) => bytesOf(d.chunk, d.encoding))
      : [bytesOf(data, encoding as BufferEncoding)];
    const r = handle.write(bufs, (err) => {
      if (this.destroyed) {
        // What became of it nobody wants to know any more.
        cb();
        return;
      }
      if (err < 0) {
        const ex = errnoException(err, "write");
        this.destroy(ex);
        cb(ex);
        return;
      }
      this._unrefTimer();
      cb();
    });
    if (r.err < 0) cb(errnoException(r.err, "write"));
    else if (!r.async) cb();
  }
  override _final(cb: Callback): void {
    if (this.pending) {
      this.once("connect", () => this._final(cb));
      return;
    }
    const err = this._handle!.shutdown((status) => {
      if (status === -ENOTCONN || this.destroyed) cb();
      else cb(status < 0 ? errnoException(status, "shutdown") : null);
    });
    if (err < 0) cb(err === -ENOTCONN || err === -9 ? null : errnoException(err, "shutdown"));
  }

  // --- closing ----------------------------------------------------------------------------------------------------

  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once("finish", () => this.destroy());
  }
  /** Ends the connection with RST. */
  resetAndDestroy(): this {
    if (this._handle === null) {
      this.destroy(nodeError("ERR_SOCKET_CLOSED", "Socket is closed"));
    } else if (this._handle.isPipe) {
      throw nodeError("ERR_INVALID_HANDLE_TYPE", "This handle type cannot be sent", TypeError);
    } else {
      this.resetting = true;
      if (this.connecting) this.once("connect", () => this._reset());
      else this._reset();
    }
    return this;
  }
  _reset(): this {
    this.resetting = true;
    return this.destroy();
  }
  override _destroy(exception: Error | null, cb: (error?: Error | null) => void): void {
    this.connecting = false;
    this.idle?.stop();
    this.idle = null;
    const handle = this._handle;
    if (handle !== null) {
      const isException = Boolean(exception);
      this.bytesReadBefore = handle.bytesRead;
      this.bytesWrittenBefore = handle.bytesWritten;
      const closed = (): void => {
        this.emit("close", isException);
      };
      // A name that was asked for can still be told, not one that was not.
      handle.onread = null;
      handle.onlost = null;
      if (!this.resetting) handle.close(closed);
      else if (handle.reset(closed) < 0) handle.close(closed);
      this._handle = null;
      this._sockname = null;
      cb(exception);
    } else {
      cb(exception);
      process.nextTick(() => this.emit("close"));
    }
    if (this._server !== null) {
      this._server._connections--;
      this._server._emitCloseIfDrained();
    }
  }

  // --- idle time --------------------------------------------------------------------------------------------------

  /** Milliseconds of the machine's own time without traffic; 0 turns it off. */
  setTimeout(msecs: number, callback?: () => void): this {
    if (this.destroyed) return this;
    this.timeout = msecs;
    validateNumber(msecs, "msecs");
    if (msecs < 0 || !Number.isFinite(msecs)) throw outOfRange("msecs", "a non-negative finite number", msecs);
    const given = msecs;
    if (msecs > TIMEOUT_MAX) {
      process.emitWarning(
        `${msecs} does not fit into a 32-bit signed integer.\nTimer duration was truncated to ${TIMEOUT_MAX}.`,
        "TimeoutOverflowWarning",
      );
      msecs = TIMEOUT_MAX;
    }
    this.idle?.stop();
    if (callback !== undefined) validateFunction(callback, "callback");
    if (msecs === 0) {
      this.idle = null;
      if (callback !== undefined) this.removeListener("timeout", callback);
    } else {
      this.timeout = given;
      this.idle ??= this.machine.loop.timer(() => this._onTimeout());
      this.idle.start(Math.max(1, msecs));
      if (callback !== undefined) this.once("timeout", callback);
    }
    return this;
  }
  _onTimeout(): void {
    const left = this._handle?.writeQueueSize ?? 0;
    const before = this.lastQueue;
    this.lastQueue = left;
    // What is written slowly is not idle.
    if (left > 0 && left !== before) {
      this._unrefTimer();
      return;
    }
    this.emit("timeout");
  }
  _unrefTimer(): void {
    if (this.idle !== null && this.timeout) this.idle.start(Math.min(TIMEOUT_MAX, Math.max(1, this.timeout)));
  }

  // --- options and names ------------------------------------------------------------------------------------------

  setNoDelay(enable?: boolean): this {
    const on = Boolean(enable === undefined ? true : enable);
    const news = on !== this.noDelay;
    this.noDelay = on;
    if (this._handle !== null && news) this._handle.setNoDelay(on);
    return this;
  }
  setKeepAlive(enable?: boolean, initialDelayMsecs?: number): this {
    const on = Boolean(enable);
    const delay = ~~((initialDelayMsecs ?? 0) / 1000);
    const news = on !== this.keepAlive || (on && delay !== this.keepAliveDelay);
    this.keepAlive = on;
    this.keepAliveDelay = delay;
    if (this._handle !== null && news) this._handle.setKeepAlive(on, delay);
    return this;
  }
  ref(): this {
    if (this._handle === null) this.once("connect", () => this.ref());
    else this._handle.ref();
    return this;
  }
  unref(): this {
    if (this._handle === null) this.once("connect", () => this.unref());
    else this._handle.unref();
    return this;
  }
  address(): SocketName | Record<string, never> {
    return this._getsockname();
  }
  _getsockname(): SocketName | Record<string, never> {
    if (this._handle === null) return {};
    if (this._sockname === null) {
      const n = this._handle.getsockname();
      if (typeof n === "number") return {};
      this._sockname = n;
    }
    return this._sockname;
  }
  _getpeername(): SocketName | Record<string, never> {
    if (this._handle === null || this.connecting) return this._peername ?? {};
    if (this._peername === null) {
      const n = this._handle.getpeername();
      if (typeof n === "number") return {};
      this._peername = n;
    }
    return this._peername;
  }
  get remoteAddress(): string | undefined {
    return this._getpeername().address;
  }
  get remoteFamily(): string | undefined {
    return this._getpeername().family;
  }
  get remotePort(): number | undefined {
    return this._getpeername().port;
  }
  get localAddress(): string | undefined {
    return this._getsockname().address;
  }
  get localFamily(): string | undefined {
    return this._getsockname().family;
  }
  get localPort(): number | undefined {
    return this._getsockname().port;
  }
  get _connecting(): boolean {
    return this.connecting;
  }
  get pending(): boolean {
    return this._handle === null || this.connecting;
  }
  get readyState(): "opening" | "open" | "readOnly" | "writeOnly" | "closed" {
    if (this.connecting) return "opening";
    if (this.readable) return this.writable ? "open" : "readOnly";
    return this.writable ? "writeOnly" : "closed";
  }
  get bufferSize(): number | undefined {
    return this._handle === null ? undefined : this.writableLength;
  }
  get bytesRead(): number {
    return this._handle === null ? this.bytesReadBefore : this._handle.bytesRead;
  }
  get _bytesDispatched(): number {
    return this._handle === null ? this.bytesWrittenBefore : this._handle.bytesWritten;
  }
  /** What was given to write(), sent or not. */
  get bytesWritten(): number | undefined {
    let n = this._bytesDispatched;
    const state = (
      this as unknown as { _writableState: { getBuffer(): { chunk: unknown; encoding: BufferEncoding }[] } }
    )._writableState;
    for (const { chunk, encoding } of state.getBuffer())
      n += typeof chunk === "string" ? Buffer.byteLength(chunk, encoding) : (chunk as Uint8Array).length;
    const p = this._pendingData;
    if (Array.isArray(p))
      for (const { chunk, encoding } of p)
        n += typeof chunk === "string" ? Buffer.byteLength(chunk, encoding) : chunk.length;
    else if (p) n += typeof p === "string" ? Buffer.byteLength(p, this._pendingEncoding as BufferEncoding) : p.length;
    return n;
  }
}

/** After the peer's FIN a socket that is not allowed to be half open has nobody to write to. */
function writeAfterFin(this: NetSocket, chunk: unknown, encoding?: unknown, cb?: unknown): boolean {
  if (!this.writableEnded) return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, cb as Callback);
  const callback = typeof encoding === "function" ? encoding : cb;
  const er = Object.assign(new Error("This socket has been ended by the other party"), { code: "EPIPE" });
  if (typeof callback === "function") process.nextTick(callback as (e: Error) => void, er);
  this.destroy(er);
  return false;
}

function bytesOf(chunk: Uint8Array | string, encoding: BufferEncoding): Uint8Array {
  return typeof chunk === "string" ? Buffer.from(chunk, encoding) : chunk;
}

function checkConnectOptions(o: ConnectOptions): void {
  if (o.localAddress !== undefined && o.localAddress && !isIP(o.localAddress))
    throw nodeError("ERR_INVALID_IP_ADDRESS", `Invalid IP address: ${o.localAddress}`, TypeError);
  if (o.localPort !== undefined && o.localPort) validateNumber(o.localPort, "options.localPort");
  if (o.port !== undefined) {
    if (typeof o.port !== "number" && typeof o.port !== "string")
      throw invalidArgType("options.port", "one of type number or string", o.port);
    validatePort(o.port);
  }
  if (o.lookup !== undefined && o.lookup !== null) validateFunction(o.lookup, "options.lookup");
  if (o.host !== undefined && o.host !== null && typeof o.host !== "string")
    throw invalidArgType("hostname", "of type string", o.host);
  if (o.autoSelectFamily !== undefined && typeof o.autoSelectFamily !== "boolean")
    throw invalidArgType("options.autoSelectFamily", "of type boolean", o.autoSelectFamily);
  if (o.autoSelectFamilyAttemptTimeout !== undefined)
    validateInt32(o.autoSelectFamilyAttemptTimeout, "options.autoSelectFamilyAttemptTimeout", 1);
}

/** (options), (port, host), (path): [options, callback]. */
export function normalizeArgs(args: readonly unknown[]): [ConnectOptions, ((...a: never[]) => void) | null] {
  if (args.length === 0) return [{}, null];
  const [first, second] = args;
  let options: ConnectOptions = {};
  if (
    Array.isArray(first) &&
    args.length === 1 &&
    first.length <= 2 &&
    typeof first[0] === "object" &&
    first[0] !== null
  )
    return [first[0] as ConnectOptions, (first[1] as (() => void) | null) ?? null];
  if (typeof first === "object" && first !== null) options = first as ConnectOptions;
  else if (typeof first === "string" && Number.isNaN(toNumber(first))) options.path = first;
  else {
    options.port = first as number;
    if (args.length > 1 && typeof second === "string") options.host = second;
  }
  const cb = args[args.length - 1];
  return [options, typeof cb === "function" ? (cb as () => void) : null];
}

/** A port in text, NaN for a path. */
const toNumber = (s: string): number => {
  const n = Number(s);
  return n >= 0 ? n : Number.NaN;
};

export const describe = (v: unknown): string => inspect(v);
