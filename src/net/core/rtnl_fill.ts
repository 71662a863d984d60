// What RTM_NEWLINK says of a device, and when it is said unasked. Mirrors rtnl_fill_ifinfo() and rtmsg_ifinfo() of
// net/core/rtnetlink.c. Attributes come in the order in which Linux 6.18 sends them.
// Way in: rtnl_fill_ifinfo(), rtmsg_ifinfo(); rtnl_af_register() for what a family adds to IFLA_AF_SPEC.

import type { Kernel } from "../../kernel/kernel.ts";
import * as L from "../../uapi/if_link.ts";
import {
  NlMsgWriter,
  nl_set_u64,
  nla_nest_end,
  nla_nest_start,
  nla_nest_start_noflag,
  nla_put,
  nla_put_string,
  nla_put_u8,
  nla_put_u16,
  nla_put_u32,
  nla_reserve,
  nlmsg_end,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import {
  RTEXT_FILTER_SKIP_STATS,
  RTEXT_FILTER_VF,
  RTM_DELLINK,
  RTM_NEWLINK,
  RTNLGRP_LINK,
} from "../../uapi/rtnetlink.ts";
import { netlink_has_listeners } from "../netlink/af_netlink.ts";
import { dev_get_flags, dev_get_stats, IF_OPER_DOWN, IFF_UP } from "./dev_api.ts";
import {
  NETDEV_CHANGE,
  NETDEV_CHANGE_TX_QUEUE_LEN,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEMTU,
  NETDEV_CHANGENAME,
  NETDEV_CHANGEUPPER,
  NETDEV_DOWN,
  NETDEV_FEAT_CHANGE,
  NETDEV_REGISTER,
  NETDEV_UNREGISTER,
  NETDEV_UP,
  NETIF_F_NETNS_LOCAL,
  type NetDevice,
  netif_carrier_ok,
  netif_running,
} from "./netdevice.ts";
import { register_netdevice_notifier } from "./notifier.ts";
import type { NlInfo } from "./rtmsg.ts";
import { peernet2id_alloc, rtnl_notify } from "./rtnetlink.ts";

const IFLA_DEVLINK_PORT = 62;
const IFLA_HEADROOM = 68;
const IFLA_TAILROOM = 69;
const IFLA_XDP_ATTACHED = 2;
/** What virtual devices allow (GSO_MAX_SIZE), and the limit of hardware that says nothing. */
const GSO_MAX_SIZE = 8 * 65535;
const TSO_LEGACY_MAX_SIZE = 65536;
const IFLA_EVENT_FEATURES = 2;

/** A family's part of a device in IFLA_AF_SPEC. */
export interface RtnlAfOps {
  readonly family: number;
  /** Writes attributes; false: nothing to say, the nest is taken back. */
  fill_link_af(w: NlMsgWriter, dev: NetDevice, ext_filter_mask: number): boolean;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    rtnl_af_ops: RtnlAfOps[];
    /** Devices that RTM_NEWLINK is making, and whether they have been told of: once each, when complete. Null outside. */
    rtnl_initializing: Map<NetDevice, boolean> | null;
  }
}
declare module "./netdevice.ts" {
  interface NetDevice {
    /** Alternative names (`ip link property add`). */
    altnames?: string[];
  }
  interface NetDeviceOps {
    /** A bridge, bond or vrf takes a port, or lets it go. 0 or -errno. */
    ndo_add_slave?(dev: NetDevice, slave: NetDevice, extack: { msg: string }): number;
    ndo_del_slave?(dev: NetDevice, slave: NetDevice): number;
  }
  interface RtnlLinkOps {
    /** Changes an existing device by IFLA_INFO_DATA. 0 or -errno. */
    changelink?(dev: NetDevice, data: Map<number, Uint8Array>, extack: { msg: string }): number;
    /** IFLA_INFO_SLAVE_DATA of a port, and changing it. */
    fill_slave_info?(dev: NetDevice, slave: NetDevice, add: (type: number, data: Uint8Array) => void): void;
    slave_changelink?(dev: NetDevice, slave: NetDevice, data: Map<number, Uint8Array>, extack: { msg: string }): number;
  }
}

export function rtnl_af_register(k: Kernel, ops: RtnlAfOps): void {
  k.rtnl_af_ops.push(ops);
  k.rtnl_af_ops.sort((a, b) => a.family - b.family);
}

