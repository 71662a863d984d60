// IPv4 on a device: in_device, its addresses in their order, and which address to use. Mirrors net/ipv4/devinet.c.
// Ioctls are in devinet_ioctl.ts, net.ipv4.conf.* in devinet_sysctl.ts.
// Way in: devinet_init(); inet_rtm_newaddr(), inet_insert_ifa(), inet_select_addr(), __ip_dev_find().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { mod_timer, type TimerList, timer_delete, timer_setup } from "../../kernel/time/timer.ts";
import { EADDRNOTAVAIL, EEXIST, EINVAL, ENOBUFS, ENODEV } from "../../uapi/errno.ts";
import { IFF_LOOPBACK, IFF_UP, IFNAMSIZ } from "../../uapi/if.ts";
import {
  IFA_F_DEPRECATED,
  IFA_F_MCAUTOJOIN,
  IFA_F_NOPREFIXROUTE,
  IFA_F_PERMANENT,
  IFA_F_SECONDARY,
  INFINITY_LIFE_TIME,
} from "../../uapi/if_addr.ts";
import { NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import {
  RT_SCOPE_HOST,
  RT_SCOPE_LINK,
  RT_SCOPE_UNIVERSE,
  RT_TABLE_LOCAL,
  RTM_DELADDR,
  RTM_DELNETCONF,
  RTM_NEWADDR,
  RTM_NEWNETCONF,
  RTN_LOCAL,
} from "../../uapi/rtnetlink.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import {
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_CHANGENAME,
  NETDEV_DOWN,
  NETDEV_POST_INIT,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  type NetDevice,
} from "../core/netdevice.ts";
import { register_netdevice_notifier } from "../core/notifier.ts";
import { type NlInfo, rtmsg_init, rtmsg_notify } from "../core/rtmsg.ts";
import { devinet_sysctl_init_net, devinet_sysctl_register, devinet_sysctl_unregister } from "./devinet_sysctl.ts";
import { fib_add_ifaddr, fib_del_ifaddr, fib_get_table, fib_modify_prefix_metric } from "./fib_frontend.ts";
import { type Extack, fib_err } from "./fib_lookup.ts";
import { fib_table_lookup } from "./fib_trie.ts";
import { ip_mc_autojoin_config, ip_mc_destroy_dev, ip_mc_down, ip_mc_init_dev, ip_mc_up } from "./igmp.ts";
import { FibResult, Flowi4 } from "./ip_fib.ts";
import {
  IN_DEV_ARP_NOTIFY,
  IN_DEV_ROUTE_LOCALNET,
  InDevice,
  InIfaddr,
  Ipv4Devconf,
  inet_make_mask,
  ipv4_is_loopback,
  ipv4_is_multicast,
  NetnsIpv4,
} from "./netns_ipv4.ts";

/** The smallest MTU IPv4 works with (RFC 791). */
const IPV4_MIN_MTU = 68;
/** Flags that have no meaning for IPv4 addresses: NODAD, OPTIMISTIC, DADFAILED, HOMEADDRESS, TENTATIVE, MANAGETEMPADDR, … */
const IPV6ONLY_FLAGS = 0x2 | 0x4 | 0x8 | 0x10 | 0x40 | 0x100 | 0x800;

/** A listener of addresses: NETDEV_UP when one is there, NETDEV_DOWN when it is gone. */
export type InetaddrNotifier = (event: number, ifa: InIfaddr) => void;

/** What RTM_NEWNETCONF tells: the values of a device, of "all" (ifindex -1) or "default" (-2). `type` is the value's name or "". */
export interface NetconfMsg {
  readonly ifindex: number;
  readonly cnf: Ipv4Devconf;
  readonly type: string;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    inetaddr_chain: InetaddrNotifier[];
    /** Set by arp.ts: announces an address (arp_notify). */
    arp_send_gratuitous: ((dev: NetDevice, addr: number) => void) | null;
  }
}
declare module "./netns_ipv4.ts" {
  interface NetnsIpv4 {
    /** Addresses of all devices by ifa_local (inet_addr_lst). */
    inet_addr_lst: Map<number, InIfaddr[]>;
    /** Runs when the first lifetime ends; armed only while one is finite. */
    addr_chk_work: TimerList;
  }
  interface InDevice {
    /** Values set for this device, which a change of "default" leaves alone; all, once it had an address. */
    cnf_set: Set<string> | "all";
  }
}

