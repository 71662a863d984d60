// socket(AF_INET, SOCK_PACKET): still a packet socket on Linux 6.18 (packet(7), "Compatibility"), with devices by name.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EINVAL, ENODEV, ENOTCONN } from "../../../../src/uapi/errno.ts";
import { AF_INET, AF_PACKET, SOCK_PACKET } from "../../../../src/uapi/socket.ts";
import { KernelRig, now } from "../../../lib/kernel.ts";

const SO = { SO_TYPE: 3, SO_PROTOCOL: 38, SO_DOMAIN: 39 };

test("SOCK_PACKET: AF_INET's becomes AF_PACKET's; bind, getsockname, sendto and recvfrom with a device's name", () => {
  const rig = new KernelRig();
  rig.up(rig.dev("lo"));
  const t = rig.task();
  const s = t.socket(AF_INET, SOCK_PACKET, 0x0300);
  assert.equal(s, 0);
  const opt = (name: number): number => {
    const v = new Uint8Array(4);
    assert.equal(t.getsockopt(s, 1, name, v), 4);
    return new DataView(v.buffer).getInt32(0, true);
  };
  assert.deepEqual([opt(SO.SO_DOMAIN), opt(SO.SO_TYPE), opt(SO.SO_PROTOCOL)], [AF_PACKET, 10, 0]);
  const name = (dev: string, len: number): Uint8Array => {
    const a = new Uint8Array(len);
    a[0] = AF_PACKET;
    a.set(new TextEncoder().encode(dev), 2);
    if (len >= 18) a.set([0x88, 0xb5], 16);
    return a;
  };
  assert.equal(t.bind(s, name("lo", 16)), 0);
  assert.equal(t.bind(s, name("nope", 16)), -ENODEV);
  assert.equal(t.bind(s, name("lo", 14)), -EINVAL);
  const got = new Uint8Array(64);
  assert.equal(t.getsockname(s, got), 16);
  assert.deepEqual(got.subarray(0, 16), name("lo", 16));

  const frame = new Uint8Array(60);
  frame.set([0x88, 0xb5], 12);
  assert.equal(now(t.sendto(s, frame, 0, name("lo", 18))), 60);
  rig.run(1);
  const from = new Uint8Array(64);
  const into = new Uint8Array(200);
  assert.equal(now(t.recvfrom(s, into, 0x40, from)), 60);
  assert.deepEqual(into.subarray(0, 60), frame);
  // ARPHRD_LOOPBACK stands where the family is in other addresses.
  const want = name("lo", 18);
  want.set([772 & 255, 772 >> 8]);
  assert.deepEqual(from.subarray(0, 18), want);

  assert.equal(now(t.sendto(s, frame, 0, null)), -ENOTCONN);
  assert.equal(now(t.sendto(s, frame, 0, name("lo", 16))), 60);
  assert.equal(now(t.sendto(s, frame, 0, name("nope", 18))), -ENODEV);
  assert.ok(t.socket(AF_PACKET, SOCK_PACKET, 0x0300) > 0);
  rig.run(1);
  assert.match(String(rig.k.init_net.packet_sklist.map((po) => po.sk_type)), /^10,10$/);
  rig.end();
});
