// A machine with the device layer, a neighbour table of a toy family, and a device that keeps what it is given to send.
import assert from "node:assert/strict";
import type { Host } from "../../../../src/arch/host.ts";
import { JsSlab } from "../../../../src/arch/slab.ts";
import { Cpu, syscall, timer_interrupt } from "../../../../src/kernel/cpu.ts";
import { jiffies, Kernel, live_counts } from "../../../../src/kernel/kernel.ts";
import { hrtimers_init } from "../../../../src/kernel/time/hrtimer.ts";
import { init_timers } from "../../../../src/kernel/time/timer.ts";
import { netif_rx } from "../../../../src/net/core/dev.ts";
import { dev_addr_lists_init } from "../../../../src/net/core/dev_addr_lists.ts";
import {
  alloc_netdev,
  dev_close,
  dev_open,
  net_core_init,
  net_dev_init,
  register_netdevice,
  unregister_netdevice,
} from "../../../../src/net/core/dev_api.ts";
import { SKB_DROP_REASON_NEIGH_FAILED } from "../../../../src/net/core/dropreason.ts";
import { register_neigh_sysctl_netdev } from "../../../../src/net/core/neigh_sysctl.ts";
import {
  type Neighbour,
  type NeighTable,
  neigh_connected_output,
  neigh_ifdown,
  neigh_init,
  neigh_parms_lookup,
  neigh_resolve_output,
  neigh_table_init,
  nud_state_name,
} from "../../../../src/net/core/neighbour.ts";
import { type Net, setup_net } from "../../../../src/net/core/net_namespace.ts";
import type { NetDevice, NetDeviceOps } from "../../../../src/net/core/netdevice.ts";
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  type SkBuff,
  skb_put,
  skb_reserve,
} from "../../../../src/net/core/skbuff.ts";
import { eth_type_trans, ether_setup } from "../../../../src/net/ethernet/eth.ts";

/** The clock moves to the next event, or to where a test wants it. */
export class RigHost implements Host {
  ns = 1_000_000_000;
  next = Number.POSITIVE_INFINITY;
  fire: () => void = () => {};
  readonly virtual_time = true;
  dma = 4096;
  seed = 1;
  posted: (() => void)[] = [];
  monotonic_ns(): number {
    return this.ns;
  }
  realtime_ms(): number {
    return 1.7e12 + this.ns / 1e6;
  }
  set_next_event(ns: number, fire: () => void): void {
    this.next = ns;
    this.fire = fire;
  }
  post(fn: () => void): void {
    this.posted.push(fn);
  }
  random_bytes(into: Uint8Array): void {
    for (let i = 0; i < into.length; i++)
      into[i] = (this.seed = (Math.imul(this.seed, 1103515245) + 12345) & 0x7fffffff) >> 16;
  }
  alloc_slab(bytes: number): JsSlab {
    const slab = new JsSlab(bytes, this.dma);
    this.dma += bytes;
    return slab;
  }
}

export interface Sent {
  /** jiffies */
  at: number;
  dev: string;
  bytes: Uint8Array;
}

export class Rig {
  readonly host = new RigHost();
  readonly k: Kernel;
  readonly net: Net;
  /** Frames handed to a device. */
  readonly sent: Sent[] = [];
  /** [jiffies, "unicast" | "broadcast", key] of each question. */
  readonly asked: [number, string, number][] = [];
  readonly failed: [number, number][] = [];
  /** "newneigh 1 REACHABLE". */
  readonly told: string[] = [];
  tbl: NeighTable = null as unknown as NeighTable;

  /** `boot` registers what a test needs beside the device layer; `start` replaces the whole boot. */
  constructor(boot?: (k: Kernel) => void, start?: (host: RigHost) => Kernel) {
    this.k = start !== undefined ? start(this.host) : this.boot(boot);
    const k = this.k;
    k.on_bug = (e) => {
      throw e;
    };
    this.net = k.init_net;
    k.neigh_notify_hooks.push((n, type) => {
      const what = type === 28 ? "new" : type === 29 ? "del" : "get";
      this.told.push(`${what} ${n.primary_key} ${nud_state_name(n.nud_state)}`);
    });
  }

  private boot(boot?: (k: Kernel) => void): Kernel {
    const k = new Kernel(this.host, { debug: true });
    k.fork_hooks = [];
    k.cpus.push(new Cpu(k, 0));
    k.cpu = k.cpus[0]!;
    k.clock_event = () => timer_interrupt(k);
    hrtimers_init(k);
    init_timers(k);
    net_core_init(k);
    net_dev_init(k);
    dev_addr_lists_init(k);
    neigh_init(k);
    if (boot !== undefined) boot(k);
    else this.toy_table(k);
    k.init_net = setup_net(k, "");
    return k;
  }

