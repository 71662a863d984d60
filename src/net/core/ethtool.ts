// SIOCETHTOOL: what drivers tell of themselves and let be set. Mirrors net/ethtool/ioctl.c.
// Read first: uapi/ethtool.ts (the buffer convention). Way in: dev_ethtool() from dev_ioctl().

import type { Kernel } from "../../kernel/kernel.ts";
import { EBUSY, EFAULT, EINTR, EINVAL, ENODEV, EOPNOTSUPP, ERESTART_RESTARTBLOCK } from "../../uapi/errno.ts";
import * as E from "../../uapi/ethtool.ts";
import { IFNAMSIZ } from "../../uapi/if.ts";
import { ETHTOOL_DEV_FEATURE_WORDS, NETDEV_FEATURE_STRINGS } from "../../uapi/netdev_features.ts";
import { nl_set_u64 } from "../../uapi/nlattr.ts";
import { utf8_encode } from "../../uapi/utf8.ts";
import { netdev_update_features } from "./dev_api.ts";
import type {
  EthtoolChannels,
  EthtoolCoalesce,
  EthtoolOps,
  EthtoolPauseparam,
  EthtoolRingparam,
} from "./ethtool_ops.ts";
import type { Net } from "./net_namespace.ts";
import type { NetDevice } from "./netdevice.ts";
import * as N from "./netdevice.ts";

// --- features -----------------------------------------------------------------------------------------------------

/** Our bits and the names of uapi/netdev_features.ts. */
const FEATURE_NAMES: readonly (readonly [number, string])[] = [
  [N.NETIF_F_SG, "tx-scatter-gather"],
  [N.NETIF_F_HW_CSUM, "tx-checksum-ip-generic"],
  [N.NETIF_F_IP_CSUM, "tx-checksum-ipv4"],
  [N.NETIF_F_IPV6_CSUM, "tx-checksum-ipv6"],
  [N.NETIF_F_HIGHDMA, "highdma"],
  [N.NETIF_F_FRAGLIST, "tx-scatter-gather-fraglist"],
  [N.NETIF_F_HW_VLAN_CTAG_TX, "tx-vlan-hw-insert"],
  [N.NETIF_F_HW_VLAN_CTAG_RX, "rx-vlan-hw-parse"],
  [N.NETIF_F_HW_VLAN_CTAG_FILTER, "rx-vlan-filter"],
  [N.NETIF_F_TSO, "tx-tcp-segmentation"],
  [N.NETIF_F_TSO_ECN, "tx-tcp-ecn-segmentation"],
  [N.NETIF_F_TSO6, "tx-tcp6-segmentation"],
  [N.NETIF_F_GSO, "tx-generic-segmentation"],
  [N.NETIF_F_GSO_UDP_L4, "tx-udp-segmentation"],
  [N.NETIF_F_GRO, "rx-gro"],
  [N.NETIF_F_LRO, "rx-lro"],
  [N.NETIF_F_RXHASH, "rx-hashing"],
  [N.NETIF_F_RXCSUM, "rx-checksum"],
  [N.NETIF_F_RXALL, "rx-all"],
  [N.NETIF_F_RXFCS, "rx-fcs"],
  [N.NETIF_F_LOOPBACK, "loopback"],
  [N.NETIF_F_NTUPLE, "rx-ntuple-filter"],
  [N.NETIF_F_GRO_HW, "rx-gro-hw"],
  [N.NETIF_F_GRO_FRAGLIST, "rx-gro-list"],
  [N.NETIF_F_GRO_UDP_FWD, "rx-udp-gro-forwarding"],
  [N.NETIF_F_SCTP_CRC, "tx-checksum-sctp"],
  [N.NETIF_F_VLAN_CHALLENGED, "vlan-challenged"],
];
/** Bit here → bit number there. */
const FEATURE_BITS: readonly (readonly [number, number])[] = FEATURE_NAMES.map(
  ([bit, name]) => [bit, NETDEV_FEATURE_STRINGS.indexOf(name)] as const,
);
/** Nobody may change these: they are what the driver is (NETIF_F_NEVER_CHANGE). */
const NEVER_CHANGE = N.NETIF_F_VLAN_CHALLENGED | N.NETIF_F_LLTX | N.NETIF_F_NETNS_LOCAL;
/** Software features that every device lets one switch. */
const SOFT_FEATURES = N.NETIF_F_GRO | N.NETIF_F_GSO;
/** …and those that are off until asked for. */
const SOFT_FEATURES_OFF = N.NETIF_F_GRO_FRAGLIST | N.NETIF_F_GRO_UDP_FWD;

