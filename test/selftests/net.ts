// Machines, cables and commands for tests in virtual time. Way in: new TestNet(), machine(), cable(), sh(); end() checks for leaks.

import assert from "node:assert/strict";
import { createWorld, type Machine, type MachineOptions, type Program, type Sys } from "../../src/api/index.ts";
import { TextCollector } from "../../src/api/machine.ts";
import type { World } from "../../src/api/world.ts";
import type { I82576 } from "../../src/hw/82576.ts";
import { Hub, hub_plug } from "../../src/hw/hub.ts";
import type { Wire, WireOptions } from "../../src/hw/wire.ts";
import type { Blocking } from "../../src/uapi/sys.ts";
import { parse_snmp } from "../lib/kernel.ts";

export const MS = 1e6;
export const SEC = 1e9;

export interface Result {
  code: number;
  out: string;
  err: string;
}

/** A task that runs a generator in the test; `value` is what it returned. */
export interface Job<T> {
  readonly done: boolean;
  value: T;
  kill(): void;
}

export class TestNet {
  readonly world: World;
  readonly machines: Machine[] = [];
  private readonly cards: Map<Machine, I82576[]> = new Map();

  constructor(seed = 1) {
    this.world = createWorld({ seed });
  }

  /** A machine with `nics` cards, 02:00:00:00:MACHINE:CARD, not yet cabled. */
  machine(hostname: string, options: Omit<MachineOptions, "host" | "nics"> & { nics?: number } = {}): Machine {
    const { nics = 1, ...rest } = options;
    const m = this.world.createMachine({ hostname, debug: true, ...rest });
    this.machines.push(m);
    this.cards.set(m, []);
    for (let i = 0; i < nics; i++) this.card(m);
    this.ok(m, "ip link set lo up");
    return m;
  }

  /** Plugs one more card into a running machine. */
  card(m: Machine): I82576 {
    const cards = this.cards.get(m)!;
    const nic = m.addNic(Uint8Array.of(2, 0, 0, 0, this.machines.indexOf(m) + 1, cards.length));
    cards.push(nic);
    return nic;
  }

  /** A cable between cards; by default 1 Gbit/s. */
  cable(a: I82576, b: I82576, options: WireOptions = {}): Wire {
    return this.world.connect(a, b, { rate: 1e9, ...options });
  }

  /** A hub with these cards on it. */
  hub(cards: I82576[], options: WireOptions = {}): Hub {
    const hub = new Hub(this.world.sim, { rate: 1e9, seed: 77, ...options });
    for (const nic of cards) hub_plug(hub, nic);
    return hub;
  }

  /** Runs a shell command to its end. */
  sh(m: Machine, command: string, limit_ns = 600 * SEC, netns?: string): Result {
    const out = new TextCollector();
    const err = new TextCollector();
    const p = m.exec(command, { stdout: out.push, stderr: err.push, ...(netns !== undefined && { netns }) });
    const code = this.world.wait(p, limit_ns);
    assert.notEqual(code, -1, `"${command}" does not end`);
    return { code, out: out.text(), err: err.text() };
  }

  /** The same, and it must succeed; returns its output. */
  ok(m: Machine, command: string, netns?: string): string {
    const r = this.sh(m, command, 600 * SEC, netns);
    assert.equal(r.code, 0, `${m.hostname}: ${command}\n${r.out}${r.err}`);
    return r.out;
  }

  /** Starts a command that goes on; text() is what it has printed. */
  start(m: Machine, command: string, netns?: string): { text(): string; stop(signal?: number): void; code(): number } {
    const out = new TextCollector();
    const p = m.exec(command, { stdout: out.push, ...(netns !== undefined && { netns }) });
    return {
      text: () => out.text(),
      code: () => p.exitCode,
      stop: (signal = 2) => {
        p.kill(signal);
        this.world.wait(p, 10 * SEC);
      },
    };
  }

