// Routing netlink: which handler a message goes to, and what several handlers need. Mirrors the core of net/core/rtnetlink.c.
// Read first: rtnetlink(7). Way in: rtnetlink_init(); rtnl_register(k, family, msgtype, doit, dumpit). Links: rtnl_link.ts.

import type { Kernel } from "../../kernel/kernel.ts";
import { EOPNOTSUPP, ESRCH } from "../../uapi/errno.ts";
import { NETLINK_ROUTE, NLM_F_BULK, NLM_F_DUMP, NLM_F_ECHO, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlMsgWriter,
  nla_nest_cancel,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_put_string,
  nla_put_u32,
} from "../../uapi/nlattr.ts";
import { RTAX_CC_ALGO, RTM_BASE, RTM_MAX, RTNLGRP_MAX } from "../../uapi/rtnetlink.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_dump_start,
  netlink_kernel_create,
  nl_err,
  nlmsg_notify,
} from "../netlink/af_netlink.ts";
import { fib_rules_netlink_init } from "./fib_rules_netlink.ts";
import { neigh_netlink_init } from "./neigh_netlink.ts";
import type { Net } from "./net_namespace.ts";
import { net_ns_netlink_init } from "./net_namespace_netlink.ts";
import { type NlInfo, rtmsg_init } from "./rtmsg.ts";
import { rtnl_link_init } from "./rtnl_link.ts";

const PF_UNSPEC = 0;
/** Families above it are not asked for by rtnl_dump_all (bridge, mroute). */
const PF_PACKET = 17;
const RTNL_FAMILY_MAX = 129;

export type RtnlDoit = (req: NlRequest) => number;
export type RtnlDumpit = (req: NlRequest, w: NlMsgWriter) => NetlinkDump;

/** rtnl_register() flags. */
export const RTNL_FLAG_BULK_DEL_SUPPORTED = 2;

interface RtnlLink {
  readonly doit: RtnlDoit | null;
  readonly dumpit: RtnlDumpit | null;
  readonly flags: number;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** By family << 8 | msgtype. */
    rtnl_msg_handlers: Map<number, RtnlLink>;
    /** Set by fs: the namespace that an fd of the calling task refers to (an open /run/netns/NAME); null when it is none. */
    net_ns_of_fd: ((fd: number) => Net | null) | null;
    /** The request being served: whether it wants an echo. */
    rtnl_req: NlRequest | null;
  }
}

/** `doit` answers a message, `dumpit` the same with NLM_F_DUMP. Family 0 stands in for families that have none. */
export function rtnl_register(
  k: Kernel,
  family: number,
  msgtype: number,
  doit: RtnlDoit | null,
  dumpit: RtnlDumpit | null,
  flags = 0,
): void {
  k.rtnl_msg_handlers.set((family << 8) | msgtype, { doit, dumpit, flags });
}

/** Does somebody answer dumps of this kind for this family? */
const has_family = (k: Kernel, family: number): boolean => {
  for (const key of k.rtnl_msg_handlers.keys()) if (key >> 8 === family) return true;
  return false;
};

function rtnl_get_link(k: Kernel, family: number, type: number): RtnlLink | undefined {
  // A family with handlers of its own does not fall back here: rtnetlink_rcv_msg() does, once it knows it has none.
  if (family > RTNL_FAMILY_MAX || !has_family(k, family)) family = PF_UNSPEC;
  return k.rtnl_msg_handlers.get((family << 8) | type);
}

/** Kind of message: NEW 0, DEL 1, GET 2, SET 3. */
const RTNL_KIND_GET = 2;
const RTNL_KIND_DEL = 1;

function rtnetlink_rcv_msg(req: NlRequest): number {
  const k = req.net.kernel;
  const m = req.msg;
  if (m.type > RTM_MAX) return -EOPNOTSUPP;
  // Less than a family: there is nothing to answer.
  if (m.type < RTM_BASE || m.len < 1) return 0;
  const family = m.buf[m.off]!;
  const kind = m.type & 3;
  if (kind === RTNL_KIND_GET && (m.flags & NLM_F_DUMP) !== 0) {
    let link = rtnl_get_link(k, family, m.type);
    if (link === undefined || link.dumpit === null) {
      link = k.rtnl_msg_handlers.get(m.type);
      if (link === undefined || link.dumpit === null) return -EOPNOTSUPP;
    }
    return netlink_dump_start(req, link.dumpit);
  }
  let link = rtnl_get_link(k, family, m.type);
  if (link === undefined || link.doit === null) {
    link = k.rtnl_msg_handlers.get(m.type);
    if (link === undefined || link.doit === null) return -EOPNOTSUPP;
  }
  if (kind === RTNL_KIND_DEL && (m.flags & NLM_F_BULK) !== 0 && (link.flags & RTNL_FLAG_BULK_DEL_SUPPORTED) === 0) {
    return nl_err(req.extack, "Bulk delete is not supported", -EOPNOTSUPP);
  }
  const outer = k.rtnl_req;
  k.rtnl_req = req;
  try {
    return link.doit(req);
  } finally {
    k.rtnl_req = outer;
  }
}

