// The cable between two ports: rate, propagation delay, duplex, and everything that can go wrong on it.
// Read first: hw/port.ts. Way in: new Wire, wire_attach; a port sends with wire_send and asks with wire_room.
import { prng_below, prng_chance } from "../lib/prng.ts";
import { type HwClock, HwTimer, hw_arm } from "./clock.ts";
import { CsmaSegment, csma_attach, csma_detach, csma_room, csma_send } from "./csma.ts";
import {
  ETH_FCS_LEN,
  ETH_ZLEN,
  type Frame,
  frame_copy,
  frame_flip_bit,
  frame_get,
  frame_pad,
  frame_put,
  frame_wire_bytes,
} from "./frame.ts";
import {
  ABLE_10_FULL,
  ABLE_10_HALF,
  ABLE_100_FULL,
  ABLE_100_HALF,
  ABLE_1000_FULL,
  ABLE_OFF,
  flight_insert,
  flight_shift,
  type ImpairmentOptions,
  impairment_set,
  WireEnd,
  type WirePort,
} from "./port.ts";

import {
  HW_WIRE_CORRUPTED,
  HW_WIRE_DUPLICATED,
  HW_WIRE_LOST,
  HW_WIRE_NO_LINK,
  HW_WIRE_QUEUE_FULL,
  HW_WIRE_REORDERED,
} from "./trace.ts";

/** Frames that may be under way on a cable that has delay but no rate: a bound on memory, not a model. */
const UNPACED_FLIGHT_LIMIT = 65536;
const DEFAULT_QUEUE_LIMIT = 1000;

export interface WireOptions {
  /** Bits per second; 0 or absent: infinitely fast. */
  rate?: number;
  /** One-way propagation delay. */
  delay_ns?: number;
  duplex?: "full" | "half";
  /** Frames waiting for the transmitter, per direction. */
  queue_limit?: number;
  seed?: number;
  /** From plugging in (or a change of abilities) to link. */
  autoneg_ns?: number;
  /** Both directions; impairment_set() on an end sets one. */
  impair?: ImpairmentOptions;
}

export type WireTap = (f: Frame, side: number, at_ns: number) => void;

export class Wire {
  readonly clock: HwClock;
  /** Configured; what the link uses is in the ends. */
  rate: number;
  delay_ns: number;
  half: boolean;
  autoneg_ns: number;
  readonly ends: readonly [WireEnd, WireEnd];
  /** Exists while the link is half duplex. */
  segment: CsmaSegment | null = null;
  readonly link_timer: HwTimer;
  /** Sees each frame as its transmission begins (half duplex: ends), before the cable does anything to it. */
  tap: WireTap | null = null;
  readonly seed: number;

  constructor(clock: HwClock, o: WireOptions = {}) {
    this.clock = clock;
    this.rate = o.rate ?? 0;
    this.delay_ns = Math.round(o.delay_ns ?? 0);
    this.half = o.duplex === "half";
    this.autoneg_ns = o.autoneg_ns ?? 0;
    this.seed = o.seed ?? 0;
    const a = new WireEnd(clock, this, 0, this.seed, 0, wire_arrival, wire_tx_room);
    const b = new WireEnd(clock, this, 1, this.seed, 1, wire_arrival, wire_tx_room);
    a.peer = b;
    b.peer = a;
    this.ends = [a, b];
    this.link_timer = new HwTimer(() => wire_link_evaluate(this));
    for (const end of this.ends) {
      end.link_timer = this.link_timer;
      end.autoneg_ns = this.autoneg_ns;
      end.queue_limit = o.queue_limit ?? DEFAULT_QUEUE_LIMIT;
      if (o.impair) impairment_set(end.impair, o.impair);
    }
  }
}

/** Plugs a port into side 0 or 1. The link comes up once both sides are plugged in and willing. */
export function wire_attach(w: Wire, side: 0 | 1, port: WirePort): WireEnd {
  const end = w.ends[side];
  if (end.port !== null) wire_detach(w, side);
  end.port = port;
  port.wire_plug(end);
  wire_renegotiate(end);
  return end;
}

/** Pulls the cable: both ports lose the link at once, frames under way are lost. */
export function wire_detach(w: Wire, side: 0 | 1): void {
  const end = w.ends[side];
  const port = end.port;
  if (port === null) return;
  end.port = null;
  wire_link_evaluate(w);
  port.wire_plug(null);
}

