// The FIB as the rest of the stack uses it: tables of a namespace, lookups, address types, source validation, and the
// routes that addresses and devices bring along. Mirrors net/ipv4/fib_frontend.c. Read first: RFC 3704 (rp_filter).
// Way in: ip_fib_init(); fib_lookup(), fib_validate_source(), inet_addr_type().

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_fib_validate_source } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EAGAIN, EINVAL, ENETUNREACH, ESRCH, EXDEV } from "../../uapi/errno.ts";
import { IFF_LOOPBACK, IFF_LOWER_UP, IFF_RUNNING, IFF_UP } from "../../uapi/if.ts";
import { IFA_F_NOPREFIXROUTE, IFA_F_SECONDARY } from "../../uapi/if_addr.ts";
import { INET_DSCP_MASK, IPH_DADDR, IPH_SADDR, IPH_TOS } from "../../uapi/ip.ts";
import { NLM_F_APPEND, NLM_F_CREATE } from "../../uapi/netlink.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_DEFAULT,
  RT_TABLE_LOCAL,
  RT_TABLE_MAIN,
  RTM_DELROUTE,
  RTM_NEWROUTE,
  RTN_BROADCAST,
  RTN_LOCAL,
  RTN_MULTICAST,
  RTN_UNICAST,
  RTNH_F_DEAD,
  RTNH_F_LINKDOWN,
  RTPROT_KERNEL,
} from "../../uapi/rtnetlink.ts";
import { dev_get_flags } from "../core/dev_api.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEMTU,
  NETDEV_DOWN,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type NetDevice,
} from "../core/netdevice.ts";
import { register_netdevice_notifier } from "../core/notifier.ts";
import { rtmsg_init } from "../core/rtmsg.ts";
import type { SkBuff } from "../core/skbuff.ts";
import { inet_ifa_byprefix, inet_lookup_ifaddr_rcu, inet_select_addr, register_inetaddr_notifier } from "./devinet.ts";
import {
  type Extack,
  FIB_LOOKUP_IGNORE_LINKSTATE,
  type FibAlias,
  FibConfig,
  type FibTable,
  fib_hooks_init,
  LOOPBACK_IFINDEX,
  NetFib,
} from "./fib_lookup.ts";
import { fib4_rules_exit, fib4_rules_init, fib4_rules_register } from "./fib_rules.ts";
import {
  fib_info_nh_uses_dev,
  fib_result_prefsrc,
  fib_sync_down_addr,
  fib_sync_down_dev,
  fib_sync_mtu,
  fib_sync_up,
} from "./fib_semantics.ts";
import {
  fib_table_delete,
  fib_table_dump,
  fib_table_flush,
  fib_table_insert,
  fib_table_lookup,
  fib_trie_table,
  fib_trie_unmerge,
  rt_cache_flush,
} from "./fib_trie.ts";
import { FibResult, Flowi4 } from "./ip_fib.ts";
import {
  IN_DEV_ACCEPT_LOCAL,
  IN_DEV_RPFILTER,
  IN_DEV_TX_REDIRECTS,
  type InDevice,
  type InIfaddr,
  ipv4_is_lbcast,
  ipv4_is_multicast,
  ipv4_is_zeronet,
} from "./netns_ipv4.ts";
import { RTCF_BROADCAST, RTCF_LOCAL, RTCF_MULTICAST, type Rtable } from "./route.ts";

export { rt_cache_flush };

// --- tables -------------------------------------------------------------------------------------------------------

export function fib_get_table(net: Net, id: number): FibTable | null {
  return net.ipv4.fib.tables.get(id === 0 ? RT_TABLE_MAIN : id) ?? null;
}

