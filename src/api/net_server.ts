// net.Server of a machine. Read first: https://nodejs.org/api/net.html#class-netserver. Way in: machine.net.createServer().

import { channel } from "node:diagnostics_channel";
import { EventEmitter } from "node:events";
import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { hidden } from "./hidden.ts";
import { handleOf, NodeHandle, PipeHandle, TcpHandle } from "./net_handle.ts";
import { type NetSocket, normalizeArgs } from "./net_socket.ts";
import type { NodeMachine as Machine } from "./node.ts";
import {
  errnoException,
  invalidArgType,
  invalidArgValue,
  nodeError,
  uvExceptionWithHostPort,
  validateAbortSignal,
  validateNumber,
  validatePort,
} from "./node_errors.ts";
import { onto } from "./old_style.ts";
import type { SocketName } from "./sockaddr.ts";

export interface ServerOptions {
  allowHalfOpen?: boolean;
  pauseOnConnect?: boolean;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  highWaterMark?: number;
  blockList?: { check(address: string, family?: "ipv4" | "ipv6"): boolean };
}

export interface ListenOptions {
  port?: number | string | null;
  host?: string;
  path?: string;
  backlog?: number;
  exclusive?: boolean;
  ipv6Only?: boolean;
  reusePort?: boolean;
  signal?: AbortSignal;
  fd?: number;
}

/** Node's default of listen(2). */
const BACKLOG = 511;
const NODE_MAJOR = Number.parseInt(process.versions.node, 10);

const Root = onto(EventEmitter) as unknown as new (options?: object, target?: object) => EventEmitter;

export class NetServer extends Root {
  _handle: NodeHandle | null = null;
  _connections = 0;
  /** Where it listens, if that is a path. */
  _pipeName: string | null = null;
  maxConnections?: number;
  dropMaxConnection?: boolean;
  allowHalfOpen: boolean;
  pauseOnConnect: boolean;
  noDelay: boolean;
  keepAlive: boolean;
  keepAliveInitialDelay: number;
  highWaterMark: number;
  readonly machine!: Machine;
  private readonly blockList: ServerOptions["blockList"];
  private _unref = false;
  /** No cluster: there to be read. */
  readonly _usingWorkers = false;
  readonly _workers: never[] = [];
  _connectionKey?: string;
  /** Which listen() a lookup that comes back belongs to. */
  private _listeningId = 1;

  constructor(
    machine: Machine,
    options?: ServerOptions | ((socket: NetSocket) => void) | null,
    listener?: (socket: NetSocket) => void,
    target?: object,
  ) {
    super(undefined, target);
    hidden(this, "machine", machine);
    let o: ServerOptions = {};
    if (typeof options === "function") this.on("connection", options);
    else if (options === undefined || options === null || typeof options === "object") {
      o = { ...options };
      if (typeof listener === "function") this.on("connection", listener);
    } else throw invalidArgType("options", "of type object", options);
    if (o.keepAliveInitialDelay !== undefined) validateNumber(o.keepAliveInitialDelay, "options.keepAliveInitialDelay");
    if (o.highWaterMark !== undefined) validateNumber(o.highWaterMark, "options.highWaterMark");
    this.allowHalfOpen = o.allowHalfOpen || false;
    this.pauseOnConnect = Boolean(o.pauseOnConnect);
    this.noDelay = Boolean(o.noDelay);
    this.keepAlive = Boolean(o.keepAlive);
    this.keepAliveInitialDelay = ~~(Math.max(0, o.keepAliveInitialDelay ?? 0) / 1000);
    this.highWaterMark =
      o.highWaterMark !== undefined && o.highWaterMark >= 0 ? o.highWaterMark : machine.net.defaultHighWaterMark();
    this.blockList = o.blockList;
  }

