// `ip rule`: show, add, delete and flush.
// Read first: ip-rule(8), uapi/fib_rules.ts.

import * as F from "../../uapi/fib_rules.ts";
import { NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST } from "../../uapi/netlink.ts";
import type { NlAttr, NlMsg } from "../../uapi/nlattr.ts";
import {
  NlMsgWriter,
  nla_data,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_put,
  nla_put_string,
  nla_put_u8,
  nla_put_u32,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import {
  RT_TABLE_MAIN,
  RTM_DELRULE,
  RTM_GETRULE,
  RTM_NEWRULE,
  RTNL_FAMILY_IPMR,
  RTPROT_KERNEL,
} from "../../uapi/rtnetlink.ts";
import { AF_INET, AF_UNSPEC } from "../../uapi/socket.ts";
import type { Blocking } from "../../uapi/sys.ts";
import type { Prefix } from "../iproute/addr.ts";
import { addressBits, formatAttr, parseInteger, parsePrefix } from "../iproute/addr.ts";
import type { Args, Context } from "../iproute/context.ts";
import { matches } from "../iproute/context.ts";
import {
  dsfieldName,
  groupName,
  ipProtoName,
  parseDsfield,
  parseGroup,
  parseIpProto,
  parseProto,
  parseRouteType,
  parseTable,
  protoName,
  realmName,
  routeTypeName,
  tableName,
} from "../iproute/names.ts";
import { prefixMatches } from "./address.ts";
import { beginSave, RULE_DUMP, restore, saveMessages } from "./dump_file.ts";
import type { Run } from "./link_show.ts";
import { parseRealms } from "./route_set.ts";
import { RULE_USAGE } from "./usage.ts";

interface Filter {
  not: boolean;
  from: Prefix | undefined;
  to: Prefix | undefined;
  tos: number | undefined;
  pref: number | undefined;
  fwmark: number | undefined;
  fwmask: number | undefined;
  iif: string | undefined;
  oif: string | undefined;
  l3mdev: boolean;
  table: number | undefined;
  protocol: number | undefined;
  ipproto: number | undefined;
  sport: Range | undefined;
  dport: Range | undefined;
  uids: Range | undefined;
}
interface Range {
  start: number;
  end: number;
}

function header(m: NlMsg): {
  family: number;
  dstLen: number;
  srcLen: number;
  tos: number;
  action: number;
  flags: number;
} {
  const b = m.buf;
  const o = m.off;
  return {
    family: b[o],
    dstLen: b[o + F.FIB_RULE_HDR_DST_LEN],
    srcLen: b[o + F.FIB_RULE_HDR_SRC_LEN],
    tos: b[o + F.FIB_RULE_HDR_TOS],
    action: b[o + F.FIB_RULE_HDR_ACTION],
    flags: m.dv.getUint32(o + F.FIB_RULE_HDR_FLAGS, true),
  };
}

function rulePasses(m: NlMsg, f: Filter): boolean {
  if (m.len < F.FIB_RULE_HDR_LEN) return false;
  const tb = nlmsg_parse(m, F.FIB_RULE_HDR_LEN);
  const h = header(m);
  const covered = (p: Prefix | undefined, a: NlAttr | undefined, len: number): boolean => {
    if (p === undefined) return true;
    if (p.bits > len) return false;
    return a === undefined ? p.bits <= 0 : prefixMatches(nla_data(a), p.bytes, p.bits);
  };
  const range = (r: Range | undefined, a: NlAttr | undefined, wide: boolean): boolean => {
    if (r === undefined) return true;
    const x = readRange(a, wide);
    return x !== undefined && x.start === r.start && x.end === r.end;
  };
  const table = tb[F.FRA_TABLE] ? nla_get_u32(tb[F.FRA_TABLE]) : m.buf[m.off + F.FIB_RULE_HDR_TABLE];
  return (
    (!f.not || (h.flags & F.FIB_RULE_INVERT) !== 0) &&
    covered(f.from, tb[F.FRA_SRC], h.srcLen) &&
    covered(f.to, tb[F.FRA_DST], h.dstLen) &&
    (f.tos === undefined || f.tos === h.tos) &&
    (f.pref === undefined || f.pref === nla_get_u32(tb[F.FRA_PRIORITY])) &&
    (f.fwmark === undefined || f.fwmark === nla_get_u32(tb[F.FRA_FWMARK])) &&
    (f.fwmask === undefined || f.fwmask === nla_get_u32(tb[F.FRA_FWMASK])) &&
    (f.iif === undefined || f.iif === nla_get_string(tb[F.FRA_IIFNAME])) &&
    (f.oif === undefined || f.oif === nla_get_string(tb[F.FRA_OIFNAME])) &&
    (!f.l3mdev || nla_get_u8(tb[F.FRA_L3MDEV]) !== 0) &&
    (f.table === undefined || f.table === table) &&
    (f.protocol === undefined || f.protocol === nla_get_u8(tb[F.FRA_PROTOCOL])) &&
    (f.ipproto === undefined || f.ipproto === nla_get_u8(tb[F.FRA_IP_PROTO])) &&
    range(f.sport, tb[F.FRA_SPORT_RANGE], false) &&
    range(f.dport, tb[F.FRA_DPORT_RANGE], false) &&
    range(f.uids, tb[F.FRA_UID_RANGE], true)
  );
}

function readRange(a: NlAttr | undefined, wide: boolean): Range | undefined {
  if (a === undefined || a.len < (wide ? 8 : 4)) return undefined;
  return wide
    ? { start: a.dv.getUint32(a.off, true), end: a.dv.getUint32(a.off + 4, true) }
    : { start: a.dv.getUint16(a.off, true), end: a.dv.getUint16(a.off + 2, true) };
}

/** One RTM_NEWRULE or RTM_DELRULE with the end of its line. */
export function printRule(ctx: Context, m: NlMsg): void {
  if (m.len < F.FIB_RULE_HDR_LEN) return;
  const { numeric, details } = ctx.opt;
  const tb = nlmsg_parse(m, F.FIB_RULE_HDR_LEN);
  const h = header(m);
  const bits = addressBits(h.family);
  ctx.openObject();
  if (m.type === RTM_DELRULE) ctx.put("deleted", null, "Deleted ");
  const priority = nla_get_u32(tb[F.FRA_PRIORITY]);
  ctx.put("priority", priority, `${priority}:\t`);
  if ((h.flags & F.FIB_RULE_INVERT) !== 0) ctx.put("not", null, "not ");
  const prefix = (key: string, a: NlAttr | undefined, len: number, word: string): void => {
    if (a !== undefined) {
      const text = formatAttr(h.family, a);
      ctx.put(key, text, `${word} ${ctx.paint(h.family === AF_INET ? "inet" : "inet6", text)}`);
      if (len !== bits) ctx.put(`${key}len`, len, `/${len}`);
    } else if (len !== 0) {
      ctx.put(key, "0", `${word} 0`);
      ctx.put(`${key}len`, len, `/${len}`);
    } else if (key === "src") ctx.put(key, "all", `${word} all`);
  };
  prefix("src", tb[F.FRA_SRC], h.srcLen, "from");
  prefix("dst", tb[F.FRA_DST], h.dstLen, " to");
  if (h.tos !== 0) ctx.put("tos", dsfieldName(h.tos, numeric), ` tos ${dsfieldName(h.tos, numeric)}`);
  if (tb[F.FRA_FWMARK] !== undefined || tb[F.FRA_FWMASK] !== undefined) {
    const mark = nla_get_u32(tb[F.FRA_FWMARK]);
    const mask = tb[F.FRA_FWMASK] === undefined ? 0xffffffff : nla_get_u32(tb[F.FRA_FWMASK]);
    const hex = (n: number): string => `0x${n.toString(16)}`;
    if (mark !== 0 || (tb[F.FRA_FWMASK] !== undefined && mask !== 0)) {
      ctx.put("fwmark", hex(mark), ` fwmark ${hex(mark)}`);
      if (mask !== 0xffffffff) ctx.put("fwmask", hex(mask), `/${hex(mask)}`);
    }
  }
  const device = (key: string, a: NlAttr | undefined, bit: number): void => {
    if (a === undefined) return;
    const name = nla_get_string(a);
    ctx.put(key, name, ` ${key} ${ctx.paint("ifname", name)}`);
    if ((h.flags & bit) !== 0) ctx.put(`${key}_detached`, null, " [detached]");
  };
  device("iif", tb[F.FRA_IIFNAME], F.FIB_RULE_IIF_DETACHED);
  device("oif", tb[F.FRA_OIFNAME], F.FIB_RULE_OIF_DETACHED);
  const l3mdev = nla_get_u8(tb[F.FRA_L3MDEV]) !== 0;
  const uids = readRange(tb[F.FRA_UID_RANGE], true);
  if (uids !== undefined) {
    ctx.put("uid_start", uids.start, ` uidrange ${uids.start}`);
    ctx.put("uid_end", uids.end, `-${uids.end}`);
  }
  if (tb[F.FRA_IP_PROTO]) {
    const name = ipProtoName(nla_get_u8(tb[F.FRA_IP_PROTO]), numeric);
    ctx.put("ipproto", name, ` ipproto ${name}`);
  }
  for (const [key, attr] of [
    ["sport", F.FRA_SPORT_RANGE],
    ["dport", F.FRA_DPORT_RANGE],
  ] as const) {
    const r = readRange(tb[attr], false);
    if (r === undefined) continue;
    if (r.start === r.end) ctx.put(key, r.start, ` ${key} ${r.start}`);
    else {
      ctx.put(`${key}_start`, r.start, ` ${key} ${r.start}`);
      ctx.put(`${key}_end`, r.end, `-${r.end}`);
    }
  }
  const table = tb[F.FRA_TABLE] ? nla_get_u32(tb[F.FRA_TABLE]) : m.buf[m.off + F.FIB_RULE_HDR_TABLE];
  if (l3mdev) ctx.put("l3mdev", null, " lookup [l3mdev-table]");
  else if (table !== 0) {
    ctx.put("table", tableName(table, numeric), ` lookup ${tableName(table, numeric)}`);
    const length = tb[F.FRA_SUPPRESS_PREFIXLEN];
    if (length !== undefined && nla_get_u32(length) !== 0xffffffff)
      ctx.put("suppress_prefixlen", nla_get_u32(length), ` suppress_prefixlength ${nla_get_u32(length)}`);
    const group = tb[F.FRA_SUPPRESS_IFGROUP];
    if (group !== undefined && nla_get_u32(group) !== 0xffffffff) {
      const name = groupName(nla_get_u32(group), numeric);
      ctx.put("suppress_ifgroup", name, ` suppress_ifgroup ${name}`);
    }
  }
  if (tb[F.FRA_FLOW]) {
    const flow = nla_get_u32(tb[F.FRA_FLOW]);
    const from = flow >>> 16;
    const to = flow & 0xffff;
    if (from !== 0) ctx.put("flow_from", realmName(from, numeric), ` realms ${realmName(from, numeric)}/`);
    ctx.put("flow_to", realmName(to, numeric), `${from !== 0 ? "" : " realms "}${realmName(to, numeric)}`);
  }
  if (h.action === F.FR_ACT_GOTO) {
    if (tb[F.FRA_GOTO]) ctx.put("goto", nla_get_u32(tb[F.FRA_GOTO]), ` goto ${nla_get_u32(tb[F.FRA_GOTO])}`);
    else ctx.put("goto", "none", " goto none");
    if ((h.flags & F.FIB_RULE_UNRESOLVED) !== 0) ctx.put("unresolved", null, " [unresolved]");
  } else if (h.action === F.FR_ACT_NOP) ctx.put("nop", null, " nop");
  else if (h.action !== F.FR_ACT_TO_TBL) {
    const name = routeTypeName(h.action, numeric);
    ctx.put("action", name, ` ${name}`);
  }
  if (tb[F.FRA_PROTOCOL]) {
    const proto = nla_get_u8(tb[F.FRA_PROTOCOL]);
    if ((proto !== 0 && proto !== RTPROT_KERNEL) || details > 0)
      ctx.put("protocol", protoName(proto, numeric), ` proto ${protoName(proto, numeric)}`);
  }
  ctx.text("\n");
  ctx.closeObject();
}

function parseRange(text: string, max: number): Range | undefined {
  const m = /^([0-9]+)(?:-([0-9]+))?$/.exec(text);
  if (m === null) return undefined;
  const r = { start: Number(m[1]), end: Number(m[2] ?? m[1]) };
  return r.start <= max && r.end <= max && r.start <= r.end ? r : undefined;
}
function parseUids(text: string): Range | undefined {
  return text.includes("-") ? parseRange(text, 0xffffffff) : undefined;
}

/** "5" or "5/0xff". */
function parseMark(ctx: Context, text: string): [number, number | undefined] {
  const slash = text.indexOf("/");
  const mark = parseInteger(slash < 0 ? text : text.slice(0, slash));
  if (mark === undefined) ctx.invalidArgument("fwmark value is invalid\n", text);
  if (slash < 0) return [mark, undefined];
  const mask = parseInteger(text.slice(slash + 1));
  if (mask === undefined) ctx.invalidArgument("fwmask value is invalid\n", text.slice(slash + 1));
  return [mark, mask];
}

function* dump(run: Run): Blocking<NlMsg[]> {
  const w = run.rtnl.request(RTM_GETRULE, 0, F.FIB_RULE_HDR_LEN);
  w.buf[w.msg + 16] = run.ctx.opt.family === AF_UNSPEC ? AF_INET : run.ctx.opt.family;
  return yield* run.rtnl.dumpOrExit(w);
}

function parseFilter(ctx: Context, a: Args): Filter {
  const f: Filter = {
    not: false,
    from: undefined,
    to: undefined,
    tos: undefined,
    pref: undefined,
    fwmark: undefined,
    fwmask: undefined,
    iif: undefined,
    oif: undefined,
    l3mdev: false,
    table: undefined,
    protocol: undefined,
    ipproto: undefined,
    sport: undefined,
    dport: undefined,
    uids: undefined,
  };
  const family = ctx.opt.family === AF_UNSPEC ? AF_INET : ctx.opt.family;
  const known = <T>(v: T | undefined, message: string): T => v ?? ctx.invalidArgument(message, a.word);
  for (; a.more; a.skip()) {
    if (a.matches("preference") || a.matches("order") || a.matches("priority"))
      f.pref = known(parseInteger(a.next()), "preference value is invalid\n");
    else if (a.is("not")) f.not = true;
    else if (a.is("tos") || a.matches("dsfield")) f.tos = known(parseDsfield(a.next()), "TOS value is invalid\n");
    else if (a.is("fwmark")) [f.fwmark, f.fwmask] = parseMark(ctx, a.next());
    else if (a.is("dev", "iif")) f.iif = a.next();
    else if (a.is("oif")) f.oif = a.next();
    else if (a.is("l3mdev")) f.l3mdev = true;
    else if (a.is("uidrange")) f.uids = known(parseUids(a.next()), "invalid UID range\n");
    else if (a.matches("table") || a.matches("lookup"))
      f.table = known(parseTable(a.next()), "table id value is invalid\n");
    else if (a.matches("from")) f.from = parsePrefix(ctx, a.next(), family);
    else if (a.matches("protocol")) f.protocol = known(parseProto(a.next()), "invalid protocol\n");
    else if (a.is("ipproto")) f.ipproto = known(parseIpProto(a.next()), 'Invalid "ipproto" value\n');
    else if (a.is("sport")) f.sport = known(parseRange(a.next(), 0xffff), "invalid port range\n");
    else if (a.is("dport")) f.dport = known(parseRange(a.next(), 0xffff), "invalid dport range\n");
    else {
      if (a.matches("to") || a.is("dst")) a.next();
      f.to = parsePrefix(ctx, a.word, family);
    }
  }
  return f;
}

function* show(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  const f = parseFilter(ctx, a);
  const all = yield* dump(run);
  ctx.startJson();
  for (const m of all) if (m.type === RTM_NEWRULE && rulePasses(m, f)) printRule(ctx, m);
  ctx.endJson();
  return 0;
}

function* save(run: Run, a: Args): Blocking<number> {
  if (a.more) run.ctx.fail('"ip rule save" does not take any arguments.\n', 1);
  yield* beginSave(run.ctx, RULE_DUMP);
  yield* saveMessages(run.ctx, yield* dump(run));
  return 0;
}

function* flush(run: Run, a: Args): Blocking<number> {
  const f = parseFilter(run.ctx, a);
  for (const m of yield* dump(run)) {
    if (m.type !== RTM_NEWRULE || !rulePasses(m, f)) continue;
    if (nla_get_u32(nlmsg_parse(m, F.FIB_RULE_HDR_LEN)[F.FRA_PRIORITY]) === 0) continue;
    const w = new NlMsgWriter();
    const at = nlmsg_put(w, RTM_DELRULE, NLM_F_REQUEST, 0, 0, m.len);
    w.buf.set(m.buf.subarray(m.off, m.off + m.len), at);
    if (!(yield* run.rtnl.talk(w))) return 2;
  }
  return 0;
}

function* modify(run: Run, a: Args, command: number): Blocking<number> {
  const ctx: Context = run.ctx;
  const adding = command === RTM_NEWRULE;
  if (!a.more) {
    // ip rule add alone would be a second "from all lookup main".
    ctx.fail(`"ip rule ${adding ? "add" : "del"}" requires arguments.\n`, 1);
  }
  const w = run.rtnl.request(command, adding ? NLM_F_CREATE | NLM_F_EXCL : 0, F.FIB_RULE_HDR_LEN);
  const at = w.msg + 16;
  let family = ctx.opt.family;
  let action = adding ? F.FR_ACT_TO_TBL : F.FR_ACT_UNSPEC;
  let table: number | undefined;
  let flags = 0;
  let l3mdev = false;
  const known = <T>(v: T | undefined, message: string): T => v ?? ctx.invalidArgument(message, a.word);
  const prefix = (attr: number, lengthAt: number): void => {
    const p = parsePrefix(ctx, a.next(), family);
    if (family === AF_UNSPEC) family = p.family;
    nla_put(w, attr, p.bytes);
    w.buf[at + lengthAt] = p.bits;
  };
  const ports = (attr: number, r: Range): void => {
    nla_put(w, attr, Uint8Array.of(r.start & 255, r.start >> 8, r.end & 255, r.end >> 8));
  };
  for (; a.more; a.skip()) {
    if (a.is("not")) flags |= F.FIB_RULE_INVERT;
    else if (a.is("from")) prefix(F.FRA_SRC, F.FIB_RULE_HDR_SRC_LEN);
    else if (a.is("to")) prefix(F.FRA_DST, F.FIB_RULE_HDR_DST_LEN);
    else if (a.matches("preference") || a.matches("order") || a.matches("priority"))
      nla_put_u32(w, F.FRA_PRIORITY, known(parseInteger(a.next()), "preference value is invalid\n"));
    else if (a.is("tos") || a.matches("dsfield"))
      w.buf[at + F.FIB_RULE_HDR_TOS] = known(parseDsfield(a.next()), "TOS value is invalid\n");
    else if (a.is("fwmark")) {
      const [mark, mask] = parseMark(ctx, a.next());
      nla_put_u32(w, F.FRA_FWMARK, mark);
      if (mask !== undefined) nla_put_u32(w, F.FRA_FWMASK, mask);
    } else if (a.matches("realms")) nla_put_u32(w, F.FRA_FLOW, known(parseRealms(a.next()), "invalid realms\n"));
    else if (a.matches("protocol"))
      nla_put_u8(w, F.FRA_PROTOCOL, known(parseProto(a.next()), '"protocol" value is invalid\n'));
    else if (a.matches("table") || a.is("lookup")) {
      table = known(parseTable(a.next()), "invalid table ID\n");
      if (table > 255) nla_put_u32(w, F.FRA_TABLE, table);
    } else if (a.matches("suppress_prefixlength") || a.is("sup_pl"))
      nla_put_u32(
        w,
        F.FRA_SUPPRESS_PREFIXLEN,
        known(parseInteger(a.next()), "suppress_prefixlength value is invalid\n"),
      );
    else if (a.matches("suppress_ifgroup") || a.is("sup_group"))
      nla_put_u32(w, F.FRA_SUPPRESS_IFGROUP, known(parseGroup(a.next()), 'Invalid "suppress_ifgroup" value\n'));
    else if (a.is("dev", "iif")) nla_put_string(w, F.FRA_IIFNAME, a.next());
    else if (a.is("oif")) nla_put_string(w, F.FRA_OIFNAME, a.next());
    else if (a.is("l3mdev")) {
      nla_put_u8(w, F.FRA_L3MDEV, 1);
      l3mdev = true;
    } else if (a.is("uidrange")) {
      const r = known(parseUids(a.next()), "invalid UID range\n");
      const bytes = new Uint8Array(8);
      const dv = new DataView(bytes.buffer);
      dv.setUint32(0, r.start, true);
      dv.setUint32(4, r.end, true);
      nla_put(w, F.FRA_UID_RANGE, bytes);
    } else if (a.is("ipproto"))
      nla_put_u8(w, F.FRA_IP_PROTO, known(parseIpProto(a.next()), 'Invalid "ipproto" value\n'));
    else if (a.is("sport")) ports(F.FRA_SPORT_RANGE, known(parseRange(a.next(), 0xffff), "invalid port range\n"));
    else if (a.is("dport")) ports(F.FRA_DPORT_RANGE, known(parseRange(a.next(), 0xffff), "invalid dport range\n"));
    else {
      if (a.is("type")) a.next();
      if (a.matches("help")) ctx.fail(RULE_USAGE, 255);
      if (a.matches("goto")) {
        action = F.FR_ACT_GOTO;
        nla_put_u32(w, F.FRA_GOTO, known(parseInteger(a.next()), "invalid target\n"));
      } else if (a.matches("nop")) action = F.FR_ACT_NOP;
      else action = known(ruleType(a.word), "Failed to parse rule type");
    }
  }
  if (l3mdev && table !== undefined) ctx.fail("table can not be specified for l3mdev rules\n", 1);
  if (table === undefined && adding && action === F.FR_ACT_TO_TBL && !l3mdev) table = RT_TABLE_MAIN;
  w.buf[at] = family === AF_UNSPEC ? AF_INET : family;
  w.buf[at + F.FIB_RULE_HDR_TABLE] = table !== undefined && table < 256 ? table : 0;
  w.buf[at + F.FIB_RULE_HDR_ACTION] = action;
  w.dv.setUint32(at + F.FIB_RULE_HDR_FLAGS, flags, true);
  return (yield* run.rtnl.talk(w)) ? 0 : 2;
}

function ruleType(word: string): number | undefined {
  for (const name of ["broadcast", "anycast", "multicast", "prohibit", "unreachable", "blackhole", "unicast", "throw"])
    if (matches(word, name)) return parseRouteType(name);
  return parseRouteType(word);
}

export function* rule(run: Run, a: Args): Blocking<number> {
  const ctx: Context = run.ctx;
  if (!a.more) return yield* show(run, a);
  const word = a.word;
  const rest = a.tail();
  if (matches(word, "list") || matches(word, "lst") || matches(word, "show")) return yield* show(run, rest);
  if (matches(word, "add")) return yield* modify(run, rest, RTM_NEWRULE);
  if (matches(word, "delete")) return yield* modify(run, rest, RTM_DELRULE);
  if (matches(word, "flush")) return yield* flush(run, rest);
  if (matches(word, "save")) return yield* save(run, rest);
  if (matches(word, "restore")) return yield* restore(run, RULE_DUMP);
  if (matches(word, "help")) ctx.fail(RULE_USAGE, 255);
  return ctx.fail(`Command "${word}" is unknown, try "ip rule help".\n`, 255);
}

/** `ip mrule`: the rules of multicast routing, a family of their own. */
export function* mrule(run: Run, a: Args): Blocking<number> {
  run.ctx.opt.family = RTNL_FAMILY_IPMR;
  return yield* rule(run, a);
}