/** Block of 32 feature bits as ethtool numbers them. */
export function ethtool_feature_block(features: number, block: number): number {
  let v = 0;
  for (const [bit, nr] of FEATURE_BITS) if ((features & bit) !== 0 && nr >> 5 === block) v |= 1 << (nr & 31);
  return v;
}

function features_of_block(v: number, block: number): number {
  let features = 0;
  for (const [bit, nr] of FEATURE_BITS) if (nr >> 5 === block && (v & (1 << (nr & 31))) !== 0) features |= bit;
  return features;
}

const changeable = (dev: NetDevice): number => dev.hw_features | SOFT_FEATURES | SOFT_FEATURES_OFF;

function get_features(dev: NetDevice, c: Call): number {
  const room = c.u32(E.FEATURES_SIZE);
  c.put32(E.FEATURES_SIZE, ETHTOOL_DEV_FEATURE_WORDS);
  for (let i = 0; i < Math.min(room, ETHTOOL_DEV_FEATURE_WORDS); i++) {
    const at = E.FEATURES_DATA + i * E.GFEATURES_BLOCK;
    if (!c.fits(at + E.GFEATURES_BLOCK)) return -EFAULT;
    c.put32(at, ethtool_feature_block(changeable(dev), i));
    c.put32(at + 4, ethtool_feature_block(dev.wanted_features, i));
    c.put32(at + 8, ethtool_feature_block(dev.features, i));
    // Bits that have a name but no driver of ours uses them never change either.
    c.put32(at + 12, ethtool_feature_block(NEVER_CHANGE, i));
  }
  return 0;
}

const ETHTOOL_F_UNSUPPORTED = 1;
const ETHTOOL_F_WISH = 2;

function set_features(dev: NetDevice, c: Call): number {
  if (c.u32(E.FEATURES_SIZE) !== ETHTOOL_DEV_FEATURE_WORDS) return -EINVAL;
  if (!c.fits(E.FEATURES_DATA + ETHTOOL_DEV_FEATURE_WORDS * E.SFEATURES_BLOCK)) return -EFAULT;
  let valid = 0;
  let wanted = 0;
  for (let i = 0; i < ETHTOOL_DEV_FEATURE_WORDS; i++) {
    const at = E.FEATURES_DATA + i * E.SFEATURES_BLOCK;
    valid |= features_of_block(c.u32(at), i);
    wanted |= features_of_block(c.u32(at + 4), i);
  }
  let ret = 0;
  if ((valid & ~changeable(dev)) !== 0) {
    valid &= changeable(dev);
    ret |= ETHTOOL_F_UNSUPPORTED;
  }
  // What only software does is the device's own from the first change on.
  dev.hw_features |= valid & (SOFT_FEATURES | SOFT_FEATURES_OFF);
  dev.wanted_features = (dev.wanted_features & ~valid) | (wanted & valid);
  netdev_update_features(dev);
  if (((dev.wanted_features ^ dev.features) & valid) !== 0) ret |= ETHTOOL_F_WISH;
  return ret;
}

// --- the program's buffer -----------------------------------------------------------------------------------------

/** The command's struct; offsets count from its first byte. */
class Call {
  readonly buf: Uint8Array;
  readonly dv: DataView;
  readonly len: number;
  constructor(arg: Uint8Array) {
    this.len = Math.max(0, arg.length - E.ETHTOOL_DATA);
    this.buf = arg.subarray(arg.length - this.len);
    this.dv = new DataView(this.buf.buffer, this.buf.byteOffset, this.len);
  }
  fits(end: number): boolean {
    return end <= this.len;
  }
  u32(at: number): number {
    return this.fits(at + 4) ? this.dv.getUint32(at, true) : 0;
  }
  put32(at: number, v: number): void {
    if (this.fits(at + 4)) this.dv.setUint32(at, v, true);
  }
  put8(at: number, v: number): void {
    if (this.fits(at + 1)) this.buf[at] = v;
  }
  put_string(at: number, max: number, text: string): void {
    if (!this.fits(at + max)) return;
    this.buf.fill(0, at, at + max);
    this.buf.set(utf8_encode(text).subarray(0, max - 1), at);
  }
}

// --- strings and statistics ---------------------------------------------------------------------------------------

