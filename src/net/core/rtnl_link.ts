// RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK, and alternative names. Mirrors the link half of
// net/core/rtnetlink.c. Read first: rtnetlink(7), rtnl_fill.ts; statistics: rtnl_stats.ts. Way in: rtnl_link_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { EEXIST, EINVAL, ENODEV, EOPNOTSUPP, EPERM } from "../../uapi/errno.ts";
import { ALTIFNAMSIZ, IFALIASZ, IFF_ALLMULTI, IFF_PROMISC, IFNAMSIZ } from "../../uapi/if.ts";
import * as L from "../../uapi/if_link.ts";
import { NET_ADDR_SET, NET_NAME_USER } from "../../uapi/netdev_misc.ts";
import { NLM_F_CREATE, NLM_F_DUMP_FILTERED, NLM_F_EXCL, NLM_F_MULTI, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import {
  type NlAttr,
  type NlAttrs,
  NlMsgWriter,
  nla_data,
  nla_get_s32,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_list,
} from "../../uapi/nlattr.ts";
import {
  RTM_DELLINK,
  RTM_DELLINKPROP,
  RTM_GETLINK,
  RTM_NEWLINK,
  RTM_NEWLINKPROP,
  RTM_SETLINK,
} from "../../uapi/rtnetlink.ts";
import { type NetlinkDump, type NlRequest, nl_err, nlmsg_unicast } from "../netlink/af_netlink.ts";
import {
  NESTED,
  NLA_BINARY,
  NLA_STRING,
  type NlaPolicy,
  nla_parse_nested_deprecated,
  nlmsg_parse_deprecated,
  nlmsg_parse_deprecated_strict,
  policy_of,
  S32,
  U8,
  U32,
} from "../netlink/nlattr.ts";
import {
  dev_change_flags,
  dev_change_name,
  dev_change_net_namespace,
  dev_change_tx_queue_len,
  dev_set_mac_address,
  dev_set_mtu,
  for_each_netdev,
} from "./dev_api.ts";
import type { Net } from "./net_namespace.ts";
import {
  NETDEV_CHANGE,
  NETDEV_CHANGEADDR,
  NETDEV_CHANGEUPPER,
  NETREG_REGISTERED,
  type NetDevice,
  type NewLinkAttrs,
  netif_running,
} from "./netdevice.ts";
import { call_netdevice_notifiers } from "./notifier.ts";
import { get_net_ns_by_fd, get_net_ns_by_id, get_net_ns_by_pid, nl_info, rtnl_register } from "./rtnetlink.ts";
import { rtmsg_ifinfo, rtnl_fill_ifinfo, rtnl_fill_init } from "./rtnl_fill.ts";
import { rtnl_stats_init } from "./rtnl_stats.ts";

const IFLA_MAX = 69;
const MAX_ADDR_LEN = 32;
const MAX_QUEUES = 4096;

const ifla_policy: NlaPolicy = policy_of(IFLA_MAX, [
  [L.IFLA_IFNAME, { type: NLA_STRING, len: IFNAMSIZ - 1 }],
  [L.IFLA_ADDRESS, { type: NLA_BINARY, len: MAX_ADDR_LEN }],
  [L.IFLA_BROADCAST, { type: NLA_BINARY, len: MAX_ADDR_LEN }],
  [L.IFLA_MTU, U32],
  [L.IFLA_LINK, U32],
  [L.IFLA_MASTER, U32],
  [L.IFLA_CARRIER, U8],
  [L.IFLA_TXQLEN, U32],
  [L.IFLA_OPERSTATE, U8],
  [L.IFLA_LINKMODE, U8],
  [L.IFLA_LINKINFO, NESTED],
  [L.IFLA_NET_NS_PID, U32],
  [L.IFLA_NET_NS_FD, U32],
  [L.IFLA_IFALIAS, { type: NLA_STRING, len: IFALIASZ - 1 }],
  [L.IFLA_AF_SPEC, NESTED],
  [L.IFLA_EXT_MASK, U32],
  [L.IFLA_PROMISCUITY, U32],
  [L.IFLA_NUM_TX_QUEUES, U32],
  [L.IFLA_NUM_RX_QUEUES, U32],
  [L.IFLA_GSO_MAX_SEGS, U32],
  [L.IFLA_GSO_MAX_SIZE, U32],
  [L.IFLA_GRO_MAX_SIZE, U32],
  [L.IFLA_GROUP, U32],
  [L.IFLA_LINK_NETNSID, S32],
  [L.IFLA_PROTO_DOWN, U8],
  [L.IFLA_TARGET_NETNSID, S32],
  [L.IFLA_PROP_LIST, NESTED],
  [L.IFLA_ALT_IFNAME, { type: NLA_STRING, len: ALTIFNAMSIZ - 1 }],
]);
const ifla_info_policy: NlaPolicy = policy_of(L.IFLA_INFO_MAX, [
  [L.IFLA_INFO_KIND, { type: NLA_STRING }],
  [L.IFLA_INFO_DATA, NESTED],
  [L.IFLA_INFO_SLAVE_KIND, { type: NLA_STRING }],
  [L.IFLA_INFO_SLAVE_DATA, NESTED],
]);

// --- finding ------------------------------------------------------------------------------------------------------

const by_altname = (net: Net, name: string): NetDevice | null => {
  for (const dev of net.dev_by_index.values()) if (dev.altnames?.includes(name)) return dev;
  return null;
};

function rtnl_dev_get(net: Net, tb: NlAttrs): NetDevice | null {
  if (tb[L.IFLA_IFNAME] !== undefined) {
    const name = nla_get_string(tb[L.IFLA_IFNAME]);
    return net.dev_by_name.get(name) ?? by_altname(net, name);
  }
  if (tb[L.IFLA_ALT_IFNAME] !== undefined) {
    const name = nla_get_string(tb[L.IFLA_ALT_IFNAME]);
    return by_altname(net, name) ?? net.dev_by_name.get(name) ?? null;
  }
  return null;
}

/** The namespace that IFLA_NET_NS_FD, IFLA_NET_NS_PID or IFLA_TARGET_NETNSID names, `src` when none does; or -errno. */
function rtnl_link_get_net(k: Kernel, src: Net, tb: NlAttrs): Net | number {
  if (tb[L.IFLA_NET_NS_PID] !== undefined) return get_net_ns_by_pid(k, nla_get_u32(tb[L.IFLA_NET_NS_PID]));
  if (tb[L.IFLA_NET_NS_FD] !== undefined) return get_net_ns_by_fd(k, nla_get_u32(tb[L.IFLA_NET_NS_FD])) ?? -EINVAL;
  if (tb[L.IFLA_TARGET_NETNSID] !== undefined) {
    return get_net_ns_by_id(src, nla_get_s32(tb[L.IFLA_TARGET_NETNSID])) ?? -EINVAL;
  }
  return src;
}

/** IFLA_TARGET_NETNSID of a question: which namespace it is about. */
function rtnl_get_net_ns_capable(req: NlRequest, tb: NlAttrs): Net | null {
  if (tb[L.IFLA_TARGET_NETNSID] === undefined) return req.net;
  return get_net_ns_by_id(req.net, nla_get_s32(tb[L.IFLA_TARGET_NETNSID]));
}

// --- RTM_GETLINK --------------------------------------------------------------------------------------------------

function only(req: NlRequest, tb: NlAttrs, allowed: readonly number[], text: string): number {
  for (let i = 0; i < tb.length; i++) {
    if (tb[i] !== undefined && !allowed.includes(i)) return req.bad(tb[i], text, -EINVAL);
  }
  return 0;
}

function rtnl_getlink(req: NlRequest): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  if (m.len < L.IFINFOMSG_LEN) return nl_err(req.extack, "Invalid header for get link", -EINVAL);
  let err: number;
  if (req.strict) {
    if (
      m.buf[m.off + 1] !== 0 ||
      m.dv.getUint16(m.off + 2, true) !== 0 ||
      m.dv.getUint32(m.off + 8, true) !== 0 ||
      m.dv.getUint32(m.off + 12, true) !== 0
    ) {
      return nl_err(req.extack, "Invalid values in header for get link request", -EINVAL);
    }
    err = nlmsg_parse_deprecated_strict(req, L.IFINFOMSG_LEN, tb, ifla_policy);
    if (err === 0) {
      const allowed = [L.IFLA_IFNAME, L.IFLA_ALT_IFNAME, L.IFLA_EXT_MASK, L.IFLA_TARGET_NETNSID];
      err = only(req, tb, allowed, "Unsupported attribute in get link request");
    }
  } else err = nlmsg_parse_deprecated(req, L.IFINFOMSG_LEN, tb, ifla_policy);
  if (err < 0) return err;
  const net = rtnl_get_net_ns_capable(req, tb);
  if (net === null) return -EINVAL;
  const index = m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true);
  let dev: NetDevice | null;
  if (index > 0) dev = net.dev_by_index.get(index) ?? null;
  else if (tb[L.IFLA_IFNAME] !== undefined || tb[L.IFLA_ALT_IFNAME] !== undefined) dev = rtnl_dev_get(net, tb);
  else return -EINVAL;
  if (dev === null) return -ENODEV;
  const w = new NlMsgWriter(2048);
  rtnl_fill_ifinfo(w, dev, RTM_NEWLINK, req.portid, m.seq, 0, 0, nla_get_u32(tb[L.IFLA_EXT_MASK]));
  return nlmsg_unicast(req, w);
}