/** Whether `addr` lies in the subnet of `ifa`. */
export const inet_ifa_match = (addr: number, ifa: InIfaddr): boolean => ((addr ^ ifa.ifa_address) & ifa.ifa_mask) === 0;

export function register_inetaddr_notifier(k: Kernel, nb: InetaddrNotifier): void {
  k.inetaddr_chain.push(nb);
}

function call_inetaddr_notifiers(event: number, ifa: InIfaddr): void {
  const chain = ifa.ifa_dev.dev.net.kernel.inetaddr_chain;
  for (let i = 0; i < chain.length; i++) chain[i]!(event, ifa);
}

function rtmsg_ifa(event: number, ifa: InIfaddr, info: NlInfo | null): void {
  rtmsg_notify(ifa.ifa_dev.dev.net, event, ifa, info);
}

export function inet_netconf_notify(net: Net, event: number, ifindex: number, cnf: Ipv4Devconf, type: string): void {
  const msg: NetconfMsg = { ifindex, cnf, type };
  rtmsg_notify(net, event, msg, null);
}

// --- finding ------------------------------------------------------------------------------------------------------

function inet_hash_insert(net: Net, ifa: InIfaddr): void {
  const lst = net.ipv4.inet_addr_lst;
  const bucket = lst.get(ifa.ifa_local);
  if (bucket !== undefined) bucket.unshift(ifa);
  else lst.set(ifa.ifa_local, [ifa]);
}

function inet_hash_remove(net: Net, ifa: InIfaddr): void {
  const lst = net.ipv4.inet_addr_lst;
  const bucket = lst.get(ifa.ifa_local);
  const at = bucket !== undefined ? bucket.indexOf(ifa) : -1;
  if (at < 0) return;
  bucket!.splice(at, 1);
  if (bucket!.length === 0) lst.delete(ifa.ifa_local);
}

/** The address object that has exactly this local address, or null. */
export function inet_lookup_ifaddr_rcu(net: Net, addr: number): InIfaddr | null {
  const bucket = net.ipv4.inet_addr_lst.get(addr);
  return bucket !== undefined ? bucket[0]! : null;
}

/** The device that `addr` is an address of, also by a local route (127.0.0.0/8), or null. */
export function __ip_dev_find(net: Net, addr: number): NetDevice | null {
  const ifa = inet_lookup_ifaddr_rcu(net, addr);
  if (ifa !== null) return ifa.ifa_dev.dev;
  const local = fib_get_table(net, RT_TABLE_LOCAL);
  if (local === null) return null;
  const fl4 = new Flowi4();
  const res = new FibResult();
  fl4.daddr = addr;
  return fib_table_lookup(local, fl4, res, 0) === 0 && res.type === RTN_LOCAL ? res.nhc!.dev : null;
}

export function inetdev_by_index(net: Net, ifindex: number): InDevice | null {
  const dev = net.dev_by_index.get(ifindex);
  return dev !== undefined ? (dev.ip_ptr ?? null) : null;
}

/** The first address of this subnet: the primary. */
export function inet_ifa_byprefix(in_dev: InDevice, prefix: number, mask: number): InIfaddr | null {
  for (const ifa of in_dev.ifa_list) if (ifa.ifa_mask === mask && inet_ifa_match(prefix, ifa)) return ifa;
  return null;
}

/** Whether a and, unless 0, b lie in one subnet of the device. */
export function inet_addr_onlink(in_dev: InDevice, a: number, b: number): boolean {
  for (const ifa of in_dev.ifa_list) if (inet_ifa_match(a, ifa) && (b === 0 || inet_ifa_match(b, ifa))) return true;
  return false;
}

// --- choosing -----------------------------------------------------------------------------------------------------

/**
 * The source address for `dst` by `dev`: a primary address of its subnet, else the first whose scope is not narrower than
 * asked for; else one of another device (RFC 1122 section 3.3.4.3). 0 when there is none.
 */
