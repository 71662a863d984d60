// Devices come and go, up and down, and change. Mirrors the control half of net/core/dev.c, dev_api.c and sch_generic.c.
// Read first: docs/how-to-add.md. Way in: alloc_netdev_mqs(), register_netdevice(), dev_open(), dev_change_flags().

import type { Kernel } from "../../kernel/kernel.ts";
import { KERN_INFO, printk } from "../../kernel/printk.ts";
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ, open_softirq } from "../../kernel/softirq.ts";
import { EBUSY, EEXIST, EINVAL, ENODEV, EOPNOTSUPP } from "../../uapi/errno.ts";
import { NET_ADDR_SET, NET_NAME_RENAMED } from "../../uapi/netdev_misc.ts";
import {
  noop_qdisc_ops,
  noqueue_qdisc_ops,
  Qdisc,
  qdisc_create_dflt,
  qdisc_put,
  qdisc_reset,
  TCQ_F_BUILTIN,
  TCQ_F_MQROOT,
  TCQ_F_NOPARENT,
  TCQ_F_ONETXQUEUE,
} from "../sched/sch_generic.ts";
import {
  dev_hard_start_xmit,
  NAPI_POLL_WEIGHT,
  napi_unlist,
  net_rx_action,
  net_tx_action,
  netif_schedule,
  process_backlog,
  validate_xmit_skb_list,
} from "./dev.ts";
import { SKB_DROP_REASON_DEV_READY } from "./dropreason.ts";
import { type Net, net_ns_init } from "./net_namespace.ts";
import {
  __LINK_STATE_NOCARRIER,
  __LINK_STATE_PRESENT,
  __LINK_STATE_START,
  __QUEUE_STATE_DRV_XOFF,
  NAPI_STATE_DISABLE,
  NapiStruct,
  NETDEV_CHANGE,
  NETDEV_CHANGE_TX_QUEUE_LEN,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_CHANGENAME,
  NETDEV_DOWN,
  NETDEV_FEAT_CHANGE,
  NETDEV_GOING_DOWN,
  NETDEV_POST_INIT,
  NETDEV_PRE_UP,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  NETIF_F_GRO,
  NETIF_F_GSO,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HW_CSUM,
  NETIF_F_IP_CSUM,
  NETIF_F_IPV6_CSUM,
  NETIF_F_SG,
  NETIF_F_TSO,
  NETIF_F_TSO_ECN,
  NETIF_F_TSO6,
  NETREG_REGISTERED,
  NETREG_UNREGISTERED,
  NETREG_UNREGISTERING,
  NetDevice,
  type NetDeviceOps,
  NetDeviceStats,
  NetdevQueue,
  type NetdevQueue as NetdevQueueT,
  NetdevRxQueue,
  netif_carrier_ok,
  netif_device_present,
  netif_running,
  SoftnetData,
} from "./netdevice.ts";
import { call_netdevice_notifiers, notifier_init } from "./notifier.ts";
import { __skb_unlink, kfree_skb_reason, type SkBuff, skb_init } from "./skbuff.ts";

export const IFF_UP = 1;
export const IFF_BROADCAST = 2;
export const IFF_LOOPBACK = 8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MULTICAST = 0x1000;
export const IFF_LOWER_UP = 1 << 16;
export const IFF_DORMANT = 1 << 17;
const IFF_VOLATILE =
  IFF_LOOPBACK | IFF_POINTOPOINT | IFF_BROADCAST | IFF_RUNNING | IFF_LOWER_UP | IFF_DORMANT | 0x40000;

/** dev->priv_flags: the device has no queue of its own (IFF_NO_QUEUE). */
export const IFF_NO_QUEUE = 1 << 0;
export const IFF_LIVE_ADDR_CHANGE = 1 << 1;
export const IFF_UNICAST_FLT = 1 << 2;
export const IFF_TX_SKB_SHARING = 1 << 3;

// operstate (RFC 2863)
export const IF_OPER_UNKNOWN = 0;
export const IF_OPER_NOTPRESENT = 1;
export const IF_OPER_DOWN = 2;
export const IF_OPER_LOWERLAYERDOWN = 3;
export const IF_OPER_DORMANT = 5;
export const IF_OPER_UP = 6;

