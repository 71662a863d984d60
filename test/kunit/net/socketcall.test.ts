// socketcall(2) against Linux 6.18, entered by int $0x80 (ia32): call numbers, argument array, the same sockets as by the direct calls.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EBADF, EFAULT, EINVAL, ENOTCONN, EOPNOTSUPP } from "../../../src/uapi/errno.ts";
import {
  SYS_ACCEPT4,
  SYS_BIND,
  SYS_CONNECT,
  SYS_GETPEERNAME,
  SYS_GETSOCKOPT,
  SYS_LISTEN,
  SYS_RECV,
  SYS_RECVFROM,
  SYS_RECVMMSG,
  SYS_RECVMSG,
  SYS_SEND,
  SYS_SENDMMSG,
  SYS_SENDMSG,
  SYS_SENDTO,
  SYS_SETSOCKOPT,
  SYS_SHUTDOWN,
  SYS_SOCKET,
  SYS_SOCKETPAIR,
} from "../../../src/uapi/socket.ts";
import type { MmsgHdr, MsgHdr, SocketcallArg } from "../../../src/uapi/sys.ts";
import { KernelRig, now, sockaddr, sockaddr_text } from "../../lib/kernel.ts";

const msg = (name: Uint8Array | null, bytes: Uint8Array): MsgHdr => ({
  msg_name: name,
  msg_namelen: name?.length ?? 0,
  msg_iov: [bytes],
  msg_control: null,
  msg_controllen: 0,
  msg_flags: 0,
});

test("socketcall: the direct call behind each number; EINVAL for one that is none, EFAULT without an array", () => {
  const rig = new KernelRig();
  rig.up(rig.dev("lo"));
  const t = rig.task();
  const sc = (call: number, ...args: SocketcallArg[]): unknown => now(t.socketcall(call, args));
  for (const bad of [0, 21, -1]) assert.equal(sc(bad, 2, 2, 0), -EINVAL);
  assert.equal(now(t.socketcall(SYS_SOCKET, null)), -EFAULT);
  assert.equal(sc(SYS_SOCKET, 2, 2), -EFAULT, "an array that ends before the last argument");
  const s = sc(SYS_SOCKET, 2, 2, 0) as number;
  const c = sc(SYS_SOCKET, 2, 2, 0) as number;
  assert.equal(c, s + 1);
  const addr = sockaddr("127.0.0.1", 40016);
  assert.equal(sc(SYS_BIND, s, null, 16), -EFAULT);
  assert.equal(sc(SYS_BIND, s, addr, 16), 0);
  assert.equal(sc(SYS_BIND, 99, addr, 16), -EBADF);
  assert.equal(sc(SYS_SENDTO, c, new TextEncoder().encode("hello"), 5, 0, addr, 16), 5);
  assert.equal(sc(SYS_RECV, s, new Uint8Array(100), 100, 0), 5);
  assert.equal(sc(SYS_CONNECT, c, addr, 16), 0);
  assert.equal(sc(SYS_SEND, c, new TextEncoder().encode("hello"), 3, 0), 3, "the length counts, not the buffer");
  const buf = new Uint8Array(100);
  const from = new Uint8Array(16);
  assert.equal(sc(SYS_RECVFROM, s, buf, 100, 0, from, 16), 3);
  assert.equal(new TextDecoder().decode(buf.subarray(0, 3)), "hel");
  assert.match(sockaddr_text(from), /^127\.0\.0\.1:/);
  assert.equal(sc(SYS_SOCKETPAIR, 2, 2, 0, new Uint8Array(8)), -EOPNOTSUPP);
  assert.equal(sc(SYS_GETPEERNAME, c, new Uint8Array(16), 16), 0);
  assert.equal(sc(SYS_GETPEERNAME, s, new Uint8Array(16), 16), -ENOTCONN);
  assert.equal(sc(SYS_SHUTDOWN, s, 9), -EINVAL);
  assert.equal(sc(SYS_LISTEN, s, 5), -EOPNOTSUPP);
  assert.equal(sc(SYS_ACCEPT4, s, null, null, 0), -EOPNOTSUPP);
  assert.equal(sc(SYS_SEND, c, null, 5, 0), -EFAULT);
  assert.equal(sc(SYS_SETSOCKOPT, s, 1, 2, null, 4), -EFAULT);
  assert.equal(sc(SYS_SETSOCKOPT, s, 1, 2, Uint8Array.of(1, 0, 0, 0), 4), 0);
  const one = new Uint8Array(4);
  assert.equal(sc(SYS_GETSOCKOPT, s, 1, 2, one, 4), 0);
  assert.equal(one[0], 1);
  assert.equal(sc(SYS_SENDMSG, c, msg(null, Uint8Array.of(1, 2)), 0), 2);
  assert.equal(sc(SYS_RECVMSG, s, msg(null, new Uint8Array(9)), 0), 2);
  assert.equal(sc(SYS_SENDMSG, c, null, 0), -EFAULT);
  for (const fd of [s, c]) t.close(fd);
  rig.end();
});

test("sendmmsg, recvmmsg: how many went; an error only when none did", () => {
  const rig = new KernelRig();
  rig.up(rig.dev("lo"));
  const t = rig.task();
  const addr = sockaddr("127.0.0.1", 40017);
  const s = t.socket(2, 2, 0);
  t.bind(s, addr);
  const vec = (n: number, name: Uint8Array | null): MmsgHdr[] =>
    Array.from({ length: n }, (_, i) => ({
      msg_hdr: msg(name, new Uint8Array(name === null ? 9 : i + 1)),
      msg_len: 0,
    }));
  const out = vec(3, addr);
  assert.equal(now(t.socketcall(SYS_SENDMMSG, [s, out, 3, 0])), 3);
  assert.deepEqual(
    out.map((m) => m.msg_len),
    [1, 2, 3],
  );
  out[0]!.msg_hdr.msg_name = sockaddr("127.0.0.1", 0);
  assert.equal(now(t.socketcall(SYS_SENDMMSG, [s, out, 3, 0])), -EINVAL);
  const into = vec(5, null);
  const MSG_WAITFORONE = 0x10000;
  assert.equal(now(t.socketcall(SYS_RECVMMSG, [s, into, 5, MSG_WAITFORONE, 0])), 3);
  assert.deepEqual(
    into.map((m) => m.msg_len),
    [1, 2, 3, 0, 0],
  );
  assert.equal(now(t.socketcall(SYS_RECVMMSG, [s, null, 5, 0, 0])), -EFAULT);
  // vlen counts, not how long the array is; sendmmsg takes 1024 at the most (sendmmsg(2)).
  const three = vec(3, addr);
  assert.equal(now(t.socketcall(SYS_SENDMMSG, [s, three, 2, 0])), 2);
  assert.deepEqual(
    three.map((m) => m.msg_len),
    [1, 2, 0],
  );
  assert.equal(now(t.socketcall(SYS_SENDMMSG, [s, three, 0, 0])), 0);
  assert.equal(now(t.socketcall(SYS_RECVMMSG, [s, vec(5, null), 1, 0, 0])), 1);
  assert.equal(now(t.socketcall(SYS_RECVMMSG, [s, vec(5, null), 5, MSG_WAITFORONE, 0])), 1);
  const many = Array.from({ length: 1030 }, () => ({
    msg_hdr: msg(sockaddr("127.0.0.1", 9), new Uint8Array(1)),
    msg_len: 0,
  }));
  assert.equal(now(t.socketcall(SYS_SENDMMSG, [s, many, 1030, 0])), 1024);
  t.close(s);
  rig.end();
});
