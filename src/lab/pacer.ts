// Virtual time at the pace of the wall clock, for a person at a prompt: `ping` prints once a second. Never blocks for long.
// Way in: new Pacer(sim).start(); poke() after input.

import type { SimWorld } from "../arch/sim/world.ts";
import { hw_event_next } from "../hw/clock.ts";

/** Longest stretch of events without a look at the keyboard, ms. */
const SLICE_MS = 25;
const IDLE_MS = 200;

export class Pacer {
  private readonly sim: SimWorld;
  /** Called after each stretch: output can be shown. */
  private readonly onPause: () => void;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private wallZero = 0;
  private simZero = 0;
  private running = false;
  private stopped = true;

  constructor(sim: SimWorld, onPause: () => void) {
    this.sim = sim;
    this.onPause = onPause;
  }

  start(): void {
    this.stopped = false;
    this.anchor();
    this.tick();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }

  /** Lets what was just put into a machine run now. */
  poke(): void {
    if (this.running || this.stopped) return;
    clearTimeout(this.timer);
    this.tick();
  }

  private anchor(): void {
    this.wallZero = performance.now();
    this.simZero = this.sim.now;
  }

  private tick(): void {
    if (this.stopped) return;
    this.running = true;
    const began = performance.now();
    const target = this.simZero + Math.round((began - this.wallZero) * 1e6);
    let behind = false;
    for (let n = 1; this.sim.step(target); n++) {
      // A machine that computes more than real time allows falls behind; the prompt must not.
      if ((n & 63) === 0 && performance.now() - began > SLICE_MS) {
        behind = true;
        break;
      }
    }
    if (behind) this.anchor();
    else this.sim.run(target);
    this.running = false;
    this.onPause();
    if (this.stopped) return;
    const ahead = (hw_event_next(this.sim.queue) - this.sim.now) / 1e6;
    const delay = behind ? 0 : Math.max(1, Math.min(IDLE_MS, Number.isFinite(ahead) ? Math.ceil(ahead) : IDLE_MS));
    this.timer = setTimeout(() => this.tick(), delay);
  }
}
