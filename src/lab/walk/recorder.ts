// Listens to all machines of a lab and to their cards and cables, and writes down the life of each packet.
// Read first: model.ts, kernel/trace.ts, hw/trace.ts. Way in: new Recorder(lab), start(), stop().
//
// A frame's identity over the cable: igb_tx_map() names queue and last descriptor of a packet; the card says which frame it
// made of them (HW_TX), into which descriptor another card put it (HW_RX); igb_clean_rx_irq() names that descriptor again.

import type { I82576 } from "../../hw/82576.ts";
import { ETH_HLEN, type Frame } from "../../hw/frame.ts";
import type { WireEnd } from "../../hw/port.ts";
import * as HW from "../../hw/trace.ts";
import { type Cpu, CTX_HARDIRQ, CTX_PROCESS } from "../../kernel/cpu.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { type TracedSkb, type TraceNote, tracer_start, tracer_stop } from "../../kernel/trace.ts";
import { fn_names } from "../../kernel/trace_fn.ts";
import type { NetDevice } from "../../net/core/netdevice.ts";
import { type SkBuff, skb_copy_bits } from "../../net/core/skbuff.ts";
import type { Lab, LabHost, LabSegment } from "../lab.ts";
import { type Call, type Capture, type Hop, type HwStep, Packet, type Step } from "./model.ts";

const CAPTURE_MAX = 2048;
/** A call that old is not what brought the machine here. */
const CALL_MAX_AGE_NS = 100_000;
export const MAX_STEPS = 1_000_000;

/** Where the headers are worth another look: the first sight may come before they are written. */
const CAPTURE_AT: ReadonlySet<string> = new Set([
  "__ip_local_out",
  "ip_output",
  "ip_mc_output",
  "ip_finish_output2",
  "ip_fragment",
  "neigh_resolve_output",
  "__dev_queue_xmit",
  "dev_hard_start_xmit",
  "ip_rcv",
  "arp_xmit",
  "kfree_skb_reason",
]);
/** These begin something new: what was called before did not lead here. */
const CALL_STARTS: ReadonlySet<string> = new Set([
  "__sys_sendto",
  "__sys_recvfrom",
  "sock_sendmsg",
  "sock_recvmsg",
  "igb_msix_ring",
  "igb_msix_other",
]);
/** Work beside the packet's way. */
const SILENT: ReadonlySet<string> = new Set(["skb_clone", "igb_clean_tx_irq"]);
/** Loops begin their next packet here: it has nothing to do with the one before. */
const TAKES_NEXT: ReadonlySet<string> = new Set(["igb_clean_rx_irq", "__netif_receive_skb_core"]);
/** A note about a function among that many last steps belongs to them. */
const RECENT = 12;
const POLLS: ReadonlySet<string> = new Set(["net_rx_action", "net_tx_action"]);

/** One CPU: how it came where it is, and the packet it works on. */
class CpuTrail {
  calls: Call[] = [];
  /** Number of the last call, and of the one with which the present way began. */
  generation = 0;
  base = 0;
  active: Packet | null = null;
  active_base = -1;
  active_ctx = -1;
  active_t = 0;
}

/** One machine. */
class HostTrail {
  readonly host: LabHost;
  readonly packets: Map<number, Packet> = new Map();
  readonly seen: WeakMap<Packet, number> = new WeakMap();
  readonly cpus: CpuTrail[];
  /** By pid: the packet last put on one of its sockets. */
  readonly delivered: Map<number, Packet> = new Map();
  constructor(host: LabHost) {
    this.host = host;
    this.cpus = host.computer.kernel.cpus.map(() => new CpuTrail());
  }
}

interface NicPlace {
  readonly host: HostTrail;
  readonly nic: I82576;
  readonly cable: string;
  readonly ends: number;
  /** Key queue << 16 | descriptor. */
  readonly tx: Map<number, Packet>;
  readonly rx: Map<number, Hop>;
}

const pf_of = (dev: NetDevice): unknown => (dev.priv as { pdev?: { pf?: unknown } } | null)?.pdev?.pf;

export class Recorder {
  readonly lab: Lab;
  readonly packets: Packet[] = [];
  readonly hops: Hop[] = [];
  steps = 0;
  lost = 0;
  private readonly hosts: HostTrail[] = [];
  private readonly nics: Map<unknown, NicPlace> = new Map();
  private readonly tags: Hop[] = [];
  private readonly ends: WireEnd[] = [];
  /** Processes of the command and their children, on its machine. */
  private readonly own: (host: string, pid: number) => boolean;

