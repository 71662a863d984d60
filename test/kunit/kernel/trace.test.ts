// The trace ring: what a record says, the clock between records, wrapping, notes and their places, a tracer that comes and goes
// while packets are under way, and machines beside it.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { CTX_IDLE, CTX_PROCESS, CTX_SOFTIRQ } from "../../../src/kernel/cpu.ts";
import type { Kernel } from "../../../src/kernel/kernel.ts";
import {
  type TracedSkb,
  type TraceRecord,
  trace_call,
  trace_detail,
  trace_event,
  trace_fn,
  trace_key_update,
  trace_note,
  tracer_records,
  tracer_start,
  tracer_stop,
} from "../../../src/kernel/trace.ts";
import {
  F_arp_solicit,
  F_igb_msix_ring,
  F_ip_local_deliver,
  F_ip_rcv,
  F_kfree_skb_reason,
  F_net_rx_action,
  F_udp_rcv,
  F_udp_send_skb,
} from "../../../src/kernel/trace_fn.ts";
import { trace_key } from "../../../src/kernel/trace_key.ts";
import { applyCostProfile } from "../../../src/lab/cost.ts";
import { KernelRig, MS, now, sockaddr } from "../../lib/kernel.ts";

afterEach(() => trace_key_update(false));

const packet = (kernel: Kernel, id: number, ifindex = 0): TracedSkb => ({
  kernel,
  id,
  len: 60 + (id & 1023),
  data: 80,
  tail: 140 + (id & 1023),
  dev: ifindex === 0 ? null : { ifindex },
});

const all = (k: Kernel): TraceRecord[] => [...tracer_records(tracer_stop(k)!)];

test("a record says when, where and about what: time, CPU, context, function, packet, device, length", () => {
  const rig = new KernelRig({ cpus: 2 });
  const { k } = rig;
  tracer_start(k);
  rig.run(5);
  const at = rig.world.now;
  rig.call(() => {
    trace_fn(F_udp_send_skb, packet(k, 7));
    trace_fn(F_ip_rcv, packet(k, -8, 3));
    trace_call(F_net_rx_action, k);
    trace_fn(F_ip_rcv, packet(k, -8, 16_000));
  });
  const mine = all(k).filter((r) => r.ts_ns === at && r.ctx === CTX_PROCESS);
  assert.deepEqual(
    mine.map((r) => [r.fn, r.skb, r.ifindex, r.len, r.cpu, r.note]),
    [
      [F_udp_send_skb, 7, 0, 67, 0, null],
      [F_ip_rcv, -8, 3, 60 + (-8 & 1023), 0, null],
      // Without a packet: none, and not the last one's.
      [F_net_rx_action, 0, 0, 0, 0, null],
      [F_ip_rcv, -8, 16_000, 60 + (-8 & 1023), 0, null],
    ],
  );
  rig.end();
});

test("the clock stands between the records: every change is there, to the nanosecond, in order", () => {
  const rig = new KernelRig();
  const { k } = rig;
  tracer_start(k);
  const want: number[] = [];
  for (let i = 0; i < 2000; i++) {
    rig.world.run(rig.world.now + (i % 3 === 0 ? 0 : i % 3 === 1 ? 1 : 1e9 + i));
    for (let n = i % 4; n >= 0; n--) {
      rig.call(() => trace_fn(F_ip_rcv, packet(k, 5, 1)));
      want.push(rig.world.now);
    }
  }
  const got = all(k).filter((r) => r.fn === F_ip_rcv);
  assert.deepEqual(
    got.map((r) => r.ts_ns),
    want,
  );
  // Beyond what an int32 holds, and odd.
  assert.ok(want.at(-1)! > 6e11 && want.some((t) => t % 2 === 1));
  rig.end();
});

for (const detail of [false, true]) {
  test(`the ring${detail ? ", with details," : ""} keeps the newest records without a gap, each with its own time and note`, () => {
    const rig = new KernelRig();
    const { k } = rig;
    const t = tracer_start(k, { detail, max_records: 1000 });
    const total = 60_000;
    for (let id = 1; id <= total; id++) {
      // Three per moment, and the moment says which.
      if (id % 3 === 0) rig.world.run(id * 1000);
      rig.call(() => {
        const skb = packet(k, id, 1 + (id % 5));
        trace_fn(F_ip_rcv, skb);
        if (detail && id % 7 === 0) trace_note(F_ip_rcv, skb, { kind: "test", id });
      });
      assert.ok(t.chunks.length <= 2);
    }
    const got = all(k).filter((r) => r.fn === F_ip_rcv);
    assert.ok(got.length >= 1000 && got.length < total, `${got.length} kept`);
    assert.equal(got.at(-1)!.skb, total);
    for (const [i, r] of got.entries()) {
      const before = got[i - 1];
      if (before !== undefined) assert.equal(r.skb, before.skb + (r.note === null ? 1 : 0));
      assert.equal(r.ts_ns, (r.skb - (r.skb % 3)) * 1000, `record of ${r.skb}`);
      assert.deepEqual([r.ctx, r.ifindex, r.len], [CTX_PROCESS, 1 + (r.skb % 5), 60 + (r.skb & 1023)]);
      assert.deepEqual([r.data, r.tail], detail ? [80, 140 + (r.skb & 1023)] : [0, 0]);
      if (r.note !== null) assert.equal(r.note.id, r.skb);
    }
    // Each note kept has its record, and those of records that are gone went with them.
    const noted = got.filter((r) => r.note !== null).map((r) => r.skb);
    const ids = [...new Set(got.map((r) => r.skb))];
    assert.deepEqual(
      noted,
      ids.filter((id) => detail && id % 7 === 0),
    );
    assert.equal(t.notes.length, noted.length);
    rig.end();
  });
}

