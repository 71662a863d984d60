// The heart of the network device layer: receive from driver to protocol, send from protocol to driver, both softirqs.
// Mirrors net/core/dev.c. Read first: docs/path-of-a-packet.md.
// Way in: napi_schedule(), netif_rx(), netif_receive_skb(); dev_queue_xmit(). Devices come and go in dev_api.ts.

import { type Cpu, slice_over } from "../../kernel/cpu.ts";
import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { NET_RX_SOFTIRQ, NET_TX_SOFTIRQ, raise_softirq, raise_softirq_on } from "../../kernel/softirq.ts";
import { trace_call, trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import {
  F___dev_queue_xmit,
  F___dev_xmit_skb,
  F___napi_poll,
  F___netif_receive_skb_core,
  F_dev_hard_start_xmit,
  F_enqueue_to_backlog,
  F_napi_gro_receive,
  F_net_rx_action,
  F_net_tx_action,
  F_netif_rx,
  F_process_backlog,
} from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { dql_avail, dql_completed } from "../../lib/dql.ts";
import { EBUSY, ENETDOWN, ENOMEM } from "../../uapi/errno.ts";
import { ETH_P_8021AD, ETH_P_8021Q, ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 } from "../../uapi/ip.ts";
import { PACKET_OTHERHOST, PACKET_OUTGOING, SCM_TSTAMP_SCHED } from "../../uapi/socket.ts";
import {
  __netif_schedule,
  __qdisc_run,
  type Qdisc,
  qdisc_bstats_update,
  qdisc_run,
  qdisc_run_begin,
  qdisc_run_end,
  sch_direct_xmit,
  TCQ_F_CAN_BYPASS,
} from "../sched/sch_generic.ts";
import {
  SKB_DROP_REASON_CPU_BACKLOG,
  SKB_DROP_REASON_DEV_READY,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_QDISC_DROP,
  SKB_DROP_REASON_SKB_CSUM,
  SKB_DROP_REASON_SKB_GSO_SEG,
  SKB_DROP_REASON_UNHANDLED_PROTO,
} from "./dropreason.ts";
import { get_rps_cpu, skb_tx_hash } from "./flow_dissector.ts";
import { skb_gso_ok, skb_gso_segment, skb_gso_transport_hdrlen } from "./gso.ts";
import {
  __LINK_STATE_START,
  __QUEUE_STATE_DRV_XOFF,
  __QUEUE_STATE_STACK_XOFF,
  dev_xmit_complete,
  NAPI_POLL_WEIGHT,
  NAPI_STATE_DISABLE,
  NAPI_STATE_MISSED,
  NAPI_STATE_SCHED,
  type NapiStruct,
  NET_RX_DROP,
  NET_RX_SUCCESS,
  NET_XMIT_DROP,
  NET_XMIT_MASK,
  NET_XMIT_SUCCESS,
  NETDEV_TX_BUSY,
  NETDEV_TX_OK,
  NETIF_F_FRAGLIST,
  NETIF_F_GRO,
  NETIF_F_GSO_SOFTWARE,
  NETIF_F_HW_CSUM,
  NETIF_F_IP_CSUM,
  NETIF_F_IPV6_CSUM,
  NETIF_F_SG,
  type NetDevice,
  type NetdevQueue,
  napi_list_add_tail,
  napi_list_splice_tail,
  netif_xmit_stopped,
  type PacketType,
  SoftnetData,
} from "./netdevice.ts";
import { skb_checksum_help } from "./skb_checksum.ts";
import { eth_type_vlan, skb_vlan_untag, VLAN_VID_MASK } from "./skb_vlan.ts";
import {
  __skb_dequeue,
  __skb_queue_tail,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  consume_skb,
  kfree_skb_reason,
  type SkBuff,
  skb_clone,
  skb_get,
  skb_linearize,
  skb_queue_splice_tail_init,
} from "./skbuff.ts";
import { __skb_tstamp_tx, SKBTX_SCHED_TSTAMP } from "./sock_tstamp.ts";

declare module "../../kernel/cpu.ts" {
  interface Cpu {
    softnet_data: SoftnetData;
  }
}
declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Protocols by Ethertype & 15, each bucket a short array (ptype_base). */
    ptype_base: PacketType[][];
    /** Taps that want every packet of every device (ptype_all). */
    ptype_all: PacketType[];
    netdev_budget: number;
    /** µs */
    netdev_budget_usecs: number;
    netdev_max_backlog: number;
    dev_weight: number;
    /** GRO, when it registered itself (gro.ts). Returns true when it took the packet. */
    gro_receive: ((napi: NapiStruct, skb: SkBuff) => boolean) | null;
    gro_flush: ((napi: NapiStruct, flush_old: boolean) => void) | null;
    /** 802.1Q (8021q): finds the VLAN device of a tag; null when the packet is gone. */
    vlan_do_receive: ((skb: SkBuff) => SkBuff | null) | null;
    napi_gen_id: number;
  }
}