  constructor(lab: Lab, own: (host: string, pid: number) => boolean = () => true) {
    this.lab = lab;
    this.own = own;
  }

  start(): void {
    for (const host of this.lab.hosts.values()) {
      const trail = new HostTrail(host);
      this.hosts.push(trail);
      const k = host.computer.kernel;
      tracer_start(k, { detail: true, sink: (_k, cpu, fn, skb, note) => this.record(trail, cpu, fn, skb, note) });
      for (const nic of host.computer.nics) {
        const { name: cable, ends } = this.cableOf(host, nic);
        const place = { host: trail, nic, cable, ends, tx: new Map(), rx: new Map() };
        this.nics.set(nic.pf, place);
        nic.trace = (n, what, f, queue, desc) => this.nicEvent(this.nics.get(n.pf)!, what, f, queue, desc);
      }
    }
    for (const s of this.lab.segments) for (const end of segmentEnds(s)) this.tapEnd(end);
  }

  stop(): void {
    for (const h of this.hosts) {
      tracer_stop(h.host.computer.kernel);
      for (const nic of h.host.computer.nics) nic.trace = null;
    }
    for (const end of this.ends) end.trace = null;
  }

  /** Packets that wait for something which will come by itself: an answer to ARP, a turn in a queue, the cable. */
  pending(): boolean {
    if (this.hops.some((h) => h.arrivals.length === 0 && !this.lostOnWire.has(h))) return true;
    for (const h of this.hosts) for (const p of h.packets.values()) if (isWaiting(p)) return true;
    return false;
  }
  private readonly lostOnWire: Set<Hop> = new Set();

  private cableOf(host: LabHost, nic: I82576): { name: string; ends: number } {
    for (const [index, n] of host.nics) {
      if (n !== nic) continue;
      const s = this.lab.segments.find((x) => x.spec.ends.some((e) => e.machine === host.name && e.index === index));
      if (s !== undefined) return { name: s.name, ends: s.ends.length };
    }
    return { name: "", ends: 0 };
  }

  private tapEnd(end: WireEnd): void {
    this.ends.push(end);
    end.trace = (e, what, f) => this.wireEvent(e, what, f);
  }

  // --- the kernels ------------------------------------------------------------------------------------------------

  private record(h: HostTrail, cpu: Cpu, fn_id: number, s: TracedSkb | null, note: TraceNote | null): void {
    const fn = fn_names[fn_id]!;
    const trail = h.cpus[cpu.id]!;
    if (s === null) {
      this.call(h, trail, cpu, fn, note);
      return;
    }
    if (this.steps >= MAX_STEPS) {
      this.lost++;
      return;
    }
    const skb = s as SkBuff;
    const k = skb.kernel;
    let p = h.packets.get(skb.id);
    if (p === undefined) p = this.adopt(h, trail, cpu, skb);
    const enters = note === null || !p.steps.slice(-RECENT).some((x) => x.fn === fn);
    const seen = h.seen.get(p) ?? -1;
    const during = seen < trail.base && !TAKES_NEXT.has(fn) && this.live(trail, cpu, k) ? trail.active : null;
    const via = during !== null ? [] : this.fresh(trail, cpu, k, seen);
    h.seen.set(p, trail.generation);
    if (note === null) note = enrich(fn, skb);
    else if (note.kind === "sock" && typeof note.pid === "number") {
      note = { ...note, comm: k.tasks.get(note.pid)?.comm ?? "" };
    }
    this.push(p, h, cpu, k, fn, skb.dev, skb, enters, note, null, via, during);
    this.lineage(h, p, note);
    if (fn === "dev_hard_start_xmit") p.capture = captureL2(skb);
    else if ((p.capture === null || !p.capture.l2) && (p.capture === null || CAPTURE_AT.has(fn))) {
      p.capture = captureL3(skb) ?? p.capture;
    }
    trail.active = p;
    trail.active_base = trail.base;
    trail.active_ctx = cpu.ctx;
    trail.active_t = k.now;
  }

  private push(
    p: Packet,
    h: HostTrail,
    cpu: Cpu,
    k: Kernel,
    fn: string,
    dev: NetDevice | null,
    skb: SkBuff | null,
    enters: boolean,
    note: TraceNote | null,
    hw: HwStep | null,
    via: readonly Call[],
    during: Packet | null,
  ): void {
    const task = cpu.ctx === CTX_PROCESS && hw === null ? k.current : null;
    const d = dev ?? (skb !== null && skb.dst !== null ? skb.dst.dev : null);
    const step: Step = {
      seq: this.steps++,
      t: hw === null ? k.now : this.lab.world.clock.now,
      host: h.host.name,
      cpu: cpu.id,
      ctx: cpu.ctx,
      pid: task !== null ? task.pid : 0,
      comm: task !== null ? task.comm : "",
      fn,
      dev: d !== null ? d.name : "",
      ifindex: d !== null ? d.ifindex : 0,
      netns: d !== null ? d.net.inum : 0,
      mtu: d !== null ? d.mtu : 0,
      mark: skb !== null ? skb.mark : 0,
      proto: skb !== null ? skb.protocol : 0,
      len: skb !== null ? skb.len : 0,
      enters,
      note,
      hw,
      via,
      during,
    };
    p.steps.push(step);
  }

