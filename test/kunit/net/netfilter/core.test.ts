// Netfilter hooks: order, verdicts, who frees the packet, and what okfn sees.
import assert from "node:assert/strict";
import { test } from "node:test";
import { tracer_records, tracer_start, tracer_stop } from "../../../../src/kernel/trace.ts";
import { trace_key } from "../../../../src/kernel/trace_key.ts";
import { SKB_DROP_REASON_NETFILTER_DROP } from "../../../../src/net/core/dropreason.ts";
import { consume_skb, type SkBuff } from "../../../../src/net/core/skbuff.ts";
import {
  NF_ACCEPT,
  NF_ARP_IN,
  NF_DROP,
  NF_DROP_ERR,
  NF_HOOK,
  NF_HOOK_COND,
  NF_INET_LOCAL_IN,
  NF_INET_LOCAL_OUT,
  NF_INET_POST_ROUTING,
  NF_INET_PRE_ROUTING,
  NF_QUEUE_NR,
  NF_REPEAT,
  NF_STOLEN,
  NF_STOP,
  NF_VERDICT_FLAG_QUEUE_BYPASS,
  NFPROTO_ARP,
  NFPROTO_INET,
  NFPROTO_IPV4,
  NFPROTO_IPV6,
  type NfHookOps,
  type NfOkFn,
  type NfQueueEntry,
  netfilter_init,
  nf_hooks_active,
  nf_register_net_hook,
  nf_register_net_hooks,
  nf_reinject,
  nf_unregister_net_hook,
  nf_unregister_net_hooks,
} from "../../../../src/net/netfilter/core.ts";
import { Rig } from "../core/neigh_rig.ts";

function rig(): {
  r: Rig;
  order: string[];
  ok: NfOkFn;
  hook: (name: string, priority: number, verdict?: number) => NfHookOps;
} {
  const r = new Rig(netfilter_init);
  const order: string[] = [];
  return {
    r,
    order,
    ok: (_net, _sk, skb) => {
      order.push("ok");
      consume_skb(skb);
      return 7;
    },
    hook: (name, priority, verdict = NF_ACCEPT) => ({
      pf: NFPROTO_IPV4,
      hooknum: NF_INET_PRE_ROUTING,
      priority,
      priv: name,
      hook: (priv) => {
        order.push(priv as string);
        return verdict;
      },
    }),
  };
}

const run = (r: Rig, skb: SkBuff, ok: NfOkFn, pf = NFPROTO_IPV4, hook = NF_INET_PRE_ROUTING): number =>
  r.call(() => NF_HOOK(pf, hook, r.net, null, skb, null, null, ok));

test("no hook: okfn is called at once, and its result is the result", () => {
  const { r, order, ok } = rig();
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV4, NF_INET_PRE_ROUTING), false);
  assert.equal(run(r, r.skb(null), ok), 7);
  assert.deepEqual(order, ["ok"]);
  r.end();
});

test("hooks run by priority; of equals the newest first; unregistering takes one out", () => {
  const { r, order, ok, hook } = rig();
  const first = hook("-200", -200);
  const a = hook("a", 0);
  const b = hook("b", 0);
  const last = hook("100", 100);
  for (const h of [a, last, first, b]) assert.equal(nf_register_net_hook(r.net, h), 0);
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV4, NF_INET_PRE_ROUTING), true);
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV4, NF_INET_LOCAL_IN), false);
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV6, NF_INET_PRE_ROUTING), false);
  run(r, r.skb(null), ok);
  assert.deepEqual(order.splice(0), ["-200", "b", "a", "100", "ok"]);
  assert.equal(nf_unregister_net_hook(r.net, b), 0);
  assert.equal(nf_unregister_net_hook(r.net, b), -2);
  run(r, r.skb(null), ok);
  assert.deepEqual(order.splice(0), ["-200", "a", "100", "ok"]);
  nf_unregister_net_hooks(r.net, [a, first, last]);
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV4, NF_INET_PRE_ROUTING), false);
  r.end();
});

