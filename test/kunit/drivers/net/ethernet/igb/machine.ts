// A machine with the device layer but no protocols, igb cards on cables, and a clock that moves when told.
import assert from "node:assert/strict";
import type { Slab } from "../../../../../../src/arch/host.ts";
import { type IgbParams, igb_init_module } from "../../../../../../src/drivers/net/ethernet/igb/igb_main.ts";
import { pci_driver_init } from "../../../../../../src/drivers/pci/pci_driver.ts";
import { I82576 } from "../../../../../../src/hw/82576.ts";
import { HwTimer, hw_arm } from "../../../../../../src/hw/clock.ts";
import { DmaSpace } from "../../../../../../src/hw/dma.ts";
import { type FramePool, frame_from_bytes } from "../../../../../../src/hw/frame.ts";
import { pci_bus_free_slot, pci_bus_plug } from "../../../../../../src/hw/pci.ts";
import { Wire, type WireOptions, wire_attach, wire_send } from "../../../../../../src/hw/wire.ts";
import { Cpu, syscall, timer_interrupt } from "../../../../../../src/kernel/cpu.ts";
import { Kernel, live_counts } from "../../../../../../src/kernel/kernel.ts";
import { spawn_ksoftirqd } from "../../../../../../src/kernel/softirq.ts";
import { hrtimers_init } from "../../../../../../src/kernel/time/hrtimer.ts";
import { init_timers } from "../../../../../../src/kernel/time/timer.ts";
import { dev_add_pack } from "../../../../../../src/net/core/dev.ts";
import { dev_addr_lists_init } from "../../../../../../src/net/core/dev_addr_lists.ts";
import {
  __dev_get_by_name,
  dev_close,
  dev_open,
  net_core_init,
  net_dev_init,
} from "../../../../../../src/net/core/dev_api.ts";
import { setup_net } from "../../../../../../src/net/core/net_namespace.ts";
import type { NetDevice } from "../../../../../../src/net/core/netdevice.ts";
import { alloc_skb, consume_skb, type SkBuff, skb_put, skb_reserve } from "../../../../../../src/net/core/skbuff.ts";
import { register_qdisc } from "../../../../../../src/net/sched/sch_generic.ts";
import { mq_qdisc_ops } from "../../../../../../src/net/sched/sch_mq.ts";
import { pfifo_fast_ops } from "../../../../../../src/net/sched/sch_pfifo_fast.ts";
import { TestClock, TestPort, test_pool, test_slab } from "../../../../hw/rig.ts";

/** The Ethertype that the machine's test protocol takes. */
export const PROTO = 0x88b5;

export class Machine {
  readonly clock: TestClock;
  readonly pool: FramePool;
  readonly dma = new DmaSpace();
  readonly k: Kernel;
  readonly nics: I82576[] = [];
  readonly wires: Wire[] = [];
  readonly far: TestPort[] = [];
  /** What arrived at the test protocol; freed at once unless `keep` is set. */
  got: { bytes: Uint8Array; skb: SkBuff; vlan: number; csum: number; cpu: number; queue: number }[] = [];
  count = 0;
  keep = false;
  record = true;
  macs = 0;

  constructor(o: { cpus?: number; clock?: TestClock; pool?: FramePool; igb?: IgbParams } = {}) {
    this.clock = o.clock ?? new TestClock();
    this.pool = o.pool ?? test_pool();
    let fire: () => void = () => {};
    const event = new HwTimer(() => fire());
    let seed = 1;
    const k = new Kernel(
      {
        monotonic_ns: () => this.clock.now,
        realtime_ms: () => 0,
        set_next_event: (ns, fn) => {
          fire = fn;
          if (ns === Infinity) this.clock.cancel(event);
          else hw_arm(this.clock, event, ns);
        },
        post: (fn) => hw_arm(this.clock, new HwTimer(fn), this.clock.now),
        random_bytes: (b) => {
          for (let i = 0; i < b.length; i++) b[i] = (seed = (Math.imul(seed, 1103515245) + 12345) >>> 0) >>> 16;
        },
        alloc_slab: (bytes): Slab => {
          const s = test_slab(bytes);
          this.dma.add_slab(s);
          return s;
        },
        virtual_time: true,
      },
      { cpus: o.cpus ?? 1, debug: true },
    );
    this.k = k;
    k.fork_hooks = [];
    k.exit_hooks = [];
    for (let i = 0; i < (o.cpus ?? 1); i++) k.cpus.push(new Cpu(k, i));
    k.cpu = k.cpus[0]!;
    k.clock_event = () => timer_interrupt(k);
    hrtimers_init(k);
    init_timers(k);
    net_core_init(k);
    net_dev_init(k);
    register_qdisc(k, pfifo_fast_ops);
    register_qdisc(k, mq_qdisc_ops);
    dev_addr_lists_init(k);
    k.init_net = setup_net(k, "");
    spawn_ksoftirqd(k);
    pci_driver_init(k);
    igb_init_module(k, o.igb);
    k.on_bug = (e) => {
      throw e;
    };
    dev_add_pack(k, {
      type: PROTO,
      dev: null,
      net: null,
      name: "test_rcv",
      af_packet_priv: null,
      func: (skb) => {
        this.count++;
        if (this.record) {
          this.got.push({
            bytes: bytes_of_skb(skb),
            skb,
            vlan: skb.vlan_present ? skb.vlan_tci : -1,
            csum: skb.ip_summed,
            cpu: k.cpu.id,
            queue: skb.queue_mapping,
          });
        }
        if (!this.keep) consume_skb(skb);
        return 0;
      },
    });
  }

