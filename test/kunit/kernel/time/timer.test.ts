// timer_list: jiffies of 1 ms, order, moving, deleting, re-arming inside the handler.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_SOFTIRQ } from "../../../../src/kernel/cpu.ts";
import { jiffies } from "../../../../src/kernel/kernel.ts";
import {
  mod_timer,
  type TimerList,
  timer_delete,
  timer_pending,
  timer_setup,
} from "../../../../src/kernel/time/timer.ts";
import { KernelRig } from "../../../lib/kernel.ts";

test("timers fire in order of time, equal ones in order of arming, in softirq context", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const log: [string, number][] = [];
  const t = (name: string): TimerList =>
    timer_setup(
      k,
      () => {
        assert.equal(k.cpu.ctx, CTX_SOFTIRQ);
        log.push([name, jiffies(k)]);
      },
      null,
    );
  rig.call(() => {
    for (const [name, at] of [
      ["c", 30],
      ["a", 10],
      ["b1", 20],
      ["b2", 20],
    ] as const)
      mod_timer(t(name), at);
  });
  rig.run(100);
  assert.deepEqual(log, [
    ["a", 10],
    ["b1", 20],
    ["b2", 20],
    ["c", 30],
  ]);
  rig.end();
});

test("mod_timer moves a pending timer and says so; timer_delete takes it off", () => {
  const rig = new KernelRig();
  const fired: number[] = [];
  const t = timer_setup(rig.k, () => fired.push(jiffies(rig.k)), null);
  rig.call(() => {
    assert.equal(mod_timer(t, 50), false);
    assert.equal(mod_timer(t, 20), true);
    assert.equal(timer_pending(t), true);
  });
  rig.run(30);
  assert.deepEqual(fired, [20]);
  rig.call(() => {
    assert.equal(timer_delete(t), false);
    mod_timer(t, 60);
    assert.equal(timer_delete(t), true);
  });
  rig.run(100);
  assert.deepEqual(fired, [20]);
  rig.end();
});

test("a timer that re-arms itself for now, or the past, fires once per jiffy", () => {
  const rig = new KernelRig();
  const fired: number[] = [];
  const t = timer_setup(
    rig.k,
    () => {
      fired.push(jiffies(rig.k));
      if (fired.length < 4) mod_timer(t, jiffies(rig.k) - (fired.length & 1));
    },
    null,
  );
  rig.call(() => mod_timer(t, 5));
  rig.run(20);
  assert.deepEqual(fired, [5, 6, 7, 8]);
  rig.end();
});

test("a timer armed in the past fires at once, but never inside mod_timer", () => {
  const rig = new KernelRig();
  rig.run(100);
  let inside = true;
  let fired = 0;
  const t = timer_setup(
    rig.k,
    () => {
      assert.equal(inside, false);
      fired++;
    },
    null,
  );
  rig.call(() => {
    mod_timer(t, 10);
    inside = false;
  });
  rig.run(0);
  assert.equal(fired, 1);
  rig.end();
});

test("a handler that deletes another due timer wins; one that throws is a BUG and the rest still fire", () => {
  const rig = new KernelRig();
  const log: string[] = [];
  const victim = timer_setup(rig.k, () => log.push("victim"), null);
  const killer = timer_setup(rig.k, () => timer_delete(victim), null);
  const broken = timer_setup(
    rig.k,
    () => {
      throw new Error("broken timer");
    },
    null,
  );
  const last = timer_setup(rig.k, () => log.push("last"), null);
  rig.call(() => {
    for (const t of [killer, victim, broken, last]) mod_timer(t, 10);
  });
  rig.run(20);
  assert.deepEqual(log, ["last"]);
  assert.match(String(rig.k.bugs[0]!.error), /broken timer/);
  rig.k.bugs.length = 0;
  rig.end();
});
