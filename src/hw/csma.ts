// A shared medium at half duplex: carrier sense, collisions, jam, truncated binary exponential backoff.
// Read first: IEEE 802.3 section 4.2.3.2. Way in: csma_attach, csma_send; a half duplex Wire and a Hub sit on top.
import { prng_below } from "../lib/prng.ts";
import { type HwClock, HwTimer, hw_arm } from "./clock.ts";
import { ETH_FCS_LEN, type Frame, frame_copy, frame_flip_bit, frame_put } from "./frame.ts";
import {
  FlightQueue,
  flight_insert,
  flight_shift,
  TX_EV_COLLISION,
  TX_EV_DEFER,
  TX_EV_EXCESSIVE,
  TX_EV_LATE,
  TX_EV_MULTIPLE,
  TX_EV_SINGLE,
  type WireEnd,
} from "./port.ts";
import {
  HW_WIRE_COLLISION,
  HW_WIRE_CORRUPTED,
  HW_WIRE_EXCESSIVE_COLLISIONS,
  HW_WIRE_LATE_COLLISION,
  HW_WIRE_QUEUE_FULL,
} from "./trace.ts";
import type { WireTap } from "./wire.ts";

/** In bit times, for 10 and 100 Mbit/s. */
const SLOT_TIME = 512;
const INTER_FRAME_GAP = 96;
const JAM = 32;
const PREAMBLE = 64;
/** From the carrier's arrival to the MAC knowing it: two stations that start within it collide even on a short cable. */
const SENSE = 16;
const ATTEMPT_LIMIT = 16;
const BACKOFF_LIMIT = 10;

const IDLE = 0;
const DEFER = 1;
const TRANSMIT = 2;
const JAMMING = 3;
const BACKOFF = 4;

export class CsmaStation {
  readonly seg: CsmaSegment;
  readonly end: WireEnd;
  readonly queue = new FlightQueue();
  queue_bytes = 0;
  cur: Frame | null = null;
  attempts = 0;
  state = IDLE;
  deferred = false;
  /** The other signal came after this station was done: it never knew, but the frame is destroyed. */
  damaged = false;
  /** When it began and ended (or will end) its latest transmission. */
  tx_start = -Infinity;
  tx_stop = -Infinity;
  late = false;
  readonly timer: HwTimer;

  constructor(seg: CsmaSegment, end: WireEnd) {
    this.seg = seg;
    this.end = end;
    this.timer = new HwTimer(() => csma_timer(this));
  }
}

type Launch = (end: WireEnd, f: Frame) => void;

export class CsmaSegment {
  readonly clock: HwClock;
  readonly rate: number;
  /** Between any two stations. */
  readonly delay_ns: number;
  readonly bit_ns: number;
  readonly stations: CsmaStation[] = [];
  readonly launch: Launch;
  tap: WireTap | null = null;
  /** Collisions on the medium, each counted once. */
  collisions = 0;

  constructor(clock: HwClock, rate: number, delay_ns: number, launch: Launch) {
    this.clock = clock;
    this.rate = rate;
    this.delay_ns = delay_ns;
    this.bit_ns = 1e9 / rate;
    this.launch = launch;
  }
}

export function csma_attach(seg: CsmaSegment, end: WireEnd): CsmaStation {
  const st = new CsmaStation(seg, end);
  end.station = st;
  seg.stations.push(st);
  return st;
}

export function csma_detach(st: CsmaStation): void {
  const seg = st.seg;
  seg.clock.cancel(st.timer);
  seg.clock.cancel(st.end.rx_timer);
  if (st.cur !== null) {
    st.end.stats.no_link++;
    frame_put(st.cur);
    st.cur = null;
  }
  for (const q of [st.queue, st.end.flight]) {
    while (q.count > 0) {
      st.end.stats.no_link++;
      frame_put(flight_shift(q));
    }
  }
  st.queue_bytes = 0;
  st.state = IDLE;
  st.tx_stop = Math.min(st.tx_stop, seg.clock.now);
  seg.stations.splice(seg.stations.indexOf(st), 1);
  if (st.end.station === st) st.end.station = null;
}

export function csma_send(st: CsmaStation, f: Frame): boolean {
  if (st.queue.count >= st.end.queue_limit) {
    st.end.stats.queue_drops++;
    if (st.end.trace !== null) st.end.trace(st.end, HW_WIRE_QUEUE_FULL, f);
    frame_put(f);
    return false;
  }
  flight_insert(st.queue, f, 0);
  st.queue_bytes += f.len;
  if (st.state === IDLE) csma_next(st);
  return true;
}

export function csma_room(st: CsmaStation, fifo_bytes: number): boolean {
  if (st.queue_bytes < fifo_bytes && st.queue.count < st.end.queue_limit) return true;
  st.end.want_wake = true;
  return false;
}

function csma_timer(st: CsmaStation): void {
  if (st.state === TRANSMIT) csma_sent(st);
  else if (st.state === JAMMING) csma_collided(st);
  else csma_try(st);
}

