// The transmit half of the 82576: fetches advanced descriptors, gathers frames, inserts checksums and tags, cuts TSO.
// Read first: 82576 datasheet section 7.2. Way in: tx_kick, after a tail write or when the cable has room.

import { crc32c } from "../lib/crc32.ts";
import type { I82576 } from "./82576.ts";
import { intr_queue_cause } from "./82576_intr.ts";
import { fold16 } from "./82576_parse.ts";
import {
  E1000_ADVTXD_DCMD_DEXT,
  E1000_ADVTXD_DCMD_EOP,
  E1000_ADVTXD_DCMD_RS,
  E1000_ADVTXD_DCMD_TSE,
  E1000_ADVTXD_DCMD_VLE,
  E1000_ADVTXD_DTYP_CTXT,
  E1000_ADVTXD_DTYP_DATA,
  E1000_ADVTXD_DTYP_MASK,
  E1000_ADVTXD_IDX_SHIFT,
  E1000_ADVTXD_L4LEN_SHIFT,
  E1000_ADVTXD_MACLEN_SHIFT,
  E1000_ADVTXD_MSS_SHIFT,
  E1000_ADVTXD_TUCMD_IPV4,
  E1000_ADVTXD_TUCMD_L4T_SCTP,
  E1000_ADVTXD_TUCMD_L4T_TCP,
  E1000_ADVTXD_VLAN_SHIFT,
  E1000_BPTC,
  E1000_DESC_SIZE,
  E1000_GPTC,
  E1000_MPTC,
  E1000_PTC64,
  E1000_TCTL_EN,
  E1000_TPT,
  E1000_TSCTC,
  E1000_TSCTFC,
  E1000_TXD_POPTS_IXSM,
  E1000_TXD_POPTS_TXSM,
  E1000_TXD_STAT_DD,
} from "./82576_regs.ts";
import { rx_frame, size_class } from "./82576_rx.ts";
import { hw_arm } from "./clock.ts";
import { type DmaWindow, dma_copy, dma_find } from "./dma.ts";
import { ETH_FCS_LEN, ETH_ZLEN, type Frame, frame_alloc, frame_pad, frame_put } from "./frame.ts";
import { HW_TX } from "./trace.ts";
import { wire_room, wire_send } from "./wire.ts";

/** Descriptors of one packet; the silicon bounds it too. */
const TX_MAX_SEGS = 128;
/** The longest frame the MAC sends, FCS excluded (jumbo frames of 9.5 KB). */
const TX_FRAME_MAX = 9728;
const TX_HEADER_MAX = 512;
const L4T_MASK = 0x1800;
const TCP_FIN_PSH = 0x09;
const TCP_CWR = 0x80;

export class TxQueue {
  readonly index: number;
  enabled = false;
  ring: DmaWindow | null = null;
  base = 0;
  count = 0;
  /** Descriptors head … tail-1 are the device's. */
  head = 0;
  tail = 0;
  ivar = 0;
  /** Two contexts of four words. */
  readonly ctx = new Int32Array(8);

  /** The packet under way: its pieces in memory, and the descriptor behind its last one. */
  readonly seg_win: DmaWindow[] = [];
  readonly seg_off = new Float64Array(TX_MAX_SEGS);
  readonly seg_len = new Int32Array(TX_MAX_SEGS);
  nsegs = 0;
  next = 0;
  rs = false;
  /** Gather cursor. */
  cur_seg = 0;
  cur_off = 0;

  /** A packet being cut: its headers (null: none is), what is left of the payload, and where the cut stands. */
  hdr: Frame | null = null;
  hdr_len = 0;
  payload_left = 0;
  payload_done = 0;
  seg_index = 0;
  mss = 0;
  opts = 0;
  cmd = 0;
  ctx_at = 0;

  /** Registers as written. */
  tdbal = 0;
  tdbah = 0;
  tdlen = 0;
  txdctl = 0;

  constructor(index: number) {
    this.index = index;
  }
}

