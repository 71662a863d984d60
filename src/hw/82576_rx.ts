// The receive half of the 82576: MAC checks, address filters, packet buffer, RSS, DMA into the descriptor rings.
// Read first: 82576 datasheet section 7.1. Way in: rx_frame (from the cable), rx_drain (descriptors were added).
import type { I82576 } from "./82576.ts";
import { flow_receive, flow_rx_level } from "./82576_flow.ts";
import { intr_eval, intr_other_cause, intr_queue_cause } from "./82576_intr.ts";
import { IPPROTO_TCP, rx_checksum, rx_parse, rx_rss } from "./82576_parse.ts";
import {
  E1000_BPRC,
  E1000_CRCERRS,
  E1000_DESC_SIZE,
  E1000_ETQF,
  E1000_ETQF_ETYPE_MASK,
  E1000_ETQF_FILTER_ENABLE,
  E1000_ETQF_QUEUE_ENABLE,
  E1000_ETQF_QUEUE_SHIFT,
  E1000_ETQF_SIZE,
  E1000_GPRC,
  E1000_ICR_RXO,
  E1000_MPC,
  E1000_MPRC,
  E1000_PRC64,
  E1000_RAH,
  E1000_RAH_AV,
  E1000_RAL,
  E1000_RAR_ENTRIES,
  E1000_RCTL_BAM,
  E1000_RCTL_EN,
  E1000_RCTL_LPE,
  E1000_RCTL_MO_SHIFT,
  E1000_RCTL_MPE,
  E1000_RCTL_SBP,
  E1000_RCTL_SECRC,
  E1000_RCTL_UPE,
  E1000_RCTL_VFE,
  E1000_RFC,
  E1000_RJC,
  E1000_RLEC,
  E1000_RLPML,
  E1000_RNBC,
  E1000_ROC,
  E1000_RUC,
  E1000_RXD_STAT_DD,
  E1000_RXD_STAT_EOP,
  E1000_RXD_STAT_PIF,
  E1000_RXD_STAT_VP,
  E1000_RXDEXT_STATERR_CE,
  E1000_RXDEXT_STATERR_RXE,
  E1000_SYNQF,
  E1000_SYNQF_QUEUE_ENABLE,
  E1000_SYNQF_QUEUE_SHIFT,
  E1000_TPR,
} from "./82576_regs.ts";
import { type DmaWindow, dma_copy, dma_find } from "./dma.ts";
import { ETH_FCS_LEN, ETH_ZLEN, type Frame, frame_fcs, frame_fcs_ok, frame_put } from "./frame.ts";
import { HW_RX, HW_RX_FILTER, HW_RX_MISSED, HW_RX_NO_DESC, HW_RX_OFF, HW_RX_RESET, HW_RX_WAIT } from "./trace.ts";

export class RxQueue {
  readonly index: number;
  enabled = false;
  /** Latched when the queue is enabled. */
  ring: DmaWindow | null = null;
  base = 0;
  count = 0;
  /** Descriptors head … tail-1 are the device's. */
  head = 0;
  tail = 0;
  buf_size = 2048;
  drop_en = false;
  /** IVAR byte. */
  ivar = 0;
  /** RQDPC. */
  dropped = 0;
  /** Registers as written. */
  rdbal = 0;
  rdbah = 0;
  rdlen = 0;
  srrctl = 0;
  rxdctl = 0;

  constructor(index: number) {
    this.index = index;
  }
}

const RX_FIFO_FRAMES = 2048;

/** The receive packet buffer: frames that passed the filters and wait for descriptors. */
export class RxFifo {
  readonly frames: (Frame | null)[] = new Array(RX_FIFO_FRAMES).fill(null);
  readonly flags = new Int32Array(RX_FIFO_FRAMES);
  head = 0;
  count = 0;
  bytes = 0;
}

function rx_fifo_shift(q: RxFifo, len: number): void {
  q.frames[q.head] = null;
  q.head = (q.head + 1) & (RX_FIFO_FRAMES - 1);
  q.count--;
  q.bytes -= len;
}

/** What rx_filter says of a frame that goes no further. */
const FRAME_DROPPED = -1;

/** The counter of a frame's size class: six classes from 64 up to 1522 octets, FCS included. */
export function size_class(len: number): number {
  if (len <= 64) return 0;
  if (len <= 127) return 1;
  if (len <= 255) return 2;
  if (len <= 511) return 3;
  return len <= 1023 ? 4 : 5;
}

