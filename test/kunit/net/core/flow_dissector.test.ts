// The flow hash: the same for both directions, by addresses and ports, without ports for fragments; safe over any bytes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { skb_get_hash } from "../../../../src/net/core/flow_dissector.ts";
import { alloc_skb, consume_skb, type SkBuff, skb_put } from "../../../../src/net/core/skbuff.ts";
import { KernelRig } from "../../../lib/kernel.ts";

interface Flow {
  s: number;
  d: number;
  sp: number;
  dp: number;
  proto?: number;
  frag?: number;
  ihl?: number;
}

function packet(rig: KernelRig, f: Flow): SkBuff {
  const skb = alloc_skb(rig.k, 100)!;
  const at = skb_put(skb, 40);
  const dv = skb.head.dv;
  skb.head.u8.fill(0, at, at + 40);
  dv.setUint8(at, 0x40 | (f.ihl ?? 5));
  dv.setUint16(at + 6, f.frag ?? 0);
  dv.setUint8(at + 9, f.proto ?? 17);
  dv.setInt32(at + 12, f.s);
  dv.setInt32(at + 16, f.d);
  dv.setUint16(at + 20, f.sp);
  dv.setUint16(at + 22, f.dp);
  skb.protocol = 0x800;
  skb.network_header = at;
  return skb;
}

test("both directions of a flow hash alike; another port, address or protocol does not", () => {
  const rig = new KernelRig();
  const hash = (f: Flow): number => {
    const skb = packet(rig, f);
    const h = skb_get_hash(skb);
    assert.equal(skb_get_hash(skb), h, "kept");
    consume_skb(skb);
    return h;
  };
  const f = { s: 0x0a000001, d: 0x0a000002, sp: 1000, dp: 53 };
  const h = hash(f);
  assert.equal(hash({ s: f.d, d: f.s, sp: f.dp, dp: f.sp }), h);
  const self = { s: 0x7f000001, d: 0x7f000001, sp: 1, dp: 60000 };
  assert.equal(hash(self), hash({ ...self, sp: 60000, dp: 1 }));
  const others = [
    { ...f, sp: 1001 },
    { ...f, dp: 54 },
    { ...f, d: 0x0a000003 },
    { ...f, proto: 6 },
    { ...f, proto: 1 },
  ];
  assert.equal(new Set([h, ...others.map(hash)]).size, 6);
  rig.end();
});

test("fragments hash by addresses alone, the first one too, so that they stay together", () => {
  const rig = new KernelRig();
  const hash = (f: Flow): [number, boolean] => {
    const skb = packet(rig, f);
    const r: [number, boolean] = [skb_get_hash(skb), skb.l4_hash];
    consume_skb(skb);
    return r;
  };
  const f = { s: 0x0a000001, d: 0x0a000002, sp: 1000, dp: 53 };
  const first = hash({ ...f, frag: 0x2000 });
  assert.deepEqual(hash({ ...f, sp: 7, dp: 8, frag: 0x00b9 }), first);
  assert.equal(first[1], false);
  assert.equal(hash(f)[1], true);
  rig.end();
});

test("any bytes: short, odd header lengths, other protocols: a number and no exception", () => {
  const rig = new KernelRig();
  for (let ihl = 0; ihl < 16; ihl++) {
    const skb = packet(rig, { s: 1, d: 2, sp: 3, dp: 4, ihl });
    assert.notEqual(skb_get_hash(skb), 0);
    consume_skb(skb);
  }
  for (let len = 0; len < 24; len++) {
    const skb = alloc_skb(rig.k, 64)!;
    skb_put(skb, len);
    skb.protocol = 0x800;
    skb.network_header = skb.data;
    assert.equal(Number.isInteger(skb_get_hash(skb)), true);
    consume_skb(skb);
  }
  const arp = alloc_skb(rig.k, 64)!;
  arp.protocol = 0x806;
  assert.equal(skb_get_hash(arp), 0);
  consume_skb(arp);
  rig.end();
});
