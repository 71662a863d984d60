// fib_info: what routes share, and whether a request makes sense; what happens to routes when devices and addresses change.
// Mirrors net/ipv4/fib_semantics.c. Path selection is in fib_select.ts. Way in: fib_create_info(), fib_release_info().

import { EINVAL, ENETDOWN, ENODEV } from "../../uapi/errno.ts";
import { IFF_UP } from "../../uapi/if.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_NOWHERE,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTAX_ADVMSS,
  RTAX_FEATURES,
  RTAX_HOPLIMIT,
  RTAX_LOCK,
  RTAX_MAX,
  RTAX_MTU,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTNH_COMPARE_MASK,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTNH_F_ONLINK,
  RTNH_F_PERVASIVE,
} from "../../uapi/rtnetlink.ts";
import type { Net } from "../core/net_namespace.ts";
import { NETDEV_CHANGE, NETDEV_DOWN, NETDEV_UNREGISTER, type NetDevice, netif_carrier_ok } from "../core/netdevice.ts";
import { inet_select_addr } from "./devinet.ts";
import { fib_get_table, fib_lookup, inet_addr_type_dev_table, inet_addr_type_table } from "./fib_frontend.ts";
import {
  type Extack,
  FIB_LOOKUP_IGNORE_LINKSTATE,
  FIB_LOOKUP_NOREF,
  type FibConfig,
  type FibNhConfig,
  fib_err,
  fib_props_error,
  fib_props_scope,
  LOOPBACK_IFINDEX,
} from "./fib_lookup.ts";
import { fib_rebalance } from "./fib_select.ts";
import { fib_table_lookup } from "./fib_trie.ts";
import { FibInfo, FibNh, FibResult, Flowi4 } from "./ip_fib.ts";
import {
  fib_info_attach_nh,
  fib_info_detach_nh,
  nexthop_expand,
  nexthop_find_by_id,
  nexthop_is_blackhole,
} from "./nexthop.ts";
import { tcp_ca_key } from "./tcp_cong.ts";

const RTN_MAX = 11;
const RTAX_CC_ALGO = 16;
const RTAX_FEATURE_MASK = 0xf;

// --- sharing ------------------------------------------------------------------------------------------------------

const mix = (h: number, v: number): number => {
  h = Math.imul(h ^ v, 0x9e3779b1);
  return h ^ (h >>> 15);
};

function fib_info_hashfn(fi: FibInfo): number {
  let h = mix(fi.protocol | (fi.scope << 8) | (fi.type << 16), fi.prefsrc);
  h = mix(mix(h, fi.priority), fi.nh_id);
  if (fi.nh_id === 0) for (let i = 0; i < fi.nhs.length; i++) h = mix(mix(h, fi.nhs[i]!.oif), fi.nhs[i]!.gw);
  return h;
}

function nh_comp(a: FibNh, b: FibNh): boolean {
  return (
    a.oif === b.oif &&
    a.gw === b.gw &&
    a.scope === b.scope &&
    a.weight === b.weight &&
    ((a.flags ^ b.flags) & ~RTNH_COMPARE_MASK) === 0
  );
}

function fib_info_same(a: FibInfo, b: FibInfo): boolean {
  if (
    a.protocol !== b.protocol ||
    a.scope !== b.scope ||
    a.prefsrc !== b.prefsrc ||
    a.priority !== b.priority ||
    a.type !== b.type ||
    a.tb_id !== b.tb_id ||
    a.nh_id !== b.nh_id ||
    a.cc_algo !== b.cc_algo ||
    ((a.flags ^ b.flags) & ~RTNH_COMPARE_MASK) !== 0 ||
    a.nhs.length !== b.nhs.length
  ) {
    return false;
  }
  for (let i = 0; i <= RTAX_MAX; i++) if (a.metrics[i] !== b.metrics[i]) return false;
  if (a.nh_id === 0) for (let i = 0; i < a.nhs.length; i++) if (!nh_comp(a.nhs[i]!, b.nhs[i]!)) return false;
  return true;
}

function set_add<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set !== undefined) set.add(value);
  else map.set(key, new Set([value]));
}

