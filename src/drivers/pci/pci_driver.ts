// Which driver serves which PCI function, at boot and on hot plug; and the interrupt lines of MSI-X.
// Mirrors drivers/pci/pci-driver.c and msi. Read first: hw/pci.ts. Way in: pci_driver_init(), pci_register_driver().

import { PciBus, type PciFunction, pci_msix_enable } from "../../hw/pci.ts";
import { syscall } from "../../kernel/cpu.ts";
import { generic_handle_irq, irq_alloc_desc, irq_free_desc } from "../../kernel/irq.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { KERN_ERR, KERN_INFO, printk } from "../../kernel/printk.ts";
import { ENOSPC } from "../../uapi/errno.ts";

export interface PciDeviceId {
  readonly vendor: number;
  readonly device: number;
}

export interface PciDriver {
  readonly name: string;
  readonly id_table: readonly PciDeviceId[];
  /** 0 binds the driver; -errno refuses the device. */
  probe(pdev: PciDev, id: PciDeviceId): number;
  remove(pdev: PciDev): void;
}

/** struct pci_dev. */
export class PciDev {
  readonly kernel: Kernel;
  readonly pf: PciFunction;
  readonly name: string;
  driver: PciDriver | null = null;
  drvdata: unknown = null;
  /** Interrupt numbers by MSI-X vector. */
  readonly irqs: number[] = [];

  constructor(kernel: Kernel, pf: PciFunction) {
    this.kernel = kernel;
    this.pf = pf;
    this.name = pf.name;
  }
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** The machine's slots: plug a card in with pci_bus_plug() at any time. */
    pci_bus: PciBus;
    pci_devices: PciDev[];
    pci_drivers: PciDriver[];
  }
}

export function pci_driver_init(k: Kernel): void {
  k.pci_devices = [];
  k.pci_drivers = [];
  k.pci_bus = new PciBus((pf, vector) => pci_msix_message(k, pf, vector));
  k.pci_bus.listener = {
    pci_added: (pf) => syscall(k, () => pci_device_add(k, pf)),
    pci_removed: (pf) => syscall(k, () => pci_stop_and_remove_bus_device(k, pf)),
  };
}

function pci_msix_message(k: Kernel, pf: PciFunction, vector: number): void {
  for (let i = 0; i < k.pci_devices.length; i++) {
    const pdev = k.pci_devices[i]!;
    if (pdev.pf !== pf) continue;
    if (vector < pdev.irqs.length) generic_handle_irq(k, pdev.irqs[vector]!);
    return;
  }
}

const hex4 = (n: number): string => n.toString(16).padStart(4, "0");

function pci_device_add(k: Kernel, pf: PciFunction): void {
  const pdev = new PciDev(k, pf);
  k.pci_devices.push(pdev);
  const cls = pf.class_code.toString(16).padStart(6, "0");
  printk(k, KERN_INFO, `pci ${pf.name}: [${hex4(pf.vendor)}:${hex4(pf.device)}] type 00 class 0x${cls}`);
  for (const drv of k.pci_drivers) if (really_probe(pdev, drv)) break;
}

function pci_stop_and_remove_bus_device(k: Kernel, pf: PciFunction): void {
  const i = k.pci_devices.findIndex((d) => d.pf === pf);
  if (i < 0) return;
  const pdev = k.pci_devices[i]!;
  pci_device_remove(pdev);
  k.pci_devices.splice(i, 1);
}

function really_probe(pdev: PciDev, drv: PciDriver): boolean {
  if (pdev.driver !== null) return false;
  const id = drv.id_table.find((e) => e.vendor === pdev.pf.vendor && e.device === pdev.pf.device);
  if (id === undefined) return false;
  pdev.driver = drv;
  const err = drv.probe(pdev, id);
  if (err >= 0) return true;
  pdev.driver = null;
  printk(pdev.kernel, KERN_ERR, `${drv.name}: probe of ${pdev.name} failed with error ${err}`);
  return false;
}

function pci_device_remove(pdev: PciDev): void {
  const drv = pdev.driver;
  if (drv === null) return;
  drv.remove(pdev);
  pdev.driver = null;
  pdev.drvdata = null;
}

/** Binds the driver to every function that it knows and nobody serves; returns 0. */
export function pci_register_driver(k: Kernel, drv: PciDriver): number {
  k.pci_drivers.push(drv);
  for (const pdev of [...k.pci_devices]) really_probe(pdev, drv);
  return 0;
}

/** Gives the function up to `max` vectors with an interrupt line each; -ENOSPC when it has fewer than `min`. */
export function pci_alloc_irq_vectors(pdev: PciDev, min: number, max: number): number {
  const n = Math.min(max, pdev.pf.msix_count);
  if (n < min) return -ENOSPC;
  for (let v = 0; v < n; v++) {
    pdev.irqs.push(irq_alloc_desc(pdev.kernel, `PCI-MSIX-${pdev.name} ${String(v).padStart(4)}-edge`));
  }
  pci_msix_enable(pdev.pf, true);
  return n;
}

export function pci_free_irq_vectors(pdev: PciDev): void {
  pci_msix_enable(pdev.pf, false);
  for (const irq of pdev.irqs) irq_free_desc(pdev.kernel, irq);
  pdev.irqs.length = 0;
}

export const pci_irq_vector = (pdev: PciDev, vector: number): number => pdev.irqs[vector]!;