/** Strings of a set, or null when the device has none. */
function strings(dev: NetDevice, set: number): readonly string[] | null {
  switch (set) {
    case E.ETH_SS_STATS:
      return dev.ethtool_ops?.get_strings?.(dev) ?? null;
    case E.ETH_SS_TEST:
      return dev.ethtool_ops?.get_test_strings?.(dev) ?? null;
    case E.ETH_SS_FEATURES:
      return NETDEV_FEATURE_STRINGS;
    case E.ETH_SS_RSS_HASH_FUNCS:
      return ["toeplitz", "xor", "crc32"];
    default:
      return null;
  }
}

function get_sset_info(dev: NetDevice, c: Call): number {
  if (!c.fits(E.SSET_INFO_DATA)) return -EFAULT;
  const mask = c.u32(E.SSET_INFO_MASK);
  let found = 0;
  let at = E.SSET_INFO_DATA;
  for (let set = 0; set < 32; set++) {
    if ((mask & (1 << set)) === 0) continue;
    const list = strings(dev, set);
    if (list === null) continue;
    if (!c.fits(at + 4)) return -EFAULT;
    found |= 1 << set;
    c.put32(at, list.length);
    at += 4;
  }
  c.put32(E.SSET_INFO_MASK, found);
  c.put32(E.SSET_INFO_MASK + 4, 0);
  return 0;
}

function get_strings(dev: NetDevice, c: Call): number {
  const list = strings(dev, c.u32(E.GSTRINGS_SET));
  if (list === null) return -EOPNOTSUPP;
  if (!c.fits(E.GSTRINGS_DATA + list.length * E.ETH_GSTRING_LEN)) return -EFAULT;
  c.put32(E.GSTRINGS_COUNT, list.length);
  list.forEach((text, i) => {
    c.put_string(E.GSTRINGS_DATA + i * E.ETH_GSTRING_LEN, E.ETH_GSTRING_LEN, text);
  });
  return 0;
}

function get_stats(dev: NetDevice, c: Call): number {
  const ops = dev.ethtool_ops;
  if (!ops?.get_ethtool_stats) return -EOPNOTSUPP;
  const values = ops.get_ethtool_stats(dev);
  if (!c.fits(E.STATS_DATA + values.length * 8)) return -EFAULT;
  c.put32(E.STATS_COUNT, values.length);
  values.forEach((v, i) => {
    nl_set_u64(c.dv, E.STATS_DATA + 8 * i, v);
  });
  return 0;
}

function get_drvinfo(dev: NetDevice, c: Call): number {
  if (!c.fits(E.DRVINFO_LEN)) return -EFAULT;
  const info = dev.ethtool_ops?.get_drvinfo?.(dev);
  if (info === undefined && dev.parent_name === "" && dev.rtnl_link_ops === null) return -EOPNOTSUPP;
  c.put_string(E.DRVINFO_DRIVER, 32, info?.driver ?? dev.rtnl_link_ops?.kind ?? "");
  const version = info !== undefined && info.version !== "" ? info.version : "6.18.0-skbuff";
  c.put_string(E.DRVINFO_VERSION, 32, version);
  c.put_string(E.DRVINFO_FW_VERSION, 32, info?.fw_version ?? "");
  c.put_string(E.DRVINFO_BUS_INFO, 32, info !== undefined && info.bus_info !== "" ? info.bus_info : dev.parent_name);
  c.put_string(E.DRVINFO_EROM_VERSION, 32, "");
  c.put32(E.DRVINFO_N_PRIV_FLAGS, info?.n_priv_flags ?? 0);
  c.put32(E.DRVINFO_N_STATS, strings(dev, E.ETH_SS_STATS)?.length ?? 0);
  c.put32(E.DRVINFO_TESTINFO_LEN, strings(dev, E.ETH_SS_TEST)?.length ?? 0);
  c.put32(E.DRVINFO_EEDUMP_LEN, dev.ethtool_ops?.get_eeprom_len?.(dev) ?? 0);
  c.put32(E.DRVINFO_REGDUMP_LEN, dev.ethtool_ops?.get_regs_len?.(dev) ?? 0);
  return 0;
}

// --- parameters ---------------------------------------------------------------------------------------------------

/** Where each number (or switch) of a driver's struct stands in the program's. */
type Fields<T> = readonly (readonly [at: number, field: keyof T])[];

