// From a name and a port to a connected socket: the machine's own resolver, then one address after the other.
// Way in: new Dial(machine, host, port, prepare).

import { inetNtoa } from "../../bin/lib/inet.ts";
import { resolve } from "../../bin/lib/resolve.ts";
import { EHOSTUNREACH } from "../../uapi/errno.ts";
import { AF_INET, AF_INET6 } from "../../uapi/socket.ts";
import { SystemError } from "../errors.ts";
import type { Machine } from "../machine.ts";
import { isIP } from "../sockaddr.ts";
import { StreamHandle } from "../stream_handle.ts";
import { runTask } from "../task.ts";

export type DnsQueryType = "ipv4" | "ipv6";

/** The addresses of a name. Rejects with a SystemError. */
export async function lookup(machine: Machine, host: string, type?: DnsQueryType): Promise<string[]> {
  const kind = isIP(host);
  if (kind !== 0) return [host];
  const found = type === "ipv6" ? -2 : await runTask(machine, "getaddrinfo", (sys) => resolve(sys, host));
  if (typeof found === "number") throw new SystemError(-EHOSTUNREACH, `getaddrinfo ${host}`);
  return [...new Set(found.addrs)].map(inetNtoa);
}

export class Dial {
  /** The connected socket; rejects with a SystemError. */
  readonly done: Promise<StreamHandle>;
  private handle: StreamHandle | null = null;
  private cancelled = false;

  /** `prepare` sets the options of a new socket. */
  constructor(
    machine: Machine,
    host: string,
    port: number,
    prepare: (handle: StreamHandle) => number,
    type?: DnsQueryType,
  ) {
    this.done = this.run(machine, host, port, prepare, type);
    // Whoever asked hears of it; nobody else has to.
    this.done.catch(() => {});
  }

  private async run(
    machine: Machine,
    host: string,
    port: number,
    prepare: (handle: StreamHandle) => number,
    type?: DnsQueryType,
  ): Promise<StreamHandle> {
    let last = new SystemError(-EHOSTUNREACH, `connect ${host}:${port}`);
    for (const address of await lookup(machine, host, type)) {
      if (this.cancelled) break;
      const handle = new StreamHandle(machine);
      this.handle = handle;
      let err = handle.open(isIP(address) === 6 ? AF_INET6 : AF_INET);
      if (err === 0) err = prepare(handle);
      if (err >= 0) {
        err = await new Promise<number>((done) => {
          const e = handle.connect(address, port, done);
          if (e < 0) done(e);
        });
      }
      if (err >= 0 && !this.cancelled) return handle;
      handle.close();
      last = new SystemError(err, `connect ${address}:${port}`);
    }
    throw last;
  }

  cancel(): void {
    this.cancelled = true;
    this.handle?.close();
  }
}
