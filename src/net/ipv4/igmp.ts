// Multicast membership: groups of a device, groups and source filters of a socket, what may be received.
// Mirrors net/ipv4/igmp.c; the protocol (reports, queries) is in igmp_report.ts. Read first: RFC 3376 sections 2 and 3.
// Way in: ip_mc_join_group(), ip_mc_inc_group(), ip_check_mc_rcu(), ip_mc_sf_allow().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { proc_dointvec, register_sysctl } from "../../kernel/sysctl.ts";
import { type TimerList, timer_delete, timer_setup } from "../../kernel/time/timer.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EINVAL, ENOBUFS, ENODEV } from "../../uapi/errno.ts";
import {
  IP_ADD_SOURCE_MEMBERSHIP,
  IP_BLOCK_SOURCE,
  IP_DROP_SOURCE_MEMBERSHIP,
  IPPROTO_IGMP,
} from "../../uapi/socket.ts";
import { dev_mc_add, dev_mc_del } from "../core/dev_addr_lists.ts";
import { for_each_netdev } from "../core/dev_api.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import type { Sock } from "../core/sock.ts";
import { arp_mc_map } from "./arp.ts";
import { __ip_dev_find, inetdev_by_index } from "./devinet.ts";
import { rt_cache_flush } from "./fib_trie.ts";
import {
  IGMP_V1_SEEN,
  IGMP_V2_SEEN,
  igmp_gq_timer_expire,
  igmp_group_added,
  igmp_group_dropped,
  igmp_ifc_timer_expire,
  igmp_state_changed,
  igmp_timer_expire,
} from "./igmp_report.ts";
import { type IpMcSocklist, inet_sk } from "./inet_sock.ts";
import { type InDevice, type InIfaddr, ipv4_is_multicast } from "./netns_ipv4.ts";
import { ip_route_output, ip_rt_put } from "./route.ts";

/** 224.0.0.1: joined by every device that is up, never reported. */
export const IGMP_ALL_HOSTS = 0xe0000001 | 0;
export const MCAST_EXCLUDE = 0;
export const MCAST_INCLUDE = 1;

/** How many members want, or do not want, one source of a group. */
export interface IpSfList {
  inc: number;
  exc: number;
}

/** A group of a device (struct ip_mc_list). */
export class IpMcList {
  readonly multiaddr: number;
  readonly interface: InDevice;
  users = 1;
  /** Members in each filter mode, by MCAST_*. */
  readonly sfcount: [number, number] = [0, 0];
  readonly sources: Map<number, IpSfList> = new Map();
  /** What all members together want, as the last report had it: see mc_wanted(). */
  sfmode: number = MCAST_INCLUDE;
  filter: Set<number> = new Set();
  /** Reports of a new filter mode still to send, and of sources that became wanted or unwanted. */
  crcount = 0;
  readonly allow: Map<number, number> = new Map();
  readonly block: Map<number, number> = new Map();
  /** The device listens to the group's hardware address. */
  loaded = false;
  /** We sent the last report that the router heard: a leave is ours to send (RFC 2236 section 3). */
  reporter = false;
  unsolicit_count = 0;
  /** The pending report answers a query for these sources only. */
  queried: Set<number> | null = null;
  readonly timer: TimerList;

  constructor(in_dev: InDevice, addr: number) {
    this.interface = in_dev;
    this.multiaddr = addr;
    this.timer = timer_setup(in_dev.dev.net.kernel, () => igmp_timer_expire(this), this);
  }
}

/** A group that was left, while its last reports are being repeated. */
export interface IgmpTomb {
  readonly multiaddr: number;
  crcount: number;
  readonly block: Map<number, number>;
}

