// IGMP: telling routers which groups are wanted, and answering their queries. The protocol half of net/ipv4/igmp.c.
// Read first: RFC 3376 sections 4 to 7 (version 3), RFC 2236 (version 2). Way in: igmp_rcv(), igmp_group_added().

import { jiffies, type Kernel } from "../../kernel/kernel.ts";
import { mod_timer, timer_delete, timer_pending } from "../../kernel/time/timer.ts";
import { trace_fn } from "../../kernel/trace.ts";
import { F_igmp_rcv } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { csum_fold, csum_partial_dv } from "../../lib/checksum.ts";
import { ETH_P_IP, IP_DF, IPH_LEN, IPOPT_RA } from "../../uapi/ip.ts";
import { IPPROTO_IGMP, PACKET_BROADCAST, PACKET_MULTICAST } from "../../uapi/socket.ts";
import { SKB_DROP_REASON_NOT_SPECIFIED } from "../core/dropreason.ts";
import { get_random_u32_below } from "../core/neigh_table.ts";
import { LL_RESERVED_SPACE } from "../core/netdevice.ts";
import {
  alloc_skb,
  consume_skb,
  kfree_skb_reason,
  pskb_may_pull,
  type SkBuff,
  skb_put,
  skb_reserve,
  skb_reset_network_header,
} from "../core/skbuff.ts";
import {
  IGMP_ALL_HOSTS,
  type IgmpTomb,
  type IpMcList,
  MCAST_EXCLUDE,
  MCAST_INCLUDE,
  mc_groups,
  mc_load,
  mc_wanted,
} from "./igmp.ts";
import { Flowi4 } from "./ip_fib.ts";
import { ip_local_out } from "./ip_output.ts";
import { type InDevice, ipv4_is_local_multicast } from "./netns_ipv4.ts";
import { ip_route_output_ports } from "./route.ts";

const IGMP_HOST_MEMBERSHIP_QUERY = 0x11;
const IGMP_HOST_MEMBERSHIP_REPORT = 0x12;
const IGMPV2_HOST_MEMBERSHIP_REPORT = 0x16;
const IGMP_HOST_LEAVE_MESSAGE = 0x17;
const IGMPV3_HOST_MEMBERSHIP_REPORT = 0x22;
const IGMP_ALL_ROUTER = 0xe0000002 | 0;
const IGMPV3_ALL_MCR = 0xe0000016 | 0;

// Record types (RFC 3376 section 4.2.12).
const MODE_IS_INCLUDE = 1;
const MODE_IS_EXCLUDE = 2;
const CHANGE_TO_INCLUDE = 3;
const CHANGE_TO_EXCLUDE = 4;
const ALLOW_NEW_SOURCES = 5;
const BLOCK_OLD_SOURCES = 6;

/** IP header with the router alert option (RFC 2113). */
const IGMP_IPHLEN = 24;

/** A version 1 or 2 router was heard lately, or the administrator says so. */
export function IGMP_V1_SEEN(in_dev: InDevice): boolean {
  const force = in_dev.dev.net.ipv4.devconf_all.force_igmp_version || in_dev.cnf.force_igmp_version;
  return force === 1 || (force === 0 && in_dev.mr.v1_seen > jiffies(in_dev.dev.net.kernel));
}
export function IGMP_V2_SEEN(in_dev: InDevice): boolean {
  const force = in_dev.dev.net.ipv4.devconf_all.force_igmp_version || in_dev.cnf.force_igmp_version;
  return force === 2 || (force === 0 && in_dev.mr.v2_seen > jiffies(in_dev.dev.net.kernel));
}
const old_router = (in_dev: InDevice): boolean => IGMP_V1_SEEN(in_dev) || IGMP_V2_SEEN(in_dev);

function unsolicited_report_interval(in_dev: InDevice): number {
  const ms = old_router(in_dev)
    ? in_dev.cnf.igmpv2_unsolicited_report_interval
    : in_dev.cnf.igmpv3_unsolicited_report_interval;
  return Math.max(1, ms);
}

/** 224.0.0.1 is never reported; the rest of 224.0.0.0/24 only while igmp_link_local_mcast_reports says so. */
const unreported = (im: { multiaddr: number }, in_dev: InDevice): boolean =>
  im.multiaddr === IGMP_ALL_HOSTS ||
  (ipv4_is_local_multicast(im.multiaddr) && in_dev.dev.net.ipv4.sysctl_igmp_llm_reports === 0);

// --- timers -------------------------------------------------------------------------------------------------------

const random_delay = (k: Kernel, max: number): number => jiffies(k) + get_random_u32_below(k, Math.max(1, max)) + 2;

