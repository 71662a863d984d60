// Netfilter's hooks: who looks at a packet at PRE_ROUTING, LOCAL_IN, FORWARD, LOCAL_OUT and POST_ROUTING, in which order.
// Mirrors net/netfilter/core.c and nf_queue.c. Way in: nf_register_net_hook(); NF_HOOK() on the packet's path.

import type { Kernel } from "../../kernel/kernel.ts";
import { trace_detail, trace_fn, trace_note } from "../../kernel/trace.ts";
import { F_nf_hook_slow, F_nf_reinject } from "../../kernel/trace_fn.ts";
import { trace_key } from "../../kernel/trace_key.ts";
import { EINVAL, ENOENT, EPERM, ESRCH } from "../../uapi/errno.ts";
import { SKB_DROP_REASON_NETFILTER_DROP } from "../core/dropreason.ts";
import { type Net, register_pernet_subsys } from "../core/net_namespace.ts";
import type { NetDevice } from "../core/netdevice.ts";
import { kfree_skb_reason, type SkBuff, skb_dst_force } from "../core/skbuff.ts";
import { type Sock, sock_hold, sock_put } from "../core/sock.ts";

export const NFPROTO_UNSPEC = 0;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_ARP = 3;
export const NFPROTO_NETDEV = 5;
export const NFPROTO_BRIDGE = 7;
export const NFPROTO_IPV6 = 10;
export const NFPROTO_NUMPROTO = 11;

export const NF_INET_PRE_ROUTING = 0;
export const NF_INET_LOCAL_IN = 1;
export const NF_INET_FORWARD = 2;
export const NF_INET_LOCAL_OUT = 3;
export const NF_INET_POST_ROUTING = 4;
export const NF_INET_NUMHOOKS = 5;
export const nf_inet_hook_names: readonly string[] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
export const NF_ARP_IN = 0;
export const NF_ARP_OUT = 1;
export const NF_ARP_FORWARD = 2;

export const NF_DROP = 0;
export const NF_ACCEPT = 1;
export const NF_STOLEN = 2;
export const NF_QUEUE = 3;
export const NF_REPEAT = 4;
export const NF_STOP = 5;
export const NF_VERDICT_MASK = 0xff;
export const NF_VERDICT_FLAG_QUEUE_BYPASS = 0x8000;
/** The errno (positive) that the sender of a dropped packet gets instead of EPERM. */
export const NF_DROP_ERR = (err: number): number => (err << 16) | NF_DROP;
/** Verdict "to queue number `n`". */
export const NF_QUEUE_NR = (n: number): number => (n << 16) | NF_QUEUE;

// Priorities of IPv4 and IPv6 hooks: lower runs earlier.
export const NF_IP_PRI_FIRST = -0x80000000;
export const NF_IP_PRI_RAW_BEFORE_DEFRAG = -450;
export const NF_IP_PRI_CONNTRACK_DEFRAG = -400;
export const NF_IP_PRI_RAW = -300;
export const NF_IP_PRI_SELINUX_FIRST = -225;
export const NF_IP_PRI_CONNTRACK = -200;
export const NF_IP_PRI_MANGLE = -150;
export const NF_IP_PRI_NAT_DST = -100;
export const NF_IP_PRI_FILTER = 0;
export const NF_IP_PRI_SECURITY = 50;
export const NF_IP_PRI_NAT_SRC = 100;
export const NF_IP_PRI_SELINUX_LAST = 225;
export const NF_IP_PRI_CONNTRACK_HELPER = 300;
export const NF_IP_PRI_CONNTRACK_CONFIRM = 0x7fffffff;
export const NF_IP_PRI_LAST = 0x7fffffff;

/** Continuation of the packet's path behind the hook. */
export type NfOkFn = (net: Net, sk: Sock | null, skb: SkBuff) => number;

/** Where a packet is. Valid during the hook only: nf_queue() copies what must last. */
export class NfHookState {
  pf = 0;
  hook = 0;
  in: NetDevice | null = null;
  out: NetDevice | null = null;
  sk: Sock | null = null;
  net: Net = null as unknown as Net;
  okfn: NfOkFn = null as unknown as NfOkFn;
}

