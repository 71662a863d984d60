// SO_ATTACH_REUSEPORT_CBPF and SO_DETACH_REUSEPORT_BPF (socket(7)): errors, and which member of a group is chosen, as Linux 6.18
// was seen to do with the same programs.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { TaskSys } from "../../../../src/init/sys.ts";
import { EAGAIN, EINVAL, ENOENT, ENOPROTOOPT } from "../../../../src/uapi/errno.ts";
import * as S from "../../../../src/uapi/socket.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

/** struct sock_filter each: code, jt, jf, k. */
function prog(...ins: [number, number][]): Uint8Array {
  const b = new Uint8Array(8 * ins.length);
  const dv = new DataView(b.buffer);
  ins.forEach(([code, k], i) => {
    dv.setUint16(8 * i, code, true);
    dv.setUint32(8 * i + 4, k, true);
  });
  return b;
}
const RET = 0x06;
const RET_A = 0x16;
const LD_B = 0x30;
const always = (k: number): Uint8Array => prog([RET, k]);
const FIRST_BYTE = prog([LD_B, 0], [RET_A, 0]);

function setup(type: number) {
  const rig = new KernelRig();
  rig.up(rig.net.loopback_dev);
  const sys = rig.task();
  const member = (port: number, reuseport = true): number => {
    const fd = sys.socket(S.AF_INET, type | S.SOCK_NONBLOCK, 0);
    if (reuseport) sys.setsockopt(fd, S.SOL_SOCKET, S.SO_REUSEPORT, 1);
    if (port !== 0) assert.equal(sys.bind(fd, sockaddr("127.0.0.1", port)), 0);
    if (port !== 0 && type === S.SOCK_STREAM) sys.listen(fd, 5);
    return fd;
  };
  return { rig, sys, member };
}
const attach = (sys: TaskSys, fd: number, p: Uint8Array): number =>
  sys.setsockopt(fd, S.SOL_SOCKET, S.SO_ATTACH_REUSEPORT_CBPF, p);
const detach = (sys: TaskSys, fd: number): number => sys.setsockopt(fd, S.SOL_SOCKET, S.SO_DETACH_REUSEPORT_BPF, 0);

for (const [name, type] of [
  ["UDP", S.SOCK_DGRAM],
  ["TCP", S.SOCK_STREAM],
] as const) {
  test(`${name}: who may attach a program, and take it back`, () => {
    const { rig, sys, member } = setup(type);
    const plain = member(7, false);
    assert.deepEqual([attach(sys, plain, always(0)), detach(sys, plain)], [-EINVAL, -EINVAL]);
    const free = member(0);
    assert.deepEqual(
      [detach(sys, free), attach(sys, free, always(0)), attach(sys, free, always(0)), detach(sys, free)],
      [-ENOENT, 0, 0, 0],
    );
    assert.equal(detach(sys, free), -ENOENT);
    const [a, b, c] = [member(9), member(9), member(9)];
    // It belongs to the group.
    assert.deepEqual([attach(sys, b, always(1)), detach(sys, a), detach(sys, c)], [0, 0, -ENOENT]);
    assert.equal(attach(sys, a, prog([RET, 0], [0xffff, 0])), -EINVAL);
    assert.equal(sys.getsockopt(a, S.SOL_SOCKET, S.SO_ATTACH_REUSEPORT_CBPF, new Uint8Array(16)), -ENOPROTOOPT);
    rig.end();
  });
}

test("UDP: the program sees the payload; an index that nobody has leaves it to the hash; who joins has it too", () => {
  const { rig, sys, member } = setup(S.SOCK_DGRAM);
  const group = [member(9), member(9), member(9)];
  const from = sys.socket(S.AF_INET, S.SOCK_DGRAM, 0);
  attach(sys, group[0]!, FIRST_BYTE);
  const chosen = (byte: number): number[] => {
    now(sys.sendto(from, new Uint8Array([byte, 1, 2]), 0, sockaddr("127.0.0.1", 9)));
    const got = group.map((fd) => now(sys.recvfrom(fd, new Uint8Array(10), 0, null)));
    return got.flatMap((n, i) => (n === -EAGAIN ? [] : [i]));
  };
  assert.deepEqual([0, 1, 2, 2, 1, 0].map(chosen), [[0], [1], [2], [2], [1], [0]]);
  assert.deepEqual(chosen(3), chosen(9));
  group.push(member(9));
  assert.deepEqual(chosen(3), [3]);
  rig.end();
});

test("TCP: a SYN has no payload; what the program returns chooses the listener", () => {
  const { rig, sys, member } = setup(S.SOCK_STREAM);
  const group = [member(9), member(9), member(9)];
  const chosen = (p: Uint8Array): number[] => {
    attach(sys, group[2]!, p);
    const fd = sys.socket(S.AF_INET, S.SOCK_STREAM, 0);
    now(sys.connect(fd, sockaddr("127.0.0.1", 9)));
    return group.flatMap((l, i) => (now(sys.accept4(l, null, 0)) === -EAGAIN ? [] : [i]));
  };
  assert.deepEqual(
    [0, 1, 2].map((k) => chosen(always(k))),
    [[0], [1], [2]],
  );
  assert.equal(chosen(always(5)).length, 1);
  // A load beyond the end ends the program with 0.
  assert.deepEqual(chosen(prog([LD_B, 0], [RET, 1])), [0]);
  rig.end();
});
