// igb and the card's EEPROM: words through EERD, writing through the pins of EECD. Mirrors intel/igb/e1000_nvm.c.
// Read first: hw/82576_nvm.ts; a 25-series EEPROM's datasheet. Way in: igb_read_nvm(), igb_write_nvm_spi().

import * as R from "../../../../hw/82576_regs.ts";
import { EFAULT, EIO, EOPNOTSUPP } from "../../../../uapi/errno.ts";
import { type IgbAdapter, rd32, wr32 } from "./igb.ts";

/** Words of the EEPROM: EECD's size field is 0, which stands for 64. */
export const NVM_WORDS = 64;
const NVM_CHECKSUM_REG = 0x3f;
const NVM_SUM = 0xbaba;

function igb_read_nvm(adapter: IgbAdapter, word: number): number {
  wr32(adapter, R.E1000_EERD, (word << R.E1000_EERD_ADDR_SHIFT) | R.E1000_EERD_START);
  return rd32(adapter, R.E1000_EERD) >>> R.E1000_EERD_DATA_SHIFT;
}

function nvm_sum(adapter: IgbAdapter, words: number): number {
  let sum = 0;
  for (let i = 0; i < words; i++) sum += igb_read_nvm(adapter, i);
  return sum & 0xffff;
}

/** 0, or -EIO when the words do not add up. */
export const igb_validate_nvm_checksum = (adapter: IgbAdapter): number =>
  nvm_sum(adapter, NVM_WORDS) === NVM_SUM ? 0 : -EIO;

/** Clocks `count` bits of `data` out, the highest first. `eecd`: the pins that stay as they are. */
function igb_shift_out_eec_bits(adapter: IgbAdapter, eecd: number, data: number, count: number): void {
  for (let i = count - 1; i >= 0; i--) {
    const pins = eecd | ((data >> i) & 1 ? R.E1000_EECD_DI : 0);
    wr32(adapter, R.E1000_EECD, pins);
    wr32(adapter, R.E1000_EECD, pins | R.E1000_EECD_SK);
    wr32(adapter, R.E1000_EECD, pins);
  }
}

function igb_shift_in_eec_bits(adapter: IgbAdapter, eecd: number, count: number): number {
  let data = 0;
  for (let i = 0; i < count; i++) {
    wr32(adapter, R.E1000_EECD, eecd | R.E1000_EECD_SK);
    data = (data << 1) | (rd32(adapter, R.E1000_EECD) & R.E1000_EECD_DO ? 1 : 0);
    wr32(adapter, R.E1000_EECD, eecd);
  }
  return data;
}

/** Asks the chip's other users for the pins. 0, or -EIO when they do not let go. */
function igb_acquire_nvm(adapter: IgbAdapter): number {
  wr32(adapter, R.E1000_EECD, R.E1000_EECD_REQ | R.E1000_EECD_CS);
  return rd32(adapter, R.E1000_EECD) & R.E1000_EECD_GNT ? 0 : -EIO;
}

/** One command while the chip is selected: bytes out, then one byte in when `answer`. */
function igb_nvm_command(adapter: IgbAdapter, bytes: readonly number[], answer: boolean): number {
  const eecd = R.E1000_EECD_REQ;
  wr32(adapter, R.E1000_EECD, eecd);
  for (const b of bytes) igb_shift_out_eec_bits(adapter, eecd, b, 8);
  const got = answer ? igb_shift_in_eec_bits(adapter, eecd, 8) : 0;
  wr32(adapter, R.E1000_EECD, eecd | R.E1000_EECD_CS);
  return got;
}

/** Writes words from `offset` on. 0, or -EIO when the EEPROM does not let itself be written. */
function igb_write_nvm_spi(adapter: IgbAdapter, offset: number, words: readonly number[]): number {
  let err = igb_acquire_nvm(adapter);
  for (let i = 0; err === 0 && i < words.length; i++) {
    igb_nvm_command(adapter, [R.NVM_WREN_OPCODE_SPI], false);
    if (!(igb_nvm_command(adapter, [R.NVM_RDSR_OPCODE_SPI], true) & R.NVM_STATUS_WEL_SPI)) err = -EIO;
    else {
      // The low byte of a word stands first.
      const w = words[i]!;
      igb_nvm_command(adapter, [R.NVM_WRITE_OPCODE_SPI, (offset + i) * 2, w & 0xff, w >> 8], false);
    }
  }
  wr32(adapter, R.E1000_EECD, R.E1000_EECD_CS);
  return err;
}

function igb_update_nvm_checksum(adapter: IgbAdapter): number {
  const sum = (NVM_SUM - nvm_sum(adapter, NVM_CHECKSUM_REG)) & 0xffff;
  return igb_write_nvm_spi(adapter, NVM_CHECKSUM_REG, [sum]);
}

/** What `ethtool -e` shows and -E wants to hear again before it writes. */
const igb_eeprom_magic = (adapter: IgbAdapter): number =>
  (adapter.pdev.pf.vendor | (adapter.pdev.pf.device << 16)) >>> 0;

export function igb_get_eeprom(
  adapter: IgbAdapter,
  offset: number,
  length: number,
): { magic: number; data: Uint8Array } {
  const data = new Uint8Array(length);
  for (let i = 0; i < length; i++) data[i] = igb_read_nvm(adapter, (offset + i) >> 1) >> (8 * ((offset + i) & 1));
  return { magic: igb_eeprom_magic(adapter), data };
}

/** Bytes into the EEPROM, and its checksum after them. 0 or -errno. */
export function igb_set_eeprom(adapter: IgbAdapter, offset: number, bytes: Uint8Array, magic: number): number {
  if (bytes.length === 0) return -EOPNOTSUPP;
  if (magic !== igb_eeprom_magic(adapter)) return -EFAULT;
  const first = offset >> 1;
  const last = (offset + bytes.length - 1) >> 1;
  const words: number[] = [];
  for (let w = first; w <= last; w++) words.push(igb_read_nvm(adapter, w));
  for (let i = 0; i < bytes.length; i++) {
    const at = offset + i;
    const w = (at >> 1) - first;
    words[w] = at & 1 ? (words[w]! & 0x00ff) | (bytes[i]! << 8) : (words[w]! & 0xff00) | bytes[i]!;
  }
  const err = igb_write_nvm_spi(adapter, first, words);
  return err < 0 ? err : igb_update_nvm_checksum(adapter);
}
