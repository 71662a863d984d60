// Which of a route's paths a packet takes: weights, flow hashes, dead gateways. The end of net/ipv4/fib_semantics.c and the
// hash of net/ipv4/route.c. Read first: RFC 2992. Way in: fib_select_path().

import {
  ICMP_DEST_UNREACH,
  ICMP_PARAMETERPROB,
  ICMP_REDIRECT,
  ICMP_TIME_EXCEEDED,
  IP_MF,
  IP_OFFSET,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_VER_IHL,
} from "../../uapi/ip.ts";
import { NUD_INCOMPLETE, NUD_REACHABLE } from "../../uapi/neighbour.ts";
import { RT_SCOPE_LINK, RTN_UNICAST, RTNH_F_DEAD, RTNH_F_LINKDOWN } from "../../uapi/rtnetlink.ts";
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, IPPROTO_UDPLITE } from "../../uapi/socket.ts";
import type { Net } from "../core/net_namespace.ts";
import type { SkBuff } from "../core/skbuff.ts";
import { fib_result_prefsrc } from "./fib_semantics.ts";
import { fib_table_dump } from "./fib_trie.ts";
import type { FibInfo, FibNh, FibResult, Flowi4 } from "./ip_fib.ts";

const NUD_VALID = 0xde;

// --- weights ------------------------------------------------------------------------------------------------------

function nh_in_use(nh: FibNh): boolean {
  if ((nh.flags & RTNH_F_DEAD) !== 0) return false;
  if ((nh.flags & RTNH_F_LINKDOWN) === 0) return true;
  const in_dev = nh.dev !== null ? nh.dev.ip_ptr : null;
  return in_dev === null || in_dev.cnf.ignore_routes_with_linkdown === 0;
}

/** Divides the hash space of 31 bits among the paths in use, by weight. */
export function fib_rebalance(fi: FibInfo): void {
  const nhs = fi.nhs;
  if (nhs.length < 2) return;
  let total = 0;
  for (const nh of nhs) if (nh_in_use(nh)) total += nh.weight;
  let w = 0;
  for (const nh of nhs) {
    if (!nh_in_use(nh)) {
      nh.upper_bound = -1;
      continue;
    }
    w += nh.weight;
    nh.upper_bound = Math.round((w * 0x8000_0000) / total) - 1;
  }
}

// --- flow hash ----------------------------------------------------------------------------------------------------

