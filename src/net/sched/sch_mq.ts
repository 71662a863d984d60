// mq: the root of a device with several queues. One class per queue; packets never pass through it. Mirrors sch_mq.c.
// Read first: docs/path-of-a-packet.md, "qdisc". Way in: attach_default_qdiscs() in net/core/dev_api.ts; tc qdisc add … mq.

import { EOPNOTSUPP } from "../../uapi/errno.ts";
import { dev_activate, dev_deactivate, dev_graft_qdisc, IFF_UP } from "../core/dev_api.ts";
import { SKB_DROP_REASON_QDISC_DROP } from "../core/dropreason.ts";
import { NET_XMIT_DROP, type NetDevice } from "../core/netdevice.ts";
import { kfree_skb_reason } from "../core/skbuff.ts";
import {
  noqueue_qdisc_ops,
  type Qdisc,
  type QdiscOps,
  qdisc_create_dflt,
  qdisc_dev,
  qdisc_put,
  TCQ_F_MQROOT,
  TCQ_F_NOPARENT,
  TCQ_F_ONETXQUEUE,
} from "./sch_generic.ts";

const TC_H_ROOT = 0xffffffff;

/** Children made by init(), until attach() gives each to its queue. */
class MqSched {
  qdiscs: (Qdisc | null)[] = [];
  attached = false;
}

const priv = (sch: Qdisc): MqSched => sch.priv as MqSched;

function mq_init(sch: Qdisc, _opt: Uint8Array | null, extack: { msg: string }): number {
  const dev = qdisc_dev(sch);
  if (sch.parent >>> 0 !== TC_H_ROOT) return -EOPNOTSUPP;
  if (dev.tx.length < 2) return -EOPNOTSUPP;
  const q = new MqSched();
  sch.priv = q;
  sch.flags |= TCQ_F_MQROOT;
  const k = dev.net.kernel;
  const ops = k.qdisc_base.get(k.default_qdisc) ?? noqueue_qdisc_ops;
  for (const queue of dev.tx) {
    const child = qdisc_create_dflt(queue, ops, mq_classid(sch, queue.index));
    if (child === null) {
      extack.msg = "";
      for (const c of q.qdiscs) if (c !== null) qdisc_put(c);
      return -12;
    }
    child.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
    q.qdiscs.push(child);
  }
  return 0;
}

const mq_classid = (sch: Qdisc, index: number): number => ((sch.handle & 0xffff0000) | (index + 1)) >>> 0;

/** Each child becomes the sleeping qdisc of its queue; dev_activate() wakes them. */
function mq_attach(sch: Qdisc): void {
  const dev = qdisc_dev(sch);
  const q = priv(sch);
  for (const queue of dev.tx) {
    const child = q.qdiscs[queue.index];
    if (child === null || child === undefined) continue;
    // Whoever replaces a root gives back what the queues had.
    queue.qdisc_sleeping = child;
    child.parent = mq_classid(sch, queue.index);
    q.qdiscs[queue.index] = null;
  }
  q.attached = true;
}

/** What the classes hold and have sent, added up, as `tc -s qdisc` shows of the root. */
function mq_sum(sch: Qdisc): void {
  const dev: NetDevice = qdisc_dev(sch);
  sch.qlen = 0;
  sch.backlog = 0;
  sch.bytes = 0;
  sch.packets = 0;
  sch.drops = 0;
  sch.requeues = 0;
  sch.overlimits = 0;
  for (const queue of dev.tx) {
    const c = queue.qdisc_sleeping;
    sch.qlen += c.qlen;
    sch.backlog += c.backlog;
    sch.bytes += c.bytes;
    sch.packets += c.packets;
    sch.drops += c.drops;
    sch.requeues += c.requeues;
    sch.overlimits += c.overlimits;
  }
}

export const mq_qdisc_ops: QdiscOps = {
  id: "mq",
  init: mq_init,
  attach: mq_attach,
  destroy: (sch) => {
    for (const c of (sch.priv as MqSched | null)?.qdiscs ?? []) if (c !== null) qdisc_put(c);
  },
  enqueue: (skb) => {
    // Never: the queues have the children themselves.
    kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP);
    return NET_XMIT_DROP;
  },
  dequeue: () => null,
  dump: (sch) => {
    mq_sum(sch);
    return null;
  },
  cl_ops: {
    dump_root: true,
    dump_stats: true,
    walk: (sch) =>
      qdisc_dev(sch).tx.map((queue) => ({ classid: mq_classid(sch, queue.index), leaf: queue.qdisc_sleeping })),
    graft: (sch, classid, child) => {
      const dev = qdisc_dev(sch);
      const queue = dev.tx[(classid & 0xffff) - 1];
      if (queue === undefined) return -2;
      if (child !== null) child.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
      const up = (dev.flags & IFF_UP) !== 0;
      if (up) dev_deactivate(dev);
      // Without a child the queue drops what it gets: nothing brings the default back.
      const old = dev_graft_qdisc(dev, queue, child);
      if (up) dev_activate(dev);
      return old;
    },
    leaf: (sch, classid) => qdisc_dev(sch).tx[(classid & 0xffff) - 1]?.qdisc_sleeping ?? null,
  },
};
