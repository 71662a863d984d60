// Recordings: the lab, the seed and every outside input; and the hash of the trace that must come out again.
// Way in: hashTrace(lab), parseRecording(text).

import { createHash } from "node:crypto";
import { tracer_records } from "../kernel/trace.ts";
import { fn_names } from "../kernel/trace_fn.ts";
import type { Lab } from "./lab.ts";

export interface Recording {
  version: 1;
  /** The lab, as it was named on the command line. */
  path: string;
  seed: number;
  cost: string;
  napi: boolean;
  exec: string[];
  records: number;
  sha256: string;
}

/** Hash over every record of every machine, in the order of the topology. Function names, not numbers, go in. */
export function hashTrace(lab: Lab): { records: number; sha256: string } {
  const hash = createHash("sha256");
  let records = 0;
  for (const host of lab.hosts.values()) {
    hash.update(`${host.name}\n`);
    const tracer = host.computer.kernel.tracer;
    if (tracer === null) continue;
    let lines: string[] = [];
    for (const r of tracer_records(tracer)) {
      records++;
      lines.push(`${r.ts_ns} ${r.cpu} ${r.ctx} ${fn_names[r.fn]} ${r.skb} ${r.ifindex} ${r.len} ${r.data} ${r.tail}`);
      if (lines.length === 4096) {
        hash.update(lines.join("\n"));
        lines = [];
      }
    }
    hash.update(lines.join("\n"));
  }
  return { records, sha256: hash.digest("hex") };
}

/** A recording, or what is wrong with it. */
export function parseRecording(text: string): Recording | string {
  let r: unknown;
  try {
    r = JSON.parse(text);
  } catch (e) {
    return `not JSON: ${(e as Error).message}`;
  }
  if (typeof r !== "object" || r === null) return "not a recording";
  const o = r as Record<string, unknown>;
  if (o.version !== 1) return `version ${String(o.version)} of recordings is not known to this skbuff`;
  const strings: (keyof Recording)[] = ["path", "cost", "sha256"];
  for (const key of strings) if (typeof o[key] !== "string") return `"${key}" is missing`;
  if (typeof o.seed !== "number" || typeof o.records !== "number") return `"seed" or "records" is missing`;
  if (!Array.isArray(o.exec) || o.exec.some((e) => typeof e !== "string" || !e.includes(":")))
    return `"exec" is not a list of 'HOST: COMMAND'`;
  return { ...(o as unknown as Recording), napi: o.napi !== false };
}
