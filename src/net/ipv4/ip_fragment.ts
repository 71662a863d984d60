// Reassembly of IPv4 datagrams. Mirrors net/ipv4/ip_fragment.c.
// Read first: RFC 791 section 3.2, RFC 815, RFC 1858, RFC 3168 section 5.3 (ECN). Way in: ip_defrag().

import type { Kernel } from "../../kernel/kernel.ts";
import { proc_dointvec, proc_dointvec_conv, register_sysctl } from "../../kernel/sysctl.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_ip_defrag, F_ip_expire, F_ip_frag_reasm } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_add, ip_fast_csum } from "../../lib/checksum.ts";
import { E2BIG, EINPROGRESS, EINVAL, ENOMEM } from "../../uapi/errno.ts";
import {
  ICMP_EXC_FRAGTIME,
  ICMP_TIME_EXCEEDED,
  IP_DF,
  IP_MF,
  IP_OFFSET,
  IPH_CHECK,
  IPH_DADDR,
  IPH_FRAG_OFF,
  IPH_ID,
  IPH_PROTOCOL,
  IPH_SADDR,
  IPH_TOS,
  IPH_TOT_LEN,
} from "../../uapi/ip.ts";
import { RTN_LOCAL } from "../../uapi/rtnetlink.ts";
import {
  SKB_DROP_REASON_DUP_FRAG,
  SKB_DROP_REASON_FRAG_REASM_TIMEOUT,
  SKB_DROP_REASON_FRAG_TOO_FAR,
  SKB_DROP_REASON_NOMEM,
  SKB_DROP_REASON_NOT_SPECIFIED,
} from "../core/dropreason.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import { pskb_trim_rcsum } from "../core/skb_checksum.ts";
import {
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_UNNECESSARY,
  IPSKB_FRAG_COMPLETE,
  IPSKB_FRAG_PMTU,
  kfree_skb_reason,
  pskb_expand_head,
  type SkBuff,
  skb_cloned,
  skb_dst_drop,
  skb_linearize,
  skb_orphan,
  skb_pull,
  skb_push,
} from "../core/skbuff.ts";
import {
  IPSTATS_MIB_REASM_OVERLAPS,
  IPSTATS_MIB_REASMFAILS,
  IPSTATS_MIB_REASMOKS,
  IPSTATS_MIB_REASMREQDS,
  IPSTATS_MIB_REASMTIMEOUT,
} from "../core/snmp.ts";
import { icmp_send } from "./icmp.ts";
import {
  Fqdir,
  type FragQueue,
  fqdir_exit,
  INET_FRAG_COMPLETE,
  INET_FRAG_FIRST_IN,
  INET_FRAG_LAST_IN,
  IPFRAG_DUP,
  IPFRAG_OK,
  inet_frag_destroy,
  inet_frag_find,
  inet_frag_kill,
  inet_frag_pull_head,
  inet_frag_queue_insert,
  inet_frag_reinit,
  inet_frag_take_all,
  inet_frags_init,
} from "./inet_fragment.ts";
import { inet_getpeer_v4 } from "./inetpeer.ts";
import { ip_route_input_noref, type Rtable } from "./route.ts";

// Who reassembles: queues of different users do not mix.
export const IP_DEFRAG_LOCAL_DELIVER = 0;
export const IP_DEFRAG_CALL_RA_CHAIN = 1;
export const IP_DEFRAG_CONNTRACK_IN = 2;
export const IP_DEFRAG_CONNTRACK_OUT = 3;
export const IP_DEFRAG_CONNTRACK_BRIDGE_IN = 4;
export const IP_DEFRAG_VS_IN = 5;
export const IP_DEFRAG_VS_OUT = 6;
export const IP_DEFRAG_VS_FWD = 7;
export const IP_DEFRAG_AF_PACKET = 8;
export const IP_DEFRAG_MACVLAN = 9;

declare module "../core/net_namespace.ts" {
  interface Net {
    ipv4_fqdir: Fqdir;
  }
}

/**
 * RFC 3168 section 5.3: the ECN field of a datagram whose fragments had the codepoints in the set (bit 1 << codepoint):
 * CE when one had it; -1 when ECN-capable and not are mixed, which no sender does.
 */
