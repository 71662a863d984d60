// virtio_net: the header of a packet, checked; buffers, interrupts and features (VIRTIO 1.2 section 5.1.6).

import assert from "node:assert/strict";
import { test } from "node:test";
import { pci_bus_plug, pci_bus_unplug } from "../../../../src/hw/pci.ts";
import {
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_USO,
  type VirtioBackend,
  VirtioNet,
} from "../../../../src/hw/virtio_net.ts";
import { csum_fold, csum_tcpudp_magic, csum_tcpudp_nofold, ip_fast_csum } from "../../../../src/lib/checksum.ts";
import { Prng, prng_u32 } from "../../../../src/lib/prng.ts";
import { KernelRig, now, sockaddr } from "../../../lib/kernel.ts";

class Backend implements VirtioBackend {
  readonly vnet_features: number =
    VIRTIO_NET_F_CSUM |
    VIRTIO_NET_F_GUEST_CSUM |
    VIRTIO_NET_F_GUEST_TSO4 |
    VIRTIO_NET_F_GUEST_USO4 |
    VIRTIO_NET_F_HOST_TSO4 |
    VIRTIO_NET_F_HOST_USO;
  readonly sent: Uint8Array[] = [];
  offloads = -1;
  wakes = 0;
  accept = true;
  vnet_attach(): void {}
  vnet_detach(): void {}
  vnet_send(buf: Uint8Array, len: number): boolean {
    if (this.accept) this.sent.push(buf.slice(0, len));
    return this.accept;
  }
  vnet_offloads(features: number): boolean {
    this.offloads = features;
    return true;
  }
  vnet_wake(): void {
    this.wakes++;
  }
}

class VirtioRig extends KernelRig {
  readonly back = new Backend();
  readonly card: VirtioNet;
  constructor() {
    super();
    this.card = new VirtioNet({
      slot: "0000:01:00.0",
      mac: Uint8Array.of(2, 0, 0, 0, 0, 2),
      backend: this.back,
      ring: 8,
    });
    this.call(() => pci_bus_plug(this.k.pci_bus, this.card.pf));
    this.up(this.dev("eth0"));
    this.ip("addr add 10.0.0.2/24 dev eth0");
    // Who asks for our address is known from then on.
    const arp = new Uint8Array(60).fill(0xff, 0, 6);
    arp.set([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1], 6);
    arp.set([10, 0, 0, 2], 38);
    this.receive([0, 0, 0, 0, 0, 0], arp);
    this.run(1000);
  }
  /** Header words in the order of the struct, then the frame. */
  receive(hdr: [number, number, number, number, number, number], frame: Uint8Array): boolean {
    const buf = this.card.rx_buffer();
    if (buf === null) return false;
    const dv = new DataView(buf.buffer, buf.byteOffset);
    dv.setUint8(0, hdr[0]);
    dv.setUint8(1, hdr[1]);
    for (let i = 2; i < 6; i++) dv.setUint16(2 * i - 2, hdr[i]!, true);
    buf.set(frame, 12);
    this.card.rx_done(12 + frame.length);
    this.card.rx_notify();
    this.run(1);
    return true;
  }
  override end(): void {
    this.call(() => pci_bus_unplug(this.k.pci_bus, this.card.pf));
    super.end();
  }
}

/** A UDP datagram from 10.0.0.1; `open`: with the sum over the pseudo header only. */
function datagram(payload: number, open: boolean): Uint8Array {
  const f = new Uint8Array(42 + payload);
  const dv = new DataView(f.buffer);
  f.set([2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0]);
  dv.setUint16(16, 28 + payload);
  f.set([64, 17], 22);
  f.set([10, 0, 0, 1, 10, 0, 0, 2], 26);
  dv.setUint16(24, ip_fast_csum(dv, 14, 5));
  dv.setUint16(34, 5000);
  dv.setUint16(36, 7);
  dv.setUint16(38, 8 + payload);
  for (let i = 0; i < payload; i++) f[42 + i] = i & 255;
  const [s, d] = [0x0a000001, 0x0a000002];
  if (open) dv.setUint16(40, ~csum_tcpudp_magic(s, d, 8 + payload, 17, 0) & 0xffff);
  else {
    let sum = 0;
    for (let i = 34; i < f.length; i += 2) sum += (f[i]! << 8) | (f[i + 1] ?? 0);
    dv.setUint16(40, csum_fold(csum_tcpudp_nofold(s, d, 8 + payload, 17, sum)));
  }
  return f;
}