function* rtnl_dump_ifinfo(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const m = req.msg;
  const tb: NlAttrs = [];
  if (req.strict) {
    if (m.len < L.IFINFOMSG_LEN) return nl_err(req.extack, "Invalid header for link dump", -EINVAL);
    if (
      m.buf[m.off + 1] !== 0 ||
      m.dv.getUint16(m.off + 2, true) !== 0 ||
      m.dv.getUint32(m.off + 8, true) !== 0 ||
      m.dv.getUint32(m.off + 12, true) !== 0
    ) {
      return nl_err(req.extack, "Invalid values in header for link dump request", -EINVAL);
    }
    if (m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true) !== 0) {
      return nl_err(req.extack, "Filter by device index not supported for link dumps", -EINVAL);
    }
    let err = nlmsg_parse_deprecated_strict(req, L.IFINFOMSG_LEN, tb, ifla_policy);
    if (err === 0) {
      const allowed = [L.IFLA_TARGET_NETNSID, L.IFLA_EXT_MASK, L.IFLA_MASTER, L.IFLA_LINKINFO];
      err = only(req, tb, allowed, "Unsupported attribute in link dump request");
    }
    if (err < 0) return err;
  } else {
    // Old programs sent struct rtgenmsg: one byte, attributes behind it.
    const err = nlmsg_parse_deprecated(req, m.len < L.IFINFOMSG_LEN ? 1 : L.IFINFOMSG_LEN, tb, ifla_policy);
    if (err < 0) return err;
  }
  const net = rtnl_get_net_ns_capable(req, tb);
  if (net === null) return nl_err(req.extack, "Invalid target network namespace id", -EINVAL);
  const master = tb[L.IFLA_MASTER] !== undefined ? nla_get_s32(tb[L.IFLA_MASTER]) : 0;
  const info: NlAttrs = [];
  if (tb[L.IFLA_LINKINFO] !== undefined) {
    const err = nla_parse_nested_deprecated(req, tb[L.IFLA_LINKINFO], info, ifla_info_policy);
    if (err < 0) return err;
  }
  const kind = nla_get_string(info[L.IFLA_INFO_KIND]);
  // A kind that nobody registered filters nothing.
  const filter_kind = kind !== "" && net.kernel.rtnl_link_ops.has(kind);
  const flags = NLM_F_MULTI | (master !== 0 || filter_kind ? NLM_F_DUMP_FILTERED : 0);
  const ext_mask = nla_get_u32(tb[L.IFLA_EXT_MASK]);
  for (const dev of for_each_netdev(net)) {
    if (dev.reg_state !== NETREG_REGISTERED || dev.net !== net) continue;
    if (master === -1 ? dev.master !== null : master !== 0 && dev.master?.ifindex !== master) continue;
    if (filter_kind && dev.rtnl_link_ops?.kind !== kind) continue;
    rtnl_fill_ifinfo(w, dev, RTM_NEWLINK, req.portid, m.seq, 0, flags, ext_mask);
    yield;
  }
  return 0;
}

