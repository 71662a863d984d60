// Stopped tasks: SIGSTOP, SIGTSTP, SIGTTIN, SIGCONT, what wait4() tells of them, orphaned process groups, the terminal's
// foreground group. Linux 6.18 gave the expected values (wait(2), signal(7), POSIX 11.1.4).

import assert from "node:assert/strict";
import { test } from "node:test";
import { Tty } from "../../../src/kernel/fs/pipe.ts";
import type { Blocking, Program, Sys } from "../../../src/uapi/sys.ts";
import { KernelRig, MS, sockaddr } from "../../lib/kernel.ts";

const [SIGKILL, SIGTERM, SIGCONT, SIGSTOP, SIGTSTP] = [9, 15, 18, 19, 20];
const [WNOHANG, WUNTRACED, WCONTINUED] = [1, 2, 8];

/** Counts its turns of a millisecond. */
function ticker(count: { n: number }): Program {
  return function* (sys) {
    for (;;) {
      yield* sys.nanosleep(MS);
      count.n++;
    }
  };
}

function* stat(sys: Sys, pid: number): Blocking<string> {
  const buf = new Uint8Array(512);
  const fd = sys.open(`/proc/${pid}/stat`, 0);
  const n = yield* sys.read(fd, buf);
  sys.close(fd);
  return new TextDecoder().decode(buf.subarray(0, n)).split(" ")[2]!;
}

test("SIGSTOP: state T, no turn until SIGCONT; wait4 tells of both once, and only who asks", () => {
  const rig = new KernelRig();
  const count = { n: 0 };
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const pid = sys.spawn(ticker(count), ["t"]);
    const out: unknown[] = [];
    const tell = function* (options: number): Blocking<void> {
      const [p, status] = yield* sys.wait4(pid, options);
      out.push(p === pid ? `0x${status.toString(16)}` : p);
    };
    yield* sys.nanosleep(10.5 * MS);
    sys.kill(pid, SIGSTOP);
    out.push(count.n, yield* stat(sys, pid));
    yield* tell(WNOHANG);
    yield* tell(WNOHANG | WCONTINUED);
    yield* tell(WUNTRACED);
    yield* tell(WNOHANG | WUNTRACED);
    yield* sys.nanosleep(50 * MS);
    out.push(count.n);
    sys.kill(pid, SIGCONT);
    yield* tell(WNOHANG | WUNTRACED);
    yield* tell(WNOHANG | WCONTINUED);
    yield* tell(WNOHANG | WCONTINUED);
    yield* sys.nanosleep(10.2 * MS);
    out.push(yield* stat(sys, pid), count.n > 15);
    sys.kill(pid, SIGSTOP);
    sys.kill(pid, SIGKILL);
    yield* tell(0);
    return out;
  });
  assert.deepEqual(got, [10, "T", 0, 0, "0x137f", 0, 10, 0, "0xffff", 0, "S", true, "0x9"]);
  rig.end();
});

test("wait4 with WUNTRACED wakes when a child stops", () => {
  const rig = new KernelRig();
  const got = rig.wait(function* (sys): Blocking<unknown> {
    const pid = sys.spawn(
      function* (s) {
        yield* s.nanosleep(5 * MS);
        s.kill(s.getpid(), SIGSTOP);
        yield* s.nanosleep(5 * MS);
        return 4;
      },
      ["c"],
    );
    const t0 = sys.clock_gettime(1);
    const a = yield* sys.wait4(pid, WUNTRACED);
    const at = (sys.clock_gettime(1) - t0) / MS;
    sys.kill(pid, SIGCONT);
    const b = yield* sys.wait4(pid, 0);
    return [a[1], at, b[1]];
  });
  assert.deepEqual(got, [(SIGSTOP << 8) | 0x7f, 5, 4 << 8]);
  rig.end();
});

