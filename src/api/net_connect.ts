// From a name to a connection: lookup, and one address after the other (RFC 8305 as Node has it).
// Read first: https://nodejs.org/api/net.html#socketconnectoptions-connectlistener. Way in: connectByName().

import { isIP } from "node:net";
import type { LookupAddress, LookupOptions } from "./dns.ts";
import type { NetSocket } from "./net_socket.ts";
import { type ErrnoException, nodeError } from "./node_errors.ts";

export type LookupFunction = (
  hostname: string,
  options: LookupOptions,
  callback: (err: Error | null, address: string | LookupAddress[], family?: number) => void,
) => void;

export interface ConnectOptions {
  port?: number | string;
  host?: string;
  path?: string;
  localAddress?: string;
  localPort?: number;
  family?: number;
  hints?: number;
  lookup?: LookupFunction | null;
  noDelay?: boolean;
  keepAlive?: boolean;
  keepAliveInitialDelay?: number;
  autoSelectFamily?: boolean;
  autoSelectFamilyAttemptTimeout?: number;
  timeout?: number;
  signal?: AbortSignal;
  onread?: unknown;
}

export function connectByName(self: NetSocket, options: ConnectOptions): void {
  const host = options.host || "localhost";
  const port = Number(options.port) | 0;
  const version = isIP(host);
  if (version !== 0) {
    process.nextTick(() => {
      if (self.connecting) self._attempt(host, port, version as 4 | 6, options);
    });
    return;
  }
  const { net, dns } = self.machine;
  const lookup: LookupFunction = options.lookup ?? (dns.lookup as LookupFunction);
  const family = options.family ?? 0;
  const auto = options.autoSelectFamily ?? net.getDefaultAutoSelectFamily();
  const all = auto && family !== 4 && family !== 6 && !options.localAddress;
  self._host = host;
  // AI_ADDRCONFIG, where nothing else is asked for.
  const hints = options.hints || (family !== 4 && family !== 6 ? 32 : 0);
  const how = { family: options.family, hints, ...(all && { all: true }) } as LookupOptions;
  const answer = (err: Error | null, found: string | LookupAddress[], kind?: number): void => {
    if (!self.connecting) return;
    if (err) {
      self.emit("lookup", err, undefined, undefined, host);
      process.nextTick(() => self.destroy(err));
      return;
    }
    if (all && found !== undefined && found !== null) {
      // What is no array is taken for one: the letters of a text are no addresses.
      several(self, Array.from(found as ArrayLike<LookupAddress>), port, host, options);
      return;
    }
    const address = found as string;
    self.emit("lookup", null, address, kind, host);
    self._unrefTimer();
    const bad = invalid(address, kind, host, port);
    if (bad !== null) process.nextTick(() => self.destroy(bad));
    else self._attempt(address, port, kind as 4 | 6, options);
  };
  lookup(host, how, answer);
}

function invalid(address: string, family: number | undefined, host: string, port: number): ErrnoException | null {
  if (typeof address !== "string" || isIP(address) === 0) {
    const e = nodeError("ERR_INVALID_IP_ADDRESS", `Invalid IP address: ${address}`, TypeError) as ErrnoException;
    return e;
  }
  if (family === 4 || family === 6) return null;
  const e = nodeError("ERR_INVALID_ADDRESS_FAMILY", `Invalid address family: ${family} ${host}:${port}`, RangeError);
  return Object.assign(e, { host, port }) as ErrnoException;
}

function several(
  self: NetSocket,
  found: readonly LookupAddress[],
  port: number,
  host: string,
  options: ConnectOptions,
): void {
  for (const a of found) self.emit("lookup", null, a.address, a.family, host);
  const good = found.filter((a) => isIP(a.address) !== 0 && (a.family === 4 || a.family === 6));
  if (good.length === 0) {
    const first = found[0];
    const bad = invalid(first?.address as string, first?.family, host, port)!;
    process.nextTick(() => self.destroy(bad));
    return;
  }
  self._unrefTimer();
  if (good.length === 1) {
    self._attempt(good[0]!.address, port, good[0]!.family as 4 | 6, options);
    return;
  }
  // The families take turns, beginning with that of the first (RFC 8305 section 4).
  const [a, b] = [good.filter((x) => x.family === good[0]!.family), good.filter((x) => x.family !== good[0]!.family)];
  const order: LookupAddress[] = [];
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    if (a[i]) order.push(a[i]!);
    if (b[i]) order.push(b[i]!);
  }
  const patience = Math.max(
    10,
    options.autoSelectFamilyAttemptTimeout ?? self.machine.net.getDefaultAutoSelectFamilyAttemptTimeout(),
  );
  const errors: ErrnoException[] = [];
  self.autoSelectFamilyAttemptedAddresses = [];
  const attempt = (i: number): void => {
    if (i === order.length) {
      if (errors.length === 1) {
        self.destroy(errors[0]);
        return;
      }
      const e = new AggregateError(errors) as AggregateError & { code?: string };
      if (errors[0]?.code !== undefined) e.code = errors[0].code;
      self.destroy(e);
      return;
    }
    if (!self.connecting) return;
    if (i > 0) self._renewHandle();
    const { address, family } = order[i]!;
    self.autoSelectFamilyAttemptedAddresses!.push(`${address}:${port}`);
    let over = false;
    const next = (err: Error): void => {
      if (over) return;
      over = true;
      timer.stop();
      errors.push(err as ErrnoException);
      attempt(i + 1);
    };
    const timer = self.machine.loop.timer(() => {
      if (over || !self.connecting) return;
      const err = Object.assign(new Error(`connect ETIMEDOUT ${address}:${port}`), {
        errno: -110,
        code: "ETIMEDOUT",
        syscall: "connect",
        address,
        port,
      });
      self.emit("connectionAttemptTimeout", address, port, family);
      next(err);
    });
    if (i < order.length - 1) timer.start(patience);
    self.once("connect", () => {
      over = true;
      timer.stop();
    });
    self._attempt(address, port, family as 4 | 6, options, next);
  };
  attempt(0);
}
