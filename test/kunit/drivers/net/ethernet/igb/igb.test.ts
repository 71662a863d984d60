// The igb driver over the 82576: what Linux's igb does with frames, rings, interrupts, links and ethtool.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { IgbAdapter } from "../../../../../../src/drivers/net/ethernet/igb/igb.ts";
import { rd32 } from "../../../../../../src/drivers/net/ethernet/igb/igb.ts";
import { igb_alloc_rx_buffers } from "../../../../../../src/drivers/net/ethernet/igb/igb_rx.ts";
import * as R from "../../../../../../src/hw/82576_regs.ts";
import { type Frame, frame_from_bytes } from "../../../../../../src/hw/frame.ts";
import { Hub, hub_plug } from "../../../../../../src/hw/hub.ts";
import { pci_bus_plug, pci_bus_unplug } from "../../../../../../src/hw/pci.ts";
import { wire_attach, wire_detach, wire_send } from "../../../../../../src/hw/wire.ts";
import { dql_inflight } from "../../../../../../src/lib/dql.ts";
import { dev_add_pack, dev_queue_xmit } from "../../../../../../src/net/core/dev.ts";
import {
  dev_change_flags,
  dev_get_stats,
  dev_set_mac_address,
  dev_set_mtu,
  netdev_update_features,
} from "../../../../../../src/net/core/dev_api.ts";
import {
  __QUEUE_STATE_STACK_XOFF,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_HW_VLAN_CTAG_RX,
  netif_carrier_ok,
  netif_tx_queue_stopped,
} from "../../../../../../src/net/core/netdevice.ts";
import {
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  head_alloc,
  SKB_GSO_TCPV4,
  SkbFrag,
} from "../../../../../../src/net/core/skbuff.ts";
import { ETH_P_ALL } from "../../../../../../src/uapi/ip.ts";
import { bytes_of, csum, eth, get16, ipv4, l4_ok, put16, tcp, udp } from "../../../../hw/rig.ts";
import { Machine, PROTO } from "./machine.ts";

const M1 = [2, 0, 0, 0, 0, 1];
const A = [10, 0, 0, 1];
const B = [10, 0, 0, 2];
const adapter_of = (m: Machine, name = "eth0"): IgbAdapter => m.dev(name).priv as IgbAdapter;
const irqs = (m: Machine): number => m.k.irq_desc.reduce((n, d) => n + d.counts.reduce((a, b) => a + b, 0), 0);
const frame = (m: Machine, b: Uint8Array): Frame => frame_from_bytes(m.pool, b)!;
const send = (m: Machine, b: Uint8Array): boolean => wire_send(m.far[0]!.end!, frame(m, b));
const payload = (n: number, k = 0): Uint8Array => eth(M1, PROTO, bytes_of(n, k));

test("probe: a device with the card's address, queues and interrupt lines; dmesg tells", () => {
  const m = new Machine({ cpus: 2 });
  m.add_nic();
  const d = m.dev();
  assert.deepEqual([...d.dev_addr], M1);
  assert.deepEqual([d.parent_name, d.real_num_tx_queues, d.max_mtu], ["0000:01:00.0", 2, 9216]);
  assert.equal(netif_carrier_ok(d), false);
  const names = m.k.irq_desc.map((x) => x.chip).filter(Boolean);
  assert.equal(names.length, 3);
  assert.ok(
    m.k.log.some((l) => /igb 0000:01:00.0: Using MSI-X interrupts. 2 rx queue\(s\), 2 tx queue\(s\)/.test(l.text)),
  );
  assert.equal(m.far[0]!.up, false, "a device that is down keeps its PHY down");
  m.end();
});