// --- changing -----------------------------------------------------------------------------------------------------

/** Flags as the request wants them: what it does not mention stays. */
function rtnl_dev_combine_flags(dev: NetDevice, flags: number, change: number): number {
  if (change === 0) return flags;
  const own = (dev.flags & ~(IFF_PROMISC | IFF_ALLMULTI)) | (dev.gflags & (IFF_PROMISC | IFF_ALLMULTI));
  return (flags & change) | (own & ~change);
}

/** validate_linkmsg(): what must hold before anything is changed. */
function validate_linkmsg(req: NlRequest, dev: NetDevice | null, tb: NlAttrs): number {
  if (dev !== null) {
    const addr = tb[L.IFLA_ADDRESS];
    if (addr !== undefined && addr.len < dev.addr_len) return -EINVAL;
    const brd = tb[L.IFLA_BROADCAST];
    if (brd !== undefined && brd.len < dev.addr_len) return -EINVAL;
  }
  const size = tb[L.IFLA_GSO_MAX_SIZE];
  if (size !== undefined && nla_get_u32(size) > 524280) return req.bad(size, "too big gso_max_size", -EINVAL);
  const segs = tb[L.IFLA_GSO_MAX_SEGS];
  if (segs !== undefined && nla_get_u32(segs) > 65535) return req.bad(segs, "too big gso_max_segs", -EINVAL);
  return 0;
}