const IFNAMSIZ = 16;

/** A name the kernel accepts: 1–15 bytes, no slash, colon or space, and not a directory's name. */
export function dev_valid_name(name: string): boolean {
  if (name.length === 0 || name.length >= IFNAMSIZ || name === "." || name === "..") return false;
  return !/[/:\s]/.test(name);
}

/** The lowest free number for "eth%d"; the name itself when it has no %d. Null when it is taken or not valid. */
function dev_alloc_name(net: Net, pattern: string): string | null {
  if (!pattern.includes("%d")) {
    return dev_valid_name(pattern) && !net.dev_by_name.has(pattern) ? pattern : null;
  }
  for (let i = 0; i < 32768; i++) {
    const name = pattern.replace("%d", String(i));
    if (!net.dev_by_name.has(name)) return dev_valid_name(name) ? name : null;
  }
  return null;
}

export const __dev_get_by_name = (net: Net, name: string): NetDevice | null => net.dev_by_name.get(name) ?? null;
export const __dev_get_by_index = (net: Net, ifindex: number): NetDevice | null =>
  net.dev_by_index.get(ifindex) ?? null;

/** All devices of a namespace by ifindex, as netlink and /proc list them. */
export const for_each_netdev = (net: Net): NetDevice[] =>
  [...net.dev_by_index.values()].sort((a, b) => a.ifindex - b.ifindex);

/** A device with its queues, not yet registered. `setup` fills what its type has in common (ether_setup). */
export function alloc_netdev_mqs(
  net: Net,
  name: string,
  ops: NetDeviceOps,
  setup: (dev: NetDevice) => void,
  txqs: number,
  rxqs: number,
): NetDevice {
  const dev = new NetDevice(net, name, ops);
  dev.ip_ptr = null;
  setup(dev);
  for (let i = 0; i < txqs; i++) dev.tx.push(new NetdevQueue(dev, i));
  for (let i = 0; i < rxqs; i++) dev.rx.push(new NetdevRxQueue(dev, i));
  dev.real_num_tx_queues = txqs;
  dev.real_num_rx_queues = rxqs;
  dev_init_scheduler(dev);
  return dev;
}

export const alloc_netdev = (net: Net, name: string, ops: NetDeviceOps, setup: (dev: NetDevice) => void): NetDevice =>
  alloc_netdev_mqs(net, name, ops, setup, 1, 1);

export function netif_napi_add(
  dev: NetDevice,
  poll: (napi: NapiStruct, budget: number) => number,
  owner: unknown,
  weight = NAPI_POLL_WEIGHT,
): NapiStruct {
  const napi = new NapiStruct(dev, poll, weight, owner);
  napi.state = NAPI_STATE_DISABLE;
  napi.napi_id = dev.net.kernel.napi_gen_id++;
  dev.napi_list.push(napi);
  return napi;
}

export function netif_napi_del(napi: NapiStruct): void {
  const dev = napi.dev;
  const i = dev.napi_list.indexOf(napi);
  if (i >= 0) dev.napi_list.splice(i, 1);
  napi_unlist(dev.net.kernel, napi);
}

// --- registration -------------------------------------------------------------------------------------------------

function list_netdevice(dev: NetDevice): void {
  dev.net.dev_by_index.set(dev.ifindex, dev);
  dev.net.dev_by_name.set(dev.name, dev);
}

function unlist_netdevice(dev: NetDevice): void {
  dev.net.dev_by_index.delete(dev.ifindex);
  dev.net.dev_by_name.delete(dev.name);
}

