// GRO: frames of one flow that come in one poll go up the stack as one packet. Mirrors net/core/gro.c.
// Read first: J. Corbet, "Generic receive offload" (LWN, 2009). Way in: napi_gro_receive() in dev.ts calls dev_gro_receive();
// protocols register a PacketOffload (dev_add_offload) and, for IPv4, inet_add_offload() of net/ipv4/gro.ts.

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_dev_gro_receive, F_napi_gro_complete, F_skb_gro_receive } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { netif_receive_skb } from "./dev.ts";
import { SKB_DROP_REASON_DEV_READY } from "./dropreason.ts";
import { type GroList, type NapiStruct, NETDEV_DOWN, type NetDevice, type PacketOffload } from "./netdevice.ts";
import { register_netdevice_notifier } from "./notifier.ts";
import {
  consume_skb,
  head_add_frag,
  kfree_skb_reason,
  MAX_SKB_FRAGS,
  NapiGroCb,
  type SkBuff,
  skb_headlen,
} from "./skbuff.ts";

/** Packets that a bucket of a NAPI instance holds at most; one more sends the oldest up. */
export const MAX_GRO_SKBS = 8;
const GRO_HASH_BUCKETS = 8;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** By Ethertype, the smaller priority first. */
    offload_base: PacketOffload[];
    /** Protocols that may merge now. While there are none, received frames do not pass here. */
    gro_users: number;
  }
}

export function dev_add_offload(k: Kernel, po: PacketOffload): void {
  k.offload_base.push(po);
  k.offload_base.sort((a, b) => a.priority - b.priority);
}

function find_gro_offload(k: Kernel, type: number): PacketOffload | null {
  const base = k.offload_base;
  for (let i = 0; i < base.length; i++)
    if (base[i]!.type === type && base[i]!.gro_receive !== undefined) return base[i]!;
  return null;
}

/** A protocol can merge from now on (+1), or cannot any longer (-1): switches GRO into the receive path and out of it. */
export function gro_arm(k: Kernel, delta: number): void {
  k.gro_users += delta;
  k.gro_receive = k.gro_users > 0 ? dev_gro_receive : null;
}

/** NAPI_GRO_CB(skb): made once per SkBuff object and kept with it through the pool. */
export const NAPI_GRO_CB = (skb: SkBuff): NapiGroCb => (skb.gro ??= new NapiGroCb());
export const skb_gro_len = (skb: SkBuff): number => skb.len - skb.gro!.data_offset;
export const skb_gro_pull = (skb: SkBuff, len: number): void => {
  skb.gro!.data_offset += len;
};
/** Offset in head of the header that is looked at, when `len` bytes of it are linear; -1 otherwise. */
export const skb_gro_header = (skb: SkBuff, len: number): number =>
  skb.gro!.data_offset + len <= skb_headlen(skb) ? skb.data + skb.gro!.data_offset : -1;

/** Which of the held packets may belong to the same flow: same device, tag, link header and hash. */
function gro_list_prepare(list: GroList, skb: SkBuff): void {
  const a = skb.head.dv;
  for (let p = list.first; p !== null; p = p.next) {
    let same =
      p.dev === skb.dev &&
      p.hash === skb.hash &&
      p.protocol === skb.protocol &&
      p.vlan_present === skb.vlan_present &&
      (!skb.vlan_present || (p.vlan_tci === skb.vlan_tci && p.vlan_proto === skb.vlan_proto)) &&
      p.data - p.mac_header === skb.data - skb.mac_header;
    if (same && skb.data - skb.mac_header === 14) {
      const b = p.head.dv;
      const x = skb.mac_header;
      const y = p.mac_header;
      same =
        a.getInt32(x) === b.getInt32(y) &&
        a.getInt32(x + 4) === b.getInt32(y + 4) &&
        a.getInt32(x + 8) === b.getInt32(y + 8) &&
        a.getUint16(x + 12) === b.getUint16(y + 12);
    }
    const cb = p.gro!;
    cb.same_flow = same ? 1 : 0;
    cb.flush = 0;
  }
}

function unlink(list: GroList, skb: SkBuff): void {
  let prev: SkBuff | null = null;
  for (let p = list.first; p !== null; prev = p, p = p.next) {
    if (p !== skb) continue;
    if (prev !== null) prev.next = p.next;
    else list.first = p.next;
    p.next = null;
    list.count--;
    return;
  }
}

/** The one that waits longest: the list has the newest first. */
function oldest(list: GroList): SkBuff | null {
  let p = list.first;
  while (p !== null && p.next !== null) p = p.next;
  return p;
}

