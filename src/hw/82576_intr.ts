// The 82576's interrupt logic in MSI-X mode: causes, masks, auto-clear, auto-mask, and the throttle of each vector.
// Read first: 82576 datasheet section 7.3. Way in: intr_queue_cause and intr_other_cause, then intr_eval.
import type { I82576 } from "./82576.ts";
import {
  E1000_EITR_CNT_IGNR,
  E1000_EITR_INTERVAL_MASK,
  E1000_GPIE_EIAME,
  E1000_IAC,
  E1000_ICR_INT_ASSERTED,
  E1000_IVAR_VALID,
  E1000_MAX_VECTORS,
} from "./82576_regs.ts";
import { HwTimer, hw_arm } from "./clock.ts";
import { pci_msix_raise } from "./pci.ts";

const VECTOR_MASK = (1 << E1000_MAX_VECTORS) - 1;

export class IntrVector {
  /** EITR: the shortest time between two messages. */
  interval_ns = 0;
  /** No message before this. */
  next_ns = 0;
  readonly timer: HwTimer;

  constructor(nic: I82576, index: number) {
    this.timer = new HwTimer(intr_eval_arg(nic), index);
  }
}

const intr_eval_arg = (nic: I82576) => (): void => intr_eval(nic);

/** Latches the cause of an IVAR byte; intr_eval then decides. */
export function intr_queue_cause(nic: I82576, ivar: number): void {
  if (ivar & E1000_IVAR_VALID) nic.eicr |= 1 << (ivar & 0x1f);
}

/** Causes that belong to no queue (ICR bits): they share the vector of IVAR_MISC. */
export function intr_other_cause(nic: I82576, icr: number): void {
  nic.icr |= icr;
  if (nic.icr & nic.ims) intr_queue_cause(nic, (nic.ivar_misc >> 8) & 0xff);
}

/** Sends the messages that are due: cause latched, vector enabled, and its throttle expired. */
export function intr_eval(nic: I82576): void {
  let due = nic.eicr & nic.eims & ~nic.asserted & VECTOR_MASK;
  if (due === 0) return;
  const now = nic.clock.now;
  for (; due !== 0; due &= due - 1) {
    const v = 31 - Math.clz32(due & -due);
    const bit = 1 << v;
    // A handler that ran inside pci_msix_raise may have changed everything.
    if (!(nic.eicr & nic.eims & ~nic.asserted & bit)) continue;
    const vec = nic.vectors[v];
    if (vec.next_ns > now) {
      if (vec.timer.index < 0) {
        vec.timer.when = vec.next_ns;
        nic.clock.arm(vec.timer);
      }
      continue;
    }
    vec.next_ns = now + vec.interval_ns;
    if (nic.gpie & E1000_GPIE_EIAME) nic.eims &= ~(bit & nic.eiam);
    // Without auto-clear the cause stays, and speaks again only after software has cleared it.
    if (nic.eiac & bit) nic.eicr &= ~bit;
    else nic.asserted |= bit;
    nic.regs[E1000_IAC >> 2]++;
    pci_msix_raise(nic.pf, v);
  }
}

export function intr_write_eitr(nic: I82576, v: number, val: number): void {
  const vec = nic.vectors[v];
  vec.interval_ns = ((val & E1000_EITR_INTERVAL_MASK) >> 2) * 1000;
  if (!(val & E1000_EITR_CNT_IGNR)) {
    vec.next_ns = nic.clock.now + vec.interval_ns;
    if (vec.timer.index >= 0) hw_arm(nic.clock, vec.timer, vec.next_ns);
  }
}

export function intr_read_icr(nic: I82576): number {
  const val = nic.icr;
  nic.icr = 0;
  return val & nic.ims ? val | E1000_ICR_INT_ASSERTED : val;
}

export function intr_clear_eicr(nic: I82576, bits: number): void {
  nic.eicr &= ~bits;
  nic.asserted &= ~bits;
}

export function intr_reset(nic: I82576): void {
  nic.eicr = nic.eims = nic.eiac = nic.eiam = nic.icr = nic.ims = nic.gpie = nic.ivar_misc = nic.asserted = 0;
  for (const vec of nic.vectors) {
    vec.interval_ns = 0;
    vec.next_ns = 0;
    nic.clock.cancel(vec.timer);
  }
}
