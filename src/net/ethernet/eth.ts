// Ethernet framing: the header of what is sent, the classification of what arrives. Mirrors net/ethernet/eth.c.
// Read first: IEEE 802.3 clause 3.2; RFC 894, RFC 1042. Way in: ether_setup(), eth_type_trans(), eth_header().

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_eth_type_trans } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EADDRNOTAVAIL, EBUSY } from "../../uapi/errno.ts";
import { ARPHRD_ETHER, IFF_BROADCAST, IFF_LOOPBACK, IFF_MULTICAST, IFF_NOARP } from "../../uapi/if.ts";
import {
  ETH_ALEN,
  ETH_DATA_LEN,
  ETH_HLEN,
  ETH_P_802_2,
  ETH_P_802_3,
  ETH_P_802_3_MIN,
  ETH_PROTO,
  ETH_SRC,
} from "../../uapi/ip.ts";
import { NET_ADDR_RANDOM } from "../../uapi/netdev_misc.ts";
import { PACKET_BROADCAST, PACKET_HOST, PACKET_MULTICAST, PACKET_OTHERHOST } from "../../uapi/socket.ts";
import { IFF_LIVE_ADDR_CHANGE, IFF_TX_SKB_SHARING } from "../core/dev_api.ts";
import { type HeaderOps, type NetDevice, netif_running } from "../core/netdevice.ts";
import { type SkBuff, skb_push } from "../core/skbuff.ts";

export { dev_hard_header, dev_parse_header } from "../core/dev_header.ts";

export const ETH_MIN_MTU = 68;

export const is_multicast_ether_addr = (a: Uint8Array, at = 0): boolean => (a[at]! & 1) !== 0;
export const is_local_ether_addr = (a: Uint8Array, at = 0): boolean => (a[at]! & 2) !== 0;
export const is_broadcast_ether_addr = (a: Uint8Array, at = 0): boolean =>
  (a[at]! & a[at + 1]! & a[at + 2]! & a[at + 3]! & a[at + 4]! & a[at + 5]!) === 0xff;
export const is_zero_ether_addr = (a: Uint8Array, at = 0): boolean =>
  (a[at]! | a[at + 1]! | a[at + 2]! | a[at + 3]! | a[at + 4]! | a[at + 5]!) === 0;
/** May a station have it: neither a group nor all zeros. */
export const is_valid_ether_addr = (a: Uint8Array, at = 0): boolean =>
  !is_multicast_ether_addr(a, at) && !is_zero_ether_addr(a, at);
/** 01-80-C2-00-00-0X: what a bridge never forwards (IEEE 802.1D 7.12.6). */
export const is_link_local_ether_addr = (a: Uint8Array, at = 0): boolean =>
  a[at] === 0x01 &&
  a[at + 1] === 0x80 &&
  a[at + 2] === 0xc2 &&
  a[at + 3] === 0 &&
  a[at + 4] === 0 &&
  (a[at + 5]! & 0xf0) === 0;
/** The low byte differs first in practice: it is compared first. */
const ether_addr_equal = (a: Uint8Array, a_at: number, b: Uint8Array, b_at: number): boolean =>
  a[a_at + 5] === b[b_at + 5] &&
  a[a_at + 4] === b[b_at + 4] &&
  a[a_at + 3] === b[b_at + 3] &&
  a[a_at + 2] === b[b_at + 2] &&
  a[a_at + 1] === b[b_at + 1] &&
  a[a_at] === b[b_at];

function ether_addr_copy(dst: Uint8Array, dst_at: number, src: Uint8Array, src_at: number): void {
  dst[dst_at] = src[src_at]!;
  dst[dst_at + 1] = src[src_at + 1]!;
  dst[dst_at + 2] = src[src_at + 2]!;
  dst[dst_at + 3] = src[src_at + 3]!;
  dst[dst_at + 4] = src[src_at + 4]!;
  dst[dst_at + 5] = src[src_at + 5]!;
}

/** A random unicast address of the locally administered space. */
function eth_random_addr(k: Kernel, out: Uint8Array): void {
  k.host.random_bytes(out);
  out[0] = (out[0]! & 0xfe) | 0x02;
}

/** The same as the address of a device: dev_addr is replaced, addr_assign_type says that it is random. */
export function eth_hw_addr_random(dev: NetDevice): void {
  const addr = new Uint8Array(ETH_ALEN);
  eth_random_addr(dev.net.kernel, addr);
  eth_hw_addr_set(dev, addr);
  dev.addr_assign_type = NET_ADDR_RANDOM;
}

function eth_hw_addr_set(dev: NetDevice, addr: Uint8Array): void {
  ether_addr_copy(dev.dev_addr, 0, addr, 0);
}

/**
 * The header of a frame. A null `saddr` is the device's own address. Without `daddr` the address stays open and the
 * result is -ETH_HLEN, except on devices that need none.
 */
function eth_header(
  skb: SkBuff,
  dev: NetDevice,
  type: number,
  daddr: Uint8Array | null,
  saddr: Uint8Array | null,
  len: number,
): number {
  const at = skb_push(skb, ETH_HLEN);
  const head = skb.head;
  head.dv.setUint16(at + ETH_PROTO, type === ETH_P_802_3 || type === ETH_P_802_2 ? len : type);
  ether_addr_copy(head.u8, at + ETH_SRC, saddr !== null ? saddr : dev.dev_addr, 0);
  if (daddr !== null) {
    ether_addr_copy(head.u8, at, daddr, 0);
    return ETH_HLEN;
  }
  if ((dev.flags & (IFF_LOOPBACK | IFF_NOARP)) !== 0) {
    head.u8.fill(0, at, at + ETH_ALEN);
    return ETH_HLEN;
  }
  return -ETH_HLEN;
}