/** Takes a device from its master, and gives it to the one with index `ifindex` (0: to none). */
function do_set_master(req: NlRequest, dev: NetDevice, ifindex: number): number {
  const old = dev.master;
  if (old !== null) {
    if (old.ifindex === ifindex) return 0;
    if (!old.ops.ndo_del_slave) return -EOPNOTSUPP;
    const err = old.ops.ndo_del_slave(old, dev);
    if (err < 0) return err;
  }
  if (ifindex === 0) return 0;
  const upper = dev.net.dev_by_index.get(ifindex);
  if (upper === undefined) return -EINVAL;
  if (!upper.ops.ndo_add_slave) return -EOPNOTSUPP;
  return upper.ops.ndo_add_slave(upper, dev, req.extack);
}

function set_operstate(dev: NetDevice, state: number): void {
  // Only what an authenticator says of a link it guards: dormant, up or down.
  if (state !== 6 && state !== 5 && state !== 4) return;
  if (dev.operstate !== state) dev.operstate = state;
}

/** Applies everything a RTM_NEWLINK or RTM_SETLINK says to one device. 0 or -errno; what went before an error stays. */
function do_setlink(req: NlRequest, dev: NetDevice, tb: NlAttrs): number {
  const k = req.net.kernel;
  const m = req.msg;
  /** Nobody else tells of these (DO_SETLINK_NOTIFY). */
  let notify = false;
  let err = validate_linkmsg(req, dev, tb);
  if (err < 0) return err;
  const ifname = nla_get_string(tb[L.IFLA_IFNAME]);
  if (
    tb[L.IFLA_NET_NS_PID] !== undefined ||
    tb[L.IFLA_NET_NS_FD] !== undefined ||
    tb[L.IFLA_TARGET_NETNSID] !== undefined
  ) {
    const net = rtnl_link_get_net(k, req.net, tb);
    if (typeof net === "number") return net;
    if (net !== dev.net && ifname !== "" && net.dev_by_name.has(ifname)) return -EEXIST;
    err = dev_change_net_namespace(dev, net, ifname !== "" ? ifname : null);
    if (err < 0) return err === -EINVAL ? nl_err(req.extack, "The interface netns is immutable", err) : err;
  }
  if (tb[L.IFLA_MAP] !== undefined) return -EOPNOTSUPP;
  if (tb[L.IFLA_ADDRESS] !== undefined) {
    err = dev_set_mac_address(dev, nla_data(tb[L.IFLA_ADDRESS]).slice(0, dev.addr_len));
    if (err < 0) return err;
  }
  if (tb[L.IFLA_MTU] !== undefined) {
    err = dev_set_mtu(dev, nla_get_u32(tb[L.IFLA_MTU]) | 0, req.extack);
    if (err < 0) return err;
  }
  if (tb[L.IFLA_GROUP] !== undefined) {
    dev.group = nla_get_u32(tb[L.IFLA_GROUP]);
    notify = true;
  }
  if (m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true) > 0 && ifname !== "") {
    err = dev_change_name(dev, ifname);
    if (err < 0) return err;
  }
  if (tb[L.IFLA_IFALIAS] !== undefined) {
    dev.ifalias = nla_get_string(tb[L.IFLA_IFALIAS]);
    notify = true;
  }
  if (tb[L.IFLA_BROADCAST] !== undefined) {
    dev.broadcast = nla_data(tb[L.IFLA_BROADCAST]).slice(0, dev.addr_len);
    call_netdevice_notifiers(NETDEV_CHANGEADDR, dev);
  }
  if (tb[L.IFLA_MASTER] !== undefined) {
    err = do_set_master(req, dev, nla_get_s32(tb[L.IFLA_MASTER]));
    if (err < 0) return err;
    call_netdevice_notifiers(NETDEV_CHANGEUPPER, dev);
  }
  const flags = m.dv.getUint32(m.off + L.IFINFOMSG_FLAGS, true) | 0;
  const change = m.dv.getUint32(m.off + L.IFINFOMSG_CHANGE, true) | 0;
  if (flags !== 0 || change !== 0) {
    err = dev_change_flags(dev, rtnl_dev_combine_flags(dev, flags, change));
    if (err < 0) return err;
  }
  if (tb[L.IFLA_CARRIER] !== undefined) return -EOPNOTSUPP;
  if (tb[L.IFLA_TXQLEN] !== undefined) {
    const len = nla_get_u32(tb[L.IFLA_TXQLEN]);
    if (len !== dev.tx_queue_len) {
      err = dev_change_tx_queue_len(dev, len);
      if (err < 0) return err;
    }
  }
  if (tb[L.IFLA_GSO_MAX_SIZE] !== undefined) dev.gso_max_size = nla_get_u32(tb[L.IFLA_GSO_MAX_SIZE]);
  if (tb[L.IFLA_GSO_MAX_SEGS] !== undefined) dev.gso_max_segs = nla_get_u32(tb[L.IFLA_GSO_MAX_SEGS]);
  if (tb[L.IFLA_GRO_MAX_SIZE] !== undefined) dev.gro_max_size = nla_get_u32(tb[L.IFLA_GRO_MAX_SIZE]);
  if (tb[L.IFLA_OPERSTATE] !== undefined) set_operstate(dev, nla_get_u8(tb[L.IFLA_OPERSTATE]));
  if (tb[L.IFLA_LINKMODE] !== undefined) dev.link_mode = nla_get_u8(tb[L.IFLA_LINKMODE]);
  if (tb[L.IFLA_LINKMODE] !== undefined) notify = true;
  if (tb[L.IFLA_PROTO_DOWN] !== undefined) return nl_err(req.extack, "Protodown not supported by device", -EOPNOTSUPP);
  if (notify && netif_running(dev)) call_netdevice_notifiers(NETDEV_CHANGE, dev, 0);
  return 0;
}