function fill_stats(w: NlMsgWriter, dev: NetDevice): void {
  const s = dev_get_stats(dev) as unknown as Record<string, number | undefined>;
  const at64 = nla_reserve(w, L.IFLA_STATS64, L.RTNL_LINK_STATS64_LEN);
  L.LINK_STATS_FIELDS.forEach((name, i) => {
    nl_set_u64(w.dv, at64 + 8 * i, s[name] ?? 0);
  });
  const at32 = nla_reserve(w, L.IFLA_STATS, L.RTNL_LINK_STATS_LEN);
  for (let i = 0; i < 24; i++) w.dv.setUint32(at32 + 4 * i, s[L.LINK_STATS_FIELDS[i]!] ?? 0, true);
}

function fill_linkinfo(w: NlMsgWriter, dev: NetDevice): void {
  const ops = dev.rtnl_link_ops;
  const master = dev.master;
  const master_ops = master !== null ? master.rtnl_link_ops : null;
  if (ops === null && master_ops === null) return;
  const info = nla_nest_start_noflag(w, L.IFLA_LINKINFO);
  const add = (type: number, data: Uint8Array): void => nla_put(w, type, data);
  if (ops !== null) {
    nla_put_string(w, L.IFLA_INFO_KIND, ops.kind);
    if (ops.fill_info) {
      const nest = nla_nest_start_noflag(w, L.IFLA_INFO_DATA);
      ops.fill_info(dev, add);
      nla_nest_end(w, nest);
    }
  }
  if (master_ops !== null) {
    nla_put_string(w, L.IFLA_INFO_SLAVE_KIND, master_ops.kind);
    if (master_ops.fill_slave_info) {
      const nest = nla_nest_start_noflag(w, L.IFLA_INFO_SLAVE_DATA);
      master_ops.fill_slave_info(master!, dev, add);
      nla_nest_end(w, nest);
    }
  }
  nla_nest_end(w, info);
}

function fill_link(w: NlMsgWriter, dev: NetDevice): void {
  const link_net = dev.rtnl_link_ops?.get_link_net?.(dev) ?? dev.net;
  const iflink = dev.ops.ndo_get_iflink ? dev.ops.ndo_get_iflink(dev) : dev.ifindex;
  const elsewhere = link_net !== dev.net;
  if (elsewhere) nla_put_u32(w, L.IFLA_LINK_NETNSID, peernet2id_alloc(dev.net, link_net));
  if (elsewhere || iflink !== dev.ifindex) nla_put_u32(w, L.IFLA_LINK, iflink);
}

const is_zero = (b: Uint8Array): boolean => b.every((v) => v === 0);