// --- taps and protocols -------------------------------------------------------------------------------------------

export function dev_add_pack(k: Kernel, pt: PacketType): void {
  if (pt.type === ETH_P_ALL) {
    if (pt.dev) pt.dev.ptype_all.unshift(pt);
    else k.ptype_all.unshift(pt);
  } else if (pt.dev) pt.dev.ptype_specific.unshift(pt);
  else k.ptype_base[pt.type & 15]!.unshift(pt);
}

export function dev_remove_pack(k: Kernel, pt: PacketType): void {
  const list =
    pt.type === ETH_P_ALL
      ? pt.dev
        ? pt.dev.ptype_all
        : k.ptype_all
      : pt.dev
        ? pt.dev.ptype_specific
        : k.ptype_base[pt.type & 15]!;
  const i = list.indexOf(pt);
  if (i >= 0) list.splice(i, 1);
}

/** Gives a copy to each tap of the device and of the machine, but not back to the socket that sent it. */
function dev_queue_xmit_nit(skb: SkBuff, dev: NetDevice): void {
  // One clone for all: the last gets it, the others look at it, and clone it when they keep it.
  let seen: SkBuff | null = null;
  let pt_prev: PacketType | null = null;
  for (let which = 0; which < 2; which++) {
    const list = which === 0 ? skb.kernel.ptype_all : dev.ptype_all;
    for (let i = 0; i < list.length; i++) {
      const pt = list[i]!;
      if (pt.ignore_outgoing || (pt.net !== null && pt.net !== dev.net)) continue;
      if (pt.af_packet_priv !== null && skb.sk !== null && pt.af_packet_priv === skb.sk) continue;
      if (pt_prev !== null) deliver_skb(seen!, pt_prev, dev);
      else seen = nit_clone(skb);
      pt_prev = pt;
    }
  }
  if (pt_prev !== null) pt_prev.func(seen!, dev, pt_prev, dev);
}

function nit_clone(skb: SkBuff): SkBuff {
  const n = skb_clone(skb);
  n.tstamp = skb.kernel.now;
  n.mac_header = n.data;
  if (n.network_header < n.data) n.network_header = n.data;
  n.transport_header = n.network_header;
  n.pkt_type = PACKET_OUTGOING;
  return n;
}

// --- NAPI ---------------------------------------------------------------------------------------------------------

/** Puts the instance on this CPU's poll list and raises NET_RX. The caller owns NAPI_STATE_SCHED. */
function ____napi_schedule(sd: SoftnetData, napi: NapiStruct): void {
  if (!napi.listed) napi_list_add_tail(sd.poll_list, napi);
  raise_softirq(sd.cpu, NET_RX_SOFTIRQ);
}

/** True when the caller may schedule it: it was not scheduled and not disabled. */
function napi_schedule_prep(napi: NapiStruct): boolean {
  if ((napi.state & NAPI_STATE_DISABLE) !== 0) return false;
  if ((napi.state & NAPI_STATE_SCHED) !== 0) {
    napi.state |= NAPI_STATE_MISSED;
    return false;
  }
  napi.state |= NAPI_STATE_SCHED;
  return true;
}

export function napi_schedule(napi: NapiStruct): void {
  if (napi_schedule_prep(napi)) ____napi_schedule(napi.dev.net.kernel.cpu.softnet_data, napi);
}

/** The poll is done: held packets go up, and an event missed meanwhile schedules it again. False in that case. */
export function napi_complete_done(napi: NapiStruct, _work: number): boolean {
  const k = napi.dev.net.kernel;
  if (napi.gro_bitmask !== 0 && k.gro_flush !== null) k.gro_flush(napi, false);
  const missed = (napi.state & NAPI_STATE_MISSED) !== 0;
  napi.state &= ~(NAPI_STATE_MISSED | NAPI_STATE_SCHED);
  if (missed) {
    napi_schedule(napi);
    return false;
  }
  return true;
}