/** Makes the device visible. Returns 0, or -errno when the name is not valid or taken, or the driver refuses. */
export function register_netdevice(dev: NetDevice): number {
  const net = dev.net;
  const name = dev_alloc_name(net, dev.name);
  if (name === null) return net.dev_by_name.has(dev.name) ? -EEXIST : -EINVAL;
  dev.name = name;
  if (dev.ops.ndo_init) {
    const err = dev.ops.ndo_init(dev);
    if (err < 0) return err;
  }
  if (dev.ifindex === 0) {
    while (net.dev_by_index.has(net.next_ifindex)) net.next_ifindex++;
    dev.ifindex = net.next_ifindex++;
  } else if (net.dev_by_index.has(dev.ifindex)) return -EBUSY;
  dev.hw_features |= NETIF_F_GRO | NETIF_F_GSO;
  dev.features |= NETIF_F_GRO;
  if ((dev.features & NETIF_F_SG) !== 0) dev.features |= NETIF_F_GSO;
  dev.wanted_features = dev.features & dev.hw_features;
  call_netdevice_notifiers(NETDEV_POST_INIT, dev);
  dev.state |= __LINK_STATE_PRESENT;
  list_netdevice(dev);
  dev.reg_state = NETREG_REGISTERED;
  if (dev.perm_addr.every((b) => b === 0) && dev.addr_assign_type === 0) dev.perm_addr = dev.dev_addr.slice();
  rfc2863_policy(dev);
  call_netdevice_notifiers(NETDEV_REGISTER, dev);
  return 0;
}

export const register_netdev = register_netdevice;

/** Down, out of every table, and freed when the last reference is gone. */
export function unregister_netdevice(dev: NetDevice): void {
  if (dev.reg_state !== NETREG_REGISTERED) return;
  dev_close(dev);
  dev.reg_state = NETREG_UNREGISTERING;
  unlist_netdevice(dev);
  dev_shutdown(dev);
  call_netdevice_notifiers(NETDEV_UNREGISTER, dev);
  flush_backlogs(dev);
  dev.ops.ndo_uninit?.(dev);
  for (const napi of [...dev.napi_list]) netif_napi_del(napi);
  dev.reg_state = NETREG_UNREGISTERED;
  dev.refcnt--;
  dev.destructor?.(dev);
}
export const unregister_netdev = unregister_netdevice;

/** Drops what the backlogs still hold of a device that goes (flush_backlog). */
function flush_backlogs(dev: NetDevice): void {
  for (const cpu of dev.net.kernel.cpus) {
    const sd = cpu.softnet_data;
    for (const list of [sd.input_pkt_queue, sd.process_queue]) {
      for (let s = list.next; s !== null; ) {
        const next: SkBuff | null = s.next;
        if (s.dev === dev) {
          __skb_unlink(s, list);
          kfree_skb_reason(s, SKB_DROP_REASON_DEV_READY);
        }
        s = next;
      }
    }
  }
}

/** Moves a device to another namespace: gone from the one, new in the other, down, without addresses. */
export function dev_change_net_namespace(dev: NetDevice, net: Net, pattern: string | null): number {
  if (dev.net === net) return 0;
  if ((dev.features & (1 << 28)) !== 0) return -EINVAL;
  let name = dev.name;
  if (net.dev_by_name.has(name)) {
    if (pattern === null) return -EEXIST;
    const n = dev_alloc_name(net, pattern);
    if (n === null) return -EEXIST;
    name = n;
  }
  dev_close(dev);
  unlist_netdevice(dev);
  dev_shutdown(dev);
  call_netdevice_notifiers(NETDEV_UNREGISTER, dev);
  flush_backlogs(dev);
  dev.net = net;
  dev.name = name;
  if (net.dev_by_index.has(dev.ifindex)) {
    while (net.dev_by_index.has(net.next_ifindex)) net.next_ifindex++;
    dev.ifindex = net.next_ifindex++;
  }
  list_netdevice(dev);
  dev_init_scheduler(dev);
  call_netdevice_notifiers(NETDEV_REGISTER, dev);
  return 0;
}

/** A namespace goes: virtual devices with it (their peers too), cards back to the initial namespace (default_device_exit). */
export function default_device_exit_net(net: Net): void {
  const init_net = net.kernel.init_net;
  for (const dev of for_each_netdev(net).reverse()) {
    if (dev.reg_state !== NETREG_REGISTERED) continue;
    if (dev.rtnl_link_ops !== null) dev.rtnl_link_ops.dellink(dev);
    else if (dev === net.loopback_dev || net === init_net) unregister_netdevice(dev);
    else if (dev_change_net_namespace(dev, init_net, "dev%d") < 0) unregister_netdevice(dev);
  }
}

// --- up and down --------------------------------------------------------------------------------------------------

