// Descriptors: the lowest free number, dup and dup2, close-on-exec flags, sharing between tasks, errors.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Blocking } from "../../../../src/uapi/sys.ts";
import { KernelRig, now } from "../../../lib/kernel.ts";

test("a new descriptor takes the lowest number; F_DUPFD the lowest from its argument", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const open = (): number => sys.open("/dev/null", 0);
  assert.deepEqual([open(), open(), open()], [0, 1, 2]);
  sys.close(1);
  assert.deepEqual([open(), sys.dup(0), sys.fcntl(0, 0, 10), sys.fcntl(0, 0, 10), open()], [1, 3, 10, 11, 4]);
  assert.deepEqual([sys.dup2(0, 7), sys.dup2(0, 0), open()], [7, 0, 5]);
  rig.end();
});

test("errors: EBADF everywhere, EINVAL for an unknown fcntl, ENOTTY for an ioctl of a plain file", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const fd = sys.open("/dev/null", 0);
  const b = new Uint8Array(1);
  assert.deepEqual(
    [
      sys.close(9),
      sys.close(-1),
      sys.dup(9),
      sys.dup2(9, 1),
      sys.dup2(fd, -1),
      sys.dup2(fd, 1 << 20),
      now(sys.read(9, b)),
      now(sys.write(9, b)),
      sys.lseek(9, 0, 0),
      sys.fcntl(9, 1, 0),
      sys.ioctl(9, 1, b),
      sys.fstat(9),
    ],
    Array(12).fill(-9),
  );
  assert.deepEqual([sys.fcntl(fd, 999, 0), sys.ioctl(fd, 1, b)], [-22, -25]);
  rig.end();
});

test("dup shares offset and flags, not the close-on-exec flag", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const fd = sys.open("/tmp/f", 0o102 | 0o2000000);
  now(sys.write(fd, new TextEncoder().encode("hello")));
  const d = sys.dup(fd);
  assert.deepEqual([sys.fcntl(fd, 1, 0), sys.fcntl(d, 1, 0)], [1, 0]);
  sys.lseek(d, 1, 0);
  const buf = new Uint8Array(2);
  now(sys.read(fd, buf));
  assert.equal(new TextDecoder().decode(buf), "el");
  sys.fcntl(d, 4, 0o4000);
  assert.equal(sys.fcntl(fd, 3, 0) & 0o4000, 0o4000);
  sys.close(fd);
  assert.equal(now(sys.read(d, buf)), 2, "open as long as one descriptor is");
  rig.end();
});

test("a child has the files it was given, under the numbers it was given; the last one closes", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const [r, w] = sys.pipe();
    const bad = sys.spawn(
      function* () {
        return 0;
      },
      ["x"],
      { fds: [77] },
    );
    sys.spawn(
      function* (s) {
        yield* s.write(1, new Uint8Array([s.close(0), s.close(2)].map((n) => -n)));
        return 0;
      },
      ["c"],
      { fds: [-1, w, -1] },
    );
    sys.close(w);
    const buf = new Uint8Array(9);
    const n = yield* sys.read(r, buf);
    return [bad, n, buf[0], buf[1], yield* sys.read(r, buf)];
  });
  assert.deepEqual(got, [-9, 2, 9, 9, 0]);
  rig.end();
});

test("65536 descriptors at most: EMFILE, also for pipes and sockets, and nothing leaks", () => {
  const rig = new KernelRig();
  const sys = rig.task();
  const fd = sys.open("/dev/null", 0);
  for (let i = 1; i < 65535; i++) sys.task.files.fd[i] = sys.task.files.fd[fd]!;
  sys.task.files.next_fd = 65535;
  const live = rig.k.live_files;
  const [a] = sys.pipe();
  assert.equal(a, -24);
  assert.equal(rig.k.live_files, live, "the first end is closed again");
  assert.ok(sys.socket(2, 2, 0) >= 0);
  assert.deepEqual(
    [sys.socket(2, 2, 0), sys.open("/dev/null", 0), sys.dup(fd), sys.epoll_create1(0)],
    [-24, -24, -24, -24],
  );
  for (let i = 1; i < 65535; i++) sys.task.files.fd[i] = null;
  rig.end();
});
