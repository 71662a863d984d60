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
 * A record is three words: function, context and CPU; packet; device and length. Two marks say more when there is more:
 * MARK_TIME before a record when the clock has moved since the last, MARK_DATA before it when details are recorded.
 * Small, because a ring that stays in the cache is what keeps tracing cheap. Notes lie beside, by their record's place.
 */
const REC_WORDS = 3;
const CHUNK_WORDS = 8192 * REC_WORDS;
const MARK_TIME = 0xffff;
const MARK_DATA = 0xfffe;

/** A decision, a drop, or a step of lineage, attached to a record. */
export interface TraceNote {
  /** "clone", "segment", "fragment", "gro", "drop", "fib", "neigh", "qdisc", "sock", "nf", "xmit", "rx", … */
  readonly kind: string;
  readonly [field: string]: string | number;
}

export type TraceSink = (k: Kernel, cpu: Cpu, fn: number, skb: TracedSkb | null, note: TraceNote | null) => void;

export class Tracer {
  /** Oldest first; the last is in use. */
  readonly chunks: Int32Array[] = [];
  readonly max_chunks: number;
  /** Notes in the order of their records. */
  readonly notes: { readonly at: number; readonly note: TraceNote }[] = [];
  /** Whether decisions are described in words (walk); off, only functions are recorded. */
  readonly detail: boolean;
  /** The chunk in use, and the place of the next record in it. */
  words: Int32Array = no_words;
  pos: number = CHUNK_WORDS;
  /** Words in chunks that are full or gone. */
  base: number = -CHUNK_WORDS;
  /** The time of the last record written. */
  now: number = Number.NaN;
  /** Takes the records instead of the chunks, in the order of all machines that share it, with the packet at hand. */
  sink: TraceSink | null = null;

  constructor(detail: boolean, max_chunks: number) {
    this.detail = detail;
    this.max_chunks = max_chunks;
  }
}

const no_words: Int32Array = new Int32Array(0);
const time_f64: Float64Array = new Float64Array(1);
const time_i32: Int32Array = new Int32Array(time_f64.buffer);

/** How many machines of the process want trace_key on. Kept on the key's own module object, not a second global. */
export function trace_key_update(kernels_tracing: boolean): void {
  trace_key.on = kernels_tracing;
}

/** Starts recording on this machine. `max_records` 0 keeps everything. */
export function tracer_start(k: Kernel, options: { detail?: boolean; max_records?: number } = {}): Tracer {
  const max = options.max_records ?? 0;
  k.tracer = new Tracer(options.detail ?? false, max > 0 ? Math.max(2, Math.ceil((max * REC_WORDS) / CHUNK_WORDS)) : 0);
  trace_key.on = true;
  return k.tracer;
}

/** Stops recording; what was recorded stays with the tracer. */
export function tracer_stop(k: Kernel): Tracer | null {
  const t = k.tracer;
  k.tracer = null;
  return t;
}

/** A fresh chunk, or the oldest one when there may be no more. */
function next_chunk(t: Tracer): void {
  let chunk: Int32Array;
  if (t.max_chunks > 0 && t.chunks.length >= t.max_chunks) {
    chunk = t.chunks.shift()!;
    const kept = t.base + 2 * CHUNK_WORDS - t.max_chunks * CHUNK_WORDS;
    let gone = 0;
    while (gone < t.notes.length && t.notes[gone]!.at < kept) gone++;
    if (gone > 0) t.notes.splice(0, gone);
  } else {
    chunk = new Int32Array(CHUNK_WORDS);
  }
  t.chunks.push(chunk);
  t.words = chunk;
  t.base += CHUNK_WORDS;
  t.pos = 0;
  // Each chunk begins with a time, so that those before it may go.
  t.now = Number.NaN;
}

/** Writes three words and returns their place in the chunk. */
function put(t: Tracer, a: number, b: number, c: number): number {
  if (t.pos === CHUNK_WORDS) next_chunk(t);
  const i = t.pos;
  t.words[i] = a;
  t.words[i + 1] = b;
  t.words[i + 2] = c;
  t.pos = i + REC_WORDS;
  return i;
}

/** The clock moved, or the chunk is full: writes the time. Returns the place of the record that follows. */
function put_time(t: Tracer, now: number): number {
  do {
    if (t.pos === CHUNK_WORDS) next_chunk(t);
    t.now = now;
    time_f64[0] = now;
    put(t, MARK_TIME, time_i32[0]!, time_i32[1]!);
  } while (t.pos === CHUNK_WORDS);
  return t.pos;
}

function record(t: Tracer, k: Kernel, fn: number, skb: TracedSkb | null, note: TraceNote | null): void {
  if (t.sink !== null) {
    t.sink(k, k.cpu, fn, skb, note);
    return;
  }
  if (t.detail && skb !== null) put(t, MARK_DATA, skb.data, skb.tail);
  if (k.now !== t.now || t.pos === CHUNK_WORDS) put_time(t, k.now);
  const cpu = k.cpu;
  const dev = skb !== null ? skb.dev : null;
  const len = skb !== null ? skb.len : 0;
  const i = put(
    t,
    fn | (cpu.ctx << 16) | (cpu.id << 20),
    skb !== null ? skb.id : 0,
    dev !== null ? (dev.ifindex << 17) | len : len,
  );
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
  const i = k.now !== t.now || t.pos === CHUNK_WORDS ? put_time(t, k.now) : t.pos;
  t.pos = i + REC_WORDS;
  const cpu = k.cpu;
  const dev = skb.dev;
  const w = t.words;
  w[i] = fn | (cpu.ctx << 16) | (cpu.id << 20);
  w[i + 1] = skb.id;
  w[i + 2] = dev !== null ? (dev.ifindex << 17) | skb.len : skb.len;
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
  let at = t.base + CHUNK_WORDS - t.chunks.length * CHUNK_WORDS;
  let next_note = 0;
  let ts_ns = 0;
  let data = 0;
  let tail = 0;
  for (const w of t.chunks) {
    const n = w === t.words ? t.pos : CHUNK_WORDS;
    for (let i = 0; i < n; i += REC_WORDS, at += REC_WORDS) {
      const head = w[i]!;
      if (head === MARK_TIME) {
        time_i32[0] = w[i + 1]!;
        time_i32[1] = w[i + 2]!;
        ts_ns = time_f64[0]!;
        continue;
      }
      if (head === MARK_DATA) {
        data = w[i + 1]!;
        tail = w[i + 2]!;
        continue;
      }
      while (next_note < t.notes.length && t.notes[next_note]!.at < at) next_note++;
      const note = t.notes[next_note];
      yield {
        ts_ns,
        fn: head & 0xffff,
        ctx: (head >> 16) & 15,
        cpu: head >>> 20,
        skb: w[i + 1]!,
        ifindex: w[i + 2]! >>> 17,
        len: w[i + 2]! & 0x1ffff,
        data,
        tail,
        note: note !== undefined && note.at === at ? note.note : null,
      };
      data = 0;
      tail = 0;
    }
  }
}