export const napi_disable = (napi: NapiStruct): void => {
  napi.state |= NAPI_STATE_DISABLE;
  napi.state &= ~(NAPI_STATE_SCHED | NAPI_STATE_MISSED);
};
export const napi_enable = (napi: NapiStruct): void => {
  napi.state &= ~NAPI_STATE_DISABLE;
};

/** Takes an instance off every poll list (netif_napi_del, and before memory of its rings goes). */
export function napi_unlist(k: Kernel, napi: NapiStruct): void {
  for (const cpu of k.cpus) {
    const sd = cpu.softnet_data;
    for (const list of [sd.poll_list, sd.rx_list, sd.repoll_list]) {
      let prev: NapiStruct | null = null;
      for (let n = list.first; n !== null; prev = n, n = n.next) {
        if (n !== napi) continue;
        if (prev) prev.next = n.next;
        else list.first = n.next;
        if (list.last === n) list.last = prev;
        break;
      }
    }
  }
  napi.listed = false;
  napi.next = null;
}

/** A frame from a driver's poll: merged with others when it can be, else up the stack. */
export function napi_gro_receive(napi: NapiStruct, skb: SkBuff): void {
  if (trace_key.on) trace_fn(F_napi_gro_receive, skb);
  skb.napi_id = napi.napi_id;
  const k = skb.kernel;
  if (k.gro_receive !== null && (napi.dev.features & NETIF_F_GRO) !== 0 && k.gro_receive(napi, skb)) return;
  netif_receive_skb(skb);
}

function napi_poll(k: Kernel, sd: SoftnetData, napi: NapiStruct): number {
  if (trace_key.on) trace_call(F___napi_poll, k);
  napi.polls++;
  let work = 0;
  if ((napi.state & NAPI_STATE_SCHED) !== 0) work = napi.poll(napi, napi.weight);
  if (work < napi.weight) return work;
  // It used its whole weight: it stays scheduled, and its next turn is in the next run.
  if ((napi.state & NAPI_STATE_DISABLE) !== 0) {
    napi.state &= ~NAPI_STATE_SCHED;
    return work;
  }
  if (napi.gro_bitmask !== 0 && k.gro_flush !== null) k.gro_flush(napi, true);
  if (!napi.listed) napi_list_add_tail(sd.repoll_list, napi);
  return work;
}

/**
 * NET_RX_SOFTIRQ: one turn for each instance that is scheduled, until the budget is used or the time is over. What has
 * more to do, or got no turn, is left to the next run: so NET_TX and other softirqs come in between.
 * DIFF: the time limit is exact, where Linux counts whole jiffies.
 */
export function net_rx_action(k: Kernel, cpu: Cpu): void {
  const sd = cpu.softnet_data;
  const list = sd.rx_list;
  if (trace_key.on) trace_call(F_net_rx_action, k);
  if (!sd.rx_resume) {
    sd.rx_budget = k.netdev_budget;
    sd.rx_time_limit = k.now + k.netdev_budget_usecs * 1000;
    napi_list_splice_tail(sd.poll_list, list);
  }
  sd.rx_resume = false;
  for (;;) {
    const napi = list.first;
    if (napi === null) {
      if (sd.repoll_list.first !== null || sd.poll_list.first === null) break;
      napi_list_splice_tail(sd.poll_list, list);
      continue;
    }
    list.first = napi.next;
    if (list.first === null) list.last = null;
    napi.next = null;
    napi.listed = false;
    sd.rx_budget -= napi_poll(k, sd, napi);
    if (sd.rx_budget <= 0 || k.now >= sd.rx_time_limit) {
      sd.time_squeeze++;
      break;
    }
    if (slice_over(k) && (list.first !== null || sd.poll_list.first !== null)) {
      // Cost model: the world must see the time used so far; the same run goes on after it.
      sd.rx_resume = true;
      cpu.softirq_suspended = true;
      raise_softirq(cpu, NET_RX_SOFTIRQ);
      return;
    }
  }
  napi_list_splice_tail(sd.poll_list, list);
  napi_list_splice_tail(sd.repoll_list, list);
  napi_list_splice_tail(list, sd.poll_list);
  if (sd.poll_list.first !== null) raise_softirq(cpu, NET_RX_SOFTIRQ);
}

// --- backlog ------------------------------------------------------------------------------------------------------

