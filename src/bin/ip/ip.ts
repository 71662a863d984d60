// The ip program of iproute2 6.1, over rtnetlink: options, objects and batches.
// Read first: ip(8), ../iproute/rtnl.ts. Way in: ip(sys, argv).

import { strerror } from "../../uapi/errno.ts";
import { AF_INET, AF_INET6, AF_PACKET } from "../../uapi/socket.ts";
import type { Blocking, Program } from "../../uapi/sys.ts";
import { AF_BRIDGE, AF_MPLS, FAMILY_NAMES, parseInteger } from "../iproute/addr.ts";
import { runBatch } from "../iproute/batch.ts";
import type { Context } from "../iproute/context.ts";
import { Args, matches } from "../iproute/context.ts";
import { runProgram } from "../iproute/program.ts";
import { openNetlink } from "../iproute/rtnl.ts";
import { generic, mroute, onlyHelp, vrf, xfrm } from "./absent.ts";
import { address } from "./address.ts";
import { link } from "./link.ts";
import type { Run } from "./link_show.ts";
import { maddress } from "./maddress.ts";
import { monitor } from "./monitor.ts";
import { neigh } from "./neigh.ts";
import { netconf } from "./netconf.ts";
import { netns } from "./netns.ts";
import { nexthop } from "./nexthop.ts";
import { ntable } from "./ntable.ts";
import { route } from "./route.ts";
import { mrule, rule } from "./rule.ts";
import { stats } from "./stats.ts";
import { tcpMetrics } from "./tcp_metrics.ts";
import { tunnel, tuntap } from "./tunnel.ts";
import { IP_USAGE } from "./usage.ts";

type Command = (run: Run, a: Args) => Blocking<number>;

/** In the order in which abbreviations are looked up. */
const OBJECTS: readonly (readonly [string, Command])[] = [
  ["address", address],
  ["addrlabel", onlyHelp("addrlabel")],
  ["maddress", maddress],
  ["route", route],
  ["rule", rule],
  ["neighbor", neigh],
  ["neighbour", neigh],
  ["ntable", ntable],
  ["ntbl", ntable],
  ["link", link],
  ["l2tp", generic("l2tp", "l2tp")],
  ["fou", generic("fou", "fou")],
  ["ila", generic("ila", "ila")],
  ["macsec", generic("macsec", "macsec")],
  ["tunnel", tunnel],
  ["tunl", tunnel],
  ["tuntap", tuntap],
  ["tap", tuntap],
  ["token", onlyHelp("token")],
  ["tcpmetrics", tcpMetrics],
  ["tcp_metrics", tcpMetrics],
  ["monitor", monitor],
  ["xfrm", xfrm],
  ["mroute", mroute],
  ["mrule", mrule],
  ["netns", netns],
  ["netconf", netconf],
  ["vrf", vrf],
  ["sr", onlyHelp("sr")],
  ["nexthop", nexthop],
  ["mptcp", onlyHelp("mptcp")],
  ["ioam", onlyHelp("ioam")],
  ["help", usage],
  ["stats", stats],
];

function* usage(run: Run): Blocking<number> {
  return run.ctx.fail(IP_USAGE, 255);
}

function* runObject(run: Run, words: string[]): Blocking<number> {
  const found = OBJECTS.find((o) => matches(words[0], o[0]));
  if (found === undefined) return run.ctx.fail(`Object "${words[0]}" is unknown, try "ip help".\n`, 1);
  return yield* found[1](run, new Args(run.ctx, words.slice(1)));
}

/** Reads the options in front; returns the words of the object, or an exit status. */
function parseOptions(ctx: Context, argv: string[]): string[] | number {
  const { opt } = ctx;
  let i = 1;
  const value = (): string => {
    i++;
    if (i >= argv.length) ctx.fail(IP_USAGE, 255);
    return argv[i];
  };
  for (; i < argv.length; i++) {
    const word = argv[i];
    if (word === "--") {
      i++;
      break;
    }
    if (!word.startsWith("-")) break;
    const o = word.startsWith("--") ? word.slice(1) : word;
    const is = (full: string): boolean => full.startsWith(o) && o.length > 1;
    if (is("-loops")) opt.maxFlushLoops = Number(value());
    else if (is("-family")) {
      const text = value();
      if (text === "help") ctx.fail(IP_USAGE, 255);
      const family = FAMILY_NAMES.find((f) => f[1] === text)?.[0];
      if (family === undefined) ctx.invalidArgument("invalid protocol family", text);
      opt.family = family;
    } else if (o === "-4") opt.family = AF_INET;
    else if (o === "-6") opt.family = AF_INET6;
    else if (o === "-0") opt.family = AF_PACKET;
    else if (o === "-M") opt.family = AF_MPLS;
    else if (o === "-B") opt.family = AF_BRIDGE;
    else if (is("-human") || is("-human-readable")) opt.human = true;
    else if (is("-iec")) opt.iec = true;
    else if (is("-stats") || is("-statistics")) opt.statistics++;
    else if (is("-details")) opt.details++;
    else if (is("-resolve")) opt.resolve = true;
    else if (is("-oneline")) opt.oneline = true;
    else if (is("-timestamp")) opt.timestamp = 1;
    else if (is("-tshort")) opt.timestamp = 2;
    else if (is("-Version")) {
      ctx.raw("ip utility, iproute2-6.1.0, libbpf 1.1.2\n");
      return 0;
    } else if (is("-force")) opt.force = true;
    else if (is("-batch")) opt.batch = value();
    else if (is("-brief")) opt.brief = true;
    else if (is("-json")) opt.json = true;
    else if (is("-rcvbuf")) {
      const text = value();
      // Its sockets take what they get in one go: a larger buffer changes nothing.
      if (parseInteger(text) === undefined) ctx.fail(`Invalid rcvbuf size '${text}'\n`, 255);
    } else if (is("-help")) ctx.fail(IP_USAGE, 255);
    else if (is("-netns")) {
      const name = value();
      const err = ctx.sys.setns(name);
      if (err < 0) ctx.fail(`Cannot open network namespace "${name}": ${strerror(err)}\n`, 255);
    } else if (is("-Numeric")) opt.numeric = true;
    else if (is("-all")) opt.all = true;
    else if (is("-pretty")) opt.pretty = true;
    else if (/^-c(o(l(o(r)?)?)?)?(=.*)?$/.test(o)) {
      const when = o.includes("=") ? o.slice(o.indexOf("=") + 1) : "always";
      if (when === "always") opt.color = true;
      else if (when === "auto") opt.color = ctx.sys.isatty(1);
      else if (when === "never") opt.color = false;
      else ctx.fail(`Option "${word}" is unknown, try "ip -help".\n`, 255);
    } else ctx.fail(`Option "${o}" is unknown, try "ip -help".\n`, 255);
  }
  return argv.slice(i);
}

function* main(ctx: Context, argv: string[]): Blocking<number> {
  const words = parseOptions(ctx, argv);
  if (typeof words === "number") return words;
  if (ctx.opt.json) ctx.opt.color = false;
  if (ctx.opt.batch === undefined && words.length === 0) ctx.fail(IP_USAGE, 255);
  const run: Run = { ctx, rtnl: openNetlink(ctx) };
  try {
    return yield* ctx.opt.batch === undefined
      ? runObject(run, words)
      : runBatch(ctx, ctx.opt.batch, (line) => runObject(run, line));
  } finally {
    run.rtnl.close();
  }
}

export const ip: Program = function* ip(sys, argv) {
  return yield* runProgram(sys, argv, "ip", main);
};
