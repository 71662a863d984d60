// igb, the hardware's ways: reset, PHY, link, LEDs, address tables, statistics. Mirrors intel/igb/e1000_{82575,mac,phy}.c.
// Read first: hw/82576_regs.ts. Way in: igb_reset(), igb_update_stats(), igb_setup_link().

import * as R from "../../../../hw/82576_regs.ts";
import { type NetDeviceStats, netif_running } from "../../../../net/core/netdevice.ts";
import { e1000_fc_none, e1000_fc_rx_pause, e1000_fc_tx_pause, type IgbAdapter, rd32, wr32 } from "./igb.ts";

/** High and low water marks of flow control, in bytes of the 64 KB packet buffer. */
const FC_HIGH_WATER = 0xb000;
const FC_LOW_WATER = 0x9000;
const FC_PAUSE_TIME = 0xffff;
const PHY_ADDR = 1 << R.E1000_MDIC_PHY_SHIFT;

export const ADVERTISE_ALL_MII =
  R.NWAY_AR_10T_HD_CAPS | R.NWAY_AR_10T_FD_CAPS | R.NWAY_AR_100TX_HD_CAPS | R.NWAY_AR_100TX_FD_CAPS;

export function igb_read_phy_reg(adapter: IgbAdapter, reg: number): number {
  wr32(adapter, R.E1000_MDIC, R.E1000_MDIC_OP_READ | PHY_ADDR | (reg << R.E1000_MDIC_REG_SHIFT));
  return rd32(adapter, R.E1000_MDIC) & 0xffff;
}

export function igb_write_phy_reg(adapter: IgbAdapter, reg: number, data: number): void {
  wr32(adapter, R.E1000_MDIC, R.E1000_MDIC_OP_WRITE | PHY_ADDR | (reg << R.E1000_MDIC_REG_SHIFT) | (data & 0xffff));
}

/** The factory's address, from where the hardware loaded it. */
export function igb_read_mac_addr(adapter: IgbAdapter, out: Uint8Array): void {
  const lo = rd32(adapter, R.E1000_RAL(0));
  const hi = rd32(adapter, R.E1000_RAH(0));
  for (let i = 0; i < 4; i++) out[i] = lo >>> (8 * i);
  out[4] = hi;
  out[5] = hi >>> 8;
}

export function igb_rar_set(adapter: IgbAdapter, addr: Uint8Array, index: number): void {
  wr32(adapter, R.E1000_RAH(index), 0);
  wr32(adapter, R.E1000_RAL(index), addr[0]! | (addr[1]! << 8) | (addr[2]! << 16) | (addr[3]! << 24));
  wr32(adapter, R.E1000_RAH(index), addr[4]! | (addr[5]! << 8) | R.E1000_RAH_AV);
}

/** The twelve bits of a group address that choose its bit in the multicast table (RCTL.MO = 0). */
export const igb_hash_mc_addr = (addr: Uint8Array): number => ((addr[4]! >> 4) | (addr[5]! << 4)) & 0xfff;

const igb_phy_power = (adapter: IgbAdapter, on: boolean): void => {
  const cr = igb_read_phy_reg(adapter, R.PHY_CONTROL);
  const now = on ? cr & ~R.MII_CR_POWER_DOWN : cr | R.MII_CR_POWER_DOWN;
  if (now !== cr) igb_write_phy_reg(adapter, R.PHY_CONTROL, now);
};
export const igb_power_up_link = (adapter: IgbAdapter): void => igb_phy_power(adapter, true);
const igb_power_down_link = (adapter: IgbAdapter): void => igb_phy_power(adapter, false);

/** Every LED at once: on and blinking, or dark. */
function igb_leds(adapter: IgbAdapter, mode: number): void {
  wr32(adapter, R.E1000_LEDCTL, mode | (mode << 8) | (mode << 16) | (mode << 24));
}
export const igb_blink_led = (adapter: IgbAdapter): void =>
  igb_leds(adapter, R.E1000_LEDCTL_MODE_LED_ON | R.E1000_LEDCTL_LED_BLINK);
export const igb_led_off = (adapter: IgbAdapter): void => igb_leds(adapter, R.E1000_LEDCTL_MODE_LED_OFF);
/** The LEDs show link and traffic again. */
export const igb_cleanup_led = (adapter: IgbAdapter): void => wr32(adapter, R.E1000_LEDCTL, adapter.ledctl_default);