/** Appends one RTM_NEWLINK or RTM_DELLINK. */
export function rtnl_fill_ifinfo(
  w: NlMsgWriter,
  dev: NetDevice,
  type: number,
  portid: number,
  seq: number,
  change: number,
  flags: number,
  ext_mask: number,
  event = 0,
): void {
  const at = nlmsg_put(w, type, flags, seq, portid, L.IFINFOMSG_LEN);
  w.dv.setUint16(at + L.IFINFOMSG_TYPE, dev.type, true);
  w.dv.setInt32(at + L.IFINFOMSG_INDEX, dev.ifindex, true);
  w.dv.setUint32(at + L.IFINFOMSG_FLAGS, dev_get_flags(dev) >>> 0, true);
  w.dv.setUint32(at + L.IFINFOMSG_CHANGE, change >>> 0, true);
  const physical = dev.parent_name !== "";
  nla_put_string(w, L.IFLA_IFNAME, dev.name);
  nla_put_u32(w, L.IFLA_TXQLEN, dev.tx_queue_len);
  nla_put_u8(w, L.IFLA_OPERSTATE, netif_running(dev) ? dev.operstate : IF_OPER_DOWN);
  nla_put_u8(w, L.IFLA_LINKMODE, dev.link_mode);
  nla_put_u8(w, L.IFLA_NETNS_IMMUTABLE, (dev.features & NETIF_F_NETNS_LOCAL) !== 0 ? 1 : 0);
  nla_put_u32(w, L.IFLA_MTU, dev.mtu);
  nla_put_u32(w, L.IFLA_MIN_MTU, dev.min_mtu);
  nla_put_u32(w, L.IFLA_MAX_MTU, dev.max_mtu);
  nla_put_u32(w, L.IFLA_GROUP, dev.group);
  nla_put_u32(w, L.IFLA_PROMISCUITY, dev.promiscuity);
  nla_put_u32(w, L.IFLA_ALLMULTI, dev.allmulti);
  nla_put_u32(w, L.IFLA_NUM_TX_QUEUES, dev.tx.length);
  nla_put_u32(w, L.IFLA_GSO_MAX_SEGS, dev.gso_max_segs);
  nla_put_u32(w, L.IFLA_GSO_MAX_SIZE, dev.gso_max_size);
  nla_put_u32(w, L.IFLA_GRO_MAX_SIZE, dev.gro_max_size);
  nla_put_u32(w, L.IFLA_GSO_IPV4_MAX_SIZE, Math.min(dev.gso_max_size, 65536));
  nla_put_u32(w, L.IFLA_GRO_IPV4_MAX_SIZE, Math.min(dev.gro_max_size, 65536));
  nla_put_u32(w, L.IFLA_TSO_MAX_SIZE, physical ? TSO_LEGACY_MAX_SIZE : GSO_MAX_SIZE);
  nla_put_u32(w, L.IFLA_TSO_MAX_SEGS, 65535);
  nla_put_u32(w, L.IFLA_MAX_PACING_OFFLOAD_HORIZON, 0);
  nla_put_u32(w, L.IFLA_NUM_RX_QUEUES, dev.rx.length);
  if (dev.master !== null) nla_put_u32(w, L.IFLA_MASTER, dev.master.ifindex);
  nla_put_u8(w, L.IFLA_CARRIER, netif_carrier_ok(dev) ? 1 : 0);
  if (dev.ifalias !== "") nla_put_string(w, L.IFLA_IFALIAS, dev.ifalias);
  nla_put_u32(w, L.IFLA_CARRIER_CHANGES, dev.carrier_up_count + dev.carrier_down_count);
  nla_put_u32(w, L.IFLA_CARRIER_UP_COUNT, dev.carrier_up_count);
  nla_put_u32(w, L.IFLA_CARRIER_DOWN_COUNT, dev.carrier_down_count);
  nla_put_u16(w, IFLA_HEADROOM, dev.needed_headroom);
  nla_put_u16(w, IFLA_TAILROOM, dev.needed_tailroom);
  nla_put_u8(w, L.IFLA_PROTO_DOWN, dev.proto_down ? 1 : 0);
  if (event !== 0) nla_put_u32(w, L.IFLA_EVENT, event);
  if (dev.addr_len > 0) {
    nla_put(w, L.IFLA_ADDRESS, dev.dev_addr.subarray(0, dev.addr_len));
    nla_put(w, L.IFLA_BROADCAST, dev.broadcast.subarray(0, dev.addr_len));
  }
  if ((ext_mask & RTEXT_FILTER_SKIP_STATS) === 0) fill_stats(w, dev);
  if (physical && (ext_mask & RTEXT_FILTER_VF) !== 0) nla_put_u32(w, L.IFLA_NUM_VF, 0);
  const xdp = nla_nest_start_noflag(w, L.IFLA_XDP);
  nla_put_u8(w, IFLA_XDP_ATTACHED, 0);
  nla_nest_end(w, xdp);
  fill_linkinfo(w, dev);
  fill_link(w, dev);
  nla_put_string(w, L.IFLA_QDISC, dev.qdisc.ops.id);
  fill_af_spec(w, dev, ext_mask);
  const map = nla_reserve(w, L.IFLA_MAP, L.RTNL_LINK_IFMAP_LEN);
  nl_set_u64(w.dv, map, dev.mem_start);
  nl_set_u64(w.dv, map + 8, dev.mem_end);
  nl_set_u64(w.dv, map + 16, dev.base_addr);
  w.dv.setUint16(map + 24, dev.irq, true);
  w.buf[map + 26] = dev.dma;
  w.buf[map + 27] = dev.if_port;
  if (dev.altnames !== undefined && dev.altnames.length > 0) {
    const list = nla_nest_start(w, L.IFLA_PROP_LIST);
    for (const name of dev.altnames) nla_put_string(w, L.IFLA_ALT_IFNAME, name);
    nla_nest_end(w, list);
  }
  if (dev.addr_len > 0 && !is_zero(dev.perm_addr))
    nla_put(w, L.IFLA_PERM_ADDRESS, dev.perm_addr.subarray(0, dev.addr_len));
  if (physical) {
    nla_put_string(w, L.IFLA_PARENT_DEV_NAME, dev.parent_name);
    if (dev.parent_bus !== "") nla_put_string(w, L.IFLA_PARENT_DEV_BUS_NAME, dev.parent_bus);
  }
  nla_nest_end(w, nla_nest_start(w, IFLA_DEVLINK_PORT));
  nla_nest_end(w, nla_nest_start(w, L.IFLA_DPLL_PIN));
  nlmsg_end(w);
}

