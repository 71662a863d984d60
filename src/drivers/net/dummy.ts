// dummy: a device that takes every packet and throws it away. Mirrors drivers/net/dummy.c.
// Way in: `ip link add dummy0 type dummy`.

import type { Kernel } from "../../kernel/kernel.ts";
import {
  alloc_netdev,
  IFF_NO_QUEUE,
  IFF_NOARP,
  register_netdevice,
  unregister_netdevice,
} from "../../net/core/dev_api.ts";
import type { Net } from "../../net/core/net_namespace.ts";
import {
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_LLTX,
  NETIF_F_SG,
  type NetDevice,
  type NetDeviceOps,
  type NewLinkAttrs,
  type RtnlLinkOps,
} from "../../net/core/netdevice.ts";
import { consume_skb, type SkBuff } from "../../net/core/skbuff.ts";
import { skb_tx_timestamp } from "../../net/core/sock_tstamp.ts";
import { eth_hw_addr_random, eth_mac_addr, ether_setup } from "../../net/ethernet/eth.ts";
import { EEXIST } from "../../uapi/errno.ts";
import { NET_ADDR_RANDOM } from "../../uapi/netdev_misc.ts";
import { rtnl_link_register } from "./veth.ts";

const dummy_netdev_ops: NetDeviceOps = {
  ndo_start_xmit(skb: SkBuff, dev: NetDevice): number {
    skb_tx_timestamp(skb);
    dev.stats.tx_packets++;
    dev.stats.tx_bytes += skb.len;
    consume_skb(skb);
    return NETDEV_TX_OK;
  },
  ndo_set_mac_address: eth_mac_addr,
  ndo_set_rx_mode() {},
};

function dummy_setup(dev: NetDevice): void {
  ether_setup(dev);
  dev.flags |= IFF_NOARP;
  dev.flags &= ~0x1000;
  dev.priv_flags |= IFF_NO_QUEUE;
  dev.features |=
    NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_GSO_SOFTWARE | NETIF_F_HW_CSUM | NETIF_F_HIGHDMA | NETIF_F_LLTX;
  dev.hw_features |= dev.features;
  dev.min_mtu = 0;
  dev.max_mtu = 0;
  dev.rtnl_link_ops = dummy_link_ops;
}

const dummy_link_ops: RtnlLinkOps = {
  kind: "dummy",
  newlink(net: Net, attrs: NewLinkAttrs): number {
    const dev = alloc_netdev(net, attrs.ifname !== "" ? attrs.ifname : "dummy%d", dummy_netdev_ops, dummy_setup);
    if (attrs.mtu !== null) dev.mtu = attrs.mtu;
    if (attrs.txqlen !== null) dev.tx_queue_len = attrs.txqlen;
    if (attrs.address !== null) dev.dev_addr = attrs.address.slice();
    else {
      eth_hw_addr_random(dev);
      dev.addr_assign_type = NET_ADDR_RANDOM;
    }
    const err = register_netdevice(dev);
    if (err < 0) return err === -17 ? -EEXIST : err;
    attrs.ifname = dev.name;
    return 0;
  },
  dellink: (dev) => unregister_netdevice(dev),
};

export function dummy_init(k: Kernel): void {
  rtnl_link_register(k, dummy_link_ops);
}