/** `ip link set up`: the driver's rings and interrupts, the qdisc, then everybody is told. 0 or -errno. */
export function dev_open(dev: NetDevice): number {
  if ((dev.flags & IFF_UP) !== 0) return 0;
  if (!netif_device_present(dev)) return -ENODEV;
  call_netdevice_notifiers(NETDEV_PRE_UP, dev);
  dev.state |= __LINK_STATE_START;
  const err = dev.ops.ndo_open ? dev.ops.ndo_open(dev) : 0;
  if (err < 0) {
    dev.state &= ~__LINK_STATE_START;
    return err;
  }
  dev.flags |= IFF_UP;
  dev.ops.ndo_set_rx_mode?.(dev);
  dev_activate(dev);
  rfc2863_policy(dev);
  call_netdevice_notifiers(NETDEV_UP, dev);
  return 0;
}

export function dev_close(dev: NetDevice): void {
  if ((dev.flags & IFF_UP) === 0) return;
  call_netdevice_notifiers(NETDEV_GOING_DOWN, dev);
  dev.state &= ~__LINK_STATE_START;
  dev_deactivate(dev);
  dev.ops.ndo_stop?.(dev);
  dev.flags &= ~IFF_UP;
  rfc2863_policy(dev);
  call_netdevice_notifiers(NETDEV_DOWN, dev);
}

/** The flags userspace sees: IFF_RUNNING and IFF_LOWER_UP are computed. */
export function dev_get_flags(dev: NetDevice): number {
  let flags = (dev.flags & ~(IFF_PROMISC | IFF_ALLMULTI | IFF_RUNNING | IFF_LOWER_UP | IFF_DORMANT)) | dev.gflags;
  if (netif_running(dev)) {
    if (dev.operstate === IF_OPER_UP || dev.operstate === IF_OPER_UNKNOWN) flags |= IFF_RUNNING;
    if (netif_carrier_ok(dev)) flags |= IFF_LOWER_UP;
  }
  return flags;
}

/** Sets IFF_UP, IFF_PROMISC and what else may be set. 0 or -errno. */
export function dev_change_flags(dev: NetDevice, flags: number): number {
  const old = dev.flags;
  const old_gflags = dev.gflags;
  const settable = 0x20 | IFF_NOARP | 0x400 | 0x800 | 0x2000 | 0x4000 | 0x8000 | IFF_MULTICAST | 0x4;
  dev.flags = (flags & settable) | (dev.flags & (IFF_UP | IFF_VOLATILE | IFF_PROMISC | IFF_ALLMULTI));
  let ret = 0;
  if (((old ^ flags) & IFF_UP) !== 0) {
    if ((old & IFF_UP) !== 0) dev_close(dev);
    else ret = dev_open(dev);
  }
  const k = dev.net.kernel;
  if (((flags ^ dev.gflags) & IFF_PROMISC) !== 0) {
    const inc = (flags & IFF_PROMISC) !== 0 ? 1 : -1;
    dev.gflags ^= IFF_PROMISC;
    k.dev_set_promiscuity(dev, inc);
  }
  if (((flags ^ dev.gflags) & IFF_ALLMULTI) !== 0) {
    const inc = (flags & IFF_ALLMULTI) !== 0 ? 1 : -1;
    dev.gflags ^= IFF_ALLMULTI;
    k.dev_set_allmulti(dev, inc);
  }
  const changed = (old ^ dev.flags) | (old_gflags ^ dev.gflags);
  if ((changed & ~(IFF_UP | IFF_VOLATILE)) !== 0 && (dev.flags & IFF_UP) !== 0) {
    call_netdevice_notifiers(NETDEV_CHANGE, dev, changed);
  }
  if ((changed & (IFF_UP | IFF_VOLATILE)) === 0 && changed !== 0) k.rtmsg_ifinfo?.(dev, changed);
  return ret;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** From dev_addr_lists.ts, as registration. */
    dev_set_promiscuity: (dev: NetDevice, inc: number) => void;
    dev_set_allmulti: (dev: NetDevice, inc: number) => void;
    /** rtnetlink tells its listeners; null until it is there. */
    rtmsg_ifinfo: ((dev: NetDevice, change: number) => void) | null;
  }
}

