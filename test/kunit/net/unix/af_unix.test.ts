// AF_UNIX: names, streams, datagrams and their ends, with the results that Linux 6.18 gives for the same calls (unix(7)).

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import { errno_name } from "../../../../src/uapi/errno.ts";
import type { MsgHdr } from "../../../../src/uapi/sys.ts";
import { utf8_decode, utf8_encode } from "../../../../src/uapi/utf8.ts";
import { assert_no_leaks, BLOCKS, KernelRig, now } from "../../../lib/kernel.ts";

const STREAM = 1;
const DGRAM = 2;
const SEQPACKET = 5;
const NONBLOCK = 0o4000;
const DONTWAIT = 0x40;
const PEEK = 2;
const TRUNC = 0x20;
const IN = 1;

const un = (path: string): Uint8Array => Uint8Array.from([1, 0, ...utf8_encode(path)]);
/** A number as it is, an errno by name. */
const told = (n: number | typeof BLOCKS): number | string => (typeof n === "number" && n < 0 ? errno_name(n) : n);

class Rig extends KernelRig {
  readonly s: TaskSys = this.task();
  open(type: number = STREAM): number {
    return this.s.socket(1, type | NONBLOCK, 0);
  }
  bind(fd: number, path: string): number | string {
    return told(this.s.bind(fd, un(path)));
  }
  connect(fd: number, path: string): number | string {
    return told(now(this.s.connect(fd, un(path))));
  }
  accept(fd: number): number | string {
    return told(now(this.s.accept4(fd, null, 0)));
  }
  send(fd: number, text: string, to: string | null = null): number | string {
    return told(now(this.s.sendto(fd, utf8_encode(text), 0x4000, to === null ? null : un(to))));
  }
  recv(fd: number, len = 100, flags = 0): number | string {
    const buf = new Uint8Array(len);
    const n = now(this.s.recvfrom(fd, buf, flags, null));
    return typeof n === "number" && n >= 0 ? `"${utf8_decode(buf.subarray(0, Math.min(n, len)))}"` : told(n);
  }
  /** "x": a path; "@x": an abstract name; "": none. */
  name(fd: number, peer = false): string {
    const sa = new Uint8Array(110);
    const n = peer ? this.s.getpeername(fd, sa) : this.s.getsockname(fd, sa);
    return n < 0 ? errno_name(n) : utf8_decode(sa.subarray(2, n)).replaceAll("\0", "@");
  }
  poll(fd: number): string {
    const fds = [{ fd, events: 0xffff, revents: 0 }];
    assert(now(this.s.poll(fds, 0)) !== BLOCKS);
    return `0x${fds[0]!.revents.toString(16)}`;
  }
  socketpair(type: number = STREAM): [number, number] {
    const sv: [number, number] = [0, 0];
    assert.equal(this.s.socketpair(1, type | NONBLOCK, 0, sv), 0);
    return sv;
  }
  ioctl(fd: number, cmd: number): number {
    const arg = new Uint8Array(4);
    const err = this.s.ioctl(fd, cmd, arg);
    return err < 0 ? err : new DataView(arg.buffer).getInt32(0, true);
  }
}

function scene(name: string, fn: (r: Rig) => void): void {
  test(name, () => {
    const r = new Rig();
    fn(r);
    r.end();
    assert_no_leaks(r.k);
  });
}

scene("a fresh socket: no name, nobody there, HUP for poll", (r) => {
  const fd = r.open();
  assert.deepEqual([r.poll(fd), r.name(fd), r.name(fd, true)], ["0x314", "", "ENOTCONN"]);
  assert.deepEqual([r.recv(fd), r.send(fd, "x"), r.s.shutdown(fd, 2)], ["EINVAL", "ENOTCONN", 0]);
  assert.equal(r.poll(fd), "0x2355");
  assert.deepEqual([told(r.s.listen(fd, 1)), r.accept(fd)], ["EINVAL", "EINVAL"]);
  assert.equal(told(r.s.socket(1, STREAM, 5)), "EPROTONOSUPPORT");
  assert.equal(told(r.s.socket(1, 4, 0)), "ESOCKTNOSUPPORT");
  assert(r.s.socket(1, STREAM, 1) >= 0);
  // Who asks for raw gets datagrams.
  assert(r.s.socket(1, 3, 0) >= 0);
});