const TX_NOTHING = 0;
const TX_DONE = 1;

/** Sends while there are whole packets in the rings and room in the transmit buffer. The caller evaluates interrupts. */
export function tx_kick(nic: I82576): void {
  if (nic.tx_running) return;
  nic.tx_running = true;
  tx_run(nic);
  nic.tx_running = false;
}

function tx_run(nic: I82576): void {
  const end = nic.end;
  if (!nic.link_up) return;
  let idle = 0;
  // Round robin over the queues, a frame each; tx_next is the one whose turn it is.
  let i = nic.tx_next - 1;
  while (idle < nic.tx_queues) {
    if (++i >= nic.tx_queues) i = 0;
    nic.tx_next = i;
    const q = nic.tx[i];
    if (!q.enabled || (q.head === q.tail && q.hdr === null)) {
      idle++;
      continue;
    }
    if (!(nic.tctl & E1000_TCTL_EN)) break;
    if (nic.pause_until > 0) {
      if (nic.clock.now < nic.pause_until) {
        if (nic.tx_timer.index < 0) hw_arm(nic.clock, nic.tx_timer, nic.pause_until);
        break;
      }
      nic.pause_until = 0;
    }
    if (!nic.loops && (end === null || !wire_room(end, nic.tx_fifo_size))) break;
    if (tx_one(nic, q) === TX_NOTHING) idle++;
    else idle = 0;
    nic.tx_next = i + 1;
  }
}

/** One frame of one queue, or a packet refused; TX_NOTHING when no whole packet is there. */
function tx_one(nic: I82576, q: TxQueue): number {
  if (q.hdr !== null) {
    tx_cut(nic, q);
    return TX_DONE;
  }
  const dv = q.ring!.dv;
  let i = q.head;
  let cmd = 0;
  // Contexts take effect as they are fetched.
  for (;;) {
    if (i === q.tail) return TX_NOTHING;
    const d = q.base + i * E1000_DESC_SIZE;
    cmd = dv.getInt32(d + 8, true);
    if ((cmd & (E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_DTYP_MASK)) === (E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_DTYP_DATA))
      break;
    if (
      (cmd & (E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_DTYP_MASK)) ===
      (E1000_ADVTXD_DCMD_DEXT | E1000_ADVTXD_DTYP_CTXT)
    ) {
      const w3 = dv.getInt32(d + 12, true);
      const c = ((w3 >> E1000_ADVTXD_IDX_SHIFT) & 1) * 4;
      q.ctx[c] = dv.getInt32(d, true);
      q.ctx[c + 1] = dv.getInt32(d + 4, true);
      q.ctx[c + 2] = cmd;
      q.ctx[c + 3] = w3;
    } else nic.tx_bad_desc++;
    if (cmd & E1000_ADVTXD_DCMD_RS) tx_write_back(nic, q, i);
    if (++i === q.count) i = 0;
    q.head = i;
  }

  q.opts = dv.getInt32(q.base + i * E1000_DESC_SIZE + 12, true);
  q.cmd = cmd;
  q.ctx_at = ((q.opts >> E1000_ADVTXD_IDX_SHIFT) & 1) * 4;
  let total = 0;
  let n = 0;
  let bad = false;
  q.rs = false;
  for (;;) {
    const d = q.base + i * E1000_DESC_SIZE;
    const c = dv.getInt32(d + 8, true);
    const len = c & 0xffff;
    const win = dma_find(nic.dma, dv.getUint32(d + 4, true) * 0x1_0000_0000 + dv.getUint32(d, true), len);
    if (win === null) {
      nic.dma_errors++;
      bad = true;
    } else if (n < TX_MAX_SEGS) {
      q.seg_win[n] = win;
      q.seg_off[n] = dv.getUint32(d + 4, true) * 0x1_0000_0000 + dv.getUint32(d, true) - win.base;
      q.seg_len[n++] = len;
      total += len;
    } else bad = true;
    if (c & E1000_ADVTXD_DCMD_RS) q.rs = true;
    if (++i === q.count) i = 0;
    if (c & E1000_ADVTXD_DCMD_EOP) break;
    if (i === q.tail) {
      // A packet that has not been posted whole. One that can never be is given up.
      if (n < TX_MAX_SEGS && !bad && (i + 1) % q.count !== q.head) return TX_NOTHING;
      bad = true;
      break;
    }
  }
  q.nsegs = n;
  q.next = i;
  q.cur_seg = 0;
  q.cur_off = 0;
  if (bad || total === 0) tx_refuse(nic, q);
  else if (cmd & E1000_ADVTXD_DCMD_TSE) tx_cut_begin(nic, q, total);
  else tx_whole(nic, q, total);
  return TX_DONE;
}

