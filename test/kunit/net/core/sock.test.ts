// struct sock: how long it lives, who holds it, what its buffers count.

import assert from "node:assert/strict";
import { test } from "node:test";
import { alloc_skb, consume_skb, skb_clone, skb_orphan } from "../../../../src/net/core/skbuff.ts";
import { skb_set_owner_r, skb_set_owner_w } from "../../../../src/net/core/sock.ts";
import type { UdpSock } from "../../../../src/net/ipv4/udp_table.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

test("a closed socket lives until the last packet it sent is gone", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const fd = sys.socket(2, 2, 0);
  sys.bind(fd, sockaddr("127.0.0.1", 9));
  const sk = rig.net.udp_table.hash[9]![0] as UdpSock;
  const skb = alloc_skb(rig.k, 100)!;
  skb_set_owner_w(skb, sk);
  assert.equal(sk.sk_wmem_alloc, skb.truesize);
  sys.close(fd);
  assert.equal(rig.k.live_socks, 1);
  assert.equal(rig.net.udp_table.count, 0, "but nobody finds it any more");
  consume_skb(skb);
  assert.equal(rig.k.live_socks, 0);
  rig.end();
});

test("closing with datagrams unread frees them; one packet changes owners without counting twice", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const fd = sys.socket(2, 2, 0);
  sys.bind(fd, sockaddr("127.0.0.1", 9));
  const sk = rig.net.udp_table.hash[9]![0] as UdpSock;
  for (let i = 0; i < 5; i++) now(sys.sendto(fd, new Uint8Array(10), 0, sockaddr("127.0.0.1", 9)));
  assert.deepEqual([sk.sk_wmem_alloc, sk.sk_rmem_alloc, sk.sk_receive_queue.qlen], [0, 5 * 832, 5]);
  const skb = alloc_skb(rig.k, 100)!;
  skb_set_owner_w(skb, sk);
  skb_set_owner_r(skb, sk);
  assert.deepEqual([sk.sk_wmem_alloc, sk.sk_rmem_alloc], [0, 6 * 832]);
  const clone = skb_clone(skb);
  skb_orphan(skb);
  assert.equal(sk.sk_rmem_alloc, 5 * 832);
  consume_skb(clone);
  consume_skb(skb);
  sys.close(fd);
  assert.equal(rig.k.skb_pool.live_skbs, 0);
  rig.end();
});

test("what a device holds counts against the sender: its buffer fills (EAGAIN, SndbufErrors) and drains", () => {
  const rig = new KernelRig();
  const { a } = rig.pair();
  const sys = rig.task(a);
  const fd = sys.socket(2, 2, 0);
  sys.bind(fd, sockaddr("0.0.0.0", 9));
  sys.setsockopt(fd, 1, 7, 4608);
  const sk = a.udp_table.hash[9]![0] as UdpSock;
  const skb = alloc_skb(rig.k, 8000)!;
  skb_set_owner_w(skb, sk);
  assert.equal(now(sys.sendto(fd, new Uint8Array(1), 0x40, sockaddr("10.0.0.2", 9))), -11);
  assert.equal(rig.mib(a).UdpSndbufErrors, 1);
  consume_skb(skb);
  assert.equal(now(sys.sendto(fd, new Uint8Array(1), 0x40, sockaddr("10.0.0.2", 9))), 1);
  rig.end();
});
