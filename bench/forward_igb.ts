// W3 through hardware: one router machine with two 82576 cards. Frames go round: a raw port at the end of one cable puts what it
// receives, with the header as it was before, on the other cable. So all that is measured is: cable, NIC, DMA, descriptor write-back,
// MSI-X, NAPI, igb_clean_rx_irq, ip_rcv, route, ip_forward, neighbour, qdisc, igb_xmit_frame, NIC, cable; and the port's 12 stores.

import { I82576 } from "../src/hw/82576.ts";
import { type Frame, frame_from_bytes } from "../src/hw/frame.ts";
import { pci_bus_free_slot, pci_bus_plug } from "../src/hw/pci.ts";
import type { WireEnd, WirePort } from "../src/hw/port.ts";
import { Wire, wire_attach, wire_send } from "../src/hw/wire.ts";
import { udp_frame } from "./lib/frames.ts";
import type { Bench, BenchSetup } from "./lib/harness.ts";
import { Rig } from "./lib/rig.ts";

/** Frames that go round; less than a receive ring (256) holds. */
const IN_FLIGHT = 128;

/** Puts received frames on another cable, addressed to the router again. */
class Reinjector implements WirePort {
  end: WireEnd | null = null;
  to: WireEnd | null = null;
  frames = 0;
  /** The first 26 bytes: MAC addresses, type, IPv4 header up to and including the checksum. */
  header: Int16Array = new Int16Array(13);
  wire_plug(end: WireEnd | null): void {
    this.end = end;
  }
  wire_link(): void {}
  wire_rx(f: Frame, _more: boolean): void {
    const dv = f.dv;
    const at = f.off;
    const h = this.header;
    // Only what a hop changes: the addresses, TTL and checksum.
    for (let i = 0; i < 6; i++) dv.setInt16(at + 2 * i, h[i]!);
    dv.setInt16(at + 22, h[11]!);
    dv.setInt16(at + 24, h[12]!);
    this.frames++;
    wire_send(this.to!, f);
  }
  wire_tx_wake(): void {}
  wire_tx_event(): void {}
  wire_abilities(): number {
    return 0;
  }
}

function forward_igb(size: number): BenchSetup {
  const r = new Rig();
  const k = r.k;
  const net = k.init_net;
  const nics: I82576[] = [];
  const wires: Wire[] = [];
  const ports: Reinjector[] = [];
  for (let i = 0; i < 2; i++) {
    const nic = new I82576({
      clock: r.world,
      dma: r.world.dma,
      pool: r.world.frames,
      mac: Uint8Array.of(2, 0, 0, 0, 0, i + 1),
      slot: pci_bus_free_slot(k.pci_bus),
    });
    nics.push(nic);
    r.call(() => pci_bus_plug(k.pci_bus, nic.pf));
    const wire = new Wire(r.world);
    wires.push(wire);
    ports.push(new Reinjector());
    wire_attach(wire, 0, nic);
    wire_attach(wire, 1, ports[i]!);
  }
  r.run(1e6);
  const devs = [net.dev_by_name.get("eth0")!, net.dev_by_name.get("eth1")!];
  const far = Uint8Array.of(2, 0, 0, 0, 9, 9);
  devs.forEach((d, i) => {
    r.up(d);
    r.addr(d, `10.0.${i}.1/24`);
  });
  r.run(5e9);
  r.neigh(devs[1]!, "10.0.1.2", far);
  r.sysctl(net, "net/ipv4/ip_forward", 1);
  r.route(net, "10.9.0.0/16", "10.0.1.2");
  r.route(net, "10.8.0.0/16", "10.0.0.2");
  const frame = udp_frame({
    dst_mac: devs[0]!.dev_addr,
    src_mac: far,
    src: "10.8.0.1",
    dst: "10.9.0.1",
    sport: 1000,
    dport: 2000,
    len: size,
  });
  const dv = new DataView(frame.buffer);
  for (let i = 0; i < 13; i++) ports[1]!.header[i] = dv.getInt16(2 * i);
  const entry = wires[0]!.ends[1];
  ports[1]!.to = entry;
  ports[0]!.to = entry;
  for (let i = 0; i < IN_FLIGHT; i++) wire_send(entry, frame_from_bytes(r.world.frames, frame)!);
  const port = ports[1]!;
  const step = (n: number): number => {
    const before = port.frames;
    r.world.run_until(() => port.frames - before >= n);
    return port.frames - before;
  };
  step(IN_FLIGHT);
  let t0 = r.world.now;
  let n0 = port.frames;
  return {
    k,
    step,
    check: () => {
      const missed = devs.map((d) => d.stats.rx_missed_errors + d.stats.rx_dropped + d.stats.tx_dropped);
      if (missed.some((n) => n > 0) || k.bugs.length > 0) throw new Error(`packets are lost: ${missed.join()}`);
    },
    extra: () => {
      const polls = k.cpus[0]!.softirqs[3]!;
      const out = { virtual_mpps: ((port.frames - n0) / (r.world.now - t0)) * 1e3, net_rx_softirqs: polls };
      t0 = r.world.now;
      n0 = port.frames;
      return out;
    },
  };
}

export const bench: Bench = { unit: "packets/s", setup: forward_igb };
