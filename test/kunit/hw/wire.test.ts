// Cables: timing, queues, impairments, half duplex, hubs; the same seed gives the same run.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type FramePool, frame_from_bytes } from "../../../src/hw/frame.ts";
import { Hub, hub_plug, hub_unplug } from "../../../src/hw/hub.ts";
import { ABLE_10_HALF, ABLE_100_FULL, ABLE_1000_FULL, TX_EV_COLLISION, TX_EV_LATE } from "../../../src/hw/port.ts";
import {
  Wire,
  type WireOptions,
  wire_attach,
  wire_detach,
  wire_room,
  wire_send,
  wire_set,
} from "../../../src/hw/wire.ts";
import { bytes_of, eth, PEER, TestClock, TestPort, test_pool } from "./rig.ts";

interface Pair {
  clock: TestClock;
  pool: FramePool;
  wire: Wire;
  a: TestPort;
  b: TestPort;
}
function pair(o: WireOptions = {}): Pair {
  const clock = new TestClock();
  const wire = new Wire(clock, o);
  const a = new TestPort(clock);
  const b = new TestPort(clock);
  wire_attach(wire, 0, a);
  wire_attach(wire, 1, b);
  clock.run(0);
  return { clock, pool: test_pool(), wire, a, b };
}
const frame = (n: number, k = 0): Uint8Array => eth(PEER, 0x88b5, bytes_of(n - 14, k), n);
const send = (p: { pool: FramePool }, port: TestPort, bytes: Uint8Array): boolean =>
  wire_send(port.end!, frame_from_bytes(p.pool, bytes)!);

test("serialisation and propagation: (bytes + 24) * 8 / rate, then the delay", () => {
  const p = pair({ rate: 1e9, delay_ns: 5000 });
  send(p, p.a, frame(1514));
  send(p, p.a, frame(60));
  send(p, p.b, frame(30)); // padded to 60; the other direction is free
  p.clock.settle();
  assert.deepEqual(
    p.b.got.map((g) => g.at),
    [1538 * 8 + 5000, (1538 + 84) * 8 + 5000],
  );
  assert.deepEqual([p.a.got[0].at, p.a.got[0].bytes.length], [84 * 8 + 5000, 60]);
  assert.equal(p.pool.live, 0);
});

test("a rate that is no whole number of ns per byte does not drift", () => {
  const p = pair({ rate: 3e9, queue_limit: 1e5 });
  for (let i = 0; i < 3000; i++) send(p, p.a, frame(60));
  p.clock.settle();
  assert.equal(p.b.got.at(-1)!.at, Math.round((3000 * 84 * 8) / 3));
});

test("no rate, no delay: delivered in the same instant, not inside the call, and an answer cannot recurse", () => {
  const p = pair();
  let depth = 0;
  let n = 0;
  const bounce = (from: TestPort) => (): void => {
    assert.equal(++depth, 1);
    if (n++ < 1000) send(p, from, frame(60));
    depth--;
  };
  p.a.on_rx = bounce(p.a);
  p.b.on_rx = bounce(p.b);
  send(p, p.a, frame(60));
  assert.equal(p.b.got.length, 0);
  p.clock.settle();
  assert.equal(n, 1001);
  assert.equal(p.clock.now, 0);
  assert.equal(p.pool.live, 0);
});

test("a burst is delivered with `more` on all but its last frame", () => {
  const p = pair();
  for (let i = 0; i < 3; i++) send(p, p.a, frame(60));
  p.clock.settle();
  assert.deepEqual(
    p.b.got.map((g) => g.more),
    [true, true, false],
  );
});

test("the queue limit drops and counts; wire_room asks first and wakes", () => {
  const p = pair({ rate: 1e6, queue_limit: 10 });
  const sent = Array.from({ length: 15 }, () => send(p, p.a, frame(60))).filter(Boolean).length;
  assert.equal(sent, 10);
  assert.equal(p.a.end!.stats.queue_drops, 5);
  assert.equal(wire_room(p.a.end!, 1e9), false);
  assert.equal(wire_room(p.a.end!, 1e9), false);
  p.clock.run(5 * 84 * 8 * 1000 - 1);
  assert.equal(p.a.wakes, 0);
  p.clock.run(5 * 84 * 8 * 1000);
  assert.equal(p.a.wakes, 1);
  assert.equal(wire_room(p.a.end!, 1e9), true);
  p.clock.settle();
  const q = pair({ queue_limit: 10 });
  for (let i = 0; i < 12; i++) send(q, q.a, frame(60));
  assert.equal(q.a.end!.stats.queue_drops, 2);
  assert.equal(wire_room(q.a.end!, 1e9), false);
  q.clock.settle();
  assert.equal(q.a.wakes, 1);
});

