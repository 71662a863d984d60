// igb, the driver of the 82576: probe, open and close, rings and interrupts, NAPI, watchdog, filters.
// Mirrors drivers/net/ethernet/intel/igb/igb_main.c. Read first: docs/path-of-a-packet.md; hw/82576_regs.ts.
// Way in: igb_init_module(k); then igb_probe() for each card, igb_open(), igb_msix_ring(), igb_poll().

import * as R from "../../../../hw/82576_regs.ts";
import { PCI_VENDOR_ID_INTEL } from "../../../../hw/pci.ts";
import { free_irq, request_irq } from "../../../../kernel/irq.ts";
import { jiffies, type Kernel } from "../../../../kernel/kernel.ts";
import { KERN_ERR, KERN_INFO, printk } from "../../../../kernel/printk.ts";
import { mod_timer, type TimerList, timer_delete, timer_setup } from "../../../../kernel/time/timer.ts";
import { trace_call, trace_event } from "../../../../kernel/trace.ts";
import {
  F_igb_msix_other,
  F_igb_msix_ring,
  F_igb_open,
  F_igb_poll,
  F_igb_probe,
  F_igb_setup_all_rx_resources,
  F_igb_setup_all_tx_resources,
  F_igb_watchdog_task,
} from "../../../../kernel/trace_fn.ts";
import { trace_key } from "../../../../kernel/trace_key.ts";
import { napi_complete_done, napi_disable, napi_enable, napi_schedule } from "../../../../net/core/dev.ts";
import {
  alloc_netdev_mqs,
  IFF_UNICAST_FLT,
  netif_carrier_off,
  netif_carrier_on,
  netif_napi_add,
  netif_napi_del,
  netif_set_real_num_rx_queues,
  netif_set_real_num_tx_queues,
  netif_tx_start_all_queues,
  netif_tx_stop_all_queues,
  register_netdev,
  unregister_netdev,
} from "../../../../net/core/dev_api.ts";
import {
  type NapiStruct,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_HW_VLAN_CTAG_FILTER,
  NETIF_F_HW_VLAN_CTAG_RX,
  NETIF_F_HW_VLAN_CTAG_TX,
  NETIF_F_RXALL,
  NETIF_F_RXCSUM,
  NETIF_F_RXHASH,
  NETIF_F_SCTP_CRC,
  NETIF_F_SG,
  NETIF_F_TSO,
  NETIF_F_TSO6,
  type NetDevice,
  type NetDeviceOps,
  type NetDeviceStats,
  netif_carrier_ok,
  netif_running,
} from "../../../../net/core/netdevice.ts";
import { head_alloc, head_put, NET_SKB_PAD } from "../../../../net/core/skbuff.ts";
import { ether_setup, is_valid_ether_addr, mac_text } from "../../../../net/ethernet/eth.ts";
import { EADDRNOTAVAIL, ENOMEM } from "../../../../uapi/errno.ts";
import { IFF_ALLMULTI, IFF_PROMISC } from "../../../../uapi/if.ts";
import {
  type PciDev,
  type PciDriver,
  pci_alloc_irq_vectors,
  pci_free_irq_vectors,
  pci_irq_vector,
  pci_register_driver,
} from "../../../pci/pci_driver.ts";
import {
  __IGB_DOWN,
  IGB_4K_ITR,
  IGB_20K_ITR,
  IGB_MAX_FRAME_BUILD_SKB,
  IGB_MAX_QUEUES,
  IGB_RX_HDR_LEN,
  IGB_RXBUFFER_2048,
  IGB_RXBUFFER_3072,
  IGB_START_ITR,
  IgbAdapter,
  IgbQVector,
  IgbRing,
  IgbTxBuffer,
  igb_desc_unused,
  MAX_STD_JUMBO_FRAME_SIZE,
  NON_Q_VECTORS,
  rd32,
  wr32,
} from "./igb.ts";
import { igb_ethtool_ops } from "./igb_ethtool.ts";
import {
  ADVERTISE_ALL_MII,
  fc_names,
  igb_config_fc_after_link_up,
  igb_fill_stats64,
  igb_hash_mc_addr,
  igb_power_up_link,
  igb_rar_set,
  igb_read_mac_addr,
  igb_reset,
  igb_update_stats,
} from "./igb_hw.ts";
import { igb_validate_nvm_checksum } from "./igb_nvm.ts";
import { igb_alloc_rx_buffers, igb_clean_rx_irq, igb_clean_rx_ring } from "./igb_rx.ts";
import { igb_clean_tx_irq, igb_clean_tx_ring, igb_xmit_frame } from "./igb_tx.ts";

/** Ethernet header, FCS and one VLAN tag. */
const ETH_VLAN_OVERHEAD = 14 + 4 + 4;
const WATCHDOG_PERIOD = 2000;

/** Module parameters; read when a card is probed. */
export interface IgbParams {
  /** False: an interrupt per frame and netif_rx(), as drivers worked before NAPI. For comparison. */
  napi?: boolean;
  /** Frames up to this length are copied out of their buffer (at most 256); 0: never, the buffer becomes the packet. */
  rx_copybreak?: number;
  /** Queues per card; default one per CPU, up to eight. */
  rss?: number;
}