/** The IGMP state of a device (the mr_ fields of struct in_device). */
export class McDev {
  /** jiffies until which routers of version 1 and 2 count as present; 0 never heard. */
  v1_seen = 0;
  v2_seen = 0;
  qrv: number;
  /** Query interval and query response interval, jiffies. */
  qi = 125_000;
  qri = 10_000;
  maxdelay = 0;
  ifc_count = 0;
  readonly tomb: IgmpTomb[] = [];
  readonly gq_timer: TimerList;
  readonly ifc_timer: TimerList;
  constructor(in_dev: InDevice) {
    const k = in_dev.dev.net.kernel;
    this.qrv = in_dev.dev.net.ipv4.sysctl_igmp_qrv;
    this.gq_timer = timer_setup(k, () => igmp_gq_timer_expire(in_dev), in_dev);
    this.ifc_timer = timer_setup(k, () => igmp_ifc_timer_expire(in_dev), in_dev);
  }
}

declare module "./netns_ipv4.ts" {
  interface InDevice {
    mr: McDev;
  }
}

/** The groups of a device, youngest first: the order of reports and of /proc/net/igmp. */
export const mc_groups = (in_dev: InDevice): IpMcList[] =>
  [...(in_dev.mc_list.values() as Iterable<IpMcList>)].reverse();

const mc_find = (in_dev: InDevice, addr: number): IpMcList | null =>
  (in_dev.mc_list.get(addr) as IpMcList | undefined) ?? null;

/**
 * RFC 3376 section 3.2: if one member excludes, the device excludes what all excluding members exclude and nobody
 * includes; else it includes what any member includes.
 */
export function mc_wanted(im: IpMcList): { mode: number; sources: Set<number> } {
  const excluding = im.sfcount[MCAST_EXCLUDE];
  const sources = new Set<number>();
  for (const [addr, s] of im.sources) {
    if (excluding > 0 ? s.exc === excluding && s.inc === 0 : s.inc > 0) sources.add(addr);
  }
  return { mode: excluding > 0 ? MCAST_EXCLUDE : MCAST_INCLUDE, sources };
}

// --- groups of a device -------------------------------------------------------------------------------------------

function mc_filter(im: IpMcList, add: boolean): void {
  const dev = im.interface.dev;
  const haddr = new Uint8Array(dev.addr_len);
  if (arp_mc_map(im.multiaddr, haddr, dev, false) === 0) (add ? dev_mc_add : dev_mc_del)(dev, haddr);
}

/** The device starts or stops to listen to the group's hardware address. */
export function mc_load(im: IpMcList, on: boolean): void {
  if (im.loaded === on) return;
  im.loaded = on;
  mc_filter(im, on);
}

/** One more member in filter mode `mode` (MCAST_EXCLUDE is "everything"). */
export function ip_mc_inc_group(in_dev: InDevice, addr: number, mode: number = MCAST_EXCLUDE): void {
  let im = mc_find(in_dev, addr);
  if (im !== null) {
    im.users++;
    im.sfcount[mode]!++;
    igmp_state_changed(im);
    return;
  }
  im = new IpMcList(in_dev, addr);
  im.sfcount[mode] = 1;
  in_dev.mc_list.set(addr, im);
  igmp_group_added(im);
  if (!in_dev.dead) rt_cache_flush(in_dev.dev.net);
}

/** One member less; with the last one the group is left. */
export function ip_mc_dec_group(in_dev: InDevice, addr: number): void {
  const im = mc_find(in_dev, addr);
  if (im === null || --im.users > 0) return;
  in_dev.mc_list.delete(addr);
  igmp_group_dropped(im);
  if (!in_dev.dead) rt_cache_flush(in_dev.dev.net);
}

function sources_add(im: IpMcList, mode: number, sources: readonly number[]): void {
  for (const src of sources) {
    const s = im.sources.get(src) ?? { inc: 0, exc: 0 };
    if (mode === MCAST_INCLUDE) s.inc++;
    else s.exc++;
    im.sources.set(src, s);
  }
}