/** Queues on a CPU's input_pkt_queue; over netdev_max_backlog the packet is dropped there. DIFF: no flow limit. */
function enqueue_to_backlog(skb: SkBuff, cpu: Cpu): number {
  const k = skb.kernel;
  if (trace_key.on) trace_fn(F_enqueue_to_backlog, skb);
  const sd = cpu.softnet_data;
  const qlen = sd.input_pkt_queue.qlen;
  if ((skb.dev!.state & __LINK_STATE_START) === 0) {
    skb.dev!.stats.rx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
    return NET_RX_DROP;
  }
  if (qlen > k.netdev_max_backlog) {
    sd.dropped++;
    skb.dev!.stats.rx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON_CPU_BACKLOG);
    return NET_RX_DROP;
  }
  if (qlen === 0) {
    const backlog = sd.backlog;
    if ((backlog.state & NAPI_STATE_SCHED) === 0) {
      backlog.state |= NAPI_STATE_SCHED;
      if (cpu !== k.cpu) {
        sd.received_rps++;
        ____napi_schedule(sd, backlog);
        raise_softirq_on(k, cpu, NET_RX_SOFTIRQ);
      } else {
        ____napi_schedule(sd, backlog);
      }
    }
  }
  __skb_queue_tail(sd.input_pkt_queue, skb);
  return NET_RX_SUCCESS;
}

/** Hands a packet to the backlog of a CPU: for devices without NAPI (loopback, veth, the old drivers). */
export function netif_rx(skb: SkBuff): number {
  const k = skb.kernel;
  if (trace_key.on) trace_fn(F_netif_rx, skb);
  let cpu = k.cpu;
  if (k.rps_needed) {
    const target = get_rps_cpu(skb.dev!, skb);
    if (target >= 0) cpu = k.cpus[target]!;
  }
  return enqueue_to_backlog(skb, cpu);
}

/** The poll of the backlog pseudo-device. */
function process_backlog(napi: NapiStruct, quota: number): number {
  const sd = napi.owner as SoftnetData;
  const k = sd.cpu.kernel;
  if (trace_key.on) trace_call(F_process_backlog, k);
  let work = 0;
  for (;;) {
    for (let skb = __skb_dequeue(sd.process_queue); skb !== null; skb = __skb_dequeue(sd.process_queue)) {
      __netif_receive_skb(skb);
      sd.input_queue_head++;
      if (++work >= quota) return work;
    }
    if (sd.input_pkt_queue.next === null) {
      napi.state = 0;
      return work;
    }
    skb_queue_splice_tail_init(sd.input_pkt_queue, sd.process_queue);
  }
}

// --- receive ------------------------------------------------------------------------------------------------------

/** From a driver, in softirq context: steered to another CPU by RPS, or up the stack here. */
export function netif_receive_skb(skb: SkBuff): number {
  const k = skb.kernel;
  if (k.rps_needed) {
    const target = get_rps_cpu(skb.dev!, skb);
    if (target >= 0) return enqueue_to_backlog(skb, k.cpus[target]!);
  }
  return __netif_receive_skb(skb);
}

function __netif_receive_skb(skb: SkBuff): number {
  return __netif_receive_skb_core(skb);
}

/** One of several takers: it gets a reference, and clones when it keeps the packet. The last one gets the packet itself. */
function deliver_skb(skb: SkBuff, pt: PacketType, orig_dev: NetDevice): void {
  skb_get(skb);
  pt.func(skb, skb.dev!, pt, orig_dev);
}