function set_del<K, V>(map: Map<K, Set<V>>, key: K, value: V): void {
  const set = map.get(key);
  if (set !== undefined && set.delete(value) && set.size === 0) map.delete(key);
}

/** Lets a device's events find the paths of `fi`. */
export function fib_info_hash_nhs(fi: FibInfo): void {
  const devhash = fi.net.ipv4.fib.info_devhash;
  for (const nh of fi.nhs) if (nh.dev !== null) set_add(devhash, nh.dev, nh);
}

export function fib_info_unhash_nhs(fi: FibInfo): void {
  const devhash = fi.net.ipv4.fib.info_devhash;
  for (const nh of fi.nhs) {
    if (nh.dev !== null) set_del(devhash, nh.dev, nh);
    fi.net.kernel.fib_nh_release_routes?.(nh);
  }
}

function fib_info_insert(fi: FibInfo): void {
  const fib = fi.net.ipv4.fib;
  const bucket = fib.info_hash.get(fi.hash);
  if (bucket !== undefined) bucket.push(fi);
  else fib.info_hash.set(fi.hash, [fi]);
  fib.info_cnt++;
  if (fi.prefsrc !== 0) set_add(fib.info_laddrhash, fi.prefsrc, fi);
  fib_info_hash_nhs(fi);
  if (fi.nh !== null) fib_info_attach_nh(fi);
}

/** Drops a route's use of its fib_info; with the last one cached routes and exceptions of its paths go. */
export function fib_release_info(fi: FibInfo): void {
  if (--fi.treeref > 0) return;
  const fib = fi.net.ipv4.fib;
  const bucket = fib.info_hash.get(fi.hash);
  const at = bucket !== undefined ? bucket.indexOf(fi) : -1;
  if (at >= 0) {
    bucket!.splice(at, 1);
    if (bucket!.length === 0) fib.info_hash.delete(fi.hash);
    fib.info_cnt--;
  }
  if (fi.prefsrc !== 0) set_del(fib.info_laddrhash, fi.prefsrc, fi);
  fib_info_unhash_nhs(fi);
  if (fi.nh !== null) fib_info_detach_nh(fi);
  fi.dead = true;
}

/** True for a route by a blackhole nexthop object. */
export const fib_info_nh_is_blackhole = (fi: FibInfo): boolean => nexthop_is_blackhole(fi.nh);

// --- checking a request -------------------------------------------------------------------------------------------

function fib_check_nh_gw(net: Net, nh: FibNh, table: number, scope: number, extack: Extack | null): number {
  if ((nh.flags & RTNH_F_ONLINK) !== 0) {
    if (scope >= RT_SCOPE_LINK) return fib_err(extack, "Nexthop has invalid scope", -EINVAL);
    const dev = net.dev_by_index.get(nh.oif);
    if (dev === undefined) return fib_err(extack, "Nexthop device required for onlink", -ENODEV);
    if ((dev.flags & IFF_UP) === 0) return fib_err(extack, "Nexthop device is not up", -ENETDOWN);
    if (inet_addr_type_dev_table(net, dev, nh.gw) !== RTN_UNICAST) {
      return fib_err(extack, "Nexthop has invalid gateway", -EINVAL);
    }
    if (!netif_carrier_ok(dev)) nh.flags |= RTNH_F_LINKDOWN;
    nh.dev = dev;
    nh.scope = RT_SCOPE_LINK;
    return 0;
  }
  // The gateway must be reachable by a narrower route: on a link, unless the route itself is narrower still.
  const fl4 = new Flowi4();
  const res = new FibResult();
  fl4.daddr = nh.gw;
  fl4.flowi4_scope = Math.max(scope + 1, RT_SCOPE_LINK);
  fl4.flowi4_oif = nh.oif;
  fl4.flowi4_iif = LOOPBACK_IFINDEX;
  const flags = FIB_LOOKUP_IGNORE_LINKSTATE | FIB_LOOKUP_NOREF;
  const tbl = table !== 0 && table !== RT_TABLE_MAIN ? fib_get_table(net, table) : null;
  let err = tbl !== null ? fib_table_lookup(tbl, fl4, res, flags) : -EINVAL;
  if (err < 0) err = fib_lookup(net, fl4, res, flags);
  if (err < 0) return fib_err(extack, "Nexthop has invalid gateway", err);
  if (res.type !== RTN_UNICAST && res.type !== RTN_LOCAL) {
    return fib_err(extack, "Nexthop has invalid gateway", -EINVAL);
  }
  const dev = res.nhc!.dev;
  nh.scope = res.scope;
  nh.oif = res.nhc!.oif;
  if (dev === null) return fib_err(extack, "No egress device for nexthop gateway", -ENODEV);
  nh.dev = dev;
  if (!netif_carrier_ok(dev)) nh.flags |= RTNH_F_LINKDOWN;
  return (dev.flags & IFF_UP) !== 0 ? 0 : -ENETDOWN;
}

