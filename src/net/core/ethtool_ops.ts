// What a driver offers to ethtool. Mirrors include/linux/ethtool.h. Called by net/core/ethtool.ts for SIOCETHTOOL.

import type { NetDevice } from "./netdevice.ts";

export interface EthtoolDrvinfo {
  driver: string;
  version: string;
  fw_version: string;
  bus_info: string;
  n_priv_flags: number;
}
export interface EthtoolRingparam {
  rx_max_pending: number;
  tx_max_pending: number;
  rx_pending: number;
  tx_pending: number;
}
export interface EthtoolChannels {
  max_rx: number;
  max_tx: number;
  max_other: number;
  max_combined: number;
  rx_count: number;
  tx_count: number;
  other_count: number;
  combined_count: number;
}
export interface EthtoolCoalesce {
  rx_coalesce_usecs: number;
  rx_max_coalesced_frames: number;
  tx_coalesce_usecs: number;
  tx_max_coalesced_frames: number;
}
export interface EthtoolPauseparam {
  autoneg: boolean;
  rx_pause: boolean;
  tx_pause: boolean;
}
export interface EthtoolLinkKsettings {
  /** Mbit/s; -1 unknown. */
  speed: number;
  /** 0 half, 1 full, 0xff unknown. */
  duplex: number;
  /** 0 twisted pair, … 0xff other. */
  port: number;
  phy_address: number;
  autoneg: number;
  mdio_support: number;
  eth_tp_mdix: number;
  /** Link mode bit numbers (ETHTOOL_LINK_MODE_*). */
  supported: number[];
  advertising: number[];
  lp_advertising: number[];
}

export interface EthtoolTestResult {
  /** ETH_TEST_FL_*. */
  flags: number;
  /** One number for each of get_test_strings(); 0: passed. */
  data: number[];
}
/** ETHTOOL_ID_*. */
export type EthtoolPhysIdState = "active" | "on" | "off" | "inactive";

/** The settings of a link that has no modes to choose from: virtual devices. */
export const virtual_link_ksettings = (speed: number, duplex: number, port: number): EthtoolLinkKsettings => ({
  speed,
  duplex,
  port,
  phy_address: 0,
  autoneg: 0,
  mdio_support: 0,
  eth_tp_mdix: 0,
  supported: [],
  advertising: [],
  lp_advertising: [],
});

/** Getters fill nothing they do not know; setters return 0 or -errno. */
export interface EthtoolOps {
  get_drvinfo?(dev: NetDevice): EthtoolDrvinfo;
  get_link?(dev: NetDevice): boolean;
  get_link_ksettings?(dev: NetDevice): EthtoolLinkKsettings;
  set_link_ksettings?(dev: NetDevice, cmd: EthtoolLinkKsettings): number;
  get_ringparam?(dev: NetDevice): EthtoolRingparam;
  set_ringparam?(dev: NetDevice, ring: EthtoolRingparam): number;
  get_channels?(dev: NetDevice): EthtoolChannels;
  set_channels?(dev: NetDevice, ch: EthtoolChannels): number;
  get_coalesce?(dev: NetDevice): EthtoolCoalesce;
  set_coalesce?(dev: NetDevice, ec: EthtoolCoalesce): number;
  get_pauseparam?(dev: NetDevice): EthtoolPauseparam;
  set_pauseparam?(dev: NetDevice, p: EthtoolPauseparam): number;
  /** Names of `ethtool -S`, in order; the values in the same order. */
  get_strings?(dev: NetDevice): string[];
  get_ethtool_stats?(dev: NetDevice): number[];
  /** RSS: indirection table and key. */
  get_rxfh?(dev: NetDevice): { indir: number[]; key: Uint8Array };
  set_rxfh?(dev: NetDevice, indir: number[] | null, key: Uint8Array | null): number;
  /** Number of RX rings, for `ethtool -x`. */
  get_rxnfc_rings?(dev: NetDevice): number;
  /** RXH_* that are hashed of a flow type, or -errno. */
  get_rxfh_fields?(dev: NetDevice, flow_type: number): number;
  set_rxfh_fields?(dev: NetDevice, flow_type: number, fields: number): number;
  /** The register dump, in bytes, and its words with the version that says how to read them. */
  get_regs_len?(dev: NetDevice): number;
  get_regs?(dev: NetDevice): { version: number; data: Uint32Array };
  /** The EEPROM: its size, and what is there; the offset and length are within it. */
  get_eeprom_len?(dev: NetDevice): number;
  get_eeprom?(dev: NetDevice, offset: number, length: number): { magic: number; data: Uint8Array };
  /** Writes within the EEPROM, when `magic` is what get_eeprom() gave. 0 or -errno. */
  set_eeprom?(dev: NetDevice, offset: number, bytes: Uint8Array, magic: number): number;
  get_test_strings?(dev: NetDevice): readonly string[];
  /** A test that may take its time: each value it yields is how long it waits, in ns. */
  self_test?(dev: NetDevice, flags: number): Generator<number, EthtoolTestResult, unknown>;
  /** Somebody looks for the card. "active": how often a second "on" and "off" shall come, 0 when the driver does it alone. */
  set_phys_id?(dev: NetDevice, state: EthtoolPhysIdState): number;
  get_msglevel?(dev: NetDevice): number;
  set_msglevel?(dev: NetDevice, level: number): void;
  nway_reset?(dev: NetDevice): number;
}
