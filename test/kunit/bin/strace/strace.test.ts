// strace against strace 6.1 on Linux 6.18: golden/calls.txt is what it printed of calls.c; the program below makes the same calls.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createWorld } from "../../../../src/api/index.ts";
import { parse_trace } from "../../../../src/bin/strace/classes.ts";
import { traced_program } from "../../../../src/bin/strace/table.ts";
import { Tracer } from "../../../../src/bin/strace/tracer.ts";
import type { MsgHdr, Program } from "../../../../src/uapi/sys.ts";
import { sockaddr } from "../../../lib/kernel.ts";

const utf8 = (s: string): Uint8Array => new TextEncoder().encode(s);
const int = (v: number): Uint8Array => new Uint8Array(Int32Array.of(v).buffer);

/** calls.c, line by line. */
const calls: Program = function* (sys) {
  const big = Uint8Array.from({ length: 300 }, (_, i) => i);
  const a = sockaddr("127.0.0.1", 40009);
  const b = sockaddr("127.0.0.1", 40010);
  const from = new Uint8Array(16);
  const s = sys.socket(2, 2, 0);
  const t = sys.socket(2, 2 | 0o4000 | 0o2000000, 17);
  sys.setsockopt(s, 1, 2, 1);
  for (const opt of [2, 11, 12]) sys.setsockopt(s, 0, opt, int(1));
  sys.setsockopt(s, 0, 10, 2);
  sys.setsockopt(s, 1, 20, new Uint8Array(BigInt64Array.of(1n, 500000n).buffer));
  sys.setsockopt(s, 1, 25, utf8("lo\0"));
  sys.bind(s, a);
  sys.bind(t, b);
  sys.bind(t, b);
  sys.getsockname(s, from);
  sys.getsockopt(s, 1, 4, new Uint8Array(4));
  sys.getsockopt(s, 1, 8, new Uint8Array(4));
  yield* sys.recvfrom(t, big, 0, null);
  yield* sys.sendto(s, utf8('hello\n\t"q\\\u00011\0\0'), 0, b);
  yield* sys.poll([{ fd: t, events: 1, revents: 0 }], 1000);
  const two = [
    { fd: t, events: 1, revents: 0 },
    { fd: s, events: 1 | 4 | 8, revents: 0 },
  ];
  yield* sys.poll(two, -1);
  yield* sys.recvfrom(t, big, 0, from);
  yield* sys.poll([{ fd: t, events: 1, revents: 0 }], 5);
  yield* sys.connect(s, b);
  for (let i = 0; i < 300; i++) big[i] = i;
  yield* sys.sendto(s, big, 0x40 | 0x800, null);
  yield* sys.sendto(s, utf8("abc"), 0x4000, null);
  yield* sys.write(s, utf8("x"));
  yield* sys.read(t, big);
  const msg = (name: Uint8Array | null, iov: Uint8Array[], control: number): MsgHdr => ({
    msg_name: name,
    msg_namelen: name?.length ?? 0,
    msg_iov: iov,
    msg_control: control > 0 ? new Uint8Array(control) : null,
    msg_controllen: control,
    msg_flags: 0,
  });
  yield* sys.sendmsg(s, msg(null, [utf8("ab"), utf8("cdef")], 0), 0);
  sys.setsockopt(t, 0, 12, int(1));
  sys.setsockopt(t, 0, 8, int(1));
  sys.setsockopt(t, 1, 29, int(1));
  yield* sys.recvmsg(t, msg(from, [new Uint8Array(100)], 256), 0);
  yield* sys.write(s, utf8("ttl"));
  yield* sys.recvmsg(t, msg(from, [new Uint8Array(100)], 256), 2);
  yield* sys.sendmsg(s, msg(b, [utf8("ab")], 0), 0x40);
  sys.shutdown(s, 1);
  sys.close(99);
  sys.socket(77, 1, 0);
  sys.socket(2, 1 | 0x10, 99);
  sys.socket(2, 3, 1);
  sys.socket(17, 2, 0x0008);
  sys.socket(17, 3, 0x0300);
  yield* sys.sendto(s, utf8("x"), 0, b.subarray(0, 8));
  const n = sys.socket(16, 3 | 0o2000000, 0);
  const nl = new Uint8Array(12);
  nl[0] = 16;
  nl[8] = 0x11;
  sys.bind(n, nl);
  nl[8] = 0;
  const request = new Uint8Array(20);
  const dv = new DataView(request.buffer);
  dv.setUint32(0, 20, true);
  dv.setUint16(4, 18, true);
  dv.setUint16(6, 0x301, true);
  dv.setUint32(8, 77, true);
  request[16] = 17;
  yield* sys.sendto(n, request, 0, nl);
  sys.getsockname(n, nl);
  const pk = sys.socket(17, 3, 0);
  sys.bind(pk, Uint8Array.of(17, 0, 8, 6, 1, 0, 0, 0, 0, 0, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0));
  const [r, w] = sys.pipe();
  sys.fcntl(r, 4, 0o4000);
  sys.fcntl(r, 3, 0);
  sys.fcntl(r, 1, 0);
  sys.fcntl(r, 2, 1);
  sys.fcntl(r, 0, 20);
  yield* sys.read(r, big.subarray(0, 10));
  sys.dup(r);
  sys.dup2(w, 30);
  const e = sys.epoll_create1(0o2000000);
  const ev = { events: 1 | (1 << 31), data: 7 };
  sys.epoll_ctl(e, 1, r, ev);
  sys.epoll_ctl(e, 2, r, null);
  sys.epoll_ctl(e, 1, r, ev);
  yield* sys.write(w, utf8("z"));
  const out = [0, 1, 2, 3].map(() => ({ events: 0, data: 0 }));
  yield* sys.epoll_wait(e, out, 4, -1);
  yield* sys.epoll_wait(e, out, 4, 0);
  const ifr = new Uint8Array(40);
  ifr.set(utf8("lo"));
  for (const request of [0x8933, 0x8913, 0x8915, 0x8921, 0x8927]) sys.ioctl(s, request, ifr);
  ifr.set(utf8("nope"));
  sys.ioctl(s, 0x8933, ifr);
  sys.isatty(r);
  sys.ioctl(s, 0x541b, new Uint8Array(64));
  sys.getpid();
  sys.getppid();
  sys.kill(99999, 15);
  yield* sys.nanosleep(1000);
  yield* sys.sched_yield();
  sys.open("/nope", 0);
  sys.mkdir("/nope/d", 0o755);
  sys.rmdir("/nope/d");
  sys.unlink("/nope");
  yield* sys.wait4(-1, 1);
  yield* sys.accept4(s, null, 0o2000000);
  sys.listen(s, 5);
  yield* sys.connect(s, new Uint8Array(16));
  const six = new Uint8Array(28);
  six[0] = 10;
  six[3] = 9;
  yield* sys.connect(s, six);
  return 5;
};