/** The table, made when it is not there. Without custom rules local is main's trie under another name. */
export function fib_new_table(net: Net, id: number): FibTable {
  if (id === 0) id = RT_TABLE_MAIN;
  const fib = net.ipv4.fib;
  let tb = fib.tables.get(id);
  if (tb !== undefined) return tb;
  const alias = id === RT_TABLE_LOCAL && !fib.fib_has_custom_rules ? fib_new_table(net, RT_TABLE_MAIN) : null;
  tb = fib_trie_table(id, alias);
  fib.tables.set(id, tb);
  if (id === RT_TABLE_MAIN) fib.fib_main = tb;
  else if (id === RT_TABLE_DEFAULT) fib.fib_default = tb;
  return tb;
}

/** Before the first custom rule: local gets a trie of its own, for rules may now put tables before it. */
export function fib_unmerge(net: Net): void {
  const local = fib_get_table(net, RT_TABLE_LOCAL);
  const main = fib_get_table(net, RT_TABLE_MAIN);
  if (local !== null && main !== null) fib_trie_unmerge(local, main);
}

/** Tables in the order in which dumps list them: by the low byte of their id, the youngest first within one. */
export function fib_tables(net: Net): FibTable[] {
  const all = [...net.ipv4.fib.tables.values()].reverse();
  return all.sort((a, b) => (a.tb_id & 0xff) - (b.tb_id & 0xff));
}

/** All routes of the namespace, table by table, in Linux's order. */
export function* inet_dump_fib(net: Net): Generator<FibAlias, void> {
  for (const tb of fib_tables(net)) yield* fib_table_dump(tb);
}

/** Removes routes that died, everywhere. */
export function fib_flush(net: Net): void {
  let flushed = 0;
  for (const tb of net.ipv4.fib.tables.values()) flushed += fib_table_flush(net, tb, false);
  if (flushed > 0) rt_cache_flush(net);
}

// --- lookups ------------------------------------------------------------------------------------------------------

/**
 * The route for a flow, into `res`. 0, or -ENETUNREACH; a route that refuses answers -EHOSTUNREACH (unreachable),
 * -EACCES (prohibit) or -EINVAL (blackhole).
 */
export function fib_lookup(net: Net, flp: Flowi4, res: FibResult, flags: number): number {
  const fib = net.ipv4.fib;
  if (fib.fib_has_custom_rules) return net.kernel.__fib_lookup!(net, flp, res, flags);
  let err = -EAGAIN;
  if (fib.fib_main !== null) {
    res.rule_pref = 32766;
    err = fib_table_lookup(fib.fib_main, flp, res, flags);
    if (err === 0) {
      if (res.tb_id === RT_TABLE_LOCAL) res.rule_pref = 0;
      return 0;
    }
  }
  if (err === -EAGAIN && fib.fib_default !== null) {
    res.rule_pref = 32767;
    err = fib_table_lookup(fib.fib_default, flp, res, flags);
  }
  return err === -EAGAIN ? -ENETUNREACH : err;
}

/**
 * The table that RTM_GETROUTE reports. While local and main share a trie Linux says main for what local holds; res.tb_id
 * is the table the route is in.
 */
export function fib_res_table(net: Net, res: FibResult): number {
  return !net.ipv4.fib.fib_has_custom_rules && res.tb_id === RT_TABLE_LOCAL ? RT_TABLE_MAIN : res.tb_id;
}

/** Scratch of the lookups below. They do not nest: each reads its result before it returns. */
function scratch(net: Net): { fl4: Flowi4; res: FibResult } {
  return net.ipv4.fib_scratch;
}

function reset_flow(fl4: Flowi4): Flowi4 {
  fl4.flowi4_oif = 0;
  fl4.flowi4_iif = 0;
  fl4.flowi4_l3mdev = 0;
  fl4.flowi4_mark = 0;
  fl4.flowi4_tos = 0;
  fl4.flowi4_scope = RT_SCOPE_UNIVERSE;
  fl4.flowi4_proto = 0;
  fl4.flowi4_flags = 0;
  fl4.flowi4_uid = 0;
  fl4.saddr = 0;
  fl4.daddr = 0;
  fl4.fl4_sport = 0;
  fl4.fl4_dport = 0;
  fl4.flowi4_multipath_hash = 0;
  return fl4;
}

