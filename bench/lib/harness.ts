// What a bench process does: warm up, measure work per second of CPU, optionally under V8's profilers; one JSON line.
// Way in: bench_main(bench). `step(n)` does about n units of work and returns how many it really did.

import { readFileSync } from "node:fs";
import { type HeapProfiler, type Profiler, Session } from "node:inspector";
import { tuneV8 } from "../../src/arch/node/tune.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";

export interface BenchSetup {
  /** The machine that works. */
  readonly k: Kernel;
  step(n: number): number;
  /** Throws when the machine is not as it should be afterwards. */
  check?(): void;
  /** More figures for the report. */
  extra?(): Record<string, number>;
}

/** What a bench file exports. */
export interface Bench {
  readonly unit: string;
  setup(size: number): BenchSetup;
}

export interface BenchResult {
  value: number;
  unit: string;
  units: number;
  cpu_s: number;
  wall_s: number;
  extra?: Record<string, number>;
  profile?: { name: string; where: string; percent: number; ns: number; total_ns: number }[];
  /** The hottest lines: text of the bundle's line, share of all samples. */
  lines?: { name: string; text: string; percent: number }[];
  heap?: { bytes_per_unit: number; gc_count: number; sites: { name: string; where: string; bytes_per_unit: number }[] };
}

const arg = (name: string): string | null => {
  const i = process.argv.indexOf(name);
  return i >= 0 ? (process.argv[i + 1] ?? "") : null;
};
const flag = (name: string): boolean => process.argv.includes(name);

function post<T>(s: Session, method: string, params: object = {}): Promise<T> {
  return new Promise((resolve, reject) => {
    s.post(method, params, (err, r) => (err ? reject(err) : resolve(r as T)));
  });
}

const cpu_ns = (): number => {
  const u = process.cpuUsage();
  return (u.user + u.system) * 1000;
};

interface Span {
  units: number;
  cpu: number;
  wall: number;
}

/** Works for `seconds` of CPU time. */
function work(b: BenchSetup, seconds: number, batch: number): Span {
  const c0 = cpu_ns();
  const t0 = process.hrtime.bigint();
  const end = c0 + seconds * 1e9;
  let units = 0;
  let c = c0;
  while (c < end) {
    units += b.step(batch);
    c = cpu_ns();
  }
  return { units, cpu: c - c0, wall: Number(process.hrtime.bigint() - t0) };
}

const short = (url: string, line: number): string => `${url.split("/").pop()}:${line + 1}`;

/** Self time and, once per stack, total time of each function by name. */
function self_times(p: Profiler.Profile, span: Span): NonNullable<BenchResult["profile"]> {
  const dt = p.timeDeltas ?? [];
  const by_id = new Map(p.nodes.map((n) => [n.id, n]));
  const parent = new Map<number, number>();
  for (const n of p.nodes) for (const c of n.children ?? []) parent.set(c, n.id);
  const self = new Map<string, { where: string; us: number; total: number }>();
  const name_of = (id: number): string => by_id.get(id)!.callFrame.functionName || "(anonymous)";
  let total = 0;
  const stack_us = new Map<number, number>();
  for (let i = 0; i < (p.samples?.length ?? 0); i++) {
    const id = p.samples![i]!;
    stack_us.set(id, (stack_us.get(id) ?? 0) + dt[i]!);
    total += dt[i]!;
  }
  for (const [leaf, us] of stack_us) {
    const seen = new Set<string>();
    for (let id: number | undefined = leaf; id !== undefined; id = parent.get(id)) {
      const name = name_of(id);
      const f = by_id.get(id)!.callFrame;
      const e = self.get(name) ?? { where: short(f.url, f.lineNumber), us: 0, total: 0 };
      if (id === leaf) e.us += us;
      if (!seen.has(name)) e.total += us;
      seen.add(name);
      self.set(name, e);
    }
  }
  const ns_per_unit = span.cpu / span.units;
  return [...self]
    .sort((a, b) => b[1].us - a[1].us)
    .map(([name, e]) => ({
      name,
      where: e.where,
      percent: (100 * e.us) / total,
      ns: (e.us / total) * ns_per_unit,
      total_ns: (e.total / total) * ns_per_unit,
    }));
}

