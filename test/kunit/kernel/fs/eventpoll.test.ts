// poll(2) and epoll(7): level and edge, one-shot, exclusive, closing what is watched, loops, errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import type { Blocking, EpollEvent } from "../../../../src/uapi/sys.ts";
import { BLOCKS, KernelRig, MS, now, sockaddr } from "../../../lib/kernel.ts";

const [ADD, DEL, MOD] = [1, 2, 3];
const [IN, OUT, ONESHOT, ET] = [1, 4, 1 << 30, 1 << 31];
const EXCLUSIVE = 1 << 28;

function wait(sys: TaskSys, ep: number, max = 10): [number, number][] | number {
  const ev: EpollEvent[] = [];
  const n = now(sys.epoll_wait(ep, ev, max, 0));
  if (n === BLOCKS || n < 0) return n === BLOCKS ? -1 : n;
  return ev.slice(0, n).map((e) => [e.data, e.events]);
}

test("level triggered: reported while it holds; edge triggered: once per arrival", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const [r, w] = sys.pipe();
  const [r2, w2] = sys.pipe();
  const ep = sys.epoll_create1(0);
  assert.equal(sys.epoll_ctl(ep, ADD, r, { events: IN, data: 1 }), 0);
  assert.equal(sys.epoll_ctl(ep, ADD, r2, { events: IN | ET, data: 2 }), 0);
  assert.deepEqual(wait(sys, ep), []);
  for (const fd of [w, w2]) now(sys.write(fd, new Uint8Array(2)));
  assert.deepEqual(wait(sys, ep), [
    [1, IN],
    [2, IN],
  ]);
  assert.deepEqual(wait(sys, ep), [[1, IN]]);
  now(sys.read(r, new Uint8Array(9)));
  assert.deepEqual(wait(sys, ep), []);
  now(sys.write(w2, new Uint8Array(2)));
  assert.deepEqual(wait(sys, ep), [[2, IN]], "new data is a new edge though old data was left");
  assert.equal(sys.epoll_ctl(ep, MOD, r2, { events: IN | ET, data: 3 }), 0);
  assert.deepEqual(wait(sys, ep), [[3, IN]], "MOD looks again");
  rig.end();
});

test("one-shot: silent until armed anew; a hang-up is reported unasked", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const [r, w] = sys.pipe();
  const ep = sys.epoll_create1(0);
  sys.epoll_ctl(ep, ADD, r, { events: IN | ONESHOT, data: 1 });
  now(sys.write(w, new Uint8Array(1)));
  assert.deepEqual(wait(sys, ep), [[1, IN]]);
  now(sys.write(w, new Uint8Array(1)));
  assert.deepEqual(wait(sys, ep), []);
  sys.epoll_ctl(ep, MOD, r, { events: IN | ONESHOT, data: 1 });
  assert.deepEqual(wait(sys, ep), [[1, IN]]);
  sys.epoll_ctl(ep, MOD, r, { events: 0, data: 1 });
  sys.close(w);
  assert.deepEqual(wait(sys, ep), [[1, 0x10]]);
  rig.end();
});

test("more events than room: the rest comes next, and nobody starves", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const ep = sys.epoll_create1(0);
  for (let i = 0; i < 5; i++) {
    const [r, w] = sys.pipe();
    sys.epoll_ctl(ep, ADD, r, { events: IN, data: i });
    now(sys.write(w, new Uint8Array(1)));
  }
  const seen = new Set<number>();
  for (let i = 0; i < 3; i++) for (const [d] of wait(sys, ep, 2) as [number, number][]) seen.add(d);
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4]);
  rig.end();
});

test("errors of epoll_ctl and epoll_wait", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const ep = sys.epoll_create1(0);
  const [r] = sys.pipe();
  const file = sys.open("/tmp/f", 0o102);
  const ev = { events: IN, data: 0 };
  assert.deepEqual(
    [
      sys.epoll_ctl(99, ADD, r, ev),
      sys.epoll_ctl(ep, ADD, 99, ev),
      sys.epoll_ctl(r, ADD, ep, ev),
      sys.epoll_ctl(ep, ADD, ep, ev),
      sys.epoll_ctl(ep, ADD, file, ev),
      sys.epoll_ctl(ep, MOD, r, ev),
      sys.epoll_ctl(ep, DEL, r, null),
      sys.epoll_ctl(ep, ADD, r, null),
      sys.epoll_ctl(ep, ADD, r, ev),
      sys.epoll_ctl(ep, ADD, r, ev),
      sys.epoll_ctl(ep, 9, r, ev),
      sys.epoll_ctl(ep, MOD, r, { events: IN | EXCLUSIVE, data: 0 }),
      now(sys.epoll_wait(ep, [], 0, 0)),
      now(sys.epoll_wait(r, [], 1, 0)),
      now(sys.epoll_wait(99, [], 1, 0)),
    ],
    [-9, -9, -22, -22, -1, -2, -2, -14, 0, -17, -22, -22, -22, -22, -9],
  );
  rig.end();
});

