// Interrupt lines: who asked for one, which CPU takes it, and how often. Mirrors kernel/irq/manage.c and proc.c.
// Way in: request_irq(); a device calls generic_handle_irq() through the line it was given.

import { type Cpu, cpu_irq } from "./cpu.ts";
import type { Kernel } from "./kernel.ts";

export type IrqHandler = (irq: number, dev_id: unknown) => void;

export class IrqDesc {
  readonly irq: number;
  /** Chip and trigger as /proc/interrupts names them, e.g. "PCI-MSIX-0000:01:00.0    0-edge". */
  readonly chip: string;
  name = "";
  handler: IrqHandler | null = null;
  dev_id: unknown = null;
  /** Bit per CPU. */
  smp_affinity: number;
  /** The CPU that takes it: the lowest of the mask that exists. */
  target_cpu = 0;
  depth = 0;
  readonly counts: Float64Array;
  unhandled = 0;

  constructor(irq: number, chip: string, cpus: number) {
    this.irq = irq;
    this.chip = chip;
    this.smp_affinity = cpus >= 31 ? -1 : (1 << cpus) - 1;
    this.counts = new Float64Array(cpus);
  }
}

/** First number for devices: what is below belongs to the platform, as on a PC. */
const FIRST_DEVICE_IRQ = 24;

/** Allocates a line. The caller raises it by generic_handle_irq(). */
export function irq_alloc_desc(k: Kernel, chip: string): number {
  let irq = FIRST_DEVICE_IRQ;
  while (k.irq_desc[irq] !== undefined) irq++;
  k.irq_desc[irq] = new IrqDesc(irq, chip, k.cpus.length);
  return irq;
}

export function irq_free_desc(k: Kernel, irq: number): void {
  delete k.irq_desc[irq];
}

/** Returns 0, or -22 (EINVAL) for a line nobody allocated, -16 (EBUSY) for one in use. */
export function request_irq(k: Kernel, irq: number, handler: IrqHandler, name: string, dev_id: unknown): number {
  const desc = k.irq_desc[irq];
  if (desc === undefined) return -22;
  if (desc.handler !== null) return -16;
  desc.handler = handler;
  desc.name = name;
  desc.dev_id = dev_id;
  return 0;
}

export function free_irq(k: Kernel, irq: number): void {
  const desc = k.irq_desc[irq];
  if (desc === undefined) return;
  desc.handler = null;
  desc.name = "";
  desc.dev_id = null;
}

/** Sets the CPUs that may take the line; returns -22 (EINVAL) when none of them exists. */
export function irq_set_affinity(k: Kernel, irq: number, mask: number): number {
  const desc = k.irq_desc[irq];
  if (desc === undefined) return -22;
  for (let cpu = 0; cpu < k.cpus.length; cpu++) {
    if ((mask & (1 << cpu)) === 0) continue;
    desc.smp_affinity = mask;
    desc.target_cpu = cpu;
    return 0;
  }
  return -22;
}

/** The device's edge arrived: the chosen CPU takes it. */
export function generic_handle_irq(k: Kernel, irq: number): void {
  if (!k.powered) return;
  const desc = k.irq_desc[irq];
  if (desc === undefined) return;
  cpu_irq(k, k.cpus[desc.target_cpu]!, irq);
}

/** Runs the handler; called by cpu.ts in hard interrupt context only. */
export function handle_irq(k: Kernel, cpu: Cpu, irq: number): void {
  const desc = k.irq_desc[irq];
  if (desc === undefined) return;
  desc.counts[cpu.id]!++;
  if (desc.handler === null) {
    desc.unhandled++;
    return;
  }
  desc.handler(irq, desc.dev_id);
}
