// One route as text or JSON, and the filter that `ip route show` applies.
// Read first: ip-route(8), uapi/rtnetlink.ts. Way in: printRoute(run, message, filter).

import type { NlAttr, NlAttrs, NlMsg } from "../../uapi/nlattr.ts";
import {
  nla_data,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_list,
  nla_parse,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import * as R from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Prefix } from "../iproute/addr.ts";
import { addressBits, familyName, formatAddress, formatAttr } from "../iproute/addr.ts";
import type { Context } from "../iproute/context.ts";
import { dsfieldName, protoName, realmName, routeTypeName, scopeName, tableName } from "../iproute/names.ts";
import { prefixMatches } from "./address.ts";
import type { Run } from "./link_show.ts";

export interface RouteFilter {
  /** 0: all tables. */
  table: number;
  cloned: boolean;
  protocol: number | undefined;
  scope: number | undefined;
  type: number | undefined;
  tos: number | undefined;
  oif: number | undefined;
  iif: number | undefined;
  metric: number | undefined;
  /** root: at least this specific; match: at most. */
  root: Prefix | undefined;
  match: Prefix | undefined;
  sourceRoot: Prefix | undefined;
  sourceMatch: Prefix | undefined;
  via: Prefix | undefined;
  prefsrc: Prefix | undefined;
  mark: number | undefined;
}
export function noRouteFilter(): RouteFilter {
  return {
    table: 0,
    cloned: false,
    protocol: undefined,
    scope: undefined,
    type: undefined,
    tos: undefined,
    oif: undefined,
    iif: undefined,
    metric: undefined,
    root: undefined,
    match: undefined,
    sourceRoot: undefined,
    sourceMatch: undefined,
    via: undefined,
    prefsrc: undefined,
    mark: undefined,
  };
}

interface RouteHeader {
  family: number;
  dstLen: number;
  srcLen: number;
  tos: number;
  table: number;
  protocol: number;
  scope: number;
  type: number;
  flags: number;
}
function routeHeader(m: NlMsg, tb: NlAttrs): RouteHeader {
  const b = m.buf;
  const o = m.off;
  return {
    family: b[o],
    dstLen: b[o + R.RTMSG_DST_LEN],
    srcLen: b[o + R.RTMSG_SRC_LEN],
    tos: b[o + R.RTMSG_TOS],
    table: tb[R.RTA_TABLE] === undefined ? b[o + R.RTMSG_TABLE] : nla_get_u32(tb[R.RTA_TABLE]),
    protocol: b[o + R.RTMSG_PROTOCOL],
    scope: b[o + R.RTMSG_SCOPE],
    type: b[o + R.RTMSG_TYPE],
    flags: m.dv.getUint32(o + R.RTMSG_FLAGS, true),
  };
}

const EMPTY = new Uint8Array(16);
const bytesOf = (a: NlAttr | undefined): Uint8Array => (a === undefined ? EMPTY : nla_data(a));

function inside(p: Prefix | undefined, address: Uint8Array, len: number): boolean {
  return p === undefined || p.bits <= 0 || (len >= p.bits && prefixMatches(address, p.bytes, p.bits));
}
function covers(p: Prefix | undefined, address: Uint8Array, len: number): boolean {
  return p === undefined || p.bits < 0 || (len <= p.bits && prefixMatches(address, p.bytes, len));
}
const isDefault = (p: Prefix | undefined): boolean => p !== undefined && p.bytes.length === 0;

