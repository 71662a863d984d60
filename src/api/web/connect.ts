// connect() of the WinterTC Sockets API. Read first: https://sockets-api.proposal.wintertc.org/. Way in: machine.web.connect().

import type { SystemError } from "../errors.ts";
import type { Machine } from "../machine.ts";
import { isIP, type SocketName } from "../sockaddr.ts";
import type { StreamHandle } from "../stream_handle.ts";
import { Dial } from "./dial.ts";
import { type Chunk, Duplex } from "./duplex.ts";
import { SocketError, socketError } from "./errors.ts";

export interface SocketAddress {
  hostname: string;
  port: number;
}
export type SecureTransportKind = "off" | "on" | "starttls";
export interface SocketOptions {
  /** DIFF: a machine has no TLS, so "on" is refused, and startTls() after "starttls" fails. */
  secureTransport?: SecureTransportKind;
  /** After the peer's end the socket can still be written to; default: it ends, too. */
  allowHalfOpen?: boolean;
  /** Bytes that each of the streams holds before it makes the other side wait; default 65,536. */
  highWaterMark?: number;
  sni?: string | null;
  alpn?: string[];
}
export interface SocketInfo {
  /** "10.0.0.2:80". */
  remoteAddress: string | null;
  localAddress: string | null;
  alpn: string | null;
}

const READ_AHEAD = 65536;

export class Socket {
  readonly readable: ReadableStream<Uint8Array>;
  readonly writable: WritableStream<Chunk>;
  readonly opened: Promise<SocketInfo>;
  readonly closed: Promise<undefined>;
  readonly upgraded: boolean = false;
  readonly secureTransport: SecureTransportKind;
  private readonly dial: Dial;
  private readonly duplex: Duplex;
  private notOpened!: (reason: unknown) => void;
  private resolveClosed!: () => void;
  private rejectClosed!: (e: Error) => void;
  private isOpen = false;

  /** Only connect() makes one. */
  constructor(machine: Machine, address: SocketAddress, options: SocketOptions) {
    this.secureTransport = options.secureTransport ?? "off";
    this.closed = new Promise<undefined>((resolve, reject) => {
      this.resolveClosed = () => resolve(undefined);
      this.rejectClosed = reject;
    });
    this.closed.catch(() => {});
    this.dial = new Dial(machine, address.hostname, address.port, () => 0);
    this.opened = new Promise<SocketInfo>((resolve, reject) => {
      this.notOpened = reject;
      this.dial.done.then(
        (handle) => {
          this.isOpen = true;
          resolve({
            remoteAddress: nameOf(handle.getpeername()),
            localAddress: nameOf(handle.getsockname()),
            alpn: null,
          });
        },
        (e: SystemError) => {
          const error = socketError(e);
          reject(error);
          this.rejectClosed(error);
        },
      );
    });
    this.opened.catch(() => {});
    const half = Boolean(options.allowHalfOpen);
    const mark = options.highWaterMark ?? READ_AHEAD;
    const opened: Promise<StreamHandle> = this.dial.done.catch((e: SystemError) => {
      throw socketError(e);
    });
    this.duplex = new Duplex(opened, {
      readAhead: mark,
      writeAhead: mark,
      text: true,
      failure: socketError,
      ended: () => {
        if (!half) this.duplex.endWrite(new SocketError("the other side has closed the connection"));
      },
      // A reset that came after the connection stood is told by the streams. Who cancels and closes both streams still has to
      // call close().
      finished: (_error, cancelled) => {
        if (!cancelled && this.isOpen) this.resolveClosed();
      },
    });
    this.readable = this.duplex.readable;
    this.writable = this.duplex.writable;
  }

  /** Closes socket and connection. Returns `closed`. */
  close(reason?: unknown): Promise<undefined> {
    const closed = new SocketError("the socket is closed");
    if (!this.isOpen) {
      this.notOpened(reason ?? closed);
      this.dial.cancel();
    }
    this.duplex.close(closed, reason);
    this.resolveClosed();
    return this.closed;
  }

  startTls(): Socket {
    if (this.secureTransport !== "starttls")
      throw new SocketError('startTls() needs a socket with secureTransport "starttls"');
    throw new SocketError("a machine has no TLS");
  }
}

function nameOf(name: SocketName | number): string | null {
  if (typeof name === "number") return null;
  return name.family === "IPv6" ? `[${name.address}]:${name.port}` : `${name.address}:${name.port}`;
}

function parseAddress(address: unknown): SocketAddress {
  let host: unknown;
  let port: unknown;
  if (typeof address === "string") {
    const m = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:/?#\s@]+)):(\d{1,5})$/.exec(address);
    if (m === null) throw new SocketError(`"${address}" is no address; "host:port" is`);
    host = m[1] ?? m[2];
    port = Number(m[3]);
  } else if (typeof address === "object" && address !== null) {
    ({ hostname: host, port } = address as SocketAddress);
    if (typeof port === "string" && /^\d{1,5}$/.test(port)) port = Number(port);
  } else throw new SocketError("an address is a string or { hostname, port }");
  if (typeof host !== "string" || host === "") throw new SocketError("the address has no hostname");
  const bare = host.startsWith("[") && host.endsWith("]") ? host.slice(1, -1) : host;
  if (isIP(bare) === 0 && /[\s:/?#[\]@]/.test(bare)) throw new SocketError(`"${host}" is no hostname`);
  if (typeof port !== "number" || !Number.isInteger(port) || port < 1 || port > 65535)
    throw new SocketError(`${String(port)} is no port`);
  return { hostname: bare, port };
}

export function connect(machine: Machine, address: string | SocketAddress, options: SocketOptions = {}): Socket {
  const to = parseAddress(address);
  const { secureTransport = "off", highWaterMark, sni, alpn } = options ?? {};
  if (secureTransport !== "off" && secureTransport !== "on" && secureTransport !== "starttls")
    throw new TypeError(`"${String(secureTransport)}" is no secureTransport: "off", "on" or "starttls" is`);
  if (secureTransport === "off" && ((sni ?? null) !== null || (alpn?.length ?? 0) > 0))
    throw new SocketError("sni and alpn are for secure transport");
  if (secureTransport === "on") throw new SocketError("a machine has no TLS");
  if (highWaterMark !== undefined && !(Number(highWaterMark) >= 0)) throw new RangeError("highWaterMark is below 0");
  return new Socket(machine, to, options ?? {});
}

/** For instanceof and types; the errno of what went wrong is in an error's `cause`. */
export type { SystemError };
