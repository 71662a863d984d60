// `ip route`: show, flush and get; add and the like are in route_set.ts.

import { ENOENT, strerror } from "../../uapi/errno.ts";
import { NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import type { NlMsg } from "../../uapi/nlattr.ts";
import { nla_data, nla_put, nla_put_be16, nla_put_u8, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import * as R from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { addressBits, parseInteger, parsePrefix } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { parseDsfield, parseIpProto, parseProto, parseRouteType, parseScope, parseTable } from "../iproute/names.ts";
import { writeFile } from "../lib/io.ts";
import { beginSave, ROUTE_DUMP, restore, saveMessages, showDump } from "./dump_file.ts";
import { flushRounds } from "./flush.ts";
import type { Run } from "./link_show.ts";
import { routeModify } from "./route_set.ts";
import type { RouteFilter } from "./route_show.ts";
import { noRouteFilter, printRoute, routePasses } from "./route_show.ts";
import { ROUTE_USAGE } from "./usage.ts";

interface Selection {
  filter: RouteFilter;
  family: number;
}

function* parseSelector(run: Run, a: Args): Blocking<Selection> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const f = noRouteFilter();
  f.table = R.RT_TABLE_MAIN;
  let family = ctx.opt.family;
  let iif: string | undefined;
  let oif: string | undefined;
  const prefix = (): ReturnType<typeof parsePrefix> => {
    const p = parsePrefix(ctx, a.word, family);
    if (family === AF_UNSPEC) family = p.family;
    return p;
  };
  for (; a.more; a.skip()) {
    if (a.matches("table")) {
      a.next();
      const table = parseTable(a.word);
      if (table === undefined) {
        if (a.is("all")) f.table = 0;
        else if (a.is("cache")) f.cloned = true;
        else if (a.is("help")) ctx.fail(ROUTE_USAGE, 255);
        else ctx.invalidArgument("table id value is invalid\n", a.word);
      } else f.table = table;
    } else if (a.is("vrf")) {
      const index = yield* rtnl.nameToIndex(a.next());
      if (index === 0) ctx.invalidArgument("not a valid vrf", a.word);
    } else if (a.matches("cached") || a.matches("cloned")) f.cloned = true;
    else if (a.is("tos") || a.matches("dsfield")) {
      f.tos = parseDsfield(a.next());
      if (f.tos === undefined) ctx.invalidArgument("TOS value is invalid\n", a.word);
    } else if (a.matches("protocol")) {
      a.next();
      if (!a.is("all")) {
        f.protocol = parseProto(a.word);
        if (f.protocol === undefined) ctx.invalidArgument('invalid "protocol"\n', a.word);
      }
    } else if (a.matches("scope")) {
      a.next();
      if (!a.is("all")) {
        f.scope = parseScope(a.word);
        if (f.scope === undefined) ctx.invalidArgument('invalid "scope"\n', a.word);
      }
    } else if (a.matches("type")) {
      f.type = parseRouteType(a.next());
      if (f.type === undefined) ctx.invalidArgument("node type value is invalid\n", a.word);
    } else if (a.is("dev") || a.is("oif")) oif = a.next();
    else if (a.is("iif")) iif = a.next();
    else if (a.is("mark")) {
      const n = parseInteger(a.next());
      if (n === undefined) ctx.invalidArgument("invalid mark value", a.word);
      f.mark = n;
    } else if (a.is("metric") || a.matches("priority") || a.is("preference")) {
      const n = parseInteger(a.next());
      if (n === undefined) ctx.invalidArgument('"metric" value is invalid\n', a.word);
      f.metric = n;
    } else if (a.is("via")) {
      a.next();
      f.via = prefix();
    } else if (a.is("src")) {
      a.next();
      f.prefsrc = prefix();
    } else if (a.is("realms") || a.matches("realms")) a.next();
    else if (a.is("from")) {
      a.next();
      if (a.matches("root")) {
        a.next();
        f.sourceRoot = prefix();
      } else if (a.matches("match")) {
        a.next();
        f.sourceMatch = prefix();
      } else {
        if (a.matches("exact")) a.next();
        f.sourceMatch = f.sourceRoot = prefix();
      }
    } else {
      if (a.is("to")) a.next();
      if (a.matches("root")) {
        a.next();
        f.root = prefix();
      } else if (a.matches("match")) {
        a.next();
        f.match = prefix();
      } else {
        if (a.matches("help")) ctx.fail(ROUTE_USAGE, 255);
        if (a.matches("exact")) a.next();
        f.match = f.root = prefix();
      }
    }
  }
  if (family === AF_UNSPEC && f.table !== 0) family = AF_INET;
  for (const [name, key] of [
    [iif, "iif"],
    [oif, "oif"],
  ] as const) {
    if (name === undefined) continue;
    const index = yield* rtnl.nameToIndex(name);
    if (index === 0) ctx.noDevice(name);
    f[key] = index;
  }
  return { filter: f, family };
}

function* dumpRoutes(run: Run, s: Selection, flushing = false): Blocking<NlMsg[]> {
  const { filter } = s;
  const w = run.rtnl.request(R.RTM_GETROUTE, 0, R.RTMSG_LEN);
  const at = w.msg + 16;
  w.buf[at] = s.family;
  w.buf[at + R.RTMSG_PROTOCOL] = filter.protocol ?? 0;
  if (filter.cloned) w.dv.setUint32(at + R.RTMSG_FLAGS, R.RTM_F_CLONED, true);
  if (filter.table > 0) nla_put_u32(w, R.RTA_TABLE, filter.table);
  if (filter.oif !== undefined) nla_put_u32(w, R.RTA_OIF, filter.oif);
  if (flushing) return yield* run.rtnl.dumpOrExit(w, 2, 0, "Flush");
  // The main table comes with its first route: until then it shows as an empty one.
  return yield* run.rtnl.dumpOrExit(w, 2, filter.table === R.RT_TABLE_MAIN ? ENOENT : 0);
}

function* show(run: Run, a: Args): Blocking<number> {
  const s = yield* parseSelector(run, a);
  const all = yield* dumpRoutes(run, s);
  run.ctx.startJson();
  for (const m of all) if (m.type === R.RTM_NEWROUTE && routePasses(m, s.filter)) yield* printRoute(run, m, s.filter);
  run.ctx.endJson();
  return 0;
}

function* save(run: Run, a: Args): Blocking<number> {
  yield* beginSave(run.ctx, ROUTE_DUMP);
  const s = yield* parseSelector(run, a);
  const all = yield* dumpRoutes(run, s);
  yield* saveMessages(
    run.ctx,
    all.filter((m) => m.type === R.RTM_NEWROUTE && routePasses(m, s.filter)),
  );
  return 0;
}

/** When a route can be there: addresses of the host first, then its networks, then what has a gateway. */
function restoreRound(m: NlMsg): number {
  const a = nlmsg_parse(m, R.RTMSG_LEN);
  if (a[R.RTA_GATEWAY] !== undefined) return 2;
  const src = a[R.RTA_PREFSRC];
  const dst = a[R.RTA_DST];
  if (src === undefined) return 0;
  return dst !== undefined && nla_data(src).join() === nla_data(dst).join() ? 0 : 1;
}

function* printDumped(run: Run, m: NlMsg): Blocking<void> {
  if (m.type === R.RTM_NEWROUTE) yield* printRoute(run, m, noRouteFilter());
}

function* flushCache(run: Run): Blocking<number> {
  const ctx: Context = run.ctx;
  const path = "/proc/sys/net/ipv4/route/flush";
  const err = yield* writeFile(ctx.sys, path, "-1");
  if (err < 0) {
    ctx.error(`Cannot open "${path}": ${strerror(err)}\n`);
    return 0;
  }
  if (ctx.opt.statistics > 0) ctx.raw("*** IPv4 routing cache is flushed.\n");
  return 0;
}

function* flush(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) ctx.fail('"ip route flush" requires arguments.\n', 1);
  const s = yield* parseSelector(run, a);
  if (s.filter.cloned && s.family === AF_INET) return yield* flushCache(run);
  return yield* flushRounds(
    run,
    "entries",
    false,
    function* () {
      const all = yield* dumpRoutes(run, s, true);
      const doomed = all.filter((m) => m.type === R.RTM_NEWROUTE && routePasses(m, s.filter));
      if (ctx.opt.statistics > 1) for (const m of doomed) yield* printRoute(run, m, s.filter);
      return doomed;
    },
    R.RTM_DELROUTE,
  );
}