test("open: link, carrier, names of the interrupts; close gives everything back", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  assert.equal(netif_carrier_ok(d), true);
  assert.equal(m.far[0]!.up, true);
  assert.deepEqual(
    m.k.irq_desc.filter(Boolean).map((x) => x.name),
    ["eth0", "eth0-TxRx-0"],
  );
  assert.ok(m.k.log.some((l) => /eth0 NIC Link is Up 1000 Mbps Full Duplex, Flow Control: RX/.test(l.text)));
  m.down();
  assert.equal(m.far[0]!.up, false);
  assert.deepEqual(
    m.k.irq_desc.filter(Boolean).map((x) => x.name),
    ["", ""],
  );
  m.end();
});

test("receive: bytes, classification, checksum verdict; statistics of ring and hardware", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  const f = payload(100);
  m.inject(0, f, eth([255, 255, 255, 255, 255, 255], PROTO, bytes_of(46)));
  assert.equal(m.got.length, 2);
  assert.deepEqual(m.got[0]!.bytes, f.slice(14));
  assert.equal(m.got[0]!.csum, CHECKSUM_NONE);
  const s = dev_get_stats(d);
  assert.deepEqual([s.rx_packets, s.rx_bytes, s.rx_errors], [2, 114 + 60, 0]);
  assert.deepEqual([m.stat("rx_packets"), m.stat("rx_bytes"), m.stat("rx_broadcast")], [2, 118 + 64, 1]);
  assert.equal(m.stat("rx_queue_0_packets"), 2);
  m.end();
});

test("receive checksum: good ones are CHECKSUM_UNNECESSARY, bad ones go up unverified and are counted", () => {
  const m = new Machine();
  m.add_nic();
  m.up();
  m.k.ptype_base[0x0800 & 15]!.push({ ...m.k.ptype_base[PROTO & 15]![0]!, type: 0x0800 });
  const ip = ipv4(A, B, 17, udp(A, B, 1, 2, bytes_of(99)));
  const bad = ip.slice();
  bad[60]! ^= 1;
  m.inject(0, eth(M1, 0x0800, ip), eth(M1, 0x0800, bad));
  assert.deepEqual(
    m.got.map((g) => g.csum),
    [CHECKSUM_UNNECESSARY, CHECKSUM_NONE],
  );
  assert.equal(m.stat("rx_queue_0_csum_err"), 1);
  m.end();
});

test("thousands of frames through a small ring, far fewer interrupts than frames", () => {
  const m = new Machine();
  m.add_nic({ rate: 1e9 });
  m.up();
  const before = irqs(m);
  for (let i = 0; i < 2000; i++) {
    send(m, payload(60, i));
    if (i % 100 === 99) m.run(1e6);
  }
  m.run(1e8);
  assert.equal(m.got.length, 2000);
  for (const [i, g] of m.got.entries()) assert.equal(g.bytes[0], i & 0xff);
  assert.ok(irqs(m) - before < 500, `${irqs(m) - before} interrupts`);
  assert.equal(m.stat("rx_missed_errors"), 0);
  m.end();
});

test("a live ring slot is never aliased by a packet that left the driver", () => {
  const m = new Machine();
  m.add_nic();
  m.up();
  m.keep = true;
  const ring = adapter_of(m).rx_ring[0]!;
  for (let i = 0; i < 700; i++) {
    m.inject(0, payload(80, i));
    for (const page of ring.rx_buffer_info) assert.ok(page === null || page.dataref === 1);
  }
  m.got.forEach((g, i) => {
    assert.equal(g.skb.head.u8[g.skb.data], i & 0xff, "untouched by later frames");
    assert.ok(!ring.rx_buffer_info.includes(g.skb.head));
    consume_skb(g.skb);
  });
  m.end();
});

test("copybreak: short frames are copied, their buffers stay in the ring", () => {
  const m = new Machine({ igb: { rx_copybreak: 256 } });
  m.add_nic();
  m.up();
  const ring = adapter_of(m).rx_ring[0]!;
  const before = ring.rx_buffer_info.slice();
  for (let i = 0; i < 100; i++) m.inject(0, payload(80, i));
  // The one slot that an empty ring leaves free gets its buffer later.
  assert.ok(ring.rx_buffer_info.filter((p) => p !== null && !before.includes(p)).length <= 1);
  m.inject(0, payload(400));
  assert.equal(m.got.length, 101);
  assert.equal(m.got[100]!.bytes.length, 400);
  m.end();
});

