// IPv4's part of RTM_*RULE: addresses, TOS and realms. Mirrors fib4_rule_configure() and fib4_rule_fill() of
// net/ipv4/fib_rules.c. Way in: fib4_rules_netlink_init().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL } from "../../uapi/errno.ts";
import * as F from "../../uapi/fib_rules.ts";
import { INET_DSCP_MASK } from "../../uapi/ip.ts";
import {
  type NlAttrs,
  type NlMsgWriter,
  nla_get_in_addr,
  nla_get_u32,
  nla_put_in_addr,
  nla_put_u32,
} from "../../uapi/nlattr.ts";
import { RTNLGRP_IPV4_RULE } from "../../uapi/rtnetlink.ts";
import { AF_INET } from "../../uapi/socket.ts";
import type { FibRule, FibRulesOps } from "../core/fib_rules.ts";
import { fib_rules_nl_register } from "../core/fib_rules_netlink.ts";
import type { Net } from "../core/net_namespace.ts";
import { type NlRequest, nl_err } from "../netlink/af_netlink.ts";
import { Fib4Rule, fib4_rules_ops } from "./fib_rules.ts";

function configure(rule: FibRule, req: NlRequest, tb: NlAttrs): number {
  const r = rule as Fib4Rule;
  const m = req.msg;
  const h = (off: number): number => m.buf[m.off + off]!;
  if ((h(F.FIB_RULE_HDR_TOS) & ~INET_DSCP_MASK) !== 0) {
    return nl_err(req.extack, "Invalid dsfield (tos): ECN bits must be 0", -EINVAL);
  }
  r.dscp = h(F.FIB_RULE_HDR_TOS);
  r.src_len = h(F.FIB_RULE_HDR_SRC_LEN);
  r.dst_len = h(F.FIB_RULE_HDR_DST_LEN);
  if (r.src_len !== 0) r.src = nla_get_in_addr(tb[F.FRA_SRC]);
  if (r.dst_len !== 0) r.dst = nla_get_in_addr(tb[F.FRA_DST]);
  r.tclassid = nla_get_u32(tb[F.FRA_FLOW]) | 0;
  return 0;
}

function fill(rule: FibRule, w: NlMsgWriter, at: number): void {
  const r = rule as Fib4Rule;
  w.buf[at + F.FIB_RULE_HDR_DST_LEN] = r.dst_len;
  w.buf[at + F.FIB_RULE_HDR_SRC_LEN] = r.src_len;
  w.buf[at + F.FIB_RULE_HDR_TOS] = r.dscp;
  if (r.dst_len !== 0) nla_put_in_addr(w, F.FRA_DST, r.dst);
  if (r.src_len !== 0) nla_put_in_addr(w, F.FRA_SRC, r.src);
  if (r.tclassid !== 0) nla_put_u32(w, F.FRA_FLOW, r.tclassid);
}

/** After ip_fib_init(). */
export function fib4_rules_netlink_init(k: Kernel): void {
  fib_rules_nl_register(k, {
    family: AF_INET,
    nlgroup: RTNLGRP_IPV4_RULE,
    addr_size: 4,
    ops: (net: Net) => fib4_rules_ops(net) as unknown as FibRulesOps,
    alloc: () => new Fib4Rule(),
    configure,
    fill,
  });
}
