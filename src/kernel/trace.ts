// Tracepoints: what a packet passed, when, on which CPU and in which context; and where work is charged to a CPU.
// Read first: docs/decisions/002-static-key.md. Way in: trace_fn(), trace_note(); tracer_start() by lab/walk.

import type { Cpu } from "./cpu.ts";
import type { Kernel } from "./kernel.ts";
import { trace_key } from "./trace_key.ts";

/** What of an skb a record keeps; any SkBuff fits. */
export interface TracedSkb {
  readonly kernel: Kernel;
  readonly id: number;
  readonly len: number;
  readonly data: number;
  readonly tail: number;
  readonly dev: { readonly ifindex: number } | null;
}

/** Words of an Int32Array record. */
export const REC_FN = 0;
export const REC_CTX_CPU = 1;
export const REC_SKB = 2;
export const REC_IFINDEX = 3;
export const REC_LEN = 4;
export const REC_NOTE = 5;
export const REC_DATA = 6;
export const REC_WORDS = 8;

const CHUNK_RECORDS = 16384;

export interface TraceChunk {
  readonly time: Float64Array;
  readonly words: Int32Array;
}

/** A decision, a drop, or a step of lineage, attached to a record. */
export interface TraceNote {
  /** "clone", "segment", "fragment", "gro", "drop", "fib", "neigh", "qdisc", "sock", "nf", "xmit", "rx", … */
  readonly kind: string;
  readonly [field: string]: string | number;
}

export type TraceSink = (k: Kernel, cpu: Cpu, fn: number, skb: TracedSkb | null, note: TraceNote | null) => void;

export class Tracer {
  readonly chunks: TraceChunk[] = [];
  /** Records written so far; with a limit the oldest chunk is overwritten. */
  count = 0;
  readonly max_chunks: number;
  readonly notes: TraceNote[] = [];
  /** Whether decisions are described in words (walk); off, only functions are recorded. */
  readonly detail: boolean;
  chunk: TraceChunk | null = null;
  pos: number = CHUNK_RECORDS;
  /** Takes the records instead of the chunks, in the order of all machines that share it, with the packet at hand. */
  sink: TraceSink | null = null;

  constructor(detail: boolean, max_chunks: number) {
    this.detail = detail;
    this.max_chunks = max_chunks;
  }
}

/** How many machines of the process want trace_key on. Kept on the key's own module object, not a second global. */
export function trace_key_update(kernels_tracing: boolean): void {
  trace_key.on = kernels_tracing;
}

/** Starts recording on this machine. `max_records` 0 keeps everything. */
export function tracer_start(k: Kernel, options: { detail?: boolean; max_records?: number } = {}): Tracer {
  const max = options.max_records ?? 0;
  k.tracer = new Tracer(options.detail ?? false, max > 0 ? Math.max(2, Math.ceil(max / CHUNK_RECORDS)) : 0);
  trace_key.on = true;
  return k.tracer;
}

/** Stops recording; what was recorded stays with the tracer. */
export function tracer_stop(k: Kernel): Tracer | null {
  const t = k.tracer;
  k.tracer = null;
  return t;
}

function next_chunk(t: Tracer): TraceChunk {
  let chunk: TraceChunk;
  if (t.max_chunks > 0 && t.chunks.length >= t.max_chunks) {
    chunk = t.chunks.shift()!;
  } else {
    chunk = { time: new Float64Array(CHUNK_RECORDS), words: new Int32Array(CHUNK_RECORDS * REC_WORDS) };
  }
  t.chunks.push(chunk);
  t.chunk = chunk;
  t.pos = 0;
  return chunk;
}

function record(t: Tracer, k: Kernel, cpu: Cpu, fn: number, skb: TracedSkb | null, note: number): void {
  if (t.sink !== null) {
    t.count++;
    t.sink(k, cpu, fn, skb, note >= 0 ? t.notes.pop()! : null);
    return;
  }
  let chunk = t.chunk;
  if (chunk === null || t.pos === CHUNK_RECORDS) chunk = next_chunk(t);
  const i = t.pos++;
  t.count++;
  chunk.time[i] = k.now;
  const w = chunk.words;
  const o = i * REC_WORDS;
  w[o] = fn;
  w[o + REC_CTX_CPU] = (cpu.ctx << 8) | cpu.id;
  w[o + REC_NOTE] = note;
  if (skb !== null) {
    w[o + REC_SKB] = skb.id;
    w[o + REC_IFINDEX] = skb.dev !== null ? skb.dev.ifindex : 0;
    w[o + REC_LEN] = skb.len;
    w[o + REC_DATA] = (skb.data << 16) | (skb.tail & 0xffff);
  } else {
    w[o + REC_SKB] = 0;
    w[o + REC_IFINDEX] = 0;
    w[o + REC_LEN] = 0;
    w[o + REC_DATA] = 0;
  }
}

/** A packet entered function `fn`. Call only behind `if (trace_key.on)`. */
export function trace_fn(fn: number, skb: TracedSkb): void {
  const k = skb.kernel;
  if (k.cost !== null) k.now += k.cost[fn]!;
  const t = k.tracer;
  if (t !== null) record(t, k, k.cpu, fn, skb, -1);
}

/** A function was entered without a packet in hand (an interrupt, a poll, a system call). */
export function trace_call(fn: number, k: Kernel): void {
  if (k.cost !== null) k.now += k.cost[fn]!;
  const t = k.tracer;
  if (t !== null) record(t, k, k.cpu, fn, null, -1);
}

/** True when decisions are to be described: build a note only then. */
export const trace_detail = (k: Kernel): boolean => k.tracer !== null && k.tracer.detail;

/** Attaches a decision to the packet at function `fn`. Call behind `if (trace_key.on && trace_detail(k))`. */
export function trace_note(fn: number, skb: TracedSkb, note: TraceNote): void {
  const k = skb.kernel;
  const t = k.tracer;
  if (t === null) return;
  t.notes.push(note);
  record(t, k, k.cpu, fn, skb, t.notes.length - 1);
}

/** A note without a packet: `igb_msix_ring` woke a poll, a route was added. */
export function trace_event(fn: number, k: Kernel, note: TraceNote): void {
  const t = k.tracer;
  if (t === null) return;
  t.notes.push(note);
  record(t, k, k.cpu, fn, null, t.notes.length - 1);
}

export interface TraceRecord {
  ts_ns: number;
  fn: number;
  ctx: number;
  cpu: number;
  skb: number;
  ifindex: number;
  len: number;
  data: number;
  tail: number;
  note: TraceNote | null;
}

/** All records kept, oldest first. */
export function* tracer_records(t: Tracer): Generator<TraceRecord, void> {
  for (const chunk of t.chunks) {
    const n = chunk === t.chunk ? t.pos : CHUNK_RECORDS;
    for (let i = 0; i < n; i++) {
      const o = i * REC_WORDS;
      const w = chunk.words;
      const note = w[o + REC_NOTE]!;
      yield {
        ts_ns: chunk.time[i]!,
        fn: w[o]!,
        ctx: w[o + REC_CTX_CPU]! >> 8,
        cpu: w[o + REC_CTX_CPU]! & 0xff,
        skb: w[o + REC_SKB]!,
        ifindex: w[o + REC_IFINDEX]!,
        len: w[o + REC_LEN]!,
        data: w[o + REC_DATA]! >>> 16,
        tail: w[o + REC_DATA]! & 0xffff,
        note: note >= 0 ? t.notes[note]! : null,
      };
    }
  }
}
