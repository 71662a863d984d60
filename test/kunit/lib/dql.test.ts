// Dynamic queue limits, as Documentation/ABI/testing/sysfs-class-net-queues and Linux's drivers show them in byte_queue_limits.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  DQL_MAX_LIMIT,
  Dql,
  dql_avail,
  dql_completed,
  dql_inflight,
  dql_queue_stall,
  dql_queued,
  dql_reset,
} from "../../../src/lib/dql.ts";

const LOT = 100;

function put(d: Dql, now: number): void {
  if (d.stall_thrs !== 0) dql_queue_stall(d, now);
  dql_queued(d, LOT);
}

/** Gives lots of 100 bytes while the limit lets it, at most `most` bytes; returns how many were given. */
function fill(d: Dql, now: number, most = Number.POSITIVE_INFINITY): number {
  let given = 0;
  while (given < most && dql_avail(d) >= 0) {
    put(d, now);
    given += LOT;
  }
  return given;
}

test("a limit of 0 lets one lot through; a queue that ran dry while something waited raises it at once", () => {
  const d = new Dql();
  assert.equal(fill(d, 0), 100);
  assert.equal(dql_inflight(d), 100);
  const limits: number[] = [];
  for (let t = 1; t <= 6; t++) {
    dql_completed(d, dql_inflight(d), t);
    limits.push(d.limit);
    fill(d, t);
  }
  assert.deepEqual(limits, [100, 300, 700, 1500, 3100, 6300], "each time by all that was sent and done in between");
});

test("no more than the hardware takes: the limit stays when nothing is held back", () => {
  const d = new Dql();
  for (let t = 0; t < 50; t++) {
    fill(d, t, 500);
    dql_completed(d, dql_inflight(d), t);
  }
  assert.equal(d.limit, 700);
});

test("a busy queue with more than two intervals' work in it loses the rest, after hold_time", () => {
  const d = new Dql();
  d.limit = d.adj_limit = 100_000;
  fill(d, 0);
  // 1,000 bytes are done in each interval, and what is done is filled up again.
  let t = 1;
  for (; t <= 1000; t++) {
    dql_completed(d, 1000, t);
    assert.equal(d.limit, 100_000);
    fill(d, t);
  }
  dql_completed(d, 1000, t);
  assert.equal(d.limit, 2000 - LOT, "an interval's work and the next one's; the lot that goes over comes on top");
  // From here on nothing is to spare.
  for (let i = 0; i < 5000; i++) {
    fill(d, ++t);
    dql_completed(d, Math.min(1000, dql_inflight(d)), t);
    assert.ok(d.limit >= 1000 && d.limit <= 4000, `${d.limit}`);
  }
});

test("min_limit and max_limit bound it; a reset starts at min_limit with nothing in flight", () => {
  const d = new Dql();
  d.max_limit = 1000;
  d.min_limit = 250;
  for (let t = 0; t < 20; t++) {
    fill(d, t);
    dql_completed(d, dql_inflight(d), t);
    assert.ok(d.limit >= 250 && d.limit <= 1000);
  }
  assert.equal(d.limit, 1000);
  fill(d, 20);
  dql_reset(d, 20);
  assert.deepEqual([d.limit, dql_inflight(d), dql_avail(d)], [250, 0, 250]);
});

test("counters wrap at 2^32", () => {
  const d = new Dql();
  d.num_queued = d.num_completed = d.prev_num_queued = 0x7fff_fff0;
  d.limit = 300;
  d.adj_limit = (d.num_completed + 300) | 0;
  for (let t = 0; t < 10; t++) {
    assert.ok(fill(d, t) > 0);
    assert.ok(dql_inflight(d) > 0 && dql_inflight(d) <= d.limit + LOT);
    dql_completed(d, dql_inflight(d), t);
  }
  assert.ok(d.num_queued < 0, "went over the edge");
  assert.ok(d.limit < DQL_MAX_LIMIT);
});

test("stall_thrs: a completion that late is counted, and the longest kept", () => {
  const d = new Dql();
  d.limit = d.adj_limit = 10_000;
  d.stall_thrs = 8;
  put(d, 100);
  dql_completed(d, LOT, 107);
  assert.deepEqual([d.stall_cnt, d.stall_max], [0, 0]);
  // An idle queue does not stall.
  put(d, 500);
  put(d, 505);
  dql_completed(d, LOT, 510);
  assert.deepEqual([d.stall_cnt, d.stall_max], [1, 10]);
  dql_completed(d, LOT, 517);
  assert.deepEqual([d.stall_cnt, d.stall_max], [1, 10], "counted from the last completion");
});
