// igb tests itself, and blinks: what `ethtool -t` and `ethtool -p` ask. Mirrors the second half of intel/igb/igb_ethtool.c.
// Read first: ethtool(8), -t; hw/82576_regs.ts. Way in: igb_diag_test(), igb_set_phys_id().

import * as R from "../../../../hw/82576_regs.ts";
import { KERN_INFO, printk } from "../../../../kernel/printk.ts";
import type { EthtoolPhysIdState, EthtoolTestResult } from "../../../../net/core/ethtool_ops.ts";
import { type NetDevice, netif_running } from "../../../../net/core/netdevice.ts";
import { alloc_skb, consume_skb, NET_SKB_PAD, type SkBuff, skb_put } from "../../../../net/core/skbuff.ts";
import { ETH_TEST_FL_FAILED, ETH_TEST_FL_OFFLINE } from "../../../../uapi/ethtool.ts";
import { type IgbAdapter, type IgbRing, rd32, wr32 } from "./igb.ts";
import {
  igb_blink_led,
  igb_cleanup_led,
  igb_led_off,
  igb_power_up_link,
  igb_read_phy_reg,
  igb_reset,
  igb_write_phy_reg,
} from "./igb_hw.ts";
import {
  igb_close,
  igb_configure,
  igb_free_all_rx_resources,
  igb_free_all_tx_resources,
  igb_open,
  igb_setup_all_rx_resources,
  igb_setup_all_tx_resources,
} from "./igb_main.ts";
import { igb_validate_nvm_checksum } from "./igb_nvm.ts";
import { igb_alloc_rx_buffers } from "./igb_rx.ts";
import { igb_clean_tx_ring, igb_xmit_frame_ring } from "./igb_tx.ts";

export const igb_gstrings_test: readonly string[] = [
  "Register test  (offline)",
  "Eeprom test    (offline)",
  "Interrupt test (offline)",
  "Loopback test  (offline)",
  "Link test   (on/offline)",
];
const TEST_REG = 0;
const TEST_EEP = 1;
const TEST_IRQ = 2;
const TEST_LOOP = 3;
const TEST_LINK = 4;

const SEC = 1e9;
/** Autonegotiation may take this long. */
const LINK_WAIT = 5 * SEC;
/** After an online test nobody may ask again at once. */
const ONLINE_WAIT = 4 * SEC;

const PATTERNS: readonly number[] = [0x5a5a5a5a, 0xa5a5a5a5, 0, 0xffffffff];

interface RegTest {
  reg: number;
  count: number;
  step: number;
  /** Bits that keep what is written. */
  mask: number;
  /** Only these may be set while it is tested. */
  write: number;
}
const reg = (address: number, count: number, step: number, mask: number, write = -1): RegTest => ({
  reg: address,
  count,
  step,
  mask,
  write,
});

/** Registers without side effects, by the datasheet's sections 8.2 to 8.10. */
const REG_TESTS: readonly RegTest[] = [
  reg(R.E1000_FCTTV, 1, 0, 0xffff, 0xffff),
  reg(R.E1000_VET, 1, 0, 0xffff, 0xffff),
  reg(R.E1000_FCRTH, 1, 0, 0xfff0, 0xfff0),
  reg(0xc000, 4, 0x40, ~0x7f), // RDBAL
  reg(0xc004, 4, 0x40, -1), // RDBAH
  reg(0xc008, 4, 0x40, 0xfff80), // RDLEN
  reg(0xe000, 4, 0x40, ~0x7f), // TDBAL
  reg(0xe004, 4, 0x40, -1), // TDBAH
  reg(0xe008, 4, 0x40, 0xfff80), // TDLEN
  // Neither the receiver nor the transmitter is switched on.
  reg(R.E1000_RCTL, 1, 0, 0x04cfb3fc, 0x04cfb3fc),
  reg(R.E1000_TCTL, 1, 0, 0x003ffff8, 0x003ffff8),
  reg(R.E1000_RAL(0), R.E1000_RAR_ENTRIES, 8, -1),
  reg(R.E1000_RAH(0), R.E1000_RAR_ENTRIES, 8, 0x8003ffff | 0, 0x8003ffff | 0),
  reg(R.E1000_MTA(0), R.E1000_MTA_SIZE, 4, -1),
];

/** Writes patterns and reads them back. 0, or the address of the register that did not keep one. */
function igb_reg_test(adapter: IgbAdapter): number {
  for (const t of REG_TESTS) {
    for (let i = 0; i < t.count; i++) {
      const at = t.reg + i * t.step;
      for (const pattern of PATTERNS) {
        wr32(adapter, at, pattern & t.write);
        if (((rd32(adapter, at) ^ (pattern & t.write)) & t.mask) !== 0) return at;
      }
    }
  }
  return 0;
}

