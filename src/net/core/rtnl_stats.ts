// RTM_GETSTATS and RTM_SETSTATS: counters of devices, by group. Mirrors the statistics part of net/core/rtnetlink.c.
// Read first: uapi/if_link.ts, IFLA_STATS_*; ip-stats(8). Way in: rtnl_stats_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENODEV } from "../../uapi/errno.ts";
import * as L from "../../uapi/if_link.ts";
import { NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  NlMsgWriter,
  nl_set_u64,
  nla_get_u8,
  nla_get_u32,
  nla_nest_end,
  nla_nest_start,
  nla_nest_start_noflag,
  nla_parse_nested,
  nla_put_u8,
  nla_reserve,
  nlmsg_end,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import { RTM_GETSTATS, RTM_NEWSTATS, RTM_SETSTATS } from "../../uapi/rtnetlink.ts";
import { type NetlinkDump, type NlRequest, nl_err, nlmsg_unicast } from "../netlink/af_netlink.ts";
import { dev_get_stats, for_each_netdev } from "./dev_api.ts";
import { NETREG_REGISTERED, type NetDevice } from "./netdevice.ts";
import { rtnl_register } from "./rtnetlink.ts";

declare module "./netdevice.ts" {
  interface NetDevice {
    /** Layer 3 counters are wanted of the hardware (`ip stats set … l3_stats on`); no driver has any. */
    offload_xstats_l3?: boolean;
  }
}

const wanted = (mask: number, attr: number): boolean => (mask & (1 << (attr - 1))) !== 0;
const ALL = -1;

/** What the hardware counts when asked to: nothing, so all of it is 0. */
function fill_offload_xstats(w: NlMsgWriter, dev: NetDevice, filter: number): void {
  const request = dev.offload_xstats_l3 === true;
  const info = wanted(filter, L.IFLA_OFFLOAD_XSTATS_HW_S_INFO);
  const l3 = request && wanted(filter, L.IFLA_OFFLOAD_XSTATS_L3_STATS);
  const all = nla_nest_start_noflag(w, L.IFLA_STATS_LINK_OFFLOAD_XSTATS);
  if (info) {
    const nest = nla_nest_start(w, L.IFLA_OFFLOAD_XSTATS_HW_S_INFO);
    const one = nla_nest_start(w, L.IFLA_OFFLOAD_XSTATS_L3_STATS);
    nla_put_u8(w, L.IFLA_OFFLOAD_XSTATS_HW_S_INFO_REQUEST, request ? 1 : 0);
    nla_put_u8(w, L.IFLA_OFFLOAD_XSTATS_HW_S_INFO_USED, 0);
    nla_nest_end(w, one);
    nla_nest_end(w, nest);
  }
  if (l3) {
    const at = nla_reserve(w, L.IFLA_OFFLOAD_XSTATS_L3_STATS, L.RTNL_HW_STATS64_LEN);
    w.buf.fill(0, at, at + L.RTNL_HW_STATS64_LEN);
  }
  nla_nest_end(w, all);
}

function fill_statsinfo(w: NlMsgWriter, dev: NetDevice, req: NlRequest, flags: number): void {
  const m = req.msg;
  const mask = m.dv.getUint32(m.off + 8, true);
  const at = nlmsg_put(w, RTM_NEWSTATS, flags, m.seq, req.portid, L.IF_STATS_MSG_LEN);
  w.dv.setUint32(at + 4, dev.ifindex, true);
  w.dv.setUint32(at + 8, mask, true);
  if (wanted(mask, L.IFLA_STATS_LINK_64)) {
    const s = dev_get_stats(dev) as unknown as Record<string, number | undefined>;
    const p = nla_reserve(w, L.IFLA_STATS_LINK_64, L.RTNL_LINK_STATS64_LEN);
    L.LINK_STATS_FIELDS.forEach((name, i) => {
      nl_set_u64(w.dv, p + 8 * i, s[name] ?? 0);
    });
  }
  if (wanted(mask, L.IFLA_STATS_LINK_OFFLOAD_XSTATS)) {
    const filters = nla_parse_nested(nlmsg_parse(m, L.IF_STATS_MSG_LEN)[L.IFLA_STATS_GET_FILTERS]);
    const f = filters[L.IFLA_STATS_LINK_OFFLOAD_XSTATS];
    fill_offload_xstats(w, dev, f !== undefined && f.len >= 4 ? nla_get_u32(f) : ALL);
  }
  // No address family has counters of its own.
  if (wanted(mask, L.IFLA_STATS_AF_SPEC)) nla_nest_end(w, nla_nest_start_noflag(w, L.IFLA_STATS_AF_SPEC));
  nlmsg_end(w);
}

function stats_header(req: NlRequest, dump: boolean): number {
  const m = req.msg;
  if (m.len < L.IF_STATS_MSG_LEN) {
    return nl_err(req.extack, `Invalid header for stats ${dump ? "dump" : "get"}`, -EINVAL);
  }
  if (m.dv.getUint32(m.off + 8, true) === 0) {
    return nl_err(req.extack, "Filter mask must be set for stats get", -EINVAL);
  }
  return 0;
}

function stats_device(req: NlRequest): NetDevice | number {
  const index = req.msg.dv.getInt32(req.msg.off + 4, true);
  return index <= 0 ? -EINVAL : (req.net.dev_by_index.get(index) ?? -ENODEV);
}

function rtnl_stats_get(req: NlRequest): number {
  const err = stats_header(req, false);
  if (err < 0) return err;
  const dev = stats_device(req);
  if (typeof dev === "number") return dev;
  const w = new NlMsgWriter(512);
  fill_statsinfo(w, dev, req, 0);
  return nlmsg_unicast(req, w);
}

function* rtnl_stats_dump(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const err = stats_header(req, true);
  if (err < 0) return err;
  for (const dev of for_each_netdev(req.net)) {
    if (dev.reg_state !== NETREG_REGISTERED || dev.net !== req.net) continue;
    fill_statsinfo(w, dev, req, NLM_F_MULTI);
    yield;
  }
  return 0;
}

function rtnl_stats_set(req: NlRequest): number {
  if (req.msg.len < L.IF_STATS_MSG_LEN) return nl_err(req.extack, "Invalid header for stats get", -EINVAL);
  const dev = stats_device(req);
  if (typeof dev === "number") return dev;
  const a = nlmsg_parse(req.msg, L.IF_STATS_MSG_LEN)[L.IFLA_STATS_SET_OFFLOAD_XSTATS_L3_STATS];
  if (a !== undefined) {
    if (a.len < 1 || nla_get_u8(a) > 1) return -EINVAL;
    dev.offload_xstats_l3 = nla_get_u8(a) === 1;
  }
  return 0;
}

export function rtnl_stats_init(k: Kernel): void {
  rtnl_register(k, 0, RTM_GETSTATS, rtnl_stats_get, rtnl_stats_dump);
  rtnl_register(k, 0, RTM_SETSTATS, rtnl_stats_set, null);
}
