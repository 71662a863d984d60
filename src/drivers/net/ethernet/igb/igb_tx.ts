// igb, transmit: packets into descriptors, and their memory back. Mirrors the transmit half of intel/igb/igb_main.c.
// Read first: hw/82576_regs.ts, "Transmit descriptor". Way in: igb_xmit_frame(), igb_clean_tx_irq().

import {
  E1000_ADVTXD_DCMD_DEXT,
  E1000_ADVTXD_DCMD_EOP,
  E1000_ADVTXD_DCMD_IFCS,
  E1000_ADVTXD_DCMD_RS,
  E1000_ADVTXD_DCMD_TSE,
  E1000_ADVTXD_DCMD_VLE,
  E1000_ADVTXD_DTYP_CTXT,
  E1000_ADVTXD_DTYP_DATA,
  E1000_ADVTXD_L4LEN_SHIFT,
  E1000_ADVTXD_MACLEN_SHIFT,
  E1000_ADVTXD_MSS_SHIFT,
  E1000_ADVTXD_PAYLEN_SHIFT,
  E1000_ADVTXD_TUCMD_IPV4,
  E1000_ADVTXD_TUCMD_L4T_SCTP,
  E1000_ADVTXD_TUCMD_L4T_TCP,
  E1000_ADVTXD_TUCMD_L4T_UDP,
  E1000_TXD_POPTS_IXSM,
  E1000_TXD_POPTS_TXSM,
  E1000_TXD_STAT_DD,
} from "../../../../hw/82576_regs.ts";
import { pci_write32 } from "../../../../hw/pci.ts";
import { jiffies } from "../../../../kernel/kernel.ts";
import { trace_call, trace_detail, trace_fn, trace_note } from "../../../../kernel/trace.ts";
import {
  F_igb_clean_tx_irq,
  F_igb_tso,
  F_igb_tx_csum,
  F_igb_tx_map,
  F_igb_xmit_frame,
  F_igb_xmit_frame_ring,
} from "../../../../kernel/trace_fn.ts";
import { trace_key } from "../../../../kernel/trace_key.ts";
import { dev_kfree_skb_irq, netdev_tx_completed_queue, netif_tx_wake_queue } from "../../../../net/core/dev.ts";
import { SKB_DROP_REASON_DEV_READY } from "../../../../net/core/dropreason.ts";
import {
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  type NetDevice,
  netdev_tx_reset_queue,
  netdev_tx_sent_queue,
  netif_carrier_ok,
  netif_tx_queue_stopped,
  netif_tx_start_queue,
  netif_tx_stop_queue,
  netif_xmit_stopped,
} from "../../../../net/core/netdevice.ts";
import { skb_checksum_help } from "../../../../net/core/skb_checksum.ts";
import {
  CHECKSUM_PARTIAL,
  consume_skb,
  kfree_skb_reason,
  SKB_GSO_UDP_L4,
  type SkBuff,
  skb_cow_head,
  skb_linearize,
} from "../../../../net/core/skbuff.ts";
import { skb_tx_timestamp } from "../../../../net/core/sock_tstamp.ts";
import {
  __IGB_DOWN,
  DESC_NEEDED,
  IGB_MAX_DATA_PER_TXD,
  IGB_TX_FLAGS_CSUM,
  IGB_TX_FLAGS_IPV4,
  IGB_TX_FLAGS_TSO,
  IGB_TX_FLAGS_VLAN,
  IGB_TX_FLAGS_VLAN_SHIFT,
  IGB_TX_QUEUE_WAKE,
  type IgbAdapter,
  type IgbQVector,
  type IgbRing,
  type IgbTxBuffer,
  igb_desc_unused,
  igb_put_dma,
} from "./igb.ts";

const TCP_CSUM_OFFSET = 16;
const UDP_CSUM_OFFSET = 6;
const SCTP_CSUM_OFFSET = 8;
const ETH_P_IP = 0x0800;

/** Stops the queue; when room has come meanwhile, starts it again. Returns whether there is none. */
function __igb_maybe_stop_tx(tx_ring: IgbRing, size: number): boolean {
  const txq = tx_ring.txq!;
  netif_tx_stop_queue(txq);
  if (igb_desc_unused(tx_ring) < size) return true;
  netif_tx_start_queue(txq);
  tx_ring.restart_queue++;
  return false;
}

const igb_maybe_stop_tx = (tx_ring: IgbRing, size: number): boolean =>
  igb_desc_unused(tx_ring) >= size ? false : __igb_maybe_stop_tx(tx_ring, size);

