// sk_buff: the packet. Memory, pointers, life and death. Mirrors include/linux/skbuff.h and the core of net/core/skbuff.c.
// Read first: docs/architecture.md, "sk_buff". Way in: alloc_skb(), skb_put/push/pull, kfree_skb_reason(), consume_skb().
//
//            head          data                tail        end
//             |             |                   |           |
//             |<-headroom-->|<--- skb_headlen ->|<-tailroom->|   + frags and frag_list of the HeadBuf (skb_shared_info)

import type { Slab } from "../../arch/host.ts";
import { type Kernel, kernel_bug } from "../../kernel/kernel.ts";
import { trace_call, trace_detail, trace_fn, trace_note, trace_skb_new } from "../../kernel/trace.ts";
import { F_kfree_skb_reason, F_skb_clone } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { ENOMEM } from "../../uapi/errno.ts";
import { SKB_CONSUMED, SKB_DROP_REASON_NOT_SPECIFIED, skb_drop_reasons } from "./dropreason.ts";
import type { DstEntry } from "./dst.ts";
import type { IpOptions } from "./ip_options_type.ts";
import type { NetDevice } from "./netdevice.ts";
import { __pskb_pull_tail, head_copy, skb_copy_bits_to_head } from "./skb_data.ts";
import type { Sock } from "./sock.ts";
import type { UbufInfo } from "./zerocopy.ts";

export const CHECKSUM_NONE = 0;
export const CHECKSUM_UNNECESSARY = 1;
export const CHECKSUM_COMPLETE = 2;
export const CHECKSUM_PARTIAL = 3;

export const SKB_GSO_TCPV4 = 1 << 0;
export const SKB_GSO_DODGY = 1 << 1;
export const SKB_GSO_TCP_ECN = 1 << 2;
export const SKB_GSO_TCP_FIXEDID = 1 << 3;
export const SKB_GSO_TCPV6 = 1 << 4;
export const SKB_GSO_UDP_L4 = 1 << 17;

/** Headroom every driver leaves in front of a received frame. */
export const NET_SKB_PAD = 64;
/** Shifts the Ethernet header so that the IP header is aligned. */
export const NET_IP_ALIGN = 2;
export const MAX_SKB_FRAGS = 17;
/** skb_shared_info, and sizeof(struct sk_buff), rounded as x86-64 has them: what truesize counts. */
const SHINFO_SIZE = 320;
const SKB_SIZE = 256;
const SMALL_HEAD = 576;

/** Largest linear head that is one allocation (SKB_MAX_ALLOC). */
export const SKB_MAX_ALLOC = 16384 - SHINFO_SIZE;

export class SkbFrag {
  page: HeadBuf;
  offset: number;
  size: number;
  constructor(page: HeadBuf, offset: number, size: number) {
    this.page = page;
    this.offset = offset;
    this.size = size;
  }
}

/** Packet memory with its views, made once, and the skb_shared_info that clones share. */
export class HeadBuf {
  readonly u8: Uint8Array;
  readonly dv: DataView;
  readonly slab: Slab;
  /** Byte offset in the slab. */
  readonly base: number;
  /** The memory that the slab is a part of, and the offset in it: two heads of one memory copy without views (head_copy). */
  readonly memory: Slab;
  readonly at: number;
  /** DMA address of byte 0. */
  readonly dma: number;
  readonly size: number;
  readonly kernel: Kernel;
  /** Which pool it returns to. */
  readonly klass: number;
  /** Users: skbs and frags that point here. 0 while it lies in the pool. */
  dataref = 0;
  nr_frags = 0;
  frags: (SkbFrag | null)[] = [];
  frag_list: SkBuff | null = null;
  gso_size = 0;
  gso_segs = 0;
  gso_type = 0;
  /** The last window asked for by head_window(): a flow asks for the same one again and again. */
  view: Uint8Array | null = null;
  view_off = 0;

  constructor(kernel: Kernel, slab: Slab, base: number, size: number, klass: number) {
    this.kernel = kernel;
    this.slab = slab;
    this.base = base;
    this.memory = slab.memory;
    this.at = slab.at + base;
    this.size = size;
    this.klass = klass;
    this.dma = slab.dma + base;
    this.u8 = new Uint8Array(slab.u8.buffer, slab.u8.byteOffset + base, size);
    this.dv = new DataView(slab.u8.buffer, slab.u8.byteOffset + base, size);
  }
}

