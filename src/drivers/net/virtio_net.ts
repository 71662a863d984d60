// virtio_net: packets with a header that says what is still to be summed or cut. Mirrors drivers/net/virtio_net.c and
// include/linux/virtio_net.h. Read first: hw/virtio_net.ts. Way in: virtio_net_init(), virtnet_probe().
// DIFF: one pair of queues; a packet is gone when it has been handed over, so there is no transmit interrupt.

import {
  PCI_DEVICE_ID_VIRTIO_NET,
  PCI_VENDOR_ID_REDHAT_QUMRANET,
  VIRTIO_BUFFER,
  VIRTIO_NET_F_CSUM,
  VIRTIO_NET_F_GUEST_CSUM,
  VIRTIO_NET_F_GUEST_ECN,
  VIRTIO_NET_F_GUEST_TSO4,
  VIRTIO_NET_F_GUEST_TSO6,
  VIRTIO_NET_F_GUEST_USO4,
  VIRTIO_NET_F_GUEST_USO6,
  VIRTIO_NET_F_HOST_ECN,
  VIRTIO_NET_F_HOST_TSO4,
  VIRTIO_NET_F_HOST_TSO6,
  VIRTIO_NET_F_HOST_USO,
  VIRTIO_NET_HDR_F_DATA_VALID,
  VIRTIO_NET_HDR_F_NEEDS_CSUM,
  VIRTIO_NET_HDR_GSO_ECN,
  VIRTIO_NET_HDR_GSO_NONE,
  VIRTIO_NET_HDR_GSO_TCPV4,
  VIRTIO_NET_HDR_GSO_TCPV6,
  VIRTIO_NET_HDR_GSO_UDP_L4,
  VIRTIO_VECTOR_INPUT,
  type VirtioNet,
  VNET_CSUM_OFFSET,
  VNET_CSUM_START,
  VNET_GSO_SIZE,
  VNET_GSO_TYPE,
  VNET_HDR_LEN,
  VNET_HDR_LEN_FIELD,
} from "../../hw/virtio_net.ts";
import { free_irq, request_irq } from "../../kernel/irq.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { trace_call, trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_start_xmit, F_virtnet_poll, F_virtnet_receive } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { napi_complete_done, napi_disable, napi_enable, napi_gro_receive, napi_schedule } from "../../net/core/dev.ts";
import {
  alloc_netdev_mqs,
  netif_carrier_off,
  netif_carrier_on,
  netif_napi_add,
  netif_napi_del,
  register_netdev,
  unregister_netdev,
} from "../../net/core/dev_api.ts";
import { SKB_DROP_REASON_DEV_HDR, SKB_DROP_REASON_NOT_SPECIFIED } from "../../net/core/dropreason.ts";
import { virtual_link_ksettings } from "../../net/core/ethtool_ops.ts";
import {
  type NapiStruct,
  NETDEV_TX_OK,
  NETIF_F_GRO_HW,
  NETIF_F_GSO_UDP_L4,
  NETIF_F_HIGHDMA,
  NETIF_F_HW_CSUM,
  NETIF_F_RXCSUM,
  NETIF_F_SG,
  NETIF_F_TSO,
  NETIF_F_TSO_ECN,
  NETIF_F_TSO6,
  type NetDevice,
  type NetDeviceOps,
} from "../../net/core/netdevice.ts";
import { head_window, skb_copy_bits } from "../../net/core/skb_data.ts";
import {
  alloc_skb,
  build_skb,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  type HeadBuf,
  head_alloc,
  head_copy,
  head_put,
  kfree_skb_reason,
  NET_SKB_PAD,
  SKB_GSO_DODGY,
  SKB_GSO_TCP_ECN,
  SKB_GSO_TCPV4,
  SKB_GSO_TCPV6,
  SKB_GSO_UDP_L4,
  type SkBuff,
  skb_put,
  skb_reserve,
} from "../../net/core/skbuff.ts";
import { skb_tx_timestamp } from "../../net/core/sock_tstamp.ts";
import { eth_mac_addr, eth_type_trans, ether_setup } from "../../net/ethernet/eth.ts";
import { ENOMEM } from "../../uapi/errno.ts";
import {
  type PciDev,
  type PciDriver,
  pci_alloc_irq_vectors,
  pci_free_irq_vectors,
  pci_irq_vector,
  pci_register_driver,
} from "../pci/pci_driver.ts";

