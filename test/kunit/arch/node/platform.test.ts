// Real time under Node: what waits in an attachment gets in before a timer that is late. (Linux reads a card in an interrupt,
// whatever runs.) A machine that was busy for longer than its timers would otherwise take for lost what was answered long ago.

import assert from "node:assert/strict";
import { test } from "node:test";
import { createMachine, type Program } from "../../../../src/api/index.ts";
import { NodePlatform } from "../../../../src/arch/node/index.ts";
import { readFile } from "../../../../src/bin/lib/io.ts";
import { HwTimer, hw_arm } from "../../../../src/hw/clock.ts";
import { CLOCK_MONOTONIC } from "../../../../src/uapi/fcntl.ts";

function platform(run: (p: NodePlatform, log: string[]) => void): string[] {
  const p = new NodePlatform();
  const log: string[] = [];
  run(p, log);
  p.stop();
  return log;
}

test("attachments are read before a clock that is due, and what that brings to the silicon is done first", () => {
  const log = platform((p, log) => {
    const host = p.host();
    const second = new HwTimer(() => log.push("interrupt"));
    const first = new HwTimer(() => {
      log.push("frame");
      hw_arm(p, second, p.now);
    });
    let waiting = 1;
    p.attach(() => {
      if (waiting-- <= 0) return false;
      log.push("read");
      hw_arm(p, first, p.now);
      return true;
    });
    host.set_next_event(p.now, () => log.push("clock"));
    p.pump();
  });
  assert.deepEqual(log, ["read", "frame", "interrupt", "clock"]);
});

test("each clock looks anew; a clock that the frames moved does not run", () => {
  const log = platform((p, log) => {
    const [a, b] = [p.host(), p.host()];
    let reads = 0;
    p.attach(() => {
      log.push(`read ${++reads}`);
      // The second time an answer comes: the timer of b is for later.
      if (reads === 2) b.set_next_event(p.now + 1e9, () => log.push("b"));
      return reads === 2;
    });
    a.set_next_event(p.now, () => log.push("a"));
    b.set_next_event(p.now, () => log.push("b"));
    p.pump();
  });
  assert.deepEqual(log, ["read 1", "a", "read 2"]);
});

test("nothing is read when no clock is due; who was taken back is not asked", () => {
  const log = platform((p, log) => {
    const back = p.attach(() => {
      log.push("read");
      return false;
    });
    const host = p.host();
    p.pump();
    host.set_next_event(p.now + 1e9, () => log.push("clock"));
    p.pump();
    back();
    host.set_next_event(p.now, () => log.push("clock"));
    p.pump();
  });
  assert.deepEqual(log, ["clock"]);
});

test("an attachment that always has something does not keep the clock from running, nor do cables", () => {
  let frames = 0;
  const log = platform((p, log) => {
    p.attach(() => true);
    const again: HwTimer = new HwTimer(() => {
      if (++frames < 10_000) hw_arm(p, again, p.now);
    });
    hw_arm(p, again, p.now);
    p.host().set_next_event(p.now + 1, () => log.push("clock"));
    p.pump();
  });
  assert.deepEqual(log, ["clock"]);
  assert.ok(frames < 10_000);
});

test("in real time what a program takes is its CPU time (proc(5), field 15 of stat)", async () => {
  const platform = new NodePlatform();
  const m = createMachine({ host: platform, hostname: "a" });
  let stat = "";
  const busy: Program = function* (sys) {
    const end = performance.now() + 50;
    while (performance.now() < end);
    // The time of a turn is known when it is over.
    yield* sys.sched_yield();
    const read = yield* readFile(sys, `/proc/${sys.getpid()}/stat`);
    stat = String(read);
    return 0;
  };
  await m.spawn(busy, ["busy"]).exited;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  assert.ok(Number(fields[12]) >= 4, stat);
  m.poweroff();
  platform.stop();
});

test("in real time the clock goes on while a program runs: one that waits for it without sleeping comes to an end", async () => {
  const platform = new NodePlatform();
  const m = createMachine({ host: platform, hostname: "a" });
  let rounds = 0;
  // It never gives up the CPU.
  const spin: Program = function* (sys) {
    const end = sys.clock_gettime(CLOCK_MONOTONIC) + 2e6;
    // Bounded, should the clock stand still.
    while (sys.clock_gettime(CLOCK_MONOTONIC) < end && ++rounds < 50_000_000);
    return sys.clock_gettime(CLOCK_MONOTONIC) >= end ? 0 : 1;
  };
  assert.equal(await m.spawn(spin, ["spin"]).exited, 0);
  m.poweroff();
  platform.stop();
});
