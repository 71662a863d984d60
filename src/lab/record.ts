// Recordings: the lab, the seed and every outside input; and the hash of the trace that must come out again.
// Way in: hashTrace(lab), parseRecording(text), replayRecording(lab, recording).

import { createHash } from "node:crypto";
import { tracer_records } from "../kernel/trace.ts";
import { fn_names } from "../kernel/trace_fn.ts";
import type { Lab } from "./lab.ts";
import { type Moment, replaySessions, type SessionEvent } from "./session.ts";

export interface Recording {
  version: 1;
  /** The lab, as it was named on the command line. */
  path: string;
  seed: number;
  cost: string;
  napi: boolean;
  /** Commands that were run one after the other, as 'HOST: COMMAND'. */
  exec: string[];
  /** What was typed at prompts or came through a pipe after that, and when the run ended. */
  prompt?: { journal: SessionEvent[]; end: Moment };
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
  if (o.prompt !== undefined && !isPrompt(o.prompt)) return `"prompt" is not a journal of what was typed`;
  return { ...(o as unknown as Recording), napi: o.napi !== false };
}

const isObject = (v: unknown): v is Record<string, unknown> => typeof v === "object" && v !== null;
const isMoment = (v: unknown): boolean => isObject(v) && Number.isFinite(v.events) && Number.isFinite(v.ns);

function isPrompt(v: unknown): boolean {
  const pair = (p: unknown): boolean =>
    p === undefined || (Array.isArray(p) && p.length === 2 && p.every((n) => Number.isInteger(n) && n > 0));
  return (
    isObject(v) &&
    isMoment(v.end) &&
    Array.isArray(v.journal) &&
    v.journal.every(
      (e) =>
        isMoment(e) &&
        typeof e.host === "string" &&
        (e.type === undefined || typeof e.type === "string") &&
        (e.signal === undefined || (Number.isInteger(e.signal) && e.signal > 0 && e.signal < 32)) &&
        pair(e.open) &&
        (e.pipe === undefined || e.pipe === true) &&
        pair(e.resize),
    )
  );
}

/** 'pc1: ping -c 1 10.0.2.2' → host and command; null when there is no colon. */
export function splitExec(text: string): { host: string; command: string } | null {
  const colon = text.indexOf(":");
  if (colon <= 0) return null;
  return { host: text.slice(0, colon).trim(), command: text.slice(colon + 1).trim() };
}

/**
 * Does again, in a booted lab, what a recording says. Null, or what was not as it must be: a host that is missing, or
 * another course of the run.
 */
export function replayRecording(
  lab: Lab,
  r: Recording,
  output: (stream: "stdout" | "stderr", text: string) => void,
): string | null {
  const used = [...r.exec.map((e) => splitExec(e)!.host), ...(r.prompt?.journal.map((e) => e.host) ?? [])];
  const missing = used.find((name) => !lab.hosts.has(name));
  if (missing !== undefined) return `no machine "${missing}" in this lab`;
  for (const e of r.exec) {
    const x = splitExec(e)!;
    const res = lab.exec(x.host, x.command);
    output("stdout", res.stdout);
    output("stderr", res.stderr);
  }
  if (r.prompt === undefined) return null;
  const same = replaySessions(lab, r.prompt.journal, r.prompt.end, (text, stream) => output(stream, text));
  return same ? null : "the run took another course than the recorded one";
}