/** Up to this a packet is copied, and the buffer stays for the next one. */
const GOOD_COPY_LEN = 1600;
/** The header ends where the headroom of a packet ends. */
const HDR_AT = NET_SKB_PAD - VNET_HDR_LEN;
const HEAD_SIZE = HDR_AT + VIRTIO_BUFFER;
const PAGE_SIZE = 4096;

const GUEST_GSO =
  VIRTIO_NET_F_GUEST_TSO4 |
  VIRTIO_NET_F_GUEST_TSO6 |
  VIRTIO_NET_F_GUEST_ECN |
  VIRTIO_NET_F_GUEST_USO4 |
  VIRTIO_NET_F_GUEST_USO6;

class VirtnetInfo {
  readonly kernel: Kernel;
  readonly dev: NetDevice;
  readonly pdev: PciDev;
  readonly vdev: VirtioNet;
  napi: NapiStruct = null as unknown as NapiStruct;
  /** The heads behind the posted buffers, by place in the ring. */
  readonly heads: (HeadBuf | null)[];
  /** What is sent, in one piece behind its header. */
  readonly tx_buf: Uint8Array = new Uint8Array(VIRTIO_BUFFER);
  readonly tx_dv: DataView = new DataView(this.tx_buf.buffer);
  rx_bytes = 0;
  rx_packets = 0;
  rx_drops = 0;
  rx_gso_packets = 0;
  rx_kicks = 0;
  tx_gso_packets = 0;

  constructor(kernel: Kernel, dev: NetDevice, pdev: PciDev, vdev: VirtioNet) {
    this.kernel = kernel;
    this.dev = dev;
    this.pdev = pdev;
    this.vdev = vdev;
    this.heads = new Array(vdev.size).fill(null);
  }
}

const priv = (dev: NetDevice): VirtnetInfo => dev.priv as VirtnetInfo;

// --- receive ------------------------------------------------------------------------------------------------------

/** Posts a buffer at every free place of the ring. False without memory. */
function try_fill_recv(vi: VirtnetInfo): boolean {
  const { vdev } = vi;
  while (vdev.avail - vdev.taken < vdev.size) {
    const at = vdev.avail % vdev.size;
    const head = vi.heads[at] ?? head_alloc(vi.kernel, HEAD_SIZE);
    if (head === null) return false;
    vi.heads[at] = head;
    vdev.post(head_window(head, HDR_AT, VIRTIO_BUFFER));
  }
  return true;
}

/** virtio_net_hdr_to_skb: what the header says, checked against the packet. False when it cannot be. */
function virtio_net_hdr_to_skb(skb: SkBuff, head: HeadBuf, rxcsum: boolean): boolean {
  const { dv } = head;
  const flags = head.u8[HDR_AT]!;
  const type = head.u8[HDR_AT + VNET_GSO_TYPE]!;
  if ((flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) !== 0) {
    const start = dv.getUint16(HDR_AT + VNET_CSUM_START, true);
    const offset = dv.getUint16(HDR_AT + VNET_CSUM_OFFSET, true);
    if (start < 14 || start + offset + 2 > skb.len) return false;
    skb.ip_summed = CHECKSUM_PARTIAL;
    skb.csum_start = skb.data + start;
    skb.csum_offset = offset;
  } else if ((flags & VIRTIO_NET_HDR_F_DATA_VALID) !== 0 && rxcsum) skb.ip_summed = CHECKSUM_UNNECESSARY;
  if (type === VIRTIO_NET_HDR_GSO_NONE) return true;
  let gso_type = SKB_GSO_DODGY;
  let thlen = 20;
  switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
    case VIRTIO_NET_HDR_GSO_TCPV4:
      gso_type |= SKB_GSO_TCPV4;
      break;
    case VIRTIO_NET_HDR_GSO_TCPV6:
      gso_type |= SKB_GSO_TCPV6;
      break;
    case VIRTIO_NET_HDR_GSO_UDP_L4:
      gso_type |= SKB_GSO_UDP_L4;
      thlen = 8;
      break;
    default:
      return false;
  }
  if ((type & VIRTIO_NET_HDR_GSO_ECN) !== 0) gso_type |= SKB_GSO_TCP_ECN;
  const size = dv.getUint16(HDR_AT + VNET_GSO_SIZE, true);
  // Linux's kernel always leaves the sum to us with these; what says otherwise is not to be trusted.
  if (size === 0 || skb.ip_summed !== CHECKSUM_PARTIAL) return false;
  if (thlen === 8 && skb.csum_offset !== 6) return false;
  const headers = skb.csum_start - skb.data + thlen;
  if (headers > skb.len) return false;
  if (skb.len - headers <= size) return true;
  skb.head.gso_size = size;
  skb.head.gso_type = gso_type;
  skb.head.gso_segs = Math.ceil((skb.len - headers) / size);
  return true;
}

