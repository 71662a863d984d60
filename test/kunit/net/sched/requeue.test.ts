// A driver whose ring fills in the middle of a packet's segments: what is left waits at the head of the qdisc, counted, in order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { netif_tx_wake_queue } from "../../../../src/net/core/dev.ts";
import { alloc_netdev, register_netdevice } from "../../../../src/net/core/dev_api.ts";
import { __QUEUE_STATE_DRV_XOFF, type NetDevice } from "../../../../src/net/core/netdevice.ts";
import { consume_skb, type SkBuff } from "../../../../src/net/core/skbuff.ts";
import { eth_header_ops, ether_setup } from "../../../../src/net/ethernet/eth.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

test("five segments for a ring of two: three are requeued (requeues counts each), and leave in order as room comes", () => {
  const rig = new KernelRig();
  const sent: number[] = [];
  let room = 2;
  const ops = {
    ndo_start_xmit: (skb: SkBuff, dev: NetDevice): number => {
      sent.push(skb.head.u8[skb.transport_header + 8]!);
      consume_skb(skb);
      if (--room === 0) dev.tx[0]!.state |= __QUEUE_STATE_DRV_XOFF;
      return 0;
    },
  };
  const dev = alloc_netdev(rig.net, "d0", ops, ether_setup);
  dev.header_ops = eth_header_ops;
  dev.dev_addr = Uint8Array.of(2, 0, 0, 0, 0, 1);
  rig.call(() => assert.equal(register_netdevice(dev), 0));
  rig.up(rig.net.loopback_dev, dev);
  rig.ip("addr add 10.0.0.1/24 dev d0");
  rig.run(5000);
  room = 1e9;
  const sys = rig.task();
  const u = sys.socket(2, 2, 0);
  // To everybody: no neighbour has to be found.
  assert.equal(sys.setsockopt(u, 1, 6, Uint8Array.of(1, 0, 0, 0)), 0);
  assert.equal(sys.setsockopt(u, 17, 103, Uint8Array.of(100, 0, 0, 0)), 0);
  const q = dev.tx[0]!.qdisc;
  const before = q.packets;
  sent.length = 0;
  room = 2;
  const message = Uint8Array.from({ length: 500 }, (_, i) => 1 + Math.floor(i / 100));
  assert.equal(now(sys.sendto(u, message, 0, sockaddr("10.0.0.255", 9))), 500);
  assert.deepEqual([sent, q.qlen, q.requeues, q.drops], [[1, 2], 3, 3, 0]);
  const wake = (n: number): void => {
    room = n;
    rig.call(() => netif_tx_wake_queue(dev.tx[0]!));
  };
  // They are taken one by one: the two for which there is no room have not moved.
  wake(1);
  assert.deepEqual([sent, q.qlen, q.requeues], [[1, 2, 3], 2, 3]);
  wake(10);
  assert.deepEqual([sent, q.qlen, q.backlog, q.requeues], [[1, 2, 3, 4, 5], 0, 0, 3]);
  assert.equal(q.packets - before, 5);
  rig.end();
});
