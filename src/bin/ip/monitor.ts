// `ip monitor`: prints rtnetlink notifications as they come.

import { strerror } from "../../uapi/errno.ts";
import { O_RDONLY } from "../../uapi/fcntl.ts";
import { NETLINK_ADD_MEMBERSHIP } from "../../uapi/netlink.ts";
import { type NlMsg, nlmsg_for_each } from "../../uapi/nlattr.ts";
import * as R from "../../uapi/rtnetlink.ts";
import { SOL_NETLINK } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Args, Context } from "../iproute/context.ts";
import { openNetlink } from "../iproute/rtnl.ts";
import { readAll } from "../lib/io.ts";
import { printAddress } from "./address.ts";
import type { Run } from "./link_show.ts";
import { linkHeader, printLink, printLinkBrief } from "./link_show.ts";
import { printNeigh } from "./neigh.ts";
import { printNetconf } from "./netconf.ts";
import { printNsid } from "./netns.ts";
import { printNexthop } from "./nexthop.ts";
import { noRouteFilter, printRoute } from "./route_show.ts";
import { printRule } from "./rule.ts";
import { MONITOR_USAGE } from "./usage.ts";

const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** Objects, the groups of their notifications, and the message types with the label that goes with them. */
const OBJECTS: readonly { name: string; label: string; groups: number[]; types: number[] }[] = [
  { name: "link", label: "LINK", groups: [R.RTNLGRP_LINK], types: [R.RTM_NEWLINK, R.RTM_DELLINK] },
  {
    name: "address",
    label: "ADDR",
    groups: [R.RTNLGRP_IPV4_IFADDR, R.RTNLGRP_IPV6_IFADDR],
    types: [R.RTM_NEWADDR, R.RTM_DELADDR],
  },
  {
    name: "route",
    label: "ROUTE",
    groups: [R.RTNLGRP_IPV4_ROUTE, R.RTNLGRP_IPV6_ROUTE],
    types: [R.RTM_NEWROUTE, R.RTM_DELROUTE],
  },
  { name: "neigh", label: "NEIGH", groups: [R.RTNLGRP_NEIGH], types: [R.RTM_NEWNEIGH, R.RTM_DELNEIGH, R.RTM_GETNEIGH] },
  {
    name: "rule",
    label: "RULE",
    groups: [R.RTNLGRP_IPV4_RULE, R.RTNLGRP_IPV6_RULE],
    types: [R.RTM_NEWRULE, R.RTM_DELRULE],
  },
  { name: "netconf", label: "NETCONF", groups: [R.RTNLGRP_IPV4_NETCONF], types: [R.RTM_NEWNETCONF, R.RTM_DELNETCONF] },
  { name: "nsid", label: "NSID", groups: [R.RTNLGRP_NSID], types: [R.RTM_NEWNSID, R.RTM_DELNSID] },
  { name: "nexthop", label: "NEXTHOP", groups: [R.RTNLGRP_NEXTHOP], types: [R.RTM_NEWNEXTHOP, R.RTM_DELNEXTHOP] },
];
/** Objects of iproute2 that have no notifications here. */
const SILENT = ["mroute", "prefix", "stats"];

function stamp(ctx: Context): void {
  if (ctx.opt.timestamp === 0) return;
  const us = Math.floor(ctx.sys.clock_gettime(0) / 1000);
  const d = new Date(us / 1000);
  const fraction = String(us % 1000000);
  const two = (n: number): string => String(n).padStart(2, "0");
  if (ctx.opt.timestamp === 2) {
    ctx.raw(`[${d.toISOString().slice(0, 19)}.${fraction.padStart(6, "0")}] `);
    return;
  }
  const time = `${two(d.getUTCHours())}:${two(d.getUTCMinutes())}:${two(d.getUTCSeconds())}`;
  const day = `${DAYS[d.getUTCDay()]} ${MONTHS[d.getUTCMonth()]} ${String(d.getUTCDate()).padStart(2)}`;
  ctx.raw(`Timestamp: ${day} ${time} ${d.getUTCFullYear()} ${fraction} usec\n`);
}