/** At most `budget` packets up the stack. */
function virtnet_receive(vi: VirtnetInfo, budget: number): number {
  const { vdev, dev } = vi;
  let work = 0;
  while (work < budget) {
    const at = vdev.taken % vdev.size;
    const len = vdev.take() - VNET_HDR_LEN;
    if (len < -VNET_HDR_LEN) break;
    work++;
    const head = vi.heads[at]!;
    if (len < 14) {
      dev.stats.rx_length_errors++;
      dev.stats.rx_errors++;
      continue;
    }
    let skb: SkBuff | null;
    if (len <= GOOD_COPY_LEN) {
      skb = alloc_skb(vi.kernel, NET_SKB_PAD + len);
      if (skb !== null) {
        skb_reserve(skb, NET_SKB_PAD);
        head_copy(skb.head, skb_put(skb, len), head, NET_SKB_PAD, len);
      }
    } else {
      // The buffer becomes the packet's head; the place gets another one.
      vi.heads[at] = null;
      // What counts is the pages that hold data, as with Linux's buffers of several pages.
      skb = build_skb(head, (HDR_AT + VNET_HDR_LEN + len + PAGE_SIZE - 1) & -PAGE_SIZE);
      skb_reserve(skb, NET_SKB_PAD);
      skb_put(skb, len);
    }
    if (skb === null) {
      vi.rx_drops++;
      continue;
    }
    skb.dev = dev;
    if (trace_key.on) trace_fn(F_virtnet_receive, skb);
    if (!virtio_net_hdr_to_skb(skb, head, (dev.features & NETIF_F_RXCSUM) !== 0)) {
      dev.stats.rx_frame_errors++;
      dev.stats.rx_errors++;
      kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
      continue;
    }
    if (skb.head.gso_size !== 0) vi.rx_gso_packets++;
    if (trace_key.on && trace_detail(vi.kernel)) {
      trace_note(F_virtnet_receive, skb, { kind: "rx", dev: dev.name, queue: 0, gso_size: skb.head.gso_size });
    }
    vi.rx_packets++;
    vi.rx_bytes += len;
    skb.protocol = eth_type_trans(skb, dev);
    napi_gro_receive(vi.napi, skb);
    // The device was taken down under our feet.
    if (!vdev.running) return work;
  }
  if (work > 0) try_fill_recv(vi);
  return work;
}

function virtnet_poll(napi: NapiStruct, budget: number): number {
  const vi = priv(napi.dev);
  if (trace_key.on) trace_call(F_virtnet_poll, vi.kernel);
  const work = virtnet_receive(vi, budget);
  if (work < budget && napi_complete_done(napi, work)) {
    vi.vdev.no_interrupt = false;
    // What came between the last look and this line.
    if (vi.vdev.pending && vi.vdev.running) {
      vi.vdev.no_interrupt = true;
      napi_schedule(napi);
    }
  }
  return work;
}

function skb_recv_done(_irq: number, data: unknown): void {
  const vi = data as VirtnetInfo;
  vi.vdev.no_interrupt = true;
  vi.rx_kicks++;
  napi_schedule(vi.napi);
}

// --- transmit -----------------------------------------------------------------------------------------------------