  /** A function without a packet: it may lead to one. */
  private call(h: HostTrail, trail: CpuTrail, cpu: Cpu, fn: string, note: TraceNote | null): void {
    if (SILENT.has(fn)) return;
    const k = h.host.computer.kernel;
    const calls = trail.calls;
    const last = calls.at(-1);
    if (note !== null) {
      if (last !== undefined && last.fn === fn && note.kind === "irq") last.note = String(note.name);
      return;
    }
    const age_ok = last !== undefined && k.now - last.t <= CALL_MAX_AGE_NS;
    let kept: Call[] | null = null;
    if (CALL_STARTS.has(fn)) kept = fn.startsWith("sock_") && age_ok && last.fn.startsWith("__sys_") ? null : [];
    else if (POLLS.has(fn)) kept = age_ok ? calls.filter((c) => c.ctx === CTX_HARDIRQ) : [];
    else if (fn === "__napi_poll") kept = calls.slice(0, calls.findIndex((c) => c.fn === "net_rx_action") + 1);
    else if (!age_ok) kept = [];
    trail.generation++;
    if (kept !== null) {
      trail.calls = kept;
      trail.base = trail.generation;
    }
    trail.calls.push({ t: k.now, fn, ctx: cpu.ctx, number: trail.generation, note: "" });
  }

  /** The calls that led here, as far as they can have and the packet's earlier steps do not have them. */
  private fresh(trail: CpuTrail, cpu: Cpu, k: Kernel, seen: number): readonly Call[] {
    const last = trail.calls.at(-1);
    if (last === undefined || last.number <= seen || last.ctx !== cpu.ctx || k.now - last.t > CALL_MAX_AGE_NS)
      return [];
    return seen >= trail.base ? trail.calls.filter((c) => c.number > seen) : trail.calls.slice();
  }

  /** Whether the packet last seen on this CPU is still being handled. */
  private live(trail: CpuTrail, cpu: Cpu, k: Kernel): boolean {
    return (
      trail.active !== null &&
      trail.active_base === trail.base &&
      trail.active_ctx === cpu.ctx &&
      k.now - trail.active_t <= CALL_MAX_AGE_NS
    );
  }

  /** A packet not seen before: born here, or taken from a receive ring. */
  private adopt(h: HostTrail, trail: CpuTrail, cpu: Cpu, skb: SkBuff): Packet {
    const p = new Packet(h.host.name, skb.id);
    h.packets.set(skb.id, p);
    this.packets.push(p);
    const k = skb.kernel;
    if (this.live(trail, cpu, k)) p.cause = trail.active;
    else if (cpu.ctx === CTX_PROCESS && k.current !== null && !this.own(h.host.name, k.current.pid)) {
      p.cause = h.delivered.get(k.current.pid) ?? null;
    }
    return p;
  }

  private lineage(h: HostTrail, p: Packet, note: TraceNote | null): void {
    if (note === null) return;
    if (note.kind === "rx" || note.kind === "tx") {
      if (note.kind === "rx") p.cause = null;
      const place = this.placeOf(h, String(note.dev));
      if (place === undefined) return;
      const key = (Number(note.queue) << 16) | Number(note.desc);
      if (note.kind === "tx") place.tx.set(key, p);
      else {
        const hop = place.rx.get(key);
        place.rx.delete(key);
        if (hop !== undefined) this.arrive(hop, p, place);
      }
      return;
    }
    if (note.kind === "gro") {
      p.into = h.packets.get(Number(note.parent)) ?? null;
      return;
    }
    if (typeof note.parent === "number" && p.parent === null) {
      const parent = h.packets.get(note.parent);
      if (parent !== undefined && parent !== p) this.adoptInto(parent, p, note.kind);
    }
    if (note.kind === "reassembled") {
      const piece = h.packets.get(Number(note.fragment));
      if (piece !== undefined && piece !== p) piece.into = p;
    }
    if (note.kind === "sock" && typeof note.pid === "number" && note.pid > 0) h.delivered.set(note.pid, p);
  }

