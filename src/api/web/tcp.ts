// TCPSocket and TCPServerSocket of Direct Sockets. Read first: https://wicg.github.io/direct-sockets/.
// Way in: new machine.web.TCPSocket(host, port), new machine.web.TCPServerSocket(address).

import { IPPROTO_TCP, SO_RCVBUF, SO_SNDBUF, SOL_SOCKET } from "../../uapi/socket.ts";
import { TCP_NODELAY } from "../../uapi/tcp.ts";
import { SystemError } from "../errors.ts";
import type { Machine } from "../machine.ts";
import { isIP, type SocketName } from "../sockaddr.ts";
import { StreamHandle } from "../stream_handle.ts";
import { Dial, type DnsQueryType } from "./dial.ts";
import { type Chunk, Duplex } from "./duplex.ts";
import { invalidState, networkError } from "./errors.ts";
import { bufferSize, dnsQueryType, enforceRange, localPortOf, ULONG, USHORT } from "./options.ts";

export interface TCPSocketOptions {
  sendBufferSize?: number;
  receiveBufferSize?: number;
  noDelay?: boolean;
  /** Milliseconds, 1,000 at least; without it the connection is not probed. */
  keepAliveDelay?: number;
  dnsQueryType?: DnsQueryType;
}
export interface TCPSocketOpenInfo {
  readable: ReadableStream<Uint8Array>;
  writable: WritableStream<Chunk>;
  remoteAddress: string;
  remotePort: number;
  localAddress: string;
  localPort: number;
}

const SOMAXCONN = 4096;

/** A promise that nobody has to handle, with its ends. */
class Promised<T> {
  resolve!: (v: T) => void;
  reject!: (e: unknown) => void;
  settled = false;
  readonly promise: Promise<T>;
  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = (v) => {
        this.settled = true;
        resolve(v);
      };
      this.reject = (e) => {
        this.settled = true;
        reject(e);
      };
    });
    this.promise.catch(() => {});
  }
}

export { Promised };

const nameOr = (name: SocketName | number): { address: string; port: number } =>
  typeof name === "number" ? { address: "", port: 0 } : name;

export class TCPSocketBase {
  private readonly opening = new Promised<TCPSocketOpenInfo>();
  private readonly closing = new Promised<undefined>();
  private duplex: Duplex | null = null;

  /** `given`: a connection that was accepted instead of a host. */
  protected constructor(machine: Machine, given: StreamHandle | null, args: unknown[]) {
    if (given !== null) {
      this.open(given);
      return;
    }
    if (args.length < 2) throw new TypeError("a TCPSocket needs a remote address and port");
    const host = String(args[0]);
    const port = enforceRange(args[1], USHORT, "remotePort");
    const o = (args[2] ?? {}) as TCPSocketOptions;
    const send = o.sendBufferSize === undefined ? 0 : bufferSize(o.sendBufferSize, "sendBufferSize");
    const receive = o.receiveBufferSize === undefined ? 0 : bufferSize(o.receiveBufferSize, "receiveBufferSize");
    const alive = o.keepAliveDelay === undefined ? 0 : enforceRange(o.keepAliveDelay, ULONG, "keepAliveDelay");
    if (o.keepAliveDelay !== undefined && alive < 1000) throw new TypeError("keepAliveDelay is below 1,000 ms");
    const type = o.dnsQueryType === undefined ? undefined : dnsQueryType(o.dnsQueryType);
    const dial = new Dial(
      machine,
      host,
      port,
      (h) => {
        let err = 0;
        if (send > 0) err = h.setOption(SOL_SOCKET, SO_SNDBUF, Math.min(send, 0x7fffffff));
        if (err >= 0 && receive > 0) err = h.setOption(SOL_SOCKET, SO_RCVBUF, Math.min(receive, 0x7fffffff));
        if (err >= 0 && o.noDelay) err = h.setOption(IPPROTO_TCP, TCP_NODELAY, 1);
        if (err >= 0 && alive > 0) err = h.keepAliveEvery(Math.max(1, Math.floor(alive / 1000)));
        return err;
      },
      type,
    );
    dial.done.then(
      (handle) => this.open(handle),
      (e: SystemError) => {
        const error = networkError(e);
        this.opening.reject(error);
        this.closing.reject(error);
      },
    );
  }

  private open(handle: StreamHandle): void {
    this.duplex = new Duplex(Promise.resolve(handle), {
      readAhead: 0,
      writeAhead: 0,
      text: false,
      failure: networkError,
      finished: (error) => (error === null ? this.closing.resolve(undefined) : this.closing.reject(error)),
    });
    const remote = nameOr(handle.getpeername());
    const local = nameOr(handle.getsockname());
    this.opening.resolve({
      readable: this.duplex.readable,
      writable: this.duplex.writable,
      remoteAddress: remote.address,
      remotePort: remote.port,
      localAddress: local.address,
      localPort: local.port,
    });
  }

