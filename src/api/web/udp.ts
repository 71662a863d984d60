// UDPSocket of Direct Sockets: connected to one peer, or bound and open to all. Read first: https://wicg.github.io/direct-sockets/.
// Way in: new machine.web.UDPSocket({ remoteAddress, remotePort }) or ({ localAddress }).

import { ECONNABORTED } from "../../uapi/errno.ts";
import {
  AF_INET,
  AF_INET6,
  IP_ADD_MEMBERSHIP,
  IP_DROP_MEMBERSHIP,
  IP_MULTICAST_LOOP,
  IP_MULTICAST_TTL,
  IPPROTO_IPV6,
  IPV6_V6ONLY,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUF,
  SOL_IP,
  SOL_SOCKET,
} from "../../uapi/socket.ts";
import { SystemError } from "../errors.ts";
import type { Machine } from "../machine.ts";
import { isIP, type SocketName, sockaddrOf } from "../sockaddr.ts";
import { type DnsQueryType, lookup } from "./dial.ts";
import { bytesOf, type Chunk } from "./duplex.ts";
import { invalidState, networkError } from "./errors.ts";
import { bufferSize, dnsQueryType, enforceRange, localPortOf, USHORT } from "./options.ts";
import { Promised } from "./tcp.ts";
import { DatagramHandle } from "./udp_handle.ts";

export interface UDPSocketOptions {
  /** With remotePort: the only peer. */
  remoteAddress?: string;
  remotePort?: number;
  /** Without a peer: where datagrams of anybody arrive. */
  localAddress?: string;
  localPort?: number;
  sendBufferSize?: number;
  receiveBufferSize?: number;
  dnsQueryType?: DnsQueryType;
  ipv6Only?: boolean;
  multicastAllowAddressSharing?: boolean;
  multicastTimeToLive?: number;
  multicastLoopback?: boolean;
}
export interface UDPMessage {
  data: Chunk;
  /** Of a bound socket: from whom, or to whom. */
  remoteAddress?: string;
  remotePort?: number;
  dnsQueryType?: DnsQueryType;
}
export interface UDPReceived extends UDPMessage {
  data: Uint8Array;
}
export interface MulticastController {
  joinGroup(address: string): Promise<void>;
  leaveGroup(address: string): Promise<void>;
  readonly joinedGroups: readonly string[];
}
export interface UDPSocketOpenInfo {
  readable: ReadableStream<UDPReceived>;
  writable: WritableStream<UDPMessage>;
  remoteAddress?: string;
  remotePort?: number;
  localAddress: string;
  localPort: number;
  /** Bound sockets. */
  multicastController?: MulticastController;
}

export class UDPSocketBase {
  private readonly machine: Machine;
  private readonly opening = new Promised<UDPSocketOpenInfo>();
  private readonly closing = new Promised<undefined>();
  private readonly handle: DatagramHandle;
  private readonly connected: boolean;
  private readable: ReadableStream<UDPReceived> | null = null;
  private writable: WritableStream<UDPMessage> | null = null;
  private reader!: ReadableStreamDefaultController<UDPReceived>;
  private writer!: WritableStreamDefaultController;
  private pulled: (() => void) | null = null;
  private readDone = false;
  private writeDone = false;

