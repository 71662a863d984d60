// The copper PHY behind MDIC: what `ethtool` and mii-tool read, and what the cable negotiates with.
// Read first: IEEE 802.3 clause 22, 28 and 40.5. Way in: phy_mdic, phy_abilities.
import { type I82576, i82576_link } from "./82576.ts";
import {
  CR_1000T_FD_CAPS,
  E1000_MDIC_ERROR,
  E1000_MDIC_OP_READ,
  E1000_MDIC_OP_WRITE,
  E1000_MDIC_PHY_SHIFT,
  E1000_MDIC_READY,
  E1000_MDIC_REG_SHIFT,
  MII_CR_AUTO_NEG_EN,
  MII_CR_FULL_DUPLEX,
  MII_CR_LOOPBACK,
  MII_CR_POWER_DOWN,
  MII_CR_RESET,
  MII_CR_RESTART_AUTO_NEG,
  MII_CR_SPEED_100,
  MII_CR_SPEED_1000,
  MII_SR_AUTONEG_COMPLETE,
  MII_SR_LINK_STATUS,
  NWAY_AR_10T_FD_CAPS,
  NWAY_AR_10T_HD_CAPS,
  NWAY_AR_100TX_FD_CAPS,
  NWAY_AR_100TX_HD_CAPS,
  NWAY_AR_ASM_DIR,
  NWAY_AR_PAUSE,
  PHY_1000T_CTRL,
  PHY_1000T_STATUS,
  PHY_AUTONEG_ADV,
  PHY_CONTROL,
  PHY_EXT_STATUS,
  PHY_ID1,
  PHY_ID2,
  PHY_LP_ABILITY,
  PHY_STATUS,
} from "./82576_regs.ts";
import { ABLE_10_FULL, ABLE_10_HALF, ABLE_100_FULL, ABLE_100_HALF, ABLE_1000_FULL, ABLE_OFF } from "./port.ts";
import { wire_renegotiate } from "./wire.ts";

const PHY_ADDR = 1;
const ID1 = 0x02a8;
const ID2 = 0x0391;
/** 10 and 100 Mbit/s at both duplexes, extended status, autonegotiation, extended registers, preamble suppression. */
const STATUS_CAPS = 0x7949;
const ADV_ALL =
  0x0001 |
  NWAY_AR_10T_HD_CAPS |
  NWAY_AR_10T_FD_CAPS |
  NWAY_AR_100TX_HD_CAPS |
  NWAY_AR_100TX_FD_CAPS |
  NWAY_AR_PAUSE |
  NWAY_AR_ASM_DIR;

/** The PHY comes out of reset powered and negotiating. */
export function phy_reset(nic: I82576): void {
  nic.phy.fill(0);
  nic.loops = false;
  nic.phy[PHY_CONTROL] = MII_CR_AUTO_NEG_EN | MII_CR_FULL_DUPLEX | MII_CR_SPEED_1000;
  nic.phy[PHY_AUTONEG_ADV] = ADV_ALL;
  nic.phy[PHY_1000T_CTRL] = CR_1000T_FD_CAPS;
  if (nic.end !== null) wire_renegotiate(nic.end);
}

/** What the transceiver offers the cable. */
export function phy_abilities(nic: I82576): number {
  const cr = nic.phy[PHY_CONTROL];
  // In loopback the PHY is not on the cable.
  if (!nic.pf.present || cr & (MII_CR_POWER_DOWN | MII_CR_LOOPBACK)) return ABLE_OFF;
  if (!(cr & MII_CR_AUTO_NEG_EN)) {
    if (cr & MII_CR_SPEED_1000) return ABLE_1000_FULL;
    if (cr & MII_CR_SPEED_100) return cr & MII_CR_FULL_DUPLEX ? ABLE_100_FULL : ABLE_100_HALF;
    return cr & MII_CR_FULL_DUPLEX ? ABLE_10_FULL : ABLE_10_HALF;
  }
  const adv = nic.phy[PHY_AUTONEG_ADV];
  let able = 0;
  if (adv & NWAY_AR_10T_HD_CAPS) able |= ABLE_10_HALF;
  if (adv & NWAY_AR_10T_FD_CAPS) able |= ABLE_10_FULL;
  if (adv & NWAY_AR_100TX_HD_CAPS) able |= ABLE_100_HALF;
  if (adv & NWAY_AR_100TX_FD_CAPS) able |= ABLE_100_FULL;
  if (nic.phy[PHY_1000T_CTRL] & CR_1000T_FD_CAPS) able |= ABLE_1000_FULL;
  return able === 0 ? ABLE_OFF : able;
}

function phy_read(nic: I82576, reg: number): number {
  const up = nic.end?.up === true;
  switch (reg) {
    case PHY_STATUS:
      return STATUS_CAPS | (up ? MII_SR_LINK_STATUS | MII_SR_AUTONEG_COMPLETE : 0);
    case PHY_ID1:
      return ID1;
    case PHY_ID2:
      return ID2;
    case PHY_LP_ABILITY:
      // The cable tells the outcome, not the partner's page: what was agreed, and pause.
      return up ? ADV_ALL | 0x4000 : 0;
    case PHY_1000T_STATUS:
      return up && nic.end!.mbps >= 1000 ? 0x3800 : 0;
    case PHY_EXT_STATUS:
      return 0x3000;
    default:
      return nic.phy[reg];
  }
}

function phy_write(nic: I82576, reg: number, val: number): void {
  switch (reg) {
    case PHY_CONTROL:
      if (val & MII_CR_RESET) {
        phy_reset(nic);
        return;
      }
      nic.phy[reg] = val & ~MII_CR_RESTART_AUTO_NEG;
      if (nic.end !== null) wire_renegotiate(nic.end);
      if (nic.loops !== ((val & MII_CR_LOOPBACK) !== 0)) {
        nic.loops = !nic.loops;
        i82576_link(nic);
      }
      return;
    case PHY_AUTONEG_ADV:
    case PHY_1000T_CTRL:
      // Takes effect when software restarts the negotiation.
      nic.phy[reg] = val;
      return;
    case PHY_STATUS:
    case PHY_ID1:
    case PHY_ID2:
    case PHY_LP_ABILITY:
    case PHY_1000T_STATUS:
    case PHY_EXT_STATUS:
      return;
    default:
      nic.phy[reg] = val;
  }
}

/** A command written to MDIC; returns what the register reads afterwards. */
export function phy_mdic(nic: I82576, val: number): number {
  const reg = (val >> E1000_MDIC_REG_SHIFT) & 0x1f;
  if (((val >> E1000_MDIC_PHY_SHIFT) & 0x1f) !== PHY_ADDR) return val | E1000_MDIC_READY | E1000_MDIC_ERROR;
  if (val & E1000_MDIC_OP_WRITE) phy_write(nic, reg, val & 0xffff);
  else if (val & E1000_MDIC_OP_READ) val = (val & ~0xffff) | phy_read(nic, reg);
  return val | E1000_MDIC_READY;
}
