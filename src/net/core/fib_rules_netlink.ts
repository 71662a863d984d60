// RTM_*RULE, whatever the family. Mirrors the netlink part of net/core/fib_rules.c. Read first: fib_rules.ts.
// Way in: fib_rules_netlink_init(); fib_rules_nl_register() for what a family adds.

import type { Kernel } from "../../kernel/kernel.ts";
import { EAFNOSUPPORT, EINVAL } from "../../uapi/errno.ts";
import * as F from "../../uapi/fib_rules.ts";
import { IFNAMSIZ } from "../../uapi/if.ts";
import { NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlAttr,
  type NlAttrs,
  NlMsgWriter,
  nla_get_string,
  nla_get_u8,
  nla_get_u32,
  nla_put_string,
  nla_put_u8,
  nla_put_u16,
  nla_put_u32,
  nla_reserve,
  nlmsg_end,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import { RT_TABLE_COMPAT, RTM_DELRULE, RTM_GETRULE, RTM_NEWRULE } from "../../uapi/rtnetlink.ts";
import { type NetlinkDump, type NlRequest, netlink_has_listeners, nl_err } from "../netlink/af_netlink.ts";
import {
  NLA_EXACT_LEN,
  NLA_STRING,
  type NlaPolicy,
  nlmsg_parse_deprecated,
  policy_of,
  U8,
  U16,
  U32,
  U64,
} from "../netlink/nlattr.ts";
import { type FibRule, type FibRulesOps, fib_nl_delrule, fib_nl_newrule } from "./fib_rules.ts";
import type { Net } from "./net_namespace.ts";
import type { NlInfo } from "./rtmsg.ts";
import { header_is_zero, nl_info, rtnl_notify, rtnl_register } from "./rtnetlink.ts";

const FRA_SPORT_MASK = 28;
const FRA_DPORT_MASK = 29;

const fib_rule_policy: NlaPolicy = policy_of(FRA_DPORT_MASK, [
  [F.FRA_IIFNAME, { type: NLA_STRING, len: IFNAMSIZ - 1 }],
  [F.FRA_OIFNAME, { type: NLA_STRING, len: IFNAMSIZ - 1 }],
  [F.FRA_PRIORITY, U32],
  [F.FRA_FWMARK, U32],
  [F.FRA_FLOW, U32],
  [F.FRA_TUN_ID, U64],
  [F.FRA_FWMASK, U32],
  [F.FRA_TABLE, U32],
  [F.FRA_SUPPRESS_PREFIXLEN, U32],
  [F.FRA_SUPPRESS_IFGROUP, U32],
  [F.FRA_GOTO, U32],
  [F.FRA_L3MDEV, U8],
  [F.FRA_UID_RANGE, { type: NLA_EXACT_LEN, len: 8 }],
  [F.FRA_PROTOCOL, U8],
  [F.FRA_IP_PROTO, U8],
  [F.FRA_SPORT_RANGE, { type: NLA_EXACT_LEN, len: 4 }],
  [F.FRA_DPORT_RANGE, { type: NLA_EXACT_LEN, len: 4 }],
  [FRA_SPORT_MASK, U16],
  [FRA_DPORT_MASK, U16],
]);

/** What a family brings to the messages. */
export interface FibRulesNl {
  readonly family: number;
  /** RTNLGRP_*_RULE. */
  readonly nlgroup: number;
  /** Bytes of an address. */
  readonly addr_size: number;
  ops(net: Net): FibRulesOps;
  alloc(): FibRule;
  /** Addresses and TOS of a request; `hdr` is struct fib_rule_hdr. 0 or -errno. */
  configure(rule: FibRule, req: NlRequest, tb: NlAttrs): number;
  /** Writes dst_len, src_len and tos into the header at `at`, and the family's attributes. */
  fill(rule: FibRule, w: NlMsgWriter, at: number): void;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    fib_rules_nl: FibRulesNl[];
  }
}

