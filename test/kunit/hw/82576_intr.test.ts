// 82576 datasheet 7.3: MSI-X causes, auto-clear, auto-mask, EITR; and link, PHY, reset, hot plug.
import assert from "node:assert/strict";
import { test } from "node:test";
import * as R from "../../../src/hw/82576_regs.ts";
import {
  PciBus,
  type PciFunction,
  pci_bus_free_slot,
  pci_bus_plug,
  pci_bus_unplug,
  pci_msix_enable,
  pci_msix_set_mask,
  pci_read32,
  pci_write32,
} from "../../../src/hw/pci.ts";
import { wire_attach, wire_detach } from "../../../src/hw/wire.ts";
import { bytes_of, eth, MAC, PEER, Rig } from "./rig.ts";

const F = eth(MAC, 0x88b5, bytes_of(60));
const BIT = 1 << 1;

function rig(eitr_us = 0, eiam = BIT, eiac = BIT, wire = {}): Rig {
  const m = new Rig(wire);
  m.rx_ring(0, 256);
  m.w(R.E1000_IVAR(0), R.E1000_IVAR_VALID | 1);
  m.w(R.E1000_EIAM, eiam);
  m.w(R.E1000_EIAC, eiac);
  m.w(R.E1000_EITR(1), (eitr_us << 2) | R.E1000_EITR_CNT_IGNR);
  m.w(R.E1000_EIMS, BIT);
  return m;
}

test("auto-mask and auto-clear: one message until EIMS is written again, and none lost", () => {
  const m = rig();
  m.inject(F);
  m.inject(F);
  assert.deepEqual(m.irqs, [1]);
  assert.equal(m.r(R.E1000_EIMS) & BIT, 0);
  assert.equal(m.nic.eicr & BIT, BIT, "the second frame is latched");
  m.w(R.E1000_EIMS, BIT);
  assert.deepEqual(m.irqs, [1, 1]);
  m.w(R.E1000_EIMS, BIT);
  assert.deepEqual(m.irqs, [1, 1], "nothing new");
  m.end();
});

test("without auto-mask every frame speaks; without auto-clear only after EICR was cleared", () => {
  const a = rig(0, 0, BIT);
  for (let i = 0; i < 3; i++) a.inject(F);
  assert.equal(a.irqs.length, 3);
  a.end();
  const b = rig(0, 0, 0);
  for (let i = 0; i < 3; i++) b.inject(F);
  assert.equal(b.irqs.length, 1);
  assert.equal(b.r(R.E1000_EICR), BIT);
  b.inject(F);
  assert.equal(b.irqs.length, 2);
  b.w(R.E1000_EICR, BIT);
  b.inject(F);
  assert.equal(b.irqs.length, 3);
  b.end();
});

test("frames that arrive in the same instant share a message", () => {
  const m = rig(0, 0, BIT);
  m.inject(F, F, F, F);
  assert.equal(m.irqs.length, 1);
  m.end();
});

test("EITR paces: first at once, then no more often than the interval, none lost", () => {
  const m = rig(100, 0, BIT, { rate: 1e9 });
  const at: number[] = [];
  m.nic.pf.raise_irq = () => at.push(m.clock.now);
  for (let i = 0; i < 200; i++) m.send(F);
  m.clock.settle();
  const ser = (74 + 24) * 8;
  assert.equal(at[0], ser);
  for (let i = 1; i < at.length; i++) assert.equal(at[i] - at[i - 1], 100_000, `message ${i}`);
  assert.equal(at.length, 1 + Math.ceil((199 * ser) / 100_000));
  assert.equal(m.nic.eicr, 0);
  m.end();
});

test("EITR written without CNT_IGNR restarts the countdown; interval 0 is immediate", () => {
  const m = rig();
  m.w(R.E1000_EITR(1), 50 << 2);
  m.inject(F);
  assert.deepEqual(m.irqs, []);
  m.clock.run(49_999);
  assert.deepEqual(m.irqs, []);
  m.clock.run(50_000);
  assert.deepEqual(m.irqs, [1]);
  m.end();
});

test("EICS fires by software; IMS and IVAR_MISC route link changes", () => {
  const m = rig();
  m.w(R.E1000_EICS, BIT);
  assert.deepEqual(m.irqs, [1]);
  m.w(R.E1000_IVAR_MISC, R.E1000_IVAR_VALID << 8);
  m.w(R.E1000_EIAC, BIT | 1);
  m.r(R.E1000_ICR);
  m.w(R.E1000_IMS, R.E1000_ICR_LSC);
  m.w(R.E1000_EIMS, 1);
  m.irqs.length = 0;
  wire_detach(m.wire, 1);
  assert.deepEqual(m.irqs, [0]);
  assert.equal(m.r(R.E1000_STATUS) & R.E1000_STATUS_LU, 0);
  assert.equal(m.r(R.E1000_ICR), R.E1000_ICR_LSC | R.E1000_ICR_INT_ASSERTED);
  assert.equal(m.r(R.E1000_ICR), 0);
  wire_attach(m.wire, 1, m.far);
  m.clock.settle();
  assert.deepEqual(m.irqs, [0, 0]);
  const st = m.r(R.E1000_STATUS);
  assert.ok(st & R.E1000_STATUS_LU && st & R.E1000_STATUS_FD && st & R.E1000_STATUS_SPEED_1000);
  m.end();
});