test("plain, open and merged packets reach the socket; a merged one as its datagrams", () => {
  const rig = new VirtioRig();
  const t = rig.task();
  const s = t.socket(2, 2, 0);
  t.bind(s, sockaddr("10.0.0.2", 7));
  const got = (): number[] => {
    const sizes: number[] = [];
    for (let n = now(t.recvfrom(s, new Uint8Array(65536), 0x40, null)); typeof n === "number" && n >= 0; ) {
      sizes.push(n);
      n = now(t.recvfrom(s, new Uint8Array(65536), 0x40, null));
    }
    return sizes;
  };
  rig.receive([0, 0, 0, 0, 0, 0], datagram(100, false));
  assert.deepEqual(got(), [100]);
  rig.receive([1, 0, 0, 0, 34, 6], datagram(100, true));
  assert.deepEqual(got(), [100]);
  rig.receive([1, 5, 42, 1000, 34, 6], datagram(3500, true));
  assert.deepEqual(got(), [1000, 1000, 1000, 500]);
  // Without NEEDS_CSUM an open sum is a wrong one.
  rig.receive([0, 0, 0, 0, 0, 0], datagram(101, true));
  assert.deepEqual(got(), []);
  assert.equal(rig.mib().UdpInCsumErrors, 1);
  t.close(s);
  rig.end();
});

test("a header that cannot be is a frame error, not a packet", () => {
  const rig = new VirtioRig();
  const dev = rig.dev("eth0");
  const bad: [number, number, number, number, number, number][] = [
    [1, 0, 0, 0, 65000, 6], // csum_start behind the packet
    [1, 0, 0, 0, 34, 65000],
    [1, 0, 0, 0, 3, 6], // within the Ethernet header
    [1, 5, 42, 0, 34, 6], // no size
    [0, 5, 42, 1000, 34, 6], // no sum left to fill in
    [1, 5, 42, 1000, 34, 16], // a UDP sum is at 6
    [1, 3, 42, 1000, 34, 6], // UFO, not offered
    [1, 77, 42, 1000, 34, 6],
    [1, 1, 42, 1000, 3530, 6], // the TCP header would end behind the packet
  ];
  for (const hdr of bad) assert.equal(rig.receive(hdr, datagram(3500, true)), true);
  assert.equal(dev.stats.rx_frame_errors, bad.length);
  rig.receive([0, 0, 0, 0, 0, 0], new Uint8Array(5));
  assert.equal(dev.stats.rx_length_errors, 1);
  assert.equal(rig.mib().UdpInDatagrams, 0);
  rig.end();
});

test("no buffer: the other side waits and is woken; more than the ring holds is delivered in turns", () => {
  const rig = new VirtioRig();
  const { card, back } = rig;
  const f = datagram(2000, false);
  const before = back.wakes;
  for (let i = 0; i < 8; i++) {
    const buf = card.rx_buffer()!;
    buf.fill(0, 0, 12);
    buf.set(f, 12);
    card.rx_done(12 + f.length);
  }
  assert.equal(card.rx_buffer(), null);
  card.rx_notify();
  rig.run(1);
  assert.equal(back.wakes, before + 1);
  assert.notEqual(card.rx_buffer(), null);
  assert.equal(rig.mib().UdpNoPorts, 8);
  rig.end();
});

