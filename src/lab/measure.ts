// The metrics of a network: rate, bandwidth, throughput, delay by part (sending, propagation, queueing, processing),
// round-trip time, bandwidth-delay product, utilisation, loss. Way in: measure(lab, walkResult), `skbuff measure`.

import type { Lab, LabSegment } from "./lab.ts";
import type { Hop, Packet, WalkResult } from "./walk/index.ts";

/** Preamble, start delimiter and gap between frames, and the FCS: what the medium carries beside a frame's bytes. */
const OVERHEAD_BYTES = 24;
const FRAME_MIN = 60;

export interface LinkMetrics {
  link: string;
  /** "pc1:eth0 > r1:eth0" */
  direction: string;
  /** What the link can carry, bit/s. */
  bandwidth_bps: number;
  frames: number;
  bytes: number;
  lost: number;
  loss: number;
  /** Bits of frames over the time of the measurement. */
  throughput_bps: number;
  /** Share of the time that the medium was busy. */
  utilisation: number;
  /** Means per frame, ns. */
  sending_ns: number;
  propagation_ns: number;
  queueing_ns: number;
}

export interface HostMetrics {
  host: string;
  frames: number;
  /** From a frame's arrival in memory to its leaving by another card: interrupt, softirq, stack, driver. Mean, ns. */
  processing_ns: number;
}

export interface PacketMetrics {
  number: number;
  packet: string;
  /** Its parts add up to the whole. ns. */
  delay_ns: number;
  sending_ns: number;
  propagation_ns: number;
  queueing_ns: number;
  processing_ns: number;
  /** From the question's start to the answer's arrival; 0 when it is no answer. */
  rtt_ns: number;
}

export interface Metrics {
  /** Time of the measurement, ns. */
  duration_ns: number;
  links: LinkMetrics[];
  hosts: HostMetrics[];
  packets: PacketMetrics[];
  /** Of answered packets: mean, ns; 0 without any. */
  rtt_ns: number;
  /** Slowest bandwidth on the way times the mean RTT, bits; 0 when unknown. */
  bandwidth_delay_bits: number;
}

interface Timing {
  readonly sending: number;
  readonly propagation: number;
  readonly queueing: number;
  readonly arrival: number;
}

/** What the cables of a segment carry, bit/s (lab.ts). */
const rateOf = (segment: LabSegment | undefined): number => segment?.spec.link.rate_bps ?? 1e9;

const wireBytes = (hop: Hop): number => Math.max(FRAME_MIN, hop.capture.len) + OVERHEAD_BYTES;

/** How the time of one hop divides. What is neither sending nor propagation was waiting for the medium. */
function timing(hop: Hop, segment: LabSegment | undefined): Timing {
  const arrival = hop.arrivals[0]?.t ?? hop.t;
  const total = Math.max(0, arrival - hop.t);
  const propagation = Math.min(total, segment?.spec.link.delay_ns ?? 0);
  const sending = Math.min(total - propagation, (wireBytes(hop) * 8e9) / rateOf(segment));
  return { sending, propagation, queueing: total - propagation - sending, arrival };
}

const mean = (sum: number, n: number): number => (n > 0 ? sum / n : 0);

