// Virtual time for programs: a world, its machines and its cables. Way in: `createWorld({ seed })`.

import { SimWorld, sim_host } from "../arch/sim/world.ts";
import type { WirePort } from "../hw/port.ts";
import { Wire, type WireOptions, wire_attach } from "../hw/wire.ts";
import { Machine, type MachineOptions, type Platform, type Process } from "./machine.ts";

export type Cable = Wire;

/** Joins two ports by a cable. `clock` is the world's or the platform's. */
export function connect(platform: Pick<Platform, "clock">, a: WirePort, b: WirePort, options: WireOptions = {}): Cable {
  const wire = new Wire(platform.clock, options);
  wire_attach(wire, 0, a);
  wire_attach(wire, 1, b);
  return wire;
}

export class World {
  readonly sim: SimWorld;
  private cables = 0;

  constructor(seed: number) {
    this.sim = new SimWorld({ seed });
  }

  /** Present virtual time, ns. */
  get now(): number {
    return this.sim.now;
  }

  /** What a machine of this world is made of; each call is another machine's. */
  platform(): Platform {
    return { host: sim_host(this.sim), clock: this.sim, dma: this.sim.dma, frames: this.sim.frames };
  }

  createMachine(options: Omit<MachineOptions, "host">): Machine {
    return new Machine({ ...options, host: this.platform() });
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
}

export function createWorld(options: { seed?: number } = {}): World {
  return new World(options.seed ?? 1);
}