/** GRO's notes about a packet while it is in the gro list (NAPI_GRO_CB). */
export class NapiGroCb {
  data_offset = 0;
  count = 0;
  same_flow = 0;
  flush = 0;
  flush_id = 0;
  age = 0;
  is_flist = 0;
  proto = 0;
  udph_off = 0;
  last: SkBuff | null = null;
}

export class SkBuff {
  next: SkBuff | null = null;
  prev: SkBuff | null = null;
  readonly kernel: Kernel;
  /** Identity in traces; new with each life and each clone. */
  id = 0;
  dev: NetDevice | null = null;
  sk: Sock | null = null;
  dst: DstEntry | null = null;
  /** The dst is only borrowed for this softirq (skb_dst_set_noref): no reference is held. */
  dst_noref = false;
  destructor: ((skb: SkBuff) => void) | null = null;
  head: HeadBuf;
  /** Offsets into head. */
  data = 0;
  tail = 0;
  end = 0;
  /** All bytes: linear part and frags. */
  len = 0;
  /** Bytes in frags and frag_list. */
  data_len = 0;
  mac_header = -1;
  network_header = -1;
  transport_header = -1;
  inner_network_header = -1;
  inner_transport_header = -1;
  mac_len = 0;
  truesize = 0;
  users = 1;
  cloned = false;
  /** Ethertype, host byte order. */
  protocol = 0;
  pkt_type = 0;
  ip_summed = 0;
  /** CHECKSUM_COMPLETE: the sum of the packet from data on. CHECKSUM_PARTIAL: csum_start and csum_offset hold. */
  csum = 0;
  csum_start = 0;
  csum_offset = 0;
  csum_valid = false;
  priority = 0;
  mark = 0;
  hash = 0;
  l4_hash = false;
  sw_hash = false;
  queue_mapping = 0;
  skb_iif = 0;
  napi_id = 0;
  vlan_tci = 0;
  vlan_proto = 0;
  vlan_present = false;
  /** ns; 0 when not stamped. */
  tstamp = 0.5;
  ignore_df = false;
  peeked = false;
  ooo_okay = false;
  dst_pending_confirm = false;
  encapsulation = false;
  nfct: unknown = null;

  // --- the control buffer (cb[48]): one set of fields per owner ----------------------------------------------------
  /** IPCB: the device it came in on, IPSKB_* flags, options, largest fragment. */
  ipcb_iif = 0;
  /** PKTINFO_SKB_CB: the address that would answer, for IP_PKTINFO; found before the device is forgotten. */
  ipcb_spec_dst = 0;
  ipcb_flags = 0;
  ipcb_opt: IpOptions | null = null;
  frag_max_size = 0;
  /** qdisc_skb_cb: bytes on the wire, as qdiscs count. */
  pkt_len = 0;
  /** netem: when it may leave. */
  time_to_send = 0.5;
  /** Socket drops seen before this packet (SO_RXQ_OVFL). */
  dropcount = 0;
  gro: NapiGroCb | null = null;
  /** TCP_SKB_CB: sequence numbers of the payload (SYN and FIN count one each), flags, acknowledgment number. */
  tcp_seq = 0;
  tcp_end_seq = 0;
  tcp_ack_seq = 0;
  tcp_flags = 0;
  tcp_ip_dsfield = 0;
  /** TCPCB_*: what the scoreboard knows of it. */
  sacked = 0;
  tcp_gso_segs = 0;
  tcp_gso_size = 0;
  tcp_eor = false;
  txstamp_ack = false;
  has_rxtstamp = false;
  /** us, int32: when it was last sent (skb_mstamp_ns). */
  skb_mstamp = 0;
  /** tcp_rate: the state of the connection when it was sent. */
  /** Which transmission of its connection it was: sorts what left at the same time. */
  tx_serial = 0;
  tx_delivered = 0;
  tx_delivered_ce = 0;
  tx_delivered_mstamp = 0;
  tx_first_mstamp = 0;
  tx_app_limited = false;
  /** SKBTX_* and the number of the time stamps that the sender asked for (sock_tstamp.ts). */
  tx_flags = 0;
  tskey = 0;
  /** Of a packet in TCP's send queues: the MSG_ZEROCOPY sends whose data it has (skb_zcopy()). */
  uarg: UbufInfo | null = null;