/** Computes everything from a walk; `duration_ns` is what the command took of the world's time. */
export function measure(lab: Lab, w: WalkResult, duration_ns: number, describe: (p: Packet) => string): Metrics {
  const segments = new Map(lab.segments.map((s) => [s.name, s]));
  const links = new Map<string, LinkMetrics & { busy: number }>();
  const hosts = new Map<string, { frames: number; sum: number }>();

  for (const hop of w.hops) {
    const s = segments.get(hop.cable);
    const from = `${hop.host}:${hop.dev}`;
    const to = s?.ends.filter((e) => e !== from).join(", ") ?? "?";
    const key = `${hop.cable} ${from}`;
    let m = links.get(key);
    if (m === undefined) {
      m = {
        link: hop.cable,
        direction: `${from} > ${to}`,
        bandwidth_bps: rateOf(s),
        frames: 0,
        bytes: 0,
        lost: 0,
        loss: 0,
        throughput_bps: 0,
        utilisation: 0,
        sending_ns: 0,
        propagation_ns: 0,
        queueing_ns: 0,
        busy: 0,
      };
      links.set(key, m);
    }
    const t = timing(hop, s);
    m.frames++;
    m.bytes += Math.max(FRAME_MIN, hop.capture.len);
    m.busy += (wireBytes(hop) * 8e9) / m.bandwidth_bps;
    if (hop.arrivals.length === 0) {
      m.lost++;
      continue;
    }
    m.sending_ns += t.sending;
    m.propagation_ns += t.propagation;
    m.queueing_ns += t.queueing;
  }

  const packets: PacketMetrics[] = [];
  let rttSum = 0;
  let rtts = 0;
  const hopsOf = new Map<Packet, Hop[]>();
  for (const hop of w.hops) {
    const root = hop.from?.root;
    if (root === undefined) continue;
    const list = hopsOf.get(root);
    if (list !== undefined) list.push(hop);
    else hopsOf.set(root, [hop]);
  }
  for (const root of w.packets) {
    const hops = (hopsOf.get(root) ?? []).sort((a, b) => a.t - b.t);
    const first = hops[0];
    if (first === undefined) continue;
    const p: PacketMetrics = {
      number: root.number,
      packet: describe(root),
      delay_ns: 0,
      sending_ns: 0,
      propagation_ns: 0,
      queueing_ns: 0,
      processing_ns: Math.max(0, first.t - root.start),
      rtt_ns: 0,
    };
    let last = first.t;
    for (const hop of hops) {
      const t = timing(hop, segments.get(hop.cable));
      p.sending_ns += t.sending;
      p.propagation_ns += t.propagation;
      p.queueing_ns += t.queueing;
      // Fragments travel side by side: only the time beyond the last arrival is more delay.
      if (hop !== first && hop.t >= last) {
        const waited = hop.t - last;
        p.processing_ns += waited;
        const h = hosts.get(hop.host) ?? { frames: 0, sum: 0 };
        h.frames++;
        h.sum += waited;
        hosts.set(hop.host, h);
      }
      if (t.arrival > last) last = t.arrival;
    }
    p.delay_ns = Math.max(0, last - root.start);
    const question = root.cause?.root;
    if (question !== undefined && question !== root && hops.at(-1)!.arrivals.some((a) => a.host === question.host)) {
      p.rtt_ns = Math.max(0, last - question.start);
      rttSum += p.rtt_ns;
      rtts++;
    }
    packets.push(p);
  }

  const seconds = duration_ns / 1e9;
  for (const m of links.values()) {
    const arrived = m.frames - m.lost;
    m.sending_ns = mean(m.sending_ns, arrived);
    m.propagation_ns = mean(m.propagation_ns, arrived);
    m.queueing_ns = mean(m.queueing_ns, arrived);
    m.loss = mean(m.lost, m.frames);
    m.throughput_bps = seconds > 0 ? (m.bytes * 8) / seconds : 0;
    m.utilisation = duration_ns > 0 ? Math.min(1, m.busy / duration_ns) : 0;
  }
  const rtt_ns = mean(rttSum, rtts);
  const slowest = Math.min(...[...links.values()].map((m) => m.bandwidth_bps));
  return {
    duration_ns,
    links: [...links.values()].map(({ busy: _busy, ...m }) => m),
    hosts: [...hosts].map(([host, h]) => ({ host, frames: h.frames, processing_ns: mean(h.sum, h.frames) })),
    packets,
    rtt_ns,
    bandwidth_delay_bits: Number.isFinite(slowest) ? (slowest * rtt_ns) / 1e9 : 0,
  };
}

// --- text ---------------------------------------------------------------------------------------------------------

/** "1.5 Mbit/s", three significant digits. */
function bits(n: number, unit: string): string {
  const steps = ["", "k", "M", "G"];
  let i = 0;
  while (n >= 1000 && i < steps.length - 1) {
    n /= 1000;
    i++;
  }
  return `${n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)} ${steps[i]}${unit}`;
}

function time(ns: number): string {
  if (ns >= 1e9) return `${(ns / 1e9).toFixed(2)} s`;
  if (ns >= 1e6) return `${(ns / 1e6).toFixed(2)} ms`;
  if (ns >= 1000) return `${(ns / 1000).toFixed(2)} µs`;
  return `${ns.toFixed(0)} ns`;
}

function table(head: string[], lines: string[][]): string {
  const all = [head, ...lines];
  const widths = head.map((_, c) => Math.max(...all.map((l) => l[c]!.length)));
  return all
    .map((l) =>
      l
        .map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

export function metricsText(m: Metrics): string {
  const out: string[] = [`Measured over ${time(m.duration_ns)}.`, "", "Links (means per frame):"];
  out.push(
    table(
      [
        "link",
        "direction",
        "bandwidth",
        "frames",
        "lost",
        "throughput",
        "utilisation",
        "sending",
        "propagation",
        "queueing",
      ],
      m.links.map((l) => [
        l.link,
        l.direction,
        bits(l.bandwidth_bps, "bit/s"),
        String(l.frames),
        `${l.lost} (${(l.loss * 100).toFixed(1)} %)`,
        bits(l.throughput_bps, "bit/s"),
        `${(l.utilisation * 100).toFixed(3)} %`,
        time(l.sending_ns),
        time(l.propagation_ns),
        time(l.queueing_ns),
      ]),
    ),
  );
  if (m.hosts.length > 0) {
    out.push(
      "",
      "Machines that passed frames on (processing: interrupt pacing, softirq, stack, driver, waiting for ARP):",
    );
    out.push(
      table(
        ["machine", "frames", "processing"],
        m.hosts.map((h) => [h.host, String(h.frames), time(h.processing_ns)]),
      ),
    );
  }
  out.push("", "Packets (delay = sending + propagation + queueing + processing, where nothing overlaps):");
  out.push(
    table(
      ["packet", "delay", "sending", "propagation", "queueing", "processing", "RTT"],
      m.packets.map((p) => [
        `#${p.number} ${p.packet.length > 60 ? `${p.packet.slice(0, 59)}…` : p.packet}`,
        time(p.delay_ns),
        time(p.sending_ns),
        time(p.propagation_ns),
        time(p.queueing_ns),
        time(p.processing_ns),
        p.rtt_ns > 0 ? time(p.rtt_ns) : "",
      ]),
    ),
  );
  if (m.rtt_ns > 0) {
    out.push(
      "",
      `Round-trip time, mean: ${time(m.rtt_ns)}. Bandwidth-delay product: ${bits(m.bandwidth_delay_bits, "bit")}.`,
    );
  }
  return `${out.join("\n")}\n`;
}
