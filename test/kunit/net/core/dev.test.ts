// net_device and the two softirqs: backlog, RPS, taps, queue choice, stop and wake, devices that go with packets in flight.

import assert from "node:assert/strict";
import { test } from "node:test";
import { NET_RX_SOFTIRQ } from "../../../../src/kernel/softirq.ts";
import {
  dev_add_pack,
  dev_direct_xmit,
  dev_kfree_skb_irq,
  dev_queue_xmit,
  dev_remove_pack,
  napi_complete_done,
  napi_enable,
  napi_schedule,
  netif_rx,
  netif_tx_wake_queue,
} from "../../../../src/net/core/dev.ts";
import {
  alloc_netdev_mqs,
  dev_change_name,
  dev_change_net_namespace,
  netif_napi_add,
  register_netdevice,
  unregister_netdevice,
} from "../../../../src/net/core/dev_api.ts";
import { SKB_DROP_REASON_CPU_BACKLOG, SKB_DROP_REASON_DEV_READY } from "../../../../src/net/core/dropreason.ts";
import type { Net } from "../../../../src/net/core/net_namespace.ts";
import {
  type NapiStruct,
  type NetDevice,
  netif_tx_stop_queue,
  type PacketType,
} from "../../../../src/net/core/netdevice.ts";
import { alloc_skb, consume_skb, type SkBuff, skb_put, skb_reserve } from "../../../../src/net/core/skbuff.ts";
import { eth_header_ops, ether_setup } from "../../../../src/net/ethernet/eth.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

interface Card {
  dev: NetDevice;
  sent: { queue: number; len: number; id: number }[];
  /** What ndo_start_xmit answers. */
  busy: boolean;
}

function card(rig: KernelRig, name: string, txqs = 1, net: Net = rig.net): Card {
  const c = { sent: [], busy: false } as unknown as Card;
  const ops = {
    ndo_start_xmit: (skb: SkBuff): number => {
      if (c.busy) return 0x10;
      c.sent.push({ queue: skb.queue_mapping, len: skb.len, id: skb.head.dv.getUint16(skb.data + 14) });
      consume_skb(skb);
      return 0;
    },
  };
  c.dev = alloc_netdev_mqs(net, name, ops, ether_setup, txqs, 1);
  c.dev.header_ops = eth_header_ops;
  c.dev.dev_addr = Uint8Array.of(2, 0, 0, 0, 0, 1);
  rig.call(() => assert.equal(register_netdevice(c.dev), 0));
  rig.up(c.dev);
  return c;
}

let next_id = 0;
/** A frame of an unknown protocol, so that nobody else takes it. */
function frame(rig: KernelRig, dev: NetDevice, len = 60, id = ++next_id): SkBuff {
  const skb = alloc_skb(rig.k, len + 64)!;
  skb_reserve(skb, 64);
  const at = skb_put(skb, len);
  skb.head.u8.fill(0, at, at + len);
  skb.head.dv.setUint16(at + 12, 0x88b5);
  skb.head.dv.setUint16(at + 14, id);
  skb.dev = dev;
  skb.protocol = 0x88b5;
  skb.network_header = at + 14;
  return skb;
}
const tap = (
  type: number,
  seen: SkBuff[] | null,
  on: (skb: SkBuff) => void,
  dev: NetDevice | null = null,
): PacketType => ({
  type,
  dev,
  net: null,
  name: "test",
  af_packet_priv: null,
  func: (skb) => {
    seen?.push(skb);
    on(skb);
    consume_skb(skb);
    return 0;
  },
});

