// Tasks: running and sleeping, signals, wait4, orphans, process groups, fairness.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Blocking, Program, Sys } from "../../../src/uapi/sys.ts";
import { KernelRig, MS } from "../../lib/kernel.ts";

const CHILD = (status: number, ns = 0): Program =>
  function* (sys) {
    if (ns > 0) yield* sys.nanosleep(ns);
    return status;
  };
const FOREVER: Program = function* (sys) {
  for (;;) yield* sys.nanosleep(1e9);
};

test("wait4: exit status, WNOHANG, ECHILD, one child by pid, a signal's number", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const out: unknown[] = [yield* sys.wait4(-1, 0)];
    const slow = sys.spawn(CHILD(3, 5 * MS), ["slow"]);
    const fast = sys.spawn(CHILD(7), ["fast"]);
    out.push(yield* sys.wait4(slow, 1));
    out.push((yield* sys.wait4(slow, 0))[1], (yield* sys.wait4(-1, 0))[0] === fast);
    const dead = sys.spawn(FOREVER, ["dead"]);
    yield* sys.nanosleep(MS);
    sys.kill(dead, 15);
    out.push(yield* sys.wait4(dead, 0), yield* sys.wait4(dead, 0), yield* sys.wait4(4711, 0));
    return out.map((v) => (Array.isArray(v) && v[0] === dead ? ["dead", v[1]] : v));
  });
  assert.deepEqual(got, [[-10, 0], [0, 0], 3 << 8, true, ["dead", 15], [-10, 0], [-10, 0]]);
  rig.end();
});

test("wait4(0) waits for the caller's process group, -N for group N", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const own = sys.spawn(CHILD(1), ["own"]);
    const other = sys.spawn(CHILD(2), ["other"], { pgid: 0 });
    const a = yield* sys.wait4(0, 0);
    const b = yield* sys.wait4(0, 0);
    const c = yield* sys.wait4(-other, 0);
    return [a[0] === own, b[0], c[0] === other];
  });
  assert.deepEqual(got, [true, -10, true]);
  rig.end();
});

test("SIGCHLD ignored: no zombies, and wait4 ends with ECHILD when the last child has gone", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown> {
    sys.sigaction(17, "SIG_IGN");
    sys.spawn(CHILD(1, MS), ["c"]);
    sys.spawn(CHILD(1, 2 * MS), ["c"]);
    const before = sys.clock_gettime(1);
    const r = yield* sys.wait4(-1, 0);
    return [r[0], sys.clock_gettime(1) - before];
  });
  assert.deepEqual(got, [-10, 2 * MS]);
  rig.end();
});

test("orphans are init's: a running one is reparented, a zombie is reaped", () => {
  const rig = new KernelRig();
  let grandchild = 0;
  let zombie = 0;
  let ppid = 0;
  rig.wait(function* (sys): Blocking<void> {
    const middle = sys.spawn(
      function* (s) {
        zombie = s.spawn(CHILD(0), ["zombie"]);
        grandchild = s.spawn(
          function* (g) {
            yield* g.nanosleep(5 * MS);
            ppid = g.getppid();
            return 0;
          },
          ["grandchild"],
        );
        yield* s.nanosleep(MS);
        return 0;
      },
      ["middle"],
    );
    yield* sys.wait4(middle, 0);
  });
  assert.equal(rig.k.tasks.has(zombie), false);
  assert.equal(rig.k.tasks.has(grandchild), true);
  rig.run(10);
  assert.equal(ppid, 1);
  assert.equal(rig.k.tasks.has(grandchild), false);
  rig.end();
});

test("kill: ESRCH, EINVAL, signal 0, groups, and -1 spares init and the caller", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const a = sys.spawn(FOREVER, ["a"], { pgid: 0 });
    const b = sys.spawn(FOREVER, ["b"], { pgid: a });
    const c = sys.spawn(FOREVER, ["c"]);
    yield* sys.nanosleep(MS);
    const errs = [sys.kill(9999, 15), sys.kill(a, 32), sys.kill(a, -1), sys.kill(a, 0), sys.kill(-9999, 15)];
    sys.kill(-a, 15);
    const first = [(yield* sys.wait4(-1, 0))[1], (yield* sys.wait4(-1, 0))[1], (yield* sys.wait4(b, 1))[0]];
    const all = sys.kill(-1, 9);
    return [errs, first, all, (yield* sys.wait4(c, 0))[1]];
  });
  assert.deepEqual(got, [[-3, -22, -22, 0, -3], [15, 15, -10], 0, 9]);
  rig.end();
});