test("DROP frees with NETFILTER_DROP and gives EPERM, or the errno of the verdict", () => {
  const { r, order, ok, hook } = rig();
  const h = hook("drop", 0, NF_DROP);
  nf_register_net_hook(r.net, h);
  nf_register_net_hook(r.net, hook("later", 1));
  assert.equal(run(r, r.skb(null), ok), -1);
  assert.deepEqual(order, ["drop"]);
  assert.equal(r.k.drops[SKB_DROP_REASON_NETFILTER_DROP], 1);
  nf_unregister_net_hook(r.net, h);
  nf_register_net_hook(r.net, hook("err", 0, NF_DROP_ERR(113)));
  assert.equal(run(r, r.skb(null), ok), -113);
  r.end();
});

test("STOLEN: the hook has the packet; STOP: no later hook sees it; REPEAT: the same hook again", () => {
  const { r, order, ok } = rig();
  const kept: SkBuff[] = [];
  let verdict = NF_STOLEN;
  let repeats = 0;
  nf_register_net_hook(r.net, {
    pf: NFPROTO_IPV4,
    hooknum: NF_INET_PRE_ROUTING,
    priority: 0,
    priv: null,
    hook: (_p, skb) => {
      order.push("h");
      if (verdict === NF_STOLEN) kept.push(skb);
      if (verdict === NF_REPEAT && repeats++ === 2) return NF_ACCEPT;
      return verdict;
    },
  });
  nf_register_net_hook(r.net, {
    pf: NFPROTO_IPV4,
    hooknum: NF_INET_PRE_ROUTING,
    priority: 1,
    priv: null,
    hook: () => {
      order.push("later");
      return NF_ACCEPT;
    },
  });
  assert.equal(run(r, r.skb(null), ok), 0);
  assert.deepEqual(order.splice(0), ["h"]);
  r.call(() => consume_skb(kept[0]!));
  verdict = NF_STOP;
  run(r, r.skb(null), ok);
  assert.deepEqual(order.splice(0), ["h", "ok"]);
  verdict = NF_REPEAT;
  run(r, r.skb(null), ok);
  assert.deepEqual(order.splice(0), ["h", "h", "h", "later", "ok"]);
  r.end();
});

test("QUEUE: without a listener the packet goes, or goes on by the bypass flag; with one it waits for nf_reinject", () => {
  const { r, order, ok, hook } = rig();
  let verdict = NF_QUEUE_NR(3);
  const h: NfHookOps = {
    pf: NFPROTO_IPV4,
    hooknum: NF_INET_PRE_ROUTING,
    priority: 0,
    priv: null,
    hook: () => {
      order.push("q");
      return verdict;
    },
  };
  nf_register_net_hook(r.net, h);
  nf_register_net_hook(r.net, hook("later", 1));
  assert.equal(run(r, r.skb(null), ok), -3);
  assert.deepEqual(order.splice(0), ["q"]);
  verdict = NF_QUEUE_NR(3) | NF_VERDICT_FLAG_QUEUE_BYPASS;
  assert.equal(run(r, r.skb(null), ok), 7);
  assert.deepEqual(order.splice(0), ["q", "later", "ok"]);

  const waiting: NfQueueEntry[] = [];
  r.net.nf_queue_handler = {
    outfn: (e, n) => {
      if (n === 99) return -105;
      waiting.push(e);
      return 0;
    },
    nf_hook_drop: () => {},
  };
  verdict = NF_QUEUE_NR(3);
  const dev = r.dev();
  const before = dev.refcnt;
  const queue = (): number =>
    r.call(() => NF_HOOK(NFPROTO_IPV4, NF_INET_PRE_ROUTING, r.net, null, r.skb(dev), dev, null, ok));
  assert.equal(queue(), 0);
  assert.equal(dev.refcnt, before + 1, "the device stays while the packet waits");
  assert.equal(waiting[0]!.queuenum, 3);
  assert.deepEqual(order.splice(0), ["q"]);
  r.call(() => nf_reinject(waiting.shift()!, NF_ACCEPT));
  assert.deepEqual(order.splice(0), ["later", "ok"]);
  assert.equal(dev.refcnt, before);
  queue();
  r.call(() => nf_reinject(waiting.shift()!, NF_DROP));
  assert.deepEqual(order.splice(0), ["q"]);
  queue();
  r.call(() => nf_reinject(waiting.shift()!, NF_REPEAT));
  assert.deepEqual(order.splice(0), ["q", "q"], "shown to the same hook, which queues it again");
  r.call(() => nf_reinject(waiting.shift()!, NF_STOP));
  assert.deepEqual(order.splice(0), ["ok"]);
  verdict = NF_QUEUE_NR(99);
  assert.equal(queue(), -105);
  assert.equal(r.k.drops[SKB_DROP_REASON_NETFILTER_DROP], 3);
  r.end();
});

