// dev_loopback_xmit(): our own multicast and broadcast come back up as if they had been received on the device.
// Mirrors dev_loopback_xmit() of net/core/dev.c.

import type { Kernel } from "../../kernel/kernel.ts";
import { PACKET_LOOPBACK } from "../../uapi/socket.ts";
import { netif_rx } from "../core/dev.ts";
import { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, type SkBuff, skb_dst_force } from "../core/skbuff.ts";

function dev_loopback_xmit(skb: SkBuff): number {
  skb.mac_header = skb.data;
  skb.network_header = skb.data;
  skb.pkt_type = PACKET_LOOPBACK;
  if (skb.ip_summed === CHECKSUM_NONE) skb.ip_summed = CHECKSUM_UNNECESSARY;
  skb_dst_force(skb);
  netif_rx(skb);
  return 0;
}

export function ip_mc_loopback_init(k: Kernel): void {
  k.dev_loopback_xmit = dev_loopback_xmit;
}