/** A frame has arrived. Interrupts wait for the last frame of the instant. */
export function rx_frame(nic: I82576, f: Frame, more: boolean): void {
  if (nic.rctl & E1000_RCTL_EN) rx_one(nic, f);
  else rx_lose(nic, f, HW_RX_OFF, 0);
  if (!more) intr_eval(nic);
}

/** A frame ends in the card. */
function rx_lose(nic: I82576, f: Frame, what: number, queue: number): void {
  if (nic.trace !== null) nic.trace(nic, what, f, queue, 0);
  frame_put(f);
}

function rx_one(nic: I82576, f: Frame): void {
  const regs = nic.regs;
  const flags = rx_filter(nic, f);
  if (flags === FRAME_DROPPED) {
    rx_lose(nic, f, HW_RX_FILTER, 0);
    return;
  }
  // In order behind what waits in the packet buffer; with an empty buffer straight to memory.
  if (nic.fifo.count === 0 && rx_deliver(nic, f, flags)) return;
  const q = nic.fifo;
  if (q.bytes + f.len > nic.rx_fifo_size || q.count === RX_FIFO_FRAMES) {
    regs[E1000_MPC >> 2]++;
    intr_other_cause(nic, E1000_ICR_RXO);
    rx_lose(nic, f, HW_RX_MISSED, 0);
    return;
  }
  regs[E1000_RNBC >> 2]++;
  if (nic.trace !== null) nic.trace(nic, HW_RX_WAIT, f, 0, 0);
  const i = (q.head + q.count++) & (RX_FIFO_FRAMES - 1);
  q.frames[i] = f;
  q.flags[i] = flags;
  q.bytes += f.len;
  flow_rx_level(nic);
}

/** MAC checks and filters: FRAME_DROPPED, or the status bits they add. Counts what it sees. */
function rx_filter(nic: I82576, f: Frame): number {
  const regs = nic.regs;
  const dv = f.dv;
  const off = f.off;
  const octets = f.len + ETH_FCS_LEN;
  regs[E1000_TPR >> 2]++;
  nic.octets_total_rx += octets;
  const type = f.len >= 14 ? dv.getUint16(off + 12) : 0;
  let flags = 0;
  const max = nic.rctl & E1000_RCTL_LPE ? regs[E1000_RLPML >> 2] & 0x3fff : type === nic.vet ? 1522 : 1518;
  if (f.fcs_set && !frame_fcs_ok(f)) {
    if (f.len < ETH_ZLEN) regs[E1000_RFC >> 2]++;
    else if (octets > max) regs[E1000_RJC >> 2]++;
    else regs[E1000_CRCERRS >> 2]++;
    if (!(nic.rctl & E1000_RCTL_SBP)) return FRAME_DROPPED;
    flags = E1000_RXDEXT_STATERR_CE;
  } else if (f.len < ETH_ZLEN) {
    regs[E1000_RUC >> 2]++;
    regs[E1000_RLEC >> 2]++;
    if (!(nic.rctl & E1000_RCTL_SBP) || f.len < 14) return FRAME_DROPPED;
  } else if (octets > max) {
    regs[E1000_ROC >> 2]++;
    regs[E1000_RLEC >> 2]++;
    return FRAME_DROPPED;
  }
  if (f.len < 14) return FRAME_DROPPED;
  if (type === 0x8808 && flow_receive(nic, f)) return FRAME_DROPPED;

  const lo = dv.getInt32(off, true);
  const hi = dv.getUint16(off + 4, true);
  const group = (lo & 1) !== 0;
  const broadcast = lo === -1 && hi === 0xffff;
  if (broadcast) {
    if (!(nic.rctl & (E1000_RCTL_BAM | E1000_RCTL_MPE))) return FRAME_DROPPED;
  } else if (!rx_exact_match(nic, lo, hi)) {
    if (group ? !(nic.rctl & E1000_RCTL_MPE) && !rx_hash_match(nic, hi) : !(nic.rctl & E1000_RCTL_UPE))
      return FRAME_DROPPED;
    flags |= E1000_RXD_STAT_PIF;
  }
  if (type === nic.vet && nic.rctl & E1000_RCTL_VFE) {
    if (f.len < 18) return FRAME_DROPPED;
    const vid = dv.getUint16(off + 14) & 0xfff;
    if (!(nic.vfta[vid >> 5] & (1 << (vid & 31)))) return FRAME_DROPPED;
  }
  if (flags & E1000_RXDEXT_STATERR_CE) return flags;
  regs[E1000_GPRC >> 2]++;
  nic.octets_good_rx += octets;
  regs[(E1000_PRC64 >> 2) + size_class(octets)]++;
  if (broadcast) regs[E1000_BPRC >> 2]++;
  else if (group) regs[E1000_MPRC >> 2]++;
  return flags;
}

