// Wait queues: non-exclusive waiters first and all of them, of the exclusive ones the first that can be woken.

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  add_wait_queue,
  remove_wait_queue,
  WaitQueueEntry,
  WaitQueueHead,
  waitqueue_active,
  wake_up,
} from "../../../src/kernel/wait.ts";

test("order: newest non-exclusive first, exclusive in order of arrival, one of them woken", () => {
  const wq = new WaitQueueHead();
  const log: string[] = [];
  const entry = (name: string, exclusive: boolean, can = true): WaitQueueEntry => {
    const e = new WaitQueueEntry(() => {
      log.push(name);
      return can;
    }, null);
    e.exclusive = exclusive;
    add_wait_queue(wq, e);
    return e;
  };
  entry("x1", true, false);
  entry("n1", false);
  entry("x2", true);
  entry("x3", true);
  entry("n2", false);
  wake_up(wq);
  assert.deepEqual(log, ["n2", "n1", "x1", "x2"], "x1 could not be woken, so x2 is");
});

test("an entry may leave during its wake-up, is in one queue at a time, and is removed once", () => {
  const [a, b] = [new WaitQueueHead(), new WaitQueueHead()];
  let woken = 0;
  const self = new WaitQueueEntry((e) => {
    remove_wait_queue(e);
    woken++;
    return true;
  }, null);
  const other = new WaitQueueEntry(() => {
    woken++;
    return true;
  }, null);
  add_wait_queue(a, other);
  add_wait_queue(a, self);
  wake_up(a);
  assert.equal(woken, 2);
  wake_up(a);
  assert.equal(woken, 3);
  add_wait_queue(b, other);
  assert.deepEqual([waitqueue_active(a), waitqueue_active(b)], [false, true]);
  remove_wait_queue(other);
  remove_wait_queue(other);
  assert.equal(waitqueue_active(b), false);
});

test("the key reaches the waiters: they decide whether it concerns them", () => {
  const wq = new WaitQueueHead();
  const keys: number[] = [];
  const e = new WaitQueueEntry((_e, key) => {
    keys.push(key);
    return false;
  }, null);
  add_wait_queue(wq, e);
  wake_up(wq, 0x41);
  wake_up(wq);
  assert.deepEqual(keys, [0x41, 0]);
});