export function fib_rules_nl_register(k: Kernel, ops: FibRulesNl): void {
  k.fib_rules_nl.push(ops);
  k.fib_rules_nl.sort((a, b) => a.family - b.family);
}

// --- requests -----------------------------------------------------------------------------------------------------

interface PortRange {
  start: number;
  end: number;
}

function port_range(a: NlAttr): PortRange | null {
  const start = a.dv.getUint16(a.off, true);
  const end = a.dv.getUint16(a.off + 2, true);
  return start === 0 || end === 0 || end < start ? null : { start, end };
}

/** A mask that is all ones names one port, which is all that rules here know. */
const odd_mask = (a: NlAttr | undefined): boolean => a !== undefined && a.dv.getUint16(a.off, true) !== 0xffff;

function parse_ports(rule: FibRule, req: NlRequest, tb: NlAttrs): number {
  const s = tb[F.FRA_SPORT_RANGE];
  if (s !== undefined) {
    const r = port_range(s);
    if (r === null) return req.bad(s, "Invalid sport range", -EINVAL);
    rule.sport_start = r.start;
    rule.sport_end = r.end;
  }
  const d = tb[F.FRA_DPORT_RANGE];
  if (d !== undefined) {
    const r = port_range(d);
    if (r === null) return req.bad(d, "Invalid dport range", -EINVAL);
    rule.dport_start = r.start;
    rule.dport_end = r.end;
  }
  // DIFF: Linux 6.15 and later match ports by other masks too.
  if (odd_mask(tb[FRA_SPORT_MASK]) || odd_mask(tb[FRA_DPORT_MASK])) {
    return nl_err(req.extack, "Port masks are not supported", -EINVAL);
  }
  return 0;
}

interface Parsed {
  nl: FibRulesNl;
  rule: FibRule;
}

function fib_nl2rule(req: NlRequest): Parsed | number {
  const m = req.msg;
  if (m.len < F.FIB_RULE_HDR_LEN) return nl_err(req.extack, "Invalid msg length", -EINVAL);
  const h = (off: number): number => m.buf[m.off + off]!;
  const nl = req.net.kernel.fib_rules_nl.find((o) => o.family === h(F.FIB_RULE_HDR_FAMILY));
  if (nl === undefined) return nl_err(req.extack, "Rule family not supported", -EAFNOSUPPORT);
  const tb: NlAttrs = [];
  let err = nlmsg_parse_deprecated(req, F.FIB_RULE_HDR_LEN, tb, fib_rule_policy);
  if (err < 0) return nl_err(req.extack, "Error parsing msg", err);
  const addr_ok = (len: number, a: NlAttr | undefined): boolean =>
    len === 0 || (len <= nl.addr_size * 8 && a !== undefined && a.len === nl.addr_size);
  if (!addr_ok(h(F.FIB_RULE_HDR_SRC_LEN), tb[F.FRA_SRC])) return nl_err(req.extack, "Invalid source address", -EINVAL);
  if (!addr_ok(h(F.FIB_RULE_HDR_DST_LEN), tb[F.FRA_DST])) return nl_err(req.extack, "Invalid dst address", -EINVAL);
  const rule = nl.alloc();
  if (tb[F.FRA_PRIORITY] !== undefined) {
    rule.pref = nla_get_u32(tb[F.FRA_PRIORITY]);
    rule.user_priority = true;
  }
  rule.proto = nla_get_u8(tb[F.FRA_PROTOCOL]);
  rule.iifname = nla_get_string(tb[F.FRA_IIFNAME]);
  rule.oifname = nla_get_string(tb[F.FRA_OIFNAME]);
  if (tb[F.FRA_FWMARK] !== undefined) {
    rule.mark = nla_get_u32(tb[F.FRA_FWMARK]) | 0;
    if (rule.mark !== 0) rule.mark_mask = -1;
  }
  if (tb[F.FRA_FWMASK] !== undefined) rule.mark_mask = nla_get_u32(tb[F.FRA_FWMASK]) | 0;
  if (tb[F.FRA_L3MDEV] !== undefined) {
    if (nla_get_u8(tb[F.FRA_L3MDEV]) !== 1) return nl_err(req.extack, "Invalid l3mdev attribute", -EINVAL);
    rule.l3mdev = true;
  }
  rule.action = h(F.FIB_RULE_HDR_ACTION);
  rule.flags = m.dv.getUint32(m.off + F.FIB_RULE_HDR_FLAGS, true) | 0;
  rule.table = tb[F.FRA_TABLE] !== undefined ? nla_get_u32(tb[F.FRA_TABLE]) | 0 : h(F.FIB_RULE_HDR_TABLE);
  if (tb[F.FRA_SUPPRESS_PREFIXLEN] !== undefined)
    rule.suppress_prefixlen = nla_get_u32(tb[F.FRA_SUPPRESS_PREFIXLEN]) | 0;
  if (tb[F.FRA_SUPPRESS_IFGROUP] !== undefined) rule.suppress_ifgroup = nla_get_u32(tb[F.FRA_SUPPRESS_IFGROUP]) | 0;
  rule.target = nla_get_u32(tb[F.FRA_GOTO]) | 0;
  const uid = tb[F.FRA_UID_RANGE];
  if (uid !== undefined) {
    rule.uid_start = uid.dv.getUint32(uid.off, true);
    rule.uid_end = uid.dv.getUint32(uid.off + 4, true);
    if (rule.uid_start > rule.uid_end) return nl_err(req.extack, "Invalid uid range", -EINVAL);
  }
  rule.ip_proto = nla_get_u8(tb[F.FRA_IP_PROTO]);
  err = parse_ports(rule, req, tb);
  if (err === 0) err = nl.configure(rule, req, tb);
  return err < 0 ? err : { nl, rule };
}