test("transmit: the far end gets the bytes, the memory comes back through igb_clean_tx_irq", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  for (let i = 0; i < 1000; i++) {
    m.call(() => dev_queue_xmit(m.skb(d, payload(100, i))));
    if (i % 50 === 0) m.run(1e6);
  }
  m.run(5e6);
  assert.equal(m.far[0]!.got.length, 1000);
  for (const [i, g] of m.far[0]!.got.entries()) assert.deepEqual(g.bytes, payload(100, i));
  assert.equal(m.k.skb_pool.live_skbs, 0);
  assert.deepEqual(
    [m.stat("tx_packets"), m.stat("tx_queue_0_packets"), m.stat("tx_queue_0_bytes")],
    [1000, 1000, 114000],
  );
  m.end();
});

test("transmit of head and frags, checksum by the hardware", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  const t = tcp(A, B, 5, 6, bytes_of(3));
  const data = bytes_of(1000, 9);
  const ip = ipv4(A, B, 6, Uint8Array.from([...t, ...data]));
  put16(ip, 36, csum(Uint8Array.from([...A, ...B]), 0, 8, 6 + ip.length - 20));
  const skb = m.skb(d, eth(M1, 0x0800, ip.slice(0, 43), 0));
  for (const [from, to] of [
    [0, 301],
    [301, 1000],
  ]) {
    const page = head_alloc(m.k, 2048)!;
    page.u8.set(data.slice(from, to), 7);
    skb.head.frags[skb.head.nr_frags++] = new SkbFrag(page, 7, to! - from!);
    skb.len += to! - from!;
    skb.data_len += to! - from!;
  }
  skb.protocol = 0x0800;
  skb.network_header = skb.data + 14;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = skb.data + 34;
  skb.csum_offset = 16;
  m.call(() => assert.equal(d.ops.ndo_start_xmit(skb, d), NETDEV_TX_OK));
  m.run(1e6);
  const got = m.far[0]!.got[0]!.bytes;
  assert.equal(got.length, 14 + ip.length);
  assert.ok(l4_ok(got.slice(14)));
  assert.deepEqual(got.slice(57), data);
  m.end();
});

test("TSO: one packet down, many right segments out; counted as such", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  const t = tcp(A, B, 5, 6, bytes_of(10000), 0x18);
  const ip = ipv4(A, B, 6, t);
  // As TCP leaves it: the pseudo-header sum with the whole length.
  put16(ip, 36, csum(Uint8Array.from([...A, ...B]), 0, 8, 6 + t.length));
  const skb = m.skb(d, eth(M1, 0x0800, ip, 0));
  skb.protocol = 0x0800;
  skb.network_header = skb.data + 14;
  skb.ip_summed = CHECKSUM_PARTIAL;
  skb.csum_start = skb.data + 34;
  skb.csum_offset = 16;
  skb.head.gso_size = 1448;
  skb.head.gso_segs = 7;
  skb.head.gso_type = SKB_GSO_TCPV4;
  m.call(() => assert.equal(d.ops.ndo_start_xmit(skb, d), NETDEV_TX_OK));
  m.run(1e6);
  const got = m.far[0]!.got.map((g) => g.bytes.slice(14));
  assert.equal(got.length, 7);
  got.forEach((g, i) => {
    assert.ok(l4_ok(g), `segment ${i}`);
    assert.equal(csum(g, 0, 20), 0xffff);
    assert.equal(get16(g, 4), 0x1234 + i);
  });
  assert.equal(
    got.reduce((n, g) => n + get16(g, 2) - 40, 0),
    10000,
  );
  assert.deepEqual([m.stat("tx_queue_0_packets"), m.stat("tx_queue_0_bytes")], [7, 10000 + 7 * 54]);
  assert.equal(m.stat("tx_tcp_seg_good"), 1);
  m.end();
});

