// The EEPROM behind EECD's pins: commands of a 25-series SPI EEPROM, bit by bit; and the PHY's loopback (802.3 section 22.2.4.1.2).
import assert from "node:assert/strict";
import { test } from "node:test";
import * as R from "../../../src/hw/82576_regs.ts";
import { bytes_of, eth, Rig } from "./rig.ts";

/** Selects the chip, clocks bytes out and then some in, and lets it go. */
function command(m: Rig, out: number[], wanted = 0): number[] {
  const req = R.E1000_EECD_REQ;
  const got: number[] = [];
  m.w(R.E1000_EECD, req | R.E1000_EECD_CS);
  m.w(R.E1000_EECD, req);
  for (let n = 0; n < out.length + wanted; n++) {
    let byte = 0;
    for (let bit = 7; bit >= 0; bit--) {
      const di = ((out[n] ?? 0) >> bit) & 1 ? R.E1000_EECD_DI : 0;
      m.w(R.E1000_EECD, req | di);
      m.w(R.E1000_EECD, req | di | R.E1000_EECD_SK);
      byte = (byte << 1) | (m.r(R.E1000_EECD) & R.E1000_EECD_DO ? 1 : 0);
    }
    m.w(R.E1000_EECD, req);
    if (n >= out.length) got.push(byte);
  }
  m.w(R.E1000_EECD, req | R.E1000_EECD_CS);
  return got;
}
const eerd = (m: Rig, word: number): number => {
  m.w(R.E1000_EERD, (word << R.E1000_EERD_ADDR_SHIFT) | R.E1000_EERD_START);
  return m.r(R.E1000_EERD) >>> R.E1000_EERD_DATA_SHIFT;
};

test("READ gives bytes in a row, the low one of a word first; the grant follows the request", () => {
  const m = new Rig();
  assert.equal(m.r(R.E1000_EECD) & R.E1000_EECD_GNT, 0);
  assert.deepEqual(command(m, [R.NVM_READ_OPCODE_SPI, 0], 6), [2, 0, 0, 0, 0, 1]);
  assert.deepEqual(command(m, [R.NVM_READ_OPCODE_SPI, 3], 3), [0, 0, 1]);
  assert.ok(m.r(R.E1000_EECD) & R.E1000_EECD_GNT);
});

test("WRITE needs WREN before it, each time; RDSR shows the latch", () => {
  const m = new Rig();
  const before = eerd(m, 0x10);
  command(m, [R.NVM_WRITE_OPCODE_SPI, 0x20, 0x34, 0x12]);
  assert.equal(eerd(m, 0x10), before, "not enabled");
  assert.deepEqual(command(m, [R.NVM_RDSR_OPCODE_SPI], 1), [0]);
  command(m, [R.NVM_WREN_OPCODE_SPI]);
  assert.deepEqual(command(m, [R.NVM_RDSR_OPCODE_SPI], 1), [R.NVM_STATUS_WEL_SPI]);
  command(m, [R.NVM_WRITE_OPCODE_SPI, 0x20, 0x34, 0x12, 0x56]);
  assert.deepEqual([eerd(m, 0x10), eerd(m, 0x11) & 0xff], [0x1234, 0x56]);
  assert.deepEqual(command(m, [R.NVM_RDSR_OPCODE_SPI], 1), [0], "used up");
  command(m, [R.NVM_WRITE_OPCODE_SPI, 0x20, 0, 0]);
  assert.equal(eerd(m, 0x10), 0x1234);
});

test("a reset loads the address that the EEPROM holds by then", () => {
  const m = new Rig();
  command(m, [R.NVM_WREN_OPCODE_SPI]);
  command(m, [R.NVM_WRITE_OPCODE_SPI, 4, 0xaa, 0xbb]);
  m.w(R.E1000_CTRL, R.E1000_CTRL_RST);
  assert.equal(m.r(R.E1000_RAH(0)), 0xbbaa | R.E1000_RAH_AV | 0);
});

test("PHY loopback: what is sent is received, with no cable; the cable's other end loses its link", () => {
  const m = new Rig();
  const rx = m.rx_ring(0, 64);
  m.w(R.E1000_MDIC, R.E1000_MDIC_OP_WRITE | (1 << R.E1000_MDIC_PHY_SHIFT) | R.MII_CR_LOOPBACK);
  m.clock.settle();
  assert.equal(m.far.up, false);
  assert.ok(m.r(R.E1000_STATUS) & R.E1000_STATUS_LU);
  const f = eth([255, 255, 255, 255, 255, 255], 0x88b5, bytes_of(60));
  const tx = m.tx_ring(0, 64);
  m.tx_data(tx, [f]);
  // A frame that is too short is filled up.
  m.tx_data(tx, [f.slice(0, 20)]);
  m.tx_tail(0, tx);
  assert.deepEqual(m.rx_take(rx)!.bytes, f);
  assert.deepEqual(
    m.rx_take(rx)!.bytes,
    Uint8Array.from({ length: 60 }, (_, i) => (i < 20 ? f[i]! : 0)),
  );
  assert.deepEqual(m.far.got, []);
  m.w(R.E1000_MDIC, R.E1000_MDIC_OP_WRITE | (1 << R.E1000_MDIC_PHY_SHIFT) | R.MII_CR_AUTO_NEG_EN);
  m.clock.settle();
  assert.equal(m.far.up, true);
});
