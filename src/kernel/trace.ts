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
 * The stream is words. A function is one word; what it is about (packet, context, CPU, time) stands in marks before it,
 * written only when that changed. Who changes the clock, the CPU or the context says so by trace_stale(). Notes lie
 * beside, by place.
 *
 *     0 | CALL? | fn                    a function, with the packet of the last mark, or with none (CALL)
 *     TIME, low, high                   ns, as the two halves of a double
 *     CTX | cpu | ctx
 *     PACKET, id, ifindex << 17 | len   device and length are the packet's when the mark was written
 *     DATA, data, tail                  details: where the packet began and ended in its memory
 *     PAD                               the chunk ends here
 */
const CALL = 0x8000;
const FN_MASK = 0x7fff;
const MARK_TIME = 1 << 28;
const MARK_CTX = 2 << 28;
const MARK_PACKET = 3 << 28;
const MARK_DATA = 4 << 28;
const MARK_PAD = 5 << 28;
const CHUNK_WORDS = 24576;
/** The most that one record takes, with all marks before it. */
const MAX_WORDS = 3 + 1 + 3 + 3 + 1;

/**
 * Where words gather until their tracer takes them: one place for all machines, because its address is then a constant of
 * the compiled code, and a record costs a comparison and two stores (docs/decisions/002-static-key.md). Small: it stays in
 * the cache. What is in it belongs to `stage.owner`; another machine's record, or a look at the trace, hands it over.
 */
const stage_words: Int32Array = new Int32Array(4096);
const STAGE_LIMIT = stage_words.length - MAX_WORDS;
interface Stage {
  pos: number;
  /** The packet of the last mark; null: marks are due. */
  skb: TracedSkb | null;
  stale: boolean;
  owner: Tracer | null;
}
const stage: Stage = { pos: 0, skb: null, stale: true, owner: null };

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
  /** Takes the records instead of the chunks, in the order of all machines that share it, with the packet at hand. */
  readonly sink: TraceSink | null;
  /** The chunk in use, and the place of the next word in it. */
  words: Int32Array = no_words;
  pos: number = CHUNK_WORDS;
  /** Words in chunks that are full or gone. */
  base: number = -CHUNK_WORDS;
  /** Time, CPU and context of the last marks. */
  now: number = Number.NaN;
  where = -1;

  constructor(detail: boolean, max_chunks: number, sink: TraceSink | null) {
    this.detail = detail;
    this.max_chunks = max_chunks;
    this.sink = sink;
  }
}

const no_words: Int32Array = new Int32Array(0);
const time_f64: Float64Array = new Float64Array(1);
const time_i32: Int32Array = new Int32Array(time_f64.buffer);

/** Switches the static key of the process: does any machine trace? */
export function trace_key_update(kernels_tracing: boolean): void {
  trace_key.on = kernels_tracing;
}

/** Starts recording on this machine. `max_records` 0 keeps everything. */
export function tracer_start(
  k: Kernel,
  options: { detail?: boolean; max_records?: number; sink?: TraceSink } = {},
): Tracer {
  hand_over();
  const max = options.max_records ?? 0;
  const t = new Tracer(
    options.detail ?? false,
    max > 0 ? Math.max(2, Math.ceil(max / CHUNK_WORDS)) : 0,
    options.sink ?? null,
  );
  k.tracer = t;
  k.trace_ring = t.detail || t.sink !== null || k.cost !== null ? null : t;
  trace_key.on = true;
  return t;
}

/** Stops recording; what was recorded stays with the tracer. */
export function tracer_stop(k: Kernel): Tracer | null {
  const t = k.tracer;
  hand_over();
  k.tracer = null;
  k.trace_ring = null;
  return t;
}

/** The clock, the CPU or its context changed: the next record says so. Call only behind `if (trace_key.on)`. */
export function trace_stale(): void {
  stage.skb = null;
  stage.stale = true;
}

/** An skb starts a new life: as far as the trace goes it is another packet. Call only behind `if (trace_key.on)`. */
export function trace_skb_new(skb: TracedSkb): void {
  if (stage.skb === skb) stage.skb = null;
}

/** A fresh chunk, or the oldest one when there may be no more. */
function next_chunk(t: Tracer): void {
  if (t.pos < CHUNK_WORDS) t.words[t.pos] = MARK_PAD;
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
  // Each chunk begins with all marks, so that those before it may go.
  t.now = Number.NaN;
  t.where = -1;
}

/** The owner of what has gathered takes it. */
function hand_over(): void {
  const t = stage.owner;
  if (t !== null && stage.pos > 0) {
    t.words.set(stage.pos === stage_words.length ? stage_words : stage_words.subarray(0, stage.pos), t.pos);
    t.pos += stage.pos;
  }
  stage.pos = 0;
  stage.owner = null;
  stage.skb = null;
  stage.stale = true;
}

/** From here on words are `t`'s; a whole stage fits into its chunk. */
function stage_for(t: Tracer): void {
  if (stage.owner === t && stage.pos <= STAGE_LIMIT) return;
  hand_over();
  stage.owner = t;
  if (t.pos + stage_words.length > CHUNK_WORDS) next_chunk(t);
}

