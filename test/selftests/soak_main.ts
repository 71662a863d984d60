// `node tools/soak.mjs [--hours 24] [--seed 1] [--runs 2] [--functions] [--streams]`: the long soak, twice with the same
// seed.

import { type SoakResult, soak } from "./soak.ts";

const argument = (name: string, fallback: number): number => {
  const i = process.argv.indexOf(name);
  return i >= 0 ? Number(process.argv[i + 1]) : fallback;
};

function main(): number {
  const hours = argument("--hours", 24);
  const seed = argument("--seed", 1);
  const runs = argument("--runs", 2);
  const results: SoakResult[] = [];
  let ok = true;

  for (let i = 0; i < runs; i++) {
    const t0 = process.hrtime.bigint();
    const c0 = process.cpuUsage();
    let warm_heap = 0;
    let heap = 0;
    let next = 3600;
    const r = soak({
      seed,
      seconds: hours * 3600,
      functions: process.argv.includes("--functions"),
      streams: process.argv.includes("--streams"),
      progress: (s) => {
        if (s < next) return;
        next += 3600;
        globalThis.gc?.();
        heap = process.memoryUsage().heapUsed;
        if (warm_heap === 0) warm_heap = heap;
        process.stderr.write(`\r${(s / 3600).toFixed(0)} h, heap ${(heap / 1e6).toFixed(1)} MB   `);
      },
    });
    const real = Number(process.hrtime.bigint() - t0) / 1e9;
    const u = process.cpuUsage(c0);
    process.stderr.write("\r");
    console.log(
      `${hours} h of virtual time in ${real.toFixed(1)} s (${((u.user + u.system) / 1e6).toFixed(1)} s of CPU): ` +
        `${r.sent} pings, ${r.received} answered, ${r.streamed} bytes over TCP, ${r.frames} frames, ${r.events} events, trace hash ${r.hash}`,
    );
    console.log(
      `  heap after the first hour ${(warm_heap / 1e6).toFixed(1)} MB, at the end ${(heap / 1e6).toFixed(1)} MB`,
    );
    console.log(`  live objects: warm ${JSON.stringify(r.live_warm)}, end ${JSON.stringify(r.live_end)}`);
    if (r.bugs.length > 0 || Object.keys(r.left).length > 0) {
      ok = false;
      console.log(`  LEFT ${JSON.stringify(r.left)}, BUGS ${r.bugs.slice(0, 3).join("\n")}`);
    }
    if (heap > warm_heap * 1.3 + 5e6) {
      ok = false;
      console.log("  the heap GREW");
    }
    results.push(r);
  }
  if (results.some((r) => r.hash !== results[0]!.hash || r.events !== results[0]!.events)) {
    ok = false;
    console.log("the runs DIFFER");
  } else if (runs > 1) console.log(`${runs} runs with seed ${seed}: the same trace hash`);
  return ok ? 0 : 1;
}

process.exit(main());