function* get(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const w = rtnl.request(R.RTM_GETROUTE, 0, R.RTMSG_LEN);
  const at = w.msg + 16;
  let family = ctx.opt.family;
  let flags = R.RTM_F_LOOKUP_TABLE;
  let iif: string | undefined;
  let oif: string | undefined;
  let mark = 0;
  let have = false;
  const number = (max: number, message: string): number => {
    const n = parseInteger(a.next());
    if (n === undefined || n < 0 || n > max) ctx.invalidArgument(message, a.word);
    return n;
  };
  const address = (type: number, lenAt: number): void => {
    const p = parsePrefix(ctx, a.word, family);
    if (family === AF_UNSPEC) family = p.family;
    const full = addressBits(p.family);
    if (p.explicit && p.bits !== full)
      ctx.error(`Warning: /${p.bits} as prefix is invalid, only /${full} (or none) is supported.\n`);
    if (p.bytes.length > 0) nla_put(w, type, p.bytes);
    w.buf[at + lenAt] = p.bytes.length * 8;
  };
  for (; a.more; a.skip()) {
    if (a.is("tos") || a.matches("dsfield")) {
      const tos = parseDsfield(a.next());
      if (tos === undefined) ctx.invalidArgument("TOS value is invalid\n", a.word);
      w.buf[at + R.RTMSG_TOS] = tos;
    } else if (a.matches("from")) {
      a.next();
      if (a.matches("help")) ctx.fail(ROUTE_USAGE, 255);
      address(R.RTA_SRC, R.RTMSG_SRC_LEN);
    } else if (a.matches("iif")) iif = a.next();
    else if (a.matches("mark")) mark = number(0xffffffff, "invalid mark value");
    else if (a.matches("oif") || a.is("dev")) oif = a.next();
    else if (a.matches("notify")) flags |= R.RTM_F_NOTIFY;
    else if (a.matches("vrf")) oif = a.next();
    else if (a.matches("uid")) nla_put_u32(w, R.RTA_UID, number(0xffffffff, "invalid UID\n"));
    else if (a.matches("fibmatch")) flags |= R.RTM_F_FIB_MATCH;
    else if (a.is("as")) {
      a.next();
      if (a.is("to")) a.next();
    } else if (a.is("sport")) nla_put_be16(w, R.RTA_SPORT, number(0xffff, "invalid sport\n"));
    else if (a.is("dport")) nla_put_be16(w, R.RTA_DPORT, number(0xffff, "invalid dport\n"));
    else if (a.is("ipproto")) {
      const proto = parseIpProto(a.next());
      if (proto === undefined) ctx.invalidArgument('Invalid "ipproto" value\n', a.word);
      nla_put_u8(w, R.RTA_IP_PROTO, proto);
    } else {
      if (a.is("to")) a.next();
      if (a.matches("help")) ctx.fail(ROUTE_USAGE, 255);
      address(R.RTA_DST, R.RTMSG_DST_LEN);
      have = true;
    }
  }
  if (!have) ctx.fail("need at least a destination address\n", 1);
  for (const [name, attr] of [
    [iif, R.RTA_IIF],
    [oif, R.RTA_OIF],
  ] as const) {
    if (name === undefined) continue;
    const index = yield* rtnl.nameToIndex(name);
    if (index === 0) ctx.noDevice(name);
    nla_put_u32(w, attr, index);
  }
  if (mark !== 0) nla_put_u32(w, R.RTA_MARK, mark);
  w.buf[at] = family === AF_UNSPEC ? AF_INET : family;
  w.dv.setUint32(at + R.RTMSG_FLAGS, flags, true);
  const m = yield* rtnl.ask(w);
  if (m === undefined) return 2;
  ctx.startJson();
  yield* printRoute(run, m, noRouteFilter());
  ctx.endJson();
  return 0;
}

