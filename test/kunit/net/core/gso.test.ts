// skb_segment(): bytes, headers, sums and owners, wherever the payload lies.

import assert from "node:assert/strict";
import { test } from "node:test";
import { syscall } from "../../../../src/kernel/cpu.ts";
import type { Kernel } from "../../../../src/kernel/kernel.ts";
import { csum_fold, csum_tcpudp_nofold, ip_fast_csum } from "../../../../src/lib/checksum.ts";
import { validate_xmit_skb_list } from "../../../../src/net/core/dev.ts";
import { skb_gso_segment } from "../../../../src/net/core/gso.ts";
import {
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_SG,
} from "../../../../src/net/core/netdevice.ts";
import { skb_checksum } from "../../../../src/net/core/skb_checksum.ts";
import {
  alloc_skb,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  consume_skb,
  head_alloc,
  SKB_GSO_UDP_L4,
  type SkBuff,
  skb_add_rx_frag,
  skb_copy_bits,
  skb_put,
  skb_reserve,
} from "../../../../src/net/core/skbuff.ts";
import { UDP_MIB_INERRORS } from "../../../../src/net/core/snmp.ts";
import { ip_send_check } from "../../../../src/net/ipv4/ip_output.ts";
import { udp_queue_rcv_skb } from "../../../../src/net/ipv4/udp.ts";
import { __udp4_lib_lookup } from "../../../../src/net/ipv4/udp_table.ts";
import { TwoHosts } from "../sched/lab.ts";

const byte = (i: number): number => (i * 31 + (i >> 8)) & 255;

/** An Ethernet frame with a UDP datagram whose payload lies in the head, in pages and in a list. */
function big(k: Kernel, parts: { linear: number; frags: number[]; list: number[] }): SkBuff {
  const skb = alloc_skb(k, 2048)!;
  skb_reserve(skb, 64);
  const at = skb_put(skb, 42 + parts.linear);
  let n = 0;
  for (let i = 0; i < parts.linear; i++) skb.head.u8[at + 42 + i] = byte(n++);
  for (const size of parts.frags) {
    const page = head_alloc(k, 2048)!;
    for (let i = 0; i < size; i++) page.u8[7 + i] = byte(n++);
    skb_add_rx_frag(skb, page, 7, size, 2048);
  }
  let last: SkBuff | null = null;
  for (const size of parts.list) {
    const s = alloc_skb(k, size)!;
    const off = skb_put(s, size);
    for (let i = 0; i < size; i++) s.head.u8[off + i] = byte(n++);
    if (last !== null) last.next = s;
    else skb.head.frag_list = s;
    last = s;
    skb.len += size;
    skb.data_len += size;
  }
  const dv = skb.head.dv;
  skb.head.u8.fill(0, at, at + 42);
  dv.setUint16(at + 12, 0x0800);
  const iph = at + 14;
  dv.setUint16(iph, 0x4500);
  dv.setUint16(iph + 2, 28 + n);
  dv.setUint16(iph + 4, 0xffff);
  dv.setUint8(iph + 8, 64);
  dv.setUint8(iph + 9, 17);
  dv.setInt32(iph + 12, 0x0a000001);
  dv.setInt32(iph + 16, 0x0a000002);
  ip_send_check(dv, iph);
  dv.setUint16(iph + 20, 1111);
  dv.setUint16(iph + 22, 2222);
  dv.setUint16(iph + 24, 8 + n);
  skb.network_header = iph;
  skb.transport_header = iph + 20;
  skb.protocol = 0x0800;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = iph + 20;
  skb.csum_offset = 6;
  skb.head.gso_size = 700;
  skb.head.gso_type = SKB_GSO_UDP_L4;
  return skb;
}