/** A dump for family 0: all families that have one, in order. */
export function* rtnl_dump_all(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const k = req.net.kernel;
  const families: number[] = [];
  // DIFF: asked for a family that nobody registered, Linux lists all the others. We list none.
  if (req.msg.buf[req.msg.off] !== PF_UNSPEC) return 0;
  for (const key of k.rtnl_msg_handlers.keys()) {
    const family = key >> 8;
    if ((key & 0xff) === req.msg.type && family !== PF_UNSPEC && family !== PF_PACKET && family < 128)
      families.push(family);
  }
  for (const family of families.sort((a, b) => a - b)) {
    const link = k.rtnl_msg_handlers.get((family << 8) | req.msg.type);
    if (link === undefined || link.dumpit === null) continue;
    const err = yield* link.dumpit(req, w);
    if (err < 0) return err;
  }
  return 0;
}

// --- helpers of the handlers --------------------------------------------------------------------------------------

/** Who asked, as the notifications of a change repeat it. */
export const nl_info = (req: NlRequest): NlInfo => ({ portid: req.portid, seq: req.msg.seq, nlflags: req.msg.flags });

/** nlmsghdr fields of a dumped message. */
export const dump_flags = (filtered: boolean): number => NLM_F_MULTI | (filtered ? 0x20 : 0);

/** Sends a notification about a change: to the group, and to who asked for an echo. */
export function rtnl_notify(net: Net, w: NlMsgWriter, group: number, info: NlInfo | null): void {
  const echo = info !== null && (info.nlflags & NLM_F_ECHO) !== 0;
  nlmsg_notify(net, NETLINK_ROUTE, w, info !== null ? info.portid : 0, group, echo);
}

/** For notifications whose nlflags are not those of the request: does the request that caused it want an echo? */
export function rtnl_echo_wanted(k: Kernel, info: NlInfo): boolean {
  const req = k.rtnl_req;
  return req !== null && req.portid === info.portid && (req.msg.flags & NLM_F_ECHO) !== 0;
}

/** Whether the rest of a dump request's family header is zero, which strict checking demands. */
export function header_is_zero(req: NlRequest, from: number, to: number): boolean {
  const m = req.msg;
  for (let i = from; i < to && i < m.len; i++) if (m.buf[m.off + i] !== 0) return false;
  return true;
}

/** RTA_METRICS: what is set, in order; nothing when nothing is. */
export function rtnetlink_put_metrics(w: NlMsgWriter, type: number, metrics: Int32Array, cc_algo: string): void {
  const nest = nla_nest_start_noflag(w, type);
  const before = w.len;
  for (let i = 1; i < metrics.length; i++) {
    if (i === RTAX_CC_ALGO) {
      if (cc_algo !== "") nla_put_string(w, RTAX_CC_ALGO, cc_algo);
    } else if (metrics[i] !== 0) nla_put_u32(w, i, metrics[i]!);
  }
  if (w.len === before) nla_nest_cancel(w, nest);
  else nla_nest_end(w, nest);
}

/** The namespace named by an fd or a process, as IFLA_NET_NS_FD and IFLA_NET_NS_PID say. Null when there is none. */
export function get_net_ns_by_fd(k: Kernel, fd: number): Net | null {
  return k.net_ns_of_fd !== null ? k.net_ns_of_fd(fd) : null;
}
export function get_net_ns_by_pid(k: Kernel, pid: number): Net | number {
  const task = k.tasks.get(pid);
  // Kernel threads were there before the first namespace.
  return task === undefined ? -ESRCH : (task.net_ns ?? k.init_net);
}

/** The id by which `net` knows `peer`; made when it has none. */
export function peernet2id_alloc(net: Net, peer: Net): number {
  const id = net.netns_ids.get(peer);
  if (id !== undefined) return id;
  const used = new Set(net.netns_ids.values());
  let n = 0;
  while (used.has(n)) n++;
  net.netns_ids.set(peer, n);
  net.kernel.rtnl_net_notify?.(net, n);
  return n;
}

/** -1 when it has none. */
export const peernet2id = (net: Net, peer: Net): number => net.netns_ids.get(peer) ?? -1;

export function get_net_ns_by_id(net: Net, id: number): Net | null {
  for (const [peer, n] of net.netns_ids) if (n === id && !peer.dead) return peer;
  return null;
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    /** Set by net_namespace_netlink.ts: tells of a new id. */
    rtnl_net_notify: ((net: Net, id: number) => void) | null;
  }
}

/** After netlink_proto_init(), before those who rtnl_register(). */
export function rtnetlink_init(k: Kernel): void {
  k.rtnl_msg_handlers = new Map();
  k.net_ns_of_fd ??= null;
  k.rtnl_net_notify = null;
  k.rtnl_req = null;
  netlink_kernel_create(k, NETLINK_ROUTE, { groups: RTNLGRP_MAX, input: rtnetlink_rcv_msg });
  rtmsg_init(k);
  rtnl_link_init(k);
  neigh_netlink_init(k);
  fib_rules_netlink_init(k);
  net_ns_netlink_init(k);
}