test("without a limit nothing is lost", () => {
  const rig = new KernelRig();
  tracer_start(rig.k);
  rig.call(() => {
    for (let id = 1; id <= 50_000; id++) trace_fn(F_ip_rcv, packet(rig.k, id));
  });
  const got = all(rig.k).filter((r) => r.fn === F_ip_rcv);
  assert.equal(got.length, 50_000);
  got.forEach((r, i) => {
    assert.equal(r.skb, i + 1);
  });
  rig.end();
});

test("decisions are recorded only when asked for; an event needs no packet", () => {
  const rig = new KernelRig();
  const { k } = rig;
  assert.equal(trace_detail(k), false);
  tracer_start(k);
  assert.equal(trace_detail(k), false);
  tracer_stop(k);
  tracer_start(k, { detail: true });
  assert.equal(trace_detail(k), true);
  rig.call(() => {
    trace_event(F_igb_msix_ring, k, { kind: "irq", name: "eth0-rx-0" });
    trace_call(F_net_rx_action, k);
  });
  const got = all(k).filter((r) => r.fn === F_igb_msix_ring || r.fn === F_net_rx_action);
  assert.deepEqual(
    got.map((r) => [r.fn, r.skb, r.note]),
    [
      [F_igb_msix_ring, 0, { kind: "irq", name: "eth0-rx-0" }],
      [F_net_rx_action, 0, null],
    ],
  );
  assert.equal(trace_detail(k), false);
  rig.end();
});

test("a datagram through veth: process context down to the device, softirq from the backlog up to the socket", () => {
  const rig = new KernelRig();
  const { a, b } = rig.pair();
  const [sa, sb] = [rig.task(a), rig.task(b)];
  const d = sb.socket(2, 2, 0);
  sb.bind(d, sockaddr("0.0.0.0", 9));
  const u = sa.socket(2, 2, 0);
  const send = (): void => {
    assert.equal(now(sa.sendto(u, new Uint8Array(100), 0, sockaddr("10.0.0.2", 9))), 100);
  };
  send();
  rig.run(10);
  tracer_start(rig.k);
  send();
  const got = all(rig.k);
  const of = (fn: number): TraceRecord => got.find((r) => r.fn === fn)!;
  const sent = of(F_udp_send_skb);
  assert.equal(sent.ctx, CTX_PROCESS);
  assert.equal(sent.ts_ns, rig.world.now);
  for (const fn of [F_ip_rcv, F_ip_local_deliver, F_udp_rcv]) {
    const r = of(fn);
    // The same packet all the way: veth hands over what it was given.
    assert.deepEqual([r.ctx, r.skb, r.ifindex], [CTX_SOFTIRQ, sent.skb, rig.dev("vb", b).ifindex]);
  }
  assert.ok(got.every((r) => r.ctx !== CTX_IDLE));
  assert.equal(new Set(got.filter((r) => r.skb !== 0).map((r) => r.skb)).size, 1);
  rig.end();
});

test("switched on while a packet waits, the trace has the rest of its way; switched off, nothing more, and nothing is kept back", () => {
  const rig = new KernelRig();
  const { a } = rig.pair();
  const s = rig.task(a);
  const u = s.socket(2, 2, 0);
  const send = (to: string): void => {
    assert.equal(now(s.sendto(u, new Uint8Array(10), 0, sockaddr(to, 9))), 10);
  };
  // Nobody is there: the datagram waits for ARP, three seconds.
  send("10.0.0.77");
  rig.run(500);
  tracer_start(rig.k);
  rig.run(10_000);
  const got = all(rig.k);
  assert.equal(got.filter((r) => r.fn === F_udp_send_skb).length, 0);
  const dropped = got.filter((r) => r.fn === F_kfree_skb_reason);
  assert.ok(dropped.length >= 1 && dropped.some((r) => r.ts_ns > rig.world.now - 9_500 * MS));
  assert.ok(got.some((r) => r.fn === F_arp_solicit));

  tracer_start(rig.k, { detail: true });
  send("10.0.0.78");
  const t = tracer_stop(rig.k)!;
  const before = [...tracer_records(t)];
  assert.ok(before.some((r) => r.fn === F_udp_send_skb));
  assert.equal(tracer_stop(rig.k), null);
  // The key is still on: another machine might be tracing.
  assert.equal(trace_key.on, true);
  rig.run(10_000);
  assert.deepEqual([...tracer_records(t)], before);

  // A second start begins anew.
  send("10.0.0.79");
  tracer_start(rig.k);
  const first = all(rig.k);
  assert.deepEqual(first, []);
  rig.end();
});