  protected constructor(machine: Machine, args: unknown[]) {
    if (args.length < 1 || typeof args[0] !== "object" || args[0] === null)
      throw new TypeError("a UDPSocket needs options: remoteAddress and remotePort, or localAddress");
    const o = args[0] as UDPSocketOptions;
    const { remoteAddress, localAddress } = o;
    const remotePort = o.remotePort === undefined ? undefined : enforceRange(o.remotePort, USHORT, "remotePort");
    const localPort = o.localPort === undefined ? undefined : localPortOf(o.localPort);
    if (o.sendBufferSize !== undefined) bufferSize(o.sendBufferSize, "sendBufferSize");
    if (o.receiveBufferSize !== undefined) bufferSize(o.receiveBufferSize, "receiveBufferSize");
    if (o.dnsQueryType !== undefined) dnsQueryType(o.dnsQueryType);
    if ((remoteAddress === undefined) !== (remotePort === undefined))
      throw new TypeError("remoteAddress and remotePort go together");
    if (remotePort === 0) throw new TypeError("remotePort is 0");
    if (localPort !== undefined && localAddress === undefined) throw new TypeError("localPort needs a localAddress");
    if (remoteAddress === undefined && localAddress === undefined)
      throw new TypeError("neither remoteAddress nor localAddress is given");
    if (localAddress !== undefined && isIP(String(localAddress)) === 0)
      throw new TypeError(`localAddress "${localAddress}" is no IP address`);
    if (remoteAddress !== undefined && localAddress !== undefined)
      throw new TypeError("a socket has a remoteAddress or a localAddress, not both");
    if (o.dnsQueryType !== undefined && remoteAddress === undefined)
      throw new TypeError("dnsQueryType is for a remoteAddress");
    if (o.ipv6Only !== undefined && localAddress !== "::") throw new TypeError('ipv6Only is for the localAddress "::"');
    const ttl =
      o.multicastTimeToLive === undefined ? undefined : enforceRange(o.multicastTimeToLive, 255, "multicastTimeToLive");
    this.machine = machine;
    this.connected = remoteAddress !== undefined;
    this.handle = new DatagramHandle(machine);
    this.run(String(remoteAddress ?? localAddress), remotePort ?? localPort ?? 0, o, ttl).catch((e: SystemError) => {
      const error = networkError(e);
      this.handle.close();
      this.opening.reject(error);
      this.closing.reject(error);
    });
  }

