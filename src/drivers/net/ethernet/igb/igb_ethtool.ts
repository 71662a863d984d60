// igb, what ethtool asks and sets. Mirrors drivers/net/ethernet/intel/igb/igb_ethtool.c.
// Way in: igb_ethtool_ops, set by igb_probe().

import * as R from "../../../../hw/82576_regs.ts";
import { KERN_ERR, printk } from "../../../../kernel/printk.ts";
import type {
  EthtoolChannels,
  EthtoolCoalesce,
  EthtoolLinkKsettings,
  EthtoolOps,
  EthtoolPauseparam,
  EthtoolRingparam,
} from "../../../../net/core/ethtool_ops.ts";
import { type NetDevice, NetDeviceStats, netif_carrier_ok, netif_running } from "../../../../net/core/netdevice.ts";
import { EINVAL } from "../../../../uapi/errno.ts";
import * as E from "../../../../uapi/ethtool.ts";
import {
  type E1000HwStats,
  IGB_MAX_DESCRIPTORS,
  IGB_MAX_QUEUES,
  IGB_MIN_DESCRIPTORS,
  IGB_START_ITR,
  type IgbAdapter,
  NON_Q_VECTORS,
  rd32,
} from "./igb.ts";
import { igb_diag_test, igb_gstrings_test, igb_set_phys_id } from "./igb_diag.ts";
import {
  ADVERTISE_ALL_MII,
  igb_config_fc_after_link_up,
  igb_fill_stats64,
  igb_setup_link,
  igb_update_stats,
} from "./igb_hw.ts";
import {
  igb_close,
  igb_down,
  igb_free_all_rx_resources,
  igb_free_all_tx_resources,
  igb_init_rss_indir_tbl,
  igb_reinit_queues,
  igb_setup_all_rx_resources,
  igb_setup_all_tx_resources,
  igb_setup_mrqc,
  igb_setup_srrctl,
  igb_up,
} from "./igb_main.ts";
import { igb_get_eeprom, igb_set_eeprom, NVM_WORDS } from "./igb_nvm.ts";
import { IGB_REGS_BYTES, igb_get_regs } from "./igb_regs.ts";

const priv = (dev: NetDevice): IgbAdapter => dev.priv as IgbAdapter;

// Link mode bits (ETHTOOL_LINK_MODE_*).
const MODE_10_HALF = 0;
const MODE_10_FULL = 1;
const MODE_100_HALF = 2;
const MODE_100_FULL = 3;
const MODE_1000_FULL = 5;
const MODE_AUTONEG = 6;
const MODE_TP = 7;
const MODE_PAUSE = 13;
const MODE_ASYM_PAUSE = 14;
const MII_MODES: readonly (readonly [mode: number, mii: number])[] = [
  [MODE_10_HALF, R.NWAY_AR_10T_HD_CAPS],
  [MODE_10_FULL, R.NWAY_AR_10T_FD_CAPS],
  [MODE_100_HALF, R.NWAY_AR_100TX_HD_CAPS],
  [MODE_100_FULL, R.NWAY_AR_100TX_FD_CAPS],
  [MODE_1000_FULL, R.CR_1000T_FD_CAPS],
];