test("the ring fills: the queue stops, a further packet is BUSY and stays the caller's; completion wakes it", () => {
  const m = new Machine();
  m.add_nic({ rate: 1e6 });
  const d = m.up();
  d.ethtool_ops!.set_ringparam!(d, { ...d.ethtool_ops!.get_ringparam!(d), tx_pending: 64 });
  m.run(5e6);
  let sent = 0;
  let refused = 0;
  m.call(() => {
    for (let i = 0; i < 200; i++) {
      const skb = m.skb(d, payload(1400, i));
      if (d.ops.ndo_start_xmit(skb, d) === NETDEV_TX_BUSY) {
        refused++;
        consume_skb(skb);
      } else sent++;
    }
  });
  assert.ok(refused > 0 && sent < 100);
  assert.equal(netif_tx_queue_stopped(d.tx[0]!), true);
  m.run(5e9);
  assert.equal(netif_tx_queue_stopped(d.tx[0]!), false);
  assert.ok(m.stat("tx_queue_0_restart") > 0);
  assert.equal(m.far[0]!.got.length, sent);
  m.end();
});

test("ring overrun: the NIC drops (rx_missed_errors), ethtool -G cures it", () => {
  const missed = (rx: number): number => {
    const m = new Machine();
    m.add_nic();
    const d = m.up();
    d.ethtool_ops!.set_ringparam!(d, { ...d.ethtool_ops!.get_ringparam!(d), rx_pending: rx });
    m.run(5e6);
    // While this CPU is in a system call nobody polls: frames pile up.
    m.call(() => {
      for (let i = 0; i < 900; i++) m.nics[0]!.wire_rx(frame(m, payload(200, i)), false);
    });
    m.run(5e6);
    const n = dev_get_stats(d).rx_missed_errors;
    assert.equal(m.got.length + n, 900);
    m.end();
    return n;
  };
  assert.ok(missed(64) > 400);
  assert.equal(missed(1024), 0);
});

test("jumbo frames: larger MTU, larger buffers, a frame over several of them", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  const f = eth(M1, PROTO, bytes_of(8900));
  m.inject(0, f);
  assert.equal(m.got.length, 0);
  assert.equal(dev_get_stats(d).rx_length_errors, 1);
  assert.equal(
    m.call(() => dev_set_mtu(d, 9000)),
    0,
  );
  m.run(5e6);
  m.inject(0, f);
  assert.deepEqual(m.got[0]!.bytes, f.slice(14));
  m.call(() => dev_queue_xmit(m.skb(d, f)));
  m.run(1e6);
  assert.deepEqual(m.far[0]!.got[0]!.bytes, f);
  assert.ok(m.call(() => dev_set_mtu(d, 9500)) < 0);
  m.end();
});