export function inet_select_addr(dev: NetDevice, dst: number, scope: number): number {
  const in_dev = dev.ip_ptr;
  let addr = 0;
  if (in_dev !== null && in_dev !== undefined) {
    const widest = IN_DEV_ROUTE_LOCALNET(in_dev) ? RT_SCOPE_LINK : RT_SCOPE_HOST;
    const list = in_dev.ifa_list;
    for (let i = 0; i < list.length; i++) {
      const ifa = list[i]!;
      if ((ifa.ifa_flags & IFA_F_SECONDARY) !== 0 || Math.min(ifa.ifa_scope, widest) > scope) continue;
      if (dst === 0 || inet_ifa_match(dst, ifa)) return ifa.ifa_local;
      if (addr === 0) addr = ifa.ifa_local;
    }
    if (addr !== 0) return addr;
  }
  for (const other of dev.net.dev_by_index.values()) {
    const in_other = other.ip_ptr;
    if (in_other === null || in_other === undefined) continue;
    for (const ifa of in_other.ifa_list) {
      if ((ifa.ifa_flags & IFA_F_SECONDARY) !== 0) continue;
      if (ifa.ifa_scope !== RT_SCOPE_LINK && ifa.ifa_scope <= scope) return ifa.ifa_local;
    }
  }
  return 0;
}

function confirm_addr_indev(in_dev: InDevice, dst: number, local: number, scope: number): number {
  const widest = IN_DEV_ROUTE_LOCALNET(in_dev) ? RT_SCOPE_LINK : RT_SCOPE_HOST;
  let addr = 0;
  let same = false;
  for (const ifa of in_dev.ifa_list) {
    const usable = Math.min(ifa.ifa_scope, widest) <= scope;
    if (addr === 0 && usable && (local === 0 || local === ifa.ifa_local)) {
      addr = ifa.ifa_local;
      if (same) break;
    }
    if (same) continue;
    same = (local === 0 || inet_ifa_match(local, ifa)) && (dst === 0 || inet_ifa_match(dst, ifa));
    if (!same || addr === 0) continue;
    if (local !== 0 || dst === 0 || inet_ifa_match(addr, ifa)) break;
    if (usable) {
      addr = ifa.ifa_local;
      break;
    }
    same = false;
  }
  return same ? addr : 0;
}

/** `local` (0: any) if it is an address of the device (null: of any) in the subnet of `dst` (0: any), else 0. */
export function inet_confirm_addr(
  net: Net,
  in_dev: InDevice | null,
  dst: number,
  local: number,
  scope: number,
): number {
  if (in_dev !== null) return confirm_addr_indev(in_dev, dst, local, scope);
  for (const dev of net.dev_by_index.values()) {
    if (!dev.ip_ptr) continue;
    const addr = confirm_addr_indev(dev.ip_ptr, dst, local, scope);
    if (addr !== 0) return addr;
  }
  return 0;
}

// --- adding and deleting ------------------------------------------------------------------------------------------

/** From its first address on a device keeps its values whatever "default" becomes. */
export function ipv4_devconf_setall(in_dev: InDevice): void {
  in_dev.cnf_set = "all";
}

/** Sets lifetimes in seconds; INFINITY_LIFE_TIME is for ever. */
export function set_ifa_lifetime(ifa: InIfaddr, valid_lft: number, preferred_lft: number): void {
  ifa.ifa_flags &= ~(IFA_F_PERMANENT | IFA_F_DEPRECATED);
  ifa.ifa_valid_lft = valid_lft;
  ifa.ifa_preferred_lft = preferred_lft;
  if (valid_lft === INFINITY_LIFE_TIME) ifa.ifa_flags |= IFA_F_PERMANENT;
  if (preferred_lft === 0) ifa.ifa_flags |= IFA_F_DEPRECATED;
  ifa.ifa_tstamp = jiffies(ifa.ifa_dev.dev.net.kernel);
  if (ifa.ifa_cstamp === 0) ifa.ifa_cstamp = ifa.ifa_tstamp;
}

