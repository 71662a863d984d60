// pipe(7): 64 KiB, atomic writes up to PIPE_BUF, end of file, EPIPE with SIGPIPE, blocking writes of any size.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Blocking } from "../../../../src/uapi/sys.ts";
import { BLOCKS, KernelRig, MS, now } from "../../../lib/kernel.ts";

const NONBLOCK = 0o4000;
const F_SETFL = 4;

test("bytes in order around the end of the ring; a short read leaves the rest", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const [r, w] = sys.pipe();
  let next = 0;
  let seen = 0;
  const buf = new Uint8Array(50_000);
  for (let round = 0; round < 5; round++) {
    const out = Uint8Array.from({ length: 40_000 }, () => next++ & 0xff);
    assert.equal(now(sys.write(w, out)), 40_000);
    assert.equal(now(sys.read(r, buf.subarray(0, 1234))), 1234);
    for (let i = 0; i < 1234; i++) assert.equal(buf[i], seen++ & 0xff);
    assert.equal(now(sys.read(r, buf)), 40_000 - 1234);
    for (let i = 0; i < 40_000 - 1234; i++) if (buf[i] !== (seen++ & 0xff)) assert.fail(`byte ${seen}`);
  }
  assert.equal(now(sys.read(r, buf)), BLOCKS);
  rig.end();
});

test("a write of up to 4096 bytes is all or nothing; a larger one takes what fits when it may not block", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const [r, w] = sys.pipe();
  sys.fcntl(w, F_SETFL, NONBLOCK);
  assert.equal(now(sys.write(w, new Uint8Array(65536 - 100))), 65436);
  assert.equal(now(sys.write(w, new Uint8Array(101))), -11);
  assert.equal(now(sys.write(w, new Uint8Array(4096))), -11);
  assert.equal(now(sys.write(w, new Uint8Array(5000))), 100);
  assert.equal(now(sys.write(w, new Uint8Array(1))), -11);
  now(sys.read(r, new Uint8Array(4096)));
  assert.equal(now(sys.write(w, new Uint8Array(4096))), 4096);
  rig.end();
});

test("a blocking write returns when all of it was read", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<number[]> {
    const [r, w] = sys.pipe();
    const pid = sys.spawn(
      function* (s) {
        s.close(1);
        const buf = new Uint8Array(10_000);
        let sum = 0;
        for (;;) {
          const n = yield* s.read(0, buf);
          if (n <= 0) return sum === 200_000 ? 0 : 1;
          sum += n;
          yield* s.nanosleep(MS);
        }
      },
      ["reader"],
      { fds: [r] },
    );
    const n = yield* sys.write(w, new Uint8Array(200_000));
    sys.close(w);
    sys.close(r);
    return [n, (yield* sys.wait4(pid, 0))[1]];
  });
  assert.deepEqual(got, [200_000, 0]);
  rig.end();
});

test("no writers: end of file after the last byte; no readers: EPIPE, and SIGPIPE ends who does not ignore it", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const [r, w] = sys.pipe();
    yield* sys.write(w, new Uint8Array(3));
    sys.close(w);
    const out: unknown[] = [yield* sys.read(r, new Uint8Array(9)), yield* sys.read(r, new Uint8Array(9))];
    const [r2, w2] = sys.pipe();
    sys.close(r2);
    const pid = sys.spawn(
      function* (s) {
        yield* s.write(0, new Uint8Array(1));
        return 0;
      },
      ["writer"],
      { fds: [w2] },
    );
    out.push((yield* sys.wait4(pid, 0))[1]);
    sys.sigaction(13, "SIG_IGN");
    out.push(yield* sys.write(w2, new Uint8Array(1)));
    return out;
  });
  assert.deepEqual(got, [3, 0, 13, -32]);
  rig.end();
});

test("a reader that waits gets end of file when the writer dies; a writer that waits, EPIPE", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    sys.sigaction(13, "SIG_IGN");
    const [r, w] = sys.pipe();
    const holder = (fd: number): number =>
      sys.spawn(
        function* (s) {
          yield* s.nanosleep(5 * MS);
          return 0;
        },
        ["holder"],
        { fds: [fd] },
      );
    holder(w);
    sys.close(w);
    const eof = yield* sys.read(r, new Uint8Array(1));
    const [r2, w2] = sys.pipe();
    yield* sys.write(w2, new Uint8Array(65536));
    holder(r2);
    sys.close(r2);
    return [eof, yield* sys.write(w2, new Uint8Array(10)), sys.clock_gettime(1) % MS];
  });
  assert.deepEqual(got.slice(0, 2), [0, -32]);
  rig.end();
});

test("the wrong end: EBADF; poll of both ends; seeking: ESPIPE", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const [r, w] = sys.pipe();
  assert.deepEqual([now(sys.write(r, new Uint8Array(1))), now(sys.read(w, new Uint8Array(1)))], [-9, -9]);
  assert.equal(sys.lseek(r, 0, 0), -29);
  const poll = (fd: number): number => {
    const p = [{ fd, events: 0xfff, revents: 0 }];
    now(sys.poll(p, 0));
    return p[0]!.revents;
  };
  assert.deepEqual([poll(r), poll(w)], [0, 0x104]);
  now(sys.write(w, new Uint8Array(1)));
  assert.equal(poll(r), 0x41);
  now(sys.write(w, new Uint8Array(65535 - 4095)));
  assert.equal(poll(w), 0, "less than PIPE_BUF of room");
  sys.close(w);
  assert.equal(poll(r), 0x51);
  const [r2, w2] = sys.pipe();
  sys.close(r2);
  assert.equal(poll(w2), 0x10c);
  rig.end();
});