test("MSI-X per-vector mask keeps the message pending", () => {
  const m = rig(0, 0, BIT);
  pci_msix_set_mask(m.nic.pf, 1, true);
  m.inject(F);
  m.inject(F);
  assert.deepEqual(m.irqs, []);
  pci_msix_set_mask(m.nic.pf, 1, false);
  assert.deepEqual(m.irqs, [1]);
  m.end();
});

const mdic = (m: Rig, op: number, reg: number, val = 0): number => {
  m.w(R.E1000_MDIC, op | (1 << R.E1000_MDIC_PHY_SHIFT) | (reg << R.E1000_MDIC_REG_SHIFT) | val);
  return m.r(R.E1000_MDIC);
};

test("PHY: power down takes the peer's link, forced 100 half gives a half duplex link, no PHY at address 2", () => {
  const m = rig();
  assert.equal(mdic(m, R.E1000_MDIC_OP_READ, R.PHY_ID1) & 0xffff, 0x02a8);
  assert.ok(mdic(m, R.E1000_MDIC_OP_READ, R.PHY_STATUS) & R.MII_SR_LINK_STATUS);
  mdic(m, R.E1000_MDIC_OP_WRITE, R.PHY_CONTROL, R.MII_CR_POWER_DOWN | R.MII_CR_AUTO_NEG_EN);
  m.clock.settle();
  assert.equal(m.far.up, false);
  assert.equal(mdic(m, R.E1000_MDIC_OP_READ, R.PHY_STATUS) & R.MII_SR_LINK_STATUS, 0);
  mdic(m, R.E1000_MDIC_OP_WRITE, R.PHY_CONTROL, R.MII_CR_SPEED_100);
  m.clock.settle();
  assert.equal(m.far.up, true);
  assert.equal(m.far.end!.full, false);
  const st = m.r(R.E1000_STATUS);
  assert.ok(st & R.E1000_STATUS_SPEED_100 && !(st & R.E1000_STATUS_FD));
  m.send(F);
  m.clock.settle();
  assert.equal(m.r(R.E1000_GPRC), 1);
  m.w(R.E1000_MDIC, R.E1000_MDIC_OP_READ | (2 << R.E1000_MDIC_PHY_SHIFT));
  assert.ok(m.r(R.E1000_MDIC) & R.E1000_MDIC_ERROR);
  m.end();
});

test("EEPROM: address and checksum", () => {
  const m = rig();
  let sum = 0;
  const words = Array.from({ length: 64 }, (_, i) => {
    m.w(R.E1000_EERD, (i << R.E1000_EERD_ADDR_SHIFT) | R.E1000_EERD_START);
    const v = m.r(R.E1000_EERD);
    assert.ok(v & R.E1000_EERD_DONE);
    sum += v >>> R.E1000_EERD_DATA_SHIFT;
    return v >>> R.E1000_EERD_DATA_SHIFT;
  });
  assert.equal(sum & 0xffff, 0xbaba);
  assert.deepEqual([words[0], words[1], words[2]], [0x0002, 0x0000, 0x0100]);
  m.end();
});

test("CTRL.RST forgets all but the EEPROM's address", () => {
  const m = rig();
  m.inject(F);
  m.w(R.E1000_CTRL, R.E1000_CTRL_RST);
  assert.equal(m.r(R.E1000_GPRC), 0);
  assert.equal(m.r(R.E1000_EIMS), 0);
  assert.equal(m.r(R.E1000_RXDCTL(0)), 0);
  assert.equal(m.r(R.E1000_CTRL) & R.E1000_CTRL_RST, 0);
  assert.equal(m.r(R.E1000_RAL(0)), 2);
  assert.equal(m.r(R.E1000_RAH(0)), 0x0100 | R.E1000_RAH_AV);
  assert.equal(m.far.up, true, "the PHY kept its link");
  m.end();
});

test("hot plug: slots, listeners, surprise removal reads all ones and drops the peer's link", () => {
  const m = new Rig();
  const log: string[] = [];
  const bus = new PciBus((pf, v) => log.push(`irq ${pf.name} ${v}`));
  bus.listener = {
    pci_added: (pf: PciFunction) => log.push(`+${pf.vendor.toString(16)}:${pf.device.toString(16)}`),
    pci_removed: (pf: PciFunction) => log.push(`-${pf.name}`),
  };
  pci_bus_plug(bus, m.nic.pf);
  m.clock.settle();
  assert.equal(pci_bus_free_slot(bus), "0000:02:00.0");
  pci_msix_enable(m.nic.pf, true);
  pci_write32(m.nic.pf, R.E1000_EIMS, 1);
  pci_write32(m.nic.pf, R.E1000_EICS, 1);
  pci_bus_unplug(bus, m.nic.pf);
  assert.equal(pci_read32(m.nic.pf, R.E1000_STATUS), -1);
  m.clock.settle();
  assert.equal(m.far.up, false);
  assert.deepEqual(log, ["+8086:10c9", "irq 0000:01:00.0 0", "-0000:01:00.0"]);
  m.inject(eth(PEER, 1, []));
  m.end();
});