test("signals: handlers run before EINTR is returned, ignored ones do not wake, KILL and STOP cannot be caught", () => {
  const rig = new KernelRig();
  const log: string[] = [];
  const job = rig.job(function* (sys): Blocking<number[]> {
    const errs = [9, 19, 0, 32].map((s) => sys.sigaction(s, "SIG_IGN"));
    sys.sigaction(10, () => log.push("USR1"));
    sys.sigaction(12, "SIG_IGN");
    const t0 = sys.clock_gettime(1);
    const r = yield* sys.nanosleep(100 * MS);
    log.push(`EINTR after ${(sys.clock_gettime(1) - t0) / MS}`);
    sys.kill(sys.getpid(), 10);
    log.push("after own kill");
    return [...errs, r];
  });
  const task = job.task;
  const other = rig.task();
  rig.run(10);
  other.kill(task.pid, 12);
  other.kill(task.pid, 28);
  rig.run(10);
  other.kill(task.pid, 10);
  rig.run(10);
  assert.deepEqual(job.value, [-22, -22, -22, -22, -4]);
  assert.deepEqual(log, ["USR1", "EINTR after 20", "USR1", "after own kill"]);
  rig.end();
});

test("a child ignores what its parent ignores, but for sigdefault, and catches nothing; so after execve", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    sys.sigaction(12, "SIG_IGN");
    sys.sigaction(15, "SIG_IGN");
    sys.sigaction(10, () => {});
    const out: unknown[] = [];
    for (const [sig, sigdefault] of [
      [12, []],
      [15, [15]],
      [10, []],
    ] as const) {
      const pid = sys.spawn((s, argv) => s.execve(CHILD(0, 5 * MS), argv, {}), ["c"], { sigdefault });
      yield* sys.nanosleep(MS);
      sys.kill(pid, sig);
      out.push((yield* sys.wait4(pid, 0))[1]);
    }
    return out;
  });
  assert.deepEqual(got, [0, 15, 10]);
  rig.end();
});

test("a signal unwinds the program: its finally blocks run, its files close", () => {
  const rig = new KernelRig();
  let unwound = false;
  const job = rig.job(function* (sys): Blocking<void> {
    sys.pipe();
    sys.socket(2, 2, 0);
    try {
      for (;;) yield* sys.nanosleep(1e9);
    } finally {
      unwound = true;
    }
  });
  rig.run(5);
  assert.ok(rig.k.live_files > 0);
  rig.task().kill(job.task.pid, 9);
  rig.run(1);
  assert.equal(unwound, true);
  assert.equal(rig.k.live_files, 0);
  rig.end();
});

test("a program that throws is a BUG, ends with SIGSEGV's status, and takes nobody along", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<number> {
    const pid = sys.spawn(
      function* () {
        throw new Error("broken program");
      },
      ["bad"],
    );
    return (yield* sys.wait4(pid, 0))[1];
  });
  assert.equal(got, 139);
  assert.match(String(rig.k.bugs[0]!.error), /broken program/);
  rig.k.bugs.length = 0;
  rig.end();
});

test("tasks that yield take turns; the outside runs between the turns", () => {
  const rig = new KernelRig();
  const order: string[] = [];
  const prog = (name: string): ((sys: Sys) => Blocking<void>) =>
    function* (sys) {
      for (let i = 0; i < 3; i++) {
        order.push(name);
        yield* sys.sched_yield();
      }
    };
  rig.call(() => {
    rig.job(prog("a"));
    rig.job(prog("b"));
  });
  rig.run(1);
  assert.deepEqual(order, ["a", "b", "a", "b", "a", "b"]);
  rig.end();
});

test("a program that never sleeps cannot stop the world: it gives way after a burst of calls", () => {
  const rig = new KernelRig();
  let stop = false;
  let calls = 0;
  rig.call(() =>
    rig.job(function* (sys): Blocking<void> {
      const fd = sys.open("/dev/null", 1);
      const one = new Uint8Array(1);
      while (!stop) {
        calls++;
        yield* sys.write(fd, one);
      }
    }),
  );
  assert.ok(calls > 0 && calls < 100_000, String(calls));
  const before = calls;
  for (let i = 0; i < 10; i++) rig.world.step(rig.world.now);
  assert.ok(calls > before);
  stop = true;
  rig.run(1);
  rig.end();
});

test("affinity: EINVAL for no CPU that exists, ESRCH, and the task moves", () => {
  const rig = new KernelRig({ cpus: 4 });
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const errs = [sys.sched_setaffinity(0, 0), sys.sched_setaffinity(0, 0x100), sys.sched_setaffinity(9999, 1)];
    sys.sched_setaffinity(0, 0b1000);
    yield* sys.nanosleep(MS);
    return [...errs, rig.k.cpu.id];
  });
  assert.deepEqual(got, [-22, -22, -3, 3]);
  rig.end();
});

test("cost model: two tasks that compute share one CPU evenly, and time is charged to them", () => {
  const rig = new KernelRig();
  const { k } = rig;
  k.cost = new Float64Array(512);
  k.cost[0] = 10_000;
  const turns = [0, 0];
  const jobs = [0, 1].map((i) =>
    rig.job(function* (sys): Blocking<void> {
      for (;;) {
        turns[i]!++;
        yield* sys.sched_yield();
      }
    }),
  );
  rig.run(10);
  assert.ok(turns[0]! > 100 && Math.abs(turns[0]! - turns[1]!) <= 1, String(turns));
  const used = jobs.map((j) => j.task.utime);
  assert.ok(Math.abs(used[0]! + used[1]! - 10 * MS) < 0.5 * MS, `10 ms of CPU time: ${used}`);
  k.cost = null;
  rig.end();
});