function rtnl_setlink(req: NlRequest): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  let err = nlmsg_parse_deprecated(req, L.IFINFOMSG_LEN, tb, ifla_policy);
  if (err < 0) return err;
  const index = m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true);
  let dev: NetDevice | null;
  if (index > 0) dev = req.net.dev_by_index.get(index) ?? null;
  else if (tb[L.IFLA_IFNAME] !== undefined || tb[L.IFLA_ALT_IFNAME] !== undefined) dev = rtnl_dev_get(req.net, tb);
  else return -EINVAL;
  if (dev === null) return -ENODEV;
  err = do_setlink(req, dev, tb);
  return err;
}

// --- RTM_NEWLINK --------------------------------------------------------------------------------------------------

function raw_attrs(a: NlAttr | undefined): Map<number, Uint8Array> {
  const out = new Map<number, Uint8Array>();
  for (const x of nla_list(a)) out.set(x.type, nla_data(x).slice());
  return out;
}

function newlink_attrs(tb: NlAttrs, data: NlAttr | undefined, net: Net, up: boolean): NewLinkAttrs {
  const n = (a: NlAttr | undefined): number | null => (a !== undefined ? nla_get_u32(a) : null);
  const address = tb[L.IFLA_ADDRESS];
  return {
    ifname: nla_get_string(tb[L.IFLA_IFNAME]),
    mtu: n(tb[L.IFLA_MTU]),
    address: address !== undefined ? nla_data(address).slice() : null,
    txqlen: n(tb[L.IFLA_TXQLEN]),
    num_tx_queues: n(tb[L.IFLA_NUM_TX_QUEUES]) ?? 0,
    num_rx_queues: n(tb[L.IFLA_NUM_RX_QUEUES]) ?? 0,
    up,
    data: raw_attrs(data),
    peer: null,
    net,
    link: n(tb[L.IFLA_LINK]),
  };
}

