// A device: "echo" turns each frame around. Registered as a kind of link, so `ip link add e0 type echo` makes one.
import { rtnl_link_register } from "../../src/drivers/net/veth.ts";
import type { Kernel } from "../../src/kernel/kernel.ts";
import { netif_rx } from "../../src/net/core/dev.ts";
import { alloc_netdev, IFF_NO_QUEUE, register_netdevice, unregister_netdevice } from "../../src/net/core/dev_api.ts";
import { NETDEV_TX_OK, type NetDevice, type NetDeviceOps, type RtnlLinkOps } from "../../src/net/core/netdevice.ts";
import type { SkBuff } from "../../src/net/core/skbuff.ts";
import { eth_hw_addr_random, eth_type_trans, ether_setup } from "../../src/net/ethernet/eth.ts";

const echo_netdev_ops: NetDeviceOps = {
  ndo_start_xmit(skb: SkBuff, dev: NetDevice): number {
    dev.stats.tx_packets++;
    dev.stats.rx_packets++;
    // To: our own MAC address. The frame goes up again as if a cable had brought it.
    skb.head.u8.set(dev.dev_addr, skb.data);
    skb.protocol = eth_type_trans(skb, dev);
    netif_rx(skb);
    return NETDEV_TX_OK;
  },
};

const echo_link_ops: RtnlLinkOps = {
  kind: "echo",
  newlink(net, attrs) {
    const dev = alloc_netdev(net, attrs.ifname || "echo%d", echo_netdev_ops, ether_setup);
    dev.priv_flags |= IFF_NO_QUEUE;
    dev.rtnl_link_ops = echo_link_ops;
    eth_hw_addr_random(dev);
    return register_netdevice(dev);
  },
  dellink: (dev) => unregister_netdevice(dev),
};

/** In src this would be an initcall in init/main.ts. */
export function echo_init(k: Kernel): void {
  rtnl_link_register(k, echo_link_ops);
}
