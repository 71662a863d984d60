// lo: what is sent is received, at once, on the same CPU. Mirrors drivers/net/loopback.c.
// Way in: loopback_net_init(), for every namespace.

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_loopback_xmit } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { netif_rx } from "../../net/core/dev.ts";
import { alloc_netdev, IFF_LOOPBACK, IFF_NO_QUEUE, register_netdevice } from "../../net/core/dev_api.ts";
import { type Net, register_pernet_subsys } from "../../net/core/net_namespace.ts";
import {
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_LLTX,
  NETIF_F_LOOPBACK,
  NETIF_F_NETNS_LOCAL,
  NETIF_F_RXCSUM,
  NETIF_F_SCTP_CRC,
  NETIF_F_SG,
  NETIF_F_VLAN_CHALLENGED,
  type NetDevice,
  type NetDeviceOps,
} from "../../net/core/netdevice.ts";
import { type SkBuff, skb_dst_force, skb_orphan } from "../../net/core/skbuff.ts";
import { skb_tx_timestamp } from "../../net/core/sock_tstamp.ts";
import { eth_header_ops, eth_type_trans } from "../../net/ethernet/eth.ts";
import { ARPHRD_LOOPBACK } from "../../uapi/ip.ts";
import { NET_NAME_PREDICTABLE } from "../../uapi/netdev_misc.ts";

function loopback_xmit(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_loopback_xmit, skb);
  skb_tx_timestamp(skb);
  skb.tstamp = 0;
  skb_orphan(skb);
  skb_dst_force(skb);
  skb.protocol = eth_type_trans(skb, dev);
  // Without the link header: that is how Linux counts on lo.
  const len = skb.len;
  const stats = dev.stats;
  stats.rx_packets++;
  stats.tx_packets++;
  stats.rx_bytes += len;
  stats.tx_bytes += len;
  netif_rx(skb);
  return NETDEV_TX_OK;
}

const loopback_ops: NetDeviceOps = { ndo_start_xmit: loopback_xmit };

function loopback_setup(dev: NetDevice): void {
  dev.mtu = 65536;
  dev.max_mtu = 0;
  dev.min_mtu = 0;
  dev.type = ARPHRD_LOOPBACK;
  dev.flags = IFF_LOOPBACK;
  dev.priv_flags |= IFF_NO_QUEUE;
  dev.keep_dst = true;
  dev.header_ops = eth_header_ops;
  dev.broadcast = new Uint8Array(6);
  dev.ethtool_ops = { get_link: () => true };
  dev.hw_features = NETIF_F_GSO_SOFTWARE;
  dev.features =
    NETIF_F_SG |
    NETIF_F_FRAGLIST |
    NETIF_F_GSO_SOFTWARE |
    NETIF_F_HW_CSUM |
    NETIF_F_RXCSUM |
    NETIF_F_SCTP_CRC |
    NETIF_F_HIGHDMA |
    NETIF_F_LLTX |
    NETIF_F_NETNS_LOCAL |
    NETIF_F_VLAN_CHALLENGED |
    NETIF_F_LOOPBACK;
}

/** Every namespace has its lo with ifindex 1. */
export function loopback_init(k: Kernel): void {
  register_pernet_subsys(k, {
    init: (net: Net) => {
      const dev = alloc_netdev(net, "lo", loopback_ops, loopback_setup);
      dev.name_assign_type = NET_NAME_PREDICTABLE;
      register_netdevice(dev);
      net.loopback_dev = dev;
    },
  });
}