scene("names: paths in the tree of files, abstract ones, autobind", (r) => {
  const [a, b, c] = [r.open(), r.open(), r.open()] as const;
  assert.equal(r.connect(a, "/tmp/nope"), "ENOENT");
  r.s.close(r.s.open("/tmp/file", 0o101));
  assert.equal(r.connect(a, "/tmp/file"), "ECONNREFUSED");
  assert.equal(r.connect(a, "/tmp"), "ECONNREFUSED");
  assert.equal(r.connect(a, "/tmp/file/x"), "ENOTDIR");
  assert.equal(r.bind(a, "/nodir/x"), "ENOENT");
  assert.equal(r.bind(a, "/tmp/file"), "EADDRINUSE");
  assert.equal(r.bind(a, "/tmp/file/x"), "ENOTDIR");
  assert.equal(r.bind(a, "/tmp/l"), 0);
  assert.equal(r.bind(a, "/tmp/l2"), "EINVAL");
  assert.equal(r.bind(b, "/tmp/l"), "EADDRINUSE");
  assert.equal((r.s.stat("/tmp/l") as { st_mode: number }).st_mode, 0o140755);
  assert.equal(told(r.s.open("/tmp/l", 0)), "ENXIO");
  assert.equal(r.connect(b, "/tmp/l"), "ECONNREFUSED");
  assert.equal(r.connect(r.open(DGRAM), "/tmp/l"), "EPROTOTYPE");
  assert.equal(r.name(a), "/tmp/l@");
  // The name stays when the socket is closed, and stays taken until somebody unlinks it.
  r.s.close(a);
  assert.equal(r.connect(b, "/tmp/l"), "ECONNREFUSED");
  assert.equal(r.bind(b, "/tmp/l"), "EADDRINUSE");
  assert.equal(r.s.unlink("/tmp/l"), 0);
  assert.equal(r.bind(b, "/tmp/l"), 0);
  assert.equal(r.bind(c, "\0abc"), 0);
  assert.equal(r.name(c), "@abc");
  assert.equal(r.bind(r.open(), "\0abc"), "EADDRINUSE");
  r.s.close(c);
  const d = r.open();
  assert.equal(r.bind(d, "\0abc"), 0);
  const e = r.open();
  assert.equal(r.bind(e, ""), 0);
  assert.match(r.name(e), /^@[0-9a-f]{5}$/);
  assert.equal(told(r.s.bind(r.open(), new Uint8Array(111))), "EINVAL");
});

scene("connect and accept: the queue of a listener, names, credentials", (r) => {
  const l = r.open();
  r.bind(l, "/tmp/l");
  assert.equal(r.accept(l), "EINVAL");
  assert.equal(r.s.listen(l, 1), 0);
  assert.deepEqual([r.poll(l), r.accept(l), r.s.listen(l, 1)], ["0x0", "EAGAIN", 0]);
  const cs = [0, 1, 2].map(() => r.open());
  // One more than the backlog, as with TCP.
  assert.deepEqual(
    cs.map((c) => r.connect(c, "/tmp/l")),
    [0, 0, "EAGAIN"],
  );
  assert.deepEqual([r.send(l, "x"), r.recv(l), r.poll(l)], ["ENOTCONN", "EINVAL", "0x41"]);
  assert.deepEqual([r.poll(cs[0]!), r.name(cs[0]!), r.name(cs[0]!, true)], ["0x304", "", "/tmp/l@"]);
  const a = r.accept(l) as number;
  assert.deepEqual([r.name(a), r.name(a, true)], ["/tmp/l@", ""]);
  assert.equal(r.connect(cs[0]!, "/tmp/l"), "EISCONN");
  assert.equal(r.send(a, "x", "/tmp/l"), "EISCONN");
  const cred = new Uint8Array(12);
  assert.equal(r.s.getsockopt(a, 1, 17, cred), 12);
  // A call from outside of the scheduler is init's.
  assert.deepEqual([...new Int32Array(cred.buffer)], [1, 0, 0]);
  // Bytes that nobody read make the end a reset.
  assert.equal(r.send(a, "hello"), 5);
  assert.equal(r.poll(cs[0]!), "0x345");
  assert.equal(r.recv(cs[0]!, 2), '"he"');
  assert.equal(r.ioctl(cs[0]!, 0x541b), 3);
  assert(r.ioctl(a, 0x5411) > 0);
  r.s.close(cs[0]!);
  assert.equal(r.poll(a), "0x235d");
  assert.deepEqual([r.recv(a), r.recv(a), r.send(a, "x")], ["ECONNRESET", '""', "EPIPE"]);
  // Who was never accepted is told so.
  assert.equal(r.poll(cs[1]!), "0x304");
  r.s.close(l);
  assert.equal(r.poll(cs[1]!), "0x235d");
  assert.deepEqual([r.recv(cs[1]!), r.recv(cs[1]!), r.send(cs[1]!, "x")], ["ECONNRESET", '""', "EPIPE"]);
});

