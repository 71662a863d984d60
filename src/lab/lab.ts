// A lab that runs: machines booted, cards plugged and cabled, files laid out, startup scripts run. Virtual or real time.
// Read first: topology.ts. Way in: `Lab.create(topology, options)`, then boot(), exec(), stop().

import { Machine as Computer, type Platform, type Process, TextCollector } from "../api/machine.ts";
import { SimWorld, sim_host } from "../arch/sim/world.ts";
import { scriptProgram } from "../bin/sh/script.ts";
import type { I82576 } from "../hw/82576.ts";
import type { HwClock } from "../hw/clock.ts";
import type { DmaSpace } from "../hw/dma.ts";
import type { FramePool } from "../hw/frame.ts";
import { Hub, hub_plug } from "../hw/hub.ts";
import { Wire, type WireOptions, wire_attach } from "../hw/wire.ts";
import { tracer_start } from "../kernel/trace.ts";
import { IFF_UP } from "../uapi/if.ts";
import type { Program } from "../uapi/sys.ts";
import { applyCostProfile, COST_PROFILES, type CostProfile } from "./cost.ts";
import type { LinkProperties } from "./link_properties.ts";
import { addRemotePrograms } from "./remote.ts";
import type { Machine, Script, Segment, Topology } from "./topology.ts";

/** Time and hardware of a lab: virtual (SimWorld) or real (arch/node). */
export interface LabWorld {
  readonly clock: HwClock;
  readonly dma: DmaSpace;
  readonly frames: FramePool;
  newHost(): Platform["host"];
  /** Virtual time only. */
  readonly sim: SimWorld | null;
}

export function simLabWorld(seed: number): LabWorld {
  const sim = new SimWorld({ seed });
  return { clock: sim, dma: sim.dma, frames: sim.frames, newHost: () => sim_host(sim), sim };
}

export interface LabOptions {
  seed?: number;
  world?: LabWorld;
  /** Startup scripts' and commands' output: host, stream and text. */
  onOutput?: (host: string, stream: "stdout" | "stderr", text: string) => void;
  /** A BUG in a machine: reported at once. */
  onBug?: (host: string, error: unknown, where: string) => void;
  /** Runs when a machine is up, before its startup script: tracing, cost models. */
  onMachine?: (host: LabHost) => void;
  /** Module parameter of igb for all machines; undefined: as the lab's file says. */
  napi?: boolean;
  /** What work costs, on all machines; undefined: as the lab's file says for each. */
  cost?: CostProfile | null;
}

/** One machine of the lab. */
export class LabHost {
  readonly name: string;
  readonly spec: Machine;
  readonly computer: Computer;
  /** By interface index. */
  readonly nics: Map<number, I82576> = new Map();
  constructor(name: string, spec: Machine, computer: Computer) {
    this.name = name;
    this.spec = spec;
    this.computer = computer;
  }
}

/** A cable or hub of the lab, with its name in the topology. */
export interface LabSegment {
  readonly name: string;
  readonly spec: Segment;
  readonly wire: Wire | null;
  readonly hub: Hub | null;
  /** "pc1:eth0" for each end, in the order of the topology. */
  readonly ends: string[];
}

export interface ExecResult {
  exitCode: number;
  stdout: string;
  stderr: string;
}

/** A startup script that did not end well; `silent`: nothing on stderr told why. */
export interface ScriptFailure {
  host: string;
  script: string;
  exitCode: number;
  silent: boolean;
}

/** How long a startup script may take in virtual time before the lab goes on without it. */
const STARTUP_LIMIT_NS = 120e9;

/** Time between the startup scripts and the first command: links come up, addresses settle. In real time at most. */
const SETTLE_NS = 1e9;

/** MAC addresses that follow from names, so that a lab looks the same each time: 02 + hash of the machine + index. */
function derivedMac(machine: number, index: number): Uint8Array {
  return Uint8Array.of(0x02, 0x00, 0x00, (machine >> 8) & 255, machine & 255, index & 255);
}

function parseMac(text: string): Uint8Array {
  return Uint8Array.from(text.split(":").map((b) => Number.parseInt(b, 16)));
}

