// node:net for one machine. Read first: https://nodejs.org/api/net.html. Way in: machine.net.

import { channel } from "node:diagnostics_channel";
import { BlockList, isIP, isIPv4, isIPv6, SocketAddress } from "node:net";
import { getDefaultHighWaterMark } from "node:stream";
import type { ConnectOptions } from "./net_connect.ts";
import { type NodeHandle, PipeHandle, TcpHandle } from "./net_handle.ts";
import { NetServer, type ServerOptions } from "./net_server.ts";
import { NetSocket, normalizeArgs, type SocketOptions } from "./net_socket.ts";
import type { NodeMachine as Machine } from "./node.ts";
import { invalidArgType, validateInt32 } from "./node_errors.ts";
import { bound } from "./old_style.ts";

export type { ConnectOptions, LookupFunction } from "./net_connect.ts";
export { type ListenOptions, NetServer, type ServerOptions } from "./net_server.ts";
export { NetSocket, type OnReadOptions, type SocketOptions } from "./net_socket.ts";
export type { SocketName } from "./sockaddr.ts";

/** Like Node's, both also make one without `new`. */
export interface SocketConstructor {
  new (options?: SocketOptions | number): NetSocket;
  (options?: SocketOptions | number): NetSocket;
  readonly prototype: NetSocket;
}
export interface ServerConstructor {
  new (
    options?: ServerOptions | ((socket: NetSocket) => void) | null,
    listener?: (socket: NetSocket) => void,
  ): NetServer;
  (options?: ServerOptions | ((socket: NetSocket) => void) | null, listener?: (socket: NetSocket) => void): NetServer;
  readonly prototype: NetServer;
}

/** Default of Node since 20: both families of a name are tried in turn, each for 250 ms. */
const ATTEMPT_TIMEOUT_MS = 250;

export class NetApi {
  readonly Socket: SocketConstructor;
  readonly Stream: SocketConstructor;
  readonly Server: ServerConstructor;
  readonly BlockList: typeof BlockList = BlockList;
  readonly SocketAddress: typeof SocketAddress = SocketAddress;
  readonly isIP: typeof isIP = isIP;
  readonly isIPv4: typeof isIPv4 = isIPv4;
  readonly isIPv6: typeof isIPv6 = isIPv6;
  readonly _normalizeArgs: typeof normalizeArgs = normalizeArgs;
  readonly createServer: (
    options?: ServerOptions | ((socket: NetSocket) => void) | null,
    listener?: (socket: NetSocket) => void,
  ) => NetServer;
  readonly connect: (...args: unknown[]) => NetSocket;
  readonly createConnection: (...args: unknown[]) => NetSocket;
  /** A bound handle, for Server.listen({ handle }); or -errno. Of a path when port and addressType are -1. */
  readonly _createServerHandle: (address: string | null, port: number, addressType?: number) => NodeHandle | number;
  readonly getDefaultAutoSelectFamily: () => boolean;
  readonly setDefaultAutoSelectFamily: (on: boolean) => void;
  readonly getDefaultAutoSelectFamilyAttemptTimeout: () => number;
  readonly setDefaultAutoSelectFamilyAttemptTimeout: (ms: number) => void;

  constructor(machine: Machine) {
    this.Socket = bound<SocketConstructor>(machine, NetSocket as never, "Socket", 1);
    this.Stream = this.Socket;
    this.Server = bound<ServerConstructor>(machine, NetServer as never, "Server", 2);
    this.createServer = (options, listener) => new this.Server(options, listener);
    this.connect = (...args) => {
      const [options, cb] = normalizeArgs(args);
      const socket = new this.Socket(options as SocketOptions & ConnectOptions);
      const told = channel("net.client.socket");
      if (told.hasSubscribers) told.publish({ socket });
      if (options.timeout) socket.setTimeout(options.timeout);
      return socket.connect(options, ...(cb ? [cb] : []));
    };
    this.createConnection = this.connect;
    this._createServerHandle = (address, port, addressType = 4) => {
      const pipe = port === -1 && addressType === -1;
      const handle = pipe ? new PipeHandle(machine) : new TcpHandle(machine);
      const err = pipe ? handle.bindPath(address ?? "") : handle.bind(address || "::", port || 0);
      if (err >= 0) return handle;
      handle.close();
      return err;
    };
    let auto = true;
    let attempt = ATTEMPT_TIMEOUT_MS;
    this.getDefaultAutoSelectFamily = () => auto;
    this.setDefaultAutoSelectFamily = (on) => {
      if (typeof on !== "boolean") throw invalidArgType("value", "of type boolean", on);
      auto = on;
    };
    this.getDefaultAutoSelectFamilyAttemptTimeout = () => attempt;
    this.setDefaultAutoSelectFamilyAttemptTimeout = (ms) => {
      validateInt32(ms, "value", 1);
      attempt = Math.max(10, ms);
    };
  }

  defaultHighWaterMark(): number {
    return getDefaultHighWaterMark(false);
  }
}