const RING_FIELDS: Fields<EthtoolRingparam> = [
  [E.RING_RX_MAX, "rx_max_pending"],
  [E.RING_TX_MAX, "tx_max_pending"],
  [E.RING_RX, "rx_pending"],
  [E.RING_TX, "tx_pending"],
];
const CHANNEL_FIELDS: Fields<EthtoolChannels> = [
  [E.CHAN_MAX_RX, "max_rx"],
  [E.CHAN_MAX_TX, "max_tx"],
  [E.CHAN_MAX_OTHER, "max_other"],
  [E.CHAN_MAX_COMBINED, "max_combined"],
  [E.CHAN_RX, "rx_count"],
  [E.CHAN_TX, "tx_count"],
  [E.CHAN_OTHER, "other_count"],
  [E.CHAN_COMBINED, "combined_count"],
];
const COALESCE_FIELDS: Fields<EthtoolCoalesce> = [
  [E.COAL_RX_USECS, "rx_coalesce_usecs"],
  [E.COAL_RX_FRAMES, "rx_max_coalesced_frames"],
  [E.COAL_TX_USECS, "tx_coalesce_usecs"],
  [E.COAL_TX_FRAMES, "tx_max_coalesced_frames"],
];
const PAUSE_FIELDS: Fields<EthtoolPauseparam> = [
  [E.PAUSE_AUTONEG, "autoneg"],
  [E.PAUSE_RX, "rx_pause"],
  [E.PAUSE_TX, "tx_pause"],
];

/** A get: what the driver says, every other word 0. */
function get_struct<T>(
  dev: NetDevice,
  c: Call,
  get: ((dev: NetDevice) => T) | undefined,
  len: number,
  fields: Fields<T>,
): number {
  if (get === undefined) return -EOPNOTSUPP;
  if (!c.fits(len)) return -EFAULT;
  const value = get(dev);
  c.buf.fill(0, 4, len);
  for (const [at, field] of fields) c.put32(at, Number(value[field]));
  return 0;
}

/**
 * A set: what the program says over what there is, which tells switches from numbers.
 * @param check -errno refuses it; 1: there is nothing to do.
 */
function set_struct<T extends object>(
  dev: NetDevice,
  c: Call,
  get: ((dev: NetDevice) => T) | undefined,
  set: ((dev: NetDevice, value: T) => number) | undefined,
  len: number,
  fields: Fields<T>,
  check: (asked: T, now: T) => number = () => 0,
): number {
  if (get === undefined || set === undefined) return -EOPNOTSUPP;
  if (!c.fits(len)) return -EFAULT;
  const now = get(dev);
  const asked: Record<PropertyKey, number | boolean> = {};
  for (const [at, field] of fields) asked[field] = typeof now[field] === "boolean" ? c.u32(at) !== 0 : c.u32(at);
  const value = { ...now, ...asked };
  const err = check(value, now);
  return err !== 0 ? Math.min(err, 0) : set(dev, value);
}

function set_ringparam(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  const others = c.u32(E.RING_RX_MINI) > 0 || c.u32(E.RING_RX_JUMBO) > 0;
  // The limits are the driver's, whatever the program sent.
  return set_struct(dev, c, ops.get_ringparam, ops.set_ringparam, E.RINGPARAM_LEN, RING_FIELDS.slice(2), (r) =>
    others || r.rx_pending > r.rx_max_pending || r.tx_pending > r.tx_max_pending ? -EINVAL : 0,
  );
}

function check_channels(ch: EthtoolChannels, now: EthtoolChannels): number {
  if (CHANNEL_FIELDS.every(([, field]) => ch[field] === now[field])) return 1;
  const beyond =
    ch.rx_count > ch.max_rx ||
    ch.tx_count > ch.max_tx ||
    ch.other_count > ch.max_other ||
    ch.combined_count > ch.max_combined;
  // A device that cannot receive, or cannot send, is of no use.
  const useless = ch.combined_count === 0 && (ch.rx_count === 0 || ch.tx_count === 0);
  return beyond || useless ? -EINVAL : 0;
}

function set_channels(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  const counts = CHANNEL_FIELDS.slice(4);
  return set_struct(dev, c, ops.get_channels, ops.set_channels, E.CHANNELS_LEN, counts, check_channels);
}

// --- link settings ------------------------------------------------------------------------------------------------

function put_modes(c: Call, at: number, modes: readonly number[]): void {
  for (const m of modes) {
    const w = at + (m >> 5) * 4;
    c.put32(w, (c.u32(w) | (1 << (m & 31))) >>> 0);
  }
}

function get_modes(c: Call, at: number): number[] {
  const out: number[] = [];
  for (let m = 0; m < E.ETHTOOL_LINK_MODE_NWORDS * 32; m++) {
    if ((c.u32(at + (m >> 5) * 4) & (1 << (m & 31))) !== 0) out.push(m);
  }
  return out;
}