test("VLAN: tags out of the frame into the packet and back, by feature", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  const tagged = eth(M1, 0x8100, [0x00, 42, PROTO >> 8, PROTO & 255, ...bytes_of(60)]);
  m.inject(0, tagged);
  assert.equal(m.got.length, 0, "the filter lets only known VLANs in");
  m.call(() => d.ops.ndo_vlan_rx_add_vid!(d, 0x8100, 42));
  // Taps see the tag; without a VLAN device the core takes it off and the frame is somebody else's.
  const tags: number[] = [];
  dev_add_pack(m.k, {
    type: ETH_P_ALL,
    dev: null,
    net: null,
    name: "test_tap",
    af_packet_priv: null,
    func: (s) => {
      tags.push(s.vlan_present ? s.vlan_tci : -1);
      consume_skb(s);
      return 0;
    },
  });
  m.inject(0, tagged);
  assert.deepEqual(tags, [42]);
  assert.deepEqual([m.got.length, m.got[0]!.vlan], [1, -1]);
  const skb = m.skb(d, eth(M1, PROTO, bytes_of(60)));
  skb.vlan_present = true;
  skb.vlan_proto = 0x8100;
  skb.vlan_tci = 0x2007;
  m.call(() => dev_queue_xmit(skb));
  m.run(1e6);
  assert.deepEqual([...m.far[0]!.got[0]!.bytes.slice(12, 18)], [0x81, 0, 0x20, 7, PROTO >> 8, PROTO & 255]);
  d.wanted_features &= ~NETIF_F_HW_VLAN_CTAG_RX;
  m.call(() => netdev_update_features(d));
  m.inject(0, tagged);
  assert.deepEqual(tags, [42, 0x2007, 42], "the core reads the tag where the card left it in the frame");
  assert.deepEqual([m.got.length, m.got[1]!.vlan], [2, -1]);
  m.end();
});

test("filters: foreign addresses only when promiscuous, groups through the multicast table, a new MAC address", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  const seen = (dst: number[]): number => {
    const n = m.got.length;
    m.inject(0, eth(dst, PROTO, []));
    return m.got.length - n;
  };
  const other = [2, 0, 0, 0, 0, 9];
  assert.equal(seen(other), 0);
  m.call(() => dev_change_flags(d, d.flags | 0x100));
  assert.equal(seen(other), 1);
  m.call(() => dev_change_flags(d, d.flags & ~0x100));
  assert.equal(seen(other), 0);
  const group = [1, 0, 0x5e, 0, 0, 7];
  assert.equal(seen(group), 0);
  d.mc.push({ addr: Uint8Array.from(group), refcount: 1, global_use: false });
  m.call(() => d.ops.ndo_set_rx_mode!(d));
  assert.equal(seen(group), 1);
  assert.equal(m.stat("rx_multicast"), 1);
  assert.equal(
    m.call(() => dev_set_mac_address(d, Uint8Array.from(other))),
    0,
  );
  assert.equal(seen(other), 1);
  assert.equal(seen(M1), 0);
  assert.ok(m.call(() => dev_set_mac_address(d, Uint8Array.from(group))) < 0);
  m.end();
});

test("a damaged frame is counted as a CRC error and never seen", () => {
  const m = new Machine();
  m.add_nic({ impair: { corrupt: 1 } });
  const d = m.up();
  m.inject(0, payload(80));
  assert.equal(m.got.length, 0);
  const s = dev_get_stats(d);
  assert.deepEqual([s.rx_crc_errors, s.rx_errors, m.stat("rx_crc_errors")], [1, 1, 1]);
  m.end();
});

test("the cable is pulled and plugged in: carrier follows, packets stuck in the ring are freed", () => {
  const m = new Machine();
  m.add_nic();
  const d = m.up();
  wire_detach(m.wires[0]!, 1);
  m.run(2e6);
  assert.equal(netif_carrier_ok(d), false);
  assert.ok(m.k.log.some((l) => /eth0 NIC Link is Down/.test(l.text)));
  m.call(() => d.ops.ndo_start_xmit(m.skb(d, payload(60)), d));
  assert.equal(m.k.skb_pool.live_skbs, 1);
  m.run(3e9);
  assert.equal(m.k.skb_pool.live_skbs, 0);
  assert.equal(m.stat("tx_timeout_count"), 1);
  wire_attach(m.wires[0]!, 1, m.far[0]!);
  m.run(3e6);
  assert.equal(netif_carrier_ok(d), true);
  m.inject(0, payload(60));
  assert.equal(m.got.length, 1);
  m.end();
});