  get opened(): Promise<TCPSocketOpenInfo> {
    return this.opening.promise;
  }
  /** Resolves when both streams have ended, rejects when the connection broke. */
  get closed(): Promise<undefined> {
    return this.closing.promise;
  }

  /** Ends both streams, of which neither may be locked. Rejects with InvalidStateError while the socket is being opened. */
  async close(): Promise<undefined> {
    if (!this.opening.settled) throw invalidState("the socket is not open yet");
    if (this.duplex === null) return this.closed;
    const { readable, writable } = this.duplex;
    if (readable.locked || writable.locked) throw invalidState("a stream of the socket is locked");
    await Promise.all([readable.cancel().catch(() => {}), writable.abort().catch(() => {})]);
    return this.closed;
  }
}

export interface TCPServerSocketOptions {
  /** Default: one that is free. */
  localPort?: number;
  backlog?: number;
  ipv6Only?: boolean;
}
export interface TCPServerSocketOpenInfo<S = TCPSocketBase> {
  /** Connections; those nobody asks for wait in the kernel's queue. */
  readable: ReadableStream<S>;
  localAddress: string;
  localPort: number;
}

export class TCPServerSocketBase {
  private readonly opening = new Promised<TCPServerSocketOpenInfo>();
  private readonly closing = new Promised<undefined>();
  private readonly handle: StreamHandle;
  private readonly accept: (handle: StreamHandle) => TCPSocketBase;
  private readable: ReadableStream<TCPSocketBase> | null = null;
  private controller!: ReadableStreamDefaultController<TCPSocketBase>;
  private pulled: (() => void) | null = null;

  protected constructor(machine: Machine, accept: (handle: StreamHandle) => TCPSocketBase, args: unknown[]) {
    if (args.length < 1) throw new TypeError("a TCPServerSocket needs a local address");
    const host = String(args[0]);
    const o = (args[1] ?? {}) as TCPServerSocketOptions;
    if (isIP(host) === 0) throw new TypeError(`localAddress "${host}" is no IP address`);
    const port = o.localPort === undefined ? 0 : localPortOf(o.localPort);
    const backlog = o.backlog === undefined ? SOMAXCONN : enforceRange(o.backlog, ULONG, "backlog");
    if (o.backlog !== undefined && backlog === 0) throw new TypeError("backlog is 0");
    if (o.ipv6Only !== undefined && host !== "::") throw new TypeError('ipv6Only is for the address "::"');
    this.accept = accept;
    this.handle = new StreamHandle(machine);
    this.run(host, port, backlog, o.ipv6Only === true).catch((e: SystemError) => {
      const error = networkError(e);
      this.handle.close();
      this.opening.reject(error);
      this.closing.reject(error);
    });
  }

  private async run(host: string, port: number, backlog: number, v6only: boolean): Promise<void> {
    const { handle } = this;
    const bound = handle.bind(host, port, { ipv6Only: v6only });
    if (bound < 0) throw new SystemError(bound, `bind ${host}:${port}`);
    const err = handle.listen(Math.min(backlog, 0x7fffffff));
    if (err < 0) throw new SystemError(err, `listen ${host}:${port}`);
    handle.pauseAccept(true);
    handle.onlost = () => {
      this.controller.error(networkError(new SystemError(-103, "accept")));
      this.end();
    };
    handle.onconnection = (e, client) => {
      if (client === null) {
        this.controller.error(networkError(new SystemError(e, "accept")));
        this.end();
        return;
      }
      handle.pauseAccept(true);
      this.controller.enqueue(this.accept(client));
      this.wake();
    };
    this.readable = new ReadableStream<TCPSocketBase>(
      {
        start: (c) => {
          this.controller = c;
        },
        pull: () => {
          const waiting = new Promise<void>((done) => {
            this.pulled = done;
          });
          handle.pauseAccept(false);
          return waiting;
        },
        cancel: () => this.end(),
      },
      { highWaterMark: 0 },
    );
    const local = nameOr(handle.getsockname());
    this.opening.resolve({ readable: this.readable, localAddress: local.address, localPort: local.port });
  }

  private wake(): void {
    const done = this.pulled;
    this.pulled = null;
    done?.();
  }
  private end(): void {
    this.handle.onconnection = null;
    this.handle.close();
    this.wake();
    this.closing.resolve(undefined);
  }

  get opened(): Promise<TCPServerSocketOpenInfo> {
    return this.opening.promise;
  }
  get closed(): Promise<undefined> {
    return this.closing.promise;
  }
  /** Stops listening. Rejects with InvalidStateError while the socket is being opened, or its stream is locked. */
  async close(): Promise<undefined> {
    if (!this.opening.settled) throw invalidState("the socket is not open yet");
    if (this.readable === null) return this.closed;
    if (this.readable.locked) throw invalidState("the stream of the socket is locked");
    await this.readable.cancel();
    return this.closed;
  }
}
