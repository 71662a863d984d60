// Rings, vectors and the adapter: what the parts of the igb driver share. Mirrors drivers/net/ethernet/intel/igb/igb.h.
// Read first: hw/82576_regs.ts. Way in: igb_main.ts.

import { type PciFunction, pci_read32, pci_write32 } from "../../../../hw/pci.ts";
import type { Kernel } from "../../../../kernel/kernel.ts";
import type { TimerList } from "../../../../kernel/time/timer.ts";
import type { NapiStruct, NetDevice, NetdevQueue } from "../../../../net/core/netdevice.ts";
import type { HeadBuf, SkBuff } from "../../../../net/core/skbuff.ts";
import type { PciDev } from "../../../pci/pci_driver.ts";

const IGB_DEFAULT_TXD = 256;
const IGB_DEFAULT_RXD = 256;
export const IGB_MIN_DESCRIPTORS = 64;
export const IGB_MAX_DESCRIPTORS = 4096;
const IGB_DEFAULT_TX_WORK = 128;
export const IGB_MAX_QUEUES = 8;
/** Vectors that serve no queue: link changes and errors. */
export const NON_Q_VECTORS = 1;

// Interrupt intervals in EITR units (quarter microseconds; hence the low two bits are free).
export const IGB_START_ITR = 648;
export const IGB_4K_ITR = 980;
export const IGB_20K_ITR = 196;
/** rx_itr_setting 0 … 3: off, dynamic, (reserved), dynamic but conservative. Above: an interval in EITR units. */
const IGB_DEFAULT_ITR = 3;

/** Frames up to this length are copied into a packet of their own when copybreak is on. */
export const IGB_RX_HDR_LEN = 256;
export const IGB_RXBUFFER_2048 = 2048;
export const IGB_RXBUFFER_3072 = 3072;
/** Descriptors that are refilled at once. */
export const IGB_RX_BUFFER_WRITE = 16;
/** Longest frame (FCS and a tag included) that a 2 KB buffer holds behind its headroom. */
export const IGB_MAX_FRAME_BUILD_SKB = 2048 - 64 - 320;
export const MAX_STD_JUMBO_FRAME_SIZE = 9216;

/** A packet of MAX_SKB_FRAGS pieces and its context, with two to spare. */
export const DESC_NEEDED = 21;
export const IGB_TX_QUEUE_WAKE = DESC_NEEDED * 2;
export const IGB_MAX_DATA_PER_TXD = 32768;

export const IGB_TX_FLAGS_VLAN = 0x01;
export const IGB_TX_FLAGS_TSO = 0x02;
export const IGB_TX_FLAGS_IPV4 = 0x10;
export const IGB_TX_FLAGS_CSUM = 0x20;
export const IGB_TX_FLAGS_VLAN_SHIFT = 16;

export const __IGB_DOWN = 1;

/** One per descriptor of a transmit ring; the first of a packet carries the packet. */
export class IgbTxBuffer {
  /** The packet's last descriptor; -1: nothing to watch. */
  next_to_watch = -1;
  skb: SkBuff | null = null;
  bytecount = 0;
  gso_segs = 0;
  tx_flags = 0;
  /** jiffies. */
  time_stamp = 0;
}

export class IgbRing {
  readonly adapter: IgbAdapter;
  readonly netdev: NetDevice;
  readonly pf: PciFunction;
  q_vector: IgbQVector = null as unknown as IgbQVector;
  readonly queue_index: number;
  /** The hardware's queue number, and its tail register. */
  readonly reg_idx: number;
  readonly tail: number;
  count: number;
  next_to_clean = 0;
  next_to_use = 0;
  /** The descriptors, in DMA memory; null while the device is down. */
  desc: HeadBuf | null = null;
  dv: DataView = null as unknown as DataView;
  /** The other array of a transmit ring. */
  tx_buffer_info: IgbTxBuffer[] = [];
  /** The other array of a receive ring: the buffer that the descriptor points to. A live slot's is nobody else's. */
  rx_buffer_info: (HeadBuf | null)[] = [];
  rx_buffer_len = IGB_RXBUFFER_2048;
  /** Bytes of a receive buffer with its headroom. */
  rx_head_size = 2048;
  /** A received packet whose last descriptor is still to come. */
  skb: SkBuff | null = null;
  txq: NetdevQueue | null = null;

  packets = 0;
  bytes = 0;
  restart_queue = 0;
  drops = 0;
  csum_err = 0;
  alloc_failed = 0;

  constructor(adapter: IgbAdapter, queue_index: number, tail: number, count: number) {
    this.adapter = adapter;
    this.netdev = adapter.netdev;
    this.pf = adapter.pdev.pf;
    this.queue_index = queue_index;
    this.reg_idx = queue_index;
    this.tail = tail;
    this.count = count;
  }
}

