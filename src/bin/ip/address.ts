// `ip address`: show and flush; add, change, replace and delete are in address_set.ts.
// Read first: ip-address(8), uapi/if_addr.ts.

import * as A from "../../uapi/if_addr.ts";
import * as L from "../../uapi/if_link.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE } from "../../uapi/netlink.ts";
import type { NlMsg } from "../../uapi/nlattr.ts";
import { nla_data, nla_get_string, nla_get_u32, nla_put_u32, nlmsg_parse } from "../../uapi/nlattr.ts";
import {
  RTEXT_FILTER_SKIP_STATS,
  RTEXT_FILTER_VF,
  RTM_DELADDR,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
} from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_PACKET, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Prefix } from "../iproute/addr.ts";
import { familyName, formatAttr, parsePrefix } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { Exit, matches } from "../iproute/context.ts";
import { parseScope, scopeName } from "../iproute/names.ts";
import { addressModify } from "./address_set.ts";
import { ADDRESS_DUMP, beginSave, restore, saveMessages, showDump } from "./dump_file.ts";
import { flushRounds } from "./flush.ts";
import type { LinkFilter } from "./link.ts";
import { allLinks, dumpLinks, linkPasses, parseLinkFilter } from "./link.ts";
import type { Run } from "./link_show.ts";
import { linkHeader, printLink, printLinkBrief, printStatistics } from "./link_show.ts";
import { ADDRESS_USAGE } from "./usage.ts";

/** In bit order, which is the order of printing. */
const FLAGS: readonly (readonly [number, string])[] = [
  [A.IFA_F_NODAD, "nodad"],
  [A.IFA_F_OPTIMISTIC, "optimistic"],
  [A.IFA_F_DADFAILED, "dadfailed"],
  [A.IFA_F_HOMEADDRESS, "home"],
  [A.IFA_F_DEPRECATED, "deprecated"],
  [A.IFA_F_TENTATIVE, "tentative"],
  [A.IFA_F_PERMANENT, "permanent"],
  [A.IFA_F_MANAGETEMPADDR, "mngtmpaddr"],
  [A.IFA_F_NOPREFIXROUTE, "noprefixroute"],
  [A.IFA_F_MCAUTOJOIN, "autojoin"],
  [A.IFA_F_STABLE_PRIVACY, "stable-privacy"],
];

interface Filter {
  links: LinkFilter;
  family: number;
  index: number;
  prefix: Prefix | undefined;
  scope: number | undefined;
  label: string | undefined;
  /** Flags that must be as in `flags`. */
  mask: number;
  flags: number;
  flush: boolean;
  /** Show the interface in front of each address. */
  withInterface: boolean;
}

/** fnmatch(3) with *, ? and [...]. */
function fnmatch(pattern: string, text: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  try {
    return new RegExp(`^${source.replace(/\[!/g, "[^")}$`).test(text);
  } catch {
    return pattern === text;
  }
}

export function prefixMatches(a: Uint8Array, b: Uint8Array, bits: number): boolean {
  for (let i = 0; i < bits; i += 8) {
    const mask = bits - i >= 8 ? 0xff : (0xff << (8 - (bits - i))) & 0xff;
    if (((a[i >> 3] ^ b[i >> 3]) & mask) !== 0) return false;
  }
  return true;
}

interface AddressHeader {
  family: number;
  prefixlen: number;
  flags: number;
  scope: number;
  index: number;
}
function addressHeader(m: NlMsg): AddressHeader {
  const tb = nlmsg_parse(m, A.IFADDRMSG_LEN);
  return {
    family: m.buf[m.off],
    prefixlen: m.buf[m.off + A.IFADDRMSG_PREFIXLEN],
    flags: tb[A.IFA_FLAGS] === undefined ? m.buf[m.off + A.IFADDRMSG_FLAGS] : nla_get_u32(tb[A.IFA_FLAGS]),
    scope: m.buf[m.off + A.IFADDRMSG_SCOPE],
    index: m.dv.getUint32(m.off + A.IFADDRMSG_INDEX, true),
  };
}