export function routePasses(m: NlMsg, f: RouteFilter): boolean {
  if (m.len < R.RTMSG_LEN) return false;
  const tb = nlmsg_parse(m, R.RTMSG_LEN);
  const h = routeHeader(m, tb);
  if (((h.flags & R.RTM_F_CLONED) !== 0) !== f.cloned) return false;
  if (f.table > 0 && h.table !== f.table) return false;
  if (f.protocol !== undefined && h.protocol !== f.protocol) return false;
  if (f.scope !== undefined && h.scope !== f.scope) return false;
  if (f.type !== undefined && h.type !== f.type) return false;
  if (f.tos !== undefined && h.tos !== f.tos) return false;
  if (f.oif !== undefined && nla_get_u32(tb[R.RTA_OIF]) !== f.oif) return false;
  if (f.iif !== undefined && nla_get_u32(tb[R.RTA_IIF]) !== f.iif) return false;
  if (f.metric !== undefined && nla_get_u32(tb[R.RTA_PRIORITY]) !== f.metric) return false;
  if (f.mark !== undefined && nla_get_u32(tb[R.RTA_MARK]) !== f.mark) return false;
  for (const p of [f.root, f.match, f.sourceRoot, f.sourceMatch])
    if (p !== undefined && p.family !== AF_UNSPEC && p.family !== h.family) return false;
  const dst = bytesOf(tb[R.RTA_DST]);
  if (!inside(f.root, dst, h.dstLen)) return false;
  if (isDefault(f.match) ? h.dstLen !== 0 : !covers(f.match, dst, h.dstLen)) return false;
  const src = bytesOf(tb[R.RTA_SRC]);
  if (!inside(f.sourceRoot, src, h.srcLen) || !covers(f.sourceMatch, src, h.srcLen)) return false;
  const equal = (a: NlAttr | undefined, p: Prefix | undefined): boolean =>
    p === undefined || (a !== undefined && prefixMatches(nla_data(a), p.bytes, Math.max(0, p.bits)));
  return equal(tb[R.RTA_GATEWAY], f.via) && equal(tb[R.RTA_PREFSRC], f.prefsrc);
}

const FLAGS: readonly (readonly [number, string])[] = [
  [R.RTNH_F_DEAD, "dead"],
  [R.RTNH_F_ONLINK, "onlink"],
  [R.RTNH_F_PERVASIVE, "pervasive"],
  [R.RTNH_F_OFFLOAD, "offload"],
  [R.RTNH_F_TRAP, "trap"],
  [R.RTM_F_NOTIFY, "notify"],
  [R.RTNH_F_LINKDOWN, "linkdown"],
  [R.RTNH_F_UNRESOLVED, "unresolved"],
  [R.RTM_F_OFFLOAD, "rt_offload"],
  [R.RTM_F_TRAP, "rt_trap"],
  [R.RTM_F_OFFLOAD_FAILED, "rt_offload_failed"],
];
/** RTCF_* of linux/in_route.h. */
const CACHE_FLAGS: readonly (readonly [number, string])[] = [
  [0x80000000, "local"],
  [0x40000000, "reject"],
  [0x20000000, "mc"],
  [0x10000000, "brd"],
  [0x08000000, "dst-nat"],
  [0x00800000, "src-nat"],
  [0x00400000, "masq"],
  [0x00020000, "dst-direct"],
  [0x04000000, "src-direct"],
  [0x00040000, "redirected"],
  [0x01000000, "redirect"],
  [0x00010000, "notify"],
  [0x00080000, "proxy"],
];
/** RTAX_* by number. */
export const METRICS: readonly string[] = [
  "",
  "lock",
  "mtu",
  "window",
  "rtt",
  "rttvar",
  "ssthresh",
  "cwnd",
  "advmss",
  "reordering",
  "hoplimit",
  "initcwnd",
  "features",
  "rto_min",
  "initrwnd",
  "quickack",
  "congctl",
  "fastopen_no_cookie",
];

export function putRouteFlags(ctx: Context, flags: number): void {
  ctx.openArray("flags");
  for (const [bit, name] of FLAGS) {
    if ((flags & bit) === 0) continue;
    if (ctx.json !== undefined) ctx.json.element(name);
    else ctx.raw(`${name} `);
  }
  ctx.closeArray();
}

function putPrefix(
  ctx: Context,
  key: string,
  before: string,
  h: RouteHeader,
  a: NlAttr | undefined,
  len: number,
): void {
  let text: string;
  if (a !== undefined) {
    const host = formatAttr(h.family, a);
    text = len === addressBits(h.family) ? host : `${host}/${len}`;
  } else if (len !== 0) text = `0/${len}`;
  else text = "default";
  if (ctx.json !== undefined) ctx.member(key, text);
  else {
    const color = a === undefined ? undefined : h.family === AF_INET ? "inet" : "inet6";
    ctx.raw(ctx.paint(color, `${before}${text} `));
  }
}