/** Names of `ethtool -S`, and the counter behind each; "" where this hardware has none. */
const igb_gstrings_stats: readonly (readonly [string, keyof E1000HwStats | "tx_timeout_count" | ""])[] = [
  ["rx_packets", "gprc"],
  ["tx_packets", "gptc"],
  ["rx_bytes", "gorc"],
  ["tx_bytes", "gotc"],
  ["rx_broadcast", "bprc"],
  ["tx_broadcast", "bptc"],
  ["rx_multicast", "mprc"],
  ["tx_multicast", "mptc"],
  ["multicast", "mprc"],
  ["collisions", "colc"],
  ["rx_crc_errors", "crcerrs"],
  ["rx_no_buffer_count", "rnbc"],
  ["rx_missed_errors", "mpc"],
  ["tx_aborted_errors", "ecol"],
  ["tx_carrier_errors", "tncrs"],
  ["tx_window_errors", "latecol"],
  ["tx_abort_late_coll", "latecol"],
  ["tx_deferred_ok", "dc"],
  ["tx_single_coll_ok", "scc"],
  ["tx_multi_coll_ok", "mcc"],
  ["tx_timeout_count", "tx_timeout_count"],
  ["rx_long_length_errors", "roc"],
  ["rx_short_length_errors", "ruc"],
  ["rx_align_errors", "algnerrc"],
  ["tx_tcp_seg_good", "tsctc"],
  ["tx_tcp_seg_failed", "tsctfc"],
  ["rx_flow_control_xon", "xonrxc"],
  ["rx_flow_control_xoff", "xoffrxc"],
  ["tx_flow_control_xon", "xontxc"],
  ["tx_flow_control_xoff", "xofftxc"],
  ["rx_long_byte_count", "gorc"],
  ["tx_dma_out_of_sync", "doosync"],
  ["tx_smbus", ""],
  ["rx_smbus", ""],
  ["dropped_smbus", ""],
  ["os2bmc_rx_by_bmc", ""],
  ["os2bmc_tx_by_bmc", ""],
  ["os2bmc_tx_by_host", ""],
  ["os2bmc_rx_by_host", ""],
  ["tx_hwtstamp_timeouts", ""],
  ["tx_hwtstamp_skipped", ""],
  ["rx_hwtstamp_cleared", ""],
];
const igb_gstrings_net_stats: readonly (keyof NetDeviceStats)[] = [
  "rx_errors",
  "tx_errors",
  "tx_dropped",
  "rx_length_errors",
  "rx_over_errors",
  "rx_frame_errors",
  "rx_fifo_errors",
  "tx_fifo_errors",
  "tx_heartbeat_errors",
];

function igb_get_strings(dev: NetDevice): string[] {
  const adapter = priv(dev);
  const names = [...igb_gstrings_stats.map((s) => s[0]), ...igb_gstrings_net_stats];
  for (let i = 0; i < adapter.tx_ring.length; i++) {
    for (const n of ["packets", "bytes", "restart"]) names.push(`tx_queue_${i}_${n}`);
  }
  for (let i = 0; i < adapter.rx_ring.length; i++) {
    for (const n of ["packets", "bytes", "drops", "csum_err", "alloc_failed"]) names.push(`rx_queue_${i}_${n}`);
  }
  return names;
}

function igb_get_ethtool_stats(dev: NetDevice): number[] {
  const adapter = priv(dev);
  igb_update_stats(adapter);
  const net = new NetDeviceStats();
  net.tx_dropped = dev.stats.tx_dropped;
  igb_fill_stats64(adapter, net);
  const out: number[] = [];
  for (const [, field] of igb_gstrings_stats) {
    out.push(field === "" ? 0 : field === "tx_timeout_count" ? adapter.tx_timeout_count : adapter.stats[field]);
  }
  for (const field of igb_gstrings_net_stats) out.push(net[field]);
  for (const r of adapter.tx_ring) out.push(r.packets, r.bytes, r.restart_queue);
  for (const r of adapter.rx_ring) out.push(r.packets, r.bytes, r.drops, r.csum_err, r.alloc_failed);
  return out;
}

// --- rings, channels, coalescing ------------------------------------------------------------------------------------

function igb_get_ringparam(dev: NetDevice): EthtoolRingparam {
  const adapter = priv(dev);
  return {
    rx_max_pending: IGB_MAX_DESCRIPTORS,
    tx_max_pending: IGB_MAX_DESCRIPTORS,
    rx_pending: adapter.rx_ring_count,
    tx_pending: adapter.tx_ring_count,
  };
}

/** Within the limits, and a multiple of eight. */
const ring_size = (n: number): number => (Math.min(Math.max(n, IGB_MIN_DESCRIPTORS), IGB_MAX_DESCRIPTORS) + 7) & ~7;

