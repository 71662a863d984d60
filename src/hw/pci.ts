// PCI Express as far as a NIC driver sees it: functions in slots, one register window, MSI-X, hot plug.
// Read first: PCI Local Bus 3.0 section 6.8 (MSI-X). Way in: new PciBus, pci_bus_plug; drivers read bus.functions.

export const PCI_VENDOR_ID_INTEL = 0x8086;
/** Network controller, Ethernet. */
export const PCI_CLASS_NETWORK_ETHERNET = 0x020000;

/** The device behind a function: registers of 32 bits, read and written as int32. */
export interface PciDevice {
  read32(reg: number): number;
  write32(reg: number, val: number): void;
  /** Power-on reset. */
  reset(): void;
  /** The function left its slot: the device stops and lets go of the cable. */
  unplugged(): void;
}

/** Where an MSI-X message ends: the interrupt controller of the machine. */
export type RaiseIrq = (vector: number) => void;

export class PciFunction {
  /** Domain, bus, device and function, as `lspci -D` prints them: "0000:01:00.0". */
  readonly name: string;
  readonly vendor: number;
  readonly device: number;
  readonly subsystem_vendor: number;
  readonly subsystem_device: number;
  readonly class_code: number;
  readonly revision: number;
  /** Size of the MSI-X table. */
  readonly msix_count: number;
  readonly bar0: PciDevice;
  /** False once the card is out: reads then give all ones, writes are lost. */
  present = true;
  /** Set by the machine whose bus this is. */
  raise_irq: RaiseIrq = no_irq;
  msix_enabled = false;
  /** Bit masks over the vectors: masked by software, and raised while masked (the PBA). */
  msix_mask = 0;
  msix_pending = 0;

  constructor(name: string, ids: PciIds, bar0: PciDevice) {
    this.name = name;
    this.vendor = ids.vendor;
    this.device = ids.device;
    this.subsystem_vendor = ids.subsystem_vendor;
    this.subsystem_device = ids.subsystem_device;
    this.class_code = ids.class_code;
    this.revision = ids.revision;
    this.msix_count = ids.msix_count;
    this.bar0 = bar0;
  }
}

export interface PciIds {
  readonly vendor: number;
  readonly device: number;
  readonly subsystem_vendor: number;
  readonly subsystem_device: number;
  readonly class_code: number;
  readonly revision: number;
  readonly msix_count: number;
}

function no_irq(): void {}

/** MMIO. A card that is gone floats the bus high. */
export const pci_read32 = (pf: PciFunction, reg: number): number => (pf.present ? pf.bar0.read32(reg) : -1);

export function pci_write32(pf: PciFunction, reg: number, val: number): void {
  if (pf.present) pf.bar0.write32(reg, val);
}

/** The device signals a vector. */
export function pci_msix_raise(pf: PciFunction, vector: number): void {
  if (!pf.msix_enabled || !pf.present) return;
  if (pf.msix_mask & (1 << vector)) pf.msix_pending |= 1 << vector;
  else pf.raise_irq(vector);
}

/** Enabling starts with no vector masked and none pending. */
export function pci_msix_enable(pf: PciFunction, on: boolean): void {
  pf.msix_enabled = on;
  pf.msix_mask = 0;
  pf.msix_pending = 0;
}

/** The per-vector mask bit. Unmasking delivers what came meanwhile. */
export function pci_msix_set_mask(pf: PciFunction, vector: number, masked: boolean): void {
  const bit = 1 << vector;
  if (masked) {
    pf.msix_mask |= bit;
    return;
  }
  pf.msix_mask &= ~bit;
  if (pf.msix_pending & bit) {
    pf.msix_pending &= ~bit;
    pf.raise_irq(vector);
  }
}

export interface PciBusListener {
  pci_added(pf: PciFunction): void;
  /** The card is already out of its slot. */
  pci_removed(pf: PciFunction): void;
}

/** The slots of one machine. */
export class PciBus {
  readonly functions: PciFunction[] = [];
  readonly raise_irq: (pf: PciFunction, vector: number) => void;
  /** The machine's driver core, once it runs. */
  listener: PciBusListener | null = null;

  constructor(raise_irq: (pf: PciFunction, vector: number) => void) {
    this.raise_irq = raise_irq;
  }
}

export function pci_bus_plug(bus: PciBus, pf: PciFunction): void {
  pf.present = true;
  pf.raise_irq = (vector) => bus.raise_irq(pf, vector);
  pci_msix_enable(pf, false);
  pf.bar0.reset();
  bus.functions.push(pf);
  bus.listener?.pci_added(pf);
}

/** Surprise removal: the registers are gone before the driver hears of it. */
export function pci_bus_unplug(bus: PciBus, pf: PciFunction): void {
  const i = bus.functions.indexOf(pf);
  if (i < 0) return;
  bus.functions.splice(i, 1);
  pf.present = false;
  pf.bar0.unplugged();
  bus.listener?.pci_removed(pf);
  pf.raise_irq = no_irq;
}

/** The name of the next free slot, as buses number add-in cards: 0000:01:00.0, 0000:02:00.0 … */
export function pci_bus_free_slot(bus: PciBus): string {
  for (let n = 1; ; n++) {
    const name = `0000:${n.toString(16).padStart(2, "0")}:00.0`;
    if (!bus.functions.some((f) => f.name === name)) return name;
  }
}
