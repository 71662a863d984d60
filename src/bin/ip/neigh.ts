// `ip neigh`: show, flush, get, add, change, replace and delete.
// Read first: ip-neighbour(8), uapi/neighbour.ts.

import * as N from "../../uapi/neighbour.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import type { NlMsg } from "../../uapi/nlattr.ts";
import { nla_data, nla_get_u8, nla_get_u32, nla_put, nla_put_u8, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import { RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH } from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_PACKET, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Prefix } from "../iproute/addr.ts";
import {
  formatAttr,
  formatLinkAddress,
  parseAddress,
  parseInteger,
  parseLinkAddress,
  parsePrefix,
} from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import { parseProto, protoName } from "../iproute/names.ts";
import { prefixMatches } from "./address.ts";
import { flushRounds } from "./flush.ts";
import type { Run } from "./link_show.ts";
import { NEIGH_USAGE } from "./usage.ts";

const STATES: readonly (readonly [number, string])[] = [
  [N.NUD_INCOMPLETE, "incomplete"],
  [N.NUD_REACHABLE, "reachable"],
  [N.NUD_STALE, "stale"],
  [N.NUD_DELAY, "delay"],
  [N.NUD_PROBE, "probe"],
  [N.NUD_FAILED, "failed"],
  [N.NUD_NOARP, "noarp"],
  [N.NUD_PERMANENT, "permanent"],
];
/** Shows entries without a state too (`nud all`). */
const ALSO_NONE = 0x100;

function parseState(ctx: Context, word: string): number {
  if (matches(word, "none")) return N.NUD_NONE;
  // The order in which abbreviations are tried.
  for (const name of ["permanent", "reachable", "noarp", "stale", "incomplete", "delay", "probe", "failed"])
    if (matches(word, name)) return STATES.find((s) => s[1] === name)![0];
  const n = parseInteger(word);
  if (n === undefined || n < 0 || n >= 0x100 || (n & (n - 1)) !== 0) ctx.invalidArgument("nud state is bad", word);
  return n;
}

interface Filter {
  family: number;
  index: number;
  state: number;
  prefix: Prefix | undefined;
  proxy: boolean;
  master: number | undefined;
  protocol: number | undefined;
  unusedOnly: boolean;
}

function neighPasses(m: NlMsg, f: Filter): boolean {
  if (m.len < N.NDMSG_LEN) return false;
  const b = m.buf;
  const family = b[m.off];
  const state = m.dv.getUint16(m.off + N.NDMSG_STATE, true);
  const flags = b[m.off + N.NDMSG_FLAGS];
  const tb = nlmsg_parse(m, N.NDMSG_LEN);
  if (f.family !== AF_UNSPEC && family !== f.family) return false;
  if (f.index !== 0 && m.dv.getInt32(m.off + N.NDMSG_IFINDEX, true) !== f.index) return false;
  const special = (flags & (N.NTF_PROXY | N.NTF_EXT_LEARNED)) !== 0;
  if ((f.state & state) === 0 && !special && (state !== 0 || (f.state & ALSO_NONE) === 0)) return false;
  if (f.protocol !== undefined && nla_get_u8(tb[N.NDA_PROTOCOL]) !== f.protocol) return false;
  if (f.prefix !== undefined && f.prefix.bytes.length > 0) {
    const dst = tb[N.NDA_DST];
    if (dst === undefined || !prefixMatches(nla_data(dst), f.prefix.bytes, f.prefix.bits)) return false;
  }
  if (f.unusedOnly && tb[N.NDA_CACHEINFO] !== undefined) {
    const ci = tb[N.NDA_CACHEINFO];
    if (ci.len >= N.NDA_CACHEINFO_LEN && ci.dv.getUint32(ci.off + 12, true) !== 0) return false;
  }
  return true;
}

