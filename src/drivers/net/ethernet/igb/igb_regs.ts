// igb, the dump of `ethtool -d`: which registers, in which order. Mirrors igb_get_regs() of intel/igb/igb_ethtool.c.
// Read first: 82576EB datasheet section 8; the order is what ethtool(8) labels (bin/ethtool/igb_regs.ts). Way in: igb_get_regs().

import { type IgbAdapter, rd32 } from "./igb.ts";

const IGB_REGS_LEN = 740;
export const IGB_REGS_BYTES: number = IGB_REGS_LEN * 4;

/** Words 0 … 53. Of the causes of interrupts EICS and ICS are read twice: they show what EICR and ICR hold, and do not clear it. */
const SINGLE: readonly number[] = [
  0x00000, 0x00008, 0x00018, 0x00020, 0x00024, 0x00034, 0x00038, 0x00e00, 0x01000, 0x01008, 0x01048, 0x0104c, 0x00010,
  0x01520, 0x01520, 0x01524, 0x01528, 0x0152c, 0x01530, 0x01504, 0x01504, 0x01508, 0x0150c, 0x04100, 0x01510, 0x05ac0,
  0x00028, 0x0002c, 0x00170, 0x02160, 0x02168, 0x02460, 0x00100, 0x05000, 0x05004, 0x05008, 0x05818, 0x0581c, 0x00400,
  0x00404, 0x00410, 0x03590, 0x05800, 0x05808, 0x05810, 0x05838, 0x05900, 0x04200, 0x04208, 0x0420c, 0x04218, 0x0421c,
  0x04220, 0x04224,
];
const STATS_AT = SINGLE.length;
/** First register, how many, how far apart: from word 121 on. */
const BLOCKS: readonly (readonly [number, number, number])[] = [
  [0x0280c, 4, 0x100], // SRRCTL
  [0x05480, 4, 0x4], // PSRTYPE
  [0x02800, 4, 0x100], // RDBAL
  [0x02804, 4, 0x100], // RDBAH
  [0x02808, 4, 0x100], // RDLEN
  [0x02810, 4, 0x100], // RDH
  [0x02818, 4, 0x100], // RDT
  [0x02828, 4, 0x100], // RXDCTL
  [0x01680, 10, 0x4], // EITR
  [0x05a80, 8, 0x4], // IMIR
  [0x05aa0, 8, 0x4], // IMIREXT
  [0x05400, 16, 0x8], // RAL
  [0x05404, 16, 0x8], // RAH
  [0x03800, 4, 0x100], // TDBAL
  [0x03804, 4, 0x100], // TDBAH
  [0x03808, 4, 0x100], // TDLEN
  [0x03810, 4, 0x100], // TDH
  [0x03818, 4, 0x100], // TDT
  [0x03828, 4, 0x100], // TXDCTL
  [0x03838, 4, 0x100], // TDWBAL
  [0x0383c, 4, 0x100], // TDWBAH
  [0x03814, 4, 0x100], // DCA_TXCTRL
  [0x05840, 4, 0x8], // IP4AT
  [0x05880, 4, 0x4], // IP6AT
  [0x05a00, 32, 0x4], // WUPM
  [0x09000, 128, 0x8], // FFMT
  [0x09800, 128, 0x8], // FFVT
  [0x05f00, 4, 0x8], // FFLT
  [0x03410, 1, 0x0], // TDFH
  [0x03418, 1, 0x0], // TDFT
  [0x03420, 1, 0x0], // TDFHS
  [0x03430, 1, 0x0], // TDFPC
];
const BLOCKS_AT = 121;
/** What the 82576 has more of: queues 4 … 15. */
const MORE: readonly (readonly [number, number, number])[] = [
  [0x0c10c, 12, 0x40], // SRRCTL 4 …
  [0x05490, 4, 0x4], // PSRTYPE 4 …
  [0x0c100, 12, 0x40], // RDBAL 4 …
  [0x0c104, 12, 0x40], // RDBAH 4 …
  [0x0c108, 12, 0x40], // RDLEN 4 …
  [0x0c110, 12, 0x40], // RDH 4 …
  [0x0c118, 12, 0x40], // RDT 4 …
  [0x0c128, 12, 0x40], // RXDCTL 4 …
  [0x0e100, 12, 0x40], // TDBAL 4 …
  [0x0e104, 12, 0x40], // TDBAH 4 …
  [0x0e108, 12, 0x40], // TDLEN 4 …
  [0x0e110, 12, 0x40], // TDH 4 …
  [0x0e118, 12, 0x40], // TDT 4 …
  [0x0e128, 12, 0x40], // TXDCTL 4 …
  [0x0e138, 12, 0x40], // TDWBAL 4 …
  [0x0e13c, 12, 0x40], // TDWBAH 4 …
];
const MORE_AT = 555;
const RR2DCDELAY = 0x05bf4;
/** In front of it stand four words of later controllers. */
const LAST = IGB_REGS_LEN - 1;

/** Statistics come from what the driver added up: reading the registers would clear them. */
function put_stats(adapter: IgbAdapter, out: Uint32Array, at: number): void {
  const s = adapter.stats;
  const words = [s.crcerrs, s.algnerrc, 0, s.rxerrc, s.mpc, s.scc, s.ecol, s.mcc, s.latecol, s.colc, s.dc, s.tncrs];
  words.push(0, 0, s.rlec, s.xonrxc, s.xontxc, s.xoffrxc, s.xofftxc, s.fcruc, ...adapter.prc);
  words.push(s.gprc, s.bprc, s.mprc, s.gptc, s.gorc, 0, s.gotc, 0, s.rnbc, s.ruc, s.rfc, s.roc, s.rjc, 0, 0, 0);
  words.push(s.tor, 0, s.tot, 0, s.tpr, s.tpt, ...adapter.ptc, s.mptc, s.bptc, s.tsctc);
  out.set(words, at);
}

function put_blocks(adapter: IgbAdapter, out: Uint32Array, at: number, blocks: typeof BLOCKS): void {
  for (const [first, count, step] of blocks)
    for (let i = 0; i < count; i++) out[at++] = rd32(adapter, first + i * step);
}

export function igb_get_regs(adapter: IgbAdapter): { version: number; data: Uint32Array } {
  const out = new Uint32Array(IGB_REGS_LEN);
  SINGLE.forEach((reg, i) => void (out[i] = rd32(adapter, reg)));
  put_stats(adapter, out, STATS_AT);
  put_blocks(adapter, out, BLOCKS_AT, BLOCKS);
  put_blocks(adapter, out, MORE_AT, MORE);
  out[LAST] = rd32(adapter, RR2DCDELAY);
  // Layout 1 of this driver, revision 1 of the silicon, and which silicon.
  return { version: (1 << 24) | (1 << 16) | adapter.pdev.pf.device, data: out };
}
