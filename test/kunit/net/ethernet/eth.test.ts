// Ethernet framing: whose frame it is, which protocol, and what is put in front (RFC 894, RFC 1042, RFC 1112 6.4).
import assert from "node:assert/strict";
import { test } from "node:test";
import { consume_skb, type SkBuff, skb_put } from "../../../../src/net/core/skbuff.ts";
import {
  dev_hard_header,
  dev_parse_header,
  eth_header_cache,
  eth_hw_addr_random,
  eth_mac_addr,
  eth_type_trans,
  ip_eth_mc_map,
  ipv6_eth_mc_map,
  is_broadcast_ether_addr,
  is_link_local_ether_addr,
  is_local_ether_addr,
  is_multicast_ether_addr,
  is_valid_ether_addr,
  is_zero_ether_addr,
  mac_text,
} from "../../../../src/net/ethernet/eth.ts";
import { Rig } from "../core/neigh_rig.ts";

const hex = (s: string): number[] => (s.match(/../g) ?? []).map((b) => Number.parseInt(b, 16));

function frame(r: Rig, bytes: number[]): SkBuff {
  const skb = r.skb(null, 0);
  const at = skb_put(skb, bytes.length);
  skb.head.u8.set(bytes, at);
  return skb;
}

test("eth_type_trans: destination and protocol of each kind of frame", () => {
  const r = new Rig();
  const dev = r.dev("eth0", hex("020000000001"));
  const cases: [string, number, number][] = [
    ["020000000001 0200000000ff 0800 4500", 0, 0x0800],
    ["ffffffffffff 0200000000ff 0806 0001", 1, 0x0806],
    ["01005e000001 0200000000ff 86dd 6000", 2, 0x86dd],
    ["020000000002 0200000000ff 0800 4500", 3, 0x0800],
    ["020000000001 0200000000ff 0600 0000", 0, 0x0600],
    ["0180c2000000 0200000000ff 0026 4242", 2, 4],
    ["020000000001 0200000000ff 05ff ffff", 0, 1],
    ["020000000001 0200000000ff 05ff", 0, 4],
  ];
  for (const [text, pkt_type, proto] of cases) {
    const bytes = hex(text.replace(/ /g, ""));
    const skb = frame(r, bytes);
    const mac = skb.data;
    assert.equal(eth_type_trans(skb, dev), proto, text);
    assert.equal(skb.pkt_type, pkt_type, text);
    assert.deepEqual([skb.mac_header, skb.data, skb.len, skb.dev], [mac, mac + 14, bytes.length - 14, dev]);
    consume_skb(skb);
  }
  for (let len = 0; len < 14; len++) {
    const skb = frame(r, new Array<number>(len).fill(0));
    eth_type_trans(skb, dev);
    assert.equal(skb.len, len, "a runt is not pulled");
    assert.equal(skb.pkt_type, 3);
    consume_skb(skb);
  }
  r.end();
});

test("headers: own and given source, missing destination, length field", () => {
  const r = new Rig();
  const dev = r.dev("eth0", hex("020000000001"));
  const skb = r.skb(dev, 4, 0x55);
  const to = Uint8Array.from(hex("020000000009"));
  assert.equal(dev_hard_header(skb, dev, 0x0800, to, null, skb.len), 14);
  assert.deepEqual([...skb.head.u8.slice(skb.data, skb.data + 15)], [...to, ...hex("020000000001"), 8, 0, 0x55]);
  skb.mac_header = skb.data;
  const from = new Uint8Array(6);
  assert.equal(dev_parse_header(skb, from), 6);
  assert.deepEqual([...from], hex("020000000001"));
  consume_skb(skb);
  const raw = r.skb(dev, 4);
  assert.equal(dev_hard_header(raw, dev, 4, to, Uint8Array.from(hex("020000000007")), 100), 14);
  assert.equal(raw.head.dv.getUint16(raw.data + 12), 100);
  consume_skb(raw);
  const open = r.skb(dev, 4);
  assert.equal(dev_hard_header(open, dev, 0x0800, null, null, 4), -14);
  dev.flags |= 0x80;
  const none = r.skb(dev, 4);
  assert.equal(dev_hard_header(none, dev, 0x0800, null, null, 4), 14);
  assert.deepEqual([...none.head.u8.slice(none.data, none.data + 6)], [0, 0, 0, 0, 0, 0]);
  consume_skb(open);
  consume_skb(none);
  const hh = new Uint8Array(16);
  assert.equal(eth_header_cache(dev, to, 0x86dd, hh), 14);
  assert.deepEqual([...hh.slice(0, 14)], [...to, ...hex("020000000001"), 0x86, 0xdd]);
  assert.equal(eth_header_cache(dev, to, 1, hh), -1);
  r.end();
});

test("addresses: kinds, groups, random ones, and which a device takes", () => {
  const a = (s: string): Uint8Array => Uint8Array.from(hex(s));
  assert.equal(is_broadcast_ether_addr(a("ffffffffffff")), true);
  assert.equal(is_broadcast_ether_addr(a("fffffffffffe")), false);
  assert.equal(is_multicast_ether_addr(a("01005e000001")), true);
  assert.equal(is_zero_ether_addr(a("000000000000")), true);
  assert.equal(is_valid_ether_addr(a("000000000000")), false);
  assert.equal(is_valid_ether_addr(a("010000000000")), false);
  assert.equal(is_local_ether_addr(a("020000000000")), true);
  assert.equal(is_link_local_ether_addr(a("0180c200000e")), true);
  assert.equal(is_link_local_ether_addr(a("0180c2000010")), false);
  const out = new Uint8Array(6);
  ip_eth_mc_map(0xefff0102 | 0, out); // 239.255.1.2
  assert.equal(mac_text(out), "01:00:5e:7f:01:02");
  ipv6_eth_mc_map(0xff00a8fe | 0, out);
  assert.equal(mac_text(out), "33:33:ff:00:a8:fe");
  const r = new Rig();
  const dev = r.dev("eth0", hex("020000000001"));
  assert.equal(eth_mac_addr(dev, a("020000000002")), -16, "while it is up");
  dev.state = 0;
  assert.equal(eth_mac_addr(dev, a("010000000002")), -99);
  assert.equal(eth_mac_addr(dev, a("020000000002")), 0);
  eth_hw_addr_random(dev);
  assert.equal(dev.dev_addr[0]! & 3, 2);
  assert.equal(dev.addr_assign_type, 1);
  r.end();
});