/** One RTM_NEWNEIGH or RTM_DELNEIGH with the end of its line. */
export function* printNeigh(run: Run, m: NlMsg, withDevice: boolean): Blocking<void> {
  const ctx: Context = run.ctx;
  const { opt } = ctx;
  if (m.len < N.NDMSG_LEN) return;
  const tb = nlmsg_parse(m, N.NDMSG_LEN);
  const family = m.buf[m.off];
  const index = m.dv.getInt32(m.off + N.NDMSG_IFINDEX, true);
  const state = m.dv.getUint16(m.off + N.NDMSG_STATE, true);
  const flags = m.buf[m.off + N.NDMSG_FLAGS];
  ctx.openObject();
  if (m.type === RTM_DELNEIGH) ctx.put("deleted", true, "Deleted ");
  else if (m.type === RTM_GETNEIGH) ctx.put("miss", null, "miss ");
  if (tb[N.NDA_DST]) {
    const text = formatAttr(family, tb[N.NDA_DST]);
    ctx.put("dst", text, ctx.paint(family === AF_INET ? "inet" : "inet6", `${text} `));
  }
  if (withDevice && index !== 0) {
    const name = yield* run.rtnl.indexToName(index);
    ctx.put("dev", name, `dev ${ctx.paint("ifname", `${name} `)}`);
  }
  const lladdr = tb[N.NDA_LLADDR];
  if (lladdr !== undefined) {
    const text = formatLinkAddress(nla_data(lladdr), run.rtnl.links.get(index)?.type ?? 1);
    ctx.put("lladdr", text, `lladdr ${ctx.paint("mac", `${text} `)}`);
  }
  const word = (bit: number, name: string): void => {
    if ((flags & bit) !== 0) ctx.put(name, null, `${name} `);
  };
  word(N.NTF_ROUTER, "router");
  word(N.NTF_PROXY, "proxy");
  if ((nla_get_u32(tb[N.NDA_FLAGS_EXT]) & N.NTF_EXT_MANAGED) !== 0) ctx.put("managed", null, "managed ");
  word(N.NTF_EXT_LEARNED, "extern_learn");
  word(N.NTF_OFFLOADED, "offload");
  if (opt.statistics > 0) {
    const ci = tb[N.NDA_CACHEINFO];
    if (ci !== undefined && ci.len >= N.NDA_CACHEINFO_LEN) {
      const u32 = (i: number): number => ci.dv.getUint32(ci.off + 4 * i, true);
      const seconds = (i: number): number => Math.floor(u32(i) / 100);
      if (u32(3) !== 0) ctx.put("refcnt", u32(3), ` ref ${u32(3)}`);
      ctx.put("used", seconds(1), ` used ${seconds(1)}`);
      ctx.put("confirmed", seconds(0), `/${seconds(0)}`);
      ctx.put("updated", seconds(2), `/${seconds(2)}`);
    }
    if (tb[N.NDA_PROBES]) ctx.put("probes", nla_get_u32(tb[N.NDA_PROBES]), `probes ${nla_get_u32(tb[N.NDA_PROBES])} `);
  }
  if (state !== 0) {
    ctx.openArray("state");
    for (const [bit, name] of STATES) {
      if ((state & bit) === 0) continue;
      if (ctx.json !== undefined) ctx.json.element(name.toUpperCase());
      else ctx.raw(`${name.toUpperCase()} `);
    }
    ctx.closeArray();
  }
  if (tb[N.NDA_PROTOCOL]) {
    const proto = protoName(nla_get_u8(tb[N.NDA_PROTOCOL]), opt.numeric);
    ctx.put("protocol", proto, `proto ${proto} `);
  }
  ctx.text("\n");
  ctx.closeObject();
}