/** VETH_INFO_PEER: a header and attributes of its own. */
function peer_attrs(req: NlRequest, link_net: Net, data: NlAttr | undefined): NewLinkAttrs | number | null {
  const peer = nla_list(data).find((a) => a.type === L.VETH_INFO_PEER);
  if (peer === undefined) return null;
  if (peer.len < L.IFINFOMSG_LEN) return req.bad(peer, "", -EINVAL);
  const tb: NlAttrs = [];
  const err = nla_parse_nested_deprecated(req, peer, tb, ifla_policy, L.IFINFOMSG_LEN);
  if (err < 0) return err;
  if (tb[L.IFLA_ADDRESS] !== undefined && tb[L.IFLA_ADDRESS]!.len !== 6)
    return req.bad(tb[L.IFLA_ADDRESS], "", -EINVAL);
  const net = rtnl_link_get_net(req.net.kernel, link_net, tb);
  if (typeof net === "number") return net;
  const flags = req.msg.dv.getUint32(peer.off + L.IFINFOMSG_FLAGS, true);
  return newlink_attrs(tb, undefined, net, (flags & 1) !== 0);
}

function bad_queues(req: NlRequest, n: number | undefined, text: string): number {
  return n !== undefined && (n < 1 || n > MAX_QUEUES) ? nl_err(req.extack, text, -EINVAL) : 0;
}

function rtnl_newlink_create(req: NlRequest, tb: NlAttrs, info: NlAttrs): number {
  const k = req.net.kernel;
  const m = req.msg;
  if (tb[L.IFLA_MAP] !== undefined || tb[L.IFLA_PROTINFO] !== undefined) return -EOPNOTSUPP;
  const kind = nla_get_string(info[L.IFLA_INFO_KIND]);
  const ops = k.rtnl_link_ops.get(kind);
  if (ops === undefined) return nl_err(req.extack, "Unknown device type", -EOPNOTSUPP);
  let err = validate_linkmsg(req, null, tb);
  if (err < 0) return err;
  for (const [type, what] of [
    [L.IFLA_NUM_TX_QUEUES, "transmit"],
    [L.IFLA_NUM_RX_QUEUES, "receive"],
  ] as const) {
    const a = tb[type];
    err = bad_queues(req, a !== undefined ? nla_get_u32(a) : undefined, `Invalid number of ${what} queues`);
    if (err < 0) return err;
  }
  const dest = rtnl_link_get_net(k, req.net, tb);
  if (typeof dest === "number") return dest;
  let link_net = req.net;
  if (tb[L.IFLA_LINK_NETNSID] !== undefined) {
    const found = get_net_ns_by_id(req.net, nla_get_s32(tb[L.IFLA_LINK_NETNSID]));
    if (found === null) return nl_err(req.extack, "Unknown network namespace id", -EINVAL);
    link_net = found;
  }
  const flags = m.dv.getUint32(m.off + L.IFINFOMSG_FLAGS, true);
  const attrs = newlink_attrs(tb, info[L.IFLA_INFO_DATA], dest, (flags & 1) !== 0);
  if (kind === "veth") {
    const peer = peer_attrs(req, link_net, info[L.IFLA_INFO_DATA]);
    if (typeof peer === "number") return peer;
    attrs.peer = peer;
  }
  const made = new Map<NetDevice, boolean>();
  k.rtnl_initializing = made;
  err = ops.newlink(dest, attrs, req.extack);
  if (err >= 0) err = configure_new(req, tb, attrs, [...made.keys()]);
  k.rtnl_initializing = null;
  for (const [dev, told] of made) if (!told) rtmsg_ifinfo(RTM_NEWLINK, dev, -1, nl_info(req));
  return Math.min(err, 0);
}

