// A virtio network card: what crosses it are packets with a virtio_net_hdr, so that sums and segmentation can be left to the other side.
// Read first: Virtual I/O Device (VIRTIO) 1.2, section 5.1. Way in: new VirtioNet; .pf goes into a PciBus, .backend is the other side.
// DIFF: queues are calls with a buffer instead of rings of descriptors in memory; order, buffers posted by the driver and
// notification are the specification's.

import { PCI_CLASS_NETWORK_ETHERNET, type PciDevice, PciFunction, pci_msix_raise } from "./pci.ts";

export const PCI_VENDOR_ID_REDHAT_QUMRANET = 0x1af4;
export const PCI_DEVICE_ID_VIRTIO_NET = 0x1041;

export const VIRTIO_NET_F_CSUM = 1 << 0;
export const VIRTIO_NET_F_GUEST_CSUM = 1 << 1;
export const VIRTIO_NET_F_CTRL_GUEST_OFFLOADS = 1 << 2;
export const VIRTIO_NET_F_MTU = 1 << 3;
export const VIRTIO_NET_F_MAC = 1 << 5;
export const VIRTIO_NET_F_GUEST_TSO4 = 1 << 7;
export const VIRTIO_NET_F_GUEST_TSO6 = 1 << 8;
export const VIRTIO_NET_F_GUEST_ECN = 1 << 9;
export const VIRTIO_NET_F_HOST_TSO4 = 1 << 11;
export const VIRTIO_NET_F_HOST_TSO6 = 1 << 12;
export const VIRTIO_NET_F_HOST_ECN = 1 << 13;
export const VIRTIO_NET_F_STATUS = 1 << 16;
// Bits 54 to 56 of the specification; here where a small integer has room.
export const VIRTIO_NET_F_GUEST_USO4 = 1 << 24;
export const VIRTIO_NET_F_GUEST_USO6 = 1 << 25;
export const VIRTIO_NET_F_HOST_USO = 1 << 26;

/** struct virtio_net_hdr_v1: flags, gso_type, then hdr_len, gso_size, csum_start, csum_offset and num_buffers as le16. */
export const VNET_HDR_LEN = 12;
export const VNET_FLAGS = 0;
export const VNET_GSO_TYPE = 1;
export const VNET_HDR_LEN_FIELD = 2;
export const VNET_GSO_SIZE = 4;
export const VNET_CSUM_START = 6;
export const VNET_CSUM_OFFSET = 8;
export const VNET_NUM_BUFFERS = 10;
export const VIRTIO_NET_HDR_F_NEEDS_CSUM = 1;
export const VIRTIO_NET_HDR_F_DATA_VALID = 2;
export const VIRTIO_NET_HDR_GSO_NONE = 0;
export const VIRTIO_NET_HDR_GSO_TCPV4 = 1;
export const VIRTIO_NET_HDR_GSO_TCPV6 = 4;
export const VIRTIO_NET_HDR_GSO_UDP_L4 = 5;
export const VIRTIO_NET_HDR_GSO_ECN = 0x80;

/** The longest packet with its header: 64 KiB of IP, Ethernet and a tag. */
export const VIRTIO_BUFFER = VNET_HDR_LEN + 65535 + 18;
/** MSI-X vectors: configuration, and the receive queue. */
export const VIRTIO_VECTOR_CONFIG = 0;
export const VIRTIO_VECTOR_INPUT = 1;

/** The other side of the card. */
export interface VirtioBackend {
  /** VIRTIO_NET_F_* that it can do. */
  readonly vnet_features: number;
  /** A packet of ours, `len` bytes with its header at the start of `buf`, which is the card's again afterwards. */
  vnet_send(buf: Uint8Array, len: number): boolean;
  /** Guest offloads that the driver accepts from now on (VIRTIO_NET_F_GUEST_*). False when it cannot. */
  vnet_offloads(features: number): boolean;
  /** The driver has posted buffers after there were none. */
  vnet_wake(): void;
  vnet_attach(card: VirtioNet): void;
  vnet_detach(): void;
}

