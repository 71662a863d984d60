// pfifo_fast, pfifo, bfifo, pfifo_head_drop and prio by their queues; mq by its classes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { syscall } from "../../../../src/kernel/cpu.ts";
import type { Kernel } from "../../../../src/kernel/kernel.ts";
import { alloc_skb, consume_skb, type SkBuff, skb_put } from "../../../../src/net/core/skbuff.ts";
import { bfifo_qdisc_ops, pfifo_head_drop_qdisc_ops, pfifo_qdisc_ops } from "../../../../src/net/sched/sch_fifo.ts";
import { Qdisc, type QdiscOps, qdisc_put } from "../../../../src/net/sched/sch_generic.ts";
import { pfifo_fast_ops } from "../../../../src/net/sched/sch_pfifo_fast.ts";
import { prio_qdisc_ops } from "../../../../src/net/sched/sch_prio.ts";
import { TwoHosts } from "./lab.ts";

function u32(...v: number[]): Uint8Array {
  const b = new Uint8Array(4 * v.length);
  for (let i = 0; i < v.length; i++) new DataView(b.buffer).setUint32(4 * i, v[i]!, true);
  return b;
}

function make(k: Kernel, ops: QdiscOps, opt: Uint8Array | null): Qdisc {
  const q = new Qdisc(ops, k.init_net.dev_by_name.get("eth0")!.tx[0]!, 0, true);
  assert.equal(ops.init!(q, opt, { msg: "" }), 0);
  return q;
}

function packet(k: Kernel, len: number, priority: number): SkBuff {
  const skb = alloc_skb(k, len)!;
  skb_put(skb, len);
  skb.pkt_len = len;
  skb.priority = priority;
  return skb;
}

/** What comes out, by length. */
function drain(q: Qdisc): number[] {
  const out: number[] = [];
  for (let s = q.dequeue(q); s !== null; s = q.dequeue(q)) {
    out.push(s.len);
    consume_skb(s);
  }
  return out;
}

test("fifos and bands", () => {
  const h = new TwoHosts();
  const k = h.a.kernel;
  syscall(k, () => {
    const put = (q: Qdisc, len: number, prio = 0): number => q.enqueue!(packet(k, len, prio), q);

    const pfifo = make(k, pfifo_qdisc_ops, u32(2));
    assert.deepEqual([put(pfifo, 100), put(pfifo, 200), put(pfifo, 300)], [0, 0, 1]);
    assert.deepEqual([pfifo.qlen, pfifo.backlog, pfifo.drops], [2, 300, 1]);
    assert.deepEqual(drain(pfifo), [100, 200]);
    assert.deepEqual([pfifo.qlen, pfifo.backlog, pfifo.bytes, pfifo.packets], [0, 0, 300, 2]);
    qdisc_put(pfifo);

    const bfifo = make(k, bfifo_qdisc_ops, u32(250));
    assert.deepEqual([put(bfifo, 100), put(bfifo, 200), put(bfifo, 150)], [0, 1, 0]);
    qdisc_put(bfifo);

    const head = make(k, pfifo_head_drop_qdisc_ops, u32(2));
    assert.deepEqual([put(head, 1), put(head, 2), put(head, 3)], [0, 0, 2]);
    assert.deepEqual([drain(head), head.drops], [[2, 3], 1]);
    qdisc_put(head);

    const fast = make(k, pfifo_fast_ops, null);
    // TC_PRIO_BULK goes to band 2, BESTEFFORT to band 1, INTERACTIVE to band 0.
    for (const [len, prio] of [
      [1, 2],
      [2, 0],
      [3, 6],
      [4, 2],
      [5, 7],
    ] as const)
      put(fast, len, prio);
    assert.deepEqual(drain(fast), [3, 5, 2, 1, 4]);
    // Each band holds txqueuelen packets.
    assert.equal(fast.limit, 1000);
    fast.ops.change_tx_queue_len!(fast, 1);
    assert.deepEqual([put(fast, 1, 0), put(fast, 2, 0), put(fast, 3, 6)], [0, 1, 0]);
    qdisc_put(fast);

    const opt = new Uint8Array(20);
    opt.set(u32(3));
    opt.set(pfifo_fast_ops.dump!(fast)!.subarray(4), 4);
    const prio = make(k, prio_qdisc_ops, opt);
    for (const [len, p] of [
      [1, 2],
      [2, 0],
      [3, 6],
    ] as const)
      put(prio, len, p);
    assert.equal(prio.qlen, 3);
    assert.deepEqual(drain(prio), [3, 2, 1]);
    put(prio, 9, 0);
    qdisc_put(prio);
    const bad = new Qdisc(prio_qdisc_ops, prio.dev_queue, 0, true);
    assert.equal(prio_qdisc_ops.init!(bad, u32(17, 0, 0, 0, 0), { msg: "" }), -22);
  });
  h.close();
});

test("a card with several queues has mq, whose classes show what each sent", () => {
  const h = new TwoHosts({ cpus: 4 });
  h.sh(h.a, "ping -c 3 10.0.0.2");
  const shown = h.sh(h.a, "tc qdisc show dev eth0").trim().split("\n");
  assert.match(shown[0]!, /^qdisc mq 0: root/);
  assert.equal(shown.length, 1 + h.a.kernel.init_net.dev_by_name.get("eth0")!.tx.length);
  assert.match(shown[1]!, /^qdisc pfifo_fast 0: parent :\d bands 3 priomap 1 2 2 2 1 2 0 0 1 1 1 1 1 1 1 1$/);
  const sent = [...h.sh(h.a, "tc -s qdisc show dev eth0").matchAll(/Sent (\d+) bytes/g)].map((x) => Number(x[1]));
  assert.equal(
    sent[0],
    sent.slice(1).reduce((a, b) => a + b, 0),
  );
  assert.ok(sent[0]! >= 3 * 98);
  h.close();
});