/** rtnl_configure_link() for each device that came into being; and what the drivers do not look at themselves. */
function configure_new(req: NlRequest, tb: NlAttrs, attrs: NewLinkAttrs, made: NetDevice[]): number {
  const dev = attrs.net.dev_by_name.get(attrs.ifname);
  for (const d of made) {
    const own = d === dev ? attrs : attrs.peer;
    // The driver wrote the name that it gave into attrs.
    const named = d === dev ? tb[L.IFLA_IFNAME] !== undefined : (attrs.peer?.ifname ?? "") !== "";
    if (named) d.name_assign_type = NET_NAME_USER;
    if (own !== null && own !== undefined && own.address !== null) {
      // An address that was asked for is nobody's permanent one.
      d.addr_assign_type = NET_ADDR_SET;
      d.perm_addr = new Uint8Array(d.perm_addr.length);
    }
    if (d === dev) {
      if (tb[L.IFLA_GROUP] !== undefined) d.group = nla_get_u32(tb[L.IFLA_GROUP]);
      if (tb[L.IFLA_BROADCAST] !== undefined && tb[L.IFLA_BROADCAST]!.len >= d.addr_len) {
        d.broadcast = nla_data(tb[L.IFLA_BROADCAST]!).slice(0, d.addr_len);
      }
      if (tb[L.IFLA_GSO_MAX_SIZE] !== undefined) d.gso_max_size = nla_get_u32(tb[L.IFLA_GSO_MAX_SIZE]);
      if (tb[L.IFLA_GSO_MAX_SEGS] !== undefined) d.gso_max_segs = nla_get_u32(tb[L.IFLA_GSO_MAX_SEGS]);
      if (tb[L.IFLA_LINKMODE] !== undefined) d.link_mode = nla_get_u8(tb[L.IFLA_LINKMODE]);
    }
    if (own?.up) {
      const err = dev_change_flags(d, d.flags | 1);
      if (err < 0 && d === dev) return err;
    }
    if (d === dev && tb[L.IFLA_MASTER] !== undefined) {
      const err = do_set_master(req, d, nla_get_s32(tb[L.IFLA_MASTER]));
      if (err < 0) {
        d.rtnl_link_ops?.dellink(d);
        return err;
      }
    }
  }
  return 0;
}

/** `ip link set group`, without a device: all of the group. */
function rtnl_group_changelink(req: NlRequest, tb: NlAttrs): number {
  const group = nla_get_u32(tb[L.IFLA_GROUP]);
  for (const dev of for_each_netdev(req.net)) {
    if (dev.group !== group) continue;
    const err = do_setlink(req, dev, tb);
    if (err < 0) return err;
  }
  return 0;
}

/** RTM_NEWLINK for a device that is there. */
function rtnl_changelink(req: NlRequest, dev: NetDevice, tb: NlAttrs, info: NlAttrs): number {
  const flags = req.msg.flags;
  if ((flags & NLM_F_EXCL) !== 0) return -EEXIST;
  if ((flags & NLM_F_REPLACE) !== 0) return -EOPNOTSUPP;
  const ops = dev.rtnl_link_ops;
  if (info[L.IFLA_INFO_DATA] !== undefined) {
    if (ops === null || ops.kind !== nla_get_string(info[L.IFLA_INFO_KIND]) || !ops.changelink) return -EOPNOTSUPP;
    const err = ops.changelink(dev, raw_attrs(info[L.IFLA_INFO_DATA]), req.extack);
    if (err < 0) return err;
    rtmsg_ifinfo(RTM_NEWLINK, dev, 0);
  }
  if (info[L.IFLA_INFO_SLAVE_DATA] !== undefined) {
    const master = dev.master;
    if (!master?.rtnl_link_ops?.slave_changelink) return -EOPNOTSUPP;
    const data = raw_attrs(info[L.IFLA_INFO_SLAVE_DATA]);
    const err = master.rtnl_link_ops.slave_changelink(master, dev, data, req.extack);
    if (err < 0) return err;
    rtmsg_ifinfo(RTM_NEWLINK, dev, 0);
  }
  return do_setlink(req, dev, tb);
}

function rtnl_newlink(req: NlRequest): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  let err = nlmsg_parse_deprecated(req, L.IFINFOMSG_LEN, tb, ifla_policy);
  if (err < 0) return err;
  const info: NlAttrs = [];
  if (tb[L.IFLA_LINKINFO] !== undefined) {
    err = nla_parse_nested_deprecated(req, tb[L.IFLA_LINKINFO], info, ifla_info_policy);
    if (err < 0) return err;
  }
  const index = m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true);
  if (index < 0) return nl_err(req.extack, "ifindex can't be negative", -EINVAL);
  let dev: NetDevice | null = null;
  if (index > 0) dev = req.net.dev_by_index.get(index) ?? null;
  else if (tb[L.IFLA_IFNAME] !== undefined || tb[L.IFLA_ALT_IFNAME] !== undefined) dev = rtnl_dev_get(req.net, tb);
  if (dev !== null) return rtnl_changelink(req, dev, tb, info);
  if ((m.flags & NLM_F_CREATE) === 0) {
    if (index === 0 && tb[L.IFLA_GROUP] !== undefined) return rtnl_group_changelink(req, tb);
    return -ENODEV;
  }
  return rtnl_newlink_create(req, tb, info);
}