function rx_exact_match(nic: I82576, lo: number, hi: number): boolean {
  for (let i = 0; i < nic.ra_used; i++) {
    if (nic.ra_lo[i] === lo && nic.ra_hi[i] === hi) return true;
  }
  return false;
}

/** Twelve bits of the last two octets, chosen by RCTL.MO, pick a bit of the multicast table. */
function rx_hash_match(nic: I82576, hi: number): boolean {
  const hash = (hi >> (4 - MO_STEP[(nic.rctl >> E1000_RCTL_MO_SHIFT) & 3])) & 0xfff;
  return (nic.mta[hash >> 5] & (1 << (hash & 31))) !== 0;
}
/** Bits 47:36, 46:35, 45:34 or 43:32 of the address. */
const MO_STEP: readonly number[] = [0, 1, 2, 4];

/** Rebuilds the dense list of valid receive addresses after a RAL or RAH write. */
export function rx_update_addresses(nic: I82576): void {
  nic.ra_used = 0;
  for (let i = 0; i < E1000_RAR_ENTRIES; i++) {
    const high = nic.regs[E1000_RAH(i) >> 2];
    if (!(high & E1000_RAH_AV)) continue;
    nic.ra_lo[nic.ra_used] = nic.regs[E1000_RAL(i) >> 2];
    nic.ra_hi[nic.ra_used++] = high & 0xffff;
  }
}

export function rx_update_steering(nic: I82576): void {
  nic.steers = (nic.regs[E1000_SYNQF >> 2] & E1000_SYNQF_QUEUE_ENABLE) !== 0;
  for (let i = 0; i < E1000_ETQF_SIZE; i++)
    if (nic.regs[E1000_ETQF(i) >> 2] & E1000_ETQF_FILTER_ENABLE) nic.steers = true;
}

/**
 * Filters go before RSS (datasheet section 7.1.1.2): by Ethertype, the lowest first, then SYNs. `index` where none matches.
 * DIFF: no five-tuple filters; Linux's driver uses them on later cards only.
 */
function rx_steer(nic: I82576, f: Frame, index: number): number {
  const regs = nic.regs;
  const p = nic.parse;
  const type = f.dv.getUint16(f.off + (p.tagged ? 16 : 12));
  for (let i = 0; i < E1000_ETQF_SIZE; i++) {
    const v = regs[E1000_ETQF(i) >> 2];
    if (!(v & E1000_ETQF_FILTER_ENABLE) || (v & E1000_ETQF_ETYPE_MASK) !== type) continue;
    return v & E1000_ETQF_QUEUE_ENABLE ? (v >> E1000_ETQF_QUEUE_SHIFT) & 7 : index;
  }
  const syn = regs[E1000_SYNQF >> 2];
  if (!(syn & E1000_SYNQF_QUEUE_ENABLE) || p.proto !== IPPROTO_TCP) return index;
  return (f.u8[p.l4 + 13] & TCP_SYN_ACK) === TCP_SYN ? (syn >> E1000_SYNQF_QUEUE_SHIFT) & 7 : index;
}
const TCP_SYN = 0x02;
const TCP_SYN_ACK = 0x12;

/** Frames that waited for descriptors go to memory as far as there are any now. */
export function rx_drain(nic: I82576): void {
  const q = nic.fifo;
  while (q.count > 0) {
    const f = q.frames[q.head]!;
    const len = f.len;
    if (!rx_deliver(nic, f, q.flags[q.head])) break;
    rx_fifo_shift(q, len);
  }
  flow_rx_level(nic);
}

/**
 * Chooses a queue and writes the frame into its buffers. False: that queue has no descriptors and wants frames to wait,
 * so the head of the packet buffer blocks; otherwise the frame is gone, to memory or dropped.
 */