const igb_eeprom_test = (adapter: IgbAdapter): number => (igb_validate_nvm_checksum(adapter) < 0 ? 2 : 0);

/** Causes of the "other" vector that software may raise. */
const ICS_TEST_MASK: readonly number[] = [R.E1000_ICR_LSC, R.E1000_ICR_RXO, R.E1000_ICR_DOUTSYNC, R.E1000_ICR_DRSTA];

/**
 * Raises causes by software: a masked one must not reach the vector, an unmasked one must. 0; 3: spoke although masked; 4: silent.
 * DIFF: Linux counts in a handler. A system call is not interrupted here, so EICR is asked, which holds what would speak.
 */
function igb_intr_test(adapter: IgbAdapter): number {
  let bad = 0;
  wr32(adapter, R.E1000_IVAR_MISC, R.E1000_IVAR_VALID << 8);
  wr32(adapter, R.E1000_GPIE, R.E1000_GPIE_MSIX_MODE | R.E1000_GPIE_NSICR);
  wr32(adapter, R.E1000_EIMC, -1);
  for (const cause of ICS_TEST_MASK) {
    wr32(adapter, R.E1000_IMC, -1);
    rd32(adapter, R.E1000_ICR);
    rd32(adapter, R.E1000_EICR);
    wr32(adapter, R.E1000_ICS, cause);
    if (rd32(adapter, R.E1000_EICR) & adapter.eims_other) bad = 3;
    rd32(adapter, R.E1000_ICR);
    wr32(adapter, R.E1000_IMS, cause);
    wr32(adapter, R.E1000_ICS, cause);
    if (!(rd32(adapter, R.E1000_EICR) & adapter.eims_other)) bad = 4;
    if (bad !== 0) break;
  }
  wr32(adapter, R.E1000_IMC, -1);
  rd32(adapter, R.E1000_ICR);
  return bad;
}

// --- loopback -----------------------------------------------------------------------------------------------------

const LOOP_FRAME = 1024;
/** Frames of a round: less than the smallest ring. */
const LOOP_ROUND = 32;

/** A broadcast of a type that nobody takes, with a pattern that a shifted or halved frame does not have. */
function igb_create_lbtest_frame(skb: SkBuff, n: number): void {
  const u8 = skb.head.u8;
  const half = LOOP_FRAME >> 1;
  u8.fill(0xff, skb.data, skb.data + LOOP_FRAME);
  u8.fill(0xaa, skb.data + half, skb.data + LOOP_FRAME - 1);
  u8[skb.data + half + 10] = 0xbe;
  u8[skb.data + half + 12] = 0xaf;
  u8[skb.data + half + 14] = n;
}

function igb_check_lbtest_frame(u8: Uint8Array, at: number, n: number): boolean {
  const half = LOOP_FRAME >> 1;
  return (
    u8[at + 3] === 0xff &&
    u8[at + half - 1] === 0xff &&
    u8[at + half + 9] === 0xaa &&
    u8[at + half + 10] === 0xbe &&
    u8[at + half + 12] === 0xaf &&
    u8[at + half + 14] === n &&
    u8[at + LOOP_FRAME - 2] === 0xaa
  );
}

/** The received frames of a round, and their buffers back to the ring. How many were right. */
function igb_clean_test_rings(rx_ring: IgbRing, tx_ring: IgbRing): number {
  let good = 0;
  let i = rx_ring.next_to_clean;
  for (let n = 0; n < LOOP_ROUND; n++) {
    const staterr = rx_ring.dv.getInt32((i << 4) + 8, true);
    if (!(staterr & R.E1000_RXD_STAT_DD)) break;
    const len = rx_ring.dv.getUint16((i << 4) + 12, true);
    const page = rx_ring.rx_buffer_info[i]!;
    if (page !== null && len === LOOP_FRAME && igb_check_lbtest_frame(page.u8, NET_SKB_PAD, n)) good++;
    if (++i === rx_ring.count) i = 0;
  }
  rx_ring.next_to_clean = i;
  for (const b of tx_ring.tx_buffer_info) {
    if (b.skb === null) continue;
    const skb = b.skb;
    b.skb = null;
    consume_skb(skb);
  }
  return good;
}

