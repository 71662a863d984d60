// Nexthop objects: paths with a number of their own, alone or in weighted groups, that routes refer to.
// Mirrors net/ipv4/nexthop.c. Way in: nexthop_init(); rtm_new_nexthop(), rtm_del_nexthop(), nexthop_find_by_id().
// DIFF: a route has copies of its object's paths, made anew when the object changes, so that cached routes and exceptions
// belong to one route; Linux shares them among the routes of an object.
// DIFF: no resilient groups, no FDB nexthops, no IPv6 gateways for IPv4 routes.

import type { Kernel } from "../../kernel/kernel.ts";
import { EEXIST, EINVAL, ENETDOWN, ENOENT, EOPNOTSUPP } from "../../uapi/errno.ts";
import { IFF_LOWER_UP, IFF_RUNNING, IFF_UP } from "../../uapi/if.ts";
import { NLM_F_CREATE, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RTM_DELNEXTHOP,
  RTM_NEWNEXTHOP,
  RTM_NEWROUTE,
  RTNH_F_DEAD,
  RTNH_F_ONLINK,
} from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_UNSPEC } from "../../uapi/socket.ts";
import { dev_get_flags } from "../core/dev_api.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { NETDEV_CHANGE, NETDEV_DOWN, NETDEV_UNREGISTER, type NetDevice, netif_carrier_ok } from "../core/netdevice.ts";
import { register_netdevice_notifier } from "../core/notifier.ts";
import { type NlInfo, rtmsg_notify } from "../core/rtmsg.ts";
import { fib_flush, inet_dump_fib } from "./fib_frontend.ts";
import { type Extack, type FibAlias, fib_err } from "./fib_lookup.ts";
import { fib_rebalance } from "./fib_select.ts";
import { fib_check_nh, fib_info_hash_nhs, fib_info_unhash_nhs } from "./fib_semantics.ts";
import { rt_cache_flush } from "./fib_trie.ts";
import { FibInfo, FibNh } from "./ip_fib.ts";

/** A member of a group. */
export interface NhGrpEntry {
  readonly nh: Nexthop;
  readonly weight: number;
}

export class Nexthop {
  readonly net: Net;
  readonly id: number;
  protocol = 0;
  family: number = AF_INET;
  blackhole = false;
  /** RTNH_F_ONLINK. */
  flags = 0;
  /** The path; null for groups. */
  path: FibNh | null = null;
  /** Members; null when it is not a group. */
  group: NhGrpEntry[] | null = null;
  /** Groups it is in; Linux goes over them youngest first. */
  readonly grp_list: Set<Nexthop> = new Set();
  /** Routes' fib_infos that refer to it. */
  readonly fi_list: Set<FibInfo> = new Set();
  constructor(net: Net, id: number) {
    this.net = net;
    this.id = id;
  }
}

/** RTM_NEWNEXTHOP: what a request says. */
export class NhConfig {
  /** 0 lets the kernel choose. */
  nh_id = 0;
  nh_family: number = AF_UNSPEC;
  nh_protocol = 0;
  nh_flags = 0;
  nh_blackhole = false;
  nh_ifindex = 0;
  gw = 0;
  has_gw = false;
  nh_grp: { id: number; weight: number }[] | null = null;
  /** NEXTHOP_GRP_TYPE_*. */
  nh_grp_type = 0;
  nlflags = 0;
  nlinfo: NlInfo | null = null;
}

declare module "./netns_ipv4.ts" {
  interface NetnsIpv4 {
    /** By id. */
    nexthops: Map<number, Nexthop>;
    last_id_allocated: number;
  }
}

export function nexthop_find_by_id(net: Net, id: number): Nexthop | null {
  return net.ipv4.nexthops.get(id) ?? null;
}

/** A blackhole, or a group of one. */
export function nexthop_is_blackhole(nh: Nexthop | null): boolean {
  if (nh === null) return false;
  if (nh.group !== null) return nh.group.length === 1 && nh.group[0]!.nh.blackhole;
  return nh.blackhole;
}