function fib_check_nh_nongw(net: Net, nh: FibNh, extack: Extack | null): number {
  if ((nh.flags & (RTNH_F_PERVASIVE | RTNH_F_ONLINK)) !== 0) {
    return fib_err(extack, "Invalid flags for nexthop - PERVASIVE and ONLINK can not be set", -EINVAL);
  }
  const dev = net.dev_by_index.get(nh.oif);
  if (dev === undefined || dev.ip_ptr === null) return -ENODEV;
  if ((dev.flags & IFF_UP) === 0) return fib_err(extack, "Device for nexthop is not up", -ENETDOWN);
  nh.dev = dev;
  nh.scope = RT_SCOPE_HOST;
  if (!netif_carrier_ok(dev)) nh.flags |= RTNH_F_LINKDOWN;
  return 0;
}

/** Whether this path can be used by a route of `scope` in `table`: finds its device and its own scope. 0 or -errno. */
export function fib_check_nh(net: Net, nh: FibNh, table: number, scope: number, extack: Extack | null): number {
  return nh.gw !== 0 ? fib_check_nh_gw(net, nh, table, scope, extack) : fib_check_nh_nongw(net, nh, extack);
}

function fib_valid_prefsrc(net: Net, cfg: FibConfig): boolean {
  const src = cfg.fc_prefsrc;
  if (cfg.fc_type === RTN_LOCAL && cfg.fc_dst !== 0 && src === cfg.fc_dst) return true;
  const table = cfg.fc_table === RT_TABLE_MAIN ? RT_TABLE_LOCAL : cfg.fc_table;
  if (inet_addr_type_table(net, src, table) === RTN_LOCAL) return true;
  return table !== RT_TABLE_LOCAL && inet_addr_type_table(net, src, RT_TABLE_LOCAL) === RTN_LOCAL;
}

function fib_convert_metrics(fi: FibInfo, cfg: FibConfig, extack: Extack | null): number {
  fi.cc_algo = cfg.fc_cc_algo;
  const mx = cfg.fc_mx;
  if (mx === null) return 0;
  for (let type = 1; type <= RTAX_MAX; type++) {
    let v = mx[type]!;
    if (type === RTAX_CC_ALGO) v = fi.cc_algo !== "" ? tcp_ca_key(fi.cc_algo) : 0;
    if (type === RTAX_ADVMSS && v >>> 0 > 65535 - 40) v = 65535 - 40;
    if (type === RTAX_MTU && v >>> 0 > 65535 - 15) v = 65535 - 15;
    if (type === RTAX_HOPLIMIT && v >>> 0 > 255) v = 255;
    if (type === RTAX_FEATURES && (v & ~RTAX_FEATURE_MASK) !== 0) {
      return fib_err(extack, "Unknown flag set in feature mask in metrics attribute", -EINVAL);
    }
    fi.metrics[type] = v;
  }
  return 0;
}

function fib_nh_init(fi: FibInfo, oif: number, gw: number, flags: number, weight: number): void {
  const nh = new FibNh(fi);
  nh.oif = oif;
  nh.gw = gw;
  nh.flags = flags;
  nh.weight = weight;
  fi.nhs.push(nh);
}