function ecn_of_set(set: number): number {
  const NOT_ECT = 1;
  const CE = 8;
  if ((set & NOT_ECT) !== 0 && set !== NOT_ECT) return -1;
  return (set & CE) !== 0 && set !== CE ? 3 : 0;
}

/** Queues in use and their memory, for /proc/net/sockstat. */
export const ip_frag_nqueues = (net: Net): number => net.ipv4_fqdir.nqueues;
export const ip_frag_mem = (net: Net): number => net.ipv4_fqdir.mem;

/** The timer of a queue: tells the sender, if the first fragment came, that the rest did not (RFC 792). */
function ip_expire(q: FragQueue): void {
  const net = q.fqdir.net;
  const mib = net.mib.ip;
  if ((q.flags & INET_FRAG_COMPLETE) !== 0) return;
  inet_frag_kill(q);
  mib[IPSTATS_MIB_REASMFAILS]!++;
  mib[IPSTATS_MIB_REASMTIMEOUT]!++;
  const head = (q.flags & INET_FRAG_FIRST_IN) !== 0 ? inet_frag_pull_head(q) : null;
  if (head !== null) {
    if (trace_key.on) trace_fn(F_ip_expire, head);
    ip_expire_notify(q, head);
    kfree_skb_reason(head, SKB_DROP_REASON_FRAG_REASM_TIMEOUT);
  }
  inet_frag_destroy(q, SKB_DROP_REASON_FRAG_REASM_TIMEOUT);
}

function ip_expire_notify(q: FragQueue, head: SkBuff): void {
  const dev = q.fqdir.net.dev_by_index.get(q.iif);
  if (dev === undefined) return;
  head.dev = dev;
  const dv = head.head.dv;
  const iph = head.network_header;
  const tos = dv.getUint8(iph + IPH_TOS) & 0xfc;
  if (ip_route_input_noref(head, dv.getInt32(iph + IPH_DADDR), dv.getInt32(iph + IPH_SADDR), tos, dev) !== 0) return;
  // Who reassembles for others (conntrack, a tap) stays silent: only the end host answers.
  if (q.user !== IP_DEFRAG_LOCAL_DELIVER && (head.dst as Rtable).rt_type !== RTN_LOCAL) return;
  icmp_send(head, ICMP_TIME_EXCEEDED, ICMP_EXC_FRAGTIME, 0);
}

/** Have so many fragments of other datagrams of the sender come since the last one that its IDs may have wrapped? */
function ip_frag_too_far(q: FragQueue): boolean {
  const peer = q.peer;
  const max = q.fqdir.max_dist;
  if (peer === null || max === 0) return false;
  const start = q.rid;
  q.rid = ++peer.rid;
  if (q.run_head.length === 0 || q.rid - start <= max) return false;
  q.fqdir.net.mib.ip[IPSTATS_MIB_REASMFAILS]!++;
  return true;
}

