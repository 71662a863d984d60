// The tc program of iproute2 6.1, over rtnetlink: qdiscs, and what there is of classes and filters.
// Read first: tc(8), qdiscs.ts. Way in: tc(sys, argv).

import { strerror } from "../../uapi/errno.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import type { NlAttrs, NlMsg } from "../../uapi/nlattr.ts";
import {
  nl_get_u64,
  nla_get_string,
  nla_get_u8,
  nla_parse_nested,
  nla_put_flag,
  nla_put_string,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import * as S from "../../uapi/pkt_sched.ts";
import {
  RTM_DELQDISC,
  RTM_GETQDISC,
  RTM_GETTCLASS,
  RTM_GETTFILTER,
  RTM_NEWQDISC,
  RTM_NEWTCLASS,
  RTM_NEWTFILTER,
} from "../../uapi/rtnetlink.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { runBatch } from "../iproute/batch.ts";
import type { Context } from "../iproute/context.ts";
import { Args, matches } from "../iproute/context.ts";
import { runProgram } from "../iproute/program.ts";
import type { Netlink } from "../iproute/rtnl.ts";
import { openNetlink } from "../iproute/rtnl.ts";
import { QDISCS } from "./qdiscs.ts";
import { formatClassId, formatRate, parseClassId, parseHandle } from "./units.ts";
import { CLASS_USAGE, FILTER_USAGE, QDISC_USAGE, TC_USAGE } from "./usage.ts";

interface Run {
  ctx: Context;
  rtnl: Netlink;
}

const INGRESS_HANDLE = 0xffff0000;
const MIN_INGRESS = 0xfffffff2;
const MIN_EGRESS = 0xfffffff3;
/** Kinds whose options are an empty nest when none are given. */
const EMPTY_OPTIONS = ["fq_codel", "fq", "codel", "pie", "sfb", "cake"];

// --- statistics ----------------------------------------------------------------------------------------------------

function printStatistics(ctx: Context, tb: NlAttrs): void {
  const st = nla_parse_nested(tb[S.TCA_STATS2]);
  const basic = st[S.TCA_STATS_BASIC];
  if (basic !== undefined && basic.len >= 12) {
    const bytes = nl_get_u64(basic.dv, basic.off);
    const wide = st[S.TCA_STATS_PKT64];
    const packets =
      wide !== undefined && wide.len >= 8 ? nl_get_u64(wide.dv, wide.off) : basic.dv.getUint32(basic.off + 8, true);
    ctx.put("bytes", bytes, ` Sent ${bytes} bytes`);
    ctx.put("packets", packets, ` ${packets} pkt`);
  }
  const queue = st[S.TCA_STATS_QUEUE];
  const q = (i: number): number =>
    queue !== undefined && queue.len >= S.GNET_STATS_QUEUE_LEN ? queue.dv.getUint32(queue.off + 4 * i, true) : 0;
  if (queue !== undefined) {
    ctx.put("drops", q(2), ` (dropped ${q(2)}`);
    ctx.put("overlimits", q(4), `, overlimits ${q(4)}`);
    ctx.put("requeues", q(3), ` requeues ${q(3)}) `);
  }
  const est64 = st[S.TCA_STATS_RATE_EST64];
  const est = st[S.TCA_STATS_RATE_EST];
  let rate: [number, number] | undefined;
  if (est64 !== undefined && est64.len >= 16)
    rate = [nl_get_u64(est64.dv, est64.off), nl_get_u64(est64.dv, est64.off + 8)];
  else if (est !== undefined && est.len >= 8)
    rate = [est.dv.getUint32(est.off, true), est.dv.getUint32(est.off + 4, true)];
  if (rate !== undefined) {
    ctx.text("\n");
    ctx.put("rate", rate[0], ` rate ${formatRate(rate[0], ctx.opt.iec)}`);
    ctx.put("pps", rate[1], ` ${rate[1]}pps`);
  }
  if (queue !== undefined) {
    // Only the 32-bit estimate shares a line with the backlog.
    if (rate === undefined || est64 !== undefined) ctx.text(ctx.nl);
    ctx.put("backlog", q(1), ` backlog ${formatBacklog(q(1))}`);
    ctx.put("qlen", q(0), ` ${q(0)}p`);
    ctx.text(` requeues ${q(3)}`);
  }
}
const formatBacklog = (bytes: number): string => `${bytes}b`;

// --- qdisc ---------------------------------------------------------------------------------------------------------

interface Filter {
  index: number;
  parent: number;
  handle: number;
}

function* printQdisc(run: Run, m: NlMsg, f: Filter): Blocking<void> {
  const { ctx, rtnl } = run;
  if (m.len < S.TCMSG_LEN) return;
  const tb = nlmsg_parse(m, S.TCMSG_LEN);
  const u32 = (at: number): number => m.dv.getUint32(m.off + at, true);
  const index = m.dv.getInt32(m.off + S.TCMSG_IFINDEX, true);
  const handle = u32(S.TCMSG_HANDLE);
  const parent = u32(S.TCMSG_PARENT);
  const refcnt = u32(S.TCMSG_INFO);
  if (f.index !== 0 && f.index !== index) return;
  if (f.handle !== 0 && f.handle !== handle) return;
  if (f.parent !== 0 && f.parent !== parent) return;
  if (tb[S.TCA_KIND] === undefined) {
    ctx.error("print_qdisc: NULL kind\n");
    return;
  }
  const kind = nla_get_string(tb[S.TCA_KIND]);
  ctx.openObject();
  if (m.type === RTM_DELQDISC) ctx.put("deleted", true, "deleted ");
  ctx.put("kind", kind, `qdisc ${kind} `);
  const major = (handle >>> 16).toString(16);
  ctx.put("handle", `${major}:`, `${major}: `);
  if (f.index === 0) {
    const name = yield* rtnl.indexToName(index);
    ctx.put("dev", name, `dev ${name} `);
  }
  if (parent === S.TC_H_ROOT) ctx.put("root", true, "root ");
  else if (parent !== 0) {
    const text = formatClassId(parent);
    ctx.put("parent", text, `parent ${text} `);
  }
  if (refcnt !== 1) ctx.put("refcnt", refcnt, `refcnt ${refcnt} `);
  if (tb[S.TCA_HW_OFFLOAD] !== undefined && nla_get_u8(tb[S.TCA_HW_OFFLOAD]) !== 0)
    ctx.put("offloaded", true, "offloaded ");
  ctx.openObject("options");
  const options = tb[S.TCA_OPTIONS];
  const known = QDISCS[kind];
  if (known?.print !== undefined) {
    if (options !== undefined) known.print(ctx, kind, options);
    else if (kind === "ingress") ctx.text("---------------- ");
  } else if (known === undefined && options !== undefined && options.len > 0)
    ctx.text(`[Unknown qdisc, optlen=${options.len}] `);
  ctx.closeObject();
  ctx.text(ctx.nl);
  if (ctx.opt.statistics > 0 && tb[S.TCA_STATS2] !== undefined) {
    printStatistics(ctx, tb);
    ctx.text(ctx.nl);
  }
  ctx.closeObject();
}

function* deviceIndex(run: Run, name: string): Blocking<number> {
  yield* run.rtnl.initMap();
  const index = yield* run.rtnl.nameToIndex(name);
  if (index === 0) run.ctx.noDevice(name);
  return index;
}

function* showQdiscs(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const f: Filter = { index: 0, parent: 0, handle: 0 };
  let dev: string | undefined;
  let invisible = false;
  const parent = (n: number): void => {
    if (f.parent !== 0) ctx.fail("Error: only one of parent/root/ingress/clsact can be specified\n", 255);
    f.parent = n;
  };
  for (; a.more; a.skip()) {
    if (a.is("dev")) dev = a.next();
    else if (a.is("root")) parent(S.TC_H_ROOT);
    else if (a.is("ingress", "clsact")) parent(S.TC_H_INGRESS);
    else if (a.matches("parent")) {
      const n = parseClassId(a.next());
      if (n === undefined) ctx.invalidArgument("invalid parent ID", a.word);
      parent(n);
    } else if (a.matches("handle")) {
      const n = parseHandle(a.next());
      if (n === undefined) ctx.invalidArgument("invalid qdisc ID", a.word);
      f.handle = n;
    } else if (a.is("invisible")) invisible = true;
    else if (a.matches("help")) ctx.fail(QDISC_USAGE, 0);
    else ctx.fail(`What is "${a.word}"? Try "tc qdisc help".\n`, 255);
  }
  yield* run.rtnl.initMap();
  if (dev !== undefined) f.index = yield* deviceIndex(run, dev);
  const w = run.rtnl.request(RTM_GETQDISC, 0, S.TCMSG_LEN);
  w.dv.setInt32(w.msg + 16 + S.TCMSG_IFINDEX, f.index, true);
  if (invisible) nla_put_flag(w, S.TCA_DUMP_INVISIBLE);
  const all = yield* run.rtnl.dumpOrExit(w);
  ctx.startJson();
  for (const m of all) if (m.type === RTM_NEWQDISC) yield* printQdisc(run, m, f);
  ctx.endJson();
  return 0;
}

function* modifyQdisc(run: Run, a: Args, command: number, flags: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const w = run.rtnl.request(command, flags, S.TCMSG_LEN);
  const at = w.msg + 16;
  let dev: string | undefined;
  let handle = 0;
  let parent = 0;
  let haveHandle = false;
  let kind: string | undefined;
  const setParent = (word: string, n: number): void => {
    if (parent !== 0) {
      if (word === "parent") ctx.duplicate("parent", a.word);
      ctx.fail(`Error: "${word}" is duplicate parent ID\n`, 255);
    }
    parent = n;
  };
  for (; a.more; a.skip()) {
    if (a.is("dev")) {
      a.next();
      if (dev !== undefined) ctx.duplicate("dev", a.word);
      dev = a.word;
    } else if (a.is("handle")) {
      a.next();
      if (haveHandle) ctx.duplicate("handle", a.word);
      const n = parseHandle(a.word);
      if (n === undefined) ctx.invalidArgument("invalid qdisc ID", a.word);
      handle = n;
      haveHandle = true;
    } else if (a.is("root")) setParent("root", S.TC_H_ROOT);
    else if (a.is("clsact", "ingress")) {
      setParent(a.word, S.TC_H_INGRESS);
      kind = a.word;
      handle = INGRESS_HANDLE;
      a.skip();
      break;
    } else if (a.is("parent")) {
      const n = parseClassId(a.next());
      if (n === undefined) ctx.invalidArgument("invalid parent ID", a.word);
      setParent("parent", n);
    } else if (a.matches("estimator") || a.matches("stab")) ctx.fail(`tc qdisc ${a.word} is not supported here.\n`, 1);
    else if (a.matches("help")) ctx.fail(QDISC_USAGE, 0);
    else {
      kind = a.word;
      a.skip();
      break;
    }
  }
  w.dv.setUint32(at + S.TCMSG_HANDLE, handle, true);
  w.dv.setUint32(at + S.TCMSG_PARENT, parent, true);
  if (kind !== undefined) {
    nla_put_string(w, S.TCA_KIND, kind);
    const q = QDISCS[kind];
    if (q?.parse !== undefined) q.parse(ctx, kind, a, w);
    else if (a.more && !a.is("help")) {
      if (q === undefined) ctx.fail(`Unknown qdisc "${kind}", hence option "${a.word}" is unparsable\n`, 1);
      ctx.fail(`qdisc '${kind}' does not support option parsing\n`, 255);
    } else if (EMPTY_OPTIONS.includes(kind)) nla_put_flag(w, S.TCA_OPTIONS);
  }
  if (dev !== undefined) w.dv.setInt32(at + S.TCMSG_IFINDEX, yield* deviceIndex(run, dev), true);
  return (yield* run.rtnl.talk(w)) ? 0 : 2;
}

function* qdisc(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* showQdiscs(run, a);
  const word = a.word;
  const rest = a.tail();
  const set = (command: number, flags: number): Blocking<number> => modifyQdisc(run, rest, command, flags);
  if (matches(word, "add")) return yield* set(RTM_NEWQDISC, NLM_F_EXCL | NLM_F_CREATE);
  if (matches(word, "change")) return yield* set(RTM_NEWQDISC, 0);
  if (matches(word, "replace")) return yield* set(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_REPLACE);
  if (matches(word, "link")) return yield* set(RTM_NEWQDISC, NLM_F_REPLACE);
  if (matches(word, "delete")) return yield* set(RTM_DELQDISC, 0);
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst") || matches(word, "ls"))
    return yield* showQdiscs(run, rest);
  if (matches(word, "help")) ctx.fail(QDISC_USAGE, 0);
  return ctx.fail(`Command "${word}" is unknown, try "tc qdisc help".\n`, 255);
}

// --- class and filter ----------------------------------------------------------------------------------------------

function* tclass(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const word = a.more ? a.word : "show";
  if (matches(word, "help")) ctx.fail(CLASS_USAGE, 0);
  if (!["show", "list", "ls"].some((s) => matches(word, s))) {
    if (["add", "delete", "change", "replace"].some((s) => matches(word, s)))
      ctx.fail(`tc class ${word} is not supported here.\n`, 1);
    ctx.fail(`Command "${word}" is unknown, try "tc class help".\n`, 255);
  }
  let index = 0;
  let parent = 0;
  for (const rest = a.tail(); rest.more; rest.skip()) {
    if (rest.is("dev")) index = yield* deviceIndex(run, rest.next());
    else if (rest.is("root")) parent = S.TC_H_ROOT;
    else if (rest.is("parent"))
      parent = parseClassId(rest.next()) ?? ctx.invalidArgument("invalid parent ID", rest.word);
    else ctx.fail(`What is "${rest.word}"? Try "tc class help".\n`, 255);
  }
  yield* rtnl.initMap();
  const w = rtnl.request(RTM_GETTCLASS, 0, S.TCMSG_LEN);
  w.dv.setInt32(w.msg + 16 + S.TCMSG_IFINDEX, index, true);
  w.dv.setUint32(w.msg + 16 + S.TCMSG_PARENT, parent, true);
  for (const m of yield* rtnl.dumpOrExit(w)) {
    if (m.type !== RTM_NEWTCLASS || m.len < S.TCMSG_LEN) continue;
    const tb = nlmsg_parse(m, S.TCMSG_LEN);
    const handle = m.dv.getUint32(m.off + S.TCMSG_HANDLE, true);
    const of = m.dv.getUint32(m.off + S.TCMSG_PARENT, true);
    const leaf = m.dv.getUint32(m.off + S.TCMSG_INFO, true);
    let text = `class ${nla_get_string(tb[S.TCA_KIND])} ${formatClassId(handle)} `;
    if (index === 0) text += `dev ${yield* rtnl.indexToName(m.dv.getInt32(m.off + S.TCMSG_IFINDEX, true))} `;
    text += of === S.TC_H_ROOT ? "root " : of === 0 ? "" : `parent ${formatClassId(of)} `;
    // What this prints has no JSON form in 6.1 either.
    if (leaf !== 0) text += `leaf ${(leaf >>> 16).toString(16)}: `;
    ctx.raw(`${text}\n`);
    if (ctx.opt.statistics === 0) continue;
    printStatistics(ctx, tb);
    ctx.raw("\n");
  }
  return 0;
}

function* tfilter(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const word = a.more ? a.word : "show";
  if (matches(word, "help")) ctx.fail(FILTER_USAGE, 0);
  if (!["show", "list", "ls"].some((s) => matches(word, s))) {
    if (["add", "delete", "change", "replace", "get"].some((s) => matches(word, s)))
      ctx.fail(`tc filter ${word} is not supported here.\n`, 1);
    ctx.fail(`Command "${word}" is unknown, try "tc filter help".\n`, 255);
  }
  let index = 0;
  let parent = 0;
  for (const rest = a.tail(); rest.more; rest.skip()) {
    if (rest.is("dev")) index = yield* deviceIndex(run, rest.next());
    else if (rest.is("root")) parent = S.TC_H_ROOT;
    else if (rest.is("ingress")) parent = MIN_INGRESS;
    else if (rest.is("egress")) parent = MIN_EGRESS;
    else if (rest.is("parent"))
      parent = parseClassId(rest.next()) ?? ctx.invalidArgument("invalid parent ID", rest.word);
    else ctx.fail(`What is "${rest.word}"? Try "tc filter help".\n`, 255);
  }
  yield* rtnl.initMap();
  const w = rtnl.request(RTM_GETTFILTER, 0, S.TCMSG_LEN);
  w.dv.setInt32(w.msg + 16 + S.TCMSG_IFINDEX, index, true);
  w.dv.setUint32(w.msg + 16 + S.TCMSG_PARENT, parent, true);
  for (const m of yield* rtnl.dumpOrExit(w)) {
    if (m.type !== RTM_NEWTFILTER || m.len < S.TCMSG_LEN) continue;
    const tb = nlmsg_parse(m, S.TCMSG_LEN);
    const of = m.dv.getUint32(m.off + S.TCMSG_PARENT, true);
    const pref = m.dv.getUint32(m.off + S.TCMSG_INFO, true) >>> 16;
    ctx.raw(`filter parent ${formatClassId(of)} pref ${pref} ${nla_get_string(tb[S.TCA_KIND])} \n`);
  }
  return 0;
}

// --- the program ---------------------------------------------------------------------------------------------------

function* runObject(run: Run, words: string[]): Blocking<number> {
  const ctx: Context = run.ctx;
  const a = new Args(ctx, words.slice(1));
  const word = words[0];
  if (matches(word, "qdisc")) return yield* qdisc(run, a);
  if (matches(word, "class")) return yield* tclass(run, a);
  if (matches(word, "filter")) return yield* tfilter(run, a);
  for (const missing of ["chain", "actions", "monitor", "exec"])
    if (matches(word, missing)) ctx.fail(`Object "${missing}" is not supported here.\n`, 1);
  if (matches(word, "help")) ctx.fail(TC_USAGE, 0);
  return ctx.fail(`Object "${word}" is unknown, try "tc help".\n`, 255);
}

function* main(ctx: Context, argv: string[]): Blocking<number> {
  const { opt } = ctx;
  let i = 1;
  for (; i < argv.length && argv[i].startsWith("-"); i++) {
    const o = argv[i].startsWith("--") ? argv[i].slice(1) : argv[i];
    const is = (full: string): boolean => o.length > 1 && full.startsWith(o);
    if (is("-stats") || is("-statistics")) opt.statistics++;
    else if (is("-details")) opt.details++;
    else if (is("-raw")) continue;
    else if (is("-pretty")) opt.pretty = true;
    else if (is("-Version")) {
      ctx.raw("tc utility, iproute2-6.1.0, libbpf 1.1.2\n");
      return 0;
    } else if (is("-iec")) opt.iec = true;
    else if (is("-help")) ctx.fail(TC_USAGE, 0);
    else if (is("-force")) opt.force = true;
    else if (is("-batch")) {
      i++;
      if (i >= argv.length) ctx.incomplete();
      opt.batch = argv[i];
    } else if (is("-netns")) {
      i++;
      if (i >= argv.length) ctx.incomplete();
      const err = ctx.sys.setns(argv[i]);
      if (err < 0) ctx.fail(`Cannot open network namespace "${argv[i]}": ${strerror(err)}\n`, 255);
    } else if (is("-Numeric")) opt.numeric = true;
    else if (is("-names") || o === "-nm") continue;
    else if (/^-c(o(l(o(r)?)?)?)?(=.*)?$/.test(o)) continue;
    else if (is("-json")) opt.json = true;
    else if (is("-oneline")) opt.oneline = true;
    else if (is("-brief")) opt.brief = true;
    else ctx.fail(`Option "${o}" is unknown, try "tc -help".\n`, 255);
  }
  const words = argv.slice(i);
  if (opt.batch === undefined && words.length === 0) ctx.fail(TC_USAGE, 0);
  const run: Run = { ctx, rtnl: openNetlink(ctx) };
  try {
    if (opt.batch !== undefined) return yield* runBatch(ctx, opt.batch, (line) => runObject(run, line));
    return yield* runObject(run, words);
  } finally {
    run.rtnl.close();
  }
}

export const tc: Program = function* tc(sys, argv) {
  return yield* runProgram(sys, argv, "tc", main);
};