/** All objects by id. */
export function* nexthop_dump(net: Net): Generator<Nexthop, void> {
  yield* [...net.ipv4.nexthops.values()].sort((a, b) => a.id - b.id);
}

// --- routes -------------------------------------------------------------------------------------------------------

function copy_path(fi: FibInfo, nh: Nexthop, weight: number): void {
  const from = nh.path!;
  const to = new FibNh(fi);
  to.dev = from.dev;
  to.oif = from.oif;
  to.gw = from.gw;
  to.scope = from.scope;
  to.flags = from.flags;
  to.weight = weight;
  fi.nhs.push(to);
}

function fill_paths(nh: Nexthop, fi: FibInfo): void {
  fi.nhs = [];
  if (nh.group === null) copy_path(fi, nh, 1);
  else for (const e of nh.group) copy_path(fi, e.nh, e.weight);
}

/** Whether a route of `scope` may use the object. */
function fib_check_nexthop(nh: Nexthop, scope: number, extack: Extack | null): number {
  if (nh.group !== null) {
    if (scope !== RT_SCOPE_HOST) return 0;
    return fib_err(extack, "Route with host scope can not have multiple nexthops", -EINVAL);
  }
  if (scope === RT_SCOPE_HOST && nh.path!.gw !== 0) {
    return fib_err(extack, "Route with host scope can not have a gateway", -EINVAL);
  }
  if ((nh.flags & RTNH_F_ONLINK) !== 0 && scope >= RT_SCOPE_LINK) {
    return fib_err(extack, "Scope mismatch with nexthop", -EINVAL);
  }
  return 0;
}

/** Gives `fi` the paths of the object, if a route of `scope` may use it. 0 or -errno. */
export function nexthop_expand(nh: Nexthop, fi: FibInfo, scope: number, extack: Extack | null): number {
  const err = fib_check_nexthop(nh, scope, extack);
  if (err < 0) return err;
  fi.nh = nh;
  fi.nh_id = nh.id;
  fill_paths(nh, fi);
  return 0;
}

export function fib_info_attach_nh(fi: FibInfo): void {
  fi.nh!.fi_list.add(fi);
}

export function fib_info_detach_nh(fi: FibInfo): void {
  fi.nh!.fi_list.delete(fi);
}

/** The object's paths changed: so do those of its routes, youngest first, which is told with nexthop_compat_mode. */
function nh_update_routes(nh: Nexthop): void {
  const net = nh.net;
  const infos = [...nh.fi_list].reverse();
  for (const fi of infos) {
    fib_info_unhash_nhs(fi);
    fill_paths(nh, fi);
    fib_info_hash_nhs(fi);
    fib_rebalance(fi);
  }
  if (infos.length === 0) return;
  rt_cache_flush(net);
  if (net.ipv4.sysctl_nexthop_compat_mode === 0 || net.kernel.rtmsg_hooks.length === 0) return;
  const routes = new Map<FibInfo, FibAlias[]>(infos.map((fi) => [fi, []]));
  for (const fa of inet_dump_fib(net)) routes.get(fa.fa_info)?.push(fa);
  for (const list of routes.values()) {
    for (const fa of list) rtmsg_notify(net, RTM_NEWROUTE, fa, { portid: 0, seq: 0, nlflags: NLM_F_REPLACE });
  }
}

// --- removing -----------------------------------------------------------------------------------------------------

