// Real time under Node: one event queue for machines and cables, driven by the event loop.
// Read first: arch/host.ts, hw/clock.ts. Way in: new NodePlatform(); host() for each machine.

import { randomFillSync } from "node:crypto";
import {
  type HwClock,
  HwEventQueue,
  HwTimer,
  hw_event_arm,
  hw_event_cancel,
  hw_event_next,
  hw_event_pop,
} from "../../hw/clock.ts";
import { DmaSpace } from "../../hw/dma.ts";
import { FramePool } from "../../hw/frame.ts";
import type { Host, Slab } from "../host.ts";
import { slab_source } from "../slab.ts";
import type { Poller } from "./poller.ts";

/** Events that one turn may run before Node's own callbacks get theirs. */
const EVENTS_PER_TURN = 4096;
/** Hardware events that may go before a clock that is late: what came off a device must get through to the machine first. */
const EVENTS_BEFORE_CLOCK = 512;
/** setTimeout cannot wait longer. */
const TIMEOUT_MAX_MS = 0x7fffffff;

export class NodePlatform implements HwClock {
  readonly clock: HwClock = this;
  readonly dma: DmaSpace = new DmaSpace();
  readonly frames: FramePool;
  private readonly queue: HwEventQueue = new HwEventQueue();
  /** The machines' clock events. */
  private readonly clocks: HwEventQueue = new HwEventQueue();
  /** The attachments' thread, made with the first that needs it. */
  poller: Poller | null = null;
  private readonly intakes: Set<() => boolean> = new Set();
  private readonly slabs: (bytes: number) => Slab;
  private readonly start: number = performance.now();
  private timeout: NodeJS.Timeout | null = null;
  private immediate: NodeJS.Immediate | null = null;
  /** What the timeout is set for. */
  private timeout_ns: number = Number.POSITIVE_INFINITY;
  private pumping = false;
  /** Whether what is due keeps Node alive. */
  private holds = true;
  private stopped = false;

  constructor() {
    this.slabs = slab_source((memory) => this.dma.add_slab(memory));
    this.frames = new FramePool((bytes) => this.slabs(bytes));
  }

  get now(): number {
    return Math.round((performance.now() - this.start) * 1e6);
  }

  arm(t: HwTimer): void {
    hw_event_arm(this.queue, t);
    if (!this.pumping) this.schedule();
  }

  cancel(t: HwTimer): void {
    hw_event_cancel(this.queue, t);
  }

  /**
   * An attachment's way to hand in what waits for it, without blocking; true when there was something. Linux reads a card
   * in an interrupt, whatever runs; this program may be late, and an ACK that is there already must be seen before the timer
   * that takes it for lost. Returns what takes it back.
   */
  attach(intake: () => boolean): () => void {
    this.intakes.add(intake);
    return () => this.intakes.delete(intake);
  }

  private take_in(): boolean {
    let any = false;
    for (const intake of this.intakes) if (intake()) any = true;
    return any;
  }

  /** Runs what is due now. Called by attachments after they handed in frames, so that those need not wait a turn. */
  pump(): void {
    if (this.pumping || this.stopped) return;
    this.pumping = true;
    try {
      let now = this.now;
      // For the clock that is due next: did the attachments hand in what they had, and how much went before it since?
      let looked = false;
      let before = 0;
      for (let i = 0; i < EVENTS_PER_TURN && !this.stopped; i++) {
        const hw = hw_event_next(this.queue);
        const clock = hw_event_next(this.clocks);
        if (hw > now) {
          now = this.now;
          if (hw > now && clock > now) break;
        }
        if (hw <= now && (hw <= clock || before < EVENTS_BEFORE_CLOCK)) {
          if (clock <= now) before++;
          const t = hw_event_pop(this.queue)!;
          t.fn(t.arg);
          continue;
        }
        if (!looked) {
          looked = true;
          if (this.take_in()) continue;
        }
        looked = false;
        before = 0;
        const t = hw_event_pop(this.clocks)!;
        t.fn(t.arg);
      }
    } finally {
      this.pumping = false;
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.stopped || this.immediate !== null) return;
    const next = Math.min(hw_event_next(this.queue), hw_event_next(this.clocks));
    if (next === Number.POSITIVE_INFINITY) {
      if (this.timeout !== null) clearTimeout(this.timeout);
      this.timeout = null;
      this.timeout_ns = next;
      return;
    }
    const wait = next - this.now;
    // A timeout of 1 ms may be 1 ms early or late: what is closer than that spins through the event loop. Always ref'd: Node
    // sleeps although an unref'd immediate is due.
    if (wait <= 1_000_000) {
      this.immediate = setImmediate(() => {
        this.immediate = null;
        this.pump();
      });
      return;
    }
    if (this.timeout !== null && this.timeout_ns === next) return;
    if (this.timeout !== null) clearTimeout(this.timeout);
    this.timeout_ns = next;
    this.timeout = setTimeout(
      () => {
        this.timeout = null;
        this.timeout_ns = Number.POSITIVE_INFINITY;
        this.pump();
      },
      Math.min(TIMEOUT_MAX_MS, Math.max(1, Math.floor(wait / 1e6))),
    );
    if (!this.holds) this.timeout.unref();
  }

  /**
   * From now on what a machine has still to do (TIME_WAIT, ARP) does not keep Node alive, as a kernel's timers keep no process:
   * sockets and programs do (api/loop.ts).
   */
  background(): void {
    this.holds = false;
    this.timeout?.unref();
  }

  /** The Host of one machine. */
  host(): Host {
    let fire: () => void = () => {};
    const event = new HwTimer(() => fire());
    return {
      virtual_time: false,
      monotonic_ns: () => this.now,
      realtime_ms: () => performance.timeOrigin + performance.now(),
      set_next_event: (abs_ns, fn) => {
        fire = fn;
        hw_event_cancel(this.clocks, event);
        if (abs_ns === Number.POSITIVE_INFINITY) return;
        event.when = abs_ns;
        hw_event_arm(this.clocks, event);
        if (!this.pumping) this.schedule();
      },
      post: (fn) => {
        setImmediate(fn);
      },
      random_bytes: (into) => {
        randomFillSync(into);
      },
      alloc_slab: (bytes) => this.slabs(bytes),
    };
  }

  /** What createMachine() wants; each call is another machine's. */
  platform(): { host: Host; clock: HwClock; dma: DmaSpace; frames: FramePool; background(): void } {
    const background = (): void => this.background();
    return { host: this.host(), clock: this, dma: this.dma, frames: this.frames, background };
  }

  /** No event runs any more; Node may exit. */
  stop(): void {
    this.stopped = true;
    if (this.timeout !== null) clearTimeout(this.timeout);
    if (this.immediate !== null) clearImmediate(this.immediate);
  }
}
