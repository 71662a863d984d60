// `ip tcp_metrics`: what TCP remembers of its peers. Read first: ip-tcp_metrics(8), uapi/genetlink.ts.

import * as G from "../../uapi/genetlink.ts";
import { NETLINK_GENERIC, NLM_F_REQUEST } from "../../uapi/netlink.ts";
import {
  type NlMsg,
  NlMsgWriter,
  nla_data,
  nla_get_u16,
  nla_get_u32,
  nla_get_u64,
  nla_parse_nested,
  nla_put,
  nla_put_string,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import { AF_INET, AF_INET6 } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { addressBits, formatAddress, type Prefix, parsePrefix } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { type Netlink, openNetlink } from "../iproute/rtnl.ts";
import { appendCopy } from "./flush.ts";
import type { Run } from "./link_show.ts";
import { MORE_USAGE } from "./usage_more.ts";

interface Filter {
  family: number;
  daddr: Prefix | undefined;
  saddr: Prefix | undefined;
}

/** What of a peer a message says. */
interface Peer {
  family: number;
  address: Uint8Array;
  source: Uint8Array | undefined;
}

function peerOf(m: NlMsg): Peer | undefined {
  const tb = nlmsg_parse(m, G.GENL_HDRLEN);
  const four = tb[G.TCP_METRICS_ATTR_ADDR_IPV4];
  const a = four ?? tb[G.TCP_METRICS_ATTR_ADDR_IPV6];
  if (a === undefined) return undefined;
  const s = tb[four !== undefined ? G.TCP_METRICS_ATTR_SADDR_IPV4 : G.TCP_METRICS_ATTR_SADDR_IPV6];
  return {
    family: four !== undefined ? AF_INET : AF_INET6,
    address: nla_data(a),
    source: s === undefined ? undefined : nla_data(s),
  };
}

function within(p: Prefix, bytes: Uint8Array): boolean {
  for (let i = 0; i < p.bits; i++) if (((p.bytes[i >> 3] ^ bytes[i >> 3]) >> (7 - (i & 7))) & 1) return false;
  return true;
}

function passes(f: Filter, m: NlMsg): boolean {
  const p = peerOf(m);
  if (p === undefined || (f.family !== 0 && f.family !== p.family)) return false;
  const fits = (want: Prefix | undefined, bytes: Uint8Array | undefined): boolean =>
    want === undefined || want.bits <= 0 || (bytes !== undefined && within(want, bytes));
  return fits(f.daddr, p.address) && fits(f.saddr, p.source);
}

const NAMES: readonly (readonly [number, string])[] = [
  [G.TCP_METRIC_SSTHRESH, "ssthresh"],
  [G.TCP_METRIC_CWND, "cwnd"],
  [G.TCP_METRIC_REORDERING, "reordering"],
];

function print(ctx: Context, m: NlMsg): void {
  const p = peerOf(m)!;
  const tb = nlmsg_parse(m, G.GENL_HDRLEN);
  const text = (bytes: Uint8Array): string => formatAddress(p.family, bytes);
  const seconds = (attr: number): number => nla_get_u64(tb[attr]) / 1000;
  ctx.openObject();
  ctx.put("dst", text(p.address), text(p.address));
  if (tb[G.TCP_METRICS_ATTR_AGE] !== undefined) {
    const age = seconds(G.TCP_METRICS_ATTR_AGE);
    ctx.put("age", age, ` age ${age.toFixed(3)}sec`);
  }
  const vals = nla_parse_nested(tb[G.TCP_METRICS_ATTR_VALS]);
  const val = (metric: number): number => nla_get_u32(vals[metric + 1]);
  for (const [metric, name] of NAMES) if (val(metric) !== 0) ctx.put(name, val(metric), ` ${name} ${val(metric)}`);
  // An old kernel has milliseconds only.
  const rtt = val(G.TCP_METRIC_RTT_US) || val(G.TCP_METRIC_RTT) * 1000;
  const rttvar = val(G.TCP_METRIC_RTTVAR_US) || val(G.TCP_METRIC_RTTVAR) * 1000;
  for (const [name, us] of [
    ["rtt", rtt >>> 3],
    ["rttvar", rttvar >>> 2],
  ] as const) {
    if (us !== 0) ctx.put(name, Number((us / 1e6).toPrecision(6)), ` ${name} ${us}us`);
  }
  const mss = tb[G.TCP_METRICS_ATTR_FOPEN_MSS];
  if (mss !== undefined) ctx.put("fopen_miss", nla_get_u16(mss), ` fo_mss ${nla_get_u16(mss)}`);
  const drops = tb[G.TCP_METRICS_ATTR_FOPEN_SYN_DROPS];
  if (drops !== undefined) {
    const n = nla_get_u16(drops);
    const ago = seconds(G.TCP_METRICS_ATTR_FOPEN_SYN_DROP_TS);
    ctx.put("fopen_syn_drops", n, ` fo_syn_drops ${n}`);
    ctx.put("fopen_syn_drop_ts", ago, `/${ago.toFixed(3)}sec ago`);
  }
  const cookie = tb[G.TCP_METRICS_ATTR_FOPEN_COOKIE];
  if (cookie !== undefined) {
    const hex = [...nla_data(cookie)].map((b) => b.toString(16).padStart(2, "0")).join("");
    ctx.put("fo_cookie", hex, ` fo_cookie ${hex}`);
  }
  if (p.source !== undefined) ctx.put("source", text(p.source), ` source ${text(p.source)}`);
  ctx.text("\n");
  ctx.closeObject();
}

/** The selector. As in iproute2 6.1, the word behind an address is not looked at. */
function parse(ctx: Context, a: Args): Filter {
  const f: Filter = { family: ctx.opt.family, daddr: undefined, saddr: undefined };
  const specific = (p: Prefix, word: string): void => {
    if (p.bits > 0 && p.bits !== addressBits(p.family)) {
      ctx.fail(`Error: a specific IP address is expected rather than "${word}"\n`, 1);
    }
  };
  for (; a.more; a.skip()) {
    if (a.is("src", "source")) {
      a.next();
      f.saddr = parsePrefix(ctx, a.word, f.family);
      specific(f.saddr, a.word);
    } else {
      if (a.matches("address")) a.next();
      if (f.daddr !== undefined && f.daddr.bits > 0) ctx.garbage("address", a.word);
      f.daddr = parsePrefix(ctx, a.word, f.family);
      a.skip();
    }
  }
  return f;
}

function* familyId(ctx: Context, genl: Netlink): Blocking<number> {
  const w = genl.request(G.GENL_ID_CTRL, 0, G.GENL_HDRLEN);
  w.buf[w.msg + 16] = G.CTRL_CMD_GETFAMILY;
  nla_put_string(w, G.CTRL_ATTR_FAMILY_NAME, G.TCP_METRICS_GENL_NAME);
  const m = yield* genl.ask(w);
  if (m === undefined) return ctx.fail("Error talking to the kernel\n", 1);
  return nla_get_u16(nlmsg_parse(m, G.GENL_HDRLEN)[G.CTRL_ATTR_FAMILY_ID]);
}

function command(genl: Netlink, id: number, cmd: number): NlMsgWriter {
  const w = genl.request(id, 0, G.GENL_HDRLEN);
  w.buf[w.msg + 16] = cmd;
  w.buf[w.msg + 17] = G.TCP_METRICS_GENL_VERSION;
  return w;
}

function putAddresses(w: NlMsgWriter, f: Filter): void {
  const four = f.daddr?.family === AF_INET;
  if (f.daddr !== undefined) {
    nla_put(w, four ? G.TCP_METRICS_ATTR_ADDR_IPV4 : G.TCP_METRICS_ATTR_ADDR_IPV6, f.daddr.bytes);
  }
  if (f.saddr !== undefined && f.saddr.bits > 0) {
    const source = f.saddr.family === AF_INET ? G.TCP_METRICS_ATTR_SADDR_IPV4 : G.TCP_METRICS_ATTR_SADDR_IPV6;
    nla_put(w, source, f.saddr.bytes);
  }
}

/** Deletes what passes, and looks again until nothing is left. */
function* flush(ctx: Context, genl: Netlink, id: number, f: Filter): Blocking<number> {
  for (let round = 0; ; ) {
    const all = yield* genl.dumpOrExit(command(genl, id, G.TCP_METRICS_CMD_GET));
    const doomed = all.filter((m) => passes(f, m));
    if (doomed.length === 0) {
      if (round === 0) ctx.error("Nothing to flush.\n");
      else if (ctx.opt.statistics > 0) {
        ctx.raw(`*** Flush is complete after ${round} round${round > 1 ? "s" : ""} ***\n`);
      }
      return 0;
    }
    round++;
    const w = new NlMsgWriter(4096);
    for (const m of doomed) {
      m.buf[m.off] = G.TCP_METRICS_CMD_DEL;
      appendCopy({ ctx, rtnl: genl }, w, m, id, NLM_F_REQUEST);
    }
    const sent = yield* genl.send(w);
    if (sent < 0) ctx.fail(`Failed to send flush request\n: ${sent}\n`, 1);
    if (ctx.opt.statistics > 0) ctx.raw(`\n*** Round ${round}, deleting ${doomed.length} entries ***\n`);
  }
}

/** One address, and not "any" or a part of the net. */
const isHost = (p: Prefix | undefined): p is Prefix =>
  p !== undefined && p.bits > 0 && p.bits === addressBits(p.family);

function* show(ctx: Context, genl: Netlink, id: number, f: Filter): Blocking<number> {
  const w = command(genl, id, G.TCP_METRICS_CMD_GET);
  let found: NlMsg[];
  if (isHost(f.daddr)) {
    putAddresses(w, f);
    const m = yield* genl.ask(w);
    if (m === undefined) return 2;
    found = [m];
  } else found = yield* genl.dumpOrExit(w);
  ctx.startJson();
  for (const m of found) if (passes(f, m)) print(ctx, m);
  ctx.endJson();
  return 0;
}

export function* tcpMetrics(run: Run, a: Args): Blocking<number> {
  const { ctx } = run;
  const shows = !a.more || ["show", "lst", "list"].some((l) => matches(a.word, l));
  const deletes = matches(a.word, "delete");
  const flushes = matches(a.word, "flush");
  if (matches(a.word, "help")) ctx.fail(MORE_USAGE.tcp_metrics, 255);
  if (!shows && !deletes && !flushes) ctx.fail(`Command "${a.word}" is unknown, try "ip tcp_metrics help".\n`, 255);
  const word = a.following;
  const f = parse(ctx, a.tail());
  if (deletes) {
    if (f.daddr === undefined || f.daddr.bits <= 0) ctx.missingArgument("address");
    else if (!isHost(f.daddr)) {
      ctx.fail(`Error: a specific IP address is expected rather than "${word}"\n`, 1);
    }
  }
  const genl = openNetlink(ctx, NETLINK_GENERIC);
  try {
    const id = yield* familyId(ctx, genl);
    if (shows) return yield* show(ctx, genl, id, f);
    const everything = (f.daddr === undefined || f.daddr.bits <= 0) && f.saddr === undefined;
    if (flushes && !everything && !isHost(f.daddr)) return yield* flush(ctx, genl, id, f);
    const w = command(genl, id, G.TCP_METRICS_CMD_DEL);
    if (!everything) putAddresses(w, f);
    return (yield* genl.talk(w)) ? 0 : 2;
  } finally {
    genl.close();
  }
}
