// `import { createMachine } from "skbuff"` under Node: machines that also have node:net, node:dgram and node:dns.
// Elsewhere that name means index.ts, which imports nothing of Node (docs/decisions/007-node-and-browser.md).

import { AsyncResource } from "node:async_hooks";
import { DgramApi } from "./dgram.ts";
import { createDns, type DnsApi } from "./dns.ts";
import { Machine, type MachineOptions } from "./machine.ts";
import { NetApi } from "./net.ts";
import { World } from "./world.ts";

export { DgramApi, DgramSocket, type RemoteInfo } from "./dgram.ts";
export type { DnsApi } from "./dns.ts";
export * from "./index.ts";
export { NetApi, type NetServer, type NetSocket } from "./net.ts";

/** A machine whose programs may be Node's. */
export class NodeMachine extends Machine {
  /** The async context of who made the machine: that of what comes in from the network. */
  readonly outside: AsyncResource = new AsyncResource("MACHINE");
  private netApi: NetApi | null = null;
  private dgramApi: DgramApi | null = null;
  private dnsApi: DnsApi | null = null;

  /** TCP sockets in the shape of node:net. */
  get net(): NetApi {
    if (this.netApi === null) {
      this.userland();
      this.netApi = new NetApi(this);
    }
    return this.netApi;
  }

  /** UDP sockets in the shape of node:dgram. */
  get dgram(): DgramApi {
    this.dgramApi ??= new DgramApi(this);
    return this.dgramApi;
  }

  /** Names, in the shape of node:dns: by /etc/hosts and /etc/resolv.conf of this machine. */
  get dns(): DnsApi {
    if (this.dnsApi === null) {
      this.userland();
      this.dnsApi = createDns(this);
    }
    return this.dnsApi;
  }
}

export { NodeMachine as Machine };

/** Boots a machine. */
export function createMachine(options: MachineOptions): NodeMachine {
  return new NodeMachine(options);
}

export function createWorld(options: { seed?: number } = {}): World<NodeMachine> {
  return new World(options.seed ?? 1, (o) => new NodeMachine(o));
}