function __inet_dev_addr_type(net: Net, dev: NetDevice | null, addr: number, tb_id: number): number {
  if (ipv4_is_zeronet(addr) || ipv4_is_lbcast(addr)) return RTN_BROADCAST;
  if (ipv4_is_multicast(addr)) return RTN_MULTICAST;
  const table = fib_get_table(net, tb_id);
  if (table === null) return RTN_BROADCAST;
  const { fl4, res } = scratch(net);
  reset_flow(fl4).daddr = addr;
  if (fib_table_lookup(table, fl4, res, 0) < 0) return RTN_UNICAST;
  return dev === null || dev === res.nhc!.dev ? res.type : RTN_UNICAST;
}

/** RTN_* of an address as the routes of one table have it. */
export function inet_addr_type_table(net: Net, addr: number, tb_id: number): number {
  return __inet_dev_addr_type(net, null, addr, tb_id);
}

/** What an address is to this host: RTN_LOCAL, RTN_BROADCAST, RTN_MULTICAST, else RTN_UNICAST. */
export function inet_addr_type(net: Net, addr: number): number {
  return __inet_dev_addr_type(net, null, addr, RT_TABLE_LOCAL);
}

/** As inet_addr_type(), in the table of the device's VRF. DIFF: no VRFs yet: the local table. */
export function inet_addr_type_dev_table(net: Net, _dev: NetDevice | null, addr: number): number {
  return __inet_dev_addr_type(net, null, addr, RT_TABLE_LOCAL);
}

/** As inet_addr_type(), but only what belongs to `dev` counts. */
export function inet_dev_addr_type(net: Net, dev: NetDevice, addr: number): number {
  return __inet_dev_addr_type(net, dev, addr, RT_TABLE_LOCAL);
}

/** The address that answers a packet (RFC 1122 section 3.2.1.3): the one it was sent to if that is ours alone. */
export function fib_compute_spec_dst(skb: SkBuff): number {
  const dv = skb.head.dv;
  const dst = skb.dst as Rtable;
  if ((dst.rt_flags & (RTCF_BROADCAST | RTCF_MULTICAST | RTCF_LOCAL)) === RTCF_LOCAL) {
    return dv.getInt32(skb.network_header + IPH_DADDR);
  }
  const dev = skb.dev!;
  const saddr = dv.getInt32(skb.network_header + IPH_SADDR);
  if (ipv4_is_zeronet(saddr)) return inet_select_addr(dev, saddr, RT_SCOPE_LINK);
  const net = dev.net;
  const { fl4, res } = scratch(net);
  reset_flow(fl4);
  fl4.flowi4_iif = LOOPBACK_IFINDEX;
  fl4.daddr = saddr;
  fl4.flowi4_tos = dv.getUint8(skb.network_header + IPH_TOS) & INET_DSCP_MASK;
  fl4.flowi4_mark = src_vmark(net, dev.ip_ptr) ? skb.mark : 0;
  if (fib_lookup(net, fl4, res, 0) === 0) return fib_result_prefsrc(net, res);
  return inet_select_addr(dev, saddr, RT_SCOPE_UNIVERSE);
}

const src_vmark = (net: Net, in_dev: InDevice | null): boolean =>
  in_dev !== null && (net.ipv4.devconf_all.src_valid_mark !== 0 || in_dev.cnf.src_valid_mark !== 0);

/**
 * May a packet from `src` come in by `dev`? Returns 0; 1 when the sender is on the link of that device (a redirect would
 * reach it); -EINVAL for a martian source (one of our own addresses); -EXDEV when rp_filter refuses (RFC 3704: 1 strict,
 * 2 loose). `oif` is the device it will leave by, 0 when it is for us.
 */