  /** A new card in a slot, and a cable from it to a TestPort (or to `to`). */
  add_nic(o: WireOptions = {}): I82576 {
    const mac = Uint8Array.of(2, 0, 0, 0, 0, ++this.macs);
    const nic = new I82576({
      clock: this.clock,
      dma: this.dma,
      pool: this.pool,
      mac,
      slot: pci_bus_free_slot(this.k.pci_bus),
    });
    this.nics.push(nic);
    pci_bus_plug(this.k.pci_bus, nic.pf);
    const wire = new Wire(this.clock, o);
    const far = new TestPort(this.clock);
    wire_attach(wire, 0, nic);
    wire_attach(wire, 1, far);
    this.wires.push(wire);
    this.far.push(far);
    this.run(0);
    return nic;
  }

  dev(name = "eth0"): NetDevice {
    const d = __dev_get_by_name(this.k.init_net, name);
    assert.ok(d, `no ${name}`);
    return d;
  }

  up(name = "eth0"): NetDevice {
    const d = this.dev(name);
    assert.equal(
      this.call(() => dev_open(d)),
      0,
    );
    this.run(3e6);
    return d;
  }

  down(name = "eth0"): void {
    const d = this.dev(name);
    this.call(() => dev_close(d));
    this.run(1e6);
  }

  call<T>(fn: () => T): T {
    return syscall(this.k, fn);
  }

  /** Lets `ns` pass. */
  run(ns: number): void {
    this.clock.run(this.clock.now + ns);
  }

  /** Frames from the far end of cable `n`. */
  inject(n: number, ...frames: Uint8Array[]): void {
    for (const b of frames) wire_send(this.far[n]!.end!, frame_from_bytes(this.pool, b)!);
    this.run(2e6);
  }

  /** A packet to give to dev_queue_xmit(). */
  skb(dev: NetDevice, bytes: Uint8Array): SkBuff {
    const skb = alloc_skb(this.k, 128 + bytes.length)!;
    skb_reserve(skb, 128);
    skb.head.u8.set(bytes, skb_put(skb, bytes.length));
    skb.dev = dev;
    return skb;
  }

  stat(name: string, dev = this.dev()): number {
    const i = dev.ethtool_ops!.get_strings!(dev).indexOf(name);
    assert.ok(i >= 0, `no statistic ${name}`);
    return dev.ethtool_ops!.get_ethtool_stats!(dev)[i]!;
  }

  /** Everything down; nothing may be left. */
  end(): void {
    for (const d of [...this.k.init_net.dev_by_name.values()]) this.call(() => dev_close(d));
    this.run(5e6);
    assert.deepEqual(live_counts(this.k), Object.fromEntries(Object.keys(live_counts(this.k)).map((n) => [n, 0])));
    for (const n of this.nics) n.reset();
    this.run(1e9);
    assert.equal(this.pool.live, 0, "live frames");
    assert.equal(this.k.bugs.length, 0);
  }
}

export function bytes_of_skb(skb: SkBuff): Uint8Array {
  const out: number[] = [...skb.head.u8.slice(skb.data, skb.tail)];
  for (let i = 0; i < skb.head.nr_frags; i++) {
    const f = skb.head.frags[i]!;
    out.push(...f.page.u8.slice(f.offset, f.offset + f.size));
  }
  return Uint8Array.from(out);
}