  constructor(kernel: Kernel, head: HeadBuf) {
    this.kernel = kernel;
    this.head = head;
    this.tstamp = 0;
    this.time_to_send = 0;
  }
}

export const IPSKB_FORWARDED = 1 << 0;
export const IPSKB_FRAG_COMPLETE = 1 << 3;
export const IPSKB_REROUTED = 1 << 4;
export const IPSKB_DOREDIRECT = 1 << 5;
export const IPSKB_FRAG_PMTU = 1 << 6;
export const IPSKB_MULTIPATH = 1 << 9;

// --- pools --------------------------------------------------------------------------------------------------------

/** Byte sizes of the head classes, and how many are carved at a time. */
const CLASS_SIZE: readonly number[] = [2048, 4096, 16384, 65536 + 4096, 131072 + 4096];
const CLASS_CHUNK: readonly number[] = [32, 16, 4, 1, 1];

class SkbPool {
  readonly skbs: SkBuff[] = [];
  readonly heads: HeadBuf[][] = CLASS_SIZE.map(() => []);
  live_skbs = 0;
  live_heads = 0;
  allocated_heads = 0;
  next_id = 1;
  /** Bytes of packet memory asked from the host. */
  slab_bytes = 0;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    skb_pool: SkbPool;
    /** Called for each dropped packet (drop monitor, walk); null when nobody listens. */
    drop_monitor: ((skb: SkBuff, reason: number) => void) | null;
    /** Drops by reason, indexed by SKB_DROP_REASON_*. */
    drops: Float64Array;
  }
}

/** skb_init(): the pools of a machine. */
export function skb_init(k: Kernel): void {
  k.skb_pool = new SkbPool();
  k.drop_monitor = null;
  k.drops = new Float64Array(skb_drop_reasons.length);
  k.live.set("skbs", () => k.skb_pool.live_skbs);
  k.live.set("heads", () => k.skb_pool.live_heads);
}

function head_class(bytes: number): number {
  let klass = 0;
  while (bytes > CLASS_SIZE[klass]!) if (++klass === CLASS_SIZE.length) return -1;
  return klass;
}

function refill(k: Kernel, klass: number): void {
  const size = CLASS_SIZE[klass]!;
  const n = CLASS_CHUNK[klass]!;
  const slab = k.host.alloc_slab(size * n);
  k.skb_pool.slab_bytes += size * n;
  k.skb_pool.allocated_heads += n;
  const pool = k.skb_pool.heads[klass]!;
  for (let i = n - 1; i >= 0; i--) pool.push(new HeadBuf(k, slab, i * size, size, klass));
}

/** A head of at least `bytes`, with one reference. Its bytes are not cleared. Null above 132 KiB. */
export function head_alloc(k: Kernel, bytes: number): HeadBuf | null {
  const klass = head_class(bytes);
  if (klass < 0) return null;
  const pool = k.skb_pool.heads[klass]!;
  if (pool.length === 0) refill(k, klass);
  const head = pool.pop()!;
  head.dataref = 1;
  k.skb_pool.live_heads++;
  return head;
}

/** Appends a piece of `page` to the head's frags; takes over the caller's reference on it. */
export function head_add_frag(head: HeadBuf, page: HeadBuf, offset: number, size: number): void {
  const i = head.nr_frags++;
  const f = i < head.frags.length ? head.frags[i]! : null;
  if (f !== null) {
    f.page = page;
    f.offset = offset;
    f.size = size;
  } else head.frags[i] = new SkbFrag(page, offset, size);
}