const normal = (text: string): string =>
  text
    .replace(/0x7f[0-9a-f]{10}/g, "ADDR")
    .replace(/nl_pid=[1-9]\d*/g, "nl_pid=PID")
    .replace(/^(getp?pid\(\) +=) \d+/gm, "$1 PID")
    .replace(/tv_sec=1\d{9}, tv_usec=\d+/g, "tv_sec=S, tv_usec=US");

function machine(program?: Program): {
  out: (command: string) => { code: number; out: string; err: string };
  end: () => void;
} {
  const world = createWorld({ seed: 1 });
  const programs = new Map<string, Program>(program !== undefined ? [["calls", program]] : []);
  const m = world.createMachine({ hostname: "a", programs });
  assert.equal(world.wait(m.exec("ip link set lo up")), 0);
  return {
    out: (command) => {
      let out = "";
      let err = "";
      const p = m.exec(command, {
        stdout: (b) => (out += Buffer.from(b).toString()),
        stderr: (b) => (err += Buffer.from(b).toString()),
      });
      return { code: world.wait(p), out, err };
    },
    end: () => {
      assert.deepEqual(m.kernel.bugs, []);
      m.poweroff();
      assert.deepEqual(
        Object.entries(m.live()).filter(([, n]) => n !== 0),
        [],
      );
    },
  };
}

test("each line is the one that strace 6.1 prints for the same call on Linux", () => {
  let text = "";
  const tracer = new Tracer({
    filter: parse_trace("all") as (n: string) => boolean,
    follow: true,
    out: (s) => (text += s),
  });
  // The shell that recorded calls.txt left descriptor 10 open.
  const m = machine(function* (sys, argv) {
    sys.dup2(1, 10);
    return yield* traced_program(calls, tracer)(sys, argv);
  });
  assert.equal(m.out("calls").code, 5);
  const lines = text.split("\n").filter((l) => !l.startsWith("execve"));
  const want = readFileSync(new URL("golden/calls.txt", import.meta.url), "utf8")
    .trimEnd()
    .split("\n");
  assert.deepEqual(normal(lines.join("\n")).trimEnd().split("\n"), want);
  m.end();
});