function igb_set_ringparam(dev: NetDevice, ring: EthtoolRingparam): number {
  const adapter = priv(dev);
  const rx = ring_size(ring.rx_pending);
  const tx = ring_size(ring.tx_pending);
  if (rx === adapter.rx_ring_count && tx === adapter.tx_ring_count) return 0;
  const running = netif_running(dev);
  if (running) {
    igb_down(adapter);
    igb_free_all_tx_resources(adapter);
    igb_free_all_rx_resources(adapter);
  }
  adapter.rx_ring_count = rx;
  adapter.tx_ring_count = tx;
  for (const r of adapter.rx_ring) r.count = rx;
  for (const r of adapter.tx_ring) r.count = tx;
  if (!running) return 0;
  let err = igb_setup_all_tx_resources(adapter);
  if (err >= 0) err = igb_setup_all_rx_resources(adapter);
  if (err < 0) {
    igb_close(dev);
    return err;
  }
  igb_up(adapter);
  return 0;
}

function igb_get_channels(dev: NetDevice): EthtoolChannels {
  return {
    max_rx: 0,
    max_tx: 0,
    max_other: NON_Q_VECTORS,
    max_combined: IGB_MAX_QUEUES,
    rx_count: 0,
    tx_count: 0,
    other_count: NON_Q_VECTORS,
    combined_count: priv(dev).rss_queues,
  };
}

function igb_set_channels(dev: NetDevice, ch: EthtoolChannels): number {
  const adapter = priv(dev);
  const count = ch.combined_count;
  if (count <= 0 || ch.rx_count !== 0 || ch.tx_count !== 0 || ch.other_count !== NON_Q_VECTORS) return -EINVAL;
  if (count > IGB_MAX_QUEUES) return -EINVAL;
  if (count === adapter.rss_queues) return 0;
  adapter.rss_queues = count;
  igb_init_rss_indir_tbl(adapter);
  return igb_reinit_queues(adapter);
}

function igb_get_coalesce(dev: NetDevice): EthtoolCoalesce {
  const adapter = priv(dev);
  const s = adapter.rx_itr_setting;
  return {
    rx_coalesce_usecs: s <= 3 ? s : s >> 2,
    rx_max_coalesced_frames: 0,
    // A pair of queues has one interval.
    tx_coalesce_usecs: 0,
    tx_max_coalesced_frames: 0,
  };
}

/** 0 off, 1 dynamic, 3 dynamic but conservative, 10 … 10000 µs fixed. */
function igb_set_coalesce(dev: NetDevice, ec: EthtoolCoalesce): number {
  const adapter = priv(dev);
  const us = ec.rx_coalesce_usecs;
  if (ec.rx_max_coalesced_frames !== 0 || ec.tx_max_coalesced_frames !== 0) return -EINVAL;
  if (us > 10000 || us < 0 || (us > 3 && us < 10) || us === 2 || ec.tx_coalesce_usecs !== 0) return -EINVAL;
  adapter.rx_itr_setting = adapter.tx_itr_setting = us <= 3 ? us : us << 2;
  for (const q of adapter.q_vector) {
    q.itr_val = us === 0 ? 0 : us <= 3 ? IGB_START_ITR : us << 2;
    q.set_itr = true;
  }
  return 0;
}

// --- link -----------------------------------------------------------------------------------------------------------

function igb_get_link_ksettings(dev: NetDevice): EthtoolLinkKsettings {
  const adapter = priv(dev);
  const status = rd32(adapter, R.E1000_STATUS);
  const up = netif_running(dev) && status !== -1 && (status & R.E1000_STATUS_LU) !== 0;
  const all = [...MII_MODES.map((m) => m[0]), MODE_AUTONEG, MODE_TP, MODE_PAUSE];
  const advertising = adapter.autoneg
    ? MII_MODES.filter((m) => adapter.autoneg_advertised & m[1]).map((m) => m[0])
    : [];
  if (adapter.autoneg) advertising.push(MODE_AUTONEG);
  advertising.push(MODE_TP);
  if (adapter.fc_requested & 1) advertising.push(MODE_PAUSE);
  if (adapter.fc_requested === 1 || adapter.fc_requested === 2) advertising.push(MODE_ASYM_PAUSE);
  return {
    speed: !up ? -1 : status & R.E1000_STATUS_SPEED_1000 ? 1000 : status & R.E1000_STATUS_SPEED_100 ? 100 : 10,
    duplex: !up ? 0xff : status & R.E1000_STATUS_FD ? 1 : 0,
    port: 0,
    phy_address: 1,
    autoneg: adapter.autoneg ? 1 : 0,
    mdio_support: 0,
    eth_tp_mdix: up ? 1 : 0,
    supported: all,
    advertising,
    lp_advertising: [],
  };
}

