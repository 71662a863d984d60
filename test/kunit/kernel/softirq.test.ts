// Softirqs: when they run, how often one run may restart (10 rounds, 2 ms), and the hand-over to ksoftirqd.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CTX_KSOFTIRQD, CTX_SOFTIRQ, syscall_enter, syscall_exit } from "../../../src/kernel/cpu.ts";
import {
  HI_SOFTIRQ,
  NET_RX_SOFTIRQ,
  NET_TX_SOFTIRQ,
  open_softirq,
  RCU_SOFTIRQ,
  raise_softirq,
  raise_softirq_on,
  TASKLET_SOFTIRQ,
} from "../../../src/kernel/softirq.ts";
import { KernelRig } from "../../lib/kernel.ts";

test("they wait for the end of the outermost system call, and run lowest number first", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const ran: number[] = [];
  for (const nr of [HI_SOFTIRQ, TASKLET_SOFTIRQ, RCU_SOFTIRQ]) open_softirq(k, nr, () => ran.push(nr));
  syscall_enter(k);
  for (const nr of [RCU_SOFTIRQ, TASKLET_SOFTIRQ, HI_SOFTIRQ, RCU_SOFTIRQ]) raise_softirq(k.cpu, nr);
  syscall_enter(k);
  syscall_exit(k);
  assert.deepEqual(ran, []);
  syscall_exit(k);
  assert.deepEqual(ran, [HI_SOFTIRQ, TASKLET_SOFTIRQ, RCU_SOFTIRQ]);
  assert.equal(k.cpu.softirqs[RCU_SOFTIRQ], 1, "raised twice, run once");
  rig.end();
});

test("raised by a handler they run again in the same exit: 10 rounds, then ksoftirqd has them", () => {
  const rig = new KernelRig();
  const { k } = rig;
  const seen: number[] = [];
  let left = 25;
  open_softirq(k, TASKLET_SOFTIRQ, (_k, cpu) => {
    seen.push(cpu.ctx);
    if (--left > 0) raise_softirq(cpu, TASKLET_SOFTIRQ);
  });
  rig.call(() => raise_softirq(k.cpu, TASKLET_SOFTIRQ));
  rig.run(1);
  assert.equal(seen.length, 25);
  assert.deepEqual(seen.slice(0, 10), Array(10).fill(CTX_SOFTIRQ));
  assert.deepEqual(seen.slice(10), Array(15).fill(CTX_KSOFTIRQD));
  assert.equal(k.cpu.ksoftirqd_running, false);
  rig.end();
});

test("while ksoftirqd has work, a system call leaves the softirqs to it", () => {
  const rig = new KernelRig();
  const { k } = rig;
  let left = 60;
  const seen: string[] = [];
  open_softirq(k, TASKLET_SOFTIRQ, (_k, cpu) => {
    if (--left > 0) raise_softirq(cpu, TASKLET_SOFTIRQ);
  });
  open_softirq(k, RCU_SOFTIRQ, (_k, cpu) => seen.push(cpu.ctx === CTX_KSOFTIRQD ? "ksoftirqd" : "exit"));
  rig.call(() => raise_softirq(k.cpu, TASKLET_SOFTIRQ));
  assert.equal(k.cpu.ksoftirqd_running, true);
  const before = left;
  rig.call(() => raise_softirq(k.cpu, RCU_SOFTIRQ));
  assert.deepEqual([seen, left], [[], before]);
  rig.run(1);
  assert.deepEqual(seen, ["ksoftirqd"]);
  rig.run(1);
  rig.call(() => raise_softirq(k.cpu, RCU_SOFTIRQ));
  assert.equal(seen.at(-1), "exit", "afterwards they run at the exit again");
  rig.end();
});

test("under a cost model a run ends after 2 ms even when less than 10 rounds were made", () => {
  const rig = new KernelRig();
  const { k } = rig;
  k.cost = new Float64Array(512);
  let left = 6;
  const seen: number[] = [];
  open_softirq(k, TASKLET_SOFTIRQ, (kk, cpu) => {
    seen.push(cpu.ctx);
    kk.now += 900_000;
    if (--left > 0) raise_softirq(cpu, TASKLET_SOFTIRQ);
  });
  rig.call(() => raise_softirq(k.cpu, TASKLET_SOFTIRQ));
  rig.run(20);
  assert.equal(seen.length, 6);
  assert.deepEqual(seen.slice(0, 3), Array(3).fill(CTX_SOFTIRQ), "900 µs, 1.8 ms, 2.7 ms: over the limit");
  assert.ok(seen.slice(3).every((c) => c === CTX_KSOFTIRQD));
  assert.ok(k.cpu.acct[3]! >= 5_400_000, "charged as softirq time");
  k.cost = null;
  rig.end();
});

test("a handler that throws is a BUG; the others of the round still run", () => {
  const rig = new KernelRig();
  const { k } = rig;
  let ran = 0;
  open_softirq(k, HI_SOFTIRQ, () => {
    throw new Error("broken");
  });
  open_softirq(k, RCU_SOFTIRQ, () => ran++);
  rig.call(() => {
    raise_softirq(k.cpu, HI_SOFTIRQ);
    raise_softirq(k.cpu, RCU_SOFTIRQ);
  });
  assert.equal(ran, 1);
  assert.match(k.bugs[0]!.where, /softirq HI/);
  assert.equal(k.cpu.bh_disable, 0);
  k.bugs.length = 0;
  rig.end();
});

test("raise_softirq_on: another CPU runs it in its own context, before the outside does", () => {
  const rig = new KernelRig({ cpus: 3 });
  const { k } = rig;
  const ran: number[] = [];
  open_softirq(k, TASKLET_SOFTIRQ, (_k, cpu) => ran.push(cpu.id));
  rig.call(() => raise_softirq_on(k, k.cpus[2]!, TASKLET_SOFTIRQ));
  assert.deepEqual(ran, [2]);
  raise_softirq_on(k, k.cpus[1]!, TASKLET_SOFTIRQ);
  assert.deepEqual(ran, [2, 1], "from outside too");
  assert.deepEqual(
    k.cpus.map((c) => c.softirqs[TASKLET_SOFTIRQ]),
    [0, 1, 1],
  );
  rig.end();
});

test("a packet sent in a softirq of its own receive path is flat: lo recursion does not nest", () => {
  const rig = new KernelRig();
  const { k } = rig;
  let depth = 0;
  let deepest = 0;
  let left = 5;
  open_softirq(k, TASKLET_SOFTIRQ, (_k, cpu) => {
    deepest = Math.max(deepest, ++depth);
    if (--left > 0) {
      rig.call(() => raise_softirq(cpu, TASKLET_SOFTIRQ));
      raise_softirq(cpu, TASKLET_SOFTIRQ);
    }
    depth--;
  });
  rig.call(() => raise_softirq(k.cpu, TASKLET_SOFTIRQ));
  assert.deepEqual([left, deepest], [0, 1]);
  assert.ok(NET_TX_SOFTIRQ < NET_RX_SOFTIRQ);
  rig.end();
});