/** Ends what has ended, and arms the timer for the next end of a lifetime. */
function check_lifetime(net: Net): void {
  const now = jiffies(net.kernel);
  let next = Number.POSITIVE_INFINITY;
  for (const bucket of [...net.ipv4.inet_addr_lst.values()]) {
    for (const ifa of [...bucket]) {
      if ((ifa.ifa_flags & IFA_F_PERMANENT) !== 0) continue;
      const dies = ifa.ifa_tstamp + ifa.ifa_valid_lft * 1000;
      if (dies <= now) {
        inet_del_ifa(ifa.ifa_dev, ifa, null);
        continue;
      }
      const ages = ifa.ifa_preferred_lft === INFINITY_LIFE_TIME ? dies : ifa.ifa_tstamp + ifa.ifa_preferred_lft * 1000;
      if (ages > now) {
        next = Math.min(next, ages);
        continue;
      }
      next = Math.min(next, dies);
      if ((ifa.ifa_flags & IFA_F_DEPRECATED) === 0) {
        ifa.ifa_flags |= IFA_F_DEPRECATED;
        rtmsg_ifa(RTM_NEWADDR, ifa, null);
      }
    }
  }
  if (next !== Number.POSITIVE_INFINITY) mod_timer(net.ipv4.addr_chk_work, next);
  else timer_delete(net.ipv4.addr_chk_work);
}

/**
 * Puts an address into the list of its device: primaries by scope, widest first is asked last, and secondaries (a second
 * address of a subnet) at the end. Then listeners hear of it, which brings the routes. 0, -EEXIST or -EINVAL.
 */
export function inet_insert_ifa(ifa: InIfaddr, info: NlInfo | null, extack: Extack | null): number {
  if (ifa.ifa_local === 0) return 0;
  const in_dev = ifa.ifa_dev;
  const net = in_dev.dev.net;
  const list = in_dev.ifa_list;
  ifa.ifa_flags &= ~(IFA_F_SECONDARY | IPV6ONLY_FLAGS);
  let last_primary = 0;
  for (let i = 0; i < list.length; i++) {
    const other = list[i]!;
    if ((other.ifa_flags & IFA_F_SECONDARY) === 0 && ifa.ifa_scope <= other.ifa_scope) last_primary = i + 1;
    if (other.ifa_mask !== ifa.ifa_mask || !inet_ifa_match(other.ifa_address, ifa)) continue;
    if (other.ifa_local === ifa.ifa_local) return fib_err(extack, "ipv4: Address already assigned", -EEXIST);
    if (other.ifa_scope !== ifa.ifa_scope) return fib_err(extack, "ipv4: Invalid scope value", -EINVAL);
    ifa.ifa_flags |= IFA_F_SECONDARY;
  }
  list.splice((ifa.ifa_flags & IFA_F_SECONDARY) === 0 ? last_primary : list.length, 0, ifa);
  inet_hash_insert(net, ifa);
  if ((ifa.ifa_flags & IFA_F_PERMANENT) === 0) check_lifetime(net);
  rtmsg_ifa(RTM_NEWADDR, ifa, info);
  call_inetaddr_notifiers(NETDEV_UP, ifa);
  return 0;
}

function unlink_ifa(in_dev: InDevice, ifa: InIfaddr): void {
  const at = in_dev.ifa_list.indexOf(ifa);
  if (at >= 0) in_dev.ifa_list.splice(at, 1);
  inet_hash_remove(in_dev.dev.net, ifa);
}

const same_subnet = (a: InIfaddr, b: InIfaddr): boolean =>
  a.ifa_mask === b.ifa_mask && inet_ifa_match(a.ifa_address, b);

const IN_DEV_PROMOTE_SECONDARIES = (d: InDevice): boolean =>
  d.dev.net.ipv4.devconf_all.promote_secondaries !== 0 || d.cnf.promote_secondaries !== 0;

/**
 * Takes an address away. A primary takes its secondaries along, unless promote_secondaries makes the first of them the new
 * primary: then the others stay and their routes get the new source address.
 */
