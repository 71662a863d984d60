// Which flow a packet belongs to: the hash that RPS, XPS and multipath share. Mirrors net/core/flow_dissector.c.
// Way in: skb_get_hash(), get_rps_cpu(), skb_tx_hash().

import { reciprocal_scale } from "../../lib/bits.ts";
import { jhash_3words } from "../../lib/jhash.ts";
import { ETH_P_IP, IP_MF, IP_OFFSET, IPH_DADDR, IPH_FRAG_OFF, IPH_PROTOCOL, IPH_SADDR } from "../../uapi/ip.ts";
import { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from "../../uapi/socket.ts";
import type { NetDevice } from "./netdevice.ts";
import type { SkBuff } from "./skbuff.ts";

/** Boot-time key of flow hashes; equal for all machines, so that a seed alone decides a trace. */
const FLOW_HASH_SEED = 0x5bd1e995;

/** The same hash for both directions of a flow. 0 when the packet has no addresses that we know. */
export function __skb_get_hash(skb: SkBuff): number {
  const dv = skb.head.dv;
  const off = skb.network_header >= 0 ? skb.network_header : skb.data;
  let hash = 0;
  if (skb.protocol === ETH_P_IP && off + 20 <= skb.tail) {
    let s = dv.getInt32(off + IPH_SADDR);
    let d = dv.getInt32(off + IPH_DADDR);
    const proto = dv.getUint8(off + IPH_PROTOCOL);
    const thoff = off + (dv.getUint8(off) & 0xf) * 4;
    let ports = 0;
    const frag = (dv.getUint16(off + IPH_FRAG_OFF) & (IP_MF | IP_OFFSET)) !== 0;
    if (
      !frag &&
      (proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_UDPLITE) &&
      thoff + 4 <= skb.tail
    ) {
      ports = dv.getInt32(thoff);
      skb.l4_hash = true;
    }
    // __flow_hash_consistentify: the smaller address first.
    if (d < s || (d === s && (ports & 0xffff) < ports >>> 16)) {
      const t = s;
      s = d;
      d = t;
      ports = (ports << 16) | (ports >>> 16);
    }
    hash = jhash_3words(s, d, ports ^ proto, FLOW_HASH_SEED);
    if (hash === 0) hash = 1;
  }
  skb.hash = hash;
  skb.sw_hash = true;
  return hash;
}

export const skb_get_hash = (skb: SkBuff): number => (skb.l4_hash || skb.sw_hash ? skb.hash : __skb_get_hash(skb));

/** RFS, then RPS: the CPU that shall process the packet; -1 for the present one. */
export function get_rps_cpu(dev: NetDevice, skb: SkBuff): number {
  const rxq = dev.rx[skb.queue_mapping < dev.rx.length ? skb.queue_mapping : 0]!;
  if (rxq.rps_map.length === 0 && rxq.rps_flow_table === null) return -1;
  const hash = skb_get_hash(skb);
  if (hash === 0) return -1;
  const k = skb.kernel;
  const sock_flow = k.rps_sock_flow_table;
  if (rxq.rps_flow_table !== null && sock_flow !== null) {
    // The CPU on which the reader of this flow last called recvmsg().
    const entry = sock_flow[hash & (sock_flow.length - 1)]!;
    if (entry !== -1 && (entry & ~0xff) === (hash & ~0xff)) {
      const cpu = entry & 0xff;
      if (cpu < k.cpus.length) return cpu;
    }
  }
  const map = rxq.rps_map;
  return map.length > 0 ? map[reciprocal_scale(hash, map.length)]! : -1;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** RFS: flow hash → upper hash bits and CPU of the reader; null until net.core.rps_sock_flow_entries is set. */
    rps_sock_flow_table: Int32Array | null;
  }
}

/** The queue for a flow, among those in use. */
export function skb_tx_hash(dev: NetDevice, skb: SkBuff): number {
  return reciprocal_scale(skb_get_hash(skb), dev.real_num_tx_queues);
}