scene("socketpair: half close both ways, peek, order, what a stream holds", (r) => {
  const [x, y] = r.socketpair();
  assert.deepEqual([r.name(x), r.name(x, true)], ["", ""]);
  assert.deepEqual([r.send(x, "123"), r.send(x, "456")], [3, 3]);
  assert.deepEqual([r.recv(y, 10, PEEK), r.recv(y, 4), r.recv(y, 10)], ['"123456"', '"1234"', '"56"']);
  assert.deepEqual([r.send(x, ""), r.recv(y)], [0, "EAGAIN"]);
  r.s.shutdown(x, 1);
  assert.deepEqual([r.poll(y), r.recv(y), r.send(x, "1"), r.poll(x)], ["0x2345", '""', "EPIPE", "0x304"]);
  assert.deepEqual([r.send(y, "q"), r.recv(x)], [1, '"q"']);
  const [a, b] = r.socketpair();
  let sent = 0;
  const block = "a".repeat(65_536);
  for (let n = r.send(a, block); typeof n === "number"; n = r.send(a, block)) sent += n;
  // About SO_SNDBUF: the packets count with what the kernel adds to them.
  assert(sent > 100_000 && sent < 300_000, String(sent));
  assert.equal(r.poll(a), "0x0");
  let read = 0;
  while (r.poll(a) === "0x0") read += (r.recv(b, 4096) as string).length - 2;
  // Writable again when no more than a quarter is in use.
  assert(read > sent / 2, String(read));
  assert.equal(told(r.s.setsockopt(a, 6, 1, 1)), "EOPNOTSUPP");
});

scene("datagrams: whole, from whom, a full queue, EPERM, a peer that is gone", (r) => {
  const u = r.open(DGRAM);
  const v = r.open(DGRAM);
  r.bind(u, "/tmp/u");
  assert.deepEqual([r.poll(v), r.send(v, "x"), r.send(v, "xyz", "/tmp/u")], ["0x304", "ENOTCONN", 3]);
  const msg: MsgHdr = {
    msg_name: new Uint8Array(110),
    msg_namelen: 110,
    msg_iov: [new Uint8Array(2)],
    msg_control: null,
    msg_controllen: 0,
    msg_flags: 0,
  };
  // Truncated, from somebody without a name.
  assert.deepEqual([now(r.s.recvmsg(u, msg, DONTWAIT)), msg.msg_flags & TRUNC, msg.msg_namelen], [2, TRUNC, 0]);
  r.bind(v, "/tmp/v");
  assert.equal(r.connect(v, "/tmp/u"), 0);
  let n = 0;
  while (r.send(v, "m") === 1) n++;
  // net.unix.max_dgram_qlen, and one.
  assert.equal(n, 11);
  assert.deepEqual([r.send(v, "m"), r.poll(v)], ["EAGAIN", "0x0"]);
  const w = r.open(DGRAM);
  assert.equal(r.send(w, "x", "/tmp/u"), "EAGAIN");
  assert.equal(now(r.s.recvmsg(u, msg, DONTWAIT)), 1);
  assert.equal(utf8_decode(msg.msg_name!.subarray(2, msg.msg_namelen)), "/tmp/v\0");
  assert.deepEqual([r.poll(v), r.poll(w)], ["0x304", "0x304"]);
  assert.equal(r.send(v, "x".repeat(300_000)), "EMSGSIZE");
  const z = r.open(DGRAM);
  r.bind(z, "/tmp/z");
  const p = r.open(DGRAM);
  r.bind(p, "/tmp/p");
  assert.equal(r.connect(p, "/tmp/z"), 0);
  // Who is connected hears of its peer only.
  assert.equal(r.send(w, "1", "/tmp/p"), "EPERM");
  assert.equal(r.send(z, "1", "/tmp/p"), 1);
  r.s.close(u);
  assert.deepEqual(
    [r.send(v, "x"), r.send(v, "x"), r.send(v, "x", "/tmp/u")],
    ["ECONNREFUSED", "ENOTCONN", "ECONNREFUSED"],
  );
  assert.deepEqual([told(r.s.listen(z, 1)), r.accept(z)], ["EOPNOTSUPP", "EOPNOTSUPP"]);
  // AF_UNSPEC takes the connection away.
  assert.equal(told(now(r.s.connect(p, new Uint8Array(16)))), 0);
  assert.equal(r.send(p, "x"), "ENOTCONN");
});

scene("sequenced packets: records on a connection", (r) => {
  const [q, s] = r.socketpair(SEQPACKET);
  assert.deepEqual([r.send(q, "abc"), r.send(q, "d"), r.send(q, "")], [3, 1, 0]);
  assert.deepEqual([r.recv(s, 2), r.recv(s, 2), r.recv(s, 5), r.recv(s)], ['"ab"', '"d"', '""', "EAGAIN"]);
  r.s.close(q);
  assert.deepEqual([r.recv(s), r.send(s, "x")], ['""', "EPIPE"]);
  assert.equal(r.send(r.open(SEQPACKET), "x"), "ENOTCONN");
});

