// IPv4's part of policy routing: addresses, TOS and ports; which table a rule asks. Mirrors net/ipv4/fib_rules.c.
// Way in: fib4_rules_init(); __fib_lookup() once fib_has_custom_rules; fib_nl_newrule(fib4_rules_ops(net), rule, …).

import type { Kernel } from "../../kernel/kernel.ts";
import { EACCES, EAGAIN, EINVAL, ENETUNREACH, ENOBUFS, ESRCH } from "../../uapi/errno.ts";
import { FR_ACT_PROHIBIT, FR_ACT_TO_TBL, FR_ACT_UNREACHABLE } from "../../uapi/fib_rules.ts";
import { INET_DSCP_MASK } from "../../uapi/ip.ts";
import { RT_TABLE_DEFAULT, RT_TABLE_LOCAL, RT_TABLE_MAIN, RTPROT_KERNEL } from "../../uapi/rtnetlink.ts";
import { AF_INET } from "../../uapi/socket.ts";
import { FibRule, type FibRulesOps, fib_rule_match, fib_rules_event, fib_rules_lookup } from "../core/fib_rules.ts";
import type { Net } from "../core/net_namespace.ts";
import { register_netdevice_notifier } from "../core/notifier.ts";
import { fib_get_table, fib_new_table, fib_unmerge } from "./fib_frontend.ts";
import { type Extack, fib_err } from "./fib_lookup.ts";
import { fib_table_lookup, rt_cache_flush } from "./fib_trie.ts";
import type { FibResult, Flowi4 } from "./ip_fib.ts";
import { inet_make_mask } from "./netns_ipv4.ts";

/** struct fib4_rule. src_len and dst_len are prefix lengths, 0 for "all". */
export class Fib4Rule extends FibRule {
  src = 0;
  src_len = 0;
  srcmask = 0;
  dst = 0;
  dst_len = 0;
  dstmask = 0;
  /** TOS byte, 0 for "any". */
  dscp = 0;
  tclassid = 0;
  constructor() {
    super(AF_INET);
  }
}

export type Fib4RulesOps = FibRulesOps<Fib4Rule, Flowi4, FibResult>;

declare module "./netns_ipv4.ts" {
  interface NetnsIpv4 {
    rules_ops: Fib4RulesOps;
  }
}

export const fib4_rules_ops = (net: Net): Fib4RulesOps => net.ipv4.rules_ops;

const in_range = (port: number, start: number, end: number): boolean => start === 0 || (port >= start && port <= end);

function fib4_rule_match(rule: Fib4Rule, fl: Flowi4): boolean {
  return (
    fib_rule_match(rule, fl.flowi4_iif, fl.flowi4_oif, fl.flowi4_mark, fl.flowi4_uid) &&
    ((fl.saddr ^ rule.src) & rule.srcmask) === 0 &&
    ((fl.daddr ^ rule.dst) & rule.dstmask) === 0 &&
    (rule.dscp === 0 || rule.dscp === (fl.flowi4_tos & INET_DSCP_MASK)) &&
    (rule.ip_proto === 0 || rule.ip_proto === fl.flowi4_proto) &&
    in_range(fl.fl4_sport, rule.sport_start, rule.sport_end) &&
    in_range(fl.fl4_dport, rule.dport_start, rule.dport_end)
  );
}

function fib4_rule_action(net: Net, rule: Fib4Rule, fl: Flowi4, flags: number, res: FibResult): number {
  res.rule_pref = rule.pref;
  if (rule.action === FR_ACT_TO_TBL) {
    const tb = fib_get_table(net, rule.table);
    return tb !== null ? fib_table_lookup(tb, fl, res, flags) : -EAGAIN;
  }
  if (rule.action === FR_ACT_UNREACHABLE) return -ENETUNREACH;
  return rule.action === FR_ACT_PROHIBIT ? -EACCES : -EINVAL;
}

/** suppress_prefixlength (no route as short as that) and suppress_ifgroup: the rule acts as if it had found nothing. */
function fib4_rule_suppress(rule: Fib4Rule, res: FibResult): boolean {
  const dev = res.nhc !== null ? res.nhc.dev : null;
  const unwanted =
    res.prefixlen <= rule.suppress_prefixlen ||
    (rule.suppress_ifgroup !== -1 && dev !== null && dev.group === rule.suppress_ifgroup);
  if (unwanted) {
    res.fi = null;
    res.nhc = null;
  }
  return unwanted;
}