export function dev_set_mtu(dev: NetDevice, mtu: number, extack?: { msg: string }): number {
  if (mtu === dev.mtu) return 0;
  const old_mtu = dev.mtu;
  if (mtu < 0 || mtu < dev.min_mtu) {
    if (extack) extack.msg = "mtu less than device minimum";
    return -EINVAL;
  }
  if (dev.max_mtu > 0 && mtu > dev.max_mtu) {
    if (extack) extack.msg = "mtu greater than device maximum";
    return -EINVAL;
  }
  if (!netif_device_present(dev)) return -ENODEV;
  if (dev.ops.ndo_change_mtu) {
    const err = dev.ops.ndo_change_mtu(dev, mtu);
    if (err < 0) return err;
  } else dev.mtu = mtu;
  call_netdevice_notifiers(NETDEV_CHANGEMTU, dev, old_mtu);
  return 0;
}

export function dev_set_mac_address(dev: NetDevice, addr: Uint8Array): number {
  if (!dev.ops.ndo_set_mac_address) return -EOPNOTSUPP;
  if (addr.length < dev.addr_len) return -EINVAL;
  const err = dev.ops.ndo_set_mac_address(dev, addr);
  if (err < 0) return err;
  dev.addr_assign_type = NET_ADDR_SET;
  call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
  return 0;
}

export function dev_change_name(dev: NetDevice, newname: string): number {
  if (!dev_valid_name(newname)) return -EINVAL;
  if (newname === dev.name) return 0;
  const name = dev_alloc_name(dev.net, newname);
  if (name === null) return -EEXIST;
  const old = dev.name;
  dev.net.dev_by_name.delete(dev.name);
  dev.name = name;
  dev.net.dev_by_name.set(name, dev);
  dev.name_assign_type = NET_NAME_RENAMED;
  printk(dev.net.kernel, KERN_INFO, `${name}: renamed from ${old}`);
  call_netdevice_notifiers(NETDEV_CHANGENAME, dev, old);
  return 0;
}

export function dev_change_tx_queue_len(dev: NetDevice, len: number): number {
  if (len < 0) return -EINVAL;
  dev.tx_queue_len = len;
  for (const q of dev.tx) q.qdisc_sleeping.ops.change_tx_queue_len?.(q.qdisc_sleeping, len);
  call_netdevice_notifiers(NETDEV_CHANGE_TX_QUEUE_LEN, dev);
  return 0;
}

/** What needs something that is off goes off as well. */
function netdev_fix_features(features: number): number {
  const csum4 = (features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)) !== 0;
  const csum6 = (features & (NETIF_F_HW_CSUM | NETIF_F_IPV6_CSUM)) !== 0;
  const sg = (features & NETIF_F_SG) !== 0;
  if (!sg) features &= ~NETIF_F_GSO;
  if (!sg || !csum4) features &= ~(NETIF_F_TSO | NETIF_F_TSO_ECN);
  if (!sg || !csum6) features &= ~NETIF_F_TSO6;
  if (!csum4 || !csum6) features &= ~NETIF_F_GSO_UDP_L4;
  return features;
}

/** Applies wanted_features within what the hardware can; returns whether something changed. */
export function netdev_update_features(dev: NetDevice): boolean {
  let features = (dev.features & ~dev.hw_features) | (dev.wanted_features & dev.hw_features);
  if (dev.ops.ndo_fix_features) features = dev.ops.ndo_fix_features(dev, features);
  features = netdev_fix_features(features);
  if (features === dev.features) return false;
  if (dev.ops.ndo_set_features && dev.ops.ndo_set_features(dev, features) < 0) return false;
  dev.features = features;
  call_netdevice_notifiers(NETDEV_FEAT_CHANGE, dev);
  return true;
}

export function dev_get_stats(dev: NetDevice): NetDeviceStats {
  const s = new NetDeviceStats();
  Object.assign(s, dev.stats);
  dev.ops.ndo_get_stats64?.(dev, s);
  return s;
}

// --- carrier ------------------------------------------------------------------------------------------------------