function get_link_ksettings(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.get_link_ksettings) return -EOPNOTSUPP;
  if (!c.fits(E.LINK_MODE_MASKS)) return -EFAULT;
  const words = E.ETHTOOL_LINK_MODE_NWORDS;
  if (c.buf[E.LINK_NWORDS] !== words) {
    c.buf.fill(0, 4, E.LINK_MODE_MASKS);
    c.put8(E.LINK_NWORDS, -words & 0xff);
    return 0;
  }
  const bytes = words * 4;
  if (!c.fits(E.LINK_MODE_MASKS + 3 * bytes)) return -EFAULT;
  const s = ops.get_link_ksettings(dev);
  c.buf.fill(0, 4, E.LINK_MODE_MASKS + 3 * bytes);
  c.put32(E.LINK_SPEED, s.speed >>> 0);
  c.put8(E.LINK_DUPLEX, s.duplex);
  c.put8(E.LINK_PORT, s.port);
  c.put8(E.LINK_PHY_ADDRESS, s.phy_address);
  c.put8(E.LINK_AUTONEG, s.autoneg);
  c.put8(E.LINK_MDIO_SUPPORT, s.mdio_support);
  c.put8(E.LINK_TP_MDIX, s.eth_tp_mdix);
  c.put8(E.LINK_NWORDS, words);
  put_modes(c, E.LINK_MODE_MASKS, s.supported);
  put_modes(c, E.LINK_MODE_MASKS + bytes, s.advertising);
  put_modes(c, E.LINK_MODE_MASKS + 2 * bytes, s.lp_advertising);
  return 0;
}

function set_link_ksettings(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.set_link_ksettings || !ops.get_link_ksettings) return -EOPNOTSUPP;
  const words = E.ETHTOOL_LINK_MODE_NWORDS;
  if (!c.fits(E.LINK_MODE_MASKS + 3 * words * 4)) return -EFAULT;
  if (c.buf[E.LINK_NWORDS] !== words) return -EINVAL;
  const bytes = words * 4;
  return ops.set_link_ksettings(dev, {
    speed: c.u32(E.LINK_SPEED) | 0,
    duplex: c.buf[E.LINK_DUPLEX]!,
    port: c.buf[E.LINK_PORT]!,
    phy_address: c.buf[E.LINK_PHY_ADDRESS]!,
    autoneg: c.buf[E.LINK_AUTONEG]!,
    mdio_support: c.buf[E.LINK_MDIO_SUPPORT]!,
    eth_tp_mdix: c.buf[E.LINK_TP_MDIX]!,
    supported: get_modes(c, E.LINK_MODE_MASKS),
    advertising: get_modes(c, E.LINK_MODE_MASKS + bytes),
    lp_advertising: get_modes(c, E.LINK_MODE_MASKS + 2 * bytes),
  });
}

// --- receive side scaling -----------------------------------------------------------------------------------------

function get_rxfh(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.get_rxfh) return -EOPNOTSUPP;
  if (!c.fits(E.RXFH_CONFIG)) return -EFAULT;
  const { indir, key } = ops.get_rxfh(dev);
  const want_indir = c.u32(E.RXFH_INDIR_SIZE);
  const want_key = c.u32(E.RXFH_KEY_SIZE);
  if ((want_indir !== 0 && want_indir !== indir.length) || (want_key !== 0 && want_key !== key.length)) return -EINVAL;
  c.put32(E.RXFH_INDIR_SIZE, indir.length);
  c.put32(E.RXFH_KEY_SIZE, key.length);
  c.put8(E.RXFH_HFUNC, E.ETH_RSS_HASH_TOP);
  let at = E.RXFH_CONFIG;
  if (want_indir !== 0) {
    if (!c.fits(at + indir.length * 4)) return -EFAULT;
    indir.forEach((v, i) => {
      c.put32(at + 4 * i, v);
    });
    at += indir.length * 4;
  }
  if (want_key !== 0) {
    if (!c.fits(at + key.length)) return -EFAULT;
    c.buf.set(key, at);
  }
  return 0;
}

