// `ip route add|change|replace|append|prepend|test|delete`: words to a RTM_NEWROUTE or RTM_DELROUTE.

import type { NlMsgWriter } from "../../uapi/nlattr.ts";
import {
  nla_nest_end,
  nla_nest_start_noflag,
  nla_put,
  nla_put_u8,
  nla_put_u32,
  nlmsg_put_raw,
} from "../../uapi/nlattr.ts";
import * as R from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { utf8_encode } from "../../uapi/utf8.ts";
import { FAMILY_NAMES, parseAddress, parseInteger, parsePrefix } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { parseDsfield, parseProto, parseRealm, parseScope, parseTable } from "../iproute/names.ts";
import type { Run } from "./link_show.ts";
import { ROUTE_USAGE } from "./usage.ts";

const TYPES: readonly (readonly [string, number])[] = [
  ["broadcast", R.RTN_BROADCAST],
  ["anycast", R.RTN_ANYCAST],
  ["multicast", R.RTN_MULTICAST],
  ["prohibit", R.RTN_PROHIBIT],
  ["unreachable", R.RTN_UNREACHABLE],
  ["blackhole", R.RTN_BLACKHOLE],
  ["xresolve", R.RTN_XRESOLVE],
  ["unicast", R.RTN_UNICAST],
  ["throw", R.RTN_THROW],
];
function routeType(word: string): number | undefined {
  if (word === "local") return R.RTN_LOCAL;
  if (word === "nat") return R.RTN_NAT;
  if (word === "brd") return R.RTN_BROADCAST;
  return TYPES.find((t) => matches(word, t[0]))?.[1];
}

/** Metrics that are plain numbers: name, attribute, the word that errors use. */
const METRICS: readonly (readonly [string, number, string])[] = [
  ["mtu", R.RTAX_MTU, "mtu"],
  ["hoplimit", R.RTAX_HOPLIMIT, "hoplimit"],
  ["advmss", R.RTAX_ADVMSS, "mss"],
  ["reordering", R.RTAX_REORDERING, "reordering"],
  ["window", R.RTAX_WINDOW, "window"],
  ["cwnd", R.RTAX_CWND, "cwnd"],
  ["initcwnd", R.RTAX_INITCWND, "initcwnd"],
  ["initrwnd", R.RTAX_INITRWND, "initrwnd"],
  ["quickack", R.RTAX_QUICKACK, "quickack"],
  ["ssthresh", R.RTAX_SSTHRESH, "ssthresh"],
  ["fastopen_no_cookie", R.RTAX_FASTOPEN_NO_COOKIE, "fastopen_no_cookie"],
];
const LOCKABLE = new Set(["mtu", "hoplimit", "advmss", "reordering", "window", "cwnd", "ssthresh", "rtt", "rttvar"]);

/** "100ms", "2s" or a plain number: [milliseconds or raw, whether it was raw]. */
function parseRtt(text: string): [number, boolean] | undefined {
  const m = /^([0-9]*\.?[0-9]+)(s|sec|secs|ms|msec|msecs)?$/i.exec(text);
  if (m === null) return undefined;
  if (m[2] === undefined) return m[1].includes(".") ? undefined : [Number(m[1]), true];
  return [Math.ceil(Number(m[1]) * (m[2].toLowerCase().startsWith("s") ? 1000 : 1)), false];
}

export function parseRealms(text: string): number | undefined {
  const parts = text.split("/");
  if (parts.length > 2) return undefined;
  const values = parts.map(parseRealm);
  if (values.some((v) => v === undefined)) return undefined;
  return values.length === 2 ? (((values[0] as number) << 16) | (values[1] as number)) >>> 0 : values[0];
}