function* modify(run: Run, a: Args, command: number, flags: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const w = rtnl.request(command, flags, N.NDMSG_LEN);
  const at = w.msg + 16;
  let family = ctx.opt.family;
  let state = N.NUD_PERMANENT;
  let ndFlags = 0;
  let extended = 0;
  let dev: string | undefined;
  let dst: Prefix | undefined;
  let lladdr: Uint8Array | undefined;
  for (; a.more; a.skip()) {
    if (a.matches("lladdr")) {
      a.next();
      if (lladdr !== undefined) ctx.duplicate("lladdr", a.word);
      lladdr = a.is("null") ? new Uint8Array(0) : parseLinkAddress(ctx, a.word);
    } else if (a.is("nud")) state = parseState(ctx, a.next());
    else if (a.matches("proxy")) {
      a.next();
      if (a.matches("help")) ctx.fail(NEIGH_USAGE, 255);
      if (dst !== undefined) ctx.duplicate("address", a.word);
      dst = parseAddress(ctx, a.word, family);
      ndFlags |= N.NTF_PROXY;
    } else if (a.is("router")) ndFlags |= N.NTF_ROUTER;
    else if (a.is("use")) ndFlags |= N.NTF_USE;
    else if (a.is("managed")) extended |= N.NTF_EXT_MANAGED;
    else if (a.matches("extern_learn")) ndFlags |= N.NTF_EXT_LEARNED;
    else if (a.is("dev")) dev = a.next();
    else if (a.matches("protocol")) {
      const proto = parseProto(a.next());
      if (proto === undefined) ctx.invalidArgument('"protocol" value is invalid\n', a.word);
      nla_put_u8(w, N.NDA_PROTOCOL, proto);
    } else {
      if (a.is("to")) a.next();
      if (a.matches("help")) ctx.fail(NEIGH_USAGE, 255);
      if (dst !== undefined) ctx.garbage("to", a.word);
      dst = parseAddress(ctx, a.word, family);
    }
    if (dst !== undefined && family === AF_UNSPEC) family = dst.family;
  }
  if (dev === undefined || dst === undefined || dst.family === AF_UNSPEC)
    ctx.fail("Device and destination are required arguments.\n", 255);
  nla_put(w, N.NDA_DST, dst.bytes);
  if (lladdr !== undefined) nla_put(w, N.NDA_LLADDR, lladdr);
  if (extended !== 0) nla_put_u32(w, N.NDA_FLAGS_EXT, extended);
  yield* rtnl.initMap();
  const index = yield* rtnl.nameToIndex(dev);
  if (index === 0) ctx.noDevice(dev);
  w.buf[at] = dst.family;
  w.dv.setInt32(at + N.NDMSG_IFINDEX, index, true);
  w.dv.setUint16(at + N.NDMSG_STATE, state, true);
  w.buf[at + N.NDMSG_FLAGS] = ndFlags;
  return (yield* rtnl.talk(w)) ? 0 : 2;
}

function* dumpNeigh(run: Run, f: Filter): Blocking<NlMsg[]> {
  const w = run.rtnl.request(RTM_GETNEIGH, 0, N.NDMSG_LEN);
  w.buf[w.msg + 16] = f.family;
  if (f.proxy) w.buf[w.msg + 16 + N.NDMSG_FLAGS] = N.NTF_PROXY;
  if (f.index !== 0) nla_put_u32(w, N.NDA_IFINDEX, f.index);
  if (f.master !== undefined) nla_put_u32(w, N.NDA_MASTER, f.master);
  return yield* run.rtnl.dumpOrExit(w);
}

