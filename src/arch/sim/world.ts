// Virtual time: one event queue for all machines and cables of a world, a seed, and the Host each machine gets.
// Read first: docs/architecture.md, "Virtual time". Way in: new SimWorld({seed}), sim_host(world, name), world.run().

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
import { Prng, prng_u32 } from "../../lib/prng.ts";
import type { Host, Slab } from "../host.ts";
import { type SlabSource, slab_source } from "../slab.ts";

export interface SimOptions {
  /** Same seed, same trace. Default 1. */
  seed?: number;
  /** Wall clock at time zero, ms since 1970. Default 2026-01-01 00:00:00 UTC. */
  epoch_ms?: number;
}

/** What happens at one time on behalf of the core: a macrotask of post(). */
class Posted {
  readonly timer: HwTimer;
  fn: (() => void) | null = null;
  constructor(world: SimWorld) {
    this.timer = new HwTimer(() => {
      const fn = this.fn!;
      this.fn = null;
      world.posted_free.push(this);
      fn();
    });
  }
}

export class SimWorld implements HwClock {
  readonly queue: HwEventQueue = new HwEventQueue();
  /** Present virtual time, ns. */
  now = 0.5;
  readonly seed: number;
  readonly epoch_ms: number;
  readonly dma: DmaSpace = new DmaSpace();
  readonly frames: FramePool;
  readonly slabs: SlabSource;
  hosts = 0;
  /** Events run so far. */
  events = 0;
  readonly posted_free: Posted[] = [];

  constructor(options: SimOptions = {}) {
    this.now = 0;
    this.seed = options.seed ?? 1;
    this.epoch_ms = options.epoch_ms ?? 1_767_225_600_000;
    this.slabs = slab_source((memory) => this.dma.add_slab(memory));
    this.frames = new FramePool((bytes) => this.alloc_slab(bytes));
  }

  alloc_slab(bytes: number): Slab {
    return this.slabs(bytes);
  }

  arm(t: HwTimer): void {
    if (t.when < this.now) t.when = this.now;
    hw_event_arm(this.queue, t);
  }
  cancel(t: HwTimer): void {
    hw_event_cancel(this.queue, t);
  }

  post(fn: () => void): void {
    const p = this.posted_free.pop() ?? new Posted(this);
    p.fn = fn;
    hw_arm(this, p.timer, this.now);
  }

  /** Runs the next event. False when there is none at or before `until`. */
  step(until: number): boolean {
    const next = hw_event_next(this.queue);
    if (next > until || next === Number.POSITIVE_INFINITY) return false;
    const t = hw_event_pop(this.queue)!;
    if (t.expires > this.now) this.now = t.expires;
    this.events++;
    t.fn(t.arg);
    return true;
  }

  /** Runs all events up to `until` (ns); the clock ends there. */
  run(until: number): void {
    while (this.step(until));
    if (until !== Number.POSITIVE_INFINITY && until > this.now) this.now = until;
  }

  /** Runs until `done()` says so. False when `limit_ns` or the end of all events came first. */
  run_until(done: () => boolean, limit_ns: number = Number.POSITIVE_INFINITY): boolean {
    while (!done()) if (!this.step(limit_ns)) return done();
    return true;
  }
}

/** The Host of one machine: its own random stream, so that another machine's draws do not change its own. */
export function sim_host(world: SimWorld): Host {
  const prng = new Prng(world.seed, 1000 + world.hosts++);
  let fire: () => void = () => {};
  const event = new HwTimer(() => fire());
  return {
    virtual_time: true,
    monotonic_ns: () => world.now,
    realtime_ms: () => world.epoch_ms + world.now / 1e6,
    set_next_event(abs_ns, fn) {
      fire = fn;
      if (abs_ns === Number.POSITIVE_INFINITY) world.cancel(event);
      else {
        event.when = abs_ns;
        world.arm(event);
      }
    },
    post: (fn) => world.post(fn),
    random_bytes(into) {
      for (let i = 0; i < into.length; i += 4) {
        const r = prng_u32(prng);
        for (let j = 0; j < 4 && i + j < into.length; j++) into[i + j] = (r >>> (8 * j)) & 0xff;
      }
    },
    alloc_slab: (bytes) => world.alloc_slab(bytes),
  };
}