declare module "../../../../kernel/kernel.ts" {
  interface Kernel {
    igb_params: IgbParams;
  }
}

const dev_info = (adapter: IgbAdapter, text: string): void =>
  printk(adapter.kernel, KERN_INFO, `igb ${adapter.pdev.name}: ${text}`);

// --- rings --------------------------------------------------------------------------------------------------------

/** dma_alloc_coherent() for a ring's descriptors. */
function igb_alloc_desc(k: Kernel, ring: IgbRing): number {
  const desc = head_alloc(k, ring.count * R.E1000_DESC_SIZE);
  if (desc === null) return -ENOMEM;
  desc.u8.fill(0, 0, ring.count * R.E1000_DESC_SIZE);
  ring.desc = desc;
  ring.dv = desc.dv;
  ring.next_to_clean = 0;
  ring.next_to_use = 0;
  return 0;
}

function igb_setup_tx_resources(tx_ring: IgbRing): number {
  tx_ring.tx_buffer_info = Array.from({ length: tx_ring.count }, () => new IgbTxBuffer());
  return igb_alloc_desc(tx_ring.adapter.kernel, tx_ring);
}

function igb_setup_rx_resources(rx_ring: IgbRing): number {
  rx_ring.rx_buffer_info = new Array(rx_ring.count).fill(null);
  return igb_alloc_desc(rx_ring.adapter.kernel, rx_ring);
}

export function igb_setup_all_tx_resources(adapter: IgbAdapter): number {
  if (trace_key.on) trace_call(F_igb_setup_all_tx_resources, adapter.kernel);
  for (const ring of adapter.tx_ring) {
    const err = igb_setup_tx_resources(ring);
    if (err < 0) return err;
  }
  return 0;
}

export function igb_setup_all_rx_resources(adapter: IgbAdapter): number {
  if (trace_key.on) trace_call(F_igb_setup_all_rx_resources, adapter.kernel);
  for (const ring of adapter.rx_ring) {
    const err = igb_setup_rx_resources(ring);
    if (err < 0) return err;
  }
  return 0;
}

function igb_free_ring(ring: IgbRing): void {
  if (ring.desc !== null) head_put(ring.desc);
  ring.desc = null;
  ring.tx_buffer_info = [];
  ring.rx_buffer_info = [];
}

export function igb_free_all_tx_resources(adapter: IgbAdapter): void {
  for (const ring of adapter.tx_ring) {
    igb_clean_tx_ring(ring);
    igb_free_ring(ring);
  }
}

export function igb_free_all_rx_resources(adapter: IgbAdapter): void {
  for (const ring of adapter.rx_ring) {
    igb_clean_rx_ring(ring);
    igb_free_ring(ring);
  }
}

const dma_hi = (dma: number): number => Math.floor(dma / 0x1_0000_0000);

function igb_configure_tx_ring(adapter: IgbAdapter, ring: IgbRing): void {
  const n = ring.reg_idx;
  const dma = ring.desc!.dma;
  wr32(adapter, R.E1000_TXDCTL(n), 0);
  wr32(adapter, R.E1000_TDLEN(n), ring.count * R.E1000_DESC_SIZE);
  wr32(adapter, R.E1000_TDBAL(n), (dma % 0x1_0000_0000) | 0);
  wr32(adapter, R.E1000_TDBAH(n), dma_hi(dma));
  wr32(adapter, R.E1000_TXDCTL(n), 8 | (1 << 8) | (16 << 16) | R.E1000_TXDCTL_QUEUE_ENABLE);
}

/** Buffer size, and whether the queue drops when it is full. */
export function igb_setup_srrctl(adapter: IgbAdapter, ring: IgbRing): void {
  let srrctl = R.E1000_SRRCTL_DESCTYPE_ADV_ONEBUF | (ring.rx_head_size > 2048 ? 3 : 2);
  // A queue that is full must not hold up the others, unless the sender can be paused.
  if (adapter.rx_ring.length > 1 && !(adapter.fc_current & 1)) srrctl |= R.E1000_SRRCTL_DROP_EN;
  wr32(adapter, R.E1000_SRRCTL(ring.reg_idx), srrctl);
}

function igb_configure_rx_ring(adapter: IgbAdapter, ring: IgbRing): void {
  const n = ring.reg_idx;
  const dma = ring.desc!.dma;
  const large = adapter.max_frame_size > IGB_MAX_FRAME_BUILD_SKB;
  ring.rx_buffer_len = large ? IGB_RXBUFFER_3072 : IGB_RXBUFFER_2048 - NET_SKB_PAD;
  ring.rx_head_size = large ? 4096 : 2048;
  wr32(adapter, R.E1000_RXDCTL(n), 0);
  wr32(adapter, R.E1000_RDBAL(n), (dma % 0x1_0000_0000) | 0);
  wr32(adapter, R.E1000_RDBAH(n), dma_hi(dma));
  wr32(adapter, R.E1000_RDLEN(n), ring.count * R.E1000_DESC_SIZE);
  igb_setup_srrctl(adapter, ring);
  wr32(adapter, R.E1000_RXDCTL(n), 8 | (8 << 8) | (4 << 16) | R.E1000_RXDCTL_QUEUE_ENABLE);
}