/** virtio_net_hdr_from_skb, and the packet behind it. */
function start_xmit(skb: SkBuff, dev: NetDevice): number {
  if (trace_key.on) trace_fn(F_start_xmit, skb);
  const vi = priv(dev);
  const { tx_buf, tx_dv } = vi;
  const { head, len } = skb;
  tx_buf.fill(0, 0, VNET_HDR_LEN);
  if (skb.ip_summed === CHECKSUM_PARTIAL) {
    tx_buf[0] = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    tx_dv.setUint16(VNET_CSUM_START, skb.csum_start - skb.data, true);
    tx_dv.setUint16(VNET_CSUM_OFFSET, skb.csum_offset, true);
  }
  if (head.gso_size !== 0) {
    const t = head.gso_type;
    const type =
      (t & SKB_GSO_TCPV4) !== 0
        ? VIRTIO_NET_HDR_GSO_TCPV4
        : (t & SKB_GSO_TCPV6) !== 0
          ? VIRTIO_NET_HDR_GSO_TCPV6
          : VIRTIO_NET_HDR_GSO_UDP_L4;
    tx_buf[VNET_GSO_TYPE] = type | ((t & SKB_GSO_TCP_ECN) !== 0 ? VIRTIO_NET_HDR_GSO_ECN : 0);
    tx_dv.setUint16(VNET_GSO_SIZE, head.gso_size, true);
    const at = skb.csum_start;
    const thlen = type === VIRTIO_NET_HDR_GSO_UDP_L4 ? 8 : (head.dv.getUint8(at + 12) >> 4) << 2;
    tx_dv.setUint16(VNET_HDR_LEN_FIELD, at - skb.data + thlen, true);
    vi.tx_gso_packets++;
  }
  const room = len + VNET_HDR_LEN <= tx_buf.length && skb_copy_bits(skb, 0, tx_buf, VNET_HDR_LEN, len) === 0;
  if (room) skb_tx_timestamp(skb);
  if (room && vi.vdev.backend.vnet_send(tx_buf, len + VNET_HDR_LEN)) {
    dev.stats.tx_packets++;
    dev.stats.tx_bytes += len;
    consume_skb(skb);
  } else {
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  }
  return NETDEV_TX_OK;
}

// --- the device ---------------------------------------------------------------------------------------------------

/** What the features of the device mean for what may come in. */
function guest_offloads(vi: VirtnetInfo, features: number): number {
  if ((features & NETIF_F_RXCSUM) === 0) return 0;
  const can = vi.vdev.backend.vnet_features;
  return can & (VIRTIO_NET_F_GUEST_CSUM | ((features & NETIF_F_GRO_HW) !== 0 ? GUEST_GSO : 0));
}

function virtnet_open(dev: NetDevice): number {
  const vi = priv(dev);
  const irq = pci_irq_vector(vi.pdev, VIRTIO_VECTOR_INPUT);
  const err = request_irq(vi.kernel, irq, skb_recv_done, `${dev.name}-input.0`, vi);
  if (err < 0) return err;
  if (!try_fill_recv(vi)) {
    free_irq(vi.kernel, irq);
    drop_buffers(vi);
    return -ENOMEM;
  }
  napi_enable(vi.napi);
  vi.vdev.no_interrupt = false;
  vi.vdev.running = true;
  vi.vdev.backend.vnet_offloads(guest_offloads(vi, dev.features));
  vi.vdev.backend.vnet_wake();
  netif_carrier_on(dev);
  return 0;
}

function drop_buffers(vi: VirtnetInfo): void {
  vi.vdev.reset();
  for (let i = 0; i < vi.heads.length; i++) {
    const head = vi.heads[i];
    if (head) head_put(head);
    vi.heads[i] = null;
  }
}

function virtnet_close(dev: NetDevice): number {
  const vi = priv(dev);
  netif_carrier_off(dev);
  vi.vdev.running = false;
  napi_disable(vi.napi);
  free_irq(vi.kernel, pci_irq_vector(vi.pdev, VIRTIO_VECTOR_INPUT));
  drop_buffers(vi);
  return 0;
}

/** What comes merged has no sums that were checked: without RXCSUM nothing may. */
function virtnet_fix_features(_dev: NetDevice, features: number): number {
  return (features & NETIF_F_RXCSUM) === 0 ? features & ~NETIF_F_GRO_HW : features;
}

function virtnet_set_features(dev: NetDevice, features: number): number {
  const vi = priv(dev);
  const changed = dev.features ^ features;
  if ((changed & (NETIF_F_GRO_HW | NETIF_F_RXCSUM)) === 0 || !vi.vdev.running) return 0;
  return vi.vdev.backend.vnet_offloads(guest_offloads(vi, features)) ? 0 : -22;
}

const virtnet_netdev: NetDeviceOps = {
  ndo_open: virtnet_open,
  ndo_stop: virtnet_close,
  ndo_start_xmit: start_xmit,
  ndo_set_mac_address: eth_mac_addr,
  ndo_fix_features: virtnet_fix_features,
  ndo_set_features: virtnet_set_features,
  ndo_get_stats64: (dev, stats) => {
    const vi = priv(dev);
    Object.assign(stats, dev.stats);
    stats.rx_packets = vi.rx_packets;
    stats.rx_bytes = vi.rx_bytes;
    stats.rx_dropped = vi.rx_drops + dev.stats.rx_dropped;
  },
};