const fmix = (h: number, v: number): number => {
  h = Math.imul(h ^ v, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/** Fields of fib_multipath_hash_fields: source and destination address, protocol, (unused), ports. */
const F_SRC_IP = 1;
const F_DST_IP = 2;
const F_IP_PROTO = 4;
const F_SRC_PORT = 16;
const F_DST_PORT = 32;

function hash_of(net: Net, fields: number, s: number, d: number, proto: number, sport: number, dport: number): number {
  let h = net.ipv4.hash_secret;
  h = fmix(h, (fields & F_SRC_IP) !== 0 ? s : 0);
  h = fmix(h, (fields & F_DST_IP) !== 0 ? d : 0);
  h = fmix(h, (fields & F_IP_PROTO) !== 0 ? proto : 0);
  return fmix(h, ((fields & F_SRC_PORT) !== 0 ? sport << 16 : 0) | ((fields & F_DST_PORT) !== 0 ? dport : 0)) >>> 1;
}

function icmp_is_err(type: number): boolean {
  return (
    type === ICMP_DEST_UNREACH || type === ICMP_TIME_EXCEEDED || type === ICMP_PARAMETERPROB || type === ICMP_REDIRECT
  );
}

function fields_of(net: Net): number {
  const policy = net.ipv4.sysctl_fib_multipath_hash_policy;
  if (policy === 1) return F_SRC_IP | F_DST_IP | F_IP_PROTO | F_SRC_PORT | F_DST_PORT;
  if (policy === 3) return net.ipv4.sysctl_fib_multipath_hash_fields;
  return F_SRC_IP | F_DST_IP;
}

/** Hash of a received packet. An ICMP error is hashed as the flow it speaks of, so that it goes the same way. */
function hash_skb(net: Net, skb: SkBuff): number {
  const dv = skb.head.dv;
  const fields = fields_of(net);
  let off = skb.network_header;
  const end = skb.tail;
  let s = dv.getInt32(off + IPH_SADDR);
  let d = dv.getInt32(off + IPH_DADDR);
  let proto = dv.getUint8(off + IPH_PROTOCOL);
  let l4 = off + (dv.getUint8(off + IPH_VER_IHL) & 15) * 4;
  if (proto === IPPROTO_ICMP) {
    const inner = l4 + 8;
    if ((dv.getUint16(off + IPH_FRAG_OFF) & IP_OFFSET) !== 0 || inner + 20 > end || !icmp_is_err(dv.getUint8(l4))) {
      return hash_of(net, fields, s, d, proto, 0, 0);
    }
    off = inner;
    s = dv.getInt32(off + IPH_SADDR);
    d = dv.getInt32(off + IPH_DADDR);
    proto = dv.getUint8(off + IPH_PROTOCOL);
    l4 = off + (dv.getUint8(off + IPH_VER_IHL) & 15) * 4;
  }
  const ports = proto === IPPROTO_TCP || proto === IPPROTO_UDP || proto === IPPROTO_UDPLITE;
  if (!ports || (dv.getUint16(off + IPH_FRAG_OFF) & (IP_OFFSET | IP_MF)) !== 0 || l4 + 4 > end) {
    return hash_of(net, fields, s, d, proto, 0, 0);
  }
  return hash_of(net, fields, s, d, proto, dv.getUint16(l4), dv.getUint16(l4 + 2));
}

/** 31 bits that are the same for all packets of a flow, by fib_multipath_hash_policy: 0 addresses, 1 also ports, 3 chosen. */
export function fib_multipath_hash(net: Net, fl4: Flowi4 | null, skb: SkBuff | null): number {
  if (fl4 !== null && fl4.flowi4_multipath_hash !== 0) return fl4.flowi4_multipath_hash >>> 1;
  if (skb !== null) return hash_skb(net, skb);
  if (fl4 === null) return 0;
  return hash_of(net, fields_of(net), fl4.saddr, fl4.daddr, fl4.flowi4_proto, fl4.fl4_sport, fl4.fl4_dport);
}

// --- selection ----------------------------------------------------------------------------------------------------

function fib_good_nh(net: Net, nh: FibNh): boolean {
  if (nh.scope !== RT_SCOPE_LINK || nh.dev === null || net.kernel.fib_neigh_state === null) return true;
  const state = net.kernel.fib_neigh_state(nh.dev, nh.gw);
  return state === 0 || (state & NUD_VALID) !== 0;
}

/** Sets res to the path whose share of the hash space holds `hash`; a path by whose address the sender is bound goes first. */
export function fib_select_multipath(res: FibResult, hash: number, fl4: Flowi4 | null): void {
  const fi = res.fi!;
  const net = fi.net;
  const use_neigh = net.ipv4.sysctl_fib_multipath_use_neigh !== 0;
  const saddr = fl4 !== null ? fl4.saddr : 0;
  const nhs = fi.nhs;
  let best = -1;
  let best_score = -1;
  for (let i = 0; i < nhs.length; i++) {
    const nh = nhs[i]!;
    if (nh.upper_bound < 0 || (use_neigh && !fib_good_nh(net, nh))) continue;
    const in_share = hash <= nh.upper_bound;
    const score = (saddr !== 0 && nh.saddr === saddr ? 2 : 0) + (in_share ? 1 : 0);
    if (score <= best_score) continue;
    best = i;
    best_score = score;
    if (score === 3 || (saddr === 0 && in_share)) break;
  }
  if (best < 0) return;
  res.nh_sel = best;
  res.nhc = nhs[best]!;
}

/** Of several default routes of one metric, the first whose gateway answers; by turns when none is known to. */
function fib_select_default(net: Net, fl4: Flowi4, res: FibResult): void {
  const table = net.ipv4.fib.tables.get(res.tb_id);
  const state_of = net.kernel.fib_neigh_state;
  if (table === undefined || state_of === null) return;
  let order = -1;
  let last: FibInfo | null = null;
  let last_idx = -1;
  let seen = false;
  for (const fa of fib_table_dump(table)) {
    const fi = fa.fa_info;
    if (fa.leaf.plen !== res.prefixlen || fa.leaf.key !== res.prefix) continue;
    if (fa.fa_dscp !== res.dscp || fi.priority !== res.fi!.priority) continue;
    const nh = fi.nhs[0]!;
    if (fi.scope !== res.scope || fa.fa_type !== RTN_UNICAST || nh.gw === 0 || nh.scope !== RT_SCOPE_LINK) continue;
    if ((fi.flags & RTNH_F_DEAD) !== 0 || (fl4.flowi4_oif !== 0 && nh.oif !== fl4.flowi4_oif)) continue;
    order++;
    if (!seen && fi !== res.fi) return;
    seen = true;
    const state = state_of(nh.dev!, nh.gw);
    const valid = (state & NUD_VALID) !== 0;
    if (state === NUD_REACHABLE || (valid && order !== table.tb_default)) {
      last = fi;
      last_idx = order;
      break;
    }
    if (valid || (last_idx < 0 && order > table.tb_default && state !== NUD_INCOMPLETE)) {
      last = fi;
      last_idx = order;
    }
  }
  if (last === null || order <= 0) {
    table.tb_default = -1;
    return;
  }
  table.tb_default = last_idx;
  res.fi = last;
  res.nh_sel = 0;
  res.nhc = last.nhs[0]!;
}

/** After fib_lookup(): chooses among several paths, and the source address when the flow has none. */
export function fib_select_path(net: Net, res: FibResult, fl4: Flowi4, skb: SkBuff | null): void {
  const fi = res.fi!;
  if (fl4.flowi4_oif === 0) {
    if (fi.nhs.length > 1) fib_select_multipath(res, fib_multipath_hash(net, fl4, skb), fl4);
    else if (res.prefixlen === 0 && res.type === RTN_UNICAST) {
      const table = net.ipv4.fib.tables.get(res.tb_id);
      if (table !== undefined && table.tb_num_default > 1) fib_select_default(net, fl4, res);
    }
  }
  if (fl4.saddr === 0) fl4.saddr = fib_result_prefsrc(net, res);
}