/** A port's abilities changed: the link is worked out anew. */
export function wire_renegotiate(end: WireEnd): void {
  if (end.link_timer !== null) hw_arm(end.clock, end.link_timer, end.clock.now + end.autoneg_ns);
}

/** Where negotiating takes no time, what is under way is done at once, not with the next event. */
export function wire_settle(end: WireEnd): void {
  const timer = end.link_timer;
  if (timer === null || timer.index < 0 || end.autoneg_ns !== 0) return;
  end.clock.cancel(timer);
  timer.fn(timer.arg);
}

/** Changes rate, delay or duplex of a cable in use; what is under way keeps its times unless the duplex changes. */
export function wire_set(w: Wire, o: Pick<WireOptions, "rate" | "delay_ns" | "duplex" | "queue_limit">): void {
  if (o.rate !== undefined) w.rate = o.rate;
  if (o.delay_ns !== undefined) w.delay_ns = Math.round(o.delay_ns);
  if (o.duplex !== undefined) w.half = o.duplex === "half";
  if (o.queue_limit !== undefined) for (const end of w.ends) end.queue_limit = o.queue_limit;
  wire_link_evaluate(w);
}

const RATES: readonly (readonly [bit: number, mbps: number, full: boolean])[] = [
  [ABLE_1000_FULL, 1000, true],
  [ABLE_100_FULL, 100, true],
  [ABLE_100_HALF, 100, false],
  [ABLE_10_FULL, 10, true],
  [ABLE_10_HALF, 10, false],
];

/** The best mode in `able`, given the cable: [mbps, full duplex], or null. */
export function wire_best_mode(able: number, half: boolean, rate: number): readonly [number, boolean] | null {
  if (able === 0) {
    const mbps = rate > 0 ? Math.max(1, Math.round(rate / 1e6)) : half ? 100 : 1000;
    return [mbps, !half];
  }
  // A slow cable carries no fast mode; a cable of, say, 5 Mbit/s carries the slowest.
  const cap = rate > 0 ? Math.max(10, rate / 1e6) : Infinity;
  for (const [bit, mbps, full] of RATES) {
    if (able & bit && mbps <= cap && !(half && full)) return [mbps, full];
  }
  // DIFF: no duplex mismatch. A port that only does full duplex on a half duplex cable gets half duplex.
  return able & ABLE_10_FULL || able & ABLE_100_FULL ? [able & ABLE_100_FULL && cap >= 100 ? 100 : 10, !half] : null;
}

function wire_link_evaluate(w: Wire): void {
  const [a, b] = w.ends;
  let mode: readonly [number, boolean] | null = null;
  let negotiated = false;
  if (a.port !== null && b.port !== null) {
    const x = a.port.wire_abilities();
    const y = b.port.wire_abilities();
    const common = x === 0 ? y : y === 0 ? x : x & y;
    if (x !== ABLE_OFF && y !== ABLE_OFF && (common !== 0 || (x === 0 && y === 0))) {
      mode = wire_best_mode(common, w.half, w.rate);
      negotiated = common !== 0;
    }
  }
  w.clock.cancel(w.link_timer);
  const up = mode !== null;
  const mbps = mode === null ? 0 : mode[0];
  const full = mode === null ? true : mode[1];
  const changed = up !== a.up || mbps !== a.mbps || full !== a.full;
  if (changed) for (const end of w.ends) wire_flush(end);
  let rate = w.rate;
  if (up && negotiated && mbps < 1000) rate = rate > 0 ? Math.min(rate, mbps * 1e6) : mbps * 1e6;
  if (up && !full && rate === 0) rate = mbps * 1e6;
  for (const end of w.ends) {
    end.up = up;
    end.mbps = mbps;
    end.full = full;
    end.ns_per_byte = rate > 0 ? 8e9 / rate : 0;
    end.delay_ns = w.delay_ns;
  }
  if (up && !full) {
    if (w.segment === null || w.segment.rate !== rate || w.segment.delay_ns !== w.delay_ns) {
      for (const end of w.ends) if (end.station !== null) csma_detach(end.station);
      w.segment = new CsmaSegment(w.clock, rate, w.delay_ns, wire_launch);
      for (const end of w.ends) csma_attach(w.segment, end);
    }
  } else if (w.segment !== null) {
    for (const end of w.ends) if (end.station !== null) csma_detach(end.station);
    w.segment = null;
  }
  if (!changed) return;
  for (const end of w.ends) end.port?.wire_link(end);
}