function* addressPasses(run: Run, m: NlMsg, f: Filter): Blocking<boolean> {
  if (m.len < A.IFADDRMSG_LEN) return false;
  const h = addressHeader(m);
  const tb = nlmsg_parse(m, A.IFADDRMSG_LEN);
  if (f.index !== 0 && h.index !== f.index) return false;
  if (f.family !== AF_UNSPEC && f.family !== h.family) return false;
  if (f.scope !== undefined && f.scope !== h.scope) return false;
  if (((h.flags ^ f.flags) & f.mask) !== 0) return false;
  if (f.label !== undefined) {
    const label = tb[A.IFA_LABEL] ? nla_get_string(tb[A.IFA_LABEL]) : yield* run.rtnl.indexToName(h.index);
    if (!fnmatch(f.label, label)) return false;
  }
  if (f.prefix !== undefined) {
    const local = tb[A.IFA_LOCAL] ?? tb[A.IFA_ADDRESS];
    if (local === undefined || h.family !== f.prefix.family) return false;
    if (!prefixMatches(nla_data(local), f.prefix.bytes, f.prefix.bits)) return false;
  }
  return true;
}

function printAddressFlags(ctx: Context, h: AddressHeader): void {
  if ((h.flags & A.IFA_F_SECONDARY) !== 0) {
    const word = h.family === AF_INET ? "secondary" : "temporary";
    ctx.put(word, true, `${word} `);
  }
  for (const [bit, name] of FLAGS) {
    const set = (h.flags & bit) !== 0;
    if (bit === A.IFA_F_PERMANENT) {
      if (!set) ctx.put("dynamic", true, "dynamic ");
    } else if (set) ctx.put(name, true, `${name} `);
  }
  const known = FLAGS.reduce((all, [bit]) => all | bit, A.IFA_F_SECONDARY);
  const rest = h.flags & ~known;
  if (rest !== 0)
    ctx.put("ifa_flags", `0x${rest.toString(16).padStart(2, "0")}`, `flags ${rest.toString(16).padStart(2, "0")} `);
}

/** One RTM_NEWADDR or RTM_DELADDR with the end of its last line. */
export function* printAddress(run: Run, m: NlMsg, withInterface: boolean): Blocking<void> {
  const ctx: Context = run.ctx;
  if (m.len < A.IFADDRMSG_LEN) return;
  const h = addressHeader(m);
  const tb = nlmsg_parse(m, A.IFADDRMSG_LEN);
  const { brief, numeric } = ctx.opt;
  const local = tb[A.IFA_LOCAL] ?? tb[A.IFA_ADDRESS];
  const peer = tb[A.IFA_ADDRESS] ?? local;
  if (m.type === RTM_DELADDR) ctx.put("deleted", true, "Deleted ");
  ctx.openObject();
  if (!brief) {
    if (withInterface) {
      const name = yield* run.rtnl.indexToName(h.index);
      ctx.put("index", h.index, `${h.index}: `);
      ctx.put("dev", name, name);
    }
    const family = familyName(h.family);
    ctx.put(
      "family",
      family === "???" ? h.family : family,
      family === "???" ? `    family ${h.family} ` : `    ${family} `,
    );
  }
  const color = h.family === AF_INET ? "inet" : "inet6";
  if (local !== undefined && peer !== undefined) {
    const text = formatAttr(h.family, local);
    ctx.put("local", text, ctx.paint(color, text));
    if (formatAttr(h.family, peer) !== text) {
      const other = formatAttr(h.family, peer);
      ctx.put("address", other, ` peer ${ctx.paint(color, other)}`);
    }
    ctx.put("prefixlen", h.prefixlen, `/${h.prefixlen} `);
    if (tb[A.IFA_RT_PRIORITY]) {
      const metric = nla_get_u32(tb[A.IFA_RT_PRIORITY]);
      ctx.put("metric", metric, `metric ${metric} `);
    }
  }
  if (!brief) {
    const put = (attr: number, key: string, word: string): void => {
      const a = tb[attr];
      if (a === undefined) return;
      const text = formatAttr(h.family, a);
      ctx.put(key, text, `${word} ${ctx.paint(color, `${text} `)}`);
    };
    put(A.IFA_BROADCAST, "broadcast", "brd");
    put(A.IFA_ANYCAST, "anycast", "any");
    const scope = scopeName(h.scope, numeric);
    ctx.put("scope", scope, `scope ${scope} `);
    printAddressFlags(ctx, h);
    if (tb[A.IFA_LABEL]) ctx.put("label", nla_get_string(tb[A.IFA_LABEL]), nla_get_string(tb[A.IFA_LABEL]));
    const ci = tb[A.IFA_CACHEINFO];
    if (ci !== undefined && ci.len >= A.IFA_CACHEINFO_LEN) {
      const preferred = ci.dv.getUint32(ci.off, true);
      const valid = ci.dv.getUint32(ci.off + 4, true);
      const life = (n: number): string => (n === A.INFINITY_LIFE_TIME ? "forever" : `${n}sec`);
      ctx.text(ctx.nl);
      ctx.put("valid_life_time", valid, `       valid_lft ${life(valid)}`);
      ctx.put("preferred_life_time", preferred, ` preferred_lft ${life(preferred)}`);
    }
    ctx.text("\n");
  }
  ctx.closeObject();
}