export function fib_validate_source(
  skb: SkBuff | null,
  src: number,
  dst: number,
  tos: number,
  oif: number,
  dev: NetDevice,
  idev: InDevice,
): number {
  if (trace_key.on && skb !== null) trace_fn(F_fib_validate_source, skb);
  const net = dev.net;
  const rpf = IN_DEV_RPFILTER(idev);
  const fib = net.ipv4.fib;
  if (rpf === 0 && (dev.ifindex !== oif || !IN_DEV_TX_REDIRECTS(idev))) {
    if (IN_DEV_ACCEPT_LOCAL(idev)) return 0;
    // Custom local routes and rules may make addresses ours that no device has: those need the lookup.
    if (!fib.fib_has_custom_local_routes && !fib.fib_has_custom_rules) {
      return inet_lookup_ifaddr_rcu(net, src) !== null ? -EINVAL : 0;
    }
  }
  return __fib_validate_source(skb, src, dst, tos, oif, dev, rpf, idev);
}

function __fib_validate_source(
  skb: SkBuff | null,
  src: number,
  dst: number,
  tos: number,
  oif: number,
  dev: NetDevice,
  rpf: number,
  idev: InDevice,
): number {
  const net = dev.net;
  const { fl4, res } = scratch(net);
  reset_flow(fl4);
  fl4.flowi4_iif = oif !== 0 ? oif : LOOPBACK_IFINDEX;
  fl4.daddr = src;
  fl4.saddr = dst;
  fl4.flowi4_tos = tos & INET_DSCP_MASK;
  fl4.flowi4_mark = skb !== null && src_vmark(net, idev) ? skb.mark : 0;
  if (skb !== null && net.ipv4.fib.fib_rules_require_fldissect > 0) {
    fib4_rules_early_flow_dissect(skb, fl4);
    // The way back has the ports the other way round.
    const sport = fl4.fl4_sport;
    fl4.fl4_sport = fl4.fl4_dport;
    fl4.fl4_dport = sport;
  }
  // With no address of its own (a DHCP client) a device cannot be checked for the way back.
  const no_addr = idev.ifa_list.length === 0;
  if (fib_lookup(net, fl4, res, 0) < 0) return rpf !== 0 ? -EXDEV : 0;
  if (res.type !== RTN_UNICAST && (res.type !== RTN_LOCAL || !IN_DEV_ACCEPT_LOCAL(idev))) return -EINVAL;
  if (fib_info_nh_uses_dev(res.fi!, dev) || (res.type === RTN_LOCAL && dev === net.loopback_dev)) {
    return res.nhc!.scope >= RT_SCOPE_HOST ? 1 : 0;
  }
  if (no_addr) return rpf !== 0 ? -EXDEV : 0;
  if (rpf === 1) return -EXDEV;
  fl4.flowi4_oif = dev.ifindex;
  if (fib_lookup(net, fl4, res, FIB_LOOKUP_IGNORE_LINKSTATE) === 0 && res.type === RTN_UNICAST) {
    return res.nhc!.scope >= RT_SCOPE_HOST ? 1 : 0;
  }
  return 0;
}

/** Protocol and ports of a received packet, for rules that look at them (`ip rule … ipproto udp dport 53`). */
export function fib4_rules_early_flow_dissect(skb: SkBuff, fl4: Flowi4): void {
  const dv = skb.head.dv;
  const iph = skb.network_header;
  fl4.flowi4_proto = dv.getUint8(iph + 9);
  const l4 = iph + (dv.getUint8(iph) & 15) * 4;
  const has_ports = fl4.flowi4_proto === 6 || fl4.flowi4_proto === 17 || fl4.flowi4_proto === 136;
  if (!has_ports || (dv.getUint16(iph + 6) & 0x1fff) !== 0 || l4 + 4 > skb.tail) return;
  fl4.fl4_sport = dv.getUint16(l4);
  fl4.fl4_dport = dv.getUint16(l4 + 2);
}