const run_impaired = (seed: number): { p: Pair; log: string } => {
  const p = pair({
    rate: 1e8,
    delay_ns: 1000,
    seed,
    queue_limit: 1e6,
    impair: { loss: 0.1, corrupt: 0.05, duplicate: 0.05, reorder: 0.05, reorder_ns: 1e6, jitter_ns: 2000 },
  });
  for (let i = 0; i < 2000; i++) send(p, p.a, frame(100, i));
  p.clock.settle();
  return { p, log: p.b.got.map((g) => `${g.at} ${g.fcs_ok} ${g.bytes[14]}`).join("\n") };
};

test("loss, corruption, duplication, reordering and jitter repeat with the seed and add up", () => {
  const { p, log } = run_impaired(42);
  assert.equal(run_impaired(42).log, log);
  assert.notEqual(run_impaired(43).log, log);
  const s = p.a.end!.stats;
  assert.equal(p.b.got.length, 2000 - s.lost + s.duplicated);
  for (const [n, want] of [
    [s.lost, 200],
    [s.corrupted, 90],
    [s.duplicated, 90],
    [s.reordered, 90],
  ])
    assert.ok(Math.abs(n - want) < want * 0.4, `${n} for ${want}`);
  assert.ok(p.b.got.filter((g) => !g.fcs_ok).length >= s.corrupted);
  assert.equal(p.pool.live, 0);
});

test("directions have streams of their own", () => {
  const p = pair({ seed: 1, impair: { loss: 0.5 } });
  for (let i = 0; i < 64; i++) {
    send(p, p.a, frame(60, i));
    send(p, p.b, frame(60, i));
  }
  p.clock.settle();
  assert.notDeepEqual(
    p.a.got.map((g) => g.bytes[14]),
    p.b.got.map((g) => g.bytes[14]),
  );
});

test("corrupting one copy of a shared frame leaves the other alone", () => {
  const p = pair({ impair: { corrupt: 1 } });
  const f = frame_from_bytes(p.pool, frame(60))!;
  f.refs++;
  wire_send(p.a.end!, f);
  p.clock.settle();
  assert.equal(p.b.got[0].fcs_ok, false);
  assert.equal(f.fcs_set, false);
  assert.deepEqual(f.u8.slice(f.off, f.off + 60), frame(60));
});

test("jitter alone never reorders", () => {
  const p = pair({ impair: { jitter_ns: 1e6 } });
  for (let i = 0; i < 200; i++) send(p, p.a, frame(60, i));
  p.clock.settle();
  assert.deepEqual(
    p.b.got.map((g) => g.bytes[14]),
    Array.from({ length: 200 }, (_, i) => i & 0xff),
  );
});

test("the tap sees what was sent, with its side and start", () => {
  const p = pair({ rate: 1e9, impair: { loss: 1 } });
  const log: string[] = [];
  p.wire.tap = (f, side, at) => log.push(`${side} ${at} ${f.len}`);
  send(p, p.a, frame(60));
  send(p, p.a, frame(100));
  send(p, p.b, frame(60));
  p.clock.settle();
  assert.deepEqual(log, ["0 0 60", "0 672 100", "1 0 60"]);
});

test("pulling the cable: both ends lose the link, frames under way are lost, plugging in again works", () => {
  const p = pair({ delay_ns: 1000 });
  send(p, p.a, frame(60));
  wire_detach(p.wire, 1);
  assert.equal(p.a.up, false);
  assert.equal(p.b.end, null);
  assert.equal(p.a.end!.stats.no_link, 1);
  assert.equal(p.pool.live, 0);
  assert.equal(send(p, p.a, frame(60)), false);
  wire_attach(p.wire, 1, p.b);
  p.clock.settle();
  assert.equal(p.a.up, true);
  send(p, p.a, frame(60));
  p.clock.settle();
  assert.equal(p.b.got.length, 1);
});

test("negotiation: the best common mode; none, no link; the cable's rate caps it", () => {
  const p = pair();
  assert.equal(p.a.end!.mbps, 1000);
  const again = (): void => {
    wire_detach(p.wire, 0);
    wire_attach(p.wire, 0, p.a);
    p.clock.settle();
  };
  p.a.able = ABLE_1000_FULL | ABLE_100_FULL;
  p.b.able = ABLE_100_FULL | ABLE_10_HALF;
  again();
  assert.deepEqual([p.a.end!.mbps, p.a.end!.full, p.a.end!.ns_per_byte], [100, true, 80]);
  p.a.able = ABLE_1000_FULL;
  again();
  assert.equal(p.a.up, false);
  p.a.able = ABLE_100_FULL | ABLE_10_HALF;
  wire_set(p.wire, { rate: 10e6 });
  again();
  assert.deepEqual([p.a.end!.mbps, p.a.end!.full], [10, false]);
});