/** A context descriptor: what the following data descriptors' offloads refer to. */
function igb_tx_ctxtdesc(tx_ring: IgbRing, vlan_macip_lens: number, type_tucmd: number, mss_l4len_idx: number): void {
  const i = tx_ring.next_to_use;
  tx_ring.next_to_use = i + 1 < tx_ring.count ? i + 1 : 0;
  const d = i << 4;
  const dv = tx_ring.dv;
  dv.setInt32(d, vlan_macip_lens, true);
  dv.setInt32(d + 4, 0, true);
  dv.setInt32(d + 8, type_tucmd | E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_DTYP_CTXT, true);
  dv.setInt32(d + 12, mss_l4len_idx, true);
}

/** Takes the payload's length out of a pseudo-header sum: the hardware adds each segment's own. */
function csum_sub_len(dv: DataView, at: number, len: number): void {
  let sum = dv.getUint16(at) + (0xffff - (len & 0xffff)) + (0xffff - (len >>> 16));
  sum = (sum & 0xffff) + (sum >>> 16);
  dv.setUint16(at, (sum & 0xffff) + (sum >>> 16));
}

/** Prepares segmentation by the hardware. Returns the length of the headers, 0 for a packet that needs none, or -ENOMEM. */
function igb_tso(tx_ring: IgbRing, first: IgbTxBuffer): number {
  const skb = first.skb!;
  if (skb.ip_summed !== CHECKSUM_PARTIAL || skb.head.gso_size === 0) return 0;
  if (trace_key.on) trace_fn(F_igb_tso, skb);
  const err = skb_cow_head(skb, 0);
  if (err < 0) return err;
  const dv = skb.head.dv;
  const ip = skb.network_header;
  const l4 = skb.csum_start;
  let type_tucmd = 0;
  if (dv.getUint8(ip) >> 4 === 4) {
    dv.setUint16(ip + 2, 0);
    dv.setUint16(ip + 10, 0);
    type_tucmd = E1000_ADVTXD_TUCMD_IPV4;
    first.tx_flags |= IGB_TX_FLAGS_TSO | IGB_TX_FLAGS_CSUM | IGB_TX_FLAGS_IPV4;
  } else {
    dv.setUint16(ip + 4, 0);
    first.tx_flags |= IGB_TX_FLAGS_TSO | IGB_TX_FLAGS_CSUM;
  }
  const l4_offset = l4 - skb.data;
  let l4len = 8;
  if (skb.head.gso_type & SKB_GSO_UDP_L4) {
    type_tucmd |= E1000_ADVTXD_TUCMD_L4T_UDP;
    csum_sub_len(dv, l4 + UDP_CSUM_OFFSET, skb.len - l4_offset);
  } else {
    type_tucmd |= E1000_ADVTXD_TUCMD_L4T_TCP;
    l4len = (dv.getUint8(l4 + 12) >> 4) << 2;
    csum_sub_len(dv, l4 + TCP_CSUM_OFFSET, skb.len - l4_offset);
  }
  const hdr_len = l4_offset + l4len;
  first.gso_segs = skb.head.gso_segs || Math.ceil((skb.len - hdr_len) / skb.head.gso_size);
  first.bytecount += (first.gso_segs - 1) * hdr_len;
  igb_tx_ctxtdesc(
    tx_ring,
    (l4 - ip) | ((ip - skb.data) << E1000_ADVTXD_MACLEN_SHIFT) | (first.tx_flags & -65536),
    type_tucmd,
    (l4len << E1000_ADVTXD_L4LEN_SHIFT) | (skb.head.gso_size << E1000_ADVTXD_MSS_SHIFT),
  );
  return hdr_len;
}

/** Prepares checksum insertion and the VLAN tag. */
function igb_tx_csum(tx_ring: IgbRing, first: IgbTxBuffer): void {
  const skb = first.skb!;
  let type_tucmd = 0;
  let iplen = 0;
  let macip = 0;
  if (skb.ip_summed === CHECKSUM_PARTIAL) {
    if (trace_key.on) trace_fn(F_igb_tx_csum, skb);
    let known = true;
    if (skb.csum_offset === TCP_CSUM_OFFSET) type_tucmd = E1000_ADVTXD_TUCMD_L4T_TCP;
    else if (skb.csum_offset === SCTP_CSUM_OFFSET) type_tucmd = E1000_ADVTXD_TUCMD_L4T_SCTP;
    else if (skb.csum_offset !== UDP_CSUM_OFFSET) known = false;
    if (known && skb.network_header >= skb.data && skb.csum_start > skb.network_header) {
      first.tx_flags |= IGB_TX_FLAGS_CSUM;
      iplen = skb.csum_start - skb.network_header;
      macip = (skb.network_header - skb.data) << E1000_ADVTXD_MACLEN_SHIFT;
    } else skb_checksum_help(skb);
  }
  if (!(first.tx_flags & (IGB_TX_FLAGS_CSUM | IGB_TX_FLAGS_VLAN))) return;
  if (macip === 0) macip = 14 << E1000_ADVTXD_MACLEN_SHIFT;
  if (skb.protocol === ETH_P_IP) type_tucmd |= E1000_ADVTXD_TUCMD_IPV4;
  igb_tx_ctxtdesc(tx_ring, iplen | macip | (first.tx_flags & -65536), type_tucmd, 0);
}

