// A machine with routing but nothing else: enough of the boot order for the control plane, and devices that carry nothing.

import type { Host } from "../../../../src/arch/host.ts";
import { JsSlab } from "../../../../src/arch/slab.ts";
import { Kernel } from "../../../../src/kernel/kernel.ts";
import { init_timers } from "../../../../src/kernel/time/timer.ts";
import {
  alloc_netdev,
  dev_open,
  net_core_init,
  netif_carrier_off,
  netif_carrier_on,
  register_netdevice,
} from "../../../../src/net/core/dev_api.ts";
import { type Net, setup_net } from "../../../../src/net/core/net_namespace.ts";
import type { NetDevice } from "../../../../src/net/core/netdevice.ts";
import { rtmsg_init } from "../../../../src/net/core/rtmsg.ts";
import { devinet_init } from "../../../../src/net/ipv4/devinet.ts";
import { ip_fib_init } from "../../../../src/net/ipv4/fib_frontend.ts";
import { igmp_init } from "../../../../src/net/ipv4/igmp.ts";
import { nexthop_init } from "../../../../src/net/ipv4/nexthop.ts";

/** Time stands still until a test moves it. */
export class FakeHost implements Host {
  ns = 1_000_000_000;
  readonly virtual_time = true;
  dma = 4096;
  seed = 1;
  monotonic_ns(): number {
    return this.ns;
  }
  realtime_ms(): number {
    return this.ns / 1e6;
  }
  set_next_event(): void {}
  post(): void {}
  random_bytes(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++) into[i] = (this.seed = (this.seed * 1103515245 + 12345) & 0x7fffffff) >> 16;
  }
  alloc_slab(bytes: number): JsSlab {
    const slab = new JsSlab(bytes, this.dma);
    this.dma += bytes;
    return slab;
  }
}

export interface FibEnv {
  readonly host: FakeHost;
  readonly k: Kernel;
  readonly net: Net;
}

export function fib_env(): FibEnv {
  const host = new FakeHost();
  const k = new Kernel(host, {});
  k.fork_hooks = [];
  init_timers(k);
  net_core_init(k);
  rtmsg_init(k);
  devinet_init(k);
  ip_fib_init(k);
  nexthop_init(k);
  igmp_init(k);
  const net = setup_net(k, "");
  k.init_net = net;
  net.loopback_dev = add_device(net, "lo", 0x8, 772);
  return { host, k, net };
}

/** A device that swallows what it is given. IFF_BROADCAST|IFF_MULTICAST unless told otherwise. */
export function add_device(net: Net, name: string, flags = 0x1002, type = 1): NetDevice {
  const dev = alloc_netdev(net, name, { ndo_start_xmit: () => 0 }, (d) => {
    d.flags = flags;
    d.type = type;
    d.tx_queue_len = 0;
  });
  const err = register_netdevice(dev);
  if (err < 0) throw new Error(`register_netdevice(${name}): ${err}`);
  return dev;
}

/** Two devices that are each other's cable, as veth: the carrier is there when both are up. */
export function add_pair(net: Net, a: string, b: string): [NetDevice, NetDevice] {
  // The kernel registers the peer first.
  const db = add_device(net, b);
  const da = add_device(net, a);
  for (const [dev, peer] of [
    [da, db],
    [db, da],
  ] as const) {
    dev.ops = {
      ndo_start_xmit: () => 0,
      ndo_open: () => {
        if ((peer.flags & 1) !== 0) {
          netif_carrier_on(dev);
          netif_carrier_on(peer);
        }
        return 0;
      },
      ndo_stop: () => {
        netif_carrier_off(dev);
        netif_carrier_off(peer);
        return 0;
      },
    };
    netif_carrier_off(dev);
  }
  return [da, db];
}

export const up = (dev: NetDevice): number => dev_open(dev);
