// The neighbour state machine: each transition of RFC 4861 section 7.3.3 at the time Linux makes it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SKB_DROP_REASON_NEIGH_QUEUEFULL } from "../../../../src/net/core/dropreason.ts";
import {
  __neigh_create,
  __neigh_set_probe_once,
  NDST_RES_FAILED,
  NDST_UNRES_DISCARDS,
  NEIGH_UPDATE_F_ADMIN,
  NEIGH_UPDATE_F_ISROUTER,
  NEIGH_UPDATE_F_OVERRIDE,
  NEIGH_UPDATE_F_OVERRIDE_ISROUTER,
  NEIGH_UPDATE_F_WEAK_OVERRIDE,
  NEIGH_VAR_APP_PROBES,
  NEIGH_VAR_MCAST_PROBES,
  NEIGH_VAR_MCAST_REPROBES,
  NEIGH_VAR_QUEUE_LEN_BYTES,
  NEIGH_VAR_RETRANS_TIME,
  type Neighbour,
  neigh_confirm,
  neigh_create,
  neigh_event_ns,
  neigh_event_send,
  neigh_hold,
  neigh_lookup,
  neigh_output,
  neigh_release,
  neigh_update,
  sock_confirm_neigh,
} from "../../../../src/net/core/neighbour.ts";
import type { NetDevice } from "../../../../src/net/core/netdevice.ts";
import {
  NTF_ROUTER,
  NUD_FAILED,
  NUD_PERMANENT,
  NUD_PROBE,
  NUD_REACHABLE,
  NUD_STALE,
} from "../../../../src/uapi/neighbour.ts";
import { Rig } from "./neigh_rig.ts";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 0x42);
const MAC2 = Uint8Array.of(2, 0, 0, 0, 0, 0x43);
const PEER = 0x0a000002;

const make = (r: Rig, dev: NetDevice, key = PEER): Neighbour => r.call(() => __neigh_create(r.tbl, dev, false, key))!;
const send = (r: Rig, n: Neighbour, dev: NetDevice, fill = 0): number =>
  r.call(() => neigh_output(n, r.skb(dev, 20, fill), false));
const news = (
  r: Rig,
  n: Neighbour,
  lladdr: Uint8Array | null,
  state: number,
  flags = NEIGH_UPDATE_F_OVERRIDE,
): number => r.call(() => neigh_update(n, lladdr, state, flags));
/** Milliseconds since the first question. */
const times = (r: Rig): [number, string][] => r.asked.map(([at, how]) => [at - r.asked[0]![0], how]);

/** A test of one entry of a device; the machine is taken down behind it. */
function test_entry(name: string, body: (r: Rig, n: Neighbour, dev: NetDevice) => void): void {
  test(name, () => {
    const r = new Rig();
    const dev = r.dev();
    body(r, make(r, dev), dev);
    r.end();
  });
}

test_entry(
  "nobody answers: three questions a second apart, then FAILED and everybody who waits is told (RFC 1122 2.3.2.2)",
  (r, n, dev) => {
    assert.equal(r.state(n), "NONE");
    assert.equal(send(r, n, dev), 0);
    assert.equal(r.state(n), "INCOMPLETE");
    send(r, n, dev);
    r.run(2999);
    assert.deepEqual(times(r), [
      [0, "broadcast"],
      [1000, "broadcast"],
      [2000, "broadcast"],
    ]);
    assert.equal(r.state(n), "INCOMPLETE");
    assert.equal(n.probes, 6, "the unicast tries count as made");
    r.run(1);
    assert.equal(r.state(n), "FAILED");
    assert.deepEqual(
      r.failed.map(([at]) => at - r.asked[0]![0]),
      [3000, 3000],
    );
    assert.equal(r.tbl.stats[0]![NDST_RES_FAILED], 1);
    assert.equal(n.refcnt, 1, "the timer let go");
    assert.equal(r.sent.length, 0);
    // The next packet starts over.
    send(r, n, dev);
    assert.equal(r.state(n), "INCOMPLETE");
    r.run(3000);
    assert.equal(r.asked.length, 6);
    assert.deepEqual(r.told, [`new ${PEER} FAILED`, `new ${PEER} FAILED`]);
  },
);