  /** Starts a program of the test on a machine. */
  task<T>(m: Machine, fn: (sys: Sys) => Blocking<T>, netns?: string): Job<T> {
    const job = { done: false, value: undefined as T, kill: () => p.kill(9) };
    const program: Program = function* (sys) {
      job.value = yield* fn(sys);
      job.done = true;
      return 0;
    };
    const p = m.spawn(program, ["test"], netns !== undefined ? { netns } : {});
    return job;
  }

  /** Runs a program of the test to its end. */
  call<T>(m: Machine, fn: (sys: Sys) => Blocking<T>, netns?: string): T {
    const job = this.task(m, fn, netns);
    this.world.sim.run_until(() => job.done, this.world.now + 600 * SEC);
    assert.ok(job.done, "the program of the test does not end");
    return job.value;
  }

  run(ns: number): void {
    this.world.run(ns);
  }

  /** Counters of /proc/net/snmp and netstat by group and name: mib(m).IpForwDatagrams. */
  mib(m: Machine, netns?: string): Record<string, number> {
    return parse_snmp(this.ok(m, "cat /proc/net/snmp /proc/net/netstat", netns));
  }

  /** Powers everything off: no packet, no frame, no socket, no timer may be left, and no machine had a BUG. */
  end(): void {
    for (const m of this.machines) m.poweroff();
    this.world.run(2 * SEC);
    for (const m of this.machines) {
      assert.deepEqual(
        m.kernel.bugs.map((b) => `${b.where}: ${(b.error as Error)?.stack ?? b.error}`),
        [],
        `${m.hostname} had BUGs`,
      );
      const live = m.live();
      assert.deepEqual(live, Object.fromEntries(Object.keys(live).map((k) => [k, 0])), `${m.hostname} leaks`);
    }
    assert.equal(this.world.sim.frames.live, 0, "frames of the world leak");
  }
}

/** pc1 – r – pc2: 10.0.1.2 behind 10.0.1.1 | 10.0.2.1 in front of 10.0.2.2. */
export interface Line {
  net: TestNet;
  pc1: Machine;
  r: Machine;
  pc2: Machine;
  left: Wire;
  right: Wire;
}

export function line(seed = 1, left: WireOptions = {}, right: WireOptions = {}): Line {
  const net = new TestNet(seed);
  const pc1 = net.machine("pc1");
  const r = net.machine("r", { nics: 2 });
  const pc2 = net.machine("pc2");
  const l = net.cable(pc1.nics[0]!, r.nics[0]!, left);
  const w = net.cable(r.nics[1]!, pc2.nics[0]!, right);
  net.ok(pc1, "ip a add 10.0.1.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.1.1");
  net.ok(r, "ip a add 10.0.1.1/24 dev eth0; ip a add 10.0.2.1/24 dev eth1; ip link set eth0 up; ip link set eth1 up");
  net.ok(r, "echo 1 > /proc/sys/net/ipv4/ip_forward");
  net.ok(pc2, "ip a add 10.0.2.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.0.2.1");
  net.run(3 * SEC);
  return { net, pc1, r, pc2, left: l, right: w };
}

/** Two machines on one cable, 10.0.0.1 and 10.0.0.2. */
export function pair(
  seed = 1,
  cable: WireOptions = {},
  options: Omit<MachineOptions, "host" | "nics"> = {},
): { net: TestNet; a: Machine; b: Machine; wire: Wire } {
  const net = new TestNet(seed);
  const a = net.machine("a", options);
  const b = net.machine("b", options);
  const wire = net.cable(a.nics[0]!, b.nics[0]!, cable);
  net.ok(a, "ip a add 10.0.0.1/24 dev eth0; ip link set eth0 up");
  net.ok(b, "ip a add 10.0.0.2/24 dev eth0; ip link set eth0 up");
  net.run(3 * SEC);
  return { net, a, b, wire };
}