test("what is sent: an open sum and a long datagram where the features say so, whole and summed frames where not", () => {
  const rig = new VirtioRig();
  const t = rig.task();
  const s = t.socket(2, 2, 0);
  t.setsockopt(s, 17, 103, 1000);
  const send = (): Uint8Array[] => {
    rig.back.sent.length = 0;
    assert.equal(now(t.sendto(s, new Uint8Array(2500).fill(7), 0, sockaddr("10.0.0.1", 9))), 2500);
    rig.run(1);
    return rig.back.sent.filter((b) => b[12 + 12] === 8 && b[12 + 23] === 17);
  };
  const one = send();
  assert.deepEqual(
    one.map((b) => b.length),
    [12 + 42 + 2500],
  );
  assert.deepEqual([...one[0]!.subarray(0, 10)], [1, 5, 42, 0, 1000 & 255, 1000 >> 8, 34, 0, 6, 0]);
  const dev = rig.dev("eth0");
  dev.features &= ~(1 << 13);
  const three = send();
  assert.deepEqual(
    three.map((b) => [b.length - 54, b[0], b[1]]),
    [
      [1000, 1, 0],
      [1000, 1, 0],
      [500, 1, 0],
    ],
  );
  dev.features &= ~(1 << 1);
  for (const b of send()) {
    assert.equal(b[0], 0);
    let sum = 0;
    for (let i = 46; i < b.length; i += 2) sum += (b[i]! << 8) | (b[i + 1] ?? 0);
    const dv = new DataView(b.buffer);
    assert.equal(csum_fold(csum_tcpudp_nofold(dv.getInt32(38), dv.getInt32(42), b.length - 46, 17, sum)), 0);
  }
  rig.back.accept = false;
  const dropped = dev.stats.tx_dropped;
  send();
  assert.equal(dev.stats.tx_dropped, dropped + 3);
  t.close(s);
  rig.end();
});

test("rx-checksumming and rx-gro-hw tell the other side what it may leave to us", () => {
  const rig = new VirtioRig();
  const G = VIRTIO_NET_F_GUEST_TSO4 | VIRTIO_NET_F_GUEST_USO4;
  assert.equal(rig.back.offloads, VIRTIO_NET_F_GUEST_CSUM | G);
  const dev = rig.dev("eth0");
  const set = (f: number): void => {
    rig.call(() => assert.equal(dev.ops.ndo_set_features!(dev, f), 0));
    dev.features = f;
  };
  set(dev.features & ~(1 << 22));
  assert.equal(rig.back.offloads, VIRTIO_NET_F_GUEST_CSUM);
  set(dev.features & ~(1 << 17));
  assert.equal(rig.back.offloads, 0);
  assert.equal(dev.ops.ndo_fix_features!(dev, dev.features | (1 << 22)) & (1 << 22), 0);
  rig.end();
});

test("any header before any frame: counted or delivered, never an exception, nothing left", () => {
  const rig = new VirtioRig();
  const prng = new Prng(7, 1);
  const random = (n: number): number => prng_u32(prng) % n;
  for (let i = 0; i < 3000; i++) {
    const f = datagram(random(3000), random(2) === 0);
    // TCP in half of them; some bytes of the headers at random.
    if (random(2) === 0) f[23] = 6;
    for (let k = random(4); k > 0; k--) f[12 + random(Math.min(50, f.length - 12))] = random(256);
    const word = (): number => [0, 1, 14, 34, 42, 54, 1000, 1460, 65535, random(65536)][random(10)]!;
    rig.receive(
      [
        random(4) < 3 ? random(4) : random(256),
        [0, 1, 3, 4, 5, 0x81, random(256)][random(7)]!,
        word(),
        word(),
        word(),
        word(),
      ],
      f.subarray(0, random(8) === 0 ? random(f.length) : f.length),
    );
  }
  assert.deepEqual(rig.k.bugs, []);
  rig.end();
});

/** A TCP segment from 10.0.0.1 to 10.1.0.2 with 12 bytes of options, the sum left open. */
function segment(payload: number, flags: number): Uint8Array {
  const f = new Uint8Array(66 + payload);
  f.set(datagram(0, true));
  const dv = new DataView(f.buffer);
  dv.setUint16(16, 52 + payload);
  f[23] = 6;
  f.set([10, 1, 0, 2], 30);
  dv.setUint16(24, 0);
  dv.setUint16(24, ip_fast_csum(dv, 14, 5));
  dv.setUint32(38, 0xfffffc00);
  dv.setUint32(42, 7);
  f.set([0x80, flags, 1, 0, 0, 0, 0, 0, 1, 1, 8, 10], 46);
  for (let i = 0; i < payload; i++) f[66 + i] = (i * 7) & 255;
  dv.setUint16(50, ~csum_tcpudp_magic(0x0a000001, 0x0a010002, 32 + payload, 6, 0) & 0xffff);
  return f;
}

