// tun: a point-to-point device of bare IP packets whose other end is a program. Mirrors drivers/net/tun.c (IFF_TUN | IFF_NO_PI).
// Read first: Linux's Documentation/networking/tuntap.rst. Way in: tun_create(), tun_get_user(); what is sent goes to TunFile.read.

import { trace_fn } from "../../kernel/trace.ts";
import { F_tun_net_xmit } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { netif_rx } from "../../net/core/dev.ts";
import {
  alloc_netdev,
  IFF_MULTICAST,
  IFF_NOARP,
  IFF_POINTOPOINT,
  netif_carrier_on,
  register_netdevice,
} from "../../net/core/dev_api.ts";
import type { Net } from "../../net/core/net_namespace.ts";
import {
  NETDEV_TX_OK,
  NETIF_F_ALL_TSO,
  NETIF_F_FRAGLIST,
  NETIF_F_HW_CSUM,
  NETIF_F_LLTX,
  NETIF_F_SG,
  type NetDevice,
  type NetDeviceOps,
} from "../../net/core/netdevice.ts";
import { skb_copy_bits } from "../../net/core/skb_data.ts";
import {
  alloc_skb,
  consume_skb,
  NET_SKB_PAD,
  SKB_TRUESIZE,
  type SkBuff,
  skb_orphan,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
} from "../../net/core/skbuff.ts";
import { skb_tx_timestamp } from "../../net/core/sock_tstamp.ts";
import { EINVAL, EIO, ENOMEM } from "../../uapi/errno.ts";
import { IFF_UP } from "../../uapi/if.ts";
import { ARPHRD_NONE, ETH_P_IP } from "../../uapi/ip.ts";

/** The program's end of the device (struct tun_file). */
export class TunFile {
  dev: NetDevice | null = null;
  /** A packet that the machine sent; the bytes are the reader's own. */
  readonly read: (packet: Uint8Array) => void;
  constructor(read: (packet: Uint8Array) => void) {
    this.read = read;
  }
}

function tun_net_xmit(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_tun_net_xmit, skb);
  skb_tx_timestamp(skb);
  // The reader may take it whenever it likes: the sender's buffer is not charged for that long.
  skb_orphan(skb);
  const packet = new Uint8Array(skb.len);
  skb_copy_bits(skb, 0, packet, 0, skb.len);
  dev.stats.tx_packets++;
  dev.stats.tx_bytes += skb.len;
  consume_skb(skb);
  (dev.priv as TunFile).read(packet);
  return NETDEV_TX_OK;
}

/** What TUNSETOFFLOAD can turn on (TUN_USER_FEATURES). */
const TUN_USER_FEATURES = NETIF_F_HW_CSUM | NETIF_F_ALL_TSO;

const tun_netdev_ops: NetDeviceOps = {
  ndo_start_xmit: tun_net_xmit,
  // Without TUNSETOFFLOAD the program takes neither open sums nor segments that are still to be cut.
  ndo_fix_features: (_dev, features) => features & ~TUN_USER_FEATURES,
};

function tun_net_init(dev: NetDevice): void {
  dev.type = ARPHRD_NONE;
  dev.mtu = 1500;
  dev.min_mtu = 68;
  dev.max_mtu = 65535;
  dev.hard_header_len = 0;
  dev.addr_len = 0;
  dev.tx_queue_len = 500;
  dev.flags = IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
  dev.hw_features = NETIF_F_SG | NETIF_F_FRAGLIST | TUN_USER_FEATURES;
  dev.features |= NETIF_F_LLTX;
}

/** TUNSETIFF: a device of this name, whose packets go to `read`. */
export function tun_create(net: Net, name: string, file: TunFile): NetDevice | number {
  const dev = alloc_netdev(net, name, tun_netdev_ops, tun_net_init);
  dev.priv = file;
  const err = register_netdevice(dev);
  if (err < 0) return err;
  file.dev = dev;
  netif_carrier_on(dev);
  return dev;
}

/** What Linux puts into the head of a packet; the rest it takes as pages. */
const LINEAR = 4096 - NET_SKB_PAD - 320;

/** A packet from outside. Its memory is one piece here, and counts (truesize) as that of Linux: a page, and pages. */
function tun_alloc_skb(dev: NetDevice, len: number): SkBuff | null {
  const skb = alloc_skb(dev.net.kernel, NET_SKB_PAD + len);
  if (skb === null) return null;
  skb_reserve(skb, NET_SKB_PAD);
  skb.dev = dev;
  if (len > LINEAR) skb.truesize = SKB_TRUESIZE(NET_SKB_PAD + LINEAR) + ((len - LINEAR + 4095) & -4096);
  return skb;
}

/** write(2): a packet from outside. Returns its length or -errno; called within an entry into the kernel. */
export function tun_get_user(dev: NetDevice, packet: Uint8Array): number {
  if ((dev.flags & IFF_UP) === 0) return -EIO;
  // IFF_NO_PI: the version tells the protocol.
  if (packet.length === 0 || packet[0]! >> 4 !== 4) {
    dev.stats.rx_dropped++;
    return -EINVAL;
  }
  const skb = tun_alloc_skb(dev, packet.length);
  if (skb === null) return -ENOMEM;
  skb.head.u8.set(packet, skb_put(skb, packet.length));
  skb.protocol = ETH_P_IP;
  skb.mac_header = skb.data;
  skb_reset_network_header(skb);
  dev.stats.rx_packets++;
  dev.stats.rx_bytes += packet.length;
  netif_rx(skb);
  return packet.length;
}