/** Drops one reference; the last one gives frags, frag_list and the memory back. */
export function head_put(head: HeadBuf): void {
  if (--head.dataref > 0) return;
  const k = head.kernel;
  if (head.dataref < 0) {
    head.dataref = 0;
    kernel_bug(k, new Error("head freed twice"), "skb_free_head");
    return;
  }
  if (head.nr_frags !== 0) {
    // The objects stay for the next life of this head.
    for (let i = 0; i < head.nr_frags; i++) head_put(head.frags[i]!.page);
    head.nr_frags = 0;
  }
  if (head.frag_list !== null) {
    let skb: SkBuff | null = head.frag_list;
    head.frag_list = null;
    while (skb !== null) {
      // A packet that another head's list shares keeps its place in that list.
      const next: SkBuff | null = skb.next;
      consume_skb(skb);
      skb = next;
    }
  }
  head.gso_size = 0;
  head.gso_segs = 0;
  head.gso_type = 0;
  if (k.config.debug) head.u8.fill(0xa5);
  k.skb_pool.live_heads--;
  k.skb_pool.heads[head.klass]!.push(head);
}

/** Allocation size of a head for `size` bytes of data, as kmalloc rounds it with the shared info behind. */
function kmalloc_head(size: number): number {
  const need = ((size + 63) & ~63) + SHINFO_SIZE;
  return need <= SMALL_HEAD ? SMALL_HEAD : 1 << (32 - Math.clz32(need - 1));
}

/** SKB_TRUESIZE: what a packet with `size` bytes of linear room counts against its socket. */
export const SKB_TRUESIZE = (size: number): number => kmalloc_head(size) + SKB_SIZE;

function skb_take(k: Kernel, head: HeadBuf): SkBuff {
  const pool = k.skb_pool;
  pool.live_skbs++;
  const skb = pool.skbs.length > 0 ? pool.skbs.pop()! : new SkBuff(k, head);
  skb.id = pool.next_id;
  // 0 is no packet.
  pool.next_id = (pool.next_id + 1) | 0 || 1;
  if (trace_key.on) trace_skb_new(skb);
  skb.head = head;
  skb.next = null;
  skb.prev = null;
  skb.dev = null;
  skb.sk = null;
  skb.dst = null;
  skb.dst_noref = false;
  skb.destructor = null;
  skb.mac_header = -1;
  skb.network_header = -1;
  skb.transport_header = -1;
  skb.mac_len = 0;
  skb.users = 1;
  skb.cloned = false;
  skb.protocol = 0;
  skb.pkt_type = 0;
  skb.ip_summed = CHECKSUM_NONE;
  skb.csum = 0;
  skb.csum_valid = false;
  skb.priority = 0;
  skb.mark = 0;
  skb.hash = 0;
  skb.l4_hash = false;
  skb.sw_hash = false;
  skb.queue_mapping = 0;
  skb.skb_iif = 0;
  skb.napi_id = 0;
  skb.vlan_present = false;
  skb.tstamp = 0;
  skb.ignore_df = false;
  skb.peeked = false;
  skb.ooo_okay = false;
  skb.dst_pending_confirm = false;
  skb.encapsulation = false;
  skb.nfct = null;
  skb.ipcb_iif = 0;
  skb.ipcb_spec_dst = 0;
  skb.ipcb_flags = 0;
  skb.ipcb_opt = null;
  skb.frag_max_size = 0;
  skb.pkt_len = 0;
  skb.tx_flags = 0;
  return skb;
}

/** A packet with room for `size` bytes, empty; null when that is more than a head can hold. */
export function alloc_skb(k: Kernel, size: number): SkBuff | null {
  const bytes = kmalloc_head(size);
  const head = head_alloc(k, bytes - SHINFO_SIZE);
  if (head === null) return null;
  const skb = skb_take(k, head);
  skb.data = 0;
  skb.tail = 0;
  skb.end = bytes - SHINFO_SIZE;
  skb.len = 0;
  skb.data_len = 0;
  skb.truesize = bytes + SKB_SIZE;
  return skb;
}

/** A packet around memory that a driver had filled by DMA; it takes over the caller's reference. */
export function build_skb(head: HeadBuf, truesize: number): SkBuff {
  const skb = skb_take(head.kernel, head);
  skb.data = 0;
  skb.tail = 0;
  skb.end = head.size;
  skb.len = 0;
  skb.data_len = 0;
  skb.truesize = truesize + SKB_SIZE;
  return skb;
}