scene("blocking programs: a writer waits for its reader, a reader for bytes, a datagram for room", (r) => {
  const done: string[] = [];
  r.job(function* (sys) {
    const l = sys.socket(1, STREAM, 0);
    sys.bind(l, un("/tmp/s"));
    sys.listen(l, 5);
    const c = (yield* sys.accept4(l, null, 0)) as number;
    let n = 0;
    const buf = new Uint8Array(10_000);
    for (;;) {
      const k = yield* sys.read(c, buf);
      if (k <= 0) break;
      n += k;
    }
    done.push(`read ${n}`);
    return 0;
  });
  r.job(function* (sys) {
    yield* sys.nanosleep(1e6);
    const c = sys.socket(1, STREAM, 0);
    assert.equal(yield* sys.connect(c, un("/tmp/s")), 0);
    done.push(`wrote ${yield* sys.write(c, new Uint8Array(2_000_000))}`);
    return 0;
  });
  r.job(function* (sys) {
    const u = sys.socket(1, DGRAM, 0);
    sys.bind(u, un("/tmp/d"));
    yield* sys.nanosleep(1e6);
    let n = 0;
    for (let i = 0; i < 50; i++) n += yield* sys.recvfrom(u, new Uint8Array(9), 0, null);
    done.push(`datagrams ${n}`);
    return 0;
  });
  r.job(function* (sys) {
    const u = sys.socket(1, DGRAM, 0);
    // Not connected: the call waits for the receiver all the same.
    for (let i = 0; i < 50; i++) assert.equal(yield* sys.sendto(u, new Uint8Array(2), 0, un("/tmp/d")), 2);
    return 0;
  });
  r.world.run(1e9);
  assert.deepEqual(done.sort(), ["datagrams 100", "read 2000000", "wrote 2000000"]);
});

scene("a blocking connect() waits for room in the queue, and hears when the listener goes", (r) => {
  const l = r.open();
  r.bind(l, "/tmp/l");
  r.s.listen(l, 0);
  const results: (number | string)[] = [];
  const dial = (): void => {
    r.job(function* (sys) {
      const c = sys.socket(1, STREAM, 0);
      results.push(told(yield* sys.connect(c, un("/tmp/l"))));
      return 0;
    });
  };
  for (let i = 0; i < 3; i++) dial();
  r.world.run(1e9);
  assert.deepEqual(results, [0]);
  r.s.close(r.accept(l) as number);
  r.world.run(1e9);
  assert.deepEqual(results, [0, 0]);
  r.s.close(l);
  r.world.run(1e9);
  assert.deepEqual(results, [0, 0, "ECONNREFUSED"]);
  // net.unix.max_dgram_qlen is for sockets made afterwards.
  const qlen = r.s.open("/proc/sys/net/unix/max_dgram_qlen", 2);
  const buf = new Uint8Array(9);
  assert.equal(utf8_decode(buf.subarray(0, now(r.s.read(qlen, buf)) as number)), "10\n");
  assert.equal(now(r.s.write(qlen, utf8_encode("2"))), 1);
  const u = r.open(DGRAM);
  r.bind(u, "/tmp/q");
  const v = r.open(DGRAM);
  let n = 0;
  while (r.send(v, "m", "/tmp/q") === 1) n++;
  assert.equal(n, 3);
});

scene("/proc/net/unix: a listener, a connection that waits, a datagram socket with an abstract name", (r) => {
  const l = r.open();
  r.bind(l, "/tmp/l");
  r.s.listen(l, 5);
  const c = r.open();
  r.connect(c, "/tmp/l");
  const d = r.open(DGRAM);
  r.bind(d, "\0d\0x");
  const text = read_proc(r);
  assert.match(text, /^Num {7}RefCount Protocol Flags {4}Type St Inode Path\n/);
  const line = (re: RegExp): void => assert.match(text, re);
  line(/^[0-9a-f]{16}: 00000002 00000000 00010000 0001 01 +\d+ \/tmp\/l$/m);
  line(/^[0-9a-f]{16}: 00000002 00000000 00000000 0002 01 +\d+ @d@x$/m);
  line(/^[0-9a-f]{16}: 00000003 00000000 00000000 0001 03 +\d+$/m);
  // The other end waits to be accepted, and has no program yet.
  line(/^[0-9a-f]{16}: 00000003 00000000 00000000 0001 02 +0 \/tmp\/l$/m);
  assert(r.poll(c) !== `0x${IN}`);
});

function read_proc(r: Rig): string {
  const fd = r.s.open("/proc/net/unix", 0);
  const buf = new Uint8Array(65_536);
  const n = now(r.s.read(fd, buf)) as number;
  return utf8_decode(buf.subarray(0, n));
}
