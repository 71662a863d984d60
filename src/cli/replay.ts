// `skbuff replay`: runs a recording again and compares the trace.

import { readFileSync } from "node:fs";
import { loadCostProfile } from "../lab/fs_node.ts";
import { Lab, traceAll } from "../lab/lab.ts";
import { hashTrace, parseRecording, replayRecording } from "../lab/record.ts";
import { openTopology } from "./open.ts";

export function replayCommand(file: string): number {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (e) {
    process.stderr.write(`skbuff replay: ${(e as Error).message}\n`);
    return 1;
  }
  const r = parseRecording(text);
  if (typeof r === "string") {
    process.stderr.write(`skbuff replay: ${file}: ${r}\n`);
    return 1;
  }
  const topology = openTopology(r.path);
  if (topology === null) return 1;
  const profile = r.cost === "lab" ? undefined : loadCostProfile(r.cost);
  if (typeof profile === "string") {
    process.stderr.write(`skbuff replay: ${profile}\n`);
    return 1;
  }
  const lab = new Lab(topology, {
    seed: r.seed,
    ...(r.napi === false && { napi: false }),
    ...(profile !== undefined && { cost: profile }),
  });
  traceAll(lab, false);
  lab.boot();
  const differs = replayRecording(lab, r, (stream, text) => process[stream].write(text));
  const now = hashTrace(lab);
  lab.stop();
  if (differs !== null) process.stderr.write(`skbuff replay: ${differs}\n`);
  else if (now.sha256 === r.sha256) {
    process.stderr.write(`the same trace: ${now.records} records, sha-256 ${now.sha256.slice(0, 16)}…\n`);
    return 0;
  }
  process.stderr.write(
    `another trace: ${now.records} records (recorded: ${r.records}), sha-256 ${now.sha256.slice(0, 16)}… (recorded: ${r.sha256.slice(0, 16)}…). Did the lab's files or skbuff itself change?\n`,
  );
  return 1;
}