function fib_get_nhs(fi: FibInfo, cfg: FibConfig, mp: readonly FibNhConfig[], extack: Extack | null): number {
  for (const c of mp) {
    if ((c.flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) !== 0) {
      return fib_err(extack, "Invalid flags for nexthop - can not contain DEAD or LINKDOWN", -EINVAL);
    }
    fib_nh_init(fi, c.oif, c.has_gw ? c.gw : 0, (cfg.fc_flags & ~0xff) | c.flags, c.weight);
  }
  if (cfg.fc_oif !== 0 && fi.nhs[0]!.oif !== cfg.fc_oif) {
    return fib_err(extack, "Nexthop device index does not match RTA_OIF", -EINVAL);
  }
  if (cfg.fc_has_gw && fi.nhs[0]!.gw !== cfg.fc_gw) {
    return fib_err(extack, "Nexthop gateway does not match RTA_GATEWAY or RTA_VIA", -EINVAL);
  }
  return 0;
}

/** Checks the paths of a route that forwards or delivers, as its type and scope demand. */
function fib_check_info(net: Net, fi: FibInfo, cfg: FibConfig, extack: Extack | null): number {
  if (cfg.fc_type > RTN_MULTICAST || cfg.fc_type < RTN_UNICAST) {
    return fib_err(extack, "Invalid route type", -EINVAL);
  }
  if (cfg.fc_scope > RT_SCOPE_HOST) return fib_err(extack, "Invalid scope", -EINVAL);
  if (fi.nh !== null) return 0;
  if (cfg.fc_scope === RT_SCOPE_HOST) {
    if (fi.nhs.length !== 1) return fib_err(extack, "Route with host scope can not have multiple nexthops", -EINVAL);
    const nh = fi.nhs[0]!;
    if (nh.gw !== 0) return fib_err(extack, "Route with host scope can not have a gateway", -EINVAL);
    nh.scope = RT_SCOPE_NOWHERE;
    nh.dev = net.dev_by_index.get(nh.oif) ?? null;
    return nh.dev !== null ? 0 : -ENODEV;
  }
  let linkdown = 0;
  for (const nh of fi.nhs) {
    const err = fib_check_nh(net, nh, cfg.fc_table, cfg.fc_scope, extack);
    if (err < 0) return err;
    if ((nh.flags & RTNH_F_LINKDOWN) !== 0) linkdown++;
  }
  if (linkdown === fi.nhs.length) fi.flags |= RTNH_F_LINKDOWN;
  return 0;
}

/**
 * The fib_info of a request: a new one, or one that other routes have already. Its treeref counts the caller.
 * -errno when the request makes no sense, with the reason in extack.
 */
export function fib_create_info(net: Net, cfg: FibConfig, extack: Extack | null): FibInfo | number {
  if (cfg.fc_type > RTN_MAX) return -EINVAL;
  if (fib_props_scope[cfg.fc_type]! > cfg.fc_scope) return fib_err(extack, "Invalid scope", -EINVAL);
  if ((cfg.fc_flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)) !== 0) {
    return fib_err(extack, "Invalid rtm_flags - can not contain DEAD or LINKDOWN", -EINVAL);
  }
  const fi = new FibInfo(net);
  fi.nh = null;
  fi.pfsrc_removed = false;
  fi.cc_algo = "";
  fi.hash = 0;
  fi.protocol = cfg.fc_protocol;
  fi.scope = cfg.fc_scope;
  fi.flags = cfg.fc_flags;
  fi.priority = cfg.fc_priority;
  fi.prefsrc = cfg.fc_prefsrc;
  fi.type = cfg.fc_type;
  fi.tb_id = cfg.fc_table;
  let err = fib_convert_metrics(fi, cfg, extack);
  if (err < 0) return err;
  if (cfg.fc_nh_id !== 0) {
    const nh = nexthop_find_by_id(net, cfg.fc_nh_id);
    if (nh === null) return fib_err(extack, "Nexthop id does not exist", -EINVAL);
    if (cfg.fc_has_gw || cfg.fc_oif !== 0 || cfg.fc_mp !== null) {
      return fib_err(extack, "Nexthop specification and nexthop id are mutually exclusive", -EINVAL);
    }
    err = nexthop_expand(nh, fi, cfg.fc_scope, extack);
  } else if (cfg.fc_mp !== null) err = fib_get_nhs(fi, cfg, cfg.fc_mp, extack);
  else fib_nh_init(fi, cfg.fc_oif, cfg.fc_has_gw ? cfg.fc_gw : 0, cfg.fc_flags, 1);
  if (err < 0) return err;

  if (fib_props_error[cfg.fc_type] !== 0) {
    if (cfg.fc_has_gw || cfg.fc_oif !== 0 || cfg.fc_mp !== null) {
      return fib_err(extack, "Gateway, device and multipath can not be specified for this route type", -EINVAL);
    }
  } else {
    err = fib_check_info(net, fi, cfg, extack);
    if (err < 0) return err;
    if (cfg.fc_prefsrc !== 0 && !fib_valid_prefsrc(net, cfg)) {
      return fib_err(extack, "Invalid prefsrc address", -EINVAL);
    }
    if (fi.nh === null) for (const nh of fi.nhs) fib_info_update_nhc_saddr(net, nh, fi.scope);
    fib_rebalance(fi);
  }
  fi.hash = fib_info_hashfn(fi);
  const bucket = net.ipv4.fib.info_hash.get(fi.hash);
  if (bucket !== undefined) {
    for (const old of bucket) {
      if (fib_info_same(old, fi)) {
        old.treeref++;
        return old;
      }
    }
  }
  fi.treeref = 1;
  fib_info_insert(fi);
  return fi;
}