  private async run(host: string, port: number, o: UDPSocketOptions, ttl: number | undefined): Promise<void> {
    const [address = host] = await lookup(this.machine, host, o.dnsQueryType);
    const { handle } = this;
    const check = (err: number, what: string): void => {
      if (err < 0) throw new SystemError(err, what);
    };
    check(handle.open(isIP(address) === 6 ? AF_INET6 : AF_INET), "socket");
    if (o.sendBufferSize) check(handle.setOption(SOL_SOCKET, SO_SNDBUF, o.sendBufferSize), "sendBufferSize");
    if (o.receiveBufferSize) check(handle.setOption(SOL_SOCKET, SO_RCVBUF, o.receiveBufferSize), "receiveBufferSize");
    if (o.multicastAllowAddressSharing) handle.setOption(SOL_SOCKET, SO_REUSEADDR, 1);
    if (ttl !== undefined) check(handle.setOption(SOL_IP, IP_MULTICAST_TTL, ttl), "multicastTimeToLive");
    if (o.multicastLoopback !== undefined)
      check(handle.setOption(SOL_IP, IP_MULTICAST_LOOP, o.multicastLoopback ? 1 : 0), "multicastLoopback");
    if (o.ipv6Only) check(handle.setOption(IPPROTO_IPV6, IPV6_V6ONLY, 1), "ipv6Only");
    check(this.connected ? handle.connect(address, port) : handle.bind(address, port), `${address}:${port}`);
    const local = handle.name(false) as SocketName;
    handle.onmessage = (n, data, from) => this.onMessage(n, data, from);
    handle.onlost = () => this.fail(new SystemError(-ECONNABORTED, "recvmsg"));
    this.readable = new ReadableStream<UDPReceived>(
      {
        start: (c) => {
          this.reader = c;
        },
        pull: () => {
          const waiting = new Promise<void>((done) => {
            this.pulled = done;
          });
          handle.receive();
          return waiting;
        },
        cancel: () => this.end("read"),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream<UDPMessage>({
      start: (c) => {
        this.writer = c;
      },
      write: (m) => this.write(m),
      close: () => this.end("write"),
      abort: () => this.end("write"),
    });
    this.opening.resolve({
      readable: this.readable,
      writable: this.writable,
      ...(this.connected && { remoteAddress: address, remotePort: port }),
      localAddress: local.address,
      localPort: local.port,
      ...(!this.connected && { multicastController: this.multicast() }),
    });
  }

  private onMessage(n: number, data: Uint8Array | null, from: SocketName | null): void {
    if (this.readDone) return;
    if (n < 0) {
      this.fail(new SystemError(n, "recvmsg"));
      return;
    }
    this.reader.enqueue(
      this.connected ? { data: data! } : { data: data!, remoteAddress: from!.address, remotePort: from!.port },
    );
    this.wake();
  }

  private async write(m: UDPMessage): Promise<void> {
    try {
      if (typeof m !== "object" || m === null) throw new TypeError("a UDPMessage is an object");
      if (m.data === undefined) throw new TypeError("a UDPMessage has data");
      const data = bytesOf(m.data, false);
      let to: Uint8Array | null = null;
      if (this.connected) {
        if (m.remoteAddress !== undefined || m.remotePort !== undefined || m.dnsQueryType !== undefined)
          throw new TypeError("a connected socket sends to its peer only");
      } else {
        if (m.remoteAddress === undefined || m.remotePort === undefined)
          throw new TypeError("a bound socket must be told remoteAddress and remotePort");
        const port = enforceRange(m.remotePort, USHORT, "remotePort");
        const [address = ""] = await lookup(this.machine, String(m.remoteAddress), m.dnsQueryType);
        to = sockaddrOf(address, port);
      }
      await new Promise<void>((done, refuse) => {
        this.handle.send(data, to, (err) => (err >= 0 ? done() : refuse(new SystemError(err, "send"))));
      });
    } catch (e) {
      // A message that is none, or cannot go, breaks the writable, not the socket.
      this.end("write");
      throw e instanceof SystemError ? networkError(e) : e;
    }
  }

  private multicast(): MulticastController {
    const joined: string[] = [];
    const change = async (option: number, address: string): Promise<void> => {
      const sa = isIP(String(address)) === 4 ? sockaddrOf(address, 0) : null;
      if (sa === null) throw new TypeError(`"${address}" is no multicast address`);
      const mreq = new Uint8Array(8);
      mreq.set(sa.subarray(4, 8));
      const err = this.handle.fd < 0 ? -ECONNABORTED : this.handle.setOption(SOL_IP, option, mreq);
      if (err < 0) throw networkError(new SystemError(err, `group ${address}`));
    };
    return {
      async joinGroup(address) {
        if (joined.includes(address)) throw invalidState(`${address} is joined already`);
        await change(IP_ADD_MEMBERSHIP, address);
        joined.push(address);
      },
      async leaveGroup(address) {
        if (!joined.includes(address)) throw invalidState(`${address} is not joined`);
        await change(IP_DROP_MEMBERSHIP, address);
        joined.splice(joined.indexOf(address), 1);
      },
      get joinedGroups() {
        return [...joined];
      },
    };
  }

  private wake(): void {
    const done = this.pulled;
    this.pulled = null;
    done?.();
  }
  private end(side: "read" | "write"): void {
    if (side === "read") this.readDone = true;
    else this.writeDone = true;
    this.wake();
    if (!this.readDone || !this.writeDone) return;
    this.handle.close();
    this.closing.resolve(undefined);
  }
  private fail(e: SystemError): void {
    const error = networkError(e);
    if (!this.readDone) this.reader.error(error);
    if (!this.writeDone) this.writer.error(error);
    this.readDone = true;
    this.writeDone = true;
    this.wake();
    this.handle.close();
    this.closing.reject(error);
  }

  get opened(): Promise<UDPSocketOpenInfo> {
    return this.opening.promise;
  }
  get closed(): Promise<undefined> {
    return this.closing.promise;
  }
  /** Ends both streams, of which neither may be locked. Rejects with InvalidStateError while the socket is being opened. */
  async close(): Promise<undefined> {
    if (!this.opening.settled) throw invalidState("the socket is not open yet");
    const { readable, writable } = this;
    if (readable === null || writable === null) return this.closed;
    if (readable.locked || writable.locked) throw invalidState("a stream of the socket is locked");
    await Promise.all([readable.cancel().catch(() => {}), writable.abort().catch(() => {})]);
    return this.closed;
  }
}