export function inet_del_ifa(in_dev: InDevice, ifa1: InIfaddr, info: NlInfo | null): void {
  const list = in_dev.ifa_list;
  let promote: InIfaddr | null = null;
  /** The promoted one goes behind the last primary whose scope is as wide. */
  let last_prim: InIfaddr | null = null;
  let between = false;
  if ((ifa1.ifa_flags & IFA_F_SECONDARY) === 0 && !in_dev.dead) {
    last_prim = ifa1;
    for (const ifa of list.slice(list.indexOf(ifa1) + 1)) {
      const primary = (ifa.ifa_flags & IFA_F_SECONDARY) === 0;
      if (primary && ifa1.ifa_scope <= ifa.ifa_scope) last_prim = ifa;
      if (primary || !same_subnet(ifa1, ifa)) {
        between = true;
        continue;
      }
      if (IN_DEV_PROMOTE_SECONDARIES(in_dev)) {
        promote = ifa;
        break;
      }
      unlink_ifa(in_dev, ifa);
      rtmsg_ifa(RTM_DELADDR, ifa, info);
      call_inetaddr_notifiers(NETDEV_DOWN, ifa);
    }
  }
  // The routes of all secondaries of the subnet have the old primary as source: they go now and come back below.
  if (promote !== null) {
    for (const ifa of list.slice(list.indexOf(promote))) if (same_subnet(ifa1, ifa)) fib_del_ifaddr(ifa, ifa1);
  }
  const was_at = list.indexOf(ifa1);
  unlink_ifa(in_dev, ifa1);
  rtmsg_ifa(RTM_DELADDR, ifa1, info);
  call_inetaddr_notifiers(NETDEV_DOWN, ifa1);
  if (promote === null) return;
  const after = list.slice(list.indexOf(promote) + 1);
  if (between) {
    list.splice(list.indexOf(promote), 1);
    const behind = last_prim === ifa1 || last_prim === null ? was_at - 1 : list.indexOf(last_prim);
    list.splice(behind + 1, 0, promote);
  }
  promote.ifa_flags &= ~IFA_F_SECONDARY;
  rtmsg_ifa(RTM_NEWADDR, promote, info);
  call_inetaddr_notifiers(NETDEV_UP, promote);
  for (const ifa of after) if (same_subnet(ifa1, ifa)) fib_add_ifaddr(ifa);
}

/** As an ioctl or the kernel adds one: loopback addresses are of host scope. */
export function inet_set_ifa(dev: NetDevice, ifa: InIfaddr): number {
  if (!dev.ip_ptr) return -ENOBUFS;
  ipv4_devconf_setall(dev.ip_ptr);
  if (ipv4_is_loopback(ifa.ifa_local)) ifa.ifa_scope = RT_SCOPE_HOST;
  return inet_insert_ifa(ifa, null, null);
}

/** RTM_NEWADDR and RTM_DELADDR: what a request says about an address. */
export class IfaRequest {
  ifindex = 0;
  prefixlen = 32;
  /** IFA_LOCAL; null when absent. */
  local: number | null = null;
  /** IFA_ADDRESS: the peer on a point-to-point link; null when absent. */
  address: number | null = null;
  broadcast = 0;
  /** IFA_LABEL; null is the device's name (NEWADDR) or any (DELADDR). */
  label: string | null = null;
  flags = 0;
  scope: number = RT_SCOPE_UNIVERSE;
  rt_priority = 0;
  proto = 0;
  /** Seconds; null leaves the address permanent. */
  valid_lft: number | null = null;
  preferred_lft: number | null = null;
  nlinfo: NlInfo | null = null;
}

/** RTM_NEWADDR. 0 or -errno, with the reason in extack. */
export function inet_rtm_newaddr(net: Net, req: IfaRequest, extack: Extack | null): number {
  if (req.prefixlen > 32) return fib_err(extack, "ipv4: Invalid prefix length", -EINVAL);
  if (req.local === null) return fib_err(extack, "ipv4: Local address is not supplied", -EINVAL);
  const dev = net.dev_by_index.get(req.ifindex);
  if (dev === undefined) return fib_err(extack, "ipv4: Device not found", -ENODEV);
  const in_dev = dev.ip_ptr;
  if (!in_dev) return -ENOBUFS;
  const valid = req.valid_lft ?? INFINITY_LIFE_TIME;
  const preferred = req.preferred_lft ?? INFINITY_LIFE_TIME;
  if (valid === 0 || preferred > valid) return fib_err(extack, "ipv4: address lifetime invalid", -EINVAL);
  ipv4_devconf_setall(in_dev);
  const ifa = new InIfaddr(in_dev, (req.label ?? dev.name).slice(0, IFNAMSIZ - 1));
  ifa.ifa_local = req.local;
  ifa.ifa_address = req.address ?? req.local;
  ifa.ifa_prefixlen = req.prefixlen;
  ifa.ifa_mask = inet_make_mask(req.prefixlen);
  ifa.ifa_broadcast = req.broadcast;
  ifa.ifa_flags = req.flags;
  ifa.ifa_scope = req.scope;
  ifa.ifa_rt_priority = req.rt_priority;
  ifa.ifa_proto = req.proto;
  const old = in_dev.ifa_list.find((o) => same_subnet(o, ifa) && o.ifa_local === ifa.ifa_local);
  if (old === undefined) {
    set_ifa_lifetime(ifa, valid, preferred);
    if ((ifa.ifa_flags & IFA_F_MCAUTOJOIN) !== 0) {
      const err = ip_mc_autojoin_config(net, true, ifa);
      if (err < 0) return fib_err(extack, "ipv4: Multicast auto join failed", err);
    }
    return inet_insert_ifa(ifa, req.nlinfo, extack);
  }
  const nlflags = req.nlinfo !== null ? req.nlinfo.nlflags : 0;
  if ((nlflags & NLM_F_EXCL) !== 0 || (nlflags & NLM_F_REPLACE) === 0) {
    return fib_err(extack, "ipv4: Address already assigned", -EEXIST);
  }
  if (old.ifa_rt_priority !== req.rt_priority) {
    fib_modify_prefix_metric(old, req.rt_priority);
    old.ifa_rt_priority = req.rt_priority;
  }
  old.ifa_flags = (old.ifa_flags & ~IFA_F_NOPREFIXROUTE) | (old.ifa_flags & IFA_F_NOPREFIXROUTE);
  old.ifa_proto = req.proto;
  set_ifa_lifetime(old, valid, preferred);
  check_lifetime(net);
  rtmsg_ifa(RTM_NEWADDR, old, req.nlinfo);
  return 0;
}