/** Descriptors for a stretch of memory, in pieces that a descriptor can hold. Returns the next free index. */
function igb_map_piece(
  tx_ring: IgbRing,
  i: number,
  dma: number,
  size: number,
  cmd_type: number,
  olinfo: number,
): number {
  const dv = tx_ring.dv;
  do {
    const n = Math.min(size, IGB_MAX_DATA_PER_TXD);
    const d = i << 4;
    igb_put_dma(dv, d, dma);
    dv.setInt32(d + 8, cmd_type | n, true);
    dv.setInt32(d + 12, olinfo, true);
    dma += n;
    size -= n;
    if (++i === tx_ring.count) i = 0;
  } while (size > 0);
  return i;
}

/** Head and frags into data descriptors; the last one asks for the write-back that igb_clean_tx_irq() waits for. */
function igb_tx_map(tx_ring: IgbRing, first: IgbTxBuffer, hdr_len: number): void {
  const skb = first.skb!;
  if (trace_key.on) trace_fn(F_igb_tx_map, skb);
  skb_tx_timestamp(skb);
  const head = skb.head;
  const flags = first.tx_flags;
  let cmd_type = E1000_ADVTXD_DTYP_DATA | E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_DCMD_IFCS;
  let olinfo = (skb.len - hdr_len) << E1000_ADVTXD_PAYLEN_SHIFT;
  if (flags !== 0) {
    if (flags & IGB_TX_FLAGS_VLAN) cmd_type |= E1000_ADVTXD_DCMD_VLE;
    if (flags & IGB_TX_FLAGS_TSO) cmd_type |= E1000_ADVTXD_DCMD_TSE;
    if (flags & IGB_TX_FLAGS_CSUM) olinfo |= E1000_TXD_POPTS_TXSM;
    if (flags & IGB_TX_FLAGS_IPV4) olinfo |= E1000_TXD_POPTS_IXSM;
  }
  let i = tx_ring.next_to_use;
  i = igb_map_piece(tx_ring, i, head.dma + skb.data, skb.len - skb.data_len, cmd_type, olinfo);
  if (skb.data_len !== 0) {
    for (let f = 0; f < head.nr_frags; f++) {
      const frag = head.frags[f]!;
      i = igb_map_piece(tx_ring, i, frag.page.dma + frag.offset, frag.size, cmd_type, olinfo);
    }
  }
  const last = i === 0 ? tx_ring.count - 1 : i - 1;
  const dv = tx_ring.dv;
  const d = (last << 4) + 8;
  dv.setInt32(d, dv.getInt32(d, true) | E1000_ADVTXD_DCMD_EOP | E1000_ADVTXD_DCMD_RS, true);
  first.time_stamp = jiffies(skb.kernel);
  first.next_to_watch = last;
  if (trace_key.on && trace_detail(skb.kernel)) {
    trace_note(F_igb_tx_map, skb, { kind: "tx", dev: tx_ring.netdev.name, queue: tx_ring.reg_idx, desc: last });
  }
  tx_ring.next_to_use = i;
  netdev_tx_sent_queue(tx_ring.txq!, first.bytecount);
  // Room for the largest packet must be left, or the queue rests until some is cleaned.
  igb_maybe_stop_tx(tx_ring, DESC_NEEDED);
  if (!skb.kernel.cpu.softnet_data.xmit_more || netif_xmit_stopped(tx_ring.txq!)) {
    pci_write32(tx_ring.pf, tx_ring.tail, i);
  }
}

const txd_use_count = (size: number): number =>
  size <= IGB_MAX_DATA_PER_TXD ? 1 : Math.ceil(size / IGB_MAX_DATA_PER_TXD);

function igb_tx_drop(skb: SkBuff, tx_ring: IgbRing): number {
  tx_ring.netdev.stats.tx_dropped++;
  kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
  return NETDEV_TX_OK;
}