test("other signals wait for SIGCONT, a caught SIGTSTP does not stop, SIGCONT cancels a stop and runs its handler", () => {
  const rig = new KernelRig();
  const log: string[] = [];
  const got = rig.wait(function* (sys): Blocking<unknown> {
    const pid = sys.spawn(ticker({ n: 0 }), ["t"], { pgid: 0 });
    sys.kill(pid, SIGSTOP);
    sys.kill(pid, SIGTERM);
    yield* sys.nanosleep(5 * MS);
    const during = yield* stat(sys, pid);
    sys.kill(pid, SIGCONT);
    const died = (yield* sys.wait4(pid, 0))[1];
    const catcher = sys.spawn(
      function* (s) {
        for (const sig of [SIGTSTP, SIGCONT]) s.sigaction(sig, (n) => log.push(String(n)));
        while (log.length < 1) yield* s.nanosleep(MS);
        return 0;
      },
      ["c"],
      { pgid: 0 },
    );
    yield* sys.nanosleep(MS);
    // A stop signal that still waits is gone once SIGCONT comes.
    for (const sig of [SIGTSTP, SIGCONT, SIGTSTP]) sys.kill(catcher, sig);
    return [during, died, (yield* sys.wait4(catcher, 0))[1]];
  });
  assert.deepEqual(got, ["T", SIGTERM, 0]);
  assert.deepEqual(log, ["20"]);
  rig.end();
});

test("nanosleep sleeps what is left; a datagram that came meanwhile is read; epoll_wait and SO_RCVTIMEO end with EINTR", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const got = rig.wait(function* (sys): Blocking<unknown[]> {
    const out: unknown[] = [];
    const child = (name: string, fn: (s: Sys) => Blocking<unknown>): number =>
      sys.spawn(
        function* (s) {
          const t0 = s.clock_gettime(1);
          const r = yield* fn(s);
          out.push(`${name} ${r} at ${Math.round((s.clock_gettime(1) - t0) / MS)}`);
          return 0;
        },
        [name],
      );
    const bound = (s: Sys, port: number): number => {
      const fd = s.socket(2, 2, 0);
      s.bind(fd, sockaddr("127.0.0.1", port));
      return fd;
    };
    const buf = new Uint8Array(10);
    const pids = [
      child("short", (s) => s.nanosleep(20 * MS)),
      child("long", (s) => s.nanosleep(60 * MS)),
      child("recv", (s) => s.recvfrom(bound(s, 1000), buf, 0, null)),
      child("timeo", function* (s) {
        const fd = bound(s, 1001);
        const tv = new Uint8Array(16);
        tv[0] = 5;
        s.setsockopt(fd, 1, 20, tv);
        return yield* s.recvfrom(fd, buf, 0, null);
      }),
      child("epoll", (s) => s.epoll_wait(s.epoll_create1(0), [], 1, -1)),
    ];
    yield* sys.nanosleep(10 * MS);
    for (const p of pids) sys.kill(p, SIGSTOP);
    yield* sys.sendto(sys.socket(2, 2, 0), new Uint8Array(3), 0, sockaddr("127.0.0.1", 1000));
    yield* sys.nanosleep(30 * MS);
    out.push("continue");
    for (const p of pids) sys.kill(p, SIGCONT);
    for (const p of pids) yield* sys.wait4(p, 0);
    return out;
  });
  assert.deepEqual(got, [
    "continue",
    "short 0 at 40",
    "recv 3 at 40",
    "timeo -4 at 40",
    "epoll -4 at 40",
    "long 0 at 60",
  ]);
  rig.end();
});