/** Takes an object away with its routes; groups lose it, and one that it was the last of goes too. */
function remove_nexthop(nh: Nexthop, info: NlInfo | null): void {
  const net = nh.net;
  net.ipv4.nexthops.delete(nh.id);
  if (info !== null) rtmsg_notify(net, RTM_DELNEXTHOP, nh, info);
  for (const fi of nh.fi_list) fi.flags |= RTNH_F_DEAD;
  if (nh.fi_list.size > 0) fib_flush(net);
  for (const e of nh.group ?? []) e.nh.grp_list.delete(nh);
  for (const grp of [...nh.grp_list].reverse()) {
    const left = grp.group!.filter((e) => e.nh !== nh);
    if (left.length === 0) {
      remove_nexthop(grp, info);
      continue;
    }
    grp.group = left;
    if (info !== null) rtmsg_notify(net, RTM_NEWNEXTHOP, grp, info);
    nh_update_routes(grp);
  }
  nh.grp_list.clear();
}

/** RTM_DELNEXTHOP. 0 or -ENOENT. */
export function rtm_del_nexthop(net: Net, id: number, info: NlInfo | null, extack: Extack | null): number {
  if (id === 0) return fib_err(extack, "Invalid nexthop id", -EINVAL);
  const nh = nexthop_find_by_id(net, id);
  if (nh === null) return -ENOENT;
  remove_nexthop(nh, info ?? { portid: 0, seq: 0, nlflags: 0 });
  return 0;
}

// --- adding -------------------------------------------------------------------------------------------------------

function check_group(net: Net, cfg: NhConfig, extack: Extack | null): NhGrpEntry[] | number {
  const out: NhGrpEntry[] = [];
  for (const { id, weight } of cfg.nh_grp!) {
    if (out.some((e) => e.nh.id === id)) return fib_err(extack, "Nexthop id can not be used twice in a group", -EINVAL);
    const nh = nexthop_find_by_id(net, id);
    if (nh === null) return fib_err(extack, "Invalid nexthop id", -EINVAL);
    if (nh.group !== null) {
      return fib_err(extack, "Hash-threshold group can not be a nexthop within a group", -EINVAL);
    }
    if (nh.blackhole && cfg.nh_grp!.length > 1) {
      return fib_err(extack, "Blackhole nexthop can not be used in a group with more than 1 path", -EINVAL);
    }
    out.push({ nh, weight });
  }
  return out;
}

function check_path(net: Net, nh: Nexthop, cfg: NhConfig, extack: Extack | null): number {
  const path = new FibNh(new FibInfo(net));
  nh.path = path;
  nh.flags = cfg.nh_flags;
  if (cfg.nh_blackhole) {
    nh.blackhole = true;
    path.dev = net.loopback_dev;
    path.oif = net.loopback_dev.ifindex;
    return 0;
  }
  if (cfg.nh_ifindex === 0) {
    return fib_err(extack, "Device attribute required for non-blackhole and non-fdb nexthops", -EINVAL);
  }
  const dev = net.dev_by_index.get(cfg.nh_ifindex);
  if (dev === undefined) return fib_err(extack, "Invalid device index", -EINVAL);
  if ((dev.flags & IFF_UP) === 0) return fib_err(extack, "Nexthop device is not up", -ENETDOWN);
  if (!netif_carrier_ok(dev)) return fib_err(extack, "Carrier for nexthop device is down", -ENETDOWN);
  path.oif = cfg.nh_ifindex;
  path.gw = cfg.has_gw ? cfg.gw : 0;
  path.flags = cfg.nh_flags;
  return fib_check_nh(net, path, 0, 0, extack);
}