/** RSS: the key, the table, and which fields are hashed. */
export function igb_setup_mrqc(adapter: IgbAdapter): void {
  const key = adapter.rss_key;
  for (let i = 0; i < 10; i++) {
    wr32(
      adapter,
      R.E1000_RSSRK(i),
      key[4 * i]! | (key[4 * i + 1]! << 8) | (key[4 * i + 2]! << 16) | (key[4 * i + 3]! << 24),
    );
  }
  igb_write_rss_indir_tbl(adapter);
  wr32(
    adapter,
    R.E1000_RXCSUM,
    R.E1000_RXCSUM_IPOFL | R.E1000_RXCSUM_TUOFL | R.E1000_RXCSUM_CRCOFL | R.E1000_RXCSUM_PCSD,
  );
  wr32(
    adapter,
    R.E1000_MRQC,
    R.E1000_MRQC_ENABLE_RSS_MQ |
      R.E1000_MRQC_RSS_FIELD_IPV4 |
      R.E1000_MRQC_RSS_FIELD_IPV4_TCP |
      R.E1000_MRQC_RSS_FIELD_IPV6 |
      R.E1000_MRQC_RSS_FIELD_IPV6_TCP |
      R.E1000_MRQC_RSS_FIELD_IPV6_TCP_EX |
      adapter.rss_udp_fields,
  );
}

function igb_write_rss_indir_tbl(adapter: IgbAdapter): void {
  const t = adapter.rss_indir_tbl;
  for (let i = 0; i < 32; i++) {
    wr32(adapter, R.E1000_RETA(i), t[4 * i]! | (t[4 * i + 1]! << 8) | (t[4 * i + 2]! << 16) | (t[4 * i + 3]! << 24));
  }
}

export function igb_init_rss_indir_tbl(adapter: IgbAdapter): void {
  for (let i = 0; i < 128; i++) adapter.rss_indir_tbl[i] = Math.floor((i * adapter.rss_queues) / 128);
}

/** Fills the registers of a device that was reset: filters, queues, buffers. */
export function igb_configure(adapter: IgbAdapter): void {
  const dev = adapter.netdev;
  wr32(adapter, R.E1000_CTRL_EXT, rd32(adapter, R.E1000_CTRL_EXT) | R.E1000_CTRL_EXT_DRV_LOAD);
  wr32(adapter, R.E1000_RLPML, adapter.max_frame_size);
  wr32(adapter, R.E1000_RCTL, R.E1000_RCTL_EN | R.E1000_RCTL_BAM | R.E1000_RCTL_SECRC | R.E1000_RCTL_LPE);
  igb_set_rx_mode(dev);
  igb_vlan_mode(adapter, dev.features);
  for (let i = 0; i < R.E1000_VFTA_SIZE; i++) wr32(adapter, R.E1000_VFTA(i), adapter.active_vlans[i]!);
  igb_setup_mrqc(adapter);
  wr32(adapter, R.E1000_TCTL, R.E1000_TCTL_EN | R.E1000_TCTL_PSP | R.E1000_TCTL_RTLC | (15 << R.E1000_TCTL_CT_SHIFT));
  for (const ring of adapter.tx_ring) igb_configure_tx_ring(adapter, ring);
  for (const ring of adapter.rx_ring) igb_configure_rx_ring(adapter, ring);
  // One descriptor stays free, so that an empty ring and a full one differ.
  for (const ring of adapter.rx_ring) igb_alloc_rx_buffers(ring, igb_desc_unused(ring));
}

// --- interrupts and NAPI ------------------------------------------------------------------------------------------

/** Routes causes to vectors: 0 for link and errors, then one for each pair of queues. */
function igb_configure_msix(adapter: IgbAdapter): void {
  wr32(adapter, R.E1000_GPIE, R.E1000_GPIE_MSIX_MODE | R.E1000_GPIE_PBA | R.E1000_GPIE_EIAME | R.E1000_GPIE_NSICR);
  wr32(adapter, R.E1000_IVAR_MISC, R.E1000_IVAR_VALID << 8);
  adapter.eims_enable_mask = adapter.eims_other;
  for (const q of adapter.q_vector) {
    const v = (q.index + NON_Q_VECTORS) | R.E1000_IVAR_VALID;
    wr32(adapter, R.E1000_IVAR(q.index), v | (v << 8));
    adapter.eims_enable_mask |= q.eims_value;
    q.set_itr = true;
    igb_write_itr(q);
  }
}

