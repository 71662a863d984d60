// Between buffers of a program and packets: scattered buffers, control messages of any room.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Prng, prng_below } from "../../../../src/lib/prng.ts";
import {
  for_each_cmsg,
  iov_length,
  memcpy_from_msg,
  memcpy_to_msg,
  put_cmsg,
  skb_copy_datagram_msg,
} from "../../../../src/net/core/datagram.ts";
import { alloc_skb, consume_skb, skb_put } from "../../../../src/net/core/skbuff.ts";
import type { MsgHdr } from "../../../../src/uapi/sys.ts";
import { KernelRig } from "../../../lib/kernel.ts";

const message = (iov: Uint8Array[], control = 0): MsgHdr => ({
  msg_name: null,
  msg_namelen: 0,
  msg_iov: iov,
  msg_control: control > 0 ? new Uint8Array(control) : null,
  msg_controllen: 0,
  msg_flags: 0,
});

test("any scatter of buffers, empty ones too, is one run of bytes in both directions", () => {
  const rig = new KernelRig();
  for (let seed = 1; seed <= 200; seed++) {
    const p = new Prng(seed);
    const sizes = Array.from({ length: prng_below(p, 6) + 1 }, () => prng_below(p, 90));
    const total = sizes.reduce((a, b) => a + b, 0);
    const bytes = Uint8Array.from({ length: total }, () => prng_below(p, 256));
    let at = 0;
    const msg = message(sizes.map((n) => bytes.slice(at, (at += n))));
    assert.equal(iov_length(msg.msg_iov), total);
    const from = prng_below(p, total + 1);
    const len = prng_below(p, total - from + 1);
    const out = new Uint8Array(len + 4);
    memcpy_from_msg(out, 2, msg, from, len);
    assert.deepEqual(out.subarray(2, 2 + len), bytes.subarray(from, from + len), `seed ${seed}`);
    const skb = alloc_skb(rig.k, total + 10)!;
    skb.head.u8.set(bytes, skb_put(skb, total));
    const into = message(sizes.map((n) => new Uint8Array(n)));
    assert.equal(skb_copy_datagram_msg(skb, from, into, len), 0);
    assert.deepEqual(Buffer.concat(into.msg_iov).subarray(0, len), Buffer.from(bytes.subarray(from, from + len)));
    assert.equal(skb_copy_datagram_msg(skb, 1, into, total), -14, "more than the packet has: -EFAULT");
    consume_skb(skb);
    const part = message(sizes.map((n) => new Uint8Array(n)));
    assert.equal(memcpy_to_msg(part, from, bytes, 0, total), total - from, "what fits");
    assert.deepEqual(Buffer.concat(part.msg_iov).subarray(from), Buffer.from(bytes.subarray(0, total - from)));
  }
  rig.end();
});

test("put_cmsg: aligned to 8, cut with MSG_CTRUNC where room ends, nothing without room for a header", () => {
  for (let room = 0; room < 70; room++) {
    const msg = message([], room);
    put_cmsg(msg, 1, 2, Uint8Array.of(1, 2, 3, 4));
    put_cmsg(msg, 3, 4, Uint8Array.of(5));
    assert.ok(msg.msg_controllen <= room);
    assert.equal((msg.msg_flags & 8) !== 0, room < 24 + 17, `room ${room}`);
    const seen = [...for_each_cmsg(msg)].map(([level, type, data]) => [level, type, ...data]);
    if (room >= 48) {
      assert.deepEqual(seen, [
        [1, 2, 1, 2, 3, 4],
        [3, 4, 5],
      ]);
    } else if (room < 16) assert.deepEqual(seen, []);
    else assert.deepEqual(seen[0], [1, 2, ...[1, 2, 3, 4].slice(0, Math.min(4, room - 16))]);
  }
});

test("for_each_cmsg stops at what is not well formed", () => {
  const bad = (len: number): number => {
    const msg = message([], 40);
    msg.msg_controllen = 40;
    new DataView(msg.msg_control!.buffer).setUint32(0, len, true);
    return [...for_each_cmsg(msg)].length;
  };
  assert.deepEqual([0, 15, 41, 0xffffffff].map(bad), [0, 0, 0, 0]);
  assert.equal(bad(40), 1);
});