test("backlog: netdev_max_backlog + 1 packets wait, the next are dropped and counted (softnet_stat, rx_dropped)", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const c = card(rig, "eth0");
  let got = 0;
  const pt = tap(0x88b5, null, () => got++);
  dev_add_pack(k, pt);
  k.netdev_max_backlog = 10;
  const rc: number[] = [];
  rig.call(() => {
    for (let i = 0; i < 15; i++) rc.push(netif_rx(frame(rig, c.dev)));
  });
  assert.deepEqual(rc, [...Array(11).fill(0), 1, 1, 1, 1]);
  assert.deepEqual([got, k.cpu.softnet_data.dropped, c.dev.stats.rx_dropped], [11, 4, 4]);
  assert.equal(k.drops[SKB_DROP_REASON_CPU_BACKLOG], 4);
  dev_remove_pack(k, pt);
  rig.end();
});

test("a device that is down receives nothing", () => {
  const rig = new KernelRig();
  const c = card(rig, "eth0");
  rig.down(c.dev);
  rig.call(() => assert.equal(netif_rx(frame(rig, c.dev)), 1));
  assert.equal(rig.k.drops[SKB_DROP_REASON_DEV_READY], 1);
  // softnet_stat counts full backlogs only (since 6.10).
  assert.deepEqual([c.dev.stats.rx_dropped, rig.k.cpu.softnet_data.dropped], [1, 0]);
  rig.call(() => dev_queue_xmit(frame(rig, c.dev)));
  assert.equal(c.sent.length, 0);
  rig.end();
});

test("a device that goes with packets in the backlog takes only its own with it", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const [a, b] = [card(rig, "eth0"), card(rig, "eth1")];
  const got: string[] = [];
  const pt = tap(0x88b5, null, (skb) => got.push(skb.dev!.name));
  dev_add_pack(k, pt);
  rig.call(() => {
    for (const c of [a, b, a, b]) netif_rx(frame(rig, c.dev));
    unregister_netdevice(a.dev);
  });
  assert.deepEqual(got, ["eth1", "eth1"]);
  dev_remove_pack(k, pt);
  rig.end();
});

test("moved to another namespace with packets in flight: they are dropped, name and index are kept if free", () => {
  const rig = new KernelRig();
  const other = rig.netns("other");
  const c = card(rig, "eth0");
  const index = c.dev.ifindex;
  rig.call(() => {
    netif_rx(frame(rig, c.dev));
    assert.equal(dev_change_net_namespace(c.dev, other, null), 0);
  });
  assert.deepEqual([c.dev.net, c.dev.flags & 1, c.dev.ifindex], [other, 0, index]);
  assert.equal(rig.net.dev_by_name.has("eth0"), false);
  const d = card(rig, "eth0");
  rig.call(() => {
    assert.equal(dev_change_net_namespace(d.dev, other, null), -17);
    assert.equal(dev_change_net_namespace(d.dev, other, "dev%d"), 0);
  });
  assert.equal(d.dev.name, "dev0");
  rig.end();
});

test("names: EEXIST, EINVAL, and while it is up a device can be renamed", () => {
  const rig = new KernelRig();
  const c = card(rig, "eth0");
  rig.call(() => {
    assert.deepEqual(
      ["lo", "", "a/b", "a b", "x".repeat(16), ".", ".."].map((n) => dev_change_name(c.dev, n)),
      [-17, -22, -22, -22, -22, -22, -22],
    );
    assert.equal(dev_change_name(c.dev, "lan"), 0);
  });
  assert.equal(rig.dev("lan"), c.dev);
  rig.end();
});