function igmp_start_timer(im: IpMcList, max_delay: number): void {
  mod_timer(im.timer, random_delay(im.timer.kernel, max_delay));
}

/** A report is due within max_delay: one that is due earlier anyway stays. */
function igmp_mod_timer(im: IpMcList, max_delay: number): void {
  im.unsolicit_count = 0;
  if (timer_pending(im.timer) && im.timer.expires - jiffies(im.timer.kernel) < max_delay) return;
  igmp_start_timer(im, max_delay);
}

/** State changed: it is reported now and, against loss, qrv - 1 times more. */
function igmp_ifc_event(in_dev: InDevice): void {
  if (old_router(in_dev)) return;
  in_dev.mr.ifc_count = in_dev.mr.qrv;
  mod_timer(in_dev.mr.ifc_timer, random_delay(in_dev.dev.net.kernel, 1));
}

export function igmp_ifc_timer_expire(in_dev: InDevice): void {
  igmpv3_send_cr(in_dev);
  const mr = in_dev.mr;
  if (mr.ifc_count > 0 && --mr.ifc_count > 0) {
    mod_timer(mr.ifc_timer, random_delay(in_dev.dev.net.kernel, unsolicited_report_interval(in_dev)));
  }
}

/** The answer to a general query. */
export function igmp_gq_timer_expire(in_dev: InDevice): void {
  const records: GroupRecord[] = [];
  for (const im of mc_groups(in_dev)) if (!unreported(im, in_dev)) records.push(current_state(im));
  igmpv3_send(in_dev, records);
}

/** A group's own timer: the answer to a query for it, or an unsolicited report to old routers. */
export function igmp_timer_expire(im: IpMcList): void {
  const in_dev = im.interface;
  if (im.unsolicit_count > 0 && --im.unsolicit_count > 0) igmp_start_timer(im, unsolicited_report_interval(in_dev));
  im.reporter = true;
  if (IGMP_V1_SEEN(in_dev)) igmp_send_report(in_dev, IGMP_HOST_MEMBERSHIP_REPORT, im.multiaddr);
  else if (IGMP_V2_SEEN(in_dev)) igmp_send_report(in_dev, IGMPV2_HOST_MEMBERSHIP_REPORT, im.multiaddr);
  else {
    const queried = im.queried;
    im.queried = null;
    const rec = queried !== null ? queried_state(im, queried) : current_state(im);
    if (rec !== null) igmpv3_send(in_dev, [rec]);
  }
}

// --- membership changes -------------------------------------------------------------------------------------------

/** Notes what changed between what was reported and what is wanted now (RFC 3376 section 5.1). True when something did. */
function note_change(im: IpMcList, mode: number, sources: Set<number>): boolean {
  const qrv = im.interface.mr.qrv;
  const old = im.filter;
  const old_mode = im.sfmode;
  im.filter = sources;
  im.sfmode = mode;
  if (mode !== old_mode) {
    im.crcount = qrv;
    im.allow.clear();
    im.block.clear();
    return true;
  }
  let changed = false;
  const note = (src: number, wanted: boolean): void => {
    changed = true;
    (wanted ? im.block : im.allow).delete(src);
    (wanted ? im.allow : im.block).set(src, qrv);
  };
  const include = mode === MCAST_INCLUDE;
  for (const src of sources) if (!old.has(src)) note(src, include);
  for (const src of old) if (!sources.has(src)) note(src, !include);
  return changed;
}

/** Members came, went or changed their filters. */
export function igmp_state_changed(im: IpMcList): void {
  const { mode, sources } = mc_wanted(im);
  const changed = note_change(im, mode, sources);
  if (changed && !unreported(im, im.interface) && !im.interface.dead) igmp_ifc_event(im.interface);
}

/** A group has its first member, or its device came up. */
export function igmp_group_added(im: IpMcList): void {
  const in_dev = im.interface;
  mc_load(im, true);
  const { mode, sources } = mc_wanted(im);
  if (unreported(im, in_dev) || in_dev.dead) {
    im.sfmode = mode;
    im.filter = sources;
    return;
  }
  im.unsolicit_count = in_dev.mr.qrv;
  if (old_router(in_dev)) {
    im.sfmode = mode;
    im.filter = sources;
    igmp_start_timer(im, 1);
    return;
  }
  const buried = in_dev.mr.tomb.findIndex((t) => t.multiaddr === im.multiaddr);
  if (buried >= 0) in_dev.mr.tomb.splice(buried, 1);
  // Nothing was reported of a new group: that is INCLUDE of nothing.
  im.sfmode = MCAST_INCLUDE;
  im.filter = new Set();
  if (note_change(im, mode, sources)) igmp_ifc_event(in_dev);
}