/** RTM_NEWNEXTHOP. Returns the id, or -errno with the reason in extack. */
export function rtm_new_nexthop(net: Net, cfg: NhConfig, extack: Extack | null): number {
  if ((cfg.nh_flags & ~RTNH_F_ONLINK) !== 0) {
    return fib_err(extack, "Invalid nexthop flags in ancillary header", -EINVAL);
  }
  if (cfg.nh_grp !== null && cfg.nh_grp_type !== 0) {
    return fib_err(extack, "Unsupported nexthop group type", -EOPNOTSUPP);
  }
  const table = net.ipv4.nexthops;
  const old = cfg.nh_id !== 0 ? nexthop_find_by_id(net, cfg.nh_id) : null;
  const is_group = cfg.nh_grp !== null;
  let id = cfg.nh_id;
  if (id === 0) {
    do net.ipv4.last_id_allocated++;
    while (table.has(net.ipv4.last_id_allocated));
    id = net.ipv4.last_id_allocated;
  }
  const nh = new Nexthop(net, id);
  nh.protocol = cfg.nh_protocol;
  nh.family = is_group ? AF_UNSPEC : AF_INET;
  if (is_group) {
    const members = check_group(net, cfg, extack);
    if (typeof members === "number") return members;
    nh.group = members;
  } else {
    const err = check_path(net, nh, cfg, extack);
    if (err < 0) return err;
  }
  if (old === null) {
    if ((cfg.nlflags & NLM_F_CREATE) === 0) return -ENOENT;
    table.set(id, nh);
    for (const e of nh.group ?? []) e.nh.grp_list.add(nh);
    rtmsg_notify(net, RTM_NEWNEXTHOP, nh, cfg.nlinfo);
    return id;
  }
  if ((cfg.nlflags & NLM_F_REPLACE) === 0) return -EEXIST;
  for (const fi of old.fi_list) {
    const err = fib_check_nexthop(nh, fi.scope, extack);
    if (err < 0) return err;
  }
  if (old.group !== null && !is_group) {
    return fib_err(extack, "Can not replace a nexthop group with a nexthop.", -EINVAL);
  }
  if (old.group === null && is_group) {
    return fib_err(extack, "Can not replace a nexthop with a nexthop group.", -EINVAL);
  }
  for (const grp of old.grp_list) {
    if (nh.blackhole && grp.group!.length > 1) {
      return fib_err(extack, "Blackhole nexthop can not be a member of a group with more than one path", -EINVAL);
    }
  }
  // The object stays, for routes and groups refer to it; only what it is made of changes.
  for (const e of old.group ?? []) e.nh.grp_list.delete(old);
  old.protocol = nh.protocol;
  old.flags = nh.flags;
  old.blackhole = nh.blackhole;
  old.path = nh.path;
  old.group = nh.group;
  for (const e of old.group ?? []) e.nh.grp_list.add(old);
  rtmsg_notify(net, RTM_NEWNEXTHOP, old, cfg.nlinfo);
  nh_update_routes(old);
  for (const grp of [...old.grp_list].reverse()) nh_update_routes(grp);
  return id;
}

// --- devices, boot ------------------------------------------------------------------------------------------------

/** Without its device, or its carrier, a nexthop is nothing: it goes, and nobody is told, as in Linux. */
function nexthop_flush_dev(dev: NetDevice, event: number): void {
  for (const nh of [...dev.net.ipv4.nexthops.values()]) {
    if (nh.path === null || nh.path.dev !== dev) continue;
    if (nh.blackhole && event !== NETDEV_UNREGISTER) continue;
    if (dev.net.ipv4.nexthops.get(nh.id) === nh) remove_nexthop(nh, null);
  }
}

function nh_netdev_event(event: number, dev: NetDevice): void {
  if (event === NETDEV_DOWN || event === NETDEV_UNREGISTER) nexthop_flush_dev(dev, event);
  else if (event === NETDEV_CHANGE && (dev_get_flags(dev) & (IFF_RUNNING | IFF_LOWER_UP)) === 0) {
    nexthop_flush_dev(dev, event);
  }
}

/** After ip_fib_init(). */
export function nexthop_init(k: Kernel): void {
  register_pernet_subsys(k, {
    init(net) {
      net.ipv4.nexthops = new Map();
      net.ipv4.last_id_allocated = 0;
    },
    exit(net) {
      for (const nh of [...net.ipv4.nexthops.values()]) {
        if (net.ipv4.nexthops.get(nh.id) === nh) remove_nexthop(nh, null);
      }
    },
  });
  register_netdevice_notifier(k, nh_netdev_event);
}