function igb_irq_enable(adapter: IgbAdapter): void {
  const mask = adapter.eims_enable_mask;
  wr32(adapter, R.E1000_EIAC, mask);
  // Without NAPI nothing masks a vector: every frame speaks.
  wr32(adapter, R.E1000_EIAM, adapter.napi ? mask : adapter.eims_other);
  wr32(adapter, R.E1000_EIMS, mask);
  wr32(adapter, R.E1000_IMS, R.E1000_ICR_LSC | R.E1000_ICR_DOUTSYNC | R.E1000_ICR_DRSTA);
}

function igb_irq_disable(adapter: IgbAdapter): void {
  wr32(adapter, R.E1000_EIAM, 0);
  wr32(adapter, R.E1000_EIMC, -1);
  wr32(adapter, R.E1000_EIAC, 0);
  wr32(adapter, R.E1000_IMC, -1);
}

function igb_write_itr(q_vector: IgbQVector): void {
  if (!q_vector.set_itr) return;
  const itr = q_vector.itr_val & R.E1000_EITR_INTERVAL_MASK;
  wr32(q_vector.adapter, q_vector.itr_register, itr | R.E1000_EITR_CNT_IGNR);
  q_vector.set_itr = false;
}

/** The next interrupt interval from the size of the frames seen: many small ones want longer pauses than they take. */
function igb_update_ring_itr(q_vector: IgbQVector): void {
  const adapter = q_vector.adapter;
  const packets = q_vector.rx_packets + q_vector.tx_packets;
  let val = q_vector.itr_val;
  if (adapter.link_speed !== 1000) val = IGB_4K_ITR;
  else if (packets !== 0) {
    let size = q_vector.rx_packets > 0 ? q_vector.rx_bytes / q_vector.rx_packets : 0;
    if (q_vector.tx_packets > 0) size = Math.max(size, q_vector.tx_bytes / q_vector.tx_packets);
    // FCS, preamble and gap are on the wire too.
    size = Math.min(size + 24, 3000);
    val = Math.floor(size > 300 && size < 1200 ? size / 3 : size / 2);
    if (adapter.rx_itr_setting === 3 && val < IGB_20K_ITR) val = IGB_20K_ITR;
  }
  q_vector.rx_packets = q_vector.rx_bytes = q_vector.tx_packets = q_vector.tx_bytes = 0;
  if (val !== q_vector.itr_val) {
    q_vector.itr_val = val;
    q_vector.set_itr = true;
  }
}

/** The poll is complete: the vector, which masked itself when it spoke, may speak again. */
function igb_ring_irq_enable(q_vector: IgbQVector): void {
  const setting = q_vector.adapter.rx_itr_setting;
  if (setting !== 0 && setting <= 3) igb_update_ring_itr(q_vector);
  if (!(q_vector.adapter.state & __IGB_DOWN)) wr32(q_vector.adapter, R.E1000_EIMS, q_vector.eims_value);
}

/** Hard interrupt of a queue vector: sets the pace and leaves the work to igb_poll(). */
function igb_msix_ring(_irq: number, data: unknown): void {
  const q_vector = data as IgbQVector;
  if (trace_key.on) {
    trace_call(F_igb_msix_ring, q_vector.kernel);
    if (q_vector.kernel.tracer?.detail) {
      trace_event(F_igb_msix_ring, q_vector.kernel, { kind: "irq", name: q_vector.name });
    }
  }
  igb_write_itr(q_vector);
  napi_schedule(q_vector.napi);
}

/** The same without NAPI: all that the ring holds is taken here, in hard interrupt context. */
function igb_intr_per_packet(_irq: number, data: unknown): void {
  const q_vector = data as IgbQVector;
  if (trace_key.on) trace_call(F_igb_msix_ring, q_vector.kernel);
  if (q_vector.adapter.state & __IGB_DOWN) return;
  igb_write_itr(q_vector);
  igb_clean_tx_irq(q_vector);
  igb_clean_rx_irq(q_vector, q_vector.rx.count);
}

function igb_msix_other(_irq: number, data: unknown): void {
  const adapter = data as IgbAdapter;
  if (trace_key.on) trace_call(F_igb_msix_other, adapter.kernel);
  const icr = rd32(adapter, R.E1000_ICR);
  if (icr & R.E1000_ICR_DOUTSYNC) adapter.stats.doosync++;
  if (icr & R.E1000_ICR_LSC && !(adapter.state & __IGB_DOWN)) {
    mod_timer(adapter.watchdog_timer, jiffies(adapter.kernel) + 1);
  }
  wr32(adapter, R.E1000_EIMS, adapter.eims_other);
}

/** NAPI: sent packets first, they free memory; then up to `budget` received ones. */
export function igb_poll(napi: NapiStruct, budget: number): number {
  const q_vector = napi.owner as IgbQVector;
  if (trace_key.on) trace_call(F_igb_poll, q_vector.kernel);
  let clean_complete = igb_clean_tx_irq(q_vector);
  const work_done = igb_clean_rx_irq(q_vector, budget);
  if (work_done >= budget) clean_complete = false;
  if (!clean_complete) return budget;
  if (napi_complete_done(napi, work_done)) igb_ring_irq_enable(q_vector);
  return Math.min(work_done, budget - 1);
}