function rtm_newrule(req: NlRequest): number {
  const p = fib_nl2rule(req);
  return typeof p === "number" ? p : fib_nl_newrule(p.nl.ops(req.net), p.rule, nl_info(req), req.extack);
}

function rtm_delrule(req: NlRequest): number {
  const p = fib_nl2rule(req);
  return typeof p === "number" ? p : fib_nl_delrule(p.nl.ops(req.net), p.rule, nl_info(req));
}

// --- dumps and notifications --------------------------------------------------------------------------------------

function put_ports(w: NlMsgWriter, type: number, mask: number, start: number, end: number): void {
  if (start === 0) return;
  const at = nla_reserve(w, type, 4);
  w.dv.setUint16(at, start, true);
  w.dv.setUint16(at + 2, end, true);
  if (start === end) nla_put_u16(w, mask, 0xffff);
}

function fib_nl_fill_rule(
  w: NlMsgWriter,
  nl: FibRulesNl,
  rule: FibRule,
  type: number,
  portid: number,
  seq: number,
  flags: number,
): void {
  const at = nlmsg_put(w, type, flags, seq, portid, F.FIB_RULE_HDR_LEN);
  const table = rule.table >>> 0;
  w.buf[at] = rule.family;
  w.buf[at + F.FIB_RULE_HDR_TABLE] = table < 256 ? table : RT_TABLE_COMPAT;
  w.buf[at + F.FIB_RULE_HDR_ACTION] = rule.action;
  w.dv.setUint32(at + F.FIB_RULE_HDR_FLAGS, rule.flags >>> 0, true);
  nla_put_u32(w, F.FRA_TABLE, table);
  nla_put_u32(w, F.FRA_SUPPRESS_PREFIXLEN, rule.suppress_prefixlen);
  nla_put_u8(w, F.FRA_PROTOCOL, rule.proto);
  if (rule.iifname !== "") nla_put_string(w, F.FRA_IIFNAME, rule.iifname);
  if (rule.oifname !== "") nla_put_string(w, F.FRA_OIFNAME, rule.oifname);
  if (rule.pref !== 0) nla_put_u32(w, F.FRA_PRIORITY, rule.pref);
  if (rule.mark !== 0) nla_put_u32(w, F.FRA_FWMARK, rule.mark);
  if (rule.mark !== 0 || rule.mark_mask !== 0) nla_put_u32(w, F.FRA_FWMASK, rule.mark_mask);
  if (rule.target !== 0) nla_put_u32(w, F.FRA_GOTO, rule.target);
  if (rule.l3mdev) nla_put_u8(w, F.FRA_L3MDEV, 1);
  if (rule.uid_start >= 0) {
    const p = nla_reserve(w, F.FRA_UID_RANGE, 8);
    w.dv.setUint32(p, rule.uid_start, true);
    w.dv.setUint32(p + 4, rule.uid_end, true);
  }
  put_ports(w, F.FRA_SPORT_RANGE, FRA_SPORT_MASK, rule.sport_start, rule.sport_end);
  put_ports(w, F.FRA_DPORT_RANGE, FRA_DPORT_MASK, rule.dport_start, rule.dport_end);
  if (rule.ip_proto !== 0) nla_put_u8(w, F.FRA_IP_PROTO, rule.ip_proto);
  if (rule.suppress_ifgroup !== -1) nla_put_u32(w, F.FRA_SUPPRESS_IFGROUP, rule.suppress_ifgroup);
  nl.fill(rule, w, at);
  nlmsg_end(w);
}