test("hot unplug of a running card, under load; another one takes the slot", () => {
  const m = new Machine();
  const nic = m.add_nic({ rate: 1e9 });
  const d = m.up();
  m.call(() => {
    for (let i = 0; i < 50; i++) d.ops.ndo_start_xmit(m.skb(d, payload(1400, i)), d);
  });
  pci_bus_unplug(m.k.pci_bus, nic.pf);
  m.run(1e7);
  assert.equal(m.k.init_net.dev_by_name.size, 0);
  assert.equal(m.far[0]!.up, false);
  assert.deepEqual(m.k.irq_desc.filter(Boolean), []);
  assert.equal(m.k.skb_pool.live_heads, 0);
  pci_bus_plug(m.k.pci_bus, nic.pf);
  m.run(1e6);
  m.up();
  m.inject(0, payload(60));
  assert.equal(m.got.length, 1);
  m.end();
});

test("interrupt per packet: each frame its own interrupt and netif_rx; NAPI takes few", () => {
  const run = (napi: boolean): { irqs: number; polls: number } => {
    const m = new Machine({ igb: { napi } });
    m.add_nic({ rate: 1e9 });
    const d = m.up();
    const before = irqs(m);
    for (let i = 0; i < 300; i++) send(m, payload(60, i));
    m.run(1e8);
    assert.equal(m.got.length, 300);
    m.call(() => dev_queue_xmit(m.skb(d, payload(60))));
    m.run(1e6);
    const r = { irqs: irqs(m) - before, polls: adapter_of(m).q_vector[0]!.napi.polls };
    m.end();
    return r;
  };
  const old = run(false);
  assert.ok(old.irqs >= 300, `${old.irqs}`);
  assert.equal(old.polls, 0);
  assert.ok(run(true).irqs < 30);
});

test("RSS: flows spread over queues, each queue's interrupt on its own CPU, one flow always on one", () => {
  const m = new Machine({ cpus: 4 });
  m.add_nic();
  const d = m.up();
  m.k.ptype_base[0x0800 & 15]!.push({ ...m.k.ptype_base[PROTO & 15]![0]!, type: 0x0800 });
  for (let round = 0; round < 2; round++)
    for (let p = 0; p < 64; p++) m.inject(0, eth(M1, 0x0800, ipv4(A, B, 6, tcp(A, B, 1000 + p, 80, bytes_of(4)))));
  assert.deepEqual(new Set(m.got.map((g) => g.queue)), new Set([0, 1, 2, 3]));
  for (const g of m.got) assert.equal(g.cpu, g.queue);
  for (let p = 0; p < 64; p++) assert.equal(m.got[p]!.queue, m.got[p + 64]!.queue);
  const { indir, key } = d.ethtool_ops!.get_rxfh!(d);
  assert.deepEqual([indir.length, key.length, indir[0], indir[127]], [128, 40, 0, 3]);
  assert.equal(d.ethtool_ops!.set_rxfh!(d, indir.fill(2), null), 0);
  m.got = [];
  for (let p = 0; p < 20; p++) m.inject(0, eth(M1, 0x0800, ipv4(A, B, 6, tcp(A, B, 1000 + p, 80, bytes_of(4)))));
  assert.deepEqual(new Set(m.got.map((g) => g.queue)), new Set([2]));
  m.end();
});

test("a full queue drops for itself only without pause frames: from the first open on, and changed while it runs", () => {
  const m = new Machine({ cpus: 2 });
  m.add_nic();
  const d = m.dev();
  const dropping = (): boolean[] =>
    [0, 1].map((n) => (rd32(adapter_of(m), R.E1000_SRRCTL(n)) & R.E1000_SRRCTL_DROP_EN) !== 0);
  m.up();
  assert.deepEqual(dropping(), [false, false], "before there is a link, what is asked for counts");
  d.ethtool_ops!.set_pauseparam!(d, { autoneg: false, rx_pause: false, tx_pause: false });
  assert.deepEqual(dropping(), [true, true]);
  d.ethtool_ops!.set_pauseparam!(d, { autoneg: false, rx_pause: true, tx_pause: false });
  assert.deepEqual(dropping(), [false, false]);
  m.end();
});