/** The last member left. */
export function igmp_group_dropped(im: IpMcList): void {
  const in_dev = im.interface;
  mc_load(im, false);
  timer_delete(im.timer);
  const reporter = im.reporter;
  if (unreported(im, in_dev) || in_dev.dead) return;
  if (IGMP_V1_SEEN(in_dev)) return;
  if (IGMP_V2_SEEN(in_dev)) {
    if (reporter) igmp_send_report(in_dev, IGMP_HOST_LEAVE_MESSAGE, im.multiaddr);
    return;
  }
  note_change(im, MCAST_INCLUDE, new Set());
  if (im.crcount === 0 && im.block.size === 0) return;
  const tomb: IgmpTomb = { multiaddr: im.multiaddr, crcount: im.crcount, block: new Map(im.block) };
  in_dev.mr.tomb.unshift(tomb);
  igmp_ifc_event(in_dev);
}

// --- reports ------------------------------------------------------------------------------------------------------

interface GroupRecord {
  readonly type: number;
  readonly group: number;
  readonly sources: readonly number[];
}

const current_state = (im: IpMcList): GroupRecord => ({
  type: im.sfmode === MCAST_EXCLUDE ? MODE_IS_EXCLUDE : MODE_IS_INCLUDE,
  group: im.multiaddr,
  sources: [...im.filter],
});

/** Those of the sources asked for that are wanted here; null when none is (RFC 3376 section 5.2). */
function queried_state(im: IpMcList, asked: Set<number>): GroupRecord | null {
  const sources = [...asked].filter((src) => im.filter.has(src) === (im.sfmode === MCAST_INCLUDE));
  return sources.length > 0 ? { type: MODE_IS_INCLUDE, group: im.multiaddr, sources } : null;
}

/** The sources whose reports are not yet repeated often enough; counts one repetition. */
function due(counts: Map<number, number>): number[] {
  const out: number[] = [];
  for (const [src, n] of counts) {
    out.push(src);
    if (n <= 1) counts.delete(src);
    else counts.set(src, n - 1);
  }
  return out;
}

/** The state change report: groups that were left first, then the others, youngest first. */
function igmpv3_send_cr(in_dev: InDevice): void {
  const mr = in_dev.mr;
  const records: GroupRecord[] = [];
  for (const t of mr.tomb) {
    if (t.crcount > 0) {
      records.push({ type: CHANGE_TO_INCLUDE, group: t.multiaddr, sources: [] });
      t.crcount--;
    } else {
      const sources = due(t.block);
      if (sources.length > 0) records.push({ type: BLOCK_OLD_SOURCES, group: t.multiaddr, sources });
    }
  }
  for (let i = mr.tomb.length - 1; i >= 0; i--) {
    if (mr.tomb[i]!.crcount === 0 && mr.tomb[i]!.block.size === 0) mr.tomb.splice(i, 1);
  }
  for (const im of mc_groups(in_dev)) {
    if (unreported(im, in_dev)) continue;
    if (im.crcount > 0) {
      im.crcount--;
      const type = im.sfmode === MCAST_EXCLUDE ? CHANGE_TO_EXCLUDE : CHANGE_TO_INCLUDE;
      records.push({ type, group: im.multiaddr, sources: [...im.filter] });
      continue;
    }
    const allow = due(im.allow);
    const block = due(im.block);
    const pair: GroupRecord[] = [
      { type: ALLOW_NEW_SOURCES, group: im.multiaddr, sources: allow },
      { type: BLOCK_OLD_SOURCES, group: im.multiaddr, sources: block },
    ];
    if (im.sfmode === MCAST_EXCLUDE) pair.reverse();
    for (const rec of pair) if (rec.sources.length > 0) records.push(rec);
  }
  igmpv3_send(in_dev, records);
}