/** Holds, merges, or refuses a received frame. False: the caller passes it up itself. */
function dev_gro_receive(napi: NapiStruct, skb: SkBuff): boolean {
  const k = skb.kernel;
  const ptype = find_gro_offload(k, skb.protocol);
  if (ptype === null) return false;
  // What is merged already joins nobody, but must not overtake what is held of its flow.
  const flush = skb.head.gso_size !== 0 || skb.head.frag_list !== null ? 1 : 0;
  if (flush !== 0 && napi.gro_bitmask === 0) return false;
  if (ptype.gro_wanted !== undefined && !ptype.gro_wanted(skb)) return false;
  if (trace_key.on) trace_fn(F_dev_gro_receive, skb);
  const bucket = skb.hash & (GRO_HASH_BUCKETS - 1);
  const list = napi.gro_hash[bucket]!;
  const cb = NAPI_GRO_CB(skb);
  cb.data_offset = 0;
  cb.same_flow = 0;
  cb.flush = flush;
  cb.flush_id = 0;
  cb.count = 1;
  cb.is_flist = 0;
  cb.proto = 0;
  cb.last = null;
  skb.network_header = skb.data;
  gro_list_prepare(list, skb);
  const pp = ptype.gro_receive!(list, skb);
  if (pp !== null) {
    unlink(list, pp);
    napi_gro_complete(pp);
  }
  let taken = true;
  if (cb.same_flow === 0) {
    if (cb.flush !== 0) taken = false;
    else {
      if (list.count >= MAX_GRO_SKBS) {
        const old = oldest(list)!;
        unlink(list, old);
        napi_gro_complete(old);
      }
      cb.age = jiffies(k);
      cb.last = skb;
      // The payload of the first packet is what each segment has.
      skb.head.gso_size = skb_gro_len(skb);
      skb.next = list.first;
      list.first = skb;
      list.count++;
    }
  }
  if (list.count > 0) napi.gro_bitmask |= 1 << bucket;
  else napi.gro_bitmask &= ~(1 << bucket);
  return taken;
}

/** Appends the payload of `skb` to the held packet `p` without a copy. Non-zero when it has no room: both stay as they are. */
export function skb_gro_receive(p: SkBuff, skb: SkBuff): number {
  const cb = skb.gro!;
  const pcb = p.gro!;
  const offset = cb.data_offset;
  const len = skb.len - offset;
  if (p.len + len >= p.dev!.gro_max_size || cb.flush !== 0) return -7;
  if (trace_key.on) {
    trace_fn(F_skb_gro_receive, skb);
    if (trace_detail(skb.kernel))
      trace_note(F_skb_gro_receive, skb, { kind: "gro", parent: p.id, count: pcb.count + 1 });
  }
  const last = pcb.last!;
  const head = skb.head;
  const linear = skb_headlen(skb) - offset;
  const truesize = skb.truesize;
  const into = last.head;
  const need = head.nr_frags + (linear > 0 ? 1 : 0);
  if (linear >= 0 && into.nr_frags + need <= MAX_SKB_FRAGS) {
    if (linear > 0) {
      // The head's memory becomes a page of p, and lives on when the sk_buff around it goes.
      head.dataref++;
      head_add_frag(into, head, skb.data + offset, linear);
    }
    for (let i = 0; i < head.nr_frags; i++) {
      const f = head.frags[i]!;
      f.page.dataref++;
      head_add_frag(into, f.page, f.offset, f.size);
    }
    if (last !== p) {
      last.len += len;
      last.data_len += len;
      last.truesize += truesize;
    }
    p.len += len;
    p.data_len += len;
    p.truesize += truesize;
    pcb.count += 1;
    cb.same_flow = 1;
    consume_skb(skb);
    return 0;
  }
  // No slot left: the packet itself hangs on the list of fragments.
  if (linear < 0) return -7;
  skb.data += offset;
  skb.len -= offset;
  skb.next = null;
  if (last === p) p.head.frag_list = skb;
  else last.next = skb;
  pcb.last = skb;
  p.len += len;
  p.data_len += len;
  p.truesize += truesize;
  pcb.count += 1;
  cb.same_flow = 1;
  return 0;
}

/** A held packet goes up: its headers are made to fit what it became. */
export function napi_gro_complete(skb: SkBuff): void {
  if (trace_key.on) trace_fn(F_napi_gro_complete, skb);
  const cb = skb.gro!;
  cb.last = null;
  if (cb.count === 1) {
    skb.head.gso_size = 0;
  } else {
    const ptype = find_gro_offload(skb.kernel, skb.protocol);
    if (ptype === null || ptype.gro_complete === undefined || ptype.gro_complete(skb, 0) !== 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
      return;
    }
  }
  netif_receive_skb(skb);
}

/** At the end of a poll all held packets go up; when the poll goes on, those of an earlier jiffy. The oldest first. */
function napi_gro_flush(napi: NapiStruct, flush_old: boolean): void {
  const now = jiffies(napi.dev.net.kernel);
  for (let bucket = 0; bucket < GRO_HASH_BUCKETS; bucket++) {
    if ((napi.gro_bitmask & (1 << bucket)) === 0) continue;
    const list = napi.gro_hash[bucket]!;
    for (let p = oldest(list); p !== null; p = oldest(list)) {
      if (flush_old && p.gro!.age === now) break;
      unlink(list, p);
      napi_gro_complete(p);
    }
    if (list.count === 0) napi.gro_bitmask &= ~(1 << bucket);
  }
}

/** A device went down in the middle of a poll: what it holds is dropped. */
function gro_netdev_event(event: number, dev: NetDevice): void {
  if (event !== NETDEV_DOWN) return;
  for (const napi of dev.napi_list) {
    for (const list of napi.gro_hash) {
      for (let p = list.first; p !== null; p = list.first) {
        unlink(list, p);
        p.gro!.last = null;
        kfree_skb_reason(p, SKB_DROP_REASON_DEV_READY);
      }
    }
    napi.gro_bitmask = 0;
  }
}

export function gro_init(k: Kernel): void {
  k.offload_base = [];
  k.gro_users = 0;
  k.gro_receive = null;
  k.gro_flush = napi_gro_flush;
  register_netdevice_notifier(k, gro_netdev_event);
}