function igb_set_link_ksettings(dev: NetDevice, cmd: EthtoolLinkKsettings): number {
  const adapter = priv(dev);
  if (cmd.autoneg) {
    let adv = 0;
    for (const [mode, mii] of MII_MODES) if (cmd.advertising.includes(mode)) adv |= mii;
    adapter.autoneg = true;
    adapter.autoneg_advertised = adv !== 0 ? adv : ADVERTISE_ALL_MII | R.CR_1000T_FD_CAPS;
  } else if (cmd.speed === 1000) {
    // Over copper a gigabit is always negotiated (802.3 section 40.5): the one mode is offered.
    if (cmd.duplex !== 1) return -EINVAL;
    adapter.autoneg = true;
    adapter.autoneg_advertised = R.CR_1000T_FD_CAPS;
  } else {
    if ((cmd.speed !== 10 && cmd.speed !== 100) || (cmd.duplex !== 0 && cmd.duplex !== 1)) return -EINVAL;
    adapter.autoneg = false;
    adapter.forced_control =
      (cmd.speed === 100 ? R.MII_CR_SPEED_100 : 0) | (cmd.duplex === 1 ? R.MII_CR_FULL_DUPLEX : 0);
  }
  if (!netif_running(dev)) {
    igb_setup_link(adapter);
    return 0;
  }
  igb_down(adapter);
  igb_up(adapter);
  return 0;
}

function igb_nway_reset(dev: NetDevice): number {
  if (netif_running(dev)) {
    igb_down(priv(dev));
    igb_up(priv(dev));
  }
  return 0;
}

function igb_get_pauseparam(dev: NetDevice): EthtoolPauseparam {
  const adapter = priv(dev);
  const fc = netif_carrier_ok(dev) ? adapter.fc_current : adapter.fc_requested;
  return { autoneg: adapter.fc_autoneg, rx_pause: (fc & 1) !== 0, tx_pause: (fc & 2) !== 0 };
}

function igb_set_pauseparam(dev: NetDevice, p: EthtoolPauseparam): number {
  const adapter = priv(dev);
  adapter.fc_autoneg = p.autoneg;
  // With autonegotiation, what the command line does not say stays as it was; here the partner always agrees.
  adapter.fc_requested = (p.rx_pause ? 1 : 0) | (p.tx_pause ? 2 : 0);
  if (!netif_running(dev) || adapter.link_speed === 0) adapter.fc_current = adapter.fc_requested;
  else igb_config_fc_after_link_up(adapter, adapter.link_duplex === 2);
  // Whether a full queue drops depends on it.
  if (netif_running(dev)) for (const ring of adapter.rx_ring) igb_setup_srrctl(adapter, ring);
  return 0;
}

// --- RSS ------------------------------------------------------------------------------------------------------------

function igb_set_rxfh(dev: NetDevice, indir: number[] | null, key: Uint8Array | null): number {
  const adapter = priv(dev);
  // The key is the driver's own: igb offers no way to change it.
  if (key !== null) return -EINVAL;
  if (indir === null) return 0;
  if (indir.length !== 128 || indir.some((q) => q < 0 || q >= adapter.rss_queues)) return -EINVAL;
  adapter.rss_indir_tbl.set(indir);
  if (netif_running(dev)) igb_setup_mrqc(adapter);
  return 0;
}

/** By addresses always, TCP by ports too; UDP by ports when asked for, for fragments have none and may overtake. */
function igb_get_rxfh_fields(dev: NetDevice, flow_type: number): number {
  const udp = priv(dev).rss_udp_fields;
  const addresses = E.RXH_IP_SRC | E.RXH_IP_DST;
  const ports = E.RXH_L4_B_0_1 | E.RXH_L4_B_2_3;
  switch (flow_type) {
    case E.TCP_V4_FLOW:
    case E.TCP_V6_FLOW:
      return addresses | ports;
    case E.UDP_V4_FLOW:
      return addresses | (udp & R.E1000_MRQC_RSS_FIELD_IPV4_UDP ? ports : 0);
    case E.UDP_V6_FLOW:
      return addresses | (udp & R.E1000_MRQC_RSS_FIELD_IPV6_UDP ? ports : 0);
    case E.SCTP_V4_FLOW:
    case E.AH_ESP_V4_FLOW:
    case E.AH_V4_FLOW:
    case E.ESP_V4_FLOW:
    case E.IPV4_FLOW:
    case E.SCTP_V6_FLOW:
    case E.AH_ESP_V6_FLOW:
    case E.AH_V6_FLOW:
    case E.ESP_V6_FLOW:
    case E.IPV6_FLOW:
      return addresses;
    default:
      return -EINVAL;
  }
}