function wireOptions(link: LinkProperties, seed: number): WireOptions {
  const o: WireOptions = { seed, rate: link.rate_bps ?? 1e9 };
  if (link.delay_ns !== undefined) o.delay_ns = link.delay_ns;
  if (link.half_duplex) o.duplex = "half";
  if (link.limit !== undefined) o.queue_limit = link.limit;
  if (link.loss || link.corrupt || link.duplicate || link.reorder) {
    o.impair = {
      ...(link.loss && { loss: link.loss }),
      ...(link.corrupt && { corrupt: link.corrupt }),
      ...(link.duplicate && { duplicate: link.duplicate }),
      ...(link.reorder && { reorder: link.reorder, reorder_ns: 1_000_000 }),
    };
  }
  return o;
}

/** The kernel numbers cards as they come; the file may say `eth1` without `eth0`, or `ens3`. As udev: first out of the way. */
function nameInterfaces(computer: Computer, spec: Machine): void {
  const wrong = spec.interfaces.map((itf, i) => ({ from: `eth${i}`, to: itf.name })).filter((r) => r.from !== r.to);
  wrong.forEach((r, i) => {
    if (!wrong.some((other) => other.to === r.from)) return;
    computer.renameInterface(r.from, `rename${i}`);
    r.from = `rename${i}`;
  });
  for (const r of wrong) computer.renameInterface(r.from, r.to);
}

export class Lab {
  readonly topology: Topology;
  readonly world: LabWorld;
  readonly seed: number;
  readonly hosts: Map<string, LabHost> = new Map();
  readonly segments: LabSegment[] = [];
  /** Stands between the commands that are started from now on and the machines: how they are traced. */
  wrapProgram: ((program: Program) => Program) | null = null;
  private readonly options: LabOptions;

  constructor(topology: Topology, options: LabOptions = {}) {
    this.topology = topology;
    this.seed = options.seed ?? 1;
    this.options = options;
    this.world = options.world ?? simLabWorld(this.seed);
    let number = 0;
    for (const spec of topology.machines) this.addMachine(spec, ++number);
    addRemotePrograms(this);
    let segment = 0;
    for (const spec of topology.segments) this.addSegment(spec, ++segment);
  }

  private addMachine(spec: Machine, number: number): void {
    const { clock, dma, frames } = this.world;
    const computer = new Computer({
      host: { host: this.world.newHost(), clock, dma, frames },
      hostname: spec.name,
      cpus: spec.cpus,
      igb: {
        ...(spec.queues > 0 && { rss: spec.queues }),
        napi: this.options.napi ?? spec.napi,
      },
    });
    const host = new LabHost(spec.name, spec, computer);
    this.hosts.set(spec.name, host);
    computer.kernel.on_bug = (error, where) => this.options.onBug?.(spec.name, error, where);
    for (const itf of spec.interfaces) {
      const mac = itf.mac !== undefined ? parseMac(itf.mac) : derivedMac(number, itf.index);
      host.nics.set(itf.index, computer.addNic(mac));
    }
    nameInterfaces(computer, spec);
    for (const f of spec.files) computer.writeFile(f.path, f.bytes);
    Object.assign(computer.init.env, Object.fromEntries(spec.env));
  }

  private addSegment(spec: Segment, number: number): void {
    const options = wireOptions(spec.link, this.seed * 65536 + number);
    const ends = spec.ends.map((e) => {
      const itf = this.hosts.get(e.machine)!.spec.interfaces.find((i) => i.index === e.index)!;
      return `${e.machine}:${itf.name}`;
    });
    const nic = (i: number): I82576 => this.hosts.get(spec.ends[i]!.machine)!.nics.get(spec.ends[i]!.index)!;
    if (spec.hub || spec.ends.length > 2) {
      const hub = new Hub(this.world.clock, options);
      for (let i = 0; i < spec.ends.length; i++) hub_plug(hub, nic(i));
      this.segments.push({ name: spec.name, spec, wire: null, hub, ends });
      return;
    }
    const wire = new Wire(this.world.clock, options);
    for (let i = 0; i < spec.ends.length; i++) wire_attach(wire, i as 0 | 1, nic(i));
    this.segments.push({ name: spec.name, spec, wire, hub: null, ends });
  }

  host(name: string): LabHost {
    const h = this.hosts.get(name);
    if (h === undefined)
      throw new LabError(`no machine "${name}" in this lab (there are: ${[...this.hosts.keys()].join(", ")})`);
    return h;
  }