/** A packet the silicon cannot make sense of: counted, its descriptors handed back. */
function tx_refuse(nic: I82576, q: TxQueue): void {
  nic.tx_bad_packets++;
  tx_complete(nic, q);
}

/** The packet has left memory: write-back where software asked for it. */
function tx_complete(nic: I82576, q: TxQueue): void {
  if (q.rs) {
    const dv = q.ring!.dv;
    for (let i = q.head; i !== q.next; i = i + 1 === q.count ? 0 : i + 1) {
      if (dv.getInt32(q.base + i * E1000_DESC_SIZE + 8, true) & E1000_ADVTXD_DCMD_RS) tx_write_back(nic, q, i);
    }
  }
  q.head = q.next;
}

function tx_write_back(nic: I82576, q: TxQueue, i: number): void {
  q.ring!.dv.setInt32(q.base + i * E1000_DESC_SIZE + 12, E1000_TXD_STAT_DD, true);
  intr_queue_cause(nic, q.ivar);
}

/** Copies the next `len` bytes of the packet's pieces. */
function tx_gather(q: TxQueue, f: Frame, at: number, len: number): void {
  while (len > 0) {
    const left = q.seg_len[q.cur_seg] - q.cur_off;
    const n = Math.min(left, len);
    dma_copy(f.win, at, q.seg_win[q.cur_seg], q.seg_off[q.cur_seg] + q.cur_off, n);
    at += n;
    len -= n;
    q.cur_off += n;
    if (n === left) {
      q.cur_seg++;
      q.cur_off = 0;
    }
  }
}

/** A packet that is one frame. */
function tx_whole(nic: I82576, q: TxQueue, total: number): void {
  const tag = q.cmd & E1000_ADVTXD_DCMD_VLE ? 4 : 0;
  const f = total + tag > TX_FRAME_MAX || total < 14 ? null : frame_alloc(nic.pool, total + tag);
  if (f === null) {
    tx_refuse(nic, q);
    return;
  }
  if (tag) {
    tx_gather(q, f, f.off, 12);
    tx_put_tag(nic, q, f);
    tx_gather(q, f, f.off + 16, total - 12);
  } else if (q.nsegs === 1) dma_copy(f.win, f.off, q.seg_win[0], q.seg_off[0], total);
  else tx_gather(q, f, f.off, total);
  if (q.opts & (E1000_TXD_POPTS_IXSM | E1000_TXD_POPTS_TXSM)) {
    const macip = q.ctx[q.ctx_at];
    const l3 = ((macip >> E1000_ADVTXD_MACLEN_SHIFT) & 0x7f) + tag;
    tx_checksum(q, f, l3, macip & 0x1ff, 0);
  }
  tx_complete(nic, q);
  tx_send(nic, q, f);
}

function tx_put_tag(nic: I82576, q: TxQueue, f: Frame): void {
  f.dv.setUint16(f.off + 12, nic.vet);
  f.dv.setUint16(f.off + 14, q.ctx[q.ctx_at] >>> E1000_ADVTXD_VLAN_SHIFT);
}

/**
 * Fills in what POPTS asks for. The transport checksum field holds the pseudo-header sum that software left there;
 * `l4_add` is what a cut packet's sum lacks: the length of this segment. Offsets that lie outside the frame do nothing.
 */
