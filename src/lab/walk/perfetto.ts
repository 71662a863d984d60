// A walk as Chrome trace events, for ui.perfetto.dev: a process per machine, a track per CPU and context, arrows between hops.
// Way in: walkPerfetto(). Format: "Trace Event Format", the JSON object form.

import { ctx_names } from "../../kernel/cpu.ts";
import { family, type Hop, type Packet, type Step, type WalkResult } from "./model.ts";
import { phaseOf } from "./phases.ts";
import { decodePacket, hwName } from "./text.ts";
import { noteWords } from "./words.ts";

/** Virtual time stands still while code runs, unless a cost model charges it: steps at one instant are shown this far apart. */
const STEP_US = 0.05;
const HARDWARE_TRACK = 1000;

interface Slice {
  readonly p: Packet;
  readonly name: string;
  readonly phase: string;
  readonly t: number;
  readonly ctx: number;
  readonly cpu: number;
  readonly hw: boolean;
  readonly step: Step | null;
}

export function walkPerfetto(w: WalkResult, packets: readonly Packet[], hosts: readonly string[] = []): string {
  const events: object[] = [];
  const pids = new Map<string, number>();
  const tracks = new Map<string, { last: number; tid: number; pid: number }>();
  const pidOf = (host: string): number => {
    let pid = pids.get(host);
    if (pid === undefined) {
      pid = pids.size + 1;
      pids.set(host, pid);
      events.push({ ph: "M", name: "process_name", pid, tid: 0, args: { name: host } });
      events.push({ ph: "M", name: "process_sort_index", pid, tid: 0, args: { sort_index: pid } });
    }
    return pid;
  };
  const trackOf = (host: string, s: Slice): { last: number; tid: number; pid: number } => {
    const name = s.hw ? "hardware" : `cpu${s.cpu} ${ctx_names[s.ctx]}`;
    const key = `${host} ${name}`;
    let track = tracks.get(key);
    if (track === undefined) {
      const pid = pidOf(host);
      track = { last: -1, tid: s.hw ? HARDWARE_TRACK : s.cpu * 8 + s.ctx + 1, pid };
      tracks.set(key, track);
      events.push({ ph: "M", name: "thread_name", pid, tid: track.tid, args: { name } });
    }
    return track;
  };

  const slices = collect(packets, hosts);
  let flow = 0;
  const hopStarts: { hop: Hop; pid: number; tid: number; ts: number }[] = [];
  const first = new Map<Packet, { pid: number; tid: number; ts: number }>();
  for (const s of slices) {
    const track = trackOf(s.p.host, s);
    const exact = (s.t - w.started) / 1000;
    const ts = Math.max(exact, track.last + STEP_US);
    track.last = ts;
    const note = s.step?.note !== undefined && s.step.note !== null ? noteWords(s.step.note) : "";
    events.push({
      ph: "X",
      name: s.name,
      cat: s.phase,
      pid: track.pid,
      tid: track.tid,
      ts: round(ts),
      dur: STEP_US * 0.9,
      args: { packet: s.p.root.number, skb: s.p.skb, exact_us: exact, ...(note !== "" && { note }) },
    });
    if (!first.has(s.p)) first.set(s.p, { pid: track.pid, tid: track.tid, ts });
    const hop = s.step?.hw?.hop;
    if (hop !== undefined && hop !== null && hop.from === s.p) {
      hopStarts.push({ hop, pid: track.pid, tid: track.tid, ts });
    }
  }
  for (const start of hopStarts) {
    for (const a of start.hop.arrivals) {
      const to = a.packet !== null ? first.get(a.packet) : undefined;
      if (to === undefined) continue;
      flow++;
      const common = { name: `cable ${start.hop.cable}`, cat: "wire", id: flow };
      events.push({ ph: "s", ...common, pid: start.pid, tid: start.tid, ts: round(start.ts) });
      events.push({ ph: "f", bp: "e", ...common, pid: to.pid, tid: to.tid, ts: round(to.ts) });
    }
  }
  const names = Object.fromEntries(packets.map((p) => [`#${p.number}`, decodePacket(p)]));
  return `${JSON.stringify({
    displayTimeUnit: "ns",
    traceEvents: events,
    otherData: {
      command: `${w.host}: ${w.command}`,
      note: `steps at one instant are drawn ${STEP_US} µs apart; args.exact_us is the time`,
      ...names,
    },
  })}\n`;
}

const round = (us: number): number => Math.round(us * 1000) / 1000;

function collect(packets: readonly Packet[], hosts: readonly string[]): Slice[] {
  const out: { seq: number; s: Slice }[] = [];
  for (const root of packets) {
    for (const p of family(root)) {
      if (hosts.length > 0 && !hosts.includes(p.host)) continue;
      for (const s of p.steps) {
        for (const c of s.via) {
          out.push({
            seq: s.seq,
            s: { p, name: c.fn, phase: phaseOf(c.fn), t: c.t, ctx: c.ctx, cpu: s.cpu, hw: false, step: null },
          });
        }
        if (!s.enters && s.note === null) continue;
        const name = s.fn !== "" ? s.fn : hwName(s);
        const phase = s.fn !== "" ? phaseOf(s.fn) : "card";
        if (s.enters)
          out.push({ seq: s.seq, s: { p, name, phase, t: s.t, ctx: s.ctx, cpu: s.cpu, hw: s.hw !== null, step: s } });
      }
    }
  }
  out.sort((a, b) => a.seq - b.seq);
  return out.map((x) => x.s);
}