function igb_request_msix(adapter: IgbAdapter): number {
  const k = adapter.kernel;
  const name = adapter.netdev.name;
  let err = request_irq(k, pci_irq_vector(adapter.pdev, 0), igb_msix_other, name, adapter);
  if (err < 0) return err;
  const handler = adapter.napi ? igb_msix_ring : igb_intr_per_packet;
  for (const q of adapter.q_vector) {
    const irq = pci_irq_vector(adapter.pdev, q.index + NON_Q_VECTORS);
    q.name = `${name}-TxRx-${q.index}`;
    err = request_irq(k, irq, handler, q.name, q);
    if (err < 0) return err;
  }
  igb_configure_msix(adapter);
  return 0;
}
const igb_request_irq = igb_request_msix;

function igb_free_irq(adapter: IgbAdapter): void {
  for (const irq of adapter.pdev.irqs) free_irq(adapter.kernel, irq);
}

function igb_alloc_q_vector(adapter: IgbAdapter, i: number): void {
  const dev = adapter.netdev;
  const q = new IgbQVector(adapter, i, i + NON_Q_VECTORS, R.E1000_EITR(i + NON_Q_VECTORS));
  q.napi = netif_napi_add(dev, igb_poll, q);
  q.itr_val = adapter.rx_itr_setting > 3 ? adapter.rx_itr_setting : adapter.rx_itr_setting === 0 ? 0 : IGB_START_ITR;
  if (!adapter.napi) q.itr_val = 0;
  q.tx = new IgbRing(adapter, i, R.E1000_TDT(i), adapter.tx_ring_count);
  q.rx = new IgbRing(adapter, i, R.E1000_RDT(i), adapter.rx_ring_count);
  q.tx.q_vector = q.rx.q_vector = q;
  q.tx.txq = dev.tx[i]!;
  adapter.q_vector.push(q);
  adapter.tx_ring.push(q.tx);
  adapter.rx_ring.push(q.rx);
}

/** Vectors, their interrupt lines (spread over the CPUs) and their NAPI instances. 0 or -errno. */
function igb_init_interrupt_scheme(adapter: IgbAdapter): number {
  const n = adapter.rss_queues;
  const got = pci_alloc_irq_vectors(adapter.pdev, n + NON_Q_VECTORS, n + NON_Q_VECTORS);
  if (got < 0) return got;
  const k = adapter.kernel;
  for (let i = 0; i < n; i++) {
    igb_alloc_q_vector(adapter, i);
    const desc = k.irq_desc[pci_irq_vector(adapter.pdev, i + NON_Q_VECTORS)]!;
    desc.target_cpu = i % k.cpus.length;
  }
  return 0;
}

function igb_clear_interrupt_scheme(adapter: IgbAdapter): void {
  for (const q of adapter.q_vector) netif_napi_del(q.napi);
  adapter.q_vector.length = 0;
  adapter.tx_ring.length = 0;
  adapter.rx_ring.length = 0;
  pci_free_irq_vectors(adapter.pdev);
}

// --- up and down --------------------------------------------------------------------------------------------------

/** The device is configured: let it run. */
function igb_start(adapter: IgbAdapter): void {
  adapter.state &= ~__IGB_DOWN;
  for (const q of adapter.q_vector) napi_enable(q.napi);
  rd32(adapter, R.E1000_ICR);
  igb_irq_enable(adapter);
  netif_tx_start_all_queues(adapter.netdev);
  // The link's state is found out by the watchdog, as soon as it may run.
  mod_timer(adapter.watchdog_timer, jiffies(adapter.kernel));
}

export function igb_up(adapter: IgbAdapter): void {
  igb_configure(adapter);
  igb_configure_msix(adapter);
  igb_start(adapter);
}

/** Stops everything; rings are emptied but stay allocated. */
export function igb_down(adapter: IgbAdapter): void {
  const dev = adapter.netdev;
  adapter.state |= __IGB_DOWN;
  wr32(adapter, R.E1000_RCTL, rd32(adapter, R.E1000_RCTL) & ~R.E1000_RCTL_EN);
  netif_carrier_off(dev);
  netif_tx_stop_all_queues(dev);
  wr32(adapter, R.E1000_TCTL, rd32(adapter, R.E1000_TCTL) & ~R.E1000_TCTL_EN);
  igb_irq_disable(adapter);
  for (const q of adapter.q_vector) napi_disable(q.napi);
  timer_delete(adapter.watchdog_timer);
  adapter.link_speed = 0;
  adapter.link_duplex = 0;
  igb_reset(adapter);
  for (const ring of adapter.tx_ring) igb_clean_tx_ring(ring);
  for (const ring of adapter.rx_ring) igb_clean_rx_ring(ring);
}

function igb_reinit_locked(adapter: IgbAdapter): void {
  igb_down(adapter);
  igb_up(adapter);
}