/** For a driver's receive path: NET_SKB_PAD of headroom, IP header aligned, skb->dev set. */
export function netdev_alloc_skb(dev: NetDevice, length: number): SkBuff | null {
  const skb = alloc_skb(dev.net.kernel, length + NET_SKB_PAD + NET_IP_ALIGN);
  if (skb === null) return null;
  skb_reserve(skb, NET_SKB_PAD + NET_IP_ALIGN);
  skb.dev = dev;
  return skb;
}

// --- pointers -----------------------------------------------------------------------------------------------------

export const skb_headlen = (skb: SkBuff): number => skb.len - skb.data_len;
export const skb_headroom = (skb: SkBuff): number => skb.data;
export const skb_tailroom = (skb: SkBuff): number => (skb.data_len !== 0 ? 0 : skb.end - skb.tail);
export const skb_is_gso = (skb: SkBuff): boolean => skb.head.gso_size !== 0;
export const skb_cloned = (skb: SkBuff): boolean => skb.cloned && skb.head.dataref !== 1;

export function skb_reset_network_header(skb: SkBuff): void {
  skb.network_header = skb.data;
}

/** Moves data and tail of an empty packet: headroom. */
export function skb_reserve(skb: SkBuff, len: number): void {
  skb.data += len;
  skb.tail += len;
}

/** skb_over_panic and skb_under_panic: a write past the memory is a BUG, never silent. */
function skb_panic(skb: SkBuff, len: number, what: string): never {
  throw new Error(
    `${what}: len:${skb.len} put:${len} data:${skb.data} tail:${skb.tail} end:${skb.end} dev:${skb.dev ? skb.dev.name : "<NULL>"}`,
  );
}

/** Appends `len` bytes to a linear packet and returns the offset of the first. */
export function skb_put(skb: SkBuff, len: number): number {
  const off = skb.tail;
  skb.tail = off + len;
  skb.len += len;
  if (skb.tail > skb.end || skb.data_len !== 0) skb_panic(skb, len, "skb_over_panic");
  return off;
}

/** Prepends `len` bytes and returns the offset of the first. */
export function skb_push(skb: SkBuff, len: number): number {
  skb.data -= len;
  skb.len += len;
  if (skb.data < 0) skb_panic(skb, len, "skb_under_panic");
  return skb.data;
}

/** Takes `len` bytes from the front; the caller made sure they are linear. Returns the new data, or -1 when too long. */
export function skb_pull(skb: SkBuff, len: number): number {
  if (len > skb.len - skb.data_len) {
    if (len > skb.len || !pskb_may_pull(skb, len)) return -1;
  }
  skb.len -= len;
  skb.data += len;
  return skb.data;
}

/** The same without a test, for lengths just checked by pskb_may_pull(). */
export function __skb_pull(skb: SkBuff, len: number): number {
  skb.len -= len;
  return (skb.data += len);
}

/** Cuts a linear packet to `len` bytes. */
export function __skb_trim(skb: SkBuff, len: number): void {
  skb.len = len;
  skb.tail = skb.data + len;
}

/** Makes sure the first `len` bytes are linear. False when the packet is shorter. */
export const pskb_may_pull = (skb: SkBuff, len: number): boolean => {
  if (len <= skb.len - skb.data_len) return true;
  if (len > skb.len) return false;
  return __pskb_pull_tail(skb, len - (skb.len - skb.data_len)) >= 0;
};

// --- references ---------------------------------------------------------------------------------------------------

export function skb_get(skb: SkBuff): SkBuff {
  skb.users++;
  return skb;
}

/** Releases what the packet holds: dst, owner, conntrack. */
function skb_release_head_state(skb: SkBuff): void {
  if (skb.dst !== null) skb_dst_drop(skb);
  if (skb.destructor !== null) {
    const destructor = skb.destructor;
    skb.destructor = null;
    destructor(skb);
  }
  skb.sk = null;
  skb.nfct = null;
  skb.ipcb_opt = null;
}