// --- requests -----------------------------------------------------------------------------------------------------

/** RTM_NEWROUTE. 0 or -errno, with the reason in extack. */
export function inet_rtm_newroute(net: Net, cfg: FibConfig, extack: Extack | null): number {
  const err = fib_table_insert(net, fib_new_table(net, cfg.fc_table), cfg, extack);
  if (err === 0 && cfg.fc_type === RTN_LOCAL) net.ipv4.fib.fib_has_custom_local_routes = true;
  return err;
}

/** RTM_DELROUTE. */
export function inet_rtm_delroute(net: Net, cfg: FibConfig, extack: Extack | null): number {
  const tb = fib_get_table(net, cfg.fc_table);
  if (tb === null) {
    if (extack !== null) extack.msg = "FIB table does not exist";
    return -ESRCH;
  }
  return fib_table_delete(net, tb, cfg, extack);
}

// --- the kernel's own routes --------------------------------------------------------------------------------------

/** Adds or deletes a route that an address brings along: proto kernel, by its device, with the primary as source. */
function fib_magic(cmd: number, type: number, dst: number, dst_len: number, ifa: InIfaddr, priority: number): void {
  const dev = ifa.ifa_dev.dev;
  const cfg = new FibConfig();
  cfg.fc_protocol = RTPROT_KERNEL;
  cfg.fc_type = type;
  cfg.fc_dst = dst;
  cfg.fc_dst_len = dst_len;
  cfg.fc_priority = priority;
  cfg.fc_prefsrc = ifa.ifa_local;
  cfg.fc_oif = dev.ifindex;
  cfg.fc_nlflags = NLM_F_CREATE | NLM_F_APPEND;
  cfg.fc_table = type === RTN_UNICAST ? RT_TABLE_MAIN : RT_TABLE_LOCAL;
  cfg.fc_scope = type !== RTN_LOCAL ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  const tb = fib_new_table(dev.net, cfg.fc_table);
  if (cmd === RTM_NEWROUTE) fib_table_insert(dev.net, tb, cfg, null);
  else fib_table_delete(dev.net, tb, cfg, null);
}

/** Routes of a new address: itself, its broadcast addresses, its subnet. All but the first only while the device is up. */
export function fib_add_ifaddr(ifa: InIfaddr): void {
  const in_dev = ifa.ifa_dev;
  const dev = in_dev.dev;
  const mask = ifa.ifa_mask;
  const prefix = ifa.ifa_address & mask;
  let prim = ifa;
  if ((ifa.ifa_flags & IFA_F_SECONDARY) !== 0) {
    const found = inet_ifa_byprefix(in_dev, prefix, mask);
    if (found === null) return;
    prim = found;
  }
  fib_magic(RTM_NEWROUTE, RTN_LOCAL, ifa.ifa_local, 32, prim, 0);
  if ((dev.flags & IFF_UP) === 0) return;
  const k = dev.net.kernel;
  if (ifa.ifa_broadcast !== 0 && ifa.ifa_broadcast !== -1) {
    fib_magic(RTM_NEWROUTE, RTN_BROADCAST, ifa.ifa_broadcast, 32, prim, 0);
    k.arp_invalidate?.(dev, ifa.ifa_broadcast);
  }
  if (ipv4_is_zeronet(prefix) || (ifa.ifa_flags & IFA_F_SECONDARY) !== 0) return;
  if (prefix === ifa.ifa_local && ifa.ifa_prefixlen === 32) return;
  if ((ifa.ifa_flags & IFA_F_NOPREFIXROUTE) === 0) {
    const type = (dev.flags & IFF_LOOPBACK) !== 0 ? RTN_LOCAL : RTN_UNICAST;
    fib_magic(RTM_NEWROUTE, type, prefix, ifa.ifa_prefixlen, prim, ifa.ifa_rt_priority);
  }
  if (ifa.ifa_prefixlen < 31) {
    fib_magic(RTM_NEWROUTE, RTN_BROADCAST, prefix | ~mask, 32, prim, 0);
    k.arp_invalidate?.(dev, prefix | ~mask);
  }
}