test("structs of options, and an error from the error queue, as strace 6.1 showed them", () => {
  let text = "";
  const filter = parse_trace("setsockopt,getsockopt,recvmsg") as (n: string) => boolean;
  const tracer = new Tracer({ filter, follow: true, out: (s) => (text += s) });
  const m = machine(
    traced_program(function* (sys) {
      const s = sys.socket(2, 2, 0);
      sys.setsockopt(s, 0, 11, int(1));
      yield* sys.sendto(s, Uint8Array.of(120), 0, sockaddr("127.0.0.1", 4444));
      yield* sys.nanosleep(1e6);
      const msg: MsgHdr = {
        msg_name: new Uint8Array(16),
        msg_namelen: 16,
        msg_iov: [new Uint8Array(99)],
        msg_control: new Uint8Array(256),
        msg_controllen: 256,
        msg_flags: 0,
      };
      yield* sys.recvmsg(s, msg, 0x2000);
      yield* sys.recvmsg(s, msg, 0x2040);
      sys.setsockopt(s, 1, 13, Uint8Array.of(1, 0, 0, 0, 2, 0, 0, 0));
      sys.setsockopt(s, 0, 35, Uint8Array.of(224, 1, 2, 3, 127, 0, 0, 1));
      sys.setsockopt(s, 17, 103, 1);
      sys.setsockopt(s, 0, 33, Uint8Array.of(1));
      sys.getsockopt(s, 1, 38, new Uint8Array(4));
      sys.getsockopt(s, 1, 25, new Uint8Array(16));
      return 0;
    }, tracer),
  );
  assert.equal(m.out("calls").code, 0);
  assert.deepEqual(normal(text).trimEnd().split("\n"), [
    "setsockopt(3, SOL_IP, IP_RECVERR, [1], 4) = 0",
    'recvmsg(3, {msg_name={sa_family=AF_INET, sin_port=htons(4444), sin_addr=inet_addr("127.0.0.1")}, msg_namelen=16, msg_iov=[{iov_base="x", iov_len=99}], msg_iovlen=1, msg_control=[{cmsg_len=48, cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=111, ee_origin=2, ee_type=3, ee_code=3, ee_info=0, ee_data=0, offender={sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("127.0.0.1")}}}], msg_controllen=48, msg_flags=MSG_ERRQUEUE}, MSG_ERRQUEUE) = 1',
    "recvmsg(3, {msg_namelen=16}, MSG_DONTWAIT|MSG_ERRQUEUE) = -1 EAGAIN (Resource temporarily unavailable)",
    "setsockopt(3, SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=2}, 8) = 0",
    'setsockopt(3, SOL_IP, IP_ADD_MEMBERSHIP, {imr_multiaddr=inet_addr("224.1.2.3"), imr_interface=inet_addr("127.0.0.1")}, 8) = 0',
    "setsockopt(3, SOL_UDP, UDP_SEGMENT, [1], 4) = 0",
    'setsockopt(3, SOL_IP, IP_MULTICAST_TTL, "\\1", 1) = 0',
    "getsockopt(3, SOL_SOCKET, SO_PROTOCOL, [17], [4]) = 0",
    "getsockopt(3, SOL_SOCKET, SO_BINDTODEVICE, ADDR, [16 => 0]) = 0",
    "+++ exited with 0 +++",
  ]);
  m.end();
});