function sources_del(im: IpMcList, mode: number, sources: readonly number[]): void {
  for (const src of sources) {
    const s = im.sources.get(src);
    if (s === undefined) continue;
    if (mode === MCAST_INCLUDE) s.inc--;
    else s.exc--;
    if (s.inc <= 0 && s.exc <= 0) im.sources.delete(src);
  }
}

/** Is the group wanted here? `src` 0 asks for the group only. IGMP itself is always for us. */
export function ip_check_mc_rcu(in_dev: InDevice, mc_addr: number, src: number, proto: number): boolean {
  const im = mc_find(in_dev, mc_addr);
  if (im === null) return false;
  if (proto === IPPROTO_IGMP || src === 0) return true;
  const excluding = im.sfcount[MCAST_EXCLUDE];
  if (im.sources.size === 0) return excluding > 0;
  const s = im.sources.get(src);
  return s !== undefined ? s.inc > 0 || s.exc !== excluding : excluding > 0;
}

// --- devices ------------------------------------------------------------------------------------------------------

export function ip_mc_init_dev(in_dev: InDevice): void {
  in_dev.mr = new McDev(in_dev);
}

/** The device came up: 224.0.0.1 is joined, and what was joined before is announced anew. */
export function ip_mc_up(in_dev: InDevice): void {
  const again = mc_groups(in_dev);
  ip_mc_inc_group(in_dev, IGMP_ALL_HOSTS);
  for (const im of again) igmp_group_added(im);
}

function stop_timers(in_dev: InDevice): void {
  const mr = in_dev.mr;
  mr.ifc_count = 0;
  mr.tomb.length = 0;
  timer_delete(mr.ifc_timer);
  timer_delete(mr.gq_timer);
  for (const im of mc_groups(in_dev)) timer_delete(im.timer);
}

export function ip_mc_down(in_dev: InDevice): void {
  for (const im of mc_groups(in_dev)) mc_load(im, false);
  stop_timers(in_dev);
  ip_mc_dec_group(in_dev, IGMP_ALL_HOSTS);
  stop_timers(in_dev);
}

export function ip_mc_destroy_dev(in_dev: InDevice): void {
  for (const im of mc_groups(in_dev)) {
    mc_load(im, false);
    timer_delete(im.timer);
  }
  in_dev.mc_list.clear();
  stop_timers(in_dev);
}

/** An address with IFA_F_MCAUTOJOIN: its group is a member as long as the address is there. 0 or -errno. */
export function ip_mc_autojoin_config(_net: Net, join: boolean, ifa: InIfaddr): number {
  if (!ipv4_is_multicast(ifa.ifa_address)) return -EINVAL;
  if (join) ip_mc_inc_group(ifa.ifa_dev, ifa.ifa_address);
  else ip_mc_dec_group(ifa.ifa_dev, ifa.ifa_address);
  return 0;
}

// --- sockets ------------------------------------------------------------------------------------------------------

/** The device that a request means: by index, by an address of it, else where the group is routed to. */
function ip_mc_find_dev(net: Net, group: number, addr: number, ifindex: number): InDevice | null {
  if (ifindex !== 0) return inetdev_by_index(net, ifindex);
  if (addr !== 0) return __ip_dev_find(net, addr)?.ip_ptr ?? null;
  const rt = ip_route_output(net, group, 0, 0, 0);
  if (rt === null) return null;
  const in_dev = rt.dev.ip_ptr;
  ip_rt_put(rt);
  return in_dev;
}

/** IP_ADD_MEMBERSHIP: `addr` or `ifindex` names the device (struct ip_mreqn). 0 or -errno. */
export function ip_mc_join_group(sk: Sock, group: number, addr: number, ifindex: number, mode = MCAST_EXCLUDE): number {
  const inet = inet_sk(sk);
  const net = sk.net;
  if (!ipv4_is_multicast(group)) return -EINVAL;
  const in_dev = ip_mc_find_dev(net, group, addr, ifindex);
  if (in_dev === null) return -ENODEV;
  const index = in_dev.dev.ifindex;
  for (const m of inet.mc_list) if (m.multiaddr === group && m.ifindex === index) return -EADDRINUSE;
  if (inet.mc_list.length >= net.ipv4.sysctl_igmp_max_memberships) return -ENOBUFS;
  inet.mc_list.unshift({ multiaddr: group, address: addr, ifindex: index, sfmode: mode, sources: [] });
  ip_mc_inc_group(in_dev, group, mode);
  return 0;
}