/** The metric of a subnet route changes: the new one is there before the old one goes. */
export function fib_modify_prefix_metric(ifa: InIfaddr, new_metric: number): void {
  const dev = ifa.ifa_dev.dev;
  const prefix = ifa.ifa_address & ifa.ifa_mask;
  const local_only = prefix === ifa.ifa_local && ifa.ifa_prefixlen === 32;
  if (
    (dev.flags & IFF_UP) === 0 ||
    (ifa.ifa_flags & (IFA_F_SECONDARY | IFA_F_NOPREFIXROUTE)) !== 0 ||
    ipv4_is_zeronet(prefix) ||
    local_only
  ) {
    return;
  }
  const type = (dev.flags & IFF_LOOPBACK) !== 0 ? RTN_LOCAL : RTN_UNICAST;
  fib_magic(RTM_NEWROUTE, type, prefix, ifa.ifa_prefixlen, ifa, new_metric);
  fib_magic(RTM_DELROUTE, type, prefix, ifa.ifa_prefixlen, ifa, ifa.ifa_rt_priority);
}

/**
 * Takes an address's routes away, but for those that another address of the device still needs. With `iprim` (the primary
 * that is being replaced) `ifa` stays and only moves to another source address.
 */
export function fib_del_ifaddr(ifa: InIfaddr, iprim: InIfaddr | null): void {
  const in_dev = ifa.ifa_dev;
  const dev = in_dev.dev;
  const net = dev.net;
  const brd = ifa.ifa_address | ~ifa.ifa_mask;
  const any = ifa.ifa_address & ifa.ifa_mask;
  let prim = ifa;
  let subnet = false;
  if ((ifa.ifa_flags & IFA_F_SECONDARY) === 0) {
    if (any !== ifa.ifa_local || ifa.ifa_prefixlen < 32) {
      if ((ifa.ifa_flags & IFA_F_NOPREFIXROUTE) === 0) {
        const type = (dev.flags & IFF_LOOPBACK) !== 0 ? RTN_LOCAL : RTN_UNICAST;
        fib_magic(RTM_DELROUTE, type, any, ifa.ifa_prefixlen, prim, ifa.ifa_rt_priority);
      }
      subnet = true;
    }
  } else {
    const found = iprim ?? inet_ifa_byprefix(in_dev, any, ifa.ifa_mask);
    if (found === null) return;
    prim = found;
  }
  let keep_local = false;
  let keep_brd = false;
  let keep_net_brd = false;
  let gone = true;
  // 0.0.0.0/8 addresses never had broadcast routes; nothing they share can be needed.
  if (!ipv4_is_zeronet(any)) {
    for (const other of in_dev.ifa_list) {
      if (other === ifa) {
        gone = false;
        continue;
      }
      // While the primary is being replaced, its routes are no reason to keep those of its secondaries.
      if (iprim !== null && other === iprim) continue;
      if (other.ifa_local === ifa.ifa_local) keep_local = true;
      if (other.ifa_broadcast === ifa.ifa_broadcast) keep_brd = true;
      if (other.ifa_broadcast === brd) keep_net_brd = true;
      if (other === prim && other.ifa_prefixlen < 31 && !ipv4_is_zeronet(other.ifa_address & other.ifa_mask)) {
        const other_brd = other.ifa_address | ~other.ifa_mask;
        if (ifa.ifa_broadcast === other_brd) keep_brd = true;
        if (brd === other_brd) keep_net_brd = true;
      }
    }
  }
  if (!keep_brd) fib_magic(RTM_DELROUTE, RTN_BROADCAST, ifa.ifa_broadcast, 32, prim, 0);
  if (subnet && ifa.ifa_prefixlen < 31 && !keep_net_brd) fib_magic(RTM_DELROUTE, RTN_BROADCAST, brd, 32, prim, 0);
  if (keep_local) return;
  fib_magic(RTM_DELROUTE, RTN_LOCAL, ifa.ifa_local, 32, prim, 0);
  // If no other device has it either, whatever uses it as source address goes too.
  if (gone && inet_addr_type_dev_table(net, dev, ifa.ifa_local) !== RTN_LOCAL) {
    if (fib_sync_down_addr(dev, ifa.ifa_local) > 0) fib_flush(net);
  }
}

