// Virtual time for programs: a world, its machines and its cables. Way in: `createWorld({ seed })`.

import { SimWorld, sim_host } from "../arch/sim/world.ts";
import { HwTimer, hw_arm } from "../hw/clock.ts";
import type { WirePort } from "../hw/port.ts";
import { Wire, type WireOptions, wire_attach } from "../hw/wire.ts";
import { type Activity, newActivity } from "./loop.ts";
import { Machine, type MachineOptions, type Platform, type Process } from "./machine.ts";
import { macrotasks } from "./macrotask.ts";

export type Cable = Wire;

export interface PlayOptions {
  /**
   * Virtual nanoseconds per real one at most. Default: no limit, which is right when all that waits does so in the machines. A
   * program that also waits for Node's own timers, files or threads wants a limit: otherwise hours pass meanwhile.
   */
  speed?: number;
  /** The most that passes before Node looks at its own timers and files, ns. Default 10 ms. */
  quantum_ns?: number;
}

/** Joins two ports by a cable. `clock` is the world's or the platform's. */
export function connect(platform: Pick<Platform, "clock">, a: WirePort, b: WirePort, options: WireOptions = {}): Cable {
  const wire = new Wire(platform.clock, options);
  wire_attach(wire, 0, a);
  wire_attach(wire, 1, b);
  return wire;
}

/** `M`: the kind of machine that the world makes; Node's has the APIs of Node as well (node.ts). */
export class World<M extends Machine = Machine> {
  readonly sim: SimWorld;
  /** What JavaScript has to do before time may pass, and what would be waited for. */
  readonly activity: Activity = newActivity();
  private cables = 0;
  private quantum = 0;
  private speed = Number.POSITIVE_INFINITY;
  private turning = false;
  private readonly later: (fn: () => void) => void = macrotasks();
  /** Promises that until() waits for. */
  private waiting = 0;

  private readonly boot: (options: MachineOptions) => M;

  constructor(seed: number, boot: (options: MachineOptions) => M) {
    this.sim = new SimWorld({ seed });
    this.boot = boot;
  }

  /** Present virtual time, ns. */
  get now(): number {
    return this.sim.now;
  }

  /** What a machine of this world is made of; each call is another machine's. */
  platform(): Platform {
    return {
      host: sim_host(this.sim),
      clock: this.sim,
      dma: this.sim.dma,
      frames: this.sim.frames,
      activity: this.activity,
    };
  }

  createMachine(options: Omit<MachineOptions, "host">): M {
    return this.boot({ ...options, host: this.platform() });
  }

  /** A cable with impairments of its own random stream. */
  connect(a: WirePort, b: WirePort, options: WireOptions = {}): Cable {
    return connect({ clock: this.sim }, a, b, { seed: this.sim.seed * 65536 + ++this.cables, ...options });
  }

  /** Lets `ns` of virtual time pass. */
  run(ns: number): void {
    this.sim.run(this.sim.now + ns);
  }

  /** Lets time pass until the process has ended, at most `limit_ns`. Returns its exit code, -1 when it still runs. */
  wait(process: Process, limit_ns: number = Number.POSITIVE_INFINITY): number {
    this.sim.run_until(() => !process.running, this.sim.now + limit_ns);
    return process.exitCode;
  }

  /**
   * From now on time passes by itself whenever JavaScript has nothing to do: promises, events and callbacks of sockets run in
   * the instant they belong to. It stands still, and Node may exit, when no socket and no program that is ref'd is left.
   */
  play(options: PlayOptions = {}): this {
    this.quantum = options.quantum_ns ?? 10_000_000;
    this.speed = options.speed ?? Number.POSITIVE_INFINITY;
    this.activity.changed = () => this.turn();
    this.turn();
    return this;
  }

  pause(): void {
    this.quantum = 0;
    this.activity.changed = () => {};
  }

  /** Plays until `promise` is settled; rejects when `limit_ns` of virtual time have passed before. */
  async until<T>(promise: Promise<T>, limit_ns: number = Number.POSITIVE_INFINITY): Promise<T> {
    const paused = this.quantum === 0;
    const end = this.sim.now + limit_ns;
    if (paused) this.play();
    this.waiting++;
    this.turn();
    try {
      let timer: HwTimer | null = null;
      const late = new Promise<never>((_, fail) => {
        if (limit_ns === Number.POSITIVE_INFINITY) return;
        timer = new HwTimer(() => fail(new Error(`nothing came of it in ${limit_ns / 1e9} s of virtual time`)));
        hw_arm(this.sim, timer, end);
      });
      try {
        return await Promise.race([promise, late]);
      } finally {
        if (timer !== null) this.sim.cancel(timer);
      }
    } finally {
      this.waiting--;
      if (paused) this.pause();
    }
  }

  /** One turn of Node's event loop: what JavaScript has to do first, then events until it has something to do again. */
  private turn(): void {
    if (this.turning || this.quantum === 0) return;
    this.turning = true;
    let real = performance.now();
    const next = (): void => {
      const before = real;
      real = performance.now();
      if (this.quantum === 0 || (this.activity.refs === 0 && this.waiting === 0)) {
        this.turning = false;
        return;
      }
      const { sim, activity } = this;
      if (activity.pending > 0) {
        real = before;
        this.later(next);
        return;
      }
      const pace = (real - before) * 1e6 * this.speed;
      const end = sim.now + Math.min(this.quantum, Number.isNaN(pace) ? 0 : Math.round(pace));
      while (activity.pending === 0 && sim.step(end));
      // Nothing here before the end: an idle instant costs one turn, not one event each.
      if (activity.pending === 0 && sim.now < end) sim.run(end);
      if (this.speed === Number.POSITIVE_INFINITY || activity.pending > 0) this.later(next);
      else setTimeout(next, 1);
    };
    this.later(next);
  }
}

export function createWorld(options: { seed?: number } = {}): World {
  return new World(options.seed ?? 1, (o) => new Machine(o));
}
