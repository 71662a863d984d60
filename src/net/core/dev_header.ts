// The link header of a device, whatever its type: header_ops behind one call. Mirrors the inlines of linux/netdevice.h.
// Way in: dev_hard_header(), dev_parse_header().

import type { NetDevice } from "./netdevice.ts";
import type { SkBuff } from "./skbuff.ts";

/** Puts the link header in front of data. Returns its length, 0 where the device has none, negative without a daddr. */
export const dev_hard_header = (
  skb: SkBuff,
  dev: NetDevice,
  type: number,
  daddr: Uint8Array | null,
  saddr: Uint8Array | null,
  len: number,
): number => (dev.header_ops === null ? 0 : dev.header_ops.create(skb, dev, type, daddr, saddr, len));

/** The sender's hardware address of a received packet; returns its length, 0 when there is none. */
export const dev_parse_header = (skb: SkBuff, haddr: Uint8Array): number => {
  const dev = skb.dev;
  return dev === null || dev.header_ops === null ? 0 : dev.header_ops.parse(skb, haddr);
};
