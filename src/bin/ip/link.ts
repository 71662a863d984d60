// `ip link`: show, and the way to add, set, delete and property.

import { IFF_UP } from "../../uapi/if.ts";
import * as L from "../../uapi/if_link.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import type { NlMsg } from "../../uapi/nlattr.ts";
import {
  nla_get_u32,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_put,
  nla_put_string,
  nla_put_u32,
  nlmsg_parse,
} from "../../uapi/nlattr.ts";
import { RTEXT_FILTER_VF, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK } from "../../uapi/rtnetlink.ts";
import { AF_PACKET } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { utf8_encode } from "../../uapi/utf8.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { parseGroup } from "../iproute/names.ts";
import { linkHelp, linkModify, linkProperty, probeNewLink } from "./link_set.ts";
import type { Run } from "./link_show.ts";
import { linkHeader, linkKind, printLink, printLinkBrief, slaveKind } from "./link_show.ts";
import { LINK_USAGE } from "./usage.ts";

/** Which links to show; also what `ip address` filters links by. */
export interface LinkFilter {
  up: boolean;
  group: number | undefined;
  /** Index; -1 for "nomaster". */
  master: number;
  kind: string | undefined;
}
export const allLinks = (): LinkFilter => ({ up: false, group: undefined, master: 0, kind: undefined });

export function linkPasses(m: NlMsg, f: LinkFilter): boolean {
  const tb = nlmsg_parse(m, L.IFINFOMSG_LEN);
  if (f.up && (linkHeader(m).flags & IFF_UP) === 0) return false;
  if (f.group !== undefined && nla_get_u32(tb[L.IFLA_GROUP]) !== f.group) return false;
  if (f.master > 0 && nla_get_u32(tb[L.IFLA_MASTER]) !== f.master) return false;
  if (f.master < 0 && tb[L.IFLA_MASTER] !== undefined) return false;
  if (f.kind === undefined) return true;
  return f.kind.endsWith("_slave") ? slaveKind(tb) === f.kind.slice(0, -6) : linkKind(tb) === f.kind;
}

/** Reads one filter word that links and addresses share; false when it is none. */
export function* parseLinkFilter(run: Run, a: Args, f: LinkFilter): Blocking<boolean> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  if (a.is("up")) f.up = true;
  else if (a.is("group")) {
    const g = parseGroup(a.next());
    if (g === undefined) ctx.invalidArgument('Invalid "group" value\n', a.word);
    f.group = g;
  } else if (a.is("master")) {
    const index = yield* rtnl.nameToIndex(a.next());
    if (index === 0) ctx.invalidArgument("Device does not exist\n", a.word);
    f.master = index;
  } else if (a.is("vrf")) {
    const index = yield* rtnl.nameToIndex(a.next());
    if (index === 0) ctx.invalidArgument("Not a valid VRF name\n", a.word);
    f.master = index;
  } else if (a.is("nomaster")) f.master = -1;
  else if (a.is("type")) f.kind = a.next();
  else return false;
  return true;
}

/** The answer to one RTM_GETLINK by name. */
export function* getLink(run: Run, name: string): Blocking<NlMsg | undefined> {
  const rtnl = run.rtnl;
  const w = rtnl.request(RTM_GETLINK, 0, L.IFINFOMSG_LEN);
  w.buf[w.msg + 16] = AF_PACKET;
  nla_put_string(w, name.length < 16 ? L.IFLA_IFNAME : L.IFLA_ALT_IFNAME, name);
  nla_put_u32(w, L.IFLA_EXT_MASK, RTEXT_FILTER_VF);
  return yield* rtnl.ask(w);
}

/** All links that the kernel passes for a filter. */
export function* dumpLinks(run: Run, family: number, f: LinkFilter, mask = true): Blocking<NlMsg[]> {
  const rtnl = run.rtnl;
  const w = rtnl.request(RTM_GETLINK, 0, L.IFINFOMSG_LEN);
  w.buf[w.msg + 16] = family;
  if (mask) nla_put_u32(w, L.IFLA_EXT_MASK, RTEXT_FILTER_VF);
  if (f.master !== 0) nla_put_u32(w, L.IFLA_MASTER, f.master);
  if (f.kind !== undefined) {
    const info = nla_nest_start_noflag(w, L.IFLA_LINKINFO);
    const slave = f.kind.endsWith("_slave");
    const kind = slave ? f.kind.slice(0, -6) : f.kind;
    nla_put(w, slave ? L.IFLA_INFO_SLAVE_KIND : L.IFLA_INFO_KIND, utf8_encode(kind));
    nla_nest_end(w, info);
  }
  const out = yield* rtnl.dumpOrExit(w);
  for (const m of out) rtnl.remember(m);
  return out;
}

function* show(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const f = allLinks();
  let dev: string | undefined;
  for (; a.more; a.skip()) {
    if (yield* parseLinkFilter(run, a, f)) continue;
    if (a.is("dev")) a.next();
    else if (a.matches("help")) ctx.fail(LINK_USAGE, 255);
    if (dev !== undefined) ctx.garbage("dev", a.word);
    dev = a.word;
  }
  let links: NlMsg[];
  if (dev !== undefined) {
    if ((yield* rtnl.nameToIndex(dev)) === 0) ctx.fail(`Device "${dev}" does not exist.\n`, 1);
    const m = yield* getLink(run, dev);
    if (m === undefined) return 1;
    rtnl.remember(m);
    links = [m];
  } else links = yield* dumpLinks(run, AF_PACKET, f);

  ctx.startJson();
  for (const m of links) {
    if (m.type !== RTM_NEWLINK || !linkPasses(m, f)) continue;
    ctx.openObject();
    if (ctx.opt.brief) yield* printLinkBrief(run, m, true);
    else if (yield* printLink(run, m, true)) ctx.text("\n");
    ctx.closeObject();
  }
  ctx.endJson();
  return 0;
}

export function* link(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a);
  yield* probeNewLink(run);
  const word = a.word;
  const rest = a.tail();
  if (matches(word, "add")) return yield* linkModify(run, rest, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  if (matches(word, "set") || matches(word, "change")) return yield* linkModify(run, rest, RTM_NEWLINK, 0);
  if (matches(word, "replace")) return yield* linkModify(run, rest, RTM_NEWLINK, NLM_F_CREATE | NLM_F_REPLACE);
  if (matches(word, "delete")) return yield* linkModify(run, rest, RTM_DELLINK, 0);
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) return yield* show(run, rest);
  if (matches(word, "property")) return yield* linkProperty(run, rest);
  if (matches(word, "help")) return linkHelp(run, rest);
  return ctx.fail(`Command "${word}" is unknown, try "ip link help".\n`, 255);
}