test("one that computes stops where it gives way, and comes back to the run queue once", () => {
  for (const cpus of [1, 2]) {
    const rig = new KernelRig({ cpus });
    const count = { n: 0 };
    const job = rig.job(function* (sys): Blocking<void> {
      for (;;) {
        count.n++;
        yield* sys.sched_yield();
      }
    });
    const turns = (n: number): number => {
      const before = count.n;
      for (let i = 0; i < n; i++) rig.world.step(rig.world.now);
      return count.n - before;
    };
    assert.ok(turns(10) > 5);
    const other = rig.task();
    other.kill(job.task.pid, SIGSTOP);
    other.kill(job.task.pid, SIGCONT);
    other.kill(job.task.pid, SIGSTOP);
    assert.equal(turns(10), 0);
    other.kill(job.task.pid, SIGCONT);
    assert.ok(turns(10) > 5 && turns(10) <= 10);
    other.kill(job.task.pid, SIGSTOP);
    other.kill(job.task.pid, SIGKILL);
    assert.equal(rig.k.tasks.has(job.task.pid), false);
    rig.end();
  }
});

test("an orphaned process group ignores SIGTSTP; one that becomes orphaned while stopped gets SIGHUP and SIGCONT", () => {
  const rig = new KernelRig();
  const log: string[] = [];
  const got = rig.wait(function* (sys): Blocking<unknown> {
    // This task's parent is init, of the same group: nobody would continue the group.
    sys.kill(sys.getpid(), SIGTSTP);
    let child = 0;
    const shell = sys.spawn(
      function* (s) {
        child = s.spawn(
          function* (c) {
            for (const sig of [1, SIGCONT]) c.sigaction(sig, (n) => log.push(String(n)));
            while ((yield* c.nanosleep(1e9)) !== -4);
            return 0;
          },
          ["job"],
          { pgid: 0 },
        );
        yield* s.nanosleep(MS);
        s.kill(child, SIGTSTP);
        yield* s.nanosleep(MS);
        log.push(yield* stat(s, child));
        return 0;
      },
      ["shell"],
    );
    yield* sys.wait4(shell, 0);
    yield* sys.nanosleep(MS);
    return rig.k.tasks.has(child);
  });
  assert.equal(got, false);
  assert.deepEqual(log, ["T", "1", "18"]);
  // In a group that was orphaned before, a stopped process stays so.
  const stopped = rig.wait(function* (sys): Blocking<string> {
    let child = 0;
    const parent = sys.spawn(
      function* (s) {
        child = s.spawn(ticker({ n: 0 }), ["job"]);
        s.kill(child, SIGSTOP);
        return 0;
      },
      ["parent"],
    );
    yield* sys.wait4(parent, 0);
    return yield* stat(sys, child);
  });
  assert.equal(stopped, "T");
  rig.end();
});

test("a background group that reads the terminal is stopped by SIGTTIN, with it ignored or orphaned it gets EIO", () => {
  const rig = new KernelRig();
  const tty = new Tty(rig.k, true, () => {});
  const buf = new Uint8Array(10);
  const read: Program = function* (s) {
    const n = yield* s.read(0, buf);
    return n < 0 ? -n : n;
  };
  const job = rig.job(function* (sys): Blocking<unknown> {
    yield* sys.nanosleep(MS);
    const pid = sys.spawn(read, ["cat"], { pgid: 0 });
    const stopped = (yield* sys.wait4(pid, WUNTRACED))[1];
    tty.foreground = pid;
    sys.kill(pid, SIGCONT);
    const status = (yield* sys.wait4(pid, 0))[1];
    tty.foreground = sys.getpid();
    const deaf = sys.spawn(
      function* (s, argv) {
        s.sigaction(21, "SIG_IGN");
        return yield* read(s, argv);
      },
      ["deaf"],
      { pgid: 0 },
    );
    return [stopped, status >> 8, (yield* sys.wait4(deaf, 0))[1] >> 8];
  });
  job.task.pgid = job.task.pid;
  job.task.sid = job.task.pid;
  job.task.tty = tty;
  tty.foreground = job.task.pid;
  for (let fd = 0; fd < 3; fd++) job.task.files.fd[fd] = tty.open();
  rig.run(10);
  rig.call(() => tty.push(new TextEncoder().encode("abc\n")));
  rig.run(10);
  assert.deepEqual(job.value, [(21 << 8) | 0x7f, 4, 5]);
  rig.end();
});