function __kfree_skb(skb: SkBuff): void {
  const k = skb.kernel;
  if (skb.users < 0) {
    kernel_bug(k, new Error(`skb ${skb.id} freed twice`), "__kfree_skb");
    skb.users = 0;
    return;
  }
  skb_release_head_state(skb);
  const head = skb.head;
  if (head.dataref === 1 && head.nr_frags === 0 && head.frag_list === null && !k.config.debug) {
    head.dataref = 0;
    head.gso_size = 0;
    head.gso_segs = 0;
    head.gso_type = 0;
    k.skb_pool.live_heads--;
    k.skb_pool.heads[head.klass]!.push(head);
  } else {
    head_put(head);
  }
  skb.next = null;
  skb.prev = null;
  skb.dev = null;
  k.skb_pool.live_skbs--;
  k.skb_pool.skbs.push(skb);
}

/** The packet ended as it should. */
export function consume_skb(skb: SkBuff): void {
  if (--skb.users > 0) return;
  __kfree_skb(skb);
}

/** The packet ended for `reason`; the caller has counted it in the MIB. */
export function kfree_skb_reason(skb: SkBuff, reason: number): void {
  if (--skb.users > 0) return;
  const k = skb.kernel;
  if (reason !== SKB_CONSUMED) {
    k.drops[reason]!++;
    if (trace_key.on) {
      trace_fn(F_kfree_skb_reason, skb);
      if (trace_detail(k)) {
        trace_note(F_kfree_skb_reason, skb, { kind: "drop", reason: `SKB_DROP_REASON_${skb_drop_reasons[reason]}` });
      }
    }
    if (k.drop_monitor !== null) k.drop_monitor(skb, reason);
  }
  __kfree_skb(skb);
}

export const kfree_skb = (skb: SkBuff): void => kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);

/** Frees a chain linked by next. */
export function kfree_skb_list_reason(skb: SkBuff | null, reason: number): void {
  while (skb !== null) {
    const next: SkBuff | null = skb.next;
    skb.next = null;
    kfree_skb_reason(skb, reason);
    skb = next;
  }
}

/** Takes the packet from its owner: the socket's accounting ends here. */
export function skb_orphan(skb: SkBuff): void {
  if (skb.destructor !== null) {
    const destructor = skb.destructor;
    skb.destructor = null;
    destructor(skb);
  }
  skb.sk = null;
}

export function skb_dst_drop(skb: SkBuff): void {
  const dst = skb.dst;
  if (dst !== null) {
    skb.dst = null;
    if (!skb.dst_noref) dst.release(dst);
    skb.dst_noref = false;
  }
}

/** Takes over the caller's reference. */
export function skb_dst_set(skb: SkBuff, dst: DstEntry | null): void {
  skb.dst = dst;
  skb.dst_noref = false;
}

/** Borrows `dst` for the time of this softirq; skb_dst_force() makes a borrowed one owned. */
export function skb_dst_set_noref(skb: SkBuff, dst: DstEntry): void {
  skb.dst = dst;
  skb.dst_noref = true;
}

export function skb_dst_force(skb: SkBuff): void {
  if (skb.dst !== null && skb.dst_noref) {
    skb.dst.refcnt++;
    skb.dst_noref = false;
  }
}

/** The packet leaves this machine's or namespace's care: nothing of the old one may stay (skb_scrub_packet). */
export function skb_scrub_packet(skb: SkBuff, xnet: boolean): void {
  skb.pkt_type = 0;
  skb.skb_iif = 0;
  skb.ignore_df = false;
  skb_dst_drop(skb);
  skb.nfct = null;
  skb.ipcb_flags = 0;
  skb.ipcb_opt = null;
  if (!xnet) return;
  skb.mark = 0;
  skb.tstamp = 0;
}

// --- copies -------------------------------------------------------------------------------------------------------