/** RTM_DELADDR: the first address that fits what the request names. 0, -ENODEV or -EADDRNOTAVAIL. */
export function inet_rtm_deladdr(net: Net, req: IfaRequest, extack: Extack | null): number {
  const in_dev = inetdev_by_index(net, req.ifindex);
  if (in_dev === null) return fib_err(extack, "ipv4: Device not found", -ENODEV);
  for (const ifa of in_dev.ifa_list) {
    if (req.local !== null && req.local !== ifa.ifa_local) continue;
    if (req.label !== null && req.label !== ifa.ifa_label) continue;
    if (req.address !== null && (req.prefixlen !== ifa.ifa_prefixlen || !inet_ifa_match(req.address, ifa))) continue;
    if (ipv4_is_multicast(ifa.ifa_address)) ip_mc_autojoin_config(net, false, ifa);
    inet_del_ifa(in_dev, ifa, req.nlinfo);
    return 0;
  }
  return fib_err(extack, "ipv4: Address not found", -EADDRNOTAVAIL);
}

/** All addresses, device by device in the order of the interface index, each list in its own order. */
export function* inet_dump_ifaddr(net: Net): Generator<InIfaddr, void> {
  for (const dev of [...net.dev_by_index.values()].sort((a, b) => a.ifindex - b.ifindex)) {
    if (dev.ip_ptr) yield* [...dev.ip_ptr.ifa_list];
  }
}

// --- devices ------------------------------------------------------------------------------------------------------

/** Gives a device IPv4: values copied from "default", sysctls, multicast. */
export function inetdev_init(dev: NetDevice): InDevice {
  const in_dev = new InDevice(dev, Object.assign(new Ipv4Devconf(), dev.net.ipv4.devconf_dflt));
  in_dev.cnf_set = new Set();
  devinet_sysctl_register(in_dev);
  inet_netconf_notify(dev.net, RTM_NEWNETCONF, dev.ifindex, in_dev.cnf, "");
  ip_mc_init_dev(in_dev);
  dev.ip_ptr = in_dev;
  if ((dev.flags & IFF_UP) !== 0) ip_mc_up(in_dev);
  return in_dev;
}

function inetdev_destroy(in_dev: InDevice): void {
  const dev = in_dev.dev;
  in_dev.dead = true;
  ip_mc_destroy_dev(in_dev);
  while (in_dev.ifa_list.length > 0) inet_del_ifa(in_dev, in_dev.ifa_list[0]!, null);
  inet_netconf_notify(dev.net, RTM_DELNETCONF, dev.ifindex, in_dev.cnf, "");
  devinet_sysctl_unregister(in_dev, dev.name);
  dev.ip_ptr = null;
}

/** Every address of a device, as somebody who must tell the neighbours (bonding, arp_notify) wants them. */
export function inetdev_send_gratuitous_arp(dev: NetDevice, in_dev: InDevice): void {
  const send = dev.net.kernel.arp_send_gratuitous;
  if (send !== null) for (const ifa of in_dev.ifa_list) send(dev, ifa.ifa_local);
}

