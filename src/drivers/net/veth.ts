// veth: a pair of devices; what one sends the other receives. Mirrors drivers/net/veth.c.
// Way in: `ip link add veth0 type veth peer name veth1`; veth_newlink().

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_veth_xmit } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { netif_rx } from "../../net/core/dev.ts";
import {
  alloc_netdev_mqs,
  dev_valid_name,
  IFF_LIVE_ADDR_CHANGE,
  IFF_NO_QUEUE,
  netif_carrier_off,
  netif_carrier_on,
  register_netdevice,
  unregister_netdevice,
} from "../../net/core/dev_api.ts";
import { SKB_DROP_REASON_NOT_SPECIFIED } from "../../net/core/dropreason.ts";
import { virtual_link_ksettings } from "../../net/core/ethtool_ops.ts";
import type { Net } from "../../net/core/net_namespace.ts";
import {
  NET_RX_DROP,
  NET_XMIT_DROP,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GRO,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_LLTX,
  NETIF_F_RXCSUM,
  NETIF_F_SCTP_CRC,
  NETIF_F_SG,
  type NetDevice,
  type NetDeviceOps,
  type NewLinkAttrs,
  type RtnlLinkOps,
} from "../../net/core/netdevice.ts";
import { VLAN_HLEN } from "../../net/core/skb_vlan.ts";
import { kfree_skb_reason, type SkBuff, skb_is_gso, skb_orphan, skb_scrub_packet } from "../../net/core/skbuff.ts";
import { skb_tx_timestamp } from "../../net/core/sock_tstamp.ts";
import { eth_hw_addr_random, eth_mac_addr, eth_type_trans, ether_setup } from "../../net/ethernet/eth.ts";
import { EINVAL, ENOTCONN } from "../../uapi/errno.ts";
import { IFF_UP } from "../../uapi/if.ts";
import { ETH_HLEN } from "../../uapi/ip.ts";
import { NET_ADDR_RANDOM } from "../../uapi/netdev_misc.ts";

class VethPriv {
  peer: NetDevice | null = null;
}

const veth_priv = (dev: NetDevice): VethPriv => dev.priv as VethPriv;

function veth_xmit(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_veth_xmit, skb);
  const rcv = (dev.priv as VethPriv).peer;
  if (rcv === null) {
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return NET_XMIT_DROP;
  }
  const len = skb.len;
  // is_skb_forwardable: the peer must be up, and its MTU bounds what it takes, with one VLAN tag beyond.
  if ((rcv.flags & IFF_UP) === 0 || (len > rcv.mtu + ETH_HLEN + VLAN_HLEN && !skb_is_gso(skb))) {
    rcv.stats.rx_dropped++;
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
    return NET_XMIT_DROP;
  }
  skb_tx_timestamp(skb);
  // __dev_forward_skb: nothing of the sender's world comes along.
  skb_orphan(skb);
  skb_scrub_packet(skb, rcv.net !== dev.net);
  skb.priority = 0;
  skb.hash = 0;
  skb.l4_hash = false;
  skb.sw_hash = false;
  skb.protocol = eth_type_trans(skb, rcv);
  if (netif_rx(skb) === NET_RX_DROP) {
    dev.stats.tx_dropped++;
    return NET_XMIT_DROP;
  }
  const tx = dev.stats;
  tx.tx_packets++;
  tx.tx_bytes += len;
  const rx = rcv.stats;
  rx.rx_packets++;
  rx.rx_bytes += len;
  return NETDEV_TX_OK;
}

function veth_open(dev: NetDevice): number {
  const peer = veth_priv(dev).peer;
  if (peer === null) return -ENOTCONN;
  if ((peer.flags & IFF_UP) !== 0) {
    netif_carrier_on(dev);
    netif_carrier_on(peer);
  }
  return 0;
}

function veth_close(dev: NetDevice): number {
  netif_carrier_off(dev);
  const peer = veth_priv(dev).peer;
  if (peer !== null) netif_carrier_off(peer);
  return 0;
}

const veth_netdev_ops: NetDeviceOps = {
  ndo_open: veth_open,
  ndo_stop: veth_close,
  ndo_start_xmit: veth_xmit,
  ndo_set_mac_address: eth_mac_addr,
  ndo_get_iflink: (dev) => veth_priv(dev).peer?.ifindex ?? 0,
};

const XDP_RX_STATS = ["xdp_packets", "xdp_bytes", "drops", "xdp_redirect", "xdp_drops", "xdp_tx", "xdp_tx_errors"];
const XDP_TX_STATS = ["xdp_xmit", "xdp_xmit_errors"];

/** There is no XDP, so all of these stay zero; scripts expect them. */
function xdp_stat_names(dev: NetDevice): string[] {
  const names: string[] = [];
  for (let q = 0; q < dev.real_num_rx_queues; q++) for (const s of XDP_RX_STATS) names.push(`rx_queue_${q}_${s}`);
  for (let q = 0; q < dev.real_num_tx_queues; q++) for (const s of XDP_TX_STATS) names.push(`tx_queue_${q}_${s}`);
  return names;
}