/** What the PHY offers, or is forced to; and the MAC follows it (SLU). */
export function igb_setup_link(adapter: IgbAdapter): void {
  const power = igb_read_phy_reg(adapter, R.PHY_CONTROL) & R.MII_CR_POWER_DOWN;
  if (adapter.autoneg) {
    igb_write_phy_reg(
      adapter,
      R.PHY_AUTONEG_ADV,
      1 | (adapter.autoneg_advertised & ADVERTISE_ALL_MII) | R.NWAY_AR_PAUSE | R.NWAY_AR_ASM_DIR,
    );
    igb_write_phy_reg(adapter, R.PHY_1000T_CTRL, adapter.autoneg_advertised & R.CR_1000T_FD_CAPS);
    igb_write_phy_reg(
      adapter,
      R.PHY_CONTROL,
      power | R.MII_CR_AUTO_NEG_EN | R.MII_CR_FULL_DUPLEX | R.MII_CR_SPEED_1000 | R.MII_CR_RESTART_AUTO_NEG,
    );
  } else igb_write_phy_reg(adapter, R.PHY_CONTROL, power | adapter.forced_control);
  wr32(adapter, R.E1000_FCTTV, FC_PAUSE_TIME);
  wr32(adapter, R.E1000_FCRTH, FC_HIGH_WATER);
  wr32(adapter, R.E1000_FCRTL, FC_LOW_WATER | R.E1000_FCRTL_XONE);
  wr32(adapter, R.E1000_CTRL, rd32(adapter, R.E1000_CTRL) | R.E1000_CTRL_SLU);
}

/** Sets what flow control the link shall have: what was asked for, as far as the duplex allows (802.3 annex 31B). */
export function igb_config_fc_after_link_up(adapter: IgbAdapter, full_duplex: boolean): void {
  adapter.fc_current = full_duplex ? adapter.fc_requested : e1000_fc_none;
  let ctrl = rd32(adapter, R.E1000_CTRL) & ~(R.E1000_CTRL_RFCE | R.E1000_CTRL_TFCE);
  if (adapter.fc_current & e1000_fc_rx_pause) ctrl |= R.E1000_CTRL_RFCE;
  if (adapter.fc_current & e1000_fc_tx_pause) ctrl |= R.E1000_CTRL_TFCE;
  wr32(adapter, R.E1000_CTRL, ctrl);
}

export const fc_names: readonly string[] = ["None", "RX", "TX", "RX/TX"];

/** Everything in the MAC back to its start, addresses loaded, and the PHY asleep while the device is not up. */
export function igb_reset(adapter: IgbAdapter): void {
  // Until a link says otherwise: what was asked for decides about DROP_EN when the device is opened.
  adapter.fc_current = adapter.fc_requested;
  wr32(adapter, R.E1000_IMC, -1);
  wr32(adapter, R.E1000_RCTL, 0);
  wr32(adapter, R.E1000_TCTL, R.E1000_TCTL_PSP);
  // The counters go with the reset: what they hold is taken first.
  igb_update_stats(adapter);
  wr32(adapter, R.E1000_CTRL, rd32(adapter, R.E1000_CTRL) | R.E1000_CTRL_RST);
  wr32(adapter, R.E1000_IMC, -1);
  rd32(adapter, R.E1000_ICR);
  igb_rar_set(adapter, adapter.netdev.dev_addr, 0);
  for (let i = 1; i < R.E1000_RAR_ENTRIES; i++) wr32(adapter, R.E1000_RAH(i), 0);
  for (let i = 0; i < R.E1000_MTA_SIZE; i++) wr32(adapter, R.E1000_MTA(i), 0);
  wr32(adapter, R.E1000_VET, 0x8100);
  igb_setup_link(adapter);
  if (!netif_running(adapter.netdev)) igb_power_down_link(adapter);
}

const hi_lo = (adapter: IgbAdapter, low: number): number => {
  const lo = rd32(adapter, low) >>> 0;
  return (rd32(adapter, low + 4) >>> 0) * 0x1_0000_0000 + lo;
};