/** A frame ends on the cable. */
function wire_lose(end: WireEnd, f: Frame, what: number): void {
  if (end.trace !== null) end.trace(end, what, f);
  frame_put(f);
}

/** Frames that were under way are gone with the link. */
function wire_flush(end: WireEnd): void {
  const clock = end.clock;
  clock.cancel(end.rx_timer);
  clock.cancel(end.wake_timer);
  while (end.flight.count > 0) {
    end.stats.no_link++;
    wire_lose(end, flight_shift(end.flight), HW_WIRE_NO_LINK);
  }
  end.txq_count = 0;
  end.backlog_bytes = 0;
  end.free_at = 0;
  end.last_arrive = 0;
  end.want_wake = false;
}

/** Forgets the frames whose last bit has left. */
function wire_depart(end: WireEnd): void {
  const now = end.clock.now;
  const mask = end.txq_done.length - 1;
  while (end.txq_count > 0 && end.txq_done[end.txq_head] <= now) {
    end.backlog_bytes -= end.txq_bytes[end.txq_head];
    end.txq_head = (end.txq_head + 1) & mask;
    end.txq_count--;
  }
}

function wire_txq_push(end: WireEnd, done: number, bytes: number): void {
  const n = end.txq_done.length;
  if (end.txq_count === n) {
    const d = new Float64Array(n * 2);
    const b = new Int32Array(n * 2);
    for (let k = 0; k < n; k++) {
      const i = (end.txq_head + k) & (n - 1);
      d[k] = end.txq_done[i];
      b[k] = end.txq_bytes[i];
    }
    end.txq_done = d;
    end.txq_bytes = b;
    end.txq_head = 0;
  }
  const i = (end.txq_head + end.txq_count++) & (end.txq_done.length - 1);
  end.txq_done[i] = done;
  end.txq_bytes[i] = bytes;
  end.backlog_bytes += bytes;
}

/** Hands over a frame and its reference. False: dropped and counted, for want of a link or of room in the queue. */
export function wire_send(end: WireEnd, f: Frame): boolean {
  if (!end.up) {
    end.stats.no_link++;
    wire_lose(end, f, HW_WIRE_NO_LINK);
    return false;
  }
  if (f.len < ETH_ZLEN) {
    if (f.refs > 1) {
      const c = frame_copy(f);
      frame_put(f);
      if (c === null) {
        end.stats.queue_drops++;
        return false;
      }
      f = c;
    }
    frame_pad(f);
  }
  if (end.station !== null) return csma_send(end.station, f);
  const w = end.wire!;
  const now = w.clock.now;
  let start = now;
  let done = now;
  if (end.ns_per_byte > 0) {
    wire_depart(end);
    if (end.txq_count >= end.queue_limit) {
      end.stats.queue_drops++;
      wire_lose(end, f, HW_WIRE_QUEUE_FULL);
      return false;
    }
    const bytes = frame_wire_bytes(f);
    if (end.free_at > now) start = end.free_at;
    done = end.free_at = start + bytes * end.ns_per_byte;
    wire_txq_push(end, done, bytes);
  } else if (end.flight.count >= (end.delay_ns > 0 ? UNPACED_FLIGHT_LIMIT : end.queue_limit)) {
    end.stats.queue_drops++;
    wire_lose(end, f, HW_WIRE_QUEUE_FULL);
    return false;
  }
  end.stats.frames++;
  end.stats.bytes += f.len;
  if (w.tap !== null) w.tap(f, end.side, Math.round(start));
  end.launch_arrive = Math.round(done) + end.delay_ns;
  wire_launch(end, f);
  return true;
}

/**
 * The frame leaves the transmitter and would arrive at `end.launch_arrive`: the medium does its worst, and what remains is
 * on its way.
 */