function tx_checksum(q: TxQueue, f: Frame, l3: number, iplen: number, l4_add: number): void {
  const tucmd = q.ctx[q.ctx_at + 2];
  if (q.opts & E1000_TXD_POPTS_IXSM && tucmd & E1000_ADVTXD_TUCMD_IPV4 && iplen >= 20 && l3 + iplen <= f.len) {
    const o = f.off + l3;
    f.dv.setUint16(o + 10, 0);
    let sum = 0;
    for (let i = 0; i < iplen; i += 2) sum += f.dv.getUint16(o + i);
    f.dv.setUint16(o + 10, ~fold16(sum));
  }
  if (!(q.opts & E1000_TXD_POPTS_TXSM)) return;
  const l4 = l3 + iplen;
  const type = tucmd & L4T_MASK;
  const field = type === E1000_ADVTXD_TUCMD_L4T_TCP ? 16 : type === E1000_ADVTXD_TUCMD_L4T_SCTP ? 8 : 6;
  if (l4 + field + (type === E1000_ADVTXD_TUCMD_L4T_SCTP ? 4 : 2) > f.len) return;
  const at = f.off + l4 + field;
  if (type === E1000_ADVTXD_TUCMD_L4T_SCTP) {
    f.dv.setInt32(at, 0);
    f.dv.setInt32(at, crc32c(f.u8, f.off + l4, f.len - l4), true);
    return;
  }
  const sum = ~f.win.slab.csum_partial(f.off + l4, f.len - l4, l4_add) & 0xffff;
  // Zero means "no checksum" in UDP; its other form of zero goes out (RFC 768).
  f.dv.setUint16(at, sum === 0 && type !== E1000_ADVTXD_TUCMD_L4T_TCP ? 0xffff : sum);
}

/** Starts to cut a TSO packet: keeps a copy of its headers, leaves the cursor at the payload. */
function tx_cut_begin(nic: I82576, q: TxQueue, total: number): void {
  const macip = q.ctx[q.ctx_at];
  const w3 = q.ctx[q.ctx_at + 3];
  const tag = q.cmd & E1000_ADVTXD_DCMD_VLE ? 4 : 0;
  const l4_len = (w3 >> E1000_ADVTXD_L4LEN_SHIFT) & 0xff;
  const l3 = (macip >> E1000_ADVTXD_MACLEN_SHIFT) & 0x7f;
  const hdr_len = l3 + (macip & 0x1ff) + l4_len;
  const mss = w3 >>> E1000_ADVTXD_MSS_SHIFT;
  const tcp = (q.ctx[q.ctx_at + 2] & L4T_MASK) === E1000_ADVTXD_TUCMD_L4T_TCP;
  const min_l4 = tcp ? 20 : 8;
  const ok =
    mss > 0 && l3 >= 14 && l4_len >= min_l4 && (macip & 0x1ff) >= 20 && hdr_len <= TX_HEADER_MAX && hdr_len <= total;
  const f = ok && hdr_len + tag + mss <= TX_FRAME_MAX ? frame_alloc(nic.pool, hdr_len + tag) : null;
  if (f === null) {
    nic.regs[E1000_TSCTFC >> 2]++;
    tx_refuse(nic, q);
    return;
  }
  if (tag) {
    tx_gather(q, f, f.off, 12);
    tx_put_tag(nic, q, f);
    tx_gather(q, f, f.off + 16, hdr_len - 12);
  } else tx_gather(q, f, f.off, hdr_len);
  q.hdr = f;
  q.hdr_len = hdr_len + tag;
  q.payload_left = total - hdr_len;
  q.payload_done = 0;
  q.seg_index = 0;
  q.mss = mss;
  nic.regs[E1000_TSCTC >> 2]++;
  tx_cut(nic, q);
}