/** Adds what the registers counted since the last time. */
export function igb_update_stats(adapter: IgbAdapter): void {
  if (!adapter.pdev.pf.present) return;
  const s = adapter.stats;
  for (const ring of adapter.rx_ring) ring.drops += rd32(adapter, R.E1000_RQDPC(ring.reg_idx));
  s.crcerrs += rd32(adapter, R.E1000_CRCERRS);
  s.algnerrc += rd32(adapter, R.E1000_ALGNERRC);
  s.rxerrc += rd32(adapter, R.E1000_RXERRC);
  s.mpc += rd32(adapter, R.E1000_MPC);
  s.scc += rd32(adapter, R.E1000_SCC);
  s.ecol += rd32(adapter, R.E1000_ECOL);
  s.mcc += rd32(adapter, R.E1000_MCC);
  s.latecol += rd32(adapter, R.E1000_LATECOL);
  s.colc += rd32(adapter, R.E1000_COLC);
  s.dc += rd32(adapter, R.E1000_DC);
  s.tncrs += rd32(adapter, R.E1000_TNCRS);
  s.cexterr += rd32(adapter, R.E1000_CEXTERR);
  s.rlec += rd32(adapter, R.E1000_RLEC);
  s.xonrxc += rd32(adapter, R.E1000_XONRXC);
  s.xontxc += rd32(adapter, R.E1000_XONTXC);
  s.xoffrxc += rd32(adapter, R.E1000_XOFFRXC);
  s.xofftxc += rd32(adapter, R.E1000_XOFFTXC);
  s.gprc += rd32(adapter, R.E1000_GPRC);
  s.bprc += rd32(adapter, R.E1000_BPRC);
  s.mprc += rd32(adapter, R.E1000_MPRC);
  s.gptc += rd32(adapter, R.E1000_GPTC);
  s.gorc += hi_lo(adapter, R.E1000_GORCL);
  s.gotc += hi_lo(adapter, R.E1000_GOTCL);
  s.rnbc += rd32(adapter, R.E1000_RNBC);
  s.ruc += rd32(adapter, R.E1000_RUC);
  s.roc += rd32(adapter, R.E1000_ROC);
  s.tor += hi_lo(adapter, R.E1000_TORL);
  s.tot += hi_lo(adapter, R.E1000_TOTL);
  s.tpr += rd32(adapter, R.E1000_TPR);
  s.tpt += rd32(adapter, R.E1000_TPT);
  s.mptc += rd32(adapter, R.E1000_MPTC);
  s.bptc += rd32(adapter, R.E1000_BPTC);
  s.tsctc += rd32(adapter, R.E1000_TSCTC);
  s.tsctfc += rd32(adapter, R.E1000_TSCTFC);
  s.fcruc += rd32(adapter, R.E1000_FCRUC);
  s.rfc += rd32(adapter, R.E1000_RFC);
  s.rjc += rd32(adapter, R.E1000_RJC);
  const { prc, ptc } = adapter;
  for (let i = 0; i < prc.length; i++) {
    prc[i]! += rd32(adapter, R.E1000_PRC64 + 4 * i);
    ptc[i]! += rd32(adapter, R.E1000_PTC64 + 4 * i);
  }
}

/** ndo_get_stats64: packets and bytes as the rings counted them, errors as the hardware did. */
export function igb_fill_stats64(adapter: IgbAdapter, net: NetDeviceStats): void {
  const s = adapter.stats;
  net.rx_packets = net.rx_bytes = net.tx_packets = net.tx_bytes = net.rx_fifo_errors = 0;
  for (const ring of adapter.rx_ring) {
    net.rx_packets += ring.packets;
    net.rx_bytes += ring.bytes;
    net.rx_fifo_errors += ring.drops;
  }
  for (const ring of adapter.tx_ring) {
    net.tx_packets += ring.packets;
    net.tx_bytes += ring.bytes;
  }
  net.rx_errors = s.rxerrc + s.crcerrs + s.algnerrc + s.ruc + s.roc + s.cexterr + net.rx_fifo_errors;
  net.rx_length_errors = s.ruc + s.roc;
  net.rx_crc_errors = s.crcerrs;
  net.rx_frame_errors = s.algnerrc;
  net.rx_missed_errors = s.mpc;
  net.multicast = s.mprc;
  net.collisions = s.colc;
  net.tx_errors = s.ecol + s.latecol;
  net.tx_aborted_errors = s.ecol;
  net.tx_window_errors = s.latecol;
  net.tx_carrier_errors = s.tncrs;
}
