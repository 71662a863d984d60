// Interrupt lines: who may ask for one, which CPU takes it, what happens to one that arrives while a handler runs.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_HARDIRQ } from "../../../src/kernel/cpu.ts";
import {
  free_irq,
  generic_handle_irq,
  irq_alloc_desc,
  irq_free_desc,
  irq_set_affinity,
  request_irq,
} from "../../../src/kernel/irq.ts";
import { open_softirq, raise_softirq, TASKLET_SOFTIRQ } from "../../../src/kernel/softirq.ts";
import { KernelRig } from "../../lib/kernel.ts";

test("request_irq: EINVAL without a line, EBUSY when taken, free again", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const nop = (): void => {};
  assert.equal(request_irq(k, 200, nop, "x", null), -22);
  const irq = irq_alloc_desc(k, "PCI-MSI 0-edge");
  assert.equal(request_irq(k, irq, nop, "x", null), 0);
  assert.equal(request_irq(k, irq, nop, "y", null), -16);
  free_irq(k, irq);
  assert.equal(request_irq(k, irq, nop, "y", null), 0);
  irq_free_desc(k, irq);
  generic_handle_irq(k, irq);
  assert.equal(irq_alloc_desc(k, "again"), irq, "the lowest free number");
  rig.end();
});

test("smp_affinity: the lowest CPU of the mask that exists; EINVAL and no change when there is none", () => {
  const rig = new KernelRig({ cpus: 4 });
  const { k } = rig;
  const irq = irq_alloc_desc(k, "");
  const took: number[] = [];
  request_irq(k, irq, () => took.push(k.cpu.id), "x", null);
  for (const mask of [0b1100, 0b0010, 0b11110000]) {
    const err = irq_set_affinity(k, irq, mask);
    assert.equal(err, mask === 0b11110000 ? -22 : 0);
    generic_handle_irq(k, irq);
  }
  assert.deepEqual(took, [2, 1, 1]);
  assert.deepEqual([...k.irq_desc[irq]!.counts], [0, 2, 1, 0]);
  rig.end();
});

test("a handler runs in hardirq context; its softirq runs on that CPU when the interrupt ends", () => {
  const rig = new KernelRig({ cpus: 2 });
  const { k } = rig;
  const log: string[] = [];
  const irq = irq_alloc_desc(k, "");
  irq_set_affinity(k, irq, 2);
  open_softirq(k, TASKLET_SOFTIRQ, (_k, cpu) => log.push(`soft ${cpu.id}`));
  request_irq(
    k,
    irq,
    () => {
      assert.equal(k.cpu.ctx, CTX_HARDIRQ);
      raise_softirq(k.cpu, TASKLET_SOFTIRQ);
      log.push(`hard ${k.cpu.id}`);
    },
    "x",
    null,
  );
  rig.call(() => {
    generic_handle_irq(k, irq);
    log.push(`call ${k.cpu.id}`);
  });
  // Where Linux has locks (a TCP socket in use is not entered), nothing of a machine runs inside of something else of it.
  assert.deepEqual(log, ["hard 1", "call 0", "soft 1"], "another CPU's softirqs wait for the call");
  log.length = 0;
  generic_handle_irq(k, irq);
  assert.deepEqual(log, ["hard 1", "soft 1"], "with nobody inside they run before the interrupt returns");
  log.length = 0;
  irq_set_affinity(k, irq, 1);
  rig.call(() => {
    generic_handle_irq(k, irq);
    log.push(`call ${k.cpu.id}`);
  });
  assert.deepEqual(log, ["hard 0", "call 0", "soft 0"], "the CPU of the call runs it at its exit");
  rig.end();
});

test("a line nobody asked for is counted as unhandled; a handler that throws is a BUG", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const irq = irq_alloc_desc(k, "");
  generic_handle_irq(k, irq);
  assert.deepEqual([k.irq_desc[irq]!.unhandled, k.irq_desc[irq]!.counts[0]], [1, 1]);
  request_irq(
    k,
    irq,
    () => {
      throw new Error("broken");
    },
    "x",
    null,
  );
  generic_handle_irq(k, irq);
  assert.match(k.bugs[0]!.where, new RegExp(`irq ${irq}`));
  assert.equal(k.cpu.bh_disable, 0);
  k.bugs.length = 0;
  rig.end();
});

test("cost model: an edge during a handler is latched once, and taken when the handler's time is over", () => {
  const rig = new KernelRig();
  const { k, world } = rig;
  k.cost = new Float64Array(512);
  const irq = irq_alloc_desc(k, "");
  const at: number[] = [];
  request_irq(
    k,
    irq,
    () => {
      at.push(k.now);
      k.now += 50_000;
    },
    "x",
    null,
  );
  const start = world.now;
  generic_handle_irq(k, irq);
  generic_handle_irq(k, irq);
  generic_handle_irq(k, irq);
  assert.equal(at.length, 1);
  rig.run(1);
  assert.deepEqual(
    at.map((t) => t - start),
    [0, 50_000],
    "two more edges, one latch",
  );
  assert.equal(k.cpu.acct[2], 100_000, "both charged as hard interrupt time");
  k.cost = null;
  rig.end();
});