function* dumpAddresses(run: Run, f: Filter): Blocking<NlMsg[]> {
  const w = run.rtnl.request(RTM_GETADDR, 0, A.IFADDRMSG_LEN);
  w.buf[w.msg + 16] = f.family;
  w.dv.setUint32(w.msg + 16 + A.IFADDRMSG_INDEX, f.index, true);
  return yield* run.rtnl.dumpOrExit(w);
}

function* flush(run: Run, f: Filter): Blocking<number> {
  return yield* flushRounds(
    run,
    "addresses",
    false,
    function* () {
      const doomed: NlMsg[] = [];
      for (const m of yield* dumpAddresses(run, f))
        if (m.type === RTM_NEWADDR && (yield* addressPasses(run, m, f))) doomed.push(m);
      if (run.ctx.opt.statistics > 1) for (const m of doomed) yield* printAddress(run, m, true);
      return doomed;
    },
    RTM_DELADDR,
  );
}

function* save(run: Run, f: Filter): Blocking<number> {
  yield* beginSave(run.ctx, ADDRESS_DUMP);
  // What the kernel itself selects by: other words select nothing.
  yield* saveMessages(run.ctx, yield* dumpAddresses(run, f));
  return 0;
}

/** Of a dump each address stands alone, under the number of its device. */
function* printDumped(run: Run, m: NlMsg): Blocking<void> {
  if (m.type !== RTM_NEWADDR) return;
  run.ctx.text(`if${addressHeader(m).index}:\n`);
  yield* printAddress(run, m, false);
}

function* show(run: Run, a: Args, action: "show" | "flush" | "save"): Blocking<number> {
  const flushing = action === "flush";
  const ctx: Context = run.ctx;
  const rtnl = run.rtnl;
  const f: Filter = {
    links: allLinks(),
    family: ctx.opt.family === AF_PACKET ? AF_UNSPEC : ctx.opt.family,
    index: 0,
    prefix: undefined,
    scope: undefined,
    label: undefined,
    mask: 0,
    flags: 0,
    flush: flushing,
    withInterface: ctx.opt.oneline || flushing,
  };
  if (flushing && !a.more) ctx.fail("Flush requires arguments.\n", 1);
  let dev: string | undefined;
  for (; a.more; a.skip()) {
    const bare = a.word.replace(/^[-!]/, "");
    const flag = FLAGS.find((x) => x[1] === bare);
    if (a.is("to")) {
      f.prefix = parsePrefix(ctx, a.next(), f.family);
      if (f.family === AF_UNSPEC) f.family = f.prefix.family;
    } else if (a.is("scope")) {
      a.next();
      if (a.word !== "all") {
        const scope = parseScope(a.word);
        if (scope === undefined) ctx.invalidArgument('invalid "scope"\n', a.word);
        f.scope = scope;
      }
    } else if (
      a.is("dynamic", "permanent") ||
      flag !== undefined ||
      ["secondary", "primary", "temporary"].includes(bare)
    ) {
      const name = bare === "dynamic" ? "permanent" : bare;
      const bit = FLAGS.find((x) => x[1] === name)?.[0] ?? A.IFA_F_SECONDARY;
      const clear = bare !== a.word || bare === "dynamic" || bare === "primary";
      f.mask |= bit;
      f.flags = clear ? f.flags & ~bit : f.flags | bit;
    } else if (a.is("label")) {
      f.label = a.next();
    } else if (yield* parseLinkFilter(run, a, f.links)) {
      // taken
    } else {
      if (a.is("dev")) a.next();
      else if (a.matches("help")) ctx.fail(ADDRESS_USAGE, 255);
      if (dev !== undefined) ctx.garbage("dev", a.word);
      dev = a.word;
    }
  }
  if (dev !== undefined) {
    f.index = yield* rtnl.nameToIndex(dev);
    if (f.index === 0) ctx.fail(`Device "${dev}" does not exist.\n`, 1);
  }
  if (flushing) return yield* flush(run, f);
  if (action === "save") return yield* save(run, f);

  // The header of -4 and the like has no link/ line; -0 shows links only.
  const links = yield* selectLinks(run, f);
  const filtered = f.prefix !== undefined || f.mask !== 0 || f.scope !== undefined || f.label !== undefined;
  const wantAddresses = ctx.opt.family !== AF_PACKET;
  const addresses = wantAddresses ? yield* dumpAddresses(run, f) : [];

  const family = ctx.opt.family;
  if (f.label !== undefined && family === AF_UNSPEC) ctx.opt.family = AF_INET;
  else if (f.prefix !== undefined) ctx.opt.family = f.family;
  ctx.startJson();
  for (const m of links) {
    if (m.type !== RTM_NEWLINK || !linkPasses(m, f.links)) continue;
    const index = linkHeader(m).index;
    const mine: NlMsg[] = [];
    // An interface without any address is no match for a filter, but it is no mismatch either.
    let bare = f.family === AF_UNSPEC && f.label === undefined;
    for (const x of addresses) {
      if (x.type !== RTM_NEWADDR || addressHeader(x).index !== index) continue;
      bare = false;
      if (yield* addressPasses(run, x, f)) mine.push(x);
    }
    if (wantAddresses && (filtered || f.family !== AF_UNSPEC) && mine.length === 0 && !bare) continue;
    yield* printOne(run, m, mine, f);
  }
  ctx.endJson();
  ctx.opt.family = family;
  return 0;
}

