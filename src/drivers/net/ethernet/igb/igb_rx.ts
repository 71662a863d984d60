// igb, receive: buffers into the ring, frames out of it. Mirrors the receive half of drivers/net/ethernet/intel/igb/igb_main.c.
// Read first: hw/82576_regs.ts, "Receive descriptor". Way in: igb_clean_rx_irq() from igb_poll(); igb_alloc_rx_buffers().

import {
  E1000_RXD_STAT_DD,
  E1000_RXD_STAT_EOP,
  E1000_RXD_STAT_IXSM,
  E1000_RXD_STAT_L4CS,
  E1000_RXD_STAT_UDPCS,
  E1000_RXD_STAT_VP,
  E1000_RXDEXT_STATERR_CE,
  E1000_RXDEXT_STATERR_IPE,
  E1000_RXDEXT_STATERR_L4E,
  E1000_RXDEXT_STATERR_RXE,
} from "../../../../hw/82576_regs.ts";
import { pci_write32 } from "../../../../hw/pci.ts";
import { trace_detail, trace_fn, trace_note } from "../../../../kernel/trace.ts";
import { F_igb_clean_rx_irq } from "../../../../kernel/trace_fn.ts";
import { trace_key } from "../../../../kernel/trace_key.ts";
import { napi_gro_receive, netif_rx } from "../../../../net/core/dev.ts";
import { SKB_DROP_REASON_DEV_READY } from "../../../../net/core/dropreason.ts";
import {
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_RXALL,
  NETIF_F_RXCSUM,
  NETIF_F_RXHASH,
} from "../../../../net/core/netdevice.ts";
import {
  alloc_skb,
  build_skb,
  CHECKSUM_UNNECESSARY,
  type HeadBuf,
  head_add_frag,
  head_alloc,
  head_copy,
  head_put,
  kfree_skb_reason,
  MAX_SKB_FRAGS,
  NET_SKB_PAD,
  type SkBuff,
  skb_put,
  skb_reserve,
} from "../../../../net/core/skbuff.ts";
import { eth_type_trans } from "../../../../net/ethernet/eth.ts";
import { ETH_P_8021Q } from "../../../../uapi/ip.ts";
import {
  IGB_RX_BUFFER_WRITE,
  IGB_RX_HDR_LEN,
  type IgbQVector,
  type IgbRing,
  igb_desc_unused,
  igb_put_dma,
} from "./igb.ts";

const FRAME_ERR_MASK = E1000_RXDEXT_STATERR_CE | E1000_RXDEXT_STATERR_RXE;

/** Gives `cleaned_count` descriptors a fresh buffer each and tells the hardware. */
export function igb_alloc_rx_buffers(rx_ring: IgbRing, cleaned_count: number): void {
  const k = rx_ring.adapter.kernel;
  const dv = rx_ring.dv;
  const info = rx_ring.rx_buffer_info;
  let i = rx_ring.next_to_use;
  const start = i;
  for (; cleaned_count > 0; cleaned_count--) {
    let page = info[i]!;
    if (page === null) {
      const fresh = head_alloc(k, rx_ring.rx_head_size);
      if (fresh === null) {
        rx_ring.alloc_failed++;
        break;
      }
      info[i] = page = fresh;
    }
    const d = i << 4;
    igb_put_dma(dv, d, page.dma + NET_SKB_PAD);
    // The header address overlies status and length: zero there is what "not done" looks like.
    dv.setInt32(d + 8, 0, true);
    dv.setInt32(d + 12, 0, true);
    if (++i === rx_ring.count) i = 0;
  }
  if (i === start) return;
  rx_ring.next_to_use = i;
  pci_write32(rx_ring.pf, rx_ring.tail, i);
}

/** The buffer becomes the packet's head: no copy, and the slot gets another one. */
function igb_build_skb(rx_ring: IgbRing, page: HeadBuf, size: number): SkBuff {
  const skb = build_skb(page, rx_ring.rx_head_size);
  skb_reserve(skb, NET_SKB_PAD);
  skb_put(skb, size);
  return skb;
}

/** Copybreak: a short frame into a packet of its own, and the buffer stays in its slot. */
function igb_construct_skb(rx_ring: IgbRing, page: HeadBuf, size: number): SkBuff | null {
  const skb = alloc_skb(rx_ring.adapter.kernel, NET_SKB_PAD + IGB_RX_HDR_LEN);
  if (skb === null) return null;
  skb_reserve(skb, NET_SKB_PAD);
  head_copy(skb.head, skb_put(skb, size), page, NET_SKB_PAD, size);
  return skb;
}

/** The next buffer of a frame that is longer than one. */
function igb_add_rx_frag(rx_ring: IgbRing, skb: SkBuff, page: HeadBuf, size: number): boolean {
  const head = skb.head;
  if (head.nr_frags === MAX_SKB_FRAGS || size === 0) return false;
  head_add_frag(head, page, NET_SKB_PAD, size);
  skb.len += size;
  skb.data_len += size;
  skb.truesize += rx_ring.rx_head_size;
  return true;
}

function igb_rx_checksum(ring: IgbRing, staterr: number, skb: SkBuff): void {
  if (staterr & E1000_RXD_STAT_IXSM || !(ring.netdev.features & NETIF_F_RXCSUM)) return;
  if (staterr & (E1000_RXDEXT_STATERR_L4E | E1000_RXDEXT_STATERR_IPE)) {
    // Not dropped here: the stack checks it again and counts it where Linux counts it.
    ring.csum_err++;
    return;
  }
  if (staterr & (E1000_RXD_STAT_L4CS | E1000_RXD_STAT_UDPCS)) skb.ip_summed = CHECKSUM_UNNECESSARY;
}