/** Adds a fragment. 0: `skb` is now the whole datagram. Else it is taken over or dropped. */
function ip_frag_queue(q: FragQueue, skb: SkBuff): number {
  if ((skb.ipcb_flags & IPSKB_FRAG_COMPLETE) === 0 && ip_frag_too_far(q)) {
    inet_frag_reinit(q, SKB_DROP_REASON_FRAG_TOO_FAR);
  }
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const ecn = 1 << (dv.getUint8(iph + IPH_TOS) & 3);
  const frag_off = dv.getUint16(iph + IPH_FRAG_OFF);
  const offset = (frag_off & IP_OFFSET) << 3;
  const ihl = (dv.getUint8(iph) & 0xf) << 2;
  const nhoff = iph - skb.data;
  let end = offset + skb.len - nhoff - ihl;

  if ((frag_off & IP_MF) === 0) {
    // The last one ends the datagram: nothing may lie behind it, and no other last one may say otherwise.
    if (end < q.len || ((q.flags & INET_FRAG_LAST_IN) !== 0 && end !== q.len)) return discard_queue(q, skb);
    q.flags |= INET_FRAG_LAST_IN;
    q.len = end;
  } else {
    if ((end & 7) !== 0) {
      end &= ~7;
      if (skb.ip_summed !== CHECKSUM_UNNECESSARY) skb.ip_summed = CHECKSUM_NONE;
    }
    if (end > q.len) {
      if ((q.flags & INET_FRAG_LAST_IN) !== 0) return discard_queue(q, skb);
      q.len = end;
    }
  }
  if (end === offset) return discard_queue(q, skb);
  if (skb_pull(skb, nhoff + ihl) < 0) return discard_queue(q, skb);
  if (pskb_trim_rcsum(skb, end - offset) < 0) return discard_queue(q, skb);

  const dev = skb.dev;
  const how = inet_frag_queue_insert(q, skb, offset, end);
  if (how !== IPFRAG_OK) {
    if (how === IPFRAG_DUP) {
      kfree_skb_reason(skb, SKB_DROP_REASON_DUP_FRAG);
      return -EINVAL;
    }
    q.fqdir.net.mib.ip[IPSTATS_MIB_REASM_OVERLAPS]!++;
    return discard_queue(q, skb);
  }
  if (dev !== null) q.iif = dev.ifindex;
  q.meat += skb.len;
  q.ecn |= ecn;
  if (offset === 0) q.flags |= INET_FRAG_FIRST_IN;
  const fragsize = skb.len + ihl;
  if (fragsize > q.max_size) q.max_size = fragsize;
  if ((frag_off & IP_DF) !== 0 && fragsize > q.max_df_size) q.max_df_size = fragsize;

  if (q.flags === (INET_FRAG_FIRST_IN | INET_FRAG_LAST_IN) && q.meat === q.len) return ip_frag_reasm(q, skb);
  skb_dst_drop(skb);
  skb_orphan(skb);
  return -EINPROGRESS;
}

/** The datagram cannot be trusted any more: all of it goes. */
function discard_queue(q: FragQueue, skb: SkBuff): number {
  inet_frag_kill(q);
  q.fqdir.net.mib.ip[IPSTATS_MIB_REASMFAILS]!++;
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  inet_frag_destroy(q, SKB_DROP_REASON_NOT_SPECIFIED);
  return -EINVAL;
}

function reasm_failed(q: FragQueue, reason: number, err: number): number {
  q.fqdir.net.mib.ip[IPSTATS_MIB_REASMFAILS]!++;
  inet_frag_destroy(q, reason);
  return err;
}

/**
 * Everything is here, `skb` came last. The fragments become its frag_list, without a copy. On failure they are all gone,
 * `skb` too.
 */
function ip_frag_reasm(q: FragQueue, skb: SkBuff): number {
  const net = q.fqdir.net;
  inet_frag_kill(q);
  const ecn = ecn_of_set(q.ecn);
  if (ecn < 0) return reasm_failed(q, SKB_DROP_REASON_NOT_SPECIFIED, -EINVAL);
  const first = q.run_head[0]!;
  const ihl = (first.head.dv.getUint8(first.network_header) & 0xf) << 2;
  const len = ihl + q.len;
  if (len > 65535) return reasm_failed(q, SKB_DROP_REASON_NOT_SPECIFIED, -E2BIG);

  const chain = inet_frag_take_all(q);
  const max_size = q.max_size;
  const max_df_size = q.max_df_size;
  inet_frag_destroy(q, 0);
  if (reasm_finish(skb, chain, ihl) < 0) {
    net.mib.ip[IPSTATS_MIB_REASMFAILS]!++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return -ENOMEM;
  }
  skb.frag_max_size = Math.max(max_df_size, max_size);
  const dv = skb.head.dv;
  const iph = skb.network_header;
  // Its largest fragment had DF: whoever fragments it again keeps to that size and sets DF again.
  const df = max_df_size === max_size;
  if (df) skb.ipcb_flags |= IPSKB_FRAG_PMTU;
  dv.setUint16(iph + IPH_FRAG_OFF, df ? IP_DF : 0);
  dv.setUint16(iph + IPH_TOT_LEN, len);
  dv.setUint8(iph + IPH_TOS, dv.getUint8(iph + IPH_TOS) | ecn);
  dv.setUint16(iph + IPH_CHECK, 0);
  dv.setUint16(iph + IPH_CHECK, ip_fast_csum(dv, iph, ihl >> 2));
  net.mib.ip[IPSTATS_MIB_REASMOKS]!++;
  if (trace_key.on) {
    trace_fn(F_ip_frag_reasm, skb);
    if (trace_detail(skb.kernel)) trace_fragments(skb);
  }
  return 0;
}