export function putGateway(ctx: Context, family: number, a: NlAttr): void {
  const text = formatAttr(family, a);
  const color = family === AF_INET ? "inet" : "inet6";
  if (ctx.json !== undefined) ctx.member("gateway", text);
  else ctx.raw(`via ${ctx.paint(color, `${text} `)}`);
}
/** RTA_VIA: a gateway of another family. */
export function putVia(ctx: Context, a: NlAttr): void {
  if (a.len < 2) return;
  const family = a.dv.getUint16(a.off, true);
  const host = formatAddress(family, nla_data(a).subarray(2));
  ctx.openObject("via");
  ctx.put("family", familyName(family), `via ${familyName(family)} `);
  if (ctx.json !== undefined) ctx.member("host", host);
  else ctx.raw(ctx.paint(family === AF_INET ? "inet" : "inet6", `${host} `));
  ctx.closeObject();
}

function putRealms(ctx: Context, value: number): void {
  const from = value >>> 16;
  const to = value & 0xffff;
  const name = (n: number): string => realmName(n, ctx.opt.numeric);
  ctx.openObject("flow");
  ctx.text(`realm${from !== 0 ? "s" : ""} `);
  if (from !== 0) ctx.put("from", name(from), `${name(from)}/`);
  ctx.put("to", name(to), `${name(to)} `);
  ctx.closeObject();
}

function putMetrics(ctx: Context, a: NlAttr): void {
  const list = nla_list(a);
  const lock = nla_get_u32(list.findLast((x) => x.type === R.RTAX_LOCK));
  ctx.openArray("metrics");
  ctx.openObject();
  for (let i = 2; i < METRICS.length; i++) {
    const x = list.findLast((y) => y.type === i);
    if (x === undefined) continue;
    let value = nla_get_u32(x);
    if (i === R.RTAX_HOPLIMIT && value === 0xffffffff) continue;
    const locked = (lock & (1 << i)) !== 0 ? "lock " : "";
    const name = METRICS[i];
    if (i !== R.RTAX_CC_ALGO && i !== R.RTAX_FEATURES) ctx.text(`${name} ${locked}`);
    switch (i) {
      case R.RTAX_FEATURES:
        if (locked !== "" || ctx.json === undefined) ctx.text(`${name} ${locked}`);
        if ((value & R.RTAX_FEATURE_ECN) !== 0) ctx.put("ecn", null, "ecn ");
        if ((value & ~R.RTAX_FEATURE_ECN) !== 0)
          ctx.put("features", `${(value & ~1).toString(16)}`, `0x${(value & ~R.RTAX_FEATURE_ECN).toString(16)} `);
        break;
      case R.RTAX_CC_ALGO:
        ctx.put("congestion", nla_get_string(x), `congctl ${nla_get_string(x)} `);
        break;
      case R.RTAX_RTT:
      case R.RTAX_RTTVAR:
      case R.RTAX_RTO_MIN: {
        if (i === R.RTAX_RTT) value /= 8;
        else if (i === R.RTAX_RTTVAR) value /= 4;
        if (ctx.json !== undefined) ctx.member(name, Math.floor(value));
        else ctx.raw(value >= 1000 ? `${Number((value / 1000).toPrecision(6))}s ` : `${Math.floor(value)}ms `);
        break;
      }
      default:
        ctx.put(name, value, `${value} `);
    }
  }
  ctx.closeObject();
  ctx.closeArray();
}

function putCache(ctx: Context, h: RouteHeader, ci: NlAttr | undefined): void {
  if ((h.flags & R.RTM_F_CLONED) === 0) {
    if (ci !== undefined && ci.len >= R.RTA_CACHEINFO_LEN && h.family === AF_INET6) putCacheInfo(ctx, ci);
    return;
  }
  ctx.text(`${ctx.nl}    cache `);
  // The low half is RTM_F_ and RTNH_F_.
  let rest = (h.flags & ~0xffff) >>> 0;
  const words: string[] = [];
  for (const [bit, name] of CACHE_FLAGS) {
    if ((rest & bit) === 0) continue;
    words.push(name);
    rest = (rest & ~bit) >>> 0;
  }
  if (rest !== 0) words.push(rest.toString(16));
  ctx.openArray("cache");
  for (const w of words) ctx.json?.element(w);
  ctx.closeArray();
  if (words.length > 0) ctx.text(`<${words.join(",")}> `);
  if (ci !== undefined && ci.len >= R.RTA_CACHEINFO_LEN) putCacheInfo(ctx, ci);
}

