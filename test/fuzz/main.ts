// The long run: `node tools/fuzz.mjs frames|calls|text|tcp --count N --seed N [--rounds N]`. Rounds take the seeds that follow. A failure is
// made small and printed as a corpus file; the exit code is 1. With --entered REGEXP, and without the bundle
// (`node --import tsx test/fuzz/main.ts …`), it lists the functions of src/ files of such names that were never entered.

import { writeFileSync } from "node:fs";
import { fuzz_calls } from "./calls.ts";
import { corpus_text } from "./corpus.ts";
import { entered, never_entered } from "./entered.ts";
import { fuzz_frames, minimise } from "./frames.ts";
import { fuzz_tcp } from "./tcp_model.ts";
import { fuzz_shell, fuzz_topology } from "./text.ts";

const argument = (name: string, fallback: number): number => {
  const i = process.argv.indexOf(name);
  return i >= 0 ? Number(process.argv[i + 1]) : fallback;
};

const which = process.argv[2] ?? "frames";
const count = argument("--count", 1_000_000);
const first = argument("--seed", 1);
const which_files = process.argv.indexOf("--entered");
const coverage = which_files >= 0 ? entered() : null;
const rounds = argument("--rounds", 1);
const memory = (): string => `${Math.round(process.memoryUsage().rss / 1e6)} MB`;
/** An object: a bundle makes every top-level variable constant (tools/bundle-const.mjs). */
const run = { failed: false };

for (let seed = first; seed < first + rounds && !run.failed; seed++) {
  const started = process.cpuUsage();
  const seconds = (): string => {
    const u = process.cpuUsage(started);
    return `${((u.user + u.system) / 1e6).toFixed(1)} s`;
  };
  const progress = (n: number): void => {
    process.stderr.write(`\r${n} ${seconds()} ${memory()}   `);
  };
  if (which === "frames") {
    const r = fuzz_frames(count, seed, progress);
    process.stderr.write("\r");
    console.log(`frames: ${r.frames}, seed ${seed}, ${r.answers} answers, ${seconds()} of CPU, ${memory()}`);
    console.log(`  peaks: ${JSON.stringify(r.peaks)}`);
    if (r.failure === null) continue;
    run.failed = true;
    console.log(`FAILED at case ${r.failure.at}: ${r.failure.what}\n${r.failure.stack}`);
    const steps = minimise(seed, r.failure.at, r.failure.what);
    if (steps === null) {
      console.log(`not shown by frames alone: repeat with --seed ${seed} --count ${r.frames}`);
      continue;
    }
    const file = `frames-${seed}-${r.failure.at}.json`;
    writeFileSync(file, corpus_text(r.failure.what, seed, steps));
    console.log(`${steps.length} frames suffice: ${file} (belongs in test/fuzz/corpus)`);
  } else if (which === "calls") {
    const r = fuzz_calls(count, seed, (n) => {
      if (n % 100_000 === 0) progress(n);
    });
    process.stderr.write("\r");
    console.log(`calls: ${r.calls}, ${r.ok} succeeded, seed ${seed}, ${seconds()} of CPU, ${memory()}`);
    if (r.failure === null) continue;
    run.failed = true;
    console.log(
      `FAILED on machine ${r.failure.at} (seed ${seed}): ${r.failure.call}\n${r.failure.what}\n${r.failure.stack}`,
    );
  } else if (which === "text") {
    for (const [name, fuzz] of [
      ["lab.conf, YAML", fuzz_topology],
      ["shell", fuzz_shell],
    ] as const) {
      const r = fuzz(count, seed);
      console.log(`${name}: ${r.texts}, ${r.good} accepted, seed ${seed}, ${seconds()} of CPU, ${memory()}`);
      if (r.failure === null) continue;
      run.failed = true;
      console.log(`FAILED at ${r.failure.at}: ${r.failure.what}\n${JSON.stringify(r.failure.text)}`);
    }
  } else if (which === "tcp") {
    const r = fuzz_tcp(count, seed, progress);
    process.stderr.write("\r");
    console.log(
      `tcp: ${r.runs} connections, ${r.bytes} bytes, ${r.lonely} given up, seed ${seed}, ${seconds()} of CPU, ${memory()}`,
    );
    if (r.failure === null) continue;
    run.failed = true;
    console.log(`FAILED at ${r.failure.at}: ${r.failure.what}\n${JSON.stringify(r.failure.scenario)}`);
  } else {
    console.error(`no fuzzer "${which}": frames, calls, text, tcp`);
    process.exit(2);
  }
}
if (coverage !== null) {
  const files = new RegExp(process.argv[which_files + 1] ?? "");
  for (const [file, names] of never_entered(coverage(files), files)) console.log(`${file}: ${names.join(" ")}`);
}
process.exit(run.failed ? 1 : 0);
