// The two ways in: nesting, contexts, several CPUs, exceptions, and the clock event that is armed on the way out.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_HARDIRQ, CTX_IDLE, CTX_PROCESS, CTX_SOFTIRQ, smp_processor_id, syscall } from "../../../src/kernel/cpu.ts";
import { generic_handle_irq, irq_alloc_desc, request_irq } from "../../../src/kernel/irq.ts";
import { open_softirq, raise_softirq, TASKLET_SOFTIRQ } from "../../../src/kernel/softirq.ts";
import { hrtimer_cancel, hrtimer_setup, hrtimer_start } from "../../../src/kernel/time/hrtimer.ts";
import { KernelRig } from "../../lib/kernel.ts";

test("contexts: idle outside, process in a call, hardirq over it, softirq at its end, and back", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const log: [string, number][] = [];
  const irq = irq_alloc_desc(k, "");
  request_irq(
    k,
    irq,
    () => {
      log.push(["irq", k.cpu.ctx]);
      raise_softirq(k.cpu, TASKLET_SOFTIRQ);
    },
    "x",
    null,
  );
  open_softirq(k, TASKLET_SOFTIRQ, (_k, cpu) => log.push(["soft", cpu.ctx]));
  assert.equal(k.cpu.ctx, CTX_IDLE);
  rig.call(() => {
    log.push(["call", k.cpu.ctx]);
    generic_handle_irq(k, irq);
    log.push(["call", k.cpu.ctx]);
  });
  assert.deepEqual(log, [
    ["call", CTX_PROCESS],
    ["irq", CTX_HARDIRQ],
    ["call", CTX_PROCESS],
    ["soft", CTX_SOFTIRQ],
  ]);
  assert.deepEqual([k.cpu.ctx, k.cpu.bh_disable, k.entry_depth], [CTX_IDLE, 0, 0]);
  rig.end();
});

test("an exception leaves a call by the same door: depth, softirqs and context are right afterwards", () => {
  const rig = new KernelRig();
  const { k } = rig;
  let ran = 0;
  open_softirq(k, TASKLET_SOFTIRQ, () => ran++);
  assert.throws(() =>
    syscall(k, () => {
      raise_softirq(k.cpu, TASKLET_SOFTIRQ);
      throw new Error("caller's own");
    }),
  );
  assert.deepEqual([ran, k.entry_depth, k.cpu.bh_disable, k.cpu.ctx], [1, 0, 0, CTX_IDLE]);
  rig.end();
});

test("time is sampled once per entry; nested entries see the same instant", () => {
  const rig = new KernelRig();
  const { k, world } = rig;
  rig.call(() => {
    const t = k.now;
    world.now += 1000;
    rig.call(() => assert.equal(k.now, t));
    assert.equal(k.now, t);
  });
  rig.call(() => assert.equal(k.now, world.now));
  rig.end();
});

test("the clock event follows the earliest timer, earlier ones replace it, cancelling moves it back", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const at: number[] = [];
  const timer = (): ReturnType<typeof hrtimer_setup> => hrtimer_setup(k, () => at.push(rig.world.now), null);
  const [a, b] = [timer(), timer()];
  rig.call(() => hrtimer_start(a, 5e6));
  assert.equal(k.armed_ns, 5e6);
  rig.call(() => hrtimer_start(b, 2e6));
  assert.equal(k.armed_ns, 2e6);
  rig.call(() => hrtimer_cancel(b));
  assert.equal(k.armed_ns, 5e6);
  rig.run(10);
  assert.deepEqual(at, [5e6]);
  rig.end();
});

test("smp_processor_id is that of whoever runs: an interrupt on another CPU, then the caller again", () => {
  const rig = new KernelRig({ cpus: 2 });
  const { k } = rig;
  const ids: number[] = [];
  const irq = irq_alloc_desc(k, "");
  k.irq_desc[irq]!.target_cpu = 1;
  request_irq(k, irq, () => ids.push(smp_processor_id(k)), "x", null);
  rig.call(() => {
    generic_handle_irq(k, irq);
    ids.push(smp_processor_id(k));
  });
  assert.deepEqual(ids, [1, 0]);
  rig.end();
});