function fill_af_spec(w: NlMsgWriter, dev: NetDevice, ext_mask: number): void {
  const spec = nla_nest_start_noflag(w, L.IFLA_AF_SPEC);
  for (const ops of dev.net.kernel.rtnl_af_ops) {
    const start = w.len;
    const nest = nla_nest_start_noflag(w, ops.family);
    if (ops.fill_link_af(w, dev, ext_mask)) nla_nest_end(w, nest);
    else w.len = start;
  }
  nla_nest_end(w, spec);
}

// --- notifications ------------------------------------------------------------------------------------------------

/** Tells listeners of a device; `change` is the mask of flags that changed, -1 for a new or vanished device. */
export function rtmsg_ifinfo(
  type: number,
  dev: NetDevice,
  change: number,
  info: NlInfo | null = null,
  event = 0,
): void {
  const net = dev.net;
  if (info === null && !netlink_has_listeners(net, 0, RTNLGRP_LINK)) return;
  const w = new NlMsgWriter(2048);
  rtnl_fill_ifinfo(w, dev, type, info?.portid ?? 0, info?.seq ?? 0, change, 0, 0, event);
  rtnl_notify(net, w, RTNLGRP_LINK, info);
}

function rtnetlink_event(event: number, dev: NetDevice, info?: unknown): void {
  const making = dev.net.kernel.rtnl_initializing;
  switch (event) {
    case NETDEV_REGISTER:
      if (making === null) rtmsg_ifinfo(RTM_NEWLINK, dev, -1);
      else {
        // The other end of a veth comes first, and is told of before its partner is there.
        for (const [other, told] of making) {
          if (!told) rtmsg_ifinfo(RTM_NEWLINK, other, -1);
          making.set(other, true);
        }
        making.set(dev, false);
      }
      return;
    case NETDEV_UNREGISTER:
      if (making?.delete(dev)) return;
      rtmsg_ifinfo(RTM_DELLINK, dev, -1);
      return;
    case NETDEV_UP:
    case NETDEV_DOWN:
      if (making === null || !making.has(dev)) rtmsg_ifinfo(RTM_NEWLINK, dev, IFF_UP);
      return;
    case NETDEV_CHANGE:
      // With a mask of flags it is dev_change_flags() that speaks, for itself (__dev_notify_flags).
      if (typeof info === "number" && info !== 0) return;
      if (making === null || !making.has(dev)) rtmsg_ifinfo(RTM_NEWLINK, dev, 0);
      return;
    case NETDEV_CHANGEMTU:
    case NETDEV_CHANGEADDR:
    case NETDEV_CHANGENAME:
    case NETDEV_CHANGEUPPER:
    case NETDEV_CHANGE_TX_QUEUE_LEN:
      if (making === null || !making.has(dev)) rtmsg_ifinfo(RTM_NEWLINK, dev, 0);
      return;
    case NETDEV_FEAT_CHANGE:
      rtmsg_ifinfo(RTM_NEWLINK, dev, 0, null, IFLA_EVENT_FEATURES);
  }
}

/** Before the protocols: their messages about addresses and routes follow those about the device. */
export function rtnl_fill_init(k: Kernel): void {
  k.rtnl_af_ops = [];
  k.rtnl_initializing = null;
  k.rtmsg_ifinfo = (dev, change) => rtmsg_ifinfo(RTM_NEWLINK, dev, change);
  register_netdevice_notifier(k, rtnetlink_event);
}