export type NfHookFn = (priv: unknown, skb: SkBuff, state: NfHookState) => number;

export interface NfHookOps {
  readonly hook: NfHookFn;
  readonly pf: number;
  readonly hooknum: number;
  readonly priority: number;
  readonly priv: unknown;
  /** For the walk: "filter", "nat" …; default is the function's name. */
  readonly name?: string;
}

/** A packet that waits for a verdict from outside (NFQUEUE). */
export class NfQueueEntry {
  readonly skb: SkBuff;
  readonly state: NfHookState;
  /** Position in the hook list of the hook that queued it. */
  readonly hook_index: number;
  readonly queuenum: number;
  id = 0;
  constructor(skb: SkBuff, state: NfHookState, hook_index: number, queuenum: number) {
    this.skb = skb;
    this.state = state;
    this.hook_index = hook_index;
    this.queuenum = queuenum;
  }
}

/** Who takes queued packets (nfnetlink_queue). Returns 0, or -errno when the packet was not taken. */
export interface NfQueueHandler {
  outfn(entry: NfQueueEntry, queuenum: number): number;
  /** A hook went away: entries that it queued must be given back or dropped. */
  nf_hook_drop(net: Net): void;
}

declare module "../core/net_namespace.ts" {
  interface Net {
    /** Hooks in order of priority, at [(pf << 3) | hooknum]. Replaced, never changed, so that a walk may go on. */
    nf_hooks: (readonly NfHookOps[])[];
    nf_queue_handler: NfQueueHandler | null;
  }
}
declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** States not in use now. Hooks nest (a REJECT sends), so there may be several in use. */
    nf_state_pool: NfHookState[];
  }
}

const no_hooks: readonly NfHookOps[] = [];

export function netfilter_init(k: Kernel): void {
  k.nf_state_pool = [];
  register_pernet_subsys(k, {
    init: (net) => {
      net.nf_hooks = new Array<readonly NfHookOps[]>(NFPROTO_NUMPROTO << 3).fill(no_hooks);
      net.nf_queue_handler = null;
    },
    exit: (net) => {
      if (net.nf_queue_handler !== null) net.nf_queue_handler.nf_hook_drop(net);
      net.nf_hooks.fill(no_hooks);
    },
  });
}

/** Is any hook registered there? */
export const nf_hooks_active = (net: Net, pf: number, hook: number): boolean =>
  net.nf_hooks[(pf << 3) | hook]!.length !== 0;

function register_one(net: Net, pf: number, ops: NfHookOps): void {
  const at = (pf << 3) | ops.hooknum;
  const old = net.nf_hooks[at]!;
  // Among equals the newest runs first, as in Linux.
  let i = 0;
  while (i < old.length && old[i]!.priority < ops.priority) i++;
  net.nf_hooks[at] = [...old.slice(0, i), ops, ...old.slice(i)];
}

/** Returns 0, or -EINVAL for a hook that does not exist. NFPROTO_INET registers for IPv4 and IPv6. */
export function nf_register_net_hook(net: Net, ops: NfHookOps): number {
  if (ops.hooknum < 0 || ops.hooknum > 7 || ops.pf <= 0 || ops.pf >= NFPROTO_NUMPROTO) return -EINVAL;
  if (ops.pf === NFPROTO_INET) {
    if (ops.hooknum >= NF_INET_NUMHOOKS) return -EINVAL;
    register_one(net, NFPROTO_IPV4, ops);
    register_one(net, NFPROTO_IPV6, ops);
  } else {
    register_one(net, ops.pf, ops);
  }
  return 0;
}

/** All or none. */
export function nf_register_net_hooks(net: Net, ops: readonly NfHookOps[]): number {
  for (let i = 0; i < ops.length; i++) {
    const err = nf_register_net_hook(net, ops[i]!);
    if (err < 0) {
      nf_unregister_net_hooks(net, ops.slice(0, i));
      return err;
    }
  }
  return 0;
}