/** Taps, VLAN, the device's rx_handler (bridge, bond), then the protocol. The packet is gone when it returns. */
function __netif_receive_skb_core(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F___netif_receive_skb_core, skb);
  const k = skb.kernel;
  const orig_dev = skb.dev!;
  k.cpu.softnet_data.processed++;
  if (skb.tstamp === 0 && k.rx_timestamps !== 0) skb.tstamp = k.now;
  skb.network_header = skb.data;
  if (skb.transport_header < 0) skb.transport_header = skb.data;
  skb.mac_len = skb.network_header - skb.mac_header;
  skb.skb_iif = orig_dev.ifindex;

  // Who takes it, as far as known; whoever comes next makes it one of several.
  let pt_prev: PacketType | null = null;
  let deliver_exact = false;
  for (let another = 0; another < 8; another++) {
    const dev = skb.dev!;
    if (skb.protocol === ETH_P_8021Q || skb.protocol === ETH_P_8021AD) {
      const s = skb_vlan_untag(skb);
      if (s === null) return NET_RX_DROP;
      skb = s;
    }
    if (k.ptype_all.length !== 0) pt_prev = deliver_taps(k.ptype_all, skb, dev, orig_dev, pt_prev);
    if (dev.ptype_all.length !== 0) pt_prev = deliver_taps(dev.ptype_all, skb, dev, orig_dev, pt_prev);
    if (skb.vlan_present) {
      if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
      pt_prev = null;
      if (k.vlan_do_receive !== null) {
        const s = k.vlan_do_receive(skb);
        if (s === null) return NET_RX_SUCCESS;
        skb = s;
        if (skb.dev !== dev) continue;
      }
    }
    const rx_handler = dev.rx_handler;
    if (rx_handler !== null) {
      if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
      pt_prev = null;
      const verdict = rx_handler(skb);
      if (verdict === RX_HANDLER_CONSUMED) return NET_RX_SUCCESS;
      if (verdict === RX_HANDLER_ANOTHER) continue;
      deliver_exact = verdict === RX_HANDLER_EXACT;
    }
    break;
  }
  while (skb.vlan_present) {
    // No device has this VLAN: it is for somebody else, unless the tag only carries a priority (VID 0).
    const vid = skb.vlan_tci & VLAN_VID_MASK;
    if (vid !== 0) skb.pkt_type = PACKET_OTHERHOST;
    skb.vlan_present = false;
    if (vid !== 0 || !eth_type_vlan(skb.protocol)) break;
    const s = skb_vlan_untag(skb);
    if (s === null) return NET_RX_DROP;
    skb = s;
  }
  const dev = skb.dev!;
  const type = skb.protocol;
  if (!deliver_exact) {
    const list = k.ptype_base[type & 15]!;
    for (let i = 0; i < list.length; i++) {
      const pt = list[i]!;
      if (pt.type !== type || (pt.net !== null && pt.net !== dev.net)) continue;
      if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
      pt_prev = pt;
    }
  }
  if (orig_dev.ptype_specific.length !== 0) pt_prev = deliver_specific(skb, orig_dev, orig_dev, pt_prev);
  if (dev !== orig_dev && dev.ptype_specific.length !== 0) pt_prev = deliver_specific(skb, dev, orig_dev, pt_prev);
  if (pt_prev !== null) return pt_prev.func(skb, dev, pt_prev, orig_dev);
  if (deliver_exact) dev.stats.rx_nohandler++;
  else dev.stats.rx_dropped++;
  kfree_skb_reason(skb, SKB_DROP_REASON_UNHANDLED_PROTO);
  return NET_RX_DROP;
}

function deliver_taps(
  list: PacketType[],
  skb: SkBuff,
  dev: NetDevice,
  orig_dev: NetDevice,
  pt_prev: PacketType | null,
): PacketType | null {
  for (let i = 0; i < list.length; i++) {
    const pt = list[i]!;
    if (pt.net !== null && pt.net !== dev.net) continue;
    if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
    pt_prev = pt;
  }
  return pt_prev;
}

/** Those who want the packet's type from `dev` only. */
function deliver_specific(
  skb: SkBuff,
  dev: NetDevice,
  orig_dev: NetDevice,
  pt_prev: PacketType | null,
): PacketType | null {
  const list = dev.ptype_specific;
  for (let i = 0; i < list.length; i++) {
    const pt = list[i]!;
    if (pt.type !== skb.protocol) continue;
    if (pt_prev !== null) deliver_skb(skb, pt_prev, orig_dev);
    pt_prev = pt;
  }
  return pt_prev;
}

const RX_HANDLER_CONSUMED = 0;
const RX_HANDLER_ANOTHER = 1;
const RX_HANDLER_EXACT = 2;
export const RX_HANDLER_PASS = 3;

/** A bridge or bond takes the packets of `dev` before the protocols. Returns -EBUSY when somebody does already. */
export function netdev_rx_handler_register(dev: NetDevice, handler: (skb: SkBuff) => number, data: unknown): number {
  if (dev.rx_handler !== null) return -EBUSY;
  dev.rx_handler = handler;
  dev.rx_handler_data = data;
  return 0;
}

export function netdev_rx_handler_unregister(dev: NetDevice): void {
  dev.rx_handler = null;
  dev.rx_handler_data = null;
}

// --- send ---------------------------------------------------------------------------------------------------------