export class VirtioNet implements PciDevice {
  readonly pf: PciFunction;
  readonly mac: Uint8Array;
  readonly backend: VirtioBackend;
  /** Buffers that the driver has posted, and lengths of those that are filled: rings of the same places. */
  readonly size: number;
  readonly buffers: (Uint8Array | null)[];
  readonly lengths: Int32Array;
  /** Free-running: posted by the driver, filled by the card, taken back by the driver. */
  avail = 0;
  used = 0;
  taken = 0;
  /** VRING_AVAIL_F_NO_INTERRUPT. */
  no_interrupt = true;
  /** DRIVER_OK. */
  running = false;
  /** Packets for which there was no buffer. */
  missed = 0;
  private starved = false;

  constructor(o: { slot: string; mac: Uint8Array; backend: VirtioBackend; ring?: number }) {
    this.mac = o.mac.slice(0, 6);
    this.backend = o.backend;
    o.backend.vnet_attach(this);
    this.size = o.ring ?? 64;
    this.buffers = new Array(this.size).fill(null);
    this.lengths = new Int32Array(this.size);
    this.pf = new PciFunction(
      o.slot,
      {
        vendor: PCI_VENDOR_ID_REDHAT_QUMRANET,
        device: PCI_DEVICE_ID_VIRTIO_NET,
        subsystem_vendor: PCI_VENDOR_ID_REDHAT_QUMRANET,
        subsystem_device: 0x1100,
        class_code: PCI_CLASS_NETWORK_ETHERNET,
        revision: 1,
        msix_count: 3,
      },
      this,
    );
  }

  /** The specification's registers are behind capabilities that nothing here reads. */
  read32(_reg: number): number {
    return 0;
  }
  write32(_reg: number, _val: number): void {}
  reset(): void {
    this.running = false;
    this.no_interrupt = true;
    this.buffers.fill(null);
    this.avail = this.used = this.taken = 0;
    this.starved = false;
  }
  unplugged(): void {
    this.reset();
    this.backend.vnet_detach();
  }

  // --- the driver's side --------------------------------------------------------------------------------------------

  post(buf: Uint8Array): void {
    this.buffers[this.avail++ % this.size] = buf;
    if (!this.starved) return;
    this.starved = false;
    this.backend.vnet_wake();
  }
  /** Length of the next filled buffer, -1 when there is none. */
  take(): number {
    return this.taken === this.used ? -1 : this.lengths[this.taken++ % this.size]!;
  }
  get pending(): boolean {
    return this.taken !== this.used;
  }

  // --- the other side -----------------------------------------------------------------------------------------------

  /** The buffer that the next packet goes to, or null: then vnet_wake() tells when. */
  rx_buffer(): Uint8Array | null {
    if (this.running && this.used !== this.avail) return this.buffers[this.used % this.size]!;
    if (this.running) this.starved = true;
    return null;
  }
  /** `len` bytes, header included, are in what rx_buffer() gave. */
  rx_done(len: number): void {
    this.lengths[this.used++ % this.size] = len;
  }
  /** After some rx_done(): the driver hears of them. */
  rx_notify(): void {
    if (!this.no_interrupt && this.taken !== this.used) pci_msix_raise(this.pf, VIRTIO_VECTOR_INPUT);
  }
  /** A frame without offloads, from a capture. */
  rx_frame(frame: Uint8Array): boolean {
    const buf = this.rx_buffer();
    if (buf === null || frame.length + VNET_HDR_LEN > buf.length) {
      this.missed++;
      return false;
    }
    buf.fill(0, 0, VNET_HDR_LEN);
    buf.set(frame, VNET_HDR_LEN);
    this.rx_done(VNET_HDR_LEN + frame.length);
    this.rx_notify();
    return true;
  }
}
