// A machine with Ethernet ports that are plain arrays: frames are put in, what leaves is caught. Virtual time.

import assert from "node:assert/strict";
import { SimWorld, sim_host } from "../../../../src/arch/sim/world.ts";
import { start_kernel } from "../../../../src/init/main.ts";
import { syscall } from "../../../../src/kernel/cpu.ts";
import { type Kernel, live_counts } from "../../../../src/kernel/kernel.ts";
import { sysctl_write } from "../../../../src/kernel/sysctl.ts";
import { netif_rx } from "../../../../src/net/core/dev.ts";
import {
  alloc_netdev,
  dev_change_flags,
  register_netdevice,
  unregister_netdevice,
} from "../../../../src/net/core/dev_api.ts";
import { neigh_add } from "../../../../src/net/core/neigh_admin.ts";
import { cleanup_net, type Net } from "../../../../src/net/core/net_namespace.ts";
import type { NetDevice } from "../../../../src/net/core/netdevice.ts";
import { skb_checksum_help } from "../../../../src/net/core/skb_checksum.ts";
import { consume_skb, netdev_alloc_skb, type SkBuff, skb_copy_bits, skb_put } from "../../../../src/net/core/skbuff.ts";
import { eth_header_ops, eth_type_trans, ether_setup } from "../../../../src/net/ethernet/eth.ts";
import { mib_of } from "../../../lib/kernel.ts";
import { ip, ip4 } from "./fib_ip.ts";

export interface Frame {
  dev: string;
  frame: Uint8Array;
}

export const from_hex = (s: string): Uint8Array => Uint8Array.from(Buffer.from(s, "hex"));
export const to_hex = (b: Uint8Array): string => Buffer.from(b).toString("hex");

export class EdgeRig {
  readonly world: SimWorld;
  readonly k: Kernel;
  readonly net: Net;
  readonly out: Frame[] = [];
  readonly devs: NetDevice[] = [];

  constructor(ports: Record<string, string>, options: { debug?: boolean; epoch_ms?: number } = {}) {
    this.world = new SimWorld({ seed: 1, epoch_ms: options.epoch_ms });
    this.k = start_kernel(sim_host(this.world), { debug: options.debug ?? true });
    this.net = this.k.init_net;
    for (const [name, mac] of Object.entries(ports)) this.port(name, mac);
  }

  private port(name: string, mac: string): void {
    const ops = {
      ndo_start_xmit: (skb: SkBuff, dev: NetDevice): number => {
        skb_checksum_help(skb);
        const frame = new Uint8Array(Math.max(skb.len, 14));
        skb_copy_bits(skb, 0, frame, 0, skb.len);
        this.out.push({ dev: dev.name, frame });
        consume_skb(skb);
        return 0;
      },
    };
    const dev = alloc_netdev(this.net, name, ops, ether_setup);
    dev.header_ops = eth_header_ops;
    dev.dev_addr = from_hex(mac);
    this.call(() => assert.equal(register_netdevice(dev), 0));
    this.devs.push(dev);
  }

  call<T>(fn: () => T): T {
    return syscall(this.k, fn);
  }

  /** `ip` over the control plane; `neigh add A lladdr M nud permanent dev D` too. */
  ip(line: string): void {
    const w = line.split(" ");
    if (w[0] === "neigh") {
      const dev = this.net.dev_by_name.get(w[w.length - 1]!)!;
      const req = {
        family: 2,
        dev,
        dst: [ip4(w[2]!)],
        lladdr: from_hex(w[4]!.replace(/:/g, "")),
        state: 0x80,
        flags: 0,
        ext_flags: 0,
        protocol: 0,
        nlmsg_flags: 0x400 | 0x200,
        pid: 0,
      };
      this.call(() => assert.equal(neigh_add(this.net, req, { msg: "" }), 0));
      return;
    }
    if (w[0] === "link" && w[1] === "set" && w[3] === "up") {
      const dev = this.net.dev_by_name.get(w[2]!)!;
      this.call(() => assert.equal(dev_change_flags(dev, dev.flags | 1), 0));
      return;
    }
    const text = this.call(() => ip(this.net, line));
    assert.deepEqual(text, [], line);
  }

  sysctl(values: Record<string, number | string>): void {
    for (let round = 0; round < 2; round++) {
      for (const [name, v] of Object.entries(values)) {
        const err = this.call(() => sysctl_write([this.net.sysctl_table], `net/ipv4/${name}`, String(v)));
        if (round === 1) assert.equal(err, 0, `sysctl ${name} = ${v}`);
      }
    }
  }

  /** A frame arrives at a port. */
  rx(name: string, frame: Uint8Array): void {
    const dev = this.net.dev_by_name.get(name)!;
    this.call(() => {
      const skb = netdev_alloc_skb(dev, frame.length)!;
      const at = skb_put(skb, frame.length);
      skb.head.u8.set(frame, at);
      skb.protocol = eth_type_trans(skb, dev);
      netif_rx(skb);
    });
  }

  /** Lets `ms` of virtual time pass. */
  run(ms: number): void {
    this.world.run(this.world.now + ms * 1e6);
  }

  take(): Frame[] {
    return this.out.splice(0);
  }

  /** The counters of /proc/net/snmp and netstat, by group and name. */
  mib(): Record<string, number> {
    return mib_of(this.net);
  }

  /** Takes the machine down; nothing may be left. */
  end(): void {
    for (const dev of this.devs) this.call(() => unregister_netdevice(dev));
    this.call(() => cleanup_net(this.net));
    this.run(120_000);
    const live = live_counts(this.k);
    delete live.timers;
    delete live.hrtimers;
    assert.deepEqual(live, Object.fromEntries(Object.keys(live).map((n) => [n, 0])));
    assert.deepEqual(this.k.bugs, []);
  }
}