/** Metadata of `skb` for a packet over other memory; a reference on its dst is taken. */
export function skb_copy_header(n: SkBuff, skb: SkBuff): void {
  n.dev = skb.dev;
  n.dst = skb.dst;
  n.dst_noref = false;
  if (n.dst !== null) n.dst.refcnt++;
  n.mac_header = skb.mac_header;
  n.network_header = skb.network_header;
  n.transport_header = skb.transport_header;
  n.inner_network_header = skb.inner_network_header;
  n.inner_transport_header = skb.inner_transport_header;
  n.mac_len = skb.mac_len;
  n.protocol = skb.protocol;
  n.pkt_type = skb.pkt_type;
  n.ip_summed = skb.ip_summed;
  n.csum = skb.csum;
  n.csum_start = skb.csum_start;
  n.csum_offset = skb.csum_offset;
  n.csum_valid = skb.csum_valid;
  n.priority = skb.priority;
  n.mark = skb.mark;
  n.hash = skb.hash;
  n.l4_hash = skb.l4_hash;
  n.sw_hash = skb.sw_hash;
  n.queue_mapping = skb.queue_mapping;
  n.skb_iif = skb.skb_iif;
  n.napi_id = skb.napi_id;
  n.vlan_tci = skb.vlan_tci;
  n.vlan_proto = skb.vlan_proto;
  n.vlan_present = skb.vlan_present;
  n.tstamp = skb.tstamp;
  n.ignore_df = skb.ignore_df;
  n.encapsulation = skb.encapsulation;
  n.nfct = skb.nfct;
  n.ipcb_iif = skb.ipcb_iif;
  n.ipcb_flags = skb.ipcb_flags;
  n.ipcb_opt = skb.ipcb_opt;
  n.frag_max_size = skb.frag_max_size;
  n.pkt_len = skb.pkt_len;
  n.tx_flags = skb.tx_flags;
  n.tskey = skb.tskey;
}

/** A packet that stands for another one: its trace says whose. Call only behind `if (trace_key.on)`. */
export const trace_clone = (skb: SkBuff, n: SkBuff): void => trace_lineage(skb, n, "clone");
function trace_lineage(skb: SkBuff, n: SkBuff, kind: string): void {
  trace_call(F_skb_clone, skb.kernel);
  if (trace_detail(skb.kernel)) trace_note(F_skb_clone, n, { kind, parent: skb.id });
}

/** A second packet over the same bytes: metadata of its own, data shared until somebody makes it writable. */
export function skb_clone(skb: SkBuff): SkBuff {
  const n = skb_take(skb.kernel, skb.head);
  skb.head.dataref++;
  skb_copy_header(n, skb);
  n.data = skb.data;
  n.tail = skb.tail;
  n.end = skb.end;
  n.len = skb.len;
  n.data_len = skb.data_len;
  n.truesize = skb.truesize;
  n.cloned = true;
  skb.cloned = true;
  if (trace_key.on) trace_lineage(skb, n, "clone");
  return n;
}

/** An independent, linear packet with the same bytes and metadata. */
export function skb_copy(skb: SkBuff): SkBuff | null {
  return skb_copy_expand(skb, skb.data, Math.max(0, skb.end - skb.tail));
}

/** The same with `headroom` and `tailroom` of its own. */
export function skb_copy_expand(skb: SkBuff, headroom: number, tailroom: number): SkBuff | null {
  const n = alloc_skb(skb.kernel, headroom + skb.len + tailroom);
  if (n === null) return null;
  skb_copy_header(n, skb);
  skb_reserve(n, headroom);
  const off = skb_put(n, skb.len);
  skb_copy_bits_to_head(skb, 0, n.head, off, skb.len);
  // Headers that were pulled lie in the headroom, and go along as far as there is room.
  const front = Math.min(headroom, skb.data);
  if (front !== 0) head_copy(n.head, headroom - front, skb.head, skb.data - front, front);
  const delta = n.data - skb.data;
  shift_headers(n, delta);
  n.head.gso_size = skb.head.gso_size;
  n.head.gso_segs = skb.head.gso_segs;
  n.head.gso_type = skb.head.gso_type;
  if (trace_key.on) trace_lineage(skb, n, "copy");
  return n;
}

/** The linear part copied, the frags shared: what a writer of headers needs. */
export function pskb_copy(skb: SkBuff): SkBuff | null {
  const n = skb_clone(skb);
  if (pskb_expand_head(n, 0, 0) < 0) {
    consume_skb(n);
    return null;
  }
  return n;
}