export function wire_launch(end: WireEnd, f: Frame): void {
  const im = end.impair;
  let arrive = end.launch_arrive;
  let held = false;
  if (im.active) {
    const p = im.prng;
    if (im.loss > 0 && prng_chance(p, im.loss)) {
      end.stats.lost++;
      wire_lose(end, f, HW_WIRE_LOST);
      return;
    }
    if (im.corrupt > 0 && prng_chance(p, im.corrupt)) f = wire_corrupt(end, f);
    if (im.jitter_ns > 0) arrive += prng_below(p, im.jitter_ns + 1);
    if (im.reorder > 0 && prng_chance(p, im.reorder)) {
      end.stats.reordered++;
      if (end.trace !== null) end.trace(end, HW_WIRE_REORDERED, f);
      arrive += im.reorder_ns;
      held = true;
    }
    if (!held) {
      if (arrive < end.last_arrive) arrive = end.last_arrive;
      end.last_arrive = arrive;
    }
    if (im.duplicate > 0 && prng_chance(p, im.duplicate)) {
      end.stats.duplicated++;
      if (end.trace !== null) end.trace(end, HW_WIRE_DUPLICATED, f);
      flight_insert(end.flight, frame_get(f), arrive);
    }
  }
  flight_insert(end.flight, f, arrive);
  const t = end.rx_timer;
  if (t.index < 0 || t.expires > arrive) {
    t.when = arrive;
    end.clock.arm(t);
  }
}

function wire_corrupt(end: WireEnd, f: Frame): Frame {
  const bit = prng_below(end.impair.prng, (f.len + ETH_FCS_LEN) * 8);
  if (f.refs > 1) {
    const c = frame_copy(f);
    if (c === null) return f;
    frame_put(f);
    f = c;
  }
  frame_flip_bit(f, bit);
  end.stats.corrupted++;
  if (end.trace !== null) end.trace(end, HW_WIRE_CORRUPTED, f);
  return f;
}

/** Frames have reached the other end. */
export function wire_arrival(end: WireEnd): void {
  const q = end.flight;
  const st = end.station;
  const clock = end.clock;
  const now = clock.now;
  // Only what is due now: a receiver that answers at once must not keep this loop going.
  let due = 0;
  const mask = q.frames.length - 1;
  while (due < q.count && q.times[(q.head + due) & mask] <= now) due++;
  while (due > 0 && q.count > 0) {
    const f = flight_shift(q);
    due--;
    if (st !== null) {
      for (const o of st.seg.stations) {
        if (o !== st && o.end.port !== null) o.end.port.wire_rx(frame_get(f), due > 0);
      }
      frame_put(f);
    } else {
      const port = end.peer!.port;
      if (port !== null) port.wire_rx(f, due > 0);
      else {
        end.stats.no_link++;
        wire_lose(end, f, HW_WIRE_NO_LINK);
      }
    }
  }
  if (q.count > 0) {
    const next = q.times[q.head];
    const t = end.rx_timer;
    if (t.index < 0 || t.expires > next) {
      t.when = next;
      clock.arm(t);
    }
  }
  if (end.want_wake && st === null && end.ns_per_byte === 0 && q.count <= end.queue_limit >> 1) wire_tx_room(end);
}

export function wire_tx_room(end: WireEnd): void {
  end.want_wake = false;
  end.port?.wire_tx_wake();
}

/**
 * Whether a sender that can wait may send one more frame: the queue towards the wire holds less than `fifo_bytes`. After
 * a false, wire_tx_wake comes when half of that has drained; without a link, when wire_link says that there is one.
 */
export function wire_room(end: WireEnd, fifo_bytes: number): boolean {
  if (!end.up) return false;
  if (end.station !== null) return csma_room(end.station, fifo_bytes);
  if (end.ns_per_byte === 0) {
    if (end.flight.count < (end.delay_ns > 0 ? UNPACED_FLIGHT_LIMIT : end.queue_limit)) return true;
    end.want_wake = true;
    return false;
  }
  if (end.backlog_bytes < fifo_bytes && end.txq_count < end.queue_limit) return true;
  const clock = end.clock;
  wire_depart(end);
  if (end.backlog_bytes < fifo_bytes && end.txq_count < end.queue_limit) return true;
  if (end.wake_timer.index < 0) {
    const mask = end.txq_done.length - 1;
    let left = end.backlog_bytes;
    let i = 0;
    let done = 0;
    while (i < end.txq_count && (left * 2 > fifo_bytes || (end.txq_count - i) * 2 > end.queue_limit)) {
      const k = (end.txq_head + i++) & mask;
      left -= end.txq_bytes[k];
      done = end.txq_done[k];
    }
    hw_arm(clock, end.wake_timer, Math.ceil(done));
  }
  return false;
}