const VETH_FEATURES =
  NETIF_F_SG |
  NETIF_F_FRAGLIST |
  NETIF_F_HW_CSUM |
  NETIF_F_RXCSUM |
  NETIF_F_SCTP_CRC |
  NETIF_F_HIGHDMA |
  NETIF_F_GSO_SOFTWARE |
  NETIF_F_HW_VLAN_CTAG_TX |
  NETIF_F_HW_VLAN_CTAG_RX;

function veth_setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.priv_flags |= IFF_NO_QUEUE | IFF_LIVE_ADDR_CHANGE;
  dev.max_mtu = 65535;
  dev.features |= VETH_FEATURES | NETIF_F_LLTX;
  dev.hw_features = VETH_FEATURES;
  dev.vlan_features = dev.features & ~(NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_HW_VLAN_CTAG_RX);
  dev.priv = new VethPriv();
  dev.rtnl_link_ops = veth_link_ops;
  dev.ethtool_ops = {
    get_drvinfo: () => ({ driver: "veth", version: "1.0", fw_version: "", bus_info: "", n_priv_flags: 0 }),
    get_link: (d) => (d.state & 4) === 0,
    get_link_ksettings: () => virtual_link_ksettings(10000, 1, 0),
    get_channels: (d) => ({
      max_rx: d.rx.length,
      max_tx: d.tx.length,
      max_other: 0,
      max_combined: 0,
      rx_count: d.real_num_rx_queues,
      tx_count: d.real_num_tx_queues,
      other_count: 0,
      combined_count: 0,
    }),
    get_strings: (d) => ["peer_ifindex", ...xdp_stat_names(d)],
    get_ethtool_stats: (d) => [veth_priv(d).peer?.ifindex ?? 0, ...xdp_stat_names(d).map(() => 0)],
  };
}

function create_end(net: Net, attrs: NewLinkAttrs, asked: NewLinkAttrs, name: string): NetDevice {
  const dev = alloc_netdev_mqs(
    net,
    name,
    veth_netdev_ops,
    veth_setup,
    attrs.num_tx_queues || net.kernel.cpus.length,
    attrs.num_rx_queues || net.kernel.cpus.length,
  );
  // As many as there could be; one is used until ethtool or XDP asks for more. `asked` are the words before "peer".
  if (asked.num_tx_queues === 0) dev.real_num_tx_queues = 1;
  if (asked.num_rx_queues === 0) dev.real_num_rx_queues = 1;
  if (attrs.mtu !== null) dev.mtu = attrs.mtu;
  if (attrs.txqlen !== null) dev.tx_queue_len = attrs.txqlen;
  if (attrs.address !== null) dev.dev_addr = attrs.address.slice();
  else {
    eth_hw_addr_random(dev);
    dev.addr_assign_type = NET_ADDR_RANDOM;
  }
  return dev;
}

/** GRO needs NAPI, which an end has only with XDP or when GRO is asked for. DIFF: asking for it gives no NAPI here. */
function veth_disable_gro(dev: NetDevice): void {
  dev.features &= ~NETIF_F_GRO;
  dev.wanted_features &= ~NETIF_F_GRO;
}

/** Makes both ends. Either both are registered or none. */
function veth_newlink(net: Net, attrs: NewLinkAttrs, extack: { msg: string }): number {
  const p = attrs.peer;
  const peer_net = p !== null ? p.net : net;
  if (p !== null && p.ifname !== "" && !p.ifname.includes("%d") && !dev_valid_name(p.ifname)) {
    extack.msg = "Invalid peer name";
    return -EINVAL;
  }
  const peer_attrs = p ?? { ...attrs, ifname: "", address: null };
  const peer = create_end(peer_net, peer_attrs, attrs, peer_attrs.ifname !== "" ? peer_attrs.ifname : "veth%d");
  let err = register_netdevice(peer);
  if (err < 0) return err;
  netif_carrier_off(peer);
  const dev = create_end(net, attrs, attrs, attrs.ifname !== "" ? attrs.ifname : "veth%d");
  err = register_netdevice(dev);
  if (err < 0) {
    unregister_netdevice(peer);
    return err;
  }
  netif_carrier_off(dev);
  for (const end of [dev, peer]) veth_disable_gro(end);
  veth_priv(dev).peer = peer;
  veth_priv(peer).peer = dev;
  attrs.ifname = dev.name;
  return 0;
}

function veth_dellink(dev: NetDevice): void {
  const peer = veth_priv(dev).peer;
  veth_priv(dev).peer = null;
  if (peer !== null) veth_priv(peer).peer = null;
  unregister_netdevice(dev);
  if (peer !== null) unregister_netdevice(peer);
}

export const veth_link_ops: RtnlLinkOps = {
  kind: "veth",
  newlink: veth_newlink,
  dellink: veth_dellink,
  get_link_net: (dev) => veth_priv(dev).peer?.net ?? dev.net,
};

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Kinds of `ip link add type`: rtnl_link_register(). */
    rtnl_link_ops: Map<string, RtnlLinkOps>;
  }
}

export function rtnl_link_register(k: Kernel, ops: RtnlLinkOps): void {
  k.rtnl_link_ops.set(ops.kind, ops);
}

export function veth_init(k: Kernel): void {
  rtnl_link_register(k, veth_link_ops);
}