function csma_next(st: CsmaStation): void {
  if (st.cur === null) {
    if (st.queue.count === 0) {
      st.state = IDLE;
      return;
    }
    st.cur = flight_shift(st.queue);
    st.queue_bytes -= st.cur.len;
    st.attempts = 0;
    st.deferred = false;
  }
  csma_try(st);
  const end = st.end;
  if (end.want_wake && st.queue.count * 2 <= end.queue_limit) {
    end.want_wake = false;
    end.port?.wire_tx_wake();
  }
}

function csma_try(st: CsmaStation): void {
  const seg = st.seg;
  const now = seg.clock.now;
  const gap = INTER_FRAME_GAP * seg.bit_ns;
  const blind = seg.delay_ns + SENSE * seg.bit_ns;
  let free = st.tx_stop + gap;
  for (const o of seg.stations) {
    if (o !== st && o.tx_start + blind <= now) free = Math.max(free, o.tx_stop + seg.delay_ns + gap);
  }
  if (free > now) {
    st.state = DEFER;
    if (!st.deferred) {
      st.deferred = true;
      st.end.stats.deferred++;
      st.end.port?.wire_tx_event(TX_EV_DEFER);
    }
    hw_arm(seg.clock, st.timer, Math.ceil(free));
    return;
  }
  st.state = TRANSMIT;
  st.attempts++;
  st.late = false;
  st.damaged = false;
  st.tx_start = now;
  st.tx_stop = now + ((st.cur!.len + ETH_FCS_LEN) * 8 + PREAMBLE) * seg.bit_ns;
  hw_arm(seg.clock, st.timer, Math.ceil(st.tx_stop));
  let hit = false;
  for (const o of seg.stations) {
    if (o === st || o.tx_start + blind <= now || o.tx_stop <= now - seg.delay_ns) continue;
    csma_collide(st, Math.max(now, o.tx_start + seg.delay_ns));
    csma_collide(o, now + seg.delay_ns);
    hit = true;
  }
  if (!hit) return;
  seg.collisions++;
  // The medium falls silent sooner than the deferring stations had reckoned.
  for (const o of seg.stations) if (o.state === DEFER) hw_arm(seg.clock, o.timer, now);
}

/** At `detect` the station notices another signal, jams and stops. */
function csma_collide(st: CsmaStation, detect: number): void {
  const seg = st.seg;
  if (st.state !== TRANSMIT) {
    if (st.state !== JAMMING) return;
  } else if (detect >= st.tx_stop) {
    st.damaged = true;
    return;
  }
  const stop = Math.max(detect, st.tx_start + PREAMBLE * seg.bit_ns) + JAM * seg.bit_ns;
  if (st.state === JAMMING && stop >= st.tx_stop) return;
  st.late = detect - st.tx_start > (SLOT_TIME + PREAMBLE) * seg.bit_ns;
  st.state = JAMMING;
  st.tx_stop = stop;
  hw_arm(seg.clock, st.timer, Math.ceil(stop));
}

function csma_collided(st: CsmaStation): void {
  const seg = st.seg;
  const end = st.end;
  end.stats.collisions++;
  end.port?.wire_tx_event(TX_EV_COLLISION);
  if (end.trace !== null) end.trace(end, HW_WIRE_COLLISION, st.cur!);
  if (st.late || st.attempts >= ATTEMPT_LIMIT) {
    if (st.late) end.stats.late_collisions++;
    else end.stats.excessive_collisions++;
    end.port?.wire_tx_event(st.late ? TX_EV_LATE : TX_EV_EXCESSIVE);
    if (end.trace !== null) end.trace(end, st.late ? HW_WIRE_LATE_COLLISION : HW_WIRE_EXCESSIVE_COLLISIONS, st.cur!);
    csma_done(st);
    return;
  }
  st.state = BACKOFF;
  const slots = prng_below(end.impair.prng, 2 ** Math.min(st.attempts, BACKOFF_LIMIT));
  hw_arm(seg.clock, st.timer, Math.ceil(seg.clock.now + slots * SLOT_TIME * seg.bit_ns));
}

function csma_sent(st: CsmaStation): void {
  const seg = st.seg;
  const end = st.end;
  let f = st.cur!;
  end.stats.frames++;
  end.stats.bytes += f.len;
  if (st.attempts > 1) end.port?.wire_tx_event(st.attempts === 2 ? TX_EV_SINGLE : TX_EV_MULTIPLE);
  const tap = end.wire !== null ? end.wire.tap : seg.tap;
  if (tap !== null) tap(f, end.side, Math.round(st.tx_start));
  if (st.damaged) {
    const c = f.refs > 1 ? frame_copy(f) : f;
    if (c !== null) {
      if (c !== f) frame_put(f);
      frame_flip_bit(c, prng_below(end.impair.prng, c.len * 8));
      end.stats.corrupted++;
      if (end.trace !== null) end.trace(end, HW_WIRE_CORRUPTED, c);
      f = c;
    }
  }
  st.cur = null;
  end.launch_arrive = Math.ceil(st.tx_stop) + seg.delay_ns;
  seg.launch(end, f);
  csma_done(st);
}

function csma_done(st: CsmaStation): void {
  if (st.cur !== null) {
    frame_put(st.cur);
    st.cur = null;
  }
  st.state = IDLE;
  csma_next(st);
}