function unregister_one(net: Net, pf: number, ops: NfHookOps): number {
  const at = (pf << 3) | ops.hooknum;
  const old = net.nf_hooks[at];
  const i = old === undefined ? -1 : old.indexOf(ops);
  if (i < 0) return -ENOENT;
  net.nf_hooks[at] = old!.length === 1 ? no_hooks : [...old!.slice(0, i), ...old!.slice(i + 1)];
  return 0;
}

/** Returns 0, or -ENOENT when it is not registered. */
export function nf_unregister_net_hook(net: Net, ops: NfHookOps): number {
  let err: number;
  if (ops.pf === NFPROTO_INET) {
    err = unregister_one(net, NFPROTO_IPV4, ops);
    unregister_one(net, NFPROTO_IPV6, ops);
  } else {
    err = unregister_one(net, ops.pf, ops);
  }
  if (err === 0 && net.nf_queue_handler !== null) net.nf_queue_handler.nf_hook_drop(net);
  return err;
}

export function nf_unregister_net_hooks(net: Net, ops: readonly NfHookOps[]): void {
  for (let i = ops.length - 1; i >= 0; i--) nf_unregister_net_hook(net, ops[i]!);
}

const verdict_names: readonly string[] = ["DROP", "ACCEPT", "STOLEN", "QUEUE", "REPEAT", "STOP"];

function trace_verdict(skb: SkBuff, state: NfHookState, ops: NfHookOps, verdict: number): void {
  const hook =
    state.pf === NFPROTO_ARP ? (["IN", "OUT", "FORWARD"][state.hook] ?? "?") : nf_inet_hook_names[state.hook];
  trace_note(F_nf_hook_slow, skb, {
    kind: "nf",
    pf: state.pf,
    hook: hook ?? String(state.hook),
    by: ops.name ?? ops.hook.name,
    priority: ops.priority,
    verdict: verdict_names[verdict & NF_VERDICT_MASK] ?? String(verdict),
  });
}

/**
 * Shows the packet to the hooks from `i` on. Returns 1 when it may go on (the caller calls okfn); 0 when a hook or a
 * queue has it now; -errno when it was dropped, and is gone.
 */
export function nf_hook_slow(skb: SkBuff, state: NfHookState, entries: readonly NfHookOps[], i = 0): number {
  if (trace_key.on) trace_fn(F_nf_hook_slow, skb);
  for (; i < entries.length; i++) {
    const ops = entries[i]!;
    const verdict = ops.hook(ops.priv, skb, state);
    if (trace_key.on && trace_detail(skb.kernel)) trace_verdict(skb, state, ops, verdict);
    switch (verdict & NF_VERDICT_MASK) {
      case NF_ACCEPT:
        break;
      case NF_STOP:
        return 1;
      case NF_REPEAT:
        i--;
        break;
      case NF_QUEUE: {
        const ret = nf_queue(skb, state, i, verdict);
        if (ret === 1) break;
        return ret;
      }
      case NF_STOLEN:
        return -(verdict >>> 16) | 0;
      default: {
        kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP);
        const err = verdict >>> 16;
        return err === 0 ? -EPERM : -err;
      }
    }
  }
  return 1;
}

/** Hands the packet to the queue handler. 1: nobody there and the rule says bypass; 0: queued; -errno: dropped. */
function nf_queue(skb: SkBuff, state: NfHookState, hook_index: number, verdict: number): number {
  const handler = state.net.nf_queue_handler;
  const bypass = (verdict & NF_VERDICT_FLAG_QUEUE_BYPASS) !== 0;
  let err = -ESRCH;
  if (handler !== null) {
    const copy = new NfHookState();
    nf_hook_state_set(copy, state.pf, state.hook, state.in, state.out, state.sk, state.net, state.okfn);
    const entry = new NfQueueEntry(skb, copy, hook_index, verdict >>> 16);
    skb_dst_force(skb);
    nf_queue_entry_get_refs(entry);
    err = handler.outfn(entry, entry.queuenum);
    if (err >= 0) return 0;
    nf_queue_entry_release_refs(entry);
  }
  if (err === -ESRCH && bypass) return 1;
  kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP);
  return err;
}

function nf_queue_entry_get_refs(entry: NfQueueEntry): void {
  const s = entry.state;
  if (s.in !== null) s.in.refcnt++;
  if (s.out !== null) s.out.refcnt++;
  if (s.sk !== null) sock_hold(s.sk);
}