/** One segment: the headers again, the next piece of payload, and every field that differs. */
function tx_cut(nic: I82576, q: TxQueue): void {
  const hdr = q.hdr!;
  const n = Math.min(q.payload_left, q.mss);
  const f = frame_alloc(nic.pool, q.hdr_len + n);
  if (f === null) {
    frame_put(hdr);
    q.hdr = null;
    tx_refuse(nic, q);
    return;
  }
  dma_copy(f.win, f.off, hdr.win, hdr.off, q.hdr_len);
  tx_gather(q, f, f.off + q.hdr_len, n);
  q.payload_left -= n;
  const last = q.payload_left === 0;
  const dv = f.dv;
  const macip = q.ctx[q.ctx_at];
  const tucmd = q.ctx[q.ctx_at + 2];
  const l3 = ((macip >> E1000_ADVTXD_MACLEN_SHIFT) & 0x7f) + (q.cmd & E1000_ADVTXD_DCMD_VLE ? 4 : 0);
  const iplen = macip & 0x1ff;
  const ip = f.off + l3;
  if (tucmd & E1000_ADVTXD_TUCMD_IPV4) {
    dv.setUint16(ip + 2, f.len - l3);
    dv.setUint16(ip + 4, dv.getUint16(ip + 4) + q.seg_index);
  } else dv.setUint16(ip + 4, f.len - l3 - 40);
  const l4 = ip + iplen;
  if ((tucmd & L4T_MASK) === E1000_ADVTXD_TUCMD_L4T_TCP) {
    dv.setInt32(l4 + 4, dv.getInt32(l4 + 4) + q.payload_done);
    let flags = dv.getUint8(l4 + 13);
    if (!last) flags &= ~TCP_FIN_PSH;
    if (q.seg_index > 0) flags &= ~TCP_CWR;
    dv.setUint8(l4 + 13, flags);
  } else dv.setUint16(l4 + 4, f.len - l3 - iplen);
  tx_checksum(q, f, l3, iplen, f.len - l3 - iplen);
  q.payload_done += n;
  q.seg_index++;
  if (last) {
    frame_put(hdr);
    q.hdr = null;
    tx_complete(nic, q);
  }
  tx_send(nic, q, f);
}

function tx_send(nic: I82576, q: TxQueue, f: Frame): void {
  if (nic.trace !== null) nic.trace(nic, HW_TX, f, q.index, (q.next === 0 ? q.count : q.next) - 1);
  const regs = nic.regs;
  const octets = Math.max(f.len, ETH_ZLEN) + ETH_FCS_LEN;
  regs[E1000_TPT >> 2]++;
  regs[E1000_GPTC >> 2]++;
  regs[(E1000_PTC64 >> 2) + size_class(octets)]++;
  nic.octets_good_tx += octets;
  nic.octets_total_tx += octets;
  if (f.u8[f.off] & 1) {
    const broadcast = f.dv.getInt32(f.off, true) === -1 && f.dv.getUint16(f.off + 4) === 0xffff;
    regs[(broadcast ? E1000_BPTC : E1000_MPTC) >> 2]++;
  }
  if (nic.loops) {
    // Too short a frame is filled up on its way out.
    if (f.len < ETH_ZLEN) frame_pad(f);
    rx_frame(nic, f, true);
  } else wire_send(nic.end!, f);
}

export function tx_queue_enable(nic: I82576, q: TxQueue): void {
  const bytes = q.tdlen & 0xfff80;
  const addr = q.tdbah * 0x1_0000_0000 + (q.tdbal >>> 0);
  q.ring = bytes === 0 ? null : dma_find(nic.dma, addr, bytes);
  if (q.ring === null) {
    nic.dma_errors++;
    return;
  }
  q.base = addr - q.ring.base;
  q.count = bytes / E1000_DESC_SIZE;
  q.head = 0;
  q.tail = 0;
  q.enabled = true;
  if (q.index >= nic.tx_queues) nic.tx_queues = q.index + 1;
}

export function tx_queue_disable(q: TxQueue): void {
  q.enabled = false;
  if (q.hdr !== null) frame_put(q.hdr);
  q.hdr = null;
  q.seg_win.length = 0;
}
