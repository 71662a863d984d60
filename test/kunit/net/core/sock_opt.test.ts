// Whatever a program passes as option, length, ioctl or control message: a number comes back, never an exception, and the
// machine is as it was when the socket closes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng, prng_below } from "../../../../src/lib/prng.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

const KINDS: [number, number, number][] = [
  [2, 2, 0],
  [2, 2, 136],
  [2, 3, 17],
  [2, 3, 255],
  [2, 2, 1],
  [17, 3, 0x300],
  [17, 2, 0x300],
  [16, 3, 0],
];

test("every option of every level, every short length: set and get return a number", () => {
  const rig = new KernelRig();
  const { a } = rig.pair();
  const sys = rig.task(a);
  const p = new Prng(1);
  for (const [family, type, protocol] of KINDS) {
    const fd = sys.socket(family, type, protocol);
    if (fd < 0) continue;
    for (const level of [0, 1, 17, 255, 263, 270, 6, 41, 99]) {
      for (let opt = -1; opt < 120; opt++) {
        for (const len of [0, 1, 2, 3, 4, 7, 8, 11, 12, 15, 16, 20, 40, 41, 200]) {
          const v = Uint8Array.from({ length: len }, () => [0, 0, 1, 2, 255, prng_below(p, 256)][prng_below(p, 6)]!);
          for (const n of [sys.setsockopt(fd, level, opt, v), sys.getsockopt(fd, level, opt, v)])
            assert.ok(Number.isInteger(n), `${family}/${type}/${protocol} ${level}/${opt} ${len}`);
        }
      }
    }
    sys.close(fd);
  }
  assert.deepEqual(rig.k.bugs, []);
  rig.run(2000);
  rig.end();
});

test("any ioctl with any buffer", () => {
  const rig = new KernelRig();
  const { a } = rig.pair();
  const sys = rig.task(a);
  const p = new Prng(2);
  for (const [family, type, protocol] of KINDS) {
    const fd = sys.socket(family, type, protocol);
    if (fd < 0) continue;
    for (let cmd = 0x8900; cmd < 0x8a00; cmd++) {
      for (const len of [0, 3, 4, 16, 39, 40]) {
        const v = Uint8Array.from({ length: len }, () => prng_below(p, 3) * prng_below(p, 128));
        assert.ok(Number.isInteger(sys.ioctl(fd, cmd, v)), `${cmd.toString(16)} ${len}`);
      }
    }
    sys.close(fd);
  }
  rig.run(2000);
  rig.end();
});

test("any control message, address and flag on send and receive", () => {
  const rig = new KernelRig();
  const { a } = rig.pair();
  const sys = rig.task(a);
  const p = new Prng(3);
  for (const [family, type, protocol] of KINDS) {
    const fd = sys.socket(family, type, protocol);
    if (fd < 0) continue;
    for (let i = 0; i < 400; i++) {
      const ctl = new Uint8Array(prng_below(p, 80));
      const dv = new DataView(ctl.buffer);
      for (let k = 0; k < ctl.length; k++) ctl[k] = prng_below(p, 256);
      if (ctl.length >= 16) {
        dv.setUint32(0, prng_below(p, 60), true);
        dv.setUint32(4, 0, true);
        dv.setInt32(8, [0, 1, 17, 41][prng_below(p, 4)]!, true);
        dv.setInt32(12, prng_below(p, 110), true);
      }
      const addr =
        prng_below(p, 3) === 0 ? null : sockaddr("10.0.0.2", prng_below(p, 3)).subarray(0, prng_below(p, 17));
      const msg = {
        msg_name: addr,
        msg_namelen: addr === null ? 0 : addr.length,
        msg_iov: [new Uint8Array(prng_below(p, 50)), new Uint8Array(prng_below(p, 2000))],
        msg_control: ctl,
        msg_controllen: prng_below(p, 100),
        msg_flags: 0,
      };
      // Nobody schedules this task: it never gives way.
      sys.task.burst = 0;
      const flags = prng_below(p, 2) === 0 ? 0 : prng_below(p, 0x10000);
      assert.ok(Number.isInteger(now(sys.sendmsg(fd, msg, flags | 0x4040))));
      msg.msg_controllen = ctl.length;
      msg.msg_name = new Uint8Array(prng_below(p, 20));
      assert.ok(Number.isInteger(now(sys.recvmsg(fd, msg, (flags & ~0x8000) | 0x40))));
    }
    sys.close(fd);
  }
  rig.run(130_000);
  assert.deepEqual(rig.k.bugs, []);
  rig.end();
});
