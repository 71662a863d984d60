// Real time under Node: one event queue for machines and cables, driven by the event loop.
// Read first: arch/host.ts, hw/clock.ts. Way in: new NodePlatform(); host() for each machine.

import { randomFillSync } from "node:crypto";
import {
  type HwClock,
  HwEventQueue,
  HwTimer,
  hw_arm,
  hw_event_arm,
  hw_event_cancel,
  hw_event_next,
  hw_event_pop,
} from "../../hw/clock.ts";
import { DmaSpace } from "../../hw/dma.ts";
import { FramePool } from "../../hw/frame.ts";
import type { Host, Slab } from "../host.ts";
import { JsSlab, slab_source } from "../slab.ts";

/** Events that one turn may run before Node's own callbacks get theirs. */
const EVENTS_PER_TURN = 4096;
/** setTimeout cannot wait longer. */
const TIMEOUT_MAX_MS = 0x7fffffff;

export class NodePlatform implements HwClock {
  readonly clock: HwClock = this;
  readonly dma: DmaSpace = new DmaSpace();
  readonly frames: FramePool;
  private readonly queue: HwEventQueue = new HwEventQueue();
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
    this.slabs = slab_source((bytes, dma) => {
      const slab = new JsSlab(bytes, dma);
      this.dma.add_slab(slab);
      return slab;
    });
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

  /** Runs what is due now. Called by attachments after they handed in frames, so that those need not wait a turn. */
  pump(): void {
    if (this.pumping || this.stopped) return;
    this.pumping = true;
    try {
      let now = this.now;
      for (let i = 0; i < EVENTS_PER_TURN; i++) {
        if (hw_event_next(this.queue) > now) {
          now = this.now;
          if (hw_event_next(this.queue) > now) break;
        }
        const t = hw_event_pop(this.queue)!;
        t.fn(t.arg);
      }
    } finally {
      this.pumping = false;
    }
    this.schedule();
  }

  private schedule(): void {
    if (this.stopped || this.immediate !== null) return;
    const next = hw_event_next(this.queue);
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
        if (abs_ns === Number.POSITIVE_INFINITY) this.cancel(event);
        else hw_arm(this, event, abs_ns);
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
