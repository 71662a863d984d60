// Where a device meets a cable: WirePort is what the device offers, WireEnd is what it is given when it is plugged in.
// Read first: hw/frame.ts. Way in: a WirePort gets wire_plug(end), then sends with wire_send(end, frame) of hw/wire.ts.
import { Prng, prng_threshold } from "../lib/prng.ts";
import { type HwClock, HwTimer } from "./clock.ts";
import type { CsmaStation } from "./csma.ts";
import type { Frame } from "./frame.ts";
import type { WireTrace } from "./trace.ts";
import type { Wire } from "./wire.ts";

/** What a port can do (and, where it negotiates, advertises). 0 stands for anything the cable gives. */
export const ABLE_10_HALF = 1;
export const ABLE_10_FULL = 2;
export const ABLE_100_HALF = 4;
export const ABLE_100_FULL = 8;
export const ABLE_1000_FULL = 16;
/** The transceiver is off: no link. */
export const ABLE_OFF = -1;

/** What befell a transmission on a shared medium (IEEE 802.3 section 5.2.2.1). */
export const TX_EV_DEFER = 0;
export const TX_EV_COLLISION = 1;
/** Sent after exactly one collision; after several. */
export const TX_EV_SINGLE = 2;
export const TX_EV_MULTIPLE = 3;
/** Given up: a collision after the slot time; sixteen collisions. */
export const TX_EV_LATE = 4;
export const TX_EV_EXCESSIVE = 5;

/** What sits at the end of a cable: a NIC, a hub, a TAP of the host, a test. */
export interface WirePort {
  /** Plugged in, or with null pulled out. No link yet. */
  wire_plug(end: WireEnd | null): void;
  /** The link came, went, or changed: read `up`, `mbps` and `full` of the end. */
  wire_link(end: WireEnd): void;
  /** A frame, with one reference, whose last bit has arrived. `more`: another one follows in the same instant. */
  wire_rx(f: Frame, more: boolean): void;
  /** There is room again after wire_room said no. */
  wire_tx_wake(): void;
  /** One of TX_EV_…, half duplex only. */
  wire_tx_event(ev: number): void;
  /** A mask of ABLE_…, 0 for anything, or ABLE_OFF. */
  wire_abilities(): number;
}

/** Counted at the sending end, for its direction. */
class WireStats {
  frames = 0;
  bytes = 0;
  lost = 0;
  corrupted = 0;
  duplicated = 0;
  reordered = 0;
  queue_drops = 0;
  /** Sent without a link, or under way when it went. */
  no_link = 0;
  deferred = 0;
  collisions = 0;
  late_collisions = 0;
  excessive_collisions = 0;
}

/** Probabilities are 0 … 1, times in nanoseconds. */
export interface ImpairmentOptions {
  loss?: number;
  /** One flipped bit: the receiver sees a bad FCS. */
  corrupt?: number;
  duplicate?: number;
  /** Frames held back by `reorder_ns` while later ones pass. */
  reorder?: number;
  reorder_ns?: number;
  /** Uniform extra delay of 0 … jitter_ns that keeps the order. */
  jitter_ns?: number;
}

class Impairment {
  readonly prng: Prng;
  active = false;
  /** Thresholds out of 2^32. */
  loss = 0;
  corrupt = 0;
  duplicate = 0;
  reorder = 0;
  reorder_ns = 0;
  jitter_ns = 0;

  constructor(seed: number, stream: number) {
    this.prng = new Prng(seed, stream);
  }
}

export function impairment_set(im: Impairment, o: ImpairmentOptions): void {
  im.loss = prng_threshold(o.loss ?? 0);
  im.corrupt = prng_threshold(o.corrupt ?? 0);
  im.duplicate = prng_threshold(o.duplicate ?? 0);
  im.reorder = prng_threshold(o.reorder ?? 0);
  im.reorder_ns = Math.max(0, Math.round(o.reorder_ns ?? 0));
  im.jitter_ns = Math.max(0, Math.round(o.jitter_ns ?? 0));
  im.active = im.loss + im.corrupt + im.duplicate + im.reorder + im.jitter_ns > 0;
}