  private toy_table(k: Kernel): void {
    this.tbl = neigh_table_init(k, {
      family: 2,
      key_len: 4,
      protocol: 0x0800,
      id: "toy_cache",
      sysctl_family: "ipv4",
      construct: (n) => {
        const cached = n.dev.header_ops?.cache !== undefined;
        n.ops = {
          solicit: (e) => {
            this.asked.push([jiffies(k), e.probes < e.parms.data[1]! ? "unicast" : "broadcast", e.primary_key]);
          },
          error_report: (e, skb) => {
            this.failed.push([jiffies(k), e.primary_key]);
            kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
          },
          output: neigh_resolve_output,
          connected_output: cached ? neigh_resolve_output : neigh_connected_output,
        };
        n.output = n.ops.output;
        return 0;
      },
      proxy_redo: (skb) => {
        this.asked.push([jiffies(k), "proxy", skb.id]);
        consume_skb(skb);
      },
      is_multicast: (k0) => k0 >>> 28 === 0xe,
    });
    register_neigh_sysctl_netdev(k, this.tbl);
  }

  /** An Ethernet that is up; its reachable_time is exactly 30 s. */
  dev(name = "eth0", mac = [2, 0, 0, 0, 0, 1], more: Partial<NetDeviceOps> = {}): NetDevice {
    const ops: NetDeviceOps = {
      ndo_start_xmit: (skb, dev) => {
        this.sent.push({ at: jiffies(this.k), dev: dev.name, bytes: skb.head.u8.slice(skb.data, skb.tail) });
        consume_skb(skb);
        return 0;
      },
      ...more,
    };
    const dev = alloc_netdev(this.net, name, ops, (d) => {
      ether_setup(d);
      d.tx_queue_len = 0;
    });
    dev.dev_addr.set(mac);
    this.call(() => {
      assert.equal(register_netdevice(dev), 0);
      assert.equal(dev_open(dev), 0);
    });
    if (this.tbl !== null) neigh_parms_lookup(this.tbl, dev).reachable_time = 30000;
    return dev;
  }

  call<T>(fn: () => T): T {
    return syscall(this.k, fn);
  }

  /** Lets `ms` pass, event by event. */
  run(ms: number): void {
    const end = this.host.ns + ms * 1e6;
    for (let n = 0; n < 100000; n++) {
      while (this.host.posted.length > 0) this.host.posted.shift()!();
      if (this.host.next > end) break;
      this.host.ns = Math.max(this.host.ns, this.host.next);
      this.host.next = Number.POSITIVE_INFINITY;
      this.host.fire();
    }
    this.host.ns = end;
  }

  /** A frame arrives from the wire. */
  receive(dev: NetDevice, bytes: number[]): void {
    this.call(() => {
      const skb = this.skb(dev, bytes.length);
      skb.head.u8.set(bytes, skb.data);
      skb.protocol = eth_type_trans(skb, dev);
      netif_rx(skb);
    });
  }

  /** A packet of `len` bytes whose network header is at data, with room for a link header. */
  skb(dev: NetDevice | null, len = 20, fill = 0): SkBuff {
    const skb = alloc_skb(this.k, 64 + len)!;
    skb_reserve(skb, 64);
    const at = skb_put(skb, len);
    skb.head.u8.fill(fill, at, at + len);
    skb.network_header = skb.data;
    skb.protocol = 0x0800;
    skb.dev = dev;
    return skb;
  }

  state(n: Neighbour): string {
    return nud_state_name(n.nud_state);
  }

  /** All devices and tables go; nothing may be left. */
  end(): void {
    const devs = [...this.net.dev_by_name.values()].reverse();
    this.call(() => {
      for (const d of devs) {
        for (const tbl of this.k.neigh_tables) neigh_ifdown(tbl, d);
        dev_close(d);
        unregister_netdevice(d);
      }
    });
    for (const d of devs) assert.equal(d.refcnt, 0, `${d.name} is still referenced`);
    assert_no_leaks(this.k);
  }
}

export function assert_no_leaks(k: Kernel): void {
  const live = live_counts(k);
  assert.deepEqual(live, Object.fromEntries(Object.keys(live).map((name) => [name, 0])));
  assert.deepEqual(k.bugs, []);
}
