// A repeater with any number of ports: what comes in at one goes out at all others.
// Read first: hw/wire.ts. Way in: new Hub, hub_plug, hub_unplug.
import { type HwClock, HwTimer } from "./clock.ts";
import { CsmaSegment, csma_attach, csma_detach } from "./csma.ts";
import { type Frame, frame_get, frame_put } from "./frame.ts";
import { ABLE_OFF, impairment_set, WireEnd, type WirePort } from "./port.ts";
import {
  Wire,
  type WireOptions,
  wire_arrival,
  wire_attach,
  wire_best_mode,
  wire_detach,
  wire_launch,
  wire_renegotiate,
  wire_send,
  wire_tx_room,
} from "./wire.ts";

const HALF_DUPLEX_DEFAULT_RATE = 10e6;
const DEFAULT_QUEUE_LIMIT = 1000;

/**
 * `duplex: "half"` is the classic repeater: one collision domain of `rate` (10 Mbit/s unless given), `delay_ns` between any
 * two stations. Otherwise each port hangs on a full duplex cable with these options, and the hub stores and forwards.
 */
export class Hub {
  readonly clock: HwClock;
  readonly options: WireOptions;
  /** The collision domain; null for a hub of full duplex cables. Its `tap` sees every frame. */
  readonly segment: CsmaSegment | null = null;
  readonly ports: HubPort[] = [];
  next_stream = 0;

  constructor(clock: HwClock, options: WireOptions = {}) {
    this.clock = clock;
    this.options = options;
    if (options.duplex === "half") {
      const rate = options.rate || HALF_DUPLEX_DEFAULT_RATE;
      this.segment = new CsmaSegment(clock, rate, Math.round(options.delay_ns ?? 0), wire_launch);
    }
  }
}

/** One socket of a hub. `wire` is its cable when the hub is full duplex. */
export class HubPort implements WirePort {
  readonly hub: Hub;
  readonly port: WirePort;
  readonly wire: Wire | null;
  /** The user's end of the cable: statistics and impairments of what the user sends. */
  readonly end: WireEnd;
  /** The hub's end; null on a shared segment, where there is but one direction. */
  inner: WireEnd | null = null;

  constructor(hub: Hub, port: WirePort) {
    this.hub = hub;
    this.port = port;
    const stream = hub.next_stream++;
    const o = hub.options;
    if (hub.segment === null) {
      this.wire = new Wire(hub.clock, { ...o, seed: (o.seed ?? 0) + stream * 0x9e3779b1 });
      this.end = this.wire.ends[0];
    } else {
      this.wire = null;
      this.end = new WireEnd(hub.clock, null, stream, o.seed ?? 0, stream, wire_arrival, wire_tx_room);
      this.end.link_timer = new HwTimer(() => hub_link_evaluate(this));
      this.end.autoneg_ns = o.autoneg_ns ?? 0;
      this.end.queue_limit = o.queue_limit ?? DEFAULT_QUEUE_LIMIT;
      if (o.impair) impairment_set(this.end.impair, o.impair);
    }
  }

  wire_plug(end: WireEnd | null): void {
    this.inner = end;
  }
  wire_link(): void {}
  wire_rx(f: Frame, _more: boolean): void {
    for (const p of this.hub.ports) {
      if (p !== this && p.inner !== null) wire_send(p.inner, frame_get(f));
    }
    frame_put(f);
  }
  wire_tx_wake(): void {}
  wire_tx_event(): void {}
  wire_abilities(): number {
    return 0;
  }
}

export function hub_plug(hub: Hub, port: WirePort): HubPort {
  const hp = new HubPort(hub, port);
  hub.ports.push(hp);
  if (hp.wire !== null) {
    wire_attach(hp.wire, 1, hp);
    wire_attach(hp.wire, 0, port);
  } else {
    hp.end.port = port;
    port.wire_plug(hp.end);
    wire_renegotiate(hp.end);
  }
  return hp;
}

export function hub_unplug(hp: HubPort): void {
  const i = hp.hub.ports.indexOf(hp);
  if (i < 0) return;
  hp.hub.ports.splice(i, 1);
  if (hp.wire !== null) {
    wire_detach(hp.wire, 0);
    wire_detach(hp.wire, 1);
    return;
  }
  const end = hp.end;
  hp.hub.clock.cancel(end.link_timer!);
  if (end.station !== null) csma_detach(end.station);
  const was_up = end.up;
  end.up = false;
  end.port = null;
  if (was_up) hp.port.wire_link(end);
  hp.port.wire_plug(null);
}

/** The socket of a shared segment: up when the port can do half duplex at the segment's rate. */
function hub_link_evaluate(hp: HubPort): void {
  const end = hp.end;
  const seg = hp.hub.segment!;
  if (end.port === null) return;
  const able = end.port.wire_abilities();
  const mode = able === ABLE_OFF ? null : wire_best_mode(able, true, seg.rate);
  const up = mode !== null;
  if (up === end.up) return;
  end.up = up;
  end.mbps = mode === null ? 0 : mode[0];
  end.full = false;
  end.delay_ns = seg.delay_ns;
  if (up) csma_attach(seg, end);
  else if (end.station !== null) csma_detach(end.station);
  end.port.wire_link(end);
}