function rx_deliver(nic: I82576, f: Frame, flags: number): boolean {
  rx_parse(nic, f);
  let rss = 0;
  let index = 0;
  if ((nic.mrqc & 7) !== 0) {
    rss = rx_rss(nic, f);
    if (rss !== 0) index = nic.reta[nic.rss_hash & 0x7f];
  }
  if (nic.steers) index = rx_steer(nic, f, index);
  const q = nic.rx[index];
  let avail = q.tail - q.head;
  if (avail < 0) avail += q.count;
  const strip = nic.vme && nic.parse.tagged;
  let left = strip ? f.len - 4 : f.len;
  if (!(nic.rctl & E1000_RCTL_SECRC)) left += rx_append_fcs(f);
  if (!q.enabled || avail * q.buf_size < left) {
    if (q.enabled && !q.drop_en && left <= (q.count - 1) * q.buf_size) return false;
    q.dropped++;
    rx_lose(nic, f, HW_RX_NO_DESC, index);
    return true;
  }
  const p = nic.parse;
  let staterr = flags | rx_checksum(nic, f);
  let vlan = 0;
  if (strip) {
    staterr |= E1000_RXD_STAT_VP;
    vlan = f.dv.getUint16(f.off + 14);
  }
  const ring = q.ring!;
  const dv = ring.dv;
  let src = f.off;
  let first = true;
  do {
    const d = q.base + q.head * E1000_DESC_SIZE;
    const n = Math.min(left, q.buf_size);
    const addr = dv.getUint32(d + 4, true) * 0x1_0000_0000 + dv.getUint32(d, true);
    const win = dma_find(nic.dma, addr, n);
    let st = left > n ? E1000_RXD_STAT_DD : staterr | E1000_RXD_STAT_DD | E1000_RXD_STAT_EOP;
    if (win === null) {
      // The bus refused the address: the rest of the frame is lost, and the driver told so.
      nic.dma_errors++;
      st = E1000_RXD_STAT_DD | E1000_RXD_STAT_EOP | E1000_RXDEXT_STATERR_RXE;
      left = n;
    } else if (first && strip) {
      const dst = addr - win.base;
      dma_copy(win, dst, f.win, src, 12);
      dma_copy(win, dst + 12, f.win, src + 16, n - 12);
      src += 4;
    } else dma_copy(win, addr - win.base, f.win, src, n);
    dv.setInt32(d, p.pkt_info | rss, true);
    dv.setInt32(d + 4, nic.rss_hash, true);
    dv.setInt32(d + 12, (win === null ? 0 : n) | (vlan << 16), true);
    dv.setInt32(d + 8, st, true);
    if (++q.head === q.count) q.head = 0;
    src += n;
    left -= n;
    first = false;
  } while (left > 0);
  if (nic.trace !== null) nic.trace(nic, HW_RX, f, index, (q.head === 0 ? q.count : q.head) - 1);
  frame_put(f);
  intr_queue_cause(nic, q.ivar);
  return true;
}

/** Software wants the FCS in memory (RCTL.SECRC clear): it goes behind the frame in the frame's own storage. */
function rx_append_fcs(f: Frame): number {
  if (f.len + ETH_FCS_LEN > f.cap) return 0;
  f.dv.setInt32(f.off + f.len, frame_fcs(f), true);
  return ETH_FCS_LEN;
}

/** Latches the ring and starts the queue; a ring that is not memory leaves it off. */
export function rx_queue_enable(nic: I82576, q: RxQueue): void {
  const bytes = q.rdlen & 0xfff80;
  q.ring = bytes === 0 ? null : dma_find(nic.dma, q.rdbah * 0x1_0000_0000 + (q.rdbal >>> 0), bytes);
  if (q.ring === null) {
    nic.dma_errors++;
    return;
  }
  q.base = q.rdbah * 0x1_0000_0000 + (q.rdbal >>> 0) - q.ring.base;
  q.count = bytes / E1000_DESC_SIZE;
  q.head = 0;
  q.tail = 0;
  q.enabled = true;
}

export function rx_write_tail(nic: I82576, q: RxQueue, val: number): void {
  if (!q.enabled || val < 0 || val >= q.count) return;
  q.tail = val;
  if (nic.fifo.count > 0 && nic.rctl & E1000_RCTL_EN) {
    rx_drain(nic);
    intr_eval(nic);
  }
}

/** Everything that waits is lost: reset, unplug, receiver switched off. */
export function rx_flush(nic: I82576): void {
  const q = nic.fifo;
  while (q.count > 0) {
    const f = q.frames[q.head]!;
    rx_fifo_shift(q, f.len);
    rx_lose(nic, f, HW_RX_RESET, 0);
  }
}