function* fib_nl_dumprule(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const m = req.msg;
  if (req.strict) {
    if (m.len < F.FIB_RULE_HDR_LEN) {
      return nl_err(req.extack, "Invalid header for fib rule dump request", -EINVAL);
    }
    if (!header_is_zero(req, F.FIB_RULE_HDR_DST_LEN, F.FIB_RULE_HDR_LEN)) {
      return nl_err(req.extack, "Invalid values in header for fib rule dump request", -EINVAL);
    }
    if (m.len > F.FIB_RULE_HDR_LEN) {
      return nl_err(req.extack, "Invalid data after header in fib rule dump request", -EINVAL);
    }
  }
  const family = m.buf[m.off]!;
  const all = req.net.kernel.fib_rules_nl;
  const wanted = family === 0 ? all : all.filter((nl) => nl.family === family);
  if (wanted.length === 0 && family !== 0) return -EAFNOSUPPORT;
  for (const nl of wanted) {
    const rules = nl.ops(req.net).rules;
    for (const rule of [...rules]) {
      if (!rules.includes(rule)) continue;
      fib_nl_fill_rule(w, nl, rule, RTM_NEWRULE, req.portid, m.seq, NLM_F_MULTI);
      yield;
    }
  }
  return 0;
}

function notify_rule_change(net: Net, event: number, rule: FibRule, info: NlInfo | null): void {
  const nl = net.kernel.fib_rules_nl.find((o) => o.family === rule.family);
  if (nl === undefined || (info === null && !netlink_has_listeners(net, 0, nl.nlgroup))) return;
  const w = new NlMsgWriter(128);
  fib_nl_fill_rule(w, nl, rule, event, info?.portid ?? 0, info?.seq ?? 0, 0);
  rtnl_notify(net, w, nl.nlgroup, info);
}

export function fib_rules_netlink_init(k: Kernel): void {
  k.fib_rules_nl = [];
  rtnl_register(k, 0, RTM_NEWRULE, rtm_newrule, null);
  rtnl_register(k, 0, RTM_DELRULE, rtm_delrule, null);
  rtnl_register(k, 0, RTM_GETRULE, null, fib_nl_dumprule);
  k.rtmsg_hooks.push((net, event, obj, info) => {
    if (event === RTM_NEWRULE || event === RTM_DELRULE) notify_rule_change(net, event, obj as FibRule, info);
  });
}