function* show(run: Run, a: Args, flushing: boolean): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const f: Filter = {
    family: ctx.opt.family === AF_PACKET ? AF_UNSPEC : ctx.opt.family,
    index: 0,
    state: 0,
    prefix: undefined,
    proxy: false,
    master: undefined,
    protocol: undefined,
    unusedOnly: false,
  };
  if (flushing && !a.more) ctx.fail("Flush requires arguments.\n", 1);
  let dev: string | undefined;
  let stateGiven = false;
  for (; a.more; a.skip()) {
    if (a.is("dev")) {
      a.next();
      if (dev !== undefined) ctx.garbage("dev", a.word);
      dev = a.word;
    } else if (a.is("master")) {
      const index = yield* rtnl.nameToIndex(a.next());
      if (index === 0) ctx.invalidArgument("Device does not exist\n", a.word);
      f.master = index;
    } else if (a.is("vrf")) {
      const index = yield* rtnl.nameToIndex(a.next());
      if (index === 0) ctx.invalidArgument("Not a valid VRF name\n", a.word);
      f.master = index;
    } else if (a.is("nomaster")) f.master = 0xffffffff;
    else if (a.is("unused")) f.unusedOnly = true;
    else if (a.is("nud")) {
      a.next();
      if (!stateGiven) f.state = 0;
      stateGiven = true;
      if (a.is("all")) {
        f.state |= ALSO_NONE | 0xff;
        if (flushing) f.state &= ~N.NUD_NOARP;
      } else {
        const state = parseState(ctx, a.word);
        f.state |= state === 0 ? ALSO_NONE : state;
      }
    } else if (a.is("proxy")) f.proxy = true;
    else if (a.matches("protocol")) {
      f.protocol = parseProto(a.next());
      if (f.protocol === undefined) ctx.invalidArgument("invalid protocol\n", a.word);
    } else {
      if (a.is("to")) a.next();
      if (a.matches("help")) ctx.fail(NEIGH_USAGE, 255);
      f.prefix = parsePrefix(ctx, a.word, f.family);
      if (f.family === AF_UNSPEC) f.family = f.prefix.family;
    }
  }
  if (!stateGiven) {
    const hidden = N.NUD_NOARP | (flushing ? N.NUD_PERMANENT : 0);
    f.state = (flushing ? 0x1ff : 0xff) & ~hidden;
  }
  yield* rtnl.initMap();
  if (dev !== undefined) {
    f.index = yield* rtnl.nameToIndex(dev);
    if (f.index === 0) ctx.noDevice(dev);
  }
  const withDevice = dev === undefined;
  if (flushing)
    return yield* flushRounds(
      run,
      "entries",
      false,
      function* () {
        const doomed = (yield* dumpNeigh(run, f)).filter((m) => m.type === RTM_NEWNEIGH && neighPasses(m, f));
        if (ctx.opt.statistics > 1) for (const m of doomed) yield* printNeigh(run, m, withDevice);
        return doomed;
      },
      RTM_DELNEIGH,
    );
  const all = yield* dumpNeigh(run, f);
  ctx.startJson();
  for (const m of all) if (m.type === RTM_NEWNEIGH && neighPasses(m, f)) yield* printNeigh(run, m, withDevice);
  ctx.endJson();
  return 0;
}

function* get(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const w = rtnl.request(RTM_GETNEIGH, 0, N.NDMSG_LEN);
  const at = w.msg + 16;
  let dev: string | undefined;
  let dst: Prefix | undefined;
  for (; a.more; a.skip()) {
    if (a.is("dev")) dev = a.next();
    else if (a.matches("proxy")) {
      a.next();
      if (a.matches("help")) ctx.fail(NEIGH_USAGE, 255);
      if (dst !== undefined) ctx.garbage("to", a.word);
      dst = parseAddress(ctx, a.word, ctx.opt.family);
      w.buf[at + N.NDMSG_FLAGS] |= N.NTF_PROXY;
    } else {
      if (a.is("to")) a.next();
      if (a.matches("help")) ctx.fail(NEIGH_USAGE, 255);
      if (dst !== undefined) ctx.garbage("to", a.word);
      dst = parseAddress(ctx, a.word, ctx.opt.family);
    }
  }
  if (dev === undefined || dst === undefined) ctx.fail("Device and address are required arguments.\n", 1);
  nla_put(w, N.NDA_DST, dst.bytes);
  const index = yield* rtnl.nameToIndex(dev);
  if (index === 0) ctx.noDevice(dev);
  w.buf[at] = dst.family;
  w.dv.setInt32(at + N.NDMSG_IFINDEX, index, true);
  const m = yield* rtnl.ask(w);
  if (m === undefined) return 2;
  ctx.startJson();
  yield* printNeigh(run, m, true);
  ctx.endJson();
  return 0;
}

export function* neigh(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a, false);
  const word = a.word;
  const rest = a.tail();
  if (matches(word, "add")) return yield* modify(run, rest, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL);
  if (matches(word, "change") || word === "chg") return yield* modify(run, rest, RTM_NEWNEIGH, NLM_F_REPLACE);
  if (matches(word, "replace")) return yield* modify(run, rest, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  if (matches(word, "delete")) return yield* modify(run, rest, RTM_DELNEIGH, 0);
  if (matches(word, "get")) return yield* get(run, rest);
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) return yield* show(run, rest, false);
  if (matches(word, "flush")) return yield* show(run, rest, true);
  if (matches(word, "help")) ctx.fail(NEIGH_USAGE, 255);
  return ctx.fail(`Command "${word}" is unknown, try "ip neigh help".\n`, 255);
}