test_entry("an answer: the queue goes out in order, and the next packet by the cached header", (r, n, dev) => {
  send(r, n, dev, 1);
  send(r, n, dev, 2);
  r.run(300);
  assert.equal(news(r, n, MAC, NUD_REACHABLE), 0);
  assert.equal(r.state(n), "REACHABLE");
  assert.deepEqual(
    r.sent.map((s) => s.bytes[14]),
    [1, 2],
  );
  assert.equal(n.hh_len, 14);
  const before = r.k.skb_pool.allocated_heads;
  send(r, n, dev, 3);
  assert.equal(r.k.skb_pool.allocated_heads, before);
  const frame = r.sent[2]!.bytes;
  assert.deepEqual([...frame.slice(0, 15)], [...MAC, 2, 0, 0, 0, 0, 1, 8, 0, 3]);
  assert.equal(frame.length, 34);
  // Another address: the header follows.
  news(r, n, MAC2, NUD_REACHABLE);
  send(r, n, dev, 4);
  assert.deepEqual([...r.sent[3]!.bytes.slice(0, 6)], [...MAC2]);
});

test_entry(
  "REACHABLE to STALE after reachable_time unused; then DELAY for 5 s, three unicast probes, FAILED",
  (r, n, dev) => {
    r.run(100_000);
    news(r, n, MAC, NUD_REACHABLE);
    r.run(30_000);
    assert.equal(r.state(n), "REACHABLE", "at reachable_time exactly it still is");
    r.run(10);
    assert.equal(r.state(n), "STALE");
    assert.equal(n.refcnt, 1);
    r.run(60_000);
    assert.equal(r.state(n), "STALE", "without traffic it stays so");
    send(r, n, dev, 7);
    assert.equal(r.state(n), "DELAY");
    assert.equal(r.sent.length, 1, "the packet leaves at once");
    r.run(4999);
    assert.equal(r.state(n), "DELAY");
    r.run(1);
    assert.equal(r.state(n), "PROBE");
    send(r, n, dev, 8);
    assert.equal(r.sent.length, 2, "also while it is probed");
    r.run(2999);
    assert.deepEqual(times(r), [
      [0, "unicast"],
      [1000, "unicast"],
      [2000, "unicast"],
    ]);
    assert.equal(r.state(n), "PROBE");
    r.run(1);
    assert.equal(r.state(n), "FAILED");
    assert.deepEqual(
      r.told,
      ["REACHABLE", "STALE", "PROBE", "FAILED"].map((s) => `new ${PEER} ${s}`),
    );
  },
);

test_entry("mcast_resolicit adds broadcast questions to PROBE", (r, n, dev) => {
  n.parms.data[NEIGH_VAR_MCAST_REPROBES] = 2;
  news(r, n, MAC, NUD_STALE);
  send(r, n, dev);
  r.run(5000 + 4999);
  assert.deepEqual(
    times(r).map(([, how]) => how),
    ["unicast", "unicast", "unicast", "broadcast", "broadcast"],
  );
  r.run(1);
  assert.equal(r.state(n), "FAILED");
});

test_entry("a confirmation from above ends DELAY in REACHABLE (RFC 4861 7.3.1)", (r, n, dev) => {
  r.run(100_000);
  news(r, n, MAC, NUD_STALE);
  send(r, n, dev);
  r.run(2000);
  const skb = r.skb(dev);
  skb.dst_pending_confirm = true;
  r.call(() => {
    sock_confirm_neigh(skb, n);
    assert.equal(skb.dst_pending_confirm, false);
    neigh_output(n, skb, false);
  });
  r.run(3000);
  assert.equal(r.state(n), "REACHABLE");
  assert.equal(r.asked.length, 0);
  // reachable_time counts from the confirmation.
  r.run(26_999);
  assert.equal(r.state(n), "REACHABLE");
  r.run(1 + 10);
  assert.equal(r.state(n), "STALE");
});