test("NET_RX: one turn of 64 for each instance and run; who has more waits for the next run; the budget of 300 squeezes", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const c = card(rig, "eth0");
  const turns: string[] = [];
  const instance = (name: string, packets: number): NapiStruct => {
    let left = packets;
    const napi = netif_napi_add(
      c.dev,
      (n, budget) => {
        const work = Math.min(left, budget);
        left -= work;
        turns.push(`${name} ${work} in run ${k.cpu.softirqs[NET_RX_SOFTIRQ]! - runs}`);
        if (work < budget) napi_complete_done(n, work);
        return work;
      },
      null,
    );
    napi_enable(napi);
    return napi;
  };
  let runs = 0;
  const poll = (...list: NapiStruct[]): string[] => {
    turns.length = 0;
    runs = k.cpu.softirqs[NET_RX_SOFTIRQ]!;
    rig.call(() => {
      for (const n of list) napi_schedule(n);
    });
    rig.run(1);
    return turns.slice();
  };
  assert.deepEqual(poll(instance("a", 150), instance("b", 10)), [
    "a 64 in run 1",
    "b 10 in run 1",
    "a 64 in run 2",
    "a 22 in run 3",
  ]);
  assert.equal(k.cpu.softnet_data.time_squeeze, 0);
  // Five with full rings are 320: the budget ends after the fifth, also where nobody is left behind it.
  const five = poll(...["p", "q", "r", "s", "t"].map((n) => instance(n, 70)));
  assert.deepEqual(five.slice(4, 6), ["t 64 in run 1", "p 6 in run 2"]);
  assert.equal(k.cpu.softnet_data.time_squeeze, 1);
  rig.end();
});

test("a stopped queue holds packets in the qdisc, and a wake sends them in order in NET_TX", () => {
  const rig = new KernelRig();
  const c = card(rig, "eth0");
  rig.call(() => {
    netif_tx_stop_queue(c.dev.tx[0]!);
    for (let i = 1; i <= 5; i++) assert.equal(dev_queue_xmit(frame(rig, c.dev, 60, i)), 0);
  });
  assert.deepEqual([c.sent.length, c.dev.tx[0]!.qdisc.qlen], [0, 5]);
  const runs = rig.k.cpu.softirqs[2]!;
  rig.call(() => netif_tx_wake_queue(c.dev.tx[0]!));
  assert.deepEqual(
    c.sent.map((s) => s.id),
    [1, 2, 3, 4, 5],
  );
  assert.ok(rig.k.cpu.softirqs[2]! > runs);
  rig.end();
});

test("NETDEV_TX_BUSY: the packet is kept, first in line, and goes out before what came later", () => {
  const rig = new KernelRig();
  const c = card(rig, "eth0");
  c.busy = true;
  rig.call(() => dev_queue_xmit(frame(rig, c.dev, 60, 1)));
  c.busy = false;
  rig.call(() => dev_queue_xmit(frame(rig, c.dev, 60, 2)));
  rig.run(1);
  assert.deepEqual(
    c.sent.map((s) => s.id),
    [1, 2],
  );
  rig.end();
});

test("going down frees what the qdisc holds", () => {
  const rig = new KernelRig();
  const c = card(rig, "eth0");
  rig.call(() => {
    netif_tx_stop_queue(c.dev.tx[0]!);
    for (let i = 0; i < 3; i++) dev_queue_xmit(frame(rig, c.dev));
  });
  assert.equal(rig.k.skb_pool.live_skbs, 3);
  rig.down(c.dev);
  assert.equal(rig.k.skb_pool.live_skbs, 0);
  rig.end();
});

test("XPS: the queue of the CPU that sends; without it a flow's hash, the same every time", () => {
  const rig = new KernelRig({ cpus: 4 });
  const { k } = rig;
  const c = card(rig, "eth0", 4);
  for (let q = 0; q < 4; q++) c.dev.tx[q]!.xps_cpus = 1 << (3 - q);
  c.dev.tx_global_xps = true;
  for (let cpu = 0; cpu < 4; cpu++) {
    k.cpu = k.cpus[cpu]!;
    rig.call(() => dev_queue_xmit(frame(rig, c.dev)));
  }
  k.cpu = k.cpus[0]!;
  assert.deepEqual(
    c.sent.map((s) => s.queue),
    [3, 2, 1, 0],
  );
  c.dev.tx_global_xps = false;
  c.sent.length = 0;
  for (let i = 0; i < 3; i++)
    rig.call(() => {
      const skb = frame(rig, c.dev);
      skb.hash = 0x12345678;
      skb.l4_hash = true;
      dev_queue_xmit(skb);
    });
  assert.equal(new Set(c.sent.map((s) => s.queue)).size, 1);
  rig.end();
});