/** What the device can do for this very packet. */
function netif_skb_features(skb: SkBuff, dev: NetDevice): number {
  let features = dev.features;
  const head = skb.head;
  if (head.gso_size !== 0 && (head.gso_segs > dev.gso_max_segs || skb.len >= dev.gso_max_size)) {
    features &= ~NETIF_F_GSO_SOFTWARE;
  }
  if (dev.ops.ndo_features_check !== undefined) features &= dev.ops.ndo_features_check(skb, dev, features);
  return features;
}

function csum_supported(skb: SkBuff, features: number): boolean {
  if ((features & NETIF_F_HW_CSUM) !== 0) return true;
  if (skb.protocol === ETH_P_IP) return (features & NETIF_F_IP_CSUM) !== 0;
  if (skb.protocol === ETH_P_IPV6) return (features & NETIF_F_IPV6_CSUM) !== 0;
  return false;
}

const skb_needs_linearize = (skb: SkBuff, features: number): boolean =>
  (features & NETIF_F_SG) === 0 || (skb.head.frag_list !== null && (features & NETIF_F_FRAGLIST) === 0);

/** Does in software what the device cannot: segmentation, linearity, checksum. Null when the packet was dropped. */
function validate_xmit_skb(skb: SkBuff, dev: NetDevice): SkBuff | null {
  if (skb.head.gso_size === 0 && skb.data_len === 0 && skb.ip_summed !== CHECKSUM_PARTIAL) return skb;
  const features = netif_skb_features(skb, dev);
  if (skb.head.gso_size !== 0 && netif_needs_gso(skb, features)) {
    const segs = skb_gso_segment(skb, features);
    if (typeof segs === "number") {
      dev.stats.tx_dropped++;
      kfree_skb_reason(skb, SKB_DROP_REASON_SKB_GSO_SEG);
      return null;
    }
    if (segs !== null) {
      consume_skb(skb);
      return segs;
    }
    return skb;
  }
  if (skb.data_len !== 0 && skb_needs_linearize(skb, features) && skb_linearize(skb) < 0) {
    dev.stats.tx_dropped++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return null;
  }
  if (skb.ip_summed === CHECKSUM_PARTIAL && !csum_supported(skb, features)) {
    if (skb_checksum_help(skb) < 0) {
      dev.stats.tx_dropped++;
      kfree_skb_reason(skb, SKB_DROP_REASON_SKB_CSUM);
      return null;
    }
  }
  return skb;
}

/** Must it be cut in software? */
const netif_needs_gso = (skb: SkBuff, features: number): boolean =>
  !skb_gso_ok(skb, features) || (skb.ip_summed !== CHECKSUM_PARTIAL && skb.ip_summed !== CHECKSUM_UNNECESSARY);

/** validate_xmit_skb over a list linked by next. */
export function validate_xmit_skb_list(skb: SkBuff, dev: NetDevice): SkBuff | null {
  if (skb.next === null) return validate_xmit_skb(skb, dev);
  let first: SkBuff | null = null;
  let last: SkBuff | null = null;
  let s: SkBuff | null = skb;
  while (s !== null) {
    const next: SkBuff | null = s.next;
    s.next = null;
    const done = validate_xmit_skb(s, dev);
    if (done !== null) {
      if (last !== null) last.next = done;
      else first = done;
      last = done;
      while (last.next !== null) last = last.next;
    }
    s = next;
  }
  return first;
}

/** Gives one packet to the driver, and a copy to the taps. */
export function dev_hard_start_xmit(skb: SkBuff, dev: NetDevice, txq: NetdevQueue): number {
  if (trace_key.on) {
    trace_fn(F_dev_hard_start_xmit, skb);
    if (trace_detail(skb.kernel)) {
      trace_note(F_dev_hard_start_xmit, skb, { kind: "xmit", dev: dev.name, queue: txq.index, len: skb.len });
    }
  }
  const k = skb.kernel;
  if (k.ptype_all.length !== 0 || dev.ptype_all.length !== 0) dev_queue_xmit_nit(skb, dev);
  const ret = dev.ops.ndo_start_xmit(skb, dev);
  if (ret === NETDEV_TX_OK) txq.trans_start = k.now;
  return ret;
}

/** ndo_select_queue, XPS, or a hash over the flow; cached in the socket. */
function netdev_core_pick_tx(dev: NetDevice, skb: SkBuff): NetdevQueue {
  if (dev.real_num_tx_queues === 1) {
    skb.queue_mapping = 0;
    return dev.tx[0]!;
  }
  const ops = dev.ops;
  const index = ops.ndo_select_queue !== undefined ? ops.ndo_select_queue(dev, skb) : netdev_pick_tx(dev, skb);
  skb.queue_mapping = index < dev.real_num_tx_queues ? index : 0;
  return dev.tx[skb.queue_mapping]!;
}

