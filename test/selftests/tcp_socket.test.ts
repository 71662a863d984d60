// TCP through system calls: connecting, accepting, blocking reads and writes, half close, errors, poll. Virtual time.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine, Sys } from "../../src/api/index.ts";
import { EPOLLHUP, EPOLLIN, EPOLLOUT, POLLRDHUP } from "../../src/uapi/fcntl.ts";
import * as S from "../../src/uapi/socket.ts";
import type { Blocking, MsgHdr } from "../../src/uapi/sys.ts";
import * as T from "../../src/uapi/tcp.ts";
import { MS, pair, SEC } from "./net.ts";
import { nameOf, sockaddr } from "./socket.ts";

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const str = (b: Uint8Array, n: number): string => new TextDecoder().decode(b.subarray(0, Math.max(0, n)));
const tcp = (sys: Sys, flags = 0): number => sys.socket(S.AF_INET, S.SOCK_STREAM | flags, 0);

function listener(sys: Sys, port: number, backlog = 5): number {
  const fd = tcp(sys);
  assert.equal(sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEADDR, 1), 0);
  assert.equal(sys.bind(fd, sockaddr("0.0.0.0", port)), 0);
  assert.equal(sys.listen(fd, backlog), 0);
  return fd;
}

function* connected(sys: Sys, port: number): Blocking<number> {
  const fd = tcp(sys);
  assert.equal(yield* sys.connect(fd, sockaddr("10.0.0.2", port)), 0);
  return fd;
}

/** Accepts one connection and runs `fn` with it. */
function serve<R>(
  net: ReturnType<typeof pair>["net"],
  m: Machine,
  port: number,
  fn: (sys: Sys, fd: number) => Blocking<R>,
) {
  const job = net.task(m, function* (sys): Blocking<R> {
    const l = listener(sys, port);
    const fd = yield* sys.accept4(l, null, 0);
    assert.ok(fd >= 0, `accept: ${fd}`);
    sys.close(l);
    const r = yield* fn(sys, fd);
    sys.close(fd);
    return r;
  });
  net.run(MS);
  return job;
}

test("connect, accept with the peer's name, echo, close on both sides", () => {
  const { net, a, b } = pair();
  const job = net.task(b, function* (sys): Blocking<string[]> {
    const l = listener(sys, 7);
    const peer = new Uint8Array(16);
    const fd = yield* sys.accept4(l, peer, 0);
    const buf = new Uint8Array(100);
    const said: string[] = [nameOf(peer).replace(/:.*/, "")];
    for (let n = yield* sys.read(fd, buf); n > 0; n = yield* sys.read(fd, buf)) {
      said.push(str(buf, n));
      assert.equal(yield* sys.write(fd, buf.subarray(0, n)), n);
    }
    sys.close(fd);
    sys.close(l);
    return said;
  });
  net.run(MS);
  const got = net.call(a, function* (sys): Blocking<string> {
    const fd = yield* connected(sys, 7);
    const peer = new Uint8Array(16);
    assert.equal(sys.getpeername(fd, peer), 16);
    assert.equal(nameOf(peer), "10.0.0.2:7");
    assert.equal(yield* sys.connect(fd, sockaddr("10.0.0.2", 7)), -106, "EISCONN");
    yield* sys.write(fd, text("hello"));
    const buf = new Uint8Array(100);
    const n = yield* sys.read(fd, buf);
    sys.close(fd);
    return str(buf, n);
  });
  net.run(SEC);
  assert.equal(got, "hello");
  assert.ok(job.done);
  assert.deepEqual(job.value, ["10.0.0.1", "hello"]);
  net.run(70 * SEC);
  net.end();
});

test("a blocking write of 1 MB ends when all is buffered; MSG_WAITALL reads all of it", () => {
  const { net, a, b } = pair();
  const size = 1 << 20;
  const job = serve(net, b, 5001, function* (sys, fd): Blocking<[number, number, number]> {
    const buf = new Uint8Array(size);
    const n = yield* sys.recvfrom(fd, buf, S.MSG_WAITALL, null);
    let wrong = 0;
    for (let i = 0; i < n; i++) if (buf[i] !== ((i * 7) & 0xff)) wrong++;
    const end = yield* sys.read(fd, buf);
    return [n, wrong, end];
  });
  const sent = net.call(a, function* (sys): Blocking<number> {
    const fd = yield* connected(sys, 5001);
    const data = new Uint8Array(size);
    for (let i = 0; i < size; i++) data[i] = (i * 7) & 0xff;
    const n = yield* sys.write(fd, data);
    sys.close(fd);
    return n;
  });
  net.run(5 * SEC);
  assert.equal(sent, size);
  assert.deepEqual(job.value, [size, 0, 0]);
  net.run(70 * SEC);
  net.end();
});