test("three cards on a half duplex hub: collisions in ethtool -S and ifconfig, nothing lost", () => {
  const m = new Machine();
  const hub = new Hub(m.clock, { duplex: "half", rate: 10e6, delay_ns: 500, seed: 7 });
  for (let i = 0; i < 3; i++) {
    m.add_nic();
    wire_detach(m.wires[i]!, 0);
    hub_plug(hub, m.nics[i]!);
  }
  const devs = ["eth0", "eth1", "eth2"].map((n) => m.up(n));
  assert.ok(m.k.log.some((l) => /eth2 NIC Link is Up 10 Mbps Half Duplex, Flow Control: None/.test(l.text)));
  m.call(() => {
    for (let i = 0; i < 20; i++) {
      for (const d of devs)
        d.ops.ndo_start_xmit(m.skb(d, eth([255, 255, 255, 255, 255, 255], PROTO, bytes_of(400, i))), d);
    }
  });
  m.run(2e9);
  const sum = (name: string): number => devs.reduce((n, d) => n + m.stat(name, d), 0);
  assert.equal(m.got.length, 3 * 20 * 2);
  assert.ok(sum("collisions") > 0);
  assert.ok(sum("tx_single_coll_ok") + sum("tx_multi_coll_ok") > 0);
  assert.ok(sum("tx_deferred_ok") > 0);
  assert.equal(
    devs.reduce((n, d) => n + dev_get_stats(d).collisions, 0),
    sum("collisions"),
  );
  m.end();
});

test("ethtool: -i, -g/-G limits, -l/-L, -c/-C, -a/-A, -S names, settings of the link", () => {
  const m = new Machine({ cpus: 4 });
  m.add_nic();
  const d = m.up();
  const e = d.ethtool_ops!;
  assert.deepEqual([e.get_drvinfo!(d).driver, e.get_drvinfo!(d).bus_info], ["igb", "0000:01:00.0"]);
  const set_rings = (rx: number, tx: number): number[] => {
    m.call(() => e.set_ringparam!(d, { ...e.get_ringparam!(d), rx_pending: rx, tx_pending: tx }));
    const r = e.get_ringparam!(d);
    return [r.rx_pending, r.tx_pending];
  };
  assert.deepEqual(set_rings(1, 99999), [64, 4096]);
  assert.deepEqual(set_rings(100, 256), [104, 256]);
  m.run(5e6);
  m.inject(0, payload(60));
  assert.equal(m.got.length, 1);
  assert.equal(e.get_channels!(d).combined_count, 4);
  assert.equal(
    m.call(() => e.set_channels!(d, { ...e.get_channels!(d), combined_count: 2 })),
    0,
  );
  m.run(5e6);
  assert.deepEqual([d.real_num_rx_queues, e.get_rxfh!(d).indir[127]], [2, 1]);
  assert.ok(e.get_strings!(d).includes("rx_queue_1_drops") && !e.get_strings!(d).includes("rx_queue_2_drops"));
  assert.ok(m.call(() => e.set_channels!(d, { ...e.get_channels!(d), combined_count: 9 })) < 0);
  m.inject(0, payload(60));
  assert.equal(m.got.length, 2);
  const co = e.get_coalesce!(d);
  assert.equal(co.rx_coalesce_usecs, 3);
  for (const [us, want] of [
    [2, -22],
    [5, -22],
    [20000, -22],
    [100, 0],
  ])
    assert.equal(e.set_coalesce!(d, { ...co, rx_coalesce_usecs: us! }), want);
  assert.equal(e.get_coalesce!(d).rx_coalesce_usecs, 100);
  assert.deepEqual(e.get_pauseparam!(d), { autoneg: true, rx_pause: true, tx_pause: false });
  e.set_pauseparam!(d, { autoneg: true, rx_pause: true, tx_pause: true });
  assert.deepEqual(e.get_pauseparam!(d), { autoneg: true, rx_pause: true, tx_pause: true });
  const ks = e.get_link_ksettings!(d);
  assert.deepEqual([ks.speed, ks.duplex, ks.autoneg], [1000, 1, 1]);
  assert.equal(
    m.call(() => e.set_link_ksettings!(d, { ...ks, autoneg: 0, speed: 100, duplex: 0 })),
    0,
  );
  m.run(5e6);
  const half = e.get_link_ksettings!(d);
  assert.deepEqual([half.speed, half.duplex, half.autoneg], [100, 0, 0]);
  assert.equal(m.wires[0]!.ends[1].full, false);
  m.inject(0, payload(60));
  assert.equal(m.got.length, 3);
  assert.equal(e.get_strings!(d).length, e.get_ethtool_stats!(d).length);
  m.end();
});

