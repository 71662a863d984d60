// The packet's life: memory, panics, references, owners, what truesize counts. Numbers are those of Linux 6.18 on x86-64.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SKB_DROP_REASON_NOT_SPECIFIED, SKB_DROP_REASON_QUEUE_PURGE } from "../../../../src/net/core/dropreason.ts";
import {
  __skb_dequeue,
  __skb_queue_head,
  __skb_queue_tail,
  __skb_unlink,
  alloc_skb,
  build_skb,
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  consume_skb,
  head_alloc,
  kfree_skb,
  kfree_skb_list_reason,
  NET_IP_ALIGN,
  NET_SKB_PAD,
  netdev_alloc_skb,
  pskb_expand_head,
  pskb_trim,
  SKB_TRUESIZE,
  type SkBuff,
  SkBuffHead,
  skb_clone,
  skb_copy,
  skb_cow_head,
  skb_get,
  skb_linearize,
  skb_orphan,
  skb_pull,
  skb_push,
  skb_put,
  skb_queue_purge_reason,
  skb_queue_splice_tail_init,
  skb_reserve,
} from "../../../../src/net/core/skbuff.ts";
import type { UdpSock } from "../../../../src/net/ipv4/udp_table.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

test("truesize of UDP datagrams on lo is what ss -m shows on Linux", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const rx = sys.socket(2, 2, 0);
  sys.bind(rx, sockaddr("127.0.0.1", 9000));
  sys.setsockopt(rx, 1, 33, 4 << 20);
  const tx = sys.socket(2, 2, 0);
  sys.setsockopt(tx, 1, 32, 4 << 20);
  const sk = rig.net.udp_table.hash[9000 & 255]![0] as UdpSock;
  const table: [number, number][] = [
    [0, 832],
    [1, 832],
    [100, 832],
    [300, 1280],
    [500, 1280],
    [700, 2304],
    [1400, 2304],
    [2000, 4352],
    [3000, 4352],
    [4000, 8448],
    [8000, 16640],
    [16000, 16640],
    [30000, 30832],
    [60000, 60832],
  ];
  const got = table.map(([n]) => {
    assert.equal(now(sys.sendto(tx, new Uint8Array(n), 0, sockaddr("127.0.0.1", 9000))), n);
    const charged = sk.sk_rmem_alloc;
    now(sys.recvfrom(rx, new Uint8Array(65536), 0x40, null));
    assert.equal(sk.sk_rmem_alloc, 0, "given back when read");
    return [n, charged];
  });
  assert.deepEqual(got, table);
  rig.end();
});

test("SKB_TRUESIZE: small heads are 576 bytes, larger ones powers of two, and the sk_buff is 256", () => {
  assert.deepEqual(
    [0, 1, 256, 257, 704, 705, 1728, 1729].map(SKB_TRUESIZE),
    [832, 832, 832, 1280, 1280, 2304, 2304, 4352],
  );
});

test("skb_over_panic and skb_under_panic are BUGs that name the lengths, and the machine goes on", () => {
  const rig = new KernelRig();
  const skb = alloc_skb(rig.k, 100)!;
  assert.throws(() => skb_put(skb, 100_000), /skb_over_panic.*put:100000/);
  const low = alloc_skb(rig.k, 100)!;
  skb_reserve(low, 4);
  assert.throws(() => skb_push(low, 8), /skb_under_panic.*put:8/);
  kfree_skb(skb);
  kfree_skb(low);
  rig.end();
});

test("skb_put into a packet whose end is not linear is a BUG (SKB_LINEAR_ASSERT)", () => {
  const rig = new KernelRig();
  const skb = alloc_skb(rig.k, 100)!;
  const list = alloc_skb(rig.k, 10)!;
  skb_put(list, 10);
  skb.head.frag_list = list;
  skb.len += 10;
  skb.data_len += 10;
  assert.throws(() => skb_put(skb, 1));
  skb.len = skb.data_len;
  skb.tail = skb.data;
  kfree_skb(skb);
  rig.end();
});

test("a packet freed twice is a BUG, and is in the pool once", () => {
  const rig = new KernelRig();
  const skb = alloc_skb(rig.k, 100)!;
  consume_skb(skb);
  const pooled = rig.k.skb_pool.skbs.length;
  consume_skb(skb);
  assert.equal(rig.k.skb_pool.skbs.length, pooled);
  assert.match(String(rig.k.bugs[0]!.error), /freed twice/);
  rig.k.bugs.length = 0;
  rig.end();
});