/** Header and route of an IGMP packet with `len` bytes behind the IP header, zeroed; null when there is no way. */
function igmp_newpack(in_dev: InDevice, dst: number, len: number): SkBuff | null {
  const dev = in_dev.dev;
  const net = dev.net;
  const fl4 = new Flowi4();
  const rt = ip_route_output_ports(net, fl4, null, dst, 0, 0, 0, IPPROTO_IGMP, 0, dev.ifindex);
  if (typeof rt === "number") return null;
  const hlen = LL_RESERVED_SPACE(dev);
  const skb = alloc_skb(net.kernel, hlen + IGMP_IPHLEN + len);
  if (skb === null) return null;
  skb_reserve(skb, hlen);
  skb.dst = rt;
  skb.dev = dev;
  skb.priority = 7;
  skb.protocol = ETH_P_IP;
  skb_reset_network_header(skb);
  const iph = skb_put(skb, IGMP_IPHLEN + len);
  const { dv, u8 } = skb.head;
  u8.fill(0, iph, iph + IGMP_IPHLEN + len);
  skb.transport_header = iph + IGMP_IPHLEN;
  dv.setUint8(iph, 0x46);
  dv.setUint8(iph + 1, 0xc0);
  dv.setUint16(iph + 6, IP_DF);
  dv.setUint8(iph + 8, 1);
  dv.setUint8(iph + 9, IPPROTO_IGMP);
  // Only an address of this device may speak for it; without one the report comes from 0.0.0.0 (RFC 3376 section 4.2.13).
  const own = in_dev.ifa_list.some((ifa) => ifa.ifa_local === fl4.saddr);
  dv.setInt32(iph + 12, own ? fl4.saddr : 0);
  dv.setInt32(iph + 16, dst);
  dv.setUint8(iph + IPH_LEN, IPOPT_RA);
  dv.setUint8(iph + IPH_LEN + 1, 4);
  return skb;
}

function igmp_finish(in_dev: InDevice, skb: SkBuff, len: number): void {
  const dv = skb.head.dv;
  const ih = skb.transport_header;
  dv.setUint16(ih + 2, csum_fold(csum_partial_dv(dv, ih, len, 0)));
  ip_local_out(in_dev.dev.net, null, skb);
}

/** Version 1 and 2: one group a packet; leaves go to all routers. */
function igmp_send_report(in_dev: InDevice, type: number, group: number): void {
  if (unreported({ multiaddr: group }, in_dev)) return;
  const skb = igmp_newpack(in_dev, type === IGMP_HOST_LEAVE_MESSAGE ? IGMP_ALL_ROUTER : group, 8);
  if (skb === null) return;
  skb.head.dv.setUint8(skb.transport_header, type);
  skb.head.dv.setInt32(skb.transport_header + 4, group);
  igmp_finish(in_dev, skb, 8);
}

/** Splits what does not fit one packet; of an EXCLUDE list the rest is lost, for two records would contradict each other. */
function fit(rec: GroupRecord, most: number): GroupRecord[] {
  if (rec.sources.length <= most) return [rec];
  const parts: GroupRecord[] = [];
  for (let i = 0; i < rec.sources.length; i += most) parts.push({ ...rec, sources: rec.sources.slice(i, i + most) });
  return rec.type === MODE_IS_EXCLUDE || rec.type === CHANGE_TO_EXCLUDE ? parts.slice(0, 1) : parts;
}

function igmpv3_send(in_dev: InDevice, records: readonly GroupRecord[]): void {
  const room = in_dev.dev.mtu - IGMP_IPHLEN - 8;
  const all = records.flatMap((rec) => fit(rec, Math.max(1, Math.floor((room - 8) / 4))));
  for (let i = 0; i < all.length; ) {
    let len = 0;
    let n = i;
    while (n < all.length && (n === i || len + 8 + 4 * all[n]!.sources.length <= room)) {
      len += 8 + 4 * all[n]!.sources.length;
      n++;
    }
    igmpv3_sendpack(in_dev, all.slice(i, n), 8 + len);
    i = n;
  }
}

function igmpv3_sendpack(in_dev: InDevice, records: readonly GroupRecord[], len: number): void {
  const skb = igmp_newpack(in_dev, IGMPV3_ALL_MCR, len);
  if (skb === null) return;
  const dv = skb.head.dv;
  let at = skb.transport_header;
  dv.setUint8(at, IGMPV3_HOST_MEMBERSHIP_REPORT);
  dv.setUint16(at + 6, records.length);
  at += 8;
  for (const rec of records) {
    dv.setUint8(at, rec.type);
    dv.setUint16(at + 2, rec.sources.length);
    dv.setInt32(at + 4, rec.group);
    at += 8;
    for (const src of rec.sources) {
      dv.setInt32(at, src);
      at += 4;
    }
  }
  igmp_finish(in_dev, skb, len);
}

// --- receiving ----------------------------------------------------------------------------------------------------

/** Codes above 127 are a mantissa and an exponent (RFC 3376 section 4.1.1). */
const igmpv3_exp = (code: number): number => (code < 128 ? code : ((code & 15) | 16) << (((code >> 4) & 7) + 3));