function* printEvent(run: Run, m: NlMsg): Blocking<void> {
  const { ctx, rtnl } = run;
  switch (m.type) {
    case R.RTM_NEWLINK:
    case R.RTM_DELLINK:
      rtnl.remember(m);
      // A brief line is left open, as iproute2 leaves it.
      if (ctx.opt.brief) yield* printLinkBrief(run, m, false);
      else if (yield* printLink(run, m, false, false)) ctx.text("\n");
      if (m.type === R.RTM_DELLINK) rtnl.forget(linkHeader(m).index);
      return;
    case R.RTM_NEWADDR:
    case R.RTM_DELADDR:
      return yield* printAddress(run, m, true);
    case R.RTM_NEWROUTE:
    case R.RTM_DELROUTE:
      return yield* printRoute(run, m, noRouteFilter());
    case R.RTM_NEWNEIGH:
    case R.RTM_DELNEIGH:
    case R.RTM_GETNEIGH:
      return yield* printNeigh(run, m, true);
    case R.RTM_NEWRULE:
    case R.RTM_DELRULE:
      return printRule(ctx, m);
    case R.RTM_NEWNETCONF:
    case R.RTM_DELNETCONF:
      return yield* printNetconf(run, m);
    case R.RTM_NEWNSID:
    case R.RTM_DELNSID:
      return yield* printNsid(run, m);
    case R.RTM_NEWNEXTHOP:
    case R.RTM_DELNEXTHOP:
      return yield* printNexthop(run, m);
  }
}

/** Messages that rtmon or a dump left in a file. */
function* replay(run: Run, path: string, label: boolean): Blocking<number> {
  const { ctx } = run;
  const fd = ctx.sys.open(path, O_RDONLY);
  if (fd < 0) ctx.fail(`Cannot fopen: ${strerror(fd)}\n`, 255);
  const bytes = yield* readAll(ctx.sys, fd);
  ctx.sys.close(fd);
  yield* run.rtnl.initMap();
  for (const m of nlmsg_for_each(typeof bytes === "number" ? new Uint8Array(0) : bytes)) {
    const object = OBJECTS.find((o) => o.types.includes(m.type));
    if (object === undefined) continue;
    stamp(ctx);
    if (label) ctx.raw(`[${object.label}]`);
    yield* printEvent(run, m);
  }
  return 0;
}

export function* monitor(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  let label = false;
  let dev: string | undefined;
  let file: string | undefined;
  const wanted = new Set<string>();
  for (; a.more; a.skip()) {
    const object = OBJECTS.find((o) => a.matches(o.name));
    if (object !== undefined) wanted.add(object.name);
    else if (a.is("all")) label = true;
    else if (a.is("label")) label = true;
    else if (a.matches("all-nsid")) continue;
    else if (a.matches("help")) ctx.fail(MONITOR_USAGE, 255);
    else if (a.is("dev")) dev = a.next();
    else if (a.matches("file")) file = a.next();
    else if (!SILENT.some((s) => a.matches(s)))
      ctx.fail(`Argument "${a.word}" is unknown, try "ip monitor help".\n`, 255);
    else wanted.add(a.word);
  }
  if (file !== undefined) return yield* replay(run, file, label);
  const objects = OBJECTS.filter((o) => wanted.size === 0 || wanted.has(o.name));
  const events = openNetlink(ctx);
  for (const o of objects)
    for (const group of o.groups) {
      const err = ctx.sys.setsockopt(events.fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group);
      if (err < 0) ctx.fail(`Failed to add ${o.name} group to list: ${strerror(err)}\n`, 1);
    }
  yield* run.rtnl.initMap();
  const only = dev === undefined ? 0 : yield* run.rtnl.nameToIndex(dev);
  if (dev !== undefined && only === 0) ctx.noDevice(dev);
  for (;;) {
    for (const m of yield* events.receive()) {
      const object = objects.find((o) => o.types.includes(m.type));
      if (object === undefined) continue;
      if (only !== 0 && object.name === "link" && linkHeader(m).index !== only) continue;
      stamp(ctx);
      if (label) ctx.raw(`[${object.label}]`);
      yield* printEvent(run, m);
    }
    yield* ctx.flush();
  }
}