/** `ip link set up`: rings, power, registers, interrupts, NAPI. 0 or -errno. */
export function igb_open(dev: NetDevice): number {
  const adapter = dev.priv as IgbAdapter;
  if (trace_key.on) trace_call(F_igb_open, adapter.kernel);
  netif_carrier_off(dev);
  let err = igb_setup_all_tx_resources(adapter);
  if (err >= 0) err = igb_setup_all_rx_resources(adapter);
  if (err >= 0) {
    igb_power_up_link(adapter);
    igb_configure(adapter);
    err = igb_request_irq(adapter);
  }
  if (err < 0) {
    igb_free_irq(adapter);
    igb_free_all_rx_resources(adapter);
    igb_free_all_tx_resources(adapter);
    igb_reset(adapter);
    return err;
  }
  netif_set_real_num_tx_queues(dev, adapter.tx_ring.length);
  netif_set_real_num_rx_queues(dev, adapter.rx_ring.length);
  igb_start(adapter);
  return 0;
}

export function igb_close(dev: NetDevice): number {
  const adapter = dev.priv as IgbAdapter;
  igb_down(adapter);
  igb_free_irq(adapter);
  igb_free_all_tx_resources(adapter);
  igb_free_all_rx_resources(adapter);
  return 0;
}

/** Another number of queues: vectors, lines and rings are made anew. 0 or -errno. */
export function igb_reinit_queues(adapter: IgbAdapter): number {
  const dev = adapter.netdev;
  const running = netif_running(dev);
  if (running) igb_close(dev);
  igb_clear_interrupt_scheme(adapter);
  const err = igb_init_interrupt_scheme(adapter);
  if (err < 0) return err;
  netif_set_real_num_tx_queues(dev, adapter.rss_queues);
  netif_set_real_num_rx_queues(dev, adapter.rss_queues);
  return running ? igb_open(dev) : 0;
}

// --- watchdog -----------------------------------------------------------------------------------------------------

/** Link, statistics, stuck rings. DIFF: in the timer's softirq; there is no work queue to leave it to. */
function igb_watchdog_task(timer: TimerList): void {
  const adapter = timer.owner as IgbAdapter;
  const dev = adapter.netdev;
  const k = adapter.kernel;
  if (trace_key.on) trace_call(F_igb_watchdog_task, k);
  if (adapter.state & __IGB_DOWN) return;
  const status = rd32(adapter, R.E1000_STATUS);
  // All ones: the card has been pulled out.
  const link = status !== -1 && (status & R.E1000_STATUS_LU) !== 0;
  if (link) {
    const speed = status & R.E1000_STATUS_SPEED_1000 ? 1000 : status & R.E1000_STATUS_SPEED_100 ? 100 : 10;
    const full = (status & R.E1000_STATUS_FD) !== 0;
    if (!netif_carrier_ok(dev) || speed !== adapter.link_speed || full !== (adapter.link_duplex === 2)) {
      adapter.link_speed = speed;
      adapter.link_duplex = full ? 2 : 1;
      igb_config_fc_after_link_up(adapter, full);
      dev_info(
        adapter,
        `igb: ${dev.name} NIC Link is Up ${speed} Mbps ${full ? "Full" : "Half"} Duplex, Flow Control: ${fc_names[adapter.fc_current]}`,
      );
      netif_carrier_on(dev);
    }
  } else if (netif_carrier_ok(dev)) {
    adapter.link_speed = 0;
    adapter.link_duplex = 0;
    dev_info(adapter, `igb: ${dev.name} NIC Link is Down`);
    netif_carrier_off(dev);
  }
  igb_update_stats(adapter);
  if (!link && adapter.tx_ring.some((r) => igb_desc_unused(r) + 1 < r.count)) {
    // Packets that no link will ever take: a reset frees them.
    adapter.tx_timeout_count++;
    igb_reinit_locked(adapter);
    if (!netif_carrier_ok(dev)) mod_timer(adapter.watchdog_timer, jiffies(k) + WATCHDOG_PERIOD);
    return;
  }
  mod_timer(adapter.watchdog_timer, jiffies(k) + WATCHDOG_PERIOD);
  // An interrupt by software, in case one was lost.
  if (adapter.napi) wr32(adapter, R.E1000_EICS, adapter.eims_enable_mask & ~adapter.eims_other);
}

/** flush_work() of the watchdog: the carrier follows the link now, not with the next jiffy. */
export function igb_flush_watchdog(dev: NetDevice): void {
  const adapter = dev.priv as IgbAdapter;
  if (!(adapter.state & __IGB_DOWN)) igb_watchdog_task(adapter.watchdog_timer);
}

// --- configuration at run time ------------------------------------------------------------------------------------