test("small writes are one stream: 5,000 of 100 bytes; sendmsg and recvmsg of several parts", () => {
  const { net, a, b } = pair();
  const job = serve(net, b, 5002, function* (sys, fd): Blocking<number> {
    const parts = [new Uint8Array(7), new Uint8Array(1000), new Uint8Array(3)];
    const msg: MsgHdr = {
      msg_name: null,
      msg_namelen: 0,
      msg_iov: parts,
      msg_control: null,
      msg_controllen: 0,
      msg_flags: 0,
    };
    let total = 0;
    for (;;) {
      const n = yield* sys.recvmsg(fd, msg, 0);
      if (n <= 0) return n < 0 ? n : total;
      let i = 0;
      for (const p of parts) for (let j = 0; j < p.length && i < n; j++, i++, total++) assert.equal(p[j], total % 251);
    }
  });
  net.call(a, function* (sys): Blocking<void> {
    const fd = yield* connected(sys, 5002);
    for (let k = 0; k < 5000; k++) {
      const x = new Uint8Array(40);
      const y = new Uint8Array(60);
      for (let i = 0; i < 100; i++) (i < 40 ? x : y)[i < 40 ? i : i - 40] = (k * 100 + i) % 251;
      const msg: MsgHdr = {
        msg_name: null,
        msg_namelen: 0,
        msg_iov: [x, y],
        msg_control: null,
        msg_controllen: 0,
        msg_flags: 0,
      };
      assert.equal(yield* sys.sendmsg(fd, msg, 0), 100);
    }
    sys.close(fd);
  });
  net.run(5 * SEC);
  assert.equal(job.value, 500_000);
  net.run(70 * SEC);
  net.end();
});

test("nobody listens: ECONNREFUSED, and the socket can try again; a non-blocking one by poll and SO_ERROR", () => {
  const { net, a, b } = pair();
  const r = net.call(a, function* (sys): Blocking<number[]> {
    const fd = tcp(sys);
    const out = [yield* sys.connect(fd, sockaddr("10.0.0.2", 9))];
    out.push(yield* sys.connect(fd, sockaddr("10.0.0.2", 9)));
    sys.close(fd);
    const nb = tcp(sys, S.SOCK_NONBLOCK);
    out.push(yield* sys.connect(nb, sockaddr("10.0.0.2", 9)));
    out.push(yield* sys.connect(nb, sockaddr("10.0.0.2", 9)));
    const p = { fd: nb, events: EPOLLOUT, revents: 0 };
    yield* sys.poll([p], -1);
    out.push(p.revents);
    const err = new Uint8Array(4);
    sys.getsockopt(nb, S.SOL_SOCKET, S.SO_ERROR, err);
    out.push(err[0]!);
    sys.close(nb);
    return out;
  });
  assert.deepEqual(r, [-111, -111, -115, -114, 0x1c, 111]);
  void b;
  net.end();
});

test("half close: the other direction goes on; poll says RDHUP, then HUP", () => {
  const { net, a, b } = pair();
  const job = serve(net, b, 5003, function* (sys, fd): Blocking<[string, number, number]> {
    const buf = new Uint8Array(100);
    let got = "";
    for (let n = yield* sys.read(fd, buf); n > 0; n = yield* sys.read(fd, buf)) got += str(buf, n);
    const p = { fd, events: EPOLLIN | EPOLLOUT | POLLRDHUP, revents: 0 };
    yield* sys.poll([p], 0);
    const before = p.revents;
    yield* sys.write(fd, text("answer"));
    sys.shutdown(fd, S.SHUT_WR);
    yield* sys.poll([p], 0);
    return [got, before, p.revents];
  });
  const got = net.call(a, function* (sys): Blocking<string> {
    const fd = yield* connected(sys, 5003);
    yield* sys.write(fd, text("question"));
    assert.equal(sys.shutdown(fd, S.SHUT_WR), 0);
    const buf = new Uint8Array(100);
    const n = yield* sys.recvfrom(fd, buf, S.MSG_WAITALL, null);
    sys.close(fd);
    return str(buf, n);
  });
  net.run(SEC);
  assert.equal(got, "answer");
  assert.deepEqual(job.value, ["question", EPOLLIN | EPOLLOUT | POLLRDHUP, EPOLLIN | EPOLLOUT | POLLRDHUP | EPOLLHUP]);
  net.run(70 * SEC);
  net.end();
});