test("debug: a freed head is overwritten", () => {
  const rig = new KernelRig();
  const skb = alloc_skb(rig.k, 100)!;
  const head = skb.head;
  head.u8[skb_put(skb, 1)] = 7;
  consume_skb(skb);
  assert.equal(head.u8[0], 0xa5);
  rig.end();
});

test("references: the last one frees, kfree_skb counts its reason, a clone keeps the bytes", () => {
  const rig = new KernelRig();
  const { skb_pool: pool, drops } = rig.k;
  const skb = skb_get(alloc_skb(rig.k, 100)!);
  skb.head.u8[skb_put(skb, 1)] = 42;
  consume_skb(skb);
  assert.equal(pool.live_skbs, 1);
  const clone = skb_clone(skb);
  assert.deepEqual([pool.live_skbs, pool.live_heads], [2, 1]);
  kfree_skb(skb);
  assert.equal(drops[SKB_DROP_REASON_NOT_SPECIFIED], 1);
  assert.equal(clone.head.u8[clone.data], 42);
  const n = clone.head;
  assert.equal(pskb_expand_head(clone, 64, 0), 0);
  assert.notEqual(clone.head, n);
  consume_skb(clone);
  assert.deepEqual([pool.live_skbs, pool.live_heads], [0, 0]);
  rig.end();
});

test("a reused sk_buff remembers nothing of its last life", () => {
  const rig = new KernelRig();
  const first = alloc_skb(rig.k, 100)!;
  for (const f of ["priority", "mark", "hash", "skb_iif", "vlan_tci", "queue_mapping", "ipcb_flags", "csum"] as const)
    first[f] = 99;
  first.ip_summed = CHECKSUM_PARTIAL;
  first.vlan_present = first.peeked = first.ignore_df = first.l4_hash = true;
  first.head.gso_size = 1000;
  const head = first.head;
  consume_skb(first);
  const again = alloc_skb(rig.k, 100)!;
  assert.equal(again, first);
  assert.equal(again.head, head);
  assert.deepEqual(
    [again.priority, again.mark, again.hash, again.skb_iif, again.queue_mapping, again.ipcb_flags, again.ip_summed],
    [0, 0, 0, 0, 0, 0, CHECKSUM_NONE],
  );
  assert.ok(!again.vlan_present && !again.peeked && !again.ignore_df && !again.l4_hash);
  assert.equal(again.head.gso_size, 0);
  consume_skb(again);
  rig.end();
});

test("the destructor runs once: on orphan, or at the end", () => {
  const rig = new KernelRig();
  let calls = 0;
  const owned = (): SkBuff => {
    const skb = alloc_skb(rig.k, 10)!;
    skb.destructor = () => {
      calls++;
    };
    return skb;
  };
  const a = owned();
  skb_orphan(a);
  assert.equal(calls, 1);
  consume_skb(a);
  assert.equal(calls, 1);
  consume_skb(owned());
  assert.equal(calls, 2);
  const c = owned();
  const clone = skb_clone(c);
  consume_skb(clone);
  assert.equal(calls, 2, "a clone has no owner");
  consume_skb(c);
  assert.equal(calls, 3);
  rig.end();
});

test("an owned packet that grows is not charged anew: its destructor gives back what was taken", () => {
  const rig = new KernelRig();
  const skb = alloc_skb(rig.k, 100)!;
  const before = skb.truesize;
  assert.equal(pskb_expand_head(skb, 4000, 0), 0);
  assert.ok(skb.truesize > before, "without an owner truesize follows the head");
  const grown = skb.truesize;
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  sys.socket(2, 2, 0);
  skb.sk = {} as never;
  skb.destructor = (s) => {
    assert.equal(s.truesize, grown);
  };
  assert.equal(pskb_expand_head(skb, 20_000, 0), 0);
  assert.equal(skb.truesize, grown);
  consume_skb(skb);
  rig.end();
});

test("frags count with the truesize of their page, before and after the head grows", () => {
  const rig = new KernelRig();
  const skb = alloc_skb(rig.k, 100)!;
  const page = head_alloc(rig.k, 4096)!;
  skb.head.frags[skb.head.nr_frags++] = { page, offset: 0, size: 10 };
  skb.len += 10;
  skb.data_len += 10;
  skb.truesize += 4096;
  const before = skb.truesize;
  assert.equal(pskb_expand_head(skb, 0, 0), 0);
  assert.equal(skb.truesize, before);
  assert.equal(skb_linearize(skb), 0);
  consume_skb(skb);
  rig.end();
});