function netdev_pick_tx(dev: NetDevice, skb: SkBuff): number {
  const sk = skb.sk;
  let index = sk !== null ? sk.sk_tx_queue_mapping : -1;
  if (index < 0 || skb.ooo_okay || index >= dev.real_num_tx_queues) {
    let now = get_xps_queue(dev, skb.kernel.cpu);
    if (now < 0) now = skb_tx_hash(dev, skb);
    if (now !== index && sk !== null && sk.sk_dst_cache !== null) sk.sk_tx_queue_mapping = now;
    index = now;
  }
  return index;
}

/** XPS: the queue that xps_cpus gives this CPU; -1 when none does. Several share by hash. */
function get_xps_queue(dev: NetDevice, cpu: Cpu): number {
  if (!dev.tx_global_xps) return -1;
  const bit = 1 << cpu.id;
  for (let i = 0; i < dev.real_num_tx_queues; i++) if ((dev.tx[i]!.xps_cpus & bit) !== 0) return i;
  return -1;
}

/** Bytes as a qdisc counts them: each segment of a GSO packet has its own headers. */
function qdisc_pkt_len_init(skb: SkBuff): void {
  const head = skb.head;
  skb.pkt_len = skb.len;
  if (head.gso_size === 0 || head.gso_segs <= 1 || skb.transport_header < 0) return;
  skb.pkt_len += (head.gso_segs - 1) * (skb.transport_header - skb.data + skb_gso_transport_hdrlen(skb));
}

/** Through the qdisc: past it when it is empty and allows it, else queued and run. */
function __dev_xmit_skb(skb: SkBuff, q: Qdisc, dev: NetDevice, txq: NetdevQueue): number {
  if (trace_key.on) trace_fn(F___dev_xmit_skb, skb);
  qdisc_pkt_len_init(skb);
  if (q.deactivated) {
    kfree_skb_reason(skb, SKB_DROP_REASON_QDISC_DROP);
    return NET_XMIT_DROP;
  }
  if ((q.flags & TCQ_F_CAN_BYPASS) !== 0 && q.qlen === 0 && q.gso_skb === null && qdisc_run_begin(q)) {
    qdisc_bstats_update(q, skb);
    if (sch_direct_xmit(skb, q, dev, txq, true) && q.qlen !== 0) __qdisc_run(q);
    qdisc_run_end(q);
    return NET_XMIT_SUCCESS;
  }
  const rc = q.enqueue!(skb, q);
  if (qdisc_run_begin(q)) {
    __qdisc_run(q);
    qdisc_run_end(q);
  }
  return rc & NET_XMIT_MASK;
}

/** Devices that send through each other may nest this deep (XMIT_RECURSION_LIMIT). */
const XMIT_RECURSION_LIMIT = 8;

/** Sends a packet whose link header is complete. Takes it over. 0, NET_XMIT_* or -errno. */
export function dev_queue_xmit(skb: SkBuff): number {
  const dev = skb.dev!;
  if (trace_key.on) trace_fn(F___dev_queue_xmit, skb);
  skb.mac_header = skb.data;
  if ((skb.tx_flags & SKBTX_SCHED_TSTAMP) !== 0) __skb_tstamp_tx(skb, skb.sk, SCM_TSTAMP_SCHED, null);
  // Loopback and tunnels need the route below; for all others it has served (IFF_XMIT_DST_RELEASE).
  const dst = skb.dst;
  if (dst !== null && !dev.keep_dst) {
    skb.dst = null;
    if (!skb.dst_noref) dst.release(dst);
    skb.dst_noref = false;
  }
  const txq = netdev_core_pick_tx(dev, skb);
  const q = txq.qdisc;
  if (q.enqueue !== null) return __dev_xmit_skb(skb, q, dev, txq);

  // No queue: loopback, veth, tunnels. The driver takes the packet in this call.
  if ((dev.state & __LINK_STATE_START) !== 0) {
    const sd = skb.kernel.cpu.softnet_data;
    if (sd.xmit_recursion > XMIT_RECURSION_LIMIT) {
      dev.stats.tx_dropped++;
      kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
      return -ENETDOWN;
    }
    let s: SkBuff | null = validate_xmit_skb(skb, dev);
    if (s === null) return -ENOMEM;
    sd.xmit_recursion++;
    // Of segments the last one's result counts.
    let rc = NETDEV_TX_OK;
    while (s !== null) {
      const next: SkBuff | null = s.next;
      s.next = null;
      rc = netif_xmit_stopped(txq) ? NETDEV_TX_BUSY : dev_hard_start_xmit(s, dev, txq);
      if (!dev_xmit_complete(rc)) {
        dev.stats.tx_dropped++;
        kfree_skb_reason(s, SKB_DROP_REASON_DEV_READY);
        rc = -ENETDOWN;
      }
      s = next;
    }
    sd.xmit_recursion--;
    return rc;
  }
  dev.stats.tx_dropped++;
  kfree_skb_reason(skb, SKB_DROP_REASON_DEV_READY);
  return -ENETDOWN;
}

