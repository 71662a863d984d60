// Two builds of one bench in one process, in turns of a few milliseconds, so that noise hits both: what a change costs.
// Arguments: FILE_A FILE_B SIZE SECONDS [--trace-a | --trace-b]. Prints the median of (time per unit of B) / (time per unit of A).

import { pathToFileURL } from "node:url";
import type { Kernel } from "../../src/kernel/kernel.ts";
import type { Bench, BenchSetup } from "./harness.ts";

/** What the bundles export. */
interface Side {
  bench: Bench;
  tracer_start: (k: Kernel, options: { max_records: number }) => void;
}

const [file_a, file_b, size_text, seconds_text] = process.argv.slice(2);
const load = async (file: string): Promise<Side> => (await import(pathToFileURL(file).href)) as Side;

const cpu_ns = (): number => {
  const u = process.cpuUsage();
  return (u.user + u.system) * 1000;
};

/** ns per unit over about `slice_ns`. */
function slice(b: BenchSetup, slice_ns: number): number {
  const c0 = cpu_ns();
  let c = c0;
  let n = 0;
  while (c - c0 < slice_ns) {
    n += b.step(512);
    c = cpu_ns();
  }
  return (c - c0) / n;
}

const median = (v: number[]): number => [...v].sort((x, y) => x - y)[v.length >> 1]!;

const sides = [await load(file_a!), await load(file_b!)];
const [a, b] = sides.map((s) => s.bench.setup(Number(size_text))) as [BenchSetup, BenchSetup];
if (process.argv.includes("--trace-a")) sides[0]!.tracer_start(a.k, { max_records: 65536 });
if (process.argv.includes("--trace-b")) sides[1]!.tracer_start(b.k, { max_records: 65536 });
const SLICE = 20e6;
for (let i = 0; i < 30; i++) {
  slice(a, SLICE);
  slice(b, SLICE);
}
const ratios: number[] = [];
const ta: number[] = [];
const tb: number[] = [];
const end = cpu_ns() + Number(seconds_text) * 1e9;
for (let i = 0; cpu_ns() < end; i++) {
  // The order changes, so that going first is nobody's advantage.
  const x = i % 2 === 0 ? slice(a, SLICE) : 0;
  const y = slice(b, SLICE);
  const x2 = i % 2 === 0 ? x : slice(a, SLICE);
  ratios.push(y / x2);
  ta.push(x2);
  tb.push(y);
}
process.stdout.write(`${JSON.stringify({ value: median(ratios), a_ns: median(ta), b_ns: median(tb) })}\n`);