  private adoptInto(parent: Packet, p: Packet, how: string): void {
    p.parent = parent;
    p.how = how;
    p.cause = null;
    parent.children.push(p);
  }

  private placeOf(h: HostTrail, dev: string): NicPlace | undefined {
    for (const net of h.host.computer.kernel.nets) {
      const d = net.dev_by_name.get(dev);
      const place = d !== undefined ? this.nics.get(pf_of(d)) : undefined;
      if (place !== undefined) return place;
    }
    return undefined;
  }

  private devOf(place: NicPlace): NetDevice | null {
    for (const net of place.host.host.computer.kernel.nets)
      for (const d of net.dev_by_index.values()) if (pf_of(d) === place.nic.pf) return d;
    return null;
  }

  private arrive(hop: Hop, p: Packet, place: NicPlace): void {
    const at = hop.arrivals.find((a) => a.host === p.host && a.packet === null && this.devName(place) === a.dev);
    if (at !== undefined) at.packet = p;
    p.hop = hop;
    p.capture = hop.capture;
    if (hop.from !== null) this.adoptInto(hop.from, p, "wire");
  }

  private devName(place: NicPlace): string {
    return this.devOf(place)?.name ?? "?";
  }

  // --- the hardware -----------------------------------------------------------------------------------------------

  private nicEvent(place: NicPlace, what: number, f: Frame, queue: number, desc: number): void {
    const now = this.lab.world.clock.now;
    if (what === HW.HW_TX) {
      const from = place.tx.get((queue << 16) | desc) ?? null;
      const hop: Hop = {
        tag: this.tags.length + 1,
        from,
        host: place.host.host.name,
        dev: this.devName(place),
        cable: place.cable,
        ends: place.ends,
        t: now,
        capture: captureFrame(f),
        arrivals: [],
        duplicated: false,
      };
      this.tags.push(hop);
      this.hops.push(hop);
      f.tag = hop.tag;
      if (from !== null) this.hwStep(from, place, what, "", "", hop);
      return;
    }
    const hop = this.tags[f.tag - 1];
    if (hop === undefined) return;
    if (what === HW.HW_RX) {
      hop.arrivals.push({ host: place.host.host.name, dev: this.devName(place), t: now, packet: null });
      place.rx.set((queue << 16) | desc, hop);
      return;
    }
    if (what === HW.HW_RX_WAIT) return;
    // The frame ended in the card: it has a life of its own there, of one step.
    hop.arrivals.push({ host: place.host.host.name, dev: this.devName(place), t: now, packet: null });
    const p = new Packet(place.host.host.name, 0);
    p.hop = hop;
    p.capture = hop.capture;
    this.packets.push(p);
    if (hop.from !== null) this.adoptInto(hop.from, p, "wire");
    const [why, counter] = lossInCard(place.nic, what, f);
    this.hwStep(p, place, what, why, counter, hop);
  }

  private hwStep(p: Packet, place: NicPlace, what: number, why: string, counter: string, hop: Hop | null): void {
    const k = place.host.host.computer.kernel;
    this.push(
      p,
      place.host,
      k.cpus[0]!,
      k,
      "",
      this.devOf(place),
      null,
      true,
      null,
      { what, why, counter, hop },
      [],
      null,
    );
  }

  private wireEvent(_end: WireEnd, what: number, f: Frame): void {
    const hop = this.tags[f.tag - 1];
    if (hop === undefined) return;
    const lost = LOSSES.has(what);
    if (lost) this.lostOnWire.add(hop);
    if (what === HW.HW_WIRE_DUPLICATED) hop.duplicated = true;
    const place = [...this.nics.values()].find((n) => n.host.host.name === hop.host && n.cable === hop.cable);
    if (hop.from === null || place === undefined) return;
    const [why, counter] = WIRE_WORDS[what] ?? ["", ""];
    this.hwStep(hop.from, place, what, why, counter, hop);
  }
}

const LOSSES: ReadonlySet<number> = new Set([
  HW.HW_WIRE_LOST,
  HW.HW_WIRE_QUEUE_FULL,
  HW.HW_WIRE_NO_LINK,
  HW.HW_WIRE_LATE_COLLISION,
  HW.HW_WIRE_EXCESSIVE_COLLISIONS,
]);
export const isWireLoss = (what: number): boolean => LOSSES.has(what);

