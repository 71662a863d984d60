// RTM_*NSID: the numbers by which namespaces know each other; and /run/netns, where an open file stands for a namespace.
// Mirrors the netlink part of net/core/net_namespace.c. Read first: ip-netns(8). Way in: net_ns_netlink_init().

import { File, type FileOps, fget } from "../../kernel/fs/file.ts";
import { type Inode, open_dir } from "../../kernel/fs/vfs.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/sched.ts";
import { EEXIST, EINVAL } from "../../uapi/errno.ts";
import { S_IFDIR, S_IFREG } from "../../uapi/fcntl.ts";
import {
  NETNSA_CURRENT_NSID,
  NETNSA_FD,
  NETNSA_MAX,
  NETNSA_NSID,
  NETNSA_NSID_NOT_ASSIGNED,
  NETNSA_PID,
  NETNSA_TARGET_NSID,
} from "../../uapi/net_namespace.ts";
import { NLM_F_DUMP_FILTERED, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  type NlAttrs,
  NlMsgWriter,
  nla_get_s32,
  nla_get_u32,
  nla_put_u32,
  nlmsg_end,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import { RTM_DELNSID, RTM_GETNSID, RTM_NEWNSID, RTNLGRP_NSID } from "../../uapi/rtnetlink.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_has_listeners,
  nl_err,
  nlmsg_unicast,
} from "../netlink/af_netlink.ts";
import {
  type NlaPolicy,
  nlmsg_parse_deprecated,
  nlmsg_parse_deprecated_strict,
  policy_of,
  S32,
  U32,
} from "../netlink/nlattr.ts";
import { type Net, register_pernet_subsys } from "./net_namespace.ts";
import {
  get_net_ns_by_fd,
  get_net_ns_by_id,
  get_net_ns_by_pid,
  nl_info,
  rtnl_notify,
  rtnl_register,
} from "./rtnetlink.ts";

const RTGENMSG_LEN = 1;

const rtnl_net_policy: NlaPolicy = policy_of(NETNSA_MAX, [
  [NETNSA_NSID, S32],
  [NETNSA_PID, U32],
  [NETNSA_FD, U32],
  [NETNSA_TARGET_NSID, S32],
]);

function rtnl_net_fill(
  w: NlMsgWriter,
  event: number,
  portid: number,
  seq: number,
  flags: number,
  id: number,
  ref_id: number | null,
): void {
  nlmsg_put(w, event, flags, seq, portid, RTGENMSG_LEN);
  nla_put_u32(w, NETNSA_NSID, id);
  if (ref_id !== null) nla_put_u32(w, NETNSA_CURRENT_NSID, ref_id);
  nlmsg_end(w);
}

/** The namespace a request is about, or -errno. */
function peer_of(req: NlRequest, tb: NlAttrs): Net | number {
  const k = req.net.kernel;
  if (tb[NETNSA_PID] !== undefined) {
    const net = get_net_ns_by_pid(k, nla_get_u32(tb[NETNSA_PID]));
    return typeof net === "number" ? req.bad(tb[NETNSA_PID], "Peer netns reference is invalid", net) : net;
  }
  if (tb[NETNSA_FD] !== undefined) {
    const net = get_net_ns_by_fd(k, nla_get_u32(tb[NETNSA_FD]));
    return net ?? req.bad(tb[NETNSA_FD], "Peer netns reference is invalid", -EINVAL);
  }
  return nl_err(req.extack, "Peer netns reference is missing", -EINVAL);
}

function rtnl_net_newid(req: NlRequest): number {
  const tb: NlAttrs = [];
  const err = nlmsg_parse_deprecated(req, RTGENMSG_LEN, tb, rtnl_net_policy);
  if (err < 0) return err;
  if (tb[NETNSA_NSID] === undefined) return nl_err(req.extack, "nsid is missing", -EINVAL);
  const peer = peer_of(req, tb);
  if (typeof peer === "number") return peer;
  const net = req.net;
  let id = nla_get_s32(tb[NETNSA_NSID]);
  if (net.netns_ids.has(peer)) return req.bad(tb[NETNSA_NSID], "Peer netns already has a nsid assigned", -EEXIST);
  const used = new Set(net.netns_ids.values());
  if (id < 0) {
    id = 0;
    while (used.has(id)) id++;
  } else if (used.has(id)) return req.bad(tb[NETNSA_NSID], "The specified nsid is already used", -EEXIST);
  net.netns_ids.set(peer, id);
  notify(net, RTM_NEWNSID, id, req);
  return 0;
}

function rtnl_net_getid(req: NlRequest): number {
  const tb: NlAttrs = [];
  const parse = req.strict ? nlmsg_parse_deprecated_strict : nlmsg_parse_deprecated;
  const err = parse(req, RTGENMSG_LEN, tb, rtnl_net_policy);
  if (err < 0) return err;
  let peer: Net | number;
  if (tb[NETNSA_PID] === undefined && tb[NETNSA_FD] === undefined && tb[NETNSA_NSID] !== undefined) {
    const found = get_net_ns_by_id(req.net, nla_get_s32(tb[NETNSA_NSID]));
    peer = found ?? req.bad(tb[NETNSA_NSID], "Peer netns reference is invalid", -EINVAL);
  } else peer = peer_of(req, tb);
  if (typeof peer === "number") return peer;
  let target = req.net;
  let ref_id: number | null = null;
  if (tb[NETNSA_TARGET_NSID] !== undefined) {
    const found = get_net_ns_by_id(req.net, nla_get_s32(tb[NETNSA_TARGET_NSID]));
    if (found === null) return req.bad(tb[NETNSA_TARGET_NSID], "Target netns reference is invalid", -EINVAL);
    target = found;
    ref_id = req.net.netns_ids.get(peer) ?? NETNSA_NSID_NOT_ASSIGNED;
  }
  const id = target.netns_ids.get(peer) ?? NETNSA_NSID_NOT_ASSIGNED;
  const w = new NlMsgWriter(64);
  rtnl_net_fill(w, RTM_NEWNSID, req.portid, req.msg.seq, 0, id, ref_id);
  return nlmsg_unicast(req, w);
}