/** The socket's filter of a group no longer counts. */
function ip_mc_leave_src(in_dev: InDevice | null, m: IpMcSocklist): void {
  if (in_dev === null) return;
  const im = mc_find(in_dev, m.multiaddr);
  if (im === null) return;
  sources_del(im, m.sfmode, m.sources);
  if (im.sfcount[m.sfmode]! > 0) im.sfcount[m.sfmode]!--;
  igmp_state_changed(im);
}

/** IP_DROP_MEMBERSHIP. 0, -ENODEV or -EADDRNOTAVAIL. */
export function ip_mc_leave_group(sk: Sock, group: number, addr: number, ifindex: number): number {
  const inet = inet_sk(sk);
  const in_dev = ip_mc_find_dev(sk.net, group, addr, ifindex);
  if (ifindex === 0 && addr === 0 && in_dev === null) return -ENODEV;
  const index = ifindex !== 0 ? ifindex : in_dev !== null ? in_dev.dev.ifindex : 0;
  for (let i = 0; i < inet.mc_list.length; i++) {
    const m = inet.mc_list[i]!;
    if (m.multiaddr !== group) continue;
    if (index !== 0 ? m.ifindex !== index : addr !== 0 && addr !== m.address) continue;
    const on = inetdev_by_index(sk.net, m.ifindex);
    ip_mc_leave_src(on, m);
    inet.mc_list.splice(i, 1);
    if (on !== null) ip_mc_dec_group(on, group);
    return 0;
  }
  return -EADDRNOTAVAIL;
}

/** The socket is being closed: it leaves all groups. */
export function ip_mc_drop_socket(sk: Sock): void {
  const list = inet_sk(sk).mc_list;
  for (let m = list.shift(); m !== undefined; m = list.shift()) {
    const in_dev = inetdev_by_index(sk.net, m.ifindex);
    ip_mc_leave_src(in_dev, m);
    if (in_dev !== null) ip_mc_dec_group(in_dev, m.multiaddr);
  }
}

/** Whether a datagram to `loc_addr` from `rmt_addr` by device `dif` may be queued to the socket. */
export function ip_mc_sf_allow(sk: Sock, loc_addr: number, rmt_addr: number, dif: number): boolean {
  if (!ipv4_is_multicast(loc_addr)) return true;
  const inet = inet_sk(sk);
  for (const m of inet.mc_list) {
    if (m.multiaddr !== loc_addr || m.ifindex !== dif) continue;
    return m.sources.includes(rmt_addr) === (m.sfmode === MCAST_INCLUDE);
  }
  return inet.mc_all;
}

/** Adds a source to a socket's filter of a group, or removes it. `omode` is the mode the call implies. 0 or -errno. */
function ip_mc_source(sk: Sock, add: boolean, omode: number, group: number, addr: number, src: number): number {
  if (!ipv4_is_multicast(group)) return -EINVAL;
  const in_dev = ip_mc_find_dev(sk.net, group, addr, 0);
  if (in_dev === null) return -ENODEV;
  const m = inet_sk(sk).mc_list.find((e) => e.multiaddr === group && e.ifindex === in_dev.dev.ifindex);
  const im = mc_find(in_dev, group);
  if (m === undefined || im === null) return -EINVAL;
  if (m.sfmode !== omode) {
    // An empty filter may change its mode; one with sources must be of the call's mode.
    if (m.sources.length > 0) return -EINVAL;
    im.sfcount[m.sfmode]!--;
    im.sfcount[omode]!++;
    m.sfmode = omode;
    igmp_state_changed(im);
  }
  const at = m.sources.indexOf(src);
  if (!add) {
    if (at < 0) return -EADDRNOTAVAIL;
    // INCLUDE of nothing is no membership at all.
    if (m.sources.length === 1 && omode === MCAST_INCLUDE) return ip_mc_leave_group(sk, group, addr, m.ifindex);
    m.sources.splice(at, 1);
    sources_del(im, omode, [src]);
  } else {
    if (m.sources.length >= sk.net.ipv4.sysctl_igmp_max_msf) return -ENOBUFS;
    if (at >= 0) return -EADDRNOTAVAIL;
    m.sources.push(src);
    sources_add(im, omode, [src]);
  }
  igmp_state_changed(im);
  return 0;
}