test("half duplex: two that start together collide, back off and both get through", () => {
  const p = pair({ rate: 10e6, duplex: "half", delay_ns: 1000, seed: 5 });
  for (let i = 0; i < 20; i++) {
    send(p, p.a, frame(500, i));
    send(p, p.b, frame(500, i));
  }
  p.clock.settle();
  const order = Array.from({ length: 20 }, (_, i) => i);
  assert.deepEqual(
    p.b.got.map((g) => g.bytes[14]),
    order,
  );
  assert.deepEqual(
    p.a.got.map((g) => g.bytes[14]),
    order,
  );
  assert.ok(p.a.end!.stats.collisions > 0 && p.b.end!.stats.collisions > 0);
  assert.ok(p.a.events.includes(TX_EV_COLLISION));
  assert.ok(p.a.end!.stats.deferred > 0);
  // Nothing overlaps: each frame needs its serialisation time and the gap.
  const all = [...p.a.got, ...p.b.got].map((g) => g.at).sort((x, y) => x - y);
  for (let i = 1; i < all.length; i++) assert.ok(all[i] - all[i - 1] >= (504 * 8 + 64) * 100, `${i}`);
  assert.equal(p.pool.live, 0);
});

test("half duplex alone on the medium: full rate, no collision", () => {
  const p = pair({ rate: 10e6, duplex: "half", delay_ns: 1000 });
  for (let i = 0; i < 10; i++) send(p, p.a, frame(500));
  p.clock.settle();
  assert.equal(p.a.end!.stats.collisions, 0);
  assert.equal(p.b.got[9].at, (9 * 524 + 512) * 800 + 1000);
});

test("a cable longer than the collision window: late collisions, frames given up and counted", () => {
  const p = pair({ rate: 10e6, duplex: "half", delay_ns: 200_000, seed: 1 });
  for (let i = 0; i < 5; i++) {
    send(p, p.a, frame(1514));
    send(p, p.b, frame(1514));
  }
  p.clock.settle();
  assert.ok(p.a.end!.stats.late_collisions > 0);
  assert.ok(p.a.events.includes(TX_EV_LATE));
  assert.equal(p.pool.live, 0);
});

test("half duplex runs repeat with the seed", () => {
  const run = (seed: number): string => {
    const p = pair({ rate: 10e6, duplex: "half", delay_ns: 2000, seed });
    for (let i = 0; i < 50; i++) {
      send(p, p.a, frame(64 + i));
      send(p, p.b, frame(64 + i));
    }
    p.clock.settle();
    return p.a.got.map((g) => g.at).join();
  };
  assert.equal(run(1), run(1));
  assert.notEqual(run(1), run(2));
});

function hub_of(n: number, o: WireOptions): { clock: TestClock; pool: FramePool; hub: Hub; ports: TestPort[] } {
  const clock = new TestClock();
  const hub = new Hub(clock, o);
  const ports = Array.from({ length: n }, () => new TestPort(clock));
  for (const p of ports) hub_plug(hub, p);
  clock.run(0);
  return { clock, pool: test_pool(), hub, ports };
}

for (const duplex of ["full", "half"] as const) {
  test(`hub, ${duplex} duplex: in at one, out at all others, once each`, () => {
    const h = hub_of(4, { duplex, rate: 10e6 });
    assert.ok(h.ports.every((p) => p.up));
    for (const [k, p] of h.ports.entries()) send(h, p, frame(100, k));
    h.clock.settle();
    h.ports.forEach((p, k) => {
      assert.deepEqual(
        p.got.map((g) => g.bytes[14]).sort(),
        [0, 1, 2, 3].filter((x) => x !== k),
      );
    });
    const out = h.hub.ports[3];
    hub_unplug(out);
    assert.equal(h.ports[3].end, null);
    send(h, h.ports[0], frame(100, 9));
    h.clock.settle();
    assert.equal(h.ports[1].got.at(-1)!.bytes[14], 9);
    assert.notEqual(h.ports[3].got.at(-1)!.bytes[14], 9);
    assert.equal(h.pool.live, 0);
  });
}

test("a busy collision domain of eight: everything is delivered or counted as given up", () => {
  const h = hub_of(8, { duplex: "half", rate: 10e6, delay_ns: 500, seed: 3 });
  for (let i = 0; i < 20; i++) for (const p of h.ports) send(h, p, frame(200, i));
  h.clock.settle();
  const given_up = h.hub.ports.reduce((n, p) => n + p.end.stats.excessive_collisions, 0);
  const sent = h.hub.ports.reduce((n, p) => n + p.end.stats.frames, 0);
  assert.equal(sent + given_up, 160);
  assert.equal(
    h.ports.reduce((n, p) => n + p.got.length, 0),
    sent * 7,
  );
  assert.ok(h.hub.segment!.collisions > 10);
  assert.equal(h.pool.live, 0);
});
