// One machine: all state that Linux has in globals hangs here. Subsystems add their fields by module augmentation.
// Read first: docs/architecture.md. Way in: start_kernel() in init/main.ts; then cpu.ts (the two ways into the core).

import type { Host } from "../arch/host.ts";
import type { Cpu } from "./cpu.ts";
import type { IrqDesc } from "./irq.ts";
import type { LogRecord } from "./printk.ts";
import type { Task } from "./sched.ts";
import type { CtlTable } from "./sysctl.ts";
import type { HrtimerBase } from "./time/hrtimer.ts";
import type { TimerBase } from "./time/timer.ts";
import type { Tracer } from "./trace.ts";

export interface KernelConfig {
  /** uname's nodename; default "localhost". */
  hostname?: string;
  /** Number of CPUs, 1–64; default 1. */
  cpus?: number;
  /** Debug: freed heads are overwritten and double frees are BUGs. Costs about a third of the speed. */
  debug?: boolean;
}

/** Timers and hrtimers not yet fired, and whatever else must be zero when a machine is taken down. */
export interface LiveCounts {
  [what: string]: number;
}

export class Kernel {
  readonly host: Host;
  readonly config: KernelConfig;
  hostname: string;
  /** Time of the present entry in ns; every function of one entry sees the same, plus the cost charged so far. */
  now = 0.5;
  /** Host time at boot; jiffies and uptime count from here. */
  boot_ns: number;
  /** jiffies() as of `jiffies_at`. */
  jiffies = 0;
  jiffies_at = 0.5;
  readonly cpus: Cpu[] = [];
  /** The CPU that runs now (smp_processor_id). */
  cpu: Cpu = null as unknown as Cpu;
  /** Nesting of ways in: only the outermost exit runs other CPUs, tasks and arms the clock. */
  entry_depth = 0;
  /** Set when a CPU got work while another one was running. */
  resched = false;
  /** Cost in ns per trace function id ([0]: user mode, per turn of a task), or null while work is free (lab/cost.ts). */
  cost: Float64Array | null = null;
  tracer: Tracer | null = null;
  /** The same, where a record is nothing but a word: no details, no sink, no costs. */
  trace_ring: Tracer | null = null;
  readonly irq_desc: IrqDesc[] = [];
  readonly softirq_vec: ((k: Kernel, cpu: Cpu) => void)[] = [];
  timers: TimerBase = null as unknown as TimerBase;
  hrtimers: HrtimerBase = null as unknown as HrtimerBase;
  /** Time the host's clock event is armed for. */
  armed_ns = Number.POSITIVE_INFINITY;
  readonly log: LogRecord[] = [];
  readonly tasks: Map<number, Task> = new Map();
  next_pid = 1;
  current: Task | null = null;
  readonly sysctl_table: Map<string, CtlTable> = new Map();
  /** Exceptions caught at the entries: each is a kernel BUG. */
  bugs: { error: unknown; where: string }[] = [];
  /** Called for each BUG; the default only records it. */
  on_bug: ((error: unknown, where: string) => void) | null = null;
  /** Counters that must be zero at the end of a test; subsystems register a function each. */
  readonly live: Map<string, () => number> = new Map();
  powered = true;

  constructor(host: Host, config: KernelConfig) {
    this.host = host;
    this.config = config;
    this.hostname = config.hostname ?? "localhost";
    this.boot_ns = host.monotonic_ns();
    this.now = this.boot_ns;
  }
}

export const HZ = 1000;
export const NSEC_PER_JIFFY = 1_000_000;

/** Milliseconds since boot: HZ is 1000. Divided once per instant, not once per packet. */
export const jiffies = (k: Kernel): number => {
  if (k.jiffies_at !== k.now) {
    k.jiffies_at = k.now;
    k.jiffies = Math.floor((k.now - k.boot_ns) / NSEC_PER_JIFFY);
  }
  return k.jiffies;
};

/** All live counters by name: `{ skbs: 0, heads: 0, … }`. */
export function live_counts(k: Kernel): LiveCounts {
  const out: LiveCounts = {};
  for (const [name, count] of k.live) out[name] = count();
  return out;
}

/** An exception in the core is a kernel BUG: recorded, reported, never passed to the wire or the program that hit it. */
export function kernel_bug(k: Kernel, error: unknown, where: string): void {
  if (k.bugs.length < 100) k.bugs.push({ error, where });
  if (k.on_bug) k.on_bug(error, where);
}