const needs_dissect = (r: Fib4Rule): boolean => r.ip_proto !== 0 || r.sport_start !== 0 || r.dport_start !== 0;

function fib4_rule_configure(net: Net, rule: Fib4Rule, extack: Extack | null): number {
  if (rule.src_len > 32) return fib_err(extack, "Invalid source address mask", -EINVAL);
  if (rule.dst_len > 32) return fib_err(extack, "Invalid dest address mask", -EINVAL);
  if ((rule.dscp & ~INET_DSCP_MASK) !== 0) {
    return fib_err(extack, "Invalid dsfield (tos): ECN bits must be 0", -EINVAL);
  }
  // From here on rules decide; local may come after other tables, so it needs its own trie.
  fib_unmerge(net);
  if (rule.table === 0 && !rule.l3mdev && rule.action === FR_ACT_TO_TBL) {
    let id = 1;
    while (id < RT_TABLE_DEFAULT && fib_get_table(net, id) !== null) id++;
    if (id === RT_TABLE_DEFAULT) return -ENOBUFS;
    rule.table = fib_new_table(net, id).tb_id;
  }
  rule.srcmask = inet_make_mask(rule.src_len);
  rule.dstmask = inet_make_mask(rule.dst_len);
  if (needs_dissect(rule)) net.ipv4.fib.fib_rules_require_fldissect++;
  net.ipv4.fib.fib_has_custom_rules = true;
  return 0;
}

function fib4_rule_compare(r: Fib4Rule, p: Fib4Rule, exact: boolean): boolean {
  if ((exact || p.src_len !== 0) && (r.src_len !== p.src_len || r.src !== p.src)) return false;
  if ((exact || p.dst_len !== 0) && (r.dst_len !== p.dst_len || r.dst !== p.dst)) return false;
  return !((exact || p.dscp !== 0) && r.dscp !== p.dscp);
}

/** fib_lookup() by rules: -ENETUNREACH when none of them finds a route. */
export function __fib_lookup(net: Net, flp: Flowi4, res: FibResult, flags: number): number {
  const err = fib_rules_lookup(net.ipv4.rules_ops, flp, flags, res);
  return err === -ESRCH ? -ENETUNREACH : err;
}

function default_rule(pref: number, table: number): Fib4Rule {
  const rule = new Fib4Rule();
  rule.pref = pref;
  rule.table = table;
  rule.action = FR_ACT_TO_TBL;
  rule.proto = RTPROT_KERNEL;
  return rule;
}

export function fib4_rules_init(net: Net): void {
  net.ipv4.rules_ops = {
    family: AF_INET,
    net,
    rules: [default_rule(0, RT_TABLE_LOCAL), default_rule(32766, RT_TABLE_MAIN), default_rule(32767, RT_TABLE_DEFAULT)],
    match: fib4_rule_match,
    action: (rule, fl, flags, res) => fib4_rule_action(net, rule, fl, flags, res),
    suppress: (rule, _flags, res) => fib4_rule_suppress(rule, res),
    configure: (rule, extack) => fib4_rule_configure(net, rule, extack),
    compare: fib4_rule_compare,
    deleted: (rule) => {
      // Even the default rules may go: then lookups must see that they are gone.
      fib_unmerge(net);
      net.ipv4.fib.fib_has_custom_rules = true;
      if (needs_dissect(rule)) net.ipv4.fib.fib_rules_require_fldissect--;
    },
    flush_cache: () => rt_cache_flush(net),
  };
}

export function fib4_rules_exit(net: Net): void {
  net.ipv4.rules_ops.rules.length = 0;
}

/** Registration of what all namespaces share; ip_fib_init() calls it. */
export function fib4_rules_register(k: Kernel): void {
  k.__fib_lookup = __fib_lookup;
  register_netdevice_notifier(k, (event, dev) => fib_rules_event(dev.net.ipv4.rules_ops, event, dev));
}