function shift_headers(skb: SkBuff, delta: number): void {
  if (skb.mac_header >= 0) skb.mac_header += delta;
  if (skb.network_header >= 0) skb.network_header += delta;
  if (skb.transport_header >= 0) skb.transport_header += delta;
  if (skb.inner_network_header >= 0) skb.inner_network_header += delta;
  if (skb.inner_transport_header >= 0) skb.inner_transport_header += delta;
  if (skb.ip_summed === CHECKSUM_PARTIAL) skb.csum_start += delta;
}

/**
 * Gives the packet a head of its own with `nhead` more bytes of headroom and `ntail` more of tailroom. All header
 * offsets are kept right; whoever held one in a local variable reads it again. Returns 0 or -ENOMEM.
 */
export function pskb_expand_head(skb: SkBuff, nhead: number, ntail: number): number {
  const old = skb.head;
  const bytes = kmalloc_head(skb.end + nhead + ntail);
  const head = head_alloc(skb.kernel, bytes - SHINFO_SIZE);
  if (head === null) return -ENOMEM;
  // The headroom too: headers that were pulled lie there.
  head_copy(head, nhead, old, 0, skb.tail);
  for (let i = 0; i < old.nr_frags; i++) {
    const f = old.frags[i]!;
    f.page.dataref++;
    head_add_frag(head, f.page, f.offset, f.size);
  }
  if (old.frag_list !== null) {
    head.frag_list = old.frag_list;
    if (old.dataref > 1) for (let s: SkBuff | null = old.frag_list; s !== null; s = s.next) skb_get(s);
    else old.frag_list = null;
  }
  head.gso_size = old.gso_size;
  head.gso_segs = old.gso_segs;
  head.gso_type = old.gso_type;
  head_put(old);
  if (skb.sk === null || skb.destructor === null) skb.truesize += bytes - SHINFO_SIZE - skb.end;
  skb.head = head;
  skb.data += nhead;
  skb.tail += nhead;
  skb.end = bytes - SHINFO_SIZE;
  skb.cloned = false;
  if (nhead !== 0) shift_headers(skb, nhead);
  return 0;
}

/** Makes the linear part private and at least `headroom` bytes free in front of it. Returns 0 or -ENOMEM. */
export function skb_cow_head(skb: SkBuff, headroom: number): number {
  const delta = headroom > skb.data ? headroom - skb.data : 0;
  if (delta === 0 && !skb_cloned(skb)) return 0;
  return pskb_expand_head(skb, (delta + 63) & ~63, 0);
}

/** Makes the first `write_len` bytes linear and private. Returns 0 or -ENOMEM. */
export function skb_ensure_writable(skb: SkBuff, write_len: number): number {
  if (!pskb_may_pull(skb, write_len)) return -ENOMEM;
  if (!skb_cloned(skb)) return 0;
  return pskb_expand_head(skb, 0, 0);
}

/** If others hold this very skb, a clone of it for us alone; their reference stays. */
export function skb_share_check(skb: SkBuff): SkBuff {
  if (skb.users === 1) return skb;
  const n = skb_clone(skb);
  consume_skb(skb);
  return n;
}

/** If others share its bytes, a copy of it for us alone. */
export function skb_unshare(skb: SkBuff): SkBuff | null {
  if (!skb_cloned(skb)) return skb;
  const n = skb_copy(skb);
  consume_skb(skb);
  return n;
}

export {
  __pskb_pull_tail,
  copy_bytes,
  head_copy,
  head_window,
  pskb_trim,
  skb_add_rx_frag,
  skb_copy_bits,
  skb_copy_bits_to_head,
  skb_fill_page_desc,
  skb_gso_segs,
  skb_linearize,
  skb_store_bits,
} from "./skb_data.ts";
export {
  __skb_dequeue,
  __skb_queue_after,
  __skb_queue_before,
  __skb_queue_head,
  __skb_queue_tail,
  __skb_unlink,
  NO_PACKETS,
  SkBuffHead,
  skb_peek,
  skb_peek_tail,
  skb_queue_empty,
  skb_queue_len,
  skb_queue_purge_reason,
  skb_queue_splice_tail_init,
} from "./skb_queue.ts";