  listen(...args: unknown[]): this {
    const [options, cb] = normalizeArgs(args) as unknown as [
      ListenOptions & Record<string, unknown>,
      (() => void) | null,
    ];
    if (this._handle !== null)
      throw nodeError("ERR_SERVER_ALREADY_LISTEN", "Listen method has been called more than once without closing.");
    if (cb !== null) this.once("listening", cb);
    const numeric = (v: unknown): number | undefined => (typeof v === "number" ? v : undefined);
    const backlogArg =
      (typeof args[0] === "object" ? undefined : (numeric(toNumber(args[1])) ?? numeric(toNumber(args[2])))) ||
      undefined;
    // What has a handle, or is one.
    const given = (options._handle || options.handle || options) as Record<string, unknown>;
    if (given instanceof NodeHandle) {
      this._handle = given;
      this.setup(null, null, 4, backlogArg, options);
      return this;
    }
    validateAbortSignal(options.signal, "options.signal");
    this.abortBy(options.signal);
    if (typeof options.fd === "number" && options.fd >= 0) {
      const handle = handleOf(this.machine, options.fd);
      if (handle.fd < 0) {
        const ex = uvExceptionWithHostPort(-22, "listen", null);
        process.nextTick(() => this.emit("error", ex));
        return this;
      }
      this._handle = handle;
      this.setup(null, null, 4, backlogArg, options);
      return this;
    }
    if (
      args.length === 0 ||
      typeof args[0] === "function" ||
      (options.port === undefined && "port" in options) ||
      options.port === null
    )
      options.port = 0;
    const { port, host } = options;
    if (typeof port === "number" || typeof port === "string") {
      const n = validatePort(port, "options.port");
      const backlog = options.backlog || backlogArg;
      if (host) this.lookupAndListen(n, host, backlog, options);
      else this.setup(null, n, 4, backlog, options);
      return this;
    }
    if (typeof options.path === "string" && options.path !== "" && toNumber(options.path) === false) {
      this._pipeName = options.path;
      this.listenPath(options.path, options.backlog || backlogArg, options);
      return this;
    }
    if (!("port" in given || "path" in given))
      throw invalidArgValue("options", given, 'must have the property "port" or "path"');
    throw invalidArgValue("options", given);
  }

  private abortBy(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const onAborted = (): void => {
      this.close();
    };
    if (signal.aborted) process.nextTick(onAborted);
    else {
      signal.addEventListener("abort", onAborted, { once: true });
      this.once("close", () => signal.removeEventListener("abort", onAborted));
    }
  }

  /**
   * DIFF: the programs of node:net make directories with node:fs, in the computer's files; where the computer has the path's
   * directory, the machine gets it, too.
   */
  private listenPath(path: string, backlog: number | undefined, options: ListenOptions): void {
    const dir = dirname(path);
    const { sys } = this.machine;
    if (!path.startsWith("\0") && typeof sys.stat(dir) === "number" && existsSync(dir)) {
      let at = "";
      for (const part of resolve(dir).split("/").filter(Boolean)) sys.mkdir((at += `/${part}`));
    }
    const handle = new PipeHandle(this.machine);
    this._handle = handle;
    const err = handle.bindPath(path);
    this.setup(path, -1, 4, backlog, options, err);
  }

  /** What it is bound to when no address was given. */
  private anyAddress(): string {
    const name = this._handle?.getsockname();
    return name === undefined || typeof name === "number" ? "0.0.0.0" : name.address;
  }

  private lookupAndListen(port: number, host: string, backlog: number | undefined, options: ListenOptions): void {
    const id = this._listeningId;
    this.machine.dns.lookup(host, {}, (err, address, family) => {
      if (id !== this._listeningId) return;
      if (err) this.emit("error", err);
      else this.setup(address as string, port, family as 4 | 6, backlog, options);
    });
  }

  /** `port` null: the handle is bound already. */
  private setup(
    address: string | null,
    port: number | null,
    family: 4 | 6,
    backlog: number | undefined,
    options: ListenOptions,
    err = 0,
  ): void {
    if (this._handle === null) {
      const handle = new TcpHandle(this.machine);
      this._handle = handle;
      // Every address: "::" where the machine speaks IPv6, as Node does.
      if (address === null) {
        err = handle.bind("::", port!, options);
        if (err < 0) err = handle.bind("0.0.0.0", port!, options);
      } else err = handle.bind(address, port!, options);
    }
    const handle = this._handle;
    if (err === 0) {
      handle.onconnection = (e, client) => this.onConnection(e, client as NodeHandle | null);
      handle.onlost = () => {
        this.close();
      };
      err = handle.listen(backlog || BACKLOG);
    }
    if (err < 0) {
      const ex = uvExceptionWithHostPort(
        err,
        "listen",
        address ?? (port === null ? null : this.anyAddress()),
        port ?? undefined,
      );
      handle.close();
      this._handle = null;
      process.nextTick(() => this.emit("error", ex));
      return;
    }
    const any = port === null ? null : this.anyAddress();
    this._connectionKey = `${address === null && any?.includes(":") ? 6 : family}:${address ?? any}:${port}`;
    if (this._unref) this.unref();
    process.nextTick(() => {
      if (this._handle !== null) this.emit("listening");
    });
  }