const WIRE_WORDS: Readonly<Record<number, readonly [string, string]>> = {
  [HW.HW_WIRE_LOST]: ["lost on the cable", "lost"],
  [HW.HW_WIRE_CORRUPTED]: ["damaged on the cable: the FCS no longer fits", "corrupted"],
  [HW.HW_WIRE_DUPLICATED]: ["doubled on the cable", "duplicated"],
  [HW.HW_WIRE_REORDERED]: ["held back on the cable: later frames pass it", "reordered"],
  [HW.HW_WIRE_QUEUE_FULL]: ["the queue in front of the cable is full", "queue_drops"],
  [HW.HW_WIRE_NO_LINK]: ["there is no link", "no_link"],
  [HW.HW_WIRE_COLLISION]: ["collision: jam, back off, again", "tx_single_coll_ok"],
  [HW.HW_WIRE_LATE_COLLISION]: ["late collision: given up", "tx_abort_late_coll"],
  [HW.HW_WIRE_EXCESSIVE_COLLISIONS]: ["sixteen collisions: given up", "tx_aborted_errors"],
};

function lossInCard(nic: I82576, what: number, f: Frame): [string, string] {
  switch (what) {
    case HW.HW_RX_FILTER: {
      const r = HW.rx_drop_reason(nic, f);
      return [r.why, r.counter];
    }
    case HW.HW_RX_MISSED:
      return ["receive ring and packet buffer are full", "rx_missed_errors"];
    case HW.HW_RX_NO_DESC:
      return ["the queue has no descriptors", "rx_queue_drops"];
    case HW.HW_RX_RESET:
      return ["the card was reset", ""];
    default:
      return ["the receiver is off: the interface is down", ""];
  }
}

/** Packets that are neither here nor there: behind an unanswered ARP request, or in a queue. */
function isWaiting(p: Packet): boolean {
  const last = p.steps.at(-1);
  if (last === undefined || p.into !== null) return false;
  if (last.fn === "neigh_resolve_output" || last.fn === "__neigh_event_send" || last.fn === "arp_solicit") return true;
  return last.fn === "__dev_xmit_skb" || last.note?.kind === "qdisc" || (last.fn === "igb_tx_map" && last.hw === null);
}

/** Decisions that no function says aloud but that stand in the packet. */
function enrich(fn: string, skb: SkBuff): TraceNote | null {
  if ((fn === "ip_output" || fn === "ip_mc_output") && skb.dst !== null) {
    const gw = (skb.dst as unknown as { rt_gw4?: number }).rt_gw4 ?? 0;
    return { kind: "route", dev: skb.dst.dev.name, via: gw !== 0 ? ip4(gw) : "" };
  }
  if (fn === "__netif_receive_skb_core" && skb.pkt_type === 3) return { kind: "otherhost" };
  return null;
}

export const ip4 = (a: number): string => `${a >>> 24}.${(a >>> 16) & 255}.${(a >>> 8) & 255}.${a & 255}`;

function captureL2(skb: SkBuff): Capture {
  const n = Math.min(skb.len, CAPTURE_MAX);
  const bytes = new Uint8Array(n);
  skb_copy_bits(skb, 0, bytes, 0, n);
  return { l2: true, bytes, len: skb.len };
}

function captureL3(skb: SkBuff): Capture | null {
  const at = skb.network_header;
  if (at < 0 || at >= skb.tail) return null;
  const before = skb.data - at;
  if (before < 0) return null;
  const version = skb.head.u8[at]! >> 4;
  const arp = skb.protocol === 0x0806;
  if (!arp && version !== 4 && version !== 6) return null;
  const len = skb.len + before;
  if (len < (arp ? 28 : 20)) return null;
  const n = Math.min(len, CAPTURE_MAX);
  const bytes = new Uint8Array(ETH_HLEN + n);
  const pulled = Math.min(before, n);
  for (let i = 0; i < pulled; i++) bytes[ETH_HLEN + i] = skb.head.u8[at + i]!;
  if (n > before) skb_copy_bits(skb, 0, bytes, ETH_HLEN + before, n - before);
  // A frame without addresses: what reads it needs the type.
  const type = arp ? 0x0806 : version === 4 ? 0x0800 : 0x86dd;
  bytes[12] = type >> 8;
  bytes[13] = type & 255;
  return { l2: false, bytes, len: ETH_HLEN + len };
}

function captureFrame(f: Frame): Capture {
  const n = Math.min(f.len, CAPTURE_MAX * 8);
  return { l2: true, bytes: f.u8.slice(f.off, f.off + n), len: f.len };
}

function* segmentEnds(s: LabSegment): Generator<WireEnd> {
  if (s.wire !== null) yield* s.wire.ends;
  if (s.hub === null) return;
  for (const port of s.hub.ports) {
    if (port.wire !== null) yield* port.wire.ends;
    else yield port.end;
  }
}