// --- RTM_DELLINK --------------------------------------------------------------------------------------------------

function rtnl_group_dellink(req: NlRequest, group: number): number {
  if (group === 0) return -EPERM;
  const doomed = for_each_netdev(req.net).filter((d) => d.group === group);
  if (doomed.length === 0) return -ENODEV;
  if (doomed.some((d) => d.rtnl_link_ops === null)) return -EOPNOTSUPP;
  for (const d of doomed) if (d.reg_state === NETREG_REGISTERED) d.rtnl_link_ops!.dellink(d);
  return 0;
}

function rtnl_dellink(req: NlRequest): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated(req, L.IFINFOMSG_LEN, tb, ifla_policy);
  if (err < 0) return err;
  const net = rtnl_get_net_ns_capable(req, tb);
  if (net === null) return -EINVAL;
  const index = m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true);
  let dev: NetDevice | null;
  if (index > 0) dev = net.dev_by_index.get(index) ?? null;
  else if (tb[L.IFLA_IFNAME] !== undefined || tb[L.IFLA_ALT_IFNAME] !== undefined) dev = rtnl_dev_get(net, tb);
  else if (tb[L.IFLA_GROUP] !== undefined) return rtnl_group_dellink(req, nla_get_u32(tb[L.IFLA_GROUP]));
  else return -EINVAL;
  if (dev === null) return index > 0 || tb[L.IFLA_IFNAME] !== undefined ? -ENODEV : -EINVAL;
  if (dev.rtnl_link_ops === null) return -EOPNOTSUPP;
  dev.rtnl_link_ops.dellink(dev);
  return 0;
}

// --- alternative names --------------------------------------------------------------------------------------------

function rtnl_linkprop(req: NlRequest, add: boolean): number {
  const m = req.msg;
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated_strict(req, L.IFINFOMSG_LEN, tb, ifla_policy);
  if (err < 0) return err;
  const index = m.dv.getInt32(m.off + L.IFINFOMSG_INDEX, true);
  const dev = index > 0 ? (req.net.dev_by_index.get(index) ?? null) : rtnl_dev_get(req.net, tb);
  if (dev === null) return -ENODEV;
  if (tb[L.IFLA_PROP_LIST] === undefined) return 0;
  let changed = false;
  for (const a of nla_list(tb[L.IFLA_PROP_LIST])) {
    if (a.type !== L.IFLA_ALT_IFNAME) continue;
    const name = nla_get_string(a);
    if (name === "" || name.length >= ALTIFNAMSIZ || a.len < 1) return req.bad(a, "", -EINVAL);
    const names = dev.altnames ?? [];
    if (add) {
      if (req.net.dev_by_name.has(name) || by_altname(req.net, name) !== null) return -EEXIST;
      dev.altnames = [...names, name];
    } else {
      if (by_altname(req.net, name) === null && !req.net.dev_by_name.has(name)) return -2;
      if (!names.includes(name)) return -EINVAL;
      dev.altnames = names.filter((n) => n !== name);
    }
    changed = true;
  }
  if (changed) call_netdevice_notifiers(NETDEV_CHANGE, dev, 0);
  return 0;
}

export function rtnl_link_init(k: Kernel): void {
  k.rtnl_link_ops ??= new Map();
  rtnl_fill_init(k);
  rtnl_register(k, 0, RTM_GETLINK, rtnl_getlink, rtnl_dump_ifinfo);
  rtnl_register(k, 0, RTM_SETLINK, rtnl_setlink, null);
  rtnl_register(k, 0, RTM_NEWLINK, rtnl_newlink, null);
  rtnl_register(k, 0, RTM_DELLINK, rtnl_dellink, null);
  rtnl_register(k, 0, RTM_NEWLINKPROP, (req) => rtnl_linkprop(req, true), null);
  rtnl_register(k, 0, RTM_DELLINKPROP, (req) => rtnl_linkprop(req, false), null);
  rtnl_stats_init(k);
}
