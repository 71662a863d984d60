// `ip nexthop`: nexthop objects and groups.
// Read first: ip-nexthop(8), uapi/nexthop.ts.

import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import * as H from "../../uapi/nexthop.ts";
import type { NlMsg } from "../../uapi/nlattr.ts";
import { nla_get_u32, nla_put, nla_put_flag, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import { RTM_DELNEXTHOP, RTM_GETNEXTHOP, RTM_NEWNEXTHOP, RTNH_F_ONLINK, RTPROT_UNSPEC } from "../../uapi/rtnetlink.ts";
import { AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import { FAMILY_NAMES, parseAddress, parseInteger } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { parseProto, protoName, scopeName } from "../iproute/names.ts";
import type { Run } from "./link_show.ts";
import { putGateway, putRouteFlags } from "./route_show.ts";
import { NEXTHOP_USAGE } from "./usage.ts";

/** One RTM_NEWNEXTHOP or RTM_DELNEXTHOP with the end of its line. */
export function* printNexthop(run: Run, m: NlMsg): Blocking<void> {
  const ctx: Context = run.ctx;
  const { details, numeric } = ctx.opt;
  if (m.len < H.NHMSG_LEN) return;
  const tb = nlmsg_parse(m, H.NHMSG_LEN);
  const family = m.buf[m.off];
  const scope = m.buf[m.off + H.NHMSG_SCOPE];
  const proto = m.buf[m.off + H.NHMSG_PROTOCOL];
  ctx.openObject();
  if (m.type === RTM_DELNEXTHOP) ctx.put("deleted", true, "Deleted ");
  if (tb[H.NHA_ID]) ctx.put("id", nla_get_u32(tb[H.NHA_ID]), `id ${nla_get_u32(tb[H.NHA_ID])} `);
  const group = tb[H.NHA_GROUP];
  if (group !== undefined) {
    ctx.openArray("group");
    ctx.text("group ");
    for (let at = 0; at + H.NEXTHOP_GRP_LEN <= group.len; at += H.NEXTHOP_GRP_LEN) {
      const id = group.dv.getUint32(group.off + at, true);
      const weight = group.buf[group.off + at + 4];
      ctx.openObject();
      if (at > 0) ctx.text("/");
      ctx.put("id", id, String(id));
      if (weight !== 0) ctx.put("weight", weight + 1, `,${weight + 1}`);
      ctx.closeObject();
    }
    ctx.text(" ");
    ctx.closeArray();
  }
  if (tb[H.NHA_GATEWAY]) putGateway(ctx, family, tb[H.NHA_GATEWAY]);
  if (tb[H.NHA_OIF]) {
    const name = yield* run.rtnl.indexToName(nla_get_u32(tb[H.NHA_OIF]));
    ctx.put("dev", name, `dev ${ctx.paint("ifname", `${name} `)}`);
  }
  if (scope !== 0 || details > 0) ctx.put("scope", scopeName(scope, numeric), `scope ${scopeName(scope, numeric)} `);
  if (tb[H.NHA_BLACKHOLE]) ctx.put("blackhole", null, "blackhole ");
  if (proto !== RTPROT_UNSPEC || details > 0)
    ctx.put("protocol", protoName(proto, numeric), `proto ${protoName(proto, numeric)} `);
  putRouteFlags(ctx, m.dv.getUint32(m.off + H.NHMSG_FLAGS, true));
  if (tb[H.NHA_FDB]) ctx.put("fdb", null, "fdb");
  ctx.text("\n");
  ctx.closeObject();
}

function groupBytes(ctx: Context, text: string): Uint8Array {
  const parts = text.split("/");
  const out = new Uint8Array(parts.length * H.NEXTHOP_GRP_LEN);
  const dv = new DataView(out.buffer);
  parts.forEach((part, i) => {
    const [id, weight] = part.split(",");
    const n = parseInteger(id);
    if (n === undefined) ctx.invalidArgument('"group" value is invalid\n', text);
    dv.setUint32(i * 8, n, true);
    if (weight === undefined) return;
    const w = parseInteger(weight);
    if (w === undefined || w < 1 || w > 256) ctx.invalidArgument('"group" value is invalid\n', text);
    out[i * 8 + 4] = w - 1;
  });
  return out;
}

function* modify(run: Run, a: Args, command: number, flags: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const w = rtnl.request(command, flags, H.NHMSG_LEN);
  const at = w.msg + 16;
  let family = ctx.opt.family;
  let protocol = 0;
  let nhFlags = 0;
  let id = 0;
  for (; a.more; a.skip()) {
    if (a.is("id")) {
      const n = parseInteger(a.next());
      if (n === undefined) ctx.invalidArgument("invalid id value", a.word);
      id = n;
      nla_put_u32(w, H.NHA_ID, n);
    } else if (a.is("dev")) {
      const index = yield* rtnl.nameToIndex(a.next());
      if (index === 0) ctx.invalidArgument("Device does not exist\n", a.word);
      nla_put_u32(w, H.NHA_OIF, index);
      if (family === AF_UNSPEC) family = 2;
    } else if (a.is("via")) {
      const word = a.next();
      const named = FAMILY_NAMES.find((f) => f[1] === word)?.[0];
      if (named !== undefined) {
        family = named;
        a.next();
      }
      const p = parseAddress(ctx, a.word, family);
      if (family === AF_UNSPEC) family = p.family;
      nla_put(w, H.NHA_GATEWAY, p.bytes);
    } else if (a.is("blackhole")) {
      nla_put_flag(w, H.NHA_BLACKHOLE);
      if (family === AF_UNSPEC) family = 2;
    } else if (a.is("fdb")) nla_put_flag(w, H.NHA_FDB);
    else if (a.is("onlink")) nhFlags |= RTNH_F_ONLINK;
    else if (a.is("group")) nla_put(w, H.NHA_GROUP, groupBytes(ctx, a.next()));
    else if (a.matches("protocol")) {
      const proto = parseProto(a.next());
      if (proto === undefined) ctx.invalidArgument('"protocol" value is invalid\n', a.word);
      protocol = proto;
    } else if (a.is("help")) ctx.fail(NEXTHOP_USAGE, 255);
    else ctx.invalidArgument("", a.word);
  }
  if (id === 0 && command === RTM_DELNEXTHOP) ctx.fail("Error: invalid id\n", 255);
  w.buf[at] = family;
  w.buf[at + H.NHMSG_PROTOCOL] = protocol;
  w.dv.setUint32(at + H.NHMSG_FLAGS, nhFlags, true);
  return (yield* rtnl.talk(w)) ? 0 : 2;
}

function* get(run: Run, id: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const w = run.rtnl.request(RTM_GETNEXTHOP, 0, H.NHMSG_LEN);
  w.buf[w.msg + 16] = ctx.opt.family;
  nla_put_u32(w, H.NHA_ID, id);
  const m = yield* run.rtnl.ask(w);
  if (m === undefined) return 2;
  ctx.startJson();
  yield* printNexthop(run, m);
  ctx.endJson();
  return 0;
}

function* remove(run: Run, m: NlMsg): Blocking<boolean> {
  const w = run.rtnl.request(RTM_DELNEXTHOP, 0, H.NHMSG_LEN);
  nla_put_u32(w, H.NHA_ID, nla_get_u32(nlmsg_parse(m, H.NHMSG_LEN)[H.NHA_ID]));
  return yield* run.rtnl.talk(w);
}

function* show(run: Run, a: Args, flushing: boolean): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const f = { dev: 0, master: 0, groups: false, fdb: false, protocol: -1 };
  for (; a.more; a.skip()) {
    if (a.is("dev")) {
      f.dev = yield* rtnl.nameToIndex(a.next());
      if (f.dev === 0) ctx.invalidArgument("Device does not exist\n", a.word);
    } else if (a.is("groups")) f.groups = true;
    else if (a.is("master", "vrf")) {
      f.master = yield* rtnl.nameToIndex(a.next());
      if (f.master === 0) ctx.invalidArgument("VRF does not exist\n", a.word);
    } else if (a.is("id")) {
      const id = parseInteger(a.next());
      if (id === undefined) ctx.invalidArgument("invalid id value", a.word);
      return yield* get(run, id);
    } else if (a.matches("protocol")) {
      const proto = parseProto(a.next());
      if (proto === undefined) ctx.invalidArgument("invalid protocol value", a.word);
      f.protocol = proto;
    } else if (a.is("fdb")) f.fdb = true;
    else if (a.matches("help")) ctx.fail(NEXTHOP_USAGE, 255);
    else ctx.invalidArgument("", a.word);
  }
  const dump = function* (groupsOnly: boolean): Blocking<NlMsg[]> {
    const w = rtnl.request(RTM_GETNEXTHOP, 0, H.NHMSG_LEN);
    w.buf[w.msg + 16] = ctx.opt.family;
    if (f.dev !== 0) nla_put_u32(w, H.NHA_OIF, f.dev);
    if (f.master !== 0) nla_put_u32(w, H.NHA_MASTER, f.master);
    if (f.fdb) nla_put_flag(w, H.NHA_FDB);
    if (groupsOnly) nla_put_flag(w, H.NHA_GROUPS);
    const all = yield* rtnl.dumpOrExit(w, 2);
    return all.filter(
      (m) => m.type === RTM_NEWNEXTHOP && (f.protocol < 0 || m.buf[m.off + H.NHMSG_PROTOCOL] === f.protocol),
    );
  };
  if (flushing) {
    // Groups go first: a nexthop takes itself out of its groups.
    let count = 0;
    for (const groupsOnly of [true, false])
      for (const m of yield* dump(groupsOnly)) count += (yield* remove(run, m)) ? 1 : 0;
    ctx.raw(count === 0 ? "Nothing to flush\n" : `Flushed ${count} nexthops\n`);
    return 0;
  }
  const all = yield* dump(f.groups);
  ctx.startJson();
  for (const m of all) yield* printNexthop(run, m);
  ctx.endJson();
  return 0;
}

export function* nexthop(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a, false);
  const word = a.word;
  const rest = a.tail();
  if (matches(word, "add")) return yield* modify(run, rest, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_EXCL);
  if (matches(word, "replace")) return yield* modify(run, rest, RTM_NEWNEXTHOP, NLM_F_CREATE | NLM_F_REPLACE);
  if (matches(word, "delete")) return yield* modify(run, rest, RTM_DELNEXTHOP, 0);
  if (matches(word, "list") || matches(word, "show") || matches(word, "lst")) return yield* show(run, rest, false);
  if (matches(word, "get")) {
    if (!rest.is("id")) ctx.fail(NEXTHOP_USAGE, 255);
    const id = parseInteger(rest.next());
    if (id === undefined) ctx.invalidArgument("invalid id value", rest.word);
    return yield* get(run, id);
  }
  if (matches(word, "flush")) return yield* show(run, rest, true);
  if (matches(word, "help")) ctx.fail(NEXTHOP_USAGE, 255);
  return ctx.fail(`Command "${word}" is unknown, try "ip nexthop help".\n`, 255);
}
