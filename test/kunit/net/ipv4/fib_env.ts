// A machine whose devices carry nothing, for tests of the IPv4 control plane.

import assert from "node:assert/strict";
import type { Host } from "../../../../src/arch/host.ts";
import { JsSlab } from "../../../../src/arch/slab.ts";
import { start_kernel } from "../../../../src/init/main.ts";
import { timer_interrupt } from "../../../../src/kernel/cpu.ts";
import { type Kernel, live_counts } from "../../../../src/kernel/kernel.ts";
import {
  alloc_netdev,
  netif_carrier_off,
  netif_carrier_on,
  register_netdevice,
  unregister_netdevice,
} from "../../../../src/net/core/dev_api.ts";
import { cleanup_net, type Net } from "../../../../src/net/core/net_namespace.ts";
import type { NetDevice } from "../../../../src/net/core/netdevice.ts";
import { consume_skb, type SkBuff } from "../../../../src/net/core/skbuff.ts";
import { eth_header_ops } from "../../../../src/net/ethernet/eth.ts";

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
  const k = start_kernel(host, {});
  return { host, k, net: k.init_net };
}

/** Lets `ms` pass, timer by timer. */
export function pass(env: FibEnv, ms: number): void {
  const end = env.host.ns + ms * 1e6;
  for (;;) {
    const next = Math.min(env.k.timers.next_ns, env.k.hrtimers.next_ns);
    if (next > end) break;
    env.host.ns = Math.max(env.host.ns, next);
    timer_interrupt(env.k);
  }
  env.host.ns = end;
  env.k.now = end;
}

/** The machine goes: everything it held must be gone with it. */
export function assert_no_leaks(k: Kernel): void {
  for (const net of [...k.nets]) {
    for (const dev of [...net.dev_by_index.values()].reverse()) unregister_netdevice(dev);
    cleanup_net(net);
  }
  assert.deepEqual(k.bugs, []);
  for (const [what, n] of Object.entries(live_counts(k))) assert.equal(n, 0, `live ${what}`);
}

/** Frames sent by a device of ours, oldest first; taken out by reading. */
export const sent = (dev: NetDevice): Uint8Array[] => (dev.priv as Uint8Array[]).splice(0);

function swallow(skb: SkBuff, dev: NetDevice): number {
  (dev.priv as Uint8Array[]).push(skb.head.u8.slice(skb.data, skb.tail));
  consume_skb(skb);
  return 0;
}

/** A device that swallows what it is given. IFF_BROADCAST|IFF_MULTICAST unless told otherwise. */
export function add_device(net: Net, name: string, flags = 0x1002, type = 1): NetDevice {
  const dev = alloc_netdev(net, name, { ndo_start_xmit: swallow }, (d) => {
    d.priv = [];
    d.flags = flags;
    d.type = type;
    d.tx_queue_len = 0;
    d.dev_addr = new Uint8Array([2, 0, 0, 0, 0, net.next_ifindex]);
    d.header_ops = eth_header_ops;
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
      ndo_start_xmit: swallow,
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