export function* route(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a);
  const word = a.word;
  const rest = a.tail();
  const set = (command: number, flags: number): Blocking<number> => routeModify(run, rest, command, flags);
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst")) return yield* show(run, rest);
  if (matches(word, "get")) return yield* get(run, rest);
  if (matches(word, "add")) return yield* set(R.RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  if (matches(word, "change") || word === "chg") return yield* set(R.RTM_NEWROUTE, NLM_F_REPLACE);
  if (matches(word, "replace")) return yield* set(R.RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
  if (matches(word, "prepend")) return yield* set(R.RTM_NEWROUTE, NLM_F_CREATE);
  if (matches(word, "append")) return yield* set(R.RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND);
  if (matches(word, "test")) return yield* set(R.RTM_NEWROUTE, NLM_F_EXCL);
  if (matches(word, "delete")) return yield* set(R.RTM_DELROUTE, 0);
  if (matches(word, "flush")) return yield* flush(run, rest);
  if (matches(word, "save")) return yield* save(run, rest);
  if (matches(word, "restore")) return yield* restore(run, ROUTE_DUMP, 3, restoreRound);
  if (matches(word, "showdump")) return yield* showDump(run, ROUTE_DUMP, (m) => printDumped(run, m));
  if (matches(word, "help")) ctx.fail(ROUTE_USAGE, 255);
  return ctx.fail(`Command "${word}" is unknown, try "ip route help".\n`, 255);
}