test("each machine has its own trace; one that does not trace pays a test and records nothing", () => {
  const [one, two] = [new KernelRig(), new KernelRig({ seed: 2 })];
  const t1 = tracer_start(one.k);
  for (const [i, rig] of [one, two].entries()) rig.call(() => trace_fn(F_ip_rcv, packet(rig.k, 10 + i)));
  tracer_start(two.k);
  for (const [i, rig] of [one, two].entries()) rig.call(() => trace_fn(F_udp_rcv, packet(rig.k, 20 + i)));
  const ids = (r: TraceRecord[]): number[] => r.filter((x) => x.skb !== 0).map((x) => x.skb);
  assert.deepEqual(ids([...tracer_records(t1)]), [10, 20]);
  assert.deepEqual(ids(all(two.k)), [21]);
  tracer_stop(one.k);
  one.end();
  two.end();
});

test("a sink gets the records instead, of several machines in one order, with the packet at hand", () => {
  const rigs = [new KernelRig(), new KernelRig({ seed: 2 })];
  const seen: string[] = [];
  const tracers = rigs.map((rig, i) =>
    tracer_start(rig.k, {
      detail: true,
      sink: (k, cpu, fn, skb, note) => {
        assert.equal(k, rig.k);
        if (fn === F_ip_rcv) seen.push(`${i} cpu${cpu.id} ${skb?.id ?? "-"} ${note?.kind ?? "-"}`);
      },
    }),
  );
  for (let n = 0; n < 2; n++) {
    for (const rig of rigs) {
      rig.call(() => {
        trace_fn(F_ip_rcv, packet(rig.k, n));
        trace_note(F_ip_rcv, packet(rig.k, n), { kind: "x" });
      });
    }
  }
  assert.deepEqual(seen, [
    ...["0 cpu0 0 -", "0 cpu0 0 x", "1 cpu0 0 -", "1 cpu0 0 x"],
    ...["0 cpu0 1 -", "0 cpu0 1 x", "1 cpu0 1 -", "1 cpu0 1 x"],
  ]);
  for (const t of tracers) assert.deepEqual([...tracer_records(t)], []);
  for (const rig of rigs) {
    tracer_stop(rig.k);
    rig.end();
  }
});

test("under a cost table a function's time passes whether it is recorded or not, and its record has the time after it", () => {
  const rig = new KernelRig();
  const { k } = rig;
  k.cost = new Float64Array(4096);
  k.cost[F_ip_rcv] = 250;
  k.cost[F_net_rx_action] = 50;
  trace_key_update(true);
  const spend = (): number[] => {
    const start = k.now;
    const times: number[] = [];
    for (let i = 0; i < 2; i++) {
      trace_fn(F_ip_rcv, packet(k, 1));
      trace_call(F_net_rx_action, k);
      times.push(k.now - start);
    }
    return times;
  };
  rig.call(() => assert.deepEqual(spend(), [300, 600]));
  rig.run(1);
  tracer_start(k);
  let start = 0;
  rig.call(() => {
    start = k.now;
    assert.deepEqual(spend(), [300, 600]);
  });
  const got = all(k).filter((r) => r.fn === F_ip_rcv || r.fn === F_net_rx_action);
  assert.deepEqual(
    got.map((r) => r.ts_ns - start),
    [250, 300, 550, 600],
  );
  rig.run(1);
  k.cost = null;
  rig.end();
});

test("a cost profile that comes while a trace runs is charged from then on", () => {
  const rig = new KernelRig();
  const { k } = rig;
  tracer_start(k);
  let start = 0;
  rig.call(() => {
    start = k.now;
    trace_fn(F_ip_rcv, packet(k, 1));
    applyCostProfile(k, { name: "x", default: 0, user: 0, functions: { ip_rcv: 70 } });
    trace_fn(F_ip_rcv, packet(k, 1));
    trace_fn(F_ip_rcv, packet(k, 1));
  });
  const got = all(k).filter((r) => r.fn === F_ip_rcv);
  assert.deepEqual(
    got.map((r) => r.ts_ns - start),
    [0, 70, 140],
  );
  rig.run(1);
  k.cost = null;
  rig.end();
});