function trace_fragments(skb: SkBuff): void {
  for (let s = skb.head.frag_list; s !== null; s = s.next) {
    trace_note(F_ip_frag_reasm, skb, { kind: "reassembled", fragment: s.id });
  }
}

/** Exchanges the bytes of two packets; what the world outside knows about `skb` becomes that of the first fragment. */
function morph(skb: SkBuff, first: SkBuff): void {
  const head = skb.head;
  const data = skb.data;
  const tail = skb.tail;
  const end = skb.end;
  const len = skb.len;
  const data_len = skb.data_len;
  const truesize = skb.truesize;
  const cloned = skb.cloned;
  const ip_summed = skb.ip_summed;
  const csum = skb.csum;
  const id = skb.id;
  skb.head = first.head;
  skb.data = first.data;
  skb.tail = first.tail;
  skb.end = first.end;
  skb.len = first.len;
  skb.data_len = first.data_len;
  skb.truesize = first.truesize;
  skb.cloned = first.cloned;
  skb.ip_summed = first.ip_summed;
  skb.csum = first.csum;
  skb.id = first.id;
  first.head = head;
  first.data = data;
  first.tail = tail;
  first.end = end;
  first.len = len;
  first.data_len = data_len;
  first.truesize = truesize;
  first.cloned = cloned;
  first.ip_summed = ip_summed;
  first.csum = csum;
  first.id = id;
  skb.mac_header = first.mac_header;
  skb.network_header = first.network_header;
  skb.transport_header = first.transport_header;
  skb.mac_len = first.mac_len;
  skb.pkt_type = first.pkt_type;
  skb.csum_valid = first.csum_valid;
  skb.priority = first.priority;
  skb.mark = first.mark;
  skb.hash = first.hash;
  skb.l4_hash = first.l4_hash;
  skb.sw_hash = first.sw_hash;
  skb.tstamp = first.tstamp;
  skb.nfct = first.nfct;
  skb.ipcb_iif = first.ipcb_iif;
  skb.ipcb_flags = first.ipcb_flags;
  skb.ipcb_opt = first.ipcb_opt;
}

/** Links the chain behind its first packet, which the object `skb` becomes: our caller knows no other. 0 or -ENOMEM. */
function reasm_finish(skb: SkBuff, chain: SkBuff, ihl: number): number {
  let rest = chain.next;
  if (chain !== skb) {
    morph(skb, chain);
    // The object of the first now holds the bytes of the last to come: it takes that place in the chain.
    const next = skb.next;
    if (rest === skb) {
      rest = chain;
    } else {
      let p = rest!;
      while (p.next !== skb) p = p.next!;
      p.next = chain;
    }
    chain.next = next;
  }
  skb.next = null;
  const dst = skb.dst;
  const noref = skb.dst_noref;
  skb_push(skb, skb.data - skb.network_header);
  if (skb.head.frag_list !== null && skb_linearize(skb) < 0) return free_rest(rest);
  if (skb_cloned(skb) && pskb_expand_head(skb, 0, 0) < 0) return free_rest(rest);
  skb.head.frag_list = rest;
  let { len, data_len, truesize, csum } = skb;
  let ip_summed = skb.ip_summed;
  for (let s = rest; s !== null; s = s.next) {
    len += s.len;
    data_len += s.len;
    truesize += s.truesize;
    if (ip_summed !== s.ip_summed) ip_summed = CHECKSUM_NONE;
    else if (ip_summed === CHECKSUM_COMPLETE) csum = csum_add(csum, s.csum);
  }
  skb.len = len;
  skb.data_len = data_len;
  skb.truesize = truesize;
  skb.csum = csum;
  skb.ip_summed = ip_summed;
  skb.transport_header = skb.network_header + ihl;
  skb.dst = dst;
  skb.dst_noref = noref;
  return 0;
}

