// Generic netlink: families by name behind one protocol, and the controller that tells their numbers.
// Mirrors net/netlink/genetlink.c. Way in: genl_init(), from netlink_proto_init(); genl_register_family().

import type { Kernel } from "../../kernel/kernel.ts";
import { EINVAL, ENOENT, EOPNOTSUPP } from "../../uapi/errno.ts";
import * as G from "../../uapi/genetlink.ts";
import { NETLINK_GENERIC, NLM_F_DUMP, NLM_F_MULTI } from "../../uapi/netlink.ts";
import {
  NlMsgWriter,
  nla_get_string,
  nla_get_u16,
  nla_nest_end,
  nla_nest_start_noflag,
  nla_put_string,
  nla_put_u16,
  nla_put_u32,
  nlmsg_end,
  nlmsg_parse,
  nlmsg_put,
} from "../../uapi/nlattr.ts";
import {
  type NetlinkDump,
  type NlRequest,
  netlink_dump_start,
  netlink_kernel_create,
  nlmsg_unicast,
} from "./af_netlink.ts";

/** Numbers are given from here on: those below belong to families of old. */
const GENL_START_ALLOC = 19;

export interface GenlOps {
  readonly cmd: number;
  /** GENL_ADMIN_PERM and GENL_CMD_CAP_*, as the controller shows them. */
  readonly flags: number;
  readonly doit?: (req: NlRequest) => number;
  readonly dumpit?: (req: NlRequest, w: NlMsgWriter) => NetlinkDump;
}

export interface GenlFamily {
  /** Given by genl_register_family(); 16 is the controller's. */
  id: number;
  readonly name: string;
  readonly version: number;
  readonly maxattr: number;
  readonly ops: readonly GenlOps[];
}

declare module "../../kernel/kernel.ts" {
  interface Kernel {
    genl_families: GenlFamily[];
  }
}

/** Starts a message of a family; its attributes follow. Returns nothing: nlmsg_end() closes it. */
export function genlmsg_put(w: NlMsgWriter, req: NlRequest, family: GenlFamily, flags: number, cmd: number): void {
  const at = nlmsg_put(w, family.id, flags, req.msg.seq, req.portid, G.GENL_HDRLEN);
  w.buf[at] = cmd;
  w.buf[at + 1] = family.version;
}

function ctrl_fill_info(w: NlMsgWriter, req: NlRequest, ctrl: GenlFamily, f: GenlFamily, flags: number): void {
  genlmsg_put(w, req, ctrl, flags, G.CTRL_CMD_NEWFAMILY);
  nla_put_string(w, G.CTRL_ATTR_FAMILY_NAME, f.name);
  nla_put_u16(w, G.CTRL_ATTR_FAMILY_ID, f.id);
  nla_put_u32(w, G.CTRL_ATTR_VERSION, f.version);
  nla_put_u32(w, G.CTRL_ATTR_HDRSIZE, 0);
  nla_put_u32(w, G.CTRL_ATTR_MAXATTR, f.maxattr);
  if (f.ops.length > 0) {
    const all = nla_nest_start_noflag(w, G.CTRL_ATTR_OPS);
    f.ops.forEach((op, i) => {
      const one = nla_nest_start_noflag(w, i + 1);
      nla_put_u32(w, G.CTRL_ATTR_OP_ID, op.cmd);
      nla_put_u32(w, G.CTRL_ATTR_OP_FLAGS, op.flags);
      nla_nest_end(w, one);
    });
    nla_nest_end(w, all);
  }
  nlmsg_end(w);
}

function* ctrl_dumpfamily(req: NlRequest, w: NlMsgWriter): NetlinkDump {
  const families = req.sk.net.kernel.genl_families;
  for (const f of families) {
    ctrl_fill_info(w, req, families[0]!, f, NLM_F_MULTI);
    yield;
  }
  return 0;
}

function ctrl_getfamily(req: NlRequest): number {
  const families = req.sk.net.kernel.genl_families;
  const tb = nlmsg_parse(req.msg, G.GENL_HDRLEN);
  const id = tb[G.CTRL_ATTR_FAMILY_ID];
  const name = tb[G.CTRL_ATTR_FAMILY_NAME];
  if (id === undefined && name === undefined) return -EINVAL;
  const f = families.find((x) => (name !== undefined ? x.name === nla_get_string(name) : x.id === nla_get_u16(id)));
  if (f === undefined) return -ENOENT;
  const w = new NlMsgWriter(256);
  ctrl_fill_info(w, req, families[0]!, f, 0);
  return nlmsg_unicast(req, w);
}

function genl_rcv_msg(req: NlRequest): number {
  const m = req.msg;
  const family = req.sk.net.kernel.genl_families.find((f) => f.id === m.type);
  if (family === undefined) return -ENOENT;
  if (m.len < G.GENL_HDRLEN) return -EINVAL;
  const op = family.ops.find((o) => o.cmd === m.buf[m.off]);
  if (op === undefined) return -EOPNOTSUPP;
  if ((m.flags & NLM_F_DUMP) === NLM_F_DUMP) {
    return op.dumpit !== undefined ? netlink_dump_start(req, op.dumpit) : -EOPNOTSUPP;
  }
  return op.doit !== undefined ? op.doit(req) : -EOPNOTSUPP;
}

/** Gives the family its number. */
export function genl_register_family(k: Kernel, family: Omit<GenlFamily, "id">): GenlFamily {
  const f: GenlFamily = { ...family, id: GENL_START_ALLOC + k.genl_families.length - 1 };
  k.genl_families.push(f);
  return f;
}

export function genl_init(k: Kernel): void {
  const flags = G.GENL_CMD_CAP_DO | G.GENL_CMD_CAP_DUMP | G.GENL_CMD_CAP_HASPOL;
  const ops: GenlOps[] = [{ cmd: G.CTRL_CMD_GETFAMILY, flags, doit: ctrl_getfamily, dumpit: ctrl_dumpfamily }];
  k.genl_families = [{ id: G.GENL_ID_CTRL, name: "nlctrl", version: 2, maxattr: 10, ops }];
  netlink_kernel_create(k, NETLINK_GENERIC, { groups: 32, input: genl_rcv_msg });
}