test("close with unread data is a RST: the peer reads ECONNRESET, then EPIPE with SIGPIPE", () => {
  const { net, a, b } = pair();
  serve(net, b, 5004, function* (sys, _fd): Blocking<void> {
    yield* sys.nanosleep(100 * MS);
  });
  const r = net.call(a, function* (sys): Blocking<number[]> {
    let pipes = 0;
    sys.sigaction(13, () => pipes++);
    const fd = yield* connected(sys, 5004);
    yield* sys.write(fd, text("never read"));
    const buf = new Uint8Array(10);
    const n = yield* sys.read(fd, buf);
    const again = yield* sys.read(fd, buf);
    const w = yield* sys.write(fd, text("x"));
    const quiet = yield* sys.sendto(fd, text("x"), S.MSG_NOSIGNAL, null);
    sys.close(fd);
    return [n, again, w, pipes, quiet, pipes];
  });
  assert.deepEqual(r, [-104, 0, -32, 1, -32, 1]);
  net.run(SEC);
  net.end();
});

test("MSG_PEEK leaves it there, MSG_TRUNC throws it away, SO_RCVTIMEO ends a wait, SIOCINQ counts", () => {
  const { net, a, b } = pair();
  const job = serve(net, b, 5005, function* (sys, fd): Blocking<unknown[]> {
    const buf = new Uint8Array(100);
    const out: unknown[] = [];
    out.push(str(buf, yield* sys.recvfrom(fd, buf.subarray(0, 6), S.MSG_PEEK | S.MSG_WAITALL, null)));
    out.push(yield* sys.recvfrom(fd, buf.subarray(0, 2), S.MSG_TRUNC, null));
    const inq = new Uint8Array(4);
    sys.ioctl(fd, 0x541b, inq);
    out.push(inq[0]);
    out.push(str(buf, yield* sys.read(fd, buf)));
    const tv = new Uint8Array(16);
    new DataView(tv.buffer).setBigInt64(8, 50_000n, true);
    sys.setsockopt(fd, S.SOL_SOCKET, S.SO_RCVTIMEO, tv);
    const t0 = sys.clock_gettime(1);
    out.push(yield* sys.read(fd, buf));
    out.push(Math.round((sys.clock_gettime(1) - t0) / MS));
    return out;
  });
  net.call(a, function* (sys): Blocking<void> {
    const fd = yield* connected(sys, 5005);
    sys.setsockopt(fd, S.SOL_TCP, T.TCP_NODELAY, 1);
    yield* sys.write(fd, text("abc"));
    yield* sys.nanosleep(10 * MS);
    yield* sys.write(fd, text("def"));
    yield* sys.nanosleep(SEC);
    sys.close(fd);
  });
  net.run(SEC);
  assert.deepEqual(job.value, ["abcdef", 2, 4, "cdef", -11, 50]);
  net.run(70 * SEC);
  net.end();
});

test("TCP_INFO: 280 bytes, ESTABLISHED, the options of the handshake", () => {
  const { net, a, b } = pair();
  serve(net, b, 5006, function* (sys, fd): Blocking<void> {
    yield* sys.read(fd, new Uint8Array(10));
  });
  const info = net.call(a, function* (sys): Blocking<Uint8Array> {
    const fd = yield* connected(sys, 5006);
    const out = new Uint8Array(512);
    const n = sys.getsockopt(fd, S.SOL_TCP, T.TCP_INFO, out);
    sys.close(fd);
    return out.slice(0, n);
  });
  assert.equal(info.length, 280);
  assert.equal(info[0], 1);
  assert.equal(info[5], T.TCPI_OPT_TIMESTAMPS | T.TCPI_OPT_SACK | T.TCPI_OPT_WSCALE);
  const dv = new DataView(info.buffer);
  assert.equal(dv.getUint32(16, true), 1448, "snd_mss");
  assert.equal(dv.getUint32(80, true), 10, "snd_cwnd");
  net.run(70 * SEC);
  net.end();
});