test_entry(
  "an answer during PROBE ends it; used shortly before reachable_time ends, REACHABLE goes to DELAY",
  (r, n, dev) => {
    r.run(100_000);
    news(r, n, MAC, NUD_STALE);
    send(r, n, dev);
    r.run(5000);
    assert.equal(r.state(n), "PROBE");
    assert.equal(news(r, n, MAC, NUD_REACHABLE, 0), 0);
    assert.equal(r.state(n), "REACHABLE");
    r.run(29_000);
    r.call(() => neigh_event_send(n, null)); // marks it as used
    r.run(1010);
    assert.equal(r.state(n), "DELAY");
  },
);

test_entry("a confirmation of a REACHABLE entry moves its end", (r, n) => {
  r.run(100_000);
  news(r, n, MAC, NUD_REACHABLE);
  r.run(20_000);
  r.call(() => neigh_confirm(n));
  r.run(29_000);
  assert.equal(r.state(n), "REACHABLE");
  r.run(1100);
  assert.equal(r.state(n), "STALE");
});

test_entry("the queue of an unresolved entry is bounded in bytes; the oldest goes", (r, n, dev) => {
  const size = r.skb(dev);
  const truesize = size.truesize;
  n.parms.data[NEIGH_VAR_QUEUE_LEN_BYTES] = 3 * truesize;
  r.call(() => neigh_output(n, size, false));
  for (let i = 2; i <= 5; i++) send(r, n, dev, i);
  assert.equal(n.arp_queue.qlen, 3);
  assert.equal(n.arp_queue_len_bytes, 3 * truesize);
  assert.equal(r.k.drops[SKB_DROP_REASON_NEIGH_QUEUEFULL], 2);
  assert.equal(r.tbl.stats[0]![NDST_UNRES_DISCARDS], 2);
  news(r, n, MAC, NUD_REACHABLE);
  assert.deepEqual(
    r.sent.map((s) => s.bytes[14]),
    [3, 4, 5],
  );
  assert.equal(n.arp_queue_len_bytes, 0);
});

test_entry("without any way to ask, the packet is dropped at once", (r, n, dev) => {
  n.parms.data[NEIGH_VAR_MCAST_PROBES] = 0;
  n.parms.data[NEIGH_VAR_APP_PROBES] = 0;
  assert.equal(send(r, n, dev), 0);
  assert.equal(r.state(n), "FAILED");
  assert.equal(r.asked.length, 0);
});

test_entry("retrans_time below 10 ms still waits 10 ms", (r, n, dev) => {
  n.parms.data[NEIGH_VAR_RETRANS_TIME] = 1;
  send(r, n, dev);
  r.run(100);
  assert.deepEqual(
    times(r).map(([at]) => at),
    [0, 10, 20],
  );
});