const view = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** IP_ADD_SOURCE_MEMBERSHIP and its three siblings, with a struct ip_mreq_source. 0 or -errno. */
export function ip_mc_source_option(sk: Sock, optname: number, optval: Uint8Array): number {
  if (optval.length < 12) return -EINVAL;
  const dv = view(optval);
  const group = dv.getInt32(0);
  const addr = dv.getInt32(4);
  const src = dv.getInt32(8);
  if (optname === IP_ADD_SOURCE_MEMBERSHIP) {
    const err = ip_mc_join_group(sk, group, addr, 0, MCAST_INCLUDE);
    if (err < 0 && err !== -EADDRINUSE) return err;
  }
  const add = optname === IP_ADD_SOURCE_MEMBERSHIP || optname === IP_BLOCK_SOURCE;
  const include = optname === IP_ADD_SOURCE_MEMBERSHIP || optname === IP_DROP_SOURCE_MEMBERSHIP;
  return ip_mc_source(sk, add, include ? MCAST_INCLUDE : MCAST_EXCLUDE, group, addr, src);
}

/** IP_MSFILTER: replaces a socket's filter of a group (struct ip_msfilter; mode and count in host byte order). */
export function ip_mc_msfilter_option(sk: Sock, optval: Uint8Array): number {
  if (optval.length < 16) return -EINVAL;
  const dv = view(optval);
  const group = dv.getInt32(0);
  const addr = dv.getInt32(4);
  const mode = dv.getUint32(8, true);
  const count = dv.getUint32(12, true);
  if (count > sk.net.ipv4.sysctl_igmp_max_msf) return -ENOBUFS;
  if (optval.length < 16 + 4 * count) return -EINVAL;
  if (!ipv4_is_multicast(group) || (mode !== MCAST_INCLUDE && mode !== MCAST_EXCLUDE)) return -EINVAL;
  const in_dev = ip_mc_find_dev(sk.net, group, addr, 0);
  if (in_dev === null) return -ENODEV;
  if (mode === MCAST_INCLUDE && count === 0) return ip_mc_leave_group(sk, group, addr, in_dev.dev.ifindex);
  const m = inet_sk(sk).mc_list.find((e) => e.multiaddr === group && e.ifindex === in_dev.dev.ifindex);
  const im = mc_find(in_dev, group);
  if (m === undefined || im === null) return -EINVAL;
  const sources: number[] = [];
  for (let i = 0; i < count; i++) sources.push(dv.getInt32(16 + 4 * i));
  sources_add(im, mode, sources);
  im.sfcount[mode]!++;
  sources_del(im, m.sfmode, m.sources);
  im.sfcount[m.sfmode]!--;
  m.sfmode = mode;
  m.sources = sources;
  igmp_state_changed(im);
  return 0;
}