const STAT_NAMES = [
  "rx0_packets",
  "rx0_bytes",
  "rx0_drops",
  "rx0_gso_packets",
  "rx0_kicks",
  "tx0_packets",
  "tx0_bytes",
  "tx0_gso_packets",
];

function virtnet_probe(pdev: PciDev): number {
  const k = pdev.kernel;
  const vdev = pdev.pf.bar0 as unknown as VirtioNet;
  const can = vdev.backend.vnet_features;
  const dev = alloc_netdev_mqs(k.init_net, "eth%d", virtnet_netdev, ether_setup, 1, 1);
  const vi = new VirtnetInfo(k, dev, pdev, vdev);
  dev.priv = vi;
  pdev.drvdata = vi;
  dev.dev_addr = vdev.mac.slice();
  dev.perm_addr.set(vdev.mac);
  dev.features |= NETIF_F_HIGHDMA;
  if ((can & VIRTIO_NET_F_CSUM) !== 0) {
    dev.hw_features |= NETIF_F_HW_CSUM | NETIF_F_SG;
    if ((can & VIRTIO_NET_F_HOST_TSO4) !== 0) dev.hw_features |= NETIF_F_TSO;
    if ((can & VIRTIO_NET_F_HOST_TSO6) !== 0) dev.hw_features |= NETIF_F_TSO6;
    if ((can & VIRTIO_NET_F_HOST_ECN) !== 0) dev.hw_features |= NETIF_F_TSO_ECN;
    if ((can & VIRTIO_NET_F_HOST_USO) !== 0) dev.hw_features |= NETIF_F_GSO_UDP_L4;
  }
  if ((can & VIRTIO_NET_F_GUEST_CSUM) !== 0) dev.hw_features |= NETIF_F_RXCSUM;
  if ((can & GUEST_GSO) !== 0) dev.hw_features |= NETIF_F_GRO_HW;
  dev.features |= dev.hw_features;
  dev.vlan_features = dev.features;
  dev.max_mtu = 65535;
  dev.ethtool_ops = {
    get_drvinfo: (d) => ({
      driver: "virtio_net",
      version: "1.0.0",
      fw_version: "",
      bus_info: priv(d).pdev.name,
      n_priv_flags: 0,
    }),
    get_link: (d) => (d.state & 4) === 0,
    get_link_ksettings: () => virtual_link_ksettings(-1, 0xff, 0xff),
    get_ringparam: (d) => {
      const { size } = priv(d).vdev;
      return { rx_max_pending: size, tx_max_pending: size, rx_pending: size, tx_pending: size };
    },
    get_strings: () => STAT_NAMES,
    get_ethtool_stats: (d) => {
      const v = priv(d);
      const s = d.stats;
      return [
        v.rx_packets,
        v.rx_bytes,
        v.rx_drops,
        v.rx_gso_packets,
        v.rx_kicks,
        s.tx_packets,
        s.tx_bytes,
        v.tx_gso_packets,
      ];
    },
  };
  dev.parent_name = pdev.name;
  dev.parent_bus = "pci";
  const err = pci_alloc_irq_vectors(pdev, 2, 3);
  if (err < 0) return err;
  vi.napi = netif_napi_add(dev, virtnet_poll, vi);
  netif_carrier_off(dev);
  const registered = register_netdev(dev);
  if (registered < 0) {
    netif_napi_del(vi.napi);
    pci_free_irq_vectors(pdev);
  }
  return Math.min(0, registered);
}

function virtnet_remove(pdev: PciDev): void {
  const vi = pdev.drvdata as VirtnetInfo;
  unregister_netdev(vi.dev);
  pci_free_irq_vectors(pdev);
}

const virtio_net_driver: PciDriver = {
  name: "virtio_net",
  id_table: [{ vendor: PCI_VENDOR_ID_REDHAT_QUMRANET, device: PCI_DEVICE_ID_VIRTIO_NET }],
  probe: virtnet_probe,
  remove: virtnet_remove,
};

/** module_init. */
export function virtio_net_init(k: Kernel): number {
  return pci_register_driver(k, virtio_net_driver);
}
