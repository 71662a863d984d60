// W3: IPv4 forwarding through veth routers. Three router namespaces in a ring send each packet on to the next until its TTL ends,
// so that a hop is all that is measured: netif_rx, backlog, ip_rcv, route, ip_forward, neighbour, dev_queue_xmit, veth_xmit.

import { syscall } from "../src/kernel/cpu.ts";
import { netif_rx } from "../src/net/core/dev.ts";
import { alloc_skb, skb_put, skb_reserve } from "../src/net/core/skbuff.ts";
import { eth_type_trans } from "../src/net/ethernet/eth.ts";
import { udp_frame } from "./lib/frames.ts";
import type { Bench, BenchSetup } from "./lib/harness.ts";
import { Rig } from "./lib/rig.ts";

/** Packets that circulate at the same time. */
const BURST = 32;
const TTL = 255;
const ROUTERS = 3;

function forward_veth(size: number): BenchSetup {
  const r = new Rig();
  const k = r.k;
  const nets = Array.from({ length: ROUTERS }, (_, i) => r.netns(`r${i}`));
  const ins = [];
  for (let i = 0; i < ROUTERS; i++) {
    const next = (i + 1) % ROUTERS;
    const [o, n] = r.veth(nets[i]!, "out", nets[next]!, "in");
    r.addr(o, `10.0.${i}.1/24`);
    r.addr(n, `10.0.${i}.2/24`);
    ins[next] = n;
  }
  nets.forEach((net, i) => {
    r.sysctl(net, "net/ipv4/ip_forward", 1);
    r.sysctl(net, "net/ipv4/conf/all/rp_filter", 0);
    r.route(net, "10.9.0.0/16", `10.0.${i}.2`);
    // The error about the last hop goes nowhere.
    r.route(net, "10.8.0.0/16", "blackhole");
  });
  r.run(3e9);
  const dev = ins[0]!;
  const frame = udp_frame({
    dst_mac: dev.dev_addr,
    src_mac: Uint8Array.of(2, 0, 0, 0, 0, 9),
    src: "10.8.0.1",
    dst: "10.9.0.1",
    sport: 1000,
    dport: 2000,
    len: size,
    ttl: TTL,
  });
  const inject = (): void => {
    for (let j = 0; j < BURST; j++) {
      const skb = alloc_skb(k, 128 + size)!;
      skb_reserve(skb, 64);
      skb.head.u8.set(frame, skb_put(skb, size));
      skb.dev = dev;
      skb.protocol = eth_type_trans(skb, dev);
      netif_rx(skb);
    }
  };
  const hops = (): number => nets.reduce((n, net) => n + net.dev_by_name.get("out")!.stats.tx_packets, 0);
  const step = (n: number): number => {
    const before = hops();
    do {
      syscall(k, inject);
      r.run(1e6);
    } while (hops() - before < n);
    return hops() - before;
  };
  // ARP, then all of them.
  step(1);
  r.run(2e9);
  return {
    k,
    step,
    check: () => {
      const got = step(1);
      if (got !== BURST * (TTL - 1)) throw new Error(`packets are lost: ${got}`);
      if (k.bugs.length > 0) throw new Error("bugs");
    },
  };
}

export const bench: Bench = { unit: "hops/s", setup: forward_veth };