test_entry("neigh_update: who may replace an address", (r, n) => {
  assert.equal(news(r, n, null, NUD_REACHABLE), -22, "no address to go with the state");
  const extack = { msg: "" };
  r.call(() => neigh_update(n, null, NUD_STALE, NEIGH_UPDATE_F_ADMIN, 0, extack));
  assert.equal(extack.msg, "No link layer address given");
  news(r, n, MAC, NUD_REACHABLE, 0);
  // Another address without OVERRIDE is not taken.
  assert.equal(news(r, n, MAC2, NUD_REACHABLE, 0), 0);
  assert.deepEqual([...n.ha], [...MAC]);
  // WEAK_OVERRIDE only raises doubt.
  news(r, n, MAC2, NUD_STALE, NEIGH_UPDATE_F_WEAK_OVERRIDE);
  assert.deepEqual([...n.ha], [...MAC]);
  assert.equal(r.state(n), "STALE");
  news(r, n, MAC2, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  assert.deepEqual([...n.ha], [...MAC2]);
  // STALE news with the known address leaves a better state alone.
  news(r, n, MAC2, NUD_REACHABLE);
  news(r, n, MAC2, NUD_STALE);
  assert.equal(r.state(n), "REACHABLE");
  // An administrator's word is final.
  news(r, n, MAC, NUD_PERMANENT, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN);
  assert.equal(news(r, n, MAC2, NUD_REACHABLE), -1);
  assert.deepEqual([...n.ha], [...MAC]);
  assert.equal(n.timer.index, -1);
  assert.equal(news(r, n, MAC2, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN), 0);
  assert.equal(r.state(n), "STALE");
  // The router flag.
  const f = NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER;
  news(r, n, MAC2, NUD_REACHABLE, f | NEIGH_UPDATE_F_ISROUTER);
  assert.equal(n.flags & NTF_ROUTER, NTF_ROUTER);
  news(r, n, MAC2, NUD_REACHABLE, f);
  assert.equal(n.flags & NTF_ROUTER, 0);
});

test_entry("PROBE and FAILED by an administrator", (r, n) => {
  const admin = NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN;
  news(r, n, MAC, NUD_PROBE, admin);
  r.run(0);
  assert.equal(r.asked.length, 1, "the first probe is due at once");
  assert.equal(news(r, n, null, NUD_FAILED, admin), 0);
  assert.equal(n.refcnt, 1);
  assert.equal(r.tbl.stats[0]![NDST_RES_FAILED], 1);
});

test("a question from a station makes or refreshes its entry as STALE", () => {
  const r = new Rig();
  const dev = r.dev();
  const n = r.call(() => neigh_event_ns(r.tbl, MAC, dev, PEER))!;
  assert.equal(r.state(n), "STALE");
  assert.equal(n.refcnt, 2);
  r.call(() => neigh_release(n));
  news(r, n, MAC, NUD_REACHABLE);
  const again = r.call(() => neigh_event_ns(r.tbl, MAC, dev, PEER))!;
  assert.equal(again, n);
  assert.equal(r.state(n), "REACHABLE");
  r.call(() => neigh_release(n));
  // It solves what waits, too.
  const other = r.call(() => neigh_create(r.tbl, dev, PEER + 1))!;
  send(r, other, dev, 9);
  const m = r.call(() => neigh_event_ns(r.tbl, MAC2, dev, PEER + 1))!;
  assert.equal(r.state(m), "DELAY", "the waiting packet used the STALE entry");
  assert.equal(r.sent.at(-1)!.bytes[14], 9);
  r.call(() => {
    neigh_release(m);
    neigh_release(other);
  });
  r.end();
});

test_entry("set_probe_once: a failed entry gets one more question", (r, n, dev) => {
  send(r, n, dev);
  r.run(3000);
  assert.equal(r.state(n), "FAILED");
  r.call(() => __neigh_set_probe_once(n));
  assert.equal(r.state(n), "INCOMPLETE");
  r.run(1000);
  assert.equal(r.state(n), "FAILED");
});

test_entry("references: a lookup holds, a dead entry leads nowhere", (r, n, dev) => {
  assert.equal(
    r.call(() => neigh_lookup(r.tbl, dev, 1)),
    null,
  );
  assert.equal(
    r.call(() => neigh_lookup(r.tbl, dev, PEER)),
    n,
  );
  assert.equal(r.k.live.get("neighbours")!(), 1, "a reference the table does not own");
  neigh_hold(n);
  r.call(() => {
    neigh_release(n);
    neigh_release(n);
  });
  assert.equal(r.k.live.get("neighbours")!(), 0);
});
