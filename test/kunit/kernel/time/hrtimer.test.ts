// hrtimer: nanoseconds, hardirq context, order, forward from the handler, cancel.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_HARDIRQ } from "../../../../src/kernel/cpu.ts";
import { hrtimer_active, hrtimer_cancel, hrtimer_setup, hrtimer_start } from "../../../../src/kernel/time/hrtimer.ts";
import { KernelRig } from "../../../lib/kernel.ts";

test("fires at its nanosecond, in hardirq context; equal times in order of arming", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const log: [string, number][] = [];
  const arm = (name: string, at: number): void =>
    hrtimer_start(
      hrtimer_setup(
        k,
        () => {
          assert.equal(k.cpu.ctx, CTX_HARDIRQ);
          log.push([name, k.now]);
        },
        null,
      ),
      at,
    );
  rig.call(() => {
    arm("b", 2_000_001);
    arm("a", 1_999_999);
    arm("c", 2_000_001);
  });
  rig.run(5);
  assert.deepEqual(log, [
    ["a", 1_999_999],
    ["b", 2_000_001],
    ["c", 2_000_001],
  ]);
  rig.end();
});

test("re-armed from its handler it is periodic; cancel says whether it was armed", () => {
  const rig = new KernelRig();
  const at: number[] = [];
  const t = hrtimer_setup(
    rig.k,
    () => {
      at.push(rig.k.now);
      hrtimer_start(t, rig.k.now + 250_000);
    },
    null,
  );
  rig.call(() => hrtimer_start(t, 1_000_000));
  rig.run(1.9);
  assert.deepEqual(at, [1_000_000, 1_250_000, 1_500_000, 1_750_000]);
  rig.call(() => {
    assert.equal(hrtimer_active(t), true);
    assert.equal(hrtimer_cancel(t), true);
    assert.equal(hrtimer_cancel(t), false);
  });
  rig.run(5);
  assert.equal(at.length, 4);
  rig.end();
});

test("one that throws is a BUG, and the clock goes on for the others", () => {
  const rig = new KernelRig();
  let fired = 0;
  const bad = hrtimer_setup(
    rig.k,
    () => {
      throw new Error("broken hrtimer");
    },
    null,
  );
  const good = hrtimer_setup(rig.k, () => fired++, null);
  rig.call(() => {
    hrtimer_start(bad, 1_000_000);
    hrtimer_start(good, 1_000_000);
  });
  rig.run(5);
  assert.equal(fired, 1);
  assert.equal(rig.k.bugs.length, 1);
  rig.k.bugs.length = 0;
  rig.end();
});

test("one that arms itself for now gets three rounds per interrupt: the machine goes on, as does Linux (hrtimer_interrupt's retries)", () => {
  const rig = new KernelRig();
  const at: number[] = [];
  const t = hrtimer_setup(
    rig.k,
    () => {
      at.push(rig.k.now);
      hrtimer_start(t, rig.k.now);
    },
    null,
  );
  let other = 0;
  const good = hrtimer_setup(rig.k, () => other++, null);
  rig.call(() => {
    hrtimer_start(t, 1_000_000);
    hrtimer_start(good, 1_005_000);
  });
  rig.run(1.01);
  assert.equal(other, 1);
  assert.deepEqual(at.slice(0, 4), [1_000_000, 1_000_000, 1_000_000, 1_001_000]);
  assert.equal(at.length, 11 * 3);
  rig.call(() => hrtimer_cancel(t));
  rig.end();
});