test("NFPROTO_INET is both families; a hook that does not exist is refused, and of several all or none", () => {
  const { r } = rig();
  const ops = (pf: number, hooknum: number): NfHookOps => ({
    pf,
    hooknum,
    priority: 0,
    priv: null,
    hook: () => NF_ACCEPT,
  });
  const both = ops(NFPROTO_INET, NF_INET_POST_ROUTING);
  assert.equal(nf_register_net_hook(r.net, both), 0);
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV4, NF_INET_POST_ROUTING), true);
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV6, NF_INET_POST_ROUTING), true);
  assert.equal(nf_unregister_net_hook(r.net, both), 0);
  assert.equal(nf_hooks_active(r.net, NFPROTO_IPV6, NF_INET_POST_ROUTING), false);
  assert.equal(nf_register_net_hook(r.net, ops(NFPROTO_INET, 5)), -22);
  assert.equal(nf_register_net_hook(r.net, ops(11, 0)), -22);
  assert.equal(nf_register_net_hooks(r.net, [ops(NFPROTO_ARP, NF_ARP_IN), ops(NFPROTO_IPV4, 9)]), -22);
  assert.equal(nf_hooks_active(r.net, NFPROTO_ARP, NF_ARP_IN), false);
  r.end();
});

test("hooks nest: a hook that sends has a state of its own", () => {
  const { r, order, ok } = rig();
  const dev = r.dev();
  nf_register_net_hook(r.net, {
    pf: NFPROTO_IPV4,
    hooknum: NF_INET_PRE_ROUTING,
    priority: 0,
    priv: null,
    hook: (_p, _skb, state) => {
      NF_HOOK(NFPROTO_IPV4, NF_INET_LOCAL_OUT, r.net, null, r.skb(dev), null, dev, ok);
      order.push(`${state.hook} ${state.in?.name} ${state.out === null}`);
      return NF_ACCEPT;
    },
  });
  nf_register_net_hook(r.net, {
    pf: NFPROTO_IPV4,
    hooknum: NF_INET_LOCAL_OUT,
    priority: 0,
    priv: null,
    hook: (_p, _skb, state) => {
      order.push(`${state.hook} ${state.out?.name}`);
      return NF_ACCEPT;
    },
  });
  r.call(() => NF_HOOK(NFPROTO_IPV4, NF_INET_PRE_ROUTING, r.net, null, r.skb(dev), dev, null, ok));
  assert.deepEqual(order, ["3 eth0", "ok", "0 eth0 true", "ok"]);
  r.end();
});

test("NF_HOOK_COND passes by; a walk names hook, priority and verdict", () => {
  const { r, order, ok, hook } = rig();
  nf_register_net_hook(r.net, { ...hook("h", -5, NF_DROP), name: "raw" });
  const skb = r.skb(null);
  assert.equal(
    r.call(() => NF_HOOK_COND(NFPROTO_IPV4, NF_INET_PRE_ROUTING, r.net, null, skb, null, null, ok, false)),
    7,
  );
  assert.deepEqual(order.splice(0), ["ok"]);
  const t = tracer_start(r.k, { detail: true });
  run(r, r.skb(null), ok);
  tracer_stop(r.k);
  trace_key.on = false;
  const notes = [...tracer_records(t)].map((x) => x.note).filter((n) => n !== null && n.kind === "nf");
  assert.deepEqual(notes, [{ kind: "nf", pf: 2, hook: "PREROUTING", by: "raw", priority: -5, verdict: "DROP" }]);
  r.end();
});