function nf_queue_entry_release_refs(entry: NfQueueEntry): void {
  const s = entry.state;
  if (s.in !== null) s.in.refcnt--;
  if (s.out !== null) s.out.refcnt--;
  if (s.sk !== null) sock_put(s.sk);
}

/** The verdict on a queued packet: it goes on behind the hook that queued it, if the hooks there let it. */
export function nf_reinject(entry: NfQueueEntry, verdict: number): void {
  const { skb, state } = entry;
  if (trace_key.on) trace_fn(F_nf_reinject, skb);
  nf_queue_entry_release_refs(entry);
  const entries = state.net.nf_hooks[(state.pf << 3) | state.hook]!;
  switch (verdict & NF_VERDICT_MASK) {
    case NF_ACCEPT:
    case NF_REPEAT:
    case NF_STOP: {
      let i = entry.hook_index;
      if ((verdict & NF_VERDICT_MASK) === NF_ACCEPT) i++;
      else if ((verdict & NF_VERDICT_MASK) === NF_STOP) i = entries.length;
      if (nf_hook_slow(skb, state, entries, i) === 1) state.okfn(state.net, state.sk, skb);
      break;
    }
    case NF_QUEUE:
      if (nf_queue(skb, state, entry.hook_index, verdict) === 1) {
        if (nf_hook_slow(skb, state, entries, entry.hook_index + 1) === 1) state.okfn(state.net, state.sk, skb);
      }
      break;
    case NF_STOLEN:
      break;
    default:
      kfree_skb_reason(skb, SKB_DROP_REASON_NETFILTER_DROP);
  }
}

export function nf_hook_state_set(
  state: NfHookState,
  pf: number,
  hook: number,
  indev: NetDevice | null,
  outdev: NetDevice | null,
  sk: Sock | null,
  net: Net,
  okfn: NfOkFn,
): void {
  state.pf = pf;
  state.hook = hook;
  state.in = indev;
  state.out = outdev;
  state.sk = sk;
  state.net = net;
  state.okfn = okfn;
}

/** Runs the hooks when there are any. 1: go on; 0: somebody has the packet; -errno: dropped. */
export function nf_hook(
  pf: number,
  hook: number,
  net: Net,
  sk: Sock | null,
  skb: SkBuff,
  indev: NetDevice | null,
  outdev: NetDevice | null,
  okfn: NfOkFn,
): number {
  const entries = net.nf_hooks[(pf << 3) | hook]!;
  if (entries.length === 0) return 1;
  const pool = net.kernel.nf_state_pool;
  const state = pool.length > 0 ? pool.pop()! : new NfHookState();
  nf_hook_state_set(state, pf, hook, indev, outdev, sk, net, okfn);
  const ret = nf_hook_slow(skb, state, entries);
  state.in = null;
  state.out = null;
  state.sk = null;
  pool.push(state);
  return ret;
}

/** Runs the hooks, then okfn. Its result, or 0 when a hook kept the packet, or -errno when it was dropped. */
export const NF_HOOK = (
  pf: number,
  hook: number,
  net: Net,
  sk: Sock | null,
  skb: SkBuff,
  indev: NetDevice | null,
  outdev: NetDevice | null,
  okfn: NfOkFn,
): number => {
  if (net.nf_hooks[(pf << 3) | hook]!.length === 0) return okfn(net, sk, skb);
  const ret = nf_hook(pf, hook, net, sk, skb, indev, outdev, okfn);
  return ret === 1 ? okfn(net, sk, skb) : ret;
};

/** The same, but the hooks are passed by when `cond` is false (a packet that was through them already). */
export const NF_HOOK_COND = (
  pf: number,
  hook: number,
  net: Net,
  sk: Sock | null,
  skb: SkBuff,
  indev: NetDevice | null,
  outdev: NetDevice | null,
  okfn: NfOkFn,
  cond: boolean,
): number => (cond ? NF_HOOK(pf, hook, net, sk, skb, indev, outdev, okfn) : okfn(net, sk, skb));