/** `via [FAMILY] ADDRESS` as RTA_GATEWAY, or RTA_VIA where the families differ. */
function putVia(ctx: Context, a: Args, w: NlMsgWriter, family: number): number {
  let via = family;
  const word = a.next();
  const named = FAMILY_NAMES.find((f) => f[1] === word)?.[0];
  if (named !== undefined) {
    via = named;
    a.next();
  }
  const p = parseAddress(ctx, a.word, via);
  const mine = family === AF_UNSPEC ? p.family : family;
  if (p.family === mine) nla_put(w, R.RTA_GATEWAY, p.bytes);
  else {
    const bytes = new Uint8Array(2 + p.bytes.length);
    bytes[0] = p.family;
    bytes.set(p.bytes, 2);
    nla_put(w, R.RTA_VIA, bytes);
  }
  return mine;
}

/** `nexthop ...` up to the end of the line. */
function* putNexthops(run: Run, a: Args, w: NlMsgWriter, start: number): Blocking<number> {
  const ctx: Context = run.ctx;
  let family = start;
  const multipath = nla_nest_start_noflag(w, R.RTA_MULTIPATH);
  while (a.more) {
    if (!a.is("nexthop")) ctx.fail(`Error: "nexthop" or end of line is expected instead of "${a.word}"\n`, 255);
    if (!a.hasNext) ctx.fail('Error: unexpected end of line after "nexthop"\n', 255);
    a.skip();
    const at = nlmsg_put_raw(w, R.RTNEXTHOP_LEN);
    for (; a.more; a.skip()) {
      if (a.is("via")) family = putVia(ctx, a, w, family);
      else if (a.is("dev")) {
        const index = yield* run.rtnl.nameToIndex(a.next());
        if (index === 0) ctx.noDevice(a.word);
        w.dv.setInt32(at + 4, index, true);
      } else if (a.is("weight")) {
        const n = parseInteger(a.next());
        if (n === undefined || n < 1 || n > 256) ctx.invalidArgument('"weight" is invalid\n', a.word);
        w.buf[at + 3] = n - 1;
      } else if (a.is("onlink")) w.buf[at + 2] |= R.RTNH_F_ONLINK;
      else if (a.matches("realms")) {
        const realm = parseRealms(a.next());
        if (realm === undefined) ctx.invalidArgument('"realm" value is invalid\n', a.word);
        nla_put_u32(w, R.RTA_FLOW, realm);
      } else break;
    }
    w.dv.setUint16(at, w.len - at, true);
  }
  nla_nest_end(w, multipath);
  return family;
}