function set_rxfh(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.set_rxfh || !ops.get_rxfh) return -EOPNOTSUPP;
  if (!c.fits(E.RXFH_CONFIG)) return -EFAULT;
  const have = ops.get_rxfh(dev);
  const rings = ops.get_rxnfc_rings?.(dev) ?? dev.real_num_rx_queues;
  const n = c.u32(E.RXFH_INDIR_SIZE);
  const keylen = c.u32(E.RXFH_KEY_SIZE);
  const hfunc = c.buf[E.RXFH_HFUNC]!;
  if (hfunc !== 0 && hfunc !== E.ETH_RSS_HASH_TOP) return -EOPNOTSUPP;
  const no_change = n === E.RXFH_INDIR_NO_CHANGE;
  if (!no_change && n !== 0 && n !== have.indir.length) return -EINVAL;
  if (keylen !== 0 && keylen !== have.key.length) return -EINVAL;
  if (no_change && keylen === 0 && hfunc === 0) return -EINVAL;
  let at = E.RXFH_CONFIG;
  let indir: number[] | null = null;
  if (n === 0) indir = have.indir.map((_, i) => i % Math.max(1, rings));
  else if (!no_change) {
    if (!c.fits(at + n * 4)) return -EFAULT;
    indir = Array.from({ length: n }, (_, i) => c.u32(at + 4 * i));
    if (indir.some((v) => v >= rings)) return -EINVAL;
    at += n * 4;
  }
  if (!c.fits(at + keylen)) return -EFAULT;
  return ops.set_rxfh(dev, indir, keylen !== 0 ? c.buf.slice(at, at + keylen) : null);
}

/** Which fields of a flow's packets are hashed. */
function get_rxfh_fields(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.get_rxfh_fields) return -EOPNOTSUPP;
  if (!c.fits(E.RXNFC_LEN)) return -EFAULT;
  const fields = ops.get_rxfh_fields(dev, c.u32(E.RXNFC_FLOW_TYPE));
  if (fields < 0) return fields;
  nl_set_u64(c.dv, E.RXNFC_DATA, fields);
  return 0;
}

function set_rxfh_fields(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.set_rxfh_fields) return -EOPNOTSUPP;
  if (!c.fits(E.RXNFC_LEN)) return -EFAULT;
  return ops.set_rxfh_fields(dev, c.u32(E.RXNFC_FLOW_TYPE), c.u32(E.RXNFC_DATA) | 0);
}

// --- dumps --------------------------------------------------------------------------------------------------------

function get_regs(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.get_regs || !ops.get_regs_len) return -EOPNOTSUPP;
  if (!c.fits(E.REGS_DATA)) return -EFAULT;
  const room = Math.min(c.u32(E.REGS_LEN), ops.get_regs_len(dev));
  if (!c.fits(E.REGS_DATA + room)) return -EFAULT;
  const { version, data } = ops.get_regs(dev);
  c.put32(E.REGS_VERSION, version);
  c.put32(E.REGS_LEN, room);
  for (let at = 0; at + 4 <= room; at += 4) c.put32(E.REGS_DATA + at, data[at >> 2]!);
  return 0;
}

function get_eeprom(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.get_eeprom || !ops.get_eeprom_len) return -EOPNOTSUPP;
  if (!c.fits(E.EEPROM_DATA)) return -EFAULT;
  const offset = c.u32(E.EEPROM_OFFSET);
  const length = c.u32(E.EEPROM_LEN);
  if (length === 0 || offset + length > ops.get_eeprom_len(dev)) return -EINVAL;
  if (!c.fits(E.EEPROM_DATA + length)) return -EFAULT;
  const { magic, data } = ops.get_eeprom(dev, offset, length);
  c.put32(E.EEPROM_MAGIC, magic);
  c.buf.set(data, E.EEPROM_DATA);
  return 0;
}

function set_eeprom(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  if (!ops.set_eeprom || !ops.get_eeprom_len) return -EOPNOTSUPP;
  if (!c.fits(E.EEPROM_DATA)) return -EFAULT;
  const offset = c.u32(E.EEPROM_OFFSET);
  const length = c.u32(E.EEPROM_LEN);
  if (length === 0 || offset + length > ops.get_eeprom_len(dev)) return -EINVAL;
  if (!c.fits(E.EEPROM_DATA + length)) return -EFAULT;
  return ops.set_eeprom(dev, offset, c.buf.slice(E.EEPROM_DATA, E.EEPROM_DATA + length), c.u32(E.EEPROM_MAGIC));
}

// --- what takes its time ------------------------------------------------------------------------------------------

/** The call sleeps, and goes on with `step`. Where no task calls there is nobody who could sleep. */
function sleep_then(k: Kernel, ns: number, step: (err: number) => number): number {
  const task = k.current;
  if (task === null) return step(-EINTR);
  task.restart_block = { ns, fn: step };
  return -ERESTART_RESTARTBLOCK;
}