function putCacheInfo(ctx: Context, ci: NlAttr): void {
  const u32 = (i: number): number => ci.dv.getUint32(ci.off + 4 * i, true);
  const [clntref, lastuse, expires, error, used] = [u32(0), u32(1), ci.dv.getInt32(ci.off + 8, true), u32(3), u32(4)];
  if (expires !== 0) ctx.put("expires", Math.trunc(expires / 100), `expires ${Math.trunc(expires / 100)}sec `);
  if (error !== 0) ctx.put("error", error | 0, `error ${error | 0} `);
  if (ctx.opt.statistics > 0) {
    if (clntref !== 0) ctx.put("users", clntref, `users ${clntref} `);
    if (used !== 0) ctx.put("used", used, `used ${used} `);
    if (lastuse !== 0) ctx.put("age", Math.floor(lastuse / 100), `age ${Math.floor(lastuse / 100)}sec `);
  }
}

function* putNexthops(run: Run, h: RouteHeader, a: NlAttr, f: RouteFilter): Blocking<void> {
  const ctx: Context = run.ctx;
  ctx.openArray("nexthops");
  let at = a.off;
  const end = a.off + a.len;
  while (end - at >= R.RTNEXTHOP_LEN) {
    const len = a.dv.getUint16(at, true);
    if (len < R.RTNEXTHOP_LEN || len > end - at) break;
    const tb = nla_parse(a.buf, a.dv, at + R.RTNEXTHOP_LEN, len - R.RTNEXTHOP_LEN);
    const flags = a.buf[at + 2];
    const hops = a.buf[at + 3];
    const index = a.dv.getInt32(at + 4, true);
    at += (len + 3) & ~3;
    // A multipath route passes the filter for a device if one of its nexthops does; the others are left out.
    if (f.oif !== undefined && f.oif !== index) continue;
    ctx.openObject();
    ctx.text(`${ctx.nl}\tnexthop `);
    if (tb[R.RTA_GATEWAY]) putGateway(ctx, h.family, tb[R.RTA_GATEWAY]);
    if (tb[R.RTA_VIA]) putVia(ctx, tb[R.RTA_VIA]);
    if (tb[R.RTA_FLOW]) putRealms(ctx, nla_get_u32(tb[R.RTA_FLOW]));
    if ((h.flags & R.RTM_F_CLONED) !== 0 && h.type === R.RTN_MULTICAST) {
      const name = yield* run.rtnl.indexToName(index);
      ctx.put("dev", name, `${name} `);
      if (hops !== 1) ctx.put("ttl", hops, `(ttl>${hops}) `);
    } else {
      if (index !== 0) {
        const name = yield* run.rtnl.indexToName(index);
        ctx.put("dev", name, `dev ${name} `);
      }
      ctx.put("weight", hops + 1, `weight ${hops + 1} `);
    }
    putRouteFlags(ctx, flags);
    ctx.closeObject();
  }
  ctx.closeArray();
}