/** Another host reported the group: ours need not be sent (RFC 2236 section 3). */
function igmp_heard_report(in_dev: InDevice, group: number): void {
  const im = in_dev.mc_list.get(group) as IpMcList | undefined;
  if (im === undefined || im.multiaddr === IGMP_ALL_HOSTS) return;
  timer_delete(im.timer);
  im.reporter = false;
  im.unsolicit_count = 0;
}

/** An old router asks: until it has been silent for long, its version is spoken. */
function switch_to_old(in_dev: InDevice): void {
  in_dev.mr.ifc_count = 0;
  timer_delete(in_dev.mr.ifc_timer);
  in_dev.mr.tomb.length = 0;
}

function igmp_heard_query(in_dev: InDevice, skb: SkBuff, len: number): boolean {
  const dv = skb.head.dv;
  const ih = skb.data;
  const mr = in_dev.mr;
  const now = jiffies(in_dev.dev.net.kernel);
  const code = dv.getUint8(ih + 1);
  let group = dv.getInt32(ih + 4);
  let max_delay: number;
  let asked: Set<number> | null = null;
  if (len === 8) {
    if (code === 0) {
      // Version 1: no code, no group.
      max_delay = 10_000;
      mr.v1_seen = now + mr.qrv * mr.qi + mr.qri;
      group = 0;
    } else {
      max_delay = code * 100;
      mr.v2_seen = now + mr.qrv * mr.qi + max_delay;
    }
    switch_to_old(in_dev);
  } else if (len < 12) return false;
  else if (IGMP_V1_SEEN(in_dev)) {
    max_delay = 10_000;
    group = 0;
  } else if (IGMP_V2_SEEN(in_dev)) max_delay = Math.max(1, code * 100);
  else {
    max_delay = Math.max(1, igmpv3_exp(code) * 100);
    mr.maxdelay = max_delay;
    const nsrcs = dv.getUint16(ih + 10);
    if (len < 12 + 4 * nsrcs || !pskb_may_pull(skb, 12 + 4 * nsrcs)) return false;
    const qrv = skb.head.dv.getUint8(skb.data + 8) & 7;
    mr.qrv = qrv !== 0 ? qrv : in_dev.dev.net.ipv4.sysctl_igmp_qrv;
    const qqi = igmpv3_exp(skb.head.dv.getUint8(skb.data + 9)) * 1000;
    if (qqi !== 0) mr.qi = qqi;
    mr.qri = max_delay;
    if (group === 0) {
      if (nsrcs > 0) return false;
      if (!timer_pending(mr.gq_timer) || mr.gq_timer.expires > now + max_delay) {
        mod_timer(mr.gq_timer, random_delay(in_dev.dev.net.kernel, max_delay));
      }
      return true;
    }
    if (nsrcs > 0) {
      asked = new Set();
      for (let i = 0; i < nsrcs; i++) asked.add(skb.head.dv.getInt32(skb.data + 12 + 4 * i));
    }
  }
  for (const im of mc_groups(in_dev)) {
    if ((group !== 0 && group !== im.multiaddr) || unreported(im, in_dev)) continue;
    if (timer_pending(im.timer)) {
      // A pending answer about everything covers this; one about sources grows by those asked for now.
      if (im.queried !== null && asked !== null) for (const src of asked) im.queried.add(src);
      else im.queried = null;
    } else im.queried = asked;
    igmp_mod_timer(im, max_delay);
  }
  return true;
}

/** The handler of IP protocol 2. */
export function igmp_rcv(skb: SkBuff): number {
  if (trace_key.on) trace_fn(F_igmp_rcv, skb);
  const in_dev = skb.dev !== null ? skb.dev.ip_ptr : null;
  const len = skb.len;
  if (in_dev === null || len < 8 || !pskb_may_pull(skb, len)) return drop(skb);
  const dv = skb.head.dv;
  if (csum_fold(csum_partial_dv(dv, skb.data, len, 0)) !== 0) return drop(skb);
  switch (dv.getUint8(skb.data)) {
    case IGMP_HOST_MEMBERSHIP_QUERY:
      if (!igmp_heard_query(in_dev, skb, len)) return drop(skb);
      break;
    case IGMP_HOST_MEMBERSHIP_REPORT:
    case IGMPV2_HOST_MEMBERSHIP_REPORT:
      // What was sent to us alone, or came back from ourselves, says nothing about the link.
      if (skb.pkt_type === PACKET_MULTICAST || skb.pkt_type === PACKET_BROADCAST) {
        igmp_heard_report(in_dev, dv.getInt32(skb.data + 4));
      }
      break;
  }
  consume_skb(skb);
  return 0;
}

function drop(skb: SkBuff): number {
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return 0;
}