test("an epoll in an epoll: readable when it has events; a loop is ELOOP", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const [inner, outer] = [sys.epoll_create1(0), sys.epoll_create1(0)];
  const [r, w] = sys.pipe();
  sys.epoll_ctl(inner, ADD, r, { events: IN, data: 1 });
  assert.equal(sys.epoll_ctl(outer, ADD, inner, { events: IN, data: 2 }), 0);
  assert.equal(sys.epoll_ctl(inner, ADD, outer, { events: IN, data: 3 }), -40);
  assert.deepEqual(wait(sys, outer), []);
  now(sys.write(w, new Uint8Array(1)));
  assert.deepEqual(wait(sys, outer), [[2, IN]]);
  now(sys.read(r, new Uint8Array(1)));
  assert.deepEqual(wait(sys, outer), []);
  rig.end();
});

test("closing a watched descriptor ends its watch; its number may be watched anew", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const [ep, outer] = [sys.epoll_create1(0), sys.epoll_create1(0)];
  const s = sys.socket(2, 2, 0);
  sys.bind(s, sockaddr("127.0.0.1", 100));
  sys.epoll_ctl(ep, ADD, s, { events: IN | OUT, data: 1 });
  sys.epoll_ctl(outer, ADD, ep, { events: IN, data: 5 });
  sys.close(s);
  const p = [{ fd: ep, events: IN, revents: 0 }];
  assert.equal(now(sys.poll(p, 0)), 0, "asked about a closed socket on its ready list");
  assert.deepEqual([wait(sys, ep), wait(sys, outer)], [[], []]);
  const again = sys.socket(2, 2, 0);
  assert.equal(again, s);
  assert.equal(sys.epoll_ctl(ep, ADD, again, { events: OUT, data: 2 }), 0);
  assert.deepEqual(wait(sys, ep), [[2, OUT]]);
  rig.end();
});

test("EPOLLEXCLUSIVE: of two that wait for one socket, one wakes", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const woken: number[] = [];
  rig.job(function* (sys): Blocking<void> {
    const s = sys.socket(2, 2, 0);
    sys.bind(s, sockaddr("127.0.0.1", 200));
    for (const id of [1, 2]) {
      sys.spawn(
        function* (w) {
          const ep = w.epoll_create1(0);
          w.epoll_ctl(ep, ADD, 0, { events: IN | EXCLUSIVE, data: 0 });
          yield* w.epoll_wait(ep, [], 1, -1);
          woken.push(id);
          yield* w.nanosleep(1e9);
          return 0;
        },
        ["waiter"],
        { fds: [s] },
      );
    }
    yield* sys.nanosleep(MS);
    yield* sys.sendto(s, new Uint8Array(1), 0, sockaddr("127.0.0.1", 200));
    yield* sys.nanosleep(1e9);
  });
  rig.run(10);
  assert.equal(woken.length, 1);
  rig.end();
});

test("poll: timeout in virtual time, POLLNVAL, negative descriptors, a wake-up while it waits, EINTR", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const [r, w] = sys.pipe();
    const t0 = sys.clock_gettime(1);
    const out: unknown[] = [yield* sys.poll([{ fd: r, events: IN, revents: 0 }], 25)];
    out.push((sys.clock_gettime(1) - t0) / MS);
    const p = [
      { fd: -1, events: IN, revents: 9 },
      { fd: 77, events: 0, revents: 0 },
    ];
    out.push(yield* sys.poll(p, -1), p[0]!.revents, p[1]!.revents);
    sys.spawn(
      function* (s) {
        yield* s.nanosleep(3 * MS);
        yield* s.write(0, new Uint8Array(1));
        s.kill(s.getppid(), 10);
        return 0;
      },
      ["w"],
      { fds: [w] },
    );
    sys.sigaction(10, () => out.push("USR1"));
    out.push(yield* sys.poll([{ fd: r, events: IN, revents: 0 }], 1000));
    return out;
  });
  assert.deepEqual(got.slice(0, 5), [0, 25, 1, 0, 0x20]);
  assert.ok(got.includes(1));
  rig.end();
});