/** RFC 2863: what the administrator's and the cable's state together mean. */
function rfc2863_policy(dev: NetDevice): void {
  const now = !netif_carrier_ok(dev)
    ? dev.ops.ndo_get_iflink && dev.ops.ndo_get_iflink(dev) !== dev.ifindex
      ? IF_OPER_LOWERLAYERDOWN
      : IF_OPER_DOWN
    : dev.operstate_tracked
      ? IF_OPER_UP
      : IF_OPER_UNKNOWN;
  dev.operstate = (dev.flags & IFF_UP) === 0 && now !== IF_OPER_UNKNOWN ? IF_OPER_DOWN : now;
}

declare module "./netdevice.ts" {
  interface NetDevice {
    /** The driver reports its carrier: operstate is UP or DOWN, not UNKNOWN. */
    operstate_tracked: boolean;
  }
}

export function netif_carrier_on(dev: NetDevice): void {
  dev.operstate_tracked = true;
  if ((dev.state & __LINK_STATE_NOCARRIER) === 0) return;
  dev.state &= ~__LINK_STATE_NOCARRIER;
  dev.carrier_up_count++;
  if (dev.reg_state !== NETREG_REGISTERED) return;
  linkwatch(dev);
}

export function netif_carrier_off(dev: NetDevice): void {
  dev.operstate_tracked = true;
  if ((dev.state & __LINK_STATE_NOCARRIER) !== 0) return;
  dev.state |= __LINK_STATE_NOCARRIER;
  if (dev.reg_state !== NETREG_REGISTERED) return;
  dev.carrier_down_count++;
  linkwatch(dev);
}

function linkwatch(dev: NetDevice): void {
  rfc2863_policy(dev);
  if (netif_running(dev)) {
    if (netif_carrier_ok(dev)) dev_activate(dev);
    else dev_deactivate(dev);
    call_netdevice_notifiers(NETDEV_CHANGE, dev, 0);
  }
}

// --- queues' qdiscs (sch_generic.c: attach_default_qdiscs, dev_activate) ------------------------------------------

function noop_qdisc(queue: NetdevQueueT): Qdisc {
  const q = new Qdisc(noop_qdisc_ops, queue, TCQ_F_BUILTIN, true);
  q.deactivated = false;
  return q;
}

function dev_init_scheduler(dev: NetDevice): void {
  for (const queue of dev.tx) {
    queue.qdisc = noop_qdisc(queue);
    queue.qdisc_sleeping = queue.qdisc;
  }
  dev.qdisc = dev.tx[0]!.qdisc;
}

const is_noop = (q: Qdisc): boolean => q.ops.id === "noop";

function attach_one_default_qdisc(dev: NetDevice, queue: NetdevQueueT): void {
  const k = dev.net.kernel;
  const no_queue = (dev.priv_flags & IFF_NO_QUEUE) !== 0 || dev.tx_queue_len === 0;
  const ops = no_queue ? noqueue_qdisc_ops : (k.qdisc_base.get(k.default_qdisc) ?? noqueue_qdisc_ops);
  const q = qdisc_create_dflt(queue, ops, 0);
  if (q === null) return;
  q.flags |= TCQ_F_ONETXQUEUE | TCQ_F_NOPARENT;
  queue.qdisc_sleeping = q;
}

function attach_default_qdiscs(dev: NetDevice): void {
  const k = dev.net.kernel;
  const mq = k.qdisc_base.get("mq");
  if (dev.tx.length === 1 || (dev.priv_flags & IFF_NO_QUEUE) !== 0 || mq === undefined) {
    for (const queue of dev.tx) attach_one_default_qdisc(dev, queue);
    dev.qdisc = dev.tx[0]!.qdisc_sleeping;
    return;
  }
  const q = qdisc_create_dflt(dev.tx[0]!, mq, 0xffffffff | 0);
  if (q === null) return;
  q.flags |= TCQ_F_MQROOT;
  dev.qdisc = q;
  q.ops.attach?.(q);
}

/** The device is up and has a carrier: the qdiscs that slept take packets. */
export function dev_activate(dev: NetDevice): void {
  if (is_noop(dev.qdisc)) attach_default_qdiscs(dev);
  if (!netif_carrier_ok(dev)) return;
  for (const queue of dev.tx) {
    const q = queue.qdisc_sleeping;
    q.deactivated = false;
    queue.qdisc = q;
  }
}