// --- matching a delete request ------------------------------------------------------------------------------------

/** Whether `fi` has the metric, paths and nexthop id that a delete request names; what it does not name fits. */
export function fib_nh_match(cfg: FibConfig, fi: FibInfo): boolean {
  if (cfg.fc_priority !== 0 && cfg.fc_priority !== fi.priority) return false;
  if (cfg.fc_nh_id !== 0) return fi.nh_id === cfg.fc_nh_id;
  if (cfg.fc_oif !== 0 || cfg.fc_has_gw) {
    if (fi.nh !== null) return false;
    const nh = fi.nhs[0]!;
    return (cfg.fc_oif === 0 || cfg.fc_oif === nh.oif) && (!cfg.fc_has_gw || cfg.fc_gw === nh.gw);
  }
  if (cfg.fc_mp === null) return true;
  if (fi.nh !== null) return false;
  for (let i = 0; i < fi.nhs.length; i++) {
    const want = cfg.fc_mp[i];
    if (want === undefined) return false;
    const nh = fi.nhs[i]!;
    if ((want.oif !== 0 && want.oif !== nh.oif) || (want.has_gw && want.gw !== nh.gw)) return false;
  }
  return true;
}

export function fib_metrics_match(cfg: FibConfig, fi: FibInfo): boolean {
  if (cfg.fc_cc_algo !== "" && cfg.fc_cc_algo !== fi.cc_algo) return false;
  const mx = cfg.fc_mx;
  if (mx === null) return true;
  for (let i = 0; i <= RTAX_MAX; i++) if (mx[i] !== 0 && i !== RTAX_LOCK && mx[i] !== fi.metrics[i]) return false;
  return true;
}

// --- addresses and devices change ---------------------------------------------------------------------------------

/** The source address for destinations by this path, remembered until addresses change. */
export function fib_info_update_nhc_saddr(net: Net, nh: FibNh, scope: number): number {
  nh.saddr = nh.dev !== null ? inet_select_addr(nh.dev, nh.gw, scope) : 0;
  nh.saddr_genid = net.ipv4.dev_addr_genid;
  return nh.saddr;
}

/** The source address a route prefers. */
export function fib_result_prefsrc(net: Net, res: FibResult): number {
  const fi = res.fi!;
  if (fi.prefsrc !== 0) return fi.prefsrc;
  const nh = res.nhc!;
  return nh.saddr_genid === net.ipv4.dev_addr_genid ? nh.saddr : fib_info_update_nhc_saddr(net, nh, fi.scope);
}

/** An address is gone: routes that prefer it as source die. Returns how many; the caller flushes. */
export function fib_sync_down_addr(dev: NetDevice, local: number): number {
  const set = local !== 0 ? dev.net.ipv4.fib.info_laddrhash.get(local) : undefined;
  if (set === undefined) return 0;
  let ret = 0;
  for (const fi of set) {
    if (fi.tb_id !== RT_TABLE_MAIN && fi.tb_id !== 0) continue;
    fi.flags |= RTNH_F_DEAD;
    fi.pfsrc_removed = true;
    ret++;
  }
  return ret;
}

