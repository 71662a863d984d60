// Two machines on one cable in virtual time, with a shell on each.

import assert from "node:assert/strict";
import { type Machine, TextCollector } from "../../../../src/api/machine.ts";
import { createWorld, type World } from "../../../../src/api/world.ts";
import { live_counts } from "../../../../src/kernel/kernel.ts";
import type { Program } from "../../../../src/uapi/sys.ts";

export class TwoHosts {
  readonly world: World;
  readonly a: Machine;
  readonly b: Machine;

  constructor(options: { seed?: number; cpus?: number; rate?: number } = {}) {
    this.world = createWorld({ seed: options.seed ?? 1 });
    this.a = this.machine("a", options.cpus ?? 1);
    this.b = this.machine("b", options.cpus ?? 1);
    const na = this.a.addNic(Uint8Array.of(2, 0, 0, 0, 0, 1));
    const nb = this.b.addNic(Uint8Array.of(2, 0, 0, 0, 0, 2));
    this.world.connect(na, nb);
    this.sh(this.a, "ip link set lo up; ip addr add 10.0.0.1/24 dev eth0; ip link set eth0 up");
    this.sh(this.b, "ip link set lo up; ip addr add 10.0.0.2/24 dev eth0; ip link set eth0 up");
    this.world.run(5e9);
  }

  private machine(hostname: string, cpus: number): Machine {
    const m = this.world.createMachine({ hostname, cpus, debug: true });
    m.kernel.on_bug = (error) => {
      throw error;
    };
    return m;
  }

  /** What a command prints, on both streams. */
  sh(m: Machine, command: string): string {
    const out = new TextCollector();
    const p = m.exec(command, { stdout: out.push, stderr: out.push });
    this.world.wait(p, 600e9);
    return out.text();
  }

  /** Runs a program to its end; returns its status. */
  program(m: Machine, fn: Program): number {
    return this.world.wait(m.spawn(fn, ["test"]), 600e9);
  }

  close(): void {
    for (const m of [this.a, this.b]) {
      m.poweroff();
      const { dsts: _dsts, neighbours: _neighbours, ...rest } = live_counts(m.kernel);
      for (const [name, n] of Object.entries(rest)) assert.equal(n, 0, `${m.hostname}: ${name}`);
      assert.deepEqual(m.kernel.bugs, []);
    }
  }
}
