// TCP_REPAIR: a connection taken out of a socket and put into another one, step by step as Linux 6.18 was seen to answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EFBIG, EINVAL, EISCONN, EPERM } from "../../../../src/uapi/errno.ts";
import * as S from "../../../../src/uapi/socket.ts";
import * as T from "../../../../src/uapi/tcp.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

const RECV_QUEUE = 1;
const SEND_QUEUE = 2;
const text = (b: Uint8Array): string => Buffer.from(b).toString();

test("dump and restore: queues, numbers, options, window; the peer does not notice", () => {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const set = (fd: number, opt: number, v: number | Uint8Array): number => sys.setsockopt(fd, S.SOL_TCP, opt, v);
  const get = (fd: number, opt: number): number => {
    const b = new Uint8Array(4);
    const n = sys.getsockopt(fd, S.SOL_TCP, opt, b);
    return n < 0 ? n : new DataView(b.buffer).getInt32(0, true);
  };
  const send = (fd: number, s: string): number => now(sys.sendto(fd, Buffer.from(s), S.MSG_DONTWAIT, null)) as number;
  const recv = (fd: number, flags = 0): string | number => {
    const b = new Uint8Array(100);
    const n = now(sys.recvfrom(fd, b, flags | S.MSG_DONTWAIT, null)) as number;
    return n < 0 ? n : text(b.subarray(0, n));
  };
  const pairs = (...o: [number, number][]): Uint8Array => {
    const b = new Uint8Array(8 * o.length);
    const dv = new DataView(b.buffer);
    o.flat().forEach((v, i) => {
      dv.setUint32(4 * i, v, true);
    });
    return b;
  };
  const l = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
  sys.bind(l, sockaddr("127.0.0.1", 700));
  sys.listen(l, 5);
  assert.equal(set(l, T.TCP_REPAIR, 1), -EPERM);
  const s = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
  sys.bind(s, sockaddr("127.0.0.1", 600));
  now(sys.connect(s, sockaddr("127.0.0.1", 700)));
  const c = now(sys.accept4(l, null, 0)) as number;
  send(c, "hello");
  rig.run(50);

  // Without TCP_REPAIR nothing of it.
  assert.deepEqual(
    [set(s, T.TCP_REPAIR_QUEUE, 1), set(s, T.TCP_REPAIR_OPTIONS, pairs([2, 1])), set(s, T.TCP_TIMESTAMP, 5)],
    [-EPERM, -EINVAL, -EPERM],
  );
  assert.deepEqual([get(s, T.TCP_REPAIR_QUEUE), get(s, T.TCP_QUEUE_SEQ)], [-EINVAL, -EINVAL]);

  assert.equal(set(s, T.TCP_REPAIR, 1), 0);
  assert.deepEqual([get(s, T.TCP_REPAIR), get(s, T.TCP_REPAIR_QUEUE)], [1, 0]);
  assert.deepEqual([recv(s), recv(s, S.MSG_PEEK), send(s, "x")], [-EPERM, -EINVAL, -EINVAL]);
  assert.deepEqual([set(s, T.TCP_REPAIR_QUEUE, 3), set(s, T.TCP_QUEUE_SEQ, 5)], [-EINVAL, -EPERM]);
  // TCP_REPAIR_OPTIONS: an unknown kind is passed over, as is what is too short to be one.
  const options = [pairs([99, 0]), pairs([3, 15]), pairs([4, 1]), pairs([8, 1]), new Uint8Array(4)];
  assert.deepEqual(
    options.map((o) => set(s, T.TCP_REPAIR_OPTIONS, o)),
    [0, -EFBIG, -EINVAL, -EINVAL, 0],
  );
  set(s, T.TCP_REPAIR_QUEUE, RECV_QUEUE);
  const rcv = get(s, T.TCP_QUEUE_SEQ);
  assert.equal(recv(s, S.MSG_PEEK), "hello");
  set(s, T.TCP_REPAIR_QUEUE, SEND_QUEUE);
  const snd = get(s, T.TCP_QUEUE_SEQ);
  assert.equal(recv(s, S.MSG_PEEK), "");
  // What is written now is queued as if it had been sent.
  assert.equal(send(s, "unsent"), 6);
  assert.deepEqual([recv(s, S.MSG_PEEK), (get(s, T.TCP_QUEUE_SEQ) - snd) | 0], ["unsent", 6]);
  assert.equal(recv(c), -EAGAIN);
  const window = new Uint8Array(20);
  assert.equal(sys.getsockopt(s, S.SOL_TCP, T.TCP_REPAIR_WINDOW, window), 20);
  const info = new Uint8Array(192);
  sys.getsockopt(s, S.SOL_TCP, T.TCP_INFO, info);
  const stamp = get(s, T.TCP_TIMESTAMP);
  const mss = get(s, T.TCP_MAXSEG);
  // Closed without a word.
  sys.close(s);
  rig.run(50);
  assert.equal(recv(c), -EAGAIN);

  const n = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
  assert.equal(set(n, T.TCP_REPAIR, 1), 0);
  assert.equal(sys.bind(n, sockaddr("127.0.0.1", 600)), 0);
  set(n, T.TCP_REPAIR_QUEUE, SEND_QUEUE);
  assert.equal(set(n, T.TCP_QUEUE_SEQ, snd), 0);
  set(n, T.TCP_REPAIR_QUEUE, RECV_QUEUE);
  assert.equal(set(n, T.TCP_QUEUE_SEQ, (rcv - 5) | 0), 0);
  assert.equal(now(sys.connect(n, sockaddr("127.0.0.1", 700))), 0);
  assert.equal(now(sys.connect(n, sockaddr("127.0.0.1", 700))), -EISCONN);
  assert.equal(info[5]! & 7, 7);
  const scales = (info[6]! & 15) | ((info[6]! >> 4) << 16);
  assert.equal(set(n, T.TCP_REPAIR_OPTIONS, pairs([2, mss], [8, 0], [4, 0], [3, scales])), 0);
  assert.equal(set(n, T.TCP_TIMESTAMP, stamp), 0);
  assert.equal(send(n, "hello"), 5);
  set(n, T.TCP_REPAIR_QUEUE, SEND_QUEUE);
  assert.equal(send(n, "unsent"), 6);
  assert.equal(set(n, T.TCP_REPAIR_WINDOW, window), 0);
  const again = new Uint8Array(192);
  sys.getsockopt(n, S.SOL_TCP, T.TCP_INFO, again);
  assert.deepEqual([again[0], again[5], again[6]], [1, info[5], info[6]]);
  assert.deepEqual([set(n, T.TCP_REPAIR, 0), get(n, T.TCP_REPAIR), set(n, T.TCP_REPAIR, 7)], [0, 0, -EINVAL]);
  assert.equal(recv(n), "hello");
  // The timer sends what the peer lacks.
  rig.run(1500);
  assert.equal(recv(c), "unsent");
  assert.equal(send(n, "more"), 4);
  assert.equal(send(c, "back"), 4);
  rig.run(50);
  assert.deepEqual([recv(c), recv(n)], ["more", "back"]);
  sys.close(n);
  sys.close(c);
  rig.run(130_000);
  rig.end();
});