/** Which frames the hardware lets in: promiscuity, group addresses, further unicast addresses, VLANs. */
function igb_set_rx_mode(dev: NetDevice): void {
  const adapter = dev.priv as IgbAdapter;
  let rctl = rd32(adapter, R.E1000_RCTL) & ~(R.E1000_RCTL_UPE | R.E1000_RCTL_MPE | R.E1000_RCTL_VFE | R.E1000_RCTL_SBP);
  if (dev.flags & IFF_PROMISC) rctl |= R.E1000_RCTL_UPE | R.E1000_RCTL_MPE;
  else {
    if (dev.features & NETIF_F_HW_VLAN_CTAG_FILTER) rctl |= R.E1000_RCTL_VFE;
    if (dev.flags & IFF_ALLMULTI) rctl |= R.E1000_RCTL_MPE;
    const mta = new Int32Array(R.E1000_MTA_SIZE);
    for (const e of dev.mc) {
      const hash = igb_hash_mc_addr(e.addr);
      mta[hash >> 5] |= 1 << (hash & 31);
    }
    for (let i = 0; i < R.E1000_MTA_SIZE; i++) wr32(adapter, R.E1000_MTA(i), mta[i]!);
    for (let i = 1; i < R.E1000_RAR_ENTRIES; i++) {
      if (i <= dev.uc.length) igb_rar_set(adapter, dev.uc[i - 1]!.addr, i);
      else wr32(adapter, R.E1000_RAH(i), 0);
    }
    if (dev.uc.length >= R.E1000_RAR_ENTRIES) rctl |= R.E1000_RCTL_UPE;
  }
  if (dev.features & NETIF_F_RXALL) rctl |= R.E1000_RCTL_SBP;
  wr32(adapter, R.E1000_RCTL, rctl);
}

/** Tags of received frames are taken out by the hardware, or left in. */
function igb_vlan_mode(adapter: IgbAdapter, features: number): void {
  const ctrl = rd32(adapter, R.E1000_CTRL);
  const on = features & NETIF_F_HW_VLAN_CTAG_RX;
  wr32(adapter, R.E1000_CTRL, on ? ctrl | R.E1000_CTRL_VME : ctrl & ~R.E1000_CTRL_VME);
}

function igb_vlan_rx_add_vid(dev: NetDevice, _proto: number, vid: number): number {
  const adapter = dev.priv as IgbAdapter;
  adapter.active_vlans[vid >> 5] |= 1 << (vid & 31);
  wr32(adapter, R.E1000_VFTA(vid >> 5), adapter.active_vlans[vid >> 5]!);
  return 0;
}

function igb_vlan_rx_kill_vid(dev: NetDevice, _proto: number, vid: number): number {
  const adapter = dev.priv as IgbAdapter;
  adapter.active_vlans[vid >> 5] &= ~(1 << (vid & 31));
  wr32(adapter, R.E1000_VFTA(vid >> 5), adapter.active_vlans[vid >> 5]!);
  return 0;
}

function igb_set_mac(dev: NetDevice, addr: Uint8Array): number {
  if (!is_valid_ether_addr(addr)) return -EADDRNOTAVAIL;
  dev.dev_addr.set(addr.subarray(0, 6));
  igb_rar_set(dev.priv as IgbAdapter, dev.dev_addr, 0);
  return 0;
}

function igb_change_mtu(dev: NetDevice, mtu: number): number {
  const adapter = dev.priv as IgbAdapter;
  const running = netif_running(dev);
  // Below the standard size nothing gets smaller: tags must still fit.
  adapter.max_frame_size = Math.max(mtu + ETH_VLAN_OVERHEAD, 1522);
  if (running) igb_down(adapter);
  dev_info(adapter, `${dev.name}: changing MTU from ${dev.mtu} to ${mtu}`);
  dev.mtu = mtu;
  if (running) igb_up(adapter);
  else igb_reset(adapter);
  return 0;
}

function igb_set_features(dev: NetDevice, features: number): number {
  const adapter = dev.priv as IgbAdapter;
  const changed = dev.features ^ features;
  if (changed & NETIF_F_HW_VLAN_CTAG_RX) igb_vlan_mode(adapter, features);
  if (changed & (NETIF_F_RXALL | NETIF_F_HW_VLAN_CTAG_FILTER)) {
    dev.features = features;
    igb_set_rx_mode(dev);
  }
  return 0;
}

/** Tagging is done by the same unit that takes tags out: one without the other is not to be had. */
function igb_fix_features(_dev: NetDevice, features: number): number {
  return features & NETIF_F_HW_VLAN_CTAG_RX ? features | NETIF_F_HW_VLAN_CTAG_TX : features & ~NETIF_F_HW_VLAN_CTAG_TX;
}

function igb_get_stats64(dev: NetDevice, stats: NetDeviceStats): void {
  const adapter = dev.priv as IgbAdapter;
  igb_update_stats(adapter);
  igb_fill_stats64(adapter, stats);
}

function igb_tx_timeout(dev: NetDevice, _txqueue: number): void {
  const adapter = dev.priv as IgbAdapter;
  adapter.tx_timeout_count++;
  igb_reinit_locked(adapter);
}

const igb_netdev_ops: NetDeviceOps = {
  ndo_open: igb_open,
  ndo_stop: igb_close,
  ndo_start_xmit: igb_xmit_frame,
  ndo_get_stats64: igb_get_stats64,
  ndo_set_rx_mode: igb_set_rx_mode,
  ndo_set_mac_address: igb_set_mac,
  ndo_change_mtu: igb_change_mtu,
  ndo_set_features: igb_set_features,
  ndo_fix_features: igb_fix_features,
  ndo_tx_timeout: igb_tx_timeout,
  ndo_vlan_rx_add_vid: igb_vlan_rx_add_vid,
  ndo_vlan_rx_kill_vid: igb_vlan_rx_kill_vid,
};