/**
 * A device went down or away, or lost its carrier (NETDEV_CHANGE): its paths are marked, and a route none of whose paths
 * is left dies. `force` takes routes to the host itself too. Returns how many died.
 */
export function fib_sync_down_dev(dev: NetDevice, event: number, force: boolean): number {
  const paths = dev.net.ipv4.fib.info_devhash.get(dev);
  if (paths === undefined) return 0;
  const spared = force ? -1 : RT_SCOPE_NOWHERE;
  const seen = new Set<FibInfo>();
  let ret = 0;
  for (const path of paths) {
    const fi = path.parent;
    if (seen.has(fi)) continue;
    seen.add(fi);
    let dead = 0;
    for (const nh of fi.nhs) {
      if ((nh.flags & RTNH_F_DEAD) !== 0) dead++;
      else if (nh.dev === dev && nh.scope !== spared) {
        nh.flags |= event === NETDEV_CHANGE ? RTNH_F_LINKDOWN : RTNH_F_DEAD | RTNH_F_LINKDOWN;
        dead++;
      }
      if (event === NETDEV_UNREGISTER && nh.dev === dev) {
        dead = fi.nhs.length;
        break;
      }
    }
    if (dead === fi.nhs.length) {
      if (event === NETDEV_DOWN || event === NETDEV_UNREGISTER) fi.flags |= RTNH_F_DEAD;
      fi.flags |= RTNH_F_LINKDOWN;
      ret++;
    }
    fib_rebalance(fi);
  }
  return ret;
}

/** A device is up (`nh_flags` DEAD) or has carrier again (LINKDOWN): its paths may be used. Returns how many revived. */
export function fib_sync_up(dev: NetDevice, nh_flags: number): number {
  if ((dev.flags & IFF_UP) === 0) return 0;
  const paths = dev.net.ipv4.fib.info_devhash.get(dev);
  if (paths === undefined) return 0;
  if ((nh_flags & RTNH_F_DEAD) !== 0 && netif_carrier_ok(dev)) nh_flags |= RTNH_F_LINKDOWN;
  const seen = new Set<FibInfo>();
  let ret = 0;
  for (const path of paths) {
    const fi = path.parent;
    if (seen.has(fi)) continue;
    seen.add(fi);
    let alive = 0;
    for (const nh of fi.nhs) {
      if ((nh.flags & nh_flags) === 0) {
        alive++;
        continue;
      }
      if (nh.dev !== dev || dev.ip_ptr === null) continue;
      alive++;
      nh.flags &= ~nh_flags;
    }
    if (alive > 0) {
      fi.flags &= ~nh_flags;
      ret++;
    }
    fib_rebalance(fi);
  }
  return ret;
}

/** The MTU of a device changed: what ICMP taught about paths through it is bounded by it. */
export function fib_sync_mtu(dev: NetDevice, orig_mtu: number): void {
  const paths = dev.net.ipv4.fib.info_devhash.get(dev);
  if (paths === undefined) return;
  for (const nh of paths) {
    if (nh.exceptions === null) continue;
    for (const e of nh.exceptions.values()) {
      if (e.pmtu === 0) continue;
      if (e.mtu_locked) {
        if (dev.mtu <= e.pmtu) {
          e.pmtu = dev.mtu;
          e.mtu_locked = false;
        }
      } else if (dev.mtu < e.pmtu || (e.pmtu === orig_mtu && dev.mtu > orig_mtu)) e.pmtu = dev.mtu;
    }
  }
}

/** Whether a packet that takes this route may leave by `dev`. */
export function fib_info_nh_uses_dev(fi: FibInfo, dev: NetDevice): boolean {
  const nhs = fi.nhs;
  for (let i = 0; i < nhs.length; i++) if (nhs[i]!.dev === dev) return true;
  return false;
}

export { fib_multipath_hash, fib_select_multipath, fib_select_path } from "./fib_select.ts";