function self_test(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  const count = ops.get_test_strings?.(dev).length;
  if (!ops.self_test || count === undefined) return -EOPNOTSUPP;
  if (!c.fits(E.TEST_DATA + count * 8)) return -EFAULT;
  const run = ops.self_test(dev, c.u32(E.TEST_FLAGS));
  const step = (): number => {
    const r = run.next();
    // It is not to be interrupted: a signal only spares it the waiting.
    if (r.done !== true) return sleep_then(dev.net.kernel, r.value, step);
    c.put32(E.TEST_FLAGS, r.value.flags);
    c.put32(E.TEST_LEN, count);
    r.value.data.forEach((v, i) => {
      nl_set_u64(c.dv, E.TEST_DATA + 8 * i, v);
    });
    return 0;
  };
  return step();
}

/** Blinks for so many seconds, or with 0 until a signal comes. */
function phys_id(dev: NetDevice, ops: EthtoolOps, c: Call): number {
  const set = ops.set_phys_id;
  if (!set) return -EOPNOTSUPP;
  if (dev.phys_id_busy) return -EBUSY;
  const seconds = c.u32(E.ETHTOOL_VALUE_DATA);
  const rate = set(dev, "active");
  if (rate < 0) return rate;
  dev.phys_id_busy = true;
  // Without a rate the driver blinks by itself, and one long sleep is all there is to do.
  const ns = rate > 0 ? 1e9 / (2 * rate) : seconds > 0 ? seconds * 1e9 : Number.POSITIVE_INFINITY;
  let left = seconds === 0 ? Number.POSITIVE_INFINITY : rate > 0 ? seconds * 2 * rate : 1;
  let on = true;
  const step = (err: number): number => {
    if (err === 0 && dev.reg_state === N.NETREG_REGISTERED && left-- > 0) {
      if (rate > 0) set(dev, on ? "on" : "off");
      on = !on;
      return sleep_then(dev.net.kernel, ns, step);
    }
    dev.phys_id_busy = false;
    return set(dev, "inactive");
  };
  return step(0);
}

// --- the rest -----------------------------------------------------------------------------------------------------

function get_permaddr(dev: NetDevice, c: Call): number {
  if (c.u32(E.PERMADDR_SIZE) < dev.addr_len) return -EINVAL;
  if (!c.fits(E.PERMADDR_DATA + dev.addr_len)) return -EFAULT;
  c.put32(E.PERMADDR_SIZE, dev.addr_len);
  c.buf.set(dev.perm_addr.subarray(0, dev.addr_len), E.PERMADDR_DATA);
  return 0;
}

function get_ts_info(c: Call): number {
  if (!c.fits(E.TS_INFO_LEN)) return -EFAULT;
  c.buf.fill(0, 4, E.TS_INFO_LEN);
  // Software stamps on reception, and the clock of the machine: what every device has.
  c.put32(E.TS_SO_TIMESTAMPING, (1 << 3) | (1 << 4));
  c.put32(E.TS_PHC_INDEX, 0xffffffff);
  return 0;
}

function get_value(c: Call, value: number | undefined): number {
  if (value === undefined) return -EOPNOTSUPP;
  if (!c.fits(E.ETHTOOL_VALUE_LEN)) return -EFAULT;
  c.put32(E.ETHTOOL_VALUE_DATA, value);
  return 0;
}