// --- devices and addresses change ---------------------------------------------------------------------------------

function fib_disable_ip(dev: NetDevice, event: number, force: boolean): void {
  if (fib_sync_down_dev(dev, event, force) > 0) fib_flush(dev.net);
  else rt_cache_flush(dev.net);
  dev.net.kernel.arp_ifdown?.(dev);
}

function fib_inetaddr_event(event: number, ifa: InIfaddr): void {
  const dev = ifa.ifa_dev.dev;
  const net = dev.net;
  if (event === NETDEV_UP) {
    fib_add_ifaddr(ifa);
    fib_sync_up(dev, RTNH_F_DEAD);
    net.ipv4.dev_addr_genid++;
    rt_cache_flush(net);
  } else if (event === NETDEV_DOWN) {
    fib_del_ifaddr(ifa, null);
    net.ipv4.dev_addr_genid++;
    // Without addresses there is no IP on the device any more.
    if (ifa.ifa_dev.ifa_list.length === 0) fib_disable_ip(dev, event, true);
    else rt_cache_flush(net);
  }
}

function fib_netdev_event(event: number, dev: NetDevice, info?: unknown): void {
  const net = dev.net;
  if (event === NETDEV_UNREGISTER) {
    fib_disable_ip(dev, event, true);
    return;
  }
  const in_dev = dev.ip_ptr;
  if (in_dev === null || in_dev === undefined) return;
  switch (event) {
    case NETDEV_UP:
      for (const ifa of [...in_dev.ifa_list]) fib_add_ifaddr(ifa);
      fib_sync_up(dev, RTNH_F_DEAD);
      net.ipv4.dev_addr_genid++;
      rt_cache_flush(net);
      break;
    case NETDEV_DOWN:
      fib_disable_ip(dev, event, false);
      break;
    case NETDEV_CHANGE:
      if ((dev_get_flags(dev) & (IFF_RUNNING | IFF_LOWER_UP)) !== 0) fib_sync_up(dev, RTNH_F_LINKDOWN);
      else fib_sync_down_dev(dev, event, false);
      rt_cache_flush(net);
      break;
    case NETDEV_CHANGEMTU:
      fib_sync_mtu(dev, typeof info === "number" ? info : dev.mtu);
      rt_cache_flush(net);
      break;
  }
}

// --- boot ---------------------------------------------------------------------------------------------------------

declare module "./netns_ipv4.ts" {
  interface NetnsIpv4 {
    fib_scratch: { fl4: Flowi4; res: FibResult };
  }
}

/** Tables and rules of each namespace, and what must follow devices and addresses. After devinet_init(). */
export function ip_fib_init(k: Kernel): void {
  rtmsg_init(k);
  fib_hooks_init(k);
  register_pernet_subsys(k, {
    init(net) {
      net.ipv4.fib = new NetFib(net);
      net.ipv4.fib_scratch = { fl4: new Flowi4(), res: new FibResult() };
      fib4_rules_init(net);
    },
    exit(net) {
      for (const tb of net.ipv4.fib.tables.values()) fib_table_flush(net, tb, true);
      fib4_rules_exit(net);
    },
  });
  fib4_rules_register(k);
  register_netdevice_notifier(k, fib_netdev_event);
  register_inetaddr_notifier(k, fib_inetaddr_event);
}

export { ip_rt_ioctl } from "./fib_ioctl.ts";
