// `ip ntable show`: the neighbour tables and their parameters.
// Read first: ip-ntable(8), uapi/neighbour.ts.

import * as N from "../../uapi/neighbour.ts";
import type { NlAttr, NlMsg } from "../../uapi/nlattr.ts";
import {
  nl_get_u64,
  nla_get_string,
  nla_get_u32,
  nla_get_u64,
  nla_parse_nested,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import { RTM_GETNEIGHTBL, RTM_NEWNEIGHTBL } from "../../uapi/rtnetlink.ts";
import { AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { familyName } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import type { Run } from "./link_show.ts";
import { NTABLE_USAGE } from "./usage.ts";

type Row = readonly [attr: number, label: string, bits: 32 | 64];

/** The lines of parameters that both the table's defaults and a device have. */
const PARMS: readonly (readonly Row[])[] = [
  [
    [N.NDTPA_REFCNT, "refcnt", 32],
    [N.NDTPA_REACHABLE_TIME, "reachable", 64],
    [N.NDTPA_BASE_REACHABLE_TIME, "base_reachable", 64],
    [N.NDTPA_RETRANS_TIME, "retrans", 64],
  ],
  [
    [N.NDTPA_GC_STALETIME, "gc_stale", 64],
    [N.NDTPA_DELAY_PROBE_TIME, "delay_probe", 64],
    [N.NDTPA_QUEUE_LEN, "queue", 32],
  ],
  [
    [N.NDTPA_APP_PROBES, "app_probes", 32],
    [N.NDTPA_UCAST_PROBES, "ucast_probes", 32],
    [N.NDTPA_MCAST_PROBES, "mcast_probes", 32],
  ],
  [
    [N.NDTPA_ANYCAST_DELAY, "anycast_delay", 64],
    [N.NDTPA_PROXY_DELAY, "proxy_delay", 64],
    [N.NDTPA_PROXY_QLEN, "proxy_queue", 32],
    [N.NDTPA_LOCKTIME, "locktime", 64],
  ],
];
const STATS: readonly (readonly string[])[] = [
  ["allocs", "destroys", "hash_grows"],
  ["res_failed", "lookups", "hits"],
  ["rcv_probes_mcast", "rcv_probes_ucast"],
  ["periodic_gc_runs", "forced_gc_runs"],
  ["table_fulls"],
];

/** "2026-11-20 12:01:25" of a moment so many milliseconds ago. */
function moment(ctx: Context, agoMs: number): string {
  const d = new Date(ctx.sys.clock_gettime(0) / 1e6 - agoMs);
  return d.toISOString().slice(0, 19).replace("T", " ");
}

function putConfig(ctx: Context, a: NlAttr): void {
  if (a.len < N.NDT_CONFIG_LEN) return;
  const u32 = (at: number): number => a.dv.getUint32(a.off + at, true);
  const num = (key: string, label: string, n: number): void => ctx.put(key, n, `${label} ${n} `);
  ctx.text("    config ");
  num("key_length", "key_len", a.dv.getUint16(a.off, true));
  num("entry_size", "entry_size", a.dv.getUint16(a.off + 2, true));
  num("entries", "entries", u32(4));
  ctx.text(ctx.nl);
  const flush = moment(ctx, u32(8));
  const rand = moment(ctx, u32(12));
  ctx.put("last_flush", flush, `        last_flush ${flush} `);
  ctx.put("last_rand", rand, `last_rand ${rand} `);
  ctx.text(ctx.nl);
  ctx.put("hash_rnd", u32(16), `        hash_rnd ${u32(16)} `);
  ctx.put("hash_mask", `0x${u32(20).toString(16)}`, `hash_mask ${u32(20).toString(16).padStart(8, "0")} `);
  num("hash_chain_gc", "hash_chain_gc", u32(24));
  num("proxy_qlen", "proxy_qlen", u32(28));
  ctx.text(ctx.nl);
}

function* print(run: Run, m: NlMsg): Blocking<void> {
  const ctx: Context = run.ctx;
  const tb = nlmsg_parse(m, N.NDTMSG_LEN);
  const parms = nla_parse_nested(tb[N.NDTA_PARMS]);
  ctx.openObject();
  const family = familyName(m.buf[m.off]);
  ctx.put("family", family, `${family} `);
  ctx.put("name", nla_get_string(tb[N.NDTA_NAME]), `${nla_get_string(tb[N.NDTA_NAME])} `);
  ctx.text(ctx.nl);
  const dev = parms[N.NDTPA_IFINDEX];
  if (dev !== undefined && nla_get_u32(dev) !== 0) {
    const name = yield* run.rtnl.indexToName(nla_get_u32(dev));
    ctx.put("dev", name, `    dev ${ctx.paint("ifname", `${name} `)}`);
    ctx.text(ctx.nl);
  }
  if (tb[N.NDTA_THRESH1] !== undefined) {
    ctx.text("    ");
    for (const [attr, label] of [
      [N.NDTA_THRESH1, "thresh1"],
      [N.NDTA_THRESH2, "thresh2"],
      [N.NDTA_THRESH3, "thresh3"],
    ] as const)
      if (tb[attr]) ctx.put(label, nla_get_u32(tb[attr]), `${label} ${nla_get_u32(tb[attr])} `);
    if (tb[N.NDTA_GC_INTERVAL])
      ctx.put("gc_interval", nla_get_u64(tb[N.NDTA_GC_INTERVAL]), `gc_int ${nla_get_u64(tb[N.NDTA_GC_INTERVAL])} `);
    ctx.text(ctx.nl);
  }
  if (tb[N.NDTA_CONFIG] && ctx.opt.statistics > 0) putConfig(ctx, tb[N.NDTA_CONFIG]);
  for (const row of PARMS) {
    if (tb[N.NDTA_PARMS] === undefined) break;
    ctx.text("    ");
    for (const [attr, label, bits] of row) {
      const a = parms[attr];
      if (a === undefined) continue;
      const n = bits === 64 ? nla_get_u64(a) : nla_get_u32(a);
      ctx.put(label, n, `${label} ${n} `);
    }
    ctx.text(ctx.nl);
  }
  const stats = tb[N.NDTA_STATS];
  if (stats !== undefined && ctx.opt.statistics > 0 && stats.len >= N.NDT_STATS_LEN) {
    let at = stats.off;
    STATS.forEach((row, i) => {
      ctx.text(i === 0 ? "    stats " : "    ");
      for (const label of row) {
        ctx.put(label, nl_get_u64(stats.dv, at), `${label} ${nl_get_u64(stats.dv, at)} `);
        at += 8;
      }
      ctx.text(ctx.nl);
    });
  }
  ctx.text("\n");
  ctx.closeObject();
}

function* show(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  let dev: string | undefined;
  let name: string | undefined;
  for (; a.more; a.skip()) {
    if (a.is("dev")) dev = a.next();
    else if (a.is("name")) name = a.next();
    else ctx.invalidArgument("unknown", a.word);
  }
  yield* rtnl.initMap();
  let index = 0;
  if (dev !== undefined && dev !== "none") {
    index = yield* rtnl.nameToIndex(dev);
    if (index === 0) ctx.invalidArgument(`"${dev}" is invalid`, dev);
  }
  const w = rtnl.request(RTM_GETNEIGHTBL, 0, N.NDTMSG_LEN);
  w.buf[w.msg + 16] = ctx.opt.family;
  const all = yield* rtnl.dumpOrExit(w);
  ctx.startJson();
  for (const m of all) {
    if (m.type !== RTM_NEWNEIGHTBL || m.len < N.NDTMSG_LEN) continue;
    const tb = nlmsg_parse(m, N.NDTMSG_LEN);
    if (ctx.opt.family !== AF_UNSPEC && m.buf[m.off] !== ctx.opt.family) continue;
    if (name !== undefined && nla_get_string(tb[N.NDTA_NAME]) !== name) continue;
    const of = nla_get_u32(nla_parse_nested(tb[N.NDTA_PARMS])[N.NDTPA_IFINDEX]);
    if (dev === "none" ? of !== 0 : index !== 0 && of !== index) continue;
    yield* print(run, m);
  }
  ctx.endJson();
  return 0;
}

export function* ntable(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a);
  const word = a.word;
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) return yield* show(run, a.tail());
  if (matches(word, "help")) ctx.fail(NTABLE_USAGE, 255);
  if (matches(word, "change") || word === "chg") ctx.fail("ip ntable change is not supported here.\n", 1);
  return ctx.fail(`Command "${word}" is unknown, try "ip ntable help".\n`, 255);
}