/** getsockopt(IP_MSFILTER): `optval` names group and interface; mode, count and sources are filled in. Length or -errno. */
export function ip_mc_msfget(sk: Sock, optval: Uint8Array): number {
  if (optval.length < 16) return -EINVAL;
  const dv = view(optval);
  const group = dv.getInt32(0);
  if (!ipv4_is_multicast(group)) return -EINVAL;
  const in_dev = ip_mc_find_dev(sk.net, group, dv.getInt32(4), 0);
  if (in_dev === null) return -ENODEV;
  const m = inet_sk(sk).mc_list.find((e) => e.multiaddr === group && e.ifindex === in_dev.dev.ifindex);
  if (m === undefined) return -EADDRNOTAVAIL;
  const room = Math.min(dv.getUint32(12, true), Math.floor((optval.length - 16) / 4), m.sources.length);
  dv.setUint32(8, m.sfmode, true);
  dv.setUint32(12, m.sources.length, true);
  for (let i = 0; i < room; i++) dv.setInt32(16 + 4 * i, m.sources[i]!);
  return 16 + 4 * room;
}

// --- /proc, boot --------------------------------------------------------------------------------------------------

const hex8 = (v: number): string => (v >>> 0).toString(16).padStart(8, "0");
const swab32 = (v: number): number => (v << 24) | ((v & 0xff00) << 8) | ((v >>> 8) & 0xff00) | (v >>> 24);

/** /proc/net/igmp. */
export function igmp_mc_seq_show(net: Net): string {
  let out = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n";
  const now = jiffies(net.kernel);
  for (const dev of for_each_netdev(net)) {
    const in_dev = dev.ip_ptr;
    if (!in_dev || in_dev.mc_list.size === 0) continue;
    const querier = IGMP_V1_SEEN(in_dev) ? "V1" : IGMP_V2_SEEN(in_dev) ? "V2" : "V3";
    out += `${dev.ifindex}\t${dev.name.padEnd(10)}: ${String(in_dev.mc_list.size).padStart(5)} ${querier.padStart(7)}\n`;
    for (const im of mc_groups(in_dev)) {
      const running = im.timer.index >= 0;
      const left = running ? Math.max(0, Math.floor((im.timer.expires - now) / 10)) : 0;
      out += `\t\t\t\t${hex8(swab32(im.multiaddr)).toUpperCase()} ${String(im.users).padStart(5)} `;
      out += `${running ? 1 : 0}:${hex8(left).toUpperCase()}\t\t${im.reporter ? 1 : 0}\n`;
    }
  }
  return out;
}

/** /proc/net/mcfilter. */
export function igmp_mcf_seq_show(net: Net): string {
  let out = "Idx Device        MCA        SRC    INC    EXC\n";
  for (const dev of for_each_netdev(net)) {
    if (!dev.ip_ptr) continue;
    for (const im of mc_groups(dev.ip_ptr)) {
      for (const [src, s] of im.sources) {
        out += `${String(dev.ifindex).padStart(3)} ${dev.name.padStart(6)} 0x${hex8(im.multiaddr)} 0x${hex8(src)} `;
        out += `${String(s.inc).padStart(6)} ${String(s.exc).padStart(6)}\n`;
      }
    }
  }
  return out;
}

/** Sysctls of groups. inet_init() registers igmp_rcv() with the protocols. */
export function igmp_init(k: Kernel): void {
  register_pernet_subsys(k, {
    init(net) {
      const v4 = net.ipv4;
      const entry = (
        name: string,
        key: "sysctl_igmp_max_memberships" | "sysctl_igmp_max_msf" | "sysctl_igmp_qrv",
        min?: number,
      ): void =>
        register_sysctl(net.sysctl_table, proc_dointvec(`net/ipv4/${name}`, v4, key, min !== undefined ? { min } : {}));
      entry("igmp_max_memberships", "sysctl_igmp_max_memberships");
      entry("igmp_max_msf", "sysctl_igmp_max_msf");
      entry("igmp_qrv", "sysctl_igmp_qrv", 1);
      register_sysctl(
        net.sysctl_table,
        proc_dointvec("net/ipv4/igmp_link_local_mcast_reports", v4, "sysctl_igmp_llm_reports", { min: 0, max: 255 }),
      );
    },
  });
}

export { igmp_rcv } from "./igmp_report.ts";