/** What the descriptor knows of the frame: hash, checksum, tag, queue; and the protocol. */
function igb_process_skb_fields(rx_ring: IgbRing, d: number, staterr: number, skb: SkBuff): void {
  const dev = rx_ring.netdev;
  const dv = rx_ring.dv;
  // The type of the hash does not say that ports are in it, so it counts as one over addresses (PKT_HASH_TYPE_L3).
  if (dev.features & NETIF_F_RXHASH) skb.hash = dv.getInt32(d + 4, true);
  igb_rx_checksum(rx_ring, staterr, skb);
  if (staterr & E1000_RXD_STAT_VP && dev.features & NETIF_F_HW_VLAN_CTAG_RX) {
    skb.vlan_proto = ETH_P_8021Q;
    skb.vlan_tci = dv.getUint16(d + 14, true);
    skb.vlan_present = true;
  }
  skb.queue_mapping = rx_ring.queue_index;
  skb.protocol = eth_type_trans(skb, dev);
}

/**
 * Takes up to `budget` frames out of the ring and passes them up: through NAPI's GRO, or (without NAPI, in hard interrupt
 * context) to the backlog. Returns how many.
 */
export function igb_clean_rx_irq(q_vector: IgbQVector, budget: number): number {
  const rx_ring = q_vector.rx;
  const adapter = q_vector.adapter;
  const dv = rx_ring.dv;
  const info = rx_ring.rx_buffer_info;
  const copybreak = adapter.rx_copybreak;
  let skb = rx_ring.skb;
  let total_packets = 0;
  let total_bytes = 0;
  let cleaned_count = igb_desc_unused(rx_ring);
  let ntc = rx_ring.next_to_clean;
  while (total_packets < budget) {
    if (cleaned_count >= IGB_RX_BUFFER_WRITE) {
      rx_ring.next_to_clean = ntc;
      igb_alloc_rx_buffers(rx_ring, cleaned_count);
      cleaned_count = 0;
    }
    const d = ntc << 4;
    const staterr = dv.getInt32(d + 8, true);
    const page = info[ntc]!;
    if (!(staterr & E1000_RXD_STAT_DD) || page === null) break;
    const size = dv.getUint16(d + 12, true);
    const eop = staterr & E1000_RXD_STAT_EOP;
    let bad = staterr & FRAME_ERR_MASK && !(rx_ring.netdev.features & NETIF_F_RXALL) ? 1 : 0;
    if (size === 0 || size > rx_ring.rx_buffer_len) bad = 1;
    if (skb === null) {
      if (bad !== 0) {
        // The buffer was not used up and serves again.
      } else if (size <= copybreak && eop !== 0) {
        skb = igb_construct_skb(rx_ring, page, size);
        if (skb === null) rx_ring.alloc_failed++;
      } else {
        skb = igb_build_skb(rx_ring, page, size);
        info[ntc] = null;
      }
    } else if (igb_add_rx_frag(rx_ring, skb, page, size)) {
      info[ntc] = null;
    } else bad = 1;
    cleaned_count++;
    if (++ntc === rx_ring.count) ntc = 0;
    if (skb === null) continue;
    if (bad !== 0) {
      skb.dev = rx_ring.netdev;
      kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
      skb = null;
      continue;
    }
    if (eop === 0) continue;

    total_bytes += skb.len;
    total_packets++;
    skb.dev = rx_ring.netdev;
    if (trace_key.on) {
      trace_fn(F_igb_clean_rx_irq, skb);
      if (trace_detail(skb.kernel)) {
        const desc = (ntc === 0 ? rx_ring.count : ntc) - 1;
        trace_note(F_igb_clean_rx_irq, skb, { kind: "rx", dev: rx_ring.netdev.name, queue: rx_ring.queue_index, desc });
      }
    }
    igb_process_skb_fields(rx_ring, d, staterr, skb);
    rx_ring.next_to_clean = ntc;
    if (adapter.napi) napi_gro_receive(q_vector.napi, skb);
    else netif_rx(skb);
    skb = null;
    // What went up may have come back: the device was taken down under our feet.
    if (rx_ring.desc === null) return total_packets;
  }
  rx_ring.skb = skb;
  rx_ring.next_to_clean = ntc;
  rx_ring.packets += total_packets;
  rx_ring.bytes += total_bytes;
  q_vector.rx_packets += total_packets;
  q_vector.rx_bytes += total_bytes;
  if (cleaned_count !== 0) igb_alloc_rx_buffers(rx_ring, cleaned_count);
  return total_packets;
}

/** Frees every buffer of a ring that the hardware no longer uses. */
export function igb_clean_rx_ring(rx_ring: IgbRing): void {
  if (rx_ring.skb !== null) {
    rx_ring.skb.dev = rx_ring.netdev;
    kfree_skb_reason(rx_ring.skb, SKB_DROP_REASON_DEV_READY);
    rx_ring.skb = null;
  }
  const info = rx_ring.rx_buffer_info;
  for (let i = 0; i < info.length; i++) {
    const page = info[i]!;
    if (page !== null) head_put(page);
    info[i] = null;
  }
  rx_ring.next_to_clean = 0;
  rx_ring.next_to_use = 0;
}