test("strace PROG: lines on stderr, the program's output and exit code untouched; -e, -o, -s, -q", () => {
  const m = machine();
  const plain = m.out("strace -e trace=write echo hello");
  assert.deepEqual(plain, {
    code: 0,
    out: "hello\n",
    err: 'write(1, "hello\\n", 6)                  = 6\n+++ exited with 0 +++\n',
  });
  assert.equal(m.out("strace -e trace=none false").code, 1);
  assert.equal(
    m.out("strace -o /f -s 2 -e write echo hello; cat /f").out,
    'hello\nwrite(1, "he"..., 6)                    = 6\n+++ exited with 0 +++\n',
  );
  assert.equal(m.out("strace -qq -e trace=none true").err, "");
  const nope = m.out("strace nope");
  assert.deepEqual([nope.code, nope.err], [1, "strace: Can't stat 'nope': No such file or directory\n"]);
  assert.equal(m.out("strace -e foo true").err, "strace: invalid system call 'foo'\n");
  assert.equal(m.out("strace -e trace=%network,nope true").err, "strace: invalid system call 'nope'\n");
  assert.equal(m.out("strace").err, "strace: must have PROG [ARGS] or -p PID\nTry 'strace -h' for more information.\n");
  m.end();
});

test("-f: the pid stands before the line while there are several; a call that others interrupt is resumed; signals kill", () => {
  const m = machine();
  const r = m.out(
    "strace -f -e trace=process,nanosleep,clock_nanosleep sh -c 'sleep 0.1; sleep 5 & kill -9 $!; wait $!; true'",
  );
  assert.equal(r.code, 0);
  assert.match(r.err, /^vfork\(\) += (\d+)\nwait4\(\1, {2}<unfinished \.\.\.>\nstrace: Process \1 attached\n/m);
  assert.match(
    r.err,
    /^\[pid +\d+\] clock_nanosleep\(CLOCK_REALTIME, 0, \{tv_sec=0, tv_nsec=100000000\}, NULL\) = 0$/m,
  );
  assert.match(r.err, /^<\.\.\. wait4 resumed>\[\{WIFEXITED\(s\) && WEXITSTATUS\(s\) == 0\}\], 0, NULL\) = \d+$/m);
  assert.match(r.err, /^\[pid +\d+\] \+\+\+ killed by SIGKILL \+\+\+$/m);
  assert.match(r.err, /^exit_group\(0\) += \?\n\+\+\+ exited with 0 \+\+\+\n$/m);
  m.end();
});

test("parse_trace: names, classes, exclusion, patterns, and what is no call", () => {
  const f = (set: string, name: string): boolean | string => {
    const p = parse_trace(set);
    return typeof p === "string" ? p : p(name);
  };
  assert.equal(f("sendto,recvfrom", "recvfrom"), true);
  assert.equal(f("sendto,recvfrom", "read"), false);
  assert.equal(f("network", "bind"), true);
  assert.equal(f("%net", "bind"), true);
  assert.equal(f("!read", "read"), false);
  assert.equal(f("!read", "write"), true);
  assert.equal(f("/^epoll", "epoll_wait"), true);
  assert.equal(f("net", "bind"), "invalid system call 'net'");
  assert.equal(f("?nope,read", "read"), true);
  assert.equal(f("/(", "read"), "regcomp: (: Invalid regular expression");
});

test("sendfile, splice and tee: offsets and flags as strace 6.1 prints them", () => {
  const m = machine(function* (sys) {
    const f = sys.open("/etc/hosts", 0);
    const [r, w] = sys.pipe();
    const at = (v: bigint): Uint8Array => new Uint8Array(BigInt64Array.of(v).buffer);
    const s = sys.socket(2, 2, 0);
    sys.bind(sys.socket(2, 2, 0), sockaddr("127.0.0.1", 9));
    yield* sys.connect(s, sockaddr("127.0.0.1", 9));
    yield* sys.sendfile(s, f, at(0n), 10);
    yield* sys.splice(f, at(5n), w, null, 10, 0);
    yield* sys.tee(r, w, 10, 0);
    yield* sys.splice(r, null, s, null, 10, 4);
    yield* sys.sendfile(99, f, at(0n), 10);
    return 0;
  });
  const { err } = m.out("echo 127.0.0.1 localhost > /etc/hosts; strace -e trace=sendfile,splice,tee calls");
  const lines = err.split("\n").map((l) => l.replace(/ +(= -?\d)/, " $1"));
  assert.deepEqual(lines.slice(0, 5), [
    "sendfile(6, 3, [0] => [10], 10) = 10",
    "splice(3, [5], 5, NULL, 10, 0) = 10",
    "tee(4, 5, 10, 0) = -1 EINVAL (Invalid argument)",
    "splice(4, NULL, 6, NULL, 10, SPLICE_F_MORE) = 10",
    "sendfile(99, 3, [0], 10) = -1 EBADF (Bad file descriptor)",
  ]);
  m.end();
});