test("taps see what is sent and received, a clone each; an ETH_P_ALL tap of a device only that device", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const [a, b] = [card(rig, "eth0"), card(rig, "eth1")];
  const log: string[] = [];
  const note =
    (who: string) =>
    (skb: SkBuff): void => {
      log.push(`${who} ${skb.dev!.name} ${skb.pkt_type === 4 ? "out" : "in"}`);
    };
  const pts = [tap(3, null, note("all")), tap(3, null, note("dev"), b.dev)];
  for (const pt of pts) dev_add_pack(k, pt);
  rig.call(() => {
    dev_queue_xmit(frame(rig, a.dev));
    dev_queue_xmit(frame(rig, b.dev));
    netif_rx(frame(rig, b.dev));
  });
  assert.deepEqual(log.sort(), ["all eth0 out", "all eth1 in", "all eth1 out", "dev eth1 in", "dev eth1 out"]);
  for (const pt of pts) dev_remove_pack(k, pt);
  rig.end();
});

test("what is sent is cloned once for all taps", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const c = card(rig, "eth0");
  const seen: SkBuff[] = [];
  const pts = [tap(3, seen, () => {}), tap(3, seen, () => {}), tap(3, seen, () => {}, c.dev)];
  for (const pt of pts) dev_add_pack(k, pt);
  const skb = frame(rig, c.dev);
  rig.call(() => dev_queue_xmit(skb));
  assert.equal(seen.length, 3);
  assert.equal(new Set(seen).size, 1);
  assert.notEqual(seen[0], skb);
  for (const pt of pts) dev_remove_pack(k, pt);
  rig.end();
});

test("PACKET_QDISC_BYPASS: straight to the driver; a stopped queue drops", () => {
  const rig = new KernelRig();
  const c = card(rig, "eth0");
  rig.call(() => {
    assert.equal(dev_direct_xmit(frame(rig, c.dev), 7), 0);
    netif_tx_stop_queue(c.dev.tx[0]!);
    assert.equal(dev_direct_xmit(frame(rig, c.dev), 0), 1);
  });
  assert.deepEqual([c.sent.length, c.sent[0]!.queue, c.dev.tx[0]!.qdisc.qlen], [1, 0, 0]);
  rig.end();
});

test("dev_kfree_skb_irq: freed in NET_TX_SOFTIRQ", () => {
  const rig = new KernelRig();
  const c = card(rig, "eth0");
  rig.call(() => {
    dev_kfree_skb_irq(frame(rig, c.dev));
    dev_kfree_skb_irq(frame(rig, c.dev));
    assert.equal(rig.k.skb_pool.live_skbs, 2);
  });
  assert.equal(rig.k.skb_pool.live_skbs, 0);
  rig.end();
});

test("RPS: a flow is received on the CPU of the mask that its hash names, always the same", () => {
  const rig = new KernelRig({ cpus: 4 });
  const { k } = rig;
  const { a, b, vb } = rig.pair();
  vb.rx[0]!.rps_cpus = 0b1110;
  vb.rx[0]!.rps_map = [1, 2, 3];
  k.rps_needed = true;
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const used = new Set<number>();
  for (let flow = 0; flow < 30; flow++) {
    const s = sa.socket(2, 2, 0);
    const of_flow = new Set<number>();
    for (let i = 0; i < 3; i++) {
      const before = k.cpus.map((c) => c.softnet_data.received_rps);
      assert.equal(now(sa.sendto(s, new Uint8Array(10), 0, sockaddr("10.0.0.2", 9))), 10);
      assert.equal(now(sb.recvfrom(d, new Uint8Array(10), 0x40, null)), 10);
      k.cpus.forEach((c, n) => {
        if (c.softnet_data.received_rps !== before[n]) of_flow.add(n);
      });
    }
    assert.equal(of_flow.size, 1);
    for (const n of of_flow) used.add(n);
    sa.close(s);
  }
  assert.deepEqual([...used].sort(), [1, 2, 3]);
  rig.end();
});
