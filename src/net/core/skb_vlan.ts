// 802.1Q tags between the frame and the packet's metadata. Mirrors skb_vlan_untag() of net/core/skbuff.c and if_vlan.h.
// Read first: IEEE 802.1Q clause 9.6. Way in: skb_vlan_untag() from __netif_receive_skb_core().

import { ETH_ALEN, ETH_P_802_2, ETH_P_802_3, ETH_P_802_3_MIN, ETH_P_8021AD, ETH_P_8021Q } from "../../uapi/ip.ts";
import { SKB_DROP_REASON_NOT_SPECIFIED } from "./dropreason.ts";
import { skb_pull_rcsum } from "./skb_checksum.ts";
import { kfree_skb_reason, pskb_may_pull, type SkBuff, skb_cow_head, skb_share_check } from "./skbuff.ts";

/** TCI and the type of what follows. */
export const VLAN_HLEN = 4;
export const VLAN_VID_MASK = 0x0fff;

export const eth_type_vlan = (protocol: number): boolean => protocol === ETH_P_8021Q || protocol === ETH_P_8021AD;

/** The type behind a tag: an Ethertype, or what a length field stands for. */
function vlan_encap_proto(skb: SkBuff): number {
  const dv = skb.head.dv;
  const proto = dv.getUint16(skb.data + 2);
  if (proto >= ETH_P_802_3_MIN) return proto;
  const ipx = skb.len >= VLAN_HLEN + 2 && skb.len - skb.data_len >= VLAN_HLEN + 2;
  return ipx && dv.getUint16(skb.data + VLAN_HLEN) === 0xffff ? ETH_P_802_3 : ETH_P_802_2;
}

/**
 * Takes the tag at skb.data into vlan_tci, and closes the gap: the addresses move up to the inner type. Null when the frame
 * ends in its tag, and is gone. A second tag stays in the frame.
 */
export function skb_vlan_untag(skb: SkBuff): SkBuff | null {
  if (skb.vlan_present) return skb;
  const own = skb_share_check(skb);
  if (!pskb_may_pull(own, VLAN_HLEN) || skb_cow_head(own, 0) < 0) {
    kfree_skb_reason(own, SKB_DROP_REASON_NOT_SPECIFIED);
    return null;
  }
  own.vlan_tci = own.head.dv.getUint16(own.data);
  own.vlan_proto = own.protocol;
  own.vlan_present = true;
  own.protocol = vlan_encap_proto(own);
  skb_pull_rcsum(own, VLAN_HLEN);
  own.head.u8.copyWithin(own.mac_header + VLAN_HLEN, own.mac_header, own.mac_header + 2 * ETH_ALEN);
  own.mac_header += VLAN_HLEN;
  own.network_header = own.data;
  own.transport_header = own.data;
  own.mac_len = own.data - own.mac_header;
  return own;
}