export function dev_deactivate(dev: NetDevice): void {
  for (const queue of dev.tx) {
    const q = queue.qdisc;
    if (is_noop(q)) continue;
    q.deactivated = true;
    qdisc_reset(q);
    queue.qdisc = noop_qdisc(queue);
    queue.state &= ~__QUEUE_STATE_DRV_XOFF;
  }
}

/** Replaces the root qdisc (tc qdisc add/replace/del root); null goes back to the default. */
export function dev_graft_qdisc(dev: NetDevice, queue: NetdevQueueT, qdisc: Qdisc | null): Qdisc {
  const old = queue.qdisc_sleeping;
  queue.qdisc_sleeping = qdisc ?? noop_qdisc(queue);
  queue.qdisc = noop_qdisc(queue);
  if (!is_noop(old)) qdisc_reset(old);
  return old;
}

function dev_shutdown(dev: NetDevice): void {
  const seen = new Set<Qdisc>();
  for (const queue of dev.tx) {
    const q = queue.qdisc_sleeping;
    if (!seen.has(q)) {
      seen.add(q);
      qdisc_put(q);
    }
    queue.qdisc = noop_qdisc(queue);
    queue.qdisc_sleeping = queue.qdisc;
  }
  if (!is_noop(dev.qdisc) && !seen.has(dev.qdisc)) qdisc_put(dev.qdisc);
  dev.qdisc = dev.tx[0]!.qdisc;
}

export function netif_set_real_num_tx_queues(dev: NetDevice, n: number): void {
  dev.real_num_tx_queues = n;
}
export function netif_set_real_num_rx_queues(dev: NetDevice, n: number): void {
  dev.real_num_rx_queues = n;
}
export function netif_tx_start_all_queues(dev: NetDevice): void {
  for (const q of dev.tx) q.state &= ~__QUEUE_STATE_DRV_XOFF;
}
export function netif_tx_stop_all_queues(dev: NetDevice): void {
  for (const q of dev.tx) q.state |= __QUEUE_STATE_DRV_XOFF;
}

// --- boot ---------------------------------------------------------------------------------------------------------

/** Everything the core needs before the first initcall registers with it. */
export function net_core_init(k: Kernel): void {
  notifier_init(k);
  net_ns_init(k);
  skb_init(k);
  k.ptype_base = Array.from({ length: 16 }, () => []);
  k.ptype_all = [];
  k.netdev_budget = 300;
  k.netdev_budget_usecs = 2000;
  k.netdev_max_backlog = 1000;
  k.dev_weight = 64;
  k.gro_receive = null;
  k.gro_flush = null;
  k.vlan_do_receive = null;
  k.napi_gen_id = 8193;
  k.rps_needed = false;
  k.rx_timestamps = 0;
  k.rtmsg_ifinfo = null;
  k.dev_close_hook = dev_close;
  k.qdisc_base = new Map();
  k.default_qdisc = "pfifo_fast";
}

/** subsys_initcall: softnet_data and its backlog per CPU, and the two softirqs. */
export function net_dev_init(k: Kernel): void {
  printk(k, KERN_INFO, "calling  net_dev_init @ 1");
  k.dev_hard_start_xmit = dev_hard_start_xmit;
  k.validate_xmit_skb_list = validate_xmit_skb_list;
  k.netif_schedule = netif_schedule;
  for (const cpu of k.cpus) {
    const sd = new SoftnetData(cpu);
    cpu.softnet_data = sd;
    // The backlog belongs to no device; its owner is the CPU's own data.
    sd.backlog = new NapiStruct(null as unknown as NetDevice, process_backlog, NAPI_POLL_WEIGHT, sd);
  }
  open_softirq(k, NET_TX_SOFTIRQ, net_tx_action);
  open_softirq(k, NET_RX_SOFTIRQ, net_rx_action);
  printk(
    k,
    KERN_INFO,
    "net_dev_init: softnet_data for each CPU, open_softirq NET_TX → net_tx_action, NET_RX → net_rx_action",
  );
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** dev_close(), for who takes a whole machine down from above. */
    dev_close_hook: (dev: NetDevice) => void;
  }
}
