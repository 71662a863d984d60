// EPOLLEXCLUSIVE (epoll_ctl(2)): one of several that wait is woken for a connection; one that does not wait is no reason to stop.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EPOLL_CTL_ADD, EPOLLEXCLUSIVE, EPOLLIN } from "../../../../src/uapi/fcntl.ts";
import * as S from "../../../../src/uapi/socket.ts";
import type { Blocking, EpollEvent, Sys } from "../../../../src/uapi/sys.ts";
import { KernelRig, sockaddr } from "../../../lib/kernel.ts";

/** A program with `sleepers` children, each waiting on an epoll of its own for one listener: how many a connection wakes. */
const woken = (events: number, sleepers: number, idle: number): number => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  let count = 0;
  rig.wait(function* (sys: Sys): Blocking<void> {
    const l = sys.socket(S.AF_INET, S.SOCK_STREAM | S.SOCK_NONBLOCK, 0);
    sys.bind(l, sockaddr("127.0.0.1", 7));
    sys.listen(l, 10);
    const epoll = (): number => {
      const ep = sys.epoll_create1(0);
      assert.equal(sys.epoll_ctl(ep, EPOLL_CTL_ADD, l, { events, data: 1 }), 0);
      return ep;
    };
    // Nobody waits on these; they come first.
    for (let i = 0; i < idle; i++) epoll();
    const child = function* (s: Sys): Blocking<number> {
      const got: EpollEvent[] = [];
      const n = yield* s.epoll_wait(3, got, 1, 100);
      count += n;
      return 0;
    };
    for (let i = 0; i < sleepers; i++)
      sys.spawn(child, ["child"], { fds: [0, 0, 0, epoll()].map((v, k) => (k < 3 ? -1 : v)) });
    yield* sys.nanosleep(1e6);
    const c = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    yield* sys.connect(c, sockaddr("127.0.0.1", 7));
    for (let i = 0; i < sleepers; i++) yield* sys.wait4(-1, 0);
  });
  rig.end();
  return count;
};

test("without it each is woken, with it the first that waits", () => {
  assert.equal(woken(EPOLLIN, 3, 0), 3);
  assert.equal(woken(EPOLLIN | EPOLLEXCLUSIVE, 3, 0), 1);
  assert.equal(woken(EPOLLIN | EPOLLEXCLUSIVE, 3, 2), 1);
});