function free_rest(rest: SkBuff | null): number {
  for (let s = rest; s !== null; ) {
    const next: SkBuff | null = s.next;
    s.next = null;
    kfree_skb_reason(s, SKB_DROP_REASON_NOMEM);
    s = next;
  }
  return -ENOMEM;
}

/**
 * Takes a fragment whose header is at network_header. Returns 0 when it completed its datagram, which `skb` then is, with
 * the other fragments on its frag_list; anything else says that `skb` is no longer the caller's.
 */
export function ip_defrag(net: Net, skb: SkBuff, user: number): number {
  if (trace_key.on) trace_fn(F_ip_defrag, skb);
  net.mib.ip[IPSTATS_MIB_REASMREQDS]!++;
  skb_orphan(skb);
  const dv = skb.head.dv;
  const iph = skb.network_header;
  const fqdir = net.ipv4_fqdir;
  const v4 = net.ipv4;
  fqdir.high_thresh = v4.sysctl_ipfrag_high_thresh;
  fqdir.timeout = v4.sysctl_ipfrag_time * 1000;
  fqdir.max_dist = v4.sysctl_ipfrag_max_dist;
  const saddr = dv.getInt32(iph + IPH_SADDR);
  const q = inet_frag_find(
    fqdir,
    saddr,
    dv.getInt32(iph + IPH_DADDR),
    dv.getUint16(iph + IPH_ID),
    dv.getUint8(iph + IPH_PROTOCOL),
    user,
    0,
  );
  if (q === null) {
    net.mib.ip[IPSTATS_MIB_REASMFAILS]!++;
    kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
    return -ENOMEM;
  }
  if (q.peer === null && fqdir.max_dist !== 0) q.peer = inet_getpeer_v4(net, saddr);
  return ip_frag_queue(q, skb);
}

function ipfrag_net_init(net: Net): void {
  const v4 = net.ipv4;
  net.ipv4_fqdir = new Fqdir(net, ip_expire);
  const t = net.sysctl_table;
  const p = "net/ipv4/ipfrag_";
  register_sysctl(t, {
    ...proc_dointvec(`${p}high_thresh`, v4, "sysctl_ipfrag_high_thresh"),
    write: (text) =>
      set_thresh(text, v4.sysctl_ipfrag_low_thresh, Number.MAX_SAFE_INTEGER, (v) => {
        v4.sysctl_ipfrag_high_thresh = v;
      }),
  });
  register_sysctl(t, {
    ...proc_dointvec(`${p}low_thresh`, v4, "sysctl_ipfrag_low_thresh"),
    write: (text) =>
      set_thresh(text, 0, v4.sysctl_ipfrag_high_thresh, (v) => {
        v4.sysctl_ipfrag_low_thresh = v;
      }),
  });
  register_sysctl(t, proc_dointvec(`${p}time`, v4, "sysctl_ipfrag_time"));
  register_sysctl(t, proc_dointvec(`${p}max_dist`, v4, "sysctl_ipfrag_max_dist", { min: 0 }));
  // Has had no effect for years, and is there.
  register_sysctl(
    t,
    proc_dointvec_conv(
      `${p}secret_interval`,
      () => 0,
      () => {},
    ),
  );
}

/** proc_doulongvec_minmax: a value out of range is passed over without an error. */
function set_thresh(text: string, min: number, max: number, set: (v: number) => void): number {
  const word = text.trim().split(/\s+/)[0] ?? "";
  if (!/^[0-9]+$/.test(word)) return -EINVAL;
  const v = Number(word);
  if (v >= min && v <= max) set(v);
  return 0;
}

/** After NetnsIpv4 is registered, which holds the limits. */
export function ipfrag_init(k: Kernel): void {
  inet_frags_init(k);
  register_pernet_subsys(k, {
    init: ipfrag_net_init,
    exit: (net) => fqdir_exit(net.ipv4_fqdir, SKB_DROP_REASON_NOT_SPECIFIED),
  });
}