/** AF_PACKET with PACKET_QDISC_BYPASS. */
export function dev_direct_xmit(skb: SkBuff, queue_id: number): number {
  const dev = skb.dev!;
  const s = validate_xmit_skb(skb, dev);
  if (s === null) return NET_XMIT_DROP;
  s.queue_mapping = queue_id < dev.real_num_tx_queues ? queue_id : 0;
  const txq = dev.tx[s.queue_mapping]!;
  if (txq.state === 0) {
    const rc = dev_hard_start_xmit(s, dev, txq);
    if (dev_xmit_complete(rc)) return rc;
  }
  kfree_skb_reason(s, SKB_DROP_REASON_QDISC_DROP);
  return NET_XMIT_DROP;
}

/** The driver has room again: the queue's qdisc runs in NET_TX_SOFTIRQ. */
export function netif_tx_wake_queue(q: NetdevQueue): void {
  if ((q.state & __QUEUE_STATE_DRV_XOFF) === 0) return;
  q.state &= ~__QUEUE_STATE_DRV_XOFF;
  __netif_schedule(q.qdisc);
}

/** BQL: the driver is done with `bytes`; when there is room again, the qdisc goes on in NET_TX_SOFTIRQ. */
export function netdev_tx_completed_queue(q: NetdevQueue, bytes: number): void {
  if (bytes === 0) return;
  dql_completed(q.dql, bytes, jiffies(q.dev.net.kernel));
  if ((q.state & __QUEUE_STATE_STACK_XOFF) === 0 || dql_avail(q.dql) < 0) return;
  q.state &= ~__QUEUE_STATE_STACK_XOFF;
  if (q.state === 0) __netif_schedule(q.qdisc);
}

/** __netif_reschedule: the qdisc goes on the output queue of this CPU. */
export function netif_schedule(q: Qdisc): void {
  const k = q.dev_queue.dev.net.kernel;
  const cpu = k.cpu;
  cpu.softnet_data.output_queue.push(q);
  raise_softirq(cpu, NET_TX_SOFTIRQ);
}

/** Frees a packet from hard interrupt context: in NET_TX_SOFTIRQ. */
export function dev_kfree_skb_irq(skb: SkBuff): void {
  const cpu = skb.kernel.cpu;
  skb.next = cpu.softnet_data.completion_queue;
  cpu.softnet_data.completion_queue = skb;
  raise_softirq(cpu, NET_TX_SOFTIRQ);
}

/** NET_TX_SOFTIRQ: frees what drivers completed, and runs the qdiscs that were put off. */
export function net_tx_action(k: Kernel, cpu: Cpu): void {
  const sd = cpu.softnet_data;
  if (trace_key.on) trace_call(F_net_tx_action, k);
  let skb = sd.completion_queue;
  sd.completion_queue = null;
  while (skb !== null) {
    const next: SkBuff | null = skb.next;
    skb.next = null;
    consume_skb(skb);
    skb = next;
  }
  if (sd.output_queue.length === 0) return;
  const queue = sd.output_queue;
  sd.output_queue = [];
  for (let i = 0; i < queue.length; i++) {
    const q = queue[i]!;
    q.scheduled = false;
    qdisc_run(q);
  }
}

// --- boot ---------------------------------------------------------------------------------------------------------

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Some device steers packets by RPS: a static key in Linux. */
    rps_needed: boolean;
    /** Sockets that want receive timestamps (net_enable_timestamp). */
    rx_timestamps: number;
  }
}

export { NAPI_POLL_WEIGHT, process_backlog, SoftnetData };