/** Frames round through DMA, both rings and the PHY. 0; 12: one could not be sent; 13: one did not come back as it was. */
function igb_run_loopback_test(adapter: IgbAdapter): number {
  const tx_ring = adapter.tx_ring[0]!;
  const rx_ring = adapter.rx_ring[0]!;
  // Often enough that both rings wrap.
  const rounds = Math.ceil((2 * Math.max(tx_ring.count, rx_ring.count)) / LOOP_ROUND) + 1;
  for (let round = 0; round < rounds; round++) {
    for (let n = 0; n < LOOP_ROUND; n++) {
      const skb = alloc_skb(adapter.kernel, LOOP_FRAME);
      if (skb === null) return 12;
      skb_put(skb, LOOP_FRAME);
      igb_create_lbtest_frame(skb, n);
      skb.dev = adapter.netdev;
      if (igb_xmit_frame_ring(skb, tx_ring) !== 0) {
        consume_skb(skb);
        return 12;
      }
    }
    const good = igb_clean_test_rings(rx_ring, tx_ring);
    tx_ring.next_to_clean = tx_ring.next_to_use;
    if (good !== LOOP_ROUND) return 13;
    igb_alloc_rx_buffers(rx_ring, LOOP_ROUND);
  }
  return 0;
}

function igb_loopback_test(adapter: IgbAdapter): number {
  let err = igb_setup_all_tx_resources(adapter);
  if (err >= 0) err = igb_setup_all_rx_resources(adapter);
  if (err >= 0) {
    igb_configure(adapter);
    igb_write_phy_reg(adapter, R.PHY_CONTROL, R.MII_CR_LOOPBACK | R.MII_CR_FULL_DUPLEX | R.MII_CR_SPEED_1000);
    const forced = R.E1000_CTRL_FRCSPD | R.E1000_CTRL_FRCDPX | R.E1000_CTRL_SPD_1000 | R.E1000_CTRL_FD;
    wr32(adapter, R.E1000_CTRL, rd32(adapter, R.E1000_CTRL) | forced | R.E1000_CTRL_SLU);
    err = igb_run_loopback_test(adapter);
    igb_write_phy_reg(adapter, R.PHY_CONTROL, igb_read_phy_reg(adapter, R.PHY_CONTROL) & ~R.MII_CR_LOOPBACK);
  } else err = 1;
  igb_reset(adapter);
  igb_clean_tx_ring(adapter.tx_ring[0]!);
  igb_free_all_rx_resources(adapter);
  igb_free_all_tx_resources(adapter);
  return err;
}

// --- all of them --------------------------------------------------------------------------------------------------

const dev_info = (adapter: IgbAdapter, text: string): void =>
  printk(adapter.kernel, KERN_INFO, `igb ${adapter.pdev.name}: ${text}`);

const no_link = (adapter: IgbAdapter): number => (rd32(adapter, R.E1000_STATUS) & R.E1000_STATUS_LU ? 0 : 1);

/** self_test: gives the time that it waits, in ns, and in the end what came out. */
export function* igb_diag_test(dev: NetDevice, flags: number): Generator<number, EthtoolTestResult, unknown> {
  const adapter = dev.priv as IgbAdapter;
  const data = igb_gstrings_test.map(() => 0);
  const running = netif_running(dev);
  if (flags & ETH_TEST_FL_OFFLINE) {
    dev_info(adapter, "offline testing starting");
    // The link first: what follows takes it down.
    igb_power_up_link(adapter);
    if (adapter.autoneg) yield LINK_WAIT;
    data[TEST_LINK] = no_link(adapter);
    if (netif_running(dev)) igb_close(dev);
    else igb_reset(adapter);
    data[TEST_REG] = igb_reg_test(adapter);
    igb_reset(adapter);
    data[TEST_EEP] = igb_eeprom_test(adapter);
    igb_reset(adapter);
    data[TEST_IRQ] = igb_intr_test(adapter);
    igb_reset(adapter);
    igb_power_up_link(adapter);
    data[TEST_LOOP] = igb_loopback_test(adapter);
    igb_reset(adapter);
    if (netif_running(dev)) igb_open(dev);
  } else {
    dev_info(adapter, "online testing starting");
    // A device that is down keeps its PHY down.
    if (running && adapter.autoneg) yield LINK_WAIT;
    data[TEST_LINK] = running ? no_link(adapter) : 0;
  }
  yield ONLINE_WAIT;
  return { flags: data.some((v) => v !== 0) ? flags | ETH_TEST_FL_FAILED : flags, data };
}

/** set_phys_id: somebody looks for this card. Returns how often a second the kernel shall call, 0 or -errno. */
export function igb_set_phys_id(dev: NetDevice, state: EthtoolPhysIdState): number {
  const adapter = dev.priv as IgbAdapter;
  switch (state) {
    case "active":
      adapter.ledctl_default = rd32(adapter, R.E1000_LEDCTL);
      igb_blink_led(adapter);
      return 2;
    case "on":
      igb_blink_led(adapter);
      return 0;
    case "off":
      igb_led_off(adapter);
      return 0;
    case "inactive":
      igb_led_off(adapter);
      igb_cleanup_led(adapter);
      return 0;
  }
}