  private output(host: string): { stdout: (b: Uint8Array) => void; stderr: (b: Uint8Array) => void } {
    const decode = (stream: "stdout" | "stderr"): ((b: Uint8Array) => void) => {
      const d = new TextDecoder();
      return (b) => this.options.onOutput?.(host, stream, d.decode(b, { stream: true }));
    };
    return { stdout: decode("stdout"), stderr: decode("stderr") };
  }

  private startScript(host: LabHost, script: Script): { process: Process; spoke: () => boolean } {
    const program = scriptProgram(script, { report: true });
    const { stdout, stderr } = this.output(host.name);
    let spoke = false;
    const process = host.computer.spawn(program, [script.file], {
      stdout,
      stderr: (b) => {
        spoke = true;
        stderr(b);
      },
    });
    process.write(new Uint8Array(0));
    return { process, spoke: () => spoke };
  }

  /** Applies sysctls and runs the startup scripts, all machines at the same time. Returns the scripts that failed. */
  *bootSteps(): Generator<Process[], ScriptFailure[]> {
    const failed: ScriptFailure[] = [];
    const depth = Math.max(0, ...[...this.hosts.values()].map((h) => h.spec.startup.length));
    for (const host of this.hosts.values()) {
      const cost = this.options.cost === undefined ? COST_PROFILES[host.spec.cost] : this.options.cost;
      // Work can cost time only where the clock waits for it.
      if (cost && this.world.sim !== null) applyCostProfile(host.computer.kernel, cost);
      this.options.onMachine?.(host);
      for (const itf of host.spec.interfaces)
        if (itf.mtu !== undefined) host.computer.exec(`ip link set ${itf.name} mtu ${itf.mtu}`);
      host.computer.exec("ip link set lo up");
      // Containers come with their interfaces up: the startup scripts of both formats rely on it.
      for (const itf of host.spec.interfaces) host.computer.openInterface(itf.name);
      for (const [name, value] of host.spec.sysctls) {
        host.computer.writeFileOrProc(`/proc/sys/${name.includes("/") ? name : name.replaceAll(".", "/")}`, value);
      }
    }
    for (let i = 0; i < depth; i++) {
      const running: { host: LabHost; script: Script; process: Process; spoke: () => boolean }[] = [];
      for (const host of this.hosts.values()) {
        const script = host.spec.startup[i];
        if (script) running.push({ host, script, ...this.startScript(host, script) });
      }
      yield running.map((r) => r.process);
      for (const r of running) {
        if (r.process.exitCode > 0)
          failed.push({ host: r.host.name, script: r.script.file, exitCode: r.process.exitCode, silent: !r.spoke() });
      }
    }
    return failed;
  }

  /** Virtual time: boots to the end of the startup scripts. */
  boot(): ScriptFailure[] {
    const sim = this.requireSim();
    const steps = this.bootSteps();
    for (let r = steps.next(); ; r = steps.next()) {
      if (r.done) {
        // The cables negotiate: a person who types the first command finds the links up.
        sim.run(sim.now + SETTLE_NS);
        return r.value;
      }
      const wait = r.value;
      sim.run_until(() => wait.every((p) => !p.running), sim.now + STARTUP_LIMIT_NS);
    }
  }

  private requireSim(): SimWorld {
    if (this.world.sim === null) throw new LabError("this lab runs in real time");
    return this.world.sim;
  }

  /** Starts a command; its output goes to the lab's onOutput unless given elsewhere. */
  start(
    host: string,
    command: string,
    sinks?: { stdout: (b: Uint8Array) => void; stderr: (b: Uint8Array) => void },
  ): Process {
    const options = sinks ?? this.output(host);
    return this.host(host).computer.exec(
      command,
      this.wrapProgram === null ? options : { ...options, wrap: this.wrapProgram },
    );
  }

  /** Virtual time: runs a command to its end, at most `limit_ns`, and returns what it printed. */
  exec(host: string, command: string, limit_ns = 3600e9): ExecResult {
    const sim = this.requireSim();
    const out = new TextCollector();
    const err = new TextCollector();
    const p = this.start(host, command, { stdout: out.push, stderr: err.push });
    sim.run_until(() => !p.running, sim.now + limit_ns);
    if (p.running) {
      p.kill(9);
      sim.run_until(() => !p.running, sim.now + 1e9);
    }
    return { exitCode: p.exitCode, stdout: out.text(), stderr: err.text() };
  }