function run(dev: NetDevice, cmd: number, c: Call): number {
  const ops: EthtoolOps = dev.ethtool_ops ?? {};
  switch (cmd) {
    case E.ETHTOOL_GDRVINFO:
      return get_drvinfo(dev, c);
    case E.ETHTOOL_GMSGLVL:
      return get_value(c, ops.get_msglevel?.(dev));
    case E.ETHTOOL_SMSGLVL:
      if (!ops.set_msglevel) return -EOPNOTSUPP;
      ops.set_msglevel(dev, c.u32(E.ETHTOOL_VALUE_DATA));
      return 0;
    case E.ETHTOOL_NWAY_RST:
      return ops.nway_reset ? ops.nway_reset(dev) : -EOPNOTSUPP;
    case E.ETHTOOL_GLINK: {
      if (!ops.get_link) return -EOPNOTSUPP;
      return get_value(c, N.netif_running(dev) && ops.get_link(dev) ? 1 : 0);
    }
    case E.ETHTOOL_GLINKSETTINGS:
      return get_link_ksettings(dev, ops, c);
    case E.ETHTOOL_SLINKSETTINGS:
      return set_link_ksettings(dev, ops, c);
    case E.ETHTOOL_GRINGPARAM:
      return get_struct(dev, c, ops.get_ringparam, E.RINGPARAM_LEN, RING_FIELDS);
    case E.ETHTOOL_SRINGPARAM:
      return set_ringparam(dev, ops, c);
    case E.ETHTOOL_GCHANNELS:
      return get_struct(dev, c, ops.get_channels, E.CHANNELS_LEN, CHANNEL_FIELDS);
    case E.ETHTOOL_SCHANNELS:
      return set_channels(dev, ops, c);
    case E.ETHTOOL_GCOALESCE:
      return get_struct(dev, c, ops.get_coalesce, E.COALESCE_LEN, COALESCE_FIELDS);
    case E.ETHTOOL_SCOALESCE:
      return set_struct(dev, c, ops.get_coalesce, ops.set_coalesce, E.COALESCE_LEN, COALESCE_FIELDS);
    case E.ETHTOOL_GPAUSEPARAM:
      return get_struct(dev, c, ops.get_pauseparam, E.PAUSEPARAM_LEN, PAUSE_FIELDS);
    case E.ETHTOOL_SPAUSEPARAM:
      return set_struct(dev, c, ops.get_pauseparam, ops.set_pauseparam, E.PAUSEPARAM_LEN, PAUSE_FIELDS);
    case E.ETHTOOL_GSSET_INFO:
      return get_sset_info(dev, c);
    case E.ETHTOOL_GSTRINGS:
      return get_strings(dev, c);
    case E.ETHTOOL_GSTATS:
      return get_stats(dev, c);
    case E.ETHTOOL_GFEATURES:
      return c.fits(E.FEATURES_DATA) ? get_features(dev, c) : -EFAULT;
    case E.ETHTOOL_SFEATURES:
      return set_features(dev, c);
    case E.ETHTOOL_GRSSH:
      return get_rxfh(dev, ops, c);
    case E.ETHTOOL_SRSSH:
      return set_rxfh(dev, ops, c);
    case E.ETHTOOL_GRXRINGS:
      if (!ops.get_rxnfc_rings) return -EOPNOTSUPP;
      if (!c.fits(E.RXNFC_LEN)) return -EFAULT;
      nl_set_u64(c.dv, E.RXNFC_DATA, ops.get_rxnfc_rings(dev));
      return 0;
    case E.ETHTOOL_GRXCLSRLCNT:
    case E.ETHTOOL_GRXCLSRLALL:
      // igb keeps rules by flow for cards after the 82576 only: a list that stays empty. Others do not know the question.
      if (!ops.get_rxnfc_rings) return -EOPNOTSUPP;
      if (!c.fits(E.RXNFC_LEN)) return -EFAULT;
      c.put32(E.RXNFC_RULE_CNT, 0);
      return 0;
    case E.ETHTOOL_GRXCLSRULE:
    case E.ETHTOOL_SRXCLSRLDEL:
      return ops.get_rxnfc_rings ? -EINVAL : -EOPNOTSUPP;
    case E.ETHTOOL_GRXFH:
      return get_rxfh_fields(dev, ops, c);
    case E.ETHTOOL_SRXFH:
      return set_rxfh_fields(dev, ops, c);
    case E.ETHTOOL_GREGS:
      return get_regs(dev, ops, c);
    case E.ETHTOOL_GEEPROM:
      return get_eeprom(dev, ops, c);
    case E.ETHTOOL_SEEPROM:
      return set_eeprom(dev, ops, c);
    case E.ETHTOOL_TEST:
      return self_test(dev, ops, c);
    case E.ETHTOOL_PHYS_ID:
      return phys_id(dev, ops, c);
    case E.ETHTOOL_FLASHDEV:
      // Left to devlink, which without a devlink instance has nothing to do: Linux succeeds.
      return 0;
    case E.ETHTOOL_GPERMADDR:
      return get_permaddr(dev, c);
    case E.ETHTOOL_GET_TS_INFO:
      return get_ts_info(c);
    default:
      return -EOPNOTSUPP;
  }
}

/** SIOCETHTOOL. 0 (or the bits of ETHTOOL_SFEATURES), or -errno. */
export function dev_ethtool(net: Net, arg: Uint8Array): number {
  if (arg.length < E.ETHTOOL_DATA + 4) return -EFAULT;
  let name = "";
  for (let i = 0; i < IFNAMSIZ - 1 && arg[i] !== 0; i++) name += String.fromCharCode(arg[i]!);
  const dev = net.dev_by_name.get(name);
  if (dev === undefined) return -ENODEV;
  const c = new Call(arg);
  return run(dev, c.u32(0), c);
}
