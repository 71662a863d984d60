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

/**
 * A record: the time, and three words (four with details): function, context and CPU; packet; device and length; data
 * and tail. Notes lie beside, by the number of their record.
 */
const REC_WORDS = 4;
const CHUNK_RECORDS = 16384;

interface TraceChunk {
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
  readonly max_chunks: number;
  /** Notes in the order of their records. */
  readonly notes: { readonly at: number; readonly note: TraceNote }[] = [];
  /** Whether decisions are described in words (walk); off, only functions are recorded. */
  readonly detail: boolean;
  /** The chunk in use, its arrays at hand. */
  time: Float64Array = no_time;
  words: Int32Array = no_words;
  pos: number = CHUNK_RECORDS;
  /** Records in chunks that are full or gone. */
  base: number = -CHUNK_RECORDS;
  /** Takes the records instead of the chunks, in the order of all machines that share it, with the packet at hand. */
  sink: TraceSink | null = null;

  constructor(detail: boolean, max_chunks: number) {
    this.detail = detail;
    this.max_chunks = max_chunks;
  }

  /** Records written so far; with a limit the oldest chunk is overwritten. */
  get count(): number {
    return this.base + this.pos;
  }
}

const no_time: Float64Array = new Float64Array(0);
const no_words: Int32Array = new Int32Array(0);

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

/** A fresh chunk, or the oldest one when there may be no more. Returns the place of its first record. */
function next_chunk(t: Tracer): number {
  let chunk: TraceChunk;
  if (t.max_chunks > 0 && t.chunks.length >= t.max_chunks) {
    chunk = t.chunks.shift()!;
    const kept = t.base + 2 * CHUNK_RECORDS - t.max_chunks * CHUNK_RECORDS;
    let gone = 0;
    while (gone < t.notes.length && t.notes[gone]!.at < kept) gone++;
    if (gone > 0) t.notes.splice(0, gone);
  } else {
    chunk = { time: new Float64Array(CHUNK_RECORDS), words: new Int32Array(CHUNK_RECORDS * REC_WORDS) };
  }
  t.chunks.push(chunk);
  t.time = chunk.time;
  t.words = chunk.words;
  t.base += CHUNK_RECORDS;
  t.pos = 0;
  return 0;
}

function record(t: Tracer, k: Kernel, fn: number, skb: TracedSkb | null, note: TraceNote | null): void {
  if (t.sink !== null) {
    t.pos++;
    t.sink(k, k.cpu, fn, skb, note);
    return;
  }
  const i = t.pos === CHUNK_RECORDS ? next_chunk(t) : t.pos;
  t.pos = i + 1;
  t.time[i] = k.now;
  const cpu = k.cpu;
  const w = t.words;
  const o = i * REC_WORDS;
  w[o] = fn | (cpu.ctx << 16) | (cpu.id << 20);
  if (skb !== null) {
    const dev = skb.dev;
    w[o + 1] = skb.id;
    w[o + 2] = dev !== null ? (dev.ifindex << 17) | skb.len : skb.len;
    w[o + 3] = (skb.data << 16) | (skb.tail & 0xffff);
  } else {
    w[o + 1] = 0;
    w[o + 2] = 0;
    w[o + 3] = 0;
  }
  if (note !== null) t.notes.push({ at: t.base + i, note });
}

/** A packet entered function `fn`. Call only behind `if (trace_key.on)`. */
export function trace_fn(fn: number, skb: TracedSkb): void {
  const k = skb.kernel;
  if (k.cost !== null) k.now += k.cost[fn]!;
  const t = k.tracer;
  if (t === null) return;
  if (t.detail) {
    record(t, k, fn, skb, null);
    return;
  }
  // The same as record(), without what only details need: this is what tracing costs per function.
  const i = t.pos === CHUNK_RECORDS ? next_chunk(t) : t.pos;
  t.pos = i + 1;
  t.time[i] = k.now;
  const cpu = k.cpu;
  const dev = skb.dev;
  const w = t.words;
  const o = i * REC_WORDS;
  w[o] = fn | (cpu.ctx << 16) | (cpu.id << 20);
  w[o + 1] = skb.id;
  w[o + 2] = dev !== null ? (dev.ifindex << 17) | skb.len : skb.len;
}

/** A function was entered without a packet in hand (an interrupt, a poll, a system call). */
export function trace_call(fn: number, k: Kernel): void {
  if (k.cost !== null) k.now += k.cost[fn]!;
  const t = k.tracer;
  if (t !== null) record(t, k, fn, null, null);
}

/** True when decisions are to be described: build a note only then. */
export const trace_detail = (k: Kernel): boolean => k.tracer !== null && k.tracer.detail;

/** Attaches a decision to the packet at function `fn`. Call behind `if (trace_key.on && trace_detail(k))`. */
export function trace_note(fn: number, skb: TracedSkb, note: TraceNote): void {
  const k = skb.kernel;
  const t = k.tracer;
  if (t === null) return;
  record(t, k, fn, skb, note);
}

/** A note without a packet: `igb_msix_ring` woke a poll, a route was added. */
export function trace_event(fn: number, k: Kernel, note: TraceNote): void {
  const t = k.tracer;
  if (t === null) return;
  record(t, k, fn, null, note);
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
  let at = t.base + CHUNK_RECORDS - t.chunks.length * CHUNK_RECORDS;
  let next_note = 0;
  for (const chunk of t.chunks) {
    const n = chunk.words === t.words ? t.pos : CHUNK_RECORDS;
    for (let i = 0; i < n; i++, at++) {
      const o = i * REC_WORDS;
      const w = chunk.words;
      const head = w[o]!;
      while (next_note < t.notes.length && t.notes[next_note]!.at < at) next_note++;
      const note = t.notes[next_note];
      yield {
        ts_ns: chunk.time[i]!,
        fn: head & 0xffff,
        ctx: (head >> 16) & 15,
        cpu: head >>> 20,
        skb: w[o + 1]!,
        ifindex: w[o + 2]! >>> 17,
        len: w[o + 2]! & 0x1ffff,
        data: w[o + 3]! >>> 16,
        tail: w[o + 3]! & 0xffff,
        note: note !== undefined && note.at === at ? note.note : null,
      };
    }
  }
}
