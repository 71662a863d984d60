// Policy routing rules, whatever the family: order, matching of what packets of every family have, goto, notification.
// Mirrors net/core/fib_rules.c. Way in: fib_rules_lookup(); fib_nl_newrule(), fib_nl_delrule(). IPv4's part: ipv4/fib_rules.ts.

import { EAGAIN, EEXIST, EINVAL, ENOENT, EPERM, ESRCH } from "../../uapi/errno.ts";
import {
  FIB_RULE_IIF_DETACHED,
  FIB_RULE_INVERT,
  FIB_RULE_OIF_DETACHED,
  FIB_RULE_PERMANENT,
  FIB_RULE_UNRESOLVED,
  FR_ACT_GOTO,
  FR_ACT_NOP,
} from "../../uapi/fib_rules.ts";
import { NLM_F_EXCL } from "../../uapi/netlink.ts";
import { RTM_DELRULE, RTM_NEWRULE } from "../../uapi/rtnetlink.ts";
import type { Net } from "./net_namespace.ts";
import { NETDEV_CHANGENAME, NETDEV_REGISTER, NETDEV_UNREGISTER, type NetDevice } from "./netdevice.ts";
import { type NlInfo, rtmsg_notify } from "./rtmsg.ts";

/** One rule. Families extend it by their addresses. As a pattern for deletion, zeros and empty names fit everything. */
export class FibRule {
  readonly family: number;
  pref = 0;
  /** The preference was asked for, not chosen. */
  user_priority = false;
  table = 0;
  /** FR_ACT_*. */
  action = 0;
  /** FIB_RULE_*. */
  flags = 0;
  /** RTPROT_*. */
  proto = 0;
  l3mdev = false;
  iifname = "";
  oifname = "";
  /** -1 while no device has that name. */
  iifindex = 0;
  oifindex = 0;
  mark = 0;
  mark_mask = 0;
  tun_id = 0;
  suppress_ifgroup = -1;
  suppress_prefixlen = -1;
  /** FR_ACT_GOTO: the preference to go on with, and the first rule that has it. */
  target = 0;
  ctarget: FibRule | null = null;
  /** Inclusive; -1 for "any". */
  uid_start = -1;
  uid_end = -1;
  ip_proto = 0;
  /** Inclusive port ranges; start 0 for "any". */
  sport_start = 0;
  sport_end = 0;
  dport_start = 0;
  dport_end = 0;

  constructor(family: number) {
    this.family = family;
  }
}

/** What a family brings. `fl` and `arg` are the family's own flow and result. */
export interface FibRulesOps<R extends FibRule = FibRule, F = unknown, A = unknown> {
  readonly family: number;
  readonly net: Net;
  /** By preference; equal ones in the order they came. */
  readonly rules: R[];
  /** Whether the flow fits what all families have; calls fib_rule_match() with its own fields. */
  match(rule: R, fl: F): boolean;
  /** 0, or -errno; -EAGAIN goes on with the next rule. */
  action(rule: R, fl: F, flags: number, arg: A): number;
  /** True when the route found is not wanted by this rule. */
  suppress(rule: R, flags: number, arg: A): boolean;
  /** Checks a new rule and fills in what it left open. 0 or -errno. */
  configure(rule: R, extack: { msg: string } | null): number;
  /** Whether `rule` fits the family's part of a pattern; `exact` compares what the pattern leaves open too. */
  compare(rule: R, pattern: R, exact: boolean): boolean;
  /** A rule is gone. */
  deleted?(rule: R): void;
  flush_cache(): void;
}

/** The part of a match that families share: interfaces, mark and user. The family's own part and `not` come after. */
export function fib_rule_match(rule: FibRule, iif: number, oif: number, mark: number, uid: number): boolean {
  if (rule.iifindex !== 0 && rule.iifindex !== iif) return false;
  if (rule.oifindex !== 0 && rule.oifindex !== oif) return false;
  if (((rule.mark ^ mark) & rule.mark_mask) !== 0) return false;
  if (rule.l3mdev) return false;
  return rule.uid_start < 0 || (uid >= rule.uid_start && uid <= rule.uid_end);
}

/**
 * Goes through the rules until one decides. Returns what its action returned, or -ESRCH when none did. The rule that
 * decided is the return of fib_rules_lookup_rule(); its preference is noted by the action.
 */
export function fib_rules_lookup<R extends FibRule, F, A>(
  ops: FibRulesOps<R, F, A>,
  fl: F,
  flags: number,
  arg: A,
): number {
  const rules = ops.rules;
  for (let i = 0; i < rules.length; i++) {
    let rule = rules[i]!;
    for (;;) {
      if (ops.match(rule, fl) === ((rule.flags & FIB_RULE_INVERT) !== 0)) break;
      if (rule.action === FR_ACT_GOTO) {
        if (rule.ctarget === null) break;
        // Goto only leads forward (fib_nl_newrule refuses others), so this ends.
        rule = rule.ctarget as R;
        i = rules.indexOf(rule);
        continue;
      }
      if (rule.action === FR_ACT_NOP) break;
      const err = ops.action(rule, fl, flags, arg);
      if (err === 0 && ops.suppress(rule, flags, arg)) break;
      if (err !== -EAGAIN) return err;
      break;
    }
  }
  return -ESRCH;
}

/** The preference of a rule that names none: just before the second, so that it goes before all but the local table. */
export function fib_default_rule_pref(ops: FibRulesOps): number {
  const second = ops.rules[1];
  return second !== undefined && second.pref > 0 ? second.pref - 1 : 0;
}