// --- probe and remove ---------------------------------------------------------------------------------------------

function igb_sw_init(adapter: IgbAdapter): void {
  const k = adapter.kernel;
  const p = k.igb_params;
  adapter.napi = p.napi ?? true;
  adapter.rx_copybreak = Math.min(Math.max(p.rx_copybreak ?? 0, 0), IGB_RX_HDR_LEN);
  adapter.rss_queues = Math.min(Math.max(p.rss ?? k.cpus.length, 1), IGB_MAX_QUEUES);
  adapter.autoneg_advertised = ADVERTISE_ALL_MII | R.CR_1000T_FD_CAPS;
  k.host.random_bytes(adapter.rss_key);
  igb_init_rss_indir_tbl(adapter);
  adapter.watchdog_timer = timer_setup(k, igb_watchdog_task, adapter);
  // Priority-tagged frames (VLAN 0) are always let in.
  adapter.active_vlans[0] = 1;
}

function igb_probe(pdev: PciDev): number {
  const k = pdev.kernel;
  if (trace_key.on) trace_call(F_igb_probe, k);
  const dev = alloc_netdev_mqs(k.init_net, "eth%d", igb_netdev_ops, ether_setup, IGB_MAX_QUEUES, IGB_MAX_QUEUES);
  const adapter = new IgbAdapter(k, dev, pdev);
  dev.priv = adapter;
  pdev.drvdata = adapter;
  igb_sw_init(adapter);
  let err = igb_validate_nvm_checksum(adapter);
  if (err < 0) {
    printk(k, KERN_ERR, `igb ${pdev.name}: The NVM Checksum Is Not Valid`);
    return err;
  }
  igb_read_mac_addr(adapter, dev.dev_addr);
  dev.perm_addr.set(dev.dev_addr);
  if (!is_valid_ether_addr(dev.dev_addr)) {
    printk(k, KERN_ERR, `igb ${pdev.name}: Invalid MAC Address`);
    return -5;
  }
  err = igb_init_interrupt_scheme(adapter);
  if (err < 0) return err;
  const offloads =
    NETIF_F_SG |
    NETIF_F_TSO |
    NETIF_F_TSO6 |
    NETIF_F_RXHASH |
    NETIF_F_RXCSUM |
    NETIF_F_HW_CSUM |
    NETIF_F_SCTP_CRC |
    NETIF_F_GSO_UDP_L4;
  dev.hw_features |= offloads | NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_TX | NETIF_F_RXALL;
  dev.vlan_features |= offloads | NETIF_F_HIGHDMA;
  dev.features |=
    offloads | NETIF_F_HIGHDMA | NETIF_F_HW_VLAN_CTAG_FILTER | NETIF_F_HW_VLAN_CTAG_RX | NETIF_F_HW_VLAN_CTAG_TX;
  dev.priv_flags |= IFF_UNICAST_FLT;
  dev.max_mtu = MAX_STD_JUMBO_FRAME_SIZE;
  dev.ethtool_ops = igb_ethtool_ops;
  dev.parent_name = pdev.name;
  dev.parent_bus = "pci";
  dev.irq = pci_irq_vector(pdev, 0);
  netif_set_real_num_tx_queues(dev, adapter.rss_queues);
  netif_set_real_num_rx_queues(dev, adapter.rss_queues);
  igb_reset(adapter);
  netif_carrier_off(dev);
  err = register_netdev(dev);
  if (err < 0) {
    igb_clear_interrupt_scheme(adapter);
    return err;
  }
  dev_info(adapter, "Intel(R) Gigabit Ethernet Network Connection");
  dev_info(adapter, `${dev.name}: (PCIe:2.5Gb/s:Width x4) ${mac_text(dev.dev_addr)}`);
  const n = adapter.rss_queues;
  dev_info(adapter, `Using MSI-X interrupts. ${n} rx queue(s), ${n} tx queue(s)`);
  return 0;
}

/** Unbound, or pulled out while it ran: registers then read all ones and writes go nowhere. */
function igb_remove(pdev: PciDev): void {
  const adapter = pdev.drvdata as IgbAdapter;
  if (!pdev.pf.present) dev_info(adapter, "PCIe link lost, device now detached");
  unregister_netdev(adapter.netdev);
  timer_delete(adapter.watchdog_timer);
  igb_clear_interrupt_scheme(adapter);
}

const igb_driver: PciDriver = {
  name: "igb",
  id_table: [{ vendor: PCI_VENDOR_ID_INTEL, device: R.E1000_DEV_ID_82576 }],
  probe: igb_probe,
  remove: igb_remove,
};

/** module_init. */
export function igb_init_module(k: Kernel, params: IgbParams = {}): number {
  k.igb_params = params;
  printk(k, KERN_INFO, "igb: Intel(R) Gigabit Ethernet Network Driver");
  return pci_register_driver(k, igb_driver);
}