function* printOne(run: Run, m: NlMsg, addresses: NlMsg[], f: Filter): Blocking<void> {
  const ctx: Context = run.ctx;
  const { brief, oneline, statistics } = ctx.opt;
  ctx.openObject();
  if (brief) yield* printLinkBrief(run, m, ctx.opt.family === AF_PACKET);
  else if (!oneline && f.label === undefined) {
    // Statistics come behind the addresses.
    ctx.opt.statistics = 0;
    yield* printLink(run, m, false);
    ctx.opt.statistics = statistics;
    ctx.text("\n");
  }
  if (ctx.opt.family !== AF_PACKET) {
    ctx.openArray("addr_info");
    for (const x of addresses) yield* printAddress(run, x, f.withInterface && !brief);
    ctx.closeArray();
    if (brief) ctx.text("\n");
  }
  if (!brief && !oneline && statistics > 0) printStatistics(ctx, nlmsg_parse(m, L.IFINFOMSG_LEN), false);
  ctx.closeObject();
}

function* selectLinks(run: Run, f: Filter): Blocking<NlMsg[]> {
  const rtnl = run.rtnl;
  const family = run.ctx.opt.family;
  if (f.index === 0) {
    const withMask = family === AF_UNSPEC || family === AF_PACKET;
    return yield* dumpLinks(run, family, f.links, withMask);
  }
  const w = rtnl.request(RTM_GETLINK, 0, L.IFINFOMSG_LEN);
  w.buf[w.msg + 16] = family;
  w.dv.setInt32(w.msg + 16 + L.IFINFOMSG_INDEX, f.index, true);
  const skip = run.ctx.opt.statistics > 0 ? 0 : RTEXT_FILTER_SKIP_STATS;
  nla_put_u32(w, L.IFLA_EXT_MASK, RTEXT_FILTER_VF | skip);
  const m = yield* rtnl.ask(w);
  if (m === undefined) throw new Exit(1);
  rtnl.remember(m);
  return [m];
}

export function* address(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a, "show");
  const word = a.word;
  const rest = a.tail();
  if (matches(word, "add")) return yield* addressModify(run, rest, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL);
  if (matches(word, "change") || word === "chg") return yield* addressModify(run, rest, RTM_NEWADDR, NLM_F_REPLACE);
  if (matches(word, "replace")) return yield* addressModify(run, rest, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  if (matches(word, "delete")) return yield* addressModify(run, rest, RTM_DELADDR, 0);
  if (matches(word, "show") || matches(word, "lst") || matches(word, "list")) return yield* show(run, rest, "show");
  if (matches(word, "flush")) return yield* show(run, rest, "flush");
  if (matches(word, "save")) return yield* show(run, rest, "save");
  if (matches(word, "showdump")) return yield* showDump(run, ADDRESS_DUMP, (m) => printDumped(run, m));
  if (matches(word, "restore")) return yield* restore(run, ADDRESS_DUMP);
  if (matches(word, "help")) ctx.fail(ADDRESS_USAGE, 255);
  return ctx.fail(`Command "${word}" is unknown, try "ip address help".\n`, 255);
}