function same_common(r: FibRule, p: FibRule, exact: boolean): boolean {
  const differs = (a: number | string, b: number | string, open: number | string): boolean =>
    (exact || b !== open) && a !== b;
  if (exact || p.user_priority) if (r.pref !== p.pref) return false;
  return !(
    differs(r.action, p.action, 0) ||
    differs(r.table, p.table, 0) ||
    differs(r.iifname, p.iifname, "") ||
    differs(r.oifname, p.oifname, "") ||
    differs(r.mark, p.mark, 0) ||
    differs(r.mark_mask, p.mark_mask, 0) ||
    differs(r.suppress_ifgroup, p.suppress_ifgroup, -1) ||
    differs(r.suppress_prefixlen, p.suppress_prefixlen, -1) ||
    differs(r.tun_id, p.tun_id, 0) ||
    differs(r.uid_start, p.uid_start, -1) ||
    differs(r.uid_end, p.uid_end, -1) ||
    differs(r.ip_proto, p.ip_proto, 0) ||
    differs(r.proto, p.proto, 0) ||
    differs(r.sport_start, p.sport_start, 0) ||
    differs(r.sport_end, p.sport_end, 0) ||
    differs(r.dport_start, p.dport_start, 0) ||
    differs(r.dport_end, p.dport_end, 0) ||
    (exact || p.l3mdev ? r.l3mdev !== p.l3mdev : false)
  );
}

const detach = (net: Net, name: string): number => (name === "" ? 0 : (net.dev_by_name.get(name)?.ifindex ?? -1));

function update_flags(rule: FibRule): void {
  rule.flags &= ~(FIB_RULE_IIF_DETACHED | FIB_RULE_OIF_DETACHED | FIB_RULE_UNRESOLVED);
  if (rule.iifindex === -1) rule.flags |= FIB_RULE_IIF_DETACHED;
  if (rule.oifindex === -1) rule.flags |= FIB_RULE_OIF_DETACHED;
  if (rule.action === FR_ACT_GOTO && rule.ctarget === null) rule.flags |= FIB_RULE_UNRESOLVED;
}

/** Gotos lead to the first rule of their preference, or nowhere. */
function resolve_gotos(ops: FibRulesOps): void {
  for (const r of ops.rules) {
    if (r.action !== FR_ACT_GOTO) continue;
    r.ctarget = ops.rules.find((t) => t.pref === r.target) ?? null;
    update_flags(r);
  }
}

/** RTM_NEWRULE. `rule` becomes part of the list. 0 or -errno, with the reason in extack. */
export function fib_nl_newrule<R extends FibRule, F, A>(
  ops: FibRulesOps<R, F, A>,
  rule: R,
  info: NlInfo | null,
  extack: { msg: string } | null,
): number {
  const net = ops.net;
  const err_msg = (msg: string, err: number): number => {
    if (extack !== null) extack.msg = msg;
    return err;
  };
  const neutral = ops as unknown as FibRulesOps;
  if (!rule.user_priority) rule.pref = fib_default_rule_pref(neutral);
  rule.iifindex = detach(net, rule.iifname);
  rule.oifindex = detach(net, rule.oifname);
  if (rule.action === FR_ACT_GOTO) {
    if (rule.target === 0) return err_msg("Invalid goto target", -EINVAL);
    if (rule.target <= rule.pref) return err_msg("Backward goto not supported", -EINVAL);
  } else if (rule.target !== 0) return err_msg("Unexpected goto", -EINVAL);
  if (rule.l3mdev && rule.table !== 0) return err_msg("l3mdev and table are mutually exclusive", -EINVAL);
  if (info !== null && (info.nlflags & NLM_F_EXCL) !== 0) {
    for (const r of ops.rules) {
      const flags_differ = ((r.flags ^ rule.flags) & FIB_RULE_INVERT) !== 0;
      if (!flags_differ && same_common(r, rule, true) && r.target === rule.target && ops.compare(r, rule, true)) {
        return -EEXIST;
      }
    }
  }
  const err = ops.configure(rule, extack);
  if (err < 0) return err;
  let at = 0;
  while (at < ops.rules.length && ops.rules[at]!.pref <= rule.pref) at++;
  ops.rules.splice(at, 0, rule);
  update_flags(rule);
  resolve_gotos(neutral);
  ops.flush_cache();
  rtmsg_notify(net, RTM_NEWRULE, rule, info);
  return 0;
}

/** RTM_DELRULE: the first rule that fits the pattern. 0, -ENOENT, or -EPERM for a permanent one. */
export function fib_nl_delrule<R extends FibRule, F, A>(
  ops: FibRulesOps<R, F, A>,
  pattern: R,
  info: NlInfo | null,
): number {
  const at = ops.rules.findIndex((r) => same_common(r, pattern, false) && ops.compare(r, pattern, false));
  if (at < 0) return -ENOENT;
  const rule = ops.rules[at]!;
  if ((rule.flags & FIB_RULE_PERMANENT) !== 0) return -EPERM;
  ops.rules.splice(at, 1);
  resolve_gotos(ops as unknown as FibRulesOps);
  ops.deleted?.(rule);
  rtmsg_notify(ops.net, RTM_DELRULE, rule, info);
  ops.flush_cache();
  return 0;
}

/** Rules name devices; the numbers behind the names come and go with them. */
export function fib_rules_event<R extends FibRule, F, A>(
  ops: FibRulesOps<R, F, A>,
  event: number,
  dev: NetDevice,
): void {
  if (event !== NETDEV_REGISTER && event !== NETDEV_UNREGISTER && event !== NETDEV_CHANGENAME) return;
  for (const rule of ops.rules) {
    if (rule.iifname === "" && rule.oifname === "") continue;
    // At UNREGISTER the device is out of the tables already, so one rule fits all three events.
    rule.iifindex = detach(dev.net, rule.iifname);
    rule.oifindex = detach(dev.net, rule.oifname);
    update_flags(rule);
  }
}