test("TCP_CORK keeps a partial segment until it is taken off, or 200 ms", () => {
  const { net, a, b } = pair();
  const job = serve(net, b, 5007, function* (sys, fd): Blocking<[number, number][]> {
    const out: [number, number][] = [];
    const buf = new Uint8Array(1000);
    const t0 = sys.clock_gettime(1);
    for (let n = yield* sys.read(fd, buf); n > 0; n = yield* sys.read(fd, buf)) {
      out.push([n, Math.round((sys.clock_gettime(1) - t0) / (10 * MS)) * 10]);
    }
    return out;
  });
  net.call(a, function* (sys): Blocking<void> {
    const fd = yield* connected(sys, 5007);
    sys.setsockopt(fd, S.SOL_TCP, T.TCP_CORK, 1);
    yield* sys.write(fd, new Uint8Array(1));
    yield* sys.write(fd, new Uint8Array(99));
    yield* sys.nanosleep(50 * MS);
    sys.setsockopt(fd, S.SOL_TCP, T.TCP_CORK, 0);
    yield* sys.nanosleep(50 * MS);
    sys.setsockopt(fd, S.SOL_TCP, T.TCP_CORK, 1);
    yield* sys.write(fd, new Uint8Array(10));
    yield* sys.nanosleep(SEC);
    sys.close(fd);
  });
  net.run(SEC);
  assert.deepEqual(job.value, [
    [100, 50],
    [10, 300],
  ]);
  net.run(70 * SEC);
  net.end();
});

// What Linux 6.18 says to the same calls.
test("urgent data: a hole with a mark, out of line by MSG_OOB, inline with SO_OOBINLINE; TCP_INQ", () => {
  const { net, a, b } = pair();
  const job = serve(net, b, 5008, function* (sys, d): Blocking<unknown[]> {
    const io = (request: number): number => {
      const x = new Uint8Array(4);
      sys.ioctl(d, request, x);
      return x[0]!;
    };
    const atmark = (): number => io(0x8905);
    const inq = (): number => io(0x541b);
    function* poll(): Blocking<number> {
      const p = { fd: d, events: 0x2047, revents: 0 };
      yield* sys.poll([p], 0);
      return p.revents;
    }
    const buf = new Uint8Array(100);
    function* recv(len: number, flags = 0): Blocking<string | number> {
      const n = yield* sys.recvfrom(d, buf.subarray(0, len), flags, null);
      return n < 0 ? n : str(buf, n);
    }
    const out: unknown[] = [];
    yield* sys.nanosleep(100 * MS);
    out.push(yield* poll(), atmark(), inq(), yield* recv(100), atmark(), inq(), yield* poll());
    out.push(yield* recv(1, S.MSG_OOB), yield* poll(), atmark(), yield* recv(100), atmark(), yield* poll());
    out.push(yield* recv(1, S.MSG_OOB));
    sys.setsockopt(d, S.SOL_SOCKET, S.SO_OOBINLINE, 1);
    yield* sys.nanosleep(500 * MS);
    out.push(yield* recv(100), atmark(), yield* recv(100));
    sys.setsockopt(d, S.SOL_TCP, T.TCP_INQ, 1);
    yield* sys.nanosleep(500 * MS);
    const ctl = new Uint8Array(100);
    const msg: MsgHdr = {
      msg_name: null,
      msg_namelen: 0,
      msg_iov: [new Uint8Array(2)],
      msg_control: ctl,
      msg_controllen: 100,
      msg_flags: 0,
    };
    out.push(yield* sys.recvmsg(d, msg, 0), ctl[16], yield* recv(10), yield* recv(1));
    return out;
  });
  net.call(a, function* (sys): Blocking<void> {
    const fd = yield* connected(sys, 5008);
    for (const [data, pause] of [["abc"], ["d"], ["ef", 300], ["gh"], ["i"], ["jk", 500], ["123456", 500]] as const) {
      yield* sys.sendto(fd, text(data), data.length === 1 ? S.MSG_OOB : 0, null);
      if (pause !== undefined) yield* sys.nanosleep(pause * MS);
    }
    sys.close(fd);
  });
  net.run(SEC);
  const first = [71, 0, 3, "abc", 1, 0, 71, "d", 69, 1, "ef", 0, 4, -22];
  assert.deepEqual(job.value, [...first, "gh", 1, "ijk", 2, 4, "3456", ""]);
  net.run(70 * SEC);
  net.end();
});
