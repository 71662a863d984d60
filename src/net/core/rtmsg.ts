// Notifications of control plane changes, before any encoding: rtnl_notify() of net/core/rtnetlink.c.
// Way in: rtmsg_notify() where something changed; k.rtmsg_hooks.push() for who listens (netlink, a lab's journal).

import type { Kernel } from "../../kernel/kernel.ts";
import type { Net } from "./net_namespace.ts";

/** Who asked for a change: what a notification repeats, and where its echo goes. */
export interface NlInfo {
  portid: number;
  seq: number;
  /** nlmsg_flags of the request (NLM_F_REPLACE, NLM_F_APPEND, NLM_F_ECHO …). */
  nlflags: number;
}

/**
 * `event` is the RTM_* message that Linux multicasts; `obj` is what it is about: FibAlias for routes, InIfaddr, FibRule,
 * Nexthop. `info` names the request, null for the kernel's own changes. The object is only valid during the call.
 */
export type RtmsgHook = (net: Net, event: number, obj: unknown, info: NlInfo | null) => void;

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    rtmsg_hooks: RtmsgHook[];
  }
}

/** Idempotent: whoever comes first in the boot order makes the list. */
export function rtmsg_init(k: Kernel): void {
  k.rtmsg_hooks ??= [];
}

export function rtmsg_notify(net: Net, event: number, obj: unknown, info: NlInfo | null): void {
  const hooks = net.kernel.rtmsg_hooks;
  for (let i = 0; i < hooks.length; i++) hooks[i]!(net, event, obj, info);
}