  private onConnection(err: number, client: NodeHandle | null): void {
    if (client === null) {
      this.emit("error", errnoException(err, "accept"));
      return;
    }
    const names = (): Record<string, unknown> | undefined => {
      if (client.isPipe) return undefined;
      const local = client.getsockname();
      const remote = client.getpeername();
      const data: Record<string, unknown> = {};
      if (typeof local !== "number")
        Object.assign(data, { localAddress: local.address, localPort: local.port, localFamily: local.family });
      if (typeof remote !== "number")
        Object.assign(data, { remoteAddress: remote.address, remotePort: remote.port, remoteFamily: remote.family });
      return data;
    };
    if (this.isFull()) {
      const data = names();
      client.close();
      this.emit("drop", data);
      return;
    }
    if (typeof this.blockList?.check === "function") {
      const data = names() ?? {};
      const family = data.remoteFamily === "IPv6" ? "ipv6" : "ipv4";
      if (this.blockList.check(data.remoteAddress as string, family)) {
        client.close();
        this.emit("drop", data);
        return;
      }
    }
    if (this.noDelay) client.setNoDelay(true);
    if (this.keepAlive) client.setKeepAlive(true, this.keepAliveInitialDelay);
    const socket = new this.machine.net.Socket({
      handle: client,
      allowHalfOpen: this.allowHalfOpen,
      pauseOnCreate: this.pauseOnConnect,
      readable: true,
      writable: true,
      readableHighWaterMark: this.highWaterMark,
      writableHighWaterMark: this.highWaterMark,
      noDelay: this.noDelay,
      keepAlive: this.keepAlive,
      keepAliveInitialDelay: this.keepAliveInitialDelay * 1000,
    });
    this._connections++;
    socket.server = this;
    socket._server = this;
    this.emit("connection", socket);
    const told = channel("net.server.socket");
    if (told.hasSubscribers) told.publish({ socket });
  }
  /** Until Node 21 a limit of 0 was none. */
  private isFull(): boolean {
    const max = this.maxConnections;
    if (typeof max !== "number" || (max === 0 && NODE_MAJOR < 21)) return false;
    return this._connections >= max;
  }
  /** A listener that is an async function and fails (events.captureRejections). */
  override [EventEmitter.captureRejectionSymbol](err: Error, event: string | symbol, socket?: NetSocket): void {
    if (event === "connection" && socket !== undefined) socket.destroy(err);
    else this.emit("error", err);
  }

  get listening(): boolean {
    return Boolean(this._handle);
  }
  address(): SocketName | string | null {
    if (this._handle === null) return this._pipeName;
    if (this._handle.isPipe) return this._pipeName;
    const n = this._handle.getsockname();
    if (typeof n === "number") throw errnoException(n, "address");
    return n;
  }
  getConnections(cb: (err: Error | null, count: number) => void): this {
    process.nextTick(cb, null, this._connections);
    return this;
  }
  close(cb?: (err?: Error) => void): this {
    this._listeningId++;
    if (typeof cb === "function") {
      if (this._handle !== null) this.once("close", cb);
      else this.once("close", () => cb(nodeError("ERR_SERVER_NOT_RUNNING", "Server is not running.")));
    }
    if (this._handle !== null) {
      this._handle.onconnection = null;
      this._handle.close();
      this._handle = null;
    }
    this._emitCloseIfDrained();
    return this;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    if (this._handle === null) return;
    await new Promise<void>((resolve, reject) => this.close((e) => (e ? reject(e) : resolve())));
  }
  _emitCloseIfDrained(): void {
    if (this._handle !== null || this._connections > 0) return;
    process.nextTick(() => this.emit("close"));
  }
  ref(): this {
    this._unref = false;
    this._handle?.ref();
    return this;
  }
  unref(): this {
    this._unref = true;
    this._handle?.unref();
    return this;
  }
}

/** What Node's listen() takes for a number: false for all else. */
function toNumber(v: unknown): number | false {
  if (typeof v !== "number" && typeof v !== "string") return false;
  const n = Number(v);
  return v !== "" && n >= 0 ? n : false;
}