function eth_header_parse(skb: SkBuff, haddr: Uint8Array): number {
  if (skb.mac_header < 0 || skb.mac_header + ETH_HLEN > skb.tail) return 0;
  ether_addr_copy(haddr, 0, skb.head.u8, skb.mac_header + ETH_SRC);
  return ETH_ALEN;
}

/** A header to be copied in front of each packet to one neighbour. A length field cannot be cached: -1. */
export function eth_header_cache(dev: NetDevice, daddr: Uint8Array, type: number, hh: Uint8Array): number {
  if (type === ETH_P_802_3) return -1;
  ether_addr_copy(hh, 0, daddr, 0);
  ether_addr_copy(hh, ETH_SRC, dev.dev_addr, 0);
  hh[ETH_PROTO] = type >> 8;
  hh[ETH_PROTO + 1] = type & 0xff;
  return ETH_HLEN;
}

/**
 * What a driver calls for each frame: whose it is (pkt_type), where its header lies, and which protocol it carries. The
 * header is pulled. Returns the Ethertype; a frame with a length field is ETH_P_802_2, or ETH_P_802_3 for raw IPX.
 */
export function eth_type_trans(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_eth_type_trans, skb);
  skb.dev = dev;
  const mac = skb.data;
  skb.mac_header = mac;
  const len = skb.len - ETH_HLEN;
  // A runt has no header to pull: whoever hands it to the protocols has to find it too short.
  if (len < 0 || ETH_HLEN > skb.len - skb.data_len) {
    skb.pkt_type = PACKET_OTHERHOST;
    return ETH_P_802_2;
  }
  skb.len = len;
  skb.data = mac + ETH_HLEN;
  const u8 = skb.head.u8;
  if (ether_addr_equal(u8, mac, dev.dev_addr, 0)) skb.pkt_type = PACKET_HOST;
  else if ((u8[mac]! & 1) === 0) skb.pkt_type = PACKET_OTHERHOST;
  else skb.pkt_type = ether_addr_equal(u8, mac, dev.broadcast, 0) ? PACKET_BROADCAST : PACKET_MULTICAST;
  const proto = (u8[mac + ETH_PROTO]! << 8) | u8[mac + ETH_PROTO + 1]!;
  if (proto >= ETH_P_802_3_MIN) return proto;
  // Novell's "raw" 802.3 starts with an IPX checksum of all ones where 802.2 has its SAPs.
  if (len >= 2 && u8[mac + ETH_HLEN] === 0xff && u8[mac + ETH_HLEN + 1] === 0xff) return ETH_P_802_3;
  return ETH_P_802_2;
}

/** 0 when `addr` may be set now: -EBUSY on a running device that cannot change it live, -EADDRNOTAVAIL for a bad one. */
function eth_prepare_mac_addr_change(dev: NetDevice, addr: Uint8Array): number {
  if ((dev.priv_flags & IFF_LIVE_ADDR_CHANGE) === 0 && netif_running(dev)) return -EBUSY;
  return addr.length >= ETH_ALEN && is_valid_ether_addr(addr) ? 0 : -EADDRNOTAVAIL;
}

/** ndo_set_mac_address of devices without hardware behind. */
export function eth_mac_addr(dev: NetDevice, addr: Uint8Array): number {
  const err = eth_prepare_mac_addr_change(dev, addr);
  if (err < 0) return err;
  eth_hw_addr_set(dev, addr);
  return 0;
}

export const eth_header_ops: HeaderOps = {
  create: eth_header,
  parse: eth_header_parse,
  cache: eth_header_cache,
};

/** Makes a fresh device an Ethernet: what alloc_etherdev_mqs() presets. */
export function ether_setup(dev: NetDevice): void {
  dev.header_ops = eth_header_ops;
  dev.type = ARPHRD_ETHER;
  dev.hard_header_len = ETH_HLEN;
  dev.min_header_len = ETH_HLEN;
  dev.mtu = ETH_DATA_LEN;
  dev.min_mtu = ETH_MIN_MTU;
  dev.max_mtu = ETH_DATA_LEN;
  dev.addr_len = ETH_ALEN;
  dev.tx_queue_len = 1000;
  dev.flags = IFF_BROADCAST | IFF_MULTICAST;
  dev.priv_flags |= IFF_TX_SKB_SHARING;
  dev.broadcast.fill(0xff);
}

/** RFC 1112 section 6.4: the low 23 bits of the group behind 01-00-5E. */
export function ip_eth_mc_map(addr: number, out: Uint8Array): void {
  out[0] = 0x01;
  out[1] = 0x00;
  out[2] = 0x5e;
  out[3] = (addr >> 16) & 0x7f;
  out[4] = (addr >> 8) & 0xff;
  out[5] = addr & 0xff;
}

/** RFC 2464 section 7: the last 32 bits of the group behind 33-33. */
export function ipv6_eth_mc_map(addr3: number, out: Uint8Array): void {
  out[0] = 0x33;
  out[1] = 0x33;
  out[2] = addr3 >>> 24;
  out[3] = (addr3 >> 16) & 0xff;
  out[4] = (addr3 >> 8) & 0xff;
  out[5] = addr3 & 0xff;
}

/** "02:00:00:00:00:01". */
export function mac_text(a: Uint8Array, len: number = ETH_ALEN): string {
  let s = "";
  for (let i = 0; i < len; i++) s += (i > 0 ? ":" : "") + a[i]!.toString(16).padStart(2, "0");
  return s;
}