  /** Virtual time: runs a command to its end while its output streams out; what it printed comes back as well. */
  execStreaming(host: string, command: string, sinks: Sinks, limit_ns = Number.POSITIVE_INFINITY): ExecResult {
    const sim = this.requireSim();
    const tee = teeSinks(sinks);
    const p = this.start(host, command, tee.sinks);
    sim.run_until(() => !p.running, sim.now + limit_ns);
    return { exitCode: p.exitCode, stdout: tee.out.text(), stderr: tee.err.text() };
  }

  /** Real time: the same, when it has ended. */
  async execRealtime(host: string, command: string, sinks: Sinks): Promise<ExecResult> {
    const tee = teeSinks(sinks);
    const exitCode = await this.start(host, command, tee.sinks).exited;
    return { exitCode, stdout: tee.out.text(), stderr: tee.err.text() };
  }

  /** Real time: boots to the end of the startup scripts. */
  async bootRealtime(): Promise<ScriptFailure[]> {
    const steps = this.bootSteps();
    for (let r = steps.next(); ; r = steps.next()) {
      if (r.done) {
        for (const end = performance.now() + SETTLE_NS / 1e6; !this.linksUp() && performance.now() < end; ) {
          await new Promise((resolve) => setTimeout(resolve, 2));
        }
        return r.value;
      }
      await Promise.all(r.value.map((p) => p.exited));
    }
  }

  /** Whether no interface that is up still waits for its cable. */
  private linksUp(): boolean {
    return [...this.hosts.values()].every((h) =>
      h.spec.interfaces.every((itf) => {
        const flags = Number(h.computer.readFile(`/sys/class/net/${itf.name}/flags`));
        return (flags & IFF_UP) === 0 || h.computer.readFile(`/sys/class/net/${itf.name}/operstate`) === "up\n";
      }),
    );
  }

  /** Calls back for each frame that is sent on a segment: its bytes (valid during the call), the sending end, the time. */
  tapSegment(segment: LabSegment, fn: (bytes: Uint8Array, end: number, ns: number) => void): void {
    if (segment.wire !== null) {
      segment.wire.tap = (f, side, ns) => fn(f.u8.subarray(f.off, f.off + f.len), side, ns);
      return;
    }
    const hub = segment.hub!;
    if (hub.segment !== null) {
      hub.segment.tap = (f, side, ns) => fn(f.u8.subarray(f.off, f.off + f.len), side, ns);
      return;
    }
    // Full duplex: each port has a cable of its own, and what comes towards the hub is seen once.
    hub.ports.forEach((port, i) => {
      if (port.wire === null) return;
      port.wire.tap = (f, side, ns) => {
        if (side === 0) fn(f.u8.subarray(f.off, f.off + f.len), i, ns);
      };
    });
  }

  /** Virtual time: lets `ns` pass. */
  run(ns: number): void {
    const sim = this.requireSim();
    sim.run(sim.now + ns);
  }

  /** Runs the shutdown scripts (virtual time) and powers every machine off. */
  stop(): void {
    if (this.world.sim !== null) {
      const sim = this.world.sim;
      for (const host of this.hosts.values()) {
        for (const script of host.spec.shutdown) {
          const { process: p } = this.startScript(host, script);
          sim.run_until(() => !p.running, sim.now + 10e9);
        }
      }
    }
    for (const host of this.hosts.values()) host.computer.poweroff();
    // What was on the cables when the power went comes to its end.
    if (this.world.sim !== null) this.world.sim.run(this.world.sim.now + 1e9);
  }

  /** All BUGs of all machines. */
  bugs(): { host: string; error: unknown; where: string }[] {
    return [...this.hosts.values()].flatMap((h) => h.computer.kernel.bugs.map((b) => ({ host: h.name, ...b })));
  }
}

export class LabError extends Error {}

export interface Sinks {
  stdout: (b: Uint8Array) => void;
  stderr: (b: Uint8Array) => void;
}

function teeSinks(to: Sinks): { sinks: Sinks; out: TextCollector; err: TextCollector } {
  const out = new TextCollector();
  const err = new TextCollector();
  return {
    out,
    err,
    sinks: {
      stdout: (b) => {
        out.push(b);
        to.stdout(b);
      },
      stderr: (b) => {
        err.push(b);
        to.stderr(b);
      },
    },
  };
}

/** Records every function that packets pass on all machines, with the decisions in words. */
export function traceAll(lab: Lab, detail = true): void {
  for (const host of lab.hosts.values()) tracer_start(host.computer.kernel, { detail });
}