export function igb_xmit_frame_ring(skb: SkBuff, tx_ring: IgbRing): number {
  if (trace_key.on) trace_fn(F_igb_xmit_frame_ring, skb);
  if (skb.data_len !== 0 && skb.head.frag_list !== null && skb_linearize(skb) < 0) return igb_tx_drop(skb, tx_ring);
  let count = txd_use_count(skb.len - skb.data_len);
  if (skb.data_len !== 0) {
    const head = skb.head;
    for (let f = 0; f < head.nr_frags; f++) count += txd_use_count(head.frags[f]!.size);
  }
  // A context descriptor, and a gap so that the tail never touches the head.
  if (igb_maybe_stop_tx(tx_ring, count + 3)) return NETDEV_TX_BUSY;
  const first_i = tx_ring.next_to_use;
  const first = tx_ring.tx_buffer_info[first_i]!;
  first.skb = skb;
  first.bytecount = skb.len;
  first.gso_segs = 1;
  first.tx_flags = skb.vlan_present ? IGB_TX_FLAGS_VLAN | (skb.vlan_tci << IGB_TX_FLAGS_VLAN_SHIFT) : 0;
  let hdr_len = 0;
  if (skb.ip_summed === CHECKSUM_PARTIAL || first.tx_flags !== 0) {
    hdr_len = igb_tso(tx_ring, first);
    if (hdr_len < 0) {
      first.skb = null;
      return igb_tx_drop(skb, tx_ring);
    }
    if (hdr_len === 0) igb_tx_csum(tx_ring, first);
  }
  igb_tx_map(tx_ring, first, hdr_len);
  return NETDEV_TX_OK;
}

/** ndo_start_xmit. */
export function igb_xmit_frame(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_igb_xmit_frame, skb);
  const adapter = dev.priv as IgbAdapter;
  if (adapter.state & __IGB_DOWN || skb.len <= 0) {
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
    return NETDEV_TX_OK;
  }
  const rings = adapter.tx_ring;
  const q = skb.queue_mapping;
  return igb_xmit_frame_ring(skb, rings[q < rings.length ? q : q % rings.length]!);
}

/** Frees what the hardware has sent, within the work limit, and wakes the queue. True when nothing done is left behind. */
export function igb_clean_tx_irq(q_vector: IgbQVector): boolean {
  const adapter = q_vector.adapter;
  if (adapter.state & __IGB_DOWN) return true;
  const tx_ring = q_vector.tx;
  let i = tx_ring.next_to_clean;
  if (i === tx_ring.next_to_use) return true;
  if (trace_key.on) trace_call(F_igb_clean_tx_irq, q_vector.kernel);
  const dv = tx_ring.dv;
  const info = tx_ring.tx_buffer_info;
  let budget = adapter.tx_work_limit;
  let total_bytes = 0;
  let total_packets = 0;
  while (budget > 0 && i !== tx_ring.next_to_use) {
    const first = info[i]!;
    const eop = first.next_to_watch;
    if (eop < 0 || !(dv.getInt32((eop << 4) + 12, true) & E1000_TXD_STAT_DD)) break;
    first.next_to_watch = -1;
    total_bytes += first.bytecount;
    total_packets += first.gso_segs;
    const skb = first.skb!;
    first.skb = null;
    if (adapter.napi) consume_skb(skb);
    else dev_kfree_skb_irq(skb);
    i = eop + 1 === tx_ring.count ? 0 : eop + 1;
    budget--;
  }
  netdev_tx_completed_queue(tx_ring.txq!, total_bytes);
  tx_ring.next_to_clean = i;
  tx_ring.bytes += total_bytes;
  tx_ring.packets += total_packets;
  q_vector.tx_bytes += total_bytes;
  q_vector.tx_packets += total_packets;
  if (
    total_packets !== 0 &&
    netif_tx_queue_stopped(tx_ring.txq!) &&
    netif_carrier_ok(tx_ring.netdev) &&
    igb_desc_unused(tx_ring) >= Math.min(IGB_TX_QUEUE_WAKE, tx_ring.count >> 1)
  ) {
    netif_tx_wake_queue(tx_ring.txq!);
    tx_ring.restart_queue++;
  }
  return budget > 0;
}

/** Frees every packet of a ring that the hardware no longer works on. */
export function igb_clean_tx_ring(tx_ring: IgbRing): void {
  for (const b of tx_ring.tx_buffer_info) {
    b.next_to_watch = -1;
    if (b.skb === null) continue;
    const skb = b.skb;
    b.skb = null;
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
  }
  netdev_tx_reset_queue(tx_ring.txq!);
  tx_ring.next_to_clean = 0;
  tx_ring.next_to_use = 0;
}
