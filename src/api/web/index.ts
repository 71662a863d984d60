// `skbuff/web`: sockets on WHATWG streams, for each machine, in Node and in browsers; nothing here is Node's.
// Read first: https://sockets-api.proposal.wintertc.org/, https://wicg.github.io/direct-sockets/. Way in: machine.web.

import type { Machine } from "../machine.ts";
import type { StreamHandle } from "../stream_handle.ts";
import { connect, type Socket, type SocketAddress, type SocketOptions } from "./connect.ts";
import { SocketError } from "./errors.ts";
import {
  TCPServerSocketBase,
  type TCPServerSocketOpenInfo,
  type TCPServerSocketOptions,
  TCPSocketBase,
  type TCPSocketOptions,
} from "./tcp.ts";
import { UDPSocketBase, type UDPSocketOptions } from "./udp.ts";

export type { SecureTransportKind, Socket, SocketAddress, SocketInfo, SocketOptions } from "./connect.ts";
export type { DnsQueryType } from "./dial.ts";
export type { Chunk } from "./duplex.ts";
export { SocketError } from "./errors.ts";
export type {
  TCPServerSocketOpenInfo,
  TCPServerSocketOptions,
  TCPSocketOpenInfo,
  TCPSocketOptions,
} from "./tcp.ts";
export type {
  MulticastController,
  UDPMessage,
  UDPReceived,
  UDPSocketOpenInfo,
  UDPSocketOptions,
} from "./udp.ts";

export type TCPSocket = TCPSocketBase;
export type TCPServerSocket = Omit<TCPServerSocketBase, "opened"> & {
  readonly opened: Promise<TCPServerSocketOpenInfo<TCPSocket>>;
};
export type UDPSocket = UDPSocketBase;

/** The web's sockets of one machine. */
export class WebApi {
  readonly connect: (address: string | SocketAddress, options?: SocketOptions) => Socket;
  readonly SocketError: typeof SocketError = SocketError;
  readonly TCPSocket: new (
    remoteAddress: string,
    remotePort: number,
    options?: TCPSocketOptions,
  ) => TCPSocket;
  readonly TCPServerSocket: new (
    localAddress: string,
    options?: TCPServerSocketOptions,
  ) => TCPServerSocket;
  readonly UDPSocket: new (
    options: UDPSocketOptions,
  ) => UDPSocket;

  constructor(machine: Machine) {
    this.connect = (address, options) => connect(machine, address, options);
    /** What the constructor takes instead of an address, for a connection that came in. */
    let incoming: StreamHandle | null = null;
    const Connection = class TCPSocket extends TCPSocketBase {
      constructor(...args: unknown[]) {
        const given = incoming;
        incoming = null;
        super(machine, given, args);
      }
    };
    const accept = (handle: StreamHandle): TCPSocketBase => {
      incoming = handle;
      return new Connection();
    };
    this.TCPSocket = Connection;
    this.TCPServerSocket = class TCPServerSocket extends TCPServerSocketBase {
      constructor(...args: unknown[]) {
        super(machine, accept, args);
      }
    };
    this.UDPSocket = class UDPSocket extends UDPSocketBase {
      constructor(...args: unknown[]) {
        super(machine, args);
      }
    };
  }
}

/** The same as `machine.web`. */
export const webSockets = (machine: Machine): WebApi => machine.web;