test("coalescing: the fixed interval paces the interrupts", () => {
  const count = (us: number): number => {
    const m = new Machine();
    m.add_nic({ rate: 1e9 });
    const d = m.up();
    d.ethtool_ops!.set_coalesce!(d, { ...d.ethtool_ops!.get_coalesce!(d), rx_coalesce_usecs: us });
    m.run(3e6);
    const before = irqs(m);
    for (let i = 0; i < 1000; i++) send(m, payload(1000, i));
    m.run(1e7);
    assert.equal(m.got.length, 1000);
    const n = irqs(m) - before;
    m.end();
    return n;
  };
  const slow = count(1000);
  const fast = count(10);
  // 1000 frames of 1038 bytes take 8.3 ms.
  assert.ok(slow <= 11, `${slow}`);
  assert.ok(fast > 500, `${fast}`);
});

test("out of memory for buffers is counted and survived", () => {
  const m = new Machine();
  m.add_nic();
  m.up();
  const ring = adapter_of(m).rx_ring[0]!;
  ring.rx_head_size = 1 << 20;
  for (let i = 0; i < 100; i++) m.inject(0, payload(60));
  assert.ok(ring.alloc_failed > 0);
  ring.rx_head_size = 2048;
  igb_alloc_rx_buffers(ring, 50);
  m.inject(0, payload(60, 7));
  assert.equal(m.got.at(-1)!.bytes[0], 7);
  m.end();
});

test("BQL: what the card has not sent yet is bounded; the rest waits in the qdisc, and goes when the card is done", () => {
  const m = new Machine();
  m.add_nic({ rate: 1e9 });
  const d = m.up();
  const txq = d.tx[0]!;
  const inflight = (): number => dql_inflight(txq.dql);
  m.call(() => {
    for (let i = 0; i < 3; i++) dev_queue_xmit(m.skb(d, payload(100, i)));
    // A limit that nobody has learned yet lets one packet through.
    assert.deepEqual([inflight(), txq.state, txq.qdisc.qlen], [114, __QUEUE_STATE_STACK_XOFF, 2]);
  });
  m.run(5e6);
  assert.deepEqual([inflight(), txq.state, txq.qdisc.qlen], [0, 0, 0]);
  assert.equal(m.far[0]!.got.length, 3);
  for (let i = 0; i < 2000; i++) m.call(() => dev_queue_xmit(m.skb(d, payload(1000, i))));
  m.run(50e6);
  assert.equal(txq.qdisc.drops + m.far[0]!.got.length, 2003);
  // The cable carries 20 kB between two interrupts of 162 µs: two such lots are enough, and 256 descriptors would be 260 kB.
  assert.ok(txq.dql.limit > 10_000 && txq.dql.limit < 100_000, `${txq.dql.limit}`);
  m.down();
  assert.deepEqual([inflight(), txq.dql.limit, txq.state & __QUEUE_STATE_STACK_XOFF], [0, 0, 0]);
  m.end();
});