function* rtnl_net_dumpid(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const tb: NlAttrs = [];
  let target = req.net;
  if (req.strict) {
    const err = nlmsg_parse_deprecated_strict(req, RTGENMSG_LEN, tb, rtnl_net_policy);
    if (err < 0) return err;
    for (let i = 0; i < tb.length; i++) {
      if (tb[i] !== undefined && i !== NETNSA_TARGET_NSID) {
        return req.bad(tb[i], "Unsupported attribute in dump request", -EINVAL);
      }
    }
    if (tb[NETNSA_TARGET_NSID] !== undefined) {
      const found = get_net_ns_by_id(req.net, nla_get_s32(tb[NETNSA_TARGET_NSID]));
      if (found === null) return req.bad(tb[NETNSA_TARGET_NSID], "Invalid target network namespace id", -EINVAL);
      target = found;
    }
  }
  const flags = NLM_F_MULTI | (target !== req.net ? NLM_F_DUMP_FILTERED : 0);
  for (const [peer, id] of [...target.netns_ids].sort((a, b) => a[1] - b[1])) {
    const ref_id = target !== req.net ? (req.net.netns_ids.get(peer) ?? NETNSA_NSID_NOT_ASSIGNED) : null;
    rtnl_net_fill(w, RTM_NEWNSID, req.portid, req.msg.seq, flags, id, ref_id);
    yield;
  }
  return 0;
}

function notify(net: Net, event: number, id: number, req: NlRequest | null): void {
  if (req === null && !netlink_has_listeners(net, 0, RTNLGRP_NSID)) return;
  const info = req !== null ? nl_info(req) : null;
  const w = new NlMsgWriter(64);
  rtnl_net_fill(w, event, info?.portid ?? 0, info?.seq ?? 0, 0, id, null);
  rtnl_notify(net, w, RTNLGRP_NSID, info);
}

// --- /run/netns ---------------------------------------------------------------------------------------------------

/** What stands for a namespace while somebody has it open. */
class NsInode implements Inode {
  readonly ino: number;
  readonly mode: number = S_IFREG | 0o444;
  readonly net: Net;
  constructor(net: Net) {
    this.net = net;
    this.ino = net.inum;
  }
  size(): number {
    return 0;
  }
  open(task: Task, flags: number): File {
    return new File(task.kernel, ns_file_operations, flags, this);
  }
}

const ns_file_operations: FileOps = {
  read: () => -EINVAL,
  stat: (file) => {
    const ino = file.private_data as NsInode;
    return { mode: ino.mode, size: 0, ino: ino.ino };
  },
};

/** The named namespaces. */
class NetnsDir implements Inode {
  readonly ino: number;
  readonly mode: number = S_IFDIR | 0o755;
  private readonly k: Kernel;
  constructor(k: Kernel) {
    this.k = k;
    this.ino = k.next_ino++;
  }
  lookup(name: string): Inode | null {
    const net = this.k.netns_by_name.get(name);
    return net === undefined ? null : new NsInode(net);
  }
  list(): string[] {
    return [...this.k.netns_by_name.keys()].sort();
  }
  open(task: Task, flags: number): File | number {
    return open_dir(task, flags, this);
  }
}

/** The namespace of an open /run/netns file of the calling task. */
function net_ns_of_fd(k: Kernel, fd: number): Net | null {
  const task = k.current ?? k.tasks.get(1) ?? null;
  const file = task !== null ? fget(task, fd) : null;
  return file !== null && file.private_data instanceof NsInode ? file.private_data.net : null;
}

export function net_ns_netlink_init(k: Kernel): void {
  k.proc_net_ns = (task) => new NsInode(task.net_ns);
  k.net_ns_of_fd = (fd) => net_ns_of_fd(k, fd);
  k.rtnl_net_notify = (net, id) => notify(net, RTM_NEWNSID, id, null);
  const run = k.root_inode.lookup("run");
  const var_dir = k.root_inode.lookup("var");
  if (run !== null && "entries" in run) (run.entries as Map<string, Inode>).set("netns", new NetnsDir(k));
  // /var/run is the same directory under its old name.
  if (var_dir !== null && run !== null && "entries" in var_dir) (var_dir.entries as Map<string, Inode>).set("run", run);
  rtnl_register(k, 0, RTM_NEWNSID, rtnl_net_newid, null);
  rtnl_register(k, 0, RTM_GETNSID, rtnl_net_getid, rtnl_net_dumpid);
  register_pernet_subsys(k, {
    exit(net) {
      for (const other of k.nets) {
        const id = other.netns_ids.get(net);
        if (id === undefined || other === net) continue;
        other.netns_ids.delete(net);
        notify(other, RTM_DELNSID, id, null);
      }
    },
  });
}