test("segments have the bytes, the lengths, the next ID and right sums", () => {
  const h = new TwoHosts();
  const k = h.a.kernel;
  syscall(k, () => {
    for (const parts of [
      { linear: 1500, frags: [], list: [] },
      { linear: 3, frags: [999, 1, 800], list: [] },
      { linear: 700, frags: [701], list: [500, 1, 900] },
    ]) {
      const total = parts.linear + [...parts.frags, ...parts.list].reduce((a, b) => a + b, 0);
      for (const features of [0, NETIF_F_HW_CSUM]) {
        const skb = big(k, parts);
        const segs = skb_gso_segment(skb, features);
        assert.ok(segs !== null && typeof segs !== "number");
        consume_skb(skb);
        let offset = 0;
        let id = 0xffff;
        for (let s: SkBuff | null = segs; s !== null; ) {
          const len = Math.min(700, total - offset);
          assert.equal(s.len, 42 + len);
          const dv: DataView = s.head.dv;
          const iph: number = s.network_header;
          const uh: number = s.transport_header;
          assert.deepEqual([s.mac_header, iph, uh], [s.data, s.data + 14, s.data + 34]);
          assert.equal(dv.getUint16(iph + 2), 28 + len);
          assert.equal(dv.getUint16(iph + 4), id);
          assert.equal(ip_fast_csum(dv, iph, 5), 0);
          assert.equal(dv.getUint16(uh + 4), 8 + len);
          assert.equal(s.ip_summed, features === 0 ? CHECKSUM_NONE : CHECKSUM_PARTIAL);
          if (features === 0) {
            const sum = skb_checksum(s, 34, s.len - 34, 0);
            assert.equal(csum_fold(csum_tcpudp_nofold(0x0a000001, 0x0a000002, 8 + len, 17, sum)), 0);
          } else assert.deepEqual([s.csum_start, s.csum_offset], [uh, 6]);
          const bytes = new Uint8Array(len);
          skb_copy_bits(s, 42, bytes, 0, len);
          for (let i = 0; i < len; i++) assert.equal(bytes[i], byte(offset + i));
          assert.equal(s.head.gso_size, 0);
          offset += len;
          id = (id + 1) & 0xffff;
          const next: SkBuff | null = s.next;
          s.next = null;
          consume_skb(s);
          s = next;
        }
        assert.equal(offset, total);
      }
    }
    // A card that cuts itself takes it as it is.
    const whole = big(k, { linear: 1500, frags: [], list: [] });
    assert.equal(skb_gso_segment(whole, NETIF_F_GSO_UDP_L4 | NETIF_F_HW_CSUM), null);
    assert.equal(whole.head.gso_segs, 3);
    consume_skb(whole);
    const odd = big(k, { linear: 1500, frags: [], list: [] });
    odd.protocol = 0x88b5;
    assert.equal(skb_gso_segment(odd, 0), -93);
    consume_skb(odd);
  });
  h.close();
});

test("a device is given a GSO packet whole when it can cut it: below gso_max_size, up to gso_max_segs, its list if FRAGLIST", () => {
  const h = new TwoHosts();
  const k = h.a.kernel;
  const dev = k.init_net.dev_by_name.get("eth0")!;
  const own = { features: dev.features, gso_max_size: dev.gso_max_size, gso_max_segs: dev.gso_max_segs };
  const full = NETIF_F_SG | NETIF_F_HW_CSUM | NETIF_F_GSO_UDP_L4;
  const packets = (parts: Parameters<typeof big>[1], set: Partial<typeof own>): number => {
    Object.assign(dev, own, { features: full }, set);
    const skb = big(k, parts);
    skb.head.gso_segs = 3;
    let n = 0;
    for (let s = validate_xmit_skb_list(skb, dev); s !== null; n++) {
      const next: SkBuff | null = s.next;
      s.next = null;
      consume_skb(s);
      s = next;
    }
    return n;
  };
  const linear = { linear: 1900, frags: [], list: [] };
  const list = { linear: 700, frags: [], list: [700, 500] };
  syscall(k, () => {
    assert.deepEqual([packets(linear, {}), packets(linear, { features: full & ~NETIF_F_GSO_UDP_L4 })], [1, 3]);
    assert.deepEqual([packets(linear, { gso_max_size: 1943 }), packets(linear, { gso_max_size: 1942 })], [1, 3]);
    assert.deepEqual([packets(linear, { gso_max_segs: 3 }), packets(linear, { gso_max_segs: 2 })], [1, 3]);
    assert.deepEqual([packets(list, {}), packets(list, { features: full | NETIF_F_FRAGLIST })], [3, 1]);
    Object.assign(dev, own);
  });
  h.close();
});

test("a merged packet that cannot be cut for a socket is so many drops as it had datagrams", () => {
  const h = new TwoHosts();
  const k = h.a.kernel;
  let drops = -1;
  h.program(h.a, function* (sys) {
    const fd = sys.socket(2, 2, 0);
    sys.bind(fd, Uint8Array.of(2, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0));
    const sk = __udp4_lib_lookup(k.init_net.udp_table, 0, 0, 0, 9, 0, 0, null)!;
    const skb = big(k, { linear: 1500, frags: [], list: [] });
    skb.head.gso_segs = 3;
    // Its type is unknown to those who cut.
    skb.protocol = 0x88b5;
    skb.data += 34;
    skb.len -= 34;
    udp_queue_rcv_skb(sk, skb);
    drops = sk.sk_drops;
    sys.close(fd);
    return 0;
  });
  assert.equal(drops, 3);
  assert.equal(k.init_net.mib.udp[UDP_MIB_INERRORS], 3);
  h.close();
});