/** Writes time and context where they changed; there is room for a record behind. Returns the next place. */
function put_where(t: Tracer, k: Kernel): number {
  stage_for(t);
  let i = stage.pos;
  const w = stage_words;
  if (k.now !== t.now) {
    t.now = k.now;
    time_f64[0] = k.now;
    w[i] = MARK_TIME;
    w[i + 1] = time_i32[0]!;
    w[i + 2] = time_i32[1]!;
    i += 3;
  }
  const where = (k.cpu.id << 8) | k.cpu.ctx;
  if (where !== t.where) {
    t.where = where;
    w[i++] = MARK_CTX | where;
  }
  stage.stale = false;
  stage.pos = i;
  return i;
}

/** All marks of a record about `skb`. Returns the place of the record. */
function put_packet(t: Tracer, skb: TracedSkb): number {
  const i = put_where(t, skb.kernel);
  const w = stage_words;
  const dev = skb.dev;
  stage.skb = skb;
  w[i] = MARK_PACKET;
  w[i + 1] = skb.id;
  w[i + 2] = dev !== null ? (dev.ifindex << 17) | skb.len : skb.len;
  stage.pos = i + 3;
  return i + 3;
}

/** A record with all that may go with one. */
function record(t: Tracer, k: Kernel, fn: number, skb: TracedSkb | null, note: TraceNote | null): void {
  if (t.sink !== null) {
    t.sink(k, k.cpu, fn, skb, note);
    return;
  }
  let i = skb !== null ? put_packet(t, skb) : put_where(t, k);
  const w = stage_words;
  if (t.detail && skb !== null) {
    w[i] = MARK_DATA;
    w[i + 1] = skb.data;
    w[i + 2] = skb.tail;
    i += 3;
  }
  w[i] = skb !== null ? fn : fn | CALL;
  stage.pos = i + 1;
  if (note !== null) t.notes.push({ at: t.base + t.pos + i, note });
  // The next one comes here as well: with details, all that is in the marks may have changed; with costs, it is charged.
  if (k.trace_ring === null) stage.skb = null;
}

/** A packet entered function `fn`. Call only behind `if (trace_key.on)`. */
export function trace_fn(fn: number, skb: TracedSkb): void {
  const i = stage.pos;
  if (skb !== stage.skb || i > STAGE_LIMIT) {
    trace_fn_slow(fn, skb);
    return;
  }
  stage_words[i] = fn;
  stage.pos = i + 1;
}

function trace_fn_slow(fn: number, skb: TracedSkb): void {
  const k = skb.kernel;
  if (k.cost !== null) k.now += k.cost[fn]!;
  const t = k.tracer;
  if (t === null) return;
  if (k.trace_ring === null) {
    record(t, k, fn, skb, null);
    return;
  }
  const i = put_packet(t, skb);
  stage_words[i] = fn;
  stage.pos = i + 1;
}

/** A function was entered without a packet in hand (an interrupt, a poll, a system call). */
export function trace_call(fn: number, k: Kernel): void {
  const t = k.trace_ring;
  if (t === null || t !== stage.owner || stage.stale || stage.pos > STAGE_LIMIT) {
    trace_call_slow(fn, k);
    return;
  }
  stage_words[stage.pos++] = fn | CALL;
}

function trace_call_slow(fn: number, k: Kernel): void {
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
  hand_over();
  let base = t.base + CHUNK_WORDS - t.chunks.length * CHUNK_WORDS;
  let next_note = 0;
  let ts_ns = 0;
  let where = 0;
  let skb = 0;
  let dev_len = 0;
  let data = 0;
  let tail = 0;
  for (const w of t.chunks) {
    const n = w === t.words ? t.pos : CHUNK_WORDS;
    for (let i = 0; i < n; ) {
      const head = w[i]!;
      const kind = head & -0x10000000;
      if (kind === MARK_PAD) break;
      if (kind === MARK_CTX) {
        where = head;
        i++;
        continue;
      }
      if (kind !== 0) {
        const lo = w[i + 1]!;
        const hi = w[i + 2]!;
        i += 3;
        if (kind === MARK_TIME) {
          time_i32[0] = lo;
          time_i32[1] = hi;
          ts_ns = time_f64[0]!;
        } else if (kind === MARK_PACKET) {
          skb = lo;
          dev_len = hi;
        } else {
          data = lo;
          tail = hi;
        }
        continue;
      }
      const at = base + i++;
      while (next_note < t.notes.length && t.notes[next_note]!.at < at) next_note++;
      const note = t.notes[next_note];
      const call = (head & CALL) !== 0;
      yield {
        ts_ns,
        fn: head & FN_MASK,
        ctx: where & 0xff,
        cpu: (where >> 8) & 0xfffff,
        skb: call ? 0 : skb,
        ifindex: call ? 0 : dev_len >>> 17,
        len: call ? 0 : dev_len & 0x1ffff,
        data,
        tail,
        note: note !== undefined && note.at === at ? note.note : null,
      };
      data = 0;
      tail = 0;
    }
    base += CHUNK_WORDS;
  }
}
