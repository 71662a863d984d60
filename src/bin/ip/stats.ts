// `ip stats`: counters of devices, by group, subgroup and suite. Read first: ip-stats(8), uapi/if_link.ts (IFLA_STATS_*).

import * as L from "../../uapi/if_link.ts";
import type { NlAttr, NlAttrs, NlMsg } from "../../uapi/nlattr.ts";
import {
  nl_get_u64,
  nla_get_u8,
  nla_nest_end,
  nla_nest_start,
  nla_parse_nested,
  nla_put_u8,
  nla_put_u32,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import { RTM_GETSTATS, RTM_SETSTATS } from "../../uapi/rtnetlink.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { printStats64, type Run, statsOf } from "./link_show.ts";
import { MORE_USAGE } from "./usage_more.ts";

/** One kind of counters: by which names it is chosen, where it is in a message, and how it looks. */
interface Kind {
  group: string;
  subgroup?: string;
  suite?: string;
  attr: number;
  /** Bits of the filter of the attribute's parts. */
  filter?: number;
  print?(ctx: Context, tb: NlAttrs): void;
}

const bit = (attr: number): number => 1 << (attr - 1);
const HW = bit(L.IFLA_OFFLOAD_XSTATS_HW_S_INFO);

function offload(tb: NlAttrs): NlAttrs {
  return nla_parse_nested(tb[L.IFLA_STATS_LINK_OFFLOAD_XSTATS]);
}

const onOff = (on: boolean): string => (on ? "on" : "off");

/** Whether the counters are wanted of the hardware, and whether it has them. */
function putUse(ctx: Context, key: string, of: NlAttrs): void {
  const l3 = nla_parse_nested(nla_parse_nested(of[L.IFLA_OFFLOAD_XSTATS_HW_S_INFO])[L.IFLA_OFFLOAD_XSTATS_L3_STATS]);
  const request = l3[L.IFLA_OFFLOAD_XSTATS_HW_S_INFO_REQUEST];
  const used = l3[L.IFLA_OFFLOAD_XSTATS_HW_S_INFO_USED];
  ctx.openObject(key);
  if (request !== undefined) ctx.put("request", nla_get_u8(request) !== 0, ` ${onOff(nla_get_u8(request) !== 0)}`);
  if (used !== undefined) ctx.put("used", nla_get_u8(used) !== 0, ` used ${onOff(nla_get_u8(used) !== 0)}`);
  ctx.closeObject();
}

const L3_ROWS = {
  rx: ["bytes", "packets", "errors", "dropped", "multicast"],
  tx: ["bytes", "packets", "errors", "dropped"],
} as const;
/** Order of struct rtnl_hw_stats64. */
const HW_STATS = ["packets", "bytes", "errors", "dropped"] as const;

function l3Value(a: NlAttr, row: "rx" | "tx", name: string): number {
  const i = name === "multicast" ? 8 : 2 * HW_STATS.indexOf(name as (typeof HW_STATS)[number]) + (row === "tx" ? 1 : 0);
  return nl_get_u64(a.dv, a.off + 8 * i);
}

function putL3(ctx: Context, a: NlAttr): void {
  if (ctx.json !== undefined) {
    ctx.openObject("stats64");
    for (const row of ["rx", "tx"] as const) {
      ctx.openObject(row);
      for (const name of L3_ROWS[row]) ctx.member(name, l3Value(a, row, name));
      ctx.closeObject();
    }
    ctx.closeObject();
    return;
  }
  const width = [5, 7, 6, 7, 7];
  for (const row of ["rx", "tx"] as const) {
    L3_ROWS[row].forEach((name, i) => {
      width[i] = Math.max(width[i], String(l3Value(a, row, name)).length - (i === 0 ? 4 : 0));
    });
  }
  for (const row of ["rx", "tx"] as const) {
    const names = L3_ROWS[row].map((n, i) => (n === "multicast" ? "mcast" : n).padStart(width[i]));
    const values = L3_ROWS[row].map((n, i) => `${String(l3Value(a, row, n)).padStart(width[i] + (i === 0 ? 4 : 0))} `);
    ctx.text(`${ctx.nl}    ${row.toUpperCase()}: ${names.join(" ")}${ctx.nl}    ${values.join("")}`);
  }
}

const xstats = (group: string, subgroup: string, suite: string, attr: number): Kind => ({
  group,
  subgroup,
  suite,
  attr,
});

/** In the order in which they are shown. */
const KINDS: readonly Kind[] = [
  { group: "afstats", subgroup: "mpls", attr: L.IFLA_STATS_AF_SPEC },
  {
    group: "link",
    attr: L.IFLA_STATS_LINK_64,
    print: (ctx, tb) => {
      const s = statsOf(tb[L.IFLA_STATS_LINK_64]);
      if (s !== undefined) printStats64(ctx, s, { more: ctx.opt.statistics > 0, changes: undefined, key: "stats64" });
    },
  },
  {
    group: "offload",
    subgroup: "l3_stats",
    attr: L.IFLA_STATS_LINK_OFFLOAD_XSTATS,
    filter: HW | bit(L.IFLA_OFFLOAD_XSTATS_L3_STATS),
    print: (ctx, tb) => {
      const of = offload(tb);
      putUse(ctx, "info", of);
      const l3 = of[L.IFLA_OFFLOAD_XSTATS_L3_STATS];
      if (l3 !== undefined && l3.len >= L.RTNL_HW_STATS64_LEN) putL3(ctx, l3);
    },
  },
  {
    group: "offload",
    subgroup: "hw_stats_info",
    attr: L.IFLA_STATS_LINK_OFFLOAD_XSTATS,
    filter: HW,
    print: (ctx, tb) => {
      ctx.openObject("info");
      ctx.text(`${ctx.nl}    l3_stats`);
      putUse(ctx, "l3_stats", offload(tb));
      ctx.closeObject();
    },
  },
  {
    group: "offload",
    subgroup: "cpu_hit",
    attr: L.IFLA_STATS_LINK_OFFLOAD_XSTATS,
    filter: bit(L.IFLA_OFFLOAD_XSTATS_CPU_HIT),
    print: (ctx) => ctx.text(ctx.nl),
  },
  xstats("xstats_slave", "bond", "802.3ad", L.IFLA_STATS_LINK_XSTATS_SLAVE),
  xstats("xstats", "bond", "802.3ad", L.IFLA_STATS_LINK_XSTATS),
  xstats("xstats_slave", "bridge", "mcast", L.IFLA_STATS_LINK_XSTATS_SLAVE),
  xstats("xstats_slave", "bridge", "stp", L.IFLA_STATS_LINK_XSTATS_SLAVE),
  xstats("xstats", "bridge", "mcast", L.IFLA_STATS_LINK_XSTATS),
  xstats("xstats", "bridge", "stp", L.IFLA_STATS_LINK_XSTATS),
];

function* print(run: Run, m: NlMsg, kinds: ReadonlySet<Kind>): Blocking<void> {
  const { ctx } = run;
  const tb = nlmsg_parse(m, L.IF_STATS_MSG_LEN);
  const index = m.dv.getInt32(m.off + 4, true);
  const name = yield* run.rtnl.indexToName(index);
  for (const k of KINDS) {
    if (!kinds.has(k)) continue;
    ctx.openObject();
    ctx.put("ifindex", index, `${index}:`);
    ctx.put("ifname", name, ` ${name}:`);
    ctx.put("group", k.group, ` group ${k.group}`);
    if (k.subgroup !== undefined) ctx.put("subgroup", k.subgroup, ` subgroup ${k.subgroup}`);
    if (k.suite !== undefined) ctx.put("suite", k.suite, ` suite ${k.suite}`);
    k.print?.(ctx, tb);
    ctx.text(ctx.nl);
    ctx.closeObject();
  }
}

/** Chooses by `group G [subgroup S [suite T] …] …`; what is not there is named. */
class Selection {
  private readonly chosen: Set<Kind> = new Set();
  private readonly ctx: Context;
  private group: string | undefined;
  private subgroup: string | undefined;
  /** What the last word chose; it stands unless the next one makes it narrower. */
  private last: readonly Kind[] = [];

  constructor(ctx: Context) {
    this.ctx = ctx;
  }

  choose(level: "group" | "subgroup" | "suite", name: string): void {
    const fail = (text: string): never => this.ctx.fail(`Error: ${text}\n`, 22);
    const want = `${level} ${name} requested`;
    if (level !== "group" && this.group === undefined) fail(`${want} without selecting a group first`);
    if (level === "suite" && this.subgroup === undefined) fail(`${want} without selecting a subgroup first`);
    const inGroup = KINDS.filter((k) => level === "group" || k.group === this.group);
    const among = level === "suite" ? inGroup.filter((k) => k.subgroup === this.subgroup) : inGroup;
    const parent = level === "group" ? "top-level" : level === "subgroup" ? this.group : this.subgroup;
    if (among.every((k) => k[level] === undefined)) {
      fail(`${want} inside leaf ${level === "subgroup" ? "group" : "subgroup"} ${parent}`);
    }
    const found = among.filter((k) => k[level] === name);
    if (found.length === 0) fail(`no ${level} named ${name} found inside ${parent}`);
    if (!found.every((k) => this.last.includes(k))) this.end();
    if (level === "group") this.group = name;
    if (level !== "suite") this.subgroup = level === "subgroup" ? name : undefined;
    this.last = found;
  }

  end(): ReadonlySet<Kind> {
    for (const k of this.last) this.chosen.add(k);
    return this.chosen;
  }
}

function* device(run: Run, name: string): Blocking<number> {
  const index = yield* run.rtnl.nameToIndex(name);
  if (index === 0) run.ctx.noDevice(name);
  return index;
}

function* show(run: Run, a: Args): Blocking<number> {
  const { ctx } = run;
  let dev: string | undefined;
  const selection = new Selection(ctx);
  let some = false;
  for (; a.more; a.skip()) {
    if (a.is("dev")) {
      a.next();
      if (dev !== undefined) ctx.garbage("dev", a.word);
      dev = a.word;
    } else if (a.is("group", "subgroup", "suite")) {
      const level = a.word as "group" | "subgroup" | "suite";
      selection.choose(level, a.next());
      some = true;
    } else unknown(ctx, a.word);
  }
  const kinds = some ? selection.end() : new Set(KINDS);
  const index = dev === undefined ? 0 : yield* device(run, dev);
  let mask = 0;
  let filter = 0;
  for (const k of kinds) {
    mask |= bit(k.attr);
    filter |= k.filter ?? 0;
  }
  const w = run.rtnl.request(RTM_GETSTATS, 0, L.IF_STATS_MSG_LEN);
  w.dv.setInt32(w.msg + 16 + 4, index, true);
  w.dv.setUint32(w.msg + 16 + 8, mask, true);
  if (filter !== 0 && some) {
    const nest = nla_nest_start(w, L.IFLA_STATS_GET_FILTERS);
    nla_put_u32(w, L.IFLA_STATS_LINK_OFFLOAD_XSTATS, filter);
    nla_nest_end(w, nest);
  }
  let found: NlMsg[];
  if (index === 0) found = yield* run.rtnl.dumpOrExit(w);
  else {
    const m = yield* run.rtnl.ask(w);
    if (m === undefined) return 2;
    found = [m];
  }
  ctx.startJson();
  for (const m of found) {
    yield* print(run, m, kinds);
    if (index === 0) ctx.text(ctx.nl);
  }
  ctx.endJson();
  return 0;
}

function* set(run: Run, a: Args): Blocking<number> {
  const { ctx } = run;
  let dev: string | undefined;
  let l3: number | undefined;
  for (; a.more; a.skip()) {
    if (a.is("dev")) {
      a.next();
      if (dev !== undefined) ctx.garbage("dev", a.word);
      dev = a.word;
    } else if (a.is("l3_stats")) {
      l3 = ["off", "on"].indexOf(a.next());
      if (l3 < 0) ctx.fail(`Error: argument of "l3_stats" must be one of "off", "on", not "${a.word}"\n`, 22);
    } else unknown(ctx, a.word);
  }
  if (dev === undefined) return ctx.fail('Not enough information: "dev" argument is required.\n', 255);
  if (l3 === undefined) return ctx.fail("Not enough information: stat type to toggle is required.\n", 255);
  const w = run.rtnl.request(RTM_SETSTATS, 0, L.IF_STATS_MSG_LEN);
  w.dv.setInt32(w.msg + 16 + 4, yield* device(run, dev), true);
  nla_put_u8(w, L.IFLA_STATS_SET_OFFLOAD_XSTATS_L3_STATS, l3);
  return (yield* run.rtnl.talk(w)) ? 0 : 2;
}

const unknown = (ctx: Context, word: string): never => ctx.fail(`What is "${word}"?\n${MORE_USAGE.stats}`, 22);

export function* stats(run: Run, a: Args): Blocking<number> {
  const { ctx } = run;
  if (!a.more || matches(a.word, "show")) return yield* show(run, a.tail());
  if (matches(a.word, "set")) return yield* set(run, a.tail());
  if (matches(a.word, "help")) ctx.fail(MORE_USAGE.stats, 0);
  return ctx.fail(`Command "${a.word}" is unknown, try "ip stats help".\n`, 1);
}
