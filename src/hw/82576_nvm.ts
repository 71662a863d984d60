// The 82576's EEPROM: 64 words behind the EERD register for reading, and behind four pins in EECD (SPI) for everything.
// Read first: 82576 datasheet section 3.3 and that of any 25-series EEPROM. Way in: nvm_make, nvm_eerd, nvm_eecd.
import type { I82576 } from "./82576.ts";
import {
  E1000_EECD_AUTO_RD,
  E1000_EECD_CS,
  E1000_EECD_DI,
  E1000_EECD_DO,
  E1000_EECD_GNT,
  E1000_EECD_PRES,
  E1000_EECD_REQ,
  E1000_EECD_SK,
  E1000_EERD_ADDR_SHIFT,
  E1000_EERD_DATA_SHIFT,
  E1000_EERD_DONE,
  E1000_EERD_START,
  NVM_RDSR_OPCODE_SPI,
  NVM_READ_OPCODE_SPI,
  NVM_STATUS_WEL_SPI,
  NVM_WREN_OPCODE_SPI,
  NVM_WRITE_OPCODE_SPI,
} from "./82576_regs.ts";

/** Words in the EEPROM, and the sum they must give. */
const NVM_WORDS = 64;
const NVM_SUM = 0xbaba;

/** The EEPROM of a card with this address: MAC in words 0-2, ids, and the checksum in word 63. */
export function nvm_make(mac: Uint8Array): Uint16Array {
  const nvm = new Uint16Array(NVM_WORDS);
  for (let i = 0; i < 3; i++) nvm[i] = mac[2 * i] | (mac[2 * i + 1] << 8);
  nvm[0x05] = 0x1100;
  nvm[0x0b] = 0xa03c;
  nvm[0x0c] = 0x8086;
  nvm[0x0d] = 0x10c9;
  nvm[0x0e] = 0x8086;
  let sum = 0;
  for (let i = 0; i < NVM_WORDS - 1; i++) sum += nvm[i];
  nvm[NVM_WORDS - 1] = NVM_SUM - sum;
  return nvm;
}

/** EERD: word address in, word out. */
export function nvm_eerd(nic: I82576, val: number): number {
  if (!(val & E1000_EERD_START)) return val;
  const word = (val >> E1000_EERD_ADDR_SHIFT) & 0x3fff;
  const data = word < NVM_WORDS ? nic.nvm[word] : 0xffff;
  return (data << E1000_EERD_DATA_SHIFT) | (word << E1000_EERD_ADDR_SHIFT) | E1000_EERD_DONE;
}

/** The chip at the pins: what was clocked into it since it was selected. */
export class SpiEeprom {
  /** EECD as software wrote it. */
  pins = E1000_EECD_CS;
  /** Bits clocked in, and the byte under way. */
  bits = 0;
  shift = 0;
  opcode = 0;
  addr = 0;
  out = 0;
  write_enabled = false;
  /** Bytes of a write that wait for the end of the selection. */
  readonly page: number[] = [];
}

const nvm_byte = (nic: I82576, at: number): number => (nic.nvm[(at >> 1) & (NVM_WORDS - 1)] >> (8 * (at & 1))) & 0xff;

/** A whole byte has come in, the nth: an opcode, an address, or data. */
function spi_byte(s: SpiEeprom, n: number, byte: number): void {
  if (n === 0) s.opcode = byte;
  else if (n === 1) s.addr = byte;
  else if (s.opcode === NVM_WRITE_OPCODE_SPI) s.page.push(byte);
}

/** What goes out while the nth byte comes in. A write is done at once, so nobody ever sees a busy bit. */
function spi_out(nic: I82576, s: SpiEeprom, n: number): number {
  if (n >= 1 && s.opcode === NVM_RDSR_OPCODE_SPI) return s.write_enabled ? NVM_STATUS_WEL_SPI : 0;
  return n >= 2 && s.opcode === NVM_READ_OPCODE_SPI ? nvm_byte(nic, s.addr++) : 0;
}

/** The selection ends: now a latch is set, or a page written. */
function spi_end(nic: I82576, s: SpiEeprom): void {
  const whole = (s.bits & 7) === 0;
  if (whole && s.bits === 8 && s.opcode === NVM_WREN_OPCODE_SPI) s.write_enabled = true;
  else if (s.opcode === NVM_WRITE_OPCODE_SPI) {
    if (whole && s.write_enabled) {
      for (let i = 0; i < s.page.length; i++) {
        const at = s.addr + i;
        const word = (at >> 1) & (NVM_WORDS - 1);
        const keep = nic.nvm[word] & (at & 1 ? 0x00ff : 0xff00);
        nic.nvm[word] = keep | (s.page[i] << (8 * (at & 1)));
      }
    }
    s.write_enabled = false;
  }
  s.bits = 0;
  s.opcode = 0;
  s.page.length = 0;
}

/** A write to EECD: the pins move. They are software's only while it has the grant. */
export function nvm_eecd(nic: I82576, val: number): void {
  const s = nic.spi;
  const was = s.pins;
  if (!(val & E1000_EECD_REQ)) val |= E1000_EECD_CS;
  s.pins = val;
  if (val & E1000_EECD_CS) {
    if (!(was & E1000_EECD_CS)) spi_end(nic, s);
    return;
  }
  // The rising edge takes a bit in.
  if (!(val & E1000_EECD_SK) || was & E1000_EECD_SK) return;
  if ((s.bits & 7) === 0) {
    s.shift = 0;
    s.out = spi_out(nic, s, s.bits >> 3);
  }
  s.shift = (s.shift << 1) | (val & E1000_EECD_DI ? 1 : 0);
  s.bits++;
  if ((s.bits & 7) === 0) spi_byte(s, (s.bits >> 3) - 1, s.shift);
}

export function nvm_read_eecd(nic: I82576): number {
  const s = nic.spi;
  let val = E1000_EECD_PRES | E1000_EECD_AUTO_RD;
  val |= s.pins & (E1000_EECD_SK | E1000_EECD_CS | E1000_EECD_DI | E1000_EECD_REQ);
  if (s.pins & E1000_EECD_REQ) val |= E1000_EECD_GNT;
  // Bit by bit, the highest first.
  if ((s.out << ((s.bits - 1) & 7)) & 0x80) val |= E1000_EECD_DO;
  return val;
}