/** Labels follow a renamed device: eth0:1 becomes lan0:1, and a label without a suffix becomes the name. */
function inetdev_changename(in_dev: InDevice): void {
  for (const ifa of in_dev.ifa_list) {
    const colon = ifa.ifa_label.indexOf(":");
    const suffix = colon >= 0 ? ifa.ifa_label.slice(colon) : "";
    ifa.ifa_label = in_dev.dev.name.slice(0, IFNAMSIZ - 1 - suffix.length) + suffix;
    rtmsg_ifa(RTM_NEWADDR, ifa, null);
  }
}

function inetdev_event(event: number, dev: NetDevice, info?: unknown): void {
  if (event === NETDEV_POST_INIT) {
    dev.ip_ptr ??= null;
    return;
  }
  const in_dev = dev.ip_ptr ?? null;
  if (in_dev === null) {
    if (event === NETDEV_REGISTER) {
      const created = inetdev_init(dev);
      if ((dev.flags & IFF_LOOPBACK) !== 0) {
        created.cnf.disable_xfrm = 1;
        created.cnf.disable_policy = 1;
      }
    } else if (event === NETDEV_CHANGEMTU && dev.mtu >= IPV4_MIN_MTU) inetdev_init(dev);
    return;
  }
  switch (event) {
    case NETDEV_UP:
      if (dev.mtu < IPV4_MIN_MTU) break;
      if ((dev.flags & IFF_LOOPBACK) !== 0 && in_dev.ifa_list.length === 0) {
        const ifa = new InIfaddr(in_dev, dev.name);
        ifa.ifa_local = 0x7f000001;
        ifa.ifa_address = 0x7f000001;
        ifa.ifa_prefixlen = 8;
        ifa.ifa_mask = inet_make_mask(8);
        ifa.ifa_scope = RT_SCOPE_HOST;
        set_ifa_lifetime(ifa, INFINITY_LIFE_TIME, INFINITY_LIFE_TIME);
        inet_set_ifa(dev, ifa);
      }
      ip_mc_up(in_dev);
      if (IN_DEV_ARP_NOTIFY(in_dev)) inetdev_send_gratuitous_arp(dev, in_dev);
      break;
    case NETDEV_CHANGEADDR:
      if (IN_DEV_ARP_NOTIFY(in_dev)) inetdev_send_gratuitous_arp(dev, in_dev);
      break;
    case NETDEV_DOWN:
      ip_mc_down(in_dev);
      break;
    case NETDEV_CHANGEMTU:
      if (dev.mtu < IPV4_MIN_MTU) inetdev_destroy(in_dev);
      break;
    case NETDEV_UNREGISTER:
      inetdev_destroy(in_dev);
      break;
    case NETDEV_CHANGENAME:
      inetdev_changename(in_dev);
      if (typeof info === "string") devinet_sysctl_unregister(in_dev, info);
      devinet_sysctl_register(in_dev);
      break;
  }
}

// --- boot ---------------------------------------------------------------------------------------------------------

/** Before ip_fib_init(): its listeners must hear of addresses after ours made them. */
export function devinet_init(k: Kernel): void {
  k.inetaddr_chain = [];
  k.arp_send_gratuitous ??= null;
  rtmsg_init(k);
  register_pernet_subsys(k, {
    init(net) {
      net.ipv4 ??= new NetnsIpv4(net);
      // A new namespace begins with the values of the first one (devconf_inherit_init_net 0).
      const init_net = k.init_net;
      if (init_net !== undefined && init_net !== net && init_net.ipv4 !== undefined) {
        Object.assign(net.ipv4.devconf_all, init_net.ipv4.devconf_all);
        Object.assign(net.ipv4.devconf_dflt, init_net.ipv4.devconf_dflt);
      }
      net.ipv4.inet_addr_lst = new Map();
      net.ipv4.addr_chk_work = timer_setup(k, () => check_lifetime(net), net);
      devinet_sysctl_init_net(net);
    },
    exit(net) {
      timer_delete(net.ipv4.addr_chk_work);
    },
  });
  register_netdevice_notifier(k, inetdev_event);
}

export { devinet_ioctl } from "./devinet_ioctl.ts";