/** One RTM_NEWROUTE or RTM_DELROUTE with the end of its last line; what the filter fixes is left out. */
export function* printRoute(run: Run, m: NlMsg, f: RouteFilter): Blocking<void> {
  const ctx: Context = run.ctx;
  if (m.len < R.RTMSG_LEN) return;
  const { numeric, details } = ctx.opt;
  const tb = nlmsg_parse(m, R.RTMSG_LEN);
  const h = routeHeader(m, tb);
  const cloned = (h.flags & R.RTM_F_CLONED) !== 0;
  ctx.openObject();
  if (m.type === R.RTM_DELROUTE) ctx.put("deleted", true, "Deleted ");
  if (h.type !== R.RTN_UNICAST || details > 0) {
    const type = routeTypeName(h.type, numeric);
    ctx.put("type", type, `${type} `);
  }
  putPrefix(ctx, "dst", "", h, tb[R.RTA_DST], h.dstLen);
  if (tb[R.RTA_SRC] !== undefined || h.srcLen !== 0) putPrefix(ctx, "from", "from ", h, tb[R.RTA_SRC], h.srcLen);
  if (tb[R.RTA_NH_ID]) ctx.put("nhid", nla_get_u32(tb[R.RTA_NH_ID]), `nhid ${nla_get_u32(tb[R.RTA_NH_ID])} `);
  if (h.tos !== 0 && f.tos === undefined) {
    const tos = dsfieldName(h.tos, numeric);
    ctx.put("tos", tos, `tos ${tos} `);
  }
  if (tb[R.RTA_GATEWAY] && f.via === undefined) putGateway(ctx, h.family, tb[R.RTA_GATEWAY]);
  if (tb[R.RTA_VIA]) putVia(ctx, tb[R.RTA_VIA]);
  if (tb[R.RTA_OIF] && f.oif === undefined) {
    const name = yield* run.rtnl.indexToName(nla_get_u32(tb[R.RTA_OIF]));
    ctx.put("dev", name, `dev ${ctx.paint("ifname", `${name} `)}`);
  }
  if ((h.table !== R.RT_TABLE_MAIN || details > 0) && f.table === 0) {
    const table = tableName(h.table, numeric);
    ctx.put("table", table, `table ${table} `);
  }
  if (!cloned) {
    if ((h.protocol !== R.RTPROT_BOOT || details > 0) && f.protocol === undefined) {
      const proto = protoName(h.protocol, numeric);
      ctx.put("protocol", proto, `proto ${proto} `);
    }
    if ((h.scope !== R.RT_SCOPE_UNIVERSE || details > 0) && f.scope === undefined) {
      const scope = scopeName(h.scope, numeric);
      ctx.put("scope", scope, `scope ${scope} `);
    }
  }
  if (tb[R.RTA_PREFSRC] && f.prefsrc === undefined) {
    const text = formatAttr(h.family, tb[R.RTA_PREFSRC]);
    ctx.put("prefsrc", text, `src ${ctx.paint(h.family === AF_INET ? "inet" : "inet6", `${text} `)}`);
  }
  if (tb[R.RTA_PRIORITY] && f.metric === undefined) {
    const metric = nla_get_u32(tb[R.RTA_PRIORITY]);
    ctx.put("metric", metric, `metric ${metric} `);
  }
  putRouteFlags(ctx, h.flags);
  if (tb[R.RTA_MARK]) {
    const mark = nla_get_u32(tb[R.RTA_MARK]);
    if (mark !== 0) {
      const text = mark >= 16 ? `0x${mark.toString(16)}` : String(mark);
      ctx.put("mark", mark >= 16 ? text : mark, `mark ${text} `);
    }
  }
  if (tb[R.RTA_FLOW]) putRealms(ctx, nla_get_u32(tb[R.RTA_FLOW]));
  if (tb[R.RTA_UID]) ctx.put("uid", nla_get_u32(tb[R.RTA_UID]), `uid ${nla_get_u32(tb[R.RTA_UID])} `);
  putCache(ctx, h, tb[R.RTA_CACHEINFO]);
  if (tb[R.RTA_METRICS]) putMetrics(ctx, tb[R.RTA_METRICS]);
  if (tb[R.RTA_IIF] && f.iif === undefined) {
    const name = yield* run.rtnl.indexToName(nla_get_u32(tb[R.RTA_IIF]));
    ctx.put("iif", name, `iif ${ctx.paint("ifname", `${name} `)}`);
  }
  if (tb[R.RTA_MULTIPATH]) yield* putNexthops(run, h, tb[R.RTA_MULTIPATH], f);
  if (tb[R.RTA_PREF]) {
    const pref = nla_get_u8(tb[R.RTA_PREF]);
    const word = ["medium", "high", "", "low"][pref] ?? String(pref);
    ctx.put("pref", word, `pref ${word}`);
  }
  if (tb[R.RTA_TTL_PROPAGATE]) {
    const on = nla_get_u8(tb[R.RTA_TTL_PROPAGATE]) !== 0;
    ctx.put("ttl-propogate", on, `ttl-propagate ${on ? "enabled" : "disabled"}`);
  }
  ctx.text("\n");
  ctx.closeObject();
}