/** Frames under way, ordered by arrival; equal arrivals keep their order. A ring that grows and never shrinks. */
export class FlightQueue {
  frames: (Frame | null)[] = new Array(16).fill(null);
  times = new Float64Array(16);
  head = 0;
  count = 0;
}

export function flight_insert(q: FlightQueue, f: Frame, at: number): void {
  if (q.count === q.frames.length) flight_grow(q);
  const mask = q.frames.length - 1;
  let i = (q.head + q.count++) & mask;
  // Only a frame that was held back lies ahead with a later time, so this seldom moves anything.
  for (let k = q.count - 1; k > 0; k--) {
    const prev = (i - 1) & mask;
    if (q.times[prev] <= at) break;
    q.times[i] = q.times[prev];
    q.frames[i] = q.frames[prev];
    i = prev;
  }
  q.times[i] = at;
  q.frames[i] = f;
}

function flight_grow(q: FlightQueue): void {
  const n = q.frames.length;
  const frames: (Frame | null)[] = new Array(n * 2).fill(null);
  const times = new Float64Array(n * 2);
  for (let k = 0; k < q.count; k++) {
    const i = (q.head + k) & (n - 1);
    frames[k] = q.frames[i];
    times[k] = q.times[i];
  }
  q.frames = frames;
  q.times = times;
  q.head = 0;
}

/** The first frame; the queue must not be empty. */
export function flight_shift(q: FlightQueue): Frame {
  const f = q.frames[q.head]!;
  q.frames[q.head] = null;
  q.head = (q.head + 1) & (q.frames.length - 1);
  q.count--;
  return f;
}

/** One end of a cable: the state of the direction that leads away from it. */
export class WireEnd {
  /** Null for an end on a shared segment (hw/csma.ts). */
  readonly wire: Wire | null;
  readonly side: number;
  port: WirePort | null = null;
  peer: WireEnd | null = null;
  /** Set while the medium is half duplex. */
  station: CsmaStation | null = null;
  readonly stats = new WireStats();
  readonly impair: Impairment;
  readonly clock: HwClock;
  /** Works the link out; shared by both ends of a cable. */
  link_timer: HwTimer | null = null;
  autoneg_ns = 0;

  up = false;
  /** Speed the link came up with, as a NIC reports it. */
  mbps = 0;
  full = true;

  /** 0: no pacing, a frame is on its way as soon as it is sent. */
  ns_per_byte = 0;
  delay_ns = 0;
  queue_limit = 0;
  /** When the transmitter becomes free. Has a fraction; events round it. */
  free_at = 0;
  /** No frame that keeps its order may arrive before this. */
  last_arrive = 0;
  /** For wire_launch(): when the frame at hand would arrive. A field, because a number given to a call may be allocated. */
  launch_arrive = 0;
  /** Frames not yet wholly sent: end of transmission and size of each, a ring. */
  txq_done = new Float64Array(16);
  txq_bytes = new Int32Array(16);
  txq_head = 0;
  txq_count = 0;
  backlog_bytes = 0;
  want_wake = false;
  /** Set while somebody walks. */
  trace: WireTrace | null = null;
  readonly flight = new FlightQueue();
  readonly rx_timer: HwTimer;
  readonly wake_timer: HwTimer;

  constructor(
    clock: HwClock,
    wire: Wire | null,
    side: number,
    seed: number,
    stream: number,
    on_arrival: (end: WireEnd) => void,
    on_room: (end: WireEnd) => void,
  ) {
    this.clock = clock;
    this.wire = wire;
    this.side = side;
    this.impair = new Impairment(seed, stream);
    this.rx_timer = new HwTimer(() => on_arrival(this));
    this.wake_timer = new HwTimer(() => on_room(this));
  }
}