test("headroom: what drivers get, skb_cow_head in steps of 64, header offsets follow", () => {
  const rig = new KernelRig();
  const skb = netdev_alloc_skb(rig.net.loopback_dev, 60)!;
  assert.equal(skb.data, NET_SKB_PAD + NET_IP_ALIGN);
  skb_put(skb, 60);
  skb.mac_header = skb.data;
  skb.network_header = skb.data + 14;
  skb.transport_header = skb.data + 34;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = skb.transport_header;
  const at = skb.data;
  assert.equal(skb_cow_head(skb, 200), 0);
  assert.equal(skb.data - at, 192);
  assert.deepEqual(
    [skb.mac_header, skb.network_header, skb.transport_header, skb.csum_start].map((h) => h - skb.data),
    [0, 14, 34, 34],
  );
  consume_skb(skb);
  rig.end();
});

test("skb_copy takes metadata, dst reference and checksum state; trimming ends CHECKSUM_COMPLETE", () => {
  const rig = new KernelRig();
  let released = 0;
  const dst = { refcnt: 1, release: () => released++ };
  const skb = alloc_skb(rig.k, 100)!;
  skb_put(skb, 50);
  Object.assign(skb, { mark: 5, priority: 6, protocol: 0x800, hash: 7, ip_summed: CHECKSUM_COMPLETE, csum: 0x1234 });
  skb.dst = dst as never;
  const copy = skb_copy(skb)!;
  assert.equal(dst.refcnt, 2);
  assert.deepEqual([copy.mark, copy.priority, copy.protocol, copy.hash, copy.csum], [5, 6, 0x800, 7, 0x1234]);
  assert.equal(pskb_trim(copy, 40), 0);
  assert.equal(copy.ip_summed, CHECKSUM_NONE);
  assert.equal(pskb_trim(skb, 50), 0);
  assert.equal(skb.ip_summed, CHECKSUM_COMPLETE, "nothing was cut");
  consume_skb(copy);
  consume_skb(skb);
  assert.equal(released, 2);
  rig.end();
});

test("build_skb takes over the caller's memory", () => {
  const rig = new KernelRig();
  const head = head_alloc(rig.k, 2048)!;
  const skb = build_skb(head, 2048);
  skb_reserve(skb, 64);
  skb_put(skb, 60);
  assert.equal(skb.truesize, 2048 + 256);
  assert.equal(skb_pull(skb, 61), -1);
  consume_skb(skb);
  rig.end();
});

test("a packet larger than any head is refused, not truncated", () => {
  const rig = new KernelRig();
  assert.equal(alloc_skb(rig.k, 1 << 20), null);
  const skb = alloc_skb(rig.k, 100)!;
  assert.equal(pskb_expand_head(skb, 1 << 20, 0), -12);
  consume_skb(skb);
  rig.end();
});

test("sk_buff_head: both ends, the middle, splicing, purging with a reason", () => {
  const rig = new KernelRig();
  const list = new SkBuffHead();
  const other = new SkBuffHead();
  const s = Array.from({ length: 6 }, () => alloc_skb(rig.k, 10)!);
  const ids = (l: SkBuffHead): number[] => {
    const out: number[] = [];
    let prev: SkBuff | null = null;
    for (let q = l.next; q !== null; q = q.next) {
      assert.equal(q.prev, prev);
      prev = q;
      out.push(s.indexOf(q));
    }
    assert.equal(l.prev, prev);
    assert.equal(l.qlen, out.length);
    return out;
  };
  __skb_queue_tail(list, s[0]!);
  __skb_queue_tail(list, s[1]!);
  __skb_queue_head(list, s[2]!);
  assert.deepEqual(ids(list), [2, 0, 1]);
  __skb_unlink(s[0]!, list);
  assert.deepEqual(ids(list), [2, 1]);
  __skb_queue_tail(other, s[3]!);
  __skb_queue_tail(other, s[4]!);
  skb_queue_splice_tail_init(other, list);
  assert.deepEqual([ids(list), ids(other)], [[2, 1, 3, 4], []]);
  assert.equal(__skb_dequeue(list), s[2]);
  assert.deepEqual(ids(list), [1, 3, 4]);
  skb_queue_purge_reason(list, SKB_DROP_REASON_QUEUE_PURGE);
  assert.equal(rig.k.drops[SKB_DROP_REASON_QUEUE_PURGE], 3);
  assert.equal(__skb_dequeue(list), null);
  s[0]!.next = s[2]!;
  s[2]!.next = s[5]!;
  kfree_skb_list_reason(s[0]!, SKB_DROP_REASON_NOT_SPECIFIED);
  rig.end();
});