function hot_lines(p: Profiler.Profile): NonNullable<BenchResult["lines"]> {
  const texts = new Map<string, string[]>();
  const lines_of = (url: string): string[] => {
    let t = texts.get(url);
    if (t === undefined) {
      t = url.startsWith("file:") ? readFileSync(new URL(url), "utf8").split("\n") : [];
      texts.set(url, t);
    }
    return t;
  };
  const ticks = new Map<string, { name: string; text: string; n: number }>();
  let total = 0;
  for (const node of p.nodes) {
    total += node.hitCount ?? 0;
    for (const t of node.positionTicks ?? []) {
      const { url, functionName } = node.callFrame;
      const key = `${url}:${t.line}`;
      const e = ticks.get(key) ?? { name: functionName, text: (lines_of(url)[t.line - 1] ?? "").trim(), n: 0 };
      e.n += t.ticks;
      ticks.set(key, e);
    }
  }
  return [...ticks.values()]
    .sort((a, b) => b.n - a.n)
    .slice(0, 60)
    .map((e) => ({ name: e.name, text: e.text, percent: (100 * e.n) / total }));
}

async function profiled(
  b: BenchSetup,
  seconds: number,
  batch: number,
): Promise<[Span, BenchResult["profile"], BenchResult["lines"]]> {
  const s = new Session();
  s.connect();
  await post(s, "Profiler.enable");
  await post(s, "Profiler.setSamplingInterval", { interval: 100 });
  await post(s, "Profiler.start");
  const span = work(b, seconds, batch);
  const r = await post<Profiler.StopReturnType>(s, "Profiler.stop");
  s.disconnect();
  return [span, self_times(r.profile, span), hot_lines(r.profile)];
}

async function heap(b: BenchSetup, seconds: number, batch: number): Promise<BenchResult["heap"]> {
  const s = new Session();
  s.connect();
  // First the bytes themselves: what the young generation took while nothing else ran.
  const { PerformanceObserver } = await import("node:perf_hooks");
  let gc_count = 0;
  const obs = new PerformanceObserver((list) => {
    gc_count += list.getEntries().length;
  });
  obs.observe({ entryTypes: ["gc"] });
  await post(s, "HeapProfiler.enable");
  await post(s, "HeapProfiler.startSampling", {
    samplingInterval: 512,
    includeObjectsCollectedByMajorGC: true,
    includeObjectsCollectedByMinorGC: true,
  });
  const span = work(b, seconds, batch);
  const r = await post<HeapProfiler.StopSamplingReturnType>(s, "HeapProfiler.stopSampling");
  s.disconnect();
  await new Promise((resolve) => setTimeout(resolve, 20));
  obs.disconnect();
  const sites = new Map<string, { where: string; bytes: number }>();
  let total = 0;
  const visit = (n: HeapProfiler.SamplingHeapProfileNode): void => {
    if (n.selfSize > 0) {
      const name = n.callFrame.functionName || "(anonymous)";
      const e = sites.get(name) ?? { where: short(n.callFrame.url, n.callFrame.lineNumber), bytes: 0 };
      e.bytes += n.selfSize;
      sites.set(name, e);
      total += n.selfSize;
    }
    n.children.forEach(visit);
  };
  visit(r.profile.head);
  return {
    bytes_per_unit: total / span.units,
    gc_count,
    sites: [...sites]
      .sort((a, b) => b[1].bytes - a[1].bytes)
      .slice(0, 15)
      .map(([name, e]) => ({ name, where: e.where, bytes_per_unit: e.bytes / span.units })),
  };
}

/** Arguments: --size N, --warm S, --seconds S, --profile, --heap. */
export async function bench_main(bench: Bench): Promise<void> {
  // As the skbuff command does for itself.
  tuneV8();
  const warm = Number(arg("--warm") ?? 1);
  const seconds = Number(arg("--seconds") ?? 1);
  const b = bench.setup(Number(arg("--size") ?? 64));
  // Asking for the CPU time takes microseconds: seldom.
  const batch = 16384;
  work(b, warm, batch);
  let span: Span;
  const out: Partial<BenchResult> = {};
  if (flag("--profile")) [span, out.profile, out.lines] = await profiled(b, seconds, batch);
  else span = work(b, seconds, batch);
  if (flag("--heap")) out.heap = await heap(b, seconds, batch);
  b.check?.();
  if (b.extra) out.extra = b.extra();
  const result: BenchResult = {
    value: span.units / (span.cpu / 1e9),
    unit: bench.unit,
    units: span.units,
    cpu_s: span.cpu / 1e9,
    wall_s: span.wall / 1e9,
    ...out,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
}