function igb_set_rxfh_fields(dev: NetDevice, flow_type: number, fields: number): number {
  const adapter = priv(dev);
  const now = igb_get_rxfh_fields(dev, flow_type);
  if (now < 0) return now;
  if (flow_type === E.UDP_V4_FLOW || flow_type === E.UDP_V6_FLOW) {
    const addresses = E.RXH_IP_SRC | E.RXH_IP_DST;
    const by_ports = fields === (addresses | E.RXH_L4_B_0_1 | E.RXH_L4_B_2_3);
    if (!by_ports && fields !== addresses) return -EINVAL;
    const bit = flow_type === E.UDP_V4_FLOW ? R.E1000_MRQC_RSS_FIELD_IPV4_UDP : R.E1000_MRQC_RSS_FIELD_IPV6_UDP;
    if (now !== fields && by_ports) {
      const text = "enabling UDP RSS: fragmented packets may arrive out of order to the stack above";
      printk(adapter.kernel, KERN_ERR, `igb ${adapter.pdev.name}: ${text}`);
    }
    adapter.rss_udp_fields = by_ports ? adapter.rss_udp_fields | bit : adapter.rss_udp_fields & ~bit;
    if (netif_running(dev)) igb_setup_mrqc(adapter);
    return 0;
  }
  return fields === now ? 0 : -EINVAL;
}

export const igb_ethtool_ops: EthtoolOps = {
  get_drvinfo: (dev) => ({
    driver: "igb",
    version: "6.1.0",
    fw_version: "1.2.1",
    bus_info: priv(dev).pdev.name,
    n_priv_flags: 0,
  }),
  get_link: (dev) => netif_running(dev) && (rd32(priv(dev), R.E1000_STATUS) & R.E1000_STATUS_LU) !== 0,
  get_link_ksettings: igb_get_link_ksettings,
  set_link_ksettings: igb_set_link_ksettings,
  nway_reset: igb_nway_reset,
  get_ringparam: igb_get_ringparam,
  set_ringparam: igb_set_ringparam,
  get_channels: igb_get_channels,
  set_channels: igb_set_channels,
  get_coalesce: igb_get_coalesce,
  set_coalesce: igb_set_coalesce,
  get_pauseparam: igb_get_pauseparam,
  set_pauseparam: igb_set_pauseparam,
  get_strings: igb_get_strings,
  get_ethtool_stats: igb_get_ethtool_stats,
  get_rxfh: (dev) => ({ indir: [...priv(dev).rss_indir_tbl], key: priv(dev).rss_key.slice() }),
  set_rxfh: igb_set_rxfh,
  get_rxfh_fields: igb_get_rxfh_fields,
  set_rxfh_fields: igb_set_rxfh_fields,
  get_regs_len: () => IGB_REGS_BYTES,
  get_regs: (dev) => igb_get_regs(priv(dev)),
  get_eeprom_len: () => NVM_WORDS * 2,
  get_eeprom: (dev, offset, length) => igb_get_eeprom(priv(dev), offset, length),
  set_eeprom: (dev, offset, bytes, magic) => igb_set_eeprom(priv(dev), offset, bytes, magic),
  get_test_strings: () => igb_gstrings_test,
  self_test: igb_diag_test,
  set_phys_id: igb_set_phys_id,
  get_rxnfc_rings: (dev) => priv(dev).rss_queues,
  get_msglevel: (dev) => priv(dev).msg_enable,
  set_msglevel: (dev, level) => {
    priv(dev).msg_enable = level;
  },
};