export function* routeModify(run: Run, a: Args, command: number, flags: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const w = rtnl.request(command, flags, R.RTMSG_LEN);
  const at = w.msg + 16;
  const deleting = command === R.RTM_DELROUTE;
  if (!a.more) ctx.fail(ROUTE_USAGE, 255);
  let family = ctx.opt.family;
  let type = deleting ? R.RTN_UNSPEC : R.RTN_UNICAST;
  let table: number | undefined;
  let scope: number | undefined;
  let protocol = deleting ? 0 : R.RTPROT_BOOT;
  let routeFlags = 0;
  let dev: string | undefined;
  let haveDst = false;
  let haveGateway = false;
  let haveNexthops = false;
  let haveId = false;
  const metrics: [number, number | string][] = [];
  let locked = 0;
  const metric = (attr: number, value: number | string, lock: boolean): void => {
    metrics.push([attr, value]);
    if (lock) locked |= 1 << attr;
  };
  const takeLock = (): boolean => {
    if (!a.is("lock")) return false;
    a.next();
    return true;
  };

  for (; a.more; a.skip()) {
    const row = METRICS.find((m) => m[0] === a.word);
    if (a.is("src")) {
      const p = parseAddress(ctx, a.next(), family);
      if (family === AF_UNSPEC) family = p.family;
      nla_put(w, R.RTA_PREFSRC, p.bytes);
    } else if (a.is("via")) {
      haveGateway = true;
      family = putVia(ctx, a, w, family);
    } else if (a.is("from")) {
      const p = parsePrefix(ctx, a.next(), family);
      if (family === AF_UNSPEC) family = p.family;
      if (p.bytes.length > 0) nla_put(w, R.RTA_SRC, p.bytes);
      w.buf[at + R.RTMSG_SRC_LEN] = p.bits;
    } else if (a.is("tos") || a.matches("dsfield")) {
      const tos = parseDsfield(a.next());
      if (tos === undefined) ctx.invalidArgument('"tos" value is invalid\n', a.word);
      w.buf[at + R.RTMSG_TOS] = tos;
    } else if (a.is("expires")) {
      const n = parseInteger(a.next());
      if (n === undefined) ctx.invalidArgument('"expires" value is invalid\n', a.word);
      if (family !== AF_INET) nla_put_u32(w, R.RTA_EXPIRES, n);
    } else if (a.is("metric") || a.matches("priority") || a.is("preference")) {
      const n = parseInteger(a.next());
      if (n === undefined || n < 0 || n > 0xffffffff) ctx.invalidArgument('"metric" value is invalid\n', a.word);
      nla_put_u32(w, R.RTA_PRIORITY, n);
    } else if (a.is("scope")) {
      scope = parseScope(a.next());
      if (scope === undefined) ctx.invalidArgument('invalid "scope" value\n', a.word);
    } else if (row !== undefined) {
      a.next();
      const lock = LOCKABLE.has(row[0]) && takeLock();
      const n = parseInteger(a.word);
      const bad = n === undefined || n < 0 || n > 0xffffffff || (row[0] === "hoplimit" && n > 255);
      if (bad) ctx.invalidArgument(`"${row[2]}" value is invalid\n`, a.word);
      metric(row[1], n as number, lock);
    } else if (a.is("rtt", "rttvar", "rto_min")) {
      const key = a.word;
      a.next();
      let lock = key !== "rto_min" && takeLock();
      if (key === "rto_min") lock = true;
      const v = parseRtt(a.word);
      if (v === undefined) ctx.invalidArgument(`"${key}" value is invalid\n`, a.word);
      const scale = v[1] ? 1 : key === "rtt" ? 8 : key === "rttvar" ? 4 : 1;
      metric(key === "rtt" ? R.RTAX_RTT : key === "rttvar" ? R.RTAX_RTTVAR : R.RTAX_RTO_MIN, v[0] * scale, lock);
    } else if (a.is("features")) {
      let bits = 0;
      while (a.hasNext && a.following === "ecn") {
        a.skip();
        bits |= R.RTAX_FEATURE_ECN;
      }
      if (bits === 0) ctx.invalidArgument('"features" value not valid\n', a.next());
      metric(R.RTAX_FEATURES, bits, false);
    } else if (a.is("congctl")) {
      a.next();
      const lock = takeLock();
      metric(R.RTAX_CC_ALGO, a.word, lock);
    } else if (a.matches("realms")) {
      const realm = parseRealms(a.next());
      if (realm === undefined) ctx.invalidArgument('"realm" value is invalid\n', a.word);
      nla_put_u32(w, R.RTA_FLOW, realm);
    } else if (a.is("onlink")) routeFlags |= R.RTNH_F_ONLINK;
    else if (a.is("pervasive")) routeFlags |= R.RTNH_F_PERVASIVE;
    else if (a.is("nexthop")) {
      haveNexthops = true;
      break;
    } else if (a.is("nhid")) {
      const n = parseInteger(a.next());
      if (n === undefined) ctx.invalidArgument('"id" value is invalid\n', a.word);
      haveId = true;
      nla_put_u32(w, R.RTA_NH_ID, n);
    } else if (a.matches("protocol")) {
      const proto = parseProto(a.next());
      if (proto === undefined) ctx.invalidArgument('"protocol" value is invalid\n', a.word);
      protocol = proto;
    } else if (a.matches("table")) {
      table = parseTable(a.next());
      if (table === undefined) ctx.invalidArgument('"table" value is invalid\n', a.word);
      if (table > 255) nla_put_u32(w, R.RTA_TABLE, table);
    } else if (a.is("vrf")) {
      const index = yield* rtnl.nameToIndex(a.next());
      if (index === 0) ctx.invalidArgument('"vrf" is not a valid VRF\n', a.word);
    } else if (a.is("dev", "oif")) dev = a.next();
    else if (a.is("pref")) {
      const n = ["medium", "high", "", "low"].indexOf(a.next());
      if (n < 0 || a.word === "") ctx.invalidArgument('"pref" value is invalid\n', a.word);
      nla_put_u8(w, R.RTA_PREF, n);
    } else if (a.is("ttl-propagate")) {
      a.next();
      if (!a.is("enabled", "disabled")) ctx.invalidArgument('"ttl-propagate" value is invalid\n', a.word);
      nla_put_u8(w, R.RTA_TTL_PROPAGATE, a.is("enabled") ? 1 : 0);
    } else {
      if (a.is("to")) a.next();
      const t = routeType(a.word);
      if (t !== undefined) {
        type = t;
        a.next();
      }
      if (a.matches("help")) ctx.fail(ROUTE_USAGE, 255);
      if (haveDst) ctx.garbage("to", a.word);
      const p = parsePrefix(ctx, a.word, family);
      if (family === AF_UNSPEC) family = p.family;
      w.buf[at + R.RTMSG_DST_LEN] = p.bits;
      haveDst = true;
      if (p.bytes.length > 0) nla_put(w, R.RTA_DST, p.bytes);
    }
  }
  if (!haveDst) ctx.fail(ROUTE_USAGE, 255);
  if (dev !== undefined) {
    const index = yield* rtnl.nameToIndex(dev);
    if (index === 0) ctx.noDevice(dev);
    nla_put_u32(w, R.RTA_OIF, index);
  }
  if (metrics.length > 0 || locked !== 0) {
    const nest = nla_nest_start_noflag(w, R.RTA_METRICS);
    for (const [attr, value] of metrics) {
      if (typeof value === "string") nla_put(w, attr, utf8_encode(value));
      else nla_put_u32(w, attr, value);
    }
    if (locked !== 0) nla_put_u32(w, R.RTAX_LOCK, locked);
    nla_nest_end(w, nest);
  }
  if (haveNexthops) family = yield* putNexthops(run, a, w, family);
  const local = type === R.RTN_LOCAL || type === R.RTN_NAT;
  const link = type === R.RTN_BROADCAST || type === R.RTN_MULTICAST || type === R.RTN_ANYCAST;
  if (table === undefined)
    table = local || type === R.RTN_BROADCAST || type === R.RTN_ANYCAST ? R.RT_TABLE_LOCAL : R.RT_TABLE_MAIN;
  if (scope === undefined) {
    if (local) scope = R.RT_SCOPE_HOST;
    else if (link) scope = R.RT_SCOPE_LINK;
    else if (deleting) scope = R.RT_SCOPE_NOWHERE;
    else if (type === R.RTN_UNICAST && !haveGateway && !haveNexthops && !haveId) scope = R.RT_SCOPE_LINK;
    else scope = R.RT_SCOPE_UNIVERSE;
  }
  w.buf[at] = family === AF_UNSPEC ? AF_INET : family;
  w.buf[at + R.RTMSG_TABLE] = table < 256 ? table : R.RT_TABLE_UNSPEC;
  w.buf[at + R.RTMSG_PROTOCOL] = protocol;
  w.buf[at + R.RTMSG_SCOPE] = scope;
  w.buf[at + R.RTMSG_TYPE] = type;
  w.dv.setUint32(at + R.RTMSG_FLAGS, routeFlags, true);
  return (yield* rtnl.talk(w)) ? 0 : 2;
}