/** An MSI-X vector with its NAPI instance and the two rings it serves. */
export class IgbQVector {
  readonly adapter: IgbAdapter;
  readonly kernel: Kernel;
  readonly pf: PciFunction;
  napi: NapiStruct = null as unknown as NapiStruct;
  readonly index: number;
  /** MSI-X vector, and its bit in the EICR family. */
  readonly eims_value: number;
  readonly itr_register: number;
  itr_val = IGB_START_ITR;
  /** itr_val is to be written at the next interrupt. */
  set_itr = true;
  tx: IgbRing = null as unknown as IgbRing;
  rx: IgbRing = null as unknown as IgbRing;
  /** Traffic since the interval was last worked out. */
  rx_packets = 0;
  rx_bytes = 0;
  tx_packets = 0;
  tx_bytes = 0;
  name = "";

  constructor(adapter: IgbAdapter, index: number, vector: number, itr_register: number) {
    this.adapter = adapter;
    this.kernel = adapter.kernel;
    this.pf = adapter.pdev.pf;
    this.index = index;
    this.eims_value = 1 << vector;
    this.itr_register = itr_register;
  }
}

export const e1000_fc_none = 0;
export const e1000_fc_rx_pause = 1;
export const e1000_fc_tx_pause = 2;

/** struct e1000_hw_stats: what the statistics registers have added up to since the device was probed. */
export class E1000HwStats {
  crcerrs = 0;
  algnerrc = 0;
  rxerrc = 0;
  mpc = 0;
  scc = 0;
  ecol = 0;
  mcc = 0;
  latecol = 0;
  colc = 0;
  dc = 0;
  tncrs = 0;
  cexterr = 0;
  rlec = 0;
  xonrxc = 0;
  xontxc = 0;
  xoffrxc = 0;
  xofftxc = 0;
  gprc = 0;
  bprc = 0;
  mprc = 0;
  gptc = 0;
  gorc = 0;
  gotc = 0;
  rnbc = 0;
  ruc = 0;
  roc = 0;
  tor = 0;
  tot = 0;
  tpr = 0;
  tpt = 0;
  mptc = 0;
  bptc = 0;
  tsctc = 0;
  tsctfc = 0;
  doosync = 0;
  fcruc = 0;
  rfc = 0;
  rjc = 0;
}

export class IgbAdapter {
  readonly kernel: Kernel;
  readonly netdev: NetDevice;
  readonly pdev: PciDev;
  state = __IGB_DOWN;
  tx_ring_count = IGB_DEFAULT_TXD;
  rx_ring_count = IGB_DEFAULT_RXD;
  rx_itr_setting = IGB_DEFAULT_ITR;
  tx_itr_setting = IGB_DEFAULT_ITR;
  tx_work_limit = IGB_DEFAULT_TX_WORK;
  rss_queues = 1;
  readonly tx_ring: IgbRing[] = [];
  readonly rx_ring: IgbRing[] = [];
  readonly q_vector: IgbQVector[] = [];
  eims_enable_mask = 0;
  eims_other = 1;
  /** False: one interrupt and one netif_rx() per frame, as drivers did before NAPI. */
  napi = true;
  rx_copybreak = 0;
  max_frame_size = 1522;
  link_speed = 0;
  link_duplex = 0;
  watchdog_timer: TimerList = null as unknown as TimerList;
  readonly stats = new E1000HwStats();
  /** Packets by length: to 64, 127, 255, 511, 1023 octets, and above. */
  readonly prc = new Float64Array(6);
  readonly ptc = new Float64Array(6);
  tx_timeout_count = 0;
  readonly active_vlans = new Int32Array(128);
  readonly shadow_vfta = new Int32Array(128);
  readonly rss_indir_tbl = new Uint8Array(128);
  readonly rss_key = new Uint8Array(40);
  /** MRQC bits of what is hashed by ports beside TCP: UDP, once asked for by `ethtool -N`. */
  rss_udp_fields = 0;
  msg_enable = 7;
  // hw.phy and hw.fc
  autoneg = true;
  /** MII bits of registers 4 and 9. */
  autoneg_advertised = 0;
  forced_control = 0;
  fc_requested = e1000_fc_rx_pause;
  fc_autoneg = true;
  fc_current = e1000_fc_none;
  /** LEDCTL as it was before the LEDs were used to show where the card is. */
  ledctl_default = 0;

  constructor(kernel: Kernel, netdev: NetDevice, pdev: PciDev) {
    this.kernel = kernel;
    this.netdev = netdev;
    this.pdev = pdev;
  }
}

export const rd32 = (adapter: IgbAdapter, reg: number): number => pci_read32(adapter.pdev.pf, reg);
export const wr32 = (adapter: IgbAdapter, reg: number, val: number): void => pci_write32(adapter.pdev.pf, reg, val);

/** Descriptors that software may still fill. */
export const igb_desc_unused = (ring: IgbRing): number =>
  ring.next_to_clean > ring.next_to_use
    ? ring.next_to_clean - ring.next_to_use - 1
    : ring.count + ring.next_to_clean - ring.next_to_use - 1;

const TWO_M32 = 2 ** -32;
/** Writes a DMA address, which may exceed 32 bits, into a descriptor. */
export function igb_put_dma(dv: DataView, at: number, dma: number): void {
  const hi = (dma * TWO_M32) >>> 0;
  dv.setUint32(at, dma - hi * 0x1_0000_0000, true);
  dv.setUint32(at + 4, hi, true);
}