test("a long TCP segment that is forwarded leaves a device without TSO as segments: RFC 9293 sequence numbers, flags, sums", () => {
  const rig = new VirtioRig();
  const other = rig.netns("other");
  const va = rig.link("veth", "va", { ifname: "vb", net: other });
  rig.up(va, rig.dev("vb", other));
  rig.ip("addr add 10.1.0.1/24 dev va");
  rig.ip("addr add 10.1.0.2/24 dev vb", other);
  const t = rig.task();
  const fd = t.open("/proc/sys/net/ipv4/ip_forward", 1);
  assert.equal(now(t.write(fd, new TextEncoder().encode("1"))), 1);
  t.close(fd);
  const o = rig.task(other);
  const tap = o.socket(17, 3, 0x0008);
  // The neighbour behind va first.
  rig.receive([1, 0, 0, 0, 34, 16], segment(1, 0x10));
  rig.run(10);
  const frames = (): Uint8Array[] => {
    const out: Uint8Array[] = [];
    const buf = new Uint8Array(70000);
    for (let n = now(o.recvfrom(tap, buf, 0x40, null)); typeof n === "number" && n >= 0; ) {
      if (buf[23] === 6) out.push(buf.slice(0, n));
      n = now(o.recvfrom(tap, buf, 0x40, null));
    }
    return out;
  };
  frames();
  const CWR_PSH_FIN_ACK = 0x99;
  const GSO = [1, 1, 66, 1000, 34, 16] as [number, number, number, number, number, number];
  rig.receive(GSO, segment(2500, CWR_PSH_FIN_ACK));
  assert.deepEqual(
    frames().map((f) => f.length),
    [66 + 2500],
    "veth takes it as it is",
  );
  for (const csum of [true, false]) {
    va.features &= ~((1 << 9) | (1 << 10) | (csum ? 0 : 1 << 1));
    rig.receive(GSO, segment(2500, CWR_PSH_FIN_ACK));
    const got = frames();
    const of = (f: Uint8Array): DataView => new DataView(f.buffer, f.byteOffset, f.length);
    assert.deepEqual(
      got.map((f) => [f.length - 66, of(f).getUint32(38), f[47], of(f).getUint16(16)]),
      [
        [1000, 0xfffffc00, 0x90, 1052],
        [1000, (0xfffffc00 + 1000) >>> 0, 0x10, 1052],
        [500, (0xfffffc00 + 2000) % 2 ** 32, 0x19, 552],
      ],
    );
    assert.deepEqual(Buffer.concat(got.map((f) => f.subarray(66))), Buffer.from(segment(2500, 0).subarray(66)));
    for (const f of got) {
      assert.equal(ip_fast_csum(of(f), 14, 5), 0);
      if (csum) continue;
      let sum = 0;
      for (let i = 34; i < f.length; i += 2) sum += (f[i]! << 8) | (f[i + 1] ?? 0);
      assert.equal(csum_fold(csum_tcpudp_nofold(0x0a000001, 0x0a010002, f.length - 34, 6, sum)), 0);
    }
  }
  // Headers that cannot be segmented are dropped where it would be done.
  const prng = new Prng(3, 1);
  for (let i = 0; i < 500; i++) {
    const f = segment(2500, prng_u32(prng) & 255);
    f[46] = prng_u32(prng) & 255;
    const size = [1, 536, 1460, 2499, 65535][(prng_u32(prng) >>> 0) % 5]!;
    rig.receive([1, 1, 66, size, 34, 16], f.subarray(0, 66 + ((prng_u32(prng) >>> 0) % 2500)));
    frames();
  }
  assert.deepEqual(rig.k.bugs, []);
  o.close(tap);
  rig.end();
});
